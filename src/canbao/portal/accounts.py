"""Accounts and sessions of the portal: `<home>/portal/accounts.db`, readable by its owner alone.

Commands and the portal write to it at the same time. Nothing here decides what somebody may see
(`canbao.portal.scope`), and nothing here writes the audit log: callers do, before they answer.
"""

import hashlib
import hmac
import re
import secrets
import sqlite3
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from canbao.errors import UserError
from canbao.home import Home
from canbao.paths import package_dir
from canbao.portal import passwords
from canbao.portal.scope import ADMIN_ROLES, EXPORTS, PEOPLE_ROLES, ROLES
from canbao.portal.settings import PortalSettings
from canbao.sqlite_file import SqliteFile

_NAME = re.compile(r"[\w.@-]{2,40}")
_LONG_NUMBER = re.compile(r"\d{9,}")
_TEMPORARY = "abcdefghjkmnpqrstuvwxyz23456789"
"""Signs of passwords that are read from a sheet of paper: none that looks like another."""

FACTOR_MINUTES = 5
"""How long a sign-in waits for its second factor, and a confirmed action for being done."""

_SEEN_EVERY = 30.0
"""Seconds after which a session's last request is written down anew."""


@dataclass(frozen=True)
class Account:
    """One account.

    Attributes:
        name: What is typed at sign-in.
        holder: Whose it is, with office, as the administrator wrote it.
        role: One of `scope.ROLES`, empty until granted.
        division: 12 digits, empty for roles that see no people.
        export: `none`, `masked` or `full`, as granted; `Scope.export` is what counts.
        daily_rows: Rows it may download a day; None for the office's default.
        state: `asleep` until granted and after long disuse, `active`, `closed`.
        must_change: The next sign-in must change the password.
        password_changed: When it was last changed.
        made_at: When the account was made.
        used_at: Last sign-in, or when it was made or woken.
        second_factor: Whether a second factor is set up and confirmed.
    """

    name: str
    holder: str
    role: str
    division: str
    export: str
    daily_rows: int | None
    state: str
    must_change: bool
    password_changed: datetime
    made_at: datetime
    used_at: datetime
    second_factor: bool


@dataclass(frozen=True)
class Session:
    """A live session.

    Attributes:
        id_hash: Hash of what the browser holds.
        account: Whose.
        begun: When.
        stage: `code` while the second factor is still asked for, else `in`.
        method: How they signed in: `password`, `password+totp`, `oidc`, `oidc+mfa`.
        address: From where.
    """

    id_hash: str
    account: Account
    begun: datetime
    stage: str
    method: str
    address: str


@dataclass(frozen=True)
class SignIn:
    """What came of a try to sign in.

    Attributes:
        outcome: `ok`, `code` (second factor still to come), `wrong`, `locked`, `asleep`.
        token: What the browser must keep, where it went well.
        account: Whose it is; None unless the password was right.
        reason: For the audit log.
    """

    outcome: str
    token: str = ""
    account: Account | None = None
    reason: str = ""


@dataclass(frozen=True)
class PastSignIn:
    """An earlier try to sign in."""

    at: datetime
    address: str
    method: str
    outcome: str


Journal = Callable[[], object]
"""Writes the audit log's entry of a change, before the change counts: if it cannot be written, nothing changes."""


def utc_now() -> datetime:
    """The clock of the portal; tests set another."""
    return datetime.now(UTC)


def plain_name(name: str) -> str:
    """The one way in which a name is written: full-width and capital letters are no other names."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


def csrf_token(token: str) -> str:
    """What every form of a session carries; it cannot be made without the id of the session, nor the id from it."""
    return hmac.new(token.encode(), b"canbao form", hashlib.sha256).hexdigest()


class Accounts(SqliteFile):
    """All accounts of one installation.

    Args:
        home: The installation's folder.
        settings: Time-outs and limits.
        clock: What time it is.
    """

    PRAGMAS = ("secure_delete = ON",)

    def __init__(
        self, home: Path, settings: PortalSettings | None = None, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._home = home
        self.settings = settings or PortalSettings()
        self.clock = clock
        schema = (package_dir("portal") / "sql" / "accounts.sql").read_text(encoding="utf-8")
        super().__init__(home / "portal" / "accounts.db", schema)

    # Accounts

    def get(self, name: str) -> Account | None:
        """One account."""
        row = self._one("SELECT * FROM account WHERE name = :name", name=plain_name(name))
        return _account(row) if row else None

    def usable(self, name: str) -> Account | None:
        """One account, put to sleep first where it was not used for too long."""
        account = self.get(name)
        return self._fall_asleep(account) if account else None

    def all(self) -> list[Account]:
        """All accounts by name."""
        return [_account(row) for row in self._rows("SELECT * FROM account ORDER BY name")]

    def add(
        self,
        name: str,
        password: str,
        *,
        role: str = "",
        division: str = "",
        export: str = "none",
        holder: str = "",
        state: str = "active",
        must_change: bool = False,
        journal: Journal | None = None,
    ) -> Account:
        """Make an account.

        Args:
            name: 2 to 40 letters, digits, `.`, `-`, `_` or `@`, of any script.
            password: See `canbao.portal.passwords.fault`.
            role: One of `scope.ROLES`, empty until granted.
            division: 12 digits; the caller has seen that it exists and is of the role's level.
            export: `none`, `masked` or `full`.
            holder: Whose it is.
            state: `active` or `asleep`.
            must_change: The first sign-in must change the password.
            journal: Writes the audit log's entry.

        Raises:
            UserError: The name is taken or not allowed, or the password is not allowed.
        """
        name = plain_name(name)
        if not _NAME.fullmatch(name):
            raise UserError("用户名应为 2 至 40 个文字、数字或 . - _ @，中间不能有空格。")
        if _LONG_NUMBER.search(name):
            raise UserError("用户名不能含证件号码或电话号码：它会出现在审计日志和水印里。")
        self._check_rights(role, export)
        reason = passwords.fault(password, name)
        if reason:
            raise UserError(reason)
        now = self._now()
        hashed = passwords.hash_password(password)
        try:
            with self._writing(journal) as connection:
                connection.execute(
                    "INSERT INTO account (name, holder, role, division, export, state, must_change, password_hash,"
                    " password_changed, made_at, used_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (name, holder, role, division, export, state, int(must_change), hashed, now, now, now),
                )
                connection.execute("INSERT INTO password VALUES (?, ?, ?)", (name, hashed, now))
        except sqlite3.IntegrityError:
            raise UserError(f"用户名 {name} 已存在。") from None
        return self._known(name)

    def grant(
        self,
        name: str,
        *,
        role: str,
        division: str,
        export: str,
        daily_rows: int | None = None,
        by: str = "",
        journal: Journal | None = None,
    ) -> Account:
        """Give an account its rights and wake it; its live sessions end.

        Args:
            name: The account.
            role: One of `scope.ROLES`.
            division: 12 digits, empty for administrators.
            export: `none`, `masked` or `full`.
            daily_rows: Rows a day; None for the default.
            by: Who grants.
            journal: Writes the audit log's entry.

        Raises:
            UserError: Nobody grants rights to themselves; who holds an administrator's role keeps it, and only an
                account without a role gets one.
        """
        account = self._known(name)
        if by and plain_name(by) == account.name:
            raise UserError("不能给自己授权，请由另一位安全管理员办理。")
        if not role:
            raise UserError("请选择角色。")
        self._check_rights(role, export)
        if account.state == "closed":
            raise UserError(f"账号 {account.name} 已注销，不能授权。")
        if account.role in ADMIN_ROLES and role != account.role:
            raise UserError("管理员账号不能再授予其他角色；如需更换，请注销后另建账号。")
        if role in ADMIN_ROLES and account.role not in {"", role}:
            raise UserError("业务账号不能改为管理员账号，请另建账号。")
        now = self._now()
        with self._writing(journal) as connection:
            connection.execute(
                "UPDATE account SET role = ?, division = ?, export = ?, daily_rows = ?, state = 'active', used_at = ?"
                " WHERE name = ?",
                (role, division, "none" if role in ADMIN_ROLES else export, daily_rows, now, account.name),
            )
            self._end(connection, account.name)
        return self._known(account.name)

    def close(self, name: str, journal: Journal | None = None) -> Account:
        """Close an account for good; its name is not given to anybody else."""
        return self._state(name, "closed", journal)

    def sleep(self, name: str, journal: Journal | None = None) -> Account:
        """Put an account to sleep until the security administrator wakes it."""
        return self._state(name, "asleep", journal)

    def unlock(self, name: str, journal: Journal | None = None) -> Account:
        """Forget failed tries, and wake an account that was not used for long."""
        account = self._known(name)
        if account.state == "closed":
            raise UserError(f"账号 {account.name} 已注销，不能解锁。")
        if not account.role:
            raise UserError(f"账号 {account.name} 尚未授权，请由安全管理员授权。")
        with self._writing(journal) as connection:
            for kind in ("name", "code"):
                connection.execute("DELETE FROM failure WHERE subject = ?", (f"{kind}:{account.name}",))
            update = "UPDATE account SET state = 'active', used_at = ? WHERE name = ?"
            connection.execute(update, (self._now(), account.name))
        return self._known(account.name)

    def reset_password(self, name: str, journal: Journal | None = None) -> tuple[Account, str]:
        """Give an account a temporary password and put it to sleep.

        Whoever knows the temporary password must not be able to use it alone: the security administrator wakes it.

        Returns:
            The account, and the password, which is shown once.
        """
        account = self._known(name)
        if account.state == "closed":
            raise UserError(f"账号 {account.name} 已注销。")
        password = temporary_password()
        asleep = self._state(name, "asleep", journal)
        self._set_password(account.name, password, must_change=True)
        return asleep, password

    def set_password(self, name: str, password: str, *, must_change: bool, journal: Journal | None = None) -> Account:
        """Set a password for somebody at the machine's console; the account's sessions end.

        Raises:
            UserError: The password is not allowed.
        """
        account = self._known(name)
        reason = passwords.fault(password, account.name)
        if reason:
            raise UserError(reason)
        self._set_password(account.name, password, must_change=must_change, journal=journal, end=True)
        return self._known(account.name)

    def change_password(self, name: str, old: str, new: str, journal: Journal | None = None) -> str:
        """Change one's own password; all other sessions of the account end with the call to `renew`.

        Returns:
            Why it was not changed, in Chinese; empty where it was.
        """
        row = self._one("SELECT * FROM account WHERE name = :name", name=plain_name(name))
        if row is None or not passwords.verify_password(row["password_hash"], old):
            return "原密码不正确。"
        reason = passwords.fault(new, row["name"])
        if reason:
            return reason
        before = "SELECT password_hash FROM password WHERE name = :name ORDER BY since DESC LIMIT :kept"
        for kept in self._rows(before, name=row["name"], kept=passwords.KEPT):
            if passwords.verify_password(kept["password_hash"], new):
                return f"新密码不能与最近 {passwords.KEPT} 次用过的相同。"
        self._set_password(row["name"], new, must_change=False, journal=journal)
        return ""

    def _set_password(
        self, name: str, password: str, *, must_change: bool, journal: Journal | None = None, end: bool = False
    ) -> None:
        hashed = passwords.hash_password(password)
        now = self._now()
        with self._writing(journal) as connection:
            if end:
                self._end(connection, name)
            update = "UPDATE account SET password_hash = ?, password_changed = ?, must_change = ? WHERE name = ?"
            connection.execute(update, (hashed, now, int(must_change), name))
            connection.execute("INSERT INTO password VALUES (?, ?, ?)", (name, hashed, now))
            connection.execute(
                "DELETE FROM password WHERE name = ? AND since NOT IN"
                " (SELECT since FROM password WHERE name = ? ORDER BY since DESC LIMIT ?)",
                (name, name, passwords.KEPT),
            )

    def password_expired(self, account: Account) -> bool:
        """Whether the password must be changed before anything else: a first one, a reset one, or one too old."""
        age = (self.clock() - account.password_changed).total_seconds()
        return account.must_change or age > self.settings.password_days * 86400

    def _state(self, name: str, state: str, journal: Journal | None = None) -> Account:
        account = self._known(name)
        if account.state == "closed" and state != "closed":
            raise UserError(f"账号 {account.name} 已注销。")
        with self._writing(journal) as connection:
            connection.execute("UPDATE account SET state = ? WHERE name = ?", (state, account.name))
            self._end(connection, account.name)
        return self._known(account.name)

    def _check_rights(self, role: str, export: str) -> None:
        if role and role not in ROLES:
            raise UserError(f"不认识的角色 {role}。可用：{'、'.join(ROLES)}。")
        if export not in EXPORTS:
            raise UserError(f"不认识的导出权限 {export}。可用：{'、'.join(EXPORTS)}。")

    # Signing in

    def sign_in(self, name: str, password: str, address: str) -> SignIn:
        """Try a name and a password; takes as long for a name that nobody has.

        Args:
            name: As typed.
            password: As typed.
            address: From where.
        """
        name = plain_name(name)[:80]
        row = self._one("SELECT * FROM account WHERE name = :name", name=name)
        subjects = (f"name:{name if row else self._blind(name)}", f"address:{address}")
        if self._locked(subjects):
            return SignIn("locked", reason="locked")
        right = passwords.verify_password(row["password_hash"] if row else passwords.nobodys_hash(), password)
        if row is None or not right or row["state"] == "closed":
            self._failed(subjects)
            if row is not None:
                with self._writing() as connection:
                    self._keep_sign_in(connection, name, address, "password", "failed")
            reason = "unknown" if row is None else "password" if not right else "closed"
            return SignIn("wrong", reason=reason)
        account = self._fall_asleep(_account(row))
        if account.state != "active":
            return SignIn("asleep", account=account, reason="asleep")
        if passwords.needs_rehash(row["password_hash"]):
            hashed = passwords.hash_password(password)
            with self._writing() as connection:
                connection.execute("UPDATE account SET password_hash = ? WHERE name = ?", (hashed, name))
        if account.second_factor:
            return SignIn("code", self.begin(account, address, "password", stage="code"), account)
        return SignIn("ok", self.begin(account, address, "password"), account)

    def right_password(self, account: Account, password: str, address: str) -> str:
        """Ask somebody who is signed in for the password again; failed tries count as those at sign-in do.

        Returns:
            `locked` or `wrong`; empty where it is right.
        """
        subjects = (f"name:{account.name}", f"address:{address}")
        if self._locked(subjects):
            return "locked"
        row = self._one("SELECT * FROM account WHERE name = :name", name=account.name)
        if row is not None and passwords.verify_password(row["password_hash"], password):
            return ""
        self._failed(subjects)
        return "wrong"

    def begin(self, account: Account, address: str, method: str, stage: str = "in") -> str:
        """Begin a session; the account's other sessions end.

        Returns:
            The id that the browser keeps.
        """
        token = secrets.token_urlsafe(32)
        now = self._now()
        with self._writing() as connection:
            if stage == "in":
                self._end(connection, account.name)
                connection.execute("UPDATE account SET used_at = ? WHERE name = ?", (now, account.name))
                connection.execute("DELETE FROM failure WHERE subject = ?", (f"name:{account.name}",))
            else:  # whoever only knows the password ends nobody's session, but a second try ends the first
                connection.execute("DELETE FROM session WHERE name = ? AND stage = ?", (account.name, stage))
            connection.execute(
                "INSERT INTO session VALUES (?, ?, ?, ?, ?, ?, ?)",
                (_hash(token), account.name, now, now, address, stage, method),
            )
            if stage == "in":
                self._keep_sign_in(connection, account.name, address, method, "ok")
        return token

    def renew(self, token: str) -> str:
        """Give a session a new id and end the account's other sessions: after a change of password.

        Returns:
            The new id.
        """
        fresh = secrets.token_urlsafe(32)
        with self._writing() as connection:
            row = connection.execute("SELECT * FROM session WHERE id_hash = ?", (_hash(token),)).fetchone()
            if row is not None:
                self._end(connection, row["name"])
                kept = (
                    _hash(fresh),
                    row["name"],
                    row["begun"],
                    self._now(),
                    row["address"],
                    row["stage"],
                    row["method"],
                )
                connection.execute("INSERT INTO session VALUES (?, ?, ?, ?, ?, ?, ?)", kept)
        return fresh

    def session(self, token: str) -> Session | None:
        """The live session of an id, None where it has ended; notes that it was used."""
        row = self._one("SELECT * FROM session WHERE id_hash = :id_hash", id_hash=_hash(token))
        if row is None:
            return None
        now = self._now()
        idle = FACTOR_MINUTES if row["stage"] == "code" else self.settings.idle_minutes
        account = self.get(row["name"])
        dead = now - row["seen"] > idle * 60 or now - row["begun"] > self.settings.session_hours * 3600
        if dead or account is None or account.state != "active":
            self.end(token)
            return None
        if row["stage"] == "in" and now - row["seen"] > _SEEN_EVERY:
            with self._writing() as connection:
                connection.execute("UPDATE session SET seen = ? WHERE id_hash = ?", (now, row["id_hash"]))
        return Session(row["id_hash"], account, _time(row["begun"]), row["stage"], row["method"], row["address"])

    def end(self, token: str) -> None:
        """End a session."""
        with self._writing() as connection:
            connection.execute("DELETE FROM session WHERE id_hash = ?", (_hash(token),))
            connection.execute("DELETE FROM step_up WHERE id_hash = ?", (_hash(token),))

    def _end(self, connection: sqlite3.Connection, name: str) -> None:
        ended = "DELETE FROM step_up WHERE id_hash IN (SELECT id_hash FROM session WHERE name = ?)"
        connection.execute(ended, (name,))
        connection.execute("DELETE FROM session WHERE name = ?", (name,))

    def past_sign_ins(self, name: str, limit: int = 10) -> list[PastSignIn]:
        """The account's last sign-ins and failed tries, newest first."""
        found = "SELECT * FROM sign_in WHERE name = :name ORDER BY at DESC, rowid DESC LIMIT :limit"
        return [
            PastSignIn(_time(row["at"]), row["address"], row["method"], row["outcome"])
            for row in self._rows(found, name=plain_name(name), limit=limit)
        ]

    def newest_sign_in(self, name: str) -> PastSignIn | None:
        """The newest sign-in, the present one too; None for who never signed in."""
        return self._good_sign_in(name, 0)

    def last_sign_in(self, name: str) -> PastSignIn | None:
        """The sign-in before the present one."""
        return self._good_sign_in(name, 1)

    def _good_sign_in(self, name: str, back: int) -> PastSignIn | None:
        found = (
            "SELECT * FROM sign_in WHERE name = :name AND outcome = 'ok' ORDER BY at DESC, rowid DESC LIMIT 1 OFFSET :n"
        )
        rows = self._rows(found, name=plain_name(name), n=back)
        return next((PastSignIn(_time(one["at"]), one["address"], one["method"], one["outcome"]) for one in rows), None)

    def _fall_asleep(self, account: Account) -> Account:
        """An account that was not used for long sleeps (等保 访问控制: 及时停用多余的、过期的账户)."""
        unused = (self.clock() - account.used_at).total_seconds()
        if account.state == "active" and unused > self.settings.dormant_days * 86400:
            return self._state(account.name, "asleep")
        return account

    def _keep_sign_in(self, connection: sqlite3.Connection, name: str, address: str, method: str, outcome: str) -> None:
        row = (name, self._now(), address, method, outcome)
        connection.execute("INSERT INTO sign_in VALUES (?, ?, ?, ?, ?)", row)
        connection.execute(
            # of each outcome: who tries fifty passwords must not wipe out when the account was last used
            "DELETE FROM sign_in WHERE name = ? AND outcome = ? AND rowid NOT IN"
            " (SELECT rowid FROM sign_in WHERE name = ? AND outcome = ? ORDER BY at DESC, rowid DESC LIMIT 50)",
            (name, outcome, name, outcome),
        )

    # Failures

    def _blind(self, name: str) -> str:
        """What a name that no account has is counted under: people type numbers and passwords into the wrong field."""
        return f"#{hmac.new(Home(self._home).key(), b'canbao name ' + name.encode(), hashlib.sha256).hexdigest()}"

    def _locked(self, subjects: Sequence[str]) -> bool:
        now = self._now()
        sql = "SELECT until FROM failure WHERE subject = :subject"
        return any(row["until"] > now for one in subjects for row in self._rows(sql, subject=one))

    def _failed(self, subjects: Sequence[str]) -> None:
        now = self._now()
        window = self.settings.lock_minutes * 60
        with self._writing() as connection:
            connection.execute("DELETE FROM failure WHERE since < ? AND until < ?", (now - window, now))
            for subject in subjects:
                limit = self.settings.address_failures if subject.startswith("address:") else self.settings.failures
                connection.execute(
                    "INSERT INTO failure VALUES (?, 1, ?, 0) ON CONFLICT (subject) DO UPDATE SET count = count + 1",
                    (subject, now),
                )
                connection.execute(
                    "UPDATE failure SET until = ?, count = 0 WHERE subject = ? AND count >= ?",
                    (now + window, subject, limit),
                )

    def locked_until(self, name: str) -> datetime | None:
        """Until when a name is locked because of failed tries; None where it is not."""
        sql = "SELECT max(until) AS until FROM failure WHERE subject IN (:name, :code)"
        row = self._one(sql, name=f"name:{plain_name(name)}", code=f"code:{plain_name(name)}")
        return _time(row["until"]) if row and row["until"] and row["until"] > self._now() else None

    # Second factor: what it keeps (canbao.portal.second_factor decides)

    def factor(self, name: str) -> tuple[bytes | None, bool, int]:
        """The sealed secret of an account's second factor, whether it is confirmed, and the last step that was used."""
        row = self._one("SELECT * FROM account WHERE name = :name", name=plain_name(name))
        if row is None:
            return None, False, 0
        return row["factor_secret"], bool(row["factor_confirmed"]), int(row["factor_step"])

    def set_factor(self, name: str, secret: bytes | None, journal: Journal | None = None) -> None:
        """Keep a second factor's sealed secret, not confirmed yet; None takes the second factor away."""
        update = "UPDATE account SET factor_secret = ?, factor_confirmed = 0, factor_step = 0 WHERE name = ?"
        with self._writing(journal) as connection:
            connection.execute(update, (secret, plain_name(name)))

    def use_factor(self, name: str, step: int, journal: Journal | None = None) -> bool:
        """Use up a step, and confirm the second factor where it was not; False where the step was used before."""
        update = "UPDATE account SET factor_step = ?, factor_confirmed = 1 WHERE name = ? AND factor_step < ?"
        with self._writing() as connection:
            used = connection.execute(update, (step, plain_name(name), step)).rowcount == 1
            if used and journal is not None:
                journal()
            return used

    def code_failed(self, name: str) -> None:
        """Count a wrong code."""
        self._failed((f"code:{plain_name(name)}",))

    def code_locked(self, name: str) -> bool:
        """Whether too many wrong codes were tried."""
        return self._locked((f"code:{plain_name(name)}",))

    def allow_action(self, session: Session, action: str) -> None:
        """Note that the second factor was given for one action of one session."""
        with self._writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO step_up VALUES (?, ?, ?)", (session.id_hash, action, self._now())
            )

    def allowed(self, session: Session, action: str, minutes: float) -> bool:
        """Whether `allow_action` noted something in the last minutes; it stays noted."""
        sql = "SELECT at FROM step_up WHERE id_hash = :id_hash AND action = :action"
        row = self._one(sql, id_hash=session.id_hash, action=action)
        return row is not None and self._now() - row["at"] <= minutes * 60

    def take_action(self, session: Session, action: str) -> bool:
        """Use up what `allow_action` noted; False where there is nothing, or it is too old."""
        sql = "DELETE FROM step_up WHERE id_hash = ? AND action = ? RETURNING at"
        with self._writing() as connection:
            row = connection.execute(sql, (session.id_hash, action)).fetchone()
        return row is not None and self._now() - row["at"] <= FACTOR_MINUTES * 60

    # Rows given out

    def rows_left(self, account: Account, day: str) -> int:
        """Rows that an account may still download on a day."""
        limit = self.settings.daily_rows if account.daily_rows is None else account.daily_rows
        return limit - self.rows_given(account.name, day)

    def rows_given(self, name: str, day: str) -> int:
        """Rows that an account downloaded on a day."""
        sql = "SELECT row_count FROM given_out WHERE name = :name AND day = :day"
        row = self._one(sql, name=plain_name(name), day=day)
        return int(row["row_count"]) if row else 0

    def take_rows(self, account: Account, day: str, rows: int) -> bool:
        """Count rows against the day's quota; False, and nothing counted, where it is not enough."""
        limit = self.settings.daily_rows if account.daily_rows is None else account.daily_rows
        with self._writing() as connection:
            sql = "SELECT row_count FROM given_out WHERE name = ? AND day = ?"
            row = connection.execute(sql, (account.name, day)).fetchone()
            total = rows + (row["row_count"] if row else 0)
            if total > limit:
                return False
            connection.execute("INSERT OR REPLACE INTO given_out VALUES (?, ?, ?)", (account.name, day, total))
            return True

    def search_misses(self, name: str, day: str) -> int:
        """Searches by number that found nobody, of an account on a day."""
        row = self._one("SELECT count FROM search_miss WHERE name = :name AND day = :day", name=name, day=day)
        return int(row["count"]) if row else 0

    def note_search_miss(self, name: str, day: str, misses: int = 1) -> None:
        """Count searches by number, or numbers of a returned file, that found nobody."""
        sql = "INSERT INTO search_miss VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count"
        with self._writing() as connection:
            connection.execute("DELETE FROM search_miss WHERE day < ?", (day,))
            connection.execute(sql, (name, day, misses))

    # OpenID Connect: tries that are under way

    def keep_try(self, state: str, browser: str, nonce: str, verifier: str, go_to: str) -> None:
        """Keep what a sign-in through the provider must bring back."""
        now = self._now()
        with self._writing() as connection:
            connection.execute("DELETE FROM oidc_try WHERE at < ?", (now - 600,))
            row = (_hash(state), _hash(browser), nonce, verifier, go_to, now)
            connection.execute("INSERT INTO oidc_try VALUES (?, ?, ?, ?, ?, ?)", row)

    def take_try(self, state: str, browser: str) -> tuple[str, str, str] | None:
        """Nonce, verifier and where to go on, once; None for another browser, a second time, or after ten minutes."""
        sql = "DELETE FROM oidc_try WHERE state = ? RETURNING *"
        with self._writing() as connection:
            row = connection.execute(sql, (_hash(state),)).fetchone()
        if row is None or row["browser_hash"] != _hash(browser) or self._now() - row["at"] > 600:
            return None
        return row["nonce"], row["verifier"], row["next"]

    # SQLite

    def _known(self, name: str) -> Account:
        account = self.get(name)
        if account is None:
            raise UserError(f"没有账号 {plain_name(name)}。")
        return account

    def _now(self) -> float:
        return self.clock().timestamp()

    @contextmanager
    def _writing(self, journal: Journal | None = None) -> Iterator[sqlite3.Connection]:
        # What is noted in the audit log must outlive a power cut; a session need not.
        self._connection().execute(f"PRAGMA synchronous = {'NORMAL' if journal is None else 'FULL'}")
        with super()._writing() as connection:
            yield connection
            if journal is not None:
                journal()


def temporary_password() -> str:
    """A password for the first sign-in, easy to read from paper: 80 bits in four groups."""
    return "-".join("".join(secrets.choice(_TEMPORARY) for _ in range(4)) for _ in range(4))


def division_fault(role: str, division: str, tree: Any) -> str:
    """Why a division does not go with a role, in Chinese; empty where it does.

    Args:
        role: One of `scope.ROLES`.
        division: 12 digits, empty for administrators.
        tree: The divisions in use.
    """
    if role not in PEOPLE_ROLES:
        return ""
    if not division:
        return "该角色必须指定区划代码。"
    if tree.current(division, PEOPLE_ROLES.index(role) + 1) is not None:
        return ""
    if tree.get(division) is None:
        return f"区划代码 {division} 不在现行区划表中。"
    return f"区划 {division} 的层级与角色不符：{'、'.join(PEOPLE_ROLES)} 依次对应市、区县、乡镇街道、村社区。"


def _account(row: sqlite3.Row) -> Account:
    return Account(
        name=row["name"],
        holder=row["holder"],
        role=row["role"],
        division=row["division"],
        export=row["export"],
        daily_rows=row["daily_rows"],
        state=row["state"],
        must_change=bool(row["must_change"]),
        password_changed=_time(row["password_changed"]),
        made_at=_time(row["made_at"]),
        used_at=_time(row["used_at"]),
        second_factor=bool(row["factor_confirmed"]),
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
