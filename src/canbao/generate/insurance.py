"""The lives: who is insured where and when, with all that other departments know about it.

Every function tells one kind of life for all people of a block who live it, as facts: relations, payments, years of
coverage, jobs, schools. What follows from the facts (status, duplicates, waiting) is said in `truth.py` only.

`@life(child=8, adult=20)` gives the weights with which people of an age group live it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from canbao.generate import book as b
from canbao.generate.book import Book
from canbao.generate.lives import (
    ADULT,
    CHILD,
    ELDER,
    GROUPS,
    LAST_YEAR_BORN,
    NEWBORN,
    NO_NUMBER_YET,
    NUMBER_AT_BIRTH,
    NUMBER_LATER,
    WINDOW_BORN,
    YOUTH,
    People,
)
from canbao.generate.world import AID_PERSONAL, NA, OUTSIDE, World, days, first_day, year_of

AID_TYPES = tuple(AID_PERSONAL)


@dataclass
class Told:
    """The block whose lives are being told."""

    world: World
    rng: np.random.Generator
    people: People
    book: Book

    def place(self, who: np.ndarray) -> np.ndarray:
        """County of the registered home (of the home in the city for those from outside)."""
        return self.people.place[who]

    def tiers(self, n: int) -> np.ndarray:
        """Tier 1 mostly."""
        return np.where(self.rng.random(n) < 0.12, 2, 1)

    def payers(self, who: np.ndarray) -> np.ndarray:
        """Children are mostly paid for by their mother, some others by nobody else than themselves."""
        mother = self.people.mother[who]
        return np.where(self.rng.random(len(who)) < 0.6, mother, -1)

    def live_at(self, who: np.ndarray, place: np.ndarray) -> None:
        """They live in a village of that county."""
        self.people.live_code[who] = self.world.village_in(self.rng, place)


@dataclass(frozen=True)
class Life:
    """A kind of life: its name, its weight in each age group, and how it is told."""

    name: str
    weights: dict[str, float]
    tell: Callable[[Told, np.ndarray], None]


LIVES: list[Life] = []


def life(**weights: float) -> Callable[[Callable[[Told, np.ndarray], None]], Callable[[Told, np.ndarray], None]]:
    """Register a kind of life under the function's name."""

    def keep(tell: Callable[[Told, np.ndarray], None]) -> Callable[[Told, np.ndarray], None]:
        LIVES.append(Life(tell.__name__, weights, tell))
        return tell

    return keep


# -- building blocks --------------------------------------------------------------------------------------------------


def _first_year(t: Told, who: np.ndarray, earliest: int = 4) -> np.ndarray:
    """First year on record of people insured since long: mostly the first year that the platform knows of."""
    y = t.world.year
    first = np.where(t.rng.random(len(who)) < 0.75, y - earliest, t.rng.integers(y - earliest, y, len(who)))
    return np.minimum(np.maximum(first, year_of(t.people.birth[who])), y - 1)


def _continuous(
    t: Told, who: np.ndarray, adm: np.ndarray, day: np.ndarray | None = None, pay: bool = True
) -> np.ndarray:
    """Resident members of several years, up to last year and (unless `pay` is false) the insured one."""
    y = t.world.year
    first = _first_year(t, who)
    tier = t.tiers(len(who))
    opened = np.where(
        (first == y - 4) & (year_of(t.people.birth[who]) < y - 4), first - t.rng.integers(0, 9, len(who)), first
    )
    opened = np.maximum(opened, year_of(t.people.birth[who]))
    r = t.book.open_resident(who, adm, opened, tier=tier)
    t.book.resident_years(who, first, y - 1)
    payer = t.payers(who)
    t.book.pay_resident(who, r, adm, y - 1, _last_year_day(t, who), tier=tier, payer=payer)
    if pay:
        t.book.pay_resident(who, r, adm, y, day, tier=tier, payer=payer)
    return r


def _last_year_day(t: Told, who: np.ndarray) -> np.ndarray:
    """Payment day for last year; for who was born in it, within 90 days of birth."""
    day = t.book.window_day(len(who), t.world.year - 1)
    birth = t.people.birth[who]
    born_then = year_of(birth) >= t.world.year - 1
    return np.where(born_then, np.minimum(birth + t.rng.integers(5, 85, len(who)), t.world.day), day)


def _lapsed_history(t: Told, who: np.ndarray, years: np.ndarray) -> np.ndarray:
    """Resident years that end before `years` years of lapse. Returns the first covered year."""
    last = t.world.year - 1 - years
    first = np.maximum(last - t.rng.integers(0, 3, len(who)), year_of(t.people.birth[who]))
    t.book.resident_years(who, np.minimum(first, last), last)
    return np.minimum(first, last)


def _lapse_years(t: Told, who: np.ndarray) -> np.ndarray:
    """1 to 6 lapsed years, as many as a life is long enough for."""
    longest = np.maximum(t.world.year - 1 - year_of(t.people.birth[who]), 1)
    return np.minimum(t.rng.choice(np.arange(1, 7), len(who), p=[0.4, 0.25, 0.15, 0.1, 0.06, 0.04]), longest)


def _job(
    t: Told,
    who: np.ndarray,
    place: np.ndarray,
    first: np.ndarray,
    *,
    psn_type: int = 1101,
    end: object = NA,
    contract: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """A job in business now, paid for from a month on. Returns relation and employer numbers."""
    emp = t.world.open_employer(t.rng, place)
    r = t.book.open_staff(who, emp, first, psn_type=psn_type)
    t.book.pay_staff(who, r, emp, first, t.book.last_month(len(who)))
    begn = first_day(first)
    if contract:
        t.book.contract(who, emp, begn, end)
    # The pension fund's record begins with the first bill, some weeks after the contract.
    t.book.contract(who, emp, begn + 24, kind=b.PENSION)
    return r, emp


def _long_ago(t: Told, who: np.ndarray) -> np.ndarray:
    """A month 2 to 15 years ago, not before the nineteenth birthday (but at least two years ago)."""
    month = t.world.month - t.rng.integers(26, 180, len(who))
    adult = (year_of(t.people.birth[who]) + 18) * 12 + 6
    return np.minimum(np.maximum(month, adult), t.world.month - 26)


def _study(
    t: Told, who: np.ndarray, place: np.ndarray, stage: np.ndarray | int, since: np.ndarray | int, *, status: int = 1
) -> None:
    """A place at a school since the first of September of a year."""
    stage = np.broadcast_to(np.asarray(stage), (len(who),))
    day = np.minimum(_september(np.broadcast_to(np.asarray(since), (len(who),))), t.world.day - 30)
    school = t.rng.integers(1, 9, len(who))
    t.book.student.add(p=who, adm=place, school=school, stage=stage, begn=day, status=status)


def _september(year: np.ndarray) -> np.ndarray:
    return first_day(year * 12 + 8)


def _school_year(world: World) -> int:
    """The year in which the running school year began."""
    return world.as_of.year if world.as_of.month >= 10 else world.as_of.year - 1


def _college_place(t: Told, who: np.ndarray) -> np.ndarray:
    """A county with a college, other than the home county."""
    colleges = t.world.college_places
    pick = colleges[t.rng.integers(0, len(colleges), len(who))]
    home = t.place(who)
    at = np.searchsorted(colleges, pick)
    return np.where(pick == home, colleges[(at + 1) % len(colleges)], pick)


def _elsewhere(
    t: Told,
    who: np.ndarray,
    place: np.ndarray,
    begn: np.ndarray,
    *,
    insutype: int = 310,
    psn_type: int = 1101,
    stas: int = 1,
    end: object = NA,
) -> np.ndarray:
    """A relation outside the city; a normal one counts as paid."""
    emp = t.world.outside_employer(t.rng, place) if insutype == 310 else np.full(len(who), -1)
    return t.book.relation.add(
        p=who, insutype=insutype, stas=stas, psn_type=psn_type, adm=place, emp=emp, begn=begn, end=end,
        tier=0 if insutype == 310 else 1, guardian=-1, elsewhere=True, second_no=False,
    )  # fmt: skip


def _outside(t: Told, n: int) -> np.ndarray:
    return OUTSIDE[t.rng.integers(0, len(OUTSIDE), n)]


# -- residents --------------------------------------------------------------------------------------------------------


@life(child=80, youth=40, adult=33, elder=52)
def resident(t: Told, who: np.ndarray) -> None:
    """Member for years, paid in the window."""
    _continuous(t, who, t.place(who))


@life(child=1, youth=1, adult=1.2, elder=1)
def resident_where_living(t: Told, who: np.ndarray) -> None:
    """Lives in another county of the city and is a resident member there."""
    place = t.world.other_place(t.rng, t.place(who))
    t.live_at(who, place)
    _continuous(t, who, place)


@life(child=1, youth=0.6, adult=0.8, elder=0.5)
def resident_first(t: Told, who: np.ndarray) -> None:
    """Insured for the first time ever, in the window."""
    r = t.book.open_resident(who, t.place(who), t.world.year)
    t.book.pay_resident(who, r, t.place(who), t.world.year)


@life(child=0.5, youth=0.4, adult=0.7, elder=0.4)
def resident_first_late(t: Told, who: np.ndarray) -> None:
    """Insured for the first time ever, after the window."""
    r = t.book.open_resident(who, t.place(who), t.world.year)
    t.book.pay_resident(who, r, t.place(who), t.world.year, t.book.late_day(len(who)))


@life(child=0.6, youth=0.6, adult=1, elder=0.7)
def resident_late(t: Told, who: np.ndarray) -> None:
    """Member for years, but paid after the window this time."""
    _continuous(t, who, t.place(who), t.book.late_day(len(who)))


@life(child=0.8, youth=1, adult=1.6, elder=0.8)
def resident_returned(t: Told, who: np.ndarray) -> None:
    """Back after one to six lapsed years, paid in the window."""
    first = _lapsed_history(t, who, _lapse_years(t, who))
    r = t.book.open_resident(who, t.place(who), first)
    t.book.pay_resident(who, r, t.place(who), t.world.year)


@life(youth=0.3, adult=0.5, elder=0.3)
def resident_returned_late(t: Told, who: np.ndarray) -> None:
    """Back after lapsed years, and after the window."""
    first = _lapsed_history(t, who, _lapse_years(t, who))
    r = t.book.open_resident(who, t.place(who), first)
    t.book.pay_resident(who, r, t.place(who), t.world.year, t.book.late_day(len(who)))


@life(youth=0.3, adult=0.5, elder=0.3)
def resident_repaired(t: Told, who: np.ndarray) -> None:
    """Back after a lapse that includes last year; repairs last year on the day of payment (WAIT-4)."""
    w = t.world
    first = _lapsed_history(t, who, _lapse_years(t, who))
    place = t.place(who)
    r = t.book.open_resident(who, place, first)
    day = t.book.window_day(len(who))
    t.book.pay_resident(who, r, place, w.year, day)
    t.book.pay_resident(who, np.full(len(who), -1), place, w.year - 1, day, type=32, fen=w.premium(w.year, np.ones(1)))


@life(adult=0.3, elder=0.2)
def resident_resumed_year_before(t: Told, who: np.ndarray) -> None:
    """Lapsed three years ago, back two years ago: continuous again, with a short count."""
    y = t.world.year
    place = t.place(who)
    t.book.resident_years(who, y - 5, y - 4)
    t.book.resident_years(who, y - 2, y - 1)
    r = t.book.open_resident(who, place, y - 5)
    t.book.pay_resident(who, r, place, y - 1)
    t.book.pay_resident(who, r, place, y)


@life(child=0.3, youth=0.2, adult=0.3, elder=0.3)
def resident_paid_twice(t: Told, who: np.ndarray) -> None:
    """The premium of the year was paid twice for one relation (DUP-7)."""
    w = t.world
    place = t.place(who)
    first = np.minimum(t.book.window_day(len(who)), w.day - 1)
    r = _continuous(t, who, place, first)
    second = t.book.between(first + 1, min(w.day, w.window[1] + 20), len(who))
    mother = t.people.mother[who]
    t.book.pay_resident(who, r, place, w.year, second, payer=mother, surplus=True)


@life(adult=0.2, elder=0.2)
def resident_reversed(t: Told, who: np.ndarray) -> None:
    """Paid tier 2 by mistake, reversed and paid anew on the same day."""
    w = t.world
    place = t.place(who)
    r = _continuous(t, who, place, pay=False)
    day = t.book.window_day(len(who))
    high = w.premium(w.year, np.full(len(who), 2))
    t.book.pay_resident(who, r, place, w.year, day, tier=2)
    t.book.pay_resident(who, r, place, w.year, day, tier=2, fen=-high, type=40)
    t.book.pay_resident(who, r, place, w.year, day)


@life(adult=0.4, elder=0.2)
def resident_without_record(t: Told, who: np.ndarray) -> None:
    """Paid for the year, but the bureau has no relation."""
    w = t.world
    place = t.place(who)
    t.book.pay_resident(who, np.full(len(who), -1), place, w.year)


@life(adult=0.3)
def resident_with_job(t: Told, who: np.ndarray) -> None:
    """Has a labour contract but only resident insurance (ELG-3)."""
    place = t.place(who)
    _continuous(t, who, place)
    emp = t.world.open_employer(t.rng, place)
    t.book.contract(who, emp, t.book.between(t.world.day - 900, t.world.day - 100, len(who)))


@life(adult=1.1)
def resident_after_job(t: Told, who: np.ndarray) -> None:
    """Lost a job that lasted for years; paid as resident soon after (TRN-1) or later than three months."""
    w = t.world
    n = len(who)
    place = t.place(who)
    first = np.maximum(_long_ago(t, who), (w.year - 4) * 12)
    first = np.minimum(first, (w.year - 3) * 12)
    last = np.maximum(w.month - t.rng.integers(2, 7, n), (w.year - 1) * 12)
    emp = w.open_employer(t.rng, place)
    end = np.minimum(first_day(last + 1) - 1, w.day)
    old = t.book.open_staff(who, emp, first, stas=4, end=end)
    t.book.pay_staff(who, old, emp, first, last)
    t.book.contract(who, emp, first_day(first), end)
    day = np.maximum(t.book.late_day(n), end + 1)
    r = t.book.open_resident(who, place, w.year, begn=np.minimum(day, w.day))
    t.book.pay_resident(who, r, place, w.year, np.minimum(day, w.day))


@life(youth=0.2, adult=0.2)
def resident_staff_between(t: Told, who: np.ndarray) -> None:
    """Resident, then staff for a year in the middle, then resident again: the staff year is neutral (CAP-7)."""
    y = t.world.year
    place = t.place(who)
    t.book.resident_years(who, y - 4, y - 3)
    t.book.history.add(p=who, year=y - 2, insutype=310, months=12)
    t.book.resident_years(who, y - 1, y - 1)
    r = t.book.open_resident(who, place, y - 1)
    t.book.pay_resident(who, r, place, y - 1)
    t.book.pay_resident(who, r, place, y)


@life(youth=1.2, adult=0.15)
def veteran_resident(t: Told, who: np.ndarray) -> None:
    """Left the army this winter and joined as a resident within three months (TRN-2), or later."""
    w = t.world
    n = len(who)
    day = t.book.late_day(n)
    t.book.veteran.add(
        p=who, day=day - np.where(t.rng.random(n) < 0.7, t.rng.integers(5, 85, n), t.rng.integers(110, 200, n))
    )
    r = t.book.open_resident(who, t.place(who), w.year, begn=day)
    t.book.pay_resident(who, r, t.place(who), w.year, day)


@life(child=0.6, adult=0.25, elder=0.9)
def full_aid(t: Told, who: np.ndarray) -> None:
    """特困, 孤儿: the public pays the whole premium (AID-2)."""
    w = t.world
    child = t.people.group[who] == CHILD
    since = np.maximum(w.year - t.rng.integers(2, 5, len(who)), year_of(t.people.birth[who]))
    begn = np.maximum(first_day(since * 12) + t.rng.integers(0, 40, len(who)), t.people.birth[who])
    t.book.aid.add(p=who, kind=np.where(child, AID_TYPES.index("孤儿"), AID_TYPES.index("特困")), begn=begn, end=NA)
    t.book.open_resident(who, t.place(who), since, begn=begn)
    t.book.resident_years(who, since, w.year - 1)


@life(child=1.5, youth=1, adult=1.5, elder=2.5)
def partial_aid(t: Told, who: np.ndarray) -> None:
    """低保, 低保边缘, 返贫监测, 重残: pays a part. Some come back after a lapse, or late, without having to wait."""
    w = t.world
    n = len(who)
    place = t.place(who)
    kind = t.rng.choice(np.arange(2, 6), n, p=[0.55, 0.15, 0.15, 0.15])
    begn = t.book.between(w.day - 1500, w.window[0] - 40, n)
    begn = np.maximum(begn, t.people.birth[who])
    t.book.aid.add(p=who, kind=kind, begn=begn, end=NA)
    fen = np.array([AID_PERSONAL[a] for a in AID_TYPES])[kind]
    lapsed = (t.rng.random(n) < 0.12) & (year_of(t.people.birth[who]) < w.year - 3)
    late = t.rng.random(n) < 0.15
    day = np.where(late, t.book.late_day(n), t.book.window_day(n))
    for these, first in ((lapsed, w.year - 3), (~lapsed, w.year - 4)):
        people = who[these]
        since = np.maximum(first, year_of(t.people.birth[people]))
        last = w.year - 2 if these is lapsed else w.year - 1
        r = t.book.open_resident(people, place[these], since)
        t.book.resident_years(people, since, last)
        if these is not lapsed:
            last_day = _last_year_day(t, people)
            t.book.pay_resident(people, r, place[these], w.year - 1, last_day, fen=fen[these])
        t.book.pay_resident(people, r, place[these], w.year, day[these], fen=fen[these])


@life(child=0.15, adult=0.2, elder=0.4)
def aid_uncovered(t: Told, who: np.ndarray) -> None:
    """On the list of aided people, but never enrolled."""
    kind = t.rng.integers(2, 6, len(who))
    t.book.aid.add(p=who, kind=kind, begn=np.maximum(t.world.day - 500, t.people.birth[who]), end=NA)


# -- staff ------------------------------------------------------------------------------------------------------------


@life(youth=8, adult=24)
def staff(t: Told, who: np.ndarray) -> None:
    """Employed for years, by one employer at or near home."""
    place = t.place(who)
    away = t.rng.random(len(who)) < 0.25
    place = np.where(away, t.world.other_place(t.rng, place), place)
    first = _long_ago(t, who)
    _, emp = _job(t, who, place, first)
    extra = t.rng.random(len(who)) < 0.06
    # Supplements of a base enrollment are no second enrollment (DUP-4).
    t.book.open_staff(who[extra], emp[extra], first[extra], insutype=330)
    before = (first > (t.world.year - 4) * 12 + 11) & (t.rng.random(len(who)) < 0.9)
    t.book.resident_years(who[before], t.world.year - 4, first[before] // 12 - 1)


@life(youth=6, adult=3)
def staff_new(t: Told, who: np.ndarray) -> None:
    """Resident until the job began a few months ago; the resident relation was ended in time."""
    w = t.world
    place = t.place(who)
    first = w.month - t.rng.integers(2, 11, len(who))
    since = _first_year(t, who)
    last = np.where(first // 12 < w.year, w.year - 1, w.year - 1)
    t.book.resident_years(who, since, last)
    r = t.book.open_resident(who, place, since, stas=4, end=np.minimum(first_day(first), w.day))
    t.book.pay_resident(who, r, place, w.year - 1)
    _job(t, who, place, first)


@life(youth=0.6, adult=1.4)
def staff_changed_job(t: Told, who: np.ndarray) -> None:
    """Two employers one after the other, without a gap; the first relation was ended."""
    _two_jobs(t, who, gap=0)


def _two_jobs(t: Told, who: np.ndarray, gap: int) -> np.ndarray:
    """A job that ended, and `gap` months later another one of less than a year. Returns the new relation."""
    w = t.world
    n = len(who)
    place = t.place(who)
    start = w.month - t.rng.integers(4, 8, n)
    first = start - t.rng.integers(16, 28, n)
    emp = w.open_employer(t.rng, place)
    last = start - 1 - gap
    end = first_day(last + 1) - 1
    old = t.book.open_staff(who, emp, first, stas=4, end=end)
    t.book.pay_staff(who, old, emp, first, last)
    t.book.contract(who, emp, first_day(first), end)
    new_emp = w.open_employer(t.rng, w.other_place(t.rng, place))
    r = t.book.open_staff(who, new_emp, start)
    t.book.pay_staff(who, r, new_emp, start, t.book.last_month(n))
    t.book.contract(who, new_emp, first_day(start))
    return r


@life(youth=1, adult=5)
def flexible(t: Told, who: np.ndarray) -> None:
    """Flexible employment, insured as an individual (1103)."""
    _flexible(t, who)


def _flexible(t: Told, who: np.ndarray) -> np.ndarray:
    """Individual staff insurance; half pay the calendar year in one sum (PER-9), as far as it has begun."""
    w = t.world
    n = len(who)
    first = _long_ago(t, who)
    emp = w.open_employer(t.rng, t.place(who))
    r = t.book.open_staff(who, emp, first, psn_type=1103, emp=-1)
    yearly = (t.rng.random(n) < 0.5) & (w.as_of.month > 1)
    last = t.book.last_month(n)
    monthly = ~yearly
    t.book.pay_staff(who[monthly], r[monthly], emp[monthly], first[monthly], last[monthly], emp=-1)
    for year in (w.as_of.year - 1, w.as_of.year):
        people, a0 = who[yearly], np.maximum(first[yearly], year * 12)
        day = np.minimum(first_day(a0) + t.rng.integers(3, 28, len(people)), w.day)
        t.book.payment.add(
            p=people, r=r[yearly], insutype=310, a0=a0, a1=year * 12 + 11, fen=520000, day=day, tier=0, type=10,
            payer=-1, adm=t.place(people), emp=-1, surplus=False,
        )  # fmt: skip
    t.book.staff_years(who[yearly], first[yearly], np.full(int(yearly.sum()), w.month))
    return r


@life(adult=3, elder=33)
def retired(t: Told, who: np.ndarray) -> None:
    """Retired from staff insurance: covered without payments (1201, some 1203)."""
    w = t.world
    n = len(who)
    first = w.month - t.rng.integers(30, 300, n)
    emp = w.open_employer(t.rng, t.place(who))
    kind = np.where(t.rng.random(n) < 0.85, 1201, 1203)
    t.book.open_staff(who, emp, first, psn_type=kind)
    t.book.contract(who, emp, first_day(first), kind=b.PENSION)
    t.book.staff_years(who, first, np.full(n, w.month))


@life(adult=0.3)
def on_unemployment_benefit(t: Told, who: np.ndarray) -> None:
    """Draws unemployment benefit; the fund pays the staff premium (ELG-4). Others stay residents."""
    w = t.world
    n = len(who)
    with_staff = t.rng.random(n) < 0.6
    people = who[with_staff]
    emp = w.open_employer(t.rng, t.place(who))
    first = np.full(n, w.month - 5)
    r = t.book.open_staff(people, emp[with_staff], first[with_staff] - 30)
    t.book.pay_staff(people, r, emp[with_staff], first[with_staff] - 30, t.book.last_month(len(people)))
    t.book.contract(who, emp, first_day(first), first_day(first + 14) - 1, kind=b.UNEMPLOYMENT)
    _continuous(t, who[~with_staff], t.place(who[~with_staff]))


@life(youth=0.4, adult=0.8)
def staff_unpaid(t: Told, who: np.ndarray) -> None:
    """The relation is still normal, but nobody has paid for months; for some because the employer closed."""
    w = t.world
    n = len(who)
    place = t.place(who)
    closed = t.rng.random(n) < 0.5
    emp = np.where(closed, w.closed_employer(place), w.open_employer(t.rng, place))
    first = _long_ago(t, who)
    last = w.month - t.rng.integers(3, 8, n)
    r = t.book.open_staff(who, emp, first)
    t.book.pay_staff(who, r, emp, first, last)
    t.book.contract(who, emp, first_day(first))


@life(youth=0.6, adult=0.8)
def staff_stopped(t: Told, who: np.ndarray) -> None:
    """Lost the job and has nothing since; the relation was paused or ended."""
    w = t.world
    n = len(who)
    emp = w.open_employer(t.rng, t.place(who))
    first = _long_ago(t, who)
    # Ended in the as-of year but at least two months ago, else last year.
    last = w.month - t.rng.integers(2, 9, n)
    end = first_day(last + 1) - 1
    r = t.book.open_staff(who, emp, first, stas=np.where(t.rng.random(n) < 0.5, 2, 4), end=end)
    t.book.pay_staff(who, r, emp, first, last)
    t.book.contract(who, emp, first_day(first), end)


# -- elsewhere --------------------------------------------------------------------------------------------------------


@life(youth=4, adult=6)
def staff_elsewhere(t: Told, who: np.ndarray) -> None:
    """Works and lives outside the city and is staff there; the registered home stayed."""
    place = _outside(t, len(who))
    t.people.live_code[who] = np.where(t.rng.random(len(who)) < 0.7, place * 10**6, t.people.live_code[who])
    begn = t.book.between(t.world.day - 3000, t.world.day - 60, len(who))
    _elsewhere(t, who, place, begn)
    ended = t.rng.random(len(who)) < 0.3
    people = who[ended]
    t.book.open_resident(
        people, t.place(people), t.world.year - 4, stas=4, end=first_day((year_of(begn[ended])) * 12) + 5
    )
    t.book.resident_years(people, t.world.year - 4, t.world.year - 4)


@life(child=1.5, youth=1.5, adult=1.5, elder=1)
def resident_elsewhere(t: Told, who: np.ndarray) -> None:
    """Lives outside the city and is a resident member there."""
    place = _outside(t, len(who))
    t.people.live_code[who] = place * 10**6
    begn = np.maximum(t.book.between(t.world.day - 2000, t.world.day - 60, len(who)), t.people.birth[who])
    _elsewhere(t, who, place, begn, insutype=390, psn_type=1501)


@life(adult=0.4)
def elsewhere_stopped(t: Told, who: np.ndarray) -> None:
    """Was a member here, then staff elsewhere; that has ended, and nothing came after it."""
    w = t.world
    place = _outside(t, len(who))
    begn = t.book.between(w.day - 1400, w.day - 900, len(who))
    _elsewhere(
        t,
        who,
        place,
        begn,
        stas=4,
        end=t.book.between(w.day - 800, first_day(np.array((w.year - 1) * 12)) - 1, len(who)),
    )
    t.book.resident_years(who, w.year - 5, w.year - 5)


# -- not insured ------------------------------------------------------------------------------------------------------


@life(child=2.5, youth=3, adult=2.5, elder=1.5)
def never(t: Told, who: np.ndarray) -> None:
    """Never insured anywhere, as far as anybody knows."""


@life(child=1.5, youth=3, adult=3.5, elder=1.5)
def lapsed(t: Told, who: np.ndarray) -> None:
    """Was a member and stopped paying one to six years ago; the relation was ended or never cleaned up."""
    n = len(who)
    gone = _lapse_years(t, who)
    first = _lapsed_history(t, who, gone)
    stas = t.rng.choice([1, 2, 4], n, p=[0.5, 0.2, 0.3])
    end = np.where(stas == 1, NA, first_day((t.world.year - gone) * 12) - 1)
    t.book.open_resident(who, t.place(who), first, stas=stas, end=np.where(end > t.world.day, t.world.day, end))


@life(child=1.5, youth=2, adult=2.5, elder=1.5)
def lapsed_now(t: Told, who: np.ndarray) -> None:
    """Paid last year, not for this one; the relation is still normal (contract 3.2: lapsed, not unpaid)."""
    _continuous(t, who, t.place(who), pay=False)


@life(child=0.5, youth=0.6, adult=0.8, elder=0.4)
def unpaid(t: Told, who: np.ndarray) -> None:
    """Registered for the year but has not paid; some were members before."""
    before = (t.rng.random(len(who)) < 0.5) & (year_of(t.people.birth[who]) < t.world.year - 4)
    _lapsed_history(t, who[before], np.ones(int(before.sum()), dtype=np.int64))
    t.book.open_resident(who, t.place(who), t.world.year)


@life(child=0.3, youth=0.4, adult=0.5, elder=0.4)
def stopped(t: Told, who: np.ndarray) -> None:
    """Paid for the year, then the relation was paused or ended (for a job that came to nothing)."""
    w = t.world
    n = len(who)
    r = t.book.open_resident(
        who,
        t.place(who),
        _first_year(t, who),
        stas=np.where(t.rng.random(n) < 0.5, 2, 4),
        end=w.day - t.rng.integers(0, 15, n),
    )
    first = np.minimum(t.book.window_day(n), w.day - 15)
    t.book.resident_years(who, w.year - 1, w.year - 1)
    t.book.pay_resident(who, r, t.place(who), w.year - 1, _last_year_day(t, who))
    t.book.pay_resident(who, r, t.place(who), w.year, np.maximum(first, w.window[0]))


@life(child=0.2, adult=0.3, elder=0.2)
def refunded(t: Told, who: np.ndarray) -> None:
    """Paid for the year and had the money returned."""
    w = t.world
    place = t.place(who)
    r = _continuous(t, who, place, pay=False)
    paid = np.minimum(t.book.window_day(len(who)), w.day - 1)
    t.book.pay_resident(who, r, place, w.year, paid)
    back = t.book.between(paid, w.day, len(who))
    fen = -w.premium(w.year, np.ones(len(who)))
    t.book.pay_resident(who, r, place, w.year, back, fen=fen, type=40)


@life(youth=0.3, adult=0.4, elder=0.4)
def missing(t: Told, who: np.ndarray) -> None:
    """Reported missing; was a member years ago or never."""
    _leave(t, who, 6)
    half = who[: len(who) // 2]
    _lapsed_history(t, half, np.full(len(half), 3))


def _leave(t: Told, who: np.ndarray, status: int) -> None:
    """A status of the registered residence other than normal, since some day of the last years."""
    since = np.maximum(t.book.between(t.world.day - 2000, t.world.day - 20, len(who)), t.people.birth[who])
    t.people.resd_status[who] = status
    t.people.status_date[who] = since


# -- gone -------------------------------------------------------------------------------------------------------------


def _die(t: Told, who: np.ndarray, day: np.ndarray) -> None:
    """Death, known to the health bureau, to the police, or to both."""
    known = t.rng.random(len(who))
    t.book.death.add(p=who[known < 0.8], day=day[known < 0.8])
    police = who[known >= 0.4]
    t.people.resd_status[police] = 4
    t.people.status_date[police] = day[known >= 0.4]


@life(adult=0.3, elder=1.6)
def dead(t: Told, who: np.ndarray) -> None:
    """Died; the relation was ended then."""
    w = t.world
    day = t.book.between(w.day - 1200, w.day - 5, len(who))
    _die(t, who, day)
    t.book.resident_years(who, w.year - 6, w.year - 5)
    t.book.open_resident(who, t.place(who), w.year - 6, stas=4, end=day)


@life(adult=0.2, elder=0.9)
def dead_but_normal(t: Told, who: np.ndarray) -> None:
    """Died after the window opened; the relation is still normal and paid (LED-7)."""
    w = t.world
    paid = np.minimum(t.book.window_day(len(who)), w.day - 4)
    _continuous(t, who, t.place(who), np.maximum(paid, w.window[0]))
    _die(t, who, t.book.between(np.maximum(paid, w.window[0]) + 1, w.day, len(who)))


@life(elder=0.4)
def paid_after_death(t: Told, who: np.ndarray) -> None:
    """Somebody went on paying for a dead person."""
    w = t.world
    _continuous(t, who, t.place(who))
    _die(t, who, t.book.between(w.window[0] - 300, w.window[0] - 20, len(who)))


@life(adult=0.4, youth=0.1)
def in_custody(t: Told, who: np.ndarray) -> None:
    """Serves a sentence; was a member before or never."""
    w = t.world
    n = len(who)
    begn = t.book.between(w.day - 1500, w.day - 40, n)
    t.book.custody.add(p=who, begn=begn, end=np.where(t.rng.random(n) < 0.6, w.day + 400, NA))
    half = who[: n // 2]
    _lapsed_history(t, half, np.full(len(half), 4))


@life(adult=0.15)
def custody_but_insured(t: Told, who: np.ndarray) -> None:
    """Serves a sentence and is still a normal, paid member."""
    _continuous(t, who, t.place(who))
    t.book.custody.add(p=who, begn=t.world.day - 90, end=NA)


@life(adult=0.2)
def released(t: Told, who: np.ndarray) -> None:
    """Has served a sentence; not insured since."""
    t.book.custody.add(p=who, begn=t.world.day - 1500, end=t.world.day - 100)


@life(youth=1.2, adult=0.2)
def in_the_army(t: Told, who: np.ndarray) -> None:
    """Serves in the army; was insured as a child or never."""
    _leave(t, who, 7)
    half = who[: len(who) // 2]
    _lapsed_history(t, half, np.full(len(half), 3))


@life(child=0.5, youth=0.6, adult=0.8, elder=0.3)
def moved_out(t: Told, who: np.ndarray) -> None:
    """Moved the registration out of the city; the old row stayed."""
    _leave(t, who, 2)
    t.people.live_code[who] = _outside(t, len(who)) * 10**6
    half = who[: len(who) // 2]
    half = half[year_of(t.people.birth[half]) < t.world.year - 5]
    _lapsed_history(t, half, np.full(len(half), 2))


@life(adult=0.2, elder=0.15)
def moved_out_but_insured(t: Told, who: np.ndarray) -> None:
    """Moved the registration away and is still a paid member here."""
    _continuous(t, who, t.place(who))
    _leave(t, who, 2)


@life(youth=0.4, adult=0.4, elder=0.1)
def abroad(t: Told, who: np.ndarray) -> None:
    """Settled abroad."""
    _leave(t, who, 5)
    t.people.live_code[who] = 0


@life(child=0.15, adult=0.3, elder=0.4)
def cancelled(t: Told, who: np.ndarray) -> None:
    """The registration was cancelled."""
    _leave(t, who, 3)
    half = who[: len(who) // 2]
    half = half[year_of(t.people.birth[half]) < t.world.year - 5]
    _lapsed_history(t, half, np.full(len(half), 3))


# -- students ---------------------------------------------------------------------------------------------------------


@life(youth=6)
def student_at_college(t: Told, who: np.ndarray) -> None:
    """Studies in another county and is insured there; the relation at home was ended with matriculation."""
    w = t.world
    school = _college_place(t, who)
    since = _school_year(w) - t.rng.integers(0, 3, len(who))
    since = np.minimum(since, w.year - 1)
    _study(t, who, school, b.UNDERGRADUATE, since)
    home = t.place(who)
    first = np.full(len(who), w.year - 4)
    t.book.resident_years(who, first, w.year - 1)
    t.book.open_resident(who, home, first, stas=4, end=np.minimum(first_day((since + 1) * 12) - 1, w.day))
    opened = np.minimum(_september(since) + 20, w.day)
    r = t.book.open_resident(who, school, since + 1, begn=opened, psn_type=1404)
    old = since + 1 <= w.year - 1
    t.book.pay_resident(who[old], r[old], school[old], w.year - 1)
    t.book.pay_resident(who, r, school, w.year)


@life(youth=5)
def student_at_home(t: Told, who: np.ndarray) -> None:
    """Studies in the city and stayed a member at home."""
    _continuous(t, who, t.place(who))
    _study(
        t, who, _college_place(t, who), t.rng.integers(b.COLLEGE, b.POSTGRADUATE, len(who)), _school_year(t.world) - 1
    )


@life(youth=2.5)
def student_twice(t: Told, who: np.ndarray) -> None:
    """Enrolled at the school's county after matriculation, and still paid for at home (RET-3, RET-9)."""
    _twice_at_school(t, who, _college_place(t, who), t.rng.integers(b.VOCATIONAL, b.POSTGRADUATE + 1, len(who)), 1404)


@life(child=0.5)
def pupil_twice(t: Told, who: np.ndarray) -> None:
    """Goes to school where the parents work, paid for there by the school and at home by the grandparents (RET-3)."""
    age = t.world.year - year_of(t.people.birth[who])
    school = t.world.other_place(t.rng, t.place(who))
    _twice_at_school(t, who, school, _stage(age), t.book.resident_type(who))


def _twice_at_school(
    t: Told, who: np.ndarray, school: np.ndarray, stage: np.ndarray, psn_type: np.ndarray | int
) -> None:
    w = t.world
    _study(t, who, school, stage, _school_year(w))
    _continuous(t, who, t.place(who))
    r = t.book.open_resident(who, school, w.year, psn_type=psn_type)
    t.book.pay_resident(who, r, school, w.year)


def _stage(age: np.ndarray) -> np.ndarray:
    return np.select([age < 7, age < 13, age < 16], [b.KINDERGARTEN, b.PRIMARY, b.JUNIOR], b.SENIOR)


@life(youth=2)
def graduate_with_job(t: Told, who: np.ndarray) -> None:
    """Student or graduate who found a job this year; the relation at the school is still normal (RET-9, suspend)."""
    w = t.world
    n = len(who)
    school = _college_place(t, who)
    since = np.full(n, _school_year(w) - 3)
    finished = t.rng.random(n) < 0.7
    stage = t.rng.choice([b.VOCATIONAL, b.COLLEGE, b.UNDERGRADUATE], n)
    _study(t, who[finished], school[finished], stage[finished], since[finished], status=3)
    _study(t, who[~finished], school[~finished], stage[~finished], since[~finished])
    _continuous(t, who, school)
    _job(t, who, w.other_place(t.rng, school), w.month - t.rng.integers(2, 10, n))


# -- insured twice ----------------------------------------------------------------------------------------------------


@life(adult=0.8, elder=0.5)
def resident_twice(t: Told, who: np.ndarray) -> None:
    """Two counties of the city, lives in one of them (RET-2)."""
    place, other = t.place(who), t.world.other_place(t.rng, t.place(who))
    stay = t.rng.random(len(who)) < 0.5
    t.live_at(who[stay], place[stay])
    t.live_at(who[~stay], other[~stay])
    _resident_twice(t, who, other)


def _resident_twice(t: Told, who: np.ndarray, other: np.ndarray) -> None:
    _continuous(t, who, t.place(who))
    # The second county often did not find the person and gave a second personal number (DUP-8).
    r = t.book.open_resident(who, other, t.world.year, second_no=t.rng.random(len(who)) < 0.4)
    t.book.pay_resident(who, r, other, t.world.year)


@life(adult=0.3, elder=0.2)
def resident_twice_unknown_home(t: Told, who: np.ndarray) -> None:
    """Two counties of the city; lives outside the city or nobody knows where: for a person to decide (RET-2)."""
    outside = t.rng.random(len(who)) < 0.6
    t.people.live_code[who] = np.where(outside, _outside(t, len(who)) * 10**6, 0)
    _resident_twice(t, who, t.world.other_place(t.rng, t.place(who)))


@life(adult=0.5, elder=0.2)
def resident_here_and_elsewhere(t: Told, who: np.ndarray) -> None:
    """Member at home and, since this winter, outside the city too; lives in one of the two places (RET-2)."""
    n = len(who)
    place = _outside(t, n)
    away = t.rng.random(n) < 0.6
    t.people.live_code[who[away]] = place[away] * 10**6
    t.live_at(who[~away], t.place(who[~away]))
    _continuous(t, who, t.place(who))
    _elsewhere(t, who, place, t.book.window_day(n), insutype=390, psn_type=1501)


@life(adult=1.2)
def resident_and_long_job(t: Told, who: np.ndarray) -> None:
    """Staff for a year and longer, and still paid for as a resident at home (RET-4)."""
    w = t.world
    _continuous(t, who, t.place(who))
    months = t.rng.integers(13, 40, len(who))
    _job(t, who, _near(t, who), w.month - months)


def _near(t: Told, who: np.ndarray) -> np.ndarray:
    """A county to work in: one's own or another one."""
    home = t.place(who)
    return np.where(t.rng.random(len(who)) < 0.5, home, t.world.other_place(t.rng, home))


@life(adult=0.3)
def resident_and_changed_job(t: Told, who: np.ndarray) -> None:
    """As before, the staff months come from two employers without a gap (RET-4)."""
    _continuous(t, who, t.place(who))
    _two_jobs(t, who, gap=0)


@life(adult=0.3)
def resident_and_job_after_gap(t: Told, who: np.ndarray) -> None:
    """Staff for a year and longer in sum, but with a gap: the last unbroken months are fewer than twelve (RET-7)."""
    _continuous(t, who, t.place(who))
    _two_jobs(t, who, gap=2)


@life(adult=0.8)
def resident_and_new_job(t: Told, who: np.ndarray) -> None:
    """Began a job less than a year ago, still paid as a resident: no clause (RET-7)."""
    _continuous(t, who, t.place(who))
    _job(t, who, _near(t, who), t.world.month - t.rng.integers(1, 10, len(who)))


@life(adult=0.5)
def resident_and_short_job(t: Told, who: np.ndarray) -> None:
    """Resident who took work under a contract of less than twelve months (RET-8)."""
    n = len(who)
    _continuous(t, who, t.place(who))
    first = t.world.month - t.rng.integers(1, 5, n)
    end = first_day(first + t.rng.integers(7, 11, n)) - 1
    _job(t, who, _near(t, who), first, end=end)


@life(adult=0.8)
def resident_and_flexible(t: Told, who: np.ndarray) -> None:
    """Flexible worker who is insured both ways: chooses (RET-6)."""
    _continuous(t, who, t.place(who))
    _flexible(t, who)


@life(adult=0.8)
def resident_and_job_elsewhere(t: Told, who: np.ndarray) -> None:
    """Staff outside the city, for long (RET-4) or a few months (RET-7), and paid for as a resident at home."""
    w = t.world
    n = len(who)
    _continuous(t, who, t.place(who))
    long = t.rng.random(n) < 0.6
    month = w.month - np.where(long, t.rng.integers(14, 60, n), t.rng.integers(2, 10, n))
    place = _outside(t, n)
    _elsewhere(t, who, place, first_day(month) + 4)
    t.people.live_code[who] = place * 10**6


@life(adult=0.6)
def two_jobs(t: Told, who: np.ndarray) -> None:
    """Two employers in two counties pay at the same time; one contract runs, or two, or none is known (RET-1)."""
    w = t.world
    n = len(who)
    here = t.place(who)
    there = w.other_place(t.rng, here)
    # One, two, none known; early in a month nobody has paid for it, so that the last payer would not be known.
    contracts = t.rng.choice(3, n, p=[0.6, 0.4, 0.0] if w.as_of.day < 12 else [0.6, 0.2, 0.2])
    first = _long_ago(t, who)
    second = w.month - t.rng.integers(3, 20, n)
    for number, (place, since, last) in enumerate(
        [
            (here, first, np.full(n, w.month - 1)),
            (there, second, np.full(n, w.month - 1 if w.as_of.day < 12 else w.month)),
        ]
    ):
        emp = w.open_employer(t.rng, place)
        r = t.book.open_staff(who, emp, since)
        # Where no contract is known, the employer who paid last decides: only the second one pays for the last month.
        t.book.pay_staff(who, r, emp, since, np.where((contracts == 2) & (number == 0), w.month - 1, last))
        running = (contracts == 1) | ((contracts == 0) & (number == 1))
        t.book.contract(who[running], emp[running], first_day(since[running]))


@life(adult=0.25)
def two_jobs_one_county(t: Told, who: np.ndarray) -> None:
    """Two employers in the same county: the place does not decide (review)."""
    w = t.world
    here = t.place(who)
    emp = w.open_employer(t.rng, here)
    at = emp % w.employers_each
    other = emp - at + (at + 1) % (w.employers_each - 1)
    for number, e in enumerate((emp, other)):
        since = _long_ago(t, who)
        r = t.book.open_staff(who, e, since, second_no=number == 1)
        t.book.pay_staff(who, r, e, since, np.full(len(who), w.month - 1))
        if number == 0:
            t.book.contract(who, e, first_day(since))


@life(adult=0.3)
def job_here_and_elsewhere(t: Told, who: np.ndarray) -> None:
    """Works in the city, and a relation from an earlier job outside was never ended (RET-1)."""
    n = len(who)
    _job(t, who, t.place(who), t.world.month - t.rng.integers(14, 40, n))
    _elsewhere(t, who, _outside(t, n), t.book.between(t.world.day - 2500, t.world.day - 1300, n))


@life(adult=0.25)
def three_relations(t: Told, who: np.ndarray) -> None:
    """Long employed, and a resident member of two counties: one is kept for the whole group."""
    other = t.world.other_place(t.rng, t.place(who))
    _continuous(t, who, t.place(who))
    r = t.book.open_resident(who, other, t.world.year)
    t.book.pay_resident(who, r, other, t.world.year)
    _job(t, who, t.place(who), t.world.month - t.rng.integers(14, 40, len(who)))


# -- from outside -----------------------------------------------------------------------------------------------------


@life(outside=18)
def permit_resident(t: Told, who: np.ndarray) -> None:
    """Residence permit and a resident member."""
    t.people.permit[who] = 1
    _continuous(t, who, t.place(who))


@life(outside=18)
def permit_uninsured(t: Told, who: np.ndarray) -> None:
    """Residence permit, not insured anywhere."""
    t.people.permit[who] = 1


@life(outside=20)
def outsider_at_work(t: Told, who: np.ndarray) -> None:
    """From outside, employed in the city; half have a permit."""
    t.people.permit[who] = t.rng.random(len(who)) < 0.5
    _job(t, who, t.place(who), _long_ago(t, who))


@life(outside=14)
def no_permit(t: Told, who: np.ndarray) -> None:
    """From outside without a permit: not in scope."""


@life(outside=8)
def permit_insured_at_home(t: Told, who: np.ndarray) -> None:
    """Residence permit, but insured at the home outside."""
    t.people.permit[who] = 1
    place = t.people.resd_code[who] // 10**6
    _elsewhere(
        t, who, place, t.book.between(t.world.day - 2000, t.world.day - 100, len(who)), insutype=390, psn_type=1501
    )


@life(outside=24)
def outside_student(t: Told, who: np.ndarray) -> None:
    """From outside, at a college of the city; known from the school only, or from the police too; many are members."""
    t.people.in_population[who] = t.rng.random(len(who)) < 0.4
    school = t.world.college_places[t.rng.integers(0, len(t.world.college_places), len(who))]
    _study(t, who, school, b.UNDERGRADUATE, _school_year(t.world) - t.rng.integers(0, 2, len(who)))
    t.live_at(who, school)
    member = t.rng.random(len(who)) < 0.6
    people, place = who[member], school[member]
    r = t.book.open_resident(people, place, t.world.year, psn_type=1404)
    t.book.pay_resident(people, r, place, t.world.year)


@life(outside=12)
def outside_student_twice(t: Told, who: np.ndarray) -> None:
    """From outside, member at the school here and still at home (RET-3)."""
    t.people.in_population[who] = False
    school = t.world.college_places[t.rng.integers(0, len(t.world.college_places), len(who))]
    _study(t, who, school, b.UNDERGRADUATE, _school_year(t.world))
    t.live_at(who, school)
    r = t.book.open_resident(who, school, t.world.year, psn_type=1404)
    t.book.pay_resident(who, r, school, t.world.year)
    home = t.people.resd_code[who] // 10**6
    _elsewhere(
        t, who, home, t.book.between(t.world.day - 2000, t.world.day - 500, len(who)), insutype=390, psn_type=1501
    )


@life(outside=3)
def known_from_tax_only(t: Told, who: np.ndarray) -> None:
    """Nobody knows them but the tax office, which took money for this year or the last one."""
    t.people.in_population[who] = False
    now = t.rng.random(len(who)) < 0.5
    for people, year in ((who[now], t.world.year), (who[~now], t.world.year - 1)):
        t.book.pay_resident(people, np.full(len(people), -1), t.place(people), year)


@life(outside=3)
def known_from_contract_only(t: Told, who: np.ndarray) -> None:
    """A labour contract, and nothing else."""
    t.people.in_population[who] = False
    t.book.contract(
        who, t.world.open_employer(t.rng, t.place(who)), t.book.between(t.world.day - 900, t.world.day - 30, len(who))
    )


# -- born since last year ---------------------------------------------------------------------------------------------


def _within_90_days(t: Told, who: np.ndarray) -> np.ndarray:
    return np.minimum(t.people.birth[who] + t.rng.integers(1, 88, len(who)), t.world.day)


def _own_relation(t: Told, who: np.ndarray) -> None:
    place = t.place(who)
    # A child without a number yet enrols with the birth certificate (NB-2).
    state = t.people.number_state[who]
    with_certificate = (state == NO_NUMBER_YET) | ((state == NUMBER_LATER) & (t.rng.random(len(who)) < 0.5))
    t.people.birth_number_insured[who[with_certificate]] = True
    day = _within_90_days(t, who)
    r = t.book.open_resident(who, place, t.world.year, begn=day)
    t.book.pay_resident(who, r, place, t.world.year, day, payer=t.people.mother[who])


@life(newborn=45, window_born=80)
def newborn_member(t: Told, who: np.ndarray) -> None:
    """Enrolled and paid for within 90 days of birth (NB-1, NB-3)."""
    _own_relation(t, who)


@life(newborn=30)
def newborn_attached(t: Told, who: np.ndarray) -> None:
    """Shares the insurance of the parents, without a relation of its own (NB-4).

    For some the hospital registered the mother's number as the child's, in the county of the hospital: a fault to find.
    """
    wrong = who[t.rng.random(len(who)) < 0.3]
    mother = t.people.mother[wrong]
    place = t.world.other_place(t.rng, t.place(wrong))
    t.book.open_resident(mother, place, t.world.year, begn=_within_90_days(t, wrong), psn_type=1401)


@life(newborn=20)
def newborn_registered(t: Told, who: np.ndarray) -> None:
    """Registered with one guardian, not paid for (NB-4)."""
    guardian = t.people.mother[who]
    with_number = t.people.number_state[who] != NO_NUMBER_YET
    t.people.birth_number_insured[who[~with_number]] = True
    begn = _within_90_days(t, who)
    t.book.open_resident(who, t.place(who), t.world.year, begn=begn, guardian=guardian)


@life(newborn=6)
def newborn_two_guardians(t: Told, who: np.ndarray) -> None:
    """Registered with both parents in turn, which the rule forbids (NB-4)."""
    t.people.birth_number_insured[who[t.people.number_state[who] == NO_NUMBER_YET]] = True
    begn = _within_90_days(t, who)
    for guardian in (t.people.mother, t.people.father):
        t.book.open_resident(who, t.place(who), t.world.year, begn=begn, guardian=guardian[who])


@life(last_year_born=80)
def infant_member(t: Told, who: np.ndarray) -> None:
    """Born last year before the window: paid for then and again now."""
    _baby_years(t, who, pay=True)


@life(last_year_born=8)
def infant_lapsed(t: Told, who: np.ndarray) -> None:
    """Born last year, paid for then, not for this year."""
    _baby_years(t, who, pay=False)


def _baby_years(t: Told, who: np.ndarray, pay: bool) -> None:
    w = t.world
    place = t.place(who)
    t.people.birth_number_insured[who[t.people.number_state[who] == NO_NUMBER_YET]] = True
    day = np.minimum(t.people.birth[who] + t.rng.integers(1, 60, len(who)), min(days(w.year - 1, 12, 31), w.day))
    r = t.book.open_resident(who, place, w.year - 1, begn=day)
    t.book.resident_years(who, w.year - 1, w.year - 1)
    t.book.pay_resident(who, r, place, w.year - 1, day, payer=t.people.mother[who])
    if pay:
        # Before New Year: then nothing depends on whether the child still counts as newborn.
        now = np.minimum(np.maximum(t.book.window_day(len(who)), day), days(w.year - 1, 12, 31))
        t.book.pay_resident(who, r, place, w.year, now, payer=t.people.mother[who])


@life()
def infant_never(t: Told, who: np.ndarray) -> None:
    """Born since last year to parents who are staff; not enrolled."""


# -- choosing ---------------------------------------------------------------------------------------------------------

NAMES: list[str] = [kind.name for kind in LIVES]
_MIN_AGE = {
    "pupil_twice": 4,
    "student_twice": 17,
    "student_at_college": 19,
    "student_at_home": 18,
    "graduate_with_job": 20,
    "staff": 21,
    "staff_new": 19,
    "staff_changed_job": 22,
    "flexible": 21,
    "staff_unpaid": 21,
    "staff_stopped": 21,
    "staff_elsewhere": 21,
    "in_the_army": 18,
    "veteran_resident": 20,
    "in_custody": 18,
    "resident_staff_between": 22,
}
"""Lives that nobody leads before that age; whoever drew one is a resident member instead."""


def _draw(rng: np.random.Generator, group: str, n: int) -> np.ndarray:
    chosen = [(i, kind.weights[group]) for i, kind in enumerate(LIVES) if group in kind.weights]
    numbers = np.array([i for i, _ in chosen])
    weights = np.array([w for _, w in chosen], dtype=np.float64)
    return numbers[rng.choice(len(numbers), n, p=weights / weights.sum())]


def choose(world: World, rng: np.random.Generator, people: People) -> None:
    """Draw everybody's kind of life.

    Parents of children born since last year are either both residents or both staff, so that it is never in doubt
    whether a child shares their insurance (contract 3.3); the children's lives follow from that.
    """
    registered = np.arange(people.n) < people.registered
    for number, group in enumerate(GROUPS):
        who = np.flatnonzero(registered & (people.group == number))
        people.kind[who] = _draw(rng, group, len(who))
    age = world.year - year_of(people.birth)
    too_young = np.isin(people.group, (CHILD, YOUTH)) & (
        age < np.array([_MIN_AGE.get(x, 0) for x in NAMES])[people.kind]
    )
    people.kind[too_young] = NAMES.index("resident")
    outside = np.flatnonzero(~registered)
    people.kind[outside] = _draw(rng, "outside", len(outside))
    pupil = np.isin(people.kind, [NAMES.index("outside_student"), NAMES.index("outside_student_twice")])
    people.kind[pupil & ((age > 25) | (age < 18))] = NAMES.index("permit_resident")

    of_staff = rng.random(int(people.household.max()) + 1) < 0.3
    parents = np.flatnonzero(people.has_baby)
    people.kind[parents] = np.where(of_staff[people.household[parents]], NAMES.index("staff"), NAMES.index("resident"))
    babies = np.flatnonzero(registered & (people.group <= LAST_YEAR_BORN))
    staff_babies = babies[of_staff[people.household[babies]]]
    unpaid = rng.random(len(staff_babies)) < 0.6
    people.kind[staff_babies[unpaid]] = NAMES.index("infant_never")
    own = {NEWBORN: "newborn_member", WINDOW_BORN: "newborn_member", LAST_YEAR_BORN: "infant_member"}
    for number, name in own.items():
        rest = staff_babies[~unpaid]
        people.kind[rest[people.group[rest] == number]] = NAMES.index(name)


def tell(world: World, rng: np.random.Generator, people: People, dirt: float = 0.0) -> Book:
    """Tell all lives of a block; with dirt some have a wrong number, another name, or a death date to come."""
    book = Book(world, rng, people.birth)
    told = Told(world, rng, people, book)
    order = np.argsort(people.kind, kind="stable")
    cuts = np.searchsorted(people.kind[order], np.arange(len(LIVES) + 1))
    for number, kind in enumerate(LIVES):
        who = order[cuts[number] : cuts[number + 1]]
        if len(who):
            kind.tell(told, who)
    _pupils(told)
    _numbers(told)
    if dirt > 0:
        _wrong_for_good(told, dirt)
    return book


def _pupils(t: Told) -> None:
    """Children go to school where they live, unless their life says otherwise; not all kindergartens report."""
    p = t.people
    age = t.world.year - year_of(p.birth)
    known = np.zeros(p.n, dtype=np.bool_)
    known[t.book.student.arrays()["p"]] = True
    in_city = p.live_code // 10**10 == 50
    normal = (p.resd_status == 1) & in_city & ~known & p.in_population
    u = t.rng.random(p.n)
    goes = normal & (((age >= 3) & (age < 7) & (u < 0.7)) | ((age >= 7) & (age < 16) & (u < 0.98)))
    who = np.flatnonzero(goes)
    place = np.where(p.live_code[who] // 10**6 > 0, p.live_code[who] // 10**6, p.place[who])
    start = np.select([age[who] < 7, age[who] < 13, age[who] < 16], [3, 7, 13])
    since = np.minimum(year_of(p.birth[who]) + start, _school_year(t.world))
    _study(t, who, place, _stage(age[who]), since)


def _numbers(t: Told) -> None:
    """Who changed the number once, and whose number stands in its old form of 15 digits in the insurance files."""
    p = t.people
    u = t.rng.random(p.n)
    grown = p.in_population & (p.group >= CHILD)
    p.old_number = grown & (u < 0.002)
    p.fifteen = np.isin(p.group, (ADULT, ELDER)) & (year_of(p.birth) < 1965) & ~p.old_number & (u > 0.995)
    # A number can only come later where a delivery follows the one with the birth.
    before_last = t.world.increment_days("birth")[-2:][0]
    late = (p.number_state == NUMBER_LATER) & (p.birth + 3 > before_last)
    p.number_state = np.where(late, NUMBER_AT_BIRTH, p.number_state)
    p.in_birth = (p.group <= LAST_YEAR_BORN) & (np.arange(p.n) < p.registered)
    p.in_population[p.in_birth & (p.number_state == NO_NUMBER_YET)] = False


def _wrong_for_good(t: Told, dirt: float) -> None:
    """Faults of a person, not of a row: a wrong check digit, another name, a death reported for a day to come."""
    p = t.people
    grown = p.in_population & (p.group >= CHILD) & ~p.old_number & ~p.fifteen
    p.wrong_check = grown & (t.rng.random(p.n) < dirt * 0.06)
    # Only of people insured once: whether two names are one person must not decide about a duplicate (RET-10).
    once = [NAMES.index(name) for name in ("resident", "staff", "retired", "lapsed")]
    p.other_name = np.isin(p.kind, once) & (t.rng.random(p.n) < dirt * 0.15)
    told_dead = np.isin(p.kind, [NAMES.index("resident"), NAMES.index("never")]) & (t.rng.random(p.n) < dirt * 0.03)
    who = np.flatnonzero(told_dead)
    t.book.death.add(p=who, day=t.world.day + t.rng.integers(5, 60, len(who)))


__all__ = ["LIVES", "NAMES", "YOUTH", "choose", "tell"]
