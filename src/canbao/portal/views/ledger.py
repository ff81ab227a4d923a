"""The four-level ledger: one table of a division and its parts, every number of which opens its list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from canbao.portal.fields import hidden
from canbao.portal.lists import BASES, FilterError, measure_list
from canbao.portal.page import parameters, render, wrong_filter
from canbao.portal.reading import asked_division, reads, wrong_parameter
from canbao.portal.store import Publication
from canbao.reports.layout import Column, Layout, load_layout


@dataclass(frozen=True)
class Cell:
    """One number of the ledger.

    Attributes:
        key: Its column.
        text: As it is printed.
        path: Page of its list; empty for a rate, a plan, or a measure without a list.
        values: Parameters of that page.
    """

    key: str
    text: str
    path: str = ""
    values: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Head:
    """One cell of the merged heading."""

    lines: tuple[str, ...]
    across: int
    down: int


@lru_cache
def _layout(measures: tuple[str, ...]) -> Layout:
    return load_layout(measures)


def layout_for(pub: Publication, role: str) -> Layout:
    """The printed ledger's columns, without those that a role must not see."""
    return _layout(tuple(measure for measure in pub.measures if not hidden("ledger", measure, role)))


def cells(columns: Sequence[Column], values: Mapping[str, int], division: str, basis: str) -> list[Cell]:
    """The numbers of one row.

    Args:
        columns: Of the layout.
        values: Measure to value.
        division: Code of the row's division, with `-` for 未落地.
        basis: The basis.
    """
    row = []
    for column in columns:
        if column.kind == "rate":
            part, whole = (values.get(operand, 0) for operand in column.operands)
            row.append(Cell(column.key, f"{part * 100 / whole:.2f}" if whole else "—"))
        elif column.kind == "difference":
            first, second = (values.get(operand, 0) for operand in column.operands)
            row.append(Cell(column.key, f"{first - second:,}"))
        else:
            found = measure_list(column.operands[0], division, basis)
            row.append(Cell(column.key, f"{values.get(column.operands[0], 0):,}", *(found or ("", None))))
    return row


def heading(columns: Sequence[Column], table: str) -> list[list[Head]]:
    """The merged heading, line by line: equal neighbours are one cell, and a short heading reaches down."""
    stacks = [column.headings.get(table, column.heading) for column in columns]
    depth = max((len(stack) for stack in stacks), default=1)
    lines: list[list[Head]] = []
    for level in range(depth):
        line: list[Head] = []
        at = 0
        while at < len(stacks):
            stack = stacks[at]
            if level >= len(stack):
                at += 1
                continue
            until = at + 1
            if level < len(stack) - 1:
                while until < len(stacks) and stacks[until][: level + 1] == stack[: level + 1]:
                    until += 1
            last = level == len(stack) - 1
            line.append(Head(tuple(stack[level].split("\n")), until - at, depth - level if last else 1))
            at = until
        lines.append(line)
    return lines


@reads
def show(request: Request, pub: Publication) -> Response:
    """`/ledger?division=&basis=&table=`: a division, its parts and its 未落地 row; of `CODE-` that row alone."""
    given = parameters(request, "division", "basis", "table")
    scope, division, code = asked_division(request, "see_ledger", given["division"])
    unplaced = code.endswith("-")
    layout = layout_for(pub, scope.role)
    basis = given["basis"] or BASES[0]
    table = given["table"] or layout.tables[0].id
    if basis not in BASES:
        raise wrong_parameter(request, FilterError("basis"))
    if table not in {one.id for one in layout.tables}:
        raise wrong_filter(request, "table", {one.id: one.name for one in layout.tables})
    columns = layout.of_table(table)
    rows: dict[str, dict[str, Any]] = {}
    for row in pub.rows("ledger_rows", basis=basis, tree=division.first, unplaced=unplaced):
        one = rows.setdefault(row["division_code"], {**row, "values": {}})
        one["values"][row["measure"]] = row["value"]
    for each, row in rows.items():
        row["cells"] = cells(columns, row["values"], each, basis)
        row["own"] = each == division.code
        row["opens"] = not row["own"] and not row["is_unplaced"]
    above = [one for one in scope.tree.path(division.code) if unplaced or one.code != division.code]
    return render(
        request,
        "ledger.html",
        division=division,
        code=code,
        unplaced=unplaced,
        name=division.name + ("（未落地）" if unplaced else ""),
        above=[(one, scope.may_see_division(one.code)) for one in above],
        rows=list(rows.values()),
        columns=columns,
        numbers=[layout.in_words(column, basis, ()) for column in columns],
        heads=heading(columns, table),
        layout=layout,
        basis=next(one for one in layout.bases if one.code == basis),
        table=next(one for one in layout.tables if one.id == table),
        below=layout.levels[min(division.level + 1, 4)],
        as_of=pub.as_of,
        insured_year=pub.insured_year,
    )
