"""Which clips are still to be copied to which destinations, and how it went. All but `tenants_with_due` on the entered
tenant.

A copy is planned in the transaction that takes a `clip.rendered` event out of the outbox, so that none is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class DueCopy:
    """`due_at` tells this plan from a later one of the same clip."""

    destination_id: str
    video_id: str
    clip_id: str
    revision: int
    attempts: int
    due_at: datetime


_PLAN = text("""
    insert into destination_copies (destination_id, tenant_id, video_id, clip_id, revision, state, next_attempt_at)
    select d.destination_id, d.tenant_id, v.id, :clip_id, :revision, 'pending', clock_timestamp()
    from destinations as d, videos as v where d.enabled and v.id = :video_id
    on conflict (destination_id, video_id, clip_id, revision) do update
        set state = 'pending', attempts = 0, next_attempt_at = excluded.next_attempt_at, error = null""")
_TENANTS_WITH_DUE = text("select tenant_id from copies_to_make(:now, :most)")
_DUE = text("""
    select c.destination_id, c.video_id, c.clip_id, c.revision, c.attempts, c.next_attempt_at as due_at
    from destination_copies as c join destinations using (destination_id)
    where c.state = 'pending' and c.next_attempt_at <= :now and destinations.enabled
    order by c.next_attempt_at, c.video_id, c.clip_id limit :most""")
_THIS_PLAN = """destination_id = :destination_id and video_id = :video_id and clip_id = :clip_id
        and revision = :revision and state = 'pending' and next_attempt_at = :due_at"""
_WRITTEN = text(f"""
    update destination_copies set state = 'written', attempts = attempts + 1, next_attempt_at = null, error = null,
        at = :now
    where {_THIS_PLAN}""")  # noqa: S608
_FAILED = text(f"""
    update destination_copies set state = case when cast(:next_at as timestamptz) is null then 'failed' else state end,
        attempts = attempts + 1, next_attempt_at = :next_at, error = :error, at = :now
    where {_THIS_PLAN}""")  # noqa: S608
_WAIT = text("""
    update destination_copies set next_attempt_at = greatest(next_attempt_at, :until)
    where destination_id = :destination_id and state = 'pending'""")
_NOW = text("""
    update destination_copies set next_attempt_at = clock_timestamp()
    where destination_id = :destination_id and state = 'pending' and next_attempt_at > clock_timestamp()""")


def plan(connection: Connection, rendered: Iterable[Mapping[str, Any]]) -> None:
    """Copies of these clips to every enabled destination; `rendered` are payloads of `clip.rendered`."""
    for payload in rendered:
        video_id, _, clip_id = payload["clip_id"].partition(".")
        revision = payload.get("edit_revision", 0)
        connection.execute(_PLAN, {"video_id": video_id, "clip_id": clip_id, "revision": revision})


def tenants_with_due(connection: Connection, now: datetime, most: int) -> list[str]:
    """Across tenants."""
    return [row.tenant_id for row in connection.execute(_TENANTS_WITH_DUE, {"now": now, "most": most})]


def due(connection: Connection, now: datetime, most: int) -> list[DueCopy]:
    """Longest due first."""
    return [DueCopy(**row._mapping) for row in connection.execute(_DUE, {"now": now, "most": most})]


def written(connection: Connection, copy: DueCopy, now: datetime) -> None:
    """Nothing when the clip has been rendered again meanwhile: then it is still to be copied."""
    connection.execute(_WRITTEN, {**_values(copy), "now": now})


def failed(connection: Connection, copy: DueCopy, error: str, now: datetime, next_at: datetime | None) -> None:
    """`next_at` is None when it is given up."""
    connection.execute(_FAILED, {**_values(copy), "error": error, "now": now, "next_at": next_at})


def wait(connection: Connection, destination_id: str, until: datetime) -> None:
    """A destination that failed is left alone, whatever else is to be copied to it."""
    connection.execute(_WAIT, {"destination_id": destination_id, "until": until})


def try_now(connection: Connection, destination_id: str) -> None:
    """It is likely to work again: what waits for it waits no longer."""
    connection.execute(_NOW, {"destination_id": destination_id})


def _values(copy: DueCopy) -> dict[str, Any]:
    place = {"destination_id": copy.destination_id, "video_id": copy.video_id, "clip_id": copy.clip_id}
    return {**place, "revision": copy.revision, "due_at": copy.due_at}
