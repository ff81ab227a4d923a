"""The portal's index of a publication: one DuckDB file, made from its Parquet files in a process of its own.

`python -m canbao.portal.index PUBLICATION TARGET [PREVIOUS]`. The index is scratch: it holds nothing that the
publication does not hold, and is made anew whenever it is missing, broken or of another version. The publication is
only read.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import duckdb

from canbao.paths import package_dir, table_files

NEEDED = (
    "person", "division", "division_code", "ledger", "uninsured", "responsibility", "duplicate_enrollment", "coverage",
    "entitlement", "identifier", "duplicate_payment", "premium_reconciliation", "merge_candidate", "anomaly", "newborn",
    "notice", "feedback", "rule", "load_file",
)  # fmt: skip
"""Tables without which there is no portal; those of MAYBE may be missing."""

MAYBE = ("change", "verdict", "bridge", "batch")

PREVIOUS_NEEDED = ("uninsured",)


class Unreadable(Exception):  # noqa: N818 - it is a state of the publication
    """The publication lacks what the portal shows: an earlier version of the program made it."""


def sql_folder() -> Path:
    """Where the statements lie that make an index."""
    return package_dir("portal") / "sql" / "index"


@cache
def version() -> str:
    """What an index was made by: another engine or other statements make another one."""
    digest = hashlib.sha256(duckdb.__version__.encode())
    for path in sorted(sql_folder().glob("*.sql")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def scripts(publication: Path, previous: Path | None) -> list[Path]:
    """The statements for this publication, in order; of a pair that differ by `no_` one is taken."""
    has = {
        "before": previous is not None,
        **{name: bool(table_files(publication, name)) for name in MAYBE},
    }
    chosen = []
    for path in sorted(sql_folder().glob("*.sql")):
        name = path.stem.partition("_")[2]
        plain = name.removeprefix("no_")
        if plain not in has or has[plain] != name.startswith("no_"):
            chosen.append(path)
    return chosen


def build(publication: Path, target: Path, previous: Path | None = None, *, memory: str = "2GB") -> float:
    """Make the index of a publication.

    Args:
        publication: Its folder.
        target: The file to make; replaced in one step when it is whole.
        previous: The publication that it is compared with; None for the first one of its insured year.
        memory: What the engine may use.

    Returns:
        Seconds it took.

    Raises:
        Unreadable: The publication lacks a table.
    """
    begun = time.monotonic()
    files, before = _files(publication, (*NEEDED, *MAYBE)), _files(previous, PREVIOUS_NEEDED)
    missing = [name for name in NEEDED if not files[name]]
    if missing:
        raise Unreadable("、".join(missing))
    if not all(before.values()):
        previous = None
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        con = duckdb.connect(str(part), config={"threads": 2, "memory_limit": memory, "temp_directory": f"{part}.tmp"})
        try:
            os.chmod(part, 0o600)  # noqa: PTH101 - the file is the engine's
            con.execute("SET VARIABLE published = ?", [files])
            con.execute("SET VARIABLE before = ?", [before])
            con.execute("SET VARIABLE codes = ?", [str(package_dir("codes"))])
            for path in scripts(publication, previous):
                con.execute(path.read_text(encoding="utf-8"))
            info = {"version": version(), "publication": publication.name, "previous": previous and previous.name}
            con.execute("CREATE TABLE index_info AS SELECT ? AS info", [json.dumps(info)])
            con.execute("CHECKPOINT")
        finally:
            con.close()
        part.replace(target)
    finally:
        for left in target.parent.glob(f".{target.name}.{os.getpid()}.part*"):
            if left.is_file():
                left.unlink(missing_ok=True)
    return time.monotonic() - begun


def _files(publication: Path | None, tables: Iterable[str]) -> dict[str, list[str]]:
    """Where the rows of each table are; nowhere for one that is missing."""
    return {name: [str(file) for file in table_files(publication, name)] for name in tables}


def main(arguments: list[str]) -> int:
    """The process that the portal starts: 0 made, 3 the publication is of an earlier version, 1 anything else."""
    os.nice(5)  # a night that runs beside it goes first
    publication, target = Path(arguments[0]), Path(arguments[1])
    previous = Path(arguments[2]) if len(arguments) > 2 else None
    try:
        build(publication, target, previous)
    except Unreadable as error:
        print(error, file=sys.stderr)
        return 3
    except (duckdb.Error, OSError) as error:
        print(type(error).__name__, file=sys.stderr)  # an engine's message may quote a value
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
