"""Sign-in through an OpenID Connect provider: authorization code with PKCE, state and nonce.

The provider says who somebody is; what they may do stands in the account of that name, which must exist. Nothing is
asked of any other address than the configured issuer's.
"""

import os
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from secrets import token_urlsafe
from typing import Any, cast
from urllib.parse import urlsplit

import httpx2
from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuthError
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization
from starlette.concurrency import run_in_threadpool

from canbao.portal.accounts import Account, plain_name
from canbao.portal.page import Portal
from canbao.portal.scope import Scope
from canbao.portal.settings import is_loopback

_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
"""Signatures by a key that the provider alone has; never `none`, never a shared secret."""

_SECONDS = 10.0
_KEEP = 3600.0
_LEEWAY = 60
_known: dict[str, tuple[float, dict[str, Any]]] = {}
_UNKNOWN = "统一身份认证已通过，但本门户没有与之对应的可用账号，请联系系统管理员。"


class OidcError(Exception):
    """Nobody is signed in.

    Attributes:
        reason: For the audit log.
        message: For the person, in Chinese.
        account: Whose account it would have been, where it exists.
    """

    def __init__(
        self, reason: str, message: str = "统一身份认证没有成功，请重新登录。", account: str | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.message = message
        self.account = account


@dataclass(frozen=True)
class Found:
    """Who came back.

    Attributes:
        account: The account.
        method: How they signed in, for the session.
        stage: `in`, or `code` where the account's own second factor is still to come.
        next: Where they wanted to go.
    """

    account: Account
    method: str
    stage: str
    next: str


async def begin(portal: Portal, browser: str, go_to: str) -> str:
    """Prepare a sign-in.

    Args:
        portal: The portal.
        browser: What this browser holds; only it can come back.
        go_to: Where to go afterwards.

    Returns:
        The provider's address to send the browser to.

    Raises:
        OidcError: The provider does not answer.
    """
    settings = portal.settings.oidc
    about = await _discover(settings.issuer)
    state, nonce, verifier = token_urlsafe(32), token_urlsafe(32), token_urlsafe(64)
    more = {"acr_values": " ".join(settings.acr)} if settings.acr else {}
    async with _client(portal, about) as client:
        address, _ = client.create_authorization_url(
            about["authorization_endpoint"], state=state, nonce=nonce, code_verifier=verifier, **more
        )
    await run_in_threadpool(portal.accounts.keep_try, state, browser, nonce, verifier, go_to)
    return str(address)


async def finish(portal: Portal, browser: str, given: Mapping[str, str]) -> Found:
    """Take what the provider sent the browser back with.

    Args:
        portal: The portal.
        browser: What this browser holds.
        given: Parameters of the address.

    Raises:
        OidcError: It is not what `begin` asked for, or there is no account that may sign in this way.
    """
    settings = portal.settings.oidc
    kept = await run_in_threadpool(portal.accounts.take_try, given.get("state", ""), browser)
    if kept is None:
        raise OidcError("state")
    nonce, verifier, go_to = kept
    if given.get("iss", settings.issuer) != settings.issuer:
        raise OidcError("issuer")
    if "code" not in given:
        raise OidcError("refused by the provider")
    about = await _discover(settings.issuer)
    async with _client(portal, about) as client:
        try:
            token = await client.fetch_token(about["token_endpoint"], code=given["code"], code_verifier=verifier)
            claims = await _claims(about, settings.issuer, settings.client_id, str(token.get("id_token", "")), nonce)
            name = claims.get(settings.claim)
            if name is None and "userinfo_endpoint" in about:
                name = await _from_userinfo(client, about, settings.claim, claims)
        except (httpx2.HTTPError, OAuthError, ValueError) as error:
            raise OidcError(f"token: {type(error).__name__}") from None
    return await run_in_threadpool(_account, portal, name, claims, go_to)


async def _from_userinfo(
    client: AsyncOAuth2Client, about: Mapping[str, Any], claim: str, claims: Mapping[str, Any]
) -> Any:
    answer = await client.get(about["userinfo_endpoint"])
    answer.raise_for_status()
    user = answer.json()
    if not isinstance(user, dict) or user.get("sub") != claims.get("sub"):
        raise OidcError("userinfo of another person")
    return user.get(claim)


def _account(portal: Portal, name: Any, claims: Mapping[str, Any], go_to: str) -> Found:
    account = portal.accounts.usable(plain_name(name)) if isinstance(name, str) else None
    if account is None:
        raise OidcError("no account", _UNKNOWN)
    if account.state != "active":
        raise OidcError(account.state, _UNKNOWN, account.name)
    settings = portal.settings.oidc
    amr = claims.get("amr")
    strong = claims.get("acr") in settings.acr or (isinstance(amr, list) and any(one in settings.amr for one in amr))
    scope = Scope.of(account, portal.tree)
    if not strong and scope.must_have_factor:
        message = "该账号须用第二因素登录，而统一身份认证这次没有使用。请改用密码和动态码登录。"
        raise OidcError("second factor", message, account.name)
    stage = "code" if account.second_factor and not strong else "in"
    return Found(account, "oidc+mfa" if strong else "oidc", stage, go_to)


def _client(portal: Portal, about: Mapping[str, Any]) -> AsyncOAuth2Client:
    settings = portal.settings.oidc
    secret = os.environ.get(settings.client_secret_env, "") if settings.client_secret_env else ""
    if settings.client_secret_env and not secret:
        raise OidcError(f"{settings.client_secret_env} is not set")
    ways = about.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    basic = "client_secret_basic" if "client_secret_basic" in ways else "client_secret_post"
    return AsyncOAuth2Client(
        settings.client_id,
        secret or None,
        token_endpoint_auth_method=basic if secret else "none",
        scope=" ".join(settings.scopes),
        redirect_uri=f"{settings.public_url}/login/oidc/callback",
        code_challenge_method="S256",
        timeout=_SECONDS,
        follow_redirects=False,
        trust_env=False,
        verify=ssl.create_default_context(),
    )


async def _claims(about: Mapping[str, Any], issuer: str, audience: str, token: str, nonce: str) -> dict[str, Any]:
    """What an id token says, once signature, issuer, audience, times and nonce are right."""
    for fresh in (False, True):  # an unknown key may be a new one
        keys = KeySet.import_key_set(cast(KeySetSerialization, await _fetch(about["jwks_uri"], fresh=fresh)))
        try:
            claims = jwt.decode(token, keys, algorithms=_ALGORITHMS).claims
            break
        except (JoseError, ValueError) as error:
            if fresh:
                raise OidcError(f"id token: {type(error).__name__}") from None
    now = int(time.time())
    registry = jwt.JWTClaimsRegistry(
        now,
        _LEEWAY,
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": audience},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
        nonce={"essential": True, "value": nonce},
    )
    try:
        registry.validate(claims)
    except JoseError as error:
        raise OidcError(f"id token: {type(error).__name__}") from None
    parties = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    if claims.get("azp", audience) != audience or (len(parties) > 1 and "azp" not in claims):
        raise OidcError("id token: azp")
    return dict(claims)


async def _discover(issuer: str) -> dict[str, Any]:
    about = await _fetch(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    if about.get("issuer") != issuer:
        raise OidcError("the provider names itself otherwise")
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        parts = urlsplit(str(about.get(name, "")))
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
            raise OidcError(f"{name} is not https")
    return about


async def _fetch(address: str, *, fresh: bool = False) -> dict[str, Any]:
    kept = _known.get(address)
    if kept is not None and not fresh and time.monotonic() - kept[0] < _KEEP:
        return kept[1]
    try:
        async with httpx2.AsyncClient(timeout=_SECONDS, trust_env=False, verify=ssl.create_default_context()) as client:
            answer = await client.get(address)
            answer.raise_for_status()
            found = answer.json()
    except (httpx2.HTTPError, ValueError) as error:
        raise OidcError(f"provider: {type(error).__name__}") from None
    if not isinstance(found, dict):
        raise OidcError("provider: no object")
    _known[address] = (time.monotonic(), found)
    return found
