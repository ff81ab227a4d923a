"""Tables of people are cut by person: what joins or groups them by person moves no row. Needs `make setup-spark`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from canbao.build import Step
from canbao.engine import spark
from canbao.engine.spark import SparkWarehouse, open_session

if spark.missing():
    raise RuntimeError("pyspark or Java is missing: make setup-spark")

PARTS = 3
PEOPLE = """
SELECT nullif((i * 7919) % 500, 0)::BIGINT AS person_key, i::INTEGER AS n, [i % 3, i % 5]::INTEGER[] AS several,
    DATE '2026-01-01' + (i % 90)::INTEGER AS day FROM range(2000) AS made(i)
"""
STEPS = {
    "one": "SELECT person_key, n, several, day FROM given WHERE n % 3 > 0",
    "other": "SELECT person_key, count(*)::INTEGER AS rows, max(day) AS last FROM given GROUP BY person_key",
    "nobody": "SELECT person_key, n FROM given WHERE n < 0",
    "by_day": "SELECT day, count(*)::INTEGER AS rows FROM given GROUP BY day",
}
BY_PERSON = {
    "join": "SELECT o.person_key, o.n, t.last FROM one AS o JOIN other AS t ON t.person_key = o.person_key",
    "outer join": "SELECT o.person_key, t.last FROM other AS t LEFT JOIN one AS o ON t.person_key = o.person_key",
    "anti join": "SELECT n FROM one AS o WHERE NOT EXISTS (SELECT 1 FROM other AS t WHERE t.person_key = o.person_key)",
    "group": "SELECT person_key, count(*) AS c FROM one GROUP BY person_key",
    "window": "SELECT person_key, row_number() OVER (PARTITION BY person_key ORDER BY n) AS c FROM one",
}


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SparkWarehouse]:
    monkeypatch.setattr(spark, "_number_of_parts", lambda *_: PARTS)
    opened = SparkWarehouse(tmp_path / "warehouse", threads=2)
    opened._session = open_session("local[2]", opened.folder, 1000)
    opened._session.conf.set("spark.sql.autoBroadcastJoinThreshold", "-1")  # few rows would be sent to each machine
    opened._buckets = PARTS
    opened.con.execute(f"CREATE TABLE given AS {PEOPLE}")
    opened._hand_over("given")
    opened._handed.add("given")
    yield opened
    opened.close()


def step(name: str, order_by: tuple[str, ...] = ()) -> Step:
    return Step(name, Path(f"sql/1_person/{name}.sql"), STEPS[name], name, name, order_by=order_by)


def rows(warehouse: SparkWarehouse, query: str) -> list[str]:
    return sorted(map(repr, warehouse.con.execute(query).fetchall()))


def plan(warehouse: SparkWarehouse, query: str) -> str:
    return str(warehouse.session.sql(query)._jdf.queryExecution().executedPlan().toString())


def test_between_tables_of_people_nothing_moves(warehouse: SparkWarehouse) -> None:
    for name in ("one", "other"):
        warehouse.run_step(step(name))
    for what, query in BY_PERSON.items():
        found = plan(warehouse, query)
        assert "Exchange" not in found, what
        if what == "join":
            assert "Sort [" not in found
    warehouse.drop("one")
    warehouse._buckets = 0
    warehouse.run_step(step("one"))
    assert "Exchange" in plan(warehouse, BY_PERSON["join"])  # else the test could not fail


def test_a_query_that_is_by_person_already_is_not_moved_once_more(warehouse: SparkWarehouse) -> None:
    warehouse.run_step(step("one"))
    query = "SELECT person_key, count(*) AS c FROM one GROUP BY person_key"
    repartitioned = warehouse.session.sql(query).repartition(PARTS, spark.PERSON)
    assert "Exchange" not in repartitioned._jdf.queryExecution().executedPlan().toString()


@pytest.mark.parametrize("name", STEPS)
def test_what_is_cut_has_the_same_rows(warehouse: SparkWarehouse, name: str) -> None:
    """For Spark and for DuckDB, which reads the parts."""
    count = warehouse.run_step(step(name))
    meant = rows(warehouse, STEPS[name])
    assert count == len(meant)
    assert rows(warehouse, f"SELECT * FROM {name}") == meant
    assert warehouse.session.sql(f"SELECT * FROM {name}").count() == len(meant)
    described = warehouse.con.execute(f"DESCRIBE {name}").fetchall()
    assert [row[:2] for row in described] == [
        row[:2] for row in warehouse.con.execute(f"DESCRIBE {STEPS[name]}").fetchall()
    ]
    assert (name in warehouse._by_person) == ("person_key" in STEPS[name])
    if name in {"one", "other"}:
        assert len(warehouse._parts[name]) == PARTS


def test_what_is_published_stays_in_its_order(warehouse: SparkWarehouse) -> None:
    warehouse.run_step(step("one", ("n",)))
    assert warehouse._by_person == set()
    found: list[Any] = [
        n for part in warehouse._parts["one"] for (n,) in warehouse.con.execute(f"SELECT n FROM '{part}'").fetchall()
    ]
    assert found == sorted(found)
    assert len(found) > 1000


def test_a_dropped_table_leaves_nothing_and_can_be_made_anew(warehouse: SparkWarehouse) -> None:
    for _ in range(2):
        warehouse.run_step(step("one"))
        assert warehouse.session.catalog.tableExists("one")
        warehouse.drop("one")
        assert not warehouse.session.catalog.tableExists("one")
        assert not warehouse._place("one").exists()
        assert warehouse.con.execute("SELECT count(*) FROM duckdb_views() WHERE view_name = 'one'").fetchone() == (0,)
