"""Which publication a night is compared with."""

import json
from datetime import date
from pathlib import Path

import pytest

from canbao.home import Home
from canbao.previous import previous_publication


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    for day, run, year in [
        ("2026-01-10", "a", 2026),
        ("2026-01-11", "b", 2026),
        ("2026-01-11", "c", 2026),
        ("2026-01-12", "d", 2025),
        ("2026-01-13", "e", 2026),
    ]:
        folder = home.published / day / run
        folder.mkdir(parents=True)
        manifest = {"insured_year": year, "jurisdiction": "chongqing"}
        (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return home


@pytest.mark.parametrize(
    ("day", "year", "expected"),
    [
        (date(2026, 1, 14), 2026, "2026-01-13/e"),
        (date(2026, 1, 13), 2026, "2026-01-11/c"),  # the day again: not the run of the same day; the last one before
        (date(2026, 1, 11), 2026, "2026-01-10/a"),
        (date(2026, 1, 10), 2026, None),
        (date(2026, 1, 14), 2025, "2026-01-12/d"),
        (date(2026, 1, 14), 2024, None),
    ],
)
def test_the_newest_of_an_earlier_day_and_the_same_insured_year(
    home: Home, day: date, year: int, expected: str | None
) -> None:
    found = previous_publication(home, day, year, "chongqing")
    assert (found and f"{found.parent.name}/{found.name}") == expected


def test_another_jurisdiction_is_no_past(home: Home) -> None:
    assert previous_publication(home, date(2026, 1, 14), 2026, "sichuan") is None
