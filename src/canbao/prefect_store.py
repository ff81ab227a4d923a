"""An empty, migrated store of Prefect's local API, kept per version so that a new home need not migrate one again.

The template lies in the user's cache folder and holds what Prefect's own start writes, never a run. Whatever is wrong
with it or with the folder, Prefect migrates as it would without: the template saves seconds and nothing depends on it.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

STORE = "prefect.db"
"""Prefect's name for its SQLite database in `PREFECT_HOME`."""

_MEMO = "memo_store.toml"
"""Prefect's note that its blocks stand in the store; it belongs to one store."""

_RUN_TABLES = ("flow", "flow_run", "task_run", "deployment", "artifact", "block_document", "events", "configuration")


def begin_from_template(folder: Path) -> bool:
    """Put a copy of the template into a folder that has no store yet.

    Args:
        folder: `PREFECT_HOME` of the server that is about to start.

    Returns:
        Whether a sound template of this version was there.
    """
    try:
        template = _template()
        if not (template / STORE).exists() or not _is_sound(template / STORE):
            return False
        with _aside(folder) as aside:
            for name in (_MEMO, STORE):  # the store last: while it is missing nothing has begun
                if (template / name).exists():
                    shutil.copyfile(template / name, aside / name)
                    (aside / name).replace(folder / name)
    except (OSError, RuntimeError, sqlite3.Error):
        return False
    return True


def keep_template(folder: Path) -> None:
    """Keep a store that was just made, before the first run stands in it.

    Args:
        folder: `PREFECT_HOME` of a server that has started and has not run anything.
    """
    try:
        template = _template()
        if (template / STORE).exists() and _is_sound(template / STORE):
            return
        template.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _aside(template.parent) as aside:
            with closing(sqlite3.connect(folder / STORE)) as store, closing(sqlite3.connect(aside / STORE)) as copy:
                store.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")  # one file, complete in itself
            if not _is_sound(aside / STORE):
                return
            if (folder / _MEMO).exists():
                shutil.copyfile(folder / _MEMO, aside / _MEMO)
            shutil.rmtree(template, ignore_errors=True)
            complete = aside / "complete"
            complete.mkdir()
            for name in (_MEMO, STORE):
                if (aside / name).exists():
                    (aside / name).replace(complete / name)
            complete.rename(template)
    except (OSError, RuntimeError, sqlite3.Error):
        return


def _template() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME", "")
    folder = Path(cache) if cache.startswith("/") else Path.home() / ".cache"
    return folder / "canbao" / f"prefect-{version('prefect')}"


def _is_sound(store: Path) -> bool:
    """Whether a store is whole, ours, migrated and without any run."""
    if store.stat().st_uid != os.getuid():
        return False
    try:
        with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
            if connection.execute("PRAGMA quick_check").fetchone() != ("ok",):
                return False
            if not connection.execute("SELECT version_num FROM alembic_version").fetchone():
                return False
            return all(connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is None for table in _RUN_TABLES)
    except sqlite3.Error:
        return False


@contextmanager
def _aside(folder: Path) -> Iterator[Path]:
    """A folder on the same file system, gone afterwards."""
    with TemporaryDirectory(dir=folder, prefix=".tmp-") as name:
        yield Path(name)
