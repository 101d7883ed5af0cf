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


class EditedVideo(NamedTuple):
    """`edit_revision`: the last edit of its clips; part of the key of the run that is asked for."""

    tenant_id: str
    video_id: str
    attempt: int
    name: str
    edit_revision: int


# Never "ids above the last one seen": transactions commit out of order, and a requeued video has an old id.
# The tenants that wait are found one after another along the index, then each one's oldest few: a tick costs what is
# waiting at the front, not how much waits or has ever been there.
_SUBMITTED = text("""
    with recursive waiting (tenant_id) as (
        (select tenant_id from videos where state = 'submitted' order by tenant_id, updated_at, id limit 1)
        union all
        select (select tenant_id from videos where state = 'submitted' and tenant_id > waiting.tenant_id
            order by tenant_id, updated_at, id limit 1)
        from waiting where tenant_id is not null),
    busy as (
        select tenant_id, count(*) as videos from videos where state in ('admitted', 'processing') group by tenant_id)
    select waiting.tenant_id, oldest.id, oldest.attempt, oldest.name
    from waiting
        join tenants using (tenant_id)
        left join busy using (tenant_id)
        cross join lateral (
            select id, attempt, name, updated_at, row_number() over (order by updated_at, id) as turn from (
                select id, attempt, name, updated_at from videos
                where state = 'submitted' and videos.tenant_id = waiting.tenant_id
                order by updated_at, id
                limit greatest(0, least(:limit, coalesce(tenants.quota_concurrent_videos, :most_of_a_tenant, :limit)
                    - coalesce(busy.videos, 0)))) as first_ones) as oldest
    order by coalesce(busy.videos, 0) + oldest.turn, oldest.updated_at, oldest.id limit :limit""")
_ADMIT = text("""
    update videos set state = 'admitted', updated_at = now()
    where id = any(:video_ids) and state = 'submitted' returning id""")
_EDITED = text("""
    select tenant_id, id, attempt, name, edit_revision from (
        select tenant_id, id, attempt, name, edit_revision, updated_at,
            row_number() over (partition by tenant_id order by updated_at, id) as turn
        from videos where state = 'completed' and edit_revision > greatest(rendered_revision, failed_revision)
    ) as edited
    order by turn, updated_at, id limit :limit""")
_ADMIT_EDITED = text("""
    update videos set state = 'admitted', updated_at = now()
    where id = any(:video_ids) and state = 'completed'
        and edit_revision > greatest(rendered_revision, failed_revision) returning id""")
_UNTAKEN = text("""
    select tenant_id, id, attempt, name from videos
    where state = 'admitted' and updated_at < now() - make_interval(secs => :older_than_s)
        and not exists (select from leases where leases.video_id = videos.id)
    order by updated_at, id limit :limit""")
_RETURN = text("""
    update videos set state = 'submitted', updated_at = now() where id = any(:video_ids) and state = 'admitted'""")
_IN_FLIGHT = text("select count(*) from videos where state in ('admitted', 'processing')")


def submitted(db: Database, limit: int, most_of_a_tenant: int | None = None) -> list[WaitingVideo]:
    """Videos that wait, one per tenant in turn, each tenant's oldest first; who has videos in flight waits longer.

    `most_of_a_tenant` is how many of its videos may be in flight where a tenant has no quota of its own; None: any.
    """
    with db.across_tenants() as connection:
        found = connection.execute(_SUBMITTED, {"limit": limit, "most_of_a_tenant": most_of_a_tenant})
        return [WaitingVideo(*row) for row in found]


def admit(db: Database, video_ids: Sequence[str]) -> list[str]:
    """Marks waiting videos as admitted; returns those that were still waiting."""
    with db.across_tenants() as connection:
        return list(connection.execute(_ADMIT, {"video_ids": list(video_ids)}).scalars())


def edited(db: Database, limit: int) -> list[EditedVideo]:
    """Complete videos with edits that no run has rendered yet, one per tenant in turn, the longest untouched first."""
    with db.across_tenants() as connection:
        return [EditedVideo(*row) for row in connection.execute(_EDITED, {"limit": limit})]


def admit_edited(db: Database, video_ids: Sequence[str]) -> list[str]:
    """Marks edited videos as admitted; returns those that were still to be rendered."""
    with db.across_tenants() as connection:
        return list(connection.execute(_ADMIT_EDITED, {"video_ids": list(video_ids)}).scalars())


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
