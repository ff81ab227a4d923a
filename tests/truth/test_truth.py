"""What the made-up lives imply against what the pipeline says of them (contract section 5)."""

import polars as pl

from canbao.build import load_steps
from tests.truth.conftest import Compared, differing

STATUSES = {
    "staff", "resident", "elsewhere", "attached_newborn", "uninsured", "excluded_death", "excluded_cancelled",
    "excluded_moved", "excluded_abroad", "excluded_military", "excluded_custody", "out_of_scope",
}  # fmt: skip
PERSON = """
SELECT i.first_number, i.certno, p.insured_status AS status, p.uninsured_reason
FROM numbered_person AS i INNER JOIN person AS p USING (person_id)
"""
OF_PERSON = "INNER JOIN numbered_person AS i USING (person_id)"


def test_no_column_stands_twice(compared: Compared) -> None:
    # DuckDB would call the second one `name_1`; Spark refuses to read either
    tables = {step.name: compared.night.warehouse.columns(step.name) for step in load_steps() if not step.judges}
    twice = {
        f"{table}.{name}"
        for table, names in tables.items()
        for name in names
        if name[-2:] == "_1" and name[:-2] in names
    }
    assert not twice


def test_nobody_is_lost_or_invented(compared: Compared) -> None:
    built = compared.built(PERSON)
    assert built["first_number"].n_unique() == built.height
    lost = compared.people.join(built, on="first_number", how="anti")
    extra = built.join(compared.people, on="first_number", how="anti")
    compared.none(lost, "status")
    compared.none(extra, "status")


def test_status_and_reason_of_everybody(compared: Compared) -> None:
    both = compared.people.join(compared.built(PERSON), on="first_number", suffix="_built")
    wrong = differing(both, ["status", "uninsured_reason"])
    compared.none(wrong, "differs")


def test_every_status_and_reason_occurs(compared: Compared) -> None:
    """Else the test above proves little."""
    # Nobody is born in an insured year that has not begun.
    not_yet = set() if compared.year_has_begun else {"attached_newborn"}
    assert set(compared.people["status"]) == STATUSES - not_yet
    reasons = set(compared.people["uninsured_reason"].drop_nulls())
    assert reasons == {"never", "lapsed", "stopped", "unpaid"}


def test_the_number_in_force(compared: Compared) -> None:
    both = compared.people.join(compared.built(PERSON), on="first_number")
    # Of a child without a number of its own the number in force is none, or the birth certificate's where it enrolled.
    known = pl.col("true_certno").is_null() & (pl.col("certno") == pl.col("first_number"))
    wrong = both.filter(~pl.col("true_certno").eq_missing(pl.col("certno")) & ~known.fill_null(False))
    compared.none(wrong, "status")


DUPLICATE = f"""
SELECT i.first_number, d.rlts_a, d.rlts_b, d.kind, d.state, d.overlap_begn, d.overlap_end, d.overlap_months,
    d.keep_rlts, d.drop_rlts, d.action, d.rule_id, d.refund, d.staff_months, d.needs_review
FROM duplicate_enrollment AS d {OF_PERSON}
"""
PAIR = ["first_number", "rlts_a", "rlts_b"]


def test_duplicates(compared: Compared) -> None:
    truth, built = compared.truth("duplicate"), compared.built(DUPLICATE)
    lost, extra = truth.join(built, on=PAIR, how="anti"), built.join(truth, on=PAIR, how="anti")
    compared.none(lost, "kind", "rule_id")
    compared.none(extra, "kind", "rule_id")
    both = truth.join(built, on=PAIR, suffix="_built")
    always = ["kind", "state", "overlap_begn", "overlap_end", "overlap_months", "keep_rlts", "drop_rlts"]
    wrong = differing(both, always)
    compared.none(wrong, "differs")
    # Two relations beside the one that is kept are not weighed against each other: the truth leaves their rule open.
    wrong = differing(both.filter(pl.col("action").is_not_null()), ["action", "rule_id"])
    compared.none(wrong, "differs")
    wrong = differing(both.filter(pl.col("refund").is_not_null()), ["refund"])
    compared.none(wrong, "differs")
    # The lives remember 40 months.
    crossed = both.filter(pl.col("kind") == "staff_resident").with_columns(pl.col("^staff_months.*$").clip(0, 40))
    wrong = differing(crossed, ["staff_months"])
    compared.none(wrong, "differs")
    others = both.filter(pl.col("action").is_null())
    assert not others["needs_review"].any()


def test_duplicates_of_every_kind_and_rule_occur(compared: Compared) -> None:
    truth = compared.truth("duplicate")
    assert set(truth["kind"]) == {"staff_staff", "resident_resident", "staff_resident"}
    rules = {"RET-1", "RET-2", "RET-3", "RET-4", "RET-6", "RET-7", "RET-8", "RET-9"}
    assert rules <= set(truth["rule_id"].drop_nulls())


def test_duplicate_payments(compared: Compared) -> None:
    truth = compared.truth("duplicate_payment")
    built = compared.built(f"SELECT i.first_number, d.* FROM duplicate_payment AS d {OF_PERSON}")
    key = ["first_number", "pay_id"]
    lost, extra = truth.join(built, on=key, how="anti"), built.join(truth, on=key, how="anti")
    compared.none(lost, "insu_year")
    compared.none(extra, "insu_year")
    both = truth.join(built, on=key, suffix="_built").with_columns(
        (pl.col("amount") * 100).cast(pl.Int64).alias("amount_fen_built")
    )
    wrong = differing(both, ["insu_year", "amount_fen"])
    compared.none(wrong, "differs")


ENTITLEMENT = [
    "continuous_years", "lapsed_years", "repaired_years", "waiting_months", "wait_start", "benefit_begn", "benefit_end",
    "paid_date", "in_window",
]  # fmt: skip


def test_entitlement(compared: Compared) -> None:
    """Lives about which the texts leave nothing open (`sure`)."""
    truth = compared.truth("entitlement").filter("sure")
    assert truth.height > 1000
    built = compared.built(f"SELECT i.first_number, e.* FROM entitlement AS e {OF_PERSON}")
    assert built["first_number"].n_unique() == built.height
    lost = truth.join(built, on="first_number", how="anti")
    compared.none(lost)
    wrong = differing(truth.join(built, on="first_number", suffix="_built"), ENTITLEMENT)
    compared.none(wrong, "differs")


def test_quarantine_holds_exactly_the_dirt_that_rejects(compared: Compared) -> None:
    files = compared.night.intake.files
    assert not compared.night.intake.refusals
    assert set(files["state"]) == {"accepted"}
    assert (files["rows_read"] == files["rows_accepted"] + files["rows_rejected"]).all()
    dirt = compared.truth("dirt").filter(pl.col("error_code").is_not_null())
    key = ["source", "delivery", "file", "error_code"]
    expected = dirt.group_by(key).agg(pl.col("rows").sum())
    names = files.select("file_no", "source", pl.col("delivery").cast(pl.String), "file")
    parts = [
        pl.read_parquet(path).group_by("error_code").len("rows").with_columns(pl.lit(number, pl.Int32).alias("file_no"))
        for number, path in compared.night.intake.quarantine_paths
    ]
    found = pl.concat(parts).join(names, on="file_no").select(*key, pl.col("rows").cast(pl.Int64))
    expected = expected.select(*key, pl.col("rows").cast(pl.Int64))
    # A snapshot delivery that a newer one supersedes is not read.
    expected = expected.join(names.select("source", "delivery").unique(), on=["source", "delivery"], how="semi")
    assert found.sort(key).rows() == expected.sort(key).rows()
    assert expected.height > 10
