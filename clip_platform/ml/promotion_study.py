"""How often the gates promote: challengers that are no better, and such that are.

In every world models are trained and judged week by week by the gates themselves, on clips that both showed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clip_platform.ml import gates
from clip_platform.ml.concordance import mean_tau
from clip_platform.ml.examples import Examples
from clip_platform.ml.gates import Fresh, GateResult, Trial
from clip_platform.ml.labels import engagement_labels
from clip_platform.ml.model import EngagementModel
from clip_platform.ml.simulate import World, make_world
from clip_platform.ml.simulated_trials import BEGIN, Weeks, day, past_of, some, trained, weeks
from clip_platform.ml.split import MATURITY_DAYS, matured

VIDEOS_A_WEEK = 100
SMALL, LARGE = 1000, 8000
"""Watched clips that models learn from."""
WITHIN_VIDEOS = 800
REAL_GAIN = 0.07
NULL, FIRST, GROWN = "null", "first model", "grown model"


@dataclass(frozen=True, slots=True)
class Judged:
    """A challenger's fate.

    Attributes:
        gain: how much its Kendall's tau with the hidden utility is above the champion's, within videos.
        videos: made since the shadow test began, when it was decided.
        gate: the last one tried.
    """

    seed: int
    kind: str
    gain: float
    promoted: bool
    videos: int
    gate: str


def null_challenger(seed: int) -> Judged:
    """The champion's data, another seed of the learner; until the shadow test is over."""
    world, examples = _begun(seed, SMALL)
    champion, challenger = (trained(examples, seed=2 * seed + k, version=f"{seed}-{k}") for k in (0, 1))
    most = int(gates.MOST_SHADOW_VIDEOS / 0.85)
    return _judged(NULL, seed, world, champion, challenger, most)


def first_model(seed: int) -> Judged:
    """A first model of 1,000 clips against the heuristic."""
    world, examples = _begun(seed, SMALL)
    return _judged(FIRST, seed, world, None, trained(examples, seed=seed, version=f"{seed}-0"), WITHIN_VIDEOS)


def grown_model(seed: int) -> Judged:
    """A model of 8,000 clips against one of 1,000."""
    world, examples = _begun(seed, LARGE)
    champion = trained(some(examples, SMALL, seed), seed=seed, version=f"{seed}-0")
    challenger = trained(examples, seed=seed, version=f"{seed}-1")
    return _judged(GROWN, seed, world, champion, challenger, WITHIN_VIDEOS)


def _begun(seed: int, watched_clips: int) -> tuple[World, Examples]:
    world = make_world(seed)
    return world, past_of(world, watched_clips, 4 * seed + 1)


def _judged(
    kind: str,
    seed: int,
    world: World,
    champion: EngagementModel | None,
    challenger: EngagementModel,
    videos: int,
) -> Judged:
    days = 7 * int(np.ceil(videos / VIDEOS_A_WEEK))
    shown = weeks(world, champion, challenger, videos=videos, days=days, seed=4 * seed + 2)
    clips = shown.clips
    gain = mean_tau(shown.challenger, clips.utility, clips.video) - mean_tau(shown.champion, clips.utility, clips.video)
    result, today = judged_weekly(champion, challenger, shown, days + MATURITY_DAYS)
    made = len(np.unique(clips.video[clips.day <= today]))
    return Judged(seed, kind, gain, result.passed, made, result.name)


def judged_weekly(
    champion: EngagementModel | None, challenger: EngagementModel, shown: Weeks, days: int
) -> tuple[GateResult, int]:
    """The last gate's result and the day of it: as soon as all pass or one fails, or when the days are over."""
    features = shown.clips.features
    for result in (
        gates.digest_and_parity(challenger, features[:500]),
        gates.behaviour(challenger, features[-2000:]),
    ):
        if not result.passed:
            return result, BEGIN
    for today in range(BEGIN + 7, BEGIN + days + 1, 7):
        result = _look(champion, challenger, shown, today)
        if result.outcome != "waiting":
            break
    return result, today


def _look(champion: EngagementModel | None, challenger: EngagementModel, shown: Weeks, today: int) -> GateResult:
    """As `gates.judge`, without the gates that look at the model alone, whose scores are known."""
    rows = np.flatnonzero((shown.clips.day < today) & (shown.outcomes.impressions > 0))
    examples = shown.known_on(today, rows)
    trial = Trial(challenger, champion, examples, day(BEGIN - 1), day(BEGIN), day(today))
    mature = matured(examples.made_on, np.datetime64(trial.today, "D")) & examples.watched
    seen = examples.where(mature)
    fresh = Fresh(seen, engagement_labels(seen), shown.challenger[rows][mature], shown.champion[rows][mature])
    tried = (
        lambda: gates.enough_data(trial),
        lambda: gates.offline(trial, fresh),
        lambda: gates.shadow(trial, fresh),
        lambda: gates.calibration(trial, fresh),
        lambda: gates.tenants(fresh),
    )
    for gate in tried:
        result = gate()
        if not result.passed:
            break
    return result
