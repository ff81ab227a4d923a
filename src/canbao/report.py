"""The run report: what came in, what was checked, how long each step took; counts only."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from canbao.gates import Check
from canbao.quality.nights import earlier_figures, in_words

if TYPE_CHECKING:
    import polars as pl

    from canbao.intake.growing import Growing
    from canbao.nightly import Night


def quality_frame(checks: Sequence[Check]) -> "pl.DataFrame":
    """The table `quality_metric`: one row per check; `passed` is null where it could not be computed."""
    import polars as pl

    schema: dict[str, Any] = {
        "check_id": pl.String,
        "title": pl.String,
        "subject": pl.String,
        "source": pl.String,
        "table_name": pl.String,
        "axis": pl.String,
        "severity": pl.String,
        "numerator": pl.Int64,
        "denominator": pl.Int64,
        "value": pl.Float64,
        "threshold": pl.Float64,
        "passed": pl.Boolean,
        "state": pl.String,
        "accept_reason": pl.String,
        "meaning": pl.String,
        "harms": pl.List(pl.String),
        "department": pl.String,
        "known": pl.Int64,
        "trial": pl.Boolean,
        "message": pl.String,
    }
    rows = [
        {
            **{name: getattr(check, name) for name in schema if hasattr(check, name)},
            "subject": check.source or check.table_name,
            "accept_reason": check.accepted,
            "harms": list(check.harms),
        }
        for check in checks
    ]
    return pl.DataFrame(rows, schema=schema, orient="row")


def report_data(night: "Night") -> dict[str, Any]:
    """The run report as data."""
    files = [] if night.intake_ is None else night.intake_.files.to_dicts()
    sources: dict[str, dict[str, Any]] = {}
    for row in files:
        entry = sources.setdefault(
            row["source"],
            {
                "delivery": "",
                "files": 0,
                "rows_read": 0,
                "rows_accepted": 0,
                "rows_rejected": 0,
                "rows_replaced": night.replaced.get(row["source"], 0),
                "extra_columns": set(),
            },
        )
        entry["delivery"] = max(entry["delivery"], str(row["delivery"] or ""))
        entry["files"] += 1
        for name in ("rows_read", "rows_accepted", "rows_rejected"):
            entry[name] += row[name] or 0
        entry["extra_columns"] |= set(row.get("extra_columns") or [])
    for entry in sources.values():
        entry["extra_columns"] = sorted(entry["extra_columns"])
    return {
        "run_id": night.run_id,
        "as_of": night.options.as_of.isoformat(),
        "insured_year": night.insured_year,
        "sources": sources,
        "missing_sources": [] if night.intake_ is None else sorted(night.intake_.missing_sources),
        "unknown_sources": [] if night.intake_ is None else sorted(night.intake_.unknown_sources),
        "notes": [] if night.intake_ is None else list(night.intake_.notes),
        "growing": [] if night.intake_ is None else [_left_alone(one) for one in night.intake_.growing],
        "missed_nights": [day.isoformat() for day in night.missed],
        "figures": night.figures,
        "earlier": _earlier(night),
        "checks": [check.as_dict() for check in night.checks],
        "taken_over": night.reused,
        "timings": night.timings,
    }


def report_markdown(night: "Night", data: Mapping[str, Any] | None = None) -> str:
    """The run report as Markdown, in Chinese.

    Args:
        night: The night.
        data: Its `report_data`, where that is known.
    """
    from canbao.nightly import MAIN_MEASURES

    data = data or report_data(night)
    lines = [f"# 夜间运行报告 {data['as_of']}", "", f"运行 {data['run_id']}，参保年度 {data['insured_year']}。", ""]
    failing = [check for check in night.checks if check.passed is not True and check.severity != "info"]
    blocking = [check for check in failing if check.blocks]
    if blocking:
        lines += ["**未发布：有阻断检查未通过。**", ""]
    if data["figures"]:
        lines += ["## 全市主要数字（户籍口径）", "", "| 指标 | 人数 |", "|---|---:|"]
        lines += [f"| {MAIN_MEASURES[name]} | {value:,} |" for name, value in data["figures"].items()]
        lines.append("")
    if data["figures"] and data["earlier"]:
        before = data["earlier"]["figures"]
        lines += [
            f"## 与本日上一次发布（{data['earlier']['run_id']}）相比",
            "",
            "| 指标 | 上一次 | 本次 | 差 |",
            "|---|---:|---:|---:|",
        ]
        lines += [
            f"| {MAIN_MEASURES[name]} | {before[name]:,} | {value:,} | {value - before[name]:+,} |"
            for name, value in data["figures"].items()
            if name in before
        ]
        lines.append("")
    if night.missed:
        lines += [f"漏跑：{in_words(night.missed)}，由本次一并补上。", ""]
    lines += [
        "## 来文",
        "",
        "| 来源 | 批次 | 文件 | 读入 | 采用 | 剔除 | 被后报替换 |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {_title(night, name)} | {entry['delivery']} | {entry['files']} | {entry['rows_read']:,} "
        f"| {entry['rows_accepted']:,} | {entry['rows_rejected']:,} | {entry['rows_replaced']:,} |"
        for name, entry in sorted(data["sources"].items())
    ]
    if data["missing_sources"]:
        lines += ["", f"未收到：{'、'.join(_title(night, name) for name in data['missing_sources'])}"]
    if data["unknown_sources"]:
        lines += ["", f"不认识的来源目录：{'、'.join(data['unknown_sources'])}"]
    extra = {name: entry["extra_columns"] for name, entry in data["sources"].items() if entry["extra_columns"]}
    lines += [f"\n{_title(night, name)}中未采用的列：{'、'.join(columns)}" for name, columns in sorted(extra.items())]
    lines += [f"\n{note}" for note in data["notes"]]
    lines += ["", "## 检查", "", f"共 {len(night.checks)} 项，未通过或未能计算 {len(failing)} 项。", ""]
    lines += [f"- [{check.check_id}] {check.message or check.title}".replace("\n", "\n  ") for check in failing]
    lines += [f"- 已放行 {check.check_id}：{check.accepted}" for check in night.checks if check.accepted]
    if data["taken_over"]:
        lines += [
            "",
            f"沿用上一次运行的表：{len(data['taken_over'])} 张。其来文、参数和程序均未变化，结果与重新编制相同；"
            "要全部重新编制，请加 --full。",
        ]
    lines += ["", "## 用时", "", "| 阶段 | 步骤 | 秒 | 行数 |", "|---|---|---:|---:|"]
    lines += [
        f"| {entry['stage']} | {entry['step'] or '（合计）'}{'（沿用）' if entry.get('reused') else ''} "
        f"| {entry['seconds']:.2f} | {_number(entry['rows'])} |"
        for entry in data["timings"]
        if "seconds" in entry
    ]
    return "\n".join(lines) + "\n"


def _left_alone(one: "Growing") -> dict[str, Any]:
    instead = None if one.instead is None else one.instead.isoformat()
    return {
        "source": one.source,
        "delivery": one.delivery.isoformat(),
        "files": list(one.files),
        "whole_delivery": one.whole,
        "instead": instead,
    }


def _earlier(night: "Night") -> dict[str, Any] | None:
    found = earlier_figures(night.home, night.options.as_of, night.run_id)
    return None if found is None else {"run_id": found[0], "figures": found[1]}


def write_run_report(night: "Night", folder: Path) -> None:
    """Write `run_report.md` and `run_report.json` into a publication's folder."""
    data = report_data(night)
    (folder / "run_report.md").write_text(report_markdown(night, data), encoding="utf-8")
    text = json.dumps(data, ensure_ascii=False, indent=1)
    (folder / "run_report.json").write_text(text + "\n", encoding="utf-8")


def _title(night: "Night", source: str) -> str:
    definition = night.definitions.get(source)
    return f"{definition.title}（{source}）" if definition else source


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
