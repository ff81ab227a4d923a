"""The command with a tiny build in place of the SQL steps, and without the flow engine: seconds less per run.

`python tiny.py [--die STAGE] ARGUMENTS…` runs `canbao ARGUMENTS…`; with `--die` the process kills itself there.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from canbao import audit, build, cli, nightly, publish, reports, runner
from canbao.build import Step
from canbao.quality import history

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


def install() -> None:
    """Put the tiny build in the place of the SQL steps."""
    steps = tuple(
        Step(name=name, path=Path(name), sql=sql, title=name, grain=name, order_by=tuple(order))
        for name, (sql, order) in TABLES.items()
    )
    build.load_steps = lambda folder=None: steps  # type: ignore[assignment]
    reports.write_ledger_workbooks = lambda *_, **__: []  # type: ignore[assignment]
    reports.write_rule_book = lambda *_: None  # type: ignore[assignment]
    reports.write_brief = lambda *_, **__: {}  # type: ignore[assignment]
    history.keep = lambda *_: None  # type: ignore[assignment]


def without_flow_engine() -> None:
    """Run the stages straight on, and without Great Expectations, which takes seconds to start."""
    audit.run_suite = lambda *_: []  # type: ignore[assignment]
    audit.write_data_docs = lambda *_: None  # type: ignore[assignment]

    def run_night(options: nightly.Options, *, verbose: bool = False) -> nightly.Night:
        with nightly.open_night(options) as night:
            nightly.run(night)
        return night

    runner.run_night = run_night  # type: ignore[assignment]


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


if __name__ == "__main__":
    arguments = sys.argv[1:]
    install()
    if "--with-flow-engine" in arguments:
        arguments.remove("--with-flow-engine")
    else:
        without_flow_engine()
    if arguments[0] == "--die":
        die_at(arguments[1])
        arguments = arguments[2:]
    sys.exit(cli.main(arguments))
