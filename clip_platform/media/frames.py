"""Pictures of a video as arrays: one decode serves any number of feeds. Nothing here looks at what is in them."""

from __future__ import annotations

import functools
import logging
import os
import re
import selectors
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import ffmpeg

from clip_platform.errors import DamagedMedia, DeadlineExceeded, ProgramFailed
from clip_platform.media import process, seeking, source
from clip_platform.media.information import MediaInfo
from clip_platform.progress import OnProgress

if TYPE_CHECKING:
    import numpy as np

logger = logging.getLogger(__name__)

_STALL_S = 120.0
_LEAST_DEADLINE_S = 3600.0
_DEADLINE_PER_S = 30
_PICTURE_DEADLINE_S = 120.0
_PRINTED_TIME = re.compile(rb"pts:(\S+)")
_DECODING_ERROR = re.compile(r"error while decoding|Error submitting packet|corrupt decoded frame", re.IGNORECASE)
_TEXT_BYTES = 65536
_CHANNELS = {"bgr24": 3, "gray": 1}


@dataclass(frozen=True, slots=True)
class Feed:
    """What one consumer wants to see.

    `rate`: None for every frame with its exact presentation time; otherwise frame `i` is the one on display at
    `i / rate` from time zero (before the first picture: the first picture). The display raster is scaled to
    `width_px` x `height_px`.
    """

    name: str
    rate: Fraction | None
    width_px: int
    height_px: int
    pixel_format: Literal["bgr24", "gray"]

    @property
    def shape(self) -> tuple[int, ...]:
        channels = _CHANNELS[self.pixel_format]
        return (self.height_px, self.width_px, channels)[: 3 if channels > 1 else 2]


@dataclass(frozen=True, slots=True)
class Frame:
    """`index` counts within its feed. `picture`: uint8, shape (height, width) grey or (height, width, 3) BGR, the
    consumer's to keep."""

    feed: str
    index: int
    time_s: Fraction
    picture: np.ndarray


def fitted_size(info: MediaInfo, width_px: int) -> tuple[int, int]:
    """Even width and height of the display raster scaled to about `width_px`, never enlarged."""
    width = min(width_px, info.video.width_px) // 2 * 2
    return width, max(2, round(width * Fraction(info.video.height_px, info.video.width_px) / 2) * 2)


def read_frames(path: Path, info: MediaInfo, feeds: Sequence[Feed], on_progress: OnProgress) -> Iterator[Frame]:
    """Frames of all feeds, the feeds about in step; memory does not grow with the file.

    Within a feed times strictly increase; the share done never goes back, although each feed has its own time. Damaged
    stretches are skipped and counted in the log. Closing the iterator early ends the decoder; one thread at a time may
    advance it.

    Raises:
        DamagedMedia: not one picture can be decoded.
        DeadlineExceeded: the decoder gave nothing for two minutes.
        ProgramFailed, MissingProgram.
    """
    pipes = sum(1 if feed.rate else 2 for feed in feeds)
    deadline_s = _LEAST_DEADLINE_S + _DEADLINE_PER_S * float(info.duration_s)
    seen, done = False, 0.0
    arguments = functools.partial(_command, path, info, feeds)
    with process.stream(arguments, deadline_s=deadline_s, pipes=pipes) as program:
        for frame in _merged(feeds, info, program.pipes):
            seen = True
            done = max(done, min(float(frame.time_s / info.duration_s), 1.0))
            on_progress(done)
            yield frame
        _finish(path, program, seen)
    on_progress(1.0)


def frame_picture(path: Path, info: MediaInfo, moment: Fraction, width_px: int) -> bytes:
    """One frame as JPEG of about `width_px`, the first one at or after `moment` (or the last of the video).

    Raises:
        DamagedMedia: there is none that can be decoded.
    """
    wanted = max(Fraction(0), min(moment, info.duration_s - 2 / info.video.frame_rate))
    # A damaged index or key frame: then the picture is found from the beginning.
    for seek_s in dict.fromkeys((seeking.decodable_from(path, info, wanted), Fraction(0))):
        command = _one_picture(path, info, wanted, seek_s, fitted_size(info, width_px))
        jpeg = process.run(command, deadline_s=_PICTURE_DEADLINE_S).stdout
        if jpeg:
            return jpeg
    raise DamagedMedia(f"no picture at {float(moment):.1f} s of {path.name} can be decoded; export or upload it again")


def _one_picture(path: Path, info: MediaInfo, wanted: Fraction, seek_s: Fraction, size: tuple[int, int]) -> list[str]:
    picture = source.picture(source.opened(path, seek_s, an=None), info).filter("trim", start=source.decimal(wanted))
    scaled = picture.filter("scale", *size, flags="bicubic")
    options = {"frames:v": 1, "q:v": 3, "format": "image2pipe", "vcodec": "mjpeg", "pix_fmt": "yuvj420p"}
    command = ffmpeg.output(scaled, "pipe:1", **options).global_args("-v", "error", *process.DESPITE_ERRORS)
    return list(command.compile(cmd="ffmpeg"))


def _command(path: Path, info: MediaInfo, feeds: Sequence[Feed], names: Sequence[str]) -> list[str]:
    """One input, one decoder, one branch per feed. A feed of every frame takes two pipes: its times, its pictures."""
    # Pictures that no other refers to need no deblocking to be looked at small: a tenth of decoding is saved.
    from_zero = source.picture(source.opened(path, an=None, skip_loop_filter="noref"), info)
    branches = from_zero.filter_multi_output("split") if len(feeds) > 1 else [from_zero]
    unused = deque(names)
    outputs = []
    for position, feed in enumerate(feeds):
        timed = _timed(branches[position], feed, unused)
        scaled = timed.filter("scale", feed.width_px, feed.height_px, flags="fast_bilinear")
        pictures = scaled.filter("format", feed.pixel_format)
        outputs.append(ffmpeg.output(pictures, unused.popleft(), format="rawvideo", fps_mode="passthrough"))
    command = ffmpeg.merge_outputs(*outputs).global_args("-v", "error", *process.DESPITE_ERRORS)
    return list(command.compile(cmd="ffmpeg", overwrite_output=True))


def _timed(branch: Any, feed: Feed, unused: deque[str]) -> Any:
    """Sampling comes before scaling: what is not shown is not scaled."""
    if feed.rate is not None:
        # Rounding up: frame i is the last one that begins by i / rate. The default rounding shows what comes later.
        return branch.filter("fps", source.ratio(feed.rate), round="up", start_time=0)
    # Only frames that carry metadata are printed, so each is given some first.
    marked = branch.filter("metadata", "add", key="t", value="1")
    return marked.filter("metadata", "print", file=unused.popleft(), direct=1)


def _finish(path: Path, program: process.Stream, seen: bool) -> None:
    try:
        stderr = program.finish().stderr
    except ProgramFailed as error:
        if not process.is_inputs_fault(error):
            raise
        stderr = error.detail
    if not seen:
        raise DamagedMedia(f"no picture of {path.name} can be decoded; export or upload it again", detail=stderr)
    errors = len(_DECODING_ERROR.findall(stderr))
    if errors:
        logger.warning("%s: %d places of the picture are damaged and were skipped", path.name, errors)


class _Times:
    """Presentation times that ffmpeg prints, one line before each picture of a feed of every frame."""

    def __init__(self, pipe: BinaryIO, info: MediaInfo) -> None:
        self.pipe = pipe
        self._base = info.video.time_base
        self._step = 1 / info.video.frame_rate
        self._text = b""
        self._waiting: deque[Fraction] = deque()
        self._latest = -self._step

    def take(self) -> bool:
        chunk = os.read(self.pipe.fileno(), _TEXT_BYTES)
        *lines, self._text = (self._text + chunk).split(b"\n")
        for printed in filter(None, map(_PRINTED_TIME.search, lines)):
            ticks = printed[1]
            known = ticks.lstrip(b"-").isdigit()
            self._latest = int(ticks) * self._base if known else self._latest + self._step
            self._waiting.append(self._latest)
        return bool(chunk)

    def of(self, _index: int) -> Fraction:
        if not self._waiting:
            raise ProgramFailed("ffmpeg gave a picture without its time; check that its version is 5.1 or later")
        return self._waiting.popleft()


class _EvenTimes:
    """Times of a feed sampled at a rate."""

    def __init__(self, rate: Fraction) -> None:
        self._rate = rate

    def of(self, index: int) -> Fraction:
        return index / self._rate


class _Pictures:
    """One feed's pictures, put together from what its pipe gives, each in an array of its own."""

    def __init__(self, feed: Feed, times: _Times | _EvenTimes, pipe: BinaryIO) -> None:
        self.pipe = pipe
        self._feed = feed
        self._times = times
        self._decoded = 0
        self._index = 0
        self._shown_s: Fraction | None = None
        self._picture, self._room = self._blank()

    def take(self) -> bool:
        count = os.readv(self.pipe.fileno(), [self._room])
        self._room = self._room[count:]
        return count > 0

    def complete(self) -> Frame | None:
        """The picture, if its last byte has come and it is later than the one before: others are never on display."""
        if len(self._room):
            return None
        picture, time_s = self._picture, self._times.of(self._decoded)
        self._decoded += 1
        self._picture, self._room = self._blank()
        if self._shown_s is not None and time_s <= self._shown_s:
            return None
        self._shown_s = time_s
        self._index += 1
        return Frame(self._feed.name, self._index - 1, time_s, picture)

    def _blank(self) -> tuple[np.ndarray, memoryview]:
        import numpy as np

        picture = np.empty(self._feed.shape, np.uint8)
        return picture, picture.reshape(-1).data


def _merged(feeds: Sequence[Feed], info: MediaInfo, pipes: Sequence[BinaryIO]) -> Iterator[Frame]:
    """Frames as they come. It never waits for one particular pipe, so the decoder cannot block on another one."""
    clocks, pictures = _readers(feeds, info, pipes)
    with selectors.DefaultSelector() as selector:
        # Clocks come first: a time is printed before its picture is written, so it is there when the picture is.
        readers: list[_Times | _Pictures] = [*clocks, *pictures]
        for order, reader in enumerate(readers):
            selector.register(reader.pipe, selectors.EVENT_READ, (order, reader))
        while selector.get_map():
            ready = selector.select(_STALL_S)
            if not ready:
                raise DeadlineExceeded(f"ffmpeg gave no picture for {_STALL_S:.0f} s; try again when the disk answers")
            for _, reader in sorted((key.data for key, _ in ready), key=lambda data: data[0]):
                if not reader.take():
                    selector.unregister(reader.pipe)
            for feed in pictures:
                frame = feed.complete()
                if frame is not None:
                    yield frame


def _readers(feeds: Sequence[Feed], info: MediaInfo, pipes: Sequence[BinaryIO]) -> tuple[list[_Times], list[_Pictures]]:
    """Readers of the pipes, in the order in which `_command` gave them out."""
    unused = deque(pipes)
    clocks, pictures = [], []
    for feed in feeds:
        if feed.rate is None:
            clocks.append(clock := _Times(unused.popleft(), info))
            pictures.append(_Pictures(feed, clock, unused.popleft()))
        else:
            pictures.append(_Pictures(feed, _EvenTimes(feed.rate), unused.popleft()))
    return clocks, pictures
