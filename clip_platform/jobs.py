"""Named selections of assets that people and sensors run."""

import dagster as dg

from clip_platform.assets import clips, delivery, media, rendering, speech, vision

STEPS = (media.media, speech.speech, vision.vision, clips.clips, rendering.rendering, delivery.delivery)

process_video = dg.define_asset_job(
    name="process_video",
    # objects, never strings: NeMo pins an antlr4 that breaks Dagster's selection parser
    selection=dg.AssetSelection.assets(*STEPS),
    executor_def=dg.in_process_executor,
    description="One uploaded video from its bytes to published clips.",
)
