"""Clips of a tenant's earlier videos, as selection compares them."""

from __future__ import annotations

from collections.abc import Sequence

from clip_platform.database import clips
from clip_platform.resources.attempts import VideoAttempt
from clip_platform.selection.duplicates import EarlierClip
from clip_platform.timeline import clock


def read_earlier_clips(attempt: VideoAttempt) -> Sequence[EarlierClip]:
    """Of videos that were there before the attempt's, other copies of its source left out: whoever sends a video again
    wants clips of it again."""
    rows = clips.signatures_before(attempt.database, attempt.tenant_id, attempt.video.video_id)
    return [EarlierClip(f"{row.video_name} at {clock(row.start_s)}", row.signature) for row in rows]
