"""The portal as staff use it: a real process, a real browser without scripts, an office's screen and a telephone's."""

import csv
import http.client
import io
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import openpyxl
import polars as pl
import pyotp
import pytest

from canbao.home import Home
from canbao.paths import package_dir
from canbao.portal.accounts import Accounts
from canbao.portal.second_factor import Totp
from tests.quality.test_site import CHROMIUM, FLAGS, TOO_NEW, contrast

from .kit import ADMINS, CITY, PASSWORD
from .published import DISTRICT, link_home

playwright = pytest.importorskip("playwright.sync_api")

ON_THE_WAY = 15  # seconds a form may take from being filled in to being judged
WIDE, NARROW = {"width": 1366, "height": 768}, {"width": 390, "height": 844}
NEW_PASSWORD = "江边 lantern 三只 kettle"  # noqa: S105 - made up


class Telephone:
    """Shows codes of a second factor; each counts once, so it takes the next one that still counts."""

    def __init__(self, secret):
        self.totp, self.used = pyotp.TOTP(secret.replace(" ", "")), 0

    def code(self):
        while self.used > time.time() // 30:  # one step ahead is let pass, two are not
            time.sleep(0.5)
        # the last step's code still counts, but not if the step changes before the form has arrived
        self.used = max(self.used + 1, int((time.time() + ON_THE_WAY) // 30) - 1)
        return self.totp.at(self.used * 30)


class Site:
    """A portal as a process, and who has an account."""

    def __init__(self, home, village):
        self.home = home
        self.phones = {}
        self.divisions = {
            "city": CITY, "district": DISTRICT, "township": f"{village[:9]}000", "village": village
        }  # fmt: skip
        accounts = Accounts(home)
        for role, division in self.divisions.items():
            export = "full" if role in {"city", "district"} else "masked"
            accounts.add(f"{role}-office", PASSWORD, role=role, division=division, export=export)
            if export == "full":
                self.telephone(accounts, f"{role}-office")
        accounts.add("with-telephone", PASSWORD, role="district", division=DISTRICT, export="full")
        accounts.add("newcomer", PASSWORD, role="city", division=CITY, export="full", must_change=True)
        for role in ADMINS:
            accounts.add(role.replace("_", "-"), PASSWORD, role=role)
        command = [sys.executable, "-m", "canbao", "serve", "--home", str(home), "--port", "0"]
        self.said = (home / "said.txt").open("w+")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.said, text=True)
        self.address = re.search(r"http://\S+", self.process.stdout.readline())[0]
        self.ready()

    def telephone(self, accounts, name):
        """A second factor that was set up before."""
        factor = Totp(accounts, Home(self.home))
        self.phones[name] = Telephone(factor.begin(name, "").secret)
        assert factor.check(name, self.phones[name].code(), datetime.now(UTC))

    def ready(self):
        """Wait until the publication is served."""
        until = time.monotonic() + 120
        while time.monotonic() < until:
            place = http.client.HTTPConnection(urlsplit(self.address).netloc, timeout=30)
            place.request("GET", "/healthz")
            if b'"as_of":"' in place.getresponse().read():
                return
            time.sleep(0.3)
        raise TimeoutError

    def close(self):
        self.process.terminate()
        self.process.wait(30)
        self.process.stdout.close()
        self.said.close()


@pytest.fixture(scope="module")
def site(published_home, tmp_path_factory):
    home = link_home(published_home, tmp_path_factory.mktemp("browser"))
    listed = pl.read_parquet(home / "published" / "current" / "uninsured.parquet").filter(
        pl.col("live_code").str.starts_with(DISTRICT[:6]) & ~pl.col("live_code").str.ends_with("000")
    )
    made = Site(home, listed["live_code"].mode().sort()[0])
    yield made
    made.close()


@pytest.fixture(scope="module")
def chromium():
    if not Path(CHROMIUM).exists():
        pytest.skip("no chromium (make browser)")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Window:
    """A browser's window without scripts; what goes wrong in it is kept."""

    def __init__(self, chromium, site, size):
        self.site = site
        self.context = chromium.new_context(
            viewport=size, java_script_enabled=False, base_url=site.address, locale="zh-CN"
        )
        self.page = self.context.new_page()
        self.troubles: list[str] = []
        self.page.on(
            "console", lambda one: self.troubles.append(one.text) if one.type in ("error", "warning") else None
        )
        self.page.on("requestfailed", lambda one: self.troubles.append(f"failed: {one.url} {one.failure}"))
        self.page.on("request", lambda one: None if one.url.startswith(site.address) else self.troubles.append(one.url))
        self.page.on(
            "response", lambda one: self.troubles.append(f"{one.status} {one.url}") if one.status >= 500 else None
        )

    def sign_in(self, name, password=PASSWORD):
        self.page.goto("/login")
        self.page.fill("input[name=username]", name)
        self.page.fill("input[name=password]", password)
        self.page.click("button:has-text('登录')")
        if urlsplit(self.page.url).path == "/login/code":
            self.page.fill("input[name=code]", self.site.phones[name].code())
            self.page.click("form.stack button")

    def set_up_factor(self, name, password=PASSWORD):
        """On the page for it, and only that one is there."""
        self.page.fill("input[name=password]", password)
        self.page.click("button:has-text('开始设置')")
        self.site.phones[name] = Telephone(self.page.locator(".secret").inner_text())
        self.page.fill("input[name=code]", "000000")
        self.page.click("button:has-text('确认设置')")
        assert "不正确" in self.text()
        self.troubles.clear()  # the browser notes the refusal
        self.page.fill("input[name=code]", self.site.phones[name].code())
        self.page.click("button:has-text('确认设置')")
        assert "动态码已设置" in self.text()

    def arrived(self):
        """A click returns when its answer has begun: no element of the new page need be there yet."""
        self.page.wait_for_load_state()

    def text(self):
        self.arrived()
        return self.page.locator("body").inner_text()

    def fits(self):
        """The page is not wider than the screen; only tables in it may be moved sideways."""
        self.arrived()
        wide = self.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= self.page.viewport_size["width"], (self.page.url, wide)

    def download(self, selector):
        with self.page.expect_download() as waiting:
            self.page.click(selector)
        return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


@pytest.fixture
def window(chromium, site):
    opened = []

    def make(size=WIDE):
        opened.append(Window(chromium, site, size))
        return opened[-1]

    yield make
    for one in opened:
        one.context.close()
    assert [trouble for one in opened for trouble in one.troubles if "net::ERR_ABORTED" not in trouble] == []


# ------------------------------------------------------------------------------------------------------------ one day


def test_a_day_at_the_city_s_bureau(site, window):
    """Sign in, change the first password, drill down, filter, take files, see somebody's file, sign out."""
    here = window()
    page = here.page
    here.sign_in("newcomer", "not the password")
    assert "用户名或密码不正确" in here.text()
    here.sign_in("newcomer")
    here.troubles.clear()  # the browser notes the refusal above
    assert page.url.endswith("/account/password") and "须先修改" in here.text()
    page.goto("/uninsured")
    assert page.url.endswith("/account/password"), "nothing else before the password is changed"
    page.fill("input[name=old_password]", PASSWORD)
    page.fill("input[name=new_password]", NEW_PASSWORD)
    page.fill("input[name=new_password_again]", NEW_PASSWORD)
    page.click("button:has-text('修改')")
    assert urlsplit(page.url).path == "/account/second-factor" and "须先设置" in here.text()
    here.fits()
    page.goto("/uninsured")
    assert urlsplit(page.url).path == "/account/second-factor", "nor before there is a second factor"
    here.set_up_factor("newcomer", NEW_PASSWORD)
    page.goto("/")
    assert "重庆市" in page.locator("h1").inner_text()

    # City, district, township, village; back up by the crumbs; the other basis.
    page.click(".nav a:has-text('参保台账')")
    tree = []
    for level in range(3):
        assert page.locator(".ledger tbody tr.sum").count() == 1
        wanted = site.divisions[("district", "township", "village")[level]]
        link = page.locator(f".ledger tbody th a[href*='division={wanted}']")
        assert link.count() == 1
        tree.append(link.inner_text())
        link.click()
        assert tree[-1] in page.locator("h1").inner_text()
        here.fits()
    assert page.locator(".crumbs a").count() == 3
    page.locator(".crumbs a").nth(1).click()
    assert tree[0] in page.locator("h1").inner_text()
    before = page.locator(".ledger tbody tr.sum").inner_text()
    page.click(".tabs a:has-text('常住')")
    assert "basis=residence" in page.url
    after = page.locator(".ledger tbody tr.sum").inner_text()
    assert before != after

    # A number opens its list, which holds as many rows as the number says.
    page.goto("/ledger?basis=household")
    cell = page.locator(".ledger tbody tr.sum td a[href^='/uninsured']").first
    number = int(cell.inner_text().replace(",", ""))
    cell.click()
    assert f"共 {number:,} 人" in here.text()
    assert number > 50 and page.locator("table.list tbody tr").count() == 50
    page.locator(".pages a:has-text('下一页')").first.click()
    assert "page=2" in page.url and page.locator("table.list tbody td").first.inner_text() == "51"

    # Filters, and the file of exactly what is filtered.
    page.select_option("select[name=reason]", label="从未参保")
    page.select_option("select[name=sort]", "priority")
    page.click("button:has-text('筛选')")
    some = int(re.search(r"共 ([\d,]+) 人", here.text())[1].replace(",", ""))
    assert 0 < some < number and "page=2" not in page.url
    first_names = page.locator("table.list tbody tr td:nth-child(2)").all_inner_texts()
    name, file = here.download("a:has-text('.xlsx')")
    assert name.endswith(".xlsx") and not re.search(r"\d{17}", name)
    book = openpyxl.load_workbook(io.BytesIO(file)).worksheets[0]
    rows = [[cell for cell in row if cell is not None] for row in book.iter_rows(values_only=True)]
    assert re.search(rf"(?<!\d){some} ?行", str(rows[:8])), rows[:8]
    assert re.search(rf"以下无数据，共 ?{some} ?行", str(rows[-3:])), rows[-3:]
    assert not re.search(r"\d{17}[\dX]", str(rows))
    people = [str(cell) for row in rows for cell in row]
    assert all(one.split("\n")[0] in people for one in first_names if one.split("\n")[0] != "（无姓名）")
    name, file = here.download("a:has-text('.csv')")
    assert file.startswith(b"\xef\xbb\xbf")
    lines = list(csv.reader(io.StringIO(file.decode("utf-8-sig"))))
    assert any(f"以下无数据，共{some}行" in line[0].replace(" ", "") for line in lines[-3:] if line) and not re.search(
        r"\d{17}[\dX]", str(lines)
    )
    with_numbers = [line for line in lines if any("***" in cell for cell in line)]
    assert len(with_numbers) == some

    # Somebody's file, and the sheet to print.
    page.locator("table.list tbody td a").first.click()
    assert page.url.split("/")[-2] == "person" and "参保状态" in here.text()
    person = page.locator("h1").inner_text().split("　")[0].strip()
    assert person not in page.title() and person not in page.url
    here.fits()
    page.click("a:has-text('打印核查单')")
    printed = page.pdf(prefer_css_page_size=True)
    sizes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", printed)
    assert len(sizes) == 1, f"{len(sizes)} sheets of paper"
    assert (round(float(sizes[0][0])), round(float(sizes[0][1]))) == (595, 842)
    page.emulate_media(media="print")
    assert page.locator(".watermark").is_visible() and not page.locator(".nav").is_visible()
    page.emulate_media(media="screen")
    page.click("a:has-text('返回个人参保档案')")
    page.select_option("#objection select", index=1)
    page.fill("#objection textarea", "与本人情况不符，请核对。")
    page.click("button:has-text('提交异议')")
    assert "待处理" in here.text()

    # Out; the way back is closed.
    page.click("button:has-text('退出')")
    assert urlsplit(page.url).path == "/login"
    page.goto("/uninsured")
    assert urlsplit(page.url).path == "/login"


def test_full_numbers_need_a_reason_and_the_second_factor(site, window):
    here = window()
    page = here.page
    here.sign_in("with-telephone")
    here.set_up_factor("with-telephone")
    phone = site.phones["with-telephone"]
    page.click(".nav a:has-text('未参保名单')")
    count = int(re.search(r"共 ([\d,]+) 人", here.text())[1].replace(",", ""))
    page.click("a:has-text('下载完整号码')")
    here.fits()
    page.click("form.stack button")
    assert "请选择用途" in here.text()
    here.troubles.clear()
    page.select_option("select[name=reason]", "visit")
    page.fill("input[name=note]", "第一批入户")
    page.select_option("select[name=form]", "csv")
    page.click("form.stack button")
    assert "确认本人操作" in here.text(), "without the code it is asked for"
    here.troubles.clear()
    page.fill("input[name=code]", phone.code())
    _, file = here.download("button:has-text('确认')")
    lines = list(csv.reader(io.StringIO(file.decode("utf-8-sig"))))
    text = str(lines)
    assert len(re.findall(r"'\d{17}[\dX]", text)) > count / 2
    assert "with-telephone" in text and "入户" in text and re.search(r"编号", text)
    page.goto("/downloads")
    assert "完整" in here.text() and "入户" in here.text()
    entries = (site.home / "audit").glob("*.jsonl")
    noted = "".join(path.read_text() for path in entries)
    assert (
        '"action": "download"' in noted
        and "第一批入户" in noted
        and not re.search(r"(?<![0-9a-f])\d{17}[\dX](?![0-9a-f])", noted)
    )


def test_administrators_do_their_part_each(site, window):
    system, security, auditor = window(), window(), window()
    phones = site.phones
    for here, name in ((system, "system-admin"), (security, "security-admin"), (auditor, "auditor")):
        here.sign_in(name)
        here.set_up_factor(name)
        assert here.page.locator("a:has-text('未参保')").count() == 0
    page = system.page
    page.click(".nav a:has-text('账号')")
    page.fill("input[name=name]", "village-clerk")
    page.fill("input[name=holder]", "某村 网格员")
    if page.locator("form[action='/accounts/make'] input[name=code]").count():
        page.fill("form[action='/accounts/make'] input[name=code]", phones["system-admin"].code())
    page.click("form[action='/accounts/make'] button")
    first = page.locator(".once").inner_text()
    assert len(first) >= 12
    page = security.page
    page.goto("/accounts/one?name=village-clerk")
    page.select_option("select[name=role]", "village")
    page.fill("input[name=division]", site.divisions["village"])
    page.select_option("select[name=export]", "masked")
    form = "form[action='/accounts/grant'] "
    if page.locator(f"{form}input[name=code]").count():
        page.fill(f"{form}input[name=code]", phones["security-admin"].code())
    page.click(f"{form}button")
    assert "village-clerk" in security.text()
    clerk = window()
    clerk.sign_in("village-clerk", first)
    assert clerk.page.url.endswith("/account/password")
    auditor.page.click(".nav a:has-text('审计日志')")
    assert "village-clerk" in auditor.text() and "授权" in auditor.text()
    auditor.fits()
    name, file = auditor.download("a[href^='/audit.csv']")
    assert name.endswith(".csv") and b"village-clerk" in file


# ------------------------------------------------------------------------------------------------- every role's pages


def linked(page):
    """Pages of this portal that a page leads to, one of each kind."""
    found = {}
    for link in page.locator("a[href^='/']").evaluate_all("all => all.map(one => one.getAttribute('href'))"):
        path = link.partition("#")[0]
        kind = re.sub(r"[0-9a-f]{32}|\d{12}-?", "…", path.partition("?")[0])
        if not path.partition("?")[0].endswith((".xlsx", ".csv")):
            found.setdefault(kind, path)
    return found


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["desktop", "narrow"])
@pytest.mark.parametrize("role", ["city", "district", "township", "village"])
def test_every_page_fits_and_breaks_nothing(site, window, role, size):
    here = window(size)
    page = here.page
    page.goto("/login")
    here.fits()
    here.sign_in(f"{role}-office")
    waiting, seen = {"/": "/"}, {}
    while waiting:
        kind, path = waiting.popitem()
        page.goto(path)
        seen[kind] = path
        assert page.title().strip()
        publication = kind.startswith(("/quality", "/rules.html"))  # its own pages, made for an office's screen
        if size is WIDE or not publication:
            here.fits()
        if not publication:
            waiting |= {one: where for one, where in linked(page).items() if one not in seen}
    assert {
        "/",
        "/ledger",
        "/uninsured",
        "/people",
        "/duplicates",
        "/search",
        "/person/…",
        "/person/…/sheet",
        "/account",
    } <= set(seen)
    if size is WIDE:
        page.goto("/uninsured")
        table = page.locator("table.list").bounding_box()
        assert table["width"] <= 1366, "an office's screen shows a row at once"


# --------------------------------------------------------------------------------------- what is sent, and what is said


def test_nobody_stands_in_addresses_or_in_what_the_process_says(site, chromium):
    """U9: nothing of a person in what the server prints, and addresses are printed nowhere."""
    site.said.flush()
    text = Path(site.said.name).read_text()
    assert "GET " not in text and "/person/" not in text
    names = pl.read_parquet(site.home / "published" / "current" / "person.parquet")["psn_name"].to_list()
    assert not [one for one in names if one and len(one) > 1 and one in text]
    assert not re.search(r"\d{17}[\dX]|1\d{10}", text)


def test_a_path_reaches_the_portal_as_it_was_sent(site, chromium):
    """Dots and slashes that clients would tidy up, through the real server."""
    here = Window(chromium, site, WIDE)
    here.sign_in("village-office")
    cookie = "; ".join(f"{one['name']}={one['value']}" for one in here.context.cookies())
    here.context.close()
    place = http.client.HTTPConnection(urlsplit(site.address).netloc, timeout=30)

    def fetch(path, method="GET"):
        place.request(method, path, headers={"Cookie": cookie})
        answer = place.getresponse()
        return answer.status, answer.read()

    unknown = fetch("/no-such-page")
    assert unknown[0] == 404
    for path in (
        "/ledger/..%2f", "//person/0", "/quality/../person", "/quality/..%2f..%2fperson.parquet", "/static/../app.py",
        "/static/..%2fapp.py", "/%2e%2e/%2e%2e/etc/passwd", "/ledger?division=500104000000", "/ledger%3fdivision=1",
        "/uninsured?division=%35%30%30%31%30%34%30%30%30%30%30%30", "/uninsured.xlsx?division=500104000000", "/ledger;x",
    ):  # fmt: skip
        assert fetch(path) == unknown, path
    assert fetch("/ledger", "PUT") == unknown
    assert fetch("/person/0", "HEAD") == (404, b"")
    assert fetch("/ledger")[0] == 200


# ------------------------------------------------------------------------------------------------- old browsers, colours


def test_nothing_newer_than_chromium_80():
    folder = package_dir("portal")
    texts = {path.name: path.read_text(encoding="utf-8") for path in (folder / "templates").iterdir()}
    texts |= {
        path.name: path.read_text(encoding="utf-8") for path in (folder / "static").iterdir() if path.suffix == ".css"
    }
    assert len(texts) > 25
    for name, text in texts.items():
        css = text if name.endswith(".css") else ""
        assert name.endswith(".css") or not re.search(r"<style|\sstyle=", text), f"{name}: styles of its own"
        for pattern, what in TOO_NEW.items():
            where = text if what in {"newer HTML", "what would be fetched", "script"} else css
            assert not re.search(pattern, where), f"{name}: {what}"


COLOURS = """all => all.filter(one => one.innerText && [...one.childNodes].some(n => n.nodeType === 3 && n.data.trim())).map(one => {
  const style = getComputedStyle(one); let behind = one, fill = 'rgba(0, 0, 0, 0)';
  while (behind && (fill = getComputedStyle(behind).backgroundColor) === 'rgba(0, 0, 0, 0)') behind = behind.parentElement;
  return [style.color, behind ? fill : 'rgb(255, 255, 255)', parseFloat(style.fontSize), one.innerText.slice(0, 20)];
})"""
MARK, THROUGH = (0x44, 0x54, 0x6A), 0.17
"""Colour of the watermark, and how much of it there is."""


def hexed(parts):
    return "#" + "".join(f"{part:02x}" for part in parts)


def parts_of(colour):
    return [int(float(part)) for part in re.findall(r"[\d.]+", colour)[:3]]


def test_text_can_be_read_also_through_the_watermark(site, window):
    here = window()
    here.sign_in("township-office")
    seen = set()
    for path in ("/login", "/", "/ledger", "/uninsured", "/duplicates", "/search", "/account", "/downloads"):
        here.page.goto(path)
        person = here.page.locator("a[href^='/person/']")
        seen |= {tuple(one[:2]) for one in here.page.locator("body *").evaluate_all(COLOURS)}
    here.page.goto("/uninsured")
    person = here.page.locator("a[href^='/person/']").first.get_attribute("href")
    here.page.goto(person)
    seen |= {tuple(one[:2]) for one in here.page.locator("body *").evaluate_all(COLOURS)}
    assert len(seen) >= 6
    for text, fill in seen:
        one, other = parts_of(text), parts_of(fill)
        marked = [round(part * (1 - THROUGH) + mark * THROUGH) for part, mark in zip(other, MARK, strict=True)]
        assert contrast(hexed(one), hexed(other)) >= 4.5, (text, fill)
        assert contrast(hexed(one), hexed(marked)) >= 3 or one == [255, 255, 255], (text, fill)
