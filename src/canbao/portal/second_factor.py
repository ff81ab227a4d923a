"""The second factor: one-time codes by time (RFC 6238), which need no network.

Another kind of second factor is a class with the methods of `SecondFactor`.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import pyotp
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from canbao.home import Home
from canbao.portal.accounts import Accounts, Journal

SECONDS = 30
"""How long a code is shown; the one before and the one after are taken too, as clocks differ."""

_DRIFT = 1


@dataclass(frozen=True)
class Enrolment:
    """What somebody needs to set the second factor up.

    Attributes:
        secret: To type, in groups of four.
        uri: For programs that take an `otpauth` address.
        picture: The same as SVG text for a telephone's camera.
    """

    secret: str
    uri: str
    picture: str


class SecondFactor(Protocol):
    """What the portal asks of a second factor."""

    def begin(self, name: str, title: str, journal: Journal | None = None) -> Enrolment:
        """Prepare the second factor of an account; it counts once a code was given."""
        ...

    def pending(self, name: str, title: str) -> Enrolment | None:
        """What `begin` prepared and nobody confirmed yet."""
        ...

    def check(self, name: str, code: str, at: datetime, journal: Journal | None = None) -> bool:
        """Whether a code is right and was not used before; uses it up, and confirms what `begin` prepared."""
        ...

    def remove(self, name: str, journal: Journal | None = None) -> None:
        """Take the second factor away."""
        ...


class Totp:
    """One-time codes by time.

    Args:
        accounts: Where the secrets are kept, sealed.
        home: Whose key seals them, so that a copy of the accounts alone gives no codes.
    """

    def __init__(self, accounts: Accounts, home: Home) -> None:
        self._accounts = accounts
        self._home = home

    def begin(self, name: str, title: str, journal: Journal | None = None) -> Enrolment:
        """See `SecondFactor`."""
        secret = pyotp.random_base32()
        self._accounts.set_factor(name, self._seal(name, secret), journal)
        return _enrolment(secret, name, title)

    def pending(self, name: str, title: str) -> Enrolment | None:
        """See `SecondFactor`."""
        sealed, confirmed, _ = self._accounts.factor(name)
        secret = self._open(name, sealed) if sealed and not confirmed else None
        return _enrolment(secret, name, title) if secret else None

    def check(self, name: str, code: str, at: datetime, journal: Journal | None = None) -> bool:
        """See `SecondFactor`."""
        sealed, _, used = self._accounts.factor(name)
        secret = self._open(name, sealed) if sealed else None
        code = "".join(sign for sign in code if not sign.isspace())
        if secret is None or len(code) != 6 or not code.isascii() or not code.isdecimal():
            return False
        now = int(at.timestamp()) // SECONDS
        totp = pyotp.TOTP(secret)
        for step in range(now - _DRIFT, now + _DRIFT + 1):
            if pyotp.utils.strings_equal(code, totp.generate_otp(step)) and step > used:
                return self._accounts.use_factor(name, step, journal)
        return False

    def remove(self, name: str, journal: Journal | None = None) -> None:
        """See `SecondFactor`."""
        self._accounts.set_factor(name, None, journal)

    def _cipher(self) -> AESGCM:
        return AESGCM(HKDF(SHA256(), 32, None, b"canbao second factor").derive(self._home.key()))

    def _seal(self, name: str, secret: str) -> bytes:
        nonce = secrets.token_bytes(12)
        return nonce + self._cipher().encrypt(nonce, secret.encode(), name.encode())

    def _open(self, name: str, sealed: bytes) -> str | None:
        try:
            return self._cipher().decrypt(sealed[:12], sealed[12:], name.encode()).decode()
        except InvalidTag:
            return None


def _enrolment(secret: str, name: str, title: str) -> Enrolment:
    import segno

    uri = pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=title)
    picture = segno.make(uri, error="m", micro=False).svg_inline(omitsize=True, dark="#000000", light="#ffffff")
    return Enrolment(" ".join(secret[start : start + 4] for start in range(0, len(secret), 4)), uri, picture)
