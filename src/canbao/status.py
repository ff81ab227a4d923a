"""`canbao status`: what is current, how old it is, what stopped the last night, and what waits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from canbao.clock import ZONE
from canbao.errors import UserError
from canbao.home import Home, read_json
from canbao.quality import incidents, nights, notify, state
from canbao.quality.arrivals import Waiting, waiting
from canbao.quality.incidents import Incident
from canbao.settings import Settings, load_settings


@dataclass(frozen=True)
class Status:
    """The state of an installation, as a monitor wants it.

    Attributes:
        lines: What to print, in Chinese.
        fresh: False where nothing is published, or where it is older than promised.
    """

    lines: list[str]
    fresh: bool


@dataclass(frozen=True)
class Standing:
    """Where an installation stands, judged from outside.

    Attributes:
        now: When it was judged.
        promised: Age in hours from which a publication is too old.
        current: Folder of the current publication, None where nothing was ever published.
        broken: A sentence where `current` points to no whole publication.
        manifest: Its manifest.
        finished: When it was published.
        last: The last run's record, None where no run ever began.
        state: How the last run ended; `running` only where one is at work.
        missed: Nights since the last run that nobody ran.
        made_up: Nights for which the current publication made up.
        waiting: What arrived after the last run had looked.
        incidents: Those that are open.
        undelivered: A sentence where the last notice did not arrive.
        verdicts: Title of each product to verdict and reason, of the current publication.
    """

    now: datetime
    promised: float
    current: Path | None = None
    broken: str = ""
    manifest: dict[str, Any] = field(default_factory=dict)
    finished: datetime | None = None
    last: dict[str, Any] | None = None
    state: str = ""
    missed: Sequence[date] = ()
    made_up: Sequence[date] = ()
    waiting: Sequence[Waiting] = ()
    incidents: Sequence[Incident] = ()
    undelivered: str = ""
    verdicts: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def age(self) -> float | None:
        """Hours since the publication."""
        return (self.now - self.finished).total_seconds() / 3600 if self.finished else None

    @property
    def valid_until(self) -> datetime | None:
        """When the current publication becomes too old."""
        return self.finished + timedelta(hours=self.promised) if self.finished else None

    @property
    def too_old(self) -> bool:
        """Older than promised; so is an installation that has never published anything."""
        return self.age is None or self.age > self.promised

    @property
    def blocked(self) -> bool:
        """Whether the last run ended without a publication."""
        return self.last is not None and self.state not in {"published", "running"}

    @property
    def accepted(self) -> list[dict[str, Any]]:
        """What was let pass in the current publication."""
        return list(self.manifest.get("accepted", []))


def standing(root: Path, max_age: float | None = None, now: datetime | None = None) -> Standing:
    """Judge an installation from outside; changes nothing in it.

    Args:
        root: `--home`.
        max_age: Promised age in hours; `[watch] max_age_hours` by default.
        now: The time to judge by; now by default.
    """
    home, now = Home(root), now or datetime.now(UTC)
    if not root.is_dir():
        return Standing(now, _promised(max_age, Settings()))
    current = home.current_publication()
    manifest = read_json(current / "manifest.json") if current else {}
    last = last_run(home)
    how = str(last.get("state")) if last else ""
    if how == "running" and not home.running():
        how = "broken_off"
    today = now.astimezone(ZONE).date()
    known = nights.seen(home)
    return Standing(
        now=now,
        promised=_promised(max_age, _settings(home)),
        current=current,
        broken=home.current_fault(),
        manifest=manifest,
        finished=_time(manifest.get("finished")),
        last=last,
        state=how,
        missed=nights.missed_before(home, today) if state.read(home, nights.SCHEDULE) else (),
        made_up=[day for day in map(_date, manifest.get("missed_nights", [])) if day and day not in known],
        waiting=waiting(home, today),
        incidents=incidents.load(home).open,
        undelivered=notify.undelivered(home),
        verdicts=_verdicts(current),
    )


def status(root: "Path | Standing", max_age: float | None = None, now: datetime | None = None) -> Status:
    """What `canbao status` says of an installation; changes nothing in it.

    Args:
        root: `--home`, or where it stands.
        max_age: Promised age in hours; `[watch] max_age_hours` of the home by default.
        now: The time to judge by; now by default.
    """
    found = root if isinstance(root, Standing) else standing(root, max_age, now)
    lines = _publication(found)
    if found.last is None:
        lines.append("尚无运行记录。")
    else:
        lines.append(
            f"最近一次运行：{found.last.get('run_id')}（截至 {found.last.get('as_of')}）：{in_words(found.state)}"
        )
        if found.blocked and found.last.get("message"):
            lines.extend(str(found.last["message"]).splitlines())
    if found.missed:
        lines.append(f"漏跑：{nights.in_words(found.missed)}。补跑一次最新日期即可：canbao run --as-of 日期")
    if found.made_up:
        lines.append(f"当前发布补的漏跑：{nights.in_words(found.made_up)}")
    if found.waiting:
        lines.append("上次运行后到达，今夜计入：")
        lines += [f"  {one.line}" for one in found.waiting]
    if found.incidents:
        lines.append(f"未关闭的问题 {len(found.incidents)} 个：")
        lines += [f"  {line}" for line in incidents.in_short(found.incidents)]
    if found.undelivered:
        lines.append(found.undelivered)
    return Status(lines, fresh=not found.too_old)


def _publication(found: Standing) -> list[str]:
    if found.current is None:
        return [found.broken or "尚未发布过任何内容。"]
    lines = [
        *([found.broken] if found.broken else []),
        f"当前发布：截至 {found.current.parent.name}，运行 {found.current.name}",
    ]
    told = "不明" if found.finished is None else f"{local(found.finished)}，距今 {in_age(found.age or 0.0)}"
    lines.append(f"发布时间：{told}")
    if found.accepted:
        lines.append(f"放行的检查：{'、'.join(entry['check_id'] for entry in found.accepted)}")
    if found.verdicts:
        lines += ["产品能否使用：", *(f"  {line}" for line in verdict_lines(found))]
    if (path := brief(found.current)) is not None:
        lines.append(f"简报：{path}")
    if found.too_old:
        lines.append(f"已超过约定的 {in_hours(found.promised)}，请检查夜间任务。")
    return lines


_STATES = {
    "published": "已发布",
    "blocked": "未发布（检查未通过）",
    "running": "进行中",
    "broken_off": "未发布（运行中途被中断）",
    "failed": "未发布（程序故障）",
    "wrong_use": "未开始（用法有误）",
}


VERDICTS = {"usable": "可用", "caution": "慎用", "unusable": "不可用"}


def _verdicts(current: Path | None) -> dict[str, tuple[str, str]]:
    from canbao.reports import stamps

    found = stamps.verdicts(current) if current else {}
    return {str(row["title"]): (str(row["verdict"]), str(row["reason"] or "")) for row in found.values()}


def verdict_lines(found: Standing) -> list[str]:
    """The products that are not simply usable, one line each; one line where all are."""
    lines = [
        f"{title}：{VERDICTS.get(verdict, verdict)}" + (f"——{reason}" if reason else "")
        for title, (verdict, reason) in found.verdicts.items()
        if verdict != "usable"
    ]
    usable = [title for title, (verdict, _) in found.verdicts.items() if verdict == "usable"]
    return [*lines, *([f"可用：{'、'.join(usable)}"] if usable else [])]


def brief(current: Path) -> Path | None:
    """The brief of a publication, the paper before the text; None where there is none."""
    files = (current / "reports" / name for name in ("brief.docx", "brief.txt"))
    return next((path for path in files if path.exists()), None)


def in_words(how: str) -> str:
    """How a run ended, in Chinese."""
    return _STATES.get(how, how)


def last_run(home: Home) -> dict[str, Any] | None:
    """The newest run's record, None where no run ever began."""
    records = sorted(home.runs.glob("[0-9]*.json")) if home.runs.is_dir() else []
    return {"run_id": records[-1].stem, **read_json(records[-1])} if records else None


def _promised(max_age: float | None, settings: Settings) -> float:
    return settings.max_age_hours if max_age is None else max_age


def _settings(home: Home) -> Settings:
    try:
        return load_settings(home.settings_file)
    except UserError:
        return Settings()  # the run says what is wrong with the file; the state can be told without it


def _time(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else None


def _date(text: Any) -> date | None:
    try:
        return date.fromisoformat(str(text))
    except ValueError:
        return None


def local(time: datetime) -> str:
    """A moment as the office's clock shows it."""
    return f"{time.astimezone(ZONE):%Y-%m-%d %H:%M}"


def in_hours(hours: float) -> str:
    """An age in Chinese."""
    return f"{hours:.1f} 小时" if hours < 48 else f"{hours / 24:.1f} 天"


def in_age(hours: float) -> str:
    """How long ago something was, in Chinese: what is fresh needs no decimals."""
    return "不到一小时" if hours < 1 else in_hours(hours)
