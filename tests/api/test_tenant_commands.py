"""`tenant`, `operator-token` and `audit verify`, on a configured server and on a machine's own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from starlette.testclient import TestClient

from clip_platform.cli.commands import cli
from clip_platform.database import audit, roles
from clip_platform.database.connection import Database
from tests.conftest import MigratedServer

Command = Callable[..., Result]


@pytest.fixture
def command(migrated_server: MigratedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command against the session's server."""
    server = migrated_server.server
    for name, value in {
        "HOME": str(tmp_path / "home"),
        "DATABASE_HOST": server.host,
        "DATABASE_PORT": str(server.port),
        "DATABASE_NAME": roles.APPLICATION_DATABASE,
        "DATABASE_API_PASSWORD": server.password(roles.API),
    }.items():
        monkeypatch.setenv(f"CLIP_PLATFORM_{name}", value)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: CliRunner().invoke(cli, list(arguments))


def secret_in(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()[-1]


def status(client: TestClient, secret: str, path: str) -> int:
    return client.get(path, headers={"Authorization": f"Bearer {secret}"}).status_code


def test_a_new_tenants_first_token_is_an_owners(command: Command, client: TestClient):
    secret = secret_in(command("tenant", "create", "initech", "--name", "Initech"))

    assert status(client, secret, "/v1/members") == 200
    event = client.get("/v1/audit-events", headers={"Authorization": f"Bearer {secret}"}).json()["items"][0]
    assert (event["actor"], event["action"]) == ("cli", "token.created")
    listed = command("tenant", "list").stdout
    assert "initech" in listed
    assert "clp_" not in listed


def test_a_lost_token_is_replaced_by_another_of_the_same_tenant(command: Command, client: TestClient):
    first = secret_in(command("tenant", "create", "initech"))
    second = secret_in(command("tenant", "token", "initech", "--name", "found again"))

    assert first != second
    assert [status(client, secret, "/v1/members") for secret in (first, second)] == [200, 200]
    names = client.get("/v1/tokens", headers={"Authorization": f"Bearer {second}"}).json()["items"]
    assert {one["name"] for one in names} == {"first token", "found again"}


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("tenant_id", ["nobody", "operators", "a/b", ""])
def test_there_is_no_token_of_a_tenant_that_is_not_there(command: Command, tenant_id: str):
    result = command("tenant", "token", tenant_id)
    assert result.exit_code == 2
    assert f"there is no tenant {tenant_id!r}" in result.stderr


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("tenant_id", ["acme", "operators", "a/b", "-x", ""])
def test_an_id_that_is_taken_or_cannot_be_one_is_refused_and_no_token_made(
    command: Command, empty_database: MigratedServer, tenant_id: str
):
    result = command("tenant", "create", "--", tenant_id)

    assert result.exit_code == 2
    assert "clp_" not in result.output
    with empty_database.superuser() as connection:
        assert connection.execute("select count(*) from api_tokens").fetchone() == (0,)


def test_an_operators_token_operates(command: Command, client: TestClient):
    first, second = (secret_in(command("operator-token", "create")) for _ in range(2))

    assert first != second
    assert status(client, second, "/v1/operator/tenants") == 200
    assert status(client, second, "/v1/account") == 403


@pytest.fixture
def trail(database: Database) -> Database:
    for number in range(4):
        with database.tenant_transaction("acme") as connection:
            audit.append(connection, "acme", "token:tok_1", f"deed {number}", "video:1", {"ü": '"'}, None)
    return database


@pytest.mark.usefixtures("trail")
def test_a_trail_that_nobody_touched_is_unbroken(command: Command):
    whole, one = command("audit", "verify"), command("audit", "verify", "--tenant", "acme")

    assert (whole.exit_code, one.exit_code) == (0, 0)
    assert "globex: 0 events" in whole.output
    assert "acme: 4 events, unbroken" in one.output


@pytest.mark.usefixtures("trail")
def test_a_changed_event_is_named(command: Command, empty_database: MigratedServer):
    with empty_database.superuser() as connection:
        connection.execute("update audit_events set actor = 'somebody' where sequence = 3")

    result = command("audit", "verify")

    assert result.exit_code == 1
    assert "event 3" in result.output


@pytest.mark.usefixtures("trail")
def test_events_cut_off_at_the_end_are_missed_by_what_was_exported(
    command: Command, empty_database: MigratedServer, worker_door: Database
):
    with worker_door.tenant_transaction("acme") as connection:
        audit.remember_export(connection, 1, 4, "somewhere")
    with empty_database.superuser() as connection:
        connection.execute("delete from audit_events where sequence = 4")

    result = command("audit", "verify")

    assert result.exit_code == 1
    assert "ends at event 3, but 4" in result.output


@pytest.mark.usefixtures("trail")
def test_a_tenant_that_is_not_there_has_no_trail_to_praise(command: Command):
    result = command("audit", "verify", "--tenant", "acne")

    assert result.exit_code == 2
    assert "acne" in result.output


def test_a_machine_of_ones_own_has_tenants_too(tmp_path: Path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CLIP_PLATFORM_")}
    run = [sys.executable, "-m", "clip_platform", "tenant", "create", "initech"]

    done = subprocess.run(
        run,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**environment, "CLIP_PLATFORM_HOME": str(tmp_path / "home")},
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("clp_")
