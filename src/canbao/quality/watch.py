"""The watch of `canbao schedule`: whether the publication is too old or a night never began, without the flow engine.

It looks every hour from a thread of its own, so that it works when no flow ever starts, and tells each trouble once.
"""

import sys
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from canbao.errors import UserError, masked_traceback
from canbao.home import Home
from canbao.quality import entry, nights, notify, state
from canbao.settings import load_settings
from canbao.status import Standing, in_age, in_hours, standing

NAME = "watch"
EVERY = 3600.0
"""Seconds between two looks."""
GRACE = timedelta(hours=1)
"""How late a night may begin: after a restart it is made up for, and another run may hold the home."""


@dataclass(frozen=True)
class Trouble:
    """One thing to tell.

    Attributes:
        key: The same trouble has the same key, so that it is told once.
        line: In Chinese.
    """

    key: str
    line: str


def troubles(home: Home, found: Standing, cron: str, since: datetime) -> list[Trouble]:
    """What is wrong with an installation that ought to run every night.

    Args:
        home: The installation.
        found: Where it stands.
        cron: When nights are due; empty where nobody knows.
        since: When the watch began: a publication that never was is missed from then on.
    """
    told = []
    if found.current is None:
        if found.now - since > timedelta(hours=found.promised):
            told.append(Trouble("old none", f"尚未发布过任何内容，夜间任务已等待 {_ago(found.now - since)}"))
    elif found.too_old:
        name = f"{found.current.parent.name}/{found.current.name}"
        age = in_age(found.age) if found.age is not None else "时间不明"
        told.append(
            Trouble(
                f"old {name}",
                f"当前发布过期：截至 {found.current.parent.name}，距今 {age}，约定 {in_hours(found.promised)}",
            )
        )
    if found.last and found.last.get("state") == "running" and found.state == "broken_off":
        told.append(Trouble(f"died {found.last['run_id']}", f"{found.last.get('as_of')} 夜的运行中途消失，没有结果"))
    due = nights.last_due(cron, found.now) if cron else None
    if due and found.now - due > GRACE and found.now - since > GRACE and not _began(home, due):
        told.append(Trouble(f"began {due.isoformat()}", f"应于 {due:%Y-%m-%d %H:%M} 开始的夜间任务没有开始"))
    return told


def _began(home: Home, due: datetime) -> bool:
    """Whether a run began since a night was due, or that day needed none."""
    if any(home.published.glob(f"{due:%Y-%m-%d}/*/manifest.json")):
        return True
    first = (due - timedelta(minutes=2)).astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    return any(path.stem >= first for path in home.runs.glob("[0-9]*.json"))


def _ago(time: timedelta) -> str:
    return in_hours(time.total_seconds() / 3600)


def look(root: Path, cron: str, since: datetime, now: datetime | None = None) -> list[str]:
    """Look once: tell what is new through the hooks, and have the entry page say how things stand.

    Returns:
        The lines that were told, empty where nothing is new.
    """
    home = Home(root)
    found = standing(root, None, now)
    known = troubles(home, found, cron, since)
    with state.changing(home):
        before = set(state.read(home, NAME).get("told", []))
        state.write(home, NAME, {"told": [one.key for one in known], "looked": found.now.isoformat(timespec="seconds")})
    fresh = [one for one in known if one.key not in before]
    entry.write(home, found)
    if not fresh:
        return []
    lines = ["参保台账：夜间任务需要查看", *(one.line for one in fresh), f"详见 {entry.path_of(root)}"]
    about: dict[str, Any] = {"state": "watch", "as_of": None, "run_id": None, "changes": []}
    notify.send(home, load_settings(home.settings_file), lines, about)
    return lines


def begin(root: Path, cron: str, every: float | None = None) -> threading.Event:
    """Watch an installation from now on, until the event is set or the process ends.

    Args:
        root: `--home`.
        cron: When nights are due.
        every: Seconds between two looks; an hour by default.
    """
    stop, since = threading.Event(), datetime.now(UTC)

    def watch() -> None:
        while not stop.wait(every if every is not None else EVERY):
            try:
                lines = look(root, cron, since)
            except UserError as error:
                lines = [str(error)]
            except Exception as error:  # it must go on watching, whatever one look ran into
                lines = [masked_traceback(error)]
            if lines:
                print("\n".join(lines), file=sys.stderr, flush=True)

    threading.Thread(target=watch, name="canbao-watch", daemon=True).start()
    return stop
