"""From a model's raw number to what is shown: a score 0-100 with an interval, and a chance to be among the best.

All from one set of mature clips that the model has not learned from. The interval is split conformal (Vovk 2005; Lei
2018): it holds its share of fresh clips whatever the model is like, over all tenants together, while worlds stay alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clip_platform.errors import TooFewExamples

COVERAGE = 0.8
TOP_SHARE = 1 / 3
LEAST_CALIBRATION = 40
_KNOTS = 401
_LEAST_COUNT = 1e-3
_CHANCES = (0.02, 0.98)
BANDS = ("low", "middle", "high")
_BAND_EDGES = (0.22, 0.45)
"""Chances to be in the top third: two thirds of the usual one and less is low, four thirds and more is high."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Arrays are rising quantiles or knots.

    Attributes:
        scores, labels: distributions of raw scores and of labels.
        level, slope: the label to expect of raw score s is level + slope s.
        reach: half the width of the interval, in labels.
        at, chance: knots of the chance to be in the top third.
        clips: how many it was computed from.
    """

    scores: np.ndarray
    labels: np.ndarray
    level: float
    slope: float
    reach: float
    at: np.ndarray
    chance: np.ndarray
    clips: int

    def score(self, raw: np.ndarray) -> np.ndarray:
        """(n,) 0-100: the share of clips that score less."""
        return 100 * _share_below(self.scores, raw)

    def interval(self, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n,) from and to, 0-100, around the score: where 80 % of such clips end among all."""
        low, high = self.label_interval(raw)
        score = self.score(raw)
        low, high = 100 * _share_below(self.labels, low), 100 * _share_below(self.labels, high)
        return np.minimum(low, score), np.maximum(high, score)

    def label_interval(self, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same in labels."""
        expected = self.level + self.slope * raw
        return expected - self.reach, expected + self.reach

    def top_chance(self, raw: np.ndarray) -> np.ndarray:
        """(n,) chance to be among the best third."""
        return np.interp(raw, self.at, self.chance)


def calibrate(
    raw: np.ndarray, label: np.ndarray, weight: np.ndarray, video: np.ndarray, counts: np.ndarray | None = None
) -> Calibration:
    """
    Args:
        raw: (n,) scores of a model that has not seen these clips.
        label, weight: (n,) of `labels.engagement_labels`, not centred by video.
        video: (n,); clips of one video stand or fall together, so that videos are what is counted.
        counts: (n,) 0 to 1, how much each clip counts, that no tenant decides what all are shown; all 1 when None.

    Raises:
        TooFewExamples: fewer than 40 clips.
    """
    if len(raw) < LEAST_CALIBRATION:
        raise TooFewExamples(f"{len(raw)} clips to calibrate with, {LEAST_CALIBRATION} are needed; wait for feedback")
    count = np.ones(len(raw)) if counts is None else np.maximum(counts, _LEAST_COUNT)
    weight = weight * count
    slope = weighted_slope(raw, label, weight)
    level = float(np.average(label, weights=weight) - slope * np.average(raw, weights=weight))
    top = weighted_quantiles(label, count, np.array([1 - TOP_SHARE]))[0]
    at, chance = isotonic(raw, (label > top).astype(float), weight)
    shares = np.linspace(0, 1, _KNOTS)
    return Calibration(
        scores=weighted_quantiles(raw, count, shares),
        labels=weighted_quantiles(label, count, shares),
        level=level,
        slope=slope,
        reach=conformal_reach(np.abs(label - level - slope * raw), len(np.unique(video)), count),
        at=at,
        chance=np.clip(chance, *_CHANCES),
        clips=len(raw),
    )


def conformal_reach(
    residuals: np.ndarray, videos: int, count: np.ndarray | None = None, coverage: float = COVERAGE
) -> float:
    """The quantile of absolute residuals of which 80 % of fresh ones are smaller: ceil((v + 1) 0.8) / v.

    With `videos` for v instead of clips: only videos are drawn independently, and few of them need a wider interval.
    `count`: (n,) how much each clip counts (weighted split conformal; Tibshirani 2019). v are all videos then too: with
    Kish's effective number, which a cap on large tenants lowers, 0.85 of fresh clips lay within, with all of them 0.79.
    """
    level = min(np.ceil((videos + 1) * coverage) / videos, 1.0)
    order = np.argsort(residuals, kind="stable")
    reached = np.cumsum((np.ones(len(residuals)) if count is None else count)[order])
    first = int(np.searchsorted(reached, level * reached[-1] * (1 - 1e-12)))
    return float(residuals[order][min(first, len(order) - 1)])


def weighted_quantiles(values: np.ndarray, count: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Of `values`, each there as often as `count` says; with equal counts as `numpy.quantile` has them."""
    order = np.argsort(values, kind="stable")
    ends = np.cumsum(count[order])
    places = (ends - count[order]) / max(float(ends[-1] - count[order][-1]), 1e-12)
    return np.interp(shares, np.minimum(places, 1.0), values[order])


def isotonic(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Knots of the rising step function nearest to y in weighted squares (pool adjacent violators; Barlow 1972).

    Each pool has a knot at its first and its last x; between pools the function is linear.
    """
    order = np.argsort(x, kind="stable")
    pools: list[tuple[float, float, float, float]] = []  # weight, mean, first x, last x
    for w, mean, place in zip(weight[order].tolist(), y[order].tolist(), x[order].tolist(), strict=True):
        first = last = place
        while pools and pools[-1][1] >= mean:
            before, mean_before, first, _ = pools.pop()
            mean = (before * mean_before + w * mean) / (before + w)
            w += before
        pools.append((w, mean, first, last))
    at = np.array([edge for _, _, first, last in pools for edge in (first, last)])
    value = np.array([mean for _, mean, _, _ in pools for _ in range(2)])
    kept = np.r_[True, np.diff(at) > 0]
    return at[kept], value[kept]


def band(chance: float) -> str:
    """In words, for whom 0-100 with an interval is too much."""
    return BANDS[int(np.searchsorted(_BAND_EDGES, chance))]


def _share_below(quantiles: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.interp(values, quantiles, np.linspace(0, 1, len(quantiles)))


def weighted_slope(raw: np.ndarray, label: np.ndarray, weight: np.ndarray) -> float:
    x = raw - np.average(raw, weights=weight)
    return float((weight * x * label).sum() / max(float((weight * x * x).sum()), 1e-9))
