import numpy as np
import polars as pl
import pytest
from stdnum.cn import ric, uscc
from stdnum.exceptions import InvalidComponent

from canbao.generate import numbers
from canbao.generate.world import days


def some(n: int = 5000, block: int = 0, blocks: int = 1) -> pl.Series:
    rng = np.random.default_rng(3)
    birth = rng.integers(days(1930, 1, 1), days(2025, 12, 31), n)
    return numbers.certno(numbers.body17(birth, rng.integers(1, 3, n), block, blocks))


def test_check_digits_are_right() -> None:
    for number in some(500):
        assert ric.calc_check_digit(number) == number[-1]
    assert numbers.certno(np.array([11010519491231002])).to_list() == ["11010519491231002X"]


def test_numbers_cannot_belong_to_anybody() -> None:
    for number in some(300):
        with pytest.raises((InvalidComponent, KeyError)):  # a province, but no county of any year
            ric.get_birth_place(number)
    assert not set(some().str.slice(0, 6)) - {str(area) for area in numbers.AREAS}


def test_numbers_differ_within_and_between_blocks() -> None:
    both = [some(20_000, block, 130) for block in (0, 129)]
    assert pl.concat(both).n_unique() == 40_000


def test_numbers_differ_where_more_are_born_on_a_day_than_the_first_areas_have_numbers_for() -> None:
    born, sex = np.full(600, days(2005, 4, 5)), np.array([1, 2] * 300)
    blocks = [numbers.certno(numbers.body17(born, sex, block, 136)) for block in (0, 1, 135)]
    assert pl.concat(blocks).n_unique() == 1800
    areas = pl.concat(blocks).str.slice(0, 6).cast(pl.Int64)
    beyond = areas.filter(areas.is_in(numbers.MORE_AREAS.tolist()))
    assert len(beyond) == 3 * (600 - 2 * (numbers.PER_DAY_AND_SEX // 136))
    for number in blocks[2]:
        with pytest.raises((InvalidComponent, KeyError)):
            ric.get_birth_place(number)
        assert int(number[14:17]) <= 995


def test_sex_and_birth_stand_in_the_number() -> None:
    birth = np.array([days(1990, 2, 28), days(2024, 2, 29)])
    man, woman = numbers.certno(numbers.body17(birth, np.array([1, 2]), 0, 1))
    assert (man[6:14], int(man[16]) % 2) == ("19900228", 1)
    assert (woman[6:14], int(woman[16]) % 2) == ("20240229", 0)


def test_15_digits_come_back_as_18() -> None:
    number = numbers.certno(numbers.body17(np.array([days(1950, 5, 6)]), np.array([1]), 0, 1))
    short = numbers.as_15_digits(number)[0]
    assert len(short) == 15
    assert short[:6] + "19" + short[6:] == number[0][:17]


def test_credit_codes_are_right_and_of_no_region() -> None:
    codes = numbers.uscc(np.arange(400) * 7 + 11)
    assert codes.n_unique() == 400
    for code in codes:
        assert uscc.calc_check_digit(code[:-1]) == code[-1]
        assert code[2:8] == "500199"


def test_nobody_wins_more_places_than_a_day_has() -> None:
    with pytest.raises(ValueError, match="one day"):
        numbers.body17(np.zeros(9000, dtype=np.int64), np.ones(9000, dtype=np.int64), 0, 136)
