"""What KEDA asks Postgres, asked of a real one."""

import json
from pathlib import Path

import psycopg
import pytest
import yaml

from clip_platform.database import roles
from tests.conftest import MigratedServer

WORKER = Path(__file__).parents[2] / "deploy" / "kubernetes" / "base" / "worker.yaml"


@pytest.fixture
def queue(migrated_server: MigratedServer) -> psycopg.Connection:
    """As the worker's role, which is KEDA's too; nothing of it stays."""
    connection = psycopg.connect(migrated_server.url(roles.WORKER, "postgresql"))
    yield connection
    connection.rollback()
    connection.close()


def test_an_empty_queue_asks_for_nobody(queue: psycopg.Connection) -> None:
    queue.execute("delete from jobs.procrastinate_jobs")

    assert (_asked("depth", queue), _asked("age", queue)) == (0.0, 0.0)


def test_what_waits_is_counted_and_its_age_known(queue: psycopg.Connection) -> None:
    queue.execute("delete from jobs.procrastinate_jobs")
    for _ in range(3):
        _put(queue)
    queue.execute("update jobs.procrastinate_events set at = now() - interval '90 seconds' where type = 'deferred'")
    _put(queue)

    assert _asked("depth", queue) == 4.0
    assert _asked("age", queue) == pytest.approx(90.0, abs=5.0)


def test_what_is_for_later_does_not_wait(queue: psycopg.Connection) -> None:
    queue.execute("delete from jobs.procrastinate_jobs")
    _put(queue)
    queue.execute("update jobs.procrastinate_jobs set scheduled_at = now() + interval '1 hour'")

    assert (_asked("depth", queue), _asked("age", queue)) == (0.0, 0.0)


def _put(queue: psycopg.Connection) -> None:
    queue.execute(
        "select jobs.procrastinate_defer_jobs_v1(array[row('work', 'verify', 0, null, null, %s::jsonb, null)"
        "::jobs.procrastinate_job_to_defer_v1])",
        [json.dumps({})],
    )


def _asked(trigger: str, queue: psycopg.Connection) -> float:
    scaled = next(one for one in yaml.safe_load_all(WORKER.read_text()) if one["kind"] == "ScaledObject")
    query = next(one["metadata"]["query"] for one in scaled["spec"]["triggers"] if one["name"] == trigger)
    row = queue.execute(query).fetchone()
    assert row is not None
    return float(row[0])
