"""A night of 200,000 people on Spark publishes what DuckDB publishes. Needs `make setup-spark`."""

from datetime import date
from pathlib import Path

import pytest

from canbao.engine.spark import missing
from canbao.generate import generate
from tests.spark.compare import differences
from tests.spark.nights import night

if missing():
    raise RuntimeError("pyspark or Java is missing: make setup-spark")


@pytest.mark.slow
def test_200_000_people_are_the_same_on_both(tmp_path: Path) -> None:
    """Its rows: the pages and suites that are made of them are compared on the sample."""
    generate(tmp_path / "city", 200_000, 7, date(2026, 3, 31))
    landing = tmp_path / "city" / "landing"
    of_duckdb, of_spark = (
        night(landing, tmp_path / name, date(2026, 3, 31), name, bare=True) for name in ("duckdb", "spark")
    )
    assert differences(of_duckdb, of_spark) == {}
