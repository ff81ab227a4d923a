"""What follows a night, however it ended: incidents, notices, what a release may speak of, the entry page."""

import hashlib
import sys
from typing import TYPE_CHECKING, Any

from canbao.errors import masked_traceback
from canbao.home import read_json
from canbao.quality import arrivals, entry, incidents, notify, releases, state
from canbao.quality.incidents import Change

if TYPE_CHECKING:
    from canbao.nightly import Night

TOLD = "told"
_KEPT = 200
ENDS = frozenset({"published", "blocked", "failed", "broken_off"})
"""Ends of a night that say something about the data or the machine; wrong use says nothing."""


def after_night(night: "Night", how: str) -> None:
    """Do what follows a night. It never fails the night: what goes wrong here is told and left.

    Args:
        night: The night, closed.
        how: published, blocked, failed, broken_off or wrong_use.
    """
    for step in (_keep, _judge):
        try:
            if how in ENDS:
                step(night, how)
        except Exception as error:
            print(masked_traceback(error), file=sys.stderr)
    try:
        entry.write(night.home)
    except Exception as error:
        print(masked_traceback(error), file=sys.stderr)


def _keep(night: "Night", how: str) -> None:
    if night.intake_ is not None:
        arrivals.remember(night.home, night.run_id, night.landings, night.intake, night.options.as_of)
        if how == "blocked":
            releases.remember(night.home, night.run_id, night.checks, night.intake.files)
    if how == "published":
        releases.mark_used(night.home, night.released.values(), night.run_id)


def _judge(night: "Night", how: str) -> None:
    home = night.home
    with state.changing(home):
        book, changes = incidents.load(home), list[Change]()
        records = ({"run_id": path.stem, **read_json(path)} for path in home.runs.glob("[0-9]*.json"))
        broken = incidents.overtaken(records, book.run_id, night.run_id)
        for outcome in (*broken, incidents.outcome(night, how)):
            book, changed = incidents.advance(book, outcome)
            changes += changed
        incidents.save(home, book)
    changes = _settled(changes)
    news = _news(night, how, book.latest)
    if not changes and not news:
        return
    if news:
        blocking = {check.check_id for check in night.checks if check.blocks}
        blocking -= {change.incident.check_id for change in changes}
        changes += [Change("still", one) for one in book.open if one.check_id in blocking]
    titles = {name: definition.title for name, definition in night.definitions.items()}
    lines = notify.digest(_headline(night, how), changes, titles, f"详见 {entry.path_of(home.root)}")
    about = {
        "state": how,
        "as_of": night.options.as_of.isoformat(),
        "run_id": night.run_id,
        "changes": notify.as_data(changes),
    }
    notify.send(home, night.settings, lines, about)


def _settled(changes: list[Change]) -> list[Change]:
    """Without what opened and closed in one go: a run that was killed and made up for is no news."""
    closed = {change.incident.incident_id for change in changes if change.kind == "closed"}
    gone = {change.incident.incident_id for change in changes if change.kind == "opened"} & closed
    return [change for change in changes if change.incident.incident_id not in gone]


def _news(night: "Night", how: str, latest: str) -> bool:
    """Whether a blocked night is news: each date once, and again where other checks block it."""
    day = night.options.as_of.isoformat()
    if how != "blocked" or day < latest:
        return False
    failing = "\n".join(sorted(check.check_id for check in night.checks if check.blocks))
    return first_time(night, f"blocked {day} {hashlib.sha256(failing.encode()).hexdigest()[:8]}")


def first_time(night: Any, what: str) -> bool:
    """Whether this was not told before; it counts as told from now on.

    Args:
        night: Whatever has a `home`.
        what: A short name of what is told.
    """
    with state.changing(night.home):
        told = state.read(night.home, TOLD).get("told", [])
        if what in told:
            return False
        state.write(night.home, TOLD, {"told": [*told, what][-_KEPT:]})
    return True


def _headline(night: "Night", how: str) -> str:
    day = night.options.as_of
    current = night.home.current_publication()
    stays = f"当前发布仍截至 {current.parent.name}" if current else "尚未发布过任何内容"
    blocking = sum(check.blocks for check in night.checks)
    said = {
        "published": "已发布",
        "blocked": f"未发布，{blocking} 项阻断检查未通过；{stays}" if blocking else f"未发布；{stays}",
        "failed": f"程序故障，未发布；{stays}",
        "broken_off": f"运行中断，未发布；{stays}",
    }[how]
    let = sum(check.accepted is not None for check in night.checks)
    return f"参保台账 {day}：{said}" + (f"（放行 {let} 项检查）" if let and how == "published" else "")
