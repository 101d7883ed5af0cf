"""The learning loop over simulated months on the real path: rows, assets, MLflow, gates, champion, archive.

A week at a time: videos are made and shown by whoever serves, reports come in day by day, then the same jobs run that
the schedules start. The truth, which only a simulation knows, tells how well what was shown was ranked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import dagster as dg
import numpy as np

from clip_platform.evaluation.simulated_platform import SimulatedPlatform
from clip_platform.jobs import judge_models, learn_daily, rescore_archive, train_model
from clip_platform.ml.concordance import mean_tau
from clip_platform.ml.simulate import Clips, Drift, make_clips
from clip_platform.resources.learning_days import REACH_DAYS
from clip_platform.sensors.learning import range_tags


@dataclass(frozen=True, slots=True)
class Week:
    """What a week brought. Taus are within videos, against the hidden worth; `champion` served in it, None for the
    heuristic; `judged` is the challenger of the judgement on its last day, `end`, which did `action` for `reason`."""

    number: int
    end: date
    videos: int
    clips: int
    reports: int
    tau: float
    heuristic_tau: float
    champion: str | None
    challenger: str | None
    judged: str | None
    training: str
    action: str
    reason: str
    rescored: int


def simulate_months(
    platform: SimulatedPlatform,
    *,
    weeks: int,
    videos_a_week: int,
    seed: int,
    drift: Drift | None = None,
) -> Iterator[Week]:
    """A week as soon as it is over."""

    past, models = platform.past, platform.models
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
        run_job(platform, learn_daily.name, range_tags(max(past.first_day, end - timedelta(days=REACH_DAYS + 7)), end))
        trained = run_job(platform, train_model.name, config=_config("engagement_model", as_of=str(end), seed=seed))
        judged = _facts(run_job(platform, judge_models.name, config=_judging(end)), "champion")
        rescored = 0
        if judged["action"].startswith("promoted"):
            done = run_job(platform, rescore_archive.name, range_tags(past.first_day, end))
            rescored = int(_facts(done, "rescored_clips").get("clips", 0))
        yield _week(number, end, clips, scores, reports, serving, trained, judged, rescored)


def run_job(
    platform: SimulatedPlatform, job: str, tags: dict[str, str] | None = None, config: dict[str, Any] | None = None
) -> dg.ExecuteInProcessResult:
    """In this process and on the platform's own instance, so that its UI shows the run."""
    quiet = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
    resolved = platform.definitions.resolve_job_def(job)
    return resolved.execute_in_process(
        instance=platform.instance, tags=tags, run_config={**quiet, **(config or {})}, raise_on_error=True
    )


def _week(
    number: int,
    end: date,
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
        end=end,
        videos=int(clips.video[-1]) + 1,
        clips=len(clips),
        reports=reports,
        tau=mean_tau(scores, clips.utility, clips.video),
        heuristic_tau=mean_tau(clips.heuristic, clips.utility, clips.video),
        champion=None if serving.champion is None else serving.champion.version,
        challenger=None if serving.challenger is None else serving.challenger.version,
        judged=None if judged["challenger"] == "none" else str(judged["challenger"]),
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
