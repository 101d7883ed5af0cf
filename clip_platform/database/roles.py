"""The roles and databases the platform needs, and how they are made. Who may do what is in the migrations' grants."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg
from psycopg import sql

OWNER = "clip_platform_owner"
"""Owns the schema and runs migrations."""
PIPELINE = "clip_platform_pipeline"
"""Assets and the command line; sees one tenant at a time."""
SENSORS = "clip_platform_sensors"
"""Sees ids, tenants and states of all tenants' videos, and may admit them; nothing else."""
API = "clip_platform_api"
"""Serves tenants; sees one tenant at a time, and looks tokens up by their hash."""
WORKER = "clip_platform_worker"
"""Verifies uploads, delivers webhooks, exports the audit; finds work across tenants by id, then sees one tenant."""
LEARNER = "clip_platform_learner"
"""Reads feedback and clips of all tenants as numbers and identifiers, for training; writes nothing."""
RESCORER = "clip_platform_rescorer"
"""Writes scores of all tenants' clips and says which of them are shown; sees identifiers only."""
EXPORTER = "clip_platform_exporter"
"""Counts what waits, over all tenants, for Prometheus."""
DAGSTER = "dagster"
MLFLOW = "mlflow"

APPLICATION_DATABASE = "clip_platform"
DATABASE_OWNERS: Mapping[str, str] = {APPLICATION_DATABASE: OWNER, "dagster": DAGSTER, "mlflow": MLFLOW}
ROLES = (OWNER, PIPELINE, SENSORS, API, WORKER, LEARNER, RESCORER, EXPORTER, DAGSTER, MLFLOW)
_GUESTS: Mapping[str, tuple[str, ...]] = {
    APPLICATION_DATABASE: (PIPELINE, SENSORS, API, WORKER, LEARNER, RESCORER, EXPORTER)
}
_MAKES_TEMPORARY_TABLES: Mapping[str, tuple[str, ...]] = {APPLICATION_DATABASE: (RESCORER,)}


def fingerprint() -> str:
    """Another one when roles, databases or who may use them are others."""
    all_there_is = (ROLES, dict(DATABASE_OWNERS), dict(_GUESTS), dict(_MAKES_TEMPORARY_TABLES))
    return hashlib.sha256(repr(all_there_is).encode()).hexdigest()


def provision(connection: psycopg.Connection, passwords: Mapping[str, str]) -> None:
    """Makes the roles and databases that are missing, and sets every role's password; statements carry verifiers of
    passwords (SCRAM) and never the passwords, so that a server that logs statements keeps none.

    Args:
        connection: in autocommit mode, as `create database` runs in no transaction; a superuser's, or that of a managed
            server's administrator, who may make roles and databases.
        passwords: by role, for all of `ROLES`.
    """
    connection.execute("set client_min_messages = warning")
    with connection.transaction():
        for role in ROLES:
            _ensure_role(connection, role, passwords[role])
    for database, owner in DATABASE_OWNERS.items():
        with _as_member(connection, owner):
            _ensure_database(connection, database, owner)


def _ensure_role(connection: psycopg.Connection, role: str, password: str) -> None:
    name = sql.Identifier(role)
    if connection.execute("select from pg_roles where rolname = %s", [role]).rowcount == 0:
        connection.execute(sql.SQL("create role {}").format(name))
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    connection.execute(sql.SQL("alter role {} login password {}").format(name, sql.Literal(verifier)))
    if connection.execute(_MAY_TOO_MUCH, [role]).rowcount == 1:
        attributes = sql.SQL("alter role {} nosuperuser nobypassrls nocreatedb nocreaterole")
        connection.execute(attributes.format(name))


_MAY_TOO_MUCH = """
    select from pg_roles where rolname = %s and (rolsuper or rolbypassrls or rolcreatedb or rolcreaterole)"""


@contextmanager
def _as_member(connection: psycopg.Connection, owner: str) -> Iterator[None]:
    """Who is no superuser gives a database to a role only as its member."""
    if connection.execute("select from pg_roles where rolname = current_user and rolsuper").rowcount == 1:
        yield
        return
    name = sql.Identifier(owner)
    connection.execute(sql.SQL("grant {} to current_user").format(name))
    try:
        yield
    finally:
        connection.execute(sql.SQL("revoke {} from current_user").format(name))


def _ensure_database(connection: psycopg.Connection, database: str, owner: str) -> None:
    name = sql.Identifier(database)
    if connection.execute("select from pg_database where datname = %s", [database]).rowcount == 0:
        connection.execute(sql.SQL("create database {} owner {}").format(name, sql.Identifier(owner)))
    connection.execute(sql.SQL("revoke all on database {} from public").format(name))
    for guest in _GUESTS.get(database, ()):
        connection.execute(sql.SQL("grant connect on database {} to {}").format(name, sql.Identifier(guest)))
    for guest in _MAKES_TEMPORARY_TABLES.get(database, ()):
        connection.execute(sql.SQL("grant temporary on database {} to {}").format(name, sql.Identifier(guest)))
