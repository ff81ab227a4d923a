"""Spark as the engine of the build: what grows with people is computed by Spark, from Parquet into Parquet.

Beside the session stands the DuckDB connection of `canbao.engine.duckdb`, for what does not grow with people: code
tables, parameters, figures, gates, reports. What Spark has written it sees as views over the same files; what it holds
itself is handed to Spark as a file when a step asks for it. Nothing that grows with people passes through this process
but the last copy of a published table, which streams from Spark's sorted parts into one file.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from canbao.build import Step
from canbao.engine.duckdb import (
    FEW_ROWS,
    PREVIOUS,
    PUBLISHED_FORMAT,
    NotComputed,
    RunParameters,
    TableFile,
    Warehouse,
    _numbered,
    _published,
    for_source,
)
from canbao.engine.transpile import spark_type, tables_of, to_spark
from canbao.errors import UserError
from canbao.paths import quoted, read_parquet
from canbao.publish import file_digest

if TYPE_CHECKING:
    from canbao.intake import IntakeResult, SourceDef

LOCAL = "local[*]"
"""The master where none is named: this machine, all cores."""

PERSON = "person_key"
"""The column by which the tables of people are cut into parts."""

_ROWS_A_PART = 400_000
_MOST_PARTS = 5_000
"""What moves goes from each part to each: 25 million pieces. Larger parts are sorted on disk instead."""

_ANSWER = 10.0  # seconds until a master takes a call
_PATIENCE = 60.0  # seconds until a cluster has a worker to spare
_ROWS_A_GIB = 1_500_000
_LEAST_HEAP, _MOST_HEAP = 2, 8  # GiB; with 1, a third of the time on few rows went into collecting garbage


def missing() -> str:
    """What has to be installed before Spark can run, in Chinese; empty where nothing is missing."""
    if find_spec("pyspark") is None:
        return "本机未安装 Spark 引擎（--engine spark）。请在程序目录运行 make setup-spark，或改用默认的 duckdb 引擎。"
    if not os.environ.get("JAVA_HOME") and shutil.which("java") is None:
        return (
            "本机没有 Java 17，Spark 引擎（--engine spark）无法启动。"
            "请在程序目录运行 make setup-spark，或改用默认的 duckdb 引擎。"
        )
    return ""


class SparkWarehouse(Warehouse):
    """A warehouse whose tables of people are Parquet folders that Spark writes and reads.

    Args:
        folder: emptied when opened; on a cluster a folder that all its machines see under the same path.
        memory_limit: of the DuckDB beside the session.
        threads: cores of this machine to use, where the master is this machine.
        master: Spark's master.
    """

    def __init__(
        self, folder: Path, *, memory_limit: str | None = None, threads: int | None = None, master: str = LOCAL
    ) -> None:
        reason = missing()
        if reason:
            raise UserError(reason)
        super().__init__(folder.absolute(), memory_limit=memory_limit, threads=threads)
        self._small: set[str] = set()
        self._parts: dict[str, list[Path]] = {}
        self._by_person: set[str] = set()
        self._buckets = 0
        self._handed: set[str] = set()
        self._seen: set[str] = set()
        self._publication: Path | None = None
        self._master = f"local[{threads}]" if threads and master == LOCAL else master
        self._session: Any = None

    def close(self) -> None:
        """Closes the connection and ends the session; the folder stays until the next run."""
        super().close()
        if self._session is not None:
            with suppress(Exception):  # its Java may be gone; the night's own error is what counts
                self._session.stop()

    @property
    def session(self) -> Any:
        """The Spark session; it starts with the sources, whose rows say how much memory it needs."""
        assert self._session is not None
        return self._session

    def load_previous(self, run: RunParameters) -> None:
        """As in DuckDB; the people of the previous publication are read by Spark itself."""
        super().load_previous(run)
        self._publication = run.previous

    def register_sources(self, intake: IntakeResult, definitions: Mapping[str, SourceDef]) -> None:
        """Makes `staged_<source>`, `superseded_<source>` and `src_<source>` for both."""
        files = _numbered(intake.files.filter(pl.col("state") == "accepted"), definitions)
        rows = int(files["rows_accepted"].sum() or 0)
        self._session = open_session(self._master, self.folder, rows)
        parts = int(self._session.conf.get("spark.sql.shuffle.partitions"))
        self._buckets = parts if parts > 1 else 0
        for name, definition in definitions.items():
            own = files.filter(pl.col("source") == name)
            if len(own) and any(field.type == "cert" for field in definition.fields):
                self._read_staged(definition, own)
            else:  # says nothing of people: places, targets
                self._small |= {f"staged_{name}", f"superseded_{name}", f"src_{name}"}
        super().register_sources(intake, definitions)

    def keep_newest_rows(self, definition: SourceDef) -> None:
        """Makes `superseded_<source>` (row_no) and the view `src_<source>` over `staged_<source>`."""
        name = definition.name
        if f"src_{name}" in self._small:
            super().keep_newest_rows(definition)
            return
        repeated = for_source("repeated_hash", definition, hashes=for_source("key_hash", definition))
        self._compute(f"superseded_{name}", for_source("superseded_row", definition, suspicious=f"(\n{repeated}\n)"))
        newest = for_source("newest_row", definition)
        self.session.sql(to_spark(newest, self.columns)).createOrReplaceTempView(f"src_{name}")
        self._handed.add(f"src_{name}")
        self.con.execute(f"CREATE VIEW src_{name} AS\n{newest}")

    def run_step(self, step: Step) -> int:
        """Runs a step on Spark, or beside it where none of what it reads grows with people.

        A published step is written sorted, so that the parts in order are the published rows in order. An inner one
        that has a person key is cut by it, as joins and groupings by person want it: between two of them nothing moves.
        """
        read = tables_of(step.sql)
        if step.judges or all(self._is_small(table) for table in read):
            self._small.add(step.name)
            return super().run_step(step)
        for table in sorted(read):
            self._hand_over(table)
        self._compute(step.name, step.sql, step.order_by, by_person=not step.published)
        return self.count(step.name)

    def gather(self, table: str, query: str) -> None:
        """Makes a temporary table of DuckDB of what Spark finds in rows of people; few rows come out of it.

        Few rows DuckDB looks through itself, in Spark's files: a night asks this way sixty times, and Spark plans each.
        """
        read = tables_of(query)
        if not self._buckets or all(self._is_small(name) for name in read):
            super().gather(table, query)
            return
        for name in sorted(read):
            self._hand_over(name)
        self._compute("gathered", query)
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT * FROM gathered")
        self.drop("gathered")

    def drop(self, table: str) -> None:
        """Gives back the room of a table that nobody reads any more."""
        if table not in self._parts:
            super().drop(table)
            return
        del self._parts[table]
        if table in self._by_person:
            self._by_person.discard(table)
            self.session.sql(f"DROP TABLE IF EXISTS `{table}`")
        else:
            self.session.catalog.dropTempView(table)
        self._handed.discard(table)
        self.con.execute(f"DROP VIEW IF EXISTS {table}")
        shutil.rmtree(self._place(table), ignore_errors=True)

    def write_table(self, table: str, path: Path, order_by: list[str] | tuple[str, ...]) -> TableFile:
        """Writes a table as one Parquet file; of Spark's table the sorted parts stream into it one after the other."""
        if table not in self._parts:
            return super().write_table(table, path, order_by)
        self.con.execute("SET preserve_insertion_order = true")
        try:
            self.con.execute(f"COPY (SELECT * FROM {table}) TO '{quoted(path)}' ({PUBLISHED_FORMAT})")
        finally:
            self.con.execute("SET preserve_insertion_order = false")
        return TableFile(path, self.count(table), file_digest(path), path.stat().st_size)

    # ------------------------------------------------------------------------------------------------ between the two

    def _is_small(self, table: str) -> bool:
        return table in self._small or (table not in self._parts and table not in self._handed and table != _BIG_PAST)

    def _compute(self, table: str, query: str, order_by: tuple[str, ...] = (), *, by_person: bool = False) -> None:
        """Has Spark write a table; DuckDB, which only plans the query, says of which types its columns are.

        Args:
            table: Its name.
            query: In DuckDB's SQL.
            order_by: Columns that order its rows; in no order where not given.
            by_person: Cut it by its person key, where it has one and rows are many.
        """
        kinds = {row[0]: row[1] for row in self.con.execute(f"DESCRIBE {query}").fetchall()}
        chosen = ", ".join(f"CAST(`{name}` AS {spark_type(kind)}) AS `{name}`" for name, kind in kinds.items())
        order = [name for name in order_by if name != "*"]
        if "*" in order_by:
            order += [name for name in kinds if name not in order]
        keys = ", ".join(f"`{name}` ASC NULLS FIRST" for name in order)
        place = self._place(table)
        with _discreet(table):
            frame = self.session.sql(
                f"SELECT {chosen} FROM ({to_spark(query, self.columns)})" + (f" ORDER BY {keys}" if keys else "")
            )
            if by_person and self._buckets and PERSON in kinds:
                self._write_by_person(table, frame, place)
            else:
                frame.write.mode("overwrite").parquet(str(place))
                self.session.read.schema(frame.schema).parquet(str(place)).createOrReplaceTempView(table)
        self._handed.add(table)
        self._parts[table] = sorted(place.glob("part-*.parquet"))
        self._show(table, kinds)

    def _write_by_person(self, table: str, frame: Any, place: Path) -> None:
        """Writes a table of Spark's catalog, one file for each part of the person keys, sorted by them.

        Spark knows of such a table where each person's rows lie: neither are they moved for a join or a grouping by
        person, nor sorted. To know it is worth one move here, which falls away where the query has made it already.
        """
        written = frame.repartition(self._buckets, PERSON).write.format("parquet").option("path", str(place))
        written.bucketBy(self._buckets, PERSON).sortBy(PERSON).saveAsTable(table)
        self._by_person.add(table)

    def _show(self, table: str, kinds: Mapping[str, str]) -> None:
        """Makes DuckDB's view over Spark's parts, of DuckDB's own types."""
        typed = ", ".join(
            f'"{name}"' if kind in _UNSIGNED else f'"{name}"::{_plain(kind)} AS "{name}"'
            for name, kind in kinds.items()
        )
        parts = self._parts[table]
        if parts:
            source = f"SELECT {typed} FROM {read_parquet(parts)}"
        else:
            nulls = ", ".join(f'NULL::{_plain(kind)} AS "{name}"' for name, kind in kinds.items())
            source = f"SELECT {nulls} WHERE false"
        self.con.execute(f"CREATE OR REPLACE VIEW {table} AS {source}")

    def _hand_over(self, table: str) -> None:
        """Makes a table of DuckDB visible to Spark; one that a night goes on filling anew each time."""
        if table in self._handed or table in self._seen:
            return
        if table == _BIG_PAST:
            self._read_past(table)
            return
        path = self.folder / "handed" / f"{table}.parquet"
        path.parent.mkdir(exist_ok=True)
        kinds = {row[0]: row[1] for row in self.con.execute(f"DESCRIBE {table}").fetchall()}
        typed = ", ".join(
            f'"{name}"::{"DECIMAL(38, 0)" if kind == "HUGEINT" else "BIGINT" if kind in _UNSIGNED else _plain(kind)} '
            f'AS "{name}"'
            for name, kind in kinds.items()
        )
        self.con.execute(f"COPY (SELECT {typed} FROM {table}) TO '{quoted(path)}' (FORMAT parquet)")
        columns = ", ".join(f"`{name}` {spark_type(kind)}" for name, kind in kinds.items())
        self.session.read.schema(columns).parquet(str(path)).createOrReplaceTempView(table)
        if table in _MADE_ONCE or table in self._small or table.startswith("code_"):
            self._seen.add(table)
        else:
            self.session.catalog.refreshByPath(str(path))

    def _read_past(self, table: str) -> None:
        """The people of the previous publication, or nobody."""
        columns = PREVIOUS["person"]
        row = self.con.execute("SELECT count(*) FROM previous_run").fetchone()
        files = _published(self._publication, "person") if row and row[0] else []
        if not files:
            frame = self.session.sql("SELECT " + _nulls(columns) + " WHERE false")
        else:
            typed = [f"CAST(`{name}` AS {spark_type(kind)}) AS `{name}`" for name, kind in columns.items()]
            frame = self.session.read.parquet(*(str(file.absolute()) for file in files)).selectExpr(*typed)
        frame.createOrReplaceTempView(table)
        self._handed.add(table)

    def _read_staged(self, definition: SourceDef, files: pl.DataFrame) -> None:
        """`staged_<source>` for Spark: all its files, each row with the number of its file and line."""
        from pyspark.sql import functions as F  # noqa: N812

        # as text, not through Python: the machines of a cluster need none
        numbers = ", ".join(
            f"('{Path(row['staged_path']).name}', {row['file_no']}, DATE '{row['delivery']}')"
            for row in files.select("staged_path", "file_no", "delivery").iter_rows(named=True)
        )
        known = self.session.sql(f"SELECT * FROM VALUES {numbers} AS known(staged_name, file_no, delivery)")
        # One file may have been delivered twice: it is read once and stands under both numbers.
        paths = sorted({str(Path(path).absolute()) for path in files["staged_path"]})
        rows = self.session.read.parquet(*paths)
        placed = rows.withColumn("staged_name", F.col("_metadata.file_name")).join(F.broadcast(known), "staged_name")
        placed.selectExpr(
            *(f"`{field.name}`" for field in definition.fields),
            "CAST(file_no AS BIGINT) * 4294967296 + line_no AS row_no",
            "file_no",
            "CAST(line_no AS INT) AS line_no",
            "delivery",
        ).createOrReplaceTempView(f"staged_{definition.name}")
        self._handed.add(f"staged_{definition.name}")

    def _place(self, table: str) -> Path:
        return self.folder / "tables" / f"{table}.parquet"


_BIG_PAST = "previous_person"
_MADE_ONCE = frozenset({"param", "run_input", "secret", "previous_run", "staged_file", "step_rule"})
_UNSIGNED = frozenset({"UBIGINT", "UINTEGER"})


def _plain(kind: str) -> str:
    return "INTEGER" if kind == '"NULL"' else "VARCHAR" if kind == "JSON" else kind


def _nulls(columns: Mapping[str, str]) -> str:
    return ", ".join(f"CAST(NULL AS {spark_type(kind)}) AS `{name}`" for name, kind in columns.items())


@contextmanager
def _discreet(table: str) -> Iterator[None]:
    """Spark's errors quote values of people: what leaves here names the table and the kind of error only."""
    from pyspark.errors import AnalysisException, ParseException, PySparkException

    try:
        yield
    except (AnalysisException, ParseException) as error:  # about the query, not about rows
        raise NotComputed(f"Spark could not plan {table}: {str(error).splitlines()[0]}") from None
    except PySparkException as error:
        kind = error.getCondition() or type(error).__name__
        raise NotComputed(f"Spark could not compute {table}: {kind}") from None
    except Exception as error:
        if type(error).__module__.startswith("py4j"):
            raise NotComputed(f"Spark could not compute {table}: {type(error).__name__}") from None
        raise


def open_session(master: str, scratch: Path, rows: int) -> Any:
    """Starts Spark.

    Args:
        master: where it runs.
        scratch: for what does not fit into memory, on this machine.
        rows: about how many source rows there are.

    Raises:
        UserError: it does not start, the master is not there, or no worker is free.
    """
    with warnings.catch_warnings():  # about libraries that nothing here uses
        warnings.simplefilter("ignore")
        from pyspark.sql import SparkSession

    logging.getLogger("SQLQueryContextLogger").disabled = True
    builder = SparkSession.builder.appName("canbao").master(master)
    for name, value in _settings(master, scratch, rows).items():
        builder = builder.config(name, value)
    try:
        with _quiet_start():
            session = builder.getOrCreate()
    except Exception as error:
        raise UserError(
            f"Spark 无法启动（--spark-master {master}，{type(error).__name__}）。"
            "请检查主节点地址是否正确、能否连通，以及本机 Java 是否为 17。"
        ) from None
    session.sparkContext.setLogLevel("OFF")
    if master.startswith("spark://") and not _has_workers(session):
        session.stop()
        raise UserError(
            f"Spark 集群（--spark-master {master}）在 {_PATIENCE:.0f} 秒内没有可用的工作节点。"
            "请检查工作节点是否已启动、核数和内存是否被其他任务占满、能否连回本机。"
        )
    session.conf.set("spark.sql.shuffle.partitions", str(_number_of_parts(rows, session.sparkContext)))
    return session


def _has_workers(session: Any) -> bool:
    """Waits until a machine of the cluster takes part; without one every query would wait for ever."""
    until = time.monotonic() + _PATIENCE
    context = session.sparkContext._jsc.sc()
    if context.getConf().getBoolean("spark.dynamicAllocation.enabled", False):  # they come with the first query
        return True
    while context.getExecutorMemoryStatus().size() < 2:  # the first is this process' own Java
        if time.monotonic() > until:
            return False
        time.sleep(0.2)
    return True


def _number_of_parts(rows: int, context: Any) -> int:
    """Into how many parts what is joined or grouped is cut; of few rows there is nothing to share out."""
    return 1 if rows <= FEW_ROWS else max(context.defaultParallelism, min(_MOST_PARTS, rows // _ROWS_A_PART))


def _settings(master: str, scratch: Path, rows: int) -> dict[str, str]:
    settings = {
        # as DuckDB: what does not fit or cannot be read is an error, and no zone shifts a day
        "spark.sql.ansi.enabled": "true",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
        "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
        "spark.sql.parquet.compression.codec": "zstd",
        "spark.sql.warehouse.dir": str(scratch / "spark"),
        "spark.sql.catalogImplementation": "in-memory",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.debug.maxToStringFields": "0",
        # each sort and each hash table of each task takes a page at least, which Java fills with zeros
        "spark.buffer.pageSize": "4m",
        # what is cut and sorted by person is read as such
        "spark.sql.legacy.bucketedTableScan.outputOrdering": "true",
        # for pages that nobody opens the plans of a thousand queries would be kept in memory
        "spark.ui.retainedJobs": "10",
        "spark.ui.retainedStages": "10",
        "spark.ui.retainedTasks": "100",
        "spark.sql.ui.retainedExecutions": "5",
        # without sums beside each file, for each of which a process would be started to set its rights
        "spark.hadoop.fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
        "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
    }
    if rows <= FEW_ROWS:  # to compile and to adapt a plan takes longer than to run it
        settings |= {
            "spark.sql.adaptive.enabled": "false",
            "spark.sql.codegen.wholeStage": "false",
            "spark.sql.codegen.factoryMode": "NO_CODEGEN",
            "spark.buffer.pageSize": "1m",
            "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC "
            "-XX:NewRatio=1",
        }
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**30
    heap = max(_LEAST_HEAP, min(_MOST_HEAP, machine // 3, _LEAST_HEAP + rows // _ROWS_A_GIB))
    settings["spark.driver.memory"] = f"{heap}g"  # of this machine's Java, which on a cluster plans only
    if master.startswith("local"):
        settings["spark.local.dir"] = str(scratch / "tmp")
        settings["spark.driver.host"] = "127.0.0.1"
        settings["spark.driver.bindAddress"] = "127.0.0.1"
    elif address := _own_address(master):
        settings["spark.driver.host"] = address
    return settings


def _own_address(master: str) -> str:
    """The address of this machine on the way to a master; empty where SPARK_LOCAL_IP says it, or for other clusters.

    The machine's name, which Spark would take, leads to 127.0.1.1 on Debian, or to another network than the cluster's.

    Raises:
        UserError: Nobody answers where the master should be; Spark would say so after a minute.
    """
    if not master.startswith("spark://"):
        return ""
    for place in master.removeprefix("spark://").split(","):  # a master and those that stand in for it
        host, _, port = place.rpartition(":")
        with suppress(OSError, ValueError, OverflowError):
            with socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER) as way:
                address = str(way.getsockname()[0])
            return "" if os.environ.get("SPARK_LOCAL_IP") else address
    raise UserError(f"Spark 主节点（--spark-master {master}）没有应答。请检查地址和端口是否正确、能否连通。")


@contextmanager
def _quiet_start() -> Iterator[None]:
    """Java's greetings while Spark starts go nowhere; what it has to say later comes as errors."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
