"""The edge of every request, before and around the routes: its id, what is logged of it, headers of every answer."""

from __future__ import annotations

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clip_platform.identifiers import new_ulid
from clip_platform.telemetry import bound

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


class RequestEdge:
    """ASGI middleware. Takes a client's `X-Request-Id` when it is a plain one, makes one otherwise."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else f"req_{new_ulid()}"
        state = scope.setdefault("state", {})
        state["request_id"] = request_id

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                for name, value in state.get("rate_limit", {}).items():
                    headers[name] = value
            await send(message)

        with bound(request=request_id):
            await self._app(scope, receive, answer)
