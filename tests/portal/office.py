"""The portal on a small published city, with one account of each role, and that city's tables to compare pages with."""

import re
from functools import cached_property

import polars as pl

from canbao.portal.lists import ListQuery
from canbao.portal.scope import Scope, capabilities
from canbao.portal.store import Publication

from .kit import CITY, Browser, Installation
from .published import DISTRICT

PEOPLE = ("city", "district", "township", "village")
LONG_NUMBER = re.compile(r"(?<![\d*])\d{17}[\dX](?!\d)")


class Office:
    """One installation; `browsers` are signed in, one for each role, along one path of the tree.

    Args:
        home: A home with a publication.
    """

    def __init__(self, home):
        self.home = home
        self.installation = Installation(home)
        self.pub: Publication = self.installation.portal.store.wait()
        self.divisions = {"city": CITY, "district": DISTRICT, "township": "", "village": ""}
        listed = self.table("uninsured").filter(
            pl.col("live_code").str.starts_with(DISTRICT[:6]) & ~pl.col("live_code").str.ends_with("000")
        )
        village = listed["live_code"].mode().sort()[0]
        self.divisions |= {"village": village, "township": f"{village[:9]}000"}
        self.browsers: dict[str, Browser] = {}
        for role, division in self.divisions.items():
            self.installation.add(f"of-{role}", role, division)
            self.browsers[role] = self.installation.browser(f"of-{role}")

    def table(self, name):
        """A table of the current publication."""
        return pl.read_parquet(self.home / "published" / "current" / f"{name}.parquet")

    @cached_property
    def people(self):
        """All persons by id."""
        return {row["person_id"]: row for row in self.table("person").iter_rows(named=True)}

    def scope(self, role, division=None, pub=None):
        """The scope of somebody of that role."""
        tree = (pub or self.pub).tree
        found = tree.get(division or self.divisions[role])
        assert found is not None
        return Scope("somebody", role, found, "masked", capabilities(role), tree)

    def get(self, role, path):
        """A page that must be there."""
        answer = self.browsers[role].get(path)
        assert answer.status_code == 200, (role, path, answer.status_code)
        return answer

    def ids(self, query, pub=None):
        """Ids of a list, in its order."""
        return [row["person_id"].hex for batch in query.batches(pub or self.pub, 37) for row in batch]

    def query(self, kind, division, basis="", role="city", /, **filters):
        """A list."""
        return ListQuery.of(kind, division, basis, filters, self.scope(role))

    def inside(self, code, division):
        """Whether a published place lies in a division."""
        return code is not None and self.pub.tree.inside(code, self.pub.tree.get(division))

    def close(self):
        self.installation.close()
