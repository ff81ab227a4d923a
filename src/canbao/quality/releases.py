"""Releases (U38): a blocked night is let pass for named checks and these files, by two named people with a reason.

A release holds for the digests of the files that the checks spoke of: of their source, or of every input where a check
speaks of a built table. Other files are another night. `<home>/history/releases.json` holds them.
"""

import getpass
import hashlib
import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from canbao.errors import UserError
from canbao.gates import Check
from canbao.home import Home, read_json, write_atomically
from canbao.quality import state
from canbao.quality.personal import refuse_numbers

if TYPE_CHECKING:
    import polars as pl

NAME = "releases"
EVERYTHING = "*"
"""Stands for a source where a check speaks of what was built from all of them."""


@dataclass(frozen=True)
class Release:
    """Two people's word that a night may pass in spite of some checks.

    Attributes:
        release_id: As `canbao release confirm` takes it.
        checks: Check id to what it speaks of: a source, or `*` for all inputs.
        digests: What it speaks of to the digest of its files.
        files: What it speaks of to the number of its files.
        reason: Why.
        as_of: Day of the blocked night.
        run_id: The blocked run.
        asked_by: Who asks.
        asked_account: Their account on this machine.
        asked_at: When.
        confirmed_by: Who confirms, None until then.
        confirmed_account: Their account.
        confirmed_at: When.
        used: Runs that passed by it.
    """

    release_id: str
    checks: Mapping[str, str]
    digests: Mapping[str, str]
    files: Mapping[str, int]
    reason: str
    as_of: str
    run_id: str
    asked_by: str
    asked_account: str
    asked_at: str
    confirmed_by: str | None = None
    confirmed_account: str | None = None
    confirmed_at: str | None = None
    used: Sequence[str] = field(default_factory=tuple)

    @property
    def names(self) -> tuple[str, ...]:
        """The two people; one only until it is confirmed."""
        return (self.asked_by, self.confirmed_by) if self.confirmed_by else (self.asked_by,)


def digests(files: "pl.DataFrame") -> tuple[dict[str, str], dict[str, int]]:
    """Digest and number of the files of each source, and of all of them under `*`.

    Args:
        files: `IntakeResult.files`: those of refused deliveries are among them.
    """
    rows: dict[str, set[str]] = {}
    for source, delivery, name, sha256 in files["source", "delivery", "file", "sha256"].iter_rows():
        line = f"{source}/{delivery}/{name.partition('#')[0]} {sha256}\n"
        for key in (source, EVERYTHING):
            rows.setdefault(key, set()).add(line)
    found = {key: hashlib.sha256("".join(sorted(lines)).encode()).hexdigest() for key, lines in rows.items()}
    return found, {key: len(lines) for key, lines in rows.items()}


def speaks_of(check: Check) -> str:
    """The source whose files a release of this check is bound to, or `*`."""
    return check.source or EVERYTHING


def remember(home: Home, run_id: str, checks: Iterable[Check], files: "pl.DataFrame") -> None:
    """Keep what a blocked run was blocked by, and by which files; `canbao release ask` speaks of it."""
    found, counts = digests(files)
    data = {
        "checks": {check.check_id: speaks_of(check) for check in checks if check.blocks},
        "digests": found,
        "files": counts,
    }
    write_atomically(home.runs / run_id / "blocked.json", state.text(data))


def apply(
    checks: Iterable[Check], releases: Sequence[Release], files: "pl.DataFrame"
) -> tuple[list[Check], dict[str, Release]]:
    """Lay the confirmed releases over tonight's outcomes.

    Args:
        checks: Outcomes; what is not blocked stays as it is.
        releases: Of the home.
        files: `IntakeResult.files`.

    Returns:
        The outcomes, and the release by which each of them passes.
    """
    found, used = list(checks), {}
    tonight: dict[str, str] | None = None
    for number, check in enumerate(found):
        if not check.blocks:
            continue
        fitting = [one for one in releases if check.check_id in one.checks]
        if not fitting:
            continue
        tonight = digests(files)[0] if tonight is None else tonight
        right = [one for one in fitting if _bound(one, check, tonight)]
        done = next((one for one in reversed(right) if one.confirmed_by), None)
        if done is not None:
            used[check.check_id] = done
            found[number] = replace(check, accepted=done.reason, accepted_by=done.names)
            continue
        last = (right or fitting)[-1]
        said = (
            f"放行申请 {last.release_id} 尚待第二人确认：canbao release confirm {last.release_id} --by 姓名。"
            if right
            else f"放行 {last.release_id} 不适用：它只对 {last.as_of} 那一夜的文件有效，文件已有变化。"
        )
        found[number] = replace(check, message=f"{check.message or check.title}\n{said}")
    return found, used


def _bound(one: Release, check: Check, tonight: Mapping[str, str]) -> bool:
    what = one.checks[check.check_id]
    return one.digests[what] == tonight.get(what, "")


def entry(one: Release | None) -> dict[str, Any] | None:
    """A release as the manifest tells it: who asked, who confirmed, for which files; None for none."""
    if one is None:
        return None
    data = asdict(one)
    return {name: data[name] for name in _TOLD}


_TOLD = (
    "release_id", "asked_by", "asked_account", "asked_at", "confirmed_by", "confirmed_account", "confirmed_at",
    "as_of", "run_id", "digests", "files",
)  # fmt: skip


def hint(home: Home, *, two_people: bool) -> str:
    """What a blocked night tells people to do."""
    how = f"由两人放行：canbao release ask 检查编号 --reason 理由 --by 姓名 --home {home.root}，另一人确认后重新运行"
    once = "" if two_people else "可用 --accept 检查编号 --reason 理由 只放行这一次，或"
    return f"改正数据后重新运行；核实无误的，{once}{how}。"


# -------------------------------------------------------------------------------------------------------- the file


def load(home: Home) -> list[Release]:
    """The releases of a home, oldest first."""
    known = {found.name for found in fields(Release)}
    rows = state.read(home, NAME).get("releases", [])
    return [Release(**{name: value for name, value in row.items() if name in known}) for row in rows]


def _save(home: Home, releases: Iterable[Release]) -> None:
    state.write(home, NAME, {"releases": [asdict(one) for one in releases]})


def mark_used(home: Home, used: Iterable[Release], run_id: str) -> None:
    """Note that a publication passed by these releases."""
    ids = {one.release_id for one in used}
    if ids:
        with state.changing(home):
            _save(
                home,
                [replace(one, used=(*one.used, run_id)) if one.release_id in ids else one for one in load(home)],
            )


# ------------------------------------------------------------------------------------------------------ the command


def ask(root: Path, check_ids: Sequence[str], reason: str, by: str) -> Release:
    """Ask that the last blocked night may pass in spite of the named checks.

    Raises:
        UserError: No night is blocked, a check did not block it, or the name or the reason is no good.
    """
    home = state.existing(root)
    name, why = refuse_numbers(by, "--by"), refuse_numbers(reason, "--reason")
    record, blocked = _last_blocked(home)
    for check_id in check_ids:
        if check_id.startswith("required."):
            raise UserError(f"检查 {check_id} 不能放行：没有这一来源就无法编制台账。请先补交数据。")
        if check_id not in blocked["checks"]:
            known = "、".join(blocked["checks"]) or "无"
            raise UserError(f"检查 {check_id} 没有阻断 {record['as_of']} 那一夜。阻断的检查有：{known}。")
    bound = {check_id: blocked["checks"][check_id] for check_id in dict.fromkeys(check_ids)}
    with state.changing(home):
        releases = load(home)
        _refuse_confirmed(releases, bound, blocked["digests"])
        day = str(record["as_of"]).replace("-", "")
        number = sum(one.release_id.startswith(f"R{day}-") for one in releases) + 1
        made = Release(
            release_id=f"R{day}-{number}",
            checks=bound,
            digests={what: blocked["digests"].get(what, "") for what in bound.values()},
            files={what: blocked["files"].get(what, 0) for what in bound.values()},
            reason=why,
            as_of=str(record["as_of"]),
            run_id=str(record["run_id"]),
            asked_by=name,
            asked_account=_account(),
            asked_at=_now(),
        )
        _save(home, [*releases, made])
    return made


def _refuse_confirmed(releases: Sequence[Release], bound: Mapping[str, str], digests_now: Mapping[str, str]) -> None:
    """Say that two people have released these checks for these very files already.

    Raises:
        UserError: They have.
    """
    for check_id, what in bound.items():
        done = [one for one in releases if one.confirmed_by and one.checks.get(check_id) == what]
        done = [one for one in done if one.digests.get(what) == digests_now.get(what, "")]
        if not done:
            return
    ids = "、".join(dict.fromkeys(one.release_id for one in done))
    raise UserError(
        f"这些检查对这些文件已经放行（{ids}，{done[-1].asked_by} 申请，{done[-1].confirmed_by} 确认），无需再申请。"
        "请重新运行 canbao run。"
    )


def next_step(root: Path, one: Release) -> str:
    """The command that lets the night pass, now that a release is confirmed."""
    from canbao.quality import arrivals

    landings = state.read(Home(root), arrivals.NAME).get("landings") or ["来文目录"]
    return f"现在重新运行：canbao run --landing {landings[0]} --home {root} --as-of {one.as_of}"


def confirm(root: Path, release_id: str, by: str) -> Release:
    """Confirm another person's release.

    Raises:
        UserError: There is no such open release, or the same person asked for it.
    """
    home = state.existing(root)
    name = refuse_numbers(by, "--by")
    with state.changing(home):
        releases = load(home)
        found = next((one for one in releases if one.release_id == release_id), None)
        if found is None:
            waiting = "、".join(one.release_id for one in releases if not one.confirmed_by) or "无"
            raise UserError(f"没有编号为 {release_id} 的放行申请。待确认的有：{waiting}。")
        if found.confirmed_by:
            raise UserError(f"放行 {release_id} 已由 {found.confirmed_by} 确认。")
        if _same(name, found.asked_by):
            raise UserError(f"放行 {release_id} 由 {found.asked_by} 申请，须由另一人确认（--by）。")
        done = replace(found, confirmed_by=name, confirmed_account=_account(), confirmed_at=_now())
        _save(home, [done if one is found else one for one in releases])
    return done


def told(one: Release) -> list[str]:
    """A release in a few lines, in Chinese."""
    lines = [
        f"{one.release_id} {one.as_of} 夜：{'、'.join(one.checks)}",
        f"  理由：{one.reason}",
        f"  申请：{one.asked_by}（账户 {one.asked_account}）",
    ]
    if one.confirmed_by:
        same = "，与申请人为同一系统账户" if one.confirmed_account == one.asked_account else ""
        lines.append(f"  确认：{one.confirmed_by}（账户 {one.confirmed_account}{same}）")
    else:
        lines.append(f"  待另一人确认：canbao release confirm {one.release_id} --by 姓名")
    lines.append(f"  只对这些文件有效：{'、'.join(_files(one))}；已用于 {len(one.used)} 次发布")
    return lines


def _files(one: Release) -> list[str]:
    return [f"{'全部来源' if what == EVERYTHING else what} {one.files[what]} 个" for what in one.digests]


def listed(root: Path) -> list[str]:
    """What `canbao release list` prints."""
    releases = load(state.existing(root))
    return [line for one in releases for line in told(one)] or ["没有放行记录。"]


def _last_blocked(home: Home) -> tuple[dict[str, Any], dict[str, Any]]:
    records = sorted(home.runs.glob("[0-9]*.json"), reverse=True) if home.runs.is_dir() else []
    for path in records:
        record = {"run_id": path.stem, **read_json(path)}
        if record.get("state") == "published":
            break
        blocked = read_json(home.runs / path.stem / "blocked.json")
        if record.get("state") == "blocked" and blocked:
            return record, blocked
    raise UserError("最近一次发布以来没有被检查阻断的运行，无需放行。")


def _same(one: str, other: str) -> bool:
    def plain(name: str) -> str:
        return "".join(unicodedata.normalize("NFKC", name).casefold().split())

    return plain(one) == plain(other)


def _account() -> str:
    """The account of the person at the keyboard: who became another one by sudo is still seen."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
