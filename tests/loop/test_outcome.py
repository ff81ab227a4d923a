"""The next morning every returned row says what became of it (U28)."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from canbao.errors import UserError
from canbao.home import Home
from canbao.loop import outcome
from canbao.loop.state import CONFIRMED, WAITING, WITHDRAWN, Loop, Receipt

from .city import TOWN, A, B, pid, publish

DAY = date(2026, 3, 1)
NOON = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)


def fed(number: int | None, why: str, division: str = A, reason: str = "W1", **given: Any) -> dict[str, Any]:
    """A row of the published `feedback`."""
    result = {"adopted": "adopted", "waits": "adopted", "contradicted_population": "contradicted"}
    return {
        "batch_id": "P000001", "person_id": pid(number) if number else None, "division_code": division,
        "reason_code": reason, "found_date": DAY, "effect": "stands", "outcome": result.get(why, "not_adopted"),
        "why": why, **given,
    }  # fmt: skip


def made(tmp_path: Path, *feedback: dict[str, Any], started: str = "2026-03-01T18:00:00+00:00") -> Home:
    home = publish(tmp_path, [], feedback=feedback)
    manifest = next(home.published.glob("*/*/manifest.json"))
    manifest.write_text(json.dumps({"as_of": DAY.isoformat(), "started": started}))
    return home


def back(home: Home, *rows: dict[str, Any], state: str = CONFIRMED, day: date = DAY) -> Receipt:
    """A receipt of village A with these rows."""
    loop = Loop(home, lambda: NOON)
    entries = [
        {"division_code": A, "reason_code": "W1", "found_date": DAY, "state": "new", "row_code": None, **row}
        for row in rows
    ]
    receipt = Receipt(day, "li", "李某", "village", A, "反馈.xlsx", "0" * 64, state=state)
    return loop.add_receipt(receipt, pl.DataFrame(entries, infer_schema_length=None))


def told(home: Home, receipt: Receipt) -> list[tuple[str | None, str]]:
    found = outcome.outcomes(home, receipt.receipt_no)
    assert found.columns == list(outcome.OUTCOME)
    assert found["n"].to_list() == list(range(1, found.height + 1))
    return [(row["outcome"], row["words"]) for row in found.iter_rows(named=True)]


def test_an_answer_that_did_not_land_is_counted_apart(tmp_path: Path) -> None:
    """Of somebody insured, with a fault: the night has no such row, and the receipt counts none among its rows."""
    home = made(tmp_path, fed(1, "insured"))
    rows = [
        {"person_id": pid(1), "state": "settled", "checks": ["settled"]},
        {"person_id": pid(2), "state": "settled", "checks": ["settled", "settled_apart"], "found_date": None},
    ]
    found = outcome.outcomes(home, back(home, *rows).receipt_no)
    assert found.select("outcome", "why").rows() == [("not_adopted", "insured"), (None, "insured_apart")]
    assert "已核实参保，无需填报" in found["words"][1]


def test_each_row_finds_its_own_answer(tmp_path: Path) -> None:
    home = made(
        tmp_path,
        fed(1, "adopted", row_code="A222222222"),
        fed(2, "contradicted_population", reason="D1"),
        fed(3, "disputed", row_code="A333333333", other_division=B),
        fed(4, "settled", other_division=TOWN),
        fed(5, "insured", row_code="A555555555"),
        fed(5, "adopted", division=B, row_code="A555555556", reason="W4"),
    )
    receipt = back(
        home,
        {"row_code": "A222222222", "person_id": pid(1)},
        {"person_id": pid(2), "reason_code": "D1"},
        {"row_code": "A333333333", "person_id": pid(3)},
        {"person_id": pid(4)},
        {"row_code": "A555555555", "person_id": pid(5)},
    )
    assert told(home, receipt) == [
        ("adopted", "已采纳"),
        ("contradicted", "与公安人口数据矛盾，请再核实"),
        ("not_adopted", "与东镇二村的答复分歧，待共同上级核定"),
        ("not_adopted", "分歧已由甲区东镇核定，未采纳本答复"),
        ("not_adopted", "已核实参保，无需填报"),
    ]


def test_what_a_later_receipt_replaced_says_so_and_a_repeated_answer_is_that_answer(tmp_path: Path) -> None:
    home = made(tmp_path, fed(1, "adopted", row_code="A222222222", reason="W4", found_date=date(2026, 3, 2)))
    row = {"row_code": "A222222222", "person_id": pid(1)}
    replaced = back(home, row)
    repeated = back(home, {**row, "reason_code": "W4", "state": "same"})
    lost = back(home, {"row_code": "A333333333", "person_id": pid(3)})
    assert told(home, replaced) == [("not_adopted", "已被本单位后来的答复替代")]
    assert told(home, repeated) == [("adopted", "已采纳")]
    assert told(home, lost) == [("not_adopted", "未计入本次结果，请与上级经办机构联系")]


def test_rows_that_nobody_took_in_say_why(tmp_path: Path) -> None:
    home = made(tmp_path, fed(1, "adopted", row_code="A222222222"))
    row = {"row_code": "A222222222", "person_id": pid(1)}
    receipt = back(home, {**row, "state": "refused", "checks": ["batch_recalled"]}, {**row, "checks": []})
    (refused, taken) = told(home, receipt)
    assert refused[0] is None
    assert "已收回" in refused[1]
    assert taken == ("adopted", "已采纳")


@pytest.mark.parametrize(
    ("state", "day", "started", "words"),
    [
        (WAITING, DAY, "2026-03-01T18:00:00+00:00", "待乡镇（街道）确认后计入"),
        (WITHDRAWN, DAY, "2026-03-01T18:00:00+00:00", "已撤回，不计入"),
        (CONFIRMED, date(2026, 3, 2), "2026-03-01T18:00:00+00:00", "尚未计入，次日可见结果"),
        (CONFIRMED, DAY, "2026-03-01T03:00:00+00:00", "尚未计入，次日可见结果"),  # confirmed after the night began
    ],
)
def test_what_no_night_has_taken_yet_waits(tmp_path: Path, state: str, day: date, started: str, words: str) -> None:
    home = made(tmp_path, fed(1, "adopted", row_code="A222222222"), started=started)
    receipt = back(home, {"row_code": "A222222222", "person_id": pid(1)}, state=state, day=day)
    assert told(home, receipt) == [(None, words)]


def test_a_receipt_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="没有回执"):
        outcome.outcomes(made(tmp_path), "H20260301-0001")
