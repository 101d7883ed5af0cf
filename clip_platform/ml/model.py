"""The engagement model: what it is made of, how it is trained, and how it scores.

raw = z(label head + slope * heuristic + tenant's own part) + 0.6 z(accept head). Both heads are LightGBM; the label
head starts from the heuristic, so that a model of few clips is the heuristic with corrections. Pure functions and
values: where models are kept, tracked and promoted is elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from clip_platform.errors import FeatureMismatch, TooFewExamples
from clip_platform.ml import learner
from clip_platform.ml.baseline import HEURISTIC, heuristic_values
from clip_platform.ml.calibration import LEAST_CALIBRATION, Calibration, band, calibrate
from clip_platform.ml.examples import FEATURE_NAMES, Examples
from clip_platform.ml.influence import guarded_weights
from clip_platform.ml.labels import VARIANTS, Labels, acceptance, engagement_labels, video_centred
from clip_platform.ml.recipe import Recipe
from clip_platform.ml.split import Split, expect_no_target_encoded, matured, split_by_time_and_video
from clip_platform.ml.tenant_parts import TenantPart, fit_tenant_parts
from clip_platform.scoring.features import feature_digest

ACCEPT_WEIGHT = 0.6
LEAST_CLIPS = 300
"""Watched, mature clips below which the heuristic serves: learning is surely better only from here on."""
LEAST_REVIEWED = 100
HEURISTIC_UNIT = 10.0
"""Points of the heuristic that are about a standard deviation; its slope is a label per so many points."""
_SLOPE_PRIOR = 30.0
_DIGITS = 6
"""Of shown numbers. A clip alone and the same clip in a batch differ in their last bits, and a score that was taken
back has to be the one of before."""
_USUAL = Recipe()


@dataclass(frozen=True, slots=True)
class Standard:
    """z(v) = (v - mean) / spread, as over the clips the model was calibrated with."""

    mean: float
    spread: float

    def of(self, values: np.ndarray) -> np.ndarray:
        return (values - self.mean) / self.spread


@dataclass(frozen=True, slots=True)
class Heads:
    """What predicts: `label` and `accept` are boosters; `accept` is None where decisions were too few or all alike."""

    slope: float
    label: Any
    accept: Any | None
    tenant_parts: Mapping[str, TenantPart]

    def label_of(self, features: np.ndarray, heuristic: np.ndarray) -> np.ndarray:
        """(n,) of all tenants together."""
        return learner.predict(self.label, features) + self.slope * centred_heuristic(heuristic)


@dataclass(frozen=True, slots=True)
class EngagementModel:
    """`facts` are numbers about its making, for people."""

    version: str
    feature_digest: str
    heuristic: str
    heads: Heads
    label_scale: Standard
    accept_scale: Standard
    calibration: Calibration
    data_digest: str
    seed: int
    facts: Mapping[str, float]

    def raw(self, features: np.ndarray, tenant: np.ndarray, heuristic: np.ndarray | None = None) -> np.ndarray:
        """(n,) raw scores; only their order and `calibration` mean anything.

        Args:
            features: (n, f) float32 in the order of `FEATURES`.
            tenant: (n,) names.
            heuristic: (n,) the heuristic's values where they are known already.
        """
        known = heuristic_values(features) if heuristic is None else heuristic
        return _blended(self.heads, self.label_scale, self.accept_scale, features, tenant, known)

    def score(self, features: np.ndarray, tenant: np.ndarray, heuristic: np.ndarray | None = None) -> Scored:
        raw = self.raw(features, tenant, heuristic)
        value, low, high, chance = (
            np.round(one, _DIGITS)
            for one in (self.calibration.score(raw), *self.calibration.interval(raw), self.calibration.top_chance(raw))
        )
        bands = tuple(band(one) for one in chance.tolist())
        return Scored(self.version, value, low, high, chance, bands)


@dataclass(frozen=True, slots=True)
class Scored:
    """(n,) each: `value` 0-100 within `low` .. `high` (80 %), `top_chance` of the best third, `bands` in words."""

    version: str
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    top_chance: np.ndarray
    bands: tuple[str, ...]


def train(
    examples: Examples, *, as_of: np.datetime64, seed: int, version: str, recipe: Recipe = _USUAL
) -> EngagementModel:
    """The model of all examples that were mature at `as_of`; the newest fifth of videos calibrates it.

    Deterministic: the same examples, seed, version and recipe give the same bytes.

    Raises:
        TooFewExamples: fewer than 300 watched clips, or labels all alike; the heuristic goes on serving.
        FeatureMismatch: the examples' features are another code's.
        LeakedTarget: a feature carries the answer.
    """
    _expect_features(examples)
    mature = examples.where(matured(examples.made_on, as_of))
    watched = mature.where(mature.watched)
    if len(watched) < LEAST_CLIPS:
        raise TooFewExamples(
            f"{len(watched)} clips with a week of feedback, a model needs {LEAST_CLIPS}; the heuristic goes on serving"
        )
    labels = engagement_labels(watched, VARIANTS[recipe.label])
    if float(np.std(labels.value)) < 1e-6:
        raise TooFewExamples(f"{len(watched)} clips did all alike; there is nothing to tell them apart by")
    targets = [labels.value, watched.counts[:, 0] / np.maximum(watched.trials[:, 0], 1)]
    expect_no_target_encoded(watched.features, FEATURE_NAMES, targets, watched.video, watched.tenant)
    split = split_by_time_and_video(watched.made_on, watched.video)
    if len(split.held_out) < LEAST_CALIBRATION:
        raise TooFewExamples(f"{len(split.held_out)} clips to calibrate with, {LEAST_CALIBRATION} are needed")
    return _trained(watched, mature, labels, split, seed, version, recipe)


def _trained(
    watched: Examples, mature: Examples, labels: Labels, split: Split, seed: int, version: str, recipe: Recipe
) -> EngagementModel:
    """Calibrated by heads that have not seen the held-out clips; served with heads grown on all, which rank a little
    better (tau + 0.004 at 1,000 clips, + 0.007 at 3,000; coverage the same)."""
    held = watched.where(split.held_out)
    before = mature.where((mature.made_on < held.made_on.min()) & ~np.isin(mature.video, held.video))
    taught = watched.where(split.train)
    first = _heads(taught, Labels(labels.value[split.train], labels.weight[split.train]), before, seed, recipe)
    label_scale = _scale(first.label_of(held.features, held.heuristic))
    accept_scale = Standard(0, 1) if first.accept is None else _scale(learner.predict(first.accept, held.features))
    raw = _blended(first, label_scale, accept_scale, held.features, held.tenant, held.heuristic)
    value, weight = labels.value[split.held_out], labels.weight[split.held_out]
    guarded = guarded_weights(value, weight, held.heuristic, held.video, held.tenant, mature.tenant)
    counts = np.divide(guarded, weight, out=np.zeros_like(guarded), where=weight > 0)
    calibration = calibrate(raw, value, weight, held.video, counts)
    heads = _heads(watched, labels, mature, seed, recipe)
    if first.accept is None:
        heads = replace(heads, accept=None)
    return EngagementModel(
        version=version,
        feature_digest=watched.feature_digest,
        heuristic=HEURISTIC,
        heads=heads,
        label_scale=label_scale,
        accept_scale=accept_scale,
        calibration=calibration,
        data_digest=data_digest(mature),
        seed=seed,
        facts={
            "watched_clips": len(watched),
            "held_out_clips": len(held),
            "reviewed_clips": int(mature.reviewed.sum()),
            "tenants": len(np.unique(watched.tenant)),
            "tenant_parts": len(heads.tenant_parts),
        },
    )


def _heads(watched: Examples, labels: Labels, mature: Examples, seed: int, recipe: Recipe) -> Heads:
    seen = recipe.seen(watched.features)
    weight = guarded_weights(
        labels.value, labels.weight, watched.heuristic, watched.video, watched.tenant, mature.tenant
    )
    target = video_centred(labels.value, weight, watched.video)
    slope = heuristic_slope(watched.heuristic, target, weight)
    start = slope * centred_heuristic(watched.heuristic)
    label = learner.fit(seen, target, weight=weight, seed=seed, start=start, parameters=recipe.parameters)
    left = target - learner.predict(label, seen) - start
    parts = fit_tenant_parts(seen, left, labels.weight, watched.tenant) if recipe.tenant_parts else {}
    return Heads(slope, label, _fit_accept(mature, seed, recipe) if recipe.accept_head else None, parts)


def heuristic_slope(heuristic: np.ndarray, target: np.ndarray, weight: np.ndarray) -> float:
    """Labels a standard deviation of the heuristic: weighted least squares, drawn towards 0.15, never below 0.05."""
    x = centred_heuristic(heuristic)
    x = x - np.average(x, weights=weight)
    slope = ((weight * x * target).sum() + 0.15 * _SLOPE_PRIOR) / ((weight * x * x).sum() + _SLOPE_PRIOR)
    return float(max(slope, 0.05))


def centred_heuristic(values: np.ndarray) -> np.ndarray:
    return (values - 50.0) / HEURISTIC_UNIT


def data_digest(examples: Examples) -> str:
    """Sixteen hex digits of everything a model learns from."""
    digest = hashlib.sha256(examples.feature_digest.encode())
    for column in (examples.tenant, examples.video, examples.clip):
        digest.update("\n".join(column.tolist()).encode())
    for values in (examples.made_on.astype("datetime64[D]").astype(np.int64), examples.features, examples.heuristic):
        digest.update(np.ascontiguousarray(values).tobytes())
    for values in (examples.explored, examples.decision, examples.counts, examples.trials):
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()[:16]


def _expect_features(examples: Examples) -> None:
    if examples.feature_digest != feature_digest():
        raise FeatureMismatch(
            f"the examples have features {examples.feature_digest}, this code computes {feature_digest()}; "
            "materialise training_examples again with this version"
        )


def _fit_accept(mature: Examples, seed: int, recipe: Recipe) -> Any | None:
    """Learns from reviewed clips, watched or not; None where they are too few or were all decided alike."""
    reviewed = mature.where(mature.reviewed)
    taken = acceptance(reviewed.decision)
    if len(reviewed) < LEAST_REVIEWED or float(np.ptp(taken)) == 0:
        return None
    weight = guarded_weights(
        taken - taken.mean(), np.ones(len(taken)), reviewed.heuristic, reviewed.video, reviewed.tenant, mature.tenant
    )
    return learner.fit(
        recipe.seen(reviewed.features),
        taken,
        weight=weight,
        seed=seed,
        objective=learner.SHARES,
        parameters=recipe.parameters,
    )


def _blended(
    heads: Heads,
    label_scale: Standard,
    accept_scale: Standard,
    features: np.ndarray,
    tenant: np.ndarray,
    heuristic: np.ndarray,
) -> np.ndarray:
    predicted = heads.label_of(features, heuristic)
    for name, part in heads.tenant_parts.items():
        ours = tenant == name
        if ours.any():
            predicted[ours] += part.of(features[ours])
    raw = label_scale.of(predicted)
    if heads.accept is not None:
        raw += ACCEPT_WEIGHT * accept_scale.of(learner.predict(heads.accept, features))
    return raw


def _scale(values: np.ndarray) -> Standard:
    return Standard(float(values.mean()), max(float(values.std()), 1e-6))
