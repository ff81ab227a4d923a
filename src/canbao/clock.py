"""The bureau's clock: days begin and end in China, whatever zone the machine is set to."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Shanghai")


def today() -> date:
    """The day in China."""
    return datetime.now(ZONE).date()
