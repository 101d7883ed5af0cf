"""Which part of the picture a clip shows, frame by frame. Decides; touches no file.

Each shot gets one layout: `crop`, a window of the wanted shape that follows a face, or `fit`, the whole picture. The
window never jumps within a shot.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from clip_platform.rendering.camera import Axis, window_starts
from clip_platform.rendering.clips import LayoutRun
from clip_platform.rendering.grid import FrameGrid
from clip_platform.rendering.subjects import Choice, Outline, choose, fits, outline_of, people_in
from clip_platform.speakers.turns import SpeakerTurns
from clip_platform.timeline import Span
from clip_platform.vision.tracks import FaceTracks, Shot, Shots

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
    return Framing(
        picture,
        tuple(_framed(grid, picture, first, end, shots, index, faces, turns) for first, end, index in pieces),
    )


def _even(value: Fraction) -> int:
    return max(2, 2 * round(value / 2))


_Piece = tuple[int, int, int]
"""First frame, end frame, index of the shot."""


def _pieces(grid: FrameGrid, shots: Shots) -> list[_Piece]:
    """The clip cut at the shots' first frames."""
    found = []
    for index, shot in enumerate(shots.shots):
        first = 0 if index == 0 else min(max(grid.nearest_frame(shot.span.start), 0), grid.frames)
        last_shot = index == len(shots.shots) - 1
        end = grid.frames if last_shot else min(max(grid.nearest_frame(shot.span.end), 0), grid.frames)
        if end > first:
            found.append((first, end, index))
    return found


def _without_flashes(pieces: list[_Piece], rate: Fraction) -> list[_Piece]:
    """Pieces that are too short take on the layout of the longer neighbour."""
    kept = list(pieces)
    while len(kept) > 1:
        shortest = min(range(len(kept)), key=lambda i: kept[i][1] - kept[i][0])
        first, end, _ = kept[shortest]
        if (end - first) / rate >= SHORTEST_RUN_S:
            break
        neighbours = [i for i in (shortest - 1, shortest + 1) if 0 <= i < len(kept)]
        host = max(neighbours, key=lambda i: kept[i][1] - kept[i][0])
        merged = (min(first, kept[host][0]), max(end, kept[host][1]), kept[host][2])
        kept[min(host, shortest) : max(host, shortest) + 1] = [merged]
    return kept


def _framed(
    grid: FrameGrid,
    picture: Picture,
    first: int,
    end: int,
    shots: Shots,
    shot_index: int,
    faces: FaceTracks,
    turns: SpeakerTurns,
) -> FramedRun:
    shot = shots.shots[shot_index]
    span = Span(grid.source_time_of(first), grid.source_time_of(end))
    if shot.kind == "slide":
        return FramedRun(first, end, "fit", (), "a slide is shown whole", None)
    choice, subject = _subject(grid, picture, first, end, shot, shot_index, faces, turns, span)
    if subject is None:
        return FramedRun(first, end, "fit", (), choice.reason, choice.second_best)
    return FramedRun(first, end, "crop", _corners(subject, picture, grid.rate), choice.reason, choice.second_best)


def _subject(
    grid: FrameGrid,
    picture: Picture,
    first: int,
    end: int,
    shot: Shot,
    shot_index: int,
    faces: FaceTracks,
    turns: SpeakerTurns,
    span: Span,
) -> tuple[Choice, Outline | None]:
    import numpy as np

    visible = span.intersection(shot.span) or span
    people = people_in(faces, shot_index, visible)
    times = np.array([float(grid.source_time_of(frame)) for frame in range(first, end)])
    together = outline_of(people, faces, times) if people else None
    fits_together = together is not None and fits(together, picture.window_width_px, picture.window_height_px)
    choice = choose(people, turns, visible, fits_together)
    return choice, outline_of(choice.people, faces, times) if choice.people else None


def _corners(subject: Outline, picture: Picture, rate: Fraction) -> tuple[tuple[int, int], ...]:
    across = Axis(picture.width_px, picture.window_width_px, 0.5)
    down = Axis(picture.height_px, picture.window_height_px, _FACE_FROM_TOP)
    lefts = window_starts(subject.centre_x, across, rate)
    tops = window_starts(subject.centre_y, down, rate)
    return tuple(zip(lefts.tolist(), tops.tolist(), strict=True))
