"""Fixtures of the portal's tests."""

import pytest

from .kit import Installation
from .office import Office
from .published import link_home, make_home


@pytest.fixture
def installation(tmp_path):
    """A portal in an empty home."""
    made = Installation(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="session")
def published_home(tmp_path_factory):
    """A home with two nights in it; nobody writes to it but the `office`."""
    return make_home(tmp_path_factory.mktemp("city"))


@pytest.fixture(scope="session")
def office(published_home):
    """The portal on it, with an account of every role that sees people."""
    made = Office(published_home)
    yield made
    made.close()


@pytest.fixture(scope="session")
def desk(published_home, tmp_path_factory):
    """The portal on a copy of it, for downloads: accounts with full numbers beside the others."""
    made = Office(link_home(published_home, tmp_path_factory.mktemp("desk") / "home"))
    portal = made.installation
    for name, role, export in (
        ("city-full", "city", "full"), ("city-two", "city", "full"), ("district-full", "district", "full"),
        ("district-two", "district", "full"), ("township-full", "township", "full"), ("village-full", "village", "full"),
        ("district-none", "district", "none"), ("district-masked", "district", "masked"),
    ):  # fmt: skip
        portal.add(name, role, made.divisions[role], export=export, factor=export == "full")
    yield made
    made.close()
