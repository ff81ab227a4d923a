"""`canbao user` and `canbao audit` as commands."""

import json
import os
import pty
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from canbao.portal.accounts import Accounts

from .kit import CITY, DISTRICT, PASSWORD, TOWNSHIP, VILLAGE

CANBAO = [sys.executable, "-m", "canbao"]


def run(*arguments, said=""):
    done = subprocess.run(
        [*CANBAO, *map(str, arguments)], input=said, capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in done.stderr
    return done


def add(home, name, *options, password=PASSWORD):
    return run("user", "add", name, "--home", home, "--password-stdin", *options, said=f"{password}\n")


def log(home):
    return [
        json.loads(line) for path in sorted((home / "audit").glob("*.jsonl")) for line in path.read_text().splitlines()
    ]


def test_an_account_is_active_at_once(tmp_path):
    done = add(tmp_path, "Wanzhou", "--role", "district", "--division", DISTRICT)
    assert (done.returncode, done.stderr) == (0, "")
    assert "万州区" in done.stdout
    accounts = Accounts(tmp_path)
    account = accounts.get("wanzhou")
    assert (account.role, account.division, account.export, account.state) == ("district", DISTRICT, "masked", "active")
    assert not account.must_change
    assert accounts.sign_in("wanzhou", PASSWORD, "10.0.0.1").outcome == "ok"
    entry = log(tmp_path)[-1]
    assert (entry["action"], entry["target"], entry["role"]) == ("account_make", "wanzhou", "console")
    assert entry["detail"] == {"role": "district", "division": DISTRICT, "export": "masked"}


@pytest.mark.parametrize(
    ("role", "division"),
    [("city", CITY), ("district", "500101"), ("township", TOWNSHIP), ("township", "500101001"), ("village", VILLAGE)],
)
def test_roles_and_levels(tmp_path, role, division):
    assert add(tmp_path, "person", "--role", role, "--division", division).returncode == 0
    for other in {"city", "district", "township", "village"} - {role}:
        done = add(tmp_path, "other", "--role", other, "--division", division)
        assert done.returncode == 2
        assert "层级" in done.stderr
    assert Accounts(tmp_path).get("other") is None


@pytest.mark.parametrize("role", ["system_admin", "security_admin", "auditor"])
def test_administrators_have_no_division(tmp_path, role):
    assert add(tmp_path, "one", "--role", role).returncode == 0
    assert add(tmp_path, "two", "--role", role, "--division", CITY, "--export", "full").returncode == 0
    found = Accounts(tmp_path).all()
    assert {(one.role, one.division, one.export) for one in found} == {(role, "", "none")}


def test_options(tmp_path):
    assert (
        add(
            tmp_path,
            "a1",
            "--role",
            "city",
            "--division",
            CITY,
            "--export",
            "full",
            "--must-change",
            "--holder",
            "市局",
        ).returncode
        == 0
    )
    assert add(tmp_path, "a2", "--role", "village", "--division", VILLAGE, "--export", "none").returncode == 0
    assert add(tmp_path, "a3", "--role", "village", "--division", VILLAGE, "--export", "full").returncode == 0
    accounts = Accounts(tmp_path)
    assert (accounts.get("a1").export, accounts.get("a1").must_change, accounts.get("a1").holder) == (
        "full",
        True,
        "市局",
    )
    assert [accounts.get(name).export for name in ("a2", "a3")] == ["none", "masked"]


@pytest.mark.parametrize(
    ("name", "options", "password", "word"),
    [
        ("ok", ("--role", "emperor"), PASSWORD, "role"),
        ("ok", ("--role", "district"), PASSWORD, "区划"),
        ("ok", ("--role", "district", "--division", "500999000000"), PASSWORD, "不在"),
        ("ok", ("--role", "district", "--division", "wanzhou"), PASSWORD, "12 位"),
        ("ok", ("--role", "district", "--division", DISTRICT, "--export", "all"), PASSWORD, "export"),
        ("ok", ("--role", "district", "--division", DISTRICT), "short", "12"),
        ("ok", ("--role", "district", "--division", DISTRICT), "password1234", "常见"),
        ("ok", ("--role", "district", "--division", DISTRICT), "", "12"),
        ("a b", ("--role", "district", "--division", DISTRICT), PASSWORD, "用户名"),
        ("500101199001011234", ("--role", "district", "--division", DISTRICT), PASSWORD, "证件"),
    ],
)
def test_wrong_use(tmp_path, name, options, password, word):
    done = add(tmp_path, name, *options, password=password)
    assert done.returncode == 2
    assert word in done.stderr
    assert not (tmp_path / "portal").exists() or Accounts(tmp_path).all() == []


def test_a_name_is_taken_once(tmp_path):
    assert add(tmp_path, "one", "--role", "city", "--division", CITY).returncode == 0
    assert add(tmp_path, "ONE", "--role", "city", "--division", CITY).returncode == 2


def test_without_terminal_a_password_must_be_piped(tmp_path):
    done = run("user", "add", "one", "--role", "city", "--division", CITY, "--home", tmp_path)
    assert done.returncode == 2
    assert "--password-stdin" in done.stderr


@pytest.mark.parametrize(("second", "status"), [(PASSWORD, 0), ("something else 全新", 2)])
def test_on_a_terminal_it_is_asked_for_twice(tmp_path, second, status):
    child, terminal = pty.fork()
    if child == 0:
        os.execv(  # noqa: S606 - it needs a terminal of its own
            sys.executable,
            [*CANBAO, "user", "add", "one", "--role", "city", "--division", CITY, "--home", str(tmp_path)],
        )
    said = b""
    for answer in (PASSWORD, second):
        while not said.endswith("：".encode()):
            said += os.read(terminal, 1000)
        os.write(terminal, f"{answer}\n".encode())
        said = b""
    try:
        while more := os.read(terminal, 1000):
            said += more
    except OSError:
        pass  # the other end is closed
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == status
    os.close(terminal)
    assert PASSWORD not in said.decode()
    assert (Accounts(tmp_path).get("one") is not None) is (status == 0)


def test_looking_after_accounts(tmp_path):
    add(tmp_path, "one", "--role", "city", "--division", CITY)
    accounts = Accounts(tmp_path)
    for _ in range(5):
        accounts.sign_in("one", "wrong password 1", "10.0.0.1")
    assert accounts.sign_in("one", PASSWORD, "10.0.0.1").outcome == "locked"
    assert "锁定" in run("user", "list", "--home", tmp_path).stdout
    assert run("user", "unlock", "one", "--home", tmp_path).returncode == 0
    assert accounts.sign_in("one", PASSWORD, "10.0.0.1").outcome == "ok"
    new = "something else 全新"
    assert run("user", "reset-password", "one", "--home", tmp_path, "--password-stdin", said=f"{new}\n").returncode == 0
    assert accounts.sign_in("one", new, "10.0.0.1").outcome == "ok"
    accounts.set_factor("one", b"x")
    assert run("user", "reset-second-factor", "one", "--home", tmp_path).returncode == 0
    assert accounts.factor("one")[0] is None
    assert run("user", "close", "one", "--home", tmp_path).returncode == 0
    assert accounts.get("one").state == "closed"
    for what in ("unlock", "close", "reset-second-factor"):
        assert run("user", what, "nobody", "--home", tmp_path).returncode == 2
    assert run("user", "unlock", "one", "--home", tmp_path).returncode == 2
    assert [entry["action"] for entry in log(tmp_path)] == [
        "account_make",
        "account_unlock",
        "account_reset_password",
        "account_unlock",
        "second_factor_reset",
        "account_close",
    ]


def test_the_list_tells_the_last_sign_in_and_who_never_came(tmp_path):
    for name in ("never", "once"):
        add(tmp_path, name, "--role", "city", "--division", CITY)
    accounts = Accounts(tmp_path, clock=lambda: datetime(2026, 3, 2, 17, 0, tzinfo=UTC))  # the third in China
    assert accounts.sign_in("once", PASSWORD, "10.0.0.1").outcome == "ok"
    for _ in range(60):
        accounts.sign_in("once", "wrong password 1", "10.0.0.1")
    for _ in range(2):
        lines = [line.split("\t") for line in run("user", "list", "--home", tmp_path).stdout.splitlines()[1:-1]]
        assert {line[0]: line[-1] for line in lines} == {"never": "从未登录", "once": "2026-03-03"}
        assert run("user", "unlock", "never", "--home", tmp_path).returncode == 0  # which is no sign-in


def test_the_log_is_verified_and_copied(tmp_path):
    home, copy = tmp_path / "home", tmp_path / "copy"
    add(home, "one", "--role", "city", "--division", CITY)
    add(home, "two", "--role", "city", "--division", CITY)
    done = run("audit", "verify", "--home", home)
    assert (done.returncode, "共 2 条" in done.stdout) == (0, True)
    assert run("audit", "copy", "--home", home).returncode == 2
    assert run("audit", "copy", "--home", home, "--to", copy).returncode == 0
    path = next((home / "audit").glob("*.jsonl"))
    path.write_text(path.read_text().replace('"one"', '"three"'))
    done = run("audit", "verify", "--home", home)
    assert done.returncode == 1
    assert "第 1 行" in done.stderr
    assert run("audit", "copy", "--home", home, "--to", copy).returncode == 1


def test_a_cut_or_deleted_log_is_missed(tmp_path):
    home, copy = tmp_path / "home", tmp_path / "copy"
    for name in ("one", "two"):
        add(home, name, "--role", "city", "--division", CITY)
    (home / "canbao.toml").write_text(f'[audit]\ncopy_to = "{copy}"\n')
    assert run("audit", "copy", "--home", home).returncode == 0
    path, end = next((home / "audit").glob("*.jsonl")), home / "portal" / "audit_end.json"
    whole, good = path.read_text(), (copy / path.name).read_bytes()
    path.write_text(whole.splitlines(keepends=True)[0])
    done = run("audit", "verify", "--home", home)
    assert (done.returncode, "末尾被截去" in done.stderr) == (1, True)
    end.unlink()
    path.unlink()
    done = run("audit", "verify", "--home", home)
    assert (done.returncode, "备份记下的末条为第 2 条" in done.stderr) == (1, True)
    add(home, "three", "--role", "city", "--division", CITY)
    done = run("audit", "copy", "--home", home)
    assert done.returncode == 1
    assert "suspect-" in done.stdout
    assert (copy / path.name).read_bytes() == good


@pytest.mark.parametrize("what", [
    ("user", "list"), ("user", "close", "x"),
    ("audit", "verify"), ("audit", "copy", "--to", "copy"), ("serve", "--port", "0"), ("compliance", "--out", "x.xlsx"),
    ("trace", "x"), ("dispatch", "list"),
])  # fmt: skip
def test_a_mistyped_home_is_refused_and_nothing_is_made_there(tmp_path, what):
    done = run(*what, "--home", tmp_path / "none", said=f"{PASSWORD}\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert "不存在（--home），未建立任何内容" in done.stderr and "canbao run" in done.stderr
    assert not (tmp_path / "none").exists()
    other = tmp_path / "other"
    (other / "letters").mkdir(parents=True)
    done = run(*what, "--home", other, said=f"{PASSWORD}\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert "不是参保台账的工作目录" in done.stderr and "canbao run" in done.stderr
    assert [path.name for path in other.iterdir()] == ["letters"]


def test_the_first_account_begins_an_installation_and_says_where(tmp_path):
    home = tmp_path / "none"
    first = add(home, "one", "--role", "city", "--division", CITY)
    assert (first.returncode, f"工作目录 {home} 原来不存在，已新建" in first.stderr) == (0, True)
    assert "新建" not in add(home, "two", "--role", "city", "--division", CITY).stderr
    other = tmp_path / "other"
    (other / "letters").mkdir(parents=True)
    assert add(other, "one", "--role", "city", "--division", CITY).returncode == 2
    assert [path.name for path in other.iterdir()] == ["letters"]


@pytest.mark.parametrize("begun", ["", "canbao.toml", "key", "lost+found"])
def test_accounts_may_be_made_before_the_first_night_in_a_folder_that_is_meant_for_it(tmp_path, begun):
    if begun == "lost+found":
        (tmp_path / begun).mkdir()
    elif begun:
        (tmp_path / begun).write_text("" if begun == "canbao.toml" else "0" * 64)
    assert add(tmp_path, "one", "--role", "city", "--division", CITY).returncode == 0
    assert Accounts(tmp_path).get("one") is not None
    made = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != begun]
    assert made and all(path.stat().st_mode & 0o077 == 0 for path in made)
