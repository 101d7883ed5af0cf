"""The API on a loopback socket, on the real database and the local store, with somebody who verifies."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from sqlalchemy import text

from clip_platform.api.app import build_app
from clip_platform.api.opening import open_services
from clip_platform.api.services import Services
from clip_platform.client import Client
from clip_platform.client.calls import Pauses
from clip_platform.database.connection import Database
from clip_platform.encryption.opening import ensure_master
from clip_platform.settings import Settings
from clip_platform.worker.verification import verify
from tests.api.conftest import TokenMaker, api_settings, tokens
from tests.peers.azurite import Azurite
from tests.peers.ceph import Rgw

__all__ = ["api_settings", "tokens"]

Asgi = Callable[..., Awaitable[None]]


@dataclass
class Line:
    """The network between client and API: counts what passes, and does to it what a test asks for.

    Attributes:
        parts: numbers of the parts that were sent, in order.
        before: called with method and path of each request; a status that it returns is the answer.
    """

    app: Any
    parts: list[int] = field(default_factory=list)
    before: Callable[[str, str], int | None] = lambda _method, _path: None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]
        if method == "PUT":
            self.parts.append(int(path.rsplit("/", 1)[1]))
        status = self.before(method, path)
        if status is None:
            await self.app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": status, "headers": [(b"retry-after", b"0")]})
        await send({"type": "http.response.body", "body": b""})


@dataclass(frozen=True)
class Api:
    url: str
    line: Line
    services: Services


@contextmanager
def served(app: Any, listener: socket.socket) -> Iterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def verifying(database: Database, services: Services) -> Iterator[None]:
    """Stands in for the worker's relay: verifies whatever waits for it."""
    stopping = threading.Event()

    def run() -> None:
        while not stopping.wait(0.05):
            with database.across_tenants() as connection:
                waiting = connection.execute(text("select tenant_id, video_id from videos_to_verify(10)")).all()
            for tenant_id, video_id in waiting:
                verify(database, services.object_store, tenant_id, video_id)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def on_peer(kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Settings of an API on one of the real stores."""
    peer: Rgw | Azurite = request.getfixturevalue("azurite" if kind == "azure" else "rgw")
    for name, value in peer.environment.items():
        monkeypatch.setenv(name, value)
    if isinstance(peer, Azurite):
        return {"object_store_url": f"az://{peer.container()}/pre"}
    return {"object_store_url": f"s3://{peer.bucket()}/pre", "s3_kms_key": "alias/clips-{tenant}"}


@pytest.fixture
def api(
    request: pytest.FixtureRequest,
    api_settings: Settings,
    database: Database,  # noqa: ARG001  its tenants
    worker_door: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Api]:
    """On the local store, unless a test asks for `s3` or `azure` with an indirect parameter."""
    kind = getattr(request, "param", "folder")
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    ensure_master(Settings(home=api_settings.home, database_host=None))
    more = {} if kind == "folder" else on_peer(kind, request, monkeypatch)
    with open_services(api_settings.model_copy(update={"api_url": url, **more})) as services:
        line = Line(build_app(services))
        with served(line, listener), verifying(worker_door, services):
            yield Api(url, line, services)


@pytest.fixture
def token(tokens: TokenMaker) -> str:
    return tokens("acme", "editor")


@pytest.fixture
def client(api: Api, token: str, tmp_path: Path) -> Iterator[Client]:
    """Impatient, so that tests are quick."""
    pauses = Pauses(first_s=0.01, sleep=lambda pause_s: time.sleep(min(pause_s, 0.1)))
    with Client(api.url, token, notes_folder=tmp_path / "notes", pauses=pauses) as opened:
        yield opened
