"""Which examples a model learns from and which it is judged by, and the guard that no feature carries the answer.

By time and by video: clips of one video share fame, sound and pictures, and what was reported last week is not yet all
there is. Measured in simulated worlds: with a random split, means over a video look like Kendall's tau 0.545 and give
0.30 on fresh videos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clip_platform.errors import LeakedTarget, TooFewExamples

MATURITY_DAYS = 7
"""Feedback of a clip comes in over its first days; younger ones are not learned from."""
HELD_OUT_SHARE = 0.2
LARGEST_CORRELATION = 0.8
"""Between means of a feature and of the target over videos. Honest features of simulated worlds stay below 0.5."""
_LOOKED_AHEAD = -0.95
_CONSTANT = 0.05
_LEAST_VIDEOS, _LEAST_TENANTS = 30, 5


@dataclass(frozen=True, slots=True)
class Split:
    """Indices of examples. `left_out`: how many belong to neither, being of the gap between."""

    train: np.ndarray
    held_out: np.ndarray
    left_out: int


def matured(made_on: np.ndarray, as_of: np.datetime64, days: int = MATURITY_DAYS) -> np.ndarray:
    """(n,) bool: made at least so many days before."""
    return made_on <= as_of.astype("datetime64[D]") - np.timedelta64(days, "D")


def split_by_time_and_video(
    made_on: np.ndarray, video: np.ndarray, share: float = HELD_OUT_SHARE, gap_days: int = MATURITY_DAYS
) -> Split:
    """The newest videos, about `share` of all clips, are held out; train ends `gap_days` before the first of them.

    A video is on one side with all its clips; one whose clips were made on both sides is on none.

    Raises:
        TooFewExamples: one side would be empty.
    """
    videos, index = np.unique(video, return_inverse=True)
    days = made_on.astype("datetime64[D]").astype(np.int64)
    first, last = np.full(len(videos), np.iinfo(np.int64).max), np.full(len(videos), np.iinfo(np.int64).min)
    np.minimum.at(first, index, days)
    np.maximum.at(last, index, days)
    cut = np.quantile(first[index], 1 - share, method="higher") if len(index) else 0
    train, held_out = (last < cut - gap_days)[index], (first >= cut)[index]
    if not train.any() or not held_out.any():
        raise TooFewExamples(
            f"{len(video)} clips of {len(videos)} videos leave {int(train.sum())} to learn from and "
            f"{int(held_out.sum())} to judge by, {gap_days} days apart; wait for more days of feedback"
        )
    split = Split(np.flatnonzero(train), np.flatnonzero(held_out), int((~train & ~held_out).sum()))
    expect_apart(split, made_on, video, gap_days)
    return split


def expect_apart(split: Split, made_on: np.ndarray, video: np.ndarray, gap_days: int = MATURITY_DAYS) -> None:
    """
    Raises:
        LeakedTarget: a video is on both sides, or the sides are nearer in time than the gap.
    """
    both = np.intersect1d(video[split.train], video[split.held_out])
    if len(both):
        raise LeakedTarget(f"video {both[0]} and {len(both) - 1} more are on both sides; split by video")
    newest, oldest = made_on[split.train].max(), made_on[split.held_out].min()
    if oldest - newest < np.timedelta64(gap_days, "D"):
        raise LeakedTarget(
            f"train ends on {newest}, the held-out clips begin on {oldest}; {gap_days} days must lie between"
        )


def expect_no_target_encoded(
    features: np.ndarray, names: Sequence[str], targets: Sequence[np.ndarray], video: np.ndarray, tenant: np.ndarray
) -> None:
    """Refuses a feature that is the mean of a target over its video or tenant, with the clip itself or without.

    A feature that is computed from feedback is so for everybody: it has to look so in both halves of the tenants, as
    far as there are enough in each, lest one tenant whose feedback goes with a feature keeps all from training.

    Args:
        features: (n, f); NaN is the feature's mean.
        targets: each (n,), not centred by video: the label, and raw rates.

    Raises:
        LeakedTarget: with the feature's name.
    """
    known = np.where(np.isnan(features), np.nanmean(np.where(np.isinf(features), np.nan, features), axis=0), features)
    for target in targets:
        for group, of_what in ((video, "video"), (tenant, "tenant")):
            for column in _encoded_for_all(known.astype(float), target, group, tenant, of_what == "tenant"):
                raise LeakedTarget(
                    f"feature {names[column]} is the {of_what}'s mean of what is to be learned; "
                    "compute it without feedback, or take it out of scoring/features.py"
                )


def _encoded_for_all(
    features: np.ndarray, target: np.ndarray, group: np.ndarray, tenant: np.ndarray, is_tenant: bool
) -> np.ndarray:
    found = _encoded(features, target, group, is_tenant)
    least = _LEAST_TENANTS if is_tenant else _LEAST_VIDEOS
    halves = [half for half in _halves(tenant) if len(np.unique(group[half])) >= least]
    if len(found) and len(halves) == 2:
        for half in halves:
            found = np.intersect1d(found, _encoded(features[half], target[half], group[half], is_tenant))
    return found


def _halves(tenant: np.ndarray) -> list[np.ndarray]:
    """Masks of two sets of tenants with about as many clips each: by size, the largest to the smaller set."""
    names, index, clips = np.unique(tenant, return_inverse=True, return_counts=True)
    side, sums = np.zeros(len(names), int), [0, 0]
    for place in np.argsort(-clips, kind="stable"):
        side[place] = int(sums[1] < sums[0])
        sums[side[place]] += int(clips[place])
    return [side[index] == one for one in (0, 1)]


def _encoded(features: np.ndarray, target: np.ndarray, group: np.ndarray, is_tenant: bool) -> np.ndarray:
    groups, index = np.unique(group, return_inverse=True)
    if len(groups) < (_LEAST_TENANTS if is_tenant else _LEAST_VIDEOS):
        return np.zeros(0, int)
    size = np.bincount(index)[:, None]
    means = np.stack([np.bincount(index, column) for column in features.T], axis=1) / size
    target_means = np.bincount(index, target)[:, None] / size
    within, target_within = features - means[index], target[:, None] - target_means[index]
    constant = within.var(axis=0) <= _CONSTANT * features.var(axis=0)
    alike = np.abs(_correlations(means, target_means)) > LARGEST_CORRELATION
    looks_ahead = _correlations(within * (size[index] - 1), target_within) < _LOOKED_AHEAD
    return np.flatnonzero((alike & constant) | looks_ahead | (alike & (not is_tenant)))


def _correlations(columns: np.ndarray, target: np.ndarray) -> np.ndarray:
    columns, target = columns - columns.mean(axis=0), target - target.mean()
    scale = np.sqrt((columns**2).sum(axis=0) * (target**2).sum())
    return np.divide((columns * target).sum(axis=0), scale, out=np.zeros(columns.shape[1]), where=scale > 1e-12)
