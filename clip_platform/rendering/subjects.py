"""Whom one shot is about: people out of face tracks, and which of them the crop follows. No pixels, no paths.

People who talk in turn inside one shot and do not fit one crop are shown one after the other, with a cut in between as
an editor with several cameras makes it: a pan would show neither for a while. Nobody is shown for less than
`SHORTEST_SHOWN_S`, so a short answer does not pull the picture away; while it is unknown for longer than that who
speaks, the whole picture is shown.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from typing import TYPE_CHECKING

from clip_platform.speakers.turns import SpeakerTurns
from clip_platform.timeline import Span, total_s
from clip_platform.vision.tracks import FaceTrack, FaceTracks

if TYPE_CHECKING:
    import numpy as np

_SEEN_SHARE = 0.35
"""A face on display for less of the shot than this is not what the shot is about."""
_BYSTANDER_HEIGHT = 0.4
"""Faces smaller than this share of the largest are bystanders."""
_DOMINANT_HEIGHT = 1.7
_ATTRIBUTED_SHARE = 0.5
_ROOM_SHARE = 0.96
SHORTEST_SHOWN_S = Fraction(1)
_SMOOTHED_SAMPLES = 5


@dataclass(frozen=True, slots=True)
class Person:
    """Face tracks of one shot that follow each other without overlap at one place: a face that was lost and found."""

    tracks: tuple[FaceTrack, ...]

    @property
    def track_ids(self) -> frozenset[int]:
        return frozenset(track.track_id for track in self.tracks)

    @property
    def height_px(self) -> float:
        """Mean height of the face."""
        boxes = [box for track in self.tracks for box in track.boxes]
        return sum(box.height for box in boxes) / len(boxes)


@dataclass(frozen=True, slots=True)
class Outline:
    """Left, top, right and bottom of a subject in display pixels, one value a frame: float64, shape (frames,) each."""

    left: np.ndarray
    top: np.ndarray
    right: np.ndarray
    bottom: np.ndarray

    @property
    def centre_x(self) -> np.ndarray:
        return (self.left + self.right) / 2

    @property
    def centre_y(self) -> np.ndarray:
        return (self.top + self.bottom) / 2


@dataclass(frozen=True, slots=True)
class Choice:
    """`people` to keep in the crop; empty for the whole picture. `second_best` says what was given up, if anything."""

    people: tuple[Person, ...]
    reason: str
    second_best: str | None = None


def people_in(faces: FaceTracks, shot_index: int, span: Span) -> tuple[Person, ...]:
    """People seen in a stretch of a shot, the ones on display longest first; bystanders, glimpses and pictures of faces
    left out."""
    alive = [track for track in faces.tracks if track.shot_index == shot_index and not track.still]
    tracks = [track for track in alive if _shown(faces, track, span)]
    people = _linked(faces, sorted(tracks, key=lambda track: (track.first_sample, track.track_id)))
    seen = {person: total_s(_spans(faces, person, span)) for person in people}
    people = [person for person in people if seen[person] >= _SEEN_SHARE * span.duration_s]
    tallest = max((person.height_px for person in people), default=0.0)
    people = [person for person in people if person.height_px >= _BYSTANDER_HEIGHT * tallest]
    return tuple(sorted(people, key=lambda person: (-seen[person], min(person.track_ids))))


def choose(
    people: Sequence[Person], turns: SpeakerTurns, span: Span, fits_together: bool
) -> tuple[tuple[Span, Choice], ...]:
    """Whom to follow through `span`, in parts that cover it in order; `fits_together` tells whether one crop holds all
    of them in every frame."""
    if not people:
        nobody = Choice((), "no face to follow", "no face was found, so the whole picture is shown")
        return ((span, nobody),)
    if len(people) == 1:
        return ((span, Choice((people[0],), "follows the one face")),)
    if fits_together:
        return ((span, Choice(tuple(people), f"keeps all {len(people)} faces in the crop")),)
    heard = list(_spoken(people, turns, span))
    attributed = total_s(part for part, person in heard if person is not None)
    if attributed and attributed >= _ATTRIBUTED_SHARE * total_s(part for part, _ in heard):
        return tuple((part, _following(person)) for part, person in _calm(heard, span))
    return ((span, _by_size(people)),)


def outline_of(people: Sequence[Person], faces: FaceTracks, times: np.ndarray) -> Outline:
    """The rectangle around all faces at each time; between samples and over gaps interpolated, held at the ends.

    Args:
        times: float64, shape (frames,), source seconds, ascending.
    """
    import numpy as np

    edges = [_edges(person, faces, times) for person in people]
    return Outline(
        np.minimum.reduce([edge[0] for edge in edges]),
        np.minimum.reduce([edge[1] for edge in edges]),
        np.maximum.reduce([edge[2] for edge in edges]),
        np.maximum.reduce([edge[3] for edge in edges]),
    )


def fits(outline: Outline, width_px: int, height_px: int) -> bool:
    """Whether a window of that size has room for the subject, in nearly every frame."""
    import numpy as np

    narrow = outline.right - outline.left <= _ROOM_SHARE * width_px
    low = outline.bottom - outline.top <= _ROOM_SHARE * height_px
    return bool(np.mean(narrow & low) >= _ROOM_SHARE)


def _shown(faces: FaceTracks, track: FaceTrack, span: Span) -> bool:
    return bool(track.boxes) and _track_span(faces, track).overlaps(span)


def _track_span(faces: FaceTracks, track: FaceTrack) -> Span:
    half = 1 / (2 * faces.sample_rate)
    last = faces.time_of(track.first_sample + len(track.boxes) - 1)
    return Span(faces.time_of(track.first_sample) - half, last + half)


def _spans(faces: FaceTracks, person: Person, span: Span) -> list[Span]:
    parts = (_track_span(faces, track).intersection(span) for track in person.tracks)
    return [part for part in parts if part is not None]


def _linked(faces: FaceTracks, tracks: Sequence[FaceTrack]) -> list[Person]:
    chains: list[list[FaceTrack]] = []
    for track in tracks:
        chain = next((chain for chain in chains if _continues(faces, chain[-1], track)), None)
        if chain is None:
            chains.append([track])
        else:
            chain.append(track)
    return [Person(tuple(chain)) for chain in chains]


def _continues(faces: FaceTracks, before: FaceTrack, after: FaceTrack) -> bool:
    """Whether a face that was lost is found again: later, and no farther away than it can have moved."""
    gap_s = float(faces.time_of(after.first_sample - before.first_sample - len(before.boxes) + 1))
    if gap_s <= 0:
        return False
    old, new = before.boxes[-1], after.boxes[0]
    width = (old.width + new.width) / 2
    distance = max(abs(old.centre[0] - new.centre[0]), abs(old.centre[1] - new.centre[1]))
    return distance <= width * (1.0 + min(gap_s, 2.0))


def _spoken(people: Sequence[Person], turns: SpeakerTurns, span: Span) -> Iterator[tuple[Span, Person | None]]:
    """The speech of the span with its speaker; None where that is nobody of these people, or unknown."""
    for turn in turns.turns[bisect_right(turns.turns, span.start, key=lambda turn: turn.span.end) :]:
        part = turn.span.intersection(span)
        if part is None:
            return
        speaks = next((person for person in people if turn.track_id in person.track_ids), None)
        yield part, speaks if turn.status == "on_screen" else None


def _calm(heard: Sequence[tuple[Span, Person | None]], span: Span) -> list[tuple[Span, Person | None]]:
    """Parts of the span with whom to show: each from its first word to the next one's. What is too short goes to the
    part before it, at the very beginning to the one after."""
    by_speaker = [list(group) for _, group in groupby(heard, key=lambda spoken: spoken[1])]
    starts = [span.start, *(group[0][0].start for group in by_speaker[1:])]
    parts: list[tuple[Span, Person | None]] = []
    for start, end, group in zip(starts, [*starts[1:], span.end], by_speaker, strict=True):
        person = group[0][1]
        if parts and (parts[-1][1] == person or end - start < SHORTEST_SHOWN_S):
            parts[-1] = (Span(parts[-1][0].start, end), parts[-1][1])
        elif parts and parts[-1][0].duration_s < SHORTEST_SHOWN_S:
            parts[-1] = (Span(parts[-1][0].start, end), person)
        else:
            parts.append((Span(start, end), person))
    return parts


def _following(person: Person | None) -> Choice:
    if person is not None:
        return Choice((person,), "follows the speaker")
    return Choice((), "who speaks is unknown for a while", "who speaks is unknown for a while, so all are shown")


def _by_size(people: Sequence[Person]) -> Choice:
    first, second = sorted(people, key=lambda person: -person.height_px)[:2]
    if first.height_px >= _DOMINANT_HEIGHT * second.height_px:
        return Choice((first,), "follows the largest face", "who speaks is unknown, so the largest face was followed")
    return Choice(
        (),
        f"{len(people)} faces, and who speaks is unknown",
        f"who of {len(people)} people speaks is unknown, so the whole picture is shown",
    )


def _edges(person: Person, faces: FaceTracks, times: np.ndarray) -> tuple[np.ndarray, ...]:
    import numpy as np

    samples = [track.first_sample + i for track in person.tracks for i in range(len(track.boxes))]
    boxes = [box for track in person.tracks for box in track.boxes]
    moments = np.array(samples) / float(faces.sample_rate)
    corners = np.array([(box.x, box.y, box.x + box.width, box.y + box.height) for box in boxes])
    return tuple(np.interp(times, moments, _without_spikes(corners[:, side])) for side in range(4))


def _without_spikes(values: np.ndarray) -> np.ndarray:
    """Running median: one wrong sample must not move the camera."""
    import numpy as np

    if len(values) < _SMOOTHED_SAMPLES:
        return values
    half = _SMOOTHED_SAMPLES // 2
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, half, mode="edge"), _SMOOTHED_SAMPLES)
    return np.median(windows, axis=1)
