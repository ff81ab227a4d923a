"""Processes that write the ledger's workbooks beside a night.

To make rows into sheets keeps an interpreter busy for seconds, and pages are made at the same time: in one process each
waits for the other.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache, partial
from pathlib import Path

import polars as pl

from canbao.errors import CanbaoError
from canbao.processes import workers
from canbao.reports.ledger import Ledger, ReportHeader, Workbook


class BookWriters:
    """Processes that begin now, read the ledger before they are asked, and write its workbooks once; to be closed.

    Args:
        ledger: The ledger as Parquet; it stays where it is until all is written.
        processes: How many.
    """

    def __init__(self, ledger: Path, processes: int = 2) -> None:
        self._ledger = ledger
        self._pool = workers(processes)
        for _ in range(processes):
            self._pool.submit(_codes, ledger)

    def write(self, folder: Path, tmp: Path, header: ReportHeader, stamps: Sequence[str]) -> Iterator[Path]:
        """The workbooks in order, each when it is written, as `write_ledger_workbooks` has them.

        Raises:
            ValueError: The table is no ledger of one city, year and date.
            CanbaoError: A process was ended from outside.
        """
        try:
            codes = self._pool.submit(_codes, self._ledger).result()
            write = partial(_write, self._ledger, folder, tmp=tmp, header=header, stamps=stamps)
            books = [self._pool.submit(write, code) for code in codes]
            for book in books:
                yield book.result()
            self._pool.shutdown(wait=False)  # they end while the night goes on
        except BrokenProcessPool:
            raise CanbaoError(
                "制作台账工作簿的进程被系统中止，多半是内存不足。未发布任何内容；请腾出内存后重新运行。"
            ) from None

    def close(self) -> None:
        """Ends the processes, when they are done with what they are at."""
        self._pool.shutdown(cancel_futures=True)


@lru_cache(1)
def _known(ledger: Path) -> Ledger:
    return Ledger.of(pl.read_parquet(ledger))


def _codes(ledger: Path) -> list[str]:
    return _known(ledger).books()


def _write(ledger: Path, folder: Path, code: str, *, tmp: Path, header: ReportHeader, stamps: Sequence[str]) -> Path:
    return Workbook(_known(ledger), code, header, stamps, tmp).write(folder)
