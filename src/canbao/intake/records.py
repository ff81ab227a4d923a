"""Records of CSV text (RFC 4180), the slow and careful way: one record at a time.

`csv_reader.py` sends only odd lines here. A quote opens a field only at its beginning; elsewhere it is literal. What
follows a closing quote up to the separator is kept as it stands.
"""

import re
from dataclasses import dataclass
from functools import cache

_QUOTED = re.compile(r'"((?:[^"]++|"")*+)"')


@dataclass(frozen=True)
class Record:
    """One record: its cells and the offset behind its line end."""

    cells: list[str]
    end: int


@cache
def _bare(separator: str) -> re.Pattern[str]:
    return re.compile(f"[^{re.escape(separator)}\n]*")


def read_record(text: str, start: int, separator: str) -> Record | None:
    """Reads the record that begins at `start`; lines end with a line feed.

    Returns:
        The record, or None where a quoted field does not end within the text.
    """
    cells: list[str] = []
    bare = _bare(separator)
    at = start
    while True:
        cell = ""
        if text.startswith('"', at):
            quoted = _QUOTED.match(text, at)
            if quoted is None:
                return None
            cell = quoted[1].replace('""', '"')
            at = quoted.end()
        rest = bare.match(text, at)
        if rest is not None:
            cell += rest[0]
            at = rest.end()
        cells.append(cell)
        if at >= len(text):
            return Record(cells, at)
        at += 1
        if text[at - 1] == "\n":
            return Record(cells, at)
