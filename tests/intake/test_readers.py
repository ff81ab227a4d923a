"""Files that processes of their own read: the same comes of it, and none of them outlives its night."""

from __future__ import annotations

import gzip
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread

import polars as pl
import pytest

from canbao.errors import CanbaoError
from canbao.intake import landing as intake_landing
from canbao.intake import load_definitions, take_in
from canbao.intake.readers import Readers
from canbao.intake.staging import Stopped, sha256_of
from canbao.processes import family

from .conftest import AS_OF, Read

Put = Callable[..., Path]
Night = Callable[..., Read]
Begun = Callable[[], list[BaseProcess]]

TARGET = "insu_year,division_code,target_persons\n"
ROW = "2026,500103,{}\n"
OF_EACH_KIND = {
    "utf-8.csv": (TARGET + ROW.format(10)).encode(),
    "gb18030.txt": "年度\t区划代码\t目标人数\n2026\t500103\t20\n".encode("gb18030"),
    "rejected.csv": (TARGET + ROW.format(30) + ",500103,1\n合计,,31\n").encode(),
    "packed.csv.gz": gzip.compress((TARGET + ROW.format(40)).encode()),
    "cut off.csv": (TARGET + '"open').encode(),
    "damaged.csv.gz": b"\x1f\x8b",
    "empty.csv": b"",
    "no header.csv": b"a,b\n1,2\n",
    "utf-16.csv": TARGET.encode("utf-16"),
}


def staged(result: Read, store: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every staged and quarantined file by its name."""
    assert result.result.files.height == len(OF_EACH_KIND)
    return {path.name: pl.read_parquet(path).rows() for path in sorted(store.rglob("*.parquet"))}


def long_file(put: Put) -> Path:
    """A file that takes some seconds to read and a blink to write."""
    rows = "".join(ROW.format(number) for number in range(1000))
    return put("target", gzip.compress(TARGET.encode()) + gzip.compress(rows.encode()) * 5_000, "long.csv.gz")


def gone(processes: list[int]) -> bool:
    for _ in range(100):
        if not any(Path(f"/proc/{one}").exists() for one in processes):
            return True
        time.sleep(0.1)
    return False


def begun(store: Path) -> None:
    """Waits until a file is being written."""
    for _ in range(300):
        if list(store.rglob(".*.good")):
            return
        time.sleep(0.1)
    raise AssertionError("nothing is being read")


def test_the_same_comes_of_files_that_other_processes_read(
    deliver: Put, landing: Path, tmp_path: Path, own_processes: Begun, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in OF_EACH_KIND.items():
        deliver("target", content, name)
    here = Read(take_in([landing], AS_OF, tmp_path / "staged"))
    kept = staged(here, tmp_path / "staged")
    (tmp_path / "staged").rename(tmp_path / "kept")
    monkeypatch.setattr(intake_landing, "_READ_HERE", 0)
    apart = Read(take_in([landing], AS_OF, tmp_path / "staged"))
    assert staged(apart, tmp_path / "staged") == kept
    assert apart.result.files.equals(here.result.files)
    assert apart.result.refusals == here.result.refusals
    assert apart.result.quarantine_paths == here.result.quarantine_paths
    assert sorted(here.codes()) == ["cut_off", "cut_off", "empty", "encoding", "missing_columns"]
    assert len(kept) == 5
    assert not own_processes()


def test_no_process_is_begun_for_little_or_for_what_is_staged(
    deliver: Put, night: Night, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object, **__: object) -> None:
        raise AssertionError("a process was begun")

    deliver("target", OF_EACH_KIND["utf-8.csv"])
    monkeypatch.setattr("canbao.intake.readers.ProcessPoolExecutor", none)
    first = night()
    monkeypatch.setattr(intake_landing, "_READ_HERE", 0)
    assert night().rows() == first.rows()
    assert len(first.rows()) == 1


def test_reading_is_given_up_in_another_process(deliver: Put, tmp_path: Path) -> None:
    path, store = long_file(deliver), tmp_path / "staged"
    said: list[type[BaseException]] = []
    with closing(Readers(1, 0)) as readers:

        def read() -> None:
            try:
                readers.stage(path, sha256_of(path), load_definitions()["target"], store, path.stat())
            except BaseException as error:
                said.append(type(error))

        thread = Thread(target=read)
        thread.start()
        begun(store)
        readers.halt()
        thread.join(5)
        assert said == [Stopped]
    assert not list(store.rglob("*.*"))


def test_a_process_that_is_killed_ends_the_night_with_words(deliver: Put, tmp_path: Path, own_processes: Begun) -> None:
    path, store = long_file(deliver), tmp_path / "staged"
    with closing(Readers(1, 0)) as readers:

        def kill() -> None:
            begun(store)
            own_processes()[0].kill()

        killer = Thread(target=kill)
        killer.start()
        with pytest.raises(CanbaoError, match="内存"):
            readers.stage(path, sha256_of(path), load_definitions()["target"], store, path.stat())
        killer.join()


def test_a_night_that_is_killed_takes_its_processes_with_it(deliver: Put, landing: Path, tmp_path: Path) -> None:
    long_file(deliver)
    store = tmp_path / "staged"
    script = tmp_path / "night.py"
    script.write_text(
        "import datetime, pathlib\n"
        "from canbao.intake import landing, take_in\n"
        "if __name__ == '__main__':\n"
        "    landing._READ_HERE = 0\n"
        f"    take_in([pathlib.Path({str(landing)!r})], datetime.date({AS_OF:%Y, %-m, %-d}), pathlib.Path({str(store)!r}))\n",
        encoding="utf-8",
    )
    night = subprocess.Popen([sys.executable, script])
    begun(store)
    processes = family(night.pid)
    assert len(processes) > 1
    night.kill()
    night.wait()
    assert gone(processes)
    assert list(store.rglob(".*.good"))
    again = Read(take_in([landing], AS_OF, store))
    assert again.file()["rows_read"] == 5_000_000
    assert len(list(store.rglob("*.*"))) == 2
