from datetime import date
from pathlib import Path

import pytest

from canbao.generate import generate


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20,000 people with the usual dirt."""
    out = tmp_path_factory.mktemp("made")
    generate(out, 20_000, 7)
    return out


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4,000 people without dirt, in the window before the insured year."""
    out = tmp_path_factory.mktemp("clean")
    generate(out, 4_000, 7, date(2025, 12, 20), dirt=0, counties=["500101", "500112"])
    return out
