"""Which column of a file is which field of the source."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from canbao.intake.definitions import SourceDef
from canbao.intake.problems import FileRefused
from canbao.intake.values import squeeze

# How many non-blank lines may precede the header (merged title rows, a line with the unit and the date).
HEADER_DEPTH = 10

_MARKS = re.compile(r"[*＊★]+|\((?:必填|选填|必填项|选填项|可空|必输)\)|[:：]+$")
_PARENTHESIS = re.compile(r"\([^()]*\)$")


@dataclass(frozen=True)
class Layout:
    """Where a file's fields lie.

    Attributes:
        line: Physical line of the header.
        columns: Column of each field, by field name; fields the file lacks are absent.
        titles: The header's cells up to the last one that is not blank; they are the row's width.
        extra: Names of the columns that are kept out.
        untitled: Blank cells of the header behind these; what stands below them is kept out as well.
    """

    line: int
    columns: dict[str, int]
    titles: tuple[str, ...]
    extra: tuple[str, ...]
    untitled: int = 0


def normalise(header: str) -> str:
    """The form in which headers are compared: NFKC, no spaces or invisible signs, no 必填 marks, lower case."""
    return _MARKS.sub("", squeeze(header).strip("'\"")).casefold()


@cache
def _aliases(source: SourceDef) -> dict[str, str]:
    return {normalise(word): one.name for one in source.fields for word in (one.name, *one.headers)}


def _map(source: SourceDef, cells: Sequence[str]) -> dict[str, list[int]]:
    """Columns of each field. A note in parentheses (金额(元)) is looked through only where no header fits exactly."""
    aliases = _aliases(source)
    exact: dict[str, list[int]] = {}
    loose: dict[str, list[int]] = {}
    for index, cell in enumerate(cells):
        plain = normalise(cell)
        if plain in aliases:
            exact.setdefault(aliases[plain], []).append(index)
        elif (bare := _PARENTHESIS.sub("", plain)) != plain and bare in aliases:
            loose.setdefault(aliases[bare], []).append(index)
    return loose | exact


def _missing(source: SourceDef, found: dict[str, list[int]]) -> list[str]:
    missing = [one.title for one in source.fields if one.required and one.name not in found]
    if source.one_of and not any(name in found for name in source.one_of):
        missing.append("或".join(source.field(name).title for name in source.one_of))
    return missing


def score(source: SourceDef, cells: Sequence[str]) -> tuple[bool, int]:
    """How well a line serves as header: all required columns there, and the number of fields found."""
    found = _map(source, cells)
    return not _missing(source, found), len(found)


def find_layout(source: SourceDef, rows: Sequence[tuple[int, Sequence[str]]]) -> Layout:
    """Finds the header among the first non-blank rows of a file.

    Args:
        source: The source.
        rows: Physical line and cells of the first `HEADER_DEPTH` non-blank rows.

    Raises:
        FileRefused: No header, a required column missing, or two columns that map to the same field.
    """
    scored = [(score(source, cells), line, cells) for line, cells in rows]
    if not scored:
        raise FileRefused("empty", "文件是空的，没有表头。请重新导出后再报。")
    whole = [one for one in scored if one[0][0]]
    (_, count), line, cells = whole[0] if whole else max(scored, key=lambda one: (one[0], -one[1]))
    found = _map(source, cells)
    twice = {name: places for name, places in found.items() if len(places) > 1}
    if twice:
        pairs = "；".join("、".join(f"第{p + 1}列“{cells[p].strip()}”" for p in places) for places in twice.values())
        raise FileRefused("duplicate_column", f"第{line}行表头中有多列是同一项：{pairs}。请只保留一列后重报。")
    missing = _missing(source, found)
    if missing:
        where = f"第{line}行表头" if count else f"前{len(rows)}个非空行中找不到表头，"
        raise FileRefused("missing_columns", f"{where}缺少必需的列：{'、'.join(missing)}。请补上这些列后重报。")
    width = max(index for index, cell in enumerate(cells) if squeeze(cell)) + 1
    used = {places[0] for places in found.values()}
    extra = tuple(cells[i].strip() or no_title(i) for i in range(width) if i not in used)
    places = {name: columns[0] for name, columns in found.items()}
    return Layout(line, places, tuple(cells[:width]), extra, len(cells) - width)


def no_title(place: int) -> str:
    """What a column without a title is called."""
    return f"(第{place + 1}列)"
