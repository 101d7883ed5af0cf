"""The learning loop over simulated months on the real path: rows, assets, MLflow, gates, champion, archive.

A week at a time: videos are made and shown by whoever serves, reports come in day by day, then the same jobs run that
the schedules start. The truth, which only a simulation knows, tells how well what was shown was ranked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import dagster as dg
import numpy as np

from clip_platform.evaluation.simulated_past import SimulatedPast
from clip_platform.jobs import judge_models, learn_daily, rescore_archive, train_model
from clip_platform.ml.concordance import mean_tau
from clip_platform.ml.simulate import Clips, Drift, make_clips
from clip_platform.resources.learning_days import REACH_DAYS
from clip_platform.resources.models import ModelsResource
from clip_platform.sensors.learning import range_tags

RunJob = Callable[..., dg.ExecuteInProcessResult]


@dataclass(frozen=True, slots=True)
class Week:
    """What a week brought. Taus are within videos, against the hidden worth; `champion` served in it, None for the
    heuristic; `action` is what the judgement at its end did, `reason` why."""

    number: int
    videos: int
    clips: int
    reports: int
    tau: float
    heuristic_tau: float
    champion: str | None
    challenger: str | None
    training: str
    action: str
    reason: str
    rescored: int


def simulate_months(
    past: SimulatedPast,
    models: ModelsResource,
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    *,
    weeks: int,
    videos_a_week: int,
    seed: int,
    drift: Drift | None = None,
) -> Iterator[Week]:
    """A week as soon as it is over."""

    def run(job: str, tags: dict[str, str] | None = None, config: dict[str, Any] | None = None) -> Any:
        resolved = definitions.resolve_job_def(job)
        quiet = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
        return resolved.execute_in_process(
            instance=instance, tags=tags, run_config={**quiet, **(config or {})}, raise_on_error=True
        )

    past.begin()
    for number in range(weeks):
        serving = models.serving(is_expected=True)
        clips = make_clips(
            past.world, videos_a_week, seed * 1000 + number, days=(7.0 * number, 7.0 * number + 7), drift=drift
        )
        scores = past.make(clips, seed * 1000 + number, serving)
        days = [past.first_day + timedelta(days=7 * number + n) for n in range(7)]
        reports = sum(past.report(day) for day in days)
        end = days[-1]
        run(learn_daily.name, range_tags(max(past.first_day, end - timedelta(days=REACH_DAYS + 7)), end))
        trained = run(train_model.name, config=_config("engagement_model", as_of=str(end), seed=seed))
        judged = _facts(run(judge_models.name, config=_judging(end)), "champion")
        rescored = 0
        if judged["action"].startswith("promoted"):
            done = run(rescore_archive.name, range_tags(past.first_day, end))
            rescored = int(_facts(done, "rescored_clips").get("clips", 0))
        yield _week(number, clips, scores, reports, serving, trained, judged, rescored)


def _week(
    number: int,
    clips: Clips,
    scores: np.ndarray,
    reports: int,
    serving: Any,
    trained: dg.ExecuteInProcessResult,
    judged: dict[str, Any],
    rescored: int,
) -> Week:
    return Week(
        number=number,
        videos=int(clips.video[-1]) + 1,
        clips=len(clips),
        reports=reports,
        tau=mean_tau(scores, clips.utility, clips.video),
        heuristic_tau=mean_tau(clips.heuristic, clips.utility, clips.video),
        champion=None if serving.champion is None else serving.champion.version,
        challenger=None if serving.challenger is None else serving.challenger.version,
        training=str(_facts(trained, "engagement_model")["status"]),
        action=str(judged["action"]),
        reason=str(judged["reason"]),
        rescored=rescored,
    )


def _config(asset: str, **values: Any) -> dict[str, Any]:
    return {"ops": {asset: {"config": values}}}


def _judging(today: date) -> dict[str, Any]:
    return {"ops": {name: {"config": {"today": str(today)}} for name in ("champion", "model_health")}}


def _facts(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    found = result.asset_materializations_for_node(asset)[0].metadata
    return {name: value.value for name, value in found.items()}


def first_day(weeks: int, today: date) -> date:
    """So that the last week ended yesterday."""
    return today - timedelta(days=7 * weeks)
