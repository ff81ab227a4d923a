"""What a night does about the loop before it reads and builds: one file a day, and the tables of what was sent."""

import csv
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from canbao.engine import Warehouse
from canbao.home import Home
from canbao.intake import growing
from canbao.loop import night
from canbao.loop.dispatch import plan_dispatch, send
from canbao.loop.state import Loop
from tests.loop.city import DISTRICT, TOWN, A, one, publish

DAYS = ("2026-03-02", "2026-03-03", "2026-03-05")


@dataclass
class Night:
    """The parts of a night that the loop looks at."""

    home: Home
    options: Any
    warehouse: Any = None


def at_work(home: Home, as_of: date, warehouse: Warehouse | None = None) -> Any:
    return Night(home, SimpleNamespace(as_of=as_of), warehouse)


def put(home: Home, day: str, name: str, *rows: dict[str, str]) -> Path:
    path = home.landing / night.SOURCE / day / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def got(home: Home, day: str) -> list[str]:
    """The row codes that a night would read of a day."""
    found = []
    for path in sorted((home.landing / night.SOURCE / day).glob("[!.]*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            found += [row["row_code"] for row in csv.DictReader(file)]
    return found


def names(home: Home, day: str) -> list[str]:
    return sorted(path.name for path in (home.landing / night.SOURCE / day).iterdir())


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    for day in DAYS:
        for number in (1, 2, 3):
            row = {"batch_id": "P000001", "row_code": f"{day}/{number}", "note": '有"引号"，\n换行'}
            put(home, day, f"H{day.replace('-', '')}-000{number}.csv", row)
    return home


def test_receipts_of_a_day_become_one_file(home: Home) -> None:
    put(home, DAYS[0], "H20260302-0004.csv", {"row_code": "x", "note": "", "batch_id": "P000002", "reporter": "王某"})
    put(home, DAYS[0], "0123456789ab.csv", {"row_code": "old"})  # of an earlier version
    assert night.gather(at_work(home, date(2026, 3, 4))) == 7
    assert names(home, DAYS[0]) == ["0123456789ab.csv", "received-0001.csv"]
    assert names(home, DAYS[1]) == ["received-0001.csv"]
    assert len(names(home, DAYS[2])) == 3  # of a later day: not of this night
    assert got(home, DAYS[0]) == ["old", *(f"{DAYS[0]}/{number}" for number in (1, 2, 3)), "x"]
    with (home.landing / night.SOURCE / DAYS[0] / "received-0001.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["note"] == '有"引号"，\n换行'
    assert (rows[0]["reporter"], rows[3]["reporter"]) == ("", "王某")
    path = home.landing / night.SOURCE / DAYS[0] / "received-0001.csv"
    assert path.stat().st_mode & 0o077 == 0
    assert growing.age(path) > 86_400  # the longest quiet_seconds: it is whole, and counts tonight


def test_what_comes_later_on_the_day_makes_another_file(home: Home) -> None:
    night.gather(at_work(home, date(2026, 3, 2)))
    put(home, DAYS[0], "H20260302-0009.csv", {"row_code": "late"})
    assert night.gather(at_work(home, date(2026, 3, 2))) == 1
    assert names(home, DAYS[0]) == ["received-0001.csv", "received-0002.csv"]
    assert night.gather(at_work(home, date(2026, 3, 2))) == 0


def test_taken(home: Home) -> None:
    landed = f"{night.SOURCE}/{DAYS[0]}/H20260302-0001.csv"
    assert not night.taken(home, landed)
    night.gather(at_work(home, date(2026, 3, 2)))
    assert not night.taken(home, landed)  # a night that published nothing has taken nothing
    private = [path for path in (home.root / "loop").rglob("*") if not path.match("H*.csv")]
    assert {path.stat().st_mode & 0o077 for path in private} == {0}
    manifest = home.published / DAYS[0] / "run" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    named = {"source": night.SOURCE, "delivery": DAYS[0], "file": "received-0001.csv"}
    manifest.write_text(json.dumps({"inputs": {"files": [named]}}))
    assert night.taken(home, landed)
    put(home, DAYS[0], "H20260302-0009.csv", {"row_code": "later"})
    night.gather(at_work(home, date(2026, 3, 2)))
    kept = home.root / "loop" / "merged" / DAYS[0]
    assert [path.name for path in kept.iterdir()] == ["received-0002"]
    assert night.taken(home, landed)
    assert not night.taken(home, f"{night.SOURCE}/{DAYS[0]}/H20260302-0009.csv")


def test_cut_out_of_a_merged_file(home: Home) -> None:
    night.gather(at_work(home, date(2026, 3, 2)))
    folder = home.landing / night.SOURCE / DAYS[0]
    for _ in range(2):
        night.cut(home, f"{night.SOURCE}/{DAYS[0]}/H20260302-0002.csv")
        assert got(home, DAYS[0]) == [f"{DAYS[0]}/1", f"{DAYS[0]}/3"]
        assert growing.age(folder / "received-0001.csv") > 86_400
    put(home, DAYS[0], "H20260302-0009.csv", {"row_code": "later"})
    night.gather(at_work(home, date(2026, 3, 2)))
    assert names(home, DAYS[0]) == ["received-0001.csv", "received-0002.csv"]
    for number in (1, 3, 9):
        night.cut(home, f"{night.SOURCE}/{DAYS[0]}/H20260302-000{number}.csv")
    assert not folder.exists()
    assert not list((home.root / "loop" / "merged").rglob("*.csv"))


@pytest.mark.parametrize("step", ["before", "after", "half"])
def test_broken_off_at_any_place_nothing_is_lost_or_doubled(home: Home, step: str) -> None:
    whole = got(home, DAYS[0])
    folder = home.landing / night.SOURCE / DAYS[0]
    single = sorted(folder.glob("H*.csv"))
    (folder / ".received-0001.json").write_text(json.dumps([path.name for path in single]))
    if step != "before":
        (folder / "received-0001.csv").write_text(night._joined(single))
    if step == "half":
        single[0].unlink()
    put(home, DAYS[0], "H20260302-0009.csv", {"row_code": "later"})
    night.gather(at_work(home, date(2026, 3, 2)))
    assert sorted(got(home, DAYS[0])) == sorted([*whole, "later"])
    assert not list(folder.glob(".*"))
    assert not list(folder.glob("H*"))


def test_no_loop_no_trace(tmp_path: Path) -> None:
    home = Home(tmp_path)
    warehouse = Warehouse(tmp_path / "warehouse")
    assert night.gather(at_work(home, date(2026, 3, 2))) == 0
    night.load(at_work(home, date(2026, 3, 2), warehouse))
    assert warehouse.count("sent_row") == warehouse.count("sent_batch") == 0
    warehouse.close()
    assert not (tmp_path / "loop").exists()


def test_a_night_knows_what_was_sent_by_its_date(tmp_path: Path) -> None:
    home = publish(tmp_path / "home", [one(1, A), one(2, TOWN)])
    send(plan_dispatch(home, TOWN, 4, day=date(2026, 3, 2)), "chen")  # two lists, a zero report
    loop = Loop(home, lambda: datetime(2026, 3, 4, 20, 0, tzinfo=UTC))  # the fifth, in China
    loop.recall(2, "chen")
    loop.confirm_zero(3, "li")
    send(plan_dispatch(home, DISTRICT, 4, day=date(2026, 3, 9)), "chen")

    def loaded(as_of: date) -> tuple[list[Any], list[Any]]:
        warehouse = Warehouse(tmp_path / "warehouse")
        night.load(at_work(home, as_of, warehouse))
        rows = "SELECT batch_id, serial, person_id[-1:], division_code, sent FROM sent_row ORDER BY batch_id, serial"
        batches = "SELECT batch_no, kind, level, rows, is_recalled, zero_on::VARCHAR FROM sent_batch ORDER BY 1"
        found = warehouse.con.execute(rows).fetchall(), warehouse.con.execute(batches).fetchall()
        warehouse.close()
        return found

    assert loaded(date(2026, 3, 1)) == ([], [])
    day = date(2026, 3, 2)
    rows = [("P000001", 1, "2", TOWN, day), ("P000002", 1, "1", A, day)]
    before = [(1, "list", 3, 1, False, None), (2, "list", 4, 1, False, None), (3, "zero", 4, 0, False, None)]
    assert loaded(date(2026, 3, 4)) == (rows, before)
    after = [(1, "list", 3, 1, False, None), (2, "list", 4, 1, True, None), (3, "zero", 4, 0, False, "2026-03-05")]
    assert loaded(date(2026, 3, 5)) == (rows, after)
    assert len(loaded(date(2026, 3, 9))[0]) == 3
