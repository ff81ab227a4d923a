"""The stage on which the lives are lived: divisions, employers, schools, calendar and prices.

The prices and windows here are facts of the made-up world (what people were asked to pay, when they could); the
product's own rule parameters are not read, so that the truth does not depend on them.
"""

from dataclasses import dataclass, field
from datetime import date

import numpy as np
import polars as pl

from canbao.errors import UserError
from canbao.generate import numbers
from canbao.paths import package_dir

NA = -(10**6)
"""No date: a day long before any life."""

PREMIUM = {2024: (38000, 75500), 2025: (40000, 77500), 2026: (40000, 77500)}
"""Personal premium of tier 1 and 2 in fen, by insured year; other years take the newest."""
AID_PERSONAL = {"特困": 0, "孤儿": 0, "低保": 4000, "低保边缘": 12000, "返贫监测": 12000, "重残": 12000}
"""What an aided person pays for tier 1, in fen (AID-2)."""
KNOWN_WINDOWS = {2026: (date(2025, 11, 1), date(2026, 2, 28))}
LAPSE_FROM_YEAR = 2025
OUTSIDE = np.array(
    [510104, 510107, 510502, 511002, 511602, 511702, 520302, 520502, 420502, 422802, 430104, 433101, 610902, 440106,
     440305, 330102, 310115, 320505, 350203, 110108],
    dtype=np.int64,
)  # fmt: skip
"""County codes outside the city from which people come and to which they go."""


def days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01."""
    return (date(year, month, day) - date(1970, 1, 1)).days


def year_of(day: np.ndarray) -> np.ndarray:
    """Calendar year of days since 1970-01-01."""
    return day.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970


def month_of(day: np.ndarray) -> np.ndarray:
    """Months since year 0 (year * 12 + month - 1) of days since 1970-01-01."""
    return day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) + 1970 * 12


def first_day(month: np.ndarray) -> np.ndarray:
    """Days since 1970-01-01 of the first day of months since year 0."""
    return (month - 1970 * 12).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def add_months(day: np.ndarray, months: np.ndarray) -> np.ndarray:
    """The same day so many months later, or that month's last day."""
    month = month_of(day)
    offset = day - first_day(month)
    target = month + months
    return np.minimum(first_day(target) + offset, first_day(target + 1) - 1)


def yyyymm(month: np.ndarray) -> np.ndarray:
    """Months since year 0 as the number YYYYMM."""
    return (month // 12) * 100 + month % 12 + 1


# Days before the as-of date on which a snapshot was drawn.
_AGE_OF_SNAPSHOT = {
    "division": 60, "population": 2, "student": 12, "enrollment": 0, "enrollment_elsewhere": 3, "employment": 4,
    "aid_recipient": 5, "custody": 6, "vaccination": 8, "enterprise": 7, "annual_claim": 15, "enrollment_history": 10,
    "target": 20,
}  # fmt: skip


@dataclass
class World:
    """Everything that is the same for all blocks of one run.

    Args:
        seed: Seed of the run.
        persons: Number of registered people of the run.
        as_of: The date on which the world is looked at.
        only: County codes (6 digits) to which the registered people are confined, or None.
    """

    seed: int
    persons: int
    as_of: date
    only: list[str] | None = None
    divisions: pl.DataFrame = field(init=False)

    def __post_init__(self) -> None:
        self.day = (self.as_of - date(1970, 1, 1)).days
        self.month = self.as_of.year * 12 + self.as_of.month - 1
        self.year = next((y for y, (a, b) in KNOWN_WINDOWS.items() if a <= self.as_of <= b), self.as_of.year)
        self.window = (days(self.year - 1, 11, 1), self.window_end(self.year))
        self.jan = self.year * 12
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([self.seed, 10**6])))
        self._make_divisions(rng)
        self._make_employers(rng)
        self._make_schools(rng)

    @staticmethod
    def window_end(year: int) -> int:
        """Last day of the payment window of an insured year: the last of February."""
        return days(year, 3, 1) - 1

    def snapshot_day(self, source: str) -> int:
        """Day of the delivery of a snapshot source."""
        return self.day - _AGE_OF_SNAPSHOT[source]

    def increment_days(self, source: str) -> list[int]:
        """Days of the deliveries of an increment source, ascending; the last one lies next to the as-of date."""
        y = self.year
        wished = {
            "birth": [days(y - 1, 7, 1), days(y - 1, 11, 2), days(y, 1, 15), self.day - 28],
            "death": [days(y - 1, 12, 1)],
            "tax_payment": [days(y - 1, 7, 1), days(y - 1, 11, 15), days(y, 1, 20)],
            "veteran": [days(y, 1, 10)],
            "grid_feedback": [self.day - 20],
        }[source]
        last = self.day - (0 if source == "tax_payment" else 1)
        return sorted({d for d in wished if d < self.day - 15} | {last})

    def premium(self, year: int, tier: np.ndarray) -> np.ndarray:
        """Personal premium in fen for each tier (1 or 2) of one insured year."""
        low, high = PREMIUM.get(year, PREMIUM[max(PREMIUM)])
        return np.where(tier == 2, high, low).astype(np.int64)

    def _make_divisions(self, rng: np.random.Generator) -> None:
        path = package_dir("divisions") / "chongqing_2023-06-30.csv"
        self.divisions = pl.read_csv(path, infer_schema=False)
        villages = self.divisions.filter(pl.col("level") == "4")["division_code"].cast(pl.Int64).to_numpy()
        all_counties = np.unique(villages // 10**6)
        if self.only:
            wanted = np.array(sorted({int(c[:6]) for c in self.only}), dtype=np.int64)
            unknown = [str(c) for c in wanted if c not in all_counties]
            if unknown:
                raise UserError(f"没有这些区县：{', '.join(unknown)}")
            villages = villages[np.isin(villages // 10**6, wanted)]
        self.counties = np.unique(villages // 10**6)
        """County codes of six digits in which people are registered."""
        self.places = self.counties if len(self.counties) > 1 else all_counties
        self.villages = villages
        self.village_county = np.searchsorted(self.places, villages // 10**6)
        weight = np.exp(rng.normal(0, 0.45, len(all_counties)))[np.searchsorted(all_counties, villages // 10**6)]
        count = np.bincount(np.searchsorted(all_counties, villages // 10**6), minlength=len(all_counties))
        weight = (
            weight / count[np.searchsorted(all_counties, villages // 10**6)] * np.exp(rng.normal(0, 0.3, len(villages)))
        )
        self.village_cumulative = np.cumsum(weight / weight.sum())
        self.village_start = np.searchsorted(villages // 10**6, self.places, side="left")
        self.village_end = np.searchsorted(villages // 10**6, self.places, side="right")

    def _make_employers(self, rng: np.random.Generator) -> None:
        each = max(5, self.persons // (80 * len(self.places)))
        inside = np.repeat(self.places, each)
        outside = np.repeat(OUTSIDE, 10)
        self.employers_each = each
        self.employer_place = np.concatenate([inside, outside])
        self.first_outside_employer = len(inside)
        # The last employer of every county closed last year: nobody should be paid for by it any more.
        nth = np.arange(len(inside)) % each
        self.employer_status = np.concatenate(
            [np.where(nth == each - 1, rng.integers(2, 4, len(inside)), 1), np.ones(len(outside), dtype=np.int64)]
        )
        self.employer_closed_on = np.where(
            self.employer_status == 1, NA, self.day - rng.integers(120, 330, len(self.employer_status))
        )
        serial = np.arange(len(self.employer_place))
        self.employer_uscc = numbers.uscc(serial * 7 + 11)
        kinds = ["商贸", "机械制造", "建筑劳务", "餐饮管理", "物流", "科技", "纺织", "农业开发", "医药", "物业服务"]
        words = ["鑫", "渝", "宏", "盛", "达", "源", "泰", "丰", "瑞", "嘉", "恒", "顺"]
        a, b, c = rng.integers(0, 12, len(serial)), rng.integers(0, 12, len(serial)), rng.integers(0, 10, len(serial))
        self.employer_name = pl.Series(
            [
                f"{words[i]}{words[j]}{kinds[k]}有限公司{n}号"
                for i, j, k, n in zip(a, b, c, serial.tolist(), strict=True)
            ]
        )

    def open_employer(self, rng: np.random.Generator, place: np.ndarray) -> np.ndarray:
        """Numbers of employers that are in business in the given counties (six digits)."""
        at = np.searchsorted(self.places, place)
        return at * self.employers_each + rng.integers(0, self.employers_each - 1, len(place))

    def closed_employer(self, place: np.ndarray) -> np.ndarray:
        """Number of the employer of each county that has closed."""
        return np.searchsorted(self.places, place) * self.employers_each + self.employers_each - 1

    def outside_employer(self, rng: np.random.Generator, place: np.ndarray) -> np.ndarray:
        """Numbers of employers outside the city, at the given county codes."""
        order = np.argsort(OUTSIDE)
        at = order[np.searchsorted(OUTSIDE, place, sorter=order)]
        return self.first_outside_employer + at * 10 + rng.integers(0, 10, len(place))

    def _make_schools(self, rng: np.random.Generator) -> None:
        """Colleges stand in a third of the counties, at least two; pupils go to school where they live."""
        n = max(2, len(self.places) // 3)
        self.college_places = np.sort(rng.permutation(self.places)[:n])

    def other_place(self, rng: np.random.Generator, place: np.ndarray) -> np.ndarray:
        """Another county of the city for each given one."""
        at = np.searchsorted(self.places, place)
        shift = rng.integers(1, len(self.places), len(place))
        return self.places[(at + shift) % len(self.places)]

    def village_in(self, rng: np.random.Generator, place: np.ndarray) -> np.ndarray:
        """A village (12 digits) in each given county; the county itself where this run has no villages of it."""
        at = np.searchsorted(self.places, place)
        start, end = self.village_start[at], self.village_end[at]
        pick = start + (rng.random(len(place)) * (end - start)).astype(np.int64)
        return np.where(end > start, self.villages[np.minimum(pick, len(self.villages) - 1)], place * 10**6)
