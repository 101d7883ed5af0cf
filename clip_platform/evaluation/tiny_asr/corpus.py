"""Recordings with exact word times, spoken by flite and joined into longer ones. Knows nothing of models."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from clip_platform.evaluation.tiny_asr.grammar import Line
from clip_platform.evaluation.voices import SAMPLE_RATE_HZ, speak

_FULL_SCALE = 32768.0


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word as written, its mark included, and when it is said, in seconds."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Recording:
    """`samples`: float32 mono at 16 kHz, -1..1."""

    samples: np.ndarray
    words: tuple[TimedWord, ...]

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)

    @property
    def duration_s(self) -> float:
        return len(self.samples) / SAMPLE_RATE_HZ


def record(line: Line) -> Recording:
    """One line, spoken. Raises: as `voices.speak`."""
    spoken = speak(line.text, line.voice)
    words = tuple(TimedWord(*word) for word in spoken.words)
    return Recording(spoken.samples.astype(np.float32) / _FULL_SCALE, words)


def record_all(lines: Sequence[Line], on_recorded: Callable[[], None] = lambda: None) -> list[Recording]:
    """All lines, in their order; flite runs once per core at a time."""

    def recorded(line: Line) -> Recording:
        recording = record(line)
        on_recorded()
        return recording

    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="flite") as pool:
        return list(pool.map(recorded, lines))


def joined(parts: Iterable[Recording | float]) -> Recording:
    """Recordings one after the other; a number is that many seconds of silence."""
    sounds: list[np.ndarray] = []
    words: list[TimedWord] = []
    count = 0
    for part in parts:
        if isinstance(part, Recording):
            start_s = count / SAMPLE_RATE_HZ
            words += [TimedWord(word.text, start_s + word.start_s, start_s + word.end_s) for word in part.words]
            sounds.append(part.samples)
        else:
            sounds.append(np.zeros(round(part * SAMPLE_RATE_HZ), np.float32))
        count += len(sounds[-1])
    return Recording(np.concatenate(sounds), tuple(words))


def at_speed(recording: Recording, factor: float) -> Recording:
    """Played `factor` times as fast, pitch included."""
    count = int(len(recording.samples) / factor)
    at = np.linspace(0, len(recording.samples) - 1, count)
    samples = np.interp(at, np.arange(len(recording.samples)), recording.samples).astype(np.float32)
    words = (TimedWord(word.text, word.start_s / factor, word.end_s / factor) for word in recording.words)
    return Recording(samples, tuple(words))
