"""What may stop a night, and nothing else (contract.md section 2)."""

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from canbao import gates
from canbao.errors import UserError
from canbao.gates import Baseline, Check


@dataclass
class Definition:
    title: str = "公安人口"
    kind: str = "snapshot"
    required_source: bool = True
    max_rejected_share: float = 0.05
    department: str = "公安"
    harms: tuple[str, ...] = ()


@dataclass
class Refusal:
    source: str = "population"
    delivery: date = date(2026, 3, 30)
    file: str | None = "a.csv"
    message: str = "第 3 行起无法解码,请重新导出。"


class Intake:
    def __init__(self, read: int = 100, rejected: int = 0, counties: dict[str, int] | None = None, **more: Any) -> None:
        self.files = pl.DataFrame(
            {
                "source": ["population"],
                "delivery": [date(2026, 3, 30)],
                "file": ["a.csv"],
                "sha256": ["ab"],
                "rows_read": [read],
                "rows_accepted": [read - rejected],
                "rows_rejected": [rejected],
                "state": ["accepted"],
            }
        )
        rows = [("population", county, count) for county, count in (counties or {}).items()]
        self.counties = pl.DataFrame(
            rows, schema={"source": pl.String, "county": pl.String, "rows": pl.Int64}, orient="row"
        )
        self.refusals = more.get("refusals", [])
        self.missing_sources = more.get("missing", [])
        self.left_out = more.get("left_out", {})


def failing(intake: Intake, baseline: Baseline | None = None, **definition: Any) -> list[str]:
    checks = gates.intake_checks(
        intake, {"population": Definition(**definition)}, {"population": baseline} if baseline else {}
    )
    return [check.check_id for check in checks if check.blocks]


def last(accepted: int, counties: dict[str, int] | None = None, digests: tuple[str, ...] = ("zz",)) -> Baseline:
    return Baseline("2026-03-29/x", "2026-03-29", accepted, counties or {}, digests)


@pytest.mark.parametrize(
    ("read", "rejected", "stops"),
    [(200, 10, False), (199, 10, True), (100, 9, False), (1000, 50, False), (1000, 51, True), (10, 10, True)],
)
def test_rejected_share(read: int, rejected: int, stops: bool) -> None:
    assert failing(Intake(read, rejected)) == (["rejected_share.population"] if stops else [])


@pytest.mark.parametrize(
    ("was", "now", "stops"),
    [
        (100, 80, False),
        (100, 79, True),
        (1000, 800, False),
        (1000, 799, True),
        (20, 0, False),
        (21, 0, True),
        (50, 29, True),
        (100, 200, False),
    ],
)
def test_row_fall_as_a_whole(was: int, now: int, stops: bool) -> None:
    assert failing(Intake(now), last(was)) == (["row_fall.population"] if stops else [])


def test_row_fall_of_one_county() -> None:
    baseline = last(1000, {"500101": 900, "500102": 60})
    assert failing(Intake(1000, counties={"500101": 960, "500102": 40}), baseline) == []
    assert failing(Intake(1000, counties={"500101": 961, "500102": 39}), baseline) == ["row_fall.population"]
    assert failing(Intake(1000, counties={"500101": 1000}), baseline) == ["row_fall.population"]


MERGER = {
    "division_code": ["500105000000", "500112", "500112101000", "500109102", "500233000000", "500105001"],
    "valid_to": [date(2026, 3, 30), date(2026, 3, 30), date(2026, 3, 30), date(2026, 3, 30), date(2026, 4, 1), None],
    "successor_code": ["500199000000", "500199", "500109017000", "500199042", "500235000000", "500101001"],
}


def test_rows_that_came_under_the_codes_of_successors_have_not_fallen() -> None:
    neighbours = gates.exchanged_counties(pl.DataFrame(MERGER), date(2026, 3, 31))
    group = {"500105", "500109", "500112", "500199"}
    assert neighbours == dict.fromkeys(group, group)  # the fifth ends tomorrow, the sixth does not
    baseline = last(1000, {"500105": 100, "500112": 200, "500109": 100, "500101": 600})

    def stopped(**counties: int) -> list[str]:
        intake = Intake(1000, counties={code.removeprefix("c"): rows for code, rows in counties.items()})
        checks = gates.intake_checks(intake, {"population": Definition()}, {"population": baseline}, neighbours)
        return [county for check in checks if check.blocks for county in check.counties]

    assert stopped(c500199=280, c500109=120, c500101=600) == []
    assert stopped(c500199=225, c500109=120, c500101=655) == []  # 55 of the 300 have gone
    assert stopped(c500199=219, c500109=120, c500101=661) == ["500105", "500112"]  # 61 have
    assert stopped(c500199=300, c500109=100, c500101=300, c500233=300) == ["500101"]
    assert stopped(c500105=100, c500112=10, c500109=100, c500199=0, c500101=790) == ["500112"]


def test_row_fall_concerns_snapshots_and_other_deliveries_only() -> None:
    assert failing(Intake(10), last(100), kind="increment") == []
    same = Baseline("2026-03-30/x", "2026-03-30", 100, {}, ("ab",))
    assert failing(Intake(10), same) == []


def test_the_published_delivery_is_compared_with_what_it_was_compared_with() -> None:
    first = fall(Intake(90), last(100))
    assert (first.passed, first.numerator, first.denominator) == (True, 10, 100)
    tonight = {"population": {"delivery": "2026-03-30", "digests": ["ab"]}}
    day = date(2026, 3, 30)
    kept = gates.compared([first], {"population": last(100)}, tonight, day, {})["population"]
    assert (kept["delivery"], kept["rows_accepted"], "let_pass" in kept) == ("2026-03-29", 100, False)
    same = Baseline("2026-03-30/x", "2026-03-30", 90, {}, ("ab",), last(100))
    assert fall(Intake(90), same) == first
    assert gates.compared([first], {"population": same}, tonight, day, {})["population"] == kept  # and the night after


def let_pass(release: dict[str, Any] | None) -> Baseline:
    """The files of `Intake` as published in spite of a county that they lack."""
    told = {"as_of": "2026-03-30", "reason": "已核实", "names": ["甲", "乙"], "release": release}
    earlier = last(200, {"500101": 100, "500102": 100})
    return Baseline("2026-03-30/y", "2026-03-30", 100, {"500101": 100}, ("ab",), earlier, told)


def fall(intake: Intake, baseline: Baseline) -> Check:
    checks = gates.intake_checks(intake, {"population": Definition()}, {"population": baseline})
    (found,) = [one for one in checks if one.check_id.startswith("row_fall")]
    return found


def test_a_fall_that_two_people_released_stays_for_as_long_as_the_files_do() -> None:
    check = fall(Intake(100, counties={"500101": 100}), let_pass({"release_id": "R1"}))
    assert (check.passed, check.severity, check.blocks, check.counties) == (False, "block", False, ("500102",))
    assert (check.accepted, check.accepted_by) == ("已核实", ("甲", "乙"))
    assert gates.apply([check], {}) == [check]
    back = Intake(200, counties={"500101": 100, "500102": 100})
    back.files = back.files.with_columns(pl.lit("cd").alias("sha256"))
    assert fall(back, let_pass({"release_id": "R1"})).passed


def test_a_fall_that_was_accepted_once_stands_as_a_warning() -> None:
    check = fall(Intake(100, counties={"500101": 100}), let_pass(None))
    assert (check.passed, check.severity, check.accepted) == (False, "warn", None)
    assert "曾于 2026-03-30 由甲、乙放行" in check.message


def test_the_manifest_keeps_what_the_files_fell_against() -> None:
    tonight = {"population": {"delivery": "2026-03-30", "digests": ["ab"]}}
    first, bad = last(200, {"500102": 100}), Check("row_fall.population", "", "", "block", passed=False, accepted="x")
    bad = gates.replace(bad, source="population", accepted_by=("甲",))
    entry = gates.compared([bad], {"population": first}, tonight, date(2026, 3, 30), {})["population"]
    assert (entry["delivery"], entry["rows_accepted"], entry["counties"]) == ("2026-03-29", 200, {"500102": 100})
    assert entry["let_pass"] == {"as_of": "2026-03-30", "reason": "x", "names": ["甲"], "release": None}
    again = gates.compared([bad], {"population": let_pass(None)}, tonight, date(2026, 3, 31), {})["population"]
    assert (again["delivery"], again["let_pass"]["as_of"]) == ("2026-03-29", "2026-03-30")  # the first night's


def test_refusals_and_required_sources() -> None:
    assert failing(Intake(refusals=[Refusal(), Refusal(file=None)])) == ["refused.population"]
    assert failing(Intake(missing=["population"])) == ["required.population"]
    assert failing(Intake(missing=["population"]), required_source=False) == []


def test_sheets_that_were_left_out_warn() -> None:
    sheets = ["population/2026-03-30/a.xlsx 的工作表“乙”"]
    checks = gates.intake_checks(Intake(left_out={"population": sheets}), {"population": Definition()}, {})
    (found,) = [check for check in checks if check.check_id == "left_out.population"]
    assert (found.severity, found.passed, found.blocks, found.numerator) == ("warn", False, False, 1)
    assert sheets[0] in found.message


def test_the_message_names_every_refused_file() -> None:
    checks = gates.intake_checks(Intake(refusals=[Refusal(), Refusal(file="b.xlsx")]), {"population": Definition()}, {})
    text = next(check.message for check in checks if check.check_id == "refused.population")
    assert "population/2026-03-30/a.csv" in text
    assert "population/2026-03-30/b.xlsx" in text


def test_baseline_is_the_last_published_delivery_not_after_the_day(tmp_path: Path) -> None:
    folders = []
    for day, rows in (("2026-03-01", 10), ("2026-03-02", 20), ("2026-03-09", 90)):
        folder = tmp_path / day / "run"
        folder.mkdir(parents=True)
        sources = {"population": {"delivery": day, "rows_accepted": rows}}
        if day == "2026-03-01":
            sources["student"] = {"delivery": day, "rows_accepted": 5}
        (folder / "manifest.json").write_text(json.dumps({"inputs": {"sources": sources}}))
        folders.append(folder)
    found = gates.baselines(folders, date(2026, 3, 5))
    assert found["population"].accepted == 20
    assert found["student"].accepted == 5  # not delivered on the 2nd: the last that was published counts


def test_accept_lets_a_named_check_pass_and_configuration_makes_a_warning_block() -> None:
    failed = Check("row_fall.population", "", "completeness", "block", passed=False)
    warned = Check("person.name_present", "", "completeness", "warn", passed=False)
    unknown = Check("unique.person", "", "consistency", "block", passed=None)
    accepted, stricter, not_computed = gates.apply(
        [failed, warned, unknown], {"row_fall.population": "已核实"}, ["person.name_present"]
    )
    assert not accepted.blocks
    assert accepted.passed is False
    assert accepted.accepted == "已核实"
    assert stricter.blocks
    assert not_computed.blocks  # not computed is not passed


def test_accepts_must_name_checks_that_exist() -> None:
    known = gates.known_ids({"population": Definition()}, []) | {"unique.person"}
    gates.verify_accepts({"refused.population": "x", "unique.person": "x"}, known, {"required.population"})
    for wrong in ("refused.nothing", "nonsense", "required.population"):
        with pytest.raises(UserError, match=wrong):
            gates.verify_accepts({wrong: "x"}, known, {"required.population"})
