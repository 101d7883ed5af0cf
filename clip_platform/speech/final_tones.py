"""How much the melody around a gap between words sounds like the end of a sentence.

Speakers let the pitch sink towards the end of a sentence and begin the next one higher (Shriberg et al., "Prosody-based
automatic segmentation of speech into sentences and topics", Speech Communication 32, 2000). How far differs with the
speaker, so a gap is compared with the other gaps of the same talk.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clip_platform.speech.acoustics import AcousticFeatures
from clip_platform.speech.transcript import Word

BESIDE_S = 0.3
"""What is heard of a word's end and of the next one's beginning: about a syllable and a half."""
_LEAST_VOICED = 5  # frames
_LEAST_GAPS = 20
_LEAST_SPREAD_ST = 0.5


def finality(words: Sequence[Word], acoustics: AcousticFeatures) -> np.ndarray:
    """Of the gap after each word but the last, -1 (goes on) .. 1 (ends), 0 where the voice tells nothing.

    Returns:
        float, shape (words - 1,): tanh of the robust z of (reset - fall) / 2 in semitones, where `reset` is the pitch
        after the gap over the pitch before it and `fall` the pitch before it over the talk's median.
    """
    gaps = max(len(words) - 1, 0)
    pitch_hz = acoustics.frames.get("pitch_hz")
    if pitch_hz is None or not np.any(pitch_hz > 0):
        return np.zeros(gaps)
    usual_hz = float(np.median(pitch_hz[pitch_hz > 0]))
    frames_per_s = float(1 / acoustics.frame_s)
    before = [
        _pitch_st(pitch_hz, float(word.span.end) - BESIDE_S, float(word.span.end), usual_hz, frames_per_s)
        for word in words[:-1]
    ]
    after = [
        _pitch_st(pitch_hz, float(word.span.start), float(word.span.start) + BESIDE_S, usual_hz, frames_per_s)
        for word in words[1:]
    ]
    lower = np.array(after) / 2 - np.array(before)
    known = np.isfinite(lower)
    if int(known.sum()) < _LEAST_GAPS:
        return np.zeros(gaps)
    middle = float(np.median(lower[known]))
    spread = max(1.4826 * float(np.median(np.abs(lower[known] - middle))), _LEAST_SPREAD_ST)
    return np.where(known, np.tanh((np.where(known, lower, middle) - middle) / spread), 0.0)


def _pitch_st(pitch_hz: np.ndarray, start_s: float, end_s: float, usual_hz: float, frames_per_s: float) -> float:
    """Median pitch of a stretch in semitones over `usual_hz`; NaN where it is hardly voiced."""
    first, end = max(round(start_s * frames_per_s), 0), max(round(end_s * frames_per_s), 0)
    voiced = pitch_hz[first:end]
    voiced = voiced[voiced > 0]
    return 12 * float(np.log2(np.median(voiced) / usual_hz)) if len(voiced) >= _LEAST_VOICED else float("nan")
