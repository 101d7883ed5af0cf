"""Features of how a clip sounds, against the rest of its video, so that recordings at other levels compare."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from clip_platform.scoring.spans import CandidateSpans, ratio, sums_before
from clip_platform.speech.acoustics import AcousticFeatures
from clip_platform.speech.transcript import Transcript
from clip_platform.timeline import Span


def acoustics(spans: CandidateSpans, transcript: Transcript, features: AcousticFeatures) -> dict[str, np.ndarray]:
    """Levels and changes over the windows in which somebody speaks; pitch over those that have one."""
    window_s = float(features.window_s)
    energy_db = np.array(features.columns["energy_db"])
    pitch_hz = np.array(features.columns["pitch_hz"])
    flux = np.array(features.columns["spectral_flux"])
    speaks = _windows_in(transcript.speech, window_s, len(energy_db))
    voiced = speaks & (pitch_hz > 0)
    semitones = 12 * np.log2(np.where(voiced, pitch_hz, 100.0) / 100.0)

    clip = _Windows(spans.start, spans.end, window_s, len(energy_db))
    hook = _Windows(spans.start, spans.hook_end, window_s, len(energy_db))
    level_db = _mean(energy_db, speaks)
    return {
        "energy_rel_db": clip.mean(energy_db - level_db, speaks),
        "energy_spread_db": clip.spread(energy_db - level_db, speaks),
        "hook_energy_rel_db": hook.mean(energy_db - level_db, speaks),
        "pitch_spread_st": clip.spread(semitones, voiced),
        "flux_rel": clip.mean(flux / (_mean(flux, speaks) or 1.0), speaks),
    }


def _windows_in(speech: Iterable[Span], window_s: float, count: int) -> np.ndarray:
    """Whether the middle of each window lies in speech: bool, shape (count,)."""
    mask = np.zeros(count, dtype=bool)
    for span in speech:
        first, end = (round(float(moment) / window_s) for moment in (span.start, span.end))
        mask[max(first, 0) : max(end, 0)] = True
    return mask


def _mean(values: np.ndarray, where: np.ndarray) -> float:
    return float(values[where].mean()) if where.any() else 0.0


class _Windows:
    """The acoustic windows of many stretches, summed through prefix sums."""

    def __init__(self, start: np.ndarray, end: np.ndarray, window_s: float, count: int) -> None:
        self._first = np.clip(np.round(start / window_s).astype(np.int64), 0, count)
        self._end = np.clip(np.round(end / window_s).astype(np.int64), self._first, count)

    def _sum(self, values: np.ndarray) -> np.ndarray:
        sums = sums_before(values)
        return sums[self._end] - sums[self._first]

    def mean(self, values: np.ndarray, where: np.ndarray) -> np.ndarray:
        """Mean over the windows that count, 0 where there is none."""
        return ratio(self._sum(np.where(where, values, 0.0)), self._sum(where.astype(float)))

    def spread(self, values: np.ndarray, where: np.ndarray) -> np.ndarray:
        """Standard deviation over the windows that count, 0 where there is none."""
        centred = values - _mean(values, where)
        variance = self.mean(centred**2, where) - self.mean(centred, where) ** 2
        return np.sqrt(np.maximum(variance, 0.0))
