"""Notices: a real command and a real local server; ten lines at most; a hook that fails fails nothing (U37)."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from canbao.home import Home
from canbao.quality import notify, state
from canbao.quality.incidents import Change, Incident
from canbao.settings import Settings


class Server(HTTPServer):
    """Keeps what is posted, and answers with a status."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.posted: list[dict[str, Any]] = []
        self.answer = 200

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append({"type": self.headers["Content-Type"], **json.loads(body)})
        self.send_response(self.server.answer)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        return None


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def change(kind: Any, check_id: str, source: str | None = None, severity: str = "warn", nights: int = 1) -> Change:
    return Change(
        kind,
        Incident(
            f"20260401-{check_id}", check_id, f"标题{check_id}", severity, "2026-04-01", "2026-04-01", source,
            department="公安", nights=nights,
        ),
    )  # fmt: skip


def notices(home: Home) -> list[dict[str, Any]]:
    return state.read(home, notify.NAME).get("notices", [])


def test_nothing_without_configuration(home: Home) -> None:
    assert notify.send(home, Settings(), ["一行"], {}) == []
    assert not home.root.exists()


def test_a_real_command(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANBAO_KEY", "secret")
    settings = Settings(notify_command=f"cat > {tmp_path}/told; env > {tmp_path}/env")
    assert [one.ok for one in notify.send(home, settings, ["第一行", "第二行"], {"as_of": "2026-04-01"})] == [True]
    assert (tmp_path / "told").read_text() == "第一行\n第二行\n"
    assert "secret" not in (tmp_path / "env").read_text()
    assert notices(home)[-1]["lines"] == ["第一行", "第二行"]
    assert notify.undelivered(home) == ""


def test_a_real_webhook(home: Home, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # the office's own network needs no proxy
    about = {"state": "blocked", "as_of": "2026-04-01", "changes": notify.as_data([change("opened", "a.b")])}
    assert notify.send(home, Settings(notify_webhook=server.address), ["一行", "两行"], about)[0].ok
    (posted,) = server.posted
    assert posted["text"] == "一行\n两行"
    assert posted["type"].startswith("application/json")
    assert posted["changes"][0]["check_id"] == "a.b"


def test_hooks_that_fail_are_told_and_nothing_else(home: Home, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answer = 500
    settings = Settings(notify_command="echo 试1 >&2; exit 3", notify_webhook=server.address)
    assert [one.ok for one in notify.send(home, settings, ["一行"], {})] == [False, False]
    assert "状态 3" in notify.undelivered(home)
    assert "状态 500" in notify.undelivered(home)
    assert "试1" not in (home.history / "notices.json").read_text()
    closed = Settings(notify_webhook="http://127.0.0.1:9/none")
    assert not notify.send(home, closed, ["一行"], {})[0].ok
    monkeypatch.setattr(notify, "TIMEOUT", 0.3)
    begun = time.monotonic()
    assert not notify.send(home, Settings(notify_command="sleep 20"), ["一行"], {})[0].ok
    assert time.monotonic() - begun < 10
    server.answer = 200
    assert notify.send(home, Settings(notify_webhook=server.address), ["一行"], {})[0].ok
    assert notify.undelivered(home) == ""


def test_at_most_ten_lines_grouped_by_cause() -> None:
    titles = {"population": "公安人口", "death": "死亡"}
    changes = [
        change("closed", "death.late", "death"),
        change("opened", "population.a", "population"),
        change("opened", "population.b", "population", severity="block"),
        change("worsened", "unique.person", nights=3),
    ]
    assert notify.digest("参保台账 2026-04-01：已发布", changes, titles, "详见 页面") == [
        "参保台账 2026-04-01：已发布",
        "新问题｜公安人口：[阻断]标题population.b、[提醒]标题population.a",
        "加重｜公安：[提醒]标题unique.person（3 夜）",
        "已恢复｜死亡：[提醒]标题death.late",
        "详见 页面",
    ]
    many = [change("opened", f"s{number}.x", f"s{number}") for number in range(30)]
    lines = notify.digest("头", many, {}, "尾")
    assert len(lines) == notify.LINES
    assert lines[-2] == "另有 23 组变化，见质量页。"
    same = [change("opened", f"population.{number}" + "长" * 80, "population") for number in range(30)]
    lines = notify.digest("头", same, titles)
    assert len(lines) == 2
    assert "等 30 项" in notify.digest("头", [change("opened", f"p.{n}", "population") for n in range(30)], titles)[1]
    assert all(len(line) <= notify.WIDTH for line in lines)
