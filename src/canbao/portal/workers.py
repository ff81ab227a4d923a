"""Processes that do for the portal what takes long; only so many wait for them."""

import asyncio
import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from canbao.portal.page import Stop

_TASKS_PER_POOL = 80

Done = TypeVar("Done")


class Busy(Exception):  # noqa: N818 - it is a state, not a fault
    """Too many wait already."""


class Workers:
    """A few processes of their own.

    Args:
        processes: How many.
        most_waiting: Tasks that may be at work or wait.

    Attributes:
        waiting: Tasks that are at work or wait.
        pool: The processes, while there are any.
    """

    def __init__(self, processes: int, most_waiting: int) -> None:
        self.most_waiting = most_waiting
        self.waiting = 0
        self.pool: ProcessPoolExecutor | None = None
        self._processes = processes
        self._starting = threading.Lock()
        self._begun = 0

    async def work(
        self, task: Callable[..., Done], *arguments: Any, discard: Callable[[], None] | None = None, tries: int = 1
    ) -> Done:
        """Have something done by one of the processes; the event loop goes on meanwhile.

        Args:
            task: A function of a module; it, what it is given and what it returns can be sent to a process.
            arguments: Of the task.
            discard: Removes what a task that failed, or that nobody waits for any more, left.
            tries: How often it is begun where processes die.

        Raises:
            Busy: Too many wait already.
            Stop: What is asked for is not there any more, or the process died.
        """
        from canbao.portal.listfile import GoneError

        remove = discard or (lambda: None)
        if self.waiting >= self.most_waiting:
            raise Busy
        self.waiting += 1
        try:
            pool = self._ready()
            future = pool.submit(task, *arguments)
            return await asyncio.shield(asyncio.wrap_future(future))
        except BrokenProcessPool:
            self._broken(pool)
            remove()
            if tries < 2:
                raise Stop("处理文件的进程意外中止，请再试一次。", 503) from None
        except GoneError:
            remove()
            raise Stop("数据刚刚更新，请刷新页面后重试。", 409) from None
        except asyncio.CancelledError:
            future.add_done_callback(lambda _: remove())
            future.cancel()
            raise
        except BaseException:
            remove()
            raise
        finally:
            self.waiting -= 1
        return await self.work(task, *arguments, discard=discard, tries=tries - 1)

    def _ready(self) -> ProcessPoolExecutor:
        with self._starting:
            # What a process once needed it keeps: fresh ones from time to time. (`max_tasks_per_child` can hang in
            # Python 3.11, gh-115634.)
            if self.pool is not None and self._begun >= _TASKS_PER_POOL and self.waiting <= 1:
                self.pool.shutdown(wait=False)
                self.pool, self._begun = None, 0
            if self.pool is None:
                from canbao.portal.listfile import start_worker

                self.pool = ProcessPoolExecutor(
                    self._processes,
                    mp_context=multiprocessing.get_context("spawn"),
                    initializer=start_worker,
                )
            self._begun += 1
            return self.pool

    def _broken(self, pool: ProcessPoolExecutor) -> None:
        with self._starting:
            if self.pool is pool:
                self.pool = None
        pool.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """End the processes; what they do is thrown away."""
        with self._starting:
            pool, self.pool = self.pool, None
        if pool is not None:
            workers = list((getattr(pool, "_processes", None) or {}).values())
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in workers:
                worker.terminate()
            for worker in workers:
                worker.join(5)
