"""`canbao schedule` itself: it stays on when it is stopped and started, and of missed nights it runs one (U35)."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from canbao.quality.nights import ZONE

from .conftest import COMMAND, Landing

MISSED = 3


@contextmanager
def scheduled(landing: Path, home: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The service, ready."""
    command = [*COMMAND, "schedule", "--landing", str(landing), "--home", str(home), "--cron", "0 2 * * *"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("CANBAO_", "PREFECT_"))}
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out, env=clean) as service:
        try:
            until(lambda: "已就绪" in log.read_text(), 120, log)
            yield service
        finally:
            service.kill()


def until(done: Callable[[], bool], seconds: float, log: Path) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.3)


def query(home: Path, sql: str) -> list[tuple]:
    with closing(sqlite3.connect(home / "prefect" / "schedule" / "prefect.db", timeout=30)) as store:
        rows = store.execute(sql).fetchall()
        store.commit()
        return rows


def is_on(home: Path) -> bool:
    """Whether the one deployment and its one schedule are switched on."""
    paused = query(home, "SELECT paused FROM deployment")
    active = query(home, "SELECT active FROM deployment_schedule")
    return paused == [(0,)] and active == [(1,)]


def was_due(home: Path, run: str, when: datetime) -> None:
    """Move a planned run into the past, as if it had been due while the service was down."""
    text = f"{when:%Y-%m-%d %H:%M:%S.000000}"
    where = f"WHERE id = '{run}' RETURNING id"
    query(home, f"UPDATE flow_run SET next_scheduled_start_time = '{text}', expected_start_time = '{text}' {where}")
    details = f"json_set(state_details, '$.scheduled_time', '{when.isoformat()}')"
    query(home, f"UPDATE flow_run_state SET state_details = {details} WHERE flow_run_id = '{run}' RETURNING id")


@pytest.mark.slow
def test_stopped_and_started_again_it_makes_up_for_missed_nights_with_one_run(landing: Landing, tmp_path: Path) -> None:
    landing.population().enrollment()
    home, log = tmp_path / "home", tmp_path / "log"
    planned = "SELECT id FROM flow_run WHERE state_type = 'SCHEDULED' ORDER BY next_scheduled_start_time"
    with scheduled(landing.root, home, log) as service:
        until(lambda: len(query(home, planned)) >= MISSED, 60, log)
        service.send_signal(signal.SIGTERM)
        assert service.wait(timeout=60) in {0, 130}
    assert is_on(home)
    assert not (home / "published" / "current").exists()
    for number, (run,) in enumerate(query(home, planned)[:MISSED], start=1):
        was_due(home, run, datetime.now(UTC) - timedelta(days=number))
    with scheduled(landing.root, home, log) as service:
        done = "SELECT count(*) FROM flow_run WHERE state_type = 'COMPLETED'"
        until(lambda: query(home, done) == [(MISSED,)], 300, log)
        service.send_signal(signal.SIGTERM)
        assert service.wait(timeout=60) in {0, 130}
    assert is_on(home)
    today = datetime.now(ZONE).date().isoformat()
    assert [path.parent.parent.name for path in (home / "published").glob("2*/*/manifest.json")] == [today]
    assert len(list((home / "runs").glob("*.json"))) == 1
    assert query(home, "SELECT DISTINCT key FROM artifact ORDER BY key") == [("run-report",), ("verdict",)]
    ((verdict,),) = query(home, "SELECT data FROM artifact WHERE key = 'verdict'")
    assert "| 产品 | 结论 |" in json.loads(verdict)
    assert "| 未参保名单 | " in json.loads(verdict)
