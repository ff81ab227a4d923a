"""Nobody sees more than their own: every route, every role, every way of asking for what is not theirs.

The tries are made from `app.ROUTES`: a route that is not in `RULES` below fails the first test, so that whoever adds one
has to say what its address names. What is refused answers as an unknown path does, byte for byte, and stands in the audit
log; what is answered is compared with the people, names and divisions that lie outside.
"""

import asyncio
import html
import itertools
import json
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urljoin

import polars as pl
import pytest

from canbao.portal.app import POLICY, ROUTES
from canbao.portal.audit_log import AuditError
from canbao.portal.lists import FILTERS
from canbao.portal.scope import ADMIN_ROLES, PEOPLE_ROLES, capabilities

from .kit import CITY, Installation
from .published import DISTRICT, OTHER_DISTRICT, link_home

# ------------------------------------------------------------------------------------------------------ what routes name

LISTS = {"people": {"measure": "uninsured"}, "uninsured": {}, "duplicates": {}}


@dataclass(frozen=True)
class Rule:
    """What the address of a route names.

    Attributes:
        division: It takes a division's code in the parameter `division`.
        person: It has a person's id in its path.
        quality: It has a file's name in its path.
        keys: Parameters that name something of somebody (an account, a serial).
        plain: Other parameters, which must withstand any text.
        given: Parameters without which it has nothing to show.
        own: Everybody's own: nothing in the address chooses whose.
    """

    division: bool = False
    person: bool = False
    quality: bool = False
    keys: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()
    given: tuple[tuple[str, str], ...] = ()
    own: bool = False


_OWN = Rule(own=True)
_LIST = {
    path: Rule(division=True, plain=("basis", "page", *FILTERS[name]), given=tuple(given.items()))
    for name, given in LISTS.items()
    for path in (f"/{name}", f"/{name}.xlsx", f"/{name}.csv")
}
RULES: dict[str, Rule] = _LIST | {
    "/healthz": _OWN,
    "/login": Rule(plain=("next",), own=True),
    "/login/oidc": Rule(plain=("next",), own=True),
    "/login/oidc/callback": Rule(plain=("code", "state", "error"), own=True),
    "/favicon.ico": _OWN,
    "/login/code": _OWN,
    "/logout": _OWN,
    "/account": Rule(plain=("told",), own=True),
    "/account/password": _OWN,
    "/account/second-factor": _OWN,
    "/step-up": Rule(plain=("next",), own=True),
    "/watermark.svg": _OWN,
    "/accounts": Rule(plain=("text", "state", "role", "page", "told")),
    "/accounts/one": Rule(keys=("name",), plain=("find", "division")),
    "/accounts/make": Rule(keys=("name",)),
    "/accounts/close": Rule(keys=("name",)),
    "/accounts/reset-password": Rule(keys=("name",)),
    "/accounts/unlock": Rule(keys=("name",)),
    "/accounts/grant": Rule(keys=("name",)),
    "/accounts/sleep": Rule(keys=("name",)),
    "/accounts/reset-second-factor": Rule(keys=("name",)),
    "/audit": Rule(plain=("account", "target", "action", "outcome", "since", "until", "page")),
    "/audit.csv": Rule(plain=("account", "target", "action", "outcome", "since", "until")),
    "/": _OWN,
    "/ledger": Rule(division=True, plain=("basis", "table")),
    "/search": Rule(own=True),
    "/person/{person_id}": Rule(person=True),
    "/person/{person_id}/sheet": Rule(person=True),
    "/person/{person_id}/objection": Rule(person=True),
    "/objections": Rule(plain=("state", "page")),
    "/downloads": Rule(plain=("told",)),
    "/downloads/full": Rule(division=True, plain=("basis", "list", "file", "reason"), given=(("list", "uninsured"),)),
    "/downloads/decide": Rule(keys=("id",)),
    "/downloads/collect": Rule(keys=("id",)),
    "/dispatch": Rule(division=True, plain=("show", "page", "told")),
    "/dispatch/plan": Rule(keys=("division",)),
    "/dispatch/send": Rule(keys=("division",)),
    "/dispatch/batch": Rule(keys=("id",), plain=("show", "page")),
    "/dispatch/sheet.xlsx": Rule(keys=("id",)),
    "/dispatch/visit.xlsx": Rule(keys=("id",)),
    "/dispatch/zero": Rule(keys=("id",)),
    "/dispatch/recall": Rule(keys=("id",)),
    "/feedback": Rule(plain=("told",)),
    "/feedback/preview": Rule(keys=("token",), plain=("show", "page")),
    "/feedback/confirm": Rule(keys=("token",)),
    "/feedback/discard": Rule(keys=("token",)),
    "/feedback/receipt": Rule(keys=("no",), plain=("show", "page")),
    "/feedback/withdraw": Rule(keys=("no",)),
    "/feedback/decide": Rule(keys=("no",)),
    "/feedback/refused.xlsx": Rule(keys=("no", "token")),
    "/disputes": Rule(plain=("page", "told")),
    "/quality": _OWN,
    "/quality/{name:path}": Rule(quality=True),
    "/rules.html": _OWN,
    "/runs": _OWN,
}
GETS = [page for page in ROUTES if "GET" in page.methods]
POSTS = [page for page in ROUTES if "POST" in page.methods]


def test_every_route_has_a_rule():
    assert {page.path for page in ROUTES} <= set(RULES), "say in RULES what the address of a new route names"
    for page in ROUTES:
        assert page.needs or page.path in {"/healthz", "/login", "/login/oidc", "/login/oidc/callback", "/favicon.ico"}
        assert not page.needs or any(page.needs in capabilities(role) for role in (*PEOPLE_ROLES, *ADMIN_ROLES))
        parameters = set(re.findall(r"{(\w+)", page.path))
        rule = RULES[page.path]
        assert parameters == (
            {"person_id"} if rule.person else {"name"} if rule.quality else set(rule.keys) & parameters
        )


# ----------------------------------------------------------------------------------------------------------- who asks

ROLES = ("city", "district", "neighbour", "township", "village", *ADMIN_ROLES, "nobody")
WORKERS = ("city", "district", "neighbour", "township", "village")


class Offices:
    """A portal with an account for each of `ROLES`, and for each what lies outside its scope."""

    def __init__(self, home):
        self.installation = Installation(home)
        self.pub = self.installation.portal.store.wait()
        self.tree = self.pub.tree
        self.home, self._tables, self._own = home, {}, {}
        listed = self.table("uninsured").filter(
            pl.col("live_code").str.starts_with(DISTRICT[:6]) & ~pl.col("live_code").str.ends_with("000")
        )
        village = listed["live_code"].mode().sort()[0]
        self.divisions = {
            "city": CITY, "district": DISTRICT, "neighbour": OTHER_DISTRICT, "township": f"{village[:9]}000",
            "village": village,
        }  # fmt: skip
        self.browsers = {"nobody": self.installation.browser()}
        for name in ROLES[:-1]:
            role = "district" if name == "neighbour" else name
            full = role in {"city", "district"}
            export = "full" if full else "masked"
            self.installation.add(f"of-{name}", role, self.divisions.get(name), export, full or role in ADMIN_ROLES)
            self.browsers[name] = self.installation.browser(f"of-{name}")
        self.unknown = self.browsers["nobody"].get("/no-such-page").content
        self._outside, self._read, self._refused = {}, {}, []

    def table(self, name, publication="current"):
        path = (self.home / "published" / publication / f"{name}.parquet").resolve()
        if path not in self._tables:
            self._tables[path] = pl.read_parquet(path)
        return self._tables[path]

    @property
    def before(self):
        """The publication before the current one: whoever was one's own then may be told of as 销号."""
        current = (self.home / "published" / "current").resolve()
        folders = [one.parent for one in self.home.glob("published/*/*/person.parquet")]
        return next(str(one.relative_to(self.home / "published")) for one in folders if one.resolve() != current)

    def sees(self, name, page):
        return name in self.divisions and page.needs in capabilities(self.role(name))

    def role(self, name):
        return {"neighbour": "district", "nobody": ""}.get(name, name)

    def outside(self, name):
        """Ids, names and division names that no page of somebody may hold."""
        if name not in self._outside:
            own = self.tree.get(self.divisions.get(name))

            def mine(code):
                place = self.tree.place(code)
                return own is not None and place is not None and self.tree.inside(place.code, own)

            ids, strange, known = set(), set(), set()
            for publication in ("current", self.before):
                for row in self.table("person", publication).iter_rows(named=True):
                    inside = mine(row["household_place"]) or mine(row["residence_place"]) or name == "city"
                    (known if inside else strange).add(row["psn_name"])
                    if publication == "current" and not inside:
                        ids.add(row["person_id"])
                # A district settles the pairs of which a relation is its own, wherever the person is registered.
                pairs = self.table("duplicate_enrollment", publication).iter_rows(named=True)
                bureaus = ("insu_admdvs_a", "insu_admdvs_b", "notify_admdvs")
                two = {
                    row["person_id"]
                    for row in pairs
                    if any(mine((row[one] or "")[:6].ljust(12, "0")) for one in bureaus)
                }
                persons = self.table("person", publication).filter(pl.col("person_id").is_in(list(two)))
                known |= set(persons["psn_name"])
                known |= {
                    row["contact_name"]
                    for row in self.table("uninsured", publication).iter_rows(named=True)
                    if mine(row["live_code"]) or mine(row["resd_code"]) or name == "city"
                }
            self._outside[name] = (ids, {one for one in strange - known if one and len(one) > 1})
        return self._outside[name]

    def leaks(self, name, text):
        """What an answer holds that is not for somebody: ids and names of people, numbers of anybody."""
        ids, names = self.outside(name)
        found = set(re.findall(r"\b[0-9a-f]{32}\b", text)) & ids
        plain = html.unescape(re.sub(r'name="csrf" value="\w+"', "", text))  # one in a hundred looks like a number
        found |= {one for one in re.findall(r"[\u4e00-\u9fff·]{2,8}", plain) if one in names}
        return found | set(re.findall(r"(?<![\d*])[1-9]\d{16}[\dX](?!\d)", plain))

    def refused(self):
        """All refused tries so far; the log is read on from where it was read last."""
        for path in sorted((self.home / "audit").glob("*.jsonl")):
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                found = [json.loads(line) for line in file]
                self._read[path] = file.tell()
            self._refused += [
                entry for entry in found if entry["outcome"] == "refused" and entry["action"] != "no_session"
            ]  # what is counted by the minute comes when it comes
        return self._refused


@pytest.fixture(scope="module")
def offices(published_home, tmp_path_factory):
    made = Offices(link_home(published_home, tmp_path_factory.mktemp("routes")))
    yield made
    made.installation.close()


class Raw:
    """An answer to a request whose path no client has tidied up."""

    def __init__(self, status, headers, content):
        self.status_code, self.content = status, content
        self.headers = {name.decode(): value.decode() for name, value in headers}
        self.text = content.decode("utf-8", "replace")


def ask(offices, name, target, method="GET"):
    """Send a request line as it is; paths are unquoted once, as the server does it."""
    browser = offices.browsers[name]
    path, _, query = target.partition("?")
    cookies = "; ".join(f"{one.name}={one.value}" for one in browser.client.cookies.jar)
    scope = {
        "type": "http", "http_version": "1.1", "method": method, "scheme": "http", "path": unquote(path),
        "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
        "headers": [(b"host", b"127.0.0.1:8000"), (b"cookie", cookies.encode())],
        "client": ("10.1.2.3", 50000), "server": ("127.0.0.1", 8000), "state": {},
    }  # fmt: skip
    sent = []

    bodies = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive():
        if not bodies:
            await asyncio.sleep(60)  # nobody hangs up
        return bodies.pop()

    async def send(message):
        sent.append(message)

    browser.loop.call(offices.installation.app, scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent)
    return Raw(sent[0]["status"], sent[0]["headers"], body)


def is_refusal(offices, answer):
    return answer.status_code == 404 and answer.content == offices.unknown


def refuses(offices, name, target, method="GET"):
    """See that a try is answered as what does not exist, and noted with whose it was."""
    before = len(offices.refused())
    answer = ask(offices, name, target, method)
    assert answer.status_code == 404, (name, method, target, answer.status_code)
    assert answer.content in ({offices.unknown, b""} if method == "HEAD" else {offices.unknown}), (name, target)
    entries = offices.refused()
    assert len(entries) == before + 1, (name, method, target)
    assert entries[-1]["account"] == f"of-{name}" and entries[-1]["address"] == "10.1.2.3"
    assert not re.search(r"(?<![0-9a-f])\d{17}[\dX](?![0-9a-f])", str(entries[-1]["target"])), target


def concrete(offices, page, name):
    """A route's path with something of one's own in it."""
    path = page.path.replace("{name:path}", "style.css")
    return path.replace("{person_id}", own_person(offices, name))


def own_person(offices, name):
    if name not in offices._own:
        ids, _ = offices.outside(name)
        people = offices.table("person").sort("person_id")["person_id"].to_list()
        offices._own[name] = next((one for one in people if one not in ids), people[0])
    return offices._own[name]


def address(path, **parameters):
    return path + ("?" + "&".join(f"{key}={value}" for key, value in parameters.items()) if parameters else "")


def without_moment(text):
    """A page without what differs from one look to the next."""
    text = re.sub(r'name="csrf" value="\w+"', "", text)
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "", text)


# ----------------------------------------------------------------------------------------------------------- by role


@pytest.mark.parametrize("name", ROLES)
def test_pages_of_other_roles_are_not_there(offices, name):
    for page, method in itertools.product(ROUTES, ("GET", "HEAD", "POST")):
        if not page.needs or page.needs in capabilities(offices.role(name)) or page.path == "/":
            continue
        target = address(concrete(offices, page, "city"), **dict(RULES[page.path].given))
        if name == "nobody":
            answer = ask(offices, name, target, method)
            has = {one for other in ROUTES if other.path == page.path for one in other.methods}
            known = ("GET" if method == "HEAD" else method) in has
            assert answer.status_code == (303 if known else 404), (method, target)
            assert not known or answer.headers["location"].startswith("/login")
            assert not offices.leaks("village", answer.text)
        else:
            refuses(offices, name, target, method)


@pytest.mark.parametrize("name", ROLES)
def test_other_methods_are_not_there(offices, name):
    for page in ROUTES:
        target = concrete(offices, page, name)
        for method in {"POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - set(page.methods):
            if any(other.path == page.path and method in other.methods for other in ROUTES):
                continue
            if name == "nobody":
                assert is_refusal(offices, ask(offices, name, target, method)), (method, target)
            else:
                refuses(offices, name, target, method)
        for method in ("TRACE", "CONNECT", "PROPFIND", "get"):
            answer = ask(offices, name, target, method)
            assert is_refusal(offices, answer), (method, target)


@pytest.mark.parametrize("name", WORKERS)
def test_one_s_own_pages_hold_one_s_own_people_only(offices, name):
    """Every page that links lead to, from the first one on: all are there, and none holds anybody else."""
    waiting, seen = ["/"], set()
    kinds: dict[str, int] = {}
    while waiting:
        target = waiting.pop(0)
        shape = re.sub(r"[0-9a-f]{32}", "ID", target.partition("?")[0])
        if target in seen or kinds.get(shape, 0) >= 12:
            continue
        seen.add(target)
        kinds[shape] = kinds.get(shape, 0) + 1
        answer = offices.browsers[name].get(target)
        if shape.endswith((".xlsx", ".csv")):
            continue
        if answer.status_code == 303:
            waiting.append(answer.headers["location"])
            continue
        assert answer.status_code == 200, target
        if not shape.startswith("/quality/"):
            assert not offices.leaks(name, answer.text), target
            found = [html.unescape(one) for one in re.findall(r'href="(/[^"#]*)', answer.text)]
            waiting += found[:6] + found[len(found) // 2 :][:6] + found[-4:]
    assert {"/", "/ledger", "/uninsured", "/people", "/person/ID", "/search", "/account"} <= set(kinds)


@pytest.mark.parametrize("name", WORKERS)
def test_the_same_address_in_turn_gives_each_their_own(offices, name):
    """Nothing of one scope is kept for another: who came before does not change what somebody sees."""
    for page in GETS:
        rule = RULES[page.path]
        if not (rule.division or page.path == "/") or not offices.sees(name, page) or "." in page.path:
            continue
        target = address(page.path, **dict(rule.given))
        first = ask(offices, name, target)
        assert first.status_code == 200
        assert not offices.leaks(name, first.text)
        for other in WORKERS:
            ask(offices, other, target)
        assert without_moment(ask(offices, name, target).text) == without_moment(first.text)


# ---------------------------------------------------------------------------------------------------------- divisions


def foreign(offices, name):
    """Codes that are not one's own: above, beside, below others, out of the city, out of use."""
    own = offices.tree.get(offices.divisions[name])
    outside = [one for one in offices.tree._by_code.values() if not own.first <= one.first <= own.last]
    by_level = {}
    for one in outside:
        by_level.setdefault(one.level, []).append(one.code)
    codes = [code for found in by_level.values() for code in (found[0], found[-1])]
    codes += [one.code for one in offices.tree.path(own.code) if one.code != own.code]
    gone = [
        code
        for code, place in offices.tree._places.items()
        if offices.tree.get(code) is None and not offices.tree.inside(place, own)
    ]
    return [*dict.fromkeys([*codes, "110101001001", "000000000000", *gone[:2], *gone[-2:]])]


def spellings(code, own):
    """Ways to write a division that is not one's own into the parameter `division`; each must be refused."""
    encoded = "".join(f"%{ord(sign):02x}" for sign in code)
    wide = quote("".join(chr(ord(sign) + 0xFEE0) for sign in code))
    return [
        f"division={code}", f"division={code}-", f"division={code}--", f"division=-{code}", f"division={encoded}",
        f"division={encoded.replace('%', '%25')}", f"division={code}%00", f"division=%20{code}%20", f"division={wide}",
        f"division={code}&division={own}", f"division={own}&division={code}", f"division={own}&division={own}",
        f"division={own},{code}", f"division={own}%20{code}", f"division={own}%0a{code}", f"division={code[:6]}",
        f"division={code[:9]}", f"division={code[:11]}", f"division={code}0", f"division={code}" + "0" * 5000,
        f"division={code}'%20OR%20'1'='1", f"division={own}'%20OR%20'1'='1", f"division={own}'--",
        f"division={own};DROP%20TABLE%20person", f"division={own}%20UNION%20SELECT%20*%20FROM%20person",
        "division=%25", "division=*", "division=_", "division=-", "division=null", "division=0", "division=-1",
        "division=%5B%5D", f"division=%5B%22{code}%22%5D", f"division=%7B%22%24ne%22:%22{own}%22%7D", "division=%ff%fe",
        f"division={own[:-1]}", f"division={own}..%2F{code}",
    ]  # fmt: skip


IGNORED = (
    "division[]={0}", "division[0]={0}", "division%5B%5D={0}", "Division={0}", "DIVISION={0}", "division%00={0}",
    "%20division={0}", "scope={0}", "tree=1", "t0=0&t1=99999", "code={0}", "division.code={0}", "role=city", "account=of-city",
)  # fmt: skip
"""Ways to name another division that no parameter has: the page is the same as without."""


@pytest.mark.parametrize("name", WORKERS)
def test_other_divisions_are_not_there(offices, name):
    own = offices.divisions[name]
    strangers = foreign(offices, name)
    assert len(strangers) >= (2 if name == "city" else 8)
    for page in GETS:
        rule = RULES[page.path]
        if not rule.division or not offices.sees(name, page):
            continue
        given = "".join(f"&{key}={value}" for key, value in rule.given)
        for code in strangers:
            refuses(offices, name, f"{page.path}?division={code}{given}")
        every = name == "district" or page.path == "/uninsured"
        for spelling in spellings(strangers[0], own)[:: 1 if every else 5]:
            refuses(offices, name, f"{page.path}?{spelling}{given}")
        if offices.tree.get(own).level == 4:
            refuses(offices, name, f"{page.path}?division={own}-{given}")
        elif "." not in page.path:
            assert offices.browsers[name].get(f"{page.path}?division={own}-{given}").status_code == 200


@pytest.mark.parametrize("name", WORKERS)
def test_names_that_no_parameter_has_change_nothing(offices, name):
    code = foreign(offices, name)[0]
    for page in GETS:
        rule = RULES[page.path]
        if not (rule.division or page.path == "/") or not offices.sees(name, page) or "." in page.path:
            continue
        given = "&".join(f"{key}={value}" for key, value in rule.given)
        plain = without_moment(ask(offices, name, f"{page.path}?{given}").text)
        for spelling in IGNORED:
            answer = ask(offices, name, f"{page.path}?{given}&{spelling.format(code)}")
            assert answer.status_code == 200
            assert without_moment(answer.text) == plain, (page.path, spelling)


@pytest.mark.parametrize("name", WORKERS)
def test_a_former_code_opens_its_successor_only_where_that_is_one_s_own(offices, name):
    own = offices.tree.get(offices.divisions[name])
    opened = 0
    for code in list(offices.tree._places)[:4000:7]:
        if offices.tree.get(code) is not None:
            continue
        found = next((one for level in (4, 3, 2, 1) if (one := offices.tree.current(code, level))), None)
        if found is not None and own.first <= found.first <= own.last:
            answer = ask(offices, name, f"/ledger?division={code}")
            assert answer.status_code in {200, 404}
            assert not offices.leaks(name, answer.text)
            opened += answer.status_code == 200
            if opened > 20:
                break


# ------------------------------------------------------------------------------------------------------------- people


def strange_ids(offices, name):
    """Ids of people outside, written in every way, and what looks like an id."""
    ids, _ = offices.outside(name)
    some = sorted(ids)[:: max(1, len(ids) // 6)][:6]
    one = some[0] if some else "0" * 32
    own = own_person(offices, name)
    dashed = f"{own[:8]}-{own[8:12]}-{own[12:16]}-{own[16:20]}-{own[20:]}"
    encoded = "".join(f"%{ord(sign):02x}" for sign in one)
    return [
        *some, encoded, encoded.replace("%", "%25"), one.upper(), own.upper() if own.upper() != own else "F" * 32, dashed,
        f"{{{own}}}", own[:-1], own + "0", f"{own}%00", f"%20{own}", f"{own}%0a", f"{own},{one}", f"{own};{one}", "0" * 32,
        "f" * 32, "0", "-1", "1%20OR%201=1", f"{own}'--", "..", "%2e%2e", "*", "me", "null", "%25", "a" * 6000,
        "500101199001011234", f"{own}%2f..%2f{one}", quote("张三"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", WORKERS)
def test_other_people_are_not_there(offices, name):
    for page in ROUTES:
        if not RULES[page.path].person or not offices.sees(name, page):
            continue
        for method in page.methods:
            for number, person in enumerate(strange_ids(offices, name)):
                if method == "GET":
                    refuses(offices, name, page.path.replace("{person_id}", person), "GET" if number else "HEAD")
                else:
                    with_form(offices, name, page.path.replace("{person_id}", person))
        if "GET" in page.methods:
            own = ask(offices, name, page.path.replace("{person_id}", own_person(offices, name)))
            assert own.status_code == 200 and not offices.leaks(name, own.text)


def with_form(offices, name, path):
    """Send a form with the right token; it is refused as what does not exist is, and noted."""
    before = len(offices.refused())
    browser = offices.browsers[name]
    answer = browser.post(path, "/account", about="status", text="不是本人")
    assert answer.status_code == 404 and answer.content == offices.unknown, (name, path)
    assert len(offices.refused()) == before + 1


@pytest.mark.parametrize("name", WORKERS[1:])
def test_a_search_finds_nobody_outside(offices, name):
    ids, names = offices.outside(name)
    people = offices.table("person").filter(pl.col("person_id").is_in(list(ids)) & pl.col("certno").is_not_null())
    browser = offices.browsers[name]
    for row in people.sort("person_id")[:: people.height // 5].iter_rows(named=True):
        for term in (row["certno"], row["psn_name"], f"{row['certno']}%", f"' OR certno = '{row['certno']}"):
            answer = browser.post("/search", term=term)
            assert answer.status_code == 200
            assert not set(re.findall(r"/person/([0-9a-f]{32})", answer.text)) & ids
            assert row["certno"] not in answer.text
            assert row["psn_name"] not in html.unescape(answer.text) or row["psn_name"] not in names
    noted = offices.installation.entries(action="search", account=f"of-{name}")
    assert noted and not any(re.search(r"\d{17}[\dX]|[\u4e00-\u9fff]{2}", str(entry["detail"])) for entry in noted)


def test_people_seen_from_both_sides_are_seen_from_no_third(offices):
    """Who is registered in one village and lives in another is both's, and nobody else's."""
    apart = offices.table("person").filter(
        pl.col("household_place").str.starts_with(OTHER_DISTRICT[:6])
        & pl.col("residence_place").is_not_null()
        & ~pl.col("residence_place").str.starts_with(OTHER_DISTRICT[:6])
        & ~pl.col("residence_place").str.starts_with(DISTRICT[:6])
    )
    assert apart.height
    for person in apart["person_id"].to_list()[:5]:
        assert ask(offices, "neighbour", f"/person/{person}").status_code == 200
        for name in ("district", "township", "village", *ADMIN_ROLES):
            refuses(offices, name, f"/person/{person}")


# -------------------------------------------------------------------------------------------------------- quality, paths


@pytest.mark.parametrize("name", ["city", "district", "neighbour"])
def test_pages_of_data_quality_are_one_s_own(offices, name):
    folder = (offices.home / "published" / "current").resolve()
    own = f"districts/{offices.divisions[name]}.html"
    files = [
        path.relative_to(folder / "reports" / "quality").as_posix()
        for path in (folder / "reports" / "quality").rglob("*.html")
    ]
    for file in [*files[:: max(1, len(files) // 25)], own, f"districts/{OTHER_DISTRICT}.html", "index.html"]:
        if name == "city" or file == own:
            assert ask(offices, name, f"/quality/{file}").status_code == 200, file
        else:
            refuses(offices, name, f"/quality/{file}")
    page = ask(offices, name, f"/quality/{own}").text
    for link in re.findall(r'href="([^"#]+)', page)[:40]:
        target = urljoin(f"/quality/{own}", html.unescape(link))
        assert ask(offices, name, target).status_code in {200, 303}, "a way that leads nowhere"
    away = (
        "../manifest.json", "..%2fmanifest.json", "..%2f..%2fperson.parquet", "../../person.parquet", "%2e%2e/%2e%2e/person.parquet",
        "%252e%252e%252fmanifest.json", "./index.html", ".%2f" + own, "districts/../" + own, "districts%5c" + own, "//etc/passwd",
        "%2fetc%2fpasswd", "..\\manifest.json", "index.html%00.css", "", ".", "..", "districts", "districts/", "index.html/",
        "INDEX.HTML", own.upper(), own + "/", own + "%20", "data_docs", "....//manifest.json", "/../quality/" + own,
        f"districts/{DISTRICT}.html?x/../districts/{OTHER_DISTRICT}.html" if name == "neighbour" else "no.html",
    )  # fmt: skip
    for file in away:
        refuses(offices, name, f"/quality/{file}")


TRICKS = (
    "/ledger/", "/ledger/..", "/ledger/..%2f", "/ledger%2f", "/ledger%00", "/ledger;a=1", "/ledger.xlsx", "/ledger.json", "/LEDGER", "//ledger",
    "/./ledger", "/x/../ledger", "/x/..%2fledger", "/%2e/ledger", "//person/{own}", "/person//{own}", "/person/{own}/", "/person/{own}/sheet/",
    "/person/{own}/sheet/..", "/person/{own}/../{other}", "/person/{own}%2f..%2f{other}", "/person/", "/person", "/person/{other}/sheet/../sheet",
    "/person/{own}/objection/../../{other}", "/quality/../person/{other}", "/quality/..%2f..%2fperson.parquet",
    "/static/../accounts.db", "/static/..%2f..%2faccounts.py", "/static/%2e%2e/app.py", "/static//etc/passwd", "/static/", "/static", "/static/no.css",
    "/portal/accounts.db", "/published/current/person.parquet", "/home", "/.env", "/audit/2026-01.jsonl", "/audit/", "/runs/", "/docs", "/openapi.json",
    "/uninsured.json", "/uninsured.parquet", "/uninsured/", "/uninsured/1", "/people/{other}", "/watermark.svg/", "/healthz/", "/accounts/of-city",
    "/{other}", "/%ff", "/%2f", "/\u0000", "/*", "/rules.html/", "/rules.html/..%2fquality%2findex.html",
)  # fmt: skip


@pytest.mark.parametrize("name", ROLES)
def test_tricks_with_paths_lead_nowhere(offices, name):
    ids, _ = offices.outside(name)
    people = offices.table("person").sort("person_id")["person_id"]
    other = sorted(ids)[0] if ids else "0" * 32
    for trick in TRICKS:
        target = trick.format(own=own_person(offices, name) if name in WORKERS else people[0], other=other)
        if name == "nobody" or target.startswith("/static/"):
            answer = ask(offices, name, target)
            assert is_refusal(offices, answer) or (
                answer.status_code == 303 and target.startswith(("/quality", "/person"))
            ), target
        else:
            refuses(offices, name, target)


# ----------------------------------------------------------------------------------------------------- other parameters

JUNK = (
    "", "x", "0", "-1", "1e9", "9" * 40, "9" * 5000, "%00", "'", "%27%20OR%201=1--", "%3Cscript%3Ealert(1)%3C/script%3E", "%25%s", "..%2f..%2f",
    "null", "true", "%ff", "%EF%BC%91", "%E0%A5%A7", "%C2%B2", "a" * 3000, "2026-01-01", "*", "{{7*7}}", "%0d%0aSet-Cookie:%20a=b",
)  # fmt: skip


@pytest.mark.parametrize("name", ROLES)
def test_no_text_in_a_parameter_breaks_a_page_or_opens_another(offices, name):
    for page in GETS:
        rule = RULES[page.path]
        if page.needs and page.needs not in capabilities(offices.role(name)):
            continue
        if page.path.endswith((".xlsx", ".csv")) or rule.person or rule.quality:
            continue
        given = dict(rule.given)
        for turn, parameter in enumerate((*rule.plain, *rule.keys)):
            for junk in JUNK[turn % 4 :: 4]:
                answer = ask(offices, name, address(page.path, **{**given, parameter: junk}))
                assert answer.status_code in {200, 303, 400, 403, 404}, (page.path, parameter, junk, answer.status_code)
                assert "alert(1)</script>" not in answer.text
                assert "set-cookie" not in answer.headers or "a=b" not in answer.headers["set-cookie"]
                if answer.status_code == 404 and page.needs:
                    assert answer.content == offices.unknown
                if answer.status_code == 303:
                    assert re.match(r"/(?![/\\])", answer.headers["location"]), answer.headers["location"]
                if name in offices.divisions:
                    assert not offices.leaks(name, answer.text), (page.path, parameter, junk)
            if page.path not in {"/login", "/login/oidc", "/step-up", "/account", "/login/oidc/callback"}:
                refuses(
                    offices,
                    name,
                    address(page.path, **given) + ("&" if given else "?") + f"{parameter}=a&{parameter}=b",
                )


@pytest.mark.parametrize(
    "evil",
    ["https://evil.test/", "//evil.test/", "/\\evil.test", "/%09/evil.test", "javascript:alert(1)", "\\\\evil.test"],
)
def test_the_way_back_after_signing_in_stays_here(offices, evil):
    answer = offices.browsers["district"].get("/login", params={"next": evil})
    assert answer.status_code == 303
    assert re.match(r"/(?![/\\])", answer.headers["location"])
    page = offices.browsers["nobody"].get("/login", params={"next": evil})
    assert "evil.test" not in page.text or "/%09/evil.test" in evil


def test_what_a_role_must_not_know_no_parameter_tells(offices):
    """A village filters by no group that it must not know; nobody counts people by it either."""
    for parameters in ("group=aid", "group=disabled", "feedback=P1", "feedback=W2"):
        refuses(offices, "village", f"/uninsured?{parameters}")
    for measure in ("aid_should", "aid_insured", "excluded_custody", "excluded_military"):
        refuses(offices, "village", f"/people?measure={measure}")


# ------------------------------------------------------------------------------------------------------------- forms


@pytest.mark.parametrize("name", ROLES)
def test_forms_without_the_page_s_token_do_nothing(offices, name):
    browser = offices.browsers[name]
    for page in POSTS:
        allowed = not page.needs or page.needs in capabilities(offices.role(name))
        before = len(offices.refused())
        answer = browser.client.post(
            concrete(offices, page, name), data={"name": "of-village", "term": "张三", "csrf": "0" * 64}
        )
        if allowed:
            assert answer.status_code == 403, page.path
            assert offices.refused()[-1]["reason"] == "forgery"
        elif name == "nobody":
            assert answer.status_code == 303
        else:
            assert is_refusal(offices, answer), page.path
        noted = len(offices.refused()) - before
        assert noted == 1 or (name == "nobody" and not allowed and noted == 0), page.path  # many are counted
        assert not offices.leaks("village", answer.text)


@pytest.mark.parametrize("name", ADMIN_ROLES)
def test_administrators_reach_nobody_s_account_but_by_their_part(offices, name):
    browser = offices.browsers[name]
    can = capabilities(name)
    for page in POSTS:
        if not page.path.startswith("/accounts/") or page.needs not in can:
            continue
        for target in ("no-such-account", "' OR 1=1--", "*", "of-%", ""):
            before = len(offices.refused())
            answer = browser.post(page.path, "/account", name=target, role="city", division=CITY, export="full")
            if page.path == "/accounts/make":
                assert answer.status_code in {400, 403}  # the second factor is asked for
                continue
            assert is_refusal(offices, answer), (page.path, target)
            assert len(offices.refused()) == before + 1
        if page.path != "/accounts/make":
            answer = browser.post(page.path, "/account", name=f"of-{name}", role=name, export="none")
            assert answer.status_code in {400, 403}
            assert offices.refused()[-1]["account"] == f"of-{name}"
    assert {one.name: (one.role, one.state) for one in offices.installation.accounts.all()} == {
        f"of-{one}": (offices.role(one), "active") for one in ROLES[:-1]
    }


# ---------------------------------------------------------------------------------------------- headers, cookies, titles


@pytest.mark.parametrize("name", ROLES)
def test_headers_of_every_answer(offices, name):
    for page in GETS:
        answer = ask(offices, name, address(concrete(offices, page, name), **dict(RULES[page.path].given)))
        headers = answer.headers
        assert headers["cache-control"] == "no-store", page.path
        assert "etag" not in headers and "last-modified" not in headers, page.path
        policy = headers["content-security-policy"]
        quality = page.path.startswith("/quality/") or page.path == "/rules.html"
        assert policy == POLICY or (quality and "script-src" not in policy and policy.startswith("default-src 'none'"))
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        assert "server" not in headers and "x-powered-by" not in headers
        if "html" in headers.get("content-type", "") and not quality:
            assert not re.search(r"<script|\son\w+=|javascript:|\sstyle=|<style", answer.text), page.path


def test_files_of_everybody_may_be_kept_and_hold_nobody(offices):
    answer = ask(offices, "nobody", "/static/style.css")
    assert answer.status_code == 200
    assert "max-age" in answer.headers["cache-control"]


@pytest.mark.parametrize("name", WORKERS)
def test_addresses_and_titles_hold_nobody(offices, name):
    """U9: no number, telephone or name in an address, a title, or a file's name."""
    people = offices.table("person")
    names = {one for one in people["psn_name"].to_list() if one and len(one) > 1}
    tels = {one for one in offices.table("uninsured")["tel"].to_list() if one}
    person = own_person(offices, name)
    for target in (
        "/",
        "/ledger",
        "/uninsured",
        "/people?measure=insured",
        "/duplicates",
        f"/person/{person}",
        f"/person/{person}/sheet",
    ):
        text = html.unescape(ask(offices, name, target).text)
        title = re.search(r"<title>(.*?)</title>", text, re.DOTALL)[1]
        assert not any(one in title for one in names)
        for link in re.findall(r'(?:href|action|src)="([^"]*)"', text):
            plain = unquote(link)
            assert not re.search(r"(?<![0-9a-f])(\d{17}[\dX]|1\d{10})(?![0-9a-f])", plain), link
            assert not any(one in plain for one in re.findall(r"[\u4e00-\u9fff·]{2,}", plain) if one in names)
        assert not any(one in text for one in tels)


def test_the_log_names_nobody(offices):
    """U9: what all the tests above left in the audit log."""
    text = "".join(path.read_text() for path in (offices.home / "audit").glob("*.jsonl"))
    people = offices.table("person")
    names = [one for one in people["psn_name"].to_list() if one and len(one) > 2]
    assert text and not re.search(r"(?<![0-9a-f])[1-9]\d{16}[\dX](?![0-9a-f])", text)
    written = "\n".join(set(re.split(r"[\x00-\x7f]+", text)))  # each word once: the log is long
    assert all(one.isascii() is False and re.search(r"[\x00-\x7f]", one) is None for one in names)
    assert not [one for one in names if one in written]
    assert offices.installation.audit.verify().problems == []


# --------------------------------------------------------------------------------------------------- without a log


def test_nothing_is_served_while_the_log_cannot_be_written(offices, monkeypatch):
    """Every page that notes something, and every page at all once the folder is known to be closed."""

    def closed(*_, **__):
        raise AuditError("closed")

    for name in ROLES:
        for page in GETS:
            if page.needs and page.needs not in capabilities(offices.role(name)):
                continue
            target = address(concrete(offices, page, name), **dict(RULES[page.path].given))
            with monkeypatch.context() as patch:
                patch.setattr(offices.installation.audit, "probe", closed)
                patch.setattr(offices.installation.audit, "append", closed)
                answer = ask(offices, name, target)
            assert answer.status_code == 503, (name, target)
            assert page.path == "/healthz" or "审计日志无法写入" in answer.text
            assert not re.search(r"[0-9a-f]{32}", answer.text)
    with monkeypatch.context() as patch:
        patch.setattr(offices.installation.audit, "append", closed)
        for name in WORKERS:
            for target in (
                "/uninsured",
                "/people?measure=insured",
                "/duplicates",
                f"/person/{own_person(offices, name)}",
            ):
                answer = ask(offices, name, target)
                assert answer.status_code == 503 and not offices.leaks(name, answer.text)
            for target in (f"/ledger?division={foreign(offices, name)[0]}", f"/person/{'0' * 32}", "/nothing"):
                assert ask(offices, name, target).status_code == 503
        answer = offices.browsers["district"].post("/search", "/account", term="张三")
        assert answer.status_code == 503
