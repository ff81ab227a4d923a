"""Row codes: every single wrong sign and every swap is refused, whatever a file did to the rest is forgiven."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canbao.loop import codes

KEY = b"key of the tests"
_batch = st.integers(0, codes.LAST_BATCH)
_serial = st.integers(1, codes.LARGEST_BATCH)
_person = st.text("0123456789abcdef", min_size=32, max_size=32)
_code = st.builds(
    lambda batch, serial, person: codes.row_codes(KEY, [batch], [serial], [person])[0], _batch, _serial, _person
)


@given(_batch, _serial, _person)
def test_a_code_says_its_batch_and_serial(batch: int, serial: int, person: str) -> None:
    (code,) = codes.row_codes(KEY, [batch], [serial], [person])
    assert re.fullmatch(f"[A-Z][{codes.ALPHABET}]{{9}}", code)
    assert codes.read_row_code(code) == codes.RowCode(batch, serial, code)


@settings(max_examples=30)
@given(_code)
def test_every_single_wrong_sign_is_refused(code: str) -> None:
    for place in range(codes.LENGTH):
        for sign in set(codes.ALPHABET) - {code[place]}:
            assert codes.read_row_code(code[:place] + sign + code[place + 1 :]) is None


@settings(max_examples=60)
@given(_code)
def test_every_swap_of_two_signs_is_refused(code: str) -> None:
    for one in range(codes.LENGTH):
        for other in range(one + 1, codes.LENGTH):
            signs = list(code)
            signs[one], signs[other] = signs[other], signs[one]
            assert signs[one] == signs[other] or codes.read_row_code("".join(signs)) is None


@given(_code)
def test_a_lost_or_added_sign_is_refused(code: str) -> None:
    assert codes.read_row_code(code[:-1]) is None
    assert codes.read_row_code(code[1:]) is None
    assert codes.read_row_code(code + "2") is None


@given(_code, st.sampled_from(codes.ALPHABET))
def test_forgiven(code: str, _: str) -> None:
    full_width = "".join(chr(ord(sign) + 0xFEE0) for sign in code)
    for told in (
        code.lower(), f"'{code}", f"  {code}\u3000\n", f"{code[:4]}-{code[4:7]}-{code[7:]}", f"{code[:5]}—{code[5:]}",
        f"\ufeff{code}", f"{code[:3]}\u200b{code[3:]}", full_width, f"{code[:5]} {code[5:]}", f"‘{code}’",
    ):  # fmt: skip
        read = codes.read_row_code(told)
        assert read is not None
        assert read.code == code


@given(st.text(max_size=20))
def test_whatever_stands_in_a_cell(text: str) -> None:
    read = codes.read_row_code(text)
    assert read is None or len(read.code) == codes.LENGTH


def test_codes_are_keyed_and_stable() -> None:
    people = [f"{number:032x}" for number in range(200)]
    serials = list(range(1, 201))
    made = codes.row_codes(KEY, [7] * 200, serials, people)
    assert made == codes.row_codes(KEY, [7] * 200, serials, people)
    other = codes.row_codes(b"another key", [7] * 200, serials, people)
    assert sum(one[7:9] != two[7:9] for one, two in zip(made, other, strict=True)) > 150
    assert len(set(made)) == 200
    assert codes.row_codes(KEY, [], [], []) == []


@pytest.mark.parametrize(
    ("batch", "serial"), [(-1, 1), (codes.LAST_BATCH + 1, 1), (1, 0), (1, codes.LARGEST_BATCH + 1)]
)
def test_out_of_range(batch: int, serial: int) -> None:
    with pytest.raises(ValueError, match="out of range"):
        codes.row_codes(KEY, [batch], [serial], ["0" * 32])


@pytest.mark.parametrize("told", ["P000123", "p123", " Ｐ０００１２３ ", "P-000123", "'P000123"])
def test_batch_ids(told: str) -> None:
    assert codes.batch_id(123) == "P000123"
    assert codes.read_batch_id(told) == 123


@pytest.mark.parametrize("told", ["", "P", "123", "PX23", "P99999999", "2026-03"])
def test_no_batch_id(told: str) -> None:
    assert codes.read_batch_id(told) is None
