"""答复分歧: two divisions say what cannot both be so; the lowest one in which both lie decides, or one above (U24)."""

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from canbao.intake.problems import without_numbers
from canbao.loop.sheet import choices
from canbao.portal.batches import answer_seen, loop_of
from canbao.portal.divisions import Division, DivisionTree
from canbao.portal.fields import place, present
from canbao.portal.loopwork import Decision, settle_row
from canbao.portal.page import Stop, failed, field_of, go, note, page_number, parameters, render
from canbao.portal.reading import decided, reads
from canbao.portal.scope import Scope, refuse, require
from canbao.portal.store import Publication
from canbao.portal.views.dispatch import desk_of, parsed_day, today_of, work
from canbao.portal.words import code_table

_PER_PAGE = 20
_NOTE = 200


@reads
def show(request: Request, pub: Publication) -> Response:
    """`/disputes?page=`: people about whom two divisions disagree."""
    given = parameters(request, "told")
    scope = require(request, "settle_disputes")
    first, last = scope.range
    found = people_of(pub, first, last)
    pages = max(1, -(-len(found) // _PER_PAGE))
    page = min(page_number(request), pages)
    part = dict(list(found.items())[(page - 1) * _PER_PAGE : page * _PER_PAGE])
    note(request, "settle_disputes", rows=len(part), page=page)
    decided = _decided(request, scope, part)
    return render(
        request, "disputes.html", page=page, last_page=pages, total=len(found), first=(page - 1) * _PER_PAGE,
        people=[_shown(scope, rows, decided.get(person)) for person, rows in part.items()],
        choices=_choices(scope.role), told=given["told"] == "settled", as_of=pub.as_of, today=today_of(request),
    )  # fmt: skip


def people_of(pub: Publication, first: int, last: int, person: UUID | None = None) -> dict[str, list[dict[str, Any]]]:
    """Person id to the answers that disagree, by those who gave them."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in pub.rows("disputes", t0=first, t1=last, person=person):
        found.setdefault(row["person_id"].hex, []).append(row)
    return found


def common(tree: DivisionTree, codes: list[str]) -> Division | None:
    """The lowest division in use in which all lie."""
    paths = [tree.path(found.code) if (found := tree.place(code)) else [] for code in codes]
    lowest = None
    for level in zip(*paths, strict=False):
        if len({one.code for one in level}) > 1:
            break
        lowest = level[0]
    return lowest


def _decided(request: Request, scope: Scope, part: Mapping[str, list[dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Decisions that were made since the last night: person to the answer of a common superior."""
    found: dict[str, dict[str, Any]] = {}
    for row in loop_of(request).answers(list(part)).iter_rows(named=True):
        sides = part[row["person_id"]]
        above = common(scope.tree, [one["division_code"] for one in sides])
        own = scope.tree.place(row["division_code"])
        newest = max(one["found_date"] for one in sides)
        if above and own and row["found_date"] >= newest and scope.tree.inside(above.code, own):
            found[row["person_id"]] = row
    return found


def _shown(scope: Scope, rows: list[dict[str, Any]], decided: Mapping[str, Any] | None) -> dict[str, Any]:
    above = common(scope.tree, [row["division_code"] for row in rows])
    mine = above is not None and scope.may_see_division(above.code)
    code = next((row["row_code"] for row in rows if row["row_code"]), None)
    return {
        "person_id": rows[0]["person_id"].hex,
        "seen": present(rows[0], "people", scope),
        "answers": [
            answer_seen(row, scope) | {"place": place(scope.tree, row["division_code"]), "side": _side(scope.tree, row)}
            for row in rows
        ],
        "above": place(scope.tree, above.code) if above else "市级",
        "may": mine and code is not None and decided is None,
        "without_code": mine and code is None,
        "decided": answer_seen(decided, scope) | {"place": place(scope.tree, decided["division_code"])}
        if decided
        else None,
    }


def _side(tree: DivisionTree, row: Mapping[str, Any]) -> str:
    """Whether an answer is that of where the person is registered, or lives."""
    sides = (("resd_code", "户籍地答复"), ("live_code", "居住地答复"))
    own = tree.place(row["division_code"])
    return next(
        (said for name, said in sides if own and (at := tree.place(row[name])) and tree.inside(at.code, own)), "答复"
    )


def _choices(role: str) -> dict[str, str]:
    """Answers that a role may give: code to what the list says."""
    return {one.split()[0]: one for one in choices(role)}


async def settle(request: Request) -> Response:
    """`POST /disputes`: a common superior decides."""
    asked = await decided(request, lambda one, pub: (desk_of(one, pub), _decision(one, pub)))
    if isinstance(asked, Response):
        return asked
    desk, said = asked
    made = await work(request, settle_row, desk, said, action="settle_dispute", target=field_of(request, "person", 40))

    def noted() -> Response:
        note(
            request, "settle_dispute", target=field_of(request, "person", 40), rows=1, receipt=made.receipt_no,
            code=said.reason_code, division=made.division_code,
        )  # fmt: skip
        return go("/disputes?told=settled")

    return await run_in_threadpool(noted)


def _decision(request: Request, pub: Publication) -> Decision:
    """What a form decides, by somebody who may."""
    person = field_of(request, "person", 40)
    scope = require(request, "settle_disputes", action="settle_dispute", target=person[:40] or None)
    try:
        key = UUID(person) if len(person) == 32 else None
    except ValueError:
        key = None
    first, last = scope.range
    rows = people_of(pub, first, last, key).get(person, []) if key else []
    if not rows:
        raise refuse(request, "settle_dispute", person or None, "missing")
    above = common(scope.tree, [row["division_code"] for row in rows])
    if above is None or not scope.may_see_division(above.code):
        raise refuse(request, "settle_dispute", person, "division")

    def stop(message: str, status: int = 400) -> Stop:
        return failed(request, "settle_dispute", message, target=person, status=status)

    reason, text = field_of(request, "reason", 10), " ".join(field_of(request, "note", 400).split())
    if reason not in _choices(scope.role):
        raise stop("请选择核定结果。")
    if not text or len(text) > _NOTE:
        raise stop(f"请写明核定依据，不超过 {_NOTE} 字。")
    if without_numbers(text) != text:
        raise stop("核定依据中不能含有证件号码、电话等个人号码，请改写。")
    ends = parsed_day(field_of(request, "end", 20))
    if code_table("reason_class").get(reason, {}).get("needs_end") == "true" and ends is None:
        raise stop("这一结果须填写预计结束日期。")
    code = next((row["row_code"] for row in rows if row["row_code"]), None)
    if code is None:
        raise stop("双方的答复都没有行码，请用核实表填报本级核定的结果。", 409)
    day: date = today_of(request)
    if day < max(row["found_date"] for row in rows):
        raise stop("双方答复的核实日期晚于今天，暂不能核定。", 409)
    return Decision(row_code=code, reason_code=reason, found_on=day, ends_on=ends, text=text, day=day)
