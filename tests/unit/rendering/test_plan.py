from __future__ import annotations

import dataclasses
from fractions import Fraction

import pytest
from scenes import NO_TURNS, faces, media, selected, shots, steady_words, track, transcript

from clip_platform.rendering.plan import plan_clip
from clip_platform.timeline import Span
from clip_platform.upload.preferences import Preferences
from clip_platform.vision.tracks import Shots

SPOKEN = transcript(steady_words("this is what we learned when everything went wrong at once", start_s=10.2))
CLOSE_UP = faces(track(1, lambda _t: (700, 390), Span.of(0, 20)))


def plan(preferences=Preferences(), *, source=None, seen=CLOSE_UP, cut_at=None, kinds="", span=(10, 14)):  # noqa: B008
    scenes = shots(0, *([cut_at] if cut_at else []), 60, kinds=kinds)
    return plan_clip(selected(*span), source or media(), SPOKEN, scenes, seen, NO_TURNS, preferences)


@pytest.mark.parametrize(
    ("aspect", "size"), [("9:16", (1080, 1920)), ("4:5", (1080, 1350)), ("1:1", (1080, 1080)), ("16:9", (1920, 1080))]
)
def test_each_shape_has_its_size(aspect, size):
    planned = plan(Preferences(aspect=aspect))

    assert (planned.width_px, planned.height_px) == size


def test_the_same_inputs_give_the_same_plan():
    assert plan() == plan()


def test_frames_and_captions_are_those_of_the_span():
    planned = plan()

    assert planned.expected_frames == 120
    assert planned.source_span == Span.of(10, 14)
    assert planned.captions[0].first_frame == 6
    assert planned.caption_error_s <= 1 / 60


def test_the_whole_picture_stands_above_the_captions():
    planned = plan(seen=faces(), kinds="s")

    _, top, width, height = planned.fit_box
    captions_top = planned.caption_area.bottom_px - 2.4 * planned.caption_area.em_px
    assert (width, height) == (1080, 608)
    assert top >= 0.06 * 1920
    assert top + height < captions_top


def test_without_captions_the_whole_picture_stands_in_the_middle():
    planned = plan(Preferences(caption_style="none"), seen=faces(), kinds="s")

    assert planned.fit_box == (0, 656, 1080, 608)


@pytest.mark.parametrize("aspect", ["9:16", "4:5", "1:1", "16:9"])
@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920), (640, 480), (320, 180), (3840, 1600)])
def test_the_whole_picture_is_inside_the_clip_and_undistorted(aspect, size):
    planned = plan(Preferences(aspect=aspect), source=media(*size), seen=faces(), kinds="s")

    left, top, width, height = planned.fit_box
    assert left >= 0
    assert top >= 0
    assert left + width <= planned.width_px
    assert top + height <= planned.height_px
    assert width / height == pytest.approx(size[0] / size[1], rel=0.01)
    assert (left % 2, top % 2, width % 2, height % 2) == (0, 0, 0, 0)


def test_stills_show_a_face_and_no_change_of_shot():
    seen = faces(track(1, lambda _t: (700, 390), Span.of(12, 20), shot_index=1))

    planned = plan(seen=seen, cut_at=12, kinds="sc")

    assert len(planned.still_frames) == 5
    assert all(75 <= frame <= 110 for frame in planned.still_frames)


def test_stills_wait_for_a_fade_to_end():
    faded = shots(0, 10, 60)
    faded = Shots((faded.shots[0], dataclasses.replace(faded.shots[1], begins="fade")))
    seen = faces(track(1, lambda _t: (700, 390), Span.of(10, 20), shot_index=1))

    planned = plan_clip(selected(10, 14), media(), SPOKEN, faded, seen, NO_TURNS, Preferences())

    assert min(planned.still_frames) >= 45


def test_a_clip_too_short_to_avoid_its_cuts_still_has_a_still():
    planned = plan(seen=faces(), kinds="ss", cut_at=10.2, span=(10, 10.4))

    assert planned.still_frames == (6,)


def test_letters_without_a_typeface_are_told():
    spoken = transcript(steady_words("say 你好 twice", start_s=10))

    planned = plan_clip(selected(10, 14), media(), spoken, shots(0, 60), CLOSE_UP, NO_TURNS, Preferences())

    assert "你好" in planned.fallbacks[0]


def test_layout_is_told_in_the_clips_time():
    layout = plan(cut_at=12, kinds="cs").layout

    assert [(run.span, run.layout) for run in layout] == [(Span.of(0, 2), "crop"), (Span.of(2, 4), "fit")]
    assert layout[1].reason == "a slide is shown whole"
    assert Fraction(0) == layout[0].span.start
