"""A county that is missing from the population file for a night: it leaves and comes back as source data, not by moves."""

from pathlib import Path

import polars as pl

from tests.story import Story

COUNTY = "500104"


def test_a_county_leaves_and_comes_back_under_source_data(tmp_path: Path) -> None:
    story = Story(tmp_path, persons=900, seed=11)
    quick = {"great_expectations": False, "reports": False}
    story.run(**quick)
    whole = story.frame("population")
    lost = whole.filter(pl.col("resd_code").str.starts_with(COUNTY))
    assert lost.height > 60
    causes = {}
    for name, rows, more in (
        ("leave", whole.join(lost, on="certno", how="anti"), {"accepts": {"row_fall.population": "已核实"}}),
        ("return", whole, {}),
    ):
        story.next_day(population=rows)
        night = story.run(**quick, **more)
        assert night.published is not None
        change = pl.read_parquet(night.published / "change.parquet")
        side = "household_was" if name == "leave" else "household_is"
        here = change.filter(pl.col(side).str.starts_with(COUNTY))
        causes[name] = {row[0]: row[1] for row in here["cause"].value_counts().iter_rows()}
    # besides the county's own people: the two who pay every day, and staff months that come or do not
    for name, found in causes.items():
        assert found["source_data"] > 0.9 * lost.height, name
        assert "move" not in found, name
        assert found["source_data"] >= 0.97 * sum(found.values()), (name, found)


def test_a_dissolved_county_delivered_under_its_new_code_stops_no_night(tmp_path: Path) -> None:
    story = Story(tmp_path, persons=900, seed=11)
    quick = {"great_expectations": False, "reports": False}
    story.run(**quick)
    new, today = "500190", (story.day + story.day.resolution).isoformat()
    division = story.frame("division")
    old = pl.col("division_code").str.starts_with(COUNTY)
    moved = pl.lit(new) + pl.col("division_code").str.slice(6)
    ended = division.with_columns(
        pl.when(old).then(pl.lit(today)).otherwise(pl.col("valid_to")).alias("valid_to"),
        pl.when(old).then(moved).otherwise(pl.col("successor_code")).alias("successor_code"),
    )
    begun = division.filter(old).with_columns(
        moved.alias("division_code"),
        pl.col("parent_code").str.replace(f"^{COUNTY}", new),
        pl.lit(today).alias("valid_from"),
    )
    population = story.frame("population")
    assert population.filter(pl.col("resd_code").str.starts_with(COUNTY)).height > 60
    story.next_day(
        division=pl.concat([ended, begun]),
        population=population.with_columns(pl.col("resd_code", "live_code").str.replace(f"^{COUNTY}", new)),
    )
    night = story.run(**quick)
    assert night.published is not None
    ledger = pl.read_parquet(night.published / "ledger.parquet").filter(
        pl.col("basis") == "household", pl.col("measure") == "registered", pl.col("division_code") == f"{new}000000"
    )
    assert ledger["value"].item() > 60
    change = pl.read_parquet(night.published / "change.parquet")
    assert set(change["cause"]) <= {"payment", "division_change"}
