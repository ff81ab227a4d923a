"""DuckDB as the engine of the build: a scratch warehouse in memory that spills to disk, filled from staged Parquet."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import polars as pl

from canbao.build import COMPUTED, Step, load_steps
from canbao.home import fingerprint, read_json
from canbao.paths import package_dir, quoted, read_parquet, sql_dir, table_files
from canbao.publish import file_digest, file_digests, joint_digest
from canbao.repeated import find_suspicious
from canbao.rules import Rules

if TYPE_CHECKING:
    from canbao.intake import IntakeResult, SourceDef
    from canbao.stepstore import StepStore

_TYPES = {
    "date": "DATE",
    "month": "INTEGER",
    "year": "INTEGER",
    "int": "INTEGER",
    "amount": "DECIMAL(14, 2)",
    "bool": "BOOLEAN",
}
"""Field types of the source definitions that are not text."""

PREVIOUS = {
    "person": {
        "person_id": "VARCHAR",
        "insured_status": "VARCHAR",
        "uninsured_reason": "VARCHAR",
        "household_district": "VARCHAR",
        "residence_district": "VARCHAR",
        "resd_code": "VARCHAR",
        "live_code": "VARCHAR",
        "resd_status": "VARCHAR",
        "in_population": "BOOLEAN",
        "evidence_mark": "BIGINT",
    },
    "ledger": {
        "basis": "VARCHAR",
        "level": "INTEGER",
        "division_code": "VARCHAR",
        "division_name": "VARCHAR",
        "measure": "VARCHAR",
        "value": "BIGINT",
    },
    "file": {"source": "VARCHAR", "sha256": "VARCHAR"},
}
"""Columns of the publication before this one that the build reads, as views `previous_<table>`."""

FEW_ROWS = 122_880
"""A row group of DuckDB: of fewer rows there is nothing to share out, and a second thread costs more than it does."""

MANY_ROWS = 2_000_000
"""Rows of all sources from which on every table of the build is a Parquet file. In memory tables of that size would
leave the queries no room, and be moved to disk and back: 3.4 million people took 9.5 GB, or 5.9 GB and what was moved,
where files take 3.6 GB and no more processor time."""

ROWS_OF_A_PART = 20_000_000
"""Rows of all sources, so many of which make a part of those tables that are made in parts (canbao.build): joins and
groupings of so many people stay in memory. One part: no parts."""

WORKING_FORMAT = "FORMAT parquet, COMPRESSION lz4_raw, DICTIONARY_SIZE_LIMIT 1024"
"""Of files that are written once and read a few times. To read them so takes three fifths of the processor time that
Snappy without dictionaries takes, to write them a twentieth more, and they are as large."""

PUBLISHED_FORMAT = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, DICTIONARY_SIZE_LIMIT 2048"
"""Of what readers get. The third level, which is the usual one, took up to a fifth longer and gave no smaller files. To
give up looking for repeated values after so many different ones, and not ten times as many, saves a quarter of the time
that people are written in, and makes their file 8 % larger and no other."""

MEMORY = 5300
"""Megabytes for the build. With what Python holds besides, a night is to stay below 8 GB."""

FILES_OF_A_SOURCE = 1 << 20
"""Numbers of files that each source has to itself: what one source delivers does not renumber the rows of others."""

_ORDERING = "join_order,build_side_probe_side"
"""What in DuckDB decides the order of joins and which side of each is laid out in memory."""

_PUBLISHED_AS = {"file": "load_file"}


class NotComputed(RuntimeError):  # noqa: N818
    """An engine beside DuckDB could not compute a table; the message names no value of a row."""


@dataclass(frozen=True)
class RunParameters:
    """What one run depends on besides its sources.

    Attributes:
        as_of: the day the ledger speaks of.
        insured_year: calendar year the enrollment is judged for.
        rules: the parameters in force.
        key: secret that turns numbers into person ids (contract 3.1).
        previous: folder of the publication to compare with (canbao.previous), None for the first night.
        code_digest: of the program that runs, as manifests have it.
    """

    as_of: date
    insured_year: int
    rules: Rules
    key: bytes
    previous: Path | None = None
    code_digest: str = ""


@dataclass(frozen=True)
class TableFile:
    """A published table as it was written.

    Attributes:
        path: The Parquet file, or the folder of a table in parts.
        rows: Number of rows.
        sha256: Of the file's bytes; of a folder, joint_digest of its files'.
        bytes: Size.
        parts: Name, size and SHA-256 of each file in the folder; empty for a table that is one file.
    """

    path: Path
    rows: int
    sha256: str
    bytes: int
    parts: tuple[tuple[str, int, str], ...] = ()


class Warehouse:
    """A scratch database. Deleting its folder loses nothing: the next night makes it anew.

    Args:
        folder: emptied when opened.
        memory_limit: as DuckDB understands it (`3GB`); MEMORY where not given, and no more than half of what the
            machine has. What does not fit spills into the folder.
        threads: number of cores to use; where not given all of them, and one alone for sources of few rows.
    """

    def __init__(self, folder: Path, *, memory_limit: str | None = None, threads: int | None = None) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, parents=True)
        self.folder = folder
        self._threads = threads
        self._written: dict[str, tuple[Path, ...]] = {}
        self._digests: dict[str, tuple[str, ...]] = {}
        self._views: set[str] = set()
        self._files: dict[str, tuple[Path, ...]] = {}
        self._in_files = False
        self._part_count = 1
        self._versions: dict[str, str] = {}
        self._deliveries: dict[str, str] = {}
        self._file_numbers: dict[int, int] = {}
        self.store: StepStore | None = None
        config: dict[str, str | bool | int | float | list[str]] = {
            "temp_directory": str(folder / "tmp"),
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            # The system keeps the files it has read anyway: a second copy took 2 GB of a night of 3.4 million people.
            "enable_external_file_cache": False,
        }
        half = _physical_memory() // 2
        config["memory_limit"] = memory_limit or f"{min(MEMORY, half)}MB"
        self._usual, self._relief = str(config["memory_limit"]), memory_limit or f"{half}MB"
        self.short_of_memory: set[str] = set()
        if threads:
            config["threads"] = threads
        # In memory tables are written once and read a few times: compressing them into a file doubled the build's time.
        # What exceeds the limit spills into the folder.
        self.con = duckdb.connect(":memory:", config=config)
        # What Python fetches piece by piece is computed by one core alone where only little of it may wait.
        self.con.execute("SET streaming_buffer_size = '128MB'")
        for script in sorted((sql_dir() / "_engine").glob("duckdb_*.sql")):
            self.con.execute(script.read_text("utf-8"))

    def close(self) -> None:
        """Closes the database; its folder stays until the next run."""
        self.con.close()

    def load_codes(self) -> None:
        """Loads every code table of the package as `code_<name>`, all columns text."""
        for path in sorted(package_dir("codes").glob("*.csv")):
            frame = pl.read_csv(path, infer_schema=False)
            self._load(f"code_{path.stem}", frame)

    def load_parameters(self, run: RunParameters) -> None:
        """Loads `param` (name, value, …), `run_input` (one row) and `secret` (one row), and the code tables."""
        schema = {
            "name": pl.String, "value": pl.String, "valid_from": pl.Date, "valid_to": pl.Date, "document": pl.String,
            "clause": pl.String, "verified": pl.Boolean, "overlay": pl.Boolean,
        }  # fmt: skip
        self._load("param", pl.DataFrame(run.rules.rows(), schema=schema, orient="row"))
        row = {"as_of": run.as_of, "insured_year": run.insured_year, "jurisdiction": run.rules.jurisdiction}
        self._load("run_input", pl.DataFrame([row]))
        self._load("secret", pl.DataFrame([{"secret": run.key.hex()}]))
        self._versions["secret"] = fingerprint(run.key)  # which is on the disk anyway, unlike a digest of its rows
        self._load("builtin_division", _builtin_divisions(run.rules.jurisdiction))
        self.load_codes()
        self.load_previous(run)
        pairs = [(step.name, rule) for step in load_steps() for rule in step.rules]
        self._load("step_rule", pl.DataFrame(pairs, schema={"step": pl.String, "rule_id": pl.String}, orient="row"))

    def load_previous(self, run: RunParameters) -> None:
        """Makes the views `previous_<table>` over the publication to compare with, and `previous_run` (one row).

        All are empty, in the same columns, where there is none or where it was made before these columns were.
        """
        folder, manifest = run.previous, read_json(run.previous / "manifest.json") if run.previous else {}
        if folder is not None and not (manifest and all(self._has(folder, table) for table in PREVIOUS)):
            folder = None
        for table, columns in PREVIOUS.items():
            files = _published(folder, table)
            source = read_parquet(files) if files else "(SELECT 1 WHERE false)"
            chosen = ", ".join(f"{name if files else 'NULL'}::{kind} AS {name}" for name, kind in columns.items())
            self.con.execute(f"CREATE OR REPLACE VIEW previous_{table} AS SELECT {chosen} FROM {source}")
            entry = manifest.get("tables", {}).get(_PUBLISHED_AS.get(table, table), {})
            if not files or "sha256" in entry:  # else its rows are looked at, like those of any other table
                self._versions[f"previous_{table}"] = entry["sha256"] if files else "none"
        rows = []
        if folder is not None:
            was = {entry["name"]: entry["value"] for entry in manifest.get("rules", {}).get("parameters", [])}
            rules_changed = was != {row[0]: row[1] for row in run.rules.rows()}
            code_changed = manifest.get("code", {}).get("sha256") != run.code_digest
            rows.append((manifest["as_of"], f"{folder.parent.name}/{folder.name}", rules_changed, code_changed))
        schema = {"as_of": pl.String, "publication": pl.String, "rules_changed": pl.Boolean, "code_changed": pl.Boolean}
        frame = pl.DataFrame(rows, schema=schema, orient="row")
        self._load("previous_run", frame.with_columns(pl.col("as_of").str.to_date()))

    def _has(self, folder: Path, table: str) -> bool:
        files = _published(folder, table)
        return bool(files) and PREVIOUS[table].keys() <= set(pl.read_parquet_schema(files[0]))

    def register_sources(self, intake: IntakeResult, definitions: Mapping[str, SourceDef]) -> None:
        """Makes `staged_<source>` (all accepted rows) and `src_<source>` (the newest row of each key) for each source.

        Both have the definition's fields and `row_no` (file and line as one number), `file_no`, `line_no`, `delivery`.
        The number of a file is its own: one of another source does not change it, nor does a later one of its source.
        """
        files = _numbered(intake.files.filter(pl.col("state") == "accepted"), definitions)
        self._file_numbers = dict(zip(files["file_no"], files["taken_no"], strict=True))
        total = int(files["rows_accepted"].sum() or 0)
        if not self._threads and total <= FEW_ROWS:
            self.con.execute("SET threads = 1")
        self._in_files = total >= MANY_ROWS
        self._part_count = max(1, -(-total // ROWS_OF_A_PART)) if self._in_files else 1
        if self._in_files:
            # One stretch of memory from which all blocks come: where each was asked of the system and given back, page
            # faults took a tenth of what sorts at 34 million people take.
            self.con.execute("SET block_allocator_memory = '100%'")
        self._load("staged_file", files.select("file_no", "source", "delivery", "file", "sha256", "rows_accepted"))
        for name, definition in definitions.items():
            own = files.filter(pl.col("source") == name)
            rows = _staged(definition, own) if len(own) else _empty(definition)
            self.con.execute(f"CREATE VIEW staged_{name} AS {rows}")
            places = [[number, Path(path).stem] for number, path in own.select("file_no", "staged_path").rows()]
            self._versions[f"staged_{name}"] = self._versions[f"src_{name}"] = json.dumps(places)
            self._deliveries[name] = json.dumps([str(day) for day in own["delivery"]])
            self.keep_newest_rows(definition)

    def keep_newest_rows(self, definition: SourceDef) -> None:
        """Makes `superseded_<source>` (row_no) and the view `src_<source>` over `staged_<source>`."""
        superseded = for_source("superseded_row", definition, suspicious="suspicious_key")

        def look() -> None:
            find_suspicious(self.con, for_source("key_hash", definition), "suspicious_key")

        if self.store is None:
            look()
            self.con.execute(f"CREATE OR REPLACE TABLE superseded_{definition.name} AS\n{superseded}")
        else:
            marks = [self._versions[f"staged_{definition.name}"]]
            self.store.select_into(f"superseded_{definition.name}", superseded, marks, before=look)
        self.con.execute("DROP TABLE IF EXISTS suspicious_key")
        self.con.execute(f"CREATE VIEW src_{definition.name} AS\n{for_source('newest_row', definition)}")

    def taken_number(self, file_no: int) -> int:
        """The intake's number of a file that has `file_no` here."""
        return self._file_numbers[file_no]

    def version(self, table: str, columns: Sequence[str]) -> str | None:
        """What tells whether a source, a table last published or the key is as it was; None: its rows must tell.

        Args:
            table: A relation that is there before the first step.
            columns: Those that matter.
        """
        found = self._versions.get(table)
        if found is not None and "delivery" in columns:
            found += self._deliveries[table.partition("_")[2]]
        return found

    def adopt(self, step: Step, paths: Sequence[Path], digests: Sequence[str]) -> None:
        """Have files as a step's table.

        Args:
            step: The step; one that is published is published with these very files.
            paths: The Parquet file, or one for each part, on the warehouse's file system.
            digests: SHA-256 of each.
        """
        self._have_files(step.name, paths)
        self._views.add(step.name)
        if step.published:
            self._written[step.name], self._digests[step.name] = tuple(paths), tuple(digests)

    def written(self, table: str) -> tuple[Path, ...]:
        """The file that a step's table was written to, or one for each part; none for one in memory."""
        return self._written.get(table) or self._files.get(table, ())

    def file_names(self, step: Step) -> list[str]:
        """Of the file that a step's table is written into tonight, or of one for each part."""
        if self._part_count == 1 or not step.parts:
            return [f"{step.name}.parquet"]
        return [f"{step.name}-{part}.parquet" for part in range(self._part_count)]

    def note_digests(self, table: str, digests: Sequence[str]) -> None:
        """Have the digests of a published step's files known before they are asked for."""
        self._digests[table] = tuple(digests)

    def run_step(self, step: Step) -> int:
        """Runs a step into a table of its name and returns the number of rows.

        A published step goes straight into its sorted Parquet file, or files where it is made in parts, and the table
        is a view of that: what is written once for the readers need not stand in memory as well. In a large night the
        others go into files too.
        """
        with self._joins(step):
            return self._run(step)

    def _run(self, step: Step) -> int:
        folder = self.folder / "tables"
        folder.mkdir(exist_ok=True)
        paths = tuple(folder / name for name in self.file_names(step))
        if not step.published:
            if self._in_files and self._write_step(step, paths):
                self._have_files(step.name, paths)
            else:
                self._make(step.name, f"CREATE TABLE {step.name} AS\n{step.sql}")
            return self.count(step.name)
        columns = []
        if "*" in step.order_by:  # else it is not worth planning the step twice
            columns = [row[0] for row in self.con.execute(f"DESCRIBE\n{step.sql}").fetchall()]
        with self._part_by_part(step, len(paths)) as show:
            for part, path in enumerate(paths):
                show(part)
                self._copy(step.name, f"(\n{step.sql}\n)", columns, step.order_by, path)
        self._have_files(step.name, paths)
        self._written[step.name] = paths
        return self.count(step.name)

    @contextmanager
    def _joins(self, step: Step) -> Iterator[None]:
        """Whether the engine orders a step's joins, or the text does (canbao.build)."""
        if step.joins_as_written:
            self.con.execute(f"SET disabled_optimizers = '{_ORDERING}'")
        try:
            yield
        finally:
            if step.joins_as_written:
                self.con.execute("SET disabled_optimizers = ''")

    def _have_files(self, table: str, paths: Sequence[Path], schema: str = "main") -> None:
        """Have files as a view; those of a whole table are noted as its own."""
        self.con.execute(f"CREATE OR REPLACE VIEW {schema}.{table} AS FROM {read_parquet(paths)}")
        if schema == "main":
            self._files[table] = tuple(paths)

    def _write_step(self, step: Step, paths: Sequence[Path]) -> bool:
        """Write an inner table into a file or its parts; False where a file would not give its columns back."""
        query = f"(\n{step.sql}\n)"
        if len(paths) == 1:
            return self.write_working(step.name, query, paths[0])
        if step.parts != COMPUTED:
            return self._lay_out(step.name, query, paths)
        with self._part_by_part(step, len(paths)) as show:
            show(0)
            if not self.write_working(step.name, query, paths[0]):
                return False
            for part, path in enumerate(paths[1:], 1):
                show(part)
                self._copy_working(step.name, query, path)
        return True

    def _lay_out(self, table: str, query: str, paths: Sequence[Path]) -> bool:
        """Write the rows of each part's persons into a file of its own; False where files would not give them back."""
        if not self.write_working(table, f"(FROM {query} LIMIT 0)", paths[0]):
            return False
        scratch = self.folder / "tables" / table
        parted = f"SELECT *, part_of(person_key, {len(paths)}) AS part FROM {query}"
        told = f"{WORKING_FORMAT}, PARTITION_BY (part), OVERWRITE"
        self._make(table, f"COPY ({parted}) TO '{quoted(scratch)}' ({told})")
        for part, path in enumerate(paths):
            found = list((scratch / f"part={part}").glob("*.parquet"))
            if found:
                (file,) = found
                file.chmod(0o600)
                file.rename(path)
            else:
                self.write_working(table, f"(FROM {query} LIMIT 0)", path)
        shutil.rmtree(scratch, ignore_errors=True)
        return True

    @contextmanager
    def _part_by_part(self, step: Step, number: int) -> Iterator[Callable[[int], None]]:
        """Have queries see one part's persons at a time in the tables that a step reads, of those with a person_key.

        Gives what shows a part. A step that is not made in parts sees everything.
        """
        if number == 1:
            yield lambda _: None
            return
        having = "SELECT table_name FROM duckdb_columns() WHERE schema_name = 'main' AND column_name = 'person_key'"
        of_persons = {name for (name,) in self.con.execute(having).fetchall()}

        def show(part: int) -> None:
            for table in step.reads:
                paths = self._files.get(table, ())
                if len(paths) == number:
                    self._have_files(table, [paths[part]], "part")
                elif table in of_persons:
                    chosen = f"FROM main.{table} WHERE part_of(person_key, {number}) = {part}"
                    self.con.execute(f"CREATE OR REPLACE VIEW part.{table} AS {chosen}")

        self.con.execute("CREATE SCHEMA part; SET search_path = 'part,main'")
        try:
            yield show
        finally:
            self.con.execute("RESET search_path; DROP SCHEMA part CASCADE")

    def write_working(self, table: str, source: str, path: Path) -> bool:
        """Write rows into a file for the night's own use, and for the next night's.

        Args:
            table: Whose rows they are.
            source: Where they come from: a relation, or a query in brackets.
            path: The Parquet file, which only its owner may read.

        Returns:
            Whether Parquet gives the columns back as they are; where it does not, there is no file.

        Raises:
            duckdb.IOException: There is no room for it.
        """
        self._copy_working(table, source, path)
        meant, got = (
            [row[:2] for row in self.con.execute(f"DESCRIBE FROM {one}").fetchall()]
            for one in (source, read_parquet([path]))
        )
        if meant != got:
            path.unlink()
        return meant == got

    def _copy_working(self, table: str, source: str, path: Path) -> None:
        self._make(table, f"COPY (FROM {source}) TO '{quoted(path)}' ({WORKING_FORMAT})")
        path.chmod(0o600)

    def gather(self, table: str, query: str) -> None:
        """Makes a temporary table of what a query finds in rows of people; few rows come out of it."""
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS\n{query}")

    def count(self, table: str) -> int:
        """Number of rows of a table."""
        row = self.con.execute(f"SELECT count(*) FROM {table}").fetchone()
        assert row is not None
        return int(row[0])

    def drop(self, table: str) -> None:
        """Gives back the room of a table that nobody reads any more."""
        if table in self._views or table in self._written:  # files that are kept or published stay
            return
        paths = self._files.pop(table, ())
        self.con.execute(f"DROP {'VIEW' if paths else 'TABLE'} IF EXISTS {table}")
        for path in paths:
            path.unlink()

    def columns(self, table: str) -> list[str]:
        """Names of a table's columns in order."""
        return list(self.types(table))

    def types(self, table: str) -> dict[str, str]:
        """Columns of a table, in order, with their types."""
        return {row[0]: row[1] for row in self.con.execute(f"DESCRIBE {table}").fetchall()}

    def write_table(self, table: str, path: Path, order_by: list[str] | tuple[str, ...]) -> TableFile:
        """Writes a table as Parquet in a fixed total order; a published step's file only gets its place.

        Equal tables give equal bytes whatever the number of threads. One in parts becomes a folder of files, each in
        that order, numbered as the parts are.

        Args:
            table: name of the table.
            path: where to, on the warehouse's file system.
            order_by: columns that order the rows, `*` for all the others; of a published step its own order holds.
        """
        written = self._written.get(table)
        if written is None:
            self._copy(table, table, self.columns(table), order_by, path)
            return TableFile(path, self.count(table), file_digest(path), path.stat().st_size)
        digests = self._digests.get(table) or file_digests(written)
        if len(written) == 1:
            path.hardlink_to(written[0])
            return TableFile(path, self.count(table), digests[0], path.stat().st_size)
        path.mkdir()
        parts = []
        for number, (file, digest) in enumerate(zip(written, digests, strict=True)):
            place = path / f"part-{number:05}.parquet"
            place.hardlink_to(file)
            parts.append((place.name, place.stat().st_size, digest))
        total = sum(size for _, size, _ in parts)
        return TableFile(path, self.count(table), joint_digest(digests), total, tuple(parts))

    def _make(self, table: str, sql: str) -> None:
        """Run what makes a table; where memory did not suffice a second time, alone on one core and with more of it.

        What a query needs at once depends on how its parts happen to run side by side. A night that takes more memory
        for a while is better than none. The table's name goes into `short_of_memory`.

        Raises:
            duckdb.OutOfMemoryException: It did not suffice then either, or more was not allowed.
        """
        try:
            self.con.execute(sql)
        except duckdb.OutOfMemoryException:
            self.short_of_memory.add(table)
            (threads,) = self.con.execute("SELECT current_setting('threads')").fetchall()[0]
            try:
                self.con.execute(f"SET threads = 1; SET memory_limit = '{self._relief}'")
                self.con.execute(sql)
            finally:
                self.con.execute(f"SET memory_limit = '{self._usual}'; SET threads = {threads}")

    def _copy(
        self, table: str, source: str, columns: list[str], order_by: list[str] | tuple[str, ...], path: Path
    ) -> None:
        order = [column for column in order_by if column != "*"]
        if "*" in order_by:
            order += [column for column in columns if column not in order]
        keys = ", ".join(f'"{column}" NULLS FIRST' for column in order)
        self.con.execute("SET preserve_insertion_order = true")
        try:
            self._make(
                table,
                f"COPY (SELECT * FROM {source} ORDER BY {keys}) TO '{quoted(path)}' ({PUBLISHED_FORMAT})",
            )
        finally:
            self.con.execute("SET preserve_insertion_order = false")

    def _load(self, table: str, frame: pl.DataFrame) -> None:
        self.con.register("loading", frame.to_arrow())
        self.con.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM loading")
        self.con.unregister("loading")


def _physical_memory() -> int:
    """Megabytes that the machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024**2


def _published(folder: Path | None, table: str) -> list[Path]:
    return table_files(folder, _PUBLISHED_AS.get(table, table))


def _builtin_divisions(jurisdiction: str) -> pl.DataFrame:
    """The divisions that ship for a jurisdiction (none: empty): division_code, division_name, level, parent_code."""
    found = sorted(package_dir("divisions").glob(f"{jurisdiction}_*.csv"))
    if found:
        return pl.read_csv(found[-1], infer_schema=False)
    return pl.DataFrame(schema=dict.fromkeys(("division_code", "division_name", "level", "parent_code"), pl.String))


def for_source(name: str, definition: SourceDef, **words: str) -> str:
    """A query of `sql/_engine` about the rows of one source.

    Args:
        name: Of the file.
        definition: The source.
        words: What else the file leaves open.
    """
    words |= {"source": definition.name, "key": ", ".join(definition.key), "first_key": definition.key[0]}
    return (sql_dir() / "_engine" / f"{name}.sql").read_text("utf-8").format(**words)


def _numbered(files: pl.DataFrame, definitions: Mapping[str, SourceDef]) -> pl.DataFrame:
    """Accepted files with numbers of their source's own as `file_no`, in the same order; the intake's as `taken_no`."""
    rank = {name: number for number, name in enumerate(sorted(definitions), 1)}
    first = pl.col("source").replace_strict(rank, return_dtype=pl.Int32) * FILES_OF_A_SOURCE
    number = pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("source")
    return files.with_columns((first + number).cast(pl.Int32).alias("file_no"), taken_no="file_no")


def _staged(definition: SourceDef, files: pl.DataFrame) -> str:
    """One scan over all files of a source: a scan a file would run them one after the other."""
    fields = ", ".join(field.name for field in definition.fields)
    numbers = f"{files['file_no'].to_list()}[(file_index + 1)::BIGINT]"
    days = ", ".join(f"DATE '{day}'" for day in files["delivery"])
    return (
        f"SELECT {fields}, {numbers}::BIGINT * 4294967296 + line_no AS row_no, {numbers}::INTEGER AS file_no, line_no, "
        f"[{days}][(file_index + 1)::BIGINT] AS delivery FROM {read_parquet(files['staged_path'])}"
    )


def _empty(definition: SourceDef) -> str:
    fields = ", ".join(f"NULL::{_TYPES.get(field.type, 'VARCHAR')} AS {field.name}" for field in definition.fields)
    place = "NULL::BIGINT AS row_no, NULL::INTEGER AS file_no, NULL::INTEGER AS line_no, NULL::DATE AS delivery"
    return f"SELECT {fields}, {place} WHERE false"
