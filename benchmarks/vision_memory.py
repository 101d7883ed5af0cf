"""Peak memory of the vision stage for a long video against a short one.

Its pictures are drawn, not decoded: a decoder's memory does not depend on the length, and hours of decoding would
measure nothing else."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from benchmarks.measuring import Ratio
from clip_platform.media.frames import Feed, Frame
from clip_platform.vision.analysis import SAMPLE_RATE, analyse, feeds_of

LIMIT = 1.1
SHORT_MINUTES, LONG_MINUTES = 10, 180
SIZE = (256, 144)
_LOOP = 120
_SHOTS_EVERY = 3
"""Samples between pictures for shots: fewer than of a real video, which makes no difference to what is kept."""


def measure() -> list[Ratio]:
    """One shot with one face from beginning to end: what is kept of a face is all that could grow."""
    short_mib, long_mib = (_peak_mib(minutes) for minutes in (SHORT_MINUTES, LONG_MINUTES))
    details = {f"{SHORT_MINUTES}min_mib": round(short_mib), f"{LONG_MINUTES}min_mib": round(long_mib)}
    name, over = f"shots and faces of {LONG_MINUTES} min, peak memory", f"of {SHORT_MINUTES} min"
    return [Ratio(name, over, long_mib / short_mib, LIMIT, details)]


def _peak_mib(minutes: int) -> float:
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.vision_memory", str(minutes)], stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"analysing {minutes} min of drawn pictures ended with status {process.returncode}")
    return usage.ru_maxrss / 1024


def _analyse(minutes: float) -> None:
    from clip_platform.media.probe import probe
    from clip_platform.storage import artifacts
    from clip_platform.vision.backends.opencv import HaarDetector

    with TemporaryDirectory() as folder:
        path = Path(folder) / "size.mp4"
        made = [f"testsrc=s={SIZE[0]}x{SIZE[1]}:d=2", "-f", "lavfi", "-i", "sine=d=2", "-pix_fmt", "yuv420p"]
        subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", *made, str(path)], check=True)
        info = replace(probe(path), duration_s=Fraction(round(60 * minutes)))
    detector = HaarDetector()
    small, large = feeds_of(info.video, needs_colour=detector.needs_colour)
    shots, faces = analyse(_frames(info.duration_s, small, large), info, detector)
    sizes = [len(artifacts.encode(value)) for value in (shots, faces)]
    boxes = [len(track.boxes) for track in faces.tracks]
    print(f"{len(shots.shots)} shots, boxes of the tracks: {boxes}, stored in {sizes} bytes", file=sys.stderr)


def _frames(duration_s: Fraction, small: Feed, large: Feed) -> Iterator[Frame]:
    greys = _pictures(large.width_px, large.height_px)
    for number in range(math.ceil(duration_s * SAMPLE_RATE)):
        grey = greys[number % _LOOP]
        if number % _SHOTS_EVERY == 0:
            colour = cv2.cvtColor(cv2.resize(grey, (small.width_px, small.height_px)), cv2.COLOR_GRAY2BGR)
            yield Frame(small.name, number // _SHOTS_EVERY, number / SAMPLE_RATE, colour)
        yield Frame(large.name, number, number / SAMPLE_RATE, grey.copy())


def _pictures(width_px: int, height_px: int) -> list[np.ndarray]:
    """The astronaut, who sways and comes back to where she was."""
    import skimage.data

    grey = cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2GRAY)
    scale = height_px / 300
    shifts = [4 * math.sin(2 * math.pi * number / _LOOP) for number in range(_LOOP)]
    matrices = [np.array([[scale, 0, shift], [0, scale, -8 + shift / 2]], np.float32) for shift in shifts]
    return [cv2.warpAffine(grey, matrix, (width_px, height_px), flags=cv2.INTER_AREA) for matrix in matrices]


if __name__ == "__main__":
    _analyse(float(sys.argv[1]))
