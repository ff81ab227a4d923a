"""Fixtures of the portal's tests."""

import fcntl
import os
import shutil

import argon2
import pytest
from anyio.from_thread import start_blocking_portal

from canbao.portal import passwords

from .kit import Browser, Installation
from .office import Office
from .published import link_home, make_home


@pytest.fixture(scope="session")
def costly_hashes():
    """How passwords are hashed outside of tests."""
    return passwords._HASHER


@pytest.fixture(scope="session", autouse=True)
def cheap_hashes(costly_hashes):
    """What keeps guessers out costs a twentieth of a second at each of hundreds of sign-ins."""
    passwords._HASHER = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1, hash_len=32, salt_len=16)
    yield
    passwords._HASHER = costly_hashes


@pytest.fixture(scope="session", autouse=True)
def one_loop():
    """One event loop serves all browsers."""
    with start_blocking_portal() as Browser.loop:
        yield
    Browser.loop = None


@pytest.fixture
def installation(tmp_path):
    """A portal in an empty home."""
    made = Installation(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="session")
def published_home(tmp_path_factory):
    """A home with two nights in it, made once for all workers of a run; nobody writes to it."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # each worker has a folder of its own in that of the run
        folder = folder.parent
    with (folder / "city.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "city.ready").exists():
            shutil.rmtree(folder / "city", ignore_errors=True)
            make_home(folder / "city")
            (folder / "city.ready").touch()
    return folder / "city" / "home"


@pytest.fixture(scope="session")
def office(published_home, tmp_path_factory):
    """The portal on a copy of it, with an account of every role that sees people."""
    made = Office(link_home(published_home, tmp_path_factory.mktemp("office") / "home"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def desk(published_home, tmp_path_factory):
    """Another copy, for downloads: accounts with full numbers beside the others."""
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
