"""Files that are still being sent are left alone, and the delivery before them is taken (U36)."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest

from canbao.intake import IntakeResult, take_in
from canbao.intake.growing import look

TARGET = "insu_year,division_code,target_persons\n2026,500103,{}\n"
DEATH = "certno,death_date\n{},2025-06-03\n"
BEFORE, LAST = "2026-01-30", "2026-01-31"

Put = Callable[..., Path]
Take = Callable[..., IntakeResult]


@pytest.fixture
def take(landing: Path, tmp_path: Path) -> Take:
    def run(**more: object) -> IntakeResult:
        return take_in([landing], date(2026, 2, 1), tmp_path / "staged", **more)  # type: ignore[arg-type]

    return run


@contextmanager
def writer(path: Path, pause: float = 0.05) -> Iterator[None]:
    """A second process that goes on writing lines into a file."""
    script = (
        "import sys,time\nwith open(sys.argv[1], 'a') as file:\n    while True:\n"
        "        file.write('2026,500104,1\\n'); file.flush(); print(flush=True); time.sleep(float(sys.argv[2]))"
    )
    command = [sys.executable, "-c", script, str(path), str(pause)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        try:
            yield
        finally:
            other.kill()


def used(result: IntakeResult) -> list[tuple[str, str]]:
    return [(str(row["delivery"]), row["file"]) for row in result.files.iter_rows(named=True)]


def left(result: IntakeResult) -> list[tuple[str, tuple[str, ...], bool, str | None]]:
    return [(str(one.delivery), one.files, one.whole, one.instead and str(one.instead)) for one in result.growing]


@pytest.mark.parametrize("name", ["b.csv.part", "b.TMP", "b.csv.crdownload", "b.csv.filepart", "b.partial"])
def test_a_name_that_says_so(deliver: Put, take: Take, name: str) -> None:
    deliver("target", TARGET.format(1), day=BEFORE)
    deliver("target", TARGET.format(2), day=LAST)
    deliver("target", "x", name, day=LAST)
    result = take()
    assert used(result) == [(BEFORE, "a.csv")]
    assert left(result) == [(LAST, (name,), True, BEFORE)]
    assert result.refusals == []


def test_without_an_earlier_delivery_the_source_is_missing(deliver: Put, take: Take) -> None:
    deliver("target", TARGET.format(2))
    deliver("target", "x", "b.part")
    result = take()
    assert "target" in result.missing_sources
    assert left(result) == [(LAST, ("b.part",), True, None)]


def test_of_an_increment_only_the_file_is_left_alone(deliver: Put, take: Take) -> None:
    deliver("death", DEATH.format("A1"), day=BEFORE)
    deliver("death", DEATH.format("A2"), day=LAST)
    deliver("death", "x", "b.part", day=LAST)
    result = take()
    assert used(result) == [(BEFORE, "a.csv"), (LAST, "a.csv")]
    assert left(result) == [(LAST, ("b.part",), False, None)]


def test_a_file_that_another_process_writes(deliver: Put, take: Take, landing: Path) -> None:
    deliver("target", TARGET.format(1), day=BEFORE)
    path = deliver("target", TARGET.format(2), day=LAST)
    with writer(path):
        result = take(seen=look([landing]))
    assert used(result) == [(BEFORE, "a.csv")]
    assert left(result) == [(LAST, ("a.csv",), True, BEFORE)]
    assert used(take(seen=look([landing]))) == [(LAST, "a.csv")]  # it has come to rest


def test_a_file_that_changes_after_it_was_read(deliver: Put, take: Take, landing: Path) -> None:
    deliver("target", TARGET.format(1), day=BEFORE)
    path = deliver("target", TARGET.format(2), day=LAST)
    deliver("veteran", "certno,discharge_date\nA,2025-06-03\n")

    def append(place: str) -> None:
        if place.startswith("veteran"):
            with path.open("a") as file:
                file.write("2026,500105,7\n")

    result = take(on_progress=append)
    assert next(row for row in used(result) if row[1] == "a.csv") == (BEFORE, "a.csv")
    assert left(result) == [(LAST, ("a.csv",), True, BEFORE)]


def test_a_further_file_that_arrives_while_others_are_read(deliver: Put, take: Take) -> None:
    deliver("target", TARGET.format(1), day=BEFORE)
    deliver("target", TARGET.format(2), day=LAST)
    deliver("veteran", "certno,discharge_date\nA,2025-06-03\n")
    result = take(on_progress=lambda place: deliver("target", TARGET.format(3), "b.csv", LAST) and None)
    assert left(result) == [(LAST, ("b.csv",), True, BEFORE)]


def test_a_cut_off_file_is_watched_before_it_is_refused(deliver: Put, take: Take) -> None:
    deliver("target", TARGET.format(1), day=BEFORE)
    path = deliver("target", TARGET.format(2) + '2026,500105,"7', day=LAST)
    begun = time.monotonic()
    assert [refusal.file for refusal in take(patience=0.4).refusals] == ["a.csv"]
    assert time.monotonic() - begun >= 0.4
    with writer(path, pause=0.3):
        result = take(patience=3.0)
    assert result.refusals == []
    assert left(result) == [(LAST, ("a.csv",), True, BEFORE)]
    old = time.time() - 60
    os.utime(path, (old, old))
    begun = time.monotonic()
    assert take(patience=30.0).refusals
    assert time.monotonic() - begun < 10  # nothing has changed for a minute: it is cut off, not growing


def test_quiet_time(deliver: Put, take: Take) -> None:
    deliver("target", TARGET.format(1), day=BEFORE)
    path = deliver("target", TARGET.format(2), day=LAST)
    for day in (BEFORE, LAST):
        old = time.time() - 100
        os.utime(path.parents[1] / day / "a.csv", (old, old))
    assert used(take(quiet=60)) == [(LAST, "a.csv")]
    assert used(take(quiet=200)) == []
    os.utime(path)
    assert used(take(quiet=60)) == [(BEFORE, "a.csv")]
    assert used(take()) == [(LAST, "a.csv")]


@pytest.mark.parametrize("claim", ["sha256", "rows"])
def test_a_delivery_with_a_matching_manifest_is_complete(deliver: Put, take: Take, claim: str) -> None:
    text = TARGET.format(2)
    deliver("target", text, day=LAST)
    deliver("target", "x", "b.csv.part", day=LAST)
    claims = {"sha256": {"a.csv": hashlib.sha256(text.encode()).hexdigest()}, "rows": 1}
    deliver("target", json.dumps({claim: claims[claim]}), "manifest.json", day=LAST)
    result = take(quiet=600)
    assert used(result) == [(LAST, "a.csv")]
    assert result.growing == []
    assert any("b.csv.part" in note for note in result.notes)


@pytest.mark.parametrize("source", ["target", "death"])
def test_a_manifest_that_does_not_match_yet(deliver: Put, take: Take, source: str) -> None:
    text = {"target": TARGET.format(2), "death": DEATH.format("A")}[source]
    deliver(source, text, day=BEFORE)
    deliver(source, text, day=LAST)
    deliver(source, "x", "b.csv.part", day=LAST)
    deliver(source, json.dumps({"rows": 9}), "manifest.json", day=LAST)
    result = take()
    assert used(result) == [(BEFORE, "a.csv")]
    assert result.refusals == []
    (deliver(source, "", "b.csv.part", day=LAST)).unlink()
    assert [refusal.code for refusal in take().refusals] == ["manifest"]


def test_an_empty_manifest_claims_nothing(deliver: Put, take: Take) -> None:
    deliver("target", TARGET.format(2))
    deliver("target", "x", "b.part")
    deliver("target", "{}", "manifest.json")
    assert used(take()) == []
