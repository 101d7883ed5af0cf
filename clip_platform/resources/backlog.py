"""What sensors may see of the videos: ids, tenants and states, through a database role that can read nothing else."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import dagster as dg

from clip_platform.resources.connections import DatabaseResource

if TYPE_CHECKING:
    from clip_platform.database.backlog import EditedVideo, WaitingVideo
    from clip_platform.database.connection import Database
    from clip_platform.database.leases import Lease
    from clip_platform.database.recovery import FailedVideo

T = TypeVar("T")

_LOOKS_AGAIN_S = 0.5
_RUN_IN_SIGHT_S = 60.0
"""An admitted video's run is known to Dagster, or a command works on it, well within this time."""


class BacklogResource(dg.ConfigurableResource):
    """`slots`: how many videos may be in flight at once; `slots_of_a_tenant`: of one tenant without a quota of its own,
    None for as many as there are. `watched_s`: how long a look that finds nothing to start goes on looking; Dagster
    ticks every 5 s only, and a video that comes in between need not wait for the next tick."""

    database: dg.ResourceDependency[DatabaseResource]
    slots: int
    slots_of_a_tenant: int | None = None
    watched_s: float = 0.0

    def take(self) -> list["WaitingVideo"]:
        """Videos that fit into free slots, round-robin over tenants, oldest first; not yet marked as admitted."""
        from clip_platform.database import backlog

        return self._watched(lambda database, free: backlog.submitted(database, free, self.slots_of_a_tenant))

    def admit(self, video_ids: Sequence[str]) -> list[str]:
        """Those of the videos that were still waiting, now admitted."""
        from clip_platform.database import backlog

        return backlog.admit(self.database.get(), video_ids)

    def edited(self) -> list["EditedVideo"]:
        """Complete videos with edits to render that fit into free slots; not yet marked as admitted."""
        from clip_platform.database import backlog

        return self._watched(backlog.edited)

    def admit_edited(self, video_ids: Sequence[str]) -> list[str]:
        """Those of the videos that were still to be rendered, now admitted."""
        from clip_platform.database import backlog

        return backlog.admit_edited(self.database.get(), video_ids)

    def failed(self) -> list["FailedVideo"]:
        """Videos that failed for a reason that may pass."""
        from clip_platform.database import recovery

        return recovery.failed(self.database.get())

    def untaken(self) -> list["WaitingVideo"]:
        """Videos admitted a while ago that no run works on."""
        from clip_platform.database import backlog

        return backlog.untaken(self.database.get(), _RUN_IN_SIGHT_S)

    def give_back(self, video_ids: Sequence[str]) -> None:
        """Admitted videos wait again."""
        from clip_platform.database import backlog

        backlog.give_back(self.database.get(), video_ids)

    def lapsed(self) -> list["Lease"]:
        """Videos whose run stopped renewing its lease."""
        from clip_platform.database import leases

        return leases.lapsed(self.database.get())

    def _watched(self, found: Callable[["Database", int], list[T]]) -> list[T]:
        """What is found for the free slots, as soon as there is any."""
        from clip_platform.database import backlog

        database, until = self.database.get(), time.monotonic() + self.watched_s
        while True:
            free = self.slots - backlog.in_flight(database)
            some = found(database, free) if free > 0 else []
            if some or time.monotonic() + _LOOKS_AGAIN_S > until:
                return some
            time.sleep(_LOOKS_AGAIN_S)
