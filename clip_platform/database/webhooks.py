"""Webhook endpoints and their deliveries, as tenants see and change them. Sending is the worker's (`database.outbox`).

All functions work on the entered tenant.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Row, text

from clip_platform.database.outbox import SECRET_COLUMN, TEST_EVENT
from clip_platform.encryption.columns import ColumnCipher
from clip_platform.errors import Conflict, NotFound
from clip_platform.identifiers import new_ulid

MOST_ENDPOINTS = 20
EndpointState = Literal["enabled", "failing", "disabled"]
DeliveryState = Literal["pending", "succeeded", "dead_lettered"]


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """`state`: enabled, failing (still tried) or disabled, with the reason."""

    endpoint_id: str
    url: str
    description: str
    event_types: tuple[str, ...]
    state: EndpointState
    state_reason: str | None
    failing_since: datetime | None
    previous_secret_until: datetime | None
    revision: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    delivery_id: str
    endpoint_id: str
    event_id: str
    event_type: str
    video_id: str | None
    state: DeliveryState
    attempts: int
    next_attempt_at: datetime | None
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class AttemptRow:
    attempt: int
    at: datetime
    duration_ms: int
    status: int | None
    error: str | None


_ENDPOINT = """endpoint_id, url, description, event_types, state, state_reason, failing_since, previous_secret_until,
    revision, created_at"""
_ONE_AT_A_TIME = text(
    "select pg_advisory_xact_lock(hashtextextended('webhooks/' || current_setting('app.tenant_id'), 0))"
)
_COUNT = text("select count(*) from webhook_endpoints")
_CREATE = text(f"""
    insert into webhook_endpoints (endpoint_id, tenant_id, url, description, event_types, secret)
    values (:endpoint_id, current_setting('app.tenant_id'), :url, :description, :event_types, :secret)
    returning {_ENDPOINT}""")  # noqa: S608
_FIND = text(f"select {_ENDPOINT} from webhook_endpoints where endpoint_id = :endpoint_id for no key update")  # noqa: S608
_PAGE = text(f"""
    select {_ENDPOINT} from webhook_endpoints where cast(:before_id as text) is null or endpoint_id < :before_id
    order by endpoint_id desc limit :limit""")  # noqa: S608
_CHANGE = text(f"""
    update webhook_endpoints set url = coalesce(:url, url), description = coalesce(:description, description),
        event_types = coalesce(cast(:event_types as text[]), event_types), revision = revision + 1
    where endpoint_id = :endpoint_id returning {_ENDPOINT}""")  # noqa: S608
_ENABLE = text(f"""
    update webhook_endpoints set state = 'enabled', state_reason = null, failing_since = null, revision = revision + 1
    where endpoint_id = :endpoint_id returning {_ENDPOINT}""")  # noqa: S608
_DISABLE = text(f"""
    update webhook_endpoints set state = 'disabled', state_reason = 'disabled over the API', revision = revision + 1
    where endpoint_id = :endpoint_id returning {_ENDPOINT}""")  # noqa: S608
_GIVE_UP_ALL = text("""
    update webhook_deliveries set state = 'dead_lettered', ended_at = now(), next_attempt_at = null
    where endpoint_id = :endpoint_id and state = 'pending'""")
_ROTATE = text(f"""
    update webhook_endpoints set previous_secret = secret, previous_secret_until = now() + :overlap, secret = :secret,
        revision = revision + 1
    where endpoint_id = :endpoint_id returning {_ENDPOINT}""")  # noqa: S608
_REMOVE = text("delete from webhook_endpoints where endpoint_id = :endpoint_id")
_TEST = text("""
    insert into events (event_id, tenant_id, type, payload)
    values (:event_id, current_setting('app.tenant_id'), :type, cast(:payload as jsonb))""")
_DELIVERY = """
    select d.delivery_id, d.endpoint_id, d.event_id, events.type as event_type, d.video_id, d.state, d.attempts,
        d.next_attempt_at, d.created_at, d.ended_at
    from webhook_deliveries as d join events using (event_id)"""
_DELIVERIES = text(f"""{_DELIVERY}
    where d.endpoint_id = :endpoint_id and (cast(:state as text) is null or d.state = :state)
        and (cast(:before_id as text) is null or d.delivery_id < :before_id)
    order by d.delivery_id desc limit :limit""")
_FIND_DELIVERY = text(f"{_DELIVERY} where d.delivery_id = :delivery_id")
_REPLAY = text("""
    update webhook_deliveries set state = 'pending', began_at = now(), next_attempt_at = null, ended_at = null
    where delivery_id = :delivery_id""")
_ATTEMPTS = text("""
    select attempt, at, duration_ms, status, error from webhook_attempts
    where delivery_id = :delivery_id and attempt < coalesce(cast(:before as integer), 2147483647)
    order by attempt desc limit :limit""")


def create(
    connection: Connection, columns: ColumnCipher, tenant_id: str, url: str, description: str, types: Sequence[str]
) -> tuple[EndpointRow, str]:
    """The endpoint, and its secret, which cannot be had again.

    Raises:
        Conflict: there are as many as a tenant may have.
    """
    connection.execute(_ONE_AT_A_TIME)
    if connection.execute(_COUNT).scalar_one() >= MOST_ENDPOINTS:
        raise Conflict(f"there are {MOST_ENDPOINTS} webhook endpoints, as many as a tenant may have; delete one first")
    endpoint_id, secret = f"whe_{new_ulid()}", _new_secret()
    sealed = columns.seal(tenant_id, SECRET_COLUMN, endpoint_id, secret)
    values = {"endpoint_id": endpoint_id, "url": url, "description": description, "event_types": list(types)}
    row = connection.execute(_CREATE, {**values, "secret": sealed}).one()
    return _endpoint(row), secret


def find(connection: Connection, endpoint_id: str) -> EndpointRow:
    """Locked until the transaction ends, so that its revision holds.

    Raises:
        NotFound.
    """
    row = connection.execute(_FIND, {"endpoint_id": endpoint_id}).one_or_none()
    if row is None:
        raise NotFound(f"no webhook endpoint {endpoint_id}; list them to see which there are")
    return _endpoint(row)


def page(connection: Connection, limit: int, before_id: str | None) -> list[EndpointRow]:
    """Newest first."""
    rows = connection.execute(_PAGE, {"limit": limit, "before_id": before_id})
    return [_endpoint(row) for row in rows]


def change(
    connection: Connection,
    endpoint_id: str,
    *,
    url: str | None,
    description: str | None,
    types: Sequence[str] | None,
) -> EndpointRow:
    """None leaves a field as it is. The endpoint has been found."""
    values = {"url": url, "description": description, "event_types": None if types is None else list(types)}
    return _endpoint(connection.execute(_CHANGE, {"endpoint_id": endpoint_id, **values}).one())


def enable(connection: Connection, endpoint_id: str) -> EndpointRow:
    """What was given up before stays so, and may be replayed."""
    return _endpoint(connection.execute(_ENABLE, {"endpoint_id": endpoint_id}).one())


def disable(connection: Connection, endpoint_id: str) -> EndpointRow:
    """Nothing more is sent to it, and what waits is given up."""
    connection.execute(_GIVE_UP_ALL, {"endpoint_id": endpoint_id})
    return _endpoint(connection.execute(_DISABLE, {"endpoint_id": endpoint_id}).one())


def rotate(
    connection: Connection, columns: ColumnCipher, tenant_id: str, endpoint_id: str, overlap: timedelta
) -> tuple[EndpointRow, str]:
    """A new secret; the one before signs too until `overlap` is over."""
    secret = _new_secret()
    sealed = columns.seal(tenant_id, SECRET_COLUMN, endpoint_id, secret)
    row = connection.execute(_ROTATE, {"endpoint_id": endpoint_id, "overlap": overlap, "secret": sealed}).one()
    return _endpoint(row), secret


def remove(connection: Connection, endpoint_id: str) -> None:
    """With its deliveries.

    Raises:
        NotFound.
    """
    find(connection, endpoint_id)
    connection.execute(_REMOVE, {"endpoint_id": endpoint_id})


def send_test(connection: Connection, endpoint_id: str) -> str:
    """Records an event that only this endpoint is told of; its id.

    Raises:
        Conflict: it is disabled.
    """
    _expect_enabled(find(connection, endpoint_id))
    event_id = f"evt_{new_ulid()}"
    payload = json.dumps({"endpoint_id": endpoint_id})
    connection.execute(_TEST, {"event_id": event_id, "type": TEST_EVENT, "payload": payload})
    return event_id


def deliveries(
    connection: Connection, endpoint_id: str, state: str | None, limit: int, before_id: str | None
) -> list[DeliveryRow]:
    """Newest first."""
    values = {"endpoint_id": endpoint_id, "state": state, "limit": limit, "before_id": before_id}
    return [DeliveryRow(**row._mapping) for row in connection.execute(_DELIVERIES, values)]


def find_delivery(connection: Connection, delivery_id: str) -> DeliveryRow:
    """
    Raises:
        NotFound.
    """
    row = connection.execute(_FIND_DELIVERY, {"delivery_id": delivery_id}).one_or_none()
    if row is None:
        raise NotFound(f"no webhook delivery {delivery_id}; list an endpoint's deliveries to see which there are")
    return DeliveryRow(**row._mapping)


def attempts(connection: Connection, delivery_id: str, limit: int, before: int | None) -> list[AttemptRow]:
    """Newest first."""
    values = {"delivery_id": delivery_id, "limit": limit, "before": before}
    return [AttemptRow(**row._mapping) for row in connection.execute(_ATTEMPTS, values)]


def replay(connection: Connection, delivery_id: str) -> DeliveryRow:
    """Sends it again, for another day if need be, with the id that it had; at once, whether it had ended or waited.

    Raises:
        NotFound. Conflict: its endpoint is disabled.
    """
    found = find_delivery(connection, delivery_id)
    _expect_enabled(find(connection, found.endpoint_id))
    connection.execute(_REPLAY, {"delivery_id": delivery_id})
    return find_delivery(connection, delivery_id)


def _expect_enabled(endpoint: EndpointRow) -> None:
    if endpoint.state == "disabled":
        raise Conflict(f"webhook endpoint {endpoint.endpoint_id} is disabled; enable it first")


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def _endpoint(row: Row[Any]) -> EndpointRow:
    return EndpointRow(**{**row._mapping, "event_types": tuple(row.event_types)})
