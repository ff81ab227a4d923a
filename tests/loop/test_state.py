"""What went out and what came back: numbers, one transaction, states, and what is in force."""

import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from canbao.errors import UserError
from canbao.home import Home
from canbao.loop import state
from canbao.loop.codes import row_codes
from canbao.loop.state import Batch, BatchPlan, Loop, NewRound, Receipt

SENT = date(2026, 3, 2)
VILLAGES = ("500103001001", "500103001002", "500103002001")


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def loop(tmp_path: Path) -> Loop:
    return Loop(Home(tmp_path), Clock())


def person(number: int) -> str:
    return f"{number:032x}"


def send(loop: Loop, sizes: Sequence[int] = (3, 2, 0), first_person: int = 1) -> state.Round:
    plans = [
        BatchPlan(code, f"村{code[-2:]}", 4, state.LIST if rows else state.ZERO, rows)
        for code, rows in zip(VILLAGES, sizes, strict=True)
    ]

    def write(path: Path, batches: Sequence[Batch]) -> None:
        rows = [
            (one.round_no, one.batch_no, serial, one.division_code, one.sent, one.due)
            for one in batches
            for serial in range(1, one.rows + 1)
        ]
        names = ["round_no", "batch_no", "serial", "division_code", "sent", "due"]
        frame = pl.DataFrame(rows, schema={name: state.SENT[name] for name in names}, orient="row")
        people = [person(first_person + place) for place in range(len(frame))]
        codes = row_codes(b"key", frame["batch_no"], frame["serial"], people)
        frame = frame.with_columns(pl.Series("person_id", people), pl.Series("row_code", codes))
        missing = [pl.lit(None, kind).alias(name) for name, kind in state.SENT.items() if name not in frame.columns]
        frame.with_columns(missing).select(state.SENT.keys()).write_parquet(path)

    order = NewRound(SENT, date(2026, 3, 16), "chen", "500103000000", 4, "2026-03-01/x", {"reasons": ["never"]}, plans)
    return loop.new_round(order, write)


def upload(day: date = SENT, **given: object) -> Receipt:
    return Receipt(day, "li", "李某", "village", VILLAGES[0], "反馈.xlsx", "0" * 64, **given)  # type: ignore[arg-type]


def answers(*rows: dict[str, object]) -> pl.DataFrame:
    schema = {name: kind for name, kind in state.RETURNED.items() if any(name in row for row in rows)}
    return pl.DataFrame(list(rows), schema=schema)


def answer(number: int, reason: str, found: date, **given: object) -> dict[str, object]:
    return {
        "person_id": person(number), "division_code": VILLAGES[0], "reason_code": reason, "found_date": found,
        "batch_no": 1, "serial": number, "state": "new", "checks": [], **given,
    }  # fmt: skip


def test_a_round_is_kept_as_it_was_sent(loop: Loop) -> None:
    made = send(loop)
    assert (made.round_no, made.batches, made.rows) == (1, 3, 5)
    again = Loop(loop.home)
    assert again.rounds() == [made]
    assert again.round(1) == made
    assert again.round(2) is None
    batches = again.batches()
    assert [one.batch_id for one in batches] == ["P000001", "P000002", "P000003"]
    assert [one.kind for one in batches] == ["list", "list", "zero"]
    rows = again.rows_of(2)
    assert rows.schema == pl.Schema(state.SENT)
    assert rows["serial"].to_list() == [1, 2]
    assert rows["person_id"].to_list() == [person(4), person(5)]
    assert len(again.sent_rows([1, 2, 3, 99])) == 5
    assert again.rows_of(3).is_empty()
    second = send(loop)
    assert second.round_no == 2
    assert [one.batch_no for one in loop.batches(round_no=2)] == [4, 5, 6]
    assert loop.sent_rows([5, 1])["batch_no"].to_list() == [1, 1, 1, 5, 5]


def test_batches_by_what_is_asked(loop: Loop) -> None:
    send(loop)
    loop.recall(2, "chen")
    assert [one.batch_no for one in loop.batches(divisions=VILLAGES[1:])] == [2, 3]
    assert [one.batch_no for one in loop.batches(state="open")] == [1, 3]
    assert [one.batch_no for one in loop.batches(kind="zero")] == [3]
    assert loop.batches(numbers=[]) == []
    assert loop.batch(4) is None


def test_only_the_owner_reads_them(loop: Loop) -> None:
    send(loop)
    for path in (loop.path, loop.sent_file(1)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(loop.folder.stat().st_mode) == 0o700


def test_a_round_that_could_not_be_written_is_none(loop: Loop) -> None:
    def fail(path: Path, *_: object) -> None:
        path.write_bytes(b"half")
        raise OSError("disk full")

    order = NewRound(SENT, SENT, "chen", "500103000000", 4, "x", {}, [BatchPlan(VILLAGES[0], "村", 4, "list", 1)])
    with pytest.raises(OSError, match="disk full"):
        loop.new_round(order, fail)
    assert loop.rounds() == []
    assert loop.batches() == []
    assert list(loop.sent_folder.iterdir()) == []
    assert send(loop).round_no == 2  # numbers are never given twice


def test_rounds_at_the_same_time_share_no_number(loop: Loop) -> None:
    threads = [threading.Thread(target=send, args=(loop,)) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(one.batch_no for one in loop.batches()) == list(range(1, 19))
    assert len(loop.rounds()) == 6


def test_zero_reports(loop: Loop) -> None:
    send(loop)
    done = loop.confirm_zero(3, "li")
    assert done.zero_by == "li"
    assert loop.confirm_zero(3, "wang") == done
    with pytest.raises(UserError, match="不是零报告"):
        loop.confirm_zero(1, "li")
    with pytest.raises(UserError, match="没有批次 P000099"):
        loop.confirm_zero(99, "li")
    send(loop)
    loop.recall(6, "chen")
    with pytest.raises(UserError, match="已收回"):
        loop.confirm_zero(6, "li")


def test_recall(loop: Loop) -> None:
    send(loop)
    done = loop.recall(1, "chen")
    assert (done.state, done.recalled_by) == ("recalled", "chen")
    assert loop.recall(1, "wang") == done
    assert len(loop.rows_of(1)) == 3
    with pytest.raises(UserError, match="没有批次"):
        loop.recall(99, "chen")


def test_receipts_are_numbered_by_day(loop: Loop) -> None:
    rows = answers(answer(1, "W1", SENT))
    numbers = [loop.add_receipt(upload(day), rows).receipt_no for day in (SENT, SENT, date(2026, 3, 3), SENT)]
    assert numbers == ["H20260302-0001", "H20260302-0002", "H20260303-0001", "H20260302-0003"]
    assert [one.receipt_no for one in loop.receipts(day=SENT)] == [numbers[3], numbers[1], numbers[0]]
    assert len(loop.receipts(account="li", divisions=[VILLAGES[0]], sha256="0" * 64, most=2)) == 2
    assert loop.receipts(account="somebody") == []
    assert loop.receipt("H20260302-0009") is None


def test_the_ten_thousandth_receipt_of_a_day(loop: Loop) -> None:
    with loop._writing() as connection:
        values = state._texts(upload(receipt_no="H20260302-9999"))
        connection.execute(state.query("state", "new_receipt"), values)
    made = [loop.add_receipt(upload(), answers(answer(1, "W1", SENT))).receipt_no for _ in range(2)]
    assert made == ["H20260302-10000", "H20260302-10001"]


def test_rows_come_back_as_they_were_stored(loop: Loop) -> None:
    rows = answers(
        answer(
            1, "M1", SENT, end_date=date(2027, 9, 1), checks=["end_far"], raw='{"姓名": "张某"}', sheet="表1", line=7
        ),
        answer(2, "W1", SENT, state="refused", checks=[]),
    )
    stored = loop.add_receipt(upload(accepted=1, refused=1), rows)
    assert loop.receipt(stored.receipt_no) == stored
    back = loop.returned_rows(stored.receipt_no)
    assert back.schema == pl.Schema(state.RETURNED)
    assert back["n"].to_list() == [1, 2]
    assert back["checks"].to_list() == [["end_far"], []]
    assert back["end_date"].to_list() == [date(2027, 9, 1), None]
    assert back["raw"].to_list() == ['{"姓名": "张某"}', "{}"]
    of_batch = loop.returned_of_batch(1)
    assert of_batch["receipt_state"].to_list() == ["confirmed", "confirmed"]


def test_a_receipt_whose_file_could_not_be_written_is_none(loop: Loop) -> None:
    def fail(_: Receipt) -> str:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        loop.add_receipt(upload(), answers(answer(1, "W1", SENT)), fail)
    assert loop.receipts() == []
    stored = loop.add_receipt(
        upload(), answers(answer(1, "W1", SENT)), lambda one: f"grid_feedback/{one.receipt_no}.csv"
    )
    assert stored.receipt_no == "H20260302-0001"
    assert loop.receipt(stored.receipt_no) == stored
    assert stored.landed == "grid_feedback/H20260302-0001.csv"


def test_states_of_a_receipt(loop: Loop) -> None:
    stored = loop.add_receipt(upload(state=state.WAITING), answers(answer(1, "W1", SENT)))
    assert loop.answers().is_empty()
    done = loop.set_receipt_state(stored.receipt_no, state.CONFIRMED, "zhen", was=state.WAITING, day=date(2026, 3, 4))
    assert (done.state, done.decided_by, done.day) == ("confirmed", "zhen", date(2026, 3, 4))
    assert len(loop.answers()) == 1
    with pytest.raises(UserError, match="状态已经改变"):
        loop.set_receipt_state(stored.receipt_no, state.SENT_BACK, "zhen", was=state.WAITING)

    def fail() -> None:
        raise UserError("已被夜间运行采用")

    with pytest.raises(UserError, match="夜间"):
        loop.set_receipt_state(stored.receipt_no, state.WITHDRAWN, "li", was=state.CONFIRMED, then=fail)
    assert len(loop.answers()) == 1
    loop.set_receipt_state(stored.receipt_no, state.WITHDRAWN, "li", was=state.CONFIRMED)
    assert loop.answers().is_empty()


def test_answers_in_force_are_the_newest_of_each_division(loop: Loop) -> None:
    later = SENT + timedelta(days=9)
    loop.add_receipt(
        upload(), answers(answer(1, "W1", SENT), answer(2, "W2", SENT), answer(3, "F1", SENT, state="refused"))
    )
    loop.add_receipt(upload(), answers(answer(1, "D1", later, state="changed"), answer(2, "W4", SENT)))
    other = answer(1, "W3", SENT, batch_no=2)
    loop.add_receipt(upload(), answers(other, answer(1, "I1", SENT, division_code=VILLAGES[1])))
    found = loop.answers().select("person_id", "division_code", "reason_code").rows()
    assert found == [
        (person(1), VILLAGES[0], "D1"),  # not the one that was sent later and found earlier
        (person(1), VILLAGES[1], "I1"),
        (person(2), VILLAGES[0], "W4"),  # of one day the one sent last
    ]
    assert loop.answers([person(2)])["reason_code"].to_list() == ["W4"]
    assert loop.answers([]).is_empty()
    # in the same batch the later one is a correction, as for the night
    loop.add_receipt(upload(), answers(answer(1, "W5", SENT - timedelta(days=1), state="changed")))
    assert loop.answers([person(1)])["reason_code"].to_list() == ["W3", "I1"]


def test_answered(loop: Loop) -> None:
    send(loop)
    loop.add_receipt(
        upload(),
        answers(answer(1, "W1", SENT), answer(2, "W1", SENT, state="settled"), answer(3, "X", SENT, state="refused")),
    )
    assert loop.answered_counts([1, 2]) == {1: 2}
    assert sorted(loop.answered()["serial"]) == [1, 2]


def test_begun(tmp_path: Path) -> None:
    assert not Loop.begun(Home(tmp_path))
    assert list(tmp_path.iterdir()) == []
    Loop(Home(tmp_path))
    assert Loop.begun(Home(tmp_path))


_OPENS = """
import sys
from pathlib import Path

from canbao.home import Home
from canbao.loop.state import Loop

print("ready", flush=True)
for _ in range(int(sys.argv[2])):
    loop = Loop(Home(Path(sys.argv[1])))
    loop.rounds()
    loop._connection().close()
"""


def test_nothing_is_lost_while_another_process_opens_and_closes_it(tmp_path: Path) -> None:
    """Also not what is committed while that one, as the last of its kind, puts the journal away."""
    loop = Loop(Home(tmp_path), Clock())
    rows = answers(answer(1, "W1", SENT))
    made: list[str] = []
    command = [sys.executable, "-c", _OPENS, str(tmp_path), "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        while other.poll() is None or len(made) < 20:
            # Another of this process comes and goes too: what it closes must not drop this one's locks.
            Loop(Home(tmp_path), Clock())._connection().close()
            made.append(loop.add_receipt(upload(), rows).receipt_no)
    assert other.returncode == 0
    assert sorted(one.receipt_no for one in Loop(Home(tmp_path)).receipts()) == sorted(set(made))
    assert len(set(made)) == len(made)
    with sqlite3.connect(tmp_path / "loop" / "loop.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
