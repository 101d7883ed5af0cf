"""Shared by all suites: one real Postgres for the session, migrated, emptied before each test that asks for it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from clip_platform.database import roles, tenants
from clip_platform.database.connection import Database
from clip_platform.database.schema import migrate
from clip_platform.embedded.postgres import SUPERUSER, EmbeddedPostgres, Server

pytest_plugins = ("tests.peers.ceph", "tests.peers.azurite", "tests.peers.redis", "tests.peers.mlflow")


def pytest_configure() -> None:
    """A shell that starts the suite in the background has it ignore interrupts, and every program it starts with it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With several processes a file stays in one of them, and all that needs Ceph or MLflow in the same: two were too
    much."""
    for item in items:
        text = item.path.read_text(encoding="utf-8")
        group = "ceph" if "rgw" in text or "on_peer" in text else "mlflow" if "mlflow_peer" in text else None
        item.add_marker(pytest.mark.xdist_group(group or item.path.as_posix()))


@dataclass(frozen=True)
class MigratedServer:
    """The session's server; addresses are the application database's."""

    server: Server

    def url(self, role: str = roles.PIPELINE, driver: str = "postgresql+psycopg") -> str:
        return self.server.url(role, roles.APPLICATION_DATABASE, driver)

    def superuser(self) -> psycopg.Connection:
        """Sees everything, also what row-level security hides."""
        return psycopg.connect(self.url(SUPERUSER, "postgresql"), autocommit=True)


@pytest.fixture(scope="session")
def embedded_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server in a home of its own."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("home")).running() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_server(embedded_postgres: Server) -> MigratedServer:
    """The same server with this code's tables."""
    migrated = MigratedServer(embedded_postgres)
    migrate(migrated.url(roles.OWNER))
    return migrated


_EMPTIED = (
    *("webhook_endpoints", "events", "destinations", "members", "api_tokens", "idempotency_keys", "usage_entries"),
    *("audit_events", "audit_exports", "erasure_requests", "erasure_receipts", "rescorings"),
    *("videos", "tenants"),  # all other tables go with these
)


@pytest.fixture
def empty_database(migrated_server: MigratedServer, tmp_path_factory: pytest.TempPathFactory) -> MigratedServer:
    """No rows in any table."""
    with migrated_server.superuser() as connection:
        _refuse_any_other_server(connection, tmp_path_factory.getbasetemp())
        for table in _EMPTIED:  # much faster than truncating small tables
            connection.execute(f"delete from {table}")
    return migrated_server


def _refuse_any_other_server(connection: psycopg.Connection, temporary: Path) -> None:
    row = connection.execute("show data_directory").fetchone()
    assert row is not None
    assert Path(row[0]).is_relative_to(temporary.resolve()), f"{row[0]} is not a test's server; it is not emptied"


@pytest.fixture(scope="session")
def pipeline_door(migrated_server: MigratedServer) -> Iterator[Database]:
    opened = Database(migrated_server.url())
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def sensors_door(migrated_server: MigratedServer) -> Iterator[Database]:
    opened = Database(migrated_server.url(roles.SENSORS))
    yield opened
    opened.close()


@pytest.fixture
def database(pipeline_door: Database, empty_database: MigratedServer) -> Database:  # noqa: ARG001
    """The pipeline's door, with tenants `acme` and `globex` and nothing else."""
    for tenant_id in ("acme", "globex"):
        tenants.ensure(pipeline_door, tenant_id, tenant_id.title())
    return pipeline_door


@pytest.fixture(scope="session")
def api_door(migrated_server: MigratedServer) -> Iterator[Database]:
    opened = Database(migrated_server.url(roles.API))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def worker_door(migrated_server: MigratedServer) -> Iterator[Database]:
    opened = Database(migrated_server.url(roles.WORKER))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def learner_door(migrated_server: MigratedServer) -> Iterator[Database]:
    opened = Database(migrated_server.url(roles.LEARNER))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def rescorer_door(migrated_server: MigratedServer) -> Iterator[Database]:
    opened = Database(migrated_server.url(roles.RESCORER))
    yield opened
    opened.close()


@pytest.fixture
def sensors_database(sensors_door: Database, empty_database: MigratedServer) -> Database:  # noqa: ARG001
    """The sensors' door."""
    return sensors_door
