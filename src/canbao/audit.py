"""Great Expectations over the warehouse: the suites are data (`expectations/*.toml`), the figures become checks.

Nothing that it writes holds a value of a person: results are counts, and every query of a suite gives counts.
"""

import contextlib
import csv
import importlib
import json
import logging
import os
import re
import shutil
import sys
import tomllib
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from canbao.gates import BUREAU, Check
from canbao.paths import package_dir
from canbao.repeated import find_suspicious

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Rule:
    """One line of a suite, spelled out for one table.

    Attributes:
        check_id: Stable name.
        table: The table in the warehouse.
        title: In Chinese.
        axis: completeness, correctness, consistency or timeliness.
        severity: block, warn or info.
        expect: rows, not_null, unique, in_set, nothing_found or at_most.
        columns: Columns it speaks of.
        values: Allowed values of in_set.
        sql: Text of nothing_found: it gives the wrong rows, which are counted; `{batch}` stands for the table.
        source: The source, if it speaks of one.
        limit: Greatest value of at_most.
    """

    check_id: str
    table: str
    title: str
    axis: str
    severity: str
    expect: str
    columns: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    sql: str = ""
    source: str | None = None
    limit: float = 0.0


def load_suite(layer: str = "built") -> list[Rule]:
    """Read a suite.

    Args:
        layer: `built`: what is judged without a measure stands in `expectations/<layer>.toml` as `[[check]]`.
    """
    folder = package_dir("expectations")
    return [
        Rule(
            check_id=entry["id"],
            table=entry["table"],
            title=entry["title"],
            axis=entry["axis"],
            severity=entry["severity"],
            expect=entry["expect"],
            columns=tuple([entry["column"]] if "column" in entry else entry.get("columns", [])),
            values=tuple(entry.get("values", ())),
            sql=(folder / "sql" / entry["sql"]).read_text(encoding="utf-8") if "sql" in entry else "",
        )
        for entry in tomllib.loads((folder / f"{layer}.toml").read_text(encoding="utf-8"))["check"]
    ]


def suite_ids() -> set[str]:
    """Ids of the checks of the built tables."""
    return {rule.check_id for rule in load_suite()}


def run_suite(
    connection: "duckdb.DuckDBPyConnection", layer: str, rules: Sequence[Rule], workspace: Path
) -> list[Check]:
    """Validate the rules with Great Expectations and keep its records in `workspace`.

    Args:
        connection: The open warehouse; the checks run on a cursor of it, so nothing is opened twice.
        layer: `built` or `measure`; the suites are called `<layer>.<table>`.
        rules: What to check; a table that does not exist makes its checks `could not be computed`.
        workspace: Folder for Great Expectations' own files; the layers share one, for one set of Data Docs, and each
            runs once in it.

    Returns:
        One check per rule, in the order of the rules.
    """
    with _quiet():
        return _run(connection, layer, rules, workspace)


def _run(connection: "duckdb.DuckDBPyConnection", layer: str, rules: Sequence[Rule], workspace: Path) -> list[Check]:
    import great_expectations as gx

    context = _context(workspace)
    engine = _execution_engine(connection)
    source = context.data_sources.add_sql(layer, connection_string="duckdb:///:memory:")
    for name in ("get_execution_engine", "get_engine"):  # a pydantic model: plain assignment is refused
        object.__setattr__(
            source, name, (lambda: engine) if name == "get_execution_engine" else (lambda: engine.engine)
        )
    existing = {row[0] for row in connection.cursor().execute("SHOW TABLES").fetchall()}
    outcomes = {rule.check_id: _check(rule, None, None, None) for rule in rules if rule.table not in existing}
    by_id = {rule.check_id: rule for rule in rules if rule.table in existing}
    suspicious = _find_suspicious(connection, by_id.values())
    definitions = []
    for table in dict.fromkeys(rule.table for rule in by_id.values()):
        asset = source.add_table_asset(table, table_name=table)
        expectations = [_expectation(rule) for rule in by_id.values() if rule.table == table]
        suite = context.suites.add(gx.ExpectationSuite(name=f"{layer}.{table}", expectations=expectations))
        definition = gx.ValidationDefinition(
            name=f"{layer}.{table}", data=asset.add_batch_definition_whole_table("all"), suite=suite
        )
        with _without_detours():
            definitions.append(context.validation_definitions.add(definition))
    if definitions:
        checkpoint = gx.Checkpoint(
            name=layer,
            validation_definitions=definitions,
            result_format={"result_format": "BASIC", "partial_unexpected_count": 0},
        )
        with _without_detours():
            results = context.checkpoints.add(checkpoint).run().run_results
        for validation in results.values():
            for item in validation.results:
                entry = item.to_json_dict()
                rule = by_id[entry["expectation_config"]["meta"]["check_id"]]
                outcomes[rule.check_id] = _judge(rule, entry)
    for table in suspicious:
        connection.execute(f"DROP TABLE IF EXISTS {table}")
    _scrub(workspace)
    return [outcomes[rule.check_id] for rule in rules]


def write_data_docs(workspace: Path, target: Path) -> None:
    """Render the records of all suites as Great Expectations' Data Docs, readable with no internet.

    Args:
        workspace: The folder given to `run_suite`.
        target: Where the pages go (`reports/quality/data_docs`).
    """
    with _quiet():
        context = _context(workspace)
        context.build_data_docs()
    built = workspace / "uncommitted" / "data_docs" / "local_site"
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(built, target, ignore=shutil.ignore_patterns("fonts", "*.gif", "iterative-dev-loop.png"))
    for page in target.rglob("*.html"):
        page.write_text(_without_internet(page.read_text(encoding="utf-8")), encoding="utf-8")


_EXTERNAL = re.compile(
    r"<script[^>]*\bsrc=\"https?://[^>]*>\s*</script>|<(?:link|img)[^>]*\b(?:href|src)=\"https?://[^>]*>",
    re.IGNORECASE | re.DOTALL,
)
_PLAIN_STYLE = """<style>body{font-family:sans-serif;margin:1em 2em}table{border-collapse:collapse}
td,th{border:1px solid #bbb;padding:.3em .6em;text-align:left}.row{display:block}.collapse{display:block}
img{max-height:3em}nav,.modal,.ge-walkthrough-button{display:none}</style>"""


def _without_internet(page: str) -> str:
    """The page without what it would fetch from elsewhere, and with enough style to be read without that."""
    return _EXTERNAL.sub("", page).replace("</head>", f"{_PLAIN_STYLE}</head>", 1)


def _context(workspace: Path) -> Any:
    import great_expectations as gx
    from great_expectations.data_context.types.base import DataContextConfig, FilesystemStoreBackendDefaults

    workspace.mkdir(parents=True, exist_ok=True)
    # Its stores are files, its configuration is not: a file context writes that anew with every table and definition.
    config = DataContextConfig(
        store_backend_defaults=FilesystemStoreBackendDefaults(root_directory=str(workspace.absolute())),
        progress_bars={"globally": False},  # type: ignore[arg-type]
        analytics_enabled=False,
    )
    context = gx.get_context(mode="ephemeral", project_config=config)
    # Nor is it kept anywhere, and yet it is spelled out in full for every table that is added.
    object.__setattr__(context, "_save_project_config", lambda: None)
    return context


def _execution_engine(connection: "duckdb.DuckDBPyConnection") -> Any:
    import duckdb_engine
    import sqlalchemy
    from great_expectations.execution_engine.sqlalchemy_execution_engine import SqlAlchemyExecutionEngine
    from sqlalchemy.pool import StaticPool

    class WarehouseEngine(SqlAlchemyExecutionEngine):
        """Fetches before the connection closes: DuckDB's results do not outlive it."""

        def execute_query(self, query: Any) -> Any:
            with self.get_connection() as open_connection:
                return self._execute_query_with_recovery(open_connection, query).freeze()()

    engine = sqlalchemy.create_engine(
        "duckdb:///:memory:",
        creator=lambda: duckdb_engine.ConnectionWrapper(connection.cursor()),
        poolclass=StaticPool,
    )

    def columns(_: Any, table_name: str, *__: Any, **___: Any) -> list[dict[str, Any]]:
        described = connection.cursor().execute(f'DESCRIBE "{table_name}"').fetchall()
        return [{"name": row[0], "type": sqlalchemy.types.NullType(), "nullable": True} for row in described]

    def no_key(*_: Any, **__: Any) -> dict[str, Any]:
        return {"constrained_columns": [], "name": None}

    # The dialect looks for columns and keys in PostgreSQL's catalogue, which DuckDB makes up slowly for each table.
    engine.dialect.get_columns = columns  # type: ignore[method-assign, assignment]
    engine.dialect.get_pk_constraint = no_key  # type: ignore[method-assign, assignment]
    return WarehouseEngine(engine=engine, create_temp_table=False)


def _expectation(rule: Rule) -> Any:
    import great_expectations.expectations as gxe

    common: dict[str, Any] = {"meta": {"check_id": rule.check_id, "title": rule.title, "severity": rule.severity}}
    if rule.expect == "rows":
        return gxe.ExpectTableRowCountToBeBetween(min_value=1, **common)
    if rule.expect == "not_null":
        return gxe.ExpectColumnValuesToNotBeNull(column=rule.columns[0], **common)
    if rule.expect == "in_set":
        return gxe.ExpectColumnValuesToBeInSet(column=rule.columns[0], value_set=list(rule.values), **common)
    if rule.expect == "at_most":
        return gxe.ExpectColumnMaxToBeBetween(column=rule.columns[0], max_value=rule.limit, **common)
    # A repeated key is counted by its own query: the built-in expectations hold every value of the key at once.
    query = rule.sql.strip() if rule.expect == "nothing_found" else _repeated(rule)
    return gxe.UnexpectedRowsExpectation(unexpected_rows_query=query, description=rule.title, **common)


def _repeated(rule: Rule) -> str:
    return _key_query("_repeated_key", rule, suspicious=_suspicious(rule))


def _find_suspicious(connection: "duckdb.DuckDBPyConnection", rules: Iterable[Rule]) -> list[str]:
    """Make the tables of hashes that the queries of repeated keys look into."""
    import duckdb

    unique = [rule for rule in rules if rule.expect == "unique"]
    for rule in unique:
        # where it cannot be computed its query finds no such table, and the check says so
        with contextlib.suppress(duckdb.Error):
            find_suspicious(connection, _key_query("_key_hash", rule), _suspicious(rule))
    return [_suspicious(rule) for rule in unique]


def _suspicious(rule: Rule) -> str:
    return "suspicious_" + rule.check_id.replace(".", "_")


def _key_query(name: str, rule: Rule, **words: str) -> str:
    text = (package_dir("expectations") / "sql" / f"{name}.sql").read_text(encoding="utf-8")
    return text.format(key=", ".join(rule.columns), table=rule.table, **words).strip()


def _judge(rule: Rule, entry: Mapping[str, Any]) -> Check:
    result = entry.get("result") or {}
    if _raised(entry.get("exception_info") or {}):
        return _check(rule, None, None, None)
    if rule.expect == "rows":
        observed = int(result.get("observed_value") or 0)
        return _check(rule, bool(entry["success"]), 0 if observed else 1, observed)
    if rule.expect == "at_most":
        return _check(rule, bool(entry["success"]), None, None)
    if rule.expect in {"not_null", "in_set"}:
        return _check(
            rule, bool(entry["success"]), int(result.get("unexpected_count") or 0), result.get("element_count")
        )
    return _check(rule, bool(entry["success"]), int(result.get("observed_value") or 0), None)


def _raised(info: Mapping[str, Any]) -> bool:
    """Whether an expectation could not be computed: one flag, or one entry per metric that raised."""
    if "raised_exception" in info:
        return bool(info["raised_exception"])
    return any(isinstance(entry, Mapping) and entry.get("raised_exception", True) for entry in info.values())


def _check(rule: Rule, passed: bool | None, wrong: int | None, rows: int | None) -> Check:
    if passed is None:
        message = f"检查“{rule.title}”未能计算（表 {rule.table}）。请联系系统维护人员，未能计算不等于通过。"
    elif not passed:
        message = f"检查“{rule.title}”未通过：表 {rule.table} 有 {wrong or 0:,} 处不符。"
    else:
        message = ""
    return Check(
        check_id=rule.check_id,
        # The title of a suite's rule says what holds; where it does not, that is what people are to read.
        title=f"不成立：{rule.title}" if passed is False else rule.title,
        axis=rule.axis,
        severity=rule.severity,
        passed=passed,
        numerator=wrong,
        denominator=rows,
        value=None if wrong is None else wrong / rows if rows else float(wrong),
        threshold=None if passed is None else 0.0,
        source=rule.source,
        table_name=rule.table,
        message=message,
        harms=_harmed(rule.table),
        department=BUREAU,
    )


@cache
def _harmed(table: str) -> tuple[str, ...]:
    """Products that a published table belongs to; all of them where it is every product's (person, coverage)."""
    with (package_dir("codes") / "product.csv").open(encoding="utf-8", newline="") as file:
        products = {row["code"]: row["tables"].split() for row in csv.DictReader(file)}
    return tuple(code for code, tables in products.items() if table in tables) or tuple(products)


def _scrub(workspace: Path) -> None:
    """Keep counts only in the stored records: an error's text may quote a value."""
    for record in (workspace / "uncommitted" / "validations").rglob("*.json"):
        data = json.loads(record.read_text(encoding="utf-8"))
        for item in data.get("results", []):
            item["result"] = {
                name: value
                for name, value in (item.get("result") or {}).items()
                if isinstance(value, int | float) or name == "observed_value"
            }
            if _raised(item.get("exception_info") or {}):
                item["exception_info"] = {
                    "raised_exception": True, "exception_message": "could not be computed", "exception_traceback": "",
                }  # fmt: skip
        record.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")


@contextlib.contextmanager
def _without_detours() -> Iterator[None]:
    """Leave out what Great Expectations does over and over, and what took more time than the checks themselves.

    Suites, definitions and checkpoints that were just added are taken for what the store holds: each would be read back
    from its file and compared at every turn, and nobody else writes into the folder. An expectation is laid out as a
    configuration once, not dozens of times for each of its metrics: none changes while it is validated.
    """
    from great_expectations.checkpoint.checkpoint import Checkpoint
    from great_expectations.core import freshness_diagnostics as fresh
    from great_expectations.core.batch_definition import BatchDefinition
    from great_expectations.core.expectation_suite import ExpectationSuite
    from great_expectations.core.validation_definition import ValidationDefinition
    from great_expectations.expectations.expectation import Expectation

    laid_out: dict[int, tuple[Any, Any]] = {}  # with the expectation itself: the number of one that is gone comes again
    lay_out = Expectation.__dict__["configuration"].fget

    def configuration(expectation: Any) -> Any:
        if id(expectation) not in laid_out:
            laid_out[id(expectation)] = expectation, lay_out(expectation)
        return laid_out[id(expectation)][1]

    changes: list[tuple[type[Any], str, Any]] = [
        (Expectation, "configuration", property(configuration)),
        (BatchDefinition, "_is_fresh", lambda _: fresh.BatchDefinitionFreshnessDiagnostics(errors=[])),
        (ExpectationSuite, "_is_fresh", lambda _: fresh.ExpectationSuiteFreshnessDiagnostics(errors=[])),
        (ValidationDefinition, "is_fresh", lambda _: fresh.ValidationDefinitionFreshnessDiagnostics(errors=[])),
        (Checkpoint, "is_fresh", lambda _: fresh.CheckpointFreshnessDiagnostics(errors=[])),
    ]
    kept = [(kind, name, kind.__dict__[name]) for kind, name, _ in changes]
    try:
        for kind, name, value in changes:
            setattr(kind, name, value)
        yield
    finally:
        for kind, name, value in kept:
            setattr(kind, name, value)


def import_great_expectations() -> None:
    """Import it, which takes a second or two; it would import Spark along, wherever that is installed."""
    os.environ.update(GX_ANALYTICS_ENABLED="false", DO_NOT_TRACK="1", TQDM_DISABLE="1")
    kept_out = "pyspark" not in sys.modules
    if kept_out:
        sys.modules["pyspark"] = None  # type: ignore[assignment]
    try:
        importlib.import_module("great_expectations")
    finally:
        if kept_out:
            del sys.modules["pyspark"]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Great Expectations talks on its own: no analytics, no progress bars, no warnings about its own deprecations."""
    import_great_expectations()
    logger = logging.getLogger("great_expectations")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logger.setLevel(level)
