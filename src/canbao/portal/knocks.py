"""Tries of people who are not signed in: noted one by one while they are few, counted once they are many.

Nobody needs an account to make them, so the audit log must not grow with every one.
"""

import threading
from dataclasses import dataclass, field

EACH = 5
"""Tries of one address that are noted one by one in a minute."""

ALL = 200
"""The same of all addresses together; the rest are counted under no address."""


@dataclass
class Knocks:
    """Tries of the present minute. Threads may call at the same time."""

    _minute: int = -1
    _noted: int = 0
    _tried: dict[str, int] = field(default_factory=dict)
    _counted: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def counted(self, minute: int) -> list[tuple[str, int]]:
        """Tries of an earlier minute that were counted and not noted, by address; each is told once.

        Args:
            minute: The present one.

        Returns:
            Address (empty for the rest of them) and number of tries.
        """
        if minute == self._minute:
            return []
        with self._lock:
            found = list(self._counted.items()) if minute != self._minute else []
            if minute != self._minute:
                self._minute, self._noted, self._tried, self._counted = minute, 0, {}, {}
        return found

    def note_it(self, address: str) -> bool:
        """Whether a try is to be noted by itself; it is counted otherwise."""
        with self._lock:
            tried = self._tried.get(address, 0)
            if self._noted < ALL and tried < EACH:
                self._tried[address] = tried + 1
                self._noted += 1
                return True
            whose = address if tried else ""
            self._counted[whose] = self._counted.get(whose, 0) + 1
            return False
