"""A worker on the real database, a real receiver on loopback, endpoints and events as rows."""

from __future__ import annotations

import asyncio
import base64
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from clip_platform.database import events, outbox, roles
from clip_platform.database.connection import Database
from clip_platform.encryption.columns import ColumnCipher
from clip_platform.encryption.opening import ensure_master
from clip_platform.identifiers import new_ulid
from clip_platform.network.addresses import Allowed
from clip_platform.network.http import outbound
from clip_platform.settings import Settings
from clip_platform.worker.app import open_worker, serve
from clip_platform.worker.delivery import Postman
from clip_platform.worker.tasks import WorkerServices
from tests.conftest import MigratedServer


@pytest.fixture
def worker_settings(migrated_server: MigratedServer, tmp_path: Path) -> Settings:
    """Of a worker on the session's server that may send to loopback."""
    server = migrated_server.server
    (tmp_path / "home").mkdir()
    ensure_master(Settings(home=tmp_path / "home", database_host=None))
    return Settings(
        home=tmp_path / "home",
        database_host=server.host,
        database_port=server.port,
        database_name=roles.APPLICATION_DATABASE,
        database_worker_password=SecretStr(server.password(roles.WORKER)),
        outbound_allow="127.0.0.1",
    )


@pytest.fixture
def services(
    worker_settings: Settings,
    database: Database,  # noqa: ARG001  it brings the tenants
    migrated_server: MigratedServer,
) -> Iterator[WorkerServices]:
    """Of a worker with nothing to do."""
    with migrated_server.superuser() as connection:
        connection.execute("delete from jobs.procrastinate_jobs; delete from jobs.procrastinate_workers")
    with open_worker(worker_settings) as opened:
        yield opened


@dataclass
class Clock:
    """Stands still until it is moved."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now

    def move(self, by: timedelta) -> None:
        self.now += by


@dataclass
class Office:
    """Endpoints and events of a tenant, and a postman whose clock the test moves."""

    services: WorkerServices
    api_door: Database
    server: MigratedServer
    clock: Clock

    @property
    def columns(self) -> ColumnCipher:
        return self.services.postman.columns

    @property
    def postman(self) -> Postman:
        client = outbound(Allowed.parse("127.0.0.1"))
        return Postman(self.services.database, self.columns, client, self.clock)

    def endpoint(self, url: str, types: tuple[str, ...] = ("*",), tenant_id: str = "acme") -> tuple[str, str]:
        """An endpoint's id and secret."""
        endpoint_id = f"whe_{new_ulid()}"
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        sealed = self.columns.seal(tenant_id, outbox.SECRET_COLUMN, endpoint_id, secret)
        with self.server.superuser() as connection:
            connection.execute(
                "insert into webhook_endpoints (endpoint_id, tenant_id, url, event_types, secret)"
                " values (%s, %s, %s, %s, %s)",
                [endpoint_id, tenant_id, url, list(types), sealed],
            )
        return endpoint_id, secret

    def event(
        self, video_id: str | None = None, tenant_id: str = "acme", type_: str = "video.completed", **more: Any
    ) -> str:
        with self.api_door.tenant_transaction(tenant_id) as connection:
            return events.record(connection, tenant_id, type_, video_id, {"video_id": video_id, **more})

    def dispatch(self, tenant_id: str = "acme") -> int:
        with self.services.database.tenant_transaction(tenant_id) as connection:
            return outbox.dispatch(connection, self.clock(), 1000)

    def queued(self) -> list[dict[str, str]]:
        """Arguments of the jobs that wait or run, oldest first."""
        with self.server.superuser() as connection:
            found = connection.execute(
                "select args from jobs.procrastinate_jobs where status in ('todo', 'doing') order by id"
            )
            return [args for (args,) in found]

    def work_off(self) -> None:
        """What a worker does with the waiting jobs, until none waits."""
        with self.server.superuser() as connection:
            while taken := connection.execute(
                "update jobs.procrastinate_jobs set status = 'doing' where id ="
                " (select min(id) from jobs.procrastinate_jobs where status = 'todo') returning id, args"
            ).fetchone():
                self.postman.deliver(**taken[1], job_id=taken[0])
                connection.execute("delete from jobs.procrastinate_jobs where id = %s", [taken[0]])

    def rounds(self) -> None:
        """What relay and worker do now."""
        for tenant_id in ("acme", "globex"):
            self.dispatch(tenant_id)
        with self.services.database.across_tenants() as connection:
            due = outbox.endpoints_to_serve(connection, self.clock(), 100)
        for tenant_id, endpoint_id in due:
            with self.services.database.tenant_transaction(tenant_id) as connection:
                outbox.queue_due(connection, endpoint_id, self.clock())
        self.work_off()

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.server.superuser() as connection:
            return connection.execute(statement, values).fetchall()

    def states(self) -> list[str]:
        return [state for (state,) in self.rows("select state from webhook_deliveries order by sequence, delivery_id")]


@pytest.fixture
def office(services: WorkerServices, api_door: Database, migrated_server: MigratedServer) -> Office:
    return Office(services, api_door, migrated_server, Clock())


@pytest.fixture
def video(migrated_server: MigratedServer, services: WorkerServices) -> Callable[[], str]:  # noqa: ARG001
    """Ids of videos: events name them, and need no row."""
    return new_ulid


@contextmanager
def working(services: WorkerServices) -> Iterator[None]:
    """A whole worker in a thread of this process."""
    stop: list[Callable[[], None]] = []
    ready = threading.Event()

    async def run() -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        stop.append(lambda: loop.call_soon_threadsafe(stopping.set))
        ready.set()
        await serve(services, stopping)

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    ready.wait()
    try:
        yield
    finally:
        stop[0]()
        thread.join(timeout=15)
        assert not thread.is_alive()


def wait_until(condition: Callable[[], bool], within_s: float = 15.0) -> None:
    until = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < until, f"not within {within_s} s"
        time.sleep(0.05)
