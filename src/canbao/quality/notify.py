"""Notices (U37): one digest of at most ten lines, through a command or a webhook, and only where something changed.

Nothing is sent without configuration (`[notify]` in `<home>/canbao.toml`). A hook that fails never fails a night; what
became of each notice stands in `<home>/history/notices.json`. A digest holds titles, dates and counts, nobody's data.
"""

import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from canbao.clock import ZONE
from canbao.home import KEY_VARIABLE, Home
from canbao.quality import state
from canbao.quality.incidents import SEVERITIES, Change, Incident
from canbao.settings import Settings

NAME = "notices"
LINES = 10
"""Lines of a digest, at most."""
WIDTH = 120
"""Signs of a line, at most: it is read on a telephone."""
KEPT = 200
TIMEOUT = 30.0
"""Seconds that a hook may take; the home stays held meanwhile."""

_KINDS = {"opened": "新问题", "worsened": "加重", "still": "仍未通过", "closed": "已恢复"}


@dataclass(frozen=True)
class Sent:
    """What became of a notice by one way.

    Attributes:
        way: command or webhook.
        ok: Whether it was taken.
        error: Why not, in Chinese; never what the other side answered.
    """

    way: str
    ok: bool
    error: str = ""


def digest(headline: str, changes: Sequence[Change], titles: Mapping[str, str], footer: str = "") -> list[str]:
    """The notice's lines: what the night came to, then what changed, grouped by kind and by whom to call.

    Args:
        headline: One sentence about the night.
        changes: What happened to incidents.
        titles: Source to its Chinese name.
        footer: Where to look.
    """
    groups: dict[tuple[str, str], list[Incident]] = {}
    for change in sorted(changes, key=_weight):
        one = change.incident
        cause = titles.get(one.source or "", one.source or "") or one.department or ""
        groups.setdefault((_KINDS[change.kind], cause), []).append(one)
    lines = [f"{kind}｜{cause}：{_titles(found)}" for (kind, cause), found in groups.items()]
    room = LINES - 1 - bool(footer)
    if len(lines) > room:
        left = len(lines) - room + 1
        lines = [*lines[: room - 1], f"另有 {left} 组变化，见质量页。"]
    return [_cut(line) for line in (headline, *lines, *([footer] if footer else []))]


def _weight(change: Change) -> tuple[int, int, str]:
    kinds = {"opened": 0, "worsened": 0, "still": 1, "closed": 2}
    return kinds[change.kind], change.incident.severity != "block", change.incident.check_id


def _titles(found: Sequence[Incident]) -> str:
    named = "、".join(f"[{SEVERITIES.get(one.severity, '')}]{one.title}{_nights(one)}" for one in found[:3])
    return named + (f" 等 {len(found)} 项" if len(found) > 3 else "")


def _nights(one: Incident) -> str:
    return f"（{one.nights} 夜）" if one.nights > 1 else ""


def _cut(line: str) -> str:
    line = " ".join(line.split())
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def send(home: Home, settings: Settings, lines: Sequence[str], about: Mapping[str, Any]) -> list[Sent]:
    """Hand a digest to the configured hooks and keep what became of it; nothing happens without configuration.

    Args:
        home: The installation.
        settings: Its settings.
        lines: The digest.
        about: For programs: state, as_of, run_id and the changes, as JSON can hold them.
    """
    sent = []
    if settings.notify_command:
        sent.append(_command(settings.notify_command, "\n".join(lines) + "\n"))
    if settings.notify_webhook:
        sent.append(_webhook(settings.notify_webhook, {"text": "\n".join(lines), **about}))
    if sent:
        entry = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "lines": list(lines),
            "sent": [{"way": one.way, "ok": one.ok, "error": one.error} for one in sent],
            **about,
        }
        with state.changing(home):
            kept = state.read(home, NAME).get("notices", [])
            state.write(home, NAME, {"notices": [*kept, entry][-KEPT:]})
    return sent


def _command(command: str, text: str) -> Sent:
    # The secrets of this process are none of the command's business.
    hidden = (KEY_VARIABLE, "PREFECT_SERVER_API_AUTH_STRING", "PREFECT_API_AUTH_STRING")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            input=text.encode(),
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Sent("command", ok=False, error=f"命令 {TIMEOUT:.0f} 秒内没有结束")
    except OSError as error:
        return Sent("command", ok=False, error=f"命令无法启动（{error.strerror}）")
    return Sent("command", done.returncode == 0, f"命令以状态 {done.returncode} 结束" if done.returncode else "")


def _webhook(address: str, data: Mapping[str, Any]) -> Sent:
    request = urllib.request.Request(  # noqa: S310 - the settings take http and https alone
        address,
        data=json.dumps(data, ensure_ascii=False).encode(),
        headers={"Content-Type": "application/json; charset=utf-8"},
        method="POST",
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # it stays in the office's own network
    try:
        opener.open(request, timeout=TIMEOUT).close()
    except urllib.error.HTTPError as error:
        return Sent("webhook", ok=False, error=f"对方答复状态 {error.code}")
    except (OSError, ValueError) as error:
        return Sent("webhook", ok=False, error=f"无法连接（{type(error).__name__}）")
    return Sent("webhook", ok=True)


def undelivered(home: Home) -> str:
    """A sentence where the last notice did not arrive by some way, else empty."""
    notices = state.read(home, NAME).get("notices", [])
    bad = [one for one in (notices[-1]["sent"] if notices else []) if not one["ok"]]
    if not bad:
        return ""
    at = datetime.fromisoformat(notices[-1]["at"]).astimezone(ZONE)
    return f"最近一次通知未送达：{'；'.join(one['error'] for one in bad)}（{at:%Y-%m-%d %H:%M}）。"


def as_data(changes: Iterable[Change]) -> list[dict[str, Any]]:
    """Changes for programs that read the webhook."""
    return [
        {
            "kind": change.kind,
            "incident_id": change.incident.incident_id,
            "check_id": change.incident.check_id,
            "title": change.incident.title,
            "severity": change.incident.severity,
            "department": change.incident.department,
            "opened": change.incident.opened,
            "nights": change.incident.nights,
        }
        for change in changes
    ]
