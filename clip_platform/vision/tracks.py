"""Shots and faces over time. Types only; nothing here decodes or detects."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Protocol, overload

import numpy as np

from clip_platform.timeline import Span

_BOX_COLUMNS = ("x", "y", "width", "height")

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


Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class DetectedFace:
    """One face in one picture. `confidence` 0..1; `embedding` identifies the person where the engine gives one.

    `landmarks`, where the engine gives them: x and y in pixels of the eyes, the tip of the nose and the corners of the
    mouth, the picture's left one of each pair first.
    """

    box: Box
    confidence: float
    embedding: tuple[float, ...] | None = None
    landmarks: Points | None = None


class Boxes(Sequence[Box]):
    """Boxes of consecutive samples, 16 bytes each.

    `array`: float32, shape (samples, 4): x, y, width, height. It is not to be changed.
    """

    __slots__ = ("array",)

    def __init__(self, array: np.ndarray) -> None:
        self.array = np.ascontiguousarray(array, np.float32).reshape(-1, 4)

    @classmethod
    def of(cls, boxes: Iterable[Box]) -> Boxes:
        return cls(np.array([(box.x, box.y, box.width, box.height) for box in boxes], np.float32))

    def __len__(self) -> int:
        return len(self.array)

    @overload
    def __getitem__(self, index: int) -> Box: ...

    @overload
    def __getitem__(self, index: slice) -> Boxes: ...

    def __getitem__(self, index: int | slice) -> Box | Boxes:
        if isinstance(index, slice):
            return Boxes(self.array[index])
        return Box(*self.array[index].tolist())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Boxes) and np.array_equal(self.array, other.array)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Boxes({len(self)})"


@dataclass(frozen=True, slots=True, eq=False)
class FaceTrack:
    """One face followed through one shot, at consecutive samples of `FaceTracks.sample_rate`.

    Sample `i` is at time `(first_sample + i) / sample_rate`. `sources[i]` is `d` (detected) or `t` (tracked).
    `mouth_motion[i]`, float32: mean absolute change of the mouth region since the sample before, in grey levels 0..255,
    after aligning the face and scaling it to one size; 0 at the first sample. Other sequences are converted.

    `person` counts the people of the video from 0, the same across shots; None when the detector identifies nobody.
    `still`: it is a picture of a face (on a poster, in a slide), which never moves by itself: nobody who could speak.
    """

    track_id: int
    shot_index: int
    first_sample: int
    boxes: Boxes
    sources: str
    mouth_motion: np.ndarray
    person: int | None = None
    still: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.boxes, Boxes):
            object.__setattr__(self, "boxes", Boxes.of(self.boxes))
        object.__setattr__(self, "mouth_motion", np.asarray(self.mouth_motion, np.float32))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FaceTrack):
            return NotImplemented
        return (
            self._row() == other._row()
            and self.sources == other.sources
            and self.boxes == other.boxes
            and np.array_equal(self.mouth_motion, other.mouth_motion)
        )

    def __hash__(self) -> int:
        return hash(self._row())

    def _row(self) -> TrackRow:
        return TrackRow(self.track_id, self.shot_index, self.first_sample, len(self.boxes), self.person, self.still)


@dataclass(frozen=True, slots=True)
class FaceTracks:
    """All faces of a video. `detector` names engine and model. Stored as Parquet, see `FaceTable`."""

    width_px: int
    height_px: int
    sample_rate: Fraction
    sample_count: int
    detector: str
    tracks: tuple[FaceTrack, ...]

    def as_table(self) -> FaceTable:
        # Column by column: together they would be in memory twice.
        columns: dict[str, np.ndarray] = {
            name: np.concatenate([np.zeros(0, np.float32), *(track.boxes.array[:, side] for track in self.tracks)])
            for side, name in enumerate(_BOX_COLUMNS)
        }
        motion = np.concatenate([np.zeros(0, np.float32), *(track.mouth_motion for track in self.tracks)])
        sources = "".join(track.sources for track in self.tracks)
        columns |= {"mouth_motion": motion, "detected": np.frombuffer(sources.encode(), np.uint8) == ord("d")}
        return FaceTable(
            *(self.width_px, self.height_px, self.sample_rate, self.sample_count, self.detector),
            tuple(track._row() for track in self.tracks),
            columns,
        )

    @classmethod
    def of_table(cls, table: FaceTable) -> FaceTracks:
        boxes = np.stack([table.columns[name] for name in _BOX_COLUMNS], axis=1)
        sources = np.where(table.columns["detected"], b"d", b"t").astype("S1").tobytes().decode()
        motion, tracks, first = table.columns["mouth_motion"], [], 0
        for row in table.tracks:
            end = first + row.samples
            where = (row.track_id, row.shot_index, row.first_sample)
            seen = (Boxes(boxes[first:end]), sources[first:end], motion[first:end])
            tracks.append(FaceTrack(*where, *seen, row.person, row.still))
            first = end
        video = (table.width_px, table.height_px, table.sample_rate, table.sample_count)
        return cls(*video, table.detector, tuple(tracks))

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


@dataclass(frozen=True, slots=True)
class TrackRow:
    """A track without what it has at each sample."""

    track_id: int
    shot_index: int
    first_sample: int
    samples: int
    person: int | None
    still: bool


@dataclass(frozen=True, slots=True, eq=False)
class FaceTable:
    """`FaceTracks` as they are stored: a row a sample, one track after the other in the order of `tracks`.

    `columns`: `x`, `y`, `width`, `height` in display pixels and `mouth_motion`, float32; `detected`, bool.
    """

    width_px: int
    height_px: int
    sample_rate: Fraction
    sample_count: int
    detector: str
    tracks: tuple[TrackRow, ...]
    columns: Mapping[str, np.ndarray]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, FaceTable)
            and all(getattr(self, name) == getattr(other, name) for name in self.__slots__ if name != "columns")
            and self.columns.keys() == other.columns.keys()
            and all(np.array_equal(column, other.columns[name]) for name, column in self.columns.items())
        )

    __hash__ = None  # type: ignore[assignment]


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
