"""回收填报: a returned file is uploaded, looked at, confirmed, and seen through to what the next night made of it.

Nothing of a file is stored before whoever sent it has confirmed what would become of each row. The file itself is read
by a process of its own and is gone afterwards.
"""

import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from canbao.errors import UserError
from canbao.home import Home
from canbao.intake.problems import without_numbers
from canbao.loop import receive
from canbao.loop.check import Who, opinion
from canbao.loop.night import taken
from canbao.loop.outcome import outcomes
from canbao.loop.read import limits
from canbao.loop.state import CONFIRMED, WAITING, Loop, Receipt
from canbao.portal.batches import (
    answer_seen,
    holds,
    loop_of,
    outcome_badge,
    people_now,
    reaches,
    sees,
    statement,
)
from canbao.portal.downloads import Busy, come_again, within_quota
from canbao.portal.fields import place
from canbao.portal.loopwork import (
    Desk,
    RefusedOrder,
    confirm_file,
    preview_file,
    who_of,
    write_refused,
)
from canbao.portal.page import (
    Stop,
    account_of,
    failed,
    field_of,
    form_of,
    go,
    note,
    page_number,
    parameters,
    portal_of,
    render,
    wrong_filter,
)
from canbao.portal.reading import decided, reads
from canbao.portal.scope import Scope, refuse, require
from canbao.portal.serials import new_serial
from canbao.portal.store import Publication
from canbao.portal.views.dispatch import (
    desk_of,
    files_of,
    hand_out,
    settings_of,
    taken_line,
    today_of,
)
from canbao.portal.words import code_word

UPLOAD_BYTES = limits.BYTES
"""Largest file that is taken."""

_RECEIPTS = 50
_PER_PAGE = 50
_PROBLEMS = 200
_PIECE = 256 * 1024
_ENDING = re.compile(r"\.[a-z]{1,5}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")
_RECEIPT = re.compile(r"H\d{8}-\d{4,9}")

ROW_STATES = {
    "new": ("good", "✔", "新填"),
    "changed": ("good", "✔", "更改"),
    "same": ("note", "●", "与上次相同"),
    "settled": ("note", "●", "已参保，无需填报"),
    "refused": ("bad", "✖", "退回"),
}
"""What becomes of a returned row: kind of badge, shape, word."""

RECEIPT_STATES = {
    "waiting": ("open", "◇", "待镇审"),
    "confirmed": ("good", "✔", "已提交"),
    "withdrawn": ("note", "○", "已撤回"),
    "returned": ("care", "▲", "镇街退回"),
}
"""States of a receipt, likewise."""


@reads
def show(request: Request, pub: Publication) -> Response:
    """`/feedback`: the form for a file, what waits for one's decision, and the receipts."""
    given = parameters(request, "told")
    return _start(request, require(request, "upload_feedback"), told=given["told"])


def _start(request: Request, scope: Scope, message: str = "", told: str = "", status: int = 200) -> Response:
    loop = loop_of(request)
    waiting = waiting_receipts(request, scope) if scope.can("confirm_returns") else []
    codes = None if scope.level == 1 else [code for code in _returners(request) if holds(scope, code)]
    receipts = loop.receipts(divisions=codes, most=_RECEIPTS)
    return render(
        request, "feedback.html", status, message=message, told=told == "discarded", receipts=receipts,
        waiting=waiting[:_RECEIPTS], waiting_all=len(waiting), states=RECEIPT_STATES, most=_RECEIPTS,
        places={one.receipt_no: place(scope.tree, one.division_code) or "—" for one in (*receipts, *waiting)},
        megabytes=UPLOAD_BYTES >> 20,
    )  # fmt: skip


def waiting_receipts(request: Request, scope: Scope) -> list[Receipt]:
    """What villages returned and a township has not let pass yet (U31), the oldest first."""
    found = loop_of(request).receipts(state=WAITING)
    return [one for one in reversed(found) if holds(scope, one.division_code) and one.account != scope.account]


def _returners(request: Request) -> list[str]:
    """Divisions that returned anything."""
    return [row["division_code"] for row in loop_of(request).ask(statement("returners"))]


# -------------------------------------------------------------------------------------------------- upload, preview


async def upload(request: Request) -> Response:
    """`POST /feedback`: a file comes, is read by a process of its own, and is gone; what it would do is shown next."""

    def decide(one: Request, pub: Publication) -> tuple[Desk, Path, str] | Response:
        scope = require(one, "upload_feedback", action="upload")
        file = form_of(one).get("file")
        if not isinstance(file, UploadFile) or not file.filename or not file.size:
            note(one, "upload", outcome="failed", reason="empty")
            return _start(one, scope, "请先选择要上传的文件。空文件不能上传。", status=400)
        if file.size > UPLOAD_BYTES:
            note(one, "upload", outcome="failed", reason="size")
            return _start(one, scope, f"文件超过 {UPLOAD_BYTES >> 20} MB，未上传。请按村拆开后分别上传。", status=413)
        downloads = portal_of(one).downloads
        ending = Path(file.filename).suffix.lower()
        path = downloads.folder / (downloads.stem() + (ending if _ENDING.fullmatch(ending) else ""))
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
            shutil.copyfileobj(file.file, target, _PIECE)
        return desk_of(one, pub), path, file.filename

    asked = await decided(request, decide)
    if isinstance(asked, Response):
        return asked
    desk, path, name = asked
    try:
        reading = portal_of(request).downloads.read(
            desk.account.name, preview_file, desk, path, name, today_of(request)
        )
        made = await reading
    except Busy:
        return await run_in_threadpool(_busy, request, "upload")
    except UserError as error:
        return await run_in_threadpool(_not_read, request, str(error))
    finally:
        path.unlink(missing_ok=True)

    def noted() -> Response:
        said: dict[str, Any] = {"sheets": made.sheets, "counts": made.counts, "misses": made.misses}
        if not _within_misses(request, made.misses):
            receive.discard(Home(portal_of(request).home), made.token, _who(request))
            note(
                request,
                "upload",
                rows=made.rows,
                target=made.file_name,
                outcome="refused",
                reason="too many misses",
                **said,
            )
            return _start(request, request.state.scope, _TOO_MANY_MISSES.format(made.misses), status=429)
        note(request, "upload", rows=made.rows, target=made.file_name, **said)
        return go(f"/feedback/preview?token={made.token}")

    return await run_in_threadpool(noted)


_TOO_MANY_MISSES = (
    "文件里有 {} 个证件号码在本单位人员中查不到，超过今日可查的次数，未采用，已记入审计日志。"
    "请核对号码，或改用下发表的行码。"
)


def _within_misses(request: Request, misses: int) -> bool:
    """Whether so many numbers of a file that nobody has are within the day's searches; they count as such."""
    if not misses:
        return True
    portal, account = portal_of(request), account_of(request)
    limit = portal.settings.search_misses
    line = f"账号 {account.name} 上传的文件里有 {misses} 个查无此人的证件号码，超过每日 {limit} 次，未采用。"
    within = portal.downloads.within_misses(account, misses, line)
    portal.accounts.note_search_miss(account.name, portal.downloads.day(), misses)
    return within


def _busy(request: Request, action: str, target: str | None = None) -> Response:
    note(request, action, target=target, outcome="failed", reason="busy")
    return come_again(request)


def _not_read(request: Request, message: str) -> Response:
    note(request, "upload", outcome="failed", reason="file")
    return _start(request, request.state.scope, without_numbers(message), status=400)


def _who(request: Request) -> Who:
    return who_of(account_of(request), request.state.scope)


def _seen(request: Request, token: str, action: str) -> receive.Preview:
    """One's own preview.

    Raises:
        NotFound: The name is no name of a preview.
        Stop: It is confirmed, gone, or somebody else's: nobody can tell one of the last two from the other.
    """
    _see_token(request, token, action)
    try:
        return receive.look(Home(portal_of(request).home), token, _who(request))
    except receive.Gone as gone:
        raise _gone(request, action, gone) from None


def _see_token(request: Request, token: str, action: str) -> None:
    require(request, "upload_feedback", action=action)
    if not _TOKEN.fullmatch(token):
        raise refuse(request, action, None, "missing")


def _gone(request: Request, action: str, gone: receive.Gone) -> Stop:
    note(request, action, outcome="refused", reason="missing")
    return Stop(str(gone), 404)


@reads
def preview(request: Request, pub: Publication) -> Response:
    """`/feedback/preview?token=&show=&page=`: what would become of each row; nothing is stored yet."""
    given = parameters(request, "token", "show")
    made = _seen(request, given["token"], "preview_feedback")
    offered = {name: badge[2] for name, badge in ROW_STATES.items()} | {
        "hints": "有提示",
        "conflicting": "与另一方矛盾",
    }
    if given["show"] not in {"", *offered}:
        raise wrong_filter(request, "show", offered)
    return _preview_page(request, made, given["show"], page_number(request))


def _preview_page(
    request: Request, made: receive.Preview, show: str = "", page: int = 1, *, message: str = ""
) -> Response:
    scope: Scope = request.state.scope
    rows = made.rows.with_columns(pl.col("words").str.len_chars().gt(0).alias("says"))
    if show == "hints":
        rows = rows.filter((pl.col("state") != "refused") & pl.col("says"))
    elif show == "conflicting":
        rows = rows.filter("is_conflicting")
    elif show:
        rows = rows.filter(pl.col("state") == show)
    rows = rows.sort((pl.col("state") != "refused").cast(pl.Int8) * 2 - pl.col("says").cast(pl.Int8), "n")
    last = max(1, -(-rows.height // _PER_PAGE))
    page = min(page, last)
    part = rows.slice((page - 1) * _PER_PAGE, _PER_PAGE)
    note(request, "preview_feedback", rows=part.height, target=made.file_name)
    return render(
        request, "preview.html", 409 if message else 200, preview=made, message=message,
        rows=[_preview_row(row) for row in part.iter_rows(named=True)],
        states=ROW_STATES, show=show, page=page, last_page=last, shown=rows.height, expires=made.expires,
        problems=made.problems[:_PROBLEMS], more=max(len(made.problems) - _PROBLEMS, 0),
        village=scope.role == "village" and settings_of(request).township_confirms,
        can_confirm=bool(sum(made.counts[name] for name in ("new", "changed", "same", "settled"))),
        may_take=scope.can("download") and scope.export != "none",
    )  # fmt: skip


def _preview_row(row: Mapping[str, Any]) -> dict[str, Any]:
    said = row["said"] or {}
    reason = f"{row['reason_code']} {code_word('reason_code', row['reason_code'])}" if row["reason_code"] else ""
    return {
        **row,
        "badge": ROW_STATES[row["state"]],
        "reason": reason or said.get("reason") or "",
        "found": row["found_date"] or said.get("found_date") or "",
        "end": row["end_date"] or said.get("end_date") or "",
        "code": row["row_code"] or said.get("row_code") or "",
    }


async def confirm(request: Request) -> Response:
    """`POST /feedback/confirm`: take in what the preview showed, and give a receipt."""

    def decide(one: Request, pub: Publication) -> tuple[Desk, str]:
        token = field_of(one, "token", 40)
        _see_token(one, token, "confirm_feedback")
        return desk_of(one, pub), token

    asked = await decided(request, decide)
    if isinstance(asked, Response):
        return asked
    desk, token = asked
    try:
        made = await portal_of(request).downloads.work(confirm_file, desk, token)
    except Busy:
        return await run_in_threadpool(_busy, request, "confirm_feedback")
    except receive.Changed as changed:
        return await run_in_threadpool(_once_more, request, token, str(changed))
    except receive.Gone as gone:
        raise (await run_in_threadpool(_gone, request, "confirm_feedback", gone)) from None
    except UserError as error:
        raise (await run_in_threadpool(failed, request, "confirm_feedback", error)) from None

    def noted() -> Response:
        note(
            request, "confirm_feedback", target=made.receipt_no, rows=made.accepted, refused=made.refused,
            settled=made.settled, blank=made.blank, state=made.state, division=made.division_code,
        )  # fmt: skip
        return go(f"/feedback/receipt?no={made.receipt_no}")

    return await run_in_threadpool(noted)


def _once_more(request: Request, token: str, message: str) -> Response:
    made = _seen(request, token, "confirm_feedback")
    note(request, "confirm_feedback", target=made.file_name, outcome="failed", reason="changed")
    return _preview_page(request, made, message=message)


@reads
def discard(request: Request, pub: Publication) -> Response:
    """`POST /feedback/discard`: forget a preview."""
    made = _seen(request, field_of(request, "token", 40), "discard_feedback")
    receive.discard(Home(portal_of(request).home), made.token, _who(request))
    note(request, "discard_feedback", target=made.file_name)
    return go("/feedback?told=discarded")


# --------------------------------------------------------------------------------------------------------- receipts


def _asked_receipt(request: Request, capability: str, number: str, action: str) -> Receipt:
    """The receipt that an address or a form names.

    Raises:
        NotFound: There is none, or it is none of the scope; the try is in the audit log.
    """
    scope = require(request, capability, action=action, target=number[:20] or None)
    found = loop_of(request).receipt(number) if number.isascii() and _RECEIPT.fullmatch(number) else None
    if found is None:
        raise refuse(request, action, number[:20] or None, "missing")
    if not reaches(scope, found):
        raise refuse(request, action, number, "division")
    return found


@reads
def receipt(request: Request, pub: Publication) -> Response:
    """`/feedback/receipt?no=H20261122-0001&show=&page=`: what came back, and what the night made of each row."""
    given = parameters(request, "no", "show")
    found = _asked_receipt(request, "upload_feedback", given["no"], "view_receipt")
    offered = {name: badge[2] for name, badge in (ROW_STATES | _OUTCOMES).items()}
    if given["show"] not in {"", *offered}:
        raise wrong_filter(request, "show", offered)
    scope: Scope = request.state.scope
    loop, home = loop_of(request), Home(portal_of(request).home)
    rows = _judged(home, loop, found, pub)
    chosen = [row for row in rows if given["show"] in {"", row["state"], row["outcome"]}]
    last = max(1, -(-len(chosen) // _PER_PAGE))
    page = min(page_number(request), last)
    part = chosen[(page - 1) * _PER_PAGE : page * _PER_PAGE]
    _name(pub, loop, scope, part)
    note(request, "view_receipt", target=found.receipt_no, rows=len(part), page=page)
    counted = {name: sum(row["outcome"] == name for row in rows) for name in _OUTCOMES}
    return render(
        request, "receipt.html", receipt=found, badge=RECEIPT_STATES[found.state], rows=part, shown=len(chosen),
        unit=place(scope.tree, found.division_code) or "—", counted=counted, outcomes=_OUTCOMES, states=ROW_STATES,
        show=given["show"], page=page, last_page=last, as_of=pub.as_of, run_id=pub.run_id,
        may_withdraw=_may_withdraw(home, found, scope), may_decide=_may_decide(found, scope),
        may_take=bool(found.refused) and scope.can("download") and scope.export != "none",
    )  # fmt: skip


_OUTCOMES = {
    "adopted": outcome_badge("adopted"),
    "contradicted": outcome_badge("contradicted"),
    "not_adopted": outcome_badge("not_adopted"),
    "tonight": outcome_badge(None),
}


def _judged(home: Home, loop: Loop, found: Receipt, pub: Publication) -> list[dict[str, Any]]:
    """The rows of a receipt with what the night made of each (`outcome`, `told`)."""
    told = {one["n"]: one for one in outcomes(home, found.receipt_no, pub.folder).iter_rows(named=True)}
    return [
        row | {"outcome": told[row["n"]]["outcome"] or told[row["n"]]["why"], "told": told[row["n"]]["words"] or ""}
        for row in loop.returned_rows(found.receipt_no).iter_rows(named=True)
    ]


def _name(pub: Publication, loop: Loop, scope: Scope, rows: list[dict[str, Any]]) -> None:
    """Put into words what somebody may read of rows: names of people of the own divisions, outcomes, what was wrong."""
    ids = [row["person_id"] for row in rows if row["person_id"]]
    now = people_now(pub, ids, scope.division) if scope.division else {}
    codes = {row["row_code"]: row for row in rows if row["row_code"] and row["batch_no"] is not None}
    sent = loop.sent_rows({row["batch_no"] for row in codes.values()}).filter(pl.col("row_code").is_in(list(codes)))
    names = dict(sent.select("row_code", "psn_name").iter_rows())
    for row in rows:
        person = now.get(row["person_id"] or "")
        mine = sees(scope, person)
        row["name"] = person["psn_name"] if person and mine else names.get(row["row_code"], "")
        row["link"] = row["person_id"] if mine else ""
        row["seen"] = answer_seen(row, scope) if row["division_code"] else {}
        said = json.loads(row["raw"] or "{}").get("said", {})
        row["reason"] = row["seen"].get("reason_code") or said.get("reason") or ""
        row["found"] = row["found_date"] or said.get("found") or ""
        row["badge"] = _OUTCOMES.get(row["outcome"]) or RECEIPT_STATES.get(row["outcome"]) or ROW_STATES[row["state"]]
        hints = opinion(row["checks"] or [], hints=True) if row["state"] != "refused" else ""
        row["told"] = "　".join(part for part in (row["told"], hints) if part)


def _may_withdraw(home: Home, found: Receipt, scope: Scope) -> bool:
    """Whether a receipt can still be taken back: by who sent it or somebody above, until a night took it."""
    if not reaches(scope, found) or not (found.account == scope.account or scope.can("confirm_returns")):
        return False
    return found.state == WAITING or (found.state == CONFIRMED and bool(found.landed) and not taken(home, found.landed))


def _may_decide(found: Receipt, scope: Scope) -> bool:
    return (
        found.state == WAITING
        and scope.can("confirm_returns")
        and found.account != scope.account
        and reaches(scope, found)
    )


@reads
def withdraw(request: Request, pub: Publication) -> Response:
    """`POST /feedback/withdraw`: take a return back, until the next night."""
    found = _asked_receipt(request, "upload_feedback", field_of(request, "no", 20), "withdraw_feedback")
    scope: Scope = request.state.scope
    if found.account != scope.account and not scope.can("confirm_returns"):
        raise refuse(request, "withdraw_feedback", found.receipt_no, "role")
    try:
        done = receive.withdraw(Home(portal_of(request).home), found.receipt_no, _who(request))
    except UserError as error:
        raise failed(request, "withdraw_feedback", error, target=found.receipt_no) from None
    note(request, "withdraw_feedback", target=done.receipt_no, rows=done.accepted, division=done.division_code)
    return go(f"/feedback/receipt?no={done.receipt_no}")


@reads
def decide(request: Request, pub: Publication) -> Response:
    """`POST /feedback/decide`: the township lets a village's return pass, or sends it back (镇审)."""
    found = _asked_receipt(request, "confirm_returns", field_of(request, "no", 20), "decide_feedback")
    scope: Scope = request.state.scope
    do, text = field_of(request, "do"), field_of(request, "note", 200)
    if found.account == scope.account or do not in {"pass", "back"}:
        raise refuse(request, "decide_feedback", found.receipt_no, "own" if do in {"pass", "back"} else "unknown")
    if text != without_numbers(text):
        message = "说明中不能含有证件号码、电话等个人号码，请改写。"
        raise failed(request, "decide_feedback", message, target=found.receipt_no, status=400)
    try:
        done = receive.decide(
            Home(portal_of(request).home), found.receipt_no, _who(request), ok=do == "pass", note=text,
            day=today_of(request),
        )  # fmt: skip
    except UserError as error:
        raise failed(request, "decide_feedback", error, target=found.receipt_no) from None
    note(
        request, "decide_feedback", target=done.receipt_no, rows=done.accepted, reason=done.state,
        division=done.division_code,
    )  # fmt: skip
    return go(f"/feedback/receipt?no={done.receipt_no}")


async def refused(request: Request) -> Response:
    """`/feedback/refused.xlsx?no=|token=`: the refused rows alone, to be corrected and sent again."""

    def ask(one: Request, pub: Publication) -> tuple[RefusedOrder, str]:
        given = parameters(one, "no", "token")
        scope = require(one, "download")
        if scope.export == "none":
            raise refuse(one, "download", given["no"][:20] or None, "export")
        if given["no"]:
            found = _asked_receipt(one, "upload_feedback", given["no"], "download")
            name, rows = found.receipt_no, found.refused
            division = found.division_code or (scope.division.code if scope.division else "")
        else:
            made = _seen(one, given["token"], "download")
            name, rows, division = made.token, made.counts["refused"], scope.division.code if scope.division else ""
        if not rows:
            raise failed(one, "download", "没有退回的行。", target=given["no"] or None, status=404)
        within_quota(one, rows, division)
        serial = new_serial()
        line = taken_line(one, serial, full=False)
        return RefusedOrder(desk_of(one, pub), serial, name, line, **files_of(one)), division

    asked = await decided(request, ask)
    if isinstance(asked, Response):
        return asked
    order, division = asked
    number = order.name if _RECEIPT.fullmatch(order.name) else ""
    return await hand_out(
        request, order, write_refused, f"退回更正_{number}" if number else "退回更正", division=division,
        title=f"退回更正 {number}".strip(), what={"kind": "refused", "receipt": number}, full=False,
    )  # fmt: skip
