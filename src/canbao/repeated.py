"""Keys that rows have more than once, among very many that they have once.

Nearly no key is repeated, so hashes tell which are worth a look: equal ones lie side by side once they are sorted.
All keys of a night took a processor 6.4 s so, and 13.8 s where their hashes were grouped (3.4 million people).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


def find_suspicious(con: duckdb.DuckDBPyConnection, hashes: str, table: str) -> None:
    """Make a table of the hashes that come more than once: keys that are repeated, and some that are not.

    Args:
        con: Where the rows are.
        hashes: Query of one column `key_hash` (UBIGINT, never null), one row for each row: 16 bytes of memory each.
        table: Its name; key_hash, once each. One of that name is replaced.
    """
    import numpy as np
    import pyarrow as pa

    found = con.execute(hashes).to_arrow_table()["key_hash"].to_numpy()
    if not found.flags.writeable:  # still the engine's own memory
        found = found.copy()
    found.sort()
    suspicious = pa.table({"key_hash": np.unique(found[1:][found[1:] == found[:-1]])})
    con.register("loading", suspicious)
    con.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM loading")
    con.unregister("loading")
