"""Workbooks and Parquet files as batches of text, so that the same rules hold for every kind of file."""

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import fastexcel
import numpy as np
import polars as pl

from canbao.intake.definitions import SourceDef
from canbao.intake.headers import HEADER_DEPTH, Layout, find_layout, score
from canbao.intake.problems import FileRefused, without_numbers
from canbao.intake.rows import Batch, as_csv, looks_blank
from canbao.intake.values import squeeze

# A small file that unpacks to more than this is an attack or a mistake.
_LARGEST_WORKBOOK = 4 << 30
_PARQUET_ROWS = 1 << 18
_DECIMAL_DIGITS = 38
_CERT_NUMBER = r"^\s*[0-9]{17}[0-9Xx]\s*$"
_TITLES = 2
_CHINA = "Asia/Shanghai"
_SINGLE = (pl.String, pl.Boolean, pl.Date, pl.Datetime, pl.Time, pl.Categorical, pl.Enum, pl.Null)


class Sheet:
    """One visible sheet of a workbook that has the source's columns.

    Attributes:
        name: The sheet's name.
        layout: Where the fields lie; lines are the sheet's row numbers.
    """

    def __init__(self, name: str, cells: pl.DataFrame, layout: Layout) -> None:
        self.name = name
        self.layout = layout
        self._cells = cells

    def batches(self) -> Iterator[Batch]:
        """The rows below the header that are not blank."""
        body = self._cells.slice(self.layout.line)
        filled = body.select(~pl.all_horizontal(looks_blank(name) for name in body.columns)).to_series()
        lines = filled.arg_true().to_numpy().astype(np.int32) + self.layout.line + 1
        rows = body.filter(filled)
        if rows.height:
            yield Batch(rows, lines, _counts(rows, len(self.layout.titles)), _raw_of(rows))


def _counts(rows: pl.DataFrame, width: int) -> np.ndarray | None:
    """A sheet has no short rows; a row counts as longer where a cell beyond the header is filled."""
    if rows.width <= width:
        return None
    last = pl.max_horizontal(pl.when(pl.col(name) != "").then(int(name) + 1).otherwise(width) for name in rows.columns)
    return rows.select(last.clip(lower_bound=width)).to_series().to_numpy()


def _raw_of(rows: pl.DataFrame) -> "RawRows":
    return RawRows(rows)


class RawRows:
    """The cells of rows as CSV text."""

    def __init__(self, rows: pl.DataFrame) -> None:
        self._rows = rows

    def __call__(self, rows: Sequence[int]) -> list[str]:
        """The text of these rows, trailing blank cells left out."""
        found = []
        for row in rows:
            cells = list(self._rows.row(row))
            while cells and not cells[-1]:
                cells.pop()
            found.append(as_csv(cells))
        return found


def read_workbook(path: Path, source: SourceDef) -> tuple[list[Sheet], list[tuple[str, bool]]]:
    """Reads the sheets of a workbook.

    Returns:
        The visible sheets whose header fits; of visible sheets with content but without such a header the names, and
        whether they look as if there were people in them.

    Raises:
        FileRefused: Damaged or too large, or no sheet fits.
    """
    damaged = "工作簿文件已损坏或不是xlsx格式，无法打开。请重新导出并传送。"
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(part.file_size for part in archive.infolist())
            broken = archive.testzip() if size <= _LARGEST_WORKBOOK else None
        reader = fastexcel.read_excel(path) if size <= _LARGEST_WORKBOOK and broken is None else None
    except Exception as error:  # fastexcel and zipfile have no common error
        raise FileRefused("damaged", damaged) from error
    if size > _LARGEST_WORKBOOK:
        raise FileRefused("damaged", "工作簿解压后过大，拒绝读取。请拆分后重报，或改报CSV文件。")
    if reader is None:
        raise FileRefused("damaged", damaged)
    names = reader.sheet_names
    sheets: list[Sheet] = []
    strange: list[tuple[str, bool]] = []
    refusal: FileRefused | None = None
    for name in names:
        cells = _load(reader, name)
        if cells is None or cells.is_empty():
            continue
        head = _head(cells)
        if not head:
            continue
        try:
            # a sheet is as wide as its widest row: that says nothing of the header
            layout = replace(find_layout(source, head), untitled=0)
        except FileRefused as error:
            if error.code == "duplicate_column" and any(score(source, row)[0] for _, row in head):
                raise FileRefused(error.code, f"工作表“{name}”：{error.message}") from error
            strange.append((name, _looks_like_data(source, cells, head)))
            refusal = refusal or FileRefused(error.code, f"工作表“{name}”：{error.message}")
            continue
        sheets.append(Sheet(name, _show_damage(reader, name, cells, layout, source), layout))
    if not sheets:
        raise refusal or FileRefused("empty", "工作簿里没有任何内容，找不到表头。请重新导出后再报。")
    return sheets, strange


def _load(reader: fastexcel.ExcelReader, name: str) -> pl.DataFrame | None:
    """All cells of a visible sheet as text, row 1 first; None for a hidden sheet."""
    try:
        sheet = reader.load_sheet(name, header_row=None, skip_rows=0, dtypes="string")
        if sheet.visible != "visible":
            return None
        cells = sheet.to_polars()
    except Exception as error:
        raise FileRefused("damaged", f"工作表“{name}”已损坏，无法读取。请重新导出并传送。") from error
    cells.columns = [str(i) for i in range(cells.width)]
    return cells.with_columns(pl.all().cast(pl.String).fill_null(""))


def _head(cells: pl.DataFrame) -> list[tuple[int, Sequence[str]]]:
    rows: list[tuple[int, Sequence[str]]] = []
    for line, row in enumerate(cells.iter_rows(), start=1):
        if any(squeeze(cell) for cell in row):
            rows.append((line, row))
        if len(rows) == HEADER_DEPTH:
            break
    return rows


def _looks_like_data(source: SourceDef, cells: pl.DataFrame, head: Sequence[tuple[int, Sequence[str]]]) -> bool:
    """Whether a certificate number stands in a sheet, or rows below two of the source's titles."""
    if cells.select(pl.any_horizontal(pl.all().str.contains(_CERT_NUMBER)).any()).item():
        return True
    return any(score(source, row)[1] >= _TITLES for _, row in head[:-1])


def _show_damage(
    reader: fastexcel.ExcelReader, name: str, cells: pl.DataFrame, layout: Layout, source: SourceDef
) -> pl.DataFrame:
    """Writes certificate numbers of 16 digits and more that are number cells as the spreadsheet shows them.

    A number cell keeps 15 digits; the rest of such a number is invented by the reader. Read as yes or no, only number
    cells have a value: that tells them from numbers kept as text.
    """
    numeric: pl.DataFrame | None = None  # read once for all columns, and only where a cell is long enough to be damaged
    for one in source.fields:
        place = layout.columns.get(one.name)
        if one.type != "cert" or place is None:
            continue
        column = str(place)
        long = cells[column].str.contains(r"^[0-9]{16,}$")
        if not long.any():
            continue
        if numeric is None:
            # all columns, as `_load` has them: to name one it would have to be counted from the sheet's column A
            numeric = reader.load_sheet(name, header_row=None, skip_rows=0, dtypes="boolean").to_polars()
        damaged = long & numeric.to_series(place).is_not_null()
        if damaged.any():
            rows = damaged.arg_true()
            texts = pl.Series([f"{float(text):.5E}" for text in cells[column].gather(rows)], dtype=pl.String)
            cells = cells.with_columns(cells[column].scatter(rows, texts).alias(column))
    return cells


def _as_text(name: str, kind: pl.DataType) -> pl.Expr | None:
    """A column of a Parquet file as text, null where it has none; None for types that hold no single value.

    Times with a zone are told by China's clock: a day that begins in Chongqing has begun there at 16:00 of Greenwich.
    """
    column = pl.col(name)
    if isinstance(kind, pl.Datetime) and kind.time_zone is not None:
        return column.dt.convert_time_zone(_CHINA).dt.replace_time_zone(None).cast(pl.String)
    if kind == pl.Binary:  # text that its writer did not mark as such
        return column.cast(pl.String)
    if isinstance(kind, pl.Decimal) and kind.precision > _DECIMAL_DIGITS:
        return None
    return column.cast(pl.String) if kind.is_numeric() or kind in _SINGLE else None


def read_parquet(path: Path, source: SourceDef) -> tuple[Layout, Iterator[Batch]]:
    """Reads a Parquet file: the layout and its rows; line 2 is the first row.

    Raises:
        FileRefused: Damaged, or the columns do not fit.
    """
    try:
        frame = pl.scan_parquet(path, glob=False)
        schema = frame.collect_schema()
        names = list(schema)
        height = frame.select(pl.len()).collect().item()
    except (Exception, pl.exceptions.PanicException) as error:
        raise FileRefused("damaged", "Parquet文件已损坏或被截断，无法读取。请重新导出并传送。") from error
    layout = find_layout(source, [(1, names)])
    wanted = set(layout.columns.values())
    # what nobody asked for may be bytes of whatever kind
    texts = [
        None if place not in wanted and kind == pl.Binary else _as_text(name, kind)
        for place, (name, kind) in enumerate(schema.items())
    ]
    for place in layout.columns.values():
        if texts[place] is None:
            kind = without_numbers(str(schema[names[place]]))
            raise FileRefused(
                "column_type", f"列“{names[place].strip()}”的类型（{kind}）无法读取。请改为文本列后重报。"
            )
    cells = frame.select(
        (pl.lit("") if text is None else text.fill_null("")).alias(str(place)) for place, text in enumerate(texts)
    )
    bytewise = [names[place].strip() for place in sorted(wanted) if schema[names[place]] == pl.Binary]

    def batches() -> Iterator[Batch]:
        for start in range(0, height, _PARQUET_ROWS):
            try:
                rows = cells.slice(start, _PARQUET_ROWS).collect()
            except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
                if bytewise and "utf8" in str(error):
                    told = f"列“{'”“'.join(bytewise)}”中有不是UTF-8文本的内容，无法读取。请改为文本列后重报。"
                    raise FileRefused("encoding", told) from error
                raise FileRefused(
                    "damaged", f"Parquet文件第{start + 2}行之后已损坏，无法读取。请重新导出并传送。"
                ) from error
            yield Batch(rows, np.arange(start, start + rows.height, dtype=np.int32) + 2, None, _raw_of(rows))

    return layout, batches()
