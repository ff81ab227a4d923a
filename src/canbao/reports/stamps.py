"""What is printed on a page about how far its data can be relied on: tonight's verdict, and what was let pass (U40)."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from canbao.paths import package_dir

if TYPE_CHECKING:
    from canbao.gates import Check

WORDS = {"usable": "可用", "caution": "慎用", "unusable": "不可用"}
"""Verdicts in Chinese."""
MARKS = {"usable": "●", "caution": "▲", "unusable": "■"}
"""A shape beside the word: print-outs have no colour (U50)."""
NOT_JUDGED = "未评定"


def verdict_line(folder: Path, product: str) -> str:
    """The verdict on a product as one line: state as shape and word, the reason.

    Args:
        folder: A publication, or a draft, that may hold `verdict.parquet` (one row per product: product, title,
            verdict, check_ids, reason).
        product: Code of the product (`codes/product.csv`).

    Returns:
        For instance `数据可用性：▲ 慎用——1 项提醒未通过：“公安人口”“户籍地”缺失`; `数据可用性：未评定` where
        the table or the product is missing.
    """
    return verdict_text(verdicts(folder).get(product))


def verdict_text(row: Mapping[str, Any] | None) -> str:
    """`verdict_line` for a row of `verdict`; None where the table or the product is missing."""
    if row is None:
        return f"数据可用性：{NOT_JUDGED}"
    word = f"{MARKS.get(row['verdict'], '')} {WORDS.get(row['verdict'], row['verdict'])}".strip()
    reason = f"——{row['reason'].rstrip('。；')}" if row["reason"] else ""
    return f"数据可用性：{word}{reason}"  # the reason names the checks by their titles: an id says nothing on paper


def verdicts(folder: Path) -> dict[str, dict[str, Any]]:
    """The rows of `verdict` by product, in the order of `codes/product.csv`; empty where the table is missing."""
    file = folder / "verdict.parquet"
    if not file.is_file():
        return {}
    found = {str(row["product"]): row for row in pl.read_parquet(file).sort("product").iter_rows(named=True)}
    known = pl.read_csv(package_dir("codes") / "product.csv", infer_schema=False)["code"].to_list()
    return {product: found[product] for product in [*known, *sorted(found.keys() - {*known})] if product in found}


def release_lines(checks: Iterable["Check"], account: str) -> list[str]:
    """A line for each check that was let pass: its title, who did it (two people with a release), and why.

    Args:
        checks: All checks of the night.
        account: Under whom the run goes: it stands for a check that no release names people for.
    """
    return [
        f"本次放行检查：{check.title}（{'、'.join(check.accepted_by) or account}）：{check.accepted}"
        for check in checks
        if check.accepted
    ]


def stamp_lines(folder: Path, product: str, checks: Iterable["Check"], account: str) -> list[str]:
    """All lines that a product's pages and workbooks carry on top: the verdict, then what was let pass."""
    return [verdict_line(folder, product), *release_lines(checks, account)]
