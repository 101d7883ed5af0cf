"""Waiting for a video's progress without asking for it: Postgres tells (`LISTEN`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from clip_platform.database.progress import CHANNEL


class Watcher:
    """Waits for news of one video. Use `watching` to make one."""

    def __init__(self, connection: psycopg.Connection, video_id: str) -> None:
        self._connection = connection
        self._video_id = video_id

    def wait(self, timeout_s: float) -> bool:
        """Whether there was news of the video within the time; returns at the first."""
        for notification in self._connection.notifies(timeout=timeout_s):
            if json.loads(notification.payload).get("video") == self._video_id:
                return True
        return False


@contextmanager
def watching(url: str, video_id: str) -> Iterator[Watcher]:
    """`url` as for `Database`."""
    with psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://", 1), autocommit=True) as connection:
        connection.execute(f"listen {CHANNEL}")
        yield Watcher(connection, video_id)
