"""The policy on waiting periods, benefit periods and the major-illness ceiling, read clause by clause.

Plain and slow on purpose: one person at a time, nothing shared with the SQL that is compared with it.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from .life import (
    RESIDENT,
    STAFF,
    Life,
    Payment,
    Policy,
    Relation,
    add_months,
    first_of_next_month,
    month_number,
    month_of,
)

COUNTED = {"1", "2", "4"}  # 0 and 3 say that there never was a relation
FLEXIBLE = {"1103", "1203"}


@dataclass
class Insured:
    """What somebody was covered for: years of any basic and of resident insurance; months; months with an employer.

    The months lack those that the insured year's own resident insurance covers: it is what somebody switches to.
    """

    years: set[int]
    resident_years: set[int]
    months: set[int]
    employed_months: set[int]
    told_months: set[int]  # of the yearly history, which does not say which months of a year they are


def relation_of(life: Life, payment: Payment) -> Relation | None:
    """The relation that a payment belongs to."""
    possible = [
        r
        for r in life.relations
        if not r.elsewhere
        and r.insutype == payment.insutype
        and r.admdvs[:6] == payment.admdvs[:6]
        and (r.uscc is None or payment.uscc is None or r.uscc == payment.uscc)
    ]
    if not possible:
        return None
    begun = [r for r in possible if month_of(r.begn) <= month_number(payment.end)]
    if begun:
        last = max(r.begn for r in begun)
        return min((r for r in begun if r.begn == last), key=lambda r: (r.status != "1", r.rlts_id))
    return min(possible, key=lambda r: r.begn)


def standing(payments: list[Payment]) -> list[Payment]:
    """The payments that were not taken back.

    A refund takes back the latest payment before it of its amount and months; where there is none, money paid back is
    that which came in last.
    """
    rest: list[Payment] = []
    for payment in sorted(payments, key=lambda p: (p.paid, -p.signed)):
        same = [one for one in rest if (one.signed, one.begn, one.end) == (-payment.signed, payment.begn, payment.end)]
        if payment.signed < 0 and same:
            rest.remove(same[-1])
        else:
            rest.append(payment)
    left: list[list[Any]] = []
    for payment in rest:
        if payment.signed > 0:
            left.append([payment, payment.signed])
            continue
        back = -payment.signed
        while back > 0 and left:
            taken = min(back, left[-1][1])
            left[-1][1] -= taken
            back -= taken
            if left[-1][1] == 0:
                left.pop()
    return [payment for payment, _ in left]


def effective_date(payments: list[Payment]) -> date | None:
    """The day of the first payment that was not taken back."""
    return min((payment.paid for payment in standing(payments)), default=None)


def resident_payments(life: Life) -> dict[tuple[str | None, int], list[Payment]]:
    """Payments of resident insurance by relation (None: none) and year; repairs are none."""
    found: dict[tuple[str | None, int], list[Payment]] = {}
    for payment in life.payments:
        if payment.insutype in RESIDENT and payment.pay_type != "32":
            relation = relation_of(life, payment)
            for year in range(payment.begn // 100, payment.end // 100 + 1):
                found.setdefault((relation.rlts_id if relation else None, year), []).append(payment)
    return found


def base_year(relation: Relation, policy: Policy) -> int:
    """The year that a relation was begun for."""
    coming = policy.windows.get(relation.begn.year + 1)
    if coming and coming[0] <= relation.begn <= coming[1]:
        return relation.begn.year + 1
    return relation.begn.year


def full_aid(life: Life, relation: Relation, year: int, policy: Policy) -> date | None:
    """The day since which aid leaves no personal share of the year's premium, None where it leaves one (AID-2)."""
    last = relation.end.year if relation.end else policy.insured_year
    if relation.elsewhere or relation.status not in COUNTED or not base_year(relation, policy) <= year <= last:
        return None
    kinds = [
        (policy.aid_types.get(kind, (None, None, None))[0] or 10**6, kind, begn)
        for kind, begn, end in life.aid
        if begn <= policy.as_of and begn <= date(year, 12, 31) and (end is None or end >= date(year, 1, 1))
    ]
    if not kinds:
        return None
    part = 2 if relation.tier == "2" else 1
    free = {kind for _, kind, _ in kinds if policy.aid_types.get(kind, (None, None, None))[part] == 0}
    if min(kinds)[1] not in free:
        return None
    return max(date(year - 1, 12, 31), relation.begn, min(begn for _, kind, begn in kinds if kind in free))


def paid_for(life: Life, rlts_id: str | None, year: int, policy: Policy) -> date | None:
    """The day on which a relation (None: none) was paid for, or aid that leaves no share counted as the payment."""
    payments = resident_payments(life).get((rlts_id, year), [])
    paid = effective_date(payments)
    aided = next(
        (full_aid(life, r, year, policy) for r in life.relations if r.rlts_id == rlts_id and r.insutype in RESIDENT),
        None,
    )
    if aided and paid:
        tier = max((p.tier for p in standing(payments) if p.tier), default=None)
        own = next(r.tier for r in life.relations if r.rlts_id == rlts_id)
        return paid if tier == "2" and own != "2" else min(paid, aided)
    return paid or aided


def insured(life: Life, policy: Policy) -> Insured:
    """All coverage that the rows prove."""
    found = Insured(set(), set(), set(), set(), set())
    for (_, year), payments in resident_payments(life).items():
        if effective_date(payments):
            found.resident_years.add(year)
            for payment in standing(payments):
                if year != policy.insured_year:
                    found.months |= {
                        m for m in range(month_number(payment.begn), month_number(payment.end) + 1) if m // 12 == year
                    }
    for relation in life.relations:
        if relation.insutype in RESIDENT and not relation.elsewhere:
            for year in range(relation.begn.year, policy.insured_year + 1):
                if full_aid(life, relation, year, policy):
                    found.resident_years.add(year)
                    if year != policy.insured_year:
                        found.months |= set(range(max(year * 12, month_of(relation.begn)), year * 12 + 12))
    for year, insutype, months in life.history:
        if months >= 1:
            if insutype in RESIDENT:
                found.resident_years.add(year)
            if insutype in RESIDENT | STAFF:
                found.years.add(year)
                if year != policy.insured_year or insutype in STAFF:  # taken to be the year's last ones
                    found.told_months |= set(range(year * 12 + 12 - min(months, 12), year * 12 + 12))
    staff_money: dict[tuple[str | None, int], int] = {}
    employed: dict[str | None, bool] = {None: False}
    for payment in life.payments:
        if payment.insutype in STAFF and payment.pay_type != "32":
            relation = relation_of(life, payment)
            name = relation.rlts_id if relation else None
            employed[name] = relation is not None and relation.psn_type not in FLEXIBLE
            for month in range(month_number(payment.begn), month_number(payment.end) + 1):
                staff_money[name, month] = staff_money.get((name, month), 0) + payment.signed
    for (name, month), amount in staff_money.items():
        if amount > 0:
            found.months.add(month)
            if employed[name]:
                found.employed_months.add(month)
    for relation in life.relations:
        unpaid_needed = relation.elsewhere or relation.psn_type.startswith("12")
        if unpaid_needed and relation.insutype in STAFF | RESIDENT and relation.status in COUNTED:
            if relation.status != "1" and relation.end is None:
                continue
            now = date(policy.insured_year, 12, 31) if relation.elsewhere else policy.as_of
            until = min(relation.end or now, now)
            months = set(range(month_of(relation.begn), month_of(until) + 1))
            found.months |= months
            if relation.insutype in RESIDENT:
                found.resident_years |= {m // 12 for m in months}
            elif relation.psn_type not in FLEXIBLE:
                found.employed_months |= months
    found.years |= found.resident_years | {m // 12 for m in found.months if m // 12 <= policy.insured_year}
    return found


def excused(life: Life, year: int, policy: Policy) -> bool:
    """Years of military service and in custody are no lapses (WAIT-7)."""
    for begn, end in life.custody:
        if begn <= date(year, 12, 31) and (end is None or end >= date(year, 1, 1)):
            return True
    # how long somebody served is not delivered: the two years of a conscript
    return any(day.year - 2 <= year <= day.year for day in life.veteran if day <= policy.as_of)


def lapsed_years(life: Life, cover: Insured, policy: Policy) -> list[int]:
    """The lapsed years just before the insured year (WAIT-7)."""
    earlier = [y for y in cover.years if y < policy.insured_year]
    if not earlier:
        return []
    between = range(max(earlier) + 1, policy.insured_year)
    return [y for y in between if y >= policy.lapse_from_year and not excused(life, y, policy)]


def all_lapsed_years(life: Life, cover: Insured, policy: Policy) -> list[int]:
    """Every lapsed year since the first covered one (CAP-6)."""
    earlier = [y for y in cover.years if y < policy.insured_year]
    if not earlier:
        return []
    between = range(min(earlier) + 1, policy.insured_year)
    return [y for y in between if y not in cover.years and y >= policy.lapse_from_year and not excused(life, y, policy)]


def continuous_years(life: Life, cover: Insured, policy: Policy) -> int:
    """Resident years ending with the insured year; what is no lapse neither counts nor breaks (CAP-1, CAP-5, CAP-7)."""
    return len(continuous_run(life, cover, policy))


def continuous_run(life: Life, cover: Insured, policy: Policy) -> list[int]:
    """The years that `continuous_years` counts."""
    if policy.insured_year not in cover.resident_years:
        return []
    found, year = [], policy.insured_year
    while year in cover.years or (excused(life, year, policy) and year > min(cover.years)):
        if year in cover.resident_years:
            found.append(year)
        year -= 1
    return found


def repaired_years(life: Life, lapses: list[int]) -> int:
    """Lapsed years that were paid for afterwards to repair the waiting period (WAIT-4)."""
    money: dict[int, int] = {}
    for payment in life.payments:
        if payment.pay_type == "32" and payment.insutype in RESIDENT:
            for year in range(payment.begn // 100, payment.end // 100 + 1):
                money[year] = money.get(year, 0) + payment.signed
    return sum(1 for year in lapses if money.get(year, 0) > 0)


def switched_in_time(paid: date, cover: Insured, policy: Policy) -> bool:
    """TRN-1: two unbroken years, then from an employer's insurance to resident insurance within three months."""
    before = {m for m in cover.months if m <= month_of(paid)}
    told = {m for m in cover.told_months if m <= month_of(paid)}
    if before:  # after the last dated month its year's history adds none
        told -= {m for m in told if m // 12 == max(before) // 12 and m > max(before)}
    before |= told
    if not before:
        return False
    last = max(before)
    if last not in cover.employed_months or month_of(paid) - last - 1 > policy.gap_months:
        return False
    run = 0
    while last - run in before:
        run += 1
    return run >= policy.min_years * 12


def tier_of(relation: Relation, payments: list[Payment], is_paid: bool, policy: Policy) -> str | None:
    """The tier that a payment names, else the relation, else the amount."""
    told = max((p.tier for p in standing(payments) if p.tier), default=relation.tier)
    if told or not is_paid:
        return told
    january, amount = policy.insured_year * 12, 0.0
    for p in payments:
        first, last = month_number(p.begn), month_number(p.end)
        amount += p.signed * (min(last, january + 11) - max(first, january) + 1) / (last - first + 1)
    return "2" if policy.second_tier is not None and amount >= policy.second_tier else "1"


def exemptions(life: Life, paid: date, cover: Insured, policy: Policy) -> list[str]:
    """Why somebody does not wait (WAIT-1, NB-6, TRN-1, TRN-2)."""
    reasons = []
    if 0 <= (paid - life.brdy).days <= policy.newborn_days:
        reasons.append("newborn")
    if any(begn <= paid and (end is None or paid <= end) for _, begn, end in life.aid):
        reasons.append("aid")
    if switched_in_time(paid, cover, policy):
        reasons.append("transition")
    if any(day <= paid <= add_months(day, policy.veteran_months) for day in life.veteran):
        reasons.append("veteran")
    return [reason for reason in reasons if reason in policy.exempt]


def zero_claim_years(life: Life, cover: Insured, policy: Policy) -> list[int]:
    """Years without claims that still raise the insured year's ceiling (CAP-2, CAP-4)."""
    last = policy.insured_year - 1
    used = [y for y, _, reward in life.claims if reward and y <= (last if policy.reset_next_year else last + 1)]
    return [
        year
        for year, amount, _ in life.claims
        if amount == 0
        and policy.reward_from_year <= year <= last
        and year in cover.resident_years
        and (year + 1 in cover.resident_years or not policy.zero_claim_needs_payment)
        and (not used or year > max(used))
    ]


def ceiling(life: Life, cover: Insured, paid: bool, policy: Policy) -> dict[str, Any]:
    """The major-illness ceiling with its parts (CAP-1 to CAP-6); rewards and penalty are of those who paid."""
    first = policy.cap_k_from_year or 0
    counted = [year for year in continuous_run(life, cover, policy) if year >= first]
    extra = max(0, len(counted) - policy.cap_after_years)
    step = Decimal(policy.cap_step)
    continuous = step * extra
    zero_claim = step * len(zero_claim_years(life, cover, policy))
    penalty = step * len(all_lapsed_years(life, cover, policy))
    if not paid:
        continuous = zero_claim = penalty = Decimal(0)
    base = None if policy.cap_base is None else Decimal(policy.cap_base)
    total = None
    if base is not None:
        limit = base * Decimal(str(policy.cap_limit_ratio))
        continuous = min(continuous, limit)
        zero_claim = min(zero_claim, limit - continuous)
        penalty = min(penalty, limit)
        total = base + continuous + zero_claim - penalty
    return {
        "cap_base": base,
        "cap_reward_continuous": continuous,
        "cap_reward_zero_claim": zero_claim,
        "cap_penalty": penalty,
        "cap_total": total,
    }


def entitlement(life: Life, policy: Policy) -> dict[str, Any] | None:
    """The entitlement of one person, None without a resident relation of the insured year.

    `exempt_reasons` are all that apply; the table names one of them.
    """
    year = policy.insured_year
    by_year = resident_payments(life)
    found: list[tuple[bool, bool, date, str, Relation]] = []
    for relation in life.relations:
        if relation.elsewhere or relation.insutype not in RESIDENT or relation.status not in COUNTED:
            continue
        paid_years = {y for (name, y), rows in by_year.items() if name == relation.rlts_id and effective_date(rows)}
        aided_years = {y for y in range(relation.begn.year, year + 1) if full_aid(life, relation, y, policy)}
        if not paid_years | aided_years and base_year(relation, policy) != year:
            continue
        if paid_years | aided_years and year not in paid_years | aided_years:
            continue
        paid = paid_for(life, relation.rlts_id, year, policy)
        found.append((relation.status != "1", paid is None, paid or date.max, relation.rlts_id, relation))
    if not found:
        return None
    relation = min(found, key=lambda row: row[:4])[4]
    # whoever moved, or paid at another place, paid all the same
    days = {name: paid_for(life, name, year, policy) for name in [None, *(r.rlts_id for r in life.relations)]}
    paid = min((day for day in days.values() if day), default=date.max)
    source = relation.rlts_id if days[relation.rlts_id] else min(days, key=lambda name: days[name] or date.max)
    cover = insured(life, policy)
    lapses = lapsed_years(life, cover, policy)
    row: dict[str, Any] = {
        "psn_insu_rlts_id": relation.rlts_id,
        "insu_admdvs": relation.admdvs,
        "insu_year": year,
        "tier": tier_of(relation, by_year.get((source, year), []), paid != date.max, policy),
        "in_window": None,
        "paid_date": None,
        "continuous_years": continuous_years(life, cover, policy),
        "lapsed_years": len(lapses),
        "repaired_years": repaired_years(life, lapses),
        "fixed_months": 0,
        "variable_months": 0,
        "waiting_months": 0,
        "wait_start": None,
        "benefit_begn": None,
        "benefit_end": None,
        "exempt_reasons": [],
        **ceiling(life, cover, paid != date.max, policy),
    }
    if paid == date.max:
        return row
    new_year = date(year, 1, 1)
    window = policy.windows.get(year)
    row["paid_date"] = paid
    late = window is not None and paid > window[1]
    row["in_window"] = None if window is None else not late  # who paid before it began is not late (PER-8)
    row["benefit_end"] = date(year, 12, 31)
    reasons = exemptions(life, paid, cover, policy)
    if "newborn" in reasons:
        born_in_window = window is not None and window[0] <= life.brdy <= window[1]
        row["benefit_begn"] = life.brdy if life.brdy.year == year or born_in_window else new_year
        row["exempt_reasons"] = reasons
        return row
    if not reasons and (late or lapses):
        row["fixed_months"] = policy.fixed_months
        if lapses:
            row["variable_months"] = max(0, len(lapses) - policy.var_offset - row["repaired_years"])
        total = row["fixed_months"] + row["variable_months"]
        if len(lapses) >= policy.floor_lapsed_years:
            total = max(total, policy.floor_months)
        row["waiting_months"] = total
        row["wait_start"] = new_year if paid < new_year else paid + timedelta(days=1)
        row["benefit_begn"] = add_months(row["wait_start"], total)
        return row
    if late or lapses:
        row["exempt_reasons"] = reasons
    row["benefit_begn"] = new_year if paid < new_year else first_of_next_month(paid)
    return row
