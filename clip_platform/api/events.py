"""The stream of one video's events (`text/event-stream`): what is sent of its standings, and when it is over.

Every event says all of its part, so that what was missed needs no replay. An event's id names what has been said by
then; a client that comes back with it (`Last-Event-ID`), to whichever process, is told what differs and nothing else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from fastapi.sse import ServerSentEvent

from clip_platform.api.news import Watch
from clip_platform.database.standing import Standing

RECONNECT_MS = 3000
_DIGEST_CHARACTERS = 12


async def stream(watch: Watch, last_event_id: str | None) -> AsyncIterator[ServerSentEvent]:
    """Until the video is over, gone, or the client may not see it any more; `end` says why."""
    said = last_event_id or ""
    yield ServerSentEvent(comment="one video's events", retry=RECONNECT_MS)
    while True:
        standing = await watch.next()
        if standing is None:
            yield ServerSentEvent(event="end", data={"video_id": watch.video_id, "reason": watch.ended})
            return
        for event in _news(standing, said):
            yield event
        said = _id(standing)
        if standing.is_over:
            yield ServerSentEvent(event="end", id=said, data={"video_id": watch.video_id, "reason": standing.state})
            return


def state_of(standing: Standing) -> dict[str, Any]:
    """What a `state` event says."""
    error = {"class": standing.error_class, "message": standing.error_message} if standing.error_class else None
    return {
        "video_id": standing.video_id,
        "state": standing.state.value,
        "attempt": standing.attempt,
        "percent": standing.percent,
        "rerendering": standing.rerendering,
        "error": error,
    }


def progress_of(standing: Standing) -> dict[str, Any]:
    """What a `progress` event says."""
    assets = [
        {"stage": one.stage, "asset": one.asset, "percent": round(one.share * 100, 1), "message": one.message}
        for one in standing.reports
    ]
    return {
        "video_id": standing.video_id,
        "attempt": standing.attempt,
        "stage": standing.stage,
        "percent": standing.percent,
        "assets": assets,
    }


def _news(standing: Standing, said: str) -> Iterator[ServerSentEvent]:
    """The id rises to the whole with the last event only: whoever loses the connection in between is told both."""
    state_said, _, progress_said = said.partition("-")
    state, progress = _digests(standing)
    if state != state_said:
        yield ServerSentEvent(event="state", id=f"{state}-{progress_said}", data=state_of(standing))
    if progress != progress_said:
        yield ServerSentEvent(event="progress", id=f"{state}-{progress}", data=progress_of(standing))


def _id(standing: Standing) -> str:
    return "-".join(_digests(standing))


def _digests(standing: Standing) -> tuple[str, str]:
    state = {name: value for name, value in state_of(standing).items() if name != "percent"}
    return _digest(state), _digest(progress_of(standing))


def _digest(document: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:_DIGEST_CHARACTERS]
