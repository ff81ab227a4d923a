"""Words for codes: of the publication (`words.toml`) and of its code tables."""

import csv
import tomllib
from functools import lru_cache
from typing import Any

from canbao.paths import package_dir


@lru_cache
def words() -> dict[str, dict[str, Any]]:
    """All of `words.toml`: group to code to word."""
    return tomllib.loads((package_dir("portal") / "words.toml").read_text(encoding="utf-8"))


@lru_cache
def code_table(name: str) -> dict[str, dict[str, str]]:
    """A table of `codes`: code to its row."""
    with (package_dir("codes") / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return {row["code"]: row for row in csv.DictReader(file)}


def word(group: str, code: Any) -> str:
    """The word of a code; the code itself where nobody gave it one, empty for none."""
    return "" if code is None else str(words().get(group, {}).get(str(code), code))


def code_word(table: str, code: Any) -> str:
    """The name of a code of a code table; the code itself where it is unknown, empty for none."""
    if code is None:
        return ""
    row = code_table(table).get(str(code))
    return row.get("name") or row.get("title") or str(code) if row else str(code)


def insurance(code: Any) -> str:
    """An insurance type: the short name that everybody uses, else the full one."""
    short = words()["insutype"].get(str(code))
    return str(short) if short else code_word("insutype", code)


@lru_cache
def measure_bits() -> dict[str, tuple[int, str]]:
    """Measure of the ledger to its bit and the one basis that it has (empty: both); only those that count people."""
    with (package_dir("codes") / "measure_bit.csv").open(encoding="utf-8", newline="") as file:
        return {row["measure"]: (int(row["bit"]), row["basis"]) for row in csv.DictReader(file) if row["bit"]}
