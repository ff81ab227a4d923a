"""The own division at a glance: main figures on both bases, what changed, what waits, whether the data may be used."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from canbao.home import Home
from canbao.loop.state import Loop
from canbao.portal.batches import loop_of, page_of
from canbao.portal.divisions import Division
from canbao.portal.lists import ListQuery, by_priority
from canbao.portal.page import portal_of, render
from canbao.portal.reading import asked_division, reads
from canbao.portal.scope import Scope
from canbao.portal.store import Publication
from canbao.portal.views.dispatch import settings_of, today_of
from canbao.portal.views.disputes import people_of
from canbao.portal.views.feedback import waiting_receipts
from canbao.portal.views.ledger import cells, layout_for
from canbao.portal.words import words

_MAIN = (
    "registered", "resident", "should_be_insured", "insured", "insured_staff", "insured_resident", "insured_elsewhere",
    "attached_newborn", "uninsured", "uninsured_never", "uninsured_lapsed", "uninsured_stopped", "uninsured_unpaid",
    "separated_uninsured", "insured_rate", "duplicate_persons", "waiting_persons", "target_persons",
)  # fmt: skip
_EXPLAINED = ("should_be_insured", "insured", "uninsured")


@reads
def show(request: Request, pub: Publication) -> Response:
    """`/`: the division of the account."""
    scope, division, code = asked_division(request, "see_ledger", "")
    layout = layout_for(pub, scope.role)
    columns = [column for column in layout.columns if column.key in _MAIN]
    columns.sort(key=lambda column: _MAIN.index(column.key))
    figures = {}
    for basis in layout.bases:
        own = pub.rows("ledger_own", basis=basis.code, tree=division.first)
        values = {row["measure"]: row["value"] for row in own}
        figures[basis.code] = {cell.key: cell for cell in cells(columns, values, code, basis.code)}
    waiting = []
    if scope.can("see_people"):
        for title, kind, filters in (
            *((("优先级 1 的未参保人员", "uninsured", {"priority": "1"}),) if by_priority(scope) else ()),
            ("尚无核实结果的未参保人员", "uninsured", {"feedback": "no"}),
            ("人户分离的未参保人员", "uninsured", {"separated": "yes"}),
            *((("由本区县处理的重复参保", "duplicates", {"part": "act"}),) if division.level <= 2 else ()),
        ):
            query = ListQuery.of(kind, code, "", filters, scope)
            waiting.append((title, query.count(pub), f"/{kind}", query.address()))
    waiting += _loop(request, pub, scope, division)
    since = None
    if pub.previous and scope.can("see_people"):
        new = ListQuery.of("uninsured", code, "", {"since": "new"}, scope)
        gone = ListQuery.of("uninsured", code, "", {"since": "closed"}, scope)
        now = ListQuery.of("uninsured", code, "", {}, scope).count(pub)
        came, went = new.count(pub), gone.counts(pub)
        since = {
            "was": now - came + went["rows"], "now": now, "new": came, "closed": went["rows"],
            "causes": {part: rows for part, rows in went.items() if part not in ("rows", "persons", "None")},
        }  # fmt: skip
    return render(
        request,
        "home.html",
        division=division,
        code=code,
        columns=columns,
        bases=layout.bases,
        figures=figures,
        waiting=waiting,
        since=since,
        bridge=_bridge(pub, division.first),
        explained=_EXPLAINED,
        verdicts=pub.verdicts,
        as_of=pub.as_of,
        words=words(),
        children=scope.tree.children(division.code),
    )


def _loop(request: Request, pub: Publication, scope: Scope, division: Division) -> list[tuple[str, int, str, Any]]:
    """What waits in the loop with the villages, once anything was dispatched."""
    if not scope.can("see_batches") or not Loop.begun(Home(portal_of(request).home)):
        return []
    loop = loop_of(request)
    if division.level > 1:  # of the moment; of the whole city as of the last night, there are too many to count
        _, missing, _ = page_of(
            loop, pub, scope, division, show="missing", page=1, today=today_of(request), alone=False
        )
    else:
        rows = pub.rows("batch_sums", t0=division.first, t1=division.last)
        missing = sum(row["outstanding"] > 0 for row in rows)
    found: list[tuple[str, int, str, Any]] = [("未回齐的核实名单", missing, "/dispatch", {"show": "missing"})]
    if scope.can("confirm_returns") and settings_of(request).township_confirms:
        found.append(("待审核的回执", len(waiting_receipts(request, scope)), "/feedback", {}))
    if scope.can("settle_disputes"):
        first, last = scope.range
        found.append(("待核定的答复分歧", len(people_of(pub, first, last)), "/disputes", {}))
    return found


def _bridge(pub: Publication, tree: int) -> dict[str, dict[str, dict[str, int]]]:
    """Basis to measure to cause to difference, with `previous` and `value`; for the city and its districts only."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for row in pub.rows("bridge_own", tree=tree):
        one = found.setdefault(row["basis"], {}).setdefault(
            row["measure"], {"previous": row["previous"], "value": row["value"]}
        )
        if row["delta"]:
            one[row["cause"]] = one.get(row["cause"], 0) + row["delta"]
    return found
