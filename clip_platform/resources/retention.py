"""What the retention sensor may do: find across tenants what is due, and carry it out in each tenant's name."""

from typing import TYPE_CHECKING

import dagster as dg

from clip_platform.resources.connections import DatabaseResource, ObjectStoreResource

if TYPE_CHECKING:
    from clip_platform.database.retention import DoomedVideo


class RetentionResource(dg.ConfigurableResource):
    """`default_days`: how long videos are kept where a tenant says nothing, None for ever; `notice_days`: how long
    before its end a tenant is told."""

    sensors_database: dg.ResourceDependency[DatabaseResource]
    database: dg.ResourceDependency[DatabaseResource]
    object_store: dg.ResourceDependency[ObjectStoreResource]
    default_days: int | None = None
    notice_days: int = 7

    def date(self) -> int:
        """Dates finished videos; how many there were."""
        from clip_platform.database import retention

        due = retention.to_date(self.sensors_database.get(), self.default_days)
        for video in due:
            retention.date(self.database.get(), video, self.default_days, self.notice_days)
        return len(due)

    def announce(self) -> int:
        """Tells tenants of videos whose end is near; how many were told."""
        from clip_platform.database import retention

        due = retention.expiring(self.sensors_database.get(), self.notice_days)
        return sum(retention.announce(self.database.get(), video) for video in due)

    def doomed(self) -> list["DoomedVideo"]:
        """Videos to delete now, taken out of sight; no attempt at one of them can write any more."""
        from clip_platform.database import retention

        due = retention.to_delete(self.sensors_database.get())
        return [video for video in due if retention.mark(self.database.get(), video)]

    def erase_bytes(self, video: "DoomedVideo") -> None:
        """Removes everything stored for the video."""
        store = self.object_store.get(self.database.get())
        store.delete_prefix(f"{video.tenant_id}/videos/{video.video_id}")

    def forget(self, video: "DoomedVideo") -> None:
        """Removes its rows; last, so that a crash before leaves it to be found again."""
        from clip_platform.database import retention

        retention.forget(self.database.get(), video)
