"""What a query can see of the tables it reads: columns, and where it says `column = 'value'` of a table, those rows.

DuckDB itself answers, by its plan over empty tables of the same columns: with only those rules of its optimizer that
hold whatever the data, a scan of the plan names every column that the result can depend on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import duckdb

from canbao.paths import sql_dir

_RULES = frozenset({"expression_rewriter", "filter_pullup", "filter_pushdown", "cte_inlining", "unused_columns"})
"""Of DuckDB's optimizer; the others may look at what stands in the tables, which are empty here."""

_EQUALS = re.compile(r"\(?(\w+)='([^']*)'\)?")


class Seen(NamedTuple):
    """What one scan sees of a table.

    Attributes:
        table: Its name.
        columns: Names in alphabetical order; none where the scan only counts rows.
        where: Column and value that all rows seen have, or none.
    """

    table: str
    columns: tuple[str, ...]
    where: tuple[str, str] | None = None


class Lineage:
    """Empty tables in the columns of a warehouse, to plan queries over.

    Args:
        con: The warehouse. Tables that it gets later are taken along by `learn`.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._source = con
        self._con = duckdb.connect(":memory:", config={"threads": 1, "autoinstall_known_extensions": False})
        for script in sorted((sql_dir() / "_engine").glob("duckdb_*.sql")):
            self._con.execute(script.read_text("utf-8"))
        others = [name for (name,) in self._con.execute("FROM duckdb_optimizers()").fetchall() if name not in _RULES]
        self._con.execute(f"SET disabled_optimizers = '{','.join(others)}'")
        self._columns: dict[str, dict[str, str]] = {}
        self.learn()

    def learn(self) -> None:
        """Take along the tables and views that the warehouse has got since."""
        query = "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal ORDER BY ALL"
        own = {row[0] for row in self._con.execute(query).fetchall()}
        found: dict[str, dict[str, str]] = {}
        for table, column, kind in self._source.execute(query).fetchall():
            found.setdefault(table, {})[column] = kind
        for table, columns in found.items():
            self._columns.setdefault(table, columns)
            if table not in own:
                listed = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
                self._con.execute(f'CREATE TABLE "{table}" ({listed})')

    def define(self, table: str, sql: str) -> None:
        """Add the empty table of a query's columns."""
        self._con.execute(f'CREATE OR REPLACE TABLE "{table}" AS\n{sql}\nWITH NO DATA')
        self._columns[table] = {row[0]: row[1] for row in self._con.execute(f'DESCRIBE "{table}"').fetchall()}

    def seen(self, sql: str) -> list[Seen]:
        """What a query sees, of each table it reads.

        Raises:
            duckdb.Error: The query cannot be planned over these tables.
        """
        text = self._con.execute(f"EXPLAIN (FORMAT json)\n{sql}").fetchall()[0][1]
        scans = {self._scan(info) for info in _infos(json.loads(text)) if "Table" in info}
        return sorted(scans, key=lambda one: (one.table, one.columns, one.where or ()))

    def knows(self, table: str) -> bool:
        """Whether there is a table of that name."""
        return table in self._columns

    def columns(self, table: str) -> Mapping[str, str]:
        """Columns of a table with their types."""
        return self._columns[table]

    def _scan(self, info: Mapping[str, Any]) -> Seen:
        table = str(info["Table"]).rsplit(".", 1)[-1].strip('"')
        known = self._columns[table].keys()
        named = {name.strip('"') for name in _list(info.get("Projections")) if name}
        if "Projections" not in info or not named <= known:  # spelled in a way that is not known here: all of it
            return Seen(table, tuple(sorted(known)))
        where = None
        for text in _list(info.get("Filters")):
            match = _EQUALS.fullmatch(text)
            if where is None and match and self._columns[table].get(match[1]) == "VARCHAR":
                where = (match[1], match[2])
            else:
                named |= known & set(re.findall(r"\w+", text))
        return Seen(table, tuple(sorted(named)), where)


def _infos(nodes: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    for node in nodes:
        yield node.get("extra_info") or {}
        yield from _infos(node.get("children") or ())


def _list(value: Any) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else [str(one) for one in value]
