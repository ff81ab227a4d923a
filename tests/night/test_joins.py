"""A step's header may say that its joins are taken as they are written."""

from pathlib import Path

import pytest

from canbao.build import Step, load_steps, read_step
from canbao.engine.duckdb import Warehouse

HEAD = "-- title: 试 / a try\n-- grain: one row\n"
ASKED = "SELECT current_setting('disabled_optimizers') AS switched_off\n"


def step(tmp_path: Path, joins: str) -> Step:
    path = tmp_path / "tried.sql"
    path.write_text(HEAD + joins + ASKED, "utf-8")
    return read_step(path)


def asked(tmp_path: Path, joins: str) -> str:
    warehouse = Warehouse(tmp_path / "warehouse")
    try:
        assert warehouse.run_step(step(tmp_path, joins)) == 1
        (told,) = warehouse.con.execute("SELECT switched_off FROM tried").fetchall()[0]
        (after,) = warehouse.con.execute(ASKED).fetchall()[0]
        assert after == ""
        return str(told)
    finally:
        warehouse.close()


def test_joins_are_taken_as_written_where_the_step_says_so(tmp_path: Path) -> None:
    assert set(asked(tmp_path, "-- joins: as written\n").split(",")) == {"join_order", "build_side_probe_side"}


def test_else_the_engine_orders_them(tmp_path: Path) -> None:
    assert asked(tmp_path, "") == ""


def test_the_engine_orders_again_after_a_step_that_failed(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse")
    path = tmp_path / "broken.sql"
    path.write_text(HEAD + "-- joins: as written\nSELECT error('no')", "utf-8")
    try:
        with pytest.raises(Exception, match="no"):
            warehouse.run_step(read_step(path))
        assert warehouse.con.execute(ASKED).fetchall() == [("",)]
    finally:
        warehouse.close()


def test_what_nobody_understands_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="as written"):
        step(tmp_path, "-- joins: by luck\n")


def test_some_steps_say_so() -> None:
    assert {one.name for one in load_steps() if one.joins_as_written} >= {"identifier", "anomaly", "number_source"}
