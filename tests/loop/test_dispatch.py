"""Who is asked about: nobody twice, both sides of a 人户分离, people without a village, zero reports, three rounds."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from canbao.errors import UserError
from canbao.home import Home
from canbao.loop import codes, dispatch, state
from canbao.loop.dispatch import Filters, Plan, plan_dispatch, send
from canbao.loop.state import Loop, Round
from tests.loop import city
from tests.loop.city import AS_OF, DISTRICT, FORMER, OTHER_TOWN, TOWN, A, B, C, D, one, pid, publish

DAY = date(2026, 3, 2)


def planned(home: Home, division: str = city.CITY, level: int = 4, day: date = DAY, **given: Any) -> Plan:
    return plan_dispatch(home, division, level, filters=Filters(**given), day=day)


def go(home: Home, division: str = city.CITY, level: int = 4, day: date = DAY, **given: Any) -> Round:
    return send(planned(home, division, level, day, **given), "chen")


def asked(home: Home, made: Round) -> list[tuple[int, str]]:
    """Persons and divisions of a round."""
    loop = Loop(home)
    rows = loop.sent_rows([one.batch_no for one in loop.batches(round_no=made.round_no)])
    return sorted((int(row["person_id"], 16), row["division_code"]) for row in rows.iter_rows(named=True))


def left(plan: Plan) -> dict[str, int]:
    return {one.why: one.rows for one in plan.left_out}


def lists(plan: Plan) -> dict[str, int]:
    return {one.division_code: one.rows for one in plan.batches if one.kind == "list"}


def zeros(plan: Plan) -> list[str]:
    return [one.division_code for one in plan.batches if one.kind == "zero"]


def test_a_batch_per_village(tmp_path: Path) -> None:
    home = publish(tmp_path, [one(1, A), one(2, A), one(3, B), one(4, C), one(5, D)])
    plan = planned(home, DISTRICT)
    assert lists(plan) == {A: 2, B: 1, C: 1}
    assert (plan.rows, plan.persons, plan.lists, plan.zeros, plan.left_out) == (4, 4, 3, 0, ())
    assert not Loop(home).rounds()  # nothing is stored before it is sent
    made = send(plan, "chen", date(2026, 3, 20))
    assert (made.rows, made.batches, made.due, made.by_account) == (4, 3, date(2026, 3, 20), "chen")
    assert made.publication == "2026-03-01/20260301T000000Z-00000001"
    loop = Loop(home)
    rows = loop.rows_of(1)
    assert rows.schema == pl.Schema(state.SENT)
    assert rows["psn_name"].to_list() == ["甲1", "甲2"]
    for row in rows.iter_rows(named=True):
        assert codes.read_row_code(row["row_code"]) == codes.RowCode(row["batch_no"], row["serial"], row["row_code"])
    assert rows["row_code"].to_list() == codes.row_codes(
        home.key(), rows["batch_no"], rows["serial"], rows["person_id"]
    )


def test_a_batch_per_township(tmp_path: Path) -> None:
    home = publish(tmp_path, [one(1, A), one(2, B), one(3, C), one(4, B, A), one(5, TOWN)])
    plan = planned(home, DISTRICT, 3)
    assert lists(plan) == {TOWN: 4, OTHER_TOWN: 1}
    made = send(plan, "chen")
    assert asked(home, made) == [(1, A), (2, B), (3, C), (4, B), (5, TOWN)]  # 4 once, by the registered side
    assert [row["division_code"] for row in Loop(home).rows_of(1).iter_rows(named=True)] == [TOWN, A, B, B]


def test_due_after_working_days(tmp_path: Path) -> None:
    home = publish(tmp_path, [one(1, A)])
    home.settings_file.write_text("[loop]\ndue_days = 3\n[repair]\nholidays = [2026-03-04]\n")
    assert go(home).due == date(2026, 3, 6)


def test_household_order(tmp_path: Path) -> None:
    people = [
        one(1, A, household_no=None, priority=1),
        one(2, A, household_no="H2", priority=5),
        one(3, A, household_no="H1", priority=5),
        one(4, A, household_no="H2", priority=2),
        one(5, A, household_no=None, priority=3),
    ]
    home = publish(tmp_path, people)
    go(home, A)
    assert [int(person, 16) for person in Loop(home).rows_of(1)["person_id"]] == [3, 4, 2, 1, 5]


def test_both_sides_of_a_separated_person_are_asked_and_know_of_each_other(tmp_path: Path) -> None:
    home = publish(tmp_path, [one(1, A, D), one(2, A, B), one(3, A)])
    made = go(home)
    assert asked(home, made) == [(1, A), (1, D), (2, A), (2, B), (3, A)]
    rows = Loop(home).sent_rows([1, 2, 3, 4])
    others = {(int(row["person_id"], 16), row["role"]): row["other_division"] for row in rows.iter_rows(named=True)}
    assert others == {
        (1, "household"): D, (1, "residence"): A, (2, "household"): B, (2, "residence"): A, (3, "household"): None,
    }  # fmt: skip


def test_a_district_sees_only_its_side_and_is_told_of_the_other(tmp_path: Path) -> None:
    home = publish(tmp_path, [one(1, A, D)])
    assert asked(home, go(home, DISTRICT)) == [(1, A)]
    assert Loop(home).rows_of(1)["other_division"].to_list() == [D]
    assert asked(home, go(home)) == [(1, D)]  # the other side is still to be asked


def test_people_without_a_village_go_to_their_township(tmp_path: Path) -> None:
    home = publish(tmp_path, [one(1, A), one(2, TOWN), one(3, DISTRICT), one(4, city.CITY)])
    plan = planned(home)
    assert lists(plan) == {TOWN: 1, A: 1}
    assert [(one.division_code, one.level) for one in plan.batches if one.kind == "list"] == [(TOWN, 3), (A, 4)]
    assert left(plan) == {"no_township": 2}
    assert left(planned(home, DISTRICT)) == {"no_township": 1}
    assert left(planned(home, TOWN)) == {}
    assert asked(home, send(plan, "chen")) == [(1, A), (2, TOWN)]


def test_people_whom_no_place_of_the_city_answers_for_are_told_of(tmp_path: Path) -> None:
    """A student from elsewhere who lives elsewhere is uninsured here, and nobody's to visit."""
    home = publish(tmp_path, [one(1, A), one(2, A, places=())])
    assert left(planned(home)) == {"no_township": 1}
    assert left(planned(home, DISTRICT)) == {}


def test_zero_reports_for_villages_with_nobody(tmp_path: Path) -> None:
    home = publish(tmp_path, [one(1, A)])
    plan = planned(home, DISTRICT)
    assert zeros(plan) == [B, C]
    assert zeros(planned(home, DISTRICT, 3)) == [OTHER_TOWN]
    send(plan, "chen")
    assert zeros(planned(home, DISTRICT)) == []  # still open
    Loop(home).confirm_zero(2, "li")
    assert zeros(planned(home, DISTRICT)) == [B]  # a confirmed one is done with, and the next round asks again


def test_a_zero_report_says_that_nobody_is_uninsured(tmp_path: Path) -> None:
    home = publish(tmp_path, [one(1, A, priority=9), one(2, B)])
    assert zeros(planned(home, TOWN, priority_to=2)) == []  # filtered away is not insured
    made = go(home, TOWN)
    city.answer(Loop(home), DAY, (1, A, "W1", None))
    assert made.rows == 2
    assert zeros(planned(home, TOWN)) == []  # nor is answered


def test_an_open_zero_report_is_recalled_when_people_come(tmp_path: Path) -> None:
    home = publish(tmp_path, [one(1, A)])
    go(home, TOWN)
    publish(tmp_path, [one(1, A), one(2, B)], as_of=AS_OF + timedelta(1))
    assert asked(home, go(home, TOWN, day=DAY + timedelta(1))) == [(2, B)]
    assert [(one.kind, one.state) for one in Loop(home).batches(divisions=[B])] == [
        ("zero", "recalled"),
        ("list", "open"),
    ]


def test_nobody_is_asked_twice_while_a_row_is_open(tmp_path: Path) -> None:
    home = publish(tmp_path, [one(1, A), one(2, A, D)])
    go(home, TOWN)
    later = DAY + timedelta(days=200)  # overdue is still open
    plan = planned(home, day=later)
    assert (lists(plan), left(plan)) == ({D: 1}, {"open": 2})
    with pytest.raises(UserError, match="没有需要下发"):
        go(home, A, day=later)


def test_a_recalled_batch_is_asked_again(tmp_path: Path) -> None:
    home = publish(tmp_path, [one(1, A)])
    go(home, TOWN)
    Loop(home).recall(1, "chen")
    assert asked(home, go(home, A)) == [(1, A)]


def test_an_open_township_counts_for_its_villages_and_the_other_way_round(tmp_path: Path) -> None:
    home = publish(tmp_path, [one(1, A), one(2, B), one(3, C), one(4, TOWN)])
    go(home, TOWN, 3)
    assert left(planned(home, DISTRICT)) == {"open": 3}
    go(home, C)
    assert left(planned(home, OTHER_TOWN, 3)) == {"open": 1}
    publish(tmp_path, [one(4, B)], as_of=AS_OF + timedelta(1))  # the village is known by now
    assert left(planned(home, TOWN)) == {"open": 1}


@pytest.mark.parametrize(
    ("reason", "end", "days", "holds"),
    [
        ("M1", date(2026, 9, 1), 183, True),  # until the day itself
        ("M1", date(2026, 9, 1), 184, False),
        ("W1", None, 60, True),
        ("W1", None, 61, False),
        ("W1", date(2026, 3, 10), 9, False),  # a date that was given counts more than what the reason holds
        ("W4", None, 15, True),
        ("W4", None, 16, False),
    ],
)
def test_nobody_is_asked_again_while_an_answer_holds(
    tmp_path: Path, reason: str, end: date, days: int, holds: bool
) -> None:
    home = publish(tmp_path, [one(1, A)])
    go(home, TOWN)
    city.answer(Loop(home), DAY, (1, A, reason, end))
    plan = planned(home, day=DAY + timedelta(days=days))
    assert left(plan) == ({"answered": 1} if holds else {})
    assert plan.rows == (0 if holds else 1)


def test_an_answer_of_one_side_holds_for_the_other(tmp_path: Path) -> None:
    home = publish(tmp_path, [one(1, A, D)])
    go(home, DISTRICT)
    city.answer(Loop(home), DAY, (1, A, "W1", None))
    plan = planned(home)
    assert left(plan) == {"answered": 2}


def test_an_answer_that_the_night_knows_holds_without_a_receipt(tmp_path: Path) -> None:
    said = {"feedback_reason": "W1", "feedback_date": date(2026, 2, 20), "feedback_division": A}
    home = publish(tmp_path, [one(1, A, **said), one(2, A)])
    assert left(planned(home, A)) == {"answered": 1}
    assert lists(planned(home, A, day=date(2026, 6, 1))) == {A: 2}


@pytest.mark.parametrize(
    "judged",
    [
        {"effect": "waits", "contradicted_by": "population", "outcome": "contradicted"},
        {"effect": "expired", "outcome": "not_adopted"},
    ],
)
def test_what_the_night_found_wanting_holds_nothing(tmp_path: Path, judged: dict[str, Any]) -> None:
    home = publish(tmp_path, [one(1, A), one(2, A)])
    go(home, TOWN)
    city.answer(Loop(home), DAY, (1, A, "D1", None), (2, A, "D1", None))
    same = {"person_id": pid(1), "division_code": A, "reason_code": "D1", "found_date": DAY}
    good = {**same, "person_id": pid(2), "effect": "waits", "outcome": "adopted"}
    publish(tmp_path, [one(1, A), one(2, A)], as_of=DAY, feedback=[{**same, **judged}, good])
    assert asked(home, go(home, A, day=DAY + timedelta(1))) == [(1, A)]


@pytest.mark.parametrize("by", ["uninsured", "feedback"])
def test_nobody_is_asked_about_whom_the_superior_has_to_decide(tmp_path: Path, by: str) -> None:
    people = [one(1, A, B), one(2, A)]
    if by == "uninsured":
        home = publish(tmp_path, [people[0] | {"feedback_disputed": True}, people[1]])
    else:
        said = {"person_id": pid(1), "division_code": A, "reason_code": "D1", "found_date": DAY, "effect": "disputed"}
        home = publish(tmp_path, people, feedback=[{**said, "outcome": "not_adopted"}])
    plan = planned(home, TOWN)
    assert left(plan) == {"disputed": 2}
    assert plan.left_out[0].words == "两地答复不一致，待上级核定"
    assert lists(plan) == {A: 1}


def test_a_village_does_not_close_anothers_row(tmp_path: Path) -> None:
    home = publish(tmp_path, [one(1, A, B)])
    go(home, TOWN)
    loop = Loop(home)
    sent = loop.sent_rows([one.batch_no for one in loop.batches()]).filter(division_code=B).row(0, named=True)
    row = {name: sent[name] for name in ("row_code", "batch_no", "serial")}
    city.answer(loop, DAY, (1, A, "W4", None), **row)
    assert loop.answered_counts([sent["batch_no"]]) == {}
    later = planned(home, TOWN, day=DAY + timedelta(60))
    assert (left(later), lists(later)) == ({"open": 1}, {A: 1})


def test_the_same_answer_twice_holds_when_one_of_them_does(tmp_path: Path) -> None:
    home = publish(tmp_path, [one(1, A)])
    go(home, TOWN)
    city.answer(Loop(home), DAY, (1, A, "D1", None))
    same = {"person_id": pid(1), "division_code": A, "reason_code": "D1", "found_date": DAY, "outcome": "adopted"}
    publish(tmp_path, [one(1, A)], as_of=DAY, feedback=[{**same, "effect": "superseded"}, {**same, "effect": "waits"}])
    assert left(planned(home, A)) == {"answered": 1}


@pytest.mark.parametrize("how", ["waiting", "withdrawn", "returned"])
def test_an_upload_that_does_not_count_leaves_the_row_open(tmp_path: Path, how: str) -> None:
    home = publish(tmp_path, [one(1, A)])
    go(home, TOWN)
    loop = Loop(home)
    receipt = city.answer(loop, DAY, (1, A, "W4", None))
    loop.set_receipt_state(receipt.receipt_no, how, "li", was="confirmed")
    assert left(planned(home, A, day=DAY + timedelta(90))) == {"open": 1}


def test_refused_rows_stay_open_and_settled_ones_do_not(tmp_path: Path) -> None:
    home = publish(tmp_path, [one(1, A), one(2, A)])
    go(home, TOWN)
    loop = Loop(home)
    city.answer(loop, DAY, (1, A, "W4", None), state="refused")
    city.answer(loop, DAY, (2, A, "W4", None), state="settled")
    assert asked(home, go(home, A, day=DAY + timedelta(1))) == [(2, A)]  # was insured, and is not any more


def test_an_answer_by_number_closes_the_row_of_that_division(tmp_path: Path) -> None:
    home = publish(tmp_path, [one(1, A)])
    go(home, TOWN)
    city.answer(Loop(home), DAY, (1, A, "W4", None), row_code=None, batch_no=None, serial=None)
    assert asked(home, go(home, A, day=DAY + timedelta(30))) == [(1, A)]


def test_former_divisions_follow_their_successors(tmp_path: Path) -> None:
    home = publish(tmp_path, [one(1, B)])
    made = go(home, FORMER)
    assert asked(home, made) == [(1, B)]
    loop = Loop(home)
    rows = pl.read_parquet(loop.sent_file(1)).with_columns(pl.lit(FORMER).alias("division_code"))
    rows.write_parquet(loop.sent_file(1))  # as if it had been sent before B took the village in
    assert left(planned(home, TOWN)) == {"open": 1}


def test_filters(tmp_path: Path) -> None:
    people = [
        one(1, A, uninsured_reason="lapsed", age=10, group_tags=["低保"], priority=1),
        one(2, A, D, age=70, feedback_reason="F2", feedback_date=date(2025, 1, 1), feedback_division=A),
        one(3, A, age=0),
    ]
    home = publish(tmp_path, people)

    def found(**given: Any) -> list[int]:
        plan = planned(home, DISTRICT, **given)
        return [] if not plan.lists else sorted({person for person, _ in _peek(home, plan)})

    assert found(reasons=("lapsed",)) == [1]
    assert found(tags=("低保", "特困")) == [1]
    assert found(age_from=10) == [1, 2]
    assert found(age_to=0) == [3]
    assert found(priority_to=1) == [1]
    assert found(answers=("F2",)) == [2]
    assert found(answers=("-",)) == [1, 3]
    assert found(separated=True) == [2]
    assert found(separated=False) == [1, 3]
    assert found(role="residence") == []
    plan = planned(home, reasons=("never",), age_to=0)
    assert send(plan, "chen").filters == {"reasons": ["never"], "age_to": 0}
    kept = Loop(home).rounds()[-1].filters
    assert Filters.of(kept) == plan.filters


def _peek(home: Home, plan: Plan) -> Sequence[tuple[int, str]]:
    made = send(plan, "chen")
    try:
        return asked(home, made)
    finally:
        loop = Loop(home)
        for batch in loop.batches(round_no=made.round_no):
            loop.recall(batch.batch_no, "chen")


def test_what_changed_since_the_preview_is_not_sent(tmp_path: Path) -> None:
    home = publish(tmp_path, [one(1, A), one(2, B)])
    plan = planned(home, TOWN)
    go(home, A)
    with pytest.raises(UserError, match="重新预览"):
        send(plan, "chen")
    assert len(Loop(home).rounds()) == 1
    plan = planned(home, TOWN)
    publish(tmp_path, [one(1, A), one(2, B)], run="20260301T000000Z-00000002")
    with pytest.raises(UserError, match="重新预览"):
        send(plan, "chen")


def test_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="canbao run"):
        planned(Home(tmp_path))
    home = publish(tmp_path, [one(1, A)])
    with pytest.raises(UserError, match="没有区划"):
        planned(home, "510000000000")
    with pytest.raises(UserError, match="没有下级"):
        planned(home, A, 3)
    with pytest.raises(UserError, match="没有下级"):
        planned(home, DISTRICT, 2)
    with pytest.raises(UserError, match="回复期限"):
        send(planned(home), "chen", DAY - timedelta(1))
    for wrong in ({"reasons": ("dead",)}, {"answers": ("Q9",)}, {"role": "both"}):
        with pytest.raises(UserError, match="不认识"):
            planned(home, **wrong)


def test_a_large_village_gets_several_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "LARGEST_BATCH", 3)
    home = publish(tmp_path, [one(number, A) for number in range(1, 8)] + [one(8, B)])
    go(home, TOWN)
    loop = Loop(home)
    assert [(batch.division_code, batch.rows) for batch in loop.batches()] == [(A, 3), (A, 3), (A, 1), (B, 1)]
    rows = loop.sent_rows([1, 2, 3, 4])
    assert rows["serial"].to_list() == [1, 2, 3, 1, 2, 3, 1, 1]
    assert [int(person, 16) for person in rows["person_id"]] == list(range(1, 9))
    assert rows["row_code"].n_unique() == 8


def test_publications_without_suggestions(tmp_path: Path) -> None:
    home = publish(tmp_path, [one(1, A)])
    path = home.current / "uninsured.parquet"
    pl.read_parquet(path).drop("suggested_reason", "suggested_from").write_parquet(path)
    go(home, A)
    assert Loop(home).rows_of(1)["suggested_reason"].to_list() == [None]


def test_only_the_owner_reads_what_was_sent_and_nothing_stays_behind(tmp_path: Path) -> None:
    home = publish(tmp_path, [one(1, A)])
    go(home, A)
    folder = Loop(home).folder
    names = {path.name for path in folder.iterdir()}
    assert names - {"loop.db-wal", "loop.db-shm"} == {"loop.db", "sent", ".send.lock"}
    assert (folder / "sent" / "1.parquet").stat().st_mode & 0o077 == 0


def test_three_rounds(tmp_path: Path) -> None:
    """Every figure of the third round follows from what was answered in the first two."""
    people = [one(number, (A, B, C)[number % 3]) for number in range(1, 31)]
    places = {number: (A, B, C)[number % 3] for number in range(1, 31)}
    home = publish(tmp_path, people)
    loop = Loop(home)
    first = go(home, DISTRICT)
    assert first.rows == 30
    soldiers, unwilling, pending = range(1, 6), range(6, 12), range(12, 18)  # 18 to 30: not visited
    city.answer(loop, DAY, *((number, places[number], "M1", date(2026, 12, 1)) for number in soldiers))
    city.answer(loop, DAY, *((number, places[number], "W1", None) for number in unwilling))
    city.answer(loop, DAY, *((number, places[number], "W4", None) for number in pending))
    assert planned(home, DISTRICT, day=DAY).rows == 0

    day = DAY + timedelta(days=30)  # 17 pays; 31 is new; who was to pay is asked again
    people = [person for person in people if person["person_id"] != pid(17)] + [one(31, A)]
    publish(tmp_path, people, as_of=day)
    plan = planned(home, DISTRICT, day=day)
    assert left(plan) == {"answered": 11, "open": 13}
    second = send(plan, "chen")
    assert [person for person, _ in asked(home, second)] == [12, 13, 14, 15, 16, 31]
    city.answer(loop, day, *((number, places[number], "D1", None) for number in (12, 13)))

    day = DAY + timedelta(days=70)  # the unwilling may be asked again; the soldiers serve
    judged = [
        {"person_id": pid(12), "division_code": A, "reason_code": "D1", "found_date": DAY + timedelta(30),
         "effect": "waits", "contradicted_by": "population", "outcome": "contradicted"},
    ]  # fmt: skip
    publish(tmp_path, people, as_of=day, feedback=judged)
    plan = planned(home, DISTRICT, day=day)
    assert left(plan) == {"answered": 5 + 1, "open": 13 + 4}
    third = send(plan, "chen")
    assert [person for person, _ in asked(home, third)] == [6, 7, 8, 9, 10, 11, 12]
    counted = Counter(person for made in (first, second, third) for person, _ in asked(home, made))
    assert {person for person, times in counted.items() if times > 1} == {*unwilling, *range(12, 17)}
    assert counted[12] == 3
