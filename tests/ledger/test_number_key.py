"""Keys of numbers: 15 digits are their 18-digit form, and only what is 18 signs of a number has the key of one."""

import re
from datetime import date

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum.cn import ric

from canbao.paths import sql_dir


@pytest.fixture(scope="module")
def macros() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute((sql_dir() / "_engine" / "duckdb_macros.sql").read_text("utf-8"))
    return con


@settings(deadline=None, max_examples=50)
@given(
    place=st.from_regex(r"[0-9]{6}", fullmatch=True),
    born=st.dates(date(1900, 1, 1), date(1999, 12, 31)),
    serial=st.from_regex(r"[0-9]{3}", fullmatch=True),
)
def test_both_forms_have_one_key(macros: duckdb.DuckDBPyConnection, place, born, serial) -> None:
    short = f"{place}{born:%y%m%d}{serial}"
    body = f"{place}{born:%Y%m%d}{serial}"
    long = body + ric.calc_check_digit(f"{body}?")  # of a whole number: its last character is left out
    asked = "SELECT number_text(n), number_text(l), number_key(n), number_key(l), key_text(number_key(n))"
    text, same, key, key_of_long, back = macros.execute(
        f"{asked} FROM (SELECT ? AS n, ? AS l)", [short, long]
    ).fetchone()
    assert (text, same, back) == (long, long, long)
    assert key == key_of_long == int(body) * 16 + "0123456789X".index(long[-1])


ODD = "0123456789Xx+-_ .eE\t０１"
"""Signs that casts to integers know in some place, and digits that are none."""


@settings(deadline=None, max_examples=30)
@given(
    texts=st.lists(
        st.from_regex(r"[0-9]{17}[0-9X]", fullmatch=True)
        | st.text(ODD, min_size=17, max_size=19)
        | st.from_regex(r"[+\- ]?[0-9_.]{0,17}([eE][0-9]{1,2})?[ X]?|0[xXbB][0-9A-F]{15,17}", fullmatch=True),
        min_size=1,
        max_size=40,
    )
)
def test_only_17_digits_and_a_check_sign_have_their_key(macros: duckdb.DuckDBPyConnection, texts: list[str]) -> None:
    keys = macros.execute("SELECT x, number_key(x) FROM (SELECT unnest(?::VARCHAR[]) AS x)", [texts]).fetchall()
    for text, key in keys:
        if re.fullmatch(r"[0-9]{17}[0-9X]", text):
            assert key == int(text[:17]) * 16 + "0123456789X".index(text[17])
        elif not re.fullmatch(r"[0-9]{15}", text):
            assert key < 0


@settings(deadline=None, max_examples=30)
@given(bodies=st.lists(st.from_regex(r"[0-9]{17}", fullmatch=True), min_size=1, max_size=40))
def test_a_key_gives_its_number_and_the_check_value_of_the_standard(
    macros: duckdb.DuckDBPyConnection, bodies: list[str]
) -> None:
    keys = [int(body) * 16 + sign for body in bodies for sign in range(11)]
    found = macros.execute(
        "SELECT k, key_text(k), check_of(k // 16) FROM (SELECT unnest(?::BIGINT[]) AS k)", [keys]
    ).fetchall()
    for key, text, value in found:
        assert text == f"{key // 16:017d}" + "0123456789X"[key % 16]
        assert "0123456789X"[value] == ric.calc_check_digit(f"{text[:17]}?")
