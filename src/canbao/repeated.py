"""Keys that rows have more than once, among very many that they have once.

Nearly no key is repeated, so hashes tell which are worth a look: equal ones lie side by side once they are sorted.
To stage the sources and to check the built tables takes a processor 5.3 s together, and took 14.2 s where the hashes
were grouped (3.4 million people).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

_BATCH = 1 << 20
_GROWTH = 1 << 23
"""Rows fetched at a time, and by how many the room for them grows."""


def find_suspicious(con: duckdb.DuckDBPyConnection, hashes: str, table: str) -> None:
    """Make a table of the hashes that come more than once: keys that are repeated, and some that are not.

    Args:
        con: Where the rows are.
        hashes: Query of one column `key_hash` (UBIGINT, never null), one row for each row: 8 bytes of memory each.
        table: Its name; key_hash, once each. One of that name is replaced.
    """
    import numpy as np
    import pyarrow as pa

    found, rows = np.empty(0, np.uint64), 0
    for batch in con.execute(hashes).to_arrow_reader(_BATCH):
        if rows + batch.num_rows > len(found):  # memory of this size grows where it is, without a copy
            found.resize(rows + max(_GROWTH, batch.num_rows), refcheck=False)
        found[rows : rows + batch.num_rows] = batch.column(0).to_numpy()
        rows += batch.num_rows
    found = found[:rows]
    found.sort()
    suspicious = pa.table({"key_hash": np.unique(found[1:][found[1:] == found[:-1]])})
    con.register("loading", suspicious)
    con.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM loading")
    con.unregister("loading")
