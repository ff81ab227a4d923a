"""The loop's SQL: `loop/sql/<folder>/<name>.sql`."""

from functools import cache

from canbao.paths import package_dir


@cache
def query(folder: str, name: str) -> str:
    """The text of one query."""
    return (package_dir("loop") / "sql" / folder / f"{name}.sql").read_text(encoding="utf-8")
