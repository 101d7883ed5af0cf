"""What is watched daily while a model serves: plain numbers of one day, to plot over time, and which are an alarm.

An alarm about drift needs three days in a row. It asks for a retrain or a look, never for a promotion.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np

from clip_platform.errors import FeatureMismatch
from clip_platform.ml.baseline import HEURISTIC
from clip_platform.ml.calibration import Calibration, weighted_slope
from clip_platform.ml.drift import REFERENCE_DAYS, InputReference, Response, concept_drift, input_drift, made_within
from clip_platform.ml.examples import Examples
from clip_platform.ml.gates import SLOPE_RANGE
from clip_platform.ml.labels import acceptance, engagement_labels
from clip_platform.ml.model import EngagementModel
from clip_platform.ml.split import MATURITY_DAYS

INPUT_DAYS, LABEL_DAYS = 10, 21
"""Lengths of the windows that are compared; the second ends a week ago, when feedback was mature."""
LARGEST_PSI = 0.1
LARGEST_Z = 4.0
DAYS_IN_A_ROW = 3
LEAST_CLIPS, LEAST_TENANT_CLIPS = 200, 40
LEAST_TENANT_COVERAGE = 0.6
"""Of 80 % nominal: the worst of forty simulated tenants has about 67 % by chance."""
LARGEST_FALLBACK_SHARE = 0.05
LARGEST_SILENCE_DAYS = 3.0


@dataclass(frozen=True, slots=True)
class DriftDay:
    """What was measured on a day; NaN, or an empty mapping, where there was too little to measure it by.

    Attributes:
        inputs: `input_drift` of the clips of ten days.
        concept: `concept_drift` of the clips of three weeks against those after the model's training.
        slope, coverage: of the mature clips: labels a label expected, and the share within its interval.
        worst_tenant, worst_coverage: of tenants with at least 40 of them.
        fallback_share: of scores that the heuristic gave although a model serves.
        silence_days: since the last report about any clip.
        clips: mature clips.
    """

    day: date
    inputs: Mapping[str, float] = field(default_factory=dict)
    concept: Mapping[str, float] = field(default_factory=dict)
    slope: float = math.nan
    coverage: float = math.nan
    worst_tenant: str = ""
    worst_coverage: float = math.nan
    fallback_share: float = math.nan
    silence_days: float = math.nan
    clips: int = 0

    @property
    def most_drifted_input(self) -> tuple[str, float]:
        return max(self.inputs.items(), key=lambda item: item[1], default=("", math.nan))

    @property
    def most_drifted_concept(self) -> tuple[str, float]:
        return max(self.concept.items(), key=lambda item: abs(item[1]), default=("", math.nan))


def watch_day(
    day: date,
    model: EngagementModel,
    reference: InputReference,
    examples: Examples,
    *,
    learned_until: date,
    served_by: Sequence[str] = (),
    last_report: date | None = None,
    raw: np.ndarray | None = None,
) -> DriftDay:
    """
    Args:
        examples: as they were known on `day`; older ones than the model's training may be left out.
        learned_until: clips made later are new to the model.
        served_by: the model of every score that was given on that day.
        last_report: the day of the newest report about a clip.
        raw: (n,) the model's raw scores of `examples` where they are known already.

    Raises:
        FeatureMismatch: examples, model and reference are not of the same features.
    """
    if len({examples.feature_digest, model.feature_digest, reference.feature_digest}) > 1:
        raise FeatureMismatch(
            f"examples have features {examples.feature_digest}, model {model.version} {model.feature_digest}, its "
            f"drift reference {reference.feature_digest}; train again with this version"
        )
    recent = made_within(examples, day, INPUT_DAYS)
    inputs = input_drift(examples.features[recent], examples.video[recent], reference)
    new = examples.made_on > np.datetime64(learned_until, "D")
    rows = new & (examples.watched | examples.reviewed)
    seen = examples.where(rows)
    known = raw[rows] if raw is not None else _raw(model, seen)
    viewers, reviewers = _responses(seen, day, learned_until)
    return DriftDay(
        day=day,
        inputs=inputs,
        concept=concept_drift(seen, known, (viewers, reviewers)),
        fallback_share=float(np.mean([name == HEURISTIC for name in served_by])) if served_by else math.nan,
        silence_days=math.nan if last_report is None else float((day - last_report).days),
        clips=int(viewers.now.sum()),
        **_calibration_figures(model.calibration, known, viewers, seen.tenant),
    )


def _raw(model: EngagementModel, examples: Examples) -> np.ndarray:
    if not len(examples):
        return np.zeros(0)
    return model.raw(examples.features, examples.tenant, examples.heuristic)


def _responses(examples: Examples, day: date, learned_until: date) -> tuple[Response, Response]:
    """Of viewers and of reviewers: the last three weeks that are known against up to 90 days after the training."""
    mature = day - timedelta(days=MATURITY_DAYS)
    end = min(mature - timedelta(days=LABEL_DAYS), learned_until + timedelta(days=REFERENCE_DAYS))
    before = made_within(examples, end, REFERENCE_DAYS)
    watched = examples.watched & (before | made_within(examples, mature, LABEL_DAYS))
    labels = engagement_labels(examples.where(watched))
    value, weight = np.zeros(len(examples)), np.zeros(len(examples))
    value[watched], weight[watched] = labels.value, labels.weight
    decided = examples.reviewed
    return (
        Response(value, weight, watched & before, watched & ~before),
        Response(
            acceptance(examples.decision), np.ones(len(examples)), decided & before,
            decided & made_within(examples, day, LABEL_DAYS),
        ),
    )  # fmt: skip


def _calibration_figures(
    calibration: Calibration, raw: np.ndarray, viewers: Response, tenant: np.ndarray
) -> dict[str, Any]:
    rows = viewers.now
    if rows.sum() < LEAST_CLIPS:
        return {}
    raw, value, weight, tenant = raw[rows], viewers.value[rows], viewers.weight[rows], tenant[rows]
    low, high = calibration.label_interval(raw)
    inside = (low <= value) & (value <= high)
    found: dict[str, Any] = {
        "slope": weighted_slope(calibration.level + calibration.slope * raw, value, weight),
        "coverage": float(inside.mean()),
    }
    names, index, counts = np.unique(tenant, return_inverse=True, return_counts=True)
    if counts.max() >= LEAST_TENANT_CLIPS:
        shares = np.where(counts >= LEAST_TENANT_CLIPS, np.bincount(index, inside) / counts, np.inf)
        found |= {"worst_tenant": str(names[shares.argmin()]), "worst_coverage": float(shares.min())}
    return found


@dataclass(frozen=True, slots=True)
class Alarm:
    """`retrain`: newer examples would help; else somebody has to look. `evidence` names figure, limit and remedy."""

    name: str
    retrain: bool
    evidence: str


@dataclass(frozen=True, slots=True)
class _Check:
    name: str
    retrain: bool
    days: int
    is_over: Callable[[DriftDay], bool]
    evidence: Callable[[DriftDay], str]


_CHECKS = (
    _Check(
        "input drift", True, DAYS_IN_A_ROW,
        lambda one: one.most_drifted_input[1] > LARGEST_PSI,
        lambda one: "{} has PSI {:.2f}".format(*one.most_drifted_input) + f", above {LARGEST_PSI}; see whether its "
        "extraction changed, and train again",
    ),
    _Check(
        "concept drift", True, DAYS_IN_A_ROW,
        lambda one: abs(one.most_drifted_concept[1]) > LARGEST_Z,
        lambda one: "residuals go with {}, z {:+.1f}".format(*one.most_drifted_concept)
        + f", beyond {LARGEST_Z}; train again",
    ),
    _Check(
        "calibration slope", True, DAYS_IN_A_ROW,
        lambda one: one.slope < SLOPE_RANGE[0] or one.slope > SLOPE_RANGE[1],
        lambda one: f"slope {one.slope:.2f} is not within {SLOPE_RANGE[0]} to {SLOPE_RANGE[1]}; train again",
    ),
    _Check(
        "tenant coverage", True, DAYS_IN_A_ROW,
        lambda one: one.worst_coverage < LEAST_TENANT_COVERAGE,
        lambda one: f"{one.worst_coverage:.0%} of {one.worst_tenant}'s clips lie within their interval, under "
        f"{LEAST_TENANT_COVERAGE:.0%}; train again, and look at its feedback",
    ),
    _Check(
        "fallbacks", False, 1,
        lambda one: one.fallback_share > LARGEST_FALLBACK_SHARE,
        lambda one: f"the heuristic gave {one.fallback_share:.0%} of scores, above {LARGEST_FALLBACK_SHARE:.0%}; look "
        "why the champion was not loaded",
    ),
    _Check(
        "feedback freshness", False, 1,
        lambda one: one.silence_days > LARGEST_SILENCE_DAYS,
        lambda one: f"no report for {one.silence_days:.0f} days, {LARGEST_SILENCE_DAYS:.0f} are usual; look at the "
        "imports",
    ),
)  # fmt: skip
CHECKS = tuple(check.name for check in _CHECKS)


def alarms(days: Sequence[DriftDay]) -> tuple[Alarm, ...]:
    """What is wrong on the last of `days`, in the order of `CHECKS`: a day that is missing or was not measured counts
    as fine."""
    return tuple(
        Alarm(check.name, check.retrain, check.evidence(days[-1]))
        for check in _CHECKS
        if _in_a_row(days, check.days) and all(check.is_over(one) for one in days[-check.days :])
    )


def _in_a_row(days: Sequence[DriftDay], count: int) -> bool:
    last = days[-count:]
    return len(last) == count and all(one.day - last[0].day == timedelta(days=k) for k, one in enumerate(last))
