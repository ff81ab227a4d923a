"""What comes back: a preview that stores nothing, a confirmation that stores all or nothing, a receipt (U22).

Whoever returns a file sees first what would become of each row. Only a confirmation makes a numbered receipt and the
file that the next night reads, `<home>/landing/grid_feedback/<day>/<receipt_no>.csv`. That file is written aside first,
in the same transaction as the receipt, and moved into its place afterwards: a process that is killed in between leaves
one or the other, and whoever comes next puts it right (`settle_files`). Callers write the audit log.
"""

import csv
import io
import json
import re
import secrets
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from canbao.clock import ZONE, today
from canbao.errors import UserError
from canbao.home import Home, read_json, sync, write_atomically
from canbao.intake.problems import FileRefused, shown_name, without_numbers
from canbao.intake.staging import sha256_of
from canbao.loop import check
from canbao.loop.check import Who, checks, opinion
from canbao.loop.codes import batch_id
from canbao.loop.night import cut
from canbao.loop.night import taken as is_taken
from canbao.loop.state import CONFIRMED, RETURNED, SENT_BACK, WAITING, WITHDRAWN, Loop, Receipt
from canbao.settings import load_settings

if TYPE_CHECKING:
    from canbao.loop.sheet import Taken

__all__ = [
    "Changed", "Gone", "Preview", "Who", "confirm", "decide", "discard", "look", "preview", "refused_sheet", "settle",
    "settle_files", "withdraw",
]  # fmt: skip

SOURCE = "grid_feedback"
COLUMNS = (
    "batch_id", "certno", "row_code", "division_code", "reason_code", "found_date", "end_date", "note", "reporter",
)  # fmt: skip
"""Columns of the file that the night reads (contract section 2)."""

KEPT_SECONDS = 3600
"""A preview is gone an hour after it was made."""

STATES = ("new", "changed", "same", "settled", "refused")
"""What becomes of a row: a first answer; another answer than before; the same again; somebody insured meanwhile, who
needs none; not taken in."""

_COUNTED = (*STATES, "blank", "conflicting", "hints")
_LANDS = ("new", "changed", "settled")
CUT = ".cut"
"""Ending of the notes aside that a receipt's rows are to be taken out of a merged file."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")
_RECEIPT = re.compile(r"H\d{8}-\d{4,}")
_DONE = "receipt_no"


class Gone(UserError):  # noqa: N818 - it is an answer, not a fault
    """There is no such preview or receipt for this person (any more)."""


class Changed(UserError):  # noqa: N818 - likewise
    """The world moved on between preview and confirmation; the preview says now what would become of the rows."""


@dataclass(frozen=True)
class Preview:
    """What would become of a returned file.

    Attributes:
        token: Name of the preview, for its owner alone.
        file_name: The file's name, without long numbers.
        sha256: Of the file.
        day: The day it came back.
        expires: When the preview is gone.
        publication: `<as_of>/<run_id>` that it was checked against.
        again: The receipt under which the same file was taken in before, where a confirmation would change nothing; its
            rows are then `same`. A file that says something anew by now is a new return.
        sheets: Sheets that were read.
        notes: What to tell about the file as a whole.
        problems: Further findings of the reader: sheet, line, message.
        counts: Rows by `STATES`, and blank (not visited yet), conflicting (another division says the contrary; both
            wait), hints (rows taken in with a remark).
        by_batch: The same counts per batch, with batch_id and division_code and division_name (of the batch).
        by_sheet: The same counts per sheet of the file.
        rows: One row per row that says anything, by n: sheet, line, row_code, batch_id, psn_name, division_code,
            reason_code, found_date, end_date, note, reporter, state, checks, is_conflicting, said (row code, reason and
            days as they stood in the file), words (what there is to say about it).
    """

    token: str
    file_name: str
    sha256: str
    day: date
    expires: datetime
    publication: str
    again: str
    sheets: list[str]
    notes: list[str]
    problems: list[tuple[str, int, str]]
    counts: Mapping[str, int]
    by_batch: list[dict[str, Any]]
    by_sheet: list[dict[str, Any]]
    rows: pl.DataFrame


# ------------------------------------------------------------------------------------------------- the preview


def preview(home: Home, path: Path, who: Who, *, day: date | None = None, name: str = "") -> Preview:
    """Read and check a returned file. Nothing is stored but the preview itself, for an hour.

    Args:
        home: The installation.
        path: The file; it is not kept.
        who: Who returns it.
        day: The day it came back, today by default.
        name: The file's own name, where the path is not it.

    Raises:
        FileRefused: The file cannot be read; the message says what to do.
        UserError: Nothing is published yet.
    """
    from canbao.loop.read import read_returned

    publication = _publication(home)
    day = day or today()
    loop = Loop(home)
    _forget_old(home)
    digest = sha256_of(path)
    told = without_numbers(Path(name).name) if name else shown_name(path)
    with _Folder(home) as folder:
        found = read_returned(path, work=folder.path, day=day)
        rows, blank = check.as_returned(found.rows, day)
        if rows.is_empty() and blank.is_empty():
            raise FileRefused(
                "no_rows", "文件中没有带行码或证件号码的行。请确认上传的是核实名单，且没有删去“行码”一列。"
            )
        folder.keep(
            {
                **_owner(who),
                "file_name": told,
                "sha256": digest,
                "day": day.isoformat(),
                "publication": _name_of(publication),
                "sheets": found.sheets,
                "notes": found.notes,
                "problems": [(one.sheet, one.line, one.message) for one in found.problems],
            }
        )
        rows.write_parquet(folder.path / "returned.parquet")
        blank.write_parquet(folder.path / "blank.parquet")
        check.look_up(rows, loop, publication, folder.path)
        check.judge(rows, loop, who, folder.path).write_parquet(folder.path / "judged.parquet")
        return _shown(loop, folder.stay(), who)


def look(home: Home, token: str, who: Who) -> Preview:
    """A preview again.

    Raises:
        Gone: There is none of that name for this person, or no longer.
    """
    folder = _kept(home, token, who)
    if done := read_json(folder / "preview.json").get(_DONE):
        raise Gone(f"这次上传已经确认，回执编号 {done}。")
    return _shown(Loop(home), folder, who)


def discard(home: Home, token: str, who: Who) -> None:
    """Forget a preview; nothing was stored.

    Raises:
        Gone: There is none of that name for this person, or no longer.
    """
    shutil.rmtree(_kept(home, token, who), ignore_errors=True)


class _Folder:
    """A preview's folder in the making: it appears under its token when it is whole."""

    def __init__(self, home: Home) -> None:
        self.token = secrets.token_urlsafe(16)
        self.target = _previews(home) / self.token
        self.path = self.target.with_name(f".{self.token}")

    def __enter__(self) -> "_Folder":
        self.target.parent.mkdir(mode=0o700, exist_ok=True)
        self.path.mkdir(mode=0o700)
        return self

    def keep(self, facts: Mapping[str, Any]) -> None:
        self.path.joinpath("preview.json").write_text(json.dumps(facts, ensure_ascii=False), encoding="utf-8")

    def stay(self) -> Path:
        shutil.rmtree(self.path / ".spill", ignore_errors=True)
        for file in self.path.iterdir():
            file.chmod(0o600)
        self.path.rename(self.target)
        return self.target

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def _previews(home: Home) -> Path:
    return home.root / "loop" / "preview"


def _forget_old(home: Home) -> None:
    for folder in _previews(home).glob("*"):
        try:
            if time.time() - folder.stat().st_mtime > KEPT_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
        except FileNotFoundError:
            continue


def _owner(who: Who) -> dict[str, str]:
    return {"account": who.account, "role": who.role, "division_code": who.division_code}


def _kept(home: Home, token: str, who: Who) -> Path:
    """The folder of a preview, for its owner in the role that it was made in."""
    folder = _previews(home) / token
    facts = read_json(folder / "preview.json") if _TOKEN.fullmatch(token) else {}
    if not facts or {name: facts[name] for name in _owner(who)} != _owner(who):
        raise Gone("没有这次预览，或已超过一小时失效。什么也没有保存，请重新上传。")
    if time.time() - folder.stat().st_mtime > KEPT_SECONDS:
        shutil.rmtree(folder, ignore_errors=True)
        raise Gone("这次预览已超过一小时失效。什么也没有保存，请重新上传。")
    return folder


def _shown(loop: Loop, folder: Path, who: Who) -> Preview:
    facts = read_json(folder / "preview.json")
    judged = pl.read_parquet(folder / "judged.parquet")
    returned = pl.read_parquet(folder / "returned.parquet")
    blank = pl.read_parquet(folder / "blank.parquet")
    earlier = _taken_before(loop, facts["sha256"], who, judged)
    if earlier is not None:  # nothing would be new or changed: it counts, or waits for the township
        took = pl.col("state").is_in(["new", "changed"])
        judged = judged.with_columns(pl.when(took).then(pl.lit("same")).otherwise("state").alias("state"))
    per_row = judged.with_columns(_hinted().alias("hinted"))
    names = {one.batch_id: (one.division_code, one.division_name) for one in _batches_of(loop, judged, blank, who)}
    known = list(names)
    of_batch = blank.select(
        pl.col("batch_no").map_elements(batch_id, return_dtype=pl.String, skip_nulls=True).alias("batch_id")
    )
    of_batch = of_batch.select(pl.when(pl.col("batch_id").is_in(known)).then("batch_id").alias("batch_id"))
    by_batch = _counts(per_row, of_batch, "batch_id")
    for row in by_batch:
        row["division_code"], row["division_name"] = names.get(row["batch_id"], ("", ""))
    columns = [
        "n", "sheet", "line", "row_code", "batch_id", "psn_name", "division_code", "reason_code", "found_date",
        "end_date", "note", "reporter", "state", "checks", "is_conflicting",
    ]  # fmt: skip
    said = pl.struct(
        row_code="row_code_text", reason="reason_text", found_date="found_text", end_date="end_text"
    ).alias("said")
    made = judged.select(columns).join(returned.select("n", said), on="n", maintain_order="left")
    words = [
        "" if state in {"same", "settled"} and not codes else opinion(codes, hints=True)
        for state, codes in made.select("state", "checks").iter_rows()
    ]
    return Preview(
        token=folder.name,
        file_name=facts["file_name"],
        sha256=facts["sha256"],
        day=date.fromisoformat(facts["day"]),
        expires=datetime.fromtimestamp(folder.stat().st_mtime, ZONE) + timedelta(seconds=KEPT_SECONDS),
        publication=facts["publication"],
        again=earlier.receipt_no if earlier else "",
        sheets=facts["sheets"],
        notes=facts["notes"],
        problems=[(sheet, line, message) for sheet, line, message in facts["problems"]],
        counts=_total(per_row, len(blank)),
        by_batch=by_batch,
        by_sheet=_counts(per_row, blank.select("sheet"), "sheet"),
        rows=made.with_columns(pl.Series("words", words, dtype=pl.String)),
    )


def _hinted() -> pl.Expr:
    """Rows that are taken in and of which something is to be said."""
    hints = [one.code for one in checks().values() if one.code != "settled"]
    return pl.col("state").is_in(["new", "changed"]) & pl.col("checks").list.set_intersection(hints).list.len().gt(0)


def _total(rows: pl.DataFrame, blank: int) -> dict[str, int]:
    counts = {state: int((rows["state"] == state).sum()) for state in STATES}
    conflicting = rows["is_conflicting"] & rows["state"].is_in(["new", "changed"])
    return {**counts, "blank": blank, "conflicting": int(conflicting.sum()), "hints": int(rows["hinted"].sum())}


def _counts(rows: pl.DataFrame, blank: pl.DataFrame, by: str) -> list[dict[str, Any]]:
    """The counts per value of a column, in the order of the values; '' for rows without."""
    keys = pl.concat([rows.select(pl.col(by).fill_null("")), blank.select(pl.col(by).fill_null(""))])
    made = []
    for key in sorted(set(keys[by])):
        own = rows.filter(pl.col(by).fill_null("") == key)
        made.append({by: key, **_total(own, int((blank[by].fill_null("") == key).sum()))})
    return made


def _batches_of(loop: Loop, judged: pl.DataFrame, blank: pl.DataFrame, who: Who) -> list[Any]:
    """The batches that the rows name, as far as they may be seen."""
    numbers = {*judged["batch_no"].drop_nulls(), *blank["batch_no"].drop_nulls()}
    return [one for one in loop.batches(numbers=numbers) if who.everything or who.may(one.division_code)]


def _publication(home: Home) -> Path:
    publication = home.current_publication() if home.root.is_dir() else None
    if publication is None:
        raise UserError(f"工作目录 {home.root} 尚未发布过任何内容，无法核对人员。请先运行 canbao run，或检查 --home。")
    return publication


def _name_of(publication: Path) -> str:
    return f"{publication.parent.name}/{publication.name}"


# -------------------------------------------------------------------------------------------- the confirmation


def confirm(home: Home, token: str, who: Who) -> Receipt:
    """Take in what a preview showed: one transaction and one file.

    A second confirmation of the same preview changes nothing and gives the same receipt; so does one of the same file,
    where that says nothing anew.

    Args:
        home: The installation.
        token: Of the preview.
        who: Who returned the file.

    Returns:
        The numbered receipt. state is `waiting` where the township confirms first (镇审, U31).

    Raises:
        Gone: There is no such preview, or no longer.
        Changed: Something happened since the preview; it shows now what would become of the rows.
        UserError: There is no row to take in.
    """
    loop = Loop(home)
    folder = _kept(home, token, who)
    publication = _publication(home)
    with loop.held("landing"):
        _tidy(loop)
        facts = read_json(folder / "preview.json")
        if not facts:
            raise Gone("这次预览已被放弃。什么也没有保存，请重新上传。")
        known = loop.receipt(facts[_DONE]) if _DONE in facts else None
        if known is not None:
            return known
        rows = pl.read_parquet(folder / "returned.parquet")
        if _name_of(publication) != facts["publication"]:
            check.look_up(rows, loop, publication, folder)
            facts["publication"] = _name_of(publication)
            write_atomically(folder / "preview.json", json.dumps(facts, ensure_ascii=False))
        judged = check.judge(rows, loop, who, folder)
        if (known := _taken_before(loop, facts["sha256"], who, judged)) is not None:
            _done(folder, facts, known)
            return known
        shown = pl.read_parquet(folder / "judged.parquet")
        judged.write_parquet(folder / "judged.parquet")
        if not judged.select("n", "state").equals(shown.select("n", "state")):
            raise Changed("预览之后情况有变（批次收回、他人已填报或数据已更新），尚未保存。请重新核对后再确认。")
        if not judged["state"].ne("refused").any():
            raise UserError("没有可以采用的行，未提交。请按审核意见改好后重新上传。")
        blank = len(pl.read_parquet(folder / "blank.parquet"))
        receipt = _stored(loop, rows, judged, who, facts, blank=blank)
        _done(folder, facts, receipt)
    return receipt


def _done(folder: Path, facts: Mapping[str, Any], receipt: Receipt) -> None:
    """What is left of a preview tells the receipt to whoever confirms again, and holds nobody's data."""
    write_atomically(folder / "preview.json", json.dumps({**facts, _DONE: receipt.receipt_no}, ensure_ascii=False))
    for file in folder.glob("*.parquet"):
        file.unlink()


def settle(
    home: Home,
    who: Who,
    *,
    row_code: str,
    reason_code: str,
    found_on: date,
    ends_on: date | None = None,
    note: str = "",
    day: date | None = None,
) -> Receipt:
    """Decide between two answers that contradict each other (U24): the common superior answers for itself.

    Args:
        home: The installation.
        who: Who decides; both sides lie in the scope.
        row_code: A row that one of the sides was sent.
        reason_code: What is so.
        found_on: The day that it was found out.
        ends_on: Until when it holds, where it ends.
        note: Why.
        day: The day of the decision, today by default.

    Returns:
        The receipt of this one answer.

    Raises:
        UserError: The answer does not pass the checks; the message says why.
    """
    day = day or today()
    loop = Loop(home)
    row = {
        "row_code": row_code, "reason": reason_code, "reason_code": reason_code, "found_date": found_on.isoformat(),
        "found_on": found_on, "end_date": ends_on.isoformat() if ends_on else None, "ends_on": ends_on, "note": note,
        "reporter": who.holder, "as_division": who.division_code, "line": 1,
    }  # fmt: skip
    rows, _ = check.as_returned(pl.DataFrame([row], infer_schema_length=None), day)
    facts = {
        "file_name": "分歧核定",
        "sha256": sha256(f"{row_code} {reason_code} {who.account} {time.time_ns()}".encode()).hexdigest(),
        "day": day.isoformat(),
    }
    with _Folder(home) as folder:
        check.look_up(rows, loop, _publication(home), folder.path)
        with loop.held("landing"):
            _tidy(loop)
            judged = check.judge(rows, loop, who, folder.path)
            if judged["state"][0] == "refused":
                raise UserError(opinion(judged["checks"][0]) or "该答复未通过核对。请检查后重试。")
            return _stored(loop, rows, judged, who, facts, final=True)


def _stored(
    loop: Loop,
    rows: pl.DataFrame,
    judged: pl.DataFrame,
    who: Who,
    facts: Mapping[str, Any],
    *,
    blank: int = 0,
    final: bool = False,
) -> Receipt:
    """Store a receipt with its rows and its file. The caller holds `landing`."""
    day = date.fromisoformat(facts["day"])
    waits = not final and who.role == "village" and load_settings(loop.home.settings_file).township_confirms
    counts = _total(judged.with_columns(_hinted().alias("hinted")), blank)
    landing = judged.filter(pl.col("state").is_in(_LANDS), "is_whole")

    def land(receipt: Receipt) -> str:
        if landing.is_empty() or waits:  # what waits is judged again, against what stands when it is let pass
            return ""
        _write_aside(loop, receipt.receipt_no, landing)
        return _place(receipt.receipt_no, day)

    said = rows.join(judged.select("n", "state"), on="n", maintain_order="left")
    stored = judged.drop("raw").with_columns(
        pl.Series("raw", [_raw(row) for row in said.iter_rows(named=True)], dtype=pl.String)
    )
    receipt = loop.add_receipt(
        Receipt(
            day=day,
            account=who.account,
            holder=who.holder,
            role=who.role,
            division_code=who.division_code,
            file_name=facts["file_name"],
            sha256=facts["sha256"],
            state=WAITING if waits else CONFIRMED,
            accepted=counts["new"] + counts["changed"] + counts["same"],
            hints=counts["hints"],
            blank=blank,
            refused=counts["refused"],
            settled=counts["settled"],
            same=counts["same"],
        ),
        stored.select(list(RETURNED)),
        land,
    )
    _tidy(loop)
    return receipt


def _raw(row: Mapping[str, Any]) -> str:
    """What is kept of a row as it stood: of a refused one all, to be sent back; of others what was understood."""
    kept = ["reason_text", "found_text", "end_text"]
    if row["state"] == "refused":
        kept += ["row_code_text", "batch_text", "certno_shown", "psn_name", "division_text"]
    elif not row["has_code"]:
        kept += ["batch_text"]
    said = {name.removesuffix("_text").removesuffix("_shown"): row[name] for name in kept if row[name] is not None}
    return json.dumps({"said": said}, ensure_ascii=False)


def _taken_before(loop: Loop, digest: str, who: Who, judged: pl.DataFrame) -> Receipt | None:
    """The receipt under which this division returned the same file before, if it says nothing anew by now.

    That is so where each row repeats what the division last said, or is refused for no other reason than before.
    """
    found = [one for one in loop.receipts(sha256=digest) if one.state in {CONFIRMED, WAITING}]
    known = next((one for one in found if one.division_code == who.division_code), None)
    if known is None:
        return None
    takes = pl.col("state").is_in(["new", "changed"]) | ((pl.col("state") == "settled") & pl.col("is_whole"))
    if known.state == CONFIRMED and not judged.filter(takes).is_empty():
        return None
    said = judged.filter(pl.col("state") != "refused", ~pl.col("checks").list.contains("repeated"))
    last = loop.last_said({*said["person_id"].drop_nulls()})
    where, what = ["person_id", "division_code", "batch_no"], ["reason_code", "found_date", "end_date"]
    note = pl.col("note").fill_null("")
    said, last = said.with_columns(note), last.with_columns(note)
    if not said.join(last, on=[*where, *what, "note"], how="anti", nulls_equal=True).is_empty():
        return None
    refused = judged.filter(pl.col("state") == "refused").select("n", "checks")
    before = loop.returned_rows(known.receipt_no).filter(pl.col("state") == "refused").select("n", was="checks")
    both = refused.join(before, on="n", how="left").with_columns(pl.col("was").fill_null([]))
    faults = [one.code for one in checks().values() if one.grade != "hint"]
    anew = pl.col("checks").list.set_difference("was").list.set_intersection(faults).list.len() > 0
    return None if both.select(anew.any()).item() else known


# ------------------------------------------------------------------------------------- the file of the next night


def _aside(loop: Loop) -> Path:
    """Files that are on their way into the landing area or out of it."""
    return loop.folder / "pending"


def _place(receipt_no: str, day: date) -> str:
    return f"{SOURCE}/{day.isoformat()}/{receipt_no}.csv"


def _write_aside(loop: Loop, receipt_no: str, rows: pl.DataFrame) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows.select(COLUMNS).iter_rows())
    folder = _aside(loop)
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{receipt_no}.csv"
    write_atomically(path, text.getvalue())
    path.chmod(0o600)


def settle_files(home: Home) -> None:
    """Put right what a process left behind that was killed between its transaction and its file. Nights call it."""
    loop = Loop(home)
    with loop.held("landing"):
        _tidy(loop)


def _tidy(loop: Loop) -> None:
    """Files aside follow their receipts: confirmed ones go into the landing area, others go, out of merged ones too."""
    folder = _aside(loop)
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        receipt = loop.receipt(path.stem)
        if path.suffix == CUT:
            if receipt is not None and receipt.state == WITHDRAWN:
                cut(loop.home, receipt.landed)
            path.unlink()
        elif receipt is not None and receipt.state == CONFIRMED and receipt.landed:
            target = loop.home.landing / receipt.landed
            for made in (loop.home.landing, target.parent.parent, target.parent):
                made.mkdir(mode=0o700, exist_ok=True)
            path.rename(target)
            sync(target.parent)
        else:
            path.unlink()
    sync(folder)


# --------------------------------------------------------------------------------- afterwards: withdrawal, 镇审


def withdraw(home: Home, receipt_no: str, who: Who) -> Receipt:
    """Take a return back, until a night has published with it (U22).

    Args:
        home: The installation.
        receipt_no: Which.
        who: Who sent it, or somebody above.

    Raises:
        Gone: There is no such receipt in the scope.
        UserError: It is withdrawn, returned or taken by a night already, or a later return rests on it.
    """
    loop = Loop(home)
    receipt = _own(loop, receipt_no, who)
    with loop.held("landing"):
        _tidy(loop)
        receipt = loop.receipt(receipt_no) or receipt
        if receipt.state == WAITING:
            done = loop.set_receipt_state(receipt_no, WITHDRAWN, who.account, was=WAITING)
            _tidy(loop)
            return done
        if receipt.state != CONFIRMED:
            raise UserError(f"回执 {receipt_no} 已{_WORDS[receipt.state]}，不能再撤回。")
        if not receipt.landed:
            raise UserError(f"回执 {receipt_no} 没有计入任何新的答复，无需撤回。")
        path = home.landing / receipt.landed
        if is_taken(home, receipt.landed):
            raise UserError(f"回执 {receipt_no} 已由夜间运行采用，不能再撤回。填报有误的，请在表中改正后重新上传。")
        if later := _rests_on(loop, receipt):
            raise UserError(f"回执 {later} 中有与本回执相同的答复，请先撤回 {later}。")
        folder = _aside(loop)
        folder.mkdir(mode=0o700, exist_ok=True)
        if not path.exists():  # a night took it that published nothing; one that begins later waits for `landing`
            if home.running():
                raise UserError(_AT_WORK)
            (folder / f"{receipt_no}{CUT}").touch(mode=0o600)
            sync(folder)
            done = loop.set_receipt_state(receipt_no, WITHDRAWN, who.account, was=CONFIRMED)
            _tidy(loop)
            return done
        path.rename(folder / path.name)
        # Asked after the file is gone: a night that begins later cannot have seen it.
        if home.running():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            (folder / path.name).rename(path)
            raise UserError(_AT_WORK)
        sync(path.parent)
        done = loop.set_receipt_state(receipt_no, WITHDRAWN, who.account, was=CONFIRMED)
        _tidy(loop)
        if not any(path.parent.iterdir()):
            path.parent.rmdir()
        return done


_AT_WORK = "夜间运行正在进行，暂时不能撤回。请等它结束后再试。"
_WORDS = {WITHDRAWN: "撤回", SENT_BACK: "退回", CONFIRMED: "确认", WAITING: "上报待审"}


def decide(home: Home, receipt_no: str, who: Who, *, ok: bool, note: str = "", day: date | None = None) -> Receipt:
    """The township confirms a village's return, or sends it back (镇审, U31).

    Args:
        home: The installation.
        receipt_no: Which.
        who: Who decides: a level above the village, and not who returned it.
        ok: Whether it counts.
        note: Why not; needed where it does not.
        day: The day that its rows are delivered on, today by default.

    Raises:
        Gone: There is no such receipt in the scope.
        UserError: It does not wait for anybody, or no reason is given.
    """
    loop = Loop(home)
    receipt = _own(loop, receipt_no, who)
    if who.role == "village" or who.account == receipt.account or not who.may(receipt.division_code):
        raise Gone(_NO_RECEIPT.format(receipt_no))
    if not ok and not note.strip():
        raise UserError("退回须写明理由。")
    with loop.held("landing"):
        _tidy(loop)
        receipt = loop.receipt(receipt_no) or receipt
        if receipt.state != WAITING:
            raise UserError(f"回执 {receipt_no} 已{_WORDS[receipt.state]}，无需再审。")
        if not ok:
            done = loop.set_receipt_state(receipt_no, SENT_BACK, who.account, was=WAITING, note=note.strip())
        else:
            day = day or today()
            rows = check.judge_again(loop.returned_rows(receipt_no), loop)
            landing = rows.filter("lands")
            done = loop.set_receipt_state(
                receipt_no,
                CONFIRMED,
                who.account,
                was=WAITING,
                note=note.strip(),
                day=day,
                landed=None if landing.is_empty() else _place(receipt_no, day),
                rows=rows.select("n", "state"),
                then=None if landing.is_empty() else lambda: _write_aside(loop, receipt_no, _as_landed(landing)),
            )
        _tidy(loop)
        return done


def _as_landed(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of a receipt with what the night reads of them."""
    batches = [
        batch_id(number) if number is not None else json.loads(raw).get("said", {}).get("batch")
        for number, raw in rows.select("batch_no", "raw").iter_rows()
    ]
    return rows.with_columns(pl.Series("batch_id", batches, dtype=pl.String))


_NO_RECEIPT = "没有回执 {}。请核对回执编号。"


def _own(loop: Loop, receipt_no: str, who: Who) -> Receipt:
    receipt = loop.receipt(receipt_no) if _RECEIPT.fullmatch(receipt_no) else None
    # Not by the account: who works elsewhere by now has left the receipts behind. One without a division came in over
    # the command line, for the whole city.
    if receipt is None or not (
        who.everything or (who.may(receipt.division_code) if receipt.division_code else who.role == "city")
    ):
        raise Gone(_NO_RECEIPT.format(receipt_no if _RECEIPT.fullmatch(receipt_no) else ""))
    return receipt


def _rests_on(loop: Loop, receipt: Receipt) -> str:
    """A later return that repeats an answer of this one and therefore has not landed it again; '' for none."""
    key = ["person_id", "division_code"]
    rows = loop.returned_rows(receipt.receipt_no).filter(pl.col("state").is_in(_LANDS))
    for number in sorted({*rows["batch_no"].drop_nulls()}):
        own = rows.filter(pl.col("batch_no") == number).select(key)
        same = loop.returned_of_batch(number).filter(
            pl.col("state") == "same", pl.col("receipt_state") == CONFIRMED, pl.col("receipt_no") != receipt.receipt_no
        )
        for later in same.join(own, on=key, how="semi")["receipt_no"].sort(descending=True):
            return str(later)
    if rows["batch_no"].null_count():
        own = rows.filter(pl.col("batch_no").is_null()).select(key)
        for one in loop.receipts(state=CONFIRMED):
            same = loop.returned_rows(one.receipt_no).filter(pl.col("state") == "same") if one.same else rows.clear()
            if one.receipt_no != receipt.receipt_no and not same.join(own, on=key, how="semi").is_empty():
                return one.receipt_no
    return ""


# ---------------------------------------------------------------------------------------------- refused rows


def refused_sheet(
    home: Home, token_or_receipt_no: str, who: Who, target: Path, *, full: bool = False, taken: "Taken | None" = None
) -> Path:
    """Write the refused rows of a preview or receipt alone, to be corrected and sent again (U23).

    Args:
        home: The installation.
        token_or_receipt_no: Which.
        who: Who returned them, or somebody above.
        target: File to write.
        full: Numbers in full.
        taken: Who took it from the portal.

    Raises:
        Gone: There is none in the scope.
        UserError: No row was refused.
    """
    from canbao.loop.sheet import write_returned
    from canbao.portal.divisions import current_tree

    loop = Loop(home)
    receipt: Receipt | None = None
    if _RECEIPT.fullmatch(token_or_receipt_no):
        receipt = _own(loop, token_or_receipt_no, who)
        rows, day = _refused_of_receipt(loop, receipt)
    else:
        folder = _kept(home, token_or_receipt_no, who)
        facts = read_json(folder / "preview.json")
        if _DONE in facts:
            return refused_sheet(home, facts[_DONE], who, target, full=full, taken=taken)
        rows, day = _refused_of_preview(folder), date.fromisoformat(facts["day"])
    if rows.is_empty():
        raise UserError("没有退回的行。")
    publication = _publication(home)
    sent = loop.sent_rows({*rows["batch_no"].drop_nulls()}).drop("batch_no", "serial", "round_no", "sent", "due")
    whole = rows.join(sent, on="row_code", how="left", suffix="_sent", maintain_order="left").with_columns(
        pl.coalesce("psn_name_sent", "psn_name").alias("psn_name"),
        pl.coalesce("certno_sent", "certno").alias("certno"),
        pl.coalesce("row_code", "row_code_text").alias("row_code"),
        pl.Series("opinion", [opinion(codes) for codes in rows["checks"]], dtype=pl.String),
    )
    return write_returned(
        whole,
        target,
        tree=current_tree(publication),
        day=day,
        division_code=receipt.division_code if receipt else who.division_code,
        role=(receipt.role if receipt else who.role) or "city",
        receipt_no=receipt.receipt_no if receipt else "",
        full=full,
        taken=taken,
    )


_BACK: dict[str, Any] = {
    "n": pl.Int32, "sheet": pl.String, "line": pl.Int32, "row_code": pl.String, "row_code_text": pl.String,
    "batch_no": pl.Int32, "batch_id": pl.String, "certno": pl.String, "psn_name": pl.String, "reason": pl.String,
    "found_date": pl.String, "end_date": pl.String, "note": pl.String, "reporter": pl.String,
    "checks": pl.List(pl.String),
}  # fmt: skip


def _refused_of_receipt(loop: Loop, receipt: Receipt) -> tuple[pl.DataFrame, date]:
    rows = loop.returned_rows(receipt.receipt_no).filter(pl.col("state") == "refused")
    made = []
    for row in rows.iter_rows(named=True):
        said = json.loads(row["raw"]).get("said", {})
        number = row["batch_no"]
        made.append(
            {
                **{name: row[name] for name in ("n", "sheet", "line", "row_code", "batch_no", "note", "reporter")},
                "checks": row["checks"],
                "row_code_text": said.get("row_code"),
                "batch_id": batch_id(number) if number is not None else said.get("batch"),
                "certno": said.get("certno"),
                "psn_name": said.get("psn_name"),
                "reason": said.get("reason"),
                "found_date": said.get("found"),
                "end_date": said.get("end"),
            }
        )
    return pl.DataFrame(made, schema=_BACK), receipt.day


def _refused_of_preview(folder: Path) -> pl.DataFrame:
    judged = pl.read_parquet(folder / "judged.parquet").filter(pl.col("state") == "refused")
    returned = pl.read_parquet(folder / "returned.parquet")
    both = judged.select("n", "row_code", "batch_no", "batch_id", "checks").join(
        returned.rename({
            "certno": "certno_read", "certno_shown": "certno", "reason_text": "reason", "found_text": "found_date",
            "end_text": "end_date",
        }),
        on="n",
        maintain_order="left",
    )  # fmt: skip
    return both.with_columns(pl.coalesce("batch_id", "batch_text").alias("batch_id")).select(
        pl.col(name).cast(kind) for name, kind in _BACK.items()
    )
