"""The landing areas: which deliveries the night takes, and what became of each file (contract section 2)."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from threading import Lock
from typing import Any

import polars as pl

from canbao.errors import UserError
from canbao.intake.columns import dtype_of
from canbao.intake.definitions import SourceDef, load_definitions
from canbao.intake.growing import Growing, Look, age, grows, look, mark, second_look, unfinished
from canbao.intake.problems import FileRefused, Refusal, shown_name, without_numbers
from canbao.intake.readers import Readers
from canbao.intake.staging import (
    SUFFIXES,
    StagedPart,
    quarantine_path,
    sha256_of,
    stage_nothing,
    staged_path,
    suffix_of,
)

MANIFEST = "manifest.json"

# Sources taken at a time. While two are read, the digest of the third one's next file is made.
_AT_A_TIME = 3

# Processes that read in a large night: each takes some hundred megabytes.
_PROCESSES = 2

# Bytes read before any of these is begun, which takes most of a second.
_READ_HERE = 256 << 20

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
        growing: What was left alone because it is still being sent.
        left_out: Per source the sheets that were not read although they look like data.
    """

    files: pl.DataFrame
    quarantine_paths: list[tuple[int, Path]]
    refusals: list[Refusal]
    missing_sources: list[str]
    unknown_sources: list[str]
    notes: list[str]
    counties: pl.DataFrame
    growing: list[Growing] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)

    def accepted(self, source: SourceDef) -> pl.DataFrame:
        """The accepted rows of a small source, of all its deliveries: the definition's fields."""
        paths = self.files.filter(pl.col("source") == source.name, pl.col("state") == "accepted")["staged_path"]
        schema = {one.name: dtype_of(one) for one in source.fields}
        return pl.read_parquet(paths.to_list(), columns=list(schema)) if len(paths) else pl.DataFrame(schema=schema)


@dataclass
class Delivery:
    """One folder of one date: its files by name, its manifest, what is of no known kind, and what is half sent."""

    source: SourceDef
    day: date
    folder: Path
    files: list[Path]
    strangers: list[Path]
    manifest: Path | None
    unfinished: list[Path]


@dataclass
class _FileReport:
    """What became of one file of a delivery."""

    path: Path
    sha256: str
    size: int
    parts: list[StagedPart] = field(default_factory=list)
    refused: FileRefused | None = None

    @property
    def message(self) -> str:
        """Why the file is not used, empty where it is."""
        return self.refused.message if self.refused is not None else ""


@dataclass
class _Read:
    """A delivery that was read and is not entered yet.

    Attributes:
        delivery: What was read.
        reports: Of each file that counts.
        growing: Files that are still being sent.
        whole: The manifest's objection to the delivery.
        complete: The manifest says that all is there.
        marks: Sizes and times as they were read.
    """

    delivery: Delivery
    reports: list[_FileReport] = field(default_factory=list)
    growing: list[Path] = field(default_factory=list)
    whole: FileRefused | None = None
    complete: bool = False
    marks: dict[Path, tuple[int, int] | None] = field(default_factory=dict)

    @property
    def left_alone(self) -> bool:
        """Whether none of it is used: half a snapshot would miss people, half a manifest's word is none."""
        delivery = self.delivery
        return bool(self.growing) and (delivery.source.kind == "snapshot" or delivery.manifest is not None)

    @property
    def used(self) -> bool:
        """Whether there is anything of it to enter although some of it is still being sent."""
        return not self.left_alone and bool(self.reports or self.delivery.strangers)


def _silent(_: str) -> None:
    return None


def take_in(
    landings: list[Path],
    as_of: date,
    store: Path,
    on_progress: Callable[[str], None] | None = None,
    *,
    seen: Look | None = None,
    quiet: float = 0.0,
    patience: float = 0.0,
) -> IntakeResult:
    """Takes in the deliveries of a night. What is still being sent is left alone, and the delivery before it is taken.

    Args:
        landings: Landing areas; the first must exist, further ones (`<home>/landing`) may not.
        as_of: Deliveries of later dates are left alone.
        store: Where staged files are kept (`<home>/staged`).
        on_progress: Is told each file that is begun; by several threads, one after the other.
        seen: How the files looked when the run began: what differs now is being written.
        quiet: Seconds; a file changed more recently than that is being written, unless a manifest says it is whole.
        patience: Seconds for which a file that cannot be read and changed lately is watched before it is refused.

    Raises:
        UserError: The landing area is missing.
    """
    if not landings or not landings[0].is_dir():
        raise UserError(f"找不到接收目录：{landings[0] if landings else ''}。请检查 --landing 参数。")
    definitions = load_definitions()
    if seen is not None:
        second_look(seen)
    night = _Night(store, on_progress or _silent, seen or look(landings), quiet, patience)
    unknown: set[str] = set()
    found: dict[str, list[Delivery]] = {name: [] for name in definitions}
    for landing in landings:
        for folder in _visible(landing) if landing.is_dir() else ():
            if folder.name in definitions and folder.is_dir():
                found[folder.name] += _deliveries(definitions[folder.name], folder, as_of, night.notes)
            elif folder.is_dir():
                unknown.add(without_numbers(folder.name))
            else:
                night.notes.append(f"接收目录下的文件“{shown_name(folder)}”不属于任何来源，未读取。")
    with closing(night.readers):
        taken = night.take_all([(definitions[name], found[name]) for name in sorted(found)])
        for name, reads in taken.items():
            if [one for one in reads if night.moved(one)]:  # while other files were read
                taken[name] = night.take(definitions[name], found[name])
    for name in sorted(found):
        night.notes += night.left_out.get(name, ())
    for reads in taken.values():
        for read in reads:
            night.enter(read)
    missing = [name for name, reads in taken.items() if not reads]
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


def _size(deliveries: Iterable[Delivery]) -> int:
    found = [mark(path) for one in deliveries for path in one.files]
    return sum(size for size, _ in filter(None, found))


def _visible(folder: Path) -> list[Path]:
    return sorted((path for path in folder.iterdir() if path.name[:1] not in {".", "~"}), key=lambda path: path.name)


def _deliveries(source: SourceDef, folder: Path, as_of: date, notes: list[str]) -> list[Delivery]:
    """The deliveries of a source not after the as-of date that hold any file."""
    found = []
    for path in _visible(folder):
        day = _day(path)
        if day is None:
            notes.append(f"“{source.name}/{shown_name(path)}”不是以日期(如2026-02-01)命名的批次目录，未读取。")
            continue
        if day > as_of:
            notes.append(f"批次“{source.name}/{path.name}”晚于截至日期，未读取。")
            continue
        inside = _visible(path)
        files = [one for one in inside if one.is_file() and suffix_of(one)]
        manifest = next((one for one in inside if one.name.lower() == MANIFEST and one.is_file()), None)
        half = [one for one in inside if unfinished(one)]
        strangers = [one for one in inside if one not in files and one not in half and one != manifest]
        if not files and not strangers and not half and manifest is None:
            notes.append(f"批次“{source.name}/{path.name}”里没有文件，不作为一次报送。")
            continue
        found.append(Delivery(source, day, path, files, strangers, manifest, half))
    return found


def _day(path: Path) -> date | None:
    try:
        day = date.fromisoformat(path.name)
    except ValueError:
        return None
    return day if path.is_dir() and day.isoformat() == path.name else None


class _Night:
    """Collects what is read."""

    def __init__(
        self, store: Path, on_progress: Callable[[str], None], seen: Look, quiet: float, patience: float
    ) -> None:
        self.store = store
        self.notes: list[str] = []
        self.left_out: dict[str, list[str]] = {}
        self._progress = on_progress
        self._telling = Lock()
        self.readers = Readers(_PROCESSES, _READ_HERE)
        self._seen = seen
        self._quiet = quiet
        self._patience = patience
        self._moved: set[Path] = set()
        self._rows: list[dict[str, Any]] = []
        self._quarantine: list[tuple[int, Path]] = []
        self._refusals: list[Refusal] = []
        self._counties: dict[str, Counter[str]] = {}
        self._growing: dict[tuple[str, date], Growing] = {}
        self._sheets_left_out: dict[str, list[str]] = {}

    def take_all(self, found: list[tuple[SourceDef, list[Delivery]]]) -> dict[str, list[_Read]]:
        """Takes several sources at a time, those with most to read first.

        No source is read by two threads: equal files of one source share one staged file.

        Args:
            found: Sources and their deliveries.

        Returns:
            What was read, by source, in the order given.
        """
        longest = sorted(found, key=lambda one: -_size(chosen(*one)))
        with ThreadPoolExecutor(_AT_A_TIME, "intake") as pool:
            taking = {source.name: pool.submit(self.take, source, deliveries) for source, deliveries in longest}
            try:
                for done in as_completed(taking.values()):
                    done.result()
            except BaseException:
                self.readers.halt()  # nobody waits for files of gigabytes
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return {source.name: taking[source.name].result() for source, _ in found}

    def take(self, source: SourceDef, deliveries: list[Delivery]) -> list[_Read]:
        """Reads the deliveries of a source that count tonight; one that is still being sent gives way to the last."""
        left, late = deliveries, []
        while left:
            reads = [self.read(one) for one in chosen(source, left)]
            growing = [one for one in reads if one.growing]
            late += [one for one in growing if one.left_alone]
            self._note(growing, None)
            if source.kind == "increment":
                return [one for one in reads if not one.growing or one.used]
            if not growing:
                self._note(late, reads[0].delivery.day)
                return reads
            left = [one for one in left if one.day < reads[0].delivery.day]
        return []

    def _note(self, reads: list[_Read], instead: date | None) -> None:
        for read in reads:
            source, day = read.delivery.source.name, read.delivery.day
            names = tuple(sorted(map(shown_name, read.growing)))
            self._growing[source, day] = Growing(source, day, names, read.left_alone, instead)

    def read(self, delivery: Delivery) -> _Read:
        """Reads one delivery: every file, then the manifest's word on them. Nothing of it is entered yet."""
        read = _Read(delivery)
        files = [*delivery.files, *([delivery.manifest] if delivery.manifest else [])]
        marks = {path: mark(path) for path in delivery.files}  # first, so that no later change goes unseen
        suspects = {*delivery.unfinished, *(path for path in files if self._seen.differs(path) or self._young(path))}
        suspects |= {path for path in self._moved if path.parent == delivery.folder}
        if suspects and delivery.manifest is None and delivery.source.kind == "snapshot":
            read.growing = sorted(suspects)
            return read
        for path in delivery.files:
            if path in suspects and delivery.manifest is None:
                continue
            read.marks[path] = marks[path]
            report = self._file(delivery, path)
            if report.refused and (report.refused.code == "changing" or grows(path, self._patience)):
                suspects.add(path)
            read.reports.append(report)
        read.whole, claimed = self._against_manifest(delivery, read.reports)
        if claimed and read.whole is None and not read.reports and delivery.manifest and not delivery.strangers:
            read.reports = [self._no_rows(delivery, delivery.manifest)]
        read.complete = claimed and read.whole is None and not any(report.refused for report in read.reports)
        if read.complete:
            left = "、".join(f"“{shown_name(path)}”" for path in delivery.unfinished)
            if left:
                note = f"批次“{delivery.source.name}/{delivery.day}”按清单已齐，未传完的{left}未读取。"
                self.left_out.setdefault(delivery.source.name, []).append(note)
        else:
            read.growing = sorted(suspects)
            read.reports = [report for report in read.reports if report.path not in suspects]
        return read

    def _young(self, path: Path) -> bool:
        return self._quiet > 0 and age(path) < self._quiet

    def moved(self, read: _Read) -> bool:
        """Whether a delivery changed after it was read; without a manifest nobody knows what else is to come."""
        if read.complete:
            return False
        changed = {path for path, before in read.marks.items() if mark(path) != before}
        if read.delivery.source.kind == "snapshot":
            delivery = read.delivery
            known = {*delivery.files, *delivery.strangers, *delivery.unfinished, delivery.manifest}
            changed |= {path for path in _visible(delivery.folder) if path not in known}
        self._moved |= changed
        return bool(changed)

    def enter(self, read: _Read) -> None:
        """Enters a delivery into the result: its rows, or why it is refused."""
        delivery, whole = read.delivery, read.whole
        unknown = FileRefused(
            "unknown_kind", f"不认识的文件类型。只接收{'、'.join(SUFFIXES)}；请改正后重报，或移出批次目录。"
        )
        for path in delivery.strangers:
            self._refuse(delivery, shown_name(path), unknown)
        for report in read.reports:
            if report.refused is not None:
                self._refuse(delivery, shown_name(report.path), report.refused)
            for part in report.parts:
                place = f"{delivery.source.name}/{delivery.day}/{shown_name(report.path)}"
                self.notes += [f"{place}：{without_numbers(note)}" for note in part.notes]
                left = self._sheets_left_out.setdefault(delivery.source.name, [])
                left += [f"{place} 的工作表“{without_numbers(name)}”" for name in part.left_out]
        if whole is not None:
            self._refusals.append(Refusal(delivery.source.name, delivery.day, None, whole.code, whole.message))
        strangers = [_FileReport(path, "", 0, refused=unknown) for path in delivery.strangers]
        for report in sorted([*read.reports, *strangers], key=lambda one: one.path.name):
            self._enter(delivery, report, whole)

    def _refuse(self, delivery: Delivery, file: str, refused: FileRefused) -> None:
        self._refusals.append(Refusal(delivery.source.name, delivery.day, file, refused.code, refused.message))

    def _file(self, delivery: Delivery, path: Path) -> _FileReport:
        with self._telling:
            self._progress(f"{delivery.source.name}/{delivery.day}/{shown_name(path)}")
        report = _FileReport(path, "", 0)
        try:
            before = path.stat()
            report.size = before.st_size
            report.sha256 = sha256_of(path)
            report.parts = self.readers.stage(path, report.sha256, delivery.source, self.store, before)
        except FileRefused as refused:
            report.refused = refused
        except OSError as error:
            report.refused = FileRefused("unreadable_file", f"文件无法读取({error.strerror})。请检查权限，或重新传送。")
        return report

    def _no_rows(self, delivery: Delivery, manifest: Path) -> _FileReport:
        """The manifest as the file of a delivery that says there is nothing new."""
        report = _FileReport(manifest, sha256_of(manifest), manifest.stat().st_size)
        report.parts = stage_nothing(manifest, report.sha256, delivery.source, self.store)
        return report

    @staticmethod
    def _against_manifest(delivery: Delivery, reports: list[_FileReport]) -> tuple[FileRefused | None, bool]:
        """What in the delivery contradicts its manifest, or None; and whether the manifest claims anything at all."""
        if delivery.manifest is None:
            return None, False
        ask = "请重新传送整个批次，或更正 manifest.json。"
        try:
            claim = json.loads(delivery.manifest.read_bytes())
            sums = {str(name): str(value).strip().lower() for name, value in (claim.get("sha256") or {}).items()}
            rows = claim.get("rows")
        except (ValueError, AttributeError, TypeError, RecursionError):
            claim = None
        if claim is None or isinstance(rows, bool) or not isinstance(rows, int | None):
            return FileRefused("manifest", f"manifest.json 无法读取或格式不对。{ask}"), True
        if not reports and not delivery.strangers:
            if delivery.source.kind == "increment" and rows == 0 and not sums:
                return None, True
            why = (
                "全量来源每批都要有数据文件" if delivery.source.kind == "snapshot" else '没有新数据时请写明 {"rows": 0}'
            )
            return FileRefused("manifest", f"批次里只有 manifest.json，没有数据文件；{why}。{ask}"), True
        present = {report.path.name: report for report in reports}
        if sums:
            there = {*present, *(path.name for path in delivery.strangers)}
            wrong = [f"“{name}”在 manifest.json 中列出但没有收到" for name in sums if name not in there]
            wrong += [f"“{name}”没有在 manifest.json 中列出" for name in present if name not in sums]
            wrong += [
                f"“{n}”与 manifest.json 的校验值不符" for n, r in present.items() if sums.get(n, r.sha256) != r.sha256
            ]
            if wrong:
                return FileRefused("manifest", without_numbers(f"{'；'.join(wrong)}。{ask}")), True
        read = sum(part.rows_read for report in reports for part in report.parts)
        if rows is not None and rows != read and not any(report.message for report in reports):
            return FileRefused("manifest", f"manifest.json 说有{rows}行，实际读到{read}行。{ask}"), True
        return None, bool(sums) or rows is not None

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
            nothing = dict.fromkeys(("rows_read", "rows_accepted", "rows_rejected"), 0)
            self._rows.append({**common, **nothing, "file_no": len(self._rows) + 1, "file": shown_name(report.path)})
        for part in report.parts:
            number = len(self._rows) + 1
            name = shown_name(report.path) + (f"#{without_numbers(part.part)}" if part.part else "")
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
                    "extra_columns": [without_numbers(title) for title in part.extra_columns],
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
            growing=[self._growing[key] for key in sorted(self._growing)],
            left_out={source: names for source, names in self._sheets_left_out.items() if names},
        )
