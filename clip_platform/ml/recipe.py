"""What a training run may vary: label, features, LightGBM's parameters, and which parts the model has.

The default is what serves. A recipe is small, checked when made, and survives a record as JSON, so that a run can be
repeated from it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clip_platform.errors import InvalidInput
from clip_platform.ml.examples import FEATURE_NAMES
from clip_platform.ml.labels import VARIANTS

TUNABLE: Mapping[str, tuple[type, float, float]] = {
    "rounds": (int, 1, 5000),
    "learning_rate": (float, 1e-4, 1.0),
    "num_leaves": (int, 2, 1024),
    "max_depth": (int, 1, 64),
    "min_data_in_leaf": (int, 1, 100_000),
    "lambda_l1": (float, 0.0, 1e6),
    "lambda_l2": (float, 0.0, 1e6),
    "feature_fraction": (float, 0.01, 1.0),
    "bagging_fraction": (float, 0.01, 1.0),
    "max_bin": (int, 2, 255),
}
"""LightGBM's parameters that may be set, with kind and range; `rounds` is the number of trees."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """
    Attributes:
        label: name of one of `labels.VARIANTS`.
        features: what the learned parts may look at; the heuristic goes on seeing all.
        parameters: LightGBM's that differ from `learner`'s own, of `TUNABLE`.
        accept_head, tenant_parts: whether the model has them.

    Raises:
        InvalidInput: there is no such label, feature or parameter, or its value is out of range.
    """

    label: str = "engagement"
    features: tuple[str, ...] = FEATURE_NAMES
    parameters: Mapping[str, float] = field(default_factory=dict)
    accept_head: bool = True
    tenant_parts: bool = True

    def __post_init__(self) -> None:
        _expect_known("label", [self.label], VARIANTS)
        _expect_known("feature", self.features, FEATURE_NAMES)
        _expect_known("parameter", self.parameters, TUNABLE)
        if not self.features:
            raise InvalidInput("a model needs at least one feature; name some of scoring/features.py")
        for name, value in self.parameters.items():
            _expect_in_range(name, value)

    def seen(self, features: np.ndarray) -> np.ndarray:
        """(n, f) with the columns that are not to be looked at constant: no tree splits on them, no ridge slopes."""
        if self.features == FEATURE_NAMES:
            return features
        return np.where(np.isin(FEATURE_NAMES, self.features), features, np.float32(0))

    def as_document(self) -> dict[str, Any]:
        """For JSON; `Recipe(**document)` with tuples for lists is the same again."""
        return {
            "label": self.label,
            "features": list(self.features),
            "parameters": dict(self.parameters),
            "accept_head": self.accept_head,
            "tenant_parts": self.tenant_parts,
        }


def read_recipe(document: Mapping[str, Any]) -> Recipe:
    """
    Raises:
        InvalidInput: it is not what `as_document` gives.
    """
    try:
        return Recipe(**{**document, "features": tuple(document["features"])})
    except (TypeError, KeyError, AttributeError) as error:
        raise InvalidInput(f"{dict(document)!r} is not the record of a recipe; run the experiment anew") from error


def _expect_known(what: str, names: Iterable[str], known: Collection[str]) -> None:
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InvalidInput(f"no {what} {unknown[0]!r}; choose of {', '.join(known)}")


def _expect_in_range(name: str, value: float) -> None:
    kind, low, high = TUNABLE[name]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= value <= high or (kind is int and value != int(value)):
        whole = "a whole number" if kind is int else "a number"
        raise InvalidInput(f"parameter {name} is {value!r}, expected {whole} from {low:g} to {high:g}")
