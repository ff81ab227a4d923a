"""The loop with the villages as staff see it: a real browser without scripts, from the dispatch to the next morning."""

import re
import socket
import threading
import time
from urllib.parse import urlsplit

import pytest
import uvicorn

from .field import Field, fill
from .kit import CITY, PASSWORD
from .test_browser import NARROW, WIDE, Window, chromium  # noqa: F401 - the last one is a fixture
from .test_loop_pages import with_setting


class Served(Field):
    """A field that a browser can reach; its clock is the test's."""

    port = 0

    def begin(self):
        super().begin()
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", self.port))
        self.port = listening.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.server = uvicorn.Server(
            uvicorn.Config(self.installation.app, lifespan="on", log_level="error", access_log=False)
        )
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [listening]}, daemon=True)
        self.thread.start()
        until = time.monotonic() + 60
        while not self.server.started and time.monotonic() < until:
            time.sleep(0.05)

    def end(self):
        self.server.should_exit = True
        self.thread.join(30)

    def night(self):
        self.end()
        super().night()

    def close(self):
        self.end()
        super().close()


@pytest.fixture(scope="module")
def field(published_home, tmp_path_factory):
    made = Served(published_home, tmp_path_factory.mktemp("served"), dispatched=False)
    yield made
    made.close()


@pytest.fixture
def window(chromium, field):  # noqa: F811
    opened = []

    def make(division, size=WIDE):
        name = field.name(division)
        if field.portal.accounts.get(name) is None:
            role = ("city", "district", "township", "village")[field.tree.get(division).level - 1]
            field.installation.add(name, role, division)
        opened.append(Window(chromium, field, size))
        opened[-1].sign_in(name, PASSWORD)
        return opened[-1]

    yield make
    for one in opened:
        one.context.close()
    assert [trouble for one in opened for trouble in one.troubles if "net::ERR_ABORTED" not in trouble] == []


def send(page, content, name="核实名单.xlsx"):
    page.goto("/feedback")
    page.set_input_files("input[name=file]", {"name": name, "mimeType": "application/octet-stream", "buffer": content})
    page.click("button:has-text('上传并核对')")


def test_a_round_with_the_villages(field, window):
    # The city measures, looks, and sends.
    city = window(CITY)
    page = city.page
    page.click(".nav a:has-text('下发与核实')")
    city.fits()
    assert "没有" in city.text()
    page.fill("input[name=due]", "2026-01-29")
    page.click("button:has-text('测算')")
    city.fits()
    said = re.search(r"([\d,]+) 个批次，([\d,]+) 人次", city.text())
    assert "什么也没有下发" in city.text() and field.loop.batches() == []
    page.click("button:has-text('确认下发')")
    assert "批次已下发" in city.text() and f"共 {said[1]} 个批次，{said[2]} 人次" in city.text()
    city.fits()

    # A village takes its list and the sheet for paper, fills, and sends it back.
    apart = field.apart(districts=True)[0]
    village = next(code for code in field.villages(2) if code not in {row["division_code"] for row in apart})
    clerk = window(village)
    page = clerk.page
    page.click(".nav a:has-text('下发与核实')")
    page.locator("a[href^='/dispatch/batch']").first.click()
    clerk.fits()
    batch = field.batch_of(village)
    assert batch.batch_id in page.title()
    name, visit = clerk.download("a:has-text('下载入户核实表')")
    assert name.endswith(".xlsx") and "入户核实表" in name and visit[:2] == b"PK"
    name, content = clerk.download("a:has-text('下载核实名单')")
    assert name.startswith(batch.batch_id) and not re.search(r"\d{17}", name)
    page.click("a:has-text('填好后上传')")
    clerk.fits()
    send(page, fill(content, {1: "W1 拒参", 2: "M1 服役(现役)"}, field.day, 填报人="网格员"))
    assert "/feedback/preview" in page.url and "什么也没有保存" in clerk.text()
    assert re.search(r"将采用\s+1 行", clerk.text()) and re.search(r"将退回\s+1 行", clerk.text())
    clerk.fits()
    page.click("button:has-text('放弃')")
    assert "没有保存任何内容" in clerk.text() and field.loop.receipts() == []
    send(page, fill(content, {1: "W1 拒参", 2: "M1 服役(现役)"}, field.day, 填报人="网格员"))
    page.click("button:has-text('确认提交')")
    first = page.locator("h1").inner_text().split()[1]
    assert "待今夜计入 1" in clerk.text() and page.locator("table.list tbody tr").count() == 2
    clerk.fits()

    # The refused row alone is mended and sent again; the first return is taken back and sent anew.
    name, back = clerk.download("a:has-text('下载退回的行')")
    assert first in name
    code = field.loop.rows_of(batch.batch_no).filter(serial=2)["row_code"][0]
    send(page, fill(back, {code: {"核实结果": "M1", "预计结束日期": "2027-09-01"}}, field.day), "退回更正.xlsx")
    assert re.search(r"将采用\s+1 行", clerk.text()) and "0 行" in clerk.text()
    page.click("button:has-text('确认提交')")
    page.goto(f"/feedback/receipt?no={first}")
    page.click("button:has-text('撤回本回执')")
    assert "已撤回" in clerk.text() and page.locator("button:has-text('撤回本回执')").count() == 0
    send(page, fill(content, {1: "W5 待办理"}, field.day))
    page.click("button:has-text('确认提交')")
    last = page.locator("h1").inner_text().split()[1]
    assert last != first
    page.goto(f"/dispatch/batch?id={batch.batch_id}")
    assert "已回收 2 人" in clerk.text() and "待办理" in clerk.text() and "服役" in clerk.text()
    send(page, b"no workbook", "坏.xlsx")
    assert "未读入" in clerk.text() and urlsplit(page.url).path == "/feedback"
    clerk.troubles.clear()  # the browser notes the refusal

    # 镇审: one side's answer waits for its township; both sides contradict each other.
    with_setting(field, "township_confirms = true")
    try:
        for row, reason in zip(apart, ("W1", "I1"), strict=True):
            side = window(row["division_code"])
            side.page.goto(f"/dispatch/batch?id={field.batch_of(row['division_code']).batch_id}")
            _, content = side.download("a:has-text('下载核实名单')")
            send(side.page, fill(content, {row["row_code"]: reason}, field.day))
            assert "由乡镇（街道）审核" in side.text()
            side.page.click("button:has-text('确认提交')")
            assert "待镇审" in side.text()
            town = window(row["division_code"][:9] + "000", NARROW)
            town.page.goto("/feedback")
            town.fits()
            town.page.locator("h2:has-text('待审核') ~ div a").first.click()
            town.fits()
            town.page.fill("input[name=note]", "情况属实")
            town.page.click("button:has-text('审核通过')")
            assert "已提交" in town.text() and "情况属实" in town.text()
    finally:
        with_setting(field, "")

    # The next morning.
    field.night()
    clerk = window(village, NARROW)
    page = clerk.page
    page.goto("/feedback")
    page.click(f"a:has-text('{last}')")
    clerk.fits()
    assert "已采纳 1" in clerk.text() and page.locator("button:has-text('撤回')").count() == 0
    page.emulate_media(media="print")
    assert page.locator(".watermark").is_visible() and not page.locator(".nav").is_visible()
    page.emulate_media(media="screen")
    page.goto("/dispatch")
    clerk.fits()
    assert "已回齐" in clerk.text() or batch.rows > 2
    sides = [window(row["division_code"]) for row in apart]
    for side, row in zip(sides, apart, strict=True):
        side.page.goto(f"/dispatch/batch?id={field.batch_of(row['division_code']).batch_id}")
        assert "对方答复" in side.text() and "待上级核定" in side.text()
        side.fits()

    # What two districts disagree about the city settles.
    town = window(apart[0]["division_code"][:9] + "000")
    town.page.goto("/disputes")
    assert "核定" in town.text() and town.page.locator("form[action='/disputes']").count() == 0
    city = window(CITY)
    page = city.page
    page.click(".nav a:has-text('答复分歧')")
    city.fits()
    page.select_option("form[action='/disputes'] select", "I1")
    page.fill("form[action='/disputes'] input[name=note]", "已核对异地参保凭证")
    page.click("form[action='/disputes'] button")
    assert "已核定，待今夜计入" in city.text() and page.locator("form[action='/disputes']").count() == 0
    page.goto("/")
    assert "待核定的答复分歧" in city.text()
