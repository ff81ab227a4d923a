"""The gates before the build: what alone may stop a publication, and nothing else (contract.md section 2).

A check has three states: passed, failed, could not be computed; the last never counts as passed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from canbao.errors import UserError
from canbao.home import read_json

if TYPE_CHECKING:
    import polars as pl

    from canbao.intake import IntakeResult, SourceDef

FALL_SHARE = 0.2
"""A snapshot source may lose this share of its rows against its last published delivery (contract.md section 2)."""
FALL_ROWS = 20
"""…or this many rows, whichever is more, before the night stops."""
REJECTED_ROWS = 10
"""A rejected share counts only from this many rejected rows on."""

BUREAU = "医保"
"""Whom to call about what the bureau makes itself."""

_WHOLE = "全部"

GATE_IDS = ("refused", "rejected_share", "row_fall")
"""Gates that exist once per source; their check id is `<gate>.<source>`."""


@dataclass(frozen=True)
class Check:
    """One check and its outcome; a row of `quality_metric`.

    Attributes:
        check_id: Stable name, as `--accept` takes it.
        title: What is checked, in Chinese; of a check that failed, what is wrong: notices, verdicts and pages print it.
        axis: completeness, correctness, consistency or timeliness.
        severity: block, warn or info.
        passed: True, False, or None where it could not be computed.
        numerator: What was counted (bad rows, mostly).
        denominator: Out of how many.
        value: The figure that is compared.
        threshold: The limit it is compared with.
        source: The source it speaks of, if any.
        table_name: The table it speaks of, if any.
        message: What is wrong and what to do, in Chinese; empty where nothing is.
        accepted: The reason given with `--accept` or a release, None where none was.
        accepted_by: Who let it pass: one name with `--accept`, two with a release.
        meaning: How it is computed and why it matters, in Chinese.
        harms: Codes of the products that it harms (`codes/product.csv`).
        department: Whom to call: the department that delivers the source, `医保` for what the bureau makes itself.
        known: Wrong rows that the department has confirmed as they are; they are part of `numerator` and do not fail.
        trial: On trial (试行): it is shown and never harms a product.
        counties: Six-digit codes of the counties that it fails for, where it is judged per county.
    """

    check_id: str
    title: str
    axis: str
    severity: str
    passed: bool | None
    numerator: int | None = None
    denominator: int | None = None
    value: float | None = None
    threshold: float | None = None
    source: str | None = None
    table_name: str | None = None
    message: str = ""
    accepted: str | None = None
    accepted_by: tuple[str, ...] = ()
    meaning: str = ""
    harms: tuple[str, ...] = ()
    department: str | None = None
    known: int = 0
    trial: bool = False
    counties: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """`passed`, `failed` or `not_computed`."""
        return {True: "passed", False: "failed", None: "not_computed"}[self.passed]

    @property
    def blocks(self) -> bool:
        """Whether it stops the night."""
        return self.severity == "block" and self.passed is not True and self.accepted is None

    def as_dict(self) -> dict[str, Any]:
        """For the manifest and the run report."""
        return {**vars(self), "state": self.state}  # all its values are flat: `asdict` would copy them deeply


def verify_accepts(accepts: Mapping[str, str], known: Iterable[str], required: Iterable[str]) -> None:
    """See that every `--accept` names a check that exists and may be let pass.

    Raises:
        UserError: An unknown check, or one that nothing can replace (a required source).
    """
    known = set(known)
    for check_id in accepts:
        if check_id in required:
            raise UserError(f"检查 {check_id} 不能放行：没有这一来源就无法编制台账。请先补交数据。")
        if check_id not in known:
            near = "、".join(sorted(name for name in known if name.split(".")[0] == check_id.split(".")[0]))
            hint = f"同类检查有：{near}。" if near else "检查编号见上次运行的提示或 reports/quality/index.html。"
            raise UserError(f"没有编号为 {check_id} 的检查（--accept）。{hint}")


def verify_stricter(also_block: Iterable[str], known: Iterable[str]) -> None:
    """See that `[checks] block` names checks that exist: a slip of the pen must not leave a check a mere warning.

    Raises:
        UserError: An unknown check; ids that are near are named.
    """
    known = sorted(known)
    wrong = [check_id for check_id in also_block if check_id not in known]
    if wrong:
        near = dict.fromkeys(name for one in wrong for name in get_close_matches(one, known, n=3, cutoff=0.3))
        hint = f"相近的编号有：{'、'.join(near)}。" if near else "检查编号见质量页的“检查”一页。"
        raise UserError(f"设置文件 canbao.toml 的 [checks] block 中没有这样的检查：{'、'.join(wrong)}。{hint}")


def configurable_ids(definitions: Mapping[str, "SourceDef"], others: Iterable[str]) -> set[str]:
    """Ids that `[checks] block` may name: the gates of every source, and those of the suites and the catalogue."""
    kinds = (*GATE_IDS, "required", "delivered", "growing", "left_out")
    return {f"{kind}.{name}" for kind in kinds for name in definitions} | set(others)


def known_ids(definitions: Mapping[str, "SourceDef"], landings: Sequence[Path]) -> set[str]:
    """Ids of the gates of every defined source, and of the folders in the landing areas that are no known source."""
    folders = {entry.name for landing in landings if landing.is_dir() for entry in landing.iterdir() if entry.is_dir()}
    return {f"{gate}.{name}" for gate in GATE_IDS for name in definitions} | {f"refused.{name}" for name in folders}


def apply(checks: Iterable[Check], accepts: Mapping[str, str], also_block: Iterable[str] = ()) -> list[Check]:
    """Lay the office's configuration and tonight's `--accept` over the outcomes.

    Args:
        checks: Outcomes as computed.
        accepts: check_id to reason.
        also_block: Ids of warnings that this office lets stop the night (`<home>/canbao.toml`, `[checks] block`).
    """
    stricter = set(also_block)
    return [
        replace(
            check,
            severity="block" if check.check_id in stricter else check.severity,
            accepted=accepts.get(check.check_id, check.accepted) if check.passed is not True else None,
        )
        for check in checks
    ]


def intake_checks(
    intake: "IntakeResult",
    definitions: Mapping[str, "SourceDef"],
    baselines: Mapping[str, "Baseline"],
    neighbours: Mapping[str, frozenset[str]] | None = None,
) -> list[Check]:
    """All gates that can be judged from what was taken in: one check per gate and source concerned.

    Args:
        intake: What was taken in.
        definitions: The sources.
        baselines: Per source its last published delivery.
        neighbours: Per county those that it exchanged units with, as `exchanged_counties` tells.
    """
    checks = [*_refusals(intake, definitions), *_required(intake, definitions)]
    delivered = _delivered(intake)
    for name, definition in definitions.items():
        if name not in delivered:
            continue
        checks.append(_rejected_share(name, definition, delivered[name]))
        if sheets := intake.left_out.get(name):
            checks.append(_left_out(name, definition, sheets))
        if definition.kind == "snapshot":
            checks.append(_row_fall(name, definition, delivered[name], baselines.get(name), neighbours or {}))
    return checks


@dataclass(frozen=True)
class Delivered:
    """What one source sent, as this run read it."""

    delivery: date | None
    read: int
    accepted: int
    rejected: int
    counties: Mapping[str, int]
    digests: tuple[str, ...]


@dataclass(frozen=True)
class Baseline:
    """What the last publication that had the source used of it.

    Attributes:
        publication: `<as-of date>/<run id>`.
        delivery: Date of its newest delivery.
        accepted: Rows.
        counties: Rows per county.
        digests: Of its files.
        earlier: What these files were compared with themselves, or fell against where they were let pass.
        let_pass: Who let them pass then: `as_of`, `reason`, `names`, `release` (null with `--accept`).
    """

    publication: str
    delivery: str
    accepted: int
    counties: Mapping[str, int]
    digests: tuple[str, ...] = ()
    earlier: "Baseline | None" = None
    let_pass: Mapping[str, Any] | None = None


def summarize(intake: "IntakeResult") -> dict[str, dict[str, Any]]:
    """Per source what the manifest keeps: deliveries, rows, rows per county of snapshot sources, digests."""
    return {
        name: {
            "delivery": str(found.delivery) if found.delivery else None,
            "rows_read": found.read,
            "rows_accepted": found.accepted,
            "rows_rejected": found.rejected,
            "counties": dict(sorted(found.counties.items())),
            "digests": sorted(found.digests),
        }
        for name, found in _delivered(intake).items()
    }


def still_let_pass(
    baselines: Mapping[str, Baseline], tonight: Mapping[str, Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    """Sources whose files are those that were let pass before in spite of a fall, and who let them pass.

    Args:
        baselines: What tonight's sources were compared with.
        tonight: Those sources, as `summarize` has them.
    """
    return {
        name: last.let_pass
        for name, last in baselines.items()
        if last.let_pass and name in tonight and sorted(last.digests) == tonight[name]["digests"]
    }


def compared(
    checks: Iterable[Check],
    baselines: Mapping[str, Baseline],
    tonight: Mapping[str, Mapping[str, Any]],
    as_of: date,
    releases: Mapping[str, Mapping[str, Any] | None],
) -> dict[str, dict[str, Any]]:
    """Per source what its rows were compared with and, of a fall that is published all the same, who let it pass.

    The manifest keeps it: the same delivery, on the same day again or on a later one, is compared with the same, so
    that the figures of the check are the same, and a fault that was let pass is no smaller for having been published.

    Args:
        checks: Of the night.
        baselines: What its sources could be compared with.
        tonight: Its sources, as `summarize` has them.
        as_of: Its day.
        releases: Check id to the release by which it passes, as the manifest tells it.
    """
    found = {}
    for check in checks:
        last = baselines.get(check.source or "")
        if not check.check_id.startswith("row_fall.") or last is None:
            continue
        name = str(check.source)
        against = _against(last, tonight[name]["delivery"], tonight[name]["digests"])
        if against is None:
            continue
        found[name] = _as_entry(against)
        if check.passed is False:
            told = {
                "as_of": as_of.isoformat(),
                "reason": check.accepted,
                "names": list(check.accepted_by),
                "release": releases.get(check.check_id),
            }
            found[name]["let_pass"] = still_let_pass(baselines, tonight).get(name, told)
    return found


def baselines(publications: Iterable[Path], as_of: date) -> dict[str, Baseline]:
    """Per source its last published delivery: of the newest publication not after `as_of` that had the source.

    Args:
        publications: Folders of publications, oldest first.
        as_of: This run's as-of date.
    """
    found: dict[str, Baseline] = {}
    for folder in reversed(list(publications)):
        if folder.parent.name > as_of.isoformat():
            continue
        manifest = read_json(folder / "manifest.json")
        for name, entry in manifest.get("inputs", {}).get("sources", {}).items():
            if name not in found:
                earlier = manifest["inputs"].get("compared", {}).get(name, {})
                found[name] = replace(
                    _baseline(f"{folder.parent.name}/{folder.name}", entry),
                    earlier=_baseline(earlier["publication"], earlier) if earlier else None,
                    let_pass=earlier.get("let_pass"),
                )
    return found


def _baseline(publication: str, entry: Mapping[str, Any]) -> Baseline:
    return Baseline(
        publication=publication,
        delivery=entry.get("delivery") or "",
        accepted=int(entry.get("rows_accepted", 0)),
        counties=entry.get("counties", {}),
        digests=tuple(entry.get("digests", ())),
    )


def _as_entry(baseline: Baseline) -> dict[str, Any]:
    """A baseline as the manifest keeps it."""
    return {
        "publication": baseline.publication,
        "delivery": baseline.delivery,
        "rows_accepted": baseline.accepted,
        "counties": dict(sorted(baseline.counties.items())),
        "digests": sorted(baseline.digests),
    }


def _against(last: Baseline, delivery: object, digests: Iterable[str]) -> Baseline | None:
    """What a delivery is compared with; None: nothing.

    Files that were let pass, and the very delivery that was published, with what they were compared with then.
    """
    if sorted(last.digests) == sorted(digests):
        if last.let_pass is not None and last.earlier is not None:
            return last.earlier
        if last.delivery == str(delivery):
            return last.earlier
    return last


def _delivered(intake: "IntakeResult") -> dict[str, Delivered]:
    counties: dict[str, dict[str, int]] = {}
    if intake.counties.height:
        for source, county, rows in intake.counties.select(intake.counties.columns[:3]).iter_rows():
            if county is not None:
                counties.setdefault(source, {})[county] = rows
    found: dict[str, Delivered] = {}
    for row in intake.files.iter_rows(named=True):
        before = found.get(row["source"])
        good = row["state"] == "accepted"
        found[row["source"]] = Delivered(
            delivery=max(filter(None, (before.delivery if before else None, row["delivery"])), default=None),
            read=(before.read if before else 0) + (row["rows_read"] or 0 if good else 0),
            accepted=(before.accepted if before else 0) + (row["rows_accepted"] or 0 if good else 0),
            rejected=(before.rejected if before else 0) + (row["rows_rejected"] or 0 if good else 0),
            counties=counties.get(row["source"], {}),
            digests=(*(before.digests if before else ()), row["sha256"] or ""),
        )
    return found


def _refusals(intake: "IntakeResult", definitions: Mapping[str, "SourceDef"]) -> list[Check]:
    by_source: dict[str, list[Any]] = {}
    for refusal in intake.refusals:
        by_source.setdefault(refusal.source, []).append(refusal)
    return [
        Check(
            check_id=f"refused.{source}",
            title=f"“{definitions[source].title if source in definitions else source}”文件或批次被拒收",
            axis="completeness",
            severity="block",
            passed=False,
            numerator=len(refusals),
            value=float(len(refusals)),
            threshold=0.0,
            source=source,
            message="\n".join(
                f"{source}/{refusal.delivery or ''}{'/' + refusal.file if refusal.file else ''}:{refusal.message}"
                for refusal in refusals
            ),
            meaning="无法解码、被截断、表头不对或与清单不符的文件整个拒收，一行也不用。",
            harms=definitions[source].harms if source in definitions else (),
            department=definitions[source].department if source in definitions else None,
        )
        for source, refusals in sorted(by_source.items())
    ]


def _required(intake: "IntakeResult", definitions: Mapping[str, "SourceDef"]) -> list[Check]:
    checks = []
    for name, definition in definitions.items():
        missing = name in intake.missing_sources
        if not (missing or definition.required_source):
            continue
        where = f"{name}/<日期>/"
        checks.append(
            Check(
                check_id=f"required.{name}" if definition.required_source else f"delivered.{name}",
                title=f"缺少“{definition.title}”" if missing else f"已收到“{definition.title}”",
                axis="completeness",
                severity="block" if definition.required_source else "info",
                passed=not missing,
                numerator=int(missing),
                value=float(missing),
                threshold=0.0,
                source=name,
                message=""
                if not missing
                else f"没有截至本日的“{definition.title}”数据，请将文件放入 {where} 后重新运行。"
                if definition.required_source
                else f"没有截至本日的“{definition.title}”数据，只影响用到它的部分。",
                meaning="截至本日至少要有一批；没有的来源只停用需要它的部分。",
                harms=definition.harms,
                department=definition.department,
            )
        )
    return checks


def _left_out(name: str, definition: "SourceDef", sheets: Sequence[str]) -> Check:
    return Check(
        check_id=f"left_out.{name}",
        title=f"“{definition.title}”有工作表未读入",
        axis="completeness",
        severity="warn",
        passed=False,
        numerator=len(sheets),
        value=float(len(sheets)),
        threshold=0.0,
        source=name,
        message=f"{'、'.join(sheets[:10])}{f' 等 {len(sheets)} 张' if len(sheets) > 10 else ''}看起来有数据，"
        "但没有本来源的表头，未读入。请报送部门补上表头后重报；不是数据的，请移出文件。",
        meaning="工作簿中没有本来源表头、却有证件号码或部分表头的可见工作表：可能漏读了人。",
        harms=definition.harms,
        department=definition.department,
    )


def _rejected_share(name: str, definition: "SourceDef", found: Delivered) -> Check:
    share = found.rejected / found.read if found.read else 0.0
    failed = share > definition.max_rejected_share and found.rejected >= REJECTED_ROWS
    return Check(
        check_id=f"rejected_share.{name}",
        title=f"“{definition.title}”剔除行过多" if failed else f"“{definition.title}”剔除行占比",
        axis="correctness",
        severity="block",
        passed=not failed,
        numerator=found.rejected,
        denominator=found.read,
        value=share,
        threshold=definition.max_rejected_share,
        source=name,
        message=f"“{definition.title}”读入 {found.read:,} 行，剔除 {found.rejected:,} 行（{share:.1%}），"
        f"超过限额 {definition.max_rejected_share:.0%}。请按 quarantine 表中的行号和原因与报送部门核对后重报。"
        if failed
        else "",
        meaning="读入的行中被剔除的占比；剔除的行都在 quarantine 表中，一行不丢。",
        harms=definition.harms,
        department=definition.department,
    )


def exchanged_counties(division: "pl.DataFrame", as_of: date) -> dict[str, frozenset[str]]:
    """Which counties gave units to each other, itself among them: a merger moves people from code to code.

    Args:
        division: Rows of the source `division`: division_code, valid_to, successor_code.
        as_of: A unit that is out of use on this day lies where its successor does.

    Returns:
        County (six digits) to all that it is connected with over any number of changes, of those that are at all.
    """
    ended = division.filter(division["valid_to"] <= as_of).drop_nulls("successor_code")
    moved = {(was[:6], now[:6]) for was, now in ended.select("division_code", "successor_code").iter_rows()}
    groups: dict[str, frozenset[str]] = {}
    for was, now in sorted(moved):
        if was == now:
            continue
        group = groups.get(was, frozenset((was,))) | groups.get(now, frozenset((now,)))
        groups.update(dict.fromkeys(group, group))
    return groups


def _row_fall(
    name: str,
    definition: "SourceDef",
    found: Delivered,
    last: Baseline | None,
    neighbours: Mapping[str, frozenset[str]],
) -> Check:
    check = Check(
        check_id=f"row_fall.{name}",
        title=f"“{definition.title}”行数与上次发布所用数据相比",
        axis="completeness",
        severity="block",
        passed=True,
        numerator=0,
        threshold=FALL_SHARE,
        source=name,
        meaning="与上次发布所用的一批相比，全部或某个区县的行数减少 20% 且 20 行以上；漏报的区县会把人变成未参保。"
        "区划表载明划入其他区县的，连同继任区县一并比较。",
        harms=definition.harms,
        department=definition.department,
    )
    if last is None:
        return check  # a first delivery: nothing to compare with
    against = _against(last, found.delivery, found.digests)
    if against is None:
        return check
    if against is not last:
        fallen = _row_fall(name, definition, found, against, neighbours)
        return _still_fallen(fallen, last.let_pass) if last.let_pass else fallen
    falls = [(_WHOLE, last.accepted, found.accepted)]
    falls += [(county, rows, found.counties.get(county, 0)) for county, rows in sorted(last.counties.items())]
    bad = [(where, was, now) for where, was, now in falls if _fell(was, was - now)]
    came = _came_elsewhere(bad, last.counties, found.counties, neighbours)
    bad = [one for one in bad if one[0] not in came]
    worst = max(((was - now) / was for _, was, now in bad or falls[:1] if was), default=0.0)
    told = "；".join(f"{where} {was:,} → {now:,} 行（-{(was - now) / was:.1%}）" for where, was, now in bad[:10])
    more = f" 等 {len(bad)} 处" if len(bad) > 10 else ""
    return replace(
        check,
        title=f"“{definition.title}”行数骤降" if bad else check.title,
        passed=not bad,
        counties=tuple(where for where, *_ in bad if where != _WHOLE),
        numerator=max(last.accepted - found.accepted, 0),
        denominator=last.accepted,
        value=max(worst, 0.0),
        message=f"“{definition.title}”行数骤降：{told}{more}（对比 {last.delivery} 批）。请与报送部门核实是否漏报；"
        "确属正常的，按下面的办法放行。"
        if bad
        else "",
    )


def _fell(was: int, lost: int) -> bool:
    return lost > FALL_ROWS and lost > FALL_SHARE * was


def _came_elsewhere(
    bad: Sequence[tuple[str, int, int]],
    was: Mapping[str, int],
    now: Mapping[str, int],
    neighbours: Mapping[str, frozenset[str]],
) -> set[str]:
    """Counties whose rows came under the codes of those that took their units over."""
    came: set[str] = set()
    for group in {neighbours[county] for county, *_ in bad if county in neighbours}:
        fallen = [one for one in bad if one[0] in group]
        lost = sum(was.get(county, 0) - now.get(county, 0) for county in group)
        if not _fell(sum(rows for _, rows, _ in fallen), lost):
            came.update(county for county, *_ in fallen)
    return came


def _still_fallen(check: Check, let_pass: Mapping[str, Any]) -> Check:
    """The same files again that were published in spite of their fall: the fault stays for as long as they do.

    Two people's release holds for the files. `--accept` was for that night; what it let pass stands as a warning, since
    the figures have been published with it.
    """
    if check.passed is not False:
        return check
    names = tuple(let_pass["names"])
    if let_pass["release"]:
        return replace(check, accepted=let_pass["reason"], accepted_by=names)
    told = f"这批数据曾于 {let_pass['as_of']} 由{'、'.join(names)}放行（理由：{let_pass['reason']}），缺失仍在。"
    return replace(check, severity="warn", message=f"{told}\n{check.message}")
