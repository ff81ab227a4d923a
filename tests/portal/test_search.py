"""Looking somebody up: within the own division, by the whole number or by name; the term is written nowhere."""

from dataclasses import replace

import polars as pl

from canbao.home import Home
from canbao.quality import incidents

from .kit import shown
from .office import LONG_NUMBER
from .published import DISTRICT


def find(office, role, term):
    answer = office.browsers[role].post("/search", term=term)
    assert answer.status_code == 200
    return answer


def test_a_whole_number_finds_its_person_in_the_scope_and_nowhere_else(office):
    inside, outside = [], []
    for key, row in office.people.items():
        if row["certno"] and len(row["certno"]) == 18:
            own = any(office.inside(row[name], DISTRICT) for name in ("household_place", "residence_place"))
            (inside if own else outside).append((key, row))
    for key, row in inside[::40]:
        answer = find(office, "district", row["certno"])
        assert f"/person/{key}" in answer.text and "共 1 行" in shown(answer)
        assert not LONG_NUMBER.search(answer.text.replace(key, ""))
        spaced = f" {row['certno'][:6]} {row['certno'][6:14]} {row['certno'][14:].lower()} "
        assert f"/person/{key}" in find(office, "district", spaced).text
    for key, row in outside[::60]:
        answer = find(office, "district", row["certno"])
        assert key not in answer.text and "没有查到" in answer.text
        assert f"/person/{key}" in find(office, "city", row["certno"]).text


def test_other_and_birth_numbers_lead_to_the_person_too(office):
    table = office.table("identifier").filter(pl.col("kind").is_in(["certno", "birth_cert_no"]))
    table = table.join(
        office.table("person").select("person_id", "certno"), left_on="person_id", right_on="person_id"
    ).filter((pl.col("value") != pl.col("certno")) | pl.col("certno").is_null())
    assert table.height
    for row in table.head(8).iter_rows(named=True):
        answer = find(office, "city", row["value"])
        assert f"/person/{row['person_id']}" in answer.text and row["value"] not in answer.text


def test_part_of_a_number_finds_nobody(office):
    number = next(row["certno"] for row in office.people.values() if row["certno"] and len(row["certno"]) == 18)
    for part in (number[:17], number[1:], number[-4:], number[:6], number + "1"):
        assert "/person/" not in find(office, "city", part).text


def test_a_name_finds_those_whose_name_begins_with_it(office):
    people = [
        (key, row)
        for key, row in office.people.items()
        if any(office.inside(row[name], DISTRICT) for name in ("household_place", "residence_place"))
    ]
    name = people[7][1]["psn_name"]
    truth = {key for key, row in people if row["psn_name"] and row["psn_name"].startswith(name)}
    answer = find(office, "district", name)
    assert all(f"/person/{key}" in answer.text for key in truth)
    assert answer.text.count("/person/") == min(len(truth), 50)
    for short in ("张", "", "  ", "%", "_", "张1", "' OR 1=1"):
        found = find(office, "district", short)
        assert "/person/" not in found.text, short


def test_many_are_capped_and_it_is_said(office):
    common = office.table("person")["psn_name"].drop_nulls().str.slice(0, 1).mode()[0]
    assert "/person/" not in find(office, "city", common).text
    page = find(office, "city", "%%")
    assert "没有查到" in shown(page)


def test_the_term_stands_in_no_address_title_or_log(office):
    row = next(row for row in office.people.values() if row["certno"] and row["psn_name"] and len(row["certno"]) == 18)
    for term in (row["certno"], row["psn_name"]):
        answer = find(office, "city", term)
        assert term not in str(answer.url)
        assert term not in answer.text.partition("</title>")[0]
    form = office.get("city", f"/search?term={row['certno']}")
    assert row["certno"] not in form.text
    entries = office.installation.entries(action="search")
    assert entries and all(
        entry["target"] is None and set(entry["detail"]) <= {"how", "found", "limit"} for entry in entries
    )
    log = "".join(path.read_text("utf-8") for path in (office.home / "audit").glob("*.jsonl"))
    assert row["certno"] not in log and row["psn_name"] not in log


def test_a_form_from_elsewhere_is_refused(office):
    client = office.browsers["city"].client
    assert client.post("/search", data={"term": "张三"}).status_code == 403
    assert client.get("/search").status_code == 200


def test_numbers_cannot_be_tried_out(office, monkeypatch):
    """A thousand numbers fit a masked one: the search must not say which of them exists."""
    portal = office.installation.portal
    monkeypatch.setattr(portal, "settings", replace(portal.settings, search_misses=5))
    told = []
    monkeypatch.setattr(type(portal.downloads), "alarm", lambda _, account, what, line: told.append((what, line)))
    known = next(
        row["certno"]
        for row in office.people.values()
        if row["certno"] and len(row["certno"]) == 18 and office.inside(row["household_place"], DISTRICT)
    )
    office.installation.add("tries-numbers", "district", DISTRICT)
    one = office.installation.browser("tries-numbers")
    for serial in range(5):
        assert one.post("/search", term=f"99010119900101{serial:03d}0").status_code == 200
    before = len(office.installation.entries(action="search"))
    for term in ("990101199001010990", known):  # also for a number that somebody has
        answer = one.post("/search", term=term)
        assert answer.status_code == 429 and "/person/" not in answer.text
    new = office.installation.entries(action="search")[before:]
    assert [(entry["outcome"], entry["reason"]) for entry in new] == [("refused", "too many misses")] * 2
    assert told[0][0] == "search_misses" and "tries-numbers" in told[0][1]
    assert one.post("/search", term="没有此人").status_code == 200
    assert "/person/" in find(office, "city", known).text  # others go on


def test_who_was_found_stands_in_the_log(office):
    key, row = next((key, row) for key, row in office.people.items() if row["certno"])
    find(office, "city", row["certno"])
    assert key in office.installation.entries(action="search")[-1]["detail"]["found"]


def test_going_beyond_is_an_incident_once(tmp_path):
    home = Home(tmp_path)
    home.prepare()
    for _ in range(2):
        incidents.open_portal(home, "portal.quota_exceeded.somebody", "账号 somebody 今日下载超过限额", "2026-04-01")
    incidents.open_portal(home, "portal.search_misses.somebody", "账号 somebody 试号码", "2026-04-01")
    found = incidents.load(home).open
    assert [one.incident_id for one in found] == ["20260401-1", "20260401-2"]
    assert found[0].nights == 1 and found[0].department == "审计管理员"
