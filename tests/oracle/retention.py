"""Which of several relations is kept, what becomes of the others, of the subsidy and of the premium, clause by clause.

Judged are groups whose kept relation the texts name: of residents alone, of staff alone, of residents and one staff
relation. Of any other group only what holds for every group is judged.
"""

from datetime import date
from itertools import combinations
from typing import Any

from .entitlement import FLEXIBLE, base_year, effective_date, relation_of, resident_payments, standing
from .life import (
    EMPLOYERS,
    RESIDENT,
    STAFF,
    Life,
    Policy,
    Relation,
    add_months,
    first_of_next_month,
    month_number,
    month_of,
)

HIGHER = {"vocational", "college", "undergraduate", "postgraduate"}  # 大中专学生


def is_normal(relation: Relation, policy: Policy) -> bool:
    """Normal on the as-of date."""
    return relation.status == "1" and (relation.end is None or relation.end >= policy.as_of)


def is_retired(relation: Relation) -> bool:
    """Retired people need no payment."""
    return relation.insutype in STAFF and relation.psn_type.startswith("12")


def paid_months(life: Life) -> dict[str, set[int]]:
    """Months paid for, by relation."""
    money: dict[tuple[str, int], int] = {}
    for payment in life.payments:
        relation = relation_of(life, payment)
        if relation and payment.insutype in STAFF and payment.pay_type != "32":
            for month in range(month_number(payment.begn), month_number(payment.end) + 1):
                money[relation.rlts_id, month] = money.get((relation.rlts_id, month), 0) + payment.signed
    found: dict[str, set[int]] = {relation.rlts_id: set() for relation in life.relations}
    for (name, month), amount in money.items():
        if amount > 0:
            found[name].add(month)
    for (rlts_id, year), payments in resident_payments(life).items():
        if rlts_id and effective_date(payments):
            for payment in standing(payments):
                months = range(month_number(payment.begn), month_number(payment.end) + 1)
                found[rlts_id] |= {month for month in months if month // 12 == year}
    return found


def covered(relation: Relation, paid: set[int], policy: Policy) -> set[int]:
    """Months that a normal relation covers, with those that are expected (contract 3.2)."""
    last = policy.insured_year * 12 + 11
    if relation.elsewhere or is_retired(relation):
        until = last
        if relation.end:  # with an end nothing is expected to continue
            until = min(last, month_of(relation.end)) if relation.elsewhere else month_of(policy.as_of)
        return set(range(month_of(relation.begn), until + 1))
    now = month_of(policy.as_of)
    if relation.insutype in STAFF and relation.end is None and (now in paid or now - 1 in paid):
        return paid | set(range(max(paid) + 1, last + 1))
    return set(paid)


def unbroken_staff_months(life: Life, paid: dict[str, set[int]], policy: Policy) -> int:
    """RET-4: months up to now or the month before, of all employers and places together."""
    now = month_of(policy.as_of)
    months: set[int] = set()
    for relation in life.relations:
        if relation.insutype in STAFF:
            months |= paid[relation.rlts_id]
            if relation.status in {"1", "2", "4"} and (relation.elsewhere or is_retired(relation)):
                if relation.status != "1" and relation.end is None:
                    continue
                until = min(month_of(relation.end), now) if relation.end else now
                months |= set(range(month_of(relation.begn), until + 1))
    month = now if now in months else now - 1
    count = 0
    while month - count in months:
        count += 1
    return count


def only(relations: list[Relation], place: str | None) -> Relation | None:
    """The one relation at a place; None where none or several are there."""
    there = [relation for relation in relations if place and relation.admdvs[:6] == place[:6]]
    return there[0] if len(there) == 1 else None


def kept_resident(life: Life, residents: list[Relation]) -> tuple[Relation | None, str]:
    """RET-3 for students with a relation at the school's place, else RET-2."""
    for school, _, _, status in life.student:
        if status in {"1", "2"} and any(relation.admdvs[:6] == school[:6] for relation in residents):
            return only(residents, school), "RET-3"
    return only(residents, life.live_code), "RET-2"


def kept_staff(life: Life, staff: list[Relation], paid: dict[str, set[int]], policy: Policy) -> Relation | None:
    """RET-1: the place of the employer by contract, without one the last employer who paid."""
    places = {
        EMPLOYERS[uscc]
        for uscc, kind, begn, end in life.employment
        if kind == "contract" and begn <= policy.as_of and (end is None or end >= policy.as_of)
    }
    if places:
        there = [relation for relation in staff if relation.admdvs[:6] in places]
        return there[0] if len(there) == 1 else None
    now = month_of(policy.as_of)
    latest = {r.rlts_id: now if r.elsewhere else min(now, max(paid[r.rlts_id], default=0)) for r in staff}
    payers = [r for r in staff if latest[r.rlts_id]]
    payers = [r for r in payers if not (r.psn_type in FLEXIBLE or is_retired(r))] or payers
    if not payers:
        return None
    # a normal record elsewhere counts as paid until now, but tells no months
    first = max(latest[r.rlts_id] for r in payers) - any(r.elsewhere for r in payers)
    places = {r.admdvs[:6] for r in payers if latest[r.rlts_id] >= first}
    there = [relation for relation in staff if relation.admdvs[:6] in places]
    return there[0] if len(there) == 1 else None


def cross_rule(life: Life, staff: Relation, resident: Relation, months: int, policy: Policy) -> tuple[str, str, bool]:
    """Rule, action and whether somebody must look, for an employer's relation beside a resident one."""
    if months >= policy.staff_months:
        return "RET-4", "terminate", False
    for school, stage, enrolled, _ in life.student:
        if stage in HIGHER and school[:6] == resident.admdvs[:6] and enrolled <= policy.as_of:
            return "RET-9", "suspend", False
    contracts = [
        (begn, end)
        for uscc, kind, begn, end in life.employment
        if kind == "contract" and staff.uscc in {uscc, None} and begn <= policy.as_of <= (end or policy.as_of)
    ]
    short = all(end and end < add_months(begn, policy.short_term_months) for begn, end in contracts)
    if contracts and short and resident.begn < staff.begn and in_benefits(life, resident, staff.begn, policy):
        return "RET-8", "suspend", False
    return "RET-7", "suspend", True


def in_benefits(life: Life, resident: Relation, day: date, policy: Policy) -> bool:
    """Whether a resident relation gave benefits on a day, waiting left aside; of years long past all are taken to have."""
    if resident.elsewhere or day.year < policy.insured_year - 1:
        return True
    paid = effective_date(resident_payments(life).get((resident.rlts_id, day.year), []))
    return paid is not None and (paid.year < day.year or first_of_next_month(paid) <= day)


def refund(life: Life, dropped: Relation, action: str, policy: Policy) -> str | None:
    """REF-1 to REF-3, None where nothing was paid."""
    payments = resident_payments(life).get((dropped.rlts_id, policy.insured_year), [])
    paid = effective_date(payments)
    if paid is None:
        return None
    begins = date(policy.insured_year, 1, 1) if paid.year < policy.insured_year else first_of_next_month(paid)
    if policy.as_of < begins:
        return "yes"
    return "no" if action == "suspend" else "manual"


def duplicates(life: Life, policy: Policy) -> dict[tuple[str, str], dict[str, Any]]:
    """Expected columns of each overlapping pair. A column that the texts leave open is absent."""
    paid = paid_months(life)
    first = min(month_of(policy.as_of), policy.insured_year * 12)
    span = set(range(first, policy.insured_year * 12 + 12))
    normal = [r for r in life.relations if is_normal(r, policy) and r.insutype in STAFF | RESIDENT]
    months = {r.rlts_id: covered(r, paid[r.rlts_id], policy) & span for r in normal}
    pairs = [
        (a, b)
        for a, b in combinations(sorted(normal, key=lambda r: r.rlts_id), 2)
        if months[a.rlts_id] & months[b.rlts_id]
    ]
    group = sorted({r.rlts_id: r for pair in pairs for r in pair}.values(), key=lambda r: r.rlts_id)
    staff = [r for r in group if r.insutype in STAFF]
    residents = [r for r in group if r.insutype in RESIDENT]
    run = unbroken_staff_months(life, paid, policy)
    clear = len(pairs) == len(group) * (len(group) - 1) // 2 and (
        not staff or not residents or (len(staff) == 1 and (len(residents) == 1 or staff[0].psn_type not in FLEXIBLE))
    )
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for a, b in pairs:
        both = months[a.rlts_id] & months[b.rlts_id]
        row: dict[str, Any] = {
            "kind": "_".join(sorted(("staff" if r.insutype in STAFF else "resident" for r in (a, b)), reverse=True)),
            "state": "current" if min(both) <= month_of(policy.as_of) else "prospective",
            "overlap_begn": f"{min(both) // 12}{min(both) % 12 + 1:02d}",
            "overlap_end": f"{max(both) // 12}{max(both) % 12 + 1:02d}",
            "overlap_months": len(both),
        }
        if row["kind"] == "staff_resident":
            row["staff_months"] = run
        found[a.rlts_id, b.rlts_id] = row
        if not clear:
            continue
        if staff and residents:
            kept: Relation | None = staff[0]
            if staff[0].psn_type in FLEXIBLE:
                kept, rule, action, look = None, "RET-6", "choose", True
            elif kept in (a, b):
                rule, action, look = cross_rule(life, staff[0], b if kept is a else a, run, policy)
        elif staff:
            kept, rule = kept_staff(life, staff, paid, policy), "RET-1"
            action, look = ("terminate", False) if kept else ("review", True)
        else:
            kept, rule = kept_resident(life, residents)
            action, look = ("terminate", False) if kept else ("review", True)
        if kept and kept not in (a, b):
            row |= {"keep_rlts": None, "drop_rlts": None, "needs_review": False, "subsidy_deduct_amt": 0}
            row |= {"notify_admdvs": None}
            continue
        dropped = None if kept is None else b if kept is a else a
        row |= {"rule_id": rule, "action": action, "needs_review": look}
        row |= {"keep_rlts": kept and kept.rlts_id, "drop_rlts": dropped and dropped.rlts_id}
        row |= {"notify_admdvs": dropped and dropped.admdvs}
        matriculated = any(
            stage in HIGHER and enrolled.year == policy.insured_year for _, stage, enrolled, _ in life.student
        )
        free = not (staff and residents) and matriculated  # FIN-2
        if dropped is None or dropped.insutype in STAFF or action != "terminate" or free:
            row["subsidy_deduct_amt"] = 0
        else:
            row["subsidy_deduct_amt"] = policy.subsidies.get(policy.insured_year)
        if dropped is None or dropped.insutype in STAFF or not dropped.elsewhere:
            no_money = dropped is None or dropped.insutype in STAFF
            row["refund"] = None if no_money else refund(life, dropped, action, policy)
    assert all(base_year(r, policy) <= policy.insured_year for r in residents)
    return found
