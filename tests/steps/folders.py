"""Given/expected folders for the SQL steps.

A case is a folder `tests/steps/<table>/<case>/` with

- `given.<source>.csv` rows of a source as staged (only the columns that matter; blank is null), any number of them,
- `previous.person.csv`, `previous.ledger.csv`, `previous.file.csv` rows of the publication before this one, with
  `previous.run.csv` (`rules_changed`, `code_changed`) or without: then neither rules nor program have changed,
- `sent.batch.csv`, `sent.row.csv` what was sent to the villages, as a night knows it (`sent_batch`, `sent_row`),
- `expect.csv` the rows that `<table>` must have, with the columns that matter, in any order,
- `run.toml` (may be absent): `as_of`, `insured_year`, `jurisdiction`, `where` (a condition on the
  table's rows, where it has many), and `[rules]` laid over the parameters.

`@ann` in any cell stands for a made-up certificate number that cannot exist, `@ann/20250131` gives it a birth date;
in `expect.csv` a person_id is written `@ann` too. A line that begins with # is a comment.
In `expect.csv` the first one is the caption of the case in the rule book; `# rules: RET-4 @ann, RET-7 @bob` says which
rules it is an example of and who shows them (nobody named: all), and `# RET-4: ...` is a caption for that rule alone.
"""

import csv
import hashlib
import io
import re
import tomllib
import zlib
from datetime import date
from pathlib import Path
from typing import Any

from canbao.build import load_steps
from canbao.engine import PREVIOUS, RunParameters, Warehouse
from canbao.intake import load_definitions
from canbao.rules import load_rules

HERE = Path(__file__).parent
KEY = b"test key"
_PERSON = re.compile(r"@([a-z]\w*)(?:/(\d{8}))?")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_TYPES = {
    "date": "DATE",
    "month": "INTEGER",
    "year": "INTEGER",
    "int": "INTEGER",
    "amount": "DECIMAL(14, 2)",
    "bool": "BOOLEAN",
}


def cases() -> list[Path]:
    """All case folders."""
    return sorted(path.parent for path in HERE.glob("*/*/expect.csv"))


def made_up_number(name: str, brdy: str = "19900101") -> str:
    """A certificate number with a right check digit in an area (99) that has never been given out."""
    digest = zlib.crc32(name.encode())
    body = f"99{digest // 1000 % 10000:04d}{brdy}{digest % 1000:03d}"
    return body + "10X98765432"[sum(int(d) * w for d, w in zip(body, _WEIGHTS, strict=True)) % 11]


class Case:
    """One folder, run."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        self.folder = folder
        self.table = folder.parent.name
        self.people: dict[str, str] = {}
        texts = {p.name.split(".")[1]: p.read_text("utf-8") for p in sorted(folder.glob("given.*.csv"))}
        self.previous = {p.name.split(".")[1]: p.read_text("utf-8") for p in sorted(folder.glob("previous.*.csv"))}
        self.sent = {p.name.split(".")[1]: p.read_text("utf-8") for p in sorted(folder.glob("sent.*.csv"))}
        for text in [*texts.values(), *self.previous.values(), *self.sent.values()]:
            for name, brdy in _PERSON.findall(text):
                if brdy or name not in self.people:
                    self.people[name] = made_up_number(name, brdy or "19900101")
        assert len(set(self.people.values())) == len(self.people), "two names give one number: rename one"
        settings: dict[str, Any] = {}
        if (folder / "run.toml").exists():
            settings = tomllib.loads((folder / "run.toml").read_text("utf-8"))
        self.where = settings.get("where", "true")
        as_of = settings.get("as_of", date(2026, 3, 31))
        overlay = None
        if "rules" in settings:
            overlay = scratch / "overlay.toml"
            overlay.write_text(
                "\n".join(f"{key} = {value!r}" for key, value in settings["rules"].items()).replace("'", '"')
            )
        rules = load_rules(settings.get("jurisdiction", "chongqing"), as_of, overlay)
        year = settings.get("insured_year", rules.default_insured_year())
        self.warehouse = Warehouse(scratch / "warehouse", threads=1)
        # Of a handful of rows planning is all the work, and to look for what could be computed once is a fifth of it.
        self.warehouse.con.execute("SET disabled_optimizers = 'common_subexpressions,common_subplan'")
        self.warehouse.load_parameters(RunParameters(as_of, year, rules, KEY))
        self._load_sources(texts)
        self._load_previous()
        self._load_sent()

    def _load_sources(self, texts: dict[str, str]) -> None:
        definitions = load_definitions()
        unknown = texts.keys() - definitions.keys()
        assert not unknown, f"no such source: {unknown}"
        con = self.warehouse.con
        con.execute(
            "CREATE TABLE staged_file "
            "(file_no INTEGER, source VARCHAR, delivery DATE, file VARCHAR, sha256 VARCHAR, rows_accepted BIGINT)"
        )
        for number, (name, definition) in enumerate(definitions.items(), 1):
            columns = ", ".join(f"{f.name} {_TYPES.get(f.type, 'VARCHAR')}" for f in definition.fields)
            con.execute(
                f"CREATE TABLE staged_{name} ({columns}, row_no BIGINT, file_no INTEGER, line_no INTEGER, delivery DATE)"
            )
            rows = self._rows(texts[name]) if name in texts else []
            deliveries = sorted({row.get("delivery") or "2026-01-01" for row in rows})
            files = {delivery: number * 100 + position for position, delivery in enumerate(deliveries)}
            for delivery, file_no in files.items():
                con.execute(
                    "INSERT INTO staged_file VALUES (?, ?, ?, 'given.csv', ?, ?)",
                    [file_no, name, delivery, f"{name}/{delivery}", len(rows)],
                )
            for line, row in enumerate(rows, 2):
                delivery = row.pop("delivery", None) or "2026-01-01"
                wrong = row.keys() - {f.name for f in definition.fields}
                assert not wrong, f"{name} has no column {wrong}"
                values = {k: v for k, v in row.items() if v is not None}
                for field in definition.fields:
                    if field.default is not None:
                        values.setdefault(field.name, field.default)
                file_no = files[delivery]
                values |= {"row_no": file_no * 2**32 + line, "file_no": file_no, "line_no": line, "delivery": delivery}
                marks = ", ".join("?" for _ in values)
                con.execute(f"INSERT INTO staged_{name} ({', '.join(values)}) VALUES ({marks})", list(values.values()))
            self.warehouse.keep_newest_rows(definition)

    def _load_previous(self) -> None:
        """The views `previous_<table>`, over rows of the case in place of a publication's."""
        if not self.previous:
            return
        con = self.warehouse.con
        shapes = PREVIOUS | {"run": {"as_of": "DATE", "rules_changed": "BOOLEAN", "code_changed": "BOOLEAN"}}
        texts = {"run": "rules_changed,code_changed\nfalse,false\n"} | self.previous
        assert texts.keys() <= shapes.keys()
        for table, columns in shapes.items():
            name = f"previous_{table}"
            con.execute(f"DROP {'TABLE' if table == 'run' else 'VIEW'} {name}")
            con.execute(f"CREATE TABLE {name} ({', '.join(f'{c} {kind}' for c, kind in columns.items())})")
            for row in self._rows(texts.get(table, "")):
                values = {key: cell for key, cell in row.items() if cell is not None}
                if "person_id" in values:
                    values["person_id"] = self._person_id(values["person_id"])
                marks = ", ".join("?" for _ in values)
                con.execute(f"INSERT INTO {name} ({', '.join(values)}) VALUES ({marks})", list(values.values()))

    def _load_sent(self) -> None:
        for table, text in self.sent.items():
            for row in self._rows(text):
                values = {key: cell for key, cell in row.items() if cell is not None}
                if "person_id" in values:
                    values["person_id"] = self._person_id(values["person_id"])
                marks = ", ".join("?" for _ in values)
                into = f"sent_{table} ({', '.join(values)})"
                self.warehouse.con.execute(f"INSERT INTO {into} VALUES ({marks})", list(values.values()))

    def _person_id(self, number: str) -> str:
        return hashlib.sha256((KEY.hex() + number).encode()).hexdigest()[:32]

    def _rows(self, text: str) -> list[dict[str, str | None]]:
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
        table = csv.DictReader(io.StringIO("\n".join(lines)), skipinitialspace=True)
        return [
            {key.strip(): self._number(cell.strip()) if cell and cell.strip() else None for key, cell in row.items()}
            for row in table
        ]

    def _number(self, cell: str) -> str:
        return _PERSON.sub(lambda match: self.people.get(match[1], match[0]), cell)

    def actual(self, columns: list[str]) -> list[tuple[str, ...]]:
        """The table's rows as text, people by their names."""
        steps = {step.name: step for step in load_steps()}
        needed: set[str] = set()
        waiting = [self.table, "person_identity", "person_number"]
        while waiting:
            name = waiting.pop()
            if name in steps and name not in needed:
                needed.add(name)
                waiting.extend(steps[name].reads)
        for step in load_steps():
            if step.name in needed:
                self.warehouse.run_step(step)
        con = self.warehouse.con
        names = {number: f"@{name}" for name, number in self.people.items()}
        ids = con.execute(
            "SELECT n.number, i.person_id FROM person_number AS n INNER JOIN person_identity AS i USING (person_key) "
            "UNION ALL SELECT i.certno, i.person_id FROM person_identity AS i WHERE i.certno IS NOT NULL"
        ).fetchall()  # the number in force comes last and names its person
        # people of the previous publication may be in no source of tonight any more
        named = {self._person_id(number): name for number, name in names.items()}
        named |= {person: names[number] for number, person in ids if number in names} | names
        chosen = ", ".join(f'"{column}"' for column in columns)
        frame = con.execute(f"SELECT {chosen} FROM {self.table} WHERE {self.where}").fetchall()
        return sorted(tuple(_text(value, named) for value in row) for row in frame)

    def expected(self) -> tuple[list[str], list[tuple[str, ...]]]:
        """Columns and rows of `expect.csv`."""
        text = (self.folder / "expect.csv").read_text("utf-8")
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
        reader = csv.DictReader(io.StringIO("\n".join(lines)), skipinitialspace=True)
        columns = [name.strip() for name in reader.fieldnames or []]
        rows = [tuple((row[key] or "").strip() for key in reader.fieldnames or []) for row in reader]
        return columns, sorted(rows)


def _text(value: Any, named: dict[str, str]) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return " ".join(_text(item, named) for item in value)
    text = str(value)
    if text.endswith(".00"):
        text = text[:-3]
    return named.get(text, text)
