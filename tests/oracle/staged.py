"""Builds tables from lives: the rows go into the sources as staged, the product's own steps do the rest."""

from pathlib import Path
from typing import Any

import polars as pl

from canbao.build import load_steps
from canbao.engine import RunParameters, Warehouse
from canbao.intake import load_definitions
from canbao.rules import Rules

from .life import EMPLOYERS, Life

_TYPES = {"date": "DATE", "month": "INTEGER", "year": "INTEGER", "int": "INTEGER", "amount": "DECIMAL(14, 2)",
          "bool": "BOOLEAN"}  # fmt: skip
_POLARS = {
    "date": pl.Date,
    "month": pl.Int32,
    "year": pl.Int32,
    "int": pl.Int32,
    "amount": pl.Int32,
    "bool": pl.Boolean,
}


def _columns(lives: list[Life]) -> dict[str, dict[str, list[Any]]]:
    """Source to column to values."""
    relation = ("psn_insu_rlts_id", "certno", "psn_name", "insutype", "psn_insu_stas", "insu_admdvs", "begn_date",
                "end_date", "psn_type", "uscc", "tier")  # fmt: skip
    payment = ("pay_id", "certno", "insutype", "accrym_begn", "accrym_end", "amount", "paid_date", "pay_type",
               "insu_admdvs", "uscc", "tier")  # fmt: skip
    names: dict[str, tuple[str, ...]] = {
        "population": ("certno", "psn_name", "brdy", "resd_code", "live_code", "resd_status", "resd_permit"),
        "enrollment": relation,
        "enrollment_elsewhere": relation,
        "tax_payment": payment,
        "enrollment_history": ("certno", "insu_year", "insutype", "months"),
        "aid_recipient": ("certno", "aid_type", "begn_date", "end_date"),
        "veteran": ("certno", "discharge_date"),
        "custody": ("certno", "begn_date", "end_date"),
        "annual_claim": ("certno", "year", "fund_paid_amt", "reward_used"),
        "student": ("certno", "psn_name", "school_code", "school_admdvs", "stage", "enroll_date", "student_status"),
        "employment": ("certno", "uscc", "kind", "begn_date", "end_date"),
        "enterprise": ("uscc", "emp_name", "status", "admdvs"),
    }
    rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in names}
    rows["enterprise"] = [(uscc, "某厂", "1", place) for uscc, place in EMPLOYERS.items()]
    for life in lives:
        n = life.certno
        rows["population"].append((n, "某甲", life.brdy, "500101001001", life.live_code, "1", life.resd_permit))
        for r in life.relations:
            rows["enrollment_elsewhere" if r.elsewhere else "enrollment"].append(
                (r.rlts_id, n, "某甲", r.insutype, r.status, r.admdvs, r.begn, r.end, r.psn_type, r.uscc, r.tier)
            )
        for p in life.payments:
            rows["tax_payment"].append(
                (p.pay_id, n, p.insutype, p.begn, p.end, p.amount, p.paid, p.pay_type, p.admdvs, p.uscc, p.tier)
            )
        rows["enrollment_history"] += [(n, *row) for row in life.history]
        rows["aid_recipient"] += [(n, *row) for row in life.aid]
        rows["veteran"] += [(n, day) for day in life.veteran]
        rows["custody"] += [(n, *row) for row in life.custody]
        rows["annual_claim"] += [(n, *row) for row in life.claims]
        rows["student"] += [(n, "某甲", "S1", *row) for row in life.student]
        rows["employment"] += [(n, *row) for row in life.employment]
    return {
        name: dict(zip(columns, map(list, zip(*rows[name], strict=True)), strict=True))
        for name, columns in names.items()
        if rows[name]
    }


def build(lives: list[Life], rules: Rules, insured_year: int, tables: list[str], scratch: Path) -> Warehouse:
    """Runs the steps that `tables` need over the lives. The caller closes the warehouse."""
    warehouse = Warehouse(scratch / "warehouse", threads=2)
    warehouse.load_parameters(RunParameters(rules.as_of, insured_year, rules, b"test key"))
    con = warehouse.con
    con.execute(
        "CREATE TABLE staged_file "
        "(file_no INTEGER, source VARCHAR, delivery DATE, file VARCHAR, sha256 VARCHAR, rows_accepted BIGINT)"
    )
    given = _columns(lives)
    for file_no, (name, definition) in enumerate(load_definitions().items(), 1):
        types = {f.name: f.type for f in definition.fields}
        values = given.get(name, {})
        frame = pl.DataFrame(values, schema={c: _POLARS.get(types[c], pl.String) for c in values})
        if values:
            con.register("loading", frame.with_row_index("line_no", offset=2).to_arrow())
        columns = ", ".join(
            f"{c if c in values else 'NULL'}::{_TYPES.get(kind, 'VARCHAR')} AS {c}" for c, kind in types.items()
        )
        place = f"{file_no}::BIGINT * 4294967296 + line_no AS row_no, {file_no} AS file_no, line_no::INTEGER AS line_no"
        source = "loading" if values else "(SELECT 0 AS line_no) WHERE false"
        con.execute(
            f"CREATE TABLE staged_{name} AS SELECT {columns}, {place}, DATE '2026-01-01' AS delivery FROM {source}"
        )
        if values:
            con.unregister("loading")
        warehouse.keep_newest_rows(definition)
    steps = {step.name: step for step in load_steps()}
    needed: set[str] = set()
    waiting = [*tables, "person_identity", "person_number"]
    while waiting:
        step_name = waiting.pop()
        if step_name in steps and step_name not in needed:
            needed.add(step_name)
            waiting.extend(steps[step_name].reads)
    for step in load_steps():
        if step.name in needed:
            warehouse.run_step(step)
    return warehouse


def read(warehouse: Warehouse, table: str, columns: list[str]) -> list[dict[str, Any]]:
    """Rows of a table, each with the `certno` of its person."""
    chosen = ", ".join(f't."{column}"' for column in columns)
    cursor = warehouse.con.execute(
        f"SELECT i.certno, {chosen} FROM {table} AS t INNER JOIN person_identity AS i USING (person_id)"
    )
    return [dict(zip(("certno", *columns), row, strict=True)) for row in cursor.fetchall()]
