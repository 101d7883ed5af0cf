"""Who is asking, and what they may do: roles, scopes, and one authenticated transaction per request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlalchemy import Connection

from clip_platform.api.services import Services


class Role(StrEnum):
    VIEWER = "viewer"
    EDITOR = "editor"
    OWNER = "owner"
    OPERATOR = "operator"
    """Cross-tenant operations only; reads no tenant's content."""


@dataclass(frozen=True, slots=True)
class Principal:
    """`actor` is `token:ID` or `member:ID`; `scopes` are resource names (`videos`, `webhooks`, ...) or `*`."""

    tenant_id: str
    actor: str
    role: Role
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class TenantSession:
    """One request's transaction, in which Postgres shows one tenant; committed before the answer is sent."""

    principal: Principal
    connection: Connection
    services: Services
    request_id: str

    @property
    def tenant_id(self) -> str:
        return self.principal.tenant_id

    @property
    def actor(self) -> str:
        return self.principal.actor

    def audit(self, action: str, resource: str, **details: Any) -> None:
        """Adds an event to the tenant's audit trail, in this transaction."""
        from clip_platform.database import audit

        audit.append(self.connection, self.tenant_id, self.actor, action, resource, details, self.request_id)


_RANK = {Role.VIEWER: 1, Role.EDITOR: 2, Role.OWNER: 3}


def requires(role: Role, scope: str) -> Any:
    """A dependency: the authenticated session of a principal with at least this role and this scope.

    Raises:
        Unauthenticated, Forbidden, RateLimited.
    """

    def session(request: Request) -> Iterator[TenantSession]:
        services: Services = request.app.state.services
        credentials = bearer_of(request.headers.get("authorization"))
        with services.database.across_tenants() as connection:
            principal = authenticate(services, connection, credentials, request.headers.get("clip-tenant"))
            _expect(principal, role, scope)
            services.rate_limits.hit(principal)
            enter_tenant(connection, principal.tenant_id)
            yield TenantSession(principal, connection, services, request.state.request_id)

    return Depends(session, scope="function")


def _expect(principal: Principal, role: Role, scope: str) -> None:
    operator_wanted, is_operator = role is Role.OPERATOR, principal.role is Role.OPERATOR
    too_low = operator_wanted != is_operator or (not is_operator and _RANK[principal.role] < _RANK[role])
    if too_low:
        raise Forbidden(f"this needs role {role}, the token has {principal.role}; ask an owner for another token")
    if not principal.scopes & {scope, "*"}:
        raise Forbidden(f"this needs scope {scope}; make a token that has it")


def viewer(scope: str) -> Any:
    return requires(Role.VIEWER, scope)


def editor(scope: str) -> Any:
    return requires(Role.EDITOR, scope)


def owner(scope: str) -> Any:
    return requires(Role.OWNER, scope)


def operator() -> Any:
    return requires(Role.OPERATOR, "*")
