"""Deliveries: which ones the night takes, what a manifest decides, and what is kept between nights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from canbao.errors import UserError
from canbao.intake import drop_unused, load_definitions, readers, take_in
from canbao.intake import landing as intake_landing
from canbao.intake.definitions import SourceDef, code_table
from canbao.intake.headers import normalise
from canbao.intake.staging import StagedPart, Stopped, stage_file

from .conftest import AS_OF, DAY, Read

DEATH = "certno,death_date\n{},2025-06-03\n"
VETERAN = "certno,discharge_date\n{},2025-06-03\n"
TARGET = "insu_year,division_code,target_persons\n2026,500103,{}\n"

Put = Callable[..., Path]
Night = Callable[..., Read]


def files(read: Read) -> list[tuple[str, str, str]]:
    return [(row["source"], str(row["delivery"]), row["file"]) for row in read.result.files.iter_rows(named=True)]


def test_snapshot_takes_the_newest_and_increment_all(deliver: Put, night: Night) -> None:
    for day in ("2026-01-01", "2026-01-15", "2026-03-01"):
        deliver("death", DEATH.format(day), day=day)
        deliver("target", TARGET.format(1), day=day)
    assert files(night()) == [
        ("death", "2026-01-01", "a.csv"),
        ("death", "2026-01-15", "a.csv"),
        ("target", "2026-01-15", "a.csv"),
    ]
    assert night().result.files["file_no"].to_list() == [1, 2, 3]


def test_files_are_sorted_and_odd_names_ignored(deliver: Put, night: Night, landing: Path) -> None:
    for name in ("b.csv", "a.TXT", ".hidden", "~$a.xlsx"):
        deliver("death", DEATH.format(name), name)
    (landing / ".git").mkdir()
    (landing / "elsewhere").mkdir()
    (landing / "death" / "readme").mkdir()
    (landing / "death" / "2026-01-02").mkdir()
    read = night()
    assert [file for *_, file in files(read)] == ["a.TXT", "b.csv"]
    assert read.result.unknown_sources == ["elsewhere"]
    assert len(read.result.notes) == 2
    assert "population" in read.result.missing_sources
    assert "death" not in read.result.missing_sources


def test_a_folder_without_files_is_no_delivery(deliver: Put, night: Night, landing: Path) -> None:
    deliver("target", TARGET.format(1), day="2026-01-01")
    (landing / "target" / "2026-01-20").mkdir()
    assert files(night()) == [("target", "2026-01-01", "a.csv")]


@pytest.mark.parametrize("name", ["a.xls", "readme.md", "a.zip", "a.gz"])
def test_unknown_kinds_are_refused(deliver: Put, night: Night, name: str) -> None:
    deliver("death", DEATH.format("A1"))
    deliver("death", "x", name)
    read = night()
    assert read.codes() == ["unknown_kind"]
    assert sorted(read.result.files["state"].to_list()) == ["accepted", "refused"]


def test_sub_folders_are_refused(deliver: Put, night: Night, landing: Path) -> None:
    deliver("death", DEATH.format("A1"))
    (landing / "death" / "2026-01-31" / "sub").mkdir()
    assert night().codes() == ["unknown_kind"]


def test_second_landing_area(deliver: Put, night: Night, tmp_path: Path) -> None:
    deliver("death", DEATH.format("A1"))
    other = tmp_path / "home" / "landing"
    folder = other / "death" / "2026-01-31"
    folder.mkdir(parents=True)
    (folder / "b.csv").write_text(DEATH.format("A2"))
    assert len(files(night(other))) == 2
    assert len(files(night(tmp_path / "not there"))) == 1


def test_missing_landing_area(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        take_in([tmp_path / "none"], date(2026, 1, 1), tmp_path / "staged")


def manifest(**claims: object) -> str:
    return json.dumps(claims)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


A, B = DEATH.format("A"), DEATH.format("B") + ",2025-01-01\n"


@pytest.mark.parametrize(
    ("claims", "whole"),
    [
        (manifest(rows=3), True),
        (manifest(rows=3, sha256={"a.csv": sha(A), "b.csv": sha(B).upper()}), True),
        (manifest(), True),
        (manifest(rows=2), False),
        (manifest(sha256={"a.csv": sha(A)}), False),
        (manifest(sha256={"a.csv": sha(A), "b.csv": sha(A)}), False),
        (manifest(sha256={"a.csv": sha(A), "b.csv": sha(B), "c.csv": sha(B)}), False),
        ("{", False),
        ("[]", False),
        (manifest(rows="3"), False),
        (manifest(rows=True), False),
    ],
)
def test_manifest(deliver: Put, night: Night, claims: str, whole: bool) -> None:
    deliver("death", A, "a.csv")
    deliver("death", B, "b.csv")
    deliver("death", claims, "manifest.json")
    read = night()
    assert set(read.result.files["state"]) == {"accepted" if whole else "refused"}
    assert read.codes() == ([] if whole else ["manifest"])
    if not whole:
        assert read.result.refusals[0].file is None
        assert read.result.files["staged_path"].null_count() == 2
        assert read.result.quarantine_paths == []
        assert read.result.counties.is_empty()


def test_the_same_file_is_read_once_and_gives_the_same(deliver: Put, night: Night, tmp_path: Path) -> None:
    deliver("target", TARGET.format(5) + "2026,500104,x\n")
    first = night()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "staged").rglob("*.*")}
    second = night()
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "staged").rglob("*.*")} == before
    assert len(before) == 3
    assert first.result.files.equals(second.result.files)
    assert first.result.counties.equals(second.result.counties)
    assert second.result.counties.rows() == [("target", "500103", 1)]


def test_what_no_night_uses_is_removed(deliver: Put, night: Night, tmp_path: Path) -> None:
    deliver("target", TARGET.format(5) + "2026,500104,x\n", day="2026-01-01")
    night()
    deliver("target", TARGET.format(6), day="2026-01-02")
    read = night()
    store = tmp_path / "staged"
    assert drop_unused(store, read.result) == 3
    assert len(list(store.rglob("*.*"))) == 2
    assert len(read.rows()) == 1


def test_a_manifest_alone_is_refused(deliver: Put, night: Night) -> None:
    deliver("population", '{"rows": 0}', "manifest.json")
    deliver("death", '{"rows": 1}', "manifest.json")
    deliver("birth", "{}", "manifest.json")
    assert night().codes() == ["manifest"] * 3


def test_an_increment_may_say_that_there_is_nothing_new(deliver: Put, night: Night, tmp_path: Path) -> None:
    deliver("death", A, "a.csv", day="2026-01-01")
    deliver("death", '{"rows": 0}', "manifest.json", day="2026-01-02")
    read = night()
    assert read.codes() == []
    assert read.result.files.select("delivery", "file", "rows_read", "state").rows() == [
        (date(2026, 1, 1), "a.csv", 1, "accepted"),
        (date(2026, 1, 2), "manifest.json", 0, "accepted"),
    ]
    assert read.rows(2) == []
    assert drop_unused(tmp_path / "staged", read.result) == 0


def test_a_refused_file_has_no_rows_rather_than_unknown_ones(deliver: Put, night: Night) -> None:
    deliver("death", "姓名\n甲\n")
    row = night().file()
    assert (row["state"], row["rows_read"], row["rows_accepted"], row["rows_rejected"]) == ("refused", 0, 0, 0)


def test_a_refused_file_leaves_nothing_behind(deliver: Put, night: Night, tmp_path: Path) -> None:
    deliver("death", A + '"open')
    night()
    assert not [path for path in (tmp_path / "staged").rglob("*") if path.is_file()]


def test_counts_hold(deliver: Put, night: Night) -> None:
    deliver("death", B)
    row = night().file()
    assert (row["rows_read"], row["rows_accepted"], row["rows_rejected"]) == (2, 1, 1)


def test_sources_side_by_side_give_the_same_as_one_after_the_other(
    deliver: Put, landing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, source in enumerate(["death", "target", "veteran"]):
        text = {"death": B, "target": TARGET.format(5), "veteran": VETERAN.format("A")}[source]
        deliver(source, text + "x\n" * number, "a.csv")
        deliver(source, "a.csv 的一半", "b.csv.part")
        claim = {"sha256": {"a.csv": hashlib.sha256((landing / source / DAY / "a.csv").read_bytes()).hexdigest()}}
        deliver(source, json.dumps(claim), "manifest.json")
    results = []
    for at_a_time in (1, 2, 3):
        monkeypatch.setattr(intake_landing, "_AT_A_TIME", at_a_time)
        results.append(take_in([landing], AS_OF, tmp_path / "staged"))
    assert len({str(one.notes) for one in results}) == 1
    assert [note.split("/")[0] for note in results[0].notes] == ["批次“death", "批次“target", "批次“veteran"]
    assert all(one.files.equals(results[0].files) for one in results)
    assert all(one.counties.equals(results[0].counties) for one in results)
    assert results[0].files["source"].to_list() == ["death", "target", "veteran"]


def test_a_fault_in_one_source_ends_the_reading_of_others(
    deliver: Put, night: Night, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver("death", B)
    deliver("veteran", VETERAN.format("A"))
    given_up = []

    def stage(path: Path, sha256: str, source: SourceDef, store: Path, **more: Any) -> list[StagedPart]:
        if source.name == "veteran":
            raise MemoryError
        assert more["stop"].wait(10)
        try:
            return stage_file(path, sha256, source, store, **more)
        except Stopped:
            given_up.append(source.name)
            raise

    monkeypatch.setattr(readers, "stage_file", stage)
    with pytest.raises(MemoryError):
        night()
    assert given_up == ["death"]
    assert not [path for path in (tmp_path / "staged").rglob("*") if path.is_file()]


# ---------------------------------------------------------------------------------------------------------- definitions


def test_all_sources_of_the_contract_are_defined() -> None:
    definitions = load_definitions()
    assert len(definitions) == 18
    assert {name for name, one in definitions.items() if one.required_source} == {"population", "enrollment"}
    assert {name for name, one in definitions.items() if one.kind == "increment"} == {
        "birth",
        "death",
        "tax_payment",
        "veteran",
        "grid_feedback",
    }


def test_no_header_means_two_fields() -> None:
    for source in load_definitions().values():
        words = [(normalise(word), one.name) for one in source.fields for word in {one.name, *one.headers}]
        meanings = dict(words)
        assert all(meanings[word] == name for word, name in words), source.name
        assert len(set(meanings.values())) == len(source.fields)


def test_code_tables_load() -> None:
    for source in load_definitions().values():
        for one in source.fields:
            if one.codes:
                assert code_table(one.codes).codes
