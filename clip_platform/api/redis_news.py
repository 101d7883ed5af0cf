"""News of videos out of Redis, for installations where API processes cannot hold a connection that listens (behind a
pooler, say). The worker puts them there; see `worker.passing_on`."""

from __future__ import annotations

import logging
import time

import redis

from clip_platform.database.listening import Heard
from clip_platform.database.progress import CHANNEL

_TIMEOUT_S = 5
_PING_S = 15
_log = logging.getLogger(__name__)


class RedisSource:
    """A subscription that is made again whenever it breaks. For one thread."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(
            url, socket_connect_timeout=_TIMEOUT_S, socket_timeout=_TIMEOUT_S, health_check_interval=_PING_S
        )
        self._subscription: redis.client.PubSub | None = None

    def hear(self, timeout_s: float) -> Heard:
        """As `Listener.hear`."""
        try:
            return self._heard(timeout_s)
        except redis.RedisError as error:
            _log.warning("news in Redis is not heard", extra={"error": str(error)})
            self._let_go()
            time.sleep(timeout_s)
            return Heard((), anew=False)

    def close(self) -> None:
        self._let_go()
        self._client.close()

    def _heard(self, timeout_s: float) -> Heard:
        if self._subscription is None:
            self._subscription = self._client.pubsub(ignore_subscribe_messages=False)
            self._subscription.subscribe(CHANNEL)
        message = self._subscription.get_message(timeout=timeout_s)
        if message is None:
            return Heard((), anew=False)
        if message["type"] == "subscribe":  # also after redis-py has connected again by itself
            return Heard((), anew=True)
        return Heard((message["data"].decode(),) if message["type"] == "message" else (), anew=False)

    def _let_go(self) -> None:
        if self._subscription is not None:
            self._subscription.close()
        self._subscription = None
