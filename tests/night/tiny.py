"""The command with a tiny build in place of the SQL steps, and without the flow engine: seconds less per run.

`python tiny.py [--die STAGE] ARGUMENTS…` runs `canbao ARGUMENTS…`; with `--die` the process kills itself there.
`call` does the same in the process of the tests, where nothing is killed: to start Python and to import polars, pyarrow
and DuckDB costs several times what the night does.
"""

import contextlib
import importlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from canbao import audit, build, cli, nightly, publish, reports, runner
from canbao.build import Step
from canbao.quality import history
from canbao.quality.site import charts

MEASURES = "insured uninsured should_be_insured insured_staff insured_resident insured_elsewhere attached_newborn"
_LEDGER = """
SELECT 2026 AS insu_year, DATE '2026-03-31' AS as_of, basis, cell.level, cell.code AS division_code,
  'x' AS division_name, measure,
  CASE WHEN measure IN ('uninsured', 'should_be_insured') THEN (SELECT count(*) FROM person) ELSE 0 END AS value
FROM (SELECT unnest(['household', 'residence']) AS basis),
  (SELECT unnest([{'level': 1, 'code': '500000000000'}, {'level': 2, 'code': '500000000000-'}]) AS cell),
  (SELECT unnest(string_split('MEASURES', ' ')) AS measure)
""".replace("MEASURES", MEASURES)
_ALL = "FROM person WHERE false"
TABLES = {
    "person": (
        "SELECT md5(certno) AS person_id, psn_name, 'uninsured' AS insured_status, 'ok' AS cert_check"
        " FROM src_population",
        ["person_id"],
    ),
    "uninsured": ("SELECT person_id, 'never' AS uninsured_reason FROM person", ["person_id"]),
    "duplicate_enrollment": (f"SELECT person_id, '' AS rlts_a, '' AS rlts_b {_ALL}", ["person_id"]),
    "responsibility": (f"SELECT person_id, '' AS division_code, '' AS role {_ALL}", ["person_id"]),
    "identifier": (f"SELECT person_id, '' AS kind, '' AS value {_ALL}", ["person_id"]),
    "division_now": (
        "SELECT '500000000000' AS division_code, 1 AS level, '500000000000' AS l1, NULL::VARCHAR AS l2,"
        " NULL::VARCHAR AS l3",
        [],
    ),
    "ledger": (_LEDGER, ["basis", "level", "division_code", "measure"]),
}


def install(put: Callable[[Any, str, Any], None] = setattr) -> None:
    """Put the tiny build in the place of the SQL steps."""
    for name in ("canbao.engine.duckdb", "canbao.reports.rulebook"):
        importlib.import_module(name)  # it takes the real steps' name with it: not while they are away
    steps = tuple(
        Step(name=name, path=Path(name), sql=sql, title=name, grain=name, order_by=tuple(order))
        for name, (sql, order) in TABLES.items()
    )
    put(build, "load_steps", lambda folder=None: steps)
    put(reports, "write_ledger_workbooks", lambda *_, **__: [])
    put(reports, "write_rule_book", lambda *_: None)
    put(reports, "write_brief", lambda *_, **__: {})
    put(history, "keep", lambda *_: None)


def without_flow_engine(put: Callable[[Any, str, Any], None] = setattr) -> None:
    """Run the stages straight on, without Great Expectations and without charts, which take seconds to start."""

    def run_night(options: nightly.Options, *, verbose: bool = False) -> nightly.Night:
        with nightly.open_night(options) as night:
            nightly.run(night)
        return night

    put(audit, "run_suite", lambda *_: [])
    put(audit, "write_data_docs", lambda *_: None)
    put(charts, "_draw", lambda *_: "")
    put(runner, "run_night", run_night)


def call(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command with the tiny build and without the flow engine in this process; afterwards all is as before."""
    import pytest

    said, told = io.StringIO(), io.StringIO()
    mask = os.umask(0)
    os.umask(mask)
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said), contextlib.redirect_stderr(told):
        patch.delenv("CANBAO_KEY", raising=False)
        install(patch.setattr)
        without_flow_engine(patch.setattr)
        try:
            status = cli.main([str(one) for one in arguments])
        except SystemExit as stop:  # the command line could not be read
            status = stop.code if isinstance(stop.code, int) else 1
        finally:
            os.umask(mask)
    return subprocess.CompletedProcess(arguments, status, said.getvalue(), told.getvalue())


def die_at(place: str) -> None:
    """Have the process killed at the end of a stage, or within publishing."""

    def die(*_: Any, **__: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)

    if place in nightly.STAGES:
        whole = nightly._FUNCTIONS[place]
        nightly._FUNCTIONS[place] = lambda night: (whole(night), die())[0]
    elif place == "before_rename":
        publish._sync_tree = die
    elif place == "before_current":
        Path.symlink_to = die  # type: ignore[assignment]
    elif place == "before_replace":
        original = Path.replace
        Path.replace = lambda self, to: die() if Path(to).name == "current" else original(self, to)  # type: ignore
    else:
        raise ValueError(place)


def main(arguments: list[str]) -> int:
    """Run the command with the tiny build.

    Args:
        arguments: Of the command, after `--with-flow-engine` or `--die STAGE` where wanted.
    """
    install()
    if "--with-flow-engine" in arguments:
        arguments.remove("--with-flow-engine")
    else:
        without_flow_engine()
    if arguments[0] == "--die":
        die_at(arguments[1])
        arguments = arguments[2:]
    return cli.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
