"""Releases: named checks, these files, two people, a reason (U38)."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from canbao.errors import UserError
from canbao.gates import Check
from canbao.home import Home
from canbao.quality import releases
from canbao.quality.releases import Release

FALL, UNIQUE = "row_fall.population", "unique.person"
BLOCKING = [
    Check(FALL, "行数骤降", "completeness", "block", passed=False, source="population", message="骤降"),
    Check(UNIQUE, "主键不重复", "consistency", "block", passed=False),
]


def files(**digests: str) -> pl.DataFrame:
    rows = [{"source": name, "delivery": "2026-03-30", "file": "a.csv", "sha256": sha} for name, sha in digests.items()]
    return pl.DataFrame(rows)


LAST = {"population": "aa", "enrollment": "bb"}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home whose last night was blocked by two checks."""
    made = Home(tmp_path / "home")
    made.prepare()
    (made.runs / "20260331T000000Z-a").mkdir()
    releases.remember(made, "20260331T000000Z-a", BLOCKING, files(**LAST))
    record = {"as_of": "2026-03-31", "state": "blocked"}
    (made.runs / "20260331T000000Z-a.json").write_text(json.dumps(record))
    return made


def pending(home: Home, *checks: str) -> Release:
    return releases.ask(home.root, checks or [FALL], "已与公安核实", "甲")


def passed(home: Home, **digests: str) -> list[str]:
    found, _ = releases.apply(BLOCKING, releases.load(home), files(**(digests or LAST)))
    return [check.check_id for check in found if not check.blocks]


def test_two_people_and_the_same_files(home: Home) -> None:
    one = pending(home)
    assert passed(home) == []  # one person is not two
    done = releases.confirm(home.root, one.release_id, "乙")
    assert passed(home) == [FALL]
    found, used = releases.apply(BLOCKING, releases.load(home), files(**LAST))
    assert (found[0].accepted, found[0].accepted_by, found[0].passed) == ("已与公安核实", ("甲", "乙"), False)
    assert list(used) == [FALL]
    assert done.confirmed_account
    told = releases.entry(used[FALL])
    assert told is not None
    assert (told["asked_by"], told["confirmed_by"], told["files"]) == ("甲", "乙", {"population": 1})
    assert releases.entry(None) is None


def test_other_files_are_another_night(home: Home) -> None:
    releases.confirm(home.root, pending(home, FALL, UNIQUE).release_id, "乙")
    assert passed(home) == [FALL, UNIQUE]
    assert passed(home, population="aa", enrollment="cc") == [FALL]  # what was built saw another file
    assert passed(home, population="ab", enrollment="bb") == []
    found, used = releases.apply(BLOCKING, releases.load(home), files(population="ab", enrollment="bb"))
    assert used == {}
    assert "不适用" in found[0].message
    assert found[0].message.startswith("骤降\n")


def test_a_pending_release_says_what_is_missing(home: Home) -> None:
    one = pending(home)
    found, _ = releases.apply(BLOCKING, releases.load(home), files(**LAST))
    assert f"canbao release confirm {one.release_id}" in found[0].message
    assert found[1].message == ""


def test_a_check_that_passes_needs_none(home: Home) -> None:
    releases.confirm(home.root, pending(home).release_id, "乙")
    right = Check(FALL, "", "completeness", "block", passed=True, source="population")
    found, used = releases.apply([right], releases.load(home), files(**LAST))
    assert (found, used) == ([right], {})


@pytest.mark.parametrize("name", ["甲", " 甲 ", "Ｊia"])
def test_the_second_person_is_another_one(home: Home, name: str) -> None:
    first = {"甲": "甲", " 甲 ": "甲", "Ｊia": "jIA"}[name]
    one = releases.ask(home.root, [FALL], "已核实", first)
    with pytest.raises(UserError, match="另一人"):
        releases.confirm(home.root, one.release_id, name)
    releases.confirm(home.root, one.release_id, "乙")
    with pytest.raises(UserError, match="已由 乙 确认"):
        releases.confirm(home.root, one.release_id, "丙")


def test_wrong_use(home: Home, tmp_path: Path) -> None:
    ask = releases.ask
    for checks, reason, by, said in [
        (["row_fall.student"], "x", "甲", "没有阻断"),
        (["required.population"], "x", "甲", "不能放行"),
        ([FALL], " ", "甲", "不能是空的"),
        ([FALL], "x", " ", "不能是空的"),
        ([FALL], "见 500191198001010011", "甲", "个人号码"),
    ]:
        with pytest.raises(UserError, match=said):
            ask(home.root, checks, reason, by)
    with pytest.raises(UserError, match="没有编号"):
        releases.confirm(home.root, "R1", "乙")
    with pytest.raises(UserError, match="不存在"):
        ask(tmp_path / "none", [FALL], "x", "甲")
    (home.runs / "20260331T010000Z-b.json").write_text(json.dumps({"state": "published"}))
    with pytest.raises(UserError, match="无需放行"):
        ask(home.root, [FALL], "x", "甲")


def test_the_list(home: Home) -> None:
    assert releases.listed(home.root) == ["没有放行记录。"]
    one = pending(home, FALL, UNIQUE)
    assert any("待另一人确认" in line for line in releases.listed(home.root))
    releases.confirm(home.root, one.release_id, "乙")
    releases.mark_used(home, [releases.load(home)[0]], "run-1")
    text = "\n".join(releases.listed(home.root))
    assert "乙" in text
    assert "同一系统账户" in text  # the same account typed both: it is recorded, and people can see it
    assert "已用于 1 次发布" in text
    assert "全部来源 2 个" in text
