"""The second factor: codes as RFC 6238 has them, used once; asked at sign-in and for single actions."""

import base64
import re
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from canbao.portal import app as portal_app
from canbao.portal.page import step_up

from .kit import PASSWORD, shown

RFC_6238 = [(59, "94287082"), (1111111109, "07081804"), (1234567890, "89005924"), (2000000000, "69279037")]


@pytest.mark.parametrize(("seconds", "code"), RFC_6238)
def test_codes_of_the_standard(installation, seconds, code):
    installation.add("office")
    factor = installation.portal.second_factor
    secret = base64.b32encode(b"12345678901234567890").decode()
    installation.accounts.set_factor("office", factor._seal("office", secret))
    assert factor.check("office", code[-6:], datetime.fromtimestamp(seconds, UTC))


def _enrolled(installation, name="office", **more):
    installation.add(name, factor=True, **more)
    installation.clock.forward(minutes=2)
    return installation.portal.second_factor


def test_a_code_counts_once_and_only_in_its_time(installation):
    factor = _enrolled(installation)
    now = installation.clock()
    code = pyotp.TOTP(installation.secrets["office"]).at(now)
    for late in (-120, -61, 61, 120):
        assert not factor.check("office", code, now + timedelta(seconds=late))
    assert factor.check("office", f" {code[:3]} {code[3:]} ", now + timedelta(seconds=20))
    assert not factor.check("office", code, now + timedelta(seconds=21))
    before = pyotp.TOTP(installation.secrets["office"]).at(now - timedelta(seconds=30))
    assert not factor.check("office", before, now)  # an older code after a newer one
    for wrong in ("", "12345", "1234567", "abcdef", "１２３４５６", "²³¹²³¹"):
        assert not factor.check("office", wrong, now)


def test_the_secret_is_sealed(installation):
    _enrolled(installation)
    secret = installation.secrets["office"].encode()
    for path in installation.accounts.path.parent.glob("accounts.db*"):
        assert secret not in path.read_bytes()
    sealed, confirmed, _ = installation.accounts.factor("office")
    assert confirmed
    installation.add("other")
    installation.accounts.set_factor("other", sealed)  # moved to another account it opens nothing
    assert installation.portal.second_factor.pending("other", "x") is None


def test_set_up_in_the_portal(installation):
    installation.add("office")
    browser = installation.browser("office")
    assert browser.post("/account/second-factor", do="begin", password=PASSWORD).status_code == 303
    page = browser.get("/account/second-factor")
    secret = re.search(r'class="secret">([A-Z2-7 ]+)<', page.text)[1].replace(" ", "")
    assert f"secret={secret}" in page.text
    assert "<svg" in page.text
    assert not installation.accounts.get("office").second_factor
    assert browser.post("/account/second-factor", do="confirm", code="000000").status_code == 401
    installation.secrets["office"] = secret
    assert browser.post("/account/second-factor", do="confirm", code=installation.code("office")).status_code == 303
    assert installation.accounts.get("office").second_factor
    assert secret not in browser.get("/account/second-factor").text
    assert browser.post("/account/second-factor", do="begin").status_code == 303  # begins nothing now
    assert installation.accounts.get("office").second_factor
    assert browser.post("/account/second-factor", do="remove", code="000000").status_code == 401
    assert browser.post("/account/second-factor", do="remove", code=installation.code("office")).status_code == 303
    assert not installation.accounts.get("office").second_factor


def test_asked_at_sign_in(installation):
    _enrolled(installation)
    browser = installation.browser()
    assert browser.sign_in("office").headers["location"] == "/login/code"
    for page in ("/account", "/account/password", "/", "/watermark.svg"):
        assert browser.get(page).headers["location"] == "/login/code"
    half = browser.client.cookies["canbao-session"]
    assert browser.post("/login/code", code="123456").status_code == 401
    assert browser.post("/login/code", code=installation.code("office")).headers["location"] == "/"
    assert browser.client.cookies["canbao-session"] != half
    assert browser.get("/account").status_code == 200
    assert installation.accounts.past_sign_ins("office")[0].method == "password+code"


def test_a_half_sign_in_ends_nobody_s_session_and_waits_five_minutes(installation):
    _enrolled(installation)
    inside = installation.browser("office")
    half = installation.browser()
    half.sign_in("office")
    assert inside.get("/account").status_code == 200
    installation.clock.forward(minutes=6)
    assert half.get("/login/code").headers["location"].startswith("/login?")


def test_wrong_codes_lock(installation):
    _enrolled(installation)
    browser = installation.browser()
    browser.sign_in("office")
    for _ in range(5):
        assert browser.post("/login/code", code="000000").status_code == 401
    assert "次数过多" in shown(browser.post("/login/code", code=installation.code("office")))
    again = installation.browser()
    again.sign_in("office")
    assert again.post("/login/code", code=installation.code("office")).status_code == 401
    installation.clock.forward(minutes=16)
    assert installation.browser("office").get("/account").status_code == 200


@pytest.fixture
def with_action(installation, monkeypatch):
    """A portal with an action that needs the second factor, by form and by address."""

    def act(request):
        step_up(request)
        return PlainTextResponse("done")

    page = portal_app.Page("/account/act", ("GET", "POST"), "own_account:show", "own_account")
    monkeypatch.setattr(portal_app, "_handler", lambda _: act)
    route: Route = portal_app._route(page)
    installation.app.router.routes.insert(0, route)
    return installation


def test_an_action_by_form(with_action):
    _enrolled(with_action)
    browser = with_action.browser("office")
    token = browser.token("/account")
    asked = browser.client.post("/account/act", data={"csrf": token, "what": "this & <that>", "old_password": PASSWORD})
    assert asked.status_code == 403
    assert 'name="what" value="this &amp; &lt;that&gt;"' in asked.text
    assert PASSWORD not in asked.text
    assert 'action="/account/act"' in asked.text
    code = with_action.code("office")
    data = {"csrf": token, "what": "this", "code": code}
    assert browser.client.post("/account/act", data=data).text == "done"
    assert browser.client.post("/account/act", data=data).status_code == 403  # one code, one action


def test_an_action_by_address(with_action):
    _enrolled(with_action)
    browser = with_action.browser("office")
    assert browser.get("/account/act?a=1").status_code == 403
    assert browser.post("/step-up?next=/account/act?a=1", code="000000", next="/account/act?a=1").status_code == 401
    answer = browser.post("/step-up", code=with_action.code("office"), next="/account/act?a=1")
    assert answer.headers["location"] == "/account/act?a=1"
    assert browser.get("/account/act?a=2").status_code == 403  # another address
    assert browser.get("/account/act?a=1").text == "done"
    assert browser.get("/account/act?a=1").status_code == 403  # once
    browser.post("/step-up", code=with_action.code("office"), next="/account/act?a=1")
    with_action.clock.forward(minutes=6)
    assert browser.get("/account/act?a=1").status_code == 403  # too late


def test_what_one_session_confirmed_is_not_another_s(with_action):
    _enrolled(with_action)
    first = with_action.browser("office")
    first.post("/step-up", code=with_action.code("office"), next="/account/act")
    second = with_action.browser("office")
    assert second.get("/account/act").status_code == 403


def test_without_a_second_factor_nothing_is_done(with_action):
    with_action.add("office")
    browser = with_action.browser("office")
    for answer in (browser.get("/account/act"), browser.post("/account/act", "/account", code="123456")):
        assert answer.status_code == 403
        assert "/account/second-factor" in answer.text
