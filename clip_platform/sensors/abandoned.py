"""Notices runs whose process is gone, and videos whose run was lost before it began."""

import dagster as dg

from clip_platform.resources.backlog import BacklogResource
from clip_platform.resources.videos import VideosResource
from clip_platform.sensors.endings import end_dead_runs, end_run

_INTERVAL_S = 15
_MAY_COME = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dg.sensor(
    minimum_interval_seconds=_INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ends runs whose lease has lapsed, frees their slots, and submits their videos again.",
)
def abandoned_runs(
    context: dg.SensorEvaluationContext, backlog: BacklogResource, videos: VideosResource
) -> dg.SkipReason:
    end_dead_runs(context.instance)
    lapsed = backlog.lapsed()
    for lease in lapsed:
        end_run(context.instance, lease.run_id, f"process {lease.holder.pid} stopped renewing its lease")
        videos.abandon(lease.video_id, lease.run_id, "its process died; the lease lapsed")
    videos.resubmit(backlog.failed())
    lost = [one.video_id for one in backlog.untaken() if not _has_run(context.instance, one.video_id)]
    backlog.give_back(lost)
    return dg.SkipReason(f"{len(lapsed)} lapsed, {len(lost)} lost")


def _has_run(instance: dg.DagsterInstance, video_id: str) -> bool:
    return bool(instance.get_runs(dg.RunsFilter(tags={"dagster/partition": video_id}, statuses=_MAY_COME), limit=1))
