"""Notices runs whose process is gone: their lease lapsed while Dagster still believes in them."""

from __future__ import annotations

import dagster as dg

from clip_platform.resources.backlog import BacklogResource
from clip_platform.sensors.endings import end_run

_INTERVAL_S = 15


@dg.sensor(
    minimum_interval_seconds=_INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ends runs whose lease has lapsed, frees their slots, and submits their videos again.",
)
def abandoned_runs(context: dg.SensorEvaluationContext, backlog: BacklogResource) -> dg.SkipReason:
    lapsed = backlog.lapsed()
    for lease in lapsed:
        end_run(context.instance, lease.run_id, f"its lease lapsed: {lease.holder}")
        backlog.abandon(lease.video_id, lease.run_id, "its process died; the lease lapsed")
    backlog.requeue_failed()
    return dg.SkipReason(f"{len(lapsed)} lapsed")
