"""A home that has sent out three lists, and returned files for it: for the tests of checks, receipts and the command.

Everybody is made up; the area 500191 of their numbers was never assigned.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from canbao.home import Home
from canbao.intake.values import check_digit
from canbao.loop import state
from canbao.loop.codes import row_codes
from canbao.loop.receive import Who
from canbao.loop.state import Batch, BatchPlan, Loop, NewRound

SENT_ON = date(2026, 3, 2)
DAY = date(2026, 3, 31)
HERE, NEXT, FAR = "500103001001", "500103001002", "500104001001"
"""Two villages of a township, one of another district."""
TOWNSHIP = "500103001000"


def number(serial: int, born: date = date(1980, 1, 1)) -> str:
    """A certificate number with a right check digit that nobody has."""
    body = f"500191{born:%Y%m%d}{serial:03d}"
    return body + check_digit(body)


@dataclass(frozen=True)
class Person:
    """Somebody of the publication, and where the list about them went.

    Attributes:
        name: Made up.
        batches: Divisions that were asked.
        status: As the publication has it.
        born: Birth date.
        paid_to: Last month paid, YYYYMM.
        live_code: Where they live; the first division asked by default.
    """

    name: str
    batches: tuple[str, ...] = (HERE,)
    status: str = "uninsured"
    born: date = date(1980, 1, 1)
    paid_to: str | None = None
    live_code: str | None = None


PEOPLE = {
    "ann": Person("赵一"),
    "bob": Person("钱二"),
    "sep": Person("孙三", (HERE, NEXT)),
    "paid": Person("李四", status="resident"),
    "dead": Person("周五", status="excluded_death"),
    "late": Person("吴六", paid_to="202604"),
    "child": Person("郑七", born=date(2015, 5, 5)),
    "baby": Person("王八", born=date(2026, 1, 10)),
    "dot": Person("阿依·古丽"),
    "near": Person("冯九", (NEXT,)),
    "far": Person("陈十", (FAR,)),
    "unsent": Person("褚十一", (), live_code=HERE),
    "away": Person("卫十二", (), live_code=FAR),
    "boy": Person("蒋十三", born=date(2010, 6, 1)),
}

MANY = 40
PEOPLE |= {f"{key}~{n}": PEOPLE[key] for key in ("ann", "dead", "unsent") for n in range(MANY)}
"""Others who are like them, for files in which everybody stands once."""


class World:
    """The home, with what the tests ask it for."""

    def __init__(self, root: Path) -> None:
        self.home = Home(root)
        self.home.prepare()
        self.publish("run-1")
        self.loop = Loop(self.home, lambda: datetime(2026, 3, 2, 1, 0, tzinfo=UTC))
        self.codes: dict[tuple[str, str], str] = {}
        self.send()

    @staticmethod
    def certno(key: str) -> str:
        """Somebody's number."""
        return number(list(PEOPLE).index(key), PEOPLE[key].born)

    @staticmethod
    def person_id(key: str) -> str:
        """Somebody's id."""
        return f"{list(PEOPLE).index(key) + 1:032x}"

    def publish(self, run: str, **changed: str) -> None:
        """A publication with everybody; `changed` gives some another status."""
        folder = self.home.published / "2026-03-01" / run
        folder.mkdir(parents=True)
        people = {key: replace(one, status=changed.get(key, one.status)) for key, one in PEOPLE.items()}
        rows = [
            {
                "person_id": self.person_id(key), "certno": self.certno(key), "psn_name": one.name, "gend": "1",
                "brdy": one.born, "insured_status": one.status,
                "resd_code": one.batches[0] if one.batches else one.live_code,
                "live_code": one.live_code or (one.batches[-1] if one.batches else None),
            }
            for key, one in people.items()
        ]  # fmt: skip
        pl.DataFrame(rows).write_parquet(folder / "person.parquet")
        pl.DataFrame(rows).select(
            "person_id", pl.lit("certno").alias("kind"), pl.col("certno").alias("value")
        ).write_parquet(folder / "identifier.parquet")
        placed = [(self.person_id(key), code, "household") for key, one in people.items() for code in one.batches]
        pl.DataFrame(placed, schema=["person_id", "division_code", "role"], orient="row").write_parquet(
            folder / "responsibility.parquet"
        )
        paid = [(self.person_id(key), "202401", one.paid_to, True) for key, one in people.items() if one.paid_to]
        pl.DataFrame(paid, schema=["person_id", "begn_month", "end_month", "paid"], orient="row").write_parquet(
            folder / "coverage.parquet"
        )
        (folder / "manifest.json").write_text(json.dumps({"insured_year": 2026, "inputs": {"files": []}}))
        self.home.current.unlink(missing_ok=True)
        self.home.current.symlink_to(Path("2026-03-01") / run)

    def send(self, sent: date = SENT_ON) -> list[Batch]:
        """Send everybody out: one batch per village."""
        made: list[Batch] = []

        def write(path: Path, batches: Sequence[Batch]) -> None:
            made.extend(batches)
            rows: list[dict[str, Any]] = []
            for batch in batches:
                asked = [key for key, one in PEOPLE.items() if batch.division_code in one.batches]
                rows += [
                    {
                        "round_no": batch.round_no, "batch_no": batch.batch_no, "serial": serial, "key": key,
                        "person_id": self.person_id(key), "division_code": batch.division_code, "role": "household",
                        "sent": batch.sent, "due": batch.due, "certno": self.certno(key),
                        "psn_name": PEOPLE[key].name, "gend": "1", "brdy": PEOPLE[key].born, "age": 40,
                    }
                    for serial, key in enumerate(asked, 1)
                ]  # fmt: skip
            frame = pl.DataFrame(rows)
            codes = row_codes(b"key", *(frame[name].to_list() for name in ("batch_no", "serial", "person_id")))
            self.codes |= dict(zip(zip(frame["key"], frame["division_code"], strict=True), codes, strict=True))
            frame = frame.with_columns(pl.Series("row_code", codes))
            missing = [pl.lit(None, kind).alias(name) for name, kind in state.SENT.items() if name not in frame.columns]
            frame.with_columns(missing).select(
                pl.col(name).cast(kind) for name, kind in state.SENT.items()
            ).write_parquet(path)

        plans = [
            BatchPlan(code, f"村{code[-2:]}", 4, state.LIST, sum(code in one.batches for one in PEOPLE.values()))
            for code in (HERE, NEXT, FAR)
        ]
        self.loop.new_round(
            NewRound(sent, date(2026, 3, 16), "chen", "500100000000", 4, "2026-03-01/run-1", {}, plans), write
        )
        return made

    def code(self, key: str, division: str = HERE) -> str:
        """Somebody's row code in the newest batch of a village."""
        return self.codes[key, division]

    def landed(self) -> list[Path]:
        """Files that the next night would read."""
        return sorted((self.home.landing / "grid_feedback").glob("*/H*.csv"))

    def landed_rows(self) -> list[dict[str, str]]:
        """Their rows."""
        rows: list[dict[str, str]] = []
        for path in self.landed():
            with path.open(encoding="utf-8", newline="") as file:
                rows += csv.DictReader(file)
        return rows

    def file(self, name: str, rows: Sequence[Mapping[str, object]]) -> Path:
        """A returned CSV with the usual headings; what a row does not say is blank."""
        path = self.home.root.parent / name
        with path.open("w", encoding="gb18030", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(HEADINGS.values())
            writer.writerows([row.get(key, "") for key in HEADINGS] for row in rows)
        return path

    def row(self, key: str, reason: str = "W1", division: str = HERE, **cells: object) -> dict[str, object]:
        """A row as the village got it, with its answer."""
        return {
            "row_code": self.code(key, division),
            "psn_name": PEOPLE[key].name,
            "reason": reason,
            "found_date": "2026-03-20",
            **cells,
        }

    def by_number(self, key: str, reason: str = "W1", **cells: object) -> dict[str, object]:
        """A row of a list of one's own: number, no row code."""
        return {
            "batch_id": "B1", "certno": self.certno(key), "division_code": HERE, "reason": reason,
            "found_date": "2026-03-20", **cells,
        }  # fmt: skip


HEADINGS = {
    "row_code": "行码", "batch_id": "批次", "certno": "证件号码", "psn_name": "姓名", "division_code": "填报区划",
    "reason": "核实结果", "found_date": "核实日期", "end_date": "预计结束日期", "note": "说明", "reporter": "填报人",
}  # fmt: skip


def village(code: str = HERE, account: str = "") -> Who:
    """Somebody who works for a village."""
    return Who(account or f"v{code[-6:]}", "村干部", "village", code, lambda asked: asked == code)


def township() -> Who:
    """Somebody of the township above `HERE` and `NEXT`."""
    return Who("town", "镇干部", "township", TOWNSHIP, lambda asked: asked.startswith("500103001"))


def everybody() -> Who:
    """The command line."""
    return Who("canbao feedback", "office", "", "", lambda _: True, everything=True)


def read_in_this_process(patch: pytest.MonkeyPatch) -> None:
    """Spare the start of a process per file, where the file is none to be afraid of."""
    from canbao.loop import read
    from canbao.loop.read.__main__ import main

    def run(command: Sequence[str], folder: str) -> int:
        main(*command[command.index("canbao.loop.read") + 1 :])
        return 0

    patch.setattr(read, "_run", run)
