"""The audit log: every entry durable before the answer, nothing changed, cut or slipped in without being seen."""

import json
import multiprocessing
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


def test_a_cut_end_is_seen_by_its_copy(tmp_path):
    log, path = _filled(tmp_path)
    assert not log.copy_to(tmp_path / "copy").problems
    path.write_text("\n".join(path.read_text().splitlines()[:3]) + "\n")
    assert not log.verify().problems  # the chain itself cannot tell: its end is simply earlier
    assert log.copy_to(tmp_path / "copy").problems
    assert len((tmp_path / "copy" / path.name).read_text().splitlines()) == 5


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
    log = AuditLog(tmp_path)
    today = datetime(2026, 11, 20, tzinfo=UTC)
    for months in range(12, -1, -1):
        log.append("sign_in", account="office", at=today - timedelta(days=30 * months))
    log.prune(days=1, today=today)
    assert log.verify().problems == []
    left = [datetime.fromisoformat(entry["at"]) for entry in log.entries()]
    young = [today - timedelta(days=30 * months) for months in range(6, -1, -1)]  # the oldest is 180 days old
    assert left[-7:] == young
    assert len(left) < 13
    log.append("sign_in")
    assert log.verify().problems == []
