"""Whose a receipt is, deeds that come to nothing, files that are too large, and who reads files at the same time."""

import getpass
import shutil
from datetime import date

import polars as pl
import pytest

from canbao.feedback import take_back
from canbao.loop.read.limits import BYTES as UPLOAD_BYTES
from canbao.portal.app import ROUTES
from canbao.portal.downloads import READ_EACH
from canbao.portal.scope import capabilities

from .field import CHOICES, DAY, Field
from .kit import CITY, shown
from .published import make_current


@pytest.fixture(scope="module")
def field(published_home, tmp_path_factory):
    made = Field(published_home, tmp_path_factory.mktemp("rights"))
    yield made
    made.close()


def sent_back(field, village, serial, said):
    """A village answers one row; the receipt's number."""
    browser = field.of(village)
    content = field.sheet(browser, field.batch_of(village), {serial: said})
    return field.confirm(browser, field.preview(browser, content))


def failures(field, action, target=None):
    """Failed deeds, as the audit log has them."""
    found = field.installation.entries(action=action, outcome="failed")
    return [one for one in found if target in (None, one["target"])]


def test_what_came_in_over_the_command_line_is_the_city_s(field, tmp_path):
    village = field.villages(3)[0]
    batch = field.batch_of(village)
    file = tmp_path / "某村.xlsx"
    file.write_bytes(field.sheet(field.of(village), batch, {1: "W1", 2: "M1"}))
    (told,) = take_back([file], field.home, DAY)
    assert (told.accepted, told.returned) == (1, 1)
    number = field.loop.receipts(account="canbao feedback")[0].receipt_no
    noted = [one for one in field.installation.entries() if one["account"] == f"console:{getpass.getuser()}"]
    assert [one["action"] for one in noted] == ["upload", "confirm_feedback", "receipt", "refused_sheet"]
    assert [one["target"] for one in noted[2:]] == [number, number]
    city = field.of(CITY)
    assert number in city.get("/feedback").text
    page = city.get(f"/feedback/receipt?no={number}")
    assert page.status_code == 200 and "撤回本回执" in page.text
    assert city.get(f"/feedback/refused.xlsx?no={number}").status_code == 200
    for division in (village, village[:9] + "000", village[:6] + "000000"):
        assert number not in field.of(division).get("/feedback").text
        assert field.of(division).get(f"/feedback/receipt?no={number}").status_code == 404
        assert field.of(division).post("/feedback/withdraw", "/account", no=number).status_code == 404
    assert city.post("/feedback/withdraw", "/account", no=number).status_code == 303
    assert field.loop.receipt(number).state == "withdrawn"


def test_who_moved_left_the_receipts_behind(field):
    village = field.villages(2)[1]
    number = sent_back(field, village, 1, "W1")
    name = field.name(village)
    other = next(code for code in field.villages() if code[:9] != village[:9])
    field.portal.accounts.grant(name, role="village", division=other, export="masked")
    try:
        moved = field.installation.browser(name)
        assert number not in moved.get("/feedback").text
        for answer in (
            moved.get(f"/feedback/receipt?no={number}"), moved.get(f"/feedback/refused.xlsx?no={number}"),
            moved.post("/feedback/withdraw", "/account", no=number),
        ):  # fmt: skip
            assert answer.status_code == 404
        assert field.loop.receipt(number).state == "confirmed"
    finally:
        field.portal.accounts.grant(name, role="village", division=village, export="masked")
    field.browsers.pop(name, None)
    assert number in field.of(village).get("/feedback").text


def test_deeds_that_come_to_nothing_are_noted(field):
    village = field.villages(2)[2]
    number, browser, town = sent_back(field, village, 1, "W1"), field.of(village), field.of(village[:9] + "000")
    assert browser.post("/feedback/withdraw", "/account", no=number).status_code == 303
    assert browser.post("/feedback/withdraw", "/account", no=number).status_code == 409
    (noted,) = failures(field, "withdraw_feedback", number)
    assert "不能再撤回" in noted["reason"] and noted["account"] == field.name(village)
    assert town.post("/feedback/decide", "/account", no=number, do="pass").status_code == 409
    assert town.post("/feedback/decide", "/account", no=number, do="back").status_code == 409
    told = town.post("/feedback/decide", "/account", no=number, do="back", note="号码 500101199001011234 不对")
    assert told.status_code == 400
    assert len(failures(field, "decide_feedback", number)) == 3
    city = field.of(CITY)
    assert city.post("/dispatch/send", "/dispatch", **CHOICES, mark="0" * 16).status_code == 409
    (noted,) = failures(field, "dispatch", CITY)
    assert "重新测算" in noted["reason"]
    assert city.post("/dispatch/plan", "/dispatch", **(CHOICES | {"age_to": "x"})).status_code == 400
    assert len(failures(field, "dispatch", CITY)) == 2
    batch = field.batch_of(village)
    assert browser.post("/dispatch/zero", "/account", id=batch.batch_id).status_code == 409
    assert len(failures(field, "zero_report", batch.batch_id)) == 1
    assert "500101199001011234" not in str(field.installation.entries())
    words = shown(field.of(CITY).get("/feedback"))
    assert "500101199001011234" not in words


def test_an_empty_file_is_a_failed_upload(field):
    browser = field.of(field.villages()[0])
    assert field.upload(browser, b"", "空.csv").status_code == 400
    assert failures(field, "upload")[-1]["reason"] == "empty"


# ------------------------------------------------------------------------------------------- too much, and too many


@pytest.mark.parametrize("pieces", [False, True], ids=["with a length", "in pieces"])
def test_what_is_too_large_is_answered_in_words_on_every_page(field, pieces):
    browser = field.of(field.villages()[0])

    def send(path, size):
        body = b"csrf=" + b"x" * size
        headers = {"content-type": "application/x-www-form-urlencoded"}
        content = (body[at : at + 65536] for at in range(0, len(body), 65536)) if pieces else body
        return browser.client.post(path, content=content, headers=headers)

    for page in ROUTES:
        if "POST" in page.methods and page.needs in {"", *capabilities("village")}:
            path = page.path.replace("{person_id}", "0" * 32)
            answer = send(path, page.max_body)
            assert answer.status_code == 413 and "回到首页" in answer.text, path
            limit = "20 MB" if page.max_body > UPLOAD_BYTES else "64 KB"
            assert f"超过 {limit}" in answer.text and "Content Too Large" not in answer.text, path
    noted = failures(field, "form", "/feedback")
    assert noted and noted[-1]["reason"] == "size"
    assert not list(field.portal.downloads.folder.iterdir())


def test_files_of_villages_are_read_apart_and_only_so_many_wait(field, monkeypatch):
    village = field.villages(2)[0]
    batch, browser = field.batch_of(village), field.of(village)
    content = field.sheet(browser, batch, {1: "W1"})
    downloads = field.portal.downloads
    monkeypatch.setattr(downloads.readers, "waiting", downloads.readers.most_waiting)
    answer = field.upload(browser, content)
    assert answer.status_code == 503 and "等待的人太多" in answer.text and answer.headers["retry-after"] == "30"
    assert failures(field, "upload")[-1]["reason"] == "busy"
    assert not list(downloads.folder.iterdir())
    assert browser.get(f"/dispatch/sheet.xlsx?id={batch.batch_id}").status_code == 200, "files do not wait for them"
    monkeypatch.undo()
    monkeypatch.setitem(downloads._reading, field.name(village), READ_EACH)
    assert field.upload(browser, content).status_code == 503, "one account's files"
    other = next(code for code in field.villages(2) if code != village)
    field.preview(field.of(other), field.sheet(field.of(other), field.batch_of(other), {1: "W1"}))
    monkeypatch.undo()
    field.preview(browser, content)
    assert downloads.readers.waiting == 0 and field.name(village) not in downloads._reading


# ---------------------------------------------------------------------------------------------------- nobody left


def test_a_list_with_nobody_left_to_ask_is_not_overdue(published_home, tmp_path):
    field = Field(published_home, tmp_path)
    try:
        field.loop._connection().execute("UPDATE batch SET due = '2026-01-14'")
        sent = field.loop.sent_file(field.round.round_no)
        pl.read_parquet(sent).with_columns(due=date(2026, 1, 14)).write_parquet(sent)
        field.night()
        village, other = field.villages(2)[:2]
        done, late = field.batch_of(village), field.batch_of(other)
        current = (field.home / "published" / "current").resolve()
        batches = pl.read_parquet(current / "batch.parquet")
        assert batches.filter(batch_id=done.batch_id)["overdue"].to_list() == [done.rows], "its day has passed"
        assert "逾期" in shown(field.of(village).get(f"/dispatch/batch?id={done.batch_id}"))
        # As the night writes it where all of them are insured meanwhile.
        is_done = pl.col("batch_id") == done.batch_id
        batches = batches.with_columns(
            pl.when(is_done).then(0).otherwise("overdue").alias("overdue"),
            pl.when(is_done).then("dispatched").otherwise("enrolled_since").alias("enrolled_since"),
        )
        field.close()
        later = current.with_name("20991231T000000Z-00000000")
        shutil.copytree(current, later)
        batches.write_parquet(later / "batch.parquet")
        make_current(field.home, f"{later.parent.name}/{later.name}")
        field.begin()
        field.browsers = {}
        page = shown(field.of(village).get(f"/dispatch/batch?id={done.batch_id}"))
        assert "已办结" in page
        for show in ("missing", "overdue"):
            listed = field.of(CITY).get(f"/dispatch?show={show}&division={village}").text
            assert done.batch_id not in listed, show
            assert late.batch_id in field.of(CITY).get(f"/dispatch?show={show}&division={other}").text, show
        assert "已办结" in field.of(village).get("/dispatch").text
        assert "▲" in field.of(other).get("/dispatch").text
    finally:
        field.close()
