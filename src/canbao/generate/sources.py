"""The departments' views of the lives: one frame per source of contract section 2, with its field names.

Every function returns what one department has on record about the people of a block; nothing decides who is insured.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from canbao.generate import names, numbers
from canbao.generate.book import Book
from canbao.generate.insurance import AID_TYPES, NAMES
from canbao.generate.lives import NO_NUMBER_YET, NUMBER_LATER, People
from canbao.generate.world import NA, World, year_of, yyyymm

STAGES = ["kindergarten", "primary", "junior", "senior", "vocational", "college", "undergraduate", "postgraduate"]
SCHOOL_KINDS = ["幼儿园", "小学", "初级中学", "中学", "职业学校", "高等专科学校", "大学", "大学"]
KINDS = ["contract", "pension", "unemployment"]

FIELDS: dict[str, list[tuple[str, str]]] = {
    "division": [
        ("division_code", "区划代码"), ("division_name", "名称"), ("level", "层级"), ("parent_code", "上级代码"),
        ("valid_from", "启用日期"), ("valid_to", "停用日期"), ("successor_code", "继任代码"),
    ],
    "population": [
        ("certno", "公民身份号码"), ("psn_cert_type", "证件类型"), ("psn_name", "姓名"), ("gend", "性别"),
        ("brdy", "出生日期"), ("naty", "民族"), ("resd_code", "户籍地区划代码"), ("live_code", "常住地区划代码"),
        ("household_no", "户号"), ("resd_status", "户籍状态"), ("status_date", "状态日期"), ("resd_permit", "居住证"),
        ("tel", "联系电话"), ("old_certno", "曾用证件号"),
    ],
    "birth": [
        ("birth_cert_no", "出生医学证明编号"), ("psn_name", "新生儿姓名"), ("gend", "性别"), ("brdy", "出生日期"),
        ("certno", "新生儿身份号码"), ("mother_name", "母亲姓名"), ("mother_certno", "母亲证件号"),
        ("father_certno", "父亲证件号"), ("live_code", "母亲现住地区划代码"),
    ],
    "death": [("certno", "公民身份号码"), ("psn_name", "姓名"), ("death_date", "死亡日期")],
    "student": [
        ("certno", "公民身份号码"), ("psn_name", "姓名"), ("school_code", "学校代码"), ("school_name", "学校名称"),
        ("school_admdvs", "学校所在区县代码"), ("stage", "学段"), ("enroll_date", "入学日期"),
        ("student_status", "学籍状态"),
    ],
    "enrollment": [
        ("psn_insu_rlts_id", "参保关系号"), ("psn_no", "人员编号"), ("certno", "证件号码"),
        ("psn_cert_type", "证件类型"), ("psn_name", "姓名"),
        ("insutype", "险种"), ("psn_insu_stas", "参保状态"), ("psn_type", "人员类别"),
        ("insu_admdvs", "参保区划"), ("emp_no", "单位编号"), ("emp_name", "单位名称"), ("uscc", "统一社会信用代码"),
        ("begn_date", "本次参保日期"), ("end_date", "暂停或终止日期"), ("tier", "缴费档次"),
        ("guardian_certno", "监护人证件号"),
    ],
    "tax_payment": [
        ("pay_id", "缴费流水号"), ("certno", "参保人证件号"), ("psn_name", "姓名"), ("insutype", "险种"),
        ("accrym_begn", "费款所属期起"), ("accrym_end", "费款所属期止"), ("amount", "金额"), ("paid_date", "缴费日期"),
        ("tier", "档次"), ("pay_type", "缴费类型"), ("payer_certno", "缴费人证件号"), ("insu_admdvs", "缴费区划"),
        ("uscc", "统一社会信用代码"),
    ],
    "employment": [
        ("certno", "公民身份号码"), ("uscc", "统一社会信用代码"), ("emp_name", "单位名称"), ("kind", "类别"),
        ("begn_date", "开始日期"), ("end_date", "结束日期"),
    ],
    "aid_recipient": [
        ("certno", "公民身份号码"), ("aid_type", "救助类别"), ("begn_date", "开始日期"), ("end_date", "结束日期"),
    ],
    "veteran": [("certno", "公民身份号码"), ("discharge_date", "退役日期")],
    "custody": [("certno", "公民身份号码"), ("begn_date", "开始日期"), ("end_date", "结束日期")],
    "vaccination": [
        ("certno", "公民身份号码"), ("psn_name", "姓名"), ("brdy", "出生日期"), ("guardian_certno", "监护人证件号"),
        ("live_code", "常住地区划代码"),
    ],
    "enterprise": [
        ("uscc", "统一社会信用代码"), ("emp_name", "单位名称"), ("status", "状态"), ("status_date", "状态日期"),
        ("admdvs", "区划代码"),
    ],
    "annual_claim": [
        ("certno", "证件号码"), ("year", "年度"), ("fund_paid_amt", "基金支付"), ("major_illness_amt", "大病支付"),
        ("reward_used", "使用奖励额度"),
    ],
    "enrollment_history": [
        ("certno", "证件号码"), ("insu_year", "年度"), ("insutype", "险种"), ("months", "参保月数"),
    ],
    "target": [
        ("insu_year", "年度"), ("division_code", "区划代码"), ("target_persons", "目标人数"), ("set_by", "下达区划"),
    ],
    "grid_feedback": [
        ("batch_id", "下发批次"), ("certno", "公民身份号码"), ("row_code", "行码"), ("division_code", "填报区划"),
        ("reason_code", "原因代码"), ("found_date", "核实日期"), ("end_date", "截止日期"), ("note", "备注"),
        ("reporter", "填报人"),
    ],
}  # fmt: skip
"""Field names and Chinese headers of every source, in the contract's order."""
FIELDS["enrollment_elsewhere"] = FIELDS["enrollment"]


@dataclass
class Numbers:
    """The numbers under which the block's people are known, as text."""

    current: pl.Series
    """Number of today; null for a child that has none yet."""
    old: pl.Series
    """The used-to-be number, else null."""
    birth_cert: pl.Series
    first: pl.Series
    """What a person's id is made from (contract 3.1)."""
    known: pl.Series
    """`current`, else the birth certificate's number."""
    insured: pl.Series
    """The number in the insurance files."""
    paid: pl.Series
    """The number in the tax office's files."""
    name: pl.Series


def _when(condition: np.ndarray, yes: pl.Series, no: pl.Series | None) -> pl.Series:
    other = pl.lit(None, dtype=pl.String) if no is None else no
    return pl.select(pl.when(pl.Series(condition)).then(yes).otherwise(other)).to_series()


def number_people(world: World, people: People, block: int, blocks: int) -> Numbers:
    """Give everybody numbers and a name."""
    changed = np.flatnonzero(people.old_number)
    birth = np.concatenate([people.birth, people.birth[changed]])
    sex = np.concatenate([people.sex, people.sex[changed]])
    body = numbers.body17(birth, sex, block, blocks)
    wrong = np.concatenate([people.wrong_check, np.zeros(len(changed), dtype=np.bool_)])
    text = numbers.certno(body, wrong)
    n = people.n
    current = text.slice(0, n)
    at = np.full(n, 0, dtype=np.int64)
    at[changed] = np.arange(n, n + len(changed))
    old = _when(people.old_number, text.gather(at), None)
    serial = block * 400_000 + np.arange(n)
    birth_cert = _when(people.in_birth, numbers.birth_certificate(serial % 10**8), None)
    without = people.in_birth & (people.number_state == NO_NUMBER_YET)
    late = people.in_birth & (people.number_state == NUMBER_LATER)
    current = _when(~without, current, None)
    first = _when(people.old_number, old, _when(without | late, birth_cert, current))
    known = _when(~without, current, birth_cert)
    fifteen = numbers.as_15_digits(known)
    number = np.arange(n)
    insured = _when(people.fifteen, fifteen, known)
    insured = _when(people.old_number & (number % 2 == 0), old, insured)
    by_certificate = people.birth_number_insured & (without | late)
    insured = _when(by_certificate, birth_cert, insured)
    paid = _when(people.old_number & (number % 3 == 0), old, known)
    paid = _when(by_certificate, birth_cert, paid)
    name = names.compose(people.surname, people.first, people.second, people.name_style)
    return Numbers(current, old, birth_cert, first, known, insured, paid, name)


def _text(numbers_: np.ndarray, blank: int | None = None) -> pl.Series:
    """Integers as text; `blank` stands for nothing."""
    series = pl.Series(numbers_)
    text = series.cast(pl.String)
    return text if blank is None else pl.select(pl.when(series != blank).then(text)).to_series()


def _day(day: np.ndarray) -> pl.Series:
    series = pl.Series(day.astype(np.int32))
    return pl.select(pl.when(series != NA).then(series).cast(pl.Date)).to_series()


def _at(series: pl.Series, rows: np.ndarray) -> pl.Series:
    """Gather; row -1 gives null."""
    if len(rows) and rows.min() < 0:
        index = pl.Series(rows.astype(np.int64))
        return series.gather(pl.select(pl.when(index >= 0).then(index)).to_series())
    return series.gather(rows.astype(np.int64))


def relation_ids(block: int, count: int) -> pl.Series:
    """Ids of a block's relations, ascending as text."""
    return pl.Series(50 * 10**13 + block * 10**8 + np.arange(count)).cast(pl.String)


def pay_ids(block: int, count: int) -> pl.Series:
    """Ids of a block's payments, ascending as text."""
    return pl.Series(33 * 10**13 + block * 10**8 + np.arange(count)).cast(pl.String)


def _old_form(people: People, n: Numbers) -> pl.Series:
    """Used-to-be numbers as the police keep them: of old people sometimes with 15 digits."""
    short = people.old_number & (year_of(people.birth) < 1965) & (np.arange(people.n) % 2 == 0)
    return _when(short, numbers.as_15_digits(n.old), n.old)


def population(world: World, rng: np.random.Generator, people: People, n: Numbers, block: int) -> pl.DataFrame:
    """The police's register: who is or was registered here, and who lives here from outside."""
    rows = np.flatnonzero(people.in_population)
    tel = numbers.telephone(rng, len(rows))
    return pl.DataFrame(
        {
            "certno": _at(n.current, rows),
            "psn_cert_type": pl.repeat("01", len(rows), eager=True),
            "psn_name": _at(n.name, rows),
            "gend": _text(people.sex[rows]),
            "brdy": _day(people.birth[rows]),
            "naty": _text(people.naty[rows]).str.zfill(2),
            "resd_code": _text(people.resd_code[rows]),
            "live_code": _text(people.live_code[rows], 0),
            "household_no": _text(8 * 10**9 + block * 10**6 + people.household[rows]),
            "resd_status": _text(people.resd_status[rows]),
            "status_date": _day(people.status_date[rows]),
            "resd_permit": _when(
                rows < people.registered, pl.repeat("", len(rows), eager=True), _text(people.permit[rows])
            ),
            "tel": _when(rng.random(len(rows)) < 0.7, tel, None),
            "old_certno": _at(_old_form(people, n), rows),
        }
    ).with_columns(pl.col("resd_permit").replace("", None))


def births(world: World, people: People, n: Numbers) -> list[tuple[int, pl.DataFrame]]:
    """Births by delivery; a number that comes later comes with a second row (contract 3.1)."""
    deliveries = np.array(world.increment_days("birth"))
    rows = np.flatnonzero(people.in_birth)
    nth = np.minimum(np.searchsorted(deliveries, people.birth[rows] + 3), len(deliveries) - 1)
    later = people.number_state[rows] == NUMBER_LATER
    result = []
    for i, day in enumerate(deliveries):
        first, second = rows[nth == i], rows[later & (nth == i - 1)]
        who = np.concatenate([first, second])
        with_number = np.concatenate([people.number_state[first] != NUMBER_LATER, np.ones(len(second), dtype=np.bool_)])
        mother = people.mother[who]
        frame = pl.DataFrame(
            {
                "birth_cert_no": _at(n.birth_cert, who),
                "psn_name": _at(n.name, who),
                "gend": _text(people.sex[who]),
                "brdy": _day(people.birth[who]),
                "certno": _when(with_number, _at(n.current, who), None),
                "mother_name": _at(n.name, mother),
                "mother_certno": _at(n.current, mother),
                "father_certno": _when(who % 10 > 0, _at(n.current, people.father[who]), None),
                "live_code": _text(people.live_code[mother], 0),
            }
        )
        result.append((int(day), frame))
    return result


def deaths(world: World, book: Book, n: Numbers) -> list[tuple[int, pl.DataFrame]]:
    """Deaths by delivery."""
    d = book.death.arrays()
    frame = pl.DataFrame(
        {"certno": _at(n.known, d["p"]), "psn_name": _at(n.name, d["p"]), "death_date": _day(d["day"])}
    )
    return _by_day(frame, d["day"].astype(np.int64), world.increment_days("death"))


def veterans(world: World, book: Book, n: Numbers) -> list[tuple[int, pl.DataFrame]]:
    """Veterans by delivery."""
    v = book.veteran.arrays()
    frame = pl.DataFrame({"certno": _at(n.known, v["p"]), "discharge_date": _day(v["day"])})
    return _by_day(frame, v["day"].astype(np.int64), world.increment_days("veteran"))


def _by_day(frame: pl.DataFrame, day: np.ndarray, deliveries: list[int]) -> list[tuple[int, pl.DataFrame]]:
    nth = np.minimum(np.searchsorted(np.array(deliveries), day), len(deliveries) - 1)
    return [(d, frame.filter(pl.Series(nth == i))) for i, d in enumerate(deliveries)]


def students(world: World, book: Book, n: Numbers) -> pl.DataFrame:
    """The schools' registers."""
    s = book.student.arrays()
    kind = pl.Series(SCHOOL_KINDS).gather(s["stage"].astype(np.int64))
    place = _text(s["adm"])
    number = _text(s["school"])
    code = pl.select(pl.concat_str(pl.lit("3"), place, _text(s["stage"]), number.str.zfill(3))).to_series()
    return pl.DataFrame(
        {
            "certno": _at(n.known, s["p"]),
            "psn_name": _at(n.name, s["p"]),
            "school_code": code,
            "school_name": pl.select(pl.concat_str(place, pl.lit("第"), number, kind)).to_series(),
            "school_admdvs": place,
            "stage": pl.Series(STAGES).gather(s["stage"].astype(np.int64)),
            "enroll_date": _day(s["begn"]),
            "student_status": _text(s["status"]),
        }
    )


def enrollment(world: World, people: People, book: Book, n: Numbers, block: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Relations of this city and those outside."""
    r = book.relation.arrays()
    p, emp = r["p"], r["emp"]
    insured = _at(n.insured, p)
    changed = pl.select(pl.concat_str(n.name.str.head(1), pl.lit("新"), n.name.str.tail(1))).to_series()
    name = _when(people.other_name, changed, n.name)
    psn_no = _text(50 * 10**11 + block * 10**7 + p.astype(np.int64) * 10 + r["second_no"] + 1)
    frame = pl.DataFrame(
        {
            "psn_insu_rlts_id": relation_ids(block, len(p)),
            "psn_no": psn_no,
            "certno": insured,
            "psn_cert_type": pl.select(
                pl.when(insured.str.starts_with("Z")).then(pl.lit("99")).otherwise(pl.lit("01"))
            ).to_series(),
            "psn_name": _at(name, p),
            "insutype": _text(r["insutype"]),
            "psn_insu_stas": _text(r["stas"]),
            "psn_type": _text(r["psn_type"]),
            "insu_admdvs": _text(r["adm"]),
            "emp_no": _text(np.where(emp >= 0, 10**6 + emp.astype(np.int64), -1), -1),
            "emp_name": _at(world.employer_name, emp),
            "uscc": _at(world.employer_uscc, emp),
            "begn_date": _day(r["begn"]),
            "end_date": _day(r["end"]),
            "tier": _text(r["tier"], 0),
            "guardian_certno": _at(n.current, r["guardian"]),
        }
    )
    away = pl.Series(r["elsewhere"])
    return frame.filter(~away), frame.filter(away)


def tax_payments(
    world: World, rng: np.random.Generator, book: Book, n: Numbers, block: int
) -> list[tuple[int, pl.DataFrame]]:
    """Payments by delivery, as the tax office took them; the name is often missing."""
    p = book.payment.arrays()
    who = p["p"]
    has_name = rng.random(len(who)) < 0.3
    frame = pl.DataFrame(
        {
            "pay_id": pay_ids(block, len(who)),
            "certno": _at(n.paid, who),
            "psn_name": _when(has_name, _at(n.name, who), None),
            "insutype": _text(p["insutype"]),
            "accrym_begn": _text(yyyymm(p["a0"].astype(np.int64))),
            "accrym_end": _text(yyyymm(p["a1"].astype(np.int64))),
            "amount": pl.Series(p["fen"].astype(np.float64) / 100),
            "paid_date": _day(p["day"]),
            "tier": _text(p["tier"], 0),
            "pay_type": _text(p["type"]),
            "payer_certno": _at(n.current, p["payer"]),
            "insu_admdvs": _text(p["adm"]),
            "uscc": _at(world.employer_uscc, p["emp"]),
        }
    )
    return _by_day(frame, p["day"].astype(np.int64), world.increment_days("tax_payment"))


def employment(world: World, book: Book, n: Numbers) -> pl.DataFrame:
    """Contracts, pensions and unemployment benefits."""
    e = book.employment.arrays()
    return pl.DataFrame(
        {
            "certno": _at(n.known, e["p"]),
            "uscc": _at(world.employer_uscc, e["emp"]),
            "emp_name": _at(world.employer_name, e["emp"]),
            "kind": pl.Series(KINDS).gather(e["kind"].astype(np.int64)),
            "begn_date": _day(e["begn"]),
            "end_date": _day(e["end"]),
        }
    )


def aid_recipients(book: Book, n: Numbers) -> pl.DataFrame:
    """Recipients of medical assistance."""
    a = book.aid.arrays()
    kind = pl.Series(AID_TYPES).gather(a["kind"].astype(np.int64))
    return pl.DataFrame(
        {"certno": _at(n.known, a["p"]), "aid_type": kind, "begn_date": _day(a["begn"]), "end_date": _day(a["end"])}
    )


def custody(world: World, book: Book, n: Numbers, day: int) -> pl.DataFrame:
    """People who serve or served a sentence, as known on a day: who was not yet released then has no end."""
    c = book.custody.arrays()
    end = c["end"] if day >= world.day - 30 else np.where(c["end"] < day, c["end"], NA)
    frame = pl.DataFrame({"certno": _at(n.known, c["p"]), "begn_date": _day(c["begn"]), "end_date": _day(end)})
    return frame.filter(pl.Series(c["begn"] < day))


def vaccination(world: World, people: People, n: Numbers) -> pl.DataFrame:
    """Children under seven; one in six without a number."""
    age = world.year - year_of(people.birth)
    rows = np.flatnonzero((age < 7) & (people.live_code // 10**10 == 50) & (people.resd_status == 1))
    return pl.DataFrame(
        {
            "certno": _when(rows % 6 > 0, _at(n.current, rows), None),
            "psn_name": _at(n.name, rows),
            "brdy": _day(people.birth[rows]),
            "guardian_certno": _at(n.current, people.mother[rows]),
            "live_code": _text(people.live_code[rows]),
        }
    )


def annual_claims(world: World, rng: np.random.Generator, book: Book, n: Numbers) -> pl.DataFrame:
    """What the fund paid last year for part of those who were covered; 0 for who claimed nothing."""
    h = book.history.arrays()
    rows = (h["year"] == world.year - 1) & (h["insutype"] == 390) & (h["p"] % 5 < 2)
    who = np.unique(h["p"][rows])
    paid = np.where(rng.random(len(who)) < 0.35, 0.0, np.round(rng.gamma(1.3, 2200, len(who)), 2))
    major = np.where(paid > 9000, np.round(paid * 0.2, 2), 0.0)
    return pl.DataFrame(
        {
            "certno": _at(n.known, who),
            "year": _text(np.full(len(who), world.year - 1)),
            "fund_paid_amt": pl.Series(paid),
            "major_illness_amt": pl.Series(major),
            "reward_used": _text(((major > 0) & (who % 9 == 0)).astype(np.int64)),
        }
    )


def enrollment_history(book: Book, n: Numbers) -> pl.DataFrame:
    """Covered months of earlier years, one row per person and year: resident insurance where there were both."""
    h = book.history.arrays()
    order = np.lexsort((-h["insutype"].astype(np.int64), h["year"], h["p"]))
    p, year, kind, months = (h[c][order].astype(np.int64) for c in ("p", "year", "insutype", "months"))
    key = (p * 10**4 + year) * 10**3 + kind
    whole = key // 10**3
    first_of_year = np.flatnonzero(np.r_[True, whole[1:] != whole[:-1]]) if len(key) else np.empty(0, dtype=np.int64)
    new = np.flatnonzero(np.r_[True, key[1:] != key[:-1]]) if len(key) else first_of_year
    total = np.minimum(np.add.reduceat(months, new), 12) if len(key) else months
    kept = np.isin(new, first_of_year)
    rows = new[kept]
    return pl.DataFrame(
        {
            "certno": _at(n.known, p[rows]),
            "insu_year": _text(year[rows]),
            "insutype": _text(kind[rows]),
            "months": _text(total[kept]),
        }
    )


_FEEDBACK = {
    "missing": ("F1", "家属称多年无音讯"),
    "moved_out": ("D3", ""),
    "abroad": ("D4", ""),
    "lapsed": ("W1", "缴费贵"),
    "lapsed_now": ("W5", "答应月底前缴,已留电话"),
    "never": ("F2", ""),
    "unpaid": ("W4", ""),
    "elsewhere_stopped": ("I1", "自述在外省参保\n无凭证"),
    "in_custody": ("P1", ""),
    "infant_never": ("W5", ""),
}


def grid_feedback(world: World, people: People, n: Numbers) -> list[tuple[int, pl.DataFrame]]:
    """What village workers found out about some of the uninsured."""
    codes = np.full(len(NAMES) + 1, "", dtype=object)
    notes = np.full(len(NAMES) + 1, "", dtype=object)
    for kind, (code, note) in _FEEDBACK.items():
        codes[NAMES.index(kind)], notes[NAMES.index(kind)] = code, note
    asked = (codes[people.kind] != "") & (np.arange(people.n) % 4 == 0) & people.in_population
    rows = np.flatnonzero(asked & (np.arange(people.n) < people.registered))
    deliveries = world.increment_days("grid_feedback")
    found = world.day - 1 - (rows * 13) % 45
    place = people.resd_code[rows] // 10**6
    dated = np.isin(codes[people.kind[rows]], ("P1",))
    batch = [f"P{(world.as_of - timedelta(days=50)):%Y%m%d}-{p}" for p in place.tolist()]
    frame = pl.DataFrame(
        {
            "batch_id": pl.Series(batch, dtype=pl.String),
            "certno": _at(n.known, rows),
            "row_code": pl.repeat(None, len(rows), dtype=pl.String, eager=True),
            "division_code": _text(people.resd_code[rows]),
            "reason_code": pl.Series(codes[people.kind[rows]].tolist(), dtype=pl.String),
            "found_date": _day(found),
            "end_date": _day(np.where(dated, world.day + 200, NA)),
            "note": pl.Series(notes[people.kind[rows]].tolist(), dtype=pl.String).replace("", None),
            "reporter": pl.repeat("网格员", len(rows), eager=True),
        }
    )
    return _by_day(frame, found, deliveries)


def enterprises(world: World) -> pl.DataFrame:
    """Businesses of the city."""
    k = world.first_outside_employer
    return pl.DataFrame(
        {
            "uscc": world.employer_uscc.slice(0, k),
            "emp_name": world.employer_name.slice(0, k),
            "status": _text(world.employer_status[:k]),
            "status_date": _day(world.employer_closed_on[:k]),
            "admdvs": _text(world.employer_place[:k]),
        }
    )


def divisions(world: World) -> pl.DataFrame:
    """All divisions of the city as of mid-2023 (real places)."""
    return world.divisions.select(
        "division_code",
        "division_name",
        "level",
        "parent_code",
        pl.lit(date(2023, 6, 30)).alias("valid_from"),
        pl.lit(None, dtype=pl.Date).alias("valid_to"),
        pl.lit(None, dtype=pl.String).alias("successor_code"),
    )


def targets(world: World) -> pl.DataFrame:
    """Plans of the insured year for counties and their townships."""
    share = np.diff(np.r_[0.0, world.village_cumulative])
    frame = pl.DataFrame({"village": world.villages, "share": share})
    parts = []
    for digits, parent in ((10**6, "500000000000"), (10**3, None)):
        part = (
            frame.group_by((pl.col("village") // digits * digits).alias("code"))
            .agg(pl.col("share").sum())
            .sort("code")
            .select(
                pl.lit(str(world.year)).alias("insu_year"),
                pl.col("code").cast(pl.String).alias("division_code"),
                (pl.col("share") * world.persons * 0.95)
                .round(0)
                .cast(pl.Int64)
                .cast(pl.String)
                .alias("target_persons"),
                (pl.lit(parent) if parent else (pl.col("code") // 10**6 * 10**6).cast(pl.String)).alias("set_by"),
            )
        )
        parts.append(part)
    return pl.concat(parts)
