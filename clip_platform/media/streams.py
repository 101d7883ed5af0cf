"""What ffprobe says of one stream as a `VideoStream` or an `AudioStream`, odd claims put right or told.

Whether a file as a whole can be worked on is `probe`'s.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from clip_platform.errors import DamagedMedia
from clip_platform.media.ffprobe import Described, exact_number, streams_of_kind, whole_number
from clip_platform.media.information import AudioStream, VideoStream

AGAIN = "export or upload it again"
"""The remedy for whatever is broken in a file."""

_ABSURD_ASPECT = 8


def video_stream(path: Path, picture: Described, answer: Described, start: Fraction) -> tuple[VideoStream, list[str]]:
    """The picture, and what is unusual about it, in words for people.

    Args:
        picture: its stream in `answer`.
        answer: with streams and the first packets, from which the rate's steadiness is seen.
        start: the container's start, seconds on the file's own clock.

    Raises:
        DamagedMedia: a picture without pixels.
    """
    width, height = int(picture.get("width", 0)), int(picture.get("height", 0))
    if width <= 0 or height <= 0:
        raise DamagedMedia(f"{path.name} says its picture has {width}x{height} pixels; {AGAIN}")
    index = int(picture["index"])
    base = exact_number(picture.get("time_base")) or Fraction(1, 1000)
    rotation, about_rotation = _rotation(picture)
    aspect, about_aspect = _sample_aspect(picture)
    times = _times_of(answer, index, base)
    rate, variable = _rate(picture, times, base)
    interlaced = picture.get("field_order") in ("tt", "bb", "tb", "bt")
    shown = (_even(width * aspect), _even(Fraction(height)))
    shown_width, shown_height = shown if rotation in (0, 180) else shown[::-1]
    stream = VideoStream(
        index=index,
        codec=str(picture.get("codec_name", "unknown")),
        width_px=shown_width,
        height_px=shown_height,
        coded_width_px=width,
        coded_height_px=height,
        frame_rate=rate,
        time_base=base,
        start_s=_start_of(picture, base, start),
        rotation_deg=rotation,
        sample_aspect=aspect,
        variable_rate=variable,
        pixel_format=str(picture.get("pix_fmt", "unknown")),
        bit_rate_bps=whole_number(picture.get("bit_rate")),
        interlaced=interlaced,
    )
    others = [s for s in streams_of_kind(answer, "video") if not is_still(s) and s["index"] != index]
    about_others = [f"{len(others) + 1} pictures: stream {index} is used, the others are not"] if others else []
    about_rate = ["the frame rate varies; times follow each frame's own time stamp"] if variable else []
    about_fields = ["the picture is interlaced; each two fields become one frame"] if interlaced else []
    return stream, [*about_others, *about_rotation, *about_aspect, *about_rate, *about_fields]


def _even(size: Fraction) -> int:
    return max(2, round(size / 2) * 2)


def _rotation(picture: Described) -> tuple[int, list[str]]:
    """Clockwise degrees to turn the picture by, as ffmpeg's autorotation does: it takes angles within 1 degree of a
    right angle for one."""
    given = [side["rotation"] for side in picture.get("side_data_list", ()) if "rotation" in side]
    if not given:
        return 0, []
    clockwise = -given[0] % 360 if abs(given[0]) <= 360 else None  # a matrix of zeros reads as the lowest integer
    if clockwise is None:
        return 0, ["the rotation in the header makes no sense and is ignored"]
    for right_angle in (0, 90, 180, 270, 360):
        if abs(clockwise - right_angle) < 1:
            return right_angle % 360, []
    return 0, [f"the picture is turned by {clockwise:g} degrees"]


def _sample_aspect(picture: Described) -> tuple[Fraction, list[str]]:
    aspect = exact_number(picture.get("sample_aspect_ratio"))
    if not aspect or aspect < 0:
        return Fraction(1), []
    if not Fraction(1, _ABSURD_ASPECT) <= aspect <= _ABSURD_ASPECT:
        return Fraction(1), [f"the pixel shape in the header, {aspect}, makes no sense and is ignored"]
    return aspect, []


def _times_of(answer: Described, index: int, base: Fraction) -> list[Fraction]:
    packets = [packet for packet in answer.get("packets", ()) if packet.get("stream_index") == index]
    ticks = [whole_number(packet.get("pts")) for packet in packets]
    return sorted(tick * base for tick in ticks if tick is not None)


def _rate(picture: Described, times: Sequence[Fraction], base: Fraction) -> tuple[Fraction, bool]:
    """Frames per second on average, and whether the gaps between frames differ by more than rounding."""
    gaps = sorted(later - earlier for earlier, later in itertools.pairwise(times))
    measured = (len(gaps) / (times[-1] - times[0])) if gaps and times[-1] > times[0] else None
    # Of the gaps, the longest are left out: among the last packets read, one shown earlier may be missing.
    inner = gaps[: max(1, len(gaps) * 95 // 100)] if len(gaps) >= 20 else gaps[:-1]
    rounding = max(2 * base, Fraction(2, 1000))
    uneven = bool(inner) and inner[-1] - inner[0] > rounding and inner[-1] > inner[0] * Fraction(6, 5)
    average = exact_number(picture.get("avg_frame_rate"))
    if average and 0 < average <= 1000:
        return average, uneven
    nominal = exact_number(picture.get("r_frame_rate"))
    if measured is None and nominal and 0 < nominal <= 1000:
        return nominal, uneven
    return (measured.limit_denominator(1001) if measured else Fraction(25)), uneven


def _start_of(stream: Described, base: Fraction, start: Fraction) -> Fraction:
    ticks = whole_number(stream.get("start_pts"))
    return ticks * base - start if ticks is not None else Fraction(0)


def audio_stream(sound: Described, start: Fraction) -> AudioStream:
    """One sound track; `start` as for `video_stream`."""
    tags = {str(name).lower(): str(value) for name, value in sound.get("tags", {}).items()}
    language = tags.get("language")
    base = exact_number(sound.get("time_base")) or Fraction(1, 1000)
    return AudioStream(
        index=int(sound["index"]),
        codec=str(sound.get("codec_name", "unknown")),
        sample_rate_hz=whole_number(sound.get("sample_rate")) or 0,
        channels=whole_number(sound.get("channels")) or 0,
        start_s=_start_of(sound, base, start),
        language=language if language not in (None, "und", "") else None,
        title=tags.get("title"),
    )


_SOUND_TRACKS = " sound tracks: "


def name_of_track(stream: AudioStream) -> str:
    """For people."""
    return stream.title or stream.language or f"stream {stream.index}"


def about_tracks(chosen: AudioStream, streams: Sequence[AudioStream], why: str = "") -> list[str]:
    """Says which of several sound tracks is used."""
    if len(streams) == 1:
        return []
    return [f"{len(streams)}{_SOUND_TRACKS}{name_of_track(chosen)} is used{'; ' if why else ''}{why}"]


def is_about_tracks(warning: str) -> bool:
    """Whether `about_tracks` said it."""
    return _SOUND_TRACKS in warning


def is_still(stream: Described) -> bool:
    """Whether a video stream is cover art or thumbnails."""
    return bool(disposition(stream, "attached_pic") or disposition(stream, "timed_thumbnails"))


def disposition(stream: Described, name: str) -> int:
    """1 where the container sets this flag (`default`, say), otherwise 0."""
    return int(stream.get("disposition", {}).get(name, 0))
