"""`canbao status`: freshness judged from outside."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from canbao.status import status

NOW = datetime(2026, 4, 1, 8, tzinfo=UTC)


def publication(root: Path, hours: float) -> None:
    folder = root / "published" / "2026-03-31" / "r"
    folder.mkdir(parents=True)
    finished = (NOW - timedelta(hours=hours)).isoformat()
    (folder / "manifest.json").write_text(json.dumps({"finished": finished, "accepted": [{"check_id": "row_fall.x"}]}))
    (root / "published" / "current").symlink_to("2026-03-31/r")


def test_nothing_ever_ran(tmp_path: Path) -> None:
    for max_age in (None, 24.0):
        found = status(tmp_path / "no-such-home", max_age, NOW)
        assert not found.fresh
    assert not (tmp_path / "no-such-home").exists()


def test_age(tmp_path: Path) -> None:
    publication(tmp_path, 25)
    assert status(tmp_path, None, NOW).fresh
    assert status(tmp_path, 26, NOW).fresh
    late = status(tmp_path, 24, NOW)
    assert not late.fresh
    assert any("row_fall.x" in line for line in late.lines)


def test_what_blocked_the_last_night(tmp_path: Path) -> None:
    publication(tmp_path, 1)
    (tmp_path / "runs").mkdir()
    record = {"as_of": "2026-04-01", "state": "blocked", "message": "[required.population] 没有数据"}
    (tmp_path / "runs" / "20260401T000000Z-a.json").write_text(json.dumps(record))
    found = status(tmp_path, 26, NOW)
    assert found.fresh
    assert "[required.population] 没有数据" in found.lines


def test_a_run_that_was_broken_off(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "20260401T000000Z-a.json").write_text(json.dumps({"state": "running"}))
    assert any("中断" in line for line in status(tmp_path, None, NOW).lines)
