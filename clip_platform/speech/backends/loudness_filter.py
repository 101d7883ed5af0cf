"""The K-weighting of ITU-R BS.1770-4 at the rate of speech, in torch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from clip_platform.speech.sound import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    import torch

# The standard lists coefficients for 48 kHz alone. These are the analogue prototypes behind them: a bilinear transform
# of each at 48 kHz gives the listed numbers to 14 digits, and at another rate the same filter.
_SHELF_HZ, _SHELF_GAIN_DB, _SHELF_Q = 1681.974450955533, 3.999843853973347, 0.7071752369554196
_SHELF_SLOPE = 0.4996667741545416  # the shelf's middle is at this power of its gain
_HIGH_PASS_HZ, _HIGH_PASS_Q = 38.13547087602444, 0.5003270373238773


def k_weighted(samples: torch.Tensor) -> torch.Tensor:
    """The samples after the standard's two filters (annex 1): a shelf of +4 dB above 1.7 kHz, which is the head, and a
    high-pass at 38 Hz; by multiplication of spectra.

    The filters' tails wrap around from the end to the beginning: 50 ms of either are not to be used.
    """
    import torch

    turns = torch.arange(len(samples) // 2 + 1, device=samples.device) / len(samples)
    delay = torch.polar(torch.ones_like(turns), -2 * math.pi * turns)
    response = _response(_shelf(), delay) * _response(_high_pass(), delay)
    return torch.fft.irfft(torch.fft.rfft(samples) * response, len(samples))


_Biquad = tuple[tuple[float, float, float], tuple[float, float, float]]
"""Numerator and denominator, from the latest sample back."""


def _response(filter_: _Biquad, delay: torch.Tensor) -> torch.Tensor:
    above, below = (first + delay * (second + delay * third) for first, second, third in filter_)
    return above / below


def _shelf() -> _Biquad:
    k = math.tan(math.pi * _SHELF_HZ / SAMPLE_RATE_HZ)
    high = 10 ** (_SHELF_GAIN_DB / 20)
    middle = high**_SHELF_SLOPE
    damping = k / _SHELF_Q
    numerator = (high + middle * damping + k * k, 2 * (k * k - high), high - middle * damping + k * k)
    return numerator, (1 + damping + k * k, 2 * (k * k - 1), 1 - damping + k * k)


def _high_pass() -> _Biquad:
    k = math.tan(math.pi * _HIGH_PASS_HZ / SAMPLE_RATE_HZ)
    damping = k / _HIGH_PASS_Q
    # The standard's numerator is 1, -2, 1 whatever the rate, so the denominator begins with 1.
    whole = 1 + damping + k * k
    return (1.0, -2.0, 1.0), (1.0, 2 * (k * k - 1) / whole, (1 - damping + k * k) / whole)
