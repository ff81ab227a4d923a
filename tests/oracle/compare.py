"""Compares the plain reading of the entitlement rules with the SQL, under several sets of parameters."""

import random
import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from canbao.rules import Rules, load_rules

from .entitlement import entitlement
from .life import Life, Policy
from .lives import Maker
from .staged import build, read

COLUMNS = [
    "psn_insu_rlts_id", "insu_admdvs", "insu_year", "tier", "in_window", "paid_date", "continuous_years",
    "lapsed_years", "repaired_years", "fixed_months", "variable_months", "waiting_months", "wait_start",
    "benefit_begn", "benefit_end", "exempt_reason", "cap_base", "cap_reward_continuous", "cap_reward_zero_claim",
    "cap_penalty", "cap_total",
]  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """One set of parameters: as-of date, insured year, what is laid over the jurisdiction's values."""

    name: str
    as_of: date
    insured_year: int
    overlay: str = ""
    jurisdiction: str = "chongqing"

    def rules(self, folder: Path) -> Rules:
        """The loaded rules; the overlay goes through a file as in a run."""
        path = None
        if self.overlay:
            tomllib.loads(self.overlay)
            path = folder / "overlay.toml"
            path.write_text(self.overlay, "utf-8")
        return load_rules(self.jurisdiction, self.as_of, path)


SETTINGS = (
    Setting("as shipped, in March", date(2026, 3, 31), 2026),
    Setting(
        "long lapses, ceiling known", date(2026, 12, 31), 2026, "waiting.lapse_from_year = 2010\ncap.base = 200000"
    ),
    Setting(
        "first lapsed year free, small ceiling",
        date(2026, 9, 30),
        2026,
        "[waiting]\nlapse_from_year = 2000\nvar_offset = 1\n[cap]\nbase = 50001\nk_from_year = 2021\nafter_years = 2",
    ),
    Setting(
        "leap year",
        date(2028, 6, 30),
        2028,
        '[window.2028]\nstart = 2027-11-01\nend = "2028-02-29"\n[cap]\nbase = 300000\nzero_claim_needs_payment = false',
    ),
    Setting(
        "fewer exempt, other floor, other lengths",
        date(2026, 12, 31),
        2026,
        '[waiting]\nlapse_from_year = 2020\nexempt = ["newborn", "transition"]\nfloor_lapsed_years = 3\n'
        "floor_months = 8\nfixed_months = 2\n"
        "[transition]\ngap_months = 1\nmin_years = 1\nveteran_months = 2\n[newborn]\ndays = 60\n"
        "[cap]\nbase = 30000\nlimit_ratio = 0.5\nreward_from_year = 2023\nstep = 5000",
    ),
    Setting("Sichuan", date(2026, 6, 30), 2026, "waiting.lapse_from_year = 2015", jurisdiction="sichuan"),
    Setting(
        "Sichuan with a window",
        date(2026, 11, 30),
        2026,
        '[window.2026]\nstart = "2025-10-01"\nend = 2026-03-31\n[cap]\nreward_from_year = 2022',
        jurisdiction="sichuan",
    ),
)


def differences(row: dict[str, Any] | None, expected: dict[str, Any] | None) -> dict[str, tuple[Any, Any]]:
    """Columns in which the table and the oracle differ: column to (table, oracle)."""
    if row is None or expected is None:
        said = ["none" if one is None else "a row" for one in (row, expected)]
        return {} if row is expected else {"row": (said[0], said[1])}
    found = {c: (row[c], expected[c]) for c in COLUMNS if c in expected and row[c] != expected[c]}
    if not (row["exempt_reason"] in expected["exempt_reasons"] or row["exempt_reason"] is None):
        found["exempt_reason"] = (row["exempt_reason"], expected["exempt_reasons"])
    if row["exempt_reason"] is None and expected["exempt_reasons"]:
        found["exempt_reason"] = (None, expected["exempt_reasons"])
    return found


def compare(lives: list[Life], setting: Setting, scratch: Path) -> list[tuple[Life, dict[str, tuple[Any, Any]]]]:
    """The lives on which table and oracle differ."""
    rules = setting.rules(scratch)
    policy = Policy.of(rules, setting.insured_year)
    warehouse = build(lives, rules, setting.insured_year, ["entitlement"], scratch)
    rows = read(warehouse, "entitlement", COLUMNS)
    warehouse.close()
    by_number = {row["certno"]: row for row in rows}
    assert len(by_number) == len(rows), "a person stands twice in entitlement"
    wrong = []
    for life in lives:
        found = differences(by_number.get(life.certno), entitlement(life, policy))
        if found:
            wrong.append((life, found))
    return wrong


def told(wrong: list[tuple[Life, dict[str, tuple[Any, Any]]]], limit: int = 5) -> str:
    """The first lives that differ, and how often each column does."""
    counts: dict[str, int] = {}
    for _, found in wrong:
        for column in found:
            counts[column] = counts.get(column, 0) + 1
    lines = [f"{len(wrong)} lives differ: {counts}"]
    for life, found in wrong[:limit]:
        lines.append(str(life))
        lines += [f"    {column}: table {ours}, oracle {theirs}" for column, (ours, theirs) in found.items()]
    return "\n".join(lines)


def make(setting: Setting, count: int, seed: int, scratch: Path) -> list[Life]:
    """Random lives for one set of parameters."""
    maker = Maker(Policy.of(setting.rules(scratch), setting.insured_year), random.Random(seed))  # noqa: S311
    return [maker.life(serial) for serial in range(count)]
