from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest

from clip_platform.vision.backends.opencv import HaarDetector
from clip_platform.vision.faces import FaceFollower, moved_face
from clip_platform.vision.tracks import Box, DetectedFace, FaceDetector, FaceTrack
from tests.fakes.face_detectors import ScriptedDetector
from tests.unit.vision.moving_pictures import texture, with_face

RATE = Fraction(15)
BACKGROUND = cv2.cvtColor(texture(1, 640, 360), cv2.COLOR_BGR2GRAY) // 2
EMPTY = np.full((360, 640), 96, np.uint8)


@pytest.fixture(scope="module")
def haar() -> HaarDetector:
    return HaarDetector()


def follow(pictures: list[np.ndarray], detector: FaceDetector, cuts: tuple[int, ...] = ()) -> tuple[FaceTrack, ...]:
    follower = FaceFollower(detector, RATE, scale_x=1.0, scale_y=1.0, width_px=640, height_px=360)
    for number, picture in enumerate(pictures):
        follower.feed(number, picture, sum(number >= cut for cut in cuts))
    return follower.finish()


def errors(track: FaceTrack, centre_at: Callable[[int], tuple[float, float]], face_px: float) -> list[float]:
    """Distances of the centres from the truth, in face widths."""
    found = []
    for offset, box in enumerate(track.boxes):
        x, y = centre_at(track.first_sample + offset)
        found.append(float(np.hypot(box.centre[0] - x, box.centre[1] - y)) / face_px)
    return found


def test_a_moving_face_over_a_texture_is_followed_at_every_sample(haar: HaarDetector):
    def centre_at(number: int) -> tuple[float, float]:
        return 200 + 3.0 * number, 150 + 20 * float(np.sin(number / 8))

    pictures = [with_face(centre_at(number), 70, BACKGROUND) for number in range(60)]

    (track,) = follow(pictures, haar)

    assert (track.first_sample, len(track.boxes)) == (0, 60)
    assert np.median(errors(track, centre_at, 70)) < 0.06
    assert max(errors(track, centre_at, 70)) < 0.15
    assert len(track.sources) == len(track.mouth_motion) == 60
    assert track.sources.count("d") < 15


def test_a_face_that_comes_nearer_gets_a_larger_box(haar: HaarDetector):
    sizes = [60 * 1.013**number for number in range(60)]

    (track,) = follow([with_face((320, 170), size, BACKGROUND) for size in sizes], haar)

    assert len(track.boxes) == 60
    for number in (5, 30, 55):
        assert track.boxes[number].width == pytest.approx(sizes[number], rel=0.12)


def test_a_face_found_late_is_followed_back_to_the_first_sample_of_its_shot(haar: HaarDetector):
    def centre_at(number: int) -> tuple[float, float]:
        return 200 + 2.5 * number, 160

    blind_at_first = ScriptedDetector(haar, lambda asked, faces: [] if asked <= 3 else faces)

    (track,) = follow([with_face(centre_at(number), 70, BACKGROUND) for number in range(45)], blind_at_first)

    assert track.first_sample == 0
    assert max(errors(track, centre_at, 70)) < 0.15


def test_a_face_is_known_through_a_fade_in_from_black(haar: HaarDetector):
    picture = with_face((300, 170), 80, BACKGROUND)
    fade = [(picture * (number / 10)).astype(np.uint8) for number in range(10)]

    (track,) = follow(fade + [picture] * 30, haar)

    assert track.first_sample == 0
    assert max(errors(track, lambda _: (300, 170), 80)) < 0.12


def test_a_face_that_leaves_and_returns_has_no_box_while_it_is_gone(haar: HaarDetector):
    here = with_face((300, 170), 80)

    tracks = follow([here] * 25 + [EMPTY] * 45 + [here] * 45, haar)

    assert len(tracks) == 2
    assert len(tracks[0].boxes) == 25
    assert tracks[1].first_sample == 70
    assert tracks[1].first_sample + len(tracks[1].boxes) == 115


def test_a_cut_ends_a_track_and_begins_another(haar: HaarDetector):
    one, other = with_face((200, 150), 80), with_face((420, 190), 60)

    tracks = follow([one] * 20 + [other] * 20, haar, cuts=(20,))

    assert [(track.shot_index, track.first_sample, len(track.boxes)) for track in tracks] == [(0, 0, 20), (1, 20, 20)]
    assert [track.track_id for track in tracks] == [0, 1]


def test_a_newcomer_beside_a_large_face_is_found_where_it_is(haar: HaarDetector):
    alone = with_face((180, 170), 110)
    joined = with_face((460, 180), 70, alone)

    first, newcomer = follow([alone] * 30 + [joined] * 60, haar)

    assert (first.first_sample, newcomer.first_sample) == (0, 30)
    assert newcomer.boxes[40].centre == pytest.approx((460, 180), abs=8)
    assert newcomer.boxes[40].width == pytest.approx(70, rel=0.15)


def test_two_faces_are_two_tracks(haar: HaarDetector):
    second = with_face((460, 180), 60, with_face((180, 160), 70))

    tracks = follow([second] * 30, haar)

    assert sorted(round(track.boxes[0].centre[0], -1) for track in tracks) == [180, 460]


def test_what_is_seen_once_is_no_face(haar: HaarDetector):
    ghost = [DetectedFace(Box(100, 100, 60, 66), 0.9)]
    sees_a_ghost_once = ScriptedDetector(haar, lambda asked, faces: ghost if asked == 1 else faces)

    tracks = follow([BACKGROUND] * 60, sees_a_ghost_once)

    assert tracks == ()


def test_still_pictures_without_a_face_are_searched_seldom(haar: HaarDetector):
    counting = ScriptedDetector(haar, lambda _, faces: faces)

    tracks = follow([EMPTY] * 150, counting)

    assert tracks == ()
    assert counting.asked <= 4


def test_cuts_in_quick_succession_do_not_search_without_bound():
    noise = [np.random.default_rng(number).integers(0, 255, (360, 640), dtype=np.uint8) for number in range(12)]
    blind = ScriptedDetector(None, lambda *_: [])

    follow([noise[number % 12] for number in range(150)], blind, cuts=tuple(range(3, 150, 3)))

    assert blind.asked <= 16


def test_black_and_tiny_videos_have_no_faces(haar: HaarDetector):
    assert follow([np.zeros((360, 640), np.uint8)] * 30, haar) == ()
    assert follow([np.zeros((2, 2), np.uint8)] * 30, haar) == ()
    assert follow([EMPTY], haar) == ()
    assert follow([], haar) == ()


def test_boxes_are_in_display_pixels_and_inside_the_picture(haar: HaarDetector):
    follower = FaceFollower(haar, RATE, scale_x=3.0, scale_y=3.0, width_px=1920, height_px=1080)
    for number in range(20):
        follower.feed(number, with_face((320, 60), 80), 0)

    (track,) = follower.finish()

    assert track.boxes[10].centre[0] == pytest.approx(960, abs=20)
    for box in track.boxes:
        assert box.x >= 0
        assert box.y >= 0
        assert box.x + box.width <= 1920
        assert box.y + box.height <= 1080


def test_the_same_pictures_give_the_same_tracks(haar: HaarDetector):
    pictures = [with_face((200 + 3 * number, 150), 70, BACKGROUND) for number in range(30)]

    assert follow(pictures, haar) == follow(pictures, haar)


def test_a_face_on_a_poster_is_still_and_one_that_moves_is_not(haar: HaarDetector):
    noise = np.random.default_rng(3)
    pictures = []
    for number in range(60):
        sways = (440 + 6 * float(np.sin(number / 6)), 170 + 2 * float(np.sin(number / 4)))
        picture = with_face(sways, 80, with_face((180, 160), 70, BACKGROUND))
        pictures.append((picture + noise.normal(0, 2, picture.shape)).clip(0, 255).astype(np.uint8))

    tracks = follow(pictures, haar)

    assert {round(track.boxes[0].centre[0], -2): track.still for track in tracks} == {200: True, 400: False}


def test_a_face_that_holds_still_and_speaks_is_not_still(haar: HaarDetector):
    silent = with_face((300, 170), 80, BACKGROUND)
    spoken = silent.copy()
    cv2.ellipse(spoken, (300, 198), (10, 6), 0, 0, 360, 20, -1)
    pictures = [spoken if number // 3 % 4 == 1 else silent for number in range(60)]

    (track,) = follow(pictures, haar)

    assert not track.still
    assert track.mouth_motion.max() > 3 * np.median(track.mouth_motion) + 2


def test_thirty_faces_are_thirty_tracks(haar: HaarDetector):
    crowd = np.full((720, 1280), 96, np.uint8)
    for number in range(30):
        centre = (110 + 210 * (number % 6), 80 + 140 * (number // 6))
        crowd = with_face(centre, 50, crowd, (1280, 720))
    follower = FaceFollower(haar, RATE, scale_x=1.0, scale_y=1.0, width_px=1280, height_px=720)
    for number in range(8):
        follower.feed(number, crowd, 0)

    tracks = follower.finish()

    assert len(tracks) == 30
    assert all(len(track.boxes) == 8 for track in tracks)


def test_a_person_is_known_again_after_a_cut_and_after_leaving(haar: HaarDetector):
    def identified(_asked: int, faces: list[DetectedFace]) -> list[DetectedFace]:
        """Large faces are one person, small ones another."""
        return [replace(face, embedding=(1.0, 0.1) if face.box.width > 72 else (-0.2, 1.0)) for face in faces]

    ana, ben = with_face((200, 150), 85), with_face((420, 190), 58)
    pictures = [ana] * 20 + [ben] * 20 + [ana] * 20 + [EMPTY] * 70 + [ana] * 45

    tracks = follow(pictures, ScriptedDetector(haar, identified), cuts=(20, 40))

    assert [(track.shot_index, track.person) for track in tracks] == [(0, 0), (1, 1), (2, 0), (2, 0)]


def test_without_embeddings_nobody_is_identified(haar: HaarDetector):
    (track,) = follow([with_face((200, 150), 80)] * 20, haar)

    assert track.person is None


def test_landmarks_tell_where_the_mouth_is():
    """A face whose mouth is in its upper half: only landmarks can know."""
    quiet = cv2.GaussianBlur(BACKGROUND, (0, 0), 2)
    moving = quiet.copy()
    moving[118:128, 290:310] = 255 - moving[118:128, 290:310]
    corners = ((280.0, 110.0), (320.0, 110.0), (300.0, 130.0), (288.0, 122.0), (312.0, 122.0))
    box = Box(250, 100, 100, 110)

    def motion(landmarks: tuple[tuple[float, float], ...] | None) -> float:
        sees = ScriptedDetector(None, lambda *_: [DetectedFace(box, 0.9, None, landmarks)])
        follower = FaceFollower(WholePictures(sees), RATE, scale_x=1, scale_y=1, width_px=640, height_px=360)
        for number in range(30):
            follower.feed(number, moving if number % 2 else quiet, 0)
        return float(np.median(follower.finish()[0].mouth_motion[5:]))

    assert motion(corners) > 10 * motion(None)


class WholePictures:
    """Of a scripted detector: what it says holds for whole pictures, and is moved for their parts."""

    needs_colour = False
    name = "whole"

    def __init__(self, real: ScriptedDetector) -> None:
        self._real = real

    def detect(self, picture: np.ndarray) -> list[DetectedFace]:
        whole = picture.shape == (360, 640)
        return [moved_face(face, *((0, 0) if whole else (-190, -40))) for face in self._real.detect(picture)]
