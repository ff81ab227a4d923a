"""The growth of nights: the line through what was measured. Needs no Spark."""

import pytest
from bench.spark_growth import growth, straight_line, table


def run(persons: int, seconds: float) -> dict[str, object]:
    counted = ("rows", "java_cpu", "python_cpu", "java_peak_mb", "python_peak_mb")
    sizes = ("written_bytes", "warehouse_bytes", "published_bytes")
    return {
        "engine": "spark", "persons": persons, "seconds": seconds,
        **dict.fromkeys(counted, 1.0), **dict.fromkeys(sizes, 1 << 20),
    }  # fmt: skip


def test_a_line_goes_through_what_lies_on_one() -> None:
    assert straight_line([(1, 5), (2, 7), (4, 11)]) == pytest.approx((3, 2))


def test_the_line_leads_to_larger_populations() -> None:
    runs = [run(50_000, 110.0), run(200_000, 140.0), run(400_000, 180.0)]
    assert len({len(line) for line in table(runs)}) == 1
    (wall,) = [line for line in growth(runs, larger=[1_000_000]) if "wall s" in line]
    assert wall.split() == ["wall", "s", "100.0", "200.0", "0%", "300"]


def test_one_run_shows_no_growth() -> None:
    assert growth([run(50_000, 110.0)]) == []
