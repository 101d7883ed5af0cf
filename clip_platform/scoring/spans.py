"""Arithmetic on many stretches at once: how much of each candidate a set of intervals covers. Knows no feature.

numpy is imported at the top: only `compute_features` imports this module, when it runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from clip_platform.scoring.features import HOOK_S
from clip_platform.selection.candidates import ClipCandidates
from clip_platform.timeline import Span


@dataclass(frozen=True)
class CandidateSpans:
    """Times of all candidates, float64 of shape (candidates,), seconds; `hook_end` ends the first `HOOK_S` seconds.

    `first`, `last`: int64, words, the last one included.
    """

    start: np.ndarray
    end: np.ndarray
    hook_end: np.ndarray
    first: np.ndarray
    last: np.ndarray

    @classmethod
    def of(cls, candidates: ClipCandidates) -> CandidateSpans:
        start = np.array([float(candidate.span.start) for candidate in candidates.candidates])
        end = np.array([float(candidate.span.end) for candidate in candidates.candidates])
        first = np.array([candidate.first_word for candidate in candidates.candidates], dtype=np.int64)
        last = np.array([candidate.last_word for candidate in candidates.candidates], dtype=np.int64)
        return cls(start, end, np.minimum(start + HOOK_S, end), first, last)

    @property
    def duration_s(self) -> np.ndarray:
        return self.end - self.start

    @property
    def minutes(self) -> np.ndarray:
        return self.duration_s / 60


class Coverage:
    """A union of intervals; answers in O(log n) how many seconds of a stretch it covers."""

    def __init__(self, spans: Iterable[Span]) -> None:
        intervals = sorted((float(span.start), float(span.end)) for span in spans)
        edges: list[float] = []
        for start, end in intervals:
            if edges and start <= edges[-1]:
                edges[-1] = max(edges[-1], end)
            elif end > start:
                edges += [start, end]
        self._edges = np.array(edges)
        lengths = np.diff(self._edges)
        lengths[1::2] = 0  # between two intervals nothing is added
        self._covered_s = np.concatenate([[0.0], np.cumsum(lengths)]) if edges else np.zeros(0)

    def seconds_in(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        if not len(self._edges):
            return np.zeros(len(start))
        return np.interp(end, self._edges, self._covered_s) - np.interp(start, self._edges, self._covered_s)

    def share_of(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        return ratio(self.seconds_in(start, end), end - start)


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """`part / whole`, 0 where there is no whole."""
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


def sums_before(values: np.ndarray) -> np.ndarray:
    """Prefix sums with a leading zero: `sums[b] - sums[a]` is the sum of `values[a:b]`."""
    return np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
