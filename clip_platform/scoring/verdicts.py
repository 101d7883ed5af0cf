"""What must hold of features and scores. Problems in words; none means all is well."""

from __future__ import annotations

import math

from clip_platform.scoring.features import ClipFeatures
from clip_platform.scoring.scorer import ClipScore, ClipScores

_ROUNDING = 1e-6


def feature_problems(features: ClipFeatures) -> list[str]:
    rows = len(features.candidate_ids)
    problems = [
        f"feature {name} has {len(column)} values for {rows} candidates"
        for name, column in features.columns.items()
        if len(column) != rows
    ]
    problems += [
        f"feature {name} has numbers that are not finite"
        for name, column in features.columns.items()
        if not all(map(math.isfinite, column))
    ]
    return problems


def score_problems(scores: ClipScores) -> list[str]:
    return [problem for score in scores.scores for problem in _one(score)]


def _one(score: ClipScore) -> list[str]:
    if not math.isfinite(score.value) or not 0 <= score.value <= 100:
        return [f"candidate {score.candidate_id} scores {score.value}, not within 0-100"]
    total = score.baseline + sum(contribution.points for contribution in score.contributions)
    if abs(total - score.value) > _ROUNDING:
        return [f"candidate {score.candidate_id} scores {score.value} but its contributions sum to {total}"]
    return []
