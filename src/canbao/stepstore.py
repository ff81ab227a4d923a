"""Tables of the last night that tonight's would equal: they are taken over instead of computed again.

A step's *key* is the digest of everything its table depends on: the program, its SQL, a *mark* of what it sees of
every table it reads (canbao.lineage), and of a published one the number of its files. The mark of a source is its
staged files, which go by the digest of their bytes; that of a small table is a digest of its rows in whatever order.
A large one is only looked at where it was computed again: where its rows are, in the columns of a reader, those of the
last night's file, it keeps that night's mark, else its own key is the mark. So a step that comes out as it was, or
changes only in columns that a reader does not look at, leaves that reader's key alone.

In `<home>/steps` lies for each key `<key>.json` (rows, marks) and, of tables that the publication has anyway, that a
large night has as files anyway, or that cost more to compute than to write, `<key>.parquet`, or `<key>-<n>.parquet`
where a table was made in parts. Of the others the marks alone are kept: they are computed where a step that must be
computed reads them. Nothing there is trusted: a file whose digest is not the noted one counts as missing. Deleting the
folder loses nothing; only what the last complete build used stays in it.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import resource
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from canbao.build import KEPT, Step, references
from canbao.home import read_json
from canbao.lineage import Lineage, Seen
from canbao.paths import read_parquet
from canbao.publish import code_digest, file_digests, joint_digest

if TYPE_CHECKING:
    from canbao.engine.duckdb import Warehouse

_VERSION = 4
"""Of the files; raise it whenever they are to be read differently."""

_PAYS = 1.5
"""A table is kept where to compute it took so many times the processor time that to write it takes."""

_SMALL = 0.02
"""Seconds; what is written faster is kept whatever it took."""

_WRITING = {"VARCHAR": 70e-9, "JSON": 70e-9}
_WRITING_OTHER = 15e-9
"""Seconds of a processor that a value takes to write, measured over all steps of a night."""

_HASHED = 2.0
"""Marks of a large table look at most so many times at each of its columns; what readers see is drawn together."""

_FEW = 50_000
"""Rows up to which a table's rows are hashed, for whatever a reader sees: it costs nothing to speak of."""

_STALE = 3 * 86_400
"""Seconds after which goes what a night left that did not come to the end of its build."""

_OWN = frozenset({"lineage", "last"})
"""Names of files in the folder that are no key's."""


@dataclass
class _Made:
    """One step tonight.

    Attributes:
        step: The step.
        key: Its key.
        rows: Number of rows.
        marks: What readers see, as `_named` spells it, to the mark.
        file: What is noted of its kept file, or files (`_noted`), or None.
        reused: Whether it was taken over.
        present: Whether a table or view of its name stands in the warehouse.
        kept: Whether that is a view of the kept file, which takes no room.
    """

    step: Step
    key: str
    rows: int
    marks: dict[str, str] = field(default_factory=dict)
    file: dict[str, Any] | None = None
    reused: bool = False
    present: bool = False
    kept: bool = False


class Anew:
    """What a night is told by a store that keeps nothing: every table is computed, by whatever engine.

    Args:
        warehouse: Open.
    """

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def begin(self, queries: Iterable[str] = ()) -> None:
        """Nothing is known of the last night."""

    def run_step(self, step: Step) -> int:
        """Compute a step's table, and return its number of rows."""
        return self._warehouse.run_step(step)

    def need(self, tables: Iterable[str]) -> None:
        """All tables that have been computed are there."""

    def release(self, table: str) -> None:
        """Give back the room of a table that no later step reads."""
        self._warehouse.drop(table)

    def finish(self) -> None:
        """Nothing is kept for the next night."""

    def forget(self) -> None:
        """Nothing is remembered of tables that no step makes."""

    def reused(self) -> list[str]:
        """Nothing is taken over."""
        return []

    def select_into(self, table: str, sql: str) -> bool:
        """Make a table of a query; one of that name is replaced."""
        self._warehouse.gather(table, sql)
        return False


class StepStore:
    """The tables of the last night, and the way to tonight's.

    Args:
        folder: `<home>/steps`; made where it is missing.
        warehouse: Open; it may be empty yet.
        steps: All steps of the build, each after those it reads.
        reuse: False computes everything anew, and keeps it for the next night.
    """

    def __init__(self, folder: Path, warehouse: Warehouse, steps: Sequence[Step], *, reuse: bool = True) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        for leftover in folder.glob("*.part"):
            leftover.unlink()
        self._folder, self._warehouse, self._steps, self._reuse = folder, warehouse, tuple(steps), reuse
        self._names = {step.name for step in steps}
        texts = [[step.name, step.sql, step.order_by] for step in steps]
        self._program = _digest(_VERSION, code_digest(), duckdb.__version__, platform.machine(), texts)
        self._made: dict[str, _Made] = {}
        self._used: set[str] = set()
        self._base: dict[Seen, str] = {}
        self._lineage: Lineage | None = None
        self._known: dict[str, list[Seen]] = {}
        self._readers: dict[str, set[Seen]] = {}
        self._columns: dict[str, int] = {}
        self._unsaved = False
        self._before = self._last_keys()
        self._clear_stale()

    def begin(self, queries: Iterable[str] = ()) -> None:
        """Call it when the warehouse has its parameters and sources, and before the first step.

        Args:
            queries: That `select_into` will be asked for: what they see of the steps' tables has marks too.
        """
        self._known = self._load_lineage()
        self._readers = {step.name: set() for step in self._steps}
        names = [step.name for step in self._steps]
        for query in queries:
            with suppress(duckdb.Error):  # told when it is computed
                self._seen(query)
                names.append(_digest(query))
        for name in names:
            for one in self._known[name]:
                if one.table in self._readers:
                    self._readers[one.table].add(one)

    # ------------------------------------------------------------------------------------------------ for the night

    def run_step(self, step: Step) -> int:
        """Have a step's table, computed or taken over; one that nobody needs yet may only be known by its marks.

        Returns:
            Number of rows.
        """
        key = self._key_of(step)
        self._used.add(key)
        found = self._entry(key) if self._reuse else {}
        if found:
            made = _Made(step, key, found["rows"], found["marks"], found["file"], reused=True)
            self._made[step.name] = made
            if not step.published or self._adopt(made):
                return made.rows
        self._made[step.name] = _Made(step, key, 0)
        self._compute(self._made[step.name], keep=True)
        return self._made[step.name].rows

    def need(self, tables: Iterable[str]) -> None:
        """See to it that tables of steps that have run stand in the warehouse."""
        for table in tables:
            made = self._made.get(table)
            if made is None or made.present:
                continue
            damaged = made.file is not None
            if not self._adopt(made):
                self._compute(made, keep=damaged)

    def release(self, table: str) -> None:
        """Give back the room of a table that no later step reads, unless one taken over may have to be computed."""
        made = self._made.get(table)
        if made is None or made.kept or not made.present:
            return
        for other in self._made.values():
            if other.reused and not other.present and not other.file and table in self._inputs(other.step):
                return
        self._warehouse.drop(table)
        made.present = False

    def finish(self) -> None:
        """After the last step: what is read later is there, everything else of this night goes, and old files too."""
        read = {table for step in self._steps for table in self._inputs(step)}
        self.need(KEPT)
        for name, made in self._made.items():
            if made.present and not made.kept and not made.step.published and name in read and name not in KEPT:
                self._warehouse.drop(name)
                made.present = False
        if self._unsaved:
            self._save_lineage(self._known)
        steps = {name: made.key for name, made in self._made.items()}
        _write(self._folder / "last.json", {"program": self._program, "keys": sorted(self._used), "steps": steps})
        for path in self._folder.glob("*.*"):
            if _key(path) not in self._used | _OWN:
                path.unlink()
        kept = {made.key: self._paths(made.key, len(made.file["files"])) for made in self._made.values() if made.file}
        for path in self._folder.glob("*.parquet"):
            if path not in kept.get(_key(path), [path]):  # made in another number of parts once
                path.unlink()

    def _clear_stale(self) -> None:
        """Remove what broken-off nights left behind long ago."""
        before = time.time() - _STALE
        complete = set(_read(self._folder / "last.json").get("keys", ()))
        for path in self._folder.glob("*.*"):
            if _key(path) not in complete | _OWN and path.stat().st_mtime < before:
                path.unlink()

    def reused(self) -> list[str]:
        """Names of the steps that were taken over, sorted."""
        return sorted(name for name, made in self._made.items() if made.reused)

    def select_into(
        self, table: str, sql: str, marks: Sequence[str] | None = None, before: Callable[[], None] | None = None
    ) -> bool:
        """Make a table of a query over sources and parameters, or take it over; one of that name is replaced.

        Args:
            table: Its name.
            sql: The query.
            marks: Of what it reads; None to find out.
            before: Called where it must be computed, to see to what it reads that rests on the same.

        Returns:
            Whether it was taken over.

        Raises:
            duckdb.Error: The query cannot be computed.
        """
        con = self._warehouse.con
        seen = self._seen(sql) if marks is None else []
        key = _digest(self._program, "query", sql, marks or self._marks(seen))
        path = self._folder / f"{key}.parquet"
        self._used.add(key)
        found = self._entry(key) if self._reuse else {}
        if found and self._intact(key, found["file"]):
            con.execute(f"CREATE OR REPLACE TABLE {table} AS FROM {read_parquet([path])}")
            return True
        self.need({one.table for one in seen} | references(sql))
        if before is not None:
            before()
        con.execute(f"CREATE OR REPLACE TABLE {table} AS\n{sql}")
        kept = self._write(table, key)
        _write(self._folder / f"{key}.json", {"file": kept})
        return False

    # ----------------------------------------------------------------------------------------------------- one step

    def _compute(self, made: _Made, *, keep: bool) -> None:
        """Run a step's SQL, and note what came out.

        Args:
            made: The step.
            keep: Whether it is new: else its marks are known, and it was not worth keeping.
        """
        step, warehouse = made.step, self._warehouse
        self.need(self._inputs(step))
        begun = _processor_seconds()
        made.rows = warehouse.run_step(step)
        seconds = _processor_seconds() - begun
        made.present, made.reused = True, False
        if not keep:
            return
        made.file = self._keep(made, seconds)
        made.marks = self._fresh_marks(made)
        entry = {"step": step.name, "rows": made.rows, "marks": made.marks, "file": made.file}
        _write(self._folder / f"{made.key}.json", entry)

    def _keep(self, made: _Made, seconds: float) -> dict[str, Any] | None:
        step, warehouse = made.step, self._warehouse
        written = warehouse.written(step.name)
        if not written:
            kinds = warehouse.types(step.name).values()
            writing = made.rows * sum(_WRITING.get(kind.split("[")[0], _WRITING_OTHER) for kind in kinds)
            worth = writing <= _SMALL or seconds >= _PAYS * writing
            return self._write(step.name, made.key) if worth else None
        part = self._folder / f"{made.key}.part"
        for file, path in zip(written, self._paths(made.key, len(written)), strict=True):
            part.hardlink_to(file)
            part.replace(path)
            part.unlink(missing_ok=True)  # two names of one file: nothing was replaced
        made.kept = True
        noted = _noted(self._paths(made.key, len(written)))
        if step.published:
            warehouse.note_digests(step.name, _digests(noted))
        return noted

    def _write(self, table: str, key: str) -> dict[str, Any] | None:
        """Write a table into the folder; None where Parquet would not give it back as it is."""
        path, part = self._folder / f"{key}.parquet", self._folder / f"{key}.part"
        try:
            if not self._warehouse.write_working(table, table, part):
                return None
        except duckdb.IOException:  # no room left: what is not kept costs the next night time, and nothing else
            part.unlink(missing_ok=True)
            return None
        noted = _noted([part])
        part.replace(path)
        return noted

    def _adopt(self, made: _Made) -> bool:
        """Have a step's kept file as its table, if it is what was noted."""
        if made.file is None or not self._intact(made.key, made.file):
            made.file = None
            return False
        self._warehouse.adopt(made.step, self._paths(made.key, len(made.file["files"])), _digests(made.file))
        made.present = made.kept = True
        return True

    def _paths(self, key: str, number: int) -> list[Path]:
        """Where a table of so many files lies."""
        names = [key] if number == 1 else [f"{key}-{part}" for part in range(number)]
        return [self._folder / f"{name}.parquet" for name in names]

    def _intact(self, key: str, noted: Mapping[str, Any] | None) -> bool:
        if noted is None:
            return False
        paths = self._paths(key, len(noted["files"]))
        try:
            sizes = all(path.stat().st_size == size for path, (size, _) in zip(paths, noted["files"], strict=True))
            return sizes and file_digests(paths) == _digests(noted)
        except OSError:
            return False

    def _entry(self, key: str) -> dict[str, Any]:
        return _read(self._folder / f"{key}.json")

    # --------------------------------------------------------------------------------------------------- keys, marks

    def _key_of(self, step: Step) -> str:
        marks = self._marks(self._known[step.name])
        # inside the build it is all the same how many parts there were; readers get the files of a full night
        files = len(self._warehouse.file_names(step)) if step.published else 1
        return _digest(self._program, step.name, step.sql, step.order_by, files, marks)

    def _inputs(self, step: Step) -> set[str]:
        """Steps that a step reads."""
        return ({one.table for one in self._known[step.name]} | step.reads) & self._names - {step.name}

    def _marks(self, seen: Iterable[Seen]) -> list[list[str]]:
        return sorted([_named(one), self._mark(one)] for one in seen)

    def _mark(self, seen: Seen) -> str:
        made = self._made.get(seen.table)
        if made is not None:
            groups = self._groups(seen.table, made.rows)
            covering = [one for one in groups if _named(one) in made.marks and _covers(one, seen)]
            group = min(covering, key=lambda one: len(one.columns), default=None)
            if group is not None:
                return f"{_named(group)} {made.marks[_named(group)]}"
            if made.file is not None:
                return f"file {made.file['sha256']}"
            self.need([seen.table])
            return self._content(seen.table, [seen])[_named(seen)]
        if seen not in self._base:
            version = self._warehouse.version(seen.table, seen.columns)
            self._base[seen] = version or self._content(seen.table, [seen])[_named(seen)]
        return self._base[seen]

    def _fresh_marks(self, made: _Made) -> dict[str, str]:
        """Marks of a table that has just been computed."""
        groups = self._groups(made.step.name, made.rows)
        if made.rows <= _FEW:
            return self._content(made.step.name, groups)
        marks = {_named(one): f"{made.key} {_named(one)}" for one in groups}
        before = self._entry(self._before.get(made.step.name, "")) if self._reuse and made.file else {}
        same_size = before.get("rows") == made.rows
        known = [one for one in groups if _named(one) in before.get("marks", {}) and (same_size or one.where)]
        key = self._before.get(made.step.name, "")
        if known and self._intact(key, before["file"]):
            was = self._content(read_parquet(self._paths(key, len(before["file"]["files"]))), known)
            now = self._content(made.step.name, known)
            marks |= {name: before["marks"][name] for name in was if was[name] == now[name]}
        return marks

    def _last_keys(self) -> dict[str, str]:
        """Steps of the last complete build to their keys, where this program made it."""
        last = _read(self._folder / "last.json")
        return dict(last["steps"]) if last.get("program") == self._program else {}

    def forget(self) -> None:
        """Tables that no step makes have been filled since."""
        self._base.clear()

    def _content(self, table: str, groups: Sequence[Seen]) -> dict[str, str]:
        """Digests of a relation's rows in any order: their number, and the sum of a hash of each."""
        if not groups:
            return {}
        marks = ", ".join(_mark_sql(one) for one in groups)
        row = self._warehouse.con.execute(f"SELECT {marks} FROM {table}").fetchone()
        assert row is not None
        return {_named(one): value for one, value in zip(groups, row, strict=True)}

    # ------------------------------------------------------------------------------------------------------- lineage

    def _load_lineage(self) -> dict[str, list[Seen]]:
        """What each step, and each query of `select_into` by its digest, sees."""
        kept = _read(self._folder / "lineage.json")
        if kept.get("program") == self._program:
            self._columns = kept["columns"]
            return {name: [_seen(*one) for one in scans] for name, scans in kept["seen"].items()}
        lineage = self._open_lineage()
        known: dict[str, list[Seen]] = {}
        for step in self._steps:
            known[step.name] = lineage.seen(step.sql)
            missing = step.reads - {one.table for one in known[step.name]}
            # a table that the plan does not read after all is looked at whole: it is named, and that is enough
            known[step.name] += [
                Seen(name, tuple(sorted(lineage.columns(name)))) for name in sorted(missing) if lineage.knows(name)
            ]
        self._columns = {step.name: len(lineage.columns(step.name)) for step in self._steps}
        self._save_lineage(known)
        return known

    def _open_lineage(self) -> Lineage:
        if self._lineage is None:
            self._lineage = Lineage(self._warehouse.con)
            for step in self._steps:
                self._lineage.define(step.name, step.sql)
        else:
            self._lineage.learn()
        return self._lineage

    def _seen(self, sql: str) -> list[Seen]:
        name = _digest(sql)
        if name not in self._known:
            self._known[name] = self._open_lineage().seen(sql)
            self._unsaved = True
        return self._known[name]

    def _save_lineage(self, known: Mapping[str, Sequence[Seen]]) -> None:
        _write(self._folder / "lineage.json", {"program": self._program, "columns": self._columns, "seen": dict(known)})

    def _groups(self, table: str, rows: int) -> list[Seen]:
        """What has a mark of a step's table: whatever a reader sees, in a large one similar things drawn together."""
        seen = self._readers[table]
        return sorted(seen, key=_named) if rows <= _FEW else _drawn_together(seen, self._columns[table])


def _drawn_together(found: Iterable[Seen], columns: int) -> list[Seen]:
    """Join those that have most in common until not more than some times the table's columns are hashed."""
    groups = sorted({one for one in found if one.where is None})
    while len(groups) > 1 and sum(len(one.columns) for one in groups) > _HASHED * columns:
        pairs = ((a, b) for n, a in enumerate(groups) for b in groups[n + 1 :])
        a, b = max(pairs, key=lambda pair: (len(set(pair[0].columns) & set(pair[1].columns)), pair))
        both = Seen(a.table, tuple(sorted({*a.columns, *b.columns})))
        groups = sorted({one for one in groups if one not in (a, b)} | {both})
    return [*groups, *sorted({one for one in found if one.where is not None})]


def _covers(group: Seen, seen: Seen) -> bool:
    return group.where == seen.where and set(seen.columns) <= set(group.columns)


def _named(seen: Seen) -> str:
    where = f" {seen.where[0]}={seen.where[1]}" if seen.where else ""
    return f"{seen.table}({','.join(seen.columns)}){where}"


def _seen(table: str, columns: Sequence[str], where: Sequence[str] | None) -> Seen:
    return Seen(table, tuple(columns), (where[0], where[1]) if where else None)


def _mark_sql(seen: Seen) -> str:
    only = f" FILTER (\"{seen.where[0]}\" = '{seen.where[1]}')" if seen.where else ""
    if not seen.columns:
        return f"(count(*){only})::VARCHAR"
    columns = ", ".join(f'"{name}"' for name in seen.columns)
    # hashed twice: the hashes of several columns are only combined, and sums of such could come out equal
    return f"concat(count(*){only}, ' ', sum(hash(hash({columns}))){only})"


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()


def _key(path: Path) -> str:
    """The key that a file in the folder belongs to."""
    return path.stem.partition("-")[0]


def _noted(paths: Sequence[Path]) -> dict[str, Any]:
    """What tells later whether files are what was written: size and digest of each, and one digest of all."""
    files = [[path.stat().st_size, digest] for path, digest in zip(paths, file_digests(paths), strict=True)]
    found = {"files": files}
    return {"sha256": joint_digest(_digests(found)), **found}


def _digests(noted: Mapping[str, Any]) -> list[str]:
    """Of each file that was noted."""
    return [digest for _, digest in noted["files"]]


def _write(path: Path, data: Mapping[str, Any]) -> None:
    """Write a small file that tells by itself whether it is whole: nothing need be durable here."""
    fresh = path.with_suffix(".part")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump({"data": data, "check": _digest(data)}, file, ensure_ascii=False)
    fresh.replace(path)


def _read(path: Path) -> dict[str, Any]:
    """What `_write` wrote, {} where it is missing or not whole."""
    kept = read_json(path)
    data = kept.get("data")
    return data if isinstance(data, dict) and kept.get("check") == _digest(data) else {}


def _processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
