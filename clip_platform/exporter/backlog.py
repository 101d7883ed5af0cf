"""What waits in Postgres, as Prometheus metrics."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Gauge

from clip_platform.database.backlog_counts import BacklogCounts, WaitingVideos, count_backlog
from clip_platform.database.connection import Database

MOST_TENANTS = 50
"""With a label of their own: those whose oldest video waits longest. The others are counted as tenant `others`."""
OTHERS = "others"


class BacklogMetrics:
    """Gauges of the newest look; `look` raises what the database raises, and leaves them as they were."""

    def __init__(self, registry: CollectorRegistry, database: Database) -> None:
        self._database = database
        labels = ("tenant", "state")
        self._videos = Gauge(
            "clip_platform_videos", "Videos that are to go on by themselves.", labels, registry=registry
        )
        self._oldest = Gauge(
            "clip_platform_videos_oldest_seconds",
            "Since the video that waits longest came into its state.",
            labels,
            registry=registry,
        )
        self._dead = Gauge("clip_platform_dead_letters", "Videos given up.", ("error_class",), registry=registry)
        self._plain = {
            name: Gauge(f"clip_platform_{name}", said, registry=registry)
            for name, said in (
                ("webhook_deliveries_due", "Deliveries that should have been tried by now."),
                ("webhook_lag_seconds", "How long the oldest of them has been due."),
                ("events_undispatched", "Events nobody was told of yet."),
                ("events_lag_seconds", "Age of the oldest of them."),
                ("erasures_open", "Accounts that are closed and not erased yet."),
                ("erasures_overdue", "Of them past the day that was promised."),
                ("upload_sessions_open", "Uploads under way."),
                ("upload_sessions_expired", "Of them past their time, to be cleaned up."),
                ("database_seconds", "How long the last look at the backlog took."),
            )
        }

    def look(self) -> None:
        began = time.perf_counter()
        counts = count_backlog(self._database)
        self._show(counts, time.perf_counter() - began)

    def _show(self, counts: BacklogCounts, spent_s: float) -> None:
        self._videos.clear()
        self._oldest.clear()
        for tenant, state, count, oldest_s in merged(counts.videos):
            self._videos.labels(tenant, state).set(count)
            self._oldest.labels(tenant, state).set(oldest_s)
        self._dead.clear()
        for error_class, count in counts.dead_letters:
            self._dead.labels(error_class or "unknown").set(count)
        for name, value in (
            ("webhook_deliveries_due", counts.deliveries),
            ("webhook_lag_seconds", counts.delivery_lag_s),
            ("events_undispatched", counts.events),
            ("events_lag_seconds", counts.event_lag_s),
            ("erasures_open", counts.erasures),
            ("erasures_overdue", counts.overdue_erasures),
            ("upload_sessions_open", counts.upload_sessions),
            ("upload_sessions_expired", counts.expired_sessions),
            ("database_seconds", spent_s),
        ):
            self._plain[name].set(value)


def merged(videos: Sequence[WaitingVideos]) -> list[WaitingVideos]:
    """All but `MOST_TENANTS` tenants as one."""
    longest: dict[str, float] = defaultdict(float)
    for one in videos:
        longest[one.tenant_id] = max(longest[one.tenant_id], one.oldest_s)
    named = set(sorted(longest, key=lambda tenant: -longest[tenant])[:MOST_TENANTS])
    kept = [one for one in videos if one.tenant_id in named]
    rest: dict[str, tuple[int, float]] = {}
    for one in videos:
        if one.tenant_id not in named:
            count, oldest_s = rest.get(one.state, (0, 0.0))
            rest[one.state] = (count + one.videos, max(oldest_s, one.oldest_s))
    return [*kept, *(WaitingVideos(OTHERS, state, count, oldest) for state, (count, oldest) in sorted(rest.items()))]
