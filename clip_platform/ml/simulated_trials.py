"""A model trained in a simulated world and the weeks after it, in which it and another show half of the videos each."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import date
from typing import TypeVar

import numpy as np

from clip_platform.ml.examples import Examples
from clip_platform.ml.gates import Arm, arm_of
from clip_platform.ml.model import EngagementModel, train
from clip_platform.ml.simulate import START, Clips, Drift, Outcomes, World, examples_of, make_clips, show
from clip_platform.ml.split import MATURITY_DAYS

LEARNED_DAYS = 120
"""Days of clips that models learn from; they are trained a week and a day later."""
BEGIN = LEARNED_DAYS + MATURITY_DAYS + 1
LEAST_WATCHED_A_VIDEO = 3.3
"""Clips of a video that anybody watches, less than in most worlds."""
EXPLORATION_SHARE = 0.1
Rows = TypeVar("Rows", Clips, Outcomes)


def day(number: float) -> date:
    found: date = (START + np.timedelta64(int(number), "D")).item()
    return found


def past(world: World, videos: int, seed: int) -> Examples:
    """What is known on day `BEGIN` of clips that the heuristic showed."""
    clips = make_clips(world, videos, seed, days=(0, LEARNED_DAYS))
    return examples_of(clips, show(world, clips, seed), as_of=BEGIN, seed=seed)


def trained(examples: Examples, *, seed: int, version: str) -> EngagementModel:
    return train(examples, as_of=START + np.timedelta64(BEGIN, "D"), seed=seed, version=version)


def tenant_names(tenant: np.ndarray) -> np.ndarray:
    """As `examples_of` names them."""
    return np.char.add("t", np.char.zfill(tenant.astype(str), 4))


def past_of(world: World, watched_clips: int, seed: int) -> Examples:
    """Of as many videos as it takes to have so many clips that anybody watched."""
    return some(past(world, int(np.ceil(watched_clips / LEAST_WATCHED_A_VIDEO)), seed), watched_clips, seed)


def some(examples: Examples, watched_clips: int, seed: int) -> Examples:
    """Videos by chance until they have so many watched clips, or all."""
    videos, index = np.unique(examples.video, return_inverse=True)
    order = np.random.default_rng([seed, 5]).permutation(len(videos))
    watched = np.bincount(index, examples.watched)[order].cumsum()
    taken = order[: int(np.searchsorted(watched, watched_clips)) + 1]
    return examples.where(np.isin(index, taken))


@dataclass(frozen=True, slots=True)
class Weeks:
    """Clips made from day `BEGIN` on, all of them, what both models say of each, and what becomes of them."""

    clips: Clips
    outcomes: Outcomes
    champion: np.ndarray
    challenger: np.ndarray

    def known_on(self, today: int, rows: np.ndarray) -> Examples:
        """Those rows by what had come in on that day."""
        return examples_of(_only(self.clips, rows), _only(self.outcomes, rows), as_of=today, seed=today)


def weeks(
    world: World,
    champion: EngagementModel | None,
    challenger: EngagementModel,
    *,
    videos: int,
    days: int,
    seed: int,
    drift: Drift | None = None,
    promoted_on: float = np.inf,
) -> Weeks:
    """From `BEGIN` for so many days; from day `promoted_on` on the challenger shows all that is not explored.

    Args:
        champion: None is the heuristic.
    """
    clips = make_clips(world, videos, seed, days=(BEGIN, BEGIN + days), drift=drift)
    tenant = tenant_names(clips.tenant)
    new = challenger.raw(clips.features, tenant, clips.heuristic)
    old = clips.heuristic if champion is None else champion.raw(clips.features, tenant, clips.heuristic)
    arms = np.array([_arm(clips, video, challenger) for video in range(int(clips.video[-1]) + 1)])[clips.video]
    by_old, by_new = (
        show(world, clips, seed, policy=lambda *_, scores=scores: scores, explored=arms == "explore")
        for scores in (old, new)
    )
    is_new = (arms == "challenger") | (clips.day >= promoted_on)
    mixed = {
        one.name: np.where(is_new, getattr(by_new, one.name), getattr(by_old, one.name)) for one in fields(Outcomes)
    }
    return Weeks(clips, Outcomes(**mixed), old, new)


def _arm(clips: Clips, video: int, challenger: EngagementModel) -> Arm:
    return arm_of(f"{clips.names}{video:07}", challenger.version, EXPLORATION_SHARE)


def _only(columns: Rows, rows: np.ndarray) -> Rows:
    arrays = {one.name: getattr(columns, one.name) for one in fields(columns)}
    return replace(columns, **{name: value[rows] for name, value in arrays.items() if isinstance(value, np.ndarray)})
