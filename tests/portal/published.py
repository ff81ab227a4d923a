"""A home with two nights of a small city in it, made once: people of every kind, and changes between the nights."""

import shutil
from pathlib import Path

import polars as pl

import tests.story
from canbao.home import Home
from tests.story import Story

DISTRICT, OTHER_DISTRICT = "500103000000", "500104000000"


def make_home(folder: Path) -> Path:
    """Run both nights.

    Between them two people pay, one dies, one moves to another village of the township, one to another district, and
    one of the insured is no longer on record.
    """
    odd, tests.story.ODD_LIVES = tests.story.ODD_LIVES, ()  # the odd ones are what the pages are for
    try:
        story = Story(folder, persons=1500)
    finally:
        tests.story.ODD_LIVES = odd
    story.run(great_expectations=False)
    story.next_day()  # its payers pay; the rest happens on the next day
    people = story.frame("population")
    waiting = [number for number in story.uninsured() if people.filter(pl.col("certno") == number).height == 1]
    home_of = {row["certno"]: row for row in people.iter_rows(named=True)}
    settled = [
        number
        for number in waiting[4:]
        if home_of[number]["resd_code"] == home_of[number]["live_code"]
        and home_of[number]["resd_code"].startswith(DISTRICT[:6])
        and not home_of[number]["resd_code"].endswith("000")
    ]
    dies, moves, leaves = settled[0], settled[1], settled[2]
    town = home_of[moves]["resd_code"][:9]
    villages = sorted({row["resd_code"] for row in home_of.values() if row["resd_code"].startswith(town)})
    near = next(code for code in villages if code not in (home_of[moves]["resd_code"], f"{town}000"))
    far = min(
        row["resd_code"]
        for row in home_of.values()
        if row["resd_code"].startswith(OTHER_DISTRICT[:6]) and not row["resd_code"].endswith("000")
    )
    for number, code in ((moves, near), (leaves, far)):
        people = people.with_columns(
            pl.when(pl.col("certno") == number).then(pl.lit(code)).otherwise(pl.col(name)).alias(name)
            for name in ("resd_code", "live_code")
        )
    people = people.with_columns(
        pl.when(pl.col("certno") == dies).then(pl.lit("4")).otherwise(pl.col("resd_status")).alias("resd_status")
    )
    story.next_day(population=people)
    story.run(great_expectations=False)
    return story.home


def link_home(source: Path, target: Path, *, current: str = "") -> Path:
    """A home of its own with the same publications, without copying them.

    Args:
        source: A home that nobody writes to.
        target: The new one.
        current: `<as_of>/<run_id>` that `current` points to; the source's own by default.
    """
    for publication in Home(source).publications():
        shutil.copytree(
            publication, target / "published" / publication.parent.name / publication.name, copy_function=_link
        )
    shutil.copytree(source / "runs", target / "runs", dirs_exist_ok=True)
    (target / "published" / "current").symlink_to(current or (source / "published" / "current").readlink())
    return target


def make_current(home: Path, name: str) -> None:
    """Move `current` as a night does."""
    link = home / "published" / ".tmp-current"
    link.symlink_to(name)
    link.replace(home / "published" / "current")


def _link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)
