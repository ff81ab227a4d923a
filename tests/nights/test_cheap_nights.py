"""A night takes over what would come out as last night, and publishes the very bytes of a night that computes everything."""

from __future__ import annotations

import copy
import json
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from canbao.build import Step, load_steps
from canbao.engine import Warehouse
from canbao.errors import Blocked
from canbao.home import Home
from canbao.loop.dispatch import plan_dispatch, send
from canbao.loop.state import Loop
from canbao.nightly import Night
from canbao.paths import read_parquet, table_files
from canbao.portal import index
from canbao.publish import file_digest
from canbao.quality.site.data import _people
from tests.story import DAILY, INCREMENTS, WEEKLY, Story

CITY = "500000000000"
OVERLAYS = ("[retention]\nshort_term_months = {0}\n", "[newborn]\ndays = {1}\n", "[waiting]\nfixed_months = {0}\n")


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """A story after its first night. Tests go on from copies of it."""
    story = Story(tmp_path_factory.mktemp("begun"), persons=250)
    story.run(great_expectations=False, reports=False)
    return story


@pytest.fixture
def story(begun: Story, tmp_path: Path) -> Story:
    """A copy to go on from."""
    return twin(begun, tmp_path / "twin")


def twin(story: Story, folder: Path) -> Story:
    """The same landing area and home at another place."""
    other = copy.copy(story)
    other._frames = dict(story._frames)
    other.landing, other.home = folder / "landing", folder / "home"
    shutil.copytree(story.landing, other.landing)
    shutil.copytree(story.home, other.home, symlinks=True)
    return other


def run(story: Story, **options: Any) -> Night:
    return story.run(great_expectations=False, reports=False, **options)


def tables(night: Night) -> dict[str, str]:
    """Digest of every published table, as its file has it now."""
    assert night.published is not None
    manifest = json.loads((night.published / "manifest.json").read_text())
    assert manifest["taken_over"] == night.reused
    return {name: entry["sha256"] for name, entry in manifest["tables"].items()}


def rows(night: Night) -> dict[str, Any]:
    """Number of rows of every published table, and their hash, whatever their order and however many their files."""
    assert night.published is not None
    told = "SELECT count(*), sum(hash(hash(t))) FROM {} AS t"
    return {
        name: duckdb.sql(told.format(read_parquet(table_files(night.published, name)))).fetchone()
        for name in json.loads((night.published / "manifest.json").read_text())["tables"]
    }


def outcome(story: Story, **options: Any) -> tuple[str, Any]:
    """What became of the night of today: the tables' digests, or the checks that stopped it."""
    try:
        night = run(story, **options)
    except Blocked as blocked:
        return "blocked", sorted(line for line in str(blocked).splitlines() if line.startswith("["))
    return "published", tables(night)


def kept(story: Story) -> list[Path]:
    return sorted(Home(story.home).steps.glob("*.*"))


@contextmanager
def large(way: str = "in files") -> Iterator[None]:
    """Nights within go the way of millions of rows: every table a file, marks only of what came out another.

    Args:
        way: `in files`; `in parts`, which is that of hundreds of millions; or `in memory`, which is that of few.
    """
    with pytest.MonkeyPatch.context() as patch:
        if way != "in memory":
            patch.setattr("canbao.engine.duckdb.MANY_ROWS", 0)
            patch.setattr("canbao.stepstore._FEW", 20)  # of a night of 250 people
        if way == "in parts":
            patch.setattr("canbao.engine.duckdb.ROWS_OF_A_PART", 900)  # of some two thousand
        yield


# ------------------------------------------------------------------------------------------------- random changes


def deliver(story: Story, draw: random.Random, options: dict[str, Any]) -> None:
    """A source comes with few rows changed: as a new delivery, or in the place of the last one."""
    source = draw.choice([*DAILY, *WEEKLY, *INCREMENTS])
    frame = story.frame(source)
    column = draw.choice(frame.columns)
    turn = draw.randrange(1, 4)
    some = frame.sample(min(frame.height, draw.randrange(1, 6)), seed=draw.randrange(99))
    changed = some.with_columns(pl.col(column).shift(turn).fill_null(pl.col(column).first()))
    if source in INCREMENTS:
        story.deliver(source, changed, name=f"part-{draw.randrange(2, 5)}.csv", stands=False)
        return
    rest = frame.join(some, on=frame.columns, how="anti", nulls_equal=True, maintain_order="left")
    whole = draw.choice([pl.concat([rest, changed]), rest, pl.concat([frame, changed]), frame])
    last = max((story.landing / source).iterdir())
    story.deliver(source, whole, day=None if draw.random() < 0.5 else story.day.fromisoformat(last.name))


def later(story: Story, draw: random.Random, options: dict[str, Any]) -> None:
    """A day passes, a month, or the year."""
    story.day += timedelta(days=draw.choice([1, 1, 1, 31, 330]))


def rules(story: Story, draw: random.Random, options: dict[str, Any]) -> None:
    """A rule parameter changes."""
    path = story.home.parent / f"rules{draw.randrange(10**9)}.toml"
    path.write_text(draw.choice(OVERLAYS).format(draw.randrange(1, 9), draw.randrange(60, 99)))
    options["rules"] = path


def dispatch(story: Story, draw: random.Random, options: dict[str, Any]) -> None:
    """The uninsured are sent to their villages, and some come back."""
    home = Home(story.home)
    plan = plan_dispatch(home, CITY, 4, day=story.day)
    if not plan.rows:
        return
    send(plan, "chen", due=story.day + timedelta(days=3))
    loop = Loop(home)
    sent = loop.sent_rows([one.batch_no for one in loop.batches()]).head(draw.randrange(1, 9))
    answers = sent.select("row_code", "certno", "division_code").with_columns(
        batch_id=pl.lit("P1"),
        reason_code=pl.lit(draw.choice(["W1", "D4", "F2"])),
        found_date=pl.lit(story.day.isoformat()),
    )
    name = f"part-{draw.randrange(10, 99)}.csv"
    story.deliver("grid_feedback", feedback(story, answers), name=name, stands=False)


def feedback(story: Story, answers: pl.DataFrame) -> pl.DataFrame:
    """Answers of villages under all columns of their sheets."""
    names = story.frame("grid_feedback").columns
    return answers.select(pl.col(name) if name in answers.columns else pl.lit(None).alias(name) for name in names)


def damage(story: Story, draw: random.Random, options: dict[str, Any]) -> None:
    """Files of the store are cut short, lost, or have a byte that is another."""
    for path in draw.sample(kept(story), 5):
        data = path.read_bytes()
        path.unlink()
        place = draw.randrange(len(data))
        how = draw.randrange(3)
        if how:
            path.write_bytes(data[:place] if how == 1 else data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])


CHANGES: list[Callable[[Story, random.Random, dict[str, Any]], None]] = [
    deliver, deliver, deliver, deliver, later, rules, dispatch, damage,
]  # fmt: skip


@pytest.mark.parametrize("way", ["in memory", "in parts"])
@settings(
    max_examples=3,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    seed=st.integers(0, 2**32), nights=st.lists(st.lists(st.sampled_from(CHANGES), max_size=3), min_size=1, max_size=3)
)
def test_whatever_changes_the_bytes_are_those_of_a_full_night(
    begun: Story, tmp_path_factory: pytest.TempPathFactory, way: str, seed: int, nights: list[list[Any]]
) -> None:
    draw, folder = random.Random(seed), tmp_path_factory.mktemp("nights")  # noqa: S311
    story, options = twin(begun, folder / "cheap"), dict[str, Any]()
    for number, changes in enumerate(nights):
        for change in changes:
            change(story, draw, options)
        whole = twin(story, folder / f"full{number}")
        with large(way):
            cheap = outcome(story, **options)
            assert cheap == outcome(whole, full=True, **options)
        shutil.rmtree(whole.home.parent)
    shutil.rmtree(folder)


# ---------------------------------------------------------------------------------------------- what is taken over


def test_parts_of_another_number_go_and_one_damaged_is_made_anew(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    def parts() -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for path in kept(story):
            if "-" in path.stem:
                found.setdefault(path.stem.partition("-")[0], set()).add(path.stem.partition("-")[2])
        return found

    with large("in parts"):
        first = run(story, full=True)
        whole, same = tables(first), rows(first)
        (numbers,) = {frozenset(one) for one in parts().values()}
        monkeypatch.setattr("canbao.engine.duckdb.ROWS_OF_A_PART", 1_500)
        cheap = run(story)  # what is kept in more parts serves as well, where no reader gets its files
        assert {step.name for step in load_steps() if step.parts and not step.published} <= set(cheap.reused)
        full = run(story, full=True)
        assert tables(cheap) == tables(full) != whole
        assert rows(cheap) == rows(full) == same
        (fewer,) = {frozenset(one) for one in parts().values()}
        assert len(numbers) > len(fewer) > 1
        broken = next(path for path in kept(story) if path.stem.endswith("-1"))
        broken.write_bytes(broken.read_bytes()[:-9] + b"123456789")
        assert tables(run(story)) == tables(full)
    assert rows(run(story, full=True)) == same
    assert parts() == {}


def test_a_night_in_parts_publishes_folders_and_tells_every_file(story: Story) -> None:
    with large("in parts"):
        night = run(story, full=True)
        assert night.published is not None
        manifest = json.loads((night.published / "manifest.json").read_text())
    outputs = {entry["path"]: entry for entry in manifest["outputs"]}
    in_parts = {step.name for step in load_steps() if step.parts and step.published}
    assert {name for name, entry in manifest["tables"].items() if "parts" in entry} == in_parts >= {"person"}
    for name in in_parts:
        entry, folder = manifest["tables"][name], night.published / f"{name}.parquet"
        files = table_files(night.published, name)
        assert [folder / part["file"] for part in entry["parts"]] == files == sorted(folder.iterdir())
        assert len(files) > 1
        for part, file in zip(entry["parts"], files, strict=True):
            told = outputs[f"{name}.parquet/{part['file']}"]
            assert file_digest(file) == part["sha256"] == told["sha256"]
            assert file.stat().st_size == part["bytes"] == told["bytes"]
            persons = pl.read_parquet(file)["person_id"]
            assert persons.to_list() == sorted(persons)
        assert sum(part["bytes"] for part in entry["parts"]) == entry["bytes"]
        assert pl.scan_parquet(folder).select(pl.len()).collect().item() == entry["rows"]


def test_whoever_reads_a_publication_in_parts_sees_the_same(story: Story, tmp_path: Path) -> None:
    def seen(night: Night) -> Any:
        assert night.published is not None
        index.build(night.published, tmp_path / "index.duckdb")
        with duckdb.connect(str(tmp_path / "index.duckdb")) as con:
            found = {
                name: con.execute(f"SELECT count(*), sum(hash(hash(t))) FROM {name} AS t").fetchone()
                for (name,) in con.execute("SHOW TABLES").fetchall()
                if name != "index_info"
            }
        asked = plan_dispatch(Home(story.home), CITY, 4, day=story.day)
        people = _people(night.published)
        assert people is not None
        return found, asked.rows, people.rows()

    with large("in parts"):
        parts = seen(run(story, full=True))
    assert parts == seen(run(story, full=True))
    assert parts[1]
    assert parts[2]


@pytest.mark.parametrize("moved", [(), ("population", "enrollment", "tax_payment")])
def test_the_same_day_again_gives_the_same_bytes(story: Story, moved: tuple[str, ...]) -> None:
    story.next_day()
    for name in moved:
        story.deliver(name, story.frame(name).head(-1))
    first = tables(run(story, full=True))
    assert tables(run(story)) == first
    assert tables(run(story, full=True)) == first


def test_nothing_changed_nothing_is_computed(begun: Story, story: Story) -> None:
    again = run(story)
    steps = {entry["step"] for entry in again.timings if entry["stage"] == "build" and entry["step"]}
    computed = steps - set(again.reused)
    assert computed == {"measure_def", "measure_count", "wrong_row", "taken_over", "kept"}
    assert all(entry["rows"] is not None for entry in again.timings if entry.get("reused"))
    assert {entry["step"] for entry in again.timings if entry.get("reused")} == set(again.reused)
    assert tables(again) == outcome(story, full=True)[1]


@pytest.mark.parametrize("way", ["in memory", "in files", "in parts"])
def test_two_small_sources_leave_the_heavy_steps_alone(story: Story, way: str) -> None:
    with large(way):
        if way != "in memory":
            run(story, full=True)
        two_small_sources(story)


def two_small_sources(story: Story) -> None:
    story.day += timedelta(days=1)
    known = story.frame("population").head(4)
    answers = known.select("certno", division_code="resd_code").with_columns(
        batch_id=pl.lit("P1"), reason_code=pl.lit("W1"), found_date=pl.lit(story.day.isoformat())
    )
    story.deliver("grid_feedback", feedback(story, answers), stands=False)
    story.deliver("vaccination", story.frame("vaccination")[2:])
    night = run(story)
    assert {
        "population_row", "payment_row", "payment", "paid_year", "covered_year", "relation_paid", "person_cover",
        "history_person", "resident_year", "person_identity", "coverage", "relation", "duplicate_pair",
        "duplicate_payment", "population_person", "interval_cover", "division_now",
    } <= set(night.reused)  # fmt: skip
    assert {"other_row", "feedback_row", "person_key", "contact", "identifier", "change"} & set(night.reused) == set()


def test_a_parameter_is_read_where_it_is_used(story: Story) -> None:
    overlay = story.home.parent / "rules.toml"
    overlay.write_text(OVERLAYS[1].format(0, 80))
    night = run(story, rules=overlay)
    assert "newborn" not in night.reused
    assert {"person_identity", "coverage", "person_cover", "relation"} <= set(night.reused)


def test_a_full_night_takes_nothing_over_and_is_taken_over_itself(story: Story) -> None:
    assert run(story, full=True).reused == []
    assert len(run(story).reused) > 100


def test_the_report_says_what_was_taken_over(story: Story) -> None:
    night = run(story)
    assert night.published is not None
    report = (night.published / "run_report.md").read_text()
    assert f"沿用上一次运行的表：{len(night.reused)} 张" in report
    assert "| build | person_identity（沿用） |" in report


# --------------------------------------------------------------------------------------------------------- the store


def test_every_damaged_file_is_noticed_and_made_anew(story: Story) -> None:
    whole = tables(run(story))
    before = {path.name for path in kept(story)}
    for path in kept(story):
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data[: len(data) // 2] if path.suffix == ".json" else data[:-20] + b"\0" + data[-19:])
    night = run(story)
    assert night.reused == []
    assert tables(night) == whole
    assert {path.name for path in kept(story)} == before
    assert len(run(story).reused) > 100


def test_a_lost_table_is_made_anew_where_it_is_needed(story: Story) -> None:
    whole = tables(run(story))
    for path in kept(story):
        if path.suffix == ".parquet":
            path.unlink()
    assert outcome(story) == ("published", whole)


KILLED = """
import os, signal, sys
from datetime import date
from pathlib import Path
from canbao import nightly
from canbao.engine import Warehouse
left, whole = int(sys.argv[1]), Warehouse.run_step
def run_step(self, step):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(self, step)
Warehouse.run_step = run_step
options = nightly.Options(Path(sys.argv[2]), Path(sys.argv[3]), date.fromisoformat(sys.argv[4]), full=True)
with nightly.open_night(options) as night:
    nightly.run(night)
"""


def test_killed_in_the_midst_the_next_run_goes_on_from_there(story: Story, tmp_path: Path) -> None:
    expected = tables(run(twin(story, tmp_path / "other"), full=True))
    shutil.rmtree(Home(story.home).steps)
    arguments = ["60", str(story.landing), str(story.home), story.day.isoformat()]
    killed = subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False)
    assert killed.returncode == -signal.SIGKILL
    night = run(story)
    assert tables(night) == expected
    assert len(night.reused) == 59


def test_only_the_last_night_is_kept_and_for_the_owner_alone(story: Story) -> None:
    folder = Home(story.home).steps
    stranger = folder / ("0" * 64 + ".parquet")
    stranger.write_bytes(b"x")
    (folder / "half.part").write_bytes(b"x")
    story.next_day()
    run(story)
    used = set(json.loads((folder / "last.json").read_text())["data"]["keys"])
    assert {path.stem for path in kept(story)} <= used | {"last", "lineage"}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    written = [path for path in kept(story) if path.stat().st_nlink == 1]
    assert written
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o600}


def test_all_inner_tables_can_be_kept(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """No step has a column of a type that Parquet does not give back."""
    monkeypatch.setattr("canbao.stepstore._SMALL", 1e9)
    run(story, full=True)
    entries = [json.loads(path.read_text())["data"] for path in kept(story) if path.suffix == ".json"]
    assert [entry["step"] for entry in entries if "step" in entry and entry["file"] is None] == []


@pytest.fixture(autouse=True)
def private() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_a_column_that_a_file_would_not_give_back_stays_in_memory(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse")
    warehouse._in_files = True
    step = Step("huge", Path("huge.sql"), "SELECT 1::HUGEINT AS a", "", "")
    assert warehouse.run_step(step) == 1
    assert warehouse.types("huge") == {"a": "HUGEINT"}
    assert not list((tmp_path / "warehouse" / "tables").iterdir())
    warehouse.drop("huge")
    warehouse.close()


def test_a_step_that_runs_out_of_memory_is_given_more_once(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse", memory_limit="60MB", threads=2)
    greedy = Step("greedy", Path("greedy.sql"), "SELECT list(range) AS a FROM range(20_000_000)", "", "")
    with pytest.raises(duckdb.OutOfMemoryException):
        warehouse.run_step(greedy)  # what was asked for on the command line is not exceeded
    warehouse._relief = "4GB"
    assert warehouse.run_step(greedy) == 1
    assert warehouse.short_of_memory == {"greedy"}
    settings_now = warehouse.con.execute(
        "SELECT current_setting('threads'), current_setting('memory_limit')"
    ).fetchall()
    assert settings_now == [(2, "57.2 MiB")]
    warehouse.close()


def test_a_night_that_fails_in_a_step_leaves_nothing_half(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Warehouse.run_step

    def fail(self: Warehouse, step: Any) -> int:
        if step.name == "person_status":
            raise RuntimeError("broken")
        return whole(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(Warehouse, "run_step", fail)
        with pytest.raises(RuntimeError, match="broken"):
            run(story, full=True)
    assert not list(Home(story.home).steps.glob("*.part"))
    assert outcome(story) == outcome(story, full=True)
