"""Looks for known people's numbers, telephones and names in whatever a run left behind, however it is written."""

import gzip
import html
import io
import json
import re
import sqlite3
import unicodedata
import urllib.parse
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

_DIGITS = re.compile(r"\d{11,}")
_PARTED = re.compile(r"(?<=\d)[ \-,_](?=\d)")
_ESCAPED = re.compile(r"\\+u([0-9a-fA-F]{4})")
RARE = (0x9E70, 0x9F40)
"""Names of the known people are made of these signs alone (birds, fish, tortoises): two of them side by side are in no
page, message or place, so that a name is found wherever it stands, one of two signs as surely as a longer one."""
_NAMES = re.compile(f"[{chr(RARE[0])}-{chr(RARE[1])}]{{2,}}")


@dataclass
class People:
    """What is known of people.

    Attributes:
        numbers: Certificate numbers without their last sign (so that a wrong one is found too), their 15-digit forms,
            birth certificate numbers and telephones; all digits.
        names: Names, of two signs or more.
    """

    numbers: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)

    def add_number(self, number: str | None) -> None:
        """Remember a number in all its forms."""
        number = (number or "").strip()
        if re.fullmatch(r"\d{17}[\dXx]", number):
            self.numbers |= {number[:17], number[:6] + number[8:17]}
        elif re.fullmatch(r"\d{11,}", number):
            self.numbers.add(number)

    def found_in(self, text: str) -> set[str]:
        """What of it stands in a text, also within longer words and numbers."""
        found = set()
        for run in set(_DIGITS.findall(text)):
            for size in {len(number) for number in self.numbers}:
                found |= {run[at : at + size] for at in range(len(run) - size + 1)} & self.numbers
        for run in set(_NAMES.findall(text)):
            parts = {run[a:b] for a in range(len(run)) for b in range(a + 2, len(run) + 1)}
            found |= parts & self.names
        return found


def readings(data: bytes) -> Iterator[str]:
    """Bytes as text in every way that somebody could have written it in.

    A guessed encoding is tried only where all bytes fit it: what is packed would give any sign by chance.
    """
    for encoding, errors in (("utf-8", "strict"), ("gb18030", "strict"), ("utf-8", "ignore")):
        try:
            text = unicodedata.normalize("NFKC", data.decode(encoding, errors))
        except UnicodeDecodeError:
            continue
        break
    yield text
    plain = _ESCAPED.sub(lambda sign: chr(int(sign[1], 16)), text)
    if plain != text:
        yield plain
    if "&" in text:
        yield html.unescape(text)
    if "%" in text:
        yield urllib.parse.unquote(text)
    bare = _PARTED.sub("", text)
    if bare != text:
        yield bare


def contents(path: Path) -> Iterator[bytes]:
    """A file's bytes, or what lies packed in it: archives and tables; of a database both."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        yield gzip.decompress(data)
    elif data[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                yield name.encode()
                yield archive.read(name)
    elif data[:15] == b"SQLite format 3":
        yield data
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as store:
            store.text_factory = bytes
            tables = [row[0].decode() for row in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for table in tables:
                for row in store.execute(f'SELECT * FROM "{table}"'):
                    yield b"\n".join(cell for cell in row if isinstance(cell, bytes))
    elif data[:4] == b"PAR1":
        rows = pl.read_parquet(path)
        yield json.dumps(rows.columns).encode()
        for name in rows.columns:
            yield "\n".join(json.dumps(v, default=str, ensure_ascii=False) for v in rows[name].to_list()).encode()
    else:
        yield data


def leaks(paths: Iterable[Path], people: People, root: Path) -> dict[str, set[str]]:
    """File to what of people stands in its name or content; files without any are not named."""
    found: dict[str, set[str]] = {}
    for path in paths:
        name = str(path.relative_to(root))
        here = people.found_in(unicodedata.normalize("NFKC", name))
        for data in contents(path):
            for text in readings(data):
                here |= people.found_in(text)
        if here:
            found[name] = here
    return found
