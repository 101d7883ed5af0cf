"""How many requests a token, a tenant and a stranger may make: in this process's memory, or in Redis for all."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.storage import RedisStorage
from limits.strategies import RateLimiter, SlidingWindowCounterRateLimiter

from clip_platform.api.principals import Principal
from clip_platform.api.window_counts import WindowCounts
from clip_platform.errors import InvalidSetting, RateLimited
from clip_platform.settings import Settings

_REFUSED_TOKENS = "30/minute"
"""Of one address: nobody needs to be wrong more often."""
_WITHOUT_REDIS_S = 10.0
_REDIS_TIMEOUT_S = 0.25
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """What a request has used up. `headers` as in draft-ietf-httpapi-ratelimit-headers; `wait_s` is None when it may
    go on."""

    headers: Mapping[str, str]
    wait_s: int | None
    limit: str

    def expect_allowed(self) -> None:
        """
        Raises:
            RateLimited: with the time to wait.
        """
        if self.wait_s is not None:
            raise RateLimited(
                f"more requests came than {self.limit}; wait {self.wait_s} s, and then send fewer at once",
                retry_after_s=self.wait_s,
            )


class RateLimits:
    """
    Raises:
        InvalidSetting: a limit is not written as `600/minute`.
    """

    def __init__(self, settings: Settings) -> None:
        self._policies = {
            "token": _parsed(settings.rate_limit_per_token),
            "tenant": _parsed(settings.rate_limit_per_tenant),
        }
        self._refused = parse(_REFUSED_TOKENS)
        redis_url = settings.redis_url
        self._limiter = _Limiter(None if redis_url is None else redis_url.get_secret_value())

    def take(self, principal: Principal) -> Taken:
        """Counts one request of whoever makes it."""
        names = {"token": principal.actor, "tenant": principal.tenant_id}
        shown, waits = [], []
        for policy, item in self._policies.items():
            allowed, left, reset_s = self._limiter.hit(item, policy, names[policy])
            shown.append(f'"{policy}";r={left};t={reset_s}')
            if not allowed:
                waits.append((max(1, reset_s), f"{item.amount} in {item.get_expiry()} s for each {policy}"))
        wait_s, limit = max(waits, default=(None, ""))
        return Taken({"RateLimit-Policy": self._said, "RateLimit": ", ".join(shown)}, wait_s, limit)

    def refuse(self, address: str) -> None:
        """Counts a token that was not valid, by the address it came from.

        Raises:
            RateLimited: there were too many.
        """
        allowed, _, reset_s = self._limiter.hit(self._refused, "refused", address)
        if not allowed:
            wait_s = max(1, reset_s)
            raise RateLimited(f"too many tokens were not valid; wait {wait_s} s", retry_after_s=wait_s)

    @property
    def _said(self) -> str:
        return ", ".join(f'"{name}";q={item.amount};w={item.get_expiry()}' for name, item in self._policies.items())


class _Limiter:
    """Redis where it is configured and answers; while it does not, this process's memory. A limit is no reason to be
    down."""

    def __init__(self, redis_url: str | None) -> None:
        self._memory: RateLimiter = SlidingWindowCounterRateLimiter(WindowCounts())
        self._redis_url = redis_url
        self._redis: RateLimiter | None = None
        self._again_at = 0.0
        self._lock = threading.Lock()

    def hit(self, item: RateLimitItem, *names: str) -> tuple[bool, int, int]:
        """Whether it is allowed, how many are left, and seconds until all of them are back."""
        if self._redis_url is not None and time.monotonic() >= self._again_at:
            try:
                return _hit(self._connected(self._redis_url), item, names)
            except StorageError as error:
                self._again_at = time.monotonic() + _WITHOUT_REDIS_S
                _log.warning("Redis does not answer; rates are limited per process", extra={"error": str(error)})
        return _hit(self._memory, item, names)

    def _connected(self, url: str) -> RateLimiter:
        with self._lock:
            if self._redis is None:
                storage = RedisStorage(
                    url,
                    wrap_exceptions=True,
                    key_prefix="clip-platform",
                    socket_timeout=_REDIS_TIMEOUT_S,
                    socket_connect_timeout=_REDIS_TIMEOUT_S,
                )
                self._redis = SlidingWindowCounterRateLimiter(storage)
            return self._redis


def _hit(limiter: RateLimiter, item: RateLimitItem, names: tuple[str, ...]) -> tuple[bool, int, int]:
    allowed = limiter.hit(item, *names)
    window = limiter.get_window_stats(item, *names)
    return allowed, max(0, int(window.remaining)), max(0, math.ceil(window.reset_time - time.time()))


def _parsed(limit: str) -> RateLimitItem:
    try:
        item = parse(limit)
    except ValueError as error:
        raise InvalidSetting(f"rate limit {limit!r} cannot be read; write 600/minute") from error
    if item.amount < 1:
        raise InvalidSetting(f"rate limit {limit!r} lets nobody in; write 600/minute")
    return item
