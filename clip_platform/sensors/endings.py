"""Ending runs that nobody works on any more: the default launcher has no health check, so Dagster would wait on, and
a pool slot that a dead run holds would block every other run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from clip_platform.database.leases import Holder

PROCESS_TAG = "clip-platform/process"
"""On runs that a command executes itself: which process that is. Nobody else would notice its death."""

_OVER = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}
_EXECUTING = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
_SEPARATOR = "|"


def process_tag(holder: Holder) -> str:
    return _SEPARATOR.join((str(holder.pid), holder.process_started, holder.host))


def end_run(instance: dg.DagsterInstance, run_id: str, reason: str) -> bool:
    """Reports the run as failed and frees the pool slots it holds; False when it was over or is unknown."""
    run = instance.get_run_by_id(run_id)
    goes_on = run is not None and run.status not in _OVER
    if run is not None and goes_on:
        instance.report_run_failed(run, f"ended from outside: {reason}")
    free_slots(instance, run_id)
    return goes_on


def free_slots(instance: dg.DagsterInstance, run_id: str) -> None:
    """A run whose process was killed keeps its pool slots, also when its launcher has noticed and reported it."""
    instance.event_log_storage.free_concurrency_slots_for_run(run_id)


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Ends runs whose command was killed; their ids."""
    executing = instance.get_runs(dg.RunsFilter(statuses=_EXECUTING))
    dead = [run.run_id for run in executing if _is_dead(run.tags.get(PROCESS_TAG, ""))]
    return [run_id for run_id in dead if end_run(instance, run_id, "its process is gone")]


def _is_dead(tag: str) -> bool:
    if tag.count(_SEPARATOR) < 2:
        return False  # not a command's: its lease tells
    from clip_platform.database import leases

    pid, started, host = tag.split(_SEPARATOR, 2)
    return leases.is_dead(leases.Holder(host, int(pid), started))
