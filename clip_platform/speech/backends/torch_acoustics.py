"""How a talk sounds, by `torch.stft` and a batched YIN. What the numbers mean for a clip is not known here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from clip_platform.progress import OnProgress, silent
from clip_platform.speech.acoustics import COLUMNS, AcousticFeatures
from clip_platform.speech.sound import SAMPLE_RATE_HZ, SoundTrack, clean_samples

if TYPE_CHECKING:
    import numpy as np
    import torch

WINDOW_S = Fraction(1, 10)

_WINDOW = int(WINDOW_S * SAMPLE_RATE_HZ)
_HOP = 160  # 10 ms
_FRAMES = _WINDOW // _HOP
_STFT_WINDOW, _STFT_SIZE = 400, 512  # 25 ms
_PITCH_WINDOW = 1024  # 64 ms: just under four periods of the lowest voice
_LOWEST_PITCH_HZ, _HIGHEST_PITCH_HZ = 60, 400
_APERIODICITY = 0.15  # YIN's threshold, between the paper's 0.1 and the 0.2 that takes noise for voice
_FLOOR_DB = -80.0
_QUIETEST_VOICE_DB = -60.0  # digital silence is perfectly periodic
_CONTEXT = _PITCH_WINDOW // 2  # samples on either side: no frame looks further from its middle
_CHUNK_WINDOWS = 300  # 30 s: memory is flat
_BATCH_FRAMES = 1000
_DIGITS = 4  # significant; artifacts stay small, and no machine's last bit reaches them


def measure_acoustics(audio: SoundTrack, on_progress: OnProgress = silent) -> AcousticFeatures:
    """The columns of `speech.acoustics.COLUMNS` for every tenth of a second; the last window may be a shorter one.

    Frames see the samples around them across chunk borders, so how the track is read leaves no trace in the numbers.
    """
    import torch

    columns: dict[str, list[float]] = {name: [] for name in COLUMNS}
    with torch.inference_mode(), _one_thread():
        for first, last, samples in _chunks(audio):
            count = audio.sample_count - first * _WINDOW
            for name, values in _measure(torch.from_numpy(samples), last - first, count).items():
                columns[name] += [_rounded(value) for value in values.tolist()]
            on_progress(min(last * _WINDOW / audio.sample_count, 1.0))
    return AcousticFeatures(window_s=WINDOW_S, columns={name: tuple(values) for name, values in columns.items()})


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """The pieces are too small to share: one thread takes 0.5 s for five minutes, two took 6 s on a busy machine."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _chunks(audio: SoundTrack) -> Iterator[tuple[int, int, np.ndarray]]:
    """First and past-the-last window, and their samples with the context around them."""
    windows = -(-audio.sample_count // _WINDOW)
    for first in range(0, windows, _CHUNK_WINDOWS):
        last = min(first + _CHUNK_WINDOWS, windows)
        yield first, last, clean_samples(audio, first * _WINDOW - _CONTEXT - _HOP, last * _WINDOW + _CONTEXT)


def _measure(samples: torch.Tensor, windows: int, count: int) -> dict[str, torch.Tensor]:
    """One row per window. `samples`: the windows' samples, led by 512 + 160 and followed by 512; `count`: how many of
    them exist in the track."""
    body = samples[_CONTEXT + _HOP : _CONTEXT + _HOP + windows * _WINDOW]
    power = body.square().reshape(windows, _FRAMES, _HOP)
    pitch_hz = _pitch(samples[_HOP:], power.mean(2).reshape(-1)).reshape(windows, _FRAMES)
    voiced = pitch_hz > 0
    return {
        "energy_db": _decibels(power.sum((1, 2)) / _existing(windows, count, power)),
        "pitch_hz": _median_of(pitch_hz, voiced),
        "voiced_share": voiced.float().mean(1),
        "spectral_flux": _flux(samples, windows * _FRAMES).reshape(windows, _FRAMES).mean(1),
    }


def _existing(windows: int, count: int, like: torch.Tensor) -> torch.Tensor:
    import torch

    return (count - torch.arange(windows, device=like.device) * _WINDOW).clamp(1, _WINDOW)


def _decibels(power: torch.Tensor) -> torch.Tensor:
    return 10.0 * power.clamp_min(10 ** (_FLOOR_DB / 10)).log10()


def _median_of(values: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """Per row, the median of the chosen values; 0 where none is."""
    import torch

    return torch.where(chosen, values, torch.nan).nanmedian(1).values.nan_to_num(0.0)


def _flux(samples: torch.Tensor, frames: int) -> torch.Tensor:
    """Mean positive change of the log1p magnitude spectrum from the frame before; a frame is 25 ms around its 10 ms."""
    import torch

    start = _CONTEXT + _HOP // 2 - _STFT_SIZE // 2  # of the frame before the first one
    spectrum = torch.stft(
        samples[start : start + _STFT_SIZE + frames * _HOP],
        _STFT_SIZE,
        _HOP,
        _STFT_WINDOW,
        torch.hann_window(_STFT_WINDOW),
        center=False,
        return_complex=True,
    )
    loudness = spectrum.abs().log1p()
    return loudness.diff(dim=1).relu().mean(0)


def _pitch(samples: torch.Tensor, power: torch.Tensor) -> torch.Tensor:
    """Fundamental of every 10 ms in Hz, 0 where unvoiced. `samples`: 512 before the first frame, 512 after the last."""
    import torch

    start = _HOP // 2  # windows are centred on the middle of their 10 ms
    frames = samples[start:].unfold(0, _PITCH_WINDOW, _HOP)[: len(power)]
    audible = _decibels(power) > _QUIETEST_VOICE_DB
    pitch_hz = torch.zeros(len(power))
    for numbers in audible.nonzero()[:, 0].split(_BATCH_FRAMES):
        if len(numbers):  # splitting nothing gives one piece of nothing
            pitch_hz[numbers] = _yin(frames[numbers])
    return pitch_hz


def _yin(frames: torch.Tensor) -> torch.Tensor:
    """YIN (de Cheveigné and Kawahara, 2002), steps 1 to 5, over frames of shape (count, samples); 0 where unvoiced."""
    import torch

    shortest, longest = SAMPLE_RATE_HZ // _HIGHEST_PITCH_HZ, SAMPLE_RATE_HZ // _LOWEST_PITCH_HZ
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
    return torch.where(below.any(1), SAMPLE_RATE_HZ / refined, 0.0)


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


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
