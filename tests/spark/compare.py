"""Two publications, table by table."""

from __future__ import annotations

from pathlib import Path

import duckdb


def differences(one: Path, other: Path) -> dict[str, str]:
    """Tables of two publication folders that differ: table to what differs. Names, types, order and rows must be equal."""
    names = sorted({path.stem for folder in (one, other) for path in folder.glob("*.parquet")})
    found = {}
    for name in names:
        files = [folder / f"{name}.parquet" for folder in (one, other)]
        if not all(file.exists() for file in files):
            found[name] = "only in one of them"
            continue
        told = _difference(*(f"read_parquet('{file}')" for file in files))
        if told:
            found[name] = told
    return found


def _difference(one: str, other: str) -> str:
    con = duckdb.connect()
    types = [con.execute(f"DESCRIBE SELECT * FROM {source}").fetchall() for source in (one, other)]
    if [row[:2] for row in types[0]] != [row[:2] for row in types[1]]:
        return f"columns {[pair for pair in zip(*types, strict=False) if pair[0][:2] != pair[1][:2]]}"
    counts = [_rows_only_in(con, one, other), _rows_only_in(con, other, one)]
    if any(counts):
        apart = [
            row[0]
            for row in types[0]
            if _rows_only_in(con, one, other, row[0]) or _rows_only_in(con, other, one, row[0])
        ]
        return f"{counts[0]} rows only in the first, {counts[1]} only in the second; columns {apart}"
    # the same rows: then in the same order too, because a published order is total
    query = f"SELECT count(*) FROM {one} AS a POSITIONAL JOIN {other} AS b WHERE a IS DISTINCT FROM b"
    (moved,) = con.execute(query).fetchone() or (0,)
    return f"{moved} rows in another place" if moved else ""


def _rows_only_in(con: duckdb.DuckDBPyConnection, one: str, other: str, column: str = "") -> int:
    chosen = f'"{column}"' if column else "*"
    query = f"SELECT count(*) FROM (SELECT {chosen} FROM {one} EXCEPT ALL SELECT {chosen} FROM {other})"
    (count,) = con.execute(query).fetchone() or (0,)
    return int(count)
