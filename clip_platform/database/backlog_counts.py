"""How much waits and for how long, over all tenants; as the exporter's role, which sees nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import text

from clip_platform.database.connection import Database


class WaitingVideos(NamedTuple):
    """Of one tenant in one state; `oldest_s`: since the one that waits longest came into it."""

    tenant_id: str
    state: str
    videos: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class BacklogCounts:
    """
    Attributes:
        videos: in states that are to end by themselves.
        dead_letters: by error class.
        deliveries, delivery_lag_s: webhook deliveries that are due, and how long the oldest has been.
        events, event_lag_s: events that nobody was told of yet, and the oldest one's age.
        erasures: accounts that are closed and not erased yet; `overdue_erasures` of them past their day.
        upload_sessions: open ones; `expired_sessions` of them are past their time.
    """

    videos: tuple[WaitingVideos, ...]
    dead_letters: tuple[tuple[str, int], ...]
    deliveries: int
    delivery_lag_s: float
    events: int
    event_lag_s: float
    erasures: int
    overdue_erasures: int
    upload_sessions: int
    expired_sessions: int


MOST_COUNTED = 100_000
"""Videos of each state that are looked at: a backlog that large is one whatever else waits."""
_STATES = ("uploading", "verifying", "submitted", "admitted", "processing", "failed", "deleting")
_VIDEOS = text("""
    select tenant_id, state, count(*), extract(epoch from now() - min(updated_at))::float
    from unnest(cast(:states as text[])) as wanted
        cross join lateral (select tenant_id, state, updated_at from videos where state = wanted limit :most) as found
    group by tenant_id, state order by tenant_id, state""")
_DEAD = text("""
    select coalesce(error_class, ''), count(*)
    from (select error_class from videos where state = 'dead_lettered' limit :most) as found group by 1 order by 1""")
_DELIVERIES = text("""
    select count(*), coalesce(extract(epoch from now() - min(coalesce(next_attempt_at, began_at))), 0)::float
    from webhook_deliveries where state = 'pending' and coalesce(next_attempt_at, began_at) <= now()""")
_EVENTS = text("""
    select count(*), coalesce(extract(epoch from now() - min(created_at)), 0)::float
    from events where dispatched_at is null""")
_ERASURES = text("""
    select count(*), count(*) filter (where deadline_at < now()) from erasure_receipts where completed_at is null""")
_UPLOADS = text("""
    select count(*), count(*) filter (where expires_at < now()) from upload_sessions where completed_at is null""")


def count_backlog(database: Database) -> BacklogCounts:
    """Costs what waits, not what has ever been there."""
    with database.across_tenants() as connection:
        values = {"states": list(_STATES), "most": MOST_COUNTED}
        videos = tuple(WaitingVideos(*row) for row in connection.execute(_VIDEOS, values))
        dead = tuple((name, count) for name, count in connection.execute(_DEAD, {"most": MOST_COUNTED}))
        deliveries, delivery_lag_s = connection.execute(_DELIVERIES).one()
        events, event_lag_s = connection.execute(_EVENTS).one()
        erasures, overdue = connection.execute(_ERASURES).one()
        sessions, expired = connection.execute(_UPLOADS).one()
    return BacklogCounts(
        videos=videos,
        dead_letters=dead,
        deliveries=deliveries,
        delivery_lag_s=delivery_lag_s,
        events=events,
        event_lag_s=event_lag_s,
        erasures=erasures,
        overdue_erasures=overdue,
        upload_sessions=sessions,
        expired_sessions=expired,
    )
