"""What is done at the machine's own command line, in the name of the account that runs it."""

import getpass
import os
from pathlib import Path
from typing import Any


def operator() -> str:
    """The account that this process runs under; its number where it has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def account() -> str:
    """The same as the audit log and the loop name it."""
    return f"console:{operator()}"


def note(home: Path, action: str, **fields: Any) -> str:
    """Write something done at the command line into the audit log.

    Args:
        home: The installation.
        action: What was done (canbao.portal.audit_log).
        fields: target, rows, outcome, reason, detail.

    Returns:
        The entry's own hash, as AuditLog.append gives it.
    """
    from canbao.portal.audit_log import AuditLog

    return AuditLog(home).append(action, account=account(), role="console", address="console", **fields)
