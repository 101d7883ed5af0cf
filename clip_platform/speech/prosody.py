"""From frames of 10 ms to windows of 100 ms: pitch and its range, speaking rate, pauses. Arithmetic on arrays.

Bursts are `bursts`'; what the numbers mean for a clip is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from clip_platform.speech.acoustics import FLOOR_DB

FRAMES = 10
"""Frames a window."""

FRAMES_PER_S = 100

_AROUND = 2 * FRAMES_PER_S
"""Rates and ranges are over the 2 s around a window: half a dozen syllables."""

_LEAST_VOICED = 20  # frames; a range over less is chance
_BLOCK = 1000  # windows treated at once: memory is flat

_LEVEL_FRAMES = 7  # 70 ms: Praat's intensity, which the syllable rule was made for, looks at 64 ms
_QUIET_QUANTILE, _LOUD_QUANTILE = 0.05, 0.99
_SILENT_BELOW_DB = 25.0  # below the loud quantile; with the quantile and the dip, as in the published rule
_ABOVE_NOISE_DB, _LEAST_RANGE_DB = 6.0, 8.0
_LEAST_DIP_DB = 2.0
_VOICE_NEAR = 4  # frames; a fundamental is harder to find where it changes
_SHORTEST_PAUSE = 25  # frames; shorter ones are closures of consonants


def windows_of(frames: Mapping[str, np.ndarray], existing: int) -> dict[str, np.ndarray]:
    """The columns of `acoustics.COLUMNS` but those of bursts, float32, shape (windows,).

    Args:
        frames: those of `acoustics.FRAME_COLUMNS`, shape (windows * 10,).
        existing: frames that the track has; the others follow its end.
    """
    pitch_hz, level_db = frames["pitch_hz"], smoothed_db(frames["speech_band_db"])
    silent_db = silence_level_db(level_db[:existing])
    nuclei = _nuclei(level_db, pitch_hz > 0, silent_db)
    paused_frames, pause_s = _pauses(level_db, silent_db, existing)
    return {
        "energy_db": _mean_db(frames["energy_db"], existing),
        "loudness_lufs": frames["loudness_lufs"][FRAMES // 2 :: FRAMES],
        "pitch_hz": _median_pitch(pitch_hz),
        "pitch_range_st": _pitch_range_st(pitch_hz),
        "voiced_share": by_window(pitch_hz > 0).mean(1),
        "spectral_flux": by_window(frames["spectral_flux"]).mean(1),
        "syllables_per_s": around(nuclei, _AROUND, existing) * np.float32(FRAMES_PER_S),
        "pause_share": around(paused_frames, _AROUND, existing),
        "pause_s": pause_s[FRAMES // 2 :: FRAMES].copy(),
    }


def by_window(values: np.ndarray) -> np.ndarray:
    """Shape (windows, 10)."""
    return values.reshape(-1, FRAMES)


def around(values: np.ndarray, width: int, existing: int) -> np.ndarray:
    """For each window, the mean of the `width` frames around its middle, of which those outside the track do not count;
    float32, shape (windows,)."""
    sums = np.zeros(existing + 1)
    np.cumsum(values[:existing], out=sums[1:])
    middles = np.arange(len(values) // FRAMES) * FRAMES + FRAMES // 2
    first = np.clip(middles - width // 2, 0, existing)
    end = np.clip(middles + width // 2, 0, existing)
    return ((sums[end] - sums[first]) / np.maximum(end - first, 1)).astype(np.float32)


def segments(values: np.ndarray, width: int, fill: float) -> np.ndarray:
    """For each window, the `width` frames around its middle, `fill` outside; a view of shape (windows, width)."""
    padded = np.full(len(values) + 2 * width, fill, values.dtype)
    padded[width : width + len(values)] = values
    first = width + FRAMES // 2 - width // 2
    return np.lib.stride_tricks.sliding_window_view(padded, width)[first::FRAMES][: len(values) // FRAMES]


def in_blocks(views: np.ndarray) -> list[np.ndarray]:
    """Rows in pieces small enough to compute with."""
    return [views[first : first + _BLOCK] for first in range(0, len(views), _BLOCK)]


def smoothed_db(level_db: np.ndarray) -> np.ndarray:
    """Level over 70 ms, dB: the mean of the decibels, so that a click does not spread."""
    if not len(level_db):
        return level_db
    half = _LEVEL_FRAMES // 2
    padded = np.pad(level_db, half, mode="edge")
    return np.convolve(padded, np.full(_LEVEL_FRAMES, 1 / _LEVEL_FRAMES, np.float32), "valid")


def silence_level_db(level_db: np.ndarray) -> float:
    """Below is silence: 25 dB under the level that 1 % of the frames exceed, or in noise just above the noise."""
    if not len(level_db):
        return FLOOR_DB + 1
    noise_db, loud_db = (float(level) for level in np.quantile(level_db, [_QUIET_QUANTILE, _LOUD_QUANTILE]))
    above_noise_db = min(noise_db + _ABOVE_NOISE_DB, loud_db - _LEAST_RANGE_DB)
    return max(loud_db - _SILENT_BELOW_DB, above_noise_db, FLOOR_DB + 1)


def _mean_db(energy_db: np.ndarray, existing: int) -> np.ndarray:
    """Of the mean power of each window's frames, as far as they exist."""
    power = np.power(10.0, energy_db * 0.1, dtype=np.float32)
    power[existing:] = 0.0
    counts = np.clip(existing - np.arange(len(power) // FRAMES) * FRAMES, 1, FRAMES)
    mean = by_window(power).sum(1) / counts
    return 10.0 * np.log10(np.maximum(mean, 10 ** (FLOOR_DB / 10)))


def _median_pitch(pitch_hz: np.ndarray) -> np.ndarray:
    """Of the voiced frames; 0 where there is none."""
    ordered = np.sort(by_window(np.where(pitch_hz > 0, pitch_hz, np.float32(np.inf))), axis=1)
    voiced = np.count_nonzero(np.isfinite(ordered), axis=1)
    lower = np.take_along_axis(ordered, np.maximum((voiced - 1) // 2, 0)[:, None], 1)[:, 0]
    return np.where(voiced > 0, lower, 0.0)


def _pitch_range_st(pitch_hz: np.ndarray) -> np.ndarray:
    """Percentiles, not extremes: a fundamental is mistaken for its octave now and then."""
    found = [np.zeros(0, np.float32)]
    for block in in_blocks(segments(pitch_hz, _AROUND, 0.0)):
        ordered = np.sort(np.where(block > 0, block, np.float32(np.inf)), axis=1)
        voiced = np.count_nonzero(block > 0, axis=1)
        low, high = (_ranked(ordered, voiced, share) for share in (0.05, 0.95))
        enough = voiced >= _LEAST_VOICED
        found.append(np.where(enough, 12 * np.log2(np.where(enough, high / low, 1.0)), 0.0))
    return np.concatenate(found)


def _ranked(ordered: np.ndarray, counts: np.ndarray, share: float) -> np.ndarray:
    """The value at this share of the first `counts` values of each row; 1 where there is none."""
    at = np.round(share * np.maximum(counts - 1, 0)).astype(np.int64)
    return np.where(counts > 0, np.take_along_axis(ordered, at[:, None], 1)[:, 0], 1.0)


def _pauses(level_db: np.ndarray, silent_db: float, existing: int) -> tuple[np.ndarray, np.ndarray]:
    """Whether each frame lies in a pause, and how long that pause is in seconds, 0 outside."""
    edges = np.flatnonzero(np.diff(level_db[:existing] < silent_db, prepend=False, append=False))
    first, lengths = edges[::2], edges[1::2] - edges[::2]
    kept = lengths >= _SHORTEST_PAUSE
    changes = np.zeros(len(level_db) + 1, np.int32)
    np.add.at(changes, first[kept], lengths[kept])
    np.add.at(changes, first[kept] + lengths[kept], -lengths[kept])
    frames_long = np.cumsum(changes[:-1], dtype=np.int32)
    return frames_long > 0, frames_long * np.float32(1 / FRAMES_PER_S)


def _nuclei(level_db: np.ndarray, voiced: np.ndarray, silent_db: float) -> np.ndarray:
    """Whether a syllable's nucleus is at each frame: a peak of the level, not silent, voiced within 40 ms, with dips of
    2 dB between it and its neighbours.

    de Jong and Wempe, "Praat script to detect syllable nuclei and measure speech rate automatically", Behavior Research
    Methods 41 (2009).
    """
    nuclei = np.zeros(len(level_db), bool)
    rises = np.diff(level_db, prepend=-np.inf) > 0
    falls = np.diff(level_db, append=-np.inf) <= 0
    peaks = np.flatnonzero(rises & falls & (level_db > silent_db))
    if not len(peaks):
        return nuclei
    # The lowest level from each peak to the one after it; after the last one, to the end.
    dips_db = np.minimum.reduceat(level_db, peaks)
    chosen = peaks[_separated(level_db[peaks], dips_db)]
    near = np.convolve(voiced, np.ones(2 * _VOICE_NEAR + 1, np.int8), "same") > 0
    nuclei[chosen[near[chosen]]] = True
    return nuclei


def _separated(peaks_db: np.ndarray, dips_db: np.ndarray) -> list[int]:
    """Numbers of the peaks that dips of 2 dB part; of several without one between them, the highest.

    Args:
        dips_db: the lowest level after each peak and before the next.
    """
    kept = [0]
    lowest_db = float(dips_db[0])  # since the peak kept last
    for number in range(1, len(peaks_db)):
        peak_db, last_db = float(peaks_db[number]), float(peaks_db[kept[-1]])
        if min(peak_db, last_db) - lowest_db >= _LEAST_DIP_DB:
            kept.append(number)
            lowest_db = float(dips_db[number])
        elif peak_db > last_db:  # the same syllable, still rising
            kept[-1] = number
            lowest_db = float(dips_db[number])
        else:
            lowest_db = min(lowest_db, float(dips_db[number]))
    return kept
