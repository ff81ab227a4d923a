"""Lists as files, one's own downloads, and full numbers: with a reason, and by two people where they are many."""

import csv
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from canbao.errors import UserError
from canbao.paths import package_dir
from canbao.portal.downloads import Wish, deliver, within_quota
from canbao.portal.fields import place
from canbao.portal.listfile import Order
from canbao.portal.lists import KINDS, FilterError, ListQuery
from canbao.portal.page import (
    Stop,
    account_of,
    field_of,
    go,
    note,
    parameters,
    portal_of,
    render,
    step_up,
    wrong_filter,
)
from canbao.portal.reading import decided, reads, wrong_parameter
from canbao.portal.register import HOURS, query_of, query_text
from canbao.portal.register import Request as Wanted
from canbao.portal.scope import Scope, refuse, require
from canbao.portal.serials import new_serial, plain_serial
from canbao.portal.store import Publication
from canbao.portal.views.people import asked_list
from canbao.portal.words import words
from canbao.quality.personal import refuse_numbers

FORMS = ("xlsx", "csv")
_NOTE = 200
Handler = Callable[[Request], Awaitable[Response]]


def _file(kind: str, form: str) -> Handler:
    """A handler that answers with a list as a file, masked."""

    async def answer(request: Request) -> Response:
        return await _ordered(request, lambda one, pub: _masked(one, pub, kind, form))

    return answer


people_xlsx, people_csv = _file("people", "xlsx"), _file("people", "csv")
uninsured_xlsx, uninsured_csv = _file("uninsured", "xlsx"), _file("uninsured", "csv")
duplicates_xlsx, duplicates_csv = _file("duplicates", "xlsx"), _file("duplicates", "csv")


async def _ordered(request: Request, ask: Callable[[Request, Publication], tuple[Order, Wish] | Response]) -> Response:
    """Decide in a thread, write in a process, send."""
    asked = await decided(request, ask)
    if isinstance(asked, Response):
        return asked
    return await deliver(request, *asked)


def _unit(scope: Scope) -> str:
    return place(scope.tree, scope.division.code) if scope.division else ""


def _may_export(request: Request, kind: str, capability: str) -> ListQuery:
    """The list that is asked for, by somebody who may have it as a file."""
    _see_right(request, kind, capability)
    return asked_list(request, kind, capability)


def _see_right(request: Request, kind: str, capability: str) -> None:
    """Refuse who may not have a list as a file: the right to see is not the right to take."""
    scope: Scope = request.state.scope
    wanted = ("full",) if capability == "download_full" else ("masked", "full")
    if scope.export not in wanted:
        raise refuse(request, capability, request.query_params.get("division"), "export", list=kind)


def _part(request: Request, rows: int) -> tuple[int, int]:
    """The part of a long list that is asked for, and its rows."""
    text = parameters(request, "file")["file"] or "1"
    downloads = portal_of(request).downloads
    parts = downloads.parts(rows)
    if not (text.isascii() and text.isdecimal()) or len(text) > 4 or not 1 <= int(text) <= parts:
        raise wrong_filter(request, "file", rule="1" if parts == 1 else f" 1 至 {parts} 的整数")
    part = int(text)
    return part, min(downloads.part_rows, rows - (part - 1) * downloads.part_rows)


def _masked(request: Request, pub: Publication, kind: str, form: str) -> tuple[Order, Wish]:
    query = _may_export(request, kind, "download")
    part, rows = _part(request, query.count(pub))
    within_quota(request, rows, query.division)
    return _order(request, pub, Wish(query, form, part))


def _order(request: Request, pub: Publication, wish: Wish) -> tuple[Order, Wish]:
    return portal_of(request).downloads.order(pub, account_of(request), _unit(request.state.scope), wish), wish


@lru_cache
def reasons() -> dict[str, str]:
    """What full numbers are needed for: code to word."""
    with (package_dir("portal") / "download_reasons.csv").open(encoding="utf-8", newline="") as file:
        return {row["code"]: row["word"] for row in csv.DictReader(file)}


async def full(request: Request) -> Response:
    """`/downloads/full?list=&division=&…`: the form for full numbers, and what it sends."""
    return await _ordered(request, _full)


def _full(request: Request, pub: Publication) -> tuple[Order, Wish] | Response:
    kind = parameters(request, "list")["list"]
    if kind not in KINDS or kind == "closed":
        _see_right(request, kind[:20], "download_full")
        raise wrong_filter(request, "list", words()["filter_list"])
    query = _may_export(request, kind, "download_full")
    part, rows = _part(request, query.count(pub))
    portal, account = portal_of(request), account_of(request)
    downloads = portal.downloads
    alone = portal.settings.approve_above - downloads.register.full_rows(account.name, downloads.day())
    shown: dict[str, Any] = {
        "query": query, "heading": query.title(request.state.scope.tree), "rows": rows, "part": part, "list_kind": kind,
        "left": portal.accounts.rows_left(account, downloads.day()), "alone": max(alone, 0), "two": rows > alone,
        "threshold": portal.settings.approve_above, "reasons": reasons(), "hours": HOURS,
        "has_factor": account.second_factor,
    }  # fmt: skip
    if request.method != "POST":
        return render(
            request, "download_full.html", 200, **shown, message="", given={"reason": "", "note": "", "form": ""}
        )
    given = {
        "reason": field_of(request, "reason"),
        "note": field_of(request, "note", 2000),
        "form": field_of(request, "form"),
    }
    reason, message = _reason(given["reason"], given["note"])
    why = "no format" if not message else "note" if given["note"] else "no reason"
    if given["form"] not in FORMS:
        message += "请选择文件格式。"
    if message:
        note(request, "download_full", rows=rows, outcome="refused", reason=why)
        return render(request, "download_full.html", 400, **shown, message=message, given=given)
    within_quota(request, rows, query.division)
    step_up(request)
    if rows <= alone:
        return _order(request, pub, Wish(query, given["form"], part, full=True, reason=reason))
    wanted = Wanted(
        request_id=new_serial(),
        at=portal.clock().timestamp(),
        account=account.name,
        holder=account.holder,
        division=account.division,
        unit=_unit(request.state.scope),
        list=query_text(query),
        title=query.title(request.state.scope.tree),
        filters=query.filter_text(),
        form=given["form"],
        part=part,
        row_count=rows,
        reason=reason,
    )
    note(
        request, "ask_full", target=wanted.request_id, rows=rows, reason=reason,
        list=query.kind, division=query.division, basis=query.basis, filters=dict(query.filters),
    )  # fmt: skip
    downloads.register.ask(wanted)
    return go("/downloads?told=asked")


def _reason(code: str, text: str) -> tuple[str, str]:
    """The reason in words, or what is wrong with it."""
    known = reasons().get(code)
    if known is None:
        return "", "请选择用途。"
    if len(text) > _NOTE:
        return "", f"说明最多 {_NOTE} 字。"
    if not text:
        return known, "请写明用途。" if code == "other" else ""
    try:
        return f"{known}：{refuse_numbers(text, '说明')}", ""
    except UserError:
        return "", "说明中不能含有证件号码、电话等个人号码，请改写。"


@reads
def show(request: Request, pub: Publication) -> Response:
    """`/downloads`: what one has taken, what one has asked for, and what waits for one's approval."""
    portal, account = portal_of(request), account_of(request)
    scope = require(request, "download")
    register, now = portal.downloads.register, portal.clock().timestamp()
    told = parameters(request, "told")["told"]
    return render(
        request,
        "downloads.html",
        told=told if told in {"asked", "approved", "declined"} else "",
        mine=register.of_account(account.name),
        asked=[(one, one.now(now)) for one in register.requests_of(account.name)],
        waiting=[one for one in register.waiting(now - HOURS * 3600) if _may_decide(scope, account.name, one)],
        left=portal.accounts.rows_left(account, portal.downloads.day()),
        hours=HOURS,
    )


def _may_decide(scope: Scope, name: str, wanted: Wanted) -> bool:
    """Whether somebody is the second person: another one, of the same or a higher division, who may have the list."""
    return (
        wanted.account != name
        and scope.can("approve_full")
        and scope.export == "full"
        and scope.may_see_division(wanted.division)
        and scope.may_see_division(query_of(wanted.list).division)
    )


def _wanted(request: Request, action: str) -> Wanted:
    """The request that a form names, as long as it is not over."""
    given = plain_serial(field_of(request, "id", 40)) or ""
    found = portal_of(request).downloads.register.request(given) if given else None
    if found is None:
        raise refuse(request, action, given or None, "unknown")
    return found


def decide(request: Request) -> Response:
    """`/downloads/decide`: the second person approves or declines."""
    portal, account = portal_of(request), account_of(request)
    wanted, do = _wanted(request, "approve_full"), field_of(request, "do")
    if not _may_decide(require(request, "approve_full"), account.name, wanted):
        raise refuse(request, "approve_full", wanted.request_id, "scope")
    if do not in {"approve", "decline"}:
        raise refuse(request, "approve_full", wanted.request_id, "unknown")
    now = portal.clock().timestamp()
    if wanted.now(now) != "waiting":
        raise Stop("这项申请已经办结或已过期。", 409)
    step_up(request)
    state = "approved" if do == "approve" else "declined"

    def journal() -> Any:
        return note(
            request, "approve_full", target=wanted.request_id, rows=wanted.row_count,
            outcome="ok", reason=state, asked_by=wanted.account,
        )  # fmt: skip

    if not portal.downloads.register.decide(wanted.request_id, state, account.name, now, journal):
        raise Stop("这项申请已经办结。", 409)
    return go(f"/downloads?told={state}")


async def collect(request: Request) -> Response:
    """`/downloads/collect`: take what a second person approved."""
    return await _ordered(request, _collect)


def _collect(request: Request, pub: Publication) -> tuple[Order, Wish] | Response:
    portal, account = portal_of(request), account_of(request)
    wanted = _wanted(request, "download_full")
    scope: Scope = request.state.scope
    if wanted.account != account.name or scope.export != "full":
        raise refuse(request, "download_full", wanted.request_id, "scope")
    asked = query_of(wanted.list)
    require(request, "download_full", division=asked.division, target=wanted.request_id)
    try:  # what the role may filter by is decided anew
        query = ListQuery.of(asked.kind, asked.division, asked.basis, asked.filters, scope)
    except FilterError as error:
        raise wrong_parameter(request, error) from None
    if wanted.now(portal.clock().timestamp()) != "approved":
        raise Stop("这项申请尚未批准、已经用过或已过期。", 409)
    rows = min(portal.downloads.part_rows, query.count(pub) - (wanted.part - 1) * portal.downloads.part_rows)
    if rows < 0:
        raise Stop("名单已更新，没有这一部分了。请重新申请。", 409)
    within_quota(request, rows, query.division)
    step_up(request)
    wish = Wish(
        query, wanted.form, wanted.part, full=True, reason=wanted.reason,
        request_id=wanted.request_id, approved_by=wanted.decided_by, most=wanted.row_count,
    )  # fmt: skip
    return _order(request, pub, wish)
