"""What went out and what came back: `<home>/loop/loop.db` and `<home>/loop/sent/<round_no>.parquet`.

The database has rounds, batches, receipts and the returned rows; the Parquet file of a round has its rows as they were
sent and is never written again. Both are readable by their owner alone. Commands, the portal and the night use them at
the same time. Nothing here decides who may do what, and nothing here writes the audit log: callers do.
"""

import fcntl
import json
import os
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from canbao.errors import UserError
from canbao.home import Home, sync
from canbao.loop.codes import batch_id
from canbao.loop.queries import query
from canbao.sqlite_file import SqliteFile

SENT: dict[str, pl.DataType | type[pl.DataType]] = {
    "round_no": pl.Int32,
    "batch_no": pl.Int32,
    "serial": pl.Int32,
    "row_code": pl.String,
    "person_id": pl.String,
    "division_code": pl.String,
    "role": pl.String,
    "other_division": pl.String,
    "sent": pl.Date,
    "due": pl.Date,
    "certno": pl.String,
    "psn_name": pl.String,
    "gend": pl.String,
    "brdy": pl.Date,
    "age": pl.Int32,
    "tel": pl.String,
    "household_no": pl.String,
    "resd_code": pl.String,
    "live_code": pl.String,
    "separated": pl.Boolean,
    "uninsured_reason": pl.String,
    "last_insured_year": pl.Int64,
    "last_insutype": pl.String,
    "last_admdvs": pl.String,
    "contact_name": pl.String,
    "contact_tel": pl.String,
    "group_tags": pl.List(pl.String),
    "priority": pl.Int32,
    "feedback_reason": pl.String,
    "feedback_date": pl.Date,
    "feedback_division": pl.String,
    "feedback_until": pl.Date,
    "suggested_reason": pl.String,
    "suggested_from": pl.String,
}
"""One row per person and responsible division, in the order of batch_no, serial."""

RETURNED: dict[str, pl.DataType | type[pl.DataType]] = {
    "n": pl.Int32,
    "sheet": pl.String,
    "line": pl.Int32,
    "row_code": pl.String,
    "batch_no": pl.Int32,
    "serial": pl.Int32,
    "person_id": pl.String,
    "certno": pl.String,
    "division_code": pl.String,
    "reason_code": pl.String,
    "found_date": pl.Date,
    "end_date": pl.Date,
    "note": pl.String,
    "reporter": pl.String,
    "state": pl.String,
    "checks": pl.List(pl.String),
    "raw": pl.String,
}
"""One row per filled row of an upload; n from 1 in the order of the file."""

ANSWERS: dict[str, pl.DataType | type[pl.DataType]] = {
    "person_id": pl.String,
    "row_code": pl.String,
    "batch_no": pl.Int32,
    "serial": pl.Int32,
    "division_code": pl.String,
    "reason_code": pl.String,
    "found_date": pl.Date,
    "end_date": pl.Date,
    "note": pl.String,
    "reporter": pl.String,
    "receipt_no": pl.String,
    "day": pl.Date,
}
"""The newest confirmed answer of each person and division."""

ANSWERED: dict[str, pl.DataType | type[pl.DataType]] = {
    "person_id": pl.String,
    "division_code": pl.String,
    "batch_no": pl.Int32,
    "serial": pl.Int32,
    "day": pl.Date,
}
"""Rows that came back and were confirmed, also those of people who were insured meanwhile."""

WAITING, CONFIRMED, WITHDRAWN, SENT_BACK = "waiting", "confirmed", "withdrawn", "returned"
"""States of a receipt: 镇审 outstanding; counts; taken back by who sent it; refused by the township."""

OPEN, RECALLED = "open", "recalled"
"""States of a batch."""

LIST, ZERO = "list", "zero"
"""Kinds of batches: people to visit; nobody uninsured, which the division confirms (零报告)."""


@dataclass(frozen=True)
class Round:
    """One order to dispatch.

    Attributes:
        round_no: From 1.
        at: When.
        sent: The day it went out.
        due: The last day for answers.
        by_account: Who sent it.
        by_division: The division that was dispatched, 12 digits.
        level: 3 a batch per township, 4 a batch per village.
        publication: `<as_of>/<run_id>` that the rows are from.
        filters: Who was asked about.
        batches: Number of batches, those for zero reports too.
        rows: Rows of all of them.
    """

    round_no: int
    at: datetime
    sent: date
    due: date
    by_account: str
    by_division: str
    level: int
    publication: str
    filters: Mapping[str, Any]
    batches: int
    rows: int


@dataclass(frozen=True)
class Batch:
    """What one division was sent on one day.

    Attributes:
        batch_no: From 1.
        round_no: Its round.
        division_code: 12 digits, as it was then.
        division_name: Its name then.
        level: 3 township, 4 village.
        kind: `list` or `zero`.
        rows: People in it, 0 of a zero report.
        sent: The day it went out.
        due: The last day for answers.
        state: `open` or `recalled`.
        zero_at: When its zero report was confirmed.
        zero_by: By which account.
        recalled_at: When it was recalled.
        recalled_by: By which account.
    """

    batch_no: int
    round_no: int
    division_code: str
    division_name: str
    level: int
    kind: str
    rows: int
    sent: date
    due: date
    state: str = OPEN
    zero_at: datetime | None = None
    zero_by: str | None = None
    recalled_at: datetime | None = None
    recalled_by: str | None = None

    @property
    def batch_id(self) -> str:
        """`P000123`."""
        return batch_id(self.batch_no)


@dataclass(frozen=True)
class BatchPlan:
    """A batch that has no number yet; see `Batch`."""

    division_code: str
    division_name: str
    level: int
    kind: str
    rows: int


@dataclass(frozen=True)
class Receipt:
    """One upload that was confirmed by who sent it.

    Attributes:
        day: The day that its rows are delivered on (folder of the landing area).
        account: Who uploaded it.
        holder: Whose account that is.
        role: In which role.
        division_code: For which division.
        file_name: The file's name, without long numbers.
        sha256: Of the file.
        state: waiting, confirmed, withdrawn, returned.
        receipt_no: `H20261122-0001`; empty until stored.
        at: When; set when stored.
        decided_by: Who withdrew, confirmed or returned it last.
        decided_at: When.
        decision_note: Why it was returned.
        accepted: Rows that count.
        hints: Rows of those with a remark.
        blank: Rows that nobody filled in.
        refused: Rows that do not count.
        settled: Rows about people who were insured meanwhile.
        same: Rows of the accepted ones that repeat an earlier answer.
        landed: Its file below `<home>/landing`, empty while it has none.
    """

    day: date
    account: str
    holder: str
    role: str
    division_code: str
    file_name: str
    sha256: str
    state: str = CONFIRMED
    receipt_no: str = ""
    at: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    decided_by: str = ""
    decided_at: datetime | None = None
    decision_note: str = ""
    accepted: int = 0
    hints: int = 0
    blank: int = 0
    refused: int = 0
    settled: int = 0
    same: int = 0
    landed: str = ""


@dataclass(frozen=True)
class NewRound:
    """A round that has no number yet; see `Round`."""

    sent: date
    due: date
    by_account: str
    by_division: str
    level: int
    publication: str
    filters: Mapping[str, Any]
    batches: Sequence[BatchPlan] = field(default_factory=tuple)


class Loop(SqliteFile):
    """The dispatches and returns of one installation.

    Args:
        home: The installation.
        clock: What time it is (UTC).
    """

    BUSY_SECONDS = 60.0

    def __init__(self, home: Home, clock: Callable[[], datetime] | None = None) -> None:
        self.home = home
        self.folder = home.root / "loop"
        self._now = clock or (lambda: datetime.now(UTC))
        super().__init__(self.folder / "loop.db", query("state", "schema"))
        self.sent_folder.mkdir(exist_ok=True, mode=0o700)

    @staticmethod
    def begun(home: Home) -> bool:
        """Whether anything was ever dispatched or returned on a home; asking makes nothing."""
        return (home.root / "loop" / "loop.db").exists()

    @property
    def sent_folder(self) -> Path:
        """Where the rows of rounds are kept."""
        return self.folder / "sent"

    def sent_file(self, round_no: int) -> Path:
        """The rows of one round."""
        return self.sent_folder / f"{round_no}.parquet"

    @contextmanager
    def held(self, what: str) -> Iterator[None]:
        """Keep others from the same deed: `send`, or `landing` (files of returned rows being written or merged).

        The hold ends with the process, however it ends; others wait.
        """
        descriptor = os.open(self.folder / f".{what}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _clock(self) -> datetime:
        return self._now().replace(microsecond=0)  # as it is stored

    # What goes out

    def new_round(self, order: NewRound, write: Callable[[Path, Sequence[Batch]], None]) -> Round:
        """Store a round, its batches and its rows.

        Args:
            order: What goes out.
            write: Gets the path to write the rows to (`SENT`) and the batches, numbered, in the order of the plan;
                nothing is stored where it fails.

        Returns:
            The round with its number.
        """
        plans = order.batches
        with self._writing() as connection:
            round_no = self._reserve(connection, "round", 1)
            first = self._reserve(connection, "batch", len(plans)) - len(plans) + 1 if plans else 0
        batches = [
            Batch(first + place, round_no, sent=order.sent, due=order.due, **asdict(plan))
            for place, plan in enumerate(plans)
        ]
        target = self.sent_file(round_no)
        fresh = target.with_name(f".{target.name}-{os.getpid()}")
        try:
            write(fresh, batches)
            fresh.chmod(0o600)
            with fresh.open("rb") as file:
                os.fsync(file.fileno())
            fresh.replace(target)
            sync(self.sent_folder)
        finally:
            fresh.unlink(missing_ok=True)
        made = Round(
            round_no, self._clock(), order.sent, order.due, order.by_account, order.by_division, order.level,
            order.publication, dict(order.filters), len(batches), sum(one.rows for one in batches),
        )  # fmt: skip
        with self._writing() as connection:
            connection.execute(query("state", "new_round"), _texts(made))
            connection.executemany(query("state", "new_batch"), [_texts(one) for one in batches])
        return made

    def rounds(self) -> list[Round]:
        """All rounds, the oldest first."""
        return [_round(row) for row in self._rows("SELECT * FROM round ORDER BY round_no")]

    def round(self, round_no: int) -> Round | None:
        """One round."""
        found = self._rows("SELECT * FROM round WHERE round_no = :no", no=round_no)
        return _round(found[0]) if found else None

    def batches(
        self,
        *,
        divisions: Collection[str] | None = None,
        numbers: Collection[int] | None = None,
        round_no: int | None = None,
        state: str | None = None,
        kind: str | None = None,
    ) -> list[Batch]:
        """Batches, the oldest first.

        Args:
            divisions: Only of these (12 digits; former codes are the caller's to add).
            numbers: Only these.
            round_no: Only of this round.
            state: `open` or `recalled`.
            kind: `list` or `zero`.
        """
        found = self._rows(
            query("state", "batches"),
            divisions=None if divisions is None else json.dumps(sorted(divisions)),
            numbers=None if numbers is None else json.dumps(sorted(numbers)),
            round_no=round_no,
            state=state,
            kind=kind,
        )
        return [_batch(row) for row in found]

    def batch(self, batch_no: int) -> Batch | None:
        """One batch."""
        found = self._rows("SELECT * FROM batch WHERE batch_no = :no", no=batch_no)
        return _batch(found[0]) if found else None

    def rows_of(self, batch_no: int) -> pl.DataFrame:
        """The rows of one batch as they were sent (`SENT`), by serial."""
        return self.sent_rows([batch_no])

    def sent_rows(self, batch_nos: Collection[int]) -> pl.DataFrame:
        """The rows of batches as they were sent (`SENT`), by batch_no and serial; unknown batches have none."""
        of_round: dict[int, list[int]] = {}
        for one in self.batches(numbers=set(batch_nos)):
            if one.rows:
                of_round.setdefault(one.round_no, []).append(one.batch_no)
        frames = []
        for round_no, numbers in sorted(of_round.items()):
            wanted = pl.Series(numbers, dtype=pl.Int32)
            # The bounds let the reader pass over what cannot hold them: the file is in the order of batch_no.
            near = pl.col("batch_no").is_between(min(numbers), max(numbers))
            rows = pl.scan_parquet(self.sent_file(round_no)).filter(near, pl.col("batch_no").is_in(wanted.implode()))
            frames.append(rows.select(pl.col(name).cast(kind) for name, kind in SENT.items()).collect())
        return pl.concat(frames).sort("batch_no", "serial") if frames else pl.DataFrame(schema=SENT)

    def confirm_zero(self, batch_no: int, account: str) -> Batch:
        """A division confirms that it has nobody uninsured (零报告); a second time changes nothing.

        Raises:
            UserError: There is no such batch, it is a list, or it was recalled.
        """
        with self._writing() as connection:
            connection.execute(
                query("state", "confirm_zero"), {"at": _moment(self._clock()), "account": account, "batch_no": batch_no}
            )
        found = self._known_batch(batch_no)
        if found.kind != ZERO:
            raise UserError(f"批次 {found.batch_id} 有需要核实的人员，不是零报告。请填报后上传。")
        if found.state != OPEN:
            raise UserError(f"批次 {found.batch_id} 已收回，无需确认。")
        return found

    def recall(self, batch_no: int, account: str) -> Batch:
        """Recall a batch (收回): its people may be asked again; answers that came back stay. Twice changes nothing.

        Raises:
            UserError: There is no such batch.
        """
        with self._writing() as connection:
            connection.execute(
                query("state", "recall"), {"at": _moment(self._clock()), "account": account, "batch_no": batch_no}
            )
        return self._known_batch(batch_no)

    def _known_batch(self, batch_no: int) -> Batch:
        found = self.batch(batch_no)
        if found is None:
            raise UserError(f"没有批次 {batch_id(batch_no)}。请核对批次号。")
        return found

    # What comes back

    def add_receipt(
        self, receipt: Receipt, rows: pl.DataFrame, land: Callable[[Receipt], str] | None = None
    ) -> Receipt:
        """Store an upload with its rows.

        Args:
            receipt: Without number and time.
            rows: `RETURNED`; missing columns are null, missing n are counted.
            land: Gets the receipt with its number, writes what the night is to read and returns its path below
                `<home>/landing`; where it fails nothing is stored.

        Returns:
            The receipt with its number.
        """
        with self._writing() as connection:
            day = f"H{receipt.day:%Y%m%d}-"
            (last,) = connection.execute(query("state", "last_receipt"), {"day": day}).fetchone()
            stored = replace(receipt, receipt_no=f"{day}{(last or 0) + 1:04d}", at=self._clock())
            connection.execute(query("state", "new_receipt"), _texts(stored))
            entries = _returned(rows)
            connection.executemany(
                query("state", "new_returned_row"), ({**one, "receipt_no": stored.receipt_no} for one in entries)
            )
            if land is not None:
                stored = replace(stored, landed=land(stored))
                connection.execute(
                    "UPDATE receipt SET landed = ? WHERE receipt_no = ?", (stored.landed, stored.receipt_no)
                )
        return stored

    def receipts(
        self,
        *,
        divisions: Collection[str] | None = None,
        account: str | None = None,
        state: str | None = None,
        sha256: str | None = None,
        day: date | None = None,
        most: int = -1,
    ) -> list[Receipt]:
        """Receipts, the newest first.

        Args:
            divisions: Only those for these divisions (12 digits).
            account: Only of this account.
            state: Only in this state.
            sha256: Only of this file.
            day: Only of this day.
            most: Not more than that many.
        """
        found = self._rows(
            query("state", "receipts"),
            divisions=None if divisions is None else json.dumps(sorted(divisions)),
            account=account,
            state=state,
            sha256=sha256,
            day=day.isoformat() if day else None,
            most=most,
        )
        return [_receipt(row) for row in found]

    def receipt(self, receipt_no: str) -> Receipt | None:
        """One receipt."""
        found = self._rows("SELECT * FROM receipt WHERE receipt_no = :no", no=receipt_no)
        return _receipt(found[0]) if found else None

    def set_receipt_state(
        self,
        receipt_no: str,
        state: str,
        by: str,
        *,
        was: str,
        note: str = "",
        day: date | None = None,
        landed: str | None = None,
        rows: pl.DataFrame | None = None,
        then: Callable[[], None] | None = None,
    ) -> Receipt:
        """Move a receipt on.

        Args:
            receipt_no: Which.
            state: Where to.
            by: The account that decides.
            was: The state that it must be in.
            note: Why.
            day: The day its rows are delivered on, where that changes.
            landed: Its file below `<home>/landing`, where that changes.
            rows: Its rows (n, state), where what becomes of them changes.
            then: Writes or removes that file; where it fails nothing is changed.

        Raises:
            UserError: There is no such receipt, or it is in another state by now.
        """
        with self._writing() as connection:
            done = connection.execute(
                query("state", "set_receipt_state"),
                {
                    "state": state, "was": was, "decided_by": by, "decided_at": _moment(self._clock()),
                    "decision_note": note, "day": day.isoformat() if day else None, "landed": landed,
                    "receipt_no": receipt_no,
                    "same": None if rows is None else int((rows["state"] == "same").sum()),
                },
            )  # fmt: skip
            if done.rowcount != 1:
                raise UserError(f"回执 {receipt_no} 不存在，或状态已经改变。请刷新后再看。")
            if rows is not None:
                changed = ({**one, "receipt_no": receipt_no} for one in rows.select("n", "state").iter_rows(named=True))
                connection.executemany(query("state", "set_row_state"), changed)
            if then is not None:
                then()
        found = self.receipt(receipt_no)
        assert found is not None
        return found

    def returned_rows(self, receipt_no: str) -> pl.DataFrame:
        """The rows of one upload (`RETURNED`), by n."""
        return _frame(self._rows(query("state", "returned_rows"), receipt_no=receipt_no), RETURNED)

    def returned_of_batch(self, batch_no: int) -> pl.DataFrame:
        """What came back of one batch (`RETURNED`, receipt_no, receipt_state, day, at), by serial, the oldest first."""
        schema = {
            **RETURNED, "receipt_no": pl.String(), "receipt_state": pl.String(), "day": pl.Date(), "at": pl.String(),
        }  # fmt: skip
        return _frame(self._rows(query("state", "returned_of_batch"), batch_no=batch_no), schema)

    def answers(self, persons: Collection[str] | None = None) -> pl.DataFrame:
        """The answers in force (`ANSWERS`): the newest confirmed one of each person and division, by those.

        Args:
            persons: Only of these person ids.
        """
        asked = None if persons is None else json.dumps(sorted(persons))
        return _frame(self._rows(query("state", "answers"), persons=asked), ANSWERS)

    def last_said(self, persons: Collection[str]) -> pl.DataFrame:
        """What each division last returned about people (`RETURNED`), whether it counts already or still waits."""
        return _frame(self._rows(query("state", "last_said"), persons=json.dumps(sorted(persons))), RETURNED)

    def answered(self) -> pl.DataFrame:
        """Rows that need no answer any more (`ANSWERED`)."""
        return _frame(self._rows(query("state", "answered")), ANSWERED)

    def answered_counts(self, batch_nos: Collection[int], state: str = CONFIRMED) -> dict[int, int]:
        """How many rows of batches came back, in receipts of a state; batches without any are left out."""
        numbers = json.dumps(sorted(batch_nos))
        found = self._rows(query("state", "answered_counts"), numbers=numbers, state=state)
        return {row["batch_no"]: row["answered"] for row in found}

    def ask(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        """Rows of a further question about what went out and came back (the portal's pages have such)."""
        return [dict(row) for row in self._rows(sql, **values)]

    # The database

    def _reserve(self, connection: sqlite3.Connection, kind: str, wanted: int) -> int:
        return int(connection.execute(query("state", "reserve"), {"kind": kind, "wanted": wanted}).fetchone()[0])


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")


def _text(value: Any) -> Any:
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    return value


def _texts(one: "Round | Batch | Receipt") -> dict[str, Any]:
    return {each.name: _text(getattr(one, each.name)) for each in fields(one)}


def _day(text: str) -> date:
    return date.fromisoformat(text)


def _at(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _round(row: sqlite3.Row) -> Round:
    known = dict(row)
    known.update(at=_at(row["at"]), sent=_day(row["sent"]), due=_day(row["due"]), filters=json.loads(row["filters"]))
    return Round(**known)


def _batch(row: sqlite3.Row) -> Batch:
    known = dict(row)
    known.update(sent=_day(row["sent"]), due=_day(row["due"]))
    known.update(zero_at=_at(row["zero_at"]), recalled_at=_at(row["recalled_at"]))
    return Batch(**known)


def _receipt(row: sqlite3.Row) -> Receipt:
    known = dict(row)
    known.update(at=_at(row["at"]), day=_day(row["day"]), decided_at=_at(row["decided_at"]))
    return Receipt(**known)


def _returned(rows: pl.DataFrame) -> list[dict[str, Any]]:
    missing = [pl.lit(None, kind).alias(name) for name, kind in RETURNED.items() if name not in rows.columns]
    whole = rows.with_columns(missing).select(
        pl.col("n").fill_null(pl.int_range(1, pl.len() + 1, dtype=pl.Int32)),
        *(pl.col(name) for name in RETURNED if name not in {"n", "found_date", "end_date", "raw"}),
        pl.col("found_date", "end_date").cast(pl.Date).dt.to_string("iso:strict"),
        pl.col("raw").fill_null("{}"),
    )
    return [
        {**one, "checks": json.dumps(one["checks"] or [], ensure_ascii=False)} for one in whole.iter_rows(named=True)
    ]


def _frame(rows: Sequence[sqlite3.Row], schema: Mapping[str, pl.DataType | type[pl.DataType]]) -> pl.DataFrame:
    """Rows as a frame; days come as text, `checks` as JSON."""
    days = [name for name, kind in schema.items() if kind == pl.Date]
    raw = {name: pl.String if name in days or name == "checks" else kind for name, kind in schema.items()}
    columns = {name: [row[name] for row in rows] for name in schema}
    frame = pl.DataFrame(columns, schema=raw)
    made = [pl.col(name).str.to_date("%Y-%m-%d") for name in days]
    if "checks" in schema:
        made.append(pl.col("checks").str.json_decode(pl.List(pl.String)))
    return frame.with_columns(made)
