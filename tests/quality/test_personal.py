"""Numbers of people in what people type in, however they write them."""

import pytest

from canbao.errors import UserError
from canbao.quality.personal import refuse_numbers


@pytest.mark.parametrize(
    "text",
    [
        "联系 一三八 138 0013 8000 王小二",
        "电话13800001234",
        "138-0000-1234",
        "138 0000 1234",
        "138–0000—1234",
        "138.0000.1234",
        "138·0000·1234",
        "(138)0000-1234",
        "１３８００００１２３４",
        "１３８ ００００　１２３４",
        "一三八零零零零一二三四",
        "幺三八〇〇〇〇幺二三四",
        "壹叁捌零零零零壹贰叁肆",
        "一三八0000一二三四",
        "138\u200b0000\u200b1234",
        "①③⑧00001234",
        "٠١٢٣٤٥٦٧٨٩٠",
        "990001 19900101 001X",
        "023-6789-1234",
    ],
)
def test_a_number_is_found(text):
    with pytest.raises(UserError, match="个人号码"):
        refuse_numbers(text, "说明")


@pytest.mark.parametrize(
    "text",
    [
        "三月入户核实，2026-03-01 前完成",
        "渝医保发〔2026〕12号，共 1,048,576 行",
        "二〇二六年三月，第一、二、三批",
        "一是核对，二是上报，三是存档，四是反馈，五是复核，六是汇总，七是通报，八是归档，九是抽查",
        "陆家村五组，伍某一户三人",
        "2026年3月1日至2026年12月31日",
    ],
)
def test_dates_counts_and_words_pass(text):
    assert refuse_numbers(text, "说明") == text
