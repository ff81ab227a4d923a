"""Numbers with right check digits that cannot belong to anybody.

- Certificate numbers (GB 11643) use area codes 500191-500199 and 500291-500299. GB/T 2260 has given Chongqing
  500101-500120, 500151-500156 (districts), 500221-500243 (counties) and 500381-500384 (cities, until 2006);
  none of the eighteen codes used here was ever assigned in any edition, so no real number begins with one. In a large
  city more people are born on one day than they have numbers for: those beyond have codes of 500301-500399 and
  500401-500499 that were never assigned either.
- Telephones begin with 100: mobile numbers begin with 13 to 19, and no service has eleven digits that way.
- Unified social credit codes (GB 32100) carry the region 500199, which no registration authority has.
- Birth certificates begin with Z9; provinces use other letters.
"""

import numpy as np
import polars as pl

AREAS = np.array([*range(500191, 500200), *range(500291, 500300)], dtype=np.int64)
# 996 to 999 were for those born before 1900 in 15-digit numbers: never used here.
_SEQUENCES = 497
PER_DAY_AND_SEX = _SEQUENCES * len(AREAS)
MORE_AREAS = np.array([*range(500301, 500381), *range(500385, 500400), *range(500401, 500500)], dtype=np.int64)
_STRIDE = 5077
"""A prime that divides neither number of slots: it spreads the numbers over areas and sequences."""
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS = "10X98765432"
_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
_ORG_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
USCC_REGION = "500199"


def yyyymmdd(days: np.ndarray) -> np.ndarray:
    """Days since 1970-01-01 as the number YYYYMMDD."""
    day = days.astype("datetime64[D]")
    month = day.astype("datetime64[M]")
    year = month.astype("datetime64[Y]")
    return (
        (year.astype(np.int64) + 1970) * 10000
        + ((month - year).astype(np.int64) + 1) * 100
        + (day - month).astype(np.int64)
        + 1
    )


def body17(birth: np.ndarray, sex: np.ndarray, block: int, blocks: int) -> np.ndarray:
    """The first 17 digits of certificate numbers, all different, also between blocks.

    Each (birth date, sex) has 18 areas times 497 sequence numbers; every block owns an equal share of them, so that
    blocks need not know of each other. Who is beyond the share has a number of the further areas.

    Args:
        birth: Birth dates, days since 1970-01-01.
        sex: 1 male, 2 female (GB 11643: the 17th digit is odd for men).
        block: Number of the block, from 0.
        blocks: Number of blocks of the whole run.

    Returns:
        Integers of 17 digits.

    Raises:
        ValueError: More people of one sex born on one day than there are numbers.
    """
    share = PER_DAY_AND_SEX // blocks
    more = _SEQUENCES * len(MORE_AREAS) // blocks
    group = birth.astype(np.int64) * 2 + (sex == 2)
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    lengths = np.diff(np.r_[starts, len(ordered)])
    if len(lengths) and lengths.max() > share + more:
        raise ValueError(f"more than {share + more} people of one sex born on one day in one block")
    rank = np.empty(len(birth), dtype=np.int64)
    rank[order] = np.arange(len(ordered)) - np.repeat(starts, lengths)
    beyond = rank >= share
    slot = np.where(beyond, block * more + rank - share, block * share + rank)
    slots = np.where(beyond, _SEQUENCES * len(MORE_AREAS), PER_DAY_AND_SEX)
    slot = (slot * _STRIDE + birth.astype(np.int64) * 1009) % slots
    areas = np.where(beyond, len(MORE_AREAS), len(AREAS))
    area = np.where(beyond, MORE_AREAS[slot % len(MORE_AREAS)], AREAS[slot % len(AREAS)])
    sequence = (slot // areas) * 2 + np.where(sex == 2, 2, 1)
    return area * 10**11 + yyyymmdd(birth) * 1000 + sequence


def check_value(body: np.ndarray) -> np.ndarray:
    """Position 0..10 of the check character in "10X98765432" for 17-digit bodies (GB 11643)."""
    rest = body.copy()
    total = np.zeros(len(body), dtype=np.int64)
    for weight in reversed(_WEIGHTS):
        total += (rest % 10) * weight
        rest //= 10
    return total % 11


def certno(body: np.ndarray, wrong: np.ndarray | None = None) -> pl.Series:
    """Certificate numbers of 18 characters as text; where `wrong` is true the check character is another one."""
    value = check_value(body)
    if wrong is not None:
        value = np.where(wrong, (value + 4) % 11, value)
    checks = pl.Series(list(_CHECKS)).gather(value.astype(np.uint32))
    return pl.select(pl.concat_str(pl.Series(body).cast(pl.String), checks)).to_series()


def as_15_digits(number: pl.Series) -> pl.Series:
    """The old form of numbers of people born in 19xx: without the century and without the check character."""
    return pl.select(pl.concat_str(number.str.slice(0, 6), number.str.slice(8, 9))).to_series()


def telephone(rng: np.random.Generator, n: int) -> pl.Series:
    """Eleven digits that begin with 100, which no operator uses."""
    return pl.Series(10_000_000_000 + rng.integers(0, 10**8, n)).cast(pl.String)


def birth_certificate(serial: np.ndarray) -> pl.Series:
    """One letter and nine digits."""
    return pl.select(pl.concat_str(pl.lit("Z9"), pl.Series(serial).cast(pl.String).str.zfill(8))).to_series()


def uscc(serial: np.ndarray) -> pl.Series:
    """Unified social credit codes with right check characters, one per serial number (GB 32100, GB 11714)."""
    alphabet = np.array([_USCC_ALPHABET.index(c) for c in "ABCDEFGH"], dtype=np.int64)
    rest = serial.astype(np.int64).copy()
    values = np.zeros((len(serial), 17), dtype=np.int64)
    for place, char in enumerate("91" + USCC_REGION):
        values[:, place] = _USCC_ALPHABET.index(char)
    values[:, 8], values[:, 9] = alphabet[rest % 8], alphabet[(rest // 8) % 8]
    rest //= 64
    for place in range(15, 9, -1):
        values[:, place] = rest % 10
        rest //= 10
    # GB 11714 counts letters as A=10 without gaps; A..H stand at the same place in both alphabets.
    organisation = 11 - (values[:, 8:16] * np.array(_ORG_WEIGHTS)).sum(axis=1) % 11
    values[:, 16] = np.where(
        organisation == 10, _USCC_ALPHABET.index("X"), np.where(organisation == 11, 0, organisation)
    )
    check = (31 - (values * np.array(_USCC_WEIGHTS)).sum(axis=1) % 31) % 31
    characters = np.array(list(_USCC_ALPHABET))
    whole = np.concatenate([characters[values], characters[check][:, None]], axis=1)
    return pl.Series(["".join(row) for row in whole.tolist()])
