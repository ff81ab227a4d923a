"""Row codes: what stands for a row of a dispatched list, on paper and in whatever file comes back.

Ten signs: the batch (4), the row's serial in it (3), a keyed mark of batch, serial and person (2), a check sign. The
alphabet has 31 signs, a prime, and every place another weight: one wrong sign is always noticed, and so are any two
that changed places. The mark makes codes that nobody was given hard to guess. The first sign is a letter, so that no
spreadsheet takes a code for a number (`2345678E22`).
"""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""No 0, 1, I, L, O: people read codes to each other."""

LENGTH = 10
LARGEST_BATCH = 29_791
"""Rows that one batch can number; a longer list goes out as several batches."""

_BASE = len(ALPHABET)
_FIRST_LETTER = ALPHABET.index("A") * _BASE**3
LAST_BATCH = _BASE**4 - 1 - _FIRST_LETTER
"""The highest batch number there is."""

_WEIGHTS = np.arange(1, LENGTH + 1)
_VALUES = {sign: value for value, sign in enumerate(ALPHABET)}
_SIGNS = np.frombuffer(ALPHABET.encode("ascii"), dtype=np.uint8)
_LAST_INVERSE = pow(LENGTH, -1, _BASE)
_DASHES = re.compile("[-‐‑‒–—―−－_﹣]")
_BATCH = re.compile(r"P(\d{1,7})")


@dataclass(frozen=True)
class RowCode:
    """A code that was read.

    Attributes:
        batch_no: The batch it says it is of.
        serial: The row in it, from 1.
        code: The code as it is kept: ten capital signs. Whether it was ever given out is for `Loop.sent_rows` to say.
    """

    batch_no: int
    serial: int
    code: str


def row_codes(key: bytes, batch_nos: Sequence[int], serials: Sequence[int], person_ids: Sequence[str]) -> list[str]:
    """Codes of rows.

    Args:
        key: The home's key.
        batch_nos: Batch of each row, 0 to `LAST_BATCH`.
        serials: Serial of each row in its batch, 1 to `LARGEST_BATCH`.
        person_ids: Person of each row.

    Returns:
        One code per row; the same input gives the same codes.

    Raises:
        ValueError: A batch number or serial that ten signs cannot hold.
    """
    batches = np.asarray(batch_nos, dtype=np.int64)
    places = np.asarray(serials, dtype=np.int64) - 1
    if not len(batches):
        return []
    if batches.min() < 0 or batches.max() > LAST_BATCH or places.min() < 0 or places.max() >= LARGEST_BATCH:
        raise ValueError("batch number or serial out of range")
    own = hashlib.sha256(b"canbao row code\n" + key).digest()
    marks = np.fromiter(
        (
            int.from_bytes(hashlib.blake2b(f"{batch}-{place}-{person}".encode(), digest_size=4, key=own).digest())
            for batch, place, person in zip(batches.tolist(), places.tolist(), person_ids, strict=True)
        ),
        dtype=np.int64,
        count=len(batches),
    )
    digits = np.empty((len(batches), LENGTH), dtype=np.int64)
    for start, width, numbers in ((0, 4, batches + _FIRST_LETTER), (4, 3, places), (7, 2, marks)):
        for place in range(width):
            digits[:, start + place] = numbers // _BASE ** (width - 1 - place) % _BASE
    known = digits[:, :-1] @ _WEIGHTS[:-1]
    digits[:, -1] = -known * _LAST_INVERSE % _BASE
    text = _SIGNS[digits].tobytes().decode("ascii")
    return [text[start : start + LENGTH] for start in range(0, len(text), LENGTH)]


def read_row_code(text: str) -> RowCode | None:
    """A code however it was typed or passed on; None where it is damaged, or no code at all.

    Spaces, dashes, full width, lower case, a leading apostrophe and signs that nobody sees do not matter.
    """
    plain = _plain(text)
    if len(plain) != LENGTH or any(sign not in _VALUES for sign in plain):
        return None
    digits = [_VALUES[sign] for sign in plain]
    if sum(weight * digit for weight, digit in zip(_WEIGHTS.tolist(), digits, strict=True)) % _BASE:
        return None
    batch_no, serial = _number(digits[:4]) - _FIRST_LETTER, _number(digits[4:7]) + 1
    return RowCode(batch_no, serial, plain) if batch_no >= 0 else None


def row_codes_in(text: str) -> set[str]:
    """Whatever in a text is a whole code, as it was given out."""
    found = (read_row_code(one) for one in re.findall(rf"(?<![0-9A-Za-z])[A-Z][{ALPHABET}]{{9}}(?![0-9A-Za-z])", text))
    return {one.code for one in found if one is not None}


def batch_id(batch_no: int) -> str:
    """`P000123`, what a batch is called on paper."""
    return f"P{batch_no:06d}"


def read_batch_id(text: str) -> int | None:
    """The batch number of an id however it was typed, None where it is none."""
    match = _BATCH.fullmatch(_plain(text))
    return int(match[1]) if match and int(match[1]) <= LAST_BATCH else None


def _plain(text: str) -> str:
    shown = "".join(sign for sign in unicodedata.normalize("NFKC", text) if unicodedata.category(sign) != "Cf")
    return _DASHES.sub("", re.sub(r"\s", "", shown)).strip("'‘’`\"").upper()


def _number(digits: Sequence[int]) -> int:
    value = 0
    for digit in digits:
        value = value * _BASE + digit
    return value
