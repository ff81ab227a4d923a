"""Small landing areas for the night's tests, and the installed command as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.story import settled

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "canbao"]
AS_OF = "2026-03-31"


def number(serial: int, block: int = 0) -> str:
    """A certificate number with a right check digit that nobody has: its area (500191 to 500199) was never assigned."""
    body = f"{500191 + block}1980{serial // 28 % 12 + 1:02d}{serial % 28 + 1:02d}{serial % 1000:03d}"
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(int(digit) * weight for digit, weight in zip(body, weights, strict=True))
    return body + "10X98765432"[total % 11]


@dataclass
class Landing:
    """A landing area under construction."""

    root: Path

    def population(
        self, rows: int = 60, day: str = "2026-03-30", county: str = "500101", also: dict[str, int] | None = None
    ) -> Landing:
        lines = ["公民身份号码,姓名,性别,户籍地区划代码,常住地区划代码,户籍状态"]
        for block, (place, count) in enumerate({county: rows, **(also or {})}.items()):
            village = {"500101": "500101001001"}.get(place, place)
            lines += [f"{number(i, block)},试{i},1,{village},{village},1" for i in range(count)]
        return self.write("population", day, "\n".join(lines) + "\n")

    def enrollment(self, rows: int = 40, day: str = "2026-03-30", bad: int = 0) -> Landing:
        lines = ["psn_insu_rlts_id,certno,psn_name,insutype,psn_insu_stas,insu_admdvs,begn_date"]
        lines += [f"R{i:05d},{number(i)},试{i},390,1,500101,2026-01-01" for i in range(rows)]
        lines += [f"B{i:05d},{number(i)},试{i},390,1,500101,不是日期" for i in range(bad)]
        return self.write("enrollment", day, "\n".join(lines) + "\n")

    def payments(self, rows: int = 30, day: str = "2026-03-30") -> Landing:
        lines = ["pay_id,certno,insutype,accrym_begn,accrym_end,amount,paid_date,insu_admdvs"]
        lines += [f"P{i:05d},{number(i)},390,202601,202612,400.00,2025-12-01,500101" for i in range(rows)]
        return self.write("tax_payment", day, "\n".join(lines) + "\n")

    def write(self, source: str, day: str, text: str | bytes, name: str = "data.csv") -> Landing:
        folder = self.root / source / day
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        settled(folder / name)
        return self


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    (tmp_path / "landing").mkdir()
    return Landing(tmp_path / "landing")


@pytest.fixture
def canbao(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command as a process and returns what it said."""

    def call(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("CANBAO_", "PREFECT_"))}
        return subprocess.run(
            [*COMMAND, *map(str, arguments)],
            env={**clean, **environment},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    return call
