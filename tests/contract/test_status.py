"""Contract 3.3: the one status of every person, the reason of the uninsured, whose duty they are."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.landing import (
    AS_OF,
    OUTSIDE,
    PLACE_C,
    PLACE_OUTSIDE,
    TOWN,
    VILLAGE,
    VILLAGE_2,
    VILLAGE_B,
    VILLAGE_C,
    City,
)
from tests.in_process import Built, built

TABLES = ["person", "uninsured", "responsibility", "feedback"]
EXPECTED: dict[str, tuple[str, str | None]] = {}


def expect(name: str, status: str, reason: str | None = None) -> str:
    EXPECTED[name] = (status, reason)
    return name


def made_city() -> City:
    city = City()
    insured(city)
    newborns(city)
    reasons(city)
    exclusions(city)
    scope(city)
    places(city)
    feedback(city)
    return city


def insured(city: City) -> None:
    # staff: normal, and paid up to the as-of month or the one before it
    for name, last in (("this month", 202603), ("last month", 202602)):
        city.person(expect(f"staff {name}", "staff"))
        city.staff(f"staff {name}", f"S-{last}", (202501, last))
    city.person(expect("staff two months ago", "uninsured", "unpaid"))
    city.staff("staff two months ago", "S-2", (202501, 202601))
    city.person(expect("retired", "staff"))
    city.staff("retired", "S-3", None, psn_type="1201")
    city.person(expect("retired flexible", "staff"))
    city.staff("retired flexible", "S-3f", None, psn_type="1203")
    city.person(expect("staff refunded", "uninsured", "unpaid"))
    city.staff("staff refunded", "S-4", (202602, 202603))
    for month in (202602, 202603):
        city.pay("staff refunded", f"S-4-back-{month}", "310", amount="-300", accrym_begn=month, accrym_end=month)
    city.person(expect("staff by a quarter", "staff"))
    city.relation("staff by a quarter", "S-5", "310", psn_type="1103")
    city.pay("staff by a quarter", "S-5-q", "310", amount="900", accrym_begn=202601, accrym_end=202603)
    city.person(expect("only a supplement", "uninsured", "never"))
    city.relation("only a supplement", "S-6", "330")
    city.pay("only a supplement", "S-6-p", "330", accrym_begn=202601, accrym_end=202612)

    city.person(expect("resident", "resident"))
    city.resident("resident", "R-1")
    city.person(expect("resident of old scheme", "resident"))
    city.relation("resident of old scheme", "R-1a", "380")
    city.pay("resident of old scheme", "R-1a-p", "380")
    city.person(expect("paid without record", "resident"))
    city.pay("paid without record", "P-loose")
    city.person(expect("paid to another place", "resident"))
    city.relation("paid to another place", "R-2")
    city.pay("paid to another place", "P-place", insu_admdvs=PLACE_C)
    city.person(expect("paid and paid back", "uninsured", "unpaid"))
    city.relation("paid and paid back", "R-3", begn_date="2025-12-01")
    city.pay("paid and paid back", "P-3")
    city.pay("paid and paid back", "P-3-back", amount="-400", pay_type="40")
    city.person(expect("paid back in plain figures", "uninsured", "unpaid"))
    city.relation("paid back in plain figures", "R-3b", begn_date="2025-12-01")
    city.pay("paid back in plain figures", "P-3b")
    city.pay("paid back in plain figures", "P-3b-back", amount="400", pay_type="退费")
    city.person(expect("paid back in part", "resident"))
    city.relation("paid back in part", "R-3c")
    city.pay("paid back in part", "P-3c", amount="775")
    city.pay("paid back in part", "P-3c-back", amount="-375")
    city.person(expect("only repaired", "uninsured", "unpaid"))
    city.relation("only repaired", "R-4", begn_date="2025-12-01")
    city.pay("only repaired", "P-4", pay_type="32")
    city.person(expect("paid later on", "resident"))
    city.relation("paid later on", "R-5", begn_date="2026-03-20")
    city.pay("paid later on", "P-5", pay_type="31", paid_date="2026-03-20", accrym_begn=202604)
    city.person(expect("full aid", "resident"))
    city.add("aid_recipient", certno=city.number("full aid"), aid_type="特困人员")
    city.relation("full aid", "R-6", begn_date="2024-01-01")
    city.person(expect("full aid in tier 2", "uninsured", "unpaid"))
    city.add("aid_recipient", certno=city.number("full aid in tier 2"))
    city.relation("full aid in tier 2", "R-7", begn_date="2025-12-01", tier="2")
    city.person(expect("part aid", "uninsured", "unpaid"))
    city.add("aid_recipient", certno=city.number("part aid"), aid_type="低保")
    city.relation("part aid", "R-8", begn_date="2025-12-01")
    city.person(expect("full aid without relation", "uninsured", "never"))
    city.add("aid_recipient", certno=city.number("full aid without relation"))
    city.person(expect("full aid stopped", "uninsured", "stopped"))
    city.add("aid_recipient", certno=city.number("full aid stopped"))
    city.relation("full aid stopped", "R-9", begn_date="2025-12-01", psn_insu_stas="2", end_date="2026-02-01")
    city.person(expect("paid but stopped", "uninsured", "stopped"))
    city.resident("paid but stopped", "R-10", psn_insu_stas="4", end_date="2026-02-01")
    city.person(expect("prepaid for years", "resident"))
    city.relation("prepaid for years", "R-11", begn_date="2024-09-01")
    city.pay("prepaid for years", "P-11", amount="1600", accrym_begn=202501, accrym_end=202812, paid_date="2024-10-01")

    city.person(expect("elsewhere", "elsewhere"))
    city.relation("elsewhere", "E-1", away=True)
    city.person(expect("staff elsewhere", "elsewhere"))
    city.relation("staff elsewhere", "E-2", "310", away=True)
    city.person(expect("elsewhere stopped", "uninsured", "lapsed"))
    city.relation("elsewhere stopped", "E-3", away=True, psn_insu_stas="4", end_date="2024-06-30")
    # of several the order is staff, resident, elsewhere
    city.person(expect("staff and resident", "staff"))
    city.staff("staff and resident", "B-1")
    city.resident("staff and resident", "B-2")
    city.person(expect("resident and elsewhere", "resident"))
    city.resident("resident and elsewhere", "B-3")
    city.relation("resident and elsewhere", "B-4", away=True)


def newborns(city: City) -> None:
    city.person("mother")
    city.resident("mother", "N-m")
    city.person("uninsured mother")
    city.person("staff mother")
    city.staff("staff mother", "N-s")
    mother, none, staff = (city.number(name) for name in ("mother", "uninsured mother", "staff mother"))
    born = "2026-01-15"

    def child(name: str, status: str, reason: str | None = None, *, day: str = born, **birth: Any) -> str:
        city.person(expect(name, status, reason), born=day)
        if birth:
            city.add("birth", birth_cert_no=f"Z{len(city.rows):09d}{name}", certno=city.number(name), brdy=day, **birth)
        return name

    child("newborn of mother", "attached_newborn", mother_certno=mother)
    child("newborn of father", "attached_newborn", mother_certno=none, father_certno=mother)
    child("newborn of uninsured", "uninsured", "never", mother_certno=none)
    child("newborn of staff", "uninsured", "never", mother_certno=staff)
    child("child of last year", "uninsured", "never", day="2025-12-31", mother_certno=mother)
    paid = child("newborn with own", "resident", mother_certno=mother)
    city.resident(paid, "N-1")
    named = child("newborn of guardian", "attached_newborn", mother_certno=none)
    city.relation(named, "N-2", begn_date="2026-01-20", guardian_certno=mother)
    kept = child("newborn with own stopped", "uninsured", "stopped", mother_certno=mother)
    city.resident(kept, "N-3", psn_insu_stas="4", begn_date="2026-01-20", end_date="2026-03-01")
    two = child("newborn of two guardians", "attached_newborn", mother_certno=none)
    for number, guardian in enumerate((none, mother, staff)):
        city.relation(two, f"N-4{number}", begn_date="2026-01-20", guardian_certno=guardian)
    dead = child("dead newborn", "excluded_death", mother_certno=mother)
    city.add("death", certno=city.number(dead), death_date="2026-02-01")
    city.person("dead mother")
    city.resident("dead mother", "N-d")
    city.add("death", certno=city.number("dead mother"))
    child("newborn of dead mother", "uninsured", "never", mother_certno=city.number("dead mother"))


def reasons(city: City) -> None:
    city.person(expect("never", "uninsured", "never"))
    city.person(expect("history of nothing", "uninsured", "never"))
    city.add("enrollment_history", certno=city.number("history of nothing"), insu_year=2024, months=0)
    city.person(expect("history", "uninsured", "lapsed"))
    city.add("enrollment_history", certno=city.number("history"), insu_year=2019, months=1)
    city.person(expect("of last year", "uninsured", "lapsed"))
    city.relation("of last year", "L-1", begn_date="2025-03-01")
    city.pay("of last year", "L-1-p", accrym_begn=202501, accrym_end=202512, paid_date="2025-03-01")
    city.person(expect("of last year unpaid", "uninsured", "lapsed"))
    city.relation("of last year unpaid", "L-2", begn_date="2025-03-01")
    city.person(expect("begun in the window", "uninsured", "unpaid"))
    city.relation("begun in the window", "L-3", begn_date="2025-11-01")
    city.person(expect("begun before the window", "uninsured", "lapsed"))
    city.relation("begun before the window", "L-4", begn_date="2025-10-31")
    city.person(expect("begun this year", "uninsured", "unpaid"))
    city.relation("begun this year", "L-5", begn_date="2026-03-01")
    city.person(expect("stopped this year", "uninsured", "stopped"))
    city.relation("stopped this year", "L-6", begn_date="2025-12-01", end_date="2026-01-05", psn_insu_stas="2")
    city.person(expect("unpaid before stopped", "uninsured", "unpaid"))
    city.relation("unpaid before stopped", "L-7", begn_date="2025-12-01", end_date="2026-01-05", psn_insu_stas="2")
    city.relation("unpaid before stopped", "L-8", begn_date="2025-12-02")
    city.person(expect("staff stopped", "uninsured", "stopped"))
    city.staff("staff stopped", "L-9", (202501, 202601), psn_insu_stas="暂停参保", end_date="2026-01-31")
    city.person(expect("staff stopped long ago", "uninsured", "lapsed"))
    city.staff("staff stopped long ago", "L-10", (202301, 202312), psn_insu_stas="4", end_date="2023-12-31")
    city.person(expect("paid last year only", "uninsured", "lapsed"))
    city.pay("paid last year only", "L-11", accrym_begn=202501, accrym_end=202512, paid_date="2025-01-05")


def exclusions(city: City) -> None:
    for status, value in (
        ("2", "excluded_moved"), ("3", "excluded_cancelled"), ("4", "excluded_death"), ("5", "excluded_abroad"),
        ("7", "excluded_military"),
    ):  # fmt: skip
        city.person(expect(f"resd_status {status}", value), resd_status=status)
        if status != "4":
            city.person(expect(f"resd_status {status} insured", "resident"), resd_status=status)
            city.resident(f"resd_status {status} insured", f"X-{status}")
        city.person(expect(f"resd_status {status} dead", "excluded_death"), resd_status=status)
        city.add("death", certno=city.number(f"resd_status {status} dead"))
    city.person(expect("missing", "uninsured", "never"), resd_status="失踪")
    city.person(expect("moved in words", "excluded_moved"), resd_status="迁出市外")
    city.person(expect("dead but insured", "excluded_death"))
    city.resident("dead but insured", "X-d")
    city.add("death", certno=city.number("dead but insured"))
    city.person(expect("dies tomorrow", "uninsured", "never"))
    city.add("death", certno=city.number("dies tomorrow"), death_date="2026-04-01")
    city.person(expect("dies today", "excluded_death"))
    city.add("death", certno=city.number("dies today"), death_date="2026-03-31")
    city.person(expect("in custody", "excluded_custody"))
    city.add("custody", certno=city.number("in custody"))
    city.person(expect("in custody to the day", "excluded_custody"))
    city.add("custody", certno=city.number("in custody to the day"), end_date="2026-03-31")
    city.person(expect("out of custody", "uninsured", "never"))
    city.add("custody", certno=city.number("out of custody"), end_date="2026-03-30")
    city.person(expect("in custody later", "uninsured", "never"))
    city.add("custody", certno=city.number("in custody later"), begn_date="2026-04-01")
    city.person(expect("in custody insured", "staff"))
    city.staff("in custody insured", "X-c")
    city.add("custody", certno=city.number("in custody insured"))
    city.person(expect("in custody and moved", "excluded_moved"), resd_status="2")
    city.add("custody", certno=city.number("in custody and moved"))
    city.add("death", certno=city.number(expect("dead stranger", "excluded_death")))
    city.relation(expect("dead elsewhere", "excluded_death"), "X-e", away=True)
    city.add("death", certno=city.number("dead elsewhere"))


def scope(city: City) -> None:
    city.person(expect("registered, lives outside", "uninsured", "never"), live_code=OUTSIDE)
    city.person(expect("registered, lives nobody knows where", "uninsured", "never"), live_code=None)
    city.person(expect("permit", "uninsured", "never"), resd_code=OUTSIDE, resd_permit="1")
    city.person(expect("permit in words", "uninsured", "never"), resd_code=None, resd_permit="是")
    city.person(expect("no permit", "out_of_scope"), resd_code=OUTSIDE, resd_permit="0")
    city.person(expect("permit not said", "out_of_scope"), resd_code=OUTSIDE)
    city.person(expect("permit, lives outside", "out_of_scope"), resd_code=OUTSIDE, live_code=OUTSIDE, resd_permit="1")
    city.person(expect("no permit insured", "resident"), resd_code=OUTSIDE)
    city.resident("no permit insured", "O-1")
    city.person(expect("outside and moved", "out_of_scope"), resd_code=OUTSIDE, resd_status="2")
    city.person(expect("outside and in custody", "out_of_scope"), resd_code=OUTSIDE)
    city.add("custody", certno=city.number("outside and in custody"))
    for name, status in (("1", "uninsured"), ("休学", "uninsured"), ("3", "out_of_scope"), ("4", "out_of_scope")):
        who = expect(f"student {name}", status, "never" if status == "uninsured" else None)
        city.add("student", certno=city.number(who), student_status=name)
    city.add("student", certno=city.number(expect("student outside", "out_of_scope")), school_admdvs=PLACE_OUTSIDE)
    city.relation(expect("relation only", "out_of_scope"), "O-2")
    city.pay(expect("payment only", "resident"), "O-3")
    city.add("vaccination", certno=city.number(expect("vaccinated only", "out_of_scope")))


def places(city: City) -> None:
    pairs = {
        "same village": (VILLAGE, VILLAGE), "other village": (VILLAGE, VILLAGE_2), "other town": (VILLAGE, VILLAGE_B),
        "other district": (VILLAGE, VILLAGE_C), "home outside": (OUTSIDE, VILLAGE), "lives outside": (VILLAGE, OUTSIDE),
        "town only": (VILLAGE_B, TOWN[:9]), "town of village": (VILLAGE, TOWN), "district only": (VILLAGE, PLACE_C),
        "residence unknown": (VILLAGE, None), "unknown village": (VILLAGE, "500101002999"),
        "unknown district": ("500199001001", VILLAGE),
    }  # fmt: skip
    for name, (home, lives) in pairs.items():
        city.person(f"place: {name}", resd_code=home, live_code=lives, resd_permit="1")


def feedback(city: City) -> None:
    """Whatever the villages answer, the status stays."""
    for code in ("D1", "D2", "D3", "I1", "M1", "P1", "N1", "W1", "拒参", "ZZ"):
        city.person(expect(f"feedback {code}", "uninsured", "never"))
        city.add("grid_feedback", certno=city.number(f"feedback {code}"), reason_code=code)
    city.person(expect("feedback on insured", "resident"))
    city.resident("feedback on insured", "F-1")
    city.add("grid_feedback", certno=city.number("feedback on insured"), reason_code="D1")
    city.person(expect("feedback ended", "uninsured", "never"))
    city.add("grid_feedback", certno=city.number("feedback ended"), reason_code="M1", end_date="2026-03-15")
    city.person(expect("feedback twice", "uninsured", "never"))
    for batch, day, code in (("B1", "2026-03-01", "W1"), ("B2", "2026-03-20", "W4")):
        city.add(
            "grid_feedback", certno=city.number("feedback twice"), batch_id=batch, found_date=day, reason_code=code
        )
    city.person(expect("feedback corrected", "uninsured", "never"))
    for code in ("W1", "F2", "W5"):
        city.add("grid_feedback", certno=city.number("feedback corrected"), reason_code=code)


class Night:
    def __init__(self, night: Built, city: City) -> None:
        self.night, self.city = night, city
        self.persons = {row["certno"]: row for row in night.dicts("SELECT * FROM person")}
        self.uninsured = {row["certno"]: row for row in night.dicts("SELECT * FROM uninsured")}

    def person(self, name: str) -> dict[str, Any]:
        return self.persons[self.city.numbers[name]]

    def open(self, name: str) -> dict[str, Any]:
        return self.uninsured[self.city.numbers[name]]

    def duty(self, name: str) -> dict[str, str]:
        """Responsible divisions of somebody with their role."""
        rows = self.night.rows(
            "SELECT division_code, role FROM responsibility WHERE person_id = ?", [self.person(name)["person_id"]]
        )
        assert len(dict(rows)) == len(rows)
        return dict(rows)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    place = tmp_path_factory.mktemp("status")
    EXPECTED.clear()
    city = made_city()
    with built(city.write(place / "landing"), place, AS_OF, tables=TABLES) as done:
        yield Night(done, city)


def test_status_and_reason(night: Night) -> None:
    found = {name: night.person(name) for name in EXPECTED}
    wrong = {
        name: ((row["insured_status"], row["uninsured_reason"]), "not", EXPECTED[name])
        for name, row in found.items()
        if (row["insured_status"], row["uninsured_reason"]) != EXPECTED[name]
    }
    assert not wrong


def test_everybody_has_one_file(night: Night) -> None:
    counted = night.night.rows("SELECT count(*), count(DISTINCT person_id), count(insured_status) FROM person")
    assert counted[0][0] == counted[0][1] == counted[0][2] == len(night.persons)


def test_the_uninsured_are_those_of_that_status(night: Night) -> None:
    assert set(night.uninsured) == {
        certno for certno, row in night.persons.items() if row["insured_status"] == "uninsured"
    }
    for certno, row in night.uninsured.items():
        assert row["uninsured_reason"] == night.persons[certno]["uninsured_reason"]
        assert row["person_id"] == night.persons[certno]["person_id"]


@pytest.mark.parametrize(
    ("name", "separated", "duty"),
    [
        ("same village", False, {VILLAGE: "household"}),
        ("other village", False, {VILLAGE: "household", VILLAGE_2: "residence"}),
        ("other town", True, {VILLAGE: "household", VILLAGE_B: "residence"}),
        ("other district", True, {VILLAGE: "household", VILLAGE_C: "residence"}),
        ("home outside", True, {VILLAGE: "residence"}),
        ("lives outside", True, {VILLAGE: "household"}),
        ("town only", True, {VILLAGE_B: "household", TOWN: "residence"}),
        ("town of village", False, {VILLAGE: "household", TOWN: "residence"}),
        ("district only", False, {VILLAGE: "household", "500102000000": "residence"}),
        ("residence unknown", False, {VILLAGE: "household"}),
        ("unknown village", True, {VILLAGE: "household", "500101002000": "residence"}),
        ("unknown district", True, {"500000000000": "household", VILLAGE: "residence"}),
    ],
)
def test_separated_and_responsible(night: Night, name: str, separated: bool, duty: dict[str, str]) -> None:
    assert night.open(f"place: {name}")["separated"] is separated
    assert night.duty(f"place: {name}") == duty


def test_only_the_uninsured_have_responsible_villages(night: Night) -> None:
    strangers = night.night.rows(
        "SELECT count(*) FROM responsibility WHERE person_id NOT IN (SELECT person_id FROM uninsured)"
    )
    assert strangers == [(0,)]


def test_division_codes_have_12_digits(night: Night) -> None:
    person = night.person("place: town only")
    assert (person["resd_code"], person["live_code"]) == (VILLAGE_B, TOWN)
    assert night.person("place: district only")["live_code"] == "500102000000"
    assert night.person("place: unknown village")["live_code"] == "500101002999"
    assert night.person("place: residence unknown")["live_code"] is None


def test_last_insurance(night: Night) -> None:
    def last(name: str) -> tuple[Any, ...]:
        row = night.open(name)
        return row["last_insured_year"], row["last_insutype"], row["last_admdvs"]

    assert last("never") == (None, None, None)
    assert last("history") == (2019, "390", None)
    assert last("history of nothing") == (None, None, None)
    assert last("of last year") == (2025, "390", "500101")
    assert last("staff stopped") == (2026, "310", "500101")
    assert last("elsewhere stopped") == (2024, "390", PLACE_OUTSIDE)


def test_feedback_stands_beside(night: Night) -> None:
    row = night.open("feedback W1")
    assert (row["feedback_reason"], str(row["feedback_date"]), row["feedback_division"]) == (
        "W1",
        "2026-03-01",
        VILLAGE,
    )
    assert row["feedback_until"] is None
    assert night.open("feedback 拒参")["feedback_reason"] == "W1"
    assert night.open("feedback twice")["feedback_reason"] == "W4"
    assert night.open("feedback corrected")["feedback_reason"] == "W5"
    assert night.open("feedback ended")["feedback_reason"] is None
    assert night.open("never")["feedback_reason"] is None


def test_an_answer_that_waits_moves_the_person_back(night: Night) -> None:
    plain = night.open("never")["priority"]
    assert night.open("feedback M1")["priority"] > plain
    assert night.open("feedback ended")["priority"] == plain
    assert all(row["priority"] >= 1 for row in night.uninsured.values())


def test_feedback_rows_are_all_published(night: Night) -> None:
    rows = night.night.dicts("SELECT * FROM feedback")
    by_person = {row["person_id"]: row for row in rows}
    insured = by_person[night.person("feedback on insured")["person_id"]]
    assert insured["contradicted_by"]
    assert {row["reason_code"] for row in rows} >= {"D1", "W1", "ZZ"}


def test_groups(night: Night) -> None:
    assert night.person("never")["group_tags"] == []
    assert "aid" in night.person("full aid without relation")["group_tags"]
    assert "separated" in night.person("place: other town")["group_tags"]
    for row in night.persons.values():
        assert row["group_tags"] == sorted(row["group_tags"])
        assert row["sources"] == sorted(set(row["sources"]))
