"""`python -m bench.peers --landing DIR`: the core with every engine, and the whole night, on the same files.

Every engine runs in a process of its own; their results must agree in every cell, else the status is 1. Spark runs
where pyspark is installed. The product's night (all sources, all rules) runs last, unless `--no-night`.
"""

import argparse
import importlib
import importlib.util
import inspect
import json
import os
import shutil
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

ENGINES = ("pandas", "polars", "duckdb", "spark")


def _one(engine: str, landing: Path, out: Path) -> None:
    """Run one engine and keep its result."""
    module = importlib.import_module(f"bench.peers.with_{engine}")
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
        given = {"landing": landing, "scratch": Path(scratch)}
        wanted = inspect.signature(module.core).parameters
        found = module.core(**{name: value for name, value in given.items() if name in wanted})
    seconds = time.perf_counter() - begun
    cells = sorted([level, code, *map(int, values)] for (level, code), values in found.items())
    out.write_text(json.dumps({"seconds": seconds, "cells": cells}), encoding="utf-8")


def _child(command: list[str]) -> dict[str, Any]:
    """Run a command: seconds, peak memory of it and of the largest process below it, exit status."""
    from canbao.bench import _child as measured

    return measured(command)


def main() -> int:
    """Run what was asked for and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("--landing", type=Path, required=True, metavar="DIR")
    parser.add_argument("--as-of", type=date.fromisoformat, default=date(2026, 3, 31), metavar="DATE")
    parser.add_argument("--engines", default=",".join(ENGINES), metavar="LIST")
    parser.add_argument("--no-night", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--one", nargs=2, metavar=("ENGINE", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        _one(arguments.one[0], arguments.landing, Path(arguments.one[1]))
        return 0
    figures: dict[str, Any] = {}
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=".") as folder:
        for engine in arguments.engines.split(","):
            if engine == "spark" and importlib.util.find_spec("pyspark") is None:
                print("spark        not installed: make setup-spark")
                continue
            out = Path(folder) / f"{engine}.json"
            command = [sys.executable, "-m", "bench.peers", "--landing", str(arguments.landing)]
            run = _child([*command, "--one", engine, str(out)])
            if run["status"] != 0 or not out.exists():
                print(f"{engine:<12} failed with status {run['status']} after {run['seconds']:.1f} s")
                continue
            results[engine] = json.loads(out.read_text(encoding="utf-8"))["cells"]
            figures[engine] = {"seconds": run["seconds"], "peak_mb": max(run["peak_mb"], run["others_peak_mb"])}
        if not arguments.no_night:
            home = Path(folder) / "home"
            command = [sys.executable, "-m", "canbao", "run", "--landing", str(arguments.landing), "--home", str(home)]
            run = _child([*command, "--as-of", arguments.as_of.isoformat()])
            figures["canbao"] = {"seconds": run["seconds"], "peak_mb": run["peak_mb"], "status": run["status"]}
            shutil.rmtree(home, ignore_errors=True)
    print(f"{'':<12}{'seconds':>10}{'peak MB':>10}   {os.cpu_count()} cores")
    for name, one in figures.items():
        what = "the whole night, all rules" if name == "canbao" else "the bare core"
        print(f"{name:<12}{one['seconds']:>10.1f}{one['peak_mb']:>10,}   {what}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return _agree(results)


def _agree(results: dict[str, Any]) -> int:
    names = list(results)
    if not names:
        return 1
    first = {tuple(cell[:2]): tuple(cell[2:]) for cell in results[names[0]]}
    worst = 0
    for name in names[1:]:
        other = {tuple(cell[:2]): tuple(cell[2:]) for cell in results[name]}
        differ = [key for key in first.keys() | other.keys() if first.get(key) != other.get(key)]
        if differ:
            key = min(differ)
            print(
                f"{name} and {names[0]} differ in {len(differ)} cells, first {key}: {other.get(key)}, {first.get(key)}"
            )
            worst = 1
    if not worst:
        city = max((values for (level, _), values in first.items() if level == 2), default=())
        print(f"{', '.join(names)} agree in {len(first):,} cells; the city: people, uninsured, duplicates {city}")
    return worst


if __name__ == "__main__":
    sys.exit(main())
