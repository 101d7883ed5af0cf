"""From a file on disk to a row in Postgres and an object in the store; same file and name, same video."""

from __future__ import annotations

import hashlib
from pathlib import Path

from clip_platform.database import tenants, videos
from clip_platform.database.connection import Database
from clip_platform.database.videos import VideoRow
from clip_platform.errors import UnreadableFile
from clip_platform.identifiers import new_ulid
from clip_platform.storage.objects import ObjectStore
from clip_platform.upload.preferences import Preferences
from clip_platform.upload.states import VideoState

LOCAL_TENANT = "local"
"""The tenant of whoever sits at this machine."""

_LONGEST_NAME = 200


def register_file(
    database: Database, store: ObjectStore, file: Path, preferences: Preferences, state: VideoState
) -> VideoRow:
    """The video of this file. One seen before is left as it is: somebody may be working on it right now."""
    tenants.ensure(database, LOCAL_TENANT, "This machine")
    name = printable(file.name)
    sha256 = _sha256(file)
    known = videos.find_by_source(database, LOCAL_TENANT, sha256, name)
    if known is not None:
        if not store.holds(known.source):  # lost or damaged since; here are the same bytes again
            store.put_file(known.source.key, file)
        return known
    video_id = new_ulid()
    source = store.put_file(f"{LOCAL_TENANT}/videos/{video_id}/source/{sha256[:16]}", file)
    video = videos.register_once(
        database,
        LOCAL_TENANT,
        video_id=video_id,
        name=name,
        source=source,
        preferences=preferences.as_mapping(),
        state=state,
    )
    if video.video_id != video_id:  # another command was faster with the same file
        store.delete_prefix(f"{LOCAL_TENANT}/videos/{video_id}")
    return video


def printable(name: str) -> str:
    """A file name as text for rows and pages: no control characters, no undecodable bytes, bounded."""
    decoded = name.encode("utf-8", "replace").decode()
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in decoded)[
        :_LONGEST_NAME
    ]


def _sha256(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise UnreadableFile(f"{file} cannot be read: {error.strerror}; check its name and permissions") from error
