"""Dispatch (下发): who is asked about, in which batches, and sending them.

`plan_dispatch` says what would go out and who is left out and why; `send` sends it. Nobody is asked about twice: not
while a row is open in a batch of the same village, nor while an answer holds (U26). Selection is SQL over the current
publication (`loop/sql/dispatch`).
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from canbao.clock import today
from canbao.errors import UserError
from canbao.home import Home
from canbao.loop.codes import LARGEST_BATCH, row_codes
from canbao.loop.queries import query
from canbao.loop.state import ANSWERED, ANSWERS, LIST, SENT, ZERO, Batch, BatchPlan, Loop, NewRound, Round
from canbao.paths import package_dir, read_parquet, table_files
from canbao.portal.divisions import Division, current_tree, full_code
from canbao.quality.repair.state import due_after
from canbao.settings import load_settings

LEVELS = {3: "乡镇（街道）", 4: "村（社区）"}
"""Levels that batches are made for."""

WHY = {
    "open": "已下发、尚待填报",
    "answered": "核实结果仍在有效期内",
    "disputed": "两地答复不一致，待上级核定",
    "no_township": "所在乡镇（街道）不明，或不在本市户籍和居住",
}
"""Why somebody is left out."""

NEVER_ANSWERED = "-"
"""Stands among `Filters.answers` for people about whom no answer is in force."""

MEMORY = "2GB"
PIECE = 65_536
"""Rows that are coded and written at a time."""

_TABLES = ("uninsured", "responsibility", "division", "division_code", "feedback")
_LATER = {"uninsured": {"suggested_reason": "VARCHAR", "suggested_from": "VARCHAR", "feedback_disputed": "BOOLEAN"}}
"""Columns that publications of earlier versions lack."""

_STEPS = ("batch_now", "open_row", "held_person", "candidate", "judged", "chosen", "planned")


@dataclass(frozen=True)
class Filters:
    """Who is asked about; what is not said does not matter.

    Attributes:
        reasons: Of `uninsured_reason`: never, lapsed, stopped, unpaid.
        tags: Groups, one of which somebody must be in.
        age_from: Full years, this age and older.
        age_to: This age and younger.
        priority_to: Priority 1 to this one.
        answers: Reason codes of the last answer in force, `NEVER_ANSWERED` for people without one.
        role: `household` or `residence`: only on that side.
        separated: Only 人户分离, or only the others.
    """

    reasons: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    age_from: int | None = None
    age_to: int | None = None
    priority_to: int | None = None
    answers: tuple[str, ...] = ()
    role: str = ""
    separated: bool | None = None

    def __post_init__(self) -> None:
        wrong = [
            *(one for one in self.reasons if one not in {"never", "lapsed", "stopped", "unpaid"}),
            *(one for one in self.answers if one not in {NEVER_ANSWERED, *_codes("reason_code")}),
            *([self.role] if self.role not in {"", "household", "residence"} else []),
        ]
        if wrong:
            raise UserError(f"下发条件“{'、'.join(wrong)}”不认识。请重新选择。")

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> "Filters":
        """From what was kept with a round."""
        given: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in said.items()}
        return cls(**given)

    def as_json(self) -> dict[str, Any]:
        """What is kept with the round: only what was said."""
        said = {name: value for name, value in asdict(self).items() if value not in ((), "", None)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in said.items()}


@dataclass(frozen=True)
class LeftOut:
    """Why people of the asked division are not in this dispatch.

    Attributes:
        why: One of `WHY`.
        rows: Persons and divisions.
        persons: Persons.
    """

    why: str
    rows: int
    persons: int

    @property
    def words(self) -> str:
        """In Chinese."""
        return WHY[self.why]


@dataclass(frozen=True)
class Plan:
    """What would go out.

    Attributes:
        home: The installation.
        division: The division that is dispatched.
        level: 3 a batch per township, 4 a batch per village.
        filters: Who is asked about.
        day: The day it would go out.
        publication: `<as_of>/<run_id>` that it is made from.
        batches: In the order of the divisions; `list` ones with their rows, and `zero` ones.
        rows: Persons and divisions that would go out.
        persons: Persons among them.
        left_out: Who would not, and why.
    """

    home: Home
    division: Division
    level: int
    filters: Filters
    day: date
    publication: str
    batches: tuple[BatchPlan, ...]
    rows: int
    persons: int
    left_out: tuple[LeftOut, ...] = field(default=())

    @property
    def lists(self) -> int:
        """Batches with people in them."""
        return sum(one.kind == LIST for one in self.batches)

    @property
    def zeros(self) -> int:
        """Zero reports."""
        return sum(one.kind == ZERO for one in self.batches)

    @property
    def mark(self) -> str:
        """Changes when anything that would go out changes: what was previewed is what is sent."""
        said = [
            self.publication, self.division.code, self.level, self.filters.as_json(), self.day.isoformat(), self.rows,
            self.persons, [asdict(one) for one in self.batches], [asdict(one) for one in self.left_out],
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(said, ensure_ascii=False, sort_keys=True).encode()).hexdigest()[:16]


def due_date(home: Home, day: date) -> date:
    """The last day for answers to what goes out on a day (`[loop] due_days`, working days)."""
    settings = load_settings(home.settings_file)
    return due_after(day, settings.loop_due_days, settings.holidays, settings.workdays)


def plan_dispatch(
    home: Home, division_code: str, level: int, *, filters: Filters | None = None, day: date | None = None
) -> Plan:
    """What would go out, and who would not.

    Args:
        home: The installation.
        division_code: The division whose uninsured people are asked about; a former code stands for its successor.
        level: 3 a batch per township, 4 a batch per village. People whose village is not known go to their township.
        filters: Who is asked about; everybody by default.
        day: The day it would go out, today by default.

    Raises:
        UserError: Nothing is published yet, there is no such division, or it has no parts of that level.
    """
    order = _ask(home, division_code, level, filters or Filters(), day or today())
    with _selected(order) as con:
        return _plan(order, con)


def send(plan: Plan, by: str, due: date | None = None) -> Round:
    """Send what was planned.

    Zero reports that are still open in a division that now gets people are recalled with it.

    Args:
        plan: As it was shown.
        by: The account that sends.
        due: The last day for answers; by default so many working days after the plan's day.

    Returns:
        The round with its number.

    Raises:
        UserError: Nothing would go out, the due date has passed, or what would go out has changed since.
    """
    home = plan.home
    if not plan.batches:
        raise UserError("没有需要下发的人员，也没有需要零报告的单位，未下发。")
    if due is not None and due < plan.day:
        raise UserError(f"回复期限 {due} 早于下发日期 {plan.day}。请改正。")
    last = due or due_date(home, plan.day)
    loop = Loop(home)
    with loop.held("send"):
        order = _ask(home, plan.division.code, plan.level, plan.filters, plan.day)
        with _selected(order) as con:
            if _plan(order, con).mark != plan.mark:
                raise UserError("预览之后名单有变化（有新的发布、下发或回收），未下发。请重新预览。")
            new = NewRound(
                sent=plan.day, due=last, by_account=by, by_division=plan.division.code, level=plan.level,
                publication=plan.publication, filters=plan.filters.as_json(), batches=plan.batches,
            )  # fmt: skip
            made = loop.new_round(new, lambda path, batches: _write(con, path, home.key(), batches))
        _recall_zeros(loop, plan, made, by)
    return made


@dataclass(frozen=True)
class _Order:
    """What is asked of a publication."""

    home: Home
    folder: Path
    division: Division
    level: int
    filters: Filters
    day: date

    @property
    def publication(self) -> str:
        return f"{self.folder.parent.name}/{self.folder.name}"


def _ask(home: Home, division_code: str, level: int, filters: Filters, day: date) -> _Order:
    folder = home.current_publication()
    if folder is None or not all(table_files(folder, name) for name in _TABLES):
        raise UserError(f"工作目录 {home.root} 还没有可供下发的发布内容。请先运行 canbao run，或检查 --home。")
    tree, code = current_tree(folder), full_code(division_code)
    former = (tree.current(code, one) for one in (1, 2, 3, 4))
    division = tree.get(code) or next((one for one in former if one is not None), None)
    if division is None:
        raise UserError(f"没有区划 {division_code}。请用现行的 12 位区划代码。")
    if level not in LEVELS or level < division.level:
        raise UserError(f"{division.name}没有下级{LEVELS.get(level, '单位')}可以下发。请改选下发到哪一级。")
    return _Order(home, folder, division, level, filters, day)


@contextmanager
def _selected(order: _Order) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in which it is decided who is asked about: the tables of `loop/sql/dispatch`."""
    loop = Loop(order.home)
    with TemporaryDirectory(dir=loop.folder, prefix=f".dispatch-{os.getpid()}-") as aside:
        config: dict[str, Any] = {
            "temp_directory": aside, "memory_limit": MEMORY, "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
        }  # fmt: skip
        con = duckdb.connect(":memory:", config=config)
        try:
            _load(con, order, loop)
            for step in _STEPS:
                con.execute(f"CREATE TABLE {step} AS\n{query('dispatch', step)}")
            yield con
        finally:
            con.close()


def _load(con: duckdb.DuckDBPyConnection, order: _Order, loop: Loop) -> None:
    for name in _TABLES:
        files = table_files(order.folder, name)
        missing = {n: kind for n, kind in _LATER.get(name, {}).items() if n not in pl.read_parquet_schema(files[0])}
        added = "".join(f", NULL::{kind} AS {column}" for column, kind in missing.items())
        con.execute(f"CREATE VIEW {name} AS SELECT *{added} FROM {read_parquet(files)}")
    con.register("asked", _asked(order).to_arrow())
    con.register("code_reason_class", _code_table("reason_class").to_arrow())
    batches = loop.batches(state="open")
    kept = {name: [getattr(one, name) for one in batches] for name in _BATCH if name != "zero_confirmed"}
    kept["zero_confirmed"] = [one.zero_at is not None for one in batches]
    con.register("batch", pl.DataFrame(kept, schema=_BATCH).to_arrow())
    sent = [loop.sent_file(number) for number in sorted({one.round_no for one in batches if one.rows})]
    rows = read_parquet(sent) if sent else "no_rows"
    con.register("no_rows", pl.DataFrame(schema=SENT).to_arrow())
    con.execute(f"CREATE VIEW sent AS SELECT * FROM {rows}")
    con.register("answered", (loop.answered() if batches else pl.DataFrame(schema=ANSWERED)).to_arrow())
    con.register("answer", loop.answers().select(ANSWERS.keys()).to_arrow())


_BATCH: dict[str, pl.DataType | type[pl.DataType]] = {
    "batch_no": pl.Int32,
    "division_code": pl.String,
    "level": pl.Int32,
    "kind": pl.String,
    "state": pl.String,
    "zero_confirmed": pl.Boolean,
}


def _asked(order: _Order) -> pl.DataFrame:
    """One row: what is asked for, null where it does not matter."""
    words = pl.List(pl.String)
    schema: dict[str, Any] = {
        "reasons": words, "tags": words, "age_from": pl.Int32, "age_to": pl.Int32, "priority_to": pl.Int32,
        "answers": words, "role": pl.String, "separated": pl.Boolean, "level": pl.Int32, "tree_first": pl.Int32,
        "tree_last": pl.Int32, "day": pl.Date, "largest": pl.Int32,
    }  # fmt: skip
    said = {each.name: getattr(order.filters, each.name) for each in fields(order.filters)}
    row = {name: (list(value) if isinstance(value, tuple) else value) or None for name, value in said.items()}
    row.update(
        age_from=order.filters.age_from, age_to=order.filters.age_to, separated=order.filters.separated,
        level=order.level, tree_first=order.division.first, tree_last=order.division.last, day=order.day,
        largest=LARGEST_BATCH,
    )  # fmt: skip
    return pl.DataFrame([row], schema=schema)


def _plan(order: _Order, con: duckdb.DuckDBPyConnection) -> Plan:
    chosen = "SELECT division_code, division_name, level, kind, rows FROM planned ORDER BY place"
    rows, persons = con.execute("SELECT count(*), count(DISTINCT person_id) FROM chosen").fetchall()[0]
    return Plan(
        home=order.home,
        division=order.division,
        level=order.level,
        filters=order.filters,
        day=order.day,
        publication=order.publication,
        batches=tuple(BatchPlan(*row) for row in con.execute(chosen).fetchall()),
        rows=rows,
        persons=persons,
        left_out=tuple(LeftOut(*row) for row in con.execute(query("dispatch", "left_out")).fetchall()),
    )


def _write(con: duckdb.DuckDBPyConnection, path: Path, key: bytes, batches: Sequence[Batch]) -> None:
    """Write the rows of a round, coded, piece by piece."""
    parts = [row[0] for row in con.execute("SELECT part FROM planned ORDER BY place").fetchall()]
    numbered = [
        (one.round_no, one.batch_no, one.division_code, part, one.sent, one.due)
        for one, part in zip(batches, parts, strict=True)
    ]
    schema = {
        "round_no": pl.Int32, "batch_no": pl.Int32, "division_code": pl.String, "part": pl.Int32, "sent": pl.Date,
        "due": pl.Date,
    }  # fmt: skip
    con.register("numbered", pl.DataFrame(numbered, schema=schema, orient="row").to_arrow())
    shape = pl.DataFrame(schema=SENT).to_arrow().schema
    con.execute("SET preserve_insertion_order = true")
    reader = con.execute(query("dispatch", "sent_rows")).to_arrow_reader(PIECE)
    with pq.ParquetWriter(path, shape, compression="zstd") as writer:
        for piece in reader:
            frame = pl.DataFrame(pl.from_arrow(pa.Table.from_batches([piece])))
            coded = row_codes(key, *(frame[name].to_list() for name in ("batch_no", "serial", "person_id")))
            frame = frame.with_columns(pl.Series("row_code", coded, pl.String))
            made = frame.select(pl.col(name).cast(kind) for name, kind in SENT.items())
            writer.write_table(made.to_arrow().cast(shape))


def _recall_zeros(loop: Loop, plan: Plan, made: Round, by: str) -> None:
    """Nobody can confirm that there is nobody where people were just sent."""
    tree = current_tree(plan.home.current_publication())
    listed = {one.division_code for one in plan.batches if one.kind == LIST}
    for one in loop.batches(state="open", kind=ZERO):
        now = tree.current(one.division_code, one.level)
        if one.zero_at is None and one.round_no != made.round_no and now is not None and now.code in listed:
            loop.recall(one.batch_no, by)


def _code_table(name: str) -> pl.DataFrame:
    return pl.read_csv(package_dir("codes") / f"{name}.csv", infer_schema=False)


def _codes(name: str) -> list[str]:
    return _code_table(name)["code"].to_list()
