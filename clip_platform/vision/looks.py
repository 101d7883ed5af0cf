"""What is kept of a video's pictures for a few seconds, to compare what was on display when. Small pictures only."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

TILES = (16, 9)
"""Across and down: a line of a slide's text covers five tiles and more, a pointer one to four."""
BLACK_MEAN, BLACK_DEVIATION = 10.0, 12.0
"""Grey levels 0..255; a night scene is as dark on average but not as flat."""
LEAST_MODE_SHARE, MOST_MODE_SHARE = 0.3, 0.99
"""Of the picture in three neighbouring levels: less is no ground, more is nothing but ground."""
DARKEST_PAPER = 10
"""Grey levels: bars beside a film are darker, and no background of a graphic."""


@dataclass(slots=True, eq=False)
class Look:
    """What is kept of a picture. `change` and `colour_change`: mean absolute difference to the picture before, in grey
    levels and in levels of blue, green and red. `at_s` is `time_s`, quicker to compare."""

    index: int
    time_s: Fraction
    at_s: float
    colour: np.ndarray
    grey: np.ndarray
    mean: float
    black: bool
    change: float
    colour_change: float


def look_at(index: int, time_s: Fraction, picture: np.ndarray, before: Look | None) -> Look:
    """A picture (uint8 BGR) as it is kept; it is not copied."""
    import cv2

    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    mean, deviation = (float(value[0, 0]) for value in cv2.meanStdDev(grey))
    change = colour_change = 0.0
    if before is not None:
        change = cv2.norm(grey, before.grey, cv2.NORM_L1) / grey.size
        colour_change = cv2.norm(picture, before.colour, cv2.NORM_L1) / picture.size
    black = mean < BLACK_MEAN and deviation < BLACK_DEVIATION
    return Look(index, time_s, float(time_s), picture, grey, mean, black, change, colour_change)


class Looks:
    """The looks of the last `keep_s` seconds, in time order."""

    def __init__(self, keep_s: Fraction) -> None:
        self._keep_s = float(keep_s)
        self._looks: deque[Look] = deque()

    def __len__(self) -> int:
        return len(self._looks)

    def __iter__(self) -> Iterator[Look]:
        return iter(self._looks)

    @property
    def last(self) -> Look | None:
        return self._looks[-1] if self._looks else None

    def append(self, look: Look) -> None:
        self._looks.append(look)
        # The one that was on display at the oldest moment stays, however long ago it came.
        while len(self._looks) > 1 and self._looks[1].at_s < look.at_s - self._keep_s:
            self._looks.popleft()

    def numbered(self, index: int) -> Look | None:
        offset = index - self._looks[0].index if self._looks else -1
        return self._looks[offset] if 0 <= offset < len(self._looks) else None

    def from_end(self, count: int) -> Look | None:
        """The look that many before the last one, or the oldest that is kept; None when there is none."""
        return self._looks[max(0, len(self._looks) - 1 - count)] if self._looks else None

    def on_display(self, moment_s: Fraction) -> Look | None:
        """The last look that began by then; None before the first one that is kept."""
        after = bisect_right(self._looks, float(moment_s), key=_at_s)
        return self._looks[after - 1] if after else None

    def between(self, after_s: Fraction, until_s: Fraction) -> list[Look]:
        """Looks that began in `(after_s, until_s]`."""
        first = bisect_right(self._looks, float(after_s), key=_at_s)
        end = bisect_right(self._looks, float(until_s), key=_at_s)
        return [self._looks[number] for number in range(first, end)]


def _at_s(look: Look) -> float:
    return look.at_s


def tile_changes(before: Look, after: Look) -> np.ndarray:
    """Mean absolute difference of the grey levels of each tile, float32, shape (9, 16)."""
    import cv2

    difference = cv2.absdiff(before.grey, after.grey)
    return cv2.resize(difference.astype("float32"), TILES, interpolation=cv2.INTER_AREA)


def is_drawn(look: Look) -> bool:
    """Whether something is drawn on a ground of one and the same brightness, as on paper: no camera's picture."""
    import cv2
    import numpy as np

    levels = cv2.calcHist([look.grey], [0], None, [256], [0, 256]).ravel()
    near = np.convolve(levels, np.ones(3), mode="same")
    mode = int(near.argmax())
    paper = float(near[mode]) / look.grey.size
    return mode >= DARKEST_PAPER and LEAST_MODE_SHARE <= paper <= MOST_MODE_SHARE


def is_shifted(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether the middle of one picture is found again in the other: then the camera moved, and nothing else."""
    import cv2

    height, width = before.shape
    top, left = height // 5, width // 5
    middle = before[top : height - top, left : width - left]
    if middle.size == 0 or float(middle.std()) < 2.0:
        return False  # nothing to find again
    return float(cv2.matchTemplate(after, middle, cv2.TM_CCOEFF_NORMED).max()) > 0.8
