"""Lists as files: what is shown, masked, noted before it leaves; full numbers with reason, code and second person."""

import asyncio
import io
import os
import re
import signal
import zipfile
from dataclasses import replace
from decimal import Decimal

import fastexcel
import openpyxl
import pytest

from canbao.portal import downloads as downloads_module
from canbao.portal import listfile
from canbao.portal.lists import Column, ListQuery
from canbao.portal.page import Stop
from canbao.portal.register import Download
from canbao.portal.views.audit import words
from canbao.reports.lint import lint_workbook

from .files import book_rows, column, office_convert, serial_of, text_rows
from .kit import CITY, shown
from .office import LONG_NUMBER
from .published import DISTRICT, OTHER_DISTRICT

LISTS = ("/uninsured", "/duplicates", "/people?measure=insured", "/uninsured?since=closed")


def url(path, form):
    base, _, rest = path.partition("?")
    return f"{base}.{form}" + (f"?{rest}" if rest else "")


@pytest.fixture
def browser(desk):
    return desk.installation.browser


def query_of(desk, path, role):
    base, _, rest = path.partition("?")
    values = dict(one.split("=") for one in rest.split("&")) if rest else {}
    basis = values.pop("basis", "household" if base == "/people" else "")
    return ListQuery.of(base[1:], desk.divisions[role], basis, values, desk.scope(role))


@pytest.mark.parametrize("role", ["city", "district", "township", "village"])
@pytest.mark.parametrize("path", LISTS)
def test_the_file_is_the_list(desk, browser, role, path):
    """Rows, order and values of the page, in both kinds of file; masked."""
    query, scope = query_of(desk, path, role), desk.scope(role)
    expected = [query.shown(row, scope) for batch in query.batches(desk.pub) for row in batch]
    one = browser(f"of-{role}")
    for form, read in (("xlsx", book_rows), ("csv", text_rows)):
        answer = one.get(url(path, form))
        assert answer.status_code == 200, answer.text
        assert int(answer.headers["content-length"]) == len(answer.content)
        parts = read(answer.content)
        assert len(parts[2]) == len(expected) == query.count(desk.pub)
        assert parts[1][1:-1] == [column.title for column in query.columns(scope)]
        assert [name.strip() for name in column(parts, "姓名")] == [row["psn_name"] for row in expected]
        assert [number.strip() for number in column(parts, "证件号码")] == [row["certno"] for row in expected]
        assert column(parts, "序号") == [str(n) for n in range(1, len(expected) + 1)]
        assert len(set(column(parts, "行码"))) == len(
            {row["person_id"] for batch in query.batches(desk.pub) for row in batch}
        )
        assert f"共{len(expected):,}行" in "".join(parts[0][2])
        assert parts[3][0][0] == f"以下无数据，共{len(expected):,}行"
        text = str(parts)
        assert not LONG_NUMBER.search(text)
        assert serial_of(answer) in text
        assert "数据可用性" in text
        assert "截至日期" in text


def test_filters_hold_in_the_file(desk, browser):
    one = browser("of-district")
    whole = text_rows(one.get("/uninsured.csv").content)
    some = text_rows(one.get("/uninsured.csv?reason=never&page=7").content)
    assert 0 < len(some[2]) < len(whole[2])
    assert set(column(some, "未参保原因")) == {"从未参保"}
    assert "从未参保" in "".join(some[0][2])
    assert desk.installation.entries(action="download")[-1]["detail"]["filters"] == {"reason": "never"}
    page = one.get("/uninsured?reason=never")
    assert "/uninsured.xlsx?division=" in page.text
    assert "reason=never" in page.text.split(".xlsx?")[1][:80]


def test_masked_by_outcome_in_the_file(desk, browser):
    """Nothing but age and sex stands beside a number, and at most its last two digits show."""
    people = {row["person_id"].replace("-", ""): row for row in desk.table("person").iter_rows(named=True)}
    numbers = {row["certno"] for row in people.values() if row["certno"]}
    births = {str(row["brdy"]) for row in people.values() if row.get("brdy")}
    for path in LISTS:
        content = browser("of-city").get(url(path, "csv")).content
        text = content.decode("utf-8-sig")
        assert not any(number in text for number in numbers)
        found = [number for number in numbers if len(number) == 18 and number[6:14] in text]
        assert not found, [(found[0], text[max(0, text.index(found[0][6:14]) - 60) : text.index(found[0][6:14]) + 30])]
        dates = set(re.findall(r"\d{4}-\d\d-\d\d", " ".join(",".join(row[:9]) for row in text_rows(content)[2])))
        assert not dates & births
        for number in column(text_rows(content), "证件号码"):
            assert re.fullmatch(r"\*{16}[\dX]{2}\t|\*+\t|", number)
        for number in column(text_rows(content), "本人电话") if "本人电话" in text else ():
            assert re.fullmatch(r"\d{3}\*{4}\d{4}\t|\**\d{0,2}\t?|", number)


def test_form_of_the_text_file(desk, browser):
    content = browser("of-district").get("/uninsured.csv").content
    assert content.startswith(b"\xef\xbb\xbf")
    assert content.count(b"\n") == content.count(b"\r\n")
    assert content.endswith(b"\r\n")
    for row in text_rows(content)[2]:
        assert all(
            cell.endswith("\t")
            for cell in row
            if re.fullmatch(r"[\d*][\d*-]{6,}\t?", cell) and not re.match(r"\d{4}-\d\d-", cell)
        )
        assert row[0].isdigit()


def test_the_workbook_opens_everywhere(desk, browser, tmp_path):
    answer = browser("of-city").get("/duplicates.xlsx")
    path = tmp_path / "list.xlsx"
    path.write_bytes(answer.content)
    assert lint_workbook(path) == []
    parts = book_rows(answer.content)
    other = fastexcel.read_excel(path).load_sheet(0, header_row=len(parts[0]), dtypes="string").to_polars()
    assert other["姓名"].to_list()[: len(parts[2])] == column(parts, "姓名")
    sheet = openpyxl.load_workbook(path).active
    head = len(parts[0]) + 1
    amounts = [sheet.cell(head + 1 + n, parts[1].index("应扣减补助（元）") + 1) for n in range(len(parts[2]))]
    assert {cell.data_type for cell in amounts if cell.value not in {None, ""}} <= {"n"}
    assert {sheet.cell(head + 1 + n, 3).data_type for n in range(len(parts[2]))} <= {"s", "inlineStr"}
    assert sheet.print_title_rows == f"${head - 1}:${head}"
    assert sheet.freeze_panes == f"D{head + 1}"
    serial = serial_of(answer)
    assert serial in sheet.oddHeader.center.text
    assert serial in sheet.oddFooter.right.text
    with zipfile.ZipFile(path) as archive:
        assert serial in archive.read("docProps/core.xml").decode()
    made = office_convert(path, "csv:Text - txt - csv (StarCalc):44,34,76,1", tmp_path)
    again = text_rows(made.read_bytes())
    assert column(again, "姓名") == column(parts, "姓名")
    assert column(again, "证件号码") == column(parts, "证件号码")


class Frozen(ListQuery):
    """A list of made-up rows with what spreadsheets stumble over."""

    NASTY = ("=1+1", "+1", "-1", "@a", "\t=1", "\r=1", "＝1", "＋1", "－1", "＠a", '"x",y', "a\r\nb", " =1", "张三")

    def count(self, pub):
        return len(self.NASTY)

    def columns(self, scope):
        return [
            Column("psn_name", "姓名"),
            Column("certno", "证件号码", "certno"),
            Column("amount", "金额", "amount"),
            Column("no", "户号"),
            Column("day", "日期", "date"),
        ]

    def batches(self, pub, size=5000, *, skip=0, most=None):
        from uuid import UUID

        yield [{"person_id": UUID(int=n), "psn_name": name} for n, name in enumerate(self.NASTY)]

    def shown(self, row, scope, *, full=False):
        n = row["person_id"].int
        return {
            "psn_name": row["psn_name"],
            "certno": "000000000000000000",
            "amount": [-400.0, Decimal("-0.5"), ""][n % 3],
            "no": "1-2" if n % 2 else "00012",
            "day": "2026-03-01",
        }


def _write(desk, form, query):
    portal = desk.installation.portal
    wish = downloads_module.Wish(query, form)
    order = portal.downloads.order(desk.pub, desk.installation.accounts.get("of-city"), "市", wish)
    listfile._open.cache_clear()
    try:
        listfile.write_list(order)
        return order.target.read_bytes()
    finally:
        portal.downloads.discard(order)


def test_no_cell_is_a_formula_and_negative_amounts_stay_numbers(desk, tmp_path):
    query = Frozen("uninsured", CITY)
    parts = text_rows(_write(desk, "csv", query))
    for cell in column(parts, "姓名"):
        assert not re.match(r"[\s=+\-@＝＋－＠]", cell), cell
    assert column(parts, "金额")[:3] == ["-400.00", "-0.50", ""]
    assert column(parts, "户号")[:2] == ["00012\t", "1-2\t"]
    assert set(column(parts, "日期")) == {"2026-03-01"}
    content = _write(desk, "xlsx", query)
    (tmp_path / "a.xlsx").write_bytes(content)
    assert lint_workbook(tmp_path / "a.xlsx") == []
    sheet = openpyxl.load_workbook(io.BytesIO(content)).active
    rows = [row for row in sheet.iter_rows() if str(row[0].value).isdigit()]
    assert [row[1].data_type for row in rows] == ["s"] * len(Frozen.NASTY)
    assert [row[3].value for row in rows[:3]] == [-400, -0.5, None] or [row[3].value for row in rows[:3]] == [
        -400,
        -0.5,
        "",
    ]
    assert {row[3].data_type for row in rows[:2]} == {"n"}
    for row in rows:
        if re.match(r"[\s　]*[=+\-@＝＋－＠]", row[1].value):
            assert row[1].quotePrefix


def test_a_list_that_came_out_short_does_not_leave(desk, monkeypatch):
    class Short(Frozen):
        def count(self, pub):
            return 99

    for form in ("xlsx", "csv"):
        with pytest.raises(listfile.ShortError):
            _write(desk, form, Short("uninsured", CITY))
    assert list(desk.installation.portal.downloads.folder.iterdir()) == []


def test_parts(desk, browser, monkeypatch):
    monkeypatch.setattr(desk.installation.portal.downloads, "part_rows", 10)
    one = browser("of-district")
    whole = desk.query("uninsured", DISTRICT).count(desk.pub)
    parts = -(-whole // 10)
    page = one.get("/uninsured")
    assert f"分 {parts} 个文件" in shown(page)
    assert f"file={parts}" in page.text
    names = []
    for part in range(1, parts + 1):
        found = text_rows(one.get(f"/uninsured.csv?file={part}").content)
        assert f"第{part}部分，共{parts}部分" in found[0][0][0]
        assert found[3][0][0] == f"以下无数据，共{len(found[2])}行"
        assert column(found, "序号")[0] == str((part - 1) * 10 + 1)
        names += column(found, "姓名")
    query, scope = desk.query("uninsured", DISTRICT), desk.scope("district")
    assert names == [query.shown(row, scope)["psn_name"] for batch in query.batches(desk.pub) for row in batch]
    for wrong in (0, parts + 1, "x", "²"):
        answer = one.get(f"/uninsured.csv?file={wrong}")
        assert answer.status_code == 400 and f"应为 1 至 {parts} 的整数" in answer.text


def test_the_right_to_see_is_not_the_right_to_take(desk, browser):
    one = browser("district-none")
    assert one.get("/uninsured").status_code == 200
    missing = one.get("/nothing-here")
    for path in ("/uninsured.xlsx", "/people.csv?measure=insured", "/duplicates.csv", "/downloads/full?list=uninsured"):
        answer = one.get(path)
        assert (answer.status_code, answer.text) == (404, missing.text)
        assert desk.installation.entries(outcome="refused")[-1]["account"] == "district-none"
    assert ".xlsx" not in one.get("/uninsured").text
    for path in (f"/uninsured.xlsx?division={OTHER_DISTRICT}", f"/duplicates.csv?division={CITY}"):
        assert browser("of-district").get(path).status_code == 404
        assert desk.installation.entries(outcome="refused")[-1]["reason"] == "division"


@pytest.mark.parametrize("name", ["district-masked", "township-full", "village-full", "of-city"])
def test_full_numbers_are_for_city_and_district_with_the_right(desk, browser, name):
    one = browser(name)
    assert one.get("/downloads/full?list=uninsured").status_code == 404
    token = one.token("/account" if name != "of-city" else "/logout")
    answer = one.client.post(
        "/downloads/full?list=uninsured", data={"csrf": token, "reason": "visit", "form": "csv", "code": "000000"}
    )
    assert answer.status_code == 404
    assert "下载完整号码" not in one.get("/uninsured").text


FULL = "/downloads/full?list=uninsured&reason=never"


def test_full_numbers_need_reason_and_code(desk, browser):
    portal = desk.installation
    one = browser("district-full")
    before = len(portal.entries(action="download"))
    assert "请选择用途" in shown(one.post(FULL, form="csv", code=portal.code("district-full")))
    for note in ("身份证500101199001011234", "电话 138 0013 8000", "１３８００１３８０００", "138-0013-8000"):
        answer = one.post(FULL, reason="visit", note=note, form="csv", code=portal.code("district-full"))
        assert answer.status_code == 400
        assert "不能含有" in shown(answer)
    assert "请写明用途" in shown(one.post(FULL, reason="other", form="csv", code=portal.code("district-full")))
    asked = one.post(FULL, reason="visit", note="三月入户", form="csv")
    assert asked.status_code == 403
    assert "动态码" in asked.text
    assert one.post(FULL, reason="visit", form="csv", code="000000").status_code == 403
    assert len(portal.entries(action="download")) == before
    answer = one.post(FULL, reason="visit", note="三月入户", form="csv", code=portal.code("district-full"))
    assert answer.status_code == 200
    parts = text_rows(answer.content)
    query, scope = query_of(desk, "/uninsured?reason=never", "district"), desk.scope("district")
    rows = [query.shown(row, scope, full=True) for batch in query.batches(desk.pub) for row in batch]
    assert [number.strip() for number in column(parts, "证件号码")] == [row["certno"] for row in rows]
    assert any(re.fullmatch(r"\d{17}[\dX]\t", number) for number in column(parts, "证件号码"))
    line = next(line[0] for line in parts[0] if "含完整号码" in line[0])
    for word in ("district-full", "入户核实与动员参保：三月入户", "渝中区", serial_of(answer)):
        assert word in line
    entry = portal.entries(action="download")[-1]
    assert entry["reason"] == "入户核实与动员参保：三月入户"
    assert entry["detail"]["level"] == "full"
    assert entry["rows"] == len(rows)
    assert entry["target"] == serial_of(answer)
    book = one.post(FULL, reason="visit", form="xlsx", code=portal.code("district-full"))
    sheet = openpyxl.load_workbook(io.BytesIO(book.content)).active
    assert "district-full" in sheet.oddHeader.center.text
    assert "入户核实" in sheet.oddHeader.center.text


@pytest.mark.parametrize(("form", "said", "reason"), [
    ({"reason": "visit"}, "请选择文件格式", "no format"),
    ({"reason": "visit", "form": "exe"}, "请选择文件格式", "no format"),
    ({"form": "csv"}, "请选择用途", "no reason"),
    ({}, "请选择用途。请选择文件格式。", "no reason"),
    ({"reason": "visit", "note": "电话 138 0013 8000", "form": "csv"}, "不能含有", "note"),
])  # fmt: skip
def test_what_is_missing_of_full_numbers_is_told_and_noted_as_what_it_is(desk, browser, form, said, reason):
    answer = browser("district-full").post(FULL, **form, code=desk.installation.code("district-full"))
    assert answer.status_code == 400 and said in shown(answer)
    entry = desk.installation.entries(action="download_full")[-1]
    assert (entry["outcome"], entry["reason"]) == ("refused", reason)
    assert re.search(r"[\u4e00-\u9fff]", words("reason")[reason])


def test_a_file_is_audited_before_its_first_byte(desk, browser, monkeypatch):
    """When the file begins to leave, the log has the entry; when it cannot, nothing leaves and nothing is left."""
    portal = desk.installation.portal
    seen = []
    started = downloads_module._Sent.__call__

    async def call(self, scope, receive, send):
        seen.append([entry["target"] for entry in portal.audit.entries() if entry["action"] == "download"])
        await started(self, scope, receive, send)

    monkeypatch.setattr(downloads_module._Sent, "__call__", call)
    answer = browser("of-district").get("/uninsured.csv")
    assert seen[0][-1] == serial_of(answer)
    one = browser("of-district")
    append, kept = portal.audit.append, set(portal.downloads.register.folder.iterdir())

    monkeypatch.setattr(
        portal.audit,
        "append",
        lambda action, **more: _audit_error(action) if action == "download" else append(action, **more),
    )
    answer = one.get("/uninsured.csv")
    assert answer.status_code == 503
    assert "编号" not in answer.text
    assert set(portal.downloads.register.folder.iterdir()) == kept
    assert list(portal.downloads.folder.iterdir()) == []


def test_a_killed_process_fails_nobody(desk, browser):
    """Neither who waits for it, nor the next one, who finds out that it is gone."""
    downloads = desk.installation.portal.downloads
    one = browser("of-district")
    for _ in range(2):
        assert one.get("/uninsured.csv").status_code == 200
        for process in list(downloads.writers.pool._processes.values()):
            os.kill(process.pid, signal.SIGKILL)
    assert one.get("/uninsured.csv").status_code == 200
    assert list(downloads.folder.iterdir()) == []


def test_a_list_that_kills_its_process_ends_after_two_tries(desk, monkeypatch):
    downloads = desk.installation.portal.downloads
    with pytest.raises(Stop) as stopped:
        asyncio.run(downloads.work(os._exit, 1, tries=2))
    assert stopped.value.status == 503
    assert downloads.writers.waiting == 0


def _audit_error(action):
    from canbao.portal.audit_log import AuditError

    raise AuditError(action)


def test_nothing_stays_behind(desk, browser):
    portal = desk.installation.portal
    browser("of-district").get("/uninsured.xlsx")
    assert list(portal.downloads.folder.iterdir()) == []
    left = portal.downloads.folder / "999999-left.xlsx"
    left.write_bytes(b"x")
    mine = portal.downloads.folder / f"{os.getpid()}-new.xlsx"
    mine.write_bytes(b"x")
    portal.downloads._sweep()
    assert not left.exists()
    assert mine.exists()
    mine.unlink()
    for path in (portal.downloads.register.path, *portal.downloads.register.folder.iterdir()):
        assert path.stat().st_mode & 0o077 == 0
    assert portal.downloads.folder.stat().st_mode & 0o077 == 0


def test_a_transfer_that_breaks_off_is_noted(desk, browser):
    portal = desk.installation.portal
    answer = browser("of-district").get("/uninsured.csv")
    download = portal.downloads.register.get(serial_of(answer))
    assert download.state == "done"

    async def receive():
        await asyncio.sleep(0)
        return {"type": "http.disconnect"}

    async def send(message):
        if message["type"] == "http.response.body":
            await asyncio.sleep(30)

    def file():
        return io.BytesIO(answer.content)

    sent = downloads_module._Sent(file(), download, "x", portal, "10.9.9.9")
    asyncio.run(sent({"type": "http"}, receive, send))
    assert portal.downloads.register.get(download.serial).state == "broken"
    entry = desk.installation.entries(action="download_incomplete")[-1]
    assert entry["target"] == download.serial
    assert entry["outcome"] == "failed"
    assert entry["detail"]["sent"] < entry["detail"]["bytes"]

    async def gone(message):
        raise OSError

    asyncio.run(downloads_module._Sent(file(), download, "x", portal, "")({"type": "http"}, asyncio.Event().wait, gone))
    assert len(desk.installation.entries(action="download_incomplete")) >= 2


def test_quota(desk, browser):
    portal = desk.installation
    name = portal.add("district-few", "district", desk.divisions["district"])
    portal.accounts.grant(name, role="district", division=desk.divisions["district"], export="masked", daily_rows=30)
    rows = desk.query("uninsured", DISTRICT).count(desk.pub)
    assert 15 < rows <= 30
    one = browser(name)
    assert one.get("/uninsured.csv").status_code == 200
    answer = one.get("/uninsured.csv")
    assert answer.status_code == 429
    assert "限额" in answer.text
    entry = portal.entries(action="quota_exceeded")[-1]
    assert (entry["account"], entry["outcome"], entry["rows"]) == (name, "refused", rows)
    assert portal.accounts.rows_given(name, portal.portal.downloads.day()) == rows
    portal.clock.forward(days=1)
    assert browser(name).get("/uninsured.csv").status_code == 200


def test_quota_is_told_once_a_day(desk, monkeypatch):
    told = []
    monkeypatch.setattr(downloads_module, "_tell", lambda *given: told.append(given))
    account = desk.installation.accounts.get("of-village")
    for _ in range(3):
        desk.installation.portal.downloads.alarm(account, "quota_exceeded", "line")
    for _ in range(50):
        if told:
            break
    assert len(told) <= 1


def test_files_asked_for_at_once_share_the_allowance(desk):
    """Two that each fit must not both leave without a second person."""
    register = desk.installation.portal.downloads.register
    day = desk.installation.portal.downloads.day()
    one = Download(
        serial="AAAA", at=0.0, day=day, account="somebody", holder="", role="district", division="", unit="", list="{}",
        title="", filters="", publication="", form="csv", part=1, parts=1, row_count=300, byte_count=1, level="full",
    )  # fmt: skip
    assert register.add_alone(one, 500)
    assert not register.add_alone(replace(one, serial="BBBB"), 500)
    assert register.get("BBBB") is None
    assert register.add_alone(replace(one, serial="CCCC", row_count=200), 500)
    assert register.full_rows("somebody", day) == 500


@pytest.fixture
def few(desk, monkeypatch):
    """Three full numbers are already many."""
    portal = desk.installation.portal
    monkeypatch.setattr(portal, "settings", replace(portal.settings, approve_above=3))
    desk.installation.clock.forward(days=2)
    return desk


def ask(few, browser, name="district-full", path=FULL, **more):
    one = browser(name)
    answer = one.post(path, reason="visit", form="csv", code=few.installation.code(name), **more)
    assert answer.status_code == 303, answer.text
    request = few.installation.portal.downloads.register.requests_of(name)[0]
    return one, request.request_id


def test_many_full_numbers_need_a_second_person(few, browser):
    installation = few.installation
    one, wanted = ask(few, browser)
    assert installation.entries(action="ask_full")[-1]["target"] == wanted
    page = one.get("/downloads")
    assert "待批准" in page.text
    assert "待您批准" not in page.text
    code = installation.code("district-full")
    assert (
        one.client.post(
            "/downloads/decide", data={"csrf": one.token("/account"), "id": wanted, "do": "approve", "code": code}
        ).status_code
        == 404
    )
    assert (
        one.post("/downloads/collect", page="/account", id=wanted, code=installation.code("district-full")).status_code
        == 409
    )
    for name in ("of-district", "district-masked", "village-full", "township-full"):
        other = browser(name)
        assert "待您批准" not in other.get("/downloads").text
        assert (
            other.client.post(
                "/downloads/decide", data={"csrf": other.token("/account"), "id": wanted, "do": "approve"}
            ).status_code
            == 404
        )
    two = browser("district-two")
    assert "待您批准" in two.get("/downloads").text
    assert two.post("/downloads/decide", page="/account", id=wanted, do="approve").status_code == 403  # no code
    answer = two.post(
        "/downloads/decide", page="/account", id=wanted, do="approve", code=installation.code("district-two")
    )
    assert answer.headers["location"] == "/downloads?told=approved"
    assert installation.entries(action="approve_full")[-1]["detail"]["asked_by"] == "district-full"
    assert (
        two.post("/downloads/collect", page="/account", id=wanted, code=installation.code("district-two")).status_code
        == 404
    )
    one = browser("district-full")
    assert one.post("/downloads/collect", page="/downloads", id=wanted).status_code == 403
    answer = one.post("/downloads/collect", page="/downloads", id=wanted, code=installation.code("district-full"))
    assert answer.status_code == 200
    assert "district-two 批准" in answer.content.decode("utf-8-sig")
    assert installation.entries(action="download")[-1]["detail"]["approved_by"] == "district-two"
    again = one.post("/downloads/collect", page="/account", id=wanted, code=installation.code("district-full"))
    assert again.status_code == 409


def test_a_higher_division_approves_and_a_lower_one_does_not(few, browser):
    _, wanted = ask(few, browser, "city-full", "/downloads/full?list=duplicates")
    two = browser("district-two")
    assert wanted not in two.get("/downloads").text
    assert two.post("/downloads/decide", page="/account", id=wanted, do="approve").status_code == 404
    _, wanted = ask(few, browser)
    three = browser("city-two")
    assert wanted in three.get("/downloads").text
    answer = three.post(
        "/downloads/decide", page="/account", id=wanted, do="decline", code=few.installation.code("city-two")
    )
    assert answer.headers["location"] == "/downloads?told=declined"
    one = browser("district-full")
    assert "未批准" in one.get("/downloads").text
    assert (
        one.post(
            "/downloads/collect", page="/account", id=wanted, code=few.installation.code("district-full")
        ).status_code
        == 409
    )


def test_what_is_not_approved_within_a_day_is_over(few, browser):
    _, wanted = ask(few, browser)
    few.installation.clock.forward(hours=25)
    two = browser("district-two")
    assert wanted not in two.get("/downloads").text
    assert two.post("/downloads/decide", page="/account", id=wanted, do="approve").status_code == 409
    assert "已过期" in browser("district-full").get("/downloads").text


def test_many_small_takes_are_a_great_one(few, browser):
    """Below the threshold each, above it together."""
    portal = few.installation.portal
    one = browser("city-two")
    small = next(
        f"/downloads/full?list=uninsured&division={row}"
        for row in few.table("uninsured")["resd_code"].drop_nulls().unique().sort()
        if few.pub.tree.get(row) and few.query("uninsured", row).count(few.pub) == 2
    )
    assert one.post(small, reason="visit", form="csv", code=few.installation.code("city-two")).status_code == 200
    assert portal.downloads.register.full_rows("city-two", portal.downloads.day()) == 2
    assert one.post(small, reason="visit", form="csv", code=few.installation.code("city-two")).status_code == 303


def test_too_many_at_once_are_asked_to_come_again(desk, browser, monkeypatch):
    monkeypatch.setattr(desk.installation.portal.downloads.writers, "most_waiting", 0)
    answer = browser("of-district").get("/uninsured.xlsx")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "30"
    assert "太多" in answer.text


def test_a_writer_that_dies_is_replaced(desk, browser):
    downloads = desk.installation.portal.downloads
    one = browser("of-district")
    assert one.get("/uninsured.csv").status_code == 200
    for worker in list(downloads.writers.pool._processes.values()):
        worker.kill()
        worker.join(10)
    codes = [one.get("/uninsured.csv").status_code for _ in range(3)]
    assert codes[-1] == 200
    assert set(codes) <= {200, 503}
    assert list(downloads.folder.iterdir()) == []


def test_own_downloads_only(desk, browser):
    answer = browser("of-township").get("/uninsured.csv")
    serial = serial_of(answer)
    assert serial in browser("of-township").get("/downloads").text
    for other in ("of-city", "of-district", "of-village", "district-full"):
        assert serial not in browser(other).get("/downloads").text


def test_head_makes_no_file(desk, browser):
    one = browser("of-district")
    before = len(desk.installation.entries(action="download"))
    assert one.client.head("/uninsured.xlsx").status_code == 200
    assert len(desk.installation.entries(action="download")) == before
