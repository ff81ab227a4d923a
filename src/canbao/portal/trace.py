"""Which download a list that got about came from (U7): by the serial in it, by the marks of its rows, by who is in it.

The serial may have been typed into another file to blame somebody, and two files may have been put together: the rows
are looked at in any case. Marks are keyed, so that nobody can make those of another download.
"""

import csv
import io
import itertools
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from canbao.errors import UserError
from canbao.home import Home
from canbao.loop.codes import row_codes_in
from canbao.paths import package_dir
from canbao.portal.register import Download, Register
from canbao.portal.serials import Tracer, mark_number, marks_in, plain_serial, serials_in

SHOWN = 10
"""Downloads that are named at most."""

MOST = 0.5
"""Share of a file's rows beyond which a download counts as holding most of them."""

_LARGEST = 1 << 30
_NUMBER = re.compile(r"(?<![\dA-Za-z])\d{17}[\dXx](?![\dA-Za-z])")
_AGE = re.compile(r"(\d{1,3})(?:\.0+)?")
_NAME = re.compile(r"[\u3400-\u9fff·\U00020000-\U0003ffff]{2,15}")
_BOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".et")


@dataclass(frozen=True)
class Match:
    """A download that may be where a file came from.

    Attributes:
        download: It.
        contained: Distinct rows of the file that it holds.
        of: Distinct rows of the file.
    """

    download: Download
    contained: int
    of: int


@dataclass
class Found:
    """What a file tells about where it came from.

    Attributes:
        how: The surest that was found: `serial` (it is written in the file), `marks`, `numbers`, `names`; else empty.
        is_file: A file was looked at, and not a serial alone.
        rows_by: What `rows` were found by: `marks`, `numbers` or `names`.
        serials: Downloads whose serial stands in the file.
        unknown: Serials in the file that no download here has.
        rows: Downloads by their rows, those that hold most rows first.
        whole: How many downloads hold all rows.
        most: How many hold most of them.
    """

    how: str = ""
    is_file: bool = False
    rows_by: str = ""
    serials: list[Download] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    rows: list[Match] = field(default_factory=list)
    whole: int = 0
    most: int = 0


def trace(home: Path, what: str) -> Found:
    """Find the download of a file or a serial.

    Args:
        home: The installation's folder.
        what: Path of a file, or a serial as it is read from paper.

    Raises:
        UserError: There is neither such a file nor such a serial, or the file cannot be read.
    """
    path = Path(what)
    serial = plain_serial(what)
    register = Register(home)
    if not path.is_file():
        if serial is None:
            raise UserError(f"{what} 既不是文件，也不是有效的编号（编号有 12 位，末位是校验位）。请核对。")
        found = register.get(serial)
        return Found("serial", serials=[found]) if found else Found(unknown=[serial])
    text, rows = read_leak(path)
    result = Found(is_file=True)
    for one in serials_in(text):
        download = register.get(one)
        if download:
            result.serials.append(download)
        else:
            result.unknown.append(one)
    result.how = "serial" if result.serials else ""
    tracer = Tracer.of(Home(home))
    for how, column, keys in _keys(tracer, text, rows):
        matches = _matches(register, column, keys)
        # marks of another installation, or words that look like marks, tell nothing
        if matches and (how == "marks" or matches[0].contained > len(keys) * MOST):
            result.rows = matches[:SHOWN]
            result.whole = sum(one.contained == one.of for one in matches)
            result.most = sum(one.contained > one.of * MOST for one in matches)
            result.how, result.rows_by = result.how or how, how
            break
    return result


def _keys(tracer: Tracer, text: str, rows: Sequence[Sequence[str]]) -> Iterable[tuple[str, str, set[int]]]:
    """What the rows can be recognised by, the surest first."""
    marks = {mark_number(mark) for mark in marks_in(text)}
    marks |= {tracer.code(code) for code in row_codes_in(text)}
    if marks:
        yield "marks", "mark", marks
    numbers = {tracer.look(number.upper()) for number in _NUMBER.findall(text)}
    if numbers:
        yield "numbers", "number", numbers
    people = list(_people(rows))
    aged = {tracer.look(name, age) for name, age in people if age}
    if aged:
        yield "names", "name_age", aged
    named = {tracer.look(name) for name, _ in people}
    if named:
        yield "names", "name", named


def _matches(register: Register, column: str, keys: set[int]) -> list[Match]:
    files = [str(path) for path in sorted(register.folder.glob("*.parquet"))]
    if not files:
        return []
    sql = (package_dir("portal") / "sql" / "trace" / "contained.sql").read_text(encoding="utf-8")
    with duckdb.connect(config={"threads": 2, "memory_limit": "1GB"}) as con:
        counted = con.execute(sql, {"files": files, "keys": sorted(keys), "column": column}).fetchall()
    matches = []
    for serial, contained in counted:
        download = register.get(serial)
        if download is not None:
            matches.append(Match(download, contained, len(keys)))
    # of two that hold the same rows, the one that holds less besides them is the likelier
    return sorted(matches, key=lambda one: (-one.contained, one.download.row_count, -one.download.at))


def _people(rows: Sequence[Sequence[str]]) -> Iterable[tuple[str, str]]:
    """Names with ages: by the headings, else by what the columns look like."""
    at_name, at_age, first = None, None, 0
    for number, row in enumerate(rows[:200]):
        titles = [re.sub(r"\s", "", cell) for cell in row]
        if "姓名" in titles:
            at_name, first = titles.index("姓名"), number + 1
            at_age = titles.index("年龄") if "年龄" in titles else None
            break
    if at_name is None:
        names = _fullest(rows, _NAME, distinct=True)
        at_name, at_age = names, _fullest(rows, _AGE, distinct=False, besides=_rising(rows))
    if at_name is None:
        return
    for row in rows[first:]:
        name = row[at_name].strip() if at_name < len(row) else ""
        if not _NAME.fullmatch(name):
            continue
        age = _AGE.fullmatch(row[at_age].strip()) if at_age is not None and at_age < len(row) else None
        yield name, str(int(age[1])) if age and int(age[1]) < 130 else ""


def _fullest(
    rows: Sequence[Sequence[str]], form: re.Pattern[str], *, distinct: bool, besides: set[int] | None = None
) -> int | None:
    """The column that holds most cells of a form; where `distinct`, most different ones."""
    seen: dict[int, Counter[str]] = {}
    for row in rows:
        for at, cell in enumerate(row):
            if at not in (besides or set()) and form.fullmatch(cell.strip()):
                seen.setdefault(at, Counter())[cell.strip()] += 1
    if not seen:
        return None
    return max(seen, key=lambda at: (len(seen[at]) if distinct else seen[at].total(), -at))


def _rising(rows: Sequence[Sequence[str]]) -> set[int]:
    """Columns that only count upwards, or whose numbers have one digit: serial numbers and priorities, no ages."""
    found = set()
    for at in range(max((len(row) for row in rows), default=0)):
        cells = (_AGE.fullmatch(row[at].strip()) for row in rows if at < len(row))
        values = [int(cell[1]) for cell in cells if cell]
        rises = len(values) > 2 and all(one < two for one, two in itertools.pairwise(values))
        if rises or (values and max(values) < 10):
            found.add(at)
    return found


def read_leak(path: Path) -> tuple[str, list[list[str]]]:
    """All text of a file, and its rows where it has any.

    Args:
        path: A workbook of any kind, a text file, or another office document.

    Raises:
        UserError: It cannot be read.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise UserError(f"文件 {path} 太大，无法追查。请截取其中一部分。")
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"文件 {path} 无法读取（{error.strerror}）。") from None
    if path.suffix.lower() in _BOOKS or data[:4] in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
        rows = _book_rows(path)
        text = "\n".join(["\t".join(row) for row in rows] + _inside(data))
        return text, rows
    text = _decoded(data)
    delimiter = max(",\t;", key=text[:20_000].count)
    rows = [[cell.strip().lstrip("'") for cell in row] for row in csv.reader(io.StringIO(text), delimiter=delimiter)]
    return text, rows


def _book_rows(path: Path) -> list[list[str]]:
    import fastexcel

    try:
        book = fastexcel.read_excel(path)
        rows: list[list[str]] = []
        for name in book.sheet_names:
            frame = book.load_sheet(name, header_row=None, dtypes="string").to_polars()
            rows += [["" if cell is None else str(cell).strip() for cell in row] for row in frame.iter_rows()]
    except Exception:  # a document that is no workbook still may name the serial
        return []
    return rows


def _inside(data: bytes) -> list[str]:
    """Texts inside a packed document: cells, headers and footers, properties."""
    if data[:2] != b"PK":
        return [data.decode("utf-16-le", "ignore"), data.decode("latin-1")]
    texts, left = [], _LARGEST
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist():
                if entry.filename.endswith((".xml", ".rels", ".csv", ".txt")) and entry.file_size <= left:
                    left -= entry.file_size
                    texts.append(re.sub(r"<[^>]*>", " ", archive.read(entry).decode("utf-8", "replace")))
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError):
        return texts
    return texts


def _decoded(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("gb18030", "replace")


def told(found: Found) -> list[str]:
    """What was found, as lines in Chinese."""
    lines: list[str] = []
    for one in found.serials:
        lines += [f"文件上的编号：{one.serial}", *_told(one)]
    lines += [
        f"编号 {one} 有效，但本系统没有这次下载的记录（可能已超过保存期，或来自另一套系统）。" for one in found.unknown
    ]
    if found.rows:
        first = found.rows[0]
        by = {"marks": "行码", "numbers": "完整证件号码", "names": "姓名和年龄"}[found.rows_by]
        lines.append(
            f"按{by}核对：文件中有 {first.of:,} 个不同的行标识；"
            f"含有全部的下载 {found.whole} 次，含有多数的 {found.most} 次。"
        )
        named = {one.serial for one in found.serials}
        for match in found.rows:
            lines.append(
                f"编号 {match.download.serial}：含有 {match.contained:,} 个（{match.contained / match.of:.0%}）"
            )
            if match.download.serial not in named:
                lines += _told(match.download)
        if named and first.download.serial not in named:
            lines.append("注意：文件上的编号与各行内容指向不同的下载，编号可能被改写。以各行内容为准。")
    elif found.serials and found.is_file:
        lines.append("文件中没有可核对的行，只能以编号为准。")
    return lines or ["没有找到：文件上没有编号，各行内容也与任何一次下载对不上。"]


def _told(one: Download) -> list[str]:
    from canbao.portal.page import at_second

    who = one.account + (f"（{one.holder}）" if one.holder else "")
    lines = [
        f"  账号 {who}，{one.unit}，{at_second(one.at)}",
        f"  名单 {one.title}，条件：{one.filters}，{one.row_count:,} 行，.{one.form}，发布 {one.publication}",
        f"  号码{'完整' if one.level == 'full' else '打码'}，用途：{one.reason or '（打码下载不要求填写）'}"
        + (f"，批准人 {one.approved_by}" if one.approved_by else ""),
    ]
    if one.parts > 1:
        lines.append(f"  第 {one.part} 部分，共 {one.parts} 部分")
    if one.state == "broken":
        lines.append("  当时传送中断，文件可能不完整")
    return lines
