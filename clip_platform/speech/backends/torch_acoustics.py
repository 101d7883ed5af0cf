"""How a talk sounds, measured by torch on CPU or GPU: frames of 10 ms by `torch.stft`, a batched YIN and a K-filter.

What is made of the frames is `prosody`'s and `bursts`'; what the numbers mean for a clip is not known here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from clip_platform.errors import EngineUnavailable
from clip_platform.progress import OnProgress, part_of, silent
from clip_platform.speech.acoustics import COLUMNS, FLOOR_DB, FRAME_COLUMNS, AcousticFeatures
from clip_platform.speech.backends.loudness_filter import k_weighted
from clip_platform.speech.backends.yin import PITCH_WINDOW, yin
from clip_platform.speech.sound import SAMPLE_RATE_HZ, SoundTrack, clean_samples

if TYPE_CHECKING:
    import numpy as np
    import torch

WINDOW_S = Fraction(1, 10)
FRAME_S = Fraction(1, 100)

_HOP = 160  # a frame
_FRAMES = 10  # a window
_WINDOW = _FRAMES * _HOP
_STFT_WINDOW, _STFT_SIZE = 400, 512  # 25 ms
_SPEECH_BINS = slice(3, 161)  # 0.1 to 5 kHz
_FLAT_BINS = slice(16, 161)  # 0.5 to 5 kHz: below is hum, above is what codecs cut off
_MOMENTARY = 6400  # 400 ms
_MOMENTARY_OFFSET_LUFS = -0.691
_QUIETEST_VOICE_DB = -60.0  # digital silence is perfectly periodic
_CONTEXT = 10_000  # samples on either side: half of 400 ms, and what the K-filter still hears of before that
_CHUNK_WINDOWS = 300  # 30 s: memory is flat
_BATCH_FRAMES = 1000
_DROPPED_BITS = 11  # of 24; a ten thousandth is left: artifacts stay small, and no machine's last bit reaches them
_FRAMES_SHARE = 0.95


def measure_acoustics(
    audio: SoundTrack, on_progress: OnProgress = silent, *, device: Literal["auto", "cpu", "cuda"] = "cpu"
) -> AcousticFeatures:
    """Frames and windows of a whole track, as `speech.acoustics` defines them; the last window may be a shorter one.

    Frames see the samples around them across chunk borders, so how the track is read leaves no trace in the numbers.

    Args:
        device: "auto" takes CUDA where there is one.

    Raises:
        EngineUnavailable: CUDA was asked for, and there is none.
    """
    from clip_platform.speech.bursts import applause_likeness, laughter_likeness
    from clip_platform.speech.prosody import windows_of

    frames = _measured_frames(audio, _usable(device), part_of(on_progress, 0.0, _FRAMES_SHARE))
    existing = -(-audio.sample_count // _HOP)
    windows = windows_of(frames, existing)
    windows["laughter_likeness"] = laughter_likeness(frames, existing)
    windows["applause_likeness"] = applause_likeness(frames, existing)
    on_progress(1.0)
    return AcousticFeatures(
        window_s=WINDOW_S,
        columns={name: _rounded(windows[name]) for name in COLUMNS},
        frame_s=FRAME_S,
        frames=frames,
    )


def _usable(device: Literal["auto", "cpu", "cuda"]) -> str:
    import torch

    if device != "cpu" and torch.cuda.is_available():
        return "cuda"
    if device == "cuda":
        raise EngineUnavailable(
            "acoustic features were asked for on CUDA, but torch finds no CUDA device; set CLIP_PLATFORM_DEVICE to cpu "
            "or auto"
        )
    return "cpu"


def _measured_frames(audio: SoundTrack, device: str, on_progress: OnProgress) -> dict[str, np.ndarray]:
    """The columns of `FRAME_COLUMNS`, float32, a whole number of windows long."""
    import numpy as np
    import torch

    windows = -(-audio.sample_count // _WINDOW)
    frames = {name: np.zeros(windows * _FRAMES, np.float32) for name in FRAME_COLUMNS}
    with torch.inference_mode(), _one_thread(), torch.device(device):
        for first in range(0, windows, _CHUNK_WINDOWS):
            last = min(first + _CHUNK_WINDOWS, windows)
            samples = clean_samples(audio, first * _WINDOW - _CONTEXT, last * _WINDOW + _CONTEXT)
            existing = audio.sample_count - first * _WINDOW
            measured = _measure(torch.from_numpy(samples).to(device), (last - first) * _FRAMES, existing)
            for name, values in measured.items():
                frames[name][first * _FRAMES : last * _FRAMES] = _rounded(values.cpu().numpy())
            on_progress(min(last * _WINDOW / audio.sample_count, 1.0))
    return frames


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


def _measure(samples: torch.Tensor, frames: int, existing: int) -> dict[str, torch.Tensor]:
    """One value a frame. `samples`: the frames' samples with `_CONTEXT` on either side; `existing`: how many of them
    are in the track, counted from the first frame's."""
    import torch

    body = samples[_CONTEXT : _CONTEXT + frames * _HOP].square().reshape(frames, _HOP)
    counts = (existing - torch.arange(frames) * _HOP).clamp(1, _HOP)
    energy_db = _decibels(body.sum(1) / counts)
    spectrum = _magnitudes(samples, frames)
    return {
        "energy_db": energy_db,
        "speech_band_db": _decibels(spectrum[_SPEECH_BINS, 1:].square().sum(0) * _power_scale()),
        "loudness_lufs": _momentary_lufs(samples, frames),
        "pitch_hz": _pitch(samples, energy_db),
        "spectral_flux": spectrum.log1p().diff(dim=1).relu().mean(0),
        "spectral_flatness": _flatness(spectrum[_FLAT_BINS, 1:]),
    }


def _decibels(power: torch.Tensor) -> torch.Tensor:
    return 10.0 * power.clamp_min(10 ** (FLOOR_DB / 10)).log10()


def _momentary_lufs(samples: torch.Tensor, frames: int) -> torch.Tensor:
    """Loudness of the 400 ms around each frame's middle (ITU-R BS.1770-4, equation 2, for one channel)."""
    import torch

    half = _HOP // 2
    power = k_weighted(samples).square()[: len(samples) // half * half].reshape(-1, half).double().mean(1)
    sums = torch.nn.functional.pad(power.cumsum(0), (1, 0))
    pieces = _MOMENTARY // half
    first = _CONTEXT // half + 1 - pieces // 2  # the middle of a frame is half a frame after its start
    end = first + pieces
    mean = (sums[end : end + 2 * frames : 2] - sums[first : first + 2 * frames : 2]) / pieces
    return (_MOMENTARY_OFFSET_LUFS + 10.0 * mean.clamp_min(1e-12).log10()).clamp_min(FLOOR_DB).float()


def _magnitudes(samples: torch.Tensor, frames: int) -> torch.Tensor:
    """Shape (257, frames + 1): 25 ms around the middle of each frame, led by the frame before the first."""
    import torch

    start = _CONTEXT - _HOP // 2 - _STFT_SIZE // 2
    return torch.stft(
        samples[start : start + _STFT_SIZE + frames * _HOP],
        _STFT_SIZE,
        _HOP,
        _STFT_WINDOW,
        torch.hann_window(_STFT_WINDOW),
        center=False,
        return_complex=True,
    ).abs()


def _power_scale() -> float:
    """From a sum of squared magnitudes, of one side, to mean square of the samples (Parseval)."""
    windowed = _STFT_WINDOW * 3 / 8  # sum of the squares of a Hann window
    return 2.0 / (_STFT_SIZE * windowed)


def _flatness(magnitudes: torch.Tensor) -> torch.Tensor:
    """Wiener entropy of each frame: geometric over arithmetic mean of the power; 0 where there is none."""
    power = magnitudes.square()
    mean = power.mean(0)
    return (power.clamp_min(1e-12).log().mean(0).exp() / mean.clamp_min(1e-12)).where(mean > 1e-8, 0.0)


def _pitch(samples: torch.Tensor, energy_db: torch.Tensor) -> torch.Tensor:
    """Fundamental of every frame in Hz, 0 where unvoiced."""
    import torch

    start = _CONTEXT + _HOP // 2 - PITCH_WINDOW // 2  # windows are centred on the middle of their 10 ms
    frames = samples[start:].unfold(0, PITCH_WINDOW, _HOP)[: len(energy_db)]
    pitch_hz = torch.zeros(len(energy_db))
    for numbers in (energy_db > _QUIETEST_VOICE_DB).nonzero()[:, 0].split(_BATCH_FRAMES):
        if len(numbers):  # splitting nothing gives one piece of nothing
            pitch_hz[numbers] = yin(frames[numbers], SAMPLE_RATE_HZ)
    return pitch_hz


def _rounded(values: np.ndarray) -> np.ndarray:
    """To 13 significant bits, as float32."""
    import numpy as np

    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    half = np.uint32(1 << (_DROPPED_BITS - 1))
    mask = np.uint32(0xFFFFFFFF & ~((1 << _DROPPED_BITS) - 1))
    return ((bits + half) & mask).view(np.float32)
