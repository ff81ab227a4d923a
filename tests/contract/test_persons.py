"""Contract 3.1: who is a person, and what their id is."""

import hashlib
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.contract.landing import AS_OF, CITY, VILLAGE, VILLAGE_B, City, fifteen, number, wrong
from tests.in_process import KEY, Built, built

TABLES = ["person", "merge_candidate"]


def made_city() -> City:
    city = City()
    city.person("plain")
    # used-to-be numbers
    city.person("renumbered", old_certno=city.number("renumbered before"))
    city.person("thrice", old_certno=city.number("thrice 2"))
    city.add("population", certno=city.number("thrice 2"), old_certno=city.number("thrice 1"), resd_status="3")
    city.person("loop a", old_certno=city.number("loop b"))
    city.person("loop b", old_certno=city.number("loop a"))
    # 15 digits here, 18 there; 15 only
    city.person("both forms")
    city.relation("both forms", "R-15", certno=fifteen(city.number("both forms")))
    city.add("population", certno=fifteen(city.number("old form", "1955-03-04")))
    city.person("was fifteen", old_certno=fifteen(city.number("was fifteen")))
    # spellings
    city.add("population", certno=spaced(city.number("spelled")))
    # forms
    city.add("population", certno=wrong(city.number("miscounted")))
    city.add("population", certno="99000119900231123" + "4", psn_name="无此日")
    city.add("population", certno="ABC123", psn_name="怪号")
    city.add("population", certno="H12345678", psn_cert_type="04", psn_name="港客")
    city.add("population", certno=number("taiwan", area="83"), psn_cert_type="17", psn_name="台客")
    city.add("population", certno=number("old chongqing", area="51"), psn_name="老渝")
    # births
    city.add("birth", "2026-01-20", birth_cert_no="Z900000001")
    city.add("birth", "2026-01-20", birth_cert_no="Z900000002")
    city.add("birth", "2026-02-20", birth_cert_no="Z900000002", certno=city.number("late number", "2026-01-15"))
    city.person("late number", born="2026-01-15", live_code=VILLAGE_B)
    city.add("birth", "2026-01-20", birth_cert_no="Z900000003", certno=city.number("early number", "2026-01-15"))
    city.add("enrollment", certno="Z900000003", psn_insu_rlts_id="R-Z3", psn_cert_type="99")
    city.person("mother", household_no="H77")
    city.add(
        "birth", birth_cert_no="Z900000004", mother_certno=city.number("mother"), father_certno=number("only a father"),
        live_code=VILLAGE_B,
    )  # fmt: skip
    city.add("birth", birth_cert_no="Z900000005", certno=city.number("mother"), mother_certno=city.number("mother"))
    # numbers that make nobody
    city.pay("plain", "P1", payer_certno=number("only a payer"))
    city.relation("plain", "R-P", guardian_certno=number("only a guardian"))
    city.add("vaccination", certno=None, guardian_certno=number("only a vaccination guardian"))
    # numbers of small sources
    for source in ("death", "student", "employment", "aid_recipient", "veteran", "custody", "annual_claim"):
        city.add(source, certno=city.number(f"only {source}"))
    city.add("enrollment_history", certno=city.number("only enrollment_history"), insu_year=2020)
    city.add("grid_feedback", certno=city.number("only grid_feedback"))
    city.add("vaccination", certno=city.number("only vaccination"))
    city.relation("only elsewhere", "R-E", away=True)
    city.pay("only payment", "P2")
    # two personal numbers
    city.person("two numbers")
    city.relation("two numbers", "R-N1", psn_no="1001")
    city.relation("two numbers", "R-N2", psn_no="1002", psn_insu_stas="4")
    return city


def spaced(number18: str) -> str:
    """As offices type it: a leading apostrophe, full-width digits, blanks, a small x."""
    wide = number18[:6].translate({ord(str(digit)): 0xFF10 + digit for digit in range(10)})
    return f"'{wide} {number18[6:14]}\u3000{number18[14:].lower()}"


class Night:
    """The persons of the city by id."""

    def __init__(self, night: Built, city: City) -> None:
        self.night, self.city = night, city
        self.persons = {row["person_id"]: row for row in night.dicts("SELECT * FROM person")}

    def id_of(self, first_number: str) -> str:
        return hashlib.sha256(KEY.hex().encode() + first_number.encode()).hexdigest()[:32]

    def find(self, certno: str) -> dict[str, Any]:
        """The one person with this number in force."""
        found = [row for row in self.persons.values() if row["certno"] == certno]
        assert len(found) == 1, f"{len(found)} persons"
        return found[0]

    def named(self, name: str) -> dict[str, Any]:
        return self.find(self.city.numbers[name])

    def merges(self, person_id: str) -> set[tuple[str, str, str]]:
        rows = self.night.rows("SELECT psn_no_a, psn_no_b, why FROM merge_candidate WHERE person_id = ?", [person_id])
        return set(rows)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    place = tmp_path_factory.mktemp("persons")
    city = made_city()
    with built(city.write(place / "landing"), place, AS_OF, tables=TABLES) as done:
        yield Night(done, city)


def test_ids_hide_the_number(night: Night) -> None:
    assert all(re.fullmatch("[0-9a-f]{32}", person_id) for person_id in night.persons)
    certno = night.city.numbers["plain"]
    unkeyed = {hashlib.sha256(certno.encode()).hexdigest()[:32], hashlib.md5(certno.encode()).hexdigest()}  # noqa: S324
    assert night.named("plain")["person_id"] not in unkeyed


def test_the_first_number_is_hashed(night: Night) -> None:
    numbers = night.city.numbers
    assert night.named("plain")["person_id"] == night.id_of(numbers["plain"])
    assert night.named("renumbered")["person_id"] == night.id_of(numbers["renumbered before"])
    assert night.named("thrice")["person_id"] == night.id_of(numbers["thrice 1"])
    assert night.named("both forms")["person_id"] == night.id_of(numbers["both forms"])
    assert night.named("old form")["person_id"] == night.id_of(numbers["old form"])
    assert night.named("was fifteen")["person_id"] == night.id_of(numbers["was fifteen"])
    assert night.named("late number")["person_id"] == night.id_of("Z900000002")
    assert night.named("early number")["person_id"] == night.id_of(numbers["early number"])
    assert night.id_of("Z900000001") in night.persons


def test_numbers_that_name_each_other_stay_two_people(night: Night) -> None:
    assert night.named("loop a")["person_id"] != night.named("loop b")["person_id"]


def test_used_to_be_numbers_are_kept(night: Night) -> None:
    numbers = night.city.numbers
    assert night.named("renumbered")["other_certnos"] == [numbers["renumbered before"]]
    assert night.named("thrice")["other_certnos"] == sorted([numbers["thrice 1"], numbers["thrice 2"]])
    assert night.named("both forms")["other_certnos"] == [fifteen(numbers["both forms"])]
    assert night.named("plain")["other_certnos"] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("plain", "ok"), ("spelled", "ok"), ("both forms", "ok"), ("old form", "derived_18"), ("late number", "ok"),
        ("early number", "ok"),
    ],
)  # fmt: skip
def test_cert_check(night: Night, name: str, value: str) -> None:
    assert night.named(name)["cert_check"] == value


def test_cert_check_of_other_forms(night: Night) -> None:
    checks = {row["certno"]: row["cert_check"] for row in night.persons.values()}
    assert checks[wrong(night.city.numbers["miscounted"])] == "bad_check"
    assert checks["990001199002311234"] == "bad_format"
    assert checks["ABC123"] == "bad_format"
    assert checks["H12345678"] == "other_type"
    assert checks[number("taiwan", area="83")] == "ok"
    assert checks[number("old chongqing", area="51")] == "ok"
    assert night.persons[night.id_of("Z900000001")]["cert_check"] == "temporary"


def test_a_child_known_from_birth_has_its_mothers_home(night: Night) -> None:
    child = night.persons[night.id_of("Z900000004")]
    mother = night.named("mother")
    assert (child["resd_code"], child["household_no"]) == (mother["resd_code"], "H77") == (VILLAGE, "H77")
    assert child["live_code"] == VILLAGE_B
    assert not child["in_population"]
    assert child["brdy"] == date(2026, 1, 15)


def test_a_mothers_number_is_not_her_childs(night: Night) -> None:
    assert night.id_of("Z900000005") in night.persons
    assert night.named("mother")["brdy"] == date(1990, 1, 1)


def test_a_birth_certificates_number_elsewhere_is_the_same_child(night: Night) -> None:
    assert night.id_of("Z900000003") not in night.persons
    assert "enrollment" in night.named("early number")["sources"]


def test_numbers_of_others_make_nobody(night: Night) -> None:
    for name in ("only a payer", "only a father", "only a guardian", "only a vaccination guardian"):
        assert not [row for row in night.persons.values() if row["certno"] == number(name)], name


def test_every_source_makes_persons(night: Night) -> None:
    for name in night.city.numbers:
        if name.startswith("only "):
            source = {"only elsewhere": "enrollment_elsewhere", "only payment": "tax_payment"}.get(name, name[5:])
            assert night.named(name)["sources"] == [source], name
    assert night.named("plain")["sources"] == ["enrollment", "population", "tax_payment"]


def test_merge_candidates(night: Night) -> None:
    numbers = night.city.numbers
    found = night.merges(night.named("two numbers")["person_id"])
    assert {(a, b) for a, b, _ in found} == {("1001", "1002")}
    both = sorted([numbers["both forms"], fifteen(numbers["both forms"])])
    assert {(a, b) for a, b, _ in night.merges(night.named("both forms")["person_id"])} == {(both[0], both[1])}
    assert not night.merges(night.named("plain")["person_id"])


def test_the_same_every_night(tmp_path: Path) -> None:
    """A child before and after it got a number, one whose number was corrected, 15 digits before and after 18, by key."""

    def ids(step: int, day: date, key: bytes = KEY) -> dict[str, str]:
        city = City()
        old, young, moved = number("old", "1950-05-05"), number("young", "2026-01-15"), number("moved")
        right = number("corrected", "2026-01-15")
        wrong = right[:-1] + ("1" if right[-1] != "1" else "2")
        city.add("birth", "2026-01-20", birth_cert_no="Z900000009", psn_name="婴试")
        city.add("birth", "2026-01-20", birth_cert_no="Z900000008", psn_name="更试")
        for day_no, certno in enumerate([wrong, right][:step]):
            city.add("birth", f"2026-02-1{day_no}", birth_cert_no="Z900000008", certno=certno, psn_name="更试")
        if step == 0:
            city.add("population", certno=fifteen(old), psn_name="老试")
            city.add("population", certno=moved, psn_name="改试")
        else:
            city.add("birth", "2026-02-20", birth_cert_no="Z900000009", certno=young, psn_name="婴试")
            city.add("population", certno=young, psn_name="婴试")
            city.add("population", certno=old, old_certno=fifteen(old), psn_name="老试")
            city.add("population", certno=number("moved on"), old_certno=moved, psn_name="改试")
        place = tmp_path / f"{step}{key.hex()}"
        with built(city.write(place / "landing"), place, day, tables=["person"], key=key) as night:
            return dict(night.rows("SELECT psn_name, person_id FROM person"))

    before = ids(0, AS_OF)
    assert set(before) == {"婴试", "更试", "老试", "改试"}
    assert ids(1, AS_OF) == before
    assert ids(2, AS_OF) == before
    assert set(ids(0, AS_OF, b"another key").values()).isdisjoint(before.values())


def test_the_city_is_the_division_of_level_1(night: Night) -> None:
    assert night.night.rows("SELECT city_code FROM city") == [(CITY,)]
