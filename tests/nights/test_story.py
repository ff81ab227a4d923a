"""The story that other tests tell their nights in is clean by itself."""

from pathlib import Path

from tests.story import Story


def test_clean_nights_raise_nothing(tmp_path: Path) -> None:
    story = Story(tmp_path)
    for night in range(3):
        if night:
            story.next_day()
        told = story.run(great_expectations=night == 2, reports=night == 2)
        assert told.became_current
        assert [c.check_id for c in told.checks if c.passed is not True and c.severity != "info"] == []
    assert told.figures["insured"] > 1000
