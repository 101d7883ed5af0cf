"""Uploads that were begun and never completed: their parts go, and so does what a late completion may have joined."""

from __future__ import annotations

from clip_platform.database import uploads
from clip_platform.database.connection import Database
from clip_platform.errors import NotFound
from clip_platform.storage.objects import ObjectStore
from clip_platform.storage.parts.protocol import PartStore
from clip_platform.upload.states import VideoState


def expire(database: Database, object_store: ObjectStore, part_store: PartStore, tenant_id: str, video_id: str) -> bool:
    """Ends a session that is over or given up, or whose video is being deleted; False when there was none to end.

    The video is `expired` before its parts go, so that no completion succeeds in between, and the session is closed
    after, so that a killed worker's work is done again. Doing it twice is doing it once.

    Raises:
        StorageUnavailable: to be tried again.
    """
    with database.tenant_transaction(tenant_id) as connection:
        try:
            session = uploads.find_any(connection, video_id)
        except NotFound:
            return False
        over = session.expired or session.state is VideoState.DELETING
        if session.closed or not over:
            return False
        uploads.expire(connection, video_id)
        if uploads.find_any(connection, video_id).state not in (VideoState.EXPIRED, VideoState.DELETING):
            return False  # completed meanwhile
    part_store.abort(session.object_key, session.store_upload_id)
    object_store.delete(session.object_key)
    with database.tenant_transaction(tenant_id) as connection:
        uploads.close(connection, video_id)
    return True
