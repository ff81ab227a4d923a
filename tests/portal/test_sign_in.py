"""Signing in: what is said, what locks, when a session ends, what must be changed first."""

import re

import pytest

from canbao.portal.audit_log import AuditError
from canbao.portal.settings import PortalSettings

from .kit import PASSWORD, Installation, shown


def test_in_and_out(installation):
    installation.add("office")
    browser = installation.browser()
    answer = browser.get("/account")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/account")
    answer = browser.sign_in("office", next="/account")
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    page = browser.get("/account")
    assert page.status_code == 200
    assert "万州区" in shown(page)
    assert browser.post("/logout", "/account").headers["location"] == "/login"
    assert browser.get("/account").status_code == 303
    actions = [(entry["action"], entry["account"], entry["address"]) for entry in installation.entries(outcome="ok")]
    assert actions == [("sign_in", "office", "10.1.2.3"), ("sign_out", "office", "10.1.2.3")]


def test_an_ended_session_is_worth_nothing_afterwards(installation):
    installation.add("office")
    browser = installation.browser("office")
    kept = dict(browser.client.cookies)
    browser.post("/logout", "/account")
    browser.client.cookies.update(kept)
    assert browser.get("/account").status_code == 303


def test_signing_in_gives_a_new_id(installation):
    installation.add("office")
    browser = installation.browser()
    browser.get("/login")
    before = dict(browser.client.cookies)
    browser.client.cookies.set("canbao-session", "chosen-by-somebody-else", domain="127.0.0.1")
    browser.sign_in("office")
    session = browser.get("/account").request.headers["cookie"]
    assert "chosen-by-somebody-else" not in re.findall(r"canbao-session=([^;]+)", session)[-1:]
    assert before["canbao-browser"] not in re.findall(r"canbao-session=([^;]+)", session)


@pytest.mark.parametrize(
    "base", ["http://127.0.0.1:8000", "http://localhost", "https://portal.test", "http://portal.test"]
)
def test_cookies_are_secure_but_on_loopback(installation, base):
    given = installation.browser(base=base).get("/login").headers["set-cookie"]
    loopback = "127.0.0.1" in base or "localhost" in base
    assert ("secure" in given.lower()) is not loopback
    assert ("__Host-" in given) is not loopback
    assert all(word in given for word in ("HttpOnly", "SameSite=lax", "Path=/"))


def test_wrong_unknown_and_closed_look_alike(installation):
    installation.add("office")
    installation.add("gone")
    installation.accounts.close("gone")
    answers = [
        installation.browser().sign_in(name, password)
        for name, password in (("office", "wrong password 1"), ("nobody", PASSWORD), ("gone", PASSWORD))
    ]
    texts = {re.sub(r'value="[^"]*"', "", answer.text) for answer in answers}
    assert {answer.status_code for answer in answers} == {401}
    assert len(texts) == 1
    refused = installation.entries(action="sign_in", outcome="refused")
    assert [(entry["account"], entry["reason"]) for entry in refused] == [
        ("office", "password"),
        (None, "unknown"),
        ("gone", "closed"),
    ]


def test_what_was_typed_for_a_name_is_not_noted(installation):
    installation.browser().sign_in("500101199001011234", "13800001234")
    text = "".join(path.read_text() for path in (installation.portal.home / "audit").glob("*.jsonl"))
    assert "50010119900101" not in text
    assert "13800001234" not in text


@pytest.mark.parametrize("name", ["office", "nobody"])
def test_five_failures_lock_a_name_for_a_quarter_of_an_hour(installation, name):
    installation.add("office")
    for _ in range(5):
        assert installation.browser().sign_in(name, "wrong password 1").status_code == 401
    answer = installation.browser(address="10.9.9.9").sign_in(name)
    assert answer.status_code == 429
    assert "锁定" in shown(answer)
    installation.clock.forward(minutes=16)
    assert installation.browser().sign_in(name).status_code == (303 if name == "office" else 401)


def test_many_failures_lock_an_address(installation):
    installation.add("office")
    for number in range(50):
        installation.accounts._failed([f"name:n{number}", "address:10.1.2.3"])
    assert installation.browser().sign_in("office").status_code == 429
    assert installation.browser(address="10.9.9.9").sign_in("office").status_code == 303


def test_sessions_end_when_idle_and_in_any_case(installation):
    installation.add("office")
    browser = installation.browser("office")
    for _ in range(4):
        installation.clock.forward(minutes=29)
        assert browser.get("/account").status_code == 200
    installation.clock.forward(minutes=31)
    assert browser.get("/account").status_code == 303
    browser = installation.browser("office")
    for _ in range(24):
        installation.clock.forward(minutes=25)
        last = browser.get("/account").status_code
    assert last == 200
    installation.clock.forward(minutes=1)
    assert browser.get("/account").status_code == 303


def test_one_session_an_account(installation):
    installation.add("office")
    first, second = installation.browser("office"), installation.browser("office", address="10.4.4.4")
    assert second.get("/account").status_code == 200
    assert first.get("/account").status_code == 303


def test_the_sign_in_before_is_shown(installation):
    installation.add("office")
    assert "首次登录" in shown(installation.browser("office").get("/account"))
    installation.clock.forward(hours=2)
    assert "上次登录 2026-04-01 09:00，来自 10.1.2.3" in shown(
        installation.browser("office", address="10.4.4.4").get("/account")
    )


def test_a_first_password_must_be_changed(installation):
    installation.add("office", must_change=True)
    browser = installation.browser("office")
    for page in ("/account", "/", "/account/second-factor", "/watermark.svg"):
        assert browser.get(page).headers["location"] == "/account/password"
    fields = {
        "old_password": PASSWORD,
        "new_password": "new password 很好记",
        "new_password_again": "new password 很好记",
    }
    assert browser.post("/account/password", **{**fields, "new_password_again": "other"}).status_code == 400
    assert (
        browser.post(
            "/account/password", **{**fields, "new_password": PASSWORD, "new_password_again": PASSWORD}
        ).status_code
        == 400
    )
    before = browser.client.cookies["canbao-session"]
    assert browser.post("/account/password", **fields).status_code == 303
    assert browser.client.cookies["canbao-session"] != before
    assert browser.get("/account").status_code == 200
    assert [entry["outcome"] for entry in installation.entries(action="change_password")] == [
        "refused",
        "refused",
        "ok",
    ]


def test_passwords_expire(installation):
    installation.add("office")
    for _ in range(3):
        installation.clock.forward(days=29)
        browser = installation.browser("office")
    assert browser.get("/account").status_code == 200
    installation.clock.forward(days=4)
    assert installation.browser("office").get("/account").headers["location"] == "/account/password"


def test_a_change_of_rights_ends_the_session(installation):
    installation.add("office")
    browser = installation.browser("office")
    installation.accounts.grant("office", role="district", division="500102000000", export="none")
    assert browser.get("/account").status_code == 303


def test_an_account_that_sleeps_is_told_so_with_the_right_password_only(installation):
    installation.add("office", state="asleep")
    assert "安全管理员" in shown(installation.browser().sign_in("office"))
    assert "安全管理员" not in shown(installation.browser().sign_in("office", "wrong password 1"))


@pytest.mark.parametrize(
    "target", ["//evil.test", "https://evil.test/", "/\\evil.test", "javascript:alert(1)", "/a\r\nb", ""]
)
def test_signing_in_leads_nowhere_else(installation, target):
    installation.add("office")
    assert installation.browser().sign_in("office", next=target).headers["location"] == "/"


def test_nothing_is_served_when_the_log_cannot_be_written(installation):
    installation.add("office")
    browser = installation.browser("office")
    log = installation.portal.home / "audit"
    log.rename(log.with_name("away"))
    log.write_text("no folder")
    for page in ("/account", "/login", "/nothing", "/"):
        answer = browser.get(page)
        assert answer.status_code == 503
        assert "office" not in answer.text
    assert browser.get("/healthz").status_code == 503
    log.unlink()
    log.with_name("away").rename(log)
    assert browser.get("/account").status_code == 200


def test_an_action_that_cannot_be_noted_is_not_done(installation, monkeypatch):
    installation.add("office")
    token = (browser := installation.browser()).token("/login")

    def full(*_, **__):
        raise AuditError("no space")

    monkeypatch.setattr(installation.audit, "append", full)
    answer = browser.client.post("/login", data={"csrf": token, "username": "office", "password": PASSWORD})
    assert answer.status_code == 503
    assert "canbao-session" not in answer.headers.get("set-cookie", "")


def test_a_fault_shows_nothing(installation, monkeypatch, capsys):
    installation.add("office")
    browser = installation.browser("office")

    def broken(*_, **__):
        raise ValueError("500101199001011234 张三")

    monkeypatch.setattr(installation.accounts, "past_sign_ins", broken)
    answer = browser.get("/account")
    assert answer.status_code == 500
    assert "ValueError" not in answer.text
    assert "50010119900101" not in answer.text + capsys.readouterr().err


def test_headers(installation):
    installation.add("office")
    browser = installation.browser("office")
    for page in ("/account", "/login", "/nothing", "/healthz", "/static/style.css", "/static/none", "/watermark.svg"):
        headers = browser.get(page).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script" not in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert ("no-store" in headers["cache-control"]) is not page.startswith("/static/")
        assert "server" not in headers


def test_pages_hold_nothing_inline(installation):
    installation.add("office")
    browser = installation.browser("office")
    for page in ("/account", "/account/password", "/account/second-factor", "/logout"):
        assert not re.search(r"<script|<style|\bstyle=|\bon\w+=|https?://(?!www\.w3\.org)", browser.get(page).text)


def test_time_outs_are_settings(tmp_path):
    made = Installation(tmp_path, idle_minutes=5)
    made.add("office")
    browser = made.browser("office")
    made.clock.forward(minutes=6)
    assert browser.get("/account").status_code == 303
    assert PortalSettings().idle_minutes == 30
    made.close()
