"""People of a shot out of its face tracks, and how their mouths move. No pictures."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from clip_platform.timeline import Span
from clip_platform.vision.tracks import FaceTrack, FaceTracks

_FARTHEST = 1.5
"""How far a face may be from where it was lost, in widths, to be the same again."""


@dataclass(frozen=True, slots=True)
class Face:
    """Tracks of one shot that follow each other without overlap, of one person or (where nobody is identified)
    at one place: a face that was lost and found."""

    tracks: tuple[FaceTrack, ...]

    @property
    def samples(self) -> range:
        """From the first to the last sample with a box."""
        last = self.tracks[-1]
        return range(self.tracks[0].first_sample, last.first_sample + len(last.boxes))

    def parts(self, span: Span, rate: Fraction) -> Iterator[tuple[Span, int]]:
        """The span cut between the tracks, in the middle of the time in which the face was lost, with their ids."""
        number = max(
            0, bisect_right(self.tracks, math.floor(span.start * rate), key=lambda track: track.first_sample) - 1
        )
        start = span.start
        for before, after in pairwise(self.tracks[number:]):
            cut = Fraction(before.first_sample + len(before.boxes) - 1 + after.first_sample, 2) / rate
            if cut >= span.end:
                yield Span(start, span.end), before.track_id
                return
            if cut > start:
                yield Span(start, cut), before.track_id
                start = cut
        yield Span(start, span.end), self.tracks[-1].track_id


def faces_by_shot(faces: FaceTracks) -> Mapping[int, Sequence[Face]]:
    """The faces of every shot, in order of their first sample; still pictures of faces are nobody's."""
    tracks: dict[int, list[FaceTrack]] = defaultdict(list)
    for track in faces.tracks:
        if len(track.boxes) and not track.still:
            tracks[track.shot_index].append(track)
    return {shot: _linked(in_shot) for shot, in_shot in tracks.items()}


class Presence:
    """When the faces of a shot have a box; a sample stands for half its period to either side."""

    def __init__(self, faces: Sequence[Face], rate: Fraction) -> None:
        tracks = [(row, track) for row, face in enumerate(faces) for track in face.tracks]
        first = np.array([track.first_sample for _, track in tracks], float)
        count = np.array([len(track.boxes) for _, track in tracks], float)
        self._faces = len(faces)
        self._row = np.array([row for row, _ in tracks], int)
        self._start_s = (first - 0.5) / float(rate)
        self._end_s = (first + count - 0.5) / float(rate)

    def shares(self, span: Span) -> np.ndarray:
        """Share of the span in which each face is seen: float64, shape (faces,), 0..1."""
        start_s, end_s = float(span.start), float(span.end)
        seen_s = np.minimum(self._end_s, end_s) - np.maximum(self._start_s, start_s)
        return np.bincount(self._row, np.maximum(seen_s, 0.0), self._faces) / (end_s - start_s)


def motion_of(faces: Sequence[Face], samples: range) -> np.ndarray:
    """Grey levels, float64, shape (faces, samples); NaN where a face is not on display. A track's first sample has no
    motion to tell, so it takes that of the second."""
    motion = np.full((len(faces), len(samples)), np.nan)
    for row, face in enumerate(faces):
        for track in face.tracks:
            own = np.array(track.mouth_motion, dtype=float)
            if len(own) > 1:
                own[0] = own[1]
            first, end = max(track.first_sample, samples.start), min(track.first_sample + len(own), samples.stop)
            if first < end:
                shown = own[first - track.first_sample : end - track.first_sample]
                motion[row, first - samples.start : end - samples.start] = shown
    return motion


def _linked(tracks: Iterable[FaceTrack]) -> list[Face]:
    chains: list[list[FaceTrack]] = []
    for track in sorted(tracks, key=lambda track: (track.first_sample, track.track_id)):
        chain = next((chain for chain in chains if _continues(chain[-1], track)), None)
        if chain is None:
            chains.append([track])
        else:
            chain.append(track)
    return [Face(tuple(chain)) for chain in chains]


def _continues(before: FaceTrack, after: FaceTrack) -> bool:
    if after.first_sample < before.first_sample + len(before.boxes):
        return False
    if before.person is not None and after.person is not None:
        return before.person == after.person
    old, new = before.boxes[len(before.boxes) - 1], after.boxes[0]
    distance = max(abs(old.centre[0] - new.centre[0]), abs(old.centre[1] - new.centre[1]))
    return distance <= _FARTHEST * (old.width + new.width) / 2
