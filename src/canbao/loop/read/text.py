"""Text files: comma, tab, semicolon; UTF-8, GB18030, or what Excel calls Unicode text."""

import codecs
import io
from collections.abc import Iterator
from pathlib import Path

from canbao.intake.encoding import gb18030_blocks, refuse_or_gb18030
from canbao.intake.problems import FileRefused
from canbao.intake.records import read_record
from canbao.loop.read import limits
from canbao.loop.read.grid import Grid, Line
from canbao.loop.read.words import note, refused

_SEPARATORS = (",", "\t", ";", "；", "|")
_SAMPLE_ROWS = 40


def read_text_file(path: Path, notes: list[str]) -> Iterator[Grid]:
    """The one sheet that a text file is."""
    text, name = _decode(path.read_bytes())
    if name:
        notes.append(note("encoding", encoding=name))
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        raise refused("unknown")
    hint = text[:6].casefold()
    if hint.startswith("sep=") and hint[5:6] == "\n":
        return iter([Grid("", _lines(text, text[4], None), typed=False)])
    best = max(_SEPARATORS, key=lambda one: _heads(_lines(text, one, _SAMPLE_ROWS)))
    return iter([Grid("", _lines(text, best, None), typed=False)])


def _decode(data: bytes) -> tuple[str, str]:
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if data.startswith(mark):
            try:
                return data.decode(encoding), "Unicode"
            except UnicodeDecodeError as error:
                raise refused("damaged") from error
    try:
        return data.decode("utf-8-sig"), ""
    except UnicodeDecodeError:
        pass
    refuse_or_gb18030(io.BytesIO(data))
    return b"".join(gb18030_blocks(io.BytesIO(data))).decode(), "GB18030"


def _heads(lines: list[Line]) -> int:
    """How well a separator fits: fields of the best head."""
    from canbao.loop.read.table import find_head

    heads = [find_head(line) for line in lines]
    return max((len(head.places) for head in heads if head), default=0)


def _lines(text: str, separator: str, most: int | None) -> list[Line]:
    """The rows that are not blank, with their physical lines."""
    found: list[Line] = []
    at, number = 0, 1
    while at < len(text) and (most is None or len(found) < most):
        record = read_record(text, at, separator)
        if record is None:
            if most is not None:
                break
            raise FileRefused("cut_off", refused("quote", line=number).message)
        if len(record.cells) > limits.COLUMNS and sum(map(bool, record.cells)) > limits.COLUMNS:
            raise refused("too_many_columns", sheet="", count=limits.COLUMNS)
        cells = {place: cell for place, cell in enumerate(record.cells) if cell and not cell.isspace()}
        if cells:
            cut = frozenset(place for place, cell in cells.items() if len(cell) > limits.CELL_SIGNS)
            for place in cut:
                cells[place] = cells[place][: limits.CELL_SIGNS]
            formulas = frozenset(place for place, cell in cells.items() if cell.startswith("=") and cell[1:2] != '"')
            found.append(Line(number, cells, formulas=formulas, cut=cut))
            if len(found) > limits.ROWS:
                raise refused("too_many_rows", count=f"{limits.ROWS:,}")
        number += text.count("\n", at, record.end)
        at = record.end
    return found
