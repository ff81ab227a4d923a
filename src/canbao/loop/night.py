"""What a night does about the loop: it learns what was sent, and takes the returned rows of a day as one file."""

import csv
import io
import json
import os
import time
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from canbao.home import sync_folder, write_atomically

if TYPE_CHECKING:
    from canbao.home import Home
    from canbao.nightly import Night

SOURCE = "grid_feedback"
RECEIPTS = "H*-*.csv"
"""Files of single receipts in a day's folder; what a night has taken stands in `received-0001.csv` and so on."""

_ZONE = ZoneInfo("Asia/Shanghai")
_SETTLED = 2 * 86_400
"""Seconds; more than `[intake] quiet_seconds` may be."""


def load(night: "Night") -> None:
    """Fill `sent_row` and `sent_batch` with what was sent not after the as-of date, before anything is built."""
    from canbao.loop.state import Loop

    if not Loop.begun(night.home):
        return
    as_of = night.options.as_of
    loop = Loop(night.home)
    batches = [one for one in loop.batches() if one.sent <= as_of]
    if not batches:
        return
    import polars as pl

    schema = {
        "batch_no": pl.Int32, "batch_id": pl.String, "round_no": pl.Int32, "division_code": pl.String,
        "division_name": pl.String, "level": pl.Int32, "kind": pl.String, "rows": pl.Int32, "sent": pl.Date,
        "due": pl.Date, "is_recalled": pl.Boolean, "zero_on": pl.Date,
    }  # fmt: skip
    rows = [
        (
            one.batch_no, one.batch_id, one.round_no, one.division_code, one.division_name, one.level, one.kind,
            one.rows, one.sent, one.due, _until(one.recalled_at, as_of) is not None, _until(one.zero_at, as_of),
        )
        for one in batches
    ]  # fmt: skip
    con = night.warehouse.con
    con.register("loading", pl.DataFrame(rows, schema=schema, orient="row").to_arrow())
    con.execute("INSERT INTO sent_batch BY NAME SELECT * FROM loading")
    con.unregister("loading")
    files = [str(loop.sent_file(number)) for number in sorted({one.round_no for one in batches if one.rows})]
    if files:
        from canbao.loop.queries import query

        con.execute(query("night", "sent_row"), {"files": files})


def _until(at: datetime | None, as_of: date) -> date | None:
    """The day of a moment in China, None where it lies after the as-of date."""
    day = at.astimezone(_ZONE).date() if at else None
    return day if day and day <= as_of else None


def gather(night: "Night") -> int:
    """Merge the receipts of each day that this night takes into one file: thousands of small ones cost minutes.

    Call it before the landing areas are looked at.

    Returns:
        Number of receipts merged.
    """
    if (night.home.root / "loop" / "pending").is_dir():
        from canbao.loop.receive import settle_files

        settle_files(night.home)  # a confirmation that was killed before its file was in place counts
    days = sorted((night.home.landing / SOURCE).glob("????-??-??"))
    days = [day for day in days if day.is_dir() and day.name <= night.options.as_of.isoformat()]
    if not days:
        return 0
    from canbao.loop.state import Loop

    loop = Loop(night.home)
    with loop.held("landing"):
        return sum(_merge(day) for day in days)


def taken(home: "Home", landed: str) -> bool:
    """Whether a night has taken a receipt's file: it is then part of a merged one.

    Args:
        home: The installation.
        landed: The file below `<home>/landing`, as the receipt has it.
    """
    return not (home.landing / landed).exists()


def _merge(day: Path) -> int:
    """One day's receipts become one file more.

    The list of what it holds stands beside it first and goes last: after a break-off it says which single files are in
    the merged one already.
    """
    for noted in sorted(day.glob(".received-*.json")):
        if day.joinpath(noted.stem.removeprefix(".") + ".csv").exists():
            _remove(day, json.loads(noted.read_text(encoding="utf-8")))
        noted.unlink()
    single = sorted(day.glob(RECEIPTS))
    if not single:
        return 0
    number = 1 + max((int(path.stem.rpartition("-")[2]) for path in day.glob("received-*.csv")), default=0)
    name = f"received-{number:04d}"
    write_atomically(day / f".{name}.json", json.dumps([path.name for path in single]))
    write_atomically(day / f"{name}.csv", _joined(single))
    whole = day / f"{name}.csv"
    whole.chmod(0o600)
    # It came into being whole: its age must not let it be taken for a file that is still being sent.
    long_ago = time.time() - _SETTLED
    os.utime(whole, (long_ago, long_ago))
    _remove(day, [path.name for path in single])
    day.joinpath(f".{name}.json").unlink()
    return len(single)


def _remove(day: Path, names: Sequence[str]) -> None:
    for name in names:
        day.joinpath(Path(name).name).unlink(missing_ok=True)
    sync_folder(day)


def _joined(files: Sequence[Path]) -> str:
    """The rows of CSV files under all their columns."""
    rows: list[dict[str, str]] = []
    names: dict[str, None] = {}
    for path in files:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            names.update(dict.fromkeys(reader.fieldnames or ()))
            rows += reader
    text = io.StringIO()
    writer = csv.DictWriter(text, list(names), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
