"""A small city that goes on from night to night: made-up people without dirt, daily deliveries, small natural changes.

A clean story is clean: without an edit no night raises a failing check. The lives that are findings by themselves (the
dead who are insured, money paid twice, two numbers in one household's file …) are left out of it.
"""

import os
import zlib
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from canbao import audit, nightly
from canbao.generate import generate

DISTRICTS = ("500103", "500104", "500108")
"""Where the people are registered: three districts of Chongqing with few villages, which keeps a night short."""

DAILY = ("population", "enrollment", "enrollment_elsewhere", "employment")
"""Snapshots that come every day."""

WEEKLY = ("student", "aid_recipient", "custody", "vaccination", "enterprise")
"""Snapshots that come every seventh day."""

INCREMENTS = ("tax_payment", "birth", "death", "veteran", "grid_feedback")
"""Sources of which every delivery counts."""

ODD_LIVES = (
    "aid_uncovered", "custody_but_insured", "dead_but_normal", "known_from_contract_only", "known_from_tax_only",
    "missing", "moved_out_but_insured", "newborn_two_guardians", "on_unemployment_benefit", "paid_after_death",
    "pupil_twice", "refunded", "resident_paid_twice", "resident_repaired", "resident_twice_unknown_home",
    "resident_with_job", "resident_without_record", "student_twice", "three_relations", "two_jobs_one_county",
)  # fmt: skip
"""Lives that somebody has to be called about."""

NUMBERS = ("certno", "old_certno", "mother_certno", "father_certno", "guardian_certno", "payer_certno", "birth_cert_no")

KEY = "key of the tests\n"


class Story:
    """A landing area and a home, and the day that the next night speaks of.

    Args:
        folder: Where `landing/` and `home/` are made; new or empty.
        persons: About how many people are registered.
        seed: Same seed, same city and same days.
        start: The first day.
        districts: Where they are registered; None for all of the city.

    Attributes:
        landing: The landing area.
        home: The installation.
        day: As-of date of the next `run`.
    """

    def __init__(
        self,
        folder: Path,
        persons: int = 1200,
        seed: int = 20260112,
        start: date = date(2026, 1, 12),
        districts: Sequence[str] | None = DISTRICTS,
    ) -> None:
        self.landing, self.home, self.day = folder / "landing", folder / "home", start
        self.start = start
        self._districts = districts
        self.home.mkdir(parents=True)
        (self.home / "key").write_text(KEY)
        generate(folder / "city", persons, seed, start, dirt=0.0, counties=districts and list(districts))
        people = pl.read_parquet(folder / "city" / "truth" / "person.parquet")
        self._odd = _numbers(people.filter(pl.col("life").is_in(ODD_LIVES)))
        self._without = people.filter(
            (pl.col("status") == "uninsured")
            & pl.col("life").is_in(("never", "lapsed"))
            & pl.col("certno").is_not_null()
        )["certno"].to_list()
        self._frames: dict[str, pl.DataFrame] = {}
        self._serial = 0
        for path in sorted((folder / "city" / "landing").glob("*/*")):
            source, day = path.parts[-2:]
            # a large city comes in parts
            frame = self._ordinary(source, pl.concat([_read(file) for file in sorted(path.iterdir())]))
            self.deliver(source, frame, start if source in (*DAILY, *WEEKLY) else date.fromisoformat(day))

    def frame(self, source: str) -> pl.DataFrame:
        """The rows that a source delivered last, all columns as text."""
        return self._frames[source]

    def delivered(self, source: str) -> pl.DataFrame:
        """The rows of all deliveries of a source, the oldest first."""
        files = sorted((self.landing / source).glob("*/*.csv"))
        return pl.concat([pl.read_csv(file, infer_schema=False) for file in files])

    def deliver(
        self,
        source: str,
        frame: pl.DataFrame,
        day: date | None = None,
        name: str = "part-1.csv",
        *,
        stands: bool = True,
    ) -> Path:
        """Write a file of a delivery, in the place of one of that name.

        Args:
            source: Whose delivery.
            frame: Its rows.
            day: The delivery's date, today where not given.
            name: The file's name.
            stands: Whether the days to come go on from these rows (a bad delivery that is made good does not).
        """
        folder = self.landing / source / (day or self.day).isoformat()
        folder.mkdir(parents=True, exist_ok=True)
        frame = frame.with_columns(pl.all().cast(pl.String))
        frame.write_csv(folder / name)
        settled(folder / name)
        if stands:
            self._frames[source] = frame
        return folder / name

    def next_day(self, **edits: pl.DataFrame) -> None:
        """Let a day go by: the daily files come again, with what happened since.

        Some people get another telephone number, staff are paid for month by month, and two uninsured people pay.

        Args:
            edits: Of a snapshot source its rows as they stand from today on; of an increment source further new rows.
        """
        self.day += timedelta(days=1)
        frames = {source: self._frames[source] for source in DAILY}
        if (self.day - self.start).days % 7 == 0:
            frames.update({source: self._frames[source] for source in WEEKLY})
        frames.update({source: frame for source, frame in edits.items() if source not in INCREMENTS})
        number = (self.day - self.start).days
        phones = pl.col("tel").shift(1)
        frames["population"] = frames["population"].with_columns(
            pl.when(pl.int_range(pl.len()) % 97 == number % 97).then(phones).otherwise(pl.col("tel")).alias("tel")
        )
        relations, payments = self.newly_insured(self._payers(2, edits))
        frames["enrollment"] = pl.concat([frames["enrollment"], relations])
        new = {"tax_payment": pl.concat([payments, self._staff_months()])}
        for source in INCREMENTS:
            if source in edits:
                new[source] = pl.concat([new[source], edits[source]]) if source in new else edits[source]
        for source, frame in {**frames, **new}.items():
            # Systems export in no fixed order: the same rows need not be the same bytes.
            turn = number % max(frame.height, 1) if source in frames else 0
            self.deliver(source, pl.concat([frame[turn:], frame[:turn]]))

    def run(self, *, great_expectations: bool = True, reports: bool = True, **options: Any) -> nightly.Night:
        """The night of today, in this process and without the flow engine.

        Args:
            great_expectations: False leaves its suites and pages out, which saves seconds.
            reports: False leaves workbooks and pages out, likewise.
            options: Further fields of `canbao.nightly.Options`.

        Raises:
            Blocked: A blocking check failed.
        """
        asked = nightly.Options(**{"landing": self.landing, "home": self.home, "as_of": self.day, **options})
        suite, pages, write_reports = audit.run_suite, audit.write_data_docs, nightly._reports
        if not great_expectations:
            audit.run_suite = lambda *_: []  # type: ignore[assignment]
            audit.write_data_docs = lambda *_: None  # type: ignore[assignment]
        if not reports:
            nightly._reports = lambda _: None  # type: ignore[assignment]
        try:
            with nightly.open_night(asked) as night:
                nightly.run(night)
        finally:
            audit.run_suite, audit.write_data_docs, nightly._reports = suite, pages, write_reports
        return night

    def uninsured(self) -> list[str]:
        """Numbers of people who have never paid for this year and have no relation, those who pay next first."""
        known = set(self._frames["enrollment"]["certno"]) | set(self._frames["enrollment_elsewhere"]["certno"])
        living = self._frames["population"].filter(pl.col("resd_status") == "1")["certno"].to_list()
        without = set(self._without) - known
        return [number for number in living if number in without]

    def newly_insured(self, numbers: Iterable[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Rows of `enrollment` and of `tax_payment` with which people become resident members today."""
        year = 2026 if self.day.month < 11 else self.day.year + 1
        people = self._frames["population"].filter(pl.col("certno").is_in(list(numbers)))
        relations, payments = [], []
        for person in people.iter_rows(named=True):
            self._serial += 1
            place = person["resd_code"][:6] if person["resd_code"].startswith("50") else person["live_code"][:6]
            shared = {"certno": person["certno"], "psn_name": person["psn_name"], "insutype": "390", "tier": "1"}
            shared["insu_admdvs"] = place
            relations.append({
                **shared, "psn_insu_rlts_id": f"59{self._serial:013}", "psn_no": f"59{self._serial:011}", "psn_cert_type": "01",
                "psn_insu_stas": "1", "psn_type": "1501", "begn_date": self.day.isoformat(),
            })  # fmt: skip
            payments.append({
                **shared, "pay_id": f"39{self._serial:013}", "accrym_begn": f"{year}01", "accrym_end": f"{year}12",
                "amount": "400.00", "paid_date": self.day.isoformat(), "pay_type": "10",
            })  # fmt: skip
        return self._rows("enrollment", relations), self._rows("tax_payment", payments)

    def _rows(self, source: str, rows: list[dict[str, str]]) -> pl.DataFrame:
        return pl.DataFrame(rows, schema=dict.fromkeys(self._frames[source].columns, pl.String))

    def _payers(self, count: int, edits: dict[str, pl.DataFrame]) -> list[str]:
        """Who pays today: nobody whom an edit speaks of."""
        spoken_of = {
            number
            for source in INCREMENTS
            if source in edits
            for number in edits[source].get_column("certno", default=[])
        }
        return [number for number in self.uninsured() if number not in spoken_of][:count]

    def _staff_months(self) -> pl.DataFrame:
        """Payments for the month that are due today, of all staff who are paid up to the month before."""
        month, before = f"{self.day:%Y%m}", f"{self.day.replace(day=1) - timedelta(days=1):%Y%m}"
        paid = self.delivered("tax_payment").filter((pl.col("insutype") == "310") & (pl.col("pay_type") != "40"))
        newest = paid.sort("accrym_end", "pay_id").unique(
            ["certno", "uscc", "insu_admdvs"], keep="last", maintain_order=True
        )
        first_month = (self.day.year, self.day.month) == (self.start.year, self.start.month)
        begin = self.start.day if first_month else 0
        rows = []
        for row in newest.filter(pl.col("accrym_end") == before).iter_rows(named=True):
            if self.day.day == begin + 1 + zlib.crc32(row["certno"].encode()) % max(28 - begin, 1):
                self._serial += 1
                changed = {
                    "accrym_begn": month,
                    "accrym_end": month,
                    "paid_date": self.day.isoformat(),
                    "pay_type": "10",
                }
                rows.append({**row, **changed, "pay_id": f"39{self._serial:013}"})
        return self._rows("tax_payment", rows)

    def _ordinary(self, source: str, frame: pl.DataFrame) -> pl.DataFrame:
        """Without the odd lives, and without the divisions in which nobody of this city lives."""
        if source == "division" and self._districts:
            here = pl.col("division_code").str.slice(0, 6).is_in(self._districts)
            return frame.filter((pl.col("level") == "1") | here)
        for column in set(NUMBERS) & set(frame.columns):
            frame = frame.filter(~pl.col(column).is_in(self._odd).fill_null(value=False))
        return frame


def _read(file: Path) -> pl.DataFrame:
    return pl.read_parquet(file) if file.suffix == ".parquet" else pl.read_csv(file, infer_schema=False)


def settled(path: Path) -> None:
    """Have a file changed a minute ago: a night waits half a second for files that it finds fresh."""
    changed = path.stat().st_mtime_ns - 60_000_000_000
    os.utime(path, ns=(changed, changed))


def _numbers(people: pl.DataFrame) -> list[str]:
    """All numbers under which people may be found, the form of 15 digits too."""
    found = {number for name in ("first_number", "certno") for number in people[name].drop_nulls()}
    return sorted(found | {number[:6] + number[8:17] for number in found if len(number) == 18})
