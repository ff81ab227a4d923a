"""Files: encodings, line ends, quotes, headers, sheets; what is refused and what is kept."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import openpyxl
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from .conftest import Read

Reader = Callable[..., Read]

HEAD = "公民身份号码,姓名,死亡日期\n"
ONE = "11010519491231002X,张三,2025-06-03\n"
DEATH = HEAD + ONE


def certs(read: Read, number: int = 1) -> list[str]:
    return [row["certno"] for row in read.rows(number)]


# ---------------------------------------------------------------------------------------------------------- encodings


@pytest.mark.parametrize(
    ("encoding", "shown"), [("utf-8", "utf-8"), ("utf-8-sig", "utf-8-bom"), ("gb18030", "gb18030"), ("gbk", "gb18030")]
)
def test_encodings(read: Reader, encoding: str, shown: str) -> None:
    night = read("death", DEATH.encode(encoding))
    assert night.codes() == []
    assert night.file()["encoding"] == shown
    assert night.rows()[0]["psn_name"] == "张三"


def test_rare_characters_of_gb18030(read: Reader) -> None:
    night = read("death", (HEAD + "11010519491231002X,䶮㐂𠮷,2025-06-03\n").encode("gb18030"))
    assert night.rows()[0]["psn_name"] == "䶮㐂𠮷"


def test_gb18030_with_its_mark(read: Reader) -> None:
    assert certs(read("death", ("\ufeff" + DEATH).encode("gb18030"))) == ["11010519491231002X"]


def test_ascii_head_does_not_decide(read: Reader) -> None:
    rows = "".join(f"T{i},A,2025-06-03\n" for i in range(5000))
    night = read("death", ("certno,psn_name,death_date\n" + rows).encode() + "T9,张三,2025-06-03\n".encode("gbk"))
    assert night.file()["encoding"] == "gb18030"
    assert night.rows()[-1]["psn_name"] == "张三"


def test_broken_utf8_is_not_read_as_something_else(read: Reader) -> None:
    night = read(
        "death",
        HEAD.encode() + "11010519491231002X,张三丰李四,2025-06-03\n".encode().replace("丰".encode(), b"\xe4\xb8"),
    )
    assert night.codes() == ["encoding"]
    assert "第2行" in night.result.refusals[0].message
    assert night.file()["state"] == "refused"


def test_file_cut_within_a_character(read: Reader) -> None:
    for cut in (1, 2):
        night = read("death", (HEAD + "11010519491231002X,张").encode()[:-cut])
        assert night.codes() == ["cut_off"]


def test_gb18030_cut_within_a_character(read: Reader) -> None:
    assert read("death", (DEATH + "11010519491231002X,张三").encode("gb18030")[:-1]).codes() in (
        ["cut_off"],
        ["encoding"],
    )


def test_bytes_of_no_encoding(read: Reader) -> None:
    night = read("death", DEATH.encode("gbk") + b"\xff\xff\n")
    assert night.codes() == ["encoding"]
    assert "第3行" in night.result.refusals[0].message


def test_mixed_encodings(read: Reader) -> None:
    more = "".join(f"11010519491231002X,欧阳娜娜{i},2025-06-03\n" for i in range(50))
    assert read("death", DEATH.encode("gbk") + more.encode()).codes() == ["encoding"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_utf16_and_nul(read: Reader, encoding: str) -> None:
    assert read("death", DEATH.encode(encoding)).codes()[0] in {"encoding", "nul_bytes"}


# ------------------------------------------------------------------------------------------------- line ends and quotes


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends(read: Reader, end: str, last: bool) -> None:
    text = end.join([HEAD.strip(), "A1,甲,2025-06-03", "", "A2,乙,2025-06-04", "A3,丙,"]) + (end if last else "")
    night = read("death", text)
    assert [(row["certno"], row["line_no"]) for row in night.rows()] == [("A1", 2), ("A2", 4)]
    assert night.rejected() == [(5, "blank_required", "A3,丙,")]


def test_quotes_newlines_and_separators_within_cells(read: Reader) -> None:
    text = (
        HEAD + 'A1,"甲,乙",2025-06-03\n"A2","丙\n丁",2025-06-03\nA3,"说""好""",2025-06-03\n'
        'A4,王"二"小,2025-06-03\n"A5",,"2025-06-03"\n'
    )
    night = read("death", text)
    assert [(r["certno"], r["psn_name"], r["line_no"]) for r in night.rows()] == [
        ("A1", "甲,乙", 2),
        ("A2", "丙\n丁", 3),
        ("A3", '说"好"', 5),
        ("A4", '王"二"小', 6),
        ("A5", None, 7),
    ]


def test_a_rejected_row_over_several_lines_keeps_its_text_and_line(read: Reader) -> None:
    night = read("death", HEAD + 'A1,甲,2025-06-03\n,"乙\n丙\n丁",2025-06-03\nA3,戊,昨天\n')
    assert night.rejected() == [
        (3, "blank_required", ',"乙\n丙\n丁",2025-06-03'),
        (6, "unreadable_required", "A3,戊,昨天"),
    ]


def test_unclosed_quote(read: Reader) -> None:
    night = read("death", DEATH + 'A2,"乙,2025-06-03\nA3,丙,2025-06-03\n')
    assert night.codes() == ["cut_off"]
    assert "第3行" in night.result.refusals[0].message
    assert not list((night.result.files["staged_path"]).drop_nulls())


def test_tabs(read: Reader) -> None:
    night = read("death", DEATH.replace(",", "\t"), "a.txt")
    assert certs(night) == ["11010519491231002X"]


def test_blank_lines_are_no_rows_but_separators_are(read: Reader) -> None:
    night = read("death", HEAD + "\n  \n\u3000\n,,\nA1,甲,2025-06-03\n\n")
    assert night.file()["rows_read"] == 2
    assert night.rejected() == [(5, "blank_required", ",,")]


def test_field_counts(read: Reader) -> None:
    night = read(
        "death", HEAD + "A1,甲\nA2,乙,2025-06-03,,\nA3,丙,2025-06-03,x\nA4,丁,2025-06-03\nA5\nA6,甲,2025-06-03, \n"
    )
    assert certs(night) == ["A2", "A4", "A6"]
    assert [(line, code) for line, code, _ in night.rejected()] == [
        (2, "field_count"),
        (4, "field_count"),
        (6, "field_count"),
    ]


@pytest.mark.parametrize("short_first", [True, False])
def test_a_long_line_does_not_make_up_for_a_short_one(read: Reader, short_first: bool) -> None:
    odd = ["A1,甲", "A2,乙,2025-06-03,x"] if short_first else ["A2,乙,2025-06-03,x", "A1,甲"]
    night = read("death", HEAD + "\n".join(["A0,丙,", *odd, "A3,丁,2025-06-03", ""]))
    assert certs(night) == ["A3"]
    assert night.rejected() == [
        (2, "blank_required", "A0,丙,"),
        (3, "field_count", odd[0]),
        (4, "field_count", odd[1]),
    ]


def test_a_very_long_row(read: Reader) -> None:
    night = read("death", HEAD + "A1,甲,2025-06-03" + ",x" * 100 + "\nA2,乙,2025-06-03" + "," * 100 + "\n")
    assert certs(night) == ["A2"]
    assert night.rejected()[0][:2] == (2, "field_count")


def test_total_rows_are_read_and_rejected(read: Reader) -> None:
    night = read("death", HEAD + "A1,甲,2025-06-03\n合 计,1,\n,小计：,\n总计12,,\n \u200b, ,总计\n计,合计,\n")
    assert [code for _, code, _ in night.rejected()] == [*["total_row"] * 4, "unreadable_required"]
    assert night.file()["rows_read"] == 6


def test_what_stands_below_a_table_is_named_as_such(read: Reader) -> None:
    below = "合计：1人,,\n本页小计,1,\n制表人：张三,审核人：李四,2025年6月3日\n第1页 共1页\n注：截至6月,990101199001010018,\n"
    night = read("death", DEATH + below)
    codes = ["total_row", "total_row", "note_row", "note_row", "blank_required"]
    assert [code for _, code, _ in night.rejected()] == codes
    assert night.file()["rows_read"] == 6


def test_a_row_with_all_it_needs_is_no_note(read: Reader) -> None:
    head = "计划免疫儿童姓名,出生日期,监护人证件号,现住地区划代码\n".replace("计划免疫儿童", "")
    night = read("vaccination", head + "注：甲,2025-01-01,,500101001\n")
    assert (len(night.rows()), night.rejected()) == (1, [])


def test_a_filled_column_without_a_title_is_an_extra_one(read: Reader) -> None:
    night = read("death", HEAD.strip() + ",,\nA1,甲,2025-06-03,x,\nA2,乙,2025-06-03\nA3,丙,2025-06-03,,,y\n")
    assert certs(night) == ["A1", "A2"]
    assert night.rejected() == [(4, "field_count", "A3,丙,2025-06-03,,,y")]
    assert night.file()["extra_columns"] == ["(第4列)"]


def test_damaged_numbers(read: Reader) -> None:
    night = read("death", HEAD + "5.00103E+17,甲,2025-06-03\n500103199001011000,乙,2025-06-03\n,丙,昨天\n")
    assert [code for _, code, _ in night.rejected()] == ["damaged_certno", "damaged_certno", "blank_required"]


def test_a_damaged_number_of_another_person_costs_nobody_the_row(read: Reader) -> None:
    head = "pay_id,certno,insutype,accrym_begn,accrym_end,amount,paid_date,insu_admdvs,缴费人证件号\n"
    night = read("tax_payment", head + "P1,A1,390,202601,202612,400.00元,2025/12/01,500103,5.00103E+17\n")
    row = night.rows()[0]
    assert (row["payer_certno"], row["amount"], row["pay_type"]) == (None, Decimal("400.00"), "10")
    assert night.file()["unreadable"] == '{"payer_certno": 1}'


def test_messages_name_line_and_column_but_not_the_number(read: Reader, landing: Path) -> None:
    night = read("death", HEAD + "500103199001011000,乙,2025-06-03\n")
    message = pl.read_parquet(night.result.quarantine_paths[0][1])["message"][0]
    assert "第2行" in message
    assert "公民身份号码" in message
    assert "0103199001" not in message


# -------------------------------------------------------------------------------------------------------------- headers


def test_headers_by_name_alias_and_with_marks(read: Reader) -> None:
    night = read("death", " * CertNo ,死亡日期（必填）,备用,姓 名\nA1,2025-06-03,x,甲\n")
    assert night.rows()[0]["psn_name"] == "甲"
    assert night.file()["extra_columns"] == ["备用"]


def test_title_rows_above_the_header(read: Reader) -> None:
    night = read("death", "某市死亡名单,,\n,,\n\n单位：人\n" + DEATH + ",x,2025-06-03\n")
    assert night.rows()[0]["line_no"] == 6
    assert night.rejected()[0][0] == 7


def test_header_alone_is_no_row(read: Reader) -> None:
    for text in (HEAD, HEAD.strip()):
        night = read("death", text)
        assert night.codes() == []
        assert (night.file()["rows_read"], night.rows()) == (0, [])


def test_missing_columns(read: Reader) -> None:
    night = read("student", "公民身份号码,姓名\nA1,甲\n")
    assert night.codes() == ["missing_columns"]
    for title in ("学校所在区县代码", "学段", "入学日期"):
        assert title in night.result.refusals[0].message


def test_two_columns_of_one_field(read: Reader) -> None:
    night = read("death", "身份证号,证件号码,死亡日期\nA1,A1,2025-06-03\n")
    assert night.codes() == ["duplicate_column"]


def test_unit_in_parentheses(read: Reader) -> None:
    night = read("annual_claim", "公民身份号码,年度,基金支付(元)\nA1,2025,12.5\n")
    assert night.rows()[0]["fund_paid_amt"] == Decimal("12.50")


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", b"  \r\n"])
def test_empty_files(read: Reader, content: bytes) -> None:
    assert read("death", content).codes() == ["empty"]


def test_one_of_two_columns(read: Reader) -> None:
    head = "下发批次,{}填报区划,原因代码,核实日期\n"
    night = read("grid_feedback", head.format("") + "B1,500103001001,死亡,2026-01-05\n")
    assert night.codes() == ["missing_columns"]


def test_one_of_two_values(read: Reader) -> None:
    head = "下发批次,证件号码,行码,填报区划,原因代码,核实日期\n"
    night = read("grid_feedback", head + "B1,,R1,500103001001,死亡,2026-01-05\nB1,,,500103001001,死亡,2026-01-05\n")
    assert [row["reason_code"] for row in night.rows()] == ["D1"]
    assert night.rejected()[0][:2] == (3, "blank_required")


# ------------------------------------------------------------------------------------------------------ values in rows


def test_nothing_else_rejects(read: Reader) -> None:
    head = "公民身份号码,姓名,性别,出生日期,户籍地区划代码,常住地区划代码,户籍状态,居住证\n"
    night = read("population", head + "x,甲,9x,不详,50,500103,外星,也许\n")
    row = night.rows()[0]
    assert (row["gend"], row["brdy"], row["resd_code"], row["resd_status"], row["resd_permit"]) == (
        "9x",
        None,
        None,
        "外星",
        None,
    )
    assert row["psn_cert_type"] == "01"
    assert night.file()["unreadable"] == '{"brdy": 1, "resd_code": 1, "resd_permit": 1}'
    assert night.file()["unknown_codes"] == '{"gend": 1, "resd_status": 1}'


def test_sentinel_in_a_required_date(read: Reader) -> None:
    night = read("custody", "证件号码,开始日期,结束日期\nA1,2025-01-01,9999-12-31\nA2,1900-01-01,\n")
    assert night.rows()[0]["end_date"] is None
    assert night.rejected()[0][:2] == (3, "unreadable_required")
    assert night.file()["unreadable"] == "{}"


def test_staged_types(read: Reader) -> None:
    night = read(
        "tax_payment",
        "pay_id,certno,insutype,accrym_begn,accrym_end,amount,paid_date,insu_admdvs\nP,A,390,202601,202612,1,2026-01-01,1\n",
    )
    schema = pl.read_parquet_schema(night.file()["staged_path"])
    assert schema["amount"] == pl.Decimal(14, 2)
    assert (schema["accrym_begn"], schema["paid_date"], schema["line_no"]) == (pl.Int32, pl.Date, pl.Int32)
    assert list(schema)[-1] == "line_no"
    assert list(schema)[:3] == ["pay_id", "certno", "psn_name"]


# ---------------------------------------------------------------------------------------------------- compressed, xlsx


def test_gzip(read: Reader) -> None:
    assert certs(read("death", gzip.compress(DEATH.encode()), "a.CSV.GZ")) == ["11010519491231002X"]


def test_damaged_gzip(read: Reader) -> None:
    packed = gzip.compress((DEATH + ONE * 5000).encode())
    assert read("death", packed[:-9], "a.csv.gz").codes() == ["cut_off"]
    assert read("death", b"no gzip", "a.csv.gz").codes() == ["damaged"]
    assert read("death", packed[:40] + b"\0\0\0\0\0\0\0" + packed[47:], "a.csv.gz").codes()[0] in {"damaged", "cut_off"}


def workbook(*sheets: tuple[str, list[list[object]]], hidden: str = "") -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets:
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
        if name == hidden:
            sheet.sheet_state = "hidden"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


TITLES = ["公民身份号码", "姓名", "死亡日期"]


def test_workbook(read: Reader) -> None:
    rows: list[list[object]] = [
        [],
        ["死亡名单"],
        TITLES,
        ["11010519491231002X", "甲", date(2025, 6, 3)],
        [],
        ["A2", "乙", 45811],
        [500103900101123, "丙", datetime(2025, 6, 3, 12)],
        [500103199001011234, "丁", "2025-06-03"],
        ["500103199001011234", "戊", "2025-06-03"],
        ["合计", 5, None],
        ["A9", "己", "2025-06-03", "多"],
    ]
    night = read("death", workbook(("一", rows)), "a.xlsx")
    assert night.file()["encoding"] == "xlsx"
    assert [(r["certno"], r["death_date"], r["line_no"]) for r in night.rows()] == [
        (number, date(2025, 6, 3), line)
        for number, line in [("11010519491231002X", 4), ("A2", 6), ("500103900101123", 7), ("500103199001011234", 9)]
    ]
    assert [(line, code) for line, code, _ in night.rejected()] == [
        (8, "damaged_certno"),
        (10, "total_row"),
        (11, "field_count"),
    ]
    assert night.rejected()[0][2].startswith("5.00103E+17,丁")


@pytest.mark.parametrize("before", [[None], [None, None], [None, "序号"], [None, None, "序号"]])
def test_a_table_that_does_not_begin_in_the_first_column(read: Reader, before: list[object]) -> None:
    serials: list[list[object]] = [[1 if cell else None for cell in before] for _ in range(2)]
    rows: list[list[object]] = [
        [*before, *TITLES],
        [*serials[0], "500103199001011234", "甲", "2025-06-03"],
        [*serials[1], 500103199001011234, "乙", "2025-06-03"],
    ]
    night = read("death", workbook(("一", rows)), "a.xlsx")
    assert [(r["certno"], r["line_no"]) for r in night.rows()] == [("500103199001011234", 2)]
    assert [(line, code) for line, code, _ in night.rejected()] == [(3, "damaged_certno")]


def test_sheets(read: Reader) -> None:
    book = workbook(
        ("甲", [TITLES, ["A1", "甲", "2025-06-03"]]),
        ("空", []),
        ("说明", [["填表说明"]]),
        ("乙", [TITLES, ["A2", "乙", "2025-06-03"], ["", "丙", "2025-06-03"]]),
        ("藏", [TITLES, ["A3", "丁", "2025-06-03"]]),
        hidden="藏",
    )
    night = read("death", book, "a.xlsx")
    assert night.result.files["file"].to_list() == ["a.xlsx", "a.xlsx#乙"]
    assert (certs(night, 1), certs(night, 2)) == (["A1"], ["A2"])
    assert night.rejected(2) == [(3, "blank_required", ",丙,2025-06-03")]
    assert any("说明" in note for note in night.result.notes)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([["名单"], ["甲", "990101199001010018"]], True),
        ([["公民身份号码", "姓名"], ["A1", "甲"]], True),
        ([["公民身份号码", "姓名"]], False),
        ([["填表说明"], ["每人一行", "姓名必填"]], False),
    ],
)
def test_a_sheet_that_looks_like_data_is_told(read: Reader, rows: list[list[object]], told: bool) -> None:
    night = read("death", workbook(("甲", [TITLES, ["A1", "甲", "2025-06-03"]]), ("乙", rows)), "a.xlsx")
    assert night.result.left_out == ({"death": ["death/2026-01-31/a.xlsx 的工作表“乙”"]} if told else {})


def test_workbook_without_a_fitting_sheet(read: Reader) -> None:
    assert read("death", workbook(("一", [["姓名"], ["甲"]])), "a.xlsx").codes() == ["missing_columns"]


def test_numbers_in_workbooks_lose_no_noughts(read: Reader) -> None:
    head: list[object] = ["公民身份号码", "证件类型", "姓名", "户籍地区划代码", "常住地区划代码", "户籍状态"]
    night = read("population", workbook(("一", [head, ["A1", 1, "甲", 500103001001, 500103, 1.0]])), "a.xlsx")
    row = night.rows()[0]
    assert (row["psn_cert_type"], row["resd_code"], row["resd_status"]) == ("01", "500103001001", "1")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nonsense", b"text"])
def test_damaged_workbooks(read: Reader, content: bytes) -> None:
    assert read("death", content, "a.xlsx").codes() == ["damaged"]


def test_cut_workbook(read: Reader) -> None:
    book = workbook(("一", [TITLES, *([["A1", "甲", "2025-06-03"]] * 500)]))
    assert read("death", book[: len(book) // 2], "a.xlsx").codes() == ["damaged"]


# -------------------------------------------------------------------------------------------------------------- parquet


def test_parquet(read: Reader) -> None:
    frame = pl.DataFrame(
        {
            "certno": ["A1", None, "A3"],
            "death_date": [date(2025, 6, 3), date(2025, 6, 3), None],
            "其他": [[1], [2], [3]],
        }
    )
    out = io.BytesIO()
    frame.write_parquet(out)
    night = read("death", out.getvalue(), "a.parquet")
    assert [(r["certno"], r["death_date"], r["line_no"]) for r in night.rows()] == [("A1", date(2025, 6, 3), 2)]
    assert [(line, code) for line, code, _ in night.rejected()] == [(3, "blank_required"), (4, "blank_required")]
    assert night.file()["extra_columns"] == ["其他"]
    assert read("death", out.getvalue()[:-20], "a.parquet").codes() == ["damaged"]


def parquet(**columns: pa.Array) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


@pytest.mark.parametrize(
    "extra",
    [
        pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int32())),
        pa.array([[1]]),
        pa.array([{"a": 1}]),
        pa.array([b"\xff\xfe"]),
        pa.array([b"\xff\xfe"]).dictionary_encode(),
        pa.array([5], pa.duration("us")),
        pa.array([1000], pa.time64("ns")),
        pa.array([Decimal("1.5")], pa.decimal256(50, 2)),
        pa.array([1.5], pa.float16()),
        pa.array([None]),
    ],
    ids=lambda array: str(array.type),
)
def test_parquet_with_a_column_of_any_type_beside(read: Reader, extra: pa.Array) -> None:
    night = read(
        "death", parquet(certno=pa.array(["A1"]), death_date=pa.array(["2025-06-03"]), 其他=extra), "a.parquet"
    )
    assert (night.codes(), certs(night), night.file()["extra_columns"]) == ([], ["A1"], ["其他"])


@pytest.mark.parametrize(
    "wrong", [pa.array([["A1"]]), pa.array([5], pa.duration("us")), pa.array([Decimal(1)], pa.decimal256(50, 2))]
)
def test_parquet_with_a_column_that_holds_no_text(read: Reader, wrong: pa.Array) -> None:
    night = read("death", parquet(certno=wrong, death_date=pa.array(["2025-06-03"])), "a.parquet")
    assert night.codes() == ["column_type"]
    assert "“certno”" in night.result.refusals[0].message


def test_parquet_with_text_that_is_not_marked_as_text(read: Reader) -> None:
    day = pa.array([b"2025-06-03", None])
    night = read("death", parquet(certno=pa.array([b"A1", b"A2"]), death_date=day), "a.parquet")
    assert (certs(night), [code for _, code, _ in night.rejected()]) == (["A1"], ["blank_required"])
    night = read("death", parquet(certno=pa.array([b"\xff1", b"A2"]), death_date=day), "a.parquet")
    assert night.codes() == ["encoding"]


def test_times_with_a_zone_are_of_chinas_day(read: Reader) -> None:
    evening = pa.array([datetime(2026, 1, 30, 16), datetime(2026, 1, 30, 15, 59)], pa.timestamp("us", "UTC"))
    night = read("death", parquet(certno=pa.array(["A1", "A2"]), death_date=evening), "a.parquet")
    assert [row["death_date"] for row in night.rows()] == [date(2026, 1, 31), date(2026, 1, 30)]


def test_parquet_of_numbers(read: Reader) -> None:
    out = io.BytesIO()
    pl.DataFrame(
        {"certno": [500103199001011234, 1], "year": [2025.0, 2024.0], "fund_paid_amt": [0.1 + 0.2, 400.0]}
    ).write_parquet(out)
    night = read("annual_claim", out.getvalue(), "a.parquet")
    assert [(r["certno"], r["year"], r["fund_paid_amt"]) for r in night.rows()] == [
        ("500103199001011234", 2025, Decimal("0.30")),
        ("1", 2024, Decimal("400.00")),
    ]
