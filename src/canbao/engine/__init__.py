"""Engines: what runs the SQL steps. Everything that differs between engines lives in this package."""

from canbao.engine.duckdb import PREVIOUS, RunParameters, TableFile, Warehouse

__all__ = ["PREVIOUS", "RunParameters", "TableFile", "Warehouse"]
