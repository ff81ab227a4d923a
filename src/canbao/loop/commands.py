"""`canbao dispatch`: send lists to townships and villages, write their sheets, list and recall batches."""

import argparse
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from canbao import console
from canbao.clock import today
from canbao.errors import UserError

if TYPE_CHECKING:
    from canbao.home import Home
    from canbao.loop.dispatch import Plan
    from canbao.loop.state import Batch, Loop

_LEVELS = {"village": 4, "township": 3}
SHOWN = 200
"""Batches that `list` prints; more are counted."""

Adder = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def add_commands(add: Adder) -> None:
    """Put the command beside the others.

    Args:
        add: Makes a command from name, function and help text.
    """
    dispatch = add("dispatch", _dispatch, "send lists of uninsured people to townships and villages")
    dispatch.add_argument(
        "action", nargs="?", choices=["send", "list", "recall", "sheets"], default="send",
        help="send (default); list batches; recall them; write their sheets again",
    )  # fmt: skip
    dispatch.add_argument("batches", nargs="*", metavar="BATCH", help="batches to recall or write, such as P000123")
    dispatch.add_argument("--home", type=Path, required=True, metavar="DIR")
    dispatch.add_argument("--division", metavar="CODE", help="12 digits: whose people; of list, whose batches")
    dispatch.add_argument("--level", choices=list(_LEVELS), default="village", help="a batch for each; default village")
    dispatch.add_argument("--due", type=_day, metavar="DATE", help="last day for answers; default 10 working days")
    dispatch.add_argument("--as-of", type=_day, metavar="DATE", help="day of dispatch; default today")
    dispatch.add_argument("--out", type=Path, metavar="DIR", help="write the workbooks and visiting sheets there")
    dispatch.add_argument("--dry-run", action="store_true", help="only say what would go out")
    dispatch.add_argument("--round", type=_count, metavar="N", help="of list, recall, sheets: this round's batches")
    who = dispatch.add_argument_group("who is asked about")
    who.add_argument("--reason", action="append", default=[], metavar="REASON", help="never, lapsed, stopped, unpaid")
    who.add_argument("--tag", action="append", default=[], metavar="TAG", help="a group")
    who.add_argument(
        "--last-answer", action="append", default=[], metavar="CODE", help="its reason code, none for none"
    )
    who.add_argument("--age-from", type=_years, metavar="N")
    who.add_argument("--age-to", type=_years, metavar="N")
    who.add_argument("--priority", type=_count, metavar="N", help="1 to this one")
    who.add_argument("--side", choices=["household", "residence"], help="only the registered or the living side")
    split = who.add_mutually_exclusive_group()
    split.add_argument("--separated", action="store_const", const=True, default=None, help="only 人户分离")
    split.add_argument("--not-separated", dest="separated", action="store_const", const=False, help="only the others")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"日期应写作 YYYY-MM-DD，而不是 {text!r}") from None


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"应为正整数，而不是 {text!r}")
    return int(text)


def _years(text: str) -> int:
    if not text.isdecimal() or int(text) > 150:
        raise argparse.ArgumentTypeError(f"应为 0 至 150 的周岁，而不是 {text!r}")
    return int(text)


def _dispatch(arguments: argparse.Namespace) -> int:
    from canbao.home import Home

    home = Home(arguments.home.resolve())
    home.see()
    if arguments.batches and arguments.action not in {"recall", "sheets"}:
        raise UserError("批次号只用于 canbao dispatch recall 和 canbao dispatch sheets。")
    if arguments.dry_run and (arguments.action != "send" or arguments.out is not None):
        raise UserError("--dry-run 只用于下发，不能与 --out 同用。")
    deeds: dict[str, Callable[[argparse.Namespace, Home], list[str]]] = {
        "send": _send, "list": _list, "recall": _recall, "sheets": _sheets,
    }  # fmt: skip
    print("\n".join(deeds[arguments.action](arguments, home)))
    return 0


def _send(arguments: argparse.Namespace, home: "Home") -> list[str]:
    from canbao.loop.dispatch import NEVER_ANSWERED, Filters, plan_dispatch, send
    from canbao.loop.files import make_ready, write_files
    from canbao.loop.state import Loop

    if not arguments.division:
        raise UserError("请用 --division 写明下发哪个区划的未参保人员（12 位代码）。")
    if arguments.round is not None:
        raise UserError("--round 只用于 list、recall 和 sheets。")
    day = arguments.as_of or today()
    if arguments.due is not None and arguments.due < day:  # a preview and the audit log must not say that it went out
        raise UserError(f"回复期限 {arguments.due} 早于下发日期 {day}，未下发。请用 --due 写明当天或以后的日期。")
    filters = Filters(
        reasons=tuple(arguments.reason),
        tags=tuple(arguments.tag),
        age_from=arguments.age_from,
        age_to=arguments.age_to,
        priority_to=arguments.priority,
        answers=tuple(NEVER_ANSWERED if one == "none" else one for one in arguments.last_answer),
        role=arguments.side or "",
        separated=arguments.separated,
    )
    plan = plan_dispatch(home, arguments.division, _LEVELS[arguments.level], filters=filters, day=day)
    if arguments.dry_run:
        return ["预览，未下发。", *_told(plan)]
    if not plan.batches:
        return ["没有需要下发的人员，也没有需要零报告的单位，未下发。", *_told(plan)[1:]]
    if arguments.out is not None:
        make_ready(arguments.out)
    _log(home, "dispatch", plan.division.code, plan.rows, level=plan.level, batches=len(plan.batches))
    made = send(plan, console.account(), arguments.due)
    lines = [f"第 {made.round_no} 轮已下发，请于 {made.due} 前回复。", *_told(plan)]
    if arguments.out is not None:
        count = write_files(home, Loop(home).batches(round_no=made.round_no), arguments.out)
        lines += [f"已生成 {count:,} 个文件：{arguments.out}", _HANDLE]
    return lines


_HANDLE = "文件含个人信息，请按规定途径送达。"


def _told(plan: "Plan") -> list[str]:
    lines = [
        f"{plan.division.name}：名单 {plan.lists:,} 批，{plan.rows:,} 行（{plan.persons:,} 人），"
        f"零报告 {plan.zeros:,} 个单位。数据取自 {plan.publication.partition('/')[0]} 的发布。"
    ]
    lines += [f"  未列入：{one.words} {one.rows:,} 行（{one.persons:,} 人）" for one in plan.left_out]
    return lines


def _list(arguments: argparse.Namespace, home: "Home") -> list[str]:
    loop = _loop(home)
    if loop is None:
        return ["尚未下发过。"]
    if arguments.round is None and not arguments.division:
        rounds = loop.rounds()
        lines = ["轮次\t下发日期\t回复期限\t区划\t级别\t批次\t行数"]
        lines += [
            f"{one.round_no}\t{one.sent}\t{one.due}\t{one.by_division}\t{_words(one.level)}\t{one.batches:,}\t{one.rows:,}"
            for one in rounds
        ]
        return lines if rounds else ["尚未下发过。"]
    batches = _of_division(loop.batches(round_no=arguments.round), home, arguments.division)
    answered = loop.answered_counts([one.batch_no for one in batches])
    lines = ["批次\t轮次\t单位\t下发日期\t回复期限\t行数\t已回\t状态"]
    lines += [
        f"{one.batch_id}\t{one.round_no}\t{one.division_name}\t{one.sent}\t{one.due}\t{one.rows:,}\t"
        f"{answered.get(one.batch_no, 0):,}\t{_state(one)}"
        for one in batches[:SHOWN]
    ]
    more = len(batches) - SHOWN
    return [*lines, *([f"其余 {more:,} 批未列出，请用 --division 缩小范围。"] if more > 0 else [])]


def _recall(arguments: argparse.Namespace, home: "Home") -> list[str]:
    loop, batches = _chosen(arguments, home)
    open_ones = [one for one in batches if one.state == "open"]
    _log(home, "recall", None, sum(one.rows for one in open_ones), batches=[one.batch_id for one in open_ones[:100]])
    for one in open_ones:
        loop.recall(one.batch_no, console.account())
    before = len(batches) - len(open_ones)
    return [
        f"已收回 {len(open_ones):,} 批，{sum(one.rows for one in open_ones):,} 行；其中未核实的人员可以再次下发。",
        *([f"另有 {before:,} 批此前已收回。"] if before else []),
    ]


def _sheets(arguments: argparse.Namespace, home: "Home") -> list[str]:
    from canbao.loop.files import write_files

    if arguments.out is None:
        raise UserError("请用 --out 写明文件放在哪个目录。")
    _, batches = _chosen(arguments, home)
    _log(home, "dispatch_sheets", None, sum(one.rows for one in batches), batches=len(batches))
    return [f"已生成 {write_files(home, batches, arguments.out):,} 个文件：{arguments.out}", _HANDLE]


def _chosen(arguments: argparse.Namespace, home: "Home") -> "tuple[Loop, list[Batch]]":
    """The batches that are named, or those of a round, within a division where one is named."""
    from canbao.loop.codes import read_batch_id

    loop = _loop(home)
    if bool(arguments.batches) == (arguments.round is not None):
        raise UserError("请写明批次号（如 P000123），或用 --round 写明轮次，二者取一。")
    numbers = [read_batch_id(text) for text in arguments.batches]
    wrong = [text for text, number in zip(arguments.batches, numbers, strict=True) if number is None]
    if wrong:
        raise UserError(f"批次号 {'、'.join(wrong)} 不对，应如 P000123。")
    asked = {number for number in numbers if number is not None}
    found = loop.batches(numbers=asked or None, round_no=arguments.round) if loop else []
    found = _of_division(found, home, arguments.division)
    if not found or len(found) < len(asked):
        raise UserError("没有这样的批次。已下发的批次见 canbao dispatch list。")
    assert loop is not None
    return loop, found


def _of_division(batches: "Sequence[Batch]", home: "Home", code: str | None) -> "list[Batch]":
    """Those of a division and of what lies in it today."""
    from canbao.portal.divisions import current_tree, full_code

    if not code:
        return list(batches)
    tree = current_tree(home.current_publication())
    division = tree.get(full_code(code))
    if division is None:
        raise UserError(f"没有区划 {code}。请用现行的 12 位区划代码。")
    placed: Iterable[tuple[Batch, Any]] = ((one, tree.place(one.division_code)) for one in batches)
    return [one for one, place in placed if place is not None and tree.inside(place.code, division)]


def _loop(home: "Home") -> "Loop | None":
    from canbao.loop.state import Loop

    return Loop(home) if Loop.begun(home) else None


def _state(batch: "Batch") -> str:
    if batch.state == "recalled":
        return "已收回"
    if batch.kind == "zero":
        return "零报告已确认" if batch.zero_at else "零报告待确认"
    return "已下发"


def _words(level: int) -> str:
    return {3: "乡镇", 4: "村"}[level]


def _log(home: "Home", action: str, target: str | None, rows: int, **detail: Any) -> None:
    """The audit log knows of it before it happens; what cannot be written down is not done."""
    console.note(home.root, action, target=target, rows=rows, detail=detail)
