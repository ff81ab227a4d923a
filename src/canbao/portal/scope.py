"""Who may do and see what: the one place that decides. Every handler goes through it.

What a role can do is data (`roles.csv`). What lies outside somebody's role or division is answered exactly as what does
not exist, and the try stands in the audit log.
"""

import csv
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from canbao.paths import package_dir
from canbao.portal.divisions import LEVELS, Division, DivisionTree

if TYPE_CHECKING:
    from starlette.requests import Request

    from canbao.portal.accounts import Account

PEOPLE_ROLES = tuple(LEVELS.values())
"""Roles that see people; each works for a division of its level."""

ADMIN_ROLES = ("system_admin", "security_admin", "auditor")
"""Roles that see no people, and of which nobody holds two (等保 安全管理中心: 系统、安全、审计三员分立)."""

ROLES = (*PEOPLE_ROLES, *ADMIN_ROLES)

ROLE_WORDS = {
    "city": "市级",
    "district": "区县",
    "township": "乡镇街道",
    "village": "村社区",
    "system_admin": "系统管理员",
    "security_admin": "安全管理员",
    "auditor": "审计员",
    "": "未授权",
}

EXPORTS = ("none", "masked", "full")
EXPORT_WORDS = {"none": "不可导出", "masked": "可导出（号码打码）", "full": "可导出完整号码"}


class NotFound(Exception):  # noqa: N818 - it is an answer, not a fault
    """There is nothing there for this person: answered with the one 404 page."""


@lru_cache
def capabilities(role: str) -> frozenset[str]:
    """What a role can do, from `roles.csv`; nothing for a role that is not known."""
    with (package_dir("portal") / "roles.csv").open(encoding="utf-8", newline="") as file:
        return frozenset(row["capability"] for row in csv.DictReader(file) if row["role"] == role)


@dataclass(frozen=True)
class Scope:
    """What one signed-in person may do and see.

    Attributes:
        account: Name of the account.
        role: Its role.
        division: The division it works for; None for roles that see no people, and where its division is gone.
        export: `none`, `masked` or `full`, already cut to what the role may hold.
        can_do: Capabilities.
        tree: The divisions that this was decided with.
    """

    account: str
    role: str
    division: Division | None
    export: str
    can_do: frozenset[str]
    tree: DivisionTree

    @classmethod
    def of(cls, account: "Account", tree: DivisionTree) -> "Scope":
        """Decide for an account.

        Args:
            account: The account as it stands at this moment.
            tree: Divisions of the publication that is served.
        """
        can_do = capabilities(account.role)
        division = None
        if account.role in PEOPLE_ROLES:
            division = tree.current(account.division, PEOPLE_ROLES.index(account.role) + 1)
        export = account.export if "download" in can_do else "none"
        if export == "full" and "download_full" not in can_do:
            export = "masked"
        return cls(account.name, account.role, division, export, can_do, tree)

    def can(self, capability: str) -> bool:
        """Whether the role has a capability."""
        return capability in self.can_do

    def may_see_division(self, code: str | None) -> bool:
        """Whether a division is one's own or lies in it.

        The 未落地 row of a division (its code followed by `-`) belongs to the division itself. A code that is not in
        use is nobody's.
        """
        if self.division is None or not code:
            return False
        return self.tree.inside(code.removesuffix("-"), self.division)

    @property
    def must_have_factor(self) -> bool:
        """Whether the account may do nothing before it has a second factor (U3)."""
        return self.can("must_have_second_factor") or self.export == "full"

    @property
    def range(self) -> tuple[int, int]:
        """First and last tree number that may be seen; (1, 0), which holds nothing, for who sees no people."""
        return (self.division.first, self.division.last) if self.division else (1, 0)

    @property
    def level(self) -> int:
        """Level of the own division, 0 for who sees no people."""
        return self.division.level if self.division else 0


def refuse(request: "Request", action: str, target: str | None = None, reason: str = "", **detail: Any) -> NotFound:
    """Note a refused try in the audit log.

    Args:
        request: The request.
        action: What was tried.
        target: To what: a division, a person id, a serial.
        reason: Why it was refused.
        detail: Further facts, none of them about a person.

    Returns:
        The exception to raise: `raise refuse(…)`.

    Raises:
        AuditError: It could not be noted.
    """
    from canbao.portal.page import note

    note(request, action, target=target, outcome="refused", reason=reason or None, **detail)
    return NotFound()


def require(
    request: "Request", capability: str, *, division: str | None = None, action: str = "", target: str | None = None
) -> Scope:
    """The scope of the person who asks, or the 404 page and an entry in the audit log.

    Args:
        request: The request.
        capability: What is about to be done (`roles.csv`).
        division: Code of the division that it is done to, where there is one.
        action: How the audit log calls it; the capability by default.
        target: What it is done to, as the audit log tells it; the division by default.

    Returns:
        The scope.

    Raises:
        NotFound: The role cannot do this, or the division is not in the scope.
    """
    scope: Scope | None = getattr(request.state, "scope", None)
    if scope is None or not scope.can(capability):
        raise refuse(request, action or capability, target or division, "role")
    if division is not None and not scope.may_see_division(division):
        raise refuse(request, action or capability, target or division, "division")
    return scope
