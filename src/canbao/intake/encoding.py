"""From the bytes of a text file to blocks of valid UTF-8, without guessing: the whole file is one encoding or refused.

Order (domain section 6): a byte order mark, else strict UTF-8, else strict GB18030. GB18030 reads nearly any bytes, so
a UTF-8 file with a broken or cut character must not reach it: it would come out as other characters.
"""

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal, NoReturn

from canbao.intake.problems import FileRefused

# Larger blocks cost more than they save: the system clears every page of a large piece of memory anew each time.
BLOCK_BYTES = 4 << 20

Encoding = Literal["utf-8", "utf-8-bom", "gb18030"]

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Chinese characters and full-width signs in UTF-8: three bytes each.
_CJK_UTF8 = re.compile(rb"[\xe3-\xe9\xef][\x80-\xbf]{2}")
_ASCII = bytes(range(128))
_SAMPLE_BYTES = 1 << 20


class NotUtf8(Exception):  # noqa: N818 - a turn in the reading, not a fault
    """The file is not UTF-8 as a whole; what it is shows in `not_utf8`."""


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """Opens a file, unpacked where its name ends in `.gz`.

    Raises:
        FileRefused: The compressed file is damaged or cut off.
    """
    try:
        if path.name.lower().endswith(".gz"):
            with gzip.open(path, "rb") as stream:
                yield stream  # type: ignore[misc]
        else:
            with path.open("rb") as stream:
                yield stream
    except EOFError as error:
        raise FileRefused("cut_off", "压缩文件不完整(被截断)。请重新传送。") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise FileRefused("damaged", "压缩文件已损坏，无法解压。请重新压缩后传送。") from error


def sniff(head: bytes) -> Encoding:
    """The encoding to try first, from the first bytes.

    Raises:
        FileRefused: UTF-16, which is not accepted.
    """
    if head.startswith(_UTF16):
        raise FileRefused("encoding", "文件是UTF-16(Unicode)编码。请另存为UTF-8或GB18030编码后重报。")
    return "utf-8-bom" if head.startswith(codecs.BOM_UTF8) else "utf-8"


def utf8_blocks(stream: IO[bytes], size: int = BLOCK_BYTES) -> Iterator[bytes]:
    """The file's bytes in blocks, checked to be UTF-8 (a block may end within a character; the check spans blocks).

    Raises:
        NotUtf8: Some byte is not UTF-8.
        FileRefused: A NUL byte.
    """
    rest = b""
    offset = 0
    while block := stream.read(size):
        _no_nul(block, offset)
        block = block if offset else block.removeprefix(codecs.BOM_UTF8)
        offset += size
        block = rest + block
        cut = _whole_characters(block)
        rest, block = block[cut:], block[:cut]
        if not _valid_utf8(block):
            raise NotUtf8
        yield block
    if rest:
        raise NotUtf8


def _whole_characters(block: bytes) -> int:
    """Where the last, perhaps unfinished character of a block begins."""
    for back in range(1, min(4, len(block)) + 1):
        byte = block[-back]
        if byte < 0x80:
            return len(block)
        if byte >= 0xC0:
            need = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(block) if need <= back else len(block) - back
    return len(block)


def _valid_utf8(block: bytes) -> bool:
    if block.isascii():
        return True
    import polars as pl  # not above: who reads small files can do without

    # Ten times as fast as bytes.decode, and it needs no second copy as text.
    try:
        pl.Series([block], dtype=pl.Binary).cast(pl.String)
    except pl.exceptions.PolarsError:
        return False
    return True


def gb18030_blocks(stream: IO[bytes], size: int = 4 * BLOCK_BYTES) -> Iterator[bytes]:
    """The file's text in blocks of UTF-8.

    Raises:
        FileRefused: Bytes that are no GB18030, or a stretch that is plainly UTF-8, or a NUL byte.
    """
    decoder = codecs.getincrementaldecoder("gb18030")("strict")
    offset, line = 0, 1
    first = True
    while block := stream.read(size):
        _no_nul(block, offset)
        if _mostly_utf8(block):
            raise FileRefused("encoding", f"第{line}行起的内容一部分是UTF-8编码、一部分不是。请统一编码后重报。")
        pending = len(decoder.getstate()[0])
        try:
            text = decoder.decode(block)
        except UnicodeDecodeError as error:
            _undecodable(offset - pending + error.start, line + block[: max(0, error.start - pending)].count(b"\n"))
        offset += len(block)
        line += block.count(b"\n")
        if first:
            text = text.removeprefix("\ufeff")
            first = False
        yield text.encode()
    if decoder.getstate()[0]:
        raise FileRefused("cut_off", f"文件在第{line}行的一个汉字中间被截断。请重新导出并传送。")


def refuse_or_gb18030(stream: IO[bytes]) -> Literal["gb18030"]:
    """Decides about a file that is not UTF-8.

    Raises:
        FileRefused: The file is UTF-8 with broken bytes, or cut within its last character.
    """
    offset, line = 0, 1
    judged = failed = None
    sample = bytearray()
    tail = b""
    while block := stream.read(8 * BLOCK_BYTES):
        if len(sample) < _SAMPLE_BYTES:
            sample += block if len(block) < 4 * _SAMPLE_BYTES else _around_chinese(block)
        if failed is None:
            data = tail + block
            try:
                _, used = codecs.utf_8_decode(data, "strict", False)
                tail = data[used:]
                line += data[:used].count(b"\n")
                offset += used
            except UnicodeDecodeError as error:
                failed = offset + error.start
                line += data[: error.start].count(b"\n")
        if failed is not None and len(sample) >= _SAMPLE_BYTES:
            break
    if failed is None:
        raise FileRefused("cut_off", f"文件在第{line}行(第{offset + 1}字节)的一个汉字中间被截断。请重新导出并传送。")
    judged = _mostly_utf8(bytes(sample))
    if judged:
        raise FileRefused(
            "encoding", f"文件是UTF-8编码，但第{line}行(第{failed + 1}字节)有损坏的字符。请重新导出并传送。"
        )
    return "gb18030"


def _around_chinese(block: bytes) -> bytes:
    first = next((m.start() for m in re.finditer(rb"[\x80-\xff]", block)), len(block))
    return block[first : first + _SAMPLE_BYTES]


def _mostly_utf8(block: bytes) -> bool:
    """Whether most bytes beyond ASCII belong to Chinese characters in UTF-8."""
    sample = block if len(block) <= _SAMPLE_BYTES else _around_chinese(block)
    beyond = len(sample.translate(None, _ASCII))
    return 3 * len(_CJK_UTF8.findall(sample)) > beyond / 2


def _no_nul(block: bytes, offset: int) -> None:
    if b"\0" in block:
        at = offset + block.index(b"\0") + 1
        raise FileRefused(
            "nul_bytes", f"第{at}字节是空字节(NUL)，不是文本文件或已损坏。请另存为UTF-8编码的CSV文本后重报。"
        )


def _undecodable(offset: int, line: int) -> NoReturn:
    raise FileRefused(
        "encoding",
        f"第{line}行(第{offset + 1}字节)既不是UTF-8也不是GB18030编码。请另存为UTF-8编码后重报。",
    ) from None
