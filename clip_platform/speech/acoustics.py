"""How a talk sounds: by frames of 10 ms and by windows of 100 ms. Types, and what they say of laughter and applause.

`backends/torch_acoustics.py` measures frames, `prosody.py` and `bursts.py` make windows of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from clip_platform.timeline import Span

FLOOR_DB = -80.0
"""No level is below: digital silence has one too."""

FRAME_COLUMNS: Mapping[str, str] = {
    "energy_db": "mean power of the 10 ms in dB re full scale, floor -80",
    "speech_band_db": "mean power from 0.1 to 5 kHz of the 25 ms around the frame's middle, in dB re full scale, floor "
    "-80: what a voice has, without rumble and offsets",
    "loudness_lufs": "momentary loudness of the mono track below 8 kHz: K-weighted, 400 ms around the frame's middle "
    "(ITU-R BS.1770-4, EBU Tech 3341), floor -80",
    "pitch_hz": "fundamental, 60..400 Hz, 0 where unvoiced (YIN, de Cheveigne and Kawahara 2002)",
    "spectral_flux": "mean positive change of the log1p magnitude spectrum from the frame before, >= 0",
    "spectral_flatness": "geometric over arithmetic mean of the power from 0.5 to 5 kHz, 0 (tones)..1; 0.56 for white "
    "noise (Johnston 1988)",
}

COLUMNS: Mapping[str, str] = {
    "energy_db": "mean power of the window in dB re full scale, floor -80",
    "loudness_lufs": "momentary loudness at the window's middle, as for frames",
    "pitch_hz": "median fundamental of the voiced frames (YIN), 0 where unvoiced",
    "pitch_range_st": "semitones from the 5th to the 95th percentile of the pitch in the 2 s around, 0 with too little "
    "voice",
    "voiced_share": "share of 10 ms frames with a fundamental, 0..1",
    "spectral_flux": "mean positive change of the log1p magnitude spectrum between 10 ms frames, >= 0",
    "syllables_per_s": "speaking rate: syllable nuclei in the 2 s around (de Jong and Wempe 2009)",
    "pause_share": "share of the 2 s around that lies in pauses of at least 0.25 s, 0..1",
    "pause_s": "length of the pause that the window's middle lies in, 0 outside pauses",
    "laughter_likeness": "how much the second around sounds like laughter, 0..1: rhythm, depth, height (`bursts`)",
    "applause_likeness": "how much the second around sounds like applause, 0..1: loud, flat, unvoiced (`bursts`)",
}

_BURST, _PERHAPS_A_BURST = 0.5, 0.25
_SHORTEST_BURST_S = Fraction(2, 5)
_LONGEST_GAP_S = Fraction(3, 10)


@dataclass(frozen=True, slots=True, eq=False)
class AcousticFeatures:
    """Row `i` of `columns` covers `[i * window_s, (i + 1) * window_s)` and has the names of `COLUMNS`; value `i` of
    `frames` covers as much of `frame_s`, with the names of `FRAME_COLUMNS`. Stored as Parquet.

    All are float32, shape (windows,) and (windows * window_s / frame_s,): frames past the track's end are silent. What
    is given as another sequence of numbers is converted.
    """

    window_s: Fraction
    columns: Mapping[str, np.ndarray]
    frame_s: Fraction = Fraction(1, 100)
    frames: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", _arrays(self.columns))
        object.__setattr__(self, "frames", _arrays(self.frames))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AcousticFeatures):
            return NotImplemented
        steps_equal = (self.window_s, self.frame_s) == (other.window_s, other.frame_s)
        return steps_equal and _same(self.columns, other.columns) and _same(self.frames, other.frames)

    __hash__ = None  # type: ignore[assignment]


def burst_spans(features: AcousticFeatures) -> tuple[Span, ...]:
    """Stretches of laughter or applause, in order, not overlapping, at least 0.4 s long.

    A stretch has a likeness of 0.5 somewhere and of 0.25 everywhere: a likeness looks at the second around, so it rises
    before the first call of a laugh is over and falls before the last.
    """
    likeness = np.maximum(features.columns["laughter_likeness"], features.columns["applause_likeness"])
    edges = np.flatnonzero(np.diff(likeness >= _PERHAPS_A_BURST, prepend=False, append=False))
    spans: list[Span] = []
    for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if likeness[first:end].max() < _BURST:
            continue
        if spans and first * features.window_s - spans[-1].end <= _LONGEST_GAP_S:
            spans[-1] = Span(spans[-1].start, end * features.window_s)
        else:
            spans.append(Span(first * features.window_s, end * features.window_s))
    return tuple(span for span in spans if span.duration_s >= _SHORTEST_BURST_S)


def _arrays(columns: Mapping[str, Sequence[float] | np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.asarray(column, np.float32) for name, column in columns.items()}


def _same(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> bool:
    return list(one) == list(other) and all(np.array_equal(one[name], other[name]) for name in one)
