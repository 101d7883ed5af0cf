"""Rows become jobs, once, and what is kept for a while only goes."""

from __future__ import annotations

import pytest

from clip_platform.database import roles
from clip_platform.database.connection import Database
from clip_platform.errors import StorageUnavailable
from clip_platform.identifiers import new_ulid
from clip_platform.worker.relay import Relay
from tests.worker.conftest import Office

_VIDEO = """
    insert into videos (id, tenant_id, name, source_key, source_sha256, source_size_bytes, preferences, state)
    values (%s, 'acme', 'talk.mp4', 'acme/x', '', 1, '{}', 'verifying') returning 1"""


@pytest.fixture
def relay(office: Office) -> Relay:
    return Relay(office.services.database, exports_audit=False)


def test_an_upload_to_verify_is_one_job_however_often_it_is_looked_for(office: Office, relay: Relay) -> None:
    video_id = new_ulid()
    office.rows(_VIDEO, video_id)

    relay.turn()
    relay.turn()
    waiting = office.queued()
    office.rows("update jobs.procrastinate_jobs set status = 'doing', worker_id = %s returning 1", _worker(office))
    relay.turn()

    assert waiting == office.queued() == [{"tenant_id": "acme", "video_id": video_id}]


def test_a_job_of_a_worker_that_is_silent_waits_again_and_one_of_a_live_worker_does_not(
    office: Office, relay: Relay
) -> None:
    office.rows(_VIDEO, new_ulid())
    relay.turn()
    worker_id = _worker(office)
    office.rows("update jobs.procrastinate_jobs set status = 'doing', worker_id = %s returning 1", worker_id)

    relay.turn()
    of_live = office.rows("select status::text from jobs.procrastinate_jobs")
    office.rows(
        "update jobs.procrastinate_workers set last_heartbeat = now() - interval '16 s' where id = %s returning 1",
        worker_id,
    )
    relay.turn()
    of_silent = office.rows("select status::text from jobs.procrastinate_jobs")

    assert (of_live, of_silent) == ([("doing",)], [("todo",)])


def test_answers_to_repeated_requests_and_failed_jobs_go_after_their_time(office: Office, relay: Relay) -> None:
    for key, age in (("old", "25 hours"), ("new", "23 hours")):
        office.rows(
            "insert into idempotency_keys (tenant_id, operation, key, request_digest, created_at)"
            " values ('acme', 'o', %s, '', now() - %s::interval) returning 1",
            key,
            age,
        )
    for age in ("8 days", "6 days"):
        office.rows(
            "with job as (insert into jobs.procrastinate_jobs (queue_name, task_name, status, lock)"
            " values ('work', 'verify', 'failed', %s) returning id)"
            " insert into jobs.procrastinate_events (job_id, type, at)"
            " select id, 'failed', now() - %s::interval from job returning 1",
            age,
            age,
        )

    relay.tidy()

    assert office.rows("select key from idempotency_keys") == [("new",)]
    assert office.rows("select lock from jobs.procrastinate_jobs") == [("6 days",)]


@pytest.mark.parametrize("role", [roles.API, roles.PIPELINE, roles.SENSORS])
def test_nobody_but_the_worker_reaches_the_queue(office: Office, role: str) -> None:
    with office.server.superuser() as connection:
        found = connection.execute(
            "select has_schema_privilege(%s, 'jobs', 'usage'), has_schema_privilege(%s, 'jobs', 'usage')",
            [role, roles.WORKER],
        ).fetchone()

    assert found == (False, True)


def test_a_database_that_is_away_is_said_to_be() -> None:
    away = Relay(Database("postgresql+psycopg://nobody:x@127.0.0.1:1/nothing"), exports_audit=False)

    with pytest.raises(StorageUnavailable):
        away.turn()


def _worker(office: Office) -> int:
    ((worker_id,),) = office.rows("insert into jobs.procrastinate_workers default values returning id")
    return int(worker_id)


def test_an_event_that_cannot_be_dispatched_keeps_no_other_tenant_waiting(office: Office, relay: Relay) -> None:
    endpoint_id, _secret = office.endpoint("https://example.com/", tenant_id="globex")
    office.event(type_="clip.rendered")  # of which clip is not said
    office.event(tenant_id="globex")
    video_id = new_ulid()
    office.rows(_VIDEO, video_id)

    relay.turn()

    delivery, verification = office.queued()
    assert (delivery["endpoint_id"], verification["video_id"]) == (endpoint_id, video_id)
