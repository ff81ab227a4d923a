"""What an office sets for its installation: `<home>/canbao.toml`, every key optional."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from canbao.errors import UserError


@dataclass(frozen=True)
class Settings:
    """An installation's settings.

    Attributes:
        keep_nights: `[publications] keep_nights`, nights kept whole before one a month stays.
        also_block: `[checks] block`, ids of warnings that stop the night in this office.
        quiet_seconds: `[intake] quiet_seconds`; a file changed more recently than that, in a delivery without a
            manifest, is taken to be still growing. 0: the age alone says nothing.
        notify_command: `[notify] command`, run by the shell with the digest on standard input; empty for none.
        notify_webhook: `[notify] webhook`, the digest is posted there as JSON; empty for none.
        two_people: `[release] two_people`, a blocked night needs two people (`canbao release`); no `--accept`.
        max_age_hours: `[watch] max_age_hours`, age from which the current publication is too old.
        repair_due_days: `[repair] due_days`, working days that a department has for a repair request.
        holidays: `[repair] holidays`, days off besides Saturdays and Sundays.
        workdays: `[repair] workdays`, Saturdays and Sundays that are worked.
        loop_due_days: `[loop] due_days`, working days (as of `[repair]`) that a village has for its answers.
        township_confirms: `[loop] township_confirms`, what a village sends back counts when its township confirmed it.
        full_numbers: `[loop] full_numbers`, the sheets that villages are sent have numbers in full.
        contacts: `[contacts]`, department to whom to call.
    """

    keep_nights: int = 30
    also_block: tuple[str, ...] = ()
    quiet_seconds: float = 0.0
    notify_command: str = ""
    notify_webhook: str = ""
    two_people: bool = False
    max_age_hours: float = 30.0
    repair_due_days: int = 10
    holidays: tuple[date, ...] = ()
    workdays: tuple[date, ...] = ()
    loop_due_days: int = 10
    township_confirms: bool = False
    full_numbers: bool = False
    contacts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Key:
    """One key of the file: which attribute it sets, what it may be, and how that is said to people."""

    attribute: str
    allowed: Callable[[Any], bool]
    words: str
    made: Callable[[Any], Any] = lambda value: value


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _web(value: Any) -> bool:
    return isinstance(value, str) and (not value or value.startswith(("http://", "https://")))


def _days(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, date) and not isinstance(one, datetime) for one in value)


_KEYS: dict[str, dict[str, _Key]] = {
    "publications": {
        "keep_nights": _Key("keep_nights", lambda v: type(v) is int and v >= 1, "正整数"),
    },
    "checks": {
        "block": _Key(
            "also_block",
            lambda v: isinstance(v, list) and all(isinstance(one, str) for one in v),
            "检查编号列表",
            tuple,
        ),
    },
    "intake": {
        "quiet_seconds": _Key("quiet_seconds", lambda v: _number(v) and 0 <= v <= 86400, "0 至 86400 的秒数", float),
    },
    "notify": {
        "command": _Key("notify_command", lambda v: isinstance(v, str), "一条命令，通知内容从标准输入读取", str.strip),
        "webhook": _Key("notify_webhook", _web, "http:// 或 https:// 开头的地址"),
    },
    "release": {
        "two_people": _Key("two_people", lambda v: isinstance(v, bool), "true 或 false"),
    },
    "repair": {
        "due_days": _Key("repair_due_days", lambda v: type(v) is int and 1 <= v <= 250, "1 至 250 的工作日数"),
        "holidays": _Key("holidays", _days, "日期列表，如 [2026-10-01]，不加引号", tuple),
        "workdays": _Key("workdays", _days, "日期列表，如 [2026-10-10]，不加引号", tuple),
    },
    "loop": {
        "due_days": _Key("loop_due_days", lambda v: type(v) is int and 1 <= v <= 250, "1 至 250 的工作日数"),
        "township_confirms": _Key("township_confirms", lambda v: isinstance(v, bool), "true 或 false"),
        "full_numbers": _Key("full_numbers", lambda v: isinstance(v, bool), "true 或 false"),
    },
    "watch": {
        "max_age_hours": _Key("max_age_hours", lambda v: _number(v) and v > 0, "大于 0 的小时数", float),
    },
}
_CONTACTS = "contacts"
_OF_THE_PORTAL = ("portal", "audit")
"""Sections that `canbao.portal.settings` reads."""


def _known(data: Mapping[str, Any]) -> str:
    """The keys of the sections in which an unknown one stands; empty where every key is known."""
    told = [
        f"[{section}] 可设 {'、'.join(f'{name}（{key.words}）' for name, key in keys.items())}；"
        for section, keys in _KEYS.items()
        if isinstance(data.get(section), dict) and not data[section].keys() <= keys.keys()
    ]
    return "".join(told)


def load_settings(path: Path) -> Settings:
    """Read `<home>/canbao.toml`.

    Raises:
        UserError: The file cannot be read, or holds a key or value that is not known.
    """
    if not path.exists():
        return Settings()
    try:
        data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UserError(f"设置文件 {path} 无法读取：{error}。请改正后重新运行。") from None
    wrong: list[str] = []
    values: dict[str, Any] = {}
    for section, entries in data.items():
        if section in _OF_THE_PORTAL:
            continue
        if not isinstance(entries, dict) or section not in {*_KEYS, _CONTACTS}:
            wrong.append(f"不认识的项 {section}")
        elif section == _CONTACTS:
            wrong += [f"contacts.{name} 应为文字" for name, text in entries.items() if not isinstance(text, str)]
            values["contacts"] = {name: str(text) for name, text in entries.items()}
        else:
            for name, value in entries.items():
                key = _KEYS[section].get(name)
                if key is None:
                    wrong.append(f"不认识的项 {section}.{name}")
                elif not key.allowed(value):
                    wrong.append(f"{section}.{name} 应为{key.words}")
                else:
                    values[key.attribute] = key.made(value)
    if wrong:
        sections = " ".join(f"[{name}]" for name in (*_KEYS, _CONTACTS, *_OF_THE_PORTAL))
        raise UserError(f"设置文件 {path} 有误：{'；'.join(wrong)}。\n{_known(data)}可用的节：{sections}。")
    return Settings(**values)
