from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
from test_active import face, faces

from clip_platform.speakers.labels import labelled_by_face, labelled_by_voice
from clip_platform.speakers.turns import SpeakerTurn, SpeakerTurns
from clip_platform.speakers.voices import Voices
from clip_platform.timeline import Span


def turn(start: float, end: float, track: int | None = None) -> SpeakerTurn:
    return SpeakerTurn(Span.of(start, end), "off_screen" if track is None else "on_screen", track, 0.9)


def voices(*heard: int) -> Voices:
    """A window of 1.5 s every 0.75 s."""
    starts = [Fraction(3, 4) * number for number in range(len(heard))]
    return Voices([Span(start, start + Fraction(3, 2)) for start in starts], np.array(heard, np.int64))


def test_a_turn_has_the_label_of_its_voice_also_off_screen():
    turns = SpeakerTurns((turn(0, 3, 7), turn(3, 6)))

    found = labelled_by_voice(turns, voices(0, 0, 0, 1, 1, 1, 1))

    assert [(one.track_id, one.speaker) for one in found.turns] == [(7, "S1"), (None, "S2")]


def test_a_turn_is_cut_where_the_voice_changes():
    found = labelled_by_voice(SpeakerTurns((turn(0, 9),)), voices(0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1)).turns

    assert [one.speaker for one in found] == ["S1", "S2"]
    assert (found[0].span.start, found[-1].span.end) == (0, 9)
    assert found[0].span.end == found[1].span.start == Fraction(33, 8)


def test_one_odd_window_is_no_change_of_voice():
    found = labelled_by_voice(SpeakerTurns((turn(0, 9),)), voices(0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)).turns

    assert [(one.span, one.speaker) for one in found] == [(Span.of(0, 9), "S1")]


def test_voices_that_are_mixed_or_unknown_give_no_label():
    mixed = labelled_by_voice(SpeakerTurns((turn(0, 3), turn(3, 6))), voices(0, 1, 0, -1, -1, -1, -1))

    assert [one.speaker for one in mixed.turns] == [None, None]


def test_a_turn_too_short_for_a_window_has_no_label():
    assert labelled_by_voice(SpeakerTurns((turn(0, 0.3),)), voices()).turns[0].speaker is None


def test_a_person_whom_the_detector_knows_again_has_one_label_in_all_shots():
    tracks = faces(
        replace(face(0, 0, 3, shot=0), person=4),
        replace(face(1, 3, 6, shot=1), person=9),
        replace(face(2, 6, 9, shot=2), person=4),
        face(3, 9, 10, shot=3),
    )

    found = labelled_by_face(SpeakerTurns((turn(0, 3, 0), turn(3, 6, 1), turn(6, 9, 2), turn(9, 10, 3))), tracks)

    assert [one.speaker for one in found.turns] == ["S1", "S2", "S1", None]


def test_faces_of_unknown_people_have_labels_only_in_one_shot():
    turns = SpeakerTurns((turn(0, 3, 1), turn(3, 6, 0), turn(6, 9)))
    one_shot = faces(face(0, 0, 10), face(1, 0, 10, place=400.0))
    two_shots = faces(face(0, 0, 10, shot=0), face(1, 0, 10, shot=1))

    assert [one.speaker for one in labelled_by_face(turns, one_shot).turns] == ["S1", "S2", None]
    assert [one.speaker for one in labelled_by_face(turns, two_shots).turns] == [None, None, None]
