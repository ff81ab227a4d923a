"""Answers come back, and the next night says what became of each: nothing lost, nothing counted twice (U21–U28)."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from canbao.home import Home
from canbao.loop import receive
from canbao.loop.dispatch import plan_dispatch, send
from canbao.loop.outcome import outcomes
from canbao.loop.receive import Who
from canbao.loop.state import Loop
from tests.loop.returning import HEADINGS, read_in_this_process
from tests.story import Story

CITY = "500000000000"
OFFICE = Who("office", "经办", "city", CITY, lambda _: True, everything=True)


@dataclass
class Season:
    """A story with what goes out and comes back."""

    story: Story

    @property
    def home(self) -> Home:
        return Home(self.story.home)

    def night(self) -> None:
        told = self.story.run(great_expectations=False, reports=False)
        assert told.became_current
        assert not [check.check_id for check in told.checks if check.blocks]

    def table(self, name: str) -> pl.DataFrame:
        folder = self.home.current_publication()
        assert folder is not None
        return pl.read_parquet(folder / f"{name}.parquet")

    def give_back(self, rows: list[dict[str, Any]]) -> str:
        """Return rows today; the receipt's number."""
        path = self.story.home.parent / f"反馈{len(list(self.story.home.parent.glob('反馈*')))}.csv"
        with path.open("w", encoding="gb18030", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(HEADINGS.values())
            writer.writerows([row.get(key, "") for key in HEADINGS] for row in rows)
        found = receive.preview(self.home, path, OFFICE, day=self.story.day)
        return receive.confirm(self.home, found.token, OFFICE).receipt_no

    def why(self, receipt: str) -> dict[str, str]:
        """Row code to why, for the rows of a receipt."""
        return dict(outcomes(self.home, receipt).select("row_code", "why").iter_rows())

    def value(self, measure: str, basis: str = "household", code: str = CITY) -> int:
        cell = self.table("ledger").filter(measure=measure, basis=basis, division_code=code)
        return int(cell["value"].item())

    def check_totals(self) -> None:
        """Whatever came back is told once; cells and rows say the same of every district and of the city."""
        feedback, person, batch = self.table("feedback"), self.table("person"), self.table("batch")
        assert feedback["why"].null_count() == feedback["outcome"].null_count() == 0
        told = feedback.drop_nulls("person_id").join(person, on="person_id")
        for basis in ("household", "residence"):
            for measure, rows in (("received", told), ("verified", told.filter(outcome="adopted"))):
                persons = rows.select("person_id", f"{basis}_district", f"{basis}_place").unique()
                city = persons.drop_nulls(f"{basis}_place").height
                assert self.value(f"feedback_{measure}", basis) == city
                for code, count in Counter(persons[f"{basis}_district"].drop_nulls()).items():
                    if not code.endswith("-"):
                        assert self.value(f"feedback_{measure}", basis, code) == count
        assert (batch["dispatched"] == batch["returned"] + batch["outstanding"]).all()
        assert (batch["returned"] == batch["adopted"] + batch["contradicted"] + batch["not_adopted"]).all()


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> Season:
    return Season(Story(tmp_path_factory.mktemp("season"), persons=600))


def test_two_rounds(season: Season, monkeypatch: pytest.MonkeyPatch) -> None:
    read_in_this_process(monkeypatch)
    story = season.story
    season.night()
    assert season.value("dispatched") == season.value("feedback_overdue") == 0
    uninsured = season.table("uninsured").height
    plan = plan_dispatch(season.home, CITY, 4, day=story.day)
    first = send(plan, "chen", due=story.day + timedelta(days=3))
    loop = Loop(season.home)
    sent = loop.sent_rows([one.batch_no for one in loop.batches()]).sort("batch_no", "serial")
    assert first.rows == sent.height > 40
    assert uninsured == sent["person_id"].n_unique() + sum(one.persons for one in plan.left_out)

    # who answers what: people with one village, in the order of the lists, and two with two
    ages = pl.col("age").is_between(18, 50)
    alone = sent.filter(pl.len().over("person_id") == 1, ages, pl.col("certno").is_not_null()).sort("person_id")
    apart = sent.filter(pl.len().over("person_id") == 2, ages).sort("person_id", "role")
    people = alone.head(7).to_dicts()
    refuses, dead, pays, serves, corrected, insured, silent = people
    both = apart.head(4).to_dicts()
    day = story.day.isoformat()

    def row(of: dict[str, Any], reason: str, **given: str) -> dict[str, Any]:
        told = {"row_code": of["row_code"], "psn_name": of["psn_name"], "reason": reason, "found_date": day}
        return {**told, "note": "已当面核实情况", **given}

    answers = [
        row(refuses, "W1"),
        row(dead, "D1"),
        row(pays, "D1"),
        row(serves, "M1", end_date=(story.day + timedelta(days=2)).isoformat()),
        row(corrected, "F2"),
        row(insured, "W1"),
        row(silent, ""),
        row(both[0], "D1"),
        row(both[1], "W1"),
        row(both[2], "F3"),
        row(both[3], "W1"),
        row(refuses | {"row_code": "A2345"}, "W1"),
    ]
    receipt = season.give_back(answers)
    assert set(season.why(receipt).values()) == {"tonight", "refused"}

    # the next day: one answer is corrected, two people pay
    relations, payments = story.newly_insured([pays["certno"], insured["certno"]])
    story.next_day(enrollment=pl.concat([story.frame("enrollment"), relations]), tax_payment=payments)
    again = season.give_back([row(corrected, "W5")])
    season.night()
    told = season.why(receipt)
    assert {name: told[one["row_code"]] for name, one in zip(
        ("refuses", "dead", "pays", "serves", "corrected", "insured"), people[:6], strict=True
    )} == {
        "refuses": "adopted", "dead": "waits", "pays": "contradicted_enrollment", "serves": "waits",
        "corrected": "superseded", "insured": "insured",
    }  # fmt: skip
    assert [told[one["row_code"]] for one in both] == ["disputed", "disputed", "adopted", "adopted"]
    assert season.why(again) == {corrected["row_code"]: "adopted"}
    words = outcomes(season.home, receipt).filter(why="disputed")["words"].to_list()
    assert all("待共同上级核定" in one and "{" not in one for one in words)
    season.check_totals()
    assert season.value("dispatched") == season.table("person").filter(
        pl.col("person_id").is_in(sent["person_id"].unique().implode()), pl.col("household_place").is_not_null()
    ).height  # fmt: skip
    open_now = season.table("uninsured")
    assert open_now.filter(pl.col("feedback_disputed"))["person_id"].to_list() == [both[0]["person_id"]]
    assert open_now.filter(person_id=both[0]["person_id"])["feedback_reason"].to_list() == [None]
    assert open_now.filter(person_id=refuses["person_id"])["suggested_from"].to_list() == ["last_visit"]
    counts = season.table("batch").select(pl.col(pl.Int64).exclude("round_no", "level")).sum().row(0, named=True)
    assert counts["dispatched"] == sent.height
    # the corrected row is one answer, and the broken one none
    assert (counts["returned"], counts["contradicted"], counts["disputed"], counts["closed"]) == (10, 1, 2, 1)
    assert counts["enrolled_since"] >= 2
    assert counts["overdue"] == season.value("feedback_overdue") == 0

    # a common superior settles the dispute, the service ends, the rest is overdue
    for _ in range(3):
        story.next_day()
    settled = {
        "batch_id": both[0]["row_code"][:4], "certno": both[0]["certno"], "division_code": CITY, "reason": "W1",
        "found_date": story.day.isoformat(), "note": "市级核定",
    }  # fmt: skip
    decision = season.give_back([settled])
    season.night()
    told = season.why(receipt)
    assert told[both[0]["row_code"]] == "settled"
    assert told[both[1]["row_code"]] == "adopted"
    assert set(season.why(decision).values()) == {"adopted"}
    assert told[serves["row_code"]] == "expired"
    season.check_totals()
    assert not season.table("uninsured")["feedback_disputed"].any()
    overdue = season.table("batch")["overdue"].sum()
    codes = season.table("feedback").drop_nulls("row_code")["row_code"]
    answered = sent.filter(pl.col("row_code").is_in(codes.implode()))["person_id"]
    still = season.table("uninsured")["person_id"]
    late = sent.filter(~pl.col("row_code").is_in(codes.implode()), pl.col("person_id").is_in(still.implode()))
    assert overdue == late.height > 0
    nobody = late.filter(~pl.col("person_id").is_in(answered.implode()))["person_id"].unique()
    placed = season.table("person").filter(pl.col("household_place").is_not_null())["person_id"]
    assert season.value("feedback_overdue") == nobody.is_in(placed.implode()).sum()

    # the same inputs again give the same bytes, and nobody with a valid answer is asked again
    before = {name: season.table(name) for name in ("feedback", "batch")}
    season.night()
    assert all(season.table(name).equals(frame) for name, frame in before.items())
    plan = plan_dispatch(season.home, CITY, 4, day=story.day)
    assert plan.rows == 1 + int(both[0]["person_id"] == serves["person_id"])
