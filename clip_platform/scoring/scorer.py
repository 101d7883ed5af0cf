"""The interface of everything that scores clips, and what a score is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from clip_platform.scoring.features import ClipFeatures


@dataclass(frozen=True, slots=True)
class Contribution:
    """How many of the score's points a feature, or a group of them, gave or took; `value` in the feature's unit."""

    feature: str
    value: float
    points: float


@dataclass(frozen=True, slots=True)
class ClipScore:
    """`value` is 0..100; contributions sum to `value - baseline`; `reasons`: the three that matter most, in words.

    A trained model adds where the clip ends with 80 % chance (`low`..`high`), a band, and its chance to be in the
    best third; None from the heuristic, which knows no clip's fate.
    """

    candidate_id: str
    value: float
    baseline: float
    contributions: tuple[Contribution, ...]
    reasons: tuple[str, ...]
    low: float | None = None
    high: float | None = None
    band: str | None = None
    top_chance: float | None = None


@dataclass(frozen=True, slots=True)
class ClipScores:
    """Scores of all candidates of a video, by the model that gave them, on features of `feature_digest`."""

    model: str
    feature_digest: str
    scores: tuple[ClipScore, ...]


class Scorer(Protocol):
    @property
    def model(self) -> str:
        """Name and version."""
        ...

    def score(self, features: ClipFeatures) -> ClipScores:
        """One score a row.

        Raises:
            FeatureMismatch: the features are not the ones this model was made for.
        """
        ...
