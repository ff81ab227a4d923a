"""The wrong rows of tonight's sources, as the warehouse's table `wrong_row`: what `repair_item` publishes.

Only measures with a suggestion are sent to a department, and none that is on trial. One pass over a source finds the
rows of all its measures; a source without wrong rows is not read again.
"""

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from canbao.paths import package_dir, sql_dir

if TYPE_CHECKING:
    import duckdb

    from canbao.intake import SourceDef
    from canbao.quality.catalogue import Measure

REJECTED = "rejected_share"
"""Items of rejected rows carry the id of the gate that counts them, `rejected_share.<source>`."""


def texts() -> dict[str, Any]:
    """Words and hints of the requests (`quality/repair/repair.toml`)."""
    path = package_dir("quality") / "repair" / "repair.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def sent_measures(catalogue: Iterable["Measure"]) -> list["Measure"]:
    """The measures whose wrong rows go to a department."""
    return [one for one in catalogue if one.source is not None and one.wrong and one.suggestion and not one.trial]


def collect(
    con: "duckdb.DuckDBPyConnection",
    definitions: Mapping[str, "SourceDef"],
    catalogue: Iterable["Measure"],
    wrong: Mapping[str, int | None] | None = None,
) -> dict[str, int]:
    """Put the wrong rows of the sources into `wrong_row`, and the measures that were computed into `repair_measure`.

    Args:
        con: The open warehouse with its sources, `run_input`, `secret`, `staged_file` and `known_item`.
        definitions: The sources that were delivered; measures of others were not computed.
        catalogue: Measures; those that are not sent to a department, and those collected before, are passed over.
        wrong: Wrong rows per measure as counted before, None where a measure could not be computed; where it is
            given, a source without wrong rows is not read.

    Returns:
        Per measure how many of its wrong rows are known: confirmed by their department, so that they are not judged.
    """
    done = {row[0] for row in con.execute("SELECT measure_id FROM repair_measure").fetchall()}
    asked = [one for one in sent_measures(catalogue) if one.measure_id not in done]
    for name, definition in definitions.items():
        _collect(con, definition, [one for one in asked if one.source == name], wrong)
    query = "SELECT measure_id, count(*) FROM wrong_row WHERE known GROUP BY measure_id"
    return {str(name): int(rows) for name, rows in con.execute(query).fetchall()}


def collect_rejected(con: "duckdb.DuckDBPyConnection", definitions: Mapping[str, "SourceDef"]) -> None:
    """Put the rejected rows that a department is asked to send again into `wrong_row`.

    Args:
        con: The open warehouse with `quarantine`.
        definitions: The sources that were delivered.
    """
    import polars as pl

    schema = {"error_code": pl.String, "suggestion": pl.String}
    hints = pl.DataFrame(list(texts()["rejected"].items()), schema=schema, orient="row")
    con.register("rejected_hint", hints.to_arrow())
    try:
        con.execute((sql_dir() / "_engine" / "wrong_row_rejected.sql").read_text("utf-8"))
    finally:
        con.unregister("rejected_hint")
    for name, definition in definitions.items():
        _computed(con, (f"{REJECTED}.{name}", name, definition.department, "", ""))


def _collect(
    con: "duckdb.DuckDBPyConnection",
    definition: "SourceDef",
    measures: list["Measure"],
    wrong: Mapping[str, int | None] | None,
) -> None:
    import duckdb

    if wrong is not None:
        measures = [one for one in measures if wrong.get(one.measure_id) is not None]
    found = [one for one in measures if wrong is None or wrong[one.measure_id]]
    relations = dict.fromkeys(one.table for one in found)
    failed: set[str] = set()
    for table in relations:
        group = [one for one in found if one.table == table]
        try:
            con.execute(_statement(definition, table, group))
        except duckdb.Error:  # one condition that cannot be computed must not hide the others
            for one in group:
                try:
                    con.execute(_statement(definition, table, [one]))
                except duckdb.Error:
                    failed.add(one.measure_id)
    for one in measures:
        if one.measure_id not in failed:
            _computed(con, (one.measure_id, definition.name, one.department, one.title, one.suggestion))


def _computed(con: "duckdb.DuckDBPyConnection", row: tuple[str, ...]) -> None:
    con.execute("INSERT INTO repair_measure VALUES (?, ?, ?, ?, ?)", list(row))


def _statement(definition: "SourceDef", table: str, measures: list["Measure"]) -> str:
    template = (sql_dir() / "_engine" / "wrong_row.sql").read_text("utf-8")
    return template.format(
        source=definition.name,
        table=table,
        first_key=definition.key[0],
        key=", ".join(f"t.{name}" for name in definition.key),
        key_parts=_parts(definition.key),
        fields=_parts(field.name for field in definition.fields),
        measures=",\n            ".join(map(_entry, measures)),
        any_wrong="\n        OR ".join(map(_condition, measures)),
    )


def _parts(names: Iterable[str]) -> str:
    return ", ".join(f"coalesce(t.{name}::VARCHAR, '')" for name in names)


def _condition(measure: "Measure") -> str:
    return f"(({measure.of}) AND ({measure.wrong}))"


def _entry(measure: "Measure") -> str:
    shown = ", ".join(f"'{name}', t.{name}::VARCHAR" for name in measure.columns)
    names = hashlib.sha256(",".join(measure.columns).encode()).hexdigest()[:4]
    fields = {
        "measure_id": f"'{measure.measure_id}'",
        "division_code": f"({measure.division or 'NULL'})::VARCHAR",
        "shown": f"json_object({shown})::VARCHAR",
        "names": f"'{names}'",
    }
    struct = ", ".join(f"'{name}': {value}" for name, value in fields.items())
    return f"CASE WHEN {_condition(measure)} THEN {{{struct}}} END"
