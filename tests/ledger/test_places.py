"""Contract 3.6: where somebody counts whose codes are short, unknown, out of use or missing."""

from collections.abc import Iterator

import pytest

from tests.contract.landing import (
    AS_OF,
    CITY,
    DISTRICT,
    DISTRICT_C,
    OUTSIDE,
    TOWN,
    TOWN_B,
    VILLAGE,
    VILLAGE_2,
    VILLAGE_B,
    VILLAGE_C,
    City,
)
from tests.in_process import built
from tests.ledger.test_properties import Ledger, check_completeness, check_identities, check_sums

OLD_TOWN, OLD_VILLAGE, COMING = "500102009000", "500102009001", "500101001009"

PLACES: dict[str, tuple[str | None, str | None, str | None, str | None]] = {
    # name: resd_code, live_code, where it counts on the household basis, on the residence basis
    "both": (VILLAGE, VILLAGE, VILLAGE, VILLAGE),
    "12 digits, other district": (VILLAGE, VILLAGE_C, VILLAGE, VILLAGE_C),
    "9 digits": (TOWN[:9], VILLAGE_B, f"{TOWN}-", VILLAGE_B),
    "6 digits": (VILLAGE, DISTRICT_C[:6], VILLAGE, f"{DISTRICT_C}-"),
    "12 digits of a township": (TOWN_B, TOWN_B, f"{TOWN_B}-", f"{TOWN_B}-"),
    "unknown village": ("500101001999", VILLAGE, f"{TOWN}-", VILLAGE),
    "unknown township": ("500101999001", VILLAGE, f"{DISTRICT}-", VILLAGE),
    "unknown district": ("500199001001", "500199", f"{CITY}-", f"{CITY}-"),
    "residence unknown": (VILLAGE, None, VILLAGE, f"{CITY}-"),
    "lives outside": (VILLAGE, OUTSIDE, VILLAGE, None),
    "registered outside": (OUTSIDE, VILLAGE_2, None, VILLAGE_2),
    "registered nowhere, lives nowhere": (None, None, None, None),
    "village out of use": (OLD_VILLAGE, OLD_VILLAGE, VILLAGE_C, VILLAGE_C),
    "village of tomorrow": (COMING, VILLAGE, f"{TOWN}-", VILLAGE),
    "moved away": (VILLAGE, VILLAGE, VILLAGE, VILLAGE),
}


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    place = tmp_path_factory.mktemp("places")
    city = City()
    city.add("division", division_code=OLD_TOWN, division_name="旧镇", level=3, parent_code=DISTRICT_C,
             valid_to="2025-11-06", successor_code="500102001000")  # fmt: skip
    city.add("division", division_code=OLD_VILLAGE, division_name="旧村", level=4, parent_code=OLD_TOWN,
             valid_to="2025-11-06", successor_code=VILLAGE_C)  # fmt: skip
    city.add("division", division_code=COMING, division_name="新村", level=4, parent_code=TOWN, valid_from="2026-04-01")
    for name, (resd, live, _, _) in PLACES.items():
        city.person(name, resd_code=resd, live_code=live, resd_status="2" if name == "moved away" else "1")
    with built(city.write(place / "landing"), place, AS_OF, tables=["ledger"]) as night:
        yield Ledger(night)


def test_it_adds_up(ledger: Ledger) -> None:
    check_identities(ledger)
    check_sums(ledger)
    check_completeness(ledger)


def test_a_division_out_of_use_has_no_row(ledger: Ledger) -> None:
    codes = {code.removesuffix("-") for _, _, code in ledger.cells}
    assert not codes & {OLD_TOWN, OLD_VILLAGE, COMING}


@pytest.mark.parametrize("basis", ["household", "residence"])
def test_where_everybody_counts(ledger: Ledger, basis: str) -> None:
    place = 2 if basis == "household" else 3
    found = {
        code: cell["should_be_insured"] + cell["excluded"] + cell["out_of_scope"]
        for (of, level, code), cell in ledger.cells.items()
        if of == basis and (level == 4 or code.endswith("-"))
    }
    expected: dict[str, int] = dict.fromkeys(found, 0)
    for name in PLACES:
        where = PLACES[name][place]
        if where is not None:
            expected[where] += 1
    # the row of a parent's unplaced people counts at one level, and as 未落地 of their parent row below it
    assert {code: value for code, value in found.items() if value} == {
        code: value for code, value in expected.items() if value
    }


def test_the_totals_of_the_city(ledger: Ledger) -> None:
    registered = [name for name, place in PLACES.items() if place[0] and place[0] != OUTSIDE]
    assert ledger.value("household", CITY, "registered") == len(registered)
    resident = [name for name, place in PLACES.items() if place[1] and place[1] != OUTSIDE]
    assert ledger.value("residence", CITY, "resident") == len(resident)
    assert ledger.value("household", VILLAGE, "excluded_moved") == 1


def test_present_and_absent(ledger: Ledger) -> None:
    """户在人在, 户在人不在 by registration; 人户在不 by residence."""
    city = ledger.cells["household", 1, CITY]
    assert city["registered_present"] + city["registered_absent"] <= city["registered"]
    assert ledger.value("residence", VILLAGE_2, "present_unregistered") == 1
    assert ledger.value("household", VILLAGE, "registered_absent") >= 2
