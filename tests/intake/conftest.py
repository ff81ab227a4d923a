"""Helpers: a landing area from a few lines, and the night's result as plain Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from canbao.intake import IntakeResult, take_in

AS_OF = date(2026, 2, 1)
DAY = "2026-01-31"


@dataclass
class Read:
    """A result with short ways in."""

    result: IntakeResult

    def file(self, number: int = 1) -> dict[str, Any]:
        return self.result.files.filter(pl.col("file_no") == number).row(0, named=True)

    def rows(self, number: int = 1) -> list[dict[str, Any]]:
        path = self.file(number)["staged_path"]
        return pl.read_parquet(path).to_dicts() if path else []

    def rejected(self, number: int = 1) -> list[tuple[int, str, str]]:
        found = [path for file_no, path in self.result.quarantine_paths if file_no == number]
        return [row for path in found for row in pl.read_parquet(path).select("line", "error_code", "raw").rows()]

    def codes(self) -> list[str]:
        return [refusal.code for refusal in self.result.refusals]


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    folder = tmp_path / "landing"
    folder.mkdir()
    return folder


@pytest.fixture
def deliver(landing: Path) -> Callable[..., Path]:
    def put(source: str, content: str | bytes, name: str = "a.csv", day: str = DAY) -> Path:
        path = landing / source / day / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return put


@pytest.fixture
def night(landing: Path, tmp_path: Path) -> Callable[..., Read]:
    def run(*more: Path, as_of: date = AS_OF) -> Read:
        return Read(take_in([landing, *more], as_of, tmp_path / "staged"))

    return run


@pytest.fixture
def read(deliver: Callable[..., Path], night: Callable[..., Read]) -> Callable[..., Read]:
    """Delivers one file of one source and takes it in."""

    def run(source: str, content: str | bytes, name: str = "a.csv") -> Read:
        deliver(source, content, name)
        return night()

    return run
