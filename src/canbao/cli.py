"""The command `canbao` (contract.md section 1). Heavy modules are imported by the command that needs them."""

import argparse
import atexit
import contextlib
import gc
import os
import re
import sys
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from canbao.errors import CanbaoError, UserError, masked_traceback
from canbao.home import PRIVATE
from canbao.loop.commands import add_commands as loop_commands
from canbao.portal.commands import add_commands as portal_commands

if TYPE_CHECKING:
    from canbao.status import Standing

BUG = 70
"""Exit status of a fault of the program itself; 0, 1 and 2 have meanings of their own."""

INTERRUPTED = 130
"""Exit status after Ctrl-C."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 done (for `run`: published), 1 a blocking check stopped the run, 2 wrong use, 70 a fault of the program.
    """
    if arguments is None:  # the process ends with this command: taking a million objects apart would take seconds
        atexit.register(gc.freeze)
    parsed = _parser().parse_args(arguments)
    if hasattr(parsed, "home"):
        os.umask(PRIVATE)
    try:
        return int(parsed.command(parsed))
    except CanbaoError as error:
        print(f"canbao {parsed.name}: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("canbao: 已中断，未发布任何内容。", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        return 0
    except Exception as error:
        print(masked_traceback(error), file=sys.stderr)
        print("canbao: 程序故障（不是数据问题），未发布任何内容。请把以上信息交给系统维护人员。", file=sys.stderr)
        return BUG


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="canbao", description="参保台账：从各部门数据到四级参保台账 / enrollment ledgers for city bureaus"
    )
    commands = parser.add_subparsers(dest="name", required=True, metavar="COMMAND")

    run = _command(commands, "run", _run, "run one night: land, stage, check, build, audit, publish")
    _common(run)
    run.add_argument("--as-of", type=_day, required=True, metavar="DATE", help="the day the ledger speaks of")
    run.add_argument("--engine", choices=["duckdb", "spark"], default="duckdb")
    run.add_argument(
        "--spark-master", default="local[*]", metavar="URL", help='where Spark runs; default this machine ("local[*]")'
    )
    run.add_argument(
        "--accept", action="append", default=[], metavar="CHECK_ID", help="let this blocking check pass this once"
    )
    run.add_argument("--make-current", action="store_true", help="become current although a later date is published")
    run.add_argument(
        "--reason", action="append", default=[], metavar="TEXT", help="why; one for all --accept, or one for each"
    )
    run.add_argument("--full", action="store_true", help="compute every table anew, take nothing over from last night")

    schedule = _command(commands, "schedule", _schedule, "serve the nightly flow as a Prefect deployment")
    _common(schedule)
    schedule.add_argument("--cron", default="0 2 * * *", help='default "0 2 * * *", in China\'s time')

    feedback = _command(commands, "feedback", _feedback, "check returned village sheets and take in what is right")
    feedback.add_argument("files", nargs="+", type=Path, metavar="FILE", help=".xlsx, .xls, .csv or .txt")
    feedback.add_argument("--home", type=Path, required=True, metavar="DIR")
    feedback.add_argument("--as-of", type=_day, metavar="DATE", help="day the sheets came back; default today")

    status = _command(commands, "status", _status, "what is current, how old, what blocked the last night")
    status.add_argument("--home", type=Path, required=True, metavar="DIR")
    status.add_argument(
        "--max-age", type=_hours, metavar="HOURS", help="exit 1 when the publication is older (default 30)"
    )

    repair = _command(commands, "repair", _repair, "ask departments to repair wrong rows, and take their answers")
    repair.add_argument("action", choices=["issue", "answer", "list"], help="make requests; read answers; what is open")
    repair.add_argument("files", nargs="*", type=Path, metavar="FILE", help="answered sheets: .xlsx, .csv or .txt")
    repair.add_argument("--home", type=Path, required=True, metavar="DIR")
    repair.add_argument("--department", metavar="NAME", help="only this department's")
    repair.add_argument("--due", type=_day, metavar="DATE", help="last day for the answer; default 10 working days")
    repair.add_argument("--as-of", type=_day, metavar="DATE", help="day of issue or of the answer; default today")

    incident = _command(commands, "incident", _incident, "what is wrong over several nights: list, own, note")
    deed = incident.add_subparsers(dest="action", required=True, metavar="ACTION")
    listed = deed.add_parser("list", help="open incidents")
    listed.add_argument("--all", action="store_true", help="the closed ones too")
    own = deed.add_parser("own", help="say who looks after an incident")
    own.add_argument("id", metavar="ID")
    own.add_argument("--owner", required=True, metavar="NAME")
    note = deed.add_parser("note", help="add a remark")
    note.add_argument("id", metavar="ID")
    note.add_argument("text", metavar="TEXT")

    release = _command(commands, "release", _release, "let a blocked night pass: two people, named checks, these files")
    how = release.add_subparsers(dest="action", required=True, metavar="ACTION")
    ask = how.add_parser("ask", help="ask for it, for the last blocked night")
    ask.add_argument("checks", nargs="+", metavar="CHECK_ID")
    ask.add_argument("--reason", required=True, metavar="TEXT")
    ask.add_argument("--by", required=True, metavar="NAME")
    confirm = how.add_parser("confirm", help="confirm what somebody else asked for")
    confirm.add_argument("id", metavar="RELEASE_ID")
    confirm.add_argument("--by", required=True, metavar="NAME")
    releases = how.add_parser("list", help="all releases")
    for one in (listed, own, note, ask, confirm, releases):
        one.add_argument("--home", type=Path, required=True, metavar="DIR")

    loop_commands(partial(_command, commands))
    portal_commands(partial(_command, commands))

    generate = _command(commands, "generate", _generate, "write a landing area of made-up people, and the truth")
    generate.add_argument("--out", type=Path, required=True, metavar="DIR")
    generate.add_argument("--persons", type=_count, required=True, metavar="N")
    generate.add_argument("--seed", type=_seed, required=True, metavar="S")
    generate.add_argument("--as-of", type=_day, default=date(2026, 3, 31), metavar="DATE", help="default 2026-03-31")

    bench = _command(commands, "bench", _bench, "the benchmark: a night against its floor")
    what = bench.add_mutually_exclusive_group()
    what.add_argument("--persons", type=_count, default=3_400_000, metavar="N", help="default 3400000")
    what.add_argument("--landing", type=Path, metavar="DIR", help="use this landing area")
    bench.add_argument("--home", type=Path, default=Path(".bench"), metavar="DIR", help="scratch folder (.bench)")
    bench.add_argument("--as-of", type=_day, default=date(2026, 3, 31), metavar="DATE")
    bench.add_argument("--seed", type=_seed, default=1, metavar="S")
    bench.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    bench.add_argument("--compare", type=Path, metavar="FILE", help="figures of an earlier run, to compare with")
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    function: Callable[[argparse.Namespace], int],
    text: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(command=function)
    return parser


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--landing", type=_folder, required=True, metavar="DIR", help="where the departments' files are"
    )
    parser.add_argument("--home", type=_folder, required=True, metavar="DIR", help="all state of this installation")
    parser.add_argument("--jurisdiction", default="chongqing")
    parser.add_argument("--rules", type=Path, metavar="FILE", help="TOML file laid over the rule parameters")
    parser.add_argument("--insured-year", type=_year, metavar="Y", help="default: from the payment windows")
    parser.add_argument("--memory-limit", type=_size, metavar="SIZE", help="of the warehouse, for instance 3GB")
    parser.add_argument("--threads", type=_count, metavar="N", help="cores to use")
    parser.add_argument("--wait", type=_seconds, default=0.0, metavar="SECONDS", help="wait for another run's end")
    parser.add_argument("--verbose", action="store_true", help="let the flow engine talk")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"日期应写作 YYYY-MM-DD，而不是 {text!r}") from None


def _year(text: str) -> int:
    if not re.fullmatch(r"20[0-4]\d", text):  # years are bits of one number in the SQL, from 1990 on
        raise argparse.ArgumentTypeError(f"年度应为四位数字（2000 至 2049），而不是 {text!r}")
    return int(text)


def _size(text: str) -> str:
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)? ?[KMGTkmgt]i?[Bb]", text):
        raise argparse.ArgumentTypeError(f"内存应写作 3GB 或 500MB，而不是 {text!r}")
    return text


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"应为不小于 0 的整数，而不是 {text!r}")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"应为正整数，而不是 {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"应为不小于 0 的数，而不是 {text!r}")
    return value


_hours = _seconds


def _folder(text: str) -> Path:
    """A folder that was named: an unset variable of the shell would otherwise mean where one happens to be."""
    if not text.strip():
        raise argparse.ArgumentTypeError("路径是空的")
    return Path(text)


def _accepts(checks: Sequence[str], reasons: Sequence[str]) -> dict[str, str]:
    if checks and not reasons:
        raise UserError("--accept 必须同时用 --reason 写明理由。")
    if reasons and not checks:
        raise UserError("--reason 只能与 --accept 一起使用。")
    if len(reasons) not in {0, 1, len(checks)}:
        raise UserError("--reason 应为一条（用于全部 --accept），或与 --accept 条数相同。")
    if any(not reason.strip() for reason in reasons):
        raise UserError("--reason 不能是空的。")
    from canbao.quality.personal import refuse_numbers

    said = [refuse_numbers(reason, "--reason") for reason in reasons]
    return dict(zip(checks, said if len(said) == len(checks) else said * len(checks), strict=True))


def _see_folders(arguments: argparse.Namespace) -> None:
    """The departments' folder is never written to."""
    if arguments.landing.resolve() == arguments.home.resolve():
        raise UserError(f"--landing 与 --home 是同一个目录 {arguments.home}：来文目录只读，请另给一个工作目录。")


def _run(arguments: argparse.Namespace) -> int:
    accepts = _accepts(arguments.accept, arguments.reason)
    _see_folders(arguments)
    from canbao.nightly import MAIN_MEASURES, Options
    from canbao.quality.nights import in_words
    from canbao.runner import run_night

    night = run_night(
        Options(
            landing=arguments.landing,
            home=arguments.home,
            as_of=arguments.as_of,
            insured_year=arguments.insured_year,
            jurisdiction=arguments.jurisdiction,
            rules=arguments.rules,
            engine=arguments.engine,
            spark_master=arguments.spark_master,
            accepts=accepts,
            make_current=arguments.make_current,
            wait=arguments.wait,
            memory_limit=arguments.memory_limit,
            threads=arguments.threads,
            full=arguments.full,
        ),
        verbose=arguments.verbose,
    )
    print(f"已发布 published: {night.published}")
    print(f"  截至 as of {night.options.as_of}，参保年度 insured year {night.insured_year}")
    for measure, value in night.figures.items():
        print(f"  {MAIN_MEASURES[measure]} {measure}: {value:,}")
    if not night.became_current:
        print(
            "  早于当前发布的日期：已另存，当前发布不变；要切换请加 --make-current"
            " / published beside; the current publication stays."
        )
    if night.missed:
        print(f"  漏跑 missed: {in_words(night.missed)}")
    warnings = [check for check in night.checks if check.passed is not True and check.severity != "info"]
    print(f"  检查 checks: {len(night.checks)}，需留意 to look at: {len(warnings)}（reports/quality/index.html）")
    return 0


def _schedule(arguments: argparse.Namespace) -> int:
    from canbao.home import Home
    from canbao.runner import schedule
    from canbao.settings import load_settings

    if not arguments.landing.is_dir():
        raise UserError(f"来文目录 {arguments.landing} 不存在或不是目录（--landing）。请检查路径。")
    _see_folders(arguments)
    home = Home(arguments.home.resolve())
    home.prepare()
    options = {
        "landing": str(arguments.landing.resolve()),
        "home": str(home.root),
        "jurisdiction": arguments.jurisdiction,
        "rules": str(arguments.rules.resolve()) if arguments.rules else None,
        "wait": arguments.wait,
        "insured_year": arguments.insured_year,
        "memory_limit": arguments.memory_limit,
        "threads": arguments.threads,
    }
    load_settings(home.settings_file)  # what is wrong with it is told now, not at two in the morning
    schedule(options, home.root, arguments.cron, verbose=arguments.verbose)
    return 0


def _feedback(arguments: argparse.Namespace) -> int:
    from canbao.feedback import take_back

    sheets = take_back(arguments.files, arguments.home, arguments.as_of)
    print("\n".join(line for sheet in sheets for line in sheet.lines))
    return 1 if any(sheet.refused for sheet in sheets) else 0


def _repair(arguments: argparse.Namespace) -> int:
    if bool(arguments.files) != (arguments.action == "answer"):
        raise UserError("只有 canbao repair answer 后面要写文件，而且至少写一个。")
    if arguments.due is not None and arguments.action != "issue":
        raise UserError("--due 只用于 canbao repair issue。")
    from canbao.quality import repair

    if arguments.action == "answer":
        sheets = repair.answer(arguments.files, arguments.home, arguments.department, arguments.as_of)
        print("\n".join(line for sheet in sheets for line in sheet.lines))
        return 1 if any(sheet.unread for sheet in sheets) else 0
    if arguments.action == "issue":
        _, lines = repair.issue(arguments.home, arguments.department, arguments.due, arguments.as_of)
    else:
        lines = repair.listing(arguments.home, arguments.as_of, arguments.department)
    print("\n".join(lines))
    return 0


def _status(arguments: argparse.Namespace) -> int:
    from canbao.status import standing, status

    now = standing(arguments.home, arguments.max_age)
    found = status(now)
    print("\n".join(found.lines))
    if not found.fresh:
        _rewrite_entry(arguments.home, now)
    return 0 if found.fresh else 1


def _rewrite_entry(root: Path, now: "Standing") -> None:
    """The page that people open says what this command says; who may not write there still gets the answer."""
    from canbao.home import Home
    from canbao.quality import entry

    with contextlib.suppress(OSError):
        entry.write(Home(root), now)


def _incident(arguments: argparse.Namespace) -> int:
    from canbao.quality import incidents

    if arguments.action == "list":
        lines = incidents.listed(arguments.home, everything=arguments.all)
    elif arguments.action == "own":
        lines = [incidents.told(incidents.own(arguments.home, arguments.id, arguments.owner))]
    else:
        lines = [incidents.told(incidents.note(arguments.home, arguments.id, arguments.text))]
    print("\n".join(lines))
    return 0


def _release(arguments: argparse.Namespace) -> int:
    from canbao.quality import releases

    if arguments.action == "list":
        lines = releases.listed(arguments.home)
    elif arguments.action == "ask":
        lines = releases.told(releases.ask(arguments.home, arguments.checks, arguments.reason, arguments.by))
    else:
        done = releases.confirm(arguments.home, arguments.id, arguments.by)
        lines = [*releases.told(done), releases.next_step(arguments.home, done)]
    print("\n".join(lines))
    return 0


def _generate(arguments: argparse.Namespace) -> int:
    from canbao.generate import generate

    generate(out=arguments.out, persons=arguments.persons, seed=arguments.seed, as_of=arguments.as_of)
    return 0


def _bench(arguments: argparse.Namespace) -> int:
    from canbao.bench import bench

    return bench(arguments)
