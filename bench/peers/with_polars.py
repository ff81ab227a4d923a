"""The core with Polars."""

from pathlib import Path

import polars as pl

from bench.peers.files import BASIC, IN_FORCE, LEVELS, text_files


def _read(landing: Path, source: str) -> pl.LazyFrame:
    frames = []
    for file in text_files(landing, source):
        data = file.path if file.encoding == "utf-8" else file.path.read_bytes().decode("gb18030", "replace").encode()
        frame = pl.scan_csv(
            data, separator=file.separator, infer_schema=False, truncate_ragged_lines=True, encoding="utf8-lossy"
        )
        frames.append(
            frame.select(pl.col(header).str.strip_chars().alias(field) for field, header in file.fields.items())
        )
    return pl.concat(frames).with_columns(pl.col("certno").str.to_uppercase())


def core(landing: Path) -> dict[tuple[int, str], tuple[int, int, int]]:
    """Level and division to people, uninsured, duplicates."""
    people = _read(landing, "population").filter(pl.col("certno").fill_null("") != "")
    place = pl.concat_str(pl.col("resd_code").fill_null(""), pl.lit("|"), pl.col("resd_status").fill_null(""))
    people = people.group_by("certno").agg(place.min().alias("place"))
    force = _read(landing, "enrollment").filter(pl.col("psn_insu_stas").is_in(IN_FORCE))
    relations = force.group_by("certno").agg(pl.col("insutype").is_in(BASIC).sum().alias("basic"))
    parts = pl.col("place").str.split("|")
    judged = people.join(relations, on="certno", how="left").select(
        parts.list.get(0).alias("resd_code"),
        (parts.list.get(1).is_in(IN_FORCE) & pl.col("basic").is_null()).alias("uninsured"),
        (pl.col("basic").fill_null(0) >= 2).alias("duplicate"),
    )
    tables = pl.collect_all(
        judged.group_by(pl.col("resd_code").str.slice(0, level)).agg(
            pl.len().alias("people"), pl.col("uninsured").sum(), pl.col("duplicate").sum()
        )
        for level in LEVELS
    )
    return {
        (level, code): (people, uninsured, duplicates)
        for level, table in zip(LEVELS, tables, strict=True)
        for code, people, uninsured, duplicates in table.iter_rows()
    }
