"""OpenCV's face detectors: Haar cascades, which ship in its wheel, and YuNet, whose model the operator supplies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_platform.errors import EngineUnavailable
from clip_platform.vision import pictures
from clip_platform.vision.tracks import Box, DetectedFace, Points

if TYPE_CHECKING:
    import numpy as np

FRONTAL, PROFILE = "haarcascade_frontalface_alt2.xml", "haarcascade_profileface.xml"
SMALLEST_FACE_PX = 24
SMALLEST_PROFILE_PX, PROFILE_STEP, PROFILE_NEIGHBOURS = 40, 1.3, 5
"""Coarser than for frontal faces: this cascade is the slower one, and it has to run twice."""
FRONTAL_NEIGHBOURS = 3
FRONTAL_FACE = (0.03, 0.05, 0.94, 1.06)
"""The face, brows to chin, inside the cascade's square: left, top, width, height as shares of its side. The square ends
above the chin (measured on portraits: its centre is 0.08 of its side too high)."""
PROFILE_FACE = (0.0, 0.05, 1.0, 1.05)


class HaarDetector:
    """Viola-Jones cascades (CVPR 2001) for frontal faces and, where none is found, for both profiles.

    Args:
        profile: whether to look for profiles when no frontal face is found.
        scale_step: ratio between sizes that are tried, above 1.

    Raises:
        EngineUnavailable: this OpenCV has no cascades (5.x dropped them).
    """

    needs_colour = False

    def __init__(self, *, profile: bool = True, scale_step: float = 1.2) -> None:
        self._frontal = _cascade(FRONTAL)
        self._profile = _cascade(PROFILE) if profile else None
        self._scale_step = scale_step

    @property
    def name(self) -> str:
        import cv2

        return f"opencv {cv2.__version__} haar alt2{'+profile' if self._profile is not None else ''}"

    def detect(self, picture: np.ndarray) -> list[DetectedFace]:
        grey = pictures.grey(picture)
        if min(grey.shape) < SMALLEST_FACE_PX:
            return []
        found = self._search_frontal(grey)
        if not found and self._profile is not None:
            found = self._search_profiles(grey)
        return without_overlaps(found)

    def _search_frontal(self, grey: np.ndarray) -> list[DetectedFace]:
        squares = _squares(self._frontal, grey, self._scale_step, FRONTAL_NEIGHBOURS, SMALLEST_FACE_PX)
        return _faces(squares, FRONTAL_FACE, grey)

    def _search_profiles(self, grey: np.ndarray) -> list[DetectedFace]:
        """The cascade knows faces that look left; a mirrored picture shows it the others."""
        found = []
        for mirrored in (False, True):
            view = grey[:, ::-1].copy() if mirrored else grey
            squares = _squares(self._profile, view, PROFILE_STEP, PROFILE_NEIGHBOURS, SMALLEST_PROFILE_PX)
            if mirrored:
                squares = [(grey.shape[1] - x - side, y, side, weight) for x, y, side, weight in squares]
            found += _faces(squares, PROFILE_FACE, grey)
        return found


class YuNetDetector:
    """YuNet (Wu et al., Machine Intelligence Research 2023) through `cv2.FaceDetectorYN`.

    Args:
        model: the ONNX file, `face_detection_yunet_2023mar.onnx` of the OpenCV zoo, say (MIT licence).
        least_confidence: faces below are not reported, 0..1.

    Raises:
        EngineUnavailable: no such file, or not a model that OpenCV reads.
    """

    needs_colour = True

    def __init__(self, model: Path, *, least_confidence: float = 0.7) -> None:
        import cv2

        if not model.is_file():
            raise EngineUnavailable(
                f"the YuNet model {model} is not a file; download face_detection_yunet_2023mar.onnx from the OpenCV "
                "zoo and name its path, or choose the haar detector"
            )
        self._model = model
        try:
            self._detector = cv2.FaceDetectorYN.create(str(model), "", (320, 320), least_confidence)
        except cv2.error as error:
            raise EngineUnavailable(
                f"{model} is not a YuNet model that OpenCV {cv2.__version__} reads; download it again",
                detail=str(error),
            ) from error

    @property
    def name(self) -> str:
        import cv2

        return f"opencv {cv2.__version__} yunet {self._model.stem}"

    def detect(self, picture: np.ndarray) -> list[DetectedFace]:
        height, width = picture.shape[:2]
        if min(height, width) < SMALLEST_FACE_PX:
            return []
        self._detector.setInputSize((width, height))
        _, rows = self._detector.detect(pictures.colour(picture))
        found = []
        for row in [] if rows is None else rows:
            inside = inside_picture(Box(*(float(value) for value in row[:4])), width, height)
            if inside is not None:
                found.append(DetectedFace(inside, min(max(float(row[-1]), 0.0), 1.0), None, _landmarks(row)))
        return without_overlaps(found)


def inside_picture(box: Box, width_px: int, height_px: int) -> Box | None:
    """The part of the box inside the picture, None when there is none."""
    left, top = max(box.x, 0.0), max(box.y, 0.0)
    right, bottom = min(box.x + box.width, float(width_px)), min(box.y + box.height, float(height_px))
    return Box(left, top, right - left, bottom - top) if right > left and bottom > top else None


def without_overlaps(faces: Sequence[DetectedFace], most_overlap: float = 0.3) -> list[DetectedFace]:
    """The most confident of faces that overlap, best first; ties by position, so that order does not matter."""
    kept: list[DetectedFace] = []
    for face in sorted(faces, key=lambda found: (-found.confidence, found.box.x, found.box.y)):
        if all(face.box.overlap_ratio(other.box) < most_overlap for other in kept):
            kept.append(face)
    return kept


def _squares(
    cascade: Any, grey: np.ndarray, step: float, neighbours: int, smallest_px: int
) -> list[tuple[float, float, float, float]]:
    """What the cascade finds: left, top, side in pixels, and the last stage's sum of votes."""
    squares, _, weights = cascade.detectMultiScale3(
        grey, step, neighbours, 0, (smallest_px, smallest_px), (0, 0), outputRejectLevels=True
    )
    return [(float(x), float(y), float(side), float(w)) for (x, y, side, _), w in zip(squares, weights, strict=True)]


def _faces(
    squares: Sequence[tuple[float, float, float, float]], face: tuple[float, float, float, float], grey: np.ndarray
) -> list[DetectedFace]:
    left, top, width, height = face
    found = []
    for x, y, side, weight in squares:
        box = Box(x + left * side, y + top * side, width * side, height * side)
        inside = inside_picture(box, grey.shape[1], grey.shape[0])
        if inside is not None:
            found.append(DetectedFace(inside, _confidence(weight)))
    return found


def _cascade(name: str) -> Any:
    import cv2

    folder = getattr(getattr(cv2, "data", None), "haarcascades", None)
    if folder is None or not hasattr(cv2, "CascadeClassifier") or not Path(folder, name).is_file():
        raise EngineUnavailable(
            f"OpenCV {cv2.__version__} has no {name}; install opencv-python>=4.14,<5, or configure another detector"
        )
    return cv2.CascadeClassifier(str(Path(folder, name)))


def _confidence(weight: float) -> float:
    """The last stage's sum of votes as 0..1; it is no probability, only ordered."""
    return min(max(weight / 100.0, 0.0), 1.0)


def _landmarks(row: Any) -> Points:
    """YuNet's row: box, eyes, nose and corners of the mouth, the person's right (the picture's left) ones first."""
    return tuple((float(row[at]), float(row[at + 1])) for at in range(4, 14, 2))
