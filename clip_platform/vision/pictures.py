"""Pictures as arrays, from colour to grey and back, so that whoever looks at them takes either."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def grey(picture: np.ndarray) -> np.ndarray:
    """uint8, shape (height, width), of a grey or BGR picture; a grey one is given back itself."""
    import cv2

    return picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)


def colour(picture: np.ndarray) -> np.ndarray:
    """uint8 BGR, shape (height, width, 3), of a grey or BGR picture; a BGR one is given back itself."""
    import cv2

    return cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR) if picture.ndim == 2 else picture
