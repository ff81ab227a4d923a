"""Accounts: what passwords may be, what is kept, who sleeps, and that hashing takes bounded memory and time."""

import stat
import threading

import pytest

from canbao.errors import UserError
from canbao.portal import passwords
from canbao.portal.accounts import Accounts, plain_name, temporary_password

from .kit import DISTRICT, PASSWORD

COMMON = [
    "password1234",
    "P@ssw0rd2025!",
    "Chongqing@2026",
    "admin@123456",
    "1qaz2wsx3edc",
    "qwertyuiopas",
    "123456789012",
    "aaaaaaaaaaaa",
    "abc123abc123",
    "woaini5201314",
    "ｐａｓｓｗｏｒｄ１２３４",
    "床前明月光疑是地上霜举头望明月",
]
GOOD = ["correct horse 电池", "lampe-kiosk-tundra", "紫色大象在跳舞，吃苹果呀", "пёс на синей горе", "xK9#mQ2$vL7!"]


@pytest.mark.parametrize("password", COMMON)
def test_common_passwords_are_refused(password):
    assert "常见" in passwords.fault(password, "office")


@pytest.mark.parametrize("password", GOOD)
def test_any_script_will_do(password):
    assert passwords.fault(password, "office") == ""
    assert passwords.verify_password(passwords.hash_password(password), password)


@pytest.mark.parametrize(
    ("password", "word"),
    [("short-one-x", "12"), ("my Wanzhou-office 3", "用户名"), ("x y z " * 50, "256"), ("tab\there it is ok", "控制")],
)
def test_other_rules(password, word):
    assert word in passwords.fault(password, "wanzhou")


def test_only_a_salted_argon2id_hash_is_kept(tmp_path, costly_hashes, monkeypatch):
    monkeypatch.setattr(passwords, "_HASHER", costly_hashes)
    accounts = Accounts(tmp_path)
    accounts.add("one", PASSWORD)
    accounts.add("two", PASSWORD)
    with accounts._writing() as connection:
        hashes = [row[0] for row in connection.execute("SELECT password_hash FROM account")]
    assert len(set(hashes)) == 2
    assert all(one.startswith("$argon2id$v=19$m=32768,t=2,p=1$") for one in hashes)
    for path in accounts.path.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert PASSWORD.encode() not in path.read_bytes()
    assert stat.S_IMODE(accounts.path.parent.stat().st_mode) == 0o700


def test_names(tmp_path):
    accounts = Accounts(tmp_path)
    accounts.add("Ｗanzhou", PASSWORD)
    assert plain_name(" WANZHOU ") == "wanzhou"
    assert accounts.get("WanZhou").name == "wanzhou"
    for name in ("wanzhou", "WANZHOU", "a", "a b", "x" * 41, "13800001234", "500101199001011234", "<b>", ""):
        with pytest.raises(UserError):
            accounts.add(name, PASSWORD)
    accounts.add("万州区医保局", PASSWORD)


def test_the_last_five_passwords_do_not_come_again(installation):
    installation.add("office")
    accounts, old = installation.accounts, PASSWORD
    for number in range(5):
        installation.clock.forward(hours=1)
        new = f"another {number} good 密码 here"
        assert accounts.change_password("office", old, new) == ""
        old = new
    assert "最近" in accounts.change_password("office", old, old)
    assert "最近" in accounts.change_password("office", old, "another 0 good 密码 here")
    assert accounts.change_password("office", old, PASSWORD) == ""
    assert accounts.change_password("office", "wrong", "something else 全新") == "原密码不正确。"


def test_an_account_unused_for_ninety_days_sleeps_until_woken(installation):
    installation.add("office")
    installation.clock.forward(days=89)
    assert installation.accounts.sign_in("office", PASSWORD, "10.0.0.1").outcome == "ok"
    installation.clock.forward(days=91)
    assert installation.accounts.sign_in("office", PASSWORD, "10.0.0.1").outcome == "asleep"
    installation.accounts.unlock("office")
    assert installation.accounts.sign_in("office", PASSWORD, "10.0.0.1").outcome == "ok"


def test_a_change_that_cannot_be_noted_does_not_happen(installation):
    installation.add("office")

    def fails():
        raise OSError

    accounts = installation.accounts
    for change in (
        lambda: accounts.add("other", PASSWORD, journal=fails),
        lambda: accounts.close("office", fails),
        lambda: accounts.grant("office", role="district", division=DISTRICT, export="full", journal=fails),
        lambda: accounts.change_password("office", PASSWORD, "something else 全新", fails),
    ):
        with pytest.raises(OSError):
            change()
    assert accounts.get("other") is None
    assert (accounts.get("office").state, accounts.get("office").export) == ("active", "masked")
    assert accounts.sign_in("office", PASSWORD, "10.0.0.1").outcome == "ok"


def test_a_day_has_a_quota(installation):
    installation.add("office")
    accounts = installation.accounts
    account = accounts.get("office")
    assert accounts.take_rows(account, "2026-04-01", 150_000)
    assert not accounts.take_rows(account, "2026-04-01", 50_001)
    assert accounts.rows_left(account, "2026-04-01") == 50_000
    assert accounts.take_rows(account, "2026-04-02", 200_000)


def test_an_unknown_name_costs_as_much_as_a_known_one(installation, monkeypatch):
    installation.add("office")
    installation.add("gone")
    installation.accounts.close("gone")
    made, real = [], passwords.verify_password

    def counted(kept, password):
        made.append(kept.rsplit("$", 2)[0])
        return real(kept, password)

    monkeypatch.setattr(passwords, "verify_password", counted)
    for name in ("office", "nobody", "gone"):
        installation.accounts.sign_in(name, "wrong password", "10.0.0.1")
    assert len(made) == 3
    assert len(set(made)) == 1  # the same parameters


def test_hashing_is_bounded(costly_hashes, monkeypatch):
    busy, most, lock = 0, 0, threading.Lock()
    kept, real = costly_hashes.hash("another"), costly_hashes.verify  # cheap ones would be over before the next begins

    class Counting:
        def verify(self, *arguments):
            nonlocal busy, most
            with lock:
                busy += 1
                most = max(most, busy)
            try:
                return real(*arguments)
            finally:
                with lock:
                    busy -= 1

    monkeypatch.setattr(passwords, "_HASHER", Counting())
    threads = [threading.Thread(target=passwords.verify_password, args=(kept, "x")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most <= passwords.PARALLEL


def test_temporary_passwords_are_allowed_ones():
    made = {temporary_password() for _ in range(50)}
    assert len(made) == 50
    assert all(passwords.fault(one, "office") == "" for one in made)
