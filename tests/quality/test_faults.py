"""Faults put into a clean city, and the checks that catch them: each by the one meant for it, and by no wrong one."""

import copy
import json
import shutil
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest

from canbao.errors import Blocked
from tests.story import Story

NIGHTS = 6
"""Clean nights before the fault: as many as the measures need to know what is usual."""

REPAIRS = 60
"""Payments a day that count nothing (type 32), so that a day's file of the tax bureau is more than a few rows."""


def _repairs(story: Story) -> pl.DataFrame:
    """New rows of `tax_payment` that repair a lapsed year: no relation, no status and no ledger cell depends on them."""
    number = (story.day - story.start).days + 1
    rows = story.delivered("tax_payment").filter((pl.col("insutype") == "390") & (pl.col("pay_type") == "10"))
    return rows.sort("pay_id").slice(number * REPAIRS, REPAIRS).with_columns(
        pl.format(f"38{number:04}{{}}", pl.int_range(pl.len()).cast(pl.String).str.zfill(9)).alias("pay_id"),
        pl.lit("32").alias("pay_type"),
        pl.lit((story.day + timedelta(days=1)).isoformat()).alias("paid_date"),
    )  # fmt: skip


def _next(story: Story, **edits: pl.DataFrame) -> None:
    story.next_day(tax_payment=_repairs(story), **edits)


def _file(story: Story, source: str) -> Path:
    return story.landing / source / story.day.isoformat() / "part-1.csv"


def _clean(story: Story) -> None:
    _next(story)


def _county_missing(story: Story) -> None:
    population = story.frame("population")
    _next(story, population=population.filter(~pl.col("resd_code").str.starts_with("500104")))


def _old_file(story: Story) -> None:
    _next(story)
    shutil.copy(story.landing / "population" / story.start.isoformat() / "part-1.csv", _file(story, "population"))


def _births_shifted(story: Story) -> None:
    shifted = pl.col("brdy").str.to_date().dt.offset_by("-1y").dt.to_string("%Y-%m-%d")
    tenth = pl.int_range(pl.len()) % 10 == 0
    population = story.frame("population").with_columns(pl.when(tenth).then(shifted).otherwise(pl.col("brdy")))
    _next(story, population=population)


def _tiers_swapped(story: Story) -> None:
    _next(story, enrollment=story.frame("enrollment").with_columns(pl.col("tier").replace({"1": "2", "2": "1"})))


def _status_swapped(story: Story) -> None:
    swapped = pl.col("psn_insu_stas").replace({"1": "4", "4": "1"})
    _next(story, enrollment=story.frame("enrollment").with_columns(swapped))


def _status_unknown(story: Story) -> None:
    """The stopped relations under a code that no table has."""
    _next(story, enrollment=story.frame("enrollment").with_columns(pl.col("psn_insu_stas").replace({"4": "9"})))


def _cut(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[: len(lines) // 2]), encoding="utf-8")


def _tax_cut(story: Story) -> None:
    _next(story)
    _cut(_file(story, "tax_payment"))


def _tax_past_cut(story: Story) -> None:
    """Not tonight's file but the large one of the first night is there only in half."""
    _next(story)
    _cut(story.landing / "tax_payment" / story.start.isoformat() / "part-1.csv")


def _damaged(story: Story, share: int) -> None:
    chosen = pl.int_range(pl.len()) % 100 < share
    spoilt = pl.col("certno").str.slice(0, 6).str.replace(r"^(\d)(\d{5})$", "$1.${2}E+17")
    number = pl.when(chosen).then(spoilt).otherwise(pl.col("certno"))
    _next(story)
    story.deliver("population", story.frame("population").with_columns(number), stands=False)


def _still_written(story: Story) -> None:
    """The police's transfer is half done when the night begins."""
    _next(story)
    _cut(_file(story, "population"))
    _file(story, "population").rename(_file(story, "population").with_suffix(".csv.part"))


class Fault(NamedTuple):
    """A fault.

    Attributes:
        put: Lets a day go by with the fault in it.
        caught: The checks meant for it.
        follows: Checks that rightly fail besides, because the figures are wrong too.
    """

    put: Callable[[Story], None]
    caught: frozenset[str]
    follows: frozenset[str] = frozenset()


FIGURES_MOVE = ("ledger.sudden_insured", "ledger.sudden_uninsured", "ledger.sudden_duplicate_persons")
"""Half the payments or all statuses wrong: the ledger's figures jump, and that is said too."""


def _fault(put: Callable[[Story], None], *caught: str, follows: Iterable[str] = ()) -> Fault:
    return Fault(put, frozenset(caught), frozenset(follows))


FAULTS = {
    "nothing": _fault(_clean),
    "a county is missing from the population file": _fault(_county_missing, "row_fall.population"),
    "an old file under a new date": _fault(_old_file, "population.same_again"),
    "birth dates of a tenth are shifted": _fault(_births_shifted, "population.brdy_not_in_number"),
    "the codes of the tiers are swapped": _fault(_tiers_swapped, "enrollment.drift_tier"),
    "normal and terminated are swapped": _fault(
        _status_swapped,
        "enrollment.drift_psn_insu_stas",
        # what is normal now has the end dates of what was terminated, and the other way round
        follows=(*FIGURES_MOVE, "enrollment.normal_with_end", "enrollment.stopped_without_end"),
    ),
    "a status has a code of another table": _fault(_status_unknown, "enrollment.codes_psn_insu_stas"),
    "tonight's tax file is cut in half": _fault(_tax_cut, "tax_payment.delivery_small"),
    "an earlier tax file is cut in half": _fault(_tax_past_cut, "tax_payment.total_fallen", follows=FIGURES_MOVE),
    "two in a hundred numbers are damaged": _fault(lambda s: _damaged(s, 2), "population.damaged_number"),
    "twenty in a hundred numbers are damaged": _fault(
        # the rows that are rejected are missing as well
        lambda s: _damaged(s, 20),
        "rejected_share.population",
        follows=("row_fall.population",),
    ),
    "a file is still being written": _fault(_still_written, "growing.population"),
}


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """The city after its clean nights."""
    story = Story(tmp_path_factory.mktemp("usual"))
    story.run(great_expectations=False, reports=False)
    for _ in range(NIGHTS - 1):
        _next(story)
        story.run(great_expectations=False, reports=False)
    return story


def _copied(story: Story, folder: Path) -> Story:
    twin = copy.deepcopy(story)
    twin.landing, twin.home = folder / "landing", folder / "home"
    shutil.copytree(story.landing, twin.landing)
    shutil.copytree(story.home, twin.home, symlinks=True)
    return twin


def failing(story: Story, *, great_expectations: bool = False) -> set[str]:
    """Checks of tonight that did not pass and are more than information."""
    try:
        night = story.run(great_expectations=great_expectations, reports=False)
    except Blocked:
        records = (json.loads(path.read_text()) for path in (story.home / "runs").glob("*.json"))
        newest = max(records, key=lambda record: record["started"] if record["state"] == "blocked" else "")
        return set(newest["failing_checks"])
    return {check.check_id for check in night.checks if check.passed is not True and check.severity != "info"}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_caught_by_the_check_meant_for_it(name: str, usual: Story, tmp_path: Path) -> None:
    story = _copied(usual, tmp_path)
    fault = FAULTS[name]
    fault.put(story)
    assert failing(story) == fault.caught | fault.follows
