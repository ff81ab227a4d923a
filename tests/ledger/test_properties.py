"""What holds of the ledger and of every table in any world, however its files are cut and ordered."""

import gzip
import io
import random
from collections.abc import Iterable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from canbao.build import load_steps
from canbao.intake import load_definitions
from tests.in_process import Built, built
from tests.ledger.conftest import AS_OF, Worlds, copied, differences, published

CONTRACT_MEASURES = {
    "registered", "resident", "should_be_insured", "insured", "insured_staff", "insured_resident", "insured_elsewhere",
    "attached_newborn", "uninsured", "uninsured_never", "uninsured_lapsed", "uninsured_stopped", "uninsured_unpaid",
    "separated_uninsured", "excluded", "excluded_death", "excluded_cancelled", "excluded_moved", "excluded_abroad",
    "excluded_military", "excluded_custody", "duplicate_persons", "waiting_persons", "aid_should", "aid_insured",
    "newborn_should", "newborn_insured", "student_should", "student_insured", "feedback_received", "dispatched",
    "insured_last_year", "registered_present", "registered_absent", "present_unregistered", "staff_active",
    "staff_retired", "staff_flexible", "resident_tier1", "resident_tier2", "target_persons",
}  # fmt: skip
LEVELS = {1, 2, 3, 4}
FEW = settings(max_examples=2, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
"""A night of a few hundred people takes two seconds: few examples, but of everything at once."""
people = st.integers(300, 800)
seeds = st.integers(1, 1_000_000)


class Ledger:
    """The ledger as a lookup: (basis, level, code) to measure to value."""

    def __init__(self, night: Built) -> None:
        self.cells: dict[tuple[str, int, str], dict[str, int]] = {}
        rows = night.rows("SELECT basis, level, division_code, measure, value FROM ledger")
        for basis, level, code, measure, value in rows:
            measures = self.cells.setdefault((basis, level, code), {})
            assert measure not in measures, "a measure stands twice"
            measures[measure] = value
        self.divisions = dict(night.rows("SELECT division_code, level FROM division_now"))
        self.parents: dict[str, str] = {}
        for code, level, *up in night.rows("SELECT division_code, level, l1, l2, l3 FROM division_now WHERE level > 1"):
            self.parents[code] = up[level - 2]

    def value(self, basis: str, code: str, measure: str) -> int:
        level = self.divisions[code] if code in self.divisions else self.divisions[code.removesuffix("-")] + 1
        return self.cells[basis, level, code][measure]


def check_identities(ledger: Ledger) -> None:
    for place, cell in ledger.cells.items():
        parts = ("insured_staff", "insured_resident", "insured_elsewhere", "attached_newborn")
        assert cell["should_be_insured"] == cell["insured"] + cell["uninsured"], place
        assert cell["insured"] == sum(cell[part] for part in parts), place
        reasons = ("uninsured_never", "uninsured_lapsed", "uninsured_stopped", "uninsured_unpaid")
        assert cell["uninsured"] == sum(cell[reason] for reason in reasons), place
        assert cell["excluded"] == sum(value for name, value in cell.items() if name.startswith("excluded_")), place
        assert cell["insured_staff"] == cell["staff_active"] + cell["staff_retired"] + cell["staff_flexible"], place
        assert cell["insured_resident"] == cell["resident_tier1"] + cell["resident_tier2"], place
        assert cell["separated_uninsured"] <= cell["uninsured"], place
        assert all(value >= 0 for value in cell.values()), place


def check_sums(ledger: Ledger) -> None:
    children: dict[str, list[str]] = {}
    for code, parent in ledger.parents.items():
        children.setdefault(parent, []).append(code)
    for basis in ("household", "residence"):
        for code, level in ledger.divisions.items():
            if level == 4:
                continue
            below = [ledger.cells[basis, level + 1, child] for child in children.get(code, [])]
            below.append(ledger.cells[basis, level + 1, f"{code}-"])
            for measure, value in ledger.cells[basis, level, code].items():
                if measure != "target_persons":
                    assert value == sum(cell[measure] for cell in below), (basis, code, measure)


def check_completeness(ledger: Ledger) -> None:
    wanted = {(code, level) for code, level in ledger.divisions.items()}
    wanted |= {(f"{code}-", level + 1) for code, level in ledger.divisions.items() if level < 4}
    assert set(ledger.cells) == {(basis, level, code) for basis in ("household", "residence") for code, level in wanted}
    names = {frozenset(cell) for cell in ledger.cells.values()}
    assert len(names) == 1
    assert names.pop() >= CONTRACT_MEASURES - pending_measures()


def pending_measures() -> set[str]:
    """Measures whose tables are not made yet."""
    made = "\n".join(step.sql for step in load_steps())
    return {name for name in ("waiting_persons", "dispatched") if f"AS {name}" not in made}


def check_everybody_counts_once(night: Built, ledger: Ledger) -> None:
    city = "500000000000"
    inside = "coalesce(starts_with({}, '50'), false)"
    for basis, column, total in (("household", "resd_code", "registered"), ("residence", "live_code", "resident")):
        here = inside.format(column)
        assert night.rows(f"SELECT count(*) FILTER ({here}) FROM person")[0][0] == ledger.value(basis, city, total)
        # on the residence basis a registered person of unknown residence counts in the city as a whole
        counted = here if basis == "household" else f"({here} OR (live_code IS NULL AND {inside.format('resd_code')}))"
        for status, measure in (
            ("staff", "insured_staff"), ("resident", "insured_resident"), ("elsewhere", "insured_elsewhere"),
            ("attached_newborn", "attached_newborn"), ("uninsured", "uninsured"), ("excluded_death", "excluded_death"),
            ("excluded_custody", "excluded_custody"), ("excluded_moved", "excluded_moved"),
        ):  # fmt: skip
            expected = night.rows(f"SELECT count(*) FROM person WHERE insured_status = '{status}' AND {counted}")[0][0]
            assert expected == ledger.value(basis, city, measure), (basis, measure)
        twice = "SELECT count(DISTINCT person_id) FROM duplicate_enrollment INNER JOIN person USING (person_id)"
        pairs = night.rows(f"{twice} WHERE {counted}")
        assert pairs[0][0] == ledger.value(basis, city, "duplicate_persons")


@FEW
@given(persons=people, seed=seeds)
def test_the_ledger_adds_up(world: Worlds, tmp_path_factory: pytest.TempPathFactory, persons: int, seed: int) -> None:
    tables = ["ledger", "person", "duplicate_enrollment"]
    with built(world(persons, seed), tmp_path_factory.mktemp("night"), AS_OF, tables=tables) as night:
        ledger = Ledger(night)
        check_identities(ledger)
        check_sums(ledger)
        check_completeness(ledger)
        check_everybody_counts_once(night, ledger)


# ------------------------------------------------------------------------------------------ files cut and shuffled


def read_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a text file that is easy to cut: no faulty rows; of others an empty list."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("gb18030")
    separator = "\t" if "\t" in text.partition("\n")[0] else ","
    frame = pl.read_csv(io.BytesIO(text.encode()), separator=separator, infer_schema=False, truncate_ragged_lines=True)
    return frame.columns, [list(row) for row in frame.rows()]


def rewrite(landing: Path, seed: int, cut: Iterable[int] = (1,)) -> None:
    """Shuffles the rows of all text files and writes them in so many files each.

    Rows of one key keep their order: the later one is the one in force.
    """
    rng = random.Random(seed)  # noqa: S311
    pieces = list(cut)
    for path in sorted(landing.rglob("*.*")):
        if path.suffix not in {".csv", ".txt", ".gz"}:
            continue
        source = load_definitions()[path.parent.parent.name]
        columns, rows = read_rows(path)
        names = {alias: field.name for field in source.fields for alias in (field.name, *field.headers)}
        key = [place for place, column in enumerate(columns) if names.get(column.strip("\ufeff")) in source.key]
        groups: dict[tuple[str | None, ...], list[list[str]]] = {}
        for row in rows:
            groups.setdefault(tuple(row[place] for place in key), []).append(row)
        repeated = [row for group in groups.values() if len(group) > 1 for row in group]
        single = [group[0] for group in groups.values() if len(group) == 1]
        rng.shuffle(single)
        ordered = single + repeated  # repeated ones stay in their order
        path.unlink()
        parts = rng.choice(pieces)
        size = -(-len(ordered) // parts) or 1
        stem = path.name.split(".")[0]
        for number in range(parts):
            frame = pl.DataFrame(
                ordered[number * size : (number + 1) * size], schema=dict.fromkeys(columns, pl.String), orient="row"
            )
            frame.write_csv(path.parent / f"{stem}-{number:02d}.csv")


@FEW
@given(seed=seeds)
def test_order_and_cut_of_files_do_not_matter(
    world: Worlds, tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    """One file of a delivery or several in any order of rows: the same tables, seen from either side."""
    place = tmp_path_factory.mktemp("cut")
    whole = copied(world(400, seed), place / "whole")
    rewrite(whole, 0)
    with built(whole, place / "a", AS_OF) as night:
        before = published(night)
    cut = copied(whole, place / "cut")
    rewrite(cut, seed, (2, 3, 5))
    with built(cut, place / "b", AS_OF) as night:
        assert differences(before, published(night)) == []
    assert before["person"].height > 400


@FEW
@given(seed=seeds)
def test_same_inputs_same_bytes_whatever_the_threads(
    world: Worlds, tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    place = tmp_path_factory.mktemp("bytes")
    sums = []
    for threads in (1, 2):
        with built(world(400, seed), place / str(threads), AS_OF, threads=threads) as night:
            folder = place / f"out{threads}"
            folder.mkdir()
            sums.append(
                {
                    step.name: night.warehouse.write_table(
                        step.name, folder / f"{step.name}.parquet", step.order_by
                    ).sha256
                    for step in load_steps()
                    if step.published
                }
            )
    assert {name for name in sums[0] if sums[0][name] != sums[1][name]} == set()
