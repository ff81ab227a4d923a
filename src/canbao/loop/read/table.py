"""From the cells of sheets to rows of persons: heads, keys, what is no row, and what was answered."""

import json
import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Any

from canbao.intake.headers import normalise
from canbao.intake.problems import mask, without_numbers
from canbao.intake.values import DAMAGED, bare, is_total, means_blank, read_cert, read_text, squeeze
from canbao.loop.read import Problem, limits
from canbao.loop.read.answers import Reason, read_day, read_reason
from canbao.loop.read.grid import Grid, Line
from canbao.loop.read.words import note, refused, words

KEYS = ("row_code", "certno")
ANSWERS = ("reason", "found_date", "end_date", "note", "reporter")
_MERGEABLE = frozenset({"batch_id", "division_code", *ANSWERS})
_PARENTHESIS = re.compile(r"\([^()]*\)$")
_CHINESE = re.compile("[\u3400-\u9fff]")
_DIGITS = re.compile(r"\d")
_LONG_NUMBER = re.compile(r"\d{5,}")
_ERROR = re.compile(r"#(?:N/A|REF!|VALUE!|NAME\?|DIV/0!|NUM!|NULL!)", re.IGNORECASE)
_LEAST_NAMES, _LONGEST_HEADING = 3, 40
_MOST_FILLED = 5 * limits.ROWS


@cache
def _headings() -> dict[str, tuple[str, int]]:
    """Field and rank of every heading."""
    return {normalise(one): (name, rank) for name, ones in words()["headings"].items() for rank, one in enumerate(ones)}


@cache
def _weak() -> dict[str, tuple[str, int]]:
    listed = words()["weak"]
    return {normalise(one): ("reason", rank) for rank, one in enumerate(listed["reason"])}


@cache
def _ours() -> frozenset[str]:
    return frozenset(map(normalise, words()["weak"]["ours"]))


@dataclass
class Head:
    """Where the fields of a sheet lie from a line on.

    Attributes:
        line: Its row.
        places: Columns of each field, the ones that count.
        titles: Text of every column's heading.
        names: What its columns are called in `Returned.rows.raw`.
    """

    line: int
    places: dict[str, list[int]]
    titles: dict[int, str]
    names: dict[int, str] = field(default_factory=dict)

    @property
    def has_key(self) -> bool:
        """Whether it says where the persons stand."""
        return any(name in self.places for name in KEYS)

    def title(self, name: str) -> str:
        """The heading of a field, without line breaks."""
        return squeeze(self.titles.get(self.places[name][0], "")) or words()["headings"][name][0]


def _named(line: Line) -> int:
    """How many of a line's cells are headings."""
    plain = [normalise(title) for title in line.cells.values() if len(title) <= _LONGEST_HEADING]
    return sum(one in _headings() or _PARENTHESIS.sub("", one) in _headings() for one in plain)


def find_head(line: Line, above: Line | None = None) -> Head | None:
    """The head that a line is, if it is one; `above` fills columns that it leaves blank (heads of two lines)."""
    titles = dict(line.cells)
    if above is not None:
        titles = above.cells | titles
    found: dict[str, list[tuple[int, int]]] = {}
    weak: dict[str, list[tuple[int, int]]] = {}
    ours = False
    for column, title in sorted(titles.items()):
        if len(title) > _LONGEST_HEADING:
            continue
        plain = normalise(title)
        bare_title = _PARENTHESIS.sub("", plain)
        ours = ours or bare_title in _ours()
        for known, place in ((_headings(), found), (_weak(), weak)):
            hit = known.get(plain) or known.get(bare_title)
            if hit:
                place.setdefault(hit[0], []).append((hit[1], column))
    if not ours:
        for name, hits in weak.items():
            found.setdefault(name, hits)
    keyed = any(name in found for name in KEYS)
    if len(found) < (2 if keyed else _LEAST_NAMES):
        return None
    places = {}
    for name, hits in found.items():
        best = min(rank for rank, _ in hits)
        joined = name in words()["joined"]["fields"]
        places[name] = [column for rank, column in hits if joined or rank == best]
    return Head(line.number, places, titles)


@dataclass
class Reading:
    """What was read so far of a file."""

    today: date
    sheets: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _lines: int = 0
    _unread: list[str] = field(default_factory=list)
    _names: dict[str, int] = field(default_factory=dict)

    def read(self, grid: Grid) -> None:
        """Adds a sheet."""
        grid.name = self._unlike(without_numbers(squeeze(grid.name))[:40])
        self._lines += len(grid.lines)
        if self._lines > limits.ROWS:
            raise refused("too_many_rows", count=f"{limits.ROWS:,}")
        for line in grid.lines:
            if len(line.cells) > limits.COLUMNS:
                raise refused("too_many_columns", sheet=grid.name, count=limits.COLUMNS)
        if not grid.lines:
            return
        _Sheet(self, grid).read()

    def _unlike(self, name: str) -> str:
        """A name that no sheet had before."""
        count = self._names[name] = self._names.get(name, 0) + 1
        return name if count == 1 else f"{name}~{count}"

    def finish(self) -> None:
        """Says what concerns the file as a whole.

        Raises:
            FileRefused: Nothing of it could be read.
        """
        if not self._lines:
            raise refused("empty")
        if not self.sheets:
            raise refused(next((code for code in ("no_header", "no_key_column") if code in self._unread), "no_list"))
        if len(self.problems) > limits.PROBLEMS:
            self.notes.append(note("many_problems", count=f"{limits.PROBLEMS:,}"))


class _Sheet:
    """One sheet."""

    def __init__(self, reading: Reading, grid: Grid) -> None:
        self.reading = reading
        self.grid = grid
        self.head: Head | None = None
        self.title_batch: str | None = None
        self.merged_reasons: set[int] = set()
        self.totals = 0
        self.heads = 0

    def tell(self, line: int, code: str, **parts: object) -> None:
        message = words()["problems"][code].format(sheet=self.grid.name, **parts)
        self.reading.problems.append(Problem(self.grid.name, line, code, message))

    def read(self) -> None:
        heads = self._heads()
        if not heads:
            self._without_head()
            return
        if self.grid.hidden:
            count = sum(1 for one in self.grid.lines if one.number > min(heads) and one.number not in heads)
            if count and heads[min(heads)].has_key:
                self.tell(0, "hidden_sheet", count=count)
            return
        first = heads[min(heads)]
        self._code_columns(heads)
        if not first.has_key:
            self.reading._unread.append("no_key_column")
            self.tell(0, "no_key_column")
            return
        self.reading.sheets.append(self.grid.name)
        if any("reason" not in head.places for head in heads.values()):
            self.tell(0, "no_answer")
        self._fill_merged(heads)
        hidden = 0
        for line in self.grid.lines:
            if line.number in heads:
                self.head = heads[line.number]
                self.heads += 1
            elif self.head is None or self._is_title(line):
                self._title(line)
            else:
                hidden += line.hidden
                self._row(line)
        self._notes(hidden)

    def _notes(self, hidden: int) -> None:
        name = self.grid.name
        if hidden:
            self.reading.notes.append(note("hidden_rows", sheet=name, count=hidden))
        if self.totals:
            self.reading.notes.append(note("totals", sheet=name, count=self.totals))
        if self.heads > 1:
            self.reading.notes.append(note("repeated_head", sheet=name, count=self.heads - 1))

    def _heads(self) -> dict[int, Head]:
        """The heads of the sheet by their last line: the first, and those of lists that were pasted below."""
        found: dict[int, Head] = {}
        keys: list[int] = []
        above: Line | None = None
        for line in self.grid.lines:
            if any(_DIGITS.search(line.cells.get(column, "")) for column in keys):
                above = None
                continue  # a person: the usual case, and the quick one
            head = find_head(line)
            if above is not None and above.number == line.number - 1 and 2 * _named(line) >= max(2, len(line.cells)):
                both = find_head(line, above)
                if both is not None and (head is None or len(both.places) > len(head.places)):
                    found.pop(above.number, None)
                    head = both
            if head is not None and found and not head.has_key and len(head.places) <= _LEAST_NAMES:
                head = None  # a line for signatures
            if head is not None:
                found[line.number] = head
                keys = [column for name in KEYS for column in head.places.get(name, ())]
            above = line
        return found

    def _code_columns(self, heads: dict[int, Head]) -> None:
        """Looks for row codes in columns whose heading does not say so."""
        numbers = [line.number for line in self.grid.lines]
        starts = [bisect_right(numbers, line) for line in sorted(heads)]
        found = False
        for line, start, end in zip(sorted(heads), starts, [*starts[1:], None], strict=True):
            if "row_code" not in heads[line].places:
                column = _find_codes(self.grid.lines[start:end])
                if column is not None:
                    heads[line].places["row_code"] = [column]
                    found = True
        if found:
            self.reading.notes.append(note("code_column", sheet=self.grid.name))

    def _without_head(self) -> None:
        if _find_codes(self.grid.lines) is not None and not self.grid.hidden:
            self.reading._unread.append("no_header")
            self.tell(0, "no_header")
        elif not self.grid.hidden:
            self.reading.notes.append(note("not_list", sheet=self.grid.name))

    def _title(self, line: Line) -> None:
        for text in line.cells.values():
            match = re.search(words()["rows"]["batch_in_title"], text)
            if match and (self.title_batch is None or self.head is not None):
                self.title_batch = match[1]

    @staticmethod
    def _is_title(line: Line) -> bool:
        """Whether a line stands above a list that was pasted below another."""
        texts = list(line.cells.values())
        return len(texts) == 1 and re.search(words()["rows"]["batch_in_title"], texts[0]) is not None

    def _fill_merged(self, heads: dict[int, Head]) -> None:
        """Gives each row of a merged answer what stands in its first one."""
        if not self.grid.merged:
            return
        by_number = {line.number: line for line in self.grid.lines}
        numbers = sorted(by_number)
        starts = sorted(heads)
        filled = 0
        for first, last, column in self.grid.merged:
            top = by_number.get(first)
            if top is None or column not in top.cells or first in heads:
                continue
            before = bisect_left(starts, first)
            if not before:
                continue
            head = heads[starts[before - 1]]
            names = [name for name, columns in head.places.items() if column in columns]
            if not names or names[0] not in _MERGEABLE:
                continue
            rows = numbers[bisect_left(numbers, first) : bisect_right(numbers, last)]
            filled += len(rows)
            if filled > _MOST_FILLED:
                raise refused("suspicious")
            for number in rows:
                line = by_number[number]
                if number in heads:
                    continue
                line.cells.setdefault(column, top.cells[column])
                if column in top.numbers:
                    line.numbers |= {column}
                if names[0] == "reason":
                    self.merged_reasons.add(number)

    def _row(self, line: Line) -> None:
        head = self.head
        assert head is not None
        pending: list[tuple[str, dict[str, object]]] = []
        found = {name: self._cell(line, head, name, pending) for name in words()["headings"]}
        code, shown = found["row_code"], found["certno"]
        if code and _CHINESE.search(code):
            found["row_code"] = code = None
        certno = self._certno(line, head, shown, pending)
        reason = read_reason(found["reason"] or "")
        if "two_values" in (code for code, _ in pending) and " / " in (found["reason"] or ""):
            reason = Reason(None)
        if not code and not certno and not self._lost(line, found, reason.code is not None):
            self.totals += self._is_total(line)
            return
        if not code and not certno:
            pending.append(("no_key", {}))
        if reason.problem:
            pending.append((reason.problem, {"text": _shown(found["reason"] or ""), "title": head.title("reason")}))
        days: dict[str, date | None] = {}
        for name, ends in (("found_date", False), ("end_date", True)):
            place = head.places.get(name, [-1])[0]
            typed = self.grid.typed and place not in line.numbers
            day = read_day(found[name] or "", self.reading.today, after=days.get("found_date"), ends=ends, typed=typed)
            days[name] = day.day
            if day.problem:
                pending.append((day.problem, {"text": _shown(found[name] or ""), "title": head.title(name)}))
        if line.number in self.merged_reasons and reason.code:
            pending.append(("merged", {}))
        for problem, parts in pending:
            self.tell(line.number, problem, **parts)
        own = {column for columns in head.places.values() for column in columns}
        self.reading.rows.append(
            found
            | {
                "sheet": self.grid.name,
                "line": line.number,
                "certno": certno,
                "certno_shown": shown,
                "batch_id": found["batch_id"] or self.title_batch,
                "reason_code": reason.code,
                "found_on": days["found_date"].isoformat() if days["found_date"] else None,
                "ends_on": days["end_date"].isoformat() if days["end_date"] else None,
                "raw": _raw(line, head),
                "has_formula": bool(own & line.formulas),
            }
        )

    def _cell(self, line: Line, head: Head, name: str, pending: list[tuple[str, dict[str, object]]]) -> str | None:
        """The text of a field, None where blank."""
        texts = []
        for column in head.places.get(name, ()):
            if column in line.empty_formulas:
                pending.append(("formula_empty", {"title": head.title(name)}))
            if column in line.cut:
                pending.append(("long_cell", {"title": head.title(name), "count": f"{limits.CELL_SIGNS:,}"}))
            text = read_text(line.cells.get(column, ""))[0]
            if text and _ERROR.fullmatch(text):
                pending.append(("formula_error", {"title": head.title(name)}))
                text = None
            if text and text not in texts:
                texts.append(text)
        if len(texts) > 1 and name not in words()["joined"]["fields"]:
            if name == "reason" and len({read_reason(text).code or text for text in texts}) == 1:
                return texts[0]
            pending.append(("two_values", {"title": head.title(name)}))
            # Not blank: that would mean that nobody was there yet.
            return " / ".join(texts) if name == "reason" else None
        text = "；".join(texts)
        if name in KEYS or name in {"batch_id", "division_code"}:
            text = "" if means_blank(text) else bare(text).upper()
        return text or None

    def _certno(
        self, line: Line, head: Head, shown: str | None, pending: list[tuple[str, dict[str, object]]]
    ) -> str | None:
        """The number in full, None where masked, blank, damaged, or no number at all."""
        if not shown or "*" in shown or (_CHINESE.search(shown) and not re.search(r"\d{6}", shown)):
            return None
        place = head.places["certno"][0]
        number, state = read_cert(shown)
        if state == DAMAGED or (place in line.numbers and re.fullmatch(r"\d{16,}", shown)):
            pending.append(("certno_damaged", {}))
            return None
        return number

    def _lost(self, line: Line, found: dict[str, Any], answered: bool) -> bool:
        """Whether a row without key holds an answer, and is no note or line for signatures."""
        if self._is_total(line):
            return False
        if answered:
            return True
        reason, name = found["reason"] or "", found["psn_name"] or ""
        return bool(reason and name) and not any(squeeze(text).endswith(":") for text in (reason, name))

    def _is_total(self, line: Line) -> bool:
        return bool(line.cells) and is_total(line.cells[min(line.cells)])


def _find_codes(lines: list[Line]) -> int | None:
    """The column most of whose cells look like row codes."""
    shape = re.compile(words()["rows"]["code_shape"])
    filled: dict[int, int] = {}
    hits: dict[int, int] = {}
    for line in lines:
        for column, text in line.cells.items():
            filled[column] = filled.get(column, 0) + 1
            if len(text) < _LONGEST_HEADING and shape.fullmatch(_codelike(text)) and _DIGITS.search(text):
                hits[column] = hits.get(column, 0) + 1
    good = [column for column, count in hits.items() if 2 * count > filled[column]]
    return max(good, key=lambda column: hits[column]) if good else None


def _codelike(text: str) -> str:
    return re.sub("[-‐‑‒–—―－_]", "", bare(text)).upper()


def _shown(text: str) -> str:
    """A cell in a message: as it stands where it is short and has no long number, else its beginning."""
    plain = " ".join(text.split())
    return mask(plain) if _LONG_NUMBER.search(squeeze(plain).replace("-", "")) and len(plain) > 10 else plain[:24]


def _raw(line: Line, head: Head) -> str:
    """The row as JSON, headings and cells; what is too much is left out."""
    if sum(map(len, line.cells.values())) < limits.RAW_BYTES // 6:
        text = json.dumps({_heading(column, head): cell for column, cell in line.cells.items()}, ensure_ascii=False)
        if 3 * len(text) <= limits.RAW_BYTES:  # a sign has four bytes at most, a Chinese one three
            return text
    kept: dict[str, str] = {}
    size = 2
    for column in sorted(line.cells):
        cell = line.cells[column][:300]
        size += len(json.dumps([_heading(column, head), cell], ensure_ascii=False).encode("utf-8", "replace")) + 2
        if size > limits.RAW_BYTES:
            break
        kept[_heading(column, head)] = cell
    return json.dumps(kept, ensure_ascii=False)


def _heading(column: int, head: Head) -> str:
    """What a cell is called in `raw`: its heading, told from others that are alike."""
    known = head.names.get(column)
    if known is None:
        known = squeeze(head.titles.get(column, ""))[:40] or f"第{column + 1}列"
        known = f"{known}_{column + 1}" if known in head.names.values() else known
        head.names[column] = known
    return known
