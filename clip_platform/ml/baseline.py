"""The heuristic over many clips at once: what a model starts from, and what serves where there is none."""

from __future__ import annotations

import numpy as np

from clip_platform.ml.examples import FEATURE_NAMES
from clip_platform.scoring.heuristic import BASELINE, MODEL, RULES

HEURISTIC = MODEL


def heuristic_points(features: np.ndarray) -> np.ndarray:
    """(n, f) points that each feature gives or takes, drawn in as the heuristic does; a missing value says nothing."""
    points = np.zeros(features.shape)
    for rule in RULES:
        column = FEATURE_NAMES.index(rule.feature)
        worth = np.interp(features[:, column].astype(float), rule.shape.at, rule.shape.worth)
        points[:, column] += rule.points * np.nan_to_num(worth)
    total = points.sum(axis=1)
    room = min(BASELINE, 100 - BASELINE)
    factor = np.divide(room * np.tanh(total / room), total, out=np.ones_like(total), where=np.abs(total) > 1e-9)
    return points * factor[:, None]


def heuristic_values(features: np.ndarray) -> np.ndarray:
    """(n,) 0-100, as `HeuristicScorer` gives them.

    Args:
        features: (n, f) in the order of `FEATURES`.
    """
    return BASELINE + heuristic_points(features).sum(axis=1)
