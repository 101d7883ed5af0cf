"""Shots and faces over time. Types only; nothing here decodes or detects."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, Protocol

from clip_platform.timeline import Span

if TYPE_CHECKING:
    import numpy as np


ShotKind = Literal["camera", "slide", "screen"]
Begin = Literal["start", "cut", "fade", "dissolve", "slide"]


@dataclass(frozen=True, slots=True)
class Shot:
    """A stretch without a cut. `start` of the span is the exact presentation time of its first frame.

    `kind`: `slide` is a (nearly) still graphic without faces. `screen` is a graphic that stands still for the most part
    while something moves in it: a shared screen (typing, a pointer, a window that scrolls) or a slide beside a small
    picture of the speaker (picture in picture). `camera` is everything else.

    `begins`: `cut` is a hard cut; `fade` comes out of black; `dissolve` comes gradually out of the shot before, and
    begins half way; `slide` is a change within a graphic: another slide or window, or a new line on a slide, its
    surroundings (a speaker's picture, say) going on. A moving pointer and typing change nothing.
    """

    span: Span
    kind: ShotKind
    begins: Begin

    @property
    def is_graphic(self) -> bool:
        """Whether it is to be read, so that nothing of it may be cut away."""
        return self.kind != "camera"


@dataclass(frozen=True, slots=True)
class Shots:
    """All shots in order; together they cover `[0, duration)` without gap or overlap."""

    shots: tuple[Shot, ...]

    @property
    def cuts_s(self) -> tuple[Fraction, ...]:
        """Times of all changes of shot, fades included."""
        return tuple(shot.span.start for shot in self.shots[1:])

    def at(self, moment: Fraction) -> Shot:
        """The shot on display at `moment`; before the first and after the last one the nearest."""
        after = bisect_right(self.shots, moment, key=lambda shot: shot.span.start)
        return self.shots[max(0, after - 1)]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in display pixels (see `VideoStream`), origin top left."""

    x: float
    y: float
    width: float
    height: float

    @property
    def centre(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2

    def overlap_ratio(self, other: Box) -> float:
        """Intersection over union, 0..1."""
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        if width <= 0 or height <= 0:
            return 0.0
        shared = width * height
        return shared / (self.width * self.height + other.width * other.height - shared)


@dataclass(frozen=True, slots=True)
class DetectedFace:
    """One face in one picture. `confidence` 0..1; `embedding` identifies the person where the engine gives one."""

    box: Box
    confidence: float
    embedding: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class FaceTrack:
    """One face followed through one shot, at consecutive samples of `FaceTracks.sample_rate`.

    Sample `i` is at time `(first_sample + i) / sample_rate`. `sources[i]` is `d` (detected) or `t` (tracked).
    `mouth_motion[i]`: mean absolute change of the mouth region since the sample before, after aligning the face, in
    grey levels 0..255; 0 at the first sample.
    """

    track_id: int
    shot_index: int
    first_sample: int
    boxes: tuple[Box, ...]
    sources: str
    mouth_motion: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class FaceTracks:
    """All faces of a video. `detector` names engine and model."""

    width_px: int
    height_px: int
    sample_rate: Fraction
    sample_count: int
    detector: str
    tracks: tuple[FaceTrack, ...]

    def time_of(self, sample: int) -> Fraction:
        return sample / self.sample_rate

    def boxes_at(self, moment: Fraction, shot_index: int | None = None) -> tuple[tuple[FaceTrack, Box], ...]:
        """Tracks with a box at the sample nearest to `moment`.

        With `shot_index` only tracks of that shot, and a track counts for one sample beyond either end: a shot's first
        frames may lie nearer to the last sample of the shot before.
        """
        sample = math.floor(moment * self.sample_rate + Fraction(1, 2))
        beyond = 0 if shot_index is None else 1
        found = []
        for track in self.tracks:
            offset, count = sample - track.first_sample, len(track.boxes)
            if shot_index in (None, track.shot_index) and -beyond <= offset < count + beyond:
                found.append((track, track.boxes[min(max(offset, 0), count - 1)]))
        return tuple(found)


class FaceDetector(Protocol):
    """Finds faces in one picture."""

    @property
    def name(self) -> str:
        """Engine and model, as recorded with results."""
        ...

    @property
    def needs_colour(self) -> bool:
        """Whether pictures must be BGR; otherwise grey is enough."""
        ...

    def detect(self, picture: np.ndarray) -> list[DetectedFace]:
        """Faces in the pixels of `picture`.

        Args:
            picture: uint8, shape (height, width) grey or (height, width, 3) BGR, see `needs_colour`.
        """
        ...
