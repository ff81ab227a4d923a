"""The season in small: three districts, three rounds, every row recounted. `make season` does it with the whole city."""

from pathlib import Path

from tests.loop.season import SMALL, Season


def test_every_row_of_three_rounds_is_accounted_for(tmp_path: Path) -> None:
    season = Season(tmp_path, SMALL)
    season.run()
    assert not season.faults
    assert season.tally["files"] > 20 < season.tally["lists spoilt"]
    told = {name.removeprefix("outcome ") for name in season.tally if name.startswith("outcome ")}
    assert told >= {"adopted", "waits", "insured", "superseded", "refused", "contradicted_enrollment"}
