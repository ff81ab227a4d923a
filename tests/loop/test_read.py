"""Returned files as people and office programs leave them (U20): all are read as the village meant them."""

from __future__ import annotations

import csv
import json
import re
import resource
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canbao.intake import load_definitions
from canbao.intake.headers import normalise
from canbao.loop import codes
from canbao.loop.read import COLUMNS, Returned, read_returned
from canbao.loop.read.answers import read_day, read_reason
from canbao.loop.read.grid import Line
from canbao.loop.read.table import find_head
from canbao.loop.read.words import words
from canbao.paths import package_dir

from .make_returned import DAY, FOLDER, HEADS, PEOPLE, SHEET, cells, convert


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


def test_columns_are_what_others_build_on(tmp_path: Path) -> None:
    frame = _read("01-as-sent.xlsx", tmp_path).rows
    assert tuple(frame.columns) == COLUMNS
    assert frame.schema["found_on"] == frame.schema["ends_on"] == pl.Date
    assert frame.schema["line"] == pl.Int32
    assert frame.schema["has_formula"] == pl.Boolean
    first = frame.row(0, named=True)
    assert (first["batch_id"], first["psn_name"], first["reason"]) == ("P000008", PEOPLE[0].name, "D1 死亡")
    assert (first["certno"], first["certno_shown"]) == (None, PEOPLE[0].masked)
    assert frame["reason"].to_list()[3] is None
    raw = json.loads(first["raw"])
    assert raw["各部门情况"] == "公安：正常"
    assert raw["核实日期"] == "2026-11-25"


def test_a_title_gives_the_batch(tmp_path: Path) -> None:
    assert _read("20-batch-in-title.xlsx", tmp_path).rows["batch_id"].unique().to_list() == ["P000008"]


def test_lists_below_each_other_keep_their_batches(tmp_path: Path) -> None:
    lists = [
        f"未参保人员核实名单 批次：P00000{batch},,\n证件号码,姓名,核实结果\n{number},甲,W1\n合计,共1人,\n"
        for batch, number in ((8, "500191198001010012"), (9, "500191198001010020"))
    ]
    path = tmp_path / "a.csv"
    path.write_text("".join(lists), encoding="utf-8")
    assert _read(path, tmp_path).rows["batch_id"].to_list() == ["P000008", "P000009"]


def test_two_answers_are_not_taken_for_none(tmp_path: Path) -> None:
    row = _read("17-answers-twice.xlsx", tmp_path).rows.row(1, named=True)
    assert (row["reason"], row["reason_code"]) == ("D1 / M1 服役(现役)", None)
    path = tmp_path / "a.csv"
    path.write_text(f"行码,核实结果,核实结果\n{PEOPLE[0].code},D1,死亡\n", "utf-8")
    read = read_returned(path, work=tmp_path, day=DAY)
    assert (read.rows["reason_code"].to_list(), read.problems) == (["D1"], [])


def test_the_same_bytes_give_the_same_rows(tmp_path: Path) -> None:
    assert _read("07-pasted-together.xlsx", tmp_path).rows.equals(_read("07-pasted-together.xlsx", tmp_path).rows)


def test_a_hundred_rows_take_no_second(tmp_path: Path) -> None:
    """In time of the processor, since other tests run beside it; by the clock it is twice that at most."""
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(HEADS)
    for place in range(100):
        book.active.append([cells(PEOPLE[place % 10]).get(head) or None for head in HEADS])
    book.save(tmp_path / "a.xlsx")
    took = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert read_returned(tmp_path / "a.xlsx", work=tmp_path, day=DAY).rows.height == 100
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(took) < 0.5, took


def test_the_process_imports_little() -> None:
    """Polars and NumPy take time to start, and threads and address space that the bounds do not give."""
    code = "import sys, canbao.loop.read.__main__, canbao.loop.read.workbook, canbao.loop.read.text, canbao.loop.read.table; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert not {"polars", "numpy", "pyarrow", "duckdb", "fastexcel", "openpyxl"} & set(done.stdout.split())


def test_words_fit_the_sheet_that_goes_out() -> None:
    """Every answer column of sheet.toml, and the key, is known by its title, and no given one is taken for an answer."""
    titles = {
        one["name"]: one
        for one in tomllib.loads((Path(codes.__file__).parent / "sheet.toml").read_text("utf-8"))["column"]
    }
    head = find_head(Line(1, {place: one["title"] for place, one in enumerate(titles.values())}))
    assert head is not None
    places = list(titles)
    assert {name: [places[column] for column in columns] for name, columns in head.places.items()} == {
        name: [name]
        for name in (
            "row_code",
            "batch_id",
            "certno",
            "psn_name",
            "reason",
            "found_date",
            "end_date",
            "note",
            "reporter",
        )
    }


def test_words_are_whole() -> None:
    spellings = [normalise(one) for ones in words()["headings"].values() for one in ones]
    assert not [one for one, count in Counter(spellings).items() if count > 1]
    source = load_definitions()["grid_feedback"]
    names = {"reason_code": "reason"}
    weak = set(words()["weak"]["reason"])
    for one in source.fields:
        known = set(words()["headings"][names.get(one.name, one.name)]) | weak
        assert set(one.headers) - known == set(), one.name
    text = "".join(path.read_text("utf-8") for path in Path(find_head.__code__.co_filename).parent.glob("*.py"))
    for part in ("problems", "notes", "refusals"):
        for code in words()[part]:
            assert f'"{code}"' in text, code


def test_codes_are_known_by_their_shape() -> None:
    shape = re.compile(words()["rows"]["code_shape"])
    made = codes.row_codes(b"key", range(0, 600_000, 6_000), range(1, 101), [str(one) for one in range(100)])
    assert all(shape.fullmatch(one) for one in made)
    assert set(codes.ALPHABET) == {sign for sign in map(chr, range(48, 91)) if re.fullmatch(r"[2-9A-HJKMNP-Z]", sign)}


@pytest.mark.parametrize(
    ("text", "ends", "expected"),
    [
        ("1月5日", False, date(2026, 1, 5)),
        ("12月3日", False, date(2025, 12, 3)),
        ("2月29日", False, date(2024, 2, 29)),
        ("1月5日", True, date(2027, 1, 5)),
        ("1-5", False, date(2026, 1, 5)),
        ("26年1月5日", False, date(2026, 1, 5)),
        ("1/5/26", False, None),
        ("5/1/2026", False, None),
        ("2026.1.5", False, date(2026, 1, 5)),
        ("2026、1、5", False, None),
        ("2026年1月", False, date(2026, 1, 1)),
        ("2026年2月", True, date(2026, 2, 28)),
        ("20260105", False, date(2026, 1, 5)),
        ("46027", False, date(2026, 1, 5)),
        ("1900-01-01", False, None),
        ("9999-12-31", True, None),
        ("13月5日", False, None),
        ("今天", False, None),
    ],
)
def test_days(text: str, ends: bool, expected: date | None) -> None:
    found = read_day(text, DAY, after=None, ends=ends, typed=True)
    assert found.day == expected
    assert bool(found.problem) == (expected is None)


def test_a_number_with_one_decimal_is_no_day() -> None:
    assert read_day("11.1", DAY, after=None, ends=False, typed=False).problem == "date_ambiguous"
    assert read_day("11.1", DAY, after=None, ends=False, typed=True).day == date(2026, 11, 1)
    assert read_day("11.4", DAY, after=None, ends=False, typed=False).day == date(2026, 11, 4)


def test_every_reason_is_read_however_it_is_written() -> None:
    with (package_dir("codes") / "reason_code.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    for row in table:
        code = row["code"]
        for word in filter(None, [row["name"], *row["aliases"].split("|")]):
            for text in (
                word,
                f"{code} {word}",
                f"{code}{word}",
                f"{code}、{word}",
                f"{word}（{code}）",
                f"{code.lower()}：{word}，已问邻居",
            ):
                assert read_reason(text).code == code, text


@given(st.text(max_size=40))
@settings(max_examples=300, deadline=None)
def test_any_text_is_answered(text: str) -> None:
    reason = read_reason(text)
    assert reason.code is None or not reason.problem
    for ends in (False, True):
        day = read_day(text, DAY, after=None, ends=ends, typed=False)
        assert day.day is None or not day.problem


def test_libreoffice_changes_nothing(tmp_path: Path) -> None:
    """A returned file saved again as each kind is read alike."""
    if shutil.which("soffice") is None:
        pytest.skip("LibreOffice is not installed")
    expected = _found(_read("01-as-sent.xlsx", tmp_path))
    kinds = {"xls": "a.xls", "csv:Text - txt - csv (StarCalc):44,34,76": "a.csv"}
    for kind, name in kinds.items():
        convert(FOLDER / "01-as-sent.xlsx", kind, tmp_path / name, tmp_path / "profile")
        found = _found(_read(tmp_path / name, tmp_path))
        assert [one | {"sheet": SHEET} for one in found] == expected, kind
