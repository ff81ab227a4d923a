"""What the lives leave behind: tables that grow while lives are told, one chunk of people after the other."""

from typing import Any

import numpy as np

from canbao.generate.world import NA, World, add_months, first_day, month_of, year_of, yyyymm

RELATION = {
    "p": np.int32,  # person
    "insutype": np.int16,
    "stas": np.int8,
    "psn_type": np.int16,
    "adm": np.int32,  # county code, six digits
    "emp": np.int32,  # employer, -1 none
    "begn": np.int32,  # days since 1970-01-01
    "end": np.int32,
    "tier": np.int8,  # 0 none
    "guardian": np.int32,  # person, -1 none
    "elsewhere": np.bool_,
    "second_no": np.bool_,  # carries the person's second psn_no
}
PAYMENT = {
    "p": np.int32,
    "r": np.int32,  # relation, -1 none
    "insutype": np.int16,
    "a0": np.int32,  # months since year 0, inclusive
    "a1": np.int32,
    "fen": np.int32,
    "day": np.int32,
    "tier": np.int8,
    "type": np.int8,
    "payer": np.int32,  # person, -1 none
    "adm": np.int32,
    "emp": np.int32,
    "surplus": np.bool_,  # paid a second time for what was paid already
}
HISTORY = {"p": np.int32, "year": np.int16, "insutype": np.int16, "months": np.int8}
EMPLOYMENT = {"p": np.int32, "emp": np.int32, "kind": np.int8, "begn": np.int32, "end": np.int32}
AID = {"p": np.int32, "kind": np.int8, "begn": np.int32, "end": np.int32}
CUSTODY = {"p": np.int32, "begn": np.int32, "end": np.int32}
VETERAN = {"p": np.int32, "day": np.int32}
DEATH = {"p": np.int32, "day": np.int32}
STUDENT = {
    "p": np.int32,
    "adm": np.int32,
    "school": np.int32,
    "stage": np.int8,
    "begn": np.int32,
    "status": np.int8,
}
CONTRACT, PENSION, UNEMPLOYMENT = 0, 1, 2
KINDERGARTEN, PRIMARY, JUNIOR, SENIOR, VOCATIONAL, COLLEGE, UNDERGRADUATE, POSTGRADUATE = range(8)


class Ledger:
    """A growing table of columns of fixed types."""

    def __init__(self, columns: dict[str, Any]) -> None:
        self.columns = columns
        self.chunks: list[dict[str, np.ndarray]] = []
        self.rows = 0

    def add(self, **values: Any) -> np.ndarray:
        """Append rows; single values stand for all of them. Returns the numbers of the new rows."""
        n = len(values["p"])
        self.chunks.append(
            {name: np.broadcast_to(np.asarray(values[name], dtype=t), (n,)) for name, t in self.columns.items()}
        )
        self.rows += n
        return np.arange(self.rows - n, self.rows)

    def arrays(self) -> dict[str, np.ndarray]:
        """All rows so far."""
        return {
            name: np.concatenate([c[name] for c in self.chunks]) if self.chunks else np.empty(0, dtype=t)
            for name, t in self.columns.items()
        }


class Book:
    """All that is on record about the people of one block.

    Args:
        world: The stage.
        rng: The block's random numbers.
        birth: Birth days of the block's people.
    """

    def __init__(self, world: World, rng: np.random.Generator, birth: np.ndarray) -> None:
        self.world = world
        self.rng = rng
        self.birth = birth
        self.relation = Ledger(RELATION)
        self.payment = Ledger(PAYMENT)
        self.history = Ledger(HISTORY)
        self.employment = Ledger(EMPLOYMENT)
        self.aid = Ledger(AID)
        self.custody = Ledger(CUSTODY)
        self.veteran = Ledger(VETERAN)
        self.death = Ledger(DEATH)
        self.student = Ledger(STUDENT)

    # -- days ---------------------------------------------------------------------------------------------------------

    def between(self, first: Any, last: Any, n: int) -> np.ndarray:
        """Random days from first to last, both included."""
        first, last = np.asarray(first), np.maximum(np.asarray(last), np.asarray(first))
        return (first + np.floor(self.rng.random(n) * (last - first + 1))).astype(np.int64)

    def window_day(self, n: int, year: int | None = None) -> np.ndarray:
        """Random days of the payment window of a year, none after the as-of date."""
        year = self.world.year if year is None else year
        first = self.world.window[0] if year == self.world.year else self.world.window_end(year) - 119
        return self.between(first, min(self.world.window_end(year), self.world.day), n)

    def late_day(self, n: int) -> np.ndarray:
        """Random days after the window of the insured year; inside it as long as it is open."""
        if self.world.day <= self.world.window[1]:
            return self.window_day(n)
        return self.between(self.world.window[1] + 1, self.world.day, n)

    # -- resident insurance -------------------------------------------------------------------------------------------

    def resident_type(self, p: np.ndarray) -> np.ndarray:
        """psn_type of residents by age."""
        age = self.world.year - year_of(self.birth[p])
        return np.select([age <= 1, age < 6, age < 18, age < 60], [1401, 1402, 1403, 1501], 16)

    def open_resident(self, p: np.ndarray, adm: np.ndarray, since: Any, **more: Any) -> np.ndarray:
        """A resident relation that begins in the payment window before the year `since` (not before birth)."""
        n = len(p)
        since = np.broadcast_to(np.asarray(since), (n,))
        jan = first_day(since * 12)
        day = np.where(since == self.world.year, self.window_day(n), self.between(jan - 60, jan + 50, n))
        day = np.minimum(np.maximum(day, self.birth[p] + 3), self.world.day)
        values = {"stas": 1, "psn_type": self.resident_type(p), "end": NA, "tier": 1, "guardian": -1, "emp": -1,
                  "insutype": 390, "elsewhere": False, "second_no": False, "begn": day}  # fmt: skip
        return self.relation.add(p=p, adm=adm, **(values | more))

    def pay_resident(
        self, p: np.ndarray, r: np.ndarray | int, adm: np.ndarray, year: int, day: np.ndarray | None = None, **more: Any
    ) -> None:
        """One payment of the personal premium for a year; the amount of the tier unless another one is given."""
        tier = np.broadcast_to(np.asarray(more.pop("tier", 1)), (len(p),))
        values = {
            "fen": self.world.premium(year, tier),
            "type": 10,
            "payer": -1,
            "emp": -1,
            "insutype": 390,
            "surplus": False,
            "a0": year * 12,
            "a1": year * 12 + 11,
            "day": self.window_day(len(p), year) if day is None else day,
        }
        self.payment.add(p=p, r=r, adm=adm, tier=tier, **(values | more))

    def resident_years(self, p: np.ndarray, first: Any, last: Any) -> None:
        """Covered resident years, of whom the platform's history tells (one row a year)."""
        first = np.broadcast_to(np.asarray(first), (len(p),))
        last = np.broadcast_to(np.asarray(last), (len(p),))
        for year in range(int(first.min(initial=3000)), int(last.max(initial=0)) + 1):
            inside = (first <= year) & (last >= year)
            self.history.add(p=p[inside], year=year, insutype=390, months=12)

    # -- staff insurance ----------------------------------------------------------------------------------------------

    def open_staff(self, p: np.ndarray, employer: np.ndarray, month: np.ndarray, **more: Any) -> np.ndarray:
        """A staff relation at an employer from a month on; the place is the employer's."""
        begn = np.minimum(first_day(month) + self.rng.integers(0, 20, len(p)), self.world.day)
        values = {"stas": 1, "psn_type": 1101, "end": NA, "tier": 0, "guardian": -1, "insutype": 310,
                  "elsewhere": False, "second_no": False, "begn": begn}  # fmt: skip
        values |= {"adm": self.world.employer_place[employer], "emp": employer}
        return self.relation.add(p=p, **(values | more))

    def last_month(self, n: int) -> np.ndarray:
        """The last month for which an active employee is paid for: the as-of month or the one before it."""
        w = self.world
        early = w.as_of.day < 12
        return np.where(early | (self.rng.random(n) < 0.3), w.month - 1, w.month)

    def pay_staff(
        self, p: np.ndarray, r: np.ndarray, employer: np.ndarray, first: np.ndarray, last: np.ndarray, **more: Any
    ) -> None:
        """Payments for all months from first to last; bills of one, three or six months, by employer.

        Only bills of about the last 14 to 26 months are in the tax office's files; what lies before is in the history.
        """
        w = self.world
        n = len(p)
        since = np.maximum(first, w.month - self.rng.integers(13, 26, n))
        step = np.where(employer % 20 < 7, 1, np.where(employer % 20 < 14, 3, 6))
        bills = np.maximum((last - since + step) // step, 0)
        who = np.repeat(np.arange(n), bills)
        nth = np.arange(len(who)) - np.repeat(np.cumsum(bills) - bills, bills)
        a0 = since[who] + nth * step[who]
        a1 = np.minimum(a0 + step[who] - 1, last[who])
        day = np.minimum(first_day(a1) + 9 + (employer[who] * 7 + p[who]) % 15, w.day)
        wage = 4000 + (p * 37) % 9000
        fen = (wage[who] * 10 * (a1 - a0 + 1)).astype(np.int64)
        # Now and then a bill is paid later than it should have been; back-paid months count (RET-4).
        kind = np.where((p[who] + a0) % 97 == 0, 31, 10)
        values: dict[str, Any] = {"type": kind, "payer": -1, "insutype": 310, "surplus": False, "tier": 0}
        values |= {"adm": w.employer_place[employer][who], "emp": employer[who]}
        self.payment.add(p=p[who], r=r[who], a0=a0, a1=a1, fen=fen, day=day, **(values | more))
        self.staff_years(p, first, last)

    def staff_years(self, p: np.ndarray, first: np.ndarray, last: np.ndarray) -> None:
        """Rows of history for the calendar years before the insured year in which staff months lie."""
        w = self.world
        for year in range(w.year - 4, w.year):
            months = np.minimum(last, year * 12 + 11) - np.maximum(first, year * 12) + 1
            inside = months > 0
            self.history.add(p=p[inside], year=year, insutype=310, months=months[inside])

    def contract(self, p: np.ndarray, emp: np.ndarray, begn: np.ndarray, end: Any = NA, kind: int = CONTRACT) -> None:
        """A row of employment: contract, pension or unemployment benefit."""
        self.employment.add(p=p, emp=emp, kind=kind, begn=begn, end=end)


__all__ = ["NA", "Book", "add_months", "first_day", "month_of", "year_of", "yyyymm"]
