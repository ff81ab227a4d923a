"""The three administrators: each does its own part, none sees people, none helps itself."""

import csv
import io
import json
import re

import pytest

from canbao.portal.app import ROUTES
from canbao.portal.scope import ADMIN_ROLES, PEOPLE_ROLES, capabilities
from canbao.portal.views.audit import words

from .kit import ADMINS, DISTRICT, PASSWORD, shown

PEOPLE = {
    "see_ledger",
    "see_people",
    "see_quality",
    "see_runs",
    "download",
    "download_full",
    "upload_feedback",
    "object",
}


def test_what_roles_can_do():
    for role in ADMIN_ROLES:
        assert not capabilities(role) & PEOPLE
        assert "must_have_second_factor" in capabilities(role)
    own = {"make_accounts": "system_admin", "grant_rights": "security_admin", "read_audit": "auditor"}
    for capability, role in own.items():
        assert [one for one in (*PEOPLE_ROLES, *ADMIN_ROLES) if capability in capabilities(one)] == [role]
    assert capabilities("") == frozenset()
    assert "download_full" not in capabilities("township") | capabilities("village")


@pytest.fixture
def three(installation):
    """The three administrators, with second factors."""
    for role in ADMINS:
        installation.add(role, role, factor=True)
    return installation


def _make(three, name="new"):
    browser = three.browser("system_admin")
    page = browser.post("/accounts/make", "/accounts", name=name, holder="某区", code=three.code("system_admin"))
    assert page.status_code == 200, page.text
    return re.search(r'class="once">([^<]+)<', page.text)[1]


def _grant(three, name="new", by="security_admin", **rights):
    browser = three.browser(by)
    fields = {"role": "district", "division": DISTRICT, "export": "masked", "daily_rows": "", **rights}
    return browser.post("/accounts/grant", "/accounts", name=name, code=three.code(by), **fields)


def test_an_account_from_making_to_work(three):
    password = _make(three)
    assert three.accounts.get("new").state == "asleep"
    assert three.browser().sign_in("new", password).status_code == 401
    assert _grant(three, export="full", daily_rows="1000").status_code == 303
    account = three.accounts.get("new")
    assert (account.role, account.division, account.export, account.daily_rows) == ("district", DISTRICT, "full", 1000)
    browser = three.browser()
    assert browser.sign_in("new", password).status_code == 303
    assert browser.get("/").headers["location"] == "/account/password"
    changed = "mine alone 自己的密码"
    assert (
        browser.post(
            "/account/password", old_password=password, new_password=changed, new_password_again=changed
        ).status_code
        == 303
    )
    assert browser.get("/account").headers["location"] == "/account/second-factor"
    assert browser.set_up_factor("new", changed).status_code == 303
    assert browser.get("/account").status_code == 200
    noted = three.entries(target="new")
    assert [entry["action"] for entry in noted] == [
        "account_make",
        "sign_in",
        "account_grant",
        "sign_in",
        "change_password",
        "second_factor_begin",
        "second_factor_confirm",
    ]
    assert noted[2]["detail"]["granted"] == {
        "role": "district",
        "division": DISTRICT,
        "export": "full",
        "daily_rows": "1000",
    }
    assert password not in json.dumps(list(three.audit.entries()))


@pytest.mark.parametrize("role", [*PEOPLE_ROLES, *ADMINS])
def test_each_page_only_for_who_may(three, role):
    if role in PEOPLE_ROLES:
        three.add(role, role)
    browser = three.browser(role)
    unknown = browser.get("/no-such-page")
    token = browser.token("/account")
    for page in ROUTES:
        if not page.path.startswith(("/accounts", "/audit")):
            continue
        for method in page.methods:
            answer = browser.client.request(
                method, page.path, data={"csrf": token, "name": "auditor"} if method == "POST" else None
            )
            if page.needs in capabilities(role):
                assert answer.status_code in {200, 400, 403} or page.path == "/accounts/one"
            else:
                assert (answer.status_code, answer.text) == (404, unknown.text)
    refused = [entry for entry in three.entries(outcome="refused", account=role) if entry["target"].startswith("/a")]
    mine = [
        page
        for page in ROUTES
        if page.path.startswith(("/accounts", "/audit")) and page.needs not in capabilities(role)
    ]
    assert {entry["target"] for entry in refused} >= {page.path for page in mine}


@pytest.mark.parametrize("role", ADMINS)
def test_administrators_see_no_people(three, role):
    browser = three.browser(role)
    for page in ROUTES:
        if page.needs in PEOPLE and "GET" in page.methods:
            path = re.sub(r"\{[^}]*\}", "0" * 32, page.path)
            assert browser.get(path).status_code == (303 if path == "/" else 404), path
    assert browser.get("/").headers["location"] == ("/audit" if role == "auditor" else "/accounts")


def test_changing_needs_the_second_factor_at_that_moment(installation):
    installation.add("system_admin", "system_admin")
    browser = installation.browser("system_admin")
    answer = browser.post("/accounts/make", "/accounts", name="new")
    assert answer.status_code == 403
    assert 'name="code"' in answer.text
    assert installation.accounts.get("new") is None


def test_nobody_grants_to_themselves(three):
    three.add("second", "security_admin", factor=True)
    assert _grant(three, "security_admin", role="city", division="500000000000").status_code == 400
    assert three.accounts.get("security_admin").role == "security_admin"
    for path in ("close", "reset-password"):
        browser = three.browser("system_admin")
        assert (
            browser.post(
                f"/accounts/{path}", "/accounts", name="system_admin", code=three.code("system_admin")
            ).status_code
            == 403
        )
    for path in ("unlock", "sleep", "reset-second-factor"):
        browser = three.browser("security_admin")
        assert (
            browser.post(
                f"/accounts/{path}", "/accounts", name="security_admin", code=three.code("security_admin")
            ).status_code
            == 403
        )
    assert [three.accounts.get(name).state for name in ADMINS] == ["active"] * 3


@pytest.mark.parametrize("role", ADMINS)
def test_no_account_holds_two_of_the_three(three, role):
    three.add("office")
    for name in {*ADMINS, "office"} - {role, "security_admin"}:
        before = three.accounts.get(name)
        assert _grant(three, name, role=role).status_code == 400
        assert three.accounts.get(name).role == before.role
    assert _grant(three, "auditor", role="district").status_code == 400
    _make(three)
    assert _grant(three, role=role, division="", export="full").status_code == 303
    assert (three.accounts.get("new").role, three.accounts.get("new").export) == (role, "none")


@pytest.mark.parametrize(
    "rights",
    [
        {"role": "city"},
        {"role": "village"},
        {"division": "500999000000"},
        {"division": ""},
        {"division": "50010"},
        {"role": "city", "division": "500101"},
        {"role": "township", "division": "500101001000", "export": "full"},
        {"export": "everything"},
        {"role": "emperor"},
        {"role": ""},
        {"daily_rows": "-1"},
        {"daily_rows": "many"},
    ],
)
def test_rights_must_fit(three, rights):
    _make(three)
    assert _grant(three, **rights).status_code == 400
    assert three.accounts.get("new").role == ""


@pytest.mark.parametrize(
    ("role", "short", "code"),
    [("district", "500101", "500101000000"), ("township", "500101001", "500101001000")],
)
def test_a_short_code_is_granted_as_the_division_that_it_abbreviates(three, role, short, code):
    _make(three)
    assert _grant(three, role=role, division=short).status_code == 303
    assert three.accounts.get("new").division == code


def test_two_administrators_are_needed_to_take_over_an_account(three):
    three.add("office", factor=True)
    browser = three.browser("system_admin")
    page = browser.post("/accounts/reset-password", "/accounts", name="office", code=three.code("system_admin"))
    password = re.search(r'class="once">([^<]+)<', page.text)[1]
    assert three.browser().sign_in("office").status_code == 401
    assert three.browser().sign_in("office", password).status_code == 401  # asleep
    browser = three.browser("security_admin")
    assert (
        browser.post("/accounts/unlock", "/accounts", name="office", code=three.code("security_admin")).status_code
        == 303
    )
    assert three.browser().sign_in("office", password).headers["location"] == "/login/code"


def test_closing_is_for_good(three):
    three.add("office")
    office = three.browser("office")
    browser = three.browser("system_admin")
    assert (
        browser.post("/accounts/close", "/accounts", name="office", code=three.code("system_admin")).status_code == 303
    )
    assert office.get("/account").status_code == 303
    assert three.browser().sign_in("office").status_code == 401
    assert _grant(three, "office").status_code == 400
    browser = three.browser("system_admin")
    answer = browser.post("/accounts/make", "/accounts", name="office", code=three.code("system_admin"))
    assert answer.status_code == 400
    assert "已存在" in shown(answer)


def test_finding_accounts_and_divisions(three):
    three.add("office", holder="万州区医保局 张")
    browser = three.browser("security_admin")
    assert "office" in browser.get("/accounts?text=张").text
    assert "office" not in shown(browser.get("/accounts?text=李"))
    page = shown(browser.get("/accounts/one?name=office&find=高笋塘"))
    assert "500101001000" in page
    assert browser.get("/accounts/one?name=nobody").status_code == 404


def test_the_auditor_searches(three):
    three.add("office")
    three.browser().sign_in("office", "wrong password 1")
    three.clock.forward(minutes=1)
    three.browser("office")
    three.audit.append("view_person", account="office", target="ab" * 16, rows=1)
    browser = three.browser("auditor")
    page = browser.get("/audit")
    assert page.status_code == 200
    found = shown(browser.get("/audit?account=office&outcome=refused"))
    assert "共 1 条" in found
    assert "共 1 条" in shown(browser.get(f"/audit?target={'ab' * 16}"))
    assert "共 2 条" in shown(browser.get("/audit?account=office&action=sign_in"))
    assert "共 0 条" in shown(browser.get("/audit?account=office&since=2026-03-01&until=2026-03-31"))
    assert browser.get("/audit?account=office&account=other").status_code == 404
    for page, status in (("0", 400), ("-1", 400), ("x", 400), ("99999999999999", 200), ("7", 200)):
        assert browser.get(f"/audit?page={page}").status_code == status


def test_the_log_as_a_file(three):
    three.audit.append("download", account="=HYPERLINK(1)", target="500101000000", rows=12, reason="+危险")
    browser = three.browser("auditor")
    answer = browser.get("/audit.csv")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(answer.text.lstrip("\ufeff"))))
    assert len(rows) == len(three.entries()) - 1 + 3  # title, head and closing line; the export itself comes after
    assert rows[-1] == [f"以下无数据，共 {len(rows) - 3} 行"]
    line = next(row for row in rows if "下载" in row)
    assert "'=HYPERLINK(1)" in line
    assert "'+危险" in line
    assert "500101000000\t" in line
    assert three.entries(action="audit_export")[0]["rows"] == len(rows) - 3


def test_the_password_is_shown_once(three):
    password = _make(three)
    browser = three.browser("system_admin")
    for page in ("/accounts", "/accounts/one?name=new"):
        assert password not in browser.get(page).text
    assert PASSWORD not in browser.get("/accounts").text


def test_what_the_log_says_has_a_word(three):
    three.add("office")
    three.browser().sign_in("office", "wrong password 1")
    three.browser("office").get("/accounts")
    found = shown(three.browser("auditor").get("/audit"))
    assert "密码不正确" in found
    assert "角色无此权限" in found
    assert not {page.needs for page in ROUTES if page.needs} - set(words("action"))
