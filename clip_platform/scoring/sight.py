"""Features of what is seen in a clip: faces, speakers on screen, cuts, slides."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from clip_platform.scoring.spans import CandidateSpans, Coverage, ratio, sums_before
from clip_platform.speakers.turns import SpeakerTurns
from clip_platform.timeline import Span
from clip_platform.vision.tracks import FaceTracks, Shots


def vision(spans: CandidateSpans, shots: Shots, faces: FaceTracks, turns: SpeakerTurns) -> dict[str, np.ndarray]:
    face = Coverage(face_spans(faces))
    spoken = Coverage(turn.span for turn in turns.turns)
    on_screen = Coverage(turn.span for turn in turns.turns if turn.status == "on_screen")
    cuts = np.array([float(cut) for cut in shots.cuts_s])
    inside = np.searchsorted(cuts, spans.end, side="left") - np.searchsorted(cuts, spans.start, side="right")
    spoken_s = spoken.seconds_in(spans.start, spans.end)
    return {
        "face_share": _bounded(face.share_of(spans.start, spans.end)),
        "hook_face_share": _bounded(face.share_of(spans.start, spans.hook_end)),
        "face_height_share": _face_height(spans, faces),
        "speaker_share": _bounded(ratio(on_screen.seconds_in(spans.start, spans.end), spoken_s)),
        "cuts_per_min": ratio(np.maximum(inside, 0).astype(float), spans.minutes),
        "slide_share": _bounded(
            Coverage(shot.span for shot in shots.shots if shot.kind == "slide").share_of(spans.start, spans.end)
        ),
    }


def face_spans(faces: FaceTracks) -> Iterator[Span]:
    """When each face is on screen: half a sample either side of its first and last box."""
    half = 1 / (2 * faces.sample_rate)
    for track in faces.tracks:
        first, last = faces.time_of(track.first_sample), faces.time_of(track.first_sample + len(track.boxes) - 1)
        yield Span(max(first - half, first * 0), last + half)


def _bounded(shares: np.ndarray) -> np.ndarray:
    return np.clip(shares, 0.0, 1.0)


def _face_height(spans: CandidateSpans, faces: FaceTracks) -> np.ndarray:
    """Mean over a clip's samples that show a face of the tallest one's height, as a share of the picture's."""
    count = 1 + max((track.first_sample + len(track.boxes) for track in faces.tracks), default=0)
    tallest = np.zeros(count)
    for track in faces.tracks:
        heights = np.array([box.height for box in track.boxes])
        shown = slice(track.first_sample, track.first_sample + len(heights))
        tallest[shown] = np.maximum(tallest[shown], heights)
    rate = float(faces.sample_rate)
    first = np.clip(np.ceil(spans.start * rate).astype(np.int64), 0, count)
    end = np.clip(np.ceil(spans.end * rate).astype(np.int64), first, count)
    heights_before, shown_before = sums_before(tallest), sums_before(tallest > 0)
    mean = ratio(heights_before[end] - heights_before[first], shown_before[end] - shown_before[first])
    return np.clip(mean / faces.height_px, 0.0, 1.0)
