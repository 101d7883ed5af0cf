"""Notices clips that were edited and requests one run a video for all its edits."""

import dagster as dg

from clip_platform.jobs import rerender_clips
from clip_platform.resources.backlog import BacklogResource
from clip_platform.sensors.uploads import ATTEMPT_TAG, NAME_TAG, TENANT_TAG

_INTERVAL_S = 1  # at every turn of the daemon, which is every 5 s; with 5 here every other turn comes too early


@dg.sensor(
    job=rerender_clips,
    minimum_interval_seconds=_INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts one run for each complete video whose clips were edited, in free slots.",
)
def edited_clips(backlog: BacklogResource) -> dg.SensorResult | dg.SkipReason:
    edited = backlog.edited()
    if not edited:
        return dg.SkipReason("no clip was edited, or no slot is free")
    admitted = set(backlog.admit_edited([video.video_id for video in edited]))
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                run_key=f"{video.video_id}:edit:{video.edit_revision}",
                partition_key=video.video_id,
                tags={TENANT_TAG: video.tenant_id, ATTEMPT_TAG: str(video.attempt + 1), NAME_TAG: video.name},
            )
            for video in edited
            if video.video_id in admitted
        ],
    )
