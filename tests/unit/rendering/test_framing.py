from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from scenes import NO_TURNS, faces, grid, shots, track, turns

from clip_platform.rendering.framing import Framing, frame_clip, picture_for
from clip_platform.timeline import Span

VERTICAL = Fraction(9, 16)
FULL_HD = picture_for(1920, 1080, VERTICAL)


def lefts(framing: Framing) -> np.ndarray:
    return np.array([corner[0] for run in framing.runs for corner in run.corners])


def in_window(framing: Framing, where, frames: int, rate: int = 30) -> np.ndarray:
    """Where the face's centre is across the window, 0..1, in each frame."""
    centres = np.array([where(frame / rate)[0] for frame in range(frames)])
    return (centres - lefts(framing)) / framing.picture.window_width_px


@pytest.mark.parametrize(
    ("width", "height", "aspect", "window"),
    [
        (1920, 1080, Fraction(9, 16), (608, 1080)),
        (1080, 1920, Fraction(9, 16), (1080, 1920)),
        (1080, 1920, Fraction(16, 9), (1080, 608)),
        (640, 480, Fraction(1), (480, 480)),
        (1280, 720, Fraction(4, 5), (576, 720)),
        (322, 242, Fraction(9, 16), (136, 242)),
        (608, 1080, Fraction(9, 16), (608, 1080)),
    ],
)
def test_the_window_is_the_largest_of_the_wanted_shape(width, height, aspect, window):
    picture = picture_for(width, height, aspect)

    assert (picture.window_width_px, picture.window_height_px) == window


@pytest.mark.parametrize("peak_px_per_s", [40, 120, 300])
def test_a_moving_face_stays_in_the_middle_of_the_crop(peak_px_per_s):
    period_s = 9
    reach = peak_px_per_s * period_s / (2 * math.pi)

    def where(t):
        return 960 + reach * math.sin(2 * math.pi * t / period_s), 390

    framing = frame_clip(grid(20), FULL_HD, shots(0, 20), faces(track(1, where, Span.of(0, 20))), NO_TURNS)

    across = in_window(framing, where, 600)
    assert np.mean((across > 0.3) & (across < 0.7)) >= 0.98
    assert np.abs(np.diff(lefts(framing), n=2)).max() <= 3


def test_a_face_that_only_trembles_gets_a_crop_that_never_moves():
    noise = np.random.default_rng(7)

    def where(_t):
        return 700 + noise.normal(0, 8), 390

    framing = frame_clip(grid(10), FULL_HD, shots(0, 10), faces(track(1, where, Span.of(0, 10))), NO_TURNS)

    assert set(lefts(framing)) == {lefts(framing)[0]}
    assert abs(lefts(framing)[0] + 304 - 700) < 12


def test_one_wrong_sample_does_not_move_the_camera():
    def where(t):
        return (1800 if 4.9 < t < 5.1 else 700), 390

    framing = frame_clip(grid(10), FULL_HD, shots(0, 10), faces(track(1, where, Span.of(0, 10))), NO_TURNS)

    assert set(lefts(framing)) == {700 - 304}


@pytest.mark.parametrize(("face_x", "left"), [(20, 0), (1900, 1920 - 608)])
def test_the_crop_stays_inside_the_picture(face_x, left):
    framing = frame_clip(
        grid(4), FULL_HD, shots(0, 4), faces(track(1, lambda _t: (face_x, 390), Span.of(0, 4))), NO_TURNS
    )

    assert set(lefts(framing)) == {left}


def test_the_crop_jumps_at_cuts_and_only_there():
    seen = faces(
        track(1, lambda t: (500 + 60 * t, 390), Span.of(0, 4), shot_index=0),
        track(2, lambda t: (1400 - 60 * t, 390), Span.of(4, 8), shot_index=1),
    )

    framing = frame_clip(grid(8), FULL_HD, shots(0, 4, 8), seen, NO_TURNS)

    steps = np.abs(np.diff(lefts(framing)))
    assert list(np.flatnonzero(steps > 10)) == [119]
    assert steps[119] > 200


def test_a_cut_falls_on_its_frame_in_a_clip_that_starts_between_whole_seconds():
    seen = faces(
        track(1, lambda _t: (500, 390), Span.of(0, 4), shot_index=0),
        track(2, lambda _t: (1400, 390), Span.of(4, 8), shot_index=1),
    )

    framing = frame_clip(grid(4, start_s=2.3), FULL_HD, shots(0, 4, 8), seen, NO_TURNS)

    assert [(run.first_frame, run.end_frame) for run in framing.runs] == [(0, 51), (51, 120)]


def test_slides_and_empty_rooms_are_shown_whole_and_only_the_room_is_second_best():
    framing = frame_clip(grid(8), FULL_HD, shots(0, 4, 8, kinds="sc"), faces(), NO_TURNS)

    assert [run.layout for run in framing.runs] == ["fit", "fit"]
    assert framing.runs[0].second_best is None
    assert framing.fallbacks == ("no face was found, so the whole picture is shown",)


def two_shot(left: float, right: float, *, sizes=(200, 200)):
    return faces(
        track(1, lambda _t: (left, 390), Span.of(0, 10), size_px=sizes[0]),
        track(2, lambda _t: (right, 390), Span.of(0, 10), size_px=sizes[1]),
    )


def test_two_faces_that_fit_are_both_kept():
    framing = frame_clip(grid(10), FULL_HD, shots(0, 10), two_shot(800, 1100), NO_TURNS)

    assert framing.runs[0].layout == "crop"
    assert set(lefts(framing)) == {950 - 304}


def test_the_one_who_speaks_is_followed():
    spoken = turns((0, 4, 2), (5, 9, 2))

    framing = frame_clip(grid(10), FULL_HD, shots(0, 10), two_shot(400, 1500), spoken)

    assert framing.runs[0].reason == "follows the speaker"
    assert set(lefts(framing)) == {1500 - 304}


def test_of_two_who_talk_in_turn_each_is_shown_with_a_cut_between():
    framing = frame_clip(grid(10), FULL_HD, shots(0, 10), two_shot(400, 1500), turns((0, 5, 1), (5.2, 9, 2)))

    assert [(run.layout, run.first_frame, run.end_frame) for run in framing.runs] == [
        ("crop", 0, 156),
        ("crop", 156, 300),
    ]
    assert [{corner[0] for corner in run.corners} for run in framing.runs] == [{400 - 304}, {1500 - 304}]
    assert framing.fallbacks == ()


@pytest.mark.parametrize("short", [(4.0, 4.7), (0.0, 0.8), (9.3, 10.0)])
def test_a_short_answer_does_not_pull_the_picture_away(short: tuple[float, float]):
    rest = [(0.0, short[0], 1)] if short[0] else []
    rest += [(*short, 2)]
    rest += [(short[1], 10.0, 1)] if short[1] < 10 else []

    framing = frame_clip(grid(10), FULL_HD, shots(0, 10), two_shot(400, 1500), turns(*rest))

    assert [run.frames for run in framing.runs] == [300]
    assert set(lefts(framing)) == {400 - 304}


def test_while_the_speaker_is_unknown_all_are_shown():
    spoken = turns((0, 4, 1), (4, 6, None), (6, 10, 2))

    framing = frame_clip(grid(10), FULL_HD, shots(0, 10), two_shot(400, 1500), spoken)

    assert [(run.layout, run.frames) for run in framing.runs] == [("crop", 120), ("fit", 60), ("crop", 120)]
    assert "unknown" in framing.fallbacks[0]


def test_nobody_is_shown_for_less_than_a_second_in_a_quick_exchange():
    quick = [(0.4 * number, 0.4 * number + 0.4, 1 + number % 2) for number in range(25)]

    framing = frame_clip(grid(10), FULL_HD, shots(0, 10), two_shot(400, 1500), turns(*quick))

    assert all(run.frames >= 30 for run in framing.runs)


def test_an_unknown_speaker_is_said_to_be_a_fallback():
    framing = frame_clip(grid(10), FULL_HD, shots(0, 10), two_shot(400, 1500), turns((0, 9, None)))

    assert framing.runs[0].layout == "fit"
    assert "unknown" in framing.fallbacks[0]


def test_of_unknown_speakers_a_much_larger_face_is_followed():
    framing = frame_clip(grid(10), FULL_HD, shots(0, 10), two_shot(400, 1500, sizes=(150, 300)), NO_TURNS)

    assert set(lefts(framing)) == {1500 - 304}
    assert "largest" in framing.fallbacks[0]


def test_a_bystander_does_not_count():
    framing = frame_clip(grid(10), FULL_HD, shots(0, 10), two_shot(400, 1500, sizes=(300, 60)), NO_TURNS)

    assert set(lefts(framing)) == {400 - 304}
    assert framing.fallbacks == ()


def test_a_face_that_is_lost_and_found_is_one_person():
    seen = faces(
        track(1, lambda _t: (700, 390), Span.of(0, 3)),
        track(2, lambda _t: (760, 390), Span.of(5, 10)),
    )

    framing = frame_clip(grid(10), FULL_HD, shots(0, 10), seen, NO_TURNS)

    assert framing.runs[0].reason == "follows the one face"
    assert set(lefts(framing)) <= set(range(700 - 304, 761 - 304))


def test_a_glimpse_of_a_face_is_not_followed():
    framing = frame_clip(
        grid(10), FULL_HD, shots(0, 10), faces(track(1, lambda _t: (700, 390), Span.of(0, 1))), NO_TURNS
    )

    assert framing.runs[0].layout == "fit"
    assert framing.fallbacks


def test_a_remnant_of_a_shot_takes_its_neighbours_layout():
    seen = faces(track(1, lambda _t: (700, 390), Span.of(4, 8), shot_index=1))

    framing = frame_clip(grid(4, start_s=3.9), FULL_HD, shots(0, 4, 8, kinds="sc"), seen, NO_TURNS)

    assert [(run.layout, run.first_frame, run.end_frame) for run in framing.runs] == [("crop", 0, 120)]


def test_a_picture_of_the_wanted_shape_is_shown_as_it_is():
    framing = frame_clip(grid(5), picture_for(1080, 1920, VERTICAL), shots(0, 5, kinds="s"), faces(), NO_TURNS)

    assert [(run.layout, set(run.corners)) for run in framing.runs] == [("crop", {(0, 0)})]


def test_in_a_tall_picture_a_wide_crop_follows_up_and_down():
    def where(t):
        return 540, 700 + 90 * t

    picture = picture_for(1080, 1920, Fraction(16, 9))

    framing = frame_clip(grid(10), picture, shots(0, 10), faces(track(1, where, Span.of(0, 10))), NO_TURNS)

    tops = np.array([corner[1] for corner in framing.runs[0].corners])
    down = (np.array([where(frame / 30)[1] for frame in range(300)]) - tops) / picture.window_height_px
    assert np.mean((down > 0.3) & (down < 0.7)) >= 0.9
    assert set(lefts(framing)) == {0}


def test_layout_runs_cover_the_clip_in_its_own_time():
    clip = grid(6, start_s=1)

    layout = frame_clip(clip, FULL_HD, shots(0, 4, 10, kinds="sc"), faces(), NO_TURNS).layout(clip)

    assert [run.span for run in layout] == [Span.of(0, 3), Span.of(3, 6)]
