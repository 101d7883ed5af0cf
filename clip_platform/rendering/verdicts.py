"""What must hold of rendered clips. Problems in words; none means all is well."""

from __future__ import annotations

from clip_platform.rendering.clips import RenderedClips

LATEST_CAPTION_S = 0.1
"""A caption may be this far from its word, either way."""


def frame_problems(rendered: RenderedClips) -> list[str]:
    return [
        f"clip {clip.rank} has {clip.quality.frames} frames, not {clip.quality.expected_frames}"
        for clip in rendered.clips
        if clip.quality.frames != clip.quality.expected_frames
    ]


def caption_problems(rendered: RenderedClips) -> list[str]:
    return [
        f"clip {clip.rank} has a caption {clip.quality.caption_error_s:.3f} s off its word"
        for clip in rendered.clips
        if clip.quality.caption_error_s > LATEST_CAPTION_S
    ]


def loudness_problems(rendered: RenderedClips) -> list[str]:
    return [f"clip {clip.rank} is silent" for clip in rendered.clips if clip.quality.loudness_lufs is None]


def fallback_problems(rendered: RenderedClips) -> list[str]:
    return [f"clip {clip.rank}: {fallback}" for clip in rendered.clips for fallback in clip.quality.fallbacks]


def no_clip_problems(rendered: RenderedClips) -> list[str]:
    """Errs only when every clip has a problem: a verdict on one clip is data, and `published_clips` leaves it out."""
    if rendered.clips and all(clip.quality.problems for clip in rendered.clips):
        return [f"clip {clip.rank}: {clip.quality.problems[0]}" for clip in rendered.clips]
    return []
