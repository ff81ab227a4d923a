"""A night on Spark publishes what DuckDB publishes. Needs the extra: `make setup-spark`."""

import json
import random
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from canbao.engine.spark import missing, open_session
from canbao.engine.transpile import to_spark
from canbao.paths import sql_dir
from tests.spark.compare import differences
from tests.spark.nights import night, published
from tests.story import Story

if missing():  # make spark-proof installs both: whoever runs this without them is told so
    raise RuntimeError("pyspark or Java is missing: make setup-spark")

SAMPLES = Path(__file__).parents[2] / "data_samples" / "landing"


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    opened = open_session("local[2]", tmp_path_factory.mktemp("spark"), 1000)
    yield opened
    opened.stop()


def test_the_sample_is_the_same_on_both(tmp_path: Path) -> None:
    of_duckdb, of_spark = (night(SAMPLES, tmp_path / name, date(2026, 3, 31), name) for name in ("duckdb", "spark"))
    assert differences(of_duckdb, of_spark) == {}
    told = [json.loads((folder / "manifest.json").read_text("utf-8")) for folder in (of_duckdb, of_spark)]
    assert [one["engine"] for one in told] == ["duckdb", "spark"]
    assert told[0]["checks"] == told[1]["checks"]


def test_a_night_after_a_night_of_duckdb_tells_the_same_changes(tmp_path: Path) -> None:
    story = Story(tmp_path, persons=600)
    story.run(great_expectations=False, reports=False)
    story.next_day()
    shutil.copytree(story.home, tmp_path / "spark", symlinks=True)
    story.run(great_expectations=False, reports=False)
    of_duckdb = published(story.home)
    story.home = tmp_path / "spark"
    story.run(great_expectations=False, reports=False, engine="spark", spark_master="local[2]")
    assert differences(of_duckdb, published(story.home)) == {}
    assert duckdb.sql(f"SELECT count(*) FROM '{of_duckdb}/change.parquet'").fetchone() != (0,)


# --------------------------------------------------------------------------------------------------------------- macros

TEXTS = [
    "", " ", "0", "X", "11010519491231002X", "110105194912310021", "110105491231002", "000000000000000",
    "99999999999999999X", "110105991399002", "A123456789", "王 小·明", "欧阳\u3000娜", "买买提•艾力", "李\ufffd", "张?", "ａＢ",
    "500103001001", "500103", "\n", "x" * 70, "中文",
]  # fmt: skip


def texts() -> list[str]:
    chance = random.Random(7)  # noqa: S311
    signs = "0123456789X王李·• a-Z？?\u3000"
    drawn = ["".join(chance.choices(signs, k=chance.randint(0, 20))) for _ in range(200)]
    numbers = ["".join(chance.choices("0123456789", k=17)) + chance.choice("0123456789X") for _ in range(200)]
    return TEXTS + drawn + numbers + [text[:15] for text in numbers]


@pytest.mark.parametrize(
    "expression",
    [
        "hash60(x)", "number_key(x)", "number_text(x)", "has_18_form(x)", "has_15_form(x)", "name_key(x)",
        "name_pattern(x)", "text_no(x)", "code12(x)", "place6(x)", "sent_code(x)", "keyed_hash('0a', x)",
        "number_is_sound(x)", "mark_with(mark_with(7, text_no(x)), length(x))", "is_another_code(x, '500103001000')",
        "key_text(abs(number_key(x)))", "json_object('a', x, 'b', NULL, 'c', [x])::VARCHAR", "x[2:]",
        "item_hash('0a', 'population', 'm', x)", "string_split(x, '·')", "list_contains([x, NULL], 'X')",
        "child_number(x, make_date(1990, 1, 1), 'X', NULL)", "list_concat([x], ['X'])",
    ],
)  # fmt: skip
def test_a_macro_gives_the_same_on_both(session: Any, expression: str) -> None:
    query = f"SELECT x, {expression} AS y FROM given"
    rows = [(text,) for text in texts()] + [(None,)]
    assert sorted(map(repr, on_duckdb(query, "x VARCHAR", rows))) == sorted(
        map(repr, on_spark(session, query, "x string", rows))
    )


@pytest.mark.parametrize(
    "expression",
    [
        "first_bit(a)", "last_bit(a)", "bit_count(a)::INTEGER", "a // 12", "a % 12", "flag(a % 2 = 0, b)", "has_flag(a, b)",
        "share_of((b * 7 - 500)::DECIMAL(14, 2), 5, 12)::DECIMAL(18, 2)", "month_text(b)", "month_no(b)", "(a & -a) | b", "~a & b + 1", "a << 2 & b", "check_of(a)", "mark_with(b, a)",
        "a / b", "round(a / b, 4)", "least(a, b)", "make_date(2000 + b % 20, 1 + b % 12, 1)",
        "day_no(make_date(2000 + b, 2, 28))", "(make_date(2000, 1, 31) + to_months(b))::DATE",
        "age_on(make_date(1950 + b % 50, 2, 28), make_date(2026, 2, 27))", "list_sort(list_distinct([a, b, NULL, a]))",
    ],
)  # fmt: skip
def test_arithmetic_gives_the_same_on_both(session: Any, expression: str) -> None:
    chance = random.Random(3)  # noqa: S311
    rows = [(1 << n, n + 1) for n in range(50)] + [
        (chance.randint(1, 1 << 40), chance.randint(1, 40)) for _ in range(200)
    ]
    query = f"SELECT a, b, {expression} AS y FROM given"
    assert sorted(map(repr, on_duckdb(query, "a BIGINT, b INTEGER", rows))) == sorted(
        map(repr, on_spark(session, query, "a bigint, b int", rows))
    )


def test_not_in_finds_the_same_rows_and_compares_no_row_with_each(session: Any) -> None:
    session.sql("SELECT * FROM VALUES (1, '50'), (2, '51'), (3, NULL) AS t(a, b)").createOrReplaceTempView("given")
    query = "SELECT a, coalesce(substr(b, 1, 2) NOT IN (SELECT b FROM given WHERE a = 1), false) AS x FROM given"
    frame = session.sql(to_spark(query, lambda _: []))
    assert sorted(map(tuple, frame.collect())) == [(1, False), (2, True), (3, False)]
    assert "NestedLoop" not in frame._jdf.queryExecution().toString()


@pytest.mark.parametrize("stop", [-3, 0, 1, 5])
def test_range_stops_before_its_end(session: Any, stop: int) -> None:
    query = "SELECT unnest(range(0, b))::INTEGER AS n FROM given"
    assert on_spark(session, query, "b int", [(stop,)]) == on_duckdb(query, "b INTEGER", [(stop,)])


def on_duckdb(query: str, columns: str, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    con = duckdb.connect()
    for script in sorted((sql_dir() / "_engine").glob("duckdb_*.sql")):
        con.execute(script.read_text("utf-8"))
    con.execute(f"CREATE TABLE given ({columns})")
    con.executemany(f"INSERT INTO given VALUES ({', '.join('?' * len(rows[0]))})", rows)
    return con.execute(query).fetchall()


def on_spark(session: Any, query: str, columns: str, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    session.createDataFrame(rows, columns).createOrReplaceTempView("given")
    return [tuple(row) for row in session.sql(to_spark(query, lambda _: [])).collect()]
