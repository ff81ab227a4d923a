"""One's own account: what it may do, password, second factor, last sign-ins; and the mark over pages with people."""

from functools import partial
from html import escape

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from canbao.portal import passwords
from canbao.portal.page import account_of, check_code, field_of, form_of, go, note, portal_of, render, scope_of, when
from canbao.portal.passwords import SHORTEST
from canbao.portal.settings import PortalSettings


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
    if request.method == "GET":
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


def second_factor(request: Request) -> Response:
    """`/account/second-factor`: set it up, confirm it with a code, or take it away with one."""
    portal = portal_of(request)
    account = account_of(request)
    title = portal.settings.title
    if request.method == "GET":
        return render(request, "second_factor.html", enrolment=_pending(request), message="")
    what = field_of(request, "do", 20)
    if what == "begin" and not account.second_factor:
        portal.second_factor.begin(account.name, title)
        note(request, "second_factor_begin", target=account.name)
        return go("/account/second-factor")
    if what in {"confirm", "remove"}:
        fault = check_code(request, field_of(request, "code", 20))
        if fault:
            return render(request, "second_factor.html", 401, enrolment=_pending(request), message=fault)
        if what == "remove" and account.second_factor:
            portal.second_factor.remove(
                account.name, partial(note, request, "second_factor_remove", target=account.name)
            )
            return go("/account?told=removed")
        note(request, "second_factor_confirm", target=account.name)
        return go("/account?told=factor")
    return go("/account/second-factor")


def _pending(request: Request) -> object:
    portal = portal_of(request)
    return portal.second_factor.pending(account_of(request).name, portal.settings.title)


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
