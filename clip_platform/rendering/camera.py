"""How a virtual camera moves along one axis: smooth, still whenever it can be. Numbers only; knows no faces."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_EASE_S = 0.3
_MIDDLE = 0.4
"""The subject's centre shall lie within this middle share of the window."""
_PATIENCE = 0.12
"""How far, as a share of the window, the subject may drift before the camera follows."""
_STILL_REACH = 1.4
"""How far, in patiences, a window that never moves may be from where the subject is at its farthest."""
_ANCHORED_SHARE = 0.95


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of the picture in pixels: its length, the window's length on it, and where in the window (0..1, 0.5 is
    the middle) the subject shall be."""

    length_px: int
    window_px: int
    anchor: float


def window_starts(subject: np.ndarray, axis: Axis, rate: Fraction) -> np.ndarray:
    """Where the window starts in each frame so that the subject stays near its anchor.

    A subject that stays within twice the patience gets a window that never moves. Otherwise the window moves only when
    the subject leaves a dead zone around the anchor; the zone is applied forwards and backwards in time, so that the
    camera neither lags nor leads, and the corners of the path are rounded.

    Args:
        subject: float64, shape (frames,): the subject's centre in pixels, without gaps.

    Returns:
        int64, shape (frames,), each in `0..length_px - window_px`.
    """
    import numpy as np

    reach = axis.length_px - axis.window_px
    if reach <= 0 or len(subject) == 0:
        return np.zeros(len(subject), dtype=np.int64)
    wanted = np.clip(subject - axis.anchor * axis.window_px, 0, reach)
    for haste in (1.0, 0.5, 0.25):
        path = _followed(wanted, haste * _PATIENCE * axis.window_px, haste * _EASE_S * float(rate))
        off_anchor = np.abs(path - wanted)
        if np.mean(off_anchor <= _MIDDLE / 2 * axis.window_px * _slack(axis)) >= _ANCHORED_SHARE:
            break
    return np.clip(np.rint(path), 0, reach).astype(np.int64)


def _slack(axis: Axis) -> float:
    """How much of half the middle is left when the anchor is not the window's middle, as a share, with a margin."""
    return max(0.25, 0.95 - abs(axis.anchor - 0.5) / (_MIDDLE / 2))


def _followed(wanted: np.ndarray, patience_px: float, ease_frames: float) -> np.ndarray:
    import numpy as np

    lowest, highest = float(wanted.min()), float(wanted.max())
    if highest - lowest <= 2 * patience_px:
        usual = float(np.median(wanted))
        reach_px = _STILL_REACH * patience_px
        return np.full(len(wanted), min(max(usual, highest - reach_px), lowest + reach_px))
    there = _dead_zone(wanted, patience_px)
    back = _dead_zone(wanted[::-1], patience_px)[::-1]
    return _rounded_off((there + back) / 2, ease_frames)


def _dead_zone(wanted: np.ndarray, patience_px: float) -> np.ndarray:
    import numpy as np

    path = np.empty(len(wanted))
    at = float(wanted[0])
    for frame, target in enumerate(wanted):
        at = min(max(at, target - patience_px), target + patience_px)
        path[frame] = at
    return path


def _rounded_off(path: np.ndarray, sigma_frames: float) -> np.ndarray:
    """Convolution with a Gaussian; the ends are extended by point reflection, so a steady pan stays steady."""
    import numpy as np

    radius = min(round(3 * sigma_frames), len(path) - 1)
    if radius < 1:
        return path
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma_frames) ** 2)
    extended = np.pad(path, radius, mode="reflect", reflect_type="odd")
    return np.convolve(extended, kernel / kernel.sum(), "valid")
