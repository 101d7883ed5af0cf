"""What a finished file really is, measured from its bytes: for the quality report of a clip, not for uploads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from clip_platform.errors import ProgramFailed
from clip_platform.media import loudness, process
from clip_platform.media.ffprobe import Described, describe, exact_number, streams_of_kind, whole_number
from clip_platform.media.loudness import Loudness

_DEADLINE_S = 120.0


@dataclass(frozen=True, slots=True)
class ClipInspection:
    """`frames`: packets of the picture stream, counted. `duration_s`: of the container; the streams' own beside it.
    `audio_codec`, `audio_duration_s`, are None without sound. `faststart`: the index comes before the media data, so
    that a browser can play while it loads; always False for containers other than MP4."""

    size_bytes: int
    duration_s: Fraction
    frames: int
    frame_rate: Fraction
    width_px: int
    height_px: int
    sample_aspect: Fraction
    video_codec: str
    pixel_format: str
    video_duration_s: Fraction
    audio_codec: str | None
    audio_duration_s: Fraction | None
    audio_sample_rate_hz: int | None
    loudness: Loudness
    faststart: bool


def inspect_clip(path: Path) -> ClipInspection:
    """Reads the whole file: packets are counted, and the sound is decoded once to measure it.

    Raises:
        ProgramFailed: the file has no picture or cannot be read, so whatever wrote it failed.
        DeadlineExceeded, MissingProgram.
    """
    answer, _ = describe(path, ["-show_format", "-show_streams", "-count_packets"], deadline_s=_DEADLINE_S)
    pictures, sounds = streams_of_kind(answer, "video"), streams_of_kind(answer, "audio")
    if not pictures:
        raise ProgramFailed(f"{path.name} has no picture stream; render it again")
    video, audio = pictures[0], sounds[0] if sounds else None
    container_s = exact_number(answer["format"].get("duration")) or Fraction(0)
    return ClipInspection(
        size_bytes=path.stat().st_size,
        duration_s=container_s,
        frames=whole_number(video.get("nb_read_packets")) or 0,
        frame_rate=exact_number(video.get("avg_frame_rate")) or Fraction(0),
        width_px=int(video["width"]),
        height_px=int(video["height"]),
        sample_aspect=exact_number(video.get("sample_aspect_ratio")) or Fraction(1),
        video_codec=str(video.get("codec_name")),
        pixel_format=str(video.get("pix_fmt")),
        video_duration_s=_length_s(video) or container_s,
        audio_codec=str(audio.get("codec_name")) if audio else None,
        audio_duration_s=(_length_s(audio) or container_s) if audio else None,
        audio_sample_rate_hz=whole_number(audio.get("sample_rate")) if audio else None,
        loudness=_measure(path) if audio else loudness.SILENT,
        faststart=_index_comes_first(path),
    )


def _length_s(stream: Described) -> Fraction | None:
    ticks, base = whole_number(stream.get("duration_ts")), exact_number(stream.get("time_base"))
    return ticks * base if ticks is not None and base is not None else exact_number(stream.get("duration"))


def _measure(path: Path) -> Loudness:
    command = ["ffmpeg", "-v", "info", "-nostats", "-vn", *process.input_arguments(path)]
    graph = ["-filter_complex", f"[0:a:0]{loudness.MEASURING}[measured]", "-map", "[measured]", "-f", "null", "-"]
    return loudness.read_summary(process.run([*command, *graph], deadline_s=_DEADLINE_S).stderr)


def _index_comes_first(path: Path) -> bool:
    kinds = [kind for kind in _top_level_boxes(path) if kind in (b"moov", b"mdat")]
    return kinds[:1] == [b"moov"]


def _top_level_boxes(path: Path) -> Iterator[bytes]:
    """Types of an MP4's outermost boxes, in order (ISO/IEC 14496-12, 4.2)."""
    end = path.stat().st_size
    with path.open("rb") as file:
        position = 0
        while position + 8 <= end:
            file.seek(position)
            header = file.read(16)
            size, kind = int.from_bytes(header[:4], "big"), header[4:8]
            yield kind
            if size == 1:
                size = int.from_bytes(header[8:16], "big")
            if size < 8:  # 0 means "to the end of the file"; less is no box
                return
            position += size
