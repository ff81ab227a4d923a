"""`canbao status`: what is current, how old it is, and what stopped the last night."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from canbao.home import Home, read_json


@dataclass(frozen=True)
class Status:
    """The state of an installation, as a monitor wants it.

    Attributes:
        lines: What to print, in Chinese.
        fresh: False where nothing is published, or where it is older than promised.
    """

    lines: list[str]
    fresh: bool


def status(root: Path, max_age: float | None, now: datetime | None = None) -> Status:
    """Judge an installation from outside; changes nothing in it.

    Args:
        root: `--home`.
        max_age: Promised age in hours, None where none was promised.
        now: The time to judge by; now by default.
    """
    home = Home(root)
    now = now or datetime.now(UTC)
    lines: list[str] = []
    current = home.current_publication() if root.is_dir() else None
    fresh = current is not None
    if current is None:
        lines.append("尚未发布过任何内容。")
    else:
        manifest = read_json(current / "manifest.json")
        finished = _time(manifest.get("finished"))
        age = (now - finished).total_seconds() / 3600 if finished else None
        lines.append(f"当前发布：截至 {current.parent.name}，运行 {current.name}")
        told = "不明" if finished is None else f"{finished.astimezone():%Y-%m-%d %H:%M}，距今 {_hours(age or 0.0)}"
        lines.append(f"发布时间：{told}")
        accepted = [entry["check_id"] for entry in manifest.get("accepted", [])]
        if accepted:
            lines.append(f"放行的检查：{'、'.join(accepted)}")
        if max_age is not None and (age is None or age > max_age):
            fresh = False
            lines.append(f"已超过约定的 {_hours(max_age)}，请检查夜间任务。")
    last = last_run(home)
    if last is None:
        lines.append("尚无运行记录。")
        return Status(lines, fresh=False if current is None else fresh)
    busy = last.get("state") == "running" and home.running()
    state = "进行中" if busy else _STATES.get(str(last.get("state")), str(last.get("state")))
    lines.append(f"最近一次运行：{last.get('run_id')}（截至 {last.get('as_of')}）：{state}")
    if last.get("state") != "published" and last.get("message"):
        lines.extend(str(last["message"]).splitlines())
    return Status(lines, fresh)


_STATES = {
    "published": "已发布",
    "blocked": "未发布（检查未通过）",
    "running": "未发布（运行中途被中断）",
    "broken_off": "未发布（运行中途被中断）",
    "failed": "未发布（程序故障）",
    "wrong_use": "未开始（用法有误）",
}


def last_run(home: Home) -> dict[str, Any] | None:
    """The newest run's record, None where no run ever began."""
    records = sorted(home.runs.glob("[0-9]*.json")) if home.runs.is_dir() else []
    return {"run_id": records[-1].stem, **read_json(records[-1])} if records else None


def _time(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else None


def _hours(hours: float) -> str:
    return f"{hours:.1f} 小时" if hours < 48 else f"{hours / 24:.1f} 天"
