"""Rule parameters: dated values, and what an overlay may say."""

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from canbao.errors import UserError
from canbao.paths import package_dir
from canbao.rules import jurisdictions, load_rules

DAY = date(2026, 3, 31)


def overlay(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "overlay.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[waiting]\nfixed_month = 3", "waiting.fixed_months"),
        ("[nothing]\nlike = 1", "nothing.like"),
        ("[window.26]\nstart = 2025-11-01", "window.26.start"),
        ('[waiting]\nfixed_months = "three"', "数字"),
        ("[waiting]\nfixed_months = true", "数字"),
        ("[waiting]\nfixed_months = nan", "数字"),
        ("[waiting]\nfixed_months = []", "数字"),
        ("[waiting]\nfixed_months = 2.5", "整数"),
        ("[waiting]\nfixed_months = -1", "不小于 0"),
        ("[cap]\nstep = -4000", "不小于 0"),
        ('[waiting]\nexempt = ["nobody"]', "nobody"),
        ("[window.2027]\nstart = 2027-03-01\nend = 2026-11-01", "早于开始日"),
        ("[waiting]\nexempt = 3", "文字列表"),
        ("[waiting]\nexempt = [1, 2]", "文字列表"),
        ('[cap]\nreset_next_year = "yes"', "true 或 false"),
        ('[window.2026]\nend = "2026-02-30"', "日期"),
        ("[window.2026]\nend = 5", "日期"),
        ('[cap]\nbase = "many"', "数字"),
        ("[cap", "TOML"),
        (b"\xff\xfe[cap]", "UTF-8"),
    ],
)
def test_overlay_errors_say_what_is_wrong(tmp_path: Path, text: str | bytes, says: str) -> None:
    with pytest.raises(UserError, match=says.replace(".", r"\.")):
        load_rules("chongqing", DAY, overlay(tmp_path, text))


def test_overlay_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="不存在"):
        load_rules("chongqing", DAY, tmp_path / "none.toml")
    with pytest.raises(UserError, match="无法读取"):
        load_rules("chongqing", DAY, tmp_path)


def test_unknown_jurisdiction() -> None:
    with pytest.raises(UserError, match="beijing"):
        load_rules("beijing", DAY)


@pytest.mark.parametrize("jurisdiction", jurisdictions())
def test_every_parameter_can_be_overlaid(tmp_path: Path, jurisdiction: str) -> None:
    for name, parameter in load_rules(jurisdiction, DAY).parameters.items():
        key = ".".join(f'"{part}"' for part in name.split("."))
        value = parameter.value
        if value is None:
            text = "2026-01-01" if name.startswith("window") else "1"
        elif isinstance(value, bool):
            text = str(value).lower()
        else:
            text = repr(value).replace("'", '"') if not isinstance(value, date) else value.isoformat()
        found = load_rules(jurisdiction, DAY, overlay(tmp_path, f"{key} = {text}")).parameters[name]
        assert found.overlay
        assert not found.verified
        assert value is None or found.value == value


def test_an_overlay_holds_on_every_day_and_dates_may_be_text(tmp_path: Path) -> None:
    path = overlay(tmp_path, '[window.2026]\nstart = "2025-10-01"\n[waiting]\nfixed_months = 2\n')
    rules = load_rules("chongqing", date(2020, 1, 1), path)
    assert rules.parameters["window.2026.start"].value == date(2025, 10, 1)
    assert rules.parameters["waiting.fixed_months"].value == 2


def test_an_entry_of_an_overlay_holds_for_its_days_and_names_its_document(tmp_path: Path) -> None:
    path = overlay(
        tmp_path,
        """
[[cap.base]]
value = 300000
valid_from = 2026-01-01
document = "某文"
clause = "二"
verified = true
[[cap.base]]
value = 200000
valid_from = "2025-01-01"
valid_to = 2025-12-31
""",
    )
    later, before = (
        load_rules("chongqing", DAY, path).parameters,
        load_rules("chongqing", date(2025, 7, 1), path).parameters,
    )
    assert (later["cap.base"].value, later["cap.base"].document, later["cap.base"].verified) == (300000, "某文", True)
    assert (before["cap.base"].value, before["cap.base"].verified) == (200000, False)
    assert path.name in before["cap.base"].document


@pytest.mark.parametrize(
    "text",
    [
        "[cap.base]\nvalue = 1\nverified = true",  # by what document?
        "[cap.base]\nvalue = 1\nvalid_until = 2026-01-01",
        "[cap.base]\nvalue = 1\nvalid_to = '来年'",
        "[transition]\nmin_years = 4",  # with a gap of three months more than is known month by month
        "[cap]\nlimit_ratio = 20",
        "[waiting]\nvar_offset = 2",
    ],
)
def test_what_an_overlay_cannot_mean_is_told(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match="规则文件"):
        load_rules("chongqing", DAY, overlay(tmp_path, text))


def test_a_past_day_takes_that_day_s_values() -> None:
    today, before = load_rules("chongqing", DAY).parameters, load_rules("chongqing", date(2025, 6, 2)).parameters
    assert "age_limit.male" not in before
    assert today["age_limit.male"].value == 63
    assert "cap.deductible" not in before
    assert today["cap.deductible"].value == 19856
    earlier = load_rules("chongqing", date(2024, 12, 31)).parameters
    assert not any(name.startswith(("waiting.", "cap.step")) for name in earlier)
    assert "retention.staff_months" in earlier
    assert "retention.staff_months" not in load_rules("chongqing", date(2021, 4, 30)).parameters


@pytest.mark.parametrize(
    ("day", "year"),
    [
        (date(2025, 10, 31), 2025),
        (date(2025, 11, 1), 2026),
        (date(2026, 2, 28), 2026),
        (date(2026, 3, 1), 2026),
        (date(2027, 1, 1), 2027),
    ],
)
def test_default_insured_year(day: date, year: int) -> None:
    assert load_rules("chongqing", day).default_insured_year() == year


@pytest.mark.parametrize("jurisdiction", jurisdictions())
def test_every_value_names_its_document(jurisdiction: str) -> None:
    for parameter in load_rules(jurisdiction, DAY).parameters.values():
        assert parameter.document
        assert parameter.value is not None or not parameter.verified
        assert parameter.clause or not parameter.verified


def test_types() -> None:
    module = package_dir("rules") / "__init__.py"
    done = subprocess.run([sys.executable, "-m", "mypy", str(module)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
