"""What a query sees of its tables, and marks that tell tables apart."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canbao.lineage import Lineage, Seen
from canbao.stepstore import _covers, _drawn_together, _mark_sql

TABLES = """
CREATE TABLE run (as_of DATE, year INTEGER);
CREATE TABLE fact (person INTEGER, source VARCHAR, name VARCHAR, born DATE, bits INTEGER);
CREATE TABLE other (person INTEGER, amount DECIMAL(14, 2));
"""


@pytest.fixture
def lineage() -> Lineage:
    con = duckdb.connect(":memory:")
    con.execute(TABLES)
    return Lineage(con)


@pytest.mark.parametrize(
    ("sql", "seen"),
    [
        ("SELECT person FROM fact", [("fact", "person")]),
        ("SELECT * FROM fact", [("fact", "bits born name person source")]),
        ("SELECT count(*) FROM fact", [("fact", "")]),
        ("SELECT person FROM fact WHERE source = 'death'", [("fact", "person", ("source", "death"))]),
        ("SELECT person, source FROM fact WHERE source = 'death'", [("fact", "person source", ("source", "death"))]),
        ("SELECT person FROM fact WHERE source IN ('death', 'birth')", [("fact", "person source")]),
        ("SELECT person FROM fact WHERE length(name) > 3", [("fact", "name person")]),
        ("SELECT person FROM fact WHERE bits = 3", [("fact", "bits person")]),
        (
            "SELECT f.name FROM fact AS f CROSS JOIN run WHERE f.born < run.as_of",
            [("fact", "born name"), ("run", "as_of")],
        ),
        ("SELECT f.name FROM fact AS f CROSS JOIN run", [("fact", "name"), ("run", "")]),
        ("WITH f AS (SELECT * FROM fact) SELECT person FROM f", [("fact", "person")]),
        (
            "SELECT person FROM fact WHERE person IN (SELECT person FROM other)",
            [("fact", "person"), ("other", "person")],
        ),
        (
            "SELECT f.name FROM fact AS f LEFT JOIN other AS o ON f.person = o.person AND f.source = 'birth'",
            [("fact", "name person source"), ("other", "person")],
        ),
        (
            "SELECT o.person FROM other AS o LEFT JOIN fact AS f ON f.person = o.person AND f.source = 'birth'",
            [("fact", "person", ("source", "birth")), ("other", "person")],
        ),
    ],
)
def test_columns_and_rows_that_a_query_sees(lineage: Lineage, sql: str, seen: list[tuple[str, ...]]) -> None:
    expected = [Seen(one[0], tuple(one[1].split()), *one[2:]) for one in seen]  # type: ignore[arg-type]
    assert lineage.seen(sql) == expected


def test_what_stands_in_a_table_does_not_change_what_is_seen(tmp_path: Path) -> None:
    con = duckdb.connect(":memory:")
    con.execute(TABLES)
    con.execute("INSERT INTO run VALUES ('2026-01-01', 2026)")
    con.execute("INSERT INTO fact SELECT i, 'death', 'x', '2020-01-01', i FROM range(9) AS t(i)")
    sql = "SELECT CASE WHEN run.year > 2000 AND f.born < run.as_of THEN f.name END FROM fact AS f CROSS JOIN run"
    assert Lineage(con).seen(sql) == [Seen("fact", ("born", "name")), Seen("run", ("as_of", "year"))]


def test_a_step_of_steps(lineage: Lineage) -> None:
    lineage.define("half", "SELECT person, bits // 2 AS half_bits FROM fact")
    assert lineage.seen("SELECT half_bits FROM half") == [Seen("half", ("half_bits",))]
    assert dict(lineage.columns("half")) == {"person": "INTEGER", "half_bits": "INTEGER"}


def mark(con: duckdb.DuckDBPyConnection, table: str, seen: Seen) -> str:
    row = con.execute(f"SELECT {_mark_sql(seen)} FROM {table}").fetchone()
    assert row is not None
    return str(row[0])


CON = duckdb.connect(":memory:", config={"threads": 1})
ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(["a", "b", None]), st.sampled_from(["x", "y"])), max_size=6
)


@settings(deadline=None)
@given(first=ROWS, second=ROWS, columns=st.sets(st.sampled_from(["n", "s", "t"])), where=st.booleans())
def test_marks_are_equal_where_the_rows_seen_are(
    first: list[tuple[int, str | None, str]], second: list[tuple[int, str | None, str]], columns: set[str], where: bool
) -> None:
    with CON.cursor() as con:
        marks, rows = [], []
        seen = Seen("thing", tuple(sorted(columns)), ("t", "x") if where else None)
        for name, values in (("one", first), ("two", second)):
            con.execute(f"CREATE OR REPLACE TABLE {name} (n INTEGER, s VARCHAR, t VARCHAR)")
            if values:
                con.executemany(f"INSERT INTO {name} VALUES (?, ?, ?)", values)
            marks.append(mark(con, name, seen))
            visible = [dict(zip("nst", row, strict=True)) for row in values if not where or row[2] == "x"]
            rows.append(sorted([[str(row[column]) for column in seen.columns] for row in visible]))
        assert (marks[0] == marks[1]) == (rows[0] == rows[1])


@given(
    st.sets(
        st.builds(
            Seen,
            st.just("thing"),
            st.sets(st.sampled_from("abcdefgh")).map(lambda found: tuple(sorted(found))),
            st.sampled_from([None, None, ("a", "x")]),
        ),
        max_size=12,
    )
)
def test_whatever_a_reader_sees_has_a_mark(found: set[Seen]) -> None:
    groups = _drawn_together(found, 8)
    assert all(any(_covers(group, one) for group in groups) for one in found)
    assert all(group in found for group in groups if group.where)
    whole = [group for group in groups if group.where is None]
    assert len(whole) == 1 or sum(len(group.columns) for group in whole) <= 16
