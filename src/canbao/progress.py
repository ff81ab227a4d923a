"""A line on the terminal that says what a long night is doing; silent where nobody watches."""

import sys
import time
from types import TracebackType
from typing import TextIO


class Progress:
    """Rewrites one line of standard error, on a terminal only.

    Args:
        stream: Where to write; standard error by default.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self.active = self.stream.isatty()
        self.begun = time.monotonic()

    def __call__(self, text: str) -> None:
        """Show what is being done now."""
        if self.active:
            seconds = int(time.monotonic() - self.begun)
            self.stream.write(f"\r\x1b[2K[{seconds // 60:02d}:{seconds % 60:02d}] {text[:100]}")
            self.stream.flush()

    def close(self) -> None:
        """Take the line away."""
        if self.active:
            self.stream.write("\r\x1b[2K")
            self.stream.flush()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
