"""The home: key, lock, leftovers."""

import json
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from canbao.errors import Blocked
from canbao.home import Home, fingerprint


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.delenv("CANBAO_KEY", raising=False)
    made = Home(tmp_path / "home")
    made.prepare()
    return made


def test_a_key_is_made_once_and_is_readable_by_its_owner_alone(home: Home) -> None:
    key = home.key()
    assert len(key) >= 32
    assert home.key() == key
    assert stat.S_IMODE(home.key_file.stat().st_mode) == 0o600
    assert not list(home.root.glob(".key-*"))


def test_the_environment_wins_over_the_file(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.key()
    monkeypatch.setenv("CANBAO_KEY", "from the environment")
    assert home.key() == b"from the environment"


def test_another_key_than_the_home_was_built_with_stops(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.remember_key(home.key())
    monkeypatch.setenv("CANBAO_KEY", "another")
    with pytest.raises(Blocked, match="密钥"):
        home.key()
    assert fingerprint(b"another") not in home.fingerprint_file.read_text()


def test_a_lost_key_is_not_replaced(home: Home) -> None:
    home.remember_key(home.key())
    home.key_file.unlink()
    with pytest.raises(Blocked, match="找不到"):
        home.key()
    assert not home.key_file.exists()


def test_an_unused_key_binds_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.key()
    monkeypatch.setenv("CANBAO_KEY", "another")
    assert home.key() == b"another"


HOLD = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from canbao.home import Home
    home = Home(Path(sys.argv[1]))
    with home.lock("run-A"):
        print("held", flush=True)
        time.sleep(60)
""")


def test_a_second_run_is_told_who_holds_the_home_and_the_hold_dies_with_its_process(home: Home) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, home.root], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        assert home.running()
        with pytest.raises(Blocked, match="run-A"), home.lock("run-B", wait=0.2):
            pass
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert not home.running()
    with home.lock("run-B"):
        assert home.running()
    assert not home.running()


def test_waiting_for_the_other_run_to_end(home: Home) -> None:
    script = HOLD.replace("time.sleep(60)", "time.sleep(1)")
    with subprocess.Popen([sys.executable, "-c", script, home.root], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with home.lock("run-B", wait=30):
            pass


def test_leftovers_of_broken_runs_go(home: Home) -> None:
    (home.published / ".tmp-1" / "reports").mkdir(parents=True)
    (home.published / ".tmp-current-1").symlink_to("nowhere")
    whole = home.published / "2026-03-31" / "20260331T000000Z-aa"
    never_told = home.published / "2026-03-31" / "20260331T000001Z-bb"
    for folder in (whole, never_told):
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text("{}")
        (home.runs / f"{folder.name}.json").write_text(json.dumps({"state": "running"}))
    home.current.symlink_to(f"2026-03-31/{whole.name}")
    home.clear_leftovers()
    assert [path.name for path in home.publications()] == [whole.name]
    assert json.loads((home.runs / f"{whole.name}.json").read_text())["state"] == "published"
    assert json.loads((home.runs / f"{never_told.name}.json").read_text())["state"] == "broken_off"
    assert not list(home.published.glob(".tmp*"))


def test_rejected_rows_of_the_last_thirty_stopped_nights_are_kept(home: Home) -> None:
    for n in range(35):
        (home.runs / f"202603{n:02d}T000000Z-x").mkdir()
        (home.runs / f"202603{n:02d}T000000Z-x" / "quarantine.csv").write_text("")
    home.clear_leftovers()
    assert sorted(path.name[6:8] for path in home.runs.iterdir()) == [f"{n:02d}" for n in range(5, 35)]
