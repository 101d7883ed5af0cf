"""The API on the real database, under its own role, with stores and keys in a temporary folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.testclient import TestClient

from clip_platform.api.app import build_app
from clip_platform.api.opening import open_services
from clip_platform.api.services import Services
from clip_platform.database import roles
from clip_platform.database import tokens as api_tokens
from clip_platform.database.connection import Database
from clip_platform.encryption.opening import ensure_master
from clip_platform.settings import Settings
from tests.conftest import MigratedServer

TokenMaker = Callable[..., str]


@pytest.fixture
def api_settings(migrated_server: MigratedServer, tmp_path: Path) -> Settings:
    """Of an API on the session's server; tests change single ones with `model_copy(update=...)`."""
    server = migrated_server.server
    return Settings(
        home=tmp_path / "home",
        database_host=server.host,
        database_port=server.port,
        database_name=roles.APPLICATION_DATABASE,
        database_api_password=SecretStr(server.password(roles.API)),
        api_url="http://testserver",
        rate_limit_per_token="100000/minute",
        rate_limit_per_tenant="100000/minute",
    )


@pytest.fixture
def services(api_settings: Settings, database: Database) -> Iterator[Services]:  # noqa: ARG001
    """What routes use; tenants `acme` and `globex` are there."""
    ensure_master(Settings(home=api_settings.home, database_host=None))
    with open_services(api_settings) as opened:
        yield opened


@pytest.fixture
def app(services: Services) -> FastAPI:
    return build_app(services)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    """Without a token. Errors of the app are answers, as they are for clients."""
    with TestClient(app, raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture
def tokens(api_door: Database, database: Database) -> TokenMaker:  # noqa: ARG001
    """Makes a token: `tokens("acme", "viewer", scopes=["videos"])`."""

    def make(tenant_id: str, role: str = "owner", scopes: Sequence[str] = ("*",)) -> str:
        with api_door.tenant_transaction(tenant_id) as connection:
            _, secret = api_tokens.create(
                connection,
                name=f"{role} of {tenant_id}",
                kind="service",
                role=role,
                scopes=scopes,
                created_by="member:test",
                expires_at=datetime.now(UTC) + timedelta(days=1),
            )
        return secret

    return make


@pytest.fixture
def as_(app: FastAPI, client: TestClient, tokens: TokenMaker) -> Iterator[Callable[..., TestClient]]:
    """A client with a token: `as_("acme", "viewer")`. Shares the app, and its event loop, with `client`."""
    del client  # it runs the app's lifespan
    with ExitStack() as stack:

        def authorised(tenant_id: str, role: str = "owner", scopes: Sequence[str] = ("*",)) -> TestClient:
            opened = TestClient(app, raise_server_exceptions=False)
            stack.callback(opened.close)
            opened.headers["Authorization"] = f"Bearer {tokens(tenant_id, role, scopes)}"
            return opened

        yield authorised
