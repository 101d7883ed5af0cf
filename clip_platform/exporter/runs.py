"""Dagster's runs and steps as Prometheus metrics: what runs and waits now, and how long what has ended took."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

if TYPE_CHECKING:
    from collections.abc import Collection

    from dagster import DagsterInstance, DagsterRunStatus, RunRecord

_SECONDS = (1, 3, 10, 30, 60, 180, 600, 1800, 3600, 10800)
_MOST_ACTIVE = 2000
_OF_RUNS = ("dagster_job", "status")
"""Not `job`: that is what Prometheus calls the scrape a figure comes from."""
_OVERLAP = timedelta(seconds=30)
"""Looked at again, since a run's record may be seen after one that ended later."""


class RunMetrics:
    """Runs that ended before the first look are not counted: Prometheus adds increases up itself.

    Args:
        gpu_stages: steps that hold a GPU.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        instance: DagsterInstance,
        gpu_stages: Collection[str],
        now: datetime | None = None,
    ) -> None:
        self._instance, self._gpu_stages = instance, frozenset(gpu_stages)
        self._since = now or datetime.now(UTC)
        self._counted: dict[str, datetime] = {}
        self._active = Gauge("clip_platform_runs", "Runs that have not ended.", _OF_RUNS, registry=registry)
        self._oldest = Gauge(
            "clip_platform_runs_oldest_seconds",
            "Since the oldest of them was made.",
            _OF_RUNS,
            registry=registry,
        )
        self._runs = Histogram(
            "clip_platform_run_seconds",
            "Runs from start to end.",
            _OF_RUNS,
            buckets=_SECONDS,
            registry=registry,
        )
        self._steps = Histogram(
            "clip_platform_step_seconds",
            "Steps from start to end.",
            ("stage", "status"),
            buckets=_SECONDS,
            registry=registry,
        )
        self._gpu = Counter("clip_platform_gpu_seconds", "Seconds steps held a GPU.", ("stage",), registry=registry)

    def look(self) -> None:
        """Raises what Dagster's storage raises; nothing is counted twice, and nothing is lost."""
        self._count_ended()
        self._show_active()

    def _count_ended(self) -> None:
        import dagster as dg

        filters = dg.RunsFilter(statuses=_ended(), updated_after=self._since - _OVERLAP)
        records = self._instance.get_run_records(filters, order_by="update_timestamp", ascending=True)
        for record in records:
            if record.dagster_run.run_id not in self._counted:
                self._count(record)
        if records:
            self._since = max(self._since, records[-1].update_timestamp)
        self._counted = {run: at for run, at in self._counted.items() if at >= self._since - 2 * _OVERLAP}

    def _count(self, record: RunRecord) -> None:
        run = record.dagster_run
        stats = self._instance.get_run_step_stats(run.run_id)
        if record.start_time and record.end_time:
            self._runs.labels(run.job_name, run.status.value.lower()).observe(record.end_time - record.start_time)
        for step in stats:
            if step.start_time and step.end_time and step.status:
                spent = step.end_time - step.start_time
                self._steps.labels(step.step_key, step.status.value.lower()).observe(spent)
                if step.step_key in self._gpu_stages:
                    self._gpu.labels(step.step_key).inc(spent)
        self._counted[run.run_id] = record.update_timestamp

    def _show_active(self) -> None:
        import dagster as dg

        records = self._instance.get_run_records(dg.RunsFilter(statuses=_active()), limit=_MOST_ACTIVE)
        found: dict[tuple[str, str], list[float]] = {}
        for record in records:
            run = record.dagster_run
            age_s = time.time() - record.create_timestamp.timestamp()
            found.setdefault((run.job_name, run.status.value.lower()), []).append(age_s)
        self._active.clear()
        self._oldest.clear()
        for labels, ages in found.items():
            self._active.labels(*labels).set(len(ages))
            self._oldest.labels(*labels).set(max(ages))


def _ended() -> list[DagsterRunStatus]:
    from dagster import DagsterRunStatus as Status

    return [Status.SUCCESS, Status.FAILURE, Status.CANCELED]


def _active() -> list[DagsterRunStatus]:
    from dagster import DagsterRunStatus as Status

    return [Status.QUEUED, Status.NOT_STARTED, Status.STARTING, Status.STARTED, Status.CANCELING]
