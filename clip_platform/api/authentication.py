"""From a bearer token to whoever holds it: our own tokens by their hash, an identity provider's by its signature."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from clip_platform.api.principals import Principal, Role
from clip_platform.api.services import Services
from clip_platform.database import tokens
from clip_platform.database.connection import enter_tenant
from clip_platform.database.tokens import FoundToken
from clip_platform.errors import Forbidden, Unauthenticated

MAX_BEARER_CHARACTERS = 16 * 1024
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)  # RFC 6750, section 2.1
_TOUCHED_EVERY = timedelta(minutes=1)


def bearer_of(header: str | None) -> str:
    """The token in an `Authorization` header.

    Raises:
        Unauthenticated: there is none, or it is no bearer token.
    """
    if header is None:
        raise Unauthenticated("there is no token; send it as `Authorization: Bearer TOKEN`")
    if len(header) > MAX_BEARER_CHARACTERS:
        raise Unauthenticated(f"the token is {len(header)} characters long; at most {MAX_BEARER_CHARACTERS} are read")
    match = _BEARER.fullmatch(header.strip())
    if match is None:
        raise Unauthenticated("the Authorization header is not understood; send `Authorization: Bearer TOKEN`")
    return match[1]


def authenticate(services: Services, connection: Connection, bearer: str, tenant_hint: str | None) -> Principal:
    """Whoever holds this token. `tenant_hint` chooses among the tenants that an identity provider's token gives.

    Raises:
        Unauthenticated: the token is not valid, without a word about whether it ever was one.
        Forbidden: it is valid, but not for the tenant that was asked for.
        StorageUnavailable: the identity provider does not answer, and its keys are not known yet.
    """
    if bearer.startswith(tokens.PREFIX):
        return _holder_of(connection, bearer, tenant_hint)
    raise Unauthenticated("the token is not valid; make a new one, or ask an owner for one")


def _holder_of(connection: Connection, secret: str, tenant_hint: str | None) -> Principal:
    found = tokens.find(connection, tokens.hash_of(secret))
    if found is None or not _holds(found):
        raise Unauthenticated("the token is not valid; make a new one, or ask an owner for one")
    if tenant_hint not in (None, found.tenant_id):
        raise Forbidden(f"Clip-Tenant is {tenant_hint!r}, the token is another tenant's; leave the header out")
    if found.last_used_at is None or found.last_used_at < _now() - _TOUCHED_EVERY:
        enter_tenant(connection, found.tenant_id)
        tokens.touch(connection, found.token_id)
    return Principal(found.tenant_id, f"token:{found.token_id}", Role(found.role), found.scopes)


def _holds(found: FoundToken) -> bool:
    return found.revoked_at is None and _now() < found.expires_at


def _now() -> datetime:
    return datetime.now(UTC)
