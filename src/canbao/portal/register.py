"""Which files were handed out, and which wait for a second person: `<home>/portal/downloads.db`.

Beside it, `<home>/portal/downloads/<serial>.parquet` keeps what the rows of a file are recognised by
(`canbao.portal.serials`). Nothing here decides who may have what, and nothing here writes the audit log.
"""

import json
import sqlite3
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from canbao.paths import package_dir
from canbao.portal.lists import ListQuery
from canbao.sqlite_file import SqliteFile

HOURS = 24
"""How long a request waits for the second person, and how long what was approved may be fetched (U5)."""


@dataclass(frozen=True)
class Download:
    """One file that was handed out.

    Attributes:
        serial: Its serial.
        at: When, in seconds since 1970.
        day: The day in China, `YYYY-MM-DD`.
        account: Who.
        holder: Whose account it is.
        role: In which role.
        division: For which division, 12 digits.
        unit: Its name.
        list: The list as JSON, see `query_text`.
        title: Its title.
        filters: Its filters in words.
        publication: `<as_of>/<run_id>`.
        form: `xlsx` or `csv`.
        part: Which part, from 1.
        parts: Of how many.
        row_count: Rows in it.
        byte_count: Bytes.
        level: `masked` or `full`.
        reason: Why, for full numbers.
        approved_by: The second person, where one was needed.
        state: `sending`, `done` or `broken`.
    """

    serial: str
    at: float
    day: str
    account: str
    holder: str
    role: str
    division: str
    unit: str
    list: str
    title: str
    filters: str
    publication: str
    form: str
    part: int
    parts: int
    row_count: int
    byte_count: int
    level: str
    reason: str = ""
    approved_by: str = ""
    state: str = "sending"


@dataclass(frozen=True)
class Request:
    """A wish for more full numbers than one person may take alone; fields as those of `Download`.

    Attributes:
        request_id: Its serial.
        state: `waiting`, `approved`, `declined` or `used`; `expired` where the time is over.
        decided_by: The second person.
        decided_at: When, in seconds since 1970.
    """

    request_id: str
    at: float
    account: str
    holder: str
    division: str
    unit: str
    list: str
    title: str
    filters: str
    form: str
    part: int
    row_count: int
    reason: str
    state: str = "waiting"
    decided_by: str = ""
    decided_at: float = 0.0

    def now(self, at: float) -> str:
        """The state at a time: what waited or was approved too long ago is over."""
        since = {"waiting": self.at, "approved": self.decided_at}.get(self.state)
        return "expired" if since is not None and at - since > HOURS * 3600 else self.state


class Register(SqliteFile):
    """The register of one installation.

    Args:
        home: The installation's folder.
    """

    def __init__(self, home: Path) -> None:
        self.folder = home / "portal" / "downloads"
        schema = (package_dir("portal") / "sql" / "downloads" / "register.sql").read_text(encoding="utf-8")
        super().__init__(home / "portal" / "downloads.db", schema)
        self.folder.mkdir(exist_ok=True, mode=0o700)

    def rows_file(self, serial: str) -> Path:
        """Where the rows of a download are remembered."""
        return self.folder / f"{serial}.parquet"

    def add(self, download: Download) -> None:
        """Remember a file that is about to be handed out."""
        self._insert("download", asdict(download))

    def add_alone(self, download: Download, most: int) -> bool:
        """Remember a file with full numbers that no second person approved.

        Args:
            download: The file.
            most: Rows with full numbers that an account may take in a day without a second person.

        Returns:
            False, and nothing remembered, where it would be more, also when several are asked for at once.
        """
        with self._writing() as connection:
            if self.full_rows(download.account, download.day) + download.row_count > most:
                return False
            self._put(connection, "download", asdict(download))
        return True

    def forget(self, serial: str) -> None:
        """Take back what `add` noted: the file was not handed out after all."""
        with self._writing() as connection:
            connection.execute("DELETE FROM download WHERE serial = ?", (serial,))
        self.rows_file(serial).unlink(missing_ok=True)

    def ended(self, serial: str, state: str) -> None:
        """Note how a transfer ended: `done` or `broken`."""
        with self._writing() as connection:
            connection.execute("UPDATE download SET state = ? WHERE serial = ?", (state, serial))

    def get(self, serial: str) -> Download | None:
        """A download by its serial."""
        row = self._one("SELECT * FROM download WHERE serial = :serial", serial=serial)
        return Download(**dict(row)) if row else None

    def of_account(self, account: str, most: int = 100) -> list[Download]:
        """The newest downloads of an account."""
        sql = "SELECT * FROM download WHERE account = :account ORDER BY at DESC LIMIT :most"
        return [Download(**dict(row)) for row in self._rows(sql, account=account, most=most)]

    def unfinished(self) -> list[Download]:
        """Transfers that nobody saw end."""
        return [Download(**dict(row)) for row in self._rows("SELECT * FROM download WHERE state = 'sending'")]

    def full_rows(self, account: str, day: str) -> int:
        """Rows with full numbers that an account took on a day without a second person."""
        where = "account = :account AND day = :day AND level = 'full' AND approved_by = ''"
        row = self._one(f"SELECT sum(row_count) AS n FROM download WHERE {where}", account=account, day=day)
        return int(row["n"] or 0) if row else 0

    def drop_before(self, at: float) -> list[str]:
        """Drop what was handed out before a time.

        Returns:
            The serials.
        """
        with self._writing() as connection:
            rows = connection.execute("DELETE FROM download WHERE at < ? RETURNING serial", (at,)).fetchall()
            connection.execute("DELETE FROM request WHERE at < ?", (at,))
        for row in rows:
            self.rows_file(row["serial"]).unlink(missing_ok=True)
        return [row["serial"] for row in rows]

    # Requests

    def ask(self, request: Request) -> None:
        """Keep a request."""
        self._insert("request", asdict(request))

    def request(self, request_id: str) -> Request | None:
        """A request by its id."""
        row = self._one("SELECT * FROM request WHERE request_id = :request_id", request_id=request_id)
        return Request(**dict(row)) if row else None

    def requests_of(self, account: str, most: int = 20) -> list[Request]:
        """The newest requests of an account."""
        sql = "SELECT * FROM request WHERE account = :account ORDER BY at DESC LIMIT :most"
        return [Request(**dict(row)) for row in self._rows(sql, account=account, most=most)]

    def waiting(self, since: float) -> list[Request]:
        """Requests that wait and were made after a time, oldest first."""
        sql = "SELECT * FROM request WHERE state = 'waiting' AND at >= :since ORDER BY at"
        return [Request(**dict(row)) for row in self._rows(sql, since=since)]

    def decide(self, request_id: str, state: str, by: str, at: float, journal: Any) -> bool:
        """Approve or decline what waits; False where it does so no more. `journal` writes the audit log first."""
        sql = "UPDATE request SET state = ?, decided_by = ?, decided_at = ? WHERE request_id = ? AND state = 'waiting'"
        with self._writing() as connection:
            done = connection.execute(sql, (state, by, at, request_id)).rowcount == 1
            if done:
                journal()
        return done

    def use(self, request_id: str) -> bool:
        """Use up what was approved; False where somebody did before."""
        sql = "UPDATE request SET state = 'used' WHERE request_id = ? AND state = 'approved'"
        with self._writing() as connection:
            return connection.execute(sql, (request_id,)).rowcount == 1

    def give_back(self, request_id: str) -> None:
        """Undo `use`: nothing was handed out."""
        sql = "UPDATE request SET state = 'approved' WHERE request_id = ? AND state = 'used'"
        with self._writing() as connection:
            connection.execute(sql, (request_id,))

    def alarm(self, account: str, day: str) -> bool:
        """Whether this is the first time on a day that an account (and what it did) is to be told of."""
        with self._writing() as connection:
            return connection.execute("INSERT OR IGNORE INTO alarm VALUES (?, ?)", (account, day)).rowcount == 1

    # SQLite

    def _insert(self, table: str, values: dict[str, Any]) -> None:
        with self._writing() as connection:
            self._put(connection, table, values)

    @staticmethod
    def _put(connection: sqlite3.Connection, table: str, values: dict[str, Any]) -> None:
        names, places = ", ".join(values), ", ".join(f":{name}" for name in values)
        connection.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", values)


def query_text(query: ListQuery) -> str:
    """A list as the register and the audit log keep it."""
    return json.dumps(
        {"kind": query.kind, "division": query.division, "basis": query.basis, "filters": dict(query.filters)},
        ensure_ascii=False,
    )


def query_of(text: str) -> ListQuery:
    """The list that `query_text` wrote."""
    found = json.loads(text)
    return ListQuery(found["kind"], found["division"], found["basis"], found["filters"])
