from __future__ import annotations

from fractions import Fraction

import pytest
from scenes import media

from clip_platform.rendering.grid import frame_grid, output_rate
from clip_platform.timeline import Span

NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize(
    ("rate", "variable", "expected"),
    [
        (Fraction(30), False, Fraction(30)),
        (NTSC, False, NTSC),
        (Fraction(120), False, Fraction(60)),
        (Fraction(100), False, Fraction(50)),
        (Fraction(10), False, Fraction(30)),
        (Fraction(1), False, Fraction(23)),
        (Fraction(2971, 100), True, NTSC),
        (Fraction(271, 10), True, NTSC),
        (Fraction(59), True, Fraction(60000, 1001)),
        (Fraction(8), True, Fraction(24000, 1001)),
    ],
)
def test_a_clip_has_one_rate_that_platforms_take(rate, variable, expected):
    assert output_rate(media(rate=rate, variable_rate=variable).video) == expected


def test_a_rate_that_is_a_rounded_common_one_does_not_drift():
    assert output_rate(media(rate=Fraction(2997, 100)).video) == NTSC


def test_a_clip_starts_on_a_frame_of_the_source():
    clip = frame_grid(Span.of(1.01, 3), media(rate=NTSC).video, Fraction(60))

    assert (clip.start_s * NTSC).denominator == 1
    assert 0 <= clip.start_s - Fraction(101, 100) < 1 / NTSC
    assert clip.frames == 59


def test_a_clip_does_not_outlast_its_source():
    clip = frame_grid(Span.of(58, 70), media().video, Fraction(60))

    assert clip.frames == 60
