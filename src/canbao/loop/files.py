"""The files of batches as they are handed out: `<out>/<district>/<township>/P000123_一村.xlsx` and the others."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from canbao.errors import UserError
from canbao.home import Home
from canbao.loop.state import LIST, Batch, Loop
from canbao.portal.divisions import DivisionTree
from canbao.processes import workers
from canbao.settings import load_settings

VISITING, ZERO_REPORT = "入户核实表", "零报告"

_CHUNK = 100
"""Batches whose rows are read at a time."""

_UNSAFE = re.compile(r'[\\/:*?"<>|\s\x00-\x1f]+')


def write_files(home: Home, batches: Sequence[Batch], out: Path, *, processes: int | None = None) -> int:
    """Write the workbooks, visiting sheets and zero reports of batches.

    Args:
        home: The installation.
        batches: Which; recalled ones too.
        out: Folder to write to; files of the same name are replaced.
        processes: How many write at a time; by default one where the batches are few.

    Returns:
        Number of files.

    Raises:
        UserError: The folder cannot be written to, or nothing is published.
    """
    make_ready(out)
    numbers = [one.batch_no for one in batches]
    chunks = [numbers[start : start + _CHUNK] for start in range(0, len(numbers), _CHUNK)]
    count = processes or min(len(chunks), os.cpu_count() or 1)
    if count <= 1 or len(chunks) <= 2:
        return sum(_write(home.root, chunk, out) for chunk in chunks)
    with workers(count) as pool:
        return sum(pool.map(_write, [home.root] * len(chunks), chunks, [out] * len(chunks)))


def make_ready(out: Path) -> None:
    """Make the folder, before anything is sent.

    Raises:
        UserError: It cannot be written to.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"目录 {out} 无法使用：{error.strerror}（--out）。请换一个可写的目录。") from None
    if not os.access(out, os.W_OK):
        raise UserError(f"目录 {out} 不可写（--out）。请检查目录权限。")


def place_of(batch: Batch, tree: DivisionTree) -> Path:
    """Where a batch's files lie below the folder, without their ending: `甲区/东镇/P000123_一村`."""
    path = tree.path(batch.division_code) or [one for one in [tree.current(batch.division_code, batch.level)] if one]
    above = [_safe(one.name) for one in path[1:] if one.level < 4 and one.level < max(batch.level, 4)]
    return Path(*above) / f"{batch.batch_id}_{_safe(batch.division_name)}"


def _safe(name: str) -> str:
    return _UNSAFE.sub("_", name).strip("._") or "_"


def _write(root: Path, numbers: Sequence[int], out: Path) -> int:
    return sum(1 for _ in _files(Home(root), numbers, out))


def _files(home: Home, numbers: Sequence[int], out: Path) -> Iterator[Path]:
    from canbao.loop import sheet

    loop = Loop(home)
    full = load_settings(home.settings_file).full_numbers
    rows = loop.sent_rows(numbers)
    origins: dict[str, sheet.Origin] = {}
    for batch in loop.batches(numbers=numbers):
        made = loop.round(batch.round_no)
        assert made is not None
        if made.publication not in origins:
            origins[made.publication] = sheet.Origin.of(_publication(home, made.publication))
        origin = origins[made.publication]
        stem = out / place_of(batch, origin.tree)
        stem.parent.mkdir(parents=True, exist_ok=True)
        if batch.kind != LIST:
            yield sheet.write_zero(batch, stem.with_name(f"{stem.name}_{ZERO_REPORT}.xlsx"), origin=origin)
            continue
        own = rows.filter(batch_no=batch.batch_no)
        yield sheet.write_sheet(own, batch, stem.with_name(f"{stem.name}.xlsx"), origin=origin, full=full)
        yield sheet.write_visiting(own, batch, stem.with_name(f"{stem.name}_{VISITING}.xlsx"), origin=origin)


def _publication(home: Home, name: str) -> Path:
    """The publication that a round was made from; the current one where that is no longer kept."""
    folder = home.published / name
    if (folder / "manifest.json").exists():
        return folder
    current = home.current_publication()
    if current is None:
        raise UserError(f"工作目录 {home.root} 没有发布内容，无法生成表格。请先运行 canbao run。")
    return current
