"""What keeps the learning loop going: nightly runs, a weekly training, and a backfill when another model serves."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from clip_platform.assets.watching import ASKS_FOR_TRAINING
from clip_platform.errors import ClipPlatformError
from clip_platform.jobs import judge_models, learn_daily, rescore_archive, train_model
from clip_platform.resources.learning import LearningResource
from clip_platform.resources.learning_days import REACH_DAYS
from clip_platform.resources.models import ModelsResource
from clip_platform.resources.rescoring import RESETTLED_DAYS, ranges_left, ranges_to_score
from clip_platform.resources.training import show_again

LOW_PRIORITY = "-10"
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
_INTERVAL_S = 60


def range_tags(first: date, last: date) -> dict[str, str]:
    return {RANGE_START: first.isoformat(), RANGE_END: last.isoformat()}


@dg.schedule(
    job=learn_daily,
    cron_schedule="20 0 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Yesterday's feedback and features, and the examples that it changes.",
)
def nightly_learning(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    today = context.scheduled_execution_time.date()
    yesterday = today - timedelta(days=1)
    yield dg.RunRequest(run_key=f"{today}", tags=range_tags(yesterday - timedelta(days=REACH_DAYS), yesterday))


@dg.schedule(
    job=rescore_archive,
    cron_schedule="20 2 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Clips of the last days by the model that serves, and of earlier ones where some have no score of it.",
)
def nightly_rescoring(context: dg.ScheduleEvaluationContext, learning: LearningResource) -> Iterator[dg.RunRequest]:
    today = context.scheduled_execution_time.date()
    last = today - timedelta(days=RESETTLED_DAYS)
    for first, end in ((last, today), *ranges_left(learning, last - timedelta(days=1))):
        tags = {**range_tags(first, end), "dagster/priority": LOW_PRIORITY}
        yield dg.RunRequest(run_key=f"{today}/{first}", tags=tags)


weekly_training = dg.ScheduleDefinition(
    name="weekly_training",
    job=train_model,
    cron_schedule="20 3 * * 1",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="A model of all that is mature by now; it is tried beside the champion before it serves.",
)
daily_judgement = dg.ScheduleDefinition(
    name="daily_judgement",
    job=judge_models,
    cron_schedule="20 4 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="The challenger against the gates.",
)


@dg.asset_sensor(
    asset_key=dg.AssetKey("model_health"),
    job=train_model,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Trains anew when the model that serves has gone stale; at most once a day, and it promotes nothing.",
)
def stale_model(_context: dg.SensorEvaluationContext, event: dg.EventLogEntry) -> dg.RunRequest | dg.SkipReason:
    made = event.asset_materialization
    asked = None if made is None else made.metadata.get(ASKS_FOR_TRAINING)  # none where people report it by hand
    asks = asked is not None and bool(asked.value)
    day = datetime.fromtimestamp(event.timestamp, UTC).date()
    return dg.RunRequest(run_key=f"stale {day}") if asks else dg.SkipReason("the model is within its limits")


@dg.sensor(
    job=rescore_archive,
    minimum_interval_seconds=_INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Scores the whole archive anew when another model serves; after a rollback shows the scores of before.",
)
def changed_champion(
    context: dg.SensorEvaluationContext, learning: LearningResource, models: ModelsResource
) -> dg.SensorResult | dg.SkipReason:
    try:
        registry = models.registry()
        history = registry.history()
        version = registry.aliases().get("champion")
    except ClipPlatformError as error:
        return dg.SkipReason(f"{error.error_class}: {error.message}")
    if not history:
        return dg.SkipReason("nothing was promoted yet, the heuristic serves")
    change = f"{version or 'heuristic'} since {history[0].at.isoformat()}"
    if change == context.cursor:
        return dg.SkipReason(f"model {change}")
    if history[0].action == "rollback":
        show_again(learning, version)
    ranges = [] if version is None else ranges_to_score(learning)  # after a rollback: of clips made meanwhile
    requests = [
        dg.RunRequest(run_key=f"{change}/{first}", tags={**range_tags(first, last), "dagster/priority": LOW_PRIORITY})
        for first, last in ranges
    ]
    return dg.SensorResult(cursor=change, run_requests=requests)
