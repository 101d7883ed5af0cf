from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from clip_platform.evaluation import recordings
from clip_platform.evaluation.active_speaker import Watched, followed_share, scores, watched
from clip_platform.evaluation.conversations import Conversation, Said
from clip_platform.evaluation.grid_pairs import make_grid_pairs
from clip_platform.evaluation.recordings import sound_of
from clip_platform.evaluation.two_shots import make_two_shot
from clip_platform.speakers.turns import SpeakerTurn, SpeakerTurns
from clip_platform.timeline import Span
from clip_platform.vision.tracks import Box, FaceTrack, FaceTracks, Shot, Shots

LEFT, RIGHT = 0, 1


def face(track_id: int, x: float) -> FaceTrack:
    return FaceTrack(track_id, 0, 0, (Box(x, 100, 80, 90),) * 150, "t" * 150, (1.0,) * 150)


def seen(*turns: tuple[float, float, int | None]) -> Watched:
    """Left speaks from 1 to 3 s, right from 3.5 to 5.5 s; what was found is given."""
    said = [Said("left", 1.0, 3.0), Said("right", 3.5, 5.5)]
    found = [
        SpeakerTurn(Span.of(start, end), "unknown" if who is None else "on_screen", who, 0.9)
        for start, end, who in turns
    ]
    faces = FaceTracks(640, 360, Fraction(15), 150, "any", (face(LEFT, 100), face(RIGHT, 450)))
    shots = Shots((Shot(Span.of(0, 10), "camera", "start"),))
    return Watched(Conversation("made by hand", Path("none"), said), faces, SpeakerTurns(tuple(found)), shots)


def test_turns_as_they_were_score_full_marks():
    found = scores([seen((0.9, 3.2, LEFT), (3.2, 5.6, RIGHT))])

    assert (found.right, found.unknown, found.worst_delay_s) == (1.0, 0.0, 0.0)
    assert found.speech_s == pytest.approx(4.0)


def test_a_late_switch_costs_its_time():
    found = scores([seen((1.0, 4.0, LEFT), (4.0, 5.5, RIGHT))])

    assert found.right == pytest.approx(3.5 / 4)
    assert found.delays_s == pytest.approx([0.5])


def test_an_early_switch_costs_its_time():
    found = scores([seen((1.0, 2.8, LEFT), (2.8, 5.5, RIGHT))])

    assert found.right == pytest.approx(3.8 / 4)
    assert found.delays_s == pytest.approx([0.2])


def test_what_was_never_found_is_late_by_the_whole_turn():
    found = scores([seen((1.0, 3.0, LEFT), (3.5, 5.5, None))])

    assert (found.right, found.unknown) == (0.5, 0.5)
    assert found.delays_s == pytest.approx([2.0])


def test_a_crop_that_shows_the_other_or_the_whole_picture_does_not_follow_the_speaker():
    assert followed_share([seen((0.9, 3.2, LEFT), (3.2, 5.6, RIGHT))]) == 1.0
    assert followed_share([seen((0.9, 5.6, LEFT))]) == pytest.approx(0.5, abs=0.02)
    assert followed_share([seen((0.9, 5.6, None))]) == 0.0


def test_a_two_shot_has_a_voice_where_its_truth_says_so(tmp_path):
    conversation = make_two_shot(3, tmp_path, turns=2, size=(320, 180))
    sound = sound_of(conversation.video)

    first, second = conversation.said

    def level(start_s: float, end_s: float) -> float:
        return float((sound[round(start_s * 16000) : round(end_s * 16000)] ** 2).mean()) ** 0.5

    assert {first.side, second.side} == {"left", "right"}
    assert min(level(first.start_s, first.end_s), level(second.start_s, second.end_s)) > 0.02
    assert max(level(0.1, first.start_s - 0.05), level(second.end_s + 0.1, second.end_s + 0.6)) < 0.002


@pytest.mark.skipif(recordings.folder() is None, reason=recordings.why_absent())
def test_of_two_real_talkers_the_one_who_speaks_is_named(tmp_path):
    media = recordings.folder()
    assert media is not None

    found = scores(watched(pair) for pair in make_grid_pairs(media, tmp_path, pairs=1))

    assert found.right >= 0.9
    assert found.worst_delay_s <= 0.5
