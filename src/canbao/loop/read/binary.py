"""Old workbooks (.xls, .et) and OpenDocument sheets, by calamine: text as its spreadsheet shows it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from canbao.loop.read import limits
from canbao.loop.read.grid import Grid, Line
from canbao.loop.read.words import refused

_LONG = re.compile(r"\d{16,}")


def read_binary(path: Path) -> Iterator[Grid]:
    """The sheets of a workbook; which cells are formulas, hidden rows and merged cells is not known here."""
    import fastexcel

    try:
        reader = fastexcel.read_excel(path)
        names = reader.sheet_names
    except Exception as error:  # calamine's errors have no common kind
        raise refused("encrypted" if "assword" in str(error) else "damaged") from error
    if len(names) > limits.SHEETS:
        raise refused("too_many_sheets", count=limits.SHEETS)
    for place, name in enumerate(names):
        yield _sheet(reader, place, name)


def _sheet(reader: Any, place: int, name: str) -> Grid:
    """A sheet."""
    try:
        sheet = reader.load_sheet(place, header_row=None, skip_rows=0, dtypes="string")
        table = sheet.to_arrow()
    except Exception as error:  # as above
        raise refused("damaged") from error
    if table.num_columns > 16_384:
        raise refused("too_many_columns", sheet=name, count=limits.COLUMNS)
    texts: dict[int, dict[int, str]] = {}
    cut: dict[int, set[int]] = {}
    for column, values in enumerate(table.columns):
        for row, text in enumerate(values.to_pylist()):
            if not text or text.isspace():
                continue
            if len(text) > limits.CELL_SIGNS:
                cut.setdefault(row, set()).add(column)
            texts.setdefault(row, {})[column] = text[: limits.CELL_SIGNS].removesuffix(" 00:00:00")
            if len(texts) > limits.ROWS:
                raise refused("too_many_rows", count=f"{limits.ROWS:,}")
    numbers = _long_numbers(reader, place, texts)
    lines = [
        Line(row + 1, texts[row], numbers=frozenset(numbers.get(row, ())), cut=frozenset(cut.get(row, ())))
        for row in sorted(texts)
    ]
    return Grid(name, lines, hidden=sheet.visible != "visible", typed=False)


def _long_numbers(reader: Any, place: int, texts: dict[int, dict[int, str]]) -> dict[int, set[int]]:
    """Columns, by row, where 16 digits and more are a number, whose end is lost.

    Read as yes or no, only number cells have a value: that tells them from numbers kept as text.
    """
    columns = {column for cells in texts.values() for column, text in cells.items() if _LONG.fullmatch(text)}
    found: dict[int, set[int]] = {}
    for column in columns:
        sheet = reader.load_sheet(place, header_row=None, skip_rows=0, dtypes={column: "boolean"}, use_columns=[column])
        for row, value in enumerate(sheet.to_arrow().columns[0].to_pylist()):
            if value is not None and _LONG.fullmatch(texts.get(row, {}).get(column, "")):
                found.setdefault(row, set()).add(column)
    return found
