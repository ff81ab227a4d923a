"""Good rows and rejected rows of a batch, whatever kind of file it came from."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from canbao.intake.columns import Column, Converter
from canbao.intake.definitions import Field, SourceDef
from canbao.intake.headers import Layout
from canbao.intake.problems import (
    BLANK_REQUIRED,
    DAMAGED_CERTNO,
    ERROR_CODES,
    FIELD_COUNT,
    NOTE_ROW,
    TOTAL_ROW,
    UNREADABLE_REQUIRED,
    row_message,
)
from canbao.intake.values import BAD, DAMAGED, ROUNDED, SENTINEL, UNKNOWN, is_blank, is_note, is_total

# A person's own numbers: a damaged one makes the row useless. Damaged numbers of others (payer, mother) become null,
# so that nobody loses a payment for the payer's number.
OWN_NUMBERS = frozenset({"certno", "old_certno"})

_SPACES = r"\s\x{200b}-\x{200f}\x{2060}\x{feff}"
_FILLED = f"[^{_SPACES}]"
# In the first column of a total row; one pattern, for every row is looked at.
_TOTAL_OR_BLANK = f"计|^[{_SPACES}]*$"

# In one of the cells of a note or a total in words.
_WORDS = "计|[共总注页]|说\\s*明|[:：]|章"

QUARANTINE_SCHEMA = {"line": pl.Int32, "error_code": pl.String, "message": pl.String, "raw": pl.String}


@dataclass
class Batch:
    """Some rows of one file as text.

    Attributes:
        cells: Text columns `0`, `1`, … as in the file, at least as many as the header has; no nulls.
        lines: Physical line of each row.
        counts: Fields of each row; None where every row has as many as the header.
        raw: The raw text of the rows with these indices.
    """

    cells: pl.DataFrame
    lines: np.ndarray
    counts: np.ndarray | None
    raw: Callable[[Sequence[int]], list[str]]


@dataclass
class Tally:
    """What was counted while a file was read.

    `counties` holds accepted rows per county, `untitled` the columns behind the last title in which something stands.
    """

    rows_read: int = 0
    rows_rejected: int = 0
    unreadable: Counter[str] = field(default_factory=Counter)
    unknown_codes: Counter[str] = field(default_factory=Counter)
    counties: Counter[str] = field(default_factory=Counter)
    untitled: set[int] = field(default_factory=set)


class RowJudge:
    """Applies contract section 2 to the batches of one file: types them, and splits the good rows from the rejected."""

    def __init__(self, source: SourceDef, layout: Layout) -> None:
        self.source = source
        self.layout = layout
        self.tally = Tally()
        self._converter = Converter(source.fields)

    def judge(self, batch: Batch) -> tuple[pl.DataFrame, pl.DataFrame | None]:
        """Splits a batch.

        Returns:
            The accepted rows (fields in definition order, then `line_no`); the rejected ones (`QUARANTINE_SCHEMA`).
        """
        named = batch.cells.select(pl.col(str(place)).alias(name) for name, place in self.layout.columns.items())
        columns = self._converter.convert(named)
        errors = np.zeros(batch.cells.height, np.uint8)
        fault = np.full(batch.cells.height, -1, np.int16)
        self._required(columns, errors, fault)
        self._damaged(columns, errors, fault)
        self._width(batch, errors)
        self._totals(batch, errors)
        self._notes(batch, errors)
        staged = pl.DataFrame([columns[one.name].values for one in self.source.fields]).with_columns(
            [pl.col(one.name).fill_null(one.default) for one in self.source.fields if one.default is not None]
            + [pl.Series("line_no", batch.lines, pl.Int32)]
        )
        rejected = np.flatnonzero(errors)
        self.tally.rows_read += len(errors)
        self.tally.rows_rejected += len(rejected)
        good = errors == 0
        self._count(columns, good)
        if not len(rejected):
            self._count_counties(staged)
            return staged, None
        staged = staged.filter(pl.Series(good))
        self._count_counties(staged)
        return staged, self._quarantine(batch, named, rejected, errors, fault)

    def _required(self, columns: dict[str, Column], errors: np.ndarray, fault: np.ndarray) -> None:
        """Marks blank and unreadable values of R! columns; the first column of the definition is the one named."""
        for place, one in reversed(list(enumerate(self.source.fields))):
            column = columns[one.name]
            if not one.not_blank or (column.states is None and not column.values.has_nulls()):
                continue
            unreadable = column.where(BAD) | column.where(SENTINEL)
            blank = column.blank()
            errors[unreadable] = UNREADABLE_REQUIRED
            errors[blank] = BLANK_REQUIRED
            fault[unreadable | blank] = place
        if self.source.one_of:
            names = [one.name for one in self.source.fields]
            none = np.logical_and.reduce([columns[name].blank() for name in self.source.one_of]) & (errors == 0)
            errors[none] = BLANK_REQUIRED
            fault[none] = names.index(self.source.one_of[0])

    def _damaged(self, columns: dict[str, Column], errors: np.ndarray, fault: np.ndarray) -> None:
        for place, one in reversed(list(enumerate(self.source.fields))):
            if one.name in OWN_NUMBERS and columns[one.name].states is not None:
                damaged = columns[one.name].where(DAMAGED)
                errors[damaged] = DAMAGED_CERTNO
                fault[damaged] = place

    def _width(self, batch: Batch, errors: np.ndarray) -> None:
        width = len(self.layout.titles)
        if batch.counts is not None:
            errors[batch.counts < width] = FIELD_COUNT
        for place in range(width, width + self.layout.untitled):
            if str(place) in batch.cells.columns and batch.cells[str(place)].str.contains(_FILLED).any():
                self.tally.untitled.add(place)
        further = [name for name in batch.cells.columns if int(name) >= width + self.layout.untitled]
        filled = batch.cells.select(pl.any_horizontal(pl.col(further) != "").arg_true()).to_series() if further else ()
        for row in filled:
            if not all(is_blank(batch.cells[name][row]) for name in further):
                errors[row] = FIELD_COUNT

    def _totals(self, batch: Batch, errors: np.ndarray) -> None:
        """Marks total rows: the first non-blank cell says 合计, 小计 or 总计."""
        rows: pl.Series | None = None  # those whose cells so far are blank; at first all
        for name in batch.cells.columns:
            cells = batch.cells[name] if rows is None else batch.cells[name].gather(rows)
            likely = cells.str.contains(_TOTAL_OR_BLANK).arg_true()
            rows = likely if rows is None else rows.gather(likely)
            if not len(rows):
                return
            cells = cells.gather(likely)
            filled = cells.str.contains(_FILLED)
            for row, cell in zip(rows.filter(filled), cells.filter(filled), strict=True):
                if is_total(cell):
                    errors[row] = TOTAL_ROW
            rows = rows.filter(~filled)

    def _notes(self, batch: Batch, errors: np.ndarray) -> None:
        """Names the rows that are no data: totals in words and notes, of those rejected for what they lack."""
        lacking = np.flatnonzero(np.isin(errors, (FIELD_COUNT, BLANK_REQUIRED, UNREADABLE_REQUIRED)))
        if not len(lacking):
            return
        rows = batch.cells[lacking]
        likely = rows.select(pl.any_horizontal(pl.all().str.contains(_WORDS)).arg_true()).to_series()
        for row, place in zip(rows[likely].iter_rows(), lacking[likely.to_numpy()], strict=True):
            total, note = is_note(row)
            if total or note:
                errors[place] = TOTAL_ROW if total else NOTE_ROW

    def _count(self, columns: dict[str, Column], good: np.ndarray) -> None:
        for name, column in columns.items():
            if column.states is None:
                continue
            unreadable = int((good & np.isin(column.states, (BAD, DAMAGED, ROUNDED))).sum())
            unknown = int((good & column.where(UNKNOWN)).sum())
            if unreadable:
                self.tally.unreadable[name] += unreadable
            if unknown:
                self.tally.unknown_codes[name] += unknown

    def _count_counties(self, staged: pl.DataFrame) -> None:
        if self.source.county is None:
            return
        # Counted before they are looked at: of many thousand rows a few hundred codes are left.
        codes = staged[self.source.county].value_counts(name="rows")
        county = pl.col(self.source.county).str.slice(0, 6)
        for name, rows in codes.filter(county.str.contains(r"^[0-9]{6}$")).select(county, "rows").iter_rows():
            self.tally.counties[name] += rows

    def _quarantine(
        self, batch: Batch, named: pl.DataFrame, rejected: np.ndarray, errors: np.ndarray, fault: np.ndarray
    ) -> pl.DataFrame:
        width = len(self.layout.titles)
        messages = []
        for row in rejected.tolist():
            place = int(fault[row])
            column: Field | None = self.source.fields[place] if place >= 0 else None
            cell = named[column.name][row] if column is not None and column.name in named.columns else ""
            title = self._title(column) if column is not None else ""
            fields = int(batch.counts[row]) if batch.counts is not None else width
            messages.append(
                row_message(int(errors[row]), int(batch.lines[row]), title, cell, fields=fields, width=width)
            )
        return pl.DataFrame(
            {
                "line": batch.lines[rejected],
                "error_code": [ERROR_CODES[error] for error in errors[rejected]],
                "message": messages,
                "raw": batch.raw(rejected.tolist()),
            },
            schema=QUARANTINE_SCHEMA,
        )

    def _title(self, column: Field) -> str:
        place = self.layout.columns.get(column.name)
        return self.layout.titles[place].strip() if place is not None else column.title


def looks_blank(name: str) -> pl.Expr:
    """Whether a cell holds nothing but white space and invisible signs."""
    return ~pl.col(name).str.contains(_FILLED)


def as_csv(row: Sequence[str]) -> str:
    """Cells of a row as one line of CSV: the raw text of rows of workbooks and Parquet files."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(row)
    return line.getvalue()
