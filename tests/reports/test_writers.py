"""Workbooks that processes of their own write: the same comes of it, and none of them outlives its night."""

import time
from contextlib import closing

import polars as pl
import pytest

from canbao.errors import CanbaoError
from canbao.reports import BookWriters, ReportHeader, write_ledger_workbooks


@pytest.fixture
def file(ledger, tmp_path):
    ledger.write_parquet(tmp_path / "ledger.parquet")
    return tmp_path / "ledger.parquet"


def test_the_same_books_in_the_same_order(books, file, tmp_path, own_processes):
    told = []
    with closing(BookWriters(file)) as writers:
        found = write_ledger_workbooks(file, tmp_path, header=ReportHeader(), on_progress=told.append, writers=writers)
    assert [path.read_bytes() for path in found] == [path.read_bytes() for path in books]
    assert told == [path.name for path in found] == [path.name for path in books]
    assert sorted(path.name for path in (tmp_path / "ledger").iterdir()) == sorted(told)  # nothing else is left
    assert all(path.stat().st_mode & 0o077 == 0 for path in found)
    until = time.monotonic() + 20
    while own_processes():  # they are told to end when all is written, and nobody waits for it
        assert time.monotonic() < until
        time.sleep(0.05)


def test_what_is_no_ledger_is_told_as_it_is_here(ledger, file, tmp_path, own_processes):
    pl.concat([ledger, ledger]).write_parquet(file)
    with closing(BookWriters(file)) as writers, pytest.raises(ValueError, match="two values for one measure"):
        write_ledger_workbooks(file, tmp_path, header=ReportHeader(), writers=writers)
    assert not own_processes()


def test_a_process_that_is_killed(file, tmp_path, own_processes):
    with closing(BookWriters(file)) as writers:
        assert own_processes()
        for process in own_processes():
            process.kill()
        with pytest.raises(CanbaoError, match="多半是内存不足"):
            write_ledger_workbooks(file, tmp_path, header=ReportHeader(), writers=writers)
    assert not own_processes()
