"""Which of the stretches that silero-vad takes for speech are believed. Where they come from is `silero`'s.

A melody with vibrato in the range of a voice is taken for speech for a moment now and then. Such moments are short,
less certain than a word, and no louder than the music around them.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING

from clip_platform.speech.sound import SAMPLE_RATE_HZ, SoundTrack, clean_samples

if TYPE_CHECKING:
    import numpy as np

FRAME = 512
"""Samples that one probability speaks of, 32 ms."""

THRESHOLD = 0.5
"""Probability from which on a frame is speech."""

_LEAST_CERTAINTY_S = 0.055
"""Certainty: the sum over a stretch's frames of what the probability has beyond the threshold, times 32 ms. Measured:
single words by four synthetic voices have 0.064 s and more; of 18 moments of melodies, 13 have at most 0.053 s."""

_BEYOND_DOUBT_S = 0.4
"""The other five, and one at a track's very start, had up to 0.35 s; three syllables that are certain have 0.4 s."""

_LEAST_CONTRAST_DB = 3.0
"""A doubtful stretch is believed when it is louder than what is around it. Measured: words in a pause 14 dB and more,
single words in noise at 5 dB signal to noise 5.6 dB and more; moments of melodies -1.5 to 1.8 dB."""

_AROUND = 3 * SAMPLE_RATE_HZ  # samples looked at on either side
_LEAST_AROUND = SAMPLE_RATE_HZ // 2  # fewer means that neighbours are speech too, or the track is no longer

Stretch = tuple[int, int]
"""First sample, and the one after the last."""


def believed(audio: SoundTrack, stretches: Sequence[Stretch], probabilities: array[float]) -> list[Stretch]:
    """The stretches that are certain, or doubtful but louder than what is around them.

    Args:
        stretches: in order, not overlapping.
        probabilities: one for every `FRAME` samples of the whole track.
    """
    kept = []
    for number, stretch in enumerate(stretches):
        certainty_s = _certainty_s(probabilities, stretch)
        if certainty_s < _LEAST_CERTAINTY_S:
            continue
        if certainty_s >= _BEYOND_DOUBT_S or _stands_out(audio, stretches, number):
            kept.append(stretch)
    return kept


def _certainty_s(probabilities: array[float], stretch: Stretch) -> float:
    import numpy as np

    frames = np.frombuffer(probabilities, np.float32)[stretch[0] // FRAME : -(-stretch[1] // FRAME)]
    return float(np.maximum(frames - THRESHOLD, 0.0).sum()) * FRAME / SAMPLE_RATE_HZ


def _stands_out(audio: SoundTrack, stretches: Sequence[Stretch], number: int) -> bool:
    """Whether a stretch is louder than the three seconds on either side, as far as those are no speech."""
    import numpy as np

    start, end = stretches[number]
    earliest = max(start - _AROUND, stretches[number - 1][1] if number else 0)
    latest = min(end + _AROUND, stretches[number + 1][0] if number + 1 < len(stretches) else audio.sample_count)
    around = np.concatenate([clean_samples(audio, earliest, start), clean_samples(audio, end, max(latest, end))])
    if len(around) < _LEAST_AROUND:
        return True
    return _power(clean_samples(audio, start, end)) >= _power(around) * 10 ** (_LEAST_CONTRAST_DB / 10)


def _power(samples: np.ndarray) -> float:
    import numpy as np

    return float(np.square(samples, dtype=np.float64).mean())
