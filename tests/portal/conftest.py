"""Fixtures of the portal's tests."""

import pytest

from .kit import Installation


@pytest.fixture
def installation(tmp_path):
    """A portal in an empty home."""
    made = Installation(tmp_path)
    yield made
    made.close()
