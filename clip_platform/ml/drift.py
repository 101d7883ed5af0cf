"""Whether clips or viewers have become others than a model learned from: two measures, each a number a feature.

Inputs have drifted when a feature's distribution is another than at training; the concept has drifted when what the
model leaves unexplained goes with a feature as it did not before. What of it is an alarm is elsewhere (`monitoring`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from clip_platform.errors import CorruptArtifact, TooFewExamples
from clip_platform.ml.examples import FEATURE_NAMES, Examples
from clip_platform.ml.labels import video_centred

REFERENCE_DAYS = 90
LEAST_VIDEOS = 30
_BINS = 10
_LEAST_SHARE = 0.005
"""Of a bin that hardly any clip fell into: else the first missing value of a feature would be drift."""
_FARTHEST = 3.0


@dataclass(frozen=True, slots=True)
class Distribution:
    """Of one feature: `shares` and their `variances` by chance, a bin between two `edges` each; the last is missing.

    Attributes:
        edges: (b,) rising, at the reference's deciles and ends; bin k is edges[k-1] < x <= edges[k].
        shares: (b + 2,) that sum to 1.
        variances: (b + 2,) of the shares, videos taken as drawn independently, clips not.
    """

    edges: np.ndarray
    shares: np.ndarray
    variances: np.ndarray


@dataclass(frozen=True, slots=True)
class InputReference:
    """Distributions of all features over the clips that a model learned from, fixed at training."""

    feature_digest: str
    distributions: Mapping[str, Distribution]

    def as_numbers(self) -> dict[str, Any]:
        """What `from_numbers` reads again; for JSON."""
        return {
            "feature_digest": self.feature_digest,
            "distributions": {
                name: {part: getattr(one, part).tolist() for part in Distribution.__slots__}
                for name, one in self.distributions.items()
            },
        }

    @classmethod
    def from_numbers(cls, numbers: Mapping[str, Any]) -> InputReference:
        """
        Raises:
            CorruptArtifact: they are not what `as_numbers` gave.
        """
        try:
            found = {
                name: Distribution(**{part: np.asarray(one[part], float) for part in Distribution.__slots__})
                for name, one in numbers["distributions"].items()
            }
            reference = cls(str(numbers["feature_digest"]), found)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CorruptArtifact("a drift reference cannot be read; train again to make one") from error
        if set(found) != set(FEATURE_NAMES) or not all(map(_is_distribution, found.values())):
            raise CorruptArtifact("a drift reference is not of this code's features; train again to make one")
        return reference


def _is_distribution(one: Distribution) -> bool:
    return (
        len(one.shares) == len(one.variances) == len(one.edges) + 2
        and bool(np.isfinite(np.concatenate([one.edges, one.shares, one.variances])).all())
        and bool((np.diff(one.edges) > 0).all() and (one.shares > 0).all() and (one.variances >= 0).all())
    )


def input_reference(examples: Examples, until: date) -> InputReference:
    """Of all clips made in the 90 days up to `until`, watched or not.

    Raises:
        TooFewExamples: of fewer than 30 videos.
    """
    rows = made_within(examples, until, REFERENCE_DAYS)
    features, video = examples.features[rows], examples.video[rows]
    videos, index = np.unique(video, return_inverse=True)
    if len(videos) < LEAST_VIDEOS:
        raise TooFewExamples(
            f"{len(videos)} videos in the {REFERENCE_DAYS} days up to {until}, {LEAST_VIDEOS} are needed to "
            "know what is usual; wait"
        )
    distributions = {}
    for column, name in enumerate(FEATURE_NAMES):
        values = features[:, column].astype(float)
        edges = _edges(values[~np.isnan(values)])
        distributions[name] = Distribution(edges, *_shares(values, index, edges))
    return InputReference(examples.feature_digest, distributions)


def _edges(known: np.ndarray) -> np.ndarray:
    """Deciles, the least and the largest: what was never seen has bins of its own."""
    if not len(known):
        return np.zeros(1)
    least = np.nextafter(known.min(), -np.inf)
    return np.unique([least, *np.quantile(known, np.arange(1, _BINS) / _BINS), known.max()])


def _shares(values: np.ndarray, videos: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares by bin, none below half a percent, and their variances by the ratio estimator over videos."""
    bins = np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values))
    width = len(edges) + 2
    counts = np.bincount(videos * width + bins, minlength=(int(videos.max()) + 1) * width).reshape(-1, width)
    clips = counts.sum(axis=1, keepdims=True)
    shares = counts.sum(axis=0) / clips.sum()
    variances = ((counts - shares * clips) ** 2).sum(axis=0) / clips.sum() ** 2
    shares = np.maximum(shares, _LEAST_SHARE)
    return shares / shares.sum(), variances


def input_drift(features: np.ndarray, video: np.ndarray, reference: InputReference) -> Mapping[str, float]:
    """Population stability index sum((q - p) ln(q / p)) by feature, less what chance alone makes of it.

    That is sum((var q + var p) / p): without it, few videos look like drift. Empty for fewer than 30 videos.
    """
    videos, places = np.unique(video, return_inverse=True)
    if len(videos) < LEAST_VIDEOS:
        return {}
    found = {}
    for column, name in enumerate(FEATURE_NAMES):
        one = reference.distributions[name]
        shares, variances = _shares(features[:, column].astype(float), places, one.edges)
        index = ((shares - one.shares) * np.log(shares / one.shares)).sum()
        found[name] = float(index - ((variances + one.variances) / one.shares).sum())
    return found


@dataclass(frozen=True, slots=True)
class Response:
    """How viewers or reviewers took clips in two periods; (n,) each.

    Attributes:
        value, weight: only looked at in the two periods.
        before, now: bool.
    """

    value: np.ndarray
    weight: np.ndarray
    before: np.ndarray
    now: np.ndarray


def concept_drift(examples: Examples, raw: np.ndarray, responses: Sequence[Response]) -> Mapping[str, float]:
    """z by feature of how its covariance with the model's residuals has changed, videos taken as independent.

    Of each response alone and of all together that one which is farthest from 0: when tastes change, viewers and
    reviewers show the same, the latter a week earlier. Residuals are of the response's regression on the score in each
    period, so that what is too high or too steep for all, and a change in which clips are shown, is left to
    calibration. Empty where no response has 30 videos in both periods.

    Args:
        raw: (n,) of a model to which these clips are new.
    """
    videos, index = np.unique(examples.video, return_inverse=True)
    x = _standardised(examples.features)
    scaled = []
    for one in responses:
        if min(len(np.unique(index[rows])) for rows in (one.before, one.now)) >= LEAST_VIDEOS:
            change, parts = _change(x, raw, examples, one, index, len(videos))
            spread = np.sqrt(np.maximum((parts**2).sum(axis=0), 1e-12))
            scaled.append((change / spread, parts / spread))
    if not scaled:
        return {}
    together = sum(change for change, _ in scaled)
    together = together / np.sqrt(np.maximum((sum(parts for _, parts in scaled) ** 2).sum(axis=0), 1e-12))
    every = np.stack([together, *(change for change, _ in scaled)])
    farthest = np.take_along_axis(every, np.abs(every).argmax(axis=0)[None], axis=0)[0]
    return dict(zip(FEATURE_NAMES, farthest.tolist(), strict=True))


def _change(
    x: np.ndarray, raw: np.ndarray, examples: Examples, response: Response, index: np.ndarray, videos: int
) -> tuple[np.ndarray, np.ndarray]:
    """(f,) means of x r now less before, and each video's part in their error, (videos, f): ratio estimators."""
    change, parts = np.zeros(x.shape[1]), np.zeros((videos, x.shape[1]))
    for sign, rows in ((-1, response.before), (1, response.now)):
        residual = _residuals(response, raw, examples, rows)
        weight = response.weight[rows]
        order = np.argsort(index[rows], kind="stable")
        there, starts = np.unique(index[rows][order], return_index=True)
        sums = np.add.reduceat((x[rows] * (weight * residual)[:, None])[order], starts)
        weights = np.add.reduceat(weight[order], starts)[:, None]
        mean = sums.sum(axis=0) / weights.sum()
        change += sign * mean
        parts[there] += sign * (sums - mean * weights) / weights.sum()
    return change, parts


def _residuals(response: Response, raw: np.ndarray, examples: Examples, rows: np.ndarray) -> np.ndarray:
    weight = response.weight[rows]
    value = video_centred(response.value[rows], weight, examples.video[rows])
    known = np.stack([np.ones(len(value)), raw[rows], examples.heuristic[rows] / 10], axis=1)
    root = np.sqrt(weight)[:, None]
    line = np.linalg.lstsq(known * root, value * root[:, 0], rcond=None)[0]
    return value - known @ line


def _standardised(features: np.ndarray) -> np.ndarray:
    """(n, f) within +-3; what is missing is at the middle."""
    known = ~np.isnan(features)
    count = np.maximum(known.sum(axis=0), 1)
    middle = np.where(known, features, 0.0).sum(axis=0) / count
    spread = np.sqrt(np.where(known, (features - middle) ** 2, 0.0).sum(axis=0) / count)
    return np.clip(np.nan_to_num((features - middle) / np.maximum(spread, 1e-6)), -_FARTHEST, _FARTHEST)


def made_within(examples: Examples, until: date, days: int) -> np.ndarray:
    """(n,) bool: made on `until` or in the days before it, so many in all."""
    last = np.datetime64(until, "D")
    return (examples.made_on <= last) & (examples.made_on > last - np.timedelta64(days, "D"))
