"""Repair requests over several nights: asked once, answered, counted as known, closed, reopened."""

import copy
import itertools
import shutil
import subprocess
from datetime import date, timedelta
from pathlib import Path

import openpyxl
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from canbao import cli, nightly
from canbao.errors import UserError
from canbao.home import Home
from canbao.intake import load_definitions
from canbao.quality import repair
from canbao.quality.repair import book, rows, state
from canbao.quality.repair.rows import texts
from canbao.reports.lint import lint_workbook
from tests.story import Story

BRDY = "population.brdy_not_in_number"
WRONG = 4
FIRST, CODE, OUTCOME, NOTE = 5, 2, 10, 11  # first row of items (from 1) and columns of the workbook


class City:
    """A story whose population has wrong birth dates; its nights run without Great Expectations."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.home = Home(story.home)
        self.clean = story.frame("population")
        grown = self.clean.filter(pl.col("certno").str.len_chars() == 18, pl.col("certno").str.slice(6, 4) < "1990")
        self.wrong = grown["certno"].head(WRONG).to_list()

    def elsewhere(self, folder: Path) -> "City":
        """The same city in another folder."""
        moved = copy.copy(self.story)
        moved.landing, moved.home = folder / "landing", folder / "home"
        shutil.copytree(self.story.landing, moved.landing)
        shutil.copytree(self.story.home, moved.home, symlinks=True)
        return City(moved)

    def population(self, wrong: list[str], brdy: str = "1955-05-05") -> pl.DataFrame:
        new = pl.when(pl.col("certno").is_in(wrong)).then(pl.lit(brdy)).otherwise("brdy")
        return self.clean.with_columns(new.alias("brdy"))

    def night(self, wrong: list[str] | None = None, brdy: str = "1955-05-05") -> pl.DataFrame:
        """Today's delivery and night; returns the items of the measure."""
        if wrong is not None:
            self.story.deliver("population", self.population(wrong, brdy), stands=False)
        self.last = self.story.run(great_expectations=False)
        return pl.read_parquet(self.last.published / "repair_item.parquet").filter(measure_id=BRDY)

    def next_day(self, days: int = 1) -> None:
        self.story.day += timedelta(days=days)

    def issue(self, **options) -> list[Path]:
        made, _ = repair.issue(self.home.root, day=self.story.day, **options)
        return [self.home.root / "repair" / "requests" / name for one in made for name in one.files]

    def answer(self, path: Path, **options):
        (sheet,) = repair.answer([path], self.home.root, day=self.story.day, **options)
        return sheet

    def states(self) -> list[str]:
        return state.load(self.home).items["state"].to_list()


@pytest.fixture(scope="module", autouse=True)
def one_measure():
    """These nights ask about one measure only, so that the items are those that a test makes, and write no reports."""
    every = rows.sent_measures
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nightly, "_reports", lambda _: None)
        patch.setattr(rows, "sent_measures", lambda all_: [one for one in every(all_) if one.measure_id == BRDY])
        yield every


@pytest.fixture(scope="module")
def fresh_city(tmp_path_factory):
    return City(Story(tmp_path_factory.mktemp("fresh"), persons=300))


@pytest.fixture(scope="module")
def wrong_city(fresh_city, tmp_path_factory):
    city = fresh_city.elsewhere(tmp_path_factory.mktemp("wrong"))
    city.night(city.wrong)
    return city


@pytest.fixture(scope="module")
def asked_city(wrong_city, tmp_path_factory):
    city = wrong_city.elsewhere(tmp_path_factory.mktemp("asked"))
    city.issue()
    return city


@pytest.fixture
def city(fresh_city, tmp_path):
    """Before its first night."""
    return fresh_city.elsewhere(tmp_path)


@pytest.fixture
def unasked(wrong_city, tmp_path):
    """After the first night, before anybody is asked."""
    return wrong_city.elsewhere(tmp_path)


@pytest.fixture
def asked(asked_city, tmp_path):
    """After the first night, with its request."""
    city = asked_city.elsewhere(tmp_path)
    (path,) = (city.home.root / "repair" / "requests").iterdir()
    return city, path


def filled(path: Path, answers: dict[int, tuple[str, str]], target: Path) -> Path:
    """The workbook with answers in these items (from 0)."""
    read = openpyxl.load_workbook(path)
    sheet = read.active
    for item, (outcome, note) in answers.items():
        sheet.cell(FIRST + item, OUTCOME).value = outcome
        sheet.cell(FIRST + item, NOTE).value = note
    read.save(target)
    return target


def numbers(path: Path) -> list[str]:
    """Certificate numbers of the items, in their order."""
    sheet = openpyxl.load_workbook(path).active
    return [sheet.cell(FIRST + item, 7).value for item in range(WRONG)]


# ------------------------------------------------------------------------------------------------------------ asking


def test_a_department_is_asked_once_in_a_numbered_workbook(asked):
    city, path = asked
    assert path.name == "校核〔2026〕001号_公安.xlsx"
    assert path.stat().st_mode & 0o077 == 0 or path.parent.parent.parent.stat().st_mode & 0o077 == 0
    sheet = openpyxl.load_workbook(path)["校核申请"]
    top = " ".join(str(cell.value or "") for row in sheet.iter_rows(max_row=3) for cell in row)
    for text in (
        "数据校核申请",
        "填报单位（盖章）：公安",
        "申请编号：校核〔2026〕001号",
        "发出日期：2026年1月12日",
        "回复期限：2026年1月26日",
    ):
        assert text in top
    head = [cell.value for cell in sheet[FIRST - 1]]
    assert head == [
        "序号",
        "条目编号",
        "来源",
        "批次",
        "文件",
        "行号",
        "标识",
        "问题",
        "建议更正",
        "核实结果",
        "更正说明",
    ]
    assert sorted(numbers(path)) == sorted(city.wrong)
    assert sheet.cell(FIRST, 9).value == "请按户籍档案核对出生日期"
    assert "出生日期：1955-05-05" in sheet.cell(FIRST, 8).value
    assert sheet.cell(FIRST + WRONG, 1).value == f"以下无数据，共{WRONG}行"
    lines = (city.story.landing / "population" / "2026-01-12" / "part-1.csv").read_text().splitlines()
    for item in range(WRONG):
        assert sheet.cell(FIRST + item, 7).value in lines[sheet.cell(FIRST + item, 6).value - 1]
    assert city.issue() == [], "what is asked stays asked"
    assert repair.issue(city.home.root, day=city.story.day)[1][0].startswith("没有新的待校核条目")


def test_the_workbook_is_sound_and_offers_the_answers(asked):
    _, path = asked
    assert lint_workbook(path) == []
    read = openpyxl.load_workbook(path)
    assert read["选项"].sheet_state == "hidden"
    assert read.defined_names["outcome_list"].attr_text == "'选项'!$A$1:$A$3"
    assert [row[0].value for row in read["选项"].iter_rows()] == ["已核实", "已更正", "不予更正"]
    (rule,) = read["校核申请"].data_validations.dataValidation
    assert (str(rule.sqref), rule.formula1) == (f"J{FIRST}:J{FIRST + WRONG - 1}", "outcome_list")
    kinds = {
        cell.data_type for row in read["校核申请"].iter_rows(min_row=FIRST, max_row=FIRST + WRONG - 1) for cell in row
    }
    assert "f" not in kinds


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
@pytest.mark.slow
def test_libreoffice_opens_it_and_what_it_saves_is_read(asked, tmp_path):
    city, path = asked
    answered = filled(path, {0: ("已核实", "")}, tmp_path / "answer.xlsx")
    for kind, size in (("pdf", 20_000), ("csv:Text - txt - csv (StarCalc):44,34,76,1", 200), ("xlsx", 5_000)):
        folder = tmp_path / kind[:3]
        subprocess.run(
            ["soffice", f"-env:UserInstallation=file://{tmp_path}/profile", "--headless", "--convert-to", kind, "--outdir", folder, answered],
            capture_output=True, timeout=120, check=True,
        )  # fmt: skip
        (made,) = folder.iterdir()
        assert made.stat().st_size > size
        if made.suffix != ".pdf":
            sheet = city.answer(made)
            assert (sheet.accepted + sheet.same, sheet.blank, sheet.refused) == (1, WRONG - 1, 0), sheet.lines


def test_the_same_content_gives_the_same_bytes(asked, tmp_path):
    city, path = asked
    (request,) = state.load(city.home).requests
    rows = pl.read_parquet(city.home.current / "repair_item.parquet").filter(department="公安")
    rows = rows.sort("measure_id", "delivery", "file", "line").with_columns(
        pl.int_range(1, pl.len() + 1, dtype=pl.Int32).alias("serial"), pl.lit("").alias("again")
    )
    words = {**texts(), "choices": ["已核实", "已更正", "不予更正"]}
    (again,) = book.write(rows, request, tmp_path, prefix="", words=words, definitions=load_definitions())
    assert again.read_bytes() == path.read_bytes()
    two = book.write(rows, request, tmp_path, prefix="", words=words, definitions=load_definitions(), limit=3)
    assert [one.name for one in two] == ["校核〔2026〕001号_公安_第1部分.xlsx", "校核〔2026〕001号_公安_第2部分.xlsx"]
    assert openpyxl.load_workbook(two[1]).active.cell(FIRST, CODE).value == state.item_code(2026, 1, 4)


def test_rejected_rows_are_asked_about_with_their_text(city):
    bad = city.clean.with_columns(
        pl.when(pl.int_range(pl.len()) == 3).then(pl.lit("5.00103E+17")).otherwise("certno").alias("certno")
    )
    bad = pl.concat([bad, bad.head(1).with_columns(pl.lit("合计").alias("certno"))])
    city.story.deliver("population", bad, stands=False)
    city.night()
    (path,) = city.issue()
    sheet = openpyxl.load_workbook(path).active
    assert sheet.cell(FIRST + 1, 1).value == "以下无数据，共1行", "a total row is nobody's work"
    assert sheet.cell(FIRST, 6).value == 5
    assert sheet.cell(FIRST, 7).value.startswith("5.00103E+17, 01, ")
    assert "电子表格" in sheet.cell(FIRST, 8).value
    city.next_day()
    city.story.deliver("population", bad, stands=False)  # the same row again is the same item
    city.night()
    assert city.issue() == []
    city.next_day()
    city.story.deliver("population", city.clean, stands=False)
    city.night()
    assert city.states() == ["repaired"]


def test_numbers_go_on_within_the_year_and_begin_anew_with_the_next(city):
    city.night(city.wrong[:1])
    assert [path.name for path in city.issue()] == ["校核〔2026〕001号_公安.xlsx"]
    city.next_day()
    city.night(city.wrong[:2])
    assert [path.name for path in city.issue()] == ["校核〔2026〕002号_公安.xlsx"]
    city.night(city.wrong[:3])
    city.story.day = date(2027, 1, 4)
    assert [path.name for path in city.issue(department="公安", due=date(2027, 2, 1))] == [
        "校核〔2027〕001号_公安.xlsx"
    ]


def test_what_cannot_be_asked_is_said(fresh_city, unasked, tmp_path):
    city = fresh_city.elsewhere(tmp_path / "fresh")
    with pytest.raises(UserError, match="还没有可供校核的发布内容"):
        repair.issue(city.home.root)
    with pytest.raises(UserError, match="尚未发出过校核申请"):
        repair.answer([Path(__file__).with_suffix(".py")][:0], city.home.root)
    city = unasked
    with pytest.raises(UserError, match="没有名为“公检”的报送部门"):
        city.issue(department="公检")
    with pytest.raises(UserError, match="早于发出日期"):
        city.issue(due=city.story.day - timedelta(days=1))
    assert repair.listing(city.home.root) == ["没有发出过校核申请。"]


def test_each_department_gets_its_own(city, one_measure, monkeypatch):
    monkeypatch.setattr(rows, "sent_measures", one_measure)
    night = city.story.run(great_expectations=False)
    items = pl.read_parquet(night.published / "repair_item.parquet")
    known = {one.measure_id: one for one in night.catalogue}
    for measure_id, department, problem, suggestion in items.select(
        "measure_id", "department", "problem", "suggestion"
    ).iter_rows():
        one = known[measure_id]
        assert (one.department, one.title, one.suggestion) == (department, problem, suggestion)
        assert one.suggestion
    assert items["item_id"].is_unique().all()
    counted = pl.read_parquet(night.published / "measure.parquet").filter(division_code="")
    wrong = {
        name: rows
        for name, rows in counted.select("measure_id", "numerator").iter_rows()
        if name in set(items["measure_id"])
    }
    assert dict(items["measure_id"].value_counts().iter_rows()) == wrong, "an item for every wrong row that was counted"
    made, _ = repair.issue(city.home.root, day=city.story.day)
    assert [(one.department, one.number) for one in made] == [
        (name, number) for number, name in enumerate(sorted(set(items["department"])), 1)
    ]
    for one in made:
        path = city.home.root / "repair" / "requests" / one.files[0]
        assert lint_workbook(path) == []
        assert one.items == items.filter(department=one.department).height


def test_a_command_that_was_broken_off_leaves_no_half_request(asked, monkeypatch):
    city, path = asked
    folder = path.parent
    path.rename(folder / f".tmp-{path.name}")  # broken off after the state was written
    (folder / ".tmp-校核〔2026〕009号_公安.xlsx").write_bytes(b"PK")  # and before it
    assert city.issue() == []
    assert [one.name for one in folder.iterdir()] == [path.name]


# ---------------------------------------------------------------------------------------------------------- answering


def test_answers_over_the_nights(asked, tmp_path):
    city, path = asked
    confirmed, corrected, refused, silent = numbers(path)
    city.next_day()
    sheet = city.answer(
        filled(
            path,
            {0: ("已核实", ""), 1: ("已更正", "已改"), 2: ("不予更正", "档案如此，号码 500191195001010000")},
            tmp_path / "a.xlsx",
        )
    )
    assert (sheet.accepted, sheet.blank, sheet.refused) == (3, 1, 0)
    before = state.load(city.home)
    assert before.items["state"].to_list() == ["confirmed", "corrected", "refused", "open"]
    assert before.items["note"].to_list() == ["", "已改", "档案如此，号码 5001***", None]
    again = city.answer(tmp_path / "a.xlsx")
    assert (again.accepted, again.same) == (0, 3)
    assert "已收过同一文件" in again.lines[0]
    assert state.load(city.home).answers == before.answers
    assert state.load(city.home).items.equals(before.items)

    # The same delivery, still wrong: known rows are counted, nothing is asked again, nothing reopens.
    items = city.night()
    assert dict(zip(items["key_text"], items["known"], strict=True)) == {
        confirmed: True, corrected: False, refused: True, silent: False,
    }  # fmt: skip
    assert city.states() == ["confirmed", "corrected", "refused", "open"]
    assert city.issue() == []
    (check,) = (one for one in city.last.checks if one.check_id == BRDY)
    assert (check.numerator, check.known) == (WRONG, 2)

    # A delivery newer than the answer: the corrected one is wrong again, the silent one is repaired.
    city.next_day()
    city.night([confirmed, corrected, refused])
    assert city.states() == ["confirmed", "reopened", "refused", "repaired"]
    assert [one.answered for one in repair.open_requests(city.home, city.story.day)] == []
    (second,) = city.issue()
    read = openpyxl.load_workbook(second).active
    assert read.cell(FIRST, 7).value == corrected
    assert read.cell(FIRST, 8).value.startswith("【再次出现】")
    late = city.answer(filled(path, {1: ("已核实", "")}, tmp_path / "late.xlsx"))
    assert late.refused == 1
    assert "已在 校核〔2026〕002号 中再次发出" in late.lines[1]

    # Repaired at last; what was repaired before and comes again is asked again; what was confirmed changes.
    city.next_day()
    city.night([confirmed, refused, silent])
    assert city.states() == ["confirmed", "reopened", "refused", "reopened", "repaired"]
    city.next_day()
    city.night([confirmed, refused, silent], brdy="1956-06-06")
    assert city.states() == ["reopened", "reopened", "reopened", "reopened", "repaired"]
    (third,) = city.issue()
    marks = sorted(openpyxl.load_workbook(third).active.cell(FIRST + n, 8).value[:6] for n in range(3))
    assert marks == ["【内容有变】", "【内容有变】", "【再次出现】"]


def test_known_rows_are_counted_and_not_shouted(city, tmp_path):
    everybody = city.clean.filter(pl.col("certno").str.len_chars() == 18)["certno"].to_list()
    city.night(everybody)
    (check,) = (one for one in city.last.checks if one.check_id == BRDY)
    assert (check.passed, check.known) == (False, 0)
    (path,) = city.issue()
    asked = state.load(city.home).requests[0].items
    assert asked == check.numerator
    city.answer(filled(path, dict.fromkeys(range(asked), ("已核实", "")), tmp_path / "a.xlsx"))
    city.night()
    (check,) = (one for one in city.last.checks if one.check_id == BRDY)
    assert (check.passed, check.numerator, check.known) == (True, asked, asked)


def test_a_confirmed_row_that_was_gone_for_a_while_is_not_asked_about_again(asked, tmp_path):
    city, path = asked
    city.answer(filled(path, dict.fromkeys(range(WRONG), ("已核实", "")), tmp_path / "a.xlsx"))
    city.next_day()
    city.night([])
    assert set(city.states()) == {"repaired"}
    city.next_day()
    assert city.night(city.wrong)["known"].all()
    assert set(city.states()) == {"confirmed"}
    assert city.issue() == []


def test_a_night_that_does_not_become_current_or_lacks_the_source_changes_nothing(asked, tmp_path):
    city, _ = asked
    today = city.story.day
    city.story.day = today - timedelta(days=3)
    for source in ("population", "enrollment", "enrollment_elsewhere", "division"):
        city.story.deliver(source, city.story.frame(source), stands=False)
    city.night([])
    assert set(city.states()) == {"open"}, "an earlier day says nothing about now"
    city.story.day = today
    found = pl.DataFrame(schema={"item_id": pl.String, "delivery": pl.Date, "content": pl.String})
    kept = state.load(city.home)
    as_of = today + timedelta(days=1)
    assert state.settled(kept, found, set(), {BRDY}, as_of).equals(kept.items)
    assert set(state.settled(kept, found, set(), set(), as_of)["state"]) == {"withdrawn"}


def test_overdue_requests_are_told(asked, tmp_path):
    city, path = asked
    (one,) = repair.open_requests(city.home, date(2026, 1, 26))
    assert (one.department, one.number, one.sent, one.due) == (
        "公安",
        "校核〔2026〕001号",
        date(2026, 1, 12),
        date(2026, 1, 26),
    )
    assert (one.items, one.answered, one.overdue) == (WRONG, 0, False)
    city.answer(filled(path, {0: ("已更正", "")}, tmp_path / "a.xlsx"))
    (one,) = repair.open_requests(city.home, date(2026, 1, 27))
    assert (one.answered, one.waiting, one.overdue) == (1, 1, True)
    lines = repair.listing(city.home.root, date(2026, 1, 27))
    assert lines[0].startswith("[已逾期] 校核〔2026〕001号　公安")
    city.answer(filled(path, dict.fromkeys(range(WRONG), ("已核实", "")), tmp_path / "b.xlsx"))
    assert repair.open_requests(city.home, date(2026, 1, 27)) == []
    assert repair.listing(city.home.root, date(2026, 1, 27))[0] == f"已办结 1 份，共 {WRONG} 条。"


def sheet_of(path: Path) -> list[list[str]]:
    """The item rows of a workbook as texts."""
    sheet = openpyxl.load_workbook(path).active
    return [[str(cell.value or "") for cell in sheet[FIRST + item]] for item in range(WRONG)]


def as_csv(rows: list[list[str]], head: str, target: Path, encoding: str = "gb18030") -> Path:
    target.write_bytes("\r\n".join([head, *(",".join(row) for row in rows)]).encode(encoding))
    return target


def test_order_columns_names_and_kind_of_file_do_not_matter(asked, tmp_path):
    city, path = asked
    rows = sheet_of(path)
    moved = [["备注一", " 已核实 ", row[CODE - 1].lower().replace("-", "－"), "x"] for row in reversed(rows)]
    sheet = city.answer(as_csv(moved, "备注,核实情况,条目 编号,更正说明", tmp_path / "a.csv"))
    assert (sheet.accepted, sheet.refused) == (WRONG, 0), sheet.lines


def test_a_broken_answer_comes_back_with_line_and_reason(asked, tmp_path):
    city, path = asked
    codes = [row[CODE - 1] for row in sheet_of(path)]
    wrong_letter = codes[0][:-1] + ("A" if codes[0][-1] != "A" else "B")
    foreign = state.item_code(2026, 7, 1)
    beyond = state.item_code(2026, 1, WRONG + 1)
    answers = [
        (codes[0], "已核实", ""),
        (wrong_letter, "已核实", ""),
        (foreign, "已核实", ""),
        (beyond, "已核实", ""),
        (codes[1], "不予更正", ""),
        (codes[1], "大概", ""),
        (codes[2], "已核实", "甲"),
        (codes[2], "已更正", "乙"),
        ("", "已核实", ""),
        (codes[3], "", "只有说明"),
        (codes[3], "已核实", "=1+1"),
        ("26001-00001", "已核实", ""),
    ]
    sheet = city.answer(as_csv([list(row) for row in answers], "条目编号,核实结果,更正说明", tmp_path / "a.csv"))
    assert (sheet.accepted, sheet.refused, sheet.unread) == (1, 11, False)
    place = next((city.home.root / "repair" / "refused").iterdir())
    back = pl.read_csv(place, infer_schema=False)
    assert back.columns == ["行号", "条目编号", "核实结果", "更正说明", "退回原因"]
    reasons = dict(back.select(pl.col("行号").cast(pl.Int64), "退回原因").iter_rows())
    expected = {
        3: "校验字母不符", 4: "不是本单位发出", 5: "不是本单位发出", 6: "写明理由", 7: "不认识", 8: "多次且答复不一致",
        9: "多次且答复不一致", 10: "没有条目编号", 11: "没有填核实结果", 12: "含公式", 13: "校验字母不符",
    }  # fmt: skip
    assert {line: reason for line, reason in reasons.items() if expected[line] not in reason} == {}
    assert set(reasons) == set(expected)
    assert sheet.lines[1].startswith("  第 3 行：")
    assert city.states() == ["confirmed", "open", "open", "open"], "nothing else is lost or taken"


def test_formulas_in_a_workbook_are_refused(asked, tmp_path):
    city, path = asked
    sheet = city.answer(filled(path, {0: ("已核实", ""), 1: ('="已核实"', "")}, tmp_path / "a.xlsx"))
    assert (sheet.accepted, sheet.refused) == (1, 1)
    assert "含公式" in sheet.lines[1]
    assert sheet.lines[1].startswith(f"  第 {FIRST + 1} 行")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "空"),
        ("条目编号,更正说明\r\n".encode(), "缺少必需的列：核实结果"),
        ("条目编号,核实结果,核实情况\r\n1,2,3\r\n".encode(), "多列是同一项"),
        (b"PK\x03\x04", ""),
    ],
)
def test_a_file_that_cannot_be_used_is_said_and_changes_nothing(asked, tmp_path, capsys, content, said):
    city, _ = asked
    path = tmp_path / ("a.xlsx" if content.startswith(b"PK") else "a.csv")
    path.write_bytes(content)
    assert cli.main(["repair", "answer", str(path), "--home", str(city.home.root)]) == 1
    out = capsys.readouterr().out
    assert "未采用" in out
    assert said in out
    assert state.load(city.home).answers == []
    assert not list((city.home.root / "repair").glob(".reading-*"))


def test_items_of_another_department_are_refused_where_one_is_named(asked, tmp_path):
    city, path = asked
    with pytest.raises(UserError, match="没有向“教育”发出过"):
        city.answer(path, department="教育")
    kept = state.load(city.home)
    kept.requests[0].department = "教育"
    state.save(city.home, kept)
    sheet = city.answer(filled(path, {0: ("已核实", "")}, tmp_path / "a.xlsx"), department="教育")
    assert sheet.accepted == 1
    kept.requests.append(state.Issued(2026, 2, "公安", "2026-01-12", "2026-01-26", 1, "x"))
    state.save(city.home, kept)
    sheet = city.answer(filled(path, {1: ("已核实", "")}, tmp_path / "b.xlsx"), department="公安")
    assert (sheet.refused, sheet.blank) == (1, 3)  # blank rows are unanswered, whoever sends them
    assert "不能由“公安”答复" in sheet.lines[1]


def test_the_command(unasked, tmp_path, capsys):
    city = unasked
    home = ["--home", str(city.home.root), "--as-of", "2026-01-12"]
    assert cli.main(["repair", "list", *home]) == 0
    assert cli.main(["repair", "issue", "--due", "2026-02-02", *home]) == 0
    out = capsys.readouterr().out
    assert "校核〔2026〕001号　公安：4 条，请于 2026-02-02 前回复。" in out
    (path,) = (city.home.root / "repair" / "requests").iterdir()
    answered = filled(path, {0: ("已核实", "")}, tmp_path / "a.xlsx")
    assert cli.main(["repair", "answer", str(answered), *home]) == 0
    assert cli.main(["repair", "list", *home, "--department", "公安"]) == 0
    out = capsys.readouterr().out
    assert "采用 1 条，未填 3 条，退回 0 行" in out
    assert "[待回复] 校核〔2026〕001号" in out
    assert cli.main(["repair", "answer", *home]) == 2
    assert cli.main(["repair", "issue", str(answered), *home]) == 2
    assert cli.main(["repair", "list", "--due", "2026-02-02", *home]) == 2
    assert cli.main(["repair", "answer", str(tmp_path / "no.xlsx"), *home]) == 2
    assert cli.main(["repair", "answer", str(Path(__file__)), *home]) == 2


def test_the_state_names_no_person(asked, tmp_path):
    city, path = asked
    city.answer(filled(path, {0: ("不予更正", f"号码 {city.wrong[0]} 无误")}, tmp_path / "a.xlsx"))
    kept = (city.home.root / "repair" / "state.parquet").read_bytes() + str(state.load(city.home)).encode()
    names = city.clean.filter(pl.col("certno").is_in(city.wrong))["psn_name"].to_list()
    for text in (*city.wrong, *names):
        assert text.encode() not in kept
    assert (city.home.root / "repair" / "state.parquet").stat().st_mode & 0o077 == 0


def test_a_damaged_state_withholds_no_ledger(asked):
    city, _ = asked
    (city.home.root / "repair" / "state.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match="已损坏"):
        repair.listing(city.home.root)
    city.next_day()
    city.night()
    assert city.home.current.resolve().parent.name == city.story.day.isoformat()


# ------------------------------------------------------------------------------------------------------- codes, days


@given(st.integers(2024, 2099), st.integers(1, 99_999), st.integers(1, 3_000_000), st.data())
def test_a_code_is_read_however_it_is_typed_and_not_when_it_is_wrong(year, number, serial, data):
    code = state.item_code(year, number, serial)
    assert state.read_code(code) == (year, number, serial)
    assert state.read_code(f" '{code.lower().replace('-', '—')}　") == (year, number, serial)
    digits = [place for place, sign in enumerate(code) if sign.isdigit()]
    place = data.draw(st.sampled_from(digits))
    other = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != code[place]]))
    assert state.read_code(code[:place] + other + code[place + 1 :]) is None
    first, second = data.draw(st.sampled_from(list(itertools.pairwise(digits))))
    if code[first] != code[second]:
        swapped = list(code)
        swapped[first], swapped[second] = code[second], code[first]
        assert state.read_code("".join(swapped)) is None


def test_working_days():
    monday = date(2026, 1, 12)
    assert state.due_after(monday, 10) == date(2026, 1, 26)
    assert state.due_after(date(2026, 1, 16), 1) == date(2026, 1, 19)
    assert state.due_after(date(2026, 1, 16), 1, holidays=[date(2026, 1, 19)]) == date(2026, 1, 20)
    assert state.due_after(date(2026, 1, 16), 1, workdays=[date(2026, 1, 17)]) == date(2026, 1, 17)


def test_due_days_and_holidays_are_settings(unasked):
    city = unasked
    city.home.settings_file.write_text("[repair]\ndue_days = 1\nholidays = [2026-01-13]\n")
    (made,), _ = repair.issue(city.home.root, day=city.story.day)
    assert made.due == "2026-01-14"
