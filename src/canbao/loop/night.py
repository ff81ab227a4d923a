"""What a night does about the loop: it learns what was sent, and takes the returned rows of a day as one file."""

import csv
import io
import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from canbao.clock import ZONE
from canbao.home import read_json, sync, write_atomically

if TYPE_CHECKING:
    from canbao.home import Home
    from canbao.loop.state import Loop
    from canbao.nightly import Night

SOURCE = "grid_feedback"
RECEIPTS = "H*-*.csv"
"""Files of single receipts in a day's folder; what a night has taken stands in `received-0001.csv` and so on."""

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
    day = at.astimezone(ZONE).date() if at else None
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
        return sum(_gathered(night.home, loop, day) for day in days)


def _gathered(home: "Home", loop: "Loop", day: Path) -> int:
    """Merge one day's receipts, in the order in which they began to count."""
    for folder in sorted(_kept(home, day.name).glob("received-*")):
        if _is_published(home, day.name, f"{folder.name}.csv"):
            shutil.rmtree(folder)  # nobody can take back any of them
            with suppress(OSError):  # others of the day are still there
                folder.parent.rmdir()
    if not any(day.glob(RECEIPTS)):
        return _merge(day)
    since = {one.receipt_no: one.decided_at or one.at for one in loop.receipts(day=date.fromisoformat(day.name))}
    return _merge(day, {f"{number}.csv": at for number, at in since.items()})


def taken(home: "Home", landed: str) -> bool:
    """Whether a night has taken a receipt's file: a publication was made of it, by itself or as part of a merged one.

    A night that published nothing has taken nothing.

    Args:
        home: The installation.
        landed: The file below `<home>/landing`, as the receipt has it.
    """
    path = home.landing / landed
    name = path.name if path.exists() else None
    if name is None:
        part = _part(home, landed)
        name = f"{part.parent.name}.csv" if part else None
    return name is None or _is_published(home, path.parent.name, name)


def cut(home: "Home", landed: str) -> None:
    """Take a receipt's rows out of the merged file that they are part of. A second time changes nothing.

    The caller holds `landing`, and no night is at work.

    Args:
        home: The installation.
        landed: The file below `<home>/landing`, as the receipt has it.
    """
    day = (home.landing / landed).parent
    for folder in sorted(_kept(home, day.name).glob("received-*")):
        single = folder / Path(landed).name
        rest = [path for path in _in_order(folder) if path != single]
        if single.exists():
            whole = day / f"{folder.name}.csv"
            if rest:
                _write_whole(whole, rest)
            else:
                whole.unlink(missing_ok=True)
                sync(day)
            single.unlink()
        if not rest:
            shutil.rmtree(folder)
    if day.is_dir() and not any(day.iterdir()):
        day.rmdir()  # an empty delivery is none


def _kept(home: "Home", day: str) -> Path:
    """Where the files of single receipts are kept that stand in a merged one, while they may be taken back."""
    return home.root / "loop" / "merged" / day


def _part(home: "Home", landed: str) -> Path | None:
    """The file of a receipt that is part of a merged one."""
    path = home.landing / landed
    return next(_kept(home, path.parent.name).glob(f"received-*/{path.name}"), None)


def _in_order(folder: Path) -> list[Path]:
    """The files that a merged one consists of, in their order."""
    names = json.loads((folder / "order.json").read_text(encoding="utf-8"))
    return [folder / name for name in names if (folder / name).exists()]


def _is_published(home: "Home", day: str, name: str) -> bool:
    """Whether a publication, kept or retired, names a file of the landing area among its inputs."""
    retired = sorted(home.history.glob("[0-9]*-*-*/*/manifest.json"))
    of_publications = [folder / "manifest.json" for folder in home.publications()]
    for manifest in [*reversed(of_publications), *reversed(retired)]:
        if manifest.parent.parent.name < day:
            continue  # as of an earlier day: it has nothing of this one
        files = read_json(manifest).get("inputs", {}).get("files", [])
        if any(
            one.get("source") == SOURCE and one.get("file") == name and one.get("delivery", day) == day for one in files
        ):
            return True
    return False


def _merge(day: Path, since: Mapping[str, datetime] | None = None) -> int:
    """One day's receipts become one file more.

    The list of what it holds stands beside it first and goes last: after a break-off it says which single files are in
    the merged one already. The single files are kept aside until a publication was made of them: a receipt that a night
    took which published nothing may still be taken back.

    Args:
        day: The day's folder.
        since: File name to the moment since which the receipt counts: a later one takes the place of an earlier one.
    """
    aside = day.parent.parent.parent / "loop" / "merged" / day.name
    for noted in sorted(day.glob(".received-*.json")):
        if day.joinpath(noted.stem.removeprefix(".") + ".csv").exists():
            _put_aside(day, aside / noted.stem.removeprefix("."), json.loads(noted.read_text(encoding="utf-8")))
        noted.unlink()
    first = datetime.min.replace(tzinfo=UTC)
    single = sorted(
        day.glob(RECEIPTS), key=lambda path: ((since or {}).get(path.name, first), len(path.name), path.name)
    )
    if not single:
        return 0
    number = 1 + max((int(path.stem.rpartition("-")[2]) for path in day.glob("received-*.csv")), default=0)
    name = f"received-{number:04d}"
    write_atomically(day / f".{name}.json", json.dumps([path.name for path in single]))
    _write_whole(day / f"{name}.csv", single)
    _put_aside(day, aside / name, [path.name for path in single])
    day.joinpath(f".{name}.json").unlink()
    return len(single)


def _write_whole(whole: Path, parts: Sequence[Path]) -> None:
    write_atomically(whole, _joined(parts))
    whole.chmod(0o600)
    # It came into being whole: its age must not let it be taken for a file that is still being sent.
    long_ago = time.time() - _SETTLED
    os.utime(whole, (long_ago, long_ago))


def _put_aside(day: Path, folder: Path, names: Sequence[str]) -> None:
    for made in (folder.parent.parent.parent, folder.parent.parent, folder.parent, folder):
        made.mkdir(exist_ok=True, mode=0o700)
    known = [Path(name).name for name in names]
    write_atomically(folder / "order.json", json.dumps(known))
    (folder / "order.json").chmod(0o600)
    for name in known:
        with suppress(FileNotFoundError):
            day.joinpath(name).rename(folder / name)
    sync(folder)
    sync(day)


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
