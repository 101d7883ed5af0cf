"""Loudness and peak of sound (EBU R128, ITU-R BS.1770-4) as ffmpeg's `ebur128` filter measures them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

MEASURING = "ebur128=peak=true:framelog=verbose"
"""The filter. Its summary goes to stderr at level `info`, its lines per frame below that."""

_GATE_LUFS = -70.0
_SUMMARY = re.compile(
    r"Integrated loudness:\s+I:\s+(?P<integrated>\S+) LUFS.*?True peak:\s+Peak:\s+(?P<peak>\S+) dBFS", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Loudness:
    """Both None when the sound is silent or stays below the absolute gate of -70 LUFS."""

    integrated_lufs: float | None
    true_peak_dbtp: float | None


SILENT = Loudness(None, None)


def read_summary(stderr: str) -> Loudness:
    """What the last summary in ffmpeg's stderr says; `SILENT` when no sound reached the filter."""
    found = list(_SUMMARY.finditer(stderr))
    if not found:
        return SILENT
    integrated, peak = float(found[-1]["integrated"]), float(found[-1]["peak"])
    if not math.isfinite(integrated) or integrated <= _GATE_LUFS:
        return SILENT
    return Loudness(integrated, peak if math.isfinite(peak) else None)
