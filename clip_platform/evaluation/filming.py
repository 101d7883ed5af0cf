"""Drawn pictures and sound as a video file: drawn in a thread, encoded by ffmpeg, never on a disk in between.

What is drawn is not known here.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from clip_platform.evaluation.voices import SAMPLE_RATE_HZ
from clip_platform.media.process import run, share_from_progress
from clip_platform.progress import OnProgress, silent

_DEADLINE_S = 600.0
_PIPE_BYTES = 1 << 20


def film(
    pictures: Iterator[np.ndarray],
    sound: np.ndarray,
    video: Path,
    *,
    size: tuple[int, int],
    fps: int,
    frames: int,
    on_progress: OnProgress = silent,
) -> None:
    """Writes `video`, H.264/AAC in MP4; the same pictures give the same bytes.

    Args:
        pictures: uint8 planar 4:2:0 (`cv2.COLOR_BGR2YUV_I420`), shape (height * 3 / 2, width) each.
        sound: int16 mono at `SAMPLE_RATE_HZ`.
        size: width and height in pixels, even.
        fps: frames per second, constant.
        frames: how many pictures there are.

    Raises:
        MissingProgram, ProgramFailed: ffmpeg is not installed or ended with an error.
    """
    with TemporaryDirectory(prefix=".film-", dir=video.parent) as scratch:
        wav, fifo = Path(scratch) / "sound.wav", Path(scratch) / "pictures"
        _write_wav(wav, sound)
        os.mkfifo(fifo)

        def report(line: str) -> None:
            share = share_from_progress(line, frames / fps)
            if share is not None:
                on_progress(share)

        with ThreadPoolExecutor(1, thread_name_prefix="film-pictures") as pool:
            drawing = pool.submit(_write_pictures, pictures, fifo)
            try:
                run(_arguments(fifo, wav, video, size, fps), deadline_s=_DEADLINE_S, on_line=report)
            finally:
                os.close(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK))  # a writer that still waits for a reader wakes up
            drawing.result()


def _write_wav(path: Path, samples: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(samples.tobytes())


def _write_pictures(pictures: Iterator[np.ndarray], fifo: Path) -> None:
    # A broken pipe: ffmpeg ended early, and says itself why.
    with contextlib.suppress(BrokenPipeError), fifo.open("wb", buffering=0) as pipe:
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        for picture in pictures:
            _write_all(pipe.fileno(), memoryview(picture.tobytes()))


def _write_all(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _arguments(fifo: Path, wav: Path, video: Path, size: tuple[int, int], fps: int) -> list[str]:
    """Two encoder threads and bit-exact muxing whatever the machine, so that the same pictures have the same bytes."""
    raw = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{size[0]}x{size[1]}", "-r", str(fps), "-i", str(fifo)]
    colour = ["-colorspace", "smpte170m", "-color_primaries", "smpte170m", "-color_trc", "smpte170m"]
    picture = ["-c:v", "libx264", "-preset", "superfast", "-crf", "21", "-g", str(8 * fps), "-threads", "2", *colour]
    sound = ["-c:a", "aac", "-b:a", "96k", "-ar", "44100"]
    exact = ["-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact", "-map_metadata", "-1"]
    report = ["-v", "error", "-nostats", "-progress", "pipe:1"]
    return ["ffmpeg", *report, *raw, "-i", str(wav), *picture, *sound, *exact, "-y", str(video)]
