"""Preview, confirmation, withdrawal, 镇审: nothing half, nothing twice, nothing lost."""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import stat
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import openpyxl
import polars as pl
import pytest

from canbao.errors import UserError
from canbao.feedback import take_back
from canbao.home import Home
from canbao.intake.problems import FileRefused
from canbao.loop import receive
from canbao.loop.night import _merge, gather
from canbao.loop.receive import Changed, Gone, Preview, Receipt, Who
from canbao.loop.state import Loop

from .returning import DAY, FAR, HERE, NEXT, PEOPLE, World, everybody, read_in_this_process, township, village


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    read_in_this_process(monkeypatch)
    return World(tmp_path / "home")


def seen(world: World, *rows: dict[str, object], who: Who | None = None, name: str = "反馈.csv") -> Preview:
    return receive.preview(world.home, world.file(name, rows), who or village(), day=DAY)


def taken(world: World, *rows: dict[str, object], who: Who | None = None, name: str = "反馈.csv") -> Receipt:
    who = who or village()
    return receive.confirm(world.home, seen(world, *rows, who=who, name=name).token, who)


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def previews(world: World) -> list[Path]:
    return list((world.home.root / "loop" / "preview").glob("*"))


# ------------------------------------------------------------------------------------------------- preview


def test_a_preview_says_what_would_be_and_stores_nothing(world: World) -> None:
    before = everything_in(world.home.root)
    rows = [
        world.row("ann"),
        world.row("bob", "ZZ"),
        world.row("paid"),
        world.row("child", ""),
        world.row("far", division=FAR),
        world.row("dead", "D1", batch_id="P000002"),
    ]
    found = seen(world, *rows)
    assert dict(found.counts) == {
        "new": 2, "changed": 0, "same": 0, "settled": 1, "refused": 2, "blank": 1, "conflicting": 0, "hints": 1,
    }  # fmt: skip
    assert [row["state"] for row in found.rows.iter_rows(named=True)] == ["new", "refused", "settled", "refused", "new"]
    assert found.rows["said"][1]["reason"] == "ZZ"
    assert "原因代码" in found.rows["words"][1]
    assert "强制性" in found.rows["words"][1]
    assert "无需填报" in found.rows["words"][2]
    assert [(one["batch_id"], one["division_name"]) for one in found.by_batch] == [("", ""), ("P000001", "村01")]
    assert found.by_batch[0]["refused"] == 1  # the foreign row names no batch that this village may see
    assert [one["new"] for one in found.by_sheet] == [2]
    assert found.again == ""
    assert found.expires.timestamp() > time.time() + 3500
    (folder,) = previews(world)
    assert folder.name == found.token
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    looked = receive.look(world.home, found.token, village())
    assert looked.rows.equals(found.rows)
    receive.discard(world.home, found.token, village())
    assert {name: data for name, data in everything_in(world.home.root).items() if "loop.db" not in name} == {
        name: data for name, data in before.items() if "loop.db" not in name
    }
    assert world.loop.receipts() == []


def test_what_the_reader_noticed_is_told_of_rows_that_are_taken_too(world: World) -> None:
    found = seen(world, world.row("ann"), world.row("bob", certno="5.00103E+17"))
    assert found.counts["new"] == 2
    assert [(line, "号码" in said) for _, line, said in found.problems] == [(3, True)]


def test_a_preview_is_its_owners_and_gone_after_an_hour(world: World) -> None:
    found = seen(world, world.row("ann"))
    for who in (village(NEXT), village(account="other"), township()):
        with pytest.raises(Gone):
            receive.look(world.home, found.token, who)
        with pytest.raises(Gone):
            receive.confirm(world.home, found.token, who)
        with pytest.raises(Gone):
            receive.discard(world.home, found.token, who)
    for token in ("", "..", "../preview", "x" * 22, found.token + "/"):
        with pytest.raises(Gone):
            receive.look(world.home, token, village())
    (folder,) = previews(world)
    long_ago = time.time() - receive.KEPT_SECONDS - 1
    os.utime(folder, (long_ago, long_ago))
    with pytest.raises(Gone):
        receive.confirm(world.home, found.token, village())
    assert previews(world) == []
    seen(world, world.row("ann"))
    (folder,) = previews(world)
    os.utime(folder, (long_ago, long_ago))
    other = seen(world, world.row("bob"))
    assert [path.name for path in previews(world)] == [other.token]
    assert world.landed() == []


def test_a_file_that_is_none(world: World, tmp_path: Path) -> None:
    with pytest.raises(FileRefused):
        receive.preview(world.home, world.file("leer.csv", []), village(), day=DAY)
    (tmp_path / "x.xlsx").write_bytes(b"PK no workbook")
    with pytest.raises(FileRefused):
        receive.preview(world.home, tmp_path / "x.xlsx", village(), day=DAY)
    assert previews(world) == []
    with pytest.raises(UserError, match="尚未发布"):
        receive.preview(Home(tmp_path / "empty"), world.file("a.csv", []), village(), day=DAY)


# --------------------------------------------------------------------------------------------- confirmation


def test_what_is_confirmed_lands_and_has_a_number(world: World) -> None:
    rows = [
        world.row("ann", "M1", end_date="2027.9.1", note="已看,“证”", reporter="李"),
        world.row("bob", "ZZ"),
        world.row("paid", "W4"),
        world.row("child", ""),
    ]
    receipt = taken(world, *rows, name="反馈 13800000000.csv")
    assert (receipt.receipt_no, receipt.state, receipt.day) == ("H20260331-0001", "confirmed", DAY)
    assert (receipt.accepted, receipt.refused, receipt.blank, receipt.settled, receipt.same) == (1, 1, 1, 1, 0)
    assert "138000" not in receipt.file_name
    (path,) = world.landed()
    assert path == world.home.landing / receipt.landed
    assert path.parent.name == "2026-03-31"
    assert path.stem == receipt.receipt_no
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert world.landed_rows() == [
        {
            "batch_id": "P000001", "certno": "", "row_code": world.code(key), "division_code": HERE,
            "reason_code": reason, "found_date": "2026-03-20", "end_date": end, "note": note, "reporter": who,
        }
        for key, reason, end, note, who in (("ann", "M1", "2027-09-01", "已看,“证”", "李"), ("paid", "W4", "", "", ""))
    ]  # fmt: skip
    stored = world.loop.returned_rows(receipt.receipt_no)
    assert stored["state"].to_list() == ["new", "refused", "settled"]
    assert stored["checks"].to_list()[1] == ["reason_unknown"]
    assert stored["line"].to_list() == [2, 3, 4]
    assert world.loop.answers()["reason_code"].to_list() == ["M1"]
    # nothing of anybody is left of the preview
    (folder,) = previews(world)
    assert [file.name for file in folder.iterdir()] == ["preview.json"]
    with pytest.raises(Gone, match="已经确认"):
        receive.look(world.home, folder.name, village())


def test_intake_takes_the_file_as_it_is(world: World) -> None:
    from canbao.intake import take_in

    rows = [world.row("ann", note='第一行\n第二行,"x"'), world.by_number("unsent", "I1", batch_id="B7")]
    taken(world, *rows)
    found = take_in([world.home.landing], DAY, world.home.staged)
    (file,) = found.files.filter(pl.col("source") == "grid_feedback").iter_rows(named=True)
    assert (file["state"], file["rows_accepted"], file["rows_rejected"]) == ("accepted", 2, 0)
    staged = pl.read_parquet(file["staged_path"])
    assert staged["row_code"].to_list() == [world.code("ann"), None]
    assert staged["certno"].to_list() == [None, world.certno("unsent")]
    assert staged["batch_id"].to_list() == ["P000001", "B7"]


def test_twice_is_once(world: World) -> None:
    first = seen(world, world.row("ann"))
    second = seen(world, world.row("ann"))
    receipt = receive.confirm(world.home, first.token, village())
    assert receive.confirm(world.home, first.token, village()) == receipt
    assert receive.confirm(world.home, second.token, village()) == receipt
    again = seen(world, world.row("ann"))
    assert again.again == receipt.receipt_no
    assert dict(again.counts)["same"] == 1
    assert receive.confirm(world.home, again.token, village()) == receipt
    assert len(world.loop.receipts()) == 1
    assert len(world.landed_rows()) == 1
    # the same rows in another file: a receipt, and nothing that counts anew
    other = taken(world, world.row("ann"), world.row("bob", ""), name="b.csv")
    assert (other.receipt_no, other.same, other.accepted, other.landed) == ("H20260331-0002", 1, 1, "")
    assert len(world.landed_rows()) == 1


def test_the_same_file_counts_anew_where_it_says_something_anew(world: World) -> None:
    first = taken(world, world.row("ann", "W1"))
    taken(world, world.row("ann", "W2"), name="b.csv")
    found = seen(world, world.row("ann", "W1"))
    assert (found.again, found.counts["changed"], found.counts["same"]) == ("", 1, 0)
    third = receive.confirm(world.home, found.token, village())
    assert third.receipt_no != first.receipt_no
    assert world.loop.answers()["reason_code"].to_list() == ["W1"]
    again = seen(world, world.row("ann", "W1"))
    assert (again.again, again.counts["changed"], again.counts["same"]) == (third.receipt_no, 0, 1)
    # what was refused yesterday, for a reason that has passed, is taken today
    rows = world.row("bob"), world.row("dot", found_date="2026-04-01")
    early = taken(world, *rows, name="c.csv")
    assert (early.accepted, early.refused) == (1, 1)
    assert seen(world, *rows).again == early.receipt_no
    path = world.file("c.csv", rows)
    late = receive.preview(world.home, path, village(), day=date(2026, 4, 1))
    assert (late.again, late.counts["new"], late.counts["same"], late.counts["refused"]) == ("", 1, 1, 0)
    receipt = receive.confirm(world.home, late.token, village())
    assert (receipt.accepted, receipt.same) == (2, 1)
    # what is refused for another reason than before is told
    world.loop.recall(1, "chen")
    assert seen(world, *rows).again == ""


def test_a_file_without_a_row_to_take_in_makes_no_receipt(world: World) -> None:
    for row in (world.row("ann", "ZZ"), world.row("ann", "")):
        found = seen(world, row)
        with pytest.raises(UserError, match="没有可以采用的行"):
            receive.confirm(world.home, found.token, village())
        assert receive.look(world.home, found.token, village()).counts == found.counts
    assert world.loop.receipts() == []
    # the command line gives them back all the same
    (told,) = take_back([world.file("反馈.csv", [world.row("ann", "ZZ")])], world.home.root, DAY)
    assert (told.refused, told.accepted, told.returned) == (False, 0, 1)
    assert "未生成回执" in told.lines[0] and "原因代码" in told.lines[1]
    (path,) = (world.home.root / "feedback" / "refused").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert world.loop.receipts() == []


def test_a_corrected_answer_takes_the_place_of_the_first(world: World) -> None:
    taken(world, world.row("ann"), world.row("bob"))
    found = seen(world, world.row("ann", "W2"), world.row("bob"))
    assert (found.counts["changed"], found.counts["same"]) == (1, 1)
    receive.confirm(world.home, found.token, village())
    assert [row["reason_code"] for row in world.landed_rows()] == ["W1", "W1", "W2"]
    assert world.loop.answers()["reason_code"].to_list() == ["W2", "W1"]
    # a day that was too late is corrected to an earlier one
    taken(world, world.row("ann", "W3", found_date="2026-03-10"))
    assert world.loop.answers()["reason_code"].to_list() == ["W3", "W1"]


def test_the_township_sends_what_a_village_could_not(world: World) -> None:
    rows = [world.row("ann"), world.row("near", division=NEXT)]
    one = taken(world, *rows)
    assert (one.accepted, one.refused) == (1, 1)
    other = taken(world, *rows, who=township())
    assert (other.accepted, other.same, other.refused) == (2, 1, 0)
    assert sorted(row["division_code"] for row in world.landed_rows()) == [HERE, NEXT]


def test_a_world_that_moved_on_is_seen_again(world: World) -> None:
    found = seen(world, world.row("ann"))
    world.loop.recall(1, "chen")
    with pytest.raises(Changed):
        receive.confirm(world.home, found.token, village())
    assert world.loop.receipts() == []
    assert receive.look(world.home, found.token, village()).counts["refused"] == 1
    found = seen(world, world.row("near", division=NEXT), who=village(NEXT))
    world.publish("run-2", near="resident")
    with pytest.raises(Changed):
        receive.confirm(world.home, found.token, village(NEXT))
    assert receive.look(world.home, found.token, village(NEXT)).counts["settled"] == 1
    receipt = receive.confirm(world.home, found.token, village(NEXT))
    assert (receipt.settled, receipt.accepted) == (1, 0)


# ------------------------------------------------------------------------- killed in between, several at once


class Killed(BaseException):
    """What no handler catches."""


def die(*_: object, **__: object) -> None:
    raise Killed


def test_killed_before_the_transaction_ends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    found = seen(world, world.row("ann"))
    with monkeypatch.context() as patch:
        wrote = receive._write_aside

        def write_and_die(*given: Any) -> None:
            wrote(*given)
            die()

        patch.setattr(receive, "_write_aside", write_and_die)
        with pytest.raises(Killed):
            receive.confirm(world.home, found.token, village())
    assert world.loop.receipts() == []
    assert world.landed() == []
    assert len(list((world.home.root / "loop" / "pending").iterdir())) == 1
    # another one comes and gets the number: the file of the dead must not become its own
    other = taken(world, world.row("bob"), name="b.csv")
    assert other.receipt_no == "H20260331-0001"
    assert [row["row_code"] for row in world.landed_rows()] == [world.code("bob")]
    receipt = receive.confirm(world.home, found.token, village())
    assert receipt.receipt_no == "H20260331-0002"
    assert len(world.landed_rows()) == 2


@pytest.mark.parametrize("then", ["confirm", "night", "withdraw"])
def test_killed_after_the_transaction(world: World, monkeypatch: pytest.MonkeyPatch, then: str) -> None:
    found = seen(world, world.row("ann"))
    with monkeypatch.context() as patch:
        calls = iter([lambda loop: None, die])
        patch.setattr(receive, "_tidy", lambda loop: next(calls)(loop))  # noqa: PLW0108 - another one each time
        with pytest.raises(Killed):
            receive.confirm(world.home, found.token, village())
    (receipt,) = world.loop.receipts()
    assert receipt.state == "confirmed"
    assert world.landed() == []
    if then == "confirm":
        assert receive.confirm(world.home, found.token, village()) == receipt
        assert len(world.landed_rows()) == 1
    elif then == "night":
        night = SimpleNamespace(home=world.home, options=SimpleNamespace(as_of=DAY))
        assert gather(night) == 1  # type: ignore[arg-type]
    else:
        assert receive.withdraw(world.home, receipt.receipt_no, village()).state == "withdrawn"
        assert world.landed() == []
    assert list((world.home.root / "loop" / "pending").iterdir()) == []
    assert len(world.loop.receipts()) == 1


def test_killed_while_withdrawing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    receipt = taken(world, world.row("ann"))
    with monkeypatch.context() as patch:
        patch.setattr(Loop, "set_receipt_state", die)
        with pytest.raises(Killed):
            receive.withdraw(world.home, receipt.receipt_no, village())
    assert world.landed() == []
    receive.settle_files(world.home)
    assert len(world.landed_rows()) == 1
    assert world.loop.receipts()[0].state == "confirmed"


def _confirm(root: Path, token: str, who: tuple[str, str], gate: object, results: object) -> None:
    gate.wait()  # type: ignore[attr-defined]
    try:
        receipt = receive.confirm(Home(root), token, village(*who))
        results.put(receipt.receipt_no)  # type: ignore[attr-defined]
    except BaseException as error:
        results.put(repr(error))  # type: ignore[attr-defined]


def at_once(world: World, tokens: Sequence[tuple[str, tuple[str, str]]]) -> list[str]:
    context = multiprocessing.get_context("spawn")
    gate, results = context.Barrier(len(tokens)), context.Queue()
    workers = [
        context.Process(target=_confirm, args=(world.home.root, token, who, gate, results)) for token, who in tokens
    ]
    for one in workers:
        one.start()
    found = [results.get(timeout=120) for _ in workers]
    for one in workers:
        one.join(60)
    return sorted(found)


def test_several_confirmations_at_once(world: World) -> None:
    """The same token twice, the same file under another token, and another village's: one receipt each."""
    mine, copy = seen(world, world.row("ann")), seen(world, world.row("ann"))
    other = seen(world, world.row("near", division=NEXT), who=village(NEXT))
    own, next_ = (HERE, ""), (NEXT, "")
    found = at_once(world, [(mine.token, own), (mine.token, own), (copy.token, own), (other.token, next_)])
    assert len(set(found)) == 2
    assert set(found) == {"H20260331-0001", "H20260331-0002"}
    assert len(world.landed_rows()) == 2
    assert len(world.loop.receipts()) == 2


# ------------------------------------------------------------------------------------------------- withdrawal


def test_withdrawal_until_the_night(world: World) -> None:
    receipt = taken(world, world.row("ann"))
    other = taken(world, world.row("bob"), name="b.csv")
    with pytest.raises(Gone):
        receive.withdraw(world.home, receipt.receipt_no, village(NEXT))
    with pytest.raises(Gone):
        receive.withdraw(world.home, "../../x", village())
    done = receive.withdraw(world.home, receipt.receipt_no, village())
    assert (done.state, done.decided_by) == ("withdrawn", village().account)
    assert [row["row_code"] for row in world.landed_rows()] == [world.code("bob")]
    with pytest.raises(UserError, match="已撤回"):
        receive.withdraw(world.home, receipt.receipt_no, village())
    # what was withdrawn may be sent again, as a new receipt
    again = taken(world, world.row("ann"))
    assert again.receipt_no == "H20260331-0003"
    # the superior may withdraw as well
    assert receive.withdraw(world.home, other.receipt_no, township()).state == "withdrawn"
    (day,) = (world.home.landing / "grid_feedback").iterdir()
    receive.withdraw(world.home, again.receipt_no, village())
    assert not day.exists()  # an empty delivery is none


def test_no_withdrawal_once_a_night_took_it(world: World) -> None:
    receipt = taken(world, world.row("ann"))
    with world.home.lock("run"), pytest.raises(UserError, match="夜间运行正在进行"):
        receive.withdraw(world.home, receipt.receipt_no, village())
    assert len(world.landed_rows()) == 1
    assert world.loop.receipts()[0].state == "confirmed"
    manifest = world.home.published / "2026-03-31" / "run-9" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    named = {"inputs": {"files": [{"source": "grid_feedback", "file": f"{receipt.receipt_no}.csv"}]}}
    manifest.write_text(json.dumps(named))
    with pytest.raises(UserError, match="已由夜间运行采用"):
        receive.withdraw(world.home, receipt.receipt_no, village())
    named["inputs"]["files"][0] |= {"file": "received-0001.csv", "delivery": "2026-03-31"}
    manifest.write_text(json.dumps(named))
    assert _merge(world.landed()[0].parent) == 1
    with pytest.raises(UserError, match="已由夜间运行采用"):
        receive.withdraw(world.home, receipt.receipt_no, village())
    assert world.loop.receipts()[0].state == "confirmed"


def merged(world: World) -> list[str]:
    """The row codes of the merged files."""
    files = sorted((world.home.landing / "grid_feedback").glob("*/received-*.csv"))
    return [row["row_code"] for path in files for row in csv.DictReader(path.open(encoding="utf-8"))]


def gathered(world: World) -> int:
    return gather(SimpleNamespace(home=world.home, options=SimpleNamespace(as_of=DAY)))  # type: ignore[arg-type]


def test_a_night_that_published_nothing_has_taken_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = taken(world, world.row("ann")), taken(world, world.row("bob"), name="b.csv")
    assert gathered(world) == 2
    with world.home.lock("run"), pytest.raises(UserError, match="夜间运行正在进行"):
        receive.withdraw(world.home, one.receipt_no, village())
    assert receive.withdraw(world.home, one.receipt_no, village()).state == "withdrawn"
    assert merged(world) == [world.code("bob")]
    assert world.loop.answers()["row_code"].to_list() == [world.code("bob")]
    # the next night takes what came since, and what is left
    again = taken(world, world.row("ann", "W3"), name="c.csv")
    assert gathered(world) == 1
    assert merged(world) == [world.code("bob"), world.code("ann")]
    # killed between its transaction and its file, whoever comes next ends it
    with monkeypatch.context() as patch:
        calls = iter([lambda loop: None, die])
        patch.setattr(receive, "_tidy", lambda loop: next(calls)(loop))  # noqa: PLW0108 - another one each time
        with pytest.raises(Killed):
            receive.withdraw(world.home, other.receipt_no, village())
    assert len(merged(world)) == 2
    gathered(world)
    assert merged(world) == [world.code("ann")]
    # killed before it: nothing has happened
    with monkeypatch.context() as patch:
        patch.setattr(Loop, "set_receipt_state", die)
        with pytest.raises(Killed):
            receive.withdraw(world.home, again.receipt_no, village())
    gathered(world)
    assert merged(world) == [world.code("ann")]
    receive.withdraw(world.home, again.receipt_no, village())
    assert not list((world.home.landing / "grid_feedback").iterdir())
    assert list((world.home.root / "loop" / "pending").iterdir()) == []


def test_an_answer_that_another_return_repeats_is_not_lost(world: World) -> None:
    first = taken(world, world.row("ann"), world.by_number("unsent"))
    for nth, row in enumerate((world.row("ann"), world.by_number("unsent"))):
        later = taken(world, row, world.row("bob", note=str(nth)), name=f"{nth}.csv")
        with pytest.raises(UserError, match=later.receipt_no):
            receive.withdraw(world.home, first.receipt_no, village())
        receive.withdraw(world.home, later.receipt_no, village())
    assert receive.withdraw(world.home, first.receipt_no, village()).state == "withdrawn"
    assert world.landed() == []
    nothing = taken(world, world.row("paid", "ZZ"))
    with pytest.raises(UserError, match="无需撤回"):
        receive.withdraw(world.home, nothing.receipt_no, village())


def test_numbers_have_no_gaps(world: World) -> None:
    for nth in range(3):
        receipt = taken(world, world.row("ann", note=f"第{nth}次"), name=f"{nth}.csv")
        receive.withdraw(world.home, receipt.receipt_no, village())
        seen(world, world.row("bob", note=str(nth)))
    assert [one.receipt_no for one in world.loop.receipts()] == [f"H20260331-000{nth}" for nth in (3, 2, 1)]


# ------------------------------------------------------------------------------------------------------- 镇审


def test_the_township_confirms(world: World) -> None:
    world.home.settings_file.write_text("[loop]\ntownship_confirms = true\n")
    receipt = taken(world, world.row("ann"))
    assert (receipt.state, receipt.landed) == ("waiting", "")
    assert world.landed() == []
    assert world.loop.answers().is_empty()
    assert seen(world, world.row("ann")).again == receipt.receipt_no
    for who in (village(), village(NEXT), village(HERE, "colleague")):
        with pytest.raises(Gone):
            receive.decide(world.home, receipt.receipt_no, who, ok=True)
    receive.settle_files(world.home)
    done = receive.decide(world.home, receipt.receipt_no, township(), ok=True, day=date(2026, 4, 2))
    assert (done.state, done.decided_by, done.day) == ("confirmed", "town", date(2026, 4, 2))
    (path,) = world.landed()
    assert path.parent.name == "2026-04-02"
    assert len(world.loop.answers()) == 1
    with pytest.raises(UserError, match="无需再审"):
        receive.decide(world.home, receipt.receipt_no, township(), ok=True)
    assert receive.withdraw(world.home, receipt.receipt_no, village()).state == "withdrawn"
    assert world.landed() == []
    # what the township itself returns needs nobody else
    assert taken(world, world.row("bob"), who=township()).state == "confirmed"


def test_what_waited_is_judged_when_it_is_let_pass(world: World) -> None:
    """Two returns wait; passed one after the other, what the last says is what stands and what the night reads."""
    taken(world, world.row("ann", "W2"), world.by_number("unsent", "W2"))
    world.home.settings_file.write_text("[loop]\ntownship_confirms = true\n")
    rows = {reason: (world.row("ann", reason), world.by_number("unsent", reason)) for reason in ("W1", "W2")}
    first, second = taken(world, *rows["W1"], name="1.csv"), taken(world, *rows["W2"], name="2.csv")
    assert (first.state, second.state, second.same) == ("waiting", "waiting", 2)
    assert seen(world, *rows["W2"]).again == second.receipt_no
    assert seen(world, *rows["W1"]).again == ""  # of these two the last word was another one
    for receipt in (first, second):
        done = receive.decide(world.home, receipt.receipt_no, township(), ok=True, day=DAY)
        assert (done.state, done.same, bool(done.landed)) == ("confirmed", 0, True)
    assert world.loop.answers()["reason_code"].to_list() == ["W2", "W2"]
    assert [row["reason_code"] for row in world.landed_rows()] == ["W2", "W2", "W1", "W1", "W2", "W2"]
    assert {row["batch_id"] for row in world.landed_rows()} == {"P000001", "B1"}
    # the other way round the second says by then what stands
    third, fourth = (
        taken(world, *rows["W1"], name="3.csv"),
        taken(world, *rows["W1"], world.row("bob", ""), name="4.csv"),
    )
    for receipt, same in ((fourth, 0), (third, 2)):
        assert receive.decide(world.home, receipt.receipt_no, township(), ok=True, day=DAY).same == same
    assert world.loop.answers()["reason_code"].to_list() == ["W1", "W1"]
    assert world.landed_rows()[-1]["reason_code"] == "W1"
    assert len(world.landed()) == 4


def test_what_is_passed_last_is_read_last(world: World) -> None:
    """Also where it was returned first: the merged file has the order in which returns began to count."""
    world.home.settings_file.write_text("[loop]\ntownship_confirms = true\n")
    first, second = (
        taken(world, world.row("ann", "W1"), name="1.csv"),
        taken(world, world.row("ann", "W2"), name="2.csv"),
    )
    receive.decide(world.home, second.receipt_no, township(), ok=True, day=DAY)
    time.sleep(1.1)  # moments are kept in seconds
    receive.decide(world.home, first.receipt_no, township(), ok=True, day=DAY)
    assert world.loop.answers()["reason_code"].to_list() == ["W1"]
    assert gathered(world) == 2
    (path,) = (world.home.landing / "grid_feedback" / DAY.isoformat()).iterdir()
    assert [row["reason_code"] for row in csv.DictReader(path.open(encoding="utf-8"))] == ["W2", "W1"]


def test_the_township_sends_back(world: World) -> None:
    world.home.settings_file.write_text("[loop]\ntownship_confirms = true\n")
    receipt = taken(world, world.row("ann"))
    with pytest.raises(UserError, match="理由"):
        receive.decide(world.home, receipt.receipt_no, township(), ok=False, note=" ")
    done = receive.decide(world.home, receipt.receipt_no, township(), ok=False, note="请入户")
    assert (done.state, done.decision_note) == ("returned", "请入户")
    assert world.landed() == []
    with pytest.raises(UserError, match="已退回"):
        receive.withdraw(world.home, receipt.receipt_no, village())
    again = taken(world, world.row("ann"))
    assert again.receipt_no == "H20260331-0002"
    assert receive.withdraw(world.home, again.receipt_no, village()).state == "withdrawn"


# --------------------------------------------------------------------------------------- refused rows, disputes


def filled(path: Path, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
    """Correct a workbook of refused rows: what `change` gives for a row, by heading."""
    book = openpyxl.load_workbook(path)
    sheet = book.worksheets[0]
    heads: dict[str, int] = {}
    for row in sheet.iter_rows():
        texts = {str(cell.value): cell.column for cell in row if cell.value is not None}
        if "行码" in texts and "核实结果" in texts:
            heads = texts
        elif heads:
            said = {name: str(sheet.cell(row[0].row, column).value or "") for name, column in heads.items()}
            for name, value in (change(said) if said["行码"] else {}).items():
                sheet.cell(row[0].row, heads[name]).value = value
    assert heads
    book.save(path)


def test_refused_rows_come_back_and_are_sent_again(world: World, tmp_path: Path) -> None:
    found = seen(
        world, world.row("ann"), world.row("bob", "ZZ"), world.row("sep", "M1"), world.row("far", division=FAR)
    )
    early = receive.refused_sheet(world.home, found.token, village(), tmp_path / "early.xlsx")
    receipt = receive.confirm(world.home, found.token, village())
    late = receive.refused_sheet(world.home, receipt.receipt_no, village(), tmp_path / "late.xlsx")
    same = receive.refused_sheet(world.home, found.token, village(), tmp_path / "same.xlsx")
    for path in (early, late, same):
        cells = [str(cell) for row in openpyxl.load_workbook(path).worksheets[0].values for cell in row if cell]
        assert {world.code("bob"), world.code("sep"), world.code("far", FAR)} <= set(cells)
        assert world.code("ann") not in cells
        assert "钱二" in cells
        assert sum(cell.startswith("强制性：") for cell in cells) == 3
        assert not any(world.certno(key) in cell for cell in cells for key in ("bob", "sep", "far"))
    with pytest.raises(Gone):
        receive.refused_sheet(world.home, receipt.receipt_no, village(NEXT), tmp_path / "x.xlsx")

    right = {world.code("bob"): {"核实结果": "W1 拒参"}, world.code("sep"): {"预计结束日期": "2027-09-01"}}
    filled(late, lambda said: right.get(said["行码"], {}))
    again = receive.preview(world.home, late, village(), day=DAY)
    assert [again.counts[name] for name in ("new", "refused", "blank")] == [2, 1, 0], again.rows["words"].to_list()
    second = receive.confirm(world.home, again.token, village())
    assert (second.accepted, second.refused) == (2, 1)
    assert world.loop.answers()["reason_code"].sort().to_list() == ["M1", "W1", "W1"]
    whole = taken(world, world.row("baby", "N1"), name="c.csv")
    with pytest.raises(UserError, match="没有退回"):
        receive.refused_sheet(world.home, whole.receipt_no, village(), tmp_path / "none.xlsx")


def test_the_common_superior_decides(world: World) -> None:
    taken(world, world.row("sep", "D1"))
    taken(world, world.row("sep", "W1", NEXT), who=village(NEXT), name="n.csv")
    code = world.code("sep")
    with pytest.raises(UserError, match="强制性"):
        receive.settle(world.home, township(), row_code=code, reason_code="M1", found_on=DAY, day=DAY)
    with pytest.raises(UserError, match="不在发给本单位"):
        receive.settle(world.home, township(), row_code=world.code("far", FAR), reason_code="W1", found_on=DAY, day=DAY)
    receipt = receive.settle(
        world.home, township(), row_code=code, reason_code="W1", found_on=DAY, note="派出所核实在世", day=DAY
    )
    assert (receipt.state, receipt.accepted, receipt.division_code) == ("confirmed", 1, township().division_code)
    last = world.landed_rows()[-1]
    assert (last["row_code"], last["division_code"], last["reason_code"]) == (code, township().division_code, "W1")


# ------------------------------------------------------------------------------------------------------- much


def test_a_merged_file_of_everybody(world: World) -> None:
    rows = [world.row(key, "W1", code) for key, code in sorted(world.codes)] * 3
    found = seen(world, *rows, who=everybody())
    dead = sum(one.status == "excluded_death" for one in PEOPLE.values())
    assert found.counts["refused"] == 3 * dead  # without an explanation
    assert sum(found.counts[name] for name in receive.STATES) == len(rows)
    assert found.counts["new"] + found.counts["settled"] == len(world.codes) - dead
    assert found.counts["same"] == 2 * (len(world.codes) - dead)
