"""The documents say what is so: commands, options, tables, links, words."""

from __future__ import annotations

import argparse
import re
import subprocess
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import duckdb
import polars as pl
import pytest

from canbao import cli, docs, nightly, report
from canbao.build import load_steps
from canbao.engine import RunParameters, Warehouse
from canbao.intake import IntakeResult, load_definitions
from canbao.intake.landing import COUNTIES_SCHEMA, FILES_SCHEMA
from canbao.rules import jurisdictions, load_rules

ROOT = Path(__file__).resolve().parents[2]
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]
NAMES = [path.name for path in READMES]


def pages() -> list[Path]:
    """All Markdown of the tree that is written by hand or by `make docs`."""
    return [
        *sorted(ROOT.glob("*.md")),
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted((ROOT / "data_samples").glob("*.md")),
    ]


def commands() -> dict[str, argparse.ArgumentParser]:
    """Subcommands of `canbao` by name."""
    actions = [a for a in cli._parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return dict(actions[0].choices)


def options(parser: argparse.ArgumentParser) -> set[str]:
    """Long options of a subcommand and of what lies below it (`canbao release ask`)."""
    found = {text for action in parser._actions for text in action.option_strings if text.startswith("--")} - {"--help"}
    below = [action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return found.union(*(options(one) for choices in below for one in choices.values()))


# ------------------------------------------------------------------------------------------------- made from the tree


@pytest.mark.parametrize("name", sorted(docs.PAGES))
def test_page_is_current(name: str) -> None:
    assert docs.page_path(name).read_text(encoding="utf-8") == docs.PAGES[name](), "run make docs"


def test_check_tells_a_page_that_is_not_current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docs, "page_path", lambda name: tmp_path / f"{name}.md")
    assert docs.main(["--check", "sources"]) == 1
    assert docs.main(["sources"]) == 0
    assert docs.main(["--check", "sources"]) == 0


def nothing_delivered() -> IntakeResult:
    return IntakeResult(pl.DataFrame(schema=FILES_SCHEMA), [], [], [], [], [], pl.DataFrame(schema=COUNTIES_SCHEMA))


def test_headers_of_published_steps_have_the_columns_that_are_there(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse", threads=1)
    rules = load_rules("chongqing", date(2026, 3, 31))
    warehouse.load_parameters(RunParameters(date(2026, 3, 31), 2026, rules, b"test key"))
    warehouse.register_sources(nothing_delivered(), load_definitions())
    described, actual = {}, {}
    for step in load_steps():
        warehouse.run_step(step)
        if step.published:
            described[step.name], actual[step.name] = list(step.columns), warehouse.columns(step.name)
            assert set(step.order_by) <= set(step.columns)
            assert all(step.columns.values()), step.name
    warehouse.close()
    assert described == actual


def test_tables_of_the_intake_have_the_columns_that_are_described() -> None:
    con = duckdb.connect()
    night = SimpleNamespace(warehouse=SimpleNamespace(con=con), intake=nothing_delivered())
    nightly._intake_tables(night)  # type: ignore[arg-type]
    actual = {
        name: [row[0] for row in con.execute(f"DESCRIBE {name}").fetchall()] for name in ("load_file", "quarantine")
    }
    actual["quality_metric"] = report.quality_frame([]).columns
    assert {name: list(parts[3]) for name, parts in docs.INTAKE_TABLES.items()} == actual


# ------------------------------------------------------------------------------------------------------- the command


@pytest.mark.parametrize("readme", READMES, ids=NAMES)
@pytest.mark.parametrize("command", sorted(commands()))
def test_command_is_documented(readme: Path, command: str) -> None:
    assert f"canbao {command}" in readme.read_text(encoding="utf-8")


@pytest.mark.parametrize("readme", READMES, ids=NAMES)
@pytest.mark.parametrize("command", sorted(commands()))
def test_options_are_documented(readme: Path, command: str) -> None:
    missing = options(commands()[command]) - set(re.findall(r"--[a-z][a-z-]*", readme.read_text(encoding="utf-8")))
    assert missing == set()


@pytest.mark.parametrize("page", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_command_lines_in_documents_are_right(page: Path) -> None:
    known = commands()
    promised = re.compile(r"^.*\*\(?not yet\)?\*.*$", re.M)
    text = promised.sub("", page.read_text(encoding="utf-8"))
    for name, rest in re.findall(r"(?:^|[`/ ])canbao ([a-z]+)((?:[^`\n]|\\\n)*)", text, re.M):
        if name in known and (wrong := set(re.findall(r"(?<= )--[a-z][a-z-]*", rest)) - options(known[name])):
            pytest.fail(f"canbao {name} has no {wrong}")
    for name in re.findall(r"`canbao ([a-z]+)", text):
        assert name in known, f"there is no command canbao {name}"


def test_contract_marks_what_is_not_there_yet() -> None:
    there = {f"canbao {name}" for name in commands()} | {*docs.INTAKE_TABLES, *load_definitions()}
    there |= {step.name for step in load_steps() if step.published}
    contract = (ROOT / "docs/contract.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `((?:canbao )?\w+)[^`]*`[^|]*\| (.*)$", contract, re.M)
    assert len(rows) > 40
    wrong = [name for name, rest in rows if (name in there) == rest.startswith("*(not yet)*")]
    assert wrong == [], "mark with *(not yet)* what is promised and not built, and nothing else"


@pytest.mark.parametrize("readme", READMES, ids=NAMES)
def test_readme_has_tables_sources_and_exit_statuses(readme: Path) -> None:
    text = readme.read_text(encoding="utf-8")
    tables = {step.name for step in load_steps() if step.published} | set(docs.INTAKE_TABLES)
    row = next(line for line in text.splitlines() if ".parquet` |" in line)
    assert set(re.findall(r"`(\w+)`", row)) == tables
    assert {name for name in {*load_definitions(), *jurisdictions()} if f"`{name}`" not in text} == set()
    assert {status for status in (0, 1, 2, cli.BUG, cli.INTERRUPTED) if f"\n| {status} |" not in text} == set()


def test_first_thing_in_the_readme_is_how_to_start() -> None:
    for readme in READMES:
        block = re.search(r"```sh\n(.*?)```", readme.read_text(encoding="utf-8"), re.S)
        assert block and [line.split("#")[0].strip() for line in block[1].splitlines()] == ["make demo", "make test"]


def test_readmes_have_the_same_parts() -> None:
    outlines = [re.findall(r"^(#+|!\[|```|\|)", path.read_text(encoding="utf-8"), re.M) for path in READMES]
    assert outlines[0] == outlines[1]


def test_make_help_has_every_target() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", text, re.M)
    assert phony
    assert [name for name in phony[1].split() if name != "help" and f'@echo "make {name} ' not in text] == []


# ------------------------------------------------------------------------------------------------------ words, links


def glossary() -> Iterator[tuple[str, str]]:
    """Chinese and English of every entry."""
    inside = False
    for line in (ROOT / "docs/glossary.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            inside = False
        elif cells[:2] == ["中文", "English"]:
            inside = True
        elif inside and not set(line) <= set("|-"):
            yield cells[0], cells[1]


def test_glossary_has_one_word_for_each_term() -> None:
    entries = list(glossary())
    assert len(entries) > 80
    for side in (0, 1):
        assert [word for word, times in Counter(entry[side].lower() for entry in entries).items() if times > 1] == []


def anchors(page: Path) -> set[str]:
    """Anchors that a page's headings make."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_resolve(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        place = (page.parent / path) if path else page
        assert place.exists(), f"{target} leads nowhere"
        if anchor:
            assert anchor in anchors(place), f"{target} leads nowhere"


def test_decisions_are_listed() -> None:
    folder = ROOT / "docs/decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in folder.glob("0*.md") if f"({path.name})" not in index] == []


def test_pictures_are_drawn_without_colour() -> None:
    for path in (ROOT / "docs/images").glob("*.svg"):
        text = path.read_text(encoding="utf-8")
        assert ET.fromstring(text).tag.endswith("svg")  # noqa: S314 - our own file
        for colour in re.findall(r"#([0-9a-fA-F]{6}|[0-9a-fA-F]{3})\b", text):
            parts = re.findall("." * (len(colour) // 3), colour)
            assert len(set(parts)) == 1, f"{path.name}: {colour} is no grey"


# ------------------------------------------------------------------------------------------- what must not stand there

FORBIDDEN = {
    "a path of one workplace": "/" + "work/",
    "a temporary path of one workplace": "/" + "tmp/plan",
    "a package registry": "pypi" + r"\.org|python" + r"hosted|artifact" + r"ory|\bnexus\b|--(extra-)?index-" + "url",
    "the number of an issue": r"\bissue" + r" ?#?\d|\(#" + r"\d+\)",
    "a working session": r"\b(this|our|last|next|earlier) " + "session",  # a portal has sessions of its own
}


def test_tracked_files_name_no_workplace() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("no git checkout")
    for name in filter(None, listed.stdout.decode().split("\0")):
        path = ROOT / name
        if not path.is_file() or b"\0" in (data := path.read_bytes()[:2_000_000]):
            continue
        text = data.decode("utf-8", errors="replace")
        for what, pattern in FORBIDDEN.items():
            found = re.search(pattern, text, re.I)
            assert found is None, f"{name}: {what} ({found[0]})"


def test_pins_name_no_host() -> None:
    for name in ("constraints.txt", "pyproject.toml", "Makefile", ".ci/run"):
        assert "://" not in (ROOT / name).read_text(encoding="utf-8"), name
