"""Accounts: made and closed by the system administrator, given their rights by the security administrator.

Neither can do the other's part, and every change needs the second factor at that moment (等保 三员分立).
"""

from functools import partial
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from canbao.errors import UserError
from canbao.portal.accounts import Account, division_fault, plain_name, temporary_password
from canbao.portal.divisions import full_code
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
    scope_of,
    step_up,
)
from canbao.portal.scope import ADMIN_ROLES, EXPORTS, PEOPLE_ROLES, ROLES, refuse

STATES = {"asleep": "待授权或休眠", "active": "启用", "closed": "已注销"}
_PER_PAGE = 100


def show(request: Request) -> Response:
    """`/accounts`: all accounts, with a form to make one for who may."""
    given = parameters(request, "text", "state", "role", "told")
    text = plain_name(given["text"])
    found = [
        one
        for one in portal_of(request).accounts.all()
        if (not text or text in one.name or text in one.holder)
        and (not given["state"] or one.state == given["state"])
        and (not given["role"] or one.role == given["role"])
    ]
    last = max(1, -(-len(found) // _PER_PAGE))
    page = min(page_number(request), last)
    return render(
        request,
        "accounts.html",
        found=[
            (one, _place(request, one), portal_of(request).accounts.newest_sign_in(one.name))
            for one in found[(page - 1) * _PER_PAGE : page * _PER_PAGE]
        ],
        total=len(found),
        page=page,
        last_page=last,
        given={name: given[name] for name in ("text", "state", "role")},
        states=STATES,
        roles=ROLES,
        told=given["told"],
    )


def one(request: Request) -> Response:
    """`/accounts/one?name=…`: one account, with what the administrator may do to it."""
    given = parameters(request, "name", "find", "division")
    return _one(request, _known(request, given["name"]), find=given["find"], division=given["division"])


def _one(request: Request, account: Account, **values: Any) -> Response:
    portal = portal_of(request)
    find = values.get("find", "")
    tree = portal.tree
    return render(
        request,
        "account_one.html",
        values.get("status", 200),
        one=account,
        place=_place(request, account),
        states=STATES,
        locked=portal.accounts.locked_until(account.name),
        roles=_grantable(account),
        exports=EXPORTS,
        own=account.name == account_of(request).name,
        find=find,
        found=[(one, "".join(part.name for part in tree.path(one.code))) for one in tree.find(find)],
        division=values.get("division") or account.division,
        default_rows=portal.settings.daily_rows,
        message=values.get("message", ""),
        done=values.get("done", ""),
    )


def _grantable(account: Account) -> tuple[str, ...]:
    if account.role in ADMIN_ROLES:
        return (account.role,)
    return PEOPLE_ROLES if account.role else ROLES


def _place(request: Request, account: Account) -> str:
    division = portal_of(request).tree.get(account.division)
    return division.name if division else account.division


def _known(request: Request, name: str) -> Account:
    account = portal_of(request).accounts.get(name)
    if account is None:
        raise refuse(request, "see_accounts", "account", "missing")
    return account


def _changing(request: Request) -> Account:
    """The account that a form speaks of, after the second factor; never one's own."""
    account = _known(request, field_of(request, "name", 80))
    if account.name == account_of(request).name:
        note(request, "own_account", target=account.name, outcome="refused", reason="own")
        raise Stop("不能办理自己的账号，请由另一位管理员办理。", 403)
    step_up(request)
    return account


async def make(request: Request) -> Response:
    """`/accounts/make`: a new account, asleep until the security administrator grants its rights."""
    from canbao.portal.app import slowly

    await run_in_threadpool(step_up, request)
    portal = portal_of(request)
    name, password = plain_name(field_of(request, "name", 80)), temporary_password()
    journal = partial(note, request, "account_make", target=name)
    add = partial(
        portal.accounts.add,
        name,
        password,
        holder=field_of(request, "holder", 80),
        state="asleep",
        must_change=True,
        journal=journal,
    )
    try:
        account = await slowly(request, add)
    except UserError as error:
        raise Stop(str(error)) from None
    return await run_in_threadpool(_once, request, account, password, "账号已建立，待安全管理员授权后可用。")


async def reset_password(request: Request) -> Response:
    """`/accounts/reset-password`: a temporary password; the account sleeps until it is woken."""
    from canbao.portal.app import slowly

    account = await run_in_threadpool(_changing, request)
    portal = portal_of(request)
    journal = partial(note, request, "account_reset_password", target=account.name)
    try:
        changed, password = await slowly(request, portal.accounts.reset_password, account.name, journal)
    except UserError as error:
        raise Stop(str(error)) from None
    message = "密码已重置，账号已休眠；请本人联系安全管理员唤醒后，用临时密码登录。"
    return await run_in_threadpool(_once, request, changed, password, message)


def _once(request: Request, account: Account, password: str, message: str) -> Response:
    return render(request, "password_once.html", one=account, password=password, message=message)


def close(request: Request) -> Response:
    """`/accounts/close`."""
    account = _changing(request)
    return _done(request, account, "account_close", portal_of(request).accounts.close)


def sleep(request: Request) -> Response:
    """`/accounts/sleep`."""
    account = _changing(request)
    return _done(request, account, "account_sleep", portal_of(request).accounts.sleep)


def unlock(request: Request) -> Response:
    """`/accounts/unlock`: forget failed tries; wake."""
    account = _changing(request)
    return _done(request, account, "account_unlock", portal_of(request).accounts.unlock)


def reset_second_factor(request: Request) -> Response:
    """`/accounts/reset-second-factor`: for a telephone that was lost."""
    account = _changing(request)
    return _done(request, account, "second_factor_reset", portal_of(request).second_factor.remove)


def _done(request: Request, account: Account, action: str, change: Any) -> Response:
    try:
        change(account.name, partial(note, request, action, target=account.name))
    except UserError as error:
        raise Stop(str(error)) from None
    return go(f"/accounts?told={action}")


def grant(request: Request) -> Response:
    """`/accounts/grant`: role, division, export and daily rows; wakes the account."""
    portal = portal_of(request)
    account = _known(request, field_of(request, "name", 80))
    by = scope_of(request).account
    rights = {name: field_of(request, name, 40) for name in ("role", "division", "export", "daily_rows")}
    rights["division"] = full_code(rights["division"])
    if rights["role"] in ADMIN_ROLES:
        rights |= {"division": "", "export": "none"}
    fault = _rights_fault(request, account, rights)
    if fault:
        note(request, "account_grant", target=account.name, outcome="refused", reason="rights", wanted=rights)
        return _one(request, account, message=fault, status=400, division=rights["division"])
    step_up(request)
    before = {"role": account.role, "division": account.division, "export": account.export}
    try:
        portal.accounts.grant(
            account.name,
            role=rights["role"],
            division=rights["division"],
            export=rights["export"],
            daily_rows=int(rights["daily_rows"]) if rights["daily_rows"] else None,
            by=by,
            journal=partial(note, request, "account_grant", target=account.name, granted=rights, before=before),
        )
    except UserError as error:
        note(request, "account_grant", target=account.name, outcome="refused", reason="rights", wanted=rights)
        return _one(request, account, message=str(error), status=400, division=rights["division"])
    return go("/accounts?told=account_grant")


def _rights_fault(request: Request, account: Account, rights: dict[str, str]) -> str:
    role, export, rows = rights["role"], rights["export"], rights["daily_rows"]
    if account.name == account_of(request).name:
        return "不能给自己授权，请由另一位安全管理员办理。"
    if role not in ROLES:
        return "请选择角色。"
    if export not in EXPORTS:
        return "请选择导出权限。"
    if export == "full" and role not in {"city", "district"}:
        return "完整号码只能授予市级和区县账号。"
    if rows and not (rows.isascii() and rows.isdecimal() and int(rows) <= 100_000_000):
        return "每日行数应为不超过一亿的整数；留空为默认值。"
    return division_fault(role, rights["division"], portal_of(request).tree)
