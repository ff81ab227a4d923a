"""Repair requests (校核申请): each department gets its wrong rows as a numbered workbook, and answers them one by one.

`issue` makes the workbooks from the current publication's `repair_item`, `answer` reads them back, `open_requests`
tells what is outstanding. A night loads what was confirmed (`load_known`), finds the wrong rows (`gather`) and, once
published, closes what is repaired and reopens what comes wrong again (`settle`).
"""

import importlib
from typing import Any

from canbao.quality.repair.night import gather, load_known, settle
from canbao.quality.repair.rows import collect

_COMMANDS = ("OpenRequest", "answer", "issue", "listing", "open_requests")

__all__ = ["OpenRequest", "answer", "collect", "gather", "issue", "listing", "load_known", "open_requests", "settle"]


def __getattr__(name: str) -> Any:
    """The commands, whose modules a night has no use for: data frames and workbooks take half a second to load."""
    if name in _COMMANDS:
        return getattr(importlib.import_module("canbao.quality.repair.requests"), name)
    raise AttributeError(name)
