"""House style of the workbooks that an office prints and signs: styles, title block, signature, print set-up.

Nothing here knows what a ledger is: lists of people, batches and receipts use the same pieces. Three promises hold for
every sheet made with them. A text is written as a text, whatever it begins with, and is marked so that editing it does
not turn it into a formula (numbers stay numbers). No formula, link to another file or macro is ever written. Same
content gives the same bytes: the only date in the file is the one handed in.
"""

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.utility import xl_col_to_name, xl_range
from xlsxwriter.worksheet import Worksheet

ROWS_PER_PART = 1_048_000
"""Rows of a list that one workbook takes (Excel ends at 1,048,576); more come in numbered parts."""

_LONGEST_TEXT = 32_767
_SLICE = 50_000  # rows turned into text at once
_PAGE = (770.0, 490.0)  # what the margins leave of A4 landscape, in points
_POINTS_PER_DIGIT = 5.6  # a column's character with its share of the padding
_RULED = {"stamp", "heading", "closing"}  # roles whose merged cells need their border in every cell
_STARTS_FORMULA = tuple("=+-@\t\r\n＝＋－＠﹢﹣﹦﹫")
_BLANKS = " \u00a0\u3000"
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_NOT_IN_SHEET_NAME = re.compile(r"[\[\]:*?/\\]")
_NOT_IN_FILE_NAME = re.compile(r'[\x00-\x1f<>:"/\\|?*]')


@dataclass(frozen=True)
class Fonts:
    """Font names: the plain ones are on Windows and mapped by WPS on Kylin and UOS; the title's is a setting."""

    title: str = "黑体"
    heading: str = "宋体"
    body: str = "宋体"
    note: str = "仿宋"


def starts_formula(text: str) -> bool:
    """Whether a spreadsheet could take the text for a formula when somebody edits it or saves it as CSV."""
    return text.lstrip(_BLANKS).startswith(_STARTS_FORMULA) or text.startswith(_STARTS_FORMULA)


def clean_text(text: str) -> str:
    """The text without characters that no xlsx file may hold; ends with … where it is longer than a cell takes."""
    text = _NOT_IN_XML.sub("", text)
    if text.startswith("<r>") and text.endswith("</r>"):
        text += " "  # XlsxWriter takes such a text for the markup of a rich string and would write it as it is
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…"


def sheet_name(text: str, taken: Sequence[str] = ()) -> str:
    r"""A name that Excel and WPS accept: no []:*?/\, no apostrophe at an end, at most 31 characters, not used yet."""
    name = _NOT_IN_SHEET_NAME.sub("_", clean_text(text)).strip().strip("'")[:31] or "Sheet"
    used = {t.lower() for t in taken}
    candidate, n = name, 2
    while candidate.lower() in used:
        tail = f"({n})"
        candidate, n = name[: 31 - len(tail)] + tail, n + 1
    return candidate


def file_name(text: str) -> str:
    """A file name that Windows, Kylin and a zip archive all accept."""
    return _NOT_IN_FILE_NAME.sub("_", text).strip(" .") or "_"


def text_width(text: str) -> float:
    """Width of a text in characters of a spreadsheet column: 1 for Latin, 2 for Chinese (the widest of its lines)."""
    return max(
        (sum(1 if ord(c) < 0x2E80 and c not in "×÷−—…" else 2 for c in ln) for ln in text.split("\n")), default=0
    )


def lines_needed(text: str, width: float) -> int:
    """How many lines a text takes in a cell of that width (in characters)."""
    return sum(max(1, -int(-text_width(line) // max(width, 1))) for line in text.split("\n"))


def chinese_date(day: dt.date) -> str:
    """2026年1月15日."""
    return f"{day.year}年{day.month}月{day.day}日"


def parts(rows: int, limit: int = ROWS_PER_PART) -> Iterator[tuple[int, int, int]]:
    """Cut a long list into workbooks: (part number from 1, first row, row behind the last); one part for no rows."""
    for number, first in enumerate(range(0, max(rows, 1), limit), 1):
        yield number, first, min(first + limit, rows)


@dataclass(frozen=True)
class Cells:
    """How a column of a table is written.

    Attributes:
        name: Column of the frame.
        role: Style of its cells.
        style: What differs from the role, as XlsxWriter properties (`num_format`, `align`, …).
        empty: What stands where there is no value.
    """

    name: str
    role: str = "body"
    style: dict[str, Any] = field(default_factory=dict)
    empty: str = ""


_Bands = tuple[Sequence[bool], Sequence[Cells]]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal)


def _cell(value: Any, plain: int, quoted: int, empty: str) -> str:
    """A cell's XML from the number of its style on: nothing, a number, or a text that may look like a formula."""
    if _is_number(value):
        return f'{plain}"><v>{float(value):.16G}</v>'
    text = clean_text(empty if value is None else value)
    if not text:
        return f'{plain}">'  # blank: a spreadsheet counts an empty text as filled
    style = quoted if value is not None and starts_formula(text) else plain
    safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    safe = safe.replace("\r", "_x000D_")  # a parser would turn it into a line feed
    keep = ' xml:space="preserve"' if text != text.strip() else ""
    return f'{style}" t="inlineStr"><is><t{keep}>{safe}</t></is>'


class Book:
    """A workbook in house style.

    Args:
        path: File to write.
        created: The date that stands as creation date in the file (as-of date), so that equal content is equal bytes.
        title: Document title in the properties.
        fonts: Font names.
        tmpdir: Folder for the rows on their way to the file; it takes the uncompressed size of the sheets.
        small: Put the file's parts together in memory: for many workbooks of few rows, each of which would cost a
            dozen files otherwise.
        size: Of the fonts below the title, in points.

    Rows must be written from top to bottom: only the current row is held in memory.
    """

    def __init__(
        self,
        path: Path,
        *,
        created: dt.date,
        title: str,
        fonts: Fonts | None = None,
        tmpdir: Path | None = None,
        small: bool = False,
        size: float = 10,
    ) -> None:
        self.path = path
        self.size = size
        self.sheets: list[Sheet] = []
        self.fonts = fonts or Fonts()
        options: dict[str, Any] = {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_numbers": False,
            "strings_to_urls": False,
            "nan_inf_to_errors": False,
            # Column widths are counted in digits of this font: one that is missing on Kylin or UOS would stretch them.
            "default_format_properties": {"font_name": self.fonts.body, "font_size": 10, "font_scheme": "none"},
        }
        if tmpdir is not None:
            options["tmpdir"] = str(tmpdir)
        self.workbook = xlsxwriter.Workbook(str(path), options)
        self.workbook.in_memory = small  # not as an option: that would keep every cell as an object
        self.workbook.set_properties({"title": title, "created": dt.datetime.combine(created, dt.time())})
        self.workbook.set_size(1366 * 15, 768 * 15)
        self.made: dict[tuple[int, int, str], dict[Any, str]] = {}  # cells written before, see `Sheet.rows`
        self._roles = self._make_roles(self.fonts, size)
        self._formats: dict[tuple[Any, ...], Format] = {}

    def style(self, role: str = "body", **more: Any) -> Format:
        """A cell format; the same wishes give the same format.

        Args:
            role: title, subtitle, meta (lines above and below the table), stamp, heading, index (栏次), body, total,
                closing, note.
            more: XlsxWriter format properties that differ from the role's.
        """
        key = (role, *sorted(more.items()))
        if key not in self._formats:
            self._formats[key] = self.workbook.add_format({**self._roles[role], **more})
        return self._formats[key]

    @staticmethod
    def _make_roles(f: Fonts, size: float) -> dict[str, dict[str, Any]]:
        grid = {"border": 1, "valign": "vcenter"}
        heading = {
            **grid,
            "font_name": f.heading,
            "font_size": size,
            "bold": True,
            "align": "center",
            "text_wrap": True,
        }
        return {
            "title": {"font_name": f.title, "font_size": 18, "bold": True, "align": "center", "valign": "vcenter"},
            "subtitle": {"font_name": f.heading, "font_size": 12, "align": "center", "valign": "vcenter"},
            "meta": {"font_name": f.body, "font_size": size, "valign": "vcenter"},
            "stamp": {"font_name": f.title, "font_size": size, "valign": "vcenter", "text_wrap": True, "border": 1},
            "heading": heading,
            "index": {**grid, "font_name": f.body, "font_size": 8, "align": "center", "text_wrap": True},
            "body": {**grid, "font_name": f.body, "font_size": size},
            "total": {**grid, "font_name": f.title, "font_size": size, "bold": True, "bg_color": "#EDEDED"},
            "closing": {**grid, "font_name": f.body, "font_size": size, "align": "center"},
            "note": {"font_name": f.note, "font_size": size, "valign": "top", "text_wrap": True},
        }

    def sheet(self, name: str) -> "Sheet":
        """Add a sheet; the name is made acceptable."""
        made = Sheet(self, sheet_name(name, [s.name for s in self.sheets]))
        self.sheets.append(made)
        return made

    def close(self) -> Path:
        """Finish all sheets and write the file."""
        for sheet in self.sheets:
            sheet.finish()
        self.workbook.close()
        return self.path


class Sheet:
    """A sheet that is written from top to bottom; `row` is the next free row (0 is the first)."""

    def __init__(self, book: Book, name: str) -> None:
        self.book = book
        self.name = name
        self.ws: Worksheet = book.workbook.add_worksheet(name)
        self.row = 0
        self.widths: list[float] = []
        self._merges: list[tuple[int, int, int, int]] = []
        self._text_columns: list[int] = []
        self._height = 0.0

    def columns(self, widths: Sequence[float]) -> None:
        """Set the column widths (in characters); their number is the width of the title and of all lines."""
        self.widths = list(widths)
        for c, width in enumerate(self.widths):
            self.ws.set_column(c, c, width)

    def row_height(self, row: int, height: float) -> None:
        """Set the height of a row that is not written yet, in points."""
        self.ws.set_row(row, height)
        self._height += height

    def text(self, row: int, col: int, value: str, style: dict[str, Any] | None = None, role: str = "body") -> None:
        """Write a text as a text, whatever it begins with."""
        text = clean_text(value)
        wishes = dict(style or {})
        if starts_formula(text):
            wishes["quote_prefix"] = True
        self.ws.write_string(row, col, text, self.book.style(role, **wishes))

    def merged(self, first: int, last: int, cells: str, *, role: str, height: float | None = None, **more: Any) -> None:
        """Write a text into the current row over the columns first..last (the row stays current)."""
        self.text(self.row, first, cells, more, role)
        if role in _RULED:
            fmt = self.book.style(role, **more)
            for c in range(first + 1, last + 1):
                self.ws.write_blank(self.row, c, None, fmt)
        if last > first:
            self._merges.append((self.row, first, self.row, last))
        if height is not None:
            self.row_height(self.row, height)

    def line(self, text: str, *, role: str = "meta", height: float | None = None, **more: Any) -> None:
        """One merged line over the whole width; its height follows the text where none is given."""
        if height is None:
            height = 15.0 * lines_needed(text, sum(self.widths) * 0.95 * 10 / self.book.size) + 1
        self.merged(0, len(self.widths) - 1, text, role=role, height=height, **more)
        self.row += 1

    def spread(self, texts: Sequence[str], *, role: str = "meta", height: float = 17, align: str = "") -> None:
        """Texts side by side, each over its share of the width: first left, last right, others centred."""
        if len(texts) > len(self.widths):  # fewer columns than texts: no edges to part them at
            self.line("　　".join(texts), role=role)
            return
        edges = [sum(self.widths[:c]) for c in range(len(self.widths) + 1)]
        bounds = [0]
        for n in range(1, len(texts)):
            possible = range(bounds[-1] + 1, len(self.widths) - (len(texts) - n) + 1)
            target = edges[-1] * n / len(texts)
            bounds.append(min(possible, key=lambda c, at=target: abs(edges[c] - at)))  # type: ignore[misc]
        bounds.append(len(self.widths))
        self.row_height(self.row, height)
        for n, text in enumerate(texts):
            side = align or ("left" if n == 0 else "right" if n == len(texts) - 1 else "center")
            self.merged(bounds[n], bounds[n + 1] - 1, text, role=role, align=side)
        self.row += 1

    def title_block(
        self, title: str, *, subtitle: str = "", meta: Sequence[Sequence[str]] = (), stamps: Sequence[str] = ()
    ) -> None:
        """Title, what is in brackets below it, lines of particulars, and verdicts on the data, each over the width."""
        self.line(title, role="title", height=30)
        if subtitle:
            self.line(subtitle, role="subtitle", height=18)
        for texts in meta:
            self.spread(texts)
        for stamp in stamps:
            self.line(stamp, role="stamp")

    def heading(self, paths: Sequence[Sequence[str]], *, height: float | None = None) -> None:
        """Headings in one to three rows: neighbours that begin alike share a merged cell, short ones reach down.

        Args:
            paths: For each column the words from top to bottom.
            height: Of the last row; by default as high as its words need.
        """
        depth = max(len(p) for p in paths)
        padded = [[*p, *[None] * (depth - len(p))] for p in paths]
        fmt = self.book.style("heading")
        for level in range(depth):
            row = self.row + level
            # A heading that reaches down has the rows below it too.
            need = [
                -int(-lines_needed(p[level], self.widths[c] - 0.5) // (depth - level))
                for c, p in enumerate(paths)
                if len(p) == level + 1
            ]
            lines = max([*need, 1])
            self.row_height(row, height if height and level == depth - 1 else 14.0 * lines + 5)
            for c, words in enumerate(padded):
                word = words[level]
                leaf = len(paths[c]) == level + 1
                begins = leaf or c == 0 or padded[c - 1][: level + 1] != words[: level + 1]
                if word is not None and begins:
                    self.text(row, c, word, {}, "heading")
                    across = c
                    while (
                        len(paths[c]) > level + 1
                        and across + 1 < len(padded)
                        and padded[across + 1][: level + 1] == words[: level + 1]
                        and len(paths[across + 1]) > level + 1
                    ):
                        across += 1
                    down = self.row + depth - 1 if len(paths[c]) == level + 1 else row
                    if (down, across) != (row, c):
                        self._merges.append((row, c, down, across))
                else:
                    self.ws.write_blank(row, c, None, fmt)
        self.row += depth

    def rows(
        self,
        frame: pl.DataFrame,
        columns: Sequence[Cells],
        *,
        height: float | Sequence[float] = 17.25,
        bands: _Bands | None = None,
    ) -> None:
        """Write the rows of a frame: texts as texts, numbers as numbers, fast enough for a million of them.

        Args:
            frame: One row per row; texts, integers, floats or decimals. Turn dates and yes/no into words before.
            columns: What stands in each column of the sheet.
            height: Of all rows, or one for each, in points.
            bands: Which rows are of another kind (a line over a group), and how these are written.

        Raises:
            TypeError: A column is of another type.
        """
        schema = frame.schema
        for c in columns:
            dtype = schema[c.name]
            if dtype != pl.String and not dtype.is_numeric():
                raise TypeError(f"{c.name}: {dtype} is neither a text nor a number")
        quick = all(hasattr(self.ws, name) for name in ("_write_single_row", "row_data_fh", "fh"))
        if any(dtype.is_float() for dtype in schema.values()):
            frame = frame.with_columns(pl.col(pl.Float32, pl.Float64).fill_nan(None))
        heights = [height] * frame.height if isinstance(height, int | float) else list(height)
        for first, piece in enumerate(frame.iter_slices(_SLICE)):
            here = slice(first * _SLICE, first * _SLICE + piece.height)
            kinds = None if bands is None else (bands[0][here], bands[1])
            (self._rows_at_once if quick else self._rows_one_by_one)(piece, columns, heights[here], kinds)
            self.row += piece.height

    def _styles(self, cells: Cells) -> tuple[Format, Format]:
        """Formats for a cell and for a text that looks like a formula."""
        book = self.book
        return book.style(cells.role, **cells.style), book.style(cells.role, **{**cells.style, "quote_prefix": True})

    def _rows_one_by_one(
        self, frame: pl.DataFrame, columns: Sequence[Cells], heights: Sequence[float], bands: _Bands | None = None
    ) -> None:
        """The plain way, for a release of XlsxWriter that keeps its rows elsewhere, and for the tests to compare."""
        kinds = [(cells, [self._styles(c) for c in cells]) for cells in (columns, bands[1] if bands else ())]
        flags = bands[0] if bands else [False] * frame.height
        for n, values in enumerate(frame.select(c.name for c in columns).iter_rows()):
            row = self.row + n
            cells, formats = kinds[flags[n]]
            self.row_height(row, heights[n])
            for c, value in enumerate(values):
                text = clean_text(cells[c].empty if value is None else value) if not _is_number(value) else None
                if text is None:
                    self.ws.write_number(row, c, value, formats[c][0])
                elif text:
                    self.ws.write_string(row, c, text, formats[c][value is not None and starts_formula(text)])
                else:
                    self.ws.write_blank(row, c, None, formats[c][0])

    def _rows_at_once(
        self, frame: pl.DataFrame, columns: Sequence[Cells], heights: Sequence[float], bands: _Bands | None = None
    ) -> None:
        """Fill one pattern per row and hand the XML to XlsxWriter's own file of finished rows (`constant_memory`).

        Cell by cell through XlsxWriter takes six microseconds a cell, which is twenty seconds for the ledgers of a
        city; this way takes a twentieth.
        """
        pixels = {one: int(4.0 / 3.0 * one + 0.5) for one in set(heights)}  # XlsxWriter's own rounding of heights
        tall = {one: f"{value * 0.75:.16G}" for one, value in pixels.items()}
        pattern = ['<row r="\0" ht="%s" customHeight="1">']
        filled: list[list[Any]] = [[tall[one] for one in heights]]
        schema = frame.schema
        for c, cells in enumerate(columns):
            dtype, values = schema[cells.name], frame[cells.name].to_list()
            here = f'<c r="{xl_col_to_name(c)}\0" s="'
            if bands is not None:
                known, other = self._made(cells, values), self._made(bands[1][c], values)
                pattern.append(f"{here}%s</c>")
                filled.append([(other if band else known)[v] for v, band in zip(values, bands[0], strict=True)])
            elif dtype == pl.String or None in values:
                known = self._made(cells, values)
                pattern.append(f"{here}%s</c>")
                filled.append([known[v] for v in values])
            else:
                plain = self._styles(cells)[0]._get_xf_index()
                pattern.append(f'{here}{plain}"><v>%{"d" if dtype.is_integer() else ".16G"}</v></c>')
                filled.append(values)
        row_of = ("".join(pattern) + "</row>").replace
        self.ws._check_dimensions(self.row + frame.height - 1, len(columns) - 1)
        self.ws._write_single_row(self.row + frame.height)
        self._height += sum(heights)
        # A text may hold the sign that stands for the row's number only if XML could hold it, and it cannot.
        self.ws.fh.writelines(
            row_of("\0", str(number)) % values for number, values in enumerate(zip(*filled, strict=True), self.row + 1)
        )

    def _made(self, cells: Cells, values: Sequence[Any]) -> dict[Any, str]:
        """The XML of a column's values. Codes and names come again, also from sheet to sheet: each is made once."""
        plain, quoted = (f._get_xf_index() for f in self._styles(cells))
        known = self.book.made.setdefault((plain, quoted, cells.empty), {})
        known.update((v, _cell(v, plain, quoted, cells.empty)) for v in set(values).difference(known))
        return known

    def merge(self, row: int, first: int, last: int) -> None:
        """Join cells of a row that is written; all but the first must be blank."""
        self._merges.append((row, first, row, last))

    def closing_line(self, rows: int) -> None:
        """以下无数据，共N行: whoever prints or copies the list sees that it is whole."""
        self.line(f"以下无数据，共{rows:,}行", role="closing", height=17)

    def signature(self, roles: Sequence[str] = ("单位负责人", "审核人", "制表人")) -> None:
        """The line that is signed by hand."""
        texts = [*(f"{role}：" for role in roles), "填报日期：　　　　年　　月　　日"]
        if len(self.widths) > 8:
            self.spread(texts, height=30, align="left")
        else:  # few wide columns: no cell edges where they are needed
            self.line("　　　　　".join(texts), height=30)

    def notes(self, lines: Sequence[str]) -> None:
        """说明, one numbered line each."""
        for n, line in enumerate(lines, 1):
            self.line(f"{'说明：' if n == 1 else '　　　'}{n}.{line}", role="note")

    def text_columns(self, columns: Sequence[int]) -> None:
        """Columns of codes kept as text: no green corners about it."""
        self._text_columns = list(columns)

    def print_setup(
        self,
        *,
        landscape: bool = True,
        repeat: tuple[int, int] | None = None,
        footer_left: str = "",
        footer_right: str = "",
        one_page: bool | None = None,
    ) -> None:
        """A4, one page wide, centred, headings repeated, page numbers 第 X 页 共 Y 页.

        Args:
            landscape: Otherwise portrait.
            repeat: First and last row (from 0) that stand on every page.
            footer_left: Text at the left of the page number.
            footer_right: Text at its right.
            one_page: All on one page; None: where that makes it little smaller (so that a few lines and the signature
                do not stand alone on a second page). Everything must be written by then.
        """
        ws = self.ws
        ws.set_paper(9)
        if landscape:
            ws.set_landscape()
        else:
            ws.set_portrait()
        if one_page is None:
            page = _PAGE if landscape else _PAGE[::-1]
            by_width = min(1.0, page[0] / (sum(self.widths) * _POINTS_PER_DIGIT))
            one_page = page[1] / max(self._height, 1) >= 0.78 * by_width
        ws.fit_to_pages(1, 1 if one_page else 0)
        ws.set_margins(left=0.45, right=0.45, top=0.6, bottom=0.7)
        ws.center_horizontally()
        if repeat is not None:
            ws.repeat_rows(*repeat)
        font = f'&"{self.book.fonts.body},Regular"&9'
        # The blank keeps a text that begins with a digit apart from the font size before it.
        left, right = (" " + t.replace("&", "&&") for t in (footer_left, footer_right))
        ws.set_footer(f"&L{font}{left}&C{font}第 &P 页 共 &N 页&R{font}{right}", {"margin": 0.35})

    def finish(self) -> None:
        """Merge what is to be merged and set the print area. Called by `Book.close`."""
        # `merge_range` writes blanks into rows that have left the memory, so the list of merges is filled directly; the
        # cells have got their formats already.
        for first_row, first, last_row, last in self._merges:
            self.ws.merge.append([first_row, first, last_row, last])
        self._merges = []
        if self.row and self.widths:
            self.ws.print_area(0, 0, self.row - 1, len(self.widths) - 1)
            if self._text_columns:
                areas = " ".join(xl_range(0, c, self.row - 1, c) for c in self._text_columns)
                self.ws.ignore_errors({"number_stored_as_text": areas})
