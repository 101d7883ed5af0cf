"""Ending a run that nobody works on any more: the default launcher has no health check, so Dagster would wait on."""

from __future__ import annotations

import dagster as dg

_OVER = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


def end_run(instance: dg.DagsterInstance, run_id: str, reason: str) -> bool:
    """Reports the run as failed and frees the pool slots it holds; False when it was over or is unknown."""
    run = instance.get_run_by_id(run_id)
    if run is None or run.status in _OVER:
        return False
    instance.report_run_failed(run, f"ended from outside: {reason}")
    instance.event_log_storage.free_concurrency_slots_for_run(run_id)
    return True
