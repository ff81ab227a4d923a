"""The list of the uninsured: filters and pages against the tables, and what is new or closed since the last time."""

import re
from itertools import product

import polars as pl
import pytest

from canbao.home import Home
from canbao.portal import index
from canbao.portal.lists import FilterError, ListQuery
from canbao.portal.store import Publication

from .kit import shown
from .published import DISTRICT, OTHER_DISTRICT

ROW = re.compile(r'<tr><td class="n">([\d,]+)</td><td class="w"><a href="/person/([0-9a-f]{32})">')


def total(answer):
    return int(re.search(r"共 ([\d,]+) 人", shown(answer))[1].replace(",", ""))


def listed(office, division, basis=""):
    """The uninsured of a division, from the tables."""
    places = {"household": ["household_place"], "residence": ["residence_place"]}.get(
        basis, ["household_place", "residence_place"]
    )
    people = {
        key: row
        for key, row in office.people.items()
        if row["insured_status"] == "uninsured" and any(office.inside(row[place], division) for place in places)
    }
    return office.table("uninsured").filter(pl.col("person_id").is_in(list(people)))


@pytest.mark.parametrize("basis", ["", "household", "residence"])
def test_the_list_holds_everybody_once(office, basis):
    for role, division in office.divisions.items():
        truth = listed(office, division, basis)
        found = office.ids(office.query("uninsured", division, basis))
        assert len(found) == len(set(found)) and set(found) == set(truth["person_id"])
        assert total(office.get(role, f"/uninsured?basis={basis}")) == truth.height


FILTERS = (
    ({"reason": "lapsed"}, pl.col("uninsured_reason") == "lapsed"),
    ({"reason": "never"}, pl.col("uninsured_reason") == "never"),
    ({"group": "pupil"}, pl.col("group_tags").list.contains("pupil")),
    ({"group": "elderly"}, pl.col("group_tags").list.contains("elderly")),
    ({"priority": "1"}, pl.col("priority") == 1),
    ({"priority": "5"}, pl.col("priority") == 5),
    ({"separated": "yes"}, pl.col("separated")),
    ({"separated": "no"}, ~pl.col("separated")),
    ({"age_from": "60"}, pl.col("age") >= 60),
    ({"age_to": "17"}, pl.col("age") <= 17),
    ({"age_from": "18", "age_to": "18"}, pl.col("age") == 18),
    ({"feedback": "no"}, pl.col("feedback_reason").is_null()),
    ({"feedback": "yes"}, pl.col("feedback_reason").is_not_null()),
    ({"feedback": "F2"}, pl.col("feedback_reason") == "F2"),
)


def test_each_filter_and_each_pair_of_filters_keeps_whom_it_names(office):
    city = office.divisions["city"]
    truth, some = listed(office, city), 0
    for (first, one), (second, other) in product(FILTERS, repeat=2):
        if set(first) & set(second) and first != second:
            continue
        wanted = set(truth.filter(one & other)["person_id"])
        query = office.query("uninsured", city, **first, **({} if first == second else second))
        assert set(office.ids(query)) == wanted, (first, second)
        assert query.count(office.pub) == len(wanted)
        some += bool(wanted)
    assert some > 60


def test_a_filtered_page_says_how_many_and_by_what(office):
    truth = listed(office, DISTRICT).filter(pl.col("uninsured_reason") == "lapsed")
    page = office.get("district", "/uninsured?reason=lapsed&sort=priority")
    assert total(page) == truth.height
    assert "条件：原因：断保" in shown(page) and f"以下无数据，共 {truth.height} 行" in shown(page)


def test_pages_together_are_the_list_in_its_order(office):
    for sort in ("household", "priority"):
        query = office.query("uninsured", office.divisions["city"], sort=sort)
        whole = office.ids(query)
        pages, number, said = [], 1, []
        while True:
            page = office.get("city", f"/uninsured?sort={sort}&page={number}")
            rows = ROW.findall(page.text)
            pages += [key for _, key in rows]
            said += [int(at.replace(",", "")) for at, _ in rows]
            if "以下无数据" in page.text:
                break
            assert len(rows) == 50 and "未完" in page.text
            number += 1
        assert number > 2 and pages == whole and said == list(range(1, len(whole) + 1))
    people = {row["person_id"]: row for row in office.table("uninsured").iter_rows(named=True)}
    priorities = [people[key]["priority"] for key in whole]
    assert priorities == sorted(priorities)


def test_by_household_families_stand_together(office):
    people = {row["person_id"]: row for row in office.table("uninsured").iter_rows(named=True)}
    order = [
        (people[key]["resd_code"], people[key]["household_no"])
        for key in office.ids(office.query("uninsured", office.divisions["city"], "household"))
    ]
    runs = [one for at, one in enumerate(order) if at == 0 or order[at - 1] != one]
    assert len(runs) == len(set(runs)) < len(order)


def test_a_page_that_is_not_there_is_the_last_one(office):
    last = office.get("city", "/uninsured?page=99999").text
    assert "以下无数据" in last and ROW.search(last)


@pytest.fixture(scope="module")
def before(office, tmp_path_factory):
    """The publication of the first night, open."""
    folder = Home(office.home).publications()[0]
    target = tmp_path_factory.mktemp("index") / "first.duckdb"
    index.build(folder, target)
    found = Publication(folder, target)
    yield found
    found.close()


def test_old_and_new_less_closed_is_the_list_of_today_everywhere(office, before):
    assert office.pub.previous == before.run_id
    places = {one for row in office.people.values() for one in (row["household_place"], row["residence_place"]) if one}
    divisions = sorted({path.code for place in places for path in office.pub.tree.path(place)})
    moved = 0
    for division in divisions:
        for basis in ("", "household", "residence"):
            was = set(office.ids(office.query("uninsured", division, basis), before))
            now = set(office.ids(office.query("uninsured", division, basis)))
            new = set(office.ids(office.query("uninsured", division, basis, since="new")))
            gone = office.ids(office.query("uninsured", division, basis, since="closed"))
            assert len(gone) == len(set(gone))
            assert (new, set(gone)) == (now - was, was - now), (division, basis)
            moved += len(new)
    assert moved > 0


def test_who_left_is_listed_with_the_cause_and_what_became_of_them(office):
    change = office.table("change").filter((pl.col("was") == "uninsured") & (pl.col("is") != "uninsured"))
    page = shown(office.get("city", "/uninsured?since=closed"))
    assert change.height >= 5 and f"共 {change.height} 行" in page
    for word in ("缴费", "死亡", "居民缴费到账", "居民医保"):
        assert word in page
    query = office.query("uninsured", office.divisions["city"], since="closed", cause="payment")
    assert set(office.ids(query)) == set(change.filter(pl.col("cause") == "payment")["person_id"])
    away = office.query("uninsured", DISTRICT, since="closed", cause="move")
    row = away.page(office.pub, 1)[0]
    seen = away.shown(row, office.scope("district"))
    assert seen["status_is"] == "未参保（已转往别处）" and seen["person_id"] == ""
    assert OTHER_DISTRICT[:6] not in str(seen)


def test_the_first_publication_of_a_year_compares_with_nothing(office, before):
    assert before.previous is None
    for since in ("new", "closed"):
        assert office.query("uninsured", office.divisions["city"], since=since).count(before) == 0


def test_both_sides_of_a_separation_see_the_answer_and_none_sees_the_others_people(office):
    separated = office.table("uninsured").filter(pl.col("separated") & pl.col("feedback_reason").is_not_null())
    separated = separated.filter(pl.col("resd_code").str.slice(0, 2) == pl.col("live_code").str.slice(0, 2))
    assert separated.height
    for row in separated.iter_rows(named=True):
        texts = []
        for place in (row["resd_code"], row["live_code"]):
            role = (
                "village" if not place.endswith("000") else "township" if not place.endswith("000000") else "district"
            )
            scope = office.scope(role, place)
            query = ListQuery.of("uninsured", place, "", {}, scope)
            found = {one["person_id"].hex: one for one in query.page(office.pub, 1)}
            assert row["person_id"] in found
            texts.append(query.shown(found[row["person_id"]], scope))
            for key in found:
                person = office.people[key]
                assert any(office.inside(person[name], place) for name in ("household_place", "residence_place"))
        assert texts[0]["feedback_date"] == texts[1]["feedback_date"] == row["feedback_date"]
        assert texts[0]["feedback_division"] and texts[1]["feedback_division"]


def test_a_village_cannot_filter_by_what_it_must_not_know(office):
    for name, value in (("group", "aid"), ("group", "disabled"), ("feedback", "P1"), ("feedback", "W2")):
        with pytest.raises(FilterError):
            office.query("uninsured", office.divisions["village"], "", "village", **{name: value})
        assert office.browsers["village"].get(f"/uninsured?{name}={value}").status_code == 404
        assert f'value="{value}"' not in office.get("village", "/uninsured").text
        assert f'value="{value}"' in office.get("district", "/uninsured").text


@pytest.mark.parametrize(("odd", "name", "word", "offered"), [
    ("reason=dead", "reason", "未参保原因", ("never", "断保")), ("group=other", "group", "重点人群", ("aid",)),
    ("priority=10", "priority", "优先级", ("9",)), ("separated=1", "separated", "人户分离", ("yes", "no")),
    ("age_from=-1", "age_from", "年龄从", ("0 至 999 的整数",)), ("age_to=1000", "age_to", "年龄至", ("0 至 999",)),
    ("feedback=Z9", "feedback", "最近核实结果", ("尚无核实", "P1")), ("since=old", "since", "较上次", ("new", "closed")),
    ("sort=name", "sort", "排序", ("按户", "按优先级")), ("basis=x", "basis", "口径", ("household", "常住口径")),
    ("cause=x&since=closed", "cause", "销号原因", ("payment", "死亡")), ("reason=never%27--", "reason", "未参保原因", ("never",)),
    ("page=-1", "page", "页码", ("从 1 起的整数",)), ("page=abc", "page", "页码", ("从 1 起",)), ("page=0", "page", "页码", ("从 1 起",)),
])  # fmt: skip
def test_a_filter_that_is_not_there_is_told_with_what_may_stand_there(office, odd, name, word, offered):
    before = len(office.installation.entries(outcome="refused"))
    path = f"/uninsured?division={DISTRICT}&{odd}"
    answer = office.browsers["district"].get(path)
    assert answer.status_code == 400
    page = shown(answer)
    assert f"“{name}”（{word}）不对" in page and all(one in page for one in offered)
    (entry,) = office.installation.entries(outcome="refused")[before:]
    assert (entry["action"], entry["detail"]) == ("parameters", {"parameter": name})
    without = re.search(r'<a href="([^"]*)">去掉这个条件', answer.text)[1].replace("&amp;", "&")
    assert f"division={DISTRICT}" in without and f"{name}=" not in without
    assert office.browsers["district"].get(without).status_code == 200
    for kind in ("xlsx", "csv"):
        if name != "page":
            file = office.browsers["district"].get(path.replace("/uninsured", f"/uninsured.{kind}"))
            assert file.status_code == 400 and word in file.text


@pytest.mark.parametrize(
    "path", ["/uninsured", "/duplicates", "/people?measure=insured", "/dispatch", "/disputes", "/objections"]
)
def test_a_page_that_is_none_is_told_and_one_behind_the_last_is_the_last(office, path):
    way = f"{path}{'&' if '?' in path else '?'}page="
    for wrong in ("-1", "0", "00", "abc", "1.5", "%EF%BC%91", "%C2%B2"):
        answer = office.browsers["city"].get(way + wrong)
        assert answer.status_code == 400 and "页码" in answer.text and "从 1 起的整数" in answer.text
    for far in ("999", "9" * 40, "9" * 5000):
        assert office.get("city", way + far)


def test_a_filter_named_twice_is_not_found(office):
    assert office.browsers["district"].get("/uninsured?reason=never&reason=lapsed").status_code == 404


@pytest.mark.parametrize("division", [
    OTHER_DISTRICT, "500000000000", "500000000000-", "510100000000", OTHER_DISTRICT[:6], "x", f"{DISTRICT} ", f"{DISTRICT}--",
    f"{DISTRICT}%00", "５００１０３００００００",
])  # fmt: skip
def test_other_divisions_are_not_found_and_the_try_is_noted(office, division):
    if division == f"{DISTRICT} ":
        assert (
            office.browsers["district"].get(f"/uninsured?division={DISTRICT}%20").status_code == 200
        )  # trimmed: its own
        return
    before = len(office.installation.entries(outcome="refused"))
    answer = office.browsers["district"].get(f"/uninsured?division={division}")
    assert answer.status_code == 404 and not ROW.search(answer.text)
    assert len(office.installation.entries(outcome="refused")) == before + 1


def test_looking_at_a_list_is_in_the_audit_log_with_its_size(office):
    page = office.get("village", "/uninsured?reason=lapsed")
    entry = office.installation.entries(action="view_list", account="of-village")[-1]
    assert entry["rows"] == len(ROW.findall(page.text)) and entry["target"] == office.divisions["village"]
    assert entry["detail"]["filters"] == {"reason": "lapsed"}


def test_a_query_can_be_sent_to_another_process(office):
    import pickle

    query = office.query("uninsured", DISTRICT, "household", reason="lapsed")
    again = pickle.loads(pickle.dumps(query))  # noqa: S301
    assert again == query and again.count(office.pub) == query.count(office.pub)
    other = Publication(office.pub.folder, office.pub.index_file)
    assert office.ids(again, other) == office.ids(query)
    other.close()


def test_a_village_cannot_tell_hidden_groups_by_the_priority(office):
    """The number of a priority would say which of the groups stands behind 已由部门核实."""
    for query in ("priority=1", "priority=4", "sort=priority"):
        assert office.browsers["village"].get(f"/uninsured?{query}").status_code == 404
        assert office.browsers["township"].get(f"/uninsured?{query}").status_code == 200
    page = office.get("village", "/uninsured").text
    assert 'name="priority"' not in page and "按优先级" not in page
    query, scope = office.query("uninsured", office.divisions["village"]), office.scope("village")
    shown = [query.shown(row, scope)["priority"] for batch in query.batches(office.pub) for row in batch]
    assert shown and set(shown) <= {"优先", "一般"}
    assert next(one for one in query.columns(scope) if one.key == "priority").kind == "text"
