"""Processes: as Linux counts them, for what measures them from outside, and those that work for another."""

import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path

from canbao.home import PRIVATE


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


def workers(count: int) -> ProcessPoolExecutor:
    """Processes that work for this one, each a fresh interpreter and as be_a_worker makes it; to be shut down."""
    return ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=be_a_worker)


def be_a_worker() -> None:
    """What a process does first that works for another: keep its files private, leave Ctrl-C to it, end with it."""
    os.umask(PRIVATE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            wait([parent.sentinel])
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
