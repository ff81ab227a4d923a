"""The rule book: complete, static, valid, small, the same bytes."""

import re
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

from canbao.build import load_steps
from canbao.engine import RunParameters, Warehouse
from canbao.intake import IntakeResult, load_definitions
from canbao.intake.landing import COUNTIES_SCHEMA, FILES_SCHEMA
from canbao.reports import write_rule_book
from canbao.reports.rulebook import rule_book
from canbao.rules import Rules, load_rules
from tests.rules.test_catalogue import CATALOGUE

DAY = date(2026, 3, 31)
VOID = {"meta", "br", "link", "img", "hr", "input", "col"}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table `rule` of a night on which nobody delivered anything."""
    folder = tmp_path_factory.mktemp("rules")
    warehouse = Warehouse(folder / "warehouse", threads=1)
    warehouse.load_parameters(RunParameters(DAY, 2026, load_rules("chongqing", DAY), b"test key"))
    nothing = IntakeResult(pl.DataFrame(schema=FILES_SCHEMA), [], [], [], [], [], pl.DataFrame(schema=COUNTIES_SCHEMA))
    warehouse.register_sources(nothing, load_definitions())
    for step in load_steps():
        warehouse.run_step(step)
    warehouse.write_table("rule", folder / "rule.parquet", ("rule_id",))
    warehouse.close()
    return folder / "rule.parquet"


def page_of(table: Path, rules: Rules | None = None) -> str:
    return rule_book(pl.read_parquet(table).to_dicts(), rules or load_rules("chongqing", DAY), 2026)


class Nesting(HTMLParser):
    """Fails on a tag that closes another one, or none."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name == "id":
                self.ids.append(value or "")
            if name in {"href", "src"}:
                self.links.append(value or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> at {self.getpos()}"


def read(text: str) -> Nesting:
    parser = Nesting()
    parser.feed(text)
    parser.close()
    assert parser.open == []
    return parser


def test_every_rule_stands_in_it_once_and_in_the_contents(table: Path) -> None:
    parser = read(page_of(table))
    assert len(parser.ids) == len(set(parser.ids))
    assert set(CATALOGUE) <= set(parser.ids)
    assert {f"#{rule}" for rule in CATALOGUE} <= set(parser.links)


def test_nothing_runs_and_nothing_is_fetched(table: Path) -> None:
    text = page_of(table)
    parser = read(text)
    assert not parser.tags & {"script", "link", "img", "iframe", "object", "form", "svg"}
    assert not any(name.startswith("on") for name in parser.attributes)
    assert all(link.startswith("#") and link[1:] in parser.ids for link in parser.links)
    assert not re.search(r"https?:|//|url\(|@import", text)


def test_style_is_old_enough_for_chromium_80(table: Path) -> None:
    style = re.search(r"<style>(.*?)</style>", page_of(table), re.S)
    assert style
    assert not re.search(r"\bgap:|:is\(|:where\(|:has\(|aspect-ratio|inset:|@layer|@container|accent-color", style[1])


def test_it_is_small_and_always_the_same(table: Path, tmp_path: Path) -> None:
    rules = load_rules("chongqing", DAY)
    write_rule_book(table, tmp_path / "a.html", rules, 2026)
    write_rule_book(table, tmp_path / "b.html", rules, 2026)
    data = (tmp_path / "a.html").read_bytes()
    assert data == (tmp_path / "b.html").read_bytes()
    assert len(data) < 500_000


def test_what_no_document_confirms_is_marked(table: Path) -> None:
    text = page_of(table)
    for rule in ("CAP-3", "WAIT-3", "PER-1", "FIN-1"):
        assert "※" in section(text, rule), rule
    assert "※" not in section(text, "WAIT-2")
    assert "（无值）" in section(text, "CAP-3")


def test_rules_that_are_not_computed_say_why(table: Path) -> None:
    text = page_of(table)
    for row in pl.read_parquet(table).to_dicts():
        part = section(text, row["rule_id"])
        assert ("● 已计算" in part) == bool(row["computed"])
        assert bool(row["computed"]) or row["why_not"] in part
        assert "摘自测试" in part or not row["computed"]


def test_values_of_the_overlay_are_marked(table: Path, tmp_path: Path) -> None:
    overlay = tmp_path / "over.toml"
    overlay.write_text("[cap]\nbase = 200000\n")
    assert "▲ 本次指定" in section(page_of(table, load_rules("chongqing", DAY, overlay)), "CAP-3")


def test_text_is_escaped(table: Path) -> None:
    rows = pl.read_parquet(table).with_columns(title=pl.lit("<b>&\"'")).to_dicts()
    text = rule_book(rows, load_rules("chongqing", DAY), 2026)
    assert "<b>&" not in text
    assert "&lt;b&gt;&amp;" in text
    read(text)


def test_no_word_of_it_is_left_in_english(table: Path) -> None:
    """Column headings and codes of the examples have Chinese words."""
    cells = re.findall(r"<th>([^<]*)</th>", page_of(table))
    assert [cell for cell in cells if re.fullmatch(r"[a-z_0-9]+", cell)] == []
    codes = re.findall(r"<td>([a-z]+(?:_[a-z]+)+)</td>", page_of(table))
    assert codes == []


@pytest.mark.parametrize("jurisdiction", ["chongqing", "sichuan"])
def test_every_jurisdiction_has_its_book(table: Path, jurisdiction: str) -> None:
    rules = load_rules(jurisdiction, DAY)
    text = page_of(table, rules)
    assert rules.title in text
    read(text)


def section(text: str, rule: str) -> str:
    begin = text.index(f'<div class="rule" id="{rule}">')
    end = text.find('<div class="rule"', begin + 1)
    return text[begin:end]
