"""The catalogue of measures: what is counted, of what, how much is too much, what it harms and whom to call.

Measures are data: `[[measure]]` beside each source (`sources/<source>.toml`), those that repeat over every source or
column in `expectations/staged.toml`, those of the tables that a night makes in `expectations/built.toml`.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any

from canbao.gates import BUREAU
from canbao.paths import package_dir

if TYPE_CHECKING:
    from canbao.intake import SourceDef

_AXES = frozenset({"completeness", "correctness", "consistency", "timeliness"})
_SEVERITIES = frozenset({"block", "warn", "info"})


@dataclass(frozen=True)
class Measure:
    """One measure of the catalogue.

    `wrong` and `of` are conditions on one row: they see the columns of `table` (as `t`), `run` (`run_input`: as_of,
    insured_year), and may look up another table by `IN (SELECT …)`. A row whose condition is unknown (null) is not
    wrong.

    Attributes:
        measure_id: `<source>.<name>` or `<table>.<name>`; its check id in `quality_metric` too.
        source: The source it speaks of, None for a table that the night makes.
        table: The relation that is counted over: `src_<source>` or a built table.
        title: What is counted, in Chinese.
        meaning: How it is counted and why it matters, in Chinese.
        axis: completeness, correctness, consistency or timeliness.
        severity: block, warn or info.
        wrong: Condition of the rows of the numerator; empty where `figure` gives the numbers.
        of: Condition of the rows of the denominator; every wrong row is one of them.
        threshold: Share of wrong rows above which it fails.
        least: Fewer wrong rows than these never fail, whatever their share.
        harms: Codes of the products that it harms (`codes/product.csv`).
        department: Whom to call.
        columns: Columns shown to the department in a repair request.
        suggestion: What the department is asked to do, in Chinese; empty for what is not sent to a department.
        division: Expression of a row's division code (6 to 12 digits), None where the table has none.
        trial: On trial (试行): shown, and harms nothing.
        figure: Step of `sql/7_quality` that gives numerator, denominator and value where no row is wrong by itself.
        told: What its message says of the figures, in Chinese, with {numerator}, {denominator}, {share} and {limit}.
    """

    measure_id: str
    source: str | None
    table: str
    title: str
    meaning: str
    axis: str
    severity: str
    wrong: str
    of: str = "true"
    threshold: float = 0.0
    least: int = 10
    harms: tuple[str, ...] = ()
    department: str = BUREAU
    columns: tuple[str, ...] = ()
    suggestion: str = ""
    division: str | None = None
    trial: bool = False
    figure: str = ""
    told: str = "{numerator} / {denominator} 行，占 {share}，限额 {limit}。"


def load_catalogue(definitions: Mapping[str, "SourceDef"]) -> tuple[Measure, ...]:
    """All measures, ordered by id.

    Args:
        definitions: The sources whose measures are wanted (`load_definitions()` for all).

    Raises:
        ValueError: A measure with an unknown key, axis, severity or column, or one id twice.
    """
    found: dict[str, Measure] = {}
    for measure in _read(definitions):
        if measure.measure_id in found:
            raise ValueError(f"measure {measure.measure_id} twice")
        found[measure.measure_id] = measure
    return tuple(found[name] for name in sorted(found))


def _read(definitions: Mapping[str, "SourceDef"]) -> Iterator[Measure]:
    for name, definition in definitions.items():
        for entry in _entries("sources", name):
            yield _source_measure(entry, definition, {})
    for entry in _entries("expectations", "staged"):
        over = entry["for_each"]
        for definition in definitions.values():
            for names in _repeats(over, definition):
                places = {definition.name, names.get("field"), f"{definition.name}.{names.get('field')}"}
                if places.isdisjoint(entry.get("except", ())):
                    yield _source_measure(entry, definition, names)
    for entry in _entries("expectations", "built"):
        yield _measure(f"{entry['table']}.{entry['name']}", {"source": None, **entry})


@cache
def _entries(folder: str, stem: str) -> list[dict[str, Any]]:
    """The measures of a file; a night asks for the catalogue three times, and reading TOML is slow."""
    path = package_dir(folder) / f"{stem}.toml"
    return list(tomllib.loads(path.read_text(encoding="utf-8")).get("measure", []))


def _repeats(over: str, definition: "SourceDef") -> Iterator[dict[str, str]]:
    """Names to fill in: once per source (`source`, its kind, `rhythm` where one was promised), or once per column.

    Columns by need (`required`: the column must be there and a cell may be blank) or by type (`type:date`).
    """
    of_source = {"source": True, definition.kind: True, "rhythm": definition.rhythm_days is not None}
    if over in of_source:
        if of_source[over]:
            yield {}
        return
    for field in definition.fields:
        if {"required": field.required and not field.not_blank, f"type:{field.type}": True}.get(over):
            yield {"field": field.name, "header": field.title, "codes": field.codes or ""}


def _source_measure(entry: Mapping[str, Any], definition: "SourceDef", names: Mapping[str, str]) -> Measure:
    full = {"source": definition.name, "title_of_source": definition.title, **names}

    def filled(value: Any) -> Any:
        if isinstance(value, str):
            for name, word in full.items():
                value = value.replace("{" + name + "}", word)
            return value
        return [filled(one) for one in value] if isinstance(value, list) else value

    values = {name: filled(value) for name, value in entry.items() if name not in {"except", "for_each"}}
    values["title"] = f"“{definition.title}”{values['title']}"
    values.setdefault("department", definition.department)
    values.setdefault("harms", list(definition.harms))
    values.setdefault("table", f"src_{definition.name}")
    if definition.county is not None:
        values.setdefault("division", definition.county)
    if names.get("field") and "suggestion" in values and "columns" not in values:
        values["columns"] = list(dict.fromkeys([*definition.key, names["field"]]))
    values.setdefault("columns", [])
    unknown = set(values["columns"]) - {field.name for field in definition.fields}
    if unknown:
        raise ValueError(f"measure {definition.name}.{values['name']}: unknown columns {sorted(unknown)}")
    return _measure(f"{definition.name}.{values['name']}", {**values, "source": definition.name})


def _measure(measure_id: str, values: Mapping[str, Any]) -> Measure:
    known = {field.name for field in fields(Measure)} - {"measure_id"}
    made: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    made.pop("name")
    if unknown := set(made) - known:
        raise ValueError(f"measure {measure_id}: unknown {sorted(unknown)}")
    made.setdefault("wrong", "")
    measure = Measure(measure_id=measure_id, **made)
    if measure.axis not in _AXES or measure.severity not in _SEVERITIES or bool(measure.wrong) == bool(measure.figure):
        raise ValueError(f"measure {measure_id}: wrong axis or severity, or not exactly one of wrong and figure")
    return measure
