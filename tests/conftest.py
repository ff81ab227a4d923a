"""What all tests share."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from multiprocessing import active_children
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest

_main = sys.modules["__main__"]
if _main.__spec__ is None and not hasattr(_main, "__file__"):
    # A worker of xdist: pyspark, when it is imported, would take it for a test of its own and leave the process.
    _main.__spec__ = SimpleNamespace(name=None)

LONG = (
    "nights/", "portal/test_routes.py", "quality/test_site.py", "quality/test_no_person_data.py", "quality/test_faults.py",
    "quality/test_repair.py", "ledger/test_properties.py", "night/test_run.py", "steps/", "quality/test_operation.py",
    "portal/test_browser.py", "spark/test_spark_city.py", "spark/test_spark.py", "spark/test_transpile.py",
)  # fmt: skip
"""Files and folders that take longest: what begins last is what one core ends alone, so they begin first. (The last is
short: of Spark's it is what waits behind the longest, which is a single test.)"""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort by length as far as it is known; the rest stays in its order."""
    here = Path(__file__).parent

    def turn(item: pytest.Item) -> int:
        place = item.path.relative_to(here).as_posix()
        return next((number for number, start in enumerate(LONG) if place.startswith(start)), len(LONG))

    items.sort(key=turn)


@pytest.fixture(scope="session", autouse=True)
def templates_compiled_once() -> Iterator[None]:
    """Compiled templates outlive their environments: tests make nights and portals by the hundred."""
    compile_anew = jinja2.Environment.compile
    kept: dict[tuple[Any, ...], Any] = {}

    def compile_once(self: jinja2.Environment, source: Any, *more: Any, **named: Any) -> Any:
        key = (
            source, *more, *named.items(), self.trim_blocks, self.lstrip_blocks, str(self.autoescape),
            str(self.undefined), *self.extensions,
        )  # fmt: skip
        if not isinstance(source, str):
            return compile_anew(self, source, *more, **named)
        if key not in kept:
            kept[key] = compile_anew(self, source, *more, **named)
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jinja2.Environment, "compile", compile_once)
        yield


@pytest.fixture(scope="session", autouse=True)
def nothing_waits_for_the_disk() -> Iterator[None]:
    """No test cuts the power, and what a killed process wrote stays without a sync: a portal alone waits thousands of times."""

    class Unsynced(sqlite3.Connection):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            super().execute("PRAGMA synchronous = OFF")

        def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
            return super().execute("SELECT 1" if sql.startswith("PRAGMA synchronous") else sql, *arguments)

    connect = sqlite3.connect

    def connect_unsynced(*arguments: Any, **named: Any) -> sqlite3.Connection:
        return connect(*arguments, **{"factory": Unsynced, **named})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        patch.setattr(sqlite3, "connect", connect_unsynced)
        yield


@pytest.fixture
def own_processes() -> Callable[[], list[BaseProcess]]:
    """Tells the processes that a test has begun and that live on; those that were there serve other tests."""
    others = active_children()
    return lambda: [one for one in active_children() if one not in others]
