"""下发与核实: batches that went out, what came back of them, their sheets, and sending out new ones."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from canbao.clock import ZONE
from canbao.errors import UserError
from canbao.home import Home
from canbao.loop.dispatch import LEVELS, NEVER_ANSWERED, Filters, due_date
from canbao.loop.state import LIST, OPEN, ZERO, Batch
from canbao.portal.batches import (
    PAGE_BATCHES,
    PAGE_ROWS,
    SHOWS,
    asked_batch,
    children_of,
    loop_of,
    page_of,
    rows_of,
    state_of,
)
from canbao.portal.divisions import Division
from canbao.portal.downloads import RETRY_AFTER, Busy, Done, come_again, hand_over, within_quota
from canbao.portal.fields import place
from canbao.portal.listfile import Written
from canbao.portal.lists import by_priority, feedback_choices, tag_choices
from canbao.portal.loopwork import SHEET, VISIT, Desk, SheetOrder, Wanted, plan, send_out, write_batch
from canbao.portal.page import (
    Stop,
    account_of,
    failed,
    field_of,
    go,
    note,
    page_number,
    parameters,
    portal_of,
    render,
    when,
    wrong_filter,
)
from canbao.portal.reading import asked_division, decided, reads
from canbao.portal.register import Download
from canbao.portal.scope import Scope, refuse, require
from canbao.portal.serials import new_serial
from canbao.portal.store import Publication
from canbao.portal.words import words
from canbao.settings import Settings, load_settings

_TOLD = ("sent",)
_SHOWN = 200
_LONGEST = 366


def today_of(request: Request) -> date:
    """The day in China."""
    return portal_of(request).clock().astimezone(ZONE).date()


def settings_of(request: Request) -> Settings:
    """The installation's settings, as they stand now."""
    return load_settings(portal_of(request).home / "canbao.toml")


def desk_of(request: Request, pub: Publication) -> Desk:
    """What a task of another process needs to know."""
    portal = portal_of(request)
    return Desk(portal.home, pub.folder, pub.index_file, account_of(request), portal.clock())


@reads
def show(request: Request, pub: Publication) -> Response:
    """`/dispatch?division=&show=&page=`: the batches of a division and of what lies in it."""
    given = parameters(request, "division", "show", "told")
    scope, division, code = asked_division(request, "see_batches", given["division"])
    if given["show"] not in SHOWS:
        raise wrong_filter(request, "show", SHOWS)
    loop, today = loop_of(request), today_of(request)
    number = page_number(request)
    alone = code.endswith("-")
    found, total, people = page_of(
        loop, pub, scope, division, show=given["show"], page=number, today=today, alone=alone
    )
    last = max(1, -(-total // PAGE_BATCHES))
    if number > last:
        number = last
        found, total, people = page_of(
            loop, pub, scope, division, show=given["show"], page=number, today=today, alone=alone
        )
    return render(
        request,
        "dispatch.html",
        division=division,
        code=code,
        above=[(one, scope.may_see_division(one.code)) for one in scope.tree.path(division.code)],
        children=[] if alone else children_of(scope.tree, division),
        batches=found,
        total=total,
        people=people,
        show=given["show"],
        shows=SHOWS,
        sums=_sums(pub, division) if not alone else [],
        page=number,
        last_page=last,
        today=today,
        as_of=pub.as_of,
        told=given["told"] if given["told"] in _TOLD else "",
        may_dispatch=scope.can("dispatch") and division.level < 4,
        form=dispatch_form(request, scope, division, {}),
    )


def _sums(pub: Publication, division: Division) -> list[dict[str, Any]]:
    """What the last night counted, by the divisions right below, in the order of the tree; the whole first."""
    rows = pub.rows("batch_sums", t0=division.first, t1=division.last)
    tree = pub.tree
    below = tree.children(division.code)
    names = (
        "dispatched",
        "returned",
        "outstanding",
        "overdue",
        "adopted",
        "contradicted",
        "not_adopted",
        "enrolled_since",
    )
    found = []
    for one in [division, *below]:
        own = [row for row in rows if one.first <= row["tree"] <= one.last]
        if own:
            sums = {name: sum(row[name] for row in own) for name in names}
            zeros = [row for row in own if row["kind"] == ZERO]
            sums |= {"lists": len(own) - len(zeros), "zeros": len(zeros)}
            found.append({"division": one, **sums, "confirmed": sum(row["zero_confirmed"] for row in zeros)})
    return found


# ------------------------------------------------------------------------------------------------------- one batch


@reads
def batch(request: Request, pub: Publication) -> Response:
    """`/dispatch/batch?id=P000123&show=&page=`: whom a batch asks about, and what became of each."""
    given = parameters(request, "id", "show")
    found = asked_batch(request, "see_batches", given["id"])
    if given["show"] not in ("", "missing"):
        raise wrong_filter(request, "show", {"missing": "未回收"})
    scope: Scope = request.state.scope
    loop, today = loop_of(request), today_of(request)
    number = page_number(request)
    rows, total = rows_of(loop, pub, scope, found, page=number, show=given["show"], today=today)
    last = max(1, -(-total // PAGE_ROWS))
    if number > last:
        number = last
        rows, total = rows_of(loop, pub, scope, found, page=number, show=given["show"], today=today)
    answered = loop.answered_counts([found.batch_no]).get(found.batch_no, 0)
    night = next(iter(pub.rows("batches_of", ids=[found.batch_id])), {})
    note(request, "view_batch", target=found.batch_id, rows=len(rows), page=number, division=found.division_code)
    return render(
        request,
        "batch.html",
        batch=found,
        place=place(scope.tree, found.division_code) or found.division_name,
        state=state_of(found, answered, today, night, pub.as_of),
        answered=answered,
        rows=rows,
        total=total,
        first=(number - 1) * PAGE_ROWS,
        show=given["show"],
        page=number,
        last_page=last,
        night=night,
        as_of=pub.as_of,
        today=today,
        may_recall=found.state == OPEN and may_recall(request, found),
        may_confirm=found.state == OPEN
        and found.kind == ZERO
        and found.zero_at is None
        and scope.can("upload_feedback"),
        may_take=scope.can("download") and scope.export != "none",
        full=_full(request, found),
        words=words(),
    )


def may_recall(request: Request, found: Batch) -> bool:
    """Whether somebody may take a batch back: whoever could have sent it; not who was sent it from above."""
    scope: Scope = request.state.scope
    made = loop_of(request).round(found.round_no)
    return scope.can("dispatch") and made is not None and scope.may_see_division(made.by_division)


def zero(request: Request) -> Response:
    """`POST /dispatch/zero`: a division confirms that nobody of it is to be asked about (零报告)."""
    found = asked_batch(request, "upload_feedback", field_of(request, "id", 20), action="zero_report")
    try:
        loop_of(request).confirm_zero(found.batch_no, account_of(request).name)
    except UserError as error:
        raise failed(request, "zero_report", error, target=found.batch_id) from None
    note(request, "zero_report", target=found.batch_id, division=found.division_code)
    return go(f"/dispatch/batch?id={found.batch_id}")


def recall(request: Request) -> Response:
    """`POST /dispatch/recall`: a batch is taken back."""
    found = asked_batch(request, "dispatch", field_of(request, "id", 20), action="recall")
    if not may_recall(request, found):
        raise refuse(request, "recall", found.batch_id, "division")
    try:
        loop_of(request).recall(found.batch_no, account_of(request).name)
    except UserError as error:
        raise failed(request, "recall", error, target=found.batch_id) from None
    note(request, "recall", target=found.batch_id, rows=found.rows, division=found.division_code)
    return go(f"/dispatch/batch?id={found.batch_id}")


# ------------------------------------------------------------------------------------------------------ sending out

_FORM = (
    "division", "level", "reason", "group", "priority_to", "age_from", "age_to", "answer", "separated", "role", "due",
)  # fmt: skip
_BACKS = {"": "全部", NEVER_ANSWERED: "尚无核实"}
_SIDES = {"": "户籍地和居住地", "household": "只发户籍地", "residence": "只发居住地"}


def dispatch_form(request: Request, scope: Scope, division: Division, given: dict[str, str]) -> dict[str, Any]:
    """What the form for a dispatch offers, and what was given."""
    levels = {str(level): said for level, said in LEVELS.items() if level >= division.level}
    due = due_date(Home(portal_of(request).home), today_of(request)).isoformat()
    return {
        "divisions": [(division.code, division.name), *children_of(scope.tree, division)],
        "levels": dict(reversed(levels.items())),
        "reasons": words()["reason"],
        "groups": tag_choices(scope),
        "priorities": by_priority(scope),
        "answers": _BACKS | {code: name for code, name in feedback_choices(scope).items() if code not in {"no", "yes"}},
        "sides": _SIDES,
        "given": dict.fromkeys(_FORM, "") | {"division": division.code, "level": "4", "due": due} | given,
    }


def _wanted(request: Request, scope: Scope) -> tuple[Wanted, date, dict[str, str], Division]:
    """The dispatch that a form asks for.

    Raises:
        NotFound: The division is not in the scope, or a choice is not one of the role.
        Stop: A date or an age that is none.
    """
    given = {name: field_of(request, name, 20) for name in _FORM}
    _, division, code = asked_division(request, "dispatch", given["division"])
    offered = dispatch_form(request, scope, division, given)
    choices = {
        "level": offered["levels"], "reason": {"": "", **offered["reasons"]}, "group": {"": "", **offered["groups"]},
        "answer": offered["answers"], "separated": ("", "yes", "no"), "role": offered["sides"],
        "priority_to": ("", *"123456789") if offered["priorities"] else ("",),
    }  # fmt: skip
    wrong = [name for name, known in choices.items() if given[name] not in known]
    if wrong or code.endswith("-"):
        raise refuse(request, "dispatch", given["division"], "unknown", parameter=(wrong or ["division"])[0])
    ages = [given["age_from"], given["age_to"]]
    if any(one and not re.fullmatch(r"[0-9]{1,3}", one) for one in ages):
        raise failed(request, "dispatch", "年龄请填 0 至 999 的整数。", target=division.code, status=400)
    day = today_of(request)
    due = parsed_day(given["due"])
    if due is None or due < day or (due - day).days > _LONGEST:
        usual = due_date(Home(portal_of(request).home), day)
        message = f"回复期限请填今天（{day}）起 {_LONGEST} 天以内的日期，如 {usual}。"
        raise failed(request, "dispatch", message, target=division.code, status=400)
    filters = Filters(
        reasons=(given["reason"],) if given["reason"] else (),
        tags=(given["group"],) if given["group"] else (),
        age_from=int(ages[0]) if ages[0] else None,
        age_to=int(ages[1]) if ages[1] else None,
        priority_to=int(given["priority_to"]) if given["priority_to"] else None,
        answers=(given["answer"],) if given["answer"] else (),
        role=given["role"],
        separated=None if not given["separated"] else given["separated"] == "yes",
    )
    return Wanted(division.code, int(given["level"]), filters, day), due, given, division


def parsed_day(text: str) -> date | None:
    """A day as a form sends it; None for anything else."""
    try:
        return date.fromisoformat(text) if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) else None
    except ValueError:
        return None


async def work(
    request: Request, task: Callable[..., Done], *arguments: Any, action: str, target: str | None = None
) -> Done:
    """Have something done by a process of its own.

    Args:
        request: The request.
        task: See `Downloads.work`.
        arguments: Of the task.
        action: How the audit log calls it, where it comes to nothing.
        target: What it is done to.

    Raises:
        Stop: It was refused, or too much waits already; the message says what to do.
    """
    said: Exception | str
    try:
        return await portal_of(request).downloads.work(task, *arguments)
    except Busy:
        said, status = f"此刻等待的人太多，请 {RETRY_AFTER} 秒后再试。", 503
    except Stop as stop:
        said, status = stop, stop.status
    except UserError as error:
        said, status = error, 409
    raise await run_in_threadpool(failed, request, action, said, target=target, status=status)


def _dispatch(request: Request, pub: Publication) -> tuple[Desk, Wanted, date, dict[str, str], Division]:
    """Who asks for which dispatch, with what the form held."""
    return desk_of(request, pub), *_wanted(request, require(request, "dispatch"))


async def plan_page(request: Request) -> Response:
    """`POST /dispatch/plan`: what would go out; nothing is stored."""
    asked = await decided(request, _dispatch)
    if isinstance(asked, Response):
        return asked
    desk, wanted, due, given, division = asked
    made = await work(request, plan, desk, wanted, action="plan_dispatch", target=wanted.division_code)

    def shown() -> Response:
        scope: Scope = request.state.scope
        lists = [one for one in made.batches if one.kind == LIST]
        return render(
            request, "dispatch_plan.html", plan=made, due=due, given=given, division=division, level=LEVELS[made.level],
            lists=lists[:_SHOWN], zeros=made.zeros, more=max(len(lists) - _SHOWN, 0), said=_said(given, scope),
        )  # fmt: skip

    return await run_in_threadpool(shown)


def _said(given: Mapping[str, str], scope: Scope) -> str:
    """The filters in words."""
    said = [
        f"原因：{words()['reason'].get(given['reason'], '')}" if given["reason"] else "",
        f"重点人群：{tag_choices(scope).get(given['group'], '')}" if given["group"] else "",
        f"优先级 1 至 {given['priority_to']}" if given["priority_to"] else "",
        f"年龄从 {given['age_from']}" if given["age_from"] else "",
        f"年龄至 {given['age_to']}" if given["age_to"] else "",
        f"核实结果：{(_BACKS | feedback_choices(scope)).get(given['answer'], '')}" if given["answer"] else "",
        {"yes": "人户分离", "no": "人户一致"}.get(given["separated"], ""),
        _SIDES[given["role"]] if given["role"] else "",
    ]
    return "；".join(one for one in said if one) or "全部未参保人员"


async def send_page(request: Request) -> Response:
    """`POST /dispatch/send`: what was shown goes out."""
    asked = await decided(request, _dispatch)
    if isinstance(asked, Response):
        return asked
    desk, wanted, due, _, _ = asked
    mark = field_of(request, "mark", 20)
    made = await work(request, send_out, desk, wanted, due, mark, action="dispatch", target=wanted.division_code)

    def noted() -> Response:
        note(
            request, "dispatch", target=wanted.division_code, rows=made.rows, round=made.round_no, batches=made.batches,
            level=made.level, due=due.isoformat(), filters=wanted.filters.as_json(), publication=made.publication,
        )  # fmt: skip
        return go(f"/dispatch?division={wanted.division_code}&told=sent")

    return await run_in_threadpool(noted)


# ---------------------------------------------------------------------------------------------------------- sheets


async def sheet(request: Request) -> Response:
    """`/dispatch/sheet.xlsx?id=`: the answer workbook of a batch, or its zero report."""
    return await _sheet(request, SHEET)


async def visit(request: Request) -> Response:
    """`/dispatch/visit.xlsx?id=`: the visiting sheet for paper."""
    return await _sheet(request, VISIT)


def _full(request: Request, found: Batch) -> bool:
    """Whether the sheet has numbers in full: where the bureau wants it, for the village or township it went to."""
    scope: Scope = request.state.scope
    own = scope.tree.place(found.division_code)
    addressed = own is not None and scope.division is not None and own.code == scope.division.code and scope.level >= 3
    return addressed and settings_of(request).full_numbers


async def _sheet(request: Request, kind: str) -> Response:
    def decide(one: Request, pub: Publication) -> tuple[SheetOrder, Batch]:
        found = asked_batch(one, "download", parameters(one, "id")["id"], action="download")
        if one.state.scope.export == "none":
            raise refuse(one, "download", found.batch_id, "export")
        if found.state != OPEN:
            raise failed(one, "download", "这个批次已经收回，不再提供下载。", target=found.batch_id)
        if kind == VISIT and found.kind != LIST:
            raise refuse(one, "download", found.batch_id, "missing")
        within_quota(one, found.rows, found.division_code)
        return _order(one, pub, found, kind), found

    asked = await decided(request, decide)
    if isinstance(asked, Response):
        return asked
    order, found = asked
    name = {SHEET: "零报告" if found.kind == ZERO else "核实名单", VISIT: "入户核实表"}[kind]
    return await hand_out(
        request, order, write_batch, f"{found.batch_id}_{found.division_name}_{name}",
        division=found.division_code, title=f"{found.division_name} {name} {found.batch_id}",
        what={"kind": f"batch_{kind}", "batch": found.batch_id}, full=order.full,
    )  # fmt: skip


def _order(request: Request, pub: Publication, found: Batch, kind: str) -> SheetOrder:
    serial = new_serial()
    full = kind == SHEET and _full(request, found)
    return SheetOrder(
        desk=desk_of(request, pub), serial=serial, kind=kind, batch_no=found.batch_no, full=full,
        line=taken_line(request, serial, full=full), **files_of(request),
    )  # fmt: skip


def taken_line(request: Request, serial: str, *, full: bool) -> str:
    """Who takes a sheet and when, as it stands in it."""
    portal, scope = portal_of(request), request.state.scope
    unit = place(scope.tree, scope.division.code) if scope.division else ""
    who = portal.downloads.who(account_of(request), unit)
    level = "含完整号码" if full else "号码已打码"
    return f"编号：{serial}　{level}　下载：{who}　{when(portal.clock())}　仅限本人履行职责使用，不得转发，用后销毁。"


def files_of(request: Request) -> dict[str, Any]:
    """Where a sheet is written, and what its rows are remembered with."""
    downloads = portal_of(request).downloads
    stem = downloads.stem()
    return {
        "secret": downloads.secret,
        "target": downloads.folder / f"{stem}.xlsx",
        "kept": downloads.folder / f"{stem}.parquet",
    }


async def hand_out(
    request: Request,
    order: Any,
    task: Any,
    name: str,
    *,
    division: str,
    title: str,
    what: Mapping[str, Any],
    full: bool,
) -> Response:
    """Have a sheet written, then counted and noted, then sent.

    Args:
        request: The request; whoever sent it may have the sheet.
        order: What to write.
        task: Function that writes it and gives a `Written`.
        name: What the browser calls the file, without ending.
        division: Whose people are in it.
        title: What it is, for the list of downloads.
        what: The same for the audit log.
        full: Numbers in full.
    """
    downloads = portal_of(request).downloads

    def discard() -> None:
        downloads.discard(order)

    try:
        written: Written = await downloads.work(task, order, discard=discard)
    except Busy:
        return await run_in_threadpool(come_again, request)
    except UserError as error:
        raise (await run_in_threadpool(failed, request, "download", error, target=division)) from None

    def send() -> Response:
        portal, account, scope = portal_of(request), account_of(request), request.state.scope
        download = Download(
            serial=order.serial, at=portal.clock().timestamp(), day=downloads.day(), account=account.name,
            holder=account.holder, role=account.role, division=account.division,
            unit=place(scope.tree, scope.division.code) if scope.division else "",
            list=json.dumps({**what, "division": division}, ensure_ascii=False), title=title, filters="全部",
            publication=f"{order.desk.folder.parent.name}/{order.desk.folder.name}", form="xlsx", part=1, parts=1,
            row_count=written.rows, byte_count=written.bytes, level="full" if full else "masked",
        )  # fmt: skip
        return hand_over(request, order, download, f"{name}_{order.serial}", division, list=what["kind"],
                         **{key: value for key, value in what.items() if key != "kind"})  # fmt: skip

    try:
        return await run_in_threadpool(send)
    except BaseException:
        discard()
        raise
