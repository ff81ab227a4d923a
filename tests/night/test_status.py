"""`canbao status`: freshness judged from outside."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from canbao.quality import entry
from canbao.status import standing, status

NOW = datetime(2026, 4, 1, 8, tzinfo=UTC)


def publication(root: Path, hours: float) -> None:
    folder = root / "published" / "2026-03-31" / "r"
    folder.mkdir(parents=True)
    finished = (NOW - timedelta(hours=hours)).isoformat()
    (folder / "manifest.json").write_text(json.dumps({"finished": finished, "accepted": [{"check_id": "row_fall.x"}]}))
    (root / "published" / "current").symlink_to("2026-03-31/r")


def test_nothing_ever_ran(tmp_path: Path) -> None:
    for max_age in (None, 24.0):
        found = status(tmp_path / "no-such-home", max_age, NOW)
        assert not found.fresh
    assert not (tmp_path / "no-such-home").exists()


def test_age(tmp_path: Path) -> None:
    publication(tmp_path, 25)
    assert status(tmp_path, None, NOW).fresh
    assert status(tmp_path, 26, NOW).fresh
    late = status(tmp_path, 24, NOW)
    assert not late.fresh
    assert any("row_fall.x" in line for line in late.lines)


def test_a_pointer_to_nothing_whole_is_told_with_the_way_out(tmp_path: Path) -> None:
    publication(tmp_path, 1)
    assert not any("已损坏" in line for line in status(tmp_path, 26, NOW).lines)
    current, good = tmp_path / "published" / "current", tmp_path / "published" / "2026-03-31" / "r"
    other = tmp_path / "published" / "2026-04-01" / "s"
    other.mkdir(parents=True)

    def gone() -> None:
        current.unlink()

    def nowhere() -> None:
        current.unlink(missing_ok=True)
        current.symlink_to("2026-04-02/t")

    def no_manifest() -> None:
        current.unlink()
        current.symlink_to("2026-04-01/s")

    def half_manifest() -> None:
        (other / "manifest.json").write_text('{"finished": "2026')

    for harm, word in (
        (gone, "不见了"),
        (nowhere, "2026-04-02/t 不存在"),
        (no_manifest, "manifest.json"),
        (half_manifest, "manifest.json"),
    ):
        harm()
        found = status(tmp_path, 26, NOW)
        assert not found.fresh, harm
        (said,) = [line for line in found.lines if "已损坏" in line]
        assert word in said and f"ln -sfn 2026-03-31/r {current}" in said, harm
        assert not any("尚未发布过" in line for line in found.lines)
        said_on_page = entry.sentence(standing(tmp_path, 26, NOW))
        assert said_on_page.badge == "bad" and word in said_on_page.text
    shutil.rmtree(other)
    (good / "manifest.json").unlink()
    assert any("重新运行 canbao run" in line for line in status(tmp_path, 26, NOW).lines)
    shutil.rmtree(tmp_path / "published")
    (tmp_path / "published").mkdir()
    assert any("尚未发布过" in line for line in status(tmp_path, 26, NOW).lines)


def test_what_blocked_the_last_night(tmp_path: Path) -> None:
    publication(tmp_path, 1)
    (tmp_path / "runs").mkdir()
    record = {"as_of": "2026-04-01", "state": "blocked", "message": "[required.population] 没有数据"}
    (tmp_path / "runs" / "20260401T000000Z-a.json").write_text(json.dumps(record))
    found = status(tmp_path, 26, NOW)
    assert found.fresh
    assert "[required.population] 没有数据" in found.lines


def test_a_run_that_was_broken_off(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "20260401T000000Z-a.json").write_text(json.dumps({"state": "running"}))
    assert any("中断" in line for line in status(tmp_path, None, NOW).lines)
