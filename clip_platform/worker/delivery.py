"""Delivers webhooks: one attempt at a time, each kept before the next. Blocks; runs in a thread of its own."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from clip_platform.database import jobs, outbox
from clip_platform.database.connection import Database
from clip_platform.database.outbox import Attempt, Letter
from clip_platform.encryption.columns import ColumnCipher
from clip_platform.errors import InvalidInput, TransientError
from clip_platform.network.http import Outbound
from clip_platform.worker.webhooks import body_of, headers_of, next_attempt_at

EXCHANGE_S = 10.0
_MOST_READ_BYTES = 64 * 1024
_MOST_IN_A_ROW = 30
"""Then the lane is given back, so that other videos of the endpoint get their turn."""
_GONE = 410
_log = logging.getLogger(__name__)


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Postman:
    """`now`: tests set the time; everybody else has it."""

    database: Database
    columns: ColumnCipher
    outbound: Outbound
    now: Callable[[], datetime] = _utc_now

    def deliver(self, tenant_id: str, endpoint_id: str, delivery_id: str, job_id: int | None = None) -> None:
        """Sends a delivery, and those of the same video that waited for it, until one fails; then queues what else is
        due at the endpoint. Doing it twice sends nothing twice that has ended."""
        upcoming: str | None = delivery_id
        for _ in range(_MOST_IN_A_ROW):
            upcoming = self._send(tenant_id, upcoming) if upcoming else None
        with self.database.tenant_transaction(tenant_id) as connection:
            if job_id is not None:
                jobs.release(connection, job_id)
            outbox.queue_due(connection, endpoint_id, self.now())

    def _send(self, tenant_id: str, delivery_id: str) -> str | None:
        """The delivery that may follow now."""
        with self.database.tenant_transaction(tenant_id) as connection:
            letter = outbox.letter(connection, self.columns, delivery_id, self.now())
        if letter is None:
            return None
        attempt = self._attempt(letter)
        gone = attempt.status == _GONE
        with self.database.tenant_transaction(tenant_id) as connection:
            outbox.settle(connection, tenant_id, letter, attempt, gone=gone)
            return outbox.next_of_lane(connection, letter) if attempt.succeeded else None

    def _attempt(self, letter: Letter) -> Attempt:
        now, began = self.now(), time.monotonic()
        status, error = self._exchange(letter, now)
        duration_ms = round((time.monotonic() - began) * 1000)
        about = {"delivery": letter.delivery_id, "endpoint": letter.endpoint_id, "status": status, "error": error}
        _log.info("webhook attempted", extra={**about, "duration_ms": duration_ms})
        return Attempt(now, duration_ms, status, error, next_attempt_at(letter.began_at, now))

    def _exchange(self, letter: Letter, now: datetime) -> tuple[int | None, str | None]:
        """Status and error; no error means that the receiver has taken it. Its words are not kept."""
        body = body_of(letter)
        headers = headers_of(letter, body, now)
        try:
            with self.outbound.exchange(
                "POST", letter.url, deadline_s=EXCHANGE_S, headers=headers, body=body.encode()
            ) as reply:
                _read_a_little(reply.body)
                return reply.status, _refusal(reply.status)
        except (InvalidInput, TransientError) as error:
            return None, error.message


def _read_a_little(body: Iterator[bytes]) -> None:
    """Politeness: a receiver that is cut off while it answers logs an error. The status has been received already."""
    read_bytes = 0
    with suppress(TransientError):
        for chunk in body:
            read_bytes += len(chunk)
            if read_bytes >= _MOST_READ_BYTES:
                return


def _refusal(status: int) -> str | None:
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return f"the receiver answered {status}; redirects are not followed, change the endpoint's URL"
    return f"the receiver answered {status}; it must answer 2xx"
