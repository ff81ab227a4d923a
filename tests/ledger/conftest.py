"""Small made-up worlds, built as often as a property asks."""

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from canbao.build import load_steps
from canbao.generate import generate
from tests.in_process import Built

AS_OF = date(2026, 3, 31)
Worlds = Callable[[int, int], Path]


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory) -> Worlds:
    """Gives the landing area of a world of so many people from a seed; each is made once."""
    place = tmp_path_factory.mktemp("worlds")

    def make(persons: int, seed: int) -> Path:
        folder = place / f"{persons}_{seed}"
        if not folder.exists():
            generate(folder, persons, seed, AS_OF, counties=["500101", "500102", "500112"])
        return folder / "landing"

    return make


def published(night: Built) -> dict[str, pl.DataFrame]:
    """All tables that the steps publish, without the evidence, which names files and lines."""
    tables = {}
    for step in load_steps():
        if step.published:
            frame = night.warehouse.con.execute(f"SELECT * FROM {step.name} ORDER BY ALL").pl()
            tables[step.name] = frame.drop([name for name in frame.columns if "evidence" in name])
    return tables


def copied(landing: Path, to: Path) -> Path:
    """A landing area without manifests, which speak of the files as they were."""
    shutil.copytree(landing, to)
    for manifest in to.rglob("manifest.json"):
        manifest.unlink()
    return to


def differences(one: dict[str, pl.DataFrame], two: dict[str, pl.DataFrame]) -> list[str]:
    """Names of the tables that differ."""
    return [name for name in one if not one[name].equals(two[name])]
