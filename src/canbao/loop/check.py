"""What is checked of a returned sheet, row by row, before anything is stored (U23).

The checks are SQL (`loop/sql/check/`) over the rows, the rows as they were sent, the current publication and the
answers that stand; their grades and words are `codes/feedback_check.csv`, their limits `codes/feedback_limit.csv` and
`codes/feedback_clash.csv`. A row that fails a 强制性 check is refused; one that fails a 核实性 check passes with an
explanation; a 提示性 one is only told.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from canbao.intake.values import DAMAGED, OK, bare, read_cert, read_division, read_text
from canbao.loop.codes import read_batch_id, read_row_code
from canbao.loop.queries import query
from canbao.loop.state import CONFIRMED, SENT, Loop
from canbao.loop.state import RETURNED as STORED
from canbao.paths import package_dir, read_parquet, sql_dir, table_files

if TYPE_CHECKING:
    import duckdb

GRADES = {"refuse": "强制性", "verify": "核实性", "hint": "提示性"}
"""Grades of a check, as every grass-roots worker knows them."""

MEMORY = "600MB"
"""What a check may take; it runs beside the portal's readers."""

_TEXT = pl.String
RETURNED: dict[str, pl.DataType | type[pl.DataType]] = {
    "n": pl.Int32,
    "sheet": _TEXT,
    "line": pl.Int32,
    "has_code": pl.Boolean,  # something stands where the row code should
    "row_code_text": _TEXT,
    "code": _TEXT,  # as it is kept; null where damaged
    "code_batch": pl.Int32,
    "batch_text": _TEXT,
    "batch_said": pl.Int32,
    "certno": _TEXT,
    "certno_shown": _TEXT,  # what stood there, masked or damaged as it may be
    "certno_damaged": pl.Boolean,
    "psn_name": _TEXT,
    "division_text": _TEXT,
    "division_said": _TEXT,  # 12 digits
    "as_division": _TEXT,  # who decides between two answers speaks for itself, not for who was asked
    "reason_text": _TEXT,
    "reason_code": _TEXT,
    "found_text": _TEXT,
    "found_on": pl.Date,
    "end_text": _TEXT,
    "ends_on": pl.Date,
    "note": _TEXT,
    "reporter": _TEXT,
    "has_formula": pl.Boolean,
    "raw": _TEXT,
    "received_on": pl.Date,
}
"""One row per row of the file that says anything; n from 1 in the order of the file."""

FACTS = ("number", "person", "place", "paid")
"""What is looked up in the publication, each a query and a Parquet file `fact_<name>`."""

_READ = ("identifier", "person", "responsibility", "coverage")
_CODES = ("reason_class", "feedback_limit", "feedback_clash", "reason_conflict")


@dataclass(frozen=True)
class Who:
    """Who returns rows, or decides about them.

    Attributes:
        account: Name of the account.
        holder: Whose account it is.
        role: city, district, township or village.
        division_code: The division it works for, 12 digits; empty for the command line.
        may: Whether a division is in the scope.
        everything: Whether everybody is in the scope, also who belongs to no division known here.
    """

    account: str
    holder: str
    role: str
    division_code: str
    may: Callable[[str], bool]
    everything: bool = False


@dataclass(frozen=True)
class Check:
    """A check.

    Attributes:
        code: Its name for programs.
        grade: refuse, verify or hint.
        about: `row`: who the row is about; `answer`: what it says.
        message: What is wrong and what to do, in Chinese, without a full stop.
    """

    code: str
    grade: str
    about: str
    message: str

    @property
    def words(self) -> str:
        """Grade and message, as staff read them."""
        return f"{GRADES[self.grade]}：{self.message}。"


@lru_cache
def checks() -> Mapping[str, Check]:
    """All checks by code, the most important first."""
    with (package_dir("codes") / "feedback_check.csv").open(encoding="utf-8", newline="") as file:
        return {row["code"]: Check(**row) for row in csv.DictReader(file)}


def opinion(codes: Sequence[str], *, hints: bool = False) -> str:
    """What is to be said of a row, in Chinese.

    Args:
        codes: Checks that it did not pass.
        hints: Hints too; else only what must be done something about.
    """
    known = [checks()[code] for code in codes if code in checks()]
    return "".join(one.words for one in known if hints or one.grade != "hint")


def as_returned(rows: pl.DataFrame, day: date) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of a file, ready to be checked.

    Args:
        rows: As the reader gives them (`canbao.loop.read`).
        day: The day they came back.

    Returns:
        The rows that say anything (`RETURNED`), and the blank ones (sheet, batch_no): not visited yet (U21).
    """
    made: list[dict[str, Any]] = []
    blank: list[tuple[str, int | None]] = []
    for row in rows.iter_rows(named=True):
        one = _as_returned(row, day)
        if not one["has_formula"] and all(one[name] is None for name in _ANSWERED):
            if one["has_code"] or one["certno"] is not None:
                blank.append((one["sheet"], one["code_batch"] or one["batch_said"]))
            continue
        made.append({**one, "n": len(made) + 1})
    schema = {"sheet": pl.String, "batch_no": pl.Int32}
    return pl.DataFrame(made, schema=RETURNED), pl.DataFrame(blank, schema=schema, orient="row")


def _as_returned(row: Mapping[str, Any], day: date) -> dict[str, Any]:
    said = {name: _said(row.get(name)) for name in _SAID}
    code = read_row_code(said["row_code"]) if said["row_code"] else None
    certno, state = read_cert(said["certno"] or "")
    shown = bare(said["certno_shown"] or said["certno"] or "").upper() or None
    division, readable = read_division(said["division_code"] or "")
    return {
        "sheet": row.get("sheet") or "",
        "line": row.get("line"),
        "has_code": said["row_code"] is not None,
        "row_code_text": said["row_code"],
        "code": code.code if code else None,
        "code_batch": code.batch_no if code else None,
        "batch_text": said["batch_id"],
        "batch_said": read_batch_id(said["batch_id"]) if said["batch_id"] else None,
        "certno": certno,
        "certno_shown": shown,
        "certno_damaged": state == DAMAGED or (certno is None and shown is not None),
        "psn_name": said["psn_name"],
        "division_text": said["division_code"],
        "division_said": division.ljust(12, "0") if readable == OK else None,
        "as_division": row.get("as_division"),
        "reason_text": said["reason"],
        "reason_code": row.get("reason_code"),
        "found_text": said["found_date"],
        "found_on": row.get("found_on"),
        "end_text": said["end_date"],
        "ends_on": row.get("ends_on"),
        "note": said["note"],
        "reporter": said["reporter"],
        "has_formula": bool(row.get("has_formula")),
        "raw": row.get("raw") or "{}",
        "received_on": day,
    }


_ANSWERED = ("reason_text", "reason_code", "note", "end_text")
"""What makes an answer of a row; a date alone, drawn down over all rows, does not. A formula may hide one."""

_SAID = (
    "row_code", "batch_id", "certno", "certno_shown", "psn_name", "division_code", "reason", "found_date", "end_date",
    "note", "reporter",
)  # fmt: skip


def _said(cell: str | None) -> str | None:
    text = read_text(cell)[0] if cell else None
    return text if isinstance(text, str) else None


def look_up(rows: pl.DataFrame, loop: Loop, publication: Path, folder: Path) -> None:
    """Put beside the rows what is known of their people: `sent.parquet` and `fact_<name>.parquet`.

    Args:
        rows: `RETURNED`.
        loop: What was sent.
        publication: Folder of the current publication.
        folder: Where to; its files hold personal data.
    """
    batches = {*rows["code_batch"].drop_nulls(), *rows["batch_said"].drop_nulls()}
    # Of what was sent, the rows that came back, and those of the batches named in words: others say nothing here.
    sent = loop.sent_rows(batches)
    with _connection(folder) as con:
        con.register("returned", rows.to_arrow())
        con.register("all_sent", sent.select(list(SENT)).to_arrow())
        con.register("code_feedback_limit", _code_table("feedback_limit").to_arrow())
        _table(con, "asked_number", query("check", "asked_number"))
        for name in _READ:
            con.execute(f"CREATE VIEW {name} AS FROM {read_parquet(table_files(publication, name))}")
        _table(con, "fact_number", query("check", "number"))
        _table(con, "sent", query("check", "sent"))
        _table(con, "asked_person", query("check", "asked_person"))
        for name in FACTS[1:]:
            _table(con, f"fact_{name}", query("check", name))
        for name in ("sent", *(f"fact_{one}" for one in FACTS)):
            con.sql(f"SELECT * FROM {name}").pl().write_parquet(folder / f"{name}.parquet")


def judge(rows: pl.DataFrame, loop: Loop, who: Who, folder: Path) -> pl.DataFrame:
    """Say of every row what becomes of it.

    Args:
        rows: `RETURNED`.
        loop: Batches, and the answers that stand.
        who: Who returns them.
        folder: Where `look_up` put what is known.

    Returns:
        One row per row, by n: what `Loop.add_receipt` stores, and batch_id, psn_name, row_code_text, is_whole (it can
        go to the night), is_conflicting. state: new, changed, same, settled, refused.
    """
    known = {name: pl.read_parquet(folder / f"{name}.parquet") for name in ("sent", *(f"fact_{one}" for one in FACTS))}
    places = [
        known["sent"]["division_code"], known["fact_place"]["division_code"],
        rows["division_said"], rows["as_division"],
        pl.Series([who.division_code or None], dtype=pl.String),
    ]  # fmt: skip
    divisions = pl.concat(places).drop_nulls().unique().sort().to_list()
    scope = pl.DataFrame(
        {"division_code": divisions, "may": [bool(who.may(code)) for code in divisions]},
        schema={"division_code": pl.String, "may": pl.Boolean},
    )
    numbers = {*known["sent"]["batch_no"].drop_nulls()}
    batches = [(one.batch_no, one.batch_id, one.state, one.sent) for one in loop.batches(numbers=numbers)]
    people = {*known["fact_person"]["person_id"]} | {*known["sent"]["person_id"]}
    answers = loop.answers(people)
    tables = {
        **known,
        "returned": rows,
        "scope": scope,
        "sender": _sender(who),
        "batch": pl.DataFrame(batches, schema=_BATCH, orient="row"),
        "answer": answers,
        "earlier": _earlier(loop, numbers, answers),
        "check_list": pl.DataFrame(
            [(one.code, one.grade, one.about, nth) for nth, one in enumerate(checks().values())],
            schema={"code": pl.String, "grade": pl.String, "about": pl.String, "nth": pl.Int32},
            orient="row",
        ),
    }
    with _connection(folder) as con:
        for name, frame in tables.items():
            con.register(name, frame.to_arrow())
        for name in _CODES:
            con.register(f"code_{name}", _code_table(name).to_arrow())
        for name in ("asked_number", "conflict", "standing", "claim", "fired", "twice"):
            _table(con, name, query("check", name))
        return con.sql(query("check", "judged")).pl()


_BATCH = {"batch_no": pl.Int32, "batch_id": pl.String, "state": pl.String, "sent": pl.Date}
_EARLIER = {
    "person_id": pl.String, "division_code": pl.String, "batch_no": pl.Int32, "reason_code": pl.String,
    "found_date": pl.Date, "end_date": pl.Date, "note": pl.String, "receipt_no": pl.String, "day": pl.Date,
    "moment": pl.String, "n": pl.Int32,
}  # fmt: skip


def _earlier(loop: Loop, numbers: set[int], answers: pl.DataFrame) -> pl.DataFrame:
    """Whatever was confirmed of these batches, and the answers about people who were in none."""
    frames = [
        loop.returned_of_batch(number)
        .filter(pl.col("receipt_state") == CONFIRMED, pl.col("state").is_in(["new", "changed", "same", "settled"]))
        .rename({"at": "moment"})
        for number in sorted(numbers)
    ]
    alone = answers.filter(pl.col("batch_no").is_null())
    frames.append(alone.with_columns(pl.lit("").alias("moment"), pl.lit(0, pl.Int32).alias("n")))
    return pl.concat([frame.select(pl.col(name).cast(kind) for name, kind in _EARLIER.items()) for frame in frames])


def judge_again(rows: pl.DataFrame, loop: Loop) -> pl.DataFrame:
    """Say of rows that were taken in whether they are still another answer than the one that stands.

    Args:
        rows: Of one receipt (`Loop.returned_rows`) that does not count yet.
        loop: Batches, and the answers that stand.

    Returns:
        The same rows with state as of now, and lands: whether the night is to read the row.
    """
    import duckdb

    numbers = {*rows["batch_no"].drop_nulls()}
    answers = loop.answers({*rows["person_id"].drop_nulls()})
    with duckdb.connect(":memory:", config={"memory_limit": MEMORY, "threads": 2}) as con:
        con.register("earlier", _earlier(loop, numbers, answers).to_arrow())
        con.register("waiting", rows.to_arrow())
        _table(con, "standing", query("check", "standing"))
        return (
            con.sql(query("check", "again")).pl().with_columns(pl.col(name).cast(kind) for name, kind in STORED.items())
        )


def _sender(who: Who) -> pl.DataFrame:
    from canbao.loop.sheet import choices

    may_choose = (
        [one.split()[0] for one in choices(who.role)] if who.role else sorted(_code_table("reason_code")["code"])
    )
    schema: dict[str, Any] = {"division_code": pl.String, "may_all": pl.Boolean, "reasons": pl.List(pl.String)}
    row = {"division_code": who.division_code or None, "may_all": who.everything, "reasons": may_choose}
    return pl.DataFrame([row], schema=schema)


@lru_cache
def _code_table(name: str) -> pl.DataFrame:
    return pl.read_csv(package_dir("codes") / f"{name}.csv", infer_schema=False)


def _connection(folder: Path) -> "duckdb.DuckDBPyConnection":
    import duckdb

    con = duckdb.connect(
        ":memory:", config={"memory_limit": MEMORY, "threads": 2, "temp_directory": str(folder / ".spill")}
    )
    con.execute((sql_dir() / "_engine" / "duckdb_macros.sql").read_text(encoding="utf-8"))
    con.execute(query("check", "macros"))
    return con


def _table(con: "duckdb.DuckDBPyConnection", name: str, sql: str) -> None:
    con.execute(f"CREATE TABLE {name} AS\n{sql}")
