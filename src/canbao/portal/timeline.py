"""The timeline of a person's cover: months of each relation, drawn on the server as plain SVG."""

from collections.abc import Mapping, Sequence
from datetime import date
from html import escape
from typing import Any

from markupsafe import Markup

from canbao.portal.fields import bureau
from canbao.portal.scope import Scope
from canbao.portal.words import insurance

YEARS = 6
"""Years that the picture shows; the table beside it has all."""

_LEFT, _WIDTH, _ROW, _TOP = 210, 960, 26, 24
_FILLS = {"310": "#1f4e79", "390": "#c98a12"}
_OTHER = "#0f7a6c"


def _number(month: str) -> int:
    return int(month[:4]) * 12 + int(month[4:6]) - 1


def timeline(rows: Sequence[Mapping[str, Any]], as_of: date, insured_year: int, scope: Scope) -> Markup:
    """Bars of the covered months, a line for each relation; empty where there is no cover in those years.

    Args:
        rows: Of `coverage`.
        as_of: The as-of date, which is marked.
        insured_year: The last year that is shown, or the year of the as-of date where that is later.
        scope: Who looks.
    """
    last_year = max(insured_year, as_of.year)
    first, last = (last_year - YEARS + 1) * 12, last_year * 12 + 11
    lanes: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        if _number(row["end_month"]) >= first and _number(row["begn_month"]) <= last:
            key = (str(row["psn_insu_rlts_id"] or ""), str(row["insutype"]), str(row["insu_admdvs"] or ""))
            lanes.setdefault(key, []).append(row)
    if not lanes:
        return Markup("")
    step = _WIDTH / (last - first + 1)
    height = _TOP + _ROW * len(lanes) + 6
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 4} {height}" width="100%" role="img" '
        f'aria-label="参保月份图" font-size="13" class="timeline">'
    ]
    for year in range(first // 12, last // 12 + 1):
        x = _LEFT + (year * 12 - first) * step
        parts.append(f'<line x1="{x:.1f}" y1="4" x2="{x:.1f}" y2="{height}" stroke="#768492" stroke-width="1"/>')
        parts.append(f'<text x="{x + 4:.1f}" y="17" fill="#1a1a1a">{year}年</text>')
    for at, ((_, insutype, admdvs), runs) in enumerate(lanes.items()):
        y = _TOP + at * _ROW
        label = escape(f"{insurance(insutype)} {bureau(scope.tree, admdvs)}")
        parts.append(f'<text x="0" y="{y + 17}" fill="#1a1a1a">{label}</text>')
        fill = _FILLS.get(insutype, _OTHER)
        for run in runs:
            begin, end = max(_number(run["begn_month"]), first), min(_number(run["end_month"]), last)
            x, width = _LEFT + (begin - first) * step, (end - begin + 1) * step
            dashed = ' stroke-dasharray="4 3"' if run["projected"] else ""
            inside = "#ffffff" if run["projected"] or not run["paid"] else fill
            parts.append(
                f'<rect x="{x:.1f}" y="{y + 4}" width="{width:.1f}" height="{_ROW - 9}" fill="{inside}" stroke="{fill}"'
                f' stroke-width="2"{dashed}/>'
            )
    now = _LEFT + (as_of.year * 12 + as_of.month - 1 - first + 0.5) * step
    parts.append(
        f'<line x1="{now:.1f}" y1="{_TOP - 4}" x2="{now:.1f}" y2="{height}" stroke="#8a1020" stroke-width="2"/>'
    )
    parts.append("</svg>")
    return Markup("".join(parts))  # noqa: S704 - every text in it is escaped above
