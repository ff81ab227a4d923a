"""`canbao bench`: a night against its floor (the same files read as text, written as Parquet, nothing else)."""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

from canbao.errors import CanbaoError, UserError
from canbao.processes import family


def bench(arguments: argparse.Namespace) -> int:
    """Generate (once), measure the floor, run the night in a child process, measure the floor again, print all.

    Returns:
        0, or the night's exit status where it did not publish.
    """
    home = arguments.home
    earlier = _earlier(arguments.compare) if arguments.compare else None
    home.mkdir(parents=True, exist_ok=True)
    landing = arguments.landing or _landing(home, arguments.persons, arguments.seed, arguments.as_of)
    if not landing.is_dir():
        raise UserError(f"来文目录 {landing} 不存在或不是目录(--landing)。请检查路径。")
    scratch, night_home = home / "floor", home / "night"
    shutil.rmtree(night_home, ignore_errors=True)
    floors = [_floor(landing, scratch, arguments.as_of)]
    command = [sys.executable, "-m", "canbao", "run", "--landing", str(landing), "--home", str(night_home)]
    night = _child([*command, "--as-of", str(arguments.as_of)])
    floors.append(_floor(landing, scratch, arguments.as_of))
    seconds = sum(one["seconds"] for one in floors) / len(floors)
    records = sorted((night_home / "runs").glob("*.json"))
    record = json.loads(records[-1].read_text(encoding="utf-8")) if records else {}
    gates = gates_seconds(record.get("timings", []))
    figures = {
        "landing": str(landing),
        "landing_bytes": _bytes(landing),
        "floor_seconds": round(seconds, 2),
        "floors": [round(one["seconds"], 2) for one in floors],
        "floor_peak_mb": max(one["peak_mb"] for one in floors),
        "floor_bytes_written": floors[0]["written"],
        "night_seconds": round(night["seconds"], 2),
        "ratio": round(night["seconds"] / seconds, 2),
        "gates_seconds": round(gates, 2),
        "gates_share": round(gates / night["seconds"], 4),
        "night_peak_mb": night["peak_mb"],
        "others_peak_mb": night["others_peak_mb"],
        "bytes_published": _bytes((night_home / "published" / "current").resolve()) if night["status"] == 0 else 0,
        "bytes_staged": _bytes(night_home / "staged"),
        "exit_status": night["status"],
        "timings": record.get("timings", []),
    }
    print("\n".join([*_lines(figures), "", *slowest(figures)]))
    if earlier is not None:
        print("\n".join(["", *compared(earlier, figures)]))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return int(night["status"])


def _floor(landing: Path, scratch: Path, as_of: date) -> dict[str, Any]:
    """One measurement of the floor: there is one before the night and one after it, for a machine's speed drifts."""
    shutil.rmtree(scratch, ignore_errors=True)
    measured = _child([sys.executable, "-m", "canbao.bench", "floor", str(landing), str(scratch), str(as_of)])
    measured["written"] = _bytes(scratch)
    shutil.rmtree(scratch, ignore_errors=True)
    return measured


def gates_seconds(timings: list[dict[str, Any]]) -> float:
    """Seconds that a night spends on judging data: gates and suites, and the measures' steps within the build.

    Args:
        timings: Entries with stage, step (None for a whole stage) and seconds, as the run's record has them.
    """
    from canbao.build import load_steps
    from canbao.quality.measures import OWN_STEPS

    own = OWN_STEPS | {step.name for step in load_steps() if step.path.parent.name == "7_quality"}
    return sum(
        (entry.get("seconds") or 0.0 for entry in timings
         if (entry["step"] is None and entry["stage"] in {"check", "audit"})
         or (entry["stage"] == "build" and entry["step"] in own)),
        0.0,
    )  # fmt: skip


def _landing(home: Path, persons: int, seed: int, as_of: date) -> Path:
    """The generated landing area, made once for a number of persons, a seed and a day."""
    out = home / f"made-{persons}-{seed}-{as_of}"
    done = out / "complete"
    if not done.exists():
        from canbao.generate import generate

        shutil.rmtree(out, ignore_errors=True)
        begun = time.perf_counter()
        generate(out=out, persons=persons, seed=seed, as_of=as_of)
        done.write_text("", encoding="utf-8")
        print(f"generated {persons:,} persons in {time.perf_counter() - begun:.1f} s")
    return out / "landing"


def _child(command: list[str]) -> dict[str, Any]:
    """Run a command: seconds, its own peak memory, the largest other process below it, exit status."""
    begun = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peaks: dict[int, int] = {}
    while True:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            break
        _note_peaks(child.pid, peaks)
        time.sleep(0.1)
    seconds = time.perf_counter() - begun
    child.returncode = os.waitstatus_to_exitcode(status)
    others = [peak for process, peak in peaks.items() if process != child.pid]
    return {
        "seconds": seconds,
        "peak_mb": round(max(usage.ru_maxrss, peaks.get(child.pid, 0)) / 1024),
        "others_peak_mb": round(max(others, default=0) / 1024),
        "status": child.returncode,
    }


def _note_peaks(root: int, peaks: dict[int, int]) -> None:
    """Keep the peak resident size (KiB) of a process and its children, as the kernel counts it."""
    for process in family(root):
        try:
            status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
        except OSError:
            continue
        if found := re.search(r"^VmHWM:\s+(\d+)", status, re.MULTILINE):
            peaks[process] = max(peaks.get(process, 0), int(found[1]))


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _lines(figures: dict[str, Any]) -> list[str]:
    mb = 1024 * 1024
    lines = [
        f"landing      {figures['landing']}  {figures['landing_bytes'] / mb:,.0f} MB",
        f"floor        {figures['floor_seconds']:8.2f} s   peak {figures['floor_peak_mb']:,} MB"
        f"   written {figures['floor_bytes_written'] / mb:,.0f} MB"
        f"   (before the night {figures['floors'][0]:.2f} s, after it {figures['floors'][-1]:.2f} s)",
        f"night        {figures['night_seconds']:8.2f} s   peak {figures['night_peak_mb']:,} MB"
        f" (largest process beside it: {figures['others_peak_mb']:,} MB)"
        f"   published {figures['bytes_published'] / mb:,.0f} MB, staged {figures['bytes_staged'] / mb:,.0f} MB",
        f"ratio        {figures['ratio']:8.2f}     exit status {figures['exit_status']}",
        f"gates        {figures['gates_seconds']:8.2f} s   {figures['gates_share']:.1%} of the night"
        " (stages check and audit, steps of the measures)",
        "",
        f"{'stage':<9}{'step':<34}{'seconds':>9}{'rows':>14}{'rows/s':>14}",
    ]
    stages = 0.0
    for entry in figures["timings"]:
        seconds, rows = entry.get("seconds") or 0.0, entry.get("rows")
        stages += 0.0 if entry["step"] else seconds
        speed = f"{rows / seconds:,.0f}" if rows and seconds else ""
        told = "" if rows is None else f"{rows:,}"
        lines.append(f"{entry['stage']:<9}{entry['step'] or '= whole stage':<34}{seconds:>9.2f}{told:>14}{speed:>14}")
    rest = figures["night_seconds"] - stages
    lines.append(f"{'(start and end: interpreter, flow engine, Great Expectations)':<43}{rest:>9.2f}")
    return lines


SLOWEST = 15
"""Steps of the table of slowest ones."""

NOTABLE = 0.1
"""Seconds, as a share of the floor, by which a step must differ to be told of."""


def _steps(figures: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The steps of a night by stage and name."""
    return {f"{entry['stage']} {entry['step']}": entry for entry in figures["timings"] if entry["step"]}


def slowest(figures: dict[str, Any]) -> list[str]:
    """The slowest steps of a night: seconds, share of the night, rows per second."""
    lines = [f"{'slowest steps':<43}{'seconds':>9}{'share':>8}{'rows/s':>14}"]
    steps = sorted(_steps(figures).items(), key=lambda item: -(item[1].get("seconds") or 0.0))
    for name, entry in steps[:SLOWEST]:
        seconds, rows = entry.get("seconds") or 0.0, entry.get("rows")
        speed = f"{rows / seconds:,.0f}" if rows and seconds else ""
        lines.append(f"{name:<43}{seconds:>9.2f}{seconds / figures['night_seconds']:>8.1%}{speed:>14}")
    return lines


def _earlier(file: Path) -> dict[str, Any]:
    """The figures of an earlier run.

    Raises:
        UserError: The file is not there or holds none.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        _ = found["floor_seconds"], found["night_seconds"], found["timings"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"文件 {file} 不是此前用 --json 保存的基准测试结果(--compare)。请检查路径。") from None
    return dict(found)


def compared(was: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What changed between two runs, in floors: seconds differ from one machine, and from one hour, to the next.

    Args:
        was: Figures of the earlier run.
        now: Figures of this one.
    """
    lines = [f"{'compared with the earlier run':<43}{'was':>16}{'now':>16}{'change':>9}"]
    for title, key in (
        ("ratio of the night to the floor", "ratio"),
        ("floor (s)", "floor_seconds"),
        ("night (s)", "night_seconds"),
        ("peak memory of the night (MB)", "night_peak_mb"),
        ("published (bytes)", "bytes_published"),
    ):
        before, after = was.get(key) or 0, now.get(key) or 0
        change = f"{after / before - 1:+.0%}" if before else ""
        lines.append(f"{title:<43}{before:>16,.2f}{after:>16,.2f}{change:>9}")
    old, new = _steps(was), _steps(now)
    told = []
    for name in old.keys() | new.keys():
        before, after = (
            (one.get(name, {}).get("seconds") or 0.0) / figures["floor_seconds"]
            for one, figures in ((old, was), (new, now))
        )
        if abs(after - before) >= NOTABLE:
            told.append((after - before, name, before, after))
    lines += [f"{'steps, in floors':<43}{'was':>16}{'now':>16}{'change':>9}"] if told else []
    lines += [f"{name:<43}{before:>16.2f}{after:>16.2f}{change:>+9.2f}" for change, name, before, after in sorted(told)]
    return lines


def floor(landing: Path, scratch: Path, as_of: date) -> None:
    """Read the files of a night as text and write each as zstd Parquet.

    Args:
        landing: The landing area.
        scratch: Where the Parquet goes.
        as_of: Deliveries after it are left out, as a night leaves them out; so are all but a snapshot's newest.
    """
    from canbao.intake import load_definitions

    definitions = load_definitions()
    scratch.mkdir(parents=True, exist_ok=True)
    number = 0
    for source in sorted(path for path in landing.iterdir() if path.is_dir() and path.name in definitions):
        days = sorted(path for path in source.iterdir() if path.is_dir() and path.name <= as_of.isoformat())
        taken = days[-1:] if definitions[source.name].kind == "snapshot" else days
        for path in sorted(path for day in taken for path in day.iterdir()):
            if path.name.startswith((".", "~")) or path.name == "manifest.json":
                continue
            _as_parquet(path, scratch / f"{number:06d}.parquet")
            number += 1


def _as_parquet(path: Path, target: Path) -> None:
    import polars as pl

    if path.suffix == ".parquet":
        pl.scan_parquet(path).cast(pl.String).sink_parquet(target, compression="zstd")
    elif path.suffix == ".xlsx":
        pl.read_excel(path, infer_schema_length=0).write_parquet(target, compression="zstd")
    else:
        data: Any = path
        with path.open("rb") as file:
            head = file.read(65536)
        if path.suffix == ".gz":
            import gzip

            data = gzip.decompress(path.read_bytes())
            head = data[:65536]
        if not _is_utf8(head):
            data = (data if isinstance(data, bytes) else path.read_bytes()).decode("gb18030").encode()
        separator = "\t" if b"\t" in head.split(b"\n", 1)[0] else ","
        # Floor means the least that reads the bytes at all: odd lines are cut here, never in a night.
        frame = pl.scan_csv(
            data, separator=separator, infer_schema=False, truncate_ragged_lines=True, encoding="utf8-lossy"
        )
        frame.sink_parquet(target, compression="zstd")


def _is_utf8(head: bytes) -> bool:
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4  # a character cut by the end of the block
    return True


if __name__ == "__main__":
    try:
        floor(Path(sys.argv[2]), Path(sys.argv[3]), date.fromisoformat(sys.argv[4]))
    except CanbaoError as error:
        sys.exit(str(error))
