"""Rows to begin with."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from clip_platform.database import videos
from clip_platform.database.connection import Database
from clip_platform.database.videos import VideoRow
from clip_platform.identifiers import StoredObject, new_ulid

RegisterVideo = Callable[..., VideoRow]


@pytest.fixture
def register_video(database: Database) -> RegisterVideo:
    """`register_video("acme", "talk.mp4")` is a submitted video."""

    def register(tenant_id: str = "acme", name: str = "talk.mp4") -> VideoRow:
        source = StoredObject(f"{tenant_id}/uploads/{new_ulid()}", "ab" * 32, 1000)
        return videos.register(
            database, tenant_id, video_id=new_ulid(), name=name, source=source, preferences={"clips": 3}
        )

    return register
