"""The rule book (`reports/rules.html`): every rule with its clause, parameters, steps, an example and tonight's count.

Made from what computes: the published table `rule`, the parameters in force, the headers of the SQL steps, and
`rules/examples.json`, which `make docs` draws from the tests. Equal inputs give equal bytes.
"""

import csv
import json
import re
import tomllib
from collections.abc import Iterable
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import polars as pl

from canbao.build import load_steps
from canbao.intake import load_definitions
from canbao.paths import package_dir
from canbao.rules import Parameter, Rules

_FOLDER = Path(__file__).parent


def write_rule_book(table: Path, target: Path, rules: Rules, insured_year: int) -> None:
    """Write the rule book of a publication.

    Args:
        table: The published `rule.parquet`.
        target: The page to write.
        rules: The parameters of the run.
        insured_year: The year that enrollment is judged for.
    """
    rows = pl.read_parquet(table).to_dicts()
    target.write_text(rule_book(rows, rules, insured_year), encoding="utf-8")


def rule_book(rows: Iterable[dict[str, Any]], rules: Rules, insured_year: int) -> str:
    """The page, from rows of the table `rule`.

    Raises:
        ValueError: A rule that belongs to no group of the layout.
    """
    layout = _layout()
    patterns = _patterns()
    examples = json.loads((package_dir("rules") / "examples.json").read_text(encoding="utf-8"))
    by_group: dict[str, list[dict[str, Any]]] = {group["title"]: [] for group in layout["group"]}
    group_of = {prefix: group["title"] for group in layout["group"] for prefix in group["prefixes"]}
    documents: dict[str, list[str]] = {}
    ordered = sorted(rows, key=lambda row: _order(row["rule_id"]))
    for row in ordered:
        prefix = row["rule_id"].rsplit("-", 1)[0]
        if prefix not in group_of:
            raise ValueError(f"no group of the rule book takes {row['rule_id']}")
        used = [
            p for name, p in sorted(rules.parameters.items()) if re.fullmatch(patterns[row["rule_id"]] or "-", name)
        ]
        by_group[group_of[prefix]].append(_rule(row, used, examples.get(row["rule_id"])))
        documents.setdefault(row["document"], []).append(row["rule_id"])
    everything = rules.parameters.values()
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER), autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("rules.html").render(
        title=layout["title"].format(area=rules.title),
        as_of=rules.as_of.isoformat(),
        insured_year=insured_year,
        total=len(ordered),
        computed=sum(bool(row["computed"]) for row in ordered),
        parameters=len(rules.parameters),
        doubtful=sum(not p.verified and not p.overlay for p in everything),
        overlaid=sum(p.overlay for p in everything),
        groups=[
            {"title": title, "anchor": f"g{number}", "rules": found}
            for number, (title, found) in enumerate(by_group.items(), 1)
        ],
        documents=[(name, "、".join(ids)) for name, ids in sorted(documents.items())],
    )


@cache
def _layout() -> dict[str, Any]:
    return tomllib.loads((_FOLDER / "rules_layout.toml").read_text(encoding="utf-8"))


@cache
def _patterns() -> dict[str, str]:
    with (package_dir("codes") / "rule.csv").open(encoding="utf-8", newline="") as file:
        return {row["code"]: row["params"] for row in csv.DictReader(file)}


def _order(rule_id: str) -> tuple[str, int]:
    letters, number = rule_id.rsplit("-", 1)
    prefixes = [prefix for group in _layout()["group"] for prefix in group["prefixes"]]
    return (f"{prefixes.index(letters):03d}" if letters in prefixes else letters, int(number))


def _rule(row: dict[str, Any], used: list[Parameter], example: dict[str, Any] | None) -> dict[str, Any]:
    steps = {step.name: step for step in load_steps()}
    computed = bool(row["computed"])
    return {
        "id": row["rule_id"],
        "title": row["title"],
        "text": row["text"],
        "document": row["document"],
        "clause": row["clause"],
        "mark": "●" if computed else "○",
        "state": "已计算" if computed else "未计算",
        "doubtful": any(not p.verified for p in used),
        "parameters": list(_lines(used)),
        "steps": [
            {"title": steps[name].title.split(" / ")[0], "path": f"sql/{steps[name].path.parent.name}/{name}.sql"}
            for name in row["computed"]
        ],
        "counted": row["counted"],
        "touched": row["rows_touched"],
        "why_not": row["why_not"],
        "example": _example(example) if example else None,
    }


# -------------------------------------------------------------------------------------------------------- parameters


def _lines(used: list[Parameter]) -> Iterable[dict[str, Any]]:
    """Lines of a rule's parameters; those of one year or kind that have the same source share a line."""
    shared: dict[tuple[Any, ...], list[Parameter]] = {}
    for p in used:
        parts = p.name.split(".")
        key = ".".join(parts[:2]) if len(parts) == 3 else p.name
        origin = (p.valid_from, p.valid_to, p.document, p.clause, p.verified, p.overlay)
        shared.setdefault((key, *origin), []).append(p)
    for (key, *_), members in shared.items():
        first = members[0]
        leaves = _layout()["leaf"]
        if len(members) == 1:
            value = _value(first.value)
            parts = first.name.split(".")
            name = _parameter_name(first.name) + (leaves.get(parts[2], parts[2]) if len(parts) == 3 else "")
            label = first.name
        else:
            name, label = _parameter_name(key), f"{key}.*"
            value = "，".join(f"{leaves.get(p.name.split('.')[2], p.name)} {_value(p.value)}" for p in members)
        yield {
            "name": name,
            "key": label,
            "value": value,
            "validity": _validity(first.valid_from, first.valid_to),
            "document": " ".join(filter(None, (first.document, first.clause))),
            "verified": first.verified,
            "overlay": first.overlay,
        }


def _parameter_name(name: str) -> str:
    names = _layout()["parameter"]
    if name in names:
        return str(names[name])
    first, second = name.split(".")[:2]
    return str(names[f"{first}.*"]).format(second)


def _value(value: Any) -> str:
    if value is None:
        return "（无值）"
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, list):
        return "、".join(_layout()["value"].get(item, item) for item in value) or "（无）"
    return str(value)


def _validity(begn: date | None, end: date | None) -> str:
    if begn and end:
        return f"{begn} 至 {end}"
    if begn:
        return f"{begn} 起"
    return f"至 {end}" if end else "未限定"


# ----------------------------------------------------------------------------------------------------------- examples


def _example(example: dict[str, Any]) -> dict[str, Any]:
    definitions = load_definitions()
    tables = []
    for given in example["given"]:
        definition = definitions[given["table"]]
        fields = {field.name: field for field in definition.fields}
        columns = [fields[name].title for name in given["columns"]]
        codes = [_words(fields[name].codes) for name in given["columns"]]
        rows = [[codes[n].get(cell, _plain(cell)) for n, cell in enumerate(row)] for row in given["rows"]]
        tables.append(
            {
                "expect": False,
                "title": definition.title,
                "columns": columns,
                "rows": rows,
                "left_out": given["left_out"],
            }
        )
    expect = example["expect"]
    headings, values = _layout()["column"], _layout()["value"]
    common = {field.name: field.title for d in definitions.values() for field in d.fields}
    step = next(step for step in load_steps() if step.name == expect["table"])
    rows = [["、".join(values.get(word, word) for word in cell.split(" ")) for cell in row] for row in expect["rows"]]
    tables.append(
        {
            "expect": True,
            "title": step.title.split(" / ")[0],
            "columns": [headings.get(name) or common.get(name, name) for name in expect["columns"]],
            "rows": rows,
            "left_out": expect["left_out"],
        }
    )
    return {**example, "tables": tables}


def _plain(cell: str) -> str:
    return {"true": "是", "false": "否"}.get(cell, cell)


@cache
def _words(table: str | None) -> dict[str, str]:
    """The shortest usual word for each code of a code table."""
    if table is None:
        return {}
    with (package_dir("codes") / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return {
            row["code"]: min([row["name"], *filter(None, row.get("aliases", "").split("|")[:1])], key=len)
            for row in csv.DictReader(file)
        }
