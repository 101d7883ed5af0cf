"""How long work tells how far it is. Functions take an `OnProgress`; who draws or stores it is not known here."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

OnProgress = Callable[[float], None]
"""Called with the share done, 0.0..1.0, not decreasing; cheap to call often."""


def silent(_share: float) -> None:
    """For callers that show nothing."""


def part_of(on_progress: OnProgress, start: float, end: float) -> OnProgress:
    """Maps a sub-task's 0..1 to `start..end` of the whole."""
    return lambda share: on_progress(start + (end - start) * min(max(share, 0.0), 1.0))


def throttled(on_progress: OnProgress, interval_s: float = 0.5) -> OnProgress:
    """Passes on the first report, then at most one per `interval_s`, and always the last one (share >= 1)."""
    last = -math.inf

    def report(share: float) -> None:
        nonlocal last
        now = time.monotonic()
        if share >= 1.0 or now - last >= interval_s:
            last = now
            on_progress(share)

    return report


@contextmanager
def repeated(on_progress: OnProgress, interval_s: float = 5.0) -> Iterator[OnProgress]:
    """Gives a report that is said again, from a thread, whenever nothing was reported for `interval_s`: work that is
    silent for minutes (a model loads) is still known to live.

    What `on_progress` raises in the thread is raised by the next report, or at the end.
    """
    repeater = _Repeater(on_progress, interval_s)
    thread = threading.Thread(target=repeater.run, name="progress", daemon=True)
    thread.start()
    try:
        yield repeater.report
    finally:
        repeater.end()
        thread.join()
    repeater.raise_failure()


class _Repeater:
    def __init__(self, on_progress: OnProgress, interval_s: float) -> None:
        self._on_progress, self._interval_s = on_progress, interval_s
        self._share = 0.0
        self._reported, self._ended = threading.Event(), False
        self._failure: Exception | None = None
        self._speaking = threading.Lock()

    def report(self, share: float) -> None:
        self.raise_failure()
        with self._speaking:
            self._share = share
            self._on_progress(share)
        self._reported.set()

    def run(self) -> None:
        while not self._ended:
            if self._reported.wait(self._interval_s):
                self._reported.clear()
                continue
            try:
                with self._speaking:
                    self._on_progress(self._share)
            except Exception as error:  # noqa: BLE001 - raised where the work is done
                self._failure = error
                return

    def end(self) -> None:
        self._ended = True
        self._reported.set()

    def raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
