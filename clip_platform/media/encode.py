"""One clip in one ffmpeg run: crop path, layouts, captions and encoding. Does what it is told; decides no picture.

Frames are counted, not timed: the source is put on the clip's frame grid first, so frame `n` of the output is the
source's frame nearest to `start_s + n / rate`. The count ends in the graph (`trim`): with `-frames:v` ffmpeg would drop
the sound it has not yet copied when the last frame comes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import ffmpeg

from clip_platform.media import process, seeking, source
from clip_platform.media.ffprobe import describe, streams_of_kind
from clip_platform.media.information import MediaInfo
from clip_platform.progress import OnProgress

_THREADS = 4
"""Fixed: x264's output depends on it, and the same clip shall have the same bytes on every machine."""
_KEYFRAME_S = 2
_BACKDROP_SHRINK = 10
_BACKDROP_BRIGHTNESS = 0.45
_LATE_FRAMES_S = 1

_SD_MATRICES = ("bt470bg", "smpte170m", "fcc")
_HDR_TRANSFERS = ("smpte2084", "arib-std-b67")


@dataclass(frozen=True, slots=True)
class PictureRun:
    """Frames `first_frame..end_frame - 1` in one layout. `corners`: left top of the window in each frame, in display
    pixels; empty for `fit`."""

    first_frame: int
    end_frame: int
    layout: Literal["crop", "fit"]
    corners: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class ClipPicture:
    """The picture of one clip.

    `start_s` is source time, on a frame of the source. `runs` cover `0..frames`. `fit_box`: left, top, width, height of
    the whole picture in `fit`, in output pixels. `still_frames`: frames also written as JPEG, without captions.
    """

    start_s: Fraction
    rate: Fraction
    frames: int
    width_px: int
    height_px: int
    window_width_px: int
    window_height_px: int
    fit_box: tuple[int, int, int, int]
    runs: tuple[PictureRun, ...]
    still_frames: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ClipFiles:
    """Read: `sound`, copied into `video`; `captions` (ASS; None for none); `fonts`, a folder with their typeface only.
    Written: `video`; `1.jpg`, `2.jpg`... in the folder `stills`; crop commands in the folder `commands`."""

    sound: Path
    captions: Path | None
    fonts: Path
    commands: Path
    stills: Path
    video: Path


@dataclass(frozen=True, slots=True)
class SourceColours:
    """As the stream is tagged, `unknown` where it is not (ITU-T H.273 names as ffmpeg spells them)."""

    matrix: str
    transfer: str
    full_range: bool


def encode_clip(
    path: Path,
    media: MediaInfo,
    picture: ClipPicture,
    files: ClipFiles,
    on_progress: OnProgress,
    *,
    deadline_s: float,
) -> None:
    """Writes `files.video` (H.264 High, 8-bit 4:2:0, closed GOPs, index first, no edit list) and the stills.

    The same inputs give the same bytes.

    Raises:
        ProgramFailed, DeadlineExceeded, StorageFull, MissingProgram.
    """
    graph = _graph(path, media, picture, files, _colours(path, media.video.index))
    command = ["ffmpeg", "-v", "warning", "-nostats", "-progress", "pipe:1", *graph.overwrite_output().get_args()]
    duration_s = float(picture.frames / picture.rate)

    def note(line: str) -> None:
        share = process.share_from_progress(line, duration_s)
        if share is not None:
            on_progress(share)

    process.run(command, deadline_s=deadline_s, on_line=note)


def _colours(path: Path, index: int) -> SourceColours:
    shown = ["-show_streams"]
    answer, _ = describe(path, shown, deadline_s=60)
    stream = next(stream for stream in streams_of_kind(answer, "video") if int(stream["index"]) == index)
    full_range = stream.get("color_range") == "pc" or str(stream.get("pix_fmt", "")).startswith("yuvj")
    return SourceColours(
        str(stream.get("color_space", "unknown")), str(stream.get("color_transfer", "unknown")), full_range
    )


def _graph(path: Path, media: MediaInfo, picture: ClipPicture, files: ClipFiles, colours: SourceColours) -> Any:
    frames = _on_grid(path, media, picture)
    shown = _layouts(frames, picture, files.commands, colours)
    outputs = []
    if picture.still_frames:
        branches = shown.filter_multi_output("split", 2)
        outputs.append(_stills(branches[0], picture.still_frames, files.stills))
        shown = branches[1]
    if files.captions is not None:
        # By name: ffmpeg-python escapes positional values twice, and a quote or colon in the path breaks the graph.
        shown = shown.filter("ass", filename=str(files.captions), fontsdir=str(files.fonts))
    return ffmpeg.merge_outputs(_video(shown, picture, files), *outputs)


def _on_grid(path: Path, media: MediaInfo, picture: ClipPicture) -> Any:
    """The clip's frames, numbered from 0, in the display raster. A picture that ends up to a second early is held; what
    is missing beyond that shows in the count of frames."""
    opened = source.opened(path, seeking.decodable_from(path, media, picture.start_s), an=None)
    frames = source.picture(opened, media, picture.start_s)
    frames = frames.filter("fps", source.ratio(picture.rate), start_time=0, round="near")
    frames = frames.filter("tpad", stop_mode="clone", stop_duration=_LATE_FRAMES_S)
    frames = frames.filter("trim", end_frame=picture.frames)
    video = media.video
    turned = video.rotation_deg in (90, 270)
    decoded = (video.coded_width_px, video.coded_height_px)
    if (decoded[::-1] if turned else decoded) != (video.width_px, video.height_px):
        frames = frames.filter("scale", video.width_px, video.height_px, flags="bicubic")
    return frames.filter("setsar", 1)


def _layouts(frames: Any, picture: ClipPicture, commands: Path, colours: SourceColours) -> Any:
    if len(picture.runs) == 1:
        return _laid_out(frames, picture, picture.runs[0], 0, commands, colours)
    branches = frames.filter_multi_output("split", len(picture.runs))
    parts = []
    for number, run in enumerate(picture.runs):
        part = branches[number].filter("trim", start_frame=run.first_frame, end_frame=run.end_frame)
        part = part.filter("setpts", "PTS-STARTPTS")
        parts.append(_laid_out(part, picture, run, number, commands, colours))
    joined = ffmpeg.concat(*parts, v=1, a=0)
    return joined.filter("settb", source.ratio(1 / picture.rate)).filter("setpts", "N")


def _laid_out(
    frames: Any, picture: ClipPicture, run: PictureRun, number: int, commands: Path, colours: SourceColours
) -> Any:
    if run.layout == "fit":
        return _fitted(frames, picture, colours)
    return _cropped(frames, picture, run, number, commands, colours)


def _cropped(
    frames: Any, picture: ClipPicture, run: PictureRun, number: int, commands: Path, colours: SourceColours
) -> Any:
    name = f"crop@run{number}"
    left, top = run.corners[0]
    moves = crop_commands(name, run.corners, picture.rate)
    if moves:
        file = commands / f"run{number}.txt"
        file.write_text(moves)
        frames = frames.filter("sendcmd", f=str(file))
    frames = frames.filter(name, picture.window_width_px, picture.window_height_px, left, top, exact=1)
    return _scaled(frames, picture.width_px, picture.height_px, colours)


def crop_commands(name: str, corners: Sequence[tuple[int, int]], rate: Fraction) -> str:
    """Lines for `sendcmd` that move a crop filter, half a frame before the frame they are for."""
    lines = []
    for frame, (before, now) in enumerate(itertools.pairwise(corners), 1):
        moves = [f"{name} {axis} {to}" for axis, was, to in zip("xy", before, now, strict=True) if was != to]
        if moves:
            lines.append(f"{float((frame - Fraction(1, 2)) / rate):.6f} {', '.join(moves)};\n")
    return "".join(lines)


def _fitted(frames: Any, picture: ClipPicture, colours: SourceColours) -> Any:
    """The whole picture over a blurred, darkened, enlarged copy of itself. The copy is blurred while it is tiny: its
    cost then does not show."""
    left, top, width, height = picture.fit_box
    branches = frames.filter_multi_output("split", 2)
    cover = max(picture.width_px / width, picture.height_px / height)
    small_width, small_height = (
        max(16, size // _BACKDROP_SHRINK // 2 * 2) for size in (picture.width_px, picture.height_px)
    )
    covering = [max(16, round(size * cover / _BACKDROP_SHRINK / 2 + 0.5) * 2) for size in (width, height)]
    backdrop = _scaled(branches[0], covering[0], covering[1], colours)
    backdrop = backdrop.filter("crop", min(small_width, covering[0]), min(small_height, covering[1]))
    backdrop = backdrop.filter("gblur", sigma=4).filter("lutyuv", y=f"16+(val-16)*{_BACKDROP_BRIGHTNESS}")
    backdrop = backdrop.filter("scale", picture.width_px, picture.height_px, flags="fast_bilinear")
    whole = _scaled(branches[1], width, height, colours)
    return ffmpeg.overlay(backdrop.filter("setsar", 1), whole, x=left, y=top, format="yuv420")


def _scaled(frames: Any, width_px: int, height_px: int, colours: SourceColours) -> Any:
    """To a size, in 8-bit 4:2:0 BT.709 of video range."""
    options: dict[str, Any] = {"flags": "bicubic"}
    if colours.full_range:
        options |= {"in_range": "full", "out_range": "tv"}
    if colours.matrix in _SD_MATRICES:
        options |= {"in_color_matrix": "bt601", "out_color_matrix": "bt709"}
    frames = frames.filter("scale", width_px, height_px, **options)
    if colours.transfer in _HDR_TRANSFERS:
        frames = _tone_mapped(frames)
    return frames.filter("format", "yuv420p").filter("setsar", 1)


def _tone_mapped(frames: Any) -> Any:
    """High dynamic range to BT.709: linear light at 100 nits for white, then a filmic curve."""
    return (
        frames.filter("zscale", t="linear", npl=100)
        .filter("format", "gbrpf32le")
        .filter("zscale", p="bt709")
        .filter("tonemap", "hable", desat=0)
        .filter("zscale", t="bt709", m="bt709", r="tv")
    )


def _stills(frames: Any, numbers: Sequence[int], folder: Path) -> Any:
    wanted = "+".join(f"eq(n,{number})" for number in numbers)
    pattern = str(folder.absolute()).replace("%", "%%")
    options = {"c:v": "mjpeg", "q:v": 3, "fps_mode": "passthrough", "f": "image2", "flags:v": "+bitexact"}
    return ffmpeg.output(frames.filter("select", wanted), f"file:{pattern}/%d.jpg", **options, fflags="+bitexact")


def _video(frames: Any, picture: ClipPicture, files: ClipFiles) -> Any:
    sound = source.opened(files.sound)["a:0"]
    tagged = frames.filter(
        "setparams", color_primaries="bt709", color_trc="bt709", colorspace="bt709", range="limited", field_mode="prog"
    )
    options = {
        "c:v": "libx264",
        "preset": "veryfast",
        "crf": 21,
        "profile:v": "high",
        "pix_fmt": "yuv420p",
        "g": round(_KEYFRAME_S * picture.rate),
        "threads": _THREADS,
        "r": source.ratio(picture.rate),
        "fps_mode": "cfr",
        "c:a": "copy",
        "f": "mp4",
        "movflags": "+faststart+negative_cts_offsets",
        "use_editlist": 0,
        "avoid_negative_ts": "disabled",
        "map_metadata": -1,
        "map_chapters": -1,
        "flags:v": "+bitexact+cgop",
        "fflags": "+bitexact",
    }
    return ffmpeg.output(tagged, sound, process.input_url(files.video), **options)
