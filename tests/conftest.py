"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jinja2
import pytest


@pytest.fixture(scope="session", autouse=True)
def templates_compiled_once() -> Iterator[None]:
    """Compiled templates outlive their environments: tests make nights and portals by the hundred."""
    compile_anew = jinja2.Environment.compile
    kept: dict[tuple[Any, ...], Any] = {}

    def compile_once(self: jinja2.Environment, source: Any, *more: Any, **named: Any) -> Any:
        key = (
            source, *more, *named.items(), self.trim_blocks, self.lstrip_blocks, str(self.autoescape),
            str(self.undefined), *self.extensions,
        )  # fmt: skip
        if not isinstance(source, str):
            return compile_anew(self, source, *more, **named)
        if key not in kept:
            kept[key] = compile_anew(self, source, *more, **named)
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jinja2.Environment, "compile", compile_once)
        yield
