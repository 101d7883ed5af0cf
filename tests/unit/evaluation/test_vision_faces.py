from __future__ import annotations

from itertools import islice

import numpy as np

from clip_platform.evaluation.measures import FaceScores
from clip_platform.evaluation.vision_faces import DrawnTalk, drawn_talks, faceless
from clip_platform.evaluation.vision_measures import FaceTally, NegativeTally, drawn_face_scores
from clip_platform.vision.backends.opencv import HaarDetector


def test_the_faces_of_a_talk_are_large_enough_and_in_the_picture():
    talk = next(talk for talk in drawn_talks() if talk.name == "comes nearer")

    truth = talk.truth()

    assert truth.frames == len(truth.faces)
    for face in (face for faces in truth.faces[::10] for face in faces):
        assert face.height >= 80
        assert 0 <= face.x <= face.x + face.width <= talk.size[0]
        assert 0 <= face.y <= face.y + face.height <= talk.size[1]


def test_what_shows_no_face_is_the_same_again():
    for video in islice(faceless(), 4, 8):
        first, again = (next(iter(video.frames())) for _ in range(2))

        assert first.shape[2] == 3
        assert np.array_equal(first, again)


def test_the_face_of_a_drawn_talk_is_found_in_its_file():
    small = DrawnTalk("small", (640, 360), "host", [])
    person = next(iter(drawn_talks())).places[0]

    def near(moment_s: float):
        who, pose = person(moment_s)
        return who, type(pose)(320 + (pose.x_px - 500) / 6, 150, 90, pose.yaw_deg, pose.mouth)

    scores = drawn_face_scores(HaarDetector(), [DrawnTalk(small.name, small.size, small.view, [near])])

    assert scores.faces == 75
    assert scores.recall >= 0.95
    assert scores.false == 0


def test_tallies_sum_over_videos():
    faces, negatives = FaceTally(), NegativeTally()
    faces.add("one", FaceScores(faces=10, found=9, boxes=12, false=3))
    faces.add("two", FaceScores(faces=10, found=10, boxes=10, false=0))
    negatives.add("none", 100, 0)
    negatives.add("some", 100, 3)

    assert faces.recall == 0.95
    assert faces.detail.startswith("one: 90.0 % of 10, 3 of 12 boxes false")
    assert negatives.boxes_per_frame == 0.015
    assert negatives.detail == "3 boxes in 200 frames of 2 videos; some: 3 in 100 frames"
