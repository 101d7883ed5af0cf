"""What perfect engines would say about the sample talk, from its truth: to plan a clip without analysing anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeVar

from clip_platform.evaluation.truth import TrueFade, TrueSegment, TrueShot, TrueWord, Truth
from clip_platform.speakers.turns import SpeakerTurn, SpeakerTurns
from clip_platform.speech.transcript import EngineIdentity, Transcript, Word
from clip_platform.timeline import Span
from clip_platform.vision.tracks import Box, FaceTrack, FaceTracks, Shot, Shots

SAMPLE_RATE = Fraction(15)
Timed = TypeVar("Timed", TrueFade, TrueSegment, TrueShot, TrueWord)


@dataclass(frozen=True, slots=True)
class Analysis:
    transcript: Transcript
    shots: Shots
    faces: FaceTracks
    turns: SpeakerTurns


def perfect_analysis(truth: Truth) -> Analysis:
    """Words, shots, faces at 15 samples a second, and a turn for everybody who is alone on display."""
    words = tuple(Word(word.text, Span.of(word.start_s, word.end_s)) for word in truth.words)
    shots = tuple(_shot(truth, shot) for shot in truth.shots)
    tracks = [track for index, shot in enumerate(truth.shots) for track in _tracks(truth, shot, index)]
    tracks = [_numbered(track, number) for number, track in enumerate(tracks)]
    alone = [track for track in tracks if truth.shots[track.shot_index].single_speaker]
    turns = tuple(SpeakerTurn(shots[track.shot_index].span, "on_screen", track.track_id, 1.0) for track in alone)
    samples = int(truth.frames * SAMPLE_RATE / truth.fps)
    return Analysis(
        Transcript(words, (), "en", EngineIdentity("truth", "1", "truth")),
        Shots(shots),
        FaceTracks(truth.width_px, truth.height_px, SAMPLE_RATE, samples, "truth", tuple(tracks)),
        SpeakerTurns(turns),
    )


def looped(truth: Truth, times: int) -> Truth:
    """The talk played several times in a row; a jump back to the beginning is a cut."""
    starts_s = [truth.duration_s * lap for lap in range(times)]
    cuts_s = [cut for start_s in starts_s for cut in (start_s, *(start_s + cut for cut in truth.cuts_s))]
    return replace(
        truth,
        frames=truth.frames * times,
        cuts_s=tuple(cuts_s[1:]),
        fades=tuple(_later(fade, start_s) for start_s in starts_s for fade in truth.fades),
        shots=tuple(_later(shot, start_s) for start_s in starts_s for shot in truth.shots),
        segments=tuple(_later(segment, start_s) for start_s in starts_s for segment in truth.segments),
        words=tuple(_later(word, start_s) for start_s in starts_s for word in truth.words),
        faces=truth.faces * times,
    )


def _later(timed: Timed, by_s: float) -> Timed:
    return replace(timed, start_s=timed.start_s + by_s, end_s=timed.end_s + by_s)


def _shot(truth: Truth, shot: TrueShot) -> Shot:
    start, end = (Fraction(round(moment_s * truth.fps), truth.fps) for moment_s in (shot.start_s, shot.end_s))
    return Shot(Span(start, end), "slide" if shot.slide else "camera", "cut" if start else "start")


def _tracks(truth: Truth, shot: TrueShot, index: int) -> Iterator[FaceTrack]:
    """One track a person; a face hidden in a fade begins late."""
    step = int(truth.fps / SAMPLE_RATE)
    samples = range(-(-round(shot.start_s * truth.fps) // step), round(shot.end_s * truth.fps) // step)
    for person in shot.persons:
        faces = {sample: face for sample in samples for face in truth.faces[sample * step] if face.person == person}
        boxes = tuple(Box(face.x, face.y, face.width, face.height) for face in faces.values())
        yield FaceTrack(0, index, min(faces), boxes, "d" * len(boxes), (0.0,) * len(boxes))


def _numbered(track: FaceTrack, number: int) -> FaceTrack:
    return FaceTrack(number, track.shot_index, track.first_sample, track.boxes, track.sources, track.mouth_motion)
