"""The sheets of the loop: the answer workbook, the visiting sheet for paper, the zero report, the refused rows.

A sheet shows what its reader's role may see and nothing else: what is masked, said in other words or left out is
decided by `canbao.portal.fields`, as for pages and lists. Protection has no password: it keeps fingers off the columns
that rows are known by, and leaves filters, widths and heights free. Wording and widths are in `sheet.toml`.
"""

import datetime as dt
import json
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from canbao.intake.problems import without_numbers
from canbao.paths import package_dir
from canbao.portal.divisions import DivisionTree, current_tree
from canbao.portal.fields import VERIFIED, WRITTEN, bureau, hidden, is_child, number, place, show_of
from canbao.portal.scope import PEOPLE_ROLES
from canbao.portal.words import code_table, code_word, insurance, word
from canbao.reports import office
from canbao.reports.office import Book, Cells, Sheet

if TYPE_CHECKING:
    from canbao.loop.state import Batch

ROLES = {3: "township", 4: "village"}
"""Level of a batch, and the role that its sheets are for."""

CHOICES = "reason_list"
"""Name of the range that the drop-down list takes its entries from."""

_TABLE = "uninsured"
_CHILD = "未满14周岁"
_STARS = re.compile(r"\*{7,}")
_ANSWER = {"bg_color": "#FFF8E1", "locked": False}
_PROTECT = {
    "format_columns": True,
    "format_rows": True,
    "autofilter": True,
    "select_locked_cells": True,
    "select_unlocked_cells": True,
}
_MOST_LINES = 7
_LINE = 13.5


@dataclass(frozen=True)
class Origin:
    """The publication that a sheet's rows were taken from.

    Attributes:
        as_of: As-of date.
        insured_year: The year that enrollment is judged for.
        publication: Its id, `<as_of>/<run_id>`.
        tree: Its divisions.
        stamps: How far it may be relied on, as lines to print.
    """

    as_of: dt.date
    insured_year: int
    publication: str
    tree: DivisionTree
    stamps: tuple[str, ...] = ()

    @classmethod
    def of(cls, folder: Path, tree: DivisionTree | None = None) -> "Origin":
        """From a publication's folder.

        Args:
            folder: `<home>/published/<as_of>/<run_id>`.
            tree: Its divisions, where somebody has read them already.
        """
        from canbao.reports.stamps import verdict_line

        folder = folder.resolve()
        as_of = dt.date.fromisoformat(folder.parent.name)
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        return cls(
            as_of=as_of,
            insured_year=int(manifest.get("insured_year") or as_of.year),
            publication=f"{folder.parent.name}/{folder.name}",
            tree=tree or current_tree(folder),
            stamps=(verdict_line(folder, _TABLE),),
        )


@dataclass(frozen=True)
class Taken:
    """Who took a sheet from the portal; printed on every page of it (U7).

    Attributes:
        serial: Of the download.
        line: Who, when, why, in words.
    """

    serial: str
    line: str


@dataclass(frozen=True)
class _Column:
    """A column of the answer workbook, from `sheet.toml`."""

    name: str
    title: str
    width: float
    full: float = 0.0
    answer: bool = False
    date: bool = False
    centred: bool = False
    banner: str = ""
    open: bool = field(default=False, compare=False)

    def wide(self, full: bool) -> float:
        return self.full if full and self.full else self.width

    def cells(self) -> Cells:
        style: dict[str, Any] = {"text_wrap": True}
        if self.centred or self.date:
            style["align"] = "center"
        if self.answer or self.open:
            style |= _ANSWER
        if self.name not in _FIGURES:
            style["num_format"] = "yyyy-mm-dd" if self.date else "@"
        return Cells(self.name, style=style)


_FIGURES = ("serial", "age", "line")
_OPEN = ("row_code", "psn_name", "certno")
"""What somebody may correct in a returned row besides the answer."""


@lru_cache
def words() -> dict[str, Any]:
    """All of `sheet.toml`."""
    return tomllib.loads((package_dir("loop") / "sheet.toml").read_text(encoding="utf-8"))


@lru_cache
def _columns() -> tuple[_Column, ...]:
    return tuple(_Column(**one) for one in words()["column"])


@lru_cache
def _returned_columns() -> tuple[_Column, ...]:
    own = tuple(_Column(**one) for one in words()["returned"]["column"])
    return own + tuple(_Column(**{**vars(one), "open": one.name in _OPEN}) for one in _columns())


@lru_cache
def choices(role: str) -> tuple[str, ...]:
    """What a role may choose as an answer, as the drop-down list says it (`D1 死亡`); who may not is `fields.csv`."""
    return tuple(
        f"{code} {row['name']}"
        for code, row in code_table("reason_code").items()
        if show_of(_TABLE, "reason_choice", role, code) != "hide"
    )


def _role(batch: "Batch", taker: str) -> str:
    """Whose eyes a sheet is for: those of the batch's level, or of who takes it where these may see less."""
    own = ROLES[batch.level]
    return max(own, taker, key=PEOPLE_ROLES.index) if taker in PEOPLE_ROLES else own


def _needs_end(code: str) -> bool:
    return code_table("reason_class").get(code, {}).get("needs_end") == "true"


def write_sheet(
    rows: pl.DataFrame,
    batch: "Batch",
    target: Path,
    *,
    origin: Origin,
    full: bool = False,
    role: str = "",
    taken: Taken | None = None,
) -> Path:
    """Write the answer workbook of a batch.

    Args:
        rows: One row per person of the batch, by serial, with the columns of `sent/<round_no>.parquet` (row_code,
            serial, certno, psn_name, gend, age, household_no, resd_code, live_code, …); missing ones stay blank.
        batch: The batch.
        target: File to write.
        origin: The publication that the rows are of.
        full: Numbers in full; that somebody may have them is for the caller to know.
        role: Of who takes it. A sheet is passed on: nobody's says more than that of the batch's level may know.
        taken: Who took it from the portal.

    Returns:
        The file.
    """
    own, role = words()["book"], _role(batch, role)
    columns = _columns()
    table = _table(rows, _Reader(batch.division_code, origin.tree, role, full), {"batch_id": batch.batch_id})
    made = _book(target, batch.sent, f"{own['title']} {batch.batch_id}")
    sheet = made.sheet(own["sheet"])
    sheet.columns([one.wide(full) for one in columns])
    unit = _unit(origin.tree, batch.division_code, batch.division_name)
    sheet.title_block(
        own["title"],
        meta=[
            (f"填报单位（盖章）：{unit}", f"批次：{batch.batch_id}", f"回复期限：{office.chinese_date(batch.due)}"),
            (
                f"下发日期：{office.chinese_date(batch.sent)}",
                f"数据截至：{office.chinese_date(origin.as_of)}　参保年度：{origin.insured_year}",
                f"本表 {table.height:,} 行　单位：人",
            ),
        ],
        stamps=origin.stamps,
    )
    if taken is not None:
        sheet.line(taken.line)
    sheet.line(own["hint"], bold=True)
    ends = "、".join(one for one in choices(role) if _needs_end(one.split()[0]))
    notes = [*own["notes"], *([own["ends"].format(reasons=ends)] if ends else [])]
    repeat = _fill(made, sheet, columns, table, full=full, role=role, answered=own["answered"])
    sheet.signature(own["signature"])
    sheet.notes(notes)
    return _finish(made, sheet, repeat, (batch.batch_id, unit), taken)


def write_returned(
    rows: pl.DataFrame,
    target: Path,
    *,
    tree: DivisionTree,
    day: dt.date,
    division_code: str,
    role: str,
    receipt_no: str = "",
    full: bool = False,
    taken: Taken | None = None,
) -> Path:
    """Write the refused rows alone, in the shape of the answer workbook, to be corrected and sent again (U23).

    Args:
        rows: One row per refused row: opinion (why it was refused, in words), sheet and line (where it stood), reason,
            found_date, end_date, note, reporter (as they came, texts), row_code, batch_id; and, where the row was
            known, what was sent of the person (columns of `sent/<round_no>.parquet`). Missing columns stay blank.
        target: File to write.
        tree: Divisions.
        day: On which the rows came back.
        division_code: Of who sent them.
        role: Of who sent them.
        receipt_no: Number of the receipt; empty before there is one.
        full: Numbers in full.
        taken: Who took it from the portal.

    Returns:
        The file.
    """
    own, columns = words()["returned"], _returned_columns()
    table = _table(rows, _Reader(division_code, tree, role, full), {}, answers=True)
    made = _book(target, day, f"{own['title']} {receipt_no}".strip())
    sheet = made.sheet(own["sheet"])
    sheet.columns([one.wide(full) for one in columns])
    division = tree.get(division_code)
    unit = _unit(tree, division_code, division.name if division else division_code)
    sheet.title_block(
        own["title"],
        meta=[
            (
                f"填报单位（盖章）：{unit}",
                f"回执编号：{receipt_no or '尚未确认'}",
                f"退回日期：{office.chinese_date(day)}",
                f"本表 {table.height:,} 行",
            )
        ],
    )
    if taken is not None:
        sheet.line(taken.line)
    sheet.line(own["hint"], bold=True)
    repeat = _fill(made, sheet, columns, table, full=full, role=role, answered=own["answered"])
    sheet.signature(words()["book"]["signature"])
    sheet.notes(own["notes"])
    return _finish(made, sheet, repeat, (receipt_no, unit), taken)


def write_visiting(
    rows: pl.DataFrame,
    batch: "Batch",
    target: Path,
    *,
    origin: Origin,
    role: str = "",
    taken: Taken | None = None,
) -> Path:
    """Write the visiting sheet for paper: by household, boxes to tick, always masked (U29).

    Args:
        rows: As `write_sheet` takes them.
        batch: The batch.
        target: File to write.
        origin: The publication that the rows are of.
        role: Of who takes it. A sheet is passed on: nobody's says more than that of the batch's level may know.
        taken: Who took it from the portal.

    Returns:
        The file.
    """
    own, role = words()["visit"], _role(batch, role)
    made = _book(target, batch.sent, f"{own['title']} {batch.batch_id}", _PAPER)
    sheet = made.sheet(own["sheet"])
    unit = _unit(origin.tree, batch.division_code, batch.division_name)
    visit = _Visit(sheet, _Reader(batch.division_code, origin.tree, role, full=False))
    sheet.columns([width for _, width in visit.columns])
    sheet.title_block(own["title"])
    day = office.chinese_date
    sheet.spread((f"填报单位（盖章）：{unit}", f"批次：{batch.batch_id}　核实期限：{day(batch.due)}"))
    sheet.spread((f"下发日期：{day(batch.sent)}　数据截至：{day(origin.as_of)}", f"共 {rows.height:,} 人"))
    sheet.line(own["hint"], bold=True)
    for stamp in origin.stamps:
        sheet.line(stamp, role="stamp")
    if taken is not None:
        sheet.line(taken.line)
    repeat = visit.heading()
    visit.rows(rows)
    sheet.line(f"以下无数据，共{rows.height:,}行", role="closing", height=18)
    sheet.spread([*(f"{who}：" for who in own["signature"]), "日期：　　　年　　月　　日"], height=34, align="left")
    for n, note in enumerate(own["notes"], 1):
        line = f"{'说明：' if n == 1 else '　　　'}{n}.{note.format(others=visit.others())}"
        sheet.line(line, role="note")
    sheet.print_setup(repeat=repeat, footer_left=batch.batch_id, footer_right=unit, one_page=False)
    _header(sheet, made, taken)
    return made.close()


def write_zero(batch: "Batch", target: Path, *, origin: Origin, taken: Taken | None = None) -> Path:
    """Write the zero report of a village with nobody to ask (U32): one page to confirm and sign."""
    own = words()["zero"]
    made = _book(target, batch.sent, f"{own['title']} {batch.batch_id}")
    sheet = made.sheet(own["sheet"])
    sheet.columns([18, 22, 22, 22])
    unit = _unit(origin.tree, batch.division_code, batch.division_name)
    due = office.chinese_date(batch.due)
    sheet.title_block(
        own["title"],
        meta=[
            (f"填报单位（盖章）：{unit}　　批次：{batch.batch_id}",),
            (f"下发日期：{office.chinese_date(batch.sent)}", f"回复期限：{due}"),
        ],
        stamps=origin.stamps,
    )
    body = own["body"].format(as_of=office.chinese_date(origin.as_of), unit=unit, year=origin.insured_year, due=due)
    sheet.line(body, role="closing", height=90, align="left", indent=1, text_wrap=True, font_size=14)
    for title, text in own["asked"]:
        sheet.text(sheet.row, 0, title, {"font_size": 12}, "heading")
        sheet.merged(1, 3, text, role="closing", height=60, align="left", indent=1, text_wrap=True, font_size=12)
        sheet.row += 1
    sheet.signature(own["signature"])
    sheet.notes(own["notes"])
    sheet.print_setup(landscape=False, footer_left=batch.batch_id, footer_right=unit, one_page=True)
    _header(sheet, made, taken)
    return made.close()


# ---------------------------------------------------------------------------------------------- what a row says


@dataclass(frozen=True)
class _Reader:
    """Who reads a sheet: decides how much of each field is said."""

    division_code: str
    tree: DivisionTree
    role: str
    full: bool

    @cached_property
    def _near(self) -> str:
        """The division whose name, and those above it, need not be said: of a village its township."""
        own = self.tree.get(self.division_code)
        return own.parent if own is not None and own.level == 4 and own.parent else self.division_code

    def place(self, code: str | None) -> str:
        return place(self.tree, code, self._near)

    def certno(self, row: Mapping[str, Any]) -> str:
        """The number, as often as not masked: its stars cut short, as nobody counts them."""
        child = is_child(row)
        show = show_of(_TABLE, "certno", self.role, "under_14" if child else "")
        if show == "hide":
            return ""
        if self.full and show in {"mask", "full"}:
            return row.get("certno") or ""
        return _STARS.sub("******", number(row.get("certno"), row))

    def separated(self, row: Mapping[str, Any]) -> str:
        """Whether somebody lives elsewhere, and who else was asked; the places stand in columns of their own."""
        if row.get("separated") is None:
            return ""
        said = "是" if row["separated"] else "否"
        other = row.get("other_division")
        if not other:
            return said
        side = "居住地" if row.get("role") == "household" else "户籍地"
        return f"{said}，{side}同时核实"

    def last(self, row: Mapping[str, Any]) -> str:
        year = row.get("last_insured_year")
        if year is None:
            return ""
        kind = row.get("last_insutype")
        said = VERIFIED if kind and hidden(_TABLE, "last_insutype", self.role, str(kind)) else insurance(kind)
        return " ".join(part for part in (f"{year}年", said, bureau(self.tree, row.get("last_admdvs"))) if part)

    def evidence(self, row: Mapping[str, Any]) -> str:
        """What the departments say: groups, the guardian of a child; telephones only beside full numbers."""
        said = [_CHILD] if is_child(row) else []
        said += [
            VERIFIED if hidden(_TABLE, "tags", self.role, str(tag)) else code_word("group_tag_class", tag)
            for tag in row.get("group_tags") or ()
            if tag not in words()["book"]["unsaid_tags"]
        ]
        if row.get("contact_name"):
            said.append(f"监护人 {row['contact_name']}")
        if self.full:
            for name, title in (("tel", "电话"), ("contact_tel", "监护人电话")):
                if row.get(name) and show_of(_TABLE, name, self.role) in {"mask", "full"}:
                    said.append(f"{title} {row[name]}")
        return "；".join(dict.fromkeys(said))

    def feedback(self, row: Mapping[str, Any]) -> str:
        code = row.get("feedback_reason")
        if not code:
            return ""
        who = row.get("feedback_division")
        if hidden(_TABLE, "feedback_reason", self.role, code):
            # neither until when nor by whom, which would tell more; a sheet lies open, also before who said it
            return words()["book"]["own"].format(day=_day(row.get("feedback_date"))) if self._own(who) else VERIFIED
        said = _reason(code)
        until = f"至 {_day(row['feedback_until'])}" if row.get("feedback_until") else ""
        parts = (_day(row.get("feedback_date")), said, "" if self._own(who) else self.place(who), until)
        return " ".join(part for part in parts if part)

    def suggested(self, row: Mapping[str, Any]) -> str:
        code, source = row.get("suggested_reason"), row.get("suggested_from")
        if not code:
            return ""
        if hidden(_TABLE, "feedback_reason", self.role, code) or hidden(_TABLE, "sources", self.role, str(source)):
            return VERIFIED
        return f"{_reason(code)}（{_suggested_from(str(source))}）" if source else _reason(code)

    def _own(self, code: str | None) -> bool:
        """Whether an answer came from the reader's own division."""
        own = self.tree.get(self.division_code)
        return bool(code) and own is not None and self.tree.inside(str(code), own)


def _reason(code: str) -> str:
    return f"{code} {code_word('reason_code', code)}"


def _suggested_from(code: str) -> str:
    try:
        return code_word("suggested_from", code)
    except FileNotFoundError:
        return word("source", code)


def _day(value: Any) -> str:
    return "" if value is None else str(value)


_SAID: dict[str, Callable[[_Reader, Mapping[str, Any]], str]] = {
    "certno": _Reader.certno,
    "gend": lambda reader, row: code_word("gend", row.get("gend")),
    "resd_code": lambda reader, row: reader.place(row.get("resd_code")),
    "live_code": lambda reader, row: reader.place(row.get("live_code")),
    "separated": _Reader.separated,
    "uninsured_reason": lambda reader, row: word("reason", row.get("uninsured_reason")),
    "last": _Reader.last,
    "evidence": _Reader.evidence,
    "feedback": _Reader.feedback,
    "suggested": _Reader.suggested,
}
_ANSWERS = ("reason", "found_date", "end_date", "note", "reporter")


def _table(rows: pl.DataFrame, reader: _Reader, fixed: Mapping[str, str], *, answers: bool = False) -> pl.DataFrame:
    """The cells of a sheet: one row per row, texts and whole numbers.

    Args:
        rows: As they were sent, or came back.
        reader: Who reads them.
        fixed: Columns that are the same in every row.
        answers: Whether the answers are filled in (rows that go back), else their cells are blank.
    """
    columns = _returned_columns() if answers else _columns()
    data: dict[str, list[Any]] = {one.name: [] for one in columns}
    known = set(rows.columns)
    for row in rows.iter_rows(named=True):
        is_person = not answers or row.get("psn_name") is not None
        for name, values in data.items():
            if name in fixed:
                values.append(fixed[name])
            elif name in _ANSWERS:
                values.append(_day(row.get(name)) if answers else "")
            elif name == "origin":
                values.append(_where(row))
            elif name in _SAID:
                values.append(_SAID[name](reader, row) if is_person or name == "certno" else "")
            elif name in WRITTEN:
                values.append(without_numbers(row.get(name) or "") or None)
            else:
                values.append(row[name] if name in known else None)
    return pl.DataFrame(data, schema={name: pl.Int64 if name in _FIGURES else pl.String for name in data}, strict=False)


def cells(rows: pl.DataFrame, *, division_code: str, tree: DivisionTree, role: str) -> pl.DataFrame:
    """What the answer workbook says of rows, masked, for pages that show the same.

    Args:
        rows: As `write_sheet` takes them.
        division_code: Of the batch.
        tree: Divisions.
        role: Of who reads it.

    Returns:
        One row per row, with the columns of `sheet.toml`: row_code, serial, psn_name, certno, evidence, suggested, ….
    """
    return _table(rows, _Reader(division_code, tree, role, full=False), {})


def _where(row: Mapping[str, Any]) -> str:
    line = row.get("line")
    return " ".join(part for part in (row.get("sheet") or "", f"第{line}行" if line else "") if part)


def _book(target: Path, created: dt.date, title: str, size: float = 10) -> Book:
    """A workbook that nobody but its owner can read."""
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    target.chmod(0o600)
    return Book(target, created=created, title=title, tmpdir=target.parent, small=True, size=size)


def _unit(tree: DivisionTree, code: str, name: str) -> str:
    """A division with those above it, from the district down."""
    return "".join(one.name for one in tree.path(code)[1:]) or name


# ---------------------------------------------------------------------------------------------- the answer workbook


def _fill(
    made: Book, sheet: Sheet, columns: Sequence[_Column], table: pl.DataFrame, *, full: bool, role: str, answered: str
) -> tuple[int, int]:
    """The table with its headings, drop-down list, filter and protection; gives the rows of the headings."""
    given = words()["book"]["given"]
    head = sheet.row
    sheet.heading([(one.banner or (answered if one.answer else given), one.title) for one in columns])
    sheet.rows(table, [one.cells() for one in columns], height=_heights(table, columns, full))
    last = sheet.row - 1
    bottom = head + 1
    at = next(n for n, one in enumerate(columns) if one.name == "reason")
    if table.height:
        _drop_down(made, sheet, (bottom + 1, at, last, at), role)
    sheet.ws.autofilter(bottom, 0, max(last, bottom), len(columns) - 1)
    sheet.ws.freeze_panes(bottom + 1, next(n for n, one in enumerate(columns) if one.name == "psn_name") + 1)
    sheet.closing_line(table.height)
    sheet.text_columns([n for n, one in enumerate(columns) if one.name not in _FIGURES])
    sheet.ws.protect("", _PROTECT)
    return head, bottom


def _heights(table: pl.DataFrame, columns: Sequence[_Column], full: bool) -> list[float]:
    """Height of each row: what its longest text needs."""
    most = [1] * table.height
    for one in columns:
        if table.schema[one.name] == pl.String:
            wide = one.wide(full)
            for n, text in enumerate(table[one.name]):
                if text and len(text) * 2 > wide:
                    lines = _lines(text, wide)
                    most[n] = max(most[n], lines)
    return [_LINE * min(lines, _MOST_LINES) + 5 for lines in most]


@lru_cache(maxsize=8192)
def _lines(text: str, wide: float) -> int:
    return office.lines_needed(text, wide - 0.5)


def _drop_down(made: Book, sheet: Sheet, box: tuple[int, int, int, int], role: str) -> None:
    """A list from a named range in a hidden sheet: one written into the cells ends at 255 signs."""
    own = words()["book"]
    hidden_sheet = made.sheet(own["choices"])
    said = choices(role)
    for n, one in enumerate(said):
        hidden_sheet.text(n, 0, one)
    hidden_sheet.ws.hide()
    hidden_sheet.ws.protect("", _PROTECT)
    made.workbook.define_name(CHOICES, f"='{hidden_sheet.name}'!$A$1:$A${len(said)}")
    sheet.ws.data_validation(
        *box,
        {
            "validate": "list",
            "source": f"={CHOICES}",
            "ignore_blank": True,
            "error_type": "warning",  # words and codes that people type are read too
            "error_title": own["list_title"],
            "error_message": own["list_error"],
        },
    )


def _finish(made: Book, sheet: Sheet, repeat: tuple[int, int], footer: tuple[str, str], taken: Taken | None) -> Path:
    sheet.print_setup(repeat=repeat, footer_left=footer[0], footer_right=footer[1], one_page=False)
    _header(sheet, made, taken)
    return made.close()


def _header(sheet: Sheet, made: Book, taken: Taken | None) -> None:
    if taken is not None:
        said = f"{taken.line}　编号 {taken.serial}".replace("&", "＆")[:150]
        sheet.ws.set_header(f'&C&"{made.fonts.body},Regular"&9 {said}', {"margin": 0.25})


# ---------------------------------------------------------------------------------------------- the visiting sheet

_PAPER = 10.5
"""Points: nothing on paper is smaller."""

_TICK = 4.2
_KNOWN = 34.0
_BEFORE = (("序号\n行码", 12.5), ("姓名\n性别 年龄", 10.0), ("证件号码", 9.0), ("系统已有情况", _KNOWN))
_AFTER = (("核实日期", 8.0), ("说明", 13.0))
"""Headings and widths; with the boxes between them no wider than A4 landscape, so that nothing is made smaller."""


class _Visit:
    """The table of a visiting sheet, written household by household.

    Args:
        sheet: Where.
        reader: Who reads it.
    """

    def __init__(self, sheet: Sheet, reader: _Reader) -> None:
        self._sheet, self._reader, self._own = sheet, reader, words()["visit"]
        may = {one.split()[0]: one for one in choices(reader.role)}
        self._ticks = [(code, said) for code, said in self._own["reasons"] if code in may]
        told = {code for code, _ in self._ticks}
        self._others = [said + (" *" if _needs_end(code) else "") for code, said in may.items() if code not in told]
        centred: dict[str, Any] = {"align": "center", "text_wrap": True}
        left: dict[str, Any] = {"text_wrap": True}
        box: dict[str, Any] = {"align": "center", "font_size": 14}
        styles = [centred, centred, centred, left, *[box] * len(self._ticks), centred, centred, left]
        grey: dict[str, Any] = {"bg_color": "#F2F2F2", "align": "left"}
        self._people = [Cells(f"c{at}", style=style) for at, style in enumerate(styles)]
        self._lines = [Cells(f"c{at}", role="closing", style=grey) for at in range(len(styles))]

    @property
    def columns(self) -> list[tuple[str, float]]:
        """Headings and widths."""
        ticks = [(f"{code}\n{said}", _TICK) for code, said in self._ticks]
        return [*_BEFORE, *ticks, (self._own["other"], 5.5), *_AFTER]

    def others(self) -> str:
        """What may be answered besides the boxes."""
        return "、".join(self._others)

    def heading(self) -> tuple[int, int]:
        """The headings; gives their rows."""
        first, ticks = self._sheet.row, len(self._ticks) + 1
        paths = [
            (self._own["ticked"], title) if 0 <= at - len(_BEFORE) < ticks else (title,)
            for at, (title, _) in enumerate(self.columns)
        ]
        self._sheet.heading(paths)
        return first, self._sheet.row - 1

    def rows(self, people: pl.DataFrame) -> None:
        """The people, over each household a line about it with room for a signature."""
        sheet, width, after = self._sheet, len(self._people), len(_BEFORE)
        lines: list[list[str]] = []
        heights: list[float] = []
        bands: list[bool] = []
        for serial, household in enumerate(_households(people), 1):
            row = sheet.row + len(lines)
            sheet.merge(row, 0, after - 1)
            sheet.merge(row, after, width - 1)
            for texts, height in self._household(serial, household):
                bands.append(len(texts) < width)
                lines.append([*texts, *[""] * (width - len(texts))])
                heights.append(height)
        frame = pl.DataFrame(lines, schema=[(one.name, pl.String) for one in self._people], orient="row")
        sheet.rows(frame, self._people, height=heights, bands=(bands, self._lines))

    def _household(self, serial: int, people: Sequence[Mapping[str, Any]]) -> Iterable[tuple[list[str], float]]:
        """Texts and height of the line about a household, then of each of its people."""
        reader, first = self._reader, people[0]
        home = reader.place(first.get("live_code")) or reader.place(first.get("resd_code"))
        said = f"第{serial}户　户号 {without_numbers(first.get('household_no') or '无')}　{home}　{len(people)}人"
        yield [said, *[""] * (len(_BEFORE) - 1), self._own["person"]], 21.0
        for row in people:
            known = "；".join(part for part in _known(reader, row) if part)
            name = without_numbers(row.get("psn_name") or "")
            need = max(2, _lines(known, _KNOWN * 10 / _PAPER), _lines(name, 9.5) + 1)
            age = "" if row.get("age") is None else f"{row['age']}岁"
            texts = [
                f"{row.get('serial') or ''}\n{row.get('row_code') or ''}",
                f"{name}\n{code_word('gend', row.get('gend'))} {age}",
                reader.certno(row),
                known,
            ]
            yield [*texts, *["□"] * len(self._ticks), "", "", ""], 14.0 * min(need, _MOST_LINES) + 4


def _households(rows: pl.DataFrame) -> Iterable[list[dict[str, Any]]]:
    """Neighbours of one household number; who has none is a household of their own."""
    together: list[dict[str, Any]] = []
    for row in rows.iter_rows(named=True):
        if together and (not row["household_no"] or row["household_no"] != together[0]["household_no"]):
            yield together
            together = []
        together.append(row)
    if together:
        yield together


def _known(reader: _Reader, row: Mapping[str, Any]) -> Iterable[str]:
    """What the system knows of somebody, in the order in which it is read on the doorstep."""
    yield word("reason", row.get("uninsured_reason"))
    last = reader.last(row)
    yield f"上次参保 {last}" if last else ""
    yield reader.evidence(row)
    separated = reader.separated(row)
    yield f"人户分离{separated.removeprefix('是')}" if separated.startswith("是") else ""
    feedback = reader.feedback(row)
    yield f"上次核实 {feedback}" if feedback else ""
    suggested = reader.suggested(row)
    yield f"建议 {suggested}" if suggested else ""
