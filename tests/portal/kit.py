"""What the portal's tests share: a portal with a clock of its own, and browsers that fill in its forms."""

import html
import re
from datetime import UTC, datetime, timedelta

import pyotp
from anyio.from_thread import BlockingPortal
from starlette.testclient import TestClient

from canbao.portal.app import create_app
from canbao.portal.page import Portal
from canbao.portal.settings import PortalSettings

PASSWORD = "horse 电池 staple 订书"  # noqa: S105 - made up
CITY, DISTRICT, TOWNSHIP, VILLAGE = "500000000000", "500101000000", "500101001000", "500101001001"
ADMINS = ("system_admin", "security_admin", "auditor")


class Clock:
    """The portal's time, moved by hand."""

    def __init__(self):
        self.now = datetime(2026, 4, 1, 1, 0, tzinfo=UTC)

    def __call__(self):
        return self.now

    def forward(self, **by):
        self.now += timedelta(**by)


class Installation:
    """One portal without publications, and who is in it."""

    def __init__(self, home, **settings):
        self.clock = Clock()
        self.portal = Portal(home, PortalSettings(**settings), self.clock)
        self.app = create_app(home, portal=self.portal)
        self.accounts, self.audit = self.portal.accounts, self.portal.audit
        self.secrets = {}

    def add(self, name, role="district", division=None, export="masked", factor=None, **more):
        """Make an account; with a second factor where it can do nothing without one, unless `factor` says otherwise."""
        place = {"city": CITY, "district": DISTRICT, "township": TOWNSHIP, "village": VILLAGE}.get(role, "")
        if role in ADMINS:
            export = "none"
        self.accounts.add(
            name, PASSWORD, role=role, division=place if division is None else division, export=export, **more
        )
        must = role in ADMINS or (export == "full" and role in {"city", "district"})
        if must if factor is None else factor:
            self.enrol(name)
        return name

    def enrol(self, name):
        enrolment = self.portal.second_factor.begin(name, "test")
        self.secrets[name] = enrolment.secret.replace(" ", "")
        self.clock.forward(seconds=30)
        assert self.portal.second_factor.check(name, self.code(name, fresh=False), self.clock())

    def code(self, name, fresh=True):
        """The code that the telephone shows; a fresh one each time."""
        if fresh:
            self.clock.forward(seconds=60)
        return pyotp.TOTP(self.secrets[name]).at(self.clock())

    def browser(self, name=None, **more):
        browser = Browser(self, **more)
        if name:
            assert browser.sign_in(name).status_code == 303
            if name in self.secrets:
                answer = browser.post("/login/code", code=self.code(name))
                assert answer.status_code == 303, answer.text
        return browser

    def entries(self, **wanted):
        return [entry for entry in self.audit.entries() if all(entry[key] == value for key, value in wanted.items())]

    def close(self):
        if "downloads" in self.portal.__dict__:
            self.portal.downloads.close()
        self.portal.store.close()


class Browser:
    """A browser without scripts: it keeps cookies and sends what is in a page's form.

    Attributes:
        loop: Where requests are served; without one a client starts an event loop and its threads for each request.
    """

    loop: BlockingPortal | None = None

    def __init__(self, installation, address="10.1.2.3", base="http://127.0.0.1:8000", **headers):
        self.installation = installation
        self.client = TestClient(
            installation.app,
            base_url=base,
            follow_redirects=False,
            headers=headers,
            client=(address, 50000),
            raise_server_exceptions=False,
        )
        self.client.portal = self.loop

    def get(self, path, **more):
        return self.client.get(path, **more)

    def token(self, page):
        return re.search(r'name="csrf" value="([0-9a-f]{64})"', self.get(page).text)[1]

    def post(self, path, page=None, **fields):
        token = self.token(page or path)
        return self.client.post(path, data={"csrf": token, **fields})

    def set_up_factor(self, name, password=PASSWORD):
        """Set the second factor up as people do; the answer to its first code."""
        answer = self.post("/account/second-factor", do="begin", password=password)
        assert answer.status_code == 303, answer.text
        page = self.get("/account/second-factor").text
        self.installation.secrets[name] = re.search(r'class="secret">([A-Z2-7 ]+)<', page)[1].replace(" ", "")
        return self.post("/account/second-factor", do="confirm", code=self.installation.code(name))

    def sign_in(self, name, password=PASSWORD, **fields):
        return self.post("/login", username=name, password=password, **fields)


def shown(answer):
    """A page's text without its marks."""
    return html.unescape(re.sub(r"<[^>]*>", " ", answer.text))
