"""Notices videos that wait, registers their partitions, requests their runs."""

import dagster as dg

from clip_platform.jobs import process_video
from clip_platform.partitions import videos
from clip_platform.resources.backlog import BacklogResource

TENANT_TAG = "clip-platform/tenant"
ATTEMPT_TAG = "clip-platform/attempt"
NAME_TAG = "clip-platform/video"
_INTERVAL_S = 1  # at every turn of the daemon, which is every 5 s; with 5 here every other turn comes too early


@dg.sensor(
    job=process_video,
    minimum_interval_seconds=_INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts one run for each submitted video that fits into a free slot.",
)
def finished_uploads(backlog: BacklogResource) -> dg.SensorResult | dg.SkipReason:
    waiting = backlog.take()
    if not waiting:
        return dg.SkipReason("no video waits, or no slot is free")
    admitted = set(backlog.admit([video.video_id for video in waiting]))
    waiting = [video for video in waiting if video.video_id in admitted]
    return dg.SensorResult(
        # Dagster drops a run key it has ever seen, so a resubmitted video needs its attempt in the key
        run_requests=[
            dg.RunRequest(
                run_key=f"{video.video_id}:{video.attempt + 1}",
                partition_key=video.video_id,
                tags={TENANT_TAG: video.tenant_id, ATTEMPT_TAG: str(video.attempt + 1), NAME_TAG: video.name},
            )
            for video in waiting
        ],
        dynamic_partitions_requests=[videos.build_add_request([video.video_id for video in waiting])],
    )
