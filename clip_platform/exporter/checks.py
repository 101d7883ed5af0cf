"""Whether the learning loop's checks pass, as Prometheus metrics: drift, calibration, freshness, gates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge

if TYPE_CHECKING:
    from dagster import AssetCheckKey, DagsterInstance


class CheckMetrics:
    """The newest result of each check; one that never ran has no figure."""

    def __init__(self, registry: CollectorRegistry, instance: DagsterInstance, checks: Sequence[AssetCheckKey]) -> None:
        self._instance, self._checks = instance, list(checks)
        labels = ("asset", "check")
        self._failed = Gauge("clip_platform_check_failed", "1 when the last result failed.", labels, registry=registry)

    def look(self) -> None:
        from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Status

        found = self._instance.event_log_storage.get_latest_asset_check_execution_by_key(self._checks)
        for key, record in found.items():
            if record.status is not Status.PLANNED:
                asset = key.asset_key.to_user_string()
                self._failed.labels(asset, key.name).set(record.status is Status.FAILED)
