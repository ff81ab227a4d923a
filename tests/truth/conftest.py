"""A few thousand made-up lives for each of two as-of dates, through intake and all steps once."""

import hashlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from canbao.generate import generate
from tests.in_process import KEY, Built, built

PERSONS = 6_000
NIGHTS = {
    "after_the_window": (date(2026, 3, 31), 20260331),
    "inside_the_window": (date(2025, 12, 20), 20251220),
}
"""As-of date and seed: the insured year has begun, or is still ahead (prospective duplicates, refunds before it)."""


class Compared:
    """The truth's tables, the pipeline's tables, and people by their first number.

    The pipeline's people are in the view `numbered_person`: `person_identity` with the first number that the truth has for
    the person id; somebody whom the truth does not know has the id in its place.
    """

    def __init__(self, night: Built, truth: Path) -> None:
        self.night = night
        self.year_has_begun: bool = night.rows("SELECT as_of >= year_begn FROM run")[0][0]
        self.truth_folder = truth
        self.people = self.truth("person").rename({"certno": "true_certno"})
        self.life = dict(self.people.select("first_number", "life").iter_rows())
        secret = KEY.hex()
        known = self.people.select(
            pl.col("first_number")
            .map_elements(lambda number: hashlib.sha256(f"{secret}{number}".encode()).hexdigest()[:32], pl.String)
            .alias("person_id"),
            "first_number",
        )
        con = night.warehouse.con
        con.register("loading", known.to_arrow())
        con.execute("CREATE TABLE true_number AS FROM loading")
        con.unregister("loading")
        con.execute(
            "CREATE VIEW numbered_person AS SELECT i.*, coalesce(n.first_number, i.person_id) AS first_number "
            "FROM person_identity AS i LEFT JOIN true_number AS n USING (person_id)"
        )

    def truth(self, table: str) -> pl.DataFrame:
        """A table of the truth."""
        return pl.read_parquet(self.truth_folder / f"{table}.parquet")

    def built(self, query: str) -> pl.DataFrame:
        """Rows of the pipeline."""
        return self.night.warehouse.con.execute(query).pl()

    def none(self, wrong: pl.DataFrame, *columns: str) -> None:
        """Fails where there are differences, with the lives they concern: names of lives, no numbers of people."""
        if wrong.height:
            pytest.fail(self._by_life(wrong, *columns), pytrace=False)

    def _by_life(self, wrong: pl.DataFrame, *columns: str) -> str:
        known = wrong.with_columns(
            pl.col("first_number").replace_strict(self.life, default="(unknown)", return_dtype=pl.String).alias("life")
        )
        counted = known.group_by("life", *columns).len("people").sort("people", "life", descending=[True, False])
        lines = [
            f"{row['people']:>6} x {row['life']}: " + ", ".join(f"{name}={row[name]}" for name in columns)
            for row in counted.head(40).iter_rows(named=True)
        ]
        return "\n".join([f"{wrong.height} differences", *lines])


@pytest.fixture(scope="package", params=sorted(NIGHTS))
def compared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compared]:
    """The truth and the result of one night; each night is built once."""
    as_of, seed = NIGHTS[request.param]
    place: Path = tmp_path_factory.mktemp(request.param)
    generate(place / "made", PERSONS, seed, as_of)
    with built(place / "made" / "landing", place, as_of) as night:
        yield Compared(night, place / "made" / "truth")


def differing(frame: pl.DataFrame, columns: list[str], suffix: str = "_built") -> pl.DataFrame:
    """Rows in which the truth and the result differ, with the first column that does (`differs`)."""
    marks = [
        pl.when(~pl.col(name).eq_missing(pl.col(name + suffix))).then(
            pl.format(
                "{}: {} -> {}",
                pl.lit(name),
                pl.col(name).cast(pl.String).fill_null("null"),
                pl.col(name + suffix).cast(pl.String).fill_null("null"),
            )
        )
        for name in columns
    ]
    return frame.with_columns(pl.coalesce(marks).alias("differs")).filter(pl.col("differs").is_not_null())
