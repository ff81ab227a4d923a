"""What an office sets for its portal: `[portal]`, `[portal.oidc]` and `[audit]` of `<home>/canbao.toml`."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from canbao.errors import UserError
from canbao.portal.audit_log import KEPT_DAYS

SECTIONS = ("portal", "audit")
"""Sections of the file that this module reads; `canbao.settings` leaves them alone."""


@dataclass(frozen=True)
class OidcSettings:
    """Sign-in through an OpenID Connect provider.

    Attributes:
        issuer: The provider's address, exactly as it names itself.
        client_id: What the portal is called there.
        client_secret_env: Variable of the environment that holds the secret; empty for a client without one.
        public_url: The portal's own address as browsers see it; the provider sends people back there.
        claim: Claim that names the account.
        title: What the button on the sign-in page says.
        acr: Values of `acr` that count as a second factor.
        amr: Values of `amr` of which one counts as a second factor.
        scopes: What is asked for.
    """

    issuer: str = ""
    client_id: str = ""
    client_secret_env: str = ""
    public_url: str = ""
    claim: str = "preferred_username"
    title: str = "统一身份认证登录"
    acr: tuple[str, ...] = ()
    amr: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ("openid", "profile")


@dataclass(frozen=True)
class PortalSettings:
    """The portal's settings.

    Attributes:
        title: `[portal] title`, name of the bureau in the head of every page.
        address: `[portal] address`, the portal's own address as browsers see it, where a proxy changes `Host`; empty
            where it does not.
        idle_minutes: Minutes without a request after which a session ends.
        session_hours: Hours after which it ends in any case.
        password_days: Days after which a password must be changed.
        dormant_days: Days without a sign-in after which an account sleeps.
        failures: Failed tries after which a name is locked.
        address_failures: Failed tries after which an address is locked; an office has one address for many people.
        lock_minutes: How long.
        daily_rows: Rows an account may download a day where nothing else is granted.
        search_misses: Searches by number that find nobody, per account and day, before they end: somebody tries
            numbers out.
        approve_above: Rows with full numbers above which a second person approves.
        max_age_hours: `[watch] max_age_hours`, age from which the publication is too old.
        audit_copy_to: `[audit] copy_to`, where the log is copied to every day; None for nowhere.
        audit_keep_days: `[audit] keep_days`, never below 184.
        oidc: `[portal.oidc]`.
    """

    title: str = "医疗保障局参保台账"
    address: str = ""
    idle_minutes: float = 30
    session_hours: float = 10
    password_days: float = 90
    dormant_days: float = 90
    failures: int = 5
    address_failures: int = 50
    lock_minutes: float = 15
    daily_rows: int = 200_000
    search_misses: int = 50
    approve_above: int = 500
    max_age_hours: float = 30.0
    audit_copy_to: Path | None = None
    audit_keep_days: int = 400
    oidc: OidcSettings = field(default_factory=OidcSettings)


@dataclass(frozen=True)
class _Key:
    attribute: str
    allowed: Callable[[Any], bool]
    words: str
    made: Callable[[Any], Any] = lambda value: value


def _between(low: float, high: float) -> Callable[[Any], bool]:
    return lambda v: isinstance(v, int | float) and not isinstance(v, bool) and low <= v <= high


def _whole(low: int, high: int) -> Callable[[Any], bool]:
    return lambda v: type(v) is int and low <= v <= high


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(_text(one) for one in value)


def is_loopback(host: str) -> bool:
    """Whether a host name or address stays on this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return False


def _address(value: Any) -> bool:
    """An address that may be asked for or sent to: https, or plain http on this machine."""
    if not isinstance(value, str):
        return False
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
    except ValueError:
        return False
    plain = parts.query or parts.fragment or parts.username
    return bool(host) and not plain and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))


def _origin(value: Any) -> bool:
    return _address(value) and urlsplit(value).path in {"", "/"}


_KEYS: Mapping[str, Mapping[str, _Key]] = {
    "portal": {
        "title": _Key("title", _text, "文字", str.strip),
        "address": _Key("address", _origin, "门户的网址（https:// 开头，只到主机名和端口）", lambda v: v.rstrip("/")),
        "idle_minutes": _Key("idle_minutes", _between(1, 120), "1 至 120 的分钟数"),
        "session_hours": _Key("session_hours", _between(0.1, 24), "不超过 24 的小时数"),
        "password_days": _Key("password_days", _between(1, 365), "1 至 365 的天数"),
        "dormant_days": _Key("dormant_days", _between(1, 365), "1 至 365 的天数"),
        "failures": _Key("failures", _whole(3, 10), "3 至 10 的次数"),
        "address_failures": _Key("address_failures", _whole(5, 1000), "5 至 1000 的次数"),
        "lock_minutes": _Key("lock_minutes", _between(5, 1440), "5 至 1440 的分钟数"),
        "daily_rows": _Key("daily_rows", _whole(0, 100_000_000), "行数"),
        "search_misses": _Key("search_misses", _whole(1, 500), "1 至 500 的次数"),
        "approve_above": _Key("approve_above", _whole(0, 100_000_000), "行数"),
    },
    "audit": {
        "copy_to": _Key("audit_copy_to", _text, "目录", Path),
        "keep_days": _Key("audit_keep_days", _whole(KEPT_DAYS, 36500), f"不少于 {KEPT_DAYS} 的天数"),
    },
    "watch": {
        "max_age_hours": _Key("max_age_hours", _between(0.1, 1e6), "大于 0 的小时数", float),
    },
}
_OIDC: Mapping[str, _Key] = {
    "issuer": _Key("issuer", _address, "https:// 开头的地址（本机可用 http://）"),
    "client_id": _Key("client_id", _text, "文字"),
    "client_secret_env": _Key("client_secret_env", _text, "环境变量名"),
    "public_url": _Key("public_url", _address, "https:// 开头的门户地址（本机可用 http://）", lambda v: v.rstrip("/")),
    "claim": _Key("claim", _text, "文字"),
    "title": _Key("title", _text, "文字", str.strip),
    "acr": _Key("acr", _texts, "文字列表", tuple),
    "amr": _Key("amr", _texts, "文字列表", tuple),
    "scopes": _Key("scopes", lambda v: _texts(v) and "openid" in v, "含 openid 的文字列表", tuple),
}


def load_portal_settings(home: Path) -> PortalSettings:
    """Read the portal's sections of `<home>/canbao.toml`.

    Raises:
        UserError: The file cannot be read, or holds a key or value that is not known.
    """
    path = home / "canbao.toml"
    if not path.exists():
        return PortalSettings()
    try:
        data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UserError(f"设置文件 {path} 无法读取：{error}。请改正后重新运行。") from None
    wrong: list[str] = []
    values: dict[str, Any] = {}
    for section in (*SECTIONS, "watch"):
        entries = data.get(section, {})
        if not isinstance(entries, dict):
            wrong.append(f"{section} 应为 [{section}] 一节")
            continue
        entries = dict(entries)
        oidc = entries.pop("oidc", None) if section == "portal" else None
        values |= _read(section, entries, _KEYS[section], wrong)
        if isinstance(oidc, dict):
            values["oidc"] = OidcSettings(**_read("portal.oidc", oidc, _OIDC, wrong))
            wrong += [
                f"portal.oidc.{name} 必须填写" for name in ("issuer", "client_id", "public_url") if name not in oidc
            ]
        elif oidc is not None:
            wrong.append("portal.oidc 应为 [portal.oidc] 一节")
    if wrong:
        raise UserError(f"设置文件 {path} 有误：{'；'.join(wrong)}。")
    return PortalSettings(**values)


def _read(section: str, entries: Mapping[str, Any], keys: Mapping[str, _Key], wrong: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in entries.items():
        key = keys.get(name)
        if key is None:
            wrong.append(f"不认识的项 {section}.{name}")
        elif not key.allowed(value):
            wrong.append(f"{section}.{name} 应为{key.words}")
        else:
            values[key.attribute] = key.made(value)
    return values
