"""The 简报: the usual sentences of an office from the ledger, as text and as a Word file (U44).

What is said, and when, is data (`brief.toml`). No number stands in the text that is not a figure of a published table:
a sentence's own words may not hold a digit, and every figure is returned with the cells that it was made from, so that
a test can tie each number in the finished files back to them.
"""

import datetime as dt
import functools
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import polars as pl

from canbao.errors import UserError
from canbao.paths import package_dir
from canbao.reports.layout import load_layout
from canbao.reports.office import chinese_date
from canbao.reports.paper import Fonts, Paper
from canbao.reports.stamps import verdicts

_FILE = Path(__file__).with_name("brief.toml")
_PLACEHOLDER = re.compile(r"\{([a-z_0-9]+)\}")
_DIGIT = re.compile(r"\d")
_NUMERALS = "一二三四五六七八九十"
_TABLES = ("ledger", "evaluation", "bridge", "verdict")
_GIVEN = ("area", "unit", "year", "as_of", "previous", "version", "dash")
_NOTES = {"household_note": "household", "residence_note": "residence"}


@dataclass(frozen=True)
class Tie:
    """Which cells a piece of the text comes from.

    Attributes:
        name: The placeholder.
        text: As printed.
        kind: cell (a number of people), rate (percent of two cells), gap (difference without sign), change (the sum of
            the cells' differences, without sign), count (of divisions), name, quoted (a cell's own words), given (not
            of a table: date, year, threshold, version).
        cells: `table:basis:division:measure[:cause]` and so on; what is given stands as `given:name`.
        start: Where it begins in its line.
        end: Behind its last character.
    """

    name: str
    text: str
    kind: str
    cells: tuple[str, ...]
    start: int = 0
    end: int = 0


@dataclass(frozen=True)
class Line:
    """One line of the brief: role (title, head, heading, lead, body, unit, date, note), words, ties in their order."""

    role: str
    text: str
    ties: tuple[Tie, ...] = ()


@dataclass(frozen=True)
class Sentence:
    """A sentence of `brief.toml` with its conditions."""

    text: str
    positive: tuple[str, ...] = ()
    zero: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    no_tables: tuple[str, ...] = ()
    levels: tuple[int, ...] = ()


@dataclass(frozen=True)
class Definition:
    """`brief.toml`, read and verified."""

    raw: Mapping[str, Any]
    sections: tuple[tuple[str, tuple[tuple[str, str, tuple[Sentence, ...]], ...]], ...]
    fonts: Fonts


@functools.cache
def load_definition(overlay: Path | None = None) -> Definition:
    """Read the sentences.

    Args:
        overlay: An office's own file; each of its tables (`title`, `threshold`, `section`, …) takes the place of ours,
            `value`, `threshold`, `words` and `font` entry by entry.

    Raises:
        UserError: It cannot be read, a sentence's own words hold a digit, or it names a figure that is not declared.
    """
    raw = tomllib.loads(_FILE.read_text("utf-8"))
    if overlay is not None:
        try:
            own = tomllib.loads(overlay.read_text("utf-8-sig"))
        except (OSError, ValueError) as error:
            raise UserError(f"简报设置 {overlay} 无法读取：{error}。请改正后重新运行。") from None
        merged = ("value", "threshold", "words", "font")
        raw = {**raw, **own, **{key: {**raw[key], **own.get(key, {})} for key in merged}}
    try:
        sections = tuple(
            (
                section["heading"],
                tuple(
                    (p.get("lead", ""), p.get("basis", "household"), tuple(_sentence(s) for s in p["sentences"]))
                    for p in section["paragraph"]
                ),
            )
            for section in raw["section"]
        )
        _verify(raw, [s for _, paragraphs in sections for *_, sentences in paragraphs for s in sentences])
        return Definition(raw, sections, Fonts(**raw["font"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"简报设置 {overlay or _FILE.name} 有误：{error}。请改正后重新运行。") from None


def _sentence(entry: Mapping[str, Any]) -> Sentence:
    conditions = {key: tuple(value) for key, value in entry.items() if key != "text"}
    return Sentence(str(entry["text"]), **conditions)


def _verify(raw: Mapping[str, Any], sentences: Sequence[Sentence]) -> None:
    known = {*raw["value"], *_measures(), *_GIVEN, *_NOTES}
    for sentence in sentences:
        names = _PLACEHOLDER.findall(sentence.text)
        asked = {*names, *sentence.positive, *sentence.zero, *sentence.negative}
        if missing := sorted(asked - known):
            raise ValueError(f"没有名为 {'、'.join(missing)} 的数字")
        if _DIGIT.search(_PLACEHOLDER.sub("", sentence.text)):
            raise ValueError(f"句子中不能直接写数字：{sentence.text}")
        if unknown := sorted({*sentence.tables, *sentence.no_tables} - {*_TABLES}):
            raise ValueError(f"没有名为 {'、'.join(unknown)} 的表")


@functools.cache
def _measures() -> frozenset[str]:
    """Measures that the printed ledger knows."""
    raw = tomllib.loads(_FILE.with_name("ledger_layout.toml").read_text("utf-8"))
    return frozenset(column["measure"] for column in raw["column"] if "measure" in column)


@functools.cache
def _causes() -> Mapping[str, str]:
    """Causes of a change and their titles, in the order in which they are told."""
    rows = pl.read_csv(package_dir("codes") / "change_cause.csv", infer_schema=False)
    return dict(rows.select("code", "title").iter_rows())


# ---------------------------------------------------------------------------------------------------- the figures


@dataclass(frozen=True)
class Tables:
    """What the brief reads of a publication: cities and districts only.

    Attributes:
        ledger: (basis, division, measure) to persons.
        names: Division to its name, in the order of the codes.
        city: Code of the city.
        year: Insured year.
        as_of: As-of date.
        evaluation: (division, measure) to its row.
        bridge: (basis, division, measure, cause) to persons more or, negative, fewer than in the publication before.
        sides: `<cell of the bridge>:added` and `:removed` to persons who came and, negative, who left.
        missing: Districts where nobody should be insured any more while somebody should in the publication before: no
            figure of theirs is printed.
        verdicts: Product to its row, as the table `verdict` has it.
        present: Tables that are there and not empty.
        delivered: Sources of which a file was used; None where that is not known.
    """

    ledger: Mapping[tuple[str, str, str], int]
    names: Mapping[str, str]
    city: str
    year: int
    as_of: dt.date
    evaluation: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    bridge: Mapping[tuple[str, str, str, str], int] = field(default_factory=dict)
    sides: Mapping[str, int] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    verdicts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    present: frozenset[str] = frozenset()
    delivered: frozenset[str] | None = None

    @property
    def districts(self) -> list[str]:
        """Codes of the districts, in order."""
        return [code for code in self.names if code != self.city]

    def below(self, division: str) -> list[str]:
        """The divisions right below that the brief knows."""
        return self.districts if division == self.city else []


def read_tables(folder: Path) -> Tables:
    """Read the tables of a publication or a draft, as far as they are there.

    Raises:
        ValueError: The ledger has no city, or more than one.
    """
    cells = (
        pl.scan_parquet(folder / "ledger.parquet")
        .filter((pl.col("level") <= 2) & ~pl.col("division_code").str.ends_with("-"))
        .sort("level", "division_code")
        .collect()
    )
    cities = cells.filter(pl.col("level") == 1)["division_code"].unique().to_list()
    if len(cities) != 1:
        raise ValueError(f"a brief is of one city; the ledger has {len(cities)}")
    first = cells.row(0, named=True)
    evaluation = _rows(folder / "evaluation.parquet")
    bridge = _rows(folder / "bridge.parquet")
    judged = verdicts(folder)
    files = _rows(folder / "load_file.parquet")
    there = {"ledger": cells.height, "evaluation": evaluation, "bridge": bridge, "verdict": judged}
    return Tables(
        ledger={(r["basis"], r["division_code"], r["measure"]): r["value"] for r in cells.iter_rows(named=True)},
        names=dict(cells.select("division_code", "division_name").unique(maintain_order=True).iter_rows()),
        city=cities[0],
        year=first["insu_year"],
        as_of=first["as_of"],
        evaluation={(r["division_code"], r["measure"]): r for r in evaluation},
        bridge={(r["basis"], r["division_code"], r["measure"], r["cause"]): r["delta"] for r in bridge},
        sides={
            f"bridge:{r['basis']}:{r['division_code']}:{r['measure']}:{r['cause']}:{side}": sign * r[side]
            for r in bridge
            for side, sign in (("added", 1), ("removed", -1))
            if side in r
        },
        missing=frozenset(
            r["division_code"]
            for r in bridge
            if r["basis"] == "household" and r["measure"] == "should_be_insured" and r["division_code"] != cities[0]
            if r.get("previous", 0) > 0 and not r.get("value", 1)
        ),
        verdicts=judged,
        present=frozenset(name for name, found in there.items() if found),
        delivered=frozenset(r["source"] for r in files if r["state"] == "accepted") if files else None,
    )


def _rows(file: Path) -> list[dict[str, Any]]:
    return pl.read_parquet(file).to_dicts() if file.is_file() else []


@dataclass(frozen=True)
class _Figure:
    """A figure: the pieces that are printed, and its value with its sign for conditions."""

    pieces: tuple["str | Tie", ...]
    value: int | None = None


def people(number: int) -> str:
    """A number of people with thousands separators."""
    return f"{number:,}"


def percent(numerator: int, denominator: int) -> str:
    """Percent with two decimals, half away from zero, as the workbooks have it; — where the denominator is 0."""
    if not denominator:
        return "—"
    share = Decimal(100 * numerator) / Decimal(denominator)
    return f"{share.quantize(Decimal('0.01'), ROUND_HALF_UP):,}%"


@dataclass(frozen=True)
class _Scope:
    """Figures for one division and basis."""

    tables: Tables
    raw: Mapping[str, Any]
    division: str
    given: Mapping[str, str]
    released: Sequence[str]
    basis: str = ""

    @property
    def words(self) -> Mapping[str, str]:
        words: Mapping[str, str] = self.raw["words"]
        return words

    def figure(self, name: str) -> _Figure | None:
        """The figure of that name; None where it cannot be had."""
        if name in self.given:
            text = self.given[name]
            return _Figure((Tie(name, text, "given", (f"given:{name}",)),)) if text else None
        if name in _NOTES:
            note = next((b.note for b in load_layout(()).bases if b.code == _NOTES[name]), "")
            return _Figure((note,)) if note else None
        if name not in self.raw["value"]:
            return self._cell(name, name)
        entry = dict(self.raw["value"][name])
        scope = replace(self, basis=entry.pop("basis", self.basis))
        ((kind, wish),) = entry.items()
        makers: dict[str, Callable[[str, Any], _Figure | None]] = {
            "measure": scope._cell,
            "rate": scope._rate,
            "gap": scope._gap,
            "change": scope._change,
            "bridge": scope._bridge,
            "causes": scope._causes,
            "evaluation": scope._evaluation,
            "divisions": scope._divisions,
            "below_count": scope._below_count,
            "below_list": scope._below_list,
            "without_rate": scope._without_rate,
            "threshold": scope._threshold,
            "threshold_source": scope._threshold_source,
            "products": scope._products,
            "released": scope._released,
            "missing": scope._missing,
        }
        return makers[kind](name, wish)

    def _value(self, measure: str, division: str = "") -> int | None:
        return self.tables.ledger.get((self.basis, division or self.division, measure))

    def _key(self, measure: str, division: str = "") -> str:
        return f"ledger:{self.basis}:{division or self.division}:{measure}"

    def _pair(self, measures: Sequence[str]) -> tuple[int, int, tuple[str, ...]] | None:
        a, b = (self._value(measure) for measure in measures)
        return None if a is None or b is None else (a, b, tuple(map(self._key, measures)))

    def _cell(self, name: str, measure: str) -> _Figure | None:
        value = self._value(measure)
        return None if value is None else _Figure((Tie(name, people(value), "cell", (self._key(measure),)),), value)

    def _rate(self, name: str, measures: Sequence[str]) -> _Figure | None:
        found = self._pair(measures)
        return found and _Figure((Tie(name, percent(found[0], found[1]), "rate", found[2]),))

    def _gap(self, name: str, measures: Sequence[str]) -> _Figure | None:
        found = self._pair(measures)
        if found is None:
            return None
        gap = found[0] - found[1]
        return _Figure((Tie(name, people(abs(gap)), "gap", found[2]),), gap)

    def _change(self, name: str, measures: Sequence[str]) -> _Figure | None:
        found = self._pair(measures)
        return found and self._moved(name, found[0] - found[1], "gap", found[2])

    def _moved(self, name: str, delta: int, kind: str, cells: tuple[str, ...]) -> _Figure:
        """增加…人, 减少…人 or 持平."""
        if not delta:
            return _Figure((Tie(name, self.words["same"], kind, cells),), 0)
        before, after = self.words["rise" if delta > 0 else "fall"].split("{number}")
        return _Figure((before, Tie(name, people(abs(delta)), kind, cells), after), delta)

    def _deltas(self, measure: str) -> dict[str, tuple[int, tuple[str, ...]]] | None:
        """Cause to the difference it makes and its cells; None where no earlier publication is compared with."""
        bridge = self.tables.bridge
        have = {(basis, division) for basis, division, of, _ in bridge if of == measure}
        places = [self.division]
        if (self.basis, self.division) not in have:
            places = [code for code in self.tables.below(self.division) if (self.basis, code) in have]
        if not places:
            return None
        found: dict[str, tuple[int, tuple[str, ...]]] = {}
        for (basis, division, of, cause), delta in sorted(bridge.items()):
            if basis == self.basis and division in places and of == measure:
                total, cells = found.get(cause, (0, ()))
                found[cause] = (total + delta, (*cells, f"bridge:{basis}:{division}:{of}:{cause}"))
        return found

    def _bridge(self, name: str, measure: str) -> _Figure | None:
        found = self._deltas(measure)
        if found is None:
            return None
        cells = tuple(cell for _, part in found.values() for cell in part)
        return self._moved(name, sum(delta for delta, _ in found.values()), "change", cells)

    def _causes(self, name: str, measure: str) -> _Figure | None:
        found = self._deltas(measure)
        if found is None:
            return None
        titles = _causes()
        pieces: list[str | Tie] = []
        for cause in [*titles, *sorted(found.keys() - titles.keys())]:
            delta, cells = found.get(cause, (0, ()))
            parts = [(titles.get(cause, cause), delta, cells)]
            sides = self.raw.get("split", {}).get(cause, {}).get(measure, {})
            if sides and all(f"{cell}:{side}" in self.tables.sides for cell in cells for side in sides):
                both = {side: tuple(f"{cell}:{side}" for cell in cells) for side in sides}
                parts = [(sides[side], sum(self.tables.sides[c] for c in of), of) for side, of in both.items()]
            for title, moves, of in parts:
                if moves:
                    moved = self._moved(name, moves, "change", of).pieces
                    pieces += [self.words["listed"] if pieces else "（", title, *moved]
        return _Figure((*pieces, "）") if pieces else ())

    def _evaluation(self, name: str, wish: Sequence[str]) -> _Figure | None:
        measure, column = wish
        row = self.tables.evaluation.get((self.division, measure))
        if row is None or row[column] is None:
            return None
        cell = f"evaluation:{self.division}:{measure}:{column}"
        if column == "value":
            return _Figure((Tie(name, percent(row["numerator"], row["denominator"]), "rate", (cell,)),))
        return _Figure((Tie(name, people(row[column]), "cell", (cell,)),), row[column])

    def _divisions(self, name: str, _: Any) -> _Figure | None:
        codes = self.tables.below(self.division)
        return _Figure((Tie(name, people(len(codes)), "count", tuple(codes)),), len(codes)) if codes else None

    def _low(self, rate: str) -> list[tuple[str, int, int]] | None:
        """Divisions right below whose rate is under the threshold, by code (where nobody should be insured is none)."""
        codes = self.tables.below(self.division)
        limit = Decimal(str(self.raw["threshold"][rate]["percent"]))
        above, beneath = self.raw["value"][rate]["rate"]
        pairs = [(code, self._value(above, code), self._value(beneath, code)) for code in codes]
        known = [(code, a, b) for code, a, b in pairs if a is not None and b is not None]
        if not codes or len(known) != len(codes):
            return None
        return [(code, a, b) for code, a, b in known if b and 100 * a < limit * b]

    def _below_count(self, name: str, rate: str) -> _Figure | None:
        low = self._low(rate)
        cells = tuple(code for code, *_ in low or ())
        return None if low is None else _Figure((Tie(name, people(len(low)), "count", cells),), len(low))

    def _below_list(self, name: str, rate: str) -> _Figure | None:
        low = self._low(rate)
        if low is None:
            return None
        before, between, after = re.split(r"\{name\}|\{rate\}", self.words["place"])
        above, beneath = self.raw["value"][rate]["rate"]
        pieces: list[str | Tie] = []
        for code, a, b in low:
            cells = (self._key(above, code), self._key(beneath, code))
            pieces += [self.words["listed"]] if pieces else []
            pieces += [before, Tie(name, self.tables.names[code], "name", (code,)), between]
            pieces += [Tie(name, percent(a, b), "rate", cells), after]
        return _Figure(tuple(pieces))

    def _without_rate(self, name: str, rate: str) -> _Figure | None:
        codes = self.tables.below(self.division)
        cells = tuple(code for code in codes if self._value(self.raw["value"][rate]["rate"][1], code) == 0)
        return _Figure((Tie(name, people(len(cells)), "count", cells),), len(cells)) if codes else None

    def _threshold(self, name: str, of: str) -> _Figure:
        text = f"{self.raw['threshold'][of]['percent']}%"
        return _Figure((Tie(name, text, "given", (f"given:threshold.{of}.percent",)),))

    def _threshold_source(self, name: str, of: str) -> _Figure:
        return _Figure((Tie(name, self.raw["threshold"][of]["source"], "given", (f"given:threshold.{of}.source",)),))

    def _products(self, name: str, verdict: str) -> _Figure | None:
        pieces: list[str | Tie] = []
        for product, row in self.tables.verdicts.items():
            if row["verdict"] != verdict:
                continue
            pieces += [self.words["listed"]] if pieces else []
            title = Tie(name, row["title"], "quoted", (f"verdict:{product}:title",))
            reason = (row["reason"] or "").rstrip("。；")
            if verdict == "usable" or not reason:
                pieces.append(title)
                continue
            before, between, after = re.split(r"\{title\}|\{reason\}", self.words["reason"])
            pieces += [before, title, between, Tie(name, reason, "quoted", (f"verdict:{product}:reason",)), after]
        return _Figure(tuple(pieces)) if pieces else None

    def _released(self, name: str, _: Any) -> _Figure | None:
        text = "；".join(line.rstrip("。；") for line in self.released)
        return _Figure((Tie(name, text, "given", ("given:released",)),)) if text else None

    def _missing(self, name: str, _: Any) -> _Figure | None:
        codes = [code for code in self.tables.below(self.division) if code in self.tables.missing]
        pieces: list[str | Tie] = []
        for code in codes:
            pieces += [self.words["listed"]] if pieces else []
            pieces.append(Tie(name, self.tables.names[code], "name", (code,)))
        return _Figure(tuple(pieces), len(codes)) if codes else None


# ---------------------------------------------------------------------------------------------------- the sentences


def compose(
    tables: Tables,
    definition: Definition,
    division: str,
    *,
    previous: dt.date | None = None,
    released: Sequence[str] = (),
    version: str = "",
) -> list[Line]:
    """The brief of one division, line by line.

    Args:
        tables: What the publication says.
        definition: What is said.
        division: The city's or a district's code.
        previous: As-of date of the publication that the bridge compares with.
        released: Lines about checks that were let pass.
        version: The publication's id.

    Returns:
        Lines with their ties; a sentence whose figures cannot be had is not among them.
    """
    area = tables.names[division]
    given = {
        "area": area,
        "unit": definition.raw["unit"].replace("{area}", area),
        "year": str(tables.year),
        "as_of": chinese_date(tables.as_of),
        "previous": chinese_date(previous) if previous else "",
        "version": version,
        "dash": definition.raw["words"]["dash"],
    }

    own = _Scope(tables, definition.raw, division, given, released)
    level = 1 if division == tables.city else 2
    lines = [_line("title", definition.raw["title"], own)]
    lines += [_line(role, definition.raw[role], own) for role in ("head_left", "head_right")]
    lines += [_line("body", text, own) for text in definition.raw["top"]] if level == 1 else []
    is_missing = division in tables.missing
    if is_missing:
        lines.append(_line("body", definition.raw["missing"], own))
    number = 0
    for heading, paragraphs in () if is_missing else definition.sections:
        printed: list[tuple[str, Line]] = []
        for lead, basis, sentences in paragraphs:
            here = replace(own, basis=basis)
            said = [line for s in sentences if _holds(s, here, level) and (line := _line("body", s.text, here))]
            if said:
                printed.append((lead, functools.reduce(_joined, said)))
        if not printed:
            continue
        lines.append(Line("heading", f"{_NUMERALS[number]}、{heading}"))
        number += 1
        leads = 0
        for lead, line in printed:
            if lead:
                lines.append(Line("lead", f"（{_NUMERALS[leads]}）{lead}"))
                leads += 1
            lines.append(line)
    lines += [_line("unit", "{unit}", own), _line("date", "{as_of}", own)]
    lines.append(_line("note", definition.raw["version"], own))
    return [line for line in lines if line is not None]


def _holds(sentence: Sentence, scope: _Scope, level: int) -> bool:
    tables = scope.tables
    if sentence.levels and level not in sentence.levels:
        return False
    if not tables.present.issuperset(sentence.tables) or not tables.present.isdisjoint(sentence.no_tables):
        return False
    if tables.delivered is not None and not tables.delivered.issuperset(sentence.sources):
        return False

    def all_are(names: Sequence[str], wanted: Callable[[int], bool]) -> bool:
        figures = [scope.figure(name) for name in names]
        return all(f is not None and f.value is not None and wanted(f.value) for f in figures)

    return (
        all_are(sentence.positive, lambda v: v > 0)
        and all_are(sentence.zero, lambda v: v == 0)
        and all_are(sentence.negative, lambda v: v < 0)
    )


def _line(role: str, template: str, scope: _Scope) -> Line | None:
    """A line with its figures filled in; None where one of them cannot be had."""
    words, ties = "", []
    for n, part in enumerate(_PLACEHOLDER.split(template)):
        if n % 2 == 0:
            words += part
            continue
        figure = scope.figure(part)
        if figure is None:
            return None
        for piece in figure.pieces:
            if isinstance(piece, str):
                words += piece
            else:
                ties.append(replace(piece, start=len(words), end=len(words) + len(piece.text)))
                words += piece.text
    return Line(role, words, tuple(ties))


def _joined(a: Line, b: Line) -> Line:
    shift = len(a.text)
    ties = tuple(replace(tie, start=tie.start + shift, end=tie.end + shift) for tie in b.ties)
    return Line(a.role, a.text + b.text, a.ties + ties)


# ---------------------------------------------------------------------------------------------------- the files


def as_text(lines: Sequence[Line]) -> str:
    """The brief as plain text: Windows' line ends, since its old editor shows no other; UTF-8 when written."""
    indent = {"lead": "　　", "body": "　　", "heading": "　　"}
    out = []
    for line in lines:
        if line.role == "unit":
            out.append("")
        out.append(indent.get(line.role, "") + line.text)
    return "\r\n".join(out) + "\r\n"


def write_brief(
    folder: Path,
    out: Path,
    *,
    previous: dt.date | None = None,
    released: Sequence[str] = (),
    version: str = "",
    overlay: Path | None = None,
) -> dict[str, list[Line]]:
    """Write `brief.txt` and `brief.docx` of the city and `brief/<first six digits>.txt` of each district.

    Args:
        folder: A publication or a draft with `ledger.parquet`; `evaluation`, `bridge`, `verdict` and `load_file` are
            read if they are there.
        out: The folder of the reports.
        previous: As-of date of the publication that the bridge compares with.
        released: Lines about checks that were let pass (`release_lines`).
        version: The publication's id.
        overlay: An office's own sentences (`<home>/brief.toml`), if it is there.

    Returns:
        Division to its lines, the city first. Same tables, same bytes.
    """
    definition = load_definition(overlay if overlay is not None and overlay.is_file() else None)
    tables = read_tables(folder)
    briefs = {
        code: compose(tables, definition, code, previous=previous, released=released, version=version)
        for code in [tables.city, *tables.districts]
    }
    (out / "brief").mkdir(parents=True, exist_ok=True)
    for code, lines in briefs.items():
        target = out / ("brief.txt" if code == tables.city else f"brief/{code[:6]}.txt")
        target.write_bytes(as_text(lines).encode("utf-8"))
    _write_paper(briefs[tables.city], out / "brief.docx", definition.fonts, tables.as_of)
    return briefs


def _write_paper(lines: Sequence[Line], target: Path, fonts: Fonts, as_of: dt.date) -> None:
    by_role = {line.role: line.text for line in lines}
    paper = Paper(title=by_role["title"], fonts=fonts, created=as_of)
    for line in lines:
        if line.role == "head_left":
            paper.masthead(line.text, by_role["head_right"])
        elif line.role != "head_right":
            getattr(paper, line.role)(line.text)
    paper.save(target)
