"""How much a stretch sounds like laughter or applause: formulas over frames of 10 ms, no model.

Each likeness is a product of memberships, 0..1, each of which rises straight between two bounds. What is taken from the
literature is named where it is used; the bounds themselves were set on synthesised sounds and checked on recordings of
speech, in which nothing may be found.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from clip_platform.speech.acoustics import FLOOR_DB
from clip_platform.speech.prosody import around, in_blocks, segments

_SECOND = 100  # frames
_LAUGH = 120  # frames; five calls
_LAUGH_LAGS = (16, 26)  # frames from call to call, 3.8 to 6.2 a second
_LEAST_VOICED = 50  # frames that tell how loud and how high a talk is
_DEEPEST_DB = 40.0  # below the talk; deeper dips say nothing more


def applause_likeness(frames: Mapping[str, np.ndarray], existing: int) -> np.ndarray:
    """Share of the second around each window that is broadband, unvoiced and about as loud as the talk.

    Applause is many claps at random times, whose sum is a noise (Uhle, "Applause sound detection", J. Audio Eng. Soc.
    59, 2011); single fricatives are noises too, but last a tenth of a second.

    Returns:
        float32, 0..1, shape (windows,).
    """
    flat = _membership(frames["spectral_flatness"], 0.2, 0.4)
    loud = _membership(frames["speech_band_db"] - talk_level_db(frames, existing), -15.0, -8.0)
    return around(flat * loud * (frames["pitch_hz"] == 0), _SECOND, existing)


def laughter_likeness(frames: Mapping[str, np.ndarray], existing: int) -> np.ndarray:
    """How rhythmic, deep, voiced and high the 1.2 s around each window are.

    A laugh is a row of calls ("ha") 200 to 220 ms apart, each followed by a breath, with a fundamental far above that
    of the same person's speech (Bickley and Hunnicutt, "Acoustic analysis of laughter", ICSLP 1992; Provine and Yong,
    Ethology 89, 1991; Bachorowski, Smoski and Owren, J. Acoust. Soc. Am. 110, 2001). Speech has that rhythm on average,
    but not as regularly. Laughs without voice are not found.

    Returns:
        float32, 0..1, shape (windows,).
    """
    talk_db, talk_hz = talk_level_db(frames, existing), _talk_pitch_hz(frames)
    level_db = np.maximum(frames["speech_band_db"], talk_db - _DEEPEST_DB)
    blocks = zip(
        in_blocks(segments(level_db, _LAUGH, float(talk_db - _DEEPEST_DB))),
        in_blocks(segments(frames["pitch_hz"], _LAUGH, 0.0)),
        strict=True,
    )
    found = [_laughs(level, pitch, talk_hz) for level, pitch in blocks]
    return np.concatenate([np.zeros(0, np.float32), *found])


def talk_level_db(frames: Mapping[str, np.ndarray], existing: int) -> float:
    """How loud the talk is: the median level of what is voiced, or without voice a loud level."""
    level_db = frames["speech_band_db"][:existing]
    voiced = level_db[frames["pitch_hz"][:existing] > 0]
    if len(voiced) >= _LEAST_VOICED:
        return float(np.median(voiced))
    return float(np.quantile(level_db, 0.9)) if existing else FLOOR_DB


def _talk_pitch_hz(frames: Mapping[str, np.ndarray]) -> float:
    voiced = frames["pitch_hz"][frames["pitch_hz"] > 0]
    return float(np.median(voiced)) if len(voiced) else 0.0


def _laughs(level_db: np.ndarray, pitch_hz: np.ndarray, talk_hz: float) -> np.ndarray:
    """One likeness a row; shapes (rows, 120)."""
    voiced = pitch_hz > 0
    counts = np.count_nonzero(voiced, axis=1)
    height = np.where(voiced, pitch_hz, 0.0).sum(1) / np.maximum(counts, 1) / max(talk_hz, 1.0)
    return (
        _membership(_regularity(level_db), 0.3, 0.6)
        * _membership(level_db.std(axis=1), 2.0, 5.0)
        * _membership(counts / _LAUGH, 0.15, 0.3)
        * _membership(height, 1.15, 1.4)
    ).astype(np.float32)


def _regularity(level_db: np.ndarray) -> np.ndarray:
    """Highest autocorrelation of each row at the lags of laughter, less that at half the lag, -1..1.

    A rhythm is opposed to itself after half a beat; the onset of speech after silence is alike at every short lag.
    """
    centred = level_db - level_db.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(centred, 2 * _LAUGH, axis=1)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2, axis=1)
    shortest, longest = _LAUGH_LAGS
    lags = np.arange(shortest, longest + 1)
    # A lag leaves fewer products; the mean over those there are is what counts.
    whole, half = (correlation[:, at] * (_LAUGH / (_LAUGH - at)) for at in (lags, lags // 2))
    best = (whole - np.maximum(half, 0.0)).max(axis=1)
    return best / np.maximum(correlation[:, 0], 1e-6)


def _membership(values: np.ndarray, none: float, full: float) -> np.ndarray:
    """0 up to `none`, 1 from `full` on, straight between."""
    return np.clip((values - none) / (full - none), 0.0, 1.0)
