"""The store: a publication is served through its index, picked up without a restart, and the index is only scratch."""

import os
import threading
import time

import pytest

from canbao.home import Home
from canbao.portal import index
from canbao.portal.store import Broken, Publication, Store

from .kit import Installation, shown
from .published import link_home, make_current


def names(home):
    return [f"{one.parent.name}/{one.name}" for one in Home(home).publications()]


@pytest.fixture
def home(published_home, tmp_path):
    """A home of its own in which the first night is current."""
    return link_home(published_home, tmp_path / "home", current=names(published_home)[0])


@pytest.fixture
def store(home):
    made = Store(home, every=0.05)
    yield made
    made.close()


def test_a_new_publication_is_served_without_a_restart_and_the_old_one_until_then(home, store):
    first, second = names(home)
    assert store.wait().id == first
    seen, done = [], threading.Event()

    def read():
        while not done.is_set():
            found = store.current()
            seen.append((found.id, found.one("index_info") is not None))
            time.sleep(0.005)

    reader = threading.Thread(target=read)
    reader.start()
    make_current(home, second)
    assert store.wait(second).previous == first.partition("/")[2]
    time.sleep(0.05)
    done.set()
    reader.join()
    ids = [one for one, _ in seen]
    assert set(ids) == {first, second} and ids == sorted(ids)
    time.sleep(0.2)
    assert [path.name for path in store.folder.glob("*.duckdb")] == [f"{second.replace('/', '_')}.duckdb"]


def test_the_index_is_nobody_elses_and_the_publication_is_only_read(home, store):
    before = {path: path.stat().st_mtime_ns for path in (home / "published").rglob("*")}
    found = store.wait()
    assert store.folder.stat().st_mode & 0o777 == 0o700
    assert found.index_file.stat().st_mode & 0o777 == 0o600
    assert {path: path.stat().st_mtime_ns for path in (home / "published").rglob("*")} == before
    assert not (home / "run.lock").exists()


def test_an_index_that_is_there_is_opened_at_once(home, store):
    store.wait()
    store.close()
    again = Store(home, every=60)
    begun = time.monotonic()
    assert again.current() is not None
    assert time.monotonic() - begun < 2
    again.close()


@pytest.mark.parametrize("damage", ["cut", "empty", "noise", "header", "version"])
def test_a_broken_index_is_made_anew(home, damage, monkeypatch):
    store = Store(home, every=0.05)
    path = store.wait().index_file
    store.close()
    whole = path.read_bytes()
    path.unlink()
    path.write_bytes(
        {"cut": whole[: len(whole) // 2], "empty": b"", "noise": b"x" * 9000, "header": b"x" * 4096 + whole[4096:]}.get(
            damage, whole
        )
    )
    if damage == "version":
        monkeypatch.setattr(index, "version", lambda: "of tomorrow")
        with pytest.raises(Broken):
            Publication(Home(home).current_publication(), path)
        return
    again = Store(home, every=0.05)
    found = again.wait()
    assert len(found.rows("divisions")) > 100 and found.one("person_number", id=_anybody(found)) is not None
    again.close()


def _anybody(pub):
    scope_end = max(row["tree_last"] for row in pub.rows("divisions"))
    return pub.rows("search_name", name="", t0=0, t1=scope_end, size=1)[0]["person_id"]


def test_an_index_that_breaks_while_it_is_served_is_made_anew(home, store):
    found = store.wait()
    store.report_broken(found)
    again = store.wait(found.id)
    assert again is not found and again.id == found.id


def test_what_was_left_behind_is_removed(home, store):
    store.folder.mkdir(parents=True)
    (store.folder / "2020-01-01_old.duckdb").write_bytes(b"x")
    left = store.folder / ".2020-01-01_old.duckdb.7.part"
    left.write_bytes(b"x")
    os.utime(left, (1, 1))
    kept = store.wait().index_file
    time.sleep(0.1)
    assert {path.name for path in store.folder.iterdir()} - {".lock"} == {kept.name}


def test_a_publication_of_an_earlier_version_says_so_and_the_one_before_it_stays(home, store):
    first, second = names(home)
    store.wait()
    (home / "published" / second / "division.parquet").unlink()
    make_current(home, second)
    until = time.monotonic() + 30
    while not store.problem and time.monotonic() < until:
        time.sleep(0.05)
    assert "早先版本" in store.problem and "division" in store.problem
    assert store.current().id == first


def test_without_a_publication_the_portal_starts_and_says_so(tmp_path):
    installation = Installation(tmp_path)
    installation.add("zhang", "district")
    browser = installation.browser("zhang")
    for path in ("/", "/ledger", "/uninsured", "/duplicates", "/search", "/quality"):
        answer = browser.get(path)
        assert answer.status_code == 200
        assert "还没有发布过数据" in shown(answer), path
    assert browser.get("/runs").status_code == 200
    installation.close()


def test_lists_are_of_one_publication_also_when_the_next_comes_between_two_requests(home):
    first, second = names(home)
    installation = Installation(home)
    installation.portal.store._every = 0.05
    assert installation.portal.store.wait().id == first
    installation.add("li", "city")
    browser = installation.browser("li")
    assert first.partition("/")[0] in shown(browser.get("/uninsured"))
    make_current(home, second)
    installation.portal.store.wait(second)
    page = shown(browser.get("/uninsured"))
    assert f"截至 {second.partition('/')[0]}" in page and "较上次" in page
    installation.close()
