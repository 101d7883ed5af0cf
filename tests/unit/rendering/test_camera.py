from __future__ import annotations

from fractions import Fraction

import numpy as np

from clip_platform.rendering.camera import Axis, window_starts

RATE = Fraction(30)
AXIS = Axis(length_px=1920, window_px=608, anchor=0.5)


def test_somebody_who_walks_over_and_then_sways_is_not_followed_in_the_swaying():
    walk = np.linspace(400, 1400, 60)
    sway = 1400 + 40 * np.sin(np.arange(150) / 30 * np.pi)

    starts = window_starts(np.concatenate([np.full(60, 400.0), walk, sway]), AXIS, RATE)

    settled = starts[160:]
    assert settled.max() - settled.min() <= 2
    assert np.abs(settled + AXIS.window_px / 2 - 1400).max() <= 0.2 * AXIS.window_px


def test_the_window_stays_inside_the_picture_whatever_the_subject_does():
    wild = 960 + 2500 * np.sin(np.arange(300) / 20)

    starts = window_starts(wild, AXIS, RATE)

    assert starts.min() >= 0
    assert starts.max() <= AXIS.length_px - AXIS.window_px
