"""In a very large night tables are made in parts, by person: the same rows come out, however many parts there are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from canbao.build import COMPUTED, LAID_OUT, Step, load_steps, read_step
from canbao.engine.duckdb import Warehouse
from canbao.nightly import Options, open_night
from canbao.stepstore import Anew

HEAD = "-- title: 试 / a try\n-- grain: one row\n"
SAMPLES = Path(__file__).parents[2] / "data_samples"


def step(tmp_path: Path, name: str, parts: str, sql: str) -> Step:
    path = tmp_path / f"{name}.sql"
    path.write_text(f"{HEAD}-- parts: {parts}\n{sql}\n", "utf-8")
    return read_step(path)


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    opened = Warehouse(tmp_path / "warehouse")
    opened._in_files, opened._part_count = True, 3
    yield opened
    opened.close()


def rows(warehouse: Warehouse, query: str) -> list[Any]:
    return warehouse.con.execute(query).fetchall()


def test_a_person_lies_in_one_part_wherever(warehouse: Warehouse, tmp_path: Path) -> None:
    people = "SELECT range - 50 AS person_key, range % 7 AS n FROM range(100)"
    assert warehouse.run_step(step(tmp_path, "people", LAID_OUT, people)) == 100
    warehouse.con.execute("CREATE TABLE told AS SELECT (range % 100 - 50)::INTEGER AS person_key FROM range(300)")
    counted = """
        SELECT p.person_key, p.n, count(t.person_key) AS told, (SELECT count(*) FROM people) AS seen
        FROM people AS p LEFT JOIN told AS t ON p.person_key = t.person_key GROUP BY ALL
    """
    assert warehouse.run_step(step(tmp_path, "counted", COMPUTED, counted)) == 100
    assert rows(warehouse, "SELECT DISTINCT told FROM counted") == [(3,)]
    seen = rows(warehouse, "SELECT seen, count(*) FROM counted GROUP BY seen")
    assert len(warehouse.written("people")) == len(warehouse.written("counted")) == 3
    assert all(number == those for number, those in seen)
    assert len(seen) > 1  # no part saw everybody
    assert rows(warehouse, "SELECT current_setting('search_path')") == [("",)]


def test_a_part_without_anybody_has_a_file(warehouse: Warehouse, tmp_path: Path) -> None:
    alone = "SELECT 1::BIGINT AS person_key, 'x' AS text, DATE '2026-01-01' AS day"
    warehouse.run_step(step(tmp_path, "alone", LAID_OUT, alone))
    files = warehouse.written("alone")
    found = [rows(warehouse, f"SELECT count(*) FROM read_parquet('{path}')")[0][0] for path in files]
    assert sorted(found) == [0, 0, 1]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in files)
    assert warehouse.types("alone") == {"person_key": "BIGINT", "text": "VARCHAR", "day": "DATE"}
    warehouse.drop("alone")
    assert not any(path.exists() for path in files)


def test_a_column_that_files_would_not_give_back_stays_in_memory(warehouse: Warehouse, tmp_path: Path) -> None:
    huge = "SELECT range AS person_key, range::HUGEINT AS a FROM range(9)"
    for parts in (LAID_OUT, COMPUTED):
        assert warehouse.run_step(step(tmp_path, "huge", parts, huge)) == 9
        assert warehouse.types("huge")["a"] == "HUGEINT"
        assert not list((warehouse.folder / "tables").iterdir())
        warehouse.drop("huge")


def test_a_step_that_fails_leaves_no_part_behind(warehouse: Warehouse, tmp_path: Path) -> None:
    warehouse.con.execute("CREATE TABLE told AS SELECT 1::BIGINT AS person_key")
    with pytest.raises(Exception, match="no such luck"):
        warehouse.run_step(step(tmp_path, "broken", COMPUTED, "SELECT error('no such luck') FROM told"))
    assert rows(warehouse, "SELECT count(*) FROM duckdb_schemas() WHERE schema_name = 'part'") == [(0,)]
    assert rows(warehouse, "SELECT current_setting('search_path')") == [("",)]


def test_what_nobody_understands_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="laid out"):
        step(tmp_path, "tried", "in two", "SELECT 1 AS person_key")


def test_who_is_laid_out_in_parts_has_a_reader_that_gains() -> None:
    steps = load_steps()
    gaining = {table for one in steps if one.parts == COMPUTED for table in one.reads}
    assert {one.name for one in steps if one.parts == LAID_OUT} <= gaining


def contents(home: Path, monkeypatch: pytest.MonkeyPatch, rows_of_a_part: int | None) -> dict[str, Any]:
    """Number of rows and their hash, whatever their order, of every table that a night of the samples makes."""
    found: dict[str, Any] = {}
    parted: set[str] = set()
    run_step = Warehouse.run_step

    def noting(self: Warehouse, one: Step) -> int:
        count = run_step(self, one)
        found[one.name] = rows(self, f"SELECT count(*), sum(hash(hash(t))) FROM {one.name} AS t")
        if len(self.written(one.name)) > 1:
            parted.add(one.name)
        return count

    with monkeypatch.context() as patch:
        patch.setattr(Warehouse, "run_step", noting)
        if rows_of_a_part:
            patch.setattr("canbao.engine.duckdb.MANY_ROWS", 0)
            patch.setattr("canbao.engine.duckdb.ROWS_OF_A_PART", rows_of_a_part)
        options = Options(landing=SAMPLES / "landing", home=home, as_of=date(2026, 3, 31), full=True)
        with open_night(options) as night:
            for stage in ("land", "stage", "check"):
                night.run_stage(stage)
            night.store_ = Anew(night.warehouse)
            night.run_stage("build")
    assert parted == ({one.name for one in load_steps() if one.parts} if rows_of_a_part else set())
    return found


def test_every_table_is_the_same_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = contents(tmp_path / "whole", monkeypatch, None)
    key = (tmp_path / "whole" / "key").read_bytes()
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "key").write_bytes(key)
    (tmp_path / "parts" / "key").chmod(0o600)
    parts = contents(tmp_path / "parts", monkeypatch, 2_000)
    assert [name for name in whole if whole[name] != parts[name]] == []
    assert [one.name for one in load_steps() if one.parts and not whole[one.name][0][0]] == []
