"""From events to webhooks, as the worker sees it: who is told, what is due, and how an attempt ended.

Deliveries are rows; a job only says that one may be tried now. So a lost job loses nothing, and a repeated one repeats
nothing that has ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, text

from clip_platform.database import destination_copies, events, jobs
from clip_platform.database.events import EventType
from clip_platform.encryption.columns import ColumnCipher
from clip_platform.identifiers import new_ulid

LANES_OF_ENDPOINT = 2
"""Deliveries to one endpoint at once, so that a slow one takes no more than these."""
LANES_OF_TENANT = 16
TRIED_FOR = timedelta(hours=24)
FAILING_FOR = timedelta(days=3)
"""An endpoint to which nothing could be delivered for so long is disabled."""
SECRET_COLUMN = "webhook_endpoints.secret"  # noqa: S105
TEST_EVENT = "webhook.test"


@dataclass(frozen=True, slots=True)
class Letter:
    """One delivery, ready to be sent. `secrets`: the current one first; two while a rotation lasts."""

    delivery_id: str
    endpoint_id: str
    video_id: str | None
    event_id: str
    type: str
    payload: Mapping[str, Any]
    happened_at: datetime
    began_at: datetime
    url: str
    secrets: tuple[str, ...]

    @property
    def lane(self) -> str:
        return f"{self.endpoint_id}/{self.video_id or self.delivery_id}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """How it went: the receiver's status, or what went wrong before there was one. `next_at` is used on failure."""

    at: datetime
    duration_ms: int
    status: int | None
    error: str | None
    next_at: datetime

    @property
    def succeeded(self) -> bool:
        return self.error is None


_TENANTS_WITH_EVENTS = text("select distinct tenant_id from events_to_dispatch(:most)")
_TO_SERVE = text("select tenant_id, endpoint_id from endpoints_to_serve(:now, :lanes, :most)")
_ONE_AT_A_TIME = text(
    "select pg_advisory_xact_lock(hashtextextended('outbox/' || current_setting('app.tenant_id'), 0))"
)
_UNDISPATCHED = text("""
    select event_id, sequence, video_id, type, payload from events
    where dispatched_at is null order by sequence limit :most""")
_LISTENING = text(
    "select endpoint_id, event_types from webhook_endpoints where state <> 'disabled' order by endpoint_id"
)
_ADD = text("""
    insert into webhook_deliveries (delivery_id, tenant_id, endpoint_id, event_id, sequence, video_id, began_at)
    values (:delivery_id, current_setting('app.tenant_id'), :endpoint_id, :event_id, :sequence, :video_id, :now)
    on conflict (endpoint_id, event_id) do nothing""")
_DISPATCHED = text("update events set dispatched_at = now() where event_id = any(:event_ids)")
_BUSY = text("""
    select count(*) filter (where args ->> 'endpoint_id' = :endpoint_id) as endpoint, count(*) as tenant
    from jobs.procrastinate_jobs where status in ('todo', 'doing') and args -> 'released' is null
        and task_name = :task and args ->> 'tenant_id' = current_setting('app.tenant_id')""")
# The first of each video; those behind it wait until it has ended. Of no video: nothing to wait for.
_DUE = text("""
    select d.delivery_id, d.video_id from webhook_deliveries as d join webhook_endpoints using (endpoint_id)
    where d.endpoint_id = :endpoint_id and d.state = 'pending' and webhook_endpoints.state <> 'disabled'
        and (d.next_attempt_at is null or d.next_attempt_at <= :now)
        and not exists (
            select from webhook_deliveries as earlier
            where earlier.endpoint_id = d.endpoint_id and earlier.video_id = d.video_id and earlier.state = 'pending'
                and (earlier.sequence, earlier.delivery_id) < (d.sequence, d.delivery_id))
        and not exists (
            select from jobs.procrastinate_jobs
            where lock = d.endpoint_id || '/' || coalesce(d.video_id, d.delivery_id) and status in ('todo', 'doing'))
    order by d.sequence, d.delivery_id limit :free""")
_LETTER = text("""
    select d.delivery_id, d.endpoint_id, d.video_id, d.event_id, d.began_at, events.type, events.payload,
        events.created_at, e.tenant_id, e.url, e.secret,
        case when e.previous_secret_until > :now then e.previous_secret end as previous_secret
    from webhook_deliveries as d join events using (event_id) join webhook_endpoints as e using (endpoint_id)
    where d.delivery_id = :delivery_id and d.state = 'pending' and e.state <> 'disabled'
        and (d.next_attempt_at is null or d.next_attempt_at <= :now)""")
_NEXT_OF_VIDEO = text("""
    select delivery_id from webhook_deliveries
    where endpoint_id = :endpoint_id and video_id = :video_id and state = 'pending'
    order by sequence, delivery_id limit 1""")
_COUNT = text("""
    update webhook_deliveries
    set attempts = attempts + 1, state = :state, ended_at = :ended_at, next_attempt_at = :next_at
    where delivery_id = :delivery_id and state = 'pending' returning attempts""")
_LOG = text("""
    insert into webhook_attempts (delivery_id, tenant_id, attempt, at, duration_ms, status, error)
    values (:delivery_id, current_setting('app.tenant_id'), :attempt, :at, :duration_ms, :status, :error)""")
_WELL = text("""
    update webhook_endpoints set state = 'enabled', failing_since = null where endpoint_id = :endpoint_id
        and state = 'failing'""")
_FAILING = text("""
    update webhook_endpoints set state = 'failing', failing_since = coalesce(failing_since, :at)
    where endpoint_id = :endpoint_id and state <> 'disabled' returning failing_since, url""")
_DISABLE = text("""
    update webhook_endpoints set state = 'disabled', state_reason = :reason, revision = revision + 1
    where endpoint_id = :endpoint_id and state <> 'disabled'""")
_GIVE_UP_ALL = text("""
    update webhook_deliveries set state = 'dead_lettered', ended_at = :at, next_attempt_at = null
    where endpoint_id = :endpoint_id and state = 'pending'""")


def tenants_with_events(connection: Connection, most: int) -> list[str]:
    """Across tenants: whose events are still to be dispatched."""
    return [row.tenant_id for row in connection.execute(_TENANTS_WITH_EVENTS, {"most": most})]


def endpoints_to_serve(connection: Connection, now: datetime, most: int) -> list[tuple[str, str]]:
    """Across tenants: tenant and endpoint of what is due, where there is a free lane."""
    values = {"now": now, "lanes": LANES_OF_ENDPOINT, "most": most}
    return [(row.tenant_id, row.endpoint_id) for row in connection.execute(_TO_SERVE, values)]


def dispatch(connection: Connection, now: datetime, most: int) -> int:
    """Turns events of the entered tenant into deliveries and copies, and queues deliveries that are due; how many
    events."""
    connection.execute(_ONE_AT_A_TIME)
    found = connection.execute(_UNDISPATCHED, {"most": most}).all()
    endpoints = connection.execute(_LISTENING).all()
    added = [
        {**_place(event), "delivery_id": f"whd_{new_ulid()}", "endpoint_id": endpoint.endpoint_id, "now": now}
        for event in found
        for endpoint in endpoints
        if _wants(endpoint, event)
    ]
    if added:
        connection.execute(_ADD, added)
    destination_copies.plan(connection, [event.payload for event in found if event.type == EventType.RENDERED])
    connection.execute(_DISPATCHED, {"event_ids": [event.event_id for event in found]})
    for endpoint_id in dict.fromkeys(each["endpoint_id"] for each in added):
        queue_due(connection, endpoint_id, now)
    return len(found)


def queue_due(connection: Connection, endpoint_id: str, now: datetime) -> int:
    """Queues what is due at an endpoint of the entered tenant, as far as lanes are free; how many."""
    connection.execute(_ONE_AT_A_TIME)
    values = {"endpoint_id": endpoint_id, "task": jobs.DELIVER, "now": now}
    busy = connection.execute(_BUSY, values).one()
    free = min(LANES_OF_ENDPOINT - busy.endpoint, LANES_OF_TENANT - busy.tenant)
    due = connection.execute(_DUE, {**values, "free": max(free, 0)}).all()
    tenant_id = connection.execute(text("select current_setting('app.tenant_id')")).scalar_one()
    for row in due:
        args = {"tenant_id": tenant_id, "endpoint_id": endpoint_id, "delivery_id": row.delivery_id}
        lane = f"{endpoint_id}/{row.video_id or row.delivery_id}"
        jobs.put(connection, jobs.QUEUE_OF_DELIVERIES, jobs.DELIVER, lane, args)
    return len(due)


def letter(connection: Connection, columns: ColumnCipher, delivery_id: str, now: datetime) -> Letter | None:
    """None when there is nothing to send now: it has ended, is not due yet, or its endpoint is gone or disabled."""
    row = connection.execute(_LETTER, {"delivery_id": delivery_id, "now": now}).one_or_none()
    if row is None:
        return None
    sealed: Iterable[bytes] = (each for each in (row.secret, row.previous_secret) if each is not None)
    return Letter(
        delivery_id=row.delivery_id,
        endpoint_id=row.endpoint_id,
        video_id=row.video_id,
        event_id=row.event_id,
        type=row.type,
        payload=row.payload,
        happened_at=row.created_at,
        began_at=row.began_at,
        url=row.url,
        secrets=tuple(columns.open(row.tenant_id, SECRET_COLUMN, row.endpoint_id, each) for each in sealed),
    )


def next_of_lane(connection: Connection, letter: Letter) -> str | None:
    """The delivery that waited for this one, if any does."""
    if letter.video_id is None:
        return None
    values = {"endpoint_id": letter.endpoint_id, "video_id": letter.video_id}
    found: str | None = connection.execute(_NEXT_OF_VIDEO, values).scalar_one_or_none()
    return found


def settle(connection: Connection, tenant_id: str, letter: Letter, attempt: Attempt, *, gone: bool) -> None:
    """Keeps how an attempt ended, and what follows from it; nothing when another worker has ended the delivery.

    `gone`: the receiver says that it wants nothing any more.
    """
    if not _logged(connection, letter, attempt):
        return
    if attempt.succeeded:
        connection.execute(_WELL, {"endpoint_id": letter.endpoint_id})
        return
    failing = connection.execute(_FAILING, {"endpoint_id": letter.endpoint_id, "at": attempt.at}).one_or_none()
    if failing is None:
        return
    if gone:
        disable(connection, tenant_id, letter.endpoint_id, "the receiver answered 410 Gone", attempt.at)
    elif attempt.at - failing.failing_since >= FAILING_FOR:
        reason = f"nothing could be delivered for {FAILING_FOR.days} days; last: {attempt.error}"
        disable(connection, tenant_id, letter.endpoint_id, reason, attempt.at)


def disable(connection: Connection, tenant_id: str, endpoint_id: str, reason: str, now: datetime) -> None:
    """Nothing more is sent to it, what waits is given up, and the tenant's other endpoints are told."""
    if connection.execute(_DISABLE, {"endpoint_id": endpoint_id, "reason": reason}).rowcount:
        connection.execute(_GIVE_UP_ALL, {"endpoint_id": endpoint_id, "at": now})
        told = {"endpoint_id": endpoint_id, "reason": reason}
        events.record(connection, tenant_id, EventType.ENDPOINT_DISABLED, None, told)


def _logged(connection: Connection, letter: Letter, attempt: Attempt) -> bool:
    over = attempt.at - letter.began_at >= TRIED_FOR
    state = "succeeded" if attempt.succeeded else "dead_lettered" if over else "pending"
    pending = state == "pending"
    number = connection.execute(
        _COUNT,
        {
            "delivery_id": letter.delivery_id,
            "state": state,
            "ended_at": None if pending else attempt.at,
            "next_at": min(attempt.next_at, letter.began_at + TRIED_FOR) if pending else None,
        },
    ).scalar_one_or_none()
    if number is None:
        return False
    told = {"at": attempt.at, "duration_ms": attempt.duration_ms, "status": attempt.status, "error": attempt.error}
    connection.execute(_LOG, {"delivery_id": letter.delivery_id, "attempt": number, **told})
    return True


def _wants(endpoint: Row[Any], event: Row[Any]) -> bool:
    """A test is for the endpoint that it names; anything else for those that asked for it."""
    if event.type == TEST_EVENT:
        return bool(event.payload.get("endpoint_id") == endpoint.endpoint_id)
    wanted: Sequence[str] = endpoint.event_types
    return "*" in wanted or event.type in wanted


def _place(event: Row[Any]) -> dict[str, Any]:
    return {"event_id": event.event_id, "sequence": event.sequence, "video_id": event.video_id}
