"""Answered sheets are read back row by row; what is right is kept, the rest comes back with line and reason.

Rows are matched by their item code alone, whatever happened to order, columns, sheet or kind of file.
"""

import csv
import hashlib
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree

import polars as pl

from canbao.home import Home
from canbao.intake.definitions import Field, SourceDef
from canbao.intake.problems import NO_DATA, FileRefused
from canbao.intake.staging import quarantine_path, sha256_of, stage_file, staged_path
from canbao.paths import package_dir
from canbao.quality.repair import state
from canbao.quality.repair.rows import texts
from canbao.quality.repair.state import REFUSED, State
from canbao.received import write_csv

SHOWN = 5
"""Refused rows that are told on the terminal; the file has all of them."""

_NO_ITEM = re.compile(r"^\W*(以下无数据|单位负责人|核实人|联系电话|填报日期|说明[:：]|　|\d+\.)")
"""What stands around the table: closing line, signature, notes."""
_FORMULA = ("=", "＝", "+", "@", "＠", "＋")
_DIGITS = re.compile(r"\d{7,}[\dXx]?")
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELS = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"


@dataclass
class Sheet:
    """What became of one file.

    Attributes:
        name: Its name.
        lines: What to tell, in Chinese; numbers are masked.
        accepted: Answers that are new or changed one that was there.
        same: Answers that were there already.
        settled: Answers about items that are no longer wrong, and need none.
        blank: Items without an answer yet.
        refused: Rows that come back with a reason.
        unread: Whether the file could not be read at all.
    """

    name: str
    lines: list[str] = field(default_factory=list)
    accepted: int = 0
    same: int = 0
    settled: int = 0
    blank: int = 0
    refused: int = 0
    unread: bool = False


@dataclass(frozen=True)
class _Row:
    """One row of the sheet: where it stands and what it says."""

    line: int
    code: str
    outcome: str
    note: str
    wrong: str = ""


def outcomes() -> dict[str, str]:
    """Code to Chinese word of what a department may answer (`codes/repair_outcome.csv`)."""
    with (package_dir("codes") / "repair_outcome.csv").open(encoding="utf-8", newline="") as file:
        return {row["code"]: row["name"] for row in csv.DictReader(file)}


def take(path: Path, home: Home, kept: State, day: date, department: str | None) -> Sheet:
    """Read one answered sheet and keep its answers; the caller holds the requests.

    Args:
        path: The file.
        home: The installation.
        kept: All requests; saved with the answers laid in.
        day: The day it came back.
        department: Whose answers they are; None: whoever was asked.
    """
    sheet = Sheet(path.name)
    try:
        digest = sha256_of(path)
        rows = list(_read(path, digest, home))
    except FileRefused as refused:
        sheet.unread = True
        sheet.lines.append(f"{path.name}：未采用。{refused.message}")
        return sheet
    except OSError as error:
        sheet.unread = True
        sheet.lines.append(f"{path.name}：文件无法读取（{error.strerror}）。请检查权限后重试。")
        return sheet
    back: list[tuple[_Row, str]] = [(row, row.wrong) for row in rows if row.wrong]
    rows = [row for row in rows if not row.wrong]
    changes = _judge(rows, kept, department, sheet, back)
    back.sort(key=lambda entry: entry[0].line)
    sheet.refused = len(back)
    known_file = any(one["sha256"] == digest for one in kept.answers)
    if changes or not known_file:
        kept.items = _laid_in(kept.items, changes, day)
        kept.answers.append({
            "sha256": digest, "file": path.name, "day": day.isoformat(), "accepted": sheet.accepted,
            "same": sheet.same, "settled": sheet.settled, "blank": sheet.blank, "refused": sheet.refused,
        })  # fmt: skip
        state.save(home, kept)
    place = _send_back(path, digest, home, day, back) if back else None
    _tell(sheet, back, place, again=known_file and not changes)
    return sheet


def _judge(
    rows: list[_Row], kept: State, department: str | None, sheet: Sheet, back: list[tuple[_Row, str]]
) -> dict[tuple[int, int, int], tuple[str, str]]:
    """What the rows change: code to outcome and explanation. Rows that cannot be taken are added to `back`."""
    words = {**{word: code for code, word in outcomes().items()}, **{code: code for code in outcomes()}}
    said: dict[tuple[int, int, int], list[tuple[_Row, str, str]]] = {}
    asked = {(one.year, one.number): one for one in kept.requests}
    for row in rows:
        if not row.code:
            if (row.outcome or row.note) and not _NO_ITEM.match(row.outcome or row.note):
                back.append((row, "有答复但没有条目编号，无法对应"))
            continue
        if not row.outcome and not row.note:
            sheet.blank += 1  # nobody has answered anything: there is nothing to send back
            continue
        code = state.read_code(row.code)
        request = asked.get(code[:2]) if code else None
        if code is None:
            back.append((row, f"条目编号“{row.code}”不完整或有误（校验字母不符），请照原表填写"))
        elif request is None or not 1 <= code[2] <= request.items:
            back.append((row, f"条目编号“{row.code}”不是本单位发出的申请中的条目"))
        elif department is not None and request.department != department:
            back.append((row, f"条目属于向“{request.department}”发出的 {request.name}，不能由“{department}”答复"))
        elif not row.outcome:
            back.append((row, "填了更正说明，没有填核实结果"))
        elif row.outcome not in words:
            back.append((row, f"核实结果“{row.outcome}”不认识，只能填{'、'.join(outcomes().values())}"))
        elif words[row.outcome] == REFUSED and not row.note:
            back.append((row, "核实结果为不予更正，须在更正说明写明理由"))
        else:
            said.setdefault(code, []).append((row, words[row.outcome], state.kept_note(row.note)))
    standing = _standing(kept, set(said))
    changes = {}
    for code, answers in said.items():
        if len({(outcome, note) for _, outcome, note in answers}) > 1:
            back += [(row, "同一条目编号在本文件中出现多次且答复不一致，均未采用") for row, _, _ in answers]
            continue
        (row, outcome, note), now = answers[0], standing[code]
        if now["state"] == state.REOPENED or not now["last"]:
            later = now["later"]
            again = f"已在 {later} 中再次发出，请按该申请答复" if later else "将在下一份申请中再次发出"
            back.append((row, f"该条目答复之后仍然有误，{again}"))
        elif now["state"] in {state.REPAIRED, state.WITHDRAWN}:
            sheet.settled += 1
        elif (now["outcome"], now["note"]) == (outcome, note):
            sheet.same += 1
        else:
            sheet.accepted += 1
            changes[code] = (outcome, note)
    return changes


def _standing(kept: State, codes: set[tuple[int, int, int]]) -> dict[tuple[int, int, int], dict[str, Any]]:
    """How the items of these codes stand: their row, whether it is the item's last, and the request of the last."""
    wanted = pl.DataFrame(list(codes), schema=dict.fromkeys(("year", "number", "serial"), pl.Int32), orient="row")
    last = kept.items.filter(state.last_of_item()).select(
        "item_id", pl.col("year").alias("last_year"), pl.col("number").alias("last_number")
    )
    rows = kept.items.join(wanted, on=wanted.columns, how="semi").join(last, on="item_id")
    found = {}
    for row in rows.iter_rows(named=True):
        is_last = (row["last_year"], row["last_number"]) == (row["year"], row["number"])
        later = "" if is_last else state.request_name(row["last_year"], row["last_number"])
        found[row["year"], row["number"], row["serial"]] = {**row, "last": is_last, "later": later}
    return found


def _laid_in(items: pl.DataFrame, changes: dict[tuple[int, int, int], tuple[str, str]], day: date) -> pl.DataFrame:
    schema = {"year": pl.Int32, "number": pl.Int32, "serial": pl.Int32, "said": pl.String, "why": pl.String}
    new = pl.DataFrame([(*code, *answer) for code, answer in changes.items()], schema=schema, orient="row")
    rows = items.join(new, on=["year", "number", "serial"], how="left", maintain_order="left")
    said = pl.col("said").is_not_null()
    return rows.with_columns(
        pl.coalesce("said", "state").alias("state"),
        pl.coalesce("said", "outcome").alias("outcome"),
        pl.when(said).then(pl.lit(day)).otherwise("answered").alias("answered"),
        pl.when(said).then("why").otherwise("note").alias("note"),
    ).select(list(state.SCHEMA))


def _tell(sheet: Sheet, back: list[tuple[_Row, str]], place: Path | None, *, again: bool) -> None:
    words = [f"采用 {sheet.accepted:,} 条"]
    words += [f"与以前相同 {sheet.same:,} 条"] if sheet.same else []
    words += [f"已消除、无需答复 {sheet.settled:,} 条"] if sheet.settled else []
    words += [f"未填 {sheet.blank:,} 条"] if sheet.blank else []
    words += [f"退回 {sheet.refused:,} 行"]
    told = f"{sheet.name}：{'已收过同一文件，什么也没有改变；' if again else ''}{'，'.join(words)}"
    told += f"，见 {place}" if place else ""
    sheet.lines.append(f"{told}。")
    sheet.lines += [f"  第 {row.line} 行：{_DIGITS.sub(_masked, said)}。" for row, said in back[:SHOWN]]
    if len(back) > SHOWN:
        sheet.lines.append(f"  其余 {len(back) - SHOWN:,} 行见上述文件。")


def _masked(number: "re.Match[str]") -> str:
    return f"{number[0][:4]}***"


def _send_back(path: Path, digest: str, home: Home, day: date, back: list[tuple[_Row, str]]) -> Path:
    place = state.folder(home) / "refused" / f"{day.isoformat()}-{path.stem}-{digest[:12]}.csv"
    place.parent.mkdir(parents=True, exist_ok=True)
    write_csv(
        place,
        ("行号", "条目编号", "核实结果", "更正说明", "退回原因"),
        ((row.line, row.code, row.outcome, row.note, f"{said}。") for row, said in back),
    )
    return place


# ------------------------------------------------------------------------------------------------------ the file


def _definition() -> SourceDef:
    """The sheet's columns as a source, so that it is read like every delivery: header, encoding, kind of file."""
    raw = texts()["answer"]
    fields = tuple(
        Field(
            name=one["name"],
            type=one["type"],
            headers=tuple(one["headers"]),
            required=one.get("need") == "R",
            codes=one.get("codes"),
        )
        for one in raw["fields"]
    )
    made = SourceDef("repair_answer", raw["title"], "increment", "", (fields[0].name,), fields)
    words = json.dumps([raw, outcomes()], ensure_ascii=False)
    return replace(made, fingerprint=hashlib.sha256(words.encode()).hexdigest())


def _read(path: Path, digest: str, home: Home) -> Iterator[_Row]:
    """The rows of all sheets, with what cannot be read as such.

    Raises:
        FileRefused: The file cannot be read, or lacks a column.
    """
    source = _definition()
    with TemporaryDirectory(dir=state.folder(home), prefix=".reading-") as scratch:
        store = Path(scratch)
        parts = stage_file(path, digest, source, store)
        formulas = _formulas(path) if path.suffix.lower() == ".xlsx" else {}
        for number, part in enumerate(parts):
            computed = formulas.get(part.part if number else "", set())
            rows = pl.read_parquet(staged_path(store, source.name, part.digest))
            for row in rows.iter_rows(named=True):
                made = _Row(row["line_no"], *(row[name] or "" for name in ("item_code", "outcome", "note")))
                yield _without_formula(made, computed)
            if part.rows_rejected:
                for row in pl.read_parquet(quarantine_path(store, source.name, part.digest)).iter_rows(named=True):
                    if not _NO_ITEM.match(row["raw"]) and row["error_code"] not in NO_DATA:
                        yield _Row(row["line"], "", "", "", row["message"].removesuffix("。"))


def _without_formula(row: _Row, computed: set[int]) -> _Row:
    if row.line in computed or any(text.startswith(_FORMULA) for text in (row.code, row.outcome, row.note)):
        return replace(row, wrong="含公式，只接收文字，请将公式改为文字后重报")
    return row


def _formulas(path: Path) -> dict[str, set[int]]:
    """Rows with a formula per sheet; the first visible sheet is `""`, as in the parts of a workbook."""
    found: dict[str, set[int]] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            book = ElementTree.fromstring(archive.read("xl/workbook.xml"))  # noqa: S314 - no entities are expanded
            links = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))  # noqa: S314
            targets = {link.get("Id"): (link.get("Target") or "").lstrip("/") for link in links}
            for entry in book.iter(f"{_MAIN}sheet"):
                target = targets.get(entry.get(f"{_RELS}id"), "")
                place = target if target.startswith("xl/") else f"xl/{target}"
                with archive.open(place) as part:
                    rows = set(_rows_with_formulas(part))
                found[entry.get("name", "")] = rows
                if entry.get("state", "visible") == "visible":
                    found.setdefault("", rows)
    except (KeyError, ElementTree.ParseError) as error:
        raise FileRefused("damaged", "工作簿结构不完整，无法检查公式。请用表格软件另存后重报。") from error
    return found


def _rows_with_formulas(part: Any) -> Iterator[int]:
    row = 0
    for event, element in ElementTree.iterparse(part, events=("start", "end")):  # noqa: S314
        if event == "start":
            if element.tag == f"{_MAIN}row":
                row = int(element.get("r") or row + 1)
            continue
        if element.tag == f"{_MAIN}f":
            yield row
        elif element.tag == f"{_MAIN}row":
            element.clear()
