"""Peak memory of a long talk through NeMo against a short one's: it must not grow with the length.

`python -m benchmarks.long_talk MINUTES` is what is measured: voice activity, chunks and the tiny model over talk that
is made as it is read. It fails unless the words are there, in order, and progress was told at least every ten seconds.
"""

from __future__ import annotations

import itertools
import sys
import time
from fractions import Fraction

import numpy as np

from benchmarks.measuring import Ratio, peak_memory_mib
from clip_platform.speech.sound import SAMPLE_RATE_HZ

LIMIT = 1.1
SHORT_MINUTES, LONG_MINUTES = 10, 180
LONGEST_WAIT_S = 10.0
LEAST_WORDS_SHARE = 0.98

_STRIDE = SAMPLE_RATE_HZ * 8 // 100


class RepeatedSound:
    """A `SoundTrack` that says the same over and over, each time from a whole 80 ms on; `longest_read_s` is how much
    was asked for at once."""

    sample_rate_hz = SAMPLE_RATE_HZ

    def __init__(self, samples: np.ndarray, duration_s: float) -> None:
        self.once = np.pad(samples, (0, -len(samples) % _STRIDE))
        self.repetitions = int(duration_s * SAMPLE_RATE_HZ) // len(self.once)
        self.sample_count = self.repetitions * len(self.once)
        self.longest_read_s = Fraction(0)

    def read(self, start_sample: int, count: int) -> np.ndarray:
        self.longest_read_s = max(self.longest_read_s, Fraction(count, SAMPLE_RATE_HZ))
        return self.once[np.arange(start_sample, start_sample + count) % len(self.once)]


class LongestWait:
    """An `OnProgress` that keeps how long it was not told anything."""

    def __init__(self) -> None:
        self.longest_s, self._last = 0.0, time.monotonic()

    def __call__(self, _share: float) -> None:
        now = time.monotonic()
        self.longest_s, self._last = max(self.longest_s, now - self._last), now


def measure() -> list[Ratio]:
    short_mib, long_mib = (
        peak_memory_mib([sys.executable, "-m", "benchmarks.long_talk", minutes], {})
        for minutes in (SHORT_MINUTES, LONG_MINUTES)
    )
    details = {f"{SHORT_MINUTES}min_mib": round(short_mib), f"{LONG_MINUTES}min_mib": round(long_mib)}
    name, over = f"peak memory, {LONG_MINUTES} min of talk, NeMo", f"peak memory, {SHORT_MINUTES} min of talk"
    return [Ratio(name, over, long_mib / short_mib, LIMIT, details)]


def hear(minutes: float) -> str | None:
    """Transcribes that much talk; what is wrong with the result, None when nothing is."""
    from clip_platform.evaluation.tiny_asr.accuracy import held_out_lines
    from clip_platform.evaluation.tiny_asr.checkpoint import MODEL_FILE
    from clip_platform.evaluation.tiny_asr.corpus import joined, record
    from clip_platform.speech.backends.nemo import NemoRecognizer
    from clip_platform.speech.backends.silero import SileroVoiceActivity
    from clip_platform.speech.transcription import transcribe

    talk = joined(part for line in held_out_lines() for part in (record(line), 0.3))
    sound, told = RepeatedSound(talk.samples, 60 * minutes), LongestWait()
    words = transcribe(sound, NemoRecognizer(str(MODEL_FILE), "cpu"), SileroVoiceActivity(), told).words
    share = len(words) / (len(talk.words) * sound.repetitions)
    print(f"{minutes:g} min: {len(words)} words, {share:.1%} of them all; longest wait {told.longest_s:.1f} s")
    if share < LEAST_WORDS_SHARE or words[-1].span.end < sound.sample_count / SAMPLE_RATE_HZ - 2:
        return f"words are missing: {share:.1%} are there, the last one ends at {float(words[-1].span.end):.1f} s"
    if not all(a.span.end <= b.span.start for a, b in itertools.pairwise(words)):
        return "words are not in order"
    if told.longest_s > LONGEST_WAIT_S:
        return f"nothing was told for {told.longest_s:.1f} s"
    return None


if __name__ == "__main__":
    sys.exit(hear(float(sys.argv[1])))
