"""What was asked of the departments and what they answered: `<home>/repair/state.parquet`.

One file, so that requests and items are never of two minds: a row per request and item, the requests and the answer
files read so far as JSON text in its metadata. It names no person: items are keyed hashes, and long digits in a
department's explanation are cut. The workbooks alone (`<home>/repair/requests/`) have the keys.
"""

import fcntl
import json
import os
import re
import time
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from canbao.errors import Blocked, UserError
from canbao.home import Home, sync

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "year": pl.Int32,  # request: year and number
    "number": pl.Int32,
    "serial": pl.Int32,  # from 1 within the request
    "item_id": pl.String,
    "measure_id": pl.String,
    "source": pl.String,
    "content": pl.String,  # what was shown, as keyed digest
    "again": pl.String,  # "", again (comes again wrong) or changed (confirmed once, and not the same since)
    "state": pl.String,
    "outcome": pl.String,  # confirmed, corrected, refused; null without an answer
    "answered": pl.Date,
    "note": pl.String,
    "closed": pl.Date,
}
"""One row per request and item, in the order of issue: of an item's rows the last one is how it stands."""

OPEN, CORRECTED, CONFIRMED, REFUSED = "open", "corrected", "confirmed", "refused"
REPAIRED, REOPENED, WITHDRAWN = "repaired", "reopened", "withdrawn"
"""States of an item. open: no answer; corrected: answered so and still to be seen; confirmed, refused: known rows that
are counted and not asked again; repaired: no longer wrong; reopened: to be asked again in the next request; withdrawn:
its measure is no longer taken."""

_LETTERS = "ABCDFGHJKLMNPQRSTUVWXYZ"  # 23, a prime: every wrong digit and every swap of two changes the letter
_CODE = re.compile(r"(\d{2})(\d{3,6})-(\d{5,8})([A-Z])")
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−－_﹣"), "-")
_LONG_DIGITS = re.compile(r"\d{7,}[\dXx]?")
_NOTE = 300


def item_code(year: int, number: int, serial: int) -> str:
    """What stands for an item on paper: `26003-00017K`, year and number of the request, serial, check letter."""
    digits = f"{year % 100:02d}{number:03d}-{serial:05d}"
    return digits + _check_letter(digits)


def read_code(text: str) -> tuple[int, int, int] | None:
    """Year, number and serial of a code however it was typed; None where it is none or its check letter is wrong."""
    plain = re.sub(r"\s", "", unicodedata.normalize("NFKC", text)).translate(_DASHES).strip("'").upper()
    match = _CODE.fullmatch(plain)
    if match is None or _check_letter(plain[:-1]) != match[4]:
        return None
    return 2000 + int(match[1]), int(match[2]), int(match[3])


def _check_letter(code: str) -> str:
    digits = [int(sign) for sign in code if sign.isdigit()]
    return _LETTERS[sum(digit * (place + 2) for place, digit in enumerate(digits)) % len(_LETTERS)]


def request_name(year: int, number: int) -> str:
    """校核〔2026〕003号."""
    return f"校核〔{year}〕{number:03d}号"


def due_after(day: date, days: int, holidays: Sequence[date] = (), workdays: Sequence[date] = ()) -> date:
    """The last of that many working days after a day.

    Args:
        day: Day of issue, which does not count.
        days: Working days, Monday to Friday.
        holidays: Days off that the calendar of weeks does not know.
        workdays: Saturdays and Sundays that are worked.
    """
    off, on = set(holidays), set(workdays)
    while days > 0:
        day += timedelta(days=1)
        days -= day in on or (day.weekday() < 5 and day not in off)
    return day


@dataclass
class Issued:
    """One request as it was issued.

    Attributes:
        year: Year of its number.
        number: Number within the year.
        department: Whom it went to.
        sent: Day of issue.
        due: Last day for the answer.
        items: Items in it.
        publication: `<as_of>/<run_id>` that it was made from.
        files: Workbooks, below `<home>/repair/requests/`.
    """

    year: int
    number: int
    department: str
    sent: str
    due: str
    items: int
    publication: str
    files: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """校核〔2026〕003号."""
        return request_name(self.year, self.number)


@dataclass
class State:
    """All requests of an installation.

    Attributes:
        items: `SCHEMA`.
        requests: In the order of their numbers.
        answers: Files that were read: sha256, file, day, and what became of their rows.
        settled: As-of date of the last night that was laid against the items.
    """

    items: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SCHEMA))
    requests: list[Issued] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    settled: str | None = None


def folder(home: Home) -> Path:
    """Where requests and answers are kept."""
    return home.root / "repair"


def load(home: Home) -> State:
    """The state, empty where nothing was ever asked.

    Raises:
        UserError: The file is damaged.
    """
    path = folder(home) / "state.parquet"
    if not path.exists():
        return State()
    try:
        meta = json.loads(pq.read_schema(path).metadata[b"repair"])
        items = pl.read_parquet(path)
        return State(
            items.select(list(SCHEMA)), [Issued(**one) for one in meta["requests"]], meta["answers"], meta["settled"]
        )
    except Exception as error:  # whatever the libraries raise about a broken file
        raise UserError(f"校核状态文件 {path} 已损坏，无法读取。请从备份恢复后重试。") from error


def save(home: Home, state: State) -> None:
    """Write the state whole or not at all, readable by its owner alone."""
    path = folder(home) / "state.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = {"requests": [asdict(one) for one in state.requests], "answers": state.answers, "settled": state.settled}
    table = state.items.to_arrow(compat_level=pl.CompatLevel.oldest())
    table = table.replace_schema_metadata({"repair": json.dumps(meta, ensure_ascii=False)})
    fresh = path.with_name(f".{path.name}-{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        pq.write_table(table, file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync(path.parent)


@contextmanager
def held(home: Home, wait: float = 30.0) -> Iterator[None]:
    """Hold the requests: the commands and the end of a night change them one after the other.

    Raises:
        Blocked: Another process keeps them that long.
    """
    folder(home).mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder(home) / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        until = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise Blocked("另一个校核命令正在进行，本次未开始。请稍后再试。") from None
                time.sleep(0.1)
        yield
    finally:
        os.close(descriptor)


def kept_note(text: str | None) -> str:
    """A department's explanation as it is kept: not too long, without numbers of persons."""
    text = _LONG_DIGITS.sub(lambda number: f"{number[0][:4]}***", (text or "").strip())
    return text if len(text) <= _NOTE else text[: _NOTE - 1] + "…"


def last_of_item() -> pl.Expr:
    """Whether a row is the last one of its item."""
    return pl.col("item_id").is_last_distinct()


def known_items(state: State) -> pl.DataFrame:
    """Items that a department has confirmed or will not change: measure_id, item_id, content."""
    rows = state.items.filter(
        last_of_item(), pl.col("outcome").is_in([CONFIRMED, REFUSED]), pl.col("state") != REOPENED
    )
    return rows.select("measure_id", "item_id", "content")


def settled(state: State, found: pl.DataFrame, computed: set[str], catalogue: set[str], as_of: date) -> pl.DataFrame:
    """The items after a night.

    An item that is no longer wrong is repaired. One that was answered as corrected and stands wrong in a delivery
    newer than the answer is reopened, as is a repaired one that is wrong again. A confirmed or refused one stays so
    while what was shown of it does not change.

    Args:
        state: Before the night.
        found: Wrong rows of the night: item_id, delivery, content.
        computed: Measures that could be computed on a delivered source; items of others stay as they are.
        catalogue: Measures there are; items of others are withdrawn.
        as_of: The night's date.

    Returns:
        The items, in their order.
    """
    tonight = found.select(
        "item_id", pl.col("delivery").alias("now_delivery"), pl.col("content").alias("now_content")
    ).unique("item_id", keep="any")
    state_, outcome = pl.col("state"), pl.col("outcome")
    wrong = pl.col("now_content").is_not_null()
    judged = last_of_item() & pl.col("measure_id").is_in(list(computed)) & ~state_.is_in([REOPENED, WITHDRAWN])
    known = outcome.is_in([CONFIRMED, REFUSED]).fill_null(False)
    before, now = pl.col("content").str.split(":"), pl.col("now_content").str.split(":")
    changed = (before.list.first() == now.list.first()) & (before.list.last() != now.list.last())
    again = (
        pl.when(known & changed)
        .then(pl.lit("changed"))
        .when(~known & (state_ == REPAIRED))
        .then(pl.lit("again"))
        .when((state_ == CORRECTED) & (pl.col("now_delivery") > pl.col("answered")))
        .then(pl.lit("again"))
    )
    gone = last_of_item() & ~pl.col("measure_id").is_in(list(catalogue)) & state_.is_in([OPEN, CORRECTED])
    become = (
        pl.when(gone)
        .then(pl.lit(WITHDRAWN))
        .when(judged & ~wrong)
        .then(pl.lit(REPAIRED))
        .when(judged & wrong & again.is_not_null())
        .then(pl.lit(REOPENED))
        .when(judged & wrong & known & (state_ == REPAIRED))
        .then(outcome)  # it was gone for a while and is back as it was confirmed
        .otherwise(state_)
    )
    settled = [REPAIRED, REOPENED, WITHDRAWN]
    rows = state.items.join(tonight, on="item_id", how="left", maintain_order="left").with_columns(
        become.alias("become"), pl.when(judged & wrong).then(again).alias("why")
    )
    closed = (
        pl.when(pl.col("become") == state_)
        .then(pl.col("closed"))
        .when(pl.col("become").is_in(settled))
        .then(pl.lit(as_of))
    )
    rows = rows.with_columns(
        closed.alias("closed"),
        # Another set of columns is shown since an update: what was confirmed goes on from what it shows now.
        pl.when(judged & wrong & known & (before.list.first() != now.list.first()))
        .then("now_content")
        .otherwise("content")
        .alias("content"),
        pl.when((pl.col("become") == REOPENED) & (state_ != REOPENED)).then("why").otherwise("again").alias("again"),
        pl.col("become").alias("state"),
    )
    return rows.select(list(SCHEMA))
