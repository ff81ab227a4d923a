"""Made-up staff who visit people, fill sheets in, and send them back in all the ways that sheets come back."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import xlsxwriter

from canbao.loop.codes import ALPHABET, batch_id
from tests.loop.book import REASONS, WORDS, Cells, Row

FUTURE = date(2026, 12, 1)
"""A day of a visit that cannot have been yet."""


@dataclass
class Part:
    """A list as it stands in a file: a sheet, or a piece of one."""

    heads: list[str]
    rows: list[Cells]
    title: str = ""
    total: bool = False


HEADS = ["行码", "批次", "序号", "姓名", "证件号码", "核实结果", "核实日期", "预计结束日期", "说明", "填报人"]
OTHER_NAMES = {
    "行码": ["行号码", "校验码", "行 码"], "姓名": ["人员姓名", "名字"], "核实结果": ["核查情况", "入户结果", "走访结果"],
    "核实日期": ["走访时间", "入户日期", "核查日期"], "预计结束日期": ["有效期止", "结束时间"], "说明": ["备注", "情况说明"],
    "填报人": ["网格员", "经办人"],
}  # fmt: skip
WAYS = (
    "sorted", "moved", "renamed", "added", "cut", "words", "dates", "copied", "twice_same", "twice_other", "damaged",
    "others", "blank_rows", "csv", "faults",
)  # fmt: skip


class Staff:
    """Who visits people and fills sheets in, well or badly.

    Args:
        seed: Same seed, same staff.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def visit(self, row: Row, day: date, attempt: int = 0) -> Cells:
        """A row filled in after a visit; some are not visited yet."""
        luck = random.Random(f"{self.seed} {row.code} {attempt}")  # noqa: S311
        cells = Cells(row, row.name, code_text=row.code)
        if luck.random() < (0.2 if attempt == 0 else 0.4):
            return cells
        cells.reason = self._reason(luck, row, day)
        first = row.sent - timedelta(days=5 if luck.random() < 0.05 else 0)
        cells.found = first + timedelta(days=luck.randrange((day - first).days + 1))
        if row.born is not None:
            cells.found = max(cells.found, row.born)
        if REASONS[cells.reason]["needs_end"] == "true":
            cells.end = cells.found + timedelta(days=luck.choice([15, 40, 55, 200, 700]))
        elif cells.reason == "W5" and luck.random() < 0.5:
            cells.end = cells.found + timedelta(days=luck.choice([10, 20, 60]))
        cells.note = "外出读书" if cells.reason == "X" else luck.choice(["", "", "", "已当面核实情况", "邻居说的"])
        return spelled(cells)

    def _reason(self, luck: random.Random, row: Row, day: date) -> str:
        days = (day - row.born).days if row.born else None
        age = None if days is None else days // 366
        if days is not None and days < 300 and luck.random() < 0.4:
            return "N1"
        chances = {
            "W1": 16, "W2": 10, "W3": 5, "W4": 9, "W5": 18, "F1": 2, "F2": 9, "F3": 7, "D1": 7, "D2": 3, "D3": 3, "D4": 1,
            "I1": 6, "I2": 4, "E1": 3, "E2": 2, "X": 3,
        }  # fmt: skip
        if age is not None and 20 <= age <= 55:
            chances |= {"M1": 2, "P1": 2}
        if age is not None and age >= 97:
            chances = {name: share for name, share in chances.items() if name not in ("W3", "W4", "W5")}
        return luck.choices(list(chances), list(chances.values()))[0]

    def pair(self, rows: Sequence[Row], cells: dict[str, Cells]) -> None:
        """Both sides of one person: here and there made to contradict each other, or to agree."""
        luck = random.Random(f"{self.seed} {rows[0].person}")  # noqa: S311
        kind = luck.random()
        if kind > 0.6 or any(cells[one.code].reason is None for one in rows):
            return
        reasons = ("D1", "W1") if kind < 0.3 else ("F2", "F2") if kind < 0.45 else ("F3", "W2")
        for row, reason in zip(rows, reasons, strict=False):
            one = cells[row.code]
            one.reason, one.end = reason, None
            spelled(one)

    def break_up(self, luck: random.Random, ways: Iterable[str], part: Part, other: Part | None) -> Part:
        """One village's list, spoilt.

        Args:
            luck: Where chance comes from.
            ways: Of `WAYS`.
            part: The list.
            other: The list of another village.
        """
        rows, heads = list(part.rows), list(part.heads)
        for way in ways:
            said = [one for one in rows if one.says]
            if way == "sorted":
                rows.sort(key=lambda one: (one.name, one.code_text), reverse=True)
            elif way == "moved":
                luck.shuffle(heads)
            elif way == "renamed":
                heads = [luck.choice(OTHER_NAMES[one]) if one in OTHER_NAMES else one for one in heads]
            elif way == "added":
                for name in ("联系电话", "走访照片", "镇街意见"):
                    heads.insert(luck.randrange(len(heads) + 1), name)
            elif way == "cut":
                heads = [one for one in heads if one not in ("批次", "序号", "证件号码", "填报人")]
            elif way == "words":
                for one in said:
                    if one.reason:
                        one.reason_text = spelling(luck, one.reason)
            elif way == "dates":
                for one in said:
                    if one.found and one.found != FUTURE:
                        one.found_text = day_text(luck, one.found)
                    one.end_text = f"{one.end.year}年{one.end.month}月{one.end.day}日" if one.end else one.end_text
            elif way == "copied" and len(rows) > 1 and said:
                # the row of one person with the code of another, whose own row stands there too
                one, victim = luck.choice(said), luck.choice(rows)
                if victim.row is not None and one is not victim:
                    wrong = replace(one, row=victim.row, code_text=victim.code_text)
                    if luck.random() < 0.5:
                        wrong = replace(
                            wrong, reason=victim.reason, reason_text=victim.reason_text, found=victim.found,
                            found_text=victim.found_text, end=victim.end, end_text=victim.end_text, note=victim.note,
                        )  # fmt: skip
                    rows[rows.index(one)] = wrong
            elif way in ("twice_same", "twice_other") and said:
                one = luck.choice(said)
                twin = replace(one)
                if way == "twice_other":
                    twin.reason = "W1" if one.reason != "W1" else "W2"
                    twin.end = None
                    spelled(twin)
                rows.insert(luck.randrange(len(rows) + 1), twin)
            elif way == "damaged" and said:
                one = luck.choice(said)
                if one.row is not None:
                    place = luck.randrange(10)
                    sign = luck.choice([each for each in ALPHABET if each != one.code_text[place]])
                    spoilt = one.code_text[:place] + sign + one.code_text[place + 1 :]
                    rows[rows.index(one)] = replace(one, row=None, code_text=spoilt)
            elif way == "others" and other is not None:
                rows += [replace(one) for one in other.rows if one.says and luck.random() < 0.5]
            elif way == "blank_rows":
                for _ in range(2):
                    rows.insert(luck.randrange(len(rows) + 1), Cells(None, ""))
            elif way == "faults" and said:
                self._spoil(luck, luck.choice(said))
        return replace(part, heads=heads, rows=rows)

    @staticmethod
    def _spoil(luck: random.Random, one: Cells) -> None:
        """A fault of the answer."""
        kind = luck.choice(["reason", "no_day", "future", "no_end", "no_note"])
        if kind == "reason":
            one.reason, one.reason_text, one.unreadable = None, "不晓得", True
        elif kind == "no_day":
            one.found, one.found_text = None, ""
        elif kind == "future":
            one.found, one.found_text = FUTURE, FUTURE.isoformat()
        elif kind == "no_end":
            one.reason, one.end = "P1", None
            spelled(one)
        else:
            one.reason, one.note, one.end = "X", "", None
            spelled(one)


def spelled(cells: Cells) -> Cells:
    """The answer as the sheet's own lists spell it."""
    cells.reason_text = f"{cells.reason} {WORDS[cells.reason][0]}" if cells.reason else ""
    cells.found_text = cells.found.isoformat() if cells.found else ""
    cells.end_text = cells.end.isoformat() if cells.end else ""
    return cells


def spelling(luck: random.Random, reason: str) -> str:
    """A reason as people write it."""
    wide = "".join(chr(ord(sign) + 0xFEE0) for sign in reason)
    return luck.choice(
        [reason, reason.lower(), wide, *WORDS[reason], f"{reason}{WORDS[reason][0]}", f" {WORDS[reason][0]} "]
    )


def day_text(luck: random.Random, day: date) -> str:
    """A day as people write it."""
    year, month, number = day.year, day.month, day.day
    serial = (day - date(1899, 12, 30)).days
    return luck.choice(
        [
            f"{year}.{month}.{number}", f"{month}月{number}日", f"{year}{month:02}{number:02}", f"{year}年{month}月{number}日",
            f"{year}/{month}/{number}", str(serial), f"{year}-{month}-{number}",
        ]
    )  # fmt: skip


def _cell(one: Cells, head: str, serial: int) -> Any:
    plain = next((name for name, others in OTHER_NAMES.items() if head in others), head)
    row = one.row
    return {
        "行码": one.code_text,
        "批次": batch_id(row.batch_no) if row else "",
        "序号": serial,
        "姓名": one.name,
        "证件号码": f"{row.certno[:4]}******{row.certno[-2:]}" if row and row.certno else "",
        "核实结果": one.reason_text,
        "核实日期": one.found_text,
        "预计结束日期": one.end_text,
        "说明": one.note,
        "填报人": "孙某" if one.says else "",
        "联系电话": "见底册" if one.code_text else "",
    }.get(plain, "")


def table(part: Part) -> list[list[Any]]:
    """The lines of a list with its head; a row without anything is a blank line."""
    lines: list[list[Any]] = [list(part.heads)]
    for serial, one in enumerate(part.rows, 1):
        nothing = not one.code_text and not one.says
        lines.append([""] * len(part.heads) if nothing else [_cell(one, head, serial) for head in part.heads])
    if part.total:
        lines.append(["合计", f"共{len(part.rows)}人"])
    return lines


def write_csv(path: Path, parts: Sequence[Part], encoding: str = "gb18030") -> Path:
    """Lists one below the other as text."""
    with path.open("w", encoding=encoding, errors="replace", newline="") as file:
        for part in parts:
            csv.writer(file).writerows(table(part))
    return path


def write_xlsx(path: Path, sheets: Sequence[tuple[str, Sequence[Part]]]) -> Path:
    """A workbook; lists of one sheet stand one below the other."""
    with xlsxwriter.Workbook(path, {"strings_to_formulas": False, "strings_to_numbers": False}) as book:
        for name, parts in sheets:
            sheet, line = book.add_worksheet(name), 0
            for part in parts:
                if part.title:
                    sheet.write(line, 0, part.title)
                    line += 1
                for cells in table(part):
                    for column, value in enumerate(cells):
                        if value not in ("", None):
                            sheet.write(line, column, value)
                    line += 1
    return path


def fill_in(source: Path, target: Path, rows: Sequence[Cells]) -> Path:
    """Fill in the workbook that went out, as it is."""
    book = openpyxl.load_workbook(source)
    sheet = book.worksheets[0]
    by_code = {one.code_text: one for one in rows}
    places: dict[str, int] = {}
    for line in sheet.iter_rows():
        for cell in line:
            if cell.value in HEADS and "行码" in [one.value for one in line]:
                places[str(cell.value)] = cell.column
        one = by_code.get(str(line[places["行码"] - 1].value)) if places else None
        if one is not None and one.says:
            for head, value in (("核实结果", one.reason_text), ("核实日期", one.found_text), ("说明", one.note)):
                sheet.cell(line[0].row, places[head], value or None)
            sheet.cell(line[0].row, places["预计结束日期"], one.end_text or None)
    book.save(target)
    return target
