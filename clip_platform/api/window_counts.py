"""Counts of requests in this process's memory, for `limits`' sliding window strategy.

`limits.storage.MemoryStorage` begins a thread for almost every request, and two requests that begin it at once fail
("threads can only be started once"); here counting takes one lock and no thread.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from limits.storage import MemoryStorage

_SWEPT_EVERY_S = 60.0


@dataclass(slots=True)
class _Counts:
    """Of one key, in the window `number` (counted from the epoch) and in the one before it."""

    number: int
    expiry_s: int
    current: int = 0
    previous: int = 0

    def move_to(self, number: int) -> None:
        if number != self.number:
            self.previous = self.current if number == self.number + 1 else 0
            self.number, self.current = number, 0


class WindowCounts(MemoryStorage):
    """Its sliding window counters anew, for any number of threads. Times are in seconds.

    Source: https://limits.readthedocs.io, "Sliding Window Counter": the window before counts by the part of it that
    the sliding window still covers.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._clock = clock
        self._counts: dict[str, _Counts] = {}
        self._lock = threading.Lock()
        self._sweep_at = clock() + _SWEPT_EVERY_S

    @property
    def keys(self) -> int:
        """How many are remembered."""
        return len(self._counts)

    def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Counts `amount`, unless that would be more than `limit` in the last `expiry` seconds."""
        now = self._clock()
        with self._lock:
            self._sweep(now)
            counts = self._counts.setdefault(key, _Counts(int(now // expiry), expiry))
            counts.move_to(int(now // expiry))
            weighted = counts.previous * _left_s(now, expiry) / expiry + counts.current
            allowed = math.floor(weighted) + amount <= limit
            if allowed:
                counts.current += amount
        return allowed

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """Count and remaining life of the window before, count and remaining life of the current one."""
        now = self._clock()
        left_s = _left_s(now, expiry)
        with self._lock:
            counts = self._counts.get(key)
            if counts is None:
                return 0, 0.0, 0, left_s + expiry
            counts.move_to(int(now // expiry))
            return counts.previous, left_s if counts.previous else 0.0, counts.current, left_s + expiry

    def clear_sliding_window(self, key: str, expiry: int) -> None:  # noqa: ARG002  the library's signature
        with self._lock:
            self._counts.pop(key, None)

    def _sweep(self, now: float) -> None:
        """Forgets whoever has not come for two windows: keys are tokens, tenants and addresses, without end."""
        if now < self._sweep_at:
            return
        self._sweep_at = now + _SWEPT_EVERY_S
        self._counts = {
            key: counts for key, counts in self._counts.items() if counts.number + 1 >= now // counts.expiry_s
        }


def _left_s(now: float, expiry: int) -> float:
    """Until the current window ends."""
    return expiry - now % expiry
