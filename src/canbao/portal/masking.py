"""Numbers that may be shown: masked by outcome, not by pattern (contract section 4).

Masked means that at least `LEAST` valid certificate numbers fit everything that a page or file shows about the person.
How much of a number may be shown therefore depends on what stands beside it. The area of a number is taken as known
whatever is shown: most people's number begins with the code of the county that the page names.
"""

from dataclasses import dataclass
from functools import lru_cache

LEAST = 1000
"""Valid numbers that must fit all that is shown (contract section 4)."""

_SEQUENCES = 999
"""Serial numbers of one area and day: 001 to 999; odd ones are men's, even ones women's (GB 11643)."""

_CHECKS = 11
"""Values of the check digit: whoever shows it lets one serial number in eleven through."""

_TAILS = 2
"""Digits at a number's end that offices like to see; more of them would name the person."""


@dataclass(frozen=True)
class Shown:
    """What a page or file shows about a person besides the number.

    Attributes:
        brdy: The exact birth date, or something that gives it away (a 90th day).
        age: Full years.
        gend: Sex.
    """

    brdy: bool = False
    age: bool = False
    gend: bool = False


def fitting(shown: Shown, tail: int) -> float:
    """How many valid numbers fit, at the least, when `tail` digits at the end are shown; the area counts as known.

    The last digit is the check digit, the one before it the last digit of the serial number.
    """
    days = 1 if shown.brdy else 365 if shown.age else 365 * 100
    serials = _SEQUENCES / 2 if shown.gend else float(_SEQUENCES)
    if tail >= 1:
        serials /= _CHECKS
    for _ in range(tail - 1):
        serials /= 10
    if tail >= 2 and shown.gend:
        serials *= 2  # the digit gives the sex away, which was counted above already
    return days * serials


@lru_cache
def tail_digits(shown: Shown) -> int:
    """How many digits at the end may stand; -1 where not even a wholly hidden number leaves enough."""
    best = -1
    for tail in range(_TAILS + 1):
        if fitting(shown, tail) >= LEAST:
            best = tail
    return best


def mask_certno(certno: str | None, shown: Shown) -> str:
    """The number as it may be shown.

    Args:
        certno: The number, of any kind; None for a child without one.
        shown: What stands beside it.

    Returns:
        Stars and at most two digits at the end. Of a number without the form of a resident's certificate nothing is
        shown but that there is one: how many fit cannot be told.

    Raises:
        ValueError: The page shows so much that no masking serves; show the age instead of the birth date.
    """
    if not certno:
        return ""
    tail = tail_digits(shown)
    if tail < 0:
        raise ValueError("a birth date may not stand beside a masked number")
    if len(certno) != 18 or not certno[:17].isdigit():
        return "******"
    return "*" * (18 - tail) + certno[18 - tail :]


def mask_tel(tel: str | None) -> str:
    """A telephone as it may be shown: of a mobile three digits in front and four at the end, else two at the end."""
    if not tel:
        return ""
    digits = tel.strip()
    if len(digits) == 11 and digits.startswith("1"):
        return f"{digits[:3]}****{digits[-4:]}"
    return "*" * max(len(digits) - 2, 4) + digits[-2:] if len(digits) > 6 else "*" * len(digits)
