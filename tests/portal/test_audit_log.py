"""The audit log: every entry durable before the answer, nothing changed, cut or slipped in without being seen."""

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from canbao.portal.audit_log import AuditError, AuditLog


def _filled(home, entries=5):
    log = AuditLog(home)
    for number in range(entries):
        log.append("view_person", account="office", target=f"{number:032x}", rows=1)
    return log, next(iter((home / "audit").glob("*.jsonl")))


def test_a_log_that_was_left_alone_is_whole(tmp_path):
    log, _ = _filled(tmp_path)
    verdict = log.verify()
    assert (verdict.entries, verdict.problems) == (5, [])
    assert AuditLog(tmp_path).append("sign_in", account="office") == AuditLog(tmp_path).verify().head


def _change(lines):
    entry = json.loads(lines[2])
    entry["account"] = "somebody"
    return [*lines[:2], json.dumps(entry), *lines[3:]]


TAMPERING = {
    "changed": _change,
    "removed": lambda lines: lines[:2] + lines[3:],
    "moved": lambda lines: [lines[1], lines[0], *lines[2:]],
    "repeated": lambda lines: [*lines[:3], *lines[2:]],
    "broken": lambda lines: [*lines[:2], lines[2][:40], *lines[3:]],
}


@pytest.mark.parametrize("how", sorted(TAMPERING))
def test_tampering_is_seen(tmp_path, how):
    log, path = _filled(tmp_path)
    path.write_text("\n".join(TAMPERING[how](path.read_text().splitlines())) + "\n")
    assert log.verify().problems


def _cut(path, lines):
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:lines]))


def test_a_cut_end_is_seen(tmp_path):
    _, path = _filled(tmp_path)
    _cut(path, 3)
    assert "末尾被截去" in "".join(AuditLog(tmp_path).verify().problems)


def test_what_follows_a_cut_hides_nothing(tmp_path):
    _, path = _filled(tmp_path)
    _cut(path, 3)
    log = AuditLog(tmp_path)
    log.append("sign_in")
    assert [entry["seq"] for entry in log.entries()] == [1, 2, 3, 6]
    assert "序号应为 4，实为 6" in "".join(log.verify().problems)


def test_a_log_that_was_deleted_is_missed(tmp_path):
    log, path = _filled(tmp_path)
    path.unlink()
    assert AuditLog(tmp_path).verify().problems
    shutil.rmtree(tmp_path / "audit")
    assert AuditLog(tmp_path).verify().problems
    log.append("sign_in")
    assert AuditLog(tmp_path).verify().problems


def test_a_cut_with_the_noted_end_is_seen_by_the_copy(tmp_path):
    log, path = _filled(tmp_path)
    end = tmp_path / "portal" / "audit_end.json"
    before = end.read_text()
    log.append("view_person")
    assert not log.copy_to(tmp_path / "copy").problems
    _cut(path, 5)
    end.write_text(before)
    log = AuditLog(tmp_path)
    assert not log.verify().problems
    assert "备份记下的末条为第 6 条" in "".join(log.verify(tmp_path / "copy").problems)
    log.append("forged")
    assert "校验值不符" in "".join(log.verify(tmp_path / "copy").problems)
    end.unlink()
    assert "没有末条记录的标记" in "".join(log.verify().problems)


def _read(place):
    return {path.name: path.read_bytes() for path in sorted(place.glob("*.json*"))}


def _forge_a_line(log, path, _):
    path.write_text("\n".join(_change(path.read_text().splitlines())) + "\n")


def _cut_and_grow(log, path, home):
    _cut(path, 2)
    for _ in range(9):
        AuditLog(home).append("view_person", account="office")


def _cut_and_grow_with_the_end(log, path, home):
    _cut(path, 2)
    (home / "portal" / "audit_end.json").unlink()
    for _ in range(9):
        AuditLog(home).append("view_person", account="office")


def _drop_the_newest_month(log, path, home):
    sorted((home / "audit").glob("*.jsonl"))[-1].unlink()


def _drop_everything(log, path, home):
    for one in (home / "audit").glob("*.jsonl"):
        one.unlink()
    (home / "portal" / "audit_end.json").unlink()


def _drop_the_oldest_month_as_if_it_were_old(log, path, home):
    last = json.loads(path.read_text().splitlines()[-1])
    (home / "audit" / "head.json").write_text(json.dumps({"seq": last["seq"], "hash": last["hash"]}))
    path.unlink()


class _Clock:
    def __init__(self, *when):
        self.now = datetime(*when, tzinfo=UTC)

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    "how",
    [
        _forge_a_line,
        _cut_and_grow,
        _cut_and_grow_with_the_end,
        _drop_the_newest_month,
        _drop_everything,
        _drop_the_oldest_month_as_if_it_were_old,
    ],
)
def test_the_copy_outlives_a_tampered_log(tmp_path, how):
    clock, copy = _Clock(2026, 4, 1), tmp_path / "copy"
    log = AuditLog(tmp_path, clock)
    for number in range(5):
        log.append("view_person", account="office", target=f"{number:032x}")
    path = next((tmp_path / "audit").glob("*.jsonl"))
    clock.now += timedelta(days=31)
    log.append("sign_in")
    assert not log.copy_to(copy).problems
    good = _read(copy)
    assert len(good) == 3
    how(log, path, tmp_path)
    for _ in range(2):
        verdict = AuditLog(tmp_path, clock).copy_to(copy)
        assert verdict.problems
        assert _read(copy) == good
        if how is not _drop_everything:
            assert verdict.place.parent == copy
            assert verdict.place.name.startswith("suspect-2026")
            assert set(_read(verdict.place)) - {"head.json"} == {
                one.name for one in (tmp_path / "audit").glob("*.jsonl")
            }
    assert AuditLog(tmp_path, clock).verify(copy).problems


def test_a_copy_goes_on_with_what_it_has_seen(tmp_path):
    """A line that a power cut broke off is told of every day; what comes after it is copied like the rest."""
    log, path = _filled(tmp_path, 2)
    with path.open("a") as file:
        file.write('{"seq": 3, "acc')
    log.append("sign_in")
    copy = tmp_path / "copy"
    assert log.copy_to(copy).problems
    log.append("sign_in")
    verdict = log.copy_to(copy)
    assert verdict.problems
    assert verdict.place == copy
    assert (copy / path.name).read_bytes() == path.read_bytes()
    assert json.loads((copy / "head.json").read_text())["seq"] == 4


def test_months_that_were_dropped_for_their_age_stay_in_the_copy(tmp_path):
    clock, copy = _Clock(2025, 1, 10), tmp_path / "copy"
    log = AuditLog(tmp_path, clock)
    for _ in range(14):
        log.append("sign_in")
        clock.now += timedelta(days=30)
        assert not log.copy_to(copy).problems
        log.prune(200)
    assert len(_read(tmp_path / "audit")) < len(_read(copy))
    assert not AuditLog(tmp_path, clock).verify(copy).problems


@pytest.mark.parametrize("step", [7, 100_000])
def test_a_short_write_is_carried_on(tmp_path, monkeypatch, step):
    write = os.write
    monkeypatch.setattr(os, "write", lambda to, data: write(to, bytes(data)[:step]))
    log, _ = _filled(tmp_path)
    monkeypatch.undo()
    assert (log.verify().entries, log.verify().problems) == (5, [])


FULL = """
import resource, sys
from pathlib import Path
from canbao.portal.audit_log import AuditError, AuditLog

home = Path(sys.argv[1])
log = AuditLog(home)
log.append("sign_in")
size = next((home / "audit").glob("*.jsonl")).stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
for attempt in (lambda: log.append("view_person"), log.probe):
    try:
        attempt()
    except AuditError as error:
        print(error)
    else:
        raise SystemExit("written?")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
log.probe()
print([entry["action"] for entry in log.entries()], log.verify().problems)
"""


def test_a_full_disk_leaves_the_chain_whole_and_nothing_is_served(tmp_path):
    done = subprocess.run([sys.executable, "-c", FULL, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stdout.count("审计日志无法写入") == 2
    assert done.stdout.splitlines()[-1] == "['sign_in', 'audit_resumed'] []"


def test_the_chain_outlives_a_clock_that_is_set_back(tmp_path):
    clock = _Clock(2026, 4, 30, 15, 59)
    log, other = AuditLog(tmp_path, clock), AuditLog(tmp_path, clock)
    log.append("first")
    clock.now += timedelta(minutes=2)
    other.append("next month")
    clock.now -= timedelta(days=40)
    log.append("set back")
    other.append("still back")
    clock.now += timedelta(days=80)
    log.append("right again")
    assert log.verify().problems == []
    entries = list(log.entries())
    assert [entry["action"] for entry in entries] == ["first", "next month", "set back", "still back", "right again"]
    assert [entry["at"][:10] for entry in entries] == ["2026-04-30", *["2026-05-01"] * 3, "2026-06-10"]
    assert entries[2]["clock"].startswith("2026-03-22")
    assert "clock" not in entries[4]


def test_the_time_is_taken_under_the_lock(tmp_path):
    """Two who write at the turn of a month: whoever comes second has the later time."""
    clock = _Clock(2026, 4, 30, 15, 59, 59)
    log = AuditLog(tmp_path, clock)
    log.append("first")
    with log._locked():
        late = threading.Thread(target=log.append, args=("late",))
        late.start()
        time.sleep(0.2)
        clock.now += timedelta(seconds=2)
    late.join()
    assert [entry["at"][:7] for entry in log.entries()] == ["2026-04", "2026-05"]


def test_a_month_that_begins_with_a_broken_entry_goes_on(tmp_path):
    clock = _Clock(2026, 4, 1)
    log = AuditLog(tmp_path, clock)
    log.append("first")
    (tmp_path / "audit" / "2026-05.jsonl").write_text('{"seq": 2')
    clock.now += timedelta(days=31)
    AuditLog(tmp_path, clock).append("second")
    assert [entry["seq"] for entry in log.entries()] == [1, 2]
    assert len(log.verify().problems) == 1


def test_an_entry_that_was_broken_off_does_not_swallow_the_next(tmp_path):
    log, path = _filled(tmp_path, 2)
    with path.open("a") as file:
        file.write('{"seq": 3, "acc')
    log.append("sign_in", account="office")
    assert [entry["action"] for entry in log.entries()] == ["view_person", "view_person", "sign_in"]
    assert len(log.verify().problems) == 1


def _write(home, number):
    log = AuditLog(home)
    for _ in range(20):
        log.append("view_person", account=f"writer{number}")


def test_several_processes_keep_one_chain(tmp_path):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(tmp_path, number)) for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    verdict = AuditLog(tmp_path).verify()
    assert (verdict.entries, verdict.problems) == (60, [])


def test_what_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "audit").write_text("in the way")
    with pytest.raises(AuditError):
        AuditLog(tmp_path).append("sign_in")


def test_search(tmp_path):
    log = AuditLog(tmp_path)
    for number in range(10):
        log.append("view_person", account=f"a{number % 2}", target=str(number), outcome="ok" if number else "refused")
    found, total = log.search(account="a1", limit=2)
    assert ([entry["target"] for entry in found], total) == (["9", "7"], 5)
    assert log.search(outcome="refused")[1] == 1
    assert log.search(since="2099-01-01")[1] == 0


def test_nothing_younger_than_half_a_year_is_ever_dropped_and_the_chain_goes_on(tmp_path):
    today = datetime(2026, 11, 20, tzinfo=UTC)
    clock = _Clock(2026, 11, 20)
    log = AuditLog(tmp_path, clock)
    for months in range(12, -1, -1):
        clock.now = today - timedelta(days=30 * months)
        log.append("sign_in", account="office")
    log.prune(days=1)
    assert log.verify().problems == []
    left = [datetime.fromisoformat(entry["at"]) for entry in log.entries()]
    young = [today - timedelta(days=30 * months) for months in range(6, -1, -1)]  # the oldest is 180 days old
    assert left[-7:] == young
    assert len(left) < 13
    log.append("sign_in")
    assert log.verify().problems == []
