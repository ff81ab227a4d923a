"""The portal: one table of routes, and what every request goes through before a handler sees it.

From outside to inside: headers, the proxy's word on the client, the audit log's state, session, stage of the sign-in,
role, size of the body, forgery, handler. Whatever fails on the way answers with a page that says nothing about data.
"""

import asyncio
import contextlib
import importlib
import inspect
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hmac import compare_digest
from ipaddress import ip_address
from pathlib import Path
from secrets import token_urlsafe
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

from anyio import to_thread
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from canbao.errors import masked_traceback
from canbao.loop.read.limits import BYTES as UPLOAD_BYTES
from canbao.paths import package_dir
from canbao.portal import passwords
from canbao.portal.accounts import Session, csrf_token
from canbao.portal.audit_log import AuditError
from canbao.portal.page import NAV, Portal, StepUp, Stop, WrongFilter, address_of, go, note, portal_of, render
from canbao.portal.scope import NotFound, refuse
from canbao.portal.scope import Scope as Rights
from canbao.portal.settings import PortalSettings, is_loopback, load_portal_settings

FORM_BYTES = 64 * 1024
"""Size of a form that no file belongs to."""

DRAIN_BYTES = 10 * UPLOAD_BYTES
DRAIN_SECONDS = 60
"""What is let pass of a request that is too large before it is answered."""

THREADS = 8
"""Requests that are answered at a time; others wait for microseconds to milliseconds."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self' data:",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
"""No script at all, nothing inline, nothing from elsewhere."""

_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}

Handler = Callable[[Request], Response | Awaitable[Response]]


@dataclass(frozen=True)
class Page:
    """One route.

    Attributes:
        path: As Starlette writes it.
        methods: `GET`, `POST`.
        handler: `module:function` below `canbao.portal.views`; a plain function runs in a thread of its own.
        needs: Capability of `roles.csv`; empty where no sign-in is needed.
        stage: Whom it serves: `in` (signed in), `change` (also while the password must be changed), `factor` (also
            while a second factor must be set up), `code` (at every stage, also while the second factor is asked for).
        max_body: Bytes of a form that it takes.
    """

    path: str
    methods: tuple[str, ...]
    handler: str
    needs: str = ""
    stage: str = "in"
    max_body: int = FORM_BYTES


_GET = ("GET",)
_POST = ("POST",)
_BOTH = ("GET", "POST")

ROUTES: tuple[Page, ...] = (
    # Nobody need be signed in.
    Page("/healthz", _GET, "health:show"),
    Page("/login", _BOTH, "sign_in:login"),
    Page("/login/oidc", _GET, "sign_in:to_provider"),
    Page("/login/oidc/callback", _GET, "sign_in:from_provider"),
    Page("/favicon.ico", _GET, "health:icon"),
    # Everybody's own.
    Page("/login/code", _BOTH, "sign_in:code", "own_account", stage="code"),
    Page("/logout", _BOTH, "sign_in:logout", "own_account", stage="code"),
    Page("/account", _GET, "own_account:show", "own_account"),
    Page("/account/password", _BOTH, "own_account:password", "own_account", stage="change"),
    Page("/account/second-factor", _BOTH, "own_account:second_factor", "own_account", stage="factor"),
    Page("/step-up", _BOTH, "sign_in:confirm", "own_account"),
    Page("/watermark.svg", _GET, "own_account:watermark", "own_account"),
    # Administrators.
    Page("/accounts", _GET, "accounts:show", "see_accounts"),
    Page("/accounts/one", _GET, "accounts:one", "see_accounts"),
    Page("/accounts/make", _POST, "accounts:make", "make_accounts"),
    Page("/accounts/close", _POST, "accounts:close", "make_accounts"),
    Page("/accounts/reset-password", _POST, "accounts:reset_password", "make_accounts"),
    Page("/accounts/unlock", _POST, "accounts:unlock", "grant_rights"),
    Page("/accounts/grant", _POST, "accounts:grant", "grant_rights"),
    Page("/accounts/sleep", _POST, "accounts:sleep", "grant_rights"),
    Page("/accounts/reset-second-factor", _POST, "accounts:reset_second_factor", "grant_rights"),
    Page("/audit", _GET, "audit:show", "read_audit"),
    Page("/audit.csv", _GET, "audit:as_csv", "read_audit"),
    # People and their figures.
    Page("/", _GET, "home:show", "see_ledger"),
    Page("/ledger", _GET, "ledger:show", "see_ledger"),
    Page("/people", _GET, "people:people", "see_people"),
    Page("/uninsured", _GET, "people:uninsured", "see_people"),
    Page("/duplicates", _GET, "people:duplicates", "see_people"),
    Page("/people.xlsx", _GET, "downloads:people_xlsx", "download"),
    Page("/people.csv", _GET, "downloads:people_csv", "download"),
    Page("/uninsured.xlsx", _GET, "downloads:uninsured_xlsx", "download"),
    Page("/uninsured.csv", _GET, "downloads:uninsured_csv", "download"),
    Page("/duplicates.xlsx", _GET, "downloads:duplicates_xlsx", "download"),
    Page("/duplicates.csv", _GET, "downloads:duplicates_csv", "download"),
    Page("/downloads", _GET, "downloads:show", "download"),
    Page("/downloads/full", _BOTH, "downloads:full", "download_full"),
    Page("/downloads/decide", _POST, "downloads:decide", "approve_full"),
    Page("/downloads/collect", _POST, "downloads:collect", "download_full"),
    Page("/search", _GET, "search:form", "see_people"),
    Page("/search", _POST, "search:find", "see_people"),
    Page("/person/{person_id}", _GET, "person:show", "see_people"),
    Page("/person/{person_id}/sheet", _GET, "person:sheet", "see_people"),
    Page("/person/{person_id}/objection", _POST, "person:object_to", "object"),
    Page("/objections", _GET, "objections:show", "see_objections"),
    Page("/objections", _POST, "objections:answer", "see_objections"),
    # Lists that go out to townships and villages, and what comes back.
    Page("/dispatch", _GET, "dispatch:show", "see_batches"),
    Page("/dispatch/plan", _POST, "dispatch:plan_page", "dispatch"),
    Page("/dispatch/send", _POST, "dispatch:send_page", "dispatch"),
    Page("/dispatch/batch", _GET, "dispatch:batch", "see_batches"),
    Page("/dispatch/sheet.xlsx", _GET, "dispatch:sheet", "download"),
    Page("/dispatch/visit.xlsx", _GET, "dispatch:visit", "download"),
    Page("/dispatch/zero", _POST, "dispatch:zero", "upload_feedback"),
    Page("/dispatch/recall", _POST, "dispatch:recall", "dispatch"),
    Page("/feedback", _GET, "feedback:show", "upload_feedback"),
    Page("/feedback", _POST, "feedback:upload", "upload_feedback", max_body=UPLOAD_BYTES + FORM_BYTES),
    Page("/feedback/preview", _GET, "feedback:preview", "upload_feedback"),
    Page("/feedback/confirm", _POST, "feedback:confirm", "upload_feedback"),
    Page("/feedback/discard", _POST, "feedback:discard", "upload_feedback"),
    Page("/feedback/receipt", _GET, "feedback:receipt", "upload_feedback"),
    Page("/feedback/withdraw", _POST, "feedback:withdraw", "upload_feedback"),
    Page("/feedback/decide", _POST, "feedback:decide", "confirm_returns"),
    Page("/feedback/refused.xlsx", _GET, "feedback:refused", "download"),
    Page("/disputes", _GET, "disputes:show", "settle_disputes"),
    Page("/disputes", _POST, "disputes:settle", "settle_disputes"),
    # What a publication brings with it, and how it came about.
    Page("/quality", _GET, "quality:start", "see_quality"),
    Page("/quality/{name:path}", _GET, "quality:show", "see_quality"),
    Page("/rules.html", _GET, "quality:rule_book", "see_ledger"),
    Page("/runs", _GET, "quality:runs", "see_runs"),
)
"""All routes; whatever is not here is not there."""


def create_app(
    home: Path, settings: PortalSettings | None = None, *, proxy: str = "", portal: Portal | None = None
) -> Starlette:
    """The portal of one installation.

    Args:
        home: The installation's folder.
        settings: The office's settings; from `<home>/canbao.toml` by default.
        proxy: Address of the proxy that it stands behind; only that one may say from where a request comes.
        portal: Made by a test, with a clock of its own.
    """
    portal = portal or Portal(home, settings or load_portal_settings(home), proxy=proxy)
    passwords.nobodys_hash()  # the first unknown name must not take longer than the others
    routes: list[BaseRoute] = [Mount("/static", StaticFiles(directory=package_dir("portal") / "static"))]
    routes += [_route(page) for page in ROUTES]
    routes.append(_route(Page("/{path:path}", ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"), "health:nothing")))
    app = Starlette(routes=routes, exception_handlers={HTTPException: _plain_answer}, lifespan=_lifespan)
    app.router.redirect_slashes = False
    app.state.portal = portal
    # Signing in is slow on purpose: it waits here and not in the threads that serve everybody else.
    app.state.slow = ThreadPoolExecutor(passwords.PARALLEL, thread_name_prefix="sign-in")
    app.add_middleware(_Shell, portal=portal)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    from canbao.portal.watch import daily_copies

    portal: Portal = app.state.portal
    # More threads than the machine can keep busy only hold more memory: each has its own arenas and query results.
    to_thread.current_default_thread_limiter().total_tokens = THREADS
    await run_in_threadpool(portal.store.current)
    await run_in_threadpool(_compile, portal)  # else the first person to open each page waits for its template
    await run_in_threadpool(lambda: portal.downloads)  # what an earlier process left in the way is removed now
    copies = asyncio.create_task(daily_copies(portal))
    try:
        yield
    finally:
        with contextlib.suppress(AuditError):
            await run_in_threadpool(note_knocks, portal, -1)
        await run_in_threadpool(portal.downloads.close)
        await run_in_threadpool(portal.store.close)
        copies.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await copies
        app.state.slow.shutdown(wait=False, cancel_futures=True)


def _compile(portal: Portal) -> None:
    for name in portal.templates.list_templates(extensions=["html"]):
        portal.templates.get_template(name)


async def slowly(request: Request, function: Callable[..., Any], *arguments: Any) -> Any:
    """Run something that hashes a password, two at a time.

    Raises:
        Stop: So many wait already that the answer would come too late.
    """
    pool: ThreadPoolExecutor = request.app.state.slow
    if pool._work_queue.qsize() > 300:
        raise Stop("此刻登录的人太多，请过一分钟再试。", 503)
    return await asyncio.get_running_loop().run_in_executor(pool, function, *arguments)


class _Shell:
    """Headers on every answer, and the client's address, which only the named proxy may tell."""

    def __init__(self, app: ASGIApp, portal: Portal) -> None:
        self.app = app
        self.portal = portal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        client = scope["client"][0] if scope.get("client") else ""
        state = scope.setdefault("state", {})
        state["address"], state["secure"] = client, _secure(scope)
        static = scope["path"].startswith("/static/")

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    if static and name == "Cache-Control":
                        headers.setdefault(name, "public, max-age=3600")
                    else:
                        headers.setdefault(name, value)
                if state["secure"]:
                    headers.setdefault("Strict-Transport-Security", "max-age=31536000")
            await send(message)

        if self.portal.proxy:
            if client == self.portal.proxy:
                state["address"] = _forwarded(Headers(scope=scope)) or client
                state["secure"] = True
            elif scope["path"] != "/healthz":
                answer = PlainTextResponse("请通过门户网址访问。", 403)
                await answer(scope, receive, with_headers)
                return
        await self.app(scope, receive, with_headers)


def _secure(scope: Scope) -> bool:
    """Cookies are `Secure` except on plain http on a loopback address (contract section 4)."""
    return scope.get("scheme") == "https" or not is_loopback((scope.get("server") or ("", 0))[0])


def _forwarded(headers: Headers) -> str:
    """The address that the proxy itself saw: the last one; those before it are the client's own claims."""
    last = ",".join(headers.getlist("x-forwarded-for")).rpartition(",")[2].strip()
    try:
        return str(ip_address(last))
    except ValueError:
        return ""


def cookie_name(request: Request, kind: str = "session") -> str:
    """Name of a cookie; the prefix makes browsers refuse one that was not set here, over TLS."""
    return f"__Host-canbao-{kind}" if request.state.secure else f"canbao-{kind}"


def set_cookie(request: Request, response: Response, value: str, kind: str = "session") -> None:
    """Give the browser a cookie that ends with it, and that no script can read."""
    response.set_cookie(
        cookie_name(request, kind), value, path="/", httponly=True, samesite="lax", secure=request.state.secure
    )


def _route(page: Page) -> Route:
    handler = _handler(page.handler)

    async def endpoint(request: Request) -> Response:
        body = _Body(request, page.max_body)
        request = Request(request.scope, body.receive)
        try:
            return await _serve(request, page, handler)
        except _TooLarge as large:
            await body.drain()
            return await run_in_threadpool(_too_large, request, large)
        except (NotFound, StepUp, Stop, AuditError, HTTPException) as answer:
            return await run_in_threadpool(_answer, request, answer)
        except ClientDisconnect:
            return Response(status_code=499)
        except Exception as error:
            print(masked_traceback(error), file=sys.stderr, flush=True)
            return await run_in_threadpool(_answer, request, error)

    return Route(page.path, endpoint, methods=list(page.methods))  # its `max_body_size` would answer in plain English


class _TooLarge(Exception):  # noqa: N818 - it is an answer, not a fault
    """More came than a page takes: `most` bytes."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.most = most


class _Body:
    """What a request brings, up to what its page takes.

    Args:
        request: The request.
        most: Bytes that the page takes.
    """

    def __init__(self, request: Request, most: int) -> None:
        self._receive = request.receive
        self._most = most
        self._came = 0
        self._ended = False
        length = request.headers.get("content-length", "")
        self._said = int(length) if length.isascii() and length.isdecimal() and len(length) < 20 else 0

    async def receive(self) -> Message:
        """The next piece.

        Raises:
            _TooLarge: It is too much by now, or will be as the browser says.
        """
        if self._said > self._most:
            raise _TooLarge(self._most)
        message = await self._next()
        if self._came > self._most:
            raise _TooLarge(self._most)
        return message

    async def _next(self) -> Message:
        message = await self._receive()
        self._came += len(message.get("body", b""))
        self._ended = not message.get("more_body", False)
        return message

    async def drain(self) -> None:
        """Let the rest pass, up to a limit: a browser that is cut off while it sends shows no answer."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self._ended and self._came < DRAIN_BYTES:
                    await self._next()


def _too_large(request: Request, large: _TooLarge) -> Response:
    """The page for who sent more than a page takes; noted where it is known who."""
    try:
        if request.state.session is not None:
            note(request, "form", target=request.url.path, outcome="failed", reason="size")
    except AuditError as error:
        return _answer(request, error)
    if large.most > FORM_BYTES:
        said = f"文件超过 {(large.most - FORM_BYTES) >> 20} MB，未上传，什么也没有保存。请按村拆开后分别上传。"
    else:
        said = f"提交的内容超过 {large.most >> 10} KB，没有保存。请缩短所填文字后重新提交；文件请在“回收填报”中上传。"
    return _answer(request, Stop(said, 413))


def _handler(name: str) -> Handler:
    module, _, function = name.partition(":")
    found: Handler = getattr(importlib.import_module(f"canbao.portal.views.{module}"), function)
    return found


async def _serve(request: Request, page: Page, handler: Handler) -> Response:
    early = await run_in_threadpool(_enter, request, page)
    if early is not None:
        return early
    if request.method == "POST" and (page.needs or page.handler.startswith("sign_in:")):
        await _read_form(request)
    try:
        answer = handler(request) if inspect.iscoroutinefunction(handler) else run_in_threadpool(handler, request)
        response: Response = await answer  # type: ignore[assignment]
    finally:
        form = getattr(request.state, "form", None)
        if isinstance(form, FormData):
            await form.close()
    new = getattr(request.state, "new_browser", "")
    if new:
        set_cookie(request, response, new, "browser")
    return response


def _enter(request: Request, page: Page) -> Response | None:
    """Session, stage and role; an answer where the way ends here."""
    portal = portal_of(request)
    state = request.state
    state.session, state.scope, state.inside, state.new_browser = None, None, False, ""
    must = ""
    if page.path != "/healthz":
        portal.audit.probe()
        note_knocks(portal, int(portal.clock().timestamp() // 60))
    token = request.cookies.get(cookie_name(request), "")
    if token:
        state.session = portal.accounts.session(token)
    if state.session is None:
        # Before signing in the browser has an id of its own, so that the sign-in form cannot be sent from elsewhere.
        browser = request.cookies.get(cookie_name(request, "browser"), "")
        if len(browser) != 43 and not page.needs:
            browser = state.new_browser = token_urlsafe(32)
        state.browser, state.csrf = browser, csrf_token(browser)
    else:
        state.token, state.browser, state.csrf = token, token, csrf_token(token)
        state.scope = Rights.of(state.session.account, portal.tree)
        must = _first(portal, state.session, state.scope)
        state.inside = state.session.stage == "in" and not must
    if not page.needs:
        return None
    if state.session is None:
        _knocked(request, page, "no session")
        return go(f"/login?next={quote(address_of(request))}" if request.method != "POST" else "/login")
    if state.session.stage == "code" and page.stage != "code":
        _knocked(request, page, "second factor")
        return go("/login/code")
    if must and page.stage not in {must, "code"}:
        _knocked(request, page, "first password" if must == "change" else "no second factor")
        return go("/account/password" if must == "change" else "/account/second-factor")
    if page.needs not in state.scope.can_do:
        if page.path == "/":
            return go(next((path for path, _, needs in NAV if state.scope.can(needs)), "/account"))
        raise refuse(request, page.needs, request.url.path, "role")
    return None


def _first(portal: Portal, session: Session, rights: Rights) -> str:
    """The stage that must be over before anything else: `change`, `factor`, or empty."""
    # Who came through the provider has no use for a password, nor for changing it.
    if portal.accounts.password_expired(session.account) and not session.method.startswith("oidc"):
        return "change"
    strong = session.account.second_factor or session.method.startswith("oidc+mfa")
    return "factor" if rights.must_have_factor and not strong else ""


def _knocked(request: Request, page: Page, reason: str) -> None:
    """Note that somebody asked for a page who is not in; the way in itself is no try."""
    portal, address = portal_of(request), request.state.address
    if page.path != "/" and portal.knocks.note_it(address):
        target = request.path_params.get("person_id") or request.url.path
        note(request, page.needs, target=str(target), outcome="refused", reason=reason)


def note_knocks(portal: Portal, minute: int) -> None:
    """Note how many more tries there were in a minute that is over."""
    for address, tries in portal.knocks.counted(minute):
        portal.audit.append(
            "no_session", address=address or None, outcome="refused", reason="no session", detail={"tries": tries}
        )


async def _read_form(request: Request) -> None:
    """Read the form and see that it came from a page of the session at hand."""
    try:
        request.state.form = await request.form(max_files=20, max_fields=200, max_part_size=FORM_BYTES)
    except HTTPException as error:
        raise Stop("提交的内容太大或格式有误。", error.status_code) from None
    sent = request.state.form.get("csrf")
    known = bool(request.state.browser) and isinstance(sent, str) and compare_digest(sent, request.state.csrf)
    if not known or _from_elsewhere(request):
        await run_in_threadpool(note, request, "form", target=request.url.path, outcome="refused", reason="forgery")
        raise Stop("页面已过期，请返回上一页刷新后重新提交。", 403)


def _from_elsewhere(request: Request) -> bool:
    """What browsers say about where a form came from; `null` is all they say under `no-referrer`."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return True
    origin = request.headers.get("origin", "null")
    if origin == "null" or urlsplit(origin).netloc == request.headers.get("host", ""):
        return False
    known = urlsplit(portal_of(request).settings.address)  # behind a proxy that puts another name into `Host`
    return not known.netloc or _place(urlsplit(origin)) != _place(known)


def _place(parts: SplitResult) -> tuple[str, str, int | None]:
    """Scheme, host and port of an address, as browsers compare them."""
    try:
        port = parts.port
    except ValueError:
        port = -1
    return parts.scheme, parts.hostname or "", port or {"https": 443, "http": 80}.get(parts.scheme)


def _answer(request: Request, error: Exception) -> Response:
    """The page for what did not go as asked; none of them tells anything about data."""
    try:
        if isinstance(error, StepUp):
            from canbao.portal.views.sign_in import ask

            return ask(request, error.message)
        if isinstance(error, NotFound):
            return nothing_there(request)
        if isinstance(error, WrongFilter):
            others = {name: value for name, value in request.query_params.items() if name != error.name}
            return render(request, "wrong_filter.html", error.status, wrong=error, others=others)
        if isinstance(error, Stop):
            return render(request, "stop.html", error.status, message=error.message)
        if isinstance(error, HTTPException):
            return render(request, "stop.html", error.status_code, message="无法处理这一请求。")
    except AuditError as other:
        error = other
    except Exception as other:
        print(masked_traceback(other), file=sys.stderr, flush=True)
    if isinstance(error, AuditError):
        print(f"canbao serve: {error}", file=sys.stderr, flush=True)
        return _bare(portal_of(request), "审计日志无法写入，门户已停止提供数据。请联系系统维护人员。", 503)
    return _bare(portal_of(request), "系统出错，已记录。请稍后再试，或联系系统维护人员。", 500)


def nothing_there(request: Request) -> Response:
    """The one page for what does not exist and for what is not for this person."""
    return _bare(portal_of(request), "没有这个页面，或者它不在您的权限范围内。", 404)


def _bare(portal: Portal, message: str, status: int) -> Response:
    """A page that rests on nothing but its template."""
    text = portal.templates.get_template("bare.html").render(title=portal.settings.title, message=message)
    return Response(text, status, media_type="text/html")


async def _plain_answer(request: Request, error: Exception) -> Response:
    """For what Starlette itself refuses, outside of a page (files that are not there)."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    return nothing_there(request) if status in {404, 405} else _bare(portal_of(request), "无法处理这一请求。", status)
