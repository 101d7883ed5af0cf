"""Uploads in parts, as rows: what was announced, when it ends, and what became of it. All of the entered tenant.

A session that is closed (`completed_at`) has nothing left in the store but, if all went well, the joined object.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from clip_platform.errors import Conflict, NotFound, UploadExpired
from clip_platform.upload.parts import Cut
from clip_platform.upload.states import VideoState


@dataclass(frozen=True, slots=True)
class NewVideo:
    """`preferences` are validated and whole; `source_url` is sealed."""

    video_id: str
    name: str
    content_type: str
    preferences: Mapping[str, Any]
    created_by: str
    state: VideoState
    source_url: bytes | None = None


@dataclass(frozen=True, slots=True)
class NewSession:
    video_id: str
    object_key: str
    store_upload_id: str
    whole: Cut
    sha256: str | None
    lives: timedelta


@dataclass(frozen=True, slots=True)
class Session:
    """An upload and its video's state. `expired`: its time is over, whether or not that was acted upon.

    `sha256` is of the whole file, None when the client did not say.
    """

    video_id: str
    state: VideoState
    object_key: str
    store_upload_id: str
    whole: Cut
    sha256: str | None
    expires_at: datetime
    expired: bool
    closed: bool


@dataclass(frozen=True, slots=True)
class AnnouncedPart:
    """`md5` in base64."""

    number: int
    size_bytes: int
    md5: str


_DEFAULT_PREFERENCES = text("""
    select default_preferences from tenants where tenant_id = current_setting('app.tenant_id')""")
_ADD_VIDEO = text("""
    insert into videos (id, tenant_id, name, content_type, preferences, created_by, state, source_url)
    values (:video_id, current_setting('app.tenant_id'), :name, :content_type, cast(:preferences as jsonb),
        :created_by, :state, :source_url)""")
_BEGIN = text("""
    insert into upload_sessions (video_id, tenant_id, object_key, store_upload_id, part_size_bytes, part_count,
        size_bytes, sha256, expires_at)
    values (:video_id, current_setting('app.tenant_id'), :object_key, :store_upload_id, :part_size_bytes, :part_count,
        :size_bytes, :sha256, now() + :lives)
    returning expires_at""")
_FIND = text("""
    select v.id, v.state, s.object_key, s.store_upload_id, s.size_bytes, s.part_size_bytes, s.sha256, s.expires_at,
        s.expires_at <= now() as expired, s.completed_at is not null as closed
    from videos as v left join upload_sessions as s on s.video_id = v.id where v.id = :video_id""")
_ANNOUNCE = text("""
    insert into upload_parts (video_id, tenant_id, part_number, md5, size_bytes)
    select :video_id, current_setting('app.tenant_id'), part.number, part.md5, part.size_bytes
    from unnest(cast(:numbers as integer[]), cast(:md5s as text[]), cast(:sizes as bigint[]))
        as part (number, md5, size_bytes)
    order by part.number
    on conflict (video_id, part_number) do update set md5 = excluded.md5, size_bytes = excluded.size_bytes,
        asked_at = now()""")
_ANNOUNCED = text("""
    select part_number, size_bytes, md5 from upload_parts where video_id = :video_id order by part_number""")
_BECOME = text("""
    update videos set state = :state, error_class = :error_class, error_message = :error_message,
        revision = revision + 1, updated_at = now()
    where id = :video_id and state = :before""")
_CLOSE = text("update upload_sessions set completed_at = now() where video_id = :video_id and completed_at is null")
_END_NOW = text("""
    update upload_sessions set expires_at = least(expires_at, now()) where video_id = :video_id
        and completed_at is null""")
_ACCEPT = text("""
    update videos set state = 'submitted', source_key = :key, source_sha256 = :sha256, source_size_bytes = :size_bytes,
        revision = revision + 1, updated_at = now()
    where id = :video_id and state = 'verifying'""")


def default_preferences(connection: Connection) -> Mapping[str, Any]:
    """The tenant's own, which a request's are laid over."""
    values: Mapping[str, Any] = connection.execute(_DEFAULT_PREFERENCES).scalar_one()
    return values


def add_video(connection: Connection, video: NewVideo) -> None:
    values = {
        "video_id": video.video_id,
        "name": video.name,
        "content_type": video.content_type,
        "preferences": json.dumps(dict(video.preferences)),
        "created_by": video.created_by,
        "state": video.state.value,
        "source_url": video.source_url,
    }
    connection.execute(_ADD_VIDEO, values)


def begin(connection: Connection, session: NewSession) -> datetime:
    """When it expires."""
    values = {
        "video_id": session.video_id,
        "object_key": session.object_key,
        "store_upload_id": session.store_upload_id,
        "part_size_bytes": session.whole.part_size_bytes,
        "part_count": session.whole.part_count,
        "size_bytes": session.whole.size_bytes,
        "sha256": session.sha256,
        "lives": session.lives,
    }
    expires_at: datetime = connection.execute(_BEGIN, values).scalar_one()
    return expires_at


def find(connection: Connection, video_id: str) -> Session:
    """
    Raises:
        NotFound: no such video, or it is being deleted.
        Conflict: it was not uploaded in parts.
    """
    session = find_any(connection, video_id)
    if session.state is VideoState.DELETING:
        raise _no_such_video(video_id)
    return session


def find_any(connection: Connection, video_id: str) -> Session:
    """As `find`, also of a video that is being deleted."""
    row = connection.execute(_FIND, {"video_id": video_id}).one_or_none()
    if row is None:
        raise _no_such_video(video_id)
    if row.object_key is None:
        raise Conflict(f"video {video_id} was not uploaded in parts; there is no upload to go on with")
    return Session(
        video_id=row.id,
        state=VideoState(row.state),
        object_key=row.object_key,
        store_upload_id=row.store_upload_id,
        whole=Cut(row.size_bytes, row.part_size_bytes),
        sha256=row.sha256,
        expires_at=row.expires_at,
        expired=row.expired,
        closed=row.closed,
    )


def _no_such_video(video_id: str) -> NotFound:
    return NotFound(f"there is no video {video_id}; list the videos to find its id")


def find_open(connection: Connection, video_id: str) -> Session:
    """A session that still takes parts. Raises as `find`.

    Raises:
        UploadExpired: its time is over, or it was given up.
        Conflict: it has been completed.
    """
    session = find(connection, video_id)
    expect_not_expired(session)
    if session.state is not VideoState.UPLOADING:
        raise Conflict(f"the upload of video {video_id} is over, it is {session.state.value}; no part can be added")
    return session


def expect_not_expired(session: Session) -> None:
    """
    Raises:
        UploadExpired.
    """
    ended = session.expired and session.state is VideoState.UPLOADING
    if ended or session.state is VideoState.EXPIRED:
        raise UploadExpired(
            f"the upload of video {session.video_id} ended at {session.expires_at:%Y-%m-%dT%H:%M:%SZ}, its parts are "
            "gone; begin a new one"
        )


def announce(connection: Connection, video_id: str, parts: Sequence[AnnouncedPart]) -> None:
    """Remembers what these parts must be; what is announced again replaces what was."""
    values = {
        "video_id": video_id,
        "numbers": [part.number for part in parts],
        "md5s": [part.md5 for part in parts],
        "sizes": [part.size_bytes for part in parts],
    }
    connection.execute(_ANNOUNCE, values)


def announced(connection: Connection, video_id: str) -> list[AnnouncedPart]:
    """By number."""
    return [AnnouncedPart(*row) for row in connection.execute(_ANNOUNCED, {"video_id": video_id})]


def complete(connection: Connection, video_id: str) -> bool:
    """From `uploading` to `verifying`; False when it was not `uploading` any more."""
    if not _become(connection, video_id, VideoState.UPLOADING, VideoState.VERIFYING):
        return False
    connection.execute(_CLOSE, {"video_id": video_id})
    return True


def give_up(connection: Connection, video_id: str) -> bool:
    """From `uploading` to `expired`; its parts are removed by whoever expires sessions. False as `complete`."""
    message = "the upload was given up by the client"
    if not _become(connection, video_id, VideoState.UPLOADING, VideoState.EXPIRED, "UploadExpired", message):
        return False
    connection.execute(_END_NOW, {"video_id": video_id})
    return True


def expire(connection: Connection, video_id: str) -> bool:
    """From `uploading` to `expired`, for want of completion. The session stays open until `close`."""
    message = "the upload was not completed in time; upload it again as a new video"
    return _become(connection, video_id, VideoState.UPLOADING, VideoState.EXPIRED, "UploadExpired", message)


def close(connection: Connection, video_id: str) -> None:
    """Nothing of the session is left in the store."""
    connection.execute(_CLOSE, {"video_id": video_id})


def accept(connection: Connection, video_id: str, key: str, sha256: str, size_bytes: int) -> bool:
    """From `verifying` to `submitted`, with its source; False when it is not `verifying` any more."""
    values = {"video_id": video_id, "key": key, "sha256": sha256, "size_bytes": size_bytes}
    return connection.execute(_ACCEPT, values).rowcount == 1


def reject(connection: Connection, video_id: str, error_class: str, message: str) -> bool:
    """From `verifying` to `rejected`; False when it is not `verifying` any more."""
    return _become(connection, video_id, VideoState.VERIFYING, VideoState.REJECTED, error_class, message)


def _become(
    connection: Connection,
    video_id: str,
    before: VideoState,
    after: VideoState,
    error_class: str | None = None,
    error_message: str | None = None,
) -> bool:
    values = {"video_id": video_id, "before": before.value, "state": after.value}
    error = {"error_class": error_class, "error_message": error_message}
    return connection.execute(_BECOME, {**values, **error}).rowcount == 1
