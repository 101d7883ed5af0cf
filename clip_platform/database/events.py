"""The outbox: what happened, written in the transaction of the change it tells of. Who is told is not known here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, text

from clip_platform.identifiers import new_ulid

if TYPE_CHECKING:
    from clip_platform.database.videos import VideoRow


class EventType(StrEnum):
    STAGE_CHANGED = "video.stage_changed"
    COMPLETED = "video.completed"
    FAILED = "video.failed"
    """It is not tried again by itself: dead-lettered, or completed still, where only edits could not be rendered."""
    RENDERED = "clip.rendered"
    """A clip's video is there, or is another one than before."""
    RESCORED = "clip.rescored"
    """The tenant is shown other scores: one event for all of its clips, how many there are and how many changed."""
    EXPIRING = "video.expiring"
    ENDPOINT_DISABLED = "webhook.endpoint_disabled"


@dataclass(frozen=True, slots=True)
class EventRow:
    """`payload` is what a receiver gets as `data`."""

    event_id: str
    tenant_id: str
    video_id: str | None
    type: str
    payload: Mapping[str, Any]
    created_at: datetime


_RECORD = text("""
    insert into events (event_id, tenant_id, video_id, type, payload)
    values (:event_id, :tenant_id, :video_id, :type, cast(:payload as jsonb))""")
_OF_VIDEO = text("""
    select event_id, tenant_id, video_id, type, payload, created_at from events
    where video_id = :video_id order by created_at, event_id""")


def record(connection: Connection, tenant_id: str, type_: str, video_id: str | None, payload: Mapping[str, Any]) -> str:
    """Adds an event of the entered tenant; its id. It is sent when, and only when, the transaction commits.

    `type_` is an `EventType`.
    """
    event_id = f"evt_{new_ulid()}"
    values = {"event_id": event_id, "tenant_id": tenant_id, "video_id": video_id, "type": EventType(type_).value}
    connection.execute(_RECORD, {**values, "payload": json.dumps(dict(payload))})
    return event_id


def about(video: VideoRow, state: str, **more: Any) -> dict[str, Any]:
    """The payload of an event about a video: what every one of them says, and `more`."""
    return {"video_id": video.video_id, "state": state, "attempt": video.attempt, **more}


def of_video(connection: Connection, video_id: str) -> list[EventRow]:
    """Oldest first."""
    return [EventRow(**row._mapping) for row in connection.execute(_OF_VIDEO, {"video_id": video_id})]
