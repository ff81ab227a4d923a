"""Contract 3.2, 3.4 and 3.5: relations and payments, covered months, duplicates, the benefit period."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.contract.landing import AS_OF, OUTSIDE, PLACE, PLACE_C, PLACE_OUTSIDE, VILLAGE_C, City
from tests.in_process import Built, built

TABLES = ["person", "coverage", "duplicate_enrollment", "duplicate_payment", "merge_candidate", "entitlement"]
U1, U2 = "91500101MA5U000001", "91500102MA5U000002"
EARLIER = date(2025, 12, 20)
"""Inside the payment window of 2026: nothing of that year has begun."""


def made_city() -> City:
    city = City()
    covered(city)
    kept(city)
    paid_twice(city)
    entitled(city)
    return city


def covered(city: City) -> None:
    city.person("resident")
    city.resident("resident", "C-1")
    city.person("resident from april")
    city.relation("resident from april", "C-2")
    city.pay("resident from april", "C-2-p", accrym_begn=202604, paid_date="2026-03-20")
    city.person("staff")
    city.staff("staff", "C-3", (202510, 202602))
    city.person("staff with a gap")
    city.staff("staff with a gap", "C-4", (202501, 202503))
    for month in (202505, 202506):
        city.pay("staff with a gap", f"C-4-{month}", "310", accrym_begn=month, accrym_end=month, amount="300")
    city.person("staff that ends")
    city.staff("staff that ends", "C-5", (202601, 202603), end_date="2026-06-30")
    city.person("retired")
    city.staff("retired", "C-6", None, psn_type="1201", begn_date="2026-01-10")
    city.person("elsewhere")
    city.relation("elsewhere", "C-7", away=True, begn_date="2025-11-05")
    city.person("repair")
    city.relation("repair", "C-8", begn_date="2025-12-01")
    city.pay("repair", "C-8-r", pay_type="32", accrym_begn=202501, accrym_end=202512)
    # of two relations the one begun last before the accrual's end
    city.person("two employers")
    city.relation(
        "two employers", "C-9a", "310", begn_date="2024-01-01", uscc=U1, psn_insu_stas="4", end_date="2025-06-30"
    )
    city.relation("two employers", "C-9b", "310", begn_date="2025-07-01", uscc=U2)
    for month, uscc in ((202505, U1), (202508, U2), (202509, None), (202506, None)):
        city.pay("two employers", f"C-9-{month}", "310", uscc=uscc, accrym_begn=month, accrym_end=month, amount="300")
    city.person("paid elsewhere in the city")
    city.relation("paid elsewhere in the city", "C-10")
    city.pay("paid elsewhere in the city", "C-10-p", insu_admdvs="500102000000")
    city.person("paid at the long code")
    city.relation("paid at the long code", "C-11", insu_admdvs="500101000000")
    city.pay("paid at the long code", "C-11-p")


def kept(city: City) -> None:
    def two_residents(
        name: str, lives: str = VILLAGE_C, places: tuple[str, str] = (PLACE, PLACE_C), **person: Any
    ) -> None:
        city.person(name, live_code=lives, **person)
        for letter, place in zip("ab", places, strict=True):
            city.resident(name, f"{name}-{letter}", insu_admdvs=place)

    two_residents("home")
    two_residents("neither home", OUTSIDE)
    city.person("both home", live_code=OUTSIDE)
    for letter in "ab":
        city.relation("both home", f"both home-{letter}", away=True, insu_admdvs=f"51010400000{letter}")
    two_residents("no home", lives=None)  # type: ignore[arg-type]
    two_residents("student")
    city.add("student", certno=city.number("student"), enroll_date="2024-09-01")
    two_residents("freshman")
    city.add("student", certno=city.number("freshman"), enroll_date="2026-03-01")
    two_residents("student elsewhere")
    city.add("student", certno=city.number("student elsewhere"), school_admdvs="500103")
    two_residents("graduate")
    city.add("student", certno=city.number("graduate"), student_status="毕业")
    two_residents("dead twice")
    city.add("death", certno=city.number("dead twice"))

    city.person("here and outside", live_code=OUTSIDE)
    city.resident("here and outside", "home-a2")
    city.relation("here and outside", "home-b2", away=True)

    def crossed(name: str, months: tuple[int, int], psn_type: str = "1101", **relation: Any) -> None:
        city.person(name)
        city.staff(name, f"{name}-s", months, psn_type=psn_type)
        city.resident(name, f"{name}-r", **relation)

    crossed("12 months", (202504, 202603))
    crossed("12 months to last month", (202503, 202602))
    crossed("11 months", (202505, 202603))
    crossed("flexible", (202401, 202603), "1103")
    city.person("graduate at work")
    city.add("student", certno=city.number("graduate at work"), student_status="3")
    city.staff("graduate at work", "graduate at work-s", (202509, 202603))
    city.resident("graduate at work", "graduate at work-r")
    city.person("short job")
    city.staff("short job", "short job-s", (202601, 202603), begn_date="2026-01-01")
    city.resident("short job", "short job-r", begn_date="2025-11-15")
    city.add("employment", certno=city.number("short job"), uscc=U1, begn_date="2026-01-01", end_date="2026-08-31")
    crossed("names differ", (202401, 202603), psn_name="李异")

    city.add("enterprise", uscc=U1, admdvs=PLACE)
    city.add("enterprise", uscc=U2, admdvs=PLACE_C)
    for name, jobs in {"one job": [U1], "two jobs": [U1, U2], "no job": []}.items():
        city.person(name)
        city.staff(name, f"{name}-a", uscc=U1)
        city.staff(name, f"{name}-b", uscc=U2, insu_admdvs=PLACE_C)
        for uscc in jobs:
            city.add("employment", certno=city.number(name), uscc=uscc, begn_date=f"20{20 + jobs.index(uscc)}-01-01")

    city.person("three", live_code=VILLAGE_C)
    city.staff("three", "three-a")
    city.resident("three", "three-b")
    city.resident("three", "three-c", insu_admdvs=PLACE_C)

    # none: a supplement, a paused one, an unpaid one, months that do not meet
    city.person("no duplicate")
    city.resident("no duplicate", "none-1")
    city.relation("no duplicate", "none-2", "330")
    city.pay("no duplicate", "none-2-p", "330")
    city.staff("no duplicate", "none-3", (202501, 202603), psn_insu_stas="2")
    city.relation("no duplicate", "none-4", insu_admdvs=PLACE_C, begn_date="2025-12-01")
    city.person("one after the other")
    city.staff("one after the other", "after-1", (202501, 202602), end_date="2026-03-31")
    city.relation("one after the other", "after-2")
    city.pay("one after the other", "after-2-p", accrym_begn=202604, paid_date="2026-03-20")


def paid_twice(city: City) -> None:
    def pay_390(name: str, *payments: tuple[str, str, str]) -> None:
        city.person(name)
        for number, (amount, day, kind) in enumerate(payments, 1):
            city.pay(name, f"{name}-{number}", amount=amount, paid_date=day, pay_type=kind)

    pay_390("paid twice", ("400", "2025-12-01", "10"), ("400", "2026-01-05", "10"))
    pay_390("paid thrice", ("400", "2026-01-05", "10"), ("775", "2025-12-01", "10"), ("400", "2026-02-05", "31"))
    pay_390("paid back", ("400", "2025-12-01", "10"), ("400", "2026-01-05", "10"), ("-400", "2026-01-20", "40"))
    pay_390("repaired", ("400", "2025-12-01", "10"), ("400", "2026-01-05", "32"))
    city.person("two places")
    city.pay("two places", "two places-1", paid_date="2025-12-01")
    city.pay("two places", "two places-2", paid_date="2025-12-02", insu_admdvs=PLACE_C)
    city.person("two years")
    city.pay("two years", "two years-1", accrym_begn=202501, accrym_end=202512)
    city.pay("two years", "two years-2")

    def pay_310(name: str, *payments: tuple[int, int, str | None]) -> None:
        city.person(name)
        for number, (first, last, uscc) in enumerate(payments, 1):
            city.pay(name, f"{name}-{number}", "310", accrym_begn=first, accrym_end=last, uscc=uscc, amount="300",
                     paid_date=f"2026-03-{number:02d}")  # fmt: skip

    pay_310("month twice", (202601, 202601, U1), (202601, 202601, U1))
    pay_310("month of two employers", (202601, 202601, U1), (202601, 202601, U2))
    pay_310("month after month", (202601, 202601, U1), (202602, 202602, U1))
    pay_310("month within a quarter", (202601, 202603, U1), (202602, 202602, U1))
    city.person("years ahead")
    city.pay(
        "years ahead", "years ahead-1", accrym_begn=202501, accrym_end=202712, paid_date="2025-01-05", amount="1200"
    )
    city.pay("years ahead", "years ahead-2", paid_date="2026-01-05")


def entitled(city: City) -> None:
    def member(name: str, paid: str, history: list[int], *, born: str = "1990-01-01", **person: Any) -> None:
        city.person(name, born=born, **person)
        city.relation(name, f"{name}-r", begn_date="2025-11-10" if paid < "2026" else paid)
        city.pay(name, f"{name}-p", paid_date=paid)
        for year in history:
            city.add("enrollment_history", certno=city.number(name), insu_year=year)

    steady = [2021, 2022, 2023, 2024, 2025]
    member("before the year", "2025-12-31", steady)
    member("in january", "2026-01-15", steady)
    member("too late", "2026-03-10", steady)
    member("lapsed, before the year", "2025-12-31", [2021, 2022, 2023])
    member("lapsed, in february", "2026-02-10", [2021, 2022, 2023])
    member("lapsed, repaired", "2026-02-10", [2021, 2022, 2023])
    city.pay(
        "lapsed, repaired", "repair-25", pay_type="32", accrym_begn=202501, accrym_end=202512, paid_date="2026-02-10"
    )
    member("lapsed before it counts", "2026-02-10", [2022, 2025])
    member("aided", "2026-03-10", [2021])
    city.add("aid_recipient", certno=city.number("aided"), aid_type="低保")
    member("newborn", "2026-03-10", [], born="2026-01-20")
    member("newborn of the window", "2025-12-15", [], born="2025-11-20")
    member("newborn before the window", "2025-12-15", [], born="2025-10-20")
    member("not so new", "2026-03-30", [], born="2025-12-29")
    member("veteran", "2026-03-01", [])
    city.add("veteran", certno=city.number("veteran"), discharge_date="2025-12-01")
    member("veteran too late", "2026-03-02", [])
    city.add("veteran", certno=city.number("veteran too late"), discharge_date="2025-12-01")
    member("left a job", "2026-03-10", [])
    city.staff("left a job", "left a job-s", (202301, 202511), psn_insu_stas="4", end_date="2025-11-30")
    member("left a job, on record", "2026-03-10", [2023, 2024])
    city.staff("left a job, on record", "left on record-s", (202402, 202511), psn_insu_stas="4", end_date="2025-11-30")
    city.add(
        "enrollment_history", certno=city.number("left a job, on record"), insu_year=2025, insutype="310", months=11
    )
    member("left a job long ago", "2026-03-10", [])
    city.staff("left a job long ago", "left long ago-s", (202301, 202510), psn_insu_stas="4", end_date="2025-10-31")
    member("month's end", "2026-03-30", steady)


class Night:
    def __init__(self, night: Built, city: City) -> None:
        self.night, self.city = night, city
        self.duplicates: dict[str, list[dict[str, Any]]] = {}
        for row in night.dicts("SELECT * FROM duplicate_enrollment ORDER BY rlts_a, rlts_b"):
            self.duplicates.setdefault(row["certno"], []).append(row)

    def months(self, name: str) -> list[tuple[Any, ...]]:
        """Relation, first and last month, paid, projected."""
        query = (
            "SELECT psn_insu_rlts_id, begn_month, end_month, paid, projected FROM coverage INNER JOIN person "
            "USING (person_id) WHERE certno = ? ORDER BY begn_month, psn_insu_rlts_id"
        )
        return self.night.rows(query, [self.city.numbers[name]])

    def pairs(self, name: str) -> list[dict[str, Any]]:
        return self.duplicates.get(self.city.numbers[name], [])

    def pair(self, name: str) -> dict[str, Any]:
        found = self.pairs(name)
        assert len(found) == 1, f"{len(found)} pairs"
        return found[0]

    def decision(self, name: str) -> tuple[Any, ...]:
        row = self.pair(name)
        drop = row["drop_rlts"]
        return row["rule_id"], row["action"], drop and drop[len(name) + 1 :], row["needs_review"]

    def surplus(self, name: str) -> list[tuple[Any, ...]]:
        query = (
            "SELECT pay_id, insu_year, amount FROM duplicate_payment INNER JOIN person USING (person_id) "
            "WHERE certno = ? ORDER BY pay_id"
        )
        rows = self.night.rows(query, [self.city.numbers[name]])
        return [(pay_id.removeprefix(f"{name}-"), year, amount) for pay_id, year, amount in rows]

    def benefit(self, name: str) -> dict[str, Any]:
        found = self.night.dicts(
            "SELECT e.* FROM entitlement AS e INNER JOIN person AS p USING (person_id) "
            f"WHERE p.certno = '{self.city.numbers[name]}'"
        )
        assert len(found) == 1
        return found[0]


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, City]:
    place = tmp_path_factory.mktemp("insurance")
    city = made_city()
    city.write(place / "landing")
    (place / "rules.toml").write_text("[subsidy]\n2026 = 700\n")
    return place, city


def one_night(landing: tuple[Path, City], as_of: date) -> Iterator[Night]:
    place, city = landing
    rules = place / "rules.toml"
    # Deliveries are of a day before either night.
    for day in (place / "landing").glob("*/2026-03-30"):
        day.rename(day.parent / "2025-12-19")
    with built(place / "landing", place, as_of, tables=TABLES, overlay=rules, store=place / "store") as done:
        yield Night(done, city)


@pytest.fixture(scope="module")
def night(landing: tuple[Path, City]) -> Iterator[Night]:
    yield from one_night(landing, AS_OF)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resident", [("C-1", "202601", "202612", True, False)]),
        ("resident from april", [("C-2", "202604", "202612", True, False)]),
        ("staff", [("C-3", "202510", "202602", True, False), ("C-3", "202603", "202612", False, True)]),
        ("staff with a gap", [("C-4", "202501", "202503", True, False), ("C-4", "202505", "202506", True, False)]),
        ("staff that ends", [("C-5", "202601", "202603", True, False)]),
        ("retired", [("C-6", "202601", "202603", True, False), ("C-6", "202604", "202612", False, True)]),
        ("elsewhere", [("C-7", "202511", "202612", True, False)]),
        ("repair", []),
        ("two employers", [("C-9a", "202505", "202506", True, False), ("C-9b", "202508", "202509", True, False)]),
        ("paid elsewhere in the city", [(None, "202601", "202612", True, False)]),
        ("paid at the long code", [("C-11", "202601", "202612", True, False)]),
    ],
)
def test_covered_months(night: Night, name: str, expected: list[tuple[Any, ...]]) -> None:
    assert night.months(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("home", ("RET-2", "terminate", "a", False)),
        ("neither home", ("RET-2", "review", None, True)),
        ("both home", ("RET-2", "review", None, True)),
        ("no home", ("RET-2", "review", None, True)),
        ("student", ("RET-3", "terminate", "b", False)),
        ("student elsewhere", ("RET-2", "terminate", "a", False)),
        ("graduate", ("RET-2", "terminate", "a", False)),
        ("12 months", ("RET-4", "terminate", "r", False)),
        ("12 months to last month", ("RET-4", "terminate", "r", False)),
        ("11 months", ("RET-7", "suspend", "r", True)),
        ("flexible", ("RET-6", "choose", None, True)),
        ("graduate at work", ("RET-9", "suspend", "r", False)),
        ("short job", ("RET-8", "suspend", "r", False)),
        ("one job", ("RET-1", "terminate", "b", False)),
        ("two jobs", ("RET-1", "review", None, True)),
        ("no job", ("RET-1", "review", None, True)),
    ],
)
def test_which_relation_is_kept(night: Night, name: str, expected: tuple[Any, ...]) -> None:
    assert night.decision(name) == expected


def test_a_dead_person_is_reviewed(night: Night) -> None:
    assert night.decision("dead twice")[1:] == ("review", None, True)


def test_the_pair(night: Night) -> None:
    row = night.pair("home")
    assert (row["kind"], row["state"]) == ("resident_resident", "current")
    assert (row["rlts_a"], row["rlts_b"]) == ("home-a", "home-b")
    assert (row["keep_rlts"], row["drop_rlts"], row["notify_admdvs"]) == ("home-b", "home-a", PLACE)
    assert (row["overlap_begn"], row["overlap_end"], row["overlap_months"]) == ("202601", "202612", 12)
    assert row["clause"]
    crossed = night.pair("12 months")
    assert (crossed["kind"], crossed["staff_months"], crossed["cause"]) == ("staff_resident", 12, "employment")
    assert night.pair("12 months to last month")["staff_months"] == 12
    assert night.pair("11 months")["staff_months"] == 11
    review = night.pair("neither home")
    assert (review["keep_rlts"], review["notify_admdvs"], review["subsidy_deduct_amt"]) == (None, None, 0)
    outside = night.pair("here and outside")
    assert (outside["drop_rlts"], outside["notify_admdvs"]) == ("home-a2", PLACE)
    assert outside["insu_admdvs_b"] == PLACE_OUTSIDE


@pytest.mark.parametrize(
    ("name", "amount"),
    [
        ("home", 700), ("student", 700), ("12 months", 700), ("11 months", 0), ("flexible", 0), ("neither home", 0),
        ("one job", 0), ("freshman", 0), ("graduate at work", 0), ("short job", 0),
    ],
)  # fmt: skip
def test_subsidy(night: Night, name: str, amount: int) -> None:
    assert night.pair(name)["subsidy_deduct_amt"] == amount


def test_of_three_one_is_kept(night: Night) -> None:
    rows = {(row["rlts_a"], row["rlts_b"]): row for row in night.pairs("three")}
    assert set(rows) == {("three-a", "three-b"), ("three-a", "three-c"), ("three-b", "three-c")}
    for pair in (("three-a", "three-b"), ("three-a", "three-c")):
        assert (rows[pair]["keep_rlts"], rows[pair]["drop_rlts"]) == pair
        assert rows[pair]["subsidy_deduct_amt"] == 700
    others = rows["three-b", "three-c"]
    assert (others["keep_rlts"], others["drop_rlts"], others["needs_review"]) == (None, None, False)
    assert others["subsidy_deduct_amt"] == 0
    assert len({row["group_id"] for row in rows.values()}) == 1


@pytest.mark.parametrize("name", ["no duplicate", "one after the other", "resident", "paid twice"])
def test_no_duplicates(night: Night, name: str) -> None:
    assert night.pairs(name) == []


@pytest.mark.parametrize(
    ("name", "refund"),
    [("home", "manual"), ("11 months", "no"), ("12 months", "manual"), ("one job", None), ("flexible", None)],
)
def test_refund_once_the_period_has_begun(night: Night, name: str, refund: str | None) -> None:
    assert night.pair(name)["refund"] == refund


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("paid twice", [("2", 2026, 400)]),
        ("paid thrice", [("1", 2026, 400), ("3", 2026, 400)]),
        ("paid back", []),
        ("repaired", []),
        ("two places", [("2", 2026, 400)]),
        ("two years", []),
        ("month twice", [("2", 2026, 300)]),
        ("month of two employers", []),
        ("month after month", []),
        ("month within a quarter", [("2", 2026, 300)]),
        ("years ahead", [("2", 2026, 400)]),
    ],
)
def test_surplus_payments(night: Night, name: str, expected: list[tuple[Any, ...]]) -> None:
    assert night.surplus(name) == expected


def day(text: str) -> date:
    return date.fromisoformat(f"2026-{text}")


@pytest.mark.parametrize(
    ("name", "waiting", "wait_start", "begn", "exempt"),
    [
        ("before the year", 0, None, day("01-01"), None),
        ("in january", 0, None, day("02-01"), None),
        ("too late", 3, day("03-11"), day("06-11"), None),
        ("lapsed, before the year", 4, day("01-01"), day("05-01"), None),
        ("lapsed, in february", 4, day("02-11"), day("06-11"), None),
        ("lapsed, repaired", 3, day("02-11"), day("05-11"), None),
        ("lapsed before it counts", 0, None, day("03-01"), None),
        ("aided", 0, None, day("04-01"), "aid"),
        ("newborn", 0, None, day("01-20"), "newborn"),
        ("newborn of the window", 0, None, date(2025, 11, 20), "newborn"),
        ("newborn before the window", 0, None, day("01-01"), "newborn"),
        ("not so new", 3, day("03-31"), day("06-30"), None),
        ("veteran", 0, None, day("04-01"), "veteran"),
        ("veteran too late", 3, day("03-03"), day("06-03"), None),
        ("left a job", 0, None, day("04-01"), "transition"),
        ("left a job, on record", 0, None, day("04-01"), "transition"),
        ("left a job long ago", 3, day("03-11"), day("06-11"), None),
        ("month's end", 3, day("03-31"), day("06-30"), None),
    ],
)
def test_benefits(  # noqa: PLR0917
    night: Night, name: str, waiting: int, wait_start: date | None, begn: date, exempt: str | None
) -> None:
    row = night.benefit(name)
    assert (row["waiting_months"], row["wait_start"], row["benefit_begn"]) == (waiting, wait_start, begn)
    assert row["exempt_reason"] == exempt
    assert row["benefit_end"] == date(2026, 12, 31)
    if waiting == 0:
        assert (row["fixed_months"], row["variable_months"]) == (0, 0)


def test_years(night: Night) -> None:
    def years(name: str) -> tuple[Any, ...]:
        row = night.benefit(name)
        return row["continuous_years"], row["lapsed_years"], row["repaired_years"]

    assert years("before the year") == (6, 0, 0)
    assert years("lapsed, in february") == (1, 1, 0)
    assert years("lapsed, repaired") == (1, 1, 1)
    assert years("newborn") == (1, 0, 0)


def test_the_cap_is_not_made_up(night: Night) -> None:
    row = night.benefit("before the year")
    assert (row["cap_base"], row["cap_total"]) == (None, None)
    assert row["cap_reward_continuous"] == 8000
    assert "cap.base" in row["unverified"]


@pytest.fixture(scope="module")
def before(landing: tuple[Path, City], night: Night) -> Iterator[Night]:
    """The same city seen from inside the window; payments that are dated later are in it all the same."""
    yield from one_night(landing, EARLIER)


def test_the_year_ahead_is_prospective(before: Night) -> None:
    row = before.pair("home")
    assert (row["state"], row["overlap_begn"], row["overlap_end"]) == ("prospective", "202601", "202612")
    assert row["refund"] == "yes"
    assert row["refund_rule"] == "REF-1"
    assert before.benefit("before the year")["benefit_begn"] == date(2026, 1, 1)
