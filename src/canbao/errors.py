"""The two ways in which the product says no to a person; everything else is a bug and is loud."""

import re
import traceback

_NUMBER = re.compile(r"(?<![\dA-Fa-f])\d{7,}[\dXx]?")
_CHINESE = re.compile("[\u3400-\u9fff\U00020000-\U0003ffff·]+")


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
    """A fault's traceback for the log.

    An engine's message may quote a value: long numbers are cut everywhere, and Chinese words in what is not a line of
    code, since any of them may be a name.
    """
    said, code = "", False
    for line in "".join(traceback.format_exception(error)).splitlines(keepends=True):
        code = line.startswith('  File "') or (code and line.startswith("    "))
        said += line if code else _CHINESE.sub("***", line)
    return _NUMBER.sub(lambda found: f"{found[0][:3]}***", said)
