"""Notices runs that failed: a run that died without recording why is recorded, a passing failure is submitted again."""

import dagster as dg

from clip_platform.jobs import process_video, rerender_clips
from clip_platform.resources.backlog import BacklogResource
from clip_platform.resources.videos import VideosResource
from clip_platform.sensors.endings import free_slots
from clip_platform.sensors.uploads import ATTEMPT_TAG


@dg.run_failure_sensor(
    monitored_jobs=[process_video, rerender_clips],
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Writes the failure of a run that could not do so itself, and resubmits what may succeed.",
)
def failed_runs(context: dg.RunFailureSensorContext, backlog: BacklogResource, videos: VideosResource) -> dg.SkipReason:
    run = context.dagster_run
    reason = context.failure_event.message or "the run failed without a message"
    free_slots(context.instance, run.run_id)
    if run.tags.get("dagster/partition"):
        attempt = run.tags.get(ATTEMPT_TAG)
        videos.abandon(run.tags["dagster/partition"], run.run_id, reason, int(attempt) if attempt else None)
    resubmitted = videos.resubmit(backlog.failed())
    return dg.SkipReason(f"recorded {run.run_id}; submitted again: {', '.join(resubmitted) or 'none'}")
