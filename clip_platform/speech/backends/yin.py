"""YIN over many frames at once, in torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

PITCH_WINDOW = 1024
"""Samples a frame needs: at 16 kHz, 64 ms, just under four periods of the lowest voice."""

_LOWEST_PITCH_HZ, _HIGHEST_PITCH_HZ = 60, 400
_APERIODICITY = 0.15  # YIN's threshold, between the paper's 0.1 and the 0.2 that takes noise for voice


def yin(frames: torch.Tensor, sample_rate_hz: int) -> torch.Tensor:
    """Fundamental of each frame in Hz, 60 to 400, 0 where unvoiced; `frames` of shape (count, PITCH_WINDOW).

    Steps 1 to 5 of de Cheveigné and Kawahara, "YIN, a fundamental frequency estimator for speech and music", J. Acoust.
    Soc. Am. 111 (2002). New tensors go to torch's default device, which must be that of `frames`.
    """
    import torch

    shortest, longest = sample_rate_hz // _HIGHEST_PITCH_HZ, sample_rate_hz // _LOWEST_PITCH_HZ
    difference = _difference(frames, longest)
    lags = torch.arange(1, longest + 1)
    mean_so_far = difference[:, 1:].cumsum(1) / lags
    normalised = difference[:, 1:] / mean_so_far.clamp_min(1e-9)
    dips = normalised[:, shortest - 1 :]
    below = dips < _APERIODICITY
    first_below = below.float().argmax(1, keepdim=True)
    rising = torch.nn.functional.pad(dips[:, 1:] >= dips[:, :-1], (0, 1), value=True)
    from_there = torch.arange(dips.shape[1]) >= first_below
    lag = (rising & from_there).float().argmax(1) + shortest
    refined = lag + _vertex(normalised, lag - 1)
    return torch.where(below.any(1), sample_rate_hz / refined, 0.0)


def _difference(frames: torch.Tensor, longest: int) -> torch.Tensor:
    """Squared difference of each frame with itself at lags 0..longest, by FFT; shape (count, longest + 1)."""
    import torch

    length = frames.shape[1]
    summed = length - longest
    # The head reaches no further than the frame's end at the longest lag, so the circular correlation does not wrap.
    whole, head = torch.fft.rfft(frames), torch.fft.rfft(frames[:, :summed], length)
    correlation = torch.fft.irfft(whole * head.conj(), length)[:, : longest + 1]
    energy = torch.nn.functional.pad(frames.square().cumsum(1), (1, 0))
    shifted = energy[:, summed : summed + longest + 1] - energy[:, : longest + 1]
    return (shifted[:, :1] + shifted - 2 * correlation).clamp_min(0.0)


def _vertex(values: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    """Offset, -0.5..0.5, of the parabola's lowest point through each row's value at `at` and its neighbours."""
    import torch

    inner = at.clamp(1, values.shape[1] - 2)[:, None]
    before, here, after = (values.gather(1, inner + step)[:, 0] for step in (-1, 0, 1))
    bend = before + after - 2 * here
    offset = torch.where(bend > 1e-12, (before - after) / (2 * bend.clamp_min(1e-12)), 0.0)
    return torch.where(inner[:, 0] == at, offset.clamp(-0.5, 0.5), 0.0)
