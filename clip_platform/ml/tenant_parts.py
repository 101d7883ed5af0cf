"""What a tenant with enough clips of its own has besides the shared model: ridge regression on what that leaves over.

Never a model of the tenant alone: in simulated worlds 1,000 own clips gave Kendall's tau 0.355 alone, the shared model
0.433, both together 0.452.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

LEAST_OWN_CLIPS = 300
RIDGE = 300.0


@dataclass(frozen=True, slots=True)
class TenantPart:
    """Labels a standard deviation of each feature, (f,); `middle` and `spread` (f,) standardise, missing is middle."""

    slopes: np.ndarray
    middle: np.ndarray
    spread: np.ndarray

    def of(self, features: np.ndarray) -> np.ndarray:
        return _standardised(features, self.middle, self.spread) @ self.slopes

    def by_feature(self, features: np.ndarray) -> np.ndarray:
        """(n, f) that sum to the same."""
        return _standardised(features, self.middle, self.spread) * self.slopes


def fit_tenant_parts(
    features: np.ndarray, left: np.ndarray, weight: np.ndarray, tenant: np.ndarray
) -> Mapping[str, TenantPart]:
    """By name, for tenants of at least 300 clips: b = (X'WX + 300 I)^-1 X'W r, without an intercept.

    Args:
        left: (n,) labels less what the shared model predicts.
    """
    middle = np.nan_to_num(np.nanmean(features, axis=0, dtype=float))
    spread = np.maximum(np.nan_to_num(np.nanstd(features, axis=0, dtype=float)), 1e-6)
    names, counts = np.unique(tenant, return_counts=True)
    parts = {}
    for name in names[counts >= LEAST_OWN_CLIPS]:
        ours = tenant == name
        x, w = _standardised(features[ours], middle, spread), weight[ours][:, None]
        own = left[ours] - np.average(left[ours], weights=weight[ours])
        slopes = np.linalg.solve(x.T @ (w * x) + RIDGE * np.eye(x.shape[1]), x.T @ (w[:, 0] * own))
        parts[str(name)] = TenantPart(slopes, middle, spread)
    return parts


def _standardised(features: np.ndarray, middle: np.ndarray, spread: np.ndarray) -> np.ndarray:
    return np.nan_to_num((features - middle) / spread)
