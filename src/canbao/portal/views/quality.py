"""The publication's own pages, through the session: data quality and rule book; and the list of runs."""

import mimetypes
import re
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from canbao.home import Home, read_json
from canbao.portal.page import go, portal_of, render
from canbao.portal.reading import reads
from canbao.portal.scope import refuse, require
from canbao.portal.store import Publication
from canbao.portal.words import words

_POLICY = "; ".join(
    ("default-src 'none'", "style-src 'self' 'unsafe-inline'", "img-src 'self' data:", "frame-ancestors 'none'")
)
"""The pages of a publication bring their own styles; scripts stay off."""

_KINDS = {".html", ".css", ".svg", ".png", ".json", ".csv", ".woff2"}
_NAV = re.compile(rb'<div class="nav">.*?</div>', re.DOTALL)
_AWAY = re.compile(rb'<a (?:[^>]*? )?href="(?!#)[^"]*"[^>]*>(.*?)</a>', re.DOTALL)
_BACK = '<p><a href="/">返回门户首页</a></p>'.encode()
_STATES = {
    "published": ("good", "✔", "已发布"),
    "blocked": ("bad", "✖", "未发布（检查未通过）"),
    "failed": ("bad", "✖", "未发布（程序故障）"),
    "broken_off": ("bad", "✖", "未发布（中途中断）"),
    "running": ("open", "？", "进行中"),
    "wrong_use": ("open", "？", "未开始（用法有误）"),
}
_LISTED = 60


@reads
def start(request: Request, pub: Publication) -> Response:
    """`/quality`: the morning page; for a district its own page."""
    scope = require(request, "see_quality")
    if scope.can("see_quality_all"):
        return go("/quality/index.html")
    if scope.division is None:
        raise refuse(request, "see_quality", None, "division")
    if not (pub.folder / "reports" / "quality" / "districts" / f"{scope.division.code}.html").is_file():
        return render(request, "no_quality.html")
    return go(f"/quality/districts/{scope.division.code}.html")


@reads
def show(request: Request, pub: Publication) -> Response:
    """`/quality/…`: a file of the publication's `reports/quality`, and nothing else of it."""
    scope = require(request, "see_quality")
    name = str(request.path_params["name"])
    everything = scope.can("see_quality_all")
    own = scope.division.code if scope.division else ""
    if not everything and name not in {"style.css", f"districts/{own}.html"}:
        raise refuse(request, "see_quality", f"/quality/{name}", "division")
    return _file(request, pub.folder / "reports" / "quality", name, whole=everything)


@reads
def rule_book(request: Request, pub: Publication) -> Response:
    """`/rules.html`: every rule with its document and clause."""
    require(request, "see_ledger")
    return _file(request, pub.folder / "reports", "rules.html", whole=True)


def _file(request: Request, folder: Path, name: str, *, whole: bool) -> Response:
    """One of the files that stand in the folder; no other spelling of a path leads anywhere."""
    known = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.suffix in _KINDS}
    path = known.get(name)
    if path is None or not path.is_file() or path.is_symlink():
        raise refuse(request, "see_quality", f"/quality/{name}", "missing")
    body = path.read_bytes()
    if not whole and path.suffix == ".html":
        body = _NAV.sub(_BACK, _AWAY.sub(rb"\1", body))  # its ways lead to pages of the whole city
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Response(body, media_type=kind, headers={"Content-Security-Policy": _POLICY})


def runs(request: Request) -> Response:
    """`/runs`: publications, what was let pass and by whom, and how every run ended."""
    require(request, "see_runs")
    portal = portal_of(request)
    home = Home(portal.home)
    current = home.current_publication()
    served: Publication | None = portal.store.current()
    publications = []
    for folder in reversed(home.publications()[-_LISTED:]):
        manifest = read_json(folder / "manifest.json")
        checks = manifest.get("checks") or []
        publications.append(
            {
                "as_of": folder.parent.name,
                "run_id": folder.name,
                "insured_year": manifest.get("insured_year", ""),
                "finished": manifest.get("finished"),
                "current": current is not None and folder.resolve() == current,
                "served": served is not None and served.id == f"{folder.parent.name}/{folder.name}",
                "checks": len(checks),
                "failed": sum(_failed(check) for check in checks),
                "accepted": [_accepted(one) for one in manifest.get("accepted") or []],
            }
        )
    records = []
    for path in sorted(home.runs.glob("*.json"), reverse=True)[:_LISTED]:
        record = read_json(path)
        state = _STATES.get(str(record.get("state")), ("open", "？", str(record.get("state", ""))))
        records.append(
            {
                "run_id": path.stem,
                "as_of": record.get("as_of", ""),
                "started": record.get("started"),
                "finished": record.get("finished"),
                "state": state,
                "failing": [str(one) for one in record.get("failing_checks") or []],
            }
        )
    return render(
        request,
        "runs.html",
        publications=publications,
        runs=records,
        verdicts=served.verdicts if served else [],
        words=words(),
        limit=_LISTED,
    )


def _failed(check: Any) -> bool:
    return isinstance(check, dict) and check.get("state", "passed") == "failed"


def _accepted(one: Any) -> dict[str, str]:
    if not isinstance(one, dict):
        return {"check_id": str(one), "reason": "", "by": ""}
    by = one.get("accepted_by") or one.get("by") or ""
    return {
        "check_id": str(one.get("check_id", "")),
        "reason": str(one.get("reason", "")),
        "by": "、".join(map(str, by)) if isinstance(by, list) else str(by),
    }
