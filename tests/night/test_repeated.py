"""Hashes that come more than once."""

from collections import Counter

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from canbao.repeated import find_suspicious

BIGGEST = 2**64 - 1


@settings(max_examples=60, deadline=None)
@given(hashes=st.lists(st.sampled_from([0, 1, 2, 2**63, BIGGEST]) | st.integers(0, BIGGEST), max_size=40))
def test_what_comes_twice_is_found_once(hashes: list[int]) -> None:
    with duckdb.connect() as con:
        con.execute("CREATE TABLE row_ AS SELECT unnest(?::UBIGINT[]) AS key_hash", [hashes])
        for _ in range(2):  # one of that name is replaced
            find_suspicious(con, "SELECT key_hash FROM row_", "found")
        found = [value for (value,) in con.execute("SELECT key_hash FROM found").fetchall()]
    assert sorted(found) == sorted(value for value, times in Counter(hashes).items() if times > 1)
