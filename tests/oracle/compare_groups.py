"""Compares the duplicates with the plain reading of the retention rules, as `compare` does for the entitlement."""

import random
from datetime import date
from pathlib import Path
from typing import Any

from .compare import Setting
from .groups import group
from .life import Life, Policy
from .retention import duplicates
from .staged import build, read

COLUMNS = [
    "rlts_a", "rlts_b", "kind", "state", "overlap_begn", "overlap_end", "overlap_months", "keep_rlts", "drop_rlts",
    "action", "needs_review", "rule_id", "staff_months", "subsidy_deduct_amt", "refund", "notify_admdvs",
]  # fmt: skip

GROUP_SETTINGS = (
    Setting("duplicates in March", date(2026, 3, 31), 2026, "subsidy.2026 = 730"),
    Setting("duplicates in June", date(2026, 6, 15), 2026, "[retention]\nstaff_months = 6\nshort_term_months = 6"),
)


def make_groups(setting: Setting, count: int, seed: int, scratch: Path) -> list[Life]:
    """Random groups for one set of parameters."""
    policy = Policy.of(setting.rules(scratch), setting.insured_year)
    rng = random.Random(seed)  # noqa: S311
    return [group(policy, rng, serial) for serial in range(count)]


def compare_groups(lives: list[Life], setting: Setting, scratch: Path) -> list[tuple[Life, dict[str, tuple[Any, Any]]]]:
    """The people on whom table and oracle differ."""
    rules = setting.rules(scratch)
    policy = Policy.of(rules, setting.insured_year)
    warehouse = build(lives, rules, setting.insured_year, ["duplicate_enrollment"], scratch)
    rows: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
    for row in read(warehouse, "duplicate_enrollment", COLUMNS):
        rows.setdefault(row["certno"], {})[row["rlts_a"], row["rlts_b"]] = row
    warehouse.close()
    wrong = []
    for life in lives:
        table, oracle = rows.get(life.certno, {}), duplicates(life, policy)
        found: dict[str, tuple[Any, Any]] = {}
        if table.keys() != oracle.keys():
            found["pairs"] = (sorted(table), sorted(oracle))
        for pair in table.keys() & oracle.keys():
            differing = {c: (table[pair][c], v) for c, v in oracle[pair].items() if table[pair][c] != v}
            found |= {column: (pair, values) for column, values in differing.items()}
        kept = {row["keep_rlts"] for row in table.values()} - {None}
        dropped = [row["drop_rlts"] for row in table.values() if row["drop_rlts"]]
        if {row["action"] for row in table.values()} >= {"choose", "terminate"}:
            kept = set()  # who chooses between the systems still has to give up the duplicates inside one
        if len(kept) > 1 or kept & set(dropped) or len(dropped) != len(set(dropped)):
            found["one is kept"] = (sorted(kept), dropped)
        if found:
            wrong.append((life, found))
    return wrong
