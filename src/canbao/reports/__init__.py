"""What people open: workbooks that an office prints and signs, the brief, and the rule book.

Each name is loaded when it is first asked for: the portal needs few of them, and its processes are to stay small.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from canbao.reports.brief import load_definition, write_brief
    from canbao.reports.ledger import ReportHeader, write_ledger_workbooks
    from canbao.reports.rulebook import write_rule_book
    from canbao.reports.stamps import release_lines, stamp_lines, verdict_line
    from canbao.reports.writers import BookWriters

__all__ = [
    "BookWriters",
    "ReportHeader",
    "load_definition",
    "release_lines",
    "stamp_lines",
    "verdict_line",
    "write_brief",
    "write_ledger_workbooks",
    "write_rule_book",
]

_HOME = {
    "BookWriters": "writers",
    "ReportHeader": "ledger",
    "load_definition": "brief",
    "release_lines": "stamps",
    "stamp_lines": "stamps",
    "verdict_line": "stamps",
    "write_brief": "brief",
    "write_ledger_workbooks": "ledger",
    "write_rule_book": "rulebook",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
