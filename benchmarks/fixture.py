"""The video that benchmarks run on: the sample talk with sensor noise, looped. Made once, kept by its parameters."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

from clip_platform.evaluation.sample_talk import SampleTalk, current_sample_talk

SIZE, FPS, BIT_RATE_MBPS, NOISE = "1920x1080", 30, 6, 14
PARAMETERS = (
    f"{SIZE} at {FPS} frames/s, BT.709, H.264 High, {BIT_RATE_MBPS} Mbit/s, AAC; moving faces over textures, slides; "
    f"temporal noise of strength {NOISE} (ffmpeg's noise filter); the 86 s sample talk looped"
)

_TO_HD_COLOURS = "scale=in_color_matrix=bt601:out_color_matrix=bt709"
"""The drawn talk is BT.601; cameras and editors write BT.709 at this size (ITU-R BT.709), which needs no conversion."""


@dataclass(frozen=True, slots=True)
class Fixture:
    """`video` lasts `minutes`; its first 86 s are `talk`'s, with noise."""

    video: Path
    talk: SampleTalk
    minutes: float


def fixture(folder: Path, minutes: float) -> Fixture:
    """The video of this length, made when missing."""
    talk = current_sample_talk(folder.parent / "sample")
    digest = _digest_of(talk.video)
    folder.mkdir(parents=True, exist_ok=True)
    loop = folder / f"loop-{digest}-{BIT_RATE_MBPS}m-{NOISE}-709.mp4"
    if not loop.exists():
        picture = f"{_TO_HD_COLOURS},noise=alls={NOISE}:allf=t"
        _make(loop, ["-i", str(talk.video), "-vf", picture, *_encoder(), "-c:a", "copy"])
    return Fixture(_repeated(loop, minutes, folder), talk, minutes)


def small_fixture(folder: Path, minutes: float) -> Fixture:
    """The same talk in small pictures without noise: for what depends on the length and not on the picture's size."""
    talk = current_sample_talk(folder.parent / "sample")
    digest = _digest_of(talk.video)
    folder.mkdir(parents=True, exist_ok=True)
    loop = folder / f"small-{digest}.mp4"
    if not loop.exists():
        _make(loop, ["-i", str(talk.video), "-vf", "scale=320:-2", "-c:v", "libx264", "-g", "250", "-c:a", "copy"])
    return Fixture(_repeated(loop, minutes, folder), talk, minutes)


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def _repeated(loop: Path, minutes: float, folder: Path) -> Path:
    video = folder / f"{loop.stem.replace('loop', 'talk')}-{minutes:g}min.mp4"
    if not video.exists():
        _make(video, ["-stream_loop", "-1", "-i", str(loop), "-t", f"{60 * minutes:g}", "-c", "copy"])
    return video


def _encoder() -> list[str]:
    rate = f"{BIT_RATE_MBPS}M"
    control = ["-b:v", rate, "-maxrate", f"{1.5 * BIT_RATE_MBPS:g}M", "-bufsize", f"{2 * BIT_RATE_MBPS}M"]
    return [
        "-c:v",
        "libx264",
        "-profile:v",
        "high",
        "-preset",
        "veryfast",
        *control,
        "-g",
        "250",
        "-pix_fmt",
        "yuv420p",
        *("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"),
    ]


def _make(path: Path, arguments: list[str]) -> None:
    """Whole or not at all."""
    part = path.with_name(f".{path.name}")
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *arguments, "-f", "mp4", str(part)], check=True)
    part.replace(path)
