"""How the model that serves is doing, measured anew for each of the last days, so that nothing has to be remembered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from clip_platform.resources.learning_days import all_examples
from clip_platform.resources.training import LEARNED_UNTIL

if TYPE_CHECKING:
    from clip_platform.ml.monitoring import Alarm, DriftDay
    from clip_platform.resources.learning import LearningResource
    from clip_platform.resources.model_registry import ModelRegistry

HISTORY_DAYS = 21


@dataclass(frozen=True, slots=True)
class Health:
    """`days`, oldest first; `alarms` are those of the last one. `values` (NaN: too little to measure) and
    `figures` (PNG, over time) by the name of the check."""

    version: str
    days: tuple[DriftDay, ...]
    alarms: tuple[Alarm, ...]
    values: Mapping[str, float]
    figures: Mapping[str, bytes]

    @property
    def asks_for_training(self) -> bool:
        return any(alarm.retrain for alarm in self.alarms)


def model_health(learning: LearningResource, registry: ModelRegistry, today: date) -> Health | None:
    """None where the heuristic serves: it has learned nothing that could go stale.

    Raises:
        TooFewExamples: too few videos before the model's training to know what is usual.
    """
    import numpy as np

    from clip_platform.ml.drift import input_reference
    from clip_platform.ml.monitoring import alarms, watch_day

    found = registry.load_champion()
    if found is None:
        return None
    learned_until = date.fromisoformat(registry.describe(found.version).tags[LEARNED_UNTIL])
    examples = all_examples(learning, until=today)
    reference = input_reference(examples, learned_until)
    raw = found.model.raw(examples.features, examples.tenant, examples.heuristic)
    last_report, served = _rows(learning, today)
    days = []
    for ago in range(HISTORY_DAYS - 1, -1, -1):
        day = today - timedelta(days=ago)
        known = examples.made_on <= np.datetime64(day, "D")
        days.append(
            watch_day(
                day,
                found.model,
                reference,
                examples.where(known),
                learned_until=learned_until,
                served_by=served.get(day, ()),
                last_report=last_report(day),
                raw=raw[known],
            )
        )
    series = _series(days)
    values = {name: one.values[-1] for name, one in series.items()}
    return Health(found.version, tuple(days), alarms(days), values, _figures(days, series))


def _rows(
    learning: LearningResource, today: date
) -> tuple[Callable[[date], date | None], Mapping[date, tuple[str, ...]]]:
    """The day of the newest report by a day, and by day the models that scored its clips."""
    from clip_platform.database import learning as rows

    door = learning.rows()
    reported = [one.day for one in rows.busy_days(door) if one.feedback]
    days = [today - timedelta(days=ago) for ago in range(HISTORY_DAYS)]
    served = {day: tuple(clip.model for clip in rows.clips_made(door, day)) for day in days}
    return lambda day: max((one for one in reported if one <= day), default=None), served


@dataclass(frozen=True, slots=True)
class _Series:
    """A check's figure, one a day, what it must stay within, and what it is."""

    values: list[float]
    limits: list[float]
    said: str


def _figures(days: list[DriftDay], series: Mapping[str, _Series]) -> Mapping[str, bytes]:
    from clip_platform.ml import plots

    dates = [one.day.isoformat() for one in days]
    return {name: plots.over_time(dates, one.values, one.limits, name, one.said) for name, one in series.items()}


def _series(days: list[DriftDay]) -> Mapping[str, _Series]:
    from clip_platform.ml import monitoring
    from clip_platform.ml.gates import SLOPE_RANGE

    input_name, concept_name = days[-1].most_drifted_input[0], days[-1].most_drifted_concept[0]
    return {
        "input drift": _Series(
            [one.most_drifted_input[1] for one in days], [monitoring.LARGEST_PSI], f"largest PSI, now {input_name}",
        ),
        "concept drift": _Series(
            [abs(one.most_drifted_concept[1]) for one in days],
            [monitoring.LARGEST_Z],
            f"largest |z|, now {concept_name}",
        ),
        "calibration slope": _Series([one.slope for one in days], list(SLOPE_RANGE), "labels a label expected"),
        "tenant coverage": _Series(
            [one.worst_coverage for one in days],
            [monitoring.LEAST_TENANT_COVERAGE],
            f"worst, now {days[-1].worst_tenant}",
        ),
        "fallbacks": _Series(
            [one.fallback_share for one in days], [monitoring.LARGEST_FALLBACK_SHARE], "share of scores"
        ),
        "feedback freshness": _Series(
            [one.silence_days for one in days], [monitoring.LARGEST_SILENCE_DAYS], "days since the last report",
        ),
    }  # fmt: skip
