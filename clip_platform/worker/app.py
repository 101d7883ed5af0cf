"""The worker's process: takes jobs out of the queue, and keeps the relay that puts them in. Made from settings here."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from clip_platform.database import jobs
from clip_platform.database.connection import Database
from clip_platform.database.key_uses import KeyUses
from clip_platform.encryption.opening import open_keys
from clip_platform.errors import InvalidSetting
from clip_platform.network.addresses import Allowed
from clip_platform.network.http import outbound
from clip_platform.settings import Settings
from clip_platform.storage.destinations import endpoints_of
from clip_platform.storage.objects import open_store
from clip_platform.storage.parts.opening import open_part_store
from clip_platform.worker.audit_export import LockedBucket
from clip_platform.worker.delivery import Postman
from clip_platform.worker.destinations import Copier
from clip_platform.worker.erasure import Eraser
from clip_platform.worker.passing_on import pass_on
from clip_platform.worker.relay import SILENCE_S, Relay, run_relay
from clip_platform.worker.tasks import WorkerServices, build_tasks

# A delivery mostly waits for its receiver; the other work fills a core or a network link.
_AT_ONCE = {jobs.QUEUE_OF_DELIVERIES: 48, jobs.QUEUE_OF_COPIES: 4, jobs.QUEUE_OF_WORK: 3}
_GRACE_S = 3.0
"""What runs longer than this at the end is left, and done again by the next worker."""
_AGAIN_AFTER_S = 2.0
_log = logging.getLogger(__name__)


def run(settings: Settings) -> None:
    """Until SIGTERM or SIGINT; then it stops within seconds. A database that is away is waited for.

    Raises:
        InvalidSetting.
    """
    with open_worker(settings) as services:
        asyncio.run(_until_told(services, settings))


@contextmanager
def open_worker(settings: Settings) -> Iterator[WorkerServices]:
    """
    Raises:
        InvalidSetting: no database server is named, or something else cannot be opened.
    """
    url = settings.database_url("worker")
    if url is None:
        raise InvalidSetting(
            "CLIP_PLATFORM_DATABASE_HOST is not set; name the server, or start all with `clip-platform up`"
        )
    database = Database(url)
    keys = open_keys(settings, KeyUses(database, "worker"))
    audit = settings.audit_store_url
    try:
        object_store, part_store = (
            open_store(settings.store_url, keys.tenants, kms_key=settings.s3_kms_key),
            open_part_store(settings, keys),
        )
        yield WorkerServices(
            database_url=url,
            database=database,
            object_store=object_store,
            part_store=part_store,
            copier=Copier(database, object_store, keys.columns, endpoints_of(settings.destination_endpoints)),
            postman=Postman(database, keys.columns, outbound(Allowed.parse(settings.outbound_allow))),
            eraser=Eraser(database, object_store, part_store, keys, (settings.home.absolute() / "logs",)),
            audit_bucket=LockedBucket(audit, settings.audit_retention_days) if audit else None,
        )
    finally:
        database.close()


async def serve(services: WorkerServices, stopping: asyncio.Event, redis_url: str | None = None) -> None:
    """Works until `stopping` is set."""
    threads_stop = threading.Event()
    relay = Relay(services.database, exports_audit=services.audit_bucket is not None)
    _begin("relay", lambda: run_relay(relay, services.database_url, threads_stop))
    if redis_url is not None:
        _begin("news to Redis", lambda: pass_on(services.database_url, redis_url, threads_stop))
    try:
        async with asyncio.TaskGroup() as queues:
            for queue, at_once in _AT_ONCE.items():
                queues.create_task(_keep_taking(services, queue, at_once, stopping))
    finally:
        threads_stop.set()


async def _until_told(services: WorkerServices, settings: Settings) -> None:
    stopping = asyncio.Event()
    for told in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(told, stopping.set)
    redis_url = settings.redis_url.get_secret_value() if settings.redis_url else None
    await serve(services, stopping, redis_url)


async def _keep_taking(services: WorkerServices, queue: str, at_once: int, stopping: asyncio.Event) -> None:
    """Takes a queue's jobs; begins again when the database went away."""
    while not stopping.is_set():
        try:
            await _take(services, queue, at_once, stopping)
        except Exception:  # noqa: BLE001  whatever it was, jobs are waiting
            _log.exception("taking jobs failed; it is begun again", extra={"queue": queue})
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), _AGAIN_AFTER_S)


async def _take(services: WorkerServices, queue: str, at_once: int, stopping: asyncio.Event) -> None:
    app = build_tasks(services)
    async with app.open_async():
        taking = asyncio.create_task(
            app.run_worker_async(
                queues=[queue],
                name=queue,
                concurrency=at_once,
                install_signal_handlers=False,
                shutdown_graceful_timeout=_GRACE_S,
                fetch_job_polling_interval=1.0,
                delete_jobs="successful",
                update_heartbeat_interval=SILENCE_S / 3,
                stalled_worker_timeout=SILENCE_S,
            )
        )
        told = asyncio.create_task(stopping.wait())
        await asyncio.wait({taking, told}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        taking.cancel()
        with suppress(asyncio.CancelledError):
            await taking


def _begin(name: str, work: Callable[[], None]) -> None:
    threading.Thread(target=work, name=name, daemon=True).start()
