"""`canbao dispatch`: what it says, what it writes, and what stands in the audit log."""

import json
from datetime import date
from pathlib import Path

import openpyxl
import pytest

from canbao import cli
from canbao.home import Home
from canbao.loop import files
from canbao.loop.state import Loop
from canbao.portal.divisions import current_tree
from tests.loop.city import DISTRICT, OTHER_DISTRICT, TOWN, A, D, answer, one, publish


@pytest.fixture
def home(tmp_path: Path) -> Home:
    # The number cannot belong to anybody: its month is 13.
    people = [one(1, A, certno="500103199013010017", psn_name="张一"), one(2, A), one(3, A, D), one(4, TOWN)]
    return publish(tmp_path / "home", people)


def run(capsys: pytest.CaptureFixture[str], home: Home, *arguments: object) -> tuple[int, str, str]:
    status = cli.main(["dispatch", *map(str, arguments), "--home", str(home.root)])
    said = capsys.readouterr()
    return status, said.out, said.err


def send(capsys: pytest.CaptureFixture[str], home: Home, *arguments: object) -> str:
    status, out, err = run(capsys, home, "--division", DISTRICT, "--as-of", "2026-03-02", *arguments)
    assert (status, err) == (0, "")
    return out


def log(home: Home) -> list[dict[str, object]]:
    lines = [line for path in sorted((home.root / "audit").glob("*.jsonl")) for line in path.read_text().splitlines()]
    return [json.loads(line) for line in lines]


def test_a_dry_run_stores_nothing(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    said = send(capsys, home, "--dry-run")
    assert "预览，未下发" in said
    assert "名单 2 批，4 行（4 人），零报告 2 个单位" in said
    assert Loop(home).rounds() == []
    assert log(home) == []


def test_a_division_may_be_written_with_six_or_nine_digits(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    day = ("--as-of", "2026-03-02")
    for code in (DISTRICT, TOWN):
        short = code[:6] if code.endswith("000000") else code[:9]
        told = [run(capsys, home, "--division", one, "--dry-run", *day) for one in (code, short)]
        assert told[0] == told[1] and told[0][0] == 0
    send(capsys, home)
    told = [run(capsys, home, "list", "--division", one) for one in (DISTRICT, DISTRICT[:6])]
    assert told[0] == told[1] and told[0][0] == 0 and "P000001" in told[0][1]


@pytest.mark.parametrize("given", [("--due", "2020-01-03"), ("--due", "2026-03-01", "--as-of", "2026-03-02")])
@pytest.mark.parametrize("how", [(), ("--dry-run",)])
def test_a_last_day_that_has_passed_is_refused_before_anything_is_noted(
    home: Home, capsys: pytest.CaptureFixture[str], given: tuple[str, ...], how: tuple[str, ...]
) -> None:
    status, out, err = run(capsys, home, "--division", DISTRICT, *given, *how)
    assert (status, out) == (2, "")
    assert f"回复期限 {given[1]} 早于下发日期" in err and "--due" in err
    assert log(home) == [] and Loop(home).rounds() == []


def test_sending_with_files(home: Home, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = send(capsys, home, "--out", out, "--due", "2026-03-20")
    assert "第 1 轮已下发，请于 2026-03-20 前回复" in said
    assert "已生成 6 个文件" in said
    found = sorted(str(path.relative_to(out)) for path in out.rglob("*.xlsx"))
    assert found == [
        "甲区/东镇/P000001_东镇.xlsx",
        "甲区/东镇/P000001_东镇_入户核实表.xlsx",
        "甲区/东镇/P000002_一村.xlsx",
        "甲区/东镇/P000002_一村_入户核实表.xlsx",
        "甲区/东镇/P000003_二村_零报告.xlsx",
        "甲区/西镇/P000004_三村_零报告.xlsx",
    ]
    cells = {
        str(cell.value)
        for row in openpyxl.load_workbook(out / "甲区/东镇/P000002_一村.xlsx").worksheets[0].iter_rows()
        for cell in row
    }
    assert set(Loop(home).rows_of(2)["row_code"]) <= cells
    assert "张一" in cells
    assert "500103199013010017" not in cells
    assert all(path.stat().st_mode & 0o077 == 0 for path in out.rglob("*.xlsx"))
    (entry,) = log(home)
    assert (entry["action"], entry["target"], entry["rows"], entry["role"]) == ("dispatch", DISTRICT, 4, "console")


def test_full_numbers_only_where_the_office_says_so(
    home: Home, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    home.settings_file.write_text("[loop]\nfull_numbers = true\n")
    out = tmp_path / "out"
    send(capsys, home, "--out", out)

    def shows(path: Path) -> bool:
        rows = openpyxl.load_workbook(path).worksheets[0].iter_rows()
        return any("500103199013010017" in str(cell.value) for row in rows for cell in row)

    assert shows(out / "甲区/东镇/P000002_一村.xlsx")
    assert not shows(out / "甲区/东镇/P000002_一村_入户核实表.xlsx")  # paper gets lost


def test_nobody_is_asked_twice(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    send(capsys, home)
    said = send(capsys, home)
    assert "未下发" in said
    assert "未列入：已下发、尚待填报 4 行（4 人）" in said
    assert len(Loop(home).rounds()) == 1


def test_filters(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert "1 行（1 人）" in send(capsys, home, "--dry-run", "--separated")
    assert "3 行（3 人）" in send(capsys, home, "--dry-run", "--not-separated")
    assert "0 行（0 人）" in send(capsys, home, "--dry-run", "--reason", "unpaid")
    assert "4 行（4 人）" in send(capsys, home, "--dry-run", "--last-answer", "none", "--age-from", 40, "--priority", 5)
    assert "名单 1 批" in send(capsys, home, "--dry-run", "--level", "township")
    send(capsys, home, "--age-to", 40, "--side", "household", "--tag", "低保", "--dry-run")


def test_list_and_recall(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, home, "list")[1] == "尚未下发过。\n"
    send(capsys, home)
    run(capsys, home, "--division", OTHER_DISTRICT, "--as-of", "2026-03-03")
    lines = run(capsys, home, "list")[1].splitlines()
    assert lines[1].split("\t") == ["1", "2026-03-02", "2026-03-16", DISTRICT, "村", "4", "4"]
    assert len(lines) == 3
    loop = Loop(home)
    answer(loop, date(2026, 3, 4), (1, A, "W1", None))
    loop.confirm_zero(3, "li")
    lines = run(capsys, home, "list", "--division", DISTRICT)[1].splitlines()
    assert [line.split("\t")[0] for line in lines[1:]] == ["P000001", "P000002", "P000003", "P000004"]
    assert lines[2].split("\t")[5:] == ["3", "1", "已下发"]
    assert lines[3].endswith("零报告已确认")
    assert lines[4].endswith("零报告待确认")
    assert [line.split("\t")[0] for line in run(capsys, home, "list", "--division", A)[1].splitlines()[1:]] == [
        "P000002"
    ]
    status, out, _ = run(capsys, home, "recall", "p000002", "P000003")
    assert (status, out.splitlines()) == (0, ["已收回 2 批，3 行；其中未核实的人员可以再次下发。"])
    assert "另有 1 批此前已收回" in run(capsys, home, "recall", "P000002", "P000001")[1]
    assert run(capsys, home, "list", "--round", 1)[1].count("已收回") == 3
    assert [entry["action"] for entry in log(home)] == ["dispatch", "dispatch", "recall", "recall"]
    said = send(capsys, home)
    assert "名单 2 批，3 行" in said  # of 1 the answer holds
    assert "零报告 1 个" in said


def test_sheets_again(home: Home, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    send(capsys, home)
    assert "已生成 2 个文件" in run(capsys, home, "sheets", "P000002", "--out", tmp_path / "a")[1]
    assert "已生成 6 个文件" in run(capsys, home, "sheets", "--round", 1, "--out", tmp_path / "b")[1]
    assert "已生成 2 个文件" in run(capsys, home, "sheets", "--round", 1, "--division", A, "--out", tmp_path / "c")[1]
    one_of = next((tmp_path / "a").rglob("P000002_一村.xlsx"))
    other = next((tmp_path / "b").rglob("P000002_一村.xlsx"))
    assert one_of.read_bytes() == other.read_bytes()
    assert log(home)[-1]["action"] == "dispatch_sheets"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--division"),
        (["--division", "510000000000"], "没有区划"),
        (["--division", A, "--level", "township"], "没有下级"),
        (["--division", DISTRICT, "--reason", "dead"], "不认识"),
        (["--division", DISTRICT, "--as-of", "2026-03-02", "--due", "2026-03-01"], "回复期限"),
        (["--division", DISTRICT, "--round", "1"], "--round"),
        (["--division", DISTRICT, "--dry-run", "--out", "x"], "--dry-run"),
        (["send", "P000001", "--division", DISTRICT], "批次号只用于"),
        (["recall"], "二者取一"),
        (["recall", "P000001", "--round", "1"], "二者取一"),
        (["recall", "Q1"], "批次号 Q1 不对"),
        (["recall", "P000009"], "没有这样的批次"),
        (["sheets", "P000001"], "--out"),
        (["list", "--division", "510000000000"], "没有区划"),
    ],
)
def test_wrong_use(home: Home, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    Loop(home)
    status, _, err = run(capsys, home, *arguments)
    assert status == 2
    assert said in err
    assert Loop(home).rounds() == []


def test_a_folder_that_cannot_be_used(home: Home, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    status, _, err = run(capsys, home, "--division", DISTRICT, "--out", tmp_path / "file" / "below")
    assert status == 2
    assert "无法使用" in err
    assert Loop(home).rounds() == []  # nothing was sent


def test_no_home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capsys, Home(tmp_path / "none"), "--division", DISTRICT)
    assert status == 2
    assert "不存在" in err


def test_places_of_files(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    send(capsys, home)
    tree = current_tree(home.current_publication())
    places = [str(files.place_of(batch, tree)) for batch in Loop(home).batches()]
    assert places == [
        "甲区/东镇/P000001_东镇",
        "甲区/东镇/P000002_一村",
        "甲区/东镇/P000003_二村",
        "甲区/西镇/P000004_三村",
    ]
    assert files._safe("a/b:c*?\n") == "a_b_c"


def test_several_processes_write_the_same(
    home: Home, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(capsys, home)
    monkeypatch.setattr(files, "_CHUNK", 1)
    assert files.write_files(home, Loop(home).batches(), tmp_path / "out", processes=2) == 6
    assert len(list((tmp_path / "out").rglob("*.xlsx"))) == 6
