"""Returned files as people and office programs leave them (U20): all are read as the village meant them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from canbao.loop.read import Returned, read_returned

from .make_returned import DAY, FOLDER


def _table(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


FILES = {one["file"]: one for one in _table("files.csv")}


def _read(name: str | Path, work: Path) -> Returned:
    return read_returned(FOLDER / name, work=work, day=DAY)


def _found(read: Returned) -> list[dict[str, Any]]:
    told: dict[tuple[str, int], list[str]] = {}
    for one in read.problems:
        told.setdefault((one.sheet, one.line), []).append(one.code)
    return [
        {name: "" if row[name] is None else str(row[name]) for name in ("sheet", "line", "row_code", "certno", "reason_code", "found_on", "ends_on", "note")}
        | {"problems": ";".join(sorted(told.get((row["sheet"], row["line"]), [])))}
        for row in read.rows.iter_rows(named=True)
    ]  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_the_corpus_is_read_as_it_was_meant(name: str, tmp_path: Path) -> None:
    expected = FILES[name]
    rows = [
        {key: text for key, text in row.items() if key != "file"} for row in _table("rows.csv") if row["file"] == name
    ]
    read = _read(name, tmp_path)
    assert _found(read) == rows
    assert read.sheets == expected["sheets"].split("|")
    assert [one.code for one in read.problems if not one.line] == [*filter(None, expected["sheet_problems"].split("|"))]
    wanted = [*filter(None, expected["notes"].split("|"))]
    assert len(read.notes) == len(wanted), read.notes
    assert all(any(word in note for note in read.notes) for word in wanted), read.notes
    assert not list(tmp_path.iterdir())


def test_there_are_enough_of_them() -> None:
    assert len(FILES) >= 30
    assert {Path(name).suffix for name in FILES} == {".xlsx", ".xls", ".et", ".ods", ".csv", ".txt"}
    assert sorted(FILES) == sorted(path.name for path in FOLDER.iterdir() if path.name not in {"files.csv", "rows.csv"})
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 1 << 20
