"""Files that want to do harm, or are no list: refused with a reason, or read without the harm being done (U12)."""

from __future__ import annotations

import csv
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from canbao.intake.problems import FileRefused
from canbao.loop import read
from canbao.loop.read import limits, read_returned
from canbao.loop.read.words import words

from . import make_hostile, make_returned
from .make_returned import DAY, PEOPLE

FOLDER = make_hostile.FOLDER


def _files() -> dict[str, dict[str, str]]:
    with (FOLDER / "files.csv").open(encoding="utf-8", newline="") as file:
        return {one["file"]: one for one in csv.DictReader(file)}


FILES = _files()


@pytest.mark.parametrize("name", FILES)
def test_the_corpus_does_no_harm(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    answer = FILES[name]["answer"]
    begun = time.monotonic()
    try:
        found = read_returned(FOLDER / name, work=tmp_path, day=DAY)
    except FileRefused as error:
        assert error.code in answer.split("|")
        assert re.search("[\u4e00-\u9fff]", error.message)
        assert not re.search(r"Traceback|Error|/work|/tmp|\d{7,}", error.message)
    else:
        assert answer == "read"
        assert found.rows.height == int(FILES[name]["rows"])
        assert found.rows["row_code"].to_list()[3:] == [one.code for one in PEOPLE][3:]
        assert "root:" not in "".join(found.rows["raw"])
        assert found.rows["raw"].str.len_bytes().max() <= limits.RAW_BYTES  # type: ignore[operator]
        assert (found.rows["note"].str.len_chars().max() or 0) <= limits.CELL_SIGNS  # type: ignore[operator]
    assert time.monotonic() - begun < limits.SECONDS
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")


def test_they_are_small_enough_to_keep() -> None:
    assert sorted([*FILES, "files.csv"]) == sorted(path.name for path in FOLDER.iterdir())
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 2 << 20


def test_formulas_are_text_and_marked(tmp_path: Path) -> None:
    found = read_returned(FOLDER / "formula-text.xlsx", work=tmp_path, day=DAY)
    assert found.rows["note"][0] == "=cmd|'/C calc'!A0"
    assert not found.rows["has_formula"].any()  # text that looks like one
    found = read_returned(FOLDER / "formula-dde.xlsx", work=tmp_path, day=DAY)
    assert found.rows["has_formula"].to_list() == [True] + [False] * 9
    assert found.rows["note"][0] == "DDE"


def _refused(path: Path, work: Path) -> str:
    with pytest.raises(FileRefused) as caught:
        read_returned(path, work=work, day=DAY)
    return caught.value.code


def test_only_plain_files_are_opened(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    link = tmp_path / "link.xlsx"
    link.symlink_to(make_returned.FOLDER / "01-as-sent.xlsx")
    pipe = tmp_path / "pipe.xlsx"
    os.mkfifo(pipe)
    big = tmp_path / "big.xlsx"
    with big.open("wb") as file:
        file.truncate(limits.BYTES + 1)
    assert _refused(link, work) == "no_file"
    assert _refused(pipe, work) == "no_file"
    assert _refused(tmp_path, work) == "no_file"
    assert _refused(tmp_path / "none.xlsx", work) == "missing"
    assert _refused(big, work) == "too_large"


def test_nothing_is_fetched(tmp_path: Path) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.setblocking(False)
        port = str(server.getsockname()[1]).encode()
        for name in ("entity-parameter.xlsx", "doctype.xlsx", "link-sheet.xlsx", "link-book.xlsx", "formula-text.xlsx"):
            parts = make_hostile.unpacked(FOLDER / name)
            path = tmp_path / name
            make_returned.pack(
                path, {part: text.replace(b"127.0.0.1:9", b"127.0.0.1:" + port) for part, text in parts.items()}
            )
            try:
                read_returned(path, work=tmp_path, day=DAY)
            except FileRefused as error:
                assert error.code in {"suspicious", "empty"}
        with pytest.raises(BlockingIOError):
            server.accept()


def test_the_process_is_bounded() -> None:
    code = """
import json, os, resource, sys
from canbao.loop.read.__main__ import _bound
_bound()
names = ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_CORE", "RLIMIT_NOFILE")
print(json.dumps({name: resource.getrlimit(getattr(resource, name)) for name in names}))
try:
    bytearray(2 << 30)
except MemoryError:
    print("bounded")
"""
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    said, bounded = done.stdout.splitlines()
    assert bounded == "bounded"
    assert f'"RLIMIT_AS": [{limits.MEMORY}, {limits.MEMORY}]' in said
    assert f'"RLIMIT_CPU": [{limits.SECONDS}, {limits.SECONDS}]' in said
    assert '"RLIMIT_CORE": [0, 0]' in said


def test_the_process_knows_nothing_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANBAO_KEY", "secret")
    asked: dict[str, object] = {}
    original = subprocess.Popen

    def spy(command: list[str], **others: object) -> object:
        asked.update(others, command=command)
        return original(command, **others)  # type: ignore[call-overload]

    monkeypatch.setattr(read.subprocess, "Popen", spy)
    read_returned(make_returned.FOLDER / "01-as-sent.xlsx", work=tmp_path, day=DAY)
    assert "CANBAO_KEY" not in asked["env"]  # type: ignore[operator]
    assert {asked[name] for name in ("stdin", "stdout", "stderr")} == {subprocess.DEVNULL}
    assert asked["start_new_session"] is True
    assert {"-I", "-B"} < set(asked["command"])  # type: ignore[call-overload]


def test_a_process_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SECONDS", 0.02)
    assert _refused(make_returned.FOLDER / "01-as-sent.xlsx", tmp_path) == "too_slow"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (-signal.SIGXCPU, "too_slow"),
        (-signal.SIGKILL, "too_large"),
        (-signal.SIGABRT, "too_large"),
        (-signal.SIGXFSZ, "too_large"),
        (limits.OUT_OF_MEMORY, "too_large"),
        (1, "damaged"),
    ],
)
def test_how_it_ended_is_told(status: int, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "_run", lambda *_: status)
    assert _refused(make_returned.FOLDER / "01-as-sent.xlsx", tmp_path) == code


@pytest.mark.parametrize(
    "name", ["01-as-sent.xlsx", "50-old.xls", "52-open.ods", "40-excel.csv", "30-wps-prefixed.xlsx"]
)
def test_spoiled_files_are_answered(name: str, tmp_path: Path) -> None:
    whole = (make_returned.FOLDER / name).read_bytes()
    chance = random.Random(name)  # noqa: S311 - no secret
    for _ in range(4):
        data = bytearray(whole)
        for _ in range(chance.choice([1, 5, 200])):
            data[chance.randrange(len(data))] = chance.randrange(256)
        path = tmp_path / name
        path.write_bytes(data[: chance.choice([len(data), len(data) // 2])])
        try:
            found = read_returned(path, work=tmp_path, day=DAY)
        except FileRefused as error:
            assert error.message
        else:
            assert found.rows.height <= len(PEOPLE) + 5


def test_messages_say_what_to_do() -> None:
    for code, message in words()["refusals"].items():
        assert message.endswith("。"), code
        assert "请" in message or "只接收" in message, code
