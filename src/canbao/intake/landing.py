"""The landing areas: which deliveries the night takes, and what became of each file (contract section 2)."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from canbao.errors import UserError
from canbao.intake.definitions import SourceDef, load_definitions
from canbao.intake.problems import FileRefused, Refusal
from canbao.intake.staging import SUFFIXES, StagedPart, quarantine_path, sha256_of, stage_file, staged_path, suffix_of

MANIFEST = "manifest.json"

FILES_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "file_no": pl.Int32,
    "source": pl.String,
    "delivery": pl.Date,
    "file": pl.String,
    "sha256": pl.String,
    "encoding": pl.String,
    "rows_read": pl.Int64,
    "rows_accepted": pl.Int64,
    "rows_rejected": pl.Int64,
    "state": pl.String,
    "message": pl.String,
    "staged_path": pl.String,
    "extra_columns": pl.List(pl.String),
    "unreadable": pl.String,
    "unknown_codes": pl.String,
    "bytes": pl.Int64,
}
COUNTIES_SCHEMA = {"source": pl.String, "county": pl.String, "rows": pl.Int64}


@dataclass
class IntakeResult:
    """What was taken in.

    Attributes:
        files: One row per file, or per sheet of a workbook that was read: `FILES_SCHEMA`. `file_no` is dense from 1 in
            the order of source, delivery, file; `staged_path` is null unless the file was accepted.
        quarantine_paths: `file_no` and Parquet file (line, error_code, message, raw) of the files with rejected rows.
        refusals: Files and deliveries that were refused; any of them stops the night.
        missing_sources: Defined sources without a delivery.
        unknown_sources: Folders of the landing areas that are no source.
        notes: Remarks for the run's report, in Chinese.
        counties: Accepted rows per source and county (six digits), of sources with a county column.
    """

    files: pl.DataFrame
    quarantine_paths: list[tuple[int, Path]]
    refusals: list[Refusal]
    missing_sources: list[str]
    unknown_sources: list[str]
    notes: list[str]
    counties: pl.DataFrame


@dataclass
class Delivery:
    """One folder of one date: its files by name, its manifest, and what in it is of no known kind."""

    source: SourceDef
    day: date
    folder: Path
    files: list[Path]
    strangers: list[Path]
    manifest: Path | None


@dataclass
class _FileReport:
    """What became of one file of a delivery."""

    path: Path
    sha256: str
    size: int
    parts: list[StagedPart] = field(default_factory=list)
    message: str = ""


def _silent(_: str) -> None:
    return None


def take_in(
    landings: list[Path], as_of: date, store: Path, on_progress: Callable[[str], None] | None = None
) -> IntakeResult:
    """Takes in the deliveries of a night.

    Args:
        landings: Landing areas; the first must exist, further ones (`<home>/landing`) may not.
        as_of: Deliveries of later dates are left alone.
        store: Where staged files are kept (`<home>/staged`).
        on_progress: Is told each file that is begun.

    Raises:
        UserError: The landing area is missing.
    """
    if not landings or not landings[0].is_dir():
        raise UserError(f"找不到接收目录：{landings[0] if landings else ''}。请检查 --landing 参数。")
    definitions = load_definitions()
    night = _Night(store, on_progress or _silent)
    unknown: set[str] = set()
    found: dict[str, list[Delivery]] = {name: [] for name in definitions}
    for landing in landings:
        for folder in _visible(landing) if landing.is_dir() else ():
            if folder.name in definitions and folder.is_dir():
                found[folder.name] += _deliveries(definitions[folder.name], folder, as_of, night.notes)
            elif folder.is_dir():
                unknown.add(folder.name)
            else:
                night.notes.append(f"接收目录下的文件“{folder.name}”不属于任何来源，未读取。")
    for name in sorted(found):
        for delivery in chosen(definitions[name], found[name]):
            night.read(delivery)
    missing = [name for name in sorted(found) if not found[name]]
    return night.result(missing, sorted(unknown))


def drop_unused(store: Path, result: IntakeResult) -> int:
    """Removes from the store what this night did not use: nothing of a person is kept that no run needs.

    Args:
        store: `<home>/staged`.
        result: The night whose files stay.

    Returns:
        Files removed.
    """
    used = {Path(path).name.split(".")[0] for path in result.files["staged_path"].drop_nulls()}
    unused = [path for path in store.glob("*/*.*") if path.name.lstrip(".").split(".")[0] not in used]
    for path in unused:
        path.unlink()
    return len(unused)


def chosen(source: SourceDef, deliveries: Iterable[Delivery]) -> list[Delivery]:
    """The deliveries that count: of a snapshot the newest, of an increment all, in the order of their dates."""
    ordered = sorted(deliveries, key=lambda one: (one.day, str(one.folder)))
    return [one for one in ordered if source.kind == "increment" or one.day == ordered[-1].day]


def _visible(folder: Path) -> list[Path]:
    return sorted((path for path in folder.iterdir() if path.name[:1] not in {".", "~"}), key=lambda path: path.name)


def _deliveries(source: SourceDef, folder: Path, as_of: date, notes: list[str]) -> list[Delivery]:
    """The deliveries of a source not after the as-of date that hold any file."""
    found = []
    for path in _visible(folder):
        day = _day(path)
        if day is None:
            notes.append(f"“{source.name}/{path.name}”不是以日期(如2026-02-01)命名的批次目录，未读取。")
            continue
        if day > as_of:
            notes.append(f"批次“{source.name}/{path.name}”晚于截至日期，未读取。")
            continue
        inside = _visible(path)
        files = [one for one in inside if one.is_file() and suffix_of(one)]
        manifest = next((one for one in inside if one.name.lower() == MANIFEST and one.is_file()), None)
        strangers = [one for one in inside if one not in files and one != manifest]
        if not files and not strangers and manifest is None:
            notes.append(f"批次“{source.name}/{path.name}”里没有文件，不作为一次报送。")
            continue
        found.append(Delivery(source, day, path, files, strangers, manifest))
    return found


def _day(path: Path) -> date | None:
    try:
        day = date.fromisoformat(path.name)
    except ValueError:
        return None
    return day if path.is_dir() and day.isoformat() == path.name else None


class _Night:
    """Collects what is read."""

    def __init__(self, store: Path, on_progress: Callable[[str], None]) -> None:
        self.store = store
        self.notes: list[str] = []
        self._progress = on_progress
        self._rows: list[dict[str, Any]] = []
        self._quarantine: list[tuple[int, Path]] = []
        self._refusals: list[Refusal] = []
        self._counties: dict[str, Counter[str]] = {}

    def read(self, delivery: Delivery) -> None:
        """Reads one delivery: every file, then the manifest's word on them."""
        source, day = delivery.source.name, delivery.day
        for path in delivery.strangers:
            self._refuse(
                delivery,
                path.name,
                FileRefused(
                    "unknown_kind", f"不认识的文件类型。只接收{'、'.join(SUFFIXES)}；请改正后重报，或移出批次目录。"
                ),
            )
        reports = [self._file(delivery, path) for path in delivery.files]
        whole = self._against_manifest(delivery, reports)
        if whole is not None:
            self._refusals.append(Refusal(source, day, None, whole.code, whole.message))
        reports += [_FileReport(path, "", 0, message="不认识的文件类型。") for path in delivery.strangers]
        for report in sorted(reports, key=lambda one: one.path.name):
            self._enter(delivery, report, whole)

    def _refuse(self, delivery: Delivery, file: str, refused: FileRefused) -> None:
        self._refusals.append(Refusal(delivery.source.name, delivery.day, file, refused.code, refused.message))

    def _file(self, delivery: Delivery, path: Path) -> _FileReport:
        self._progress(f"{delivery.source.name}/{delivery.day}/{path.name}")
        report = _FileReport(path, "", 0)
        try:
            report.size = path.stat().st_size
            report.sha256 = sha256_of(path)
            report.parts = stage_file(path, report.sha256, delivery.source, self.store)
        except FileRefused as refused:
            report.message = refused.message
            self._refuse(delivery, path.name, refused)
        except OSError as error:
            report.message = f"文件无法读取({error.strerror})。请检查权限，或重新传送。"
            self._refuse(delivery, path.name, FileRefused("unreadable_file", report.message))
        for part in report.parts:
            self.notes += [f"{delivery.source.name}/{delivery.day}/{path.name}：{note}" for note in part.notes]
        return report

    def _against_manifest(self, delivery: Delivery, reports: list[_FileReport]) -> FileRefused | None:
        """What in the delivery contradicts its manifest, or None."""
        if delivery.manifest is None:
            return None
        ask = "请重新传送整个批次，或更正 manifest.json。"
        if not reports and not delivery.strangers:
            return FileRefused("manifest", f"批次里只有 manifest.json，没有数据文件。{ask}")
        try:
            claim = json.loads(delivery.manifest.read_bytes())
            sums = {str(name): str(value).strip().lower() for name, value in (claim.get("sha256") or {}).items()}
            rows = claim.get("rows")
        except (ValueError, AttributeError, TypeError, RecursionError):
            claim = None
        if claim is None or isinstance(rows, bool) or not isinstance(rows, int | None):
            return FileRefused("manifest", f"manifest.json 无法读取或格式不对。{ask}")
        present = {report.path.name: report for report in reports}
        if sums:
            there = {*present, *(path.name for path in delivery.strangers)}
            wrong = [f"“{name}”在 manifest.json 中列出但没有收到" for name in sums if name not in there]
            wrong += [f"“{name}”没有在 manifest.json 中列出" for name in present if name not in sums]
            wrong += [
                f"“{n}”与 manifest.json 的校验值不符" for n, r in present.items() if sums.get(n, r.sha256) != r.sha256
            ]
            if wrong:
                return FileRefused("manifest", f"{'；'.join(wrong)}。{ask}")
        read = sum(part.rows_read for report in reports for part in report.parts)
        if rows is not None and rows != read and not any(report.message for report in reports):
            return FileRefused("manifest", f"manifest.json 说有{rows}行，实际读到{read}行。{ask}")
        return None

    def _enter(self, delivery: Delivery, report: _FileReport, whole: FileRefused | None) -> None:
        """Enters a file's rows into the result; a refused delivery refuses all its files."""
        message = report.message or (whole.message if whole is not None else "")
        common = {
            "source": delivery.source.name,
            "delivery": delivery.day,
            "sha256": report.sha256,
            "state": "refused" if message else "accepted",
            "message": message,
            "bytes": report.size,
        }
        if not report.parts:
            self._rows.append({**common, "file_no": len(self._rows) + 1, "file": report.path.name})
        for part in report.parts:
            number = len(self._rows) + 1
            name = report.path.name + (f"#{part.part}" if part.part else "")
            source = delivery.source.name
            self._rows.append(
                {
                    **common,
                    "file_no": number,
                    "file": name,
                    "encoding": part.encoding,
                    "rows_read": part.rows_read,
                    "rows_accepted": part.rows_read - part.rows_rejected,
                    "rows_rejected": part.rows_rejected,
                    "staged_path": None if message else str(staged_path(self.store, source, part.digest)),
                    "extra_columns": part.extra_columns,
                    "unreadable": json.dumps(part.unreadable),
                    "unknown_codes": json.dumps(part.unknown_codes),
                }
            )
            if message:
                continue
            if part.rows_rejected:
                self._quarantine.append((number, quarantine_path(self.store, source, part.digest)))
            self._counties.setdefault(source, Counter()).update(part.counties)

    def result(self, missing: list[str], unknown: list[str]) -> IntakeResult:
        """What was taken in."""
        counties = [
            (source, county, rows)
            for source, counted in sorted(self._counties.items())
            for county, rows in sorted(counted.items())
        ]
        return IntakeResult(
            files=pl.DataFrame([{**dict.fromkeys(FILES_SCHEMA), **row} for row in self._rows], schema=FILES_SCHEMA),
            quarantine_paths=self._quarantine,
            refusals=self._refusals,
            missing_sources=missing,
            unknown_sources=unknown,
            notes=self.notes,
            counties=pl.DataFrame(counties, schema=COUNTIES_SCHEMA, orient="row"),
        )
