"""Publication: old or new, never a mixture; retention."""

import json
from datetime import date
from pathlib import Path

import pytest

from canbao import publish
from canbao.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.prepare()
    return made


def put(home: Home, day: str, run_id: str, text: str = "x") -> bool:
    draft = publish.begin(home, date.fromisoformat(day), run_id)
    (draft.folder / "person.parquet").write_text(text)
    (draft.folder / "identifier.parquet").write_text(text)
    (draft.reports / "page.html").write_text(text)
    return publish.commit(home, draft, {"as_of": day})


def test_current_moves_forward_only(home: Home) -> None:
    assert put(home, "2026-03-30", "a")
    assert put(home, "2026-03-30", "b")
    assert not put(home, "2026-03-29", "c")
    assert home.current.readlink() == Path("2026-03-30/b")
    assert [path.name for path in home.publications()] == ["c", "a", "b"]
    assert not list(home.published.glob(".tmp*"))


def test_the_manifest_names_every_file_with_its_hash(home: Home) -> None:
    put(home, "2026-03-30", "a")
    folder = home.current_publication()
    assert folder is not None
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["became_current"] is True
    assert {entry["path"] for entry in manifest["outputs"]} == {
        "person.parquet",
        "identifier.parquet",
        "reports/page.html",
    }
    for entry in manifest["outputs"]:
        assert entry["sha256"] == publish.file_digest(folder / entry["path"])


@pytest.mark.parametrize("call", ["rename", "symlink_to", "replace"])
def test_stopped_in_the_midst_the_old_one_stays(home: Home, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    put(home, "2026-03-30", "a", "old")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, call, stop)
        with pytest.raises(KeyboardInterrupt):
            put(home, "2026-03-31", "b", "new")
    assert (home.current / "person.parquet").read_text() == "old"
    (home.runs / "b.json").write_text(json.dumps({"state": "running"}))
    home.clear_leftovers()
    assert [path.name for path in home.publications()] == ["a"]
    assert put(home, "2026-03-31", "c", "new")
    assert (home.current / "person.parquet").read_text() == "new"


def test_retention_keeps_nights_then_one_a_month_and_the_history(home: Home) -> None:
    for month in (1, 2, 3):
        for day in (1, 2, 28):
            put(home, f"2026-{month:02d}-{day:02d}", f"r{month}{day}")
    put(home, "2026-03-28", "r328b")
    dropped = publish.retire(home, keep_nights=2)
    assert dropped == ["2026-01-01/r11", "2026-01-02/r12", "2026-02-01/r21", "2026-02-02/r22", "2026-03-01/r31"]
    assert [path.name for path in home.publications()] == ["r128", "r228", "r32", "r328", "r328b"]
    assert (home.history / "2026-01-01" / "r11" / "identifier.parquet").exists()
    assert not (home.history / "2026-01-01" / "r11" / "person.parquet").exists()
    assert not (home.published / "2026-01-01").exists()


def test_a_table_in_parts_goes_into_the_history_with_all_its_files(home: Home) -> None:
    for day in (1, 2, 3):
        draft = publish.begin(home, date(2026, 1, day), f"r{day}")
        (draft.folder / "identifier.parquet").mkdir()
        for part in range(2):
            (draft.folder / "identifier.parquet" / f"part-{part}.parquet").write_text(f"{day} {part}")
        publish.commit(home, draft, {"as_of": f"2026-01-0{day}"})
    (home.history / "2026-01-01" / "r1" / "identifier.parquet").mkdir(parents=True)  # a night was broken off there
    assert publish.retire(home, keep_nights=1) == ["2026-01-01/r1", "2026-01-02/r2"]
    kept = home.history / "2026-01-01" / "r1" / "identifier.parquet"
    assert [path.read_text() for path in sorted(kept.iterdir())] == ["1 0", "1 1"]


def test_the_current_one_is_never_dropped(home: Home) -> None:
    put(home, "2026-01-01", "a")
    put(home, "2026-01-02", "b")
    put(home, "2026-02-01", "c")
    home.current.unlink()
    home.current.symlink_to("2026-01-01/a")  # an office went back by hand
    assert publish.retire(home, keep_nights=1) == []
    assert home.current_publication() == (home.published / "2026-01-01" / "a").resolve()
