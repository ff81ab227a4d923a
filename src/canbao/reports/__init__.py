"""What people open: workbooks that an office prints and signs, the brief, and the rule book."""

from canbao.reports.brief import load_definition, write_brief
from canbao.reports.ledger import ReportHeader, write_ledger_workbooks
from canbao.reports.rulebook import write_rule_book
from canbao.reports.stamps import release_lines, stamps, verdict_line

__all__ = [
    "ReportHeader",
    "load_definition",
    "release_lines",
    "stamps",
    "verdict_line",
    "write_brief",
    "write_ledger_workbooks",
    "write_rule_book",
]
