"""The nightly flow: what runs when, with which retries. All it does is in `canbao.nightly`.

Prefect is told paths, dates and counts. A failure's text stays with the run: it may speak of data.
"""

import sys
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

from prefect import flow, runtime, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.states import Failed, State

from canbao import nightly as work
from canbao.clock import ZONE
from canbao.errors import CanbaoError, masked_traceback
from canbao.quality.artifact import verdict_markdown
from canbao.report import report_markdown


class NotReadableYet(Exception):  # noqa: N818
    """A file could not be read, as happens while a network share is away; worth another try."""


def _run(stage: str, home: str, *, last_try: bool) -> State[Any] | int:
    night = work.is_open(home)
    assert night is not None
    try:
        night.run_stage(stage)
    except OSError as error:
        night.error = error
        if not last_try:
            raise NotReadableYet(type(error).__name__) from None
        return Failed(message=type(error).__name__)
    except Exception as error:  # kept for the caller, who raises it; Prefect is told its kind alone
        night.error = error
        return Failed(message=type(error).__name__)
    night.error = None
    return night.timings[-1]["rows"] or 0


def _as_task(stage: str, retries: int = 0) -> Callable[..., Any]:
    def stage_task(home: str) -> Any:
        return _run(stage, home, last_try=runtime.task_run.run_count > retries)

    as_task = task(name=stage, retries=retries, retry_delay_seconds=20, cache_policy=NO_CACHE, persist_result=False)
    return as_task(stage_task)


TASKS = {stage: _as_task(stage, retries=2 if stage == "land" else 0) for stage in work.STAGES}


@flow(name="canbao-nightly", persist_result=False, validate_parameters=False)
def nightly(  # noqa: PLR0917 - Prefect passes them by name
    landing: str,
    home: str,
    as_of: str | None = None,
    jurisdiction: str = "chongqing",
    rules: str | None = None,
    wait: float = 0.0,
    insured_year: int | None = None,
    memory_limit: str | None = None,
    threads: int | None = None,
) -> Any:
    """One night: land, stage, check, build, audit, publish.

    Args:
        landing: The landing area.
        home: The installation.
        as_of: `YYYY-MM-DD`; a scheduled run takes the day it runs on, in Chongqing's time.
        jurisdiction: Whose rules.
        rules: Overlay of rule parameters.
        wait: Seconds to wait for another run on the home.
        insured_year: None for the rules' default.
        memory_limit: Of the warehouse, as DuckDB understands it.
        threads: Cores to use.
    """
    night = work.is_open(home)
    if night is not None:  # the command has opened it: it holds the lock and says what went wrong
        return _stages(night, home)
    options = work.Options(
        landing=Path(landing),
        home=Path(home),
        as_of=date.fromisoformat(as_of) if as_of else datetime.now(ZONE).date(),
        jurisdiction=jurisdiction,
        rules=Path(rules) if rules else None,
        wait=wait,
        insured_year=insured_year,
        memory_limit=memory_limit,
        threads=threads,
    )
    if as_of is None and work.already_made_up_for(options, runtime.flow_run.scheduled_start_time):
        return "missed nights are made up for by one run, and that one is done"
    try:
        with work.open_night(options) as night:
            state = _stages(night, home)
            error = night.error
    except CanbaoError as refused:
        state, error = Failed(message=type(refused).__name__), refused
    if error is not None:
        print(error if isinstance(error, CanbaoError) else masked_traceback(error), file=sys.stderr)
    return state


def _stages(night: work.Night, home: str) -> Any:
    for stage in work.STAGES:
        TASKS[stage](home, return_state=True)
        if night.error is not None:
            break
    create_markdown_artifact(key="verdict", markdown=verdict_markdown(night), description=night.run_id)
    create_markdown_artifact(key="run-report", markdown=report_markdown(night), description=night.run_id)
    return "published" if night.error is None else Failed(message=type(night.error).__name__)
