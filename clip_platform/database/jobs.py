"""Putting jobs into the worker's queue inside a caller's transaction, and taking back those whose worker died.

The tables are procrastinate's, which also takes the jobs out. A job carries ids only: rows are what tells the truth.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from sqlalchemy import Connection, text

QUEUE_OF_DELIVERIES = "deliveries"
QUEUE_OF_WORK = "work"
QUEUE_OF_COPIES = "copies"
DELIVER = "deliver"
VERIFY = "verify"
EXPIRE = "expire"
EXPORT_AUDIT = "export_audit"
COPY = "copy"
ERASE = "erase"

_PUT = text("""
    select jobs.procrastinate_defer_jobs_v1(array[row(
        cast(:queue as varchar), cast(:task as varchar), 0, cast(:lock as text), null, cast(:args as jsonb), null
    )::jobs.procrastinate_job_to_defer_v1])
    where not exists (
        select from jobs.procrastinate_jobs where lock = :lock and status in ('todo', 'doing'))""")
_RELEASE = text("""
    update jobs.procrastinate_jobs set lock = null, args = args || '{"released": true}' where id = :job_id""")
# Same number, so that its place in the order of its lock stays.
_TAKE_BACK = text("""
    select jobs.procrastinate_retry_job_v2(id, null, null, null, null) from jobs.procrastinate_jobs as job
    where status = 'doing' and not exists (
        select from jobs.procrastinate_workers as worker
        where worker.id = job.worker_id and last_heartbeat > now() - make_interval(secs => :silence_s))""")
_FORGET_DEAD_WORKERS = text("""
    delete from jobs.procrastinate_workers where last_heartbeat < now() - make_interval(secs => :silence_s)""")
_FORGET_OLD = text("""
    delete from jobs.procrastinate_jobs as job where status in ('succeeded', 'failed', 'cancelled', 'aborted')
        and not exists (
            select from jobs.procrastinate_events as told
            where told.job_id = job.id and told.at > now() - make_interval(days => :days))""")


def put(connection: Connection, queue: str, task: str, lock: str, args: Mapping[str, str]) -> bool:
    """Adds a job, unless one with this lock waits or runs; whether it did."""
    values = {"queue": queue, "task": task, "lock": lock, "args": json.dumps(dict(args))}
    return connection.execute(_PUT, values).rowcount == 1


def release(connection: Connection, job_id: int) -> None:
    """A running job has done what it was for: what waits for its lock may be put in before its end is written down."""
    connection.execute(_RELEASE, {"job_id": job_id})


def take_back(connection: Connection, silence_s: float) -> int:
    """Jobs of workers that have not been heard of for so long wait again; how many."""
    taken = connection.execute(_TAKE_BACK, {"silence_s": silence_s}).rowcount
    connection.execute(_FORGET_DEAD_WORKERS, {"silence_s": silence_s})
    return taken


def forget_old(connection: Connection, days: int) -> None:
    """Failed jobs are kept for so long, for whoever looks for what went wrong."""
    connection.execute(_FORGET_OLD, {"days": days})
