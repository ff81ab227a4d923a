"""What Excel or WPS would refuse or repair in a workbook, and what may never leave the house in one (U46).

Reads the parts of the file as they are, so that it finds what a forgiving library reads over.
"""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_CELL = re.compile(r"\$?([A-Z]{1,3})\$?([1-9][0-9]*)")
_NAME = re.compile(r"^(_xlnm\.[A-Za-z_]+|[A-Za-z_\u4e00-\u9fff][\w.\u4e00-\u9fff]*)$")
_BAD_IN_SHEET_NAME = re.compile(r"[\[\]:*?/\\\x00-\x1f]")
_ROWS, _COLUMNS, _TEXT, _FOOTER, _FORMATS = 1_048_576, 16_384, 32_767, 255, 64_000

Box = tuple[int, int, int, int]


def lint_workbook(path: Path) -> list[str]:
    """List what is wrong with an .xlsx file.

    Args:
        path: The workbook.

    Returns:
        One English sentence per fault; empty for a sound file. Looked at: names of sheets, merged ranges (overlap, one
        cell, content under the cover), defined names, order and uniqueness of rows and cells, size of texts, footers
        and formats, formulas, macros, external links, links out of the file, file entries written twice.
    """
    found: list[str] = []
    with zipfile.ZipFile(path) as archive:
        entries = archive.namelist()
        found += [f"entry {e} stands twice" for e in sorted({e for e in entries if entries.count(e) > 1})]
        for entry in entries:
            if "vbaProject" in entry or "externalLink" in entry or "embeddings" in entry:
                found.append(f"{entry}: macro, external link or embedded object")
            if entry.endswith(".rels") and b'TargetMode="External"' in archive.read(entry):
                found.append(f"{entry}: link out of the file")
        book = ElementTree.fromstring(archive.read("xl/workbook.xml"))  # noqa: S314 - a file of our own
        names = [sheet.get("name", "") for sheet in book.iter(f"{_MAIN}sheet")]
        found += _sheet_names(names)
        found += _defined_names(book, len(names))
        styles = ElementTree.fromstring(archive.read("xl/styles.xml"))  # noqa: S314
        formats = styles.find(f"{_MAIN}cellXfs")
        if formats is None or len(formats) > _FORMATS:
            found.append("no cell formats, or more than 64,000")
        count = len(formats) if formats is not None else 0
        for n, name in enumerate(names, 1):
            with archive.open(f"xl/worksheets/sheet{n}.xml") as part:
                found += [f"{name}: {fault}" for fault in _sheet(part, count)]
    return found


def _sheet_names(names: list[str]) -> Iterator[str]:
    if len({n.lower() for n in names}) != len(names):
        yield "two sheets of one name"
    for name in names:
        if not 1 <= len(name) <= 31:
            yield f"sheet name of {len(name)} characters: {name}"
        if _BAD_IN_SHEET_NAME.search(name) or name.startswith("'") or name.endswith("'") or name.lower() == "history":
            yield f"sheet name that Excel refuses: {name}"


def _defined_names(book: ElementTree.Element, sheets: int) -> Iterator[str]:
    seen = set()
    for entry in book.iter(f"{_MAIN}definedName"):
        name, scope, text = entry.get("name", ""), entry.get("localSheetId"), entry.text or ""
        if (name.lower(), scope) in seen:
            yield f"defined name {name} stands twice"
        seen.add((name.lower(), scope))
        if not _NAME.match(name) or _CELL.fullmatch(name):
            yield f"defined name that Excel refuses: {name}"
        if scope is not None and not 0 <= int(scope) < sheets:
            yield f"defined name {name} belongs to no sheet"
        if "#REF!" in text or "[" in text:
            yield f"defined name {name} points nowhere or out of the file"


def _sheet(part: IO[bytes], formats: int) -> Iterator[str]:
    merges: list[Box] = []
    filled: set[tuple[int, int]] = set()
    last_row = 0
    last_column = 0
    for _, element in ElementTree.iterparse(part):  # noqa: S314
        tag = element.tag.removeprefix(_MAIN)
        if tag == "row":
            row = int(element.get("r", "0"))
            if not last_row < row <= _ROWS:
                yield f"row {row} after row {last_row}"
            last_row, last_column = row, 0
            for cell in element:
                where = _cell(cell.get("r", ""))
                if where is None or where[0] != row or not last_column < where[1] <= _COLUMNS:
                    yield f"cell {cell.get('r')} out of order in row {row}"
                    continue
                last_column = where[1]
                if not 0 <= int(cell.get("s", "0")) < formats:
                    yield f"cell {cell.get('r')} has a format that does not exist"
                if cell.find(f"{_MAIN}f") is not None:
                    yield f"cell {cell.get('r')} holds a formula"
                if len(cell):
                    if row < 100:  # merged headings stand on top; what lies below is checked through openpyxl
                        filled.add(where)
                    value = cell[0].text or "".join(cell.itertext())
                    if len(value) > _TEXT:
                        yield f"cell {cell.get('r')} holds {len(value)} characters"
                    if cell.get("t") is None and not _number(value):
                        yield f"cell {cell.get('r')} is a number and holds {value!r}"
            element.clear()
        elif tag == "mergeCell":
            box = _box(element.get("ref", ""))
            if box is None or box[:2] == box[2:]:
                yield f"merged range of one cell or none: {element.get('ref')}"
            else:
                merges.append(box)
        elif tag in {"oddHeader", "oddFooter"} and len(element.text or "") > _FOOTER:
            yield f"{tag} is longer than {_FOOTER} characters"
    for n, a in enumerate(merges):
        for b in merges[:n]:
            if a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]:
                yield f"merged ranges {a} and {b} overlap"
        covered = [c for c in filled if a[0] <= c[0] <= a[2] and a[1] <= c[1] <= a[3] and c != a[:2]]
        if covered:
            yield f"merged range {a} hides what stands in {sorted(covered)[0]}"


def _number(text: str) -> bool:
    return re.fullmatch(r"-?[0-9]+(\.[0-9]+)?(E[+-]?[0-9]+)?", text, re.IGNORECASE) is not None


def _cell(ref: str) -> tuple[int, int] | None:
    match = _CELL.fullmatch(ref)
    if match is None:
        return None
    column = 0
    for letter in match[1]:
        column = column * 26 + ord(letter) - 64
    return int(match[2]), column


def _box(ref: str) -> Box | None:
    ends = [_cell(end) for end in ref.split(":")]
    if len(ends) != 2 or ends[0] is None or ends[1] is None:
        return None
    return (*ends[0], *ends[1])
