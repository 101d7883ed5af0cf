"""The states of a video and what may follow what. The rows live in `database`; this is only the rule."""

from __future__ import annotations

from enum import StrEnum


class VideoState(StrEnum):
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


MAY_FOLLOW: dict[VideoState, frozenset[VideoState]] = {
    VideoState.SUBMITTED: frozenset({VideoState.ADMITTED, VideoState.PROCESSING}),
    VideoState.ADMITTED: frozenset({VideoState.PROCESSING, VideoState.SUBMITTED, VideoState.FAILED}),
    VideoState.PROCESSING: frozenset({VideoState.COMPLETED, VideoState.FAILED, VideoState.DEAD_LETTERED}),
    VideoState.COMPLETED: frozenset({VideoState.SUBMITTED, VideoState.PROCESSING}),
    VideoState.FAILED: frozenset({VideoState.SUBMITTED, VideoState.PROCESSING, VideoState.DEAD_LETTERED}),
    VideoState.DEAD_LETTERED: frozenset({VideoState.SUBMITTED, VideoState.PROCESSING}),
}

MAX_ATTEMPTS = 3
"""A video that failed this often for transient reasons is dead-lettered."""
