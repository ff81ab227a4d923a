"""One file in, one staged Parquet file out: read once, kept under the digest of everything it depends on.

In `<store>/<source>/` lie `<digest>.parquet` (good rows), `<digest>.quarantine.parquet` (rejected rows, only where
there are any) and `<digest>.json` (counts), the last written last: where it exists, the others are whole.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from polars.io.plugins import register_io_source

from canbao.intake.columns import dtype_of
from canbao.intake.csv_reader import CsvFile, decide_gb18030, detect_encoding
from canbao.intake.definitions import SourceDef
from canbao.intake.encoding import NotUtf8
from canbao.intake.headers import Layout, no_title
from canbao.intake.problems import FileRefused
from canbao.intake.rows import Batch, RowJudge
from canbao.intake.tables import read_parquet, read_workbook

# Part of the digest: raise it whenever the same bytes are read differently than before.
READER_VERSION = 3

SUFFIXES = (".csv", ".txt", ".csv.gz", ".xlsx", ".parquet")
_ROW_GROUP = 1 << 18


@dataclass
class StagedPart:
    """What was read of a file, or of one sheet of a workbook.

    Attributes:
        part: The sheet's name for the second and later sheets, else empty.
        layout_line: Line of the header.
        extra_columns: Columns that were kept out.
        unreadable: Per field the values that became null.
        unknown_codes: Per field the codes that no table knows.
        counties: Accepted rows per county.
        notes: Remarks, in Chinese.
        left_out: Sheets of the workbook that were not read although they look like data.
    """

    digest: str
    part: str
    encoding: str
    rows_read: int
    rows_rejected: int
    layout_line: int
    extra_columns: list[str]
    unreadable: dict[str, int]
    unknown_codes: dict[str, int]
    counties: dict[str, int]
    notes: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


class Halt(Protocol):
    """An event of threads or of processes: set, it has reading given up."""

    def is_set(self) -> bool:
        """Whether it is."""

    def set(self) -> None:
        """Have it so."""


def suffix_of(path: Path) -> str | None:
    """The known kind of a file by its name, or None."""
    name = path.name.lower()
    return next((suffix for suffix in sorted(SUFFIXES, key=len, reverse=True) if name.endswith(suffix)), None)


def sha256_of(path: Path) -> str:
    """The file's SHA-256 in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def staged_path(store: Path, source: str, digest: str) -> Path:
    """Where the good rows lie."""
    return store / source / f"{digest}.parquet"


def quarantine_path(store: Path, source: str, digest: str) -> Path:
    """Where the rejected rows lie, if there are any."""
    return store / source / f"{digest}.quarantine.parquet"


def stage_file(
    path: Path,
    sha256: str,
    source: SourceDef,
    store: Path,
    *,
    before: os.stat_result | None = None,
    stop: Halt | None = None,
) -> list[StagedPart]:
    """Reads a file into the store, or finds it there.

    Args:
        path: The file.
        sha256: Digest of its bytes.
        source: Its source.
        store: `<home>/staged`.
        before: How the file looked before its digest was made; as it looks now by default.
        stop: Set while the file is read, it ends the reading.

    Returns:
        One part per file; of a workbook one per sheet that is read.

    Raises:
        FileRefused: The file cannot be used as a whole; nothing of it is staged.
        Stopped: `stop` was set; nothing of it is staged.
    """
    kept = find_staged(path, sha256, source, store)
    if kept is not None:
        return kept
    kind, digest = suffix_of(path), _digest(path, sha256, source)
    folder = store / source.name
    folder.mkdir(parents=True, exist_ok=True)
    before = before or path.stat()
    writer = partial(_Writer, folder, source, stop=stop)
    if kind == ".xlsx":
        parts = _stage_workbook(path, source, digest, writer)
    elif kind == ".parquet":
        layout, batches = read_parquet(path, source)
        parts = [writer(digest).write(layout, batches, "parquet")]
    else:
        parts = [_stage_text(path, source, writer(digest))]
    after = path.stat()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise FileRefused("changing", "文件在读取过程中发生了变化，可能还在传送。请等传送完成后重新运行。")
    _replace_text(
        folder / f"{digest}.json", json.dumps({"parts": [asdict(part) for part in parts]}, ensure_ascii=False)
    )
    return parts


def stage_nothing(path: Path, sha256: str, source: SourceDef, store: Path) -> list[StagedPart]:
    """Puts no rows into the store: of a delivery whose manifest, the file given, says that there are none."""
    folder = store / source.name
    folder.mkdir(parents=True, exist_ok=True)
    digest = _digest(path, sha256, source)
    return [_Writer(folder, source, digest).write(Layout(1, {}, (), ()), iter(()), "utf-8")]


def find_staged(path: Path, sha256: str, source: SourceDef, store: Path) -> list[StagedPart] | None:
    """What stage_file has put into the store for these bytes; None where it has not."""
    record = store / source.name / f"{_digest(path, sha256, source)}.json"
    if not record.exists():
        return None
    kept = [StagedPart(**part) for part in json.loads(record.read_text(encoding="utf-8"))["parts"]]
    return kept if all(staged_path(store, source.name, part.digest).exists() for part in kept) else None


def _digest(path: Path, sha256: str, source: SourceDef) -> str:
    known = f"{sha256} {source.fingerprint} {suffix_of(path) or ''} {READER_VERSION}"
    return hashlib.sha256(known.encode()).hexdigest()


def _stage_workbook(path: Path, source: SourceDef, digest: str, writer: Callable[[str], "_Writer"]) -> list[StagedPart]:
    sheets, strange = read_workbook(path, source)
    parts = []
    for number, sheet in enumerate(sheets):
        name = sheet.name if number else ""
        own = hashlib.sha256(f"{digest} {sheet.name}".encode()).hexdigest() if number else digest
        parts.append(writer(own).write(sheet.layout, sheet.batches(), "xlsx", name))
    parts[0].notes = [f"工作表“{name}”没有本来源的表头，未读入。" for name, _ in strange]
    parts[0].left_out = [name for name, looks_like_data in strange if looks_like_data]
    return parts


def _stage_text(path: Path, source: SourceDef, writer: "_Writer") -> StagedPart:
    encoding = detect_encoding(path)
    for _ in range(2):
        file = CsvFile(path, source, encoding)
        try:
            return writer.write(file, file.batches(), encoding)
        except NotUtf8:
            encoding = decide_gb18030(path)
    raise AssertionError("GB18030 does not ask for another encoding")


class Stopped(Exception):  # noqa: N818 - whoever stopped the reading has the fault
    """The reading of a file was given up, for another one failed or the night was broken off."""


class _Writer:
    """Writes the rows of one part under temporary names and moves them into place when all are written."""

    def __init__(self, folder: Path, source: SourceDef, digest: str, *, stop: Halt | None = None) -> None:
        self._folder = folder
        self._source = source
        self._digest = digest
        self._stop = stop

    def write(self, layout: Layout | CsvFile, batches: Iterator[Batch], encoding: str, part: str = "") -> StagedPart:
        """Judges and writes all batches.

        Args:
            layout: The layout, or the file that knows it once the first batch is read.
            batches: The rows.
            encoding: What to say of the file's encoding.
            part: Name of the sheet.
        """
        for left in self._folder.glob(f".{self._digest}.*"):
            left.unlink()  # of a night that was broken off
        run = uuid4().hex
        good, bad = (self._folder / f".{self._digest}.{run}.{kind}" for kind in ("good", "bad"))
        rejected = _Rejected(bad)
        judges: list[RowJudge] = []
        faults: list[BaseException] = []

        def frames() -> Iterator[pl.DataFrame]:
            try:
                for batch in _ahead(batches, self._stop):
                    if not judges:
                        judges.append(RowJudge(self._source, _layout(layout)))
                    accepted, refused = judges[0].judge(batch)
                    if refused is not None:
                        rejected.add(refused)
                    yield accepted
            except BaseException as fault:  # Polars would wrap it beyond recognition
                faults.append(fault)
                raise

        try:
            try:
                _sink(frames(), self._schema(), good)
            except pl.exceptions.PolarsError:
                if not faults:
                    raise
            if faults:
                raise faults[0]
            rejected.close()
            judge = judges[0] if judges else RowJudge(self._source, _layout(layout))
            if judge.tally.rows_rejected:
                bad.replace(self._folder / f"{self._digest}.quarantine.parquet")
            good.replace(self._folder / f"{self._digest}.parquet")
        finally:
            rejected.close()
            good.unlink(missing_ok=True)
            bad.unlink(missing_ok=True)
        tally = judge.tally
        return StagedPart(
            digest=self._digest,
            part=part,
            encoding=encoding,
            rows_read=tally.rows_read,
            rows_rejected=tally.rows_rejected,
            layout_line=judge.layout.line,
            extra_columns=[*judge.layout.extra, *map(no_title, sorted(tally.untitled))],
            unreadable=dict(sorted(tally.unreadable.items())),
            unknown_codes=dict(sorted(tally.unknown_codes.items())),
            counties=dict(sorted(tally.counties.items())),
        )

    def _schema(self) -> pl.Schema:
        return pl.Schema({one.name: dtype_of(one) for one in self._source.fields} | {"line_no": pl.Int32})


def _layout(layout: Layout | CsvFile) -> Layout:
    return layout.layout if isinstance(layout, CsvFile) else layout


def _ahead(batches: Iterator[Batch], stop: Halt | None) -> Iterator[Batch]:
    """The same batches, the next one being read while the present one is judged.

    Raises:
        Stopped: Nobody wants them any more.
    """
    with ThreadPoolExecutor(max_workers=1) as reader:
        coming = reader.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            if stop is not None and stop.is_set():
                raise Stopped
            coming = reader.submit(next, batches, None)
            yield batch


def _sink(frames: Iterator[pl.DataFrame], schema: pl.Schema, path: Path) -> None:
    """Writes frames to one Parquet file while they come, compressing on all cores."""

    def source(*_: Any) -> Iterator[pl.DataFrame]:
        yield from frames

    lazy = register_io_source(source, schema=schema, is_pure=False)
    lazy.sink_parquet(path, compression="zstd", compression_level=1, row_group_size=_ROW_GROUP, maintain_order=True)


class _Rejected:
    """The rejected rows of a part, written as they come: a hopeless file may have millions."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pq.ParquetWriter | None = None

    def add(self, rows: pl.DataFrame) -> None:
        table: pa.Table = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, table.schema, compression="zstd")
        self._writer.write_table(table)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _replace_text(path: Path, text: str) -> None:
    scratch = path.with_name(f".{path.name}.{uuid4().hex}")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(path)
