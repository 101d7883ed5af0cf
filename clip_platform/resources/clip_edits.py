"""From rows of edits to what selection understands."""

from __future__ import annotations

from clip_platform.database.edits import EditRow
from clip_platform.resources.attempts import VideoAttempt
from clip_platform.selection.edits import ClipEdit, ClipEdits


def read_edits(attempt: VideoAttempt) -> ClipEdits:
    """The edits of the attempt's video so far."""
    revision, rows = attempt.edits()
    return ClipEdits(revision, tuple(_edit(row) for row in rows))


def _edit(row: EditRow) -> ClipEdit:
    return ClipEdit(
        clip_id=row.clip_id,
        revision=row.revision,
        start_s=row.start_s,
        end_s=row.end_s,
        title=row.title,
        aspect=row.aspect,
        caption_style=row.caption_style,
        platforms=row.platforms,
        removed=row.removed,
    )
