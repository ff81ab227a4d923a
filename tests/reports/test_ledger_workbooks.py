"""The ledger workbooks, read back by two readers that know nothing of the writer."""

import datetime as dt
import hashlib
import re
import shutil
import subprocess
import zipfile

import fastexcel
import openpyxl
import polars as pl
import pytest

from canbao.reports import ReportHeader, write_ledger_workbooks
from canbao.reports.layout import load_layout
from canbao.reports.lint import lint_workbook

HEAD = "区划代码"


def cells(path, sheet):
    """Rows of a sheet as openpyxl sees them."""
    book = openpyxl.load_workbook(path, read_only=True)
    rows = [list(r) for r in book[sheet].iter_rows(values_only=True)]
    book.close()
    return rows


def table_of(rows):
    """Rows of figures: number (栏次) of each column, 合计 first, up to the closing line."""
    first = next(n for n, r in enumerate(rows) if r[0] == HEAD)
    index = next(n for n, r in enumerate(rows) if r[0] == "甲")
    last = next(n for n, r in enumerate(rows) if str(r[0]).startswith("以下无数据"))
    numbers = [int(re.match(r"\d+", str(c))[0]) if re.match(r"\d", str(c)) else None for c in rows[index]]
    return rows[first:index], numbers, rows[index + 1 : last], rows[last:]


def texts(rows):
    return [str(c) for r in rows for c in r if isinstance(c, str)]


def test_one_workbook_for_the_city_and_one_per_district(books):
    assert [p.name for p in books] == [
        "500000_重庆市_四级参保台账.xlsx",
        "500101_万州区_四级参保台账.xlsx",
        "500102_涪陵区_四级参保台账.xlsx",
    ]
    assert {p.parent.name for p in books} == {"ledger"}
    assert sorted(p.name for p in books[0].parent.iterdir()) == [p.name for p in books]  # nothing else is left


def test_sheets_by_table_level_and_basis(books):
    city = openpyxl.load_workbook(books[0], read_only=True).sheetnames
    assert city[:2] == ["目录与说明", "市级一览"]
    assert city[2:8] == [f"表一_{lv}_{b}" for lv in ("区县", "乡镇", "村") for b in ("户籍", "常住")]
    district = openpyxl.load_workbook(books[1], read_only=True).sheetnames
    assert district[:6] == [
        "目录与说明",
        "区县一览",
        "表一_乡镇_户籍",
        "表一_乡镇_常住",
        "表一_村_户籍",
        "表一_村_常住",
    ]


@pytest.mark.parametrize(
    ("book", "level", "tab"), [(0, 2, "区县"), (0, 3, "乡镇"), (0, 4, "村"), (1, 3, "乡镇"), (1, 4, "村")]
)
@pytest.mark.parametrize(("basis", "short"), [("household", "户籍"), ("residence", "常住")])
def test_every_figure_is_the_ledgers(books, ledger, book, level, tab, basis, short):  # noqa: PLR0917
    layout = load_layout(ledger["measure"].unique().to_list())
    own = ["500000000000", "500101000000"][book]
    here = ledger.filter(
        (pl.col("basis") == basis) & ((pl.col("level") == level) | pl.col("division_code").str.ends_with("-"))
    )
    here = here.filter((pl.col("level") <= level) & (pl.col("level") > book + 1))
    if book:
        here = here.filter(pl.col("division_code").str.starts_with("500101"))
    expected = {(c, m): v for c, m, v in here.select("division_code", "measure", "value").iter_rows()}
    expected |= {
        (own, m): v
        for m, v in ledger.filter((pl.col("basis") == basis) & (pl.col("division_code") == own))
        .select("measure", "value")
        .iter_rows()
    }
    seen = set()
    for table in layout.tables:
        rows = cells(books[book], f"{table.tab}_{tab}_{short}")
        _, numbers, data, _ = table_of(rows)
        assert data[0][0] == own
        assert data[0][1] == "合计"
        by_number = {c.number: c for c in layout.columns}
        for row in data:
            assert isinstance(row[0], str)
            for number, value in zip(numbers, row, strict=True):
                if number is None:
                    continue
                column = by_number[number]
                if column.kind == "measure":
                    assert value == expected[row[0], column.key]
                    assert isinstance(value, int)
                    seen.add((row[0], column.key))
                else:
                    a, b = (expected[row[0], m] for m in column.operands)
                    if column.kind == "difference":
                        assert value == a - b
                    else:
                        assert value == (pytest.approx(100 * a / b, abs=0.005001) if b else "—")
    assert seen == set(expected)


def test_the_second_reader_sees_the_same(books):
    for path in books[1:]:
        reader = fastexcel.read_excel(path)
        names = [n for n in reader.sheet_names if n != "目录与说明"]
        for name in names[:3]:
            other = reader.load_sheet(name, header_row=None, dtypes="string").to_polars().rows()
            mine = cells(path, name)
            flat = [[("" if c is None else str(c)) for c in r] for r in mine]
            theirs = [["" if c is None else re.sub(r"\.0$", "", c) for c in r] for r in other]
            assert [[re.sub(r"\.0$", "", c) for c in r] for r in flat if any(r)] == [r for r in theirs if any(r)]


def test_what_an_office_expects_around_the_table(books):
    rows = cells(books[1], "表一_乡镇_户籍")
    head, numbers, data, tail = table_of(rows)
    said = texts(rows)
    assert rows[0][0] == "万州区2026年度基本医疗保险四级参保台账（乡镇（街道）级·户籍口径）"
    for line in (
        "填报单位（盖章）：万州区医疗保障局",
        "表　　号：参保台账1表",
        "口　　径：户籍口径",
        "数据截至：2026年1月15日",
        "计量单位：人、%",
        f"共{len(data) - 1}行（不含合计，其中未落地1行）",
        f"以下无数据，共{len(data) - 1}行",
        "√ 应参保人数＝已参保人数＋未参保人数",
        "√ 合计＝各行之和（含未落地）",
        "单位负责人：",
        "审核人：",
        "制表人：",
    ):
        assert line in said
    assert any(t.startswith("填报日期：") for t in said)
    assert any(t.startswith("说明：1.数据来源") for t in said)
    assert head[0][:2] == [HEAD, "乡镇（街道）"]
    assert "已参保人数" in head[0]
    assert numbers[2:] == list(range(1, 17))
    index = next(r for r in rows if r[0] == "甲")
    assert index[5].replace("\n", "") == "4=1−3=5+10"
    assert data[-1][:2] == ["500101000000-", "未落地"]
    assert tail[0][0] == f"以下无数据，共{len(data) - 1}行"


def test_sums_are_checked_down_to_the_villages(books):
    said = texts(cells(books[0], "表二_村_常住"))
    assert any(re.fullmatch(r"√ 各乡镇（街道）＝所属村（社区）之和＋未落地（逐一核对\d+个）", t) for t in said)
    assert not any(t.startswith("✗") for t in said)


def test_what_does_not_balance_is_said(ledger, tmp_path):
    wrong = ledger.with_columns(
        pl.when(
            (pl.col("division_code") == "500101001000")
            & (pl.col("measure") == "uninsured")
            & (pl.col("basis") == "household")
        )
        .then(pl.col("value") + 3)
        .otherwise(pl.col("value"))
        .alias("value")
    )
    _, district, other = write_ledger_workbooks(wrong, tmp_path, header=ReportHeader())
    town = texts(cells(district, "表一_乡镇_户籍"))
    assert "✗ 不平：应参保人数与（已参保人数＋未参保人数）相差-3人（高笋塘街道）" in town
    assert "✗ 不平：合计与各行之和（含未落地）不等，未参保人数相差-3人" in town
    village = texts(cells(district, "表一_村_户籍"))
    assert any(t.startswith("✗ 不平：高笋塘街道的未参保人数与所属村（社区）之和（含未落地）相差3人") for t in village)
    assert not any(t.startswith("✗") for t in texts(cells(district, "表一_乡镇_常住")))
    assert not any(t.startswith("✗") for t in texts(cells(other, "表一_乡镇_户籍")))


def test_a_measure_that_is_missing_takes_its_column_along(ledger, tmp_path):
    less = ledger.filter(~pl.col("measure").is_in(["excluded", "insured_elsewhere", "aid_should", "waiting_persons"]))
    books = write_ledger_workbooks(less, tmp_path, header=ReportHeader())
    rows = cells(books[1], "表一_乡镇_户籍")
    _, numbers, _, _ = table_of(rows)
    assert numbers[2:] == list(range(1, 15))
    index = [str(c).replace("\n", "") for c in next(r for r in rows if r[0] == "甲")]
    assert index[4] == "3=4+8"  # not 1−2: 排除 is gone
    assert index[5] == "4"  # a sum that lacks a part is not claimed
    assert "异地参保" not in texts(rows)
    assert "√ 应参保人数＝已参保人数＋未参保人数" in texts(rows)
    assert not any("√ 已参保人数＝" in t for t in texts(rows))
    groups = texts(cells(books[1], "表三_乡镇_户籍"))
    assert "救助对象" in groups
    assert groups.count("参保率（%）") == 2
    assert all(lint_workbook(p) == [] for p in books)


def test_a_dash_where_there_is_nobody_to_be_insured(ledger, tmp_path):
    none = ledger.with_columns(
        pl.when(pl.col("measure").is_in(["newborn_should", "newborn_insured"]))
        .then(0)
        .otherwise(pl.col("value"))
        .alias("value")
    )
    books = write_ledger_workbooks(none, tmp_path, header=ReportHeader())
    rows = cells(books[0], "表三_区县_户籍")
    _, numbers, data, _ = table_of(rows)
    layout = load_layout(none["measure"].unique().to_list())
    assert {r[numbers.index(layout.column("newborn_rate").number)] for r in data} == {"—"}


def test_print_set_up(books):
    book = openpyxl.load_workbook(books[1])
    sheet = book["表一_村_户籍"]
    assert sheet.page_setup.paperSize == 9
    assert sheet.page_setup.orientation == "landscape"
    assert sheet.sheet_properties.pageSetUpPr.fitToPage
    assert (sheet.page_setup.fitToWidth or 1, sheet.page_setup.fitToHeight) == (1, 0)
    top = next(c.row for c in sheet["A"] if c.value == HEAD)
    index = next(c.row for c in sheet["A"] if c.value == "甲")
    assert sheet.print_title_rows == f"${top}:${index}"
    assert sheet.freeze_panes == f"D{index + 2}"
    assert (
        sheet.print_area == f"'表一_村_户籍'!$A$1:${openpyxl.utils.get_column_letter(sheet.max_column)}${sheet.max_row}"
    )
    assert "第 &P 页 共 &N 页" in sheet.oddFooter.center.text or "&P" in sheet.oddFooter.center.text
    assert sheet.cell(index + 1, 4).number_format == "#,##0"
    assert sheet.cell(index + 1, sheet.max_column).number_format == "0.00"
    assert sheet.cell(1, 1).font.name == "黑体"


def test_title_font_header_and_stamps_are_settings(ledger, tmp_path):
    from canbao.reports.office import Fonts

    header = ReportHeader(
        district_unit="重庆市{area}医疗保障局",
        fonts=Fonts(title="方正小标宋简体"),
        version="a1b2c3",
        form_prefix="渝医台",
    )
    paths = write_ledger_workbooks(ledger, tmp_path, header=header, stamps=["数据质量：慎用"])
    book = openpyxl.load_workbook(paths[1])
    for sheet in book:
        said = [c.value for r in sheet.iter_rows() for c in r if isinstance(c.value, str)]
        assert "数据质量：慎用" in said
        assert "填报单位（盖章）：重庆市万州区医疗保障局" in said
        assert sheet["A1"].font.name == "方正小标宋简体"
        assert "a1b2c3" in sheet.oddFooter.right.text


def test_same_ledger_same_bytes_in_whatever_order(ledger, books, tmp_path):
    (tmp_path / "in").mkdir()
    ledger.sample(fraction=1, shuffle=True, seed=3).write_parquet(tmp_path / "in" / "ledger.parquet")
    told = []
    again = write_ledger_workbooks(
        tmp_path / "in" / "ledger.parquet", tmp_path, header=ReportHeader(), on_progress=told.append
    )
    assert told == [p.name for p in again]
    assert [hashlib.sha256(p.read_bytes()).digest() for p in again] == [
        hashlib.sha256(p.read_bytes()).digest() for p in books
    ]


def test_nothing_that_excel_or_wps_refuses(books):
    for path in books:
        assert lint_workbook(path) == []


def test_a_name_never_starts_a_formula(ledger, tmp_path):
    evil = {
        "500101001001": "=1+1",
        "500101001002": "＝cmd|'/c calc'!A1",
        "500101001003": "\t@SUM(A1)",
        "500101001004": "-万州<&>",
    }
    named = ledger.with_columns(
        pl.col("division_code").replace_strict(evil, default=pl.col("division_name")).alias("division_name")
    )
    district = write_ledger_workbooks(named, tmp_path, header=ReportHeader())[1]
    assert lint_workbook(district) == []
    sheet = openpyxl.load_workbook(district)["表一_村_户籍"]
    got = {r[0].value: r[2] for r in sheet.iter_rows() if r[0].value in evil}
    for code, cell in got.items():
        assert cell.value == evil[code]
        assert cell.data_type in {"s", "inlineStr"}
        assert cell.quotePrefix
    with zipfile.ZipFile(district) as archive:
        assert not any(b"<f>" in archive.read(n) for n in archive.namelist() if "worksheets" in n)
    assert len(got) == len(evil)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda f: f.clear(),
        lambda f: pl.concat([f, f.head(1)]),
        lambda f: pl.concat([f, f.head(1).with_columns(as_of=pl.lit(dt.date(2026, 1, 16)))]),
    ],
)
def test_a_table_that_is_no_ledger_is_refused(ledger, tmp_path, spoil):
    with pytest.raises(ValueError, match="ledger"):
        write_ledger_workbooks(spoil(ledger), tmp_path, header=ReportHeader())


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
@pytest.mark.slow
def test_libreoffice_opens_it(books, tmp_path):
    done = subprocess.run(
        [
            "soffice",
            f"-env:UserInstallation=file://{tmp_path}/profile",
            "--headless",
            "--convert-to",
            "pdf",
            "--outdir",
            tmp_path,
            books[1],
        ],
        capture_output=True,
        timeout=120,
        check=True,
    )
    assert (tmp_path / books[1].with_suffix(".pdf").name).stat().st_size > 50_000, done.stderr


def test_formulas_follow_the_basis_and_the_data():
    have = ["registered", "resident", "excluded", "out_of_scope", "should_be_insured", "insured", "uninsured"]
    layout = load_layout(have)
    due = layout.column("should_be_insured")
    every = [f for c in layout.columns for f in c.formulas]
    assert layout.in_words(due, "household", every) == "5=1−3=6+7"
    assert layout.in_words(due, "residence", every) == "5=2−3−4=6+7"
    assert layout.in_words(due, "residence", []) == "5=6+7"  # what the data do not fulfil is not claimed
    assert layout.in_words(layout.column("insured_rate"), "household", []) == "8=6÷5×100"
