"""What people type in as a name or a reason stands on pages and in logs: no person's number may be in it."""

import re
import unicodedata

from canbao.errors import UserError

_BETWEEN = re.compile(
    r"(?<=\d)[\s\-\u00ad\u2010-\u2015\u2212\u301c\uff5e~·•∙.。_*/\\|()（）\[\]【】\u200b-\u200f\u2060\ufeff]+(?=\d)"
)
"""What people put between the groups of a number, and what cannot be seen there."""

_DIGITS = str.maketrans(
    "〇零一二三四五六七八九" + "幺壹贰叁肆伍陆柒捌玖" + "貳叄陸",
    "00123456789" + "1123456789" + "236",
)
"""Digits as words, in plain and in official writing."""

_NUMBER = re.compile(r"\d{11,}")
LONGEST = 500
"""Signs of a reason or a remark."""


def refuse_numbers(text: str, what: str) -> str:
    """The text without surplus spaces.

    Args:
        text: As typed in.
        what: How a message calls it.

    Raises:
        UserError: It is empty, too long, or holds eleven digits in a row, with blanks or dashes between them,
            full-width or as Chinese words: a number or a telephone of somebody.
    """
    said = " ".join(text.split())
    if not said:
        raise UserError(f"{what} 不能是空的。")
    if len(said) > LONGEST:
        raise UserError(f"{what} 太长：最多 {LONGEST} 字。")
    if _NUMBER.search(_BETWEEN.sub("", unicodedata.normalize("NFKC", said).translate(_DIGITS))):
        raise UserError(f"{what} 会显示在质量页和日志中，不能含有身份证号、电话等个人号码。请改写后重试。")
    return said
