"""A list as a file: written by a process of its own, row by row, so that neither a long list nor many take memory.

The workbook is in the style of the office (`canbao.reports.office`), the text file holds the same, as a Chinese Excel
opens it: UTF-8 with BOM, CRLF, numbers of certificates kept as text by a tab inside the quotes.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from canbao.portal.accounts import Account
from canbao.portal.lists import Column, ListQuery
from canbao.portal.scope import Scope
from canbao.portal.serials import Tracer, mark_number
from canbao.portal.store import Broken, Publication
from canbao.portal.words import word
from canbao.processes import be_a_worker
from canbao.reports.office import Book, Cells, chinese_date, clean_text, starts_formula
from canbao.reports.stamps import verdict_text

PRODUCT = {"uninsured": "uninsured", "closed": "uninsured", "people": "ledger", "duplicates": "duplicate"}
"""Which product's verdict a list carries."""

BATCH = 4000
_NUMBER_COLUMN = Column("number", "序号", "number", 7)
_MARK_COLUMN = Column("mark", "行码", "certno", 11)
_KNOWN_TEXTS = 20_000
_WIDE = 190  # characters, beyond which A4 would print too small
_TALL = {"duplicates": 56.0}
_LIKE_NUMBER = re.compile(r"[\d.,Ee+-]*\d[\d.,Ee+-]*%?")
_BREAKS = re.compile(r"[\t\r\n\v\f\x85\u2028\u2029]+")


@dataclass(frozen=True)
class Order:
    """A file to write; it is sent to the process that does.

    Attributes:
        serial: Of the file.
        form: `xlsx` or `csv`.
        query: The list.
        account: Who takes it; the scope is decided anew from it.
        folder: The publication.
        index_file: Its index.
        full: Numbers and telephones in full.
        part: Which part, from 1.
        part_rows: Rows of a part.
        unit: Name of the division that it is for.
        who: Who takes it, in words.
        at: When, in words.
        reason: Why, for full numbers.
        secret: Of the `Tracer`.
        target: File to write.
        kept: File for what the rows are recognised by.
    """

    serial: str
    form: str
    query: ListQuery
    account: Account
    folder: Path
    index_file: Path
    full: bool
    part: int
    part_rows: int
    unit: str
    who: str
    at: str
    reason: str
    secret: bytes
    target: Path
    kept: Path


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        rows: Rows of the file.
        all_rows: Rows of the whole list.
        bytes: Size of the file.
    """

    rows: int
    all_rows: int
    bytes: int


class GoneError(RuntimeError):
    """The publication, its index or the division of the list is not there any more."""


class ShortError(RuntimeError):
    """Fewer or more rows came than were counted: no file leaves."""


def start_worker() -> None:
    """What a process does before its first file."""
    be_a_worker()
    os.nice(5)  # stay behind the pages


@lru_cache(maxsize=1)
def _open(folder: Path, index_file: Path) -> Publication:
    publication = Publication(folder, index_file)
    publication.spare()
    return publication


def open_publication(folder: Path, index_file: Path) -> Publication:
    """The publication that a task of this process reads; kept open for the next one.

    Raises:
        GoneError: Its index is not there any more.
    """
    try:
        return _open(folder, index_file)
    except (Broken, OSError):
        raise GoneError("index") from None


def write_list(order: Order) -> Written:
    """Write a list.

    Raises:
        GoneError: The division, or the publication's index, is not there any more.
        ShortError: The rows are not as many as were counted.
    """
    pub = open_publication(order.folder, order.index_file)
    if pub.tree.get(order.query.division.removesuffix("-")) is None:
        raise GoneError("division")
    scope = Scope.of(order.account, pub.tree)
    all_rows = order.query.count(pub)
    first = (order.part - 1) * order.part_rows
    rows = max(0, min(order.part_rows, all_rows - first))
    sheet = _Workbook(order) if order.form == "xlsx" else _Text(order)
    kept: list[pl.DataFrame] = []
    try:
        columns = [_NUMBER_COLUMN, *order.query.columns(scope), _MARK_COLUMN]
        sheet.begin(_top(order, pub, scope, all_rows, rows), columns)
        done = 0
        for batch in order.query.batches(pub, BATCH, skip=first, most=rows):
            shown = [order.query.shown(row, scope, full=order.full) for row in batch]
            kept.append(_remember(order, batch, shown))
            for number, one in enumerate(shown, first + done + 1):
                one["number"] = number
            sheet.rows(shown, kept[-1]["text"].to_list())
            kept[-1] = kept[-1].drop("text")
            done += len(batch)
        if done != rows:
            raise ShortError(f"{done} rows instead of {rows}")
        sheet.end(rows)
    finally:
        sheet.close()
    pl.concat([_remember(order, [], []).drop("text"), *kept]).write_parquet(order.kept, compression="zstd")
    return Written(rows, all_rows, order.target.stat().st_size)


@dataclass(frozen=True)
class _Top:
    """What stands above the table.

    Attributes:
        title: The list.
        lines: Particulars, each line in parts that stand side by side.
        stamps: Whether the data may be used.
        trace: Who took it, when, why, and the serial; stands on every page and every screen.
        as_of: As-of date.
    """

    title: str
    lines: tuple[tuple[str, ...], ...]
    stamps: tuple[str, ...]
    trace: str
    as_of: Any


def _top(order: Order, pub: Publication, scope: Scope, all_rows: int, rows: int) -> _Top:
    query, first = order.query, (order.part - 1) * order.part_rows
    parts = max(1, -(-all_rows // order.part_rows))
    title = query.title(scope.tree) + (f"（第{order.part}部分，共{parts}部分）" if parts > 1 else "")
    count = f"共{all_rows:,}行" + (
        f"，本部分第{first + 1:,}至{first + rows:,}行，共{rows:,}行" if parts > 1 and rows else ""
    )
    basis = word("basis", query.basis) or ("户籍、常住或参保地" if query.kind == "duplicates" else "户籍或常住")
    unit = "对（两个参保关系为一对）" if query.kind == "duplicates" else "人"
    lines = (
        (f"填报单位：{order.unit}", f"口径：{basis}", f"截至日期：{chinese_date(pub.as_of)}", f"单位：{unit}"),
        (count, f"条件：{query.filter_text()}", f"参保年度：{pub.insured_year}", f"发布：{pub.id}"),
    )
    # from the index, which stays where a publication is pruned under a portal that still serves it
    stamps = [verdict_text(next((one for one in pub.verdicts if one["product"] == PRODUCT[query.kind]), None))]
    stamps += [
        f"本次放行检查 {one.get('check_id')}（{one.get('by') or '—'}）：{one.get('reason') or '—'}"
        for one in pub.manifest.get("accepted", [])
    ]
    level = "含完整号码" if order.full else "号码已打码"
    why = f"　用途：{order.reason}" if order.reason else ""
    trace = (
        f"编号：{order.serial}　{level}　下载：{order.who}　{order.at}{why}　仅限本人履行职责使用，不得转发，用后销毁。"
    )
    return _Top(clean_text(title), lines, tuple(stamps), trace, pub.as_of)


def _remember(order: Order, batch: Sequence[Mapping[str, Any]], shown: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """What a file's rows are recognised by, with the marks as text; one row per row."""
    tracer = Tracer(order.secret)
    marks = [tracer.mark(order.serial, row["person_id"].bytes) for row in batch]
    numbers = [tracer.look(one["certno"]) if "*" not in str(one.get("certno") or "*") else None for one in shown]
    return pl.DataFrame(
        {
            "text": marks,
            "mark": [mark_number(mark) for mark in marks],
            "person": [tracer.person(row["person_id"].bytes) for row in batch],
            "name": [tracer.look(one.get("psn_name", "")) for one in shown],
            "name_age": [tracer.look(one.get("psn_name", ""), one.get("age", "")) for one in shown],
            "number": numbers,
        },
        schema={
            "text": pl.String, "mark": pl.UInt64, "person": pl.UInt64,
            "name": pl.UInt32, "name_age": pl.UInt32, "number": pl.UInt32,
        },
    )  # fmt: skip


def _plain(value: Any) -> str:
    """A value of a text column."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "是" if value else "否"
    return value if isinstance(value, str) else str(value)


def _figure(value: Any) -> Any:
    """A value of a column of figures: a number, or nothing."""
    return value if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else None


class _Workbook:
    """The list as a workbook."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._book: Book | None = None
        self._done = False

    def begin(self, top: _Top, columns: Sequence[Column]) -> None:
        order = self._order
        self._columns = columns
        os.close(os.open(order.target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        self._book = book = Book(order.target, created=top.as_of, title=top.title, tmpdir=order.target.parent)
        book.workbook.set_properties(
            {
                "title": top.title, "subject": f"编号 {order.serial}", "author": order.who,
                "keywords": order.serial, "comments": top.trace, "created": _midnight(top.as_of),
            }
        )  # fmt: skip
        self._sheet = sheet = book.sheet("名单")
        sheet.columns([column.wide for column in columns])
        sheet.title_block(top.title, meta=top.lines, stamps=top.stamps)
        self._repeat = sheet.row
        alarm: dict[str, Any] = {"font_color": "#8A1020", "bold": True} if order.full else {}
        sheet.line(top.trace, role="meta", height=None, **alarm)
        sheet.heading([(column.title,) for column in columns])
        sheet.ws.freeze_panes(sheet.row, 3)
        self._cells = [self._style(column) for column in columns]
        self._top = top

    def _style(self, column: Column) -> Cells:
        if column.kind == "amount":
            return Cells(column.key, style={"num_format": "#,##0.00"})
        if column.kind == "number":
            return Cells(column.key, style={"num_format": "0", "align": "center"})
        if column.kind in ("certno", "date"):
            return Cells(column.key, style={"num_format": "@", "align": "center"})
        fits = "text_wrap" if self._order.query.kind in _TALL else "shrink"
        return Cells(column.key, style={"num_format": "@", fits: True})

    def rows(self, shown: Sequence[Mapping[str, Any]], marks: Sequence[str]) -> None:
        assert self._book is not None
        data: dict[str, pl.Series] = {}
        for column in self._columns:
            key = column.key
            if key == "mark":
                data[key] = pl.Series(key, marks, dtype=pl.String)
            elif column.kind == "number":
                data[key] = pl.Series(key, [_figure(one.get(key)) for one in shown], dtype=pl.Int64)
            elif column.kind == "amount":
                values = [None if (value := _figure(one.get(key))) is None else float(value) for one in shown]
                data[key] = pl.Series(key, values, dtype=pl.Float64)
            else:
                data[key] = pl.Series(key, [_plain(one.get(key)) for one in shown], dtype=pl.String)
        self._sheet.rows(pl.DataFrame(data), self._cells, height=_TALL.get(self._order.query.kind, 17.25))
        for known in self._book.made.values():  # names and numbers of a whole city would fill the memory
            if len(known) > _KNOWN_TEXTS:
                known.clear()

    def end(self, rows: int) -> None:
        assert self._book is not None
        order, sheet = self._order, self._sheet
        sheet.closing_line(rows)
        sheet.line(f"编号：{order.serial}　行码用于核对来源，请勿删除。", role="meta")
        sheet.text_columns([at for at, column in enumerate(self._columns) if column.kind == "certno"])
        sheet.print_setup(
            repeat=(self._repeat, self._repeat + 1),
            footer_left=f"截至 {self._top.as_of}",
            footer_right=f"编号 {order.serial}",
            one_page=False,
        )
        if sum(sheet.widths) > _WIDE:
            sheet.ws.set_paper(8)  # A3
        said = f"{order.who}　{order.at}　编号 {order.serial}" + (f"　{order.reason}" if order.full else "")
        sheet.ws.set_header(f'&C&"{self._book.fonts.body},Regular"&9 {said.replace("&", "＆")[:150]}', {"margin": 0.25})
        self._done = True

    def close(self) -> None:
        if self._book is not None and self._done:
            self._book.close()
        elif self._book is not None:
            for one in self._book.workbook.worksheets():  # XlsxWriter removes its own rows only with a finished book
                if getattr(one, "row_data_filename", None):
                    one.fh.close()
                    Path(one.row_data_filename).unlink(missing_ok=True)
            self._book.workbook.fileclosed = True


def _midnight(day: Any) -> Any:
    import datetime as dt

    return dt.datetime.combine(day, dt.time())


class _Text:
    """The list as text."""

    def __init__(self, order: Order) -> None:
        self._order = order
        descriptor = os.open(order.target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(descriptor, "w", encoding="utf-8-sig", newline="")

    def begin(self, top: _Top, columns: Sequence[Column]) -> None:
        self._columns = columns
        lines: list[Sequence[str]] = [(top.title,), *top.lines, *((one,) for one in top.stamps), (top.trace,)]
        lines.append([column.title for column in columns])
        self._put(lines)

    def _put(self, lines: Sequence[Sequence[str]]) -> None:
        self._file.writelines(",".join(_quoted(_guarded(text)) for text in line) + "\r\n" for line in lines)

    def rows(self, shown: Sequence[Mapping[str, Any]], marks: Sequence[str]) -> None:
        filled = [list(self._values(column, shown, marks)) for column in self._columns]
        self._file.writelines(",".join(values) + "\r\n" for values in zip(*filled, strict=True))

    @staticmethod
    def _values(column: Column, shown: Sequence[Mapping[str, Any]], marks: Sequence[str]) -> Iterator[str]:
        key = column.key
        if key == "mark":
            yield from (_quoted(mark) for mark in marks)
        elif column.kind == "amount":
            yield from ("" if (value := _figure(one.get(key))) is None else f"{value:.2f}" for one in shown)
        elif column.kind == "number":
            yield from ("" if (value := _figure(one.get(key))) is None else str(value) for one in shown)
        elif column.kind == "date":
            yield from (_quoted(_guarded(_plain(one.get(key)))) for one in shown)
        else:
            yield from (_quoted(_kept(_plain(one.get(key)), always=column.kind == "certno")) for one in shown)

    def end(self, rows: int) -> None:
        self._put([(f"以下无数据，共{rows:,}行",), (f"编号：{self._order.serial}　行码用于核对来源，请勿删除。",)])

    def close(self) -> None:
        self._file.close()


def _guarded(text: str) -> str:
    """A text that no spreadsheet takes for a formula: breaks become blanks, an apostrophe stands before the sign."""
    text = _BREAKS.sub(" ", clean_text(text)).strip()
    return f"'{text}" if starts_formula(text) else text


def _kept(text: str, *, always: bool) -> str:
    """A text that a spreadsheet leaves as it is: what looks like a number, or may be one, ends with a tab."""
    safe = _guarded(text)
    return f"{safe}\t" if safe and (always or _LIKE_NUMBER.fullmatch(safe)) else safe


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if text else ""
