"""Named selections of assets that people and sensors run.

Their steps happen where the settings say (see `definitions`); a job of one small op happens in its run's own process.
"""

import dagster as dg

from clip_platform import partitions
from clip_platform.assets import clips, delivery, media, rendering, rescoring, speech, training, vision, watching
from clip_platform.assets import learning as daily
from clip_platform.resources.learning import LearningResource
from clip_platform.resources.models import ModelsResource
from clip_platform.resources.videos import VideosResource

LEARNING = (
    *daily.LEARNING,
    training.engagement_model,
    training.champion,
    watching.model_health,
    rescoring.rescored_clips,
)
_BY_BACKLOG = {"dagster/max_retries": "0"}
"""The backlog in Postgres decides whether a video is tried again, and Dagster does not."""
STEPS = (media.media, speech.speech, vision.vision, clips.clips, rendering.rendering, delivery.delivery)

process_video = dg.define_asset_job(
    name="process_video",
    # objects, never strings: NeMo pins an antlr4 that breaks Dagster's selection parser
    selection=dg.AssetSelection.assets(*STEPS),
    tags=_BY_BACKLOG,
    description="One uploaded video from its bytes to published clips.",
)

rerender_clips = dg.define_asset_job(
    name="rerender_clips",
    selection=dg.AssetSelection.assets(rendering.rendering, delivery.delivery),
    tags={**_BY_BACKLOG, "dagster/priority": "5"},  # a person waits for it
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


learn_daily = dg.define_asset_job(
    name="learn_daily",
    selection=dg.AssetSelection.assets(*daily.LEARNING),
    description="Feedback, features and examples of a range of days.",
)
train_model = dg.define_asset_job(
    name="train_model",
    selection=dg.AssetSelection.assets(training.engagement_model),
    description="Trains and registers a model; it serves nobody yet.",
)
judge_models = dg.define_asset_job(
    name="judge_models",
    selection=dg.AssetSelection.assets(training.champion, watching.model_health),
    description="Judges the challenger by the gates: promoted, dropped, or it goes on; then looks how the model does.",
)
rescore_archive = dg.define_asset_job(
    name="rescore_archive",
    selection=dg.AssetSelection.assets(rescoring.rescored_clips),
    description="Scores the clips of a range of days by the model that serves.",
)


class RollBackConfig(dg.Config):
    """`reason` is kept in the history."""

    reason: str


@dg.op(description="What served before serves again, and tenants see its scores again at once.")
def roll_back(
    context: dg.OpExecutionContext, config: RollBackConfig, models: ModelsResource, learning: LearningResource
) -> None:
    from clip_platform.resources.training import roll_back_model

    change = roll_back_model(models.registry(), learning, reason=config.reason, by=f"dagster run {context.run_id[:8]}")
    context.log.info("%s serves again, in place of %s", change.version or "the heuristic", change.replaced)


@dg.job(executor_def=dg.in_process_executor, description="Goes back to the model that served before.")
def roll_back_model() -> None:
    roll_back()
