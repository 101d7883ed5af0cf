"""The figures that go with every training run: what `plots` draws, computed from a backtest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from clip_platform.ml import learner, plots
from clip_platform.ml.backtest import Backtest, CurvePoint, by_tenant, reliability, video_taus
from clip_platform.ml.examples import FEATURE_NAMES
from clip_platform.ml.model import EngagementModel
from clip_platform.scoring.features import FEATURES

TOP_FEATURES = 6
_CLIPS = 600
_DEPENDENCE_CLIPS, _DEPENDENCE_STEPS = 120, 16


def training_figures(test: Backtest, curve: Sequence[CurvePoint]) -> Mapping[str, bytes]:
    """PNG by file name. Takes a few seconds, whatever the number of clips."""
    heads, held = test.model.heads, test.held
    label = heads.label.feature_importance("gain")
    accept = None if heads.accept is None else heads.accept.feature_importance("gain")
    some = held.features[:: max(len(held) // _CLIPS, 1)]
    metrics = test.metrics
    return {
        "calibration.png": plots.calibration(
            reliability(test.chance, test.is_top),
            test.expected,
            test.learned.value,
            slope=metrics["calibration_slope"],
            coverage=metrics["coverage"],
        ),
        "gain.png": plots.gain_importance(FEATURE_NAMES, label, accept),
        "partial_dependence.png": _dependence(test, np.argsort(-label, kind="stable")[:TOP_FEATURES]),
        "rank_agreement.png": plots.rank_agreement(
            video_taus(test.raw, test.truth.value, held.video), video_taus(held.heuristic, test.truth.value, held.video)
        ),
        "shap.png": plots.shap_summary(FEATURE_NAMES, learner.contributions(heads.label, some)[:, :-1], some),
        "tenants.png": plots.tenant_table(by_tenant(test)),
        **({"learning_curve.png": plots.learning_curve(curve, metrics["heuristic_tau"])} if curve else {}),
    }


def partial_dependence(
    model: EngagementModel, features: np.ndarray, tenant: np.ndarray, column: int, values: np.ndarray
) -> np.ndarray:
    """(k,) mean score 0-100 if all clips had each of `values` in that column (Friedman 2001), the heuristic's part
    with it.

    Args:
        features: (n, f).
        tenant: (n,) names.
    """
    changed = np.repeat(features[None], len(values), axis=0)
    changed[:, :, column] = values[:, None]
    raw = model.raw(changed.reshape(-1, features.shape[1]), np.tile(tenant, len(values)))
    return model.calibration.score(raw).reshape(len(values), -1).mean(axis=1)


def _dependence(test: Backtest, columns: np.ndarray) -> bytes:
    held = test.held.where(np.arange(0, len(test.held), max(len(test.held) // _DEPENDENCE_CLIPS, 1)))
    curves = []
    for column in columns:
        known = held.features[:, column][np.isfinite(held.features[:, column])]
        values = (
            np.unique(np.quantile(known, np.linspace(0.02, 0.98, _DEPENDENCE_STEPS))) if len(known) else np.zeros(1)
        )
        score = partial_dependence(test.model, held.features, held.tenant, int(column), values.astype(np.float32))
        curves.append((FEATURES[column].name, FEATURES[column].unit, values, score))
    return plots.partial_dependence(curves, [held.features[:, column] for column in columns])
