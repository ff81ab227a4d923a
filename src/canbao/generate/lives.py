"""People: families, births, homes, moves. What insurance they have is told in `insurance.py`.

A block is a set of whole households. Everything about a person is an array over the block's people; the people who are
registered in the city come first, household by household, those from outside after them.
"""

from dataclasses import dataclass, field

import numpy as np

from canbao.generate import names
from canbao.generate.world import NA, OUTSIDE, World, days, year_of

# Templates of households: (share, members). m/w: couple, c: child, g/h: grandfather, grandmother, s: single adult.
_TEMPLATES = (
    (0.17, "mw"),
    (0.25, "mwc"),
    (0.16, "mwcc"),
    (0.03, "mwccc"),
    (0.08, "mwch"),
    (0.07, "mwcgh"),
    (0.04, "mwccgh"),
    (0.11, "gh"),
    (0.05, "h"),
    (0.04, "s"),
)
GROUPS = ("newborn", "window_born", "last_year_born", "child", "youth", "adult", "elder")
NEWBORN, WINDOW_BORN, LAST_YEAR_BORN, CHILD, YOUTH, ADULT, ELDER = range(7)
NUMBER_AT_BIRTH, NUMBER_LATER, NO_NUMBER_YET = 0, 1, 2


@dataclass
class People:
    """The people of one block, as arrays of the same length."""

    n: int
    registered: int
    """The first so many are registered in the city."""
    birth: np.ndarray
    sex: np.ndarray
    household: np.ndarray
    father: np.ndarray
    mother: np.ndarray
    has_baby: np.ndarray
    """Parents of a child born since January of the year before the insured year."""
    resd_code: np.ndarray
    """12 digits; 0 blank."""
    live_code: np.ndarray
    place: np.ndarray
    """County (six digits) of the registered home; of the home in the city for those from outside."""
    group: np.ndarray
    number_state: np.ndarray
    surname: np.ndarray
    first: np.ndarray
    second: np.ndarray
    name_style: np.ndarray
    naty: np.ndarray
    # Told by the lives in insurance.py:
    in_population: np.ndarray = field(init=False)
    in_birth: np.ndarray = field(init=False)
    resd_status: np.ndarray = field(init=False)
    status_date: np.ndarray = field(init=False)
    permit: np.ndarray = field(init=False)
    kind: np.ndarray = field(init=False)
    old_number: np.ndarray = field(init=False)
    fifteen: np.ndarray = field(init=False)
    wrong_check: np.ndarray = field(init=False)
    birth_number_insured: np.ndarray = field(init=False)
    other_name: np.ndarray = field(init=False)
    """The insurance files have another name than the police."""

    def __post_init__(self) -> None:
        n = self.n
        self.in_population = np.ones(n, dtype=np.bool_)
        self.in_birth = np.zeros(n, dtype=np.bool_)
        self.resd_status = np.ones(n, dtype=np.int8)
        self.status_date = np.full(n, NA, dtype=np.int64)
        self.permit = np.zeros(n, dtype=np.int8)
        self.kind = np.full(n, -1, dtype=np.int16)
        self.old_number = np.zeros(n, dtype=np.bool_)
        self.fifteen = np.zeros(n, dtype=np.bool_)
        self.wrong_check = np.zeros(n, dtype=np.bool_)
        self.birth_number_insured = np.zeros(n, dtype=np.bool_)
        self.other_name = np.zeros(n, dtype=np.bool_)


def _households(rng: np.random.Generator, target: int) -> tuple[np.ndarray, np.ndarray]:
    """Household of each member and the member's role letter; just as many people as asked for."""
    shares = np.array([s for s, _ in _TEMPLATES])
    sizes = np.array([len(t) for _, t in _TEMPLATES])
    count = int(target / (shares @ sizes / shares.sum()) * 1.02) + 5
    template = rng.choice(len(_TEMPLATES), count, p=shares / shares.sum())
    size = sizes[template]
    cut = int(np.searchsorted(np.cumsum(size), target)) + 1
    template, size = template[:cut], size[:cut]
    household = np.repeat(np.arange(len(template)), size)
    position = np.arange(len(household)) - np.repeat(np.cumsum(size) - size, size)
    letters = np.array([list(t.ljust(6, "-")) for _, t in _TEMPLATES])
    return household, letters[template[household], position]


def people(world: World, rng: np.random.Generator, registered: int, outsiders: int) -> People:
    """Families with plausible ages, their homes, and people from outside who live in the city.

    Args:
        world: The stage.
        rng: The block's random numbers.
        registered: About how many people are registered in the city (whole households).
        outsiders: How many people without local registration there are.

    Returns:
        The block's people; kinds of lives are not yet chosen.
    """
    household, role = _households(rng, registered)
    n, count = len(household), int(household[-1]) + 1
    is_child = role == "c"
    # The youngest child's age decides its mother's, so that nobody is a mother at twelve or at sixty.
    child_age = rng.integers(0, 22 * 365, n)
    household_children = np.bincount(household[is_child], minlength=count)
    youngest = np.full(count, 10**6)
    np.minimum.at(youngest, household[is_child], child_age[is_child])
    oldest = np.full(count, -1)
    np.maximum.at(oldest, household[is_child], child_age[is_child])
    mother_age = np.where(
        household_children > 0,
        np.maximum(oldest + rng.integers(20 * 365, 30 * 365, count), youngest + 20 * 365),
        rng.integers(22 * 365, 62 * 365, count),
    )
    father_age = np.maximum(mother_age + rng.integers(-3 * 365, 6 * 365, count), 21 * 365)
    with_couple = np.zeros(count, dtype=np.bool_)
    with_couple[household[role == "m"]] = True
    elder_age = np.where(
        with_couple, father_age + rng.integers(21 * 365, 32 * 365, count), rng.integers(61 * 365, 93 * 365, count)
    )
    elder_age = np.minimum(elder_age, 103 * 365)
    age = np.select(
        [role == "m", role == "w", is_child, role == "g", role == "h"],
        [father_age[household], mother_age[household], child_age, elder_age[household],
         np.maximum(elder_age[household] - rng.integers(-2 * 365, 5 * 365, n), 45 * 365)],
        rng.integers(19 * 365, 75 * 365, n),
    )  # fmt: skip
    sex = np.select(
        [(role == "m") | (role == "g"), (role == "w") | (role == "h")], [1, 2], np.where(rng.random(n) < 0.52, 1, 2)
    )
    index = np.arange(n)
    father_of = np.full(count, -1)
    father_of[household[role == "m"]] = index[role == "m"]
    mother_of = np.full(count, -1)
    mother_of[household[role == "w"]] = index[role == "w"]
    father = np.where(is_child, father_of[household], -1)
    mother = np.where(is_child, mother_of[household], -1)

    village = world.villages[
        np.minimum(np.searchsorted(world.village_cumulative, rng.random(count)), len(world.villages) - 1)
    ]
    resd = village[household]
    place = resd // 10**6
    live = _live_codes(world, rng, resd, household, is_child)

    surname_of = names.draw_surnames(rng, count)
    surname = np.where(is_child | (role == "m") | (role == "g"), surname_of[household], names.draw_surnames(rng, n))

    # People from outside: single adults, some young, some with a child of their own kind of life.
    m = outsiders
    out_age = np.where(rng.random(m) < 0.35, rng.integers(17 * 365, 24 * 365, m), rng.integers(24 * 365, 58 * 365, m))
    out_home = OUTSIDE[rng.integers(0, len(OUTSIDE), m)]
    out_live = world.villages[
        np.minimum(np.searchsorted(world.village_cumulative, rng.random(m)), len(world.villages) - 1)
    ]
    total = n + m
    birth = world.day - np.concatenate([age, out_age]).astype(np.int64)
    group = _group(world, birth)
    baby = group <= LAST_YEAR_BORN
    has_baby = np.zeros(total, dtype=np.bool_)
    for parent in (father, mother):
        has_baby[parent[baby[:n] & (parent >= 0)]] = True
    return People(
        n=total,
        registered=n,
        birth=birth,
        sex=np.concatenate([sex, rng.integers(1, 3, m)]),
        household=np.concatenate([household, count + np.arange(m)]),
        father=np.concatenate([father, np.full(m, -1)]),
        mother=np.concatenate([mother, np.full(m, -1)]),
        has_baby=has_baby,
        resd_code=np.concatenate([resd, out_home * 10**6]),
        live_code=np.concatenate([live, out_live]),
        place=np.concatenate([place, out_live // 10**6]),
        group=group,
        number_state=np.where(baby, rng.choice(3, total, p=[0.5, 0.3, 0.2]), NUMBER_AT_BIRTH),
        surname=np.concatenate([surname, names.draw_surnames(rng, m)]),
        first=rng.integers(0, names.N_GIVEN, total),
        second=np.where(rng.random(total) < 0.25, -1, rng.integers(0, names.N_GIVEN, total)),
        name_style=rng.choice(3, total, p=[0.992, 0.003, 0.005]),
        naty=np.where(rng.random(total) < 0.93, 1, np.where(rng.random(total) < 0.7, 15, 6)),
    )


def _live_codes(
    world: World,
    rng: np.random.Generator,
    resd: np.ndarray,
    household: np.ndarray,
    child: np.ndarray,
) -> np.ndarray:
    """Where people live: mostly at home; households move together, some adults move alone."""
    count = int(household[-1]) + 1
    place = resd // 10**6
    move = np.where(rng.random(count) < 0.14, rng.choice(4, count, p=[0.45, 0.35, 0.14, 0.06]) + 1, 0)[household]
    alone = ~child & (rng.random(len(resd)) < 0.07)
    move = np.where(alone & (move == 0), rng.choice([1, 2, 3, 4], len(resd), p=[0.2, 0.5, 0.25, 0.05]), move)
    same_county = world.village_in(rng, place)
    other = world.village_in(rng, world.other_place(rng, place))
    outside = OUTSIDE[rng.integers(0, len(OUTSIDE), len(resd))] * 10**6
    # Families that move together live together.
    first = np.searchsorted(household, np.arange(count))
    together = ~alone
    same_county = np.where(together, same_county[first][household], same_county)
    other = np.where(together, other[first][household], other)
    outside = np.where(together, outside[first][household], outside)
    return np.select([move == 1, move == 2, move == 3, move == 4], [same_county, other, outside, 0], resd)


def _group(world: World, birth: np.ndarray) -> np.ndarray:
    """Age groups for which different lives are likely."""
    y = world.year
    age = y - year_of(birth)
    return np.select(
        [birth >= days(y, 1, 1), birth >= days(y - 1, 11, 1), birth >= days(y - 1, 1, 1), age < 16, age < 25, age < 60],
        [NEWBORN, WINDOW_BORN, LAST_YEAR_BORN, CHILD, YOUTH, ADULT],
        ELDER,
    )
