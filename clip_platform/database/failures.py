"""How an attempt that failed ends: tried again, dead-lettered, or with the clips of before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text

from clip_platform.database import events
from clip_platform.upload.states import MAX_ATTEMPTS, RETRY_DELAYS_S, VideoState

if TYPE_CHECKING:
    from clip_platform.database.videos import VideoRow


@dataclass(frozen=True, slots=True)
class Failure:
    error_class: str
    message: str
    detail: str = ""


_END = text("""
    update videos
    set state = :state, failures = failures + 1, error_class = :error_class, error_message = :message,
        error_detail = :detail, updated_at = now(),
        retry_at = case when :state = 'failed' then now() + make_interval(secs => :retry_delay_s) end
    where id = :video_id""")
# What was edited after the attempt began may well be rendered by the next one.
_KEEP_CLIPS = text("""
    update videos
    set failures = 0, retry_at = null, failed_revision = coalesce((
        select edit_revision from attempts
        where attempts.video_id = videos.id and attempts.attempt = videos.attempt), edit_revision)
    where id = :video_id""")


def ending(video: VideoRow, *, permanent: bool) -> VideoState:
    """`failed` when another attempt may succeed; `dead_lettered` when it cannot, or there were too many.

    A video that is complete but for edits of its clips goes back to `completed`: the clips of before stay.
    """
    if not permanent and video.failures + 1 < MAX_ATTEMPTS:
        return VideoState.FAILED
    only_edits = video.completed_at is not None and video.edit_revision > video.rendered_revision
    return VideoState.COMPLETED if only_edits else VideoState.DEAD_LETTERED


def end(connection: Connection, video: VideoRow, state: VideoState, failure: Failure) -> None:
    """Writes the failure to the row, and tells the tenant when it is the last one."""
    error = {"error_class": failure.error_class, "message": failure.message, "detail": failure.detail}
    delay_s = RETRY_DELAYS_S[min(video.failures, len(RETRY_DELAYS_S) - 1)]
    connection.execute(_END, {"video_id": video.video_id, "state": state.value, "retry_delay_s": delay_s, **error})
    if state is VideoState.COMPLETED:
        connection.execute(_KEEP_CLIPS, {"video_id": video.video_id})
    if state is not VideoState.FAILED:
        shown = {"class": failure.error_class, "message": failure.message}
        payload = events.about(video, state.value, error=shown)
        events.record(connection, video.tenant_id, events.EventType.FAILED, video.video_id, payload)
