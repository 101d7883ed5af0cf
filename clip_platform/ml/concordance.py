"""How well scores order clips of the same video: pairs put right less pairs put wrong, as numbers a video.

Sums a video, not pairs, are the unit of all statistics: pairs of one video are not independent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class PairSums:
    """A video each: `right` minus wrong pairs, weighted, and the weight of `all` pairs."""

    right: np.ndarray
    all: np.ndarray

    @property
    def tau(self) -> float:
        """Weighted concordance over all videos, -1 .. 1."""
        return float(self.right.sum() / max(float(self.all.sum()), 1e-12))


def pair_sums(
    score: np.ndarray, truth: np.ndarray, video: np.ndarray, weight: np.ndarray | None = None, *, by_gap: bool = False
) -> PairSums:
    """Over pairs within videos: sum of sign(ds) sign(dt) a, and of a, with a = w_i w_j (times |dt| if `by_gap`).

    Args:
        score, truth, weight: (n,).
        video: (n,), any order; videos come out in sorted order.
    """
    order = np.argsort(video, kind="stable")
    videos, starts, sizes = np.unique(video[order], return_index=True, return_counts=True)
    right, everything = np.zeros(len(videos)), np.zeros(len(videos))
    weight = np.ones(len(score)) if weight is None else weight
    for size in np.unique(sizes[sizes > 1]):
        which = np.flatnonzero(sizes == size)
        rows = order[starts[which][:, None] + np.arange(size)]
        i, j = np.triu_indices(size, 1)
        gaps = truth[rows][:, i] - truth[rows][:, j]
        amount = weight[rows][:, i] * weight[rows][:, j] * (np.abs(gaps) if by_gap else 1.0)
        agreed = np.sign(score[rows][:, i] - score[rows][:, j]) * np.sign(gaps)
        right[which], everything[which] = (amount * agreed).sum(axis=1), amount.sum(axis=1)
    return PairSums(right, everything)


def mean_tau(score: np.ndarray, truth: np.ndarray, video: np.ndarray) -> float:
    """Kendall's tau (a) within videos, averaged over videos of at least two clips."""
    sums = pair_sums(score, truth, video)
    several = sums.all > 0
    return float(np.mean(sums.right[several] / sums.all[several])) if several.any() else float("nan")


def ratio_z(numbers: np.ndarray, weights: np.ndarray) -> float:
    """m = sum(d) / sum(n), z = m sum(n) / sqrt(sum((d - m n)^2)): the ratio estimator's z (Cochran 1977, 6.3).

    Zero where there is no spread to judge by.
    """
    total = float(weights.sum())
    if total <= 0:
        return 0.0
    mean = float(numbers.sum()) / total
    spread = float(np.sqrt(((numbers - mean * weights) ** 2).sum()))
    return mean * total / spread if spread > 1e-12 else 0.0
