"""Measures, their history, verdict and grade on small tables; what could not be computed never counts as passed."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import polars as pl
import pytest

from canbao import audit
from canbao.build import KEPT, last_readers, load_steps
from canbao.engine import Warehouse
from canbao.gates import Check
from canbao.home import Home
from canbao.intake import load_definitions
from canbao.quality import history, measures
from canbao.quality.catalogue import Measure, load_catalogue
from canbao.report import quality_frame

STEPS = {step.name: step for step in load_steps()}
CITY = """
CREATE TABLE division_now AS SELECT * FROM (VALUES
  ('500000000000', '某市', 1, '500000000000', NULL), ('500191000000', '甲区', 2, '500000000000', '500191000000'),
  ('500192000000', '乙区', 2, '500000000000', '500192000000')
) AS t(division_code, division_name, level, l1, l2);
CREATE TABLE division_successor AS SELECT division_code, division_code AS current_code FROM division_now;
CREATE TABLE run_input AS SELECT DATE '2026-03-31' AS as_of, 2026 AS insured_year;
"""


@pytest.fixture
def con(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse with one city of two districts and nothing else."""
    warehouse = Warehouse(tmp_path / "warehouse")
    warehouse.con.execute(CITY)
    yield warehouse.con
    warehouse.close()


def measure(name: str, wrong: str, **more: Any) -> Measure:
    values = {"threshold": 0.1, "least": 1, "division": "place", **more}
    return Measure(f"thing.{name}", None, "thing", "某指标", "含义", "correctness", "warn", wrong, **values)


def rows(con: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return con.execute(query).fetchall()


def test_one_pass_counts_all_measures_and_districts(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "CREATE TABLE thing AS SELECT * FROM (VALUES ('500191001001', 1, 1), ('500191', NULL, 2), ('500192', 3, 3),"
        " ('510105', 4, 4), (NULL, 5, 5)) AS t(place, amount, row_no)"
    )
    blank, large = measure("blank", "amount IS NULL"), measure("large", "amount > 3", of="amount IS NOT NULL")
    measures.scan(con, "thing", "place", [blank, large])
    assert rows(con, "SELECT * FROM measure_count ORDER BY ALL") == [
        ("thing.blank", "", 1, 5),
        ("thing.blank", "500191000000", 1, 2),
        ("thing.blank", "500192000000", 0, 1),
        ("thing.large", "", 2, 4),
        ("thing.large", "500191000000", 0, 1),
        ("thing.large", "500192000000", 0, 1),
    ]


def test_a_measure_that_cannot_be_computed_hides_no_other_and_is_not_passed(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE TABLE thing AS SELECT '500191' AS place, 1 AS amount, 1 AS row_no")
    good, broken = measure("good", "amount = 1"), measure("broken", "no_such_column = 1")
    measures.scan(con, "thing", "place", [good, broken])
    night = judged(con, [good, broken])
    checks = {check.check_id: check for check in measures.checks(night, Path("unused"))}
    assert checks["thing.good"].passed is False
    assert checks["thing.broken"].passed is None
    assert checks["thing.broken"].state == "not_computed"
    assert "未能计算" in checks["thing.broken"].message
    assert rows(con, "SELECT failed FROM measure WHERE measure_id = 'thing.broken'") == [(None,)]


def test_a_figure_without_a_past_is_information(con: duckdb.DuckDBPyConnection) -> None:
    figure = replace(measure("drift", ""), figure="figure_drift")
    night = judged(con, [figure])
    (check,) = measures.checks(night, Path("unused"))
    assert (check.passed, check.severity) == (None, "info")


@pytest.mark.parametrize(
    ("wrong", "least", "known", "failed"),
    [(20, 1, 0, True), (10, 1, 0, False), (20, 21, 0, False), (20, 1, 10, False), (20, 1, 5, True)],
    ids=["beyond", "at the limit", "too few", "known", "some known"],
)
def test_known_rows_and_few_rows_do_not_fail(
    con: duckdb.DuckDBPyConnection, wrong: int, least: int, known: int, failed: bool
) -> None:
    con.execute("INSERT INTO measure_count VALUES ('thing.x', '', ?, 100)", [wrong])
    night = judged(con, [measure("x", "true", least=least)], known={"thing.x": known})
    (check,) = measures.checks(night, Path("unused"))
    assert check.passed is not failed
    assert check.known == known
    assert rows(con, "SELECT failed, known FROM measure WHERE measure_id = 'thing.x'") == [(failed, known)]


def test_great_expectations_judges_as_the_table_does(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    con.execute("INSERT INTO measure_count VALUES ('thing.a', '', 11, 100), ('thing.b', '', 10, 100)")
    night = judged(con, [measure("a", "true"), measure("b", "true")])
    asked: list[Any] = []
    run: Callable[..., list[Check]] = audit.run_suite
    monkeypatch.setattr(audit, "run_suite", lambda *given: asked.append(given[2]) or run(*given))
    found = {check.check_id: check.passed for check in measures.checks(night, tmp_path / "gx")}
    assert found == {"thing.a": False, "thing.b": True}
    assert [rule.check_id for rule in asked[0]] == ["thing.a", "thing.b"]


def judged(con: duckdb.DuckDBPyConnection, catalogue: list[Measure], known: dict[str, int] | None = None) -> Any:
    """A night whose measures are counted, up to the table `measure`, and whose suites do not run."""
    frame = pl.DataFrame(
        [
            {"measure_id": one.measure_id, "source": one.source, "threshold": one.threshold, "least": one.least,
             "figure": one.figure}
            for one in catalogue
        ]
    )  # fmt: skip
    con.register("loading", frame.to_arrow())
    con.execute("INSERT INTO measure_def BY NAME SELECT * FROM loading")
    none = "SELECT NULL::VARCHAR AS measure_id, '' AS division_code, 0::BIGINT AS numerator, 0::BIGINT AS denominator"
    empty = f"{none}, NULL::DOUBLE AS value, true AS enough WHERE false"
    figures = {name for name in STEPS if name.startswith("figure_")} - {one.figure for one in catalogue}
    for name in figures:
        con.execute(f"CREATE TABLE {name} AS {empty}")
    for one in catalogue:
        if one.figure:
            con.execute(f"CREATE TABLE {one.figure} AS {STEPS[one.figure].sql}")
    con.execute(
        "CREATE TABLE ledger_figure AS SELECT '' AS measure_id, '' AS division_code, 0 AS numerator WHERE false"
    )
    con.execute("CREATE TABLE known_count (measure_id VARCHAR, division_code VARCHAR, known BIGINT)")
    for name, number in (known or {}).items():
        con.execute("INSERT INTO known_count VALUES (?, '', ?)", [name, number])
    for name in ("measure_judged", "measure"):
        con.execute(f"CREATE TABLE {name} AS {STEPS[name].sql}")
    return SimpleNamespace(warehouse=SimpleNamespace(con=con), catalogue=tuple(catalogue))


@pytest.fixture(autouse=True)
def without_great_expectations(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Its suites take seconds to start: here only where they are what is tested."""
    if "great_expectations" not in request.node.name:
        monkeypatch.setattr(audit, "run_suite", lambda *_: [])


# --------------------------------------------------------------------------------------------------------- figures


def define(con: duckdb.DuckDBPyConnection, measure_id: str, figure: str, threshold: float, least: int) -> None:
    con.execute(
        "INSERT INTO measure_def BY NAME SELECT ? AS measure_id, ? AS source, ? AS figure, ? AS threshold, ? AS least",
        [measure_id, measure_id.partition(".")[0], figure, threshold, least],
    )


def past(con: duckdb.DuckDBPyConnection, *row: Any) -> None:
    """Day, insured year, measure, division and number of a past night."""
    con.execute(
        "INSERT INTO measure_history BY NAME SELECT ?::DATE AS as_of, ? AS insu_year, ? AS measure_id,"
        " ? AS division_code, ? AS numerator",
        list(row),
    )


def figure(con: duckdb.DuckDBPyConnection, name: str) -> dict[str, tuple[Any, ...]]:
    found = rows(con, f"SELECT division_code, numerator, denominator, round(value, 4), enough FROM ({STEPS[name].sql})")
    return {row[0]: row[1:] for row in found}


def test_rows_are_compared_with_the_median_of_recent_nights_per_district(con: duckdb.DuckDBPyConnection) -> None:
    define(con, "population.rows_change", "figure_rows_change", 0.1, 30)
    for day, number in (("2026-03-28", 1000), ("2026-03-29", 990), ("2026-03-30", 5000)):
        past(con, day, 2026, "rows.population", "", number)
        past(con, day, 2026, "rows.population", "500191000000", 400)
        past(con, day, 2026, "rows.population", "500192000000", 100)
    con.execute("INSERT INTO measure_count VALUES ('rows.population', '', 980, 980),"
                " ('rows.population', '500191000000', 405, 405)")  # fmt: skip
    assert figure(con, "figure_rows_change") == {
        "": (1, 3, 1.0, True),  # the second district is missing altogether
        "500191000000": (405, 400, 0.0125, False),
        "500192000000": (0, 100, 1.0, True),
    }


def test_two_nights_are_no_past(con: duckdb.DuckDBPyConnection) -> None:
    define(con, "population.rows_change", "figure_rows_change", 0.1, 30)
    for day in ("2026-03-29", "2026-03-30"):
        past(con, day, 2026, "rows.population", "", 1000)
    assert figure(con, "figure_rows_change") == {"": (0, 0, None, False)}


def test_ledger_is_compared_with_the_same_day_of_last_years_window(con: duckdb.DuckDBPyConnection) -> None:
    define(con, "ledger.season_uninsured", "figure_season", 0.1, 30)
    con.execute(
        "CREATE TABLE ledger_figure AS SELECT * FROM (VALUES"
        " ('ledger.household.should_be_insured', '', 1000), ('ledger.household.uninsured', '', 300)"
        ") AS t(measure_id, division_code, numerator)"
    )
    for day, year, number in (("2025-03-20", 2025, 700), ("2025-03-30", 2025, 100), ("2026-03-30", 2026, 300)):
        past(con, day, year, "ledger.household.should_be_insured", "", 1000)
        past(con, day, year, "ledger.household.uninsured", "", number)
    assert figure(con, "figure_season") == {"": (1, 1, 0.2, True)}


def test_sudden_changes_are_told_from_the_same_insured_year_only(con: duckdb.DuckDBPyConnection) -> None:
    define(con, "ledger.sudden_uninsured", "figure_sudden", 0.2, 30)
    con.execute(
        "CREATE TABLE ledger_figure AS SELECT 'ledger.household.uninsured' AS measure_id, '500191000000' AS"
        " division_code, 150 AS numerator"
    )
    for day, year, number in (
        ("2026-03-26", 2025, 9), ("2026-03-27", 2026, 100), ("2026-03-28", 2026, 100), ("2026-03-29", 2026, 100),
    ):  # fmt: skip
        past(con, day, year, "ledger.household.uninsured", "500191000000", number)
    assert figure(con, "figure_sudden") == {"": (1, 1, 0.5, True), "500191000000": (150, 100, 0.5, True)}


@pytest.mark.parametrize(
    ("delivery", "days", "value"), [("2026-03-31", 0, 0.0), ("2026-02-28", 31, 1.0), ("2026-01-31", 59, 1.9032)]
)
def test_age_is_held_against_the_promised_rhythm(
    con: duckdb.DuckDBPyConnection, delivery: str, days: int, value: float
) -> None:
    define(con, "population.age", "figure_age", 1.0, 1)
    con.execute(
        "INSERT INTO source_delivery BY NAME SELECT 'population' AS source, 31 AS rhythm_days, ?::DATE AS delivery",
        [delivery],
    )
    assert figure(con, "figure_age") == {"": (days, 31, value, True)}


# --------------------------------------------------------------------------------------------------------- history


def test_history_is_replaced_when_a_date_runs_again(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    columns = "measure_id, division_code, numerator, denominator, value, threshold, known, failed"
    con.execute(f"CREATE TABLE measure AS SELECT * FROM (VALUES ('x.y', '', 3::BIGINT, 9::BIGINT, 0.3::DOUBLE, 0.1::DOUBLE,"
                f" 0::BIGINT, true), ('x.y', '500191000000', 0, 9, 0, 0.1, 0, false)) AS t({columns})")  # fmt: skip
    for day in (29, 30, 30):
        history.keep(con, home, date(2026, 3, day), 2026)
        con.execute("UPDATE measure SET numerator = numerator + 1 WHERE division_code = ''")
    assert history.load(con, home, date(2026, 3, 30)) == 1
    assert history.load(con, home, date(2026, 3, 31)) == 2
    found = rows(con, "SELECT as_of, insu_year, measure_id, division_code, numerator FROM measure_history")
    assert sorted(found)[1:] == [
        (date(2026, 3, 29), 2026, "x.y", "", 3),
        (date(2026, 3, 30), 2026, "x.y", "", 5),
    ]
    files = sorted(history.folder(home).iterdir())
    assert [file.name for file in files] == ["2026-03-29.parquet", "2026-03-30.parquet"]
    assert files[0].stat().st_mode & 0o077 == 0


# ------------------------------------------------------------------------------------------------- verdict and grade


def check(check_id: str, passed: bool | None, severity: str = "warn", **more: Any) -> Check:
    values = {"harms": ("ledger",), "department": "公安", **more}
    return Check(check_id, f"检查{check_id}", "correctness", severity, passed, **values)


@pytest.mark.parametrize(
    ("checks", "verdict"),
    [
        ([check("a", True)], "usable"),
        ([check("a", False, "info")], "usable"),
        ([check("a", None, "info")], "usable"),
        ([check("a", False, trial=True)], "usable"),
        ([check("a", False)], "caution"),
        ([check("a", None)], "caution"),
        ([check("a", False, "block", accepted="已核实")], "caution"),
        ([check("a", False, "block")], "unusable"),
        ([check("a", None, "block"), check("b", False)], "unusable"),
    ],
)
def test_verdict_is_by_the_worst_severity(con: duckdb.DuckDBPyConnection, checks: list[Check], verdict: str) -> None:
    found = judged_products(con, checks)
    assert found["ledger"][0] == verdict
    assert found["aid"] == ("usable", [], "")
    if verdict == "usable":
        assert found["ledger"] == ("usable", [], "")
    else:
        assert found["ledger"][1][0] == "a"
        assert "检查a" in found["ledger"][2]


def judged_products(con: duckdb.DuckDBPyConnection, checks: list[Check]) -> dict[str, tuple[str, list[str], str]]:
    outcome(con, checks)
    con.execute(
        "CREATE TABLE code_product AS SELECT * FROM (VALUES ('ledger', '台账'), ('aid', '救助')) AS t(code, title)"
    )
    found = rows(con, f"SELECT product, verdict, check_ids, reason FROM ({STEPS['verdict'].sql})")
    return {row[0]: (row[1], row[2], row[3]) for row in found}


def outcome(con: duckdb.DuckDBPyConnection, checks: list[Check]) -> None:
    con.register("loading", quality_frame(checks).to_arrow())
    con.execute("CREATE OR REPLACE TABLE quality_metric AS SELECT * FROM loading")


def test_grades_of_departments_and_districts(con: duckdb.DuckDBPyConnection) -> None:
    many = [check(f"w{number}", False, department="民政") for number in range(3)]
    outcome(con, [
        check("a", False), check("b", None, "info"), check("c", False, "info", department="教育"),
        check("d", False, "block", department="税务"), check("e", None, department="司法"), *many,
        check("t", False, department="卫生", trial=True),
    ])  # fmt: skip
    con.execute(
        "INSERT INTO source_delivery BY NAME SELECT * FROM (VALUES"
        " ('population', '公安', 7, true, DATE '2026-03-30'), ('other', '公安', 7, true, DATE '2026-03-01'),"
        " ('student', '教育', 190, false, NULL)) AS t(source, department, rhythm_days, delivered, delivery)"
    )
    columns = "measure_id, division_code, numerator, denominator, value, threshold, known, failed"
    con.execute(f"CREATE TABLE measure AS SELECT * FROM (VALUES ('a', '500191000000', 5, 9, 0.5, 0.1, 0, true),"
                f" ('rows.population', '500191000000', 9, NULL, 9, NULL, 0, false)) AS t({columns})")  # fmt: skip
    con.execute(
        "INSERT INTO measure_history BY NAME SELECT DATE '2026-03-30' AS as_of, 2026 AS insu_year,"
        " 'rows.population' AS measure_id, '500192000000' AS division_code, 9 AS numerator"
    )
    fallen = replace(check("row_fall.population", False, "block"), accepted="已核实", counties=("500192",))
    measures.tell_falls(con, [fallen, check("d", False, "block")])
    query = f"SELECT subject_kind, subject, grade, expected, delivered, coverage FROM ({STEPS['grade'].sql})"
    found = {row[1]: row[2:] for row in rows(con, query)}
    assert found == {
        "公安": ("C", 2, 1, 0.5),
        "教育": ("B", 1, 0, 0.0),
        "税务": ("F", 0, 0, None),
        "司法": ("D", 0, 0, None),
        "民政": ("D", 0, 0, None),
        "500191000000": ("C", 1, 1, 1.0),
        "500192000000": ("F", 1, 0, 0.0),  # its rows did not come
    }


# ------------------------------------------------------------------------------------------------------- catalogue


def test_every_source_has_a_measure_of_every_axis_that_it_can_have() -> None:
    catalogue = load_catalogue(load_definitions())
    for name, definition in load_definitions().items():
        axes = {one.axis for one in catalogue if one.source == name}
        assert {"completeness", "correctness", "consistency", "timeliness"} <= axes, name
        assert all(one.department == definition.department for one in catalogue if one.source == name)


def test_every_published_table_has_a_measure() -> None:
    made_here = {"measure", "verdict", "grade", "repair_item", "division", "division_code", "bridge"}
    tables = {one.table for one in load_catalogue({})}
    assert {name for name, step in STEPS.items() if step.published} - made_here <= tables


def test_the_words_and_the_products_of_the_catalogue() -> None:
    products = set(pl.read_csv(Path(measures.__file__).parents[1] / "codes" / "product.csv")["code"])
    for one in load_catalogue(load_definitions()):
        assert set(one.harms) <= products, one.measure_id
        assert one.severity != "block", one.measure_id  # only what the contract lists blocks
        assert one.meaning.endswith("。"), one.measure_id
        assert one.title and one.department, one.measure_id
        assert one.figure == "" or one.figure in STEPS, one.measure_id


def test_what_conditions_look_up_is_still_there_when_they_are_counted() -> None:
    import re

    looked_up = {
        table
        for one in load_catalogue(load_definitions())
        for table in re.findall(r"\b(?:FROM|JOIN) ([a-z_]+)", f"{one.wrong} {one.of} {one.division}")
    }
    first, then = measures.after_count([step for step in load_steps() if not step.judges])
    dropped = {table for step in first for table in last_readers((*first, *then)).get(step.name, [])}
    assert not looked_up & (dropped - KEPT)


def test_measures_leave_the_store_of_staged_files_as_it_is(tmp_path: Path) -> None:
    from canbao.intake import definitions

    folder = Path(definitions.__file__).parents[1] / "sources"
    own = tmp_path / "population.toml"
    text = (folder / "population.toml").read_text(encoding="utf-8")
    own.write_text(text[: text.index("[[measure]]")].replace("rhythm_days = 31", "rhythm_days = 7"), encoding="utf-8")
    common = {name: list(aliases) for name, aliases in _headers(folder).items()}
    assert definitions._source(own, common).fingerprint == load_definitions()["population"].fingerprint


def _headers(folder: Path) -> dict[str, list[str]]:
    import tomllib

    headers: dict[str, list[str]] = tomllib.loads((folder / "_common.toml").read_text(encoding="utf-8"))["headers"]
    return headers
