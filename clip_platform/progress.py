"""How long work tells how far it is. Functions take an `OnProgress`; who draws or stores it is not known here."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

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
