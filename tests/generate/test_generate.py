import hashlib
import json
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from canbao.errors import UserError
from canbao.generate import generate, insurance, lives, samples, sources
from canbao.generate.world import World, year_of
from canbao.paths import package_dir

SOURCES = set(sources.FIELDS)
STATUSES = {
    "staff", "resident", "elsewhere", "attached_newborn", "uninsured", "excluded_death", "excluded_cancelled",
    "excluded_moved", "excluded_abroad", "excluded_military", "excluded_custody", "out_of_scope",
}  # fmt: skip


def test_an_old_snapshot_says_what_was_known_then(made: Path) -> None:
    old, new = sorted((made / "landing/custody").iterdir())
    frames = [pl.read_excel(next(day.iterdir()), infer_schema_length=0) for day in (old, new)]
    assert frames[0]["结束日期"].null_count() > frames[1]["结束日期"].null_count()
    dirt = pl.read_parquet(made / "truth/dirt.parquet")
    assert dirt.filter((pl.col("delivery") == old.name) & pl.col("error_code").is_not_null()).is_empty()


def test_manifests_match(made: Path) -> None:
    manifests = sorted((made / "landing").rglob("manifest.json"))
    assert {path.parent.parent.name for path in manifests} == {"division", "aid_recipient"}
    for path in manifests:
        manifest = json.loads(path.read_text())
        assert manifest["sha256"] == {k: v for k, v in digests(path.parent).items() if k != "manifest.json"}
    assert json.loads(manifests[-1].read_text())["rows"] == 12_340


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def read_clean(out: Path, source: str) -> pl.DataFrame:
    files = sorted((out / "landing" / source).rglob("*.*"))
    return pl.concat(
        [pl.read_parquet(f) if f.suffix == ".parquet" else pl.read_csv(f, infer_schema=False) for f in files]
    )


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        generate(tmp_path / name, 1500, seed)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert digests(tmp_path / "a") != digests(tmp_path / "c")


def test_blocks_do_not_share_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("canbao.generate.BLOCK", 1000)
    generate(tmp_path / "x", 3000, 5, dirt=0)
    population = read_clean(tmp_path / "x", "population")
    assert population["certno"].n_unique() == population.height
    assert len(list((tmp_path / "x/landing/population").rglob("*.csv"))) == 3
    enrollment = read_clean(tmp_path / "x", "enrollment")
    assert enrollment["psn_insu_rlts_id"].n_unique() == enrollment.height
    assert abs(population.height / 3000 - 1) < 0.06


def test_every_source_with_its_fields(clean: Path) -> None:
    assert {path.name for path in (clean / "landing").iterdir()} == SOURCES
    for source in SOURCES:
        assert read_clean(clean, source).columns == [name for name, _ in sources.FIELDS[source]]
    assert len(SOURCES) == 18


def test_no_fact_after_the_as_of_date(clean: Path) -> None:
    today = "2025-12-20"
    for source, column in (
        ("tax_payment", "paid_date"),
        ("enrollment", "begn_date"),
        ("population", "brdy"),
        ("death", "death_date"),
        ("employment", "begn_date"),
        ("student", "enroll_date"),
        ("veteran", "discharge_date"),
    ):
        assert (read_clean(clean, source)[column].drop_nulls() <= today).all(), (source, column)
    deliveries = [path.name for path in (clean / "landing").glob("*/*")]
    assert max(deliveries) <= today


def test_keys_are_unique_where_there_is_no_dirt(clean: Path) -> None:
    keys = {
        "population": ["certno"], "enrollment": ["psn_insu_rlts_id"], "tax_payment": ["pay_id"], "death": ["certno"],
        "student": ["certno"], "employment": ["certno", "begn_date"], "enrollment_history": ["certno", "insu_year"],
        "aid_recipient": ["certno", "begn_date"], "annual_claim": ["certno", "year"], "enterprise": ["uscc"],
    }  # fmt: skip
    for source, key in keys.items():
        frame = read_clean(clean, source)
        assert not frame.select(key).is_duplicated().any(), source


def test_counties_confine_the_registered_homes(clean: Path) -> None:
    home = read_clean(clean, "population")["resd_code"].str.slice(0, 6)
    assert set(home.filter(home.str.starts_with("50"))) == {"500101", "500112"}


def test_each_status_and_each_life_occurs(made: Path) -> None:
    person = pl.read_parquet(made / "truth/person.parquet")
    assert set(person["status"]) == STATUSES
    assert set(person["uninsured_reason"].drop_nulls()) == {"never", "lapsed", "stopped", "unpaid"}
    assert set(person["life"]) == set(insurance.NAMES)
    assert person["first_number"].n_unique() == person.height
    assert person.filter((pl.col("status") == "uninsured") != pl.col("uninsured_reason").is_not_null()).is_empty()
    assert person.filter((pl.col("status") == "out_of_scope") & pl.col("in_scope")).is_empty()
    assert person.filter((pl.col("status") == "uninsured") & ~pl.col("in_scope")).is_empty()


def test_duplicates_are_consistent(made: Path) -> None:
    pairs = pl.read_parquet(made / "truth/duplicate.parquet")
    assert (pairs["rlts_a"] < pairs["rlts_b"]).all()
    assert set(pairs["rule_id"].drop_nulls()) == {f"RET-{n}" for n in (1, 2, 3, 4, 6, 7, 8, 9)}
    assert pairs.filter(pl.col("action").is_in(["choose", "review"]) & pl.col("keep_rlts").is_not_null()).is_empty()
    assert pairs.filter(pl.col("keep_rlts") == pl.col("drop_rlts")).is_empty()
    assert pairs.filter(pl.col("overlap_begn") > pl.col("overlap_end")).is_empty()
    known = set(pl.read_parquet(made / "truth/person.parquet")["first_number"])
    assert set(pairs["first_number"]) <= known


def test_the_window_warns_before_the_year(clean: Path) -> None:
    pairs = pl.read_parquet(clean / "truth/duplicate.parquet")
    assert set(pairs["state"]) == {"current", "prospective"}
    ahead = pairs.filter(pl.col("state") == "prospective")
    assert (ahead["overlap_begn"] == "202601").all()
    assert "yes" in set(ahead["refund"])


def test_entitlements_follow_the_waiting_rules(made: Path) -> None:
    entitled = pl.read_parquet(made / "truth/entitlement.parquet")
    lives_ = pl.read_parquet(made / "truth/person.parquet").select("first_number", "life")
    frame = entitled.join(lives_, on="first_number")
    waits = dict.fromkeys(("resident", "full_aid", "partial_aid", "newborn_member", "infant_member"), 0)
    waits |= {"resident_returned": 4, "resident_repaired": 3, "resident_first": 0, "resident_late": 3}
    for life, months in waits.items():
        assert set(frame.filter(pl.col("life") == life)["waiting_months"]) == {months}, life
    assert (frame["benefit_end"] == date(2026, 12, 31)).all()
    waiting = frame.filter(pl.col("waiting_months") > 0)
    assert (waiting["wait_start"] < waiting["benefit_begn"]).all()
    assert frame.filter(pl.col("waiting_months") == 0)["wait_start"].null_count() == frame.height - waiting.height


def test_dirt_is_counted_and_rejected_rows_stay_few(made: Path) -> None:
    dirt = pl.read_parquet(made / "truth/dirt.parquet")
    rejected = dirt.filter(pl.col("error_code").is_not_null())
    assert set(rejected["error_code"]) == {
        "blank_required", "damaged_certno", "field_count", "total_row", "unreadable_required",
    }  # fmt: skip
    forms = {kind for kind in dirt["kind"] if kind.startswith("file_")}
    assert forms == {"file_bom", "file_gb18030", "file_tab", "file_csv.gz", "file_xlsx", "file_parquet"}
    by_source = rejected.group_by("source").agg(pl.col("rows").sum())
    assert by_source.filter(pl.col("rows") > 200).is_empty()
    file = next((made / "landing/enrollment").rglob("*.csv"))
    with pytest.raises(UnicodeDecodeError):
        file.read_bytes().decode("utf-8")
    assert file.read_bytes().decode("gb18030").splitlines()[-1].startswith("合计")


def test_families_are_plausible() -> None:
    world = World(3, 20_000, date(2026, 3, 31))
    rng = np.random.default_rng(3)
    people = lives.people(world, rng, 20_000, 600)
    child = np.flatnonzero(people.mother >= 0)
    age = (people.birth[child] - people.birth[people.mother[child]]) / 365.25
    assert age.min() > 17
    assert age.max() < 53
    fathers = (people.birth[child] - people.birth[people.father[child]]) / 365.25
    assert fathers.min() > 16
    assert (people.sex[people.mother[child]] == 2).all()
    assert (people.household[people.mother[child]] == people.household[child]).all()
    assert (people.resd_code[people.mother[child]] == people.resd_code[child]).all()
    assert year_of(people.birth).min() > 1900
    assert people.birth.max() <= world.day
    sizes = np.bincount(people.household[: people.registered])
    assert 2.3 < sizes.mean() < 3.6


def test_nobody_works_before_eighteen(made: Path) -> None:
    person = pl.read_parquet(made / "truth/person.parquet").filter(
        pl.col("life").is_in(["staff", "flexible", "two_jobs"])
    )
    born = person["first_number"].str.slice(6, 4).cast(pl.Int32)
    assert born.max() <= 2005


def test_wrong_use(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("x")
    with pytest.raises(UserError):
        generate(tmp_path, 100, 1)
    with pytest.raises(UserError):
        generate(tmp_path / "new", 0, 1)
    with pytest.raises(UserError):
        generate(tmp_path / "new", 100, 1, counties=["500999"])


@pytest.mark.parametrize("persons", [1, 40])
def test_few_people(tmp_path: Path, persons: int) -> None:
    generate(tmp_path / "few", persons, 1)
    assert pl.read_parquet(tmp_path / "few/truth/person.parquet").height >= persons


def test_the_samples_are_what_make_samples_makes(tmp_path: Path) -> None:
    folder = tmp_path / "data_samples"
    folder.mkdir()
    samples.main(folder)
    kept = package_dir("x").parents[2] / "data_samples"
    assert digests(folder / "landing") == digests(kept / "landing")
    everything = [path for path in kept.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in everything) < 4_000_000
    assert {path.suffix for path in everything} >= {".csv", ".txt", ".gz", ".xlsx", ".parquet"}
