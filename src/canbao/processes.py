"""Processes as Linux counts them, for what measures them from outside."""

from pathlib import Path


def family(root: int) -> list[int]:
    """A process and all below it, the root first; one that is gone stays in the list, without children."""
    found, waiting = [], [root]
    while waiting:
        process = waiting.pop()
        found.append(process)
        try:
            for thread in Path(f"/proc/{process}/task").iterdir():
                waiting += [int(one) for one in (thread / "children").read_text(encoding="utf-8").split()]
        except OSError:
            continue
    return found
