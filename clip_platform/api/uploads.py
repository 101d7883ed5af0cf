"""Taking in a video: in parts, or from an address. The bytes never pass through the API.

Calls to the object store are made so that doing them twice is doing them once; rows decide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from clip_platform.api.access import TenantSession
from clip_platform.database import uploads, usage
from clip_platform.database.uploads import AnnouncedPart, NewSession, NewVideo, Session
from clip_platform.database.usage import Quotas
from clip_platform.errors import ClipPlatformError, Conflict, UploadExpired
from clip_platform.identifiers import new_ulid
from clip_platform.network.addresses import Allowed
from clip_platform.network.http import outbound
from clip_platform.network.sources import expect_source_url
from clip_platform.settings import Settings
from clip_platform.storage.parts.protocol import Part, SignedPart, StoredPart
from clip_platform.upload.acceptance import check_size, checked_content_type
from clip_platform.upload.parts import Cut, check_announced, cut, named
from clip_platform.upload.preferences import Preferences
from clip_platform.upload.states import VideoState

SOURCE_URL_COLUMN = "videos.source_url"


@dataclass(frozen=True, slots=True)
class Announced:
    """A file that a client is about to send; `sha256` of all of it, None when not known."""

    name: str
    content_type: str
    size_bytes: int
    sha256: str | None
    preferences: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Begun:
    video_id: str
    whole: Cut
    expires_at: datetime


def begin_upload(session: TenantSession, file: Announced) -> Begun:
    """
    Raises:
        EmptyFile, LimitExceeded, UnsupportedMedia, InvalidPreference, QuotaExceeded.
    """
    settings, part_store = session.services.settings, session.services.part_store
    check_size(file.size_bytes, settings.upload_limits)
    whole = cut(file.size_bytes)
    video_id = new_ulid()
    video = _new_video(session, video_id, file.name, file.content_type, file.preferences, VideoState.UPLOADING)
    key = f"{session.tenant_id}/videos/{video_id}/source/upload"
    upload_id = part_store.begin(key, video.content_type, file.size_bytes, whole.part_count)
    try:
        usage.check_quota(session.connection, _quotas(settings), new_bytes=file.size_bytes)
        uploads.add_video(session.connection, video)
        lives = timedelta(hours=settings.upload_session_hours)
        begun = NewSession(video_id, key, upload_id, whole, file.sha256, lives)
        expires_at = uploads.begin(session.connection, begun)
    except ClipPlatformError:
        part_store.abort(key, upload_id)
        raise
    session.audit("upload.begun", f"video:{video_id}", size_bytes=file.size_bytes)
    return Begun(video_id, whole, expires_at)


def pull(session: TenantSession, name: str, content_type: str, source_url: str, preferences: Mapping[str, Any]) -> str:
    """A video whose bytes are fetched when it is processed; its id. A name in the URL is resolved only then.

    Raises:
        UnsafeAddress, UnsupportedMedia, InvalidPreference, QuotaExceeded.
    """
    services = session.services
    expect_source_url(source_url, outbound(Allowed.parse(services.settings.outbound_allow)))
    usage.check_quota(session.connection, _quotas(services.settings), new_bytes=0)
    video_id = new_ulid()
    sealed = services.columns.seal(session.tenant_id, SOURCE_URL_COLUMN, video_id, source_url)
    video = _new_video(session, video_id, name, content_type, preferences, VideoState.SUBMITTED, sealed)
    uploads.add_video(session.connection, video)
    session.audit("video.pulled", f"video:{video_id}")
    return video_id


def sign_parts(session: TenantSession, video_id: str, parts: Sequence[Part]) -> list[SignedPart]:
    """Addresses that work for the signed minutes of the settings, and never longer than the session.

    Raises:
        NotFound, Conflict, UploadExpired, InvalidInput.
    """
    upload = uploads.find_open(session.connection, video_id)
    check_announced([(part.number, part.size_bytes, part.md5) for part in parts], upload.whole)
    announced = [AnnouncedPart(part.number, part.size_bytes, part.md5) for part in parts]
    uploads.announce(session.connection, video_id, announced)
    left_s = (upload.expires_at - datetime.now(UTC)).total_seconds()
    lives_s = max(1, int(min(session.services.settings.signed_url_minutes * 60, left_s)))
    return session.services.part_store.sign_parts(upload.object_key, upload.store_upload_id, parts, lives_s)


def arrived_parts(session: TenantSession, video_id: str, after: int, limit: int) -> list[StoredPart]:
    """What the store has, by number; where it keeps no MD5, the one that was announced. Raises as `sign_parts`."""
    upload = uploads.find_open(session.connection, video_id)
    stored = session.services.part_store.list_parts(upload.object_key, upload.store_upload_id)
    announced = {part.number: part.md5 for part in uploads.announced(session.connection, video_id)}
    following = [part for part in stored if part.number > after][:limit]
    return [StoredPart(part.number, part.size_bytes, part.md5 or announced.get(part.number)) for part in following]


def complete_upload(session: TenantSession, video_id: str) -> VideoState:
    """Joins the parts and hands the object to verification; the video's state. Once it is over, the same again.

    Raises:
        NotFound, UploadExpired.
        Conflict: names the parts that have not arrived.
        ChecksumMismatch: a part that arrived is not what was announced.
    """
    upload = uploads.find(session.connection, video_id)
    uploads.expect_not_expired(upload)
    if upload.state is not VideoState.UPLOADING:
        return upload.state
    _join(session, upload)
    if uploads.complete(session.connection, video_id):
        session.audit("upload.completed", f"video:{video_id}")
        return VideoState.VERIFYING
    return _completed_by_another(session, video_id)


def _join(session: TenantSession, upload: Session) -> None:
    part_store = session.services.part_store
    announced = uploads.announced(session.connection, upload.video_id)
    try:
        arrived = {part.number for part in part_store.list_parts(upload.object_key, upload.store_upload_id)}
        _expect_all(upload, arrived & {part.number for part in announced})
        parts = [Part(part.number, part.size_bytes, part.md5) for part in announced]
        part_store.complete(upload.object_key, upload.store_upload_id, parts)
    except (Conflict, UploadExpired):
        # The store holds no parts of an upload that another request has joined a moment ago.
        if not session.services.object_store.exists(upload.object_key):
            raise


def _expect_all(upload: Session, there: set[int]) -> None:
    missing = set(upload.whole.numbers) - there
    if missing:
        raise Conflict(
            f"part {named(missing)} of {upload.whole.part_count} has not arrived; send what is missing, then complete "
            "again"
        )


def _completed_by_another(session: TenantSession, video_id: str) -> VideoState:
    """It was completed, or given up, between our reading and our writing."""
    upload = uploads.find(session.connection, video_id)
    if upload.state is VideoState.EXPIRED:
        session.services.object_store.delete(upload.object_key)  # joined after its end
    uploads.expect_not_expired(upload)
    return upload.state


def give_up_upload(session: TenantSession, video_id: str) -> None:
    """Ends the session; a worker removes the parts. Twice is once.

    Raises:
        NotFound.
        Conflict: it has been completed.
    """
    upload = uploads.find(session.connection, video_id)
    given_up = uploads.give_up(session.connection, video_id)
    if given_up:
        session.audit("upload.given_up", f"video:{video_id}")
    elif uploads.find(session.connection, video_id).state is not VideoState.EXPIRED:
        raise Conflict(f"the upload of video {video_id} is over, it is {upload.state.value}; delete the video instead")


def _new_video(
    session: TenantSession,
    video_id: str,
    name: str,
    content_type: str,
    preferences: Mapping[str, Any],
    state: VideoState,
    source_url: bytes | None = None,
) -> NewVideo:
    wanted = {**uploads.default_preferences(session.connection), **preferences}
    return NewVideo(
        video_id=video_id,
        name=name,
        content_type=checked_content_type(content_type),
        preferences=Preferences.from_mapping(wanted).as_mapping(),
        created_by=session.actor,
        state=state,
        source_url=source_url,
    )


def _quotas(settings: Settings) -> Quotas:
    return Quotas(
        stored_bytes=settings.quota_stored_bytes,
        minutes_a_month=settings.quota_minutes_a_month,
        concurrent_videos=settings.quota_concurrent_videos,
    )
