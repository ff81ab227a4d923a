"""Who may see which division: one's own and what lies in it, also after divisions changed; nothing else, whatever is asked."""

import json
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from canbao.portal.accounts import Account
from canbao.portal.app import ROUTES
from canbao.portal.divisions import Division, DivisionTree, builtin_tree, current_tree
from canbao.portal.page import parameters
from canbao.portal.scope import ROLES, NotFound, Scope, capabilities, require

from .kit import CITY, DISTRICT, TOWNSHIP, VILLAGE

NOW = datetime(2026, 4, 1, tzinfo=UTC)


def account(role, division, export="full"):
    return Account("one", "", role, division, export, None, "active", False, NOW, NOW, NOW, False)


def small():
    """Two districts; in the first one two townships with two villages each."""
    rows = [
        ("c", 1, None, 1, 8),
        ("d1", 2, "c", 2, 7),
        ("t1", 3, "d1", 3, 5),
        ("v1", 4, "t1", 4, 4),
        ("v2", 4, "t1", 5, 5),
    ]
    rows += [("t2", 3, "d1", 6, 7), ("v3", 4, "t2", 7, 7), ("d2", 2, "c", 8, 8)]
    divisions = [Division(code, code, level, parent, first, last) for code, level, parent, first, last in rows]
    # v0 became v1; t0 was taken into t2; of v9 only the township is known; d0 went to the whole city
    return DivisionTree(divisions, {"v0": "v1", "t0": "t2", "v9": "t1", "d0": "c", "v1": "v1"})


@pytest.mark.parametrize(
    ("role", "own", "seen"),
    [
        ("city", "c", {"c", "d1", "t1", "v1", "v2", "t2", "v3", "d2"}),
        ("district", "d1", {"d1", "t1", "v1", "v2", "t2", "v3"}),
        ("district", "d2", {"d2"}),
        ("township", "t1", {"t1", "v1", "v2"}),
        ("village", "v2", {"v2"}),
        ("village", "v0", {"v1"}),
        ("township", "t0", {"t2", "v3"}),
        ("village", "v9", set()),
        ("district", "d0", set()),
        ("village", "t1", set()),
        ("city", "d1", set()),
        ("district", "", set()),
        ("system_admin", "c", set()),
        ("auditor", "", set()),
        ("", "c", set()),
        ("emperor", "c", set()),
    ],
)
def test_what_a_role_sees(role, own, seen):
    tree = small()
    scope = Scope.of(account(role, own), tree)
    codes = ["c", "d1", "t1", "v1", "v2", "t2", "v3", "d2"]
    assert {code for code in codes if scope.may_see_division(code)} == seen
    assert {code for code in codes if scope.may_see_division(f"{code}-")} == seen  # 未落地 belongs to the division
    first, last = scope.range
    assert {code for code in codes if first <= tree.get(code).first <= last} == seen
    for other in ("", None, "v0", "x", "c--", "-", " c", "c\n"):
        assert not scope.may_see_division(other)


def test_export_is_cut_to_what_the_role_may_hold():
    held = {
        role: Scope.of(account(role, division), builtin_tree()).export
        for role, division in zip(ROLES, (CITY, DISTRICT, TOWNSHIP, VILLAGE, "", "", ""), strict=True)
    }
    assert held == {"city": "full", "district": "full", "township": "masked", "village": "masked"} | dict.fromkeys(
        ROLES[4:], "none"
    )
    assert Scope.of(account("township", TOWNSHIP, "none"), builtin_tree()).export == "none"


def test_the_built_in_tree():
    tree = builtin_tree()
    city = tree.get(CITY)
    assert (city.first, city.last) == (1, len(tree))
    for code in (DISTRICT, TOWNSHIP, VILLAGE):
        one, parent = tree.get(code), tree.get(tree.get(code).parent)
        assert parent.first < one.first <= one.last <= parent.last
    assert [one.level for one in tree.path(VILLAGE)] == [1, 2, 3, 4]
    children = tree.children(DISTRICT)
    assert [one.first for one in children[1:]] == [one.last + 1 for one in children[:-1]]
    assert tree.find("高笋塘")[0].code == TOWNSHIP
    assert len(tree.find("5001", limit=7)) == 7


def test_the_tree_of_a_publication(tmp_path):
    assert current_tree(None) is builtin_tree()
    assert current_tree(tmp_path) is builtin_tree()
    folder = tmp_path / "run"
    folder.mkdir()
    names = ("division_code", "division_name", "level", "parent_code", "tree_no", "tree_last")
    rows = [dict(zip(names, row, strict=True)) for row in (("c", "市", 1, None, 1, 2), ("d1", "区", 2, "c", 2, 2))]
    pq.write_table(pa.Table.from_pylist(rows), folder / "division.parquet")
    assert current_tree(folder).get("d1").name == "区"


def test_every_route_needs_something_that_some_role_has():
    given = set().union(*(capabilities(role) for role in ROLES))
    public = {"/healthz", "/login", "/login/oidc", "/login/oidc/callback", "/favicon.ico"}
    assert {page.path for page in ROUTES if not page.needs} == public
    assert {page.needs for page in ROUTES if page.needs} <= given
    assert len({(page.path, method) for page in ROUTES for method in page.methods}) == sum(
        len(page.methods) for page in ROUTES
    )


class Asked:
    """A request as `require` sees it."""

    def __init__(self, installation, role, own, query=""):
        from starlette.datastructures import QueryParams, State

        self.app, self.method, self.query_params = installation.app, "GET", QueryParams(query)
        self.state = State({"scope": Scope.of(account(role, own), small()), "address": "10.1.2.3", "session": None})
        self.url = type("Url", (), {"path": "/uninsured"})


@pytest.mark.parametrize("code", ["d2", "c", "c-", "d2-", "v0", "nowhere", "", "500101199001011234"])
def test_what_is_outside_is_not_there_and_is_noted(installation, code):
    request = Asked(installation, "district", "d1")
    assert require(request, "see_people", division="t1").level == 2
    with pytest.raises(NotFound):
        require(request, "see_people", division=code)
    with pytest.raises(NotFound):
        require(request, "read_audit", target=code)
    refused = installation.entries(outcome="refused")
    assert [(entry["action"], entry["reason"]) for entry in refused] == [
        ("see_people", "division"),
        ("read_audit", "role"),
    ]
    assert "19900101" not in json.dumps(refused)


def test_a_parameter_counts_once(installation):
    assert parameters(Asked(installation, "district", "d1", "division=+t1&other=x&other=y"), "division", "page") == {
        "division": "t1",
        "page": "",
    }
    with pytest.raises(NotFound):
        parameters(Asked(installation, "district", "d1", "division=t1&division=d2"), "division")
    assert installation.entries(outcome="refused")[0]["reason"] == "repeated"
