"""The core with plain SQL on DuckDB."""

from pathlib import Path

import duckdb

from bench.peers.files import COLUMNS, in_utf8, text_files


def _view(con: duckdb.DuckDBPyConnection, landing: Path, source: str, scratch: Path) -> None:
    """A view over the files of a source, all columns text."""
    parts = []
    for file in text_files(landing, source):
        path = in_utf8(file, scratch)
        names = ", ".join(f"'{name}': 'VARCHAR'" for name in _unique(file.headers))
        chosen = ", ".join(f'"{_unique(file.headers)[place]}" AS {field}' for field, place in file.places.items())
        options = f"delim='{file.separator}', header=true, columns={{{names}}}, null_padding=true, strict_mode=false"
        parts.append(f"SELECT {chosen} FROM read_csv('{path}', {options}, quote='\"', ignore_errors=true)")
    con.execute(f"CREATE VIEW {source} AS {' UNION ALL '.join(parts)}")


def _unique(headers: tuple[str, ...]) -> list[str]:
    return [f"c{number}" for number, _ in enumerate(headers)]


def core(landing: Path, scratch: Path) -> dict[tuple[int, str], tuple[int, int, int]]:
    """Level and division to people, uninsured, duplicates."""
    con = duckdb.connect(config={"temp_directory": str(scratch / "tmp"), "preserve_insertion_order": False})
    for source in COLUMNS:
        _view(con, landing, source, scratch)
    rows = con.execute((Path(__file__).parent / "core.sql").read_text(encoding="utf-8")).fetchall()
    return {(level, code): (people, uninsured, duplicates) for level, code, people, uninsured, duplicates in rows}
