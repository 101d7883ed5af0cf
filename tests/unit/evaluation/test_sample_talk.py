"""The sample talk is what its truth says. Made small, once."""

from __future__ import annotations

import itertools
import shutil
import subprocess

import cv2
import numpy as np
import pytest

from clip_platform.evaluation.persons import Cutout, Pose
from clip_platform.evaluation.sample_talk import current_sample_talk, make_sample_talk
from clip_platform.evaluation.truth import load_truth
from clip_platform.evaluation.voices import speak

SIZE, FPS = (384, 216), 10

needs_flite = pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed: apt install flite")


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    return make_sample_talk(tmp_path_factory.mktemp("talk"), size=SIZE, fps=FPS)


@pytest.fixture(scope="module")
def truth(talk):
    return load_truth(talk.truth)


@pytest.fixture(scope="module")
def pictures(talk):
    raw = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", talk.video, "-f", "rawvideo", "-pix_fmt", "gray", "-"],
        capture_output=True,
        check=True,
    ).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, SIZE[1], SIZE[0]).astype(int)


@needs_flite
def test_the_video_has_every_frame_of_the_truth(truth, pictures):
    assert len(pictures) == truth.frames == len(truth.faces)
    assert 80 <= truth.duration_s <= 95


@needs_flite
def test_pictures_change_most_at_the_cuts(truth, pictures):
    change = np.abs(np.diff(pictures, axis=0)).mean((1, 2))

    largest = {int(frame) + 1 for frame in np.argsort(change)[-len(truth.cuts_s) :]}

    assert largest == {round(cut * FPS) for cut in truth.cuts_s}


@needs_flite
def test_the_fade_begins_black_and_hides_its_faces(truth, pictures):
    (fade,) = truth.fades
    first, last = round(fade.start_s * FPS), round(fade.end_s * FPS)

    assert fade.start_s in truth.cuts_s
    assert pictures[first].mean() < 20 < pictures[last].mean()
    assert truth.faces[first] == ()
    assert len(truth.faces[last]) == 1


@needs_flite
def test_words_are_in_order_inside_their_segments_and_loud(talk, truth):
    raw = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", talk.video, "-f", "s16le", "-ac", "1", "-ar", "16000", "-"],
        capture_output=True,
        check=True,
    ).stdout
    sound = np.frombuffer(raw, np.int16).astype(float)

    spoken = np.concatenate([sound[int(w.start_s * 16000) : int(w.end_s * 16000)] for w in truth.words])
    lead = sound[: int(truth.words[0].start_s * 16000)]

    assert all(a.end_s <= b.start_s + 1e-6 for a, b in itertools.pairwise(truth.words))
    assert {word.speaker for word in truth.words} == {"host", "guest"}
    assert np.sqrt((spoken**2).mean()) > 20 * np.sqrt((lead**2).mean())


@needs_flite
def test_faces_move_turn_no_word_is_cut_and_both_people_share_a_shot(truth):
    step_px = [
        abs(b.centre[0] - a.centre[0]) * FPS * 1080 / SIZE[1]
        for now, then in itertools.pairwise(truth.faces)
        for a, b in zip(now, then, strict=False)
        if len(now) == len(then) and a.person == b.person
    ]

    assert np.mean(np.array(step_px) >= 40) > 0.6
    assert not any(word.start_s < cut < word.end_s for word in truth.words for cut in truth.cuts_s)
    assert {shot.persons for shot in truth.shots} == {("host",), ("guest",), ("host", "guest"), ()}


@needs_flite
def test_a_talk_that_this_code_made_is_not_made_again(talk, monkeypatch):
    folder = talk.video.parent
    made = []
    monkeypatch.setattr(
        "clip_platform.evaluation.sample_talk.make_sample_talk", lambda *_args, **_options: made.append(1)
    )

    current_sample_talk(folder)
    current_sample_talk(folder)

    assert made == [1]


@needs_flite
def test_words_of_a_voice_lie_in_its_sound():
    spoken = speak("We doubled the price.", "rms")

    assert [text for text, _, _ in spoken.words] == ["We", "doubled", "the", "price."]
    assert 0 < spoken.words[0][1] < spoken.words[-1][2] < len(spoken.samples) / 16000


@pytest.mark.parametrize("person", ["host", "guest"])
def test_a_mouth_opens_below_the_middle_of_the_face_and_nowhere_else(person):
    closed, opened = (np.full((540, 960, 3), 90, np.uint8) for _ in range(2))
    cutout = Cutout(person)

    x, y, width, height = cutout.paste(closed, Pose(480, 200, 120, 0, 0.0))
    cutout.paste(opened, Pose(480, 200, 120, 0, 1.0))

    changed = cv2.absdiff(closed, opened).max(2) > 40
    rows, columns = np.nonzero(changed)
    assert y + height / 2 < rows.min()
    assert rows.max() < y + 1.4 * height
    assert x <= columns.min()
    assert columns.max() <= x + width
    assert changed.sum() > 100


def test_a_face_box_is_where_and_as_large_as_asked():
    x, y, width, height = Cutout("host").paste(np.zeros((540, 960, 3), np.uint8), Pose(300, 220, 100, 0, 0.0))

    assert (x + width / 2, y + height / 2, height) == pytest.approx((300, 220, 100))
