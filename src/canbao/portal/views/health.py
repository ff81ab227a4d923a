"""What a watch from outside asks, and the answer to whatever is not there."""

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from canbao.portal.audit_log import AuditError
from canbao.portal.page import portal_of
from canbao.portal.scope import NotFound, refuse
from canbao.portal.watch import copy_is_late


def show(request: Request) -> Response:
    """`/healthz`: as-of date and age of what is served, and whether the portal can serve. No data, no sign-in.

    Status 200, also where the publication is too old (`stale`); 503 where nothing is served because the audit log
    cannot be written.
    """
    portal = portal_of(request)
    try:
        portal.audit.probe()
        audit = True
    except AuditError:
        audit = False
    found = portal.publication()
    body = {
        "status": "ok" if audit else "audit log cannot be written",
        "as_of": found.as_of if found else None,
        "run_id": found.run_id if found else None,
        "age_hours": round(found.age_hours, 1) if found and found.age_hours is not None else None,
        "stale": found is None or found.stale,
        "audit_copy_late": copy_is_late(portal),
    }
    return JSONResponse(body, 200 if audit else 503)


def icon(request: Request) -> Response:
    """`/favicon.ico`, which browsers ask for by themselves."""
    del request
    return RedirectResponse("/static/icon.svg", 301)


def nothing(request: Request) -> Response:
    """Every other path."""
    if getattr(request.state, "session", None) is not None:
        raise refuse(request, "unknown_path", request.url.path, "missing")
    raise NotFound
