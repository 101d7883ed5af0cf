from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import numpy as np
import pytest

from clip_platform.vision.shots import ShotFinder
from clip_platform.vision.tracks import Shots
from tests.unit.vision.moving_pictures import panned, slide, texture, timed

BLACK = np.zeros((72, 128, 3), np.uint8)
WHITE = np.full((72, 128, 3), 255, np.uint8)


def find(frames: Iterable[tuple[Fraction, np.ndarray]], rate: Fraction = Fraction(30)) -> Shots:
    finder, time_s = ShotFinder(), Fraction(0)
    for time_s, picture in frames:
        finder.feed(time_s, picture)
    finder.finish()
    return finder.shots(time_s + 1 / rate)


def test_a_cut_has_the_exact_time_of_its_first_frame_at_a_variable_rate():
    times = [Fraction(index * 1001 + index % 3 * 170, 30000) for index in range(60)]
    pictures = [panned(texture(1), 0)] * 30 + [panned(texture(2), 0)] * 30

    shots = find(zip(times, pictures, strict=True))

    assert shots.cuts_s == (times[30],)
    assert [shot.begins for shot in shots.shots] == ["start", "cut"]
    assert shots.shots[0].span.end == shots.shots[1].span.start


def test_a_camera_that_pans_over_a_texture_does_not_cut():
    wide = texture(3, width=600)

    shots = find(timed([panned(wide, 2.0 * index) for index in range(150)]))

    assert shots.cuts_s == ()
    assert shots.shots[0].kind == "camera"


def test_a_pan_shown_ten_times_a_second_does_not_cut():
    wide = texture(4, width=600)

    shots = find(timed([panned(wide, 4.0 * (index // 3)) for index in range(120)]))

    assert shots.cuts_s == ()


def test_a_cut_between_moving_cameras_with_the_same_colours_is_found():
    room = texture(5, width=600)
    other_angle = room[::-1, ::-1].copy()

    shots = find(
        timed([panned(room, 1.5 * i) for i in range(45)] + [panned(other_angle, 300 - 1.5 * i) for i in range(45)])
    )

    assert shots.cuts_s == (Fraction(45, 30),)


def test_a_photo_flash_is_no_cut():
    room = panned(texture(6), 0)

    shots = find(timed([room] * 40 + [WHITE] * 3 + [room] * 40))

    assert shots.cuts_s == ()


def test_a_strobe_does_not_explode_into_shots():
    shots = find(timed([WHITE if index // 3 % 2 else BLACK for index in range(150)]))

    assert len(shots.shots) <= 2


def test_a_strobe_between_two_pictures_leaves_no_shot_shorter_than_half_a_second():
    one, other = panned(texture(7), 0), panned(texture(8), 0)

    shots = find(timed([one if index // 12 % 2 else other for index in range(240)]))

    assert all(shot.span.duration_s >= Fraction(1, 2) for shot in shots.shots[:-1])


def test_a_cut_to_black_that_fades_in_is_one_boundary_at_the_first_black_frame():
    before, after = panned(texture(9), 0), panned(texture(10), 0)
    fade = [(after * (index / 20)).astype(np.uint8) for index in range(20)]

    shots = find(timed([before] * 40 + fade + [after] * 60))

    assert [(shot.span.start, shot.begins) for shot in shots.shots[1:]] == [(Fraction(40, 30), "fade")]


def test_a_fade_out_and_in_again_is_one_boundary_where_the_picture_comes_back():
    before, after = panned(texture(11), 0), panned(texture(12), 0)
    fade_out = [(before * (1 - index / 20)).astype(np.uint8) for index in range(20)]
    fade_in = [(after * (index / 20)).astype(np.uint8) for index in range(1, 20)]

    shots = find(timed([before] * 40 + fade_out + [BLACK] * 10 + fade_in + [after] * 60))

    assert [shot.begins for shot in shots.shots] == ["start", "fade"]
    assert abs(shots.cuts_s[0] - Fraction(69, 30)) <= Fraction(1, 10)


def test_a_fade_in_at_the_start_and_a_fade_out_at_the_end_are_no_boundaries():
    picture = panned(texture(13), 0)
    fade = [(picture * (index / 20)).astype(np.uint8) for index in range(20)]

    shots = find(timed([BLACK] * 30 + fade + [picture] * 60 + fade[::-1] + [BLACK] * 30))

    assert shots.cuts_s == ()


def test_black_between_two_hard_cuts_is_one_cut():
    before, after = panned(texture(14), 0), panned(texture(15), 0)

    shots = find(timed([before] * 40 + [BLACK] * 6 + [after] * 40))

    assert [(shot.span.start, shot.begins) for shot in shots.shots[1:]] == [(Fraction(45, 30), "cut")]


def test_another_slide_is_a_cut_and_both_are_slides():
    first = slide((60, 80, 50, 70), bar=(60, 60, 180))
    second = slide((90, 40, 100, 60, 30), bar=(60, 120, 30))

    shots = find(timed([first] * 60 + [second] * 60))

    assert shots.cuts_s == (Fraction(2),)
    assert [(shot.kind, shot.begins) for shot in shots.shots] == [("slide", "start"), ("slide", "slide")]


def test_a_slide_after_a_camera_begins_with_a_cut():
    wide, page = texture(20, width=600), slide((60, 80, 50, 70), bar=(60, 60, 180))

    shots = find(timed([panned(wide, 2.0 * index) for index in range(60)] + [page] * 60))

    assert [(shot.kind, shot.begins) for shot in shots.shots] == [("camera", "start"), ("slide", "cut")]


def test_a_line_that_appears_on_a_slide_is_a_change_of_the_slide():
    first = slide((60, 80), bar=(60, 60, 180))
    second = slide((60, 80, 70), bar=(60, 60, 180))

    shots = find(timed([first] * 60 + [second] * 60))

    assert shots.cuts_s == (Fraction(2),)
    assert shots.shots[1].begins == "slide"


def test_a_line_that_fades_in_is_one_change_about_half_way():
    first = slide((60, 80), bar=(60, 60, 180)).astype(float)
    second = slide((60, 80, 70), bar=(60, 60, 180)).astype(float)
    fade = [(first + (second - first) * (index / 9)).astype(np.uint8) for index in range(10)]

    shots = find(timed([fade[0]] * 60 + fade + [fade[-1]] * 60))

    assert len(shots.cuts_s) == 1
    assert abs(shots.cuts_s[0] - Fraction(64, 30)) <= Fraction(1, 15)


def test_a_slide_that_comes_as_one_picture_a_change_is_timed_by_its_picture():
    pages = [slide((60, 80, 50)[: 1 + index], bar=(60, 60, 180)) for index in range(3)]

    shots = find(zip((Fraction(0), Fraction(7), Fraction(19)), pages, strict=True))

    assert shots.cuts_s == (Fraction(7), Fraction(19))
    assert {shot.begins for shot in shots.shots[1:]} == {"slide"}


def test_a_pointer_and_typing_change_no_slide():
    page = slide((60, 80, 50), bar=(60, 60, 180))
    pictures = [page.copy() for _ in range(240)]
    for index, picture in enumerate(pictures):
        picture[62:65, 10 : 10 + index // 3] = 90  # a line that is typed
        x = 20 + 40 * (index // 40)  # a pointer that jumps
        picture[50:53, x % 110 : x % 110 + 2] = 0

    shots = find(timed(pictures))

    assert shots.cuts_s == ()
    assert shots.shots[0].is_graphic


def test_a_slide_beside_a_moving_speaker_changes_and_is_a_screen():
    wide = texture(21, width=600)
    pages = [slide((60, 80), bar=(60, 60, 180)), slide((90, 40, 60), bar=(60, 60, 180))]
    pictures = [pages[index // 75].copy() for index in range(150)]
    for index, picture in enumerate(pictures):
        picture[40:, 84:] = panned(wide, 3.0 * index)[40:, 84:]

    finder = ShotFinder()
    for time_s, picture in timed(pictures):
        finder.feed(time_s, picture)
    finder.finish()
    shots = finder.shots(Fraction(5), {0: 0.15, 1: 0.15})

    assert [(shot.span.start, shot.kind, shot.begins) for shot in shots.shots] == [
        (0, "screen", "start"),
        (Fraction(75, 30), "screen", "slide"),
    ]


@pytest.mark.parametrize("pictures", [8, 30])
def test_a_dissolve_is_a_boundary_half_way(pictures: int):
    one, other = texture(22, width=600), texture(23, width=600)
    shares = np.clip((np.arange(150 + pictures) - 74) / (pictures + 1), 0, 1)
    mixed = [
        (panned(one, 0.1 * index) * (1 - share) + panned(other, 0.1 * index) * share).astype(np.uint8)
        for index, share in enumerate(shares)
    ]

    shots = find(timed(mixed))

    assert [shot.begins for shot in shots.shots] == ["start", "dissolve"]
    assert abs(shots.cuts_s[0] - Fraction(2 * 75 + pictures, 60)) <= Fraction(1, 10)


def test_a_light_that_is_dimmed_is_no_dissolve():
    room = panned(texture(24), 0)
    dimmed = [(room * (1 - 0.5 * index / 30)).astype(np.uint8) for index in range(31)]

    shots = find(timed([room] * 75 + dimmed + [dimmed[-1]] * 75))

    assert shots.cuts_s == ()


def test_a_caption_that_pops_up_over_a_camera_is_no_cut():
    wide = texture(16, width=600)
    plain = [panned(wide, 0.2 * index) for index in range(120)]
    captioned = [picture.copy() for picture in plain]
    for picture in captioned[60:]:
        picture[58:70, 10:90] = 250

    shots = find(timed(captioned))

    assert shots.cuts_s == ()


def test_a_shot_with_a_face_is_no_slide_however_still():
    finder = ShotFinder()
    for time_s, picture in timed([panned(texture(17), 0)] * 60):
        finder.feed(time_s, picture)
    finder.finish()

    assert finder.shots(Fraction(2)).shots[0].kind == "slide"
    assert finder.shots(Fraction(2), {0: 0.4}).shots[0].kind == "camera"


def test_odd_videos_are_one_shot():
    for pictures in ([BLACK], [BLACK] * 30, [panned(texture(18), 0)], [panned(texture(18), 0)] * 30):
        shots = find(timed(pictures))

        assert len(shots.shots) == 1
        assert shots.shots[0].span.start == 0
        assert shots.shots[0].span.end == Fraction(len(pictures), 30)


def test_no_pictures_at_all_still_cover_the_duration():
    finder = ShotFinder()
    finder.finish()

    assert [shot.span.end for shot in finder.shots(Fraction(5)).shots] == [Fraction(5)]


def test_what_is_settled_never_changes():
    finder = ShotFinder()
    pictures = [panned(texture(19 + index // 25), 0) for index in range(150)]
    promised: dict[Fraction, tuple[Fraction, ...]] = {}
    for time_s, picture in timed(pictures):
        finder.feed(time_s, picture)
        promised[finder.settled_s] = tuple(b.time_s for b in finder.boundaries if b.time_s < finder.settled_s)
    finder.finish()

    for settled_s, known in promised.items():
        assert known == tuple(b.time_s for b in finder.boundaries if b.time_s < settled_s)
    assert len(finder.boundaries) == 5
