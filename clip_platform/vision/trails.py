"""The path of one face while it is followed, compact: what is kept of a sample is twenty bytes. No pictures."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from clip_platform.vision.tracks import Box

if TYPE_CHECKING:
    import numpy as np

_FIELDS = 5
_PIECE = 4096
"""Samples that are corrected at once: a shot may last for hours."""


class Trail:
    """Boxes, and the motion of the mouth, at consecutive samples from `first` on. Grows at either end, at the front
    slowly."""

    def __init__(self, first: int, box: Box) -> None:
        self.first = first
        self._values = array("f", (*_numbers(box), 0.0))

    def __len__(self) -> int:
        return len(self._values) // _FIELDS

    @property
    def last(self) -> int:
        return self.first + len(self) - 1

    def box(self, number: int) -> Box:
        at = (number - self.first) * _FIELDS
        return Box(*self._values[at : at + 4])

    def append(self, box: Box, motion: float) -> None:
        self._values.extend((*_numbers(box), motion))

    def prepend(self, box: Box, motion_after: float) -> None:
        """Adds the sample before the first; `motion_after` is the motion from it to the one that was first."""
        self._values[_FIELDS - 1] = motion_after
        self._values[0:0] = array("f", (*_numbers(box), 0.0))
        self.first -= 1

    def precede(self, earlier: Trail) -> None:
        """Puts another trail, which ended on the sample before the first, in front."""
        self._values[0:0] = earlier._values
        self.first = earlier.first

    def values(self, count: int) -> np.ndarray:
        """The first samples: x, y, width, height, motion; float32, shape (count, 5)."""
        import numpy as np

        return np.frombuffer(self._values, np.float32).reshape(-1, _FIELDS)[:count]


def corrected(trail: Trail, count: int, detections: Mapping[int, Box], spread_samples: float) -> np.ndarray:
    """The first `count` boxes, moved and scaled by their differences to the detections, averaged with Gaussian weights.

    Returns:
        float32, shape (count, 4): x, y, width, height.
    """
    import numpy as np

    numbers = sorted(detections)
    times = np.array(numbers, dtype=float)
    gaps = np.array([_gap(trail.box(number), detections[number]) for number in numbers])
    smooth = np.empty_like(gaps)
    for row, time in enumerate(times):
        first, last = np.searchsorted(times, (time - 3 * spread_samples, time + 3 * spread_samples))
        weights = np.exp(-(((times[first:last] - time) / spread_samples) ** 2) / 2)
        smooth[row] = weights @ gaps[first:last] / weights.sum()
    boxes = np.empty((count, 4), np.float32)
    for first, piece in _pieces(trail.values(count)):
        samples = trail.first + first + np.arange(len(piece), dtype=float)
        across, down, wider, taller = (np.interp(samples, times, smooth[:, column]) for column in range(4))
        x, y, raw_width, raw_height = piece[:, :4].astype(float).T
        width, height = raw_width * np.exp(wider), raw_height * np.exp(taller)
        left = x + raw_width * (0.5 + across) - width / 2
        top = y + raw_height * (0.5 + down) - height / 2
        boxes[first : first + len(piece)] = np.stack([left, top, width, height], axis=1)
    return boxes


def _pieces(values: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    for first in range(0, len(values), _PIECE):
        yield first, values[first : first + _PIECE]


def _numbers(box: Box) -> tuple[float, float, float, float]:
    return box.x, box.y, box.width, box.height


def _gap(raw: Box, seen: Box) -> tuple[float, float, float, float]:
    """From one box to another: shift in widths and heights, log growth across and down."""
    import math

    (x, y), (raw_x, raw_y) = seen.centre, raw.centre
    across, down = (x - raw_x) / raw.width, (y - raw_y) / raw.height
    return across, down, math.log(seen.width / raw.width), math.log(seen.height / raw.height)
