"""The attempts that were made at a video, for its lineage."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class AttemptRow:
    attempt: int
    began_at: datetime


_OF_VIDEO = text("select attempt, began_at from attempts where video_id = :video_id order by attempt")


def of_video(connection: Connection, video_id: str) -> list[AttemptRow]:
    """Oldest first."""
    return [AttemptRow(**row._mapping) for row in connection.execute(_OF_VIDEO, {"video_id": video_id})]
