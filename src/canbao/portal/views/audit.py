"""The audit log, for the auditor: search, pages, and the same as a file."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from canbao.clock import ZONE
from canbao.paths import package_dir
from canbao.portal.accounts import plain_name
from canbao.portal.audit_log import AuditLog
from canbao.portal.page import note, page_number, parameters, portal_of, render, when
from canbao.portal.scope import ROLE_WORDS

_PER_PAGE = 100
_FILTERS = ("account", "target", "action", "outcome", "since", "until")
OUTCOMES = {"ok": "成功", "refused": "拒绝", "failed": "失败"}
_HEAD = ("序号", "时间", "账号", "角色", "地址", "动作", "对象", "结果", "行数", "理由", "明细")


@lru_cache
def words(kind: str) -> Mapping[str, str]:
    """What actions and the portal's own reasons are called, from `actions.csv` and `reasons.csv`."""
    with (package_dir("portal") / f"{kind}s.csv").open(encoding="utf-8", newline="") as file:
        return {row[kind]: row["word"] for row in csv.DictReader(file)}


def _given(request: Request) -> dict[str, str]:
    given = parameters(request, *_FILTERS)
    today = portal_of(request).clock().astimezone(ZONE).date()
    for name, default in (("since", today - timedelta(days=31)), ("until", today)):
        try:
            date.fromisoformat(given[name])
        except ValueError:
            given[name] = default.isoformat()
    return given


def show(request: Request) -> Response:
    """`/audit`: newest first; the last month unless days are given."""
    given = _given(request)
    filters = {name: given[name] for name in _FILTERS}
    page = page_number(request)
    log = portal_of(request).audit
    found, total = _search(log, filters, limit=_PER_PAGE, offset=(page - 1) * _PER_PAGE)
    return render(
        request,
        "audit.html",
        found=found,
        total=total,
        page=page,
        last_page=max(1, -(-total // _PER_PAGE)),
        given=filters,
        words=words("action"),
        reasons=words("reason"),
        outcomes=OUTCOMES,
        details=_details,
    )


def as_csv(request: Request) -> Response:
    """`/audit.csv`: all that the filters leave, as a file that opens in a Chinese office program."""
    given = _given(request)
    filters = {name: given[name] for name in _FILTERS}
    found, total = _search(portal_of(request).audit, filters, limit=10**9)
    note(request, "audit_export", rows=total, filters={name: value for name, value in filters.items() if value})
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow((f"审计日志 {filters['since']} 至 {filters['until']}，共 {total} 行",))
    writer.writerow(_HEAD)
    writer.writerows(_rows(found))
    writer.writerow((f"以下无数据，共 {total} 行",))
    name = f"audit_{filters['since']}_{filters['until']}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response("\ufeff" + text.getvalue(), headers=headers, media_type="text/csv; charset=utf-8")


def _search(log: AuditLog, filters: Mapping[str, str], limit: int, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
    return log.search(
        account=plain_name(filters["account"]),
        target=filters["target"],
        action=filters["action"],
        outcome=filters["outcome"],
        since=filters["since"],
        until=filters["until"],
        limit=limit,
        offset=offset,
    )


def _rows(found: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    for entry in found:
        yield tuple(
            _harmless(str(value))
            for value in (
                entry["seq"],
                when(entry["at"], "%Y-%m-%d %H:%M:%S"),
                entry["account"] or "",
                ROLE_WORDS.get(entry["role"] or "", entry["role"] or ""),
                entry["address"] or "",
                words("action").get(entry["action"], entry["action"]),
                entry["target"] or "",
                OUTCOMES.get(entry["outcome"], entry["outcome"]),
                "" if entry["rows"] is None else entry["rows"],
                words("reason").get(entry["reason"] or "", entry["reason"] or ""),
                _details(entry),
            )
        )


def _details(entry: Mapping[str, Any]) -> str:
    detail = entry.get("detail") or {}
    return json.dumps(detail, ensure_ascii=False, sort_keys=True) if detail else ""


def _harmless(text: str) -> str:
    """Text that no office program takes for a formula, and codes that it does not take for numbers."""
    if text[:1] in "=+-@\t\r＝＋－＠" and text:
        return f"'{text}"
    return f"{text}\t" if text.isdecimal() and len(text) > 11 else text
