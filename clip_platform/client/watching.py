"""Live progress of a video: server-sent events, joined again where they broke off."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from clip_platform.client.calls import ATTEMPTS, Calls, read_answer, unreachable

END = "end"


@dataclass(frozen=True, slots=True)
class News:
    """`kind` is the event's name: `state`, `progress` or `end`."""

    kind: str
    data: Any
    event_id: str | None = None


def watch(calls: Calls, video_id: str) -> Iterator[News]:
    """Until the video is done. What was told before a broken connection is not told again.

    Raises:
        NotFound, Unauthenticated; StorageUnavailable after many tries in a row without any news.
    """
    last_id: str | None = None
    failures = 0
    while True:
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last_id} if last_id else {})}
        retry_after: str | None = None
        try:
            with calls.stream(f"/v1/videos/{video_id}/events", headers) as response:
                retry_after = response.headers.get("retry-after")
                if not response.is_success and (response.status_code < 500 or failures + 1 >= ATTEMPTS):
                    response.read()
                    read_answer(response)
                for news in events_in(response.iter_lines()) if response.is_success else ():
                    failures, last_id = 0, news.event_id or last_id
                    yield news
                    if news.kind == END:
                        return
        except httpx.TransportError as error:
            if failures + 1 >= ATTEMPTS:
                raise unreachable(calls.api_url, error) from error
        failures += 1
        calls.pauses.before_retry(min(failures, ATTEMPTS), retry_after)


def events_in(lines: Iterable[str]) -> Iterator[News]:
    """From the lines of an event stream (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""
    fields: dict[str, list[str]] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields.setdefault(name, []).append(value.removeprefix(" "))
            continue
        if "data" in fields:
            kind, event_id = fields.get("event", ["message"])[-1], fields.get("id", [None])[-1]
            yield News(kind, json.loads("\n".join(fields["data"])), event_id)
        fields = {}
