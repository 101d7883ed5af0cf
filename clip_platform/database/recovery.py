"""What happens to videos whose attempt ended without saying so, or for a reason that may pass."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import text

from clip_platform.database import failures, leases, videos
from clip_platform.database.connection import Database
from clip_platform.database.failures import Failure
from clip_platform.upload.states import VideoState


class FailedVideo(NamedTuple):
    tenant_id: str
    video_id: str


_FAILED = text("""
    select tenant_id, id from videos
    where state = 'failed' and error_class <> 'Interrupted' and (retry_at is null or retry_at <= now())
    order by updated_at, id limit :limit""")
_RESUBMIT = text("""
    update videos set state = 'submitted', updated_at = now()
    where id = :video_id and state = 'failed' and error_class <> 'Interrupted'
        and (retry_at is null or retry_at <= now())""")
# An attempt that never began counts too: the next run's key has to differ from the one that was asked for already.
_FENCE = text("update videos set attempt = :attempt, attempt_token = null where id = :video_id")
# A process that died may have done so for a reason of its own: there is nothing to wait for.
_AT_ONCE = text("update videos set retry_at = null where id = :video_id")
_INTERRUPT = text("""
    update videos
    set state = 'failed', error_class = 'Interrupted', error_message = :message, error_detail = '',
        attempt_token = null, retry_at = null, updated_at = now()
    where id = :video_id""")
_DROP_LEASE = text("delete from leases where video_id = :video_id and run_id = :run_id")


def failed(db: Database, limit: int = 100) -> list[FailedVideo]:
    """Videos of all tenants that may be tried again, their waiting time being over; as the sensors' role."""
    with db.across_tenants() as connection:
        return [FailedVideo(*row) for row in connection.execute(_FAILED, {"limit": limit})]


def resubmit(db: Database, tenant_id: str, video_id: str) -> bool:
    """Back to `submitted`, its failures kept; False when it is not `failed` any more, or a person interrupted it."""
    with db.tenant_transaction(tenant_id) as connection:
        return connection.execute(_RESUBMIT, {"video_id": video_id}).rowcount == 1


def abandon(db: Database, tenant_id: str, video_id: str, run_id: str, reason: str, attempt: int | None = None) -> bool:
    """Records that a run died without a word; False when the video is not that run's (any more).

    Its token is taken away: a step that outlived its run cannot write. `attempt` is the one the run was asked for, so
    that a run which never began its attempt is told from an older one.
    """
    with db.tenant_transaction(tenant_id) as connection:
        video = videos.locked(connection, video_id)
        never_joined = video.state is VideoState.ADMITTED and attempt == video.attempt + 1
        if not never_joined and (video.state is not VideoState.PROCESSING or video.run_id != run_id):
            return False
        connection.execute(_FENCE, {"video_id": video_id, "attempt": video.attempt + int(never_joined)})
        failures.end(connection, video, failures.ending(video, permanent=False), Failure("Abandoned", reason))
        connection.execute(_AT_ONCE, {"video_id": video_id})
        connection.execute(_DROP_LEASE, {"video_id": video_id, "run_id": run_id})
    return True


def interrupt(db: Database, tenant_id: str, video_id: str, run_id: str) -> None:
    """Records that a person stopped this run's attempt; it is not tried again by itself. Other runs are left alone."""
    with db.tenant_transaction(tenant_id) as connection:
        video = videos.locked(connection, video_id)
        holds_lease = connection.execute(_DROP_LEASE, {"video_id": video_id, "run_id": run_id}).rowcount == 1
        own = video.state is VideoState.PROCESSING and video.run_id == run_id
        if own or (video.state is VideoState.ADMITTED and holds_lease):
            message = "stopped by a person; run the same command again to go on"
            connection.execute(_INTERRUPT, {"video_id": video_id, "message": message})


def is_worked_on(db: Database, tenant_id: str, video_id: str, run_id: str) -> bool:
    """Whether this run holds the video's lease and lives."""
    lease = leases.held(db, tenant_id, video_id)
    return lease is not None and lease.run_id == run_id
