"""A number of 15 digits is its 18-digit form, whatever its digits: key, text and check character."""

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
