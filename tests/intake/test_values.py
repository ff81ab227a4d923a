"""What single cells mean, and that the fast reading of columns never differs from the careful one."""

from datetime import date
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from canbao.intake.columns import Converter
from canbao.intake.definitions import Field, code_table
from canbao.intake.values import BAD, BLANK, DAMAGED, OK, READERS, ROUNDED, SENTINEL, check_digit, is_note, is_total

DAY = date(2025, 6, 3)


@pytest.mark.parametrize(
    "cell",
    [
        "2025-06-03",
        "20250603",
        "2025-6-3",
        "2025/06/03",
        "2025.6.3",
        "2025年6月3日",
        "2025-06-03 00:00:00",
        "45811",
        "2025-06-03T00:00:00",
        "2025/6/3 12:30",
        "２０２５－０６－０３",
        " 2025-06-03\t",
        "20250603.0",
        "45811.0",
        "20250603000000",
        "20250603 00:00:00",
        "2025年6月3",
        "2025-06-03T00:00:00+08:00",
        "2025-06-03 00:00:00.000",
        "\u200b2025-06-03",
        "2025年06月03号",
        "'2025-06-03",
    ],
)
def test_dates_in_all_their_spellings(cell: str) -> None:
    assert READERS["date"](cell) == (DAY, OK)


@pytest.mark.parametrize("cell", ["202506", "2025-06", "2025/6", "2025年6月", "202506.0"])
def test_a_month_as_a_date_is_its_first_day(cell: str) -> None:
    assert READERS["date"](cell) == (date(2025, 6, 1), OK)


@pytest.mark.parametrize(
    "cell",
    [
        "2025.6",
        "202513",
        "2025-13-01",
        "2025-02-30",
        "2025-06/03",
        "25-06-03",
        "6/3/2025",
        "abc",
        "1月5日",
        "19999",
        "80001",
        "1799-12-31",
        "2025-06-03x",
        "0025-06-03",
        "20250632",
    ],
)
def test_no_date_is_guessed(cell: str) -> None:
    assert READERS["date"](cell) == (None, BAD)


@pytest.mark.parametrize(
    "cell", ["1900-01-01", "9999-12-31", "99991231", "1900/1/1", "1900-01-01 00:00:00", "00000000", "至今", " 长期"]
)
def test_sentinels_mean_no_date(cell: str) -> None:
    assert READERS["date"](cell) == (None, SENTINEL)


@pytest.mark.parametrize("cell", ["", " ", "-", "—", "无", "NULL", "null", "N/A", "\\N", "\u3000", "\ufeff"])
@pytest.mark.parametrize("kind", ["date", "month", "year", "amount", "int", "division"])
def test_blank_words(kind: str, cell: str) -> None:
    assert READERS[kind](cell) == (None, BLANK)


@pytest.mark.parametrize(
    ("cell", "month"),
    [
        ("202506", 202506),
        ("2025-06", 202506),
        ("2025/6", 202506),
        ("2025年6月", 202506),
        ("2025-06-30", 202506),
        ("20250630", 202506),
        ("2025.06", 202506),
        ("202506.0", 202506),
        ("２０２５０６", 202506),
        ("45811", 202506),
    ],
)
def test_months(cell: str, month: int) -> None:
    assert READERS["month"](cell) == (month, OK)


@pytest.mark.parametrize("cell", ["202513", "202500", "2025", "20256", "2025.1", "x"])
def test_no_month(cell: str) -> None:
    assert READERS["month"](cell)[1] == BAD


@pytest.mark.parametrize(
    ("cell", "amount"),
    [
        ("400", "400"),
        ("400.00元", "400"),
        ("￥1,234.50", "1234.50"),
        ("¥ 400", "400"),
        ("(400.00)", "-400"),
        ("-400", "-400"),
        ("（400）", "-400"),
        ("４００．５", "400.5"),
        ("+3", "3"),
        (".5", "0.5"),
        ("5.", "5"),
        ("400.0000", "400"),
        ("1,234,567", "1234567"),
        ("123.45000000000002", "123.45"),
        ("−5", "-5"),
        ("￥-400", "-400"),
        ("0", "0"),
    ],
)
def test_amounts(cell: str, amount: str) -> None:
    assert READERS["amount"](cell) == (Decimal(amount), OK)


@pytest.mark.parametrize("cell", ["4,00", "1e3", "12,34", "1,2345", "四百", ".", "元", "--5", "1234567890123"])
def test_no_amount(cell: str) -> None:
    assert READERS["amount"](cell) == (None, BAD)


@pytest.mark.parametrize(
    ("cell", "amount"), [("400.005", "400.01"), ("-0.125", "-0.13"), ("(1.004)", "-1.00"), ("999999999999.999", "1e12")]
)
def test_parts_of_a_cent_are_rounded_and_told(cell: str, amount: str) -> None:
    assert READERS["amount"](cell) == (min(Decimal(amount), Decimal("999999999999.99")), ROUNDED)


@pytest.mark.parametrize(
    ("kind", "cell", "value"),
    [
        ("id", "20.0", "20"),
        ("id", "020.00", "020"),
        ("id", "20.5", "20.5"),
        ("id", "K.0", "K.0"),
        ("cert", "500103900101123.0", "500103900101123"),
        ("int", "12", 12),
        ("int", "12.0", 12),
        ("int", "1,200", 1200),
        ("int", "-3", -3),
        ("int", "１２", 12),
        ("year", "2025", 2025),
        ("year", "2025年", 2025),
        ("year", "2025.0", 2025),
        ("bool", "是", True),
        ("bool", "无", False),
        ("bool", "Y", True),
        ("bool", "1.0", True),
        ("bool", "false", False),
        ("division", "500103 ", "500103"),
        ("division", "500103001.0", "500103001"),
        ("division", "５００１０３００１００１", "500103001001"),
        ("uscc", " 91350100m000100y43", "91350100M000100Y43"),
        ("admdvs", "'500101", "500101"),
        ("admdvs", "５００１０１", "500101"),
        ("admdvs", '="500101"', "500101"),
        ("admdvs", "500101.0", "500101"),
        ("admdvs", "500101000000", "500101000000"),
        ("admdvs", " 浙江省杭州市", "浙江省杭州市"),
        ("birth_cert", "z400 000001", "Z400000001"),
        ("birth_cert", " a certificate", "a certificate"),
        ("id", "'K1", "K1"),
        ("id", '="00012"', "00012"),
        ("id", "ａ-７ ", "a-7"),
        ("id", " R 01\t", "R 01"),
    ],
)
def test_other_types(kind: str, cell: str, value: object) -> None:
    assert READERS[kind](cell) == (value, OK)


@pytest.mark.parametrize(
    ("kind", "cell"),
    [
        ("int", "1.5"),
        ("int", "9999999999"),
        ("division", "50010"),
        ("division", "5001030010"),
        ("bool", "2"),
        ("division", "5.00103E+11"),
        ("division", "江北区"),
        ("year", "25"),
        ("year", "3000"),
    ],
)
def test_other_types_unreadable(kind: str, cell: str) -> None:
    assert READERS[kind](cell) == (None, BAD)


def test_certificate_numbers_are_text_and_not_judged() -> None:
    read = READERS["cert"]
    assert read("１１０１０５１９４９１２３１００２ｘ") == ("11010519491231002X", OK)
    assert read(" '110105 19491231\u200b002x\t") == ("11010519491231002X", OK)
    assert read('="11010519491231002x"') == ("11010519491231002X", OK)
    assert read("无") == (None, BLANK)
    assert read("不详") == read("#REF!") == read("******") == read("5001**********1234") == (None, BAD)
    assert read("110105491231002") == ("110105491231002", OK)
    assert read("123") == ("123", OK)


def test_damaged_certificate_numbers() -> None:
    read = READERS["cert"]
    for cell in ("5.00103E+17", "5.00103e+17", "5E+17", "5.00103199001011E+17", "500103199001011000"):
        assert read(cell) == (None, DAMAGED), cell
    whole = next(f"50010319900101{i:02d}00" for i in range(100) if check_digit(f"50010319900101{i:02d}0") == "0")
    assert read(f"{whole[:-2]}{whole[-2:]}")[1] == OK
    assert read("E12345678") == ("E12345678", OK)
    assert read("5E1234567") == ("5E1234567", OK)


def test_a_right_number_that_ends_in_three_noughts_is_no_damage() -> None:
    stem = next(
        f"5001031990{month:02d}{day:02d}0"
        for month in range(1, 13)
        for day in range(1, 29)
        if check_digit(f"5001031990{month:02d}{day:02d}000") == "0"
    )
    assert READERS["cert"](f"{stem}000"[:18])[1] == OK


def test_check_digit_of_the_standard() -> None:
    assert check_digit("11010519491231002") == "X"


def test_text_keeps_names_as_they_are() -> None:
    read = READERS["text"]
    assert read("\ufeff 阿依古丽·买买提\u3000") == ("阿依古丽·买买提", OK)
    assert read("无") == ("无", OK)
    assert read("-") == ("-", OK)
    assert read("NULL") == (None, BLANK)
    assert read("\\N") == (None, BLANK)
    assert read("e\u0301") == ("é", OK)
    assert read("𠮷") == ("𠮷", OK)


@pytest.mark.parametrize(
    ("table", "cell", "code"),
    [
        ("gend", "男", "1"),
        ("gend", "男性", "1"),
        ("gend", "2.0", "2"),
        ("psn_cert_type", "1", "01"),
        ("psn_cert_type", "身份证", "01"),
        ("aid_type", "特困人员", "特困"),
        ("aid_type", "城乡孤儿", "孤儿"),
        ("insutype", "城乡居民", "390"),
        ("insutype", "39O", None),
        ("psn_insu_stas", "正常", "1"),
        ("employment_kind", "劳动合同", "contract"),
        ("stage", "Primary", "primary"),
        ("reason_code", "无法联系", "F2"),
        ("reason_code", "d1", "D1"),
        ("resd_status", "出国（境）定居", "5"),
        ("tier", "一档", "1"),
    ],
)
def test_codes(table: str, cell: str, code: str | None) -> None:
    assert code_table(table).find(cell) == code


def test_total_rows() -> None:
    assert all(map(is_total, ["合计", "小 计", "总计：", "合计:", "合计12", "　合　计"]))
    assert not any(map(is_total, ["合计人", "计", "设计", "本页", "", "合计-1"]))


FIELDS = (
    *(Field(name=kind, type=kind) for kind in READERS),
    Field(name="insutype", type="code", codes="insutype"),
)
ALPHABET = "0123456789012345678901234567890123456789-/.年月日 ,()¥元EeXxNULlaтА王合计\u3000\u200b'\\+·１"


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.text(ALPHABET, min_size=1, max_size=20) | st.dates().map(str) | st.text(min_size=1, max_size=6), min_size=1
    )
)
@example(["1900-01-01", "9999-12-31", "2025-02-30", "1800-01-01", "2199-12-31", "2200-01-01"])
@example(["NULL", "null", "\\N", "NONE", "NAN", "N/A", "-5", "000", "500103199001011000"])
@example(["nUlL", "NULLX", "xnull", "\\x", "x\\", "\\", "[", "]", "计"])
@example(["999999999999.99", "1000000000000", "-0.5", "00", "010", "202513", "0"])
def test_fast_columns_read_as_the_careful_reader_does(cells: list[str]) -> None:
    converter = Converter(FIELDS)
    columns = converter.convert(pl.DataFrame({one.name: pl.Series(cells, dtype=pl.String) for one in FIELDS}))
    for one in FIELDS:
        if one.codes:
            continue
        expected = [READERS[one.type](cell) for cell in cells]
        assert columns[one.name].values.to_list() == [value for value, _ in expected], one.name
        states = columns[one.name].states
        assert (states.tolist() if states is not None else [OK] * len(cells)) == [state for _, state in expected]


@pytest.mark.parametrize(
    "cells",
    [
        ("合计：3人", "", ""),
        ("", "本页小计", "400"),
        ("共3户",),
        ("总计金额：1,200.00元",),
        ("合 计 人 数", "", "12"),
    ],
)
def test_totals_in_words(cells: tuple[str, ...]) -> None:
    assert is_note(cells) == (True, False)


@pytest.mark.parametrize(
    "cells",
    [
        ("制表人：张三", "审核人：李四", "2026年3月31日"),
        ("", "注：数据截至2026-03-31。"),
        ("第1页 共3页",),
        ("- 第 2 页 -",),
        ("填报单位（盖章）：", "某街道"),
        ("备注1、不含学生",),
        ("说明：以公安数据为准", "", "x"),
    ],
)
def test_notes(cells: tuple[str, ...]) -> None:
    assert is_note(cells) == (False, True)


@pytest.mark.parametrize(
    "cells",
    [
        ("合计", "990101199001010018"),
        ("制表人：张三", "990101900101001"),
        ("990101199001010018", "注：死亡"),
        ("注小明", "", ""),
        ("共青", ""),
        ("第五", ""),
        ("", ""),
    ],
)
def test_rows_of_people_are_no_notes(cells: tuple[str, ...]) -> None:
    assert is_note(cells) == (False, False)
