"""Shots and faces against decoding alone: nobody can watch a video without decoding it."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.fixture import Fixture
from benchmarks.measuring import Ratio, cost_of

LIMIT = 1.5


def measure(fixture: Fixture) -> list[Ratio]:
    """Decoding is measured before and after, and its mean taken: a shared machine changes while a benchmark runs."""
    decode = ["ffmpeg", "-nostdin", "-v", "error", "-i", fixture.video, "-map", "0:v:0", "-f", "null", "-"]
    before = cost_of(decode)
    vision = cost_of([sys.executable, "-m", "benchmarks.vision_over_decode", fixture.video])
    after = cost_of(decode)
    bound_s = (before.cpu_s + after.cpu_s) / 2
    details = {
        "vision_cpu_s": round(vision.cpu_s, 1),
        "vision_wall_s": round(vision.wall_s, 1),
        "decode_cpu_s": f"{before.cpu_s:.1f}, {after.cpu_s:.1f}",
    }
    return [Ratio("shots and faces, CPU", "decode only (ffmpeg -f null), CPU", vision.cpu_s / bound_s, LIMIT, details)]


def _watch(path: Path) -> None:
    from clip_platform.media.probe import probe
    from clip_platform.progress import silent
    from clip_platform.vision.analysis import watch
    from clip_platform.vision.backends.opencv import HaarDetector

    shots, faces = watch(path, probe(path), HaarDetector(), silent)
    print(f"{len(shots.shots)} shots, {len(faces.tracks)} face tracks", file=sys.stderr)


if __name__ == "__main__":
    _watch(Path(sys.argv[1]))
