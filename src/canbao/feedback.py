"""`canbao feedback`: what the villages sent back is checked row by row before a night reads it (contract section 1).

A row that is right goes to `<home>/landing/grid_feedback/<day>/`; one that is not goes back, with what is wrong in
Chinese, as a CSV under `<home>/feedback/refused/`. What a row means is for the nightly run to judge.
"""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from canbao.errors import UserError
from canbao.home import Home, write_atomically
from canbao.paths import package_dir
from canbao.received import write_csv

if TYPE_CHECKING:
    from canbao.intake import SourceDef

SOURCE = "grid_feedback"
KINDS = (".xlsx", ".csv", ".txt")
SHOWN = 5
"""Refused rows that are told on the terminal; the file has all of them."""

_NUMBER = re.compile(r"\d{7,}[\dXx]?")
_ZONE = ZoneInfo("Asia/Shanghai")


@dataclass
class Sheet:
    """What became of one file.

    Attributes:
        name: Its name.
        lines: What to tell, in Chinese; numbers are masked.
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
        files: Sheets (.xlsx, .csv, .txt).
        root: `--home`.
        day: The day they came back, which no visit may lie after; today by default.

    Returns:
        One entry per file, in the order given. The same file a second time changes nothing.

    Raises:
        UserError: A file is not there or of another kind, or the home has no publication to look people up in.
    """
    home = Home(root)
    for path in files:
        if not path.is_file():
            raise UserError(f"文件 {path} 不存在或不是文件。请检查路径。")
        if path.suffix.lower() not in KINDS:
            raise UserError(f"文件 {path.name} 的类型不接收。只接收 {'、'.join(KINDS)}。")
    publication = home.current_publication() if root.is_dir() else None
    if publication is None:
        raise UserError(f"工作目录 {root} 尚未发布过任何内容，无法核对人员。请先运行 canbao run，或检查 --home。")
    home.prepare()
    day = day or datetime.now(_ZONE).date()
    return [_take(path, home, publication, day) for path in files]


def _take(path: Path, home: Home, publication: Path, day: date) -> Sheet:
    import polars as pl

    from canbao.intake import load_definitions
    from canbao.intake.problems import FileRefused, shown_name, without_numbers
    from canbao.intake.staging import quarantine_path, sha256_of, stage_file, staged_path

    source = load_definitions()[SOURCE]
    name = shown_name(path)
    sheet = Sheet(name)
    try:
        digest = sha256_of(path)
        short = digest[:12]
        earlier = sorted(home.landing.glob(f"{SOURCE}/*/{short}.csv"))
        if earlier:
            sheet.lines.append(f"{name}：{earlier[0].parent.name} 已收过同一文件，本次不重复采用。")
            return sheet
        with TemporaryDirectory(dir=home.root, prefix=".feedback-") as aside:
            parts = stage_file(path, digest, source, Path(aside))
            rows = pl.concat([pl.read_parquet(staged_path(Path(aside), SOURCE, part.digest)) for part in parts])
            bad = [quarantine_path(Path(aside), SOURCE, part.digest) for part in parts if part.rows_rejected]
            unread = [row for one in bad for row in pl.read_parquet(one).iter_rows(named=True)]
    except FileRefused as refused:
        sheet.refused = True
        sheet.lines.append(f"{name}：未采用。{without_numbers(refused.message)}")
        return sheet
    except OSError as error:
        sheet.refused = True
        sheet.lines.append(f"{name}：文件无法读取（{error.strerror}）。请检查权限后重试。")
        return sheet
    waits = _reasons()
    known = _known_numbers(publication, [*rows["certno"].drop_nulls()])
    good: list[dict[str, Any]] = []
    back: list[tuple[int, dict[str, Any], str, str]] = [(row["line"], {}, row["message"], row["raw"]) for row in unread]
    for row in rows.iter_rows(named=True):
        wrong = _wrong(row, known, waits, day)
        if wrong:
            back.append((row["line_no"], row, "；".join(wrong) + "。", ""))
        else:
            good.append(row)
    back.sort(key=lambda entry: entry[0])
    sheet.accepted, sheet.returned = len(good), len(back)
    told = f"{name}：读入 {len(good) + len(back):,} 行，采用 {len(good):,} 行，退回 {len(back):,} 行。"
    if back:
        place = _place(home, f"{day.isoformat()}-{_stem(path)}", short)
        _send_back(place, source, back)
        told = f"{told[:-1]}，见 {place}。"
    sheet.lines.append(told)
    sheet.lines += [f"  第 {line} 行：{_NUMBER.sub(_masked, said)}" for line, _, said, _ in back[:SHOWN]]
    if len(back) > SHOWN:
        sheet.lines.append(f"  其余 {len(back) - SHOWN:,} 行见上述文件。")
    if good:  # last: its being there says that the file was dealt with
        _land(home, short, source, day, good)
    return sheet


def _wrong(row: dict[str, Any], known: frozenset[str], waits: dict[str, bool], day: date) -> list[str]:
    """What is wrong with a row that could be read, in Chinese."""
    found = []
    if row["certno"] is None:
        found.append("没有证件号码，本版本尚不能按行码找人，请填写证件号码")
    elif not known & set(_forms(row["certno"])):
        found.append(f"证件号码 {row['certno']} 不在当前发布的人员之中，请核对号码")
    if row["reason_code"] not in waits:
        found.append(f"原因代码“{row['reason_code']}”不认识，请按下发表所附代码填写")
    elif waits[row["reason_code"]] and row["end_date"] is None:
        found.append(f"原因 {row['reason_code']} 需等待部门数据，请填写预计结束日期")
    if row["found_date"] > day:
        found.append(f"核实日期 {row['found_date']} 晚于收表日 {day}")
    if row["end_date"] is not None and row["end_date"] < row["found_date"]:
        found.append(f"预计结束日期 {row['end_date']} 早于核实日期 {row['found_date']}")
    return found


def _reasons() -> dict[str, bool]:
    """Known reason codes, and whether what they say holds until a day (`codes/reason_class.csv`)."""
    with (package_dir("codes") / "reason_class.csv").open(encoding="utf-8", newline="") as file:
        return {row["code"]: row["waits"] == "true" for row in csv.DictReader(file)}


def _known_numbers(publication: Path, numbers: Sequence[str]) -> frozenset[str]:
    """Those of the numbers that a person of the publication has, in any of their forms."""
    import polars as pl

    asked = pl.Series(sorted({form for number in numbers for form in _forms(number)}), dtype=pl.String)
    table = pl.scan_parquet(publication / "identifier.parquet")
    found = table.filter(pl.col("kind") == "certno", pl.col("value").is_in(asked.implode())).select("value").collect()
    return frozenset(found["value"])


def _forms(number: str) -> list[str]:
    """A number, and a 15-digit one in its 18-digit form too."""
    from canbao.intake.values import check_digit

    if len(number) == 15 and number.isdecimal():
        longer = f"{number[:6]}19{number[6:]}"
        return [number, longer + check_digit(longer)]
    return [number]


def _land(home: Home, short: str, source: "SourceDef", day: date, rows: Sequence[dict[str, Any]]) -> None:
    names = [one.name for one in source.fields]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([row[name] for name in names] for row in rows)
    write_atomically(home.landing / SOURCE / day.isoformat() / f"{short}.csv", text.getvalue())


def _stem(path: Path) -> str:
    """The file's name without its ending, for a file that goes back: no numbers of people, no sign Windows refuses."""
    from canbao.intake.problems import without_numbers

    return without_numbers(path.stem).replace("*", "_")


def _place(home: Home, name: str, short: str) -> Path:
    folder = home.root / "feedback" / "refused"
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{name}.csv"
    return folder / f"{name}-{short}.csv" if place.exists() else place  # it is another file's, or this one's of before


def _send_back(place: Path, source: "SourceDef", rows: Sequence[tuple[int, dict[str, Any], str, str]]) -> None:
    names = [one.name for one in source.fields]
    write_csv(
        place,
        ["行号", *(one.title for one in source.fields), "审核意见", "原文"],
        ([line, *(_cell(row, name) for name in names), said, raw] for line, row, said, raw in rows),
    )


def _cell(row: dict[str, Any], name: str) -> Any:
    value = row.get(name)
    # A spreadsheet that opens the file takes long digits for a number and loses the last ones; intake knows the sign.
    return f"'{value}" if isinstance(value, str) and len(value) > 11 and value[:11].isdecimal() else value


def _masked(number: "re.Match[str]") -> str:
    return f"{number[0][:4]}***"
