"""Access tokens of an identity provider (OpenID Connect): whose they are and which groups they name, once signature,
issuer, audience and times hold. What groups mean is said here too; who may do what is not.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
from jwt import PyJWK, PyJWTError

from clip_platform.api.principals import RANK, Role
from clip_platform.errors import InvalidSetting, StorageUnavailable, Unauthenticated
from clip_platform.settings import Settings

ALGORITHMS = {"RS256": "RSA", "ES256": "EC"}
"""And the type of key each of them takes; never a shared secret, never none."""
LEEWAY_S = 30
KEYS_LIVE_S = 300.0
COOL_DOWN_S = 30.0
"""Between two looks for a key that is not known: made-up key ids must not become requests to the provider."""
_FIRST_COOL_DOWN_S = 2.0
_TIMEOUT_S = 3.0
_LARGEST_ANSWER_BYTES = 1024 * 1024
_NOT_VALID = "the token is not valid; sign in again"


@dataclass(frozen=True, slots=True)
class Identity:
    """Of a verified token. `groups` are as the provider names them."""

    issuer: str
    subject: str
    groups: frozenset[str]


class Verifier:
    """Verifies tokens of one issuer."""

    def __init__(
        self, issuer: str, audience: str, groups_claim: str, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._groups_claim = groups_claim
        self._keys = _Keys(issuer, now)

    def verify(self, token: str) -> Identity:
        """
        Raises:
            Unauthenticated: for whatever reason; which one is not told.
            StorageUnavailable: the provider does not answer, and its keys are not known yet.
        """
        try:
            header = jwt.get_unverified_header(token)
            algorithm, key_id = header.get("alg"), header.get("kid")
            if algorithm not in ALGORITHMS or not isinstance(key_id, str):
                raise Unauthenticated(_NOT_VALID)
            key = self._keys.find(key_id)
            if key is None or key.key_type != ALGORITHMS[algorithm]:
                raise Unauthenticated(_NOT_VALID)
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
        except (PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise Unauthenticated(_NOT_VALID, detail=str(error)) from error
        return Identity(self._issuer, str(claims["sub"]), _groups(claims.get(self._groups_claim)))


def open_verifier(settings: Settings) -> Verifier | None:
    """None where no issuer is configured: then there are the platform's own tokens only.

    Raises:
        InvalidSetting: half of it is configured, or the issuer is not https.
    """
    if settings.oidc_issuer is None:
        return None
    if settings.oidc_audience is None:
        raise InvalidSetting("CLIP_PLATFORM_OIDC_ISSUER is set, but CLIP_PLATFORM_OIDC_AUDIENCE is not; set both")
    parts = urlsplit(settings.oidc_issuer)
    on_this_machine = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if parts.scheme != "https" and not (parts.scheme == "http" and on_this_machine):
        raise InvalidSetting(f"CLIP_PLATFORM_OIDC_ISSUER is {settings.oidc_issuer!r}; it must begin with https://")
    return Verifier(settings.oidc_issuer, settings.oidc_audience, settings.oidc_groups_claim)


def roles_of(groups: frozenset[str], pattern: str) -> dict[str, Role]:
    """The highest role by tenant that the groups give.

    Args:
        pattern: with `{tenant}` and `{role}` in it.

    Raises:
        InvalidSetting: they are not.
    """
    if pattern.count("{tenant}") != 1 or pattern.count("{role}") != 1:
        raise InvalidSetting(f"CLIP_PLATFORM_OIDC_GROUP_PATTERN is {pattern!r}; {{tenant}} and {{role}} must be in it")
    expression = re.escape(pattern)
    expression = expression.replace(re.escape("{tenant}"), "(?P<tenant>[A-Za-z0-9][A-Za-z0-9_-]{0,62})")
    expression = expression.replace(re.escape("{role}"), "(?P<role>owner|editor|viewer)")
    roles: dict[str, Role] = {}
    for group in groups:
        if found := re.fullmatch(expression, group):
            role = Role(found["role"])
            roles[found["tenant"]] = max(role, roles.get(found["tenant"], role), key=RANK.__getitem__)
    return roles


class _Keys:
    """The provider's public keys, fetched when first needed, again after a while, and when an unknown one is named."""

    def __init__(self, issuer: str, now: Callable[[], float]) -> None:
        self._issuer = issuer
        self._now = now
        self._known: Mapping[str, PyJWK] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._lock = threading.Lock()

    def find(self, key_id: str) -> PyJWK | None:
        """
        Raises:
            StorageUnavailable: no key is known, and the provider does not answer.
        """
        known = self._known.get(key_id)
        if known is not None and not self._are_old():
            return known
        if not self._lock.acquire(blocking=known is None):
            return known  # another request is fetching; a slow provider holds up no known key
        try:
            if (self._are_old() or key_id not in self._known) and self._may_try():
                self._refresh()
        finally:
            self._lock.release()
        if self._fetched_at is None:
            raise StorageUnavailable("the identity provider does not answer; try again")
        return self._known.get(key_id)

    def _are_old(self) -> bool:
        return self._fetched_at is None or self._now() - self._fetched_at >= KEYS_LIVE_S

    def _may_try(self) -> bool:
        return self._tried_at is None or self._now() - self._tried_at >= COOL_DOWN_S

    def _refresh(self) -> None:
        """Keys that are known stay when the provider does not answer."""
        self._tried_at = self._now()
        try:
            discovered = _read(self._issuer.rstrip("/") + "/.well-known/openid-configuration")
            if discovered.get("issuer") != self._issuer:
                raise ValueError(f"it says it is {discovered.get('issuer')!r}")
            found = _read(str(discovered["jwks_uri"])).get("keys", [])
            usable = _usable(found)
            if not usable:
                raise ValueError("it publishes no key that can be used")
            self._known = usable
            self._fetched_at = self._now()
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            if self._fetched_at is None:
                self._tried_at -= COOL_DOWN_S - _FIRST_COOL_DOWN_S  # nobody can sign in: ask again soon
                raise StorageUnavailable(
                    "the identity provider does not answer; try again", detail=str(error)
                ) from error


def _read(url: str) -> Mapping[str, Any]:
    with httpx.Client(trust_env=False, follow_redirects=False, timeout=_TIMEOUT_S) as client:
        answer = client.get(url)
    answer.raise_for_status()
    if len(answer.content) > _LARGEST_ANSWER_BYTES:
        raise ValueError("it is too large")
    content = answer.json()
    if not isinstance(content, dict):
        raise ValueError("it is no JSON object")
    return content


def _usable(keys: Sequence[Any]) -> dict[str, PyJWK]:
    """Keys for signatures, of a type that is taken; others a provider may well have beside them."""
    usable: dict[str, PyJWK] = {}
    for key in keys:
        is_ours = isinstance(key, dict) and key.get("kty") in ALGORITHMS.values() and key.get("use", "sig") == "sig"
        if is_ours and isinstance(key.get("kid"), str):
            try:
                usable[key["kid"]] = PyJWK.from_dict(key)
            except PyJWTError:  # a curve that is not known, say
                continue
    return usable


def _groups(claim: object) -> frozenset[str]:
    if isinstance(claim, str):
        return frozenset(claim.split())
    if isinstance(claim, list):
        return frozenset(group for group in claim if isinstance(group, str))
    return frozenset()
