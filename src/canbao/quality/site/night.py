"""Where the pages of a night go: into its draft, or, for a night that publishes nothing, beside its record."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from canbao.errors import masked_traceback
from canbao.quality.site.data import SiteData
from canbao.quality.site.pages import write_site

if TYPE_CHECKING:
    from pathlib import Path

    from canbao.nightly import Night


def write_for_draft(night: Night) -> int:
    """Write `reports/quality` of the night's draft, after its tables and Data Docs.

    Returns:
        Number of pages.
    """
    return write_site(night.draft.reports / "quality", SiteData.load(night, night.draft.folder))


def write_for_stopped(night: Night, state: str, message: str) -> Path | None:
    """Write the pages of a night that published nothing into `<home>/runs/<run_id>/quality`.

    A fault here must not hide why the night stopped: then there are no pages.

    Args:
        night: The night, as far as it came.
        state: How it ended: blocked or failed.
        message: What it told the operator.

    Returns:
        The morning page, None where there is none.
    """
    target = night.home.runs / night.run_id / "quality"
    try:
        write_site(target, SiteData.load(night, None, state, message))
    except Exception as error:  # the run's own message is what matters
        print(masked_traceback(error), file=sys.stderr)
        shutil.rmtree(target, ignore_errors=True)
        return None
    return target / "index.html"
