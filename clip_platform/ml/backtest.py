"""How good a recipe would have been: trained on older videos, judged by the newest fifth, which it has never seen.

The judge's label is always `engagement`, whatever was learned, so that recipes can be compared. All held-out clips are
viewers' choice among clips that somebody published: figures tell recipes apart, they do not promote a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from clip_platform.errors import TooFewExamples
from clip_platform.ml.calibration import TOP_SHARE, weighted_slope
from clip_platform.ml.concordance import mean_tau, pair_sums
from clip_platform.ml.examples import Examples
from clip_platform.ml.labels import VARIANTS, Labels, engagement_labels
from clip_platform.ml.model import EngagementModel, train
from clip_platform.ml.recipe import Recipe
from clip_platform.ml.split import split_by_time_and_video

BINS = 8
LEAST_TENANT_CLIPS = 30
_CURVE = (0.25, 0.5, 0.75, 1.0)
_MOST_CURVE_CLIPS = 20_000


@dataclass(frozen=True, slots=True)
class Backtest:
    """A model and clips it has not seen; arrays are (n,) over `held`.

    Attributes:
        raw: the model's raw scores.
        chance: to be in the top third, as the model said.
        truth: what the clips turned out to be worth, `engagement`.
        learned: the same by the recipe's own label, which intervals and chances are about.
        metrics: numbers by name, the same to the digit for the same examples, seed and recipe.
    """

    model: EngagementModel
    held: Examples
    raw: np.ndarray
    chance: np.ndarray
    truth: Labels
    learned: Labels
    metrics: Mapping[str, float]

    @property
    def is_top(self) -> np.ndarray:
        """(n,) bool."""
        return self.learned.value > np.quantile(self.learned.value, 1 - TOP_SHARE)

    @property
    def expected(self) -> np.ndarray:
        """(n,) labels as the calibration expects them."""
        return self.model.calibration.level + self.model.calibration.slope * self.raw

    @property
    def covered(self) -> np.ndarray:
        """(n,) bool; the label lies in the interval."""
        low, high = self.model.calibration.label_interval(self.raw)
        return (low <= self.learned.value) & (self.learned.value <= high)


@dataclass(frozen=True, slots=True)
class Reliability:
    """(bins,) each, of equally many clips: the mean chance told, the share that came true, and how many clips."""

    told: np.ndarray
    came_true: np.ndarray
    clips: np.ndarray

    @property
    def error(self) -> float:
        """Expected calibration error, 0 .. 1."""
        return float(np.average(np.abs(self.told - self.came_true), weights=self.clips))


@dataclass(frozen=True, slots=True)
class TenantFigures:
    """`coverage` of the interval; taus are within videos, NaN where no video has two clips."""

    tenant: str
    clips: int
    videos: int
    tau: float
    heuristic_tau: float
    coverage: float
    has_own_part: bool


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """`clips` to learn from, and the tau within held-out videos that they gave."""

    clips: int
    tau: float


def backtest(examples: Examples, *, seed: int, recipe: Recipe) -> Backtest:
    """
    Raises:
        TooFewExamples: too little to learn from or to judge by.
        FeatureMismatch, LeakedTarget: as `train`.
    """
    older, held = _apart(examples)
    model = train(older, as_of=held.made_on.min(), seed=seed, version="backtest", recipe=recipe)
    watched = examples.where(examples.watched)
    rows = np.isin(watched.video, held.video)
    truth, learned = (
        Labels(labels.value[rows], labels.weight[rows])
        for labels in (engagement_labels(watched), engagement_labels(watched, VARIANTS[recipe.label]))
    )
    raw = model.raw(held.features, held.tenant, held.heuristic)
    found = Backtest(model, held, raw, model.calibration.top_chance(raw), truth, learned, {})
    return Backtest(model, held, raw, found.chance, truth, learned, _metrics(found))


def reliability(chance: np.ndarray, is_top: np.ndarray, bins: int = BINS) -> Reliability:
    """Clips in order of their chance, cut into bins of equally many; fewer bins where chances are alike."""
    edges = np.unique(np.quantile(chance, np.linspace(0, 1, bins + 1)[1:-1]))
    index = np.searchsorted(edges, chance, side="right")
    counts = np.bincount(index, minlength=len(edges) + 1)
    kept = counts > 0
    told, came_true = (np.bincount(index, values, len(edges) + 1)[kept] / counts[kept] for values in (chance, is_top))
    return Reliability(told, came_true, counts[kept])


def by_tenant(test: Backtest) -> list[TenantFigures]:
    """The most held-out clips first."""
    names, counts = np.unique(test.held.tenant, return_counts=True)
    return [_of_tenant(test, str(name)) for name in names[np.lexsort((names, -counts))]]


def learning_curve(examples: Examples, *, seed: int, recipe: Recipe) -> list[CurvePoint]:
    """Models of a quarter, half, three quarters and all of the older videos, by chance; at most 20,000 watched clips.

    A size that is too small to learn from is left out.
    """
    older, held = _apart(examples)
    truth = _truth_of(examples, held)
    videos = np.random.default_rng([seed, 5]).permutation(np.unique(older.video))
    found = []
    for share in _CURVE:
        some = older.where(np.isin(older.video, videos[: int(share * len(videos))]))
        if int(some.watched.sum()) > _MOST_CURVE_CLIPS:
            break
        try:
            model = train(some, as_of=held.made_on.min(), seed=seed, version="curve", recipe=recipe)
        except TooFewExamples:
            continue
        raw = model.raw(held.features, held.tenant, held.heuristic)
        found.append(CurvePoint(int(model.facts["watched_clips"]), mean_tau(raw, truth, held.video)))
    return found


def video_taus(score: np.ndarray, truth: np.ndarray, video: np.ndarray) -> np.ndarray:
    """(videos,) Kendall's tau of each video of at least two clips, in the order of video."""
    sums = pair_sums(score, truth, video)
    several = sums.all > 0
    return sums.right[several] / sums.all[several]


def _apart(examples: Examples) -> tuple[Examples, Examples]:
    """Everything made before the newest fifth of watched clips, and that fifth."""
    watched = examples.where(examples.watched)
    held = watched.where(split_by_time_and_video(watched.made_on, watched.video).held_out)
    return examples.where((examples.made_on < held.made_on.min()) & ~np.isin(examples.video, held.video)), held


def _truth_of(examples: Examples, held: Examples) -> np.ndarray:
    watched = examples.where(examples.watched)
    return engagement_labels(watched).value[np.isin(watched.video, held.video)]


def _metrics(test: Backtest) -> Mapping[str, float]:
    held, truth = test.held, test.truth.value
    tau, heuristic_tau = (mean_tau(score, truth, held.video) for score in (test.raw, held.heuristic))
    enough = [one.coverage for one in by_tenant(test) if one.clips >= LEAST_TENANT_CLIPS]
    return {
        "tau": tau,
        "heuristic_tau": heuristic_tau,
        "tau_gain": tau - heuristic_tau,
        "coverage": float(test.covered.mean()),
        "worst_tenant_coverage": min(enough, default=float(test.covered.mean())),
        "calibration_error": reliability(test.chance, test.is_top).error,
        "calibration_slope": calibration_slope(test.expected, test.learned),
        "top_third_found": _top_third_found(test),
        "held_out_clips": len(held),
        "held_out_videos": len(np.unique(held.video)),
        "watched_clips": test.model.facts["watched_clips"],
    }


def calibration_slope(expected: np.ndarray, labels: Labels) -> float:
    """Of the weighted regression of labels on what was expected: 1 is right, less is over-confident."""
    return weighted_slope(expected, labels.value, labels.weight)


def _top_third_found(test: Backtest) -> float:
    """Share of the third ranked highest that is in the true top third; a third by chance."""
    ranked = test.raw > np.quantile(test.raw, 1 - TOP_SHARE)
    return float(test.is_top[ranked].mean()) if ranked.any() else 0.0


def _of_tenant(test: Backtest, tenant: str) -> TenantFigures:
    ours = test.held.tenant == tenant
    video, truth = test.held.video[ours], test.truth.value[ours]
    tau, heuristic_tau = (mean_tau(score[ours], truth, video) for score in (test.raw, test.held.heuristic))
    videos, covered = len(np.unique(video)), float(test.covered[ours].mean())
    own = tenant in test.model.heads.tenant_parts
    return TenantFigures(tenant, int(ours.sum()), videos, tau, heuristic_tau, covered, own)
