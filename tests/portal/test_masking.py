"""Masked by outcome: at least 1,000 valid numbers fit everything that stands beside a masked number."""

from calendar import isleap
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canbao.portal import masking
from canbao.portal.fields import present
from canbao.portal.masking import LEAST, Shown, mask_certno, mask_tel

from .kit import CITY

AS_OF = date(2026, 3, 31)


def possible_numbers(area: str, born_from: date, born_to: date, gend: str | None, tail: str) -> int:
    """Count the valid numbers that fit, one by one.

    Args:
        area: Six digits.
        born_from: First birth date that fits.
        born_to: Last birth date that fits.
        gend: `1` man, `2` woman, None not shown.
        tail: Digits shown at the end.
    """
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    count = 0
    for ordinal in range(born_from.toordinal(), born_to.toordinal() + 1):
        stem = area + date.fromordinal(ordinal).strftime("%Y%m%d")
        start = sum(int(digit) * weight for digit, weight in zip(stem, weights, strict=False))
        for serial in range(1, 1000):
            if gend is not None and (serial % 2 == 1) != (gend == "1"):
                continue
            text = f"{serial:03d}"
            total = start + sum(int(digit) * weight for digit, weight in zip(text, weights[14:], strict=True))
            if (text + "10X98765432"[total % 11]).endswith(tail):
                count += 1
    return count


def birth_dates(age: int, on: date) -> tuple[date, date]:
    """First and last birth date of who is `age` full years old on a day."""
    first = _years_before(on, age + 1)
    return date.fromordinal(first.toordinal() + 1), _years_before(on, age)


def _years_before(day: date, years: int) -> date:
    year = day.year - years
    if day.month == 2 and day.day == 29 and not isleap(year):
        return date(year, 2, 28)
    return day.replace(year=year)


@settings(max_examples=12, deadline=None)
@given(
    age=st.integers(0, 100),
    gend=st.sampled_from(["1", "2"]),
    serial=st.integers(1, 999),
    show_gend=st.booleans(),
    show_age=st.booleans(),
)
def test_a_thousand_numbers_fit_what_a_masked_row_shows(age, gend, serial, show_gend, show_age):
    first, last = birth_dates(age, AS_OF)
    number = "990101" + first.strftime("%Y%m%d") + f"{serial:03d}" + "0"
    shown = Shown(age=show_age, gend=show_gend)
    masked = mask_certno(number, shown)
    tail = masked.lstrip("*")
    assert len(masked) == 18
    # the area is given away as well: it is mostly the county that the page names
    fitting = possible_numbers("990101", first, last, gend if show_gend else None, tail[-1:])
    assert fitting >= LEAST
    assert masking.tail_digits(shown) == len(tail) <= 2


def test_two_digits_at_the_end_still_leave_a_thousand():
    first, last = birth_dates(40, AS_OF)
    counts = [
        possible_numbers("990101", first, last, gend, f"{digit}{check}")
        for gend in ("1", "2")
        for digit in (1, 2)
        for check in "0X"
    ]
    assert all(count == 0 or count >= LEAST for count in counts), counts


def test_an_exact_birth_date_never_stands_beside_a_masked_number():
    with pytest.raises(ValueError):
        mask_certno("990101199001010010", Shown(brdy=True, gend=True))
    assert masking.fitting(Shown(brdy=True, gend=True), 0) < LEAST


def test_numbers_of_other_kinds_show_nothing():
    assert mask_certno("H12345678", Shown()) == "******"
    assert mask_certno("990101900101001", Shown(age=True)) == "******"
    assert mask_certno(None, Shown()) == ""


def test_telephones():
    assert mask_tel("13800001234") == "138****1234"
    assert mask_tel("023-60001234") == "**********34"
    assert mask_tel("") == ""
    assert "1" not in mask_tel("11111")


def test_numbers_in_names_and_household_numbers_are_cut(office):
    """Some write a householder's number or a telephone where a name or the household's number belongs."""
    scope = office.scope("city", CITY)
    row = {
        "psn_name": "张三 500199198005051415",
        "household_no": "50019919800505141X",
        "contact_name": "李四13912345678",
    }
    seen = present(row, "uninsured", scope)
    assert (seen["psn_name"], seen["household_no"], seen["contact_name"]) == ("张三 500***", "500***", "李四139***")
    plain = {"psn_name": "张三", "household_no": "H-20260102001", "contact_name": "阿依古丽·买买提"}
    assert {name: present(plain, "uninsured", scope)[name] for name in plain} == plain
