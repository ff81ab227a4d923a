"""Intake: what the departments delivered becomes typed Parquet, and no row is lost on the way (contract section 2).

`take_in` walks the landing areas, chooses the deliveries of the night and reads each file once; `load_definitions`
gives the sources as `src/canbao/sources/*.toml` define them.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from canbao.intake.definitions import Field, SourceDef, load_definitions
    from canbao.intake.landing import IntakeResult, drop_unused, take_in
    from canbao.intake.problems import Refusal

_WHERE = {
    "Field": "definitions",
    "IntakeResult": "landing",
    "Refusal": "problems",
    "SourceDef": "definitions",
    "drop_unused": "landing",
    "load_definitions": "definitions",
    "take_in": "landing",
}

__all__ = ["Field", "IntakeResult", "Refusal", "SourceDef", "drop_unused", "load_definitions", "take_in"]


def __getattr__(name: str) -> Any:
    """Imports what is asked for: the process that reads one returned file (canbao.loop.read) needs no Polars."""
    if name not in _WHERE:
        raise AttributeError(name)
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
