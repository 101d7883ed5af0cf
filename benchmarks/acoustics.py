"""Acoustic features against the sound's own length: seconds of sound for each second of one core."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import numpy as np

from benchmarks.measuring import Ratio
from clip_platform.speech.sound import SAMPLE_RATE_HZ, HeldSound, SoundTrack

LEAST_TIMES_REAL_TIME = 100.0

_MINUTES = 5
_ROUNDS = 3


def measure() -> list[Ratio]:
    from clip_platform.speech.backends.torch_acoustics import measure_acoustics

    return [ratio_to_real_time("acoustic features, CPU", measure_acoustics)]


def ratio_to_real_time(name: str, analyse: Callable[[SoundTrack], object]) -> Ratio:
    """The median of three rounds over five minutes of talk; a first, short one loads what is loaded once."""
    talk = _talk()
    analyse(HeldSound(talk[: 2 * SAMPLE_RATE_HZ]))
    spent_s = []
    for _ in range(_ROUNDS):
        before = time.process_time()
        analyse(HeldSound(talk))
        spent_s.append(time.process_time() - before)
    sound_s = len(talk) / SAMPLE_RATE_HZ
    times = [round(sound_s / spent) for spent in spent_s]
    details = {"sound_s": round(sound_s), "cpu_s": round(median(spent_s), 2), "times_real_time": times}
    limit = 1 / LEAST_TIMES_REAL_TIME
    return Ratio(name, "the sound's length", median(spent_s) / sound_s, limit, details)


def _talk() -> np.ndarray:
    """Five minutes of a synthetic voice with pauses and some noise."""
    from clip_platform.evaluation.voices import speak

    text = "Every morning I take a long walk before work. Sleep is more important than most people believe."
    sentence = speak(text, "slt").samples.astype(np.float32) / 32768
    once = np.concatenate([sentence, np.zeros(SAMPLE_RATE_HZ, np.float32)])
    noise = np.random.default_rng(1).normal(0.0, 0.001, _MINUTES * 60 * SAMPLE_RATE_HZ)
    return (np.resize(once, len(noise)) + noise).astype(np.float32)
