"""The image's programs for a server that somebody else runs: roles made, schema brought up, by no superuser."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from clip_platform.database import roles
from clip_platform.embedded.postgres import SUPERUSER, EmbeddedPostgres, Server

PROGRAMS = Path(__file__).parents[2] / "deploy" / "images" / "api" / "bin"


@pytest.fixture(scope="module")
def managed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose administrator may make roles and databases and is no superuser, as clouds have it."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("managed")).running() as server:
        with psycopg.connect(server.url(SUPERUSER, "postgres", "postgresql"), autocommit=True) as connection:
            for database in roles.DATABASE_OWNERS:
                connection.execute(f"drop database {database}")
            for role in roles.ROLES:
                connection.execute(f"drop owned by {role}")
                connection.execute(f"drop role {role}")
            connection.execute("create role administrator login createrole createdb password 'a'")
        yield server


def test_a_managed_server_is_provisioned_and_migrated(managed: Server) -> None:
    for _ in range(2):  # the second time turns the passwords
        provisioned = _program("provision-database", _administrator(managed) | _passwords())
        assert provisioned.returncode == 0, provisioned.stderr
    migrated = _program("migrate-database", _application(managed))

    assert migrated.returncode == 0, migrated.stderr
    with psycopg.connect(_url(managed, roles.API), autocommit=True) as connection:
        assert connection.execute("select count(*) from tenants").fetchone() == (0,)


def test_no_role_is_left_without_a_password(managed: Server) -> None:
    provisioned = _program("provision-database", _administrator(managed) | {"MLFLOW_PASSWORD": ""})

    assert provisioned.returncode == 1
    assert "CLIP_PLATFORM_API_PASSWORD" in provisioned.stderr


def test_migrating_needs_a_server_and_its_password(managed: Server) -> None:
    nowhere = _program("migrate-database", {})
    unknown = _program("migrate-database", _application(managed) | {"CLIP_PLATFORM_DATABASE_OWNER_PASSWORD": ""})

    assert (nowhere.returncode, unknown.returncode) == (1, 1)
    assert "CLIP_PLATFORM_DATABASE_HOST is not set" in nowhere.stderr
    assert "CLIP_PLATFORM_DATABASE_OWNER_PASSWORD is not set" in unknown.stderr


def _passwords() -> Mapping[str, str]:
    return {f"{role.upper()}_PASSWORD": f"of-{role}" for role in roles.ROLES}


def _url(server: Server, role: str) -> str:
    return f"postgresql://{role}:of-{role}@{server.host}:{server.port}/{roles.APPLICATION_DATABASE}"


def _administrator(server: Server) -> Mapping[str, str]:
    where = make_url(server.url(SUPERUSER, "postgres", "postgresql"))
    return {"PGHOST": str(where.host), "PGPORT": str(where.port), "PGUSER": "administrator", "PGPASSWORD": "a"}


def _application(server: Server) -> Mapping[str, str]:
    return {
        "CLIP_PLATFORM_DATABASE_HOST": server.host,
        "CLIP_PLATFORM_DATABASE_PORT": str(server.port),
        "CLIP_PLATFORM_DATABASE_OWNER_PASSWORD": f"of-{roles.OWNER}",
    }


def _program(name: str, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    root = {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(
        [sys.executable, PROGRAMS / name],
        env={**inherited, **root, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
