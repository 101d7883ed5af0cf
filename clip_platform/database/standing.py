"""Where videos stand right now: state, stage, percent, error. Read for many videos of a tenant at once, so that a
thousand watchers cost one query when there is news."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, text

from clip_platform.database import progress
from clip_platform.database.progress import AssetProgress
from clip_platform.upload.states import VideoState

_UNDER_WAY = (VideoState.PROCESSING, VideoState.FAILED, VideoState.DEAD_LETTERED)
_OVER = (VideoState.COMPLETED, VideoState.DEAD_LETTERED, VideoState.REJECTED, VideoState.EXPIRED, VideoState.DELETING)


@dataclass(frozen=True, slots=True)
class Standing:
    """`stage` is None when nothing has been begun; `percent` is 0..100 of the whole video; `rerendering`: edits of its
    clips wait to be rendered."""

    video_id: str
    state: VideoState
    stage: str | None
    percent: float
    attempt: int
    error_class: str | None
    error_message: str | None
    rerendering: bool
    reports: tuple[AssetProgress, ...]

    @property
    def is_over(self) -> bool:
        """Nothing more happens by itself."""
        return self.state in _OVER and not (self.state is VideoState.COMPLETED and self.rerendering)


_OF = text("""
    select v.id, v.state, v.attempt, v.error_class, v.error_message,
        v.edit_revision > greatest(v.rendered_revision, v.failed_revision) as rerendering,
        coalesce(p.reports, '[]') as reports
    from videos v left join lateral (
        select jsonb_agg(jsonb_build_array(stage, asset, share, message, updated_at) order by updated_at, stage, asset)
            as reports
        from progress where video_id = v.id) p on true
    where v.id = any(:video_ids) and v.state <> 'deleting'""")


def of(connection: Connection, video_ids: Sequence[str]) -> dict[str, Standing]:
    """By video id; what is not there, or is being deleted, is left out."""
    return {row.id: _standing(row) for row in connection.execute(_OF, {"video_ids": list(video_ids)})}


def stage_and_percent(state: VideoState, reports: Sequence[AssetProgress]) -> tuple[str | None, float]:
    """What the reports of a video in this state mean for the whole of it; those of an attempt that is not taken up
    again yet mean nothing."""
    if state is VideoState.COMPLETED:
        return None, 100.0
    if state not in _UNDER_WAY or not reports:
        return None, 0.0
    return reports[-1].stage, round(progress.overall(reports), 1)


def _standing(row: Row[tuple[object, ...]]) -> Standing:
    state, reports = VideoState(row.state), tuple(_reports(row.reports))
    stage, percent = stage_and_percent(state, reports)
    errors = (row.error_class, row.error_message)
    return Standing(row.id, state, stage, percent, row.attempt, *errors, row.rerendering, reports)


def _reports(found: Iterable[tuple[str, str, float, str, str]]) -> Iterable[AssetProgress]:
    for stage, asset, share, message, updated_at in found:
        yield AssetProgress(stage, asset, share, message, datetime.fromisoformat(updated_at))
