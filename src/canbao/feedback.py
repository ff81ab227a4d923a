"""`canbao feedback`: what the villages sent back, from the command line (contract section 1).

The same reader, checks and receipts as in the portal, with everybody in the scope and no preview: what is right goes
to `<home>/landing/grid_feedback/<day>/` at once, what is not comes back as a workbook under `<home>/feedback/refused/`.
The audit log knows of each deed before it happens: what cannot be written down is not done (U6).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from canbao import console
from canbao.clock import today
from canbao.errors import UserError
from canbao.home import Home

if TYPE_CHECKING:
    from canbao.loop.check import Who
    from canbao.loop.receive import Preview
    from canbao.loop.state import Receipt

KINDS = (".xlsx", ".xls", ".et", ".ods", ".csv", ".txt")
SHOWN = 5
"""Refused rows that are told on the terminal; the file has all of them."""


@dataclass
class Sheet:
    """What became of one file.

    Attributes:
        name: Its name.
        lines: What to tell, in Chinese; without numbers and names of people.
        accepted: Rows taken in.
        returned: Rows that go back.
        refused: Whether the file could not be read at all.
    """

    name: str
    lines: list[str] = field(default_factory=list)
    accepted: int = 0
    returned: int = 0
    refused: bool = False


def take_back(files: Sequence[Path], root: Path, day: date | None = None) -> list[Sheet]:
    """Check returned sheets and put the accepted rows where the next night reads them.

    Args:
        files: Sheets (.xlsx, .xls, .csv, .txt …).
        root: `--home`.
        day: The day they came back, which no visit may lie after; today by default.

    Returns:
        One entry per file, in the order given. The same file a second time changes nothing.

    Raises:
        UserError: A file is not there or of another kind, or the home has no publication to look people up in.
        AuditError: The audit log cannot be written.
    """
    from canbao.loop import receive

    root = root.resolve()
    home = Home(root)
    for path in files:
        if not path.is_file():
            raise UserError(f"文件 {path} 不存在或不是文件。请检查路径。")
        if path.suffix.lower() not in KINDS:
            raise UserError(f"文件 {path.name} 的类型不接收。只接收 {'、'.join(KINDS)}。")
    if not root.is_dir() or home.current_publication() is None:
        raise UserError(f"工作目录 {root} 尚未发布过任何内容，无法核对人员。请先运行 canbao run，或检查 --home。")
    home.prepare()
    who = receive.Who("canbao feedback", console.operator(), "", "", lambda _: True, everything=True)
    return [_take(path, home, who, day or today()) for path in files]


def _take(path: Path, home: Home, who: "Who", day: date) -> Sheet:
    from canbao.intake.problems import FileRefused, shown_name, without_numbers
    from canbao.loop import receive

    name = shown_name(path)
    told_name = without_numbers(path.name)
    sheet = Sheet(name)
    _log(home, "upload", told_name)
    try:
        seen = receive.preview(home, path, who, day=day)
    except FileRefused as refused:
        _log(home, "upload", told_name, outcome="failed", reason="file")
        sheet.refused = True
        sheet.lines.append(f"{name}：未采用。{without_numbers(refused.message)}")
        return sheet
    except OSError as error:
        _log(home, "upload", told_name, outcome="failed", reason="file")
        sheet.refused = True
        sheet.lines.append(f"{name}：文件无法读取（{error.strerror}）。请检查权限后重试。")
        return sheet
    if seen.again:
        receive.discard(home, seen.token, who)
        sheet.lines.append(f"{name}：已收过同一文件（回执 {seen.again}），本次不重复采用。")
        return sheet
    if all(seen.counts[state] == 0 for state in receive.STATES if state != "refused"):
        return _nothing(sheet, path, home, seen, who)
    try:
        receipt = _confirm(home, seen, who)
    except receive.Changed:  # somebody else was at work in this very moment; what holds now is taken
        seen = receive.look(home, seen.token, who)
        receipt = _confirm(home, seen, who)
    counts = seen.counts
    sheet.accepted, sheet.returned = receipt.accepted, receipt.refused
    told = f"{name}：读入 {sum(counts[state] for state in receive.STATES):,} 行，采用 {receipt.accepted:,} 行"
    told += f"（其中与以前相同 {receipt.same:,} 行）" if receipt.same else ""
    told += f"，已核实参保、无需填报 {receipt.settled:,} 行" if receipt.settled else ""
    told += f"，退回 {receipt.refused:,} 行"
    told += f"，未填 {receipt.blank:,} 行" if receipt.blank else ""
    told += f"，回执 {receipt.receipt_no}"
    if receipt.refused:
        place = _place(home, f"{day.isoformat()}-{_stem(path)}", receipt.receipt_no)
        _log(home, "refused_sheet", receipt.receipt_no, rows=receipt.refused, level="full")
        receive.refused_sheet(home, receipt.receipt_no, who, place, full=True)
        place.chmod(0o600)
        told += f"，退回的行见 {place}"
    sheet.lines.append(f"{told}。")
    _tell(sheet, seen)
    return sheet


def _nothing(sheet: Sheet, path: Path, home: Home, seen: "Preview", who: "Who") -> Sheet:
    """There is no row to take in: no receipt, and what was filled in goes back."""
    from canbao.loop import receive

    sheet.returned = seen.counts["refused"]
    told = f"{sheet.name}：读入 {sheet.returned:,} 行，采用 0 行，退回 {sheet.returned:,} 行"
    told += f"，未填 {seen.counts['blank']:,} 行" if seen.counts["blank"] else ""
    told += "，没有可以采用的行，未生成回执"
    if sheet.returned:
        place = _place(home, f"{seen.day.isoformat()}-{_stem(path)}", seen.sha256[:8])
        _log(home, "refused_sheet", seen.file_name, rows=sheet.returned, level="full")
        receive.refused_sheet(home, seen.token, who, place, full=True)
        place.chmod(0o600)
        told += f"，退回的行见 {place}"
    receive.discard(home, seen.token, who)
    sheet.lines.append(f"{told}。")
    _tell(sheet, seen)
    return sheet


def _tell(sheet: Sheet, seen: "Preview") -> None:
    """The first of the rows that go back, and what is to be said of the file as a whole."""
    back = seen.rows.filter(state="refused")
    several = len(seen.sheets) > 1
    for row in back.head(SHOWN).iter_rows(named=True):
        where = f"“{row['sheet']}”第 {row['line']} 行" if several else f"第 {row['line']} 行"
        sheet.lines.append(f"  {where}：{row['words']}")
    if len(back) > SHOWN:
        sheet.lines.append(f"  其余 {len(back) - SHOWN:,} 行见上述文件。")
    sheet.lines += [f"  {note}" for note in seen.notes]


def _confirm(home: Home, seen: "Preview", who: "Who") -> "Receipt":
    """Take in what a preview shows; the receipt's number, which nobody knows before, is noted afterwards."""
    from canbao.loop import receive

    rows = sum(seen.counts[state] for state in ("new", "changed", "same"))
    facts = {"sha256": seen.sha256, "counts": dict(seen.counts), "sheets": len(seen.sheets)}
    _log(home, "confirm_feedback", seen.file_name, rows=rows, **facts)
    try:
        receipt = receive.confirm(home, seen.token, who)
    except UserError as error:
        reason = "changed" if isinstance(error, receive.Changed) else str(error)
        _log(home, "confirm_feedback", seen.file_name, outcome="failed", reason=reason, sha256=seen.sha256)
        raise
    _log(home, "receipt", receipt.receipt_no, rows=receipt.accepted, sha256=seen.sha256, refused=receipt.refused)
    return receipt


def _log(home: Home, action: str, target: str, **fields: Any) -> None:
    known = {name: fields.pop(name) for name in ("rows", "outcome", "reason") if name in fields}
    console.note(home.root, action, target=target, detail=fields, **known)


def _stem(path: Path) -> str:
    """The file's name without its ending, for a file that goes back: no numbers of people, no sign Windows refuses."""
    from canbao.intake.problems import without_numbers

    return without_numbers(path.stem).replace("*", "_")


def _place(home: Home, name: str, mark: str) -> Path:
    folder = home.root / "feedback" / "refused"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / f"{name}-{mark}.xlsx"
