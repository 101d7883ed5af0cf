"""Faces through a video: detected seldom, followed between, known from the first picture of their shot.

Fed grey (or BGR) pictures at a steady rate, one after the other. Decodes nothing; which picture begins a shot is told.

The optical flow is smooth but drifts, the detector does not drift but jitters. So a track is a path of flow steps, and
the detections on it only correct that path, slowly: `trails.corrected` spreads them over `CORRECTION_S`.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from clip_platform.vision import pictures
from clip_platform.vision.motion import (
    FLAT_DEVIATION,
    MOUTH,
    Step,
    appearance,
    follow,
    likeness,
    mouth_between,
    mouth_motion,
    patch,
)
from clip_platform.vision.persons import Identified, persons_of
from clip_platform.vision.tracks import Box, Boxes, DetectedFace, FaceDetector, FaceTrack
from clip_platform.vision.trails import Trail, corrected

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
SMALLEST_FACE_PX, NEWCOMER_SHARE, LEAST_SHARE = 24.0, 0.4, 0.5
"""Detectors see faces from so many pixels on; a face that joins a larger one matters from this share of its height on;
the picture is made no smaller than this."""
SAME_FACE = 0.3
LEAST_LIKENESS = 0.45
"""Of a face to itself one sample before."""
LEAST_LIKENESS_TO_DETECTED = 0.3
"""Of a face to itself when it was last detected: it may have turned meanwhile."""
LEAST_DETECTIONS = 2
LEAST_AGREEMENT = 0.34
LEAST_STILL_S = 2.0
MOST_STILL_MOVE = 0.04
"""Of the face's width, over the whole track: a person who sits still sways by more."""
LEAST_STILL_LIKENESS = 0.96
LEAST_MOUTH_MOTION, MOST_STILL_RATIO = 1.0, 1.6
"""Grey levels, and 95th over 25th percentile of the mouth's motion: noise is even, speech comes in bursts."""
DARK_MEAN = 24.0
UNCHANGED_LEVELS = 1.5


@dataclass(frozen=True, slots=True)
class _Sample:
    number: int
    picture: np.ndarray
    grey: np.ndarray


@dataclass(slots=True, eq=False)
class _Path:
    """One face while it is followed, in pixels of the pictures fed. `trail` is the raw path of flow steps."""

    trail: Trail
    detections: dict[int, Box]
    check_at: int
    last_detection: int
    appearance: np.ndarray
    """The face when it was last detected."""
    first_appearance: np.ndarray
    least_likeness: float = 1.0
    """Of the face, when it was detected, to its first detection."""
    mouth: Box = MOUTH
    embedding: np.ndarray | None = None
    checks: int = 0
    agreed: int = 0
    hidden: int = 0
    offset: tuple[float, float, float] = (0.0, 0.0, 1.0)

    @classmethod
    def of(cls, number: int, face: DetectedFace, grey: np.ndarray, check_at: int) -> _Path:
        seen = appearance(grey, face.box)
        path = cls(Trail(number, face.box), {number: face.box}, check_at, number, seen, seen)
        path._learn(face)
        return path

    def here(self, number: int) -> Box:
        """Best estimate while following: the raw path moved by what the last detection said."""
        dx, dy, growth = self.offset
        return Step(dx, dy, growth).applied_to(self.trail.box(number))

    def confirm(self, number: int, face: DetectedFace, grey: np.ndarray) -> None:
        box, raw = face.box, self.trail.box(number)
        (x, y), (raw_x, raw_y) = box.centre, raw.centre
        self.detections[number] = box
        self.last_detection = number
        self.offset = (x - raw_x, y - raw_y, box.width / raw.width)
        self.appearance = appearance(grey, box)
        # Along the path, because detectors jitter.
        self.least_likeness = min(self.least_likeness, likeness(self.first_appearance, appearance(grey, raw)))
        self.checks += 1
        self.agreed += 1
        self._learn(face)

    def _learn(self, face: DetectedFace) -> None:
        """Where the mouth is, and who it is, from an engine that tells."""
        import numpy as np

        if face.landmarks is not None:
            self.mouth = mouth_between(face.box, *face.landmarks[-2:])
        if face.embedding is not None:
            vector = np.asarray(face.embedding, np.float32)
            self.embedding = vector if self.embedding is None else self.embedding + vector


@dataclass(frozen=True, slots=True)
class _Found:
    """A track, and the sum of the embeddings of its detections."""

    track: FaceTrack
    embedding: np.ndarray | None

    @property
    def identified(self) -> Identified:
        first = self.track.first_sample
        return Identified(first, first + len(self.track.boxes), self.embedding)


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
        self._found: list[_Found] = []
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
        found = sorted(self._found, key=lambda one: (one.track.first_sample, *one.track.boxes.array[0, :2].tolist()))
        persons = persons_of([one.identified for one in found])
        return tuple(
            replace(one.track, track_id=number, person=person)
            for number, (one, person) in enumerate(zip(found, persons, strict=True))
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
            here = Step(*path.offset).applied_to(moved := step.applied_to(path.trail.box(before.number)))
            path.trail.append(moved, mouth_motion(before.grey, box, after.grey, here, path.mouth))

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
        match = max(found, key=lambda other: other.box.overlap_ratio(box), default=None)
        if match is not None and match.box.overlap_ratio(box) >= SAME_FACE:
            path.confirm(sample.number, match, sample.grey)
            path.check_at = sample.number + self._samples(CHECK_S if len(path.detections) > 2 else FIRST_CHECK_S)
            return True
        path.checks += 1
        path.check_at = sample.number + self._samples(CHECK_S / 2)
        if likeness(path.appearance, appearance(sample.grey, box)) < LEAST_LIKENESS_TO_DETECTED:
            return False
        return sample.number - path.last_detection <= UNCONFIRMED_S * self._rate

    def _detect_around(self, picture: np.ndarray, box: Box) -> list[DetectedFace]:
        margin = 0.6 * max(box.width, box.height)
        left, top = max(0, int(box.x - margin)), max(0, int(box.y - margin))
        right, bottom = math.ceil(box.x + box.width + margin), math.ceil(box.y + box.height + margin)
        part = picture[top : max(bottom, 0), left : max(right, 0)]
        if part.shape[0] < 8 or part.shape[1] < 8:
            return []
        return [moved_face(face, left, top) for face in self._detector.detect(part.copy())]

    def _may_search(self, shot: _ShotFaces, number: int) -> bool:
        return self._searches_left >= (1.0 if number != shot.first_sample else -MOST_SAVED_SEARCHES)

    def _search(self, shot: _ShotFaces, sample: _Sample) -> None:
        """Looks for faces in the whole picture: new ones, and known ones."""
        if self._unchanged_and_empty(shot, sample):
            shot.search_at = sample.number + self._samples(LAST_RETRY_S / 2)
            return
        self._searches_left -= 1
        for face in self._detect_in_all(shot, sample):
            self._welcome(shot, sample, face)
        if shot.following:
            shot.search_at, shot.retry_s = sample.number + self._samples(LOOK_AROUND_S), FIRST_RETRY_S
            shot.empty_thumbnail = None
        else:
            shot.search_at = sample.number + self._samples(shot.retry_s)
            shot.retry_s = min(2 * shot.retry_s, LAST_RETRY_S)
            shot.empty_thumbnail = _thumbnail(sample.grey)

    def _detect_in_all(self, shot: _ShotFaces, sample: _Sample) -> list[DetectedFace]:
        """Faces of the whole picture. Beside a large face that is known a small newcomer is a bystander, so that a
        smaller picture does, at the square of the cost."""
        import cv2

        tallest = max((path.here(sample.number).height for path in shot.following), default=0.0)
        share = max(SMALLEST_FACE_PX / (NEWCOMER_SHARE * tallest), LEAST_SHARE) if tallest else 1.0
        if share > 0.9:
            return self._detector.detect(sample.picture)
        smaller = cv2.resize(sample.picture, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        across, down = sample.picture.shape[1] / smaller.shape[1], sample.picture.shape[0] / smaller.shape[0]
        return [scaled_face(face, across, down) for face in self._detector.detect(smaller)]

    def _unchanged_and_empty(self, shot: _ShotFaces, sample: _Sample) -> bool:
        import cv2

        if shot.following or shot.empty_thumbnail is None:
            return False
        return float(cv2.absdiff(shot.empty_thumbnail, _thumbnail(sample.grey)).max()) < UNCHANGED_LEVELS

    def _welcome(self, shot: _ShotFaces, sample: _Sample, face: DetectedFace) -> None:
        box = face.box
        known = max(shot.following, key=lambda path: path.here(sample.number).overlap_ratio(box), default=None)
        if known is not None and known.here(sample.number).overlap_ratio(box) > 0.1:
            if known.here(sample.number).overlap_ratio(box) >= SAME_FACE:
                known.confirm(sample.number, face, sample.grey)
            return
        path = _Path.of(sample.number, face, sample.grey, sample.number + self._samples(FIRST_CHECK_S))
        self._follow_back(shot, path, sample)
        shot.following.append(path)

    def _follow_back(self, shot: _ShotFaces, path: _Path, sample: _Sample) -> None:
        """Follows a face that was just found towards the beginning of its shot, into a track that was lost there."""
        later = sample
        for earlier in reversed(shot.recent):
            box = path.trail.box(later.number)
            step = self._step(path, later, earlier, box)
            if step is None:
                break
            moved = step.applied_to(box)
            known = self._known_at(shot, earlier.number, moved)
            if known is not None:
                if known in shot.ended and known.trail.last == earlier.number:
                    self._join(shot, known, path)
                break
            path.trail.prepend(moved, mouth_motion(earlier.grey, moved, later.grey, box, path.mouth))
            later = earlier
        path.hidden = 0

    @staticmethod
    def _known_at(shot: _ShotFaces, number: int, box: Box) -> _Path | None:
        for path in (*shot.ended, *shot.following):
            if path.trail.first <= number <= path.trail.last and path.here(number).overlap_ratio(box) >= SAME_FACE:
                return path
        return None

    @staticmethod
    def _join(shot: _ShotFaces, earlier: _Path, later: _Path) -> None:
        """Makes `later` begin with `earlier`, which ended on the sample before it."""
        shot.ended.remove(earlier)
        later.trail.precede(earlier.trail)
        later.detections = {**earlier.detections, **later.detections}
        later.checks += earlier.checks
        later.agreed += earlier.agreed
        later.first_appearance = earlier.first_appearance
        later.least_likeness = min(
            earlier.least_likeness, later.least_likeness, likeness(earlier.first_appearance, later.appearance)
        )
        if earlier.embedding is not None and later.embedding is not None:
            later.embedding = earlier.embedding + later.embedding

    def _close(self) -> None:
        if self._shot is None:
            return
        paths = [*self._shot.ended, *self._shot.following]
        self._shot.ended, self._shot.following = [], []
        while paths:  # each is let go once it is a track: a shot may last for hours
            found = self._track(paths.pop(0), self._shot)
            if found is not None:
                self._found.append(found)
        self._shot = None

    def _track(self, path: _Path, shot: _ShotFaces) -> _Found | None:
        if len(path.detections) < LEAST_DETECTIONS or path.agreed < LEAST_AGREEMENT * path.checks:
            return None
        trail = path.trail
        last = min(trail.last, path.last_detection + self._samples(TRUST_S))
        count = last - trail.first + 1
        boxes = corrected(trail, count, path.detections, CORRECTION_S * self._rate)
        sources = bytearray(b"t" * count)
        for number in path.detections:
            sources[number - trail.first] = ord("d")
        track = FaceTrack(
            track_id=0,
            shot_index=shot.index,
            first_sample=trail.first,
            boxes=Boxes(self._on_display(boxes)),
            sources=sources.decode(),
            mouth_motion=trail.values(count)[:, 4].copy(),
            still=count >= LEAST_STILL_S * self._rate and _stands_still(path, count),
        )
        return _Found(track, path.embedding)

    def _on_display(self, boxes: np.ndarray) -> np.ndarray:
        """In display pixels, clipped to the picture, of which each covers a pixel at least; changes the array."""
        import numpy as np

        for axis, scale, size_px in ((0, self._scale_x, self._width_px), (1, self._scale_y, self._height_px)):
            end = (boxes[:, axis] + boxes[:, axis + 2]) * np.float32(scale)
            start = np.clip(boxes[:, axis] * np.float32(scale), 0.0, size_px - 1.0)
            boxes[:, axis] = start
            boxes[:, axis + 2] = np.clip(end, start + 1.0, size_px) - start
        return boxes


def _stands_still(path: _Path, count: int) -> bool:
    """Whether a face never moves nor changes: its place, its looks at every detection, and its mouth, which changes by
    no more than the noise of the picture does all the time."""
    import numpy as np

    values = path.trail.values(count)
    middle = values[:, :2] + values[:, 2:4] / 2
    width = float(values[0, 2])
    moved = float((middle.max(axis=0) - middle.min(axis=0)).max())
    grown = float(values[:, 2].max() - values[:, 2].min())
    if max(moved, grown) > MOST_STILL_MOVE * width or path.least_likeness < LEAST_STILL_LIKENESS:
        return False
    noise, most = np.percentile(values[1:, 4], (25, 95))
    return bool(most <= max(LEAST_MOUTH_MOTION, MOST_STILL_RATIO * noise))


def moved_face(face: DetectedFace, dx: float, dy: float) -> DetectedFace:
    """A face found in a part of a picture, as it lies in the whole one."""
    box = Box(face.box.x + dx, face.box.y + dy, face.box.width, face.box.height)
    landmarks = None if face.landmarks is None else tuple((x + dx, y + dy) for x, y in face.landmarks)
    return replace(face, box=box, landmarks=landmarks)


def scaled_face(face: DetectedFace, across: float, down: float) -> DetectedFace:
    """A face found in a smaller picture, as it lies in the larger one."""
    box = Box(face.box.x * across, face.box.y * down, face.box.width * across, face.box.height * down)
    landmarks = None if face.landmarks is None else tuple((x * across, y * down) for x, y in face.landmarks)
    return replace(face, box=box, landmarks=landmarks)


def _alike(before: _Sample, box: Box, after: _Sample, moved: Box) -> bool:
    return likeness(appearance(before.grey, box), appearance(after.grey, moved)) >= LEAST_LIKENESS


def _thumbnail(grey: np.ndarray) -> np.ndarray:
    import cv2

    return cv2.resize(grey, (40, 24), interpolation=cv2.INTER_AREA)


def _is_dark(grey: np.ndarray, box: Box) -> bool:
    face = patch(grey, box, (16, 16))
    return float(face.mean()) < DARK_MEAN and float(face.std()) < 4 * FLAT_DEVIATION
