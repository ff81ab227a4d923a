"""Figures and texts as the pages print them: the filters of their templates."""

import json
import re
from datetime import datetime
from typing import Any

from canbao.clock import ZONE

MISSING = "—"


def number(value: float | int | None) -> str:
    """A count with thousands separators; a dash for nothing."""
    if value is None:
        return MISSING
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"


def signed(value: int | None) -> str:
    """A difference with its sign."""
    if value is None:
        return MISSING
    return "0" if not value else f"{'+' if value > 0 else '−'}{abs(value):,}"


def share(value: float | None) -> str:
    """A share with two decimals; a dash for a zero denominator."""
    return MISSING if value is None else f"{value:.2%}"


def figure(value: float | None, denominator: int | None) -> str:
    """A check's figure: a share where it has a denominator, else a number."""
    return share(value) if denominator and value is not None and value <= 1 else number(value)


def day_of(value: Any) -> str:
    """A date as text; a dash for none."""
    return MISSING if value is None else str(value)[:10]


def clock(value: Any) -> str:
    """A moment as the office's clock shows it (China's time, whatever the machine's zone is), to the minute."""
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        return MISSING
    return f"{moment.astimezone(ZONE):%Y-%m-%d %H:%M}"


def counted(text: str | None) -> str:
    """Counts per column (JSON text) as words; empty for none."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return ""
    if not isinstance(found, dict):
        return ""
    parts = []
    for name, value in found.items():
        amount = sum(value.values()) if isinstance(value, dict) else value
        parts.append(f"{name} {number(amount)}" if isinstance(amount, int | float) else str(name))
    return masked("、".join(parts))


_LONG_NUMBER = re.compile(r"(?<![0-9A-Za-z])(?:1[3-9]\d{9}|\d{15}|\d{17}[\dXx])(?![0-9A-Za-z])")


def masked(text: Any) -> str:
    """A text that others wrote (a file's name, a note) without what may be a certificate number or a telephone."""
    return _LONG_NUMBER.sub(lambda found: f"{found[0][:3]}***", str(text))
