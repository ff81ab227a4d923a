"""Files that are still being sent: told by their name, by a change between two looks, or by their age (U36)."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

UNFINISHED = (".tmp", ".part", ".partial", ".crdownload", ".filepart", ".download", ".uploading")
"""How programs that send files call them until they are whole."""

RECENT = 10.0
"""Seconds since its last change within which a file is looked at a second time."""
PAUSE = 0.5
"""Seconds that lie at least between the two looks at a recent file."""
PATIENCE = 2.0
"""Seconds for which a cut-off file that changed lately is watched before it is refused as cut off."""


@dataclass(frozen=True)
class Growing:
    """Files of one delivery that were left alone.

    Attributes:
        source: Its source.
        delivery: Its day.
        files: Names, sorted.
        whole: The whole delivery was left alone, not these files alone.
        instead: The delivery taken in its place, None where there is none, or none is needed.
    """

    source: str
    delivery: date
    files: tuple[str, ...]
    whole: bool
    instead: date | None = None


@dataclass(frozen=True)
class Look:
    """Sizes and times of files at one moment: two looks that differ show a file that is being written."""

    files: Mapping[Path, tuple[int, int]]
    at: float

    def differs(self, path: Path) -> bool:
        """Whether a file that this look saw is another one now; a file that it did not see is not known to change."""
        return path in self.files and self.files[path] != mark(path)


def unfinished(path: Path) -> bool:
    """Whether a file's name says that it is not whole yet."""
    return path.name.lower().endswith(UNFINISHED) and not path.is_dir()


def mark(path: Path) -> tuple[int, int] | None:
    """Size and time of last change, None where the file is gone."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def age(path: Path) -> float:
    """Seconds since a file's last change; a clock that runs ahead on the share counts like one that is behind."""
    found = mark(path)
    return abs(time.time() - found[1] / 1e9) if found else 0.0


def look(landings: Iterable[Path]) -> Look:
    """Take down every file of every delivery in the landing areas."""
    files = {}
    for landing in landings:
        for path in landing.glob("[!.~]*/[0-9]*-*-*/[!.~]*"):
            if path.is_file() and (found := mark(path)):
                files[path] = found
    return Look(files, time.monotonic())


def second_look(first: Look) -> None:
    """Wait where a file changed so lately that the first look may have seen it between two writes."""
    now = time.time_ns()
    if any(abs(now - changed) < RECENT * 1e9 for _, changed in first.files.values()):
        time.sleep(max(0.0, first.at + PAUSE - time.monotonic()))


def grows(path: Path, patience: float) -> bool:
    """Watch a file that changed lately for some seconds: whether it changes while somebody looks."""
    before, until = mark(path), time.monotonic() + patience
    while age(path) < RECENT and time.monotonic() < until:
        time.sleep(0.1)
        if mark(path) != before:
            return True
    return False
