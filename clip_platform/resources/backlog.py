"""What sensors may see of the videos: ids, tenants and states, through a database role that can read nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from clip_platform.database import backlog, leases
from clip_platform.database.backlog import WaitingVideo
from clip_platform.resources.connections import database_at


class BacklogResource(dg.ConfigurableResource):  # type: ignore[misc]
    """`slots`: how many videos may be in flight at once. `database_url` is a secret and has no default."""

    database_url: str
    slots: int

    def take(self) -> list[WaitingVideo]:
        """Videos that fit into free slots, round-robin over tenants, oldest first; not yet marked as admitted."""
        database = database_at(self.database_url)
        free = self.slots - backlog.in_flight(database)
        return backlog.submitted(database, free) if free > 0 else []

    def admit(self, video_ids: Sequence[str]) -> None:
        backlog.admit(database_at(self.database_url), video_ids)

    def requeue_failed(self) -> list[str]:
        """Submits again what failed for a passing reason; ids of those."""
        return backlog.requeue_failed(database_at(self.database_url))

    def lapsed(self) -> list[leases.LapsedLease]:
        """Videos whose run stopped renewing its lease."""
        return leases.lapsed(database_at(self.database_url))

    def abandon(self, video_id: str, run_id: str, reason: str) -> None:
        """Records that a run died without a word."""
        backlog.abandon(database_at(self.database_url), video_id, run_id, reason)
