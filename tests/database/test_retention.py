"""Videos are dated when they are done, announced in time, and deleted with all that belongs to them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from clip_platform.database import retention
from clip_platform.database.connection import Database
from clip_platform.database.retention import DoomedVideo, KeptVideo
from tests.conftest import MigratedServer
from tests.database.one_of_each import fill_every_table, tenant_tables

VIDEO = KeptVideo("acme", "01" + "A" * 24)


class Shelf:
    """One finished video and a clock that is set back by setting its rows back."""

    def __init__(self, server: MigratedServer) -> None:
        self._server = server
        fill_every_table(server, *VIDEO)
        self.set("state = 'completed', completed_at = now()")
        with server.superuser() as connection:
            connection.execute("update upload_sessions set completed_at = now()")

    def set(self, what: str) -> None:
        with self._server.superuser() as connection:
            connection.execute(f"update videos set {what}")

    def get(self, column: str) -> object:
        with self._server.superuser() as connection:
            row = connection.execute(f"select {column} from videos").fetchone()
        return None if row is None else row[0]

    def events(self) -> list[str]:
        with self._server.superuser() as connection:
            return [type_ for (type_,) in connection.execute("select type from events where type like 'video.%'")]


@pytest.fixture
def shelf(empty_database: MigratedServer) -> Shelf:
    return Shelf(empty_database)


def test_a_finished_video_is_dated_by_its_tenants_retention(
    shelf: Shelf, sensors_door: Database, pipeline_door: Database, empty_database: MigratedServer
):
    assert retention.to_date(sensors_door, None) == []
    with empty_database.superuser() as connection:
        connection.execute("update tenants set retention_days = 30")

    assert retention.to_date(sensors_door, None) == [VIDEO]
    retention.date(pipeline_door, VIDEO, None, 7)

    assert retention.to_date(sensors_door, None) == []
    assert shelf.get("expires_at - completed_at") == timedelta(days=30)


@pytest.mark.parametrize(
    "what", ["pinned = true", "state = 'processing'", "state = 'submitted'", "state = 'uploading'"]
)
def test_what_is_pinned_or_not_finished_is_not_dated(shelf: Shelf, sensors_door: Database, what: str):
    shelf.set(what)

    assert retention.to_date(sensors_door, 30) == []


def test_whoever_shortens_the_retention_still_leaves_the_notice(
    shelf: Shelf, pipeline_door: Database, sensors_door: Database
):
    shelf.set("completed_at = now() - interval '400 days'")

    retention.date(pipeline_door, VIDEO, 30, 7)

    assert shelf.get("expires_at > now() + interval '6 days'") is True
    assert retention.to_delete(sensors_door) == []


def test_the_end_is_announced_once_and_in_time(shelf: Shelf, sensors_door: Database, pipeline_door: Database):
    shelf.set("expires_at = now() + interval '8 days'")
    assert retention.expiring(sensors_door, 7) == []
    shelf.set("expires_at = now() + interval '6 days'")

    assert retention.expiring(sensors_door, 7) == [VIDEO]
    assert [retention.announce(pipeline_door, VIDEO) for _ in range(2)] == [True, False]

    assert retention.expiring(sensors_door, 7) == []
    assert shelf.events() == ["video.expiring"]


def test_nothing_is_deleted_that_was_not_announced(shelf: Shelf, sensors_door: Database):
    shelf.set("expires_at = now() - interval '1 day'")
    assert retention.to_delete(sensors_door) == []

    shelf.set("expiry_announced_at = now() - interval '7 days'")

    assert retention.to_delete(sensors_door) == [DoomedVideo(*VIDEO, None)]


def test_a_video_pinned_at_the_last_moment_is_kept(shelf: Shelf, sensors_door: Database, pipeline_door: Database):
    shelf.set("expires_at = now() - interval '1 day', expiry_announced_at = now()")
    [doomed] = retention.to_delete(sensors_door)
    shelf.set("pinned = true")

    assert retention.mark(pipeline_door, doomed) is False
    retention.forget(pipeline_door, doomed)

    assert shelf.get("state") == "completed"


def test_an_upload_under_way_is_ended_before_its_video_goes(
    shelf: Shelf, sensors_door: Database, worker_door: Database, empty_database: MigratedServer
):
    shelf.set("state = 'deleting'")
    with empty_database.superuser() as connection:
        connection.execute("update upload_sessions set completed_at = null, expires_at = now() + interval '1 day'")

    with worker_door.across_tenants() as connection:
        to_end = connection.exec_driver_sql("select video_id from uploads_to_expire(10)").scalars().all()

    assert retention.to_delete(sensors_door) == []
    assert to_end == [VIDEO.video_id]


def test_with_the_row_goes_all_that_belongs_to_the_video_and_its_bytes_are_freed(
    shelf: Shelf, pipeline_door: Database, empty_database: MigratedServer
):
    with empty_database.superuser() as connection:
        connection.execute("""insert into usage_entries (tenant_id, entry_key, kind, quantity, video_id)
            select 'acme', 'stored/x', 'stored_bytes', 500, id from videos""")
    shelf.set("state = 'deleting'")

    for _ in range(2):
        retention.forget(pipeline_door, DoomedVideo(*VIDEO, None))

    with empty_database.superuser() as connection:
        left = {table for table in tenant_tables(empty_database) if connection.execute(f"select from {table}").rowcount}
        used = connection.execute("select sum(quantity) from usage_entries where video_id is not null").fetchone()
    assert used == (0,)
    assert left == {
        "tenants", "members", "api_tokens", "idempotency_keys", "events", "webhook_endpoints", "webhook_deliveries",
        "webhook_attempts", "destinations", "usage_entries", "audit_events", "audit_exports", "erasure_requests",
        "erasure_steps", "erasure_ids", "score_versions",
    }  # fmt: skip
