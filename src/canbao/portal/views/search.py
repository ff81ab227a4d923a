"""Looking somebody up by the whole number or by name; the term stands in no address, no log and no title."""

import re

from starlette.requests import Request
from starlette.responses import Response

from canbao.portal.fields import present
from canbao.portal.page import Stop, account_of, field_of, note, portal_of, render
from canbao.portal.reading import reads
from canbao.portal.scope import require
from canbao.portal.store import Publication

MOST = 50
"""People that one search shows."""

_NUMBER = re.compile(r"[A-Z]?\d{6,18}[\dX]?")


@reads
def form(request: Request, pub: Publication) -> Response:
    """`GET /search`: the form; parameters of the address are not read."""
    del pub
    require(request, "see_people")
    return render(request, "search.html", rows=None, message="", capped=False)


@reads
def find(request: Request, pub: Publication) -> Response:
    """`POST /search`: who fits, within the own division."""
    scope = require(request, "see_people", action="search")
    term = re.sub(r"\s+", "", field_of(request, "term", 60)).upper()
    first, last = scope.range
    first = 0 if scope.level == 1 else first  # the city's own accounts find people without a place in it too
    values = {"t0": first, "t1": last, "size": MOST + 1}
    message = ""
    if _NUMBER.fullmatch(term) and len(term) >= 9:
        _see_budget(request)
        found = pub.rows("search_number", number=term, **values)
        how = "number"
        if not found:
            accounts, downloads = portal_of(request).accounts, portal_of(request).downloads
            accounts.note_search_miss(account_of(request).name, downloads.day())
    elif len(term) >= 2 and not any(sign.isdigit() for sign in term):
        found = pub.rows("search_name", name=term, **values)
        how = "name"
    else:
        found, how, message = [], "none", "请输入完整的证件号码，或者至少两个字的姓名。"
    if not found and not message:
        message = "没有查到。请核对输入；不在本辖区户籍或居住的人查不到。"
    rows = [present(row, "people", scope) | {"person_id": row["person_id"].hex} for row in found[:MOST]]
    note(request, "search", rows=len(rows), how=how, found=[row["person_id"] for row in rows])
    return render(request, "search.html", rows=rows, message=message, capped=len(found) > MOST)


def _see_budget(request: Request) -> None:
    """Refuse who has searched for too many numbers that nobody has.

    Raises:
        Stop: The day's searches are used up; noted, and the bureau is told.
    """
    portal, account = portal_of(request), account_of(request)
    limit = portal.settings.search_misses
    line = f"账号 {account.name} 今日按号码查人有 {limit} 次查无此人，已停用其今日的号码查询。"
    if portal.downloads.within_misses(account, 1, line):
        return
    note(request, "search", outcome="refused", reason="too many misses", limit=limit)
    raise Stop(f"今日按号码查人已有 {limit} 次查无此人，今天不能再按号码查询，请改用姓名。已记入审计日志。", 429)
