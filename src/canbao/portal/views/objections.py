"""The city's list of objections, by source, and what the sources answered."""

from starlette.requests import Request
from starlette.responses import Response

from canbao.errors import UserError
from canbao.portal.fields import place
from canbao.portal.objections import OUTCOMES, Objections
from canbao.portal.page import (
    Stop,
    account_of,
    field_of,
    go,
    note,
    page_number,
    parameters,
    portal_of,
    render,
    wrong_filter,
)
from canbao.portal.scope import require
from canbao.portal.words import words

_STATES = {"open": "待处理", "answered": "已答复", "all": "全部"}
_PER_PAGE = 50


def show(request: Request) -> Response:
    """`/objections?state=&page=`."""
    scope = require(request, "see_objections")
    given = parameters(request, "state")
    state = given["state"] or "open"
    if state not in _STATES:
        raise wrong_filter(request, "state", _STATES)
    found = Objections(portal_of(request).home).all()
    chosen = [one for one in found if state == "all" or bool(one["answer"]) == (state == "answered")]
    last = max(1, -(-len(chosen) // _PER_PAGE))
    page = min(page_number(request), last)
    rows = [
        one | {"place": place(scope.tree, one["division"])} for one in chosen[(page - 1) * _PER_PAGE : page * _PER_PAGE]
    ]
    return render(
        request,
        "objections.html",
        rows=rows,
        state=state,
        states=_STATES,
        shown=len(chosen),
        waiting=sum(not one["answer"] for one in found),
        total=len(found),
        page=page,
        last_page=last,
        outcomes=OUTCOMES,
        words=words(),
    )


def answer(request: Request) -> Response:
    """`POST /objections`: what the source answered."""
    require(request, "see_objections")
    key = field_of(request, "id", 40)
    portal = portal_of(request)
    outcome = field_of(request, "outcome")
    try:
        Objections(portal.home).answer(
            key,
            outcome,
            field_of(request, "text", 2000),
            account=account_of(request).name,
            at=portal.clock(),
            journal=lambda known: note(request, "answer_objection", target=known, result=outcome),
        )
    except UserError as error:
        raise Stop(str(error)) from None
    return go("/objections")
