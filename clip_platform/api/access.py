"""Who is asking, and what they may do: roles, scopes, and one authenticated transaction per request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import Depends, Request
from sqlalchemy import Connection

from clip_platform.api.authentication import authenticate, bearer_of
from clip_platform.api.principals import RANK, Principal, Role
from clip_platform.api.services import Services
from clip_platform.database import audit, tenants
from clip_platform.database.connection import enter_tenant
from clip_platform.errors import Forbidden, TransientError, Unauthenticated

_READING = ("GET", "HEAD")


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
        audit.append(self.connection, self.tenant_id, self.actor, action, resource, details, self.request_id)


def requires(role: Role, scope: str) -> Any:
    """A dependency: the authenticated session of a principal with at least this role and this scope.

    Raises:
        Unauthenticated, Forbidden, RateLimited.
    """

    def opened(request: Request) -> Iterator[TenantSession]:
        services: Services = request.app.state.services
        credentials = bearer_of(request.headers.get("authorization"))
        with services.database.across_tenants() as connection:
            hint = request.headers.get("clip-tenant")
            principal = _known(request, lambda: authenticate(services, connection, credentials, hint))
            _expect(principal, role, scope)
            if principal.tenant_id and not principal.actor.startswith("token:"):  # a token's look-up has entered it
                enter_tenant(connection, principal.tenant_id)
            if request.method not in _READING and role is not Role.OPERATOR:
                tenants.expect_open(connection)
            session = TenantSession(principal, connection, services, request.state.request_id)
            request.state.session = session  # for `Once`, which is the same whatever a route requires
            yield session

    opened.required = (str(role), scope)  # type: ignore[attr-defined]  # said in the OpenAPI document
    return Depends(opened, scope="function")


def _known(request: Request, authenticated: Callable[[], Principal]) -> Principal:
    """Whoever asks, counted; strangers by their address."""
    services: Services = request.app.state.services
    try:
        principal = authenticated()
    except Unauthenticated:
        services.rate_limits.refuse(request.client.host if request.client else "")
        raise
    taken = services.rate_limits.take(principal)
    request.state.rate_limit = taken.headers
    taken.expect_allowed()
    return principal


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever asks, once they are known, without a transaction: for what lasts longer than one may be open."""

    principal: Principal
    services: Services
    request_id: str
    authorization: str
    tenant_hint: str | None
    role: Role
    scope: str

    @property
    def tenant_id(self) -> str:
        return self.principal.tenant_id

    @property
    def actor(self) -> str:
        return self.principal.actor

    def is_still_allowed(self) -> bool:
        """Asks again; True while nobody can tell."""
        try:
            with self.services.database.across_tenants() as connection:
                again = authenticate(self.services, connection, bearer_of(self.authorization), self.tenant_hint)
                _expect(again, self.role, self.scope)
        except (Unauthenticated, Forbidden):
            return False
        except TransientError:
            return True
        return again.tenant_id == self.tenant_id


def caller(role: Role, scope: str) -> Any:
    """A dependency: as `requires`, but the transaction is over before the route begins."""

    def known(request: Request) -> Caller:
        services: Services = request.app.state.services
        authorization, hint = request.headers.get("authorization"), request.headers.get("clip-tenant")
        credentials = bearer_of(authorization)
        with services.database.across_tenants() as connection:
            principal = _known(request, lambda: authenticate(services, connection, credentials, hint))
            _expect(principal, role, scope)
        found = Caller(principal, services, request.state.request_id, str(authorization), hint, role, scope)
        request.state.session = found  # for the log
        return found

    known.required = (str(role), scope)  # type: ignore[attr-defined]  # said in the OpenAPI document
    return Depends(known)


def _expect(principal: Principal, role: Role, scope: str) -> None:
    operator_wanted, is_operator = role is Role.OPERATOR, principal.role is Role.OPERATOR
    too_low = operator_wanted != is_operator or (not is_operator and RANK[principal.role] < RANK[role])
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
