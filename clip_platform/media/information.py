"""What a video file is: streams, sizes, rates, times. Types only; `probe` fills them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from clip_platform.identifiers import StoredObject


@dataclass(frozen=True, slots=True)
class VideoStream:
    """The moving picture, cover art excluded.

    `width_px`, `height_px`: as displayed, after rotation and with square pixels (sample aspect applied), even numbers;
    every picture coordinate in the platform is in this raster. `coded_*`: as stored. `frame_rate`: average frames per
    second. `rotation_deg`: clockwise, 0, 90, 180 or 270. `start_s`: first presentation time, from time zero (the
    container's start). `interlaced`: frames hold two fields of different times, which whoever decodes them makes whole.
    """

    index: int
    codec: str
    width_px: int
    height_px: int
    coded_width_px: int
    coded_height_px: int
    frame_rate: Fraction
    time_base: Fraction
    start_s: Fraction
    rotation_deg: int
    sample_aspect: Fraction
    variable_rate: bool
    pixel_format: str
    bit_rate_bps: int | None
    interlaced: bool = False


@dataclass(frozen=True, slots=True)
class AudioStream:
    """One sound track. `start_s` as for video. `channel`: the one that is used, from 0, of two; None when the channels
    are mixed."""

    index: int
    codec: str
    sample_rate_hz: int
    channels: int
    start_s: Fraction
    language: str | None
    title: str | None
    channel: int | None = None


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """A file that can be worked on: one picture stream and at least one sound stream.

    `audio` is the chosen track, `audio_streams` all of them. `duration_s` is what can be decoded, from zero.
    `warnings`: what is unusual but handled, in words for people. `container_start_s`: the file's own time at time zero;
    only `media` needs it.
    """

    container: str
    duration_s: Fraction
    size_bytes: int
    video: VideoStream
    audio: AudioStream
    audio_streams: tuple[AudioStream, ...]
    warnings: tuple[str, ...] = ()
    container_start_s: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """The chosen track as 16 kHz mono 16-bit WAV whose sample 0 is time zero of the container.

    `loudness_lufs`: integrated loudness of the original track (EBU R128), None when it is silent (below the gate);
    `true_peak_dbtp`: its true peak, None when silent.
    """

    wav: StoredObject
    sample_rate_hz: int
    duration_s: Fraction
    loudness_lufs: float | None
    true_peak_dbtp: float | None
