"""Charts as SVG text for the pages: specifications are data (`charts/*.json`), drawn by vl-convert without a browser.

Every chart has a text alternative and stands beside the table of its figures, so that nobody needs to see it.
"""

import html
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from canbao.quality.site.words import words

_FOLDER = Path(__file__).parent / "charts"
_MEASURED_WITH = "sans-serif"
"""Text is measured with one plain font: a list of fonts costs twice the time of the drawing."""


def trend(points: Sequence[Mapping[str, Any]], title: str, *, limit: float | None = None, percent: bool = False) -> str:
    """A line over nights; nights on which the check failed are triangles.

    Args:
        points: Oldest first: day (text for the axis), value, failed (bool or None), label (text of the value).
        title: What it shows, as the text alternative begins.
        limit: Drawn as a dashed line.
        percent: Values are shares.

    Returns:
        SVG, or an empty text for fewer than two points.
    """
    if len(points) < 2:
        return ""
    last = len(points) - 1
    rows = [
        {
            "day": point["day"],
            "value": point["value"],
            "label": point["label"],
            "state": "failed" if point.get("failed") else "passed",
            "last": number == last,
        }
        for number, point in enumerate(points)
    ]
    low, high = (pick(points, key=lambda point: point["value"])["label"] for pick in (min, max))
    told = (
        f"{title}：{points[0]['day']} 为 {points[0]['label']}，{points[-1]['day']} 为 {points[-1]['label']}，"
        f"其间最低 {low}，最高 {high}。"
    )
    values = sorted({float(point["value"]) for point in points})
    whole = all(value.is_integer() for value in values)
    slots = {
        "ticks": [points[0]["day"], points[-1]["day"]],
        "levels": [values[0], values[-1]],
        "format": ".2%" if percent else ",d" if whole else ",.2f",
        "limit_value": limit,
    }
    return _draw("trend", rows, told, slots)


def waterfall(rows: Sequence[Mapping[str, Any]], title: str) -> str:
    """A bridge: what it was, what each cause added or took away, what it is.

    Args:
        rows: In order: label, kind (total, up, down), begin, end, text.
        title: As the text alternative begins.
    """
    if not rows:
        return ""
    ends = [float(row[side]) for row in rows for side in ("begin", "end")]
    room = (max(ends) - min(ends)) or max(abs(max(ends)) * 0.01, 1.0)
    domain = [min(ends) - room * 0.05, max(ends) + room * 0.28]
    drawn = [{**row, "right": max(row["begin"], row["end"])} for row in rows]
    told = title + "：" + "，".join(f"{row['label']} {row['text']}" for row in rows) + "。"
    return _draw("waterfall", drawn, told, {"domain": domain, "order": [row["label"] for row in rows]})


def bars(rows: Sequence[Mapping[str, Any]], title: str) -> str:
    """Horizontal bars in the given order.

    Args:
        rows: label, value, kind (main, out, gap), text.
        title: As the text alternative begins.
    """
    if not rows:
        return ""
    told = title + "：" + "，".join(f"{row['label']} {row['text']}" for row in rows) + "。"
    return _draw("bars", rows, told, {"order": [row["label"] for row in rows]})


def _draw(name: str, rows: Sequence[Mapping[str, Any]], told: str, slots: Mapping[str, Any]) -> str:
    colours = words()["chart"] | {"text": words()["colour"]["text"]}
    spec = _filled(_template(name), {**colours, **slots})
    spec["data"] = {"values": list(rows)}
    spec["config"] = {
        "font": _MEASURED_WITH,
        "view": {"stroke": None},
        "axis": {
            "labelFontSize": 12, "labelColor": colours["text"], "gridColor": colours["grid"],
            "domainColor": colours["axis"],
        },
        "text": {"fontSize": 12},
    }  # fmt: skip
    return _dressed(_svg(json.dumps(spec, ensure_ascii=False)), told, colours["font"])


@lru_cache(maxsize=256)
def _svg(spec: str) -> str:
    """A chart as drawn: every third of a night shows the same figures as another, on another page."""
    import vl_convert

    return str(vl_convert.vegalite_to_svg(spec))


@cache
def _template(name: str) -> Any:
    return json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def _filled(part: Any, slots: Mapping[str, Any]) -> Any:
    """The template with its `@name` places filled; a part whose `only_if` slot is empty is left out."""
    if isinstance(part, str) and part.startswith("@"):
        return slots[part[1:]]
    if isinstance(part, list):
        return [
            _filled(one, slots)
            for one in part
            if not (isinstance(one, dict) and "only_if" in one and slots.get(one["only_if"]) is None)
        ]
    if isinstance(part, dict):
        return {key: _filled(value, slots) for key, value in part.items() if key != "only_if"}
    return part


_ROOT = re.compile(r"<svg [^>]*?width=\"(\d+)[^\"]*\" height=\"(\d+)[^\"]*\" viewBox=\"([^\"]+)\"[^>]*>")
_NOISE = re.compile(r' (?:aria-[a-z]+|role|class|pointer-events|opacity|stroke-miterlimit)="[^"]*"|<title>.*?</title>')
_EMPTY = re.compile(r'<path d="M0,0h0v0h0Z"/>|<g></g>|<path d="M0,0h[\d.]+v[\d.]+h-[\d.]+Z"/>')
_LONG = re.compile(r"(\d+\.\d{2})\d+")


def _dressed(svg: str, told: str, font: str) -> str:
    """The drawing for a page: text alternative, fonts of the offices' machines, no noise of the tool."""
    svg = _NOISE.sub("", svg)
    svg = _EMPTY.sub("", svg)
    svg = _LONG.sub(r"\1", svg)
    svg = svg.replace(f'font-family="{_MEASURED_WITH}"', "")
    found = _ROOT.match(svg)
    assert found is not None
    width, height, box = found.groups()
    text = html.escape(told)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="{box}" role="img"'
        f' aria-label="{text}" font-family="{font}"><title>{text}</title>'
    )
    return head + svg[found.end() :]
