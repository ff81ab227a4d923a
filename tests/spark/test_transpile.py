"""DuckDB's SQL as Spark's: every step can be turned, and what cannot be turned is refused. Needs no Spark."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
from sqlglot import exp

from canbao.build import load_steps
from canbao.engine import transpile
from canbao.engine.transpile import NotPortable, spark_type, tables_of, to_spark
from canbao.errors import UserError
from canbao.intake import load_definitions
from canbao.quality import measures
from canbao.quality.catalogue import Measure, load_catalogue


def no_columns(_: str) -> list[str]:
    return []


@pytest.mark.parametrize("step", [step for step in load_steps() if not step.judges], ids=lambda step: step.name)
def test_every_step_can_be_turned(step) -> None:  # type: ignore[no-untyped-def]
    turned = to_spark(step.sql, lambda _: ["a"] if "BY NAME" in step.sql else [])
    assert "//" not in turned
    assert "::" not in turned


def test_every_scan_of_measures_can_be_turned() -> None:
    definitions = load_definitions()
    scans: dict[tuple[str, str], list[Measure]] = {}
    for one in load_catalogue(definitions):
        if one.wrong:
            scans.setdefault((one.table, one.division or "NULL"), []).append(one)
    assert len(scans) > 20
    for (table, division), chosen in scans.items():
        assert "NAMED_STRUCT" in to_spark(measures._scan(table, division, chosen, None), no_columns)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("SELECT a // 12 AS x FROM t", "SELECT `a` DIV 12 AS `x` FROM `t`"),
        ("SELECT a / b AS x FROM t", "SELECT CAST(`a` AS DOUBLE) / `b` AS `x` FROM `t`"),
        ("SELECT min(a)[2:] AS x FROM t", "SELECT SUBSTRING(MIN(`a`), 2) AS `x` FROM `t`"),
        ("SELECT a FROM t QUALIFY row_number() OVER (ORDER BY b) = 1",
         "SELECT `a` FROM `t` QUALIFY ROW_NUMBER() OVER (ORDER BY `b` NULLS LAST) = 1"),
        ("SELECT count(*) FILTER (a) AS x FROM t", "SELECT COUNT(*) FILTER(WHERE `a`) AS `x` FROM `t`"),
        ("SELECT day + to_months(n) AS x FROM t", "SELECT ADD_MONTHS(`day`, CAST(`n` AS INT)) AS `x` FROM `t`"),
        ("SELECT 1 << n + 1 AS x FROM t", "SELECT SHIFTLEFT(1, CAST(`n` + 1 AS INT)) AS `x` FROM `t`"),
    ],
)  # fmt: skip
def test_what_is_spelled_otherwise(query: str, wanted: str) -> None:
    assert to_spark(query, no_columns) == wanted


def test_not_in_is_an_anti_join() -> None:
    for query in (
        "SELECT a FROM t WHERE a NOT IN (SELECT b FROM u)",
        "SELECT substr(a, 1, 6) NOT IN (SELECT substr(b, 1, 6) FROM u) AS x FROM t",
    ):
        turned = to_spark(query, no_columns)
        assert "NOT EXISTS" in turned
        assert " IN (" not in turned


def test_a_macro_stands_in_place_of_its_call() -> None:
    assert to_spark("SELECT place6(a) AS x FROM t", no_columns) == "SELECT SUBSTRING(`a`, 1, 6) AS `x` FROM `t`"


def test_no_macro_calls_what_is_neither_a_macro_nor_a_function_of_spark() -> None:
    spark = {
        "md5",
        "concat",
        "make_date",
        "conv",
        "bin",
        "bit_count",
        "xxhash64",
        "to_json",
        "named_struct",
        "map",
        "regexp_replace",
        "shiftleft",
        "shiftright",
    }
    macros = transpile._templates()
    called = {
        call.name.lower()
        for _, body in macros.values()
        for call in body.find_all(exp.Anonymous)
        if call.name.lower() not in macros
    }
    assert called <= spark


def test_union_by_name_goes_by_name() -> None:
    columns = {"t": ["a", "b"], "u": ["b", "a"]}
    turned = to_spark("SELECT *, 1 AS c FROM t UNION ALL BY NAME SELECT *, 2 AS c FROM u", columns.__getitem__)
    assert turned == "SELECT `a`, `b`, 1 AS `c` FROM `t` UNION ALL SELECT `a`, `b`, 2 AS `c` FROM `u`"


@pytest.mark.parametrize(
    "query",
    [
        "SELECT list(a ORDER BY b DESC) FROM t", "SELECT a[1] FROM t", "SELECT regexp_replace(a, 'x', 'y') FROM t",
        "SELECT md5_number_lower(a) FROM t", "SELECT place6(a, b) FROM t",
    ],
)  # fmt: skip
def test_what_nobody_has_taught_it_is_refused(query: str) -> None:
    with pytest.raises(NotPortable):
        to_spark(query, no_columns)


def test_the_tables_of_a_query() -> None:
    assert tables_of("WITH x AS (SELECT 1 FROM a) SELECT * FROM x JOIN b ON x.i IS DISTINCT FROM b.i") == {"a", "b"}


def test_types() -> None:
    assert [spark_type(kind) for kind in ("VARCHAR[]", "HUGEINT", "UBIGINT", "DECIMAL(14,2)", "DATE")] == [
        "ARRAY<STRING>", "DECIMAL(38, 0)", "BIGINT", "DECIMAL(14,2)", "DATE",
    ]  # fmt: skip


# ---------------------------------------------------------------------------------------------------- without the extra


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:  # type: ignore[no-untyped-def]
    from canbao.engine import open_warehouse, spark

    monkeypatch.setattr(spark, "find_spec", lambda _: None)
    with pytest.raises(UserError, match="make setup-spark"):
        open_warehouse("spark", tmp_path / "warehouse")
    assert not (tmp_path / "warehouse").exists()


def test_the_command_without_the_extra_is_wrong_use(tmp_path) -> None:  # type: ignore[no-untyped-def]
    program = (
        "import sys; sys.modules['pyspark'] = None; sys.path.append('.'); from canbao.cli import main; "
        f"sys.exit(main(['run', '--landing', '{tmp_path}', '--home', '{tmp_path}/home', '--as-of', '2026-03-31', "
        "'--engine', 'spark']))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "make setup-spark" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "home" / "published").exists()


def test_without_java_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from canbao.engine import spark

    monkeypatch.setattr(spark, "find_spec", lambda _: object())
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert "make setup-spark" in spark.missing()
    assert "Java" in spark.missing()


@pytest.mark.parametrize(
    ("rows", "parts"), [(0, 1), (122_880, 1), (122_881, 4), (2_000_000, 5), (325_000_000, 812), (14_000_000_000, 5000)]
)
def test_parts_follow_rows(rows: int, parts: int) -> None:
    from canbao.engine.spark import _number_of_parts

    assert _number_of_parts(rows, SimpleNamespace(defaultParallelism=4)) == parts


def test_nothing_of_spark_is_imported_for_the_other_engine() -> None:
    program = (
        "import sys, canbao.nightly, canbao.engine, canbao.engine.duckdb, canbao.audit; "
        "canbao.audit.import_great_expectations(); sys.exit('pyspark' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
