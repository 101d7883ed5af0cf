"""Waiting for a video's progress without asking for it: Postgres tells (`LISTEN`)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from clip_platform.database.progress import CHANNEL

_CONNECT_S = 2


class Watcher:
    """Waits for news of one video. Use `watching` to make one."""

    def __init__(self, url: str, video_id: str) -> None:
        self._url = url.replace("postgresql+psycopg://", "postgresql://", 1)
        self._video_id = video_id
        self._connection: psycopg.Connection | None = None

    def wait(self, timeout_s: float) -> bool:
        """Whether there was news of the video within the time; returns at the first.

        A server that is away is no news; it is asked again the next time.
        """
        try:
            for notification in self._listening().notifies(timeout=timeout_s):
                if json.loads(notification.payload).get("video") == self._video_id:
                    return True
        except psycopg.OperationalError:
            self.close()
            time.sleep(timeout_s)  # it is being started again, and cannot tell when it is there
        return False

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _listening(self) -> psycopg.Connection:
        if self._connection is None:
            self._connection = psycopg.connect(self._url, autocommit=True, connect_timeout=_CONNECT_S)
            self._connection.execute(f"listen {CHANNEL}")
        return self._connection


@contextmanager
def watching(url: str, video_id: str) -> Iterator[Watcher]:
    """`url` as for `Database`."""
    watcher = Watcher(url, video_id)
    try:
        yield watcher
    finally:
        watcher.close()
