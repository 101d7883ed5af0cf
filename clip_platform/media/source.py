"""An upload as the input of an ffmpeg graph: its picture and its sound on the platform's clock, from any moment on.

One way for every container. ffmpeg's own zero and its accurate seek depend on which streams a run reads (MPEG-TS: the
first one *in use* begins at zero), so time stamps stay as they are in the file, a seek only says where to start
reading, and times are counted here. ffmpeg-python's streams have no type.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg

from clip_platform.media import process
from clip_platform.media.information import MediaInfo

_USUAL_RATE_HZ = 48_000
_FLOATING_POINT = "pcm_f"
_FINITE = "if(isnan(val(ch))+isinf(val(ch)),0,val(ch))"
"""Samples that are not numbers become silence: the AAC encoder refuses a file for one, meters never recover from it."""


def opened(path: Path, seek_s: Fraction = Fraction(0), **options: str | None) -> Any:
    """The file as an input.

    Args:
        seek_s: where to start reading, from time zero; see `seeking` for how early that must be.
        options: further input options, `an=None` say.
    """
    seek = {"ss": decimal(seek_s), "noaccurate_seek": None} if seek_s > 0 else {}
    return ffmpeg.input(process.input_url(path), **seek, copyts=None, **process.input_options(), **options)


def picture(source: Any, info: MediaInfo, since: Fraction = Fraction(0)) -> Any:
    """Frames of the chosen picture in its own time base, times counted from `since`: frames before it are below zero.

    Interlaced frames are made whole, one for each two fields, at the time of the first.
    """
    frames = source[str(info.video.index)]
    if info.video.interlaced:
        frames = frames.filter("bwdif", mode="send_frame", deint="interlaced")
    base = info.video.time_base
    frames = frames.filter("settb", ratio(base))  # filters may halve the time base, bwdif does
    return frames.filter("setpts", f"PTS-({round((info.container_start_s + since) / base)})")


def sound(source: Any, info: MediaInfo, since: Fraction = Fraction(0)) -> Any:
    """Samples of the chosen track, or of the one channel of it that is used, times counted from `since` to the sample:
    what is before it is below zero."""
    rate_hz = info.audio.sample_rate_hz or _USUAL_RATE_HZ
    samples = source[str(info.audio.index)]
    if info.audio.channel is not None:
        samples = samples.filter("channelmap", map=f"{info.audio.channel}-0", channel_layout="mono")
    if info.audio.codec.startswith(_FLOATING_POINT):
        samples = samples.filter("aeval", _FINITE, c="same")
    samples = samples.filter("asettb", f"1/{rate_hz}")
    return samples.filter("asetpts", f"PTS-({round((info.container_start_s + since) * rate_hz)})")


def decimal(moment: Fraction) -> str:
    """Seconds as ffmpeg reads them: to the microsecond."""
    return f"{round(moment * 1_000_000) / 1_000_000:.6f}"


def ratio(value: Fraction) -> str:
    """A rate or a time base as ffmpeg reads it."""
    return f"{value.numerator}/{value.denominator}"
