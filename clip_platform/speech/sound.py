"""What speech needs of a sound track: samples by number. Who decodes them is not known here."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

from clip_platform.timeline import Span

if TYPE_CHECKING:
    import numpy as np

SAMPLE_RATE_HZ = 16000
"""The one rate every engine here works at."""


class SoundTrack(Protocol):
    """Mono sound at 16 kHz whose sample 0 is time zero; `media.audio.AudioReader` is one."""

    @property
    def sample_count(self) -> int: ...

    @property
    def sample_rate_hz(self) -> int: ...

    def read(self, start_sample: int, count: int) -> np.ndarray:
        """float32, shape (count,), -1..1."""
        ...


class HeldSound:
    """A `SoundTrack` of samples that are in memory: an excerpt, say. `samples`: float32, shape (count,)."""

    sample_rate_hz = SAMPLE_RATE_HZ

    def __init__(self, samples: np.ndarray) -> None:
        self._samples = samples
        self.sample_count = len(samples)

    def read(self, start_sample: int, count: int) -> np.ndarray:
        return self._samples[start_sample : start_sample + count]


def clean_samples(audio: SoundTrack, start_sample: int, end_sample: int) -> np.ndarray:
    """Samples `start..end`, with silence before the track's start and after its end.

    Returns:
        float32, shape (end_sample - start_sample,), within -1..1: a NaN is silence, an infinity full scale. One bad
        sample would otherwise spoil a whole chunk, because engines normalise over it.
    """
    import numpy as np

    first, last = max(start_sample, 0), min(end_sample, audio.sample_count)
    samples = np.zeros(end_sample - start_sample, np.float32)
    if first < last:
        part = np.nan_to_num(audio.read(first, last - first), nan=0.0, posinf=1.0, neginf=-1.0)
        samples[first - start_sample : last - start_sample] = np.clip(part, -1.0, 1.0)
    return samples


def samples_span(start_sample: int, end_sample: int) -> Span:
    """The exact time of samples `start..end`."""
    return Span(Fraction(start_sample, SAMPLE_RATE_HZ), Fraction(end_sample, SAMPLE_RATE_HZ))


def sample_at(moment: Fraction) -> int:
    """The sample that plays at `moment`."""
    return int(moment * SAMPLE_RATE_HZ)
