"""Whether two stretches of speech are by one voice, so that an engine that adapts to a voice may hear them at once.

It says nothing of who speaks; that is for `speakers`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from clip_platform.speech.sound import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    import numpy as np

_FRAME, _HOP, _FFT = 400, 160, 512  # samples: 25 ms every 10 ms
_FILTERS, _CEPSTRA = 24, 12
_LOWEST_HZ, _HIGHEST_HZ = 100.0, 7000.0
_LOUD_SHARE = 1e-2
_FEWEST_FRAMES = 50
_PENALTY = 2.5
"""λ of the criterion: a reader's neighbouring phrases stay below 1.8, two voices in one talk are above 4.3."""


@dataclass(frozen=True, slots=True)
class Voice:
    """Counts, sums and products of the cepstra of a stretch's loud frames; stretches add up."""

    frames: int
    sums: np.ndarray
    products: np.ndarray

    @classmethod
    def of(cls, samples: np.ndarray) -> Voice:
        """Of speech; float32, shape (count,), mono at 16 kHz."""
        cepstra = _cepstra(samples)
        return cls(len(cepstra), cepstra.sum(axis=0), cepstra.T @ cepstra)

    def __add__(self, other: Voice) -> Voice:
        return Voice(self.frames + other.frames, self.sums + other.sums, self.products + other.products)

    def differs_from(self, other: Voice) -> bool | None:
        """Whether two Gaussians describe both stretches better than one; None when one is too short to tell.

        The Bayesian information criterion, S. Chen, P. Gopalakrishnan, "Speaker, environment and channel change
        detection and clustering via the Bayesian information criterion", DARPA workshop, 1998.
        """
        if min(self.frames, other.frames) < _FEWEST_FRAMES:
            return None
        both = self + other
        gain = (both._spread() - self._spread() - other._spread()) / 2
        parameters = _CEPSTRA + _CEPSTRA * (_CEPSTRA + 1) / 2
        return bool(gain > _PENALTY * parameters * math.log(both.frames) / 2)

    def _spread(self) -> float:
        """Frames times the log determinant of their covariance."""
        import numpy as np

        mean = self.sums / self.frames
        covariance = self.products / self.frames - np.outer(mean, mean) + 1e-4 * np.eye(_CEPSTRA)
        return float(self.frames * np.linalg.slogdet(covariance)[1])


def _cepstra(samples: np.ndarray) -> np.ndarray:
    """Mel-frequency cepstra 1..12 of frames within 20 dB of the loud ones; float64, shape (frames, 12)."""
    import numpy as np

    if len(samples) < _FRAME:
        return np.zeros((0, _CEPSTRA))
    frames = np.lib.stride_tricks.sliding_window_view(samples, _FRAME)[::_HOP] * np.hamming(_FRAME).astype(np.float32)
    power = np.square(np.abs(np.fft.rfft(frames, _FFT)))
    energy = power.sum(axis=1)
    loud = power[energy > np.quantile(energy, 0.9) * _LOUD_SHARE]
    filters, cosines = _bank()
    cepstra: np.ndarray = np.log(loud @ filters + 1e-8) @ cosines
    return cepstra


@cache
def _bank() -> tuple[np.ndarray, np.ndarray]:
    """Triangular filters, equally wide on the mel scale, and the cosine transform of their logarithms."""
    import numpy as np

    lowest, highest = (2595 * math.log10(1 + hertz / 700) for hertz in (_LOWEST_HZ, _HIGHEST_HZ))
    edges = 700 * (10 ** (np.linspace(lowest, highest, _FILTERS + 2) / 2595) - 1) * _FFT / SAMPLE_RATE_HZ
    bins = np.arange(_FFT // 2 + 1)[:, None]
    rising, falling = (bins - edges[:-2]) / np.diff(edges)[:-1], (edges[2:] - bins) / np.diff(edges)[1:]
    filters = np.maximum(0.0, np.minimum(rising, falling))
    number, filter_ = np.arange(1, _CEPSTRA + 1), np.arange(_FILTERS)
    return filters, np.cos(np.pi / _FILTERS * np.outer(filter_ + 0.5, number)) / _FILTERS
