"""What follows from the lives, by the policy's and the contract's own words (contract section 3).

Written from the facts in `People` and `Book` alone and without any part of the pipeline, so that the pipeline can be
held against it. Months are bits: bit 0 is `BACK` months before the as-of month.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from canbao.generate import book as b
from canbao.generate.book import Book
from canbao.generate.insurance import AID_TYPES, NAMES
from canbao.generate.lives import People
from canbao.generate.world import (
    AID_PERSONAL,
    LAPSE_FROM_YEAR,
    NA,
    World,
    add_months,
    days,
    first_day,
    month_of,
    year_of,
    yyyymm,
)

BACK = 40
ONE = np.uint64(1)
_BASE = (310, 390, 380, 391)


def _mask(first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Bits first..last, both included; numbers outside 0..61 are cut off, an empty range is 0."""
    low = np.clip(first, 0, 62).astype(np.uint64)
    high = np.clip(last + 1, 0, 62).astype(np.uint64)
    return np.where(high > low, (ONE << high) - (ONE << low), np.uint64(0))


def _bit_count(mask: np.ndarray) -> np.ndarray:
    return np.bitwise_count(mask).astype(np.int64)


def _lowest(mask: np.ndarray) -> np.ndarray:
    return _bit_count((mask & (~mask + ONE)) - ONE)


def _highest(mask: np.ndarray) -> np.ndarray:
    value = mask.copy()
    for shift in (1, 2, 4, 8, 16, 32):
        value |= value >> np.uint64(shift)
    return _bit_count(value) - 1


@dataclass
class Facts:
    """Derived facts of relations and persons that the truth tables share."""

    relation: dict[str, np.ndarray]
    payment: dict[str, np.ndarray]
    paid: np.ndarray
    """Months paid per relation (bits)."""
    net: np.ndarray
    """Net sum in fen for the insured year per relation of resident insurance."""
    net_before: np.ndarray
    """The same for all earlier years on record, 1 where one of them is positive."""
    full_aid: np.ndarray
    """Relation without a personal share in the insured year."""
    of_year: np.ndarray
    """Resident relation of the insured year."""
    alive_staff: np.ndarray
    """Staff relation in the city whose payments reach the as-of month or the one before, or that needs none."""
    retired: np.ndarray


def facts(world: World, people: People, book: Book) -> Facts:
    """Settle what each relation is paid for and which year it belongs to (contract 3.2)."""
    w = world
    r, p = book.relation.arrays(), book.payment.arrays()
    count = len(r["p"])
    counts = (p["type"] != 32) & (p["r"] >= 0)
    origin = w.month - BACK
    staff_pay = counts & (p["insutype"] == 310)
    paid = np.zeros(count, dtype=np.uint64)
    np.bitwise_or.at(paid, p["r"][staff_pay], _mask(p["a0"][staff_pay] - origin, p["a1"][staff_pay] - origin))

    resident_pay = counts & (p["insutype"] == 390)
    net = np.zeros(count, dtype=np.int64)
    now = resident_pay & (p["a0"] // 12 == w.year)
    np.add.at(net, p["r"][now], p["fen"][now])
    before = np.zeros(count, dtype=np.int64)
    earlier = resident_pay & (p["a0"] // 12 < w.year)
    np.add.at(before, p["r"][earlier], p["fen"][earlier])
    year_bits = _mask(np.full(count, w.jan - origin), np.full(count, w.jan + 11 - origin))
    last_bits = _mask(np.full(count, w.jan - 12 - origin), np.full(count, w.jan - 1 - origin))
    paid |= np.where(net > 0, year_bits, 0).astype(np.uint64)
    # Only last year's and this year's premiums are in the tax office's files.
    paid |= np.where(before > 0, last_bits, 0).astype(np.uint64)

    aid = book.aid.arrays()
    free = np.array([AID_PERSONAL[a] == 0 for a in AID_TYPES])
    aided = np.zeros(people.n, dtype=np.bool_)
    aided[aid["p"][free[aid["kind"]]]] = True
    is_resident = np.isin(r["insutype"], (390, 380, 391)) & ~r["elsewhere"]
    full_aid = is_resident & aided[r["p"]]
    paid |= np.where(full_aid, year_bits | last_bits, 0).astype(np.uint64)

    # Without any payment or aid a relation belongs to the year of its beginning; in the window, to the coming year.
    begn = r["begn"].astype(np.int64)
    begn_year = np.where((begn >= w.window[0]) & (begn <= w.window[1]), w.year, year_of(begn))
    of_year = is_resident & ((net > 0) | full_aid | ((before <= 0) & (begn_year == w.year)))

    retired = (r["insutype"] == 310) & (r["psn_type"] // 100 == 12)
    reach = (paid >> np.uint64(BACK - 1)) != 0
    alive = (r["insutype"] == 310) & (r["stas"] == 1) & ~r["elsewhere"] & (reach | retired)
    return Facts(r, p, paid, net, (before > 0).astype(np.int64), full_aid, of_year, alive, retired)


def _any(n: int, who: np.ndarray) -> np.ndarray:
    flag = np.zeros(n, dtype=np.bool_)
    flag[who] = True
    return flag


def _exclusions(world: World, people: People, book: Book) -> dict[str, np.ndarray]:
    """Reasons why somebody need not be insured, each as a flag per person, in the contract's order."""
    n = people.n
    death = book.death.arrays()
    custody = book.custody.arrays()
    serving = (custody["begn"] <= world.day) & ((custody["end"] == NA) | (custody["end"] >= world.day))
    return {
        "excluded_death": (people.resd_status == 4) | _any(n, death["p"][death["day"] <= world.day]),
        "excluded_cancelled": people.resd_status == 3,
        "excluded_moved": people.resd_status == 2,
        "excluded_abroad": people.resd_status == 5,
        "excluded_military": people.resd_status == 7,
        "excluded_custody": _any(n, custody["p"][serving]),
    }


def _in_scope(people: People, book: Book) -> np.ndarray:
    """Registered in the city; living here with a permit; at a school here; or known from birth only (contract 3.3)."""
    student = book.student.arrays()
    at_school = (student["adm"] // 10000 == 50) & np.isin(student["status"], (1, 2))
    registered = np.arange(people.n) < people.registered
    permit = people.in_population & (people.permit == 1) & (people.live_code // 10**10 == 50)
    return registered | permit | _any(people.n, student["p"][at_school])


def person(world: World, people: People, book: Book, f: Facts) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Status, reason and scope of each person.

    Returns:
        Three arrays of text, text ("" where not uninsured) and bool.
    """
    n = people.n
    r, p = f.relation, f.payment
    normal = r["stas"] == 1
    here = ~r["elsewhere"]
    staff = _any(n, r["p"][f.alive_staff])
    loose = (p["r"] < 0) & (p["type"] != 32) & (p["insutype"] == 390) & (p["a0"] // 12 == world.year)
    loose_net = np.zeros(n, dtype=np.int64)
    np.add.at(loose_net, p["p"][loose], p["fen"][loose])
    resident_relation = here & (r["insutype"] == 390) & ((f.net > 0) | f.full_aid)
    resident = _any(n, r["p"][resident_relation & normal]) | (loose_net > 0)
    elsewhere = _any(n, r["p"][~here & normal & np.isin(r["insutype"], _BASE)])
    own = _any(n, r["p"][resident_relation])

    # A newborn shares the insurance of the guardian named in its own relation, else of a parent (NB-4).
    guardian = np.full(n, -1, dtype=np.int64)
    named = r["guardian"] >= 0
    guardian[r["p"][named]] = r["guardian"][named]
    parent_resident = np.zeros(n, dtype=np.bool_)
    for parent in (people.mother, people.father):
        parent_resident |= (parent >= 0) & resident[np.maximum(parent, 0)]
    covered = np.where(guardian >= 0, resident[np.maximum(guardian, 0)], parent_resident)
    attached = (people.birth >= days(world.year, 1, 1)) & ~own & covered

    out = _exclusions(world, people, book)
    scope = _in_scope(people, book)
    status = np.select(
        [
            out["excluded_death"], staff, resident, elsewhere, attached, ~scope, out["excluded_cancelled"],
            out["excluded_moved"], out["excluded_abroad"], out["excluded_military"], out["excluded_custody"],
        ],
        [
            "excluded_death", "staff", "resident", "elsewhere", "attached_newborn", "out_of_scope",
            "excluded_cancelled", "excluded_moved", "excluded_abroad", "excluded_military", "excluded_custody",
        ],
        "uninsured",
    )  # fmt: skip

    is_staff = here & (r["insutype"] == 310)
    unpaid = normal & ((is_staff & ~f.alive_staff) | (here & f.of_year & (f.net <= 0) & ~f.full_aid))
    ended_now = is_staff & (r["end"] != NA) & (year_of(r["end"].astype(np.int64)) == world.year)
    stopped = np.isin(r["stas"], (2, 4)) & here & (f.of_year | ended_now)
    history = book.history.arrays()
    before = _any(n, history["p"][history["year"] < world.year])
    before |= _any(n, p["p"][(p["a0"] // 12 < world.year) & (p["type"] != 32) & (p["fen"] > 0)])
    reason = np.select(
        [_any(n, r["p"][unpaid]), _any(n, r["p"][stopped]), before], ["unpaid", "stopped", "lapsed"], "never"
    )
    return status, np.where(status == "uninsured", reason, ""), scope


# -- duplicates -------------------------------------------------------------------------------------------------------


def _staff_months(world: World, people: People, f: Facts) -> np.ndarray:
    """Unbroken paid staff months of each person that end in the as-of month or the one before it (RET-4)."""
    r = f.relation
    origin = world.month - BACK
    months = np.zeros(people.n, dtype=np.uint64)
    staff = r["insutype"] == 310
    np.bitwise_or.at(months, r["p"][staff], f.paid[staff])
    away = staff & r["elsewhere"] & (r["stas"] == 1)
    begn = month_of(r["begn"][away].astype(np.int64)) - origin
    np.bitwise_or.at(months, r["p"][away], _mask(begn, np.full(len(begn), BACK)))
    months &= _mask(np.zeros(1, dtype=np.int64), np.full(1, BACK))
    # Shift so that the last month is the highest bit, then count the ones from above.
    last = np.where((months >> np.uint64(BACK)) & ONE, BACK, BACK - 1).astype(np.uint64)
    gaps = ~months & ((ONE << (last + ONE)) - ONE)
    return last.astype(np.int64) - _highest(gaps)


def duplicates(world: World, people: People, book: Book, f: Facts, rlts_id: pl.Series) -> pl.DataFrame:
    """Overlapping pairs of normal, covered relations of one person, and what becomes of them (contract 3.4).

    Args:
        world: The stage.
        people: The block's people.
        book: What is on record.
        f: Settled facts.
        rlts_id: Text ids of the relations, ascending with their number.

    Returns:
        One row per pair: p (person) and the columns of `truth/duplicate.parquet` other than first_number.
    """
    w = world
    r = f.relation
    origin = w.month - BACK
    dec = w.jan + 11 - origin
    start = min(w.month, w.jan) - origin
    normal = (r["stas"] == 1) & np.isin(r["insutype"], _BASE)
    begn = month_of(r["begn"].astype(np.int64)) - origin
    to_end = _mask(begn, np.full(len(begn), dec))
    cover = f.paid.copy()
    reached = _highest(cover) + 1
    running = f.alive_staff & ~f.retired & (r["end"] == NA)
    cover |= np.where(running, _mask(reached, np.full(len(begn), dec)), 0).astype(np.uint64)
    cover |= np.where(f.retired | r["elsewhere"], to_end, 0).astype(np.uint64)
    cover &= _mask(np.array([start]), np.array([dec]))

    candidates = np.flatnonzero(normal & (cover != 0))
    who = r["p"][candidates]
    several = np.bincount(who, minlength=people.n)[who] > 1
    rows = candidates[several]
    frame = pl.DataFrame({"p": r["p"][rows], "r": rows.astype(np.int64)})
    pairs = frame.join(frame, on="p", suffix="_b").filter(pl.col("r") < pl.col("r_b")).sort("p", "r", "r_b")
    a, c = pairs["r"].to_numpy(), pairs["r_b"].to_numpy()
    both = cover[a] & cover[c]
    a, c, both = a[both != 0], c[both != 0], both[both != 0]
    p = r["p"][a].astype(np.int64)

    staff_a, staff_c = r["insutype"][a] == 310, r["insutype"][c] == 310
    kind = np.select([staff_a & staff_c, ~staff_a & ~staff_c], ["staff_staff", "resident_resident"], "staff_resident")
    group_size = np.bincount(who, minlength=people.n)[p]
    staff_count = np.bincount(r["p"][rows[r["insutype"][rows] == 310]], minlength=people.n)[p]

    # Places that decide (RET-1, RET-2, RET-3).
    student = book.student.arrays()
    in_school = np.isin(student["status"], (1, 2))
    school_at = np.zeros(people.n, dtype=np.int64)
    school_at[student["p"][in_school]] = student["adm"][in_school]
    live_at = people.live_code // 10**6
    match_school = _match(r, a, c, school_at[p])
    match_live = _match(r, a, c, live_at[p])
    match_job = _job_match(w, book, f, a, c)

    is_ret3 = (school_at[p] > 0) & (match_school != 0)
    months = _staff_months(w, people, f)[p]
    s = np.where(staff_a, a, c)  # the staff side of a cross-system pair
    q = np.where(staff_a, c, a)
    flexible = np.isin(r["psn_type"][s], (1103, 1203))
    stage = np.full(people.n, -1, dtype=np.int64)
    stage[student["p"]] = student["stage"]
    school_any = np.zeros(people.n, dtype=np.int64)
    school_any[student["p"]] = student["adm"]
    ret9 = (stage[p] >= b.VOCATIONAL) & (school_any[p] == r["adm"][q])
    short = _short_contract(people, book)[p] & (r["begn"][q] < r["begn"][s]) & _in_benefits(w, f, q, r["begn"][s])
    cross = kind == "staff_resident"
    rule = np.select(
        [
            (kind == "resident_resident") & is_ret3, kind == "resident_resident", kind == "staff_staff",
            cross & flexible, cross & (months >= 12), cross & ret9, cross & short,
        ],
        ["RET-3", "RET-2", "RET-1", "RET-6", "RET-4", "RET-9", "RET-8"],
        "RET-7",
    )  # fmt: skip
    match = np.select([rule == "RET-3", rule == "RET-2", rule == "RET-1"], [match_school, match_live, match_job], 0)
    keep = np.select([match == 1, match == 2, cross & (rule != "RET-6")], [a, c, s], -1)
    drop = np.select([match == 1, match == 2, cross & (rule != "RET-6")], [c, a, q], -1)
    suspend = np.isin(rule, ("RET-9", "RET-8", "RET-7"))
    action = np.select([rule == "RET-6", suspend, keep >= 0], ["choose", "suspend", "terminate"], "review")
    # Three relations: the staff one is kept for the group, the two others are not weighed against each other.
    others = (group_size > 2) & (staff_count > 0) & (kind == "resident_resident")
    keep, drop = np.where(others, -1, keep), np.where(others, -1, drop)
    action = np.where(others, "", action)
    rule = np.where(others, "", rule)

    refund = _refund(w, f, drop, action)
    ids = rlts_id
    first = origin + _lowest(both)
    text = {
        "p": p,
        "rlts_a": ids.gather(a),
        "rlts_b": ids.gather(c),
        "kind": kind,
        "state": np.where(first <= w.month, "current", "prospective"),
        "overlap_begn": pl.Series(yyyymm(first)).cast(pl.String),
        "overlap_end": pl.Series(yyyymm(origin + _highest(both))).cast(pl.String),
        "overlap_months": _bit_count(both).astype(np.int32),
        "keep_rlts": _maybe(ids, keep),
        "drop_rlts": _maybe(ids, drop),
        "action": _blank(action),
        "rule_id": _blank(rule),
        "refund": _blank(refund),
        "staff_months": np.where(kind == "resident_resident", 0, months).astype(np.int32),
    }
    return pl.DataFrame(text)


def _maybe(ids: pl.Series, rows: np.ndarray) -> pl.Series:
    return ids.gather(pl.select(pl.when(pl.Series(rows) >= 0).then(pl.Series(rows))).to_series())


def _blank(text: np.ndarray) -> pl.Series:
    series = pl.Series(text.astype(object).tolist(), dtype=pl.String)
    return pl.select(pl.when(series != "").then(series)).to_series()


def _match(r: dict[str, np.ndarray], a: np.ndarray, c: np.ndarray, place: np.ndarray) -> np.ndarray:
    """1 where only the first relation lies in the place, 2 where only the second, 0 for none or both."""
    first, second = r["adm"][a] == place, r["adm"][c] == place
    return np.select([first & ~second, second & ~first], [1, 2], 0)


def _job_match(w: World, book: Book, f: Facts, a: np.ndarray, c: np.ndarray) -> np.ndarray:
    """RET-1: the places of the current contract employers, else of the last employer with a payment."""
    p = f.relation["p"][a]
    job = book.employment.arrays()
    current = (job["kind"] == b.CONTRACT) & (job["begn"] <= w.day) & ((job["end"] == NA) | (job["end"] >= w.day))
    listed = current & (job["emp"] < w.first_outside_employer)
    wanted = pl.DataFrame({"p": job["p"][listed], "adm": w.employer_place[job["emp"][listed]]}).unique()
    at = pl.DataFrame({"p": p, "a": f.relation["adm"][a], "c": f.relation["adm"][c]}).with_row_index()
    hit = (
        at.join(wanted, on="p")
        .group_by("index")
        .agg(pl.len().alias("n"), (pl.col("a") == pl.col("adm")).any(), (pl.col("c") == pl.col("adm")).any())
    )
    known = np.isin(p, job["p"][current])
    first, second = np.zeros(len(p), dtype=np.bool_), np.zeros(len(p), dtype=np.bool_)
    index = hit["index"].to_numpy()
    first[index], second[index] = hit["a"].to_numpy(), hit["c"].to_numpy()
    last_a, last_c = _highest(f.paid[a]), _highest(f.paid[c])
    by_payment = np.select([last_a > last_c, last_c > last_a], [1, 2], 0)
    same_place = f.relation["adm"][a] == f.relation["adm"][c]
    by_payment = np.where(same_place, 0, by_payment)
    return np.where(known, np.select([first & ~second, second & ~first], [1, 2], 0), by_payment)


def _short_contract(people: People, book: Book) -> np.ndarray:
    """Who has a contract that ends less than twelve months after it began (RET-8)."""
    job = book.employment.arrays()
    ends = (job["kind"] == b.CONTRACT) & (job["end"] != NA)
    begn, end = job["begn"][ends].astype(np.int64), job["end"][ends].astype(np.int64)
    return _any(people.n, job["p"][ends][end < add_months(begn, np.full(len(begn), 12))])


def _benefit_without_wait(world: World, paid_day: np.ndarray) -> np.ndarray:
    """First day of benefits by day of payment, waiting left aside (PER-3 to PER-6)."""
    jan = days(world.year, 1, 1)
    return np.where(paid_day < jan, jan, first_day(month_of(np.maximum(paid_day, jan)) + 1))


def _first_paid(world: World, f: Facts) -> np.ndarray:
    """Day of each resident relation's first payment for the insured year; 10^6 where it has none."""
    p = f.payment
    pay = (p["r"] >= 0) & (p["insutype"] == 390) & (p["a0"] // 12 == world.year) & (p["type"] == 10) & (p["fen"] > 0)
    day = np.full(len(f.relation["p"]), 10**6)
    np.minimum.at(day, p["r"][pay], p["day"][pay])
    return day


def _in_benefits(world: World, f: Facts, resident: np.ndarray, begun: np.ndarray) -> np.ndarray:
    """Whether the resident relation gave benefits on the day on which the job began (RET-8)."""
    this_year = _benefit_without_wait(world, _first_paid(world, f)[resident]) <= begun
    before = begun < days(world.year, 1, 1)
    return f.relation["elsewhere"][resident] | np.where(before, f.net_before[resident] > 0, this_year)


def _refund(world: World, f: Facts, drop: np.ndarray, action: np.ndarray) -> np.ndarray:
    """REF-1 to REF-3 for dropped resident relations that were paid for; "" where nothing is judged.

    "" also while the insured year has not begun and the relation is paid for the year before as well: then
    one payment's benefits have begun and the other's have not.
    """
    r = f.relation
    row = np.maximum(drop, 0)
    judged = (drop >= 0) & (r["insutype"][row] == 390) & ~r["elsewhere"][row] & (f.net[row] > 0)
    if world.as_of.year < world.year:
        judged &= f.net_before[row] == 0
    day = _first_paid(world, f)
    begun = _benefit_without_wait(world, day[row]) <= world.day
    return np.select([~judged, ~begun, action == "suspend"], ["", "yes", "no"], "manual")


# -- entitlement ------------------------------------------------------------------------------------------------------


def entitlement(world: World, people: People, book: Book, f: Facts, status: np.ndarray) -> pl.DataFrame:
    """Continuity, lapse, waiting and benefit period of residents of the insured year (contract 3.5).

    Returns:
        One row per person with a normal resident relation in the city that is paid for, or fully aided, for the insured
        year: p and the columns of `truth/entitlement.parquet`. `sure` is false where the texts leave something open:
        several such relations, another one outside the city, or death.
    """
    w, r, pay, n = world, f.relation, f.payment, people.n
    y = w.year
    jan = days(y, 1, 1)
    mine = (r["insutype"] == 390) & ~r["elsewhere"] & (r["stas"] == 1) & ((f.net > 0) | f.full_aid)
    rows = np.flatnonzero(mine)
    who, first_row = np.unique(r["p"][rows], return_index=True)
    how_many = np.bincount(r["p"][rows], minlength=n)[who]
    relation = rows[first_row]

    # Years on record: bit k is the year y - k.
    history = book.history.arrays()
    resident_years, any_years = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    bit = 1 << (y - history["year"].astype(np.int64))
    is_resident = history["insutype"] == 390
    np.bitwise_or.at(resident_years, history["p"][is_resident], bit[is_resident])
    np.bitwise_or.at(any_years, history["p"], bit)
    real = (pay["type"] == 10) & (pay["fen"] > 0)
    last_year = real & (pay["a0"] // 12 < y) & (pay["insutype"] == 390)
    np.bitwise_or.at(resident_years, pay["p"][last_year], np.int64(2))
    np.bitwise_or.at(any_years, pay["p"][last_year], np.int64(2))
    away = r["elsewhere"] & (r["stas"] == 1) & (r["begn"] < jan)
    np.bitwise_or.at(
        any_years, r["p"][away], ((1 << (y - year_of(r["begn"][away].astype(np.int64)) + 1)) - 2).astype(np.int64)
    )
    resident_years, any_years = resident_years[who], any_years[who]

    continuous, going = np.ones(len(who), dtype=np.int64), np.ones(len(who), dtype=np.bool_)
    lapsed, lapsing = np.zeros(len(who), dtype=np.int64), any_years > 1
    for back in range(1, 12):
        has_resident, has_any = (resident_years >> back) & 1 == 1, (any_years >> back) & 1 == 1
        going &= has_any
        continuous += going & has_resident  # a staff year in between neither counts nor breaks (CAP-7)
        lapsing &= ~has_any & (y - back >= LAPSE_FROM_YEAR)
        lapsed += lapsing
    covered_before = any_years > 1
    covered_last = (any_years >> 1) & 1 == 1

    # Day of the first effective payment for the year; what was reversed the same day was not effective.
    reversed_ = _reversed(pay)
    effective = real & (pay["a0"] // 12 == y) & (pay["insutype"] == 390) & ~reversed_ & (pay["r"] >= 0)
    paid = np.full(n, 10**6)
    np.minimum.at(paid, pay["p"][effective], pay["day"][effective])
    paid = np.where(f.full_aid[relation], np.maximum(jan - 1, r["begn"][relation]), paid[who]).astype(np.int64)
    repaired = np.bincount(pay["p"][pay["type"] == 32], minlength=n)[who]

    aid = book.aid.arrays()
    aid_from = np.full(n, 10**6)
    np.minimum.at(aid_from, aid["p"], aid["begn"])
    birth = people.birth[who]
    newborn = paid - birth <= 90
    veteran = book.veteran.arrays()
    discharged = np.full(n, NA)
    discharged[veteran["p"]] = veteran["day"]
    discharged = discharged[who]
    is_veteran = (
        (discharged > NA) & (paid >= discharged) & (paid <= add_months(np.maximum(discharged, 0), np.full(len(who), 3)))
    )
    exempt = (aid_from[who] <= paid) | newborn | is_veteran | _left_job(w, f, who, paid, any_years)

    in_window = (paid >= w.window[0]) & (paid <= w.window[1])
    broken = covered_before & ~covered_last
    waits = ~exempt & (~in_window | broken)
    # WAIT-2 to WAIT-5 for a first lapse; longer countable lapses cannot exist before 2029 (lapse_from_year 2025).
    variable = np.maximum(lapsed - repaired, 0)
    total = 3 + variable
    total = np.where(lapsed >= 4, np.maximum(total, 6), total)
    waiting = np.where(waits, total, 0)
    wait_start = np.where(paid < jan, jan, paid + 1)
    plain = _benefit_without_wait(w, paid)
    begins = np.where(waits, add_months(wait_start, waiting), plain)
    born_for = (birth >= w.window[0]) | (birth >= jan)
    begins = np.where(newborn & born_for, birth, np.where(newborn, jan, begins))
    # Whether resident years outside the city count as continuous ones, no text says.
    other_scheme = _any(n, r["p"][r["elsewhere"] & (r["insutype"] == 390)])[who]
    relevant = (how_many == 1) & (status[who] != "excluded_death") & ~other_scheme
    return pl.DataFrame(
        {
            "p": who.astype(np.int64),
            "continuous_years": continuous.astype(np.int32),
            "lapsed_years": lapsed.astype(np.int32),
            "repaired_years": repaired.astype(np.int32),
            "waiting_months": waiting.astype(np.int32),
            "wait_start": _date(np.where(waits, wait_start, NA)),
            "benefit_begn": _date(begins),
            "benefit_end": _date(np.full(len(who), days(y, 12, 31))),
            "paid_date": _date(paid),
            "in_window": in_window,
            "sure": relevant,
        }
    )


def _reversed(pay: dict[str, np.ndarray]) -> np.ndarray:
    """Payments that a negative row of the same person, year, day and amount takes back."""
    frame = pl.DataFrame(
        {"p": pay["p"], "a0": pay["a0"], "fen": pay["fen"], "day": pay["day"], "i": np.arange(len(pay["p"]))}
    )
    back = frame.filter(pl.col("fen") < 0).select("p", "a0", (-pl.col("fen")).alias("fen"), "day").unique()
    hit = frame.join(back, on=["p", "a0", "fen", "day"])["i"].to_numpy()
    flag = np.zeros(len(pay["p"]), dtype=np.bool_)
    flag[hit] = True
    return flag


def _left_job(w: World, f: Facts, who: np.ndarray, paid: np.ndarray, any_years: np.ndarray) -> np.ndarray:
    """TRN-1: two years insured, left an employer, at most three months strictly between."""
    r = f.relation
    ended = (r["insutype"] == 310) & ~r["elsewhere"] & (r["emp"] >= 0) & (f.paid != 0) & np.isin(r["stas"], (2, 4))
    last = np.full(int(r["p"].max(initial=0)) + 1, -1, dtype=np.int64)
    np.maximum.at(last, r["p"][ended], w.month - BACK + _highest(f.paid[ended]))
    last = last[who]
    between = month_of(paid) - last - 1
    two_years = (any_years >> 1) & 3 == 3
    # Only where the job was the last cover before this payment.
    return (last > 0) & (between >= 0) & (between <= 3) & two_years


def _date(day: np.ndarray) -> pl.Series:
    series = pl.Series(day.astype(np.int32))
    return pl.select(pl.when(series != NA).then(series).cast(pl.Date)).to_series()


def duplicate_payments(world: World, f: Facts, pay_id: pl.Series) -> pl.DataFrame:
    """Payments for a year (390) that was paid for already: all but the first effective one (DUP-7)."""
    p = f.payment
    good = (p["insutype"] == 390) & (p["type"] == 10) & (p["fen"] > 0) & ~_refunded(p)
    rows = np.flatnonzero(good)
    frame = pl.DataFrame(
        {"p": p["p"][rows].astype(np.int64), "insu_year": (p["a0"][rows] // 12).astype(np.int32), "day": p["day"][rows],
         "pay_id": pay_id.gather(rows), "amount_fen": p["fen"][rows].astype(np.int64)}
    )  # fmt: skip
    ordered = frame.sort("p", "insu_year", "day", "pay_id")
    later = ordered.filter(pl.int_range(pl.len()).over("p", "insu_year") > 0)
    return later.drop("day").sort("p", "insu_year", "pay_id")


def _refunded(p: dict[str, np.ndarray]) -> np.ndarray:
    """Payments that were taken back later, whatever the day."""
    frame = pl.DataFrame({"p": p["p"], "a0": p["a0"], "fen": p["fen"], "i": np.arange(len(p["p"]))})
    back = frame.filter(pl.col("fen") < 0).select("p", "a0", (-pl.col("fen")).alias("fen")).unique()
    flag = np.zeros(len(p["p"]), dtype=np.bool_)
    flag[frame.join(back, on=["p", "a0", "fen"])["i"].to_numpy()] = True
    return flag


__all__ = ["NAMES", "Facts", "duplicate_payments", "duplicates", "entitlement", "facts", "person"]
