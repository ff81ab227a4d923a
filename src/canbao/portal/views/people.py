"""The lists of people: the uninsured with their filters, those behind any cell of the ledger, duplicates."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from canbao.portal.lists import (
    BASES,
    FILTERS,
    PAGE_ROWS,
    FilterError,
    ListQuery,
    choices,
    measure_name,
)
from canbao.portal.page import note, page_number, parameters, render
from canbao.portal.reading import asked_division, reads, wrong_parameter
from canbao.portal.store import Publication
from canbao.portal.words import words

_PRODUCT = {"uninsured": "uninsured", "closed": "uninsured", "people": "ledger", "duplicates": "duplicate"}


@reads
def uninsured(request: Request, pub: Publication) -> Response:
    """`/uninsured?division=&basis=&reason=&…&page=`: who should be insured and is not; `since=closed` who was."""
    return _list(request, pub, "uninsured")


@reads
def people(request: Request, pub: Publication) -> Response:
    """`/people?division=&basis=&measure=&page=`: whom a cell of the ledger counts."""
    return _list(request, pub, "people")


@reads
def duplicates(request: Request, pub: Publication) -> Response:
    """`/duplicates?division=&basis=&action=&kind=&state=&part=&page=`: pairs of relations that overlap."""
    return _list(request, pub, "duplicates")


def asked_list(request: Request, kind: str, capability: str = "see_people") -> ListQuery:
    """The list that an address asks for: for its page, and for its file.

    Args:
        request: With the parameters of the list's page.
        kind: `uninsured`, `people` or `duplicates`.
        capability: What is about to be done with it.

    Raises:
        NotFound: The division is not in the scope, or a parameter is not known.
    """
    names = {*FILTERS[kind], *(FILTERS["closed"] if kind == "uninsured" else ())}
    given = parameters(request, "division", "basis", *sorted(names))
    scope, _, code = asked_division(request, capability, given["division"])
    basis = given["basis"] or (BASES[0] if kind == "people" else "")
    try:
        return ListQuery.of(kind, code, basis, given, scope)
    except FilterError as error:
        raise wrong_parameter(request, error) from None


def _list(request: Request, pub: Publication, kind: str) -> Response:
    query = asked_list(request, kind)
    scope = request.state.scope
    counts = query.counts(pub)
    last = max(1, -(-counts["rows"] // PAGE_ROWS))
    number = min(page_number(request), last)
    rows = [query.shown(row, scope) for row in query.page(pub, number, counts["rows"])]
    note(
        request, "view_list", target=query.division, rows=len(rows),
        list=query.kind, basis=query.basis, page=number, filters=dict(query.filters),
    )  # fmt: skip
    own = scope.tree.get(query.division.removesuffix("-"))
    columns = query.columns(scope)
    if not any(row["child_mark"] for row in rows):
        columns = [column for column in columns if column.key != "child_mark"]
    verdict = next((one for one in pub.verdicts if one["product"] == _PRODUCT[query.kind]), None)
    return render(
        request,
        {"duplicates": "duplicates.html", "uninsured": "uninsured.html"}.get(query.kind, "list.html"),
        query=query,
        heading=query.title(scope.tree),
        division=own,
        above=[(one, scope.may_see_division(one.code)) for one in scope.tree.path(own.code)] if own else [],
        children=scope.tree.children(own.code) if own and not query.division.endswith("-") else [],
        unplaced=query.division.endswith("-"),
        columns=columns,
        rows=rows,
        first=(number - 1) * PAGE_ROWS,
        counts=counts,
        page=number,
        last_page=last,
        values=dict.fromkeys((*FILTERS[kind], "cause"), "") | query.address(),
        choices=_choices(request, kind),
        compared=pub.previous is not None,
        measure=measure_name(query.filters["measure"]) if query.kind == "people" else "",
        verdict=verdict,
        as_of=pub.as_of,
        words=words(),
    )


def _choices(request: Request, kind: str) -> Mapping[str, Mapping[str, Any]]:
    """What the filters of a list offer, in words."""
    offered = {"uninsured": ("reason", "group", "feedback", "priority"), "duplicates": FILTERS["duplicates"]}
    return {name: choices(name, request.state.scope) for name in offered.get(kind, ())}
