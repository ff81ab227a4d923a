"""Incidents (U37): the same check failing over several nights is one, with first night, owner and state.

`<home>/history/incidents.json` holds them; no person's data. A night closes what it finds green by itself. A run for an
earlier date than the newest one that was judged speaks of the past and leaves them alone, but for a run broken off.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from canbao.errors import UserError
from canbao.gates import Check
from canbao.home import Home
from canbao.quality import state
from canbao.quality.personal import refuse_numbers

if TYPE_CHECKING:
    from canbao.nightly import Night

NAME = "incidents"
KEPT = 500
"""Closed incidents that are kept."""
GATES = ("refused", "required", "rejected_share", "row_fall", "delivered", "growing", "left_out")
"""Gates before the build: whoever got past `land` has judged all of them, those that say nothing when green too."""
RUN_FAILED, RUN_BROKEN_OFF = "run.failed", "run.broken_off"
_RUNS = {RUN_FAILED: "夜间运行因程序故障中止", RUN_BROKEN_OFF: "夜间运行中途被中断"}

Kind = Literal["opened", "worsened", "still", "closed"]
"""What a notice says of an incident; `still` only where a night is blocked by what was known."""


@dataclass(frozen=True)
class Incident:
    """One trouble from its first night to its last.

    Attributes:
        incident_id: `<first night>-<number>`.
        check_id: The check that fails, or `run.failed`, `run.broken_off`.
        title: Its title.
        severity: block or warn, the worst so far.
        source: The source it speaks of, if any.
        department: Whom to call.
        opened: As-of date of the first night.
        last_seen: As-of date of the last night on which it failed.
        nights: Nights (as-of dates) on which it failed.
        value: The check's value on the last of them.
        worst_value: The greatest so far.
        told_value: The value that was last told: twice as much is worse.
        state: open, acknowledged (it has an owner) or closed.
        owner: Who looks after it.
        notes: Remarks, oldest first.
        closed: As-of date of the night that found it green.
        previous: Id of the incident of the same check before this one.
    """

    incident_id: str
    check_id: str
    title: str
    severity: str
    opened: str
    last_seen: str
    source: str | None = None
    department: str | None = None
    nights: int = 1
    value: float | None = None
    worst_value: float | None = None
    told_value: float | None = None
    state: str = "open"
    owner: str | None = None
    notes: tuple[str, ...] = ()
    closed: str | None = None
    previous: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What a run says about checks.

    Attributes:
        as_of: Its day.
        run_id: The run.
        checks: Those that were judged.
        everything: All checks were judged: what does not fail is green.
        gates: The gates were judged.
        run_failure: `run.failed` or `run.broken_off`, None where the run came to its end.
    """

    as_of: date
    run_id: str
    checks: Sequence[Check] = ()
    everything: bool = False
    gates: bool = False
    run_failure: str | None = None

    def failing(self) -> dict[str, Check]:
        """Checks that make an incident: neither those on trial nor mere information."""
        found = {
            check.check_id: check
            for check in self.checks
            if check.passed is not True and not check.trial and check.severity in _SEVERITY
        }
        if self.run_failure:
            title = _RUNS[self.run_failure]
            found[self.run_failure] = Check(
                self.run_failure, title, "timeliness", "block", passed=False, department="系统维护"
            )
        return found

    def green(self, check_id: str) -> bool:
        """Whether a check that does not fail was seen to be right."""
        if check_id in _RUNS:
            return self.run_failure is None
        judged = {check.check_id for check in self.checks if check.passed is True}
        return self.everything or check_id in judged or (self.gates and check_id.partition(".")[0] in GATES)


@dataclass(frozen=True)
class Change:
    """What a night did to an incident, worth a notice."""

    kind: Kind
    incident: Incident


@dataclass(frozen=True)
class Book:
    """All incidents, oldest first, the newest as-of date judged, and the last run that was."""

    incidents: tuple[Incident, ...] = ()
    latest: str = ""
    run_id: str = ""

    @property
    def open(self) -> list[Incident]:
        """Those that are not closed."""
        return [one for one in self.incidents if one.state != "closed"]


_SEVERITY = {"warn": 1, "block": 2}


def advance(book: Book, night: Outcome) -> tuple[Book, list[Change]]:
    """Lay a night over the incidents; a pure function of both."""
    day = night.as_of.isoformat()
    if day < book.latest:
        return _of_the_past(book, night)
    failing = night.failing()
    changes: list[Change] = []
    kept: list[Incident] = []
    last = {one.check_id: one for one in book.incidents}
    again = {one.incident_id for one in last.values() if one.closed == day}
    for one in book.incidents:
        check = failing.get(one.check_id)
        if one.state == "closed" and one.incident_id not in again:
            kept.append(one)
        elif one.state == "closed":  # the same night, run again, finds it wrong again: it was not over
            found = one if check is None else replace(_seen(one, check, day), state=_open(one), closed=None)
            kept.append(found)
            changes += [Change("opened", found)] if check is not None else []
        elif check is not None:
            found = _seen(one, check, day)
            worse = _worse(one, found)
            kept.append(replace(found, told_value=found.value) if worse else found)
            changes += [Change("worsened", kept[-1])] if worse else []
        elif night.green(one.check_id):
            kept.append(replace(one, state="closed", closed=day))
            changes.append(Change("closed", kept[-1]))
        else:
            kept.append(one)  # this night did not get as far as that check
    known = {one.check_id for one in kept if one.state != "closed"}
    number = _last_number(kept, night.as_of)
    for check_id, check in sorted(failing.items()):
        if check_id not in known:
            number += 1
            before = last.get(check_id)
            kept.append(_new(check, f"{night.as_of:%Y%m%d}-{number}", day, before.incident_id if before else None))
            changes.append(Change("opened", kept[-1]))
    surplus = [one.incident_id for one in kept if one.state == "closed"][:-KEPT]
    kept = [one for one in kept if one.incident_id not in set(surplus)]
    return Book(tuple(kept), day, max(book.run_id, night.run_id)), changes


def _last_number(incidents: Iterable[Incident], day: date) -> int:
    """The greatest number of a day's incidents, 0 where it has none."""
    numbers = [one.incident_id.removeprefix(f"{day:%Y%m%d}-") for one in incidents]
    return max((int(one) for one in numbers if one.isdecimal()), default=0)


def open_portal(home: Home, check_id: str, title: str, day: str) -> None:
    """Open an incident that no night found: somebody went beyond what the portal allows.

    The next published night closes it, unless it happened again; it stays on record.

    Args:
        home: The installation.
        check_id: `portal.<what>.<account>`.
        title: What happened, in Chinese; no person's data.
        day: The day, `YYYY-MM-DD`.
    """
    with state.changing(home):
        book = load(home)
        check = Check(check_id, title, "timeliness", "warn", passed=False, department="审计管理员")
        last = {one.check_id: one for one in book.incidents}.get(check_id)
        if last is not None and last.state != "closed":
            kept = tuple(_seen(one, check, day) if one is last else one for one in book.incidents)
        else:
            number = _last_number(book.incidents, date.fromisoformat(day)) + 1
            incident_id = f"{day.replace('-', '')}-{number}"
            new = _new(check, incident_id, day, last.incident_id if last else None)
            kept = (*book.incidents, new)
        save(home, replace(book, incidents=kept))


def _of_the_past(book: Book, night: Outcome) -> tuple[Book, list[Change]]:
    """A run for an earlier date says nothing about today's data; that it was published says that runs end again."""
    run_id = max(book.run_id, night.run_id)
    over = [one for one in book.open if one.check_id == RUN_BROKEN_OFF and night.everything]
    closed = {one.incident_id: replace(one, state="closed", closed=book.latest) for one in over}
    kept = tuple(closed.get(one.incident_id, one) for one in book.incidents)
    return replace(book, incidents=kept, run_id=run_id), [Change("closed", one) for one in closed.values()]


def _value(check: Check) -> float | None:
    return check.value if check.value is not None else None if check.numerator is None else float(check.numerator)


def _new(check: Check, incident_id: str, day: str, previous: str | None) -> Incident:
    value = _value(check)
    return Incident(
        incident_id=incident_id,
        check_id=check.check_id,
        title=check.title,
        severity=check.severity,
        opened=day,
        last_seen=day,
        source=check.source,
        department=check.department,
        value=value,
        worst_value=value,
        told_value=value,
        previous=previous,
    )


def _seen(one: Incident, check: Check, day: str) -> Incident:
    value = _value(check)
    known = [found for found in (one.worst_value, value) if found is not None]
    return replace(
        one,
        title=check.title,
        severity=max(one.severity, check.severity, key=_SEVERITY.__getitem__),
        department=check.department,
        nights=one.nights + (day != one.last_seen),
        last_seen=day,
        value=value,
        worst_value=max(known, default=None),
        told_value=one.told_value if one.told_value is not None else value,
    )


def _worse(before: Incident, now: Incident) -> bool:
    doubled = bool(before.told_value) and now.value is not None and now.value >= 2 * (before.told_value or 0.0)
    return doubled or _SEVERITY[now.severity] > _SEVERITY[before.severity]


def _open(one: Incident) -> str:
    return "acknowledged" if one.owner else "open"


# -------------------------------------------------------------------------------------------------------- the file


def load(home: Home) -> Book:
    """The incidents of a home."""
    data = state.read(home, NAME)
    known = {found.name for found in fields(Incident)}
    incidents = [
        Incident(
            **{**{name: value for name, value in row.items() if name in known}, "notes": tuple(row.get("notes", ()))}
        )
        for row in data.get("incidents", [])
    ]
    return Book(tuple(incidents), data.get("latest", ""), data.get("run_id", ""))


def save(home: Home, book: Book) -> None:
    """Keep the incidents. Call it while holding `state.changing`."""
    state.write(home, NAME, as_data(book))


def as_data(book: Book) -> dict[str, Any]:
    """For the file and for pages."""
    return {"latest": book.latest, "run_id": book.run_id, "incidents": [asdict(one) for one in book.incidents]}


def outcome(night: "Night", how: str) -> Outcome:
    """What a night says about checks.

    Args:
        night: The night.
        how: published, blocked, failed or broken_off.
    """
    return Outcome(
        as_of=night.options.as_of,
        run_id=night.run_id,
        checks=tuple(night.checks),
        everything=how == "published",
        gates=bool(night.checks),
        run_failure={"failed": RUN_FAILED, "broken_off": RUN_BROKEN_OFF}.get(how),
    )


def tonight(night: "Night", how: str = "published") -> list[dict[str, Any]]:
    """The incidents as they stand after this night, for its own pages; nothing is kept yet."""
    book, _ = advance(load(night.home), outcome(night, how))
    return list(as_data(book)["incidents"])


def overtaken(records: Iterable[Mapping[str, Any]], after: str, before: str) -> list[Outcome]:
    """Runs that ended without being judged, because their process was killed: each was broken off.

    Args:
        records: Records of runs (`<home>/runs/<run_id>.json`).
        after: The last run that was judged.
        before: The run at hand.
    """
    found = []
    for record in records:
        run_id = str(record.get("run_id", ""))
        if after and after < run_id < before and record.get("state") == "broken_off":
            day = date.fromisoformat(str(record["as_of"]))
            found.append(Outcome(day, run_id, run_failure=RUN_BROKEN_OFF))
    return sorted(found, key=lambda one: one.run_id)


# ------------------------------------------------------------------------------------------------------ the command


def own(root: Path, incident_id: str, owner: str) -> Incident:
    """Give an incident an owner.

    Raises:
        UserError: There is no such open incident, or the name is none.
    """
    name = refuse_numbers(owner, "--owner")
    return _change(root, incident_id, lambda one: replace(one, owner=name, state="acknowledged"))


def note(root: Path, incident_id: str, text: str) -> Incident:
    """Add a remark to an incident.

    Raises:
        UserError: There is no such incident, or the remark holds what looks like a person's number.
    """
    said = refuse_numbers(text, "备注")
    return _change(root, incident_id, lambda one: replace(one, notes=(*one.notes, said)), also_closed=True)


def _change(root: Path, incident_id: str, how: Any, *, also_closed: bool = False) -> Incident:
    home = state.existing(root)
    with state.changing(home):
        book = load(home)
        found = [one for one in book.incidents if one.incident_id == incident_id]
        if not found or (found[0].state == "closed" and not also_closed):
            known = "、".join(one.incident_id for one in book.open) or "无"
            raise UserError(f"没有编号为 {incident_id} 的未关闭问题。未关闭的问题有：{known}。")
        changed: Incident = how(found[0])
        save(home, replace(book, incidents=tuple(changed if one is found[0] else one for one in book.incidents)))
    return changed


STATES = {"open": "未处理", "acknowledged": "已认领", "closed": "已关闭"}
SEVERITIES = {"block": "阻断", "warn": "提醒"}


def told(one: Incident) -> str:
    """An incident in one line, in Chinese."""
    parts = [
        f"{one.incident_id} [{SEVERITIES.get(one.severity, one.severity)}] {one.check_id} {one.title}",
        f"自 {one.opened} 起 {one.nights} 夜",
        STATES.get(one.state, one.state) + (f" {one.closed}" if one.closed else ""),
    ]
    parts += [f"负责人 {one.owner}"] if one.owner else []
    parts += [f"联系 {one.department}"] if one.department else []
    parts += [f"上一次 {one.previous}"] if one.previous else []
    return "；".join(parts)


def listed(root: Path, *, everything: bool = False) -> list[str]:
    """What `canbao incident list` prints.

    Args:
        root: `--home`.
        everything: The closed ones too.
    """
    book = load(state.existing(root))
    shown = list(book.incidents) if everything else book.open
    lines = []
    for one in shown:
        lines += [told(one), *(f"  备注：{text}" for text in one.notes)]
    return lines or ["没有问题记录。" if everything else "没有未关闭的问题。"]


def in_short(incidents: Collection[Incident], most: int = 5) -> list[str]:
    """The open incidents in few lines: the most severe and oldest first."""
    ordered = sorted(incidents, key=lambda one: (-_SEVERITY.get(one.severity, 0), one.opened, one.incident_id))
    lines = [told(one) for one in ordered[:most]]
    if len(ordered) > most:
        lines.append(f"另有 {len(ordered) - most} 个，见 canbao incident list。")
    return lines
