"""`canbao bench`: what is told of a run, and how two runs are compared."""

from pathlib import Path

import pytest
from bench.peers import with_duckdb, with_pandas, with_polars

from canbao.bench import compared, slowest
from canbao.cli import main

FIGURES = {
    "floor_seconds": 10.0, "night_seconds": 100.0, "ratio": 10.0, "night_peak_mb": 3000, "bytes_published": 5,
    "timings": [
        {"stage": "build", "step": None, "seconds": 60.0, "rows": 9},
        {"stage": "build", "step": "person", "seconds": 40.0, "rows": 4_000_000},
        {"stage": "build", "step": "coverage", "seconds": 20.0, "rows": None},
        {"stage": "publish", "step": "workbooks", "seconds": 30.0, "rows": 0},
    ],
}  # fmt: skip


def test_the_slowest_steps_stand_first_with_share_and_speed():
    lines = slowest(FIGURES)
    assert [line.split()[:2] for line in lines[1:]] == [
        ["build", "person"], ["publish", "workbooks"], ["build", "coverage"],
    ]  # fmt: skip
    assert lines[1].split()[2:] == ["40.00", "40.0%", "100,000"]


def test_runs_are_compared_in_floors():
    """A machine twice as slow changes nothing; a step twice as slow does, and one that is new."""
    slower = {
        **FIGURES,
        "floor_seconds": 20.0,
        "night_seconds": 200.0,
        "timings": [{**entry, "seconds": 2 * entry["seconds"]} for entry in FIGURES["timings"]],
    }
    assert not any("in floors" in line for line in compared(FIGURES, slower))
    worse = {**FIGURES, "timings": [*FIGURES["timings"], {"stage": "build", "step": "new", "seconds": 5.0, "rows": 1}]}
    worse["timings"][1] = {**worse["timings"][1], "seconds": 80.0}
    told = compared(FIGURES, worse)
    assert told[-1].split() == ["build", "person", "4.00", "8.00", "+4.00"]
    assert told[-2].split() == ["build", "new", "0.00", "0.50", "+0.50"]


@pytest.mark.parametrize("text", ["", "[]", "{}", None])
def test_a_file_that_holds_no_figures_is_refused_before_anything_runs(tmp_path, capsys, text):
    file = tmp_path / "earlier.json"
    if text is not None:
        file.write_text(text)
    assert main(["bench", "--persons", "10", "--home", str(tmp_path / "bench"), "--compare", str(file)]) == 2
    assert "--compare" in capsys.readouterr().err
    assert not (tmp_path / "bench").exists()


def test_the_engines_that_are_compared_do_the_same_job(tmp_path):
    landing = Path("data_samples/landing")
    found = with_polars.core(landing)
    assert with_pandas.core(landing) == found == with_duckdb.core(landing, tmp_path)
    people, uninsured, duplicates = max(values for (level, _), values in found.items() if level == 2)
    assert people > 5000 and 0 < uninsured < people and 0 < duplicates < people
