"""From a bearer token to whoever holds it: our own tokens by their hash, an identity provider's by its signature."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from clip_platform.api.oidc import Identity, roles_of
from clip_platform.api.principals import OPERATORS, RANK, Principal, Role
from clip_platform.api.services import Services
from clip_platform.database import members, tenants, tokens
from clip_platform.database.connection import enter_tenant
from clip_platform.database.tokens import FoundToken
from clip_platform.errors import Forbidden, InvalidInput, Unauthenticated

MAX_BEARER_CHARACTERS = 16 * 1024
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)  # RFC 6750, section 2.1
_NO_ROLE = "neither a group of yours nor a membership gives a role there; ask an owner to add you"
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
    if services.verifier is None:
        raise Unauthenticated("the token is not valid; make a new one, or ask an owner for one")
    return _person(services, connection, services.verifier.verify(bearer), tenant_hint)


def _person(services: Services, connection: Connection, identity: Identity, tenant_hint: str | None) -> Principal:
    """By groups, and by memberships; the higher role where both give one."""
    settings = services.settings
    index = members.subject_index(services.columns, identity.issuer, identity.subject)
    roles = {
        tenant_id: (role, f"subject:{index.hex()[:32]}")
        for tenant_id, role in roles_of(identity.groups, settings.oidc_group_pattern).items()
    }
    for one in members.memberships(connection, identity.issuer, index):
        role = Role(one.role)
        if one.tenant_id not in roles or RANK[role] >= RANK[roles[one.tenant_id][0]]:
            roles[one.tenant_id] = (role, f"member:{one.member_id}")
    roles.pop(OPERATORS, None)  # only their own group makes operators
    if settings.oidc_operator_group in identity.groups:
        roles[OPERATORS] = (Role.OPERATOR, f"subject:{index.hex()[:32]}")
    tenant_id = _chosen(sorted(roles), tenant_hint)
    enter_tenant(connection, tenant_id)
    if not tenants.exists(connection):
        if tenant_id != OPERATORS:
            raise Forbidden(_NO_ROLE)
        tenants.create(connection, OPERATORS, "Operators")  # the first of them on this installation
    role, actor = roles[tenant_id]
    return Principal(tenant_id, actor, role, frozenset("*"))


def _chosen(tenant_ids: Sequence[str], hint: str | None) -> str:
    if not tenant_ids or (hint is not None and hint not in tenant_ids):
        raise Forbidden(_NO_ROLE)
    if hint is None and len(tenant_ids) > 1:
        raise InvalidInput(f"you have roles in {', '.join(tenant_ids)}; send one of them in the header Clip-Tenant")
    return hint or tenant_ids[0]


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
