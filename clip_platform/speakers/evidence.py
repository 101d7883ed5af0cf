"""Which mouth speaks at each moment: evidence of each face, and the likeliest sequence of speakers. Numbers only.

The evidence is how much more a mouth moves than it does at rest and than the other mouths do at the same moment. That
the change of the mouth's pixels tells which face on display speaks is from Everingham, Sivic and Zisserman (BMVC 2006);
that lips move in silence too, but far less than in speech, from Sodoyer et al. (JASA 2009). Measured on the GRID
talkers: 2 to 4 grey levels while speaking, 0.5 to 0.9 while listening; sample by sample the motion hardly follows the
loudness (correlation below 0.2), as lips also move to stay closed or round, so loudness does not weigh the motion.
The sound tells when somebody speaks at all, and where a change of speaker is likely: where it is quiet.
"""

from __future__ import annotations

import numpy as np

MOTION_FLOOR = 0.3
"""Grey levels: what a still mouth shows by the noise of the picture alone."""
REST_QUANTILE = 10.0
REST_S = 30
"""A mouth's rest is looked for in blocks of this length and their neighbours: light and distance change."""
OTHERS_WEIGHT = 0.5
LARGEST_LEAD, LOWEST, HIGHEST = 1.5, -1.0, 2.5
NOBODY = 0.4
"""Evidence of somebody who is not on display; a mouth at rest has about 0.2, a speaking one 1 to 2."""
SWITCH_COST_LOUD, SWITCH_COST_QUIET = 12.0, 3.0
"""Evidence that a change of speaker must gain: at 15 samples a second, half a second's in the middle of loud speech, a
tenth in a pause."""


def mouth_evidence(motion: np.ndarray, rate: float) -> np.ndarray:
    """How much each face looks like the speaker at each sample.

    With the motion m of a mouth and its rest r (a low quantile of the minute and a half around), both above the noise
    of the picture c: `log((m + c) / (r + c))`, plus half the logarithm of (m + c) over the most that another moves.
    Bounded, so that no single moment decides.

    Args:
        motion: grey levels, shape (faces, samples); NaN where a face is not on display.
        rate: samples per second.

    Returns:
        float64, shape (faces, samples), `LOWEST..HIGHEST`; `LOWEST` where a face is not on display.
    """
    shown = ~np.isnan(motion)
    level = np.log(np.where(shown, motion, 0.0) + MOTION_FLOOR)
    resting = np.stack([_rest(row, round(REST_S * rate)) for row in motion])
    lead = np.clip(level - _most_of_others(np.where(shown, level, -np.inf)), -LARGEST_LEAD, LARGEST_LEAD)
    evidence = level - np.log(resting + MOTION_FLOOR) + OTHERS_WEIGHT * lead
    return np.where(shown, np.clip(evidence, LOWEST, HIGHEST), LOWEST)


def likeliest(evidence: np.ndarray, loudness: np.ndarray) -> np.ndarray:
    """Who speaks at each sample: the sequence with the most evidence after paying for each change (Viterbi 1967).

    Args:
        evidence: float64, shape (faces, samples).
        loudness: 0 (quiet) .. 1 (loud), shape (samples,): what a change costs.

    Returns:
        int64, shape (samples,): the row of `evidence`, -1 for somebody who is not on display.
    """
    states = np.vstack([evidence, np.full(evidence.shape[1], NOBODY)]).T
    costs = SWITCH_COST_QUIET + (SWITCH_COST_LOUD - SWITCH_COST_QUIET) * loudness
    count, width = states.shape
    same = np.arange(width)
    came_from = np.empty((count, width), np.int16)
    total = np.zeros(width)
    for sample in range(count):
        best = int(total.argmax())
        changed = total[best] - costs[sample]
        stays = total >= changed
        came_from[sample] = np.where(stays, same, best)
        total = np.where(stays, total, changed) + states[sample]
    path = np.empty(count, np.int64)
    state = int(total.argmax()) if count else 0
    for sample in range(count - 1, -1, -1):
        path[sample] = state
        state = int(came_from[sample, state])
    return np.where(path == width - 1, -1, path)


def lead_of(evidence: np.ndarray, row: int) -> float:
    """By how much the mean evidence of one face exceeds that of every other and of nobody; negative when it does not.

    Args:
        evidence: of the samples in question, shape (faces, samples).
    """
    means = evidence.mean(axis=1)
    others = np.delete(means, row)
    return float(means[row] - max(NOBODY / 2, others.max(initial=LOWEST)))


def _rest(motion: np.ndarray, block: int) -> np.ndarray:
    """A low quantile of the block around each sample and its two neighbours."""
    rest = np.zeros(len(motion))
    for first in range(0, len(motion), block):
        around = motion[max(0, first - block) : first + 2 * block]
        known = around[~np.isnan(around)]
        if len(known):
            rest[first : first + block] = np.percentile(known, REST_QUANTILE)
    return rest


def _most_of_others(level: np.ndarray) -> np.ndarray:
    """At each sample the largest value of the other rows; a row's own where there is no other."""
    if len(level) < 2:
        return level
    ordered = np.sort(level, axis=0)
    others = np.where(level == ordered[-1], ordered[-2], ordered[-1])
    return np.where(np.isfinite(others), others, level)
