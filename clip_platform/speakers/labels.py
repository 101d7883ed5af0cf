"""Names of speakers for turns: by voices where they are known, by faces otherwise. Arithmetic only."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np

from clip_platform.speakers.faces import faces_by_shot
from clip_platform.speakers.turns import SpeakerTurn, SpeakerTurns
from clip_platform.speakers.voices import Voices, label_of
from clip_platform.timeline import Span
from clip_platform.vision.tracks import FaceTracks

LEAST_SHARE = 0.6
"""Of the windows of a turn that must be of one voice to name it."""
SHORTEST_VOICE_S = Fraction(3, 2)
"""A change of voice within a turn counts when both last for so long."""


def labelled_by_voice(turns: SpeakerTurns, voices: Voices) -> SpeakerTurns:
    """Turns with the label of the voice that is heard in them, cut where the voice changes; None where it is unknown or
    several are heard. Whoever is off screen has a label too."""
    middles = [window.middle for window in voices.windows]
    cut = (part for turn in turns.turns for part in _cut_by_voice(turn, middles, voices.voices))
    return SpeakerTurns(tuple(replace(turn, speaker=_voice_in(turn.span, middles, voices.voices)) for turn in cut))


def labelled_by_face(turns: SpeakerTurns, faces: FaceTracks) -> SpeakerTurns:
    """Turns with a label for each person whom the face detector knows again; where it identifies nobody, for each face
    of a video in one shot. None for everybody else: the same label must mean the same person."""
    identity = _identities(faces)
    labels: dict[int, str] = {}
    named = []
    for turn in turns.turns:
        who = None if turn.track_id is None else identity.get(turn.track_id)
        if who is not None and who not in labels:
            labels[who] = label_of(len(labels))
        named.append(replace(turn, speaker=None if who is None else labels[who]))
    return SpeakerTurns(tuple(named))


def _identities(faces: FaceTracks) -> dict[int, int]:
    """Who a track shows, by its id; tracks of unknown people are left out."""
    known = {track.track_id: track.person for track in faces.tracks if track.person is not None}
    by_shot = faces_by_shot(faces)
    if known or len(by_shot) != 1:
        return known
    (in_shot,) = by_shot.values()
    return {track.track_id: number for number, face in enumerate(in_shot) for track in face.tracks}


def _cut_by_voice(turn: SpeakerTurn, middles: Sequence[Fraction], voices: np.ndarray) -> Iterator[SpeakerTurn]:
    """The turn cut half way between windows of different voices; too short a voice goes to the one before it."""
    inside = range(bisect_left(middles, turn.span.start), bisect_right(middles, turn.span.end))
    heard = [index for index in inside if voices[index] >= 0]
    changes = [(one, other) for one, other in pairwise(heard) if voices[one] != voices[other]]
    bounds = [turn.span.start, *((middles[one] + middles[other]) / 2 for one, other in changes), turn.span.end]
    speaking = [int(voices[index]) for index in (*heard[:1], *(other for _, other in changes))]
    cuts, last = [turn.span.start], speaking[0] if speaking else -1
    for (start, end), voice in list(zip(pairwise(bounds), speaking, strict=False))[1:]:
        if voice != last and end - start >= SHORTEST_VOICE_S:
            last = voice
            if start - cuts[-1] >= SHORTEST_VOICE_S:
                cuts.append(start)
    for start, end in pairwise([*cuts, turn.span.end]):
        yield replace(turn, span=Span(start, end))


def _voice_in(span: Span, middles: Sequence[Fraction], voices: np.ndarray) -> str | None:
    heard = voices[bisect_left(middles, span.start) : bisect_right(middles, span.end)]
    if len(heard) == 0:
        return None
    found, counts = np.unique(heard[heard >= 0], return_counts=True)
    if len(found) == 0 or counts.max() < LEAST_SHARE * len(heard):
        return None
    return label_of(int(found[counts.argmax()]))
