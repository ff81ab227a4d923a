"""The faults of real extracts laid over clean frames at a stated rate.

Three sorts, and each keeps the truth decidable:

- *varied* rows are the only copy of a fact in an unusual spelling (lower-case x, full-width digits, another date
  format, a code as a word): a reader must take them as what they mean;
- *stale* rows repeat the key of a good row before it, with something wrong in them: the later one replaces them;
- *broken* rows are extra copies that no reader can accept (blank required cell, damaged number, ragged or total row).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
import polars as pl

from canbao.generate import numbers

CERT = ("certno", "old_certno", "guardian_certno", "payer_certno", "mother_certno", "father_certno")
DATES = (
    "brdy",
    "status_date",
    "begn_date",
    "end_date",
    "paid_date",
    "death_date",
    "discharge_date",
    "enroll_date",
    "found_date",
)
AMOUNTS = ("amount", "fund_paid_amt", "major_illness_amt")
WORDS: dict[str, dict[str, dict[str, str]]] = {
    "population": {
        "gend": {"1": "男", "2": "女"},
        "resd_status": {
            "1": "正常", "2": "迁出市外", "3": "注销", "4": "死亡", "5": "出国(境)定居", "6": "失踪", "7": "服现役",
        },
    },
    "student": {
        "stage": {
            "kindergarten": "幼儿园", "primary": "小学", "junior": "初中", "senior": "高中", "vocational": "中职",
            "college": "大专", "undergraduate": "本科", "postgraduate": "研究生",
        },
        "student_status": {"1": "在校", "2": "休学", "3": "毕业", "4": "退学"},
    },
    "enrollment": {"psn_insu_stas": {"0": "未参保", "1": "正常", "2": "暂停", "3": "无效", "4": "终止"}},
    "enrollment_elsewhere": {"psn_insu_stas": {"1": "正常", "4": "终止"}},
    "tax_payment": {"pay_type": {"10": "正常", "31": "补缴", "32": "缴费修复", "40": "退费"}},
    "employment": {"kind": {"contract": "劳动合同", "pension": "职工养老", "unemployment": "失业金"}},
    "enterprise": {"status": {"1": "存续", "2": "注销", "3": "吊销"}},
}  # fmt: skip
"""Words that stand beside the codes in contract section 2."""
REQUIRED = {
    "population": ("certno", "psn_name"),
    "birth": ("birth_cert_no", "brdy"),
    "death": ("certno", "death_date"),
    "student": ("certno", "school_admdvs"),
    "enrollment": ("certno", "insutype", "begn_date"),
    "enrollment_elsewhere": ("certno", "psn_insu_stas"),
    "tax_payment": ("certno", "amount", "paid_date"),
    "employment": ("certno", "begn_date"),
    "aid_recipient": ("certno", "aid_type"),
    "veteran": ("certno",),
    "custody": ("certno",),
    "vaccination": ("psn_name", "live_code"),
    "enterprise": ("uscc", "emp_name"),
    "annual_claim": ("certno", "fund_paid_amt"),
    "target": ("target_persons",),
    "grid_feedback": ("division_code", "reason_code"),
}
"""Some columns marked R! whose blank rejects a row."""
UNREADABLE = {
    "death": ("death_date", "不详"),
    "enrollment": ("begn_date", "待核"),
    "tax_payment": ("paid_date", "当月"),
    "employment": ("begn_date", "不详"),
    "birth": ("brdy", "待查"),
}
"""Columns marked R! and a value of them that nobody can read."""
STALE = {
    "population": ("tel", "10000000000"),
    "enrollment": ("psn_insu_stas", "3"),
    "tax_payment": ("amount", "1.00"),
    "annual_claim": ("fund_paid_amt", "1.00"),
    "enterprise": ("emp_name", "旧名称"),
    "target": ("target_persons", "1"),
}
"""What was wrong in the earlier row of a repeated key."""

_FULL_WIDTH = str.maketrans("0123456789X", "０１２３４５６７８９Ｘ")
_DOTS = ("•", "・", "･", "‧", "⋅", "．", ".")


@dataclass
class Log:
    """What was done, for `truth/dirt.parquet`."""

    rows: list[tuple[str, str, str, str, str | None, int]] = field(default_factory=list)

    def add(self, place: tuple[str, str, str], kind: str, error: str | None, rows: int) -> None:
        """Count rows of one kind in one file (source, delivery, name); `error` is the code of a row to be rejected."""
        if rows:
            self.rows.append((*place, kind, error, rows))

    def frame(self) -> pl.DataFrame:
        """Source, delivery, file, kind, error_code (null: accepted), rows."""
        schema = {
            "source": pl.String,
            "delivery": pl.String,
            "file": pl.String,
            "kind": pl.String,
            "error_code": pl.String,
            "rows": pl.Int64,
        }
        return pl.DataFrame(self.rows, schema=schema, orient="row").sort(pl.all(), nulls_last=True)


@dataclass
class Soiled:
    """A frame taken apart: what is written in this order."""

    stale: pl.DataFrame
    clean: pl.DataFrame
    varied: pl.DataFrame
    broken: list[tuple[str, list[str]]]
    """Error code and cells; the number of cells may differ from the header's."""
    kinds: dict[str, int]


def _spell_dates(value: str, how: int) -> str:
    day = date.fromisoformat(value)
    return (
        f"{day:%Y%m%d}",
        f"{day.year}/{day.month}/{day.day}",
        f"{day.year}年{day.month}月{day.day}日",
        f"{day.year}-{day.month}-{day.day}",
        f"{value} 00:00:00",
        f"{day:%Y/%m/%d}",
        str((day - date(1899, 12, 30)).days),
    )[how % (7 if day.year > 1950 else 6)]


def _spell_number(value: str, how: int) -> str:
    spelled = (
        value.lower() if value.endswith("X") else " " + value,
        value.translate(_FULL_WIDTH),
        f"{value[:6]} {value[6:14]} {value[14:]}",
        "'" + value,
        value + "\u200b",
    )
    return spelled[how % 5]


def _spell_amount(value: str, how: int) -> str:
    return (f"{value}元", f"￥{value}", f" {value} ")[how % 3]


def _spell_name(value: str, how: int) -> str:
    if "·" in value:
        return value.replace("·", _DOTS[how % len(_DOTS)])
    return (f"{value[0]} {value[1:]}", f"{value} ", f"{value[0]}\u3000{value[1:]}")[how % 3]


def _word_of(words: dict[str, str]) -> Callable[[str, int], str]:
    return lambda value, _: words.get(value, value)


def _vary(frame: pl.DataFrame, source: str, today: date, start: int, xlsx: bool) -> tuple[pl.DataFrame, dict[str, int]]:
    """Respell one thing in each row; the rows are few, so they are taken one by one."""
    columns = set(frame.columns)
    ways: list[tuple[str, str, Callable[[str, int], str]]] = []
    ways += [("number_spelling", c, _spell_number) for c in CERT if c in columns]
    ways += [("date_spelling", c, _spell_dates) for c in DATES if c in columns and not xlsx]
    ways += [("amount_spelling", c, _spell_amount) for c in AMOUNTS if c in columns]
    ways += [("name_spelling", c, _spell_name) for c in ("psn_name", "mother_name") if c in columns]
    for column, words in WORDS.get(source, {}).items():
        ways.append(("code_as_word", column, _word_of(words)))
    if source == "population":
        ways.append(("short_division", "live_code", lambda v, how: v[: (6, 9)[how % 2]]))
        ways.append(("short_division", "resd_code", lambda v, how: v[: (6, 9)[how % 2]]))
        ways.append(("unknown_division", "live_code", lambda v, _: v[:9] + "999" if v.startswith("50") else v))
        ways.append(("date_after_as_of", "status_date", lambda _, how: str(today + timedelta(days=how % 300 + 1))))
    if source == "enrollment":
        ways.append(("long_admdvs", "insu_admdvs", lambda v, _: v + "000000"))
        ways.append(("sentinel_date", "end_date", lambda _, how: "9999-12-31"))
    if not ways:
        return frame, {}
    kinds: dict[str, int] = {}
    data = {name: frame[name].to_list() for name in frame.columns}
    for row in range(frame.height):
        for attempt in range(len(ways)):
            kind, column, spell = ways[(row + start + attempt) % len(ways)]
            value = data[column][row]
            fills = kind == "sentinel_date" or (
                kind == "date_after_as_of" and data["resd_status"][row] in ("1", "正常")
            )
            if (value is None) == fills:
                spelled = spell(value or "", row * 7 + start)
                if spelled != value:
                    data[column][row] = spelled
                    kinds[kind] = kinds.get(kind, 0) + 1
                    break
    return pl.DataFrame(data, schema=dict.fromkeys(frame.columns, pl.String)), kinds


def _damage(value: str, how: int) -> str | None:
    """What a spreadsheet makes of a number (P25); None where the result would be a valid number."""
    if not value or len(value) != 18 or not value[:17].isdigit():
        return None
    if how % 2:
        return f"{int(value[:17]) * 10:.5E}".replace("E+0", "E+")
    damaged = value[:15] + "000"
    right = int(numbers.check_value(np.array([int(damaged[:17])], dtype=np.int64))[0])
    return None if right == 1 else damaged


def _break(frame: pl.DataFrame, source: str, start: int, text_file: bool) -> list[tuple[str, list[str]]]:
    """Copies of good rows that must be rejected."""
    columns = frame.columns
    required = REQUIRED.get(source, ())
    broken: list[tuple[str, list[str]]] = []
    for row, values in enumerate(frame.iter_rows()):
        cells = ["" if v is None else v for v in values]
        how = (row + start) % 5
        if how == 1 and source in UNREADABLE:
            column, value = UNREADABLE[source]
            cells[columns.index(column)] = value
            broken.append(("unreadable_required", cells))
        elif how in (2, 3) and "certno" in required:
            at = columns.index("certno")
            damaged = _damage(cells[at], row)
            if damaged:
                cells[at] = damaged
                broken.append(("damaged_certno", cells))
        elif how == 4 and text_file and len(cells) > 2:
            broken.append(("field_count", cells[:-1] if row % 2 else [*cells, "多余"]))
        elif required:
            cells[columns.index(required[row % len(required)])] = ""
            broken.append(("blank_required", cells))
    return broken


def as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """All columns as the text that a CSV file would hold."""
    return frame.select(
        pl.when(pl.col(name).is_not_null()).then(pl.format("{}", _two_places(name))).alias(name)
        if dtype == pl.Float64
        else pl.col(name).cast(pl.String)
        for name, dtype in frame.schema.items()
    )


def _two_places(name: str) -> pl.Expr:
    fen = (pl.col(name).abs() * 100).round(0).cast(pl.Int64)
    sign = pl.when(pl.col(name) < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    return pl.concat_str(sign, (fen // 100).cast(pl.String), pl.lit("."), (fen % 100).cast(pl.String).str.zfill(2))


def soil(
    frame: pl.DataFrame, source: str, rate: float, rng: np.random.Generator, today: date, *, text_file: bool, xlsx: bool
) -> Soiled:
    """Lay dirt over a clean frame.

    Args:
        frame: Clean rows of one file.
        source: Name of the source.
        rate: Share of rows that get some fault; a sixth of them is broken, a sixth stale, the rest varied.
        rng: Random numbers of this file.
        today: The as-of date.
        text_file: The file is a text file, so that rows can be ragged.
        xlsx: The file is a workbook, in which dates are dates.

    Returns:
        The rows in their parts.
    """
    n = frame.height
    nothing = as_text(frame.head(0))
    count = int(n * rate)
    if rate <= 0 or n < 30 or source == "division":
        return Soiled(nothing, frame, nothing, [], {})
    few = max(2, count // 6)
    varied_rows = np.sort(rng.choice(n, max(2, count - 2 * few), replace=False))
    mask = np.zeros(n, dtype=np.bool_)
    mask[varied_rows] = True
    start = int(rng.integers(0, 1000))
    varied, kinds = _vary(as_text(frame.filter(pl.Series(mask))), source, today, start, xlsx)
    good = frame.filter(pl.Series(~mask))
    stale = nothing
    if source in STALE:
        column, value = STALE[source]
        picked = np.sort(rng.choice(good.height, few, replace=False))
        stale = as_text(good[picked]).with_columns(pl.lit(value).alias(column))
        kinds["repeated_key"] = few
    picked = np.sort(rng.choice(good.height, few, replace=False))
    broken = _break(as_text(good[picked]), source, start, text_file)
    return Soiled(stale, good, varied, broken, kinds)
