"""Workbooks (.xlsx), read from their XML as a stream.

Office programs differ in what they write: prefixed names, absolute targets, strings in the cells, rows and cells
without their place, no dimension, the strict namespaces. Only local names count here, and what stands in a cell; no
formula is computed, no link followed. A document type or an entity is refused.
"""

import re
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from math import isfinite
from pathlib import Path
from posixpath import dirname, join, normpath
from xml.parsers import expat

from canbao.loop.read import limits
from canbao.loop.read.grid import Grid, Line
from canbao.loop.read.words import note, refused

Start = Callable[[str, dict[str, str]], None]

_CHUNK = 1 << 16
_LAST_ROW, _LAST_COLUMN = 1_048_576, 16_384
_PLACE = re.compile(r"\$?([A-Za-z]{1,4})\$?(\d{1,8})")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_NOT_SHOWN = re.compile(r'"[^"]*"|\\.|\[(?!h+\]|m+\]|s+\])[^\]]*\]|_.|\*.', re.IGNORECASE)
_DATE_FORMATS = frozenset([*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)])
_MOST_MERGED, _MOST_NAMES = 20_000, 5_000


def read_xlsx(path: Path, notes: list[str]) -> Iterator[Grid]:
    """The sheets of a workbook, hidden ones too.

    Raises:
        FileRefused: Damaged, dangerous or too large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            yield from _Book(archive, notes).sheets()
    except (
        zipfile.BadZipFile,
        expat.ExpatError,
        KeyError,
        ValueError,
        OSError,
        EOFError,
        NotImplementedError,
    ) as error:
        raise refused("damaged") from error
    except zipfile.error as error:
        raise refused("damaged") from error


class _Book:
    """A workbook's parts."""

    def __init__(self, archive: zipfile.ZipFile, notes: list[str]) -> None:
        self.archive = archive
        self.parts = {one.filename.replace("\\", "/").lstrip("/").casefold(): one for one in archive.infolist()}
        self.left = limits.UNPACKED
        self.elements = limits.ELEMENTS
        self.external = False
        self.notes = notes
        self.shared: list[str] = []
        self.dates: list[bool] = []
        self.from_1904 = False

    def sheets(self) -> Iterator[Grid]:
        """Each sheet that has cells."""
        book = self._targets("").get("officeDocument", ["xl/workbook.xml"])[0]
        if book not in self.parts:
            raise refused("damaged")
        by_id = self._relations(book)
        found = self._listed(book)
        if len(found) > limits.SHEETS:
            raise refused("too_many_sheets", count=limits.SHEETS)
        if any(name.startswith("xl/externallinks/") for name in self.parts) or self.external:
            self.notes.append(note("external"))
        if any("/media/" in name or "/embeddings/" in name for name in self.parts):
            self.notes.append(note("embedded"))
        kinds = dict(by_id.values())
        if kinds.get("sharedStrings") in self.parts:
            self._strings(kinds["sharedStrings"])
        if kinds.get("styles") in self.parts:
            self._styles(kinds["styles"])
        for name, hidden, key in found:
            kind, target = by_id.get(key, ("", ""))
            if kind == "worksheet" and target in self.parts:
                yield _read_sheet(self, name, hidden, target)

    def parse(self, part: str, start: Start, end: Callable[[str], None], text: Callable[[str], None]) -> None:
        """Runs a part through the parser; names without prefix."""
        parser = expat.ParserCreate()
        parser.buffer_text = True
        names: dict[str, str] = {}

        def local(name: str) -> str:
            names[name] = name.rpartition(":")[2]
            if len(names) > _MOST_NAMES:
                raise refused("suspicious")
            return names[name]

        def started(name: str, attributes: dict[str, str]) -> None:
            self.elements -= 1
            if self.elements < 0:
                raise refused("too_many_rows", count=f"{limits.ROWS:,}")
            start(names.get(name) or local(name), attributes)

        def ended(name: str) -> None:
            end(names.get(name) or local(name))

        def refuse(*_: object) -> None:
            raise refused("suspicious")

        parser.StartElementHandler = started
        parser.EndElementHandler = ended
        parser.CharacterDataHandler = text
        parser.StartDoctypeDeclHandler = refuse
        parser.EntityDeclHandler = refuse
        with self.archive.open(self.parts[part]) as stream:
            while data := stream.read(_CHUNK):
                self.left -= len(data)
                if self.left < 0:
                    raise refused("unpacked", count=limits.UNPACKED >> 20)
                parser.Parse(data)
            parser.Parse(b"", True)

    def _relations(self, part: str) -> dict[str, tuple[str, str]]:
        """Kind and target of each relation of a part; external ones are left out."""
        folder = dirname(part)
        place = join(folder, "_rels", part.rpartition("/")[2] + ".rels") if part else "_rels/.rels"
        found: dict[str, tuple[str, str]] = {}

        def start(name: str, attributes: dict[str, str]) -> None:
            if name != "Relationship":
                return
            kind = attributes.get("Type", "").rstrip("/").rpartition("/")[2]
            if attributes.get("TargetMode", "").casefold() == "external":
                self.external = True
                return
            target = attributes.get("Target", "").replace("\\", "/")
            whole = target.lstrip("/") if target.startswith("/") else join(folder, target)
            found[attributes.get("Id", str(len(found)))] = (kind, normpath(whole).casefold())

        if place.casefold() in self.parts:
            self.parse(place.casefold(), start, lambda _: None, lambda _: None)
        return found

    def _targets(self, part: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for kind, target in self._relations(part).values():
            found.setdefault(kind, []).append(target)
        return found

    def _listed(self, part: str) -> list[tuple[str, bool, str]]:
        """Name, hidden, and relation of each sheet."""
        found: list[tuple[str, bool, str]] = []

        def start(name: str, attributes: dict[str, str]) -> None:
            if name == "sheet":
                key = next((value for one, value in attributes.items() if one.endswith(":id")), "")
                hidden = attributes.get("state", "visible") != "visible"
                found.append((attributes.get("name", ""), hidden, key))
            elif name == "workbookPr":
                self.from_1904 = attributes.get("date1904", "0") in {"1", "true"}

        self.parse(part, start, lambda _: None, lambda _: None)
        return found

    def _strings(self, part: str) -> None:
        pieces: list[str] = []
        inside = phonetic = False

        def start(name: str, _: dict[str, str]) -> None:
            nonlocal inside, phonetic
            if name == "si":
                pieces.clear()
            elif name == "rPh":
                phonetic = True
            elif name == "t":
                inside = not phonetic

        def end(name: str) -> None:
            nonlocal inside, phonetic
            if name == "si":
                self.shared.append(_unescaped("".join(pieces)))
                if len(self.shared) > limits.STRINGS:
                    raise refused("too_many_rows", count=f"{limits.ROWS:,}")
            elif name == "rPh":
                phonetic = False
            elif name == "t":
                inside = False

        def text(data: str) -> None:
            if inside:
                pieces.append(data)

        self.parse(part, start, end, text)

    def _styles(self, part: str) -> None:
        """Which cell formats show a date."""
        formats: dict[int, bool] = {}
        used: list[int] = []
        inside = False

        def start(name: str, attributes: dict[str, str]) -> None:
            nonlocal inside
            if name == "numFmt":
                formats[_whole(attributes.get("numFmtId"))] = _shows_date(attributes.get("formatCode", ""))
            elif name == "cellXfs":
                inside = True
            elif name == "xf" and inside:
                used.append(_whole(attributes.get("numFmtId")))

        def end(name: str) -> None:
            nonlocal inside
            if name == "cellXfs":
                inside = False

        self.parse(part, start, end, lambda _: None)
        self.dates = [formats.get(one, one in _DATE_FORMATS) for one in used]


def _whole(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 9 else 0


def _shows_date(code: str) -> bool:
    """Whether a number format shows a day: it has a year, month or day outside of quotes."""
    plain = _NOT_SHOWN.sub("", code.split(";", maxsplit=1)[0]).lower()
    return "general" not in plain and any(sign in plain for sign in "ymd") and not plain.startswith(("[h", "[m", "[s"))


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda one: chr(int(one[1], 16)), text) if "_x" in text else text


def _number_text(text: str) -> str:
    """A number as a spreadsheet shows it; one of 16 digits and more has lost its end, and looks like it."""
    if text.isascii() and text.isdigit() and len(text) <= 15:
        return text
    try:
        value = float(text)
    except ValueError:
        return text
    if not isfinite(value):
        return text
    if abs(value) >= 1e15:
        return f"{value:.5E}"
    return str(int(value)) if value == int(value) else f"{value:.15g}"


def _day_text(text: str, from_1904: bool) -> str:
    """The day that a serial number is, with its time where it has one."""
    try:
        value = float(text) + (1462 if from_1904 else 0)
    except ValueError:
        return text
    if not 1 <= value < 2_958_466:
        return _number_text(text)
    moment = datetime(1899, 12, 30) + timedelta(seconds=round(value * 86_400))
    return str(moment).removesuffix(" 00:00:00")


def _column(letters: str) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - 64
    return number - 1


def _read_sheet(book: _Book, name: str, hidden: bool, part: str) -> Grid:
    """The cells of a sheet."""
    lines: list[Line] = []
    merged: list[tuple[int, int, int]] = []
    columns: dict[str, int] = {}
    shared, dates = book.shared, book.dates

    row = 0
    row_hidden = False
    cells: dict[int, str] = {}
    numbers: set[int] = set()
    formulas: set[int] = set()
    empty: set[int] = set()
    cut: set[int] = set()
    column = -1
    kind = style = ""
    formula = False
    pieces: list[str] = []
    collecting = in_cell = in_data = phonetic = False
    filled = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal row, row_hidden, column, kind, style, formula, collecting, in_cell, in_data, phonetic
        if tag == "c" and in_data:
            place = attributes.get("r")
            if place is None:
                column += 1
            else:
                letters = place.rstrip("0123456789")
                known = columns.get(letters)
                if known is None:
                    if not _PLACE.fullmatch(place):
                        raise refused("suspicious")
                    known = columns[letters] = _column(letters.replace("$", ""))
                column = known
            if column >= _LAST_COLUMN:
                raise refused("suspicious")
            kind, style, formula, in_cell = attributes.get("t", "n"), attributes.get("s", ""), False, True
            pieces.clear()
        elif in_cell:
            if tag == "v" or (tag == "t" and not phonetic):
                collecting = True
            elif tag == "f":
                formula = True
            elif tag == "rPh":
                phonetic = True
        elif tag == "row" and in_data:
            place = attributes.get("r")
            row = _whole(place) if place else row + 1
            if not 0 < row <= _LAST_ROW or (lines and row <= lines[-1].number):
                raise refused("suspicious")
            row_hidden = attributes.get("hidden", "0") in {"1", "true"}
            column = -1
        elif tag == "sheetData":
            in_data = True
        elif tag == "mergeCell" and not in_data:
            first, _, last = attributes.get("ref", "").partition(":")
            one, other = _PLACE.fullmatch(first), _PLACE.fullmatch(last)
            if one and other and int(other[2]) > int(one[2]) and len(merged) < _MOST_MERGED:
                merged.append((int(one[2]), int(other[2]), _column(one[1])))

    def end(tag: str) -> None:
        nonlocal collecting, in_cell, in_data, phonetic, filled
        if tag in {"v", "t"}:
            collecting = False
        elif tag == "rPh":
            phonetic = False
        elif tag == "c" and in_cell:
            in_cell = False
            _cell()
        elif tag == "row" and in_data:
            if cells or empty:
                filled += 1
                if filled > limits.ROWS:
                    raise refused("too_many_rows", count=f"{limits.ROWS:,}")
                lines.append(
                    Line(
                        row,
                        cells.copy(),
                        numbers=frozenset(numbers),
                        formulas=frozenset(formulas),
                        empty_formulas=frozenset(empty),
                        cut=frozenset(cut),
                        hidden=row_hidden,
                    )
                )
            for one in (cells, numbers, formulas, empty, cut):
                one.clear()
        elif tag == "sheetData":
            in_data = False

    def _cell() -> None:
        if formula:
            formulas.add(column)
        raw = "".join(pieces)
        if not raw:
            if formula:
                empty.add(column)
            return
        if kind == "s":
            place = int(raw) if raw.strip().isdigit() else -1
            value = shared[place] if 0 <= place < len(shared) else ""
        elif kind == "n":
            shows = _whole(style)
            if shows < len(dates) and dates[shows]:
                value = _day_text(raw, book.from_1904)
            else:
                value = _number_text(raw)
                numbers.add(column)
        elif kind == "d":
            value = raw.replace("T", " ").removesuffix("Z").removesuffix(" 00:00:00")
        elif kind == "b":
            value = {"1": "TRUE", "0": "FALSE"}.get(raw, raw)
        else:
            value = _unescaped(raw)
        if not value or value.isspace():
            return
        if len(value) > limits.CELL_SIGNS:
            value = value[: limits.CELL_SIGNS]
            cut.add(column)
        cells[column] = value
        if len(cells) > limits.COLUMNS:
            raise refused("too_many_columns", sheet=name[:40], count=limits.COLUMNS)

    def text(data: str) -> None:
        if collecting:
            pieces.append(data)

    book.parse(part, start, end, text)
    return Grid(name, lines, hidden, merged)
