"""Intake: what the departments delivered becomes typed Parquet, and no row is lost on the way (contract section 2).

`take_in` walks the landing areas, chooses the deliveries of the night and reads each file once; `load_definitions`
gives the sources as `src/canbao/sources/*.toml` define them.
"""

from canbao.intake.definitions import Field, SourceDef, load_definitions
from canbao.intake.landing import IntakeResult, drop_unused, take_in
from canbao.intake.problems import Refusal

__all__ = ["Field", "IntakeResult", "Refusal", "SourceDef", "drop_unused", "load_definitions", "take_in"]
