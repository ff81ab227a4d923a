"""Publication (contract.md section 3): filled aside, made durable, renamed, and only then does `current` move to it."""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from canbao.home import Home, sync
from canbao.paths import flows_dir, package_dir, sql_dir, table_files

HISTORY_TABLES = ("identifier", "notice", "duplicate_enrollment")
"""Tables of a dropped publication that stay in `<home>/history` (contract section 6)."""

_CODE = {".py", ".sql", ".toml", ".csv", ".json", ".html", ".css"}


@dataclass
class Draft:
    """A publication in the making.

    Attributes:
        folder: Where it is filled; on the same file system as its place.
        as_of: Its as-of date.
        run_id: Its run.
        tables: What stands in it: table name to rows, sha256, bytes, order.
    """

    folder: Path
    as_of: date
    run_id: str
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def reports(self) -> Path:
        """The folder of what people open."""
        return self.folder / "reports"


def begin(home: Home, as_of: date, run_id: str) -> Draft:
    """Open an empty draft beside the publications."""
    folder = home.published / f".tmp-{run_id}"
    (folder / "reports").mkdir(parents=True)
    return Draft(folder, as_of, run_id)


def commit(home: Home, draft: Draft, manifest: Mapping[str, Any], *, make_current: bool = False) -> bool:
    """Make the draft durable and public.

    Args:
        home: The installation.
        draft: All tables and reports written.
        manifest: What `manifest.json` says; `outputs` and `became_current` are added here.
        make_current: Move `current` to it although the current publication is of a later date.

    Returns:
        Whether it became the current publication; an earlier as-of date than the current one's must be asked for.
    """
    current = home.current_publication()
    becomes_current = make_current or current is None or current.parent.name <= draft.as_of.isoformat()
    full = {**manifest, "became_current": becomes_current, "tables": draft.tables, "outputs": _outputs(draft)}
    (draft.folder / "manifest.json").write_text(json.dumps(full, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    _sync_tree(draft.folder)
    night = home.published / draft.as_of.isoformat()
    night.mkdir(exist_ok=True)
    draft.folder.rename(night / draft.run_id)
    sync(night)
    if becomes_current:
        link = home.published / f".tmp-current-{draft.run_id}"
        link.symlink_to(Path(draft.as_of.isoformat()) / draft.run_id)
        link.replace(home.current)
    sync(home.published)
    return becomes_current


def _outputs(draft: Draft) -> list[dict[str, Any]]:
    known = {f"{name}.parquet": entry["sha256"] for name, entry in draft.tables.items()}
    for name, entry in draft.tables.items():
        known |= {f"{name}.parquet/{part['file']}": part["sha256"] for part in entry.get("parts", ())}
    outputs = []
    for path in sorted(path for path in draft.folder.rglob("*") if path.is_file()):
        name = path.relative_to(draft.folder).as_posix()
        outputs.append({"path": name, "bytes": path.stat().st_size, "sha256": known.get(name) or file_digest(path)})
    return outputs


def _sync_tree(folder: Path) -> None:
    # Each waits for the disk, and the disk takes many at once.
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(sync, folder.rglob("*")))
    sync(folder)


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_digests(paths: Sequence[Path]) -> list[str]:
    """SHA-256 of each file, several at a time: one takes a core and waits for nothing."""
    if len(paths) == 1:
        return [file_digest(paths[0])]
    with ThreadPoolExecutor() as pool:
        return list(pool.map(file_digest, paths))


def joint_digest(digests: Sequence[str]) -> str:
    """One digest for files that belong together: of one file its own, else SHA-256 of the digests, a line each."""
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(f"{digest}\n" for digest in digests).encode()).hexdigest()


@cache
def code_digest() -> str:
    """SHA-256 over everything that decides what a run writes: Python, SQL, rules, sources, suites, pages."""
    digest = hashlib.sha256()
    for folder in (package_dir(""), sql_dir(), flows_dir()):
        for path in sorted(path for path in folder.rglob("*") if path.suffix in _CODE):
            digest.update(path.relative_to(folder).as_posix().encode() + b"\n" + path.read_bytes())
    return digest.hexdigest()


def retire(home: Home, keep_nights: int) -> list[str]:
    """Drop publications that are no longer kept: all of the newest nights stay, then the newest of each month.

    What must outlive them goes to `<home>/history/<as_of>/<run_id>/` first. The current one is never dropped.

    Args:
        home: The installation.
        keep_nights: Number of as-of dates of which everything is kept.

    Returns:
        Names (`<as_of>/<run_id>`) of those dropped.
    """
    publications = home.publications()
    nights = sorted({folder.parent.name for folder in publications})
    recent = set(nights[-keep_nights:]) if keep_nights > 0 else set()
    of_month = {folder.parent.name[:7]: folder for folder in publications}
    kept = {folder for folder in publications if folder.parent.name in recent} | set(of_month.values())
    current = home.current_publication()
    dropped = []
    for folder in publications:
        if folder in kept or folder.resolve() == current:
            continue
        name = f"{folder.parent.name}/{folder.name}"
        place = home.history / name
        place.mkdir(parents=True, exist_ok=True)
        for table in HISTORY_TABLES:
            for file in table_files(folder, table):
                target = place / file.relative_to(folder)
                target.parent.mkdir(exist_ok=True)
                shutil.copy2(file, target)
        shutil.copy2(folder / "manifest.json", place / "manifest.json")
        _sync_tree(place)
        away = home.published / f".tmp-retired-{folder.name}"
        folder.rename(away)  # gone at once for readers, whatever happens while it is deleted
        shutil.rmtree(away)
        if not any(folder.parent.iterdir()):
            folder.parent.rmdir()
        dropped.append(name)
    return dropped
