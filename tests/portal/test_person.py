"""One person's file: facts with source and date, rules, masking by outcome on every page, fields per role, objections."""

import json
import re
from datetime import date, timedelta

import polars as pl
import pytest

from canbao.portal.audit_log import AuditError
from canbao.portal.fields import VERIFIED, present
from canbao.portal.masking import LEAST
from canbao.portal.objections import Objections

from .kit import shown
from .office import LONG_NUMBER, PEOPLE
from .published import DISTRICT

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
SECRET = ("服刑", "救助", "残疾", "低保", "特困", "孤儿", "失业", "大病", "出国", "服现役")
"""Words of what a village must not read (U11)."""


def check(body):
    return "10X98765432"[sum(int(digit) * weight for digit, weight in zip(body, _WEIGHTS, strict=True)) % 11]


def fits(masked, person, as_of):
    """Valid numbers that fit what a page shows: the area (taken as known), age, sex, and the digits that stand."""
    last = as_of
    days = [last - timedelta(days=n) for n in range(366 * (person["age"] + 1) + 2)]
    days = [day for day in days if age(day, as_of) == person["age"]]
    tail = masked.lstrip("*")
    found = 0
    for day in days:
        start = f"{person['certno'][:6]}{day:%Y%m%d}"
        for serial in range(1, 1000):
            if person["gend"] in "12" and serial % 2 != int(person["gend"]) % 2:
                continue
            body = f"{start}{serial:03}"
            if (body + (check(body) if tail else "")).endswith(tail):
                found += 1
        if found >= LEAST:
            break
    return found


def age(day, on):
    return on.year - day.year - ((on.month, on.day) < (day.month, day.day))


def birthday_spellings(day):
    return (
        f"{day:%Y-%m-%d}", f"{day:%Y%m%d}", f"{day:%Y.%m.%d}", f"{day:%Y/%m/%d}", f"{day.year}年{day.month}月{day.day}日",
        f"{day:%y%m%d}",
    )  # fmt: skip


def some(office, every):
    """A part of all people, with everybody of whom a small table speaks."""
    special = {
        row["person_id"]
        for name in ("anomaly", "newborn", "merge_candidate", "change", "premium_reconciliation", "notice")
        for row in office.table(name).iter_rows(named=True)
    }
    return sorted({*list(office.people)[::every], *sorted(special)[:120]})


def test_no_page_about_a_person_gives_a_number_or_a_birth_date_away(office):
    numbers = {
        row["value"] for row in office.table("identifier").filter(pl.col("kind") != "psn_no").iter_rows(named=True)
    }
    telephones = {row["tel"] for row in office.table("uninsured").iter_rows(named=True) if row["tel"]}
    days = {row["delivery"] for row in office.table("load_file").iter_rows(named=True)}
    masks = {}
    for key in some(office, 25):
        person = office.people[key]
        for path in (f"/person/{key}", f"/person/{key}/sheet"):
            page = office.get("city", path).text.replace(key, "").replace(key[:12], "")
            text = shown_text(page)
            assert not numbers & set(re.findall(r"[0-9A-Z]{9,18}", text))
            assert not LONG_NUMBER.search(text)
            assert not telephones & set(re.findall(r"\d{11}", text))
            if person["brdy"] and person["brdy"] not in days:
                for spelled in birthday_spellings(person["brdy"])[:5]:
                    assert spelled not in text, (path, person["age"])
            masks.setdefault(key, re.search(r"<code>([^<]*)</code>", page))
    chosen = [
        (key, found[1]) for key, found in masks.items() if found and len(office.people[key]["certno"] or "") == 18
    ]
    by_mask = {(len(mask.lstrip("*")), office.people[key]["age"] < 2): (key, mask) for key, mask in chosen if mask}
    assert by_mask
    for key, mask in by_mask.values():
        assert fits(mask, office.people[key], office.pub.as_of) >= LEAST, mask


def shown_text(page):
    return re.sub(r"<[^>]*>", " ", page)


def test_no_list_gives_a_number_or_a_birth_date_away(office):
    numbers = {
        row["value"] for row in office.table("identifier").filter(pl.col("kind") != "psn_no").iter_rows(named=True)
    }
    births = {f"{row['brdy']:%Y-%m-%d}" for row in office.people.values() if row["brdy"] and row["age"] > 2}
    dates = {f"{row['feedback_date']}" for row in office.table("uninsured").iter_rows(named=True)}
    for role in PEOPLE:
        for path in ("/", "/uninsured", "/uninsured?since=closed", "/duplicates", "/people?measure=insured", "/search"):
            text = shown(office.get(role, path))
            assert not numbers & set(re.findall(r"[0-9A-Z]{9,18}", text)), path
            if path != "/duplicates":  # months and days of relations stand there
                assert not births & set(re.findall(r"\d{4}-\d\d-\d\d", text)) - dates, path


def test_a_row_never_has_a_birth_date_or_a_full_number_without_the_confirmation(office):
    row = {"certno": "990001199001010019", "tel": "13800001234", "brdy": date(1990, 1, 1), "age": 36, "gend": "1"}
    for role in PEOPLE:
        scope = office.scope(role)
        seen = present(row, "uninsured", scope)
        assert "brdy" not in seen and seen["certno"] == "*" * 16 + "19" and seen["tel"] == "138****1234"
        full = present(row, "uninsured", scope, full=True)
        assert full["certno"] == row["certno"] and full["tel"] == row["tel"] and "brdy" not in full
    child = {**row, "age": 9}
    assert present(child, "uninsured", office.scope("city"), full=True)["certno"].startswith("****")
    assert present(child, "uninsured", office.scope("district"), full=True)["certno"] == row["certno"]
    assert present({**row, "age": 0}, "uninsured", office.scope("city"))["certno"] == "*" * 18


def test_a_status_is_hidden_under_whatever_name_a_table_has_for_it(office):
    gone = {"status_is": "excluded_custody", "was": "excluded_custody", "is": "excluded_abroad", "reason_code": "P1"}
    seen = present(gone, "closed", office.scope("village"))
    assert all(seen[name] == VERIFIED for name in gone)
    assert present(gone, "closed", office.scope("township"))["status_is"] == "服刑"
    own = {"feedback_reason": "P1", "feedback_division": office.divisions["village"]}
    assert present(own, "uninsured", office.scope("village"))["feedback_reason"] == "服刑"


@pytest.mark.parametrize("role", ["village", "township"])
def test_a_village_reads_that_departments_have_verified_and_not_what(office, role):
    """Every person of the village on every page; the township sees more."""
    tagged = office.table("person").filter(
        pl.col("group_tags").list.contains("aid") | (pl.col("insured_status") == "excluded_custody")
    )
    places = [row["household_place"] for row in tagged.iter_rows(named=True) if row["household_place"]]
    places = [place for place in places if not place.endswith("000")][:4]
    assert places
    if role == "township":
        places = [f"{place[:9]}000" for place in places]
    verified = 0
    for at, place in enumerate(places):
        name = f"{role}-{at}"
        office.installation.add(name, role, place)
        browser = office.installation.browser(name)
        inside = [
            key
            for key, row in office.people.items()
            if any(office.inside(row[basis], place) for basis in ("household_place", "residence_place"))
        ]
        if role == "township":
            inside = [key for key in inside if key in set(tagged["person_id"])]
        for key in inside:
            text = shown_text(browser.get(f"/person/{key}").text.partition('<form id="objection"')[0])
            verified += VERIFIED in text
            found = [word for word in SECRET if word in text.replace("医疗救助全额资助", "")]
            if role == "village":
                assert not found, (key, found)
        if role == "village":
            for path in ("/uninsured", "/people?measure=excluded", "/people?measure=registered", "/duplicates"):
                rows = browser.get(path).text.partition("<tbody>")[2]
                assert not [word for word in SECRET if word in shown_text(rows)], path
    assert verified if role == "village" else not verified


def test_every_fact_has_a_source_and_a_day(office):
    key = next(key for key, row in office.people.items() if row["in_population"] and row["insured_status"] == "staff")
    page = office.get("city", f"/person/{key}").text
    facts = page.partition("<h2>基本信息</h2>")[2].partition("</table>")[0]
    assert facts.count("公安人口") >= 6
    assert len(re.findall(r"\d{4}-\d\d-\d\d", facts)) >= 6
    assert office.people[key]["psn_name"] in page and "职工医保" in page
    assert "<svg" in page and "style=" not in page


def test_timeline_and_table_have_every_run_of_months(office):
    coverage = office.table("coverage")
    key = coverage.group_by("person_id").len().sort("len", "person_id")["person_id"][-1]
    rows = coverage.filter(pl.col("person_id") == key)
    page = office.get("city", f"/person/{key}").text
    table = page.partition("<h2>参保月份</h2>")[2].partition("</table>")[0]
    assert table.count("<tr>") - 1 == rows.height
    for row in rows.iter_rows(named=True):
        assert f"{row['begn_month'][:4]}年{int(row['begn_month'][4:])}月" in table
    recent = rows.filter(pl.col("end_month") >= f"{office.pub.insured_year - 5}01").height
    assert table.count("<rect") == recent


def test_rules_of_a_file_are_links_into_the_rule_book(office):
    key = office.table("duplicate_enrollment").sort("person_id")["person_id"][0]
    page = office.get("city", f"/person/{key}").text
    book = office.get("city", "/rules.html").text
    ids = set(re.findall(r'href="/rules\.html#([A-Z]+-\d+)"', page))
    assert "LED-2" in ids and any(one.startswith("RET") for one in ids)
    assert all(f'id="{one}"' in book for one in ids)


def test_entitlement_says_how_it_is_reckoned(office):
    waiting = office.table("entitlement").filter(pl.col("wait_start").is_not_null() & (pl.col("lapsed_years") > 0))
    assert waiting.height
    row = waiting.row(0, named=True)
    text = shown(office.get("city", f"/person/{row['person_id']}"))
    assert f"固定 {row['fixed_months']} 个月 + 变动 {row['variable_months']} 个月" in text
    assert str(row["wait_start"]) in text and str(row["benefit_begn"]) in text
    assert "没有文件依据" in text


def test_every_look_is_in_the_audit_log_and_foreign_people_do_not_exist(office):
    inside = next(
        key for key, row in office.people.items() if office.inside(row["residence_place"], office.divisions["village"])
    )
    outside = next(
        key
        for key, row in office.people.items()
        if not any(office.inside(row[name], DISTRICT) for name in ("household_place", "residence_place"))
    )
    office.get("village", f"/person/{inside}")
    entry = office.installation.entries(action="view_person")[-1]
    assert (entry["account"], entry["target"], entry["outcome"], entry["rows"]) == ("of-village", inside, "ok", 1)
    office.get("village", f"/person/{inside}/sheet")
    assert office.installation.entries(action="view_person")[-1]["detail"]["form"] == "sheet"
    missing = office.browsers["district"].get(f"/person/{'0' * 32}")
    for path in (f"/person/{outside}", f"/person/{outside}/sheet", "/person/x", f"/person/{outside.upper()}"):
        answer = office.browsers["district"].get(path)
        assert answer.status_code == 404 and answer.text == missing.text
        assert office.installation.entries()[-1]["outcome"] == "refused"
    answer = office.browsers["district"].post(
        f"/person/{outside}/objection", page="/search", about="basic", text="不对"
    )
    assert answer.status_code == 404


def test_whoever_has_no_place_in_the_city_is_the_citys_alone(office):
    nowhere = [
        key for key, row in office.people.items() if row["household_place"] is None and row["residence_place"] is None
    ]
    for key in nowhere[:3]:
        assert office.browsers["district"].get(f"/person/{key}").status_code == 404
        assert office.get("city", f"/person/{key}").status_code == 200


def test_an_objection_becomes_a_task_of_the_source(office):
    key = next(
        key for key, row in office.people.items() if office.inside(row["residence_place"], office.divisions["village"])
    )
    page = f"/person/{key}"
    answer = office.browsers["village"].post(
        f"{page}/objection", page=page, about="residence", text="已搬到邻村两年 <b>核对</b>"
    )
    assert (answer.status_code, answer.headers["location"]) == (303, f"{page}#objections")
    text = office.get("village", page).text
    assert "已搬到邻村两年 &lt;b&gt;核对" in text and "待处理" in text
    entry = office.installation.entries(action="object")[-1]
    assert entry["target"] == key and entry["detail"]["about"] == "residence" and "邻村" not in json.dumps(entry)
    listed = office.get("city", "/objections").text
    assert "已搬到邻村两年" in listed and "公安人口" in listed
    one = Objections(office.home).of_person(key)[0]
    assert (one["source"], one["account"], one["publication"]) == ("population", "of-village", office.pub.id)
    done = office.browsers["city"].post("/objections", id=one["id"], outcome="corrected", text="公安已更正")
    assert done.status_code == 303
    assert "公安已更正" in office.get("village", page).text
    assert one["id"] not in office.get("city", "/objections").text
    assert one["id"] in office.get("city", "/objections?state=answered").text
    for role in ("district", "township", "village"):
        assert office.browsers[role].get("/objections").status_code == 404
    assert (office.home / "portal" / "objections.jsonl").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("fields", [
    {"about": "residence", "text": "身份证 990001199001010019 不对"}, {"about": "residence", "text": "电话13800001234"},
    {"about": "", "text": "不对"}, {"about": "other", "text": "不对"}, {"about": "basic", "text": "  "},
    {"about": "basic", "text": "长" * 501}, {"about": "basic", "text": "联系 一三八 138 0013 8000 王小二"},
    {"about": "basic", "text": "一三八零零一三八零零零"}, {"about": "basic", "text": "138 - 0013 - 8000"},
])  # fmt: skip
def test_an_objection_without_a_subject_or_with_a_number_is_not_taken(office, fields):
    key = next(iter(office.people))
    before = len(Objections(office.home).all())
    answer = office.browsers["city"].post(f"/person/{key}/objection", page=f"/person/{key}", **fields)
    assert answer.status_code == 400 and len(Objections(office.home).all()) == before
    assert "990001199001010019" not in answer.text


def test_an_objection_that_cannot_be_noted_is_not_stored_nor_is_its_answer(office, monkeypatch):
    key = next(iter(office.people))
    audit, append = office.installation.audit, office.installation.audit.append

    def full(action, **more):
        if action in {"object", "answer_objection"}:
            raise AuditError("no space")
        return append(action, **more)

    before = Objections(office.home).all()
    fields = {"about": "basic", "text": "不对"}
    with monkeypatch.context() as patch:
        patch.setattr(audit, "append", full)
        answer = office.browsers["city"].post(f"/person/{key}/objection", page=f"/person/{key}", **fields)
        assert answer.status_code == 503
    assert Objections(office.home).all() == before
    assert office.browsers["city"].post(f"/person/{key}/objection", page=f"/person/{key}", **fields).status_code == 303
    one = Objections(office.home).all()[0]
    noted = office.installation.entries(action="object")[-1]
    assert noted["detail"]["detail_id"] == one["id"]
    with monkeypatch.context() as patch:
        patch.setattr(audit, "append", full)
        answer = office.browsers["city"].post("/objections", id=one["id"], outcome="confirmed", text="无误")
        assert answer.status_code == 503
    assert Objections(office.home).one(one["id"])["answer"] is None


def test_a_line_that_was_broken_off_spoils_no_other(tmp_path):
    from datetime import UTC, datetime

    box = Objections(tmp_path)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    values = {"account": "a", "division": "", "publication": "p", "at": now}
    first = box.raise_one("a" * 32, "basic", "一", **values)
    with (tmp_path / "portal" / "objections.jsonl").open("a") as file:
        file.write('{"id": "Y')
    second = box.raise_one("b" * 32, "payment", "二", **values)
    assert [one["id"] for one in box.all()] == [second, first]


def test_of_children_no_digit_of_a_number_stands(office):
    """Cover that begins with birth bounds the birth date: with two digits too few numbers would fit."""
    seen = 0
    for key, row in list(office.people.items()):
        if row["certno"] and row["age"] is not None and row["age"] < 18:
            masked = re.search(r"<code>([*\dX]+)</code>", office.get("city", f"/person/{key}").text)
            assert masked and set(masked[1]) == {"*"}, row["age"]
            seen += 1
        if seen == 15:
            break
    assert seen == 15
