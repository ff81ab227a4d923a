"""Every check: a row that triggers it, and one that does not."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import polars as pl
import pytest

from canbao.loop import receive
from canbao.loop.check import GRADES, Who, checks, opinion

from .returning import DAY, FAR, HERE, NEXT, PEOPLE, World, everybody, read_in_this_process, township, village

Row = Mapping[str, object]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        read_in_this_process(patch)
        yield World(tmp_path_factory.mktemp("check") / "home")


def judged(world: World, *rows: Row, who: Who | None = None) -> list[tuple[str, list[str]]]:
    """State and checks of each row of a file."""
    path = world.file("checked.csv", rows)
    who = who or village()
    seen = receive.preview(world.home, path, who, day=DAY)
    receive.discard(world.home, seen.token, who)
    return [(row["state"], row["checks"]) for row in seen.rows.iter_rows(named=True)]


Case = tuple[Callable[[World], Row], str, Callable[[World], Row]]
"""A row that triggers the check, its state, and one much like it that does not."""

CASES: dict[str, Case] = {
    "row_code_damaged": (
        lambda w: w.row("ann", row_code=w.code("ann")[:-1] + ("2" if w.code("ann")[-1] != "2" else "3")),
        "refused",
        lambda w: w.row("ann", row_code=" " + w.code("ann").lower()[:4] + " - " + w.code("ann").lower()[4:]),
    ),
    "not_in_batch": (lambda w: w.row("far", division=FAR), "refused", lambda w: w.row("ann")),
    "person_missing": (
        lambda w: w.row("ann", row_code="", batch_id="P000001"),
        "refused",
        lambda w: w.row("ann", batch_id="P000001"),
    ),
    "certno_damaged": (
        lambda w: w.by_number("ann", certno="5.00191E+17"),
        "refused",
        lambda w: w.row("ann", certno="5.00191E+17"),
    ),
    "person_unknown": (
        lambda w: w.by_number("away"),
        "refused",
        lambda w: w.by_number("unsent"),
    ),
    "certno_other": (
        lambda w: w.row("ann", certno=w.certno("bob")),
        "refused",
        lambda w: w.row("bob", certno=w.certno("bob")),
    ),
    "name_other": (
        lambda w: w.row("ann", psn_name="赵二"),
        "refused",
        lambda w: w.row("ann", psn_name=" 赵　一（女） "),
    ),
    "batch_missing": (lambda w: w.by_number("unsent", batch_id=""), "refused", lambda w: w.by_number("unsent")),
    "division_unreadable": (
        lambda w: w.by_number("unsent", division_code="5001"),
        "refused",
        lambda w: w.by_number("unsent", division_code=HERE),
    ),
    "not_own_division": (
        lambda w: w.by_number("unsent", division_code=NEXT),
        "refused",
        lambda w: w.by_number("unsent", division_code=""),
    ),
    "reason_missing": (
        lambda w: w.row("ann", "", note="不在家"),
        "refused",
        lambda w: w.row("ann", "F2", note="不在家"),
    ),
    "reason_unknown": (lambda w: w.row("ann", "ZZ"), "refused", lambda w: w.row("ann", " w１ ")),
    "found_missing": (lambda w: w.row("ann", found_date=""), "refused", lambda w: w.row("ann", found_date="20260320")),
    "found_unreadable": (
        lambda w: w.row("ann", found_date="不详"),
        "refused",
        lambda w: w.row("ann", found_date="2026.3.20"),
    ),
    "found_future": (
        lambda w: w.row("ann", found_date="2026-04-01"),
        "refused",
        lambda w: w.row("ann", found_date="2026-03-31"),
    ),
    "found_before_birth": (
        lambda w: w.row("baby", "N1", found_date="2026-01-09"),
        "refused",
        lambda w: w.row("baby", "N1", found_date="2026-01-10"),
    ),
    "end_missing": (lambda w: w.row("ann", "M1"), "refused", lambda w: w.row("ann", "M1", end_date="2027-09-01")),
    "end_unreadable": (
        lambda w: w.row("ann", "M1", end_date="明年"),
        "refused",
        lambda w: w.row("ann", "M1", end_date="2027年9月1日"),
    ),
    "end_before_found": (
        lambda w: w.row("ann", "W5", end_date="2026-03-19"),
        "refused",
        lambda w: w.row("ann", "W5", end_date="2026-03-31"),
    ),
    "note_missing": (lambda w: w.row("ann", "X"), "refused", lambda w: w.row("ann", "X", note="在外务工")),
    "age_impossible": (
        lambda w: w.row("child", "M1", end_date="2027-09-01", note="村里都知道"),
        "refused",
        lambda w: w.row("ann", "M1", end_date="2027-09-01"),
    ),
    "age_unlikely": (
        lambda w: w.row("boy", "P1", end_date="2027-09-01"),
        "refused",
        lambda w: w.row("ann", "P1", end_date="2027-09-01"),
    ),
    "dead_paid": (lambda w: w.row("late", "D1"), "refused", lambda w: w.row("ann", "D1")),
    "status_other": (lambda w: w.row("dead", "W1"), "refused", lambda w: w.row("dead", "D1")),
    "end_far": (
        lambda w: w.row("ann", "W5", end_date="2028-03-31"),
        "refused",
        lambda w: w.row("ann", "W5", end_date="2026-12-31"),
    ),
    "found_old": (
        lambda w: w.row("ann", found_date="2024-03-20"),
        "refused",
        lambda w: w.row("ann", found_date="2026-03-10"),
    ),
    "settled": (lambda w: w.row("paid"), "settled", lambda w: w.row("ann")),
    "already_gone": (lambda w: w.row("dead", "D1"), "new", lambda w: w.row("ann", "D1")),
    "found_before_sent": (
        lambda w: w.row("ann", found_date="2026-03-01"),
        "new",
        lambda w: w.row("ann", found_date="2026-03-02"),
    ),
    "end_past": (
        lambda w: w.row("ann", "M1", end_date="2026-03-30"),
        "new",
        lambda w: w.row("ann", "M1", end_date="2026-03-31"),
    ),
    "batch_other": (lambda w: w.row("ann", batch_id="P000002"), "new", lambda w: w.row("ann", batch_id="p1")),
    "division_other": (
        lambda w: w.row("ann", division_code=NEXT),
        "new",
        lambda w: w.row("ann", division_code=HERE),
    ),
    "not_dispatched": (
        lambda w: w.by_number("unsent", batch_id="P000001"),
        "new",
        lambda w: w.by_number("ann", batch_id="P000001"),
    ),
}


class Crowd(World):
    """The same home, where every row is about somebody else of the same kind."""

    def __init__(self, world: World) -> None:
        self.__dict__ = dict(world.__dict__)
        self.nth = itertools.count()

    def one(self, key: str) -> str:
        clone = f"{key}~{next(self.nth)}"
        return clone if clone in PEOPLE else key

    def row(self, key: str, reason: str = "W1", division: str = HERE, **cells: object) -> dict[str, object]:
        return super().row(self.one(key), reason, division, **cells)

    def by_number(self, key: str, reason: str = "W1", **cells: object) -> dict[str, object]:
        return super().by_number(self.one(key), reason, **cells)


@pytest.fixture(scope="module")
def cases(world: World) -> dict[str, tuple[tuple[str, list[str]], tuple[str, list[str]]]]:
    """What became of the two rows of each case: all of one kind in one file."""
    found = []
    for place in (0, 2):
        crowd = Crowd(world)
        rows = [case[place](crowd) for case in CASES.values()]  # type: ignore[operator]
        found.append(judged(world, *rows))
    assert [len(one) for one in found] == [len(CASES)] * 2
    return dict(zip(CASES, zip(*found, strict=True), strict=True))


@pytest.mark.parametrize("code", CASES)
def test_a_row_that_triggers_it_and_one_that_does_not(
    cases: dict[str, tuple[tuple[str, list[str]], tuple[str, list[str]]]], code: str
) -> None:
    state = CASES[code][1]
    (found, codes), (other, others) = cases[code]
    assert code in codes
    assert found == state
    assert code not in others
    if state == "refused":
        assert other == "new", others


ELSEWHERE = {
    "formula", "settled_apart", "batch_recalled", "division_missing", "code_twice", "repeated", "reason_not_offered", "older",
    "conflicting",
}  # fmt: skip
"""Checks with a test of their own below."""


def test_every_check_has_its_case() -> None:
    assert set(CASES) | ELSEWHERE == set(checks())
    assert not set(CASES) & ELSEWHERE
    for one in checks().values():
        assert one.grade in GRADES
        assert one.about in {"row", "answer"}
        assert not one.message.endswith("。")


def test_what_is_doubtful_passes_with_an_explanation(world: World) -> None:
    doubtful = world.row("late", "D1", note="已看销户证明")
    ((state, codes),) = judged(world, doubtful)
    assert (state, codes) == ("new", ["dead_paid"])
    ((state, _),) = judged(world, {**doubtful, "note": "属 实"})
    assert state == "refused"
    assert opinion(["dead_paid"]).startswith("核实性：")


def test_a_formula_is_refused(world: World, tmp_path: Path) -> None:
    import openpyxl

    for value, found in (('="W1"', "refused"), ("W1", "new")):
        book = openpyxl.Workbook()
        book.active.append(["行码", "姓名", "核实结果", "核实日期"])
        book.active.append([world.code("ann"), "赵一", value, "2026-03-20"])
        book.save(tmp_path / "f.xlsx")
        seen = receive.preview(world.home, tmp_path / "f.xlsx", village(), day=DAY)
        assert seen.rows["state"].to_list() == [found], seen.rows["checks"].to_list()
        assert ("formula" in seen.rows["checks"][0]) == (found == "refused")


def test_the_same_row_twice(world: World) -> None:
    found = judged(world, world.row("ann"), world.row("bob"), world.row("ann", "W2"))
    assert [state for state, _ in found] == ["refused", "new", "refused"]
    assert all("code_twice" in codes for _, codes in found[::2])
    found = judged(world, world.row("ann"), world.row("ann", "拒参", found_date="2026年3月20日"))
    assert found == [("new", []), ("same", ["repeated"])]
    # what is refused as another person's row takes nobody's place
    found = judged(world, world.row("ann", psn_name="钱二"), world.row("ann"), world.row("ann"))
    assert found == [("refused", ["name_other"]), ("new", []), ("same", ["repeated"])]
    # and says nothing: what a wrong name, number, or another unit's row tells does not make the right row doubtful
    others = world.row("ann", "W2", psn_name="钱二"), world.row("ann", "W3", certno=world.certno("bob"))
    found = judged(world, others[0], world.row("ann"), others[1])
    assert found == [("refused", ["name_other"]), ("new", []), ("refused", ["certno_other"])]
    # by code and by number it is the same row
    found = judged(world, world.row("ann"), world.by_number("ann", "W2", batch_id="P000001"))
    assert [codes for _, codes in found] == [["code_twice"], ["code_twice"]]


def test_two_sides_of_one_person(world: World) -> None:
    both = (world.row("sep", "D1"), world.row("sep", "W1", NEXT))
    assert judged(world, *both, who=township()) == [("new", ["conflicting"])] * 2
    agree = (world.row("sep", "F2"), world.row("sep", "W1", NEXT))
    assert judged(world, *agree, who=township()) == [("new", [])] * 2


def test_without_code_and_division(world: World) -> None:
    row = world.by_number("unsent", division_code="")
    assert judged(world, row, who=everybody()) == [("refused", ["division_missing", "not_dispatched"])]
    assert judged(world, row) == [("new", ["not_dispatched"])]  # a village speaks for itself


def test_a_foreign_row_says_nothing_about_its_person(world: World) -> None:
    """Whether name and number fit may be told only to whoever may see the person."""
    rows = (world.row("far", division=FAR, psn_name="谁"), world.row("near", division=NEXT, certno=world.certno("ann")))
    assert judged(world, *rows) == [("refused", ["not_in_batch"])] * 2
    assert judged(world, world.by_number("away", psn_name="谁")) == [("refused", ["person_unknown"])]


def test_what_a_role_may_not_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from canbao.loop import sheet

    monkeypatch.setattr(sheet, "choices", lambda role: ("D1 死亡",) if role == "village" else ("D1 死亡", "W1 拒参"))
    assert judged(world, world.row("ann", "W1")) == [("refused", ["reason_not_offered"])]
    assert judged(world, world.row("ann", "D1")) == [("new", [])]
    assert judged(world, world.row("ann", "W1"), who=township()) == [("new", [])]


def test_blank_is_not_visited_yet(world: World) -> None:
    path = world.file("blank.csv", [world.row("ann"), world.row("bob", "", reporter="李"), world.row("sep", "")])
    seen = receive.preview(world.home, path, village(), day=DAY)
    assert dict(seen.counts) == {
        "new": 1, "changed": 0, "same": 0, "settled": 0, "refused": 0, "blank": 2, "conflicting": 0, "hints": 0,
    }  # fmt: skip
    (batch,) = seen.by_batch
    assert (batch["batch_id"], batch["division_code"], batch["blank"]) == ("P000001", HERE, 2)


def test_who_is_insured_meanwhile_needs_no_right_answer(world: World) -> None:
    wrong = world.row("paid", "ZZ", found_date="不详")
    ((state, codes),) = judged(world, wrong)
    assert (state, codes) == ("settled", ["settled", "settled_apart"])  # and nothing that would have to be put right
    assert judged(world, world.row("paid", found_date="")) == [("settled", ["settled", "settled_apart"])]
    ((state, _),) = judged(world, {**wrong, "psn_name": "别人"})
    assert state == "refused"  # it may be somebody else's row


def test_names_as_people_write_them(world: World) -> None:
    for name in ("阿依·古丽", "阿依•古丽", "阿 依 古 丽", "阿依．古丽"):
        assert judged(world, world.row("dot", psn_name=name)) == [("new", [])]


def test_masked_numbers_are_compared_as_far_as_they_show(world: World) -> None:
    own, other = world.certno("ann"), world.certno("bob")
    for text in (f"{own[:6]}******{own[-4:]}", f"{own[:3]}***************"):
        assert judged(world, world.row("ann", certno=text)) == [("new", [])]
    wrong = f"{other[:6]}******{other[-4:]}"
    assert judged(world, world.row("ann", certno=wrong)) == [("refused", ["certno_other"])]
    # as the sheets themselves show it: the tail alone
    assert own[-2:] != other[-2:]
    for text, state in ((f"******{own[-2:]}", "new"), (f"******{other[-2:]}", "refused"), ("******", "new")):
        assert judged(world, world.row("ann", certno=text, psn_name=""))[0][0] == state


def test_answers_that_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_in_this_process(monkeypatch)
    own = World(tmp_path / "home")
    first = own.file("1.csv", [own.row("ann"), own.row("sep", "D1")])
    receive.confirm(own.home, receive.preview(own.home, first, village(), day=DAY).token, village())
    assert judged(own, own.row("ann")) == [("same", [])]
    assert judged(own, own.row("ann", "W2")) == [("changed", [])]
    assert judged(own, own.row("ann", "W2", found_date="2026-03-19")) == [("changed", ["older"])]
    assert judged(own, own.row("sep", "W1", NEXT), who=village(NEXT)) == [("new", ["conflicting"])]
    assert judged(own, own.row("sep", "F2", NEXT), who=village(NEXT)) == [("new", [])]
    own.loop.recall(2, "chen")
    assert judged(own, own.row("sep", "F2", NEXT), who=village(NEXT)) == [("refused", ["batch_recalled"])]
    # who settles a dispute answers no batch
    own.send(DAY)
    new = own.file("3.csv", [own.row("sep", "W1", NEXT, found_date="2026-03-31")])
    receive.confirm(own.home, receive.preview(own.home, new, village(NEXT), day=DAY).token, village(NEXT))
    code = own.code("sep", NEXT)
    own.loop.recall(5, "chen")
    receipt = receive.settle(
        own.home, township(), row_code=code, reason_code="D1", found_on=DAY, note="已看证明", day=DAY
    )
    assert receipt.accepted == 1
    # asked anew in another batch, the same words are a new answer
    assert judged(own, own.row("ann")) == [("new", ["found_before_sent"])]


def test_nobody_answers_anothers_row_by_number(world: World) -> None:
    """The other side's batch number beside somebody's number does not make the row one's own."""
    path = world.file("by-number.csv", [world.by_number("sep", batch_id="P000002")])
    for who in (village(), township(), everybody()):
        seen = receive.preview(world.home, path, who, day=DAY)
        row = seen.rows.row(0, named=True)
        stored = pl.read_parquet(world.home.root / "loop" / "preview" / seen.token / "judged.parquet").row(
            0, named=True
        )
        receive.discard(world.home, seen.token, who)
        assert (row["state"], row["checks"], row["division_code"]) == ("new", ["not_dispatched"], HERE)
        assert (stored["row_code"], stored["batch_no"], stored["serial"]) == (None, None, None)
    # with one's own it is the row that was sent; a township answers for the side that it names
    for who, division, batch in ((village(), HERE, 1), (township(), HERE, 1), (township(), NEXT, 2)):
        path = world.file("by-number.csv", [world.by_number("sep", batch_id=f"P00000{batch}", division_code=division)])
        seen = receive.preview(world.home, path, who, day=DAY)
        stored = pl.read_parquet(world.home.root / "loop" / "preview" / seen.token / "judged.parquet").row(
            0, named=True
        )
        receive.discard(world.home, seen.token, who)
        assert (stored["row_code"], stored["division_code"]) == (world.code("sep", division), division)


def test_nothing_is_kept_of_a_preview(world: World) -> None:
    judged(world, world.row("ann"))
    assert not world.landed()
    assert world.loop.receipts() == []
    assert isinstance(world.loop.answers(), pl.DataFrame)
    assert world.loop.answers().is_empty()
