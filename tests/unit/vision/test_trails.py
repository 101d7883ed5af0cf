from __future__ import annotations

import numpy as np
import pytest

from clip_platform.vision.tracks import Box
from clip_platform.vision.trails import Trail, corrected


def test_a_trail_grows_at_both_ends():
    trail = Trail(10, Box(5, 6, 7, 8))
    trail.append(Box(6, 6, 7, 8), 2.0)
    trail.prepend(Box(4, 6, 7, 8), 1.0)

    assert (trail.first, trail.last, len(trail)) == (9, 11, 3)
    assert [trail.box(number).x for number in (9, 10, 11)] == [4, 5, 6]
    assert trail.values(3)[:, 4].tolist() == [0.0, 1.0, 2.0]


def test_a_trail_continues_an_earlier_one():
    earlier, later = Trail(0, Box(1, 0, 5, 5)), Trail(1, Box(2, 0, 5, 5))

    later.precede(earlier)

    assert (later.first, later.last) == (0, 1)
    assert later.box(0) == Box(1, 0, 5, 5)


def test_a_path_that_drifts_is_led_back_to_its_detections_however_long_it_is():
    trail = Trail(0, Box(100, 50, 40, 44))
    for number in range(1, 9000):
        trail.append(Box(100 + 0.01 * number, 50, 40, 44), 0.0)
    seen = {number: Box(100, 50, 40, 44) for number in range(0, 9000, 20)}

    boxes = corrected(trail, 9000, seen, 15.0)

    assert boxes.shape == (9000, 4)
    assert np.abs(boxes[:, 0] - 100).max() < 0.6
    assert boxes[4000].tolist() == pytest.approx([100, 50, 40, 44], abs=0.1)
