"""`canbao feedback`: what is right waits for the next night, what is not goes back with a reason."""

from __future__ import annotations

import csv
import getpass
import json
import stat
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import openpyxl
import pytest

from tests.loop.returning import HERE, PEOPLE, World

Call = Callable[..., "subprocess.CompletedProcess[str]"]
DAY = "2026-03-31"
HEADER = ["下发批次", "公民身份号码", "填报区划", "未参保原因", "核实日期", "预计结束日期", "备注"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "home")


def row(who: str, reason: str = "W2", found: str = "2026-03-20", **other: str) -> list[str]:
    """A row of a list that was not sent out from here: number and village, no row code."""
    certno = World.certno(who) if who in PEOPLE else who
    cells = {"batch": "B1", "certno": certno, "division": HERE, "end": "", "note": ""} | other
    return [cells["batch"], cells["certno"], cells["division"], reason, found, cells["end"], cells["note"]]


def sheet(path: Path, rows: Sequence[Sequence[str]], encoding: str = "gb18030", title: bool = True) -> Path:
    lines = [["未参保人员核实表"] + [""] * (len(HEADER) - 1)] if title else []
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file).writerows([*lines, HEADER, *rows])
    return path


def returned(world: World) -> list[list[str]]:
    """The rows that went back, as the workbook has them."""
    (path,) = (world.home.root / "feedback" / "refused").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    cells = [[str(cell or "") for cell in row] for row in openpyxl.load_workbook(path).worksheets[0].values]
    return cells[next(n for n, row in enumerate(cells) if "审核意见" in row) :]


def test_right_rows_land_and_wrong_ones_go_back(canbao: Call, world: World, tmp_path: Path) -> None:
    unknown = "500199198001010019"
    rows = [
        row("ann"),
        row("bob", "ZZ"),
        row("bob", found="2026-04-01"),
        row(unknown),
        row("sep", "P1"),
        row("unsent", "P1", end="2027-01-01", note="已判决"),
        row("dot", division="5001"),
        row("dot", "P1", found="不详"),
        row("near", note="=cmd()"),
    ]
    file = sheet(tmp_path / "甲村.csv", rows)
    done = canbao("feedback", file, "--home", world.home.root, "--as-of", DAY)
    assert done.returncode == 0, done.stderr
    assert "读入 9 行，采用 2 行，退回 7 行，回执 H20260331-0001" in done.stdout
    told = done.stdout + done.stderr
    assert not any(World.certno(key) in told or one.name in told for key, one in PEOPLE.items())
    assert unknown not in told
    (path,) = world.landed()
    assert path.parent == world.home.landing / "grid_feedback" / DAY
    assert [one["certno"] for one in world.landed_rows()] == [World.certno("ann"), World.certno("unsent")]
    assert {one["batch_id"] for one in world.landed_rows()} == {"B1"}
    header, *back = returned(world)
    opinion = header.index("审核意见")
    said = [cells[opinion] for cells in back if "性：" in cells[opinion]]
    words = ["原因代码", "核实日期", "不在当前发布", "预计结束日期", "填报区划", "核实日期", "公式"]
    assert len(said) == len(words)
    assert all(word in text for word, text in zip(words, said, strict=True)), said
    private = [world.home.root, *world.home.landing.rglob("*.csv"), *(world.home.root / "loop").rglob("*")]
    assert all(stat.S_IMODE(one.stat().st_mode) & 0o077 == 0 for one in private)
    assert world.loop.receipts()[0].account == "canbao feedback"

    again = canbao("feedback", file, "--home", world.home.root, "--as-of", "2026-04-02")
    assert again.returncode == 0
    assert "不重复采用" in again.stdout
    assert world.landed() == [path]
    assert len(list((world.home.root / "feedback" / "refused").iterdir())) == 1


def test_paths_may_be_relative(canbao: Call, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sheet(tmp_path / "甲村.csv", [row("ann")])
    monkeypatch.chdir(tmp_path)
    done = canbao("feedback", "甲村.csv", "--home", "home", "--as-of", DAY)
    assert done.returncode == 0, done.stdout
    assert "读入 1 行，采用 1 行" in done.stdout
    assert len(world.landed_rows()) == 1


def test_a_workbook_of_the_lists_that_were_sent(canbao: Call, world: World, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    heads = ["行码", "姓名", "核实结果", "核实日期"]
    rows = [[world.code(key), PEOPLE[key].name, said, "2026.3.20"] for key, said in (("ann", "W2"), ("bob", "无意愿"))]
    for cells in [["核实表"], heads, *rows, [world.code("sep"), "孙三", None, None]]:
        book.active.append(cells)
    book.save(tmp_path / "a.xlsx")
    done = canbao("feedback", tmp_path / "a.xlsx", "--home", world.home.root, "--as-of", DAY)
    assert done.returncode == 0, done.stdout
    assert "采用 2 行，退回 0 行，未填 1 行" in done.stdout
    assert [(one["batch_id"], one["reason_code"]) for one in world.landed_rows()] == [
        ("P000001", "W2"),
        ("P000001", "W1"),
    ]


def test_a_sheet_that_cannot_be_read_is_refused_and_the_others_are_not(
    canbao: Call, world: World, tmp_path: Path
) -> None:
    (tmp_path / "b.csv").write_text("姓名,电话\n某,1\n")
    (tmp_path / "c.xlsx").write_bytes(b"PK no workbook")
    files = [tmp_path / "b.csv", tmp_path / "c.xlsx", sheet(tmp_path / "d.txt", [row("ann")], "utf-8-sig", title=False)]
    done = canbao("feedback", *files, "--home", world.home.root, "--as-of", DAY)
    assert done.returncode == 1
    assert done.stdout.count("未采用") == 2
    assert "Traceback" not in done.stderr
    assert len(world.landed()) == 1
    assert len(world.loop.receipts()) == 1


def test_wrong_use(canbao: Call, world: World, tmp_path: Path) -> None:
    file = sheet(tmp_path / "a.csv", [row("ann")])
    (tmp_path / "a.pdf").write_text("")
    assert canbao("feedback", file, "--home", tmp_path / "none").returncode == 2
    assert canbao("feedback", tmp_path / "none.csv", "--home", world.home.root).returncode == 2
    assert canbao("feedback", tmp_path / "a.pdf", "--home", world.home.root).returncode == 2
    assert canbao("feedback", "--home", world.home.root).returncode == 2
    assert world.landed() == []


def test_the_audit_log_has_every_deed_and_nobody_s_data(canbao: Call, world: World, tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("姓名,电话\n某,1\n")
    file = sheet(tmp_path / "甲村500191198001010016.csv", [row("ann"), row("bob", "ZZ")])
    canbao("feedback", file, tmp_path / "b.csv", file, "--home", world.home.root, "--as-of", DAY)
    log = "".join(path.read_text("utf-8") for path in sorted((world.home.root / "audit").glob("*.jsonl")))
    entries = [json.loads(line) for line in log.splitlines()]
    assert {(one["account"], one["role"]) for one in entries} == {(f"console:{getpass.getuser()}", "console")}
    number = world.loop.receipts()[0].receipt_no
    said = [(one["action"], one["outcome"], one["rows"]) for one in entries]
    assert said == [
        ("upload", "ok", None), ("confirm_feedback", "ok", 1), ("receipt", "ok", 1), ("refused_sheet", "ok", 1),
        ("upload", "ok", None), ("upload", "failed", None), ("upload", "ok", None),
    ]  # fmt: skip
    assert [one["target"] for one in entries[2:4]] == [number, number]
    assert not any(World.certno(key) in log or one.name in log for key, one in PEOPLE.items())
    assert "500191198001010016" not in log


def test_nothing_is_taken_in_that_cannot_be_written_down(canbao: Call, world: World, tmp_path: Path) -> None:
    (world.home.root / "audit").write_text("in the way")
    done = canbao("feedback", sheet(tmp_path / "a.csv", [row("ann")]), "--home", world.home.root, "--as-of", DAY)
    assert done.returncode == 1
    assert "审计日志" in done.stderr
    assert world.landed() == []
    assert world.loop.receipts() == []
