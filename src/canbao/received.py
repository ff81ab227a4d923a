"""What came in, as tables: `load_file` and `quarantine`, published or, for a night that stopped, laid out as CSV."""

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from canbao.home import sync

if TYPE_CHECKING:
    import polars as pl

    from canbao.intake import IntakeResult

QUARANTINE_ROWS = 100_000
"""Rejected rows that a CSV for people takes; whoever has more needs another file, not a longer list."""

_FORMULA = tuple("=+-@\t\r\n＝＋－＠﹢﹣﹦﹫")


def load_file_frame(intake: "IntakeResult", replaced: Mapping[int, int]) -> "pl.DataFrame":
    """The table `load_file`: one row per file, or per further sheet of a workbook.

    Args:
        intake: What was taken in.
        replaced: Accepted rows that a later delivery or line replaced, per `file_no` (contract section 2).
    """
    import polars as pl

    counts = pl.col("file_no").replace_strict(dict(replaced), default=0, return_dtype=pl.Int64)
    names = ["source", "delivery", "file", "sha256", "encoding", "rows_read", "rows_accepted", "rows_rejected"]
    # Of a refused file nothing is used, so that nothing of it is replaced either.
    return intake.files.select(*names, counts.alias("rows_replaced"), "state", "unreadable")


def quarantine_frame(intake: "IntakeResult", limit: int | None = None) -> "pl.DataFrame":
    """The table `quarantine`: one row per rejected row, in the order of source, delivery, file and line.

    Args:
        intake: What was taken in.
        limit: Read no more rows than these.
    """
    import polars as pl

    place = {row["file_no"]: row for row in intake.files.iter_rows(named=True)}
    schema: dict[str, Any] = {
        "source": pl.String,
        "delivery": pl.Date,
        "file": pl.String,
        "line": pl.Int64,
        "error_code": pl.String,
        "message": pl.String,
        "raw": pl.String,
    }
    frames = [pl.DataFrame(schema=schema)]
    left = limit
    for number, path in sorted(intake.quarantine_paths):
        row = place[number]
        frame = pl.read_parquet(path, n_rows=left).select(
            pl.lit(row["source"]).alias("source"),
            pl.lit(row["delivery"]).cast(pl.Date).alias("delivery"),
            pl.lit(row["file"]).alias("file"),
            pl.col("line").cast(pl.Int64),
            "error_code",
            "message",
            "raw",
        )
        frames.append(frame)
        if left is not None:
            left -= frame.height
            if left <= 0:
                break
    return pl.concat(frames)


def lay_out(intake: "IntakeResult", folder: Path) -> Path:
    """Write `quarantine.csv` and `load_file.csv` for a night that publishes nothing.

    Args:
        intake: What was taken in.
        folder: `<home>/runs/<run_id>`.

    Returns:
        The file of the rejected rows. It holds raw text of persons, and is readable by its owner alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rejected = quarantine_frame(intake, QUARANTINE_ROWS)
    total = int(intake.files.filter(state="accepted")["rows_rejected"].sum() or 0)
    note = f"共剔除 {total:,} 行，此处只列前 {rejected.height:,} 行。" if total > rejected.height else ""
    write_csv(
        folder / "quarantine.csv",
        ("来源", "批次", "文件", "行号", "错误代码", "说明", "原文"),
        [*rejected.iter_rows(), *([("", "", "", "", "", note, "")] if note else [])],
    )
    columns = ["source", "delivery", "file", "state", "rows_read", "rows_accepted", "rows_rejected", "encoding"]
    words = {"accepted": "采用", "refused": "拒收"}
    write_csv(
        folder / "load_file.csv",
        ("来源", "批次", "文件", "状态", "读入行数", "采用行数", "剔除行数", "编码", "说明", "校验值"),
        (
            [words.get(str(row[name]), row[name]) for name in columns] + [row["message"], row["sha256"]]
            for row in intake.files.iter_rows(named=True)
        ),
    )
    return folder / "quarantine.csv"


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file for people, whole or not at all: UTF-8 with BOM, no text that a spreadsheet takes for a formula.

    Args:
        path: The file; readable by its owner alone.
        header: Headings.
        rows: Cells; None is blank.
    """
    fresh = path.with_name(f".{path.name}-{os.getpid()}")
    with os.fdopen(
        os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8-sig", newline=""
    ) as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows([guarded(cell) for cell in row] for row in rows)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync(path.parent)


def guarded(cell: Any) -> Any:
    """A cell that no spreadsheet takes for a formula: such a text gets an apostrophe in front, as offices write it."""
    if isinstance(cell, str) and (cell.startswith(_FORMULA) or cell.lstrip(" \u00a0\u3000").startswith(_FORMULA)):
        return "'" + cell
    return cell
