"""The sound of one clip: cut to the sample, at the platforms' loudness, as AAC. Pictures are `encode`'s.

Encoded before the picture, because only the finished AAC shows its true peak: the codec overshoots any limiter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ffmpeg

from clip_platform.media import process, seeking, source
from clip_platform.media.information import MediaInfo
from clip_platform.media.loudness import Loudness, read_summary
from clip_platform.timeline import Span

TARGET_LUFS = -14.0
PEAK_LIMIT_DBTP = -1.0
SAMPLE_RATE_HZ = 48_000

_PRIMING_SAMPLES = 1024
"""What ffmpeg's AAC encoder puts in front. These samples of the clip are left out instead, so that the file needs no
edit list (which Reels and Shorts advise against) and stays in sync."""

_FADE_S = 0.015
_BIT_RATE = "160k"
_MOST_GAIN_DB = 30.0
_FIRST_CEILING_DB = -2.0
_PEAK_MARGIN_DB = 0.15
_CLOSE_ENOUGH_LU = 0.5
_ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class _Level:
    """What is done to the sound: a gain, then a limiter when `ceiling_db` is not None."""

    gain_db: float
    ceiling_db: float | None


def encode_sound(path: Path, media: MediaInfo, span: Span, out: Path, *, deadline_s: float) -> Loudness:
    """Writes the chosen track of `span` (source time) as stereo AAC at 48 kHz: -14 LUFS, true peak at most -1 dBTP.

    A limiter works only where a plain gain would pass the peak. Silence stays silence; what would need more than 30 dB
    stays quieter.

    Args:
        out: an MP4 file, replaced.

    Returns:
        What was measured on the encoded sound.

    Raises:
        ProgramFailed, DeadlineExceeded, StorageFull, MissingProgram.
    """
    cut = _cut(path, media, span)
    raw = _measure(cut, deadline_s)
    level = _first_level(raw)
    for attempt in range(1, _ATTEMPTS + 1):
        _write(cut, span, level, out, deadline_s)
        measured = _measure(source.opened(out)["a:0"], deadline_s)
        better = _corrected(level, measured)
        if better == level or attempt == _ATTEMPTS:
            break
        level = better
    return measured


def _cut(path: Path, media: MediaInfo, span: Span) -> Any:
    """The track at 48 kHz in stereo, from the first to the last sample of the span; gaps are silent."""
    opened = source.opened(path, seeking.audible_from(media, span.start), vn=None)
    return (
        source.sound(opened, media, span.start)
        .filter("atrim", start=0)  # the resampler would drop it too, after resampling it
        .filter("aresample", SAMPLE_RATE_HZ, **{"async": 1, "first_pts": 0})
        .filter("aformat", sample_fmts="fltp", channel_layouts="stereo")
        .filter("apad")
        .filter("atrim", end_sample=round(span.duration_s * SAMPLE_RATE_HZ))
    )


def _first_level(raw: Loudness) -> _Level:
    if raw.integrated_lufs is None:
        return _Level(0.0, None)
    gain = min(TARGET_LUFS - raw.integrated_lufs, _MOST_GAIN_DB)
    peak = (raw.true_peak_dbtp if raw.true_peak_dbtp is not None else 0.0) + gain
    return _Level(round(gain, 2), _FIRST_CEILING_DB if peak > _FIRST_CEILING_DB else None)


def _corrected(level: _Level, measured: Loudness) -> _Level:
    """The level to try next; the same one when the sound is as it shall be, or as near as it can get."""
    if measured.integrated_lufs is None:
        return level
    short_lu = TARGET_LUFS - measured.integrated_lufs
    if abs(short_lu) > _CLOSE_ENOUGH_LU and level.gain_db < _MOST_GAIN_DB:
        level = replace(level, gain_db=round(min(level.gain_db + short_lu, _MOST_GAIN_DB), 2))
    over_db = (measured.true_peak_dbtp or -99.0) - (PEAK_LIMIT_DBTP - _PEAK_MARGIN_DB)
    if over_db > 0:
        ceiling = _FIRST_CEILING_DB if level.ceiling_db is None else level.ceiling_db
        level = replace(level, ceiling_db=round(ceiling - over_db - _PEAK_MARGIN_DB, 2))
    return level


def _write(sound: Any, span: Span, level: _Level, out: Path, deadline_s: float) -> None:
    if level.gain_db:
        sound = sound.filter("volume", f"{level.gain_db}dB")
    if level.ceiling_db is not None:
        limit = 10 ** (level.ceiling_db / 20)
        sound = sound.filter("alimiter", limit=f"{limit:.5f}", attack=3, release=60, level=0, latency=1)
    ends = float(span.duration_s)
    sound = (
        sound.filter("afade", t="in", d=_FADE_S)
        .filter("afade", t="out", st=f"{max(ends - _FADE_S, 0.0):.6f}", d=_FADE_S)
        .filter("atrim", start_sample=_PRIMING_SAMPLES)
    )
    options = {"c:a": "aac", "b:a": _BIT_RATE, "f": "mp4", "map_metadata": -1, "use_editlist": 0, "threads": 1}
    written = ffmpeg.output(sound, process.input_url(out), **options, **{"flags:a": "+bitexact", "fflags": "+bitexact"})
    process.run(["ffmpeg", "-v", "warning", *written.overwrite_output().get_args()], deadline_s=deadline_s)


def _measure(sound: Any, deadline_s: float) -> Loudness:
    measured = ffmpeg.output(sound.filter("ebur128", peak="true", framelog="verbose"), "-", f="null")
    completed = process.run(["ffmpeg", "-v", "info", "-nostats", *measured.get_args()], deadline_s=deadline_s)
    return read_summary(completed.stderr)
