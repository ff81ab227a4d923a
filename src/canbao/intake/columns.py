"""Whole columns of text become typed columns.

Each type has one expression that reads its usual spellings; what that leaves is read by `values.py`, once per distinct
text. The expression must never read a text otherwise than the careful reader does: it is narrow on purpose.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from canbao.intake.definitions import CodeTable, Field, code_table
from canbao.intake.values import BLANK, OK, READERS, UNKNOWN, Reading, means_blank, squeeze

DTYPES: dict[str, pl.DataType | type[pl.DataType]] = {
    "date": pl.Date,
    "month": pl.Int32,
    "year": pl.Int32,
    "int": pl.Int32,
    "amount": pl.Decimal(14, 2),
    "bool": pl.Boolean,
}

# One pattern a cell: each costs as much as everything else that is done with it.

# Text that reads as itself: Chinese characters and printable ASCII, no space at either end, no backslash in front, and
# not the four letters of null in whatever case.
_FIRST, _WITHIN, _LAST = (rf"[{signs}·\x{{4e00}}-\x{{9fff}}]" for signs in (r"!-\[\]-~", " -~（），。、；：", "!-~"))
_PLAIN = (
    f"^(?:{_FIRST}(?:{_WITHIN}?{_LAST})?|{_FIRST}{_WITHIN}{{3,}}{_LAST}"
    f"|[{_FIRST}&&[^nN]]{_WITHIN}{_WITHIN}{_LAST}|{_FIRST}[{_WITHIN}&&[^uU]]{_WITHIN}{_LAST}"
    f"|{_FIRST}{_WITHIN}[{_WITHIN}&&[^lL]]{_LAST}|{_FIRST}{_WITHIN}{_WITHIN}[{_LAST}&&[^lL]])$"
)
# A digit in it, so that it is no placeholder; not 000 at its end, as spreadsheets leave of long numbers.
_CERT = r"^[0-9A-Z]*(?:[1-9]|[0-9][0-9A-Z]*[A-Z])0{0,2}$"
# With a digit in it a code is no placeholder, without a point it is no 20.0.
_ID = r"^[0-9A-Za-z_:/-]*[0-9][0-9A-Za-z_:/-]*$"
_USCC = r"^[A-Z]*[0-9][0-9A-Z]*$"
# From 1901 on: the days that stand for none are earlier.
_DATE = r"^(?:19(?:0[1-9]|[1-9][0-9])|2[01][0-9]{2})-[0-9]{2}-[0-9]{2}$"


def dtype_of(field: Field) -> pl.DataType | type[pl.DataType]:
    """The staged type of a field."""
    return DTYPES.get(field.type, pl.String)


def _matching(column: pl.Expr, pattern: str) -> pl.Expr:
    return pl.when(column.str.contains(pattern)).then(column)


def _text(column: pl.Expr) -> pl.Expr:
    return _matching(column, _PLAIN)


def _cert(column: pl.Expr) -> pl.Expr:
    return _matching(column, _CERT)


def _id(column: pl.Expr) -> pl.Expr:
    return _matching(column, _ID)


def _birth_cert(column: pl.Expr) -> pl.Expr:
    return _matching(column, r"^[A-Z][0-9]{9}$")


def _admdvs(column: pl.Expr) -> pl.Expr:
    return _matching(column, r"^[0-9]+$")


def _uscc(column: pl.Expr) -> pl.Expr:
    return _matching(column, _USCC)


def _date(column: pl.Expr) -> pl.Expr:
    return pl.when(column.str.contains(_DATE)).then(column.str.to_date("%Y-%m-%d", strict=False))


def _month(column: pl.Expr) -> pl.Expr:
    return _matching(column, r"^(?:1[89]|2[01])[0-9]{2}(?:0[1-9]|1[0-2])$").cast(pl.Int32)


def _year(column: pl.Expr) -> pl.Expr:
    return _matching(column, r"^(?:1[89]|2[01])[0-9]{2}$").cast(pl.Int32)


def _int(column: pl.Expr) -> pl.Expr:
    return _matching(column, r"^[0-9]{1,9}$").cast(pl.Int32)


def _amount(column: pl.Expr) -> pl.Expr:
    return _matching(column, r"^-?[0-9]{1,12}(?:\.[0-9]{1,2})?$").cast(pl.Decimal(14, 2))


def _division(column: pl.Expr) -> pl.Expr:
    return _matching(column, r"^(?:[0-9]{6}|[0-9]{9}|[0-9]{12})$")


def _bool(column: pl.Expr) -> pl.Expr:
    return pl.when(column == "1").then(True).when(column == "0").then(False)


_FAST: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "text": _text,
    "id": _id,
    "birth_cert": _birth_cert,
    "admdvs": _admdvs,
    "cert": _cert,
    "uscc": _uscc,
    "division": _division,
    "date": _date,
    "month": _month,
    "year": _year,
    "int": _int,
    "amount": _amount,
    "bool": _bool,
}


def _code_reader(table: CodeTable) -> Callable[[str], Reading]:
    def read(cell: str) -> Reading:
        code = table.find(cell)
        if code is not None:
            return code, OK
        return (None, BLANK) if means_blank(cell) else (READERS["text"](cell)[0], UNKNOWN)

    return read


@dataclass(frozen=True)
class Column:
    """One typed column of a batch; `states` holds, per row, what became of the cell (None: every cell OK or empty)."""

    values: pl.Series
    states: np.ndarray | None

    def where(self, state: int) -> np.ndarray:
        """The rows in that state, as a mask."""
        return np.zeros(len(self.values), bool) if self.states is None else self.states == state

    def blank(self) -> np.ndarray:
        """The rows without a value that was meant to be one, as a mask."""
        null = self.values.is_null().to_numpy()
        return null if self.states is None else null & ((self.states == OK) | (self.states == BLANK))


class Converter:
    """Reads the columns of one source's batches."""

    def __init__(self, fields: tuple[Field, ...]) -> None:
        self.fields = fields
        self._readers: dict[str, Callable[[str], Reading]] = {}
        self._memory: dict[str, dict[str, Reading]] = {one.name: {} for one in fields}
        for one in fields:
            self._readers[one.name] = _code_reader(code_table(one.codes)) if one.codes else READERS[one.type]

    def convert(self, raw: pl.DataFrame) -> dict[str, Column]:
        """Types a batch.

        Args:
            raw: Text columns named as the fields; an empty cell is an empty text. Fields may be missing.

        Returns:
            A column per field, in the order of the definition.
        """
        present = [one for one in self.fields if one.name in raw.columns]
        fast = raw.select(self._expression(one) for one in present)
        found = {one.name: self._finish(one, raw[one.name], fast[one.name]) for one in present}
        missing = {
            one.name: Column(pl.Series(one.name, [None], dtype_of(one)).new_from_index(0, raw.height), None)
            for one in self.fields
            if one.name not in found
        }
        return {one.name: found.get(one.name) or missing[one.name] for one in self.fields}

    def _expression(self, field: Field) -> pl.Expr:
        column = pl.col(field.name)
        if field.codes:
            codes = [code for code in sorted(code_table(field.codes).codes) if squeeze(code).upper() == code]
            return pl.when(column.is_in(codes)).then(column).alias(field.name)
        return _FAST[field.type](column).alias(field.name)

    def _finish(self, field: Field, raw: pl.Series, fast: pl.Series) -> Column:
        if not fast.has_nulls():
            return Column(fast, None)
        odd = fast.is_null() & (raw != "")
        if not odd.any():
            return Column(fast, None)
        places = odd.arg_true()
        left = raw.gather(places)
        distinct = left.unique().to_list()
        memory, read = self._memory[field.name], self._readers[field.name]
        if len(memory) > 200_000:
            memory.clear()
        readings = []
        for text in distinct:
            reading = memory.get(text)
            if reading is None:
                reading = memory[text] = read(text)
            readings.append(reading)
        table = pl.DataFrame(
            {
                "raw": pl.Series(distinct, dtype=pl.String),
                "value": pl.Series([value for value, _ in readings], dtype=fast.dtype),
                "state": pl.Series([state for _, state in readings], dtype=pl.UInt8),
            }
        )
        hits = left.to_frame("raw").join(table, on="raw", how="left", maintain_order="left")
        states = np.zeros(len(fast), np.uint8)
        states[places.to_numpy()] = hits["state"].to_numpy()
        return Column(fast.scatter(places, hits["value"]), states)
