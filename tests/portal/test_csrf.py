"""Forms: only those of one's own pages count."""

import pytest

from canbao.portal.app import ROUTES

from .kit import PASSWORD

POSTS = [page.path for page in ROUTES if "POST" in page.methods and "{" not in page.path]
NEW = "something else 全新"


def _fields():
    return {"old_password": PASSWORD, "new_password": NEW, "new_password_again": NEW}


@pytest.mark.parametrize("token", [None, "", "0" * 64, "other"])
def test_a_form_without_this_session_s_token_is_refused(installation, token):
    installation.add("office")
    installation.add("other")
    browser, other = installation.browser("office"), installation.browser("other")
    fields = _fields()
    if token is not None:
        fields["csrf"] = other.token("/account/password") if token == "other" else token  # noqa: S105
    answer = browser.client.post("/account/password", data=fields)
    assert answer.status_code == 403
    assert installation.accounts.sign_in("office", PASSWORD, "10.0.0.1").outcome == "ok"
    refused = installation.entries(action="form", outcome="refused")
    assert [(entry["account"], entry["target"]) for entry in refused] == [("office", "/account/password")]


def test_the_sign_in_form_too(installation):
    installation.add("office")
    browser, other = installation.browser(), installation.browser()
    fields = {"username": "office", "password": PASSWORD}
    assert browser.client.post("/login", data=fields).status_code == 403
    assert browser.client.post("/login", data={**fields, "csrf": other.token("/login")}).status_code == 403
    assert browser.client.post("/login", data={**fields, "csrf": browser.token("/login")}).status_code == 303


def test_a_token_from_before_signing_in_is_worth_nothing_after_it(installation):
    installation.add("office")
    browser = installation.browser()
    before = browser.token("/login")
    browser.sign_in("office")
    assert browser.client.post("/account/password", data={**_fields(), "csrf": before}).status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://127.0.0.1:8000"}, 303),
        ({"origin": "null"}, 303),
        ({"sec-fetch-site": "same-origin"}, 303),
        ({"origin": "http://evil.test"}, 403),
        ({"origin": "http://127.0.0.1:9000"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
    ],
)
def test_what_the_browser_says_of_the_form_s_origin(installation, headers, status):
    installation.add("office")
    browser = installation.browser("office")
    fields = {**_fields(), "csrf": browser.token("/account/password")}
    assert browser.client.post("/account/password", data=fields, headers=headers).status_code == status


@pytest.mark.parametrize(
    "role", ["city", "district", "township", "village", "system_admin", "security_admin", "auditor"]
)
def test_every_form_of_every_role(installation, role):
    installation.add("person", role)
    browser = installation.browser("person")
    for path in POSTS:
        if path != "/login":
            assert browser.client.post(path, data={"name": "x"}).status_code in {303, 403, 404}, path
    assert browser.get("/account").status_code == 200  # /logout did not work either
    assert len(installation.accounts.all()) == 1


def test_large_forms_are_not_read(installation):
    installation.add("office")
    browser = installation.browser("office")
    answer = browser.post("/account/password", old_password="x" * 100_000)
    assert answer.status_code in {400, 413}
    many = {f"field{number}": "x" for number in range(500)}
    assert browser.post("/account/password", **many).status_code == 400
