"""How well the score that is served ranks, by how many clips there were to learn from, and whether intervals hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clip_platform.errors import TooFewExamples
from clip_platform.ml.concordance import mean_tau
from clip_platform.ml.examples import Examples
from clip_platform.ml.labels import engagement_labels
from clip_platform.ml.model import EngagementModel
from clip_platform.ml.simulate import World, examples_of, make_clips, make_world, show
from clip_platform.ml.simulated_trials import BEGIN, EXPLORATION_SHARE, past_of, some, tenant_names, trained

SIZES = (100, 300, 1000, 3000, 10_000)
FRESH_VIDEOS = 300


@dataclass(frozen=True, slots=True)
class Ranked:
    """Kendall's tau with the hidden utility within fresh videos: of what is `served`, of the heuristic, and of all that
    features can tell (`oracle`). `coverage` is NaN where the heuristic served."""

    seed: int
    clips: int
    served: float
    heuristic: float
    oracle: float
    coverage: float


def ranked(seed: int, sizes: tuple[int, ...] = SIZES) -> tuple[Ranked, ...]:
    """In one world, for each number of watched clips; fewer are some of more."""
    world = make_world(seed)
    examples = past_of(world, max(sizes), 4 * seed + 1)
    return tuple(_of_size(world, some(examples, size, seed), seed, size) for size in sizes)


def _of_size(world: World, examples: Examples, seed: int, size: int) -> Ranked:
    fresh = make_clips(world, FRESH_VIDEOS, 4 * seed + 2, days=(BEGIN, BEGIN + 30))
    heuristic, oracle = (mean_tau(score, fresh.utility, fresh.video) for score in (fresh.heuristic, fresh.visible))
    try:
        model = trained(examples, seed=seed, version=str(size))
    except TooFewExamples:
        return Ranked(seed, size, heuristic, heuristic, oracle, float("nan"))
    raw = model.raw(fresh.features, tenant_names(fresh.tenant), fresh.heuristic)
    shown = show(world, fresh, 4 * seed + 2, policy=lambda *_: raw, explored=EXPLORATION_SHARE)
    served = mean_tau(raw, fresh.utility, fresh.video)
    return Ranked(seed, size, served, heuristic, oracle, _coverage(model, examples_of(fresh, shown, as_of=BEGIN + 40)))


def _coverage(model: EngagementModel, examples: Examples) -> float:
    """Share of labels of clips that the model itself showed that lie within their intervals."""
    seen = examples.where(examples.watched)
    low, high = model.calibration.label_interval(model.raw(seen.features, seen.tenant, seen.heuristic))
    label = engagement_labels(seen).value
    return float(np.mean((low <= label) & (label <= high)))
