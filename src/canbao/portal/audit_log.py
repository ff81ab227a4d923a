"""The audit log: append-only lines, each bound to the one before it by a hash; what cannot be written is not served.

One file a month, `<home>/audit/<YYYY-MM>.jsonl`; the chain runs through all of them. The portal and the commands write
under one lock. Entries name accounts, ids and counts, never a person's name, number or telephone.

Where the log ends is noted outside of its folder too (`<home>/portal/audit_end.json`): what follows a cut goes on from
there, so that the hole stays to be seen; and the log's second copy knows it a third time.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from canbao.clock import ZONE
from canbao.errors import CanbaoError
from canbao.home import read_json, sync, write_atomically

KEPT_DAYS = 184
"""Six months, which the law wants at the least (网络安全法: 网络日志不少于六个月); no setting lowers it."""

"""Days and months of the log are those of the people who search it."""

FIRST = "0" * 64
"""What stands for the entry before the first one."""

_MONTHS = "[0-9][0-9][0-9][0-9]-[0-9][0-9].jsonl"
_PIECE = 1 << 20


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
        number: Number of the last entry.
        place: Where a copy went; None where none was made.
    """

    entries: int
    head: str
    problems: list[str]
    number: int = 0
    place: Path | None = None


@dataclass(frozen=True)
class _End:
    """Where a log ends: number, hash and time of its last entry."""

    seq: int = 0
    hash: str = FIRST
    at: str = ""

    @classmethod
    def of(cls, found: Mapping[str, Any] | None) -> "_End | None":
        """From an entry, or from what was noted of it; None where that says nothing."""
        if not found or type(found.get("seq")) is not int or not isinstance(found.get("hash"), str):
            return None
        return cls(found["seq"], found["hash"], str(found.get("at") or ""))


@dataclass
class _Walk:
    """What came of going through a chain."""

    entries: int = 0
    last: _End = field(default_factory=_End)
    problems: list[str] = field(default_factory=list)
    found: dict[int, set[str]] = field(default_factory=dict)


class AuditLog:
    """The log of one installation.

    Args:
        home: The installation's folder.
        clock: What time it is.
    """

    def __init__(self, home: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.folder = home / "audit"
        self._clock = clock
        self._lock = self.folder / ".lock"
        self._head = self.folder / "head.json"
        self._end = home / "portal" / "audit_end.json"
        self._known: tuple[Path, int, _End] | None = None
        self._failed = False

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
    ) -> str:
        """Write one entry and make it durable before returning.

        Its time is taken under the lock, and is never before that of the entry before it.

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

        Returns:
            The entry's hash.

        Raises:
            AuditError: It could not be written; the log is as before.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._locked():
                written = self._write(
                    {
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
            self._failed = True
            raise self._cannot(error) from None
        self._failed = False
        return written

    def _cannot(self, error: OSError) -> AuditError:
        return AuditError(f"审计日志无法写入（{error.strerror}），已停止提供服务。请检查 {self.folder}。")

    def probe(self) -> None:
        """See whether an entry could be written now; asked before anything is served, also what needs no entry.

        Once an entry could not be written, nothing less than an entry shows that it can be again.

        Raises:
            AuditError: It could not.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = next(iter(self._files()[-1:]), self._lock)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600))
        except OSError as error:
            raise self._cannot(error) from None
        if self._failed:
            self.append("audit_resumed")

    def _write(self, entry: dict[str, Any]) -> str:
        last, newest = self._last(), next(iter(self._files()[-1:]), None)
        clock = self._clock().astimezone(ZONE).isoformat(timespec="milliseconds")
        at = max(clock, last.at)
        if at != clock:
            entry = {**entry, "clock": clock}  # a clock that was set back: the order counts, what it said is kept
        entry = {"seq": last.seq + 1, "at": at, **entry, "previous": last.hash}
        digest = _digest(entry)
        line = json.dumps({**entry, "hash": digest}, ensure_ascii=False, sort_keys=True) + "\n"
        path = self.folder / f"{at[:7]}.jsonl"
        if newest is not None and newest > path:
            path = newest  # entries stand in their order, whatever the months are called
        fresh = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = "\n" + line  # an entry that was broken off stays a line of its own, for `verify` to name
            _write_whole(descriptor, line.encode(), size)
        finally:
            os.close(descriptor)
        if fresh:
            sync(self.folder)
        end = _End(entry["seq"], digest, at)
        self._note_end(end)
        self._known = (path, path.stat().st_size, end)
        return digest

    def _note_end(self, end: _End) -> None:
        """Note the end outside of the log: after the entry is durable, so that it never promises one that is not there.

        It need not outlive a power cut: one that lags behind is overtaken by the next entry.
        """
        text = json.dumps({"seq": end.seq, "hash": end.hash, "at": end.at}).ljust(200) + "\n"
        self._end.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._end, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.pwrite(descriptor, text.encode(), 0)
        finally:
            os.close(descriptor)

    def _last(self) -> _End:
        """Where the chain goes on: the last entry, or the noted one where that was cut off."""
        noted = _End.of(read_json(self._end)) or _End()
        files = self._files()
        if self._known is not None and files:
            path, size, known = self._known
            if files[-1] == path and path.stat().st_size == size and known.seq >= noted.seq:
                return known
        kept = self._dropped()
        entry = next((found for path in reversed(files) if (found := _End.of(_last_entry(path)))), _End())
        return max((entry, noted, kept), key=lambda end: end.seq)

    def _dropped(self) -> _End:
        """The last entry that was dropped because of its age."""
        return _End.of(read_json(self._head)) or _End()

    def _files(self) -> list[Path]:
        return [path for path, _ in _sized(self.folder)]

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

    def verify(self, copy: Path | None = None) -> Verdict:
        """Go through the whole chain, and see that it reaches what was noted as its end.

        Args:
            copy: The log's second place: it must be the beginning of the log, and its note of the end counts too.
        """
        files, marks = self._snapshot()
        if copy is not None:
            marks["备份"] = _End.of(read_json(copy / "head.json"))
        walk = self._walk(files, marks)
        if copy is not None:
            walk.problems += _not_a_beginning(_sized(copy), files, self._dropped())
        return Verdict(walk.entries, walk.last.hash, walk.problems, walk.last.seq)

    def _snapshot(self) -> tuple[list[tuple[Path, int]], dict[str, _End | None]]:
        """Files and their sizes at one moment, and the end that was noted then: what comes later is not looked at."""
        if not self.folder.is_dir():
            return [], {"门户": _End.of(read_json(self._end))}
        with self._locked():
            return _sized(self.folder), {"门户": _End.of(read_json(self._end))}

    def _walk(self, files: Sequence[tuple[Path, int]], marks: Mapping[str, _End | None]) -> _Walk:
        kept = self._dropped()
        walk = _chain(files, kept, {end.seq for end in marks.values() if end})
        walk.found.setdefault(kept.seq, set()).add(kept.hash)
        for whose, end in marks.items():
            if end is None:
                if whose == "门户" and files:
                    walk.problems.append(f"{self._end.name}：没有末条记录的标记，无法核对日志末尾是否被截去。")
            elif whose == "门户" and end.seq <= kept.seq:
                walk.problems.append(
                    f"{self._head.name}：说第 {kept.seq} 条已过期清理，日志只有 {end.seq} 条，已被改动。"
                )
            elif end.seq > walk.last.seq and not walk.found.get(end.seq):
                walk.problems.append(
                    f"{whose}记下的末条为第 {end.seq} 条，日志只到第 {walk.last.seq} 条：末尾被截去，或日志被删除。"
                )
            elif end.hash not in walk.found.get(end.seq, ()) and end.seq > kept.seq:
                walk.problems.append(f"第 {end.seq} 条与{whose}记下的校验值不符：日志被改写。")
        return walk

    def copy_to(self, place: Path) -> Verdict:
        """Copy the log and its head to a second place.

        What lies there is only ever added to: it must be the beginning of the log, byte for byte, and nothing may be
        wrong that was not wrong in it before. Otherwise it is left as it is, and the log goes beside it, into a folder
        `suspect-<time>`.

        Returns:
            What is wrong with the log, and where the copy went.

        Raises:
            AuditError: The place cannot be written to.
        """
        try:
            place.mkdir(parents=True, exist_ok=True)
            files, marks = self._snapshot()
            marks["备份"] = _End.of(read_json(place / "head.json"))
            walk = self._walk(files, marks)
            copied = _sized(place)
            differs = _not_a_beginning(copied, files, self._dropped())
            before = _chain(copied, _before(copied), ()).problems if walk.problems else []
            fresh = [problem for problem in walk.problems if problem not in before]
            target: Path | None = place
            if differs or ((copied or marks["备份"]) and fresh):
                differs.append("原备份保持不变，请保留并报告审计员。")
                target = _beside(place, self._clock()) if files else None
            verdict = Verdict(walk.entries, walk.last.hash, walk.problems + differs, walk.last.seq, target)
            if target is not None:
                self._copy(files, target, {"entries": walk.entries, "seq": walk.last.seq, "hash": walk.last.hash})
        except OSError as error:
            raise AuditError(f"审计日志无法复制到 {place}（{error.strerror}）。请检查目录。") from None
        return verdict

    def _copy(self, files: Sequence[tuple[Path, int]], target: Path, head: Mapping[str, Any]) -> None:
        target.mkdir(parents=True, exist_ok=True)
        for path, size in files:
            to = target / path.name
            if to.exists() and to.stat().st_size == size:
                continue
            part = target / f".{path.name}.part"
            with path.open("rb") as source, part.open("wb") as copy:
                for piece in _pieces(source, size):
                    copy.write(piece)
                copy.flush()
                os.fsync(copy.fileno())
            part.replace(to)
        write_atomically(target / "head.json", json.dumps(head))

    def prune(self, days: int) -> list[str]:
        """Drop whole months that are older than kept; the chain goes on from the head that stays noted.

        Args:
            days: Days to keep; never fewer than `KEPT_DAYS`.
        """
        limit = self._clock().astimezone(ZONE) - timedelta(days=max(days, KEPT_DAYS))
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


def _sized(folder: Path) -> list[tuple[Path, int]]:
    """The months in a folder, in order, with their sizes."""
    return [(path, path.stat().st_size) for path in sorted(folder.glob(_MONTHS))]


def _write_whole(descriptor: int, data: bytes, size: int) -> None:
    """Write all of it and make it durable, or leave the file as long as it was.

    Raises:
        OSError: It could not be written.
    """
    try:
        left = memoryview(data)
        while left:
            written = os.write(descriptor, left)
            left = left[written:]  # a full disk takes a part, and says so at the next try
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, size)
        raise


def _chain(files: Iterable[tuple[Path, int]], kept: _End, wanted: Iterable[int]) -> _Walk:
    """Go through files, each up to a size.

    Args:
        files: Paths with sizes, in order.
        kept: What the first entry goes on from.
        wanted: Numbers of entries whose hashes are to be kept in `found`.
    """
    walk, wanted = _Walk(last=kept), set(wanted)
    for path, size in files:
        for line_no, line in enumerate(_lines(path, size), 1):
            where = f"{path.name} 第 {line_no} 行"
            try:
                entry = json.loads(line)
                claimed = str(entry.pop("hash"))
                seq = int(entry["seq"])
            except (ValueError, KeyError, TypeError, AttributeError):
                walk.problems.append(f"{where}：无法读取，可能被截断或改动。")
                continue
            walk.entries += 1
            if entry.get("previous") != walk.last.hash:
                walk.problems.append(f"{where}：与上一条不连续，可能有记录被删除、插入或调换。")
            if seq != walk.last.seq + 1:
                walk.problems.append(f"{where}：序号应为 {walk.last.seq + 1}，实为 {seq}。")
            if _digest(entry) != claimed:
                walk.problems.append(f"{where}：内容与其校验值不符，已被改动。")
            if seq in wanted:
                walk.found.setdefault(seq, set()).add(claimed)
            walk.last = _End(seq, claimed, str(entry.get("at") or ""))
    return walk


def _lines(path: Path, size: int) -> Iterator[str]:
    """Lines of the first bytes of a file."""
    with path.open("rb") as file:
        for line in file:
            yield line[:size].decode("utf-8", errors="replace")
            size -= len(line)
            if size <= 0:
                return


def _pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    while size > 0 and (piece := file.read(min(size, _PIECE))):
        size -= len(piece)
        yield piece


def _not_a_beginning(copied: Sequence[tuple[Path, int]], files: Sequence[tuple[Path, int]], kept: _End) -> list[str]:
    """Why a copy is not the beginning of a log, in Chinese; nothing where it is.

    Args:
        copied: The copy's files with sizes.
        files: The log's.
        kept: Last entry of what the log dropped because of its age.
    """
    log = {path.name: (path, size) for path, size in files}
    problems = []
    for number, (path, size) in enumerate(copied):
        if path.name not in log:
            last = _End.of(_last_entry(path))
            old = last is not None and last.seq <= kept.seq and (last.seq < kept.seq or last.hash == kept.hash)
            newest = files[-1][0].stem if files else ""
            if not old or last is None or not _may_be_dropped(last.at, newest):
                problems.append(f"{path.name}：备份中有这个月的文件，日志中没有，日志被删除。")
            continue
        source, now = log[path.name]
        later = number < len(copied) - 1
        if now < size:
            problems.append(f"{path.name}：比备份短，日志被截断。")
        elif (later and now != size) or not _begins(source, path, size):
            problems.append(f"{path.name}：与备份中已有的内容不同，日志或备份被改动。")
    return problems


def _may_be_dropped(at: str, newest: str) -> bool:
    """Whether a file that ends at a time is older than what must be kept, seen from the log's newest month."""
    try:
        end = datetime.fromisoformat(f"{newest}-01T00:00:00+08:00") + timedelta(days=31)
        return end - datetime.fromisoformat(at) > timedelta(days=KEPT_DAYS)
    except (ValueError, TypeError):
        return False


def _begins(source: Path, copy: Path, size: int) -> bool:
    with source.open("rb") as log, copy.open("rb") as other:
        return all(log.read(len(piece)) == piece for piece in _pieces(other, size))


def _before(copied: Sequence[tuple[Path, int]]) -> _End:
    """What the first entry of a copy says that it goes on from."""
    for path, size in copied:
        for line in _lines(path, size):
            try:
                entry = json.loads(line)
                return _End(int(entry["seq"]) - 1, str(entry["previous"]))
            except (ValueError, KeyError, TypeError):
                continue
    return _End()


def _beside(place: Path, now: datetime) -> Path:
    """A folder that is not there yet."""
    name = f"suspect-{now.astimezone(ZONE):%Y%m%dT%H%M%S}"
    return next(path for n in range(1, 10_000) if not (path := place / (name if n == 1 else f"{name}-{n}")).exists())


def _digest(entry: Mapping[str, Any]) -> str:
    text = json.dumps({name: entry[name] for name in entry if name != "hash"}, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _last_entry(path: Path) -> dict[str, Any] | None:
    """The last whole entry of a file, read from its end."""
    with path.open("rb") as file:
        start = file.seek(0, os.SEEK_END)
        rest = b""
        while start > 0:
            step = min(65536, start)
            start -= step
            file.seek(start)
            rest = file.read(step) + rest
            lines = rest.split(b"\n")
            rest = lines.pop(0) if start else b""
            for line in reversed(lines):
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue
                if isinstance(entry, dict) and "hash" in entry:
                    return entry
    return None
