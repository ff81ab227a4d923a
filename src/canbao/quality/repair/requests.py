"""The commands of `canbao repair`: issue requests, take answers, tell what is outstanding."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from canbao.clock import today
from canbao.errors import UserError
from canbao.home import Home, sync
from canbao.intake import load_definitions
from canbao.quality.repair import book, state
from canbao.quality.repair.answers import Sheet, outcomes, take
from canbao.quality.repair.night import after
from canbao.quality.repair.rows import texts
from canbao.quality.repair.state import CORRECTED, OPEN, Issued, State
from canbao.settings import load_settings

if TYPE_CHECKING:
    from canbao.nightly import Night

_DRAFT = ".tmp-"


@dataclass(frozen=True)
class OpenRequest:
    """A request that is not done with, for the morning page.

    Attributes:
        department: Whom it went to.
        number: 校核〔2026〕003号.
        sent: Day of issue.
        due: Last day for the answer.
        items: Items in it.
        answered: Items answered, or closed without one because they are no longer wrong.
        waiting: Items answered as corrected whose new data have not come yet; part of `answered`.
        overdue: Whether the day is over and an item has no answer.
    """

    department: str
    number: str
    sent: date
    due: date
    items: int
    answered: int
    waiting: int
    overdue: bool


def open_requests(home: Home, as_of: date, night: "Night | None" = None) -> list[OpenRequest]:
    """The requests with items that have no answer or still are to be seen corrected, in the order of their due dates.

    Args:
        home: The installation.
        as_of: The day that decides what is overdue.
        night: The night at work whose wrong rows are found, so that what it repairs is told by its own pages already;
            None for what the last published night left.
    """
    kept = state.load(home) if night is None else after(night, state.load(home))
    return sorted(
        (one for one in _outstanding(kept, as_of) if one.answered < one.items or one.waiting),
        key=lambda one: (one.due, one.number),
    )


def _outstanding(kept: State, as_of: date) -> list[OpenRequest]:
    counts = kept.items.group_by("year", "number").agg(
        (pl.col("state") == OPEN).sum().alias("open"), (pl.col("state") == CORRECTED).sum().alias("waiting")
    )
    by_request = {(row["year"], row["number"]): row for row in counts.iter_rows(named=True)}
    found = []
    for one in kept.requests:
        row = by_request[one.year, one.number]
        due = date.fromisoformat(one.due)
        found.append(
            OpenRequest(
                department=one.department,
                number=one.name,
                sent=date.fromisoformat(one.sent),
                due=due,
                items=one.items,
                answered=one.items - row["open"],
                waiting=row["waiting"],
                overdue=bool(row["open"]) and as_of > due,
            )
        )
    return found


def issue(
    root: Path, department: str | None = None, due: date | None = None, day: date | None = None
) -> tuple[list[Issued], list[str]]:
    """Make one numbered request per department of the wrong rows that are not asked about already.

    Args:
        root: `--home`.
        department: Only this one's.
        due: Last day for the answer; by default so many working days after the day of issue (`[repair] due_days`).
        day: Day of issue; today by default.

    Returns:
        The requests made, and what to tell in Chinese.

    Raises:
        UserError: Nothing is published, the department is none of those that deliver, or the due date has passed.
    """
    home = Home(root)
    publication = home.current_publication() if root.is_dir() else None
    if publication is None or not (publication / "repair_item.parquet").exists():
        raise UserError(f"工作目录 {root} 还没有可供校核的发布内容。请先运行 canbao run，或检查 --home。")
    settings = load_settings(home.settings_file)
    day = day or today()
    if due is not None and due < day:
        raise UserError(f"回复期限 {due} 早于发出日期 {day}（--due）。")
    last = due or state.due_after(day, settings.repair_due_days, settings.holidays, settings.workdays)
    departments = sorted({one.department for one in load_definitions().values()})
    if department is not None and department not in departments:
        raise UserError(f"没有名为“{department}”的报送部门（--department）。可用：{'；'.join(departments)}。")
    with state.held(home):
        kept = state.load(home)
        _finish_leftovers(home, kept)
        waiting = _to_ask(publication / "repair_item.parquet", kept)
        if department is not None:
            waiting = waiting.filter(pl.col("department") == department)
        made = []
        for name in waiting["department"].unique().sort():
            rows = waiting.filter(pl.col("department") == name)
            made.append(_issue(home, kept, publication, rows, Issued(
                year=day.year,
                number=max((one.number for one in kept.requests if one.year == day.year), default=0) + 1,
                department=name,
                sent=day.isoformat(),
                due=last.isoformat(),
                items=rows.height,
                publication=f"{publication.parent.name}/{publication.name}",
            )))  # fmt: skip
    if not made:
        return [], ["没有新的待校核条目，未发出申请。已发出未办结的申请见 canbao repair list。"]
    lines = []
    for one in made:
        lines.append(f"{one.name}　{one.department}：{one.items:,} 条，请于 {one.due} 前回复。")
        lines += [f"  {_requests(home) / name}" for name in one.files]
    lines.append("工作簿含个人信息，请按规定途径送达。")
    return made, lines


def _requests(home: Home) -> Path:
    return state.folder(home) / "requests"


def unsent(home: Home, table: Path, night: "Night | None" = None) -> int:
    """How many rows `issue` would send.

    Args:
        home: The installation.
        table: `repair_item` of the publication.
        night: The night at work whose wrong rows are found; None for what the last published night left.
    """
    kept = state.load(home) if night is None else after(night, state.load(home))
    return _in_no_request(pl.read_parquet(table, columns=["item_id", "known"]), kept).height


def _to_ask(table: Path, kept: State) -> pl.DataFrame:
    """The items that are in no open request, those that must be asked again first."""
    return _in_no_request(pl.read_parquet(table), kept).sort(
        "department", pl.col("again") == "", "source", "measure_id", "delivery", "file", "line", "item_id"
    )


def _in_no_request(table: pl.DataFrame, kept: State) -> pl.DataFrame:
    rows = table.filter(~pl.col("known"))
    last = kept.items.filter(state.last_of_item()).select("item_id", "state", pl.col("again").alias("why"))
    again = last.filter(pl.col("state") == state.REOPENED)
    asked = last.filter(~pl.col("state").is_in([state.REOPENED, state.WITHDRAWN]))
    return (
        rows.join(asked, on="item_id", how="anti")
        .join(again.select("item_id", "why"), on="item_id", how="left")
        .with_columns(pl.col("why").fill_null("").alias("again"))
    )


def _issue(home: Home, kept: State, publication: Path, rows: pl.DataFrame, request: Issued) -> Issued:
    """Write the workbooks aside, the state, and then the workbooks under their names."""
    rows = rows.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int32).alias("serial"))
    _requests(home).mkdir(parents=True, exist_ok=True)
    drafts = book.write(
        rows,
        request,
        _requests(home),
        prefix=_DRAFT,
        words={**texts(), "choices": list(outcomes().values())},
        definitions=load_definitions(),
    )
    request.files = [draft.name.removeprefix(_DRAFT) for draft in drafts]
    kept.requests.append(request)
    kept.items = pl.concat([kept.items, _as_items(rows, request)])
    state.save(home, kept)
    for draft in drafts:
        draft.replace(draft.with_name(draft.name.removeprefix(_DRAFT)))
    sync(_requests(home))
    return request


def _as_items(rows: pl.DataFrame, request: Issued) -> pl.DataFrame:
    return rows.with_columns(
        pl.lit(request.year, pl.Int32).alias("year"),
        pl.lit(request.number, pl.Int32).alias("number"),
        pl.lit(OPEN).alias("state"),
        *(pl.lit(None, state.SCHEMA[name]).alias(name) for name in ("outcome", "answered", "note", "closed")),
    ).select(pl.col(name).cast(dtype) for name, dtype in state.SCHEMA.items())


def _finish_leftovers(home: Home, kept: State) -> None:
    """Workbooks of a command that was broken off: those of a request that counts get their name, others go."""
    issued = {name for one in kept.requests for name in one.files}
    for draft in _requests(home).glob(f"{_DRAFT}*"):
        name = draft.name.removeprefix(_DRAFT)
        if name in issued:
            draft.replace(draft.with_name(name))
        else:
            draft.unlink()


def answer(files: Sequence[Path], root: Path, department: str | None = None, day: date | None = None) -> list[Sheet]:
    """Read answered workbooks back and keep what they say.

    Args:
        files: Answered sheets (.xlsx, .csv, .txt).
        root: `--home`.
        department: Whose answers they are; items of others are refused then.
        day: The day they came back; today by default.

    Returns:
        One entry per file. The same file a second time changes nothing.

    Raises:
        UserError: A file is not there or of another kind, or nothing was ever asked.
    """
    home = Home(root)
    for path in files:
        if not path.is_file():
            raise UserError(f"文件 {path} 不存在或不是文件。请检查路径。")
        if path.suffix.lower() not in {".xlsx", ".csv", ".txt"}:
            raise UserError(f"文件 {path.name} 的类型不接收。只接收 .xlsx、.csv、.txt（.xls 请先另存为 .xlsx）。")
    if not root.is_dir() or not (state.folder(home) / "state.parquet").exists():
        raise UserError(f"工作目录 {root} 尚未发出过校核申请，无从对应。请先运行 canbao repair issue，或检查 --home。")
    with state.held(home):
        kept = state.load(home)
        if department is not None and department not in {one.department for one in kept.requests}:
            raise UserError(f"没有向“{department}”发出过校核申请（--department）。")
        return [take(path, home, kept, day or today(), department) for path in files]


def listing(root: Path, day: date | None = None, department: str | None = None) -> list[str]:
    """What is open, answered and overdue, as lines of Chinese text.

    Args:
        root: `--home`.
        day: The day that decides what is overdue; today by default.
        department: Only this one's.
    """
    if not root.is_dir():
        raise UserError(f"工作目录 {root} 不存在（--home）。")
    kept = state.load(Home(root))
    found = [one for one in _outstanding(kept, day or today()) if department in (None, one.department)]
    if not found:
        return ["没有发出过校核申请。"]
    ended = [one for one in found if one.answered == one.items and not one.waiting]
    lines = []
    for one in sorted((one for one in found if one not in ended), key=lambda one: (one.due, one.number)):
        words = "已逾期" if one.overdue else "待回复" if one.answered < one.items else "待新数据验证"
        more = f"，其中 {one.waiting:,} 条待新数据验证" if one.waiting else ""
        lines.append(
            f"[{words}] {one.number}　{one.department}：{one.sent} 发出，{one.due} 到期，"
            f"{one.items:,} 条，已答复或消除 {one.answered:,} 条{more}。"
        )
    if ended:
        lines.append(f"已办结 {len(ended)} 份，共 {sum(one.items for one in ended):,} 条。")
    last = kept.items.filter(state.last_of_item())["state"].value_counts()
    count = dict(last.iter_rows())
    words_of = {
        state.OPEN: "待答复", CORRECTED: "已更正待验证", state.REPAIRED: "已消除", state.CONFIRMED: "已核实（只计数）",
        state.REFUSED: "不予更正（只计数）", state.REOPENED: "待再次发出", state.WITHDRAWN: "检查已取消",
    }  # fmt: skip
    if department is None:
        lines.append(
            "条目：" + "，".join(f"{word} {count[name]:,}" for name, word in words_of.items() if name in count)
        )
    return lines
