"""The heuristic over arrays gives what the scorer of one video gives."""

from __future__ import annotations

import numpy as np
import pytest

from clip_platform.ml.baseline import heuristic_points, heuristic_values
from clip_platform.ml.examples import FEATURE_NAMES
from clip_platform.ml.simulate import in_units
from clip_platform.scoring.features import ClipFeatures, feature_digest
from clip_platform.scoring.heuristic import HeuristicScorer

FEATURES = in_units(np.random.default_rng(0).normal(0, 1.5, (200, len(FEATURE_NAMES))))


def test_both_give_the_same():
    columns = {name: tuple(FEATURES[:, column].tolist()) for column, name in enumerate(FEATURE_NAMES)}
    names = tuple(str(row) for row in range(len(FEATURES)))

    scored = HeuristicScorer().score(ClipFeatures(feature_digest(), names, columns))

    assert heuristic_values(FEATURES) == pytest.approx([score.value for score in scored.scores], abs=1e-9)


def test_a_missing_value_gives_no_points():
    row = FEATURES[:1].copy()
    row[0, FEATURE_NAMES.index("face_share")] = np.nan

    assert heuristic_points(row)[0, FEATURE_NAMES.index("face_share")] == 0
