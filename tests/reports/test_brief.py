"""The 简报: every number in the finished text and Word file is tied back to a cell; no free number."""

import datetime as dt
import re
import zipfile
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import docx
import polars as pl
import pytest
from docx.oxml.ns import qn
from docx.shared import Mm, Pt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.in_process import built

from canbao.errors import UserError
from canbao.gates import Check
from canbao.reports import release_lines, verdict_line, write_brief
from canbao.reports.brief import Line, load_definition

SAMPLES = Path(__file__).parents[2] / "data_samples" / "landing"
NUMBER = re.compile(r"\d(?:[\d,.]*\d)?")
CITY, DISTRICTS = "500000000000", ("500101000000", "500102000000", "500103000000")
AS_OF, PREVIOUS = dt.date(2026, 3, 31), dt.date(2026, 3, 30)
MEASURES = """
    registered resident should_be_insured insured insured_staff insured_resident insured_elsewhere attached_newborn
    uninsured uninsured_never uninsured_lapsed uninsured_stopped uninsured_unpaid separated_uninsured
    insured_last_year target_persons duplicate_persons waiting_persons aid_should aid_insured newborn_should
    newborn_insured student_should student_insured dispatched feedback_received
""".split()  # noqa: SIM905
CAUSES = ("payment", "feedback", "source_data", "birth", "death", "move", "division_change", "rule_change")
CAUSE_WORDS = ("缴费", "核实反馈", "来源数据变动", "出生", "死亡", "迁移", "区划调整", "规则或程序调整")
SOURCES = ("population", "enrollment", "target", "student", "aid_recipient", "grid_feedback")


def write_tables(
    folder, values, *, bridge=None, evaluation=None, verdict=None, sources=SOURCES, districts=DISTRICTS
) -> None:
    """Tables as published; `values(basis, division, measure)` gives a cell, None leaves it out."""
    folder.mkdir(parents=True, exist_ok=True)
    places = [(CITY, 1, "测试市"), *((code, 2, f"第{'一二三四'[n]}区") for n, code in enumerate(districts))]
    cells = [
        (2026, AS_OF, basis, level, code, name, measure, values(basis, code, measure))
        for basis in ("household", "residence")
        for code, level, name in places
        for measure in MEASURES
    ]
    schema = ["insu_year", "as_of", "basis", "level", "division_code", "division_name", "measure", "value"]
    lost = (2026, AS_OF, "household", 2, f"{CITY}-", "测试市（未落地）", "insured", 77_777_777)
    frame = pl.DataFrame([*(c for c in cells if c[-1] is not None), lost], schema=schema, orient="row")
    frame.write_parquet(folder / "ledger.parquet")
    pl.DataFrame({"source": list(sources), "state": ["accepted"] * len(sources)}).write_parquet(
        folder / "load_file.parquet"
    )
    if bridge is not None:
        pl.DataFrame(
            bridge, schema=["basis", "division_code", "measure", "cause", "delta"], orient="row"
        ).write_parquet(folder / "bridge.parquet")
    if evaluation is not None:
        pl.DataFrame(
            evaluation, schema=["division_code", "measure", "numerator", "denominator", "value"], orient="row"
        ).write_parquet(folder / "evaluation.parquet")
    if verdict is not None:
        schema = {
            "product": pl.String, "title": pl.String, "verdict": pl.String, "check_ids": pl.List(pl.String),
            "reason": pl.String,
        }  # fmt: skip
        pl.DataFrame(verdict, schema=schema, orient="row").write_parquet(folder / "verdict.parquet")


class Oracle:
    """What each tie must say, read from the tables again in another way."""

    def __init__(self, folder: Path, given: dict[str, str]) -> None:
        self.given = given
        self.tables: dict[str, dict[tuple[str, ...], dict]] = {}
        for table, keys in {
            "ledger": ("basis", "division_code", "measure"),
            "bridge": ("basis", "division_code", "measure", "cause"),
            "evaluation": ("division_code", "measure"),
            "verdict": ("product",),
        }.items():
            file = folder / f"{table}.parquet"
            rows = pl.read_parquet(file).to_dicts() if file.exists() else []
            rows = [row for row in rows if row.get("level", 1) <= 2]
            self.tables[table] = {tuple(row[key] for key in keys): row for row in rows}

    def cell(self, key: str):
        table, *parts = key.split(":")
        if table == "bridge" and len(parts) == 5:
            row = self.tables[table][tuple(parts[:-1])]
            assert row["added"] - row["removed"] == row["delta"]
            return {"added": row["added"], "removed": -row["removed"]}[parts[-1]]
        if table in {"ledger", "bridge"}:
            return self.tables[table][tuple(parts)]["value" if table == "ledger" else "delta"]
        return self.tables[table][tuple(parts[:-1])][parts[-1]]

    def districts(self) -> list[str]:
        rows = self.tables["ledger"].items()
        return sorted({code for (_, code, _), row in rows if row["level"] == 2 and code[-1] != "-"})

    def of_household(self, code: str, measure: str) -> int:
        return self.tables["ledger"]["household", code, measure]["value"]

    def low(self) -> list[str]:
        pairs = [
            (c, self.of_household(c, "insured"), self.of_household(c, "should_be_insured")) for c in self.districts()
        ]
        return [code for code, insured, should in pairs if should and Decimal(insured) / should < Decimal("0.95")]

    def text(self, tie) -> str:
        if tie.kind == "given":
            (key,) = tie.cells
            return self.given[key.removeprefix("given:")]
        if tie.kind == "name":
            return next(r["division_name"] for (_, code, _), r in self.tables["ledger"].items() if code == tie.cells[0])
        if tie.kind == "count":
            wanted = {
                "divisions": self.districts(),
                "low_count": self.low(),
                "empty_count": [c for c in self.districts() if not self.of_household(c, "should_be_insured")],
            }[tie.name]
            assert sorted(tie.cells) == wanted
            return str(len(wanted))
        values = [self.cell(key) for key in tie.cells]
        if tie.kind == "rate":
            a, b = values
            return f"{(Decimal(a) * 100 / b).quantize(Decimal('.01'), ROUND_HALF_UP):,}%" if b else "—"
        if tie.kind == "quoted":
            return values[0].rstrip("。；")
        number = {"cell": values[0], "gap": values[0] - values[-1], "change": sum(values)}[tie.kind]
        return f"{abs(number):,}"

    def judge(self, line: Line) -> None:
        for tie in line.ties:
            assert line.text[tie.start : tie.end] == tie.text
            moves = tie.kind == "change" or tie.name == "year_growth"
            if moves:
                values = [self.cell(key) for key in tie.cells]
                number = sum(values) if tie.kind == "change" else values[0] - values[1]
                if not number:
                    assert tie.text == "持平"
                    continue
                assert line.text[: tie.start].endswith("增加" if number > 0 else "减少")
            assert tie.text == self.text(tie), tie


def read_back(out: Path) -> tuple[list[str], list[str]]:
    """The finished lines: of the text, and of the Word file."""
    raw = (out / "brief.txt").read_bytes().decode("utf-8")
    text = [line.strip("　") for line in raw.split("\r\n") if line]
    paper = docx.Document(str(out / "brief.docx"))
    words = [part for p in paper.paragraphs for part in p.text.split("\t")]
    return text, words


def judge(folder: Path, out: Path, briefs: dict[str, list[Line]], given: dict[str, str]) -> None:
    oracle = Oracle(folder, given)
    text, words = read_back(out)
    assert text == words == [line.text for line in briefs[CITY]]
    for code, lines in briefs.items():
        area = next(r["division_name"] for (_, c, _), r in oracle.tables["ledger"].items() if c == code)
        oracle.given = {**given, "area": area, "unit": f"{area}医疗保障局"}
        finished = text
        if code != CITY:
            raw = (out / "brief" / f"{code[:6]}.txt").read_text("utf-8")
            finished = [line.strip("　") for line in raw.split("\n") if line.strip()]
        assert len(finished) == len(lines)
        for said, line in zip(finished, lines, strict=True):
            assert said == line.text
            oracle.judge(line)
            for number in NUMBER.finditer(said):
                owners = [t for t in line.ties if t.start <= number.start() and number.end() <= t.end]
                assert len(owners) == 1, f"a free number {number[0]} in: {said}"
            assert not [c for c in said if c.isdigit() and not c.isascii()]
            assert "{" not in said


def given_words(**more: str) -> dict[str, str]:
    threshold = load_definition().raw["threshold"]["insured_rate"]
    return {
        "year": "2026", "as_of": "2026年3月31日", "previous": "2026年3月30日", "version": "20260401T180000Z-0a1b2c3d",
        "dash": "—", "threshold.insured_rate.percent": f"{threshold['percent']}%",
        "threshold.insured_rate.source": threshold["source"], **more,
    }  # fmt: skip


PERSONS = st.one_of(st.just(0), st.integers(0, 40), st.integers(0, 40_000_000))
RANDOM = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@RANDOM
@given(data=st.data())
def test_every_number_of_a_random_night_is_a_cell(data, tmp_path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    for stale in (*folder.glob("*"), *out.glob("*.*")):
        stale.unlink()
    seen = data.draw(st.lists(PERSONS, min_size=8, max_size=8))
    missing = data.draw(st.sets(st.sampled_from(MEASURES), max_size=2))
    random = data.draw(st.randoms(use_true_random=False))
    bridge = [
        (basis, code, measure, cause, random.choice([0, 0, 3, -3, random.randint(-9_000, 9_000)]))
        for basis in ("household", "residence")
        for code in (CITY, *DISTRICTS)
        for measure in ("should_be_insured", "insured", "uninsured")
        for cause in CAUSES
    ]
    evaluation = [
        (code, measure, random.choice(seen), 5, 0.5)
        for code in (CITY, *DISTRICTS)
        for measure in ("dead_but_normal", "bad_number_rate")
    ]
    verdict = [
        (product, title, state, ["x.y"], "" if state == "usable" else "3 项提醒未通过：2026 年的批次")
        for product, title, state in zip(
            ("ledger", "duplicate", "aid"),
            ("台账", "重复参保", "救助"),
            data.draw(st.tuples(*[st.sampled_from(["usable", "caution", "unusable"])] * 3)),
            strict=True,
        )
    ]
    write_tables(
        folder,
        lambda *key: None if key[2] in missing and "insured" not in key[2] else random.choice(seen),
        bridge=data.draw(st.sampled_from([bridge, None])),
        evaluation=data.draw(st.sampled_from([evaluation, None])),
        verdict=data.draw(st.sampled_from([verdict, None])),
        sources=data.draw(st.sets(st.sampled_from(SOURCES), min_size=1)),
    )
    words = given_words(released="本次放行检查 row_fall.student（甲、乙）：17 所学校停办")
    briefs = write_brief(folder, out, previous=PREVIOUS, released=[words["released"]], version=words["version"])
    judge(folder, out, briefs, words)


def test_every_number_of_the_samples_is_a_cell(tmp_path) -> None:
    folder, out = tmp_path / "tables", tmp_path / "reports"
    folder.mkdir()
    with built(SAMPLES, tmp_path, AS_OF, tables=["ledger", "evaluation"]) as night:
        for table in ("ledger", "evaluation"):
            night.warehouse.con.execute(f"COPY {table} TO '{folder / table}.parquet'")
    words = given_words()
    briefs = write_brief(folder, out, version=words["version"])
    judge(folder, out, briefs, words)
    assert len(briefs) == 39
    said = "".join(line.text for line in briefs[CITY])
    ledger = Oracle(folder, {}).tables["ledger"]
    for basis, word in (("household", "户籍口径应参保"), ("residence", "常住口径应参保")):
        assert f"{word}{ledger[basis, CITY, 'should_be_insured']['value']:,}人" in said


# ------------------------------------------------------------------------------------------- what is said, and when


def steady(basis: str, code: str, measure: str) -> int:
    """A night of round figures: 第一区 94.99 %, 第二区 exactly 95 %, 第三区 with nobody."""
    if code == DISTRICTS[2]:
        return 0
    figures = {
        "should_be_insured": 10_000,
        "insured": 9_499 if code == DISTRICTS[0] else 9_500,
        "target_persons": 9_600,
    }
    if measure == "dispatched":
        return 0
    return figures.get(measure, 120)


def said_by(folder: Path, tmp_path: Path, **more) -> str:
    briefs = write_brief(folder, tmp_path / "out", **more)
    return "\n".join(line.text for line in briefs[CITY])


def test_the_first_night_speaks_of_nothing_that_it_does_not_have(tmp_path) -> None:
    write_tables(tmp_path / "in", steady, sources=("population", "enrollment"))
    said = said_by(tmp_path / "in", tmp_path)
    for word in ("与上次发布相比", "计划", "救助", "学生", "反馈", "放行", "死亡人员", "None", "人，人"):
        assert word not in said
    assert "本期数据可用性未评定。" in said
    assert [line for line in said.split("\n") if line[1:2] == "、"] == [
        "一、总体情况", "二、未参保情况", "三、重点人群和重点问题", "四、数据可用性", "五、统计口径",
    ]  # fmt: skip


def test_a_district_whose_people_are_missing_has_no_figures(tmp_path) -> None:
    write_tables(tmp_path / "in", steady)
    rows = [("household", DISTRICTS[2], "should_be_insured", c, -500 * (c == "source_data"), 500, 0) for c in CAUSES]
    schema = ["basis", "division_code", "measure", "cause", "delta", "previous", "value"]
    pl.DataFrame(rows, schema=schema, orient="row").write_parquet(tmp_path / "in" / "bridge.parquet")
    briefs = write_brief(tmp_path / "in", tmp_path / "out", released=["本次放行检查 a.b（张三、李四）：已核实"])
    said = [line.text for line in briefs[CITY]]
    assert said[3] == "数据慎用：本次放行检查 a.b（张三、李四）：已核实。"
    assert said[4] == "第三区数据缺失，不作统计；全市数字不含其人员。"
    own = [line for line in briefs[DISTRICTS[2]] if line.role in ("heading", "body")]
    assert [line.text for line in own] == ["第三区数据缺失，不作统计。"]
    assert len(briefs[DISTRICTS[0]]) > 20


def test_payers_and_those_who_stopped_paying_are_told_apart(tmp_path) -> None:
    write_tables(tmp_path / "in", steady)
    sides = {("insured", "payment"): (1_200, 300), ("uninsured", "payment"): (290, 1_200), ("insured", "birth"): (7, 0)}
    rows = [
        ("household", CITY, m, c, sides.get((m, c), (0, 0))[0], sides.get((m, c), (0, 0))[1])
        for m in ("should_be_insured", "insured", "uninsured")
        for c in CAUSES
    ]
    schema = ["basis", "division_code", "measure", "cause", "added", "removed"]
    frame = pl.DataFrame(rows, schema=schema, orient="row").with_columns(delta=pl.col("added") - pl.col("removed"))
    frame.write_parquet(tmp_path / "in" / "bridge.parquet")
    words = given_words()
    briefs = write_brief(tmp_path / "in", tmp_path / "out", previous=PREVIOUS, version=words["version"])
    said = "\n".join(line.text for line in briefs[CITY])
    assert "已参保人数增加907人（新缴费增加1,200人、未续缴（到期）或退费减少300人、出生增加7人）" in said
    assert "未参保人数减少910人（新缴费减少1,200人、未续缴（到期）或退费增加290人）" in said
    judge(tmp_path / "in", tmp_path / "out", briefs, words)


def test_bridge_targets_and_verdicts_are_told_where_they_are_there(tmp_path) -> None:
    deltas = {("insured", "payment"): 1_200, ("insured", "birth"): 7, ("insured", "death"): -1_207,
              ("uninsured", "payment"): -1_200, ("should_be_insured", "death"): -1_207}  # fmt: skip
    bridge = [
        ("household", CITY, measure, cause, deltas.get((measure, cause), 0))
        for measure in ("should_be_insured", "insured", "uninsured")
        for cause in CAUSES
    ]
    verdict = [
        ("ledger", "台账", "caution", ["a.b"], "1 项提醒未通过：甲"), ("aid", "救助", "usable", [], ""),
        ("uninsured", "未参保名单", "unusable", ["c.d"], "1 项阻断检查未通过：乙"),
    ]  # fmt: skip
    write_tables(tmp_path / "in", steady, bridge=bridge, verdict=verdict)
    said = said_by(tmp_path / "in", tmp_path, previous=PREVIOUS, released=["本次放行检查 a.b（张三、李四）：已核实"])
    assert (
        "与2026年3月30日的发布相比，应参保人数减少1,207人（死亡减少1,207人），"
        "已参保人数持平（缴费增加1,200人、出生增加7人、死亡减少1,207人），未参保人数减少1,200人（缴费减少1,200人）。"
    ) in said
    assert "本年度参保计划9,600人，距目标任务还差100人，完成98.96%。" in said
    assert "可用：救助。慎用：台账（1 项提醒未通过：甲）。不可用：未参保名单（1 项阻断检查未通过：乙）。" in said
    assert "本次放行检查 a.b（张三、李四）：已核实。" in said
    assert "与上次发布相比" in said
    assert "按常住口径，应参保人数" not in said  # the bridge has no cell on that basis


@pytest.mark.parametrize(
    ("target", "words"),
    [(9_500, "已完成目标任务，完成100.00%。"), (9_000, "已完成目标任务，超出500人，完成105.56%。"), (0, None)],
)
def test_a_target_that_is_met_or_not_set(target, words, tmp_path) -> None:
    write_tables(tmp_path / "in", lambda *key: target if key[2] == "target_persons" else steady(*key))
    said = said_by(tmp_path / "in", tmp_path)
    assert (words in said) if words else ("计划" not in said)


def test_districts_below_the_threshold_stand_by_code(tmp_path) -> None:
    write_tables(tmp_path / "in", steady)
    said = said_by(tmp_path / "in", tmp_path)
    assert "3个区县中有1个参保率未达95%" in said
    assert "按区划代码顺序为：第一区（94.99%）。" in said
    assert "另有1个区县没有应参保人员，不计参保率。" in said
    worse = {DISTRICTS[0]: 9_000, DISTRICTS[1]: 100, DISTRICTS[2]: 9_400}
    write_tables(
        tmp_path / "in",
        lambda *key: {"should_be_insured": 10_000, "insured": worse.get(key[1], 1)}.get(key[2], 1),
    )
    said = said_by(tmp_path / "in", tmp_path)
    assert "第一区（90.00%）、第二区（1.00%）、第三区（94.00%）。" in said
    assert "没有应参保" not in said
    for code in DISTRICTS:  # no list of townships in a district's brief
        assert "区县" not in (tmp_path / "out" / "brief" / f"{code[:6]}.txt").read_text("utf-8")


def test_nobody_at_all_is_a_dash(tmp_path) -> None:
    write_tables(tmp_path / "in", lambda *_: 0)
    said = said_by(tmp_path / "in", tmp_path)
    assert "应参保0人，已参保0人，未参保0人，参保率—。" in said
    assert "nan" not in said.lower()
    assert "医疗救助对象应参保0人，已参保0人，参保率—。" in said  # delivered: a zero is reported


def test_an_office_may_lay_its_own_sentences_over(tmp_path) -> None:
    write_tables(tmp_path / "in", steady)
    own = tmp_path / "brief.toml"
    own.write_text(
        '[threshold.insured_rate]\npercent = 90\nsource = "市政府工作要点"\n[font]\ntitle = "华文中宋"\n', "utf-8"
    )
    said = said_by(tmp_path / "in", tmp_path, overlay=own)
    assert "没有参保率未达90%（市政府工作要点）的区县。" in said
    with zipfile.ZipFile(tmp_path / "out" / "brief.docx") as archive:
        assert 'w:eastAsia="华文中宋"' in archive.read("word/styles.xml").decode()


@pytest.mark.parametrize(
    ("sentence", "word"),
    [
        ('{ text = "参保率达到95%。" }', "不能直接写数字"),
        ('{ text = "已参保{ensured}人。" }', "ensured"),
        ('{ text = "甲。", positive = ["nothing"] }', "nothing"),
        ('{ text = "甲。", tables = ["person"] }', "person"),
        ('{ text = "甲。", when = ["insured"] }', "when"),
        ('{ test = "甲。" }', "text"),
        ("{ text = ", "无法读取"),
    ],
)
def test_a_wrong_sentence_is_refused_with_its_name(sentence, word, tmp_path) -> None:
    own = tmp_path / "brief.toml"
    own.write_text(f'[[section]]\nheading = "总体"\n[[section.paragraph]]\nsentences = [{sentence}]\n', "utf-8")
    with pytest.raises(UserError, match=word):
        load_definition(own)


# ------------------------------------------------------------------------------------------- how it looks


@pytest.fixture(scope="module")
def paper(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("paper")
    write_tables(folder / "in", steady)
    write_brief(folder / "in", folder / "out", version="v")
    return folder / "out" / "brief.docx"


def test_page_and_type_follow_the_standard(paper) -> None:
    document = docx.Document(str(paper))
    section = document.sections[0]
    page = (section.page_width, section.page_height, section.top_margin, section.bottom_margin)
    assert [round(v.mm) for v in page] == [210, 297, 37, 35]
    assert [round(v.mm) for v in (section.left_margin, section.right_margin)] == [28, 26]
    expected = {
        "title": ("方正小标宋简体", 22), "heading": ("黑体", 16), "lead": ("楷体", 16), "body": ("仿宋", 16),
    }  # fmt: skip
    styles = {"title": "Title", "heading": "Heading 1", "lead": "Heading 2", "body": "Body Text"}
    for role, (font, size) in expected.items():
        style = document.styles[styles[role]]
        fonts = style.element.rPr.find(qn("w:rFonts"))
        assert {fonts.get(qn(f"w:{script}")) for script in ("ascii", "hAnsi", "eastAsia", "cs")} == {font}
        assert not [name for name in fonts.attrib if name.endswith("Theme")]
        assert style.font.size == Pt(size)
        assert not style.font.bold
    for role in ("heading", "lead", "body"):
        style = document.styles[styles[role]]
        assert style.paragraph_format.line_spacing == Pt(28.95)
        assert style.element.pPr.find(qn("w:ind")).get(qn("w:firstLineChars")) == "200"
    used = {p.style.name for p in document.paragraphs}
    assert used == {"Title", "Subtitle", "Heading 1", "Heading 2", "Body Text", "Signature", "Caption"}
    for footer in (section.footer, section.even_page_footer):
        (paragraph,) = footer.paragraphs
        assert paragraph.text == "—  —"
        assert "PAGE" in footer._element.xml
        assert {run.font.size for run in paragraph.runs} == {Pt(14)}
    assert abs(section.footer_distance - Mm(23)) < Mm(1)


def test_the_file_names_a_fallback_and_nothing_from_outside(paper, tmp_path) -> None:
    with zipfile.ZipFile(paper) as archive:
        names = archive.namelist()
        assert not [name for name in names if "vba" in name.lower() or "embed" in name.lower()]
        for name in names:
            data = archive.read(name)
            assert b'TargetMode="External"' not in data
            assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        table = archive.read("word/fontTable.xml").decode()
        assert '<w:font w:name="方正小标宋简体"><w:altName w:val="宋体"/>' in table
        assert "python-docx" not in archive.read("docProps/core.xml").decode()
    write_tables(tmp_path / "in", steady)
    write_brief(tmp_path / "in", tmp_path / "out", version="v")
    assert (tmp_path / "out" / "brief.docx").read_bytes() == paper.read_bytes()


# ------------------------------------------------------------------------------------------- stamps


def test_a_verdict_is_a_shape_a_word_and_a_reason(tmp_path) -> None:
    assert verdict_line(tmp_path, "ledger") == "数据可用性：未评定"
    many = [f"x.{n}" for n in range(7)]
    rows = [
        ("ledger", "台账", "caution", ["a.b", "c.d"], "2 项提醒未通过：甲；乙"), ("aid", "救助", "usable", [], ""),
        ("waiting", "等待期", "unusable", many, "7 项阻断检查未通过"),
    ]  # fmt: skip
    write_tables(tmp_path, lambda *_: 1, verdict=rows)
    assert verdict_line(tmp_path, "ledger") == "数据可用性：▲ 慎用——2 项提醒未通过：甲；乙"
    assert verdict_line(tmp_path, "aid") == "数据可用性：● 可用"
    assert verdict_line(tmp_path, "waiting") == ("数据可用性：■ 不可用——7 项阻断检查未通过")
    assert verdict_line(tmp_path, "duplicate") == "数据可用性：未评定"


def test_who_let_a_check_pass_is_named() -> None:
    common = {"title": "t", "axis": "completeness", "severity": "block", "passed": False}
    checks = [
        Check("a.b", **common, accepted="已核实", accepted_by=("张三", "李四")),
        Check("c.d", **common, accepted="停办"),
        Check("e.f", **common),
    ]
    assert release_lines(checks, "canbao") == [
        "本次放行检查：t（张三、李四）：已核实",
        "本次放行检查：t（canbao）：停办",
    ]


def test_every_name_of_the_reports_can_be_had() -> None:
    from canbao import reports

    for _ in range(2):  # a name that a module has too would be the module from then on
        assert all(callable(getattr(reports, name)) for name in reports.__all__)
