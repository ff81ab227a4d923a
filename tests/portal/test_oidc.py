"""Sign-in through an OpenID Connect provider, a real one: a process of node (`make oidc`)."""

import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest

from canbao.portal import oidc
from canbao.portal.settings import OidcSettings

from .kit import Installation, shown

HERE = Path(__file__).parent / "oidc"
CACHE = Path(__file__).parents[2] / ".venv" / "oidc"
PORTAL = "http://127.0.0.1:8000"
SECRET = "made up for the tests"  # noqa: S105


@pytest.fixture(scope="module")
def issuer():
    """A provider that runs; its address."""
    node = shutil.which("node")
    if node is None or not (CACHE / "node_modules" / "oidc-provider").is_dir():
        pytest.skip("the provider is not there: make oidc")
    command = [node, str(HERE / "provider.mjs"), str(CACHE), f"{PORTAL}/login/oidc/callback"]
    environment = {**os.environ, "PORTAL_OIDC_SECRET": SECRET}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


@pytest.fixture
def portal(tmp_path, issuer, monkeypatch):
    """A portal that knows the provider."""
    monkeypatch.setenv("PORTAL_OIDC_SECRET", SECRET)
    settings = OidcSettings(issuer, "portal", "PORTAL_OIDC_SECRET", PORTAL, acr=("mfa",), amr=("otp",))
    made = Installation(tmp_path, oidc=settings)
    made.clock.now = oidc_now()
    yield made
    made.close()


def oidc_now():
    from canbao.portal.accounts import utc_now

    return utc_now()


def through(browser, login, path="/login/oidc", **more):
    """Go to the provider, sign in there, and bring back what it says: the address of the way back."""
    begun = browser.get(path)
    assert begun.status_code == 303, begun.text
    with httpx2.Client(trust_env=False) as client:
        asked = client.get(begun.headers["location"])
        assert asked.status_code == 303, asked.text
        base = begun.headers["location"]
        done = client.get(httpx2.URL(base).join(asked.headers["location"]).copy_merge_params({"login": login, **more}))
        while not done.headers["location"].startswith(PORTAL):
            done = client.get(httpx2.URL(base).join(done.headers["location"]))
    return done.headers["location"].removeprefix(PORTAL)


def test_the_way_there_and_back(portal):
    portal.add("office")
    browser = portal.browser()
    assert "统一身份认证登录" in shown(browser.get("/login"))
    asked = parse_qs(urlsplit(browser.get("/login/oidc").headers["location"]).query)
    assert asked["response_type"] == ["code"]
    assert asked["code_challenge_method"] == ["S256"]
    assert len(asked["state"][0]) >= 32
    assert len(asked["nonce"][0]) >= 32
    back = through(browser, "office", "/login/oidc?next=/account")
    answer = browser.get(back)
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert "万州区" in shown(browser.get("/account"))
    entry = portal.entries(action="sign_in")[-1]
    assert (entry["account"], entry["outcome"], entry["detail"]) == ("office", "ok", {"method": "oidc"})


def test_what_came_back_counts_once_and_for_this_browser(portal):
    portal.add("office")
    browser, other = portal.browser(), portal.browser()
    other.get("/login")
    back = through(browser, "office")
    assert other.get(back).status_code == 403  # somebody else's link
    assert browser.get(back).status_code == 403  # and used up by it
    back = through(browser, "office")
    assert browser.get(back).status_code == 303
    assert portal.browser().get(back).status_code == 403
    assert {entry["reason"] for entry in portal.entries(action="sign_in", outcome="refused")} == {"state"}


@pytest.mark.parametrize(
    "change",
    [{"state": "other"}, {"code": "other"}, {"iss": "http://evil.test"}, {"error": "access_denied", "code": None}],
)
def test_what_was_changed_on_the_way(portal, change):
    portal.add("office")
    browser = portal.browser()
    parts = urlsplit(through(browser, "office"))
    fields = {name: values[0] for name, values in parse_qs(parts.query).items()} | change
    answer = browser.get(f"{parts.path}?{urlencode({name: value for name, value in fields.items() if value})}")
    assert answer.status_code == 403
    assert browser.get("/account").status_code == 303


def test_only_existing_accounts_that_are_active(portal):
    portal.add("closed")
    portal.accounts.close("closed")
    portal.add("new", state="asleep", role="", division="")
    for login in ("nobody", "closed", "new"):
        browser = portal.browser()
        answer = browser.get(through(browser, login))
        assert answer.status_code == 403
        assert "没有与之对应" in shown(answer)
    assert portal.accounts.get("nobody") is None


def test_a_password_that_must_be_changed_is_not_in_the_way(portal):
    portal.add("office", must_change=True)
    browser = portal.browser()
    browser.get(through(browser, "office"))
    assert browser.get("/account").status_code == 200


@pytest.mark.parametrize("who", ["system_admin", "security_admin", "auditor", "full"])
def test_who_needs_a_second_factor_needs_it_there(portal, who):
    portal.add(who, "district" if who == "full" else who, export="full", factor=False)
    browser = portal.browser()
    assert "第二因素" in shown(browser.get(through(browser, who)))
    assert browser.get("/account").status_code == 303
    assert portal.entries(action="sign_in", outcome="refused")[-1]["reason"] == "second factor"
    for more in ({"amr": "otp"}, {"acr": "mfa"}):
        browser = portal.browser()
        assert browser.get(through(browser, who, **more)).status_code == 303
        assert browser.get("/account").status_code == 200
    browser = portal.browser()
    assert browser.get(through(browser, who, amr="pwd")).status_code == 403


def test_the_account_s_own_second_factor_is_asked_for(portal):
    portal.add("office", factor=True)
    browser = portal.browser()
    assert browser.get(through(browser, "office")).headers["location"] == "/login/code"
    assert browser.get("/account").headers["location"] == "/login/code"
    assert browser.post("/login/code", code=portal.code("office")).status_code == 303
    assert browser.get("/account").status_code == 200


def test_a_wrong_secret_or_nonce(portal, monkeypatch):
    portal.add("office")
    browser = portal.browser()
    back = through(browser, "office")
    monkeypatch.setenv("PORTAL_OIDC_SECRET", "another")
    assert browser.get(back).status_code == 403
    monkeypatch.setenv("PORTAL_OIDC_SECRET", SECRET)
    monkeypatch.setattr(portal.accounts, "take_try", _with_nonce(portal.accounts.take_try))
    back = through(browser, "office")
    assert browser.get(back).status_code == 403
    assert "id token" in portal.entries(action="sign_in", outcome="refused")[-1]["reason"]


def _with_nonce(take):
    def taken(*arguments):
        found = take(*arguments)
        return found and ("another nonce", *found[1:])

    return taken


def test_a_provider_that_is_away(tmp_path):
    settings = OidcSettings("http://127.0.0.1:9", "portal", "", PORTAL)
    made = Installation(tmp_path, oidc=settings)
    answer = made.browser().get("/login/oidc")
    assert answer.status_code == 502
    assert made.entries(action="sign_in", outcome="failed")
    made.close()


def test_without_a_provider_there_is_no_such_way(installation):
    assert "/login/oidc" not in installation.browser().get("/login").text
    assert installation.browser().get("/login/oidc").status_code == 404
    assert oidc._ALGORITHMS
    assert not any(one.startswith("HS") or one == "none" for one in oidc._ALGORITHMS)


def test_a_fresh_sign_in_takes_the_place_of_the_password_for_the_second_factor(portal):
    portal.add("office")
    browser = portal.browser()
    browser.get(through(browser, "office"))
    assert 'name="password"' not in browser.get("/account/second-factor").text
    portal.clock.forward(minutes=6)
    assert browser.post("/account/second-factor", do="begin").status_code == 401
    browser.get(through(browser, "office"))
    assert browser.set_up_factor("office").status_code == 303
