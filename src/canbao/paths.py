"""Where the product's own files lie, from a checkout as from an installed wheel."""

from collections.abc import Iterable
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def _beside(name: str) -> Path:
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parents[1] / name


def sql_dir() -> Path:
    """The folder of the SQL steps (`sql/` of the checkout, `canbao/sql` of a wheel)."""
    return _beside("sql")


def flows_dir() -> Path:
    """The folder of the Prefect flows."""
    return _beside("flows")


def package_dir(name: str) -> Path:
    """A folder of data files inside the package: `codes`, `rules`, `sources`, `divisions`."""
    return _PACKAGE / name


def quoted(path: Path) -> str:
    """A path as it stands between single quotes in SQL, where no parameter may stand."""
    return str(path).replace("'", "''")


def table_files(publication: Path | None, table: str) -> list[Path]:
    """Where a published table's rows are.

    Args:
        publication: Its folder, or a draft's; None where there is none.
        table: Name of the table.

    Returns:
        Its Parquet file, or of a table that a very large night made in parts one for each, in their order; none where
        the publication has no such table.
    """
    if publication is None:
        return []
    path = publication / f"{table}.parquet"
    return sorted(path.glob("*.parquet")) if path.is_dir() else [path] if path.exists() else []


def read_parquet(paths: Iterable[Path | str]) -> str:
    """The relation of all rows of some Parquet files, in DuckDB's words."""
    listed = ", ".join(f"'{quoted(Path(path))}'" for path in paths)
    return f"read_parquet([{listed}])"
