"""A season with the villages: three rounds of lists and answers over a made-up city, recounted row for row.

`python -m tests.loop.season` (`make season`) does it with all villages of the city and some 400,000 people and takes
twenty minutes; `test_season.py` with three districts. Lists go out, made-up staff (`staff.py`) fill them in, a tenth of
what comes back is broken in the ways of spreadsheets, nights go by in which people pay, are born, die and move.
`book.py` says before each step what must come of every row; whatever differs is a fault of one of the two.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

from canbao.errors import UserError
from canbao.home import Home
from canbao.loop import read, receive
from canbao.loop.codes import batch_id
from canbao.loop.dispatch import plan_dispatch, send
from canbao.loop.files import write_files
from canbao.loop.outcome import outcomes
from canbao.loop.read.__main__ import main as read_file
from canbao.loop.receive import Who
from canbao.loop.state import Loop
from tests.loop.book import INSURED, OUTCOME, Book, Cells, Facts, Land, MismatchError, Row, Sent, difference
from tests.loop.staff import HEADS, WAYS, Part, Staff, fill_in, spelled, write_csv, write_xlsx
from tests.story import DISTRICTS, Story

CITY = "500000000000"
START = date(2026, 1, 12)
ROUNDS = (START, date(2026, 2, 24), date(2026, 3, 25))
"""Days on which lists go out."""

BACK, AGAIN, NIGHT, DUE, LATE = 8, 9, 10, 11, 20
"""Days after that: most returns, second ones, the night, when answers are due, what is late."""


class City(Story):
    """The city of a story without answers of earlier years, whose days may be far apart."""

    def _ordinary(self, source: str, frame: pl.DataFrame) -> pl.DataFrame:
        frame = super()._ordinary(source, frame)
        return frame.clear() if source == "grid_feedback" else frame

    def _payers(self, count: int, edits: dict[str, pl.DataFrame]) -> list[str]:
        return []

    def go_to(self, day: date, **edits: pl.DataFrame) -> None:
        """Let days go by until one that is no delivery day of the weekly rosters."""
        assert (day - self.start).days % 7
        self.day = day - timedelta(days=1)
        self.next_day(**edits)

    def _staff_months(self) -> pl.DataFrame:
        """All months up to this one, of all staff who were paid up to the month before the first."""
        month = f"{self.day:%Y%m}"
        before = f"{self.start.replace(day=1) - timedelta(days=1):%Y%m}"
        if not hasattr(self, "_staff"):
            paid = self.delivered("tax_payment").filter((pl.col("insutype") == "310") & (pl.col("pay_type") != "40"))
            newest = paid.sort("accrym_end", "pay_id").unique(
                ["certno", "uscc", "insu_admdvs"], keep="last", maintain_order=True
            )
            self._staff = newest.filter(pl.col("accrym_end") >= before)
            self._paid_to = before
        made = []
        for one in (f"{self.day.year}{number:02}" for number in range(1, self.day.month + 1)):
            if self._paid_to < one <= month:
                serial = pl.int_range(pl.len()).cast(pl.String).str.zfill(9)
                made.append(
                    self._staff.filter(pl.col("accrym_end") < one).with_columns(
                        accrym_begn=pl.lit(one), accrym_end=pl.lit(one), paid_date=pl.lit(self.day.isoformat()),
                        pay_type=pl.lit("10"), pay_id=pl.format("38{}{}", pl.lit(one), serial),
                    )
                )  # fmt: skip
                self._paid_to = one
        return pl.concat(made) if made else self._staff.clear()


# ---------------------------------------------------------------------------------------------- the season


@dataclass
class Size:
    """How large a season is.

    Attributes:
        persons: Registered people, about.
        districts: Where; None for the whole city.
        singles: Villages a round that return a file of their own.
        townships: Townships a round that put their villages into one sheet.
        apart: Files a round that are read in the reader's own process.
        sheets: Of how many batches a round the workbooks are written.
        last_night_whole: The last night has everything, expectations and reports too.
        between: A night before each further round.
        settled: Disputes that are decided before each further round.
        spoilt: Share of the lists that come back broken.
        paying, dying, moving: Shares of the people asked to whom that happens before each night.
    """

    persons: int = 400_000
    districts: tuple[str, ...] | None = None
    singles: int = 80
    townships: int = 20
    apart: int = 25
    sheets: int = 400
    last_night_whole: bool = True
    between: bool = True
    settled: int = 60
    spoilt: float = 0.1
    paying: float = 0.06
    dying: float = 0.01
    moving: float = 0.01


SMALL = Size(
    900, DISTRICTS, singles=4, townships=1, apart=1, sheets=4, last_night_whole=False, between=False, spoilt=0.5,
    paying=0.1, dying=0.04, moving=0.04,
)  # fmt: skip


class Season:
    """The rounds.

    Args:
        folder: Where everything is made; empty.
        size: How large.
        seed: Same seed, same season.
        say: Told what was done, and what it took.
    """

    def __init__(self, folder: Path, size: Size, seed: int = 20260112, say: Callable[[str], None] = print) -> None:
        self.folder, self.size, self.say = folder, size, say
        self.luck = random.Random(seed)  # noqa: S311
        self.staff, self.book = Staff(seed), Book()
        self.files = folder / "files"
        self.files.mkdir(parents=True)
        self.tally: Counter[str] = Counter()
        self.singles: list[tuple[Path, Who, list[Cells]]] = []
        self.faults: list[str] = []
        self.sheeted: set[int] = set()
        self.meant: dict[str, str] = {}
        self.mothers: list[str] = []
        self._moment = self._told = 0
        with self.part("the city"):
            self.story = City(folder, size.persons, seed, START, size.districts)
        self.home = Home(self.story.home)

    def same(self, what: str, product: Any, book: Any) -> None:
        """See that product and book say the same; the season goes on where not, and fails in the end."""
        if told := difference(what, product, book):
            self.fault(told)

    def fault(self, told: str) -> None:
        self.faults.append(told)
        self.say(f"DIFFERENT: {told}")

    # Time

    def now(self) -> datetime:
        """Grows with each question."""
        self._moment += 1
        day = self.story.day
        return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=self._moment % 50_000)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Tell what a part took."""
        begun, before = time.time(), sum(os.times()[:4])
        yield
        peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        self.say(
            f"{name}: {time.time() - begun:.0f} s, {sum(os.times()[:4]) - before:.0f} s of processor, peak {peak >> 10} MB"
        )

    # Publications

    def published(self, name: str, columns: list[str] | None = None) -> pl.DataFrame:
        folder = self.home.current_publication()
        assert folder is not None
        return pl.read_parquet(folder / f"{name}.parquet", columns=columns)

    def above(self, code: str) -> tuple[str, ...]:
        """A division and those that it lies in."""
        made = [CITY]
        for length in (6, 9, 12):
            stem = code[:length].ljust(12, "0")
            if stem not in made:
                made.append(stem)
        return tuple(made)

    def night(self, *, whole: bool = False) -> None:
        """A night, then all that it says against the book."""
        as_of = self.story.day
        before = dict(self.book.status)
        with self.part(f"night of {as_of}{', with expectations and reports' if whole else ''}"):
            made = self.story.run(great_expectations=whole, reports=whole)
            assert made.became_current
            assert not [one.check_id for one in made.checks if one.blocks]
            if whole:
                wrong = [one for one in made.checks if one.check_id.startswith("identity") and one.passed is not True]
                self.same("identities that do not hold", [one.check_id for one in wrong], [])
        with self.part(f"the book's night of {as_of}"):
            self._statuses(before)
            lands = self.book.night(as_of, self.above)
            self._check_feedback(lands)
            self._check_outcomes(last=whole or as_of > ROUNDS[-1])
            batches = self._check_batches(lands, as_of)
            self._check_ledger(lands, batches)

    def _statuses(self, before: dict[str, str]) -> None:
        """What became of everybody who was asked, of which all but the passing of time is what the season did."""
        columns = [
            "person_id",
            "insured_status",
            "in_population",
            "resd_status",
            "sources",
            "uninsured_reason",
            "certno",
        ]
        people = self.published("person", columns)
        asked = {row.person for row in self.book.by_code.values()}
        paid = self.published("coverage", ["person_id", "end_month", "paid"]).filter("paid")
        paid_to = dict(paid.group_by("person_id").agg(pl.col("end_month").cast(pl.String).max()).iter_rows())
        drift: Counter[str] = Counter()
        status: dict[str, str] = {}
        for person, now, known, registered, sources, reason, certno in people.select(columns).iter_rows():
            if now != "uninsured" and person not in asked:
                continue
            status[person] = now
            self.book.facts[person] = Facts(
                known and (registered or "1") == "1", "enrollment_elsewhere" in sources, reason == "unpaid",
                paid_to.get(person, ""),
            )  # fmt: skip
            if person in asked:
                meant = self.meant.get(certno or person, before[person])
                if now != meant:
                    drift[f"{meant} -> {now}"] += 1
        self.same("people who were asked and are nobody any more", asked - set(status), set())
        self.say(f"  statuses that the season did not decide: {dict(drift)}")
        # a child of somebody who has paid by now is covered with the mother
        drift["uninsured -> attached_newborn"] -= sum(self.meant.get(one) == "resident" for one in self.mothers)
        if sum((+drift).values()) > len(asked) // 200:
            self.fault(f"statuses changed by themselves: {drift}")
        self.book.status = status

    def _check_feedback(self, lands: list[Land]) -> None:
        """Every answer stands in the publication once, as the book has it."""
        columns = [
            "batch_id",
            "row_code",
            "person_id",
            "division_code",
            "reason_code",
            "found_date",
            "end_date",
            "effect",
            "why",
        ]
        product = Counter(self.published("feedback").select(columns).iter_rows())
        book = Counter(
            (
                batch_id(one.row.batch_no), one.row.code, one.row.person, one.place, one.reason, one.found, one.end,
                one.effect, one.why,
            )
            for one in lands
        )  # fmt: skip
        self.same("published feedback", product, book)
        disputed = {one.row.person for one in lands if one.why == "disputed"}
        shown = self.published("uninsured").filter("feedback_disputed")["person_id"]
        self.same("people shown as disputed", set(shown), disputed)
        self.say(f"  answers: {len(lands)}, {dict(Counter(one.why for one in lands).most_common())}")

    def _check_outcomes(self, *, last: bool) -> None:
        """Every row of every new receipt says next morning what the book says; in the end those of all receipts."""
        rows, kept_lands = 0, self._kept
        again = {(one.key, one.reason, one.found): one for one in kept_lands}
        begun = 0 if last else self._told
        self._told = len(self.book.receipts)
        for kept in self.book.receipts[begun:]:
            told = dict(outcomes(self.home, kept.number).select("n", "why").iter_rows())
            if kept.withdrawn:
                self.same(f"{kept.number} withdrawn", set(told.values()) - {"withdrawn", "refused"}, set())
                continue
            meant = {}
            for n, ((_, state), land) in enumerate(zip(kept.states, kept.lands, strict=True), 1):
                if state == "refused":
                    meant[n] = "refused"
                elif land is not None and land in kept_lands:
                    meant[n] = land.why
                elif land is not None and (land.key, land.reason, land.found) in again:
                    # said once more with another explanation or end: it is that answer
                    meant[n] = again[land.key, land.reason, land.found].why
                else:
                    meant[n] = "insured_apart" if land is None else "insured" if state == "settled" else "superseded"
                if last:
                    self.tally[f"outcome {meant[n]}"] += 1
            rows += len(meant)
            self.same(f"outcomes of {kept.number}", told, meant)
        self.say(f"  outcomes of {self._told - begun} receipts compared: {rows} rows")

    def _check_batches(self, lands: list[Land], as_of: date) -> dict[tuple[int, int], tuple[str, str]]:
        """The batch table, figure for figure."""
        best: dict[tuple[int, int], Land] = {}
        for one in lands:
            key = (one.row.batch_no, one.row.serial)
            rank = (one.why != "superseded", one.found, one.day, one.order)
            if key not in best or rank > (
                best[key].why != "superseded",
                best[key].found,
                best[key].day,
                best[key].order,
            ):
                best[key] = one
        figures = (
            "dispatched", "returned", "adopted", "contradicted", "not_adopted", "disputed", "closed", "outstanding",
            "overdue", "enrolled_since",
        )  # fmt: skip
        meant: dict[str, tuple[Any, ...]] = {}
        for batch in self.book.batches.values():
            if batch.sent > as_of:
                continue
            own = [(row, best.get((row.batch_no, row.serial))) for row in batch.rows]
            outcome = Counter(OUTCOME[land.why] for _, land in own if land)
            why = Counter(land.why for _, land in own if land)
            silent = [row for row, land in own if land is None]
            late = sum(
                not batch.is_recalled and batch.due < as_of and self.book.status[row.person] == "uninsured"
                for row in silent
            )
            state = "recalled" if batch.is_recalled else "complete" if not silent else "open"
            if batch.kind == "zero" and not batch.is_recalled:
                state = "complete" if batch.is_confirmed else "open"
            meant[batch_id(batch.number)] = (
                len(own), len(own) - len(silent), outcome["adopted"], outcome["contradicted"], outcome["not_adopted"],
                why["disputed"], why["insured"], len(silent), late,
                sum(self.book.status[row.person] in INSURED for row in batch.rows), state,
            )  # fmt: skip
        product = {row[0]: row[1:] for row in self.published("batch").select("batch_id", *figures, "state").iter_rows()}
        self.same("batches", product, meant)
        total = Counter({name: sum(one[place] for one in meant.values()) for place, name in enumerate(figures)})
        self.say(f"  batches: {len(meant)}, {dict(total)}")
        return {key: (OUTCOME[one.why] or "", one.why) for key, one in best.items()}

    def _check_ledger(self, lands: list[Land], best: dict[tuple[int, int], tuple[str, str]]) -> None:
        """The six measures of the ledger per district and for the city, counted from rows."""
        asked: dict[str, list[Row]] = defaultdict(list)
        for batch in self.book.batches.values():
            if not batch.is_recalled:
                for row in batch.rows:
                    asked[row.person].append(row)
        as_of = self.story.day
        status = self.book.status
        persons: dict[str, set[str]] = {
            "dispatched": set(asked),
            "dispatched_answered": {
                person for person, rows in asked.items() if any((row.batch_no, row.serial) in best for row in rows)
            },
            "feedback_received": {one.row.person for one in lands},
            "feedback_verified": {one.row.person for one in lands if OUTCOME[one.why] == "adopted"},
            "enrolled_since": {one for one in asked if status[one] in INSURED},
            "feedback_overdue": {
                person
                for person, rows in asked.items()
                if status[person] == "uninsured"
                and any(row.due < as_of for row in rows)
                and not any((row.batch_no, row.serial) in best for row in rows)
            },
        }
        homes = {
            row[0]: row[1:]
            for row in self.published("person", ["person_id", "resd_code", "live_code"]).iter_rows()
            if row[0] in status
        }
        wanted: dict[tuple[str, str, str], int] = {}
        for measure, those in persons.items():
            for side, basis in enumerate(("household", "residence")):
                counted: Counter[str] = Counter()
                for person in those:
                    code = homes[person][side]
                    if side == 1 and code is None and (homes[person][0] or "").startswith("50"):
                        counted[CITY] += 1
                    elif code is not None and code.startswith("50"):
                        counted[CITY] += 1
                        counted[code[:6] + "000000"] += 1
                wanted |= {(basis, measure, code): count for code, count in counted.items()}
        ledger = self.published("ledger").filter(
            pl.col("measure").is_in(list(persons)), pl.col("level") <= 2, ~pl.col("division_code").str.contains("-")
        )
        product = {
            (basis, measure, code): value
            for basis, measure, code, value in ledger.select("basis", "measure", "division_code", "value").iter_rows()
            if value
        }
        city = {key: value for key, value in wanted.items() if key[2].endswith("000000") and key[2] != "500000000000-"}
        self.same("ledger", product, {key: value for key, value in city.items() if value})
        totals = {measure: wanted.get(("household", measure, CITY), 0) for measure in persons}
        self.say(f"  ledger, household, city: {totals}; {len(product)} cells of districts and the city")

    # Dispatch

    def dispatch(self, number: int) -> None:
        """Send lists to every village, and see that nobody is asked who should not be, and everybody else."""
        day = self.story.day
        with self.part(f"dispatch of round {number}"):
            plan = plan_dispatch(self.home, CITY, 4, day=day)
            made = send(plan, "chen", due=day + timedelta(days=DUE))
        loop = self.loop()
        batches = loop.batches(round_no=made.round_no)
        sent = loop.sent_rows([one.batch_no for one in batches])
        with self.part(f"the book's dispatch of round {number}"):
            meant, why = self._should_be_asked(day)
            asked = Counter(sent.select("person_id", "division_code").iter_rows())
            self.same(f"round {number}: who is asked where", asked, Counter(meant))
            self.same(f"round {number}: rows left out", {one.why: one.rows for one in plan.left_out}, dict(+why))
            zeros = self._zeros({place for _, place in meant})
            self.same("zero reports", {one.division_code for one in batches if one.kind == "zero"}, zeros)
            for one in batches:
                self.book.batches[one.batch_no] = Sent(
                    one.batch_no, one.division_code, one.level, one.kind, one.sent, one.due
                )
            columns = [
                "batch_no", "serial", "row_code", "person_id", "division_code", "sent", "due", "psn_name", "certno", "brdy",
            ]  # fmt: skip
            for values in sent.select(columns).iter_rows():
                row = Row(*values)
                if row.code in self.book.by_code:
                    raise MismatchError(f"row code {row.code} was given out twice")
                self.book.by_code[row.code] = row
                self.book.batches[row.batch_no].rows.append(row)
            listed = {one.division_code for one in batches if one.kind == "list"}
            for zero in self.book.batches.values():
                if zero.kind == "zero" and not zero.is_confirmed and zero.division in listed:
                    zero.is_recalled = True
        self.say(
            f"  round {number}: {plan.lists} lists and {plan.zeros} zero reports, {plan.rows} rows, {plan.persons} persons; "
            f"left out: { {one.why: one.rows for one in plan.left_out} }"
        )
        if number > 1:
            assert any(one.why == "open" for one in plan.left_out)
            assert any(one.why == "answered" for one in plan.left_out)

    def _should_be_asked(self, day: date) -> tuple[list[tuple[str, str]], Counter[str]]:
        """Person and division of everybody who has to be asked; and why others are not."""
        level = dict(self.published("division").select("division_code", "level").iter_rows())
        uninsured = set(self.published("uninsured", ["person_id"])["person_id"])
        self.same(
            "uninsured people", uninsured, {one for one, status in self.book.status.items() if status == "uninsured"}
        )
        open_in: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for row in self.book.by_code.values():
            if self.book.is_open(row):
                open_in[row.person].append((row.division, self.book.batches[row.batch_no].level))
        lands = self.book.holding()
        meant, why = [], Counter[str]()
        seen: set[tuple[str, str]] = set()
        places = self.published("responsibility").sort("person_id", "role", "division_code")
        why["no_township"] += len(uninsured - set(places["person_id"]))
        for person, place in places.select("person_id", "division_code").iter_rows():
            depth = level[place]
            township = place[:9] + "000" if depth >= 3 else None
            batch_place = place if depth == 4 else township
            if (person, batch_place) in seen:
                continue
            seen.add((person, batch_place or place))
            if batch_place is None:
                why["no_township"] += 1
            elif any(where == place or (of == 3 and where[:9] == place[:9]) for where, of in open_in.get(person, ())):
                why["open"] += 1
            elif person in self.book.disputed:
                why["disputed"] += 1
            elif self.book.is_held(person, day, lands):
                why["answered"] += 1
            else:
                meant.append((person, place))
        return meant, why

    def _zeros(self, asked: set[str]) -> set[str]:
        """Villages in which nobody is uninsured and nothing is open."""
        level = dict(self.published("division").select("division_code", "level").iter_rows())
        peopled = set(self.published("responsibility")["division_code"])
        busy = {
            one.division
            for one in self.book.batches.values()
            if one.kind == "zero" and not one.is_recalled and not one.is_confirmed
        }
        for row in self.book.by_code.values():
            if self.book.is_open(row):
                busy.add(self.book.batches[row.batch_no].division)
        return {code for code, depth in level.items() if depth == 4} - peopled - busy

    def loop(self) -> Loop:
        return Loop(self.home)

    # Returns

    def give_back(self, path: Path, rows: Sequence[Cells], who: Who, *, apart: bool = False) -> str:
        """Return a file: preview, compare, confirm; its receipt, '' where no row could be taken in."""
        day = self.story.day
        meant = self.book.judge(rows, who, day)
        with _reading(apart):
            found = receive.preview(self.home, path, who, day=day)
        told = [
            (code, reason if reason else None, found_on, end, state)
            for code, reason, found_on, end, state in found.rows.select(
                "row_code", "reason_code", "found_date", "end_date", "state"
            ).iter_rows()
        ]
        known = [
            (
                one.row.code if one.row and who.may(one.row.division) else None,
                one.reason, one.found, one.end, state,
            )
            for one, state in meant
        ]  # fmt: skip
        if len(told) != len(known):
            raise MismatchError(f"{path}: {len(told)} rows were read, {len(known)} stand there")
        for n, (product, book) in enumerate(zip(told, known, strict=True)):
            if product != book:
                checks = found.rows["checks"].to_list()[n]
                self.fault(f"{path.name} row {n + 1}: product {product} {checks}, book {book} {meant[n]}")
                meant[n] = (meant[n][0], product[4])  # the book goes on from there
        self.same(
            f"{path.name}: blank rows", found.counts["blank"], sum(not one.says and bool(one.code_text) for one in rows)
        )
        states = Counter(state for _, state in meant)
        if states.total() == states["refused"]:
            try:
                self.fault(f"{path.name}: {receive.confirm(self.home, found.token, who).receipt_no} of nothing")
            except UserError:
                self.tally["files of refused rows alone"] += 1
            return ""
        receipt = receive.confirm(self.home, found.token, who)
        told_of = (receipt.accepted, receipt.refused, receipt.settled, receipt.same)
        accepted = states["new"] + states["changed"] + states["same"]
        self.same(f"{receipt.receipt_no}", told_of, (accepted, states["refused"], states["settled"], states["same"]))
        self.book.take(receipt.receipt_no, meant, day)
        self.tally["files"] += 1
        self.tally.update({f"row {state}": count for state, count in states.items()})
        return receipt.receipt_no

    def twice(self, path: Path, who: Who, number: str) -> None:
        """The same file again changes nothing."""
        with _reading(False):
            found = receive.preview(self.home, path, who, day=self.story.day)
        self.same("known file", found.again, number)
        self.same("the same receipt", receive.confirm(self.home, found.token, who).receipt_no, number)
        self.tally["files twice"] += 1

    def fill(self, rows: Iterable[Row], attempt: int = 0) -> dict[str, Cells]:
        """What the staff know of rows by today."""
        made = {row.code: self.staff.visit(row, self.story.day, attempt) for row in rows}
        both: dict[str, list[Row]] = defaultdict(list)
        for code in made:
            row = self.book.by_code[code]
            both[row.person].append(row)
        for sides in both.values():
            if len(sides) == 2:
                self.staff.pair(sides, made)
        return made

    def returns(self, number: int, batches: Sequence[Sent]) -> None:
        """The villages' lists come back: most through their districts, some by township, some alone."""
        luck = self.luck
        coming = [one for one in batches if one.rows and luck.random() < 0.9]
        cells = self.fill(row for one in coming for row in one.rows)
        parts = {
            one.number: Part(
                list(HEADS), [cells[row.code] for row in one.rows], f"填报单位 批次：{batch_id(one.number)}"
            )
            for one in coming
        }
        broken = [one for one in coming if luck.random() < self.size.spoilt]
        ways = {one.number: luck.sample(WAYS, luck.choice([1, 1, 2, 3])) for one in broken}
        # villages alone: spoilt lists and good ones
        alone = luck.sample(broken, min(len(broken), self.size.singles * 2 // 3))
        good = [one for one in coming if one.number not in ways]
        with_sheet = [one for one in good if one.number in self.sheeted]
        for those in (with_sheet, good):
            alone += luck.sample(those, min(len(those), max(0, self.size.singles - len(alone)) * 2 // 3))
        alone_numbers = {one.number for one in alone}
        of_township: dict[str, list[Sent]] = defaultdict(list)
        for one in coming:
            if one.number not in alone_numbers:
                of_township[one.division[:9]].append(one)
        several = sorted(one for one, own in of_township.items() if len(own) > 1)
        together = set(luck.sample(several, min(len(several), self.size.townships)))
        others = {one.number: parts[luck.choice(coming).number] for one in coming}

        def spoilt(one: Sent) -> Part:
            part = parts[one.number]
            return self.staff.break_up(luck, ways.get(one.number, ()), part, others[one.number])

        self.tally["lists returned"] += len(coming)
        self.tally["lists spoilt"] += len(broken) + sum(len(of_township[one]) for one in together)
        self.tally.update(f"way {way}" for used in ways.values() for way in used)
        for nth, one in enumerate({batch.number: batch for batch in alone}.values(), 1):
            self._single(number, one, spoilt(one), ways.get(one.number, []), apart=nth <= self.size.apart)
        for township in sorted(together):
            own = [replace(spoilt(one), total=True) for one in of_township.pop(township)]
            path = write_xlsx(self.files / f"{number}-t{township}.xlsx", [("汇总", own)])
            who = self._who("township", township)
            receipt = self.give_back(path, [cells for part in own for cells in part.rows], who)
            if receipt and luck.random() < 0.2:
                self.twice(path, who, receipt)
        of_district: dict[str, list[Part]] = defaultdict(list)
        for township in sorted(of_township):
            of_district[township[:6]] += [spoilt(one) for one in of_township[township]]
        for district, own in sorted(of_district.items()):
            for n, piece in enumerate(own[start : start + 200] for start in range(0, len(own), 200)):
                rows = [cells for part in piece for cells in part.rows]
                path = self.files / f"{number}-d{district}-{n}"
                if luck.random() < 0.3:
                    path = write_csv(path.with_suffix(".csv"), piece)
                else:
                    path = write_xlsx(
                        path.with_suffix(".xlsx"), [(f"表{at}", [one]) for at, one in enumerate(piece, 1)]
                    )
                self.give_back(path, rows, self._who("district", district))

    def _who(self, role: str, stem: str) -> Who:
        code = stem.ljust(12, "0")
        return Who(f"{role} {stem}", "某某", role, code, lambda asked: asked.startswith(stem))

    def _single(self, number: int, batch: Sent, part: Part, ways: Sequence[str], *, apart: bool) -> None:
        """One village's own file; some are taken back, some come twice, some are corrected the next day."""
        luck = self.luck
        village = batch.division if batch.level == 4 else batch.division[:9]
        who = self._who("village" if batch.level == 4 else "township", village)
        stem = self.files / f"{number}-v{batch.number}"
        own = next(iter((self.folder / "sheets").rglob(f"{batch_id(batch.number)}_*.xlsx")), None)
        if not ways and own is not None:
            own = next(one for one in own.parent.glob(f"{batch_id(batch.number)}_*.xlsx") if "核实表" not in one.name)
            path = fill_in(own, stem.with_suffix(".xlsx"), part.rows)
            self.tally["own sheets filled in"] += 1
        elif "csv" in ways or not ways:
            path = write_csv(stem.with_suffix(".csv"), [part], luck.choice(["gb18030", "gb18030", "utf-8-sig"]))
        else:
            path = write_xlsx(stem.with_suffix(".xlsx"), [("核实名单", [part])])
        receipt = self.give_back(path, part.rows, who, apart=apart)
        if receipt and luck.random() < 0.15:
            self.twice(path, who, receipt)
        landed = any(state in ("new", "changed", "settled") for _, state in self.book.receipts[-1].states)
        if receipt and landed and luck.random() < 0.15 and self._can_withdraw(receipt, who):
            self.book.withdraw(receipt)
            self.tally["receipts withdrawn"] += 1
            if luck.random() < 0.5:  # as it was, after all
                self.give_back(path, part.rows, who)
        self.singles.append((path, who, part.rows))

    def _can_withdraw(self, receipt: str, who: Who) -> bool:
        kept = self.book.receipts[-1]
        if all(land is None for land in kept.lands):
            return False
        receive.withdraw(self.home, receipt, who)
        return True

    def second(self, number: int) -> None:
        """Villages fill in what was blank, correct what was wrong, and send the whole list again."""
        luck = self.luck
        for nth, (_, who, rows) in enumerate(self.singles):
            if luck.random() < 0.5:
                continue
            known = {one.row.code: one for one in rows if one.row is not None and who.may(one.row.division)}
            if not known:
                continue
            again = self.fill([one.row for one in known.values() if one.row is not None], attempt=1)
            made = []
            for code, before in known.items():
                one = (
                    again[code]
                    if not before.says or luck.random() < 0.3
                    else spelled(replace(before))
                    if before.reason
                    else replace(before)
                )
                if one.found is not None and luck.random() < 0.1:
                    one = spelled(replace(one, found=one.found - timedelta(days=1)))  # it was the day before
                if one.row is not None:
                    one.name = one.row.name
                made.append(one)
            path = write_xlsx(self.files / f"{number}-again-{nth}.xlsx", [("核实名单", [Part(list(HEADS), made)])])
            self.give_back(path, made, who)
        self.singles.clear()

    def late(self, number: int) -> None:
        """What comes after the day it was due, of any round, and what comes of recalled batches."""
        luck = self.luck
        silent: dict[str, list[Row]] = defaultdict(list)
        for batch in self.book.batches.values():
            if batch.due < self.story.day:
                for row in batch.rows:
                    if (row.batch_no, row.serial) not in self.book.answered and luck.random() < 0.4:
                        silent[row.division[:6]].append(row)
        for district, rows in sorted(silent.items()):
            cells = list(self.fill(rows, attempt=2).values())
            path = write_csv(self.files / f"{number}-late-{district}.csv", [Part(list(HEADS), cells)])
            if any(one.says for one in cells):
                self.give_back(path, cells, self._who("district", district))
                self.tally["late files"] += 1

    def recall(self) -> None:
        """Some batches that are due are recalled; their people may be asked again."""
        loop, luck = self.loop(), self.luck
        for batch in self.book.batches.values():
            if batch.is_recalled:
                continue
            waiting = any(self.book.is_open(row) for row in batch.rows)
            if batch.kind == "list" and batch.due < self.story.day and waiting and luck.random() < 0.25:
                loop.recall(batch.number, "chen")
                batch.is_recalled = True
                self.tally["batches recalled"] += 1
            elif batch.kind == "zero" and not batch.is_confirmed and luck.random() < 0.3:
                loop.confirm_zero(batch.number, "village")
                batch.is_confirmed = True
                self.tally["zero reports confirmed"] += 1

    def settle(self) -> None:
        """A superior of both sides decides some disputes."""
        disputed: dict[str, list[Land]] = defaultdict(list)
        for one in sorted(self._kept, key=lambda one: one.order):
            if one.why == "disputed":
                disputed[one.row.person].append(one)
        left = self.size.settled
        for person, sides in sorted(disputed.items()):
            recalled = self.book.batches[sides[0].row.batch_no].is_recalled
            if not left or recalled or self.book.status[person] != "uninsured" or self.luck.random() < 0.5:
                continue
            left -= 1
            shared = [one for one in self.above(sides[0].place) if all(one in self.above(side.place) for side in sides)]
            place = shared[-1]
            role = {1: "city", 2: "district", 3: "township"}[len(self.above(place))]
            stem = place.rstrip("0") if role == "city" else place[: {"district": 6, "township": 9}[role]]
            who = Who(f"{role} {stem}", "某某", role, place, lambda asked, stem=stem: asked.startswith(stem))
            row, day = sides[0].row, self.story.day
            made = receive.settle(
                self.home, who, row_code=row.code, reason_code="W1", found_on=day, note="上级核定，本人在家", day=day
            )
            self.book.settle(made.receipt_no, row, place, "W1", day)
            self.tally["disputes settled"] += 1

    @property
    def _kept(self) -> set[Land]:
        """Answers that no later one of the same row and place replaced, of receipts that count."""
        kept: dict[tuple[str, str], Land] = {}
        for one in self.book.receipts:
            if not one.withdrawn and one.day <= self.book.night_of:
                for land in one.lands:
                    if land is not None and (land.key not in kept or kept[land.key].order < land.order):
                        kept[land.key] = land
        return set(kept.values())

    # Life

    def life(self, day: date) -> None:
        """Days go by: some pay, die, move and are born."""
        luck, story = self.luck, self.story
        asked = sorted({row.certno for row in self.book.by_code.values() if row.certno})
        population = story.frame("population")
        here = set(population.filter(pl.col("resd_status") == "1")["certno"])
        alive = [one for one in asked if one in here and self.meant.get(one, "uninsured") == "uninsured"]
        uninsured = {
            row.certno for row in self.book.by_code.values() if self.book.status.get(row.person) == "uninsured"
        }
        alive = [one for one in alive if one in uninsured]
        luck.shuffle(alive)
        sizes = [
            int(len(alive) * share) + 1
            for share in (self.size.paying, self.size.dying, self.size.moving, self.size.moving / 2, self.size.moving)
        ]
        places = [sum(sizes[:n]) for n in range(len(sizes) + 1)]
        pay, die, move, leave, mothers = (alive[start:end] for start, end in pairwise(places))
        self.mothers += mothers
        story.day = day - timedelta(days=1)
        relations, payments = story.newly_insured(pay)
        paid = set(payments["certno"])
        self.meant |= (
            dict.fromkeys(paid, "resident")
            | dict.fromkeys(die, "excluded_death")
            | dict.fromkeys(leave, "excluded_moved")
        )
        villages = [one.division for one in self.book.batches.values() if one.level == 4]
        to = {one: luck.choice(villages) for one in move}
        moved = population.with_columns(
            pl.col("certno").replace_strict(to, default=None).fill_null(pl.col("live_code")).alias("live_code"),
            pl.when(pl.col("certno").is_in(leave)).then(pl.lit("2")).otherwise("resd_status").alias("resd_status"),
        )
        names = dict(population.select("certno", "psn_name").iter_rows())
        deaths = pl.DataFrame(
            [
                {"certno": one, "psn_name": names[one], "death_date": (day - timedelta(days=2)).isoformat()}
                for one in die
            ],
            schema=dict.fromkeys(story.frame("death").columns, pl.String),
        )
        births = pl.DataFrame(
            [
                {
                    "birth_cert_no": f"Z{day:%m%d}{n:05d}", "psn_name": f"{names[one][0]}新生", "gend": "1",
                    "brdy": (day - timedelta(days=3)).isoformat(), "mother_name": names[one], "mother_certno": one,
                    "live_code": None,
                }
                for n, one in enumerate(mothers)
            ],
            schema=dict.fromkeys(story.frame("birth").columns, pl.String),
        )  # fmt: skip
        story.go_to(
            day, enrollment=pl.concat([story.frame("enrollment"), relations]), tax_payment=payments, population=moved,
            death=deaths, birth=births,
        )  # fmt: skip
        self.say(
            f"until {day}: {len(pay)} pay, {len(die)} die, {len(move)} move, {len(leave)} leave, {len(mothers)} are born"
        )

    # All of it

    def run(self) -> None:
        """Three rounds."""
        with _clock(self.now):
            self.night()
            for number, day in enumerate(ROUNDS, 1):
                if number > 1:
                    self.story.day = ROUNDS[number - 2] + timedelta(days=LATE)
                    with self.part(f"late returns before round {number}"):
                        self.late(number)
                        self.recall()
                        self.late_recalled(number)
                        self.settle()
                    if self.size.between:
                        self.life(day)
                        self.night()
                    else:
                        self.story.day = day
                self.dispatch(number)
                new = [one for one in self.book.batches.values() if one.sent == self.story.day and one.kind == "list"]
                with self.part(f"sheets of round {number}"):
                    some = self.luck.sample(new, min(len(new), self.size.sheets))
                    self.sheeted = {one.number for one in some}
                    wanted = self.loop().batches(numbers=[one.number for one in some])
                    count = write_files(self.home, wanted, self.folder / "sheets", processes=1)
                    self.say(f"  {count} files for {len(wanted)} batches")
                self.story.day = day + timedelta(days=BACK)
                with self.part(f"returns of round {number}"):
                    self.returns(number, new)
                self.story.day = day + timedelta(days=AGAIN)
                with self.part(f"second returns of round {number}"):
                    self.second(number)
                self.life(day + timedelta(days=NIGHT))
                self.night(whole=number == len(ROUNDS) and self.size.last_night_whole)
            self.explain()
        if self.faults:
            raise MismatchError(f"{len(self.faults)} differences, the first: {self.faults[0]}")

    def late_recalled(self, number: int) -> None:
        """Answers to batches that were just recalled are refused."""
        rows = [
            row
            for batch in self.book.batches.values()
            if batch.is_recalled
            for row in batch.rows
            if (row.batch_no, row.serial) not in self.book.answered
        ][:50]
        if rows:
            cells = list(self.fill(rows).values())
            path = write_csv(self.files / f"{number}-recalled.csv", [Part(list(HEADS), cells)])
            if any(one.says for one in cells):
                who = Who("city", "某某", "city", CITY, lambda _: True)
                assert not self.give_back(path, cells, who)

    def explain(self) -> None:
        """Tell where the rows of each round are, as the last night has them; `_check_batches` has compared them."""
        best: dict[tuple[int, int], Land] = {}
        for one in sorted(self._kept, key=lambda one: (one.why != "superseded", one.found, one.day, one.order)):
            best[one.row.batch_no, one.row.serial] = one
        product = (
            self.published("batch").group_by("round_no").agg(pl.col("dispatched", "returned", "outstanding").sum())
        )
        for number, sent in enumerate(sorted({one.sent for one in self.book.batches.values()}), 1):
            rows = [row for batch in self.book.batches.values() if batch.sent == sent for row in batch.rows]
            answered = Counter(best[row.batch_no, row.serial].why for row in rows if (row.batch_no, row.serial) in best)
            silent = [row for row in rows if (row.batch_no, row.serial) not in best]
            still = Counter(self.book.status[row.person] for row in silent)
            recalled = sum(self.book.batches[row.batch_no].is_recalled for row in silent)
            told = product.filter(round_no=number).select("dispatched", "returned", "outstanding").row(0)
            self.same(f"round {number}", told, (len(rows), answered.total(), len(silent)))
            self.say(
                f"round {number}: {len(rows)} rows sent = {answered.total()} answered {dict(answered.most_common())}"
                f" + {len(silent)} outstanding {dict(still.most_common())}, {recalled} of them recalled"
            )
        self.say(f"over the season: {json.dumps(dict(sorted(self.tally.items())), ensure_ascii=False)}")


@contextmanager
def _reading(apart: bool) -> Iterator[None]:
    """Read in a process of its own, or here, which spares its start."""
    known = read._run

    def here(command: list[str], folder: str) -> int:
        read_file(*command[command.index("canbao.loop.read") + 1 :])
        return 0

    if not apart:
        read._run = here
    try:
        yield
    finally:
        read._run = known


@contextmanager
def _clock(now: Callable[[], datetime]) -> Iterator[None]:
    """Let what is stored be stored in the season's time."""
    known = Loop._clock
    Loop._clock = lambda _: now().replace(microsecond=0)
    try:
        yield
    finally:
        Loop._clock = known


def main() -> None:
    """The large one."""
    parser = argparse.ArgumentParser(description="three rounds over all villages, recounted row for row")
    parser.add_argument("--persons", type=int, default=Size.persons)
    parser.add_argument("--seed", type=int, default=20260112)
    parser.add_argument("--small", action="store_true", help="as in the tests")
    parser.add_argument("--keep", type=Path, help="folder to keep it in")
    asked = parser.parse_args()
    folder = asked.keep or Path(tempfile.mkdtemp(prefix="canbao-season-"))
    begun = time.time()
    try:
        size = SMALL if asked.small else Size(persons=asked.persons)
        season = Season(folder, size, asked.seed, lambda text: print(text, flush=True))
        season.run()
        print(f"the season took {(time.time() - begun) / 60:.1f} minutes; every row is accounted for")
    finally:
        if asked.keep is None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
