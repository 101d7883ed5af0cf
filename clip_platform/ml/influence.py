"""How much one tenant can pull at what all tenants share: the guard against a tenant that reports what it likes.

A tenant's pull is the sum of its weights times the sizes of its labels: for squared loss, that bounds its part in every
gradient the shared model is grown from, whatever it reports (labels are within +-4 by construction). No tenant has more
than a quarter of all pull, or its share of all clips if that is more: clips cost money to make, counters do not.
"""

from __future__ import annotations

import numpy as np

LARGEST_SHARE = 0.25
_ROUNDS = 200


def capped_shares(amount: np.ndarray, tenants: np.ndarray, largest: float = LARGEST_SHARE) -> np.ndarray:
    """(n,) factors 0 < f <= 1, one a tenant, that leave no tenant's sum of `amount` above its share of all.

    The fixed point of c_t = min(s_t, a_t sum(c)), a_t = max(`largest`, clips of t / clips).

    Args:
        amount: (n,) not negative.
        tenants: (n,) int, index of the tenant.
    """
    if not len(amount):
        return np.ones(0)
    sums = np.bincount(tenants, amount)
    allowed = np.maximum(largest, np.bincount(tenants) / len(tenants))
    cut = sums
    for _ in range(_ROUNDS):
        lower = np.minimum(sums, allowed * cut.sum())
        if np.allclose(lower, cut, rtol=1e-9):
            break
        cut = lower
    return np.divide(cut, sums, out=np.ones_like(sums), where=sums > 0)[tenants]
