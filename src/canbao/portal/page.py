"""What handlers use: the portal they belong to, the signed-in person, forms, the audit log, templates."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

import jinja2
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from canbao.clock import ZONE
from canbao.home import Home
from canbao.paths import package_dir
from canbao.portal.accounts import Account, Accounts, Session, utc_now
from canbao.portal.audit_log import AuditLog
from canbao.portal.divisions import DivisionTree, current_tree
from canbao.portal.knocks import Knocks
from canbao.portal.scope import EXPORT_WORDS, ROLE_WORDS, Scope, refuse
from canbao.portal.second_factor import SecondFactor, Totp
from canbao.portal.settings import PortalSettings
from canbao.portal.words import word

if TYPE_CHECKING:
    from canbao.loop.state import Loop
    from canbao.portal.downloads import Downloads
    from canbao.portal.store import Store


_NUMBER = re.compile(r"\d{7,}[\dXx]?")
_RECEIPT = re.compile(r"H\d{8}-\d{4,9}")
_IN_TEXT = re.compile(r"\b[0-9a-f]{32}\b|(?:\d[ \u3000]?){10,}\d[Xx]?")


class StepUp(Exception):  # noqa: N818 - it is an answer, not a fault
    """The second factor must be given, or set up, before this action.

    Args:
        message: What to say, for instance that the code was wrong.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message


class Stop(Exception):  # noqa: N818 - it is an answer, not a fault
    """Nothing is done, and the person is told why.

    Args:
        message: In Chinese.
        status: Of the answer.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class WrongFilter(Stop):
    """An address asks for something that a filter does not have.

    Args:
        name: Of the filter, as in the address.
        offered: What may stand there, with words; empty where `rule` says it.
        rule: What may stand there, in a sentence.
    """

    def __init__(self, name: str, offered: Mapping[str, str], rule: str = "") -> None:
        self.name, self.word = name, word("filter", name)
        self.offered, self.rule = offered, rule
        super().__init__(f"网址中的条件“{name}”（{self.word}）不对。")


@dataclass(frozen=True)
class Publication:
    """What the head of a page says about the publication.

    Attributes:
        as_of: The day that it speaks of, `YYYY-MM-DD`.
        run_id: The run that made it.
        finished: When it was published.
        age_hours: How long ago.
        stale: Whether that is longer than promised.
        released: Names of checks that somebody let pass.
        doubtful: Products that may not be used without care: rows of the table `verdict`.
    """

    as_of: str
    run_id: str
    finished: datetime | None
    age_hours: float | None
    stale: bool
    released: tuple[str, ...]
    doubtful: tuple[dict[str, Any], ...]


@dataclass
class Portal:
    """One running portal; handlers find it at `request.app.state.portal`.

    Attributes:
        home: The installation's folder.
        settings: The office's settings.
        clock: What time it is; tests set another.
        proxy: Address of the proxy that this portal stands behind; empty for none.
    """

    home: Path
    settings: PortalSettings = field(default_factory=PortalSettings)
    clock: Callable[[], datetime] = utc_now
    proxy: str = ""

    @cached_property
    def accounts(self) -> Accounts:
        """Accounts and sessions."""
        return Accounts(self.home, self.settings, self.clock)

    @cached_property
    def audit(self) -> AuditLog:
        """The audit log."""
        return AuditLog(self.home, self.clock)

    @cached_property
    def knocks(self) -> Knocks:
        """Tries of who is not signed in."""
        return Knocks()

    @cached_property
    def second_factor(self) -> SecondFactor:
        """The second factor in use."""
        return Totp(self.accounts, Home(self.home))

    @cached_property
    def templates(self) -> jinja2.Environment:
        """The pages' templates; everything is escaped."""
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(package_dir("portal") / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters |= {"n": thousands, "when": when, "query": query, "time": at_second}
        environment.globals |= {"ROLE_WORDS": ROLE_WORDS, "EXPORT_WORDS": EXPORT_WORDS}
        environment.globals["download_parts"] = self.download_parts
        return environment

    @cached_property
    def store(self) -> "Store":
        """The publications, as `canbao.portal.store` serves them."""
        from canbao.portal.store import Store

        return Store(self.home)

    @cached_property
    def downloads(self) -> "Downloads":
        """Files of lists, as `canbao.portal.downloads` hands them out."""
        from canbao.portal.downloads import Downloads

        return Downloads(self)

    @cached_property
    def loop(self) -> "Loop":
        """What went out to the villages and what came back."""
        from canbao.loop.state import Loop

        return Loop(Home(self.home), self.clock)

    def download_parts(self, rows: int) -> int:
        """How many files a list of so many rows comes in."""
        return self.downloads.parts(rows)

    @property
    def tree(self) -> DivisionTree:
        """Divisions of the publication that is served, else of the one on its way, else those of the product."""
        current = self.store.current()
        tree: DivisionTree = current_tree(Home(self.home).current_publication()) if current is None else current.tree
        return tree

    def publication(self) -> Publication | None:
        """What is served now; None before the first night."""
        current = self.store.current()
        if current is None:
            return None
        manifest = current.manifest
        try:
            finished = datetime.fromisoformat(str(manifest.get("finished")))
        except ValueError:
            finished = None
        age = (self.clock() - finished).total_seconds() / 3600 if finished and finished.tzinfo else None
        return Publication(
            as_of=str(current.as_of),
            run_id=str(current.run_id),
            finished=finished,
            age_hours=age,
            stale=age is None or age > self.settings.max_age_hours,
            released=tuple(str(one.get("check_id")) for one in manifest.get("accepted", [])),
            doubtful=tuple(one for one in current.verdicts if one["verdict"] != "usable"),
        )


def portal_of(request: Request) -> Portal:
    """The portal that a request belongs to."""
    portal: Portal = request.app.state.portal
    return portal


def account_of(request: Request) -> Account:
    """The signed-in account; only for pages that need one."""
    session: Session = request.state.session
    return session.account


def scope_of(request: Request) -> Scope:
    """The signed-in person's scope; only for pages that need one."""
    scope: Scope = request.state.scope
    return scope


def form_of(request: Request) -> FormData:
    """The form that was sent, already read and checked against forgery."""
    form: FormData = request.state.form
    return form


def field_of(request: Request, name: str, longest: int = 200) -> str:
    """One field of the form, without blanks around it; empty where it is missing or too long to be meant."""
    values = [value for value in form_of(request).getlist(name) if isinstance(value, str)]
    return values[0].strip()[:longest] if values else ""


def parameters(request: Request, *known: str) -> dict[str, str]:
    """Parameters of the address, each at most once.

    Args:
        request: The request.
        known: Names that the page has; others are ignored.

    Returns:
        Name to value, empty where it is missing.

    Raises:
        NotFound: One came twice: which of the two counts would be a matter of luck.
    """
    values = {}
    for name in known:
        given = request.query_params.getlist(name)
        if len(given) > 1:
            raise refuse(request, "parameters", request.url.path, "repeated", parameter=name)
        values[name] = given[0].strip() if given else ""
    return values


def wrong_filter(request: Request, name: str, offered: Mapping[str, str] | None = None, rule: str = "") -> WrongFilter:
    """Note that an address has a filter with something that is not there.

    What was typed is not said again: people type numbers anywhere.

    Args:
        request: The request.
        name: Of the filter.
        offered: What may stand there, with words.
        rule: The same in a sentence, where it is no list.

    Returns:
        The exception to raise.
    """
    note(request, "parameters", target=request.url.path, outcome="refused", reason="unknown", parameter=name)
    return WrongFilter(name, {key: said for key, said in (offered or {}).items() if key}, rule)


def page_number(request: Request) -> int:
    """The page that an address asks for, from 1; it may lie behind the last one, for lists become shorter.

    Raises:
        WrongFilter: It is no number of a page.
    """
    text = parameters(request, "page")["page"]
    if not text:
        return 1
    if not (text.isascii() and text.isdecimal() and text.strip("0")):
        raise wrong_filter(request, "page", rule="从 1 起的整数")
    return int(text) if len(text) < 7 else 10**6


def note(
    request: Request,
    action: str,
    *,
    target: str | None = None,
    outcome: str = "ok",
    rows: int | None = None,
    reason: str | None = None,
    account: str | None = None,
    role: str | None = None,
    **detail: Any,
) -> str:
    """Write into the audit log who does this, from where, and what it is; durable when this returns.

    Long numbers in the texts are cut: people type numbers into addresses and forms.

    Raises:
        AuditError: It cannot be written; the answer is then 503.
    """
    portal = portal_of(request)
    session: Session | None = getattr(request.state, "session", None)
    return portal.audit.append(
        action,
        account=account or (session.account.name if session else None),
        role=role if role is not None else (session.account.role if session else None),
        address=request.state.address,
        target=None if target is None else _plain(target),
        outcome=outcome,
        rows=rows,
        reason=None if reason is None else _without_numbers(reason),
        detail=_without_numbers(detail),
    )


def failed(
    request: Request, action: str, error: Exception | str, *, target: str | None = None, status: int = 409
) -> Stop:
    """Note that a deed came to nothing (U6).

    Args:
        request: The request.
        action: How the audit log calls the deed.
        error: Why, in Chinese and without anybody's data.
        target: What it was to be done to.
        status: Of the answer.

    Returns:
        The exception to raise.
    """
    note(request, action, target=target, outcome="failed", reason=str(error)[:200])
    return Stop(str(error), status)


def _plain(target: str) -> str:
    """An audit entry's target: ids, codes and serials stay, what may be a person's number is cut."""
    if re.fullmatch(r"[0-9a-f]{32}|\d{6}|\d{9}|\d{12}-?", target) or _RECEIPT.fullmatch(target):
        return target
    return _NUMBER.sub(lambda found: found[0] if len(found[0]) == 12 else f"{found[0][:3]}***", target)[:200]


def _without_numbers(value: Any) -> Any:
    """The same with whatever may be a person's number cut in every text of it; ids and divisions stay."""
    if isinstance(value, str):
        return _IN_TEXT.sub(_cut, value)
    if isinstance(value, Mapping):
        return {name: _without_numbers(one) for name, one in value.items()}
    return [_without_numbers(one) for one in value] if isinstance(value, list | tuple) else value


def _cut(found: re.Match[str]) -> str:
    return found[0] if re.fullmatch(r"[0-9a-f]{32}|\d{12}", found[0]) else f"{found[0][:3]}***"


def step_up(request: Request) -> None:
    """See that the second factor is given for this one action, now.

    A form's action carries the code in the field `code`; the answer to a form without it is a page that asks for it and
    sends the form again. For an address that is fetched the way leads over `/step-up`, and what is confirmed there
    holds for this address, once, for five minutes.

    Raises:
        StepUp: It was not given; the app answers.
    """
    portal = portal_of(request)
    session: Session = request.state.session
    if not session.account.second_factor:
        raise StepUp
    if request.method == "POST":
        code = field_of(request, "code", 20)
        if not code:
            note(request, "second_factor", target=address_of(request), outcome="refused", reason="missing")
            raise StepUp
        fault = check_code(request, code)
        if fault:
            raise StepUp(fault)
    elif not portal.accounts.take_action(session, address_of(request)):
        raise StepUp


def check_code(request: Request, code: str, action: str = "second_factor") -> str:
    """Try a code of the second factor; wrong ones are counted and noted.

    Args:
        request: The request.
        code: As typed.
        action: How the audit log calls it where the code is right.

    Returns:
        What is wrong, in Chinese; empty where the code is right.
    """
    portal = portal_of(request)
    account = account_of(request)
    if portal.accounts.code_locked(account.name):
        note(request, "second_factor", target=account.name, outcome="refused", reason="locked")
        return f"动态码错误次数过多，请 {portal.settings.lock_minutes:g} 分钟后再试。"
    journal = partial(note, request, action, target=account.name)
    if portal.second_factor.check(account.name, code, portal.clock(), journal):
        return ""
    portal.accounts.code_failed(account.name)
    note(request, "second_factor", target=account.name, outcome="refused", reason="code")
    return "动态码不正确或已用过，请等下一个动态码再输入。"


def address_of(request: Request) -> str:
    """Path and parameters of a request."""
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def local_path(text: str) -> str:
    """A path of this portal to go on to; `/` for anything else."""
    parts = urlsplit(text)
    good = text.startswith("/") and not text.startswith("//") and "\\" not in text and text.isprintable()
    return text if good and not parts.netloc and not parts.scheme else "/"


def go(path: str) -> RedirectResponse:
    """Go on to another page of this portal."""
    return RedirectResponse(path, status_code=303)


def render(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """A page.

    Args:
        request: The request.
        template: File in `templates/`.
        status: Of the answer.
        values: What the template shows.
    """
    return HTMLResponse(page_text(request, template, **values), status_code=status)


def page_text(request: Request, template: str, **values: Any) -> str:
    """A page as text: for handlers that do more with it than answer."""
    portal = portal_of(request)
    session: Session | None = getattr(request.state, "session", None)
    inside = session is not None and getattr(request.state, "inside", False)
    assert not inside or session is not None
    last = portal.accounts.last_sign_in(session.account.name) if session and inside else None
    return portal.templates.get_template(template).render(
        **{
            "title": portal.settings.title,
            "account": session.account if session and inside else None,
            "scope": getattr(request.state, "scope", None) if inside else None,
            "session": session if inside else None,
            "last": last,
            "nav": NAV,
            "here": request.url.path,
            "csrf": getattr(request.state, "csrf", ""),
            "publication": portal.publication() if inside else None,
            "now": portal.clock(),
            **values,
        }
    )


NAV = (
    ("/", "本级概况", "see_ledger"),
    ("/ledger", "参保台账", "see_ledger"),
    ("/uninsured", "未参保名单", "see_people"),
    ("/duplicates", "重复参保", "see_people"),
    ("/search", "查人", "see_people"),
    ("/dispatch", "下发与核实", "see_batches"),
    ("/feedback", "回收填报", "upload_feedback"),
    ("/disputes", "答复分歧", "settle_disputes"),
    ("/objections", "异议", "see_objections"),
    ("/downloads", "下载记录", "download"),
    ("/quality", "数据质量", "see_quality"),
    ("/runs", "运行与发布", "see_runs"),
    ("/accounts", "账号", "see_accounts"),
    ("/audit", "审计日志", "read_audit"),
)
"""Head of every page: path, word, capability."""


def thousands(value: Any) -> str:
    """A count as offices write it; a dash for none."""
    return "—" if value is None else f"{value:,}"


def when(value: datetime | str | None, form: str = "%Y-%m-%d %H:%M") -> str:
    """A time in China's time, to the minute."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return ""
    if value is None:
        return ""
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(ZONE).strftime(form)


def at_second(seconds: float) -> str:
    """A time kept as seconds since 1970, in China's time, to the minute."""
    return when(datetime.fromtimestamp(seconds, UTC))


def query(values: Mapping[str, Any], **changes: Any) -> str:
    """Parameters of an address, those without a value left out: `{{ filters|query(page=2) }}`."""
    merged = {name: value for name, value in {**values, **changes}.items() if value not in (None, "")}
    return urlencode(merged, quote_via=quote)
