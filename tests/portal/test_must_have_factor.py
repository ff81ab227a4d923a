"""The second factor of those who must have one: nothing before it, and nobody sets it up with a session alone."""

import subprocess
import sys

import pytest

from canbao.portal.app import ROUTES
from canbao.portal.audit_log import AuditError

from .kit import ADMINS, CITY, PASSWORD, shown

FACTOR = "/account/second-factor"
MUST = [*ADMINS, "city", "district"]


def _without(installation, role, **more):
    return installation.add(role, role, export="full", factor=False, **more)


@pytest.mark.parametrize("role", MUST)
def test_nothing_but_its_setting_up_is_reached_without_it(installation, role):
    _without(installation, role)
    browser = installation.browser(role)
    for page in ROUTES:
        if page.needs and "{" not in page.path and page.path not in {FACTOR, "/logout"}:
            for method in page.methods:
                answer = browser.client.request(method, page.path, data={"code": "1"} if method == "POST" else None)
                assert (answer.status_code, answer.headers.get("location")) in {
                    (303, FACTOR), *([(303, "/")] if page.path == "/login/code" else []),
                    *([(403, None)] if method == "POST" else []),
                }, page.path  # fmt: skip
    assert browser.get("/person/" + "0" * 32).headers["location"] == FACTOR
    page = browser.get(FACTOR)
    assert page.status_code == 200
    assert "必须使用动态码" in shown(page)
    assert 'href="/account"' not in page.text
    assert browser.get("/logout").status_code == 200
    assert browser.set_up_factor(role).headers["location"] == "/account?told=factor"
    assert browser.get("/account").status_code == 200
    assert installation.browser(role).get("/account").status_code == 200


def test_others_need_none(installation):
    for role, export in (("district", "masked"), ("city", "none"), ("township", "full"), ("village", "full")):
        installation.add(role, role, export=export)
        assert installation.browser(role).get("/account").status_code == 200


def test_the_first_password_comes_before_it(installation):
    _without(installation, "auditor", must_change=True)
    browser = installation.browser("auditor")
    assert browser.get(FACTOR).headers["location"] == "/account/password"
    new = "something else 全新"
    answer = browser.post("/account/password", old_password=PASSWORD, new_password=new, new_password_again=new)
    assert browser.get(answer.headers["location"]).headers["location"] == FACTOR
    assert browser.set_up_factor("auditor", new).status_code == 303
    assert browser.get("/audit").status_code == 200


def test_a_right_that_is_granted_later_asks_for_it(installation):
    installation.add("office", "city")
    installation.accounts.grant("office", role="city", division=CITY, export="full")
    assert installation.browser("office").get("/account").headers["location"] == FACTOR


def test_it_is_begun_with_the_password_only(installation):
    installation.add("office")
    browser = installation.browser("office")
    for more in ({}, {"password": ""}, {"password": "wrong password 1"}):
        assert browser.post(FACTOR, do="begin", **more).status_code == 401
    assert installation.accounts.factor("office")[0] is None
    refused = installation.entries(action="second_factor_begin", outcome="refused")
    assert [(entry["account"], entry["reason"]) for entry in refused] == [("office", "password")] * 3
    for _ in range(2):
        browser.post(FACTOR, do="begin", password="wrong password 1")  # noqa: S106
    answer = browser.post(FACTOR, do="begin", password=PASSWORD)
    assert (answer.status_code, "锁定" in shown(answer)) == (429, True)
    assert installation.accounts.factor("office")[0] is None
    installation.clock.forward(minutes=16)
    assert browser.set_up_factor("office").status_code == 303


def test_what_one_session_began_no_other_sees_or_confirms(installation):
    installation.add("office")
    first = installation.browser("office")
    assert first.post(FACTOR, do="begin", password=PASSWORD).status_code == 303
    assert 'class="secret"' in first.get(FACTOR).text
    second = installation.browser("office")
    assert 'class="secret"' not in second.get(FACTOR).text
    secret = installation.portal.second_factor.pending("office", "x").secret
    installation.secrets["office"] = secret.replace(" ", "")
    answer = second.post(FACTOR, do="confirm", code=installation.code("office"))
    assert answer.status_code == 409
    assert not installation.accounts.get("office").second_factor


def test_setting_it_up_takes_no_longer_than_a_quarter_of_an_hour(installation):
    installation.add("office")
    browser = installation.browser("office")
    browser.post(FACTOR, do="begin", password=PASSWORD)
    installation.clock.forward(minutes=16)
    assert 'class="secret"' not in browser.get(FACTOR).text


@pytest.mark.parametrize("role", MUST)
def test_who_must_have_it_cannot_take_it_away(installation, role):
    """The security administrator's reset is what lets a new one be set up, with the password."""
    installation.add(role, role, export="full")
    browser = installation.browser(role)
    assert "取消动态码" not in browser.get(FACTOR).text
    answer = browser.post(FACTOR, do="remove", code=installation.code(role))
    assert answer.status_code == 403
    assert installation.accounts.get(role).second_factor
    assert installation.entries(action="second_factor_remove")[-1]["outcome"] == "refused"
    assert browser.post(FACTOR, do="begin", password=PASSWORD).status_code == 303
    assert 'class="secret"' not in browser.get(FACTOR).text
    installation.add("chief", "security_admin")
    chief = installation.browser("chief")
    answer = chief.post(
        "/accounts/reset-second-factor", f"/accounts/one?name={role}", name=role, code=installation.code("chief")
    )
    assert answer.status_code == 303
    assert browser.get("/account").headers["location"] == FACTOR
    assert browser.post(FACTOR, do="begin").status_code == 401
    assert browser.set_up_factor(role).status_code == 303


def test_it_is_not_begun_nor_confirmed_without_an_entry(installation, monkeypatch):
    installation.add("office")
    browser = installation.browser("office")
    token = browser.token(FACTOR)

    def full(*_, **__):
        raise AuditError("no space")

    with monkeypatch.context() as patch:
        patch.setattr(installation.audit, "append", full)
        answer = browser.client.post(FACTOR, data={"csrf": token, "do": "begin", "password": PASSWORD})
        assert answer.status_code == 503
    assert installation.accounts.factor("office")[0] is None
    browser.post(FACTOR, do="begin", password=PASSWORD)
    secret = installation.portal.second_factor.pending("office", "x").secret
    installation.secrets["office"] = secret.replace(" ", "")
    with monkeypatch.context() as patch:
        patch.setattr(installation.audit, "append", full)
        code = installation.code("office")
        assert browser.client.post(FACTOR, data={"csrf": token, "do": "confirm", "code": code}).status_code == 503
    assert not installation.accounts.get("office").second_factor


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--role", "auditor"), True),
        (("--role", "city", "--division", CITY, "--export", "full"), True),
        (("--role", "city", "--division", CITY), False),
    ],
)
def test_the_command_says_so(tmp_path, options, told):
    command = [sys.executable, "-m", "canbao", "user", "add", "one", "--home", tmp_path, "--password-stdin", *options]
    done = subprocess.run(command, input=f"{PASSWORD}\n", capture_output=True, text=True, check=True)
    assert ("动态码" in done.stdout) is told
