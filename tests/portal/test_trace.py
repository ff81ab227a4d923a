"""Which download a list that got about came from: whatever was done to the file."""

import io
import random
import subprocess
import sys

import openpyxl
import pytest

from canbao.portal.serials import Tracer, marks_in, new_serial, plain_serial, serials_in
from canbao.portal.trace import told, trace

from .files import book_rows, column, office_convert, serial_of, text_rows
from .published import DISTRICT


@pytest.fixture(scope="module")
def leaks(desk):
    """The same list taken by three accounts, and other lists beside it."""
    taken = {}
    for name in ("of-district", "district-masked", "of-city"):
        one = desk.installation.browser(name)
        path = f"/people.csv?measure=insured&division={DISTRICT}"
        taken[name] = {"csv": one.get(path), "xlsx": one.get(path.replace(".csv", ".xlsx"))}
        one.get("/uninsured.csv")
    return taken


def find(desk, path):
    return trace(desk.home, str(path))


def save(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    return path


def test_serials():
    for _ in range(200):
        serial = new_serial()
        assert plain_serial(serial.replace("-", "").lower()) == serial
        assert plain_serial(f" {serial.replace('-', ' ')} ") == serial
        for at in set(range(14)) - {4, 9}:
            other = serial[:at] + ("B" if serial[at] != "B" else "C") + serial[at + 1 :]
            assert plain_serial(other) is None
        assert serials_in(f"编号：{serial}。再说一次 {serial}") == [serial]
    tracer = Tracer(b"k" * 32)
    marks = {tracer.mark(serial, str(n).encode()) for n in range(5000)}
    assert len(marks) == 5000
    assert marks_in(" ".join(marks)) == marks
    assert tracer.mark(new_serial(), b"1") != tracer.mark(serial, b"1")
    assert Tracer(b"j" * 32).mark(serial, b"1") != tracer.mark(serial, b"1")


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_by_the_serial_in_the_file(desk, leaks, tmp_path, form):
    for name, taken in leaks.items():
        found = find(desk, save(tmp_path, f"{name}.{form}", taken[form].content))
        assert found.how == "serial"
        assert [one.serial for one in found.serials] == [serial_of(taken[form])]
        assert found.serials[0].account == name
        assert found.rows[0].download.serial == serial_of(taken[form])
        assert (found.whole, found.most) == (1, 1)
        text = "\n".join(told(found))
        for word in (name, "2026-", "已参保", "户籍口径"):
            assert word in text
    assert trace(desk.home, serial_of(taken[form]).lower()).serials[0].account == name


def table(answer):
    """The rows alone, as somebody copies them into a new file."""
    parts = text_rows(answer.content)
    return [parts[1], *parts[2]]


def bare(rows):
    return "\n".join(",".join(cell.strip() for cell in row) for row in rows).encode()


def test_reordered_and_cut(desk, leaks, tmp_path):
    head, *rows = table(leaks["district-masked"]["csv"])
    random.Random(1).shuffle(rows)  # noqa: S311 - an order, no secret
    for number, kept in ((1, rows), (2, rows[:40]), (3, rows[:1])):
        found = find(desk, save(tmp_path, f"{number}.csv", bare(kept)))
        assert found.how == "marks"
        assert [match.download.serial for match in found.rows] == [serial_of(leaks["district-masked"]["csv"])]
        assert found.rows[0].contained == found.rows[0].of == len(kept)
    found = find(desk, save(tmp_path, "gbk.txt", bare([head, *rows]).replace(b",", b"\t").decode().encode("gb18030")))
    assert found.rows[0].download.account == "district-masked"


def test_saved_again_by_another_program(desk, leaks, tmp_path):
    """LibreOffice: workbook to workbook, to text, to an older workbook; text to workbook."""
    for source, form, target in (
        ("xlsx", "xlsx:Calc MS Excel 2007 XML", "a.xlsx"), ("xlsx", "ods", "b.xlsx"),
        ("xlsx", "csv:Text - txt - csv (StarCalc):44,34,76,1", "c.xlsx"), ("csv", "xlsx:Calc MS Excel 2007 XML", "d.csv"),
    ):  # fmt: skip
        folder = tmp_path / target
        folder.mkdir()
        (folder / "out").mkdir()
        path = save(folder, target.replace("csv", "csv"), leaks["of-city"][source].content)
        found = find(desk, office_convert(path, form, folder / "out"))
        assert found.serials[0].serial == serial_of(leaks["of-city"][source]), form
        assert found.rows[0].download.serial == serial_of(leaks["of-city"][source]), form
        assert found.rows_by == "marks"


def test_columns_removed(desk, leaks, tmp_path):
    """Without marks and serial: names and ages tell the list, and that three people have it."""
    parts = text_rows(leaks["of-city"]["csv"].content)
    names, ages = column(parts, "姓名"), column(parts, "年龄")
    expected = {serial_of(answer) for taken in leaks.values() for answer in taken.values()}
    with_head = [["姓名", "性别", "年龄"], *([name, "", age] for name, age in zip(names, ages, strict=True))]
    without = [[str(n), name, "8", age] for n, (name, age) in enumerate(zip(names, ages, strict=True), 1)]
    for number, rows in ((1, with_head), (2, without), (3, without[10:60])):
        found = find(desk, save(tmp_path, f"{number}.csv", bare(rows)))
        assert (found.how, found.rows_by) == ("names", "names")
        assert expected <= {match.download.serial for match in found.rows if match.contained == match.of}
        assert found.whole >= 6
    book = openpyxl.Workbook()
    for name in ["姓名", *names[:30]]:
        book.active.append([name])
    book.save(tmp_path / "names.xlsx")
    assert expected <= {match.download.serial for match in find(desk, tmp_path / "names.xlsx").rows}


def test_a_serial_that_was_written_in_does_not_mislead(desk, leaks, tmp_path):
    """Rows of one download under the serial of another."""
    mine, other = serial_of(leaks["of-city"]["csv"]), serial_of(leaks["of-district"]["csv"])
    content = leaks["of-city"]["csv"].content.decode().replace(mine, other).encode()
    found = find(desk, save(tmp_path, "a.csv", content))
    assert found.serials[0].serial == other
    assert found.rows[0].download.serial == mine
    assert "可能被改写" in "\n".join(told(found))


def test_full_numbers_are_found_again(desk, tmp_path):
    name = "district-full"
    one = desk.installation.browser(name)
    answer = one.post("/downloads/full?list=uninsured", reason="visit", form="csv", code=desk.installation.code(name))
    assert answer.status_code == 200
    numbers = [number.strip() for number in column(text_rows(answer.content), "证件号码") if "*" not in number]
    found = find(desk, save(tmp_path, "numbers.txt", "\n".join(numbers).encode()))
    assert found.rows_by == "numbers"
    assert found.rows[0].download.serial == serial_of(answer)
    assert "用途：入户核实与动员参保" in "\n".join(told(found))


def test_nothing_fits(desk, tmp_path):
    found = find(desk, save(tmp_path, "a.csv", "姓名,年龄\n欧阳不在,35\n司马没有,36\n".encode()))
    assert found.how == ""
    assert "没有找到" in "\n".join(told(found))
    missing = new_serial()
    assert missing in trace(desk.home, missing).unknown


def test_what_is_kept_tells_no_person(desk, leaks):
    files = list((desk.home / "portal" / "downloads").glob("*.parquet"))
    assert files
    names = set(column(book_rows(leaks["of-city"]["xlsx"].content), "姓名"))
    kept = b"".join(path.read_bytes() for path in files) + (desk.home / "portal" / "downloads.db").read_bytes()
    assert not any(name.encode() in kept for name in names if len(name) > 2)


def test_command(desk, leaks, tmp_path):
    path = save(tmp_path, "a.xlsx", leaks["of-district"]["xlsx"].content)
    command = [sys.executable, "-m", "canbao", "trace", "--home", str(desk.home)]
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "of-district" in done.stdout
    entry = desk.installation.entries(action="trace")[-1]
    assert entry["target"] == serial_of(leaks["of-district"]["xlsx"])
    assert subprocess.run([*command, new_serial()], capture_output=True, check=False).returncode == 1
    done = subprocess.run([*command, "BBBB"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    broken = save(tmp_path, "broken.xlsx", b"PK\x03\x04nothing")
    assert subprocess.run([*command, str(broken)], capture_output=True, check=False).returncode == 1
    assert io.BytesIO(path.read_bytes()).read(2) == b"PK"
