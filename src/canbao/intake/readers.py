"""Who reads the files of a night: this process, and in a large night a few of its own.

Two processes that read a file each keep two cores busier than two threads of one, which wait for each other (34 million
people: 185 s in place of 228), and take with them, when they end, what they held in memory.
"""

import os
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from threading import Event, Lock

from canbao.errors import CanbaoError
from canbao.intake.definitions import SourceDef
from canbao.intake.staging import Halt, StagedPart, find_staged, stage_file
from canbao.processes import be_a_worker

_halt: Halt | None = None
"""Of a process that reads: set by the one that began it."""


class Readers:
    """Reads files into the store; to be closed.

    Args:
        processes: How many, if any are begun.
        read_here: Bytes that this process reads before it has others read.
    """

    def __init__(self, processes: int, read_here: int) -> None:
        self._processes = processes
        self._left = read_here
        self._lock = Lock()
        self._halts: list[Halt] = [Event()]
        self._pool: ProcessPoolExecutor | None = None

    def stage(
        self, path: Path, sha256: str, source: SourceDef, store: Path, before: os.stat_result
    ) -> list[StagedPart]:
        """What stage_file gives, wherever it is called; called by several threads.

        Raises:
            FileRefused: The file cannot be used as a whole.
            Stopped: halt was called.
            OSError: It cannot be read.
            CanbaoError: A process that read was ended from outside.
        """
        kept = find_staged(path, sha256, source, store)
        if kept is not None:
            return kept
        pool = self._others(before.st_size)
        if pool is None:
            return stage_file(path, sha256, source, store, before=before, stop=self._halts[0])
        try:
            return pool.submit(_stage, path, sha256, source, store, before).result()
        except BrokenProcessPool:
            raise CanbaoError(
                "读取数据的进程被系统中止，多半是内存不足。没有读入不完整的数据；请腾出内存后重新运行。"
            ) from None

    def halt(self) -> None:
        """Has whatever is read given up."""
        with self._lock:
            for one in self._halts:
                one.set()

    def close(self) -> None:
        """Ends the processes, when they have read or given up."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _others(self, size: int) -> ProcessPoolExecutor | None:
        """The processes that are to read so many bytes, or None: this one is."""
        with self._lock:
            self._left -= size
            if self._left >= 0 or self._halts[0].is_set():
                return None
            if self._pool is None:
                context = get_context("spawn")
                self._halts.append(context.Event())
                self._pool = ProcessPoolExecutor(
                    self._processes, mp_context=context, initializer=_begin, initargs=(self._halts[1],)
                )
            return self._pool


def _begin(halt: Halt) -> None:
    global _halt  # noqa: PLW0603 - the one thing that a process of the pool is told when it begins
    be_a_worker()
    _halt = halt


def _stage(path: Path, sha256: str, source: SourceDef, store: Path, before: os.stat_result) -> list[StagedPart]:
    return stage_file(path, sha256, source, store, before=before, stop=_halt)
