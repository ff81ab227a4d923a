"""Measures of past nights: `<home>/history/measure/<as_of>.parquet`, one small file per as-of date."""

import os
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from canbao.home import sync

if TYPE_CHECKING:
    import duckdb

    from canbao.home import Home

NIGHTS = 420
"""As-of dates that a night reads back: last year's window and what lies between (U43)."""


def folder(home: "Home") -> Path:
    """Where the files stand."""
    return home.history / "measure"


def keep(con: "duckdb.DuckDBPyConnection", home: "Home", as_of: date, insured_year: int) -> Path:
    """Write tonight's `measure` with its date and insured year; a date that is run again replaces its file.

    Districts in which nothing was wrong are left out: that they have rows at all is told by `rows.<source>`.

    Args:
        con: The open warehouse with `measure`.
        home: The installation.
        as_of: Tonight's date.
        insured_year: The year that the ledger's figures are of.
    """
    place = folder(home)
    place.mkdir(parents=True, exist_ok=True)
    target = place / f"{as_of.isoformat()}.parquet"
    fresh = place / f".{target.name}-{os.getpid()}"
    chosen = f"SELECT DATE '{as_of}' AS as_of, {int(insured_year)} AS insu_year, * FROM measure"
    some = "division_code = '' OR numerator > 0 OR failed"
    order = "measure_id, division_code"
    quoted = str(fresh).replace("'", "''")
    con.execute(f"COPY ({chosen} WHERE {some} ORDER BY {order}) TO '{quoted}' (FORMAT parquet, COMPRESSION zstd)")
    fresh.chmod(0o600)
    fresh.replace(target)
    sync(place)
    return target


def load(con: "duckdb.DuckDBPyConnection", home: "Home", as_of: date) -> int:
    """Fill `measure_history` with the nights before `as_of`.

    Returns:
        Number of nights.
    """
    files = sorted(path for path in folder(home).glob("????-??-??.parquet") if path.stem < as_of.isoformat())[-NIGHTS:]
    if files:
        names = [str(path) for path in files]
        con.execute("INSERT INTO measure_history BY NAME SELECT * FROM read_parquet(?, union_by_name=true)", [names])
    return len(files)
