"""The publication that tonight's is compared with (`change` and `bridge`, contract section 3.6).

It is the newest publication of an earlier as-of date, of the same insured year and jurisdiction. A run of the same
date is no earlier night: whoever repeats a day replaces it, its figures lead from the day before to this one, and the
same inputs give the same bytes however often the day is repeated. The next day compares itself with the last one.
"""

from datetime import date
from pathlib import Path

from canbao.home import Home, read_json


def previous_publication(home: Home, as_of: date, insured_year: int, jurisdiction: str) -> Path | None:
    """The folder of the publication before this night's.

    Args:
        home: The installation.
        as_of: This run's as-of date.
        insured_year: Figures of another insured year are no past of this one's.
        jurisdiction: Likewise.

    Returns:
        None where there is none.
    """
    for folder in reversed(home.publications()):
        if folder.parent.name < as_of.isoformat():
            manifest = read_json(folder / "manifest.json")
            if manifest.get("insured_year") == insured_year and manifest.get("jurisdiction") == jurisdiction:
                return folder
    return None
