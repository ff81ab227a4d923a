"""`<home>/canbao.toml`: what an office may set, and what it is told when it sets something else."""

from pathlib import Path

import pytest

from canbao import gates
from canbao.errors import UserError
from canbao.intake import load_definitions
from canbao.settings import Settings, load_settings

ALL = """
[publications]
keep_nights = 7
[checks]
block = ["person.certno_sound"]
[intake]
quiet_seconds = 90
[notify]
command = " mail -s canbao office "
webhook = "http://127.0.0.1:9/hook"
[release]
two_people = true
[loop]
due_days = 7
township_confirms = true
full_numbers = true
[watch]
max_age_hours = 26.5
[contacts]
"税务" = "李某某，内线 8001"
"""


def test_every_key(tmp_path: Path) -> None:
    (tmp_path / "canbao.toml").write_text(ALL, encoding="utf-8")
    assert load_settings(tmp_path / "canbao.toml") == Settings(
        keep_nights=7,
        also_block=("person.certno_sound",),
        quiet_seconds=90.0,
        notify_command="mail -s canbao office",
        notify_webhook="http://127.0.0.1:9/hook",
        two_people=True,
        loop_due_days=7,
        township_confirms=True,
        full_numbers=True,
        max_age_hours=26.5,
        contacts={"税务": "李某某，内线 8001"},
    )


def test_nothing_set(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "canbao.toml") == Settings()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[publications]\nkeep_nights = 0", "publications.keep_nights 应为正整数"),
        ("[publications]\nkeep_nights = true", "publications.keep_nights"),
        ('[checks]\nblock = "a"', "checks.block"),
        ("[intake]\nquiet_seconds = -1", "intake.quiet_seconds"),
        ('[notify]\nwebhook = "ftp://x"', "notify.webhook"),
        ("[notify]\nmail = 1", "不认识的项 notify.mail"),
        ("[release]\ntwo_people = 1", "release.two_people"),
        ("[loop]\ndue_days = 0", "loop.due_days 应为1 至 250 的工作日数"),
        ('[loop]\nfull_numbers = "yes"', "loop.full_numbers 应为true 或 false"),
        ("[watch]\nmax_age_hours = 0", "watch.max_age_hours"),
        ('[contacts]\n"税务" = 8001', "contacts.税务 应为文字"),
        ("[colour]\na = 1", "不认识的项 colour"),
        ("publications = 3", "不认识的项 publications"),
        ("[publications", "无法读取"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "canbao.toml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=named):
        load_settings(tmp_path / "canbao.toml")


def test_an_unknown_check_cannot_block() -> None:
    known = gates.configurable_ids(load_definitions(), {"person.certno_sound"})
    gates.verify_stricter(["person.certno_sound", "growing.tax_payment"], known)
    with pytest.raises(UserError, match=r"nonsense\.check"):
        gates.verify_stricter(["nonsense.check"], known)
    with pytest.raises(UserError, match=r"相近的编号有：person\.certno_sound"):
        gates.verify_stricter(["person.certno_sond"], known)
