"""Which part of the picture a clip shows, frame by frame. Decides; touches no file.

Each shot gets one layout: `crop`, a window of the wanted shape that follows a face, or `fit`, the whole picture. Within
a shot the window never jumps but from one speaker to another.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from clip_platform.rendering.camera import Axis, window_starts
from clip_platform.rendering.clips import LayoutRun
from clip_platform.rendering.grid import FrameGrid
from clip_platform.rendering.subjects import Choice, Outline, Person, choose, fits, outline_of, people_in
from clip_platform.speakers.turns import SpeakerTurns
from clip_platform.timeline import Span
from clip_platform.vision.tracks import FaceTracks, Shots

if TYPE_CHECKING:
    import numpy as np

SHORTEST_RUN_S = Fraction(1, 4)
"""A layout shown for less than this is seen as a flash."""

_SAME_SHAPE = Fraction(1, 100)
_FACE_FROM_TOP = 0.42
"""Where in the height of the window a face's centre belongs: slightly above the middle, as portraits are framed."""


@dataclass(frozen=True, slots=True)
class Picture:
    """The source's display raster, and the window of the wanted shape in it. All even."""

    width_px: int
    height_px: int
    window_width_px: int
    window_height_px: int

    @property
    def is_shown_whole(self) -> bool:
        return (self.window_width_px, self.window_height_px) == (self.width_px, self.height_px)


@dataclass(frozen=True, slots=True)
class FramedRun:
    """Frames `first_frame..end_frame - 1` of a clip in one layout. `corners`: the window's left top in each of these
    frames, in display pixels; empty for `fit`. `reason` and `second_best` are for people."""

    first_frame: int
    end_frame: int
    layout: Literal["crop", "fit"]
    corners: tuple[tuple[int, int], ...]
    reason: str
    second_best: str | None

    @property
    def frames(self) -> int:
        return self.end_frame - self.first_frame


@dataclass(frozen=True, slots=True)
class Framing:
    """`runs` cover all frames of the clip in order."""

    picture: Picture
    runs: tuple[FramedRun, ...]

    def layout(self, grid: FrameGrid) -> tuple[LayoutRun, ...]:
        return tuple(
            LayoutRun(grid.clip_span(run.first_frame, run.end_frame), run.layout, run.reason) for run in self.runs
        )

    @property
    def fallbacks(self) -> tuple[str, ...]:
        """What was given up, each thing once."""
        return tuple(dict.fromkeys(run.second_best for run in self.runs if run.second_best))


def picture_for(width_px: int, height_px: int, aspect: Fraction) -> Picture:
    """The largest window of a shape in a picture; the whole picture when its shape is within a hundredth of it."""
    shape = Fraction(width_px, height_px)
    if abs(shape / aspect - 1) <= _SAME_SHAPE:
        return Picture(width_px, height_px, width_px, height_px)
    if shape > aspect:
        return Picture(width_px, height_px, min(width_px, _even(height_px * aspect)), height_px)
    return Picture(width_px, height_px, width_px, min(height_px, _even(width_px / aspect)))


def frame_clip(grid: FrameGrid, picture: Picture, shots: Shots, faces: FaceTracks, turns: SpeakerTurns) -> Framing:
    """The layout of every frame of a clip."""
    if picture.is_shown_whole:
        whole = ((0, 0),) * grid.frames
        reason = "the source already has this shape"
        return Framing(picture, (FramedRun(0, grid.frames, "crop", whole, reason, None),))
    pieces = _without_flashes(_pieces(grid, shots), grid.rate)
    runs = (run for piece in pieces for run in _framed(piece, grid, picture, shots, faces, turns))
    return Framing(picture, tuple(runs))


def _even(value: Fraction) -> int:
    return max(2, 2 * round(value / 2))


@dataclass(frozen=True, slots=True)
class _Piece:
    """Frames of a clip that show one shot."""

    first_frame: int
    end_frame: int
    shot_index: int

    @property
    def frames(self) -> int:
        return self.end_frame - self.first_frame

    def span(self, grid: FrameGrid) -> Span:
        """In source time."""
        return Span(grid.source_time_of(self.first_frame), grid.source_time_of(self.end_frame))


def _pieces(grid: FrameGrid, shots: Shots) -> list[_Piece]:
    """The clip cut at the shots' first frames."""
    bounds = [0, *(min(max(grid.nearest_frame(cut), 0), grid.frames) for cut in shots.cuts_s), grid.frames]
    pieces = (_Piece(first, end, index) for index, (first, end) in enumerate(itertools.pairwise(bounds)))
    return [piece for piece in pieces if piece.frames > 0]


def _without_flashes(pieces: list[_Piece], rate: Fraction) -> list[_Piece]:
    """Pieces that are too short take on the layout of the longer neighbour."""
    kept = list(pieces)
    while len(kept) > 1:
        shortest = min(range(len(kept)), key=lambda i: kept[i].frames)
        if kept[shortest].frames / rate >= SHORTEST_RUN_S:
            break
        neighbours = [i for i in (shortest - 1, shortest + 1) if 0 <= i < len(kept)]
        host = max(neighbours, key=lambda i: kept[i].frames)
        first, last = min(host, shortest), max(host, shortest)
        kept[first : last + 1] = [_Piece(kept[first].first_frame, kept[last].end_frame, kept[host].shot_index)]
    return kept


def _framed(
    piece: _Piece, grid: FrameGrid, picture: Picture, shots: Shots, faces: FaceTracks, turns: SpeakerTurns
) -> list[FramedRun]:
    shot = shots.shots[piece.shot_index]
    if shot.is_graphic:
        return [FramedRun(piece.first_frame, piece.end_frame, "fit", (), f"a {shot.kind} is shown whole", None)]
    visible = piece.span(grid).intersection(shot.span) or piece.span(grid)
    times = _times(grid, piece.first_frame, piece.end_frame)
    people = people_in(faces, piece.shot_index, visible)
    choices = choose(people, turns, visible, bool(people) and _fit_together(people, faces, times, picture))
    # A choice begins with the frame on display when it starts; the first and the last one reach to the piece's ends.
    cuts = [min(max(grid.nearest_frame(span.start), piece.first_frame), piece.end_frame) for span, _ in choices[1:]]
    bounds = itertools.pairwise([piece.first_frame, *cuts, piece.end_frame])
    runs = zip(bounds, choices, strict=True)
    return [_run(*frames, choice, grid, picture, faces) for frames, (_, choice) in runs if frames[0] < frames[1]]


def _run(
    first_frame: int, end_frame: int, choice: Choice, grid: FrameGrid, picture: Picture, faces: FaceTracks
) -> FramedRun:
    if not choice.people:
        return FramedRun(first_frame, end_frame, "fit", (), choice.reason, choice.second_best)
    outline = outline_of(choice.people, faces, _times(grid, first_frame, end_frame))
    corners = _corners(outline, picture, grid.rate)
    return FramedRun(first_frame, end_frame, "crop", corners, choice.reason, choice.second_best)


def _times(grid: FrameGrid, first_frame: int, end_frame: int) -> np.ndarray:
    """Source times of frames in seconds: float64, shape (frames,)."""
    import numpy as np

    return np.array([float(grid.source_time_of(frame)) for frame in range(first_frame, end_frame)])


def _fit_together(people: Sequence[Person], faces: FaceTracks, times: np.ndarray, picture: Picture) -> bool:
    return fits(outline_of(people, faces, times), picture.window_width_px, picture.window_height_px)


def _corners(subject: Outline, picture: Picture, rate: Fraction) -> tuple[tuple[int, int], ...]:
    across = Axis(picture.width_px, picture.window_width_px, 0.5)
    down = Axis(picture.height_px, picture.window_height_px, _FACE_FROM_TOP)
    lefts = window_starts(subject.centre_x, across, rate)
    tops = window_starts(subject.centre_y, down, rate)
    return tuple(zip(lefts.tolist(), tops.tolist(), strict=True))
