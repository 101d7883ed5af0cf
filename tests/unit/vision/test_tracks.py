from __future__ import annotations

from fractions import Fraction

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
