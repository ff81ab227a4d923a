"""The quality site: every page opened in a browser without script, every link followed, figures tied to the tables."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import polars as pl
import pytest

from canbao.errors import Blocked
from canbao.gates import Check
from canbao.intake import load_definitions
from canbao.quality.catalogue import load_catalogue
from canbao.quality.site import SiteData, charts, write_site
from canbao.quality.site.data import products
from canbao.quality.site.figures import masked, number
from canbao.quality.site.pages import style
from canbao.quality.site.words import words
from tests.story import Story

TEMPLATES = Path(charts.__file__).parent / "templates"
PAGE_LIMIT, SITE_LIMIT = 500_000, 20_000_000
CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@dataclass
class Nights:
    """A story's home after two good nights, a stopped one and a good one."""

    home: Path
    first: Path
    last: Path
    stopped: Path
    people: pl.DataFrame

    @property
    def site(self) -> Path:
        return self.last / "reports" / "quality"

    def table(self, name: str) -> pl.DataFrame:
        return pl.read_parquet(self.last / f"{name}.parquet")


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    story = Story(tmp_path_factory.mktemp("site"), persons=600)
    published = [story.run(great_expectations=False).published]
    story.next_day()
    published.append(story.run(great_expectations=False, reports=False).published)
    story.next_day()
    without = story.frame("population").filter(~pl.col("resd_code").str.starts_with("500108"))
    story.deliver("population", without, stands=False)
    with pytest.raises(Blocked):
        story.run(great_expectations=False)
    story.next_day()
    story.next_day()
    published.append(story.run().published)
    stopped = next((story.home / "runs").glob("*/quality"))
    first, *_, last = [folder for folder in published if folder is not None]
    return Nights(story.home, first, last, stopped, story.frame("population"))


class Page(HTMLParser):
    """A page's links, the places in it that can be linked to, and its tables as text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: list[str] = []
        self.tags: set[str] = set()
        self.rows: list[list[str]] = []
        self._cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]
        self.places += [value or "" for name, value in attrs if name == "id"]
        if tag == "tr":
            self.rows.append([])
        self._cell = tag in {"td", "th"} or (self._cell and tag not in {"tr", "table"})
        if tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._cell = self._cell and tag not in {"td", "th"}

    def handle_data(self, data: str) -> None:
        if self._cell and self.rows:
            self.rows[-1][-1] += data

    def row(self, label: str) -> list[str]:
        """The cells of the first row that begins with a label."""
        return next([cell.strip() for cell in row] for row in self.rows if row and row[0].strip() == label)


def pages(site: Path) -> list[Path]:
    return sorted(path for path in site.rglob("*.html") if "data_docs" not in path.parts)


def read(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


# -------------------------------------------------------------------------------------------------- links and sizes


@pytest.mark.parametrize("which", ["first", "last", "stopped"])
def test_every_link_resolves(nights: Nights, which: str) -> None:
    site = nights.stopped if which == "stopped" else getattr(nights, which) / "reports" / "quality"
    read_pages = {path: read(path) for path in pages(site)}
    assert len(read_pages) > 20
    reached = set()
    for path, page in read_pages.items():
        assert len(set(page.places)) == len(page.places), f"{path.name}: one id twice"
        assert not page.tags & {"script", "iframe", "object", "embed", "form"}
        for link in page.links:
            parts = urlsplit(link)
            assert not parts.scheme and not parts.netloc and not link.startswith("/"), link
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.exists(), f"{path.relative_to(site)} -> {link}"
            if parts.fragment:
                assert parts.fragment in read_pages[target].places, f"{path.name} -> {link}"
            reached.add(target)
    assert {path.resolve() for path in read_pages} - reached == set(), "a page that no other leads to"


def test_sizes(nights: Nights) -> None:
    for site in (nights.site, nights.stopped):
        found = [path for path in site.rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in found) < SITE_LIMIT
        assert max(path.stat().st_size for path in pages(site)) < PAGE_LIMIT


# ------------------------------------------------------------------------------------------------------- the browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    if not Path(CHROMIUM).exists():
        pytest.skip("no chromium (make browser)")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


def open_in_a_browser(browser: Any, site: Path, wanted: Iterable[Path]) -> None:
    context = browser.new_context(viewport={"width": 1366, "height": 768}, java_script_enabled=False)
    page = context.new_page()
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.on("requestfailed", lambda request: troubles.append(f"failed: {request.url}"))
    page.on("request", lambda request: None if request.url.startswith("file://") else troubles.append(request.url))
    for path in wanted:
        page.goto(path.as_uri())
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 1366, f"{path.relative_to(site)} is {width} wide"
        assert page.title().strip(), path
        assert page.locator("h1, .say").count() >= 1, path
    assert troubles == []
    context.close()


@pytest.mark.parametrize("which", ["last", "stopped"])
def test_pages_of_every_kind_open_in_a_browser(nights: Nights, browser: Any, which: str) -> None:
    """All but the pages of single checks; of these, which are the most by far, the largest and some others."""
    site = nights.stopped if which == "stopped" else nights.site
    checks = sorted((site / "checks").iterdir(), key=lambda path: path.stat().st_size, reverse=True)
    others = [path for path in pages(site) if path.parent.name != "checks"]
    assert len(others) > 20
    open_in_a_browser(browser, site, [*others, *checks[:10], *checks[10::12]])


@pytest.mark.slow
@pytest.mark.parametrize("which", ["last", "stopped"])
def test_every_page_opens_in_a_browser(nights: Nights, browser: Any, which: str) -> None:
    site = nights.stopped if which == "stopped" else nights.site
    open_in_a_browser(browser, site, pages(site))


def test_the_first_screen_says_whether_the_ledger_can_be_trusted(nights: Nights, browser: Any) -> None:
    page = browser.new_page(viewport={"width": 1366, "height": 768}, java_script_enabled=False)
    for site, word in ((nights.site, "有效期至"), (nights.stopped, "今夜没有发布，请继续使用 2026-01-13 的发布")):
        page.goto((site / "index.html").as_uri())
        said = page.locator(".say")
        assert word in said.inner_text()
        box = said.bounding_box()
        assert box["y"] + box["height"] < 768
    page.close()


def test_the_morning_page_keeps_its_order(nights: Nights) -> None:
    text = (nights.site / "index.html").read_text(encoding="utf-8")
    found = re.findall(r"<h2[^>]*>([^<]*)</h2>", text)
    assert found == [
        "主要数字为什么变了", "各部门送来了什么", "未了结的问题", "哪些产品能用", "规则和区划与上次相比",
        "逾期未答复的校核申请", "现在要做什么",
    ]  # fmt: skip
    assert text.index('class="say') < text.index("<h2")


def test_checks_are_filtered_without_script(nights: Nights, browser: Any) -> None:
    page = browser.new_page(viewport={"width": 1366, "height": 768}, java_script_enabled=False)
    page.goto((nights.site / "checks.html").as_uri())
    every = page.locator("tbody tr").count()
    assert every == nights.table("quality_metric").height
    for name in ("p-waiting", "a-timeliness", "d-1"):
        page.click(f'.filters a[href="#{name}"]')
        shown = page.locator("tbody tr:visible").count()
        assert 0 < shown < every
        assert shown == page.locator(f"tbody tr.{name}").count()
    page.click('.filters a[href="#all"]')
    assert page.locator("tbody tr:visible").count() == every
    page.close()


def test_pages_print_on_a4(nights: Nights, browser: Any, tmp_path: Path) -> None:
    page = browser.new_page(java_script_enabled=False)
    for name in ("index.html", "funnel.html", "bridge.html", "checks.html", "districts/500103000000.html"):
        page.goto((nights.site / name).as_uri())
        printed = page.pdf(prefer_css_page_size=True)
        sizes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", printed)
        assert sizes, name
        assert all((round(float(w)), round(float(h))) == (595, 842) for w, h in sizes), name
        page.emulate_media(media="print")
        page.set_viewport_size({"width": 703, "height": 1000})  # A4 less its margins, at 96 to the inch
        assert page.evaluate("document.documentElement.scrollWidth") <= 703, name
        assert not page.locator(".nav").is_visible()
        page.emulate_media(media="screen")
        page.set_viewport_size({"width": 1366, "height": 768})
    page.close()


# -------------------------------------------------------------------------------------------------------- old browsers


TOO_NEW = {
    r"(?<![\w-])(?:row-|column-)?gap\s*:": "gap",
    r":(?:is|where|has)\(": ":is :where :has",
    r":focus-visible|:focus-within": ":focus-visible",
    r"(?<![\w-])inset(?:-block|-inline)?\s*:": "inset",
    r"aspect-ratio|accent-color|content-visibility|color-mix|text-wrap|scrollbar-gutter": "newer properties",
    r"@layer|@container|@supports|@property|@scope": "newer at-rules",
    r"\b\d+(?:dvh|svh|lvh|cqw|rlh|lh)\b": "newer units",
    r"\b(?:clamp|min|max)\(": "comparing functions",
    r"overflow\s*:\s*clip|(?<![\w-])translate\s*:|(?<![\w-])rotate\s*:|(?<![\w-])scale\s*:": "newer values",
    r"<(?:dialog|search|popover|selectlist)\b|\b(?:popover|inert|loading|enterkeyhint)=": "newer HTML",
    r"&\s*[.:#\w]+[^;{}]*\{": "nesting",
    r"@import|url\(|https?://(?!www\.w3\.org/)": "what would be fetched",
    r"javascript:|\bon(?:click|load|change)=": "script",
}


def test_nothing_newer_than_chromium_80(nights: Nights) -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in TEMPLATES.iterdir()}
    texts |= {str(path.relative_to(nights.site)): path.read_text(encoding="utf-8") for path in pages(nights.site)[:40]}
    texts["style"] = style()
    for name, text in texts.items():
        css = text if name.endswith(("style", ".css")) else "\n".join(re.findall(r"(?s)<style>(.*?)</style>", text))
        for pattern, what in TOO_NEW.items():
            where = text if what in {"newer HTML", "what would be fetched", "script"} else css
            assert not re.search(pattern, where), f"{name}: {what}"


# -------------------------------------------------------------------------------------------------------------- colours


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb` (WCAG 2)."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrasts() -> None:
    found = words()
    page = found["colour"]["page"]
    for name in ("text", "quiet", "link", "title"):
        assert contrast(found["colour"][name], page) >= 4.5, name
        assert contrast(found["colour"][name], found["colour"]["head"]) >= 4.5, name
    assert contrast(found["colour"]["line"], page) >= 3
    for name, badge in found["badge"].items():
        assert contrast(badge["text"], badge["fill"]) >= 4.5, name
        assert contrast(badge["border"], page) >= 3, name
    for name in ("main", "up", "down", "total", "limit", "axis"):
        assert contrast(found["chart"][name], page) >= 3, name
    greys = {grey: [] for grey in ("light", "middle", "dark")}
    for badge in found["badge"].values():
        greys[badge["grey"]].append(badge["fill"])
    for one, other in (("light", "middle"), ("middle", "dark")):
        assert min(contrast(a, b) for a in greys[one] for b in greys[other]) >= 3, "grey prints must differ"


def test_a_state_is_word_and_shape_and_colour() -> None:
    for kind in ("state", "failed", "verdict", "grade", "night", "incident", "file_state"):
        entries = words()[kind]
        for name, entry in entries.items():
            assert entry["word"] and entry["shape"] and entry["badge"] in words()["badge"], (kind, name)
        said = [(entry["word"], entry["shape"], entry["badge"]) for entry in entries.values()]
        assert len(set(said)) == len(said), kind
    style_of = {name: badge["grey"] for name, badge in words()["badge"].items()}
    verdicts = [words()["verdict"][name] for name in ("usable", "caution", "unusable")]
    assert [style_of[one["badge"]] for one in verdicts] == ["light", "middle", "dark"]


# -------------------------------------------------------------------------------------------------------------- figures


def counted(value: int) -> str:
    return f"{value:,}"


def test_the_funnel_is_the_table(nights: Nights) -> None:
    person = nights.table("person")
    page = read(nights.site / "funnel.html")
    status = dict(person.group_by("insured_status").len().iter_rows())
    insured = sum(status.get(name, 0) for name in words()["insured"])
    excluded = sum(status.get(name, 0) for name in words()["excluded"])
    assert page.row("① 已知人员（各来源合起来，一人一次）")[1] == counted(person.height)
    assert page.row("其中公安人口中有")[1] == counted(person["in_population"].sum())
    assert page.row("⑤ 应参保 ＝③−④")[1] == counted(insured + status["uninsured"])
    assert page.row("⑥ 已参保合计")[1] == counted(insured)
    assert page.row("⑦ 未参保 ＝⑤−⑥")[1] == counted(status["uninsured"])
    assert page.row("④ 不计合计")[1] == counted(excluded)
    assert person.height == status.get("out_of_scope", 0) + excluded + insured + status["uninsured"]
    reasons = person.filter(insured_status="uninsured").group_by("uninsured_reason").len().iter_rows()
    for reason, persons in reasons:
        assert page.row(f"未参保：{words()['uninsured'][reason]}")[1] == counted(persons)
    ledger = nights.table("ledger").filter(level=1)
    for measure, title in (("should_be_insured", "应参保"), ("insured", "已参保"), ("uninsured", "未参保")):
        cells = [
            ledger.filter(basis=basis, measure=measure, division_code="500000000000")["value"].item()
            for basis in ("household", "residence")
        ]
        row = page.row(title)
        assert [row[2], row[4]] == [counted(value) for value in cells]
        assert int(row[1].replace(",", "")) - cells[0] == int(row[3].replace(",", "").replace("−", "-"))
    assert "✔ 平" in (nights.site / "funnel.html").read_text(encoding="utf-8")


def test_the_bridge_is_the_table(nights: Nights) -> None:
    bridge = nights.table("bridge")
    assert bridge.height
    page = read(nights.site / "index.html")
    for title, basis, measure in (
        ("户籍口径未参保", "household", "uninsured"),
        ("常住口径已参保", "residence", "insured"),
    ):
        rows = bridge.filter(basis=basis, measure=measure, division_code="500000000000")
        cells = page.row(title)
        assert cells[1] == counted(rows["previous"][0])
        assert cells[-2] == counted(rows["value"][0])
        moved = [int(cell.replace("−", "-").replace(",", "")) for cell in cells[2:-2]]
        assert sum(moved) == rows["delta"].sum() == rows["value"][0] - rows["previous"][0]
    whole = (nights.site / "bridge.html").read_text(encoding="utf-8")
    assert "✖ 不平" not in whole
    assert whole.count("✔ 平") == 6
    change = nights.table("change").group_by("cause").len()
    lists = read(nights.site / "bridge.html")
    totals = [row for row in lists.rows if len(row) == 4 and row[1].strip() == "合计"]
    assert sorted(int(row[3].replace(",", "")) for row in totals) == sorted(change["len"].to_list())
    district = read(nights.site / "districts" / "500103000000.html")
    rows = bridge.filter(basis="household", measure="insured", division_code="500103000000")
    assert district.row("户籍口径已参保")[-2] == counted(rows["value"][0])


def test_a_failing_check_has_its_rows_and_whom_to_call(nights: Nights) -> None:
    items = nights.table("repair_item")
    assert items.height
    counts = items.group_by("measure_id").len().sort("measure_id")
    shown = 0
    for measure_id, rows in counts.iter_rows():
        path = nights.site / "checks" / f"{measure_id}.html"
        if path.exists():
            text = path.read_text(encoding="utf-8")
            assert f"共 {rows:,} 行" in text
            assert "找谁" in text
            shown += 1
    assert shown
    stopped = (nights.stopped / "checks" / "row_fall.population.html").read_text(encoding="utf-8")
    assert "公安" in stopped and "未通过" in stopped


def test_the_stopped_night_says_what_to_do(nights: Nights) -> None:
    text = (nights.stopped / "index.html").read_text(encoding="utf-8")
    assert "row_fall.population" in text
    assert "canbao run --landing" in text and "canbao release ask row_fall.population" in text
    for name in ("funnel", "bridge", "districts"):
        assert "未编制" in (nights.stopped / f"{name}.html").read_text(encoding="utf-8")
    first = (nights.first / "reports" / "quality" / "bridge.html").read_text(encoding="utf-8")
    assert "第一次发布" in first
    history = (nights.site / "history.html").read_text(encoding="utf-8")
    assert "未发布（检查未通过）" in history and "漏跑" in history


def test_nobody_is_on_the_site(nights: Nights) -> None:
    people = nights.people.filter(pl.col("certno").is_not_null())
    secrets = [
        text for name in ("certno", "psn_name", "tel") for text in people[name].drop_nulls().unique() if len(text) > 1
    ]
    names = [text for text in secrets if not text[0].isdigit() and len(text) >= 3]
    numbers = {text for text in secrets if text[0].isdigit()}
    for site in (nights.site, nights.stopped):
        for path in site.rglob("*.html"):
            text = path.read_text(encoding="utf-8")
            assert not numbers & set(re.findall(r"\d{11,17}[\dXx]?", text)), path
            if "data_docs" not in path.parts:
                assert not [name for name in names if name in text], path


# ------------------------------------------------------------------------------------------------- made-up nights


def night(**values: Any) -> SiteData:
    """A night of nothing but what is given."""
    at = datetime(2026, 3, 31, 18, tzinfo=UTC)
    made: dict[str, Any] = {
        "title": "重庆市", "as_of": date(2026, 3, 31), "insured_year": 2026, "run_id": "20260331T180000Z-00000000",
        "state": "published", "at": at, "valid_until": at + timedelta(hours=30), "products": products(),
        "definitions": load_definitions(), "commands": {"landing": "L", "home": "H"},
    }  # fmt: skip
    return SiteData(**{**made, **values})


def check(check_id: str = "rejected_share.student", **values: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"title": "某检查", "axis": "correctness", "severity": "block", "passed": False}
    return Check(check_id, **{**made, **values}).as_dict()


def test_a_release_stands_on_every_page(tmp_path: Path) -> None:
    let = check(accepted="已与教育局电话核实", accepted_by=("甲某", "乙某"))
    write_site(tmp_path, night(checks=[let, check("a", passed=None), check("b", passed=True)]))
    for path in pages(tmp_path):
        text = path.read_text(encoding="utf-8")
        assert "放行人 甲某、乙某" in text and "已与教育局电话核实" in text, path
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<b>甲某、乙某</b>" in text
    order = re.findall(r'<tr class="[^"]*" id="c-([^"]+)"', (tmp_path / "checks.html").read_text(encoding="utf-8"))
    assert order == ["rejected_share.student", "a", "b"]


def test_what_others_wrote_is_escaped_and_masked(tmp_path: Path) -> None:
    file = {
        "source": "student", "delivery": date(2026, 3, 1), "file": "<b>500191198001010015.csv", "state": "accepted",
        "rows_read": 3, "rows_accepted": 3, "rows_rejected": 0, "encoding": "utf-8", "extra_columns": ["13900000000", "<i>"],
        "unreadable": '{"brdy": 2}', "unknown_codes": None, "message": None,
    }  # fmt: skip
    write_site(tmp_path, night(files=[file], checks=[check(message="<script>x</script>")]))
    text = (tmp_path / "sources" / "student.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;500***.csv" in text and "139***、&lt;i&gt;" in text and "brdy 2" in text
    assert "<script>" not in (tmp_path / "checks" / "rejected_share.student.html").read_text(encoding="utf-8")
    assert masked("12 位 500101000000 与 20260331") == "12 位 500101000000 与 20260331"


def test_an_empty_night_has_all_pages(tmp_path: Path) -> None:
    write_site(tmp_path, night(state="failed", message="程序故障（ValueError），未发布任何内容。"))
    assert {path.name for path in tmp_path.glob("*.html")} == {
        "index.html", "checks.html", "sources.html", "districts.html", "departments.html", "funnel.html",
        "bridge.html", "history.html",
    }  # fmt: skip
    assert "程序故障" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_numbers() -> None:
    assert number(1234567) == "1,234,567"
    assert number(None) == "—"
    assert number(0.5) == "0.50"


def test_chongqing_stays_small_and_quick(tmp_path: Path) -> None:
    """38 districts, all sources, 60 nights of every measure with a figure for every district."""
    catalogue = load_catalogue(load_definitions())
    districts = [f"5001{n:02d}000000" for n in range(1, 39)]
    bases, main = ("household", "residence"), ("should_be_insured", "insured", "uninsured")
    measure = pl.concat(
        [
            pl.DataFrame({"measure_id": [one.measure_id for one in catalogue]}).join(
                pl.DataFrame({"division_code": ["", *districts]}), how="cross"
            ),
            pl.DataFrame({"measure_id": [f"ledger.{b}.{m}" for b in bases for m in main]}).join(
                pl.DataFrame({"division_code": ["", *districts]}), how="cross"
            ),
            pl.DataFrame({"measure_id": [f"rows.{name}" for name in load_definitions()], "division_code": ""}),
        ]
    ).with_columns(
        pl.lit(30, pl.Int64).alias("numerator"), pl.lit(9000, pl.Int64).alias("denominator"),
        pl.lit(0.003).alias("value"), pl.lit(0.01).alias("threshold"), pl.lit(0, pl.Int64).alias("known"),
        pl.lit(value=False).alias("failed"),
    )  # fmt: skip
    past = pl.concat(
        [
            measure.with_columns(
                pl.lit((date(2026, 3, 31) - timedelta(days=n)).isoformat()).alias("night"),
                (pl.col("numerator") + n % 7).alias("numerator"), (pl.col("value") * (1 + n % 7)).alias("value"),
            )
            for n in range(1, 60)
        ]
    )  # fmt: skip
    cells = [("500000000000", 1), *((code, 2) for code in districts)]
    ledger = pl.DataFrame(
        [
            {"basis": b, "level": level, "division_code": code, "division_name": f"区{code[4:6]}", "measure": m, "value": 900}
            for b in bases for m in main for code, level in cells
        ]
    )  # fmt: skip
    bridge = pl.DataFrame(
        [
            {"basis": b, "division_code": code, "measure": m, "cause": cause, "previous": 894, "delta": 1, "value": 900,
             "added": 3, "removed": 2}
            for b in bases for m in main for code, _ in cells
            for cause in ("payment", "source_data", "birth", "death", "move", "feedback")
        ]
    )  # fmt: skip
    rows = [
        {"item_id": f"{n:016x}", "source": "student", "delivery": date(2026, 3, 1), "file": "part-1.csv", "line": n}
        for n in range(200)
    ]
    checks = [
        check(one.measure_id, severity=one.severity, passed=n % 15 > 0, title=one.title, harms=one.harms, source=one.source,
              numerator=30, denominator=9000, value=0.003, threshold=0.01, department=one.department)
        for n, one in enumerate(catalogue)
    ]  # fmt: skip
    data = night(
        catalogue={one.measure_id: vars(one) for one in catalogue},
        checks=checks, tables={"measure": measure, "ledger": ledger, "bridge": bridge}, past_measures=past,
        repairs={row["check_id"]: {"total": 5000, "rows": rows} for row in checks if not row["passed"]},
    )  # fmt: skip
    charts.bars([{"label": "x", "value": 1, "kind": "main", "text": "1"}], "x")  # the drawing tool's start
    begun = time.process_time()
    write_site(tmp_path, data)
    seconds = time.process_time() - begun
    found = list(tmp_path.rglob("*.*"))
    assert max(path.stat().st_size for path in found) < PAGE_LIMIT
    assert sum(path.stat().st_size for path in found) < SITE_LIMIT
    assert seconds < 12, f"{seconds:.1f} s"


def test_a_chart_has_its_words() -> None:
    points = [
        {"day": f"03-{n:02d}", "value": n / 100, "failed": n == 2, "label": f"{n}%", "night": f"2026-03-{n:02d}"}
        for n in range(1, 5)
    ]
    drawn = charts.trend(points, "空白<占比>", limit=0.03, percent=True)
    assert "<title>空白&lt;占比&gt;：03-01 为 1%，03-04 为 4%，其间最低 1%，最高 4%。</title>" in drawn
    assert 'role="img"' in drawn and "Noto Sans CJK SC" in drawn and "stroke-dasharray" in drawn
    assert 'fill="white"' not in drawn and "<script" not in drawn
    assert charts.trend(points[:1], "x") == ""
    assert replace(night(), run_id="x").published
