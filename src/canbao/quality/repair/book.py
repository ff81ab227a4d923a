"""The workbook of a repair request, in the house style of printed tables."""

import csv
import json
from collections.abc import Iterator, Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from canbao.paths import package_dir
from canbao.quality.repair.state import Issued, item_code
from canbao.reports import office
from canbao.reports.office import Book, Cells, Sheet

if TYPE_CHECKING:
    from canbao.intake import SourceDef

_COLUMNS = (
    ("serial", "序号", 6), ("code", "条目编号", 13.5), ("title", "来源", 11), ("day", "批次", 10.5),
    ("file", "文件", 15), ("line", "行号", 7), ("key_text", "标识", 23), ("what", "问题", 33),
    ("suggestion", "建议更正", 20), ("outcome", "核实结果", 11), ("note", "更正说明", 22),
)  # fmt: skip
_ANSWERED = {"outcome", "note"}
_CENTRED = {"serial", "code", "day", "line", "outcome"}
_LIST_NAME = "outcome_list"
_RAW = 80
"""Signs of a rejected row's raw text that are shown: enough to find it."""
_LINES = 6


def write(
    rows: pl.DataFrame,
    request: Issued,
    folder: Path,
    *,
    prefix: str,
    words: Mapping[str, Any],
    definitions: Mapping[str, "SourceDef"],
    limit: int = office.ROWS_PER_PART,
) -> list[Path]:
    """Write a request's workbooks: one, or numbered parts where it has more rows than one takes.

    Args:
        rows: Rows of `repair_item` with serial and again, in their order.
        request: Its number, department and days.
        folder: Where to.
        prefix: Put before the files' names.
        words: `repair.toml`.
        definitions: Sources, for the headings of columns.
        limit: Rows per workbook.
    """
    table = _table(rows, request, words, definitions)
    cut = list(office.parts(table.height, limit))
    stem = office.file_name(f"{request.name}_{request.department}")
    paths = []
    for part, first, end in cut:
        path = folder / f"{prefix}{stem}{f'_第{part}部分' if len(cut) > 1 else ''}.xlsx"
        of = f"（第{part}部分，共{len(cut)}部分）" if len(cut) > 1 else ""
        paths.append(_write(path, table[first:end], request, words, of))
    return paths


def _table(
    rows: pl.DataFrame, request: Issued, words: Mapping[str, Any], definitions: Mapping[str, "SourceDef"]
) -> pl.DataFrame:
    """The cells as texts and numbers."""
    sources = {name: one.title for name, one in definitions.items()}
    again = {name: f"【{word}】" for name, word in words["again"].items()}
    shown = [
        (again.get(why) or "") + problem + _shown(text, definitions.get(source))
        for why, problem, text, source in rows.select("again", "problem", "shown", "source").iter_rows()
    ]
    keys = [_key(text or "", shown is None) for text, shown in rows.select("key_text", "shown").iter_rows()]
    codes = [item_code(request.year, request.number, serial) for serial in rows["serial"]]
    return rows.select(
        "serial",
        pl.Series("code", codes, pl.String),
        pl.col("source").replace_strict(sources, default=pl.col("source")).alias("title"),
        pl.col("delivery").dt.to_string("%Y-%m-%d").alias("day"),
        "file",
        "line",
        pl.Series("key_text", keys, pl.String),
        pl.Series("what", shown, pl.String),
        "suggestion",
        pl.lit("").alias("outcome"),
        pl.lit("").alias("note"),
        "measure_id",
    )


def _key(text: str, is_raw: bool) -> str:
    """A row's key; of a rejected row its text, which breaks into lines where its cells end."""
    if is_raw:
        text = text.replace(",", ", ").replace("\t", ", ")
    return text if len(text) <= _RAW else text[: _RAW - 1] + "…"


def _shown(text: str | None, definition: "SourceDef | None") -> str:
    """What stands in the row now: （出生日期：1990-01-01；性别：空）."""
    if not text:
        return ""
    keys = definition.key if definition else ()
    titles = {one.name: one.title for one in definition.fields} if definition else {}
    codes = {one.name: one.codes for one in definition.fields if one.codes} if definition else {}
    values = {name: value for name, value in json.loads(text).items() if name not in keys}
    told = "；".join(f"{titles.get(name, name)}：{_value(value, codes.get(name))}" for name, value in values.items())
    return f"（{told}）" if told else ""


def _value(value: str | None, codes: str | None) -> str:
    if value is None:
        return "空"
    return _words(codes).get(value, value) if codes else value


@cache
def _words(codes: str) -> dict[str, str]:
    with (package_dir("codes") / f"{codes}.csv").open(encoding="utf-8", newline="") as file:
        return {row["code"]: row["name"] for row in csv.DictReader(file)}


def _write(path: Path, table: pl.DataFrame, request: Issued, words: Mapping[str, Any], part: str) -> Path:
    own = words["request"]
    made = Book(
        path, created=date.fromisoformat(request.sent), title=f"{own['title']} {request.name}", tmpdir=path.parent
    )
    sheet = made.sheet("校核申请")
    sheet.columns([width for _, _, width in _COLUMNS])
    sent, due = (office.chinese_date(date.fromisoformat(day)) for day in (request.sent, request.due))
    sheet.title_block(
        own["title"] + part,
        meta=[
            (f"填报单位（盖章）：{request.department}", f"申请编号：{request.name}"),
            (f"发出日期：{sent}", f"回复期限：{due}", f"本表 {table.height:,} 行，本申请共 {request.items:,} 条"),
        ],
    )
    head = sheet.row
    sheet.heading([(title,) for _, title, _ in _COLUMNS])
    cells = [Cells(name, style=_style(name)) for name, _, _ in _COLUMNS]
    for rows, height in _groups(table):
        sheet.rows(rows, cells, height=height)
    last = sheet.row - 1
    if table.height:
        place = next(n for n, (name, _, _) in enumerate(_COLUMNS) if name == "outcome")
        _drop_down(made, sheet, (head + 1, place, last, place), words)
    sheet.ws.autofilter(head, 0, max(last, head), len(_COLUMNS) - 1)
    sheet.ws.freeze_panes(head + 1, 2)
    sheet.closing_line(table.height)
    sheet.signature(("单位负责人", "核实人", "联系电话"))
    sheet.notes(own["notes"])
    sheet.text_columns([n for n, (name, _, _) in enumerate(_COLUMNS) if name not in {"serial", "line"}])
    sheet.print_setup(repeat=(head, head), footer_left=request.name, footer_right=request.department)
    return made.close()


def _style(name: str) -> dict[str, Any]:
    style: dict[str, Any] = {"text_wrap": name not in {"serial", "line", "day", "code"}}
    if name in _CENTRED:
        style["align"] = "center"
    if name in _ANSWERED:
        style |= {"num_format": "@", "bg_color": "#FFF8E1"}
    return style


def _groups(table: pl.DataFrame) -> Iterator[tuple[pl.DataFrame, float]]:
    """Runs of rows of one measure with a height that their longest text needs."""
    if not table.height:
        return
    starts = (table["measure_id"] != table["measure_id"].shift(1)).fill_null(True)
    for run in table.with_columns(starts.cum_sum().alias("run")).partition_by("run", maintain_order=True):
        lines = 1
        for name, _, width in _COLUMNS:
            if run.schema[name] == pl.String:
                longest = run.sort(pl.col(name).str.len_bytes(), descending=True)[name].head(20).fill_null("")
                usable = width * 0.85 if name == "key_text" else width  # long digits do not break
                lines = max(lines, *(office.lines_needed(text, usable) for text in longest))
        yield run, 13.5 * min(lines, _LINES) + 5


def _drop_down(made: Book, sheet: Sheet, box: tuple[int, int, int, int], words: Mapping[str, Any]) -> None:
    """A list from a named range in a hidden sheet: one written into the cells ends at 255 signs."""
    choices = words["choices"]
    hidden = made.sheet("选项")
    for n, choice in enumerate(choices):
        hidden.text(n, 0, choice)
    hidden.ws.hide()
    made.workbook.define_name(_LIST_NAME, f"='选项'!$A$1:$A${len(choices)}")
    sheet.ws.data_validation(
        *box,
        {
            "validate": "list",
            "source": f"={_LIST_NAME}",
            "ignore_blank": True,
            "error_type": "warning",
            "error_title": "核实结果",
            "error_message": f"请从下列各项中选择：{'、'.join(choices)}。",
        },
    )
