"""What a role sees of each field: the one function that every page and every file gets its values from.

Who sees what is data (`fields.csv`): `full`, `mask` (full after a second confirmation, for who holds the right),
`masked` (always), `word` (已由部门核实), `hide`. The most particular row counts: role before value before table.
"""

import csv
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

from canbao.intake.problems import without_numbers
from canbao.paths import package_dir
from canbao.portal.divisions import Division, DivisionTree
from canbao.portal.masking import Shown, mask_certno, mask_tel
from canbao.portal.scope import Scope
from canbao.portal.words import code_word, insurance, word

VERIFIED = "已由部门核实"
"""What a village reads where it may know that something is settled, and not what it is (U11)."""

CHILD = 14
"""Age below which everything about a person is sensitive (个人信息保护法 第二十八条)."""

ADULT = 18
"""Age from which no cover on record goes back to birth; where one does, `covered_early` says so."""

_NUMBERS = ("certno", "number", "number_a", "number_b")
_TELEPHONES = ("tel", "contact_tel")
WRITTEN = ("psn_name", "household_no", "contact_name", "psn_name_a", "psn_name_b")
"""What departments write as they like: some put a certificate number or a telephone there, and these are masked too."""
_GROUPS = {
    "insured_status": "status",
    "status_is": "status",
    "was": "status",
    "is": "status",
    "uninsured_reason": "reason",
    "reason_was": "reason",
    "reason_is": "reason",
    "kind": "duplicate_kind",
    "state": "duplicate_state",
    "action": "duplicate_action",
    "refund": "refund",
    "class": "class",
    "exempt_reason": "exempt",
    "effect": "effect",
    "why": "merge_why",
    "cert_check": "cert_check",
    "contradicted_by": "source",
    "source": "source",
    "cause": "cause",
}
_OTHER_GROUPS = {
    ("anomaly", "kind"): "finding",
    ("identifier", "kind"): "identifier_kind",
    ("notice", "action"): "notice_action",
    ("notice", "cause"): "duplicate_cause",
    ("newborn", "status"): "newborn_status",
    ("duplicates", "cause"): "duplicate_cause",
}
_SAME = {
    "status_is": "insured_status",
    "was": "insured_status",
    "is": "insured_status",
    "reason_code": "feedback_reason",
}
"""Fields that say the same as another one, which `fields.csv` names."""

_CODES = {"gend": "gend", "feedback_reason": "reason_code", "reason_code": "reason_code", "tier": "tier"}
_INSURANCES = ("insutype", "last_insutype", "insutype_a", "insutype_b")
_PLACES = ("resd_code", "live_code", "feedback_division", "division_code")
_BUREAUS = ("insu_admdvs", "last_admdvs", "insu_admdvs_a", "insu_admdvs_b", "notify_admdvs", "from_admdvs", "to_admdvs")
_PLACES_KEPT = 50_000
_MONTHS = ("begn_month", "end_month", "overlap_begn", "overlap_end", "month")


@lru_cache
def _shows() -> dict[tuple[str, str, str, str], str]:
    with (package_dir("portal") / "fields.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {(row["role"], row["value"], row["table"], row["field"]): row["show"] for row in rows}


@lru_cache
def _values() -> frozenset[str]:
    """The values that somebody sees otherwise than others of their field."""
    return frozenset(value for _, value, _, _ in _shows())


def show_of(table: str, field: str, role: str, value: str = "") -> str:
    """How a role sees a field.

    Args:
        table: What the row is of (`uninsured`, `person`, `anomaly`, …).
        field: Its field.
        role: The role.
        value: The field's value, where some values are seen otherwise than others.

    Returns:
        `full`, `mask`, `masked`, `coarse` (in few classes), `word` or `hide`.
    """
    return _show(table, field, role, value if value in _values() else "")  # no name is ever kept in the cache


@lru_cache(maxsize=4096)
def _show(table: str, field: str, role: str, value: str) -> str:
    shows, field = _shows(), _SAME.get(field, field)
    for role_ in (role, "*"):
        for value_ in (value, "") if value else ("",):
            for table_ in (table, "*"):
                found = shows.get((role_, value_, table_, field))
                if found:
                    return found
    return "full"


def hidden(table: str, field: str, role: str, value: str = "") -> bool:
    """Whether a role must not learn that a row has this value: no filter and no list may tell it."""
    return show_of(table, field, role, value) in {"word", "hide"}


def is_child(row: Mapping[str, Any]) -> bool:
    """Whether somebody is under 14; whoever's age is unknown is not marked."""
    return row.get("age") is not None and int(row["age"]) < CHILD


def present(row: Mapping[str, Any], table: str, scope: Scope, *, full: bool = False) -> dict[str, Any]:
    """A row as somebody may see it: masked, in words, and without what is not for the role.

    Args:
        row: As the publication has it; `household_tree` and `residence_tree` tell whose person it is.
        table: What it is of; decides together with field and role (`fields.csv`).
        scope: Who sees it.
        full: Whether numbers and telephones stand in full: after the confirmation that the contract asks for.

    Returns:
        Field to text, number, date or list; hidden fields are missing. `child` says whether the person is under 14.
    """
    child = is_child(row)
    seen: dict[str, Any] = {"child": child}
    for field, value in row.items():
        show = show_of(table, field, scope.role, "under_14" if child and field in _NUMBERS else "")
        if show == "hide":
            continue
        if isinstance(value, list):
            seen[field] = _list(table, field, value, scope.role)
            continue
        if field == "tags":
            seen[field] = _list(table, field, str(value or "").split(), scope.role)
            continue
        if value is not None and show == "full":
            show = show_of(table, field, scope.role, str(value)) if isinstance(value, str) else show
            if show == "word" and field in {"feedback_reason", "reason_code"} and _own_answer(row, scope):
                show = "full"
        if show == "hide":
            continue
        if show == "word":
            seen[field] = VERIFIED if value is not None else ""
        elif show == "coarse":
            seen[field] = word(f"{field}_coarse", value)
        elif field in _NUMBERS:
            seen[field] = value or "" if full and show == "mask" else number(value, row)
        elif field in _TELEPHONES:
            seen[field] = value or "" if full and show == "mask" else mask_tel(value)
        elif field in WRITTEN and isinstance(value, str):
            seen[field] = without_numbers(value)
        else:
            seen[field] = in_words(table, field, value, scope)
    return seen


def number(certno: str | None, row: Mapping[str, Any]) -> str:
    """A number beside age and sex.

    Of somebody whose cover may have begun with birth no digit stands: its first month, which lists and files show too,
    bounds the birth date far more closely than the age does.
    """
    if not certno:
        return ""
    age = row.get("age")
    if age is None or int(age) < ADULT or row.get("covered_early"):
        return "*" * len(certno) if len(certno) >= 6 else "******"
    return mask_certno(certno, Shown(age=True, gend=True))


def in_words(table: str, field: str, value: Any, scope: Scope) -> Any:
    """One value in words; numbers, dates and truth stay what they are."""
    tree = scope.tree
    if value is None:
        return ""
    if isinstance(value, bool | int | float | Decimal | date):
        return value
    group = _OTHER_GROUPS.get((table, field)) or _GROUPS.get(field)
    if group:
        return word(group, value)
    if field in _CODES:
        return code_word(_CODES[field], value)
    if field in _INSURANCES:
        return insurance(value)
    if field in _PLACES:
        return place(tree, value, scope.division.code if scope.division else None)
    if field in _BUREAUS:
        return bureau(tree, value)
    if field in _MONTHS:
        return month(value)
    return str(value)


def _list(table: str, field: str, values: list[Any], role: str) -> list[str]:
    said = []
    for value in values:
        if show_of(table, field, role, str(value)) == "word":
            said.append(VERIFIED)
        elif field == "tags":
            said.append(code_word("group_tag_class", value))
        elif field == "sources":
            said.append(word("source", value))
        else:
            said.append(str(value))
    return list(dict.fromkeys(said))


def _own_answer(row: Mapping[str, Any], scope: Scope) -> bool:
    """Whether the answer came from the own division: nobody learns anything new from it."""
    code = row.get("feedback_division") or row.get("division_code")
    return scope.may_see_division(str(code)) if code else False


def place(tree: DivisionTree, code: str | None, below: str | None = None) -> str:
    """A division by its names from the district down; only the code where it lies outside the city.

    Args:
        tree: The divisions.
        code: As delivered, 12 digits.
        below: A division whose own name and whatever lies above it need not be said.
    """
    if not code:
        return ""
    said = tree.said.get((code, below))
    if said is None:
        if len(tree.said) >= _PLACES_KEPT:
            tree.said.clear()
        said = tree.said[code, below] = _place(tree, code, below)
    return said


def _place(tree: DivisionTree, code: str, below: str | None) -> str:
    found = tree.place(code)
    if found is None:
        return f"市外 {code[:6]}"
    path = tree.path(found.code)
    names = [short_name(one) for one in path if one.level > 1] or [path[0].name]
    if below is not None:
        above = tree.path(below)
        if above and found.code != below and tree.inside(found.code, above[-1]):
            names = [short_name(one) for one in path if one.level > above[-1].level]
        elif found.code == below:
            names = [short_name(found)]
    return " ".join(names)


def short_name(division: Division) -> str:
    """A village's name without 居民委员会 or 村民委员会, which no list has room for."""
    if division.level == 4:
        for kind, ending in (("社区", "居民委员会"), ("村", "村民委员会")):
            if division.name.endswith(kind + ending):
                return division.name.removesuffix(ending)
    return division.name


def bureau(tree: DivisionTree, admdvs: str | None) -> str:
    """The district of a relation's place; only the code where it lies outside the city."""
    if not admdvs:
        return ""
    found = tree.place(admdvs[:6].ljust(12, "0"))
    return found.name if found is not None else f"市外 {admdvs[:6]}"


def month(text: str | None) -> str:
    """`202601` as offices write it."""
    return f"{text[:4]}年{int(text[4:6])}月" if text and len(text) == 6 and text.isdigit() else text or ""
