"""Nights from the outside: late files, missed nights, releases, notices, the entry page, the watch (U33 to U38)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from canbao import nightly
from canbao.home import Home
from canbao.quality import entry, incidents, nights, state, watch
from canbao.quality.arrivals import waiting
from canbao.status import standing, status
from tests.night import tiny
from tests.night.conftest import Landing, number

Call = Callable[..., "subprocess.CompletedProcess[str]"]
TINY = [sys.executable, str(Path(__file__).parents[1] / "night" / "tiny.py")]
COUNTRY = ZoneInfo("Asia/Shanghai")


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    (tmp_path / "landing").mkdir()
    return Landing(tmp_path / "landing")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def canbao() -> Call:
    """The command, with the tiny build."""

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        if "--die" not in arguments:
            return tiny.call(*arguments)
        environment = {name: value for name, value in os.environ.items() if name != "CANBAO_KEY"}
        command = [*TINY, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)

    return call


@pytest.fixture
def night(landing: Landing, home: Home, canbao: Call) -> Call:
    def call(as_of: str, *more: object) -> subprocess.CompletedProcess[str]:
        return canbao("run", "--landing", landing.root, "--home", home.root, "--as-of", as_of, *more)

    return call


@pytest.fixture
def told(home: Home, tmp_path: Path) -> Callable[[], list[list[str]]]:
    """Has every notice written to a file, and reads them back."""
    home.root.mkdir()
    home.settings_file.write_text(f'[notify]\ncommand = "cat >> {tmp_path}/told; echo ===== >> {tmp_path}/told"\n')

    def read() -> list[list[str]]:
        path = tmp_path / "told"
        text = path.read_text() if path.exists() else ""
        return [part.strip().splitlines() for part in text.split("=====")[:-1]]

    return read


def manifest(home: Home) -> dict:
    return json.loads((home.current / "manifest.json").read_text())


def report(home: Home) -> str:
    return (home.current / "run_report.md").read_text()


def open_ids(home: Home) -> list[str]:
    return [one.check_id for one in incidents.load(home).open]


# ------------------------------------------------------------------------------------------------- growing, late


def test_a_file_that_is_being_written_waits_for_the_next_night(night: Call, landing: Landing, home: Home) -> None:
    landing.population(60, day="2026-03-30").enrollment()
    assert night("2026-03-30").returncode == 0
    landing.population(70, day="2026-03-31")
    path = landing.root / "population" / "2026-03-31" / "data.csv"
    script = (
        "import sys,time\nwith open(sys.argv[1], 'a') as file:\n    while True:\n"
        "        file.write(sys.argv[2] + '\\n'); file.flush(); print(flush=True); time.sleep(0.05)"
    )
    line = f"{number(900)},试,1,500101001001,500101001001,1"
    with subprocess.Popen([sys.executable, "-c", script, path, line], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        done = night("2026-03-31")
        other.kill()
    assert done.returncode == 0, done.stderr
    assert duckdb.sql(f"SELECT count(*) FROM '{home.current}/person.parquet'").fetchone() == (60,)
    query = "SELECT severity, passed, list_contains(harms, 'ledger'), message FROM '{}/quality_metric.parquet'"
    row = duckdb.sql(f"{query.format(home.current)} WHERE check_id = 'growing.population'").fetchone()
    assert row is not None
    assert row[:3] == ("warn", False, True)
    assert "data.csv" in row[3]
    assert "2026-03-30" in row[3]
    assert "growing.population" in report(home)
    assert "growing.population" in open_ids(home)
    later = datetime(2026, 3, 31, 12, tzinfo=UTC)
    assert [one.line for one in standing(home.root, now=later).waiting] == ["population/2026-03-31：data.csv"]
    assert "今夜计入" in "\n".join(status(home.root, None, later).lines)
    assert night("2026-03-31").returncode == 0  # it has come to rest
    assert waiting(home, date(2026, 3, 31)) == []
    assert "growing.population" not in open_ids(home)


def test_a_half_sent_file_of_a_required_source(night: Call, landing: Landing, home: Home) -> None:
    landing.enrollment().write("population", "2026-03-30", "half", "data.csv.part")
    done = night("2026-03-31")
    assert done.returncode == 1
    assert "required.population" in done.stderr
    assert "Traceback" not in done.stderr
    assert "growing.population" in open_ids(home)
    landing.population().write("tax_payment", "2026-03-30", "half", "pay.csv.filepart")
    (landing.root / "population" / "2026-03-30" / "data.csv.part").unlink()
    assert night("2026-03-31").returncode == 0
    assert "pay.csv.filepart" in report(home)
    assert open_ids(home) == ["growing.tax_payment"]


def test_what_arrives_after_the_run(night: Call, landing: Landing, home: Home) -> None:
    landing.population().enrollment().payments(day="2026-03-30")
    assert night("2026-03-31").returncode == 0
    assert waiting(home, date(2026, 3, 31)) == []
    landing.payments(day="2026-03-31").payments(day="2026-04-05").population(day="2026-03-29")
    landing.write("enrollment", "2026-03-30", b"x", "more.csv")
    found = [(one.source, one.delivery, one.files) for one in waiting(home, date(2026, 3, 31))]
    assert found == [("enrollment", "2026-03-30", ("more.csv",)), ("tax_payment", "2026-03-31", ("data.csv",))]


def test_quiet_time_is_a_setting(night: Call, landing: Landing, home: Home) -> None:
    landing.population().enrollment()
    old = time.time() - 5000
    for path in landing.root.glob("*/*/*"):
        os.utime(path, (old, old))
    landing.payments()
    home.root.mkdir()
    home.settings_file.write_text("[intake]\nquiet_seconds = 3600\n")
    assert night("2026-03-31").returncode == 0
    assert open_ids(home) == ["growing.tax_payment"]


# -------------------------------------------------------------------------------------------- missed, made current


def test_missed_nights_are_listed_and_made_up_for_by_one_run(night: Call, landing: Landing, home: Home) -> None:
    landing.population().enrollment()
    assert night("2026-03-30").returncode == 0
    assert manifest(home)["missed_nights"] == []
    done = night("2026-04-03")
    assert done.returncode == 0
    assert manifest(home)["missed_nights"] == ["2026-03-31", "2026-04-01", "2026-04-02"]
    assert "漏跑：2026-03-31 至 2026-04-02（3 夜）" in report(home)
    assert "2026-03-31 至 2026-04-02（3 夜）" in done.stdout
    noon = datetime(2026, 4, 6, 4, tzinfo=UTC)
    assert "当前发布补的漏跑：2026-03-31 至 2026-04-02（3 夜）" in status(home.root, None, noon).lines
    assert standing(home.root, None, noon).missed == ()  # nobody said that nights are due
    nights.keep_schedule(home, "0 2 * * *")
    assert [str(day) for day in standing(home.root, None, noon).missed] == ["2026-04-04", "2026-04-05"]
    nights.keep_schedule(home, "0 2 * * 1-5")  # the 4th and the 5th are a Saturday and a Sunday
    assert standing(home.root, None, noon).missed == []
    assert night("2026-04-01").returncode == 0
    found = standing(home.root, None, noon).made_up
    assert nights.in_words(found) == "2026-03-31、2026-04-02（2 夜）"


def test_an_earlier_day_becomes_current_only_when_asked_to(night: Call, landing: Landing, home: Home) -> None:
    landing.population(60, day="2026-03-29").enrollment(day="2026-03-29")
    assert night("2026-03-30").returncode == 0
    landing.population(70, day="2026-03-31")
    assert night("2026-03-31").returncode == 0
    later = home.current.resolve()
    landing.population(64, day="2026-03-30")
    done = night("2026-03-30")
    assert done.returncode == 0
    assert home.current.resolve() == later
    assert "--make-current" in done.stdout
    done = night("2026-03-30", "--make-current")
    assert done.returncode == 0
    assert home.current.resolve().parent.name == "2026-03-30"
    assert manifest(home)["became_current"] is True
    first, second = sorted((home.published / "2026-03-30").iterdir())[:2]
    assert f"与本日上一次发布（{second.name}）相比" in report(home)
    told = (second / "run_report.md").read_text()
    assert f"与本日上一次发布（{first.name}）相比" in told
    assert "| 应参保 | 60 | 64 | +4 |" in told
    assert night("2026-04-01").returncode == 0
    assert home.current.resolve().parent.name == "2026-04-01"


# ---------------------------------------------------------------------------------- incidents, notices, releases


def test_a_bad_delivery_is_one_incident_and_few_notices(
    night: Call, landing: Landing, home: Home, told: Callable[[], list[list[str]]]
) -> None:
    landing.population(200).enrollment()
    assert night("2026-03-30").returncode == 0
    quiet = told()
    assert [one for notice in quiet for one in notice if "row_fall" in one] == []
    landing.population(100, day="2026-03-31")
    for again in range(2):
        assert night("2026-03-31").returncode == 1
        assert len(told()) == len(quiet) + 1, again
    notice = told()[-1]
    assert notice[0] == "参保台账 2026-03-31：未发布，1 项阻断检查未通过；当前发布仍截至 2026-03-30"
    assert "阻断" in notice[1]
    assert "行数" in notice[1]
    assert len(notice) <= 10
    page = (home.root / "index.html").read_text()
    assert "✖ 未发布" in page
    assert "row_fall.population" in page
    assert "自 2026-03-31 起" in page
    assert "published/current/reports/quality/index.html" in page
    assert night("2026-04-01").returncode == 1
    assert len(told()) == len(quiet) + 2  # another night is blocked
    assert told()[-1][1].startswith("仍未通过｜公安人口")
    assert "（2 夜）" in told()[-1][1]
    (one,) = [one for one in incidents.load(home).open if one.check_id == "row_fall.population"]
    assert (one.opened, one.nights, one.state) == ("2026-03-31", 2, "open")
    landing.population(200, day="2026-04-02")
    assert night("2026-04-02").returncode == 0
    assert "已恢复" in "\n".join(told()[-1])
    before = len(told())
    assert night("2026-04-03").returncode == 0
    assert len(told()) == before  # all is as before
    assert "✔ 已发布" in (home.root / "index.html").read_text()
    assert all("试" not in line and "50019119800" not in line for notice in told() for line in notice)


def test_a_hook_that_fails_does_not_fail_the_night(night: Call, landing: Landing, home: Home) -> None:
    landing.population().enrollment()
    home.root.mkdir()
    home.settings_file.write_text('[notify]\ncommand = "exit 7"\nwebhook = "http://127.0.0.1:9/none"\n')
    landing.write("tax_payment", "2026-03-30", "half", "pay.csv.part")
    done = night("2026-03-31")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert any("最近一次通知未送达" in line for line in status(home.root).lines)


def test_a_killed_night_is_an_incident_of_the_next(night: Call, landing: Landing, home: Home, canbao: Call) -> None:
    landing.population().enrollment()
    assert night("2026-03-30").returncode == 0
    arguments = ["run", "--landing", landing.root, "--home", home.root, "--as-of", "2026-03-31"]
    assert canbao("--die", "build", *arguments).returncode < 0
    assert standing(home.root).state == "broken_off"
    landing.write("population", "2026-04-01", b"x", "notes.docx")
    assert night("2026-04-01").returncode == 1
    found = {one.check_id: one for one in incidents.load(home).incidents}
    assert found["run.broken_off"].opened == "2026-03-31"
    assert found["run.broken_off"].closed == "2026-04-01"  # the next one came to its end


@given(times=st.lists(st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)), unique=True))
@example(times=[datetime(2026, 3, 31, 2, 0, 0, fraction) for fraction in (0, 9, 10, 999_999)])
def test_runs_sort_by_name_as_they_began(times: list[datetime]) -> None:
    begun = sorted(one.replace(tzinfo=UTC) for one in times)
    names = [nightly.new_run_id(one) for one in begun]
    assert names == sorted(names)


def test_a_blocked_night_is_released_by_two_people(night: Call, landing: Landing, home: Home, canbao: Call) -> None:
    landing.population(200).enrollment()
    assert night("2026-03-30").returncode == 0
    landing.population(100, day="2026-03-31")
    done = night("2026-03-31")
    assert done.returncode == 1
    assert "canbao release ask" in done.stderr
    there = ["--home", home.root]
    done = canbao("release", "ask", "row_fall.population", "--reason", "并入邻县，已核实", "--by", "甲", *there)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("R20260331-1 ")
    done = night("2026-03-31")
    assert done.returncode == 1
    assert "尚待第二人确认" in done.stderr
    done = canbao("release", "confirm", "R20260331-1", "--by", "甲", *there)
    assert done.returncode == 2
    assert canbao("release", "confirm", "R20260331-1", "--by", "乙", *there).returncode == 0
    assert night("2026-03-31").returncode == 0
    (accepted,) = manifest(home)["accepted"]
    assert (accepted["check_id"], accepted["reason"], accepted["names"]) == (
        "row_fall.population",
        "并入邻县，已核实",
        ["甲", "乙"],
    )
    assert accepted["release"]["release_id"] == "R20260331-1"
    check = next(one for one in manifest(home)["checks"] if one["check_id"] == "row_fall.population")
    assert check["accepted_by"] == ["甲", "乙"]
    assert "放行发布" in (home.root / "index.html").read_text()
    for day in ("2026-03-31", "2026-04-01"):  # the same files: the fault stays, and so do the names
        assert night(day).returncode == 0
        (again,) = manifest(home)["accepted"]
        assert {**again, "at": ""} == {**accepted, "at": ""}
        assert next(one for one in manifest(home)["checks"] if one["check_id"] == again["check_id"]) == check
        assert "row_fall.population" in [one.check_id for one in incidents.load(home).open]
    assert "已用于 1 次发布" in canbao("release", "list", *there).stdout
    landing.population(40, day="2026-04-02")
    done = night("2026-04-02")
    assert done.returncode == 1
    assert "R20260331-1 不适用" in done.stderr


def test_two_people_may_be_demanded(night: Call, landing: Landing, home: Home) -> None:
    landing.population().enrollment()
    home.root.mkdir()
    home.settings_file.write_text("[release]\ntwo_people = true\n")
    done = night("2026-03-31", "--accept", "row_fall.population", "--reason", "x")
    assert done.returncode == 2
    assert "两人放行" in done.stderr
    landing.write("population", "2026-03-31", b"x", "notes.docx")
    done = night("2026-03-31")
    assert done.returncode == 1
    assert "--accept" not in done.stderr


def test_the_command_for_incidents(night: Call, landing: Landing, home: Home, canbao: Call) -> None:
    landing.population().enrollment().write("tax_payment", "2026-03-30", "half", "pay.csv.part")
    assert night("2026-03-31").returncode == 0
    there = ["--home", home.root]
    lines = canbao("incident", "list", *there).stdout
    assert "growing.tax_payment" in lines
    one = incidents.load(home).open[0].incident_id
    assert "已认领" in canbao("incident", "own", one, "--owner", "丙", *there).stdout
    assert canbao("incident", "note", one, "已催", *there).returncode == 0
    assert "备注：已催" in canbao("incident", "list", *there).stdout
    done = canbao("incident", "own", "none", "--owner", "丙", *there)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert any("丙" in line for line in status(home.root).lines)


# ------------------------------------------------------------------------------------------- the watch, the page


def publication(home: Home, finished: datetime, day: str = "2026-03-31") -> None:
    folder = home.published / day / "20260331T180000Z-a"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"finished": finished.isoformat()}))
    home.current.symlink_to(f"{day}/{folder.name}")


def test_the_watch_tells_each_trouble_once(home: Home, told: Callable[[], list[list[str]]]) -> None:
    home.prepare()
    begun = datetime(2026, 3, 31, 18, tzinfo=UTC)  # two in the morning of the 1st
    publication(home, begun)
    (home.runs / "20260331T180000Z-a.json").write_text(json.dumps({"as_of": "2026-03-31", "state": "published"}))

    def look(hours: float) -> list[str]:
        return watch.look(home.root, "0 2 * * *", begun, begun + timedelta(hours=hours))

    assert look(20) == []
    assert look(24.5) == []  # half an hour late is not late
    lines = look(25.5)
    assert "没有开始" in lines[1]
    assert "2026-04-02 02:00" in lines[1]
    assert look(26) == []
    lines = look(31)
    assert len(lines) == 3
    assert "过期" in lines[1]
    assert look(32) == []
    assert len(told()) == 2
    page = (home.root / "index.html").read_text()
    assert "✖ 已过期" in page
    state_then = state.read(home, watch.NAME)
    assert len(state_then["told"]) == 2
    (home.runs / "20260402T180100Z-b.json").write_text(json.dumps({"as_of": "2026-04-03", "state": "running"}))
    lines = look(49)
    assert [line for line in lines if "中途消失" in line]
    assert len(lines) == 3  # too old still, and told already


def test_the_watch_where_nothing_was_ever_published(home: Home, told: Callable[[], list[list[str]]]) -> None:
    home.prepare()
    begun = datetime(2026, 3, 31, 18, tzinfo=UTC)
    assert watch.look(home.root, "", begun, begun + timedelta(hours=29)) == []
    assert "尚未发布过" in watch.look(home.root, "", begun, begun + timedelta(hours=31))[1]
    assert watch.look(home.root, "", begun, begun + timedelta(hours=40)) == []
    assert len(told()) == 1


def test_the_watch_runs_beside_everything_else(home: Home, told: Callable[[], list[list[str]]]) -> None:
    home.prepare()
    publication(home, datetime.now(UTC) - timedelta(hours=90))
    stop = watch.begin(home.root, "", every=0.05)
    until = time.monotonic() + 20
    while not told() and time.monotonic() < until:
        time.sleep(0.05)
    stop.set()
    assert "过期" in told()[0][1]


def test_status_has_the_page_say_that_it_is_too_old(home: Home, canbao: Call) -> None:
    home.prepare()
    publication(home, datetime.now(UTC) - timedelta(hours=31))
    assert not entry.path_of(home.root).exists()
    assert canbao("status", "--home", home.root, "--max-age", "40").returncode == 0
    done = canbao("status", "--home", home.root)
    assert done.returncode == 1
    assert "已超过约定的 30.0 小时" in done.stdout
    page = entry.path_of(home.root).read_text()
    assert "已过期" in page
    assert "有效期至" in page
    assert "<script" not in page
    assert "http" not in page
    assert entry.path_of(home.root).stat().st_mode & 0o077 == 0
    assert canbao("status", "--home", home.root / "none").returncode == 1
    assert not (home.root / "none").exists()


def test_last_due_is_in_chinas_time() -> None:
    due = nights.last_due("0 2 * * *", datetime(2026, 4, 1, 17, 59, tzinfo=UTC))
    assert due == datetime(2026, 4, 1, 2, tzinfo=COUNTRY)


def test_one_run_makes_up_for_what_was_due_before_it(night: Call, landing: Landing, home: Home) -> None:
    options = nightly.Options(landing=landing.root, home=home.root, as_of=date(2026, 3, 31))
    due = datetime.now(UTC) - timedelta(hours=2)
    assert not nightly.already_made_up_for(options, due)
    landing.population()
    assert night("2026-03-31").returncode == 1
    assert nightly.already_made_up_for(options, due)  # blocked: the next late night would be blocked by the same
    assert not nightly.already_made_up_for(options)
    assert not nightly.already_made_up_for(options, datetime.now(UTC) + timedelta(hours=1))  # due tonight again
    landing.enrollment()
    assert night("2026-03-31").returncode == 0
    assert nightly.already_made_up_for(options)
