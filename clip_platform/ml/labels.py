"""What a clip was worth, from what viewers and reviewers did: the number the model learns to predict.

Every rate is compared with the tenant's own usual rate, because audiences differ more than clips; watching to the end
is compared among clips of like length, or a model learns "short"; and a clip counts as much as its counts are
reliable. In simulated worlds this label ranks clips of fresh videos with Kendall's tau 0.39 to their hidden utility
from 1,000 clips on, the raw share of completions with 0.07.

Sources: method of moments for the beta-binomial (Kleinman 1973); empirical Bayes (Robbins 1956; Efron and Morris 1975);
best linear unbiased prediction of the video's effect (Henderson 1975).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from clip_platform.ml.examples import ACCEPTED, EDITED, NO_DECISION, SIGNALS, Examples

WEIGHTS = {"watch_through": 1.0, "click_through": 0.7, "like": 1.0, "share": 0.7, "save": 0.7}
CLIP_CAP = 400.0
"""One clip's trials count at most so much in its tenant's rate: a viral clip is not the tenant."""
PRIOR_TRIALS = 500.0
LEAST_TRIALS = 30
LEAST_CLIPS = 20
USUAL_KAPPA = 30.0
KAPPA_RANGE = (2.0, 500.0)
LEAST_RELIABILITY = 0.05
LARGEST_Z = 4.0
"""No clip is further from its tenant's usual one than so many standard deviations, 10^9 views or not."""
SHRINKAGE = 0.15
LEAST_WEIGHT = 0.05
VIDEO_PRIOR = 3.0
_RATE_RANGE = (1e-4, 1 - 1e-4)


@dataclass(frozen=True, slots=True)
class LabelVariant:
    """`weights` by signal; without `adjusts_duration` a label favours short clips."""

    weights: Mapping[str, float]
    adjusts_duration: bool = True


VARIANTS: Mapping[str, LabelVariant] = {
    "engagement": LabelVariant(WEIGHTS),
    "engagement_unadjusted": LabelVariant(WEIGHTS, adjusts_duration=False),
    "watch_through": LabelVariant({"watch_through": 1.0}),
    "reactions": LabelVariant({"like": 1.0, "share": 0.7, "save": 0.7}),
}
"""`engagement` is what serves; the others are for experiments."""


@dataclass(frozen=True, slots=True)
class Labels:
    """`value`: (n,) standard deviations from the tenant's usual clip; `weight`: (n,) 0.05 (unknown) .. 1.05."""

    value: np.ndarray
    weight: np.ndarray


def engagement_labels(examples: Examples, variant: LabelVariant = VARIANTS["engagement"]) -> Labels:
    """y = sum(a_k rho_k z_k) / (sum(a_k rho_k) + 0.15 sum(a)), w = 0.05 + sum(a_k rho_k) / sum(a).

    z_k are the signals' standardised, tenant-relative log ratios, rho_k their reliabilities, a_k the variant's
    weights. A clip that
    nobody saw has value 0 and the least weight.
    """
    tenants = np.unique(examples.tenant, return_inverse=True)[1]
    total, reliability = np.zeros(len(examples)), np.zeros(len(examples))
    for column, signal in enumerate(SIGNALS):
        if signal not in variant.weights:
            continue
        counts, trials = examples.counts[:, column], examples.trials[:, column]
        ratio, rho = log_ratios(counts, trials, tenants, is_share=signal in ("watch_through", "click_through"))
        if signal == "watch_through" and variant.adjusts_duration:
            ratio = duration_adjusted(ratio, rho, np.log(np.maximum(examples.column("duration_s"), 1.0)))
        total += variant.weights[signal] * rho * standardised(ratio, rho)
        reliability += variant.weights[signal] * rho
    weights = sum(variant.weights.values())
    return Labels(total / (reliability + SHRINKAGE * weights), LEAST_WEIGHT + reliability / weights)


def log_ratios(
    counts: np.ndarray, trials: np.ndarray, tenants: np.ndarray, *, is_share: bool
) -> tuple[np.ndarray, np.ndarray]:
    """r = (logit theta - logit p_t) / max(rho, 0.05) with theta = (c + kappa p_t) / (n + kappa), rho = n / (n + kappa).

    Logarithms instead of logits where a count is no share of its trials (one view may give several shares).

    Args:
        tenants: (n,) int, index of the tenant.

    Returns:
        (n,) ratios on the unshrunken scale and (n,) reliabilities 0 .. 1.
    """
    usual = np.clip(tenant_rates(counts, trials, tenants), *_RATE_RANGE)[tenants]
    kappa = moment_kappa(np.minimum(counts, trials), trials)
    theta = np.clip((counts + kappa * usual) / (trials + kappa), *_RATE_RANGE)
    rho = trials / (trials + kappa)
    ratio = _logit(theta) - _logit(usual) if is_share else np.log(theta / usual)
    return ratio / np.maximum(rho, LEAST_RELIABILITY), rho


def moment_kappa(counts: np.ndarray, trials: np.ndarray) -> float:
    """Trials that a clip's own rate must outweigh: kappa = p (1 - p) / s^2 - 1, by the method of moments.

    s^2 is the variance of rates between clips of at least 30 trials, less what binomial chance explains. `USUAL_KAPPA`
    where fewer than 20 clips have that many.
    """
    enough = trials >= LEAST_TRIALS
    if enough.sum() < LEAST_CLIPS:
        return USUAL_KAPPA
    rates, n = winsorised(counts[enough] / trials[enough]), trials[enough]
    mean = float(np.average(rates, weights=n / (n + 50)))
    spread = max(float(np.var(rates) - np.mean(rates * (1 - rates) / n)), 1e-5)
    return float(np.clip(mean * (1 - mean) / spread - 1, *KAPPA_RANGE))


def tenant_rates(counts: np.ndarray, trials: np.ndarray, tenants: np.ndarray) -> np.ndarray:
    """(tenants,) p_t = (sum c + 500 p) / (sum n + 500), each clip's n at most 400; p is the rate of all tenants."""
    capped = np.minimum(1.0, CLIP_CAP / np.maximum(trials, 1.0))
    counts, trials = counts * capped, trials * capped
    overall = _overall_rate(counts, trials, tenants)
    size = int(tenants.max()) + 1 if len(tenants) else 0
    ours, all_of = np.bincount(tenants, counts, size), np.bincount(tenants, trials, size)
    return (ours + PRIOR_TRIALS * overall) / (all_of + PRIOR_TRIALS)


def _overall_rate(counts: np.ndarray, trials: np.ndarray, tenants: np.ndarray) -> float:
    """Of all tenants, none with more than its share of the trials (`influence`)."""
    from clip_platform.ml.influence import capped_shares

    clips = np.bincount(tenants) / max(len(tenants), 1)
    share = capped_shares(trials, tenants, clips)
    return float((counts * share).sum() / max((trials * share).sum(), 1.0))


def duration_adjusted(ratio: np.ndarray, reliability: np.ndarray, log_duration: np.ndarray) -> np.ndarray:
    """r - b x: `ratio` without what the logarithm of the length explains by weighted least squares.

    A length that is not known is the usual one.
    """
    if not len(ratio):
        return ratio
    weight = reliability + 1e-3
    known = ~np.isnan(log_duration)
    usual = np.average(log_duration[known], weights=weight[known]) if known.any() else 0.0
    log_duration = np.where(known, log_duration, usual)
    x = log_duration - np.average(log_duration, weights=weight)
    slope = (weight * x * winsorised(ratio, reliability)).sum() / max(float((weight * x * x).sum()), 1e-9)
    return ratio - slope * x


def standardised(ratio: np.ndarray, reliability: np.ndarray) -> np.ndarray:
    """Over its weighted root mean square, within +-4."""
    if not len(ratio):
        return ratio
    scale = float(np.sqrt(np.average(winsorised(ratio, reliability) ** 2, weights=reliability + 1e-3)))
    return np.clip(ratio / max(scale, 1e-9), -LARGEST_Z, LARGEST_Z)


def winsorised(values: np.ndarray, reliability: np.ndarray | None = None) -> np.ndarray:
    """`values` within four robust standard deviations (1.4826 median absolute deviations) of their median.

    What all tenants share (kappa, slopes, scales) is computed from these: one clip with 10^9 views stretched the scale
    of everybody's labels by a third. The median is of values with some reliability, where that is given.
    """
    reliable = values if reliability is None else values[reliability >= LEAST_RELIABILITY]
    if not len(reliable):
        return values
    middle = float(np.median(reliable))
    reach = LARGEST_Z * 1.4826 * float(np.median(np.abs(reliable - middle)))
    return np.clip(values, middle - reach, middle + reach) if reach > 0 else values


def video_centred(value: np.ndarray, weight: np.ndarray, video: np.ndarray) -> np.ndarray:
    """y - sum(w y) / (sum(w) + 3) over its video: what a video's fame gives all its clips says nothing about one."""
    videos = np.unique(video, return_inverse=True)[1]
    effect = np.bincount(videos, weight * value) / (np.bincount(videos, weight) + VIDEO_PRIOR)
    return value - effect[videos] if len(value) else value


def acceptance(decision: np.ndarray) -> np.ndarray:
    """(n,) 1 accepted or published, 0.5 edited, 0 rejected; NaN where nobody decided."""
    share = np.where(decision >= ACCEPTED, 1.0, np.where(decision == EDITED, 0.5, 0.0))
    return np.where(decision == NO_DECISION, np.nan, share)


def _logit(share: np.ndarray) -> np.ndarray:
    return np.log(share / (1 - share))
