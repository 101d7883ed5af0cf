"""The sound of a video as one plain WAV, made in one decode, and a reader for it."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import ffmpeg

from clip_platform.errors import CorruptArtifact, DamagedMedia, NoAudioStream, ProgramFailed
from clip_platform.media import loudness, process, source
from clip_platform.media.information import MediaInfo
from clip_platform.media.loudness import Loudness
from clip_platform.progress import OnProgress

if TYPE_CHECKING:
    import numpy as np

SAMPLE_RATE_HZ = 16_000
_LEAST_DEADLINE_S = 60.0
_BYTES_PER_SAMPLE = 2
_PCM = 1
_UNKNOWN_SIZE = 0xFFFFFFFF
_FULL_SCALE = 32768.0


def extract_audio(path: Path, info: MediaInfo, destination: Path, on_progress: OnProgress) -> Loudness:
    """Writes the chosen track as 16 kHz mono 16-bit WAV, and measures the original track in the same decode.

    Sample 0 is time zero of the container: a late start and gaps become silence. Sound after the picture's end is left
    out. Nothing is left at `destination` when it fails.

    Raises:
        NoAudioStream: the track holds not one sample.
        DamagedMedia: the track cannot be decoded.
        DeadlineExceeded, StorageFull, ProgramFailed, MissingProgram.
    """
    duration_s = float(info.duration_s)

    def report(line: str) -> None:
        share = process.share_from_progress(line, duration_s)
        if share is not None:
            on_progress(share)

    with _complete_or_absent(destination) as unfinished:
        try:
            completed = process.run(
                _command(path, info, unfinished), deadline_s=_LEAST_DEADLINE_S + duration_s, on_line=report
            )
        except ProgramFailed as error:
            if not process.is_inputs_fault(error):
                raise
            raise _undecodable(path, error.detail) from error
        if AudioReader(unfinished).sample_count == 0:
            if completed.stderr.count("Error"):
                raise _undecodable(path, completed.stderr[-4000:])
            raise NoAudioStream(f"the sound track of {path.name} is empty; name a file with sound")
    return loudness.read_summary(completed.stderr)


def _undecodable(path: Path, detail: str) -> DamagedMedia:
    return DamagedMedia(f"the sound of {path.name} cannot be decoded; export or upload it again", detail=detail)


def _command(path: Path, info: MediaInfo, destination: Path) -> list[str]:
    branches = source.sound(source.opened(path, vn=None), info).filter_multi_output("asplit")
    name, _, settings = loudness.MEASURING.partition("=")
    measured = branches[0].filter(name, **dict(setting.split("=") for setting in settings.split(":")))
    # One conversion does it all: the format filter only tells the resampler what to make.
    on_time = branches[1].filter("aresample", **{"async": 1, "first_pts": 0})
    plain = on_time.filter("aformat", sample_fmts="s16", sample_rates=SAMPLE_RATE_HZ, channel_layouts="mono")
    outputs = ffmpeg.merge_outputs(
        ffmpeg.output(measured, "-", format="null"),
        ffmpeg.output(
            plain,
            process.input_url(destination),
            format="wav",
            acodec="pcm_s16le",
            t=f"{float(info.duration_s):.6f}",
            fflags="+bitexact",
            rf64="auto",
        ),
    )
    talkative = ("-v", "info", "-nostats", "-progress", "pipe:1", *process.DESPITE_ERRORS)
    return list(outputs.global_args(*talkative).compile(cmd="ffmpeg", overwrite_output=True))


@contextlib.contextmanager
def _complete_or_absent(destination: Path) -> Iterator[Path]:
    unfinished = destination.with_name(f"{destination.name}.part")
    try:
        yield unfinished
        unfinished.replace(destination)
    finally:
        unfinished.unlink(missing_ok=True)


class AudioReader:
    """Samples of a WAV that `extract_audio` wrote, read piece by piece: memory does not grow with the file.

    Raises:
        CorruptArtifact: not a WAV of 16-bit mono PCM.
    """

    sample_count: int
    sample_rate_hz: int

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            self.sample_rate_hz, self._data_start, data_bytes = _layout(path, file)
        self.sample_count = data_bytes // _BYTES_PER_SAMPLE

    @property
    def duration_s(self) -> Fraction:
        return Fraction(self.sample_count, self.sample_rate_hz)

    def read(self, start_sample: int, count: int) -> np.ndarray:
        """float32, shape (count,), in -1..1; silence before the beginning and after the end."""
        import numpy as np

        first = min(max(start_sample, 0), self.sample_count)
        end = min(max(start_sample + count, first), self.sample_count)
        samples = np.zeros(count, np.float32)
        if end > first:
            offset = self._data_start + first * _BYTES_PER_SAMPLE
            stored = np.fromfile(self._path, np.dtype("<i2"), end - first, offset=offset)
            begin = first - start_sample
            np.divide(stored, _FULL_SCALE, out=samples[begin : begin + len(stored)], dtype=np.float32)
        return samples


def _layout(path: Path, file: BinaryIO) -> tuple[int, int, int]:
    """Sample rate, offset and size in bytes of the samples (RIFF WAVE, and RF64 of EBU Tech 3306)."""
    riff = file.read(12)
    if riff[:4] not in (b"RIFF", b"RF64") or riff[8:] != b"WAVE":
        raise CorruptArtifact(f"{path.name} is not a WAV file; run again with recompute")
    rate_hz = 0
    while len(header := file.read(8)) == 8:
        kind, size = struct.unpack("<4sI", header)
        if kind == b"data":
            # Above 4 GiB, and while ffmpeg still writes, the size in the header is no size.
            present = path.stat().st_size - file.tell()
            return rate_hz, file.tell(), present if size == _UNKNOWN_SIZE else min(size, present)
        content = file.read(size + size % 2)
        if kind == b"fmt ":
            coding, channels, rate_hz, _, _, bits = struct.unpack("<HHIIHH", content[:16])
            if (coding, channels, bits) != (_PCM, 1, 8 * _BYTES_PER_SAMPLE):
                raise CorruptArtifact(f"{path.name} is not 16-bit mono PCM; run again with recompute")
    raise CorruptArtifact(f"{path.name} holds no samples; run again with recompute")
