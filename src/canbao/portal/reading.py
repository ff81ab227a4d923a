"""Between a handler and the publication: one publication for the whole request, and words for when there is none."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from canbao.portal.divisions import Division, full_code
from canbao.portal.lists import FilterError, choices, withheld
from canbao.portal.page import Stop, WrongFilter, account_of, portal_of, render, wrong_filter
from canbao.portal.scope import NotFound, Scope, refuse, require
from canbao.portal.store import Broken, Publication

Asked = TypeVar("Asked")
Reader = Callable[[Request, Publication], Response]


def reads(handler: Reader) -> Callable[[Request], Response]:
    """A handler that answers from the publication.

    The scope is decided again where a new publication came between the sign-in check and the handler: tree numbers hold
    within one publication only.
    """

    @wraps(handler)
    def answer(request: Request) -> Response:
        store = portal_of(request).store
        publication: Publication | None = store.current()
        if publication is None:
            # A page says so as a page; a file, a form and a way to one person have nothing to give.
            page = request.method != "POST" and "." not in request.url.path and not request.path_params
            return render(request, "waiting.html", 200 if page else 503, problem=store.problem)
        scope: Scope = request.state.scope
        if scope.tree is not publication.tree:
            request.state.scope = Scope.of(account_of(request), publication.tree)
        try:
            return handler(request, publication)
        except Broken:
            store.report_broken(publication)
            raise Stop("查询用的索引文件读取失败，正在自动重建，请过几分钟再试。", 503) from None

    return answer


async def decided(request: Request, decide: Callable[[Request, Publication], Asked | Response]) -> Asked | Response:
    """Have a handler that goes on in another process decide first, in a thread and on one publication.

    Args:
        request: The request.
        decide: Gives what is asked for, or the answer where the way ends here.

    Returns:
        What is asked for, or the answer: also to a HEAD request, which asks for the decision alone.
    """
    found: list[Asked] = []

    @reads
    def answer(one: Request, pub: Publication) -> Response:
        made = decide(one, pub)
        if isinstance(made, Response):
            return made
        found.append(made)
        return Response()

    ended = await run_in_threadpool(answer, request)
    return found[0] if found and request.method != "HEAD" else ended


def asked_division(request: Request, capability: str, code: str) -> tuple[Scope, Division, str]:
    """The division that an address names, the own one where it names none; a former code stands for its successor.

    Args:
        request: The request.
        capability: What is about to be shown.
        code: From the address: 12 digits, or 6 or 9 of a district or township, with `-` for a division's 未落地 row.

    Returns:
        Scope, division in use, and its code as lists take it (with `-` where asked for).

    Raises:
        NotFound: It is not in the scope, or does not exist; the try is in the audit log.
    """
    scope = require(request, capability)
    if scope.division is None:
        raise refuse(request, capability, code or None, "division")
    if not code:
        return scope, scope.division, scope.division.code
    plain = full_code(code).removesuffix("-")
    found = scope.tree.get(plain) or _successor(scope, plain)
    if found is None or (code.endswith("-") and found.level == 4):
        raise refuse(request, capability, code, "division")
    require(request, capability, division=found.code, target=code)
    return scope, found, found.code + ("-" if code.endswith("-") else "")


def _successor(scope: Scope, code: str) -> Division | None:
    """What a former code stands for, at the level it was on."""
    for level in (4, 3, 2, 1):
        found = scope.tree.current(code, level)
        if found is not None:
            return found if level == _level(code) else None
    return None


def _level(code: str) -> int:
    """The level that a 12-digit code is written on."""
    if len(code) != 12 or not (code.isascii() and code.isdigit()):
        return 0
    return 1 if code.endswith("0" * 8) else 2 if code.endswith("0" * 6) else 3 if code.endswith("000") else 4


def wrong_parameter(request: Request, error: FilterError) -> NotFound | WrongFilter:
    """An address with a filter that is not there for this person.

    What may stand there is said, except where the role must not use some of it: then all that it cannot use is answered
    as what does not exist (contract.md section 4).
    """
    name, scope = str(error), request.state.scope
    if withheld(name, scope):
        return refuse(request, "parameters", request.url.path, "unknown", parameter=name)
    return wrong_filter(request, name, choices(name, scope), "0 至 999 的整数")
