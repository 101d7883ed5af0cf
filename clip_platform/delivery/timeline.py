"""What a picture of a whole video shows: one small value made of everything the stages found. Drawing is elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from clip_platform.media.information import MediaInfo
from clip_platform.scoring.scorer import ClipScores
from clip_platform.selection.candidates import ClipCandidate, ClipCandidates
from clip_platform.selection.choice import SelectedClips
from clip_platform.speech.acoustics import AcousticFeatures
from clip_platform.speech.transcript import Transcript
from clip_platform.timeline import Span
from clip_platform.vision.tracks import FaceTracks, Shots

MOST_POINTS = 600
"""Points of the energy curve and as many candidates at most; finer gaps in speech and faces are closed."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One bar on a lane of the timeline. `kind` is for drawing, `label` for people; `score`: 0..100, 0 without one."""

    start_s: float
    end_s: float
    kind: str
    label: str
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class TimelineData:
    """Lanes of one video. `energy_db[i]` is the level of the i-th of equal parts of the duration, dB re full scale."""

    duration_s: float
    shots: tuple[Mark, ...]
    speech: tuple[Mark, ...]
    faces: tuple[Mark, ...]
    energy_db: tuple[float, ...]
    candidates: tuple[Mark, ...]
    clips: tuple[Mark, ...]


def timeline_data(
    media: MediaInfo,
    transcript: Transcript,
    acoustics: AcousticFeatures,
    shots: Shots,
    faces: FaceTracks,
    candidates: ClipCandidates,
    scores: ClipScores,
    selected: SelectedClips,
) -> TimelineData:
    """Everything a timeline shows, thinned so that its size does not grow with the video."""
    from clip_platform.scoring.sight import face_spans

    duration_s = float(media.duration_s)
    finest_s = duration_s / MOST_POINTS
    value_of = {score.candidate_id: score.value for score in scores.scores}
    return TimelineData(
        duration_s=duration_s,
        shots=tuple(
            _mark(shot.span, shot.kind, f"{shot.kind} shot, begins with a {shot.begins}") for shot in shots.shots
        ),
        speech=_merged(transcript.speech, finest_s, "speech"),
        faces=_merged(face_spans(faces), finest_s, "face"),
        energy_db=_thinned(acoustics.columns["energy_db"]),
        candidates=tuple(
            _mark(one.span, "candidate", f"candidate, score {value:.0f}", value)
            for one, value in _best(candidates, value_of)
        ),
        clips=tuple(
            _mark(clip.span, str(clip.rank), f"clip {clip.rank}: {clip.title}", clip.score) for clip in selected.clips
        ),
    )


def _mark(span: Span, kind: str, label: str, score: float = 0.0) -> Mark:
    return Mark(float(span.start), float(span.end), kind, label, score)


def _merged(spans: Iterable[Span], finest_s: float, kind: str) -> tuple[Mark, ...]:
    """The union of the spans; gaps too small to be drawn are closed."""
    merged: list[Mark] = []
    for start_s, end_s in sorted((float(span.start), float(span.end)) for span in spans):
        if merged and start_s - merged[-1].end_s <= finest_s:
            merged[-1] = Mark(merged[-1].start_s, max(merged[-1].end_s, end_s), kind, kind)
        else:
            merged.append(Mark(start_s, end_s, kind, kind))
    return tuple(merged)


def _thinned(values: np.ndarray) -> tuple[float, ...]:
    if len(values) <= MOST_POINTS:
        return tuple(values.tolist())
    firsts = len(values) * np.arange(MOST_POINTS) // MOST_POINTS
    return tuple(np.maximum.reduceat(values, firsts).tolist())


def _best(candidates: ClipCandidates, value_of: Mapping[str, float]) -> list[tuple[ClipCandidate, float]]:
    """The best `MOST_POINTS` scored candidates, by start."""
    scored = [(one, value_of[one.candidate_id]) for one in candidates.candidates if one.candidate_id in value_of]
    best = sorted(scored, key=lambda pair: (-pair[1], pair[0].span))[:MOST_POINTS]
    return sorted(best, key=lambda pair: (pair[0].span, pair[0].candidate_id))
