"""Landing areas written by hand: rows as dicts, files with every required column."""

import csv
import io
import zlib
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from canbao.intake import load_definitions

AS_OF = date(2026, 3, 31)
DAY = "2026-03-30"
"""Day of a delivery of which nothing else is said."""

CITY = "500000000000"
DISTRICT, TOWN, VILLAGE, VILLAGE_2 = "500101000000", "500101001000", "500101001001", "500101001002"
TOWN_B, VILLAGE_B = "500101002000", "500101002001"
DISTRICT_C, TOWN_C, VILLAGE_C = "500102000000", "500102001000", "500102001001"
OUTSIDE = "510104001001"
PLACE, PLACE_C, PLACE_OUTSIDE = "500101", "500102", "510104"

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_DEFAULTS: dict[str, dict[str, Any]] = {
    "population": {"psn_name": "张试", "resd_code": VILLAGE, "live_code": VILLAGE, "resd_status": "1"},
    "birth": {"gend": "1", "brdy": "2026-01-15", "live_code": VILLAGE},
    "death": {"death_date": "2026-01-05"},
    "student": {
        "psn_name": "张试", "school_code": "S1", "school_admdvs": PLACE, "stage": "undergraduate",
        "enroll_date": "2024-09-01", "student_status": "1",
    },
    "enrollment": {
        "psn_name": "张试", "insutype": "390", "psn_insu_stas": "1", "insu_admdvs": PLACE, "begn_date": "2023-01-01",
    },
    "enrollment_elsewhere": {
        "psn_name": "张试", "insutype": "390", "psn_insu_stas": "1", "insu_admdvs": PLACE_OUTSIDE,
        "begn_date": "2023-01-01",
    },
    "tax_payment": {
        "insutype": "390", "accrym_begn": "202601", "accrym_end": "202612", "amount": "400", "paid_date": "2025-12-01",
        "insu_admdvs": PLACE,
    },
    "employment": {"kind": "contract", "begn_date": "2020-01-01"},
    "aid_recipient": {"aid_type": "特困", "begn_date": "2020-01-01"},
    "veteran": {"discharge_date": "2025-12-01"},
    "custody": {"begn_date": "2024-01-01"},
    "vaccination": {"psn_name": "张试", "brdy": "2025-05-05", "live_code": VILLAGE},
    "enterprise": {"emp_name": "试验公司", "status": "1", "admdvs": PLACE},
    "annual_claim": {"year": "2025", "fund_paid_amt": "0"},
    "enrollment_history": {"insutype": "390", "months": "12"},
    "grid_feedback": {"batch_id": "B1", "division_code": VILLAGE, "reason_code": "W1", "found_date": "2026-03-01"},
}  # fmt: skip
_DIVISIONS = [
    (CITY, "重庆市", 1, None), (DISTRICT, "万州区", 2, CITY), (TOWN, "甲街道", 3, DISTRICT),
    (VILLAGE, "甲一社区", 4, TOWN), (VILLAGE_2, "甲二社区", 4, TOWN), (TOWN_B, "乙镇", 3, DISTRICT),
    (VILLAGE_B, "乙一村", 4, TOWN_B), (DISTRICT_C, "涪陵区", 2, CITY), (TOWN_C, "丙街道", 3, DISTRICT_C),
    (VILLAGE_C, "丙一社区", 4, TOWN_C),
]  # fmt: skip


def number(name: str, brdy: str = "1990-01-01", *, area: str = "99") -> str:
    """A certificate number with a right check digit in an area (99) that has never been given out."""
    digest = zlib.crc32(name.encode())
    body = f"{area}{digest // 1000 % 10000:04d}{brdy.replace('-', '')}{digest % 899:03d}"
    return body + check_digit(body)


def check_digit(body: str) -> str:
    """The 18th sign after 17 digits (GB 11643)."""
    return "10X98765432"[sum(int(digit) * weight for digit, weight in zip(body, _WEIGHTS, strict=True)) % 11]


def fifteen(number18: str) -> str:
    """The 15-digit form of somebody born in the 20th century."""
    return number18[:6] + number18[8:17]


def wrong(number18: str) -> str:
    """The same number with a wrong check digit."""
    return number18[:17] + ("1" if number18[17] != "1" else "2")


class City:
    """A small city: rows by source and delivery, written as one CSV each."""

    def __init__(self, *, divisions: bool = True) -> None:
        self.rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.numbers: dict[str, str] = {}
        if divisions:
            for code, name, level, parent in _DIVISIONS:
                self.add("division", division_code=code, division_name=name, level=level, parent_code=parent)
        for source in ("population", "enrollment"):
            self.rows.setdefault((source, DAY), [])

    def add(self, source: str, day: str = DAY, **fields: Any) -> dict[str, Any]:
        """One row; what is not said is as in `_DEFAULTS`, None is a blank."""
        row = {**_DEFAULTS.get(source, {}), **fields}
        self.rows.setdefault((source, day), []).append(row)
        return row

    def number(self, name: str, born: str = "1990-01-01") -> str:
        """The number of somebody, the same at each call."""
        if name not in self.numbers:
            made = number(name, born)
            assert made not in self.numbers.values(), f"{name}: another name, please"
            self.numbers[name] = made
        return self.numbers[name]

    def person(self, name: str, *, born: str = "1990-01-01", day: str = DAY, **fields: Any) -> str:
        """Somebody in the population."""
        certno = self.number(name, born)
        self.add("population", day, **{"certno": certno, **fields})
        return certno

    def relation(self, name: str, rlts: str, insutype: str = "390", *, away: bool = False, **fields: Any) -> str:
        """An enrollment relation of somebody."""
        source = "enrollment_elsewhere" if away else "enrollment"
        self.add(source, **{"certno": self.number(name), "psn_insu_rlts_id": rlts, "insutype": insutype, **fields})
        return rlts

    def staff(self, name: str, rlts: str, months: tuple[int, int] | None = (202401, 202603), **fields: Any) -> str:
        """A staff relation, each month of `months` paid for."""
        self.relation(name, rlts, "310", **{"psn_type": "1101", **fields})
        place = fields.get("insu_admdvs", PLACE)
        month = months[0] if months else 999999
        while months and month <= months[1]:
            self.pay(name, f"{rlts}-{month}", "310", amount="300", insu_admdvs=place, uscc=fields.get("uscc"),
                     accrym_begn=month, accrym_end=month, paid_date=f"{month // 100}-{month % 100:02d}-15")  # fmt: skip
            month += 1 if month % 100 < 12 else 89
        return rlts

    def resident(self, name: str, rlts: str, **fields: Any) -> str:
        """A resident relation that is paid for 2026."""
        self.relation(name, rlts, **fields)
        self.pay(name, f"{rlts}-26", insu_admdvs=fields.get("insu_admdvs", PLACE))
        return rlts

    def pay(self, name: str, pay_id: str, insutype: str = "390", **fields: Any) -> str:
        """A payment for somebody."""
        self.add("tax_payment", **{"certno": self.number(name), "pay_id": pay_id, "insutype": insutype, **fields})
        return pay_id

    def write(self, root: Path) -> Path:
        """Writes the landing area."""
        for (source, day), rows in self.rows.items():
            put(root, source, day, "data.csv", as_csv(source, rows))
        return root


def as_csv(source: str, rows: Iterable[Mapping[str, Any]], columns: Iterable[str] = ()) -> str:
    """Rows as text of a file: every required column of the source, those of the rows, then further ones."""
    definition = load_definitions()[source]
    rows = list(rows)
    wanted = {field.name for field in definition.fields if field.required or field.not_blank}
    wanted |= {name for row in rows for name in row} | set(columns)
    names = [field.name for field in definition.fields if field.name in wanted]
    strangers = wanted - set(names)
    assert not strangers, f"{source} has no {strangers}"
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: "" if row.get(name) is None else row[name] for name in names})
    return text.getvalue()


def put(root: Path, source: str, day: str, name: str, content: str | bytes) -> Path:
    """Writes one file of a delivery."""
    path = root / source / day / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path
