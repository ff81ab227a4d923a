"""The files of the core job, and how each is to be read; every engine gets the same list.

The core job, on the police population and this city's insurance relations of a landing area:

- a person is a certificate number of the population; of several rows the one with the smallest
  division and status counts;
- a relation is in force where its status is 1 (正常);
- uninsured are people registered here (status 1 正常) whose number no relation in force has;
- duplicates are numbers of the population with two or more relations in force of 310 or 390;
- the roll-up counts people, uninsured and duplicates by city, district, township and village: the first 2, 6, 9 and 12
  digits of the registered division.

None of the rest of a night is in it: no bad rows, no old numbers, no payments, no rules, no reasons, no explanations.
"""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

COLUMNS = {
    "population": {
        "certno": ("certno", "公民身份号码", "证件号码", "身份证号"),
        "resd_code": ("resd_code", "户籍地区划代码"),
        "resd_status": ("resd_status", "户籍状态"),
    },
    "enrollment": {
        "certno": ("certno", "公民身份号码", "证件号码", "身份证号"),
        "insutype": ("insutype", "险种"),
        "psn_insu_stas": ("psn_insu_stas", "参保状态"),
    },
}
"""The fields that the core reads, and the headers that they come under."""

IN_FORCE = ("1", "正常")
BASIC = ("310", "390")
LEVELS = (2, 6, 9, 12)


@dataclass(frozen=True)
class TextFile:
    """One file.

    Attributes:
        path: Where it lies.
        separator: Comma or tab.
        encoding: `utf-8` or `gb18030`.
        headers: Its header row.
        fields: Field to header.
    """

    path: Path
    separator: str
    encoding: str
    headers: tuple[str, ...]
    fields: dict[str, str]

    @property
    def places(self) -> dict[str, int]:
        """Field to column, counted from 0."""
        return {field: self.headers.index(header) for field, header in self.fields.items()}


def in_utf8(file: TextFile, scratch: Path) -> Path:
    """The file, or a copy of it in UTF-8: neither DuckDB nor Spark reads GB18030."""
    if file.encoding == "utf-8":
        return file.path
    copy = scratch / f"{file.path.parent.parent.name}-{file.path.name}"
    copy.write_text(file.path.read_bytes().decode(file.encoding, "replace"), encoding="utf-8", newline="")
    return copy


def text_files(landing: Path, source: str) -> list[TextFile]:
    """The text files of a source's newest delivery.

    Raises:
        SystemExit: A file of another kind, or without the columns: the engines are compared on generated data.
    """
    newest = max(path for path in (landing / source).iterdir() if path.is_dir())
    found = []
    for path in sorted(newest.iterdir()):
        if path.name == "manifest.json":
            continue
        if path.suffix not in {".csv", ".txt"}:
            raise SystemExit(f"{path}: only text files can be compared")
        with path.open("rb") as file:
            head = file.read(1 << 16)
        encoding = "gb18030"
        for cut in range(4):  # the block may end within a character
            try:
                head[: len(head) - cut].decode("utf-8")
            except UnicodeDecodeError:
                continue
            encoding = "utf-8"
            break
        line = head.split(b"\n", 1)[0].decode(encoding).lstrip("\ufeff").rstrip("\r")
        separator = "\t" if "\t" in line else ","
        headers = tuple(next(csv.reader(io.StringIO(line), delimiter=separator)))
        fields = {}
        for field, names in COLUMNS[source].items():
            header = next((name for name in headers if name.strip() in names), None)
            if header is None:
                raise SystemExit(f"{path}: no column for {field}")
            fields[field] = header
        found.append(TextFile(path, separator, encoding, headers, fields))
    return found
