"""The steps of the build: one SQL file a table, in the order that the files' own references give.

A step's file is one SELECT with a header of comment lines that says what the table is:

    -- title: 未参保人员 / persons who should be insured and are not
    -- grain: one row per uninsured person
    -- rules: LED-2, LED-3
    -- publish: person_id
    -- columns:
    --   person_id: keyed hash of the person's first number
    --   tel: telephone [sensitive]

`publish` names the order of the published file's rows; a step without it stays inside the warehouse. A line
`-- joins: as written` has DuckDB take joins in the order of the text and look up in the right-hand side of each: for
steps where it misjudges how much a subquery gives, and would lay out everybody in memory to look up a few.

A line `-- parts: computed` or `-- parts: laid out` has the table of a very large night in parts, each of the persons of
whom `part_of(person_key, …)` says so. A table that is `laid out` so is computed at once, and has a `person_key`. One
that is `computed` so is computed part by part, and sees of any table with a `person_key` only the rows of that part's
persons: a step may say so where no row of it rests on what another person has. A table without a `person_key` may come
whole: rows must rest on one that has it. A published one is `computed` so into a folder of files, each in its order,
and is seen in these parts too, though it has no `person_key`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from canbao.paths import sql_dir

KEPT = frozenset({"division_now", "division_known", "city", "measure_judged"})
"""Inner tables that the gates and the reports still read after the build."""

VERDICT_FOLDER = "8_verdict"
"""Steps of this folder judge the night: they run after the audit, over `quality_metric`."""

AS_WRITTEN = "as written"
"""What a step's header says of its joins, if anything."""

LAID_OUT, COMPUTED = "laid out", "computed"
"""What a step's header says of parts, if anything."""

_HEADER = re.compile(r"^-- (title|grain|rules|publish|joins|parts):\s*(.*)$")
_COLUMN = re.compile(r"^--   (\w+): (.*)$")
_REFERENCE = re.compile(r"\b(?:FROM|JOIN)\s+([a-z_][a-z0-9_]*)\b(?!\s*\()")
_CTE = re.compile(r"(?:\bWITH|,)\s+([a-z_][a-z0-9_]*)\s+AS\s*(?:MATERIALIZED\s*)?\(")


@dataclass(frozen=True)
class Step:
    """One SQL step: grain table.

    Attributes:
        name: the table's name, the file's stem.
        path: the SQL file.
        sql: its text.
        title: what the table is, Chinese and English.
        grain: what one row stands for.
        rules: ids of the rules that it computes.
        order_by: columns that order the published rows; empty for a step inside the warehouse.
        columns: column name to meaning.
        joins_as_written: the order of joins is the text's, not the engine's.
        parts: LAID_OUT or COMPUTED by person in parts, or empty.
        reads: names of the tables it reads.
    """

    name: str
    path: Path
    sql: str
    title: str
    grain: str
    rules: tuple[str, ...] = ()
    order_by: tuple[str, ...] = ()
    columns: dict[str, str] = field(default_factory=dict)
    joins_as_written: bool = False
    parts: str = ""
    reads: frozenset[str] = frozenset()

    @property
    def published(self) -> bool:
        """Whether the table is part of the publication."""
        return bool(self.order_by)

    @property
    def judges(self) -> bool:
        """Whether it runs after the audit instead of in the build."""
        return self.path.parent.name == VERDICT_FOLDER


def read_step(path: Path) -> Step:
    """Reads one step's file.

    Raises:
        ValueError: the file has no title or no grain, or says of its joins or parts what nobody understands.
    """
    text = path.read_text("utf-8")
    head: dict[str, str] = {}
    columns: dict[str, str] = {}
    for line in text.splitlines():
        if match := _HEADER.match(line):
            head[match[1]] = match[2].strip()
        elif match := _COLUMN.match(line):
            columns[match[1]] = match[2].strip()
        elif not line.startswith("--"):
            break
    if "title" not in head or "grain" not in head:
        raise ValueError(f"{path}: a step needs a title and a grain")
    if head.get("joins", AS_WRITTEN) != AS_WRITTEN:
        raise ValueError(f"{path}: of joins there is only '{AS_WRITTEN}' to be said")
    if head.get("parts", COMPUTED) not in {LAID_OUT, COMPUTED}:
        raise ValueError(f"{path}: of parts there is only '{LAID_OUT}' and '{COMPUTED}' to be said")
    if "publish" in head and head.get("parts", COMPUTED) != COMPUTED:
        raise ValueError(f"{path}: a published table can only be '{COMPUTED}' in parts")
    return Step(
        name=path.stem,
        path=path,
        sql=text,
        title=head["title"],
        grain=head["grain"],
        rules=_split(head.get("rules", "")),
        order_by=_split(head.get("publish", "")),
        columns=columns,
        joins_as_written="joins" in head,
        parts=head.get("parts", ""),
        reads=references(text),
    )


def references(sql: str) -> frozenset[str]:
    """Names of the tables that a query reads, after FROM and JOIN."""
    body = "\n".join(line.split("--", 1)[0] for line in sql.splitlines())
    return frozenset(set(_REFERENCE.findall(body)) - set(_CTE.findall(body)))


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


@cache
def load_steps(folder: Path | None = None) -> tuple[Step, ...]:
    """All steps, each after those it reads; among equals in the order of the folders and names.

    Raises:
        ValueError: two steps of one name, or steps that read each other in a circle.
    """
    paths = sorted((folder or sql_dir()).glob("[0-9]*/*.sql"))
    steps: dict[str, Step] = {}
    for path in paths:
        step = read_step(path)
        if step.name in steps:
            raise ValueError(f"two steps are called {step.name}: {steps[step.name].path} and {path}")
        steps[step.name] = step
    sorter = TopologicalSorter({name: sorted(step.reads & steps.keys()) for name, step in steps.items()})
    try:
        sorter.prepare()
    except CycleError as error:
        raise ValueError(f"steps read each other in a circle: {' -> '.join(error.args[1])}") from error
    rank = {step.name: number for number, step in enumerate(steps.values())}
    ordered: list[Step] = []
    while sorter.is_active():
        for name in sorted(sorter.get_ready(), key=rank.__getitem__):
            ordered.append(steps[name])
            sorter.done(name)
    return tuple(ordered)


def last_readers(steps: tuple[Step, ...]) -> dict[str, list[str]]:
    """For each step the inner tables that nobody reads after it, so that their room can be given back."""
    last: dict[str, str] = {}
    inner = {step.name for step in steps if not step.published} - KEPT
    for step in steps:
        for table in step.reads & inner:
            last[table] = step.name
    done: dict[str, list[str]] = {}
    for table, reader in last.items():
        done.setdefault(reader, []).append(table)
    return done
