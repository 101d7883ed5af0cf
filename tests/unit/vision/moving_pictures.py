"""Small pictures to look for shots and faces in."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import cv2
import numpy as np
import skimage.data

FACE = (177.0, 70.0, 93.0, 105.0)
"""Left, top, width, height of the face in scikit-image's astronaut, checked by hand."""


def texture(seed: int, width: int = 400, height: int = 240) -> np.ndarray:
    """Smooth random colours with strong edges, uint8 BGR."""
    rough = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC)


def panned(picture: np.ndarray, x: float, y: float = 20.0) -> np.ndarray:
    """A 128 by 72 view of a larger picture."""
    shift = np.array([[1, 0, x], [0, 1, y]], np.float32)
    return cv2.warpAffine(picture, shift, (128, 72), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


def slide(lines: tuple[int, ...], bar: tuple[int, int, int]) -> np.ndarray:
    """A title bar and lines of text-like dashes of the given lengths, 128 by 72."""
    picture = np.full((72, 128, 3), 244, np.uint8)
    picture[:12] = bar
    for row, length in enumerate(lines):
        picture[18 + 10 * row : 22 + 10 * row, 8 : 8 + length : 3] = 40
    return picture


def timed(pictures: list[np.ndarray], rate: Fraction = Fraction(30)) -> Iterator[tuple[Fraction, np.ndarray]]:
    return ((index / rate, picture) for index, picture in enumerate(pictures))


def with_face(
    centre: tuple[float, float],
    face_px: float,
    background: np.ndarray | None = None,
    size: tuple[int, int] = (640, 360),
) -> np.ndarray:
    """A grey picture with the astronaut's face, `face_px` wide, at `centre`; the background shows around her head."""
    astronaut = cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2GRAY)
    left, top, width, height = FACE
    scale = face_px / width
    move = np.array(
        [
            [scale, 0, centre[0] - scale * (left + width / 2)],
            [0, scale, centre[1] - scale * (top + height / 2)],
        ],
        np.float32,
    )
    mask = np.zeros(astronaut.shape, np.float32)
    cv2.ellipse(mask, (223, 130), (80, 110), 0, 0, 360, 1.0, -1)
    if background is None:
        background = np.full(size[::-1], 96, np.uint8)
    drawn = cv2.warpAffine(astronaut, move, size, flags=cv2.INTER_AREA)
    share = cv2.warpAffine(mask, move, size)
    return (background * (1 - share) + drawn * share).astype(np.uint8)
