"""One boosted ensemble: LightGBM, the same trees from the same data and seed on any number of cores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from clip_platform.errors import CorruptArtifact

LEARNING_RATE = 0.05
MOST_LEAVES = 8
"""With 31 leaves, and 0.4 of the features in a tree, tau of 10,000 clips was 0.010 less (two standard errors 0.003, 12
worlds)."""
REGRESSION, SHARES = "regression", "cross_entropy"
"""Objectives: squared loss, and log loss for targets 0 .. 1."""


def fit(
    features: np.ndarray,
    target: np.ndarray,
    *,
    weight: np.ndarray,
    seed: int,
    start: np.ndarray | None = None,
    objective: str = REGRESSION,
    parameters: Mapping[str, float] | None = None,
) -> Any:
    """A `lightgbm.Booster`, its size in step with the examples.

    Args:
        features: (n, f) float32; NaN is a missing value.
        start: (n,) what is already known (`init_score`); add it again to what the booster predicts.
        parameters: of LightGBM, in place of ours; `rounds` is the number of trees.
    """
    import lightgbm

    data = lightgbm.Dataset(features, target, weight=weight, init_score=start)
    chosen = {"rounds": rounds(len(target)), **_parameters(len(target), seed, objective), **(parameters or {})}
    trees = int(chosen.pop("rounds"))
    return lightgbm.train(chosen, data, trees)


def rounds(examples: int) -> int:
    """60 trees for 100 examples, 300 from 5,000 on."""
    return 300 if examples >= 5000 else int(min(max(40 * math.log10(max(examples, 100)) ** 1.4, 60), 300))


def _parameters(examples: int, seed: int, objective: str) -> dict[str, Any]:
    return {
        "objective": objective,
        "learning_rate": LEARNING_RATE,
        "num_leaves": min(max(examples // 60, 4), MOST_LEAVES),
        "min_data_in_leaf": min(max(examples // 50, 8), 60),
        "lambda_l2": 10.0,
        "feature_fraction": 0.6,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "max_bin": 127,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }


def read(text: str, features: int, what: str) -> Any:
    """The booster of LightGBM's own text format; nothing else is ever read.

    Raises:
        CorruptArtifact: it is another format, damaged, or of another number of features.
    """
    import lightgbm

    if not text.startswith("tree\n"):
        raise CorruptArtifact(f"{what} is not LightGBM's text format; fetch the model from the registry again")
    try:
        booster = lightgbm.Booster(model_str=text)
    except lightgbm.basic.LightGBMError as error:
        raise CorruptArtifact(f"{what} cannot be read; fetch the model from the registry again") from error
    if booster.num_feature() != features:
        raise CorruptArtifact(f"{what} is of {booster.num_feature()} features, not {features}; train again")
    return booster


def predict(booster: Any, features: np.ndarray) -> np.ndarray:
    """(n,) raw scores (log odds for `SHARES`)."""
    return np.asarray(booster.predict(features, raw_score=True, num_threads=1))


def contributions(booster: Any, features: np.ndarray) -> np.ndarray:
    """(n, f + 1) parts of the raw score by feature (TreeSHAP, Lundberg 2018); the last is what all have in common."""
    return np.asarray(booster.predict(features, pred_contrib=True, num_threads=1))
