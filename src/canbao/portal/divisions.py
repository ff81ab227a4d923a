"""The divisions as a tree: which one lies in which, and where a code that is out of use went."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from canbao.paths import package_dir

LEVELS = {1: "city", 2: "district", 3: "township", 4: "village"}
"""Levels of the tree, and the role that is at work on each."""


@dataclass(frozen=True)
class Division:
    """One division in use.

    Attributes:
        code: 12 digits.
        name: Its name on the as-of date.
        level: 1 city, 2 district, 3 township, 4 village.
        parent: Code of the division that it lies in; None of the city.
        first: Its own number in the tree; whatever lies in it has the numbers that follow.
        last: Number of the last division in it.
    """

    code: str
    name: str
    level: int
    parent: str | None
    first: int
    last: int


def full_code(text: str) -> str:
    """A code as people write it, in full: 6 and 9 digits are a district and a township with their zeros left out.

    What follows a code (`-`, for a division's 未落地 row) stays; any other text is given back as it is. Codes that
    departments deliver are not filled up (contract.md section 2).
    """
    code = text.removesuffix("-")
    known = code.isascii() and code.isdigit() and len(code) in (6, 9)
    return code.ljust(12, "0") + text[len(code) :] if known else text


class DivisionTree:
    """All divisions in use on one date.

    Args:
        divisions: Numbered so that the parts of a division follow it.
        places: Code that is or was in use, or was delivered, to the division in use that it lies in.
    """

    def __init__(self, divisions: Iterable[Division], places: Mapping[str, str] | None = None) -> None:
        self._by_code = {one.code: one for one in divisions}
        self._places = dict(places or {})
        self._children: dict[str | None, list[Division]] = {}
        self.said: dict[tuple[str, str | None], str] = {}  # names that `fields.place` put together
        for one in sorted(self._by_code.values(), key=lambda one: one.first):
            self._children.setdefault(one.parent, []).append(one)

    @classmethod
    def of_rows(cls, rows: Iterable[Mapping[str, Any]], places: Mapping[str, str] | None = None) -> "DivisionTree":
        """From rows of the published table `division` (division_code, division_name, level, parent_code, tree_no, …).

        Args:
            rows: One mapping per division.
            places: Of the published table `division_code`: code to place_code.
        """
        return cls(
            (
                Division(
                    code=str(row["division_code"]),
                    name=str(row["division_name"]),
                    level=int(row["level"]),
                    parent=str(row["parent_code"]) if row["parent_code"] else None,
                    first=int(row["tree_no"]),
                    last=int(row["tree_last"]),
                )
                for row in rows
            ),
            places,
        )

    def __len__(self) -> int:
        return len(self._by_code)

    def get(self, code: str | None) -> Division | None:
        """The division in use of exactly this code."""
        return self._by_code.get(code or "")

    def current(self, code: str | None, level: int) -> Division | None:
        """The division in use that a code stands for today, through successors.

        A code that went to a division of another level (only the township of a village is known) stands for nothing:
        whoever worked for a village must not see a township because of it.
        """
        found = self.get(code) or self.get(self._places.get(code or ""))
        return found if found is not None and found.level == level else None

    def place(self, code: str | None) -> Division | None:
        """The division in use that a code lies in, of whatever level; None outside the city.

        For naming where somebody is; who may see what is decided by `current` and `inside`.
        """
        if not code:
            return None
        for known in dict.fromkeys((code, code[:9].ljust(12, "0"), code[:6].ljust(12, "0"))):
            found = self.get(known) or self.get(self._places.get(known))
            if found is not None:
                return found
        return None

    def children(self, code: str | None) -> list[Division]:
        """The divisions right below one, in the order of the tree; those on top for None."""
        return list(self._children.get(code, ()))

    def path(self, code: str) -> list[Division]:
        """From the city down to the division itself; empty where the code is not in use."""
        found: list[Division] = []
        one = self.get(code)
        while one is not None:
            found.insert(0, one)
            one = self.get(one.parent)
        return found

    def find(self, text: str, limit: int = 30) -> list[Division]:
        """Divisions whose name holds a text or whose code begins with it, in the order of the tree."""
        found = (one for one in self._by_code.values() if text in one.name or one.code.startswith(text))
        return sorted(found, key=lambda one: one.first)[:limit] if text else []

    def inside(self, code: str, of: Division) -> bool:
        """Whether a division in use is `of` or lies in it."""
        one = self.get(code)
        return one is not None and of.first <= one.first <= of.last


@lru_cache
def builtin_tree() -> DivisionTree:
    """The divisions that come with the product; they serve until there is a publication."""
    rows: list[dict[str, str]] = []
    for path in sorted(package_dir("divisions").glob("*.csv"))[-1:]:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    below: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        below.setdefault(row["parent_code"], []).append(row)
    numbered: list[Division] = []

    def number(row: dict[str, str], first: int) -> int:
        place = len(numbered)
        numbered.append(Division(row["division_code"], row["division_name"], int(row["level"]), None, first, first))
        last = first
        for part in sorted(below.get(row["division_code"], ()), key=lambda part: part["division_code"]):
            last = number(part, last + 1)
        code, name = row["division_code"], row["division_name"]
        numbered[place] = Division(code, name, int(row["level"]), row["parent_code"] or None, first, last)
        return last

    last = 0
    for row in below.get("", ()):
        last = number(row, last + 1)
    return DivisionTree(numbered)


@lru_cache(maxsize=2)
def current_tree(publication: Path | None) -> DivisionTree:
    """The divisions of a publication, read from its tables; without one, those that come with the product."""
    if publication is None or not (publication / "division.parquet").exists():
        return builtin_tree()
    import pyarrow.parquet as pq

    places = publication / "division_code.parquet"
    known = pq.read_table(places).to_pylist() if places.exists() else []
    return DivisionTree.of_rows(
        pq.read_table(publication / "division.parquet").to_pylist(),
        {str(row["code"]): str(row["place_code"]) for row in known if row["place_code"]},
    )
