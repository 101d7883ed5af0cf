from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest

from clip_platform.speakers.active import find_turns, speech_stretches
from clip_platform.speech.acoustics import COLUMNS, AcousticFeatures
from clip_platform.speech.transcript import EngineIdentity, Transcript, Word
from clip_platform.timeline import Span
from clip_platform.vision.tracks import Box, FaceTrack, FaceTracks, Shot, Shots

RATE = Fraction(15)
WINDOW_S = Fraction(1, 10)


def transcript(*words: tuple[float, float], speech: tuple[tuple[float, float], ...] = ()) -> Transcript:
    return Transcript(
        tuple(Word("word", Span.of(start, end)) for start, end in words),
        tuple(Span.of(start, end) for start, end in speech),
        "en",
        EngineIdentity("any", "1", "any"),
    )


def voice(duration_s: int, *loud: tuple[float, float]) -> AcousticFeatures:
    """-25 dB in the loud stretches, -60 dB between."""
    energy = [
        -25.0 if any(start <= row * float(WINDOW_S) < end for start, end in loud) else -60.0
        for row in range(duration_s * 10)
    ]
    columns = {name: tuple(0.0 for _ in energy) for name in COLUMNS} | {"energy_db": tuple(energy)}
    return AcousticFeatures(WINDOW_S, columns)


def syllables(start_s: float, end_s: float) -> list[tuple[float, float]]:
    """A mouth that moves four fifths of the time."""
    starts = [start_s + 0.5 * number for number in range(round((end_s - start_s) / 0.5))]
    return [(start, min(start + 0.4, end_s)) for start in starts]


def face(
    track_id: int, start_s: int, end_s: int, *moving: tuple[float, float], shot: int = 0, place: float = 100.0
) -> FaceTrack:
    """A face whose mouth moves in the given stretches and hardly moves between."""
    first, count = start_s * 15, (end_s - start_s) * 15
    motion = [
        6.0 if any(start <= (first + i) / 15 < end for start, end in moving) else 1.0 + 0.1 * (i % 3)
        for i in range(count)
    ]
    boxes = (Box(place, 100.0, 80.0, 90.0),) * count
    return FaceTrack(track_id, shot, first, boxes, "t" * count, tuple(motion))


def faces(*tracks: FaceTrack) -> FaceTracks:
    return FaceTracks(640, 360, RATE, 150, "any", tracks)


def shots(*starts_s: int, end_s: int = 10) -> Shots:
    ends = [*starts_s[1:], end_s]
    return Shots(tuple(Shot(Span.of(start, end), "camera", "cut") for start, end in zip(starts_s, ends, strict=True)))


def test_words_with_short_gaps_are_one_stretch_and_a_pause_ends_it():
    stretches = speech_stretches(transcript((0.0, 0.4), (0.9, 1.2), (2.0, 2.5), speech=((0.0, 2.6), (5.0, 6.0))))

    assert stretches == (Span.of(0, "1.2"), Span.of(2, "2.5"), Span.of(5, 6))


def test_a_face_alone_on_display_is_the_speaker():
    turns = find_turns(transcript((1.0, 2.0)), voice(10, (1, 2)), faces(face(7, 0, 10)), shots(0))

    (turn,) = turns.turns
    assert (turn.status, turn.track_id, turn.confidence) == ("on_screen", 7, 1.0)
    assert turn.span == Span.of(1, 2)


def test_speech_without_a_face_is_off_screen():
    turns = find_turns(transcript((1.0, 2.0)), voice(10, (1, 2)), faces(), shots(0))

    (turn,) = turns.turns
    assert (turn.status, turn.track_id, turn.confidence) == ("off_screen", None, 1.0)


def test_a_face_that_shows_only_at_the_end_of_the_speech_is_not_the_speaker():
    turns = find_turns(transcript((1.0, 5.0)), voice(10, (1, 5)), faces(face(0, 4, 10)), shots(0))

    assert [turn.status for turn in turns.turns] == ["off_screen"]
    assert turns.turns[0].confidence < 0.8


def test_speech_is_cut_where_the_shot_changes():
    tracks = faces(face(0, 0, 5, shot=0))

    turns = find_turns(transcript((3.0, 7.0)), voice(10, (3, 7)), tracks, shots(0, 5))

    assert [(turn.span, turn.status, turn.track_id) for turn in turns.turns] == [
        (Span.of(3, 5), "on_screen", 0),
        (Span.of(5, 7), "off_screen", None),
    ]


def test_of_two_faces_the_one_whose_mouth_follows_the_voice_speaks():
    spoken = ((1.0, 1.4), (1.7, 2.3), (6.0, 6.5), (6.8, 7.4))
    tracks = faces(face(0, 0, 10, *spoken[:2]), face(1, 0, 10, *spoken[2:]))

    turns = find_turns(transcript(*spoken), voice(10, *spoken), tracks, shots(0))

    assert [(turn.status, turn.track_id) for turn in turns.turns] == [("on_screen", 0), ("on_screen", 1)]
    assert all(turn.confidence > 0.6 for turn in turns.turns)


def test_a_listener_who_nods_all_the_time_is_not_the_speaker():
    spoken = ((1.0, 1.6), (1.9, 2.5))
    tracks = faces(face(0, 0, 10, (0.0, 10.0)), face(1, 0, 10, *spoken))

    turns = find_turns(transcript(*spoken), voice(10, *spoken), tracks, shots(0))

    assert [(turn.status, turn.track_id) for turn in turns.turns] == [("on_screen", 1)]


@pytest.mark.parametrize("moving", [(), ((1.0, 2.0),)])
def test_when_no_mouth_leads_the_speaker_is_unknown(moving: tuple[tuple[float, float], ...]):
    tracks = faces(face(0, 0, 10, *moving), face(1, 0, 10, *moving))

    turns = find_turns(transcript((1.0, 2.0)), voice(10, (1, 2)), tracks, shots(0))

    assert [(turn.status, turn.track_id) for turn in turns.turns] == [("unknown", None)]


def test_a_video_without_speech_or_pictures_has_no_turns():
    assert find_turns(transcript(), voice(10), faces(face(0, 0, 10)), shots(0)).turns == ()
    assert find_turns(transcript(speech=((1, 1),)), voice(1), faces(), shots(0)).turns == ()


def test_turns_do_not_overlap_and_stay_in_order():
    spoken = transcript((0.0, 1.0), (1.2, 3.5), (5.0, 9.8), speech=((3.4, 4.2), (9.9, 12.0)))

    turns = find_turns(spoken, voice(10, (0, 10)), faces(face(0, 0, 10)), shots(0, 3, 6)).turns

    assert all(one.span.end <= other.span.start for one, other in pairwise(turns))


def test_the_speaker_changes_within_a_stretch_of_speech():
    tracks = faces(face(0, 0, 10, *syllables(1.0, 4.0)), face(1, 0, 10, *syllables(4.2, 8.0)))

    turns = find_turns(transcript((1.0, 8.0)), voice(10, (1, 4.0), (4.2, 8)), tracks, shots(0)).turns

    assert [(turn.status, turn.track_id) for turn in turns] == [("on_screen", 0), ("on_screen", 1)]
    assert turns[0].span.end == turns[1].span.start
    assert 3.8 < turns[0].span.end < 4.4


def test_a_nod_of_the_listener_is_no_turn():
    tracks = faces(face(0, 0, 10, *syllables(1.0, 8.0)), face(1, 0, 10, (4.0, 4.3)))

    turns = find_turns(transcript((1.0, 8.0)), voice(10, (1, 8)), tracks, shots(0)).turns

    assert [(turn.status, turn.track_id) for turn in turns] == [("on_screen", 0)]


def test_a_voice_from_elsewhere_between_two_listeners_is_unknown():
    tracks = faces(face(0, 0, 10, *syllables(1.0, 4.0)), face(1, 0, 10))

    turns = find_turns(transcript((1.0, 8.0)), voice(10, (1, 8)), tracks, shots(0)).turns

    assert [(turn.status, turn.track_id) for turn in turns] == [("on_screen", 0), ("unknown", None)]


def test_a_face_that_leaves_and_returns_is_one_speaker_with_two_tracks():
    tracks = faces(face(0, 0, 4, *syllables(1, 4)), face(1, 5, 10, *syllables(5, 9)), face(2, 0, 10, place=400.0))

    turns = find_turns(transcript((1.0, 9.0)), voice(10, (1, 9)), tracks, shots(0)).turns

    assert [turn.track_id for turn in turns if turn.status == "on_screen"] == [0, 1]
    assert float(sum(turn.span.duration_s for turn in turns if turn.status == "on_screen")) > 6.5


def test_of_thirty_faces_the_one_that_speaks_is_found():
    crowd = [face(number, 0, 10, place=40.0 * number) for number in range(30) if number != 17]

    turns = find_turns(
        transcript((1.0, 8.0)),
        voice(10, (1, 8)),
        faces(*crowd, face(17, 0, 10, *syllables(1, 8), place=680.0)),
        shots(0),
    ).turns

    assert [(turn.status, turn.track_id) for turn in turns] == [("on_screen", 17)]


def test_a_talk_without_a_pause_is_one_turn_of_the_one_who_talks():
    tracks = faces(face(0, 0, 600, *syllables(0, 600)), face(1, 0, 600, place=400.0))

    turns = find_turns(transcript((0.0, 600.0)), voice(600, (0, 600)), tracks, shots(0, end_s=600)).turns

    assert [(turn.status, turn.track_id) for turn in turns] == [("on_screen", 0)]


def test_speech_without_any_sound_level_still_has_turns():
    turns = find_turns(
        transcript((1.0, 8.0)), voice(0), faces(face(0, 0, 10, *syllables(1, 8)), face(1, 0, 10)), shots(0)
    )

    assert [(turn.status, turn.track_id) for turn in turns.turns] == [("on_screen", 0)]


def test_a_poster_beside_the_speaker_is_nobody():
    poster = replace(face(1, 0, 10, place=400.0), still=True)

    turns = find_turns(transcript((1.0, 8.0)), voice(10, (1, 8)), faces(face(0, 0, 10), poster), shots(0)).turns

    assert [(turn.status, turn.track_id, turn.confidence) for turn in turns] == [("on_screen", 0, 1.0)]


def test_a_poster_alone_is_nobody_who_speaks():
    poster = replace(face(1, 0, 10), still=True)

    turns = find_turns(transcript((1.0, 8.0)), voice(10, (1, 8)), faces(poster), shots(0)).turns

    assert [turn.status for turn in turns] == ["off_screen"]
