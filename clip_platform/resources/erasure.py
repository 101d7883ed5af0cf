"""What the erasure sensor may do: find accounts that are closed, across tenants, and write down in each tenant's name
what it has done."""

from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg

from clip_platform.resources.connections import DatabaseResource

if TYPE_CHECKING:
    from clip_platform.database.erasure import DueErasure, Step


class ErasureResource(dg.ConfigurableResource):
    """`settle_minutes`: what was under way when an account was halted is over after so long."""

    sensors_database: dg.ResourceDependency[DatabaseResource]
    database: dg.ResourceDependency[DatabaseResource]
    settle_minutes: float = 15.0

    def due(self) -> "tuple[Step, DueErasure] | None":
        """The account that has waited longest, and which of the pipeline's steps it waits for."""
        from clip_platform.database.erasure import Step, due_for

        database, settled = self.sensors_database.get(), timedelta(minutes=self.settle_minutes)
        first = due_for(database, Step.PIPELINE, after=Step.HALT)
        if first:
            return Step.PIPELINE, first[0]
        again = due_for(database, Step.PIPELINE_CHECK, after=Step.ROWS, settled=settled)
        return (Step.PIPELINE_CHECK, again[0]) if again else None

    def ids(self, account: "DueErasure") -> set[str]:
        """Of its videos and runs, and of whatever else of it has an id."""
        from clip_platform.database import erasure

        return erasure.ids(self.database.get(), account.tenant_id, account.request_id)

    def remember(self, account: "DueErasure", ids: set[str]) -> None:
        """Ids that only Dagster knew."""
        from clip_platform.database import erasure

        erasure.add_ids(self.database.get(), account.tenant_id, account.request_id, ids)

    def removed(self, account: "DueErasure", step: "Step", **counts: int) -> None:
        from clip_platform.database import erasure

        erasure.add(self.database.get(), account.tenant_id, account.request_id, step, counts)

    def done(self, account: "DueErasure", step: "Step") -> None:
        from clip_platform.database import erasure

        erasure.done(self.database.get(), account.tenant_id, account.request_id, step)
