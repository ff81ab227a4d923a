"""The house style pieces that other workbooks use too."""

import datetime as dt
from decimal import Decimal

import openpyxl
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canbao.reports import office
from canbao.reports.lint import lint_workbook

DAY = dt.date(2026, 1, 15)


def write(path, frame, *, slow=False):
    book = office.Book(path, created=DAY, title="名单")
    sheet = book.sheet("名单")
    sheet.columns([12] * frame.width)
    sheet.title_block("名单", subtitle="（测试）", meta=[("左", "中", "右")], stamps=["可用"])
    sheet.heading([(c,) for c in frame.columns])
    if slow:
        sheet.ws.fh, hidden = None, sheet.ws.fh
        del sheet.ws.fh
        one_by_one = sheet._rows_one_by_one

        def put_back(*args):
            sheet.ws.fh = hidden
            one_by_one(*args)

        sheet._rows_one_by_one = put_back
    sheet.rows(frame, [office.Cells(c, style={"num_format": "0.00"}, empty="—") for c in frame.columns])
    sheet.closing_line(frame.height)
    sheet.signature()
    sheet.text_columns([0])
    sheet.print_setup(repeat=(4, 4), footer_left="2026年&左", footer_right="右")
    return book.close()


def values(path, frame):
    sheet = openpyxl.load_workbook(path).active
    return [[sheet.cell(6 + r, 1 + c) for c in range(frame.width)] for r in range(frame.height)]


def frame():
    return pl.DataFrame(
        {
            "certno": ["000000000000000000", "=1+1", None, " 前后 ", "<r>a</r>", "a\x00b\x1fc&<>\"'", "＠x", "换\n行"],
            "amount": [Decimal("-400.00"), Decimal("0.10"), None, *[Decimal("1.00")] * 5],
            "count": [-400, 0, None, 1, 34_140_000, 5, 6, 7],
            "rate": [99.5, float("nan"), None, 100.0, 0.01, -1.25, 1e6, 3.0],
        }
    )


def test_text_stays_text_and_numbers_stay_numbers(tmp_path):
    path = write(tmp_path / "a.xlsx", frame())
    assert lint_workbook(path) == []
    rows = values(path, frame())
    assert [r[0].value for r in rows] == [
        "000000000000000000", "=1+1", "—", " 前后 ", "<r>a</r> ", "abc&<>\"'", "＠x", "换\n行",
    ]  # fmt: skip
    assert [bool(r[0].quotePrefix) for r in rows] == [False, True, False, False, False, False, True, False]
    assert [r[1].value for r in rows[:3]] == [-400, 0.1, "—"]
    assert [r[2].value for r in rows] == [-400, 0, "—", 1, 34_140_000, 5, 6, 7]
    assert [r[3].value for r in rows] == [99.5, "—", "—", 100, 0.01, -1.25, 1e6, 3]
    assert {r[0].data_type for r in rows} <= {"s", "inlineStr"}


def test_the_quick_way_writes_what_the_plain_way_writes(tmp_path):
    quick, plain = write(tmp_path / "a.xlsx", frame()), write(tmp_path / "b.xlsx", frame(), slow=True)
    seen = []
    for path in (quick, plain):
        sheet = openpyxl.load_workbook(path).active
        heights = [sheet.row_dimensions[n].height for n in range(1, sheet.max_row + 1)]
        looks = [
            (c.coordinate, c.value, c.data_type, c.number_format, bool(c.quotePrefix), c.font.name, c.border.left.style)
            for row in sheet.iter_rows()
            for c in row
        ]
        seen.append((heights, looks))
    assert seen[0] == seen[1]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), min_size=1, max_size=20))
def test_any_text_comes_back(tmp_path_factory, words):
    data = pl.DataFrame({"x": words})
    path = write(tmp_path_factory.mktemp("t") / "a.xlsx", data)
    assert lint_workbook(path) == []
    for word, (cell,) in zip(words, values(path, data), strict=True):
        assert (cell.value or "").replace("_x000D_", "\r") == office.clean_text(word).replace("_x000D_", "\r")
        assert cell.data_type in {"s", "inlineStr", "n"}
        assert cell.data_type != "n" or not cell.value


@pytest.mark.parametrize(
    "text", ["=1", "+1", "-1", "@a", "\t=1", "\r=1", "＝1", "＋1", "－1", "＠a", " =1", "　＝1", "\n=1"]
)
def test_what_could_start_a_formula(text):
    assert office.starts_formula(text)


@pytest.mark.parametrize("text", ["", "张三", "1-2", "a=b", "5001012026", "—", "_x"])
def test_what_could_not(text):
    assert not office.starts_formula(text)


def test_dates_must_be_words_first(tmp_path):
    with pytest.raises(TypeError, match="day"):
        write(tmp_path / "a.xlsx", pl.DataFrame({"day": [DAY]}))


def test_names_that_excel_accepts():
    assert office.sheet_name("a/b:c*?[d]\\e") == "a_b_c___d__e"
    assert office.sheet_name("'村'") == "村"
    assert len(office.sheet_name("长" * 40)) == 31
    assert office.sheet_name("a", ["A"]) == "a(2)"
    assert office.sheet_name("") == "Sheet"
    assert office.file_name('a/b"c|d. ') == "a_b_c_d"


def test_a_long_list_comes_in_numbered_parts():
    assert list(office.parts(0)) == [(1, 0, 0)]
    assert list(office.parts(5, 5)) == [(1, 0, 5)]
    assert list(office.parts(11, 5)) == [(1, 0, 5), (2, 5, 10), (3, 10, 11)]
    assert len(list(office.parts(1_048_001))) == 2


def test_headings_merge_by_group_and_reach_down(tmp_path):
    book = office.Book(tmp_path / "a.xlsx", created=DAY, title="t")
    sheet = book.sheet("a")
    sheet.columns([10] * 6)
    sheet.heading([("代码",), ("甲", "小计"), ("甲", "其中", "一"), ("甲", "其中", "二"), ("同",), ("同",)])
    book.close()
    assert lint_workbook(tmp_path / "a.xlsx") == []
    read = openpyxl.load_workbook(tmp_path / "a.xlsx").active
    assert sorted(map(str, read.merged_cells.ranges)) == ["A1:A3", "B1:D1", "B2:B3", "C2:D2", "E1:E3", "F1:F3"]
    assert read["F1"].value == "同"


def test_lint_finds_what_is_wrong(tmp_path):
    import xlsxwriter

    with xlsxwriter.Workbook(tmp_path / "a.xlsx") as book:
        sheet = book.add_worksheet("a")
        sheet.write_formula("A1", "=1+1")
        sheet.write_url("A2", "https://example.org")
        sheet.merge.extend([[3, 0, 4, 1], [4, 1, 5, 2], [9, 0, 9, 0]])
        sheet.write("B5", "x")
    faults = " ".join(lint_workbook(tmp_path / "a.xlsx"))
    for word in ("formula", "link out", "overlap", "one cell", "hides"):
        assert word in faults


@pytest.mark.parametrize("slow", [False, True])
def test_rows_may_each_have_their_height_and_lines_over_groups_their_style(tmp_path, slow):
    book = office.Book(tmp_path / "a.xlsx", created=DAY, title="名单", small=True, size=11)
    sheet = book.sheet("名单")
    sheet.columns([12, 12])
    rows = pl.DataFrame({"a": ["第一组", "=1", "甲"], "b": ["", "乙", None]})
    if slow:
        sheet._rows_at_once = sheet._rows_one_by_one
    sheet.merge(sheet.row, 0, 1)
    plain, line = [[office.Cells(name, role=role) for name in "ab"] for role in ("body", "total")]
    sheet.rows(rows, plain, height=[30, 21, 45], bands=([True, False, False], line))
    sheet.closing_line(3)
    assert lint_workbook(book.close()) == []
    made = openpyxl.load_workbook(tmp_path / "a.xlsx").active
    assert [made.row_dimensions[n].height for n in (1, 2, 3)] == [30, 21, 45]
    assert [made.cell(n, 1).font.b for n in (1, 2, 3)] == [True, False, False]
    assert [[cell.value for cell in row] for row in made["A1:B3"]] == [["第一组", None], ["=1", "乙"], ["甲", None]]
    assert made["A2"].data_type == "s" and made["A2"].quotePrefix and made["A3"].font.sz == 11
    assert {str(one) for one in made.merged_cells.ranges} == {"A1:B1", "A4:B4"}
