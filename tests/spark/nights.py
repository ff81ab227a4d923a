"""Nights on either engine."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from canbao import audit, nightly
from tests.story import KEY

CORES = "local[2]"


def published(home: Path) -> Path:
    """The folder of a home's publication."""
    return (home / "published" / "current").resolve()


def night(landing: Path, home: Path, as_of: date, engine: str, *, bare: bool = False) -> Path:
    """Run a night and give the folder of its publication; bare: without Great Expectations and reports."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "key").write_text(KEY)
    options = nightly.Options(
        landing=landing,
        home=home,
        as_of=as_of,
        engine=engine,
        spark_master=CORES if engine == "spark" else "local[*]",
    )
    with pytest.MonkeyPatch.context() as patch:
        if bare:
            patch.setattr(audit, "run_suite", lambda *_: [])
            patch.setattr(audit, "write_data_docs", lambda *_: None)
            patch.setattr(nightly, "_reports", lambda _: None)
        with nightly.open_night(options) as opened:
            nightly.run(opened)
    return published(home)
