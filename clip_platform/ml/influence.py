"""How much one tenant can pull at what all tenants share: the guard against a tenant that reports what it likes.

Two limits on the weights that examples are learned and calibrated with, and one on the evidence that models are
compared by:

- A cap. A tenant's pull is the sum of its weights times the sizes of its labels: for squared loss that bounds its part
  in every gradient, whatever it reports (labels are within +-4 by construction). No tenant has more than a tenth of all
  pull (an equal share, where fewer than ten report), but for one that made more than half of all clips: an installation
  that is mostly one customer's learns from that customer.
- Trust. A tenth is enough to turn a ranking, where the honest are noisy and the liar is not. So a tenant counts in full
  from half the usual agreement with the heuristic on: the one opinion that no tenant can have moved. One that agrees by
  chance or contradicts hardly counts for others; its own part of the model (`tenant_parts`) is its own affair.
- No verdict is one tenant's (`evened`). Weights do not help there: with 3 % of all videos a tenant took the z of a
  better challenger from +6.0 to -7.4, and that of one that was no better from +2.3 to +8.9.

Measured in simulated worlds, one tenant with a quarter of all clips, each reported with 10^9 views: see
`tests/unit/ml/test_hostile_tenant.py`.
"""

from __future__ import annotations

import numpy as np

from clip_platform.ml.concordance import pair_sums

LARGEST_SHARE = 0.1
FULL_TRUST = 0.5
"""Of the usual agreement with the heuristic, from which on a tenant counts in full."""
LEAST_TENANTS = 5
"""Of fewer, the evidence of each counts."""
_LEAST_FACTOR = 1e-6
_PRIOR_SHARE = 0.02
_ROUNDS = 200


def guarded_weights(
    label: np.ndarray,
    weight: np.ndarray,
    heuristic: np.ndarray,
    video: np.ndarray,
    tenant: np.ndarray,
    made: np.ndarray,
) -> np.ndarray:
    """(n,) `weight` times trust and cap.

    Args:
        label: (n,) in any unit around 0.
        made: (m,) the tenant of every clip made, reported or not.
    """
    names, tenants = np.unique(tenant, return_inverse=True)
    shares = np.array([np.mean(made == name) for name in names])
    trusted = weight * trust(label, weight, heuristic, video, tenants)[tenants]
    return trusted * capped_shares(trusted * np.abs(label), tenants, shares)


def capped_shares(amount: np.ndarray, tenants: np.ndarray, made: np.ndarray) -> np.ndarray:
    """(n,) factors 0 < f <= 1, one a tenant, that leave no tenant's sum of `amount` above its share of all.

    The fixed point of c_t = min(s_t, a_t sum(c)).

    Args:
        amount: (n,) not negative.
        tenants: (n,) int, index of the tenant.
        made: (tenants,) share of all clips that are the tenant's.
    """
    if not len(amount):
        return np.ones(0)
    sums = np.bincount(tenants, amount, len(made))
    allowed = np.where(made > 0.5, made, max(LARGEST_SHARE, 1 / max(int((sums > 0).sum()), 1)))
    cut = sums
    for _ in range(_ROUNDS):
        lower = np.minimum(sums, allowed * cut.sum())
        if np.allclose(lower, cut, rtol=1e-9):
            break
        cut = lower
    return np.divide(cut, sums, out=np.ones_like(sums), where=sums > 0)[tenants]


def trust(
    label: np.ndarray, weight: np.ndarray, heuristic: np.ndarray, video: np.ndarray, tenants: np.ndarray
) -> np.ndarray:
    """(tenants,) 0 .. 1: agreement with the heuristic over half the usual one.

    Agreement is the weighted concordance of pairs within videos, drawn towards the median of tenants by as much as a
    fiftieth of all pairs: little is known of a tenant with few clips. All trust, where the usual one is not positive.
    """
    size = int(tenants.max()) + 1 if len(tenants) else 0
    right, everything = np.zeros(size), np.zeros(size)
    for index in range(size):
        ours = tenants == index
        sums = pair_sums(heuristic[ours], label[ours], video[ours], weight[ours], by_gap=True)
        right[index], everything[index] = sums.right.sum(), sums.all.sum()
    known = everything > 0
    usual = float(np.median(right[known] / everything[known])) if known.any() else 0.0
    if usual <= 0:
        return np.ones(size)
    prior = _PRIOR_SHARE * float(np.median(everything[known])) * int(known.sum())
    agreement = (right + prior * usual) / (everything + prior)
    return np.clip(agreement / (FULL_TRUST * usual), 0, 1)


def evened(gain: np.ndarray, tenant: np.ndarray) -> np.ndarray:
    """(videos,) factors 0 < f <= 1, one a tenant, after which the tenant whose videos say most for or against a model
    says no more than the next one does, or, where it says what the others say, than as many videos of theirs would and
    two standard errors more.

    The second is for a large tenant among few, which rightly says more than the next. A tenant with more than half of
    the videos is left as it is, as in learning; so are all where there are few.

    Args:
        gain: (videos,) what each says for the model, below 0 against it.
        tenant: (videos,) names.
    """
    names, index, videos = np.unique(tenant, return_inverse=True, return_counts=True)
    factors = np.ones(len(names))
    if len(names) >= LEAST_TENANTS:
        sums = np.bincount(index, gain)
        said = np.where(videos > len(gain) / 2, 0.0, np.abs(sums))
        first = int(said.argmax())
        others, count = gain[index != first], int(videos[first])
        most = float(np.delete(said, first).max())
        if sums[first] * others.mean() > 0:
            most = max(most, count * abs(float(others.mean())) + 2 * float(others.std()) * count**0.5)
        if said[first] > most:
            factors[first] = max(most / float(said[first]), _LEAST_FACTOR)
    return factors[index]
