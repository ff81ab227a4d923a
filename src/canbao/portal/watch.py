"""What the portal does by itself once a day: copy the audit log to its second place, and drop what may be dropped."""

import asyncio
import sys
from datetime import timedelta

from starlette.concurrency import run_in_threadpool

from canbao.clock import ZONE
from canbao.home import read_json
from canbao.portal.audit_log import AuditError
from canbao.portal.page import Portal

_LOOK_EVERY = 600.0
"""Seconds between two looks at the clock."""


async def daily_copies(portal: Portal) -> None:
    """Copy the log when the portal starts and then once on every day, as long as the portal runs."""
    done = ""
    while True:
        today = portal.clock().astimezone(ZONE).strftime("%Y-%m-%d")
        if today != done:
            for line in await run_in_threadpool(copy_now, portal):
                print(f"canbao serve: {line}", file=sys.stderr, flush=True)
            done = today
        await asyncio.sleep(_LOOK_EVERY)


def copy_now(portal: Portal) -> list[str]:
    """Copy the log to `[audit] copy_to`, and drop months that are older than `keep_days`.

    Returns:
        What is wrong, in Chinese: an entry that was changed, or a place that cannot be written to.
    """
    place = portal.settings.audit_copy_to
    try:
        problems: list[str] = []
        if place is not None:
            verdict = portal.audit.copy_to(place)
            problems = verdict.problems
            portal.audit.append(
                "audit_copy",
                target=str(verdict.place or place),
                outcome="failed" if problems else "ok",
                rows=verdict.entries,
            )
        if not problems:
            dropped = portal.audit.prune(portal.settings.audit_keep_days)
            if dropped:
                portal.audit.append("audit_prune", target="、".join(dropped))
    except AuditError as error:
        return [str(error)]
    return problems


def copy_is_late(portal: Portal) -> bool:
    """Whether the second place has no copy of the last two days."""
    place = portal.settings.audit_copy_to
    if place is None:
        return False
    head = place / "head.json"
    if not read_json(head):
        return True
    return portal.clock().timestamp() - head.stat().st_mtime > timedelta(days=2).total_seconds()
