"""Signing in and out, the second factor at sign-in, and for one action."""

from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from canbao.portal.accounts import Session, SignIn, plain_name
from canbao.portal.page import (
    Stop,
    account_of,
    address_of,
    check_code,
    field_of,
    form_of,
    go,
    local_path,
    note,
    portal_of,
    render,
)

if TYPE_CHECKING:
    from canbao.portal.oidc import Found

_WRONG = "用户名或密码不正确。连续输错会被锁定；忘记密码请联系系统管理员。"
_ASLEEP = "密码正确，但账号尚未授权或因长期未用已休眠，请联系安全管理员。"


async def login(request: Request) -> Response:
    """`/login`: the form, and what it sends."""
    if request.method != "POST":
        go_to = local_path(request.query_params.get("next", "/"))
        if request.state.inside:
            return go(go_to)
        return await run_in_threadpool(_form, request, go_to)
    from canbao.portal.app import slowly

    portal = portal_of(request)
    name, go_to = field_of(request, "username", 80), local_path(field_of(request, "next", 500) or "/")
    given = form_of(request).get("password")
    password = given if isinstance(given, str) else ""
    found: SignIn = await slowly(request, portal.accounts.sign_in, name, password, request.state.address)
    return await run_in_threadpool(_told, request, found, name, go_to)


def _form(request: Request, go_to: str, message: str = "", status: int = 200, name: str = "") -> Response:
    oidc = portal_of(request).settings.oidc
    return render(request, "login.html", status, next=go_to, message=message, name=name, oidc=oidc)


def _told(request: Request, found: SignIn, name: str, go_to: str) -> Response:
    portal = portal_of(request)
    # A name that no account has may be a password or a number that was typed into the wrong field: it is not noted.
    known = portal.accounts.get(name) is not None
    target = plain_name(name) if known else None
    if found.outcome not in {"ok", "code"}:
        note(request, "sign_in", target=target, account=target, outcome="refused", reason=found.reason)
        if found.outcome == "locked":
            message = f"输错次数过多，已锁定。请 {portal.settings.lock_minutes:g} 分钟后再试。"
            return _form(request, go_to, message, 429)
        message = _ASLEEP if found.outcome == "asleep" else _WRONG
        return _form(request, go_to, message, 401, name if found.outcome == "wrong" else "")
    account = found.account
    assert account is not None
    reason = "second factor to come" if found.outcome == "code" else None
    note(request, "sign_in", target=target, account=account.name, role=account.role, reason=reason)
    _end_the_one_before(request)
    return enter(request, found.token, "/login/code" if found.outcome == "code" else go_to)


def _end_the_one_before(request: Request) -> None:
    """End the session that this browser still held: its id is about to be forgotten there, and must not live on."""
    session: Session | None = request.state.session
    if session is not None:
        if session.stage == "in":
            note(request, "sign_out", target=session.account.name, reason="signed in anew")
        portal_of(request).accounts.end(request.state.token)


def enter(request: Request, token: str, go_to: str) -> Response:
    """Hand the session to the browser; the id it had before signing in is worth nothing from here on."""
    from canbao.portal.app import set_cookie

    response = go(go_to)
    set_cookie(request, response, token)
    return response


async def code(request: Request) -> Response:
    """`/login/code`: the second factor at sign-in."""
    session: Session = request.state.session
    if session.stage != "code":
        return go("/")
    return await run_in_threadpool(_code, request, session)


def _code(request: Request, session: Session) -> Response:
    portal = portal_of(request)
    if request.method != "POST":
        return render(request, "code.html", message="")
    fault = check_code(request, field_of(request, "code", 20))
    if fault:
        return render(request, "code.html", 401, message=fault)
    portal.accounts.end(request.state.token)
    token = portal.accounts.begin(session.account, request.state.address, f"{session.method}+code")
    return enter(request, token, "/")


def logout(request: Request) -> Response:
    """`/logout`: a page with the button, and what the button sends."""
    if request.method != "POST":
        return render(request, "logout.html")
    from canbao.portal.app import cookie_name

    note(request, "sign_out", target=account_of(request).name)
    portal_of(request).accounts.end(request.state.token)
    response = go("/login")
    response.delete_cookie(cookie_name(request), path="/", httponly=True, samesite="lax", secure=request.state.secure)
    return response


def ask(request: Request, message: str) -> Response:
    """The second factor is missing for an action: ask for it, or for setting it up.

    A form comes back with all that it had, but files and passwords; an address is fetched again after `/step-up`.
    """
    account = account_of(request)
    if not account.second_factor:
        return render(request, "factor_needed.html", 403)
    if request.method != "POST":
        return render(request, "step_up.html", 403, next=address_of(request), message=message, fields=[], to="/step-up")
    fields = [
        (name, value)
        for name, value in form_of(request).multi_items()
        if isinstance(value, str) and name not in {"csrf", "code"} and "password" not in name
    ]
    return render(request, "step_up.html", 403, next="", message=message, fields=fields, to=address_of(request))


def confirm(request: Request) -> Response:
    """`/step-up`: the second factor for one address, which is fetched next."""
    portal = portal_of(request)
    session: Session = request.state.session
    post = request.method == "POST"
    go_to = local_path((field_of(request, "next", 2000) if post else request.query_params.get("next", "/")) or "/")
    if not session.account.second_factor:
        return render(request, "factor_needed.html", 403)
    if not post:
        return render(request, "step_up.html", next=go_to, message="", fields=[], to="/step-up")
    fault = check_code(request, field_of(request, "code", 20))
    if fault:
        return render(request, "step_up.html", 401, next=go_to, message=fault, fields=[], to="/step-up")
    portal.accounts.allow_action(session, go_to)
    return go(go_to)


async def to_provider(request: Request) -> Response:
    """`/login/oidc`: off to the OpenID provider."""
    from canbao.portal.oidc import OidcError, begin

    portal = portal_of(request)
    if not portal.settings.oidc.issuer:
        raise Stop("本门户没有启用统一身份认证。", 404)
    try:
        address = await begin(portal, request.state.browser, local_path(request.query_params.get("next", "/")))
    except OidcError as error:
        await run_in_threadpool(note, request, "sign_in", outcome="failed", reason=error.reason)
        raise Stop("统一身份认证暂时无法使用，请稍后再试，或用密码登录。", 502) from None
    return go(address)


async def from_provider(request: Request) -> Response:
    """`/login/oidc/callback`: back from the OpenID provider."""
    from canbao.portal.oidc import OidcError, finish

    portal = portal_of(request)
    if not portal.settings.oidc.issuer:
        raise Stop("本门户没有启用统一身份认证。", 404)
    try:
        found = await finish(portal, request.state.browser, dict(request.query_params))
    except OidcError as error:
        await run_in_threadpool(_refused, request, error)
        raise Stop(error.message, 403) from None
    return await run_in_threadpool(_in, request, found)


def _refused(request: Request, error: Any) -> None:
    note(request, "sign_in", target=error.account, account=error.account, outcome="refused", reason=error.reason)


def _in(request: Request, found: "Found") -> Response:
    account = found.account
    note(request, "sign_in", target=account.name, account=account.name, role=account.role, method=found.method)
    _end_the_one_before(request)
    token = portal_of(request).accounts.begin(account, request.state.address, found.method, found.stage)
    return enter(request, token, "/login/code" if found.stage == "code" else found.next)
