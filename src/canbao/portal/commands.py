"""The portal's commands: `canbao serve`, `user …`, `audit …`, `trace`, `compliance`."""

import argparse
import getpass
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from canbao import console
from canbao.clock import ZONE
from canbao.errors import UserError

_ROLES = ("city", "district", "township", "village", "system_admin", "security_admin", "auditor")
_EXPORTS = ("none", "masked", "full")

Adder = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def add_commands(add: Adder) -> None:
    """Put the portal's commands beside the others.

    Args:
        add: Makes a command from name, function and help text.
    """
    serve = add("serve", _serve, "the portal")
    _home(serve)
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on; default 127.0.0.1")
    serve.add_argument("--port", type=_port, default=8000, help="default 8000; 0 takes a free one")
    serve.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate chain (PEM)")
    serve.add_argument("--tls-key", type=Path, metavar="FILE", help="its key (PEM)")
    serve.add_argument("--behind-proxy", default="", metavar="ADDRESS", help="the proxy that ends TLS in front")

    user = add("user", _user, "portal accounts").add_subparsers(dest="what", required=True, metavar="WHAT")
    new = _part(user, "add", "make an account, active at once; the password is asked for")
    new.add_argument("--role", required=True, choices=_ROLES, metavar="ROLE", help=", ".join(_ROLES))
    new.add_argument("--division", default="", metavar="CODE", help="12 digits; not for the last three roles")
    new.add_argument("--export", default="masked", choices=_EXPORTS, help="default masked")
    new.add_argument("--holder", default="", metavar="TEXT", help="whose it is, with office")
    new.add_argument("--must-change", action="store_true", help="the first sign-in must change the password")
    new.add_argument("--password-stdin", action="store_true", help="the first line of standard input")
    reset = _part(user, "reset-password", "set another password and wake the account")
    reset.add_argument("--must-change", action="store_true", help="the next sign-in must change it")
    reset.add_argument("--password-stdin", action="store_true", help="the first line of standard input")
    _part(user, "close", "close an account for good")
    _part(user, "unlock", "forget failed tries; wake an account that slept")
    _part(user, "reset-second-factor", "take the second factor away, for a telephone that was lost")
    _home(user.add_parser("list", help="all accounts", description="all accounts"))

    audit = add("audit", _audit, "the audit log").add_subparsers(dest="what", required=True, metavar="WHAT")
    text = "go through the chain; exit 1 where an entry was changed, cut or slipped in"
    _home(audit.add_parser("verify", help=text, description=text))
    text = "copy the log to its second place, with the hash of the last entry"
    copy = audit.add_parser("copy", help=text, description=text)
    _home(copy)
    copy.add_argument("--to", type=Path, metavar="DIR", help="default: [audit] copy_to of canbao.toml")

    text = "which download a file that got about came from: by its serial, else by its rows; exit 1 where none fits"
    trace = add("trace", _trace, text)
    trace.add_argument("what", metavar="FILE|SERIAL", help="the file, or the serial that stands on it")
    _home(trace)

    compliance = add("compliance", _compliance, "the register of processing, as a workbook for audit and assessment")
    compliance.add_argument("--out", type=Path, required=True, metavar="FILE", help=".xlsx to write")
    _home(compliance)


def _part(parts: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = parts.add_parser(name, help=text, description=text)
    parser.add_argument("account", metavar="NAME")
    _home(parser)
    return parser


def _home(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--home", type=Path, required=True, metavar="DIR", help="all state of this installation")


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"端口应为 0 至 65535 的整数，而不是 {text!r}")
    return int(text)


def _serve(arguments: argparse.Namespace) -> int:
    from canbao.portal.serve import serve

    serve(
        _existing(arguments.home),
        arguments.host,
        arguments.port,
        tls_cert=arguments.tls_cert,
        tls_key=arguments.tls_key,
        behind_proxy=arguments.behind_proxy,
    )
    return 0


def _user(arguments: argparse.Namespace) -> int:
    from canbao.home import Home
    from canbao.portal.accounts import Accounts, plain_name
    from canbao.portal.settings import load_portal_settings

    home = _begun(arguments.home) if arguments.what == "add" else _existing(arguments.home)
    settings = load_portal_settings(home)
    Home(home).prepare()
    accounts = Accounts(home, settings)
    if arguments.what == "list":
        print("\n".join(_listed(accounts)))
        return 0
    name = plain_name(arguments.account)
    write = partial(console.note, home, target=name)
    if arguments.what == "add":
        _add(arguments, accounts, write)
    elif arguments.what == "close":
        accounts.close(name, partial(write, "account_close"))
        print(f"账号 {name} 已注销。")
    elif arguments.what == "unlock":
        accounts.unlock(name, partial(write, "account_unlock"))
        print(f"账号 {name} 已解锁。")
    elif arguments.what == "reset-second-factor":
        if accounts.get(name) is None:
            raise UserError(f"没有账号 {name}。")
        accounts.set_factor(name, None, partial(write, "second_factor_reset"))
        print(f"账号 {name} 的动态码已清除，本人下次登录后用密码重新设置。")
    else:
        account = accounts.get(name)
        if account is None:
            raise UserError(f"没有账号 {name}。")
        if account.state == "closed":
            raise UserError(f"账号 {name} 已注销。")
        journal = partial(write, "account_reset_password")
        password = _password(stdin=arguments.password_stdin)
        accounts.set_password(name, password, must_change=arguments.must_change, journal=journal)
        if account.role:
            accounts.unlock(name, partial(write, "account_unlock"))
        print(f"账号 {name} 的密码已重置。")
    return 0


def _add(arguments: argparse.Namespace, accounts: Any, write: Callable[..., str]) -> None:
    from canbao.home import Home
    from canbao.portal.accounts import division_fault
    from canbao.portal.divisions import current_tree
    from canbao.portal.scope import ADMIN_ROLES, capabilities

    role, export, division = arguments.role, arguments.export, _division(arguments.division)
    if role in ADMIN_ROLES:
        if division:
            print("canbao user: 该角色不看人员数据，不需要区划，--division 已忽略。", file=sys.stderr)
        division, export = "", "none"
    tree = current_tree(Home(arguments.home.resolve()).current_publication())
    fault = division_fault(role, division, tree)
    if fault:
        raise UserError(f"{fault}请检查 --division。")
    if export == "full" and "download_full" not in capabilities(role):
        print("canbao user: 完整号码只能授予 city 和 district 账号，本账号按 masked 建立。", file=sys.stderr)
        export = "masked"
    account = accounts.add(
        arguments.account,
        _password(stdin=arguments.password_stdin),
        role=role,
        division=division,
        export=export,
        holder=arguments.holder.strip(),
        must_change=arguments.must_change,
        journal=partial(write, "account_make", detail={"role": role, "division": division, "export": export}),
    )
    found = tree.get(division)
    place = f"，区划 {found.name}（{division}）" if found else f"，区划 {division}" if division else ""
    print(f"账号 {account.name} 已建立：角色 {role}{place}，导出 {export}。")
    if export == "full" or "must_have_second_factor" in capabilities(role):
        print("该账号必须使用动态码：首次登录后须先在门户中设置，设置前不能使用其他功能。")


def _division(text: str) -> str:
    from canbao.portal.divisions import full_code

    text = text.strip()
    code = full_code(text)
    if text and not re.fullmatch(r"[0-9]{12}", code):
        raise UserError(
            f"区划代码应为 12 位数字（区县也可写 6 位，乡镇街道也可写 9 位），而不是 {text!r}（--division）。"
        )
    return code


def _password(*, stdin: bool) -> str:
    if stdin:
        line = sys.stdin.buffer.readline()
        try:
            return line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise UserError("标准输入中的密码不是 UTF-8 文字。") from None
    if not sys.stdin.isatty():
        raise UserError("没有终端可以输入密码。请加 --password-stdin，从标准输入给出密码。")
    first = getpass.getpass("密码：")
    if getpass.getpass("再输一次：") != first:
        raise UserError("两次输入的密码不一致。")
    return first


def _listed(accounts: Any) -> list[str]:
    lines = ["用户名\t角色\t区划\t导出\t状态\t动态码\t最近登录"]
    for one in accounts.all():
        locked = accounts.locked_until(one.name)
        state = f"{one.state}（输错锁定）" if locked else one.state
        factor = "有" if one.second_factor else "无"
        last = accounts.newest_sign_in(one.name)
        used = f"{last.at.astimezone(ZONE):%Y-%m-%d}" if last else "从未登录"
        lines.append("\t".join((one.name, one.role or "-", one.division or "-", one.export, state, factor, used)))
    lines.append(f"共 {len(lines) - 1} 个账号。")
    return lines


def _audit(arguments: argparse.Namespace) -> int:
    from canbao.portal.audit_log import AuditLog
    from canbao.portal.settings import load_portal_settings

    home = _existing(arguments.home)
    log, place = AuditLog(home), load_portal_settings(home).audit_copy_to
    if arguments.what == "verify":
        verdict = log.verify(place)
    else:
        place = arguments.to or place
        if place is None:
            raise UserError("没有指定备份目录。请用 --to，或在 canbao.toml 的 [audit] 中设置 copy_to。")
        verdict = log.copy_to(place)
        if verdict.place is not None:
            print(f"审计日志已复制到 {verdict.place}。")
    print(f"共 {verdict.entries} 条，末条校验值 {verdict.head}。")
    for problem in verdict.problems:
        print(f"canbao audit: {problem}", file=sys.stderr)
    if not verdict.problems:
        print("日志完整，未发现改动。")
    return 1 if verdict.problems else 0


def _trace(arguments: argparse.Namespace) -> int:
    from canbao.portal.trace import told, trace

    home = _existing(arguments.home)
    found = trace(home, arguments.what)
    named = [one.serial for one in found.serials] or [one.download.serial for one in found.rows[:1]]
    console.note(
        home,
        "trace",
        target="、".join(named) or None,
        outcome="ok" if found.how else "failed",
        detail={"by": found.how},
    )
    print("\n".join(told(found)))
    return 0 if found.how else 1


def _compliance(arguments: argparse.Namespace) -> int:
    from canbao.portal.compliance import write_register

    home = _existing(arguments.home)
    write_register(home, arguments.out)
    console.note(home, "compliance")
    print(f"个人信息处理活动登记已写入 {arguments.out}。")
    return 0


def _begun(path: Path) -> Path:
    """The folder of an installation; where there is none, the first account begins one, and it is said where."""
    home = path.resolve()
    if home.exists():
        return _existing(path)
    print(
        f"canbao user: 工作目录 {home} 原来不存在，已新建。若是路径写错（--home），请删除它，改正后重做。",
        file=sys.stderr,
    )
    return home


def _existing(path: Path) -> Path:
    """The folder of an installation that is there; none of these commands may begin one by mistake."""
    from canbao.home import Home

    home: Path = path.resolve()
    Home(home).see()
    return home
