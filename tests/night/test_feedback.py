"""Returned sheets: what is right waits for the next night, what is not goes back with a reason."""

from __future__ import annotations

import csv
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import openpyxl
import polars as pl
import pytest

from .conftest import number

Call = Callable[..., "subprocess.CompletedProcess[str]"]
DAY = "2026-03-31"
HEADER = ["下发批次", "公民身份号码", "填报区划", "未参保原因", "核实日期", "预计结束日期", "备注"]


def row(serial: int, reason: str = "W2", found: str = "2026-03-20", **other: str) -> list[str]:
    cells = {"batch": "B1", "certno": number(serial), "division": "500101001001", "end": "", "note": ""} | other
    return [cells["batch"], cells["certno"], cells["division"], reason, found, cells["end"], cells["note"]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home" / "published" / DAY / "run"
    folder.mkdir(parents=True)
    numbers = [number(serial) for serial in range(5)]
    frame = pl.DataFrame({"kind": ["certno"] * 5, "value": numbers, "person_id": numbers})
    frame.write_parquet(folder / "identifier.parquet")
    (folder.parents[1] / "current").symlink_to(Path(DAY) / "run")
    return tmp_path / "home"


def sheet(path: Path, rows: list[list[str]], encoding: str = "gb18030", title: bool = True) -> Path:
    lines = [["未参保人员核实表"] + [""] * (len(HEADER) - 1)] if title else []
    path.write_bytes("".join(",".join(cells) + "\r\n" for cells in [*lines, HEADER, *rows]).encode(encoding))
    return path


def landed(home: Path) -> list[Path]:
    return sorted((home / "landing").rglob("*.csv"))


def returned(home: Path) -> list[list[str]]:
    path = next((home / "feedback" / "refused").iterdir())
    return list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))


def test_right_rows_land_and_wrong_ones_go_back(canbao: Call, home: Path, tmp_path: Path) -> None:
    rows = [
        row(0),
        row(1, "ZZ"),
        row(2, found="2026-04-01"),
        row(77),
        row(3, "P1"),
        row(3, "P1", end="2027-01-01", note="=cmd()"),
        row(4, division="5001"),
        row(4, "P1", found="不详"),
    ]
    file = sheet(tmp_path / "甲村.csv", rows)
    done = canbao("feedback", file, "--home", home, "--as-of", DAY)
    assert done.returncode == 0, done.stderr
    assert "读入 8 行，采用 2 行，退回 6 行" in done.stdout
    assert not any(number(serial) in done.stdout + done.stderr for serial in (*range(5), 77))
    (path,) = landed(home)
    assert path.parent == home / "landing" / "grid_feedback" / DAY
    assert pl.read_csv(path, infer_schema=False)["certno"].to_list() == [number(0), number(3)]
    header, *back = returned(home)
    opinion = header.index("审核意见")
    said = [cells[opinion] for cells in back]
    assert [cells[0] for cells in back] == ["4", "5", "6", "7", "9", "10"]
    words = ["原因代码", "晚于收表日", "不在当前发布", "预计结束日期", "填报区划", "核实日期"]
    assert all(word in text for word, text in zip(words, said, strict=True)), said
    assert all(stat.S_IMODE(one.stat().st_mode) & 0o077 == 0 for one in [home, *home.glob("landing/**/*.csv")])

    again = canbao("feedback", file, "--home", home, "--as-of", "2026-04-02")
    assert again.returncode == 0
    assert "不重复采用" in again.stdout
    assert landed(home) == [path]
    assert len(list((home / "feedback" / "refused").iterdir())) == 1


def test_a_workbook(canbao: Call, home: Path, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for cells in [["核实表"], HEADER, row(0), row(1, "无意愿")]:
        book.active.append(cells)
    book.save(tmp_path / "a.xlsx")
    done = canbao("feedback", tmp_path / "a.xlsx", "--home", home, "--as-of", DAY)
    assert done.returncode == 0, done.stdout
    assert "采用 2 行，退回 0 行" in done.stdout
    assert pl.read_csv(landed(home)[0])["reason_code"].to_list() == ["W2", "W1"]


def test_a_sheet_that_cannot_be_read_is_refused_and_the_others_are_not(
    canbao: Call, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "b.csv").write_text("姓名,电话\n某,1\n")
    (tmp_path / "c.xlsx").write_bytes(b"PK no workbook")
    files = [tmp_path / "b.csv", tmp_path / "c.xlsx", sheet(tmp_path / "d.txt", [row(0)], "utf-8-sig", title=False)]
    done = canbao("feedback", *files, "--home", home, "--as-of", DAY)
    assert done.returncode == 1
    assert done.stdout.count("未采用") == 2
    assert "Traceback" not in done.stderr
    assert len(landed(home)) == 1


def test_wrong_use(canbao: Call, home: Path, tmp_path: Path) -> None:
    file = sheet(tmp_path / "a.csv", [row(0)])
    (tmp_path / "a.pdf").write_text("")
    assert canbao("feedback", file, "--home", tmp_path / "none").returncode == 2
    assert canbao("feedback", tmp_path / "none.csv", "--home", home).returncode == 2
    assert canbao("feedback", tmp_path / "a.pdf", "--home", home).returncode == 2
    assert canbao("feedback", "--home", home).returncode == 2
    assert landed(home) == []
