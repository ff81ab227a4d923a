"""Contract section 3: what other bureaus and the auditors are told: reconciliation, notices, anomalies, identifiers."""

import hashlib
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from tests.contract.landing import AS_OF, OUTSIDE, PLACE, PLACE_C, VILLAGE_C, City, fifteen
from tests.in_process import KEY, Built, built

TABLES = [
    "person", "premium_reconciliation", "notice", "anomaly", "newborn", "identifier", "subsidy_deduction", "uninsured",
    "duplicate_enrollment", "ledger", "evaluation",
]  # fmt: skip


def made_city() -> City:
    city = City()
    reconciled(city)
    noticed(city)
    odd(city)
    born(city)
    numbered(city)
    return city


def reconciled(city: City) -> None:
    city.person("in order")
    city.resident("in order", "Q-0")
    city.person("unpaid")
    city.relation("unpaid", "Q-1", begn_date="2025-12-01")
    city.person("staff unpaid")
    city.staff("staff unpaid", "Q-2", (202501, 202512))
    city.person("not of this year")
    city.relation("not of this year", "Q-3", begn_date="2024-01-01")
    city.person("without record")
    city.pay("without record", "Q-4")
    city.person("stopped")
    city.resident("stopped", "Q-5", psn_insu_stas="4", end_date="2026-02-01")
    city.person("dead")
    city.resident("dead", "Q-6")
    city.add("death", certno=city.number("dead"), death_date="2025-11-20")
    for name, amount, aid in (("odd amount", "401", None), ("tier 2", "775", None), ("aided amount", "40", "低保")):
        city.person(name)
        city.relation(name, f"Q-{name}")
        city.pay(name, f"Q-{name}-p", amount=amount)
        if aid:
            city.add("aid_recipient", certno=city.number(name), aid_type=aid)
    city.person("repaired only")
    city.pay("repaired only", "Q-9", pay_type="32", accrym_begn=202501, accrym_end=202512)
    city.person("elsewhere")
    city.relation("elsewhere", "Q-10", away=True)


def noticed(city: City) -> None:
    city.person("twice", live_code=VILLAGE_C)
    city.resident("twice", "T-a", insu_admdvs="500101")
    city.resident("twice", "T-b", insu_admdvs=PLACE_C)
    city.person("new job")
    city.staff("new job", "T-s", (202511, 202603), insu_admdvs=PLACE_C)
    city.resident("new job", "T-r")
    city.person("nobody decides", live_code=OUTSIDE)
    city.resident("nobody decides", "T-c")
    city.resident("nobody decides", "T-d", insu_admdvs=PLACE_C)
    city.person("job over")
    city.resident("job over", "T-e", psn_insu_stas="2", begn_date="2025-12-01", end_date="2026-01-01")
    city.staff("job over", "T-f", (202601, 202602), psn_insu_stas="4", begn_date="2026-01-01", end_date="2026-02-28")


def odd(city: City) -> None:
    city.person("dead normal")
    city.relation("dead normal", "O-1")
    city.add("death", certno=city.number("dead normal"))
    city.person("in custody")
    city.relation("in custody", "O-2")
    city.add("custody", certno=city.number("in custody"))
    city.person("employed")
    city.resident("employed", "O-3")
    city.add("employment", certno=city.number("employed"))
    city.person("job ended")
    city.resident("job ended", "O-3b")
    city.add("employment", certno=city.number("job ended"), end_date="2025-12-31")
    city.person("unemployed")
    city.add("employment", certno=city.number("unemployed"), kind="失业金")
    city.person("poor")
    city.add("aid_recipient", certno=city.number("poor"))
    city.person("poor insured")
    city.resident("poor insured", "O-4")
    city.add("aid_recipient", certno=city.number("poor insured"))
    city.person("other name", psn_name="王试")
    city.relation("other name", "O-5", psn_name="赵试")
    for place, (mine, theirs) in enumerate((("阿依·买", "阿依•买"), ("王䶮", "王?"), ("李 四", "李四"))):
        city.person(f"spelled {place}", psn_name=mine)
        city.relation(f"spelled {place}", f"O-6{place}", psn_name=theirs)
    city.person("grown up", born="1985-05-05")
    city.relation("grown up", "O-7", psn_type="1401")
    city.person("two guardians", born="2026-02-02")
    for letter, guardian in (("a", "poor"), ("b", "employed")):
        city.relation("two guardians", f"O-8{letter}", guardian_certno=city.number(guardian), begn_date="2026-02-10")


def born(city: City) -> None:
    city.person("mother")
    city.resident("mother", "N-1")
    mother = city.number("mother")
    for name, day in (
        ("of the window", "2025-11-01"), ("before the window", "2025-10-31"), ("90 days", "2025-12-31"),
        ("91 days", "2025-12-30"), ("new", "2026-03-20"),
    ):  # fmt: skip
        city.person(f"born {name}", born=day)
        city.add(
            "birth", birth_cert_no=f"Y{name}", certno=city.number(f"born {name}"), brdy=day,
            mother_certno=mother if name == "new" else None,
        )  # fmt: skip
    city.person("born insured", born="2026-01-10")
    city.resident("born insured", "N-2")


def numbered(city: City) -> None:
    city.person("renumbered", old_certno=city.number("renumbered before"))
    city.relation("renumbered", "I-1", psn_no="88001")
    city.person("both forms")
    city.relation("both forms", "I-2", certno=fifteen(city.number("both forms")))
    city.add("birth", "2026-01-20", birth_cert_no="Z900000002", psn_name="婴试", brdy="2026-01-15")
    city.add(
        "birth", "2026-02-20", birth_cert_no="Z900000002", psn_name="婴试", brdy="2026-01-15",
        certno=city.number("late", "2026-01-15"),
    )  # fmt: skip


class Night:
    def __init__(self, night: Built, city: City) -> None:
        self.night, self.city = night, city

    def of(self, table: str, name: str, columns: str) -> set[Any]:
        """Values of a table's columns about somebody."""
        query = f"SELECT {columns} FROM {table} AS x INNER JOIN person AS p USING (person_id) WHERE p.certno = ?"
        rows = self.night.rows(query, [self.city.numbers[name]])
        return {row[0] if len(row) == 1 else row for row in rows}


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    place = tmp_path_factory.mktemp("findings")
    city = made_city()
    (place / "rules.toml").write_text("[subsidy]\n2026 = 700\n")
    overlay = place / "rules.toml"
    with built(city.write(place / "landing"), place, AS_OF, tables=TABLES, overlay=overlay) as done:
        yield Night(done, city)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("in order", set()),
        ("unpaid", {("normal_unpaid", "Q-1", None, 0)}),
        ("staff unpaid", {("normal_unpaid", "Q-2", None, 0)}),
        ("not of this year", set()),
        ("without record", {("paid_without_record", None, "Q-4", 400)}),
        ("stopped", {("paid_but_stopped", "Q-5", "Q-5-26", 400)}),
        ("dead", {("paid_after_death", "Q-6", "Q-6-26", 400)}),
        ("odd amount", {("amount_unexpected", "Q-odd amount", "Q-odd amount-p", 401)}),
        ("tier 2", set()),
        ("aided amount", set()),
        ("repaired only", set()),
        ("elsewhere", set()),
    ],
)
def test_reconciliation(night: Night, name: str, expected: set[Any]) -> None:
    assert night.of("premium_reconciliation", name, "class, psn_insu_rlts_id, pay_id, amount") == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("twice", {("terminate", "T-a", PLACE, PLACE_C, "RET-2")}),
        ("new job", {("suspend", "T-r", PLACE, PLACE_C, "RET-7")}),
        ("nobody decides", set()),
        ("in order", set()),
    ],
)
def test_notices(night: Night, name: str, expected: set[Any]) -> None:
    assert night.of("notice", name, "action, psn_insu_rlts_id, to_admdvs, from_admdvs, rule_id") == expected


def test_a_resident_relation_comes_back_after_the_job(night: Night) -> None:
    assert night.of("notice", "job over", "action, psn_insu_rlts_id") == {("restore", "T-e")}


def test_notices_have_ids_of_their_own(night: Night) -> None:
    counted = night.night.rows("SELECT count(*), count(DISTINCT notice_id), count(clause), count(psn_name) FROM notice")
    assert len(set(counted[0])) == 1
    assert counted[0][0] >= 3


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("in order", set()),
        ("dead normal", {"dead_but_normal"}),
        ("in custody", {"custody_but_normal"}),
        ("employed", {"employed_but_resident"}),
        ("job ended", set()),
        ("unemployed", {"unemployment_without_staff"}),
        ("poor", {"aid_uncovered"}),
        ("poor insured", set()),
        ("other name", {"name_conflict"}),
        ("spelled 0", set()),
        ("spelled 1", set()),
        ("spelled 2", set()),
        ("grown up", {"adult_certno_newborn"}),
        ("two guardians", {"newborn_two_guardians"}),
    ],
)
def test_anomalies(night: Night, name: str, kinds: set[str]) -> None:
    assert night.of("anomaly", name, "kind") == kinds


def test_anomalies_have_ids_of_their_own(night: Night) -> None:
    counted = night.night.rows("SELECT count(*), count(DISTINCT anomaly_id) FROM anomaly")
    assert counted[0][0] == counted[0][1]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("of the window", (150, date(2026, 1, 30), "none", False)),
        ("before the window", None),
        ("90 days", (90, date(2026, 3, 31), "none", True)),
        ("91 days", (91, date(2026, 3, 30), "none", False)),
        ("new", (11, date(2026, 6, 18), "attached", False)),
        ("insured", (80, date(2026, 4, 10), "own", False)),
    ],
)
def test_newborns(night: Night, name: str, expected: tuple[Any, ...] | None) -> None:
    found = night.of("newborn", f"born {name}", "days_old, day_90, status, list_60_90")
    assert found == ({expected} if expected else set())


def test_the_guardian_of_a_newborn(night: Night) -> None:
    mother = night.of("person", "mother", "x.person_id")
    assert night.of("newborn", "born new", "guardian_person_id") == mother


def numbers(night: Night, first_number: str) -> dict[tuple[str, str], tuple[Any, ...]]:
    person_id = hashlib.sha256(KEY.hex().encode() + first_number.encode()).hexdigest()[:32]
    rows = night.night.rows(
        "SELECT kind, value, source, first_delivery, last_delivery FROM identifier WHERE person_id = ?", [person_id]
    )
    assert len({row[:2] for row in rows}) == len(rows)
    return {row[:2]: row[2:] for row in rows}


def test_identifiers(night: Night) -> None:
    known = night.city.numbers
    one = date(2026, 3, 30)
    found = numbers(night, known["renumbered before"])
    assert found[("certno", known["renumbered"])] == ("population", one, one)
    assert found[("certno", known["renumbered before"])] == ("population", one, one)
    assert found[("psn_no", "88001")] == ("enrollment", one, one)
    found = numbers(night, known["both forms"])
    assert set(found) == {("certno", known["both forms"]), ("certno", fifteen(known["both forms"]))}


def test_identifiers_of_a_child_that_got_a_number(night: Night) -> None:
    found = numbers(night, "Z900000002")
    assert found[("birth_cert_no", "Z900000002")] == ("birth", date(2026, 1, 20), date(2026, 2, 20))
    assert found[("certno", night.city.numbers["late"])] == ("birth", date(2026, 2, 20), date(2026, 2, 20))


def test_the_control_total_is_the_sum_of_the_rows(night: Night) -> None:
    rows = night.night.rows(
        "SELECT sum(subsidy_deduct_amt), count(*) FILTER (subsidy_deduct_amt > 0) FROM duplicate_enrollment"
    )
    total = night.night.rows("SELECT sum(amount), sum(cases) FROM subsidy_deduction")
    assert rows == total
    assert rows[0][0] == 700
    assert night.night.rows("SELECT DISTINCT per_capita FROM subsidy_deduction") == [(700,)]


def test_evaluation(night: Night) -> None:
    rows = night.night.rows("SELECT division_code, measure, numerator, denominator, value FROM evaluation")
    assert len({row[:2] for row in rows}) == len(rows)
    for _, _, numerator, denominator, value in rows:
        assert (value is None) == (denominator == 0)
        assert value is None or abs(float(value) - numerator / denominator) < 1e-5
