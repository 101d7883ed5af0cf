"""`/v1/videos`: what there is, where each video stands, what its stages said; renamed, pinned, deleted."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from clip_platform.api.access import TenantSession, editor, viewer
from clip_platform.api.entity_tags import IfMatch, set_etag
from clip_platform.api.paging import Cursor, Limit, Page, page_of, read_cursor
from clip_platform.api.text import PlainText
from clip_platform.api.transactions import Transacted
from clip_platform.database import progress, standing, video_details, video_log, videos
from clip_platform.database.video_log import Level, LogLine
from clip_platform.database.videos import VideoRow
from clip_platform.errors import InvalidInput
from clip_platform.upload.states import VideoState

router = APIRouter(prefix="/v1/videos", route_class=Transacted, tags=["videos"])


class VideoError(BaseModel):
    """Of the last failed attempt."""

    kind: str = Field(serialization_alias="class", description="Stable name of the kind of error.")
    message: str = Field(description="What was wrong, and what to do.")


class ListedVideo(BaseModel):
    video_id: str
    name: str
    state: VideoState
    attempt: int = Field(description="Counts from 1; 0 before the first one.")
    error: VideoError | None
    size_bytes: int | None = Field(description="Null until the bytes have arrived.")
    duration_s: float | None = Field(description="Null until the file has been looked at.")
    pinned: bool = Field(description="Kept beyond its time.")
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    expires_at: datetime | None = Field(description="When it is deleted; null when there is no date.")


class Video(ListedVideo):
    stage: str | None = Field(description="The stage that spoke last; null when none is under way.")
    percent: float = Field(description="Of the whole video, 0 to 100.")
    rerendering: bool = Field(description="Edits of its clips wait to be rendered.")
    content_type: str | None
    sha256: str | None = Field(description="Of the source.")
    preferences: dict[str, Any]
    created_by: str | None
    retry_at: datetime | None = Field(description="When a failed video is tried again.")


class VideoChange(BaseModel):
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    name: PlainText | None = None
    pinned: bool | None = None


class DeletedVideo(BaseModel):
    video_id: str
    state: VideoState


class LogEntry(BaseModel):
    at: datetime
    attempt: int
    stage: str
    level: Level
    message: str


@router.get("", summary="Videos, newest first")
def list_videos(
    session: Annotated[TenantSession, viewer("videos")],
    state: Annotated[VideoState | None, Query(description="Only those in this state.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ListedVideo]:
    position = read_cursor(cursor, {"id": str})
    rows = videos.page(session.connection, limit + 1, position["id"] if position else None, state)
    return page_of(rows, limit, lambda row: ListedVideo(**_listed(row)), lambda row: {"id": row.video_id})


@router.get("/{video_id}", summary="One video, and how far it is")
def get_video(session: Annotated[TenantSession, viewer("videos")], video_id: str, response: Response) -> Video:
    row = videos.find(session.connection, video_id)
    set_etag(response, row.revision)
    return _video(session, row)


@router.patch("/{video_id}", summary="Rename, pin or unpin a video")
def change_video(
    session: Annotated[TenantSession, editor("videos")],
    video_id: str,
    change: VideoChange,
    precondition: IfMatch,
    response: Response,
) -> Video:
    videos.find(session.connection, video_id)
    precondition.check(videos.locked(session.connection, video_id).revision)
    named = _named(change)
    video_details.change(session.connection, video_id, **named)
    row = videos.find(session.connection, video_id)
    set_etag(response, row.revision)
    session.audit("video.changed", video_id, fields=sorted(named))
    return _video(session, row)


@router.delete("/{video_id}", status_code=202, summary="Delete a video and all that was made of it")
def delete_video(session: Annotated[TenantSession, editor("videos")], video_id: str) -> DeletedVideo:
    """At once out of sight, also while it is processed; bytes and rows go soon after. Twice is once."""
    if videos.begin_deleting(session.connection, video_id):
        session.audit("video.deleted", video_id)
    return DeletedVideo(video_id=video_id, state=VideoState.DELETING)


@router.get("/{video_id}/log", summary="What each stage said, oldest first")
def list_video_log(
    session: Annotated[TenantSession, viewer("videos")], video_id: str, limit: Limit = 50, cursor: Cursor = None
) -> Page[LogEntry]:
    videos.find(session.connection, video_id)
    position = read_cursor(cursor, {"line": int})
    rows = video_log.page(session.connection, video_id, limit + 1, position["line"] if position else None)
    return page_of(rows, limit, _entry, lambda row: {"line": row.line_id})


def _named(change: VideoChange) -> dict[str, Any]:
    named = {name: getattr(change, name) for name in change.model_fields_set}
    if not named:
        raise InvalidInput("nothing is to be changed; send name, pinned or both")
    empty = sorted(name for name, value in named.items() if value is None)
    if empty:
        raise InvalidInput(f"{', '.join(empty)} is null, which a video cannot be without; leave it out to keep it")
    return named


def _video(session: TenantSession, row: VideoRow) -> Video:
    is_under_way = row.attempt > 0 and row.state is not VideoState.COMPLETED
    reports = progress.of_video(session.connection, row.video_id) if is_under_way else []
    stage, percent = standing.stage_and_percent(row.state, reports)
    return Video(
        **_listed(row),
        stage=stage,
        percent=percent,
        rerendering=row.edit_revision > max(row.rendered_revision, row.failed_revision),
        content_type=row.content_type,
        sha256=row.stored_source.sha256 if row.stored_source else None,
        preferences=dict(row.preferences),
        created_by=row.created_by,
        retry_at=row.retry_at if row.state is VideoState.FAILED else None,
    )


def _listed(row: VideoRow) -> dict[str, Any]:
    error = VideoError(kind=row.error_class, message=row.error_message or "") if row.error_class else None
    return {
        "video_id": row.video_id,
        "name": row.name,
        "state": row.state,
        "attempt": row.attempt,
        "error": error,
        "size_bytes": row.stored_source.size_bytes if row.stored_source else None,
        "duration_s": None if row.duration_s is None else float(row.duration_s),
        "pinned": row.pinned,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "completed_at": row.completed_at,
        "expires_at": row.expires_at,
    }


def _entry(row: LogLine) -> LogEntry:
    return LogEntry(at=row.at, attempt=row.attempt, stage=row.stage, level=row.level, message=row.message)
