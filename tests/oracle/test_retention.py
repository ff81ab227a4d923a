"""The duplicates and the plain reading of the retention rules agree on random groups of relations."""

import pytest

from .compare import Setting, told
from .compare_groups import GROUP_SETTINGS, compare_groups, make_groups
from .life import Policy
from .retention import duplicates

GROUPS = 400  # a set of parameters


@pytest.mark.parametrize("setting", GROUP_SETTINGS, ids=lambda setting: setting.name)
def test_table_and_oracle_agree(setting: Setting, tmp_path) -> None:
    wrong = compare_groups(make_groups(setting, GROUPS, 1, tmp_path), setting, tmp_path)
    assert not wrong, told(wrong)


def test_groups_reach_the_corners(tmp_path) -> None:
    seen: set[object] = set()
    setting = GROUP_SETTINGS[0]
    policy = Policy.of(setting.rules(tmp_path), setting.insured_year)
    for life in make_groups(setting, 3000, 2, tmp_path):
        for row in duplicates(life, policy).values():
            seen |= {row["kind"], row["state"], row.get("rule_id"), row.get("action"), ("refund", row.get("refund"))}
            seen.add(("deducted", row.get("subsidy_deduct_amt")))
            if "rule_id" in row and row["action"] == "terminate" and row["subsidy_deduct_amt"] == 0:
                seen.add((row["rule_id"], "not deducted"))
            if row.get("staff_months") in {policy.staff_months - 1, policy.staff_months}:
                seen.add(("staff months", row["staff_months"]))
    wanted = {f"RET-{n}" for n in (1, 2, 3, 4, 6, 7, 8, 9)} | {"terminate", "suspend", "choose", "review"}
    wanted |= {"staff_staff", "resident_resident", "staff_resident", "current", "prospective", ("deducted", 730)}
    wanted |= {("refund", value) for value in ("yes", "no", "manual")} | {("RET-3", "not deducted")}
    wanted |= {("staff months", 11), ("staff months", 12)}
    assert wanted <= seen, f"never reached: {wanted - seen}"
