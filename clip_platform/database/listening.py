"""Hearing what Postgres tells on a channel (`NOTIFY`), over one connection that is made again whenever it breaks."""

from __future__ import annotations

import logging
import time
from typing import NamedTuple

import psycopg
from psycopg import sql

_CONNECT_S = 5
_SILENCE_S = 30.0
"""After this long without a word the connection is asked whether it is still there."""
_log = logging.getLogger(__name__)


class Heard(NamedTuple):
    """`payloads` since the last call. `anew`: the connection is a new one, so that any number of words were missed."""

    payloads: tuple[str, ...]
    anew: bool


class Listener:
    """Listens on one channel. `url` as for `Database`. For one thread."""

    def __init__(self, url: str, channel: str) -> None:
        self._url = url.replace("postgresql+psycopg://", "postgresql://", 1)
        self._channel = channel
        self._connection: psycopg.Connection | None = None
        self._alive_at = 0.0

    def hear(self, timeout_s: float) -> Heard:
        """Waits for a word, at most this long, and returns it with all that came at once.

        A server that is away is silence; it is asked again the next time.
        """
        try:
            return self._heard(timeout_s)
        except psycopg.OperationalError as error:
            _log.warning("the database's notifications are not heard", extra={"error": str(error)})
            self.close()
            time.sleep(timeout_s)  # it is being started again, and cannot tell when it is there
            return Heard((), anew=False)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _heard(self, timeout_s: float) -> Heard:
        if self._connection is None:
            self._connection = self._listening()
            return Heard((), anew=True)
        told = self._connection.notifies(timeout=timeout_s, stop_after=1)
        payloads = tuple(notification.payload for notification in told)
        self._keep_alive(self._connection, spoke=bool(payloads))
        return Heard(payloads, anew=False)

    def _listening(self) -> psycopg.Connection:
        connection = psycopg.connect(
            self._url, autocommit=True, connect_timeout=_CONNECT_S, application_name="clip-platform-listener"
        )
        connection.execute(sql.SQL("listen {}").format(sql.Identifier(self._channel)))
        self._alive_at = time.monotonic()
        return connection

    def _keep_alive(self, connection: psycopg.Connection, *, spoke: bool) -> None:
        now = time.monotonic()
        if not spoke and now - self._alive_at < _SILENCE_S:
            return
        if not spoke:
            connection.execute("select")
        self._alive_at = now
