"""Turns rows into jobs: events to deliver, uploads to verify or to expire, clips to copy, audit trails to export,
accounts to erase.

It is told of new rows and looks for them anyway, so that a lost notification costs seconds and a lost job nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection

from clip_platform.database import destination_copies, erasure, jobs, outbox, pending_work
from clip_platform.database.connection import Database
from clip_platform.database.listening import Listener
from clip_platform.errors import ClipPlatformError, TransientError

CHANNEL = "worker"
POLL_S = 5.0
SILENCE_S = 15.0
"""A worker that has not been heard of for so long is dead, and its jobs are another's."""
_AT_ONCE = 200
_HOUSEKEEPING_EVERY_S = 3600.0
_FAILED_JOBS_DAYS = 7
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Relay:
    """`exports_audit`: whether there is a place to export audit trails to."""

    database: Database
    exports_audit: bool

    def turn(self) -> None:
        """Everything that is to be done now.

        Raises:
            StorageUnavailable: what is left is done at the next turn.
        """
        with self.database.across_tenants() as connection:
            taken_back = jobs.take_back(connection, SILENCE_S)
        if taken_back:
            _log.warning("jobs of a worker that died are queued again", extra={"jobs": taken_back})
        self._dispatch_events()
        self._queue_deliveries()
        with self.database.across_tenants() as connection:
            self._queue_work(connection)

    def tidy(self) -> None:
        """What is kept for a while only: answers to idempotency keys, failed jobs."""
        with self.database.across_tenants() as connection:
            jobs.forget_old(connection, _FAILED_JOBS_DAYS)
            tenant_ids = pending_work.all_tenants(connection)
        for tenant_id in tenant_ids:
            with self.database.tenant_transaction(tenant_id) as connection:
                pending_work.forget_old_answers(connection)

    def _dispatch_events(self) -> None:
        with self.database.across_tenants() as connection:
            tenant_ids = outbox.tenants_with_events(connection, _AT_ONCE)
        for tenant_id in tenant_ids:
            with _apart(tenant_id), self.database.tenant_transaction(tenant_id) as connection:
                outbox.dispatch(connection, datetime.now(UTC), _AT_ONCE)

    def _queue_deliveries(self) -> None:
        now = datetime.now(UTC)
        with self.database.across_tenants() as connection:
            found = outbox.endpoints_to_serve(connection, now, _AT_ONCE)
        for tenant_id, endpoint_id in found:
            with _apart(tenant_id), self.database.tenant_transaction(tenant_id) as connection:
                outbox.queue_due(connection, endpoint_id, now)

    def _queue_work(self, connection: Connection) -> None:
        for tenant_id, video_id in pending_work.videos_to_verify(connection, _AT_ONCE):
            _put(connection, jobs.VERIFY, video_id, tenant_id=tenant_id, video_id=video_id)
        for tenant_id, video_id in pending_work.uploads_to_expire(connection, _AT_ONCE):
            _put(connection, jobs.EXPIRE, video_id, tenant_id=tenant_id, video_id=video_id)
        for tenant_id in destination_copies.tenants_with_due(connection, datetime.now(UTC), _AT_ONCE):
            jobs.put(connection, jobs.QUEUE_OF_COPIES, jobs.COPY, f"{jobs.COPY}/{tenant_id}", {"tenant_id": tenant_id})
        for request_id in erasure.to_continue(connection, datetime.now(UTC)):
            _put(connection, jobs.ERASE, request_id, request_id=request_id)
        if self.exports_audit:
            for tenant_id in pending_work.audits_to_export(connection, _AT_ONCE):
                _put(connection, jobs.EXPORT_AUDIT, tenant_id, tenant_id=tenant_id)


def run_relay(relay: Relay, database_url: str, stopping: threading.Event) -> None:
    """Until `stopping` is set. For a thread of its own; outlives the database's restarts."""
    listener = Listener(database_url, CHANNEL)
    tidy_at = time.monotonic()
    try:
        while not stopping.is_set():
            _guarded(relay.turn)
            if time.monotonic() >= tidy_at:
                _guarded(relay.tidy)
                tidy_at = time.monotonic() + _HOUSEKEEPING_EVERY_S
            _wait(listener, stopping)
    finally:
        listener.close()


def _put(connection: Connection, task: str, about: str, **args: str) -> None:
    jobs.put(connection, jobs.QUEUE_OF_WORK, task, f"{task}/{about}", args)


@contextmanager
def _apart(tenant_id: str) -> Iterator[None]:
    """What is wrong with one tenant's rows must not keep the others' waiting."""
    try:
        yield
    except TransientError:
        raise
    except Exception:  # noqa: BLE001  reported, and tried again at the next turn
        _log.exception("the relay failed for a tenant; it will try again", extra={"tenant": tenant_id})


def _guarded(step: Callable[[], None]) -> None:
    """One bad row must not stop the relay for everybody."""
    try:
        step()
    except ClipPlatformError as error:
        _log.warning("the relay will try again", extra={"error": error.message, "detail": error.detail})
    except Exception:  # noqa: BLE001  reported, and tried again at the next turn
        _log.exception("the relay failed; it will try again")


def _wait(listener: Listener, stopping: threading.Event) -> None:
    """Until there is news, or it is time to look without; in short steps, to stop soon when asked to."""
    until = time.monotonic() + POLL_S
    while not stopping.is_set() and time.monotonic() < until:
        heard = listener.hear(0.5)
        if heard.payloads or heard.anew:
            return
