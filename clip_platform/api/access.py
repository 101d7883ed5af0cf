"""Who is asking, and what they may do: roles, scopes, and one authenticated transaction per request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
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

_ADDING = ("POST", "PUT", "PATCH")
"""What an account that is being closed may not do any more; to revoke a token that leaked it may."""


class TenantSession:
    """One request's transaction, in which Postgres shows one tenant; committed before the answer is sent.

    It is open while the route runs (`transactions.Transacted`), and not before: all that a request does with the
    database happens in one thread, since each change of threads costs as much as a query.
    """

    def __init__(self, request: Request, role: Role, scope: str) -> None:
        self._request = request
        self._role = role
        self._scope = scope
        self._principal: Principal | None = None
        self._connection: Connection | None = None

    @property
    def services(self) -> Services:
        found: Services = self._request.app.state.services
        return found

    @property
    def request_id(self) -> str:
        found: str = self._request.state.request_id
        return found

    @property
    def known(self) -> Principal | None:
        """Whoever asks, once that is known; also after the session is over, for the log."""
        return self._principal

    @property
    def principal(self) -> Principal:
        if self._principal is None:
            raise RuntimeError("the session is not open; its router needs route_class=Transacted")
        return self._principal

    @property
    def connection(self) -> Connection:
        if self._connection is None:
            raise RuntimeError("the session is not open; its router needs route_class=Transacted")
        return self._connection

    @property
    def tenant_id(self) -> str:
        return self.principal.tenant_id

    @property
    def actor(self) -> str:
        return self.principal.actor

    def audit(self, action: str, resource: str, **details: Any) -> None:
        """Adds an event to the tenant's audit trail, in this transaction."""
        audit.append(self.connection, self.tenant_id, self.actor, action, resource, details, self.request_id)

    @contextmanager
    def open(self) -> Iterator[None]:
        """
        Raises:
            Unauthenticated, Forbidden, RateLimited.
        """
        request, services = self._request, self.services
        credentials = bearer_of(request.headers.get("authorization"))
        hint = request.headers.get("clip-tenant")
        with services.database.across_tenants() as connection:
            principal = _known(request, lambda: authenticate(services, connection, credentials, hint))
            _expect(principal, self._role, self._scope)
            if not principal.actor.startswith("token:"):  # a token's look-up has entered it
                enter_tenant(connection, principal.tenant_id)
            if request.method in _ADDING and self._role is not Role.OPERATOR:
                tenants.expect_open(connection)
            self._principal, self._connection = principal, connection
            try:
                yield
            finally:
                self._connection = None


def requires(role: Role, scope: str) -> Any:
    """A dependency: the session of a principal with at least this role and this scope.

    Raises:
        Unauthenticated: there is no token; whether it is a good one is known when the session opens.
    """

    async def made(request: Request) -> TenantSession:
        bearer_of(request.headers.get("authorization"))
        session = TenantSession(request, role, scope)
        request.state.session = session  # for `Once`, which is the same whatever a route requires
        return session

    made.required = (str(role), scope)  # type: ignore[attr-defined]  # said in the OpenAPI document
    return Depends(made)


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
    def known(self) -> Principal:
        return self.principal

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
