"""What people open: workbooks that an office prints and signs, and the rule book."""

from canbao.reports.ledger import ReportHeader, write_ledger_workbooks
from canbao.reports.rulebook import write_rule_book

__all__ = ["ReportHeader", "write_ledger_workbooks", "write_rule_book"]
