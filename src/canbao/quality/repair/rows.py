"""The wrong rows of tonight's sources, as the warehouse's table `wrong_row`: what `repair_item` publishes.

Only measures with a suggestion are sent to a department, and none that is on trial. The scan of the measures numbers
the wrong rows, so that a source is read again for these alone, and not at all where nothing is wrong.
"""

import hashlib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
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
    """The measures whose wrong rows go to a department: rows of a source, with a suggestion, and not on trial."""
    return [
        one for one in catalogue if one.table == f"src_{one.source}" and one.wrong and one.suggestion and not one.trial
    ]


def collect(
    con: "duckdb.DuckDBPyConnection", definitions: Mapping[str, "SourceDef"], catalogue: Iterable["Measure"]
) -> None:
    """Put the wrong rows of the sources into `wrong_row`, and the measures that were computed into `repair_measure`.

    Args:
        con: The open warehouse after the scan of the measures: `measure_count` and `wrong_line` are there.
        definitions: The sources that were delivered; measures of others were not computed.
        catalogue: Measures; those that are not sent to a department are passed over.
    """
    query = "SELECT measure_id, numerator FROM measure_count WHERE division_code = '' AND numerator IS NOT NULL"
    counted = dict(con.execute(query).fetchall())
    computed: list[tuple[str, ...]] = []
    for name, definition in definitions.items():
        measures = [one for one in sent_measures(catalogue) if one.source == name and one.measure_id in counted]
        computed += [(one.measure_id, name, one.department, one.title, one.suggestion) for one in measures]
        wrong = [one for one in measures if counted[one.measure_id]]
        if wrong:
            con.execute(_statement(definition, wrong))
    _computed(con, computed)


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
    _computed(con, [(f"{REJECTED}.{name}", name, one.department, "", "") for name, one in definitions.items()])


def _computed(con: "duckdb.DuckDBPyConnection", rows: Sequence[tuple[str, ...]]) -> None:
    if rows:  # in one statement: one each took longer than the wrong rows
        marks = ", ".join(["(?, ?, ?, ?, ?)"] * len(rows))
        con.execute(f"INSERT INTO repair_measure VALUES {marks}", [value for row in rows for value in row])


def _statement(definition: "SourceDef", measures: list["Measure"]) -> str:
    template = (sql_dir() / "_engine" / "wrong_row.sql").read_text("utf-8")
    return template.format(
        source=definition.name,
        key=", ".join(f"t.{name}" for name in definition.key),
        key_value=_key_value(definition),
        measure_ids=", ".join(f"'{one.measure_id}'" for one in measures),
        divisions=_cases((one, f"({one.division or 'NULL'})::VARCHAR") for one in measures),
        shown=_cases((one, _shown(one)) for one in measures),
        names=_cases((one, f"'{hashlib.sha256(','.join(one.columns).encode()).hexdigest()[:4]}'") for one in measures),
    )


def _key_value(definition: "SourceDef") -> str:
    key = _joined(definition.key)
    first = definition.field(definition.key[0])
    if first.not_blank:
        return key
    return f"CASE WHEN t.{first.name} IS NULL THEN {_joined(one.name for one in definition.fields)} ELSE {key} END"


def _joined(names: Iterable[str]) -> str:
    parts = ", ".join(f"coalesce(t.{name}::VARCHAR, '')" for name in names)
    return f"concat_ws('|', {parts})"


def _shown(measure: "Measure") -> str:
    values = ", ".join(f"'{name}', t.{name}::VARCHAR" for name in measure.columns)
    return f"json_object({values})::VARCHAR"


def _cases(of: Iterable[tuple["Measure", str]]) -> str:
    return "\n            ".join(f"WHEN '{one.measure_id}' THEN {text}" for one, text in of)
