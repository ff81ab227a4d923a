"""Rule parameters: dated data per jurisdiction, each value with its document and clause.

The policy's numbers live in `<jurisdiction>.toml` beside this file; an overlay given with `--rules` lays plain values
over the same keys for one run. Nothing here knows what a parameter is for: the SQL steps read them as a table.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any

from canbao.errors import UserError
from canbao.paths import package_dir

Value = int | float | str | bool | date | list[str] | None

_OPEN_KEYS = (
    (re.compile(r"window\.\d{4}\.(start|end)"), date),
    (re.compile(r"premium\.\d{4}\.tier[12]"), Decimal),
    (re.compile(r"subsidy\.\d{4}"), Decimal),
    (re.compile(r"aid\.[^.]+\.(tier[12]_personal|priority)"), Decimal),
)
"""Keys that a year or a kind of aid completes, so that no list can name them all, and the type of their value."""

_WHOLE = re.compile(r".*(?:_months|_years|_year|_offset|\.days|\.priority)")
"""Keys whose values count something: half a month is none."""


@dataclass(frozen=True)
class Parameter:
    """One value of one parameter: grain (name, valid_from).

    Attributes:
        name: dotted key (`waiting.fixed_months`).
        value: number, text, date, truth value, list of texts, or None where no document gives one.
        valid_from: first day on which it holds (None: always).
        valid_to: last day on which it holds (None: open).
        document: the document's number.
        clause: the clause in it.
        verified: False where no document at hand gives the value, or where the text is ambiguous.
        overlay: True where a `--rules` file set it.
    """

    name: str
    value: Value
    valid_from: date | None = None
    valid_to: date | None = None
    document: str = ""
    clause: str = ""
    verified: bool = True
    overlay: bool = False

    def holds_on(self, day: date) -> bool:
        """Whether the value is in force on `day`."""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day <= self.valid_to)

    def text(self) -> str | None:
        """The value as the SQL's parameter table holds it: text, lists joined by a bar."""
        if self.value is None:
            return None
        if isinstance(self.value, list):
            return "|".join(self.value)
        if isinstance(self.value, bool):
            return "true" if self.value else "false"
        return str(self.value)


@dataclass(frozen=True)
class Rules:
    """The parameters in force on one day: grain name."""

    jurisdiction: str
    title: str
    as_of: date
    parameters: dict[str, Parameter]

    def default_insured_year(self) -> int:
        """The year whose centralized payment window (PER-1) contains the as-of date, else the date's own year."""
        for name in sorted(self.parameters):
            match = re.fullmatch(r"window\.(\d{4})\.start", name)
            if not match:
                continue
            start = self.parameters[name].value
            end = self.parameters.get(f"window.{match[1]}.end")
            if isinstance(start, date) and end and isinstance(end.value, date) and start <= self.as_of <= end.value:
                return int(match[1])
        return self.as_of.year

    def rows(self) -> list[tuple[str, str | None, date | None, date | None, str, str, bool, bool]]:
        """Rows of the parameter table: name, value, valid_from, valid_to, document, clause, verified, overlay."""
        return [
            (p.name, p.text(), p.valid_from, p.valid_to, p.document, p.clause, p.verified, p.overlay)
            for _, p in sorted(self.parameters.items())
        ]


def jurisdictions() -> list[str]:
    """Names of the jurisdictions that ship with the product."""
    return sorted(p.stem for p in package_dir("rules").glob("*.toml"))


def load_rules(jurisdiction: str, as_of: date, overlay: Path | None = None) -> Rules:
    """The rule parameters in force on a day.

    Args:
        jurisdiction: name of a file beside this module.
        as_of: the run's as-of date; a past date takes the rules of that date.
        overlay: TOML file with the same keys. A plain value holds for the whole run; an entry as the shipped files have
            them holds from `valid_from` to `valid_to`, and is verified where it says so and names its document.

    Raises:
        UserError: unknown jurisdiction, unreadable overlay, unknown key or a value of the wrong type in it.
    """
    if jurisdiction not in jurisdictions():
        raise UserError(f"没有辖区“{jurisdiction}”的规则；可用：{'、'.join(jurisdictions())}")
    title, shipped = _shipped(jurisdiction)
    parameters: dict[str, Parameter] = {}
    for parameter in shipped:
        if parameter.holds_on(as_of):
            parameters[parameter.name] = parameter
    if overlay is not None:
        known = {p.name: p for p in shipped}
        for name, entries in _overlay_entries(overlay).items():
            for entry in entries:
                parameter = _overlay_parameter(overlay, name, entry, known)
                if parameter.holds_on(as_of):
                    parameters[name] = parameter
        _check_windows(overlay, parameters)
        _check_transition(overlay, parameters)
    return Rules(jurisdiction, title, as_of, parameters)


@cache
def _shipped(jurisdiction: str) -> tuple[str, tuple[Parameter, ...]]:
    data = tomllib.loads((package_dir("rules") / f"{jurisdiction}.toml").read_text("utf-8"))
    title = data.pop("title")
    found: list[Parameter] = []

    def walk(prefix: str, node: Any) -> None:
        if isinstance(node, list):
            found.extend(Parameter(name=prefix, **{"value": None, **entry}) for entry in node)
            return
        for key, child in node.items():
            walk(f"{prefix}.{key}" if prefix else key, child)

    walk("", data)
    return title, tuple(found)


def _overlay_entries(path: Path) -> dict[str, list[dict[str, Any]]]:
    try:
        data = tomllib.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError as error:
        raise UserError(f"规则文件 {path} 不存在；请检查 --rules 后的路径") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"规则文件 {path} 无法读取（须为 UTF-8 文本）：{error}") from error
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"规则文件 {path} 不是有效的 TOML：{error}") from error
    flat: dict[str, list[dict[str, Any]]] = {}

    def walk(prefix: str, node: Any) -> None:
        if isinstance(node, dict) and "value" in node:
            flat[prefix] = [node]
        elif isinstance(node, dict):
            for key, child in node.items():
                walk(f"{prefix}.{key}" if prefix else key, child)
        elif isinstance(node, list) and node and all(isinstance(entry, dict) for entry in node):
            flat[prefix] = node
        else:
            flat[prefix] = [{"value": node}]

    walk("", data)
    return flat


_ENTRY = ("value", "valid_from", "valid_to", "document", "clause", "verified")


def _overlay_parameter(path: Path, name: str, entry: dict[str, Any], known: dict[str, Parameter]) -> Parameter:
    wanted: type | None = next((kind for pattern, kind in _OPEN_KEYS if pattern.fullmatch(name)), None)
    if wanted is None and name not in known:
        near = difflib.get_close_matches(name, known, n=3)
        hint = f"；是否想写：{'、'.join(near)}" if near else ""
        raise UserError(f"规则文件 {path}：没有名为“{name}”的参数{hint}")
    if wanted is None:
        wanted = _kind(name, known[name].value)
    if unknown := [key for key in entry if key not in _ENTRY]:
        raise UserError(f"规则文件 {path}：参数“{name}”里不能写“{unknown[0]}”；可写：{'、'.join(_ENTRY)}")
    value = entry.get("value")
    if value is not None:
        value = _converted(path, name, value, wanted)
    days = {
        key: _converted(path, f"{name}.{key}", entry[key], date) for key in ("valid_from", "valid_to") if key in entry
    }
    told = {key: _converted(path, f"{name}.{key}", entry[key], str) for key in ("document", "clause") if key in entry}
    verified = "verified" in entry and _converted(path, f"{name}.verified", entry["verified"], bool)
    if verified and not told.get("document"):
        raise UserError(f"规则文件 {path}：参数“{name}”写明已核实（verified），须同时写明文件（document）")
    return Parameter(
        name,
        value,
        **days,  # type: ignore[arg-type]
        document=str(told.get("document") or f"运行参数文件 {path.name}"),
        clause=str(told.get("clause", "")),
        verified=bool(verified),
        overlay=True,
    )


def _check_windows(path: Path, parameters: dict[str, Parameter]) -> None:
    for name in [one for one in parameters if re.fullmatch(r"window\.\d{4}\.start", one)]:
        end = parameters.get(name.removesuffix("start") + "end")
        begin, last = parameters[name].value, end.value if end else None
        if isinstance(begin, date) and isinstance(last, date) and last < begin:
            raise UserError(f"规则文件 {path}：集中缴费期 {name.split('.')[1]} 的结束日 {last} 早于开始日 {begin}")


_MONTHS_KEPT = 48
"""Months before the insured year that a night knows one by one (history_person)."""


def _check_transition(path: Path, parameters: dict[str, Parameter]) -> None:
    told = (parameters.get(name) for name in ("transition.min_years", "transition.gap_months"))
    years, gap = (one.value if one else None for one in told)
    if isinstance(years, int | float) and isinstance(gap, int | float) and years * 12 + gap > _MONTHS_KEPT:
        raise UserError(
            f"规则文件 {path}：transition.min_years（{years} 年）与 transition.gap_months（{gap} 个月）"
            f"合计不能超过 {_MONTHS_KEPT} 个月，更早的参保月份没有逐月数据"
        )


_AT_MOST = {"cap.limit_ratio": 1, "waiting.var_offset": 1}
"""A share is no percentage; of the offset the text leaves two readings (WAIT-3)."""

_NUMBERS_WITHOUT_VALUE = dict.fromkeys(
    ("cap.base", "cap.k_from_year", "cap.deductible", "age_limit.male", "age_limit.female"), Decimal
)


def _kind(name: str, value: Value) -> type:
    if value is None:
        return _NUMBERS_WITHOUT_VALUE[name]
    if isinstance(value, bool):
        return bool
    if isinstance(value, int | float):
        return Decimal
    return type(value)


def _converted(path: Path, name: str, value: Any, wanted: type) -> Value:
    wrong = UserError(f"规则文件 {path}：参数“{name}”的值 {value!r} 不是所需的类型（{_KIND_NAMES[wanted]}）")
    if wanted is date:
        if isinstance(value, datetime):
            return value.date()
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(str(value).strip())
        except ValueError:
            raise wrong from None
    if wanted is Decimal:
        if isinstance(value, bool):
            raise wrong
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            raise wrong from None
        if not number.is_finite():
            raise wrong
        if number < 0 or (_WHOLE.fullmatch(name) and number != number.to_integral_value()):
            raise UserError(f"规则文件 {path}：参数“{name}”的值 {value!r} 应为{_number_words(name)}")
        if number > _AT_MOST.get(name, number):
            raise UserError(f"规则文件 {path}：参数“{name}”的值 {value!r} 不能大于 {_AT_MOST[name]}")
        return int(number) if number == number.to_integral_value() else float(number)
    if wanted is list:
        if isinstance(value, str):
            return [value]
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise wrong
        shipped = (one.value for place in jurisdictions() for one in _shipped(place)[1] if one.name == name)
        known = {item for listed in shipped if isinstance(listed, list) for item in listed}
        if unknown := [item for item in value if item not in known]:
            usable = "、".join(sorted(known))
            raise UserError(f"规则文件 {path}：参数“{name}”里的“{unknown[0]}”不可用；可用：{usable}")
        return value
    of_kind: Any = value
    if not isinstance(value, wanted):
        raise wrong
    return of_kind


def _number_words(name: str) -> str:
    return "不小于 0 的整数" if _WHOLE.fullmatch(name) else "不小于 0 的数"


_KIND_NAMES = {date: "日期", Decimal: "数字", list: "文字列表", bool: "true 或 false", str: "文字"}
