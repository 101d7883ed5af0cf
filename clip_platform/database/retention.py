"""How long videos are kept: dated when they are done, announced, then deleted with all that belongs to them.

Each step is taken again after a crash without harm; the row goes last.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, text

from clip_platform.database import events
from clip_platform.database.connection import Database
from clip_platform.upload.states import VideoState


class KeptVideo(NamedTuple):
    tenant_id: str
    video_id: str


class DoomedVideo(NamedTuple):
    """`run_id` is its latest attempt's run, which may still work on it."""

    tenant_id: str
    video_id: str
    run_id: str | None


_TO_DATE = text("select tenant_id, video_id from videos_to_date(:default_days, :limit)")
_EXPIRING = text("""
    select tenant_id, id from videos
    where expires_at <= now() + make_interval(days => :notice_days) and expiry_announced_at is null and not pinned
        and state in ('completed', 'rejected', 'expired', 'failed', 'dead_lettered')
    order by expires_at, id limit :limit""")
_TO_DELETE = text("select tenant_id, video_id, run_id from videos_to_delete(:limit)")
# Whoever shortens the retention still leaves the notice time, or as much of it as the retention is long.
_DATE = text("""
    update videos set expires_at = greatest(
        coalesce(completed_at, videos.updated_at) + make_interval(days => kept.days),
        now() + make_interval(days => least(kept.days, :notice_days)))
    from (select coalesce(retention_days, :default_days) as days from tenants) as kept
    where id = :video_id and expires_at is null and not pinned and kept.days is not null""")
_FORGET_DATES = text("""
    update videos set expires_at = null, expiry_announced_at = null
    where expires_at is not null and state <> 'deleting'""")
_ANNOUNCE = text("""
    update videos set expiry_announced_at = now()
    where id = :video_id and expiry_announced_at is null and not pinned and expires_at is not null
    returning name, expires_at""")
_MARK = text("""
    update videos set state = 'deleting', attempt_token = null, updated_at = now()
    where id = :video_id and state <> 'deleting' and state <> 'processing' and not pinned and expires_at <= now()""")
_STATE = text("select state from videos where id = :video_id for update")
_FREED = text("""
    insert into usage_entries (tenant_id, entry_key, kind, quantity, video_id)
    select current_setting('app.tenant_id'), 'freed/' || :video_id, 'stored_bytes', -sum(quantity), :video_id
    from usage_entries where kind = 'stored_bytes' and video_id = :video_id having sum(quantity) <> 0
    on conflict (tenant_id, entry_key) do nothing""")
_FORGET = text("delete from videos where id = :video_id and state = 'deleting'")


def to_date(db: Database, default_days: int | None, limit: int = 500) -> list[KeptVideo]:
    """Finished videos of all tenants that have no date yet but are to be kept for a limited time; as the sensors."""
    with db.across_tenants() as connection:
        found = connection.execute(_TO_DATE, {"default_days": default_days, "limit": limit})
        return [KeptVideo(*row) for row in found]


def expiring(db: Database, notice_days: int, limit: int = 500) -> list[KeptVideo]:
    """Videos of all tenants whose end is near and not announced yet; as the sensors' role."""
    with db.across_tenants() as connection:
        return [KeptVideo(*row) for row in connection.execute(_EXPIRING, {"notice_days": notice_days, "limit": limit})]


def to_delete(db: Database, limit: int = 50) -> list[DoomedVideo]:
    """Videos of all tenants that are deleted or past their announced date; as the sensors' role."""
    with db.across_tenants() as connection:
        return [DoomedVideo(*row) for row in connection.execute(_TO_DELETE, {"limit": limit})]


def date(db: Database, video: KeptVideo, default_days: int | None, notice_days: int) -> None:
    """Sets when the video is deleted: its tenant's retention, or the default, after it was done."""
    values = {"video_id": video.video_id, "default_days": default_days, "notice_days": notice_days}
    with db.tenant_transaction(video.tenant_id) as connection:
        connection.execute(_DATE, values)


def forget_dates(connection: Connection) -> None:
    """The entered tenant's retention has changed: all its videos are dated, and announced, anew."""
    connection.execute(_FORGET_DATES)


def announce(db: Database, video: KeptVideo) -> bool:
    """Tells the tenant, once, by an event in the same transaction; False when it was told or the video is pinned."""
    with db.tenant_transaction(video.tenant_id) as connection:
        told = connection.execute(_ANNOUNCE, {"video_id": video.video_id}).one_or_none()
        if told is None:
            return False
        payload = {"video_id": video.video_id, "name": told.name, "expires_at": told.expires_at.isoformat()}
        events.record(connection, video.tenant_id, "video.expiring", video.video_id, payload)
    return True


def mark(db: Database, video: DoomedVideo) -> bool:
    """Takes an expired video out of sight and fences its attempt; False when it was pinned meanwhile and is kept."""
    with db.tenant_transaction(video.tenant_id) as connection:
        connection.execute(_MARK, {"video_id": video.video_id})
        state = connection.execute(_STATE, {"video_id": video.video_id}).scalar_one_or_none()
    return state == VideoState.DELETING.value


def forget(db: Database, video: DoomedVideo) -> None:
    """Frees what it used and removes its row, and every row that belongs to it: clips, feedback, log, results."""
    with db.tenant_transaction(video.tenant_id) as connection:
        connection.execute(_FREED, {"video_id": video.video_id})
        connection.execute(_FORGET, {"video_id": video.video_id})
