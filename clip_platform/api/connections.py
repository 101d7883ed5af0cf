"""The HTTP server: what a connection may do before there is a request, and how the process ends."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
from contextlib import suppress
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from clip_platform.errors import InvalidSetting

HEADER_DEADLINE_S = 20.0
KEEP_ALIVE_S = 30
MAX_HEADER_BYTES = 64 * 1024
MAX_CONNECTIONS = 4096
GRACE_S = 15


class PatientToALimit(H11Protocol):
    """A connection that does not finish its request's headers in time is closed: slow-loris holds nothing for long."""

    header_deadline_s = HEADER_DEADLINE_S
    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_headers()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._wait_for_headers()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """In the form of all other problems; there is no request, hence no id."""
        said = "the request is no HTTP, or its headers are too large; send less"
        problem = {
            "type": "urn:clip-platform:problem:bad-request",
            "title": "Bad request",
            "status": 400,
            "detail": said,
        }
        content = json.dumps({**problem, "request_id": "none"}).encode()
        headers = [("Content-Type", "application/problem+json"), ("Connection", "close")]
        response = h11.Response(status_code=400, headers=[*headers, ("Content-Length", str(len(content)))], reason=msg)
        for event in (response, h11.Data(data=content), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _wait_for_headers(self) -> None:
        """One deadline for all of them: a byte now and then does not move it."""
        if self._waiting is None:
            self._waiting = self.loop.call_later(self.header_deadline_s, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None


def server_config(app: ASGIApp, host: str, port: int, **changes: Any) -> uvicorn.Config:
    """Logs go to the process's own handlers; proxies' headers are not believed."""
    settings: dict[str, Any] = {
        "host": host,
        "port": port,
        "http": PatientToALimit,
        "ws": "none",
        "log_config": None,
        "log_level": "warning",
        "access_log": False,  # `requests` writes one
        "server_header": False,
        "proxy_headers": False,
        "h11_max_incomplete_event_size": MAX_HEADER_BYTES,
        "timeout_keep_alive": KEEP_ALIVE_S,
        "timeout_graceful_shutdown": GRACE_S,
        "limit_concurrency": MAX_CONNECTIONS,
    }
    return uvicorn.Config(app, **{**settings, **changes})


def serve(app: ASGIApp, host: str, port: int) -> None:
    """Until SIGINT or SIGTERM; requests under way are finished, for a while.

    Raises:
        InvalidSetting: the address cannot be used.
    """
    gc.freeze()  # what is there by now stays; without it every full collection walks through all of it again
    with listening(host, port) as listener, suppress(KeyboardInterrupt):  # uvicorn passes its signal on at its end
        uvicorn.Server(server_config(app, host, port)).run([listener])


def listening(host: str, port: int) -> socket.socket:
    """
    Raises:
        InvalidSetting: the address is taken, or none of this machine's.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise InvalidSetting(
            f"the API cannot listen on {host}:{port}: {error.strerror}; set CLIP_PLATFORM_API_HOST and _PORT"
        ) from error
