"""A consistent long ledger over the real divisions: made from counts per village, summed upwards."""

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl

import canbao

DIVISIONS = Path(canbao.__file__).parent / "divisions" / "chongqing_2023-06-30.csv"

BASE = """
    excluded_death excluded_cancelled excluded_moved excluded_abroad excluded_military excluded_custody
    staff_active staff_retired staff_flexible resident_tier1 resident_tier2 insured_elsewhere attached_newborn
    uninsured_never uninsured_lapsed uninsured_stopped uninsured_unpaid separated_uninsured resident
    registered_present registered_absent present_unregistered duplicate_persons waiting_persons
    aid_should aid_insured newborn_should newborn_insured student_should student_insured dispatched
    feedback_received insured_last_year target_persons
""".split()  # noqa: SIM905
SUMS = {
    "excluded": [m for m in BASE if m.startswith("excluded_")],
    "insured_staff": ["staff_active", "staff_retired", "staff_flexible"],
    "insured_resident": ["resident_tier1", "resident_tier2"],
    "insured": ["insured_staff", "insured_resident", "insured_elsewhere", "attached_newborn"],
    "uninsured": ["uninsured_never", "uninsured_lapsed", "uninsured_stopped", "uninsured_unpaid"],
    "should_be_insured": ["insured", "uninsured"],
    "registered": ["should_be_insured", "excluded"],
}
MEASURES = [*BASE, *SUMS]
_SIZE = {
    "excluded": 8, "staff_active": 420, "staff_retired": 210, "staff_flexible": 90, "resident_tier1": 1450,
    "resident_tier2": 520, "insured_elsewhere": 130, "attached_newborn": 4, "uninsured": 35, "separated": 30,
    "resident": 2700, "registered": 900, "present": 400, "duplicate": 6, "waiting": 12, "aid": 95, "newborn": 18,
    "student": 380, "dispatched": 110, "feedback": 80, "insured_last": 2780, "target": 2900,
}  # fmt: skip


def _size(measure: str) -> int:
    return next((n for k, n in _SIZE.items() if measure == k), 0) or next(
        n for k, n in _SIZE.items() if measure.startswith(k)
    )


def synthetic_ledger(districts: int | None = None, townships: int | None = None, seed: int = 7) -> pl.DataFrame:
    """The long table for the first districts and the first townships of each (None: all), with 未落地 rows.

    Sums hold on both bases.
    """
    div = pl.read_csv(DIVISIONS, infer_schema=False).with_columns(pl.col("level").cast(pl.Int32))
    if districts is not None:
        keep = div.filter(pl.col("level") == 2)["division_code"].str.slice(0, 6).head(districts).to_list()
        div = div.filter((pl.col("level") == 1) | pl.col("division_code").str.slice(0, 6).is_in(keep))
    if townships is not None:
        few = (
            div.filter(pl.col("level") == 3)
            .with_columns(pl.col("division_code").rank("ordinal").over("parent_code").alias("n"))
            .filter(pl.col("n") <= townships)["division_code"]
            .to_list()
        )
        div = div.filter((pl.col("level") < 3) | (pl.col("division_code").str.slice(0, 9) + "000").is_in(few))
    lost = (
        div.filter(pl.col("level") < 4)
        .with_columns(parent_code=pl.col("division_code"), level=pl.col("level") + 1)
        .with_columns(pl.col("division_code") + "-", pl.lit("未落地").alias("division_name"))
    )
    rng = np.random.default_rng(seed)
    return pl.concat([_of_basis(basis, div, lost, rng) for basis in ("household", "residence")])


def _of_basis(basis: str, div: pl.DataFrame, lost: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    villages = div.filter(pl.col("level") == 4)
    leaves = pl.concat([villages, lost])
    scale = np.where(leaves["division_code"].str.ends_with("-"), 0.01, rng.gamma(4, 0.25, leaves.height))
    leaves = leaves.with_columns(pl.Series(m, rng.poisson(_size(m) * scale)) for m in BASE).with_columns(
        [(pl.col(f"{k}_should") + pl.col(f"{k}_insured")).alias(f"{k}_should") for k in ("aid", "newborn", "student")]
    )
    for total, parts in SUMS.items():
        leaves = leaves.with_columns(pl.sum_horizontal(parts).alias(total))
    tables, current = [leaves], leaves
    for level in (3, 2, 1):
        below = current.filter(pl.col("level") == level + 1)
        sums = below.group_by("parent_code").agg(pl.col(MEASURES).sum())
        up = div.filter(pl.col("level") == level).join(
            sums, left_on="division_code", right_on="parent_code", how="left"
        )
        up = up.with_columns(pl.col(MEASURES).fill_null(0))
        tables.append(up.select(leaves.columns))
        current = pl.concat([leaves, *tables[1:]])
    return (
        pl.concat(tables)
        .unpivot(MEASURES, index=["level", "division_code", "division_name"], variable_name="measure")
        .select(
            insu_year=pl.lit(2026, pl.Int32),
            as_of=pl.lit(dt.date(2026, 1, 15)),
            basis=pl.lit(basis),
            level=pl.col("level").cast(pl.Int32),
            division_code="division_code",
            division_name="division_name",
            measure="measure",
            value=pl.col("value").cast(pl.Int64),
        )
    )
