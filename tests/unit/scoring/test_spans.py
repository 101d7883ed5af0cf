from __future__ import annotations

import numpy as np

from clip_platform.scoring.spans import Coverage
from clip_platform.timeline import Span


def test_overlapping_intervals_count_once():
    coverage = Coverage([Span.of(5, 9), Span.of(0, 2), Span.of(1, 4)])

    seconds = coverage.seconds_in(np.array([0.0, 3.0, 4.0, -5.0]), np.array([10.0, 6.0, 5.0, 50.0]))

    assert seconds.tolist() == [8.0, 2.0, 0.0, 8.0]


def test_no_intervals_cover_nothing():
    assert Coverage([]).share_of(np.array([0.0]), np.array([1.0])).tolist() == [0.0]


def test_touching_and_empty_intervals_do_no_harm():
    coverage = Coverage([Span.of(0, 1), Span.of(1, 2), Span.of(3, 3)])

    assert coverage.seconds_in(np.array([0.5]), np.array([4.0])).tolist() == [1.5]
