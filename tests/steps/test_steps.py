"""Every given/expected folder: adding a case is adding a folder."""

from pathlib import Path

import pytest

from tests.steps.folders import HERE, Case, cases


@pytest.mark.parametrize("folder", cases(), ids=lambda path: str(path.relative_to(HERE)))
def test_case(folder: Path, tmp_path: Path) -> None:
    case = Case(folder, tmp_path)
    columns, expected = case.expected()
    assert case.actual(columns) == expected


def test_there_are_cases() -> None:
    assert len(cases()) > 20
