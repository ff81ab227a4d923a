"""Passwords: what may be one, and how they are kept.

As NIST SP 800-63B has it: length instead of mixtures of signs, any script, and nothing from a list of common ones.
"""

import re
import threading
import tomllib
import unicodedata
from functools import lru_cache

import argon2

from canbao.paths import package_dir

SHORTEST = 12
LONGEST = 256
KEPT = 5
"""So many earlier passwords may not come again."""

PARALLEL = 2
"""Hashes that are computed at the same time; each takes `memory_cost` KiB, so that the memory is bounded."""

# 32 MiB and two passes: 0.05 s of one core, more than OWASP asks for at the least (19 MiB, two passes); with it a
# thousand sign-ins in five minutes leave most of a small server to others (python -m canbao.portal.load).
_HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=32768, parallelism=1, hash_len=32, salt_len=16)
_SLOTS = threading.BoundedSemaphore(PARALLEL)

_ALIKE = {"a": "a@4", "e": "e3", "i": "i1!", "l": "l1", "o": "o0", "s": "s$5", "t": "t7"}
"""Signs that people put for a letter, and think it makes a password."""

_ROWS = (
    "1234567890",
    "qwertyuiopasdfghjklzxcvbnm",
    "asdfghjkl",
    "zxcvbnm",
    "abcdefghijklmnopqrstuvwxyz",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
)


def normal(password: str) -> str:
    """The form that is hashed: the same signs, however a keyboard composed them."""
    return unicodedata.normalize("NFKC", password)


def hash_password(password: str) -> str:
    """A salted argon2id hash with its parameters."""
    with _SLOTS:
        return _HASHER.hash(normal(password))


def verify_password(kept: str, password: str) -> bool:
    """Whether a password is the one that was kept."""
    with _SLOTS:
        try:
            return _HASHER.verify(kept, normal(password)[: LONGEST + 1])
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False


def needs_rehash(kept: str) -> bool:
    """Whether a hash was made with other parameters than today's."""
    return _HASHER.check_needs_rehash(kept)


@lru_cache
def nobodys_hash() -> str:
    """What a try for an unknown account is compared with, so that it takes as long as for a known one."""
    return hash_password("nobody has this password")


def fault(password: str, name: str) -> str:
    """Why a password may not be used, in Chinese; empty where it may.

    Args:
        password: The password.
        name: The account's name.
    """
    password = normal(password)
    if len(password) < SHORTEST:
        return f"密码至少 {SHORTEST} 个字符，可以是任何文字，例如几个互不相干的词。"
    if len(password) > LONGEST:
        return f"密码不能超过 {LONGEST} 个字符。"
    if any(unicodedata.category(sign) == "Cc" for sign in password):
        return "密码中有不可见的控制字符。"
    plain = password.casefold()
    if len(name) >= 2 and normal(name).casefold() in plain:
        return "密码不能包含用户名。"
    if _common(plain):
        return "这个密码太常见，容易被猜到，请换一个。"
    return ""


def _common(plain: str) -> bool:
    bare = "".join(sign for sign in plain if sign.isalnum())
    return any(_listed().fullmatch(word) or _repeated(word) or _walked(word) for word in (plain, bare))


@lru_cache
def _listed() -> re.Pattern[str]:
    """`common_passwords.toml` as one pattern: tens of thousands of passwords from a few hundred pieces."""
    lists = tomllib.loads((package_dir("portal") / "common_passwords.toml").read_text(encoding="utf-8"))
    words, endings, whole = (
        "|".join("".join(_alike(sign) for sign in one) for one in lists[name].split())
        for name in ("words", "endings", "whole")
    )
    return re.compile(f"{whole}|(?:{endings}){{0,2}}(?:{words}){{1,2}}(?:{endings}){{0,2}}")


def _alike(sign: str) -> str:
    return f"[{_ALIKE[sign]}]" if sign in _ALIKE else re.escape(sign)


def _repeated(word: str) -> bool:
    """A short piece over and over (aaaaaaaaaaaa, abc123abc123), or hardly any different signs."""
    if len(set(word)) < 5:
        return True
    return any(word == (word[:size] * (len(word) // size + 1))[: len(word)] for size in range(1, len(word) // 2 + 1))


def _walked(word: str) -> bool:
    """A walk along the keyboard, the digits or the alphabet, in either direction."""
    return any(word in row * 3 or word in row[::-1] * 3 for row in _ROWS)
