"""The suites on small tables: what they find, what they could not compute, and that they tell no values."""

from pathlib import Path

import duckdb
import pytest

from canbao import audit

PARTS = ["insured_staff", "insured_resident", "insured_elsewhere", "attached_newborn"]
STATES = ["insured", "uninsured", "should_be_insured", *PARTS]


def test_the_built_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    workspace = Path("w")  # as `--home` may be: from the folder where the command was given
    con = duckdb.connect()
    con.execute(
        "CREATE TABLE person AS SELECT * FROM (VALUES ('a', '王某甲', 'staff', 'ok'),"
        " ('a', '王某乙', 'SECRET', 'bad_check'), ('b', NULL, NULL, 'ok'))"
        " t(person_id, psn_name, insured_status, cert_check)"
    )
    cells = [("500000000000", 1, m, 5 if m in {"insured", "should_be_insured"} else 0) for m in STATES]
    cells += [("500101000000", 2, m, 3 if m in {"insured", "should_be_insured"} else 0) for m in STATES]
    con.execute(
        "CREATE TABLE ledger (insu_year INT, as_of DATE, basis TEXT, level INT, division_code TEXT, measure TEXT,"
        " value BIGINT)"
    )
    con.executemany(
        "INSERT INTO ledger BY NAME SELECT 2026 AS insu_year, DATE '2026-03-31' AS as_of, 'household' AS basis,"
        " ? AS division_code, ? AS level, ? AS measure, ? AS value",
        cells,
    )
    con.execute("CREATE TABLE coverage AS SELECT 'a' AS person_id")  # without most of its key
    con.execute(
        "CREATE TABLE division_now AS SELECT * FROM (VALUES ('500000000000', 1, '500000000000', NULL::VARCHAR, NULL::VARCHAR),"
        " ('500101000000', 2, '500000000000', '500101000000', NULL::VARCHAR)) t(division_code, level, l1, l2, l3)"
    )
    checks = {check.check_id: check for check in audit.run_suite(con, "built", audit.load_suite("built"), workspace)}
    found = {name: (check.state, check.numerator) for name, check in checks.items()}
    assert found["unique.person"] == ("failed", 1)
    assert found["status.known"] == ("failed", 1)
    assert found["status.present"] == ("failed", 1)
    assert found["person.id_present"] == ("passed", 0)
    assert found["identity.should_be_insured"] == ("passed", 0)
    assert found["identity.insured"] == ("failed", 2)
    assert found["identity.children"] == (
        "failed",
        4,
    )  # two measures; the district has neither townships nor a 未落地 row below it
    assert found["unique.uninsured"] == found["unique.coverage"] == ("not_computed", None)
    assert not [name for (name,) in con.execute("SHOW TABLES").fetchall() if name.startswith("suspicious")]
    assert checks["unique.uninsured"].blocks
    assert "person.name_present" not in checks  # a measure (canbao.quality.catalogue): it never blocks by itself

    docs = tmp_path / "quality" / "data_docs"
    audit.write_data_docs(workspace, docs)
    pages = [path.read_text() for path in docs.parent.rglob("*.html")]
    assert len(pages) > 3
    assert not any("SECRET" in page or "王某" in page for page in pages)
    assert not any('src="http' in page for page in pages)
    records = [path.read_text() for path in (tmp_path / "w").rglob("*.json")]
    assert not any("SECRET" in record or "王某" in record for record in records)
