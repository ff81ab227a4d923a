"""The audit log: append-only lines, each bound to the one before it by a hash; what cannot be written is not served.

One file a month, `<home>/audit/<YYYY-MM>.jsonl`; the chain runs through all of them. The portal and the commands write
under one lock. Entries name accounts, ids and counts, never a person's name, number or telephone.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from canbao.errors import CanbaoError
from canbao.home import read_json, sync_folder, write_atomically

KEPT_DAYS = 184
"""Six months, which the law wants at the least (网络安全法: 网络日志不少于六个月); no setting lowers it."""

_CHINA = ZoneInfo("Asia/Shanghai")
"""Days and months of the log are those of the people who search it."""

FIRST = "0" * 64
"""What stands for the entry before the first one."""


class AuditError(CanbaoError):
    """The log cannot be written: nothing may be served."""

    exit_status = 1


@dataclass(frozen=True)
class Verdict:
    """What a check of the chain found.

    Attributes:
        entries: Number of entries read.
        head: Hash of the last one.
        problems: What is wrong, in Chinese: file, line and kind; empty where all is well.
    """

    entries: int
    head: str
    problems: list[str]


class AuditLog:
    """The log of one installation.

    Args:
        home: The installation's folder.
    """

    def __init__(self, home: Path) -> None:
        self.folder = home / "audit"
        self._lock = self.folder / ".lock"
        self._head = self.folder / "head.json"

    def append(  # the fields of an entry
        self,
        action: str,
        *,
        account: str | None = None,
        role: str | None = None,
        address: str | None = None,
        target: str | None = None,
        outcome: str = "ok",
        rows: int | None = None,
        reason: str | None = None,
        detail: Mapping[str, Any] | None = None,
        at: datetime | None = None,
    ) -> str:
        """Write one entry and make it durable before returning.

        Args:
            action: What was done (`sign_in`, `view_person`, `download`, …).
            account: Who; None for somebody who is not signed in.
            role: In which role.
            address: From where.
            target: What it was done to: a division, a person id, an account, a serial.
            outcome: `ok`, `refused` or `failed`.
            rows: Rows that were given out or taken in.
            reason: Why, as the person wrote it.
            detail: Further figures.
            at: When; now by default.

        Returns:
            The entry's hash.

        Raises:
            AuditError: It could not be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._locked():
                return self._write(
                    {
                        "at": (at or datetime.now(UTC)).astimezone(_CHINA).isoformat(timespec="milliseconds"),
                        "account": account,
                        "role": role,
                        "address": address,
                        "action": action,
                        "target": target,
                        "outcome": outcome,
                        "rows": rows,
                        "reason": reason,
                        "detail": dict(detail or {}),
                    }
                )
        except OSError as error:
            raise AuditError(f"审计日志无法写入（{error.strerror}），已停止提供服务。请检查 {self.folder}。") from None

    def probe(self) -> None:
        """See whether an entry could be written now; asked before anything is served, also what needs no entry.

        Raises:
            AuditError: It could not.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = next(iter(self._files()[-1:]), self._lock)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600))
        except OSError as error:
            raise AuditError(f"审计日志无法写入（{error.strerror}），已停止提供服务。请检查 {self.folder}。") from None

    def _write(self, entry: dict[str, Any]) -> str:
        head = self._last()
        entry = {"seq": head[0] + 1, **entry, "previous": head[1]}
        digest = _digest(entry)
        line = json.dumps({**entry, "hash": digest}, ensure_ascii=False, sort_keys=True) + "\n"
        path = self.folder / f"{entry['at'][:7]}.jsonl"
        fresh = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = "\n" + line  # an entry that was broken off stays a line of its own, for `verify` to name
            os.write(descriptor, line.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if fresh:
            sync_folder(self.folder)
        self._known = (path, path.stat().st_size, entry["seq"], digest)
        return digest

    def _last(self) -> tuple[int, str]:
        """Number and hash of the last entry; what this process wrote last is not read again."""
        files = self._files()
        if not files:
            return (0, FIRST)
        path = files[-1]
        known = getattr(self, "_known", None)
        if known is not None and known[0] == path and known[1] == path.stat().st_size:
            return (known[2], known[3])
        entry = _last_entry(path)
        return (int(entry["seq"]), str(entry["hash"])) if entry else (0, FIRST)

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9][0-9][0-9][0-9]-[0-9][0-9].jsonl"))

    def _locked(self) -> "_Lock":
        return _Lock(self._lock)

    def entries(self, since: str = "", until: str = "") -> Iterator[dict[str, Any]]:
        """All entries of some months, oldest first; a line that cannot be read is left to `verify`.

        Args:
            since: First month or day, `YYYY-MM…`.
            until: Last one.
        """
        for path in self._files():
            if (since and path.stem < since[:7]) or (until and path.stem > until[:7]):
                continue
            with path.open(encoding="utf-8", errors="replace") as file:
                for line in file:
                    try:
                        yield json.loads(line)
                    except ValueError:
                        continue

    def search(  # each may be left out
        self,
        *,
        account: str = "",
        target: str = "",
        action: str = "",
        outcome: str = "",
        since: str = "",
        until: str = "",
        limit: int = 200,
        offset: int = 0,
    ) -> tuple[list[dict[str, Any]], int]:
        """Entries that fit, newest first.

        Args:
            account: Exact name.
            target: Exact person id, division, account or serial.
            action: Exact action.
            outcome: `ok`, `refused` or `failed`.
            since: First day, `YYYY-MM-DD`.
            until: Last day.
            limit: At most so many.
            offset: After so many.

        Returns:
            The entries, and how many fit altogether.
        """
        wanted = {"account": account, "target": target, "action": action, "outcome": outcome}
        wanted = {name: value for name, value in wanted.items() if value}
        found = [
            entry
            for entry in self.entries(since, until)
            if all(entry.get(name) == value for name, value in wanted.items())
            and (not since or str(entry.get("at", ""))[:10] >= since)
            and (not until or str(entry.get("at", ""))[:10] <= until)
        ]
        found.reverse()
        return found[offset : offset + limit], len(found)

    def verify(self) -> Verdict:
        """Go through the whole chain."""
        problems: list[str] = []
        kept = read_json(self._head)
        previous = str(kept.get("hash") or FIRST)
        number = int(kept.get("seq") or 0)
        count = 0
        for path in self._files():
            with path.open(encoding="utf-8", errors="replace") as file:
                for line_no, line in enumerate(file, 1):
                    where = f"{path.name} 第 {line_no} 行"
                    try:
                        entry = json.loads(line)
                        claimed = entry.pop("hash")
                    except (ValueError, KeyError, AttributeError):
                        problems.append(f"{where}：无法读取，可能被截断或改动。")
                        continue
                    count += 1
                    if entry.get("previous") != previous:
                        problems.append(f"{where}：与上一条不连续，可能有记录被删除、插入或调换。")
                    if entry.get("seq") != number + 1:
                        problems.append(f"{where}：序号应为 {number + 1}，实为 {entry.get('seq')}。")
                    if _digest(entry) != claimed:
                        problems.append(f"{where}：内容与其校验值不符，已被改动。")
                    previous, number = str(claimed), int(entry.get("seq") or number + 1)
        return Verdict(count, previous, problems)

    def copy_to(self, place: Path) -> Verdict:
        """Copy the log and its head to a second place; a copy that is longer than the log is a sign of a cut log.

        Raises:
            AuditError: The place cannot be written to.
        """
        try:
            place.mkdir(parents=True, exist_ok=True)
            with self._locked():
                verdict = self.verify()
                for path in self._files():
                    target = place / path.name
                    if target.exists() and target.stat().st_size > path.stat().st_size:
                        verdict.problems.append(f"{path.name}：比备份短，日志被截断。备份未覆盖。")
                        continue
                    fresh = place / f".{path.name}.part"
                    shutil.copy2(path, fresh)
                    fresh.replace(target)
                head = {"entries": verdict.entries, "hash": verdict.head}
                write_atomically(place / "head.json", json.dumps(head))
        except OSError as error:
            raise AuditError(f"审计日志无法复制到 {place}（{error.strerror}）。请检查目录。") from None
        return verdict

    def prune(self, days: int, today: datetime | None = None) -> list[str]:
        """Drop whole months that are older than kept; the chain goes on from the head that stays noted.

        Args:
            days: Days to keep; never fewer than `KEPT_DAYS`.
            today: The day to count from.
        """
        limit = (today or datetime.now(UTC)).astimezone(_CHINA) - timedelta(days=max(days, KEPT_DAYS))
        dropped = []
        with self._locked():
            for path in self._files()[:-1]:
                last = _last_entry(path)
                if last is None or str(last["at"]) >= limit.isoformat():
                    break
                write_atomically(self._head, json.dumps({"seq": last["seq"], "hash": last["hash"]}))
                path.unlink()
                dropped.append(path.name)
        return dropped


class _Lock:
    """The log's lock, for threads and processes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def __enter__(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def _digest(entry: Mapping[str, Any]) -> str:
    text = json.dumps({name: entry[name] for name in entry if name != "hash"}, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _last_entry(path: Path) -> dict[str, Any] | None:
    """The last whole entry of a file, read from its end."""
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        size = file.tell()
        block = b""
        while size > 0 and block.count(b"\n") < 2:
            step = min(65536, size)
            size -= step
            file.seek(size)
            block = file.read(step) + block
    for line in reversed(block.splitlines()):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and "hash" in entry:
            return entry
    return None
