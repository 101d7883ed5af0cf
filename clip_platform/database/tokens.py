"""API tokens. Only the hash of a secret is stored; the secret leaves `create` once and cannot be had again.

All but `find` work on the entered tenant.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, Row, text

from clip_platform.database.statements import Lookup
from clip_platform.errors import NotFound
from clip_platform.identifiers import new_ulid

PREFIX = "clp_"
"""Begins every secret, so that scanners find one that leaked."""

Kind = Literal["personal", "service"]


@dataclass(frozen=True, slots=True)
class FoundToken:
    """What a hash leads to, valid or not: `expires_at` and `revoked_at` are the caller's to judge."""

    token_id: str
    tenant_id: str
    role: str
    scopes: frozenset[str]
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class TokenRow:
    token_id: str
    name: str
    kind: Kind
    role: str
    scopes: tuple[str, ...]
    created_by: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None


_COLUMNS = "token_id, name, kind, role, scopes, created_by, created_at, expires_at, revoked_at, last_used_at"
_CREATE = text(f"""
    insert into api_tokens (token_id, tenant_id, name, kind, secret_hash, role, scopes, created_by, expires_at)
    values (:token_id, current_setting('app.tenant_id'), :name, :kind, :secret_hash, :role, :scopes, :created_by,
        :expires_at)
    returning {_COLUMNS}""")  # noqa: S608
# one round trip, since every request begins with it
_FOUND = "token_id, tenant_id, role, scopes, expires_at, revoked_at, last_used_at"
_FIND = Lookup(
    f"select {_FOUND}, set_config('app.tenant_id', tenant_id, true) as entered from token_by_hash(%(hash)s)",  # noqa: S608
    f"{_FOUND}, entered",
)
_TOUCH = text("""
    update api_tokens set last_used_at = now() where token_id = (
        select token_id from api_tokens
        where token_id = :token_id and (last_used_at is null or last_used_at < now() - interval '1 minute')
        for no key update skip locked)""")  # requests of one token never wait for each other here
_REVOKE = text(f"""
    update api_tokens set revoked_at = coalesce(revoked_at, now()) where token_id = :token_id
    returning {_COLUMNS}""")  # noqa: S608
# A personal token's own personal tokens are the same person's, also where the one between them is over.
_REVOKE_PERSONAL = text("""
    with recursive theirs (token_id) as (
        select token_id from api_tokens where created_by = :created_by and kind = 'personal'
        union
        select made.token_id from theirs
            join api_tokens as made on made.created_by = 'token:' || theirs.token_id and made.kind = 'personal')
    update api_tokens set revoked_at = now()
    where token_id in (select token_id from theirs) and revoked_at is null and role = any(:roles)
    returning token_id""")
_PAGE = text(f"""
    select {_COLUMNS} from api_tokens
    where cast(:before_id as text) is null or token_id < :before_id
    order by token_id desc limit :limit""")  # noqa: S608
_GET = text(f"select {_COLUMNS} from api_tokens where token_id = :token_id")  # noqa: S608


def hash_of(secret: str) -> bytes:
    """SHA-256; enough without salt and stretching, since a secret is 32 random bytes."""
    return hashlib.sha256(secret.encode()).digest()


def create(
    connection: Connection,
    *,
    name: str,
    kind: Kind,
    role: str,
    scopes: Sequence[str],
    created_by: str,
    expires_at: datetime,
) -> tuple[TokenRow, str]:
    """The new token and its secret, which is nowhere else."""
    secret = PREFIX + secrets.token_urlsafe(32)
    values = {
        "token_id": f"tok_{new_ulid()}",
        "name": name,
        "kind": kind,
        "secret_hash": hash_of(secret),
        "role": role,
        "scopes": list(scopes),
        "created_by": created_by,
        "expires_at": expires_at,
    }
    return _row(connection.execute(_CREATE, values).one()), secret


def find(connection: Connection, secret_hash: bytes) -> FoundToken | None:
    """Of any tenant: this is how a request's tenant becomes known. The transaction has entered it afterwards."""
    row = _FIND.one_or_none(connection, hash=secret_hash)
    if row is None:
        return None
    return FoundToken(
        token_id=row["token_id"],
        tenant_id=row["tenant_id"],
        role=row["role"],
        scopes=frozenset(row["scopes"]),
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
    )


def touch(connection: Connection, token_id: str) -> None:
    """Notes that the token is used, at most once a minute."""
    connection.execute(_TOUCH, {"token_id": token_id})


def revoke(connection: Connection, token_id: str) -> TokenRow:
    """Twice is once.

    Raises:
        NotFound.
    """
    row = connection.execute(_REVOKE, {"token_id": token_id}).one_or_none()
    if row is None:
        raise NotFound(f"there is no token {token_id}; GET /v1/tokens lists them")
    return _row(row)


def revoke_personal(connection: Connection, created_by: str, roles: Sequence[str]) -> list[str]:
    """Ends the personal tokens of these roles that someone made, also by way of another of them; their ids."""
    values = {"created_by": created_by, "roles": list(roles)}
    return sorted(connection.execute(_REVOKE_PERSONAL, values).scalars())


def get(connection: Connection, token_id: str) -> TokenRow:
    """
    Raises:
        NotFound.
    """
    row = connection.execute(_GET, {"token_id": token_id}).one_or_none()
    if row is None:
        raise NotFound(f"there is no token {token_id}; GET /v1/tokens lists them")
    return _row(row)


def page(connection: Connection, limit: int, before_id: str | None = None) -> list[TokenRow]:
    """Newest first, also expired and revoked ones."""
    return [_row(row) for row in connection.execute(_PAGE, {"limit": limit, "before_id": before_id})]


def _row(row: Row) -> TokenRow:
    return TokenRow(**{**row._mapping, "scopes": tuple(row.scopes)})
