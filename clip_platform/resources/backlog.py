"""What sensors may see of the videos: ids, tenants and states, through a database role that can read nothing else."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from clip_platform.resources.connections import DatabaseResource

if TYPE_CHECKING:
    from clip_platform.database.backlog import EditedVideo, WaitingVideo
    from clip_platform.database.leases import Lease
    from clip_platform.database.recovery import FailedVideo


_RUN_IN_SIGHT_S = 60.0
"""An admitted video's run is known to Dagster, or a command works on it, well within this time."""


class BacklogResource(dg.ConfigurableResource):
    """`slots`: how many videos may be in flight at once; `slots_of_a_tenant`: of one tenant without a quota of its own,
    None for as many as there are."""

    database: dg.ResourceDependency[DatabaseResource]
    slots: int
    slots_of_a_tenant: int | None = None

    def take(self) -> list["WaitingVideo"]:
        """Videos that fit into free slots, round-robin over tenants, oldest first; not yet marked as admitted."""
        from clip_platform.database import backlog

        database = self.database.get()
        free = self.slots - backlog.in_flight(database)
        return backlog.submitted(database, free, self.slots_of_a_tenant) if free > 0 else []

    def admit(self, video_ids: Sequence[str]) -> list[str]:
        """Those of the videos that were still waiting, now admitted."""
        from clip_platform.database import backlog

        return backlog.admit(self.database.get(), video_ids)

    def edited(self) -> list["EditedVideo"]:
        """Complete videos with edits to render that fit into free slots; not yet marked as admitted."""
        from clip_platform.database import backlog

        database = self.database.get()
        free = self.slots - backlog.in_flight(database)
        return backlog.edited(database, free) if free > 0 else []

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
