"""The accounts of a season, kept by themselves: plain Python over what was sent and what the staff wrote.

`Book` uses none of the product's SQL and none of its tables but two: the status of people in a publication, and what
departments say of them. It reads the product's code tables (how long a reason holds, which contradict each other) and
applies the rules of the users' requirements U19 to U28 to them once more.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from canbao.loop.receive import Who
from canbao.paths import package_dir

INSURED = ("staff", "resident", "elsewhere", "attached_newborn")


def _codes(name: str) -> list[dict[str, str]]:
    with (package_dir("codes") / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


REASONS = {one["code"]: one for one in _codes("reason_class")}
WORDS = {one["code"]: [one["name"], *filter(None, one["aliases"].split("|"))] for one in _codes("reason_code")}
OPPOSED = {frozenset((one["says_a"], one["says_b"])) for one in _codes("reason_conflict")}
CLASHES = {(one["status"], one["says"]) for one in _codes("feedback_clash")}
OUTCOME = {one["code"]: one["outcome"] for one in _codes("feedback_why")}


@dataclass(frozen=True, eq=False)
class Row:
    """A row that was sent out."""

    batch_no: int
    serial: int
    code: str
    person: str
    division: str
    sent: date
    due: date
    name: str
    certno: str | None
    born: date | None


@dataclass(eq=False)
class Cells:
    """A row of a returned file, and what its writer meant by it.

    Attributes:
        row: Whose code stands there; None where it is damaged.
        name: As it stands there.
        reason: Its code; None where nothing is filled in.
        code_text, reason_text, found_text, end_text: As they stand there.
        unreadable: The reason is none of the list.
    """

    row: Row | None
    name: str
    reason: str | None = None
    found: date | None = None
    end: date | None = None
    note: str = ""
    code_text: str = ""
    reason_text: str = ""
    found_text: Any = ""
    end_text: Any = ""
    unreadable: bool = False

    @property
    def says(self) -> bool:
        return bool(self.reason_text or self.note or self.end_text)

    @property
    def answer(self) -> tuple[Any, ...]:
        return (self.reason or self.reason_text, self.found, self.end, self.note)


@dataclass(eq=False)
class Land:
    """An answer on its way to the night.

    Attributes:
        place: Who answers.
        order: Grows with every answer.
        why: What the last night made of it.
    """

    row: Row
    place: str
    reason: str
    found: date
    end: date | None
    day: date
    order: int
    receipt: str
    why: str = ""
    effect: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return (self.row.code, self.place)

    @property
    def says(self) -> str:
        return REASONS[self.reason]["says"]


@dataclass(eq=False)
class Returned:
    """A confirmed upload: its rows that say anything, what became of each, and the answers that they stand for."""

    number: str
    day: date
    states: list[tuple[Cells, str]]
    lands: list[Land | None]
    withdrawn: bool = False


class MismatchError(AssertionError):
    """The product and the book differ."""


def difference(what: str, product: Any, book: Any) -> str:
    """Where two things differ; '' where they are equal."""
    if product == book:
        return ""
    if isinstance(product, dict) and isinstance(book, dict):
        keys = [key for key in {*product, *book} if product.get(key) != book.get(key)]
        wrong = sorted(((key, product.get(key), book.get(key)) for key in keys), key=str)
        return f"{what}: {len(wrong)} differ (key, product, book), such as {wrong[:4]}"
    if isinstance(product, (set, Counter)) and isinstance(book, (set, Counter)):
        only, missing = Counter(product) - Counter(book), Counter(book) - Counter(product)
        return f"{what}: {len(only)} too many {list(only)[:4]}, {len(missing)} missing {list(missing)[:4]}"
    return f"{what}: product {product!r}, book {book!r}"


@dataclass(eq=False)
class Sent:
    """A batch as the book knows it."""

    number: int
    division: str
    level: int
    kind: str
    sent: date
    due: date
    rows: list[Row] = field(default_factory=list)
    is_recalled: bool = False
    is_confirmed: bool = False


@dataclass(frozen=True)
class Facts:
    """What departments say of somebody.

    Attributes:
        is_registered: In the roster, as normal.
        was_elsewhere: The national platform knows the person.
        is_unpaid: A relation without payment.
        paid_to: Last month paid, YYYYMM.
    """

    is_registered: bool
    was_elsewhere: bool
    is_unpaid: bool
    paid_to: str


class Book:
    """What was asked, what was answered, and what must come of it.

    Attributes:
        status: Of everybody who was ever asked or is uninsured, as of the last night.
        facts: What departments say of them.
        disputed: About whom two places disagreed last night.
    """

    def __init__(self) -> None:
        self.batches: dict[int, Sent] = {}
        self.by_code: dict[str, Row] = {}
        self.receipts: list[Returned] = []
        self.status: dict[str, str] = {}
        self.facts: dict[str, Facts] = {}
        self.night_of = date.min
        self.order = 0
        self.disputed: set[str] = set()
        self._forget()

    def _forget(self) -> None:
        self.standing: dict[tuple[str, str, int], tuple[Cells, Land | None]] = {}
        self.newest: dict[tuple[str, str, int], Land] = {}
        self.answered: set[tuple[int, int]] = set()
        self.answered_on: dict[tuple[str, str], date] = {}

    # Receiving

    def judge(self, cells: Sequence[Cells], who: Who, day: date) -> list[tuple[Cells, str]]:
        """What must become of the rows of a file: those that say anything, with their state."""
        told = [one for one in cells if one.says]
        mine: dict[tuple[str, str], list[Cells]] = defaultdict(list)
        for one in told:
            if one.row is not None and not self._is_nobodys(one, who):
                mine[one.row.person, one.row.division].append(one)
        counted: set[tuple[str, str]] = set()
        return [(one, self._state(one, mine, counted, who, day)) for one in told]

    def _state(
        self,
        one: Cells,
        mine: dict[tuple[str, str], list[Cells]],
        counted: set[tuple[str, str]],
        who: Who,
        day: date,
    ) -> str:
        row = one.row
        if row is None or self._is_nobodys(one, who):
            return "refused"
        place = (row.person, row.division)
        if len({other.answer for other in mine[place]}) > 1:
            return "refused"
        is_again = place in counted
        counted.add(place)
        is_insured = self.status.get(row.person) in INSURED
        if is_insured and not is_again:
            return "settled"
        before = self.standing.get((*place, row.batch_no))
        if before is not None and before[0].answer == one.answer:
            return "same"
        if not is_insured and self._is_faulty(one, day):
            return "refused"
        if is_again:
            return "same"
        return "new" if before is None else "changed"

    def _is_nobodys(self, one: Cells, who: Who) -> bool:
        """Whether a row says nothing about anybody: damaged, another unit's, recalled, under another's name."""
        row = one.row
        if row is None or not who.may(row.division) or self.batches[row.batch_no].is_recalled:
            return True
        return bool(one.name) and one.name != row.name

    def _is_faulty(self, one: Cells, day: date) -> bool:
        """Whether the answer itself cannot be taken in; the staff make only some of the faults there are."""
        assert one.row is not None
        if one.unreadable or one.reason is None or one.found is None or one.found > day:
            return True
        ends = REASONS[one.reason]["needs_end"] == "true"
        if (ends and one.end is None) or (one.end is not None and one.end < one.found):
            return True
        if one.reason == "X" and len(one.note) < 2:
            return True
        doubtful = (self.status.get(one.row.person), REASONS[one.reason]["says"]) in CLASHES
        facts = self.facts.get(one.row.person)
        doubtful |= one.reason == "D1" and facts is not None and facts.paid_to > f"{one.found:%Y%m}"
        return doubtful and len(one.note) < 4

    def take(self, number: str, states: list[tuple[Cells, str]], day: date) -> None:
        """A file was confirmed."""
        kept = Returned(number, day, states, [])
        self.receipts.append(kept)
        for cells, state in states:
            land = self._landed(cells, state, kept)
            kept.lands.append(land)
            if state != "refused":
                self._note(cells, state, land, kept)

    def _landed(self, cells: Cells, state: str, kept: Returned) -> Land | None:
        row = cells.row
        if state == "refused" or row is None:
            return None
        before = self.standing.get((row.person, row.division, row.batch_no))
        if state == "same" or (before is not None and before[0].answer == cells.answer):
            return before[1] if before else None
        if cells.reason is None or cells.found is None or self._is_faulty(explained(cells), kept.day):
            return None  # somebody insured meanwhile, and no whole answer: nothing to count, and nothing to ask
        self.order += 1
        return Land(row, row.division, cells.reason, cells.found, cells.end, kept.day, self.order, kept.number)

    def _note(self, cells: Cells, state: str, land: Land | None, kept: Returned) -> None:
        row = cells.row
        assert row is not None
        self.standing[row.person, row.division, row.batch_no] = (cells, land)
        self.answered.add((row.batch_no, row.serial))
        place = (row.person, row.division)
        self.answered_on[place] = max(self.answered_on.get(place, kept.day), kept.day)
        if state != "settled" and land is not None:
            self.newest[(*place, row.batch_no)] = land

    def withdraw(self, number: str) -> None:
        """A receipt was taken back: as if it had never been."""
        next(one for one in self.receipts if one.number == number).withdrawn = True
        self._forget()
        for kept in self.receipts:
            if not kept.withdrawn:
                for (cells, state), land in zip(kept.states, kept.lands, strict=True):
                    if state != "refused":
                        self._note(cells, state, land, kept)

    def settle(self, number: str, row: Row, place: str, reason: str, day: date) -> None:
        """A common superior decided."""
        self.order += 1
        land = Land(row, place, reason, day, None, day, self.order, number)
        cells = Cells(row, row.name, reason, day, note="核定", code_text=row.code, reason_text=reason)
        self.receipts.append(Returned(number, day, [(cells, "new")], [land]))
        self.newest[row.person, place, row.batch_no] = land

    # The night

    def night(self, as_of: date, above: Callable[[str], Sequence[str]]) -> list[Land]:
        """What the night must make of every answer: `why` and `effect` are set. Gives the answers that there are."""
        self.night_of = as_of
        kept: dict[tuple[str, str], Land] = {}
        for one in self.receipts:
            if one.withdrawn or one.day > as_of:
                continue
            for land in one.lands:
                if land is not None and (land.key not in kept or kept[land.key].order < land.order):
                    kept[land.key] = land
        of_person: dict[str, list[Land]] = defaultdict(list)
        for land in sorted(kept.values(), key=lambda one: (one.day, one.order)):
            of_person[land.row.person].append(land)
        for lands in of_person.values():
            self._decide(lands, as_of, above)
        self.disputed = {one.row.person for one in kept.values() if one.effect == "disputed"}
        return list(kept.values())

    def _contradicted(self, land: Land, as_of: date) -> str | None:
        """Whose data say otherwise."""
        known, status = REASONS[land.reason], self.status[land.row.person]
        if status in known["agrees"].split("|"):
            return None
        if status in ("staff", "resident"):
            return "enrollment"
        if status == "elsewhere":
            return "enrollment_elsewhere"
        if status == "excluded_death":
            return "death"
        # rosters of people and of relations come every night; those of schools and prisons only with the first
        is_ripe = as_of > land.found + timedelta(days=int(known["grace_days"]))
        if not is_ripe or (land.end is not None and land.end < as_of):
            return None
        facts = self.facts[land.row.person]
        checked = known["checked_by"].split("|")
        if "population" in checked:
            if land.says in ("dead", "gone", "serving") and facts.is_registered and not status.startswith("excluded_"):
                return "population"
            if land.says == "here" and status.startswith("excluded_") and status != "excluded_custody":
                return "population"
        if land.says == "elsewhere" and status == "uninsured":
            if "enrollment" in checked and not facts.is_unpaid:
                return "enrollment"
            if "enrollment_elsewhere" in checked and facts.was_elsewhere:
                return "enrollment_elsewhere"
        return None

    def _decide(self, lands: list[Land], as_of: date, above: Callable[[str], Sequence[str]]) -> None:
        status = self.status[lands[0].row.person]
        newest: dict[str, Land] = {}
        for land in sorted(lands, key=lambda one: (one.found, one.day, one.order)):
            newest[land.place] = land

        def speaks(land: Land) -> bool:
            last = newest[land.place]
            return (land.found, land.reason, land.end) == (last.found, last.reason, last.end)

        contrary = {id(land): self._contradicted(land, as_of) for land in lands}
        standing = [
            land
            for land in lands
            if status == "uninsured" and speaks(land) and not contrary[id(land)] and (land.end or as_of) >= as_of
        ]
        given_way = self._disputes(standing, above)
        for land in lands:
            known, against = REASONS[land.reason], contrary[id(land)]
            is_over = land.end is not None and land.end < as_of
            way = given_way.get(id(land)) if speaks(land) else "superseded"
            if status in known["agrees"].split("|"):
                land.why = "confirmed"
            elif status in INSURED:
                land.why = f"contradicted_{against}" if against in known["checked_by"].split("|") else "insured"
            elif way == "superseded":
                land.why = way
            elif is_over:
                land.why = "expired"
            elif against:
                land.why = f"contradicted_{against}"
            elif status != "uninsured":
                land.why = "out_of_scope" if status == "out_of_scope" else "excluded"
            elif way:
                land.why = way
            else:
                land.why = "waits" if known["waits"] == "true" else "adopted"
            if status in INSURED:
                land.effect = "closed_insured"
            elif land.why in ("superseded", "settled"):
                land.effect = "superseded"
            elif is_over:
                land.effect = "expired"
            elif land.why == "disputed":
                land.effect = "disputed"
            else:
                land.effect = "waits" if known["waits"] == "true" and not against else "stands"

    @staticmethod
    def _disputes(standing: list[Land], above: Callable[[str], Sequence[str]]) -> dict[int, str]:
        """Who disagrees with whom, and what a common superior that spoke no earlier made of it."""
        pairs = [(a, b) for a in standing for b in standing if a is not b and frozenset((a.says, b.says)) in OPPOSED]
        settled_by: dict[tuple[int, int], Land] = {}
        for a, b in pairs:
            judges = [
                one
                for one in standing
                if one.found >= max(a.found, b.found) and one.place in above(a.place) and one.place in above(b.place)
            ]
            if judges:
                best = max(judges, key=lambda one: (one.found, -len(above(one.place)), one.day, one.order))
                settled_by[id(a), id(b)] = best
        overruled = {
            id(a)
            for a, b in pairs
            if (id(a), id(b)) in settled_by and frozenset((a.says, settled_by[id(a), id(b)].says)) in OPPOSED
        }
        way = dict.fromkeys(overruled, "settled")
        for a, b in pairs:
            if (id(a), id(b)) not in settled_by and id(a) not in overruled and id(b) not in overruled:
                way[id(a)] = "disputed"
        return way

    # Asking

    def is_held(self, person: str, day: date, lands: dict[str, list[Land]]) -> bool:
        """Whether an answer about somebody holds, as far as anybody knows."""
        for land in lands.get(person, ()):
            until = land.end or land.found + timedelta(days=int(REASONS[land.reason]["holds_days"] or 0))
            read_by_night = land.why != ""
            void = read_by_night and (land.effect not in ("stands", "waits") or OUTCOME[land.why] == "contradicted")
            if until >= day and not void:
                return True
        return False

    def holding(self) -> dict[str, list[Land]]:
        """The newest answer of each division about each person; of one row the last that came."""
        newest: dict[tuple[str, str], Land] = {}
        for (person, place, _), land in sorted(self.newest.items(), key=lambda one: (one[1].found, one[1].order)):
            newest[person, place] = land
        made: dict[str, list[Land]] = defaultdict(list)
        for (person, _), land in newest.items():
            made[person].append(land)
        return made

    def is_open(self, row: Row) -> bool:
        """Whether a row still lies before its village."""
        if self.batches[row.batch_no].is_recalled or (row.batch_no, row.serial) in self.answered:
            return False
        answered = self.answered_on.get((row.person, row.division))
        return answered is None or answered < row.sent


def explained(cells: Cells) -> Cells:
    """With an explanation: only what 强制性 checks ask for counts."""
    return replace(cells, note=cells.note if cells.reason == "X" else "已当面核实")
