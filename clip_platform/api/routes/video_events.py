"""`/v1/videos/{video_id}/events`: live progress."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header
from fastapi.sse import EventSourceResponse, ServerSentEvent

from clip_platform.api import events
from clip_platform.api.access import Caller, caller
from clip_platform.api.principals import Role
from clip_platform.database import videos

router = APIRouter(prefix="/v1/videos/{video_id}/events", tags=["videos"])

LastEventId = Annotated[
    str | None,
    Header(max_length=64, description="Id of the last event that was seen: what was not said by then comes."),
]


def _watcher(found: Annotated[Caller, caller(Role.VIEWER, "videos")], video_id: str) -> Caller:
    found.services.news.expect_room(found.tenant_id)
    with found.services.database.tenant_transaction(found.tenant_id) as connection:
        videos.find(connection, video_id)
    return found


@router.get(
    "",
    response_class=EventSourceResponse,
    summary="Live progress, as server-sent events",
    description="`state` and `progress` events, each saying all of its part, at once and whenever it changes; a "
    "comment every 15 s; `end` with a `reason` when the video is completed, dead-lettered, rejected, expired or gone, "
    "or when the token is not valid any more. A client that is slow is told the newest only.",
)
async def watch_video(
    watcher: Annotated[Caller, Depends(_watcher)], video_id: str, last_event_id: LastEventId = None
) -> AsyncIterator[ServerSentEvent]:
    grant = hashlib.sha256(f"{watcher.tenant_id} {watcher.authorization}".encode()).hexdigest()
    news = watcher.services.news
    with news.watching(watcher.tenant_id, video_id, grant, watcher.is_still_allowed) as watch:
        async for event in events.stream(watch, last_event_id):
            yield event
