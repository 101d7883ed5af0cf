"""Notices videos that are past their time, or deleted by their tenant, and removes all there is of them."""

import dagster as dg

from clip_platform.partitions import videos
from clip_platform.resources.retention import RetentionResource
from clip_platform.sensors.endings import end_run

_INTERVAL_S = 30


@dg.sensor(
    minimum_interval_seconds=_INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Dates finished videos, warns before they expire, and deletes bytes, partition and rows of those due.",
)
def expired_videos(context: dg.SensorEvaluationContext, retention: RetentionResource) -> dg.SkipReason:
    dated, announced, doomed = retention.date(), retention.announce(), retention.doomed()
    for video in doomed:
        if video.run_id is not None and end_run(context.instance, video.run_id, "its video was deleted"):
            context.instance.run_launcher.terminate(video.run_id)
        retention.erase_bytes(video)
        # the row goes last: as long as it is there, a tick that was cut off is made up for by the next one
        context.instance.delete_dynamic_partition(str(videos.name), video.video_id)
        retention.forget(video)
    return dg.SkipReason(f"{dated} dated, {announced} announced, {len(doomed)} deleted")
