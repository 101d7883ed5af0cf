"""Server-sent events as the client reads them."""

from __future__ import annotations

import socket
from typing import Any

from clip_platform.client import Client
from clip_platform.client.calls import Pauses
from clip_platform.client.watching import News, events_in
from tests.client.conftest import served


def test_an_event_may_span_lines_and_what_is_no_event_is_passed_over() -> None:
    stream = ': beat\nretry: 3000\n\nevent: state\nid: a-1\ndata: {\ndata: "percent": 5}\n\nevent: half\ndata: 1'

    found = list(events_in(stream.split("\n")))

    assert found == [News("state", {"percent": 5}, "a-1")]


def test_a_broken_stream_is_joined_again_where_it_broke() -> None:
    seen: list[str | None] = []

    async def breaking(scope: Any, _receive: Any, send: Any) -> None:
        """Says one event and breaks off; says the end to whoever comes back."""
        if scope["type"] != "http":
            return
        last_id = dict(scope["headers"]).get(b"last-event-id")
        seen.append(last_id.decode() if last_id else None)
        event = b"event: end\ndata: {}\n\n" if last_id else b"event: progress\nid: p-7\ndata: {}\n\n"
        length = [] if last_id else [(b"content-length", b"10000")]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        await send({"type": "http.response.body", "body": event, "more_body": False})

    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with served(breaking, listener), Client(url, "clp_token", pauses=Pauses(first_s=0.001)) as client:
        news = list(client.watch("01J"))

    assert [one.kind for one in news] == ["progress", "end"]
    assert seen == [None, "p-7"]
