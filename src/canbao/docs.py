"""The pages that are made from the tree itself, so that they cannot fall behind it.

`python -m canbao.docs tables sources rules measures` writes docs/tables.md, docs/sources.md, docs/measures.md and
rules/examples.json. With `--check` it writes nothing and exits with 1 where a page is not what would be written.
"""

import argparse
import csv
import json
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from canbao.build import Step, load_steps
from canbao.engine.duckdb import ROWS_OF_A_PART
from canbao.intake import SourceDef, load_definitions
from canbao.intake.problems import ERROR_CODES
from canbao.paths import package_dir, sql_dir
from canbao.quality.catalogue import Measure, load_catalogue
from canbao.rules.examples import collect_examples

_SENSITIVE = "[sensitive]"

INTAKE_TABLES: dict[str, tuple[str, str, tuple[str, ...], dict[str, str]]] = {
    "load_file": (
        "来文清单 / files that were read",
        "one row per file of this run, and per further sheet of a workbook",
        ("source", "delivery", "file"),
        {
            "source": "folder of the source",
            "delivery": "date of the delivery",
            "file": "name of the file, for the second and later sheets of a workbook with # and the sheet's name",
            "sha256": "digest of the file's bytes",
            "encoding": "utf-8, utf-8-bom, gb18030; xlsx and parquet for those kinds of file",
            "rows_read": "rows below the header that are not blank",
            "rows_accepted": "rows that the build sees",
            "rows_rejected": "rows in `quarantine`; read = accepted + rejected",
            "rows_replaced": "accepted rows whose key a later delivery or a later line has again: that one counts",
            "state": "accepted or refused; a publication rests on refused files only where the check was accepted",
            "unreadable": "JSON text: column to number of unreadable values that became null",
        },
    ),
    "quarantine": (
        "剔除行 / rejected rows",
        "one row per rejected row",
        ("source", "delivery", "file", "line", "error_code"),
        {
            "source": "folder of the source",
            "delivery": "date of the delivery",
            "file": "name of the file",
            "line": "line where the row begins; the header is line 1",
            "error_code": ", ".join(ERROR_CODES[1:]),
            "message": "what is wrong and what to do, in Chinese; numbers in it are cut",
            "raw": f"the row as it was delivered {_SENSITIVE}",
        },
    ),
    "quality_metric": (
        "检查结果 / outcome of every check",
        "one row per check of this run",
        ("check_id",),
        {
            "check_id": "name of the check, as `--accept` takes it",
            "title": "what is checked, in Chinese",
            "subject": "the source or the table that it speaks of",
            "source": "the source, if it speaks of one",
            "table_name": "the table, if it speaks of one",
            "axis": "completeness, correctness, consistency, timeliness",
            "severity": "block, warn, info",
            "numerator": "what was counted, mostly wrong rows",
            "denominator": "out of how many",
            "value": "the figure that is compared",
            "threshold": "the limit it is compared with",
            "passed": "null where it could not be computed",
            "state": "passed, failed, not_computed",
            "accept_reason": "the reason given with `--accept`; null where none was",
            "meaning": "how it is computed and why it matters, in Chinese",
            "harms": "products that it harms (code_product)",
            "department": "whom to call",
            "known": "wrong rows that the department has confirmed as they are; they do not fail",
            "trial": "on trial: it is shown and harms no product",
            "message": "what is wrong and what to do, in Chinese",
        },
    ),
}
"""Published tables that no SQL step makes: title, grain, order of rows, columns with meaning."""


def tables_page() -> str:
    """`docs/tables.md`: every table of a publication and every step of the build, from the steps' headers."""
    steps = load_steps()
    published = sorted((step for step in steps if step.published), key=lambda step: step.name)
    lines = [
        "# Tables",
        "",
        "Made by `make docs` from the headers of the SQL steps; do not edit it here.",
        "[glossary.md](glossary.md) has the words.",
        "",
        "A publication is a folder with one Parquet file per table. Rows stand in the order given, then by all further",
        "columns, nulls first. Equal inputs give equal bytes. *Sensitive* columns tell who a person is or how to reach",
        "them: give them away only to those who may have them.",
        "",
        f"Very large nights of DuckDB, of more than {ROWS_OF_A_PART // 10**6} million source rows, make some tables in",
        f"parts: {_listed(step.name for step in published if step.parts)}. `<table>.parquet` is a folder",
        "then; each of its files has the rows of other persons, and the order of rows is that within a file, file by",
        "file. The manifest has the digest of each file then, and as the table's that of these digests, a line each.",
        "",
        "## Published tables",
        "",
        *_table(
            ("Table", "Title", "One row per"),
            sorted(
                [
                    *((f"[{step.name}](#{step.name})", step.title, _per(step.grain)) for step in published),
                    *((f"[{name}](#{name})", parts[0], _per(parts[1])) for name, parts in INTAKE_TABLES.items()),
                ]
            ),
        ),
        "",
    ]
    described = {
        step.name: _described(
            step.name, step.title, step.grain, step.columns, order=step.order_by, rules=step.rules, reads=_reads(step)
        )
        for step in published
    }
    for name, (title, grain, order, columns) in INTAKE_TABLES.items():
        described[name] = _described(name, title, grain, columns, order=order)
    for name in sorted(described):
        lines += described[name]
    lines += ["## Measures of the ledger", "", *_table(("Measure", "Name", "Meaning"), _measures()), ""]
    lines += ["## Steps inside the warehouse", ""]
    lines += ["These tables are gone when the night is over. They stand in the order of the folders under `sql/`;"]
    lines += ["the order of execution comes from what each step reads.", ""]
    for layer in sorted({step.path.parent.name for step in steps}):
        inner = sorted((s for s in steps if s.path.parent.name == layer and not s.published), key=lambda s: s.name)
        if inner:
            lines += [f"### {layer}", "", *_table(("Step", "Title", "One row per", "Reads"), map(_inner, inner)), ""]
    lines += ["## Rules and the steps that compute them", ""]
    lines += ["A rule without a step is in the rule list, and no step of this version names it.", ""]
    lines += _table(("Rule", "Title", "Document, clause", "Steps"), _rules(steps))
    return "\n".join(lines) + "\n"


def sources_page() -> str:
    """`docs/sources.md`: what departments may deliver, from the source definitions."""
    definitions = load_definitions()
    lines = [
        "# Sources 来源",
        "",
        "Made by `make docs` from `src/canbao/sources/*.toml`; do not edit it here.",
        "",
        "A delivery is a folder `<landing>/<source>/<YYYY-MM-DD>/`. *Snapshot* 全量: the newest delivery not after",
        "the as-of date counts. *Increment* 增量: all of them count.",
        "",
        "R: the column must be there. R!: besides, a blank or unreadable value rejects the row. A header may be the",
        "field's name or any word listed beside it; spaces, full-width forms and upper or lower case do not matter.",
        "",
        *_table(
            ("Source", "名称", "Kind", "Department 部门", "Must be there"),
            (
                (f"[{name}](#{name})", one.title, one.kind, one.department, "yes" if one.required_source else "")
                for name, one in definitions.items()
            ),
        ),
        "",
    ]
    for name, one in definitions.items():
        lines += _source(name, one)
    return "\n".join(lines).rstrip("\n") + "\n"


def rule_examples() -> str:
    """`rules/examples.json`: for each rule one example, from the given/expected folders of the tests.

    A case is an example of the rules that its folder's name says (`cap-1-continuity`) and of those that a line
    `# rules: RET-4 @ann, RET-7 @bob` of its `expect.csv` says, there with the people who show them.
    """
    with (package_dir("codes") / "rule.csv").open(encoding="utf-8", newline="") as file:
        known = {row["code"] for row in csv.DictReader(file)}
    found = collect_examples(sql_dir().parent / "tests" / "steps", known)
    lines = (f"{json.dumps(rule)}: {json.dumps(example, ensure_ascii=False)}" for rule, example in found.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def measures_page() -> str:
    """`docs/measures.md`: the catalogue of quality measures, from the TOML beside sources and tables."""
    definitions = load_definitions()
    groups: dict[str, list[Measure]] = {}
    for one in load_catalogue(definitions):
        groups.setdefault(one.source or one.table, []).append(one)
    lines = [
        "# Measures of data quality",
        "",
        "Made by `make docs` from `[[measure]]` in [src/canbao/sources](../src/canbao/sources) and",
        "[src/canbao/expectations](../src/canbao/expectations), which say besides what each means and how it is",
        "counted; do not edit it here. A measure fails where its share is beyond the limit and at least so many rows",
        "are wrong. None stops a night, unless an office lists it under `[checks] block`. *Sent*: the rows go to the",
        "department as a repair request. The limit of a figure is of what it compares (days over promised days, a",
        "difference over the usual).",
        "",
    ]
    for name in sorted(groups):
        title = definitions[name].title if name in definitions else "a table of the publication"
        rows = (
            (
                one.measure_id, one.title, one.axis, one.severity + (" (trial)" if one.trial else ""),
                f"{one.threshold:g}", str(one.least), ", ".join(one.harms), one.department,
                "yes" if one.suggestion and not one.trial else "",
            )
            for one in groups[name]
        )  # fmt: skip
        head = ("Measure", "Title", "Axis", "Severity", "Limit", "Rows", "Harms", "Call", "Sent")
        lines += [f"## {name}", "", f"{title}.", "", *_table(head, rows), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "tables": tables_page,
    "sources": sources_page,
    "rules": rule_examples,
    "measures": measures_page,
}


def page_path(name: str) -> Path:
    """Where a page stands in a checkout; the examples lie in the package, as the rule book needs them everywhere."""
    return package_dir("rules") / "examples.json" if name == "rules" else sql_dir().parent / "docs" / f"{name}.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages, or see whether they are current.

    Returns:
        0, or 1 where `--check` found a page that is not current.
    """
    parser = argparse.ArgumentParser(prog="python -m canbao.docs", description="pages of docs/ made from the tree")
    parser.add_argument("pages", nargs="+", choices=sorted(PAGES))
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a page is not current")
    parsed = parser.parse_args(arguments)
    stale = 0
    for name in parsed.pages:
        path, text = page_path(name), PAGES[name]()
        if parsed.check:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                print(f"{path.name} is not current: run make docs", file=sys.stderr)
                stale = 1
        else:
            path.write_text(text, encoding="utf-8")
    return stale


def _described(
    name: str,
    title: str,
    grain: str,
    columns: dict[str, str],
    *,
    order: Sequence[str],
    rules: Sequence[str] = (),
    reads: Sequence[str] = (),
) -> list[str]:
    lines = [f"### {name}", "", f"{title}. {_sentence(grain)}", "", f"- Order of rows: {', '.join(order)}"]
    lines += [f"- Rules: {', '.join(rules)}"] if rules else []
    lines += [f"- Reads: {', '.join(reads)}"] if reads else []
    rows = (
        (column, meaning.removesuffix(_SENSITIVE).strip(), "yes" if meaning.endswith(_SENSITIVE) else "")
        for column, meaning in columns.items()
    )
    return [*lines, "", *_table(("Column", "Meaning", "Sensitive"), rows), ""]


def _reads(step: Step) -> list[str]:
    known = {other.name for other in load_steps()} | {"param", "run_input", "secret", "builtin_division", "staged_file"}
    known |= {"quality_metric", "source_delivery", "delivered_file", "seen_file", "fallen_county"}
    return sorted(
        name
        for name in step.reads
        if name in known or name.startswith(("src_", "staged_", "code_", "previous_", "measure_", "wrong_"))
    )


def _inner(step: Step) -> tuple[str, str, str, str]:
    return step.name, step.title, _per(step.grain), ", ".join(_reads(step))


def _rules(steps: Iterable[Step]) -> Iterator[tuple[str, str, str, str]]:
    by_rule: dict[str, list[str]] = {}
    for step in steps:
        for rule in step.rules:
            by_rule.setdefault(rule, []).append(step.name)
    with (package_dir("codes") / "rule.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            place = " ".join(filter(None, (row["document"], row["clause"])))
            yield row["code"], row["title"], place, ", ".join(sorted(by_rule.get(row["code"], [])))


def _measures() -> Iterator[tuple[str, str, str]]:
    layout = tomllib.loads((package_dir("reports") / "ledger_layout.toml").read_text(encoding="utf-8"))
    for column in layout["column"]:
        if "rate" not in column and "difference" not in column:
            yield column["measure"], column["name"], column.get("note", "")


def _source(name: str, one: SourceDef) -> list[str]:
    lines = [f"## {name}", "", f"{one.title}, {one.kind}, from {one.department}.", ""]
    lines += [f"- Key: {', '.join(one.key)}; a later row with the same key replaces the earlier one"]
    if one.one_of:
        lines += [f"- One of these must be there, and filled in every row: {', '.join(one.one_of)}"]
    if one.rhythm_days:
        lines += [f"- Promised every {one.rhythm_days} days"]
    if one.county:
        lines += [f"- Rows are counted per district by {one.county}"]
    lines += [f"- More than {one.max_rejected_share:.0%} rejected rows (and at least 10) stop the night", ""]
    rows = (
        (
            field.name,
            "、".join(field.headers),
            f"code ({field.codes})" if field.codes else field.type,
            "R!" if field.not_blank else "R" if field.required else "",
            field.default or "",
        )
        for field in one.fields
    )
    return [*lines, *_table(("Field", "Headers 表头", "Type", "Need", "Default"), rows), ""]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return lines + [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]


def _per(grain: str) -> str:
    return grain.removeprefix("one row per ")


def _listed(names: Iterable[str]) -> str:
    """Names in a sentence."""
    *most, last = [f"`{name}`" for name in names]
    return f"{', '.join(most)} and {last}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


if __name__ == "__main__":
    sys.exit(main())
