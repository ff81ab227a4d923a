"""What came too late or too slowly: files left alone because they were growing, files that wait for the next run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from canbao.gates import Check
from canbao.home import Home
from canbao.quality import state

if TYPE_CHECKING:
    from canbao.intake import IntakeResult, SourceDef
    from canbao.intake.growing import Growing

NAME = "arrivals"
SHOWN = 8
"""Files named in one line; who needs all of them looks into the folder."""


def growing_checks(intake: "IntakeResult", definitions: Mapping[str, "SourceDef"]) -> list[Check]:
    """One check per delivered source: nothing of it was left alone because it is still being sent."""
    delivered = {*intake.files["source"].unique(), *(one.source for one in intake.growing)}
    return [_growing_check(definitions[name], intake.growing) for name in definitions if name in delivered]


def _growing_check(definition: "SourceDef", growing: Sequence["Growing"]) -> Check:
    found = [one for one in growing if one.source == definition.name]
    files = sum(len(one.files) for one in found)
    return Check(
        check_id=f"growing.{definition.name}",
        title=f"“{definition.title}”文件仍在传送" if found else f"“{definition.title}”的文件已传完",
        axis="timeliness",
        severity="warn",
        passed=not found,
        numerator=files,
        value=float(files),
        threshold=0.0,
        source=definition.name,
        message="\n".join(_told(definition.title, one) for one in found),
        meaning="文件名带 .tmp、.part 等、读取期间还在变化、或（设了静默时间时）刚刚写入的文件视为仍在传送，不读取；"
        "全量来源改用上一批，增量来源只少这些文件。有 manifest.json 且相符的批次视为已传完。",
        harms=definition.harms,
        department=definition.department,
    )


def _told(title: str, one: "Growing") -> str:
    files = "、".join(one.files[:SHOWN]) + (f" 等 {len(one.files)} 个" if len(one.files) > SHOWN else "")
    told = f"{one.source}/{one.delivery}/ 的 {files} 仍在传送，未读取"
    if not one.whole:
        return f"{told}；该批其余文件照常读取。传完后重新运行，或由下一夜计入。"
    if one.instead is not None:
        return f"{told}；“{title}”改用 {one.instead} 批。传完后重新运行，或由下一夜计入。"
    return f"{told}；“{title}”没有更早的批次可用。传完后重新运行。"


# ------------------------------------------------------------------------------------------- what waits for a run


@dataclass(frozen=True)
class Waiting:
    """Files of one delivery that came, or changed, after the last run had looked."""

    source: str
    delivery: str
    files: tuple[str, ...]

    @property
    def line(self) -> str:
        """For people."""
        more = f" 等 {len(self.files)} 个文件" if len(self.files) > SHOWN else ""
        return f"{self.source}/{self.delivery}：{'、'.join(self.files[:SHOWN])}{more}"


def remember(home: Home, run_id: str, landings: Sequence[Path], intake: "IntakeResult", as_of: date) -> None:
    """Keep which files a run has seen, so that what comes later can be told. Call it after the run's intake.

    A run looks at deliveries up to its own day: of later ones it stays known what a run of a later day has seen.
    """
    left = {(one.source, str(one.delivery), name) for one in intake.growing for name in one.files}
    taken = {(row[0], str(row[1]), row[2].partition("#")[0]) for row in intake.files[:, _PLACE].iter_rows()}
    files = {
        f"{source}/{day}/{name}": [size, time]
        for (source, day, name), (size, time) in _present(landings).items()
        if (source, day, name) in taken and (source, day, name) not in left
    }
    newest: dict[str, str] = {}
    for source, day, _ in taken:
        newest[source] = max(newest.get(source, ""), day)
    with state.changing(home):
        before, last = state.read(home, NAME), as_of.isoformat()
        known = {place: found for place, found in before.get("files", {}).items() if place.split("/")[1] > last}
        files = {**known, **files}
        newest |= {source: day for source, day in before.get("newest", {}).items() if day > last}
        state.write(
            home,
            NAME,
            {
                "run_id": run_id,
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
                "landings": [str(landing.resolve()) for landing in landings],
                "newest": newest,
                "files": files,
            },
        )


_PLACE = ["source", "delivery", "file"]


def waiting(home: Home, today: date) -> list[Waiting]:
    """What arrived, or was still growing, when the last run looked: the next run counts it in (今夜计入).

    Args:
        home: The installation.
        today: Deliveries of later dates wait for their own day.
    """
    from canbao.intake.definitions import load_definitions
    from canbao.intake.growing import UNFINISHED

    seen = state.read(home, NAME)
    if not seen:
        return []
    definitions, files, newest = load_definitions(), seen["files"], seen["newest"]
    found: dict[tuple[str, str], list[str]] = {}
    for (source, day, name), (size, time) in _present([Path(one) for one in seen["landings"]]).items():
        # A name that says "not whole yet" is never read: the file counts once it has its own name.
        unread = name.lower() == "manifest.json" or name.lower().endswith(UNFINISHED)
        if source not in definitions or unread or day > today.isoformat():
            continue
        if definitions[source].kind == "snapshot" and day < newest.get(source, ""):
            continue  # an older delivery is not used any more
        if files.get(f"{source}/{day}/{name}") != [size, time]:
            found.setdefault((source, day), []).append(name)
    return [Waiting(source, day, tuple(sorted(names))) for (source, day), names in sorted(found.items())]


def _present(landings: Sequence[Path]) -> dict[tuple[str, str, str], tuple[int, int]]:
    from canbao.intake.growing import look
    from canbao.intake.problems import shown_name

    try:
        files = look([landing for landing in landings if landing.is_dir()]).files
    except OSError:
        return {}
    return {(path.parent.parent.name, path.parent.name, shown_name(path)): found for path, found in files.items()}
