"""Files of lists: ordered, written by two processes of their own, noted in the audit log, and only then sent.

The first byte leaves after the audit log has the entry. A transfer that breaks off is noted as incomplete; the file
itself is gone as soon as it is open for sending.
"""

import asyncio
import contextlib
import os
import secrets
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from canbao.clock import ZONE
from canbao.home import Home
from canbao.portal.accounts import Account
from canbao.portal.audit_log import AuditError
from canbao.portal.page import Portal, Stop, account_of, note, portal_of, render, when
from canbao.portal.register import Download, Register, query_text
from canbao.portal.serials import Tracer, new_serial
from canbao.portal.workers import Busy, Done, Workers

if TYPE_CHECKING:
    from canbao.portal.listfile import Order, Written
    from canbao.portal.lists import ListQuery
    from canbao.portal.store import Publication

PART_ROWS = 1_048_000
"""Rows of one file (Excel ends at 1,048,576); a longer list comes in numbered parts."""

WORKERS = 2
"""Processes that write files."""

WAITING = 200
"""Files that may wait for them; more are asked to come again."""

READERS = 1
"""Processes that read what villages return: of their own, so that no file waits for them, however many come."""

READ_WAITING = 40
"""Returned files that may wait for them; more are asked to come again."""

READ_EACH = 2
"""Of those, of one account."""

RETRY_AFTER = 30
"""Seconds after which to come again."""

_CHUNK = 256 * 1024
_STARTED = time.time()
_LONGEST_TRANSFER = 6 * 3600
_TYPES = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}


class Files(Protocol):
    """What every order of a file names."""

    @property
    def serial(self) -> str:
        """Serial of the file."""

    @property
    def target(self) -> Path:
        """File to write."""

    @property
    def kept(self) -> Path:
        """File for what the rows are recognised by."""


@dataclass(frozen=True)
class Wish:
    """What somebody wants to have as a file.

    Attributes:
        query: The list.
        form: `xlsx` or `csv`.
        part: Which part, from 1.
        full: Numbers in full.
        reason: Why, where numbers are in full.
        request_id: What a second person approved; empty where none was needed.
        approved_by: That second person.
        most: Rows that were approved; None where nobody had to.
    """

    query: "ListQuery"
    form: str
    part: int = 1
    full: bool = False
    reason: str = ""
    request_id: str = ""
    approved_by: str = ""
    most: int | None = None


class Downloads:
    """What one portal hands out.

    Args:
        portal: The portal.
    """

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self.register = Register(portal.home)
        self.folder = portal.home / "portal" / "tmp"
        self.part_rows = PART_ROWS
        self.writers = Workers(WORKERS, WAITING)
        self.readers = Workers(READERS, READ_WAITING)
        self._reading: Counter[str] = Counter()
        self._secret = Tracer.of(Home(portal.home)).secret
        self._tidied = ""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._sweep()
        self.tidy()

    def day(self) -> str:
        """The day in China."""
        return self._portal.clock().astimezone(ZONE).strftime("%Y-%m-%d")

    def stem(self) -> str:
        """Name of a file that nobody can guess, without ending; tells which process it belongs to."""
        return f"{os.getpid()}-{secrets.token_hex(16)}"

    @staticmethod
    def who(account: Account, unit: str) -> str:
        """Who takes a file, as it stands in it."""
        return f"{account.name}" + (f"（{account.holder}）" if account.holder else "") + (f" {unit}" if unit else "")

    @property
    def secret(self) -> bytes:
        """Of the `Tracer`."""
        return self._secret

    def parts(self, rows: int) -> int:
        """How many files a list of so many rows takes."""
        return max(1, -(-rows // self.part_rows))

    def order(self, pub: "Publication", account: Account, unit: str, wish: Wish) -> "Order":
        """What a worker needs to write a file."""
        from canbao.portal.listfile import Order

        serial = new_serial()
        stem = self.stem()
        who = self.who(account, unit)
        reason = wish.reason + (f"（{wish.approved_by} 批准）" if wish.approved_by else "")
        return Order(
            serial=serial,
            form=wish.form,
            query=wish.query,
            account=account,
            folder=pub.folder,
            index_file=pub.index_file,
            full=wish.full,
            part=wish.part,
            part_rows=self.part_rows,
            unit=unit,
            who=who,
            at=when(self._portal.clock()),
            reason=reason,
            secret=self._secret,
            target=self.folder / f"{stem}.{wish.form}",
            kept=self.folder / f"{stem}.parquet",
        )

    async def write(self, order: "Order") -> "Written":
        """Have a list written; the event loop goes on meanwhile.

        A process that is killed takes all along that the others were at, and is missed only by the next task: a list is
        begun once more.

        Raises:
            Busy: Too many wait already.
            Stop: The list is not there any more, or the process that wrote it died, twice.
        """
        from canbao.portal.listfile import write_list

        return await self.work(write_list, order, discard=lambda: self.discard(order), tries=2)

    async def work(
        self, task: Callable[..., Done], *arguments: Any, discard: Callable[[], None] | None = None, tries: int = 1
    ) -> Done:
        """Have something done by one of the processes that write files; see `Workers.work`."""
        return await self.writers.work(task, *arguments, discard=discard, tries=tries)

    async def read(self, account: str, task: Callable[..., Done], *arguments: Any) -> Done:
        """Have a returned file read, apart from the processes that write files; see `Workers.work`.

        Raises:
            Busy: Too many wait already, or too many of this account.
            Stop: What is asked for is not there any more, or the process died.
        """
        if self._reading[account] >= READ_EACH:
            raise Busy
        self._reading[account] += 1
        try:
            return await self.readers.work(task, *arguments)
        finally:
            self._reading[account] -= 1
            self._reading += Counter()  # forgets who has none

    def discard(self, order: Files) -> None:
        """Remove what a file that is not sent left."""
        for path in (order.target, order.kept):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove what processes left that are no more."""
        for path in self.folder.iterdir():
            owner = path.name.partition("-")[0]
            with contextlib.suppress(OSError):
                earlier = owner == str(os.getpid()) and path.stat().st_mtime < _STARTED
                if earlier or not owner.isdigit() or not _lives(int(owner)):
                    path.unlink()

    def tidy(self) -> None:
        """Once a day: forget downloads as old as the audit log may be, note transfers that nobody saw end."""
        if self._tidied != self.day():
            self._tidied = self.day()
            kept = timedelta(days=self._portal.settings.audit_keep_days)
            self.register.drop_before((self._portal.clock() - kept).timestamp())
            for left in self.register.unfinished():
                if left.at < self._portal.clock().timestamp() - _LONGEST_TRANSFER:
                    self._note_broken(left, None, None)

    def ended(self, download: Download, address: str | None, sent: int) -> None:
        """Note how a transfer ended."""
        if sent == download.byte_count:
            self.register.ended(download.serial, "done")
        else:
            self._note_broken(download, address, sent)

    def _note_broken(self, download: Download, address: str | None, sent: int | None) -> None:
        self.register.ended(download.serial, "broken")
        try:
            self._portal.audit.append(
                "download_incomplete",
                account=download.account,
                role=download.role,
                address=address,
                target=download.serial,
                outcome="failed",
                rows=download.row_count,
                reason="broken off",
                detail={"bytes": download.byte_count, "sent": sent},
            )
        except AuditError as error:  # the next request finds that out too, and nothing is served then
            print(f"canbao serve: {error}", file=sys.stderr, flush=True)

    def alarm(self, account: Account, what: str, line: str) -> None:
        """Open an incident and tell the bureau, once a day and account, that somebody goes beyond what is allowed.

        Args:
            account: Who.
            what: `quota_exceeded` or `search_misses`.
            line: In Chinese; names the account and no person.
        """
        if self.register.alarm(f"{what} {account.name}", self.day()):
            told = (self._portal.home, what, account.name, line, self.day())
            threading.Thread(target=_tell, args=told, daemon=True).start()

    def within_misses(self, account: Account, more: int, line: str) -> bool:
        """Whether so many more numbers that nobody has are within the day's budget; where not, the bureau is told.

        A masked number leaves a thousand that fit; a search, or a file, that says which of them exists would be the way
        round it.

        Args:
            account: Who asks.
            more: Numbers that nobody has: those of a file, or the one that a search may turn out to be.
            line: For the alarm, in Chinese; names the account and no person.
        """
        used = self._portal.accounts.search_misses(account.name, self.day())
        if used + more <= self._portal.settings.search_misses:
            return True
        self.alarm(account, "search_misses", line)
        return False

    def close(self) -> None:
        """End the processes; what they write is thrown away."""
        self.writers.close()
        self.readers.close()


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _tell(home: Path, what: str, name: str, line: str, day: str) -> None:
    from canbao.quality.incidents import open_portal
    from canbao.quality.notify import send
    from canbao.settings import load_settings

    try:
        open_portal(Home(home), f"portal.{what}.{name}", line, day)
        send(Home(home), load_settings(home / "canbao.toml"), [line], {"state": what})
    except Exception as error:  # the audit log has it anyway
        print(f"canbao serve: 通知未能发出（{type(error).__name__}）。", file=sys.stderr, flush=True)


def within_quota(request: Request, rows: int, target: str) -> None:
    """See that the day's quota is enough.

    Raises:
        Stop: It is not; noted, and the bureau is told.
    """
    account = account_of(request)
    downloads = portal_of(request).downloads
    left = portal_of(request).accounts.rows_left(account, downloads.day())
    if rows > left:
        raise over_quota(request, rows, left, target)


def _take_rows(request: Request, rows: int, target: str) -> None:
    """Count rows against the day's quota, however many requests of the account come at once."""
    portal, account = portal_of(request), account_of(request)
    day = portal.downloads.day()
    if not portal.accounts.take_rows(account, day, rows):
        raise over_quota(request, rows, portal.accounts.rows_left(account, day), target)


def over_quota(request: Request, rows: int, left: int, target: str) -> Stop:
    """Note that somebody wants more than the quota.

    Returns:
        The exception to raise.
    """
    account = account_of(request)
    note(request, "quota_exceeded", target=target, outcome="refused", rows=rows, reason="quota", left=max(left, 0))
    portal_of(request).downloads.alarm(
        account,
        "quota_exceeded",
        f"账号 {account.name} 今日下载超过限额：本次要 {rows:,} 行，剩余 {max(left, 0):,} 行。请审计员核对。",
    )
    return Stop(
        f"本次 {rows:,} 行，超过今日剩余限额 {max(left, 0):,} 行，未下载。"
        "请缩小范围或增加条件；确需更多的，请联系安全管理员调整限额。已记入审计日志。",
        429,
    )


async def deliver(request: Request, order: "Order", wish: Wish) -> Response:
    """Have the file written, then noted, then sent.

    Args:
        request: The request; whoever sent it may have the list.
        order: From `Downloads.order`.
        wish: What it was made from.

    Raises:
        Stop, AuditError: Nothing is sent.
    """
    downloads = portal_of(request).downloads
    try:
        written = await downloads.write(order)
    except Busy:
        return await run_in_threadpool(come_again, request)
    try:
        return await run_in_threadpool(_hand_over, request, order, wish, written)
    except BaseException:
        downloads.discard(order)
        raise


def come_again(request: Request) -> Response:
    """The page for when too much waits already."""
    answer = render(request, "stop.html", 503, message=f"此刻等待的人太多，请 {RETRY_AFTER} 秒后再试。")
    answer.headers["Retry-After"] = str(RETRY_AFTER)
    return answer


def _hand_over(request: Request, order: "Order", wish: Wish, written: "Written") -> Response:
    portal = portal_of(request)
    downloads, account = portal.downloads, account_of(request)
    register = downloads.register
    if wish.most is not None and written.rows > wish.most:
        raise Stop(f"名单已更新：现有 {written.rows:,} 行，多于批准的 {wish.most:,} 行。请重新申请。", 409)
    download = Download(
        serial=order.serial,
        at=portal.clock().timestamp(),
        day=downloads.day(),
        account=account.name,
        holder=account.holder,
        role=account.role,
        division=account.division,
        unit=order.unit,
        list=query_text(wish.query),
        title=wish.query.title(request.state.scope.tree),
        filters=wish.query.filter_text(),
        publication=f"{order.folder.parent.name}/{order.folder.name}",
        form=wish.form,
        part=wish.part,
        parts=downloads.parts(written.all_rows),
        row_count=written.rows,
        byte_count=written.bytes,
        level="full" if wish.full else "masked",
        reason=wish.reason,
        approved_by=wish.approved_by,
    )
    if wish.request_id and not register.use(wish.request_id):
        raise Stop("这项申请已经用过。请重新申请。", 409)
    name = f"{download.title}_{order.folder.parent.name}_{order.serial}"
    name += f"_第{wish.part}部分" if download.parts > 1 else ""
    try:
        return hand_over(
            request, order, download, name, wish.query.division,
            list=wish.query.kind, basis=wish.query.basis, filters=dict(wish.query.filters), part=wish.part,
            parts=download.parts, alone=portal.settings.approve_above if wish.full and not wish.request_id else None,
        )  # fmt: skip
    except BaseException:
        if wish.request_id:
            register.give_back(wish.request_id)
        raise


def _register(register: Register, download: Download, alone: int | None) -> None:
    if alone is None:
        register.add(download)
    elif not register.add_alone(download, alone):
        raise Stop("今日不经审批可取的完整号码已经用完，本次未下载。请重新提交，由第二人审批。", 409)


def hand_over(
    request: Request,
    order: Files,
    download: Download,
    name: str,
    division: str,
    *,
    alone: int | None = None,
    **detail: Any,
) -> Response:
    """Send a file that was written: counted against the quota, remembered, and noted before the first byte.

    Args:
        request: The request; whoever sent it may have the file.
        order: What was written, and where.
        download: As the register keeps it.
        name: What the browser calls the file, without ending.
        division: Whose people are in it.
        alone: Rows with full numbers that the account may take in a day without a second person, where that counts.
        detail: Further facts for the audit log, none of them about a person.

    Raises:
        Stop, AuditError: Nothing is sent.
    """
    portal = portal_of(request)
    downloads = portal.downloads
    opened: BinaryIO | None = None
    try:
        _take_rows(request, download.row_count, division)
        order.kept.replace(downloads.register.rows_file(order.serial))
        _register(downloads.register, download, alone)
        opened = order.target.open("rb")
        order.target.unlink()
        note(
            request, "download", target=order.serial, rows=download.row_count, reason=download.reason or None,
            division=division, form=download.form, level=download.level, publication=download.publication,
            unit=download.unit, approved_by=download.approved_by or None, **detail,
        )  # fmt: skip
    except BaseException:
        if opened is not None:
            opened.close()
        downloads.register.forget(order.serial)
        raise
    downloads.tidy()
    return _Sent(opened, download, name, portal, request.state.address)


def _headers(download: Download, name: str) -> Mapping[str, str]:
    from canbao.reports.office import file_name

    plain = f"list-{download.serial}.{download.form}"
    full = quote(f"{file_name(name)}.{download.form}")
    return {
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{full}",
        "X-Canbao-Rows": str(download.row_count),
        "X-Canbao-Serial": download.serial,
    }


class _Sent(Response):
    """A file on its way: sent in pieces, and noted how far it came."""

    def __init__(self, file: BinaryIO, download: Download, name: str, portal: Portal, address: str) -> None:
        super().__init__(None, 200, _headers(download, name), _TYPES[download.form])
        self.headers["content-length"] = str(download.byte_count)
        self._file = file
        self._download = download
        self._portal = portal
        self._address = address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent = 0

        async def pieces() -> None:
            nonlocal sent
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            while sent < self._download.byte_count:
                piece = await run_in_threadpool(self._file.read, _CHUNK)
                if not piece:
                    return
                more = sent + len(piece) < self._download.byte_count
                await send({"type": "http.response.body", "body": piece, "more_body": more})
                sent += len(piece)

        async def gone() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        sending, leaving = asyncio.ensure_future(pieces()), asyncio.ensure_future(gone())
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        except OSError:
            pass  # the other side went away
        finally:
            for task in (sending, leaving):
                if not task.done():
                    task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task
            self._file.close()
            await run_in_threadpool(self._portal.downloads.ended, self._download, self._address, sent)
