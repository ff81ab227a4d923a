"""Nothing is lost: a file is refused, or each of its rows is staged or in quarantine, under its line."""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
from collections import Counter
from datetime import date
from pathlib import Path

import openpyxl
import polars as pl
from hypothesis import example, given, settings
from hypothesis import strategies as st

from canbao.intake import IntakeResult, csv_reader, load_definitions, take_in
from canbao.intake.csv_reader import CsvFile
from canbao.intake.rows import RowJudge
from canbao.intake.values import is_blank, read_cert, read_date, read_text

DAY = "2026-01-31"
HEAD = ["certno", "psn_name", "death_date"]


def night(content: bytes, name: str = "a.csv") -> tuple[IntakeResult, pl.DataFrame, pl.DataFrame]:
    """Takes in one file of `death`: the result, the staged rows and the quarantine."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "landing" / "death" / DAY / name
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        result = take_in([Path(folder) / "landing"], date(2026, 2, 1), Path(folder) / "staged")
        staged = [pl.read_parquet(path) for path in result.files["staged_path"].drop_nulls()]
        bad = [pl.read_parquet(path) for _, path in result.quarantine_paths]
        return (
            result,
            pl.concat(staged) if staged else pl.DataFrame(),
            pl.concat(bad)
            if bad
            else pl.DataFrame(schema={"line": pl.Int32, "raw": pl.String, "error_code": pl.String}),
        )


def assert_adds_up(result: IntakeResult, staged: pl.DataFrame, bad: pl.DataFrame) -> None:
    row = result.files.row(0, named=True)
    if row["state"] == "refused":
        assert result.refusals
        assert result.refusals[0].message
        assert staged.is_empty()
        return
    assert not result.refusals
    assert row["rows_read"] == row["rows_accepted"] + row["rows_rejected"]
    assert (staged.height, bad.height) == (row["rows_accepted"], row["rows_rejected"])
    lines = [*staged["line_no"], *bad["line"]]
    assert len(set(lines)) == len(lines)
    assert staged["line_no"].is_sorted()
    assert bad["line"].is_sorted()


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.booleans(), st.booleans())
@example(b'"', True, False)
@example(b"\r", True, True)
@example(b"A,B,2025-06-03\r\r\n", True, False)
@example(b'A,"B""\n",2025-06-03\n,"\n"', True, False)
def test_any_bytes(content: bytes, headed: bool, packed: bool) -> None:
    data = (",".join(HEAD).encode() + b"\n" if headed else b"") + content
    assert_adds_up(*(night(gzip.compress(data), "a.csv.gz") if packed else night(data)))


@settings(max_examples=300, deadline=None)
@given(st.text('",\n\r\t A甲\ufeff\u3000é0', max_size=60))
def test_any_text(text: str) -> None:
    assert_adds_up(*night((",".join(HEAD) + "\n" + text).encode()))


CELL = st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    [
        "",
        "11010519491231002X",
        "5.00103E+17",
        "合计",
        "2025-06-03",
        "20250603",
        "甲,乙",
        '说"好"',
        "两\n行",
        " ",
        "\t",
        "'1",
        '"',
    ]
)
TABLE = st.lists(st.lists(CELL, min_size=1, max_size=5), max_size=12)


@settings(max_examples=300, deadline=None)
@given(
    TABLE,
    st.sampled_from([",", "\t"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "gb18030"]),
    st.sampled_from(["a.csv", "a.txt", "a.csv.gz"]),
    st.sampled_from([64, 1 << 20]),
)
def test_any_table(  # noqa: PLR0917
    table: list[list[str]], separator: str, quoting: int, end: str, encoding: str, name: str, block: int
) -> None:
    """Every row of a table that `csv` wrote comes out once, under the line where `csv` put it."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, quoting=quoting, lineterminator=end)  # type: ignore[arg-type]
    writer.writerow(HEAD)
    written: dict[int, tuple[list[str], str]] = {}
    for row in table:
        line, before = out.getvalue().count("\n") + 1, out.tell()
        writer.writerow(row)
        raw = out.getvalue()[before:].removesuffix(end)
        written[line] = (row, raw.replace("\r\n", "\n"))
    data = out.getvalue().encode(encoding)
    keep, csv_reader.BLOCK_BYTES = csv_reader.BLOCK_BYTES, block
    try:
        result, staged, bad = night(gzip.compress(data) if name.endswith("gz") else data, name)
    finally:
        csv_reader.BLOCK_BYTES = keep
    assert_adds_up(result, staged, bad)
    if result.refusals:
        # Only few characters of a short file can look like UTF-8 within GB18030.
        assert encoding == "gb18030"
        return
    found = {*staged["line_no"], *bad["line"]} if staged.width else set(bad["line"])
    for line, (row, raw) in written.items():
        if line in found:
            continue
        assert is_blank(raw), (line, row)
    assert found <= set(written)
    for line, raw in zip(bad["line"], bad["raw"], strict=True):
        assert raw == written[line][1]
    for row in staged.iter_rows(named=True):
        cells = written[row["line_no"]][0]
        assert len(cells) >= len(HEAD)
        assert row["certno"] == read_cert(cells[0])[0]
        assert row["psn_name"] == read_text(cells[1].replace("\r\n", "\n"))[0]
        assert row["death_date"] == read_date(cells[2])[0]


ROW = st.tuples(
    st.sampled_from(["A1", "", "5.00103E+17", "甲", '"A\n2"', '"x""y"', 'z"z']),
    st.sampled_from(["甲", '"乙,丙"', '"丁\n戊"', "", '"a""b"', 'a"b']),
    st.sampled_from(["2025-06-03", "20250603", "昨天", "", '"2025-06-03"', "2025-06-03,", "2025-06-03,x", "1,2,3"]),
).map(",".join)


@settings(max_examples=200, deadline=None)
@given(st.lists(ROW | st.sampled_from(["", "合计,3", "x"]), max_size=30), st.integers(1, 40), st.booleans())
def test_blocks_make_no_difference(rows: list[str], block: int, quoted: bool) -> None:
    """A file read in blocks of a few bytes gives the same rows, lines and raw texts as in one block."""
    data = "\n".join([",".join(HEAD), *(row if quoted else row.replace('"', "") for row in rows)]).encode()
    source = load_definitions()["death"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_bytes(data)

        def everything(size: int) -> list[tuple[object, ...]]:
            file = CsvFile(path, source, "utf-8", size)
            judge: RowJudge | None = None
            found: list[tuple[object, ...]] = []
            for batch in file.batches():
                judge = judge or RowJudge(source, file.layout)
                good, bad = judge.judge(batch)
                found += good.rows()
                found += bad.rows() if bad is not None else []
            return sorted(found, key=str)

        assert everything(block) == everything(1 << 20)


@settings(max_examples=50, deadline=None)
@given(st.lists(ROW, max_size=20), st.integers(0, 20))
def test_one_file_or_two(rows: list[str], cut: int) -> None:
    """The rows of a delivery do not depend on how they are spread over files."""

    def values(parts: list[list[str]]) -> Counter[tuple[object, ...]]:
        found: Counter[tuple[object, ...]] = Counter()
        for part in parts:
            _, staged, bad = night("\n".join([",".join(HEAD), *part]).encode())
            found.update(staged.drop("line_no").rows() if staged.width else ())
            found.update(bad.select("error_code", "raw").rows())
        return found

    assert values([rows]) == values([rows[:cut], rows[cut:]])


def _workbook() -> bytes:
    out = io.BytesIO()
    book = openpyxl.Workbook()
    for row in [HEAD, *([["11010519491231002X", "甲", "2025-06-03"]] * 20)]:
        book.active.append(row)
    book.save(out)
    return out.getvalue()


def _parquet() -> bytes:
    out = io.BytesIO()
    pl.DataFrame({"certno": ["A1"] * 50, "psn_name": ["甲"] * 50, "death_date": [date(2025, 6, 3)] * 50}).write_parquet(
        out
    )
    return out.getvalue()


WORKBOOK, PARQUET = _workbook(), _parquet()


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["a.xlsx", "a.parquet"]), st.floats(0, 1), st.binary(min_size=1, max_size=6), st.booleans())
def test_damaged_tables(name: str, place: float, bytes_: bytes, cut: bool) -> None:
    """A damaged or cut workbook or Parquet file is refused or adds up; it never ends in a traceback."""
    whole = WORKBOOK if name == "a.xlsx" else PARQUET
    at = int(place * len(whole))
    assert_adds_up(*night(whole[:at] if cut else whole[:at] + bytes_ + whole[at + len(bytes_) :], name))
