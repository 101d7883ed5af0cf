"""Whether the embedded speech engine keeps every core busy: cores times wall time, over the CPU time it spent."""

from __future__ import annotations

import resource
import time

import numpy as np

from benchmarks.measuring import Ratio
from clip_platform.speech.sound import SAMPLE_RATE_HZ, HeldSound

LIMIT = 1.2
_SENTENCES = 60
_TEXT = (
    "Small teams finish more good work than large teams do",
    "Every morning I take a long walk before work",
    "Sleep is more important than most people believe",
    "Nobody reads a long report about the weather in the north",
)


def measure() -> list[Ratio]:
    from clip_platform.progress import silent
    from clip_platform.speech.backends.pocketsphinx import PocketsphinxRecognizer, usable_cores
    from clip_platform.speech.backends.silero import SileroVoiceActivity
    from clip_platform.speech.transcription import transcribe

    talk, cores = HeldSound(_talk()), usable_cores()
    find_speech = SileroVoiceActivity()
    speech = find_speech(talk, silent)
    began, before = time.perf_counter(), _cpu_s()
    with PocketsphinxRecognizer() as recognizer:
        transcript = transcribe(talk, recognizer, lambda _audio, _report: speech)
    wall_s, cpu_s = time.perf_counter() - began, _cpu_s() - before
    details = {
        "sound_s": round(talk.sample_count / SAMPLE_RATE_HZ),
        "cores": cores,
        "wall_s": round(wall_s, 1),
        "cpu_s": round(cpu_s, 1),
        "words": len(transcript.words),
    }
    return [Ratio("embedded speech engine, cores x wall", "its CPU time", cores * wall_s / cpu_s, LIMIT, details)]


def _cpu_s() -> float:
    """Of this process and of its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _talk() -> np.ndarray:
    """About four minutes of two voices that take turns."""
    from clip_platform.evaluation.voices import speak

    said = {(text, voice): speak(text, voice).samples for text in _TEXT for voice in ("slt", "rms")}
    pause = np.zeros(SAMPLE_RATE_HZ // 2, np.int16)
    parts = [
        part for n in range(_SENTENCES) for part in (said[_TEXT[n % len(_TEXT)], ("slt", "rms")[n // 5 % 2]], pause)
    ]
    noise = np.random.default_rng(1).normal(0.0, 0.0005, sum(map(len, parts)))
    return (np.concatenate(parts) / 32768 + noise).astype(np.float32)
