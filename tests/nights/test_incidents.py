"""Seven nights with a bad delivery, a late file and a run again: every incident opens and closes exactly once."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from canbao.errors import Blocked
from canbao.home import Home
from canbao.quality import incidents
from canbao.quality.notify import LINES
from tests.story import Story

FALL, GROWING = "row_fall.population", "growing.population"


def test_every_incident_opens_and_closes_once(tmp_path: Path) -> None:
    story = Story(tmp_path, persons=600)
    home = Home(story.home)
    told = tmp_path / "told.jsonl"
    home.settings_file.write_text(f'[notify]\ncommand = "cat >> {told}; echo ===== >> {told}"\n')

    def blocked() -> None:
        with pytest.raises(Blocked):
            story.run(great_expectations=False, reports=False)

    def passed() -> None:
        assert story.run(great_expectations=False, reports=False).published

    passed()
    story.next_day()
    half = story.frame("population").head(story.frame("population").height // 2)
    story.deliver("population", half, stands=False)
    blocked()
    blocked()  # the same date again
    story.next_day()
    story.deliver("population", half, stands=False)
    blocked()
    story.next_day()  # whole again
    passed()
    story.next_day()
    (story.landing / "population" / story.day.isoformat() / "part-2.csv.part").write_text("half")
    passed()
    story.next_day()
    passed()
    story.next_day()
    passed()

    found = incidents.load(home).incidents
    days = sorted(path.name for path in home.published.iterdir() if path.name[:2] == "20")
    first = story.start.isoformat()
    assert Counter(one.check_id for one in found) == {FALL: 1, GROWING: 1}, [incidents.told(one) for one in found]
    fall = next(one for one in found if one.check_id == FALL)
    assert (fall.nights, fall.state, fall.closed) == (2, "closed", days[1])
    growing = next(one for one in found if one.check_id == GROWING)
    assert (growing.nights, growing.opened, growing.closed) == (1, days[2], days[3])
    notices = [part.strip().splitlines() for part in told.read_text().split("=====")[:-1]]
    heads = [notice[0].split("：", 1)[1].split("，")[0].split("；")[0] for notice in notices]
    assert heads == [
        "未发布",
        "未发布",
        "已发布",
        "已发布",
        "已发布",
    ]  # silent on the first, the repeated, the last night
    assert all(len(notice) <= LINES for notice in notices)
    assert first not in told.read_text().split("=====")[2]
    names = set(story.frame("population")["psn_name"]) | set(story.frame("population")["certno"])
    kept = (home.history / "incidents.json").read_text() + (home.history / "notices.json").read_text()
    assert not [name for name in names if name and len(name) > 2 and name in kept]
    assert json.loads((home.history / "incidents.json").read_text())["latest"] == story.day.isoformat()
