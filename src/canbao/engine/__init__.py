"""Engines: what runs the SQL steps. Everything that differs between engines lives in this package."""

from pathlib import Path

from canbao.engine.duckdb import PREVIOUS, NotComputed, RunParameters, TableFile, Warehouse

__all__ = ["PREVIOUS", "NotComputed", "RunParameters", "TableFile", "Warehouse", "open_warehouse"]


def open_warehouse(
    engine: str, folder: Path, *, memory_limit: str | None = None, threads: int | None = None, master: str = "local[*]"
) -> Warehouse:
    """Opens an empty warehouse of an engine; nothing of Spark is imported for another one.

    Args:
        engine: `duckdb` or `spark`.
        folder: emptied when opened.
        memory_limit: as DuckDB understands it (`3GB`).
        threads: cores of this machine to use.
        master: where Spark runs.

    Raises:
        UserError: the engine is not installed.
    """
    if engine == "spark":
        from canbao.engine.spark import SparkWarehouse

        return SparkWarehouse(folder, memory_limit=memory_limit, threads=threads, master=master)
    return Warehouse(folder, memory_limit=memory_limit, threads=threads)
