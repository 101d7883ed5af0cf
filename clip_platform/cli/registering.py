"""From a file on disk to a row in Postgres and an object in the store; same file and name, same video."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from clip_platform.database import tenants, videos
from clip_platform.database.connection import Database
from clip_platform.database.videos import VideoRow
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
    """The video of this file, with these preferences; a file seen before keeps its video and its finished results."""
    wanted: Mapping[str, object] = asdict(preferences)
    tenants.ensure(database, LOCAL_TENANT, "This machine")
    name = printable(file.name)
    with file.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    known = videos.find_by_source(database, LOCAL_TENANT, sha256, name)
    if known is not None:
        return videos.set_preferences(database, LOCAL_TENANT, known.video_id, wanted)
    video_id = new_ulid()
    source = store.put_file(f"{LOCAL_TENANT}/videos/{video_id}/source/{sha256[:16]}", file)
    return videos.register(
        database, LOCAL_TENANT, video_id=video_id, name=name, source=source, preferences=wanted, state=state
    )


def printable(name: str) -> str:
    """A file name as text for rows and pages: no control characters, no undecodable bytes, bounded."""
    decoded = name.encode("utf-8", "replace").decode()
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in decoded)[
        :_LONGEST_NAME
    ]
