"""The night, stage by stage: land, stage, check, build, audit, publish. Knows nothing of who calls it.

A stage changes nothing outside `<home>/staged`, `<home>/warehouse` and a draft folder; only the last one publishes.
"""

import getpass
import hashlib
import json
import resource
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from canbao import audit, gates, publish, received
from canbao.errors import Blocked, CanbaoError, UserError
from canbao.gates import Check
from canbao.home import Home, fingerprint, write_atomically
from canbao.loop import night as loop
from canbao.previous import previous_publication
from canbao.quality import arrivals, history, measures, nights, operation, releases, repair
from canbao.rules import Rules, load_rules
from canbao.settings import Settings, load_settings

if TYPE_CHECKING:
    from canbao.engine import Warehouse
    from canbao.intake import IntakeResult, SourceDef
    from canbao.intake.growing import Look
    from canbao.quality.catalogue import Measure
    from canbao.quality.releases import Release
    from canbao.reports import BookWriters
    from canbao.stepstore import Anew, StepStore

STAGES = ("land", "stage", "check", "build", "audit", "publish")
"""In this order; each is a function of this module that takes the night."""

_LARGE_LEDGER = 200_000
"""Rows of the ledger from which on its workbooks are worth processes of their own; a city's villages make a million."""


@dataclass(frozen=True)
class Options:
    """What a run is asked to do (contract.md section 1).

    Attributes:
        landing: The landing area.
        home: The installation.
        as_of: The day the ledger speaks of.
        insured_year: None for the rules' default.
        jurisdiction: Whose rules.
        rules: Overlay of rule parameters.
        engine: `duckdb` or `spark`.
        spark_master: Where Spark runs; this machine unless told otherwise.
        accepts: check_id to reason.
        make_current: Become current although the current publication is of a later date.
        wait: Seconds to wait for another run on the home.
        memory_limit: Of the warehouse, as DuckDB understands it.
        threads: Cores to use.
        full: Compute every table anew instead of taking over what is as it was.
    """

    landing: Path
    home: Path
    as_of: date
    insured_year: int | None = None
    jurisdiction: str = "chongqing"
    rules: Path | None = None
    engine: str = "duckdb"
    spark_master: str = "local[*]"
    accepts: Mapping[str, str] = field(default_factory=dict)
    make_current: bool = False
    wait: float = 0.0
    memory_limit: str | None = None
    threads: int | None = None
    full: bool = False


@dataclass
class Night:
    """One run's state, handed from stage to stage."""

    options: Options
    home: Home
    settings: Settings
    rules: Rules
    definitions: dict[str, "SourceDef"]
    key: bytes
    run_id: str
    started: datetime
    say: Callable[[str], None]
    checks: list[Check] = field(default_factory=list)
    timings: list[dict[str, Any]] = field(default_factory=list)
    error: BaseException | None = None
    published: Path | None = None
    became_current: bool = False
    figures: dict[str, int] = field(default_factory=dict)
    replaced: dict[str, int] = field(default_factory=dict)
    intake_: "IntakeResult | None" = None
    warehouse_: "Warehouse | None" = None
    store_: "StepStore | Anew | None" = None
    reused: list[str] = field(default_factory=list)
    draft_: publish.Draft | None = None
    writers: "BookWriters | None" = None
    previous: Path | None = None
    seen: "Look | None" = None
    released: dict[str, "Release"] = field(default_factory=dict)
    missed: list[date] = field(default_factory=list)
    catalogue: tuple["Measure", ...] = ()
    baselines: dict[str, gates.Baseline] = field(default_factory=dict)

    @property
    def landings(self) -> list[Path]:
        """The landing area, and the home's own one for returned sheets."""
        return [self.options.landing, *([self.home.landing] if self.home.landing.is_dir() else [])]

    @property
    def insured_year(self) -> int:
        """The year that enrollment is judged for."""
        return self.options.insured_year or self.rules.default_insured_year()

    @property
    def intake(self) -> "IntakeResult":
        """What `land` took in."""
        assert self.intake_ is not None
        return self.intake_

    @property
    def warehouse(self) -> "Warehouse":
        """What `stage` opened."""
        assert self.warehouse_ is not None
        return self.warehouse_

    @property
    def store(self) -> "StepStore | Anew":
        """The tables of the last night."""
        assert self.store_ is not None
        return self.store_

    @property
    def draft(self) -> publish.Draft:
        """What `publish` fills."""
        assert self.draft_ is not None
        return self.draft_

    @property
    def suite_folder(self) -> Path:
        """Great Expectations' own files."""
        return self.home.warehouse / "quality"

    def run_stage(self, name: str) -> None:
        """Run one stage and keep its time."""
        with self.timed(name, None) as entry:
            entry["rows"] = _FUNCTIONS[name](self)

    @contextmanager
    def timed(self, stage: str, step: str | None) -> Iterator[dict[str, Any]]:
        """Keep the time of a stage or of a step within it."""
        self.say(f"{_STAGE_TITLES[stage]} {step or ''}")
        entry: dict[str, Any] = {"stage": stage, "step": step, "rows": None}
        self.timings.append(entry)
        begun = time.perf_counter()
        try:
            yield entry
        finally:
            entry["seconds"] = round(time.perf_counter() - begun, 3)

    def stop_if_blocked(self, layer: str) -> None:
        """End the night where a blocking check failed.

        Raises:
            Blocked: Says which checks, where, and what to do.
        """
        blocking = [check for check in self.checks if check.blocks]
        if blocking:
            lines = [f"{layer}有 {len(blocking)} 项阻断检查未通过，未发布任何内容，当前发布保持不变。"]
            for check in blocking:
                lines += [f"[{check.check_id}] {line}" for line in check.message.splitlines() or [check.title]]
            if self.intake_ is not None and not self.intake_.files.is_empty():
                place = received.lay_out(self.intake_, self.home.runs / self.run_id)
                lines.append(f"剔除的行见 {place}，各文件的读取情况见同一目录的 load_file.csv。")
            if any(not check.check_id.startswith("required.") for check in blocking):
                lines.append(releases.hint(self.home, two_people=self.settings.two_people))
            raise Blocked("\n".join(lines))


_STAGE_TITLES = {
    "land": "读取来文",
    "stage": "装载",
    "check": "检查来文",
    "build": "编制",
    "audit": "核对结果",
    "publish": "发布",
}

_OPEN: dict[str, Night] = {}


def is_open(home: Path | str) -> Night | None:
    """The night that this process has open on a home."""
    return _OPEN.get(str(home))


def new_run_id(started: datetime) -> str:
    """A run's id: its start to the second, the fraction of it, and something drawn.

    The fraction comes right after the second, because the last run is found by name: ids in order of name are in order
    of time, also of two runs within one second.
    """
    return f"{started:%Y%m%dT%H%M%SZ}-{started.microsecond:06d}{secrets.token_hex(1)}"


@contextmanager
def open_night(options: Options, say: Callable[[str], None] | None = None) -> Iterator[Night]:
    """Check what was asked for, hold the home, and keep the run's record to its end.

    Raises:
        UserError: Wrong use.
        Blocked: Another run holds the home, or the key is another than the home's.
    """
    from canbao.intake import load_definitions
    from canbao.intake.growing import look
    from canbao.quality.catalogue import load_catalogue

    _verify(options)
    rules = load_rules(options.jurisdiction, options.as_of, options.rules)
    home = Home(options.home)
    settings = load_settings(home.settings_file)
    if home.brief_file.exists():
        from canbao.reports import load_definition

        load_definition(home.brief_file)  # its mistakes are told now, not at the end of the night
    if options.accepts and settings.two_people:
        raise UserError("本单位设置了两人放行（[release] two_people），不能用 --accept。请用 canbao release ask。")
    definitions = load_definitions()
    required = {f"required.{name}" for name in definitions}
    known = gates.known_ids(definitions, [options.landing]) | audit.suite_ids() | set(settings.also_block)
    gates.verify_accepts(options.accepts, known, required)
    if settings.also_block:
        others = audit.suite_ids() | {one.measure_id for one in load_catalogue(definitions)}
        gates.verify_stricter(settings.also_block, gates.configurable_ids(definitions, others))
    started = datetime.now(UTC)
    run_id = new_run_id(started)
    home.prepare()
    with ExitStack() as stack:
        stack.enter_context(home.lock(run_id, options.wait))
        home.clear_leftovers()
        night = Night(
            options=options,
            home=home,
            settings=settings,
            rules=rules,
            definitions=definitions,
            key=home.key(),
            run_id=run_id,
            started=started,
            say=say or (lambda _: None),
        )
        loop.gather(night)
        night.seen = look(night.landings)
        night.missed = nights.missed_before(home, options.as_of)
        _OPEN[str(options.home)] = night
        stack.callback(_OPEN.pop, str(options.home), None)
        _record(night, "running", "")
        try:
            yield night
        except BaseException as error:
            night.error = night.error or error
            raise
        finally:
            _close(night)


def run(night: Night) -> None:
    """Run all stages in this process, without a flow engine."""
    for name in STAGES:
        night.run_stage(name)


def _verify(options: Options) -> None:
    if not options.landing.is_dir():
        raise UserError(f"来文目录 {options.landing} 不存在或不是目录（--landing）。请检查路径。")
    try:
        next(options.landing.iterdir(), None)
    except OSError as error:
        raise UserError(f"来文目录 {options.landing} 无法读取：{error.strerror}。请检查目录权限。") from None
    if options.engine == "spark":
        from canbao.engine import spark

        if reason := spark.missing():
            raise UserError(reason)
    for check_id, reason in options.accepts.items():
        if not reason.strip():
            raise UserError(f"放行检查 {check_id} 必须写明理由（--reason）。")


def _close(night: Night) -> None:
    if night.writers is not None:
        night.writers.close()
    if night.warehouse_ is not None:
        night.warehouse_.close()
    error = night.error
    if night.published is not None:
        state, message = "published", ""
    elif isinstance(error, Blocked):
        state, message = "blocked", str(error)
    elif isinstance(error, UserError):
        state, message = "wrong_use", str(error)
    elif isinstance(error, CanbaoError):
        state, message = "failed", str(error)
    elif isinstance(error, Exception):
        state, message = "failed", f"程序故障（{type(error).__name__}），未发布任何内容。"
    else:
        state, message = "broken_off", "运行中途被中断，未发布任何内容。"
    _record(night, state, message)
    if state in {"blocked", "failed"}:
        from canbao.quality.site import write_for_stopped

        write_for_stopped(night, state, message)
    operation.after_night(night, state)


def _record(night: Night, state: str, message: str) -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    record = {
        "run_id": night.run_id,
        "as_of": night.options.as_of.isoformat(),
        "state": state,
        "message": message,
        "started": night.started.isoformat(timespec="seconds"),
        "finished": None if state == "running" else datetime.now(UTC).isoformat(timespec="seconds"),
        "failing_checks": [check.check_id for check in night.checks if check.blocks],
        "became_current": night.became_current,
        "peak_memory_mb": round(usage.ru_maxrss / 1024),
        "timings": night.timings,
    }
    write_atomically(night.home.runs / f"{night.run_id}.json", json.dumps(record, ensure_ascii=False, indent=1))


# ---------------------------------------------------------------------------------------------------------- stages


def land(night: Night) -> int:
    """Read every file that this run takes, into the store of staged files; bad rows go to quarantine."""
    from canbao.intake import take_in
    from canbao.intake.growing import PATIENCE

    night.intake_ = take_in(
        night.landings,
        night.options.as_of,
        night.home.staged,
        night.say,
        seen=night.seen,
        quiet=night.settings.quiet_seconds,
        patience=PATIENCE,
    )
    return int(night.intake.files["rows_read"].sum() or 0)


def stage(night: Night) -> int:
    """Open a new warehouse with the sources (newest row of each key) and the run's parameters."""
    from canbao.build import load_steps
    from canbao.engine import RunParameters, open_warehouse
    from canbao.stepstore import Anew, StepStore

    night.previous = previous_publication(
        night.home, night.options.as_of, night.insured_year, night.options.jurisdiction
    )
    parameters = RunParameters(
        as_of=night.options.as_of,
        insured_year=night.insured_year,
        rules=night.rules,
        key=night.key,
        previous=night.previous,
        code_digest=publish.code_digest(),
    )
    night.warehouse_ = open_warehouse(
        night.options.engine,
        night.home.warehouse,
        memory_limit=night.options.memory_limit,
        threads=night.options.threads,
        master=night.options.spark_master,
    )
    if night.options.engine == "duckdb":
        steps = [step for step in load_steps() if not step.judges]
        night.store_ = StepStore(night.home.steps, night.warehouse, steps, reuse=not night.options.full)
        night.warehouse.store = night.store_
    else:
        night.store_ = Anew(night.warehouse)
    night.warehouse.load_parameters(parameters)
    night.warehouse.register_sources(night.intake, night.definitions)
    repair.load_known(night)
    loop.load(night)
    return int(night.intake.files["rows_accepted"].sum() or 0)


def check(night: Night) -> int:
    """Judge what came in: the gates of contract.md section 2.

    Raises:
        Blocked: A blocking check failed and was not let pass.
    """
    night.baselines = gates.baselines(night.home.publications(), night.options.as_of)
    neighbours = gates.exchanged_counties(night.intake.accepted(night.definitions["division"]), night.options.as_of)
    _add(night, gates.intake_checks(night.intake, night.definitions, night.baselines, neighbours))
    _add(night, arrivals.growing_checks(night.intake, night.definitions))
    night.stop_if_blocked("来文")
    return len(night.checks)


def build(night: Night) -> int:
    """Run the SQL steps in the order of their references; inner tables go when nobody reads them any more.

    A table that would come out as last night's is taken over (canbao.stepstore).
    """
    from canbao.build import last_readers, load_steps

    first, then = measures.after_count([step for step in load_steps() if not step.judges])
    done = last_readers((*first, *then))
    with night.timed("build", "measure_def"):
        measures.prepare(night)
    store = night.store
    with night.timed("build", "taken_over"):
        store.begin(measures.queries(night) if then else ())
    total = 0
    entries = {}
    for step in (*first, None, *then):
        if step is None:
            with night.timed("build", "measure_count") as entry:
                entry["rows"] = measures.count(night) if then else 0
            with night.timed("build", "wrong_row") as entry:
                entry["rows"] = measures.collect(night) if then else 0
            store.forget()
            continue
        with night.timed("build", step.name) as entry:
            entry["rows"] = store.run_step(step)
        entries[step.name] = entry
        total += entry["rows"]
        for table in done.get(step.name, []):
            store.release(table)
    with night.timed("build", "kept"):
        store.finish()
    for name in night.warehouse.short_of_memory & entries.keys():
        entries[name]["short_of_memory"] = True
    night.reused = store.reused()
    for name in night.reused:
        entries[name]["reused"] = True
    return total


def audit_built(night: Night) -> int:
    """Judge what was built: the suite of the built tables, then every measure against its threshold.

    Raises:
        Blocked: A repeated key or a broken identity.
    """
    from canbao.build import load_steps

    _begin_workbooks(night)
    made = {step.name for step in load_steps()}
    rules = [rule for rule in audit.load_suite("built") if rule.table in made]
    before = len(night.checks)
    _add(night, audit.run_suite(night.warehouse.con, "built", rules, night.suite_folder))
    _add(night, measures.checks(night, night.suite_folder))
    night.stop_if_blocked("编制结果")
    return len(night.checks) - before


def _begin_workbooks(night: Night) -> None:
    """Have processes ready for a ledger of many rows: until they are asked they begin, and read it."""
    from canbao import reports

    files = night.warehouse.written("ledger")
    if len(files) == 1 and night.warehouse.count("ledger") >= _LARGE_LEDGER:
        night.writers = reports.BookWriters(files[0])


def publish_tables(night: Night) -> int:
    """Write tables, reports and the manifest aside, then make them the current publication in one step."""
    from canbao.build import load_steps
    from canbao.report import quality_frame, write_run_report

    night.draft_ = publish.begin(night.home, night.options.as_of, night.run_id)
    con = night.warehouse.con
    _intake_tables(night)
    repair.gather(night)
    night.replaced = dict(
        con.execute("SELECT source, sum(rows_replaced)::BIGINT FROM load_file GROUP BY ALL").fetchall()
    )
    con.register("loading", quality_frame(night.checks).to_arrow())
    con.execute("CREATE OR REPLACE TABLE quality_metric AS SELECT * FROM loading")
    con.unregister("loading")
    measures.tell_falls(con, night.checks)
    for step in load_steps():
        if step.judges:
            with night.timed("publish", step.name) as entry:
                entry["rows"] = night.warehouse.run_step(step)
    orders: dict[str, tuple[str, ...]] = {
        "load_file": ("source", "delivery", "file", "*"),
        "quarantine": ("source", "delivery", "file", "line", "error_code", "*"),
        "quality_metric": ("check_id", "*"),
    }
    orders.update({step.name: step.order_by for step in load_steps() if step.published and step.name not in orders})
    for table, order in sorted(orders.items()):
        with night.timed("publish", table) as entry:
            file = night.warehouse.write_table(table, night.draft.folder / f"{table}.parquet", order)
            entry["rows"] = file.rows
            night.draft.tables[table] = {
                "rows": file.rows,
                "sha256": file.sha256,
                "bytes": file.bytes,
                "order_by": list(order),
            }
            if file.parts:
                told = [{"file": name, "bytes": size, "sha256": digest} for name, size, digest in file.parts]
                night.draft.tables[table]["parts"] = told
    night.figures = _figures(night)
    _reports(night)
    write_run_report(night, night.draft.folder)
    finished = datetime.now(UTC)
    night.home.remember_key(night.key)
    night.say("切换当前发布")
    night.became_current = publish.commit(
        night.home, night.draft, _manifest(night, finished), make_current=night.options.make_current
    )
    night.published = night.home.published / night.options.as_of.isoformat() / night.run_id
    if night.catalogue:
        history.keep(con, night.home, night.options.as_of, night.insured_year)
    repair.settle(night)
    for name in publish.retire(night.home, night.settings.keep_nights):
        night.timings.append({"stage": "publish", "step": f"retired {name}", "rows": None, "seconds": 0.0})
    return sum(entry["rows"] for entry in night.draft.tables.values())


_FUNCTIONS: dict[str, Callable[[Night], int]] = {
    "land": land,
    "stage": stage,
    "check": check,
    "build": build,
    "audit": audit_built,
    "publish": publish_tables,
}


def _add(night: Night, checks: list[Check]) -> None:
    outcomes = gates.apply(checks, night.options.accepts, night.settings.also_block)
    outcomes, released = releases.apply(outcomes, releases.load(night.home), night.intake.files)
    night.released |= released
    night.checks += [replace(one, accepted_by=one.accepted_by or (who(),)) if one.accepted else one for one in outcomes]


def _intake_tables(night: Night) -> None:
    con = night.warehouse.con
    frames = {
        "load_file": received.load_file_frame(night.intake, _replaced(night.warehouse)),
        "quarantine": received.quarantine_frame(night.intake),
    }
    for table, frame in frames.items():
        con.register("loading", frame.to_arrow())
        con.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM loading")
        con.unregister("loading")


def _replaced(warehouse: "Warehouse") -> dict[int, int]:
    """Rows that a later delivery or a later line replaced, per file."""
    con = warehouse.con
    counts: dict[int, int] = {}
    for (table,) in con.execute("SHOW TABLES").fetchall():
        if table.startswith("superseded_"):  # file and line of a row are one number, see the engine
            counts.update(con.execute(f"SELECT row_no // 4294967296, count(*) FROM {table} GROUP BY ALL").fetchall())
    return {warehouse.taken_number(number): rows for number, rows in counts.items()}


MAIN_MEASURES = {
    "should_be_insured": "应参保",
    "insured": "已参保",
    "uninsured": "未参保",
    "duplicate_persons": "重复参保人数",
    "separated_uninsured": "未参保中人户分离",
}
"""The city's main figures, as the command prints them."""


def _figures(night: Night) -> dict[str, int]:
    query = "SELECT measure, value FROM ledger WHERE level = 1 AND basis = 'household' AND division_code NOT LIKE '%-'"
    found = dict(night.warehouse.con.execute(query).fetchall())
    return {measure: int(found[measure]) for measure in MAIN_MEASURES if measure in found}


def _reports(night: Night) -> None:
    from canbao import reports
    from canbao.quality.site import write_for_draft

    stamps = reports.stamp_lines(night.draft.folder, "ledger", night.checks, who())

    def workbooks() -> None:
        with night.timed("publish", "workbooks"):
            reports.write_ledger_workbooks(
                night.draft.folder / "ledger.parquet",
                night.draft.reports,
                header=reports.ReportHeader(version=night.run_id),
                stamps=stamps,
                on_progress=night.say,
                writers=night.writers,
            )

    # the pages are made while others write the workbooks, or pack them, which leaves the interpreter free
    with ThreadPoolExecutor(1, "workbooks") as aside:
        books = aside.submit(workbooks)
        with night.timed("publish", "brief"):
            reports.write_brief(
                night.draft.folder,
                night.draft.reports,
                previous=date.fromisoformat(night.previous.parent.name) if night.previous else None,
                released=reports.release_lines(night.checks, who()),
                version=night.run_id,
                overlay=night.home.brief_file,
            )
        with night.timed("publish", "rule_book"):
            reports.write_rule_book(
                night.draft.folder / "rule.parquet", night.draft.reports / "rules.html", night.rules, night.insured_year
            )
        with night.timed("publish", "data_docs"):
            audit.write_data_docs(night.suite_folder, night.draft.reports / "quality" / "data_docs")
        with night.timed("publish", "quality_site") as entry:
            entry["rows"] = write_for_draft(night)
        books.result()


def who() -> str:
    """The account that this process runs under."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _manifest(night: Night, finished: datetime) -> dict[str, Any]:
    files = [
        {
            name: (str(value) if isinstance(value, date) else value)
            for name, value in row.items()
            if name != "staged_path"
        }
        for row in night.intake.files.iter_rows(named=True)
    ]
    rules = [{"name": row[0], "value": row[1], "verified": row[6], "overlay": row[7]} for row in night.rules.rows()]
    sources = gates.summarize(night.intake)
    passes = _releases_told(night, sources)
    return {
        "format": 1,
        "run_id": night.run_id,
        "as_of": night.options.as_of.isoformat(),
        "insured_year": night.insured_year,
        "jurisdiction": night.options.jurisdiction,
        "engine": night.options.engine,
        "started": night.started.isoformat(timespec="seconds"),
        "finished": finished.isoformat(timespec="seconds"),
        "code": {"version": version("canbao"), "sha256": publish.code_digest()},
        "key_fingerprint": fingerprint(night.key),
        "missed_nights": [day.isoformat() for day in night.missed],
        "taken_over": night.reused,
        "previous_publication": f"{night.previous.parent.name}/{night.previous.name}" if night.previous else None,
        "inputs": {
            "files": files,
            "sources": sources,
            "compared": gates.compared(night.checks, night.baselines, sources, night.options.as_of, passes),
            "missing_sources": sorted(night.intake.missing_sources),
            "unknown_sources": sorted(night.intake.unknown_sources),
            "notes": list(night.intake.notes),
        },
        "rules": {"sha256": _digest(rules), "overlay": night.options.rules is not None, "parameters": rules},
        "checks": [check.as_dict() for check in night.checks],
        "accepted": [
            {
                "check_id": check.check_id,
                "reason": check.accepted,
                "by": "、".join(check.accepted_by),
                "names": list(check.accepted_by),
                "release": passes.get(check.check_id),
                "at": finished.isoformat(timespec="seconds"),
            }
            for check in night.checks
            if check.accepted
        ],
    }


def _releases_told(night: Night, sources: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any] | None]:
    """Check id to the release by which it passes: of tonight, or one under which the same files were published."""
    told: dict[str, dict[str, Any] | None] = {
        f"row_fall.{name}": let_pass["release"]
        for name, let_pass in gates.still_let_pass(night.baselines, sources).items()
    }
    return told | {check_id: releases.entry(one) for check_id, one in night.released.items()}


def _digest(data: Any) -> str:

    return hashlib.sha256(json.dumps(data, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def already_made_up_for(options: Options, due: datetime | None = None) -> bool:
    """Whether this day needs no further run: of several nights that were missed, one run makes up for all.

    Args:
        options: What the run would do.
        due: When it should have begun: a run that began since has made up for it, also where it was blocked.
    """
    home = Home(options.home)
    if any(home.published.glob(f"{options.as_of.isoformat()}/*/manifest.json")):
        return True
    return due is not None and nights.began(home, options.as_of, due)
