"""Rows at random from small pools, so that everything meets everything: the tables still hold what they promise."""

import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from canbao.intake import load_definitions
from tests.contract.landing import DAY, City, fifteen, number, wrong
from tests.in_process import Built, built
from tests.ledger.conftest import AS_OF, differences, published
from tests.ledger.test_properties import FEW, Ledger, check_completeness, check_identities, check_sums, seeds

KEYS = {
    "person": "person_id",
    "coverage": "person_id, psn_insu_rlts_id, insutype, begn_month, paid, projected",
    "duplicate_enrollment": "person_id, rlts_a, rlts_b",
    "duplicate_payment": "pay_id",
    "merge_candidate": "person_id, psn_no_a, psn_no_b",
    "uninsured": "person_id",
    "responsibility": "person_id, division_code",
    "entitlement": "person_id",
    "premium_reconciliation": "person_id, class, psn_insu_rlts_id, pay_id",
    "notice": "notice_id",
    "anomaly": "anomaly_id",
    "ledger": "insu_year, basis, division_code, measure",
    "evaluation": "insu_year, division_code, measure",
    "identifier": "person_id, kind, value",
    "newborn": "person_id",
    "subsidy_deduction": "insu_year, insu_admdvs, rule_id",
    "rule": "rule_id",
}


def pools(rng: random.Random) -> dict[str, list[Any]]:
    people = [
        number(f"junk {i}", f"{rng.randint(1930, 2026)}-0{rng.randint(1, 9)}-1{rng.randint(0, 9)}") for i in range(40)
    ]
    odd = [
        fifteen(people[0]),
        wrong(people[1]),
        "ABC123",
        "Z900000001",
        "Z900000002",
        "Z900000003",
        "990001199002301234",
    ]
    days = [str(date(2023, 1, 1) + timedelta(days=rng.randint(0, 1300))) for _ in range(20)] + [None, "2026-03-31"]
    months = [202401, 202412, 202501, 202512, 202601, 202602, 202603, 202612, 202712]
    places = ["500101", "500101000000", "500102", "510104", "500199"]
    divisions = ["500101001001", "500101001", "500101", "500102001001", "500101009009", "510104001001", "50010", None]
    return {
        "cert": [*people, *odd], "date": days, "month": months, "admdvs": places, "division": divisions,
        "text": [*["甲"] * 9, "乙", "丙", "丁?", "丙·丁", None],
        "amount": ["400", "775", "-400", "0", "300.00元", "1200"],
        "year": [2019, 2024, 2025, 2026, 2027], "int": [0, 1, 11, 12], "bool": ["1", "0", "是", None],
        "uscc": ["U1", "U2", None],
    }  # fmt: skip


CODES: dict[str, list[Any]] = {
    "insutype": ["310", "390", "390", "380", "320"], "psn_insu_stas": [*"11111111", "2", "4", "3", "0"],
    "psn_type": ["1101", "1103", "1201", "1203", "1401", "1501", None], "resd_status": [*"1111111111", *"234567", None],
    "student_status": ["1", "2", "3", "4", None], "stage": ["primary", "undergraduate", "本科", "不明", None],
    "kind": ["contract", "pension", "unemployment"], "aid_type": ["特困", "低保", "重残", "没听说过"],
    "pay_type": ["10", "31", "32", "40"], "tier": ["1", "2", None], "reason_code": ["D1", "W1", "M1", "ZZ"],
    "gend": ["1", "2", "0", None], "psn_cert_type": ["01", "01", "99", "17", None], "status": ["1", "2", "3"],
}  # fmt: skip
FEWER = {"tax_payment": 200, "death": 3, "custody": 4, "birth": 9, "enrollment_elsewhere": 20}
IDS = {"psn_insu_rlts_id": 150, "pay_id": 250, "birth_cert_no": 4, "psn_no": 30, "batch_id": 3, "household_no": 6}


def junk(seed: int, rows: int = 120) -> City:
    """A city of rows at random; every source, several deliveries of increments."""
    rng = random.Random(seed)  # noqa: S311
    pool = pools(rng)
    city = City()
    for name, source in load_definitions().items():
        if name in {"division", "target"}:
            continue
        for _ in range(FEWER.get(name, rows)):
            row: dict[str, Any] = {}
            for field in source.fields:
                if field.name in IDS:
                    row[field.name] = (
                        f"{'Z90000000' if field.name == 'birth_cert_no' else 'I'}{rng.randint(1, IDS[field.name])}"
                    )
                elif field.name in CODES:
                    row[field.name] = rng.choice(CODES[field.name])
                elif field.name != "row_code":
                    row[field.name] = rng.choice(pool[field.type if field.type in pool else "text"])
                if row.get(field.name) is None and field.not_blank:
                    row[field.name] = rng.choice([one for one in pool.get(field.type, ["甲"]) if one is not None])
            for rare in {"old_certno", "end_date"} & row.keys():
                row[rare] = row[rare] if rng.random() < 0.2 else None
            if name == "tax_payment" and rng.random() < 0.8:
                relation = rng.choice(city.rows["enrollment", DAY])
                row |= {name: relation[name] for name in ("certno", "insutype", "insu_admdvs")}
                row |= rng.choice([{"accrym_begn": 202501}, {"accrym_begn": 202601, "accrym_end": 202612}])
                row |= {"uscc": None, "amount": rng.choice(["400", "400", "775"]), "pay_type": "10"}
            day = rng.choice(["2025-11-30", "2025-12-15", "2026-02-28"]) if source.kind == "increment" else DAY
            city.add(name, day, **row)
    for serial, certno in enumerate(pool["cert"][:20]):
        city.numbers[f"junk {serial}"] = certno
        for letter in "abc"[: rng.randint(1, 3)]:
            more = {"insu_admdvs": rng.choice(pool["admdvs"]), "begn_date": "2025-02-01"}
            if rng.random() < 0.6:
                city.resident(f"junk {serial}", f"X{serial}{letter}", **more)
            else:
                first = rng.choice([202401, 202507, 202601])
                kind = rng.choice(["1101", "1101", "1103", "1201"])
                city.staff(f"junk {serial}", f"X{serial}{letter}", (first, 202603), psn_type=kind, **more)
    return city


def check_keys(night: Built) -> None:
    for table, key in KEYS.items():
        twice = night.rows(f"SELECT {key}, count(*) FROM {table} GROUP BY {key} HAVING count(*) > 1")
        assert not twice, (table, twice[:3])


def check_it_is_no_desert(night: Built) -> None:
    """Else the checks prove nothing."""
    statuses = {row[0] for row in night.rows("SELECT DISTINCT insured_status FROM person")}
    assert statuses >= {"staff", "resident", "uninsured", "excluded_death"}
    assert night.rows("SELECT count(*) > 5 FROM duplicate_enrollment") == [(True,)]


def check_persons(night: Built) -> None:
    for table in KEYS:
        if "person_id" in night.warehouse.columns(table):
            lost = f"SELECT count(*) FROM {table} WHERE person_id NOT IN (SELECT person_id FROM person)"
            assert night.rows(lost) == [(0,)], table
    assert night.rows("SELECT count(*) FROM person WHERE person_id IS NULL OR insured_status IS NULL") == [(0,)]
    assert night.rows("SELECT count(*) FROM uninsured") == night.rows(
        "SELECT count(*) FROM person WHERE insured_status = 'uninsured'"
    )


def check_duplicates(night: Built) -> None:
    for row in night.dicts("SELECT * FROM duplicate_enrollment"):
        assert row["rlts_a"] < row["rlts_b"]
        assert (row["keep_rlts"] is None) == (row["drop_rlts"] is None)
        assert (row["drop_rlts"] is None) == (row["notify_admdvs"] is None)
        assert row["overlap_months"] >= 1
        assert row["overlap_begn"] <= row["overlap_end"]
        assert (row["state"] == "current") == (row["overlap_begn"] <= "202603")
        if row["keep_rlts"]:
            assert {row["keep_rlts"], row["drop_rlts"]} == {row["rlts_a"], row["rlts_b"]}
            assert row["action"] in {"terminate", "suspend"}
        if row["action"] in {"choose", "review"}:
            assert row["drop_rlts"] is None
            assert row["needs_review"]
    kept = "SELECT person_id FROM duplicate_enrollment GROUP BY person_id HAVING count(DISTINCT keep_rlts) > 1"
    both = f"SELECT count(*) FROM ({kept})"
    assert night.rows(
        f"{both} WHERE person_id NOT IN (SELECT person_id FROM duplicate_enrollment WHERE rule_id = 'RET-6')"
    ) == [(0,)]
    dropped = "SELECT person_id, drop_rlts FROM duplicate_enrollment WHERE drop_rlts IS NOT NULL"
    assert night.rows(f"{dropped} GROUP BY ALL HAVING count(*) > 1") == []


def check_benefits(night: Built) -> None:
    for row in night.dicts("SELECT * FROM entitlement"):
        assert (row["wait_start"] is None) == (row["waiting_months"] == 0)
        assert (row["benefit_begn"] is None) == (row["paid_date"] is None)
        assert min(row["cap_reward_continuous"], row["cap_reward_zero_claim"], row["cap_penalty"]) >= 0
        assert row["repaired_years"] <= row["lapsed_years"]


def check_all(night: Built) -> None:
    ledger = Ledger(night)
    check_keys(night)
    check_persons(night)
    check_duplicates(night)
    check_benefits(night)
    check_identities(ledger)
    check_sums(ledger)
    check_completeness(ledger)


@FEW
@given(seed=seeds)
def test_whatever_comes_in(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    place: Path = tmp_path_factory.mktemp("junk")
    with built(junk(seed).write(place / "landing"), place, AS_OF) as night:
        check_it_is_no_desert(night)
        check_all(night)


def test_nobody_at_all(tmp_path: Path) -> None:
    """Files that hold a header and no rows."""
    with built(City().write(tmp_path / "landing"), tmp_path, AS_OF) as night:
        check_all(night)
        tables = published(night)
        assert tables["person"].is_empty()
        assert tables["ledger"]["value"].sum() == 0
        assert tables["ledger"].height > 0
    with built(City(divisions=False).write(tmp_path / "bare"), tmp_path, AS_OF) as night:
        assert not differences({"person": tables["person"]}, {"person": published(night)["person"]})
        assert night.rows("SELECT count(DISTINCT division_code) > 12000 FROM ledger") == [(True,)]
