"""`python -m bench.spark_growth --persons 50000 200000 400000`: how the night on Spark grows with people.

For each number people are made, and a night runs on Spark on this machine and, for comparison, on DuckDB, each in a
process of its own, without Great Expectations and reports (they do not grow with Spark's part of the work). What was
measured is printed, then the straight line through it and what that line says of larger populations.
"""

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from canbao.processes import family

AS_OF = date(2026, 3, 31)
LARGER = (34_000_000, 100_000_000, 1_400_000_000)
"""People of Chongqing, of a large province, of the country."""

_TICK = os.sysconf("SC_CLK_TCK")
_MB = 1 << 20


def _night(engine: str, landing: Path, home: Path, out: Path) -> None:
    """Run one night in this process and keep what only it can tell."""
    from canbao import audit, nightly

    told: dict[str, Any] = {}
    audit.run_suite = lambda *_: []  # type: ignore[assignment]
    audit.write_data_docs = lambda *_: None  # type: ignore[assignment]
    nightly._reports = lambda _: None  # type: ignore[assignment]
    if engine == "spark":
        from canbao.engine.spark import SparkWarehouse

        close = SparkWarehouse.close

        def told_before_it_closes(warehouse: SparkWarehouse) -> None:
            told.update(_of_executors(warehouse.session))
            close(warehouse)

        SparkWarehouse.close = told_before_it_closes  # type: ignore[method-assign]
    begun = time.perf_counter()
    with nightly.open_night(nightly.Options(landing=landing, home=home, as_of=AS_OF, engine=engine)) as night:
        nightly.run(night)
    told["seconds"] = time.perf_counter() - begun
    told["rows"] = int(night.intake.files["rows_read"].sum())
    stages = {entry["stage"]: entry["seconds"] for entry in night.timings if entry["step"] is None}
    told["land_seconds"], told["publish_seconds"] = stages["land"], stages["publish"]
    told["published_bytes"] = _bytes((home / "published" / "current").resolve())
    out.write_text(json.dumps(told), encoding="utf-8")


def _of_executors(session: Any) -> dict[str, Any]:
    """Bytes that Spark's tasks read, and that went from stage to stage; the seconds that they took."""
    found = session.sparkContext._jsc.sc().statusStore().executorList(False)
    each = [found.apply(number) for number in range(found.size())]
    return {
        "moved_bytes": sum(one.totalShuffleWrite() for one in each),
        "read_bytes": sum(one.totalInputBytes() for one in each),
        "task_seconds": sum(one.totalDuration() for one in each) / 1000,
        "collecting_seconds": sum(one.totalGCTime() for one in each) / 1000,
    }


def measure(engine: str, persons: int, landing: Path, home: Path, out: Path) -> dict[str, Any]:
    """A night in a process of its own: what it tells, and what the system counts of it and of its Java.

    Returns:
        rows, seconds, processor seconds and peak MB of Python and of Java, bytes written, largest size of the
        warehouse on disk, and for Spark the bytes between its stages.

    Raises:
        RuntimeError: The night failed.
    """
    command = [sys.executable, "-m", "bench.spark_growth", "--one", engine, str(landing), str(home), str(out)]
    child = subprocess.Popen(command)
    seen: dict[int, dict[str, Any]] = {}
    largest, turn = 0, 0
    while child.poll() is None:
        for process in family(child.pid):
            if counted := _counted(process):
                seen[process] = counted
        if turn % 10 == 0:
            largest = max(largest, _bytes(home / "warehouse"))
        turn += 1
        time.sleep(0.2)
    if child.returncode:
        raise RuntimeError(f"the night on {engine} with {persons:,} people ended with status {child.returncode}")
    told: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    of_java = [one for process, one in seen.items() if process != child.pid and one["name"] == "java"]
    return {
        "engine": engine,
        "persons": persons,
        **told,
        "python_cpu": seen[child.pid]["cpu"],
        "python_peak_mb": seen[child.pid]["peak_mb"],
        "java_cpu": sum(one["cpu"] for one in of_java),
        "java_peak_mb": max((one["peak_mb"] for one in of_java), default=0),
        "written_bytes": sum(one["written"] for one in seen.values()),
        "warehouse_bytes": largest,
    }


def _counted(process: int) -> dict[str, Any] | None:
    """What the system has counted of a process so far; None where it is gone."""
    place = Path(f"/proc/{process}")
    try:
        stat, status, written = ((place / name).read_text(encoding="utf-8") for name in ("stat", "status", "io"))
    except OSError:
        return None
    name, _, rest = stat.partition("(")[2].rpartition(")")
    times = rest.split()[11:13]
    peak = re.search(r"^VmHWM:\s+(\d+)", status, re.MULTILINE)
    bytes_written = re.search(r"^write_bytes: (\d+)", written, re.MULTILINE)
    return {
        "name": name,
        "cpu": sum(map(int, times)) / _TICK,
        "peak_mb": int(peak[1]) // 1024 if peak else 0,
        "written": int(bytes_written[1]) if bytes_written else 0,
    }


def _bytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:  # given back meanwhile
            continue
    return total


def straight_line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Least squares: what does not grow, and growth for each unit."""
    count = len(points)
    mean_x, mean_y = (sum(point[axis] for point in points) / count for axis in (0, 1))
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0
    return mean_y - slope * mean_x, slope


COLUMNS: tuple[tuple[str, str, Callable[[dict[str, Any]], float]], ...] = (
    ("rows", "{:,.0f}", lambda run: run["rows"]),
    ("wall s", "{:,.0f}", lambda run: run["seconds"]),
    ("Java cpu s", "{:,.0f}", lambda run: run["java_cpu"]),
    ("Python cpu s", "{:,.0f}", lambda run: run["python_cpu"]),
    ("Java peak MB", "{:,.0f}", lambda run: run["java_peak_mb"]),
    ("Python peak MB", "{:,.0f}", lambda run: run["python_peak_mb"]),
    ("written MB", "{:,.0f}", lambda run: run["written_bytes"] / _MB),
    ("on disk MB", "{:,.0f}", lambda run: run["warehouse_bytes"] / _MB),
    ("moved MB", "{:,.0f}", lambda run: run.get("moved_bytes", 0) / _MB),
    ("published MB", "{:,.0f}", lambda run: run["published_bytes"] / _MB),
)


def table(runs: Sequence[dict[str, Any]]) -> list[str]:
    """The runs as lines, each under its column's name."""
    lines = [f"{'':<8}{'people':>14}" + "".join(f"{name:>16}" for name, _, _ in COLUMNS)]
    lines += [
        f"{run['engine']:<8}{run['persons']:>14,}"
        + "".join(f"{form.format(value(run)):>16}" for _, form, value in COLUMNS)
        for run in runs
    ]
    return lines


def growth(runs: Sequence[dict[str, Any]], larger: Sequence[int] = LARGER) -> list[str]:
    """For each engine the line through its runs, how well it fits, and where it leads: not measured."""
    lines = []
    for engine in dict.fromkeys(run["engine"] for run in runs):
        own = [run for run in runs if run["engine"] == engine]
        if len(own) < 2:
            continue
        lines += ["", f"{engine}: fixed + for each million people; largest distance from a run; on that line"]
        for name, _, value in COLUMNS:
            if "peak" in name:  # held down by settings, not by people
                continue
            points = [(run["persons"] / 1e6, value(run)) for run in own]
            fixed, each = straight_line(points)
            apart = max(abs(fixed + each * x - y) / y if y else 0.0 for x, y in points)
            further = "".join(f"{fixed + each * persons / 1e6:>18,.0f}" for persons in larger)
            lines.append(f"  {name:<16}{fixed:>12,.1f}{each:>14,.1f}{apart:>8.0%}{further}")
        lines.append(f"  {'':<50}" + "".join(f"{persons:>18,}" for persons in larger))
    return lines


def main() -> int:
    """Run what was asked for and print it."""
    parser = argparse.ArgumentParser(prog="python -m bench.spark_growth", description=__doc__)
    parser.add_argument("--persons", type=int, nargs="+", default=[50_000, 200_000, 400_000], metavar="N")
    parser.add_argument("--engines", default="spark,duckdb", metavar="LIST")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--scratch", type=Path, default=Path(), metavar="DIR", help="where people and nights are made")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--one", nargs=4, metavar=("ENGINE", "LANDING", "HOME", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        engine, landing, home, out = arguments.one
        _night(engine, Path(landing), Path(home), Path(out))
        return 0
    engines = arguments.engines.split(",")
    if "spark" in engines and importlib.util.find_spec("pyspark") is None:
        print("spark is not installed: make setup-spark")
        return 1
    from canbao.generate import generate

    runs = []
    for persons in arguments.persons:
        with tempfile.TemporaryDirectory(dir=arguments.scratch) as made:
            folder = Path(made).absolute()
            generate(folder / "city", persons, arguments.seed, AS_OF)
            for engine in engines:
                run = measure(engine, persons, folder / "city" / "landing", folder / engine, folder / f"{engine}.json")
                runs.append(run)
                print(table(runs)[-1] if len(runs) > 1 else "\n".join(table(runs)), flush=True)
                if arguments.json:
                    arguments.json.write_text(json.dumps(runs, indent=1) + "\n", encoding="utf-8")
    print("\n".join(growth(runs)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
