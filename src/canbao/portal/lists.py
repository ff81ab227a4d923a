"""The lists of people: one object for the count, the pages and the file, so that all three are the same list.

A list never reads a division from an address: it is given one that `scope.require` has let pass.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from canbao.portal.divisions import Division, DivisionTree
from canbao.portal.evidence import duplicate_words
from canbao.portal.fields import hidden, place, present, show_of
from canbao.portal.scope import Scope
from canbao.portal.words import code_table, code_word, measure_bits, word, words
from canbao.reports.layout import load_layout

if TYPE_CHECKING:
    from canbao.portal.store import Publication

PAGE_ROWS = 50
"""Rows of a page."""

KINDS = ("people", "uninsured", "closed", "duplicates")

BASES = ("household", "residence")

FILTERS = {
    "people": ("measure",),
    "uninsured": (
        "reason", "group", "priority", "separated", "age_from", "age_to", "feedback", "since", "sort",
    ),
    "closed": ("reason", "cause", "since"),
    "duplicates": ("action", "kind", "state", "part"),
}  # fmt: skip
"""Filters of each list, as parameters of its address."""

UNINSURED_MEASURES = {
    "uninsured": {},
    "uninsured_never": {"reason": "never"},
    "uninsured_lapsed": {"reason": "lapsed"},
    "uninsured_stopped": {"reason": "stopped"},
    "uninsured_unpaid": {"reason": "unpaid"},
    "separated_uninsured": {"separated": "yes"},
}
"""Measures of the ledger whose people are a part of the list of the uninsured."""


class FilterError(ValueError):
    """A filter that the list, or the role, does not have; its name."""


@dataclass(frozen=True)
class Column:
    """A column of a list.

    Attributes:
        key: Field of the shown row.
        title: Heading.
        kind: `text`, `number` (a count or an age), `amount` (yuan), `date`, `certno` (must stay text).
        wide: Width in a workbook, in characters.
    """

    key: str
    title: str
    kind: str = "text"
    wide: int = 12


_PERSON = (
    Column("psn_name", "姓名", wide=12),
    Column("certno", "证件号码", "certno", 21),
    Column("gend", "性别", wide=6),
    Column("age", "年龄", "number", 6),
)
_COLUMNS: dict[str, tuple[Column, ...]] = {
    "people": (
        *_PERSON,
        Column("child_mark", "未成年", wide=10),
        Column("resd_code", "户籍地", wide=26),
        Column("live_code", "居住地", wide=26),
        Column("insured_status", "参保状态", wide=14),
        Column("uninsured_reason", "未参保原因", wide=12),
        Column("tags", "重点人群", wide=24),
    ),
    "uninsured": (
        *_PERSON,
        Column("child_mark", "未成年", wide=10),
        Column("household_no", "户号", wide=12),
        Column("resd_code", "户籍地", wide=26),
        Column("live_code", "居住地", wide=26),
        Column("separated_word", "人户分离", wide=9),
        Column("uninsured_reason", "未参保原因", wide=12),
        Column("last", "上次参保", wide=20),
        Column("tags", "重点人群", wide=24),
        Column("priority", "优先级", "number", 7),
        Column("tel", "本人电话", "certno", 14),
        Column("contact_name", "监护人", wide=10),
        Column("contact_tel", "监护人电话", "certno", 14),
        Column("feedback_reason", "最近核实结果", wide=16),
        Column("feedback_date", "核实日期", "date", 11),
        Column("feedback_division", "核实单位", wide=22),
        Column("feedback_until", "有效期至", "date", 11),
        Column("since_word", "较上次", wide=8),
    ),
    "closed": (
        *_PERSON,
        Column("household_no", "户号", wide=12),
        Column("place", "原责任地", wide=26),
        Column("uninsured_reason", "原未参保原因", wide=12),
        Column("status_is", "现状态", wide=14),
        Column("cause", "销号原因", wide=14),
        Column("detail", "说明", wide=20),
    ),
    "duplicates": (
        *_PERSON,
        Column("kind", "重复类型", wide=14),
        Column("state", "状态", wide=10),
        Column("overlap", "重复月份", wide=26),
        Column("overlap_months", "月数", "number", 6),
        Column("relation_a", "关系甲", wide=40),
        Column("relation_b", "关系乙", wide=40),
        Column("name_mark", "姓名核对", wide=22),
        Column("decision", "建议处理", wide=30),
        Column("rule_id", "规则", wide=8),
        Column("clause", "依据", wide=26),
        Column("why", "理由", wide=50),
        Column("subsidy_deduct_amt", "应扣减补助（元）", "amount", 12),
        Column("refund", "退费", wide=14),
        Column("notify_admdvs", "由谁处理", wide=16),
    ),
}

# a column stands for a field of `fields.csv`: hidden field, no column
_FIELD_OF = {"decision": "action", "relation_a": "rlts_a", "relation_b": "rlts_b"}


@dataclass(frozen=True)
class ListQuery:
    """One list of people, as somebody filtered it. It can be sent to another process.

    Attributes:
        kind: `people`, `uninsured`, `closed` or `duplicates`.
        division: Code of the division, followed by `-` for its 未落地 row.
        basis: `household`, `residence`, or empty for both.
        filters: Name to value; see `FILTERS`.
    """

    kind: str
    division: str
    basis: str = ""
    filters: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, kind: str, division: str, basis: str, parameters: Mapping[str, str], scope: Scope) -> "ListQuery":
        """A list from the parameters of an address.

        Args:
            kind: `people`, `uninsured` (also for `since=closed`) or `duplicates`.
            division: A division that the scope lets pass.
            basis: As asked for.
            parameters: Name to value; empty ones are no filter, those of other lists are ignored.
            scope: Who asks.

        Raises:
            FilterError: A value that the list does not know, or that the role must not filter by.
        """
        if kind == "uninsured" and parameters.get("since") == "closed":
            kind = "closed"
        filters = {name: parameters[name] for name in FILTERS[kind] if parameters.get(name)}
        if basis not in ("", *BASES) or (kind == "people" and not basis):
            raise FilterError("basis")
        for name, value in filters.items():
            if not _known(name, value, scope):
                raise FilterError(name)
        if kind == "people" and "measure" not in filters:
            raise FilterError("measure")
        return cls(kind, division, basis, filters)

    def _range(self, tree: DivisionTree) -> tuple[int, int]:
        own = self._division(tree)
        return (own.first, own.first if self.division.endswith("-") else own.last)

    def _division(self, tree: DivisionTree) -> Division:
        own = tree.get(self.division.removesuffix("-"))
        if own is None:
            raise LookupError(self.division)  # the division went with the publication that the list was made for
        return own

    def _parameters(self, pub: "Publication") -> dict[str, Any]:
        first, last = self._range(pub.tree)
        shared: dict[str, Any] = {"t0": first, "t1": last, "basis": self.basis}
        given = self.filters.get
        if self.kind == "people":
            bit, only = measure_bits()[given("measure", "")]
            return {**shared, "bit": bit, "basis": self.basis if only in ("", self.basis) else "none"}
        if self.kind == "duplicates":
            unplaced = self.division.endswith("-")
            return shared | {"unplaced": unplaced} | {name: given(name) for name in FILTERS["duplicates"]}
        if self.kind == "closed":
            return shared | {"reason": given("reason"), "cause": given("cause")}
        tag = code_table("group_tag_class").get(given("group", ""))
        separated = given("separated")
        return shared | {
            "reason": given("reason"),
            "tag": int(tag["bit"]) if tag else None,
            "priority": int(given("priority", "0")) or None,
            "separated": None if separated is None else separated == "yes",
            "age_0": int(given("age_from", "-1")) if given("age_from") else None,
            "age_1": int(given("age_to", "-1")) if given("age_to") else None,
            "feedback": given("feedback"),
            "since": given("since"),
            "sort": given("sort", "household"),
        }

    def count(self, pub: "Publication") -> int:
        """Rows of the whole list; of duplicates, pairs."""
        return int(self.counts(pub)["rows"])

    def counts(self, pub: "Publication") -> dict[str, int]:
        """`rows`, `persons`, and what the list's parts amount to (reasons, causes)."""
        found = pub.rows(f"{self.kind}_count", **self._parameters(pub))
        total = {"rows": sum(row["rows"] for row in found), "persons": sum(row["persons"] for row in found)}
        return total | {str(row["part"]): int(row["rows"]) for row in found if row.get("part")}

    def page(self, pub: "Publication", number: int, total: int | None = None) -> list[dict[str, Any]]:
        """The rows of a page, as the publication has them: give them to `shown` before anybody sees them.

        Args:
            pub: The publication.
            number: 1 is the first.
            total: Rows of the whole list, where known: a page near its end is then sought from there.
        """
        skip, size, sign = (max(number, 1) - 1) * PAGE_ROWS, PAGE_ROWS, 1
        if total is not None and skip > total // 2:
            size = max(min(PAGE_ROWS, total - skip), 0)
            skip, sign = max(total - skip - size, 0), -1
        return pub.rows(f"{self.kind}_rows", **self._parameters(pub), after=-1, size=size, skip=skip, sign=sign)

    def batches(
        self, pub: "Publication", size: int = 5000, *, skip: int = 0, most: int | None = None
    ) -> Iterator[list[dict[str, Any]]]:
        """All rows in the order of the pages, in batches, so that a long list needs no memory.

        Args:
            pub: The publication.
            size: Rows of a batch.
            skip: Rows to leave out at the beginning.
            most: Rows after which to stop; None for all.
        """
        parameters = self._parameters(pub)
        after = -1
        while most is None or most > 0:
            wanted = size if most is None else min(size, most)
            rows = pub.rows(f"{self.kind}_rows", **parameters, after=after, size=wanted, skip=skip, sign=1)
            if rows:
                yield rows
            if len(rows) < wanted:
                return
            after, skip = rows[-1]["k"], 0
            most = None if most is None else most - len(rows)

    def columns(self, scope: Scope) -> list[Column]:
        """The columns that somebody sees, in order; the page and the file have the same."""
        found = []
        for column in _COLUMNS[self.kind]:
            show = show_of(self.kind, _FIELD_OF.get(column.key, column.key), scope.role)
            if show != "hide":
                found.append(dataclasses.replace(column, kind="text") if show == "coarse" else column)
        return found

    def shown(self, row: Mapping[str, Any], scope: Scope, *, full: bool = False) -> dict[str, Any]:
        """A row as somebody may see it, by the keys of `columns`; `person_id` is empty where there is no way further.

        Args:
            row: As `page` or `batches` give it.
            scope: Who sees it.
            full: Numbers and telephones in full (`fields.present`).
        """
        seen = present(row, self.kind, scope, full=full)
        first, last = scope.range
        mine = any(first <= (row.get(name) or 0) <= last for name in ("household_tree", "residence_tree"))
        everybody = scope.level == 1
        seen["person_id"] = row["person_id"].hex if row.get("known", True) and (mine or everybody) else ""
        seen["child_mark"] = "未满14周岁" if seen["child"] else ""
        seen["tags"] = "、".join(seen.get("tags", ()))
        if self.kind == "uninsured":
            seen["separated_word"] = "是" if row["separated"] else ""
            seen["last"] = " ".join(
                str(part) for part in (row["last_insured_year"], seen["last_insutype"], seen["last_admdvs"]) if part
            )
            seen["since_word"] = "新增" if row["is_new"] else ""
        elif self.kind == "closed":
            seen["place"] = place(scope.tree, row["place_code"])
            seen["status_is"] = seen["status_is"] or "来文中不再出现"
            if row["is_listed"]:
                seen["status_is"] = "未参保（已转往别处）"
            seen["detail"] = code_word("change_detail", row["detail"])
        elif self.kind == "duplicates":
            seen |= duplicate_words(row, scope, hide_employer=hidden("duplicates", "emp_name", scope.role))
        return seen

    def title(self, tree: DivisionTree) -> str:
        """What the list is, with the name of its division: heading of the page and of the file."""
        own = self._division(tree)
        area = own.name + ("（未落地）" if self.division.endswith("-") else "")
        if self.kind == "people":
            return f"{area} {measure_name(self.filters['measure'])} 人员名单"
        names = {"uninsured": "未参保人员名单", "closed": "未参保销号人员名单", "duplicates": "重复参保清单"}
        return f"{area} {names[self.kind]}"

    def filter_text(self) -> str:
        """The filters in words; 全部 where there are none."""
        said = [word("basis", self.basis)] if self.basis else []
        for name, value in self.filters.items():
            said.append(_filter_word(name, value))
        return "；".join(part for part in said if part) or "全部"

    def address(self) -> dict[str, str]:
        """Parameters of the address that opens the list."""
        return {"division": self.division, "basis": self.basis, **self.filters}

    @property
    def path(self) -> str:
        """Path of the page that shows the list."""
        return "/uninsured" if self.kind == "closed" else f"/{self.kind}"


def measure_list(measure: str, division: str, basis: str) -> tuple[str, dict[str, str]] | None:
    """Where the people are whom a cell of the ledger counts.

    Returns:
        Path and parameters; None for a measure that counts no people of the publication.
    """
    if measure in UNINSURED_MEASURES:
        return "/uninsured", {"division": division, "basis": basis, **UNINSURED_MEASURES[measure]}
    if measure == "duplicate_persons":
        return "/duplicates", {"division": division, "basis": basis}
    if measure in measure_bits():
        return "/people", {"division": division, "basis": basis, "measure": measure}
    return None


@lru_cache
def measure_name(measure: str) -> str:
    """A measure's name as the ledger prints it."""
    return load_layout([*measure_bits(), "target_persons"]).column(measure).name


def tag_choices(scope: Scope) -> dict[str, str]:
    """Groups that a role may filter by."""
    return {
        code: row["name"]
        for code, row in code_table("group_tag_class").items()
        if not hidden("uninsured", "tags", scope.role, code)
    }


def feedback_choices(scope: Scope) -> dict[str, str]:
    """Answers that a role may filter by."""
    reasons = {
        code: row["name"]
        for code, row in code_table("reason_code").items()
        if not hidden("uninsured", "feedback_reason", scope.role, code)
    }
    return {"no": "尚无核实", "yes": "已有核实", **reasons}


def by_priority(scope: Scope) -> bool:
    """Whether a role may filter and sort the uninsured by priority: only where it may read it as it is."""
    return show_of("uninsured", "priority", scope.role) == "full"


def choices(name: str, scope: Scope) -> dict[str, str]:
    """What may stand in a filter, as far as a role may filter by it.

    Args:
        name: Of the filter, as in an address; `basis` is one too.
        scope: Who asks.

    Returns:
        Value to word; empty for an age.
    """
    if name in {"reason", "cause", "basis"}:
        return words()[name]
    if name in FILTERS["duplicates"]:
        return words()[f"duplicate_{name}"]
    if name == "priority":
        return {one: one for one in "123456789"} if by_priority(scope) else {}
    if name == "group":
        return tag_choices(scope)
    if name == "feedback":
        return feedback_choices(scope)
    if name == "measure":
        return {one: measure_name(one) for one in measure_bits() if not hidden("ledger", one, scope.role)}
    found = words().get(f"filter_{name}", {})
    return {one: word for one, word in found.items() if (name, one) != ("sort", "priority") or by_priority(scope)}


def withheld(name: str, scope: Scope) -> bool:
    """Whether a role must not use some values of a filter: then an unknown one is answered as one of those is."""
    if name in {"priority", "sort"}:
        return not by_priority(scope)
    if name == "measure":
        return len(choices(name, scope)) < len(measure_bits())
    table = {"group": "group_tag_class", "feedback": "reason_code"}.get(name)
    return table is not None and not choices(name, scope).keys() >= code_table(table).keys()


def _known(name: str, value: str, scope: Scope) -> bool:
    if name in {"age_from", "age_to"}:
        return bool(re.fullmatch(r"[0-9]{1,3}", value))
    return value in choices(name, scope)


def _filter_word(name: str, value: str) -> str:
    if name == "group":
        return f"重点人群：{code_word('group_tag_class', value)}"
    if name == "feedback":
        return {"no": "尚无核实", "yes": "已有核实"}.get(value) or f"核实结果：{code_word('reason_code', value)}"
    if name == "since":
        return "较上次新增" if value == "new" else "较上次销号"
    if name == "separated":
        return "人户分离" if value == "yes" else "人户一致"
    if name == "measure":
        return measure_name(value)
    prefix = {
        "reason": "原因：", "priority": "优先级：", "age_from": "年龄从 ", "age_to": "年龄至 ", "cause": "销号原因：",
        "action": "建议：", "kind": "类型：", "state": "", "part": "",
    }.get(name)  # fmt: skip
    if prefix is None:
        return ""  # the order is no filter
    group = {"action": "duplicate_action", "kind": "duplicate_kind", "state": "duplicate_state"}.get(name)
    group = group or {"part": "duplicate_part", "reason": "reason", "cause": "cause"}.get(name, "")
    return prefix + (word(group, value) if group else value)
