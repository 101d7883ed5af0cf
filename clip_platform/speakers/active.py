"""Who speaks: the face on display, and of several the one whose mouth moves with the voice. Arithmetic only."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from statistics import fmean

from clip_platform.speakers.turns import SpeakerTurn, SpeakerTurns
from clip_platform.speech.acoustics import AcousticFeatures
from clip_platform.speech.transcript import Transcript
from clip_platform.timeline import Span
from clip_platform.vision.tracks import FaceTrack, FaceTracks, Shots

PAUSE_S = Fraction(3, 5)
"""A longer gap between words ends a stretch of speech."""
ON_DISPLAY = 0.5
"""Share of a stretch in which a face must be seen to count as on display."""
CONTEXT_S = 1
"""Silence around a stretch shows how a mouth moves that does not speak."""
LEAST_RANGE_DB = 6.0
LEAST_CONTRAST = 0.15
LEAST_MARGIN = 0.15
LEAST_SAMPLES = 3


def find_turns(transcript: Transcript, acoustics: AcousticFeatures, faces: FaceTracks, shots: Shots) -> SpeakerTurns:
    """Stretches of speech, cut at changes of shot, each with its speaker as far as the picture tells.

    One face: on screen, even where it only listens to somebody off screen: mouths are compared, never judged alone.
    None: off screen. Several: the one whose mouth moves more while it is loud than while it is
    quiet (`contrast`), if it leads the next one clearly; else unknown.
    """
    by_shot: Mapping[int, list[FaceTrack]] = _by_shot(faces.tracks)
    turns = []
    for span in speech_stretches(transcript):
        for index, part in _cut_at_shots(span, shots):
            turns.append(_turn(part, by_shot.get(index, []), faces.sample_rate, acoustics))
    return SpeakerTurns(tuple(turns))


def speech_stretches(transcript: Transcript) -> tuple[Span, ...]:
    """Runs of words without a pause, and speech that was heard but not understood; in order, not overlapping."""
    runs: list[Span] = []
    for word in transcript.words:
        if runs and word.span.start - runs[-1].end <= PAUSE_S:
            runs[-1] = Span(runs[-1].start, max(runs[-1].end, word.span.end))
        else:
            runs.append(word.span)
    heard_only = [span for span in transcript.speech if not any(span.overlaps(run) for run in runs)]
    return tuple(sorted(span for span in (*runs, *heard_only) if span.duration_s > 0))


def contrast(motion: Sequence[float], energy_db: Sequence[float]) -> float:
    """How much more a mouth moves while it is loud, -1..1: the difference of the two means over their sum.

    Loud and quiet are told apart in the middle of the energy's range; 0 when there is too little of either, or when the
    range is below `LEAST_RANGE_DB`.
    """
    if not motion:
        return 0.0
    lowest, highest = _quantile(energy_db, 0.1), _quantile(energy_db, 0.9)
    middle = (lowest + highest) / 2
    loud = [value for value, energy in zip(motion, energy_db, strict=True) if energy >= middle]
    quiet = [value for value, energy in zip(motion, energy_db, strict=True) if energy < middle]
    if highest - lowest < LEAST_RANGE_DB or min(len(loud), len(quiet)) < LEAST_SAMPLES:
        return 0.0
    speaking, silent = fmean(loud), fmean(quiet)
    return (speaking - silent) / (speaking + silent) if speaking + silent > 0 else 0.0


def _turn(span: Span, tracks: Sequence[FaceTrack], rate: Fraction, acoustics: AcousticFeatures) -> SpeakerTurn:
    seen = {track.track_id: _seen_share(track, span, rate) for track in tracks}
    on_display = [track for track in tracks if seen[track.track_id] >= ON_DISPLAY]
    if not on_display:
        return SpeakerTurn(span, "off_screen", None, round(1.0 - max(seen.values(), default=0.0), 3))
    if len(on_display) == 1:
        only = on_display[0]
        return SpeakerTurn(span, "on_screen", only.track_id, round(seen[only.track_id], 3))
    return _loudest_mouth(span, on_display, rate, acoustics)


def _loudest_mouth(span: Span, tracks: Sequence[FaceTrack], rate: Fraction, acoustics: AcousticFeatures) -> SpeakerTurn:
    scores = sorted(((_contrast_of(track, span, rate, acoustics), -track.track_id) for track in tracks), reverse=True)
    (best, negative_id), (second, _) = scores[0], scores[1]
    margin = best - max(second, 0.0)
    if best >= LEAST_CONTRAST and margin >= LEAST_MARGIN:
        return SpeakerTurn(span, "on_screen", -negative_id, round(min(1.0, 0.5 + margin), 3))
    return SpeakerTurn(span, "unknown", None, round(min(1.0, max(0.0, 1.0 - max(margin, 0.0))), 3))


def _contrast_of(track: FaceTrack, span: Span, rate: Fraction, acoustics: AcousticFeatures) -> float:
    wide = Span(max(Fraction(0), span.start - CONTEXT_S), span.end + CONTEXT_S)
    # The first sample of a track has no motion to tell, only a zero.
    samples = [sample for sample in _samples_in(track, wide, rate) if sample > track.first_sample]
    motion = [track.mouth_motion[sample - track.first_sample] for sample in samples]
    return contrast(motion, _energy_at(samples, rate, acoustics))


def _energy_at(samples: Iterable[int], rate: Fraction, acoustics: AcousticFeatures) -> list[float]:
    energy = acoustics.columns["energy_db"]
    if len(energy) == 0:
        return [0.0 for _ in samples]
    return [energy[min(math.floor(sample / rate / acoustics.window_s), len(energy) - 1)] for sample in samples]


def _seen_share(track: FaceTrack, span: Span, rate: Fraction) -> float:
    """Share of the span in which the track has a box, 0..1; a sample stands for half its period to either side."""
    half = 1 / rate / 2
    first, last = track.first_sample / rate, (track.first_sample + len(track.boxes) - 1) / rate
    shared = Span(first - half, last + half).intersection(span)
    return float(shared.duration_s / span.duration_s) if shared else 0.0


def _samples_in(track: FaceTrack, span: Span, rate: Fraction) -> range:
    first = max(track.first_sample, math.ceil(span.start * rate))
    return range(first, min(track.first_sample + len(track.boxes), math.ceil(span.end * rate)))


def _by_shot(tracks: Iterable[FaceTrack]) -> dict[int, list[FaceTrack]]:
    found: dict[int, list[FaceTrack]] = defaultdict(list)
    for track in tracks:
        found[track.shot_index].append(track)
    return dict(found)


def _cut_at_shots(span: Span, shots: Shots) -> list[tuple[int, Span]]:
    """Parts of the span with the index of the shot on display; what lies beyond the last shot counts to it."""
    parts = []
    for index, shot in enumerate(shots.shots):
        end = max(shot.span.end, span.end) if index == len(shots.shots) - 1 else shot.span.end
        start = min(shot.span.start, end)
        part = Span(start, end).intersection(span)
        if part is not None:
            parts.append((index, part))
    return parts


def _quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
