"""Random people with two to four relations at once."""

import random
from datetime import date, timedelta

from .life import EMPLOYERS, Life, Payment, Policy, Relation, add_months
from .lives import number

PLACES = ("500101", "500102", "500103", "510104")


def group(policy: Policy, rng: random.Random, serial: int) -> Life:
    """One person; the as-of date lies in the insured year."""
    year, now = policy.insured_year, policy.as_of.replace(day=1)
    life = Life(number(serial, date(1990, 1, 1)), date(1990, 1, 1))
    life.live_code = rng.choice(("500101001001", "500102001001", "500103001001", "500102", "510104001001", None))
    shape = rng.choice(("rr", "rr", "ss", "rs", "rs", "rs", "rrr", "rrs", "sss", "rss", "rrrs", "rrss"))
    for count, system in enumerate(shape):
        name = f"{rng.choice('abz')}{serial}x{count}"
        place = rng.choice(PLACES)
        tail = rng.choice(("", "", "000000", "999"))
        relation = Relation(name, "390" if system == "r" else "310", "1", place + tail, date(2020, 1, 1))
        relation.elsewhere = place.startswith("51")
        relation.begn = rng.choice((date(year - 3, 5, 1), date(year - 1, 11, 20), date(year, 1, 5)))
        if rng.random() < 0.08:
            relation.status = rng.choice("024")
            relation.end = policy.as_of - timedelta(days=3)
        elif rng.random() < 0.12:
            relation.end = policy.as_of + timedelta(days=rng.choice((-1, 0, 1, 60)))
        if system == "s":
            relation.psn_type = rng.choice(("1101", "1101", "1101", "1103", "1201" if "ss" not in shape else "1101"))
            relation.uscc = rng.choice((*EMPLOYERS, None)) if relation.psn_type == "1101" else None
            if not relation.elsewhere:
                _staff_payments(life, relation, now, rng)
        elif not relation.elsewhere:
            _resident_payment(life, relation, policy, rng)
        life.relations.append(relation)
    if rng.random() < 0.35:
        enrolled = rng.choice((date(year - 2, 9, 1), date(year - 1, 9, 1), date(year, 2, 20), date(year, 1, 1)))
        stage = rng.choice(("primary", "senior", "vocational", "college", "undergraduate", "postgraduate"))
        life.student.append((rng.choice(PLACES), stage, enrolled, rng.choice("11123")))
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        begn = add_months(now, -rng.choice((0, 1, 3, 14)))
        end = rng.choice((None, None, add_months(begn, rng.choice((1, 6, 11, 12, 13, 24))) - timedelta(days=1)))
        row = (rng.choice(list(EMPLOYERS)), "contract", begn, end)
        if all(row[0] != uscc and row[2] != other for uscc, _, other, _ in life.employment):
            life.employment.append(row)
    return life


def _staff_payments(life: Life, relation: Relation, now: date, rng: random.Random) -> None:
    last = add_months(now, -rng.choice((0, 0, 1, 1, 2, 4)))
    first = add_months(last, 1 - rng.choice((1, 2, 6, 11, 12, 13, 24)))
    gap = add_months(now, -rng.randint(2, 14)) if rng.random() < 0.1 else None
    while first <= last:
        code = first.year * 100 + first.month
        if first != gap:
            row = Payment(f"p{relation.rlts_id}m{code}", "310", code, code, 900, first + timedelta(days=9))
            row.admdvs, row.uscc = relation.admdvs, relation.uscc
            life.payments.append(row)
        first = add_months(first, 1)


def _resident_payment(life: Life, relation: Relation, policy: Policy, rng: random.Random) -> None:
    if rng.random() < 0.12:
        return
    year = policy.insured_year
    paid = rng.choice((date(year - 1, 12, 10), date(year - 1, 12, 31), date(year, 1, 31), policy.as_of.replace(day=1)))
    paid = rng.choice((paid, policy.as_of))
    begn = paid.month % 12 + 1 if paid.year == year and rng.random() < 0.7 else 1
    row = Payment(f"p{relation.rlts_id}", "390", year * 100 + begn, year * 100 + 12, 400, paid)
    row.admdvs = relation.admdvs
    life.payments.append(row)
    if rng.random() < 0.06:
        back = Payment(f"q{relation.rlts_id}", "390", row.begn, row.end, 400, policy.as_of, "40", relation.admdvs)
        life.payments.append(back)
