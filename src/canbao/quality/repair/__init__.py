"""Repair requests (校核申请): each department gets its wrong rows as a numbered workbook, and answers them one by one.

`issue` makes the workbooks from the current publication's `repair_item`, `answer` reads them back, `open_requests`
tells what is outstanding. A night loads what was confirmed (`load_known`), finds the wrong rows (`gather`) and, once
published, closes what is repaired and reopens what comes wrong again (`settle`).
"""

from canbao.quality.repair.night import gather, load_known, settle
from canbao.quality.repair.requests import OpenRequest, answer, issue, listing, open_requests
from canbao.quality.repair.rows import collect

__all__ = ["OpenRequest", "answer", "collect", "gather", "issue", "listing", "load_known", "open_requests", "settle"]
