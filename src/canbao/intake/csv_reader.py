"""CSV and text files: at the speed of the machine where lines are regular, with care where they are not.

A file is read in blocks that end at a record. Where a block has no quote and every line has as many fields as the
header, Polars reads it at once. Of any other block NumPy finds the line ends, separators and quotes; lines whose quotes
are not plain pairs around whole fields go to `records.py`, all others through Polars. No row is skipped: ragged ones
come out with their number of fields, and every row knows the physical line where it begins.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import IO, NoReturn

import numpy as np
import polars as pl

from canbao.intake.definitions import SourceDef
from canbao.intake.encoding import (
    BLOCK_BYTES,
    Encoding,
    gb18030_blocks,
    open_bytes,
    refuse_or_gb18030,
    sniff,
    utf8_blocks,
)
from canbao.intake.headers import HEADER_DEPTH, Layout, find_layout, score
from canbao.intake.problems import FileRefused
from canbao.intake.records import read_record
from canbao.intake.rows import Batch
from canbao.intake.values import squeeze

# A record longer than this is a quote that was never closed.
_LONGEST_RECORD = 16 << 20
# Rows with more fields than the header by this many are read one by one.
_SPARE_COLUMNS = 16
_NEWLINE, _QUOTE = 10, 34


def detect_encoding(path: Path) -> Encoding:
    """UTF-8 with or without mark, judged by the head only; `NotUtf8` turns up while reading."""
    with open_bytes(path) as stream:
        return sniff(stream.read(4))


def decide_gb18030(path: Path) -> Encoding:
    """Whether a file that is not UTF-8 is GB18030; raises FileRefused where it is broken UTF-8."""
    with open_bytes(path) as stream:
        return refuse_or_gb18030(stream)


class CsvFile:
    """A delimited text file in a known encoding, as batches of text."""

    def __init__(self, path: Path, source: SourceDef, encoding: Encoding, block_bytes: int | None = None) -> None:
        self.path = path
        self.source = source
        self.encoding = encoding
        self.block_bytes = block_bytes or BLOCK_BYTES
        self.layout = Layout(1, {}, (), ())
        self._separator = ","
        self._carriage = False

    def batches(self) -> Iterator[Batch]:
        """The rows below the header.

        Yields:
            Batches in the order of the file; `layout` is set before the first one.

        Raises:
            FileRefused: The file cannot be read as a whole.
            NotUtf8: It was to be UTF-8 and is not.
        """
        with open_bytes(self.path) as stream:
            rest, line, started = b"", 1, False
            for block, last in self._blocks(stream):
                rest = rest + block if rest else block
                if not started:
                    begin = self._begin(rest, last)
                    if begin is None:
                        continue
                    offset, line = begin
                    rest, started = rest[offset:], True
                batch, used, lines = self._batch(rest, line, last)
                line += lines
                rest = rest[used:]
                if len(rest) > _LONGEST_RECORD + self.block_bytes:
                    self._unclosed(line)
                if batch is not None:
                    yield batch

    def _blocks(self, stream: IO[bytes]) -> Iterator[tuple[bytes, bool]]:
        """Blocks with line feeds as line ends, each with whether it is the last; the last one ends a line."""
        texts = gb18030_blocks(stream, 4 * self.block_bytes) if self.encoding == "gb18030" else None
        before: bytes | None = None
        held = b""
        for block in texts or utf8_blocks(stream, self.block_bytes):
            if before is None:
                first = min((at for at in (block.find(b"\n"), block.find(b"\r")) if at >= 0), default=-1)
                self._carriage = first >= 0 and block[first] == 13 and block[first + 1 : first + 2] != b"\n"
            else:
                yield before, False
            data = held + block
            # A pair of carriage return and line feed must not be torn apart.
            held = b"\r" if data.endswith(b"\r") else b""
            data = data[: len(data) - len(held)]
            if b"\r" in data:
                data = data.replace(b"\r\n", b"\n")
                if self._carriage:
                    data = data.replace(b"\r", b"\n")
            before = data
        if before is None:
            raise FileRefused("empty", "文件是空的(0字节)。请重新导出后再报。")
        before += b"\n" if held else b""
        yield before if before.endswith(b"\n") else before + b"\n", True

    def _begin(self, text: bytes, last: bool) -> tuple[int, int] | None:
        """Finds the header; returns the offset and line of what follows it, or None where more text is needed."""
        best: tuple[tuple[bool, int], str, list[tuple[int, int, int, list[str]]]] | None = None
        for separator in (",", "\t"):
            rows = self._first_rows(text, separator, last)
            if rows is None:
                return None
            top = max((score(self.source, cells) for *_, cells in rows), default=(False, 0))
            if best is None or top > best[0]:
                best = (top, separator, rows)
        if best is None:
            return None
        _, self._separator, rows = best
        self.layout = find_layout(self.source, [(line, cells) for line, _, _, cells in rows])
        return next((end, after) for line, end, after, _ in rows if line == self.layout.line)

    def _first_rows(self, data: bytes, separator: str, last: bool) -> list[tuple[int, int, int, list[str]]] | None:
        """The first non-blank rows: line, offset behind it, line behind it, cells. None where the text is too short."""
        head = data[: 1 << 20]
        text = head.decode("utf-8", "ignore")
        whole = last and len(head) == len(data)
        rows: list[tuple[int, int, int, list[str]]] = []
        at, line = 0, 1
        while at < len(text) and len(rows) < HEADER_DEPTH:
            record = read_record(text, at, separator)
            if record is None and not rows and (whole or len(data) > len(head)):
                self._unclosed(line)
            if record is None or (record.end == len(text) and not whole):
                break
            after = line + text.count("\n", at, record.end)
            if any(squeeze(cell) for cell in record.cells):
                rows.append((line, len(text[: record.end].encode()), after, record.cells))
            at, line = record.end, after
        enough = whole or len(rows) == HEADER_DEPTH or len(data) > len(head)
        return rows if enough else None

    def _batch(self, data: bytes, line: int, last: bool) -> tuple[Batch | None, int, int]:
        """Reads the whole records at the beginning of `data`: the batch, the bytes used and the lines used."""
        used = data.rfind(b"\n") + 1
        if not used:
            return None, 0, 0
        block = Block(data[:used], self._separator, len(self.layout.titles))
        if block.unfinished is not None:
            if last:
                self._unclosed(line + block.unfinished)
            used = int(block.starts[block.unfinished])
            if not used:
                return None, 0, 0
            block = Block(data[:used], self._separator, len(self.layout.titles))
        return block.batch(line), used, block.height

    def _unclosed(self, line: int) -> NoReturn:
        raise FileRefused(
            "cut_off",
            f"第{line}行开始的引号直到文件末尾都没有结束，文件可能被截断。请检查该行的引号，或重新导出并传送。",
        )


class Block:
    """Whole lines of CSV text, taken apart.

    Attributes:
        height: Number of physical lines.
        unfinished: Line of a record whose quoted field does not end in the block, else None.
    """

    def __init__(self, data: bytes, separator: str, width: int) -> None:
        self.data = data
        self.separator = separator
        self.width = width
        self._bytes = np.frombuffer(data, np.uint8)
        self._quoted = b'"' in data
        self.height = int(np.count_nonzero(self._bytes == _NEWLINE))
        self.unfinished: int | None = None
        self._plain = self._read_plain()
        if self._plain is not None:
            return
        # Everything below works on the marks alone, about a seventh of the bytes.
        is_mark = (self._bytes == _NEWLINE) | (self._bytes == ord(separator))
        if self._quoted:
            is_mark |= self._bytes == _QUOTE
        self._marks = np.flatnonzero(is_mark)
        self._kinds = self._bytes[self._marks]
        # Records of odd lines: line, lines taken, cells.
        self._odd: list[tuple[int, int, list[str]]] = []
        self._regular = np.ones(self.height, bool)
        self._counts = self._count_fields()

    @cached_property
    def ends(self) -> np.ndarray:
        """Offset of the end of each physical line; of a plain block it is only asked for where a row is rejected."""
        return np.flatnonzero(self._bytes == _NEWLINE)

    @cached_property
    def starts(self) -> np.ndarray:
        """Offset of each physical line."""
        return np.concatenate([np.zeros(1, self.ends.dtype), self.ends[:-1] + 1])

    def _read_plain(self) -> pl.DataFrame | None:
        """The cells of a block without quotes in which every line has as many fields as the header; else None.

        The sum of fields shows nearly every other block before it is read. Where the sum fits, a long line may still
        make up for a short one; but of a short line Polars leaves the last cell null, which it does with no other.
        """
        if self._quoted or self.width == 1:
            return None
        separators = int(np.count_nonzero(self._bytes == ord(self.separator)))
        if separators != self.height * (self.width - 1):
            return None
        try:
            cells = self._parse(self.data, self.width)
        except pl.exceptions.PolarsError:  # a line that is too long
            return None
        return cells if cells.height == self.height and not cells.to_series(-1).has_nulls() else None

    def _count_fields(self) -> np.ndarray | None:
        """Fields per line, separators within quotes not counted; None where every line has as many as the header."""
        newline = self._kinds == _NEWLINE
        counted = self._kinds == ord(self.separator)
        if self._quoted:
            quote = self._kinds == _QUOTE
            line_of = np.cumsum(newline, dtype=np.int32) - newline
            quotes = np.cumsum(quote, dtype=np.int32)
            at_end = quotes[newline]
            before_line = np.concatenate([np.zeros(1, np.int32), at_end[:-1]])
            inside = ((quotes - before_line[line_of]) & 1).astype(bool)
            self._take_out_odd_quotes(quote, inside, line_of, (at_end - before_line) % 2 == 1)
            # On regular lines quotes come in pairs, so an odd number of them before a separator means: inside.
            counted &= ~inside
        total = np.cumsum(counted, dtype=np.int32)[newline]
        counts = np.diff(total, prepend=np.int32(0)) + 1
        return None if self.width > 1 and (counts[self._regular] == self.width).all() else counts

    def _take_out_odd_quotes(
        self, quote: np.ndarray, inside: np.ndarray, line_of: np.ndarray, uneven: np.ndarray
    ) -> None:
        """Reads the records one by one in which quotes are not plain pairs around whole fields on one line.

        Args:
            quote: Of all marks, those that are quotes.
            inside: Whether a mark is, or follows, an opening quote on its line.
            line_of: Line of each mark.
            uneven: Lines with an odd number of quotes.
        """
        places = self._marks[quote]
        separator = ord(self.separator)
        opening = inside[quote]
        beside = self._bytes[np.where(opening, np.maximum(places - 1, 0), places + 1)]
        # A doubled quote within a field looks like a field that ends and another that begins right behind it.
        touching = np.diff(places) == 1
        doubled = np.where(opening, np.append(False, touching), np.append(touching, False))
        whole = (beside == separator) | (beside == _NEWLINE) | (places == 0) | doubled
        suspects = np.union1d(line_of[quote][~whole], np.flatnonzero(uneven)).tolist()
        done = 0
        for line in suspects:
            if line < done:
                continue
            done = self._read_slowly(line)
            if self.unfinished is not None:
                return

    def _read_slowly(self, line: int) -> int:
        """Reads the record that begins on `line`; returns the line behind it."""
        # Most odd records end on their line: look further only where they do not.
        for lines in (1, 16, self.height):
            until = min(line + lines, self.height)
            text = self.data[self.starts[line] : self.ends[until - 1] + 1].decode()
            record = read_record(text, 0, self.separator)
            if record is not None:
                taken = text.count("\n", 0, record.end)
                self._odd.append((line, taken, record.cells))
                self._regular[line : line + taken] = False
                return line + taken
            if until == self.height:
                break
        self.unfinished = line
        return self.height

    def batch(self, first_line: int) -> Batch | None:
        """The rows of the block, in order; None where there is none.

        Args:
            first_line: Physical line of the block's first line in the file.
        """
        if self._plain is not None:
            lines = np.arange(self.height)
            return Batch(self._plain, (lines + first_line).astype(np.int32), None, RawText(self, lines, {}))
        counts = self._counts
        self._drop_blank_lines(counts)
        if counts is not None:
            self._take_out_wide_lines(counts)
        lines = np.flatnonzero(self._regular)
        regular_counts = None if counts is None else counts[lines]
        widest = self.width if regular_counts is None or not len(lines) else max(self.width, int(regular_counts.max()))
        cells = self._read_regular(lines, widest)
        if not self._odd:
            if not len(lines):
                return None
            return Batch(cells, (lines + first_line).astype(np.int32), regular_counts, RawText(self, lines, {}))
        self._odd.sort()
        widest = max(widest, *(len(row) for _, _, row in self._odd))
        odd = pl.DataFrame(
            {str(i): [row[i] if i < len(row) else "" for _, _, row in self._odd] for i in range(widest)},
            schema={str(i): pl.String for i in range(widest)},
        )
        cells = cells.with_columns(pl.lit("").alias(str(i)) for i in range(cells.width, widest))
        odd_lines = np.array([line for line, _, _ in self._odd])
        odd_counts = np.array([len(row) for _, _, row in self._odd])
        all_lines = np.concatenate([lines, odd_lines])
        order = np.argsort(all_lines)
        base = np.full(len(lines), self.width) if regular_counts is None else regular_counts
        merged = pl.concat([cells, odd]).select(pl.all().gather(order))
        taken = {line: lines for line, lines, _ in self._odd}
        return Batch(
            merged,
            (all_lines[order] + first_line).astype(np.int32),
            np.concatenate([base, odd_counts])[order],
            RawText(self, all_lines[order], taken),
        )

    def _drop_blank_lines(self, counts: np.ndarray | None) -> None:
        if counts is None:
            return
        for line in np.flatnonzero(self._regular & (counts == 1)).tolist():
            if not squeeze(self.data[self.starts[line] : self.ends[line]].decode()):
                self._regular[line] = False

    def _take_out_wide_lines(self, counts: np.ndarray) -> None:
        for line in np.flatnonzero(self._regular & (counts > self.width + _SPARE_COLUMNS)).tolist():
            self._read_slowly(line)

    def _read_regular(self, lines: np.ndarray, widest: int) -> pl.DataFrame:
        if not len(lines):
            return pl.DataFrame(schema={str(i): pl.String for i in range(widest)})
        cells = self._parse(self.data if len(lines) == self.height else self._join(lines), widest)
        if cells.height != len(lines):
            raise AssertionError(f"{len(lines)} lines gave {cells.height} rows")
        holes = [name for name, nulls in zip(cells.columns, cells.null_count().row(0), strict=True) if nulls]
        return cells.with_columns(pl.col(holes).fill_null("")) if holes else cells

    def _parse(self, data: bytes, width: int) -> pl.DataFrame:
        return pl.read_csv(
            data,
            has_header=False,
            separator=self.separator,
            quote_char='"' if self._quoted else None,
            schema={str(i): pl.String for i in range(width)},
            missing_columns="insert",
            empty_string_is_null=False,
            infer_schema=False,
        )

    def _join(self, lines: np.ndarray) -> bytes:
        """The bytes of these lines: whole stretches at a time."""
        breaks = np.flatnonzero(np.diff(lines) > 1) + 1
        firsts = lines[np.concatenate([[0], breaks])]
        lasts = lines[np.concatenate([breaks - 1, [len(lines) - 1]])]
        view = memoryview(self.data)
        return b"".join(view[self.starts[a] : self.ends[b] + 1] for a, b in zip(firsts, lasts, strict=True))


class RawText:
    """The raw text of rows of a block, decoded only for those that are asked for."""

    def __init__(self, block: Block, lines: np.ndarray, taken: dict[int, int]) -> None:
        self._block, self._lines, self._taken = block, lines, taken

    def __call__(self, rows: Sequence[int]) -> list[str]:
        """The text of these rows, without the line end."""
        data, starts, ends = self._block.data, self._block.starts, self._block.ends
        found = []
        for row in rows:
            line = int(self._lines[row])
            last = line + self._taken.get(line, 1) - 1
            found.append(data[starts[line] : ends[last]].decode().removesuffix("\r"))
        return found
