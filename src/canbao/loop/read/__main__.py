"""The process that reads one returned file: `python -m canbao.loop.read IN OUT [DAY]`.

It bounds itself before it opens anything. OUT is JSON: sheets, problems, notes and the refusal; OUT.rows is JSON too, a
line per row. It writes nothing else: what a fault has to say could quote the file.
"""

import json
import os
import resource
import sys
from dataclasses import astuple
from datetime import date
from pathlib import Path
from typing import TextIO

from canbao.intake.problems import FileRefused
from canbao.loop.read import COLUMNS, ROWS, limits


def _bound() -> None:
    """Memory, time, sizes; no core files, which would hold the file's people."""
    for what, most in (
        (resource.RLIMIT_AS, limits.MEMORY),
        (resource.RLIMIT_CPU, limits.SECONDS),
        (resource.RLIMIT_FSIZE, limits.RESULT_BYTES),
        (resource.RLIMIT_NOFILE, limits.OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (bound, bound))


def main(source: str, target: str, day: str | None = None) -> None:
    """Reads the file `source` into the new file `target`."""
    from canbao.clock import today
    from canbao.loop.read.kinds import open_sheets
    from canbao.loop.read.table import Reading

    reading = Reading(date.fromisoformat(day) if day else today())
    refused = None
    try:
        notes = reading.notes
        for sheet in open_sheets(Path(source), notes):
            reading.read(sheet)
        reading.finish()
    except FileRefused as error:
        refused = (error.code, error.message)
        reading.rows.clear()
    head = {
        "refused": refused,
        "sheets": reading.sheets,
        "problems": [astuple(one) for one in reading.problems[: limits.PROBLEMS]],
        "notes": reading.notes,
    }
    with _new(target + ROWS) as file:
        for row in reading.rows:
            file.write(json.dumps({name: row[name] for name in COLUMNS}, ensure_ascii=False) + "\n")
    with _new(target) as file:
        json.dump(head, file, ensure_ascii=False)


def _new(path: str) -> TextIO:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    return open(handle, "w", encoding="utf-8", errors="replace")  # noqa: PTH123 - a handle


if __name__ == "__main__":
    try:
        _bound()
        main(*sys.argv[1:])
    except MemoryError:
        sys.exit(limits.OUT_OF_MEMORY)
