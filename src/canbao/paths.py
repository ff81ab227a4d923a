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


def read_parquet(paths: Iterable[Path | str]) -> str:
    """The relation of all rows of some Parquet files, in DuckDB's words."""
    listed = ", ".join(f"'{quoted(Path(path))}'" for path in paths)
    return f"read_parquet([{listed}])"
