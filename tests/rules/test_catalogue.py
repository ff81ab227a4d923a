"""No rule of the policy texts is missing, and what names a rule names one that exists."""

import csv
import json
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

from canbao.build import load_steps
from canbao.paths import package_dir
from canbao.rules import jurisdictions
from canbao.rules.examples import collect_examples
from tests.steps.folders import HERE

CATALOGUE = (Path(__file__).parent / "catalogue.txt").read_text("utf-8").split()
"""Every rule id of the catalogue."""

WITHOUT_EXAMPLE: dict[str, str] = {}
"""Computed rules that no case shows, each with the reason."""


@cache
def rules() -> dict[str, dict[str, str]]:
    with (package_dir("codes") / "rule.csv").open(encoding="utf-8", newline="") as file:
        return {row["code"]: row for row in csv.DictReader(file)}


def computed() -> set[str]:
    return {rule for step in load_steps() for rule in step.rules}


def parameters(jurisdiction: str) -> list[str]:
    data = tomllib.loads((package_dir("rules") / f"{jurisdiction}.toml").read_text("utf-8"))
    data.pop("title")

    def names(prefix: str, node: object) -> list[str]:
        if isinstance(node, dict):
            return [name for key, child in node.items() for name in names(f"{prefix}.{key}".strip("."), child)]
        return [prefix]

    return names("", data)


def test_the_catalogue_is_complete() -> None:
    assert set(rules()) == set(CATALOGUE)
    assert len(CATALOGUE) == len(set(CATALOGUE))


@pytest.mark.parametrize("rule", CATALOGUE)
def test_rule_is_computed_or_says_why_not(rule: str) -> None:
    row = rules()[rule]
    assert (rule in computed()) != bool(row["why_not"])
    assert row["title"] and row["text"].endswith(("。", "）")) and row["document"]


def test_no_step_names_an_unknown_rule() -> None:
    assert computed() <= set(CATALOGUE)


def test_every_computed_rule_has_an_example() -> None:
    examples = json.loads((package_dir("rules") / "examples.json").read_text("utf-8"))
    assert computed() - examples.keys() == set(WITHOUT_EXAMPLE)
    assert all(WITHOUT_EXAMPLE.values())


def test_an_example_reads_no_other_table_than_the_rule_s_steps() -> None:
    """A rule's example shows a table that one of its steps makes, or one that reads such a table."""
    steps = {step.name: step for step in load_steps()}
    examples = json.loads((package_dir("rules") / "examples.json").read_text("utf-8"))
    wrong = []
    for rule, example in examples.items():
        behind, waiting = set(), [example["expect"]["table"]]
        while waiting:
            name = waiting.pop()
            if name in steps and name not in behind:
                behind.add(name)
                waiting.extend(steps[name].reads)
        if not any(rule in steps[name].rules for name in behind):
            wrong.append(rule)
    assert wrong == []


def test_a_case_that_lists_an_unknown_rule_is_an_error() -> None:
    with pytest.raises(ValueError, match="no rule is called"):
        collect_examples(HERE, set(CATALOGUE) - {"RET-4"})


@pytest.mark.parametrize("jurisdiction", jurisdictions())
def test_every_parameter_belongs_to_a_rule(jurisdiction: str) -> None:
    patterns = [row["params"] for row in rules().values() if row["params"]]
    assert [name for name in parameters(jurisdiction) if not any(re.fullmatch(p, name) for p in patterns)] == []


@pytest.mark.parametrize("rule", [rule for rule in CATALOGUE if rules()[rule]["params"]])
def test_every_rule_s_parameters_exist(rule: str) -> None:
    for alternative in re.sub(r"\(([^)]*)\)", lambda m: m[0].replace("|", "¦"), rules()[rule]["params"]).split("|"):
        pattern = alternative.replace("¦", "|")
        assert any(re.fullmatch(pattern, name) for name in parameters("chongqing")), pattern
