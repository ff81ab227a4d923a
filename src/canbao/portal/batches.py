"""Dispatched batches as pages show them: which are somebody's own, and what came back of them.

A batch keeps the division it was sent to; where that is out of use by now, it belongs to the division in use that it
lies in. What the last night made of the answers is in the publication; what came back since is in the loop's database.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any
from uuid import UUID

import polars as pl
from starlette.requests import Request

from canbao.loop.codes import read_batch_id
from canbao.loop.sheet import cells
from canbao.loop.state import CONFIRMED, LIST, OPEN, WAITING, ZERO, Batch, Loop, Receipt
from canbao.paths import package_dir
from canbao.portal.divisions import Division, DivisionTree
from canbao.portal.fields import CHILD, place, present, short_name
from canbao.portal.page import portal_of
from canbao.portal.scope import Scope, refuse, require
from canbao.portal.store import Publication
from canbao.portal.words import word

PAGE_BATCHES = 50
PAGE_ROWS = 50

SHOWS = {
    "": "核实名单",
    "missing": "未回齐",
    "overdue": "逾期未回齐",
    "zero": "零报告待确认",
    "none": "零报告已确认",
    "recalled": "已收回",
}
"""What the list of batches can be narrowed to; a village has so few that it sees all at first."""

_COUNTS = ("new", "changed", "same", "settled")
"""States of returned rows that answer a row."""


@lru_cache
def statement(name: str) -> str:
    """A question about the loop (`sql/loop`)."""
    return (package_dir("portal") / "sql" / "loop" / f"{name}.sql").read_text(encoding="utf-8")


def loop_of(request: Request) -> Loop:
    """The loop of the installation, on the portal's clock."""
    return portal_of(request).loop


def holds(scope: Scope, code: str | None) -> bool:
    """Whether a division, in use or not any more, lies in one's own."""
    found = scope.tree.place(code)
    return found is not None and scope.may_see_division(found.code)


def reaches(scope: Scope, receipt: Receipt) -> bool:
    """Whether a receipt is of one's own divisions, as they are now; what came in over `canbao feedback` is the city's.

    Who sent it does not count: somebody who works for another division by now has left the receipts behind.
    """
    return holds(scope, receipt.division_code) if receipt.division_code else scope.level == 1


def codes_in(loop: Loop, tree: DivisionTree, division: Division, *, alone: bool = False) -> list[str] | None:
    """Codes of divisions that were sent batches and lie in one, as they were then.

    Args:
        loop: The loop.
        tree: Divisions in use.
        division: In which.
        alone: Only what went to the division itself.

    Returns:
        Codes; None for the whole city, in which everything lies.
    """
    if division.level == 1 and not alone:
        return None
    found = []
    for row in loop.ask(statement("divisions")):
        now = tree.place(row["division_code"])
        if now is not None and (now.code == division.code if alone else tree.inside(now.code, division)):
            found.append(row["division_code"])
    return found


def asked_batch(request: Request, capability: str, text: str, *, action: str = "view_batch") -> Batch:
    """The batch that an address or a form names.

    Args:
        request: The request.
        capability: What is about to be done with it.
        text: Its id.
        action: How the audit log calls it.

    Raises:
        NotFound: There is none, or its division is not in the scope; the try is in the audit log.
    """
    scope = require(request, capability, action=action, target=text[:20] or None)
    number = read_batch_id(text) if text.isascii() and len(text) < 20 else None
    found = None if number is None else loop_of(request).batch(number)
    if found is None or found.batch_id != text:
        raise refuse(request, action, text[:20] or None, "missing")
    if not holds(scope, found.division_code):
        raise refuse(request, action, text, "division")
    return found


@dataclass(frozen=True)
class Line:
    """A batch in the list.

    Attributes:
        batch: The batch.
        place: Where it went, in words.
        answered: Rows that came back and count.
        waiting: Rows that a township has not let pass yet.
        state: Kind of badge, shape and word.
        night: What the last publication says of it (row of its table `batch`); empty where it was sent since.
    """

    batch: Batch
    place: str
    answered: int
    waiting: int
    state: tuple[str, str, str]
    night: Mapping[str, Any]

    @property
    def open_rows(self) -> int:
        """Rows that nothing came back for."""
        return max(self.batch.rows - self.answered, 0)


def page_of(
    loop: Loop, pub: Publication, scope: Scope, division: Division, *, show: str, page: int, today: date, alone: bool
) -> tuple[list[Line], int, int]:
    """A page of the batches of a division.

    Args:
        loop: The loop.
        pub: The publication.
        scope: Who asks.
        division: A division that the scope has let pass.
        show: One of `SHOWS`.
        page: From 1.
        today: The day.
        alone: Only batches of the division itself, not of what lies in it.

    Returns:
        The page, how many batches there are in all, and how many rows they have.
    """
    codes = codes_in(loop, scope.tree, division, alone=alone)
    asked = show in {"missing", "overdue"}
    ended = pub.rows("batches_done", t0=division.first, t1=division.last, day=pub.as_of) if asked else []
    found = loop.ask(
        statement("batch_page"),
        divisions=None if codes is None else json.dumps(codes),
        round_no=None,
        show=show or ("all" if division.level == 4 else ""),
        today=today.isoformat(),
        done=json.dumps([read_batch_id(row["batch_id"]) for row in ended]),
        size=PAGE_BATCHES,
        skip=(page - 1) * PAGE_BATCHES,
    )
    numbers = [row["batch_no"] for row in found]
    total, people = (found[0]["batches"], found[0]["people"]) if found else (0, 0)
    batches = {one.batch_no: one for one in loop.batches(numbers=numbers)}
    return lines(loop, pub, scope, [batches[number] for number in numbers], today), total, people or 0


def lines(loop: Loop, pub: Publication, scope: Scope, batches: Sequence[Batch], today: date) -> list[Line]:
    """Batches with what came back of them, live and as of the last night."""
    numbers = [one.batch_no for one in batches]
    answered = loop.answered_counts(numbers)
    waiting = loop.answered_counts(numbers, WAITING)
    night = {row["batch_id"]: row for row in pub.rows("batches_of", ids=[one.batch_id for one in batches])}
    own = scope.division.code if scope.division else None
    return [
        Line(
            one,
            place(scope.tree, one.division_code, own) or one.division_name,
            answered.get(one.batch_no, 0),
            waiting.get(one.batch_no, 0),
            state_of(one, answered.get(one.batch_no, 0), today, night.get(one.batch_id, {}), pub.as_of),
            night.get(one.batch_id, {}),
        )
        for one in batches
    ]


def state_of(
    batch: Batch, answered: int, today: date, night: Mapping[str, Any], as_of: str | date
) -> tuple[str, str, str]:
    """A batch's state as kind of badge, shape and word.

    Args:
        batch: The batch.
        answered: Rows that came back.
        today: The day.
        night: What the last publication says of it; empty where it was sent since.
        as_of: The day that the publication speaks of.
    """
    if batch.state != OPEN:
        return "note", "○", "已收回"
    if batch.kind == ZERO:
        if batch.zero_at is not None:
            return "good", "✔", "已确认无人"
        return ("care", "▲", "逾期未确认") if batch.due < today else ("open", "◇", "待确认")
    if answered >= batch.rows:
        return "good", "✔", "已回齐"
    if batch.due >= today:
        return "open", "◇", "待回收"
    # Who is insured meanwhile need not be asked any more (U25); the night knows who is left once the day has passed.
    if night and batch.due.isoformat() < str(as_of) and not night["overdue"]:
        return "good", "✔", "已办结"
    return "care", "▲", "逾期"


@dataclass(frozen=True)
class Row:
    """A row of a batch on its page.

    Attributes:
        seen: The person as the sheet said it, for the reader's role (`canbao.loop.sheet.cells`).
        person_id: Where the way to the person's file leads; empty where there is none.
        serial: Its number in the batch.
        row_code: Its code.
        state: Kind of badge, shape and word.
        answer: What came back: reason, found_date, end_date, note, as the reader may see them; empty for nothing.
        told: What the last night made of it, in words.
        other: The other side's answer of somebody who lives apart from the household register; empty for none.
    """

    seen: Mapping[str, Any]
    person_id: str
    serial: int
    row_code: str
    state: tuple[str, str, str]
    answer: Mapping[str, Any]
    told: str
    other: Mapping[str, Any]


def rows_of(
    loop: Loop, pub: Publication, scope: Scope, batch: Batch, *, page: int, show: str, today: date
) -> tuple[list[Row], int]:
    """A page of a batch's rows with what came back of them.

    Args:
        loop: The loop.
        pub: The publication.
        scope: Who asks.
        batch: The batch.
        page: From 1.
        show: `missing` for rows without an answer, else all.
        today: The day.

    Returns:
        The page, and how many rows there are in all.
    """
    sent = loop.rows_of(batch.batch_no)
    back: dict[int, dict[str, Any]] = {}
    for row in loop.returned_of_batch(batch.batch_no).iter_rows(named=True):
        if row["state"] in _COUNTS and row["receipt_state"] in (CONFIRMED, WAITING) and row["serial"] is not None:
            back[row["serial"]] = row  # the newest
    if show == "missing":
        sent = sent.filter(~pl.col("serial").is_in(list(back)))
    part = sent.slice((page - 1) * PAGE_ROWS, PAGE_ROWS)
    ids = part["person_id"].to_list()
    own = scope.tree.place(batch.division_code)
    now = people_now(pub, ids, own) if own else {}
    night = {(row["row_code"], row["found_date"]): row for row in pub.rows("batch_answers", id=batch.batch_id)}
    others = _others(loop, pub, scope, batch, part)
    said = cells(part, division_code=batch.division_code, tree=scope.tree, role=scope.role)
    rows = []
    for row, seen in zip(part.iter_rows(named=True), said.iter_rows(named=True), strict=True):
        person = now.get(row["person_id"])
        answer = back.get(row["serial"])
        known = night.get((row["row_code"], answer["found_date"])) if answer else None
        rows.append(
            Row(
                seen=seen | {"child": row["age"] is not None and row["age"] < CHILD},
                person_id=row["person_id"] if sees(scope, person) else "",
                serial=row["serial"],
                row_code=row["row_code"],
                state=_row_state(batch, answer, known, person, today),
                answer=answer_seen(answer, scope) if answer else {},
                told=outcome_words(known, scope) if known else "",
                other=others.get(row["person_id"], {}),
            )
        )
    return rows, sent.height


def sees(scope: Scope, person: Mapping[str, Any] | None) -> bool:
    """Whether the person (a row of `people_now`) lives or is registered where somebody may look."""
    first, last = scope.range
    return person is not None and (
        scope.level == 1 or any(first <= person[name] <= last for name in ("household_tree", "residence_tree"))
    )


def people_now(pub: Publication, ids: Collection[str], within: Division) -> dict[str, dict[str, Any]]:
    """What the publication knows of people: id to insured_status, household_tree, residence_tree, psn_name.

    Args:
        pub: The publication.
        ids: A page of them.
        within: Where they are sought first: who is uninsured stands together with the others of the division, and
            only who is not there (any more) is looked up one by one.
    """
    found = {
        row["person_id"].hex: row
        for row in pub.rows("people_now", t0=within.first, t1=within.last, ids=[UUID(one) for one in ids])
    }
    for one in set(ids) - set(found):
        known = pub.one("person_number", id=UUID(one))
        person = known and pub.one("person_now", n=known["n"])
        if person:
            found[one] = person
    return found


def _others(
    loop: Loop, pub: Publication, scope: Scope, batch: Batch, part: pl.DataFrame
) -> dict[str, Mapping[str, Any]]:
    """What the other side answered about those of a page who live apart from the household register."""
    apart = {
        row["person_id"]: row["other_division"]
        for row in part.select("person_id", "other_division").iter_rows(named=True)
        if row["other_division"]
    }
    if not apart:
        return {}
    found: dict[str, Mapping[str, Any]] = {}
    own = scope.tree.place(batch.division_code)
    newest = loop.answers(list(apart)).sort("found_date")
    for row in newest.iter_rows(named=True):
        other = scope.tree.place(row["division_code"])
        if other is not None and own is not None and not scope.tree.inside(other.code, own):
            found[row["person_id"]] = answer_seen(row, scope) | {"place": place(scope.tree, row["division_code"])}
    return found


def answer_seen(row: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
    """An answer as somebody may see it: reason_code, found_date, end_date, place, and of the own divisions the note."""
    wanted = {name: row.get(name) for name in ("reason_code", "found_date", "end_date", "division_code")}
    seen = present(wanted, "feedback", scope)
    own = scope.may_see_division(str(row["division_code"])) if row.get("division_code") else False
    return seen | {"note": (row.get("note") or "") if own else ""}


def outcome_words(row: Mapping[str, Any], scope: Scope) -> str:
    """What the night made of an answer, in words: row of the published `feedback`."""
    told = why_table().get(str(row["why"]), {}).get("told", "") if row.get("why") else ""
    said = told or word("outcome", row.get("outcome"))
    return said.replace("{division}", place(scope.tree, row.get("other_division")) or "其他单位")


@lru_cache
def why_table() -> dict[str, dict[str, str]]:
    """Why an answer counts or not (`codes/feedback_why.csv`): code to its row."""
    from canbao.portal.words import code_table

    return code_table("feedback_why")


def outcome_badge(outcome: str | None) -> tuple[str, str, str]:
    """Kind of badge, shape and word of an outcome."""
    return {
        "adopted": ("good", "✔", "已采纳"),
        "contradicted": ("care", "▲", "与部门数据矛盾"),
        "not_adopted": ("note", "○", "未采纳"),
    }.get(outcome or "", ("open", "◇", "待今夜计入"))


def _row_state(
    batch: Batch,
    answer: Mapping[str, Any] | None,
    known: Mapping[str, Any] | None,
    person: Mapping[str, Any] | None,
    today: date,
) -> tuple[str, str, str]:
    if answer is not None:
        if answer["receipt_state"] == WAITING:
            return "open", "◇", "待镇审"
        if answer["state"] == "settled" and known is None:
            return "good", "✔", "已参保"
        if known is not None and known["why"] == "disputed":
            return "care", "▲", "待上级核定"
        return outcome_badge(known["outcome"] if known else None)
    if person is None or person["insured_status"] != "uninsured":
        return "good", "✔", "无需填报"
    if batch.state != OPEN:
        return "note", "○", "已收回"
    return ("care", "▲", "逾期") if batch.due < today else ("open", "◇", "待核实")


def is_list(batch: Batch) -> bool:
    """Whether a batch has people in it."""
    return batch.kind == LIST


def children_of(tree: DivisionTree, division: Division) -> list[tuple[str, str]]:
    """Code and short name of the divisions right below one."""
    return [(one.code, short_name(one)) for one in tree.children(division.code)]
