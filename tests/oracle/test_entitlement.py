"""The entitlement table and the plain reading of the policy agree on random lives."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from canbao.rules import load_rules

from .compare import SETTINGS, Setting, compare, make, told
from .entitlement import entitlement
from .life import Life, Payment, Policy, Relation, add_months

LIVES = 450  # a set of parameters


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_table_and_oracle_agree(setting: Setting, tmp_path) -> None:
    lives = make(setting, LIVES, 1, tmp_path)
    wrong = compare(lives, setting, tmp_path)
    assert not wrong, told(wrong)


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(st.integers(0, 2**32), st.sampled_from(SETTINGS))
def test_table_and_oracle_agree_on_what_hypothesis_seeks(tmp_path, seed: int, setting: Setting) -> None:
    wrong = compare(make(setting, 80, seed, tmp_path), setting, tmp_path)
    assert not wrong, told(wrong)


def test_lives_reach_the_corners(tmp_path) -> None:
    seen: set[object] = set()
    for setting in SETTINGS:
        policy = Policy.of(setting.rules(tmp_path), setting.insured_year)
        limit = None if policy.cap_base is None else policy.cap_base * policy.cap_limit_ratio
        for life in make(setting, 1500, 5, tmp_path):
            row = entitlement(life, policy)
            if row is None:
                seen.add("no row")
                continue
            seen |= set(row["exempt_reasons"])
            seen |= {
                ("lapsed", row["lapsed_years"]),
                ("repaired", min(row["repaired_years"], 3)),
                ("window", row["in_window"]),
            }
            if row["waiting_months"] > row["fixed_months"] + row["variable_months"]:
                seen.add("floor")
            if row["paid_date"] is None:
                seen.add("unpaid")
            else:
                seen.add(("paid", row["paid_date"].month, row["paid_date"].day))
                if row["benefit_begn"] > row["benefit_end"]:
                    seen.add("begins after its end")
                if row["benefit_begn"] == life.brdy:
                    seen.add("from birth")
            for part in ("cap_reward_continuous", "cap_reward_zero_claim", "cap_penalty"):
                if limit and row[part] > 0 and row[part] % policy.cap_step:
                    seen.add((part, "cut"))
                elif row[part] > 0:
                    seen.add(part)
    wanted = {
        "no row",
        "newborn",
        "aid",
        "transition",
        "veteran",
        "floor",
        "unpaid",
        "begins after its end",
        "from birth",
    }
    wanted |= {("lapsed", n) for n in (0, 1, 2, 3, 4, 6)} | {("repaired", n) for n in range(4)}
    wanted |= {("window", value) for value in (True, False, None)}
    wanted |= {("paid", *day) for day in ((12, 31), (1, 1), (1, 31), (2, 28), (2, 29), (3, 1), (3, 31))}
    for part in ("cap_reward_continuous", "cap_reward_zero_claim", "cap_penalty"):
        wanted |= {part, (part, "cut")}
    assert wanted <= seen, f"never reached: {wanted - seen}"


def shipped(**changes: object) -> Policy:
    return replace(Policy.of(load_rules("chongqing", date(2026, 12, 31)), 2026), **changes)


def lapsed(years: int, repaired: int, paid: date) -> Life:
    """Insured to 2025 less the lapsed years, paid again for 2026."""
    life = Life("1", date(1980, 1, 1), [Relation("r", "390", "1", "500101", date(2019, 10, 1))])
    life.history = [(year, "390", 12) for year in range(2016, 2026 - years)]
    life.payments = [Payment("p", "390", 202601, 202612, 400, paid)]
    for year in range(2025, 2025 - repaired, -1):
        life.payments.append(Payment(f"p{year}", "390", year * 100 + 1, year * 100 + 12, 400, paid, "32"))
    return life


@pytest.mark.parametrize(
    ("years", "months", "repaired_months"), [(0, 0, 0), (1, 4, 3), (2, 5, 3), (3, 6, 3), (4, 7, 6), (6, 9, 6)]
)
def test_the_oracle_reads_the_table_of_waits(years: int, months: int, repaired_months: int) -> None:
    policy = shipped(lapse_from_year=2000)
    for repaired, expected in ((0, months), (years, repaired_months)):
        row = entitlement(lapsed(years, repaired, date(2025, 12, 31)), policy)
        assert row and row["waiting_months"] == expected
        assert row["benefit_begn"] == add_months(date(2026, 1, 1), expected)


@given(st.integers(0, 8), st.integers(0, 8), st.dates(date(2025, 11, 1), date(2026, 12, 31)))
def test_the_oracle_never_punishes_a_repair(years: int, repaired: int, paid: date) -> None:
    policy = shipped(lapse_from_year=2000)
    less, more = (entitlement(lapsed(years, min(years, n), paid), policy) for n in (repaired, repaired + 1))
    assert less and more and more["waiting_months"] <= less["waiting_months"]
    assert more["cap_penalty"] == less["cap_penalty"]
