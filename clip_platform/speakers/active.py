"""Who speaks: the face on display, and of several the one whose mouth moves with the voice. Arithmetic only.

Decided for every sample of the faces, so the speaker may change within a stretch of speech; see `evidence`.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import numpy as np

from clip_platform.speakers.evidence import REST_S, lead_of, likeliest, mouth_evidence
from clip_platform.speakers.faces import Face, Presence, faces_by_shot, motion_of
from clip_platform.speakers.turns import SpeakerTurn, SpeakerTurns
from clip_platform.speech.acoustics import FLOOR_DB, AcousticFeatures
from clip_platform.speech.transcript import Transcript
from clip_platform.timeline import Span
from clip_platform.vision.tracks import FaceTracks, Shots

PAUSE_S = Fraction(3, 5)
"""A longer gap between words ends a stretch of speech."""
ON_DISPLAY = 0.5
"""Share of a stretch in which a face must be seen to count as on display."""
LONGEST_PIECE_S = 10
"""Who is on display is asked for each piece of a longer stretch."""
SCENE_S, CONTEXT_S = 120, REST_S
"""Of a shot that is looked at together, and of what is looked at before and after it."""
LEAST_LEAD = 0.15
LOUDNESS_SMOOTHED_S = 0.1


def find_turns(transcript: Transcript, acoustics: AcousticFeatures, faces: FaceTracks, shots: Shots) -> SpeakerTurns:
    """Stretches of speech, cut at changes of shot and of speaker, each with its speaker as far as the picture tells.

    One face: on screen, even where it only listens to somebody off screen: mouths are compared, never judged alone.
    None: off screen. Several: the one whose mouth speaks (`evidence`), if it leads the others clearly; else unknown.
    """
    spans = speech_stretches(transcript)
    observed = _Observed(faces, shots, _loudness(spans, acoustics, faces), spans)
    parts = ((index, part) for span in spans for index, part in _cut_at_shots(span, shots))
    return SpeakerTurns(tuple(_joined(turn for index, part in parts for turn in observed.turns(index, part))))


def speech_stretches(transcript: Transcript) -> tuple[Span, ...]:
    """Runs of words without a pause, and speech that was heard but not understood; in order, not overlapping."""
    runs: list[Span] = []
    for word in transcript.words:
        if runs and word.span.start - runs[-1].end <= PAUSE_S:
            runs[-1] = Span(runs[-1].start, max(runs[-1].end, word.span.end))
        else:
            runs.append(word.span)
    ends = [run.end for run in runs]

    def understood(heard: Span) -> bool:
        after = bisect_right(ends, heard.start)
        return after < len(runs) and runs[after].overlaps(heard)

    heard_only = [heard for heard in transcript.speech if not understood(heard)]
    return tuple(sorted(span for span in (*runs, *heard_only) if span.duration_s > 0))


@dataclass(frozen=True, slots=True)
class _Scene:
    """The faces of a stretch of one shot, what each shows at `samples`, and who speaks at each: a row of `evidence`,
    -1 for nobody of them."""

    faces: Sequence[Face]
    presence: Presence
    samples: range
    evidence: np.ndarray
    path: np.ndarray


class _Observed:
    """Everything that is seen, by scenes of `SCENE_S`, so that memory stays bounded however long a shot is and however
    many people are in it; the scene that was asked for last is kept, as turns are made in order."""

    def __init__(self, faces: FaceTracks, shots: Shots, loudness: np.ndarray, spans: Sequence[Span]) -> None:
        self._rate = faces.sample_rate
        self._shots = shots
        self._loudness = loudness
        self._spans = spans
        self._span_ends = [span.end for span in spans]
        self._by_shot: Mapping[int, Sequence[Face]] = faces_by_shot(faces)
        self._last: tuple[tuple[int, int], _Scene | None] | None = None

    def turns(self, shot_index: int, span: Span) -> list[SpeakerTurn]:
        """Turns of a stretch of speech in one shot; neighbours may have the same speaker."""
        pieces = _pieces(span, self._loudness, self._rate)
        return [turn for piece in pieces for turn in self._piece(shot_index, piece)]

    def _piece(self, shot_index: int, span: Span) -> Iterable[SpeakerTurn]:
        scene = self._scene(shot_index, int(span.start // SCENE_S))
        if scene is None:
            return [SpeakerTurn(span, "off_screen", None, 1.0)]
        seen = scene.presence.shares(span)
        on_display = np.flatnonzero(seen >= ON_DISPLAY)
        if len(on_display) == 0:
            return [SpeakerTurn(span, "off_screen", None, round(1.0 - float(seen.max()), 3))]
        if len(on_display) == 1:
            return self._named(scene.faces[on_display[0]], span, float(seen.max()))
        return self._by_mouths(scene, span)

    def _named(self, face: Face, span: Span, confidence: float) -> Iterator[SpeakerTurn]:
        """One turn for each track that a face was lost and found in."""
        for part, track in face.parts(span, self._rate):
            yield SpeakerTurn(part, "on_screen", track, round(min(1.0, confidence), 3))

    def _by_mouths(self, scene: _Scene, span: Span) -> Iterator[SpeakerTurn]:
        first, end = _sample_bounds(span, self._rate, scene.samples)
        path = scene.path[first:end]
        changes = [0, *(np.flatnonzero(np.diff(path)) + 1).tolist(), len(path)]
        for begin, stop in pairwise(changes):
            start_s = span.start if begin == 0 else self._between(scene, first + begin)
            end_s = span.end if stop == len(path) else self._between(scene, first + stop)
            part = Span(start_s, end_s).intersection(span)
            if part is not None:
                yield from self._spoken(scene, int(path[begin]), slice(first + begin, first + stop), part)

    def _between(self, scene: _Scene, offset: int) -> Fraction:
        """The moment between a sample of a shot and the one before it: its motion is what happened in between."""
        return (scene.samples.start + offset - Fraction(1, 2)) / self._rate

    def _spoken(self, scene: _Scene, row: int, samples: slice, span: Span) -> Iterator[SpeakerTurn]:
        evidence = scene.evidence[:, samples]
        lead = lead_of(evidence, row) if row >= 0 else 0.0
        if lead >= LEAST_LEAD:
            yield from self._named(scene.faces[row], span, 1.0 - 0.5 * math.exp(-2 * lead))
        else:
            yield SpeakerTurn(span, "unknown", None, round(min(1.0, 1.0 - max(lead, 0.0)), 3))

    def _scene(self, shot_index: int, number: int) -> _Scene | None:
        """What is seen of a shot around `number * SCENE_S`; None where it shows no face."""
        if self._last is None or self._last[0] != (shot_index, number):
            self._last = ((shot_index, number), self._watched(shot_index, number))
        return self._last[1]

    def _watched(self, shot_index: int, number: int) -> _Scene | None:
        low = math.floor((number * SCENE_S - CONTEXT_S) * self._rate)
        high = math.ceil(((number + 1) * SCENE_S + LONGEST_PIECE_S + CONTEXT_S) * self._rate)
        in_shot = self._by_shot.get(shot_index, [])
        faces = [face for face in in_shot if face.samples.start < high and low < face.samples.stop]
        if not faces:
            return None
        first = max(low, min(face.samples.start for face in faces))
        samples = range(first, min(high, max(face.samples.stop for face in faces)))
        evidence = mouth_evidence(motion_of(faces, samples), float(self._rate))
        loudness = np.zeros(len(samples))
        known = self._loudness[samples.start : samples.stop]
        loudness[: len(known)] = known
        spoken = self._spoken_at(samples)
        path = np.full(len(samples), -1, np.int64)
        path[spoken] = likeliest(evidence[:, spoken], loudness[spoken])
        return _Scene(faces, Presence(faces, self._rate), samples, evidence, path)

    def _spoken_at(self, samples: range) -> np.ndarray:
        """Which samples lie in speech: bool, shape (samples,)."""
        spoken = np.zeros(len(samples), bool)
        low, high = samples.start / self._rate, samples.stop / self._rate
        for span in self._spans[bisect_right(self._span_ends, low) :]:
            if span.start >= high:
                break
            first, end = _sample_bounds(span, self._rate, samples)
            spoken[first:end] = True
        return spoken


def _joined(turns: Iterable[SpeakerTurn]) -> list[SpeakerTurn]:
    """Neighbours with the same speaker made one; their confidence is the mean over their time."""
    joined: list[SpeakerTurn] = []
    for turn in turns:
        last = joined[-1] if joined else None
        if (
            last is None
            or (last.status, last.track_id) != (turn.status, turn.track_id)
            or last.span.end != turn.span.start
        ):
            joined.append(turn)
            continue
        share = float(turn.span.duration_s / (turn.span.end - last.span.start))
        confidence = round(last.confidence * (1 - share) + turn.confidence * share, 3)
        joined[-1] = replace(last, span=Span(last.span.start, turn.span.end), confidence=confidence)
    return joined


def _pieces(span: Span, loudness: np.ndarray, rate: Fraction) -> Iterator[Span]:
    """A long stretch cut at its quietest samples into pieces of half of `LONGEST_PIECE_S` to all of it."""
    start = span.start
    while span.end - start > LONGEST_PIECE_S:
        first = math.ceil((start + Fraction(LONGEST_PIECE_S, 2)) * rate)
        last = min(math.floor((start + LONGEST_PIECE_S) * rate), math.floor(span.end * rate))
        quiet = loudness[first : last + 1]
        cut = (first + int(quiet.argmin()) if len(quiet) else last) / rate
        yield Span(start, cut)
        start = cut
    yield Span(start, span.end)


def _loudness(spans: Sequence[Span], acoustics: AcousticFeatures, faces: FaceTracks) -> np.ndarray:
    """How loud it is at each sample of the faces, as a share of the range of speech: 0 at its 10th percentile, 1 at two
    thirds of the way to its 90th."""
    level, step_s = _level(acoustics)
    count = max(faces.sample_count, 1 + max((t.first_sample + len(t.boxes) for t in faces.tracks), default=0))
    times = np.arange(count) / float(faces.sample_rate)
    if len(level) == 0:
        return np.zeros(count)
    width = max(1, round(2 * LOUDNESS_SMOOTHED_S / step_s))
    smooth = np.convolve(np.pad(level, width, mode="edge"), np.full(width, 1 / width), "same")[width:-width]
    at_samples = np.interp(times, (np.arange(len(level)) + 0.5) * step_s, smooth)
    spoken = np.zeros(count, bool)
    for span in spans:
        spoken[math.ceil(span.start * faces.sample_rate) : math.ceil(span.end * faces.sample_rate)] = True
    if not spoken.any():
        return np.zeros(count)
    low, high = np.percentile(at_samples[spoken], [10, 90])
    return np.clip(1.5 * (at_samples - low) / max(high - low, 1.0), 0.0, 1.0)


def _level(acoustics: AcousticFeatures) -> tuple[np.ndarray, float]:
    """The level of the voice in dB and the seconds from one value to the next."""
    if "speech_band_db" in acoustics.frames:
        level, step_s = acoustics.frames["speech_band_db"], acoustics.frame_s
    else:
        level, step_s = acoustics.columns["energy_db"], acoustics.window_s
    return np.nan_to_num(np.asarray(level, float), nan=FLOOR_DB), float(step_s)


def _sample_bounds(span: Span, rate: Fraction, samples: range) -> tuple[int, int]:
    """First sample of a span and the one after its last, counted from the beginning of `samples`."""
    first, end = math.ceil(span.start * rate), math.ceil(span.end * rate)
    return min(max(first - samples.start, 0), len(samples)), min(max(end - samples.start, 0), len(samples))


def _cut_at_shots(span: Span, shots: Shots) -> list[tuple[int, Span]]:
    """Parts of the span with the index of the shot on display; what lies beyond the last shot counts to it."""
    ends = [shot.span.end for shot in shots.shots]
    parts = []
    for index in range(bisect_right(ends, span.start), len(ends)):
        shot = shots.shots[index].span
        if shot.start >= span.end:
            break
        part = shot.intersection(span)
        if part is not None:
            parts.append((index, part))
    covered = parts[-1][1].end if parts else span.start
    if ends and ends[-1] < span.end:
        parts.append((len(ends) - 1, Span(covered, span.end)))
    return parts
