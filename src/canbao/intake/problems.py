"""How intake says that a file, a delivery or a row cannot be used. All messages are read by bureau staff."""

import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

# A telephone, a certificate number of 15 or 18 signs, also within a longer run of digits. Dates, times (20260331020000)
# and division codes, which names of files are full of, are shorter or begin otherwise.
_NUMBER_IN_NAME = re.compile(r"(?<!\d)(?:1\d{10}(?!\d)|(?!20\d{12,15}(?!\d))\d{15,}[Xx]?)")


@dataclass(frozen=True)
class Refusal:
    """One file, or (where `file` is None) one whole delivery that was not read; it stops the night (exit 1)."""

    source: str
    delivery: date
    file: str | None
    code: str
    message: str


class FileRefused(Exception):  # noqa: N818 - it is an answer about a file, not a fault of the program
    """A file that cannot be read as a whole.

    Attributes:
        code: What is wrong, for programs (`cut_off`, `encoding`, `missing_columns` …).
        message: What is wrong, where, and what to do, in Chinese; without the file's name.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __reduce__(self) -> tuple[type["FileRefused"], tuple[str, str]]:
        """Survives the way from one process to another."""
        return type(self), (self.code, self.message)


# Why a row is rejected (contract section 2), in the order of precedence; nothing else rejects one.
# A note is a row that a blank or a short line would reject anyway; it has a name of its own.
TOTAL_ROW, FIELD_COUNT, DAMAGED_CERTNO, BLANK_REQUIRED, UNREADABLE_REQUIRED, NOTE_ROW = range(1, 7)
ERROR_CODES = ("", "total_row", "field_count", "damaged_certno", "blank_required", "unreadable_required", "note_row")
NO_DATA = frozenset({ERROR_CODES[TOTAL_ROW], ERROR_CODES[NOTE_ROW]})
"""Rejected rows that were never meant as data."""


def mask(text: str) -> str:
    """Shows enough of a cell to find it in the file, and too little to know the number (four signs at most)."""
    shown = text.strip().replace("\n", " ")
    return f"{shown[: min(4, len(shown) // 3)]}***" if shown else ""


def without_numbers(name: str) -> str:
    """A name that somebody else chose (of a file, folder, sheet or column), without numbers of people in it.

    Such names stand in messages, logs and pages, which hold no person's data (U9). A person's name in them cannot be
    told from any other word; docs/operations.md tells departments to leave people out of the names of files.
    """
    return _NUMBER_IN_NAME.sub(lambda found: f"{found[0][:3]}***", name)


def shown_name(path: Path) -> str:
    """A file's name without numbers of people; where that makes two files of a folder alike, they are counted."""
    name = without_numbers(path.name)
    if name == path.name:
        return name
    alike = sorted(other.name for other in path.parent.iterdir() if without_numbers(other.name) == name)
    return f"{name}~{alike.index(path.name) + 1}" if path.name in alike and len(alike) > 1 else name


def row_message(error: int, line: int, column: str, cell: str, *, fields: int, width: int) -> str:
    """The Chinese message of a rejected row.

    Args:
        error: One of the constants above.
        line: Line where the row begins; the header is line 1.
        column: Header of the column at fault.
        cell: The cell's text; it is masked here.
        fields: Fields in the row.
        width: Fields in the header.
    """
    where = f"第{line}行"
    if error == TOTAL_ROW:
        return f"{where}是合计行，不作为数据读入。无需处理；下次报送请去掉合计行。"
    if error == NOTE_ROW:
        return f"{where}是表格以外的说明、落款或页码，不作为数据读入。无需处理；下次报送请去掉。"
    if error == FIELD_COUNT:
        more = "少于" if fields < width else "多于"
        return (
            f"{where}有{fields}个栏，{more}表头的{width}个栏。请检查该行是否缺栏、多了分隔符或引号不成对，改正后重报。"
        )
    if error == DAMAGED_CERTNO:
        return f"{where}“{column}”被电子表格改成了数字（{mask(cell)}），原号码已丢失。请从原系统按文本格式重新导出。"
    if error == BLANK_REQUIRED:
        return f"{where}“{column}”为空，该栏必填。请补齐后重报。"
    return f"{where}“{column}”无法识别（{mask(cell)}）。请按要求的格式改正后重报。"
