"""Passes news of videos on from Postgres to Redis, where the API hears them when `REDIS_URL` is set."""

from __future__ import annotations

import logging
import threading

import redis

from clip_platform.database.listening import Heard, Listener
from clip_platform.database.progress import CHANNEL

_TIMEOUT_S = 5
_HEARING_S = 1.0
_OF_ANY_VIDEO = "{}"
_log = logging.getLogger(__name__)


def pass_on(database_url: str, redis_url: str, stopping: threading.Event) -> None:
    """Runs until `stopping` is set. A server that is away is asked again; after a gap every watched video is read.

    Meant for a thread of its own. Two workers may do it at once: news that is told twice is read once.
    """
    listener = Listener(database_url, CHANNEL)
    client = redis.Redis.from_url(redis_url, socket_connect_timeout=_TIMEOUT_S, socket_timeout=_TIMEOUT_S)
    missed = False
    try:
        while not stopping.is_set():
            missed = not _told(client, listener.hear(_HEARING_S), missed=missed)
    finally:
        listener.close()
        client.close()


def _told(client: redis.Redis, heard: Heard, *, missed: bool) -> bool:
    """Whether Redis has taken it; `missed`: it has not taken what came before."""
    payloads = (_OF_ANY_VIDEO,) if heard.anew or missed else heard.payloads
    try:
        for payload in payloads:
            client.publish(CHANNEL, payload)
    except redis.RedisError as error:
        _log.warning("news cannot be passed on to Redis", extra={"error": str(error)})
        return False
    return True
