"""Motion of a face between two grey pictures, and of the mouth in it. Knows nothing of time, shots or detectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clip_platform.vision.tracks import Box

if TYPE_CHECKING:
    import numpy as np

FACE_PX = 64
"""Larger faces are scaled down to this before their flow is measured: same cost and same accuracy at any size."""
GRID = 7
LEAST_POINTS = 10
PARTNERS = 6
MOST_DISAGREEMENT = 0.06
"""Median distance of the points from the common motion, as a share of the face's width: beyond, more than one thing
moves."""
FLAT_DEVIATION = 3.0
MOUTH = Box(0.22, 0.60, 0.56, 0.36)
"""The mouth inside a face box (brows to chin), as shares of it; used where no landmarks tell."""
WIDEST_MOUTH, TALLEST_MOUTH, UNDER_CORNERS = 1.5, 1.0, 0.15
"""Where a mouth moves, in distances of its corners: width, height, and how far below them the middle is."""
MOUTH_PATCH = (32, 20)


@dataclass(frozen=True, slots=True)
class Step:
    """How a face moved: `dx`, `dy` in pixels of its centre, `scale` its growth (1 is none)."""

    dx: float
    dy: float
    scale: float

    def applied_to(self, box: Box) -> Box:
        x, y = box.centre
        width, height = box.width * self.scale, box.height * self.scale
        return Box(x + self.dx - width / 2, y + self.dy - height / 2, width, height)


def follow(before: np.ndarray, after: np.ndarray, box: Box) -> Step | None:
    """Median flow (Kalal et al., ICPR 2010): where the face in `box` went, None when it cannot be told.

    Args:
        before, after: uint8 grey, the same shape (height, width).
        box: the face in `before`, in its pixels.
    """
    import cv2
    import numpy as np

    window = _Window.around(box, before.shape)
    if window is None:
        return None
    first, second = window.cut(before), window.cut(after)
    if float(first.std()) < FLAT_DEVIATION or float(second.std()) < FLAT_DEVIATION:
        return None
    # A fade changes brightness but not shape; flow assumes constant brightness.
    first, second = (cv2.normalize(part, None, 0, 255, cv2.NORM_MINMAX) for part in (first, second))
    points = window.points(box)
    options: dict[str, Any] = {"winSize": (11, 11), "maxLevel": 2, "criteria": (3, 10, 0.02)}
    forward, found, _ = cv2.calcOpticalFlowPyrLK(first, second, points, None, **options)
    backward, returned, _ = cv2.calcOpticalFlowPyrLK(second, first, forward, None, **options)
    error = np.hypot(*(points - backward).reshape(-1, 2).T)
    good = (found.ravel() == 1) & (returned.ravel() == 1) & (error <= max(1.0, float(np.median(error))))
    if int(good.sum()) < LEAST_POINTS:
        return None
    return window.step(points.reshape(-1, 2)[good], forward.reshape(-1, 2)[good], box)


def appearance(picture: np.ndarray, box: Box) -> np.ndarray:
    """A face to be compared by `likeness`: float32, zero mean, unit norm; all zero where the face is flat."""
    import numpy as np

    face = patch(picture, box, (24, 28)).astype(np.float32).ravel()
    face -= face.mean()
    norm = float(np.linalg.norm(face))
    return face / norm if norm > 1.0 else face * 0


def likeness(first: np.ndarray, second: np.ndarray) -> float:
    """Normalised cross-correlation of two appearances, -1..1; 0 where one of them is flat."""
    return float((first * second).sum())  # a dot product would wake the BLAS threads: 3 ms instead of 3 µs


def mouth_motion(before: np.ndarray, before_box: Box, after: np.ndarray, after_box: Box, mouth: Box = MOUTH) -> float:
    """Mean absolute change of the mouth once both faces lie on each other, in grey levels 0..255.

    The mouth of a face of any size is scaled to `MOUTH_PATCH`, so that near and far speakers compare.

    Args:
        mouth: where in the face box it is, as shares of the box.
    """
    import cv2

    first = patch(before, _within(before_box, mouth), MOUTH_PATCH)
    second = patch(after, _within(after_box, mouth), MOUTH_PATCH)
    return float(cv2.norm(first, second, cv2.NORM_L1)) / first.size


def mouth_between(face: Box, one_corner: tuple[float, float], other_corner: tuple[float, float]) -> Box:
    """Where in a face box the mouth is, as shares of the box, from the corners of the mouth in the picture's pixels."""
    (x, y), (other_x, other_y) = one_corner, other_corner
    apart = max(((x - other_x) ** 2 + (y - other_y) ** 2) ** 0.5, 0.15 * face.width)
    width, height = WIDEST_MOUTH * apart / face.width, TALLEST_MOUTH * apart / face.height
    middle_x = ((x + other_x) / 2 - face.x) / face.width
    middle_y = ((y + other_y) / 2 + UNDER_CORNERS * apart - face.y) / face.height
    return Box(middle_x - width / 2, middle_y - height / 2, width, height)


def patch(picture: np.ndarray, box: Box, size_px: tuple[int, int]) -> np.ndarray:
    """The part of the picture in `box`, resampled (bilinear, edge repeated) to `size_px` (width, height)."""
    import cv2
    import numpy as np

    across, down = box.width / size_px[0], box.height / size_px[1]
    matrix = np.array([[across, 0, box.x + across / 2 - 0.5], [0, down, box.y + down / 2 - 0.5]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(picture, matrix, size_px, flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _within(face: Box, share: Box) -> Box:
    return Box(
        face.x + share.x * face.width,
        face.y + share.y * face.height,
        share.width * face.width,
        share.height * face.height,
    )


@dataclass(frozen=True, slots=True)
class _Window:
    """The surroundings of a face, scaled so that the face is at most `FACE_PX` wide."""

    left: int
    top: int
    right: int
    bottom: int
    scale: float

    @classmethod
    def around(cls, box: Box, shape: tuple[int, ...]) -> _Window | None:
        margin = 0.5 * max(box.width, box.height) + 4
        left, top = max(0, int(box.x - margin)), max(0, int(box.y - margin))
        right, bottom = min(shape[1], int(box.x + box.width + margin)), min(shape[0], int(box.y + box.height + margin))
        if right - left < 16 or bottom - top < 16:
            return None
        return cls(left, top, right, bottom, min(1.0, FACE_PX / max(box.width, 1.0)))

    def cut(self, picture: np.ndarray) -> np.ndarray:
        import cv2

        part = picture[self.top : self.bottom, self.left : self.right]
        if self.scale == 1.0:
            return part
        return cv2.resize(part, None, fx=self.scale, fy=self.scale, interpolation=cv2.INTER_AREA)

    def points(self, box: Box) -> np.ndarray:
        """A grid over the inner ellipse of the face, where no background shows; float32 (n, 1, 2) in window pixels."""
        import numpy as np

        line = (np.arange(GRID) + 0.5) / GRID * 2 - 1
        x, y = (axis.ravel() for axis in np.meshgrid(line, line))
        inside = x * x + y * y <= 1.0
        centre = box.centre
        across = (centre[0] + 0.42 * box.width * x[inside] - self.left) * self.scale
        down = (centre[1] + 0.42 * box.height * y[inside] - self.top) * self.scale
        return np.stack([across, down], axis=1).astype(np.float32).reshape(-1, 1, 2)

    def step(self, start: np.ndarray, end: np.ndarray, box: Box) -> Step | None:
        """The common motion of points, (n, 2) each; None when they disagree."""
        import numpy as np

        # Every point with six others: as good a median as from all pairs, at a third of the cost.
        one = np.tile(np.arange(len(start)), PARTNERS)
        other = (one + np.repeat(np.arange(1, PARTNERS + 1) * len(start) // (2 * PARTNERS + 1), len(start))) % len(
            start
        )
        apart = np.hypot(*(start[one] - start[other]).T)
        wide = apart > 0.25 * FACE_PX * min(1.0, box.width * self.scale / FACE_PX)
        if not wide.any():
            return None
        growth = float(np.median(np.hypot(*(end[one] - end[other]).T)[wide] / apart[wide]))
        centre = (np.array(box.centre) - (self.left, self.top)) * self.scale
        moved = end - (centre + (start - centre) * growth)
        shift = np.median(moved, axis=0)
        disagreement = float(np.median(np.hypot(*(moved - shift).T)))
        if disagreement > MOST_DISAGREEMENT * box.width * self.scale or not 0.8 < growth < 1.25:
            return None
        return Step(float(shift[0]) / self.scale, float(shift[1]) / self.scale, growth)
