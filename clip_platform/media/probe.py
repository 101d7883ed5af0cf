"""Whether a file can be worked on, and what it is: `MediaInfo`, or one `InvalidInput` that says what to do.

Headers are claims. The first frames are decoded, and the packets near the end are read, before a claim is believed.
Nothing here decodes more than a moment of the file.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from clip_platform.errors import (
    DamagedMedia,
    EmptyFile,
    LimitExceeded,
    NoAudioStream,
    NotMedia,
    NoVideoStream,
    ProgramFailed,
    UnreadableFile,
    UnsupportedMedia,
)
from clip_platform.media import process
from clip_platform.media.ffprobe import Described, describe, exact_number, streams_of_kind
from clip_platform.media.information import AudioStream, MediaInfo, VideoStream
from clip_platform.media.streams import (
    AGAIN,
    about_tracks,
    audio_stream,
    disposition,
    is_still,
    name_of_track,
    video_stream,
)
from clip_platform.upload.acceptance import DEFAULT_LIMITS, Limits

_HEAD_PACKETS = 400
_TAIL_S = 10
_QUICK_S = 30.0
_SCAN_BYTES_PER_S = 20 * 1024 * 1024
_DEFECT_S = Fraction(2)
_DEFECT_SHARE = Fraction(5, 100)
_NOTABLE_S = Fraction(1, 2)
_DEMUXER_SPOKE = re.compile(r"^\[([a-z0-9_,]+) @ ", re.MULTILINE)
_CONTAINERS_BEGIN = (b"\x1aE\xdf\xa3", b"RIFF", b"OggS", b"FLV", b"\x00\x00\x01\xba", b"0&\xb2u", b"fLaC", b"ID3")
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"styp", b"moof")
_CONVERT = "convert it to MP4 (H.264 picture, AAC sound)"


def probe(path: Path, limits: Limits = DEFAULT_LIMITS) -> MediaInfo:
    """What the file is, its claims checked.

    Takes a second or two; a file without a usable index is read once from end to end (without decoding).

    Raises:
        InvalidInput: exactly one of its kinds, when the file cannot be worked on.
        DeadlineExceeded, MissingProgram, ProgramFailed: ours.
    """
    size_bytes = _readable_size(path, limits)
    answer = _opened(path)
    picture = _picture(path, answer)
    sounds = _sounds(path, answer)
    _refuse_encrypted(path, answer)
    start = exact_number(answer["format"].get("start_time")) or Fraction(0)
    video, warnings = video_stream(path, picture, answer, start)
    _refuse_sizes(path, video, limits)
    claimed = exact_number(answer["format"].get("duration"))
    if claimed is not None and claimed > limits.max_duration_s:
        raise _too_long(path, claimed, limits)
    _refuse_undecodable_picture(path, video.index)
    streams = tuple(audio_stream(sound, start) for sound in sounds)
    audio, heard = _choose_sound(path, sounds, streams)
    ends = _ends(path, answer, start, claimed, size_bytes)
    duration = _duration(path, video, audio, ends, claimed, limits)
    return MediaInfo(
        container=str(answer["format"].get("format_name")),
        duration_s=duration,
        size_bytes=size_bytes,
        video=video,
        audio=audio,
        audio_streams=streams,
        warnings=(*warnings, *heard, *_about_ends(ends, video, audio, claimed, of_several=len(streams) > 1)),
        container_start_s=start,
    )


def _readable_size(path: Path, limits: Limits) -> int:
    try:
        status = path.stat()
    except FileNotFoundError:
        raise UnreadableFile(f"{path} does not exist; check the name") from None
    except OSError as error:  # no permission on a folder above, a name too long, a loop of links
        raise UnreadableFile(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise UnreadableFile(f"{str(path)!r} is no file name: it holds a zero byte") from None
    if stat.S_ISDIR(status.st_mode):
        raise UnreadableFile(f"{path} is a folder; name one video file")
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableFile(f"{path} is no regular file; name one video file")
    if not os.access(path, os.R_OK):
        raise UnreadableFile(f"{path} may not be read by this user; change its permissions")
    if status.st_size == 0:
        raise EmptyFile(f"{path.name} is empty (0 bytes); {AGAIN}")
    if status.st_size > limits.max_bytes:
        raise LimitExceeded(
            f"{path.name} has {status.st_size / 1e9:.1f} GB; at most {limits.max_bytes / 1e9:.1f} GB are taken, "
            "so cut or compress it"
        )
    return status.st_size


def _opened(path: Path) -> Described:
    options = ["-show_format", "-show_streams", "-show_packets", "-read_intervals", f"%+#{_HEAD_PACKETS}"]
    try:
        answer, stderr = describe(path, options, deadline_s=_QUICK_S)
    except ProgramFailed as error:
        raise _unopened(path, error.detail) from error
    if not answer.get("streams") or "format" not in answer:
        raise DamagedMedia(f"{path.name} is a container without any stream; {AGAIN}", detail=stderr)
    return answer


def _unopened(path: Path, stderr: str) -> NotMedia | DamagedMedia | UnsupportedMedia:
    """Which error a file that ffprobe cannot open is."""
    if _is_still_picture(path):
        return NotMedia(f"{path.name} is a still picture, not a video; name a video with sound", detail=stderr)
    if "not on whitelist" in stderr:
        spoke = _DEMUXER_SPOKE.findall(stderr)
        if spoke and spoke[-1] not in ("tty", "image2"):
            return UnsupportedMedia(
                f"{path.name} is of the kind {spoke[-1]}, which is not taken; {_CONVERT}", detail=stderr
            )
    elif _begins_like_media(path):
        return DamagedMedia(f"{path.name} is damaged or cut off: its index cannot be read; {AGAIN}", detail=stderr)
    return NotMedia(f"{path.name} is not a video that ffmpeg knows; name a video with sound", detail=stderr)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(16)


def _is_still_picture(path: Path) -> bool:
    head = _head(path)
    begins = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\x00", b"MM\x00*", b"GIF8")
    return head.startswith(begins) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def _begins_like_media(path: Path) -> bool:
    """By content: ffmpeg goes by the name when the content says nothing to it."""
    head = _head(path)
    return head.startswith(_CONTAINERS_BEGIN) or head[4:8] in _MP4_BOXES


def _picture(path: Path, answer: Described) -> Described:
    pictures = streams_of_kind(answer, "video")
    moving = [stream for stream in pictures if not is_still(stream)]
    format_name = str(answer["format"].get("format_name"))
    if format_name.endswith("_pipe") or format_name in ("image2", "apng"):
        raise NotMedia(f"{path.name} is a still picture ({format_name}), not a video; name a video with sound")
    if not moving:
        holds = "only cover art beside its sound" if pictures else "sound but no picture"
        if not streams_of_kind(answer, "audio"):
            holds = "neither picture nor sound"
        raise NoVideoStream(f"{path.name} holds {holds}; name a file with moving pictures")
    return max(moving, key=lambda stream: (disposition(stream, "default"), _area(stream), -int(stream["index"])))


def _area(stream: Described) -> int:
    return int(stream.get("width", 0)) * int(stream.get("height", 0))


def _sounds(path: Path, answer: Described) -> list[Described]:
    sounds = streams_of_kind(answer, "audio")
    if not sounds:
        raise NoAudioStream(f"{path.name} has no sound; clips are chosen by what is said, so name a file with sound")
    return sounds


def _refuse_encrypted(path: Path, answer: Described) -> None:
    for holder in (*answer["streams"], *answer.get("packets", ())):
        kinds = [str(side.get("side_data_type", "")) for side in holder.get("side_data_list", ())]
        if any(kind.startswith("Encryption") for kind in kinds):
            raise UnsupportedMedia(f"{path.name} is encrypted (DRM); name an unprotected copy")


def _refuse_sizes(path: Path, video: VideoStream, limits: Limits) -> None:
    size = f"{path.name} shows {video.width_px}x{video.height_px} pixels"
    too_small = video.width_px < limits.min_width_px or video.height_px < limits.min_height_px
    if too_small or min(video.coded_width_px, video.coded_height_px) < 16:
        raise UnsupportedMedia(
            f"{size}, too few to make clips from; name a video of at least {limits.min_width_px}x{limits.min_height_px}"
        )
    if video.width_px > limits.max_width_px or video.height_px > limits.max_height_px:
        raise LimitExceeded(f"{size}; at most {limits.max_width_px}x{limits.max_height_px} are taken, so scale it down")
    if video.frame_rate > limits.max_frame_rate:
        raise LimitExceeded(
            f"{path.name} has {float(video.frame_rate):.0f} frames per second; at most {limits.max_frame_rate:g} are "
            "taken, so convert it to fewer"
        )


def _refuse_undecodable_picture(path: Path, index: int) -> None:
    decoded = _decoded_head(path, index, "v")
    if decoded.frames:
        return
    if decoded.unknown_codec:
        raise UnsupportedMedia(f"the picture of {path.name} is in no known codec; {_CONVERT}", detail=decoded.stderr)
    raise DamagedMedia(f"no picture of {path.name} can be decoded; {AGAIN}", detail=decoded.stderr)


@dataclass(frozen=True, slots=True)
class _Head:
    """What decoding the beginning of one stream gave."""

    frames: int
    stderr: str

    @property
    def unknown_codec(self) -> bool:
        return "not found for input stream" in self.stderr or "Decoder (codec" in self.stderr


def _decoded_head(path: Path, index: int, kind: str) -> _Head:
    """Decodes up to two frames from the first half minute of a stream."""
    command = [
        "ffmpeg",
        "-v",
        "error",
        *process.DESPITE_ERRORS,
        "-t",
        "30",
        *process.input_arguments(path),
        "-map",
        f"0:{index}",
    ]
    try:
        completed = process.run([*command, f"-frames:{kind}", "2", "-f", "framecrc", "-"], deadline_s=_QUICK_S)
    except ProgramFailed as error:
        return _Head(0, error.detail)
    lines = completed.stdout.decode("ascii", "replace").splitlines()
    return _Head(sum(not line.startswith("#") for line in lines), completed.stderr)


def _choose_sound(
    path: Path, sounds: Sequence[Described], streams: Sequence[AudioStream]
) -> tuple[AudioStream, list[str]]:
    """The track marked as default, otherwise the first; the next one when that cannot be decoded. Which one has speech
    is for `choice` to hear."""
    order = sorted(range(len(sounds)), key=lambda i: (-disposition(sounds[i], "default"), i))
    failures: list[_Head] = []
    for position in order:
        stream = streams[position]
        decoded = _decoded_head(path, stream.index, "a")
        if decoded.frames:
            broken = f"{len(failures)} could not be decoded" if failures else ""
            return stream, about_tracks(stream, streams, broken)
        failures.append(decoded)
    if all(not failure.stderr for failure in failures):
        raise NoAudioStream(f"the sound track of {path.name} is empty; name a file with sound")
    detail = "\n".join(failure.stderr for failure in failures)
    if any(failure.unknown_codec for failure in failures):
        raise UnsupportedMedia(f"the sound of {path.name} is in no known codec; {_CONVERT}", detail=detail)
    raise DamagedMedia(f"the sound of {path.name} cannot be decoded; {AGAIN}", detail=detail)


@dataclass(frozen=True, slots=True)
class _Ends:
    """When the last packet of each stream ends, in seconds from time zero; whether every packet was read for it."""

    by_stream: dict[int, Fraction]
    read_in_full: bool

    @property
    def last(self) -> Fraction:
        return max(self.by_stream.values(), default=Fraction(0))


def _ends(path: Path, answer: Described, start: Fraction, claimed: Fraction | None, size_bytes: int) -> _Ends:
    needed = {int(s["index"]) for kind in ("video", "audio") for s in streams_of_kind(answer, kind) if not is_still(s)}
    if claimed is not None and claimed > 0:
        found = _last_packets(path, start, max(claimed - _TAIL_S, Fraction(0)), size_bytes)
        if needed <= found.keys() and max(found.values()) >= claimed - _NOTABLE_S:
            return _Ends(found, read_in_full=False)
    return _Ends(_last_packets(path, start, None, size_bytes), read_in_full=True)


def _last_packets(path: Path, start: Fraction, since: Fraction | None, size_bytes: int) -> dict[int, Fraction]:
    """When the last packet of each stream ends, reading from `since` on (from the beginning when None)."""
    ends: dict[int, Fraction] = {}

    def note(line: str) -> None:
        index, pts, length = (*line.split(","), "", "")[:3]
        shown, lasts = exact_number(pts), exact_number(length) or Fraction(0)
        if shown is not None and index.isdigit():
            ends[int(index)] = max(ends.get(int(index), Fraction(0)), shown + lasts - start)

    interval = [] if since is None else ["-read_intervals", f"{float(start + since):.6f}%"]
    entries = ["-show_entries", "packet=stream_index,pts_time,duration_time", "-of", "csv=p=0"]
    command = ["ffprobe", "-v", "error", *interval, *entries, *process.input_arguments(path)]
    try:
        process.run(command, deadline_s=_QUICK_S + size_bytes / _SCAN_BYTES_PER_S, on_line=note)
    except ProgramFailed:
        # A file that cannot be seeked in, or that breaks off: what was read until then is the answer.
        return ends
    return ends


def _duration(
    path: Path, video: VideoStream, audio: AudioStream, ends: _Ends, claimed: Fraction | None, limits: Limits
) -> Fraction:
    """The picture's end: what comes after it cannot be shown."""
    missing = (claimed or Fraction(0)) - ends.last
    if ends.read_in_full and claimed and missing > max(_DEFECT_S, claimed * _DEFECT_SHARE):
        raise DamagedMedia(
            f"{path.name} holds {float(ends.last):.1f} s of the {float(claimed):.1f} s its header promises; {AGAIN}"
        )
    if audio.index not in ends.by_stream:
        raise NoAudioStream(f"the sound track of {path.name} is empty; name a file with sound")
    end = ends.by_stream.get(video.index, Fraction(0))
    if end > limits.max_duration_s:
        raise _too_long(path, end, limits)
    if end < limits.min_duration_s:
        raise UnsupportedMedia(
            f"{path.name} lasts {float(end):.3f} s; name a video of at least {limits.min_duration_s:g} s"
        )
    return end


def _too_long(path: Path, duration: Fraction, limits: Limits) -> LimitExceeded:
    hours, most = float(duration) / 3600, limits.max_duration_s / 3600
    return LimitExceeded(f"{path.name} lasts {hours:.1f} h; at most {most:g} h are taken, so cut it")


def _about_ends(
    ends: _Ends, video: VideoStream, audio: AudioStream, claimed: Fraction | None, *, of_several: bool
) -> list[str]:
    """What ends early or late; of several sound tracks the one meant is named, as another may be chosen later."""
    warnings, sound = [], f"the sound of {name_of_track(audio)}" if of_several else "the sound"
    if claimed and ends.read_in_full and claimed - ends.last > _NOTABLE_S:
        warnings.append(f"the file ends {float(claimed - ends.last):.1f} s before its header says")
    beyond = ends.by_stream[audio.index] - ends.by_stream[video.index]
    if beyond > 1:
        warnings.append(f"{sound} goes on for {float(beyond):.1f} s after the last picture; that part is left out")
    if beyond < -1:
        warnings.append(f"{sound} ends {float(-beyond):.1f} s before the picture")
    return warnings
