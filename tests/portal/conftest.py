"""Fixtures of the portal's tests."""

import pytest

from .kit import Installation
from .office import Office
from .published import make_home


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
