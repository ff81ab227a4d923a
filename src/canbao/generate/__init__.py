"""Made-up people in real places: a landing area as departments deliver it, and the truth about everyone in it."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from canbao.errors import UserError
from canbao.generate import insurance, lives, sources, truth
from canbao.generate.world import World
from canbao.generate.writers import Writer

__all__ = ["BLOCK", "DEFAULT_AS_OF", "DEFAULT_DIRT", "generate"]

BLOCK = 250_000
"""Registered people per block; blocks are independent of each other, so memory does not grow with the city."""
DEFAULT_AS_OF = date(2026, 3, 31)
DEFAULT_DIRT = 0.008
OUTSIDERS = 0.03
"""People without local registration per registered person."""


def generate(
    out: Path,
    persons: int,
    seed: int,
    as_of: date = DEFAULT_AS_OF,
    *,
    dirt: float = DEFAULT_DIRT,
    counties: list[str] | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> None:
    """Write a landing area of made-up people, and the truth about them.

    Args:
        out: Folder in which `landing/<source>/<YYYY-MM-DD>/` and `truth/*.parquet` are made; must be empty or new.
        persons: Number of people registered in the city, about (whole households).
        seed: Same seed, same bytes.
        as_of: The date on which the lives are looked at; no fact is later, but for dirt that says so.
        dirt: Share of rows with one of the faults of real extracts (0 for none).
        counties: County codes (6 digits) to confine the registered homes to.
        on_progress: Called with a line of text after each block.

    Raises:
        UserError: The folder is not empty, or a number makes no sense.
    """
    if persons < 1:
        raise UserError("人数至少为 1")
    if persons > 60_000_000:
        raise UserError("人数最多 6000 万")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} 不是空目录，请换一个或先清空")
    world = World(seed, persons, as_of, counties)
    blocks = -(-persons // BLOCK)
    writer = Writer(out, world, dirt)
    for source, frame in (
        ("division", sources.divisions(world)),
        ("enterprise", sources.enterprises(world)),
        ("target", sources.targets(world)),
    ):
        writer.delivery(source, world.snapshot_day(source), 0, frame)
    done = 0
    for block in range(blocks):
        size = persons // blocks + (block < persons % blocks)
        _block(world, writer, size, block, blocks)
        done += size
        if on_progress:
            on_progress(f"已生成 {done:,} / {persons:,} 人")
    writer.close()


def _block(world: World, writer: Writer, size: int, block: int, blocks: int) -> None:
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([world.seed, block])))
    people = lives.people(world, rng, size, max(40, round(size * OUTSIDERS)))
    insurance.choose(world, rng, people)
    book = insurance.tell(world, rng, people, writer.rate)
    n = sources.number_people(world, people, block, blocks)

    def snapshot(source: str, frame: pl.DataFrame) -> None:
        writer.delivery(source, world.snapshot_day(source), block, frame)

    snapshot("population", sources.population(world, rng, people, n, block))
    here, elsewhere = sources.enrollment(world, people, book, n, block)
    snapshot("enrollment", here)
    snapshot("enrollment_elsewhere", elsewhere)
    writer.deliveries("tax_payment", block, sources.tax_payments(world, rng, book, n, block))
    writer.deliveries("birth", block, sources.births(world, people, n))
    writer.deliveries("death", block, sources.deaths(world, book, n))
    writer.deliveries("veteran", block, sources.veterans(world, book, n))
    writer.deliveries("grid_feedback", block, sources.grid_feedback(world, people, n))
    snapshot("student", sources.students(world, book, n))
    snapshot("employment", sources.employment(world, book, n))
    snapshot("aid_recipient", sources.aid_recipients(book, n))
    # An older delivery of a snapshot stays in the folder and must not be read any more.
    old = world.day - 110
    writer.delivery("custody", old, block, sources.custody(world, book, n, old), superseded=True)
    snapshot("custody", sources.custody(world, book, n, world.snapshot_day("custody")))
    snapshot("vaccination", sources.vaccination(world, people, n))
    snapshot("annual_claim", sources.annual_claims(world, rng, book, n))
    snapshot("enrollment_history", sources.enrollment_history(book, n))

    f = truth.facts(world, people, book)
    status, reason, scope = truth.person(world, people, book, f)
    names = pl.Series(insurance.NAMES)
    writer.truth(
        "person",
        pl.DataFrame(
            {
                "first_number": n.first,
                "certno": n.current,
                "status": pl.Series(status.tolist()),
                "uninsured_reason": pl.Series(reason.tolist()).replace("", None),
                "in_scope": scope,
                "life": names.gather(people.kind.astype(np.int64)),
            }
        ),
    )
    number = pl.col("p").map_batches(n.first.gather, return_dtype=pl.String).alias("first_number")
    pairs = truth.duplicates(world, people, book, f, sources.relation_ids(block, len(f.relation["p"])))
    writer.truth("duplicate", pairs.select(number, pl.exclude("p")))
    entitled = truth.entitlement(world, people, book, f, status)
    writer.truth("entitlement", entitled.select(number, pl.exclude("p")))
    surplus = truth.duplicate_payments(world, f, sources.pay_ids(block, len(f.payment["p"])))
    writer.truth("duplicate_payment", surplus.select(number, pl.exclude("p")))
