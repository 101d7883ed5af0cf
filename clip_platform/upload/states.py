"""The states of a video and what may follow what. The rows live in `database`; this is only the rule."""

from __future__ import annotations

from enum import StrEnum


class VideoState(StrEnum):
    UPLOADING = "uploading"
    """Its parts are on their way to the object store."""
    VERIFYING = "verifying"
    """All parts are there; a worker compares them with what was announced."""
    REJECTED = "rejected"
    """What arrived is not what was announced; upload it again as a new video."""
    EXPIRED = "expired"
    """The upload was abandoned; its parts are gone."""
    SUBMITTED = "submitted"
    """Accepted; waits for a slot."""
    ADMITTED = "admitted"
    """A run was asked for."""
    PROCESSING = "processing"
    """A run works on it."""
    COMPLETED = "completed"
    FAILED = "failed"
    """The last attempt failed; another may follow."""
    DEAD_LETTERED = "dead_lettered"
    """Failed for good, or too often; an operator can requeue it."""
    DELETING = "deleting"
    """Nobody sees it any more; its bytes and rows are being removed."""


MAY_FOLLOW: dict[VideoState, frozenset[VideoState]] = {
    state: followers | {VideoState.DELETING}
    for state, followers in {
        VideoState.UPLOADING: frozenset({VideoState.VERIFYING, VideoState.EXPIRED}),
        VideoState.VERIFYING: frozenset({VideoState.SUBMITTED, VideoState.REJECTED}),
        VideoState.REJECTED: frozenset(),
        VideoState.EXPIRED: frozenset(),
        VideoState.SUBMITTED: frozenset({VideoState.ADMITTED, VideoState.PROCESSING}),
        VideoState.ADMITTED: frozenset({VideoState.PROCESSING, VideoState.SUBMITTED, VideoState.FAILED}),
        VideoState.PROCESSING: frozenset({VideoState.COMPLETED, VideoState.FAILED, VideoState.DEAD_LETTERED}),
        VideoState.COMPLETED: frozenset({VideoState.SUBMITTED, VideoState.ADMITTED, VideoState.PROCESSING}),
        VideoState.FAILED: frozenset({VideoState.SUBMITTED, VideoState.PROCESSING, VideoState.DEAD_LETTERED}),
        VideoState.DEAD_LETTERED: frozenset({VideoState.SUBMITTED, VideoState.PROCESSING}),
        VideoState.DELETING: frozenset(),
    }.items()
}

MAX_ATTEMPTS = 3
"""A video that failed this often for transient reasons is dead-lettered."""

RETRY_DELAYS_S = (30, 120)
"""How long to wait after the first and after the second transient failure; what hinders may pass."""
