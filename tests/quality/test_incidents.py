"""Incidents: the same failing check is one, from its first night to the one that finds it green (U37)."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from canbao.errors import UserError
from canbao.gates import Check
from canbao.home import Home
from canbao.quality import incidents, state
from canbao.quality.incidents import RUN_BROKEN_OFF, RUN_FAILED, Book, Change, Outcome, advance

FALL, BLANK, BUILT = "row_fall.population", "population.brdy_blank", "unique.person"


def check(
    check_id: str = BLANK,
    *,
    passed: bool | None = False,
    severity: str = "warn",
    value: float = 0.1,
    trial: bool = False,
) -> Check:
    return Check(check_id, f"标题 {check_id}", "completeness", severity, passed, value=value, trial=trial)


def night(day: int, *checks: Check, how: str = "published", run: str = "") -> Outcome:
    failure = {"failed": RUN_FAILED, "broken_off": RUN_BROKEN_OFF}.get(how)
    return Outcome(date(2026, 3, day), run or f"2026-03-{day:02d}", checks, how == "published", bool(checks), failure)


def after(*nights: Outcome, book: Book | None = None) -> tuple[Book, list[list[tuple[str, str]]]]:
    book, told = book or Book(), []
    for one in nights:
        book, changes = advance(book, one)
        told.append(named(changes))
    return book, told


def named(changes: list[Change]) -> list[tuple[str, str]]:
    return [(change.kind, change.incident.check_id) for change in changes]


def test_several_nights_are_one_incident_that_closes_by_itself() -> None:
    book, told = after(night(1, check()), night(2, check()), night(3, check()), night(4, check(passed=True)), night(5))
    assert told == [[("opened", BLANK)], [], [], [("closed", BLANK)], []]
    (one,) = book.incidents
    assert (one.opened, one.last_seen, one.nights, one.closed, one.state) == (
        "2026-03-01",
        "2026-03-03",
        3,
        "2026-03-04",
        "closed",
    )


def test_a_later_one_names_the_one_before() -> None:
    book, _ = after(night(1, check()), night(2), night(9, check()))
    first, second = book.incidents
    assert second.previous == first.incident_id
    assert (second.opened, second.nights, second.state) == ("2026-03-09", 1, "open")
    assert first.incident_id != second.incident_id


def test_a_date_run_again_does_not_count_twice() -> None:
    book, told = after(night(1, check()), night(1, check()), night(1, check()))
    assert told == [[("opened", BLANK)], [], []]
    assert book.incidents[0].nights == 1


def test_a_date_run_again_may_be_green_and_wrong_once_more() -> None:
    book, told = after(night(1, check()), night(2, check(passed=True)), night(2, check()), night(3, check()))
    assert told == [[("opened", BLANK)], [("closed", BLANK)], [("opened", BLANK)], []]
    (one,) = book.incidents
    assert (one.state, one.nights, one.closed) == ("open", 3, None)


def test_worse_is_twice_the_value_or_a_higher_severity() -> None:
    values = [0.1, 0.19, 0.2, 0.3, 0.4]
    _, told = after(*(night(day, check(value=value)) for day, value in enumerate(values, start=1)))
    assert told == [[("opened", BLANK)], [], [("worsened", BLANK)], [], [("worsened", BLANK)]]
    book, told = after(night(1, check()), night(2, check(severity="block")), night(3, check()))
    assert told == [[("opened", BLANK)], [("worsened", BLANK)], []]
    assert book.incidents[0].severity == "block"


def test_not_computed_is_an_incident_and_trial_and_information_are_none() -> None:
    book, _ = after(night(1, check(passed=None), check("a.b", severity="info"), check("a.c", trial=True)))
    assert [one.check_id for one in book.incidents] == [BLANK]


def test_a_blocked_night_closes_only_what_it_has_judged() -> None:
    built, fall = check(BUILT, severity="block"), check(FALL, severity="block")
    refused = check("refused.population", severity="block")
    book, _ = after(night(1, built, refused, how="blocked"))
    book, told = after(night(2, fall, how="blocked"), book=book)
    assert told == [[("closed", "refused.population"), ("opened", FALL)]]
    assert [one.check_id for one in book.open] == [BUILT, FALL]
    assert [one.nights for one in book.open] == [1, 1]
    _, told = after(night(3, check(FALL, passed=True, severity="block")), book=book)
    assert sorted(told[0]) == [("closed", FALL), ("closed", BUILT)]


def test_a_run_that_failed_or_was_broken_off() -> None:
    book, told = after(
        night(1, how="failed"), night(2, how="failed"), night(2, how="broken_off"), night(3, check(), how="blocked")
    )
    assert told == [
        [("opened", RUN_FAILED)],
        [],
        [("opened", RUN_BROKEN_OFF)],
        [("closed", RUN_FAILED), ("closed", RUN_BROKEN_OFF), ("opened", BLANK)],
    ]
    assert book.incidents[0].nights == 2


def test_a_run_for_an_earlier_day_leaves_them_alone() -> None:
    book, told = after(night(5, check()), night(3), night(4, check("other.check")))
    assert told == [[("opened", BLANK)], [], []]
    assert [one.state for one in book.incidents] == ["open"]


def test_a_killed_run_is_found_by_the_next_night() -> None:
    records = [
        {"run_id": "20260301T1", "as_of": "2026-03-01", "state": "published"},
        {"run_id": "20260302T1", "as_of": "2026-03-02", "state": "broken_off"},
        {"run_id": "20260303T1", "as_of": "2026-03-03", "state": "running"},
    ]
    found = incidents.overtaken(records, after="20260301T1", before="20260303T1")
    assert [(one.run_id, one.run_failure) for one in found] == [("20260302T1", RUN_BROKEN_OFF)]


def test_owner_note_and_list(tmp_path: Path) -> None:
    home = Home(tmp_path)
    book, _ = after(night(1, check(), check("b.c")))
    with state.changing(home):
        incidents.save(home, book)
    assert incidents.load(home) == book
    one = book.incidents[0].incident_id
    incidents.own(tmp_path, one, "甲科 李某某")
    incidents.note(tmp_path, one, "已电话告知")
    assert next((found.state, found.owner, found.notes) for found in incidents.load(home).open) == (
        "acknowledged",
        "甲科 李某某",
        ("已电话告知",),
    )
    lines = incidents.listed(tmp_path)
    assert len(lines) == 3
    assert "已认领" in lines[0]
    assert "甲科 李某某" in lines[0]
    book, _ = after(night(2), book=incidents.load(home))
    with state.changing(home):
        incidents.save(home, book)
    assert incidents.listed(tmp_path) == ["没有未关闭的问题。"]
    assert len(incidents.listed(tmp_path, everything=True)) == 3
    for wrong in (lambda: incidents.own(tmp_path, one, "乙"), lambda: incidents.note(tmp_path, "x", "乙")):
        with pytest.raises(UserError, match="没有编号"):
            wrong()
    with pytest.raises(UserError, match="不存在"):
        incidents.listed(tmp_path / "none")


@pytest.mark.parametrize("text", ["号码 500191198001010011", "打 1３800138000", " "])
def test_no_numbers_of_people_in_notes(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError):
        incidents.note(tmp_path, "x", text)


def test_closed_ones_are_kept_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incidents, "KEPT", 3)
    nights = [night(day, check()) if day % 2 else night(day) for day in range(1, 20)]
    book, _ = after(*nights)
    assert len([one for one in book.incidents if one.state == "closed"]) == 3
    assert len(book.open) == 1
    assert "certno" not in json.dumps(incidents.as_data(book))
