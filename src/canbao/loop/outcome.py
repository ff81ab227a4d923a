"""What the night made of a receipt's rows, as the sender reads it the next morning (U28)."""

from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import duckdb
import polars as pl

from canbao.clock import ZONE
from canbao.errors import UserError
from canbao.home import Home, read_json
from canbao.loop.check import opinion
from canbao.loop.queries import query
from canbao.loop.state import CONFIRMED, WAITING, Loop, Receipt
from canbao.paths import package_dir, read_parquet, table_files

OUTCOME: dict[str, pl.DataType | type[pl.DataType]] = {
    "n": pl.Int32,
    "row_code": pl.String,
    "outcome": pl.String,
    "why": pl.String,
    "words": pl.String,
}
"""One row per row of the receipt, by n. outcome: adopted, contradicted, not_adopted; null while nothing is decided, and
of rows that were not taken in. why: `codes/feedback_why.csv`. words: for whoever sent the row."""


def outcomes(home: Home, receipt_no: str, publication: Path | None = None) -> pl.DataFrame:
    """Say of every row of a receipt whether it was adopted, and why not.

    Args:
        home: The installation.
        receipt_no: The receipt.
        publication: Folder of the publication to ask, the current one by default.

    Returns:
        `OUTCOME`, one row per returned row, by n. Rows of a receipt that no night has taken yet wait (`tonight`).

    Raises:
        UserError: There is no such receipt.
    """
    loop = Loop(home)
    receipt = loop.receipt(receipt_no)
    if receipt is None:
        raise UserError(f"没有回执 {receipt_no}。请核对编号。")
    rows = loop.returned_rows(receipt_no)
    refused = rows.filter(state="refused")
    taken = rows.filter(pl.col("state") != "refused")
    publication = publication or home.current_publication()
    if receipt.state == CONFIRMED and publication is not None and was_read(receipt, publication):
        told = _asked(taken, publication)
    else:
        state = {CONFIRMED: "tonight", WAITING: "waiting"}.get(receipt.state, receipt.state)
        told = _all(taken, state)
    said = [opinion(codes or []) for codes in refused["checks"].to_list()]
    not_taken = _all(refused, "refused").with_columns(pl.Series("words", said, dtype=pl.String))
    return pl.concat([told, not_taken]).sort("n")


def was_read(receipt: Receipt, publication: Path) -> bool:
    """Whether the night that made a publication found the receipt's rows: confirmed before it began, of its days."""
    manifest = read_json(publication / "manifest.json")
    if not manifest or receipt.day.isoformat() > str(manifest.get("as_of")):
        return False
    began = datetime.fromisoformat(manifest["started"]) if "started" in manifest else _end_of(str(manifest["as_of"]))
    return (receipt.decided_at or receipt.at) <= began


def _end_of(day: str) -> datetime:
    return datetime.combine(datetime.fromisoformat(day) + timedelta(days=1), time(), ZONE).astimezone(UTC)


def _all(rows: pl.DataFrame, why: str) -> pl.DataFrame:
    """The same for all rows."""
    names = _why()
    words = names.get(why, "")
    return rows.select(
        "n",
        "row_code",
        pl.lit(None, pl.String).alias("outcome"),
        pl.lit(why).alias("why"),
        pl.lit(words).alias("words"),
    ).cast(OUTCOME)  # type: ignore[arg-type]


def _asked(rows: pl.DataFrame, publication: Path) -> pl.DataFrame:
    if rows.is_empty():
        return pl.DataFrame(schema=OUTCOME)
    with duckdb.connect() as con:
        told = rows.with_columns(pl.col("checks").list.contains("settled_apart").fill_null(False).alias("is_apart"))
        con.register("returned", told.drop("checks", "raw").to_arrow())
        con.register("code_feedback_why", _table().to_arrow())
        for name in ("feedback", "division"):
            con.execute(f"CREATE VIEW {name} AS FROM {read_parquet(table_files(publication, name))}")
        return con.sql(query("outcome", "outcome")).pl().cast(OUTCOME)  # type: ignore[arg-type]


def _table() -> pl.DataFrame:
    return pl.read_csv(package_dir("codes") / "feedback_why.csv", infer_schema=False)


def _why() -> dict[str, str]:
    return dict(_table().select("code", pl.col("told").fill_null("")).iter_rows())
