"""Serials of downloads and the marks of their rows: what a file that got about is traced by (U7).

A serial is told to people, so its signs are those that nobody takes for others; none of them is a vowel, so that no
spreadsheet takes a mark for a month or a power of ten. Marks are keyed: who has a file cannot make those of another.
"""

import re
import secrets
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from canbao.home import Home

SIGNS = "BCDFGHJKLMNPQRSTVWXYZ23456789"
"""29 signs, a prime number: the check character finds every wrong sign and every two that changed places."""

MARK_SIGNS = 8
_LETTERS = 21
_MARKS = _LETTERS * len(SIGNS) ** (MARK_SIGNS - 1)
_SERIAL = re.compile(rf"(?<![0-9A-Z])([{SIGNS}]{{4}})[-‐‑–－]([{SIGNS}]{{4}})[-‐‑–－]([{SIGNS}]{{4}})(?![0-9A-Z])")
_MARK = re.compile(rf"(?<![0-9A-Za-z])[{SIGNS[:_LETTERS]}][{SIGNS}]{{{MARK_SIGNS - 1}}}(?![0-9A-Za-z])")


def new_serial() -> str:
    """A serial that nobody can guess: eleven signs (53 bits) and a check character, in three groups."""
    signs = "".join(secrets.choice(SIGNS) for _ in range(11))
    whole = signs + _check(signs)
    return "-".join(whole[at : at + 4] for at in (0, 4, 8))


def plain_serial(text: str) -> str | None:
    """A serial as it is kept, from what somebody typed; None where it is none (the check character tells)."""
    signs = re.sub(r"[\s\-‐‑–－]", "", unicodedata.normalize("NFKC", text)).upper()
    if len(signs) != 12 or set(signs) - set(SIGNS) or _check(signs[:11]) != signs[11]:
        return None
    return "-".join(signs[at : at + 4] for at in (0, 4, 8))


def serials_in(text: str) -> list[str]:
    """All serials that stand in a text, each once, in their order."""
    found = ("-".join(groups.groups()) for groups in _SERIAL.finditer(text))
    return list(dict.fromkeys(one for one in found if plain_serial(one)))


def marks_in(text: str) -> set[str]:
    """Whatever in a text looks like the mark of a row."""
    return set(_MARK.findall(text))


def _check(signs: str) -> str:
    return SIGNS[sum(weight * SIGNS.index(sign) for weight, sign in enumerate(signs, 1)) % len(SIGNS)]


@dataclass(frozen=True)
class Tracer:
    """Makes the marks of rows, and what is kept about them: keyed hashes, none of which tells a person.

    Attributes:
        secret: Derived from the home's key.
    """

    secret: bytes

    @classmethod
    def of(cls, home: Home) -> "Tracer":
        """The tracer of an installation."""
        return cls(HKDF(SHA256(), 32, None, b"canbao trace").derive(home.key()))

    @cached_property
    def _keyed(self) -> dict[str, Any]:
        return {use: blake2b(digest_size=8, key=self.secret, person=use.encode()) for use in ("mark", "who", "look")}

    def _hash(self, use: str, data: bytes) -> int:
        hashed = self._keyed[use].copy()
        hashed.update(data)
        return int.from_bytes(hashed.digest(), "big")

    def mark(self, serial: str, person: bytes) -> str:
        """The mark of a person's row in one download."""
        number = self._hash("mark", serial.encode() + person) % _MARKS
        signs = []
        for _ in range(MARK_SIGNS - 1):
            number, at = divmod(number, len(SIGNS))
            signs.append(SIGNS[at])
        return SIGNS[number] + "".join(signs)

    def person(self, person: bytes) -> int:
        """What is kept of a person's id: 64 bits."""
        return self._hash("who", person)

    def code(self, row_code: str) -> int:
        """What is kept of a dispatched row's code: 64 bits that no mark has."""
        return self._hash("look", row_code.encode()) | 1 << 63

    def look(self, *shown: Any) -> int:
        """What is kept of what a row shows of somebody (name; name and age; a full number): 32 bits."""
        said = "|".join(re.sub(r"\s", "", unicodedata.normalize("NFKC", str(one))) for one in shown)
        return self._hash("look", said.encode()) >> 32


def mark_number(mark: str) -> int:
    """A mark as it is kept."""
    number = 0
    for sign in mark:
        number = number * len(SIGNS) + SIGNS.index(sign)
    return number
