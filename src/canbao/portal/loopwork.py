"""What the pages of the loop have done by a process of their own: sheets, and whatever reads a file or a whole list.

Each task opens the home and the publication itself, and decides the scope anew from the account that asks.
"""

import os
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import polars as pl

from canbao.errors import UserError
from canbao.home import Home
from canbao.intake.problems import FileRefused
from canbao.loop import receive
from canbao.loop.check import Who
from canbao.loop.dispatch import Filters, Plan, plan_dispatch, send
from canbao.loop.state import ZERO, Batch, Loop, Receipt, Round
from canbao.portal.accounts import Account
from canbao.portal.batches import holds
from canbao.portal.listfile import GoneError, Written, open_publication
from canbao.portal.scope import Scope
from canbao.portal.serials import Tracer
from canbao.portal.store import Publication

SHEET, VISIT, REFUSED = "sheet", "visit", "refused"
"""Kinds of files: answer workbook (or zero report), visiting sheet for paper, refused rows."""

_UNKNOWN = "person_unknown"
"""The check of a returned row whose number nobody of the unit has (feedback_check.csv)."""


@dataclass(frozen=True)
class Desk:
    """Who asks, where, when.

    Attributes:
        home: The installation's folder.
        folder: The publication that is served.
        index_file: Its index.
        account: Who asks.
        at: When.
    """

    home: Path
    folder: Path
    index_file: Path
    account: Account
    at: datetime

    def open(self) -> tuple[Publication, Scope, Loop]:
        """The publication, the scope in it, and the loop on the clock of the portal.

        Raises:
            GoneError: The publication's index is not there any more.
        """
        pub = open_publication(self.folder, self.index_file)
        return pub, Scope.of(self.account, pub.tree), Loop(Home(self.home), lambda: self.at)


def who_of(account: Account, scope: Scope) -> Who:
    """Who returns rows, or decides about them: what an account may is decided by its scope."""
    return Who(
        account=account.name,
        holder=account.holder,
        role=scope.role,
        division_code=scope.division.code if scope.division else "",
        may=lambda code: holds(scope, code),
    )


# ---------------------------------------------------------------------------------------------------- going out


@dataclass(frozen=True)
class Wanted:
    """A dispatch that is asked for.

    Attributes:
        division_code: To which division, or what lies in it.
        level: 3 a batch per township, 4 a batch per village.
        filters: Who is asked about.
        day: The day it goes out.
    """

    division_code: str
    level: int
    filters: Filters
    day: date


def plan(desk: Desk, wanted: Wanted) -> Plan:
    """What would go out.

    Raises:
        GoneError: The division is not in the scope any more.
        UserError: Nothing can go out to it.
    """
    _, scope, _ = desk.open()
    if not scope.may_see_division(wanted.division_code):
        raise GoneError("division")
    return plan_dispatch(Home(desk.home), wanted.division_code, wanted.level, filters=wanted.filters, day=wanted.day)


def send_out(desk: Desk, wanted: Wanted, due: date, mark: str) -> Round:
    """Send what was shown.

    Args:
        desk: Who sends.
        wanted: What was asked for.
        due: The last day for answers.
        mark: Of the plan that was shown.

    Raises:
        GoneError: The division is not in the scope any more.
        UserError: Nothing would go out, or something else than was shown.
    """
    made = plan(desk, wanted)
    if made.mark != mark:
        raise UserError("测算之后名单有变化（有新的发布、下发或回收），未下发。请重新测算。")
    return send(made, desk.account.name, due)


# -------------------------------------------------------------------------------------------------- coming back


@dataclass(frozen=True)
class Seen:
    """A preview that was just made, as the audit log tells of it.

    Attributes:
        token: Its name.
        file_name: Of the file, without long numbers.
        rows: Rows that say anything.
        sheets: Sheets that were read.
        counts: Rows by what becomes of them.
        misses: Rows whose number nobody of the unit has.
    """

    token: str
    file_name: str
    rows: int
    sheets: int
    counts: dict[str, int]
    misses: int


def preview_file(desk: Desk, path: Path, name: str, day: date) -> Seen:
    """Read and check a returned file.

    Args:
        desk: Who returns it.
        path: The file; removed in any case.
        name: Its own name.
        day: The day it came back.

    Returns:
        What the preview is called, and what it holds in short.

    Raises:
        UserError: It cannot be read, or checked.
    """
    try:
        _, scope, _ = desk.open()
        made = receive.preview(Home(desk.home), path, who_of(desk.account, scope), day=day, name=name)
        misses = made.rows.filter(pl.col("checks").list.contains(_UNKNOWN)).height
        return Seen(made.token, made.file_name, made.rows.height, len(made.sheets), dict(made.counts), misses)
    except FileRefused as refused:
        raise UserError(refused.message) from None
    finally:
        path.unlink(missing_ok=True)


def confirm_file(desk: Desk, token: str) -> Receipt:
    """Take in what a preview showed.

    Raises:
        UserError: There is no such preview, or something has changed since.
    """
    _, scope, _ = desk.open()
    return receive.confirm(Home(desk.home), token, who_of(desk.account, scope))


@dataclass(frozen=True)
class Decision:
    """What a common superior says where two answers contradict.

    Attributes:
        row_code: A row that one of the sides was sent.
        reason_code: What is so.
        found_on: The day that it was found out.
        ends_on: Until when it holds, where it ends.
        text: Why.
        day: The day of the decision.
    """

    row_code: str
    reason_code: str
    found_on: date
    ends_on: date | None
    text: str
    day: date


def settle_row(desk: Desk, said: Decision) -> Receipt:
    """Answer for a common superior of two divisions whose answers contradict.

    Raises:
        UserError: The answer does not pass the checks.
    """
    _, scope, _ = desk.open()
    return receive.settle(
        Home(desk.home), who_of(desk.account, scope), row_code=said.row_code, reason_code=said.reason_code,
        found_on=said.found_on, ends_on=said.ends_on, note=said.text, day=said.day,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------- sheets


@dataclass(frozen=True)
class SheetOrder:
    """A sheet to write.

    Attributes:
        desk: Who asks.
        serial: Of the download.
        kind: `SHEET` or `VISIT`.
        batch_no: Of which batch.
        full: Numbers in full.
        line: Who takes it, when and why, as it stands in the sheet.
        secret: Of the `Tracer`.
        target: File to write.
        kept: File for what the rows are recognised by.
    """

    desk: Desk
    serial: str
    kind: str
    batch_no: int
    full: bool
    line: str
    secret: bytes
    target: Path
    kept: Path


def write_batch(order: SheetOrder) -> Written:
    """Write the sheet of a batch.

    Raises:
        GoneError: The batch or the publication is not there any more.
    """
    from canbao.loop.sheet import Origin, Taken, write_sheet, write_visiting, write_zero

    _, scope, loop = order.desk.open()
    batch = loop.batch(order.batch_no)
    if batch is None or not holds(scope, batch.division_code):
        raise GoneError("batch")
    rows = loop.rows_of(batch.batch_no)
    origin = Origin.of(_origin_folder(order.desk, loop, batch), scope.tree)
    taken = Taken(order.serial, order.line)
    os.close(os.open(order.target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    if batch.kind == ZERO:
        write_zero(batch, order.target, origin=origin, taken=taken)
    elif order.kind == VISIT:
        write_visiting(rows, batch, order.target, origin=origin, role=scope.role, taken=taken)
    else:
        write_sheet(rows, batch, order.target, origin=origin, full=order.full, role=scope.role, taken=taken)
    remember(order.kept, order.secret, rows, full=order.full and order.kind == SHEET)
    return Written(rows.height, rows.height, order.target.stat().st_size)


@dataclass(frozen=True)
class RefusedOrder:
    """A sheet of refused rows to write; fields as those of `SheetOrder`.

    Attributes:
        name: Token of a preview, or number of a receipt.
    """

    desk: Desk
    serial: str
    name: str
    line: str
    secret: bytes
    target: Path
    kept: Path


def write_refused(order: RefusedOrder) -> Written:
    """Write the refused rows of a preview or a receipt.

    Raises:
        UserError: There is none, or no row was refused.
    """
    from canbao.loop.sheet import Taken

    _, scope, loop = order.desk.open()
    home, who = Home(order.desk.home), who_of(order.desk.account, scope)
    if loop.receipt(order.name) is not None:
        rows = loop.returned_rows(order.name).filter(pl.col("state") == "refused")
        sent = loop.sent_rows({*rows["batch_no"].drop_nulls()}).select("row_code", "psn_name", "age", "certno")
        rows = rows.drop("certno").join(sent, on="row_code", how="left", maintain_order="left")
    else:
        rows = receive.look(home, order.name, who).rows.filter(pl.col("state") == "refused")
    os.close(os.open(order.target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    receive.refused_sheet(home, order.name, who, order.target, taken=Taken(order.serial, order.line))
    remember(order.kept, order.secret, rows, full=False)
    return Written(rows.height, rows.height, order.target.stat().st_size)


def _origin_folder(desk: Desk, loop: Loop, batch: Batch) -> Path:
    """The publication that a batch was taken from, the one that is served where that is gone."""
    made = loop.round(batch.round_no)
    folder = Home(desk.home).published / made.publication if made else desk.folder
    return folder if (folder / "manifest.json").is_file() else desk.folder


def remember(kept: Path, secret: bytes, rows: pl.DataFrame, *, full: bool) -> None:
    """Keep what the rows of a sheet are recognised by: code, person, name, and number where it stands in full (U7).

    Args:
        kept: File to write.
        secret: Of the `Tracer`.
        rows: With row_code, person_id, psn_name, age, certno.
        full: Whether numbers stand in full.
    """
    tracer = Tracer(secret)
    found: dict[str, list[Any]] = {name: [] for name in ("mark", "person", "name", "name_age", "number")}
    for row in rows.iter_rows(named=True):
        found["mark"].append(tracer.code(row["row_code"]) if row.get("row_code") else None)
        found["person"].append(tracer.person(UUID(row["person_id"]).bytes) if row.get("person_id") else None)
        found["name"].append(tracer.look(row.get("psn_name") or ""))
        found["name_age"].append(tracer.look(row.get("psn_name") or "", row.get("age", "")))
        found["number"].append(tracer.look(row["certno"]) if full and row.get("certno") else None)
    schema = {"mark": pl.UInt64, "person": pl.UInt64, "name": pl.UInt32, "name_age": pl.UInt32, "number": pl.UInt32}
    pl.DataFrame(found, schema=schema).write_parquet(kept, compression="zstd")
