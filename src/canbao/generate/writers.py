"""Files as departments send them: encodings, headers, separators, compression, workbooks."""

import csv
import gzip
import hashlib
import io
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import xlsxwriter

from canbao.generate import dirt, sources
from canbao.generate.world import World

# How the first file of a source looks; the second and later deliveries of increment sources come in another look.
_LOOKS: dict[str, tuple[str, ...]] = {
    "division": ("csv.gz",),
    "population": ("utf-8",),
    "birth": ("bom", "gb18030"),
    "death": ("gb18030", "utf-8"),
    "student": ("gb18030",),
    "enrollment": ("gb18030",),
    "enrollment_elsewhere": ("tab",),
    "tax_payment": ("csv.gz", "bom", "tab", "utf-8"),
    "employment": ("utf-8",),
    "aid_recipient": ("xlsx",),
    "veteran": ("xlsx", "bom"),
    "custody": ("xlsx",),
    "vaccination": ("bom",),
    "enterprise": ("csv.gz",),
    "annual_claim": ("parquet",),
    "enrollment_history": ("parquet",),
    "target": ("xlsx",),
    "grid_feedback": ("bom", "xlsx"),
}
_SUFFIX = {"utf-8": "csv", "bom": "csv", "gb18030": "csv", "tab": "txt", "csv.gz": "csv.gz", "xlsx": "xlsx"}
_LARGE = 60_000
"""Rows from which on a file is not sent as a workbook, and seldom in an unusual encoding."""
_WITH_MANIFEST = ("division", "aid_recipient")
_NUMBER_ALIASES = ("公民身份号码", "身份证号", "证件号码")
_EXTRA = (("导出批次", "A01"), ("数据来源", "共享平台"))


class Writer:
    """Writes the frames of the sources, block after block.

    Args:
        out: Folder of the run.
        world: The stage.
        rate: Rate of dirt; 0 writes plain UTF-8 CSV with field names only (and Parquet for the yearly history).
    """

    def __init__(self, out: Path, world: World, rate: float) -> None:
        self.out = out
        self.world = world
        self.rate = rate
        self.log = dirt.Log()
        self.open: dict[str, pq.ParquetWriter] = {}
        self.rows: dict[tuple[str, str], int] = {}

    def look(self, source: str, nth: int, block: int, rows: int) -> str:
        """The form of one file: depends on source, delivery, block and size, never on time or chance."""
        looks = _LOOKS[source]
        look = looks[nth % len(looks)]
        if self.rate <= 0:
            return "parquet" if source == "enrollment_history" else "utf-8"
        if rows > _LARGE and look == "xlsx":
            look = "utf-8"
        if block > 0 and look in ("utf-8", "bom", "gb18030", "tab", "csv.gz"):
            look = {0: "gb18030", 1: "bom", 2: "tab"}.get(block % 6, "utf-8")
        return look

    def delivery(
        self, source: str, day: int, block: int, frame: pl.DataFrame, *, nth: int = 0, superseded: bool = False
    ) -> None:
        """Write one part of one delivery, with its dirt; a superseded snapshot, which nobody reads, has none."""
        rate = 0.0 if superseded else self.rate
        delivery = f"{date(1970, 1, 1) + timedelta(days=int(day))}"
        folder = self.out / "landing" / source / delivery
        folder.mkdir(parents=True, exist_ok=True)
        look = self.look(source, nth, block, frame.height)
        suffix = _SUFFIX.get(look, look)
        name = f"{source}-{block + 1:04}.{suffix}"
        index = list(_LOOKS).index(source)
        seed = np.random.SeedSequence([self.world.seed, 2 * 10**6 + block, index, nth])
        rng = np.random.Generator(np.random.PCG64(seed))
        text_file = look not in ("xlsx", "parquet")
        soiled = dirt.soil(frame, source, rate, rng, self.world.as_of, text_file=text_file, xlsx=look == "xlsx")
        for kind, count in soiled.kinds.items():
            self.log.add((source, delivery, name), kind, None, count)
        if rate > 0 and nth == 0 and block == 0 and source not in ("division", "enrollment_history"):
            soiled.broken.append(("total_row", ["合计", *[""] * (len(frame.columns) - 1)]))
        parts = (soiled.stale, soiled.clean, soiled.varied)
        rows = sum(part.height for part in parts) + len(soiled.broken)
        self.rows[source, delivery] = self.rows.get((source, delivery), 0) + rows
        errors = [error for error, _ in soiled.broken]
        for error in sorted(set(errors)):
            self.log.add((source, delivery, name), error, error, errors.count(error))
        headers = self._headers(source, look, rng)
        if rate > 0 and look != "utf-8":
            self.log.add((source, delivery, name), f"file_{look}", None, frame.height)
        _write(folder / name, look, soiled, headers, order=None if self.rate <= 0 else _order(rng, look, len(headers)))

    def _headers(self, source: str, look: str, rng: np.random.Generator) -> list[str]:
        """Field names in plain files, Chinese headers in others, with one of the usual names for the number."""
        fields = sources.FIELDS[source]
        if self.rate <= 0 or look in ("utf-8", "parquet", "csv.gz"):
            return [name for name, _ in fields]
        alias = _NUMBER_ALIASES[int(rng.integers(0, 3))]
        return [alias if name == "certno" and title in _NUMBER_ALIASES else title for name, title in fields]

    def deliveries(self, source: str, block: int, parts: list[tuple[int, pl.DataFrame]]) -> None:
        """Several deliveries of an increment source; some payments came wrong first and right with the next one."""
        if source == "tax_payment" and self.rate > 0:
            parts = self._corrected(block, parts)
        for nth, (day, frame) in enumerate(parts):
            self.delivery(source, day, block, frame, nth=nth)

    def _corrected(self, block: int, parts: list[tuple[int, pl.DataFrame]]) -> list[tuple[int, pl.DataFrame]]:
        result = []
        for (day, frame), following in zip(parts, [*parts[1:], (0, None)], strict=True):
            earlier = frame
            if following[1] is not None:
                every = max(2, int(8 / self.rate))
                wrong = following[1].gather_every(every).with_columns(pl.lit(1.5).alias("amount"))
                earlier = pl.concat([wrong, frame])
                delivery = f"{date(1970, 1, 1) + timedelta(days=int(day))}"
                self.log.add(("tax_payment", delivery, f"block {block + 1}"), "corrected_later", None, wrong.height)
            result.append((day, earlier))
        return result

    def truth(self, table: str, frame: pl.DataFrame) -> None:
        """Rows of a truth table."""
        arrow = frame.to_arrow()
        if table not in self.open:
            folder = self.out / "truth"
            folder.mkdir(parents=True, exist_ok=True)
            self.open[table] = pq.ParquetWriter(folder / f"{table}.parquet", arrow.schema, compression="zstd")
        self.open[table].write_table(arrow)

    def close(self) -> None:
        """Finish the truth tables and put manifests beside the deliveries of careful departments."""
        if self.rate > 0:
            for folder in sorted(path for s in _WITH_MANIFEST for path in (self.out / "landing" / s).iterdir()):
                files = sorted(folder.iterdir())
                sums = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
                manifest = {"rows": self.rows[folder.parent.name, folder.name], "sha256": sums}
                (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
        self.truth("dirt", self.log.frame())
        for table in self.open.values():
            table.close()


def _order(rng: np.random.Generator, look: str, n: int) -> np.ndarray | None:
    """Another order of the columns in tab and workbook files."""
    return rng.permutation(n) if look in ("tab", "xlsx") else None


def _write(path: Path, look: str, soiled: dirt.Soiled, headers: list[str], order: np.ndarray | None) -> None:
    """Write the parts of a soiled frame in one file.

    Args:
        path: The file.
        look: utf-8, bom, gb18030, tab, csv.gz, xlsx or parquet.
        soiled: The rows.
        headers: Header of each column.
        order: Order of the columns, or None for the contract's.
    """
    if look == "parquet":
        _write_parquet(path, soiled)
        return
    names = soiled.clean.columns
    extra = _EXTRA if order is not None else ()
    if order is not None:
        names = [names[i] for i in order]
        headers = [headers[i] for i in order]
    headers = [*headers, *[title for title, _ in extra]]
    added = [pl.lit(value).alias(f"_{i}") for i, (_, value) in enumerate(extra)]
    parts = [part.select(*names, *added) for part in (soiled.stale, soiled.clean, soiled.varied)]
    broken = [
        [*([cells[i] if i < len(cells) else "" for i in order] if order is not None else cells)]
        for _, cells in soiled.broken
    ]
    if order is not None:
        # A total row begins with the word whatever the order of columns; ragged ones stay ragged.
        for (error, cells), row in zip(soiled.broken, broken, strict=True):
            if error == "total_row":
                row[:] = cells
            row.extend(value for _, value in extra)
            if error == "field_count":
                row[:] = row[:-2] if len(cells) < len(order) else [*row, "多余"]
    if look == "xlsx":
        _write_workbook(path, headers, parts, broken)
        return
    separator = "\t" if look == "tab" else ","
    buffer = io.BytesIO()
    buffer.write((separator.join(headers) + "\n").encode())
    for part in parts:
        part.write_csv(buffer, include_header=False, separator=separator, float_precision=2)
    tail = io.StringIO()
    csv.writer(tail, delimiter=separator, lineterminator="\n").writerows(broken)
    buffer.write(tail.getvalue().encode())
    with path.open("wb") as file:
        _encode(file, look, buffer)


def _encode(file: BinaryIO, look: str, buffer: io.BytesIO) -> None:
    if look == "gb18030":
        file.write(buffer.getvalue().decode().encode("gb18030"))
    elif look == "csv.gz":
        with gzip.GzipFile(filename="", mode="wb", compresslevel=3, fileobj=file, mtime=0) as packed:
            packed.write(buffer.getbuffer())
    else:
        if look == "bom":
            file.write(b"\xef\xbb\xbf")
        file.write(buffer.getbuffer())


def _write_parquet(path: Path, soiled: dirt.Soiled) -> None:
    """All columns as text, broken rows too (they have all cells)."""
    names = soiled.clean.columns
    parts = [soiled.stale, dirt.as_text(soiled.clean), soiled.varied]
    if soiled.broken:
        rows = [[cell or None for cell in cells] for _, cells in soiled.broken]
        parts.append(pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row"))
    pl.concat(parts).write_parquet(path, compression="zstd")


def _write_workbook(path: Path, headers: list[str], parts: list[pl.DataFrame], broken: list[list[str]]) -> None:
    """One sheet; numbers as text, dates as dates, nothing that a clock decides."""
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_numbers": False}
    book = xlsxwriter.Workbook(str(path), options)
    book.set_properties({"created": datetime(2026, 1, 1, tzinfo=UTC)})
    sheet = book.add_worksheet("数据")
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    sheet.write_row(0, 0, headers)
    line = 1
    for part in parts:
        for values in part.iter_rows():
            for column, value in enumerate(values):
                if isinstance(value, date):
                    sheet.write_datetime(line, column, datetime(value.year, value.month, value.day), day)
                elif isinstance(value, float):
                    sheet.write_number(line, column, round(value, 2))
                elif value:
                    sheet.write_string(line, column, value)
            line += 1
    for cells in broken:
        for column, cell in enumerate(cells):
            if cell:
                sheet.write_string(line, column, cell)
        line += 1
    book.close()
