"""Contract sections 2 and 3 from the landing area to the published files: columns, types, counts, refusals, exit."""

import csv
import hashlib
import io
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from canbao import nightly
from canbao.build import load_steps
from canbao.errors import Blocked
from canbao.nightly import Options
from tests.contract.landing import AS_OF, DAY, VILLAGE, VILLAGE_C, City, as_csv, number, put

CONTRACT = tomllib.loads((Path(__file__).parent / "columns.toml").read_text("utf-8"))
PENDING = CONTRACT.pop("pending")
MADE_BY_THE_NIGHT = {"quarantine", "load_file", "quality_metric"}
KINDS = {
    "text": {"VARCHAR"}, "month": {"VARCHAR"}, "json": {"VARCHAR", "JSON"}, "date": {"DATE"}, "boolean": {"BOOLEAN"},
    "list": {"VARCHAR[]"}, "integer": {"TINYINT", "SMALLINT", "INTEGER", "BIGINT"},
}  # fmt: skip


def made_city() -> City:
    city = City()
    for serial in range(60):
        city.person(f"p{serial}", live_code=VILLAGE if serial % 2 else VILLAGE_C)
        if serial % 3:
            city.resident(f"p{serial}", f"R{serial}")
    city.resident("p1", "R1b", insu_admdvs="500102")
    city.pay("p2", "P2-again", paid_date="2026-01-05")
    city.add("grid_feedback", certno=city.number("p3"))
    # the same key again: a later line, a later delivery of increments
    city.person("p4", resd_status="2")
    city.pay("p6", "P6", day="2026-01-31", amount="400")
    city.pay("p6", "P6", amount="0")
    # an older and a future snapshot are not read
    city.add("custody", "2026-01-31", certno=city.number("p9"))
    city.add("custody", "2026-03-15", certno=city.number("p12"))
    city.add("custody", "2026-04-01", certno=city.number("p15"))
    return city


class Published:
    """The current publication of a home."""

    def __init__(self, home: Path) -> None:
        self.folder = (home / "published" / "current").resolve()
        self.manifest = json.loads((self.folder / "manifest.json").read_text("utf-8"))

    def table(self, name: str) -> str:
        return str(self.folder / f"{name}.parquet")

    def rows(self, name: str, columns: str = "*", where: str = "true") -> list[tuple[Any, ...]]:
        return duckdb.sql(f"SELECT {columns} FROM '{self.table(name)}' WHERE {where}").fetchall()

    def types(self, name: str) -> dict[str, str]:
        return {row[0]: row[1] for row in duckdb.sql(f"DESCRIBE SELECT * FROM '{self.table(name)}'").fetchall()}


def run(landing: Path, home: Path, **more: Any) -> None:
    with nightly.open_night(Options(landing=landing, home=home, as_of=AS_OF, threads=2, **more)) as night:
        nightly.run(night)


FAULTS = [
    ("", "张缺", VILLAGE, "1"), ("5.00103E+17", "张坏", VILLAGE, "1"), ("500103199001010000", "张坏", VILLAGE, "1"),
    ("合计", "", "", "66"), (number("short row"), "张短"), (number("long row"), "张长", VILLAGE, "1", "多"),
    (number("nameless"), "", VILLAGE, "1"),
]  # fmt: skip
"""Rows that are rejected: the codes below, in this order."""
CODES = [
    "blank_required", "damaged_certno", "damaged_certno", "total_row", "field_count", "field_count", "blank_required",
]  # fmt: skip
FINDINGS = [
    (number("findings 1")[:17] + "?", "张一", VILLAGE, "1"), (number("findings 2"), "张二", "5001", "88"),
    (number("findings 3"), "张三", "990000000000", "在册"), (number("findings 4"), "张四", VILLAGE, "1", " "),
]  # fmt: skip
"""Rows with faults that reject nothing."""


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    place = tmp_path_factory.mktemp("published")
    made_city().write(place / "landing")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(["证件号码", "姓名", "户籍地区划代码", "户籍状态", "备用"])
    writer.writerows([row if len(row) in (2, 5) else (*row, "") for row in [*FAULTS, *FINDINGS]])
    rows = text.getvalue().replace("备用", "常住地区划代码").replace(",多", f",{VILLAGE},多")
    put(place / "landing", "population", DAY, "more.csv", rows.encode("gb18030"))
    put(place / "landing", "population", DAY, ".hidden.exe", b"x")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CANBAO_KEY", raising=False)
        run(place / "landing", place / "home")
    yield Published(place / "home")


# ------------------------------------------------------------------------------------------------- columns and types


def made() -> set[str]:
    return {step.name for step in load_steps() if step.published} | MADE_BY_THE_NIGHT


def test_what_is_pending_is_said() -> None:
    assert set(PENDING) == set(CONTRACT) - made()


@pytest.mark.parametrize("table", sorted(set(CONTRACT) & made()))
def test_columns(published: Published, table: str) -> None:
    found = published.types(table)
    wanted = {name: kind for kind, names in CONTRACT[table].items() for name in names}
    assert wanted.keys() <= found.keys(), sorted(wanted.keys() - found.keys())
    wrong = {name: (found[name], kind) for name, kind in wanted.items() if not fits(found[name], kind)}
    assert not wrong


def fits(found: str, kind: str) -> bool:
    if kind == "present":
        return True
    return found.startswith("DECIMAL(") if kind == "amount" else found in KINDS[kind]


@pytest.mark.parametrize("table", sorted(set(CONTRACT) & made()))
def test_values_look_like_their_kind(published: Published, table: str) -> None:
    kinds = CONTRACT[table]
    for name in kinds.get("month", []):
        assert all(len(value) == 6 and value.isdigit() for (value,) in published.rows(table, name) if value)
    for name in kinds.get("json", []):
        assert all(isinstance(json.loads(value), dict) for (value,) in published.rows(table, name))
    for name in kinds.get("list", []):
        for (value,) in published.rows(table, name):
            assert value is not None
            assert value == sorted(value)
    for name in ("division_code", "resd_code", "live_code", "feedback_division"):
        if name in published.types(table):
            ends = ("-",) if table == "ledger" else ()
            values = [value for (value,) in published.rows(table, name) if value and not value.endswith(ends)]
            assert all(len(value) == 12 and value.isdigit() for value in values)


@pytest.mark.parametrize("table", sorted(made()))
def test_rows_stand_in_the_order_that_the_manifest_names(published: Published, table: str) -> None:
    order = published.manifest["tables"][table]["order_by"]
    assert order
    rows = published.rows(table, ", ".join(order))
    marked = [tuple((value is not None, value) for value in row) for row in rows]
    assert marked == sorted(marked)


def test_the_manifest_tells_the_truth(published: Published) -> None:
    for entry in published.manifest["outputs"]:
        content = (published.folder / entry["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["sha256"]
    for name, entry in published.manifest["tables"].items():
        assert published.rows(name, "count(*)") == [(entry["rows"],)]
    assert set(published.manifest["tables"]) == made()


def test_the_rule_book_is_part_of_the_outputs(published: Published) -> None:
    assert "reports/rules.html" in {entry["path"] for entry in published.manifest["outputs"]}
    text = (published.folder / "reports" / "rules.html").read_text("utf-8")
    assert all(f'id="{rule}"' in text for (rule,) in published.rows("rule", "rule_id"))


# ------------------------------------------------------------------------------------------------- what came in


def test_every_row_is_accepted_or_in_quarantine(published: Published) -> None:
    files = published.rows("load_file", "source, delivery, file, rows_read, rows_accepted, rows_rejected")
    assert all(read == accepted + rejected for *_, read, accepted, rejected in files)
    assert set(published.rows("quarantine", "file")) == {("more.csv",)}
    more = next(row for row in files if row[2] == "more.csv")
    assert more[3:] == (len(FAULTS) + len(FINDINGS), len(FINDINGS), len(FAULTS))


def test_quarantine_says_line_code_and_raw_text(published: Published) -> None:
    rows = published.rows("quarantine", "line, error_code, raw, source")
    assert [(line, code) for line, code, _, _ in sorted(rows)] == [(i + 2, code) for i, code in enumerate(CODES)]
    assert {source for *_, source in rows} == {"population"}
    assert next(raw for line, _, raw, _ in rows if line == 3).startswith("5.00103E+17,张坏")


def test_messages_hold_no_numbers_of_people(published: Published) -> None:
    for (message,) in published.rows("quarantine", "message"):
        assert number("nameless") not in message
        assert number("long row") not in message


def test_findings_reject_nothing(published: Published) -> None:
    names = {name for (name,) in published.rows("person", "psn_name", "in_population")}
    assert {"张一", "张二", "张三", "张四"} <= names
    assert published.rows("person", "resd_code", "psn_name = '张二'") == [(None,)]
    assert published.rows("person", "resd_code", "psn_name = '张三'") == [("990000000000",)]
    assert not names & {"张缺", "张坏", "张短", "张长"}


def test_a_later_row_of_the_same_key_replaces(published: Published) -> None:
    status = dict(published.rows("person", "certno, insured_status"))
    assert status[number("p4")] == "resident"  # insured before moved
    assert published.rows("person", "count(*)", f"certno = '{number('p4')}'") == [(1,)]
    # p6 was not insured otherwise: a payment of 400 that the later delivery makes 0
    assert status[number("p6")] == "uninsured"
    read = published.rows("load_file", "rows_accepted", "source = 'population' AND file = 'data.csv'")
    assert read == [(61,)]


def test_the_newest_snapshot_not_after_the_day(published: Published) -> None:
    status = dict(published.rows("person", "certno, insured_status"))
    assert [status[number(name)] for name in ("p9", "p12", "p15")] == ["uninsured", "excluded_custody", "uninsured"]
    deliveries = {str(day) for (day,) in published.rows("load_file", "delivery", "source = 'custody'")}
    assert deliveries == {"2026-03-15"}


def test_encodings_are_told(published: Published) -> None:
    said = dict(published.rows("load_file", "file, encoding", "source = 'population'"))
    assert said["more.csv"].lower() == "gb18030"


# ------------------------------------------------------------------------------------------------- what stops a night


def small(landing: Path) -> City:
    city = City()
    city.person("somebody")
    city.relation("somebody", "R1")
    city.write(landing)
    return city


def stopped(landing: Path, home: Path) -> str:
    with pytest.raises(Blocked) as caught:
        run(landing, home)
    assert not (home / "published" / "current").exists()
    return str(caught.value)


@pytest.mark.parametrize("source", ["population", "enrollment"])
def test_a_required_source(tmp_path: Path, source: str) -> None:
    small(tmp_path / "landing")
    for path in (tmp_path / "landing" / source / DAY).iterdir():
        path.unlink()
    assert source in stopped(tmp_path / "landing", tmp_path / "home")


ROW = as_csv("population", [{"certno": number("other"), "psn_name": "李试", "resd_code": VILLAGE, "resd_status": "1"}])
REFUSED: dict[str, tuple[str, bytes]] = {
    "a required column is missing": ("b.csv", ROW.replace("resd_status", "something").encode()),
    "two columns of one field": ("b.csv", ROW.replace("live_code", "户籍地区划代码").encode()),
    "undecodable": ("b.csv", ROW.encode() + b"\xff\xff\xff"),
    "cut off": ("b.csv.gz", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03cut"),
    "no parquet": ("b.parquet", b"PAR1"),
    "unknown kind": ("b.pdf", b"%PDF"),
    "empty": ("b.csv", b""),
    "manifest": ("manifest.json", b'{"rows": 7}'),
    "manifest sum": ("manifest.json", json.dumps({"rows": 1, "sha256": {"data.csv": "00"}}).encode()),
}


@pytest.mark.parametrize("why", sorted(REFUSED))
def test_refusals(tmp_path: Path, why: str) -> None:
    small(tmp_path / "landing")
    name, content = REFUSED[why]
    put(tmp_path / "landing", "population", DAY, name, content)
    said = stopped(tmp_path / "landing", tmp_path / "home")
    assert "population" in said or "公安人口" in said
    assert "Traceback" not in said
    assert number("other") not in said


def test_a_refused_file_of_a_source_that_is_not_required(tmp_path: Path) -> None:
    small(tmp_path / "landing")
    put(tmp_path / "landing", "veteran", DAY, "v.csv", "certno\n")
    stopped(tmp_path / "landing", tmp_path / "home")


def test_the_pending_tables_are_known_to_the_contract() -> None:
    assert set(PENDING) <= set(CONTRACT)
