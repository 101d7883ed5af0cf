"""Notices runs whose process is gone: their lease lapsed while Dagster still believes in them."""

import dagster as dg

from clip_platform.resources.backlog import BacklogResource
from clip_platform.resources.videos import VideosResource
from clip_platform.sensors.endings import end_run

_INTERVAL_S = 15


@dg.sensor(
    minimum_interval_seconds=_INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ends runs whose lease has lapsed, frees their slots, and submits their videos again.",
)
def abandoned_runs(
    context: dg.SensorEvaluationContext, backlog: BacklogResource, videos: VideosResource
) -> dg.SkipReason:
    lapsed = backlog.lapsed()
    for lease in lapsed:
        end_run(context.instance, lease.run_id, f"process {lease.holder.pid} stopped renewing its lease")
        videos.abandon(lease.video_id, lease.run_id, "its process died; the lease lapsed")
    videos.resubmit(backlog.failed())
    return dg.SkipReason(f"{len(lapsed)} lapsed")
