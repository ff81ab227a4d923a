"""The register of processing: every table and sensitive column, the roles, and the downloads that were made."""

import subprocess
import sys

import openpyxl

from canbao.build import load_steps
from canbao.portal.compliance import downloads, write_register
from canbao.portal.scope import ROLE_WORDS, ROLES
from canbao.reports.lint import lint_workbook


def _rows(sheet):
    return [[cell for cell in row] for row in sheet.iter_rows(values_only=True)]  # noqa: C416


def test_register(desk, tmp_path):
    one = desk.installation.browser("of-village")
    assert one.get("/uninsured.csv").status_code == 200
    assert one.get("/uninsured.csv?division=500000000000").status_code == 404
    out = tmp_path / "register.xlsx"
    write_register(desk.home, out)
    assert lint_workbook(out) == []
    book = openpyxl.load_workbook(out)
    assert book.sheetnames == ["处理目的", "数据项", "来源", "接收方", "字段可见性", "保存期限", "下载统计"]
    columns = {(row[0], row[2]): row[5] for row in _rows(book["数据项"])}
    published = [step for step in load_steps() if step.published]
    for step in published:
        for name, meaning in step.columns.items():
            assert (columns[step.name, name] == "是") == meaning.endswith("[sensitive]"), (step.name, name)
    purposes = " ".join(str(row[3]) for row in _rows(book["处理目的"]))
    assert not [step.name for step in published if f"（{step.name}）" not in purposes]
    assert [row[0] for row in _rows(book["接收方"])][-len(ROLES) - 1 : -1] == [ROLE_WORDS[role] for role in ROLES]
    assert any("184" in str(row[2]) for row in _rows(book["保存期限"]))
    text = str([_rows(sheet) for sheet in book])
    names = desk.table("person")["psn_name"].drop_nulls().unique().to_list()
    assert not [name for name in names if len(name) > 2 and name in text]


def test_downloads_by_unit_and_month(desk):
    """Equal to what the audit log tells."""
    counted = downloads(desk.home)
    entries = [one for one in desk.installation.entries(action="download") if one["outcome"] == "ok"]
    assert sum(row[3] for row in counted) == len(entries)
    assert sum(row[4] for row in counted) == sum(one["rows"] for one in entries)
    assert sum(row[6] for row in counted) == sum(one["rows"] for one in entries if one["detail"]["level"] == "full")
    assert {row[0] for row in counted} >= {one["at"][:7] for one in entries}


def test_command(desk, tmp_path):
    command = [sys.executable, "-m", "canbao", "compliance", "--home", str(desk.home), "--out"]
    done = subprocess.run([*command, str(tmp_path / "a.xlsx")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.xlsx").stat().st_size > 10_000
    for wrong in (tmp_path / "a.txt", tmp_path / "a.xlsx" / "b.xlsx"):
        done = subprocess.run([*command, str(wrong)], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
