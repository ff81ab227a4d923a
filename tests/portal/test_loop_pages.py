"""The loop with the villages in the portal: lists go out, files come back, are looked at, confirmed, answered."""

import io
import re
import zipfile
from dataclasses import replace
from datetime import timedelta

import openpyxl
import polars as pl
import pytest

from canbao.loop.codes import batch_id
from canbao.portal.register import Register
from canbao.portal.trace import trace
from canbao.reports.lint import lint_workbook

from .field import CHOICES, DAY, Field, fill, heads
from .files import serial_of
from .kit import CITY, shown
from .office import LONG_NUMBER
from .published import DISTRICT, OTHER_DISTRICT


@pytest.fixture(scope="module")
def field(published_home, tmp_path_factory):
    made = Field(published_home, tmp_path_factory.mktemp("field"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def empty(published_home, tmp_path_factory):
    made = Field(published_home, tmp_path_factory.mktemp("empty"), dispatched=False)
    yield made
    made.close()


def plain(answer):
    return re.sub(r"\s+", " ", shown(answer))


def is_refused(field, answer):
    return answer.status_code == 404 and answer.content == field.installation.browser().get("/no-such-page").content


def with_setting(field, line):
    (field.home / "canbao.toml").write_text(f"[loop]\n{line}\n" if line else "")


# ------------------------------------------------------------------------------------------------------ sending out


def test_filters_say_who_is_asked(empty):
    listed = pl.read_parquet(empty.home / "published" / "current" / "uninsured.parquet")
    page = empty.of(CITY).post("/dispatch/plan", "/dispatch", **(CHOICES | {"reason": "lapsed"}))
    assert "原因：断保" in page.text
    people = int(re.search(r"人次（(\d+) 人）", plain(page))[1])
    assert 0 < people <= listed.filter(pl.col("uninsured_reason") == "lapsed").height
    page = empty.of(CITY).post("/dispatch/plan", "/dispatch", **(CHOICES | {"age_to": "5", "level": "3"}))
    young = listed.filter(pl.col("age") <= 5).height
    assert "每个乡镇（街道）一个批次" in plain(page)
    assert int(re.search(r"人次（(\d+) 人）", plain(page))[1]) <= young
    assert empty.loop.batches() == []


def test_a_dispatch_is_shown_first_and_goes_out_once(empty):
    office = empty.of(DISTRICT)
    choices = CHOICES | {"division": DISTRICT}
    page = office.post("/dispatch/plan", "/dispatch", **choices)
    assert page.status_code == 200
    said = re.search(r"(\d+) 个批次，(\d+) 人次", plain(page))
    assert "什么也没有下发" in page.text and empty.loop.batches() == []
    mark = re.search(r'name="mark" value="(\w+)"', page.text)[1]
    wrong = office.post("/dispatch/send", "/dispatch", **choices, mark="0" * 16)
    assert wrong.status_code == 409 and "重新测算" in wrong.text and empty.loop.batches() == []
    other = office.post("/dispatch/send", "/dispatch", **(choices | {"reason": "never"}), mark=mark)
    assert other.status_code == 409 and empty.loop.batches() == [], "something else than was shown"
    sent = office.post("/dispatch/send", "/dispatch", **choices, mark=mark)
    assert sent.status_code == 303
    lists = empty.loop.batches(kind="list")
    assert (len(lists), sum(one.rows for one in lists)) == tuple(map(int, said.groups()))
    assert {one.due.isoformat() for one in lists} == {choices["due"]}
    noted = empty.installation.entries(action="dispatch")[-1]
    assert noted["target"] == DISTRICT and noted["rows"] == sum(one.rows for one in lists)
    again = office.post("/dispatch/send", "/dispatch", **choices, mark=mark)
    assert again.status_code == 409 and len(empty.loop.rounds()) == 1
    page = office.post("/dispatch/plan", "/dispatch", **choices)
    assert "已下发、尚待填报" in page.text and "确认下发</button>" not in page.text
    assert "已下发" in office.get(sent.headers["location"]).text


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"division": OTHER_DISTRICT}, 404), ({"division": "x"}, 404), ({"level": "1"}, 404), ({"level": ""}, 404),
        ({"reason": "x"}, 404), ({"group": "x"}, 404), ({"answer": "Z9"}, 404), ({"role": "both"}, 404),
        ({"priority_to": "0"}, 404), ({"separated": "1"}, 404), ({"age_from": "٣"}, 400), ({"age_to": "-1"}, 400),
        ({"due": "2026-01-14"}, 400), ({"due": ""}, 400), ({"due": "2026-13-01"}, 400), ({"due": "2028-01-01"}, 400),
    ],
)  # fmt: skip
def test_what_a_form_must_not_ask_for(field, given, status):
    before = len(field.loop.rounds())
    for path in ("/dispatch/plan", "/dispatch/send"):
        answer = field.of(DISTRICT).post(path, "/dispatch", **(CHOICES | {"division": DISTRICT} | given))
        assert answer.status_code == status, (path, given)
    assert len(field.loop.rounds()) == before


# ---------------------------------------------------------------------------------------------------------- batches


def test_everybody_sees_the_batches_of_their_own(field):
    village = field.villages()[0]
    for division in (CITY, village[:6] + "000000", village[:9] + "000", village):
        page = field.of(division).get("/dispatch")
        own = field.tree.get(division)
        expected = {one.batch_id for one in field.loop.batches() if field.tree.inside(one.division_code, own)}
        seen = set(re.findall(r"batch\?id=(P\d{6})", page.text))
        assert seen and seen <= expected
        assert len(seen) == min(50, len(expected)) if division == village else seen
        for show in ("missing", "zero", "overdue", "none", "recalled"):
            some = field.of(division).get(f"/dispatch?show={show}")
            assert set(re.findall(r"batch\?id=(P\d{6})", some.text)) <= expected
        assert not re.findall(r"batch\?id=", field.of(division).get("/dispatch?show=overdue").text)
    later = field.installation.clock.now
    field.installation.clock.forward(days=20)
    browser = field.installation.browser(field.name(village))
    assert "逾期" in browser.get("/dispatch?show=overdue").text
    field.installation.clock.now = later
    field.browsers.clear()


def test_a_batch_shows_its_people_and_no_other(field):
    village = field.villages(2)[0]
    batch = field.batch_of(village)
    rows = field.loop.rows_of(batch.batch_no)
    page = field.of(village).get(f"/dispatch/batch?id={batch.batch_id}")
    assert page.status_code == 200
    for row in rows.iter_rows(named=True):
        assert row["row_code"] in page.text and row["psn_name"] in shown(page)
    assert not LONG_NUMBER.search(page.text)
    assert len(re.findall(r"<code>[A-Z][0-9A-Z]{9}</code>", page.text)) == rows.height
    noted = field.installation.entries(action="view_batch", target=batch.batch_id)[-1]
    assert noted["rows"] == rows.height
    stranger = next(code for code in field.villages() if code[:9] != village[:9])
    for browser in (field.of(stranger), field.of(stranger[:9] + "000")):
        for path in ("batch", "sheet.xlsx", "visit.xlsx"):
            assert is_refused(field, browser.get(f"/dispatch/{path}?id={batch.batch_id}")), path
        for path in ("zero", "recall"):
            assert is_refused(field, browser.post(f"/dispatch/{path}", "/account", id=batch.batch_id)), path
    refused = field.installation.entries(action="view_batch", outcome="refused", target=batch.batch_id)
    assert refused and refused[-1]["reason"] == "division"
    for text in ("P999999", "", "p000001", "P1", "1", "Ｐ０００００１", "P" + "9" * 3000):
        assert is_refused(field, field.of(village).get(f"/dispatch/batch?id={text}")), text


def test_a_zero_report_is_confirmed(field):
    batch = field.loop.batches(kind="zero")[0]
    office = field.of(batch.division_code)
    page = office.get(f"/dispatch/batch?id={batch.batch_id}")
    assert "确认零报告" in page.text and "/dispatch/visit.xlsx" not in page.text
    book = openpyxl.load_workbook(io.BytesIO(office.get(f"/dispatch/sheet.xlsx?id={batch.batch_id}").content))
    assert "零报告" in book.worksheets[0].title
    assert is_refused(field, office.get(f"/dispatch/visit.xlsx?id={batch.batch_id}"))
    assert office.post("/dispatch/zero", "/account", id=batch.batch_id).status_code == 303
    after = field.loop.batch(batch.batch_no)
    assert after.zero_at == field.installation.clock.now and after.zero_by == field.name(batch.division_code)
    assert "已确认无人" in office.get(f"/dispatch/batch?id={batch.batch_id}").text
    assert field.installation.entries(action="zero_report", target=batch.batch_id)
    some = field.batch_of(field.villages()[0])
    assert field.of(some.division_code).post("/dispatch/zero", "/account", id=some.batch_id).status_code == 409


def test_a_batch_is_recalled_by_who_could_have_sent_it(field):
    batch = field.loop.batches(kind="zero")[-1]
    township = field.of(batch.division_code[:9] + "000")
    assert "收回本批次" not in township.get(f"/dispatch/batch?id={batch.batch_id}").text
    assert is_refused(field, township.post("/dispatch/recall", "/account", id=batch.batch_id)), "the city sent it"
    city = field.of(CITY)
    assert "收回本批次" in city.get(f"/dispatch/batch?id={batch.batch_id}").text
    assert city.post("/dispatch/recall", "/account", id=batch.batch_id).status_code == 303
    assert field.loop.batch(batch.batch_no).state == "recalled"
    assert field.installation.entries(action="recall", target=batch.batch_id)
    assert field.of(batch.division_code).get(f"/dispatch/sheet.xlsx?id={batch.batch_id}").status_code == 409


# ----------------------------------------------------------------------------------------------------------- sheets


def test_a_sheet_is_a_download(field, tmp_path):
    village = field.villages(2)[0]
    batch, browser = field.batch_of(village), field.of(village)
    account = field.portal.accounts.get(field.name(village))
    left = field.portal.accounts.rows_left(account, DAY.isoformat())
    for kind in ("sheet", "visit"):
        answer = browser.get(f"/dispatch/{kind}.xlsx?id={batch.batch_id}")
        assert answer.status_code == 200
        serial = serial_of(answer)
        path = tmp_path / f"{kind}.xlsx"
        path.write_bytes(answer.content)
        assert lint_workbook(path) == []
        text = str([list(sheet.iter_rows(values_only=True)) for sheet in openpyxl.load_workbook(path)])
        assert serial in text and field.name(village) in text and not LONG_NUMBER.search(text)
        noted = field.installation.entries(action="download", target=serial)[-1]
        assert noted["rows"] == batch.rows and noted["detail"]["batch"] == batch.batch_id
        assert noted["detail"]["level"] == "masked"
        kept = Register(field.home).get(serial)
        assert kept.row_count == batch.rows and kept.division == village
        left -= batch.rows
        assert field.portal.accounts.rows_left(account, DAY.isoformat()) == left
    assert not list(field.portal.downloads.folder.iterdir()), "nothing is left lying about"
    assert batch.batch_id in browser.get("/downloads").text


def test_a_sheet_that_got_about_is_traced_by_its_row_codes(field, tmp_path):
    village = field.villages(2)[0]
    batch = field.batch_of(village)
    field.of(village, name="talker").get(f"/dispatch/sheet.xlsx?id={batch.batch_id}")
    rows = field.loop.rows_of(batch.batch_no)
    leak = tmp_path / "leak.csv"
    leak.write_text("名字\n" + "\n".join(f"某人,{code}" for code in rows["row_code"]), encoding="utf-8")
    found = trace(field.home, str(leak))
    assert found.how == "marks" and "talker" in {one.download.account for one in found.rows}
    assert all(one.contained == one.of == batch.rows for one in found.rows)


def test_no_sheet_without_the_right_to_take_lists_nor_beyond_the_quota(field, monkeypatch):
    village = field.villages(2)[0]
    batch = field.batch_of(village)
    looker = field.of(village, "none", "looker")
    page = looker.get(f"/dispatch/batch?id={batch.batch_id}")
    assert page.status_code == 200 and "没有导出权限" in page.text
    assert is_refused(field, looker.get(f"/dispatch/sheet.xlsx?id={batch.batch_id}"))
    monkeypatch.setattr(type(field.portal.accounts), "rows_left", lambda *_: batch.rows - 1)
    answer = field.of(village).get(f"/dispatch/sheet.xlsx?id={batch.batch_id}")
    assert answer.status_code == 429 and "限额" in answer.text


def test_full_numbers_only_where_the_bureau_wants_them_and_only_for_the_village_itself(field):
    village = field.villages(2)[0]
    batch = field.batch_of(village)

    def numbers(browser, kind="sheet"):
        book = openpyxl.load_workbook(io.BytesIO(browser.get(f"/dispatch/{kind}.xlsx?id={batch.batch_id}").content))
        return set(re.findall(LONG_NUMBER, str([list(sheet.iter_rows(values_only=True)) for sheet in book])))

    adults = {
        row["certno"]
        for row in field.loop.rows_of(batch.batch_no).iter_rows(named=True)
        if len(row["certno"] or "") == 18
    }
    with_setting(field, "full_numbers = true")
    try:
        assert numbers(field.of(village)) == adults
        assert field.installation.entries(action="download")[-1]["detail"]["level"] == "full"
        assert not numbers(field.of(village), "visit")
        assert not numbers(field.of(village[:9] + "000")) and not numbers(field.of(CITY))
        assert not LONG_NUMBER.search(field.of(village).get(f"/dispatch/batch?id={batch.batch_id}").text)
    finally:
        with_setting(field, "")
    assert not numbers(field.of(village))


# ------------------------------------------------------------------------------------------------------- coming back


def landed(field):
    return sorted(path.name for path in (field.home / "landing").glob("grid_feedback/*/*.csv"))


def test_nothing_is_stored_before_it_is_confirmed(field):
    village = field.villages(2)[1]
    batch, browser = field.batch_of(village), field.of(village)
    before = landed(field), len(field.loop.receipts())
    content = field.sheet(browser, batch, {1: "W1 拒参", 2: "M1"})
    token = field.preview(browser, content)
    page = browser.get(f"/feedback/preview?token={token}")
    text = plain(page)
    assert "什么也没有保存" in text and "将采用 1 行" in text and "将退回 1 行" in text and "预计结束日期" in text
    assert (landed(field), len(field.loop.receipts())) == before
    assert field.installation.entries(action="upload")[-1]["detail"]["counts"]["refused"] == 1
    for show in ("new", "refused", "same", "hints", "conflicting"):
        assert browser.get(f"/feedback/preview?token={token}&show={show}").status_code == 200
    wrong = browser.get(f"/feedback/preview?token={token}&show=x")
    assert wrong.status_code == 400 and "<code>conflicting</code>" in wrong.text
    # Nobody else has it, nor does it come back after it was given up.
    other = field.of(village, name="colleague")
    answers = [other.get(f"/feedback/{path}?token={token}") for path in ("preview", "refused.xlsx")]
    answers += [other.post(f"/feedback/{path}", "/account", token=token) for path in ("confirm", "discard")]
    missing = other.get("/feedback/preview?token=" + "x" * 22)
    assert {one.status_code for one in (*answers, missing)} == {404}
    assert {plain(one) for one in (*answers, missing)} == {plain(missing)}, "as what was never there"
    assert len(field.installation.entries(account="colleague", outcome="refused")) == 5
    assert browser.post("/feedback/discard", "/account", token=token).status_code == 303
    assert browser.get(f"/feedback/preview?token={token}").status_code == 404
    assert browser.post("/feedback/confirm", "/account", token=token).status_code == 404
    assert (landed(field), len(field.loop.receipts())) == before
    assert not list(field.portal.downloads.folder.iterdir())


def test_confirmed_once_however_often(field):
    village = field.villages(2)[1]
    batch, browser = field.batch_of(village), field.of(village)
    content = field.sheet(browser, batch, {1: "W1 拒参"}, 填报人="网格员")
    token = field.preview(browser, content)
    number = field.confirm(browser, token)
    assert field.confirm(browser, token) == number == field.confirm(browser, field.preview(browser, content))
    assert number in browser.get(f"/feedback/preview?token={token}").text, "the way back in the browser"
    receipt = field.loop.receipt(number)
    assert (receipt.accepted, receipt.blank, receipt.refused) == (1, batch.rows - 1, 0)
    assert receipt.landed and f"{number}.csv" in landed(field)
    noted = field.installation.entries(action="confirm_feedback", target=number)[0]
    assert noted["rows"] == 1 and noted["detail"]["division"] == village
    page = plain(browser.get(f"/feedback/receipt?no={number}"))
    assert "待今夜计入 1" in page and "撤回本回执" in page
    rows = plain(browser.get(f"/dispatch/batch?id={batch.batch_id}"))
    assert "已回收 1 人" in rows and "拒参" in rows and "待今夜计入" in rows
    assert number in browser.get("/feedback").text and number in field.of(village[:9] + "000").get("/feedback").text
    # Another answer replaces it; the first can be taken back no more, the second can.
    second = field.confirm(browser, field.preview(browser, field.sheet(browser, batch, {1: "W5"})))
    assert field.loop.receipt(second).accepted == 1
    stranger = next(code for code in field.villages() if code[:9] != village[:9])
    for path in ("receipt", "refused.xlsx"):
        assert is_refused(field, field.of(stranger).get(f"/feedback/{path}?no={number}"))
    assert is_refused(field, field.of(stranger).post("/feedback/withdraw", "/account", no=number))
    assert is_refused(field, field.of(village, name="colleague").post("/feedback/withdraw", "/account", no=second))
    assert browser.post("/feedback/withdraw", "/account", no=second).status_code == 303
    assert field.loop.receipt(second).state == "withdrawn" and f"{second}.csv" not in landed(field)
    assert field.installation.entries(action="withdraw_feedback", target=second)
    assert browser.post("/feedback/withdraw", "/account", no=second).status_code == 409
    assert "拒参" in browser.get(f"/dispatch/batch?id={batch.batch_id}").text, "the first answer counts again"


def test_refused_rows_come_back_alone_and_are_sent_again(field, tmp_path):
    village = field.villages(2)[2]
    batch, browser = field.batch_of(village), field.of(village)
    content = field.sheet(browser, batch, {1: "W1", 2: {"核实结果": "服役", "说明": "在部队"}})
    token = field.preview(browser, content)
    before = browser.get(f"/feedback/refused.xlsx?token={token}")
    assert before.status_code == 200 and int(before.headers["x-canbao-rows"]) == 1
    number = field.confirm(browser, token)
    receipt = field.loop.receipt(number)
    assert (receipt.accepted, receipt.refused) == (1, 1)
    answer = browser.get(f"/feedback/refused.xlsx?no={number}")
    (tmp_path / "back.xlsx").write_bytes(answer.content)
    assert lint_workbook(tmp_path / "back.xlsx") == []
    sheet = openpyxl.load_workbook(tmp_path / "back.xlsx").worksheets[0]
    head, columns = heads(sheet)
    assert "预计结束日期" in sheet.cell(head + 1, columns["审核意见"]).value
    assert sheet.cell(head + 1, columns["说明"]).value == "在部队"
    assert field.installation.entries(action="download", target=serial_of(answer))[-1]["rows"] == 1
    code = sheet.cell(head + 1, columns["行码"]).value
    mended = fill(answer.content, {code: {"核实结果": "服役", "预计结束日期": "2027-09-01"}}, DAY)
    second = field.confirm(browser, field.preview(browser, mended, "退回更正.xlsx"))
    assert field.loop.receipt(second).accepted == 1 and field.loop.receipt(second).refused == 0
    assert "已回齐" in browser.get("/dispatch").text or batch.rows > 2
    assert browser.get(f"/feedback/refused.xlsx?no={second}").status_code == 404


def test_several_batches_in_one_file(field):
    """A township puts its villages into one file, as text or as sheets."""
    rows = field.sent.filter(~pl.col("division_code").str.ends_with("000"))
    town = rows["division_code"].str.slice(0, 9).mode().sort()[0]
    two = rows.filter(pl.col("division_code").str.starts_with(town)).unique("batch_no", keep="last").head(2)
    assert two.height == 2
    lines = [f"{row['row_code']},{row['psn_name']},W4,{DAY}" for row in two.iter_rows(named=True)]
    content = "\r\n".join(["行码,姓名,核实结果,核实日期", *lines]).encode("gb18030")
    browser = field.of(f"{town}000")
    token = field.preview(browser, content, "两个村.csv")
    page = plain(browser.get(f"/feedback/preview?token={token}"))
    assert "各批次、各工作表" in page and "本文件" in page
    assert all(field.tree.get(code).name in page for code in two["division_code"])
    assert browser.post("/feedback/discard", "/account", token=token).status_code == 303


def test_other_people_s_rows_are_refused_and_say_nothing_about_them(field):
    mine, other = field.villages(2)[0], next(code for code in field.villages() if code[:6] == OTHER_DISTRICT[:6])
    content = field.sheet(field.of(other), field.batch_of(other), {1: "W1"})
    token = field.preview(field.of(mine), content)
    page = plain(field.of(mine).get(f"/feedback/preview?token={token}"))
    assert "不在发给本单位的批次中" in page and "没有可以采用的行" in page
    assert field.tree.get(other).name not in page


def test_numbers_cannot_be_tried_out_in_a_file(field, monkeypatch):
    """A thousand numbers fit a masked one: a returned file must not say which of them exists."""
    monkeypatch.setattr(field.portal, "settings", replace(field.portal.settings, search_misses=5))
    told = []
    monkeypatch.setattr(type(field.portal.downloads), "alarm", lambda _, account, what, line: told.append(what))
    mine = field.villages(2)[0]
    one = field.of(mine, name="tries-numbers")
    certnos = field.sent.filter(pl.col("division_code") == mine)["certno"].drop_nulls().to_list()
    tried = [f"99010119900101{serial:03d}0" for serial in range(6)]

    def file(numbers):
        batch = field.batch_of(mine).batch_id
        rows = [f"{batch},{number},{mine},W1,{field.day}" for number in numbers]
        return "\r\n".join(["下发批次,公民身份号码,填报区划,未参保原因,核实日期", *rows]).encode()

    few = field.upload(one, file([*tried[:3], certnos[0]]), "甲.csv")
    assert few.status_code == 303
    for numbers in ([*tried, certnos[0]], [tried[0]]):  # too many at once, and one more when all are used up
        many = field.upload(one, file(numbers), "甲.csv")
        assert many.status_code == 429 and "行码" in plain(many)
    assert [entry["outcome"] for entry in field.installation.entries(action="upload")][-3:] == [
        "ok",
        "refused",
        "refused",
    ]
    assert told == ["search_misses"] * 2
    assert field.upload(one, file(certnos[:1]), "甲.csv").status_code == 303  # numbers of one's own people go on


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("空.xlsx", b"", "请先选择"),
        ("乱.xlsx", b"PK\x03\x04" + b"\x00" * 400, ""),
        ("文字.txt", "今天没有去".encode("gb18030"), ""),
        ("网页.xls", b"<html><script>alert(1)</script></html>", ""),
        ("../../../etc/passwd", b"root:x:0:0", ""),
        ("a" * 300 + ".xlsx", b"x", ""),
        ("500101199001011234.xlsx", b"x", ""),
    ],
)
def test_files_that_cannot_be_read_are_answered_in_words(field, name, content, said):
    browser = field.of(field.villages()[0])
    answer = field.upload(browser, content, name)
    assert answer.status_code in {400, 413}, answer.text
    assert "未读入" in answer.text and said in answer.text
    assert "alert(1)" not in answer.text and "500101199001011234" not in answer.text
    assert not list(field.portal.downloads.folder.iterdir())
    if said == "":
        assert field.installation.entries(action="upload")[-1]["outcome"] == "failed"


def test_a_file_that_is_too_large_or_unpacks_to_too_much(field):
    browser = field.of(field.villages()[0])
    answer = field.upload(browser, b"1," * (11 << 20), "大.csv")
    assert answer.status_code == 413 and "请按村拆开" in answer.text
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * (300 << 20))
    assert len(bomb.getvalue()) < 1 << 20
    answer = field.upload(browser, bomb.getvalue(), "小.xlsx")
    assert answer.status_code == 400 and "未读入" in answer.text
    assert browser.client.post("/feedback", data={"csrf": browser.token("/account")}).status_code == 400
    assert not list(field.portal.downloads.folder.iterdir())


def test_the_township_lets_a_return_pass_or_sends_it_back(field):
    village = field.villages(1)[3]
    batch, browser = field.batch_of(village), field.of(village)
    town = field.of(village[:9] + "000")
    with_setting(field, "township_confirms = true")
    try:
        content = field.sheet(browser, batch, {1: "W4"})
        token = field.preview(browser, content)
        assert "由乡镇（街道）审核" in browser.get(f"/feedback/preview?token={token}").text
        number = field.confirm(browser, token)
        assert field.loop.receipt(number).state == "waiting" and f"{number}.csv" not in landed(field)
        assert "待镇审" in plain(browser.get(f"/feedback/receipt?no={number}"))
        assert "待镇审" in plain(browser.get(f"/dispatch/batch?id={batch.batch_id}"))
        assert is_refused(field, browser.post("/feedback/decide", "/account", no=number, do="pass"))
        stranger = next(code for code in field.villages() if code[:9] != village[:9])[:9] + "000"
        assert is_refused(field, field.of(stranger).post("/feedback/decide", "/account", no=number, do="pass"))
        assert number in town.get("/feedback").text and "待审核" in town.get("/feedback").text
        assert "待审核的回执" in town.get("/").text
        assert town.post("/feedback/decide", "/account", no=number, do="back").status_code == 409, "why?"
        wrong = town.post("/feedback/decide", "/account", no=number, do="back", note="号码 500101199001011234 不对")
        assert wrong.status_code == 400
        assert is_refused(field, town.post("/feedback/decide", "/account", no=number, do="perhaps"))
        assert town.post("/feedback/decide", "/account", no=number, do="back", note="请补说明").status_code == 303
        assert "请补说明" in browser.get(f"/feedback/receipt?no={number}").text
        assert town.post("/feedback/decide", "/account", no=number, do="pass").status_code == 409
        second = field.confirm(browser, field.preview(browser, field.sheet(browser, batch, {1: "W4"}, 说明="已联系")))
        assert town.post("/feedback/decide", "/account", no=second, do="pass").status_code == 303
        assert field.loop.receipt(second).state == "confirmed" and f"{second}.csv" in landed(field)
        noted = field.installation.entries(action="decide_feedback")
        assert [one["reason"] for one in noted if one["outcome"] == "ok"] == ["returned", "confirmed"]
    finally:
        with_setting(field, "")


def test_texts_of_other_receipts_lead_nowhere(field):
    browser = field.of(field.villages()[0])
    for text in (
        "",
        "H20260115-9999",
        "H1",
        "x",
        "H20260115-0001%00",
        "Ｈ20260115-0001",
        "H" + "1" * 4000,
        "' OR 1=1--",
    ):
        assert is_refused(field, browser.get(f"/feedback/receipt?no={text}")), text
    for text in ("", "x" * 21, "../" * 7 + "x", "." * 22):
        assert is_refused(field, browser.get(f"/feedback/preview?token={text}")), text


# ------------------------------------------------------------------------------------------------- the next morning


@pytest.fixture(scope="module")
def morning(published_home, tmp_path_factory):
    """Two people are answered about by both sides, contradicting each other; one of two villages answers all; a night."""
    field = Field(published_home, tmp_path_factory.mktemp("morning"))
    field.two = [next(iter(field.apart(districts=apart)), None) for apart in (True, False)]
    for rows in field.two:
        for row, reason in zip(rows or (), ("W1", "I1"), strict=False):
            village = row["division_code"]
            browser = field.of(village)
            content = field.sheet(browser, field.batch_of(village), {row["row_code"]: reason})
            field.confirm(browser, field.preview(browser, content))
    taken = {row["division_code"] for rows in field.two for row in rows or ()}
    field.village = next(code for code in field.villages(2) if code not in taken)
    browser = field.of(field.village)
    content = field.sheet(browser, field.batch_of(field.village), {1: "D1 死亡", 2: "F2"})
    field.number = field.confirm(browser, field.preview(browser, content))
    field.night()
    yield field
    field.close()


def test_the_next_morning_each_row_is_answered(morning):
    browser = morning.of(morning.village)
    page = browser.get(f"/feedback/receipt?no={morning.number}")
    text = plain(page)
    assert "已采纳 2" in text and "待今夜计入" not in text and "撤回本回执" not in text
    assert morning.of(morning.village).post("/feedback/withdraw", "/account", no=morning.number).status_code == 409
    counted = re.search(r"夜间结果 已采纳 (\d+)，与部门数据矛盾 (\d+)，未采纳 (\d+)", text)
    assert sum(map(int, counted.groups())) == 2
    for show in ("adopted", "contradicted", "tonight"):
        assert browser.get(f"/feedback/receipt?no={morning.number}&show={show}").status_code == 200
    sums = morning.of(CITY).get("/dispatch").text
    batches = pl.read_parquet(morning.home / "published" / "current" / "batch.parquet")
    whole = re.findall(r'<td class="n">([\d,]+)</td>', re.search(r'<tr class="sum">.*?</tr>', sums, re.DOTALL)[0])
    assert [int(one.replace(",", "")) for one in whole] == [
        batches.filter(kind="list").height, *(batches[name].sum() for name in ("dispatched", "returned", "outstanding", "overdue", "adopted",
                                                           "contradicted", "not_adopted", "enrolled_since")),
    ]  # fmt: skip
    assert whole[2] == str(sum(one.accepted for one in morning.loop.receipts()))


def test_both_sides_see_each_other_s_answer(morning):
    for rows in morning.two:
        if not rows:
            continue
        person = rows[0]["person_id"]
        for own, other in (rows, rows[::-1]):
            batch = morning.batch_of(own["division_code"])
            page = shown(morning.of(own["division_code"]).get(f"/dispatch/batch?id={batch.batch_id}"))
            assert "对方答复" in page and ("异地参保" in page if own is rows[0] else "拒参" in page)
            assert "待上级核定" in page
            file = morning.of(own["division_code"]).get(f"/person/{person}")
            assert "异地参保" in file.text and "拒参" in file.text and "分歧" in file.text
            answer = morning.of(own["division_code"]).get(
                f"/dispatch/batch?id={morning.batch_of(other['division_code']).batch_id}"
            )
            assert is_refused(morning, answer), "the other side's batch is not one's own"


def test_a_dispute_is_settled_by_the_lowest_common_superior(morning):
    settled = []
    for rows in morning.two:
        if not rows:
            continue
        codes = [row["division_code"] for row in rows]
        same = next((long for long in (9, 6, 2) if codes[0][:long] == codes[1][:long]), 2)
        above = codes[0][:same].ljust(12, "0")
        person = rows[0]["person_id"]
        low = morning.of(codes[0][:9] + "000")
        form = {"person": person, "reason": "I1", "end": "", "note": "已核对异地参保凭证"}
        if above != codes[0][:9] + "000":
            page = low.get("/disputes")
            assert person in page.text and f'value="{person}"' not in page.text, "seen, and not decided here"
            assert is_refused(morning, low.post("/disputes", "/account", **form))
        office = morning.of(above)
        assert f'value="{person}"' in office.get("/disputes").text
        assert office.post("/disputes", "/account", **(form | {"note": ""})).status_code == 400
        assert office.post("/disputes", "/account", **(form | {"reason": "Z"})).status_code == 400
        assert office.post("/disputes", "/account", **(form | {"reason": "M1"})).status_code == 400
        assert office.post("/disputes", "/account", **(form | {"note": "号码500101199001011234"})).status_code == 400
        assert is_refused(morning, office.post("/disputes", "/account", **(form | {"person": "0" * 32})))
        assert office.post("/disputes", "/account", **form).status_code == 303
        page = plain(office.get("/disputes"))
        assert "已核定，待今夜计入" in page and "已核对异地参保凭证" in page
        assert morning.installation.entries(action="settle_dispute", target=person)[-1]["detail"]["code"] == "I1"
        settled.append((person, codes, above))
    assert settled
    morning.night()
    answers = pl.read_parquet(morning.home / "published" / "current" / "feedback.parquet")
    for person, codes, above in settled:
        of = {row["division_code"]: row for row in answers.filter(person_id=person).iter_rows(named=True)}
        assert of[above]["outcome"] == "adopted"
        assert {of[code]["why"] for code in codes} <= {"settled", "adopted", "waits"}
        assert "disputed" not in {row["why"] for row in of.values()}
        assert person not in morning.of(CITY).get("/disputes").text


def test_names_of_files_and_titles_hold_nobody(morning):
    people = {one for one in morning.sent["psn_name"].to_list() if one and len(one) > 2}
    batch = morning.batch_of(morning.village)
    browser = morning.of(morning.village)
    for path in (f"/dispatch/sheet.xlsx?id={batch.batch_id}", f"/dispatch/visit.xlsx?id={batch.batch_id}"):
        assert not [one for one in people if one in browser.get(path).headers["content-disposition"]]
    for path in (
        "/dispatch",
        f"/dispatch/batch?id={batch.batch_id}",
        "/feedback",
        f"/feedback/receipt?no={morning.number}",
    ):
        title = re.search(r"<title>(.*?)</title>", browser.get(path).text, re.DOTALL)[1]
        assert not [one for one in people if one in title]
    log = "".join(path.read_text() for path in (morning.home / "audit").glob("*.jsonl"))
    assert not LONG_NUMBER.search(re.sub(r"[0-9a-f]{32,}", "", log)) and not [one for one in people if one in log]
    assert batch.batch_id == batch_id(batch.batch_no)
    assert timedelta(days=2) == morning.day - DAY
