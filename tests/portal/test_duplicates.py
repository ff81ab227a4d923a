"""Duplicates: who sees which pair, and the decision with its clause, evidence, money and names in words."""

import re

import polars as pl
import pytest

from canbao.portal import index
from canbao.portal.evidence import duplicate_words
from canbao.portal.store import Publication

from .kit import shown
from .published import DISTRICT, OTHER_DISTRICT

SIX = DISTRICT[:6]


def pairs(office, division):
    """Pairs that a division has to do with, from the tables."""
    table = office.table("duplicate_enrollment")
    level = office.pub.tree.get(division).level
    found = []
    for row in table.iter_rows(named=True):
        person = office.people[row["person_id"]]
        own = any(office.inside(person[name], division) for name in ("household_place", "residence_place"))
        six = division[:6] if level == 2 else division[:2]
        bureaus = [row[name] or "" for name in ("insu_admdvs_a", "insu_admdvs_b", "notify_admdvs")]
        if own or (level <= 2 and any(one.startswith(six) for one in bureaus)):
            found.append((row["person_id"], row["rlts_a"], row["rlts_b"]))
    return found


def test_every_pair_is_seen_where_the_person_is_and_where_a_bureau_must_act(office):
    for role, division in office.divisions.items():
        query = office.query("duplicates", division, "", role)
        rows = [row for batch in query.batches(office.pub, 7) for row in batch]
        keys = [(row["person_id"].hex, row["rlts_a"], row["rlts_b"]) for row in rows]
        assert sorted(keys) == sorted(pairs(office, division)) and len(keys) == len(set(keys)), role
        page = shown(office.get(role, "/duplicates"))
        assert f"共 {len({key[0] for key in keys})} 人、{len(keys)} 对" in page
        assert "以下无数据" in page or "未完" in page


def test_a_bureau_sees_the_row_that_it_acts_on_and_not_the_person(office):
    scope = office.scope("district")
    query = office.query("duplicates", DISTRICT, "", "district")
    foreign = [
        row
        for row in query.page(office.pub, 1)
        if not any(scope.range[0] <= row[name] <= scope.range[1] for name in ("household_tree", "residence_tree"))
    ]
    assert foreign
    page = office.get("district", "/duplicates").text
    for row in foreign:
        assert query.shown(row, scope)["person_id"] == ""
        assert row["person_id"].hex not in page and row["psn_name_a"] in page
        assert office.browsers["district"].get(f"/person/{row['person_id'].hex}").status_code == 404
        assert (
            row["person_id"].hex
            in office.get("city", "/duplicates?page=1").text + office.get("city", "/duplicates?page=2").text
        )
    town = office.query("duplicates", office.divisions["township"], "", "township")
    assert not {row["person_id"] for row in town.page(office.pub, 1)} & {row["person_id"] for row in foreign}


@pytest.mark.parametrize(("name", "column", "values"), [
    ("action", "action", ("terminate", "suspend", "choose", "review")),
    ("kind", "kind", ("staff_staff", "resident_resident", "staff_resident")),
    ("state", "state", ("current", "prospective")),
])  # fmt: skip
def test_filters(office, name, column, values):
    table = office.table("duplicate_enrollment")
    for value in values:
        query = office.query("duplicates", office.divisions["city"], **{name: value})
        assert query.count(office.pub) == table.filter(pl.col(column) == value).height


def test_what_the_own_bureau_must_do(office):
    table = office.table("duplicate_enrollment")
    own = table.filter(pl.col("notify_admdvs").str.starts_with(SIX)).height
    assert own and office.query("duplicates", DISTRICT, part="act").count(office.pub) == own
    assert f"{own}" in re.search(r"由本区县处理的重复参保\s+([\d,]+)", shown(office.get("district", "/")))[1]
    manual = office.query("duplicates", office.divisions["city"], part="review")
    assert manual.count(office.pub) == table.filter(pl.col("needs_review")).height


def test_a_decision_stands_with_its_rule_and_clause(office):
    page = office.get("city", "/duplicates?action=terminate").text
    assert '<a href="/rules.html#RET-' in page and "渝医保发〔2021〕23号" in page
    text = shown(office.get("city", "/duplicates?action=terminate"))
    assert re.search(r"保留关系[甲乙]，终止关系[甲乙]", text) and "职工医保连续缴费" in text
    assert "由本人选择一个关系" in shown(office.get("city", "/duplicates?action=choose"))
    assert "须人工核定" in shown(office.get("city", "/duplicates?action=review"))
    assert re.search(r"由\s+\S+区\s+处理", text) and "登记姓名" in text


def test_the_unplaced_of_a_division_are_people_and_not_what_its_bureau_has_to_do_with(office):
    """`CODE-`: who is known to be in the division and in no part of it, as its 未落地 row of the ledger counts them."""
    table = office.table("duplicate_enrollment")
    places = {"household": "household_place", "residence": "residence_place", "": None}
    ledger = office.table("ledger").filter(pl.col("measure") == "duplicate_persons")
    for division in (office.divisions["city"], DISTRICT, OTHER_DISTRICT, office.divisions["township"]):
        for basis, place in places.items():
            wanted = {
                person
                for person in table["person_id"]
                if division in [office.people[person][one] for one in ([place] if place else places.values()) if one]
            }
            query = office.query("duplicates", f"{division}-", basis)
            assert set(office.ids(query)) == wanted, (division, basis)
            if basis:
                row = ledger.filter((pl.col("division_code") == f"{division}-") & (pl.col("basis") == basis))
                assert query.counts(office.pub)["persons"] == row["value"].item() == len(wanted)
            page = shown(office.get("city", f"/duplicates?division={division}-&basis={basis}"))
            assert f"共 {len(wanted)} 人" in page and "未落地" in page
    own = office.query("duplicates", DISTRICT).count(office.pub)
    assert own > office.query("duplicates", f"{DISTRICT}-").count(office.pub)


def test_people_without_a_known_township_are_the_duplicates_of_the_unplaced(office, tmp_path):
    """The same publication, but of three people with pairs only the district is known, of one of them on one side."""
    source, folder = office.pub.folder, tmp_path / "2026-01-15" / "r"
    folder.mkdir(parents=True)
    for path in source.iterdir():
        if path.name != "person.parquet":
            (folder / path.name).symlink_to(path)
    some = sorted(set(office.table("duplicate_enrollment")["person_id"]))[:3]
    place = {name: pl.col("person_id").is_in(some[: 2 if name == "residence_place" else 3]) for name in
             ("household_place", "residence_place")}  # fmt: skip
    office.table("person").with_columns(
        pl.when(here).then(pl.lit(DISTRICT)).otherwise(pl.col(name)).alias(name) for name, here in place.items()
    ).write_parquet(folder / "person.parquet")
    index.build(folder, tmp_path / "index.duckdb")
    pub = Publication(folder, tmp_path / "index.duckdb")
    try:
        for basis, wanted in (("", some), ("household", some), ("residence", some[:2])):
            query = office.query("duplicates", f"{DISTRICT}-", basis)
            assert set(office.ids(query, pub)) == set(wanted), basis
            assert query.counts(pub)["persons"] == len(wanted)
    finally:
        pub.close()


def test_names_that_differ_are_marked(office):
    row = office.query("duplicates", office.divisions["city"]).page(office.pub, 1)[0]
    same = duplicate_words(row, office.scope("city"))
    other = duplicate_words({**row, "psn_name_b": "另一人"}, office.scope("city"))
    assert same["name_mark"] == "一致" and same["name_differs"] == ""
    assert other["name_differs"] and "另一人" in other["name_mark"] and row["psn_name_a"] in other["name_mark"]


def test_money_is_a_number_and_an_unknown_subsidy_is_said(office):
    query = office.query("duplicates", office.divisions["city"])
    for row in query.page(office.pub, 1):
        seen = query.shown(row, office.scope("city"))
        assert seen["subsidy_deduct_amt"] == ("" if row["subsidy_deduct_amt"] is None else row["subsidy_deduct_amt"])
    page = shown(office.get("city", "/duplicates"))
    assert "标准没有文件依据" in page or "扣减" in page
    assert "补助与退费" not in shown(office.get("village", "/duplicates"))


def test_a_foreign_division_is_not_found(office):
    assert office.browsers["district"].get(f"/duplicates?division={OTHER_DISTRICT}").status_code == 404
    answer = office.browsers["district"].get("/duplicates?action=x")
    assert answer.status_code == 400 and "建议处理" in answer.text and "<code>terminate</code>" in answer.text
