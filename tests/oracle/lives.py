"""Random lives that seek the corners of the rules. People with numbers that cannot exist only."""

import random
from datetime import date, timedelta

from .life import Life, Payment, Policy, Relation, add_months

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_STATES = ("resident", "resident", "resident", "staff", "elsewhere", "lapse", "partial")


def number(serial: int, brdy: date) -> str:
    """A number with a right check digit in an area (99) that was never given out, another one for each serial."""
    body = f"99{serial // 1000:04d}{brdy:%Y%m%d}{serial % 1000:03d}"
    return body + "10X98765432"[sum(int(d) * w for d, w in zip(body, _WEIGHTS, strict=True)) % 11]


def _days_of_interest(policy: Policy) -> list[date]:
    """Days around every border of the insured year's branches."""
    year = policy.insured_year
    start, end = policy.windows.get(year, (date(year - 1, 11, 1), add_months(date(year, 2, 1), 1) - timedelta(days=1)))
    borders = [start, date(year - 1, 12, 31), date(year, 1, 1), date(year, 1, 31), date(year, 2, 28), end]
    days = {border + timedelta(days=shift) for border in borders for shift in (-1, 0, 1)}
    days |= {date(year - 1, 10, 15), date(year - 1, 12, 10), date(year, 2, 10), date(year, 3, 31), date(year, 4, 30)}
    days |= {date(year, 8, 31), date(year, 9, 30), date(year, 11, 30), date(year, 12, 30)}
    return sorted(day for day in days if day <= policy.as_of)


class Maker:
    """Makes lives for one policy.

    Args:
        policy: its insured year, window and as-of date set the corners.
        rng: where chance comes from.
    """

    def __init__(self, policy: Policy, rng: random.Random) -> None:
        self.policy = policy
        self.rng = rng
        self.days = _days_of_interest(policy)
        self.kinds = sorted(policy.aid_types)

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def life(self, serial: int) -> Life:
        """One life: what was before the insured year, what was paid for it, and what excuses."""
        rng, year = self.rng, self.policy.insured_year
        paid = rng.choice(self.days)
        newborn = self.chance(0.15)
        if newborn:
            brdy = paid - timedelta(days=rng.choice((0, 1, 30, 88, 89, 90, 91, 92, 120, rng.randint(0, 200))))
        else:
            brdy = date(rng.randint(1940, year - 8), rng.randint(1, 12), rng.randint(1, 28))
        self.life_ = life = Life(number(serial, brdy), brdy)
        self.serial = serial
        self.count = 0
        if not newborn:
            self._past(paid)
        self._insured_year(paid)
        self._excuses(paid)
        if self.chance(0.5):
            for claim_year in range(year - rng.randint(1, 5), year + (1 if self.chance(0.3) else 0)):
                if self.chance(0.8):
                    amount = 0 if self.chance(0.7) else rng.randint(1, 90000)
                    life.claims.append((claim_year, amount, rng.choice((None, False, False, amount > 0))))
        return life

    def _name(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.serial}x{self.count}"

    def _pay(  # noqa: PLR0917
        self, insutype: str, begn: int, end: int, amount: int, paid: date, kind: str = "10", **more: str | None
    ) -> None:
        if paid <= self.policy.as_of:
            self.life_.payments.append(Payment(self._name("p"), insutype, begn, end, amount, paid, kind, **more))

    def _past(self, paid: date) -> None:
        """Years before the insured year: a stretch of some states, then a lapse of a chosen length, or none at all."""
        rng, year = self.rng, self.policy.insured_year
        if self.chance(0.1):
            return
        lapsed = rng.choice((0, 0, 0, 1, 1, 2, 3, 4, 4, 5, 6, 8))
        length = rng.choice((1, 2, 3, 4, 5, 6, 9, 12, 20))
        steady = rng.choice((None, "resident", "resident", "staff"))
        last = year - 1 - lapsed
        flexible = self.chance(0.2)
        for insured in range(last - length + 1, last + 1):
            state = steady if steady and self.chance(0.9) else rng.choice(_STATES)
            self._past_year(insured, state, flexible)
        if lapsed == 0 and self.chance(0.35):
            self._switch(paid, flexible)
        for repaired in range(last + 1, year):
            if self.chance(0.3):
                when = min(paid + timedelta(days=rng.choice((0, 0, 5))), self.policy.as_of)
                span = repaired if not self.chance(0.1) or repaired + 1 >= year else repaired + 1
                self._pay("390", repaired * 100 + 1, span * 100 + 12, 400 * (span - repaired + 1), when, "32")
                if self.chance(0.1):
                    self._pay("390", repaired * 100 + 1, span * 100 + 12, -400 * (span - repaired + 1), when, "32")

    def _past_year(self, year: int, state: str, flexible: bool) -> None:
        rng, life = self.rng, self.life_
        if state == "lapse":
            if self.chance(0.2):
                life.history.append((year, rng.choice(("390", "320")), 0))
            if self.chance(0.1):
                life.history.append((year, "330", 12))
        elif state == "partial":
            life.history.append((year, rng.choice(("390", "310")), rng.randint(1, 11)))
        elif state == "elsewhere":
            end = date(year, 12, 31)
            insutype = rng.choice(("390", "310"))
            life.relations.append(
                Relation(self._name("e"), insutype, rng.choice("24"), "510104", date(year, 1, 1), end, elsewhere=True,
                         psn_type="1501" if insutype == "390" else "1101")
            )  # fmt: skip
        elif state == "staff":
            if self.chance(0.6):
                life.history.append((year, "310", 12))
            else:
                life.relations.append(
                    Relation(self._name("s"), "310", "4", "500103", date(year, 1, 1), date(year, 12, 31),
                             "1103" if flexible else "1101", None if flexible else f"U{year}")
                )  # fmt: skip
                more = {"admdvs": "500103"} | ({} if flexible else {"uscc": f"U{year}"})
                self._pay("310", year * 100 + 1, year * 100 + 12, 4000, date(year, 12, 20), **more)
        elif self.chance(0.6) or year < self.policy.insured_year - 3:
            life.history.append((year, rng.choice(("390", "390", "390", "391", "380")) if year < 2017 else "390", 12))
        else:
            self._pay("390", year * 100 + 1, year * 100 + 12, 380, date(year - 1, 12, 1))
            if self.chance(0.1):
                self._pay("390", year * 100 + 1, year * 100 + 12, 380, date(year - 1, 12, 5), "40")

    def _switch(self, paid: date, flexible: bool) -> None:
        """Staff insurance that ends some months before the payment for resident insurance (TRN-1)."""
        rng = self.rng
        last = add_months(paid.replace(day=1), -rng.choice((0, 1, 2, 3, 4, 4, 5, 6)))
        first = add_months(last, 1 - rng.choice((3, 12, 23, 24, 24, 25, 36)))
        psn_type = "1103" if flexible else "1101"
        self.life_.relations.append(Relation(self._name("s"), "310", "4", "500103", first, last, psn_type))
        month = first
        while month <= last:
            if month <= self.policy.as_of:
                code = month.year * 100 + month.month
                self._pay("310", code, code, 900, month + timedelta(days=9), admdvs="500103")
            month = add_months(month, 1)

    def _insured_year(self, paid: date) -> None:
        """The relation of the insured year and its payments."""
        rng, life, year = self.rng, self.life_, self.policy.insured_year
        life.relations.append(
            Relation(
                self._name("r"),
                "390",
                "1",
                rng.choice(("500101", "500101999", "500101000000")),
                rng.choice((paid, paid, date(year - 1, 10, 15), date(year - 1, 11, 20), date(year - 3, 10, 1))),
                tier=rng.choice((None, "1", "1", "2")),
            )
        )
        if self.chance(0.12):
            self._second_relation(paid)
        if self.chance(0.07):
            return
        if self.chance(0.03):  # a student's payment for the whole programme (PER-8)
            first = year - rng.choice((0, 1, 2))
            self._pay("390", first * 100 + 1, (first + 3) * 100 + 12, 1600, paid, tier=rng.choice((None, "1")))
            return
        begn = year * 100 + (paid.month if paid.year == year and self.chance(0.5) else 1)
        way = rng.random()
        self._pay(
            "390", begn, year * 100 + 12, 400, paid, rng.choice(("10", "10", "31")), tier=rng.choice((None, None, "2"))
        )
        later = [day for day in self.days if day > paid]
        if way < 0.06 and later:  # taken back
            self._pay("390", begn, year * 100 + 12, 400, later[0], "40")
        elif way < 0.12 and len(later) > 1:  # taken back and paid again
            first, second = sorted(rng.sample(later, 2))
            self._pay("390", begn, year * 100 + 12, -400, first)
            self._pay("390", begn, year * 100 + 12, 400, second, tier=rng.choice((None, "1", "2")))
        elif way < 0.18 and len(later) > 1:  # paid twice, one taken back
            first, second = sorted(rng.sample(later, 2))
            self._pay("390", begn, year * 100 + 12, 400, first, tier=rng.choice((None, "2")))
            self._pay("390", begn, year * 100 + 12, -rng.choice((400, 400, 100)), second, "40")
        elif way < 0.22 and later:  # part of it taken back
            self._pay("390", begn, year * 100 + 12, -150, rng.choice(later))
        elif way < 0.25 and later:  # a further payment
            self._pay("390", begn, year * 100 + 12, 375, rng.choice(later))

    def _second_relation(self, paid: date) -> None:
        """Another relation of the year, stopped or normal, here or elsewhere, paid or not; or a payment alone."""
        rng, year = self.rng, self.policy.insured_year
        way = rng.choice(("stopped", "stopped", "same place", "normal", "elsewhere", "loose", "other year", "invalid"))
        other = rng.choice(self.days)
        months = year * 100 + 1, year * 100 + 12
        relation = Relation(self._name("q"), "390", "1", "500107", rng.choice((other, date(year - 2, 10, 1))))
        if way == "loose":
            self._pay("390", *months, 400, other, admdvs="500109")
            return
        if way == "stopped":
            relation.status = rng.choice("24")
            relation.end = max(relation.begn, min(other + timedelta(days=10), self.policy.as_of - timedelta(days=1)))
        elif way == "same place":
            relation.admdvs = "500101"
            relation.status = "4"
            relation.end = relation.begn
        elif way == "elsewhere":
            relation.elsewhere, relation.admdvs = True, "510104"
            relation.begn = date(year - rng.randint(0, 3), 10, 1)
        elif way == "other year":
            relation.begn = date(year - 3, 5, 1)
            self._pay("390", (year - 2) * 100 + 1, (year - 2) * 100 + 12, 400, date(year - 3, 12, 1), admdvs="500107")
        elif way == "invalid":
            relation.status = rng.choice("03")
        if way in ("stopped", "normal", "invalid") and self.chance(0.6):
            self._pay("390", *months, 400, other, admdvs="500107")
        self.life_.relations.append(relation)

    def _excuses(self, paid: date) -> None:
        rng, life, year = self.rng, self.life_, self.policy.insured_year
        if self.chance(0.2):
            begn = paid + timedelta(days=rng.choice((-400, -30, -1, 0, 1, 30)))
            end = rng.choice((None, None, paid - timedelta(days=1), paid, paid + timedelta(days=1)))
            if end is None or begn <= end:
                life.aid.append((rng.choice(self.kinds) if self.kinds else "特困", begn, end))
                if self.chance(0.1):
                    life.aid.append((rng.choice(self.kinds) if self.kinds else "低保", begn, None))
                if self.chance(0.25):
                    life.payments = [p for p in life.payments if p.end // 100 != year]
        if self.chance(0.1):
            anchor = add_months(paid, -rng.choice((0, 1, 3, 3, 3, 4)))
            life.veteran.append(anchor + timedelta(days=rng.choice((-1, 0, 1))))
        if self.chance(0.07):
            begn = date(year - rng.randint(1, 5), rng.choice((1, 6)), 1)
            life.custody.append((begn, add_months(begn, rng.choice((6, 12, 24, 36)))))
