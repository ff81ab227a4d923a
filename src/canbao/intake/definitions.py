"""The sources' definitions (`src/canbao/sources/*.toml`) and the code tables (`src/canbao/codes/*.csv`)."""

import csv
import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from canbao.intake.values import bare, squeeze
from canbao.paths import package_dir

TYPES = frozenset(
    {"text", "id", "birth_cert", "cert", "uscc", "admdvs", "division"}
    | {"date", "month", "year", "amount", "int", "bool", "code"}
)


@dataclass(frozen=True)
class Field:
    """One column of a source.

    Attributes:
        name: Field name of the contract; also a header.
        type: One of `TYPES`.
        headers: Headers that mean this field, besides its name.
        required: The column must be there (R or R!).
        not_blank: A blank or unreadable value rejects the row (R!).
        codes: Name of the code table, for type `code`.
        default: Value of a blank cell or of a missing column.
    """

    name: str
    type: str
    headers: tuple[str, ...] = ()
    required: bool = False
    not_blank: bool = False
    codes: str | None = None
    default: str | None = None

    @property
    def title(self) -> str:
        """The Chinese header by which messages name the column."""
        return self.headers[0] if self.headers else self.name


@dataclass(frozen=True)
class SourceDef:
    """One source of contract section 2.

    Attributes:
        name: Folder name in the landing area.
        title: Chinese name.
        kind: `snapshot` (the newest delivery counts) or `increment` (all do).
        fields: Columns in their staged order.
        key: Columns by which a later row replaces an earlier one; a row with a blank part of the key repeats nobody.
        county: Column whose first six digits are the county, for the guard against fallen row counts.
        one_of: Of these columns at least one must be there, and not blank in any row.
        required_source: No run without a delivery of it.
        max_rejected_share: More rejected rows than this share (and at least 10) block publishing.
        department: Who delivers it, in Chinese.
        rhythm_days: Days between two deliveries, as the department promised; None where nothing was agreed.
        harms: Codes of the products (`codes/product.csv`) that rest on it.
    """

    name: str
    title: str
    kind: str
    department: str
    key: tuple[str, ...]
    fields: tuple[Field, ...]
    county: str | None = None
    one_of: tuple[str, ...] = ()
    required_source: bool = False
    max_rejected_share: float = 0.05
    rhythm_days: int | None = None
    harms: tuple[str, ...] = ()
    fingerprint: str = field(default="", compare=False)

    def field(self, name: str) -> Field:
        """The field of that name; KeyError where there is none."""
        for one in self.fields:
            if one.name == name:
                return one
        raise KeyError(name)


@dataclass(frozen=True)
class CodeTable:
    """A code table: `spellings` maps the squeezed code, name and aliases to the code; `width` is the longest code."""

    spellings: Mapping[str, str]
    codes: frozenset[str]
    width: int

    def find(self, text: str) -> str | None:
        """The code that `text` (code, Chinese word, alias; also `1.0`, or `1` for `01`) means; None where unknown."""
        plain = bare(text).upper()
        if plain in self.spellings:
            return self.spellings[plain]
        plain = plain.removesuffix(".0")
        return self.spellings.get(plain) or (self.spellings.get(plain.zfill(self.width)) if plain.isdigit() else None)


@cache
def code_table(name: str) -> CodeTable:
    """Reads `codes/<name>.csv` (columns code, name, aliases separated by `|`; more columns are others' business).

    Raises:
        ValueError: Two codes share a spelling.
    """
    with _code_file(name).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    spellings = {squeeze(row["code"]).upper(): row["code"] for row in rows}
    for row in rows:
        for word in (row["name"], *(row["aliases"] or "").split("|")):
            plain = squeeze(word).upper()
            if plain and spellings.setdefault(plain, row["code"]) != row["code"]:
                raise ValueError(f"codes/{name}.csv: {word!r} stands for two codes")
    codes = frozenset(row["code"] for row in rows)
    return CodeTable(spellings, codes, max(map(len, codes)))


def _code_file(name: str) -> Path:
    return package_dir("codes") / f"{name}.csv"


def _field(raw: dict[str, Any], common: dict[str, list[str]]) -> Field:
    need = raw.get("need", "")
    headers = dict.fromkeys([*raw.get("headers", []), *common.get(raw["name"], [])])
    made = Field(
        name=raw["name"],
        type=raw["type"],
        headers=tuple(headers),
        required=need in {"R", "R!"},
        not_blank=need == "R!",
        codes=raw.get("codes"),
        default=raw.get("default"),
    )
    if made.type not in TYPES or need not in {"", "R", "R!"} or (made.type == "code") != (made.codes is not None):
        raise ValueError(f"field {made.name}: wrong type, need or codes")
    return made


def _source(path: Path, common: dict[str, list[str]]) -> SourceDef:
    raw = tomllib.loads(path.read_text(encoding="utf-8"))
    fields = tuple(_field(one, common) for one in raw.pop("fields"))
    raw.pop("measure", None)  # the catalogue of measures reads these (canbao.quality.catalogue)
    key, one_of = tuple(raw.pop("key")), tuple(raw.pop("one_of", ()))
    harms = tuple(raw.pop("harms", ()))
    made = SourceDef(name=path.stem, fields=fields, key=key, one_of=one_of, harms=harms, **raw)
    names = {one.name for one in fields}
    if made.kind not in {"snapshot", "increment"} or not names.issuperset({*made.key, *made.one_of}):
        raise ValueError(f"{path.name}: wrong kind, key or one_of")
    tables = [_code_file(one.codes).read_text(encoding="utf-8") for one in fields if one.codes]
    read_by = asdict(made)
    for other in ("rhythm_days", "harms"):  # how a file is read does not depend on when it was due, nor for what
        del read_by[other]
    text = json.dumps([read_by, tables], ensure_ascii=False, sort_keys=True)
    return SourceDef(**{**made.__dict__, "fingerprint": hashlib.sha256(text.encode()).hexdigest()})


@cache
def load_definitions() -> dict[str, SourceDef]:
    """All sources by name, in the order of their names."""
    folder = package_dir("sources")
    common = tomllib.loads((folder / "_common.toml").read_text(encoding="utf-8"))["headers"]
    paths = sorted(path for path in folder.glob("*.toml") if not path.name.startswith("_"))
    return {path.stem: _source(path, common) for path in paths}
