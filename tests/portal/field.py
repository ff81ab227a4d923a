"""What the portal's tests of the loop share: a city that was dispatched, sheets as villages fill them, and nights."""

import io
import re
import shutil
from datetime import UTC, date, datetime, timedelta

import openpyxl
import polars as pl

from canbao.home import Home
from canbao.loop.dispatch import plan_dispatch, send
from tests.story import Story

from .kit import CITY, Installation
from .published import link_home

DAY = date(2026, 1, 15)
"""The day after the publication of `published_home`."""

CHOICES = {"division": CITY, "level": "4", "due": "2026-01-29"} | dict.fromkeys(
    ("reason", "group", "priority_to", "age_from", "age_to", "answer", "separated", "role"), ""
)


class Field:
    """An installation on a home of its own, on the morning of `DAY`, with an account for whomever the tests need."""

    def __init__(self, published_home, folder, *, dispatched=True):
        self.home = link_home(published_home, folder / "home")
        shutil.copy(published_home / "key", self.home / "key")
        self.landing = published_home.parent / "landing"
        self.day = DAY
        self.begin()
        self.browsers = {}
        if dispatched:
            plan = plan_dispatch(Home(self.home), CITY, 4, day=DAY)
            self.round = send(plan, "of-city", DAY + timedelta(days=14))

    def begin(self):
        self.installation = Installation(self.home)
        self.installation.clock.now = datetime(self.day.year, self.day.month, self.day.day, 1, tzinfo=UTC)
        self.portal, self.loop = self.installation.portal, self.installation.portal.loop
        self.pub = self.portal.store.wait()
        self.tree = self.pub.tree

    def of(self, division, export="masked", name=""):
        """A browser of somebody who works for a division."""
        name = name or self.name(division)
        if name not in self.browsers:
            role = ("city", "district", "township", "village")[self.tree.get(division).level - 1]
            if self.portal.accounts.get(name) is None:
                self.installation.add(name, role, division, export)
            self.browsers[name] = self.installation.browser(name)
        return self.browsers[name]

    @staticmethod
    def name(division):
        """The account of whoever works for a division."""
        return f"of-{division[:6]}-{division[6:]}"

    @property
    def sent(self):
        """All rows that went out."""
        return self.loop.sent_rows([one.batch_no for one in self.loop.batches()])

    def batch_of(self, division):
        """The newest batch of a division."""
        return self.loop.batches(divisions=[division])[-1]

    def villages(self, rows=1):
        """Villages with at least so many rows, those with most first."""
        counted = self.sent.group_by("division_code").len().sort("len", "division_code", descending=[True, False])
        found = [row["division_code"] for row in counted.iter_rows(named=True) if row["len"] >= rows]
        return [code for code in found if not code.endswith("000")]

    def apart(self, *, districts):
        """People who were sent to two divisions, of two districts or of one: their rows, two by two."""
        rows = self.sent.filter(pl.col("other_division").is_not_null()).sort("person_id", "role")
        found = []
        for (_,), two in rows.group_by("person_id", maintain_order=True):
            places = two["division_code"].to_list()
            known = len(places) == 2 and not any(one.endswith("000") for one in places)
            if known and (places[0][:6] != places[1][:6]) == districts:
                found.append(two.to_dicts())
        return found

    def sheet(self, browser, batch, answers, **more):
        """The answer workbook of a batch as somebody fills it: serial or row code to reason, or to fields."""
        answer = browser.get(f"/dispatch/sheet.xlsx?id={batch.batch_id}")
        assert answer.status_code == 200, answer.text
        return fill(answer.content, answers, self.day, **more)

    def upload(self, browser, content, name="核实名单.xlsx"):
        """Send a file; the answer is the way to the preview, or the page that says what is wrong."""
        return browser.client.post(
            "/feedback", data={"csrf": browser.token("/account")}, files={"file": (name, content)}
        )

    def preview(self, browser, content, name="核实名单.xlsx"):
        """Send a file that can be read; the token of its preview."""
        answer = self.upload(browser, content, name)
        assert answer.status_code == 303, answer.text
        return re.search(r"token=([\w-]{22})$", answer.headers["location"])[1]

    def confirm(self, browser, token):
        """Confirm a preview; the receipt's number."""
        answer = browser.post("/feedback/confirm", "/account", token=token)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"].partition("no=")[2]

    def night(self):
        """The night that begins the next day, and the portal on the morning after."""
        story = Story.__new__(Story)
        story.landing, story.home, story.day = self.landing, self.home, self.day
        story.run(great_expectations=False, reports=False)
        before = self.installation
        self.day += timedelta(days=1)
        self.begin()
        before.close()
        self.browsers = {}

    def close(self):
        self.installation.close()


def heads(sheet):
    """The row of the headings, and the column of each."""
    row = next(n for n in range(1, 30) if any(cell.value == "行码" for cell in sheet[n]))
    return row, {cell.value: cell.column for cell in sheet[row] if cell.value}


def fill(content, answers, day, **more):
    """Fill in the answers of a workbook.

    Args:
        content: The workbook.
        answers: Serial or row code to a reason, or to a mapping of headings.
        day: Of the visit.
        more: Further headings for all rows.
    """
    book = openpyxl.load_workbook(io.BytesIO(content))
    sheet = book.worksheets[0]
    head, columns = heads(sheet)
    for row in range(head + 1, sheet.max_row + 1):
        said = answers.get(sheet.cell(row, columns["行码"]).value, answers.get(sheet.cell(row, columns["序号"]).value))
        if said is not None:
            said = said if isinstance(said, dict) else {"核实结果": said}
            for name, value in {"核实日期": day.isoformat(), **more, **said}.items():
                sheet.cell(row, columns[name]).value = value
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()
