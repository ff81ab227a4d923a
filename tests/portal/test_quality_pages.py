"""The publication's own pages behind the session, and the list of runs."""

import re

import pytest

from canbao.home import Home

from .kit import shown
from .published import DISTRICT, OTHER_DISTRICT


def test_the_city_reads_the_whole_site(office):
    answer = office.browsers["city"].get("/quality")
    assert (answer.status_code, answer.headers["location"]) == (303, "/quality/index.html")
    site = office.pub.folder / "reports" / "quality"
    pages = [path.relative_to(site).as_posix() for path in site.rglob("*.html") if "data_docs" not in path.parts]
    assert len(pages) > 20
    for name in pages[::4]:
        page = office.get("city", f"/quality/{name}")
        assert page.content == (site / name).read_bytes()
        assert page.headers["content-type"].startswith("text/html")
        assert "script-src" not in page.headers["content-security-policy"]
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert page.headers["cache-control"] == "no-store"
    assert office.get("city", "/quality/style.css").headers["content-type"].startswith("text/css")


def test_a_district_reads_its_own_page_only(office):
    answer = office.browsers["district"].get("/quality")
    assert answer.headers["location"] == f"/quality/districts/{DISTRICT}.html"
    page = office.get("district", f"/quality/districts/{DISTRICT}.html")
    assert "数据质量" in page.text and 'class="nav"' not in page.text
    ways = re.findall(r'<a [^>]*href="([^"#]+)', page.text)
    assert ways == ["/"], "back to the portal, and nowhere that would be refused"
    for name in (
        "index.html",
        "checks.html",
        "departments.html",
        f"districts/{OTHER_DISTRICT}.html",
        "data_docs/index.html",
    ):
        before = len(office.installation.entries(outcome="refused"))
        assert office.browsers["district"].get(f"/quality/{name}").status_code == 404
        assert len(office.installation.entries(outcome="refused")) == before + 1


@pytest.mark.parametrize("path", [
    "/quality/../manifest.json", "/quality/..%2f..%2fmanifest.json", "/quality/%2e%2e/%2e%2e/manifest.json",
    "/quality//etc/passwd", "/quality/../../person.parquet", "/quality/index.html%00",
    "/quality/..%5c..%5cmanifest.json", "/quality/districts/../../../manifest.json", "/quality/",
    "/quality/missing.html",
])  # fmt: skip
def test_nothing_but_the_sites_files_is_given_out(office, path):
    answer = office.browsers["city"].get(path)
    assert answer.status_code in {303, 404}
    assert b"PAR1" not in answer.content and b"run_id" not in answer.content


def test_townships_and_villages_have_no_quality_pages_and_no_runs(office):
    for role in ("township", "village"):
        for path in ("/quality", "/quality/index.html", "/runs"):
            assert office.browsers[role].get(path).status_code == 404


def test_everybody_who_sees_the_ledger_reads_the_rule_book(office):
    for role in office.browsers:
        page = office.get(role, "/rules.html")
        assert 'id="RET-4"' in page.text


def test_runs_lists_publications_and_records_with_their_checks(office):
    page = shown(office.get("city", "/runs"))
    for folder in Home(office.home).publications():
        assert folder.name in page and folder.parent.name in page
    assert page.count("当前发布") >= 1 and "正在查看" in page
    assert "已发布" in page and "可用" in page
    assert office.get("district", "/runs").status_code == 200
