"""Headings, words and messages of `words.toml`."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from canbao.intake.problems import FileRefused


@cache
def words() -> dict[str, Any]:
    """The whole file."""
    return tomllib.loads((Path(__file__).parent / "words.toml").read_text(encoding="utf-8"))


def refused(code: str, **parts: object) -> FileRefused:
    """The refusal of that code, with its words."""
    return FileRefused(code, words()["refusals"][code].format(**parts))


def note(code: str, **parts: object) -> str:
    """A note about the file."""
    return str(words()["notes"][code].format(**parts))
