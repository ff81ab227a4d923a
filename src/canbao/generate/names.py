"""Made-up names: common surnames and given characters, some with a middle dot, some with rare characters."""

import numpy as np
import polars as pl

SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎"
    "余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文"
    "冉牟向"
)
COMPOUND = ("欧阳", "上官", "司马", "诸葛", "夏侯", "令狐")
GIVEN = (
    "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂华建国志文玉红梅春生永福德海林波宇浩轩梓涵欣怡诗雨晨"
    "子墨一诺可思远博俊佳琪雪婷倩萍莉云飞龙凤光辉庆祥瑞忠义仁礼信成功富贵荣安康乐天佑嘉宁清源山川江河湖石"
    "松柏竹菊琴棋书画"
)
# In GB18030 but not in GBK: files that hold one of them can be decoded by the larger code page only.
RARE = ("䶮", "㛃", "㬎", "䴔", "𬍡", "𫍯", "𬭎", "㵟")
# Two-part names of several nationalities, written with the interpunct U+00B7 of GB/T 18030.
DOT_FIRST = ("阿依", "古丽", "买买提", "扎西", "卓玛", "艾力", "达娃", "吉克", "阿力木", "热依")
DOT_LAST = ("江", "吐尔逊", "次仁", "尔古", "努尔", "多吉", "艾山", "惹子", "旺堆", "麦提")

PLAIN = 0
WITH_RARE = 1
WITH_DOT = 2

_SURNAME_LIST = [*SURNAMES, *COMPOUND]
N_SURNAMES = len(_SURNAME_LIST)
N_GIVEN = len(GIVEN)


def draw_surnames(rng: np.random.Generator, n: int) -> np.ndarray:
    """Surname numbers, the common ones more often; compound surnames are rare."""
    u = rng.random(n)
    plain = (u * u * len(SURNAMES)).astype(np.int32)
    compound = len(SURNAMES) + rng.integers(0, len(COMPOUND), n)
    return np.where(rng.random(n) < 0.003, compound, plain).astype(np.int32)


def compose(surname: np.ndarray, first: np.ndarray, second: np.ndarray, style: np.ndarray) -> pl.Series:
    """The names as text.

    Args:
        surname: Surname numbers (`draw_surnames`).
        first: Numbers of the first given character.
        second: Numbers of the second given character, -1 for a name of one given character.
        style: `PLAIN`, `WITH_RARE` (last character is rare) or `WITH_DOT`.

    Returns:
        One text per person.
    """
    given = pl.Series([*GIVEN, ""])
    surnames = pl.Series(_SURNAME_LIST)
    frame = pl.DataFrame(
        {
            "s": surnames.gather(surname.astype(np.uint32)),
            "a": given.gather(first.astype(np.uint32)),
            "b": given.gather(np.where(second < 0, N_GIVEN, second).astype(np.uint32)),
            "rare": pl.Series(RARE).gather((first % len(RARE)).astype(np.uint32)),
            "d1": pl.Series(DOT_FIRST).gather((first % len(DOT_FIRST)).astype(np.uint32)),
            "d2": pl.Series(DOT_LAST).gather((surname % len(DOT_LAST)).astype(np.uint32)),
            "style": style.astype(np.int8),
        }
    )
    return frame.select(
        pl.when(pl.col("style") == WITH_DOT)
        .then(pl.concat_str("d1", pl.lit("·"), "d2"))
        .when(pl.col("style") == WITH_RARE)
        .then(pl.concat_str("s", "a", "rare"))
        .otherwise(pl.concat_str("s", "a", "b"))
        .alias("name")
    ).to_series()
