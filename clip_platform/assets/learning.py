"""The learning loop's daily tables. Rows and files are `resources.learning_days`'."""

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import dagster as dg

from clip_platform import compute
from clip_platform.assets.failures import as_failures
from clip_platform.partitions import days
from clip_platform.resources.learning import LearningResource
from clip_platform.resources.learning_days import REACH_DAYS, WrittenDay, build_days, take_features, take_feedback

# Backfill policies and mappings of time windows: pinned by version, nothing to whoever runs a command.
warnings.filterwarnings("ignore", message=r"Parameter .* is currently in beta")

GROUP = "learning"
OWNERS = ["team:clip-platform"]

_common: dict[str, Any] = {
    "group_name": GROUP,
    "owners": OWNERS,
    "partitions_def": days,
    "backfill_policy": dg.BackfillPolicy.single_run(),
    "pool": compute.CPU_POOL,
    "op_tags": compute.CPU,
    "kinds": {"parquet"},
    "code_version": "1",
}


def _each_day(context: dg.AssetExecutionContext, write: Callable[[date], WrittenDay]) -> dg.MaterializeResult:
    """One file set a day; a backfill over many days is one run."""
    keys = context.partition_keys
    written = []
    for number, key in enumerate(keys, 1):
        with as_failures():
            written.append(write(date.fromisoformat(key)))
        if number % 10 == 0 or number == len(keys):
            context.log.info("%d of %d days written", number, len(keys))
    return dg.MaterializeResult(metadata=_metadata(written))


def _metadata(written: Sequence[WrittenDay]) -> dict[str, Any]:
    left_out: Counter[str] = Counter()
    for day in written:
        left_out.update(day.left_out)
    lines = [f"| {one.day} | {one.rows} | {one.tenants} | `{one.digest}` |" for one in written[-31:]]
    return {
        "dagster/row_count": sum(one.rows for one in written),
        "tenants": max((one.tenants for one in written), default=0),
        "digest": written[-1].digest if written else "",
        "left_out": dict(left_out),
        "days_not_over": sum(not one.is_over for one in written),
        "days": dg.MetadataValue.md("\n".join(["| day | rows | tenants | digest |", "|---|---|---|---|", *lines])),
    }


@dg.asset(**_common, description="Decisions and counters that came in that UTC day, as tenants reported them.")
def clip_feedback(context: dg.AssetExecutionContext, learning: LearningResource) -> dg.MaterializeResult:
    return _each_day(context, lambda day: take_feedback(learning, day))


@dg.asset(**_common, description="Features of every clip made that UTC day, with its heuristic score and its arm.")
def feature_snapshot(context: dg.AssetExecutionContext, learning: LearningResource) -> dg.MaterializeResult:
    return _each_day(context, lambda day: take_features(learning, day))


@dg.asset(
    **_common,
    deps=[
        feature_snapshot,
        dg.AssetDep(
            clip_feedback,
            partition_mapping=dg.TimeWindowPartitionMapping(
                start_offset=0, end_offset=REACH_DAYS, allow_nonexistent_upstream_partitions=True
            ),
        ),
    ],
    description=f"One example a clip made that UTC day, with what was reported about it within {REACH_DAYS} days.",
)
def training_examples(context: dg.AssetExecutionContext, learning: LearningResource) -> dg.MaterializeResult:
    with as_failures():
        written = build_days(learning, [date.fromisoformat(key) for key in context.partition_keys])
    return dg.MaterializeResult(metadata=_metadata(written))


LEARNING = (clip_feedback, feature_snapshot, training_examples)
