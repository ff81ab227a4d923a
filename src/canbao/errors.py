"""The two ways in which the product says no to a person; everything else is a bug and is loud."""

import re
import traceback

_NUMBER = re.compile(r"(?<![\dA-Fa-f])\d{7,}[\dXx]?")


class CanbaoError(Exception):
    """A message for a person, never a traceback. `exit_status` is what the command ends with."""

    exit_status = 1


class UserError(CanbaoError):
    """Wrong use: unknown option, missing landing area, unreadable rule file (exit 2)."""

    exit_status = 2


class Blocked(CanbaoError):  # noqa: N818 - it is a state of the night, not a fault of the program
    """The run stopped before publishing because a blocking check failed (exit 1)."""

    exit_status = 1


def masked_traceback(error: BaseException) -> str:
    """A fault's traceback for the log; an engine's message may quote a value, so long numbers are cut."""
    return _NUMBER.sub(lambda found: f"{found[0][:3]}***", "".join(traceback.format_exception(error)))
