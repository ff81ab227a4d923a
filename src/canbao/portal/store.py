"""What the portal serves: the current publication, through an index of it that is made beside and never by the night.

A publication is noticed by its link (`published/current`), indexed in a process of its own and then served; until then
the one before it is. Publications are only read, and no lock is taken that a night knows.
"""

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import duckdb

from canbao.home import Home, read_json
from canbao.paths import package_dir
from canbao.portal import index
from canbao.portal.divisions import DivisionTree
from canbao.previous import previous_publication

LOOK_EVERY = 2.0
"""Seconds between two looks at the link."""

TRY_AGAIN = 60.0
"""Seconds before a publication that could not be indexed is tried again."""

READER_MEMORY = "256MB"
"""What the engine of a reader may use; an office's server has other things to do."""


class Broken(Exception):  # noqa: N818 - it is a state of the index
    """The index cannot be read: it is thrown away and made anew."""


@lru_cache
def statement(name: str) -> str:
    """A statement of `sql/pages`."""
    return (package_dir("portal") / "sql" / "pages" / f"{name}.sql").read_text(encoding="utf-8")


class Publication:
    """One publication, open for reading; every thread has a cursor of its own.

    Args:
        folder: The publication's folder, for its reports.
        index_file: Its index.

    Attributes:
        id: `<as_of>/<run_id>`; whatever is cached is kept under it.
        folder: The publication's folder.
        index_file: Its index; other processes may open it too.
        as_of: As-of date.
        run_id: Its run.
        insured_year: The year that enrollment is judged for.
        manifest: Its `manifest.json`.
    """

    def __init__(self, folder: Path, index_file: Path) -> None:
        self.folder = folder
        self.index_file = index_file
        self.run_id = folder.name
        self.as_of = date.fromisoformat(folder.parent.name)
        self.id = f"{folder.parent.name}/{folder.name}"
        self.manifest = read_json(folder / "manifest.json")
        self.insured_year = int(self.manifest.get("insured_year") or self.as_of.year)
        self._own = threading.local()
        try:
            self._con = duckdb.connect(
                str(index_file),
                read_only=True,
                config={
                    "threads": 2,
                    "memory_limit": READER_MEMORY,
                    "temp_directory": f"{index_file}.{os.getpid()}.tmp",
                    "autoinstall_known_extensions": False,
                    "autoload_known_extensions": False,
                },
            )
            self.info: dict[str, Any] = json.loads(str(self._con.execute(statement("index_info")).fetchall()[0][0]))
        except (duckdb.Error, ValueError, IndexError) as error:
            raise Broken(type(error).__name__) from None
        if self.info.get("version") != index.version() or self.info.get("publication") != self.run_id:
            self._con.close()
            raise Broken("another version")

    def _execute(self, name: str, parameters: dict[str, Any]) -> duckdb.DuckDBPyConnection:
        cursor: duckdb.DuckDBPyConnection | None = getattr(self._own, "cursor", None)
        try:
            if cursor is None:
                cursor = self._own.cursor = self._con.cursor()
            return cursor.execute(statement(name), parameters)
        except (duckdb.IOException, duckdb.FatalException, duckdb.InternalException, duckdb.SerializationException):
            raise Broken(name) from None

    def rows(self, name: str, /, **parameters: Any) -> list[dict[str, Any]]:
        """All rows of a statement of `sql/pages`, by column name.

        Raises:
            Broken: The index cannot be read.
        """
        result = self._execute(name, parameters)
        names = [column[0] for column in result.description or []]
        try:
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
        except (duckdb.IOException, duckdb.FatalException, duckdb.InternalException):
            raise Broken(name) from None

    def one(self, name: str, /, **parameters: Any) -> dict[str, Any] | None:
        """The first row of a statement, None where there is none."""
        return next(iter(self.rows(name, **parameters)), None)

    def spare(self) -> None:
        """Make do with little memory: for a process that writes one list at a time, in batches.

        It is set afterwards because an engine that is open in this process already takes no other configuration.
        """
        for name in ("small_memory", "one_thread"):
            self._execute(name, {})

    def close(self) -> None:
        """Let go of the index; cursors that are at work end with an error."""
        self._con.close()

    @cached_property
    def tree(self) -> DivisionTree:
        """Divisions in use, and where former codes went."""
        places = {str(row["code"]): str(row["place_code"]) for row in self.rows("code_places")}
        return DivisionTree.of_rows(self.rows("divisions"), places)

    @cached_property
    def measures(self) -> tuple[str, ...]:
        """Measures of the ledger."""
        return tuple(str(row["measure"]) for row in self.rows("measures"))

    @cached_property
    def verdicts(self) -> list[dict[str, Any]]:
        """Whether each product may be used: product, title, verdict, reason."""
        return self.rows("verdicts")

    @cached_property
    def source_days(self) -> dict[str, date]:
        """Source to the date of its newest delivery."""
        return {str(row["source"]): row["delivery"] for row in self.rows("source_days")}

    @cached_property
    def rules(self) -> dict[str, dict[str, Any]]:
        """Rule id to its title, document and clause."""
        return {str(row["rule_id"]): row for row in self.rows("rules")}

    @property
    def previous(self) -> str | None:
        """Run of the publication that this one is compared with; None for the first of its insured year."""
        return self.info.get("previous")


class Store:
    """The publications of an installation, as they come.

    Args:
        home: The installation's folder.
        every: Seconds between two looks at the link.
    """

    def __init__(self, home: Path, every: float = LOOK_EVERY) -> None:
        self._home = Home(home)
        self.folder = home / "portal" / "index"
        self._every = every
        self._current: Publication | None = None
        self._broken = threading.Event()
        self._stop = threading.Event()
        self._looked = threading.Condition()
        self._looks = 0
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._failed: tuple[str, float] = ("", 0.0)
        self.problem = ""
        """Why the newest publication is not served, in Chinese; empty where it is, or is on its way."""

    def current(self) -> Publication | None:
        """The publication to answer from; None before there is one.

        An index of it that is there already is opened at once; one that must be made is made in the background.
        """
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._open_ready()
                    self._thread = threading.Thread(target=self._watch, name="publications", daemon=True)
                    self._thread.start()
        return self._current

    def report_broken(self, publication: Publication) -> None:
        """Have the index of a publication made anew: it could not be read."""
        if publication is self._current:
            self._broken.set()

    def wait(self, publication_id: str | None = None, timeout: float = 120.0) -> Publication:
        """Wait until a publication is served (tests, and a start that wants to be complete).

        Args:
            publication_id: Which one; None for any.
            timeout: Seconds.

        Raises:
            TimeoutError: It does not come.
        """
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            found = self.current()
            if found is not None and publication_id in (None, found.id) and not self._broken.is_set():
                return found
            with self._looked:
                self._looked.wait(0.05)
        raise TimeoutError(self.problem or "no publication")

    def close(self) -> None:
        """End the watch; what is served stays open until the process ends."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(30)

    def _watch(self) -> None:
        while not self._stop.is_set():
            try:
                self._look()
            except Exception as error:  # the watch goes on, whatever a file system does
                self.problem = f"新发布无法读取（{type(error).__name__}）。"
            with self._looked:
                self._looks += 1
                self._looked.notify_all()
            self._stop.wait(self._every)

    def _wanted(self) -> Path | None:
        """The folder of the current publication, from one reading of the link."""
        try:
            folder = self._home.current.resolve(strict=True)
        except OSError:
            return None
        return folder if (folder / "manifest.json").is_file() else None

    def _place(self, folder: Path) -> Path:
        return self.folder / f"{folder.parent.name}_{folder.name}.duckdb"

    def _open_ready(self) -> None:
        folder = self._wanted()
        if folder is not None and self._place(folder).is_file():
            with contextlib.suppress(Broken):
                self._serve(Publication(folder, self._place(folder)))

    def _look(self) -> None:
        folder = self._wanted()
        if folder is None:
            return
        name = f"{folder.parent.name}/{folder.name}"
        serves = self._current is not None and self._current.id == name
        if serves and not self._broken.is_set():
            return
        if self._failed[0] == name and time.monotonic() - self._failed[1] < TRY_AGAIN:
            return
        place = self._place(folder)
        if self._broken.is_set():
            place.unlink(missing_ok=True)
        fault = ""
        for _ in range(2):  # an index that is there may be of another version, or broken
            if not place.is_file():
                fault = self._make(folder, place)
                if fault:
                    break
            try:
                publication = Publication(folder, place)
            except Broken:
                place.unlink(missing_ok=True)
                fault = "索引文件损坏。"
                continue
            self._serve(publication)
            self._broken.clear()
            self._clean(place)
            self.problem, self._failed = "", ("", 0.0)
            return
        if self._wanted() == folder and not self._stop.is_set():
            self._failed = (name, time.monotonic())
            self.problem = f"最新发布（{name}）尚不能查看：{fault}"

    def _serve(self, publication: Publication) -> None:
        _ = publication.tree, publication.measures, publication.verdicts, publication.rules, publication.source_days
        self._current = publication  # the one before is closed when its last reader lets go of it

    def _make(self, folder: Path, place: Path) -> str:
        """Make an index in a process of its own.

        Returns:
            What went wrong, in Chinese; empty where nothing did.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        previous = self._previous(folder)
        command = [sys.executable, "-m", "canbao.portal.index", str(folder), str(place)]
        if previous is not None:
            command.append(str(previous))
        with self._alone(), open(os.devnull, "rb") as nothing:  # noqa: PTH123
            if place.is_file():
                return ""  # another portal on this home made it meanwhile
            child = subprocess.Popen(
                command, stdin=nothing, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )
            try:
                while child.poll() is None:
                    if self._stop.wait(0.05):
                        return "门户正在停止。"
                said = (child.stderr.read() if child.stderr else "").strip().splitlines()
            finally:
                if child.poll() is None:
                    child.kill()
                    child.wait()
                if child.stderr:
                    child.stderr.close()
        if child.returncode == 3:
            return f"它由早先版本的程序生成，缺少表 {said[-1] if said else ''}。下一次夜间运行后即可查看。"
        return "" if child.returncode == 0 else f"生成索引失败（{said[-1] if said else child.returncode}）。"

    def _previous(self, folder: Path) -> Path | None:
        manifest = read_json(folder / "manifest.json")
        try:
            as_of, year = date.fromisoformat(folder.parent.name), int(manifest["insured_year"])
        except (KeyError, ValueError):
            return None
        return previous_publication(self._home, as_of, year, str(manifest.get("jurisdiction")))

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Two portals on one home do not make the same index at the same time."""
        descriptor = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _clean(self, kept: Path) -> None:
        """Remove the indexes of other publications and what broken-off processes left."""
        for path in self.folder.iterdir():
            if path == kept or path.name == ".lock" or path.name.startswith(f"{kept.name}."):
                continue
            if path.is_dir():
                for left in path.iterdir():
                    left.unlink(missing_ok=True)
                with contextlib.suppress(OSError):
                    path.rmdir()
            elif ".part" not in path.name or time.time() - path.stat().st_mtime > 3600:
                path.unlink(missing_ok=True)
