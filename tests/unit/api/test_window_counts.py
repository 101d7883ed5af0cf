"""Counting in memory: the sliding window's arithmetic, many threads at once, and what is forgotten."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from limits import parse
from limits.strategies import SlidingWindowCounterRateLimiter

from clip_platform.api.window_counts import WindowCounts


@dataclass
class Clock:
    now: float = 600.0

    def __call__(self) -> float:
        return self.now


def allowed(counts: WindowCounts, times: int, key: str = "a") -> int:
    return sum(counts.acquire_sliding_window_entry(key, 10, 60) for _ in range(times))


def test_no_more_than_the_limit_fit_into_a_window_and_keys_do_not_share_it():
    counts = WindowCounts(Clock())

    assert allowed(counts, 12) == 10
    assert allowed(counts, 3, "b") == 3


def test_the_window_before_counts_by_the_part_that_is_still_covered():
    clock = Clock()
    counts = WindowCounts(clock)
    allowed(counts, 10)

    clock.now = 600 + 60 + 45  # a quarter of it: floor(2.5) of 10

    assert counts.get_sliding_window("a", 60) == (10, 15.0, 0, 75.0)
    assert allowed(counts, 12) == 8


def test_two_windows_later_nothing_counts():
    clock = Clock()
    counts = WindowCounts(clock)
    allowed(counts, 10)

    clock.now += 120

    assert allowed(counts, 12) == 10


def test_keys_that_come_no_more_are_forgotten():
    clock = Clock()
    counts = WindowCounts(clock)
    for number in range(100):
        allowed(counts, 1, f"stranger {number}")

    clock.now += 121
    allowed(counts, 1)

    assert counts.keys == 1


def test_a_cleared_key_begins_anew():
    counts = WindowCounts(Clock())
    limiter, item = SlidingWindowCounterRateLimiter(counts), parse("3/minute")
    assert [limiter.hit(item, "a") for _ in range(4)] == [True, True, True, False]

    limiter.clear(item, "a")
    counts.clear_sliding_window(item.key_for("a"), 60)

    assert limiter.hit(item, "a")
    assert limiter.get_window_stats(item, "a").remaining == 2


def test_any_number_of_threads_count_exactly_and_none_fails():
    counts = WindowCounts(Clock())
    started = threading.Barrier(16)

    def ask(_: int) -> int:
        started.wait()
        return sum(counts.acquire_sliding_window_entry("a", 1000, 60) for _ in range(200))

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(ask, range(16))) == 1000
