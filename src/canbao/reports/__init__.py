"""What people open: workbooks that an office prints and signs."""

from canbao.reports.ledger import ReportHeader, write_ledger_workbooks

__all__ = ["ReportHeader", "write_ledger_workbooks"]
