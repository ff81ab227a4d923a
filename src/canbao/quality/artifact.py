"""The night's verdict for Prefect's pages: a small table per product and the main figures; counts and titles only."""

import csv
from typing import TYPE_CHECKING

from canbao.paths import package_dir

if TYPE_CHECKING:
    from canbao.nightly import Night

WORDS = {"usable": "● 可用", "caution": "▲ 慎用", "unusable": "■ 不可用"}
UNKNOWN = "？ 未评定"


def verdict_markdown(night: "Night") -> str:
    """The verdict per product, what did not pass, and the city's main figures, as Markdown in Chinese."""
    from canbao.nightly import MAIN_MEASURES

    day = night.options.as_of
    state = "已发布" if night.published is not None else "未发布，当前发布保持不变"
    lines = [f"# 参保台账 {day}：{state}", ""]
    verdicts = _verdicts(night)
    if verdicts:
        lines += ["| 产品 | 结论 | 未通过或未能计算的检查 |", "|---|---|---|"]
        lines += [f"| {title} | {word} | {'、'.join(checks) or '—'} |" for title, word, checks in verdicts]
        lines.append("")
    failing = [one for one in night.checks if one.passed is not True and one.severity != "info" and not one.trial]
    kinds = {"block": "阻断", "warn": "提醒"}
    lines += [
        f"检查 {len(night.checks)} 项："
        + "，".join(f"{word} {sum(one.severity == name for one in failing)} 项" for name, word in kinds.items())
        + f"；放行 {sum(one.accepted is not None for one in night.checks)} 项。",
        "",
    ]
    if night.figures:
        lines += ["| 全市主要数字（户籍口径） | 人数 |", "|---|---:|"]
        lines += [f"| {MAIN_MEASURES[name]} | {value:,} |" for name, value in night.figures.items()]
    return "\n".join(lines) + "\n"


def _verdicts(night: "Night") -> list[tuple[str, str, list[str]]]:
    """Title, word and failing checks per product: of the published table, else of a night that stopped before it."""
    if night.warehouse_ is not None:
        tables = {row[0] for row in night.warehouse.con.execute("SHOW TABLES").fetchall()}
        if "verdict" in tables:
            rows = night.warehouse.con.execute("SELECT title, verdict, check_ids FROM verdict ORDER BY product")
            return [(title, WORDS.get(verdict, UNKNOWN), list(ids or [])) for title, verdict, ids in rows.fetchall()]
    blocking = [check for check in night.checks if check.blocks]
    with (package_dir("codes") / "product.csv").open(encoding="utf-8", newline="") as file:
        products = [(row["code"], row["title"]) for row in csv.DictReader(file)]
    return [
        (title, WORDS["unusable"] if harming else UNKNOWN, harming)
        for code, title in products
        for harming in [[check.check_id for check in blocking if code in check.harms]]
    ]
