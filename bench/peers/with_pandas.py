"""The core with pandas."""

from pathlib import Path

import pandas as pd

from bench.peers.files import BASIC, IN_FORCE, LEVELS, text_files


def _read(landing: Path, source: str) -> pd.DataFrame:
    frames = []
    for file in text_files(landing, source):
        frame = pd.read_csv(
            file.path, sep=file.separator, encoding=file.encoding if file.encoding != "utf-8" else "utf-8-sig",
            dtype="string", usecols=list(file.fields.values()), keep_default_na=False, encoding_errors="replace",
        )  # fmt: skip
        frames.append(frame.rename(columns={header: field for field, header in file.fields.items()}))
    return pd.concat(frames, ignore_index=True)


def core(landing: Path) -> dict[tuple[int, str], tuple[int, int, int]]:
    """Level and division to people, uninsured, duplicates."""
    people = _read(landing, "population")
    for name in people.columns:
        people[name] = people[name].str.strip()
    people["certno"] = people["certno"].str.upper()
    people = people[people["certno"] != ""].sort_values(["resd_code", "resd_status"]).drop_duplicates("certno")
    relations = _read(landing, "enrollment")
    for name in relations.columns:
        relations[name] = relations[name].str.strip()
    relations["certno"] = relations["certno"].str.upper()
    force = relations[relations["psn_insu_stas"].isin(IN_FORCE)]
    people["uninsured"] = people["resd_status"].isin(IN_FORCE) & ~people["certno"].isin(force["certno"])
    counts = force[force["insutype"].isin(BASIC)].groupby("certno").size()
    people["duplicate"] = people["certno"].isin(counts[counts >= 2].index)
    found = {}
    for level in LEVELS:
        grouped = people.groupby(people["resd_code"].str.slice(0, level))
        table = grouped.agg(people=("certno", "size"), uninsured=("uninsured", "sum"), duplicates=("duplicate", "sum"))
        for code, row in zip(table.index, table.itertuples(index=False), strict=True):
            found[level, str(code)] = (int(row.people), int(row.uninsured), int(row.duplicates))
    return found
