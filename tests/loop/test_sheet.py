"""The sheets of the loop: what they show to whom, that they open everywhere, that answers survive, that they are quick."""

import csv
import datetime as dt
import io
import re
import shutil
import stat
import subprocess
import time
import zipfile

import fastexcel
import openpyxl
import polars as pl
import pytest

from canbao.loop import sheet
from canbao.loop.codes import read_row_code, row_codes
from canbao.loop.sheet import Origin, Taken, choices, words, write_returned, write_sheet, write_visiting, write_zero
from canbao.loop.state import SENT, Batch
from canbao.portal.divisions import builtin_tree
from canbao.portal.masking import LEAST
from canbao.portal.words import code_table
from canbao.reports.lint import lint_workbook
from tests.portal.test_masking import birth_dates, possible_numbers

TREE = builtin_tree()
VILLAGE = TREE.children(TREE.children(TREE.children(None)[0].code)[3].code)[0]
VILLAGE = TREE.children(VILLAGE.code)[0]
TOWNSHIP = TREE.get(VILLAGE.parent)
FAR = TREE.children(TREE.children(TREE.children(TREE.children(None)[0].code)[7].code)[0].code)[0]
SENT_ON, DUE, AS_OF = dt.date(2026, 3, 2), dt.date(2026, 3, 16), dt.date(2026, 3, 1)
ORIGIN = Origin(AS_OF, 2026, "2026-03-01/run-1", TREE, ("数据可用性：▲ 慎用——“户籍地”缺失",))
TITLES = [one["title"] for one in words()["column"]]
SECRET = re.compile("服刑|残|救助|低保|特困|困难|患病|失踪|孤儿")
LONG = "情况较多，" * 60


def batch(level=4, kind="list", rows=0):
    division = VILLAGE if level == 4 else TOWNSHIP
    return Batch(123, 1, division.code, division.name, level, kind, rows, SENT_ON, DUE)


def person(serial, **more):
    born = more.pop("brdy", dt.date(1980, 5, 6))
    age = AS_OF.year - born.year - ((AS_OF.month, AS_OF.day) < (born.month, born.day))
    return {
        "round_no": 1, "batch_no": 123, "serial": serial, "person_id": f"{serial:032x}",
        "division_code": VILLAGE.code, "role": "residence", "sent": SENT_ON, "due": DUE,
        "certno": f"990101{born:%Y%m%d}{serial % 1000:03d}X", "psn_name": f"张{serial}", "gend": "1", "brdy": born,
        "age": age, "tel": f"139{serial:08d}", "household_no": f"81234{serial // 3:05d}", "resd_code": VILLAGE.code,
        "live_code": VILLAGE.code, "separated": False, "uninsured_reason": "never", "group_tags": [], "priority": 5,
        **more,
    }  # fmt: skip


def people(*given):
    """Rows as they are sent, with their codes."""
    numbers = range(1, len(given) + 1)
    codes = row_codes(b"key", [123] * len(given), numbers, [str(n) for n in numbers])
    rows = [{**person(n, **dict(one)), "row_code": code} for n, one, code in zip(numbers, given, codes, strict=True)]
    full = [{name: row.get(name) for name in SENT} for row in rows]
    return pl.DataFrame(full, schema=SENT)


def many(count):
    kinds = [
        {},
        {"separated": True, "live_code": FAR.code, "other_division": FAR.code, "role": "household"},
        {"group_tags": ["pupil", "disabled"], "brdy": dt.date(2015, 5, 5), "contact_name": "王桂芳"},
        {"feedback_reason": "F2", "feedback_date": AS_OF, "feedback_division": VILLAGE.code, "last_insured_year": 2024,
         "last_insutype": "390", "last_admdvs": VILLAGE.code[:6], "suggested_reason": "D1", "suggested_from": "death"},
    ]  # fmt: skip
    return people(*(kinds[n % len(kinds)] for n in range(count)))


def cells(path, title="行码"):
    """A sheet as (headings, rows as dicts, all lines), by openpyxl."""
    lines = [list(row) for row in openpyxl.load_workbook(path).worksheets[0].iter_rows(values_only=True)]
    at = next(n for n, line in enumerate(lines) if title in line)
    end = next(n for n, line in enumerate(lines) if str(line[0]).startswith("以下无数据"))
    return lines[at], [dict(zip(lines[at], line, strict=True)) for line in lines[at + 1 : end]], lines


def texts(path):
    """Everything that the first sheet says."""
    return [str(cell) for line in cells(path, "证件号码")[2] for cell in line if cell is not None]


@pytest.fixture(scope="module")
def books(tmp_path_factory):
    """One of each kind."""
    folder = tmp_path_factory.mktemp("books")
    rows = many(9)
    returned = rows.head(3).with_columns(
        opinion=pl.Series(["强制性：没有填核实日期。请补填。", "强制性：行码有误。", "核实性：" + LONG]),
        reason=pl.Series(["D1", "=1+1", "M1 服役(现役)"]), found_date=pl.Series([None, "2026.3.5", "3月5日"]),
        end_date=pl.lit(None, pl.String), note=pl.Series(["@all", None, "说明"]), reporter=pl.lit("李四"),
        sheet=pl.lit("核实名单"), line=pl.Series([9, 10, 11]), batch_id=pl.lit("P000123"),
    )  # fmt: skip
    more = {"tree": TREE, "day": DUE, "division_code": VILLAGE.code, "role": "village"}
    return {
        "sheet": write_sheet(rows, batch(), folder / "sheet.xlsx", origin=ORIGIN),
        "visit": write_visiting(rows, batch(), folder / "visit.xlsx", origin=ORIGIN),
        "zero": write_zero(batch(kind="zero"), folder / "zero.xlsx", origin=ORIGIN),
        "returned": write_returned(returned, folder / "returned.xlsx", receipt_no="H20260316-0001", **more),
    }


KINDS = ("sheet", "visit", "zero", "returned")


@pytest.mark.parametrize("kind", KINDS)
def test_excel_and_wps_find_nothing_to_mend(books, kind):
    assert lint_workbook(books[kind]) == []
    assert stat.S_IMODE(books[kind].stat().st_mode) == 0o600
    made = openpyxl.load_workbook(books[kind]).worksheets[0]
    assert int(made.page_setup.paperSize) == 9  # A4
    assert made.page_setup.orientation == ("portrait" if kind == "zero" else "landscape")
    assert made.sheet_properties.pageSetUpPr.fitToPage and made.page_setup.fitToWidth in (None, 1)
    assert "&P" in made.oddFooter.center.text
    if kind != "zero":
        top = next(n for n, row in enumerate(made.iter_rows(values_only=True), 1) if "证件号码" in row)
        first, last = (int(one) for one in re.findall(r"\d+", made.print_title_rows))
        assert first <= top <= last
    with zipfile.ZipFile(books[kind]) as archive:
        assert not [one for one in archive.namelist() if "vba" in one or "external" in one]
        for one in archive.namelist():
            assert b"<f>" not in archive.read(one)


@pytest.mark.parametrize("kind", ["sheet", "returned"])
def test_only_the_answers_can_be_written_and_the_rest_stays_free(books, kind):
    book = openpyxl.load_workbook(books[kind])
    made = book.worksheets[0]
    guard = made.protection
    assert guard.sheet and guard.password is None and guard.hashValue is None
    assert not (guard.autoFilter or guard.formatColumns or guard.formatRows)  # False: allowed
    titles, _, lines = cells(books[kind])
    top = lines.index(titles) + 1
    may = {title for title, cell in zip(titles, made[top + 1], strict=True) if not cell.protection.locked}
    answers = {"核实结果", "核实日期", "预计结束日期", "说明", "填报人"}
    assert may == answers | ({"行码", "姓名", "证件号码"} if kind == "returned" else set())
    assert made.auto_filter.ref.startswith(f"A{top}:")
    assert made.freeze_panes.endswith(str(top + 1))
    assert all(cell.protection.locked for cell in made[top])


def test_the_list_to_choose_from_is_a_named_range_of_a_hidden_sheet(books):
    book = openpyxl.load_workbook(books["sheet"])
    visible, hidden = book.worksheets
    assert (visible.sheet_state, hidden.sheet_state) == ("visible", "hidden")
    assert hidden.protection.sheet
    name = book.defined_names[sheet.CHOICES]
    ((where, box),) = name.destinations
    offered = [cell.value for (cell,) in book[where][box]]
    assert (
        offered
        == list(choices("village"))
        == [f"{code} {row['name']}" for code, row in code_table("reason_code").items()]
    )
    (rule,) = visible.data_validations.dataValidation
    titles, rows, lines = cells(books["sheet"])
    assert rule.formula1 in (sheet.CHOICES, f"={sheet.CHOICES}") and rule.type == "list" and rule.allow_blank
    letter = openpyxl.utils.get_column_letter(titles.index("核实结果") + 1)
    top = lines.index(titles) + 2
    assert str(rule.sqref) == f"{letter}{top}:{letter}{top + len(rows) - 1}"


def test_the_columns_are_those_that_were_promised_and_answers_are_blank(books):
    titles, rows, _ = cells(books["sheet"])
    assert titles == TITLES
    assert len(rows) == 9
    assert [read_row_code(row["行码"]).serial for row in rows] == [row["序号"] for row in rows] == list(range(1, 10))
    assert {row["批次"] for row in rows} == {"P000123"}
    assert all(row[one] is None for row in rows for one in ("核实结果", "核实日期", "预计结束日期", "说明", "填报人"))
    assert rows[1]["人户分离"] == "是，居住地同时核实" and rows[0]["人户分离"] == "否"
    assert rows[3]["上次核实"] == "2026-03-01 F2 无法联系" and rows[3]["建议结果"].startswith("D1 死亡（")
    assert rows[3]["上次参保"].startswith("2024年 居民医保 ")
    said = texts(books["sheet"])
    assert any("本表 9 行" in one for one in said) and "以下无数据，共9行" in said
    assert any(one.startswith("数据可用性：▲ 慎用") for one in said)


def test_masked_by_outcome(tmp_path):
    """Whoever reads a row knows the county, the sex and the age; a thousand numbers must fit all the same."""
    born = [dt.date(2026 - age, 2, 3) for age in (0, 1, 13, 17, 18, 101)]
    rows = people(*({"brdy": one, "gend": "12"[n % 2]} for n, one in enumerate(born)))
    shown = cells(write_sheet(rows, batch(), tmp_path / "a.xlsx", origin=ORIGIN))[1]
    paper = write_visiting(rows, batch(), tmp_path / "b.xlsx", origin=ORIGIN)
    for row, one in zip(shown, rows.iter_rows(named=True), strict=True):
        tail = row["证件号码"].lstrip("*")
        assert len(tail) <= 2 and "*" in row["证件号码"]
        assert one["age"] >= 18 or not tail  # what else is known bounds a child's birth date
        if tail:
            assert possible_numbers("990101", *birth_dates(one["age"], AS_OF), one["gend"], tail) >= LEAST
        assert row["年龄"] == one["age"]
        everything = "".join(map(str, row.values())) + "".join(texts(paper))
        for secret in (one["certno"], one["certno"][6:14], one["tel"], one["brdy"].isoformat(), one["person_id"]):
            assert secret not in everything


def test_full_numbers_only_where_the_bureau_switched_them_on(tmp_path):
    rows = people({}, {"brdy": dt.date(2015, 5, 5), "contact_name": "王桂芳", "contact_tel": "13800000001"})
    shown = cells(write_sheet(rows, batch(), tmp_path / "a.xlsx", origin=ORIGIN, full=True))[1]
    assert [row["证件号码"] for row in shown] == rows["certno"].to_list()
    assert "电话 13900000001" in shown[0]["各部门情况"]
    assert shown[1]["各部门情况"].startswith("未满14周岁；监护人 王桂芳")
    wide = openpyxl.load_workbook(tmp_path / "a.xlsx").worksheets[0].column_dimensions["E"].width
    assert wide > 18


SENSITIVE = (
    *({"group_tags": [tag]} for tag in ("aid", "disabled", "missing", "unemployment_benefit")),
    *({"feedback_reason": code, "feedback_date": AS_OF, "feedback_division": FAR.code, "feedback_until": DUE} for code in ("P1", "W2")),
    *({"suggested_reason": code, "suggested_from": "custody"} for code in ("P1", "D1")),
    {"suggested_reason": "I1", "suggested_from": "aid_recipient"},
    {"last_insured_year": 2024, "last_insutype": "350", "last_admdvs": "500103"},
)  # fmt: skip


def test_a_village_never_reads_of_custody_disability_aid_or_illness(tmp_path):
    """U11: neither the word nor, beside the words that stand for it, what would tell it."""
    rows = people(*SENSITIVE)
    for role in ("", "city"):  # a sheet is passed on, whoever fetched it
        _, shown, _ = cells(write_sheet(rows, batch(), tmp_path / "a.xlsx", origin=ORIGIN, role=role))
        for row in shown:
            said = "；".join(str(one) for one in row.values() if one is not None)
            assert not SECRET.search(said) and sheet.VERIFIED in said, said
            assert sheet.VERIFIED in (row["上次核实"] or row["建议结果"] or row["各部门情况"] or row["上次参保"])
            assert DUE.isoformat() not in said
    paper = openpyxl.load_workbook(write_visiting(rows, batch(), tmp_path / "b.xlsx", origin=ORIGIN)).active
    known = [row[3] for row in paper.iter_rows(values_only=True) if "□" in row]
    assert len(known) == rows.height
    assert all(sheet.VERIFIED in one and not SECRET.search(one) for one in known)


def test_a_township_reads_more_and_a_village_that_it_answered_itself(tmp_path):
    rows = people(
        {"group_tags": ["aid"]},
        {"feedback_reason": "P1", "feedback_division": VILLAGE.code, "feedback_date": AS_OF},
    )
    above = cells(write_sheet(rows, batch(level=3), tmp_path / "a.xlsx", origin=ORIGIN))[1]
    assert above[0]["各部门情况"] == "医疗救助对象"
    below = cells(write_sheet(rows, batch(), tmp_path / "b.xlsx", origin=ORIGIN))[1]
    assert below[0]["各部门情况"] == sheet.VERIFIED
    assert below[1]["上次核实"] == "2026-03-01 本单位已核实"  # the village knows; whoever else sees its sheet must not


def test_a_text_never_starts_a_formula_and_numbers_stay_numbers(tmp_path):
    evil = ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "＝1+1", "\t=1", "a\x00b<c>&\"d'", "<r>x</r>"]
    rows = people(*({"psn_name": name, "household_no": name} for name in evil))
    for kind in (write_sheet, write_visiting):
        path = kind(rows, batch(), tmp_path / f"{kind.__name__}.xlsx", origin=ORIGIN)
        assert lint_workbook(path) == []
        for line in openpyxl.load_workbook(path).worksheets[0].iter_rows():
            for cell in line:
                assert cell.data_type != "f"
                if isinstance(cell.value, str) and cell.value.lstrip().startswith(("=", "+", "-", "@", "＝")):
                    assert cell.quotePrefix, cell.value
    shown = cells(tmp_path / "write_sheet.xlsx")[1]
    assert shown[0]["姓名"] == "=HYPERLINK(1)" and isinstance(shown[0]["年龄"], int)


def test_long_texts_wrap_and_their_rows_grow(tmp_path):
    rows = people(
        {}, {"psn_name": "阿卜杜热依木·阿卜杜克里木·买买提", "group_tags": ["pupil", "veteran", "flexible", "employed"]}
    )
    made = openpyxl.load_workbook(write_sheet(rows, batch(), tmp_path / "a.xlsx", origin=ORIGIN)).worksheets[0]
    top = next(n for n, row in enumerate(made.iter_rows(values_only=True), 1) if row[0] == "行码")
    assert made.row_dimensions[top + 2].height > made.row_dimensions[top + 1].height * 1.5
    assert all(cell.alignment.wrap_text for cell in made[top + 2])


def test_paper_is_by_household_with_ten_boxes_and_never_smaller_than_ten_and_a_half_points(tmp_path, books):
    house = [{"household_no": one} for one in ("8001", "8001", "8002", None, None)]
    path = write_visiting(people(*house), batch(), tmp_path / "a.xlsx", origin=ORIGIN)
    made = openpyxl.load_workbook(path).active
    lines = list(made.iter_rows(values_only=True))
    order = [
        line[0].split("\n")[0].split("　")[0] for line in lines if line[0] and re.match(r"第\d+户|\d+\n", str(line[0]))
    ]
    assert order == ["第1户", "1", "2", "第2户", "3", "第3户", "4", "第4户", "5"]
    boxes = [line.count("□") for line in lines if "□" in line]
    assert boxes == [10] * 5
    assert sum("受访人（签字）：" in line for line in lines) == 4
    assert any("核实人（签字）：" in line for line in lines)
    # A column takes seven pixels a character and five around them; if the table is no wider than the paper between its
    # margins, nothing is made smaller to fit.
    with zipfile.ZipFile(path) as archive:
        said = re.findall(rb'<col min="(\d+)" max="(\d+)" width="([\d.]+)"', archive.read("xl/worksheets/sheet1.xml"))
    widths = [float(width) for first, last, width in said for _ in range(int(first), int(last) + 1)]  # with the padding
    assert len(widths) == made.max_column
    points = sum(0.75 * 7 * width for width in widths)
    assert points <= (297 / 25.4 - made.page_margins.left - made.page_margins.right) * 72
    for line in made.iter_rows():
        for cell in line:
            assert cell.value is None or cell.font.sz >= 10.5


def test_the_zero_report_is_one_page_to_confirm(books):
    said = texts_of(books["zero"])
    assert any("没有需要核实的2026年度未参保人员" in one and VILLAGE.name in one for one in said)
    assert any("P000123" in one for one in said)
    assert any(one.startswith("单位负责人") for one in said)
    assert openpyxl.load_workbook(books["zero"]).active.page_setup.fitToHeight in (None, 1)


def texts_of(path):
    return [str(one) for row in openpyxl.load_workbook(path).active.iter_rows(values_only=True) for one in row if one]


def test_refused_rows_come_back_as_they_were_with_what_was_wrong(books):
    titles, rows, _ = cells(books["returned"])
    assert titles == ["审核意见", "原表位置", *TITLES]
    assert [row["核实结果"] for row in rows] == ["D1", "=1+1", "M1 服役(现役)"]
    assert [row["核实日期"] for row in rows] == [None, "2026.3.5", "3月5日"]
    assert rows[0]["说明"] == "@all" and rows[0]["原表位置"] == "核实名单 第9行"
    assert rows[2]["审核意见"] == "核实性：" + LONG
    made = openpyxl.load_workbook(books["returned"]).worksheets[0]
    assert made.data_validations.dataValidation


def test_a_row_that_nobody_knows_comes_back_with_what_it_said_and_no_more(tmp_path):
    rows = pl.DataFrame(
        {"opinion": ["行码有误。"], "row_code": ["A22"], "reason": ["D1"], "certno": ["990101198005060011"]}
    )
    path = write_returned(rows, tmp_path / "a.xlsx", tree=TREE, day=DUE, division_code=VILLAGE.code, role="village")
    (row,) = cells(path)[1]
    assert {title: value for title, value in row.items() if value is not None} == {
        "审核意见": "行码有误。", "行码": "A22", "证件号码": "******", "核实结果": "D1",
    }  # fmt: skip


def test_who_took_a_sheet_stands_on_every_page_of_it(tmp_path):
    taken = Taken("CB-1234", "李四（五村）　2026-03-02 09:00　A&B")
    for kind in (write_sheet, write_visiting):
        path = kind(many(3), batch(), tmp_path / f"{kind.__name__}.xlsx", origin=ORIGIN, taken=taken)
        made = openpyxl.load_workbook(path).worksheets[0]
        assert "CB-1234" in made.oddHeader.center.text
        assert any(one.startswith("李四（五村）") for one in texts(path))
        assert lint_workbook(path) == []


def test_same_rows_same_bytes(tmp_path):
    first = [write_sheet(many(5), batch(), tmp_path / f"{n}.xlsx", origin=ORIGIN).read_bytes() for n in "ab"]
    assert first[0] == first[1]


def test_an_empty_batch_still_is_a_sheet(tmp_path):
    for kind in (write_sheet, write_visiting):
        path = kind(many(0), batch(), tmp_path / "a.xlsx", origin=ORIGIN)
        assert lint_workbook(path) == [] and "以下无数据，共0行" in texts(path)


def test_answers_survive_other_programs(books, tmp_path):
    """Somebody fills the sheet, LibreOffice saves it as what people save it as, two other readers find the answers."""
    book = openpyxl.load_workbook(books["sheet"])
    made = book.worksheets[0]
    titles, rows, lines = cells(books["sheet"])
    top = lines.index(titles) + 2
    for n, (reason, day) in enumerate([("D1 死亡", dt.date(2026, 3, 5)), ("W1", "2026.3.6"), (None, None)]):
        made.cell(top + n, titles.index("核实结果") + 1).value = reason
        made.cell(top + n, titles.index("核实日期") + 1).value = day
    filled = tmp_path / "filled.xlsx"
    book.save(filled)
    want = [(row["行码"], reason) for row, reason in zip(rows, ("D1 死亡", "W1", None), strict=False)]
    assert answers(fastexcel.read_excel(filled)) == want
    if shutil.which("soffice") is None:
        pytest.skip("LibreOffice is not installed")
    others = [books[kind] for kind in ("visit", "zero", "returned")]
    for form in ("xlsx", "xls", "csv:Text - txt - csv (StarCalc):44,34,76"):
        convert(form, tmp_path / form[:4].strip(":"), filled, *(others if form == "xlsx" else ()))
    again = tmp_path / "xlsx" / "filled.xlsx"
    assert answers(fastexcel.read_excel(again)) == want
    assert answers(fastexcel.read_excel(tmp_path / "xls" / "filled.xls")) == want
    saved = openpyxl.load_workbook(again)
    assert saved.worksheets[1].sheet_state == "hidden" and sheet.CHOICES in saved.defined_names
    assert saved.worksheets[0].protection.sheet and saved.worksheets[0].data_validations.dataValidation
    lines = list(csv.reader(io.StringIO((tmp_path / "csv" / "filled.csv").read_text(encoding="utf-8"))))
    top = next(n for n, line in enumerate(lines) if "行码" in line)
    at = lines[top].index("核实结果")
    assert [(line[0], line[at] or None) for line in lines[top + 1 : top + 4]] == want
    assert {path.name for path in (tmp_path / "xlsx").iterdir()} >= {"visit.xlsx", "zero.xlsx", "returned.xlsx"}


def answers(book):
    """Row codes and answers of the first three rows."""
    frame = book.load_sheet(0, header_row=None, dtypes="string").to_polars()
    lines = frame.rows()
    top = next(n for n, line in enumerate(lines) if "行码" in line)
    at = lines[top].index("核实结果")
    return [(line[0], line[at]) for line in lines[top + 1 : top + 4]]


def convert(form, folder, *paths):
    folder.mkdir()
    profile = f"-env:UserInstallation=file://{folder.parent}/profile"
    command = ["soffice", profile, "--headless", "--convert-to", form, "--outdir", folder, *paths]
    subprocess.run(command, check=True, capture_output=True, timeout=180)


def test_a_whole_city_of_sheets_takes_minutes(tmp_path):
    """11,270 villages of a hundred people: ten minutes of one core are 53 ms each, for list and paper together."""
    rows, count = many(100), 12
    write_sheet(rows, batch(), tmp_path / "a.xlsx", origin=ORIGIN)
    begun = time.process_time()
    for _ in range(count):
        write_sheet(rows, batch(), tmp_path / "a.xlsx", origin=ORIGIN)
        write_visiting(rows, batch(), tmp_path / "b.xlsx", origin=ORIGIN)
    assert (time.process_time() - begun) / count < 0.053
