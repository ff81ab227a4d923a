"""Tries that nobody let in made, sign-ins over others, and what is typed where it does not belong."""

import sqlite3

import pytest

from canbao.errors import UserError
from canbao.portal.app import ROUTES
from canbao.portal.knocks import ALL, EACH, Knocks
from canbao.portal.settings import load_portal_settings

from .kit import PASSWORD, Installation, shown

NUMBER = "500101199001011234"


def _knocks(installation):
    return [entry for entry in installation.entries(outcome="refused") if entry["reason"] == "no session"]


def test_a_try_without_a_session_stands_in_the_log(installation):
    browser = installation.browser()
    person = "ab" * 16
    for path in ("/", "/login", "/static/style.css", "/healthz", "/favicon.ico"):
        browser.get(path)
    assert _knocks(installation) == []
    assert browser.get(f"/person/{person}").status_code == 303
    assert browser.client.head("/uninsured.xlsx").status_code == 303
    assert browser.client.post("/search", data={"term": "张三"}).status_code == 303
    assert [
        (entry["action"], entry["target"], entry["account"], entry["address"]) for entry in _knocks(installation)
    ] == [
        ("see_people", person, None, "10.1.2.3"),
        ("download", "/uninsured.xlsx", None, "10.1.2.3"),
        ("see_people", "/search", None, "10.1.2.3"),
    ]


def test_whoever_only_has_the_password_is_noted_too(installation):
    installation.add("office", factor=True)
    browser = installation.browser()
    browser.sign_in("office")
    browser.get("/audit")
    entry = installation.entries(outcome="refused")[-1]
    assert (entry["action"], entry["account"], entry["reason"]) == ("read_audit", "office", "second factor")


def test_many_tries_are_counted(installation):
    browser, other = installation.browser(), installation.browser(address="10.9.9.9")
    for number in range(60):
        browser.get(f"/person/{number:032x}")
    other.get("/ledger")
    assert len(_knocks(installation)) == EACH + 1
    installation.clock.forward(minutes=1)
    installation.browser(address="10.8.8.8").get("/login")  # whoever comes next
    summary = installation.entries(action="no_session")
    assert [(entry["address"], entry["detail"]) for entry in summary] == [("10.1.2.3", {"tries": 60 - EACH})]
    browser.get("/ledger")
    assert len(_knocks(installation)) == EACH + 1 + 1 + 1
    assert len(installation.entries(action="no_session")) == 1


def test_tries_of_many_addresses_are_bounded_together():
    knocks = Knocks()
    assert knocks.counted(7) == []
    noted = sum(knocks.note_it(f"10.0.{number // 250}.{number % 250}") for number in range(1000))
    assert noted == ALL
    assert knocks.counted(7) == []
    assert knocks.counted(8) == [("", 1000 - ALL)]
    assert knocks.counted(9) == []


def test_what_was_counted_is_noted_when_the_portal_ends(tmp_path):
    made = Installation(tmp_path)
    browser = made.browser()
    with browser.client:
        for _ in range(9):
            browser.get("/ledger")
    assert made.entries(action="no_session")[0]["detail"] == {"tries": 9 - EACH}
    made.close()


def test_asking_for_the_head_alone_changes_nothing_and_breaks_nothing(installation):
    installation.add("office", factor=True)
    nobody, browser, half = installation.browser(), installation.browser("office"), installation.browser()
    half.sign_in("office")
    for page in ROUTES:
        if "GET" in page.methods and "{" not in page.path:
            for one in (nobody, browser, half):
                assert one.client.head(page.path).status_code in {200, 301, 303, 404, 503}, (
                    page.path
                )  # nothing published
            assert browser.get("/account").status_code == 200, page.path
    assert half.client.head("/login/code").status_code == 200


def test_signing_in_ends_the_session_that_the_browser_had(installation):
    for name in ("first", "second", "third"):
        installation.add(name, factor=name == "third")
    browser, other = installation.browser("first"), installation.browser()
    kept = browser.client.cookies["canbao-session"]
    token = browser.token("/account")
    browser.client.post("/login", data={"csrf": token, "username": "second", "password": PASSWORD})
    assert "second" in shown(browser.get("/account"))
    other.client.cookies.set("canbao-session", kept, domain="127.0.0.1")
    assert other.get("/account").status_code == 303
    assert installation.entries(action="sign_out")[0]["account"] == "first"
    kept = browser.client.cookies["canbao-session"]
    token = browser.token("/account")
    answer = browser.client.post("/login", data={"csrf": token, "username": "third", "password": PASSWORD})
    assert answer.headers["location"] == "/login/code"
    assert installation.accounts.session(kept) is None
    # A try that fails ends nothing.
    browser = installation.browser("first")
    browser.client.post("/login", data={"csrf": browser.token("/account"), "username": "second", "password": "wrong"})
    assert browser.get("/account").status_code == 200


def test_a_number_in_a_form_stands_in_no_entry(installation):
    for role in ("security_admin", "system_admin"):
        installation.add(role, role)
    installation.add("office")
    browser = installation.browser("security_admin")
    for division in (NUMBER, "110101 19900101 1237", "１１０１０１１９９００１０１１２３７", "500999000000"):
        answer = browser.post("/accounts/grant", "/accounts", name="office", role="district", division=division)
        assert answer.status_code == 400
    noted = [entry["detail"]["wanted"]["division"] for entry in installation.entries(action="account_grant")]
    assert noted == ["500***", "110***", "１１０***", "500999000000"]


def test_a_number_that_was_typed_for_a_name_stands_in_no_table(installation):
    installation.add("office")
    browser = installation.browser()
    for _ in range(5):
        browser.sign_in(NUMBER, "wrong password 1")
    assert browser.sign_in(NUMBER, "wrong password 1").status_code == 429  # it locks as any name does
    with sqlite3.connect(installation.accounts.path) as database:
        kept = [row[0] for row in database.execute("SELECT subject FROM failure")]
    assert len(kept) == 2
    for path in installation.accounts.path.parent.glob("accounts.db*"):
        assert NUMBER.encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ("address", "origin", "status"),
    [
        ("https://canbao.test", "https://canbao.test", 303),
        ("https://canbao.test:8443", "https://canbao.test:8443", 303),
        ("https://canbao.test:443", "https://canbao.test", 303),
        ("https://canbao.test", "http://canbao.test", 403),
        ("https://canbao.test", "https://canbao.test:8443", 403),
        ("https://canbao.test", "https://evil.test", 403),
        ("https://canbao.test", "https://canbao.test.evil.test", 403),
        ("https://canbao.test", "http://127.0.0.1:8000", 303),
        ("", "https://canbao.test", 403),
    ],
)
def test_a_proxy_that_changes_the_host_needs_the_portal_s_address(tmp_path, address, origin, status):
    made = Installation(tmp_path, address=address)
    made.add("office")
    browser = made.browser()
    fields = {"csrf": browser.token("/login"), "username": "office", "password": PASSWORD}
    assert browser.client.post("/login", data=fields, headers={"origin": origin}).status_code == status
    made.close()


def test_the_address_is_a_setting(tmp_path):
    file = tmp_path / "canbao.toml"
    file.write_text('[portal]\naddress = "https://canbao.test/"\n')
    assert load_portal_settings(tmp_path).address == "https://canbao.test"
    for wrong in ("http://canbao.test", "canbao.test", "https://canbao.test/portal", "https://"):
        file.write_text(f'[portal]\naddress = "{wrong}"\n')
        with pytest.raises(UserError, match=r"portal\.address"):
            load_portal_settings(tmp_path)
