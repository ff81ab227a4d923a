"""Makes tests/loop/returned/: returned files as people and office programs leave them, and what they must be read as.

Run by hand, with LibreOffice: `python -m tests.loop.make_returned`. Every file is made from the same made-up village
(`PEOPLE`); what a file must give is written down here where it is made, never taken from the reader: `files.csv` says
of each file what it is, its sheets, findings of whole sheets and notes; `rows.csv` has its rows.
"""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import openpyxl
from openpyxl.styles import Alignment
from openpyxl.worksheet.worksheet import Worksheet

from canbao.loop.codes import row_codes

FOLDER = Path(__file__).parent / "returned"
DAY = date(2026, 12, 2)
"""When all of them came back."""

HEADS = ["行码", "批次", "序号", "姓名", "证件号码", "性别", "年龄", "户号", "户籍地", "居住地", "人户分离", "未参保原因", "上次参保", "各部门情况", "上次核实", "建议结果", "核实结果", "核实日期", "预计结束日期", "说明", "填报人"]  # fmt: skip
SHEET = "核实名单"
ROWS = ["file", "sheet", "line", "row_code", "certno", "reason_code", "found_on", "ends_on", "note", "problems"]
FILES = ["file", "what", "sheets", "sheet_problems", "notes"]


@dataclass(frozen=True)
class Person:
    """A row of the list, and what the village found."""

    code: str
    batch: str
    serial: int
    name: str
    masked: str
    reason: str = ""
    reason_code: str = ""
    found: date | None = None
    ends: date | None = None
    note: str = ""


def _d(month: int, day: int, year: int = 2026) -> date:
    return date(year, month, day)


ANSWERS: list[tuple[str, str, date | None, date | None, str]] = [
    ("D1 死亡", "D1", _d(11, 25), None, ""),
    ("M1 服役(现役)", "M1", _d(11, 26), _d(8, 31, 2028), ""),
    ("W1 拒参", "W1", _d(11, 26), None, ""),
    ("", "", None, None, ""),
    ("I1 异地参保(省外职工/居民)", "I1", _d(11, 27), None, "在浙江务工，当地参保"),
    ("F2 无法联系", "F2", _d(11, 27), None, ""),
    ("", "", None, None, ""),
    ("X 其他", "X", _d(11, 28), None, "外出读书，九月毕业"),
    ("W5 待办理", "W5", _d(11, 28), _d(12, 31), "答应月底办"),
    ("P1 服刑", "P1", _d(11, 28), _d(1, 15, 2029), ""),
]


def village(batch: int, name: str) -> list[Person]:
    """Ten people of a village."""
    numbers = range(1, len(ANSWERS) + 1)
    codes = row_codes(b"key of the tests", [batch] * len(ANSWERS), numbers, [f"{batch}-{one}" for one in numbers])
    return [
        Person(code, f"P{batch:06d}", serial, f"{name}{'赵钱孙李周吴郑王冯陈'[serial - 1]}", f"5001**********{serial:02d}**", *answer)
        for code, serial, answer in zip(codes, numbers, ANSWERS, strict=True)
    ]  # fmt: skip


PEOPLE = village(8, "甲")
OTHERS = village(9, "乙")


def cells(one: Person) -> dict[str, Any]:
    """The row as the list has it, filled in."""
    return {
        "行码": one.code, "批次": one.batch, "序号": one.serial, "姓名": one.name, "证件号码": one.masked, "性别": "男", "年龄": 30 + one.serial,
        "户号": f"H{one.serial:03d}", "户籍地": "甲村", "居住地": "甲村", "人户分离": "", "未参保原因": "登记未缴费" if one.serial == 3 else "断保",
        "上次参保": "2024年 居民", "各部门情况": "公安：正常", "上次核实": "", "建议结果": "W1 拒参" if one.serial == 4 else "",
        "核实结果": one.reason, "核实日期": one.found, "预计结束日期": one.ends, "说明": one.note, "填报人": "孙某" if one.reason else "",
    }  # fmt: skip


@dataclass
class Case:
    """A file and what it must be read as."""

    file: str
    what: str
    sheets: list[str] = field(default_factory=lambda: [SHEET])
    sheet_problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def row(self, one: Person, line: int, problems: str = "", *, sheet: str | None = None, certno: str = "") -> None:
        """One row to expect."""
        self.rows.append(
            {
                "file": self.file, "sheet": self.sheets[0] if sheet is None else sheet, "line": line, "row_code": one.code,
                "certno": certno, "reason_code": one.reason_code, "found_on": one.found or "", "ends_on": one.ends or "",
                "note": one.note, "problems": problems,
            }
        )  # fmt: skip

    def all(self, people: Iterable[Person], first: int, sheet: str | None = None) -> None:
        """People on lines in a row."""
        for line, one in enumerate(people, start=first):
            self.row(one, line, sheet=sheet)


CASES: list[Case] = []


def case(file: str, what: str, **others: Any) -> Case:
    CASES.append(Case(file, what, **others))
    return CASES[-1]


# --- workbooks by openpyxl -------------------------------------------------------------------------------------------


def _sheet(book: openpyxl.Workbook, name: str = SHEET, first: bool = True) -> Worksheet:
    sheet = book.active if first else book.create_sheet()
    sheet.title = name
    return sheet


def _put(
    sheet: Worksheet, people: Sequence[Person], heads: Sequence[str] = HEADS, names: dict[str, str] | None = None
) -> None:
    sheet.append([(names or {}).get(head, head) for head in heads])
    for one in people:
        sheet.append([cells(one).get(head) or None for head in heads])
        for cell in sheet[sheet.max_row]:
            if isinstance(cell.value, date):
                cell.number_format = "yyyy-m-d"


def _save(book: openpyxl.Workbook, file: str) -> Path:
    book.save(FOLDER / file)
    return FOLDER / file


def workbooks() -> None:
    one = case("01-as-sent.xlsx", "下发名单填好后原样退回")
    book = openpyxl.Workbook()
    sheet = _sheet(book)
    sheet.append(["未参保人员核实名单"])
    sheet.append(["填报单位：甲村", "批次：P000008", "2026年11月22日下发"])
    sheet.append(["系统已有情况（请勿改动）"] + [None] * 15 + ["核实情况（由核实人填写）"])
    sheet.merge_cells("A3:P3")
    sheet.merge_cells("Q3:U3")
    _put(sheet, PEOPLE)
    sheet.append(
        [
            "单位负责人：",
            None,
            None,
            None,
            "审核人：",
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            "填报人：",
        ]
    )
    sheet.append(["说明：“核实结果”从下拉列表选择，也可以只填代码（如 D1）。"])
    options = _sheet(book, "选项", first=False)
    for text in ("D1 死亡", "D2 户口注销", "M1 服役(现役)"):
        options.append([text])
    options.sheet_state = "hidden"
    _save(book, one.file)
    one.all(PEOPLE, 5)

    one = case("02-sorted.xlsx", "按姓名排过序，筛选后有隐藏行和隐藏列", notes=["3行是隐藏的"])
    book = openpyxl.Workbook()
    sheet = _sheet(book)
    people = sorted(PEOPLE, key=lambda person: person.name)
    _put(sheet, people)
    for line in (3, 5, 9):
        sheet.row_dimensions[line].hidden = True
    for letter in "BCFGHIJKLMN":
        sheet.column_dimensions[letter].hidden = True
    _save(book, one.file)
    one.all(people, 2)

    one = case("03-columns-moved.xlsx", "列换了位置，删了几列，加了几列")
    book = openpyxl.Workbook()
    heads = [
        "序号",
        "小组",
        "姓名",
        "核实结果",
        "说明",
        "组长意见",
        "核实日期",
        "预计结束日期",
        "填报人",
        "联系电话",
        "行码",
        "建议结果",
    ]
    _put(_sheet(book), PEOPLE, heads)
    _save(book, one.file)
    one.all(PEOPLE, 2)

    one = case("04-columns-renamed.xlsx", "列标题改过：加必填号、括号、换行、近义词")
    book = openpyxl.Workbook()
    names = {
        "行码": "行 码\n（请勿改动）", "核实结果": "*核实情况（下拉选择）", "核实日期": "核实时间", "预计结束日期": "预计结束日期(服役、服刑必填)", "说明": "备 注",
        "填报人": "网格员姓名：", "证件号码": "身份证号",
    }  # fmt: skip
    _put(_sheet(book), PEOPLE, names=names)
    _save(book, one.file)
    one.all(PEOPLE, 2)

    one = case(
        "05-titles-totals-notes.xlsx", "上面有标题和文号，中间有小计，下面有合计、注和签字栏", notes=["2个合计行"]
    )
    book = openpyxl.Workbook()
    sheet = _sheet(book)
    for _ in range(3):
        sheet.append([])
    sheet.append([None, None, "甲镇2027年度城乡居民医保未参保人员核实情况表"])
    sheet.append(["填报单位（盖章）：甲镇", None, None, None, "填报时间：2026年12月1日", None, "单位：人"])
    _put(sheet, PEOPLE[:5])
    sheet.append(["小计", None, 5])
    for person in PEOPLE[5:]:
        sheet.append([cells(person)[head] or None for head in HEADS])
    sheet.append(["合  计：", None, 10])
    sheet.append([])
    sheet.append(["注：1.本表由村（社区）填写；2.核实结果请从下拉列表选择。"])
    sheet.append(
        [
            "单位负责人：",
            None,
            None,
            "审核人：",
            None,
            None,
            "填报人：",
            None,
            None,
            "填报日期：　年　月　日",
            None,
            None,
            None,
            None,
            None,
            None,
            "核实人：",
        ]
    )
    _save(book, one.file)
    one.all(PEOPLE[:5], 7)
    one.all(PEOPLE[5:], 13)

    one = case("06-two-line-head.xlsx", "表头分两行，上行合并")
    book = openpyxl.Workbook()
    sheet = _sheet(book)
    sheet.append(["未参保人员核实表"])
    sheet.append(["行码", "基本情况", None, None, "核实", None, None, None, "填报人"])
    sheet.append([None, "姓名", "证件号码", "未参保原因", "核实结果", "核实日期", "预计结束日期", "说明", None])
    for area in ("A2:A3", "B2:D2", "E2:H2", "I2:I3"):
        sheet.merge_cells(area)
    heads = ["行码", "姓名", "证件号码", "未参保原因", "核实结果", "核实日期", "预计结束日期", "说明", "填报人"]
    for person in PEOPLE:
        sheet.append([cells(person)[head] or None for head in heads])
    _save(book, one.file)
    one.all(PEOPLE, 4)

    one = case(
        "07-pasted-together.xlsx",
        "两个村的表上下粘在一起，各带表头，列的次序不同",
        sheets=["汇总"],
        notes=["1个重复的表头"],
    )
    book = openpyxl.Workbook()
    sheet = _sheet(book, "汇总")
    sheet.append(["甲镇汇总"])
    _put(sheet, PEOPLE)
    sheet.append([])
    sheet.append(["乙村"])
    _put(sheet, OTHERS, ["姓名", "核实结果", "核实日期", "预计结束日期", "说明", "填报人", "行码"])
    _save(book, one.file)
    one.all(PEOPLE, 3)
    one.all(OTHERS, 16)

    one = case(
        "08-sheet-per-village.xlsx",
        "一个村一张工作表，另有封面和统计表",
        sheets=["甲村", "乙 村".replace(" ", "")],
        notes=["封面", "统计"],
    )
    book = openpyxl.Workbook()
    _sheet(book, "封面").append(["甲镇未参保人员核实材料"])
    _put(_sheet(book, "甲村", first=False), PEOPLE)
    _put(_sheet(book, "乙 村", first=False), OTHERS)
    sheet = _sheet(book, "统计", first=False)
    for line in (["村", "应核实", "已核实"], ["甲村", 10, 8], ["乙村", 10, 8]):
        sheet.append(line)
    _save(book, one.file)
    one.all(PEOPLE, 2, "甲村")
    one.all(OTHERS, 2, "乙村")

    one = case("09-hidden-sheet.xlsx", "旧名单留在隐藏的工作表里", sheet_problems=["hidden_sheet"])
    book = openpyxl.Workbook()
    _put(_sheet(book), PEOPLE)
    sheet = _sheet(book, "上一轮", first=False)
    _put(sheet, OTHERS)
    sheet.sheet_state = "hidden"
    _save(book, one.file)
    one.all(PEOPLE, 2)

    one = case("10-merged-answers.xlsx", "同一户的核实结果、日期、填报人合并了单元格")
    book = openpyxl.Workbook()
    sheet = _sheet(book)
    _put(sheet, PEOPLE)
    sheet["Q2"], sheet["R2"] = "F3", date(2026, 11, 30)
    for letter in "QRU":
        sheet.merge_cells(f"{letter}2:{letter}4")
    sheet.merge_cells("U6:U11")
    _save(book, one.file)
    for line, person in enumerate(PEOPLE, start=2):
        if line <= 4:
            ends = person.ends if line == 3 else None
            one.row(replace(person, reason_code="F3", found=_d(11, 30), ends=ends), line, "merged")
        else:
            one.row(person, line)

    one = case("11-loose-dates.xlsx", "日期写法各不相同")
    _dates(one)
    one = case("12-loose-reasons.xlsx", "核实结果写代码、文字、全角、小写，或加了话")
    _reasons(one)
    one = case("13-unknown-reasons.xlsx", "核实结果写了不认识的内容")
    _odd_reasons(one)
    one = case("14-damaged-codes.xlsx", "行码有空格、横线、小写、全角、撇号、零宽字符，或少了一位")
    _codes(one)

    one = case("15-no-code-heading.xlsx", "行码那一列的标题被改没了", notes=["按内容认出"])
    book = openpyxl.Workbook()
    _put(_sheet(book), PEOPLE, names={"行码": "系统编号"})
    _save(book, one.file)
    one.all(PEOPLE, 2)

    one = case("16-none-visited.xlsx", "一个也还没有核实；日期和填报人先填上了")
    book = openpyxl.Workbook()
    sheet = _sheet(book)
    blank = [replace(person, reason="", reason_code="", found=_d(12, 1), ends=None, note="") for person in PEOPLE]
    _put(sheet, blank)
    _save(book, one.file)
    one.all(blank, 2)

    one = case("17-answers-twice.xlsx", "核实结果有两列：一列空着的不碍事，两列都填而不同的不采用")
    book = openpyxl.Workbook()
    sheet = _sheet(book)
    heads = ["行码", "姓名", "核实结果", "核实日期", "预计结束日期", "说明"]
    sheet.append([*heads[:2], "核实结果", *heads[2:]])
    for line, person in enumerate(PEOPLE, start=2):
        row = [cells(person)[head] or None for head in heads]
        sheet.append([*row[:2], "D1" if line == 3 else None, *row[2:]])
        one.row(replace(person, reason_code="") if line == 3 else person, line, "two_values" if line == 3 else "")
    _save(book, one.file)

    one = case("18-refused-rows-again.xlsx", "退回的行更正后再次上传，带审核意见、原表位置两列", sheets=["退回更正"])
    book = openpyxl.Workbook()
    sheet = _sheet(book, "退回更正")
    sheet.append(["退回更正的核实行"])
    _put(sheet, PEOPLE[7:], ["审核意见", "原表位置", *HEADS])
    _save(book, one.file)
    one.all(PEOPLE[7:], 3)

    one = case(
        "19-no-answer-column.xlsx", "核实结果一列被删；建议结果、未参保原因不当作答复", sheet_problems=["no_answer"]
    )
    book = openpyxl.Workbook()
    heads = [head for head in HEADS if head not in {"核实结果", "核实日期", "预计结束日期", "说明", "填报人"}]
    _put(_sheet(book), PEOPLE, heads)
    _save(book, one.file)
    one.all([replace(person, reason_code="", found=None, ends=None, note="") for person in PEOPLE], 2)

    one = case("20-batch-in-title.xlsx", "没有批次列，批次写在标题里；表头前有四十行说明")
    book = openpyxl.Workbook()
    sheet = _sheet(book)
    sheet.append(["未参保人员核实名单", None, "批次：P000008（甲村）"])
    for number in range(40):
        sheet.append([f"填表说明{number + 1}：请逐户核实。"])
    _put(sheet, PEOPLE, [head for head in HEADS if head != "批次"])
    _save(book, one.file)
    one.all(PEOPLE, 43)

    one = case("21-lost-codes.xlsx", "有答复的行没有行码也没有证件号码，不能悄悄丢掉；空行、备注行不算")
    book = openpyxl.Workbook()
    sheet = _sheet(book)
    _put(sheet, PEOPLE)
    sheet["A2"] = None
    sheet["A4"] = "新增"
    sheet["A5"] = None
    sheet.append(
        [
            None,
            None,
            None,
            "丁某",
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            "新搬来，没参保",
        ]
    )
    _save(book, one.file)
    for line, person in enumerate(PEOPLE, start=2):
        if line in {2, 4}:
            one.row(replace(person, code=""), line, "no_key")
        elif line != 5:
            one.row(person, line)
    lost = replace(PEOPLE[0], code="", reason_code="", found=None, note="")
    one.row(lost, 12, "no_key;reason_unknown")

    one = case("22-full-numbers.xlsx", "没有行码，有完整证件号码；两个号码已被改成数字")
    book = openpyxl.Workbook()
    sheet = _sheet(book)
    sheet.append(["下发批次", "公民身份号码", "姓名", "填报区划", "未参保原因", "核实日期", "备注"])
    numbers = [
        "500101199902300011",
        "50010119990230002x",
        500101199902300040,
        5.00101e17,
        "500101199902300063",
        "５００１０１１９９９０２３０００７４",
    ]
    for line, (number, person) in enumerate(
        zip(numbers, [PEOPLE[place] for place in (0, 2, 4, 5, 7, 8)], strict=True), start=2
    ):
        sheet.append(
            ["P000008", number, person.name, "500101001001", person.reason_code, person.found, person.note or None]
        )
        damaged = isinstance(number, int | float)
        expected = replace(person, code="", ends=None)
        text = (
            ""
            if damaged
            else {"50010119990230002x": "50010119990230002X"}.get(str(number), str(number)).translate(
                {ord("０") + k: str(k) for k in range(10)}
            )
        )
        one.row(expected, line, "certno_damaged;no_key" if damaged else "", certno=text)
    sheet["B4"].number_format = sheet["B5"].number_format = "0"
    _save(book, one.file)

    one = case("23-formulas.xlsx", "单元格是公式：有结果的取结果，错误值按空白，没有结果的说明")
    _formulas(one)

    one = case("24-picture-and-link.xlsx", "嵌了照片，并引用了别的工作簿", notes=["链接", "嵌有图片"])
    book = openpyxl.Workbook()
    _put(_sheet(book), PEOPLE)
    path = _save(book, one.file)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/media/image1.png", b"\x89PNG\r\n")
        archive.writestr("xl/externalLinks/externalLink1.xml", "<externalLink/>")
    one.all(PEOPLE, 2)

    one = case("25-invisible-signs.xlsx", "标题和内容里有全角空格、不换行空格、零宽字符、换行")
    book = openpyxl.Workbook()
    sheet = _sheet(book)
    names = {"行码": "\u200b行\u3000码\n", "核实结果": "核实\r\n结果\u00a0", "核实日期": "核 实 日 期"}
    _put(sheet, PEOPLE, names=names)
    for line in range(2, 12):
        for letter in "AQ":
            if sheet[f"{letter}{line}"].value:
                sheet[f"{letter}{line}"] = f"\u3000{sheet[f'{letter}{line}'].value}\u00a0\u200b\n"
                sheet[f"{letter}{line}"].alignment = Alignment(wrap_text=True)
    _save(book, one.file)
    one.all(PEOPLE, 2)


def _dates(one: Case) -> None:
    written: list[tuple[Any, date | None, Any, date | None, str]] = [
        ("2026.11.5", _d(11, 5), "2028.8", _d(8, 31, 2028), ""),
        ("11月25日", _d(11, 25), "3月1日", _d(3, 1, 2027), ""),
        ("12月5日", _d(12, 5, 2025), "12月31日", _d(12, 31, 2025), ""),
        (46351, _d(11, 25), 47118, _d(12, 31, 2028), ""),
        ("20261125", _d(11, 25), 20281231, _d(12, 31, 2028), ""),
        ("2026年11月25日 星期三", _d(11, 25), "2028年12月", _d(12, 31, 2028), ""),
        ("２０２６／１１／２５", _d(11, 25), "28.12.31", _d(12, 31, 2028), ""),
        ("2026-11-25 09:30:00", _d(11, 25), "长期", None, "end_unreadable"),
        (11.1, None, None, None, "date_ambiguous"),
        ("2026-13-45", None, "2026-2-30", None, "end_unreadable;found_unreadable"),
    ]
    book = openpyxl.Workbook()
    sheet = _sheet(book)
    sheet.append(["行码", "姓名", "核实结果", "核实日期", "预计结束日期"])
    for line, (person, (found, found_on, ends, ends_on, problem)) in enumerate(
        zip(PEOPLE, written, strict=True), start=2
    ):
        sheet.append([person.code, person.name, "M1", found, ends])
        one.row(replace(person, reason_code="M1", found=found_on, ends=ends_on, note=""), line, problem)
    _save(book, one.file)


def _reasons(one: Case) -> None:
    written = [
        ("D1", "D1"), ("ｄ１　死亡", "D1"), ("死亡", "D1"), ("D1-死亡", "D1"), ("死亡（今年八月病故）", "D1"), ("I1、省外参保，在浙江", "I1"),
        (" 人户分离 ", "F3"), ("数据错误(身份证/姓名)", "E1"), ("X 其他：外出读书", "X"), ("-", ""),
    ]  # fmt: skip
    _answers(one, [(text, code, "") for text, code in written])


def _odd_reasons(one: Case) -> None:
    _answers(
        one,
        [
            ("已参保", "", "reason_insured"), ("M1/P1", "", "reason_two"), ("死亡、户口注销", "", "reason_two"), ("D1 服刑", "", "reason_conflict"),
            ("同上", "", "ditto"), ("没有死亡", "", "reason_unknown"), ("Q7", "", "reason_unknown"), ("D1 没有死亡", "", "reason_unknown"), ("D11", "", "reason_unknown"),
            ("无", "", ""),
        ],
    )  # fmt: skip


def _answers(one: Case, written: Sequence[tuple[str, str, str]]) -> None:
    book = openpyxl.Workbook()
    sheet = _sheet(book)
    sheet.append(["行码", "姓名", "核实结果", "核实日期"])
    for line, (person, (text, code, problem)) in enumerate(zip(PEOPLE, written, strict=True), start=2):
        sheet.append([person.code, person.name, text, date(2026, 11, 25)])
        one.row(replace(person, reason_code=code, found=_d(11, 25), ends=None, note=""), line, problem)
    _save(book, one.file)


def _codes(one: Case) -> None:
    codes = [person.code for person in PEOPLE]
    wide = codes[3].translate({k: k + 0xFEE0 for k in range(0x21, 0x7F)})
    written = [f"{codes[0][:5]} {codes[0][5:]}", f"{codes[1][:4]}-{codes[1][4:]}", codes[2].lower(), wide, f"'{codes[4]}", f"\u200b{codes[5]}\ufeff", f'="{codes[6]}"', codes[7][:-1], f"{codes[8]}9", codes[9]]  # fmt: skip
    read = [
        codes[0],
        written[1],
        codes[2],
        codes[3],
        codes[4],
        codes[5],
        codes[6],
        codes[7][:-1],
        f"{codes[8]}9",
        codes[9],
    ]
    book = openpyxl.Workbook()
    sheet = _sheet(book)
    sheet.append(["行码", "姓名", "核实结果", "核实日期", "预计结束日期", "说明"])
    for line, (person, text, kept) in enumerate(zip(PEOPLE, written, read, strict=True), start=2):
        sheet.append([text, person.name, person.reason, person.found, person.ends, person.note])
        sheet.cell(line, 1).data_type = "s"
        one.row(replace(person, code=kept), line)
    _save(book, one.file)


# --- workbooks by hand, as other programs write them -------------------------------------------------------------------

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/spreadsheetml/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
STRICT_OFFICE = "http://purl.oclc.org/ooxml/officeDocument/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
SHORT = ["行码", "姓名", "核实结果", "核实日期", "预计结束日期", "说明"]


def serial(day: date, base: date = date(1899, 12, 30)) -> int:
    return (day - base).days


def pack(path: Path, parts: dict[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> None:
    """A zip file with these parts and no time in it."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, text in parts.items():
            archive.writestr(zipfile.ZipInfo(name), text, compress_type=method)


def book_parts(sheet: str, *, target: str = "worksheets/sheet1.xml", strings: str = "", styles: str = "", name: str = SHEET, prefix: str = "", main: str = MAIN, office: str = OFFICE, first: str = "xl/workbook.xml", properties: str = "") -> dict[str, str | bytes]:  # fmt: skip
    """The parts of a workbook with one sheet."""
    mark = f"{prefix}:" if prefix else ""
    spaces = f'xmlns{":" + prefix if prefix else ""}="{main}" xmlns:r="{office}"'
    relations = f'<Relationship Id="rId1" Type="{office}/worksheet" Target="{target}"/>'
    relations += (
        f'<Relationship Id="rId2" Type="{office}/sharedStrings" Target="sharedStrings.xml"/>' if strings else ""
    )
    relations += f'<Relationship Id="rId3" Type="{office}/styles" Target="styles.xml"/>' if styles else ""
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": DECLARATION + '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="xml" ContentType="application/xml"/><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/></Types>',
        "_rels/.rels": DECLARATION + f'<Relationships xmlns="{PACKAGE}"><Relationship Id="rId1" Type="{office}/officeDocument" Target="{first}"/></Relationships>',
        "xl/workbook.xml": DECLARATION + f'<{mark}workbook {spaces}>{properties}<{mark}sheets><{mark}sheet name={quoteattr(name)} sheetId="1" r:id="rId1"/></{mark}sheets></{mark}workbook>',
        "xl/_rels/workbook.xml.rels": DECLARATION + f'<Relationships xmlns="{PACKAGE}">{relations}</Relationships>',
        "xl/worksheets/sheet1.xml": DECLARATION + f"<{mark}worksheet {spaces}>{sheet}</{mark}worksheet>",
    }  # fmt: skip
    if strings:
        parts["xl/sharedStrings.xml"] = DECLARATION + f"<{mark}sst {spaces}>{strings}</{mark}sst>"
    if styles:
        parts["xl/styles.xml"] = DECLARATION + f"<{mark}styleSheet {spaces}>{styles}</{mark}styleSheet>"
    return parts


def _table(people: Sequence[Person] = PEOPLE, heads: Sequence[str] = SHORT) -> list[list[Any]]:
    return [list(heads), *([cells(one)[head] for head in heads] for one in people)]


STYLES = '<numFmts count="1"><numFmt numFmtId="176" formatCode="yyyy&quot;年&quot;m&quot;月&quot;d&quot;日&quot;;@"/></numFmts><cellStyleXfs count="1"><xf numFmtId="14"/></cellStyleXfs><cellXfs count="3"><xf numFmtId="0"/><xf numFmtId="176"/><xf numFmtId="58"/></cellXfs>'


def _letters(column: int) -> str:
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[column]


def inline(
    table: Sequence[Sequence[Any]],
    prefix: str = "",
    *,
    places: bool = True,
    iso: bool = False,
    base: date = date(1899, 12, 30),
) -> str:
    """Rows with their strings in the cells."""
    mark = f"{prefix}:" if prefix else ""
    rows = []
    for number, row in enumerate(table, start=1):
        made = []
        for column, value in enumerate(row):
            place = f' r="{_letters(column)}{number}"' if places else ""
            if value in (None, ""):
                made.append(f"<{mark}c{place}/>")
            elif isinstance(value, date) and iso:
                made.append(f'<{mark}c{place} s="1" t="d"><{mark}v>{value}T00:00:00Z</{mark}v></{mark}c>')
            elif isinstance(value, date):
                made.append(f'<{mark}c{place} s="1"><{mark}v>{serial(value, base)}</{mark}v></{mark}c>')
            elif isinstance(value, int):
                made.append(f"<{mark}c{place}><{mark}v>{value}</{mark}v></{mark}c>")
            else:
                made.append(
                    f'<{mark}c{place} t="inlineStr"><{mark}is><{mark}t xml:space="preserve">{escape(str(value))}</{mark}t></{mark}is></{mark}c>'
                )
        where = f' r="{number}" spans="1:{len(row)}" customFormat="1" ht="20.25"' if places else ""
        rows.append(f"<{mark}row{where}>{''.join(made)}</{mark}row>")
    return f"<{mark}sheetData>{''.join(rows)}</{mark}sheetData>"


def handmade() -> None:
    one = case("30-wps-prefixed.xlsx", "WPS另存：带前缀的命名空间、单元格内字符串、没有范围、绝对路径、customXml")
    parts = book_parts(
        inline(_table(), "x"),
        target="/xl/worksheets/sheet1.xml",
        styles=STYLES.replace("<", "<x:").replace("<x:/", "</x:"),
        prefix="x",
        first="/xl/workbook.xml",
    )
    parts["customXml/item1.xml"] = (
        '<s:customData xmlns="http://www.wps.cn/officeDocument/2013/wpsCustomData" xmlns:s="http://www.wps.cn/officeDocument/2013/wpsCustomData"><extobjs/></s:customData>'
    )
    parts["customXml/_rels/item1.xml.rels"] = f'<Relationships xmlns="{PACKAGE}"/>'
    parts["docProps/custom.xml"] = (
        '<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/custom-properties"><property fmtid="{D5CDD505-2E9C-101B-9397-08002B2CF9AE}" pid="2" name="KSOProductBuildVer"><lpwstr>2052-12.1.0.17857</lpwstr></property></Properties>'
    )
    pack(FOLDER / one.file, parts)
    one.all(PEOPLE, 1 + 1)

    one = case("31-strict.xlsx", "严格的Open XML（另存为“严格”格式），日期是ISO文字")
    pack(FOLDER / one.file, book_parts(inline(_table(), iso=True), styles=STYLES, main=STRICT, office=STRICT_OFFICE))
    one.all(PEOPLE, 2)

    one = case("32-no-places.xlsx", "行和单元格都没有写位置，也没有样式以外的任何东西")
    pack(FOLDER / one.file, book_parts(inline(_table(), places=False), styles=STYLES))
    one.all(PEOPLE, 2)

    one = case("33-rich-and-phonetic.xlsx", "共享字符串：分段的富文本、拼音注音、转义的回车；范围写得比实际大")
    texts = list(
        dict.fromkeys(str(value) for row in _table() for value in row if value and not isinstance(value, date))
    )
    strings = "".join(_rich(text) for text in texts)
    data = inline([[None if isinstance(value, str) else value for value in row] for row in _table()])
    for number, row in enumerate(_table(), start=1):
        for column, value in enumerate(row):
            if isinstance(value, str) and value:
                place = f'r="{_letters(column)}{number}"'
                data = data.replace(f"<c {place}/>", f'<c {place} t="s"><v>{texts.index(value)}</v></c>')
    pack(FOLDER / one.file, book_parts('<dimension ref="A1:XFD1048576"/>' + data, strings=strings, styles=STYLES))
    one.all(PEOPLE, 2)

    one = case("34-date-1904.xlsx", "苹果电脑的1904日期系统")
    pack(
        FOLDER / one.file,
        book_parts(inline(_table(), base=date(1904, 1, 1)), styles=STYLES, properties='<workbookPr date1904="1"/>'),
    )
    one.all(PEOPLE, 2)

    one = case("35-backslashes.xlsx", "老的.NET组件导出：压缩包内路径用反斜杠，部件名大小写不一")
    parts = book_parts(inline(_table()), styles=STYLES, target="Worksheets/Sheet1.xml")
    parts = {name.replace("/", "\\"): text for name, text in parts.items()}
    path = FOLDER / one.file
    pack(path, parts)
    one.all(PEOPLE, 2)

    one = case("36-styled-to-the-edge.xlsx", "整行整列设过格式：每行一直到最后一列都有空单元格，下面还有几百个空行")
    data = inline(_table()).replace(
        "</row>", "".join(f'<c r="{letters}1" s="1"/>' for letters in ("AA", "ZZ", "XFC", "XFD")) + "</row>"
    )
    data = data.replace(
        "</sheetData>",
        "".join(f'<row r="{number}" s="1"><c r="A{number}" s="1"/></row>' for number in range(12, 400))
        + "</sheetData>",
    )
    pack(FOLDER / one.file, book_parts(data, styles=STYLES))
    one.all(PEOPLE, 2)


def _rich(text: str) -> str:
    half = len(text) // 2
    ruby = '<rPh sb="0" eb="1"><t>pinyin</t></rPh>'
    tail = "_x000D_\n" if text.endswith("毕业") else ""
    return f"<si><r><t>{escape(text[:half])}</t></r><r><rPr><b/></rPr><t>{escape(text[half:])}{tail}</t></r>{ruby}</si>"


def _formulas(one: Case) -> None:
    table = _table()
    data = inline(table)
    found = serial(PEOPLE[0].found or DAY)
    data = data.replace(f'<c r="D2" s="1"><v>{found}</v></c>', f'<c r="D2" s="1"><f>TODAY()-7</f><v>{found}</v></c>')
    data = data.replace('<c r="C5"/>', '<c r="C5" t="e"><f>VLOOKUP(A5,[1]Sheet1!A:B,2,0)</f><v>#N/A</v></c>')
    data = data.replace('<c r="C8"/>', '<c r="C8"><f>IF(B8="","",\'D1\')</f></c>')
    data = data.replace('<c r="F2"/>', '<c r="F2" t="str"><f>"查到"&amp;B2</f><v>查到本人</v></c>')
    pack(FOLDER / one.file, book_parts(data, styles=STYLES))
    for line, person in enumerate(PEOPLE, start=2):
        changed = replace(person, note="查到本人") if line == 2 else person
        one.row(changed, line, {5: "formula_error", 8: "formula_empty"}.get(line, ""))


# --- text files ---------------------------------------------------------------------------------------------------------


def _text(value: Any) -> str:
    return f"{value.year}/{value.month}/{value.day}" if isinstance(value, date) else str(value or "")


def _csv(table: Sequence[Sequence[Any]], separator: str = ",") -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator="\r\n").writerows(
        [_text(value) for value in row] for row in table
    )
    return text.getvalue()


def texts() -> None:
    one = case("40-excel.csv", "中文Excel另存的CSV（GB18030、逗号）", sheets=[""], notes=["GB18030"])
    (FOLDER / one.file).write_bytes(_csv(_table(heads=HEADS)).encode("gb18030"))
    one.all(PEOPLE, 2)

    one = case("41-utf8-bom.csv", "带标记的UTF-8，上面有标题行，下面有合计行", sheets=[""], notes=["1个合计行"])
    text = "未参保人员核实名单,,,,,\r\n" + _csv(_table()) + "合计,10,,,,\r\n"
    (FOLDER / one.file).write_bytes(text.encode("utf-8-sig"))
    one.all(PEOPLE, 3)

    one = case("42-unicode.txt", "Excel的“Unicode 文本”（UTF-16、制表符）", sheets=[""], notes=["Unicode"])
    (FOLDER / one.file).write_bytes(_csv(_table(), "\t").encode("utf-16"))
    one.all(PEOPLE, 2)

    one = case("43-semicolons.csv", "分号分隔，首行 sep=;", sheets=[""])
    (FOLDER / one.file).write_bytes(("sep=;\r\n" + _csv(_table(), ";")).encode())
    one.all(PEOPLE, 3)

    one = case("44-line-breaks.csv", "引号里有换行、逗号和引号；行号按实际行算", sheets=[""])
    people = [replace(PEOPLE[0], note='家属说"八月"\n走的，未销户'), *PEOPLE[1:]]
    text = _csv([SHORT, *([cells(person)[head] for head in SHORT] for person in people)])
    (FOLDER / one.file).write_bytes(text.encode())
    one.row(people[0], 2)
    one.all(people[1:], 4)

    one = case("45-rare-characters.csv", "姓名有GBK以外的生僻字", sheets=[""], notes=["GB18030"])
    people = [replace(person, name=f"甲䶮㛃𠅤{person.serial}") for person in PEOPLE]
    (FOLDER / one.file).write_bytes(
        _csv([SHORT, *([cells(person)[head] for head in SHORT] for person in people)]).encode("gb18030")
    )
    one.all(people, 2)

    one = case("46-contract.csv", "按接口字段名报的CSV，没有中文表头", sheets=[""])
    heads = [
        "batch_id",
        "certno",
        "row_code",
        "division_code",
        "reason_code",
        "found_date",
        "end_date",
        "note",
        "reporter",
    ]
    rows = [
        [person.batch, "", person.code, "500101001001", person.reason_code, person.found, person.ends, person.note, ""]
        for person in PEOPLE
    ]
    (FOLDER / one.file).write_bytes(_csv([heads, *rows]).replace("\r\n", "\n").encode())
    one.all(PEOPLE, 2)

    one = case("47-named-xls.xls", "CSV文件，名字却是 .xls", sheets=[""], notes=["后缀", "GB18030"])
    (FOLDER / one.file).write_bytes(_csv(_table()).encode("gb18030"))
    one.all(PEOPLE, 2)

    one = case("48-protected-cells.csv", '防止变形的写法：前撇号、="…"、制表符', sheets=[""])
    table = _table()
    for place, row in enumerate(table[1:]):
        row[0] = [f'="{row[0]}"', f"'{row[0]}", f"\t{row[0]}"][place % 3]
    (FOLDER / one.file).write_bytes(_csv(table).encode("utf-8-sig"))
    one.all(PEOPLE, 2)

    one = case("49-old-mac.txt", "只有回车没有换行，制表符分隔，日期是1月5日一类", sheets=[""])
    table = _table()
    for row in table[1:]:
        row[3] = f"{row[3].month}月{row[3].day}日" if row[3] else ""
    text = "\t".join(SHORT) + "\r" + "".join("\t".join(map(_text, row)) + "\r" for row in table[1:])
    (FOLDER / one.file).write_bytes(text.encode("gb18030"))
    one.notes = ["GB18030"]
    one.all(PEOPLE, 2)


# --- by LibreOffice -------------------------------------------------------------------------------------------------------


def convert(path: Path, kind: str, target: Path, profile: Path | None = None) -> None:
    """Opens a file in LibreOffice and saves it as another kind; with a profile of its own it starts slowly."""
    with tempfile.TemporaryDirectory() as aside:
        own = f"-env:UserInstallation=file://{profile or Path(aside) / 'profile'}"
        command = ["soffice", own, "--headless", "--convert-to", kind, "--outdir", aside, str(path)]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        shutil.copy(Path(aside) / f"{path.stem}.{kind.partition(':')[0]}", target)


def converted() -> None:
    sources = [
        ("50-old.xls", "01-as-sent.xlsx", "xls", "WPS或Excel另存为 .xls"),
        ("51-wps.et", "03-columns-moved.xlsx", "xls", "WPS自己的 .et"),
        ("52-open.ods", "01-as-sent.xlsx", "ods", "银河麒麟上另存为 .ods"),
        ("53-libre.xlsx", "01-as-sent.xlsx", "xlsx:Calc MS Excel 2007 XML", "LibreOffice另存为 .xlsx"),
        ("54-numbers.xls", "22-full-numbers.xlsx", "xls", ".xls里的证件号码已被改成数字"),
        ("55-dates.xls", "11-loose-dates.xlsx", "xls", ".xls里各种日期写法"),
        ("56-xlsx-named.xls", "01-as-sent.xlsx", "", "xlsx文件，名字却是 .xls"),
    ]
    for file, source, kind, what in sources:
        before = next(one for one in CASES if one.file == source)
        notes = ["后缀"] if not kind else []
        one = case(file, what, sheets=before.sheets, notes=notes)
        if kind:
            convert(FOLDER / source, kind, FOLDER / file)
        else:
            shutil.copy(FOLDER / source, FOLDER / file)
        one.rows = [row | {"file": file} for row in before.rows]


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    for make in (workbooks, handmade, texts, converted):
        make()
    with (FOLDER / "files.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(FILES)
        writer.writerows(
            [one.file, one.what, "|".join(one.sheets), "|".join(one.sheet_problems), "|".join(one.notes)]
            for one in CASES
        )
    with (FOLDER / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ROWS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for one in CASES for row in one.rows)


if __name__ == "__main__":
    main()
