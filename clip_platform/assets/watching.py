"""How the model that serves is doing, each figure a check with its plot over time. An alarm asks for a training, never
for a promotion."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg

from clip_platform import compute
from clip_platform.assets import pictures
from clip_platform.assets.failures import as_dagster_failure
from clip_platform.assets.learning import GROUP, OWNERS, training_examples
from clip_platform.assets.training import JudgementConfig
from clip_platform.errors import ClipPlatformError, TooFewExamples
from clip_platform.resources.learning import LearningResource
from clip_platform.resources.models import ModelsResource
from clip_platform.resources.watching import model_health as health_of

if TYPE_CHECKING:
    from clip_platform.resources.watching import Health

CHECKS = {
    "input drift": "Largest population stability index of a feature, ten days against those before the training.",
    "concept drift": "Largest |z| of a feature's correlation with what the model leaves unexplained.",
    "calibration slope": "Labels gained for each label expected, of mature clips of three weeks.",
    "tenant coverage": "Share of clips within their interval, of the tenant with the least; four fifths are promised.",
    "fallbacks": "Share of scores that the heuristic gave although a model serves.",
    "feedback freshness": "Days since anybody reported anything.",
}
ASKS_FOR_TRAINING = "asks_for_training"


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    deps=[training_examples],
    pool=compute.CPU_POOL,
    op_tags=compute.CPU,
    kinds={"python"},
    code_version="1",
    check_specs=[
        dg.AssetCheckSpec(name.replace(" ", "_"), asset="model_health", description=said)
        for name, said in CHECKS.items()
    ],
    description="Drift, calibration, the worst tenant, fallbacks and freshness of the last three weeks.",
)
def model_health(
    context: dg.AssetExecutionContext, config: JudgementConfig, learning: LearningResource, models: ModelsResource
) -> dg.MaterializeResult:
    try:
        health = health_of(learning, models.registry(), config.day())
    except TooFewExamples as error:
        return _nothing_to_watch(error.message)
    except ClipPlatformError as error:
        raise as_dagster_failure(error) from error
    if health is None:
        return _nothing_to_watch("the heuristic serves; there is no model to watch")
    for alarm in health.alarms:
        context.log.warning("%s: %s", alarm.name, alarm.evidence)
    return dg.MaterializeResult(
        metadata={
            "model": health.version,
            ASKS_FOR_TRAINING: health.asks_for_training,
            "alarms": [alarm.evidence for alarm in health.alarms],
            "clips": health.days[-1].clips,
        },
        check_results=list(_checks(health)),
    )


def _nothing_to_watch(why: str) -> dg.MaterializeResult:
    results = [dg.AssetCheckResult(check_name=name.replace(" ", "_"), passed=True, description=why) for name in CHECKS]
    return dg.MaterializeResult(metadata={"status": why, ASKS_FOR_TRAINING: False}, check_results=results)


def _checks(health: "Health") -> Iterator[dg.AssetCheckResult]:
    found = {alarm.name: alarm for alarm in health.alarms}
    for name in CHECKS:
        alarm = found.get(name)
        value = health.values[name]
        yield dg.AssetCheckResult(
            check_name=name.replace(" ", "_"),
            passed=alarm is None,
            severity=dg.AssetCheckSeverity.WARN,
            description=alarm.evidence if alarm else "within its limits",
            metadata={
                **({"value": value} if math.isfinite(value) else {}),
                "over time": pictures.image(health.figures[name], name),
            },
        )
