"""One's own account: what it may do, password, second factor, last sign-ins; and the mark over pages with people."""

from datetime import timedelta
from functools import partial
from html import escape

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from canbao.portal import passwords
from canbao.portal.accounts import FACTOR_MINUTES
from canbao.portal.page import account_of, check_code, field_of, form_of, go, note, portal_of, render, scope_of, when
from canbao.portal.passwords import SHORTEST
from canbao.portal.settings import PortalSettings

SETTING_UP = 15
"""Minutes for setting the second factor up, once it was begun."""

_FACTOR = "/account/second-factor"


def show(request: Request) -> Response:
    """`/account`."""
    portal = portal_of(request)
    account = account_of(request)
    day = when(portal.clock(), "%Y-%m-%d")
    settings: PortalSettings = portal.settings
    return render(
        request,
        "account.html",
        past=portal.accounts.past_sign_ins(account.name),
        given=portal.accounts.rows_given(account.name, day),
        limit=settings.daily_rows if account.daily_rows is None else account.daily_rows,
        password_days=settings.password_days,
        told=request.query_params.get("told", ""),
    )


async def password(request: Request) -> Response:
    """`/account/password`: change one's password; the only page there is until a first one is changed."""
    if request.method != "POST":
        return await run_in_threadpool(_password_form, request, "", 200)
    from canbao.portal.app import slowly
    from canbao.portal.views.sign_in import enter

    portal = portal_of(request)
    account = account_of(request)
    form = form_of(request)
    old, new, again = (str(form.get(name) or "") for name in ("old_password", "new_password", "new_password_again"))
    if passwords.normal(new) != passwords.normal(again):
        fault = "两次输入的新密码不一致。"
    elif portal.accounts.code_locked(account.name):
        fault = f"输错次数过多，请 {portal.settings.lock_minutes:g} 分钟后再试。"
    else:
        journal = partial(note, request, "change_password", target=account.name)
        fault = await slowly(request, portal.accounts.change_password, account.name, old, new, journal)
    if fault:
        await run_in_threadpool(note, request, "change_password", target=account.name, outcome="refused")
        if fault.startswith("原密码"):
            await run_in_threadpool(portal.accounts.code_failed, account.name)
        return await run_in_threadpool(_password_form, request, fault, 400)
    # Whoever was in with the old password is out, here too: this browser gets a new session.
    token = await run_in_threadpool(portal.accounts.renew, request.state.token)
    return enter(request, token, "/account?told=password" if request.state.inside else "/")


def _password_form(request: Request, message: str, status: int) -> Response:
    return render(request, "password.html", status, message=message, shortest=SHORTEST, forced=not request.state.inside)


async def second_factor(request: Request) -> Response:
    """`/account/second-factor`: set it up, confirm it with a code, or take it away with one.

    Setting it up asks for the password again, so that a session that was left open, or taken, is not enough; and what
    one session began no other one sees.
    """
    if request.method == "POST" and field_of(request, "do", 20) == "begin":
        return await _begin_factor(request)
    return await run_in_threadpool(_second_factor, request)


async def _begin_factor(request: Request) -> Response:
    from canbao.portal.app import slowly

    portal, account = portal_of(request), account_of(request)
    if account.second_factor:
        return go(_FACTOR)
    fault = ""
    if _asks_password(request):
        given = form_of(request).get("password")
        password = given if isinstance(given, str) else ""
        wrong = await slowly(request, portal.accounts.right_password, account, password, request.state.address)
        if wrong:
            locked = f"输错次数过多，已锁定。请 {portal.settings.lock_minutes:g} 分钟后再试。"
            fault = locked if wrong == "locked" else "密码不正确。"
    elif portal.clock() - request.state.session.begun > timedelta(minutes=FACTOR_MINUTES):
        wrong, fault = "late", f"请退出后重新登录，并在 {FACTOR_MINUTES} 分钟内开始设置。"
    if fault:
        return await run_in_threadpool(_not_begun, request, wrong, fault)
    return await run_in_threadpool(_begun, request)


def _not_begun(request: Request, wrong: str, fault: str) -> Response:
    reason = {"wrong": "password", "late": "session"}.get(wrong, wrong)
    note(request, "second_factor_begin", target=account_of(request).name, outcome="refused", reason=reason)
    return _factor_page(request, 429 if wrong == "locked" else 401, fault)


def _begun(request: Request) -> Response:
    portal, name = portal_of(request), account_of(request).name
    journal = partial(note, request, "second_factor_begin", target=name)
    portal.second_factor.begin(name, portal.settings.title, journal)
    portal.accounts.allow_action(request.state.session, _FACTOR)
    return go(_FACTOR)


def _second_factor(request: Request) -> Response:
    portal, account = portal_of(request), account_of(request)
    what = field_of(request, "do", 20) if request.method == "POST" else ""
    if what == "remove" and account.second_factor:
        if scope_of(request).must_have_factor:
            note(request, "second_factor_remove", target=account.name, outcome="refused", reason="must have it")
            return _factor_page(
                request, 403, "本账号必须使用动态码，不能自行取消。换手机请联系安全管理员清除后重新设置。"
            )
        fault = check_code(request, field_of(request, "code", 20))
        if fault:
            return _factor_page(request, 401, fault)
        portal.second_factor.remove(account.name, partial(note, request, "second_factor_remove", target=account.name))
        return go("/account?told=removed")
    if what == "confirm" and not account.second_factor:
        if _pending(request) is None:
            return _factor_page(request, 409, "这次设置已过期，请重新开始。")
        fault = check_code(request, field_of(request, "code", 20), "second_factor_confirm")
        return _factor_page(request, 401, fault) if fault else go("/account?told=factor")
    return go(_FACTOR) if what else _factor_page(request, 200, "")


def _factor_page(request: Request, status: int, message: str) -> Response:
    return render(
        request,
        "second_factor.html",
        status,
        enrolment=_pending(request),
        message=message,
        has_factor=account_of(request).second_factor,
        must_have=scope_of(request).must_have_factor,
        forced=not request.state.inside,
        ask_password=_asks_password(request),
        minutes=SETTING_UP,
    )


def _asks_password(request: Request) -> bool:
    """Who came through the provider may have no password; a fresh sign-in there takes its place."""
    return not request.state.session.method.startswith("oidc")


def _pending(request: Request) -> object:
    """What the sign-in at hand began, for as long as it takes to set a telephone up."""
    portal, account = portal_of(request), account_of(request)
    if account.second_factor or not portal.accounts.allowed(request.state.session, _FACTOR, SETTING_UP):
        return None
    return portal.second_factor.pending(account.name, portal.settings.title)


def watermark(request: Request) -> Response:
    """`/watermark.svg`: account, unit and minute, tiled; it lies over pages with people and is printed with them."""
    scope = scope_of(request)
    unit = scope.division.name if scope.division else ""
    text = escape(f"{scope.account} {unit} {when(portal_of(request).clock())}")
    width = 120 + 11 * sum(2 if ord(sign) > 255 else 1 for sign in text)
    half = width // 2  # the second row is drawn twice, so that no tile's edge cuts the time off
    second = "".join(
        f'<text x="{x}" y="135" font-family="Microsoft YaHei, Noto Sans CJK SC, SimSun, sans-serif"'
        f' font-size="17" fill="#44546a" fill-opacity="0.17">{text}</text>'
        for x in (half, half - width)
    )
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="2400" height="3400"><defs>'
        f'<pattern id="tile" width="{width}" height="190" patternUnits="userSpaceOnUse" patternTransform="rotate(-24)">'
        '<text x="8" y="40" font-family="Microsoft YaHei, Noto Sans CJK SC, SimSun, sans-serif" font-size="17"'
        f' fill="#44546a" fill-opacity="0.17">{text}</text>{second}'
        '</pattern></defs><rect width="100%" height="100%" fill="url(#tile)"/></svg>'
    )
    return Response(svg, media_type="image/svg+xml")
