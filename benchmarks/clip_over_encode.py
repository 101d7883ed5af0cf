"""One 30 s clip against the same encode with a static crop and no captions: the price of moving, captions and loudness.

The clip is planned from the sample's truth, so that the benchmark measures rendering and nothing else. It shows faces
only: a slide fitted over a blurred copy of itself is easier to encode than the static crop it would be compared with.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.fixture import Fixture
from benchmarks.measuring import Ratio, cost_of

LIMIT = 1.25
START_S, DURATION_S = 61.0, 30.0
"""Across the fixture's first loop; it must last 1.6 minutes or more."""


def measure(fixture: Fixture) -> list[Ratio]:
    """The encode is measured before and after, and its mean taken."""
    with TemporaryDirectory(prefix="clip-platform-bench-") as scratch:
        out = Path(scratch) / "static.mp4"
        before = cost_of(_static_encode(fixture.video, out))
        clip = cost_of(
            [sys.executable, "-m", "benchmarks.clip_over_encode", fixture.video, fixture.talk.truth, scratch]
        )
        after = cost_of(_static_encode(fixture.video, out))
    bound_s = (before.cpu_s + after.cpu_s) / 2
    details = {
        "clip_cpu_s": round(clip.cpu_s, 1),
        "clip_wall_s": round(clip.wall_s, 1),
        "encode_cpu_s": f"{before.cpu_s:.1f}, {after.cpu_s:.1f}",
    }
    return [
        Ratio(
            "a 30 s clip, CPU", "static crop, no captions, veryfast crf 21, CPU", clip.cpu_s / bound_s, LIMIT, details
        )
    ]


def _static_encode(video: Path, out: Path) -> list[object]:
    picture = ["-vf", "crop=608:1080:656:0,scale=1080:1920:flags=bicubic", "-c:v", "libx264", "-preset", "veryfast"]
    settings = ["-crf", "21", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "128k", "-ar", "48000"]
    seek = ["-ss", f"{START_S:g}", "-t", f"{DURATION_S:g}"]
    return ["ffmpeg", "-nostdin", "-v", "error", "-y", *seek, "-i", video, *picture, *settings, out]


def _render(video: Path, truth_file: Path, folder: Path) -> None:
    from benchmarks.perfect import looped, perfect_analysis
    from clip_platform.evaluation.truth import load_truth
    from clip_platform.media.probe import probe
    from clip_platform.rendering.plan import plan_clip
    from clip_platform.rendering.render import render_clip
    from clip_platform.selection.choice import SelectedClip
    from clip_platform.timeline import Span
    from clip_platform.upload.preferences import Preferences

    known, media = perfect_analysis(looped(load_truth(truth_file), 2)), probe(video)
    span = Span.of(START_S, START_S + DURATION_S)
    clip = SelectedClip("bench", 1, span, 0, 0, 100.0, "bench", ())
    plan = plan_clip(clip, media, known.transcript, known.shots, known.faces, known.turns, Preferences())
    quality = render_clip(video, plan, folder).quality
    layouts = ", ".join(f"{float(run.span.duration_s):.1f} s {run.layout}" for run in plan.layout)
    print(f"{quality.frames} frames: {layouts}", file=sys.stderr)


if __name__ == "__main__":
    _render(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
