"""The archive by the champion's scores, a day at a time."""

from datetime import date

import dagster as dg

from clip_platform import compute
from clip_platform.assets.failures import as_failures
from clip_platform.assets.learning import GROUP, OWNERS, feature_snapshot
from clip_platform.partitions import days
from clip_platform.resources.learning import LearningResource
from clip_platform.resources.models import ModelsResource
from clip_platform.resources.rescoring import rescore

_TOLD_EVERY = 20


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    deps=[feature_snapshot],
    partitions_def=days,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool=compute.CPU_POOL,
    op_tags=compute.CPU,
    kinds={"postgres", "lightgbm"},
    code_version="1",
    description="Scores of the clips made that UTC day by the model that serves; shown when no day is missing.",
)
def rescored_clips(
    context: dg.AssetExecutionContext, learning: LearningResource, models: ModelsResource
) -> dg.MaterializeResult:
    """Days that are there already are skipped, so an interrupted backfill goes on where it stopped."""
    keys = context.partition_keys

    def on_day(done: int) -> None:
        if done % _TOLD_EVERY == 0 or done == len(keys):
            context.log.info("%d of %d days", done, len(keys))

    registry = models.registry()
    with as_failures():
        found = registry.load_champion()
        if found is None:
            return dg.MaterializeResult(
                metadata={"model": "heuristic", "note": "no model serves, nothing to score anew"}
            )
        result = rescore(
            learning,
            found.model,
            [date.fromisoformat(key) for key in keys],
            lambda: registry.aliases().get("champion"),
            on_day,
            kept=registry.aliases().values(),
        )
    return dg.MaterializeResult(
        metadata={
            "model": result.version,
            "days": result.days,
            "days_skipped": result.skipped,
            "clips": result.clips,
            "clips_unknown": result.unknown,
            "shown": "yes" if result.missing is None else result.missing,
            "tenants_flipped": len(result.flips),
            "clips_changed": sum(flip.changed for flip in result.flips),
            "note": found.note or "",
        }
    )
