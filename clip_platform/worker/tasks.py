"""The worker's jobs by name: each opens its ids and calls one function. What they do is in the modules they call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import procrastinate
from procrastinate import App, PsycopgConnector, RetryStrategy

from clip_platform import tracing
from clip_platform.database import jobs
from clip_platform.database.connection import Database
from clip_platform.storage.objects import ObjectStore
from clip_platform.storage.parts.protocol import PartStore
from clip_platform.telemetry import bound
from clip_platform.worker import audit_export, expiry, verification
from clip_platform.worker.audit_export import LockedBucket
from clip_platform.worker.delivery import Postman
from clip_platform.worker.destinations import Copier
from clip_platform.worker.erasure import Eraser
from clip_platform.worker.threads import in_thread

# Then the job is failed and kept for a look; its row is still there, and the relay makes another one of it.
_RETRY = RetryStrategy(max_attempts=10, wait=5, linear_wait=10)


@dataclass(frozen=True, slots=True)
class WorkerServices:
    """What jobs use. `database_url` is the worker's role's; `audit_bucket` is None where trails are not exported."""

    database_url: str
    database: Database
    object_store: ObjectStore
    part_store: PartStore
    copier: Copier
    postman: Postman
    eraser: Eraser
    audit_bucket: LockedBucket | None


def build_tasks(services: WorkerServices) -> App:
    """All jobs, on connections of procrastinate's own."""
    app = App(connector=_connector(services.database_url))

    async def deliver(
        context: procrastinate.JobContext, *, tenant_id: str, endpoint_id: str, delivery_id: str, released: bool = False
    ) -> None:
        """Not retried as a job: when it is to be tried again is in its row. `released`: it was done before, by a worker
        that died before it could write so."""
        if released:
            return
        work = partial(services.postman.deliver, tenant_id, endpoint_id, delivery_id, context.job.id)
        await _about(tenant_id, None, work)

    async def verify(*, tenant_id: str, video_id: str) -> None:
        work = partial(verification.verify, services.database, services.object_store, tenant_id, video_id)
        await _about(tenant_id, video_id, work)

    async def expire(*, tenant_id: str, video_id: str) -> None:
        stores = (services.object_store, services.part_store)
        await _about(tenant_id, video_id, partial(expiry.expire, services.database, *stores, tenant_id, video_id))

    async def copy(*, tenant_id: str) -> None:
        await _about(tenant_id, None, partial(services.copier.copy_due, tenant_id))

    async def erase(*, request_id: str) -> None:
        await in_thread(partial(services.eraser.go_on, request_id))

    app.task(name=jobs.DELIVER, queue=jobs.QUEUE_OF_DELIVERIES, pass_context=True)(deliver)
    app.task(name=jobs.VERIFY, queue=jobs.QUEUE_OF_WORK, retry=_RETRY)(verify)
    app.task(name=jobs.EXPIRE, queue=jobs.QUEUE_OF_WORK, retry=_RETRY)(expire)
    app.task(name=jobs.COPY, queue=jobs.QUEUE_OF_COPIES, retry=_RETRY)(copy)
    app.task(name=jobs.ERASE, queue=jobs.QUEUE_OF_WORK, retry=_RETRY)(erase)
    if services.audit_bucket is not None:
        export = _exporter(services.database, services.audit_bucket)
        app.task(name=jobs.EXPORT_AUDIT, queue=jobs.QUEUE_OF_WORK, retry=_RETRY)(export)
    return app


def _exporter(database: Database, bucket: LockedBucket) -> Callable[..., Any]:
    async def export(*, tenant_id: str) -> None:
        await _about(tenant_id, None, partial(audit_export.export, database, bucket, tenant_id))

    return export


async def _about(tenant_id: str, video_id: str | None, work: Callable[[], object]) -> None:
    name = getattr(getattr(work, "func", work), "__name__", "job")
    with bound(tenant=tenant_id, video=video_id), tracing.span(f"worker {name}", video_id):
        await in_thread(work)


def _connector(database_url: str) -> PsycopgConnector:
    address = database_url.replace("postgresql+psycopg://", "postgresql://", 1)
    options = {"options": "-c search_path=jobs", "application_name": "clip-platform-jobs", "connect_timeout": 5}
    return PsycopgConnector(conninfo=address, kwargs=options, min_size=1, max_size=6, timeout=10)
