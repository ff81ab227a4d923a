"""The bits of `counted` are the measures of `code_measure_bit`: one definition for the cells and for the lists behind them."""

import csv
import re

from canbao.paths import package_dir, sql_dir


def test_the_step_and_the_code_table_name_the_same_bits():
    text = (sql_dir() / "6_ledger" / "ledger_person.sql").read_text("utf-8")
    in_step = {measure: int(bit) for bit, measure in re.findall(r"flag\(.*, (\d+)\)\s+-- (\w+)", text)}
    with (package_dir("codes") / "measure_bit.csv").open(encoding="utf-8") as file:
        in_table = {row["measure"]: int(row["bit"]) for row in csv.DictReader(file) if row["bit"]}
    assert in_step == in_table
    assert sorted(in_step.values()) == list(range(len(in_step)))
    assert len(in_step) < 63
