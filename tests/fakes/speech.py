"""Sound in memory, voices to put into it, and an engine that takes bursts of tone for words."""

from __future__ import annotations

import functools
import subprocess
import tempfile
import wave
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from clip_platform.progress import OnProgress
from clip_platform.speech.sound import SAMPLE_RATE_HZ, SoundTrack, clean_samples, samples_span
from clip_platform.speech.transcript import EngineIdentity, Word
from clip_platform.timeline import Span

QUIET = 0.01


class SoundInMemory:
    """A `SoundTrack` of given samples; `largest_read` tells how much was asked for at once."""

    sample_rate_hz = SAMPLE_RATE_HZ

    def __init__(self, samples: np.ndarray) -> None:
        self._samples = samples.astype(np.float32)
        self.sample_count = len(samples)
        self.largest_read = 0

    def read(self, start_sample: int, count: int) -> np.ndarray:
        self.largest_read = max(self.largest_read, count)
        return self._samples[start_sample : start_sample + count]


class BurstRecognizer:
    """A `SpeechRecognizer` for which a burst of tone is a word named after its pitch: 440 Hz is "hz440".

    `heard_s` keeps the length of every chunk.
    """

    identity = EngineIdentity(name="bursts", version="1", model="none", rough="it knows nothing but tones")
    language = "en"
    languages = ("en",)
    stride_s = Fraction(1, SAMPLE_RATE_HZ)
    wants_one_voice = False
    batches_at_once = 1

    def __init__(
        self, batch_size: int = 3, preferred_chunk_s: Fraction = Fraction(20), margin_s: Fraction = Fraction(0)
    ) -> None:
        self.margin_s = margin_s
        self.batch_size = batch_size
        self.preferred_chunk_s = preferred_chunk_s
        self.heard_s: list[float] = []

    def recognize(self, chunks: Sequence[np.ndarray]) -> list[tuple[Word, ...]]:
        self.heard_s += [len(chunk) / SAMPLE_RATE_HZ for chunk in chunks]
        return [
            tuple(Word(_pitch_name(chunk[a:b]), samples_span(a, b), 1.0) for a, b in bursts(chunk, 160))
            for chunk in chunks
        ]


def find_bursts(audio: SoundTrack, on_progress: OnProgress) -> tuple[Span, ...]:
    """A `VoiceActivity` that takes everything audible for speech and joins what is less than 0.3 s apart."""
    on_progress(1.0)
    samples = clean_samples(audio, 0, audio.sample_count)
    return tuple(samples_span(start, end) for start, end in bursts(samples, 4800))


def bursts(samples: np.ndarray, shortest_silence: int) -> list[tuple[int, int]]:
    """Stretches of audible samples, `[start, end)`, at least `shortest_silence` samples apart."""
    loud = np.flatnonzero(np.abs(np.nan_to_num(samples)) > QUIET)
    if len(loud) == 0:
        return []
    gaps = np.flatnonzero(np.diff(loud) > shortest_silence)
    starts, ends = loud[np.r_[0, gaps + 1]], loud[np.r_[gaps, len(loud) - 1]] + 1
    return [(int(start), int(end)) for start, end in zip(starts, ends, strict=True)]


def _pitch_name(samples: np.ndarray) -> str:
    crossings = np.count_nonzero(np.diff(np.signbit(samples)))
    return f"hz{round(crossings * SAMPLE_RATE_HZ / (2 * len(samples)), -1):.0f}"


def silence(duration_s: float) -> np.ndarray:
    return np.zeros(round(duration_s * SAMPLE_RATE_HZ), np.float32)


def tone(frequency_hz: float, duration_s: float) -> np.ndarray:
    """Starts and ends audibly: its first and last samples are above `QUIET`."""
    count = round(duration_s * SAMPLE_RATE_HZ)
    return 0.3 * np.cos(2 * np.pi * frequency_hz * np.arange(count) / SAMPLE_RATE_HZ).astype(np.float32)


def noise(duration_s: float, level: float = 0.1) -> np.ndarray:
    samples = np.random.default_rng(1).normal(0.0, level, round(duration_s * SAMPLE_RATE_HZ))
    return samples.clip(-1, 1).astype(np.float32)


@functools.cache
def spoken(text: str, voice: str = "slt") -> np.ndarray:
    """What flite says: float32 at 16 kHz. `slt` is a woman's voice, `rms` a man's."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spoken.wav"
        subprocess.run(["flite", "-voice", voice, "-t", text, path], check=True, capture_output=True)
        with wave.open(str(path)) as file:
            assert file.getframerate() == SAMPLE_RATE_HZ, file.getframerate()
            samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return samples.astype(np.float32) / 32768
