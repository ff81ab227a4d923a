"""The register of processing as a workbook, for the compliance audit and the impact assessment (U18).

It is made from what the installation does: tables and sensitivity from the steps' headers, recipients from the roles
and what each sees of a field, retention from the settings, downloads from the audit log. There is no person in it.
"""

import contextlib
import csv
import tomllib
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
from xlsxwriter.exceptions import XlsxWriterException

from canbao.build import load_steps
from canbao.clock import ZONE
from canbao.docs import INTAKE_TABLES
from canbao.errors import UserError
from canbao.intake import load_definitions
from canbao.paths import package_dir
from canbao.portal.accounts import Accounts
from canbao.portal.audit_log import AuditLog
from canbao.portal.scope import EXPORT_WORDS, EXPORTS, ROLE_WORDS, ROLES, capabilities
from canbao.portal.settings import load_portal_settings
from canbao.reports.office import Book, Cells
from canbao.settings import load_settings

_SENSITIVE = "[sensitive]"
_SHOWS = {
    "full": "显示",
    "mask": "打码，经确认可显示全部",
    "masked": "打码",
    "word": "只显示“已由部门核实”",
    "hide": "不显示",
}


def write_register(home: Path, out: Path, now: datetime | None = None) -> None:
    """Write the register.

    Args:
        home: The installation's folder.
        out: Workbook to write.
        now: When; now by default.

    Raises:
        UserError: The file cannot be written there, or the settings are wrong.
    """
    if out.suffix.lower() != ".xlsx":
        raise UserError(f"{out} 应以 .xlsx 结尾（--out）。")
    data = tomllib.loads((package_dir("portal") / "compliance.toml").read_text(encoding="utf-8"))
    settings = load_portal_settings(home)
    values = {
        "keep_nights": load_settings(home / "canbao.toml").keep_nights,
        "audit_keep_days": settings.audit_keep_days,
    }
    at = (now or datetime.now(ZONE)).astimezone(ZONE)
    part = out.with_name(f".{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        book = Book(part, created=at.date(), title="个人信息处理活动登记")
        made = f"{settings.title}　生成时间：{at:%Y-%m-%d %H:%M}"
        _sheet(
            book,
            ("处理目的", made),
            ("处理目的", "依据", "涉及人群", "涉及数据表"),
            (34, 46, 30, 60),
            _purposes(data),
            notes=data["note"],
        )
        _sheet(
            book,
            ("数据项", made),
            ("数据表", "名称", "字段", "中文名", "说明", "敏感"),
            (22, 24, 22, 18, 70, 7),
            _columns(),
        )
        _sheet(
            book,
            ("来源", made),
            ("来源", "名称", "提供部门", "字段", "中文名", "必有"),
            (20, 18, 18, 24, 24, 7),
            _sources(),
        )
        _sheet(
            book,
            ("接收方", made),
            ("角色", "接收方与范围", "可办事项", "导出权限", "有效账号数"),
            (14, 52, 60, 22, 11),
            _recipients(home, data),
        )
        _sheet(
            book, ("字段可见性", made), ("数据表", "字段", "取值", "角色", "显示方式"), (24, 24, 26, 14, 30), _visible()
        )
        _sheet(book, ("保存期限", made), ("数据", "位置", "保存期限"), (50, 40, 50), _kept(data, values))
        _sheet(
            book, ("下载统计", made),
            ("月份", "单位", "角色", "下载次数", "行数", "其中完整号码次数", "完整号码行数", "中断", "被拒"),
            (10, 28, 12, 10, 12, 14, 14, 8, 8), downloads(home),
        )  # fmt: skip
        book.close()
        part.replace(out)
    except (OSError, XlsxWriterException):
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise UserError(f"{out} 无法写入。请换一个位置（--out）。") from None


def _sheet(
    book: Book,
    head: tuple[str, str],
    titles: Sequence[str],
    widths: Sequence[float],
    rows: Sequence[Sequence[Any]],
    *,
    notes: Sequence[str] = (),
) -> None:
    name, made = head
    sheet = book.sheet(name)
    sheet.columns(widths)
    sheet.title_block(f"个人信息处理活动登记：{name}", meta=[(made, f"共{len(rows):,}行")])
    sheet.heading([(title,) for title in titles])
    sheet.ws.freeze_panes(sheet.row, 0)
    kinds = [pl.Int64 if rows and isinstance(rows[0][at], int) else pl.String for at in range(len(titles))]
    frame = pl.DataFrame(
        [pl.Series(title, [row[at] for row in rows], dtype=kinds[at]) for at, title in enumerate(titles)]
    )
    for start, height in _runs(rows, widths):
        piece = frame.slice(start[0], start[1])
        cells = [
            Cells(title, style={"num_format": "#,##0"} if kind == pl.Int64 else {"num_format": "@", "text_wrap": True})
            for title, kind in zip(titles, kinds, strict=True)
        ]
        sheet.rows(piece, cells, height=height)
    sheet.closing_line(len(rows))
    if notes:
        sheet.notes(notes)
    sheet.print_setup(repeat=(2, 2), footer_left="个人信息处理活动登记", one_page=False)


def _runs(rows: Sequence[Sequence[Any]], widths: Sequence[float]) -> list[tuple[tuple[int, int], float]]:
    """Stretches of rows of one height: first row and number, height in points."""
    from canbao.reports.office import lines_needed

    runs: list[tuple[tuple[int, int], float]] = []
    for at, row in enumerate(rows):
        lines = max(lines_needed(str(cell), width * 0.88) for cell, width in zip(row, widths, strict=True))
        height = 13.5 * lines + 4.5
        if runs and runs[-1][1] == height:
            runs[-1] = ((runs[-1][0][0], runs[-1][0][1] + 1), height)
        else:
            runs.append(((at, 1), height))
    return runs


def _purposes(data: dict[str, Any]) -> list[tuple[str, ...]]:
    """The purposes, each with the documents whose rules its tables compute."""
    titles = _titles()
    with (package_dir("codes") / "rule.csv").open(encoding="utf-8", newline="") as file:
        documents = {row["code"]: row["document"] for row in csv.DictReader(file)}
    rules = {step.name: step.rules for step in load_steps()}
    found: list[tuple[str, ...]] = []
    for one in data["purpose"]:
        used = (documents.get(rule, "") for table in one["tables"] for rule in rules.get(table, ()))
        ground = "；".join([one["ground"], *filter(None, dict.fromkeys(used))])
        tables = "、".join(f"{titles.get(table, table)}（{table}）" for table in one["tables"])
        found.append((one["name"], ground, one["people"], tables))
    return found


def _titles() -> dict[str, str]:
    """Published tables to their Chinese names."""
    titles = {step.name: step.title.partition(" / ")[0] for step in load_steps() if step.published}
    return titles | {name: parts[0].partition(" / ")[0] for name, parts in INTAKE_TABLES.items()}


def _columns() -> list[tuple[str, ...]]:
    titles = _titles()
    known = {
        column.name: column.headers[0] for one in load_definitions().values() for column in one.fields if column.headers
    }
    columns = {step.name: step.columns for step in load_steps() if step.published}
    columns |= {name: parts[3] for name, parts in INTAKE_TABLES.items()}
    return [
        (
            table,
            titles.get(table, table),
            name,
            known.get(name, ""),
            meaning.removesuffix(_SENSITIVE).strip(),
            "是" if meaning.endswith(_SENSITIVE) else "",
        )
        for table in sorted(columns)
        for name, meaning in columns[table].items()
    ]


def _sources() -> list[tuple[str, ...]]:
    return [
        (
            name,
            one.title,
            one.department,
            column.name,
            column.headers[0] if column.headers else "",
            "是" if column.required else "",
        )
        for name, one in load_definitions().items()
        for column in one.fields
    ]


def _recipients(home: Path, data: dict[str, Any]) -> list[tuple[Any, ...]]:
    accounts = (
        [one for one in Accounts(home).all() if one.state == "active"]
        if (home / "portal" / "accounts.db").exists()
        else []
    )
    actions = _actions()
    rows: list[tuple[Any, ...]] = []
    for role in ROLES:
        own = [one for one in accounts if one.role == role]
        can = sorted(capabilities(role))
        exports = "；".join(
            f"{EXPORT_WORDS[level]} {n} 个" for level in EXPORTS if (n := sum(one.export == level for one in own))
        )
        if "download" not in can:
            exports = "无"
        said = "、".join(dict.fromkeys(actions.get(one, one) for one in can))
        rows.append((ROLE_WORDS[role], data["recipient"].get(role, ""), said, exports or "暂无账号", len(own)))
    return rows


def _actions() -> dict[str, str]:
    words = {
        "see_quality_all": "查看全部数据质量页",
        "upload_feedback": "回传核实结果",
        "must_have_second_factor": "必须使用动态码",
    }
    with (package_dir("portal") / "actions.csv").open(encoding="utf-8", newline="") as file:
        return {row["action"]: row["word"] for row in csv.DictReader(file)} | words


def _visible() -> list[tuple[str, ...]]:
    with (package_dir("portal") / "fields.csv").open(encoding="utf-8", newline="") as file:
        return [
            (
                "全部" if row["table"] == "*" else row["table"],
                row["field"],
                row["value"] or "全部",
                "全部" if row["role"] == "*" else ROLE_WORDS.get(row["role"], row["role"]),
                _SHOWS.get(row["show"], row["show"]),
            )
            for row in csv.DictReader(file)
        ]


def _kept(data: dict[str, Any], values: dict[str, Any]) -> list[tuple[str, ...]]:
    return [(one["what"], one["where"], one["how_long"].format(**values)) for one in data["kept"]]


def downloads(home: Path) -> list[tuple[Any, ...]]:
    """Downloads by month and unit, from the audit log.

    Returns:
        Month, unit, role, downloads, rows, downloads with full numbers, their rows, broken off, refused.
    """
    counted: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0] * 6)
    units: dict[str, str] = {}
    later: list[tuple[str, str, str, int]] = []
    for entry in AuditLog(home).entries():
        action, month = entry.get("action"), str(entry.get("at", ""))[:7]
        account, role = str(entry.get("account") or "—"), ROLE_WORDS.get(str(entry.get("role") or ""), "—")
        if action == "download" and entry.get("outcome") == "ok":
            detail = entry.get("detail") or {}
            unit = units[account] = str(detail.get("unit") or "—")
            one = counted[month, unit, role]
            rows = int(entry.get("rows") or 0)
            one[0] += 1
            one[1] += rows
            if detail.get("level") == "full":
                one[2] += 1
                one[3] += rows
        elif action == "download_incomplete":
            later.append((month, account, role, 4))
        elif action in {"download", "download_full", "quota_exceeded"} and entry.get("outcome") == "refused":
            later.append((month, account, role, 5))
    for month, account, role, at in later:  # the unit stands in the account's other entries
        counted[month, units.get(account, f"账号 {account}"), role][at] += 1
    return [(*key, *values) for key, values in sorted(counted.items())]
