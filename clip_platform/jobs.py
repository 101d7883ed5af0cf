"""Named selections of assets that people and sensors run."""

import dagster as dg

from clip_platform import partitions
from clip_platform.assets import clips, delivery, media, rendering, speech, vision
from clip_platform.resources.videos import VideosResource

STEPS = (media.media, speech.speech, vision.vision, clips.clips, rendering.rendering, delivery.delivery)

process_video = dg.define_asset_job(
    name="process_video",
    # objects, never strings: NeMo pins an antlr4 that breaks Dagster's selection parser
    selection=dg.AssetSelection.assets(*STEPS),
    executor_def=dg.in_process_executor,
    description="One uploaded video from its bytes to published clips.",
)

rerender_clips = dg.define_asset_job(
    name="rerender_clips",
    selection=dg.AssetSelection.assets(rendering.rendering, delivery.delivery),
    executor_def=dg.in_process_executor,
    description="The clips of one complete video with all that was edited since; what did not change is not rendered.",
)


@dg.op(description="Gives the video of the partition all its chances again; a sensor then starts it.")
def submit_again(context: dg.OpExecutionContext, videos: VideosResource) -> None:
    videos.requeue(context.partition_key)


@dg.job(
    partitions_def=partitions.videos,
    executor_def=dg.in_process_executor,
    description="Submits a failed or dead-lettered video again.",
)
def requeue_video() -> None:
    submit_again()
