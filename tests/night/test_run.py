"""A night from the outside: exit statuses, last lines, atomic publication (contract.md sections 1 and 3)."""

from __future__ import annotations

import csv
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
import pytest

from canbao import nightly
from canbao.errors import CanbaoError
from tests.night import tiny

from .conftest import AS_OF, COMMAND, Landing, number

Call = Callable[..., "subprocess.CompletedProcess[str]"]
TINY = [sys.executable, str(Path(__file__).parent / "tiny.py")]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def night(landing: Landing, home: Path) -> Call:
    """Runs a night with the tiny build."""

    def call(*more: object, die: str | None = None, as_of: str = AS_OF) -> subprocess.CompletedProcess[str]:
        arguments = ["run", "--landing", landing.root, "--home", home, "--as-of", as_of, *more]
        if die is None:
            return tiny.call(*arguments)
        environment = {name: value for name, value in os.environ.items() if name != "CANBAO_KEY"}
        command = [*TINY, "--die", die, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)

    return call


def current(home: Path) -> Path | None:
    link = home / "published" / "current"
    return link.resolve() if link.exists() else None


def manifest(home: Path) -> dict:
    return json.loads((home / "published" / "current" / "manifest.json").read_text())


def hashes(folder: Path) -> dict[str, str]:
    tables = json.loads((folder / "manifest.json").read_text())["tables"]
    return {name: entry["sha256"] for name, entry in tables.items()}


# ------------------------------------------------------------------------------------------------- wrong use is 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["--no-such-option"],
        ["--as-of", "31.03.2026"],
        ["--engine", "oracle"],
        ["--insured-year", "26"],
        ["--insured-year", "2060"],
        ["--memory-limit", "abc"],
        ["--jurisdiction", "atlantis"],
        ["--rules", "no-such-file.toml"],
        ["--accept", "row_fall.population"],
        ["--accept", "row_fall.population", "--reason", " "],
        ["--reason", "without a check"],
        ["--accept", "no.such.check", "--reason", "x"],
        ["--accept", "required.population", "--reason", "x"],
        ["--landing", "no-such-folder"],
        ["--wait", "-1"],
    ],
)
def test_wrong_use(canbao: Call, landing: Landing, home: Path, arguments: list[str]) -> None:
    done = canbao("run", "--landing", landing.root, "--home", home, "--as-of", AS_OF, *arguments)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()
    assert not (home / "published").exists()


def test_unreadable_rules(canbao: Call, landing: Landing, home: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    for text in (b"[window\n", b"\xff\xfe\x00", b"no.such.key = 1\n"):
        rules.write_bytes(text)
        done = canbao("run", "--landing", landing.root, "--home", home, "--as-of", AS_OF, "--rules", rules)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert "rules.toml" in done.stderr


def test_a_home_that_is_no_folder(canbao: Call, landing: Landing, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = canbao("run", "--landing", landing.root, "--home", tmp_path / "file", "--as-of", AS_OF)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_the_start_is_quick() -> None:
    code = "import sys, canbao.cli; print([m for m in sys.modules if m in {'duckdb', 'polars', 'prefect', 'pandas'}])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


# --------------------------------------------------------------------------------------- what stops a night is 1


def test_a_missing_required_source(night: Call, landing: Landing, home: Path) -> None:
    landing.population()
    done = night()
    assert done.returncode == 1
    assert "required.enrollment" in done.stderr
    assert "Traceback" not in done.stderr
    assert current(home) is None
    landing.enrollment()
    assert night().returncode == 0


def test_a_refused_file_can_be_let_pass_and_stays_out(night: Call, landing: Landing, home: Path) -> None:
    landing.population().enrollment().write("population", "2026-03-30", b"\x00\x01not a sheet", "notes.docx")
    done = night()
    assert done.returncode == 1
    assert "refused.population" in done.stderr
    assert "notes.docx" in done.stderr
    done = night("--accept", "refused.population", "--reason", "附件不是数据")
    assert done.returncode == 0, done.stderr
    told = manifest(home)
    assert [(entry["check_id"], entry["reason"]) for entry in told["accepted"]] == [
        ("refused.population", "附件不是数据")
    ]
    table = home / "published" / "current" / "quality_metric.parquet"
    query = f"SELECT passed, severity, accept_reason FROM '{table}' WHERE check_id = 'refused.population'"
    assert duckdb.sql(query).fetchall() == [(False, "block", "附件不是数据")]
    assert "附件不是数据" in (home / "published" / "current" / "reports" / "quality" / "index.html").read_text()
    assert night().returncode == 1  # this once, and no more


def test_too_many_rejected_rows(night: Call, landing: Landing, home: Path) -> None:
    landing.population().enrollment(rows=200, bad=10)
    assert night().returncode == 0
    landing.enrollment(rows=150, bad=10)
    done = night("--accept", "row_fall.enrollment", "--reason", "test")
    assert done.returncode == 1
    assert "rejected_share.enrollment" in done.stderr
    line = duckdb.sql(f"SELECT count(*) FROM '{home}/published/current/quarantine.parquet'").fetchone()
    assert line == (10,)


def test_a_fallen_row_count_of_one_county(night: Call, landing: Landing, home: Path) -> None:
    landing.population(200, also={"500102": 50}).enrollment()
    assert night().returncode == 0
    before = current(home)
    landing.population(300, day="2026-04-01", also={"500102": 25})
    done = night(as_of="2026-04-01")
    assert done.returncode == 1
    assert "row_fall.population" in done.stderr
    assert "500102" in done.stderr
    assert current(home) == before
    assert night("--accept", "row_fall.population", "--reason", "并入邻县", as_of="2026-04-01").returncode == 0
    assert night(as_of="2026-04-01").returncode == 0  # now the lower count is the published one
    check = next(one for one in manifest(home)["checks"] if one["check_id"] == "row_fall.population")
    assert (check["passed"], check["severity"]) == (False, "warn")
    assert "曾于 2026-04-01 由" in check["message"]


def test_another_key(night: Call, landing: Landing, home: Path) -> None:
    landing.population().enrollment()
    assert night().returncode == 0
    (home / "key").write_text("another key\n")
    done = night()
    assert done.returncode == 1
    assert "密钥" in done.stderr


def test_a_home_at_work(night: Call, landing: Landing, home: Path) -> None:
    landing.population().enrollment()
    hold = "import sys,time; from pathlib import Path; from canbao.home import Home\nh = Home(Path(sys.argv[1]))\n"
    hold += "h.prepare()\nwith h.lock('run-A'):\n    print('held', flush=True); time.sleep(float(sys.argv[2]))"
    with subprocess.Popen([sys.executable, "-c", hold, home, "60"], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        other.stdout.readline()
        done = night()
        assert done.returncode == 1
        assert "run-A" in done.stderr
        other.kill()
    with subprocess.Popen([sys.executable, "-c", hold, home, "1"], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert night("--wait", "60").returncode == 0


# ------------------------------------------------------------------------------------------------- publication


def test_same_inputs_same_bytes_in_any_home(night: Call, landing: Landing, home: Path, tmp_path: Path) -> None:
    landing.population().enrollment().payments()
    assert night().returncode == 0
    assert night("--home", tmp_path / "other").returncode == 0
    first, second = current(home), current(tmp_path / "other")
    assert first is not None
    assert second is not None
    assert hashes(first) == hashes(second)


def test_an_earlier_day_is_published_beside(night: Call, landing: Landing, home: Path) -> None:
    landing.population().enrollment()
    assert night().returncode == 0
    before = current(home)
    done = night(as_of="2026-03-30")
    assert done.returncode == 0
    assert current(home) == before
    assert "当前发布不变" in done.stdout
    assert len(list((home / "published" / "2026-03-30").iterdir())) == 1


@pytest.mark.parametrize(
    "place",
    [
        *(
            pytest.param(place, marks=pytest.mark.slow)
            for place in ("land", "check", "before_rename", "before_current")
        ),
        "build",
        "before_replace",
    ],
)
def test_killed_anywhere_it_has_published_nothing(night: Call, landing: Landing, home: Path, place: str) -> None:
    landing.population(60).enrollment()
    assert night().returncode == 0
    before = current(home)
    assert before is not None
    table = before / "person.parquet"
    landing.population(70, day="2026-03-31")
    assert night(die=place).returncode == -signal.SIGKILL
    assert current(home) == before
    assert duckdb.sql(f"SELECT count(*) FROM '{table}'").fetchone() == (60,)
    assert night().returncode == 0  # and needs no cleaning up
    after = current(home)
    assert after != before
    assert duckdb.sql(f"SELECT count(*) FROM '{after}/person.parquet'").fetchone() == (70,)
    assert len(list((home / "published" / AS_OF).iterdir())) == 2
    assert not list((home / "published").glob(".tmp*"))


def test_killed_after_current_has_moved_it_is_published(night: Call, landing: Landing, home: Path) -> None:
    landing.population().enrollment()
    assert night(die="publish").returncode == -signal.SIGKILL
    first = current(home)
    assert first is not None
    assert night().returncode == 0
    assert first.exists()


# ------------------------------------------------------------------------------------- with the flow engine itself


def test_a_real_flow_run(landing: Landing, home: Path) -> None:
    landing.population(60).enrollment()
    command = [
        *TINY,
        "--with-flow-engine",
        "run",
        "--landing",
        str(landing.root),
        "--home",
        str(home),
        "--as-of",
        AS_OF,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # quiet in a log
    published = current(home)
    assert published is not None
    assert "run_report.md" in {path.name for path in published.iterdir()}
    assert (published / "reports" / "quality" / "data_docs" / "index.html").exists()
    store = next((home / "prefect" / "run").glob("*.db"))
    with store.open("rb") as file:
        content = file.read()
    assert "试1".encode() not in content
    assert b"50019119800" not in content
    landing.write("population", "2026-03-30", b"x", "notes.docx")
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "refused.population" in done.stderr
    assert "prefect" not in done.stderr.lower()


@pytest.mark.slow
def test_the_flow_engine_does_not_outlive_a_killed_run(landing: Landing, home: Path) -> None:
    landing.population(60).enrollment()
    command = [*COMMAND, "run", "--landing", str(landing.root), "--home", str(home), "--as-of", AS_OF]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as run:
        children: list[str] = []
        until = time.monotonic() + 60
        while not children and time.monotonic() < until:
            time.sleep(0.2)
            children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
        assert children
        run.kill()
    until = time.monotonic() + 30
    while time.monotonic() < until and any(Path(f"/proc/{child}").exists() for child in children):
        time.sleep(0.2)
    assert not any(Path(f"/proc/{child}").exists() for child in children)


# ------------------------------------------------------------------------------------------ what is left in the home


def test_the_home_is_for_its_owner_alone(night: Call, landing: Landing, home: Path) -> None:
    landing.population(60).enrollment()
    home.mkdir(mode=0o755)
    before = os.umask(0o022)
    try:
        assert night().returncode == 0
    finally:
        os.umask(before)
    seen = [home, *home.rglob("*")]
    assert len(seen) > 20
    assert [path for path in seen if not path.is_symlink() and path.stat().st_mode & 0o077] == []


def test_a_stopped_night_lays_out_what_was_rejected(night: Call, landing: Landing, home: Path) -> None:
    landing.population(200).enrollment(rows=100, bad=10)
    landing.write("enrollment", "2026-03-30", "=1+1,certno\n", "b.csv")
    text = "psn_insu_rlts_id,certno,psn_name,insutype,psn_insu_stas,insu_admdvs,begn_date\n"
    text += f"=1+1,{number(1)},试,390,1,500101,\n"
    landing.write("enrollment", "2026-03-30", text, "c.csv")
    done = night()
    assert done.returncode == 1
    assert "rejected_share.enrollment" in done.stderr
    folder = next(folder for folder in (home / "runs").iterdir() if folder.is_dir())
    assert f"{folder}/quarantine.csv" in done.stderr
    content = (folder / "quarantine.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(content.decode("utf-8-sig").splitlines()))
    assert rows[0] == ["来源", "批次", "文件", "行号", "错误代码", "说明", "原文"]
    assert len(rows) == 12
    assert rows[1][6].startswith("'=1+1,")
    files = (folder / "load_file.csv").read_text(encoding="utf-8-sig")
    assert "enrollment,2026-03-30,b.csv,拒收" in files
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("which", ["home", "landing", "both"])
def test_folders_that_cannot_be_meant(canbao: Call, landing: Landing, home: Path, which: str) -> None:
    given = {"home": str(home), "landing": str(landing.root)}
    given |= {"home": given["landing"]} if which == "both" else {which: ""}
    before = sorted(landing.root.rglob("*"))
    done = canbao("run", "--landing", given["landing"], "--home", given["home"], "--as-of", "2026-03-31")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert sorted(landing.root.rglob("*")) == before


def test_a_fault_that_has_words_is_no_wrong_use_and_says_them(landing: Landing, home: Path) -> None:
    options = nightly.Options(landing=landing.root, home=home, as_of=date.fromisoformat(AS_OF))
    with pytest.raises(CanbaoError), nightly.open_night(options):
        raise CanbaoError("内存不足，请腾出内存后重新运行。")
    (record,) = (json.loads(path.read_text()) for path in (home / "runs").glob("*.json"))
    assert (record["state"], record["message"]) == ("failed", "内存不足，请腾出内存后重新运行。")
    assert current(home) is None


@pytest.mark.parametrize("stage", ["audit", "publish"])
def test_what_writes_workbooks_ends_with_a_night_that_does_not_publish(
    landing: Landing, home: Path, own_processes: Callable[[], list[object]], monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    importlib.import_module("canbao.engine.duckdb")  # it takes the real steps' name with it
    tiny.install(monkeypatch.setattr)
    tiny.without_flow_engine(monkeypatch.setattr)
    monkeypatch.setattr(nightly, "_LARGE_LEDGER", 1)
    begun: list[object] = []

    def fail(*_: object, **__: object) -> None:
        begun.extend(own_processes())
        raise CanbaoError("内存不足，请腾出内存后重新运行。")

    monkeypatch.setattr(*((nightly.measures, "checks") if stage == "audit" else (nightly.publish, "commit")), fail)
    landing.population().enrollment().payments()
    options = nightly.Options(landing=landing.root, home=home, as_of=date.fromisoformat(AS_OF))
    with pytest.raises(CanbaoError), nightly.open_night(options) as one:
        nightly.run(one)
    assert len(begun) == 2
    assert not own_processes()
    assert current(home) is None


def test_rows_that_a_later_one_replaces_are_counted(night: Call, landing: Landing, home: Path) -> None:
    landing.population().enrollment().payments(30, day="2026-03-29").payments(20, day="2026-03-30")
    assert night().returncode == 0
    table = home / "published" / "current" / "load_file.parquet"
    query = f"SELECT rows_accepted, rows_replaced FROM '{table}' WHERE source = 'tax_payment' ORDER BY delivery"
    assert duckdb.sql(query).fetchall() == [(30, 20), (20, 0)]
    assert "| 50 | 50 | 0 | 20 |" in (home / "published" / "current" / "run_report.md").read_text()


def test_returned_sheets_are_read_beside_the_landing_area(night: Call, landing: Landing, home: Path) -> None:
    landing.population().enrollment()
    assert night().returncode == 0
    folder = home / "landing" / "grid_feedback" / AS_OF
    folder.mkdir(parents=True)
    text = "batch_id,certno,division_code,reason_code,found_date\n" + f"B1,{number(1)},500101001001,W2,2026-03-20\n"
    (folder / "abc.csv").write_text(text)
    assert night().returncode == 0
    sources = {entry["source"]: entry["rows_accepted"] for entry in manifest(home)["inputs"]["files"]}
    assert sources["grid_feedback"] == 1
