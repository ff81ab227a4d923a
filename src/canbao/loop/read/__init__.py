"""Reading a returned file, whoever made it, in a process of its own (users' requirements U12, U20).

`read_returned` is for the portal and `canbao feedback`. It starts `python -m canbao.loop.read`, which bounds itself
(`limits.py`), finds out what kind of file it has by its content (`kinds.py`), takes the cells out (`workbook.py`,
`binary.py`, `text.py`), finds heads and rows (`table.py`) and reads reasons and dates (`answers.py`). Headings and
words are data (`words.toml`). Nothing is followed, run or looked up; what a row means is for the checks to say.

This module stays light: the child imports it too.
"""

import json
import os
import signal
import stat
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from canbao.intake.problems import FileRefused
from canbao.loop.read import limits

if TYPE_CHECKING:
    import polars as pl

TEXTS = (
    "sheet",
    "row_code",
    "batch_id",
    "certno",
    "certno_shown",
    "psn_name",
    "division_code",
    "reason",
    "found_date",
    "end_date",
    "note",
    "reporter",
    "reason_code",
    "raw",
)
COLUMNS = (*TEXTS, "line", "has_formula", "found_on", "ends_on")
"""Columns of `Returned.rows`, in their order."""

ROWS = ".rows"
"""What the name of the file with the rows ends in, beside the one with the rest."""

_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1"}
_SLOW = "文件内容过于复杂，在{seconds}秒内没有读完，未读入。请只保留核实名单本身，按村拆开后分别上传。"
_LARGE = "文件打开后占用内存过大，未读入。请删除多余的行、列和工作表，或把名单复制到新工作簿后重新上传。"
_BROKEN = "文件已损坏，无法读取。请用WPS或Excel打开后另存为xlsx，再重新上传。"


@dataclass(frozen=True)
class Problem:
    """Something in the file that somebody should know.

    Attributes:
        sheet: Sheet, as in `Returned.sheets`.
        line: Row as the user sees it, 1 first; 0 where it concerns the whole sheet.
        code: What it is, for programs (`words.toml`, [problems]).
        message: What it is and what to do, in Chinese, without numbers of people.
    """

    sheet: str
    line: int
    code: str
    message: str


@dataclass(frozen=True)
class Returned:
    """What stands in a returned file.

    Attributes:
        sheets: Sheets that were read, in the order of the file; a text file is one sheet with the name ''.
        rows: One row per row of a person, in the order of the file; columns `COLUMNS`. Texts are as found, without
            white space around them, null where blank. certno is null where it is masked or damaged (certno_shown is
            what stood there); reason_code, found_on, ends_on are null where blank or not understood, in the latter case
            with a problem. A row without reason is a person not yet visited. raw is JSON, headings and cells of the
            whole row, at most `limits.RAW_BYTES`. has_formula: a cell that counts is a formula; its last result is
            what was read (unknown, so false, of .xls and .ods).
        problems: What was found, by sheet and line.
        notes: What to tell about the file as a whole, in Chinese.
    """

    sheets: list[str]
    rows: "pl.DataFrame"
    problems: list[Problem]
    notes: list[str]


def read_returned(path: Path, *, work: Path, day: date | None = None) -> Returned:
    """Read a returned file in a process of its own.

    Args:
        path: The file: .xlsx, .xls (.et), .ods, .csv or .txt, whatever its name says.
        work: A folder of ours on the same machine, for the result; nothing of this call stays there.
        day: The day it came back, today by default: visits written without a year (1月5日) lie before it.

    Returns:
        What stands in it.

    Raises:
        FileRefused: The file as a whole cannot be taken; the message says what to do.
    """
    _acceptable(path)
    with TemporaryDirectory(dir=work.absolute(), prefix=".read-") as aside:  # the reading process is at home there
        result = Path(aside) / "result"
        command = [sys.executable, "-I", "-B", "-m", "canbao.loop.read", str(path.absolute()), str(result)]
        status = _run([*command, *([day.isoformat()] if day else [])], aside)
        if status:
            raise _refusal(status)
        return _result(result)


def _acceptable(path: Path) -> None:
    """Refuses what is no plain file of bearable size, before anything is opened."""
    try:
        found = path.lstat()
    except OSError as error:
        raise FileRefused("missing", "文件不存在或无法打开。请重新选择文件。") from error
    if not stat.S_ISREG(found.st_mode):
        raise FileRefused("no_file", "这不是普通文件（可能是快捷方式、链接或文件夹）。请选择表格文件本身。")
    if not found.st_size:
        raise FileRefused("empty", "文件是空的（0字节）。请重新保存后上传。")
    if found.st_size > limits.BYTES:
        raise FileRefused(
            "too_large",
            f"文件有{found.st_size / (1 << 20):.0f}MB，超过{limits.BYTES >> 20}MB。"
            "请删除图片和多余的工作表，或按村拆开后分别上传。",
        )


def _run(command: list[str], folder: str) -> int:
    """Exit status of the reading process; what it may say goes nowhere, since it could quote the file."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env=_ENVIRONMENT,
        start_new_session=True,
    ) as child:
        try:
            return child.wait(limits.SECONDS)
        except BaseException as error:
            child.kill()
            child.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                return -signal.SIGXCPU
            raise


def _refusal(status: int) -> FileRefused:
    if status == -signal.SIGXCPU:
        return FileRefused("too_slow", _SLOW.format(seconds=limits.SECONDS))
    if status in {-signal.SIGABRT, -signal.SIGKILL, -signal.SIGSEGV, -signal.SIGXFSZ, limits.OUT_OF_MEMORY}:
        return FileRefused("too_large", _LARGE)
    return FileRefused("damaged", _BROKEN)


def _result(path: Path) -> Returned:
    """What the process wrote; Polars reads the rows, since Python's objects of a full list would take 200 MB here."""
    import polars as pl

    head: dict[str, Any] = json.loads(path.read_bytes())
    if head["refused"]:
        raise FileRefused(*head["refused"])
    schema: dict[str, Any] = dict.fromkeys(TEXTS, pl.String)
    schema |= {"line": pl.Int32, "has_formula": pl.Boolean, "found_on": pl.String, "ends_on": pl.String}
    rows = path.with_name(path.name + ROWS)
    frame = pl.read_ndjson(rows, schema=schema) if rows.stat().st_size else pl.DataFrame(schema=schema)
    return Returned(
        sheets=head["sheets"],
        rows=frame.with_columns(pl.col("found_on", "ends_on").str.to_date("%Y-%m-%d")),
        problems=[Problem(*one) for one in head["problems"]],
        notes=head["notes"],
    )
