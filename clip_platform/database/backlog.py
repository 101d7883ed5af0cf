"""What waits, across tenants, for the sensors: ids and states only, which is all their role may see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import text

from clip_platform.database.connection import Database


class WaitingVideo(NamedTuple):
    """`attempt`: how many attempts it has had; part of the key of the run that is asked for."""

    tenant_id: str
    video_id: str
    attempt: int
    name: str


# Never "ids above the last one seen": transactions commit out of order, and a requeued video has an old id.
_SUBMITTED = text("""
    select tenant_id, id, attempt, name from (
        select tenant_id, id, attempt, name, updated_at,
            row_number() over (partition by tenant_id order by updated_at, id) as turn
        from videos where state = 'submitted') as waiting
    order by turn, updated_at, id limit :limit""")
_ADMIT = text("""
    update videos set state = 'admitted', updated_at = now()
    where id = any(:video_ids) and state = 'submitted' returning id""")
_UNTAKEN = text("""
    select tenant_id, id, attempt, name from videos
    where state = 'admitted' and updated_at < now() - make_interval(secs => :older_than_s)
        and not exists (select from leases where leases.video_id = videos.id)
    order by updated_at, id limit :limit""")
_RETURN = text("""
    update videos set state = 'submitted', updated_at = now() where id = any(:video_ids) and state = 'admitted'""")
_IN_FLIGHT = text("select count(*) from videos where state in ('admitted', 'processing')")


def submitted(db: Database, limit: int) -> list[WaitingVideo]:
    """Videos that wait, one per tenant in turn, each tenant's oldest first."""
    with db.across_tenants() as connection:
        return [WaitingVideo(*row) for row in connection.execute(_SUBMITTED, {"limit": limit})]


def admit(db: Database, video_ids: Sequence[str]) -> list[str]:
    """Marks waiting videos as admitted; returns those that were still waiting."""
    with db.across_tenants() as connection:
        return list(connection.execute(_ADMIT, {"video_ids": list(video_ids)}).scalars())


def untaken(db: Database, older_than_s: float, limit: int = 100) -> list[WaitingVideo]:
    """Videos admitted for that long that no run has taken a lease on: their run may be queued, or lost."""
    with db.across_tenants() as connection:
        return [
            WaitingVideo(*row) for row in connection.execute(_UNTAKEN, {"older_than_s": older_than_s, "limit": limit})
        ]


def give_back(db: Database, video_ids: Sequence[str]) -> None:
    """Admitted videos wait again."""
    with db.across_tenants() as connection:
        connection.execute(_RETURN, {"video_ids": list(video_ids)})


def in_flight(db: Database) -> int:
    """How many videos, of all tenants, are admitted or being processed."""
    with db.across_tenants() as connection:
        return connection.execute(_IN_FLIGHT).scalar_one()
