"""SQLite files of an installation: private to their owner, used by several threads and processes at a time."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar


class SqliteFile:
    """One SQLite file with a connection for each thread.

    Args:
        path: The file; it and its folder are made where they are missing.
        schema: Statements that make its tables where they are missing.
    """

    PRAGMAS: ClassVar[tuple[str, ...]] = ("synchronous = FULL",)
    """What a connection is set to, besides its journal."""

    BUSY_SECONDS: ClassVar[float] = 10.0
    """How long one waits for another that writes."""

    def __init__(self, path: Path, schema: str) -> None:
        self.path = path
        self._local = threading.local()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Made before SQLite opens it: its journals take over the mode. Never opened here once it is there: closing it
        # again would drop the locks that SQLite holds on it elsewhere in this process.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        path.chmod(0o600)
        self._connection().executescript(schema)

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self.path, timeout=self.BUSY_SECONDS, isolation_level=None)
            connection.row_factory = sqlite3.Row
            for pragma in ("journal_mode = WAL", *self.PRAGMAS):
                connection.execute(f"PRAGMA {pragma}")
            self._local.connection = connection
        return connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def _rows(self, sql: str, **values: Any) -> list[sqlite3.Row]:
        return self._connection().execute(sql, values).fetchall()

    def _one(self, sql: str, **values: Any) -> sqlite3.Row | None:
        return next(iter(self._rows(sql, **values)), None)
