"""`python -m canbao.demo HOME`: which files of the current publication to open first (the end of `make demo`)."""

import sys
from pathlib import Path

import polars as pl

PAGES = ("quality/index.html", "rules.html")


def worth_opening(publication: Path) -> list[Path]:
    """The workbooks of the city and of the districts that have people, and the pages, as far as they are there."""
    cell = pl.scan_parquet(publication / "ledger.parquet").filter(
        (pl.col("level") <= 2) & pl.col("measure").is_in(["registered", "resident"]) & (pl.col("value") > 0)
    )
    codes = cell.sort("level", "division_code").select("division_code").unique(maintain_order=True).collect()
    folder = publication / "reports"
    books = [path for (code,) in codes.iter_rows() for path in sorted((folder / "ledger").glob(f"{code[:6]}_*.xlsx"))]
    return [*dict.fromkeys(books), *(folder / page for page in PAGES if (folder / page).exists())]


def main(arguments: list[str]) -> int:
    """Print one path a line."""
    print("打开 open:")
    for path in worth_opening(Path(arguments[0]) / "published" / "current"):
        print(f"  {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
