from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from clip_platform.storage import artifacts
from clip_platform.vision.tracks import Box, FaceTrack, FaceTracks


def track(track_id: int, shot_index: int, first_sample: int, count: int) -> FaceTrack:
    boxes = tuple(Box(10 * track_id, sample, 5, 5) for sample in range(count))
    return FaceTrack(track_id, shot_index, first_sample, boxes, "t" * count, (0.0,) * count)


FACES = FaceTracks(640, 360, Fraction(15), 60, "any", (track(0, 0, 0, 30), track(1, 1, 31, 20)))


def test_a_moment_has_the_boxes_of_its_nearest_sample():
    assert [(found.track_id, box.y) for found, box in FACES.boxes_at(Fraction(10, 15))] == [(0, 10)]
    assert [found.track_id for found, _ in FACES.boxes_at(Fraction(32, 15))] == [1]
    assert FACES.boxes_at(Fraction(55, 15)) == ()


def test_the_first_frames_of_a_shot_have_its_own_faces_not_the_ones_before():
    just_after_the_cut = Fraction(61, 30)

    assert [found.track_id for found, _ in FACES.boxes_at(just_after_the_cut, shot_index=1)] == [1]
    assert FACES.boxes_at(Fraction(28, 15), shot_index=1) == ()
    assert [found.track_id for found, _ in FACES.boxes_at(Fraction(30, 15), shot_index=0)] == [0]


def test_tracks_come_back_from_storage_as_they_were():
    some = replace(FACES.tracks[0], sources="d" + "t" * 29, mouth_motion=np.arange(30) / 7, person=3, still=True)
    faces = replace(FACES, tracks=(some, FACES.tracks[1]))

    for value in (faces, replace(faces, tracks=())):
        data = artifacts.encode(value)

        assert artifacts.decode(FaceTracks, data) == value
        assert artifacts.encode(artifacts.decode(FaceTracks, data)) == data
    assert artifacts.suffix_of(FaceTracks) == ".parquet"


def test_boxes_are_a_sequence_of_boxes():
    boxes = FACES.tracks[0].boxes

    assert boxes[3] == Box(0, 3, 5, 5)
    assert boxes[-1] == list(boxes)[29] == Box(0, 29, 5, 5)
    assert list(boxes[:2]) == [Box(0, 0, 5, 5), Box(0, 1, 5, 5)]
    assert boxes.array.nbytes == 16 * len(boxes)
    assert not boxes[:0]
