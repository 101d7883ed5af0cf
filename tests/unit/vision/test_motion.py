from __future__ import annotations

import cv2
import numpy as np
import pytest

from clip_platform.vision.motion import appearance, follow, likeness, mouth_motion
from clip_platform.vision.tracks import Box
from tests.unit.vision.moving_pictures import with_face


def box_at(centre: tuple[float, float], face_px: float) -> Box:
    height = face_px * 105 / 93
    return Box(centre[0] - face_px / 2, centre[1] - height / 2, face_px, height)


@pytest.mark.parametrize("face_px", [30, 70, 150])
def test_a_step_tells_shift_and_growth(face_px: float):
    before = with_face((300, 170), face_px)
    after = with_face((300 + face_px * 0.08, 170 - face_px * 0.03), face_px * 1.02)

    step = follow(before, after, box_at((300, 170), face_px))

    assert step is not None
    assert step.dx == pytest.approx(face_px * 0.08, abs=0.012 * face_px)
    assert step.dy == pytest.approx(-face_px * 0.03, abs=0.012 * face_px)
    assert step.scale == pytest.approx(1.02, abs=0.012)


def test_a_change_of_brightness_is_no_motion():
    before = with_face((300, 170), 80)

    step = follow(before, (before * 0.6).astype(np.uint8), box_at((300, 170), 80))

    assert step is not None
    assert (step.dx, step.dy, step.scale) == pytest.approx((0, 0, 1), abs=0.02)


def test_another_picture_or_none_has_no_step_or_no_likeness():
    before = with_face((300, 170), 80)
    noise = np.random.default_rng(5).integers(0, 255, before.shape, dtype=np.uint8)
    box = box_at((300, 170), 80)

    assert follow(before, np.zeros_like(before), box) is None
    step = follow(before, noise, box)
    assert step is None or likeness(appearance(before, box), appearance(noise, step.applied_to(box))) < 0.45
    assert follow(before, before, Box(-300, -300, 40, 40)) is None


def test_a_face_is_like_itself_at_another_size():
    small, large = with_face((200, 150), 50), with_face((350, 180), 100)

    same = likeness(appearance(small, box_at((200, 150), 50)), appearance(large, box_at((350, 180), 100)))

    assert same > 0.9


def test_a_mouth_that_opens_moves_and_a_head_that_shifts_does_not():
    before, shifted = with_face((300, 170), 120), with_face((306, 172), 120)
    opened = before.copy()
    cv2.ellipse(opened, (300, 212), (14, 9), 0, 0, 360, 10, -1)
    box, shifted_box = box_at((300, 170), 120), box_at((306, 172), 120)

    still = mouth_motion(before, box, before, box)
    aligned = mouth_motion(before, box, shifted, shifted_box)
    speaking = mouth_motion(before, box, opened, box)

    assert still == 0
    assert speaking > 4 * aligned
