"""How a talk sounds, window by window. Types only; `backends/torch_acoustics.py` computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

COLUMNS: Mapping[str, str] = {
    "energy_db": "mean power of the window in dB re full scale, floor -80",
    "pitch_hz": "median fundamental of the voiced frames (YIN), 0 where unvoiced",
    "voiced_share": "share of 10 ms frames with a fundamental, 0..1",
    "spectral_flux": "mean positive change of the log1p magnitude spectrum between 10 ms frames, >= 0",
}


@dataclass(frozen=True, slots=True)
class AcousticFeatures:
    """Row `i` covers `[i * window_s, (i + 1) * window_s)`; columns are those of `COLUMNS`. Stored as Parquet."""

    window_s: Fraction
    columns: Mapping[str, tuple[float, ...]]
