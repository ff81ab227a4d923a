"""异议: what somebody says is wrong about a person's file; a task for the source that delivered it (U17).

Append-only lines in `<home>/portal/objections.jsonl`: one when it is raised, one when it is answered. They name the
person's id and who wrote, never a number; a text with a long number in it is refused.
"""

import fcntl
import json
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from canbao.errors import UserError
from canbao.portal.words import words
from canbao.quality.personal import refuse_numbers

LONGEST = 500
"""Characters of a text."""

OUTCOMES = {"corrected": "已更正", "confirmed": "核实无误", "kept": "不予更正"}
"""How a source answers."""

_NUMBER = re.compile(r"\d{6,}")

Journal = Callable[[str], object]
"""Writes the audit log's entry for an objection's number, before the objection is stored."""


class Objections:
    """The objections of one installation.

    Args:
        home: The installation's folder.
    """

    def __init__(self, home: Path) -> None:
        self._file = home / "portal" / "objections.jsonl"
        self._lock = home / "portal" / ".objections.lock"

    def all(self) -> list[dict[str, Any]]:
        """Every objection with its answer, the newest first."""
        found: dict[str, dict[str, Any]] = {}
        if self._file.exists():
            for line in self._file.read_text(encoding="utf-8").splitlines():
                try:
                    entry = json.loads(line)
                    key = str(entry["id"])
                except (ValueError, KeyError, TypeError):
                    continue  # a line that was broken off
                if "person_id" in entry:
                    found[key] = {"answer": None, **entry}
                elif key in found:
                    found[key]["answer"] = entry
        return list(reversed(found.values()))

    def of_person(self, person_id: str) -> list[dict[str, Any]]:
        """Those about one person, the newest first."""
        return [one for one in self.all() if one["person_id"] == person_id]

    def one(self, key: str) -> dict[str, Any] | None:
        """One of them."""
        return next((found for found in self.all() if found["id"] == key), None)

    def raise_one(
        self,
        person_id: str,
        about: str,
        text: str,
        *,
        account: str,
        division: str,
        publication: str,
        at: datetime,
        journal: Journal | None = None,
    ) -> str:
        """Note an objection.

        Args:
            person_id: The person whose file it is about.
            about: What of it (`[objection]` of `words.toml`).
            text: What is wrong, in the person's words.
            account: Who says so.
            division: For which division.
            publication: Which publication was looked at.
            at: When.
            journal: Writes the audit log's entry.

        Returns:
            Its number.

        Raises:
            UserError: No subject, no text, too long a text, or a number in it.
        """
        text = " ".join(text.split())
        if about not in words()["objection"]:
            raise UserError("请选择异议的内容。")
        if not text or len(text) > LONGEST:
            raise UserError(f"请写明哪里不对，不超过 {LONGEST} 字。")
        if _has_number(text):
            raise UserError("说明里不要写证件号码、电话等长串数字，只写哪里不对、应是什么情况。")
        key = f"Y{at.astimezone(UTC):%Y%m%d}-{secrets.token_hex(4)}"
        if journal is not None:
            journal(key)
        self._append(
            {
                "id": key,
                "at": at.isoformat(timespec="seconds"),
                "person_id": person_id,
                "about": about,
                "source": words()["objection_source"][about],
                "text": text,
                "account": account,
                "division": division,
                "publication": publication,
            }
        )
        return key

    def answer(
        self, key: str, outcome: str, text: str, *, account: str, at: datetime, journal: Journal | None = None
    ) -> None:
        """Note what the source answered; a later answer replaces an earlier one.

        Raises:
            UserError: There is no such objection, or the answer says nothing.
        """
        text = " ".join(text.split())
        if self.one(key) is None or outcome not in OUTCOMES:
            raise UserError("没有这条异议，或没有选择处理结果。")
        if len(text) > LONGEST or (text and _has_number(text)):
            raise UserError(f"答复不超过 {LONGEST} 字，不要写证件号码、电话等长串数字。")
        if journal is not None:
            journal(key)
        self._append(
            {"id": key, "outcome": outcome, "text": text, "account": account, "at": at.isoformat(timespec="seconds")}
        )

    def _append(self, entry: dict[str, Any]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._locked():
            descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                size = os.fstat(descriptor).st_size
                broken = size and os.pread(descriptor, 1, size - 1) != b"\n"
                os.write(descriptor, (("\n" if broken else "") + json.dumps(entry, ensure_ascii=False) + "\n").encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _has_number(text: str) -> bool:
    """Whether a text holds a long number, however it is written."""
    try:
        refuse_numbers(text, "说明")
    except UserError:
        return True
    return _NUMBER.search(text) is not None
