"""Examples of the rules, drawn from the given/expected folders of the tests (`python -m canbao.docs rules`)."""

import csv
import io
import re
import tomllib
from pathlib import Path
from typing import Any

_PERSON = re.compile(r"@([a-z]\w*)(?:/(\d{4})(\d{2})(\d{2}))?")
_IN_NAME = re.compile(r"(?:^|[-_])([a-z]{2,4})[-_](\d{1,2})(?![\d])")
_STEMS = "甲乙丙丁戊己庚辛壬癸"
_MOST, _HEAD, _TAIL = 12, 4, 3
"""Rows of a table that is shown whole; of a longer one its first and its last rows."""

Example = dict[str, Any]


def collect_examples(folder: Path, known: set[str]) -> dict[str, Example]:
    """One example per rule id; a case whose folder's name says the rule goes before others.

    Args:
        folder: `tests/steps`, with `<table>/<case>/expect.csv`.
        known: Ids of all rules.

    Returns:
        Rule id to the case: caption, as-of date, settings, given tables, expected table; people as 甲, 乙, 丙.

    Raises:
        ValueError: A case lists a rule that does not exist.
    """
    candidates: dict[str, list[tuple[bool, str, Path, list[str]]]] = {}
    for path in sorted(folder.glob("*/*/expect.csv")):
        case = f"{path.parent.parent.name}/{path.parent.name}"
        named = {f"{letters.upper()}-{number}" for letters, number in _IN_NAME.findall(path.parent.name)} & known
        listed = _listed(path.read_text("utf-8"))
        if unknown := listed.keys() - known:
            raise ValueError(f"{path}: no rule is called {', '.join(sorted(unknown))}")
        for rule in sorted(named | listed.keys()):
            candidates.setdefault(rule, []).append((rule not in named, case, path.parent, listed.get(rule, [])))
    return {rule: _example(rule, *min(found)[1:]) for rule, found in sorted(candidates.items())}


def _listed(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in re.findall(r"(?m)^# rules:(.*)$", text):
        for part in line.split(","):
            rule, *people = part.split()
            found[rule] = [name.removeprefix("@") for name in people]
    return found


def _example(rule: str, case: str, folder: Path, people: list[str]) -> Example:
    text = (folder / "expect.csv").read_text("utf-8")
    remarks = [line[1:].strip() for line in text.splitlines() if line.startswith("#") and "rules:" not in line]
    own = [remark.split(": ", 1)[1] for remark in remarks if remark.startswith(f"{rule}: ")]
    captions = own or [remark for remark in remarks if not re.match(r"[A-Z]+-\d+: ", remark)]
    settings: dict[str, Any] = {}
    if (folder / "run.toml").exists():
        settings = tomllib.loads((folder / "run.toml").read_text("utf-8"))
    stems: dict[str, str] = {}
    given = []
    for path in sorted(folder.glob("given.*.csv")):
        table = _table(path.read_text("utf-8"), people, stems)
        if table["rows"]:
            given.append({"table": path.name.split(".")[1], **table})
    expect = {"table": folder.parent.name, **_table(text, people, stems)}
    shown = [f"{key} = {value}" for key, value in settings.get("rules", {}).items()]
    if "jurisdiction" in settings:
        shown.append(settings["jurisdiction"])
    return {
        "case": case,
        "caption": captions[0] if captions else "",
        "as_of": str(settings.get("as_of", "2026-03-31")),
        "settings": "，".join(shown),
        "given": given,
        "expect": expect,
    }


def _table(text: str, people: list[str], stems: dict[str, str]) -> Example:
    """Columns that say something, and the rows of these people; rows that name nobody stay.

    A row left out in the middle of a long table stands as an empty list.
    """
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    columns, *rows = [
        [cell.strip() for cell in row] for row in csv.reader(io.StringIO("\n".join(lines)), skipinitialspace=True)
    ]
    kept = []
    for row in rows:
        named = {match[1] for cell in row for match in _PERSON.finditer(cell)}
        if not people or not named or named & set(people):
            kept.append(row)
    left_out = len(kept) - _HEAD - _TAIL if len(kept) > _MOST else 0
    if left_out:
        kept = [*kept[:_HEAD], [], *kept[-_TAIL:]]
    full = [row for row in kept if row]
    said = [
        n
        for n, name in enumerate(columns)
        if any(row[n] for row in full) and not _placeholder(name, [row[n] for row in full])
    ]
    return {
        "columns": [columns[n] for n in said] if full else columns,
        "rows": [[_written(row[n], stems) for n in said] if row else [] for row in kept],
        "left_out": left_out,
    }


def _placeholder(column: str, cells: list[str]) -> bool:
    """Whether a column holds names that stand for any name: 某甲."""
    return column == "psn_name" and all(cell.startswith("某") for cell in cells)


def _written(cell: str, stems: dict[str, str]) -> str:
    def stem(match: re.Match[str]) -> str:
        name = stems.setdefault(match[1], _STEMS[len(stems) % len(_STEMS)] + "′" * (len(stems) // len(_STEMS)))
        return f"{name}（{match[2]}-{match[3]}-{match[4]}生）" if match[2] else name

    return _PERSON.sub(stem, cell)
