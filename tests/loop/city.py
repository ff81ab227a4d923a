"""A publication of a handful of made-up people, written by hand: what dispatch reads, without a night."""

import json
import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from canbao.home import Home
from canbao.loop import state
from canbao.loop.state import Loop, Receipt

CITY, DISTRICT, OTHER_DISTRICT = "500000000000", "500103000000", "500104000000"
TOWN, OTHER_TOWN, FAR_TOWN = "500103001000", "500103002000", "500104001000"
A, B, C, D = "500103001001", "500103001002", "500103002001", "500104001001"
"""Two villages of a township, one of another township, one of another district."""

FORMER = "500103001099"
"""Went up into B."""

NAMES = {
    CITY: "某某市", DISTRICT: "甲区", OTHER_DISTRICT: "乙区", TOWN: "东镇", OTHER_TOWN: "西镇", FAR_TOWN: "北镇",
    A: "一村", B: "二村", C: "三村", D: "四村",
}  # fmt: skip
AS_OF = date(2026, 3, 1)

_DIVISION = {
    "division_code": pl.String, "division_name": pl.String, "level": pl.Int32, "parent_code": pl.String,
    "l1": pl.String, "l2": pl.String, "l3": pl.String, "l4": pl.String, "tree_no": pl.Int32, "tree_last": pl.Int32,
}  # fmt: skip
_UNINSURED = {
    "person_id": pl.String, **dict(list(state.SENT.items())[10:]), "evidence": pl.String, "feedback_disputed": pl.Boolean,
}  # fmt: skip
_RESPONSIBILITY = {"person_id": pl.String, "division_code": pl.String, "role": pl.String}
_FEEDBACK = {
    "batch_id": pl.String, "person_id": pl.String, "division_code": pl.String, "reason_code": pl.String,
    "found_date": pl.Date, "end_date": pl.Date, "effect": pl.String, "contradicted_by": pl.String,
    "row_code": pl.String, "outcome": pl.String, "why": pl.String, "other_division": pl.String,
}  # fmt: skip


def pid(number: int) -> str:
    """A person's id."""
    return f"{number:032x}"


def one(number: int, *places: str, **given: Any) -> dict[str, Any]:
    """An uninsured person.

    Args:
        number: Stands for the person.
        places: Registered division, and that of residence where it is another.
        given: Columns of `uninsured`.
    """
    home, live = places[0], places[-1]
    return {
        "person_id": pid(number), "certno": None, "psn_name": f"甲{number}", "age": 40, "gend": "1",
        "household_no": f"H{number:04d}", "resd_code": home, "live_code": live, "separated": home[:9] != live[:9],
        "uninsured_reason": "never", "group_tags": [], "priority": 5, "places": places, "evidence": "{}", **given,
    }  # fmt: skip


def _tree() -> list[dict[str, Any]]:
    """All divisions, numbered."""
    codes = sorted(NAMES)
    rows = []
    for number, code in enumerate(codes, 1):
        level = 1 if code == CITY else 2 if code.endswith("000000") else 3 if code.endswith("000") else 4
        stem = code[: {1: 2, 2: 6, 3: 9, 4: 12}[level]]
        above = [CITY, f"{code[:6]}000000", f"{code[:9]}000", code][:level]
        rows.append(
            {
                "division_code": code, "division_name": NAMES[code], "level": level,
                "parent_code": above[-2] if level > 1 else None, "tree_no": number,
                "tree_last": max(n for n, other in enumerate(codes, 1) if other.startswith(stem)),
                **{f"l{n}": above[n - 1] if n <= level else None for n in (1, 2, 3, 4)},
            }
        )  # fmt: skip
    return rows


def publish(
    root: Path,
    people: Sequence[dict[str, Any]],
    *,
    as_of: date = AS_OF,
    run: str = "20260301T000000Z-00000001",
    feedback: Sequence[dict[str, Any]] = (),
) -> Home:
    """Write a publication and make it the current one.

    Args:
        root: The home.
        people: Of `one`.
        as_of: Its date.
        run: Its run.
        feedback: Rows of the published `feedback`.
    """
    home = Home(root)
    folder = home.published / as_of.isoformat() / run
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    pl.DataFrame(_tree(), schema=_DIVISION).write_parquet(folder / "division.parquet")
    known = pl.DataFrame([*((code, code) for code in NAMES), (FORMER, B)], schema=["code", "place_code"], orient="row")
    known.write_parquet(folder / "division_code.parquet")
    pl.DataFrame(
        [{name: person.get(name) for name in _UNINSURED} for person in people], schema=_UNINSURED
    ).write_parquet(folder / "uninsured.parquet")
    responsible = [
        {"person_id": person["person_id"], "division_code": place, "role": role}
        for person in people
        for place, role in zip(dict.fromkeys(person["places"]), ("household", "residence"), strict=False)
    ]
    pl.DataFrame(responsible, schema=_RESPONSIBILITY).write_parquet(folder / "responsibility.parquet")
    pl.DataFrame(list(feedback), schema=_FEEDBACK).write_parquet(folder / "feedback.parquet")
    (folder / "manifest.json").write_text(json.dumps({"as_of": as_of.isoformat(), "insured_year": 2026}))
    if home.current.is_symlink():
        home.current.unlink()
    home.current.symlink_to(folder.relative_to(home.published))
    return home


def answer(loop: Loop, day: date, *rows: tuple[int, str, str, date | None], **given: Any) -> Receipt:
    """A confirmed upload about rows that were sent.

    Args:
        loop: The installation's loop.
        day: When people were visited and the sheet came back.
        rows: Person, division, reason, end date; the newest open row of that person and division is answered.
        given: Columns of the returned rows.
    """
    entries = []
    sent = loop.sent_rows([one.batch_no for one in loop.batches()])
    for number, division, reason, end in rows:
        own = sent.filter(person_id=pid(number), division_code=division).tail(1).to_dicts()
        row = {name: own[0][name] for name in ("row_code", "batch_no", "serial")} if own else {}
        entries.append(
            {
                "person_id": pid(number), "division_code": division, "reason_code": reason, "found_date": day,
                "end_date": end, "state": "new", **row, **given,
            }
        )  # fmt: skip
    schema = {name: kind for name, kind in state.RETURNED.items() if any(name in row for row in entries)}
    receipt = Receipt(day, "li", "李某", "village", rows[0][1], "反馈.xlsx", "0" * 64, accepted=len(rows))
    return loop.add_receipt(receipt, pl.DataFrame(entries, schema=schema))
