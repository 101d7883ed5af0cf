from __future__ import annotations

from fractions import Fraction
from itertools import islice

import cv2
import numpy as np
import pytest

from clip_platform.evaluation.measures import score_cuts
from clip_platform.evaluation.vision_measures import Tally, find_shots, write_video
from clip_platform.evaluation.vision_scenes import FPS, HEIGHT_PX, WIDTH_PX, DrawnVideo, drawn_videos
from clip_platform.vision.shots import ShotFinder

VIDEOS = {video.name: video for video in drawn_videos()}


def found_in(video: DrawnVideo) -> dict[str, list[float]]:
    """Changes by kind, found without encoding."""
    finder, frame = ShotFinder(), 0
    for frame, picture in enumerate(video.pictures()):
        finder.feed(Fraction(frame, FPS), cv2.resize(picture, (128, 72), interpolation=cv2.INTER_AREA))
    finder.finish()
    shots = finder.shots(Fraction(frame + 1, FPS)).shots
    return {
        kind: [float(shot.span.start) for shot in shots[1:] if shot.begins == kind]
        for kind in ("cut", "slide", "dissolve")
    }


@pytest.mark.parametrize("name", ["dark deck", "shared screen"])
def test_changes_of_slides_and_windows_are_found_and_nothing_else(name: str):
    video = VIDEOS[name]

    found = found_in(video)

    scores = score_cuts(video.times_s("slide"), found["slide"], 0.1)
    assert (scores.missed, scores.false) == ((), ())
    assert found["cut"] == found["dissolve"] == []


def test_every_video_is_drawn_at_its_size_and_the_same_again():
    for video in VIDEOS.values():
        first, again = (next(iter(video.pictures())) for _ in range(2))

        assert first.shape == (HEIGHT_PX, WIDTH_PX, 3)
        assert np.array_equal(first, again)
        assert list(video.changes) == sorted(video.changes, key=lambda change: change.time_s)


def test_a_change_is_seen_in_the_frame_that_the_truth_names():
    video = VIDEOS["talkers and slides"]
    frame = round(video.changes[0].time_s * FPS)

    before, last, first = islice(video.pictures(), frame - 2, frame + 1)

    assert np.abs(last.astype(int) - before).mean() < 8
    assert np.abs(first.astype(int) - last).mean() > 20


def test_an_encoded_video_keeps_its_cut_at_its_time(tmp_path):
    pictures = [np.full((96, 160, 3), level, np.uint8) for level in [40] * 30 + [200] * 30]
    write_video(tmp_path / "two.mp4", iter(pictures), (160, 96), FPS)

    assert find_shots(tmp_path / "two.mp4").cuts_s == (Fraction(1),)


def test_a_tally_counts_over_videos_and_lists_errors():
    tally = Tally()
    tally.add("one", score_cuts([1.0, 2.0], [1.05], 0.1))
    tally.add("two", score_cuts([3.0], [3.0, 9.0], 0.1))

    assert (tally.found, tally.missed, tally.false) == (2, 1, 1)
    assert tally.f1 == pytest.approx(4 / 6)
    assert tally.detail == "2 of 3 in 2 videos, 1 false; one: missed 2.00; two: false 9.00"
