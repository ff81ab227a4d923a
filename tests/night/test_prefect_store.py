"""The template of Prefect's store: sound or not used, and never with a run in it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from canbao import prefect_store


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "canbao"


def store(folder: Path, *, runs: int = 0) -> Path:
    folder.mkdir()
    with closing(sqlite3.connect(folder / prefect_store.STORE)) as made, made:
        made.execute("CREATE TABLE alembic_version (version_num TEXT)")
        made.execute("INSERT INTO alembic_version VALUES ('abc')")
        for table in prefect_store._RUN_TABLES:
            made.execute(f"CREATE TABLE {table} (id)")
        made.executemany("INSERT INTO flow_run VALUES (?)", [(n,) for n in range(runs)])
    (folder / "memo_store.toml").write_text("x = 1\n")
    return folder


def new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_a_kept_store_serves_the_next_home(cache: Path, tmp_path: Path) -> None:
    assert not prefect_store.begin_from_template(new(tmp_path / "first"))
    prefect_store.keep_template(store(tmp_path / "made"))
    home = new(tmp_path / "second")
    assert prefect_store.begin_from_template(home)
    assert {path.name for path in home.iterdir()} == {"prefect.db", "memo_store.toml"}
    assert [path.name for path in cache.iterdir()] == [prefect_store._template().name]


def test_a_store_with_a_run_is_not_kept(cache: Path, tmp_path: Path) -> None:
    prefect_store.keep_template(store(tmp_path / "made", runs=1))
    assert list(cache.iterdir()) == []


def test_a_broken_template_is_replaced(cache: Path, tmp_path: Path) -> None:
    prefect_store.keep_template(store(tmp_path / "made"))
    template = next(cache.iterdir()) / prefect_store.STORE
    for broken in (b"", b"no database", template.read_bytes()[:5000]):
        template.write_bytes(broken)
        home = new(tmp_path / f"home{len(broken)}")
        assert not prefect_store.begin_from_template(home)
        assert list(home.iterdir()) == []
        prefect_store.keep_template(tmp_path / "made")
        assert prefect_store.begin_from_template(home)


def test_a_cache_that_cannot_be_written_costs_time_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    prefect_store.keep_template(store(tmp_path / "made"))
    assert not prefect_store.begin_from_template(new(tmp_path / "home"))
