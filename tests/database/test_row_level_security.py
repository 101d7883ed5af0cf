"""Postgres, not the code above it, decides which tenant's rows are seen and written."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from clip_platform.database import backlog, roles, schema, videos
from clip_platform.database.connection import Database
from clip_platform.errors import InvalidInput
from tests.database.one_of_each import fill_every_table, readable_tables, tenant_tables

if TYPE_CHECKING:
    from tests.conftest import MigratedServer
    from tests.database.conftest import RegisterVideo


def test_every_table_with_a_tenant_forces_row_level_security_with_policies_for_reading_and_writing(
    migrated_server: MigratedServer,
):
    with migrated_server.superuser() as connection:
        tables = connection.execute("""
            select c.relname, c.relrowsecurity, c.relforcerowsecurity,
                exists (select from pg_policy p where p.polrelid = c.oid and p.polqual is not null
                    and p.polwithcheck is not null and p.polcmd = '*' and not polroles @> '{0}')
            from pg_class c join pg_attribute a on a.attrelid = c.oid
            where c.relkind in ('r', 'p') and a.attname = 'tenant_id' and not a.attisdropped
        """).fetchall()

    assert {name for name, *_ in tables} >= {"tenants", "videos", "asset_results", "clips", "leases", "progress"}
    assert [name for name, *guards in tables if not all(guards)] == []


def test_every_table_belongs_to_a_tenant(migrated_server: MigratedServer):
    with migrated_server.superuser() as connection:
        ownerless = connection.execute("""
            select tablename from pg_tables where schemaname = 'public' and tablename not in (
                select table_name from information_schema.columns where column_name = 'tenant_id')
        """).fetchall()

    # which models scored which days; receipts of accounts that are gone
    of_no_tenant = {"alembic_version", "rescorings", "rescored_days", "erasure_receipts"}
    assert {table for (table,) in ownerless} == of_no_tenant


def test_no_role_of_the_platform_can_bypass_policies(migrated_server: MigratedServer):
    with migrated_server.superuser() as connection:
        mighty = connection.execute(
            "select rolname from pg_roles where rolname = any(%s) and (rolsuper or rolbypassrls or rolcreaterole)",
            [list(roles.ROLES)],
        ).fetchall()
        owned = connection.execute(
            "select tablename from pg_tables where tableowner in (%s, %s)", [roles.PIPELINE, roles.SENSORS]
        ).fetchall()

    assert mighty == []
    assert owned == []


SERVED_ROLES = (roles.PIPELINE, roles.API, roles.WORKER)
VIDEO_IDS = {"acme": "01" + "A" * 24, "globex": "01" + "B" * 24}


@pytest.fixture
def full_database(empty_database: MigratedServer) -> MigratedServer:
    for tenant_id, video_id in VIDEO_IDS.items():
        fill_every_table(empty_database, tenant_id, video_id)
    return empty_database


def test_every_table_has_a_row_to_hide(full_database: MigratedServer):
    with full_database.superuser() as connection:
        counts = {
            table: connection.execute(f"select count(distinct tenant_id) from {table}").fetchone()
            for table in tenant_tables(full_database)
        }

    assert {table: count for table, count in counts.items() if count != (2,)} == {}


@pytest.mark.parametrize("role", SERVED_ROLES)
def test_a_tenant_sees_its_own_rows_and_nobody_elses(full_database: MigratedServer, role: str):
    door, tables = Database(full_database.url(role)), readable_tables(full_database, role)

    with closing(door), door.tenant_transaction("acme") as connection:
        seen = {table: set(connection.execute(text(f"select tenant_id from {table}")).scalars()) for table in tables}

    assert seen == {table: {"acme"} for table in tables}
    assert len(tables) >= 10


@pytest.mark.parametrize("role", SERVED_ROLES)
def test_without_a_tenant_nothing_is_seen_also_on_a_connection_that_had_one(full_database: MigratedServer, role: str):
    door, tables = Database(full_database.url(role)), readable_tables(full_database, role)
    with door.tenant_transaction("acme") as connection:
        assert connection.execute(text("select count(*) from videos")).scalar_one() == 1

    with closing(door), door.across_tenants() as connection:
        counts = [connection.execute(text(f"select count(*) from {table}")).scalar_one() for table in tables]

    assert set(counts) == {0}


@pytest.mark.parametrize("role", [roles.API, roles.WORKER, roles.PIPELINE])
def test_nobody_rewrites_the_audit_trail_or_the_ledger(full_database: MigratedServer, role: str):
    door = Database(full_database.url(role))

    for statement in (
        "update audit_events set action = 'x'",
        "delete from audit_events",
        "update usage_entries set quantity = 0",
        "delete from usage_entries",
    ):
        with pytest.raises(ProgrammingError, match="permission denied"), door.tenant_transaction("acme") as connection:
            connection.execute(text(statement))
    door.close()


def test_a_tenant_cannot_write_into_anothers_rows(database: Database, register_video: RegisterVideo):
    theirs = register_video("globex")

    with database.tenant_transaction("acme") as connection:
        touched = connection.execute(text("update videos set name = 'mine'")).rowcount
    with pytest.raises(ProgrammingError, match="row-level security"), database.tenant_transaction("acme") as connection:
        connection.execute(text("insert into tenants (tenant_id, name) values ('initech', 'x')"))

    assert touched == 0
    assert videos.get(database, "globex", theirs.video_id).name == "talk.mp4"


def test_a_row_cannot_be_moved_to_another_tenant(database: Database, register_video: RegisterVideo):
    register_video("acme")

    with pytest.raises(ProgrammingError, match="row-level security"), database.tenant_transaction("acme") as connection:
        connection.execute(text("update videos set tenant_id = 'globex', source_key = 'globex/x'"))


def test_a_foreign_video_looks_as_one_that_does_not_exist(database: Database, register_video: RegisterVideo):
    theirs = register_video("globex")

    with pytest.raises(InvalidInput) as foreign:
        videos.get(database, "acme", theirs.video_id)
    with pytest.raises(InvalidInput) as missing:
        videos.get(database, "acme", "01" + "0" * 24)

    assert foreign.value.message.replace(theirs.video_id, "") == missing.value.message.replace("01" + "0" * 24, "")


@pytest.mark.parametrize("tenant_id", ["", "a/b", "..", "a b", "x" * 64, "é", "a\n"])
def test_a_tenant_id_that_cannot_begin_an_object_key_is_refused(database: Database, tenant_id: str):
    with pytest.raises(ValueError, match="tenant id"), database.tenant_transaction(tenant_id):
        pass


def test_sensors_see_ids_and_states_of_all_tenants(sensors_database: Database, register_video: RegisterVideo):
    ids = {register_video(tenant_id).video_id for tenant_id in ("acme", "globex")}

    waiting = backlog.submitted(sensors_database, 10)

    assert {video.video_id for video in waiting} == ids
    assert {video.tenant_id for video in waiting} == {"acme", "globex"}


@pytest.mark.parametrize(
    "statement",
    [
        "select source_key from videos",
        "select preferences from videos",
        "select error_message from videos",
        "select * from clips",
        "select * from asset_results",
        "select * from tenants",
        "update videos set name = 'x'",
        "update leases set expires_at = now()",
        "delete from videos",
        "insert into videos (id) values ('x')",
    ],
)
def test_sensors_may_do_nothing_else(sensors_database: Database, register_video: RegisterVideo, statement: str):
    register_video()

    with pytest.raises(ProgrammingError, match="permission denied"), sensors_database.across_tenants() as connection:
        connection.execute(text(statement))


def test_sensors_cannot_touch_a_video_that_is_past_admission(
    database: Database, sensors_database: Database, register_video: RegisterVideo
):
    video = register_video()
    videos.begin_attempt(database, "acme", video.video_id, "run-1")

    with sensors_database.across_tenants() as connection:
        touched = connection.execute(text("update videos set state = 'admitted'")).rowcount

    assert touched == 0


def test_roles_reach_their_own_database_only(migrated_server: MigratedServer):
    server = migrated_server.server

    with psycopg.connect(server.url(roles.DAGSTER, "dagster", "postgresql")) as connection:
        assert connection.execute("select current_user").fetchone() == (roles.DAGSTER,)
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(server.url(roles.DAGSTER, roles.APPLICATION_DATABASE, "postgresql"))
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(server.url(roles.PIPELINE, "mlflow", "postgresql"))


def test_a_wrong_password_is_refused(migrated_server: MigratedServer):
    url = migrated_server.url(roles.PIPELINE, "postgresql").replace(
        migrated_server.server.password(roles.PIPELINE), "guessed"
    )

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url)


def test_migrating_again_changes_nothing(migrated_server: MigratedServer):
    schema.migrate(migrated_server.url(roles.OWNER))

    with migrated_server.superuser() as connection:
        assert connection.execute("select version_num from alembic_version").fetchall() == [(_newest_revision(),)]


def _newest_revision() -> str:
    versions = Path(schema.__file__).parent / "migrations" / "versions"
    return max(path.name[:4] for path in versions.glob("0*.py"))
