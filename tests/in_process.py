"""A night without its frame: intake, sources and SQL steps in this process, for tests that look at the tables."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from canbao.build import Step, load_steps
from canbao.engine import RunParameters, Warehouse
from canbao.intake import IntakeResult, load_definitions, take_in
from canbao.rules import load_rules

KEY = b"key of the tests"


class Built:
    """A warehouse after its steps have run, with what was taken in."""

    def __init__(self, warehouse: Warehouse, intake: IntakeResult) -> None:
        self.warehouse = warehouse
        self.intake = intake

    def rows(self, query: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        return self.warehouse.con.execute(query, parameters or []).fetchall()

    def dicts(self, query: str) -> list[dict[str, Any]]:
        """All rows of a query by column name."""
        result = self.warehouse.con.execute(query)
        names = [column[0] for column in result.description or []]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def needed(tables: Iterable[str] | None) -> list[Step]:
    """The steps that make the tables, in their order; all of them for None."""
    steps = load_steps()
    if tables is None:
        return list(steps)
    by_name = {step.name: step for step in steps}
    wanted: set[str] = set()
    waiting = list(tables)
    while waiting:
        name = waiting.pop()
        if name in by_name and name not in wanted:
            wanted.add(name)
            waiting.extend(by_name[name].reads)
    return [step for step in steps if step.name in wanted]


@contextmanager
def built(
    landing: Path,
    scratch: Path,
    as_of: date,
    *,
    tables: Iterable[str] | None = None,
    threads: int | None = None,
    insured_year: int | None = None,
    overlay: Path | None = None,
    key: bytes = KEY,
    store: Path | None = None,
) -> Iterator[Built]:
    """Takes in a landing area and builds tables from it.

    Args:
        landing: The landing area.
        scratch: Folder for staged files and the warehouse.
        as_of: The as-of date.
        tables: What is to be built, with all that it reads; None for everything.
        threads: Of the warehouse; None as in a night.
        insured_year: None for the rules' default.
        overlay: Rule parameters laid over the jurisdiction's.
        key: Secret of the person ids.
        store: Staged files of an earlier call, so that they are not read again.
    """
    rules = load_rules("chongqing", as_of, overlay)
    intake = take_in([landing], as_of, store or scratch / "staged")
    warehouse = Warehouse(scratch / "warehouse", memory_limit="1GB", threads=threads)
    try:
        year = insured_year or rules.default_insured_year()
        warehouse.load_parameters(RunParameters(as_of, year, rules, key))
        warehouse.register_sources(intake, load_definitions())
        for step in needed(tables):
            warehouse.run_step(step)
        yield Built(warehouse, intake)
    finally:
        warehouse.close()
