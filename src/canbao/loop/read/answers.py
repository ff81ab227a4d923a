"""What people write for a reason and for a day."""

import calendar
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from canbao.intake.definitions import code_table
from canbao.intake.values import OK, bare, means_blank, read_date
from canbao.loop.read.words import words

_CODE = re.compile(r"([A-Z]\d?)(?![A-Z0-9])")
_MONTH_DAY = re.compile(r"(\d{1,2})(?:月(\d{1,2})[日号]?|([-/.])(\d{1,2}))")
_SHORT_YEAR = re.compile(r"(\d{2})(?:年(\d{1,2})月(\d{1,2})[日号]?|([-/.])(\d{1,2})\4(\d{1,2}))")
_MONTH_ONLY = re.compile(r"(\d{4})(?:年(\d{1,2})月?|[-/](\d{1,2})|\.(\d\d|[2-9]))")
_SHORTENED = re.compile(r"\d{1,2}\.[123]")
# A clock behind a day, as exports have it, and a weekday.
_TAIL = re.compile(r"(?:[T ]\d{1,2}[:时].*|\(?(?:星期|周)[一二三四五六日天]\)?)$")
_YEARS_AHEAD, _YEARS_BACK = 60, 2


@dataclass(frozen=True)
class Reason:
    """A reason as read: its code, or the problem (a code of `words.toml`)."""

    code: str | None
    problem: str = ""


@lru_cache(4096)
def read_reason(text: str) -> Reason:
    """Reads a reason: a code, a word of the table, or both, with or without something added behind a separator."""
    if means_blank(text):
        return Reason(None)
    table = code_table("reason_code")
    known = table.find(text)
    if known is not None:
        return Reason(known)
    plain = bare(text).upper()
    told = words()["answers"]
    if plain in told["ditto"]:
        return Reason(None, "ditto")
    if plain in told["insured"]:
        return Reason(None, "reason_insured")
    separators = told["separators"]
    named = _CODE.match(plain)
    code = named[1] if named and named[1] in table.codes else None
    rest = plain[len(code) :].lstrip(separators) if code else plain
    if not rest:
        return Reason(code)
    word, added = _longest_word(rest, table.spellings, separators)
    if word is None:
        return Reason(None, "reason_unknown")
    if code is not None and word != code:
        return Reason(None, "reason_two" if _CODE.match(rest) else "reason_conflict")
    pieces = re.split(f"[{re.escape(separators)}]+", added)
    if any(table.spellings.get(piece, word) != word for piece in pieces if piece):
        return Reason(None, "reason_two")
    return Reason(word)


def _longest_word(text: str, spellings: Mapping[str, str], separators: str) -> tuple[str | None, str]:
    """The code of the longest spelling that the text begins with and that ends at a separator, and what follows."""
    fits = [one for one in spellings if text.startswith(one) and text[len(one) : len(one) + 1] in ("", *separators)]
    best = max(fits, key=len, default="")
    return spellings.get(best), text[len(best) :]


@dataclass(frozen=True)
class Day:
    """A day as read: the date, or the problem."""

    day: date | None
    problem: str = ""


def read_day(text: str, today: date, *, after: date | None, ends: bool, typed: bool) -> Day:
    """Reads a day.

    Args:
        text: The cell.
        today: The day the file came back: a visit without a year is the last such day not after it.
        after: For an end: the day of the visit, which an end without a year follows.
        ends: Whether it is an end; a month then means its last day, else its first.
        typed: The cell is text for certain; where it may have been a number, `1.1` could be `1.10`.

    Returns:
        The date; none and no problem where blank.
    """
    plain = _TAIL.sub("", _tight(text))
    if means_blank(plain):
        return Day(None)
    if plain in words()["answers"]["ditto"]:
        return Day(None, "ditto")
    bad = "end_unreadable" if ends else "found_unreadable"
    if match := _MONTH_ONLY.fullmatch(plain):
        found = _of_month(int(match[1]), int(match[2] or match[3] or match[4]), ends)
    elif _SHORTENED.fullmatch(plain) and not typed:
        return Day(None, "date_ambiguous")
    elif match := _MONTH_DAY.fullmatch(plain):
        month, day = int(match[1]), int(match[2] or match[4])
        found = _next(month, day, after or today) if ends else _last(month, day, today)
    elif match := _SHORT_YEAR.fullmatch(plain):
        year = 2000 + int(match[1])
        near = 0 <= year - today.year <= _YEARS_AHEAD if ends else 0 <= today.year - year <= _YEARS_BACK
        found = _valid(year, int(match[2] or match[5]), int(match[3] or match[6])) if near else None
    else:
        value, state = read_date(plain)
        found = value if state == OK else None
    return Day(found) if found else Day(None, bad)


def _tight(text: str) -> str:
    """NFKC without a leading apostrophe and without white space, but for the one before a clock."""
    plain = unicodedata.normalize("NFKC", text).strip().lstrip("'‘’`")
    plain = bare(plain) if plain.startswith("=") else plain
    return re.sub(r"\s+(?!\d{1,2}[:时])", "", plain)


def _of_month(year: int, month: int, ends: bool) -> date | None:
    if not 1 <= month <= 12 or not 1800 <= year <= 2199:
        return None
    return date(year, month, calendar.monthrange(year, month)[1] if ends else 1)


def _last(month: int, day: int, today: date) -> date | None:
    """The last such day that is not after today."""
    days = (_valid(year, month, day) for year in range(today.year, today.year - 9, -1))
    return next((one for one in days if one is not None and one <= today), None)


def _next(month: int, day: int, start: date) -> date | None:
    """The first such day that is not before the visit."""
    days = (_valid(year, month, day) for year in range(start.year, start.year + 9))
    return next((one for one in days if one is not None and one >= start), None)


def _valid(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
