"""Which nights ran, which were missed (漏跑, U35), and when the next one was due."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta

from canbao.clock import ZONE
from canbao.home import Home, read_json
from canbao.quality import state

SCHEDULE = "schedule"
LONGEST = 366
"""Nights that a gap may have: what lies further apart are no nights of one installation."""


def seen(home: Home) -> set[date]:
    """As-of dates of which there is a publication, or for which a run began."""
    texts = {folder.parent.name for folder in home.publications()}
    for path in home.runs.glob("[0-9]*.json") if home.runs.is_dir() else ():
        record = read_json(path)
        if record.get("state") != "wrong_use":
            texts.add(str(record.get("as_of", "")))
    return set(_dates(texts))


def began(home: Home, day: date, since: datetime) -> bool:
    """Whether a run for a day began since a moment; one that was used wrongly did not."""
    first = f"{since.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    later = (read_json(path) for path in home.runs.glob("[0-9]*.json") if path.stem >= first)
    return any(one.get("as_of") == day.isoformat() and one.get("state") != "wrong_use" for one in later)


def missed_before(home: Home, day: date) -> list[date]:
    """The dates between a day and the last one before it on which a run began: nobody ran them."""
    earlier = [one for one in seen(home) if one < day]
    if not earlier or (day - max(earlier)).days > LONGEST:
        return []
    gap = [max(earlier) + timedelta(days=n) for n in range(1, (day - max(earlier)).days)]
    return due_days(gap, str(state.read(home, SCHEDULE).get("cron", "")))


def due_days(days: Sequence[date], cron: str) -> list[date]:
    """Those of the days on which the schedule wants a night; all of them where it is daily, or where none is known."""
    if not cron or cron.split()[2:] in ([], ["*"] * 3):
        return list(days)
    from prefect._vendor.croniter import croniter

    found = []
    for day in days:
        midnight = datetime(day.year, day.month, day.day, tzinfo=ZONE)
        if croniter(cron, midnight - timedelta(seconds=1)).get_next(datetime).date() == day:
            found.append(day)
    return found


def last_due(cron: str, now: datetime) -> datetime:
    """When the schedule last wanted a night to begin."""
    from prefect._vendor.croniter import croniter

    due: datetime = croniter(cron, now.astimezone(ZONE)).get_prev(datetime)
    return due


def earlier_figures(home: Home, day: date, run_id: str) -> tuple[str, dict[str, int]] | None:
    """The main figures of the publication of the same day before a run, and its run; None where there is none (U34)."""
    before = [one for one in home.publications() if one.parent.name == day.isoformat() and one.name < run_id]
    if not before:
        return None
    figures = read_json(before[-1] / "run_report.json").get("figures", {})
    return before[-1].name, {str(name): int(value) for name, value in figures.items()}


def keep_schedule(home: Home, cron: str) -> None:
    """Note the schedule that `canbao schedule` serves: who looks from outside knows which nights were due."""
    with state.changing(home):
        state.write(home, SCHEDULE, {"cron": cron})


def in_words(days: Sequence[date]) -> str:
    """Dates as ranges, in Chinese: `2026-04-01 至 2026-04-03（3 夜）`."""
    parts: list[list[date]] = []
    for day in sorted(days):
        if parts and day - parts[-1][-1] == timedelta(days=1):
            parts[-1].append(day)
        else:
            parts.append([day])
    told = [f"{part[0]}" if len(part) == 1 else f"{part[0]} 至 {part[-1]}" for part in parts]
    return f"{'、'.join(told)}（{len(days)} 夜）" if days else ""


def _dates(texts: Iterable[str]) -> Iterable[date]:
    for text in texts:
        try:
            yield date.fromisoformat(text)
        except ValueError:
            continue
