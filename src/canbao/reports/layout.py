"""The printed ledger's layout, read from `ledger_layout.toml` and fitted to the measures that a table really has."""

import tomllib
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("ledger_layout.toml")


@dataclass(frozen=True)
class Formula:
    """What a measure equals: signed measures, whether it is promised, and the bases for which it is meant."""

    terms: tuple[tuple[int, str], ...]
    promised: bool = False
    bases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Column:
    """One column of the ledger: a measure, a rate (percent) or a difference of two measures."""

    key: str
    kind: str  # measure | rate | difference
    operands: tuple[str, ...]
    name: str
    heading: tuple[str, ...]
    headings: dict[str, tuple[str, ...]] = field(default_factory=dict)
    number: int = 0
    indent: int = 0
    additive: bool = True
    formulas: tuple[Formula, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Table:
    """One printed table (表一, 表二, …)."""

    id: str
    tab: str
    number: str
    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Level:
    """One of the four levels and its words."""

    level: int
    title: str
    tab: str
    heading: str


@dataclass(frozen=True)
class Basis:
    """One statistical basis and its words."""

    code: str
    name: str
    tab: str
    note: str


@dataclass(frozen=True)
class Layout:
    """The whole layout; `columns` are numbered (栏次) in order, beginning with 1."""

    title: str
    file_name: str
    contents_sheet: str
    overview_sheet: str
    unallocated: str
    total: str
    levels: dict[int, Level]
    bases: tuple[Basis, ...]
    tables: tuple[Table, ...]
    columns: tuple[Column, ...]
    _by_key: dict[str, Column] = field(default_factory=dict, repr=False)

    def column(self, key: str) -> Column:
        """The column with that key."""
        return self._by_key[key]

    def of_table(self, table: str) -> list[Column]:
        """The columns of one table, in their printed order."""
        keys = next(t.columns for t in self.tables if t.id == table)
        return [self._by_key[k] for k in keys if k in self._by_key]

    def in_words(self, column: Column, basis: str, holds: Collection[Formula]) -> str:
        """The 栏次 entry: the number, and by which other numbers it is made (`4=1−3=5+10`).

        A formula stands there if it is promised or among those that `holds` says are fulfilled by every row; one whose
        measures are missing is left out, because what remains of it would be untrue.
        """
        sides = [str(column.number)]
        if column.kind == "rate":
            sides.append(f"{self._by_key[column.operands[0]].number}÷{self._by_key[column.operands[1]].number}×100")
        elif column.kind == "difference":
            sides.append(f"{self._by_key[column.operands[0]].number}−{self._by_key[column.operands[1]].number}")
        for formula in self.formulas(column, basis):
            if formula.promised or formula in holds:
                words = "".join(("+" if s > 0 else "−") + str(self._by_key[m].number) for s, m in formula.terms)
                sides.append(words.removeprefix("+"))
        return "=".join(sides)

    def formulas(self, column: Column, basis: str) -> list[Formula]:
        """The column's formulas that are meant for the basis and whose measures all exist."""
        return [
            f
            for f in column.formulas
            if (not f.bases or basis in f.bases) and all(m in self._by_key for _, m in f.terms)
        ]


def load_layout(measures: Collection[str], file: Path = _FILE) -> Layout:
    """Read the layout and keep what the given measures can fill.

    Args:
        measures: Names of the measures that the ledger table has.
        file: The layout; another one is for tests.

    Returns:
        The layout with its columns numbered from 1 in the order of their first appearance in a table. Tables without
        any column are dropped.
    """
    raw = tomllib.loads(file.read_text("utf-8"))
    have = set(measures)
    declared = {c.key: c for c in map(_column, raw["column"])}
    tables = [Table(t["id"], t["tab"], str(t["number"]), t["name"], tuple(t["columns"])) for t in raw["table"]]
    order = dict.fromkeys(key for t in tables for key in t.columns)
    if unknown := [key for key in order if key not in declared]:
        raise ValueError(f"{file.name}: tables name columns that are not declared: {', '.join(unknown)}")
    usable = [declared[key] for key in order if have.issuperset(declared[key].operands)]
    columns = tuple(replace(c, number=n) for n, c in enumerate(usable, 1))
    by_key = {c.key: c for c in columns}
    return Layout(
        title=raw["title"],
        file_name=raw["file_name"],
        contents_sheet=raw["contents_sheet"],
        overview_sheet=raw["overview_sheet"],
        unallocated=raw["unallocated"],
        total=raw["total"],
        levels={entry["level"]: Level(**entry) for entry in raw["level"]},
        bases=tuple(Basis(**entry) for entry in raw["basis"]),
        tables=tuple(t for t in tables if any(key in by_key for key in t.columns)),
        columns=columns,
        _by_key=by_key,
    )


def _formula(entry: dict[str, Any]) -> Formula:
    sign, terms = 1, []
    for word in str(entry["of"]).split():
        if word in {"+", "-"}:
            sign = 1 if word == "+" else -1
        else:
            terms.append((sign, word))
    return Formula(tuple(terms), bool(entry.get("promised", False)), tuple(entry.get("basis", ())))


def _column(entry: dict[str, Any]) -> Column:
    kind = next(k for k in ("measure", "rate", "difference") if k in entry)
    operands = (entry["measure"],) if kind == "measure" else tuple(entry[kind])
    return Column(
        key=entry.get("id", operands[0]),
        kind=kind,
        operands=operands,
        name=entry["name"],
        heading=tuple(entry["heading"]),
        headings={table: tuple(words) for table, words in entry.get("heading_in", {}).items()},
        indent=int(entry.get("indent", 0)),
        additive=bool(entry.get("additive", True)) and kind != "rate",
        formulas=tuple(_formula(f) for f in entry.get("formulas", ())),
        note=entry.get("note", ""),
    )
