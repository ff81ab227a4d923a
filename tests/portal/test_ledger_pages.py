"""The ledger's pages: every number is the table's, and opens a list of exactly so many people."""

import re
from urllib.parse import parse_qs, urlsplit

import polars as pl
import pytest

from canbao.portal.fields import hidden
from canbao.portal.lists import ListQuery, measure_list
from canbao.portal.views.ledger import heading, layout_for

from .kit import shown
from .published import DISTRICT, OTHER_DISTRICT

LINK = re.compile(r'<a href="(/(?:people|uninsured|duplicates)\?[^"]*)">([\d,]+)</a>')


def test_every_cell_is_as_many_people_as_its_list_holds(office):
    scope = office.scope("city")
    cells = office.table("ledger").filter(pl.col("value") > 0)
    assert cells["division_code"].str.ends_with("-").any()
    checked = 0
    for cell in cells.iter_rows(named=True):
        found = measure_list(cell["measure"], cell["division_code"], cell["basis"])
        if found is None:
            assert cell["measure"] == "target_persons"
            continue
        path, values = found
        query = ListQuery.of(path[1:], values["division"], values["basis"], values, scope)
        assert query.counts(office.pub)["persons"] == cell["value"], cell
        checked += 1
    assert checked > 1500


def test_lists_hold_the_people_and_not_only_their_number(office):
    persons = office.table("person")
    for measure, wanted in (
        ("insured_staff", pl.col("insured_status") == "staff"),
        ("uninsured_lapsed", pl.col("uninsured_reason") == "lapsed"),
        ("aid_should", pl.col("group_tags").list.contains("aid") & (pl.col("insured_status").is_in(
            ["staff", "resident", "elsewhere", "attached_newborn", "uninsured"]))),
    ):  # fmt: skip
        for basis in ("household", "residence"):
            place = pl.col(f"{basis}_place").str.starts_with(DISTRICT[:6])
            truth = set(persons.filter(wanted & place)["person_id"])
            path, values = measure_list(measure, DISTRICT, basis)
            found = office.ids(ListQuery.of(path[1:], DISTRICT, basis, values, office.scope("city")))
            assert len(found) == len(set(found)) and set(found) == truth and truth


@pytest.mark.parametrize("basis", ["household", "residence"])
@pytest.mark.parametrize("table", ["main", "structure", "groups"])
def test_numbers_of_a_page_are_the_tables_and_each_opens_its_list(office, basis, table):
    page = office.get("district", f"/ledger?division={DISTRICT}&basis={basis}&table={table}").text
    ledger = {
        (row["division_code"], row["measure"]): row["value"]
        for row in office.table("ledger").filter(pl.col("basis") == basis).iter_rows(named=True)
    }
    links = LINK.findall(page)
    layout = layout_for(office.pub, "district")
    opening = [column for column in layout.of_table(table) if column.kind == "measure"]
    opening = [column for column in opening if measure_list(column.operands[0], DISTRICT, basis)]
    rows = (
        page.count("<tr") - len(heading(layout.of_table(table), table)) - 1 - page.partition("<details")[2].count("<tr")
    )
    assert len(links) == len(opening) * rows
    for at, (link, number) in enumerate(links):
        values = {name: one[0] for name, one in parse_qs(urlsplit(link.replace("&amp;", "&")).query).items()}
        assert ledger[values["division"], opening[at % len(opening)].operands[0]] == int(number.replace(",", ""))
    for link, number in links[:: max(1, len(links) // 12)]:
        listed = shown(office.get("district", link.replace("&amp;", "&")))
        assert re.search(rf"共 {number} 人", listed), link


def test_rows_stand_in_order_with_the_total_first_and_the_unplaced_last(office):
    page = shown(office.get("city", "/ledger"))
    names = ["合计", *(one.name for one in office.pub.tree.children(office.divisions["city"])), "未落地"]
    at = [page.index(f" {name} ", page.index("合计") - 2) for name in names]
    assert at == sorted(at)


@pytest.mark.parametrize("basis", ["household", "residence"])
def test_the_unplaced_of_a_division_have_a_page_with_their_own_row_alone(office, basis):
    ledger = office.table("ledger").filter(pl.col("basis") == basis)
    for role, division in (("city", office.divisions["city"]), ("district", DISTRICT)):
        page = office.get(role, f"/ledger?division={division}-&basis={basis}").text
        values = {
            row["measure"]: row["value"]
            for row in ledger.filter(pl.col("division_code") == f"{division}-").iter_rows(named=True)
        }
        links = [
            ({name: one[0] for name, one in parse_qs(urlsplit(link.replace("&amp;", "&")).query).items()}, number)
            for link, number in LINK.findall(page)
        ]
        assert links and {one["division"] for one, _ in links} == {f"{division}-"}
        columns = [one for one in layout_for(office.pub, role).of_table("main") if one.kind == "measure"]
        columns = [one for one in columns if measure_list(one.operands[0], division, basis)]
        assert [number for _, number in links] == [f"{values[one.operands[0]]:,}" for one in columns]
        assert "（未落地）" in page and "合计" not in page and f"division={division}&" in page.replace("&amp;", "&")
    assert office.browsers["district"].get(f"/ledger?division={OTHER_DISTRICT}-").status_code == 404
    assert office.browsers["village"].get(f"/ledger?division={office.divisions['village']}-").status_code == 404


@pytest.mark.parametrize("path", ["/ledger", "/uninsured", "/duplicates", "/dispatch", "/people"])
@pytest.mark.parametrize("unplaced", ["", "-"])
def test_a_code_of_six_or_nine_digits_is_the_division_that_it_abbreviates(office, path, unplaced):
    town = office.divisions["township"]
    for code, short in ((DISTRICT, DISTRICT[:6]), (town, town[:9])):
        pages = [
            shown(office.get("district", f"{path}?division={one}{unplaced}&measure=insured")).replace(one, "")
            for one in (code, short)
        ]
        assert pages[0] == pages[1] and office.pub.tree.get(code).name in pages[0]
    for foreign in (OTHER_DISTRICT[:6], "500000", f"{OTHER_DISTRICT[:6]}001"):
        assert office.browsers["district"].get(f"{path}?division={foreign}&measure=insured").status_code == 404


def test_the_way_down_and_up_stays_in_the_own_division(office):
    page = office.get("township", "/ledger").text
    town = office.pub.tree.get(office.divisions["township"])
    assert "重庆市" in page and f"division={DISTRICT}" not in page
    for village in office.pub.tree.children(town.code):
        assert f"division={village.code}" in page
    deepest = office.get("village", f"/ledger?division={office.divisions['village']}").text
    assert "合计" in deepest and "未落地</th>" not in deepest
    for foreign in (OTHER_DISTRICT, DISTRICT, "500000000000", f"{DISTRICT}-"):
        assert office.browsers["township"].get(f"/ledger?division={foreign}").status_code == 404


def test_a_rate_has_two_decimals_and_a_dash_without_a_denominator(office):
    page = office.get("city", "/ledger")
    cells = {
        row["measure"]: row["value"]
        for row in office.table("ledger")
        .filter((pl.col("basis") == "household") & (pl.col("level") == 1))
        .iter_rows(named=True)
    }
    assert f"{cells['insured'] * 100 / cells['should_be_insured']:.2f}" in page.text
    assert "—" in page.text


def test_own_division_comes_first_with_both_bases_and_what_changed(office):
    for role in office.browsers:
        page = shown(office.get(role, "/"))
        division = office.pub.tree.get(office.divisions[role])
        assert division.name in page and "户籍口径" in page and "常住口径" in page
        assert "上次未参保" in page and "本次未参保" in page
        was, new, gone, now = (
            int(re.search(rf"{word}\s+[+−]?([\d,]+)", page)[1].replace(",", ""))
            for word in ("上次未参保", "新增", "销号", "本次未参保")
        )
        assert was + new - gone == now
    assert "变动原因" in shown(office.get("district", "/")) and "变动原因" not in shown(office.get("village", "/"))


def test_a_village_sees_no_column_and_no_list_of_what_it_must_not_know(office):
    secret = [measure for measure in office.pub.measures if hidden("ledger", measure, "village")]
    assert {"aid_should", "aid_insured", "excluded_custody"} <= set(secret)
    for table in ("main", "structure", "groups"):
        headings = office.get("village", f"/ledger?table={table}").text.partition("<details")[0]
        assert "服刑" not in headings and "救助" not in headings and "注销" not in headings
    for measure in secret:
        for basis in ("household", "residence"):
            path = f"/people?measure={measure}&basis={basis}"
            assert office.browsers["village"].get(path).status_code == 404
            assert office.browsers["district"].get(path).status_code == 200


@pytest.mark.parametrize("path", [
    f"/ledger?division={DISTRICT}&division={DISTRICT}", "/ledger?division=5001%27",
])  # fmt: skip
def test_what_is_not_there_is_not_found_and_noted(office, path):
    before = len(office.installation.entries(outcome="refused"))
    assert office.browsers["district"].get(path).status_code == 404
    assert len(office.installation.entries(outcome="refused")) == before + 1


@pytest.mark.parametrize(("path", "word", "offered"), [
    ("/ledger?basis=other", "口径", "household"), ("/ledger?table=other", "表", "structure"),
    ("/people", "指标", "insured_staff"), ("/people?measure=other", "指标", "insured_staff"),
    ("/people?measure=target_persons", "指标", "insured"), ("/people?measure=insured&basis=x", "口径", "residence"),
    ("/downloads/full?list=x", "", ""),
])  # fmt: skip
def test_a_choice_that_is_not_there_is_told_with_those_that_are(office, path, word, offered):
    answer = office.browsers["district"].get(path)
    assert answer.status_code == (400 if word else 404)  # the last is not for this account at all
    if word:
        assert f"（{word}）不对" in shown(answer) and f"<code>{offered}</code>" in answer.text
