"""Engines: what runs the SQL steps. Everything that differs between engines lives in this package."""

from canbao.engine.duckdb import RunParameters, TableFile, Warehouse

__all__ = ["RunParameters", "TableFile", "Warehouse"]
