"""What people open: workbooks that an office prints and signs, and the rule book."""

from canbao.reports.ledger import ReportHeader, write_ledger_workbooks
from canbao.reports.rulebook import write_rule_book
from canbao.reports.stamps import release_lines, stamps, verdict_line

__all__ = [
    "ReportHeader",
    "release_lines",
    "stamps",
    "verdict_line",
    "write_ledger_workbooks",
    "write_rule_book",
]
