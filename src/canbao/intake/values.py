"""What a single cell means: the careful reading of each type, one text at a time.

`columns.py` reads the usual spellings of a whole column at once and comes here only with what is left over; both must
agree, which the tests check. Every reader takes the cell as delivered and returns `(value, state)`.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

# What became of a cell. SENTINEL: a date that stands for none (1900-01-01, 至今). DAMAGED: a number that Excel cut.
# ROUNDED: an amount with parts of a cent; its value is the amount that they round to.
OK, BLANK, SENTINEL, BAD, DAMAGED, UNKNOWN, ROUNDED = range(7)

Reading = tuple[Any, int]

# Zero-width signs, byte order marks, direction marks, the soft hyphen, control signs (also DOS's end of file).
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\x00-\x08\x0e-\x1b\x7f]"
)
_SPACE = re.compile(r"\s+")
_PLACEHOLDERS = frozenset({"-", "--", "—", "——", "无", "空", "/", "NULL", "NONE", "NAN", "N/A", "#N/A", "\\N"})
_NULLS = frozenset({"NULL", "\\N"})
_NO_DAY_YET = frozenset({"至今", "迄今", "现在", "目前", "长期", "长期有效", "永久", "永久有效", "无固定期限"})
_FLOAT = re.compile(r"(\d+)\.0+")
# A number cell holds 15 digits for certain.
_CERTAIN_DIGITS = 15
_LARGEST_AMOUNT = Decimal("999999999999.99")

_FIRST_YEAR, _LAST_YEAR = 1800, 2199
_EXCEL_EPOCH = date(1899, 12, 30)
_SERIAL = re.compile(r"([2-7]\d{4}|80000)(?:\.\d+)?")
_CLOCK = r"(?:[T ]\d{1,2}[:时]\d{1,2}(?:[:分]\d{1,2}(?:\.\d+)?秒?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})(?:\.0|(?:[01]\d|2[0-3])[0-5]\d[0-5]\d|" + _CLOCK + ")")
_DASHED = re.compile(r"(\d{4}) ?([-/.]) ?(\d{1,2}) ?\2 ?(\d{1,2})" + _CLOCK)
_WORDED = re.compile(r"(\d{4}) ?年 ?(\d{1,2}) ?月 ?(\d{1,2}) ?[日号]?" + _CLOCK)
# 2025.1 may be what a spreadsheet left of 2025.10, so it is no month.
_MONTH = re.compile(r"(\d{4})(?:(?P<compact>\d{2})(?:\.0)?|(?:[-/]|年)(?P<split>\d{1,2})月?|\.(?P<dotted>\d\d|[2-9]))")
# 20256 is rather a month without its nought than the serial number of a day in 1955.
_NO_MONTH = re.compile(r"2[01]\d{3}")
_YEAR = re.compile(r"(\d{4})(?:\.0+)?(?:年|年度)?")
_WHOLE = re.compile(r"([+-]?)(\d+|\d{1,3}(?:,\d{3})+)(?:\.0*)?(?:人|个?月|元)?")
_AMOUNT = re.compile(r"([+-]?)¥?([+-]?)(\d+|\d{1,3}(?:,\d{3})+)?(\.\d*)?元?")
_SCIENTIFIC = re.compile(r"[+-]?\d(?:\.\d*)?E\+\d+|[+-]?\d\.\d+E\d+")
_DIVISION = re.compile(r"\d{6}|\d{9}|\d{12}")
_BIRTH_CERT = re.compile(r"[A-Z][0-9]{9}")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_TOTAL = re.compile(r"(?:合计|小计|总计)[:：]?\d*")
# What stands below a table, or between its pages: totals in words, notes, who signed, page numbers.
_TOTAL_WORDS = re.compile(
    r"(?:本页|本表|本批|全部|累计)?(?:合计|小计|总计|总数|共计)(?:人数|户数|行数|条数|金额)?[:：]?[\d.,]*[人户行条笔个名元]?"
    r"|(?:本页|本表|本批|以上)?共[:：]?\d+[人户行条笔个名][。]?"
)
_NOTE = re.compile(
    r"[(\[【*]*(?:附?注|备注|说明|附注|注释|填表说明|填报说明|数据来源|数据说明|统计口径)\d?[)\]】]*[:：.、\d].*"
    r"|(?:制表|制单|填表|填报|经办|审核|复核|审批|统计|打印|导出|报送|联系|负责|单位负责|分管领导)人?(?:签字|签名|签章)?[:：].*"
    r"|(?:制表|填表|填报|打印|导出|报送|统计|截止|截至)(?:日期|时间)[:：].*"
    r"|(?:填报|报送|制表)?单位(?:公章|盖章|名称)?(?:\([^()]*\))?[:：].*|联系电话[:：].*|\((?:公章|盖章)\)"
    r"|-?第\d+页(?:[,/、]?共\d+页)?-?|第\d+/\d+页|共\d+页.*|页码[:：].*"
)
_CERT_WITHIN = re.compile(r"\d{15}|\d{14}[\dXx]")

_BOOLS = {
    **dict.fromkeys(("1", "是", "有", "Y", "YES", "T", "TRUE", "真"), True),
    **dict.fromkeys(("0", "否", "无", "没有", "N", "NO", "F", "FALSE", "假"), False),
}


def bare(cell: str) -> str:
    """A cell of numbers or codes: NFKC, without white space, without the signs that keep a spreadsheet from counting.

    Exports protect long numbers from spreadsheets by a leading apostrophe or as a formula, `="5001…"`.
    """
    return _unwrapped(squeeze(cell))


def _unwrapped(text: str) -> str:
    text = text.lstrip("'‘’`")
    return text[2:-1].lstrip("'") if text.startswith('="') and text.endswith('"') and len(text) > 2 else text


def means_blank(cell: str) -> bool:
    """Whether a cell of other than free text stands for nothing: blank, or one of -, 无, NULL, N/A and the like."""
    return _blank(bare(cell))


def squeeze(text: str) -> str:
    """NFKC without any white space or invisible sign: how headers, codes and numbers are compared."""
    return _SPACE.sub("", _INVISIBLE.sub("", unicodedata.normalize("NFKC", text)))


def is_total(first_cell: str) -> bool:
    """Whether a row with this first non-blank cell is a total row (合计, 小计, 总计)."""
    return _TOTAL.fullmatch(squeeze(first_cell)) is not None


def is_note(cells: Sequence[str]) -> tuple[bool, bool]:
    """Whether the cells of a row are a total in words (共3户), and whether they are a note (制表人：…, 第1页).

    Only rows that cannot be read as data are asked. With a number of a person in it a row is neither.
    """
    plain = [text for text in map(squeeze, cells) if text]
    if not plain or any(_CERT_WITHIN.search(text) for text in plain):
        return False, False
    return _TOTAL_WORDS.fullmatch(plain[0]) is not None, _NOTE.fullmatch(plain[0]) is not None


def is_blank(text: str) -> bool:
    """Nothing but white space and invisible signs."""
    return not squeeze(text)


def check_digit(first17: str) -> str:
    """The 18th sign of a citizen number (GB 11643) after its first 17 digits."""
    return "10X98765432"[sum(int(d) * w for d, w in zip(first17, _WEIGHTS, strict=True)) % 11]


def read_text(cell: str) -> Reading:
    """Text: NFC, trimmed, without invisible signs; NULL and backslash-N are blank."""
    text = _INVISIBLE.sub("", unicodedata.normalize("NFC", cell)).strip()
    return (None, BLANK) if not text or text.upper() in _NULLS else (text, OK)


def read_cert(cell: str) -> Reading:
    """A certificate number: NFKC, no white space, upper case; nothing is repaired and hardly anything unreadable.

    Words (不详), a spreadsheet's error (#REF!) and masked numbers are nobody's: read, they would make one of many.
    """
    text = bare(cell).upper()
    if _blank(text):
        return None, BLANK
    if match := _FLOAT.fullmatch(text):
        return (match[1], OK) if len(match[1]) <= _CERTAIN_DIGITS else (None, DAMAGED)
    if "*" in text or text.startswith("#") or not any(sign.isascii() and sign.isalnum() for sign in text):
        return None, BAD
    damaged = _SCIENTIFIC.fullmatch(text) or (
        len(text) == 18 and text.isascii() and text.isdigit() and text.endswith("000") and check_digit(text[:17]) != "0"
    )
    return (None, DAMAGED) if damaged else (text, OK)


def read_uscc(cell: str) -> Reading:
    """A unified social credit code: NFKC, no white space, upper case."""
    text = bare(cell).upper()
    return (None, BLANK) if _blank(text) else (text, OK)


def read_id(cell: str) -> Reading:
    """A number or code that somebody gave out: NFKC, without a spreadsheet's signs; what is inside stays as it is.

    20.0 is the number 20 that was kept as a number on its way.
    """
    text = _unwrapped(_INVISIBLE.sub("", unicodedata.normalize("NFKC", cell)).strip())
    if match := _FLOAT.fullmatch(text):
        return match[1], OK
    return (None, BLANK) if _blank(squeeze(text)) else (text, OK)


def read_birth_cert(cell: str) -> Reading:
    """The number of a birth certificate: a letter and nine digits in whatever spelling, else as it is."""
    text = bare(cell).upper()
    return (text, OK) if _BIRTH_CERT.fullmatch(text) else read_id(cell)


def read_admdvs(cell: str) -> Reading:
    """A place as delivered: the digits of its code, however many; anything else is text."""
    text = bare(cell).removesuffix(".0")
    if _blank(text):
        return None, BLANK
    return (text, OK) if text.isascii() and text.isdigit() else read_text(cell)


def read_division(cell: str) -> Reading:
    """A division code of 6, 9 or 12 digits; shorter ones are not filled up."""
    text = bare(cell).removesuffix(".0")
    if _blank(text):
        return None, BLANK
    return (text, OK) if text.isascii() and _DIVISION.fullmatch(text) else (None, BAD)


def read_date(cell: str) -> Reading:
    """A date in the spellings of departments, a month as its first day; 1900-01-01, 9999-12-31, 至今 mean none."""
    text = _SPACE.sub(" ", _INVISIBLE.sub("", unicodedata.normalize("NFKC", cell))).strip().lstrip("'")
    text = bare(text) if text.startswith("=") else text
    if _blank(text):
        return None, BLANK
    if text in _NO_DAY_YET:
        return None, SENTINEL
    if _SERIAL.fullmatch(text):
        return _EXCEL_EPOCH + timedelta(days=int(text.split(".")[0])), OK
    if match := _COMPACT.fullmatch(text) or _WORDED.fullmatch(text):
        year, month, day = match.groups()
    elif match := _DASHED.fullmatch(text):
        year, _, month, day = match.groups()
    elif (match := _MONTH.fullmatch(text)) and not match["dotted"]:
        year, month, day = match[1], match["compact"] or match["split"], "1"
    else:
        return None, BAD
    return _day(int(year), int(month), int(day))


def _day(year: int, month: int, day: int) -> Reading:
    if year == 9999 or (year, month, day) in {(1900, 1, 1), (1899, 12, 30), (1899, 12, 31), (1, 1, 1), (0, 0, 0)}:
        return None, SENTINEL
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        return None, BAD
    try:
        return date(year, month, day), OK
    except ValueError:
        return None, BAD


def read_month(cell: str) -> Reading:
    """A month as the number YYYYMM; of a full date its month."""
    text = bare(cell)
    if _blank(text):
        return None, BLANK
    if match := _MONTH.fullmatch(text):
        year, month = int(match[1]), int(match["compact"] or match["split"] or match["dotted"])
        if year == 9999:
            return None, SENTINEL
        if 1 <= month <= 12 and _FIRST_YEAR <= year <= _LAST_YEAR:
            return year * 100 + month, OK
    if _NO_MONTH.fullmatch(text):
        return None, BAD
    day, state = read_date(cell)
    return (day.year * 100 + day.month if day else None), state


def read_year(cell: str) -> Reading:
    """A year."""
    text = bare(cell)
    if _blank(text):
        return None, BLANK
    match = _YEAR.fullmatch(text)
    return (int(match[1]), OK) if match and _FIRST_YEAR <= int(match[1]) <= _LAST_YEAR else (None, BAD)


def read_int(cell: str) -> Reading:
    """A whole number that fits 32 bits."""
    text = bare(cell).replace("−", "-")
    if _blank(text):
        return None, BLANK
    match = _WHOLE.fullmatch(text)
    if match is None:
        return None, BAD
    value = int(match[2].replace(",", "")) * (-1 if match[1] == "-" else 1)
    return (value, OK) if abs(value) < 2**31 else (None, BAD)


def read_amount(cell: str) -> Reading:
    """An amount in yuan, thousands only where grouped by three, (…) is negative.

    Parts of a cent are rounded, half of one away from nothing: the payment counts, and the cell is told.
    """
    text = bare(cell).replace("−", "-")
    if _blank(text):
        return None, BLANK
    negative = text.startswith("(") and text.endswith(")")
    match = _AMOUNT.fullmatch(text[1:-1] if negative else text)
    if match is None or not (match[3] or (match[4] or ".") != ".") or (match[1] and match[2]):
        return None, BAD
    exact = Decimal((match[3] or "0").replace(",", "") + (match[4] or "").rstrip("."))
    if exact >= 10**12:
        return None, BAD
    value = min(exact.quantize(Decimal("0.01"), ROUND_HALF_UP), _LARGEST_AMOUNT)
    # Binary fractions of a spreadsheet (400.00000000000006) are the amount they round to.
    state = OK if abs(exact - value) <= Decimal("0.0000005") else ROUNDED
    return (-value if negative or "-" in (match[1], match[2]) else value), state


def read_bool(cell: str) -> Reading:
    """Yes or no."""
    text = bare(cell).removesuffix(".0").upper()
    if text in _BOOLS:
        return _BOOLS[text], OK
    return (None, BLANK) if _blank(text) else (None, BAD)


def _blank(text: str) -> bool:
    return not text or text.upper() in _PLACEHOLDERS


READERS: dict[str, Callable[[str], Reading]] = {
    "text": read_text,
    "id": read_id,
    "birth_cert": read_birth_cert,
    "admdvs": read_admdvs,
    "cert": read_cert,
    "uscc": read_uscc,
    "division": read_division,
    "date": read_date,
    "month": read_month,
    "year": read_year,
    "int": read_int,
    "amount": read_amount,
    "bool": read_bool,
}
