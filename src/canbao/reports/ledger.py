"""The four-level ledger (四级参保台账) as workbooks: one for the city, one for each district.

A workbook has a list of contents with the definitions, a one-page overview of its own division on both bases, and for
every lower level and basis one sheet per printed table of `ledger_layout.toml`. Figures come from the table `ledger`
alone; rates and differences are computed here as numbers. Whether the sums hold is checked and said in words on each
sheet, also where they do not.
"""

import datetime as dt
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from canbao.reports import office
from canbao.reports.layout import Basis, Column, Formula, Table, load_layout

if TYPE_CHECKING:
    from canbao.reports.writers import BookWriters

_LETTERS = "甲乙丙丁戊"
_NAME_WIDTHS = {2: 13.0, 3: 16.0, 4: 24.0}
_CODE_WIDTH = 14.0
_COUNT = "#,##0"
_RATE = "0.00"
_DASH = "—"


@dataclass(frozen=True)
class ReportHeader:
    """What stands on top of every workbook and does not come from the table.

    Attributes:
        unit: 填报单位 of the city workbook; `{area}` is the division's name.
        district_unit: The same for district workbooks.
        insurance: What the ledger is about, for the title.
        form_prefix: Beginning of the 表号.
        source: Where the figures come from, for the 说明.
        version: The publication's id, for the footer and the 说明 (blank: left out).
        signatures: Who signs.
        fonts: Font names; the title's is a setting.
    """

    unit: str = "{area}医疗保障局"
    district_unit: str = "{area}医疗保障局"
    insurance: str = "基本医疗保险"
    form_prefix: str = "参保台账"
    source: str = "医保、公安、民政、卫生健康、教育等部门数据比对"
    version: str = ""
    signatures: tuple[str, ...] = ("单位负责人", "审核人", "制表人")
    fonts: office.Fonts = field(default_factory=office.Fonts)


def write_ledger_workbooks(
    ledger: Path | pl.DataFrame,
    out: Path,
    *,
    header: ReportHeader,
    stamps: Sequence[str] = (),
    on_progress: Callable[[str], None] | None = None,
    writers: "BookWriters | None" = None,
) -> list[Path]:
    """Write the ledger as one workbook for the city and one per district.

    Args:
        ledger: The long table (frame or Parquet): insu_year, as_of, basis, level, division_code, division_name,
            measure, value; one row per basis, division and measure, of one insured year and one as-of date. Counts are
            persons. A code that ends in `-` is the parent's 未落地.
        out: Folder of the reports; the workbooks go to `<out>/ledger/`.
        header: What stands on top.
        stamps: Lines about the quality of the data, printed on every sheet.
        on_progress: Told the name of each finished workbook.
        writers: Processes that have the ledger and write it; else this one does.

    Returns:
        The files, the city's first, then the districts in the order of their codes.

    Raises:
        ValueError: The table has no city, more than one year or date, or two values for one measure of a division.
        CanbaoError: A process of `writers` was ended from outside.

    Contract 3.6, 3.7; U45 to U48.
    """
    folder = out / "ledger"
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with tempfile.TemporaryDirectory(dir=folder, prefix=".tmp-") as tmp:
        if writers is None:
            frame = pl.read_parquet(ledger) if isinstance(ledger, Path) else ledger
            paths = _written_here(Ledger.of(frame), folder, Path(tmp), header, stamps)
        else:
            paths = writers.write(folder, Path(tmp), header, stamps)
        for path in paths:
            written.append(path)
            if on_progress:
                on_progress(path.name)
    return written


def _written_here(
    data: "Ledger", folder: Path, tmp: Path, header: ReportHeader, stamps: Sequence[str]
) -> Iterator[Path]:
    # Making rows and packing them leave the interpreter's lock, so threads do.
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        books = [Workbook(data, code, header, stamps, tmp) for code in data.books()]
        yield from pool.map(lambda book: book.write(folder), books)


# ---------------------------------------------------------------------------------------------- the figures


@dataclass(frozen=True)
class _Block:
    """The rows of one sheet: 合计 and the rows below it, with what is to be said about their sums."""

    rows: pl.DataFrame  # total first
    unallocated: int  # rows that are 未落地
    short: dict[str, int]  # measure: total less the rows below it, where that is not 0

    @property
    def count(self) -> int:
        return self.rows.height - 1


@dataclass(frozen=True)
class Ledger:
    """The table, wide: one row per basis and division, one column per measure, with its place in the tree."""

    year: int
    as_of: dt.date
    city: str
    wide: dict[str, pl.DataFrame]  # by basis
    measures: dict[str, list[str]]  # by basis
    gaps: dict[str, pl.DataFrame]  # by basis: parent, measure, level, gap <> 0 (parent less children and 未落地)
    names: dict[str, str]

    @classmethod
    def of(cls, frame: pl.DataFrame) -> "Ledger":
        """Of the long table, as `write_ledger_workbooks` has it.

        Raises:
            ValueError: It is not of one city, year and date, or has two values for one measure of a division.
        """
        heads = frame.select("insu_year", "as_of").unique()
        cities = frame.filter(pl.col("level") == 1)["division_code"].unique().to_list()
        if heads.height != 1 or len(cities) != 1:
            raise ValueError(
                f"a ledger is of one year, date and city; this table has {heads.height} of year and date, "
                f"{len(cities)} of level 1"
            )
        city = cities[0]
        keys = ["basis", "level", "division_code", "division_name"]
        whole = frame.select(
            pl.col("basis").cast(pl.String),
            pl.col("level").cast(pl.Int8),
            pl.col("division_code").cast(pl.String),
            pl.col("division_name").cast(pl.String),
            pl.col("measure").cast(pl.String),
            pl.col("value").cast(pl.Int64),
        )
        if whole.select("basis", "level", "division_code", "measure").is_duplicated().any():
            raise ValueError("the ledger has two values for one measure of a division")
        wide: dict[str, pl.DataFrame] = {}
        measures: dict[str, list[str]] = {}
        gaps: dict[str, pl.DataFrame] = {}
        for (basis,), part in whole.partition_by("basis", as_dict=True).items():
            here = sorted(part["measure"].unique())
            table = part.pivot(on="measure", index=keys, values="value")
            # The order of columns and rows is ours, whatever the order of the table's rows.
            table = table.select(*keys, *here).sort("level", "division_code").with_columns(_place(city))
            name_of = table.filter(~pl.col("unallocated")).select("division_code", "division_name")
            for step in ("district", "township"):
                above = name_of.rename({"division_code": step, "division_name": f"{step}_name"})
                table = table.join(above, on=step, how="left", maintain_order="left")
            wide[str(basis)] = table.sort("level", "sort_key")
            measures[str(basis)] = here
            gaps[str(basis)] = _gaps(table, here)
        names = {
            str(code): str(name or code)
            for table in wide.values()
            for code, name in table.filter(~pl.col("unallocated")).select("division_code", "division_name").iter_rows()
        }
        year, as_of = heads.row(0)
        return cls(int(year), as_of, city, wide, measures, gaps, names)

    def districts(self) -> list[str]:
        """Codes of the districts, in order."""
        rows = [w.filter((pl.col("level") == 2) & ~pl.col("unallocated")) for w in self.wide.values()]
        return sorted({code for part in rows for code in part["division_code"]})

    def books(self) -> list[str]:
        """Codes of the divisions that have a workbook: the city, then its districts."""
        return [self.city, *self.districts()]

    def own(self, basis: str, code: str) -> pl.DataFrame:
        """The one row of a division."""
        return self.wide[basis].filter(pl.col("division_code") == code)

    def counted(self, basis: str, level: int, code: str) -> int:
        """How many divisions of a level a division has."""
        inside = pl.lit(value=True) if code == self.city else pl.col("district") == code
        return int(self.wide[basis].select(((pl.col("level") == level) & ~pl.col("unallocated") & inside).sum()).item())

    def block(self, basis: str, code: str, level: int) -> _Block:
        """合计 of a division and all rows of a lower level below it.

        What is 未落地 at a level between stands in no row of the deeper level; those rows come along, so that the
        sheet adds up.
        """
        table, top = self.wide[basis], self.own(basis, code)
        inside = pl.lit(value=True) if code == self.city else pl.col("district") == code
        below = table.filter(
            inside
            & (pl.col("level") > top["level"][0])
            & ((pl.col("level") == level) | (pl.col("unallocated") & (pl.col("level") < level)))
        ).sort("sort_key")
        measures = self.measures[basis]
        own, sums = (f.select(pl.col(measures).fill_null(0).sum()).row(0) for f in (top, below))
        short = {m: t - b for m, t, b in zip(measures, own, sums, strict=True) if t != b}
        return _Block(pl.concat([top, below]), int(below["unallocated"].sum()), short)


def _place(city: str) -> list[pl.Expr]:
    """Where a row stands: 未落地 or not, its parent, its district, its township, and its order (未落地 last)."""
    code, level = pl.col("division_code"), pl.col("level")
    lost = code.str.ends_with("-")
    plain = code.str.strip_suffix("-")
    padded = {n: plain.str.slice(0, n) + pl.lit("0" * (12 - n)) for n in (6, 9)}
    parent = (
        pl.when(lost)
        .then(plain)
        .when(level == 2)
        .then(pl.lit(city))
        .when(level == 3)
        .then(padded[6])
        .when(level == 4)
        .then(padded[9])
    )
    # '~' comes after every digit: the parent's 未落地 stands behind the parent's divisions.
    significant = pl.when(level == 2).then(0).when(level == 3).then(6).otherwise(9)
    order = pl.when(lost).then(plain.str.slice(0, significant) + pl.lit("~")).otherwise(code)
    deep = level - lost.cast(pl.Int8)
    return [
        lost.alias("unallocated"),
        parent.alias("parent"),
        pl.when(deep >= 2).then(padded[6]).alias("district"),
        pl.when(deep >= 3).then(padded[9]).alias("township"),
        order.alias("sort_key"),
    ]


def _gaps(table: pl.DataFrame, measures: list[str]) -> pl.DataFrame:
    """Where a division is not the sum of its children and its 未落地: parent, level of the children, measure, gap."""
    sums = table.filter(pl.col("parent").is_not_null()).group_by("parent", "level").agg(pl.col(measures).sum())
    own = table.filter(~pl.col("unallocated")).select(pl.col("division_code").alias("parent"), *measures)
    both = sums.join(own, on="parent", how="left", suffix="_own")
    less = [(pl.col(f"{m}_own").fill_null(0) - pl.col(m)).alias(m) for m in measures]
    return (
        both.select("parent", "level", *less)
        .unpivot(measures, index=["parent", "level"], variable_name="measure", value_name="gap")
        .filter(pl.col("gap") != 0)
        .sort("level", "parent", "measure")
    )


# ---------------------------------------------------------------------------------------------- one workbook


@dataclass(frozen=True)
class _Facts:
    """What the tables of one level and basis share."""

    block: _Block
    figures: pl.DataFrame  # one column per layout column, a row per row of the block
    holds: list[Formula]
    balance: list[tuple[Column, str]]


class Workbook:
    """The workbook of one division.

    Args:
        data: The ledger.
        code: The division, one of `Ledger.books`.
        header: What stands on top.
        stamps: Lines that are printed on every sheet.
        tmp: Folder for rows that wait to be packed.
    """

    def __init__(self, data: Ledger, code: str, header: ReportHeader, stamps: Sequence[str], tmp: Path) -> None:
        self.data, self.code, self.header, self.stamps, self.tmp = data, code, header, list(stamps), tmp
        self.area = data.names[code]
        every = {m for ms in data.measures.values() for m in ms}
        self.layout = load_layout(every)
        self.bases = [b for b in self.layout.bases if b.code in data.wide]
        self.is_city = code == data.city
        own_level = 1 if self.is_city else 2
        self.levels = [n for n in range(own_level + 1, 5) if self._any_rows(n)]
        self.own_level = own_level
        unit = header.unit if self.is_city else header.district_unit
        self.unit = unit.format(area=self.area)

    def _any_rows(self, level: int) -> bool:
        return any((w["level"] == level).any() for w in self.data.wide.values())

    def title(self, bracket: str = "") -> str:
        """What it is called, with a word in brackets where there is one."""
        words = self.layout.title.format(area=self.area, year=self.data.year, insurance=self.header.insurance)
        return f"{words}（{bracket}）" if bracket else words

    def write(self, folder: Path) -> Path:
        """Write it into a folder and return its place."""
        short = self.code[:6] if self.code.endswith("000000") else self.code
        name = office.file_name(self.layout.file_name.format(code=short, area=self.area))
        book = office.Book(
            folder / name,
            created=self.data.as_of,
            title=self.title(),
            fonts=self.header.fonts,
            tmpdir=self.tmp,
            small=not self.is_city,
        )
        facts = {(level, basis.code): self._facts(level, basis) for level in self.levels for basis in self.bases}
        plan = [
            (table, level, basis, facts[level, basis.code])
            for table in self.layout.tables
            for level in self.levels
            for basis in self.bases
            if self._columns(table, basis)
        ]
        overview = self.layout.overview_sheet.format(level=self.layout.levels[self.own_level].tab)
        listed = [(overview, self.title(self.layout.levels[self.own_level].title), len(self.layout.columns))]
        for table, level, basis, known in plan:
            listed.append((self._tab(table, level, basis), self._sheet_title(table, level, basis), known.block.count))
        deepest = facts.get((max(self.levels, default=0), self.bases[0].code))
        self._contents(book, listed, deepest.holds if deepest else [])
        self._overview(book, overview)
        for table, level, basis, known in plan:
            self._table(book, table, level, basis, known)
        return book.close()

    def _columns(self, table: Table, basis: Basis) -> list[Column]:
        """The columns of a table that the basis has measures for."""
        have = set(self.data.measures[basis.code])
        return [c for c in self.layout.of_table(table.id) if have.issuperset(c.operands)]

    def _facts(self, level: int, basis: Basis) -> "_Facts":
        """What the three tables of a level and basis share."""
        block = self.data.block(basis.code, self.code, level)
        columns = self.layout.columns
        return _Facts(
            block,
            self._figures(block.rows, columns),
            self._holding(block.rows, basis.code, columns),
            self._balance(block.rows, basis.code, columns),
        )

    def _tab(self, table: Table, level: int, basis: Basis) -> str:
        return f"{table.tab}_{self.layout.levels[level].tab}_{basis.tab}"

    def _sheet_title(self, table: Table, level: int, basis: Basis) -> str:
        return f"{table.tab}　{table.name}（{self.layout.levels[level].title}·{basis.name}）"

    def _date(self) -> str:
        return f"数据截至：{office.chinese_date(self.data.as_of)}"

    def _footer(self) -> str:
        version = f"　版本 {self.header.version}" if self.header.version else ""
        return f"数据截至 {office.chinese_date(self.data.as_of)}{version}"

    # ------------------------------------------------------------------ contents and definitions

    def _contents(self, book: office.Book, listed: list[tuple[str, str, int]], holds: list[Formula]) -> None:
        sheet = book.sheet(self.layout.contents_sheet)
        sheet.columns([5, 21, 18, 56])
        sheet.title_block(
            self.title(),
            subtitle="目录与说明",
            meta=[(f"填报单位（盖章）：{self.unit}", self._date())],
            stamps=self.stamps,
        )
        sheet.line("一、目录", role="meta", bold=True, height=22)
        self._listing(
            sheet,
            ("序号", "工作表", "行数", "表名"),
            [(n, tab, count, title) for n, (tab, title, count) in enumerate(listed, 1)],
            link=True,
        )
        sheet.line("二、指标解释", role="meta", bold=True, height=22)
        basis = self.bases[0]
        lines = [
            (c.number, c.name, self.layout.in_words(c, basis.code, holds).partition("=")[2], c.note)
            for c in self.layout.columns
        ]
        self._listing(sheet, ("栏次", "指标名称", "计算关系", "解释"), lines)
        sheet.line("三、说明", role="meta", bold=True, height=22)
        for n, line in enumerate(self._notes([b.note for b in self.bases], long=True), 1):
            sheet.line(f"{n}.{line}", role="note")
        sheet.print_setup(landscape=False, footer_left=self.title(), footer_right=self._footer())

    def _listing(
        self, sheet: office.Sheet, heading: Sequence[str], lines: Iterable[Sequence[str | int]], *, link: bool = False
    ) -> None:
        sheet.heading([(h,) for h in heading], height=20)
        wrap = {"text_wrap": True}
        for line in lines:
            need = max(office.lines_needed(str(v), sheet.widths[c] - 1) for c, v in enumerate(line))
            sheet.row_height(sheet.row, 14.0 * need + 4)
            for c, value in enumerate(line):
                if isinstance(value, int):
                    sheet.ws.write_number(
                        sheet.row, c, value, sheet.book.style("body", align="center", num_format=_COUNT)
                    )
                elif link and c == 1:
                    target = value.replace("'", "''")
                    fmt = sheet.book.style("body", underline=1, font_color="#1F3864")
                    sheet.ws.write_url(sheet.row, c, f"internal:'{target}'!A1", fmt, value)
                else:
                    sheet.text(sheet.row, c, value, wrap)
            sheet.row += 1

    # ------------------------------------------------------------------ one page with everything of the own division

    def _overview(self, book: office.Book, name: str) -> None:
        sheet = book.sheet(name)
        sheet.columns([8, 30, 30, *[18] * len(self.bases)])
        level = self.layout.levels[self.own_level]
        own = {b.code: self.data.own(b.code, self.code) for b in self.bases}
        sheet.title_block(
            self.title(level.title),
            subtitle="（一览表）",
            meta=[
                (f"填报单位（盖章）：{self.unit}", f"表　　号：{self.header.form_prefix}总表"),
                (
                    f"口　　径：{'、'.join(b.name for b in self.bases)}",
                    self._date(),
                    f"共{len(self.layout.columns)}行　计量单位：人、%",
                ),
            ],
            stamps=self.stamps,
        )
        first = sheet.row
        sheet.heading([("栏次",), ("指标名称",), ("计算关系",), *[(b.name,) for b in self.bases]], height=22)
        sheet.ws.freeze_panes(sheet.row, 2)
        holds = {b.code: self._holding(own[b.code], b.code, self.layout.columns) for b in self.bases}
        values = {b.code: self._figures(own[b.code], self.layout.columns).row(0) for b in self.bases}
        for n, column in enumerate(self.layout.columns):
            sheet.row_height(sheet.row, 16)
            words = [self.layout.in_words(column, b.code, holds[b.code]) for b in self.bases]
            # What holds on one basis alone is named with it.
            relation = max(words, key=len).partition("=")[2]
            if len(set(words)) > 1:
                own_words = [(b.name, w.partition("=")[2]) for b, w in zip(self.bases, words, strict=True) if "=" in w]
                relation = "；".join(f"{w}（{b}）" for b, w in own_words)
            sheet.ws.write_number(sheet.row, 0, column.number, book.style("index", font_size=10))
            sheet.text(sheet.row, 1, "　" * column.indent + column.name)
            sheet.text(sheet.row, 2, relation, {"shrink": True})
            for c, basis in enumerate(self.bases, 3):
                self._write_value(sheet, c, column, values[basis.code][n], "body")
            sheet.row += 1
        sheet.closing_line(len(self.layout.columns))
        for basis in self.bases:
            for _, line in self._balance(own[basis.code], basis.code, self.layout.columns):
                sheet.line(f"{basis.name}：{line}", role="meta")
        sheet.signature(self.header.signatures)
        sheet.notes(self._notes([]))
        sheet.print_setup(
            landscape=False,
            repeat=(first, first),
            footer_left=f"{self.area}　{name}",
            footer_right=self._footer(),
            one_page=True,
        )

    # ------------------------------------------------------------------ one table of one level on one basis

    def _table(self, book: office.Book, table: Table, level: int, basis: Basis, known: "_Facts") -> None:
        layout, tab, block = self.layout, self._tab(table, level, basis), known.block
        columns = self._columns(table, basis)
        figures = known.figures.select(c.key for c in columns)
        ladder = list(range(self.own_level + 1, level + 1))
        ids = 1 + len(ladder)
        index = [_index_words(layout.in_words(c, basis.code, known.holds)) for c in columns]
        sheet = book.sheet(tab)
        sheet.columns(
            [
                _CODE_WIDTH,
                *[_NAME_WIDTHS[n] for n in ladder],
                *[self._width(c, table, figures[c.key], index[n]) for n, c in enumerate(columns)],
            ]
        )
        lvl = layout.levels[level]
        lost = f"，其中{layout.unallocated}{block.unallocated:,}行" if block.unallocated else ""
        sheet.title_block(
            self.title(f"{lvl.title}·{basis.name}"),
            subtitle=f"（{table.tab}　{table.name}）",
            meta=[
                (f"填报单位（盖章）：{self.unit}", f"表　　号：{self.header.form_prefix}{table.number}表"),
                (
                    f"口　　径：{basis.name}",
                    self._date(),
                    f"共{block.count:,}行（不含合计{lost}）",
                    "计量单位：人、%",
                ),
            ],
            stamps=self.stamps,
        )
        first = sheet.row
        names = [(layout.levels[n].heading,) for n in ladder]
        sheet.heading([("区划代码",), *names, *[c.headings.get(table.id, c.heading) for c in columns]])
        sheet.row_height(sheet.row, 11.0 * max(1 + words.count("\n") for words in index) + 4)
        for c, words in enumerate([*_LETTERS[:ids], *index]):
            if words.isdigit():
                sheet.ws.write_number(sheet.row, c, int(words), book.style("index"))
            else:
                sheet.text(sheet.row, c, words, {}, "index")
        repeat = (first, sheet.row)
        sheet.row += 1
        self._rows(sheet, block, figures, columns, ladder)
        sheet.ws.freeze_panes(repeat[1] + 2, ids)
        sheet.closing_line(block.count)
        balance = [line for column, line in known.balance if column in columns]
        for line in [*balance, *self._sums(block, basis, level, columns)]:
            sheet.line(line, role="meta")
        sheet.signature(self.header.signatures)
        sheet.notes(self._notes([basis.note]))
        sheet.text_columns([0])
        sheet.print_setup(
            repeat=repeat,
            footer_left=f"{self.area}　{self._sheet_title(table, level, basis)}",
            footer_right=self._footer(),
        )

    def _rows(
        self,
        sheet: office.Sheet,
        block: _Block,
        figures: pl.DataFrame,
        columns: Sequence[Column],
        ladder: Sequence[int],
    ) -> None:
        """合计 and the rows below it."""
        own = pl.when("unallocated").then(pl.lit(self.layout.unallocated)).otherwise(pl.col("division_name"))
        ancestors = {2: "district_name", 3: "township_name"}
        steps = []
        for step in ladder:
            word = pl.when(pl.col("level") == step).then(own).when(pl.col("level") < step).then(pl.lit(_DASH))
            above = pl.col(ancestors[step]) if step in ancestors else pl.lit("")
            steps.append(word.otherwise(above).alias(f"name_{step}"))
        places = block.rows.select(pl.col("division_code").alias("code"), *steps)
        total = [pl.lit(self.layout.total if n == 0 else "").alias(f"name_{step}") for n, step in enumerate(ladder)]
        places = pl.concat([places.head(1).with_columns(total), places.slice(1)])
        frame = pl.concat([places, figures], how="horizontal")
        for role, piece in (("total", frame.head(1)), ("body", frame.slice(1))):
            cells = [office.Cells("code", role, {"align": "center"})]
            cells += [office.Cells(f"name_{step}", role, {"shrink": True}) for step in ladder]
            cells += [
                office.Cells(c.key, role, {"num_format": _RATE, "align": "right"}, _DASH)
                if c.kind == "rate"
                else office.Cells(c.key, role, {"num_format": _COUNT})
                for c in columns
            ]
            sheet.rows(piece, cells)

    def _write_value(self, sheet: office.Sheet, col: int, column: Column, value: float | None, role: str) -> None:
        if value is None:
            sheet.text(sheet.row, col, _DASH, {"align": "right"}, role)
        else:
            fmt = sheet.book.style(role, num_format=_RATE if column.kind == "rate" else _COUNT)
            sheet.ws.write_number(sheet.row, col, value, fmt)

    def _figures(self, rows: pl.DataFrame, columns: Sequence[Column]) -> pl.DataFrame:
        """The values as printed: one column per layout column; a rate is null where its denominator is 0."""

        def value(c: Column) -> pl.Expr:
            if not set(rows.columns).issuperset(c.operands):
                return pl.lit(None).alias(c.key)
            a, b = pl.col(c.operands[0]), pl.col(c.operands[-1])
            if c.kind == "rate":
                return pl.when(b != 0).then((100 * a / b).round(2, mode="half_away_from_zero")).alias(c.key)
            return ((a - b) if c.kind == "difference" else a).alias(c.key)

        return rows.select(value(c) for c in columns)

    def _width(self, column: Column, table: Table, values: pl.Series, index: str) -> float:
        if column.kind == "rate":
            longest = len("100.00")
        else:
            top = max(abs(int(v or 0)) for v in (values.max(), values.min()))  # type: ignore[arg-type]
            longest = len(f"{top:,}") + (column.kind == "difference")
        leaf = column.headings.get(table.id, column.heading)[-1]
        # Up to five Chinese characters stand on one line; longer headings break.
        heading = min(office.text_width(leaf) + 0.8, 10.8 if len(leaf) <= 5 else 9.0)
        return max(longest + 1.4, heading, office.text_width(index) * 0.8 + 1.2, 6.6)

    # ------------------------------------------------------------------ what is said in words

    def _holding(self, rows: pl.DataFrame, basis: str, columns: Sequence[Column]) -> list[Formula]:
        """Which of the formulas every one of the rows fulfils."""
        have = set(self.data.measures[basis])
        asked = [
            (formula, column)
            for column in columns
            for formula in self.layout.formulas(column, basis)
            if have.issuperset([*column.operands, *(m for _, m in formula.terms)])
        ]
        equal = rows.select((_gap(c, f) == 0).all().alias(str(n)) for n, (f, c) in enumerate(asked))
        return [f for n, (f, _) in enumerate(asked) if equal.item(0, n)]

    @staticmethod
    def _off(rows: pl.DataFrame, column: Column, formula: Formula) -> pl.DataFrame:
        """The rows that do not fulfil a formula: division_code, gap."""
        return rows.select("division_code", _gap(column, formula).alias("gap")).filter(pl.col("gap") != 0)

    def _place_name(self, code: str) -> str:
        if code.endswith("-"):
            return self.data.names.get(code[:-1], code) + self.layout.unallocated
        return self.data.names.get(code, code)

    def _balance(self, rows: pl.DataFrame, basis: str, columns: Sequence[Column]) -> list[tuple[Column, str]]:
        """A line for every promised formula among the columns: √ it holds, or ✗ where and by how much it does not."""
        have = set(self.data.measures[basis])
        promised = [
            (column, formula)
            for column in columns
            for formula in self.layout.formulas(column, basis)
            if formula.promised and have.issuperset([column.key, *(m for _, m in formula.terms)])
        ]
        # All in one look: nearly always all hold, and a look for each took as long as writing the rows.
        differ = rows.select((_gap(c, f) != 0).any().alias(str(n)) for n, (c, f) in enumerate(promised))
        lines = []
        for n, (column, formula) in enumerate(promised):
            right = "＋".join(self.layout.column(m).name for _, m in formula.terms)
            if not differ.item(0, n):
                lines.append((column, f"√ {column.name}＝{right}"))
            else:
                off = self._off(rows, column, formula)
                code, gap = off.row(0)
                many = f"等{off.height:,}行" if off.height > 1 else ""
                lines.append(
                    (column, f"✗ 不平：{column.name}与（{right}）相差{gap:,}人（{self._place_name(code)}{many}）")
                )
        return lines

    def _sums(self, block: _Block, basis: Basis, level: int, columns: Sequence[Column]) -> list[str]:
        """合计 against the rows, and each division between against what is below it."""
        lines = []
        counted = [c for c in columns if c.kind == "measure" and c.additive]
        keys = [c.key for c in counted]
        word = self.layout.unallocated
        wrong = [(c, block.short[c.key]) for c in counted if c.key in block.short]
        if wrong:
            said = "；".join(f"{c.name}相差{gap:,}人" for c, gap in wrong[:3]) + ("等" if len(wrong) > 3 else "")
            lines.append(f"✗ 不平：合计与各行之和（含{word}）不等，{said}")
        else:
            lines.append(f"√ 合计＝各行之和（含{word}）")
        if level > self.own_level + 1:
            parent_level = self.layout.levels[level - 1].heading
            mine = pl.lit(value=True) if self.is_city else pl.col("parent").str.slice(0, 6) == self.code[:6]
            off = self.data.gaps[basis.code].filter((pl.col("level") == level) & pl.col("measure").is_in(keys) & mine)
            parents = self.data.counted(basis.code, level - 1, self.code)
            if off.is_empty():
                lines.append(
                    f"√ 各{parent_level}＝所属{self.layout.levels[level].heading}之和＋{word}（逐一核对{parents:,}个）"
                )
            else:
                code, _, measure, gap = off.select("parent", "level", "measure", "gap").row(0)
                name = self.layout.column(measure).name
                lines.append(
                    f"✗ 不平：{self._place_name(code)}的{name}与所属{self.layout.levels[level].heading}之和"
                    f"（含{word}）相差{gap:,}人（共{off['parent'].n_unique():,}个{parent_level}不平）"
                )
        return lines

    def _notes(self, about: Sequence[str], *, long: bool = False) -> list[str]:
        word = self.layout.unallocated
        said = [
            f"数据来源：{self.header.source}，截至{office.chinese_date(self.data.as_of)}。",
            *about,
            f"“{word}”是已确定属于上一级、而区划信息不足以确定到本级的人员，单列一行，计入合计。",
            f"率以百分数计，保留两位小数；分母为0的记“{_DASH}”。",
        ]
        if long:
            said.append("每人在每一级只统计一次；台账只含人数，不含个人信息。")
            if self.header.version:
                said.append(f"数据版本：{self.header.version}。")
        else:
            said.append(f"各栏解释见“{self.layout.contents_sheet}”。")
        return said


def _gap(column: Column, formula: Formula) -> pl.Expr:
    """The column less what the formula says."""
    total = pl.sum_horizontal(sign * pl.col(m).fill_null(0) for sign, m in formula.terms)
    return pl.col(column.key).fill_null(0) - total


def _index_words(words: str) -> str:
    """栏次 broken into short lines, so that a narrow column shows a long sum."""
    if len(words) <= 9:
        return words
    lines, line = [], ""
    for piece in words.replace("=", "\0=").replace("+", "\0+").replace("−", "\0−").split("\0"):
        if line and len(line) + len(piece) > 9:
            lines.append(line)
            line = ""
        line += piece
    return "\n".join([*lines, line])
