"""What the pages are made from: the tables of the draft, the home's records of earlier nights, and the night itself.

Any of it may be missing: a blocked night has checks and files and no tables, a first night has no past.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from canbao.home import Home, read_json
from canbao.paths import package_dir, table_files
from canbao.quality import incidents, nights
from canbao.quality import state as state_file

if TYPE_CHECKING:
    from canbao.intake import SourceDef
    from canbao.nightly import Night

NIGHTS_SHOWN = 60
"""Past nights that charts and tables go back to."""
KEYS_SHOWN = 200
"""Rows to look at that a check's page lists (the rest stands in the department's repair request)."""

Row = dict[str, Any]


class Loose(Row):
    """A row that others made: a column that it lacks reads as None, so that a page can say so."""

    def __missing__(self, key: str) -> None:
        return None


@dataclass(frozen=True)
class SiteData:
    """One night as the pages show it; counts only, no value of a person.

    Attributes:
        title: Whose rules, in Chinese.
        as_of: The day that the night speaks of.
        insured_year: The year that enrollment is judged for.
        run_id: The run.
        state: published, blocked, failed, broken_off.
        message: Why nothing was published, else empty.
        at: When the pages were made.
        valid_until: Until when the publication is as young as promised.
        commands: `--landing` and `--home` as given to the run.
        accepted_by: Account of the run: who let a check pass, where no release names people.
        definitions: The sources.
        contacts: Department to whom to call.
        products: Rows of `codes/product.csv`.
        checks: Every check as `Check.as_dict()` gives it.
        catalogue: Measures by id, as data.
        files: Files of the night.
        missing_sources: Sources without a delivery.
        unknown_sources: Folders that are no source.
        notes: Remarks of the intake.
        growing: Files that were left alone or came too late: source, delivery, files, why (growing or late), instead.
        tables: Tables of the draft by name, small ones only.
        counts: People by in_population, status and reason; None where there is no `person`.
        changes: Rows of `change` by cause, detail and statuses; None where there is no such table.
        repairs: Rows to look at by measure: total and the first of them.
        unsent: Rows that could be sent to a department and stand in no request yet.
        past_measures: `measure` of earlier nights with `as_of`.
        past_checks: State and value of every check of earlier publications.
        incidents: As `incidents.json` has them.
        requests: Open repair requests, as the repair module tells them.
        nights: Records of runs, newest first.
        missed: Nights between the first and the last of these that nobody ran.
        verdicts: Product to verdict, per earlier run.
        previous: Manifest of the publication before, {} where there was none.
        places: Divisions of this ledger and of the one before: code to name; None where unknown.
        parameters: Rule parameters of this run: name and value.
        code: Digest of the program.
        has_docs: Whether Data Docs lie beside the pages.
    """

    title: str
    as_of: date
    insured_year: int
    run_id: str
    state: str
    message: str = ""
    at: datetime | None = None
    valid_until: datetime | None = None
    commands: Mapping[str, str] = field(default_factory=dict)
    accepted_by: str = ""
    definitions: Mapping[str, SourceDef] = field(default_factory=dict)
    contacts: Mapping[str, str] = field(default_factory=dict)
    products: Sequence[Row] = ()
    checks: Sequence[Row] = ()
    catalogue: Mapping[str, Row] = field(default_factory=dict)
    files: Sequence[Row] = ()
    missing_sources: Sequence[str] = ()
    unknown_sources: Sequence[str] = ()
    notes: Sequence[str] = ()
    growing: Sequence[Row] = ()
    tables: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    counts: pl.DataFrame | None = None
    changes: pl.DataFrame | None = None
    repairs: Mapping[str, Row] = field(default_factory=dict)
    unsent: int = 0
    past_measures: pl.DataFrame | None = None
    past_checks: pl.DataFrame | None = None
    incidents: Sequence[Row] = ()
    requests: Sequence[Row] = ()
    nights: Sequence[Row] = ()
    missed: Sequence[date] = ()
    verdicts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    previous: Mapping[str, Any] = field(default_factory=dict)
    places: tuple[Mapping[str, str], Mapping[str, str]] | None = None
    parameters: Sequence[Row] | None = None
    code: str = ""
    has_docs: bool = False

    @property
    def published(self) -> bool:
        """Whether this night became a publication."""
        return self.state == "published"

    @classmethod
    def load(cls, night: Night, folder: Path | None, state: str = "published", message: str = "") -> SiteData:
        """Everything that the pages of a night need.

        Args:
            night: The night: its checks, its intake as far as it came, its settings.
            folder: The draft with the published tables; None for a night that publishes nothing.
            state: published, or how the night ended.
            message: Why nothing was published.
        """
        from canbao.nightly import who
        from canbao.publish import code_digest

        home, as_of = night.home, night.options.as_of
        now = datetime.now(UTC)
        previous_folder = night.previous or _before(home, as_of)
        intake = night.intake_
        return cls(
            title=night.rules.title,
            as_of=as_of,
            insured_year=night.insured_year,
            run_id=night.run_id,
            state=state,
            message=message,
            at=now,
            valid_until=now + timedelta(hours=float(getattr(night.settings, "max_age_hours", 30.0))),
            commands={"landing": str(night.options.landing), "home": str(night.options.home)},
            accepted_by=who(),
            definitions=night.definitions,
            contacts=dict(getattr(night.settings, "contacts", {})),
            products=products(),
            checks=[check.as_dict() for check in night.checks],
            catalogue=_catalogue(night.definitions),
            files=[] if intake is None else intake.files.to_dicts(),
            missing_sources=[] if intake is None else sorted(intake.missing_sources),
            unknown_sources=[] if intake is None else sorted(intake.unknown_sources),
            notes=[] if intake is None else list(intake.notes),
            growing=_growing(night),
            tables=_tables(folder),
            counts=_people(folder),
            changes=_changes(folder),
            repairs=_repairs(folder),
            unsent=_unsent(night, folder),
            past_measures=_past_measures(home, as_of),
            past_checks=_past_checks(home, as_of, night.run_id),
            incidents=incidents.tonight(night, state),
            requests=_requests(night, state),
            nights=_nights(home),
            missed=_missed(home, as_of),
            verdicts=_verdicts(home),
            previous=read_json(previous_folder / "manifest.json") if previous_folder else {},
            places=_places(folder, previous_folder),
            parameters=[{"name": row[0], "value": row[1]} for row in night.rules.rows()],
            code=code_digest(),
            has_docs=folder is not None and (folder / "reports" / "quality" / "data_docs" / "index.html").exists(),
        )


def products() -> list[Row]:
    """The products that a check may harm (`codes/product.csv`)."""
    return codes("product")


def codes(name: str) -> list[Row]:
    """The rows of a code table (`codes/<name>.csv`)."""
    with (package_dir("codes") / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_table(folder: Path | None, name: str) -> pl.DataFrame | None:
    """A table of a publication, None where there is none."""
    files = table_files(folder, name)
    return pl.read_parquet(files) if files else None


def _catalogue(definitions: Mapping[str, SourceDef]) -> dict[str, Row]:
    from canbao.quality.catalogue import load_catalogue

    return {measure.measure_id: asdict(measure) for measure in load_catalogue(definitions)}


def _before(home: Home, as_of: date) -> Path | None:
    earlier = [folder for folder in home.publications() if folder.parent.name <= as_of.isoformat()]
    return earlier[-1] if earlier else None


def _growing(night: Night) -> list[Row]:
    """Files that tonight did not read: still being sent when it looked, or there only after it had looked."""
    found = [
        {"source": one.source, "delivery": one.delivery, "files": list(one.files), "why": "growing",
         "instead": one.instead}
        for one in getattr(night.intake_, "growing", ())
    ]  # fmt: skip
    for (source, delivery), files in sorted(_late(night).items()):
        found.append({"source": source, "delivery": delivery, "files": sorted(files), "why": "late", "instead": None})
    return found


def _late(night: Night) -> dict[tuple[str, str], list[str]]:
    """Files that came, or changed, after this run had its first look at the landing area: the next night's."""
    from canbao.intake.growing import look

    seen = getattr(night, "seen", None)
    if seen is None:
        return {}
    found: dict[tuple[str, str], list[str]] = {}
    for path, mark in look(night.landings).files.items():
        source, delivery = path.parent.parent.name, path.parent.name
        if source in night.definitions and delivery <= night.options.as_of.isoformat() and seen.files.get(path) != mark:
            found.setdefault((source, delivery), []).append(path.name)
    return found


_WHOLE = ("measure", "verdict", "grade", "bridge", "rule", "quality_metric", "evaluation")


def _tables(folder: Path | None) -> dict[str, pl.DataFrame]:
    found = {name: frame for name in _WHOLE if (frame := read_table(folder, name)) is not None}
    if folder is not None and (folder / "ledger.parquet").exists():
        cells = pl.scan_parquet(folder / "ledger.parquet").filter(pl.col("level") <= 2)
        found["ledger"] = cells.collect()
    return found


def _people(folder: Path | None) -> pl.DataFrame | None:
    files = table_files(folder, "person")
    if not files:
        return None
    people = pl.scan_parquet(files)
    names = people.collect_schema().names()
    wanted = [name for name in ("in_population", "insured_status", "uninsured_reason") if name in names]
    return people.group_by(wanted).len("persons").sort(wanted).collect()


def _changes(folder: Path | None) -> pl.DataFrame | None:
    if folder is None or not (folder / "change.parquet").exists():
        return None
    rows = pl.scan_parquet(folder / "change.parquet")
    wanted = [name for name in ("cause", "detail", "was", "is") if name in rows.collect_schema().names()]
    return rows.group_by(wanted).len("persons").sort(wanted).collect()


def _repairs(folder: Path | None) -> dict[str, Row]:
    """Per measure how many rows there are to look at, and where the first of them stand: never what they say."""
    if folder is None or not (folder / "repair_item.parquet").exists():
        return {}
    places = ["source", "delivery", "file", "line"]
    rows = pl.scan_parquet(folder / "repair_item.parquet").select("measure_id", "item_id", *places)
    totals = rows.group_by("measure_id").len("total").collect()
    first = rows.sort("measure_id", *places).group_by("measure_id", maintain_order=True).head(KEYS_SHOWN).collect()
    parts = {key[0]: part.to_dicts() for key, part in first.partition_by("measure_id", as_dict=True).items()}
    return {name: {"total": total, "rows": parts.get(name, [])} for name, total in totals.iter_rows()}


def _unsent(night: Night, folder: Path | None) -> int:
    from canbao.quality.repair import requests

    if folder is None or not (folder / "repair_item.parquet").exists():
        return 0
    return requests.unsent(night.home, folder / "repair_item.parquet", _at_work(night))


def _at_work(night: Night) -> Night | None:
    """The night, as far as it looked for wrong rows: what it repairs and reopens is told already."""
    return night if ("repair_measure",) in night.warehouse.con.execute("SHOW TABLES").fetchall() else None


def _past_measures(home: Home, as_of: date) -> pl.DataFrame | None:
    files = sorted((home.history / "measure").glob("[0-9]*.parquet"))
    files = [file for file in files if file.stem < as_of.isoformat()][-NIGHTS_SHOWN:]
    if not files:
        return None
    frames = [pl.read_parquet(file).with_columns(pl.lit(file.stem).alias("night")) for file in files]
    return pl.concat(frames, how="diagonal_relaxed")


def _past_checks(home: Home, as_of: date, run_id: str) -> pl.DataFrame | None:
    newest: dict[str, Path] = {}
    for folder in home.publications():
        if folder.parent.name < as_of.isoformat() and folder.name != run_id:
            newest[folder.parent.name] = folder
    frames = []
    for night in sorted(newest)[-NIGHTS_SHOWN:]:
        frame = read_table(newest[night], "quality_metric")
        if frame is not None:
            frames.append(frame.select("check_id", "value", "passed").with_columns(pl.lit(night).alias("night")))
    return pl.concat(frames, how="diagonal_relaxed") if frames else None


def _requests(night: Night, state: str) -> list[Row]:
    from canbao.quality import repair

    at_work = _at_work(night) if state == "published" else None
    return [asdict(one) for one in repair.open_requests(night.home, night.options.as_of, at_work)]


def _nights(home: Home) -> list[Row]:
    records = sorted(home.runs.glob("[0-9]*.json"), reverse=True)[: NIGHTS_SHOWN * 2] if home.runs.is_dir() else []
    passed = {folder.name: folder for folder in home.publications()}
    return [{"run_id": path.stem, **read_json(path), "released": _released(passed.get(path.stem))} for path in records]


def _released(folder: Path | None) -> list[str]:
    """Checks that were let pass in a publication."""
    accepted = read_json(folder / "manifest.json").get("accepted", []) if folder is not None else []
    return [str(entry["check_id"]) for entry in accepted]


def _missed(home: Home, as_of: date) -> list[date]:
    ran = sorted(day for day in nights.seen(home) | {as_of} if day > as_of - timedelta(days=NIGHTS_SHOWN))
    gaps = [one + timedelta(days=n) for one, later in pairwise(ran) for n in range(1, (later - one).days)]
    return nights.due_days(gaps, str(state_file.read(home, nights.SCHEDULE).get("cron", "")))


def _verdicts(home: Home) -> dict[str, dict[str, str]]:
    found = {}
    for folder in home.publications()[-NIGHTS_SHOWN:]:
        frame = read_table(folder, "verdict")
        if frame is not None:
            found[folder.name] = dict(frame.select("product", "verdict").iter_rows())
    return found


def _places(folder: Path | None, before: Path | None) -> tuple[dict[str, str], dict[str, str]] | None:
    pair = []
    for place in (folder, before):
        path = None if place is None else place / "ledger.parquet"
        if path is None or not path.exists():
            return None
        one = (pl.col("basis") == "household") & (pl.col("measure") == "insured")
        cells = pl.scan_parquet(path).filter(one & ~pl.col("division_code").str.ends_with("-"))
        pair.append(dict(cells.select("division_code", "division_name").collect().iter_rows()))
    return pair[0], pair[1]


def by_key(rows: Iterable[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    """Rows in lists by what `key` says of them, in order of their first appearance."""
    found: dict[Any, list[Row]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found
