"""The edge of every request, around the routes: its id, its limits of size and time, one log line, common headers.

What limits a connection before there is a request is in `connections`.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clip_platform import tracing
from clip_platform.api.problems import RETRY_AFTER_S, problem_response
from clip_platform.identifiers import is_ulid, new_ulid
from clip_platform.telemetry import bound

ANSWER_DEADLINE_S = 90.0
"""From the end of the body until an answer begins; statements and calls to stores give up before."""
IDLE_BODY_DEADLINE_S = 60.0
SLOWEST_BODY_BYTES_A_S = 50_000
LARGE_BODIES = {"/v1/feedback/import": 64 * 1024**2, "/objects/": None}
"""Limits of paths that take more than `max_request_bytes`; None: whoever serves it knows the exact length."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_UNLESS_SET = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
_log = logging.getLogger("clip_platform.api.access_log")


class RequestEdge:
    """ASGI middleware. Takes a client's `X-Request-Id` when it is a plain one, makes one otherwise."""

    def __init__(self, app: ASGIApp, max_body_bytes: int, answer_deadline_s: float = ANSWER_DEADLINE_S) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._answer_deadline_s = answer_deadline_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else f"req_{new_ulid()}"
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(scope, send, request_id)
        body = _Body(receive, self._limit_of(scope["path"]), headers.get("content-length"))
        with bound(request=request_id):
            try:
                await self._within_deadline(scope, body, answer)
            finally:
                answer.log()
                answer.trace()

    def _limit_of(self, path: str) -> int | None:
        for prefix, limit in LARGE_BODIES.items():
            if path.startswith(prefix):
                return limit
        return self._max_body_bytes

    async def _within_deadline(self, scope: Scope, body: _Body, answer: _Answer) -> None:
        try:
            async with asyncio.timeout(self._answer_deadline_s) as answer.timer:
                body.heard = lambda: answer.allow(self._answer_deadline_s)
                await self._served(scope, body, answer)
        except TimeoutError:
            if answer.timer is None or not answer.timer.expired():
                raise
            if answer.status is not None:
                raise
            answer.timer = None
            said = f"no answer within {self._answer_deadline_s:g} s; try again later"
            await answer.problem(503, "deadline-exceeded", said)

    async def _served(self, scope: Scope, body: _Body, answer: _Answer) -> None:
        if body.announced_too_large:
            await answer.problem(413, "content-too-large", body.too_large_said)
        elif "\0" in scope["path"] or b"%00" in scope["query_string"]:  # no database text holds one
            await answer.problem(400, "invalid-request", "the address has a NUL character; leave it out")
        else:
            try:
                await self._app(scope, body.receive, answer.send)
            except Exception:
                if answer.status is not None:
                    raise
                _log.exception("unexpected error", extra={"path": scope["path"], "method": scope["method"]})
                said = "this is a fault of the platform; report it with the request id"
                await answer.problem(500, "internal-error", said)


@dataclass(slots=True)
class _Body:
    """What a client sends: not more than the limit, and not at a trickle."""

    source: Receive
    limit_bytes: int | None
    content_length: str | None
    size_bytes: int = 0
    complete: bool = False
    until: float | None = None
    heard: Callable[[], None] = lambda: None

    @property
    def announced_too_large(self) -> bool:
        known = self.content_length is not None and self.content_length.isascii() and self.content_length.isdigit()
        return known and self.limit_bytes is not None and int(str(self.content_length)[:19]) > self.limit_bytes

    @property
    def too_large_said(self) -> str:
        return f"the request's body is larger than the {self.limit_bytes} bytes that are read here; send less at once"

    async def receive(self) -> Message:
        if self.complete:
            return await self.source()
        try:
            async with asyncio.timeout_at(self._deadline()):
                message = await self.source()
        except TimeoutError as error:
            raise HTTPException(408, "the request's body came too slowly; send it again") from error
        self.heard()
        self.size_bytes += len(message.get("body", b""))
        self.complete = message["type"] != "http.request" or not message.get("more_body", False)
        if self.limit_bytes is not None and self.size_bytes > self.limit_bytes:
            raise HTTPException(413, self.too_large_said)
        return message

    def _deadline(self) -> float:
        now = asyncio.get_running_loop().time()
        if self.limit_bytes is None:
            return now + IDLE_BODY_DEADLINE_S
        self.until = self.until or now + 10.0 + self.limit_bytes / SLOWEST_BODY_BYTES_A_S
        return self.until


@dataclass(slots=True)
class _Answer:
    """What goes back, and what is logged of it."""

    scope: Scope
    target: Send
    request_id: str
    status: int | None = None
    timer: asyncio.Timeout | None = None
    began: float = field(default_factory=time.perf_counter)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = self._headers(message.get("headers", ()))
            if self.timer is not None:
                self.timer.reschedule(None)  # a stream takes as long as it takes
        await self.target(message)

    def allow(self, more_s: float) -> None:
        """From now: what was waited for so far was the client's body."""
        if self.timer is not None and self.status is None:
            self.timer.reschedule(asyncio.get_running_loop().time() + more_s)

    async def problem(self, status: int, kind: str, said: str) -> None:
        headers = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else {"Connection": "close"}
        response = problem_response(status, kind, said, self.request_id, headers=headers)
        await response(self.scope, self._nothing_more, self.send)

    async def _nothing_more(self) -> Message:
        return {"type": "http.disconnect"}

    def _headers(self, given: object) -> list[tuple[bytes, bytes]]:
        headers: list[tuple[bytes, bytes]] = list(given)  # type: ignore[call-overload]
        names = {name for name, _ in headers}
        headers += [(name, value) for name, value in _UNLESS_SET if name not in names]
        headers += _ALWAYS
        headers.append((b"x-request-id", self.request_id.encode()))
        limits = self.scope["state"].get("rate_limit") or {}
        headers += [(name.lower().encode(), str(value).encode()) for name, value in limits.items()]
        return headers

    def log(self) -> None:
        """The path without its query: signatures of signed addresses are in there."""
        if not _log.isEnabledFor(logging.INFO):
            return
        session = self.scope["state"].get("session")
        fields = {
            "method": self.scope["method"],
            "path": self.scope["path"],
            "status": self.status,
            "duration_ms": round((time.perf_counter() - self.began) * 1000, 1),
        }
        if session is not None and session.known is not None:
            fields |= {"tenant": session.known.tenant_id, "actor": session.known.actor}
        _log.info("request", extra=fields)

    def trace(self) -> None:
        """In the trace of the video that the route names; other requests are in none."""
        named = self.scope.get("path_params", {})
        video = named.get("video_id") or named.get("clip_id", "").partition(".")[0]
        if is_ulid(video):
            name = f"{self.scope['method']} {getattr(self.scope.get('route'), 'path', '')}"
            told: dict[str, str | int] = {"http.response.status_code": self.status or 0, "request": self.request_id}
            tracing.record(name, video, self.began, told)
