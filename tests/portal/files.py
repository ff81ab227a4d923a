"""Reading downloaded files in the tests, each way independent of the product."""

import csv
import io
import re
import shutil
import subprocess

import openpyxl
import pytest

TITLES = ("序号", "姓名", "证件号码")


def text_rows(content):
    """A downloaded text file: lines above the table, headings, rows, lines below."""
    text = content.decode("utf-8-sig")
    return _parts(list(csv.reader(io.StringIO(text))))


def book_rows(content):
    """The same of a workbook, as texts; empty cells are empty texts."""
    sheet = openpyxl.load_workbook(io.BytesIO(content)).active
    return _parts([["" if cell is None else str(cell) for cell in row] for row in sheet.iter_rows(values_only=True)])


def _parts(lines):
    at = next(n for n, line in enumerate(lines) if tuple(line[:3]) == TITLES)
    end = next(n for n, line in enumerate(lines) if n > at and line[0].startswith("以下无数据"))
    return lines[:at], lines[at], lines[at + 1 : end], lines[end:]


def column(parts, title):
    """A column of the table."""
    at = parts[1].index(title)
    return [row[at] for row in parts[2]]


def serial_of(answer):
    """The serial that the file's name carries."""
    return re.search(r"list-([0-9A-Z-]{14})\.", answer.headers["content-disposition"])[1]


def office_convert(path, form, folder):
    """LibreOffice opens a file and saves it as another kind; skips where there is none."""
    if shutil.which("soffice") is None:
        pytest.skip("no LibreOffice on this machine")
    command = ["soffice", f"-env:UserInstallation=file://{folder / 'profile'}", "--headless", "--convert-to", form]
    subprocess.run([*command, "--outdir", str(folder), str(path)], check=True, capture_output=True, timeout=120)
    made = folder / f"{path.stem}.{form.partition(':')[0]}"
    assert made.is_file()
    return made
