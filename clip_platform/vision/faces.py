"""Faces through a video: detected seldom, followed between, known from the first picture of their shot.

Fed grey (or BGR) pictures at a steady rate, one after the other. Decodes nothing; which picture begins a shot is told.

The optical flow is smooth but drifts, the detector does not drift but jitters. So a track is a path of flow steps, and
the detections on it only correct that path, slowly: `_corrected` spreads them over `CORRECTION_S`.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from clip_platform.vision import pictures
from clip_platform.vision.motion import FLAT_DEVIATION, Step, appearance, follow, likeness, mouth_motion, patch
from clip_platform.vision.tracks import Box, FaceDetector, FaceTrack

if TYPE_CHECKING:
    import numpy as np

LOOK_AROUND_S = 3.8
"""Between searches of the whole picture while a face is known; below `BUFFER_S`, so that newcomers lose nothing."""
FIRST_RETRY_S, LAST_RETRY_S = 0.2, 2.4
"""Between searches of the whole picture while none is: doubles from the first to the last."""
FIRST_CHECK_S, CHECK_S = 0.2, 1.4
"""Between checks of one face in its surroundings."""
SEARCHES_PER_S, MOST_SAVED_SEARCHES = 0.5, 4.0
"""Of the whole picture, on average and in a burst: a cascade takes 0.1 to 0.2 CPU-seconds for each. A shot's first
picture is searched even on credit, up to as many."""
BUFFER_S = 4.0
"""How far back a face that was found late is followed."""
UNCONFIRMED_S = 4.0
"""A face that no detector confirms for so long is given up; its track ends `TRUST_S` after the last confirmation."""
TRUST_S = 2.0
HIDDEN_S = 0.5
"""Through a fade the face is taken to stay where it was, for so long at most."""
CORRECTION_S = 1.0
SAME_FACE = 0.3
LEAST_LIKENESS = 0.45
"""Of a face to itself one sample before."""
LEAST_LIKENESS_TO_DETECTED = 0.3
"""Of a face to itself when it was last detected: it may have turned meanwhile."""
LEAST_DETECTIONS = 2
LEAST_AGREEMENT = 0.34
DARK_MEAN = 24.0
UNCHANGED_LEVELS = 1.5


@dataclass(frozen=True, slots=True)
class _Sample:
    number: int
    picture: np.ndarray
    grey: np.ndarray


@dataclass(slots=True, eq=False)
class _Path:
    """One face while it is followed, in pixels of the pictures fed. `boxes` is the raw path of flow steps."""

    first: int
    boxes: deque[Box]
    mouth: deque[float]
    detections: dict[int, Box]
    check_at: int
    last_detection: int
    appearance: np.ndarray
    """The face when it was last detected."""
    checks: int = 0
    agreed: int = 0
    hidden: int = 0
    offset: tuple[float, float, float] = (0.0, 0.0, 1.0)

    @property
    def last(self) -> int:
        return self.first + len(self.boxes) - 1

    def raw(self, number: int) -> Box:
        return self.boxes[number - self.first]

    def here(self, number: int) -> Box:
        """Best estimate while following: the raw path moved by what the last detection said."""
        dx, dy, growth = self.offset
        return Step(dx, dy, growth).applied_to(self.raw(number))

    def confirm(self, number: int, box: Box, grey: np.ndarray) -> None:
        raw = self.raw(number)
        (x, y), (raw_x, raw_y) = box.centre, raw.centre
        self.detections[number] = box
        self.last_detection = number
        self.offset = (x - raw_x, y - raw_y, box.width / raw.width)
        self.appearance = appearance(grey, box)
        self.checks += 1
        self.agreed += 1


@dataclass(slots=True)
class _ShotFaces:
    index: int
    first_sample: int
    search_at: int
    retry_s: float = FIRST_RETRY_S
    following: list[_Path] = field(default_factory=list)
    ended: list[_Path] = field(default_factory=list)
    recent: deque[_Sample] = field(default_factory=deque)
    empty_thumbnail: np.ndarray | None = None


class FaceFollower:
    """Fed every sample in order, gives the tracks of the video at the end.

    Its memory is `BUFFER_S` of pictures and the tracks.

    Args:
        detector: pictures are BGR when it needs colour, else grey.
        sample_rate: samples per second.
        scale_x, scale_y: display pixels per pixel of the pictures fed.
        width_px, height_px: the display raster.
    """

    def __init__(
        self,
        detector: FaceDetector,
        sample_rate: Fraction,
        *,
        scale_x: float,
        scale_y: float,
        width_px: int,
        height_px: int,
    ) -> None:
        self._detector = detector
        self._rate = float(sample_rate)
        self._scale_x, self._scale_y = scale_x, scale_y
        self._width_px, self._height_px = width_px, height_px
        self._shot: _ShotFaces | None = None
        self._tracks: list[FaceTrack] = []
        self._searches_left = MOST_SAVED_SEARCHES

    def feed(self, number: int, picture: np.ndarray, shot_index: int) -> None:
        """Looks at the next sample.

        Args:
            number: of the sample; one more than the last, or more when samples are missing.
            picture: uint8, (height, width) grey or (height, width, 3) BGR; the same shape each time.
            shot_index: which shot it belongs to, never less than before.
        """
        sample = _Sample(number, picture, pictures.grey(picture))
        shot = self._shot
        if shot is None or shot.index != shot_index or (shot.recent and shot.recent[-1].number != number - 1):
            self._close()
            shot = self._shot = _ShotFaces(shot_index, first_sample=number, search_at=number)
        if shot.recent:
            self._follow_all(shot, shot.recent[-1], sample)
        self._check_faces(shot, sample)
        self._searches_left = min(self._searches_left + SEARCHES_PER_S / self._rate, MOST_SAVED_SEARCHES)
        if number >= shot.search_at and self._may_search(shot, number):
            self._search(shot, sample)
        shot.recent.append(sample)
        while len(shot.recent) > BUFFER_S * self._rate:
            shot.recent.popleft()

    def finish(self) -> tuple[FaceTrack, ...]:
        """All tracks, in order of their first sample."""
        self._close()
        ordered = sorted(self._tracks, key=lambda track: (track.first_sample, track.boxes[0].x, track.boxes[0].y))
        return tuple(
            FaceTrack(number, t.shot_index, t.first_sample, t.boxes, t.sources, t.mouth_motion)
            for number, t in enumerate(ordered)
        )

    def _samples(self, duration_s: float) -> int:
        return max(1, round(duration_s * self._rate))

    def _follow_all(self, shot: _ShotFaces, before: _Sample, after: _Sample) -> None:
        for path in list(shot.following):
            box = path.here(before.number)
            step = self._step(path, before, after, box)
            if step is None:
                self._lose(shot, path, after.number)
                continue
            path.boxes.append(step.applied_to(path.raw(before.number)))
            path.mouth.append(mouth_motion(before.grey, box, after.grey, path.here(after.number)))

    def _step(self, path: _Path, before: _Sample, after: _Sample, box: Box) -> Step | None:
        """How the face moved on, None when it is lost; through darkness it is taken to stand still for a moment."""
        step = follow(before.grey, after.grey, box)
        if step is not None:
            moved = step.applied_to(box)
            if self._is_inside(moved, after.grey) and _alike(before, box, after, moved):
                path.hidden = 0
                return step
        if _is_dark(after.grey, box) and path.hidden < self._samples(HIDDEN_S):
            path.hidden += 1
            return Step(0.0, 0.0, 1.0)
        return None

    @staticmethod
    def _is_inside(box: Box, picture: np.ndarray) -> bool:
        """Whether at least the middle of the face is on the picture."""
        x, y = box.centre
        return 0 <= x < picture.shape[1] and 0 <= y < picture.shape[0] and box.width >= 8

    def _lose(self, shot: _ShotFaces, path: _Path, number: int) -> None:
        shot.following.remove(path)
        shot.ended.append(path)
        shot.search_at, shot.retry_s = min(shot.search_at, number), FIRST_RETRY_S

    def _check_faces(self, shot: _ShotFaces, sample: _Sample) -> None:
        for path in list(shot.following):
            if sample.number < path.check_at:
                continue
            if not self._check(path, sample):
                self._lose(shot, path, sample.number)

    def _check(self, path: _Path, sample: _Sample) -> bool:
        """Asks the detector for the face in its surroundings, which costs a tenth of asking for the whole picture.

        False when it is not there and what is there looks different, or was not confirmed for too long."""
        box = path.here(sample.number)
        found = self._detect_around(sample.picture, box)
        match = max(found, key=lambda other: other.overlap_ratio(box), default=None)
        if match is not None and match.overlap_ratio(box) >= SAME_FACE:
            path.confirm(sample.number, match, sample.grey)
            path.check_at = sample.number + self._samples(CHECK_S if len(path.detections) > 2 else FIRST_CHECK_S)
            return True
        path.checks += 1
        path.check_at = sample.number + self._samples(CHECK_S / 2)
        if likeness(path.appearance, appearance(sample.grey, box)) < LEAST_LIKENESS_TO_DETECTED:
            return False
        return sample.number - path.last_detection <= UNCONFIRMED_S * self._rate

    def _detect_around(self, picture: np.ndarray, box: Box) -> list[Box]:
        margin = 0.6 * max(box.width, box.height)
        left, top = max(0, int(box.x - margin)), max(0, int(box.y - margin))
        right, bottom = math.ceil(box.x + box.width + margin), math.ceil(box.y + box.height + margin)
        part = picture[top : max(bottom, 0), left : max(right, 0)]
        if part.shape[0] < 8 or part.shape[1] < 8:
            return []
        found = self._detector.detect(part.copy())
        return [Box(face.box.x + left, face.box.y + top, face.box.width, face.box.height) for face in found]

    def _may_search(self, shot: _ShotFaces, number: int) -> bool:
        return self._searches_left >= (1.0 if number != shot.first_sample else -MOST_SAVED_SEARCHES)

    def _search(self, shot: _ShotFaces, sample: _Sample) -> None:
        """Looks for faces in the whole picture: new ones, and known ones."""
        if self._unchanged_and_empty(shot, sample):
            shot.search_at = sample.number + self._samples(LAST_RETRY_S / 2)
            return
        self._searches_left -= 1
        for face in self._detector.detect(sample.picture):
            self._welcome(shot, sample, face.box)
        if shot.following:
            shot.search_at, shot.retry_s = sample.number + self._samples(LOOK_AROUND_S), FIRST_RETRY_S
            shot.empty_thumbnail = None
        else:
            shot.search_at = sample.number + self._samples(shot.retry_s)
            shot.retry_s = min(2 * shot.retry_s, LAST_RETRY_S)
            shot.empty_thumbnail = _thumbnail(sample.grey)

    def _unchanged_and_empty(self, shot: _ShotFaces, sample: _Sample) -> bool:
        import cv2

        if shot.following or shot.empty_thumbnail is None:
            return False
        return float(cv2.absdiff(shot.empty_thumbnail, _thumbnail(sample.grey)).max()) < UNCHANGED_LEVELS

    def _welcome(self, shot: _ShotFaces, sample: _Sample, box: Box) -> None:
        known = max(shot.following, key=lambda path: path.here(sample.number).overlap_ratio(box), default=None)
        if known is not None and known.here(sample.number).overlap_ratio(box) > 0.1:
            if known.here(sample.number).overlap_ratio(box) >= SAME_FACE:
                known.confirm(sample.number, box, sample.grey)
            return
        path = _Path(
            first=sample.number,
            boxes=deque([box]),
            mouth=deque([0.0]),
            detections={sample.number: box},
            check_at=sample.number + self._samples(FIRST_CHECK_S),
            last_detection=sample.number,
            appearance=appearance(sample.grey, box),
        )
        self._follow_back(shot, path, sample)
        shot.following.append(path)

    def _follow_back(self, shot: _ShotFaces, path: _Path, sample: _Sample) -> None:
        """Follows a face that was just found towards the beginning of its shot, into a track that was lost there."""
        later = sample
        for earlier in reversed(shot.recent):
            box = path.raw(later.number)
            step = self._step(path, later, earlier, box)
            if step is None:
                break
            moved = step.applied_to(box)
            known = self._known_at(shot, earlier.number, moved)
            if known is not None:
                if known in shot.ended and known.last == earlier.number:
                    self._join(shot, known, path)
                break
            path.boxes.appendleft(moved)
            path.mouth[0] = mouth_motion(earlier.grey, moved, later.grey, box)
            path.mouth.appendleft(0.0)
            path.first, later = earlier.number, earlier
        path.hidden = 0

    @staticmethod
    def _known_at(shot: _ShotFaces, number: int, box: Box) -> _Path | None:
        for path in (*shot.ended, *shot.following):
            if path.first <= number <= path.last and path.here(number).overlap_ratio(box) >= SAME_FACE:
                return path
        return None

    @staticmethod
    def _join(shot: _ShotFaces, earlier: _Path, later: _Path) -> None:
        """Makes `later` begin with `earlier`, which ended on the sample before it."""
        shot.ended.remove(earlier)
        later.boxes.extendleft(reversed(earlier.boxes))
        later.mouth.extendleft(reversed(earlier.mouth))
        later.detections = {**earlier.detections, **later.detections}
        later.checks += earlier.checks
        later.agreed += earlier.agreed
        later.first = earlier.first

    def _close(self) -> None:
        if self._shot is None:
            return
        for path in (*self._shot.ended, *self._shot.following):
            track = self._track(path, self._shot)
            if track is not None:
                self._tracks.append(track)
        self._shot = None

    def _track(self, path: _Path, shot: _ShotFaces) -> FaceTrack | None:
        if len(path.detections) < LEAST_DETECTIONS or path.agreed < LEAST_AGREEMENT * path.checks:
            return None
        last = min(path.last, path.last_detection + self._samples(TRUST_S))
        boxes = _corrected(path, CORRECTION_S * self._rate)[: last - path.first + 1]
        return FaceTrack(
            track_id=0,
            shot_index=shot.index,
            first_sample=path.first,
            boxes=tuple(self._on_display(box) for box in boxes),
            sources="".join("d" if path.first + i in path.detections else "t" for i in range(len(boxes))),
            mouth_motion=tuple(path.mouth)[: len(boxes)],
        )

    def _on_display(self, box: Box) -> Box:
        """In display pixels, clipped to the picture, of which it covers a pixel at least."""
        left, right = _clipped(box.x * self._scale_x, (box.x + box.width) * self._scale_x, self._width_px)
        top, bottom = _clipped(box.y * self._scale_y, (box.y + box.height) * self._scale_y, self._height_px)
        return Box(round(left, 2), round(top, 2), round(right - left, 2), round(bottom - top, 2))


def _corrected(path: _Path, spread_samples: float) -> list[Box]:
    """The path, moved and scaled by its differences to the detections, averaged with Gaussian weights."""
    import numpy as np

    raw = list(path.boxes)
    numbers = sorted(path.detections)
    gaps = np.array([_gap(raw[number - path.first], path.detections[number]) for number in numbers])
    times = np.array(numbers, dtype=float)
    smooth = np.empty_like(gaps)
    for row, time in enumerate(times):
        first, last = np.searchsorted(times, (time - 3 * spread_samples, time + 3 * spread_samples))
        weights = np.exp(-(((times[first:last] - time) / spread_samples) ** 2) / 2)
        smooth[row] = weights @ gaps[first:last] / weights.sum()
    samples = path.first + np.arange(len(raw), dtype=float)
    shifts = [np.interp(samples, times, smooth[:, column]).tolist() for column in range(4)]
    return [_shifted(box, *shift) for box, *shift in zip(raw, *shifts, strict=True)]


def _gap(raw: Box, seen: Box) -> tuple[float, float, float, float]:
    """From one box to another: shift in widths and heights, log growth across and down."""
    (x, y), (raw_x, raw_y) = seen.centre, raw.centre
    across, down = (x - raw_x) / raw.width, (y - raw_y) / raw.height
    return across, down, math.log(seen.width / raw.width), math.log(seen.height / raw.height)


def _shifted(box: Box, across: float, down: float, wider: float, taller: float) -> Box:
    """Inverse of `_gap`."""
    x, y = box.centre
    width, height = box.width * math.exp(wider), box.height * math.exp(taller)
    return Box(x + across * box.width - width / 2, y + down * box.height - height / 2, width, height)


def _clipped(start: float, end: float, size_px: int) -> tuple[float, float]:
    start = min(max(start, 0.0), size_px - 1.0)
    return start, min(max(end, start + 1.0), float(size_px))


def _alike(before: _Sample, box: Box, after: _Sample, moved: Box) -> bool:
    return likeness(appearance(before.grey, box), appearance(after.grey, moved)) >= LEAST_LIKENESS


def _thumbnail(grey: np.ndarray) -> np.ndarray:
    import cv2

    return cv2.resize(grey, (40, 24), interpolation=cv2.INTER_AREA)


def _is_dark(grey: np.ndarray, box: Box) -> bool:
    face = patch(grey, box, (16, 16))
    return float(face.mean()) < DARK_MEAN and float(face.std()) < 4 * FLAT_DEVIATION
