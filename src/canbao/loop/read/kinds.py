"""What kind of file it is, by its content; its name only tells the user that it lies."""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from canbao.intake.problems import without_numbers
from canbao.loop.read import limits
from canbao.loop.read.grid import Grid
from canbao.loop.read.words import note, refused

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_BIFF = (b"\x09\x08", b"\x09\x04", b"\x09\x02", b"\x09\x00")
_NAMES = {"workbook": "xlsx", "binary": "xls", "open": "ods", "text": "文本"}
_SUFFIXES = {
    ".xlsx": "workbook", ".xltx": "workbook", ".xls": "binary", ".et": "binary", ".xlt": "binary", ".ett": "binary",
    ".ods": "open", ".csv": "text", ".txt": "text", ".tsv": "text",
}  # fmt: skip
_HEAD = 8192


def open_sheets(path: Path, notes: list[str]) -> Iterator[Grid]:
    """The sheets of a file.

    Args:
        path: The file.
        notes: What is found worth telling is added here.

    Yields:
        Its sheets, hidden ones too.

    Raises:
        FileRefused: It is of no kind that is taken, or dangerous, or damaged.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    kind = _kind(path, head)
    suffix = path.suffix.lower()
    if _SUFFIXES.get(suffix) != kind:
        notes.append(note("content_kind", suffix=without_numbers(suffix)[:12], kind=_NAMES[kind]))
    # Each reader is imported where it is needed: the process must start quickly.
    if kind == "workbook":
        from canbao.loop.read.workbook import read_xlsx

        return read_xlsx(path, notes)
    if kind == "text":
        from canbao.loop.read.text import read_text_file

        return read_text_file(path, notes)
    from canbao.loop.read.binary import read_binary

    return read_binary(path)


def _kind(path: Path, head: bytes) -> str:
    if head.startswith(b"PK"):
        return _packed(path)
    if head.startswith(_OLE):
        return _compound(path)
    if head.startswith(_BIFF) and head[2:4] in (b"\x08\x00", b"\x10\x00", b"\x06\x00", b"\x04\x00"):
        return "binary"
    for magic, code in (
        (b"%PDF", "pdf"),
        (b"\x89PNG", "picture"),
        (b"\xff\xd8\xff", "picture"),
        (b"GIF8", "picture"),
        (b"BM", "picture") if path.suffix.lower() == ".bmp" else (b"\x89PNG", "picture"),
        (b"Rar!", "archive"),
        (b"7z\xbc\xaf", "archive"),
        (b"\x1f\x8b", "archive"),
        (b"{\\rtf", "word"),
    ):
        if head.startswith(magic):
            raise refused(code)
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"urn:schemas-microsoft-com:office:spreadsheet" in head and start.startswith(b"<?xml"):
        raise refused("xml_sheet")
    if start.startswith((b"<html", b"<!doctype", b"<table", b"<meta", b"<head", b"<?xml", b"<script", b"<div")):
        raise refused("web")
    if b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise refused("unknown")
    return "text"


def _packed(path: Path) -> str:
    """The kind of a zip file; refuses what no office program makes."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError) as error:
        raise refused("damaged") from error
    if len(parts) > limits.PARTS:
        raise refused("suspicious")
    if sum(part.file_size for part in parts) > limits.UNPACKED:
        raise refused("unpacked", count=limits.UNPACKED >> 20)
    names = [part.filename.replace("\\", "/").casefold() for part in parts]
    if len(set(names)) < len(names) or any(_strange(name) for name in names):
        raise refused("suspicious")
    if any(part.flag_bits & 1 for part in parts):
        raise refused("encrypted")
    plain = {name.lstrip("/") for name in names}
    if any(name.endswith("vbaproject.bin") or "/macrosheets/" in name or name.startswith("basic/") for name in plain):
        raise refused("macros")
    if any(name.endswith("workbook.bin") for name in plain):
        raise refused("xlsb")
    if any(re.fullmatch(r"(?:.*/)?workbook\d*\.xml", name) for name in plain) or "[content_types].xml" in plain:
        if any(name.startswith("word/") for name in plain):
            raise refused("word")
        return "workbook"
    if "content.xml" in plain and "mimetype" in plain:
        return _open_document(path)
    raise refused("archive")


def _strange(name: str) -> bool:
    return ".." in name.split("/") or name.startswith("//") or re.match(r"[a-z]:", name) is not None or "\0" in name


def _open_document(path: Path) -> str:
    """An OpenDocument sheet without tricks: calamine gets only what was looked at."""
    with zipfile.ZipFile(path) as archive:
        try:
            kind = archive.read("mimetype")[:200]
            start = archive.open("content.xml").read(_HEAD)
            manifest = archive.read("META-INF/manifest.xml") if "META-INF/manifest.xml" in archive.namelist() else b""
        except (zipfile.BadZipFile, OSError, KeyError, EOFError, ValueError, NotImplementedError) as error:
            raise refused("damaged") from error
    if b"encryption-data" in manifest:
        raise refused("encrypted")
    if not kind.startswith(b"application/vnd.oasis.opendocument.spreadsheet"):
        raise refused("word")
    if b"<!DOCTYPE" in start or b"<!ENTITY" in start:
        raise refused("suspicious")
    return "open"


def _compound(path: Path) -> str:
    """An OLE file: an old workbook, or the wrapping of an encrypted new one."""
    names = _entries(path.read_bytes())
    if "encryptedpackage" in names:
        raise refused("encrypted")
    if names & {"_vba_project_cur", "_vba_project", "vba", "macros"}:
        raise refused("macros")
    if names & {"workbook", "book"}:
        return "binary"
    if names <= {"root entry"}:
        raise refused("damaged")
    raise refused("word" if "worddocument" in names else "unknown")


def _entries(data: bytes) -> set[str]:
    """Names in the directory of an OLE file: entries of 128 bytes, aligned, the name's length behind its 64 bytes."""
    found = set()
    for start in range(512, len(data) - 127, 128):
        length = data[start + 64] | data[start + 65] << 8
        kind = data[start + 66]
        if 4 <= length <= 64 and length % 2 == 0 and kind in (1, 2, 5):
            name = data[start : start + length - 2]
            if data[start + length - 2 : start + length] == b"\0\0":
                text = name.decode("utf-16-le", "ignore").casefold()
                if text.isprintable():
                    found.add(text)
    return found
